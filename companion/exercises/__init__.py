"""The exercises: their format, their cases, the comparer, the gate.

format     reads a master notebook, writes the student's and the reader's versions (no torch, no numpy)
cases      what a `<chapter>_cases.py` file holds, how it is loaded, how inputs are drawn from a seed
values     plain values to text and back, so that an answer can cross from one process to another
compare    the one comparer: type, shape and value agree within tolerance
worker     runs answers in processes of their own
gate       proves that a chapter's exercises do what an exercise must

`python -m companion.exercises` lists the commands. Importing this package imports neither numpy nor
torch: the book is built without them.
"""

from companion.exercises.cases import Exercise

__all__ = ["Exercise"]

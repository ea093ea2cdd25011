"""The exercises: their format, their cases, the comparer, the gate.

format     a master notebook, and the student's and the reader's versions of it
cases      what a `<chapter>_cases.py` file holds, and inputs drawn from a seed
values     plain values to text and back, so that an answer can cross from one process to another
compare    the one comparer: type, shape and value agree within tolerance
worker     runs answers in processes of their own
gate       proves that a chapter's exercises do what an exercise must

`python -m companion.exercises` lists the commands. Importing this package imports neither numpy nor
torch: the book is built without them.
"""

from companion.exercises.cases import Exercise

__all__ = ["Exercise"]

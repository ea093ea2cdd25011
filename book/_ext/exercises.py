"""Publishes exercises without their solutions.

Every `.ipynb` of the book is read by `companion.exercises.format.read_for_page`:
masters become statement, stub, folded solution and public tests. Sphinx also
copies the source of each page to `_sources/`, where the page's download button
finds it; those copies are rewritten as the student's version, also when the
build has failed half-way. SOLUTIONS=off folds in no solution at all.
"""

from pathlib import Path

import nbformat
from sphinx.application import Sphinx

from companion.exercises import format


def rewrite_sources(app: Sphinx, _: Exception | None) -> None:
    """Replace every master under `_sources/` by the student's version."""
    for path in Path(app.outdir, "_sources").rglob("*.ipynb*"):
        notebook = format.read(path)
        # A copy that an earlier build rewrote holds stubs already, and is left as it is.
        if any(format.BEGIN in cell.source for cell in notebook.cells):
            nbformat.write(format.student(notebook), path)


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect the rewriting; a change of SOLUTIONS rebuilds the pages."""
    app.add_config_value("exercise_solutions", format.solutions_wanted(), "env")
    app.connect("build-finished", rewrite_sources)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

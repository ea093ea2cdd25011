"""Scripts that set up, build and check the course; nothing here ships with the package.

This file runs first, so it is written for any Python there is, however old.
"""

import sys


def check_python(version):
    """Leave with a sentence if `version`, as in sys.version_info, is too old for the course."""
    if tuple(version[:2]) < (3, 11):
        sys.exit(
            "The course needs Python 3.11 or newer; {} is {}. Install a newer one, or name it if "
            "it is on this machine: make book PYTHON=python3.12".format(
                sys.executable, ".".join(str(part) for part in version[:3])
            )
        )


check_python(sys.version_info)

"""What every test and every executed notebook runs under: smoke size, one thread, no network."""

import importlib.util
import os
import re
from pathlib import Path

import pytest

CLOSED_NETWORK = Path(__file__).parent / "tools" / "closed_network"

os.environ.setdefault("COURSE_SIZE", "smoke")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("MPLBACKEND", "agg")
os.environ.setdefault("JUPYTER_PLATFORM_DIRS", "1")


def close_network() -> None:
    """Close the network to this process and, through the environment, to all it starts."""
    known = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if str(CLOSED_NETWORK) not in known:
        path = [str(CLOSED_NETWORK), *filter(None, known)]
        os.environ["PYTHONPATH"] = os.pathsep.join(path)
        place = CLOSED_NETWORK / "sitecustomize.py"
        specification = importlib.util.spec_from_file_location("closed_network", place)
        specification.loader.exec_module(importlib.util.module_from_spec(specification))


close_network()
# What test modules share, whose asserts should explain themselves as theirs do.
pytest.register_assert_rewrite("tests.browser_site")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--chapter vision/sketch_rnn`: only the tests and notebooks of one chapter."""
    parser.addoption("--chapter", help="run what belongs to this chapter only (part/chapter)")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep what names the chapter in its path or its parameters."""
    chapter = config.getoption("--chapter")
    if not chapter:
        return
    name = re.escape(chapter.rpartition("/")[2])
    wanted = re.compile(rf"(?<![A-Za-z0-9_]){name}(?![A-Za-z0-9])")
    kept = [item for item in items if wanted.search(item.nodeid)]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept

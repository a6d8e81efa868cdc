"""What the page "Try it in the page" loads: onnxruntime-web, fetched with npm and checked, and the exported network.

`make site` calls this with the folder in the built book where they go; nothing of it is tracked.
"""

import base64
import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from s12lib.data.cifar10 import CLASSES
from s12lib.errors import CourseError
from s12lib.files import atomic_write

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / "_build" / "npm"
PACKAGE, VERSION = "onnxruntime-web", "1.30.0"
SHA512 = "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
RUNTIME, WASM = "ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"
WEIGHTS = "page_resnet_cifar10"


class SiteError(CourseError):
    """Files that could not be had; the message is one sentence for people."""


def fetch() -> Path:
    """npm's archive of the runtime, from the cache or the network. Raises SiteError unless it is the very one."""
    archive = CACHE / f"{PACKAGE}-{VERSION}.tgz"
    if not archive.exists():
        npm = shutil.which("npm")
        if npm is None:
            raise SiteError(f"`make site` needs npm to fetch {PACKAGE}: install Node.js; `make book` does without.")
        CACHE.mkdir(parents=True, exist_ok=True)
        command = [
            npm,
            "pack",
            "--silent",
            "--fetch-retries=1",
            "--pack-destination",
            str(CACHE),
            f"{PACKAGE}@{VERSION}",
        ]
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode or not archive.exists():
            why = (result.stderr.strip().splitlines() or ["it gave no reason"])[-1]
            raise SiteError(f"npm could not fetch {PACKAGE} {VERSION} ({why}); `make book` does without.")
    if base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode() != SHA512:
        archive.unlink()
        raise SiteError(
            f"What npm fetched as {PACKAGE} {VERSION} has another hash than the one on record; it was deleted."
        )
    return archive


def put_into(folder: Path) -> int:
    """Write the runtime, the network and the list of them, which comes last; returns their size in MB."""
    with tarfile.open(fetch()) as archive:  # first, before anything heavy is loaded, since it may fail
        for name in (RUNTIME, WASM):
            member = archive.extractfile(f"package/dist/{name}")
            assert member is not None  # the hash says that it is there
            atomic_write(folder / name, member.read())
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
        raise SiteError(f"The page scores pictures by their energy, but the card by the {familiarity.score_name}.")
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


def main(arguments: list[str]) -> int:
    """With ``--if-at-hand`` a runtime that cannot be fetched is no error: the page then leads to the app."""
    folder = Path(arguments[-1])
    try:
        print(f"{folder} holds what the page computes with: {put_into(folder)} MB.")
    except (CourseError, OSError) as error:
        if "--if-at-hand" in arguments:
            print(f"The page “Try it in the page” leads to the app (`make app`) instead: {error}")
            return 0
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

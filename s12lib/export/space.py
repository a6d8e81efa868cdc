"""A Hugging Face Space with the app in it: a folder to push as it is, made from this checkout.

What a Space needs and how its README begins: https://huggingface.co/docs/hub/spaces-config-reference
"""

import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

import yaml

from s12lib.errors import CourseError, reason
from s12lib.results.markup import code, escaped
from s12lib.schemas import Card
from s12lib.weights.pretrained import load_weights, read_card, weights_path

PACKAGE = Path(__file__).parent.parent
CHECKOUT = PACKAGE.parent
NEEDED = ("filelock", "gradio", "numpy", "pillow", "safetensors", "torch")
"""What the app imports. What these bring along is left free, since a Space installs Gradio with extras of its own,
which want other versions of it than our lock has (of pydantic, for one)."""
CPU_WHEELS = "--extra-index-url https://download.pytorch.org/whl/cpu"
"""PyTorch's own list of what it builds for CPUs: https://pytorch.org/get-started/locally/

A Space installs its requirements with pip, which looks in both lists and takes `2.x+cpu` for newer than the `2.x` that
brings libraries for GPUs. Where there is no such build, as for a Mac, pip finds the plain one: so `+cpu` is not pinned.
"""
PYTHON = "3.11"  # the version that requirements.lock was made for

APP = '''"""The Space: the app of the package s12lib, beside this file, at the address that the Space chooses."""

from s12lib.app import launch

if __name__ == "__main__":
    launch(port=None, weights={weights!r})
'''
WEIGHTS_FILES = (".safetensors", ".json", ".csv")  # what there is for each name of weights
BINARY = ("*.safetensors", "*.png", "*.jpg")  # the Hub takes such files by Git LFS only
ABOUT = """
# {title}

A ResNet of {parameters:,} parameters (David C. Page's, from DAWNBench), trained on {dataset}, says what is in an
image, and Grad-CAM shows where it saw the evidence. It knows {classes} classes and answers with one of them whatever
it is shown; an image that is unlike its training data gets a warning.

{accuracy}Its card is {weights}.

The folder was written by `s12 export --space DIR` of the Page ResNet course. `requirements.txt` has pip take PyTorch's
build for CPUs, without its gigabytes for GPUs. To start it on your own machine:

    pip install -r requirements.txt
    python app.py
"""


class SpaceError(CourseError):
    """A Space that could not be made; the message is one sentence for people."""


def write_space(folder: Path, weights: str = "page_resnet_cifar10") -> list[str]:
    """Make ``folder`` a Space around ``weights`` (as :func:`weights_path` takes them); returns what lies in it.

    A Space that is there already is brought up to date, and its ``.git`` stays. Raises SpaceError when the folder holds
    anything else, cannot be written, or when this is no checkout, and what ``load_weights`` raises.
    """
    if folder.exists() and not is_ours_to_fill(folder):
        raise SpaceError(f"{folder} holds something else than such a Space: choose a new or an empty folder.")
    source = weights_path(weights)
    parameters = sum(parameter.numel() for parameter in load_weights(source).parameters())
    card, pins = read_card(source), read_pins()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".part-") as scratch:
            made = Path(scratch)
            (made / "README.md").write_text(readme(card, source.stem, parameters, pins), encoding="utf-8")
            (made / "requirements.txt").write_text(requirements(pins))
            (made / "app.py").write_text(APP.format(weights=source.stem))
            (made / ".gitattributes").write_text(
                "".join(f"{kind} filter=lfs diff=lfs merge=lfs -text\n" for kind in BINARY)
            )
            shutil.copy(CHECKOUT / "LICENSE", made)
            copy_package(made / PACKAGE.name, source)
            names = sorted(path.name for path in made.iterdir())
            for name in names:
                replace(folder / name, made / name)
    except OSError as error:
        raise SpaceError(f"{folder} could not be written: {reason(error)}.") from error
    return names


def is_ours_to_fill(folder: Path) -> bool:
    """Whether a folder is empty, or a Gradio Space whose app is this one or not there yet."""
    if not folder.is_dir():
        return False
    if not any(folder.iterdir()):
        return True
    app, about = folder / "app.py", folder / "README.md"
    if not about.is_file() or front_matter(about).get("sdk") != "gradio":
        return False
    return not app.exists() or "s12lib" in app.read_text("utf-8", "replace")


def front_matter(about: Path) -> dict[str, Any]:
    """The settings between the two lines of dashes at the top of a README, {} where there are none."""
    found = re.match(r"---\n(.*?)\n---\n", about.read_text("utf-8", "replace"), re.S)
    try:
        settings = yaml.safe_load(found[1]) if found else {}
    except yaml.YAMLError:
        settings = {}
    return settings if isinstance(settings, dict) else {}


def read_pins() -> dict[str, list[str]]:
    """Every ``name==version ; marker`` of requirements.lock, by name, without the hashes. Raises SpaceError."""
    lock = CHECKOUT / "requirements.lock"
    if not lock.is_file():
        raise SpaceError("A Space is made from a checkout of the course: its versions come from requirements.lock.")
    pins: dict[str, list[str]] = {}
    for name, rest in re.findall(r"^([a-z0-9][a-z0-9._-]*)(==[^\\\n]*[^\\\n ])", lock.read_text("utf-8"), re.M):
        pins.setdefault(name, []).append(name + rest)
    return pins


def requirements(pins: dict[str, list[str]]) -> str:
    """The lines of requirements.txt: where builds for CPUs are, and a version of everything that the app imports."""
    return "".join(f"{line}\n" for line in (CPU_WHEELS, *(pin for name in NEEDED for pin in pins[name])))


def readme(card: Card, name: str, parameters: int, pins: dict[str, list[str]]) -> str:
    """The Space's settings, and a page about it with the accuracies that its weights' card states."""
    title = "What does a small network see?"
    settings = {
        "title": title,
        "emoji": "🔎",
        "colorFrom": "yellow",
        "colorTo": "purple",
        "sdk": "gradio",
        "sdk_version": pins["gradio"][0].split("==")[1],
        "python_version": PYTHON,
        "app_file": "app.py",
        "license": card["licence"].lower(),
        "short_description": "What is in an image, and where is the evidence?",
    }
    accuracy = "Its accuracy was not measured. "
    if card["test_accuracy"] is not None:
        accuracy = (
            "On the test set it is right in {test_accuracy:.2%} of all cases, and in {test_accuracy_tta:.2%} when it "
        )
        accuracy = accuracy.format(**card) + "also looks at the mirror image (flip TTA). "
    about = {
        "title": title,
        "dataset": escaped(card["dataset"]),
        "classes": card["architecture"]["arguments"]["num_classes"],
    }
    body = ABOUT.format(**about, parameters=parameters, accuracy=accuracy, weights=code(f"s12lib/weights/{name}.json"))
    return f"---\n{yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)}---\n{body}"


def copy_package(to: Path, weights: Path) -> None:
    """The package with its examples, and of all weights only those that the Space shows, with card and curve."""
    others = [f"*{suffix}" for suffix in WEIGHTS_FILES]

    def unwanted(folder: str, names: list[str]) -> set[str]:
        patterns = ("__pycache__", "*.part", *(others if Path(folder).name == "weights" else ()))
        return shutil.ignore_patterns(*patterns)(folder, names)

    shutil.copytree(PACKAGE, to, ignore=unwanted)
    for suffix in WEIGHTS_FILES:
        if (file := weights.with_suffix(suffix)).exists():
            shutil.copy(file, to / "weights")


def replace(old: Path, new: Path) -> None:
    """Put a new file or folder in the place of an old one."""
    if old.is_dir() and not old.is_symlink():
        shutil.rmtree(old)
    else:
        old.unlink(missing_ok=True)
    new.rename(old)

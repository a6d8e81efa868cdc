"""Weights on disk: a safetensors file, in which no code can hide, and a card that says how they came about."""

import csv
import hashlib
import io
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load

from s12lib.data.cifar10 import CLASSES
from s12lib.data.shapes import SHAPE_CLASSES
from s12lib.errors import CourseError, did_you_mean, reason
from s12lib.files import read_bytes, read_text, user_path
from s12lib.model import PageResNet
from s12lib.schemas import Card, LogRow, check, read_json

WEIGHTS_DIR = Path(__file__).parent
MOST_BYTES = 1_000_000_000


class WeightsError(CourseError):
    """Weights that are missing, damaged or not what their card says; the message is written for people."""


def load_pretrained(name: str = "page_resnet_cifar10") -> PageResNet:
    """The network with weights that come with the package, in eval mode, float32, on the CPU.

    ``page_resnet_cifar10`` knows CIFAR-10's classes, ``page_resnet_shapes`` those of Shapes. The file's SHA-256 is held
    against its card. Raises ValueError for another name and WeightsError when the file is not what the card describes.
    """
    if name not in available():
        likely = did_you_mean(name, available())
        raise ValueError(f"name must be one of {', '.join(available())}, but it is {name!r}{likely}")
    return load_weights(WEIGHTS_DIR / f"{name}.safetensors")


def available() -> list[str]:
    """The names that ``load_pretrained`` takes."""
    return sorted(path.stem for path in WEIGHTS_DIR.glob("*.json"))


def load_card(name: str = "page_resnet_cifar10") -> Card:
    """The card of weights that come with the package: architecture, recipe, dataset, accuracies, hash, licence."""
    return read_card(WEIGHTS_DIR / f"{name}.safetensors")


def read_card(path: Path) -> Card:
    """The card that lies beside a file of weights. Raises WeightsError, with the file's name, when it is none."""
    if not path.with_suffix(".json").exists():
        raise WeightsError(f"{path.name} has no card {path.with_suffix('.json').name} beside it: {_way_out(path)}.")
    card = read_json(path.with_suffix(".json"), Card, WeightsError)
    named, count = card.get("classes"), card["architecture"]["arguments"]["num_classes"]
    if named and len(named) != count:
        raise WeightsError(
            f"{path.with_suffix('.json')} cannot be read as the card of weights: it names {len(named)} classes for a "
            f"network of {count}."
        )
    return card


def class_names(card: Card) -> tuple[str, ...]:
    """What the classes are called, in label order, as far as the card or its dataset's name says so."""
    known = {"CIFAR-10": CLASSES, "Shapes": SHAPE_CLASSES}.get(card["dataset"])
    numbered = tuple(f"class {label}" for label in range(card["architecture"]["arguments"]["num_classes"]))
    return tuple(card.get("classes") or known or numbered)


def load_curve(name: str = "page_resnet_cifar10") -> list[dict[str, str]]:
    """The rows of the ``metrics.csv`` that the run wrote while it trained the weights called ``name``."""
    path = WEIGHTS_DIR / f"{name}.csv"
    rows = list(csv.DictReader(io.StringIO(read_text(path, WeightsError))))
    for row in rows:
        check({**row}, LogRow, path, WeightsError)
    return rows


def load_weights(path: Path) -> PageResNet:
    """The network from a file that ``s12 pack`` wrote, checked against the card beside it. Raises WeightsError."""
    try:
        card = read_card(path)
        content = read_bytes(path, MOST_BYTES)
        if hashlib.sha256(content).hexdigest() != card["sha256"]:
            raise WeightsError(f"{path.name} is damaged: its SHA-256 is not the one on its card.")
        weights = {key: value.float() if value.is_floating_point() else value for key, value in load(content).items()}
        if broken := [key for key, value in weights.items() if not value.isfinite().all()]:
            raise WeightsError(f"{path.name} holds NaN or infinite numbers in {broken[0]}: its training had diverged.")
        network = PageResNet(**card["architecture"]["arguments"])
        network.load_state_dict(weights, strict=True)
    except OSError as error:
        raise WeightsError(f"{path.name} cannot be read: {reason(error)}; {_way_out(path)}.") from error
    except (KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        raise WeightsError(f"{path.name} or its card is damaged ({type(error).__name__}): {_way_out(path)}.") from error
    return network.eval()


def _way_out(path: Path) -> str:
    return "install the package again" if path.parent == WEIGHTS_DIR else "make them again with `s12 pack`"


def weights_path(name_or_file: str | Path) -> Path:
    """The file of weights, by a name that :func:`load_pretrained` takes or as a file that ``s12 pack`` wrote.

    Raises ValueError when it is neither.
    """
    known = str(name_or_file) in available()
    path = WEIGHTS_DIR / f"{name_or_file}.safetensors" if known else user_path(name_or_file)
    if path.suffix != ".safetensors":
        likely = did_you_mean(str(name_or_file), available())
        names = ", ".join(available())
        raise ValueError(
            f"Weights must be one of {names}, or a file in .safetensors, but they are '{name_or_file}'{likely}"
        )
    return path

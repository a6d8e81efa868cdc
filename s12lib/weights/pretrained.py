"""Weights on disk: a safetensors file, in which no code can hide, and a card that says how they came about."""

import csv
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn

from s12lib.data.augment import as_tensor, normalize
from s12lib.data.cifar10 import CLASSES
from s12lib.data.shapes import SHAPE_CLASSES
from s12lib.errors import CourseError
from s12lib.files import write_whole
from s12lib.model import PageResNet
from s12lib.training.checkpoints import CheckpointError, read_checkpoint, run_of

if TYPE_CHECKING:
    from s12lib.datamodule import Split  # which would load Lightning

WEIGHTS_DIR = Path(__file__).parent
INTENDED_USE = (
    "Teaching and experiments on 32x32 pictures of the ten classes. It answers with one of them whatever it is shown, "
    "so nothing that matters to anybody should depend on it."
)


class WeightsError(CourseError):
    """Weights that are missing, damaged or not what their card says; the message is written for people."""


def load_pretrained(name: str = "page_resnet_cifar10") -> PageResNet:
    """The network with weights that come with the package, in eval mode, float32, on the CPU.

    ``page_resnet_cifar10`` knows CIFAR-10's classes, ``page_resnet_shapes`` those of Shapes. The file's SHA-256 is held
    against its card. Raises ValueError for another name and WeightsError when the file is not what the card describes.
    """
    if name not in available():
        raise ValueError(f"name must be one of {', '.join(available())}, but it is {name!r}")
    return load_weights(WEIGHTS_DIR / f"{name}.safetensors")


def available() -> list[str]:
    """The names that ``load_pretrained`` takes."""
    return sorted(path.stem for path in WEIGHTS_DIR.glob("*.json"))


def load_card(name: str = "page_resnet_cifar10") -> dict[str, Any]:
    """The card of weights that come with the package: architecture, recipe, dataset, accuracies, hash, licence."""
    return read_card(WEIGHTS_DIR / f"{name}.safetensors")


def read_card(path: Path) -> dict[str, Any]:
    """The card that lies beside a file of weights."""
    return json.loads(path.with_suffix(".json").read_text())


def class_names(card: dict[str, Any]) -> tuple[str, ...]:
    """What the classes are called, in label order, as far as the card or its dataset's name says so."""
    known = {"CIFAR-10": CLASSES, "Shapes": SHAPE_CLASSES}.get(card["dataset"])
    numbered = tuple(f"class {label}" for label in range(card["architecture"]["arguments"]["num_classes"]))
    return tuple(card.get("classes") or known or numbered)


def load_curve(name: str = "page_resnet_cifar10") -> list[dict[str, str]]:
    """The rows of the ``metrics.csv`` that the run wrote while it trained the weights called ``name``."""
    with open(WEIGHTS_DIR / f"{name}.csv", newline="") as file:
        return list(csv.DictReader(file))


def load_weights(path: Path) -> PageResNet:
    """The network from a file that ``s12 pack`` wrote, checked against the card beside it. Raises WeightsError."""
    try:
        card = read_card(path)
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != card["sha256"]:
            raise WeightsError(f"{path.name} is damaged: its SHA-256 is not the one on its card.")
        weights = {key: value.float() if value.is_floating_point() else value for key, value in load(content).items()}
        network = PageResNet(**card["architecture"]["arguments"])
        network.load_state_dict(weights, strict=True)
    except OSError as error:
        raise WeightsError(f"{path.name} or its card is missing: {_way_out(path)}.") from error
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
    path = WEIGHTS_DIR / f"{name_or_file}.safetensors" if known else Path(name_or_file)
    if path.suffix != ".safetensors":
        names = ", ".join(available())
        raise ValueError(f"Weights must be one of {names}, or a file in .safetensors, but they are '{name_or_file}'.")
    return path


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode and no gradients inside, every module's own mode again afterwards."""
    modes = {module: module.training for module in model.modules()}
    try:
        model.eval()
        with torch.no_grad():
            yield
    finally:
        for module, training in modes.items():
            module.training = training


def predict(model: nn.Module, images_uint8: np.ndarray | torch.Tensor, chunk: int = 500) -> torch.Tensor:
    """Class probabilities: ``(N, 32, 32, 3)`` or ``(32, 32, 3)`` uint8 RGB → ``(N, num_classes)`` float32 on the CPU.

    The model keeps its mode and hooks. Raises TypeError or ValueError for pictures of another type or shape.
    """
    return logits_of(model, images_uint8, chunk).softmax(1)


def logits_of(
    model: nn.Module, images_uint8: np.ndarray | torch.Tensor, chunk: int = 500, mirrored: bool = False
) -> torch.Tensor:
    """Logits as ``predict`` computes them, ``(N, num_classes)`` float32; ``mirrored`` flips the pictures first."""
    parameter = next(model.parameters())
    images = as_tensor(images_uint8)
    images = images[None] if images.ndim == 3 else images
    outputs = []
    with evaluating(model):
        for part in images.split(chunk):
            batch = normalize(part.to(parameter.device)).to(parameter.dtype)
            outputs.append(model(batch.flip(-1) if mirrored else batch).float().cpu())
    return torch.cat(outputs)


def measure(model: nn.Module, images_uint8: torch.Tensor, labels: torch.Tensor) -> dict[str, float]:
    """Accuracy as a share of 1, on the pictures as they are and averaged with their mirror images (flip TTA)."""
    plain = logits_of(model, images_uint8)
    averaged = (plain + logits_of(model, images_uint8, mirrored=True)) / 2
    return {
        "accuracy": (plain.argmax(1) == labels).float().mean().item(),
        "accuracy_tta": (averaged.argmax(1) == labels).float().mean().item(),
    }


def weights_sha256(state_dict: dict[str, torch.Tensor]) -> str:
    """SHA-256 of a network's weights, the same for a checkpoint and for the network trained on."""
    digest = hashlib.sha256()
    for key in sorted(state_dict):
        digest.update(key.encode() + state_dict[key].detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def network_weights(checkpoint: dict[str, Any]) -> dict[str, torch.Tensor]:
    """The (averaged) weights of the network in a Lightning checkpoint, without the Classifier around it."""
    prefix = "network."
    return {
        key.removeprefix(prefix): value for key, value in checkpoint["state_dict"].items() if key.startswith(prefix)
    }


def pack(checkpoint_path: Path, out: Path, test: "Split | None" = None) -> dict[str, Any]:
    """Turn a checkpoint into float16 safetensors at ``out`` and a card beside it, with the ending ``.json``.

    The run's ``metrics.csv``, if it lies beside the checkpoint, comes along as the recorded curve, ending ``.csv``.

    BatchNorm's statistics stay float32. The accuracies on the card are those of the saved file, in float32, on
    ``test``, the test split of the run's dataset; without it they are None. Returns the card. Raises CheckpointError.
    """
    checkpoint = read_checkpoint(checkpoint_path)
    hyper_parameters, run = checkpoint.get("hyper_parameters", {}), run_of(checkpoint, checkpoint_path)
    if hyper_parameters.get("network") != "page_resnet":
        raise CheckpointError(f"{checkpoint_path} does not come from `s12 fit` with the network page_resnet.")
    weights = network_weights(checkpoint)
    arguments = {key: hyper_parameters[key] for key in ("num_classes", "logit_scale")}
    network = PageResNet(**arguments)
    count = sum(parameter.numel() for parameter in network.parameters())
    try:
        network.load_state_dict(weights, strict=True)
    except RuntimeError as error:
        raise CheckpointError(f"{checkpoint_path} holds the weights of another network than PageResNet.") from error

    compact = {
        key: (value if keeps_float32(key) else value.half()).contiguous()  # safetensors refuses channels_last
        for key, value in weights.items()
    }
    content = save(compact)
    card = {
        "name": out.stem,
        "architecture": {"class": "s12lib.PageResNet", "arguments": arguments, "parameters": count},
        **{key: run[key] for key in ("recipe", "recipe_hash", "seed", "dataset", "train_images", "train_fingerprint")},
        "classes": run.get("classes"),
        "epochs": run["epochs_trained"],
        "commit": run.get("commit"),
        "test_accuracy": None,
        "test_accuracy_tta": None,
        "sha256": hashlib.sha256(content).hexdigest(),
        "packed_from": weights_sha256(weights),
        "licence": "MIT",
        "intended_use": INTENDED_USE,
    }
    if test is not None:
        network.load_state_dict({key: value.float() for key, value in compact.items()})
        card |= {f"test_{name}": value for name, value in measure(network, test.images, test.labels).items()}
    files = {out: content, out.with_suffix(".json"): (json.dumps(card, indent=2) + "\n").encode()}
    curve = checkpoint_path.parent / "metrics.csv"
    if curve.exists():
        files[out.with_suffix(".csv")] = curve.read_bytes()
    for path, data in files.items():
        write_whole(path, data)
    return card


def keeps_float32(key: str) -> bool:
    """BatchNorm's statistics (and its integer count of batches) are kept as they are, all else becomes float16."""
    return "running_" in key or key.endswith("num_batches_tracked")

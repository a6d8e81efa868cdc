"""A checkpoint becomes a file of weights and a card: ``s12 pack``."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors.torch import save

from s12lib.files import atomic_write_all
from s12lib.model import PageResNet
from s12lib.schemas import Card, NetworkArguments, check
from s12lib.training.checkpoints import CheckpointError, read_checkpoint, run_of

if TYPE_CHECKING:
    from s12lib.data.splits import Split  # which would load Lightning
from s12lib.inference import measure
from s12lib.training.checkpoints import network_weights, weights_sha256

INTENDED_USE = (
    "Teaching and experiments on 32x32 images of the ten classes. It answers with one of them whatever it is shown, "
    "so nothing that matters to anybody should depend on it."
)


def pack(
    checkpoint_path: Path,
    out: Path,
    test: "Split | None" = None,
    before_writing: Callable[[dict[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """Turn a checkpoint into float16 safetensors at ``out`` and a card beside it, with the ending ``.json``.

    The run's ``metrics.csv``, if it lies beside the checkpoint, comes along as the recorded curve, ending ``.csv``.

    BatchNorm's statistics stay float32. The accuracies on the card are those of the saved file, in float32, on
    ``test``, the test split of the run's dataset; without it they are None. ``before_writing`` is
    called with the card before any file is written. Returns the card. Raises CheckpointError.
    """
    checkpoint = read_checkpoint(checkpoint_path)
    hyper_parameters, run = checkpoint.get("hyper_parameters", {}), run_of(checkpoint, checkpoint_path)
    if hyper_parameters.get("network") != "page_resnet":
        raise CheckpointError(f"{checkpoint_path} does not come from `s12 fit` with the network page_resnet.")
    weights = network_weights(checkpoint)
    arguments = {key: hyper_parameters[key] for key in ("num_classes", "logit_scale") if key in hyper_parameters}
    check(arguments, NetworkArguments, checkpoint_path, CheckpointError)
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
    if broken := [key for key, value in compact.items() if not value.isfinite().all()]:
        raise CheckpointError(f"{checkpoint_path} holds NaN, infinite or huge numbers in {broken[0]}: it had diverged.")
    content = save(compact)
    card: dict[str, Any] = {
        "name": out.stem,
        "architecture": {"class": "s12lib.PageResNet", "arguments": arguments, "parameters": count},
        **{key: run[key] for key in ("recipe", "recipe_hash", "seed", "dataset", "train_images", "train_fingerprint")},
        "classes": run.get("classes"),
        "data": run["config"].get("data"),
        "epochs": run["epochs"],
        "commit": run.get("commit"),
        "test_accuracy": None,
        "test_accuracy_tta": None,
        "test_accuracy_multicrop": None,
        "sha256": hashlib.sha256(content).hexdigest(),
        "packed_from": weights_sha256(weights),
        "licence": "MIT",
        "intended_use": INTENDED_USE,
    }
    if test is not None:
        network.load_state_dict({key: value.float() for key, value in compact.items()})
        card |= {f"test_{name}": value for name, value in measure(network, test.images, test.labels).items()}
    check(card, Card, out.with_suffix(".json"), CheckpointError)
    if before_writing is not None:
        before_writing(card)
    files = {out: content, out.with_suffix(".json"): (json.dumps(card, indent=2) + "\n").encode()}
    curve = checkpoint_path.parent / "metrics.csv"
    if curve.exists():
        files[out.with_suffix(".csv")] = curve.read_bytes()
    atomic_write_all(files)
    return card


def keeps_float32(key: str) -> bool:
    """BatchNorm's statistics (and its integer count of batches) are kept as they are, all else becomes float16."""
    return "running_" in key or key.endswith("num_batches_tracked")

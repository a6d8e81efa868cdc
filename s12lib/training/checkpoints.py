"""Reading a Lightning checkpoint without running any code in it, and without loading Lightning."""

import hashlib
import pickle
from pathlib import Path
from typing import Any

import torch

from s12lib.errors import CourseError


class CheckpointError(CourseError):
    """A checkpoint that cannot be used; the message is written for people."""


RUN = {"recipe": str, "recipe_hash": str, "seed": int, "dataset": str, "train_images": int, "train_fingerprint": str,
       "epochs_trained": int, "config": dict}  # fmt: skip
"""What `s12 fit` says of a run in its checkpoint, as far as results and cards need it."""


def run_of(checkpoint: dict[str, Any], path: Path | str) -> dict[str, Any]:
    """What a checkpoint says of the run that wrote it. Raises CheckpointError when that is no run of `s12 fit`."""
    run = checkpoint.get("run")
    if not isinstance(run, dict) or any(not isinstance(run.get(field), kind) for field, kind in RUN.items()):
        raise CheckpointError(f"{path} does not come from `s12 fit`: it does not say how it was trained.")
    if Path(run["recipe"]).name != run["recipe"]:
        raise CheckpointError(f"{path} names no recipe but a path ({run['recipe']}); it is refused.")
    return run


def read_checkpoint(path: Path | str) -> dict[str, Any]:
    """Read a Lightning checkpoint onto the CPU; nothing in it is executed. Raises CheckpointError."""
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path} is damaged or holds more than weights and plain values; it is refused."
        ) from error
    except Exception as error:  # damaged bytes make the unpickler raise almost anything
        raise CheckpointError(
            f"{path} cannot be read as a checkpoint: it is missing, truncated or another kind of file."
        ) from error
    if not isinstance(checkpoint, dict) or "state_dict" not in checkpoint:
        raise CheckpointError(f"{path} holds no state_dict, so it is no Lightning checkpoint.")
    return checkpoint


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

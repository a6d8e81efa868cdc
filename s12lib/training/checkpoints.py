"""Lightning checkpoints: read without running any code in them, and written whole. Loads no Lightning."""

import hashlib
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from s12lib.errors import CourseError, reason
from s12lib.files import require_regular
from s12lib.schemas import Resumable, RunMetadata, check

MOST_BYTES = 20_000_000_000
TO_GO_ON = ("optimizer_states", "lr_schedulers", "callbacks", "loops")
"""What a checkpoint of weights alone lacks."""


class CheckpointError(CourseError):
    """A checkpoint that cannot be used; the message is written for people."""


def run_of(checkpoint: dict[str, Any], path: Path | str) -> RunMetadata:
    """What a checkpoint says of the run that wrote it. Raises CheckpointError when that is no run of `s12 fit`."""
    if "run" not in checkpoint:
        raise CheckpointError(f"{path} does not come from `s12 fit`: it does not say how it was trained.")
    return check(checkpoint["run"], RunMetadata, path, CheckpointError)


def run_to_go_on(checkpoint: dict[str, Any], path: Path | str) -> RunMetadata | None:
    """The run that a checkpoint can be gone on with; None for one that Lightning wrote without `s12 fit`.

    Raises CheckpointError for one that holds the weights alone, or was written within an epoch: its other batches
    would never be seen.
    """
    if missing := [part for part in TO_GO_ON if part not in checkpoint]:
        raise CheckpointError(f"{path} cannot be gone on with: it holds weights, but no {' and no '.join(missing)}.")
    try:
        batches = checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]
        checkpoint["loops"]["fit_loop"]["epoch_progress"]["total"]["completed"]
        within_an_epoch = batches["current"]["ready"] > 0 and not batches["is_last_batch"]
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{path} cannot be gone on with: it does not say how far its run came.") from error
    if within_an_epoch:
        raise CheckpointError(
            f"{path} was written in the middle of an epoch, and the epoch's other images would never be seen: go on "
            "from one that was written at the end of an epoch, as last.ckpt is."
        )
    check(checkpoint, Resumable, path, CheckpointError, plain=False)
    if "run" not in checkpoint:
        return None
    if not checkpoint["callbacks"].get("RunRecord"):
        raise CheckpointError(f"{path} cannot be gone on with: it does not say what its run has logged.")
    return run_of(checkpoint, path)


def check_bytes(path: Path) -> None:
    """Hold every part of a checkpoint against the checksum that was written with it, which torch does not do.

    Raises CheckpointError for a flipped bit, and for a compressed part, which torch never writes and which could be
    of any size. The format of before torch 1.6 is no zip file and has no checksums.
    """
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        packed = [part.filename for part in archive.infolist() if part.compress_type != zipfile.ZIP_STORED]
        if damaged := packed[0] if packed else archive.testzip():
            raise CheckpointError(f"{path} is damaged: its part {damaged} is not as it was written; it is refused.")


def read_checkpoint(path: Path | str) -> dict[str, Any]:
    """Read a Lightning checkpoint onto the CPU; nothing in it is executed. Raises CheckpointError."""
    try:
        require_regular(Path(path), MOST_BYTES)
        check_bytes(Path(path))
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except CheckpointError:
        raise
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read as a checkpoint: {reason(error)}.") from error
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path} is damaged or holds more than weights and plain values; it is refused."
        ) from error
    except Exception as error:  # damaged bytes make the unpickler raise almost anything
        raise CheckpointError(
            f"{path} cannot be read as a checkpoint: it is truncated, damaged or another kind of file."
        ) from error
    if not isinstance(checkpoint, dict) or "state_dict" not in checkpoint:
        raise CheckpointError(f"{path} holds no state_dict, so it is no Lightning checkpoint.")
    parts = {"state_dict": dict, "hyper_parameters": dict}
    if any(not isinstance(checkpoint.get(part, {}), kind) for part, kind in parts.items()):
        raise CheckpointError(f"{path} is no Lightning checkpoint: its {' or '.join(parts)} is no dictionary.")
    for part in ("state_dict", "current_model_state"):
        check_weights(checkpoint.get(part, {}), path)
    return checkpoint


def check_weights(weights: Any, path: Path | str) -> None:
    """Raises CheckpointError unless these are tensors by name, and every number in them is finite."""
    named = isinstance(weights, dict) and all(isinstance(name, str) for name in weights)
    if not named or not all(isinstance(value, torch.Tensor) for value in weights.values()):
        raise CheckpointError(f"{path} is no Lightning checkpoint: its weights are not tensors by name.")
    if broken := [name for name, value in weights.items() if not value.isfinite().all()]:
        raise CheckpointError(f"{path} holds NaN or infinite numbers in {broken[0]}: its training had diverged.")


def weights_sha256(state_dict: dict[str, torch.Tensor]) -> str:
    """SHA-256 of a network's weights of any type, the same for a checkpoint and for the network trained on."""
    digest = hashlib.sha256()
    for key in sorted(state_dict):
        flat = state_dict[key].detach().cpu().contiguous().reshape(-1)
        digest.update(key.encode() + flat.view(torch.uint8).numpy().tobytes())  # NumPy has no bfloat16
    return digest.hexdigest()


def network_weights(checkpoint: dict[str, Any]) -> dict[str, torch.Tensor]:
    """The (averaged) weights of the network in a Lightning checkpoint, without the Classifier around it."""
    prefix = "network."
    return {
        key.removeprefix(prefix): value for key, value in checkpoint["state_dict"].items() if key.startswith(prefix)
    }

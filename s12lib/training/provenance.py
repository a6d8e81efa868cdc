"""What a result says of where it comes from: the recipe's hash, the machine, the versions, the commit."""

import hashlib
import json
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from s12lib.results.records import ADDED_LATER, complete

TRAINER_DEFAULTS: dict[str, Any] = {
    "accumulate_grad_batches": 1, "devices": 1, "fast_dev_run": False, "gradient_clip_val": None,
    "limit_train_batches": None, "max_steps": -1, "max_time": None, "num_nodes": 1, "overfit_batches": 0.0,
    "sync_batchnorm": False,
}  # fmt: skip
"""Fields of the Trainer that change what is trained: what differs from these is part of a recipe."""
NOT_PART_OF_A_RECIPE = ("seed", "data_dir", "eval_batch_size")


def recipe_hash(config: dict[str, Any]) -> str:
    """The first 12 hex digits of the SHA-256 of a resolved recipe: the same for every seed and every machine.

    A lever that was added later and is off is left out, so that runs from before it keep their hash.
    """
    recipe: dict[str, Any] = {key: config[key] for key in ("max_epochs", "trainer") if key in config}
    whole = complete(config)
    for section, off in ADDED_LATER.items():
        recipe[section] = {
            field: value
            for field, value in whole[section].items()
            if field not in NOT_PART_OF_A_RECIPE and not (field in off and value == off[field])
        }
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:12]


def versions() -> dict[str, str]:
    """The versions of Python and of the packages that a result depends on."""
    found = {"python": platform.python_version()}
    for package in ("torch", "torchvision", "pytorch-lightning", "s12lib"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def commit() -> str | None:
    """The commit of the checkout that this package lies in, with "+changes" if it was changed; None outside one."""
    git = ["git", "-C", str(Path(__file__).parent)]
    try:
        subprocess.run([*git, "ls-files", "--error-unmatch", Path(__file__).name], capture_output=True, check=True)
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
        changes = subprocess.run([*git, "status", "--porcelain", "-uno"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return head + ("+changes" if changes.stdout.strip() else "")

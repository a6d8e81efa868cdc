"""What a result says of where it comes from: the recipe's hash, the machine, the versions, the commit."""

import hashlib
import json
import platform
import re
import subprocess
from collections.abc import Mapping
from datetime import timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import yaml

from s12lib.results.records import ADDED_LATER, complete

TRAINER_DEFAULTS: dict[str, Any] = {
    "accumulate_grad_batches": 1, "devices": 1, "fast_dev_run": False, "gradient_clip_val": None,
    "limit_train_batches": None, "max_steps": -1, "max_time": None, "num_nodes": 1, "overfit_batches": 0.0,
    "sync_batchnorm": False,
}  # fmt: skip
"""Fields of the Trainer that change what is trained: what differs from these is part of a recipe."""
NOT_PART_OF_A_RECIPE = ("seed", "data_dir", "eval_batch_size")


def canonical(field: str, value: Any) -> Any:
    """A setting of the Trainer by its meaning: "1", 1 and [0] devices are one device, 1.0 of the batches are all."""
    usual = TRAINER_DEFAULTS[field]
    if field == "max_time" and value is not None:
        return str(duration(value))
    if isinstance(value, str):
        value = yaml.safe_load(value)
        if isinstance(value, str) and field == "devices":  # "0," and "0,1" are the numbers of GPUs
            value = [part for part in value.split(",") if part.strip()]
    if field == "devices" and isinstance(value, list):
        value = len(value)
    if field == "gradient_clip_val" and value is not None:
        value = float(value)
    means_usual = {"limit_train_batches": 1.0, "gradient_clip_val": 0.0, "max_steps": None}
    same = field in means_usual and type(value) is type(means_usual[field]) and value == means_usual[field]
    return usual if same or value == usual else value


def duration(value: Any) -> timedelta:
    """A span of time as the Trainer takes it: "DD:HH:MM:SS", a dictionary of timedelta's arguments, or a timedelta."""
    if isinstance(value, str) and re.fullmatch(r"\d+(:\d+){3}", value):
        value = dict(zip(("days", "hours", "minutes", "seconds"), map(int, value.split(":")), strict=True))
    return timedelta(**value) if isinstance(value, dict) else value


def unusual(trainer: Mapping[str, Any]) -> dict[str, str]:
    """The settings of the Trainer that change what is trained, by their meaning, without those that are as usual."""
    meant = {field: canonical(field, trainer[field]) for field in TRAINER_DEFAULTS if field in trainer}
    return {field: str(value) for field, value in meant.items() if value != TRAINER_DEFAULTS[field]}


def differences(begun: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The fields in which two resolved recipes differ in meaning, as a command names them, with both values."""
    before, after = flat(begun), flat(now)
    return {
        name: (before.get(name), after.get(name))
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    }


def flat(config: Mapping[str, Any]) -> dict[str, Any]:
    """A resolved recipe, a field a key: ``{"model.lr": 1.0, "trainer.max_epochs": 11, …}``."""
    trainer = TRAINER_DEFAULTS | unusual(config.get("trainer", {})) | {"max_epochs": config["max_epochs"]}
    fields = {f"model.{name}": value for name, value in config["model"].items()}
    fields |= {f"data.{name}": value for name, value in config["data"].items() if name not in NOT_PART_OF_A_RECIPE}
    return fields | {f"trainer.{name}": value for name, value in trainer.items()}


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

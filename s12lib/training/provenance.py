"""What a result says of where it comes from: the recipe's hash, the machine, the versions, the commit."""

import hashlib
import json
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

TRAINER_DEFAULTS: dict[str, Any] = {
    "accumulate_grad_batches": 1, "devices": 1, "fast_dev_run": False, "gradient_clip_val": None,
    "limit_train_batches": None, "max_steps": -1, "max_time": None, "num_nodes": 1, "overfit_batches": 0.0,
    "sync_batchnorm": False,
}  # fmt: skip
"""Fields of the Trainer that change what is trained: what differs from these is part of a recipe."""
NOT_PART_OF_A_RECIPE = ("seed", "data_dir", "eval_batch_size")


def recipe_hash(config: dict[str, Any]) -> str:
    """The first 12 hex digits of the SHA-256 of a resolved recipe: the same for every seed and every machine."""
    data = {field: value for field, value in config["data"].items() if field not in NOT_PART_OF_A_RECIPE}
    recipe = {key: config[key] for key in ("model", "max_epochs", "trainer") if key in config} | {"data": data}
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:12]


def cpu_capabilities() -> dict[str, Any]:
    """What torch knows of the CPU; nothing before torch 2.10."""
    return dict(torch.cpu.get_capabilities()) if hasattr(torch.cpu, "get_capabilities") else {}


def on_gpu(accelerator: str = "auto") -> bool:
    """Whether a Trainer with this accelerator computes on an NVIDIA GPU."""
    return accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()


def exact_float32() -> None:
    """Have an NVIDIA GPU convolve float32 numbers as they are; by itself cuDNN rounds them to TF32's ten bits."""
    if torch.cuda.is_available():
        torch.backends.cudnn.allow_tf32 = False


def best_precision(accelerator: str = "auto") -> str:
    """bf16 on recent GPUs and on CPUs that compute it, fp16 on older GPUs, else float32 (never fp16 on a CPU)."""
    if on_gpu(accelerator):
        return "bf16-mixed" if torch.cuda.get_device_capability() >= (8, 0) else "16-mixed"
    capabilities = cpu_capabilities()
    return "bf16-mixed" if capabilities.get("amx_bf16") or capabilities.get("avx512_bf16") else "32-true"


def hardware(accelerator: str = "auto") -> str:
    """The machine in words: the GPU's name, or the CPU's and its number of threads."""
    if on_gpu(accelerator):
        return torch.cuda.get_device_name()
    if accelerator in ("auto", "gpu", "mps") and torch.backends.mps.is_available():
        return f"{platform.processor() or platform.machine()}, Metal"
    name = cpu_capabilities().get("cpu_name") or platform.processor() or platform.machine()
    return f"{name}, {torch.get_num_threads()} threads"


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

"""What the machine is, and which precision it computes well."""

import platform
from typing import Any

import torch

BFLOAT16 = {"amx_bf16": "with AMX", "avx512_bf16": "with AVX512-BF16"}
"""What a processor may compute bfloat16 with, the faster first: torch's name for it, and ours."""


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
    found = cpu_capabilities()
    return "bf16-mixed" if any(found.get(name) for name in BFLOAT16) else "32-true"


def kind(accelerator: str = "auto") -> str:
    """What sort of machine this is, by what it multiplies matrices with: "a GPU", "a processor with AMX" and so on."""
    if on_gpu(accelerator):
        return "a GPU"
    found = cpu_capabilities()
    return f"a processor {next((words for name, words in BFLOAT16.items() if found.get(name)), 'without bfloat16')}"


def hardware(accelerator: str = "auto") -> str:
    """The machine in words: the GPU's name, or the CPU's and its number of threads."""
    if on_gpu(accelerator):
        return torch.cuda.get_device_name()
    if accelerator in ("auto", "gpu", "mps") and torch.backends.mps.is_available():
        return f"{platform.processor() or platform.machine()}, Metal"
    name = cpu_capabilities().get("cpu_name") or platform.processor() or platform.machine()
    count = torch.get_num_threads()
    return f"{name}, {count} thread{'' if count == 1 else 's'}"

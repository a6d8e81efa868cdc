"""Images in; logits, probabilities and accuracies out."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from s12lib.data.pixels import as_tensor, normalize

if TYPE_CHECKING:
    pass  # which would load Lightning


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

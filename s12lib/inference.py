"""Images in; logits, probabilities and accuracies out."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from s12lib.data.augment import multicrop
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

    The model keeps its mode and hooks. Raises TypeError or ValueError for images of another type or shape.
    """
    return logits_of(model, images_uint8, chunk).softmax(1)


def logits_of(model: nn.Module, images_uint8: np.ndarray | torch.Tensor, chunk: int = 500) -> torch.Tensor:
    """Logits as ``predict`` computes them, ``(N, num_classes)`` float32."""
    parameter = next(model.parameters())
    images = as_tensor(images_uint8)
    images = images[None] if images.ndim == 3 else images
    outputs = []
    with evaluating(model):
        for part in images.split(chunk):
            batch = normalize(part.to(parameter.device)).to(parameter.dtype)
            outputs.append(model(batch).float().cpu())
    return torch.cat(outputs)


def tta_logits(
    network: nn.Module, images: torch.Tensor, crops: bool = True
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """Logits for the images as they are, averaged with their mirror images', and over six views.

    The six are the image and its two shifts by a pixel, each with its mirror image; the unshifted pair counts half.
    ``images (N, 3, 32, 32)`` normalised → three of ``(N, classes)`` float32, the last of them None without ``crops``.
    """

    def mirrored(views: torch.Tensor) -> torch.Tensor:
        return (network(views).float() + network(views.flip(-1)).float()) / 2

    plain = network(images).float()
    flip = (plain + network(images.flip(-1)).float()) / 2
    if not crops:
        return plain, flip, None
    _, *shifted = multicrop(images)
    return plain, flip, flip / 2 + sum(mirrored(views) for views in shifted) / 4


def measure(model: nn.Module, images_uint8: torch.Tensor, labels: torch.Tensor, chunk: int = 500) -> dict[str, float]:
    """Accuracy as a share of 1: on the images as they are, with flip TTA, and with multi-crop TTA (:func:`tta_logits`).

    ``images_uint8 (N, 32, 32, 3)``, ``labels (N,)``. The model keeps its mode and hooks.
    """
    parameter = next(model.parameters())
    right = dict.fromkeys(("accuracy", "accuracy_tta", "accuracy_multicrop"), 0)
    with evaluating(model):
        for part, answers in zip(images_uint8.split(chunk), labels.split(chunk), strict=True):
            batch = normalize(part.to(parameter.device)).to(parameter.dtype)
            for name, logits in zip(right, tta_logits(model, batch), strict=True):
                assert logits is not None
                right[name] += int((logits.argmax(1).cpu() == answers.cpu()).sum())
    return {name: count / len(labels) for name, count in right.items()}

"""What an exported network is held against: the PyTorch model's own answers to the same images."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from s12lib.data.pixels import normalize
from s12lib.data.shapes import draw_shapes
from s12lib.errors import CourseError
from s12lib.explain.closed_form import logits_and_class_maps
from s12lib.explain.inputs import CHUNK, checked_images, float32_copy

if TYPE_CHECKING:
    from s12lib.data.splits import Split

TOLERANCE = {"float32": 1e-3, "float16": 2e-2}
"""The precisions, and by how much a logit or a place of a class map may differ from the model's."""
Run = Callable[[np.ndarray], Sequence[np.ndarray]]
"""What a file computes: images ``(N, 32, 32, 3)`` uint8 → logits ``(N, 10)`` and class maps ``(N, 10, 4, 4)``."""


class ExportError(CourseError):
    """An export that did not come about; the message is one sentence for people."""


class FromPixels(nn.Module):
    """What the file computes: ``(N, 32, 32, 3)`` uint8 RGB → logits ``(N, 10)`` and class maps ``(N, 10, 4, 4)``.

    The maps are those of :func:`s12lib.explain.class_maps`, in which one forward pass holds Grad-CAM for every class.
    """

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return logits_and_class_maps(self.network, normalize(images))


@dataclass(frozen=True)
class Answers:
    """Images ``(N, 32, 32, 3)`` uint8 and what the PyTorch model says of them, on the CPU and in float32."""

    images: np.ndarray
    logits: np.ndarray
    class_maps: np.ndarray
    labels: np.ndarray | None = None  # of the last images, the test set's

    @classmethod
    def of(cls, model: nn.Module, test: "Split | None" = None, quiet: bool = True) -> "Answers":
        """Of the project's own images, and of a test split behind them. Raises TypeError for another network."""
        images, labels = reference_images(), None
        if test is not None:
            images, labels = np.concatenate([images, test.images.numpy()]), test.labels.numpy()
        network = FromPixels(float32_copy(model).cpu()).eval()

        def run(part: np.ndarray) -> Sequence[np.ndarray]:
            with torch.no_grad():
                return [output.numpy() for output in network(checked_images(part))]

        logits, maps = in_parts(run, images, "the PyTorch model", quiet)
        return cls(images, logits, maps, labels)


def reference_images() -> np.ndarray:
    """Fifty drawn images, two of noise, a black one and a white one: ``(54, 32, 32, 3)`` uint8."""
    noise = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    flat = np.stack([np.full((32, 32, 3), value, dtype=np.uint8) for value in (0, 255)])
    return np.concatenate([draw_shapes(50, seed=0, split="test")[0], noise, flat])


def in_parts(run: Run, images: np.ndarray, who: str, quiet: bool = True) -> list[np.ndarray]:
    """Logits and class maps of all images: one by itself, then CHUNK of them at a time, with a bar unless ``quiet``."""
    parts = [images[:1], *(images[start : start + CHUNK] for start in range(1, len(images), CHUNK))]
    bar = tqdm(parts, f"Asking {who}", disable=quiet, leave=False)
    return [np.concatenate(output) for output in zip(*map(run, bar), strict=True)]


def verify(run: Run, expected: Answers, tolerance: float, quiet: bool = True) -> dict[str, Any]:
    """How far a file's answers lie from the model's, how fast they come, how many are right. Raises ExportError."""
    found = in_parts(run, expected.images, "the exported file", quiet)
    pairs = zip(found, (expected.logits, expected.class_maps), strict=True)
    difference = max(float(np.abs(ours - theirs).max()) for ours, theirs in pairs)
    if not difference <= tolerance:  # so that NaN is refused too
        raise ExportError(
            f"The exported network's answers differ from the PyTorch model's by up to {difference:.3g}, "
            f"more than {tolerance:g}, so no file was written."
        )
    labels = expected.labels
    right = None if labels is None else float((found[0][-len(labels) :].argmax(1) == labels).mean())
    return {
        "pictures": len(expected.images),
        "largest_difference": difference,
        "milliseconds": milliseconds(run, expected.images[:1]),
        "test_accuracy": right,
    }


def milliseconds(run: Run, image: np.ndarray, rounds: int = 15) -> float:
    """The median time for one image."""
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        run(image)
        seconds.append(time.perf_counter() - start)
    return 1000 * median(seconds)

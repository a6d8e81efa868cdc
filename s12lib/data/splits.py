"""A split of a dataset as arrays, and which images are in it. Loads no Lightning."""

import hashlib
from typing import NamedTuple

import numpy as np
import torch


class Split(NamedTuple):
    """``images (N, 32, 32, 3)`` uint8 RGB, ``labels (N,)`` int64 and, for Shapes, ``masks (N, 32, 32)`` bool."""

    images: torch.Tensor
    labels: torch.Tensor
    masks: torch.Tensor | None = None


def fingerprint(split: Split) -> str:
    """The first 16 hex digits of the SHA-256 of a split's images and labels: which images were these?"""
    digest = hashlib.sha256(split.images.numpy().tobytes())
    digest.update(split.labels.numpy().astype(np.uint8).tobytes())
    return digest.hexdigest()[:16]


def last_of_each_class(labels: torch.Tensor, count: int) -> torch.Tensor:
    """Which images are among the last ``count`` of their class: ``(N,)`` int64 labels → ``(N,)`` bool."""
    last = torch.zeros(len(labels), dtype=torch.bool)
    for label in labels.unique():
        places = torch.nonzero(labels == label)[:, 0]
        last[places[max(0, len(places) - count) :]] = True
    return last

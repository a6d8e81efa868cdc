"""Augmentation of whole batches, and the loader that yields finished ones.

A crop and a flip only say which pixel goes where, so both are one indexing of the whole uint8 batch.
Random numbers come from a CPU generator seeded by (seed, epoch): the same on every device, the same after a resume.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from s12lib.errors import did_you_mean


def generator_for(*key: int) -> torch.Generator:
    """A CPU generator for a key such as (seed, epoch); keys that differ only by zeros at their end share one."""
    state = np.random.SeedSequence(key).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0] >> np.uint64(1)))


def crop_and_flip(images: torch.Tensor, shift: torch.Tensor, flip: torch.Tensor) -> torch.Tensor:
    """Move the crop window of each image by its shift, fill by reflection, and mirror where ``flip`` is true.

    ``images (N, H, W, C)``, ``shift (N, 2)`` whole pixels (down, right), ``flip (N,)`` bool → ``(N, H, W, C)``.
    The same as reflect-padding and cropping, without the padded copy.
    """
    count, height, width, _ = images.shape
    rows = reflect(torch.arange(height, device=images.device) + shift[:, :1], height)
    columns = reflect(torch.arange(width, device=images.device) + shift[:, 1:], width)
    columns = torch.where(flip[:, None], columns.flip(1), columns)
    return images[torch.arange(count, device=images.device)[:, None, None], rows[:, :, None], columns[:, None, :]]


def reflect(index: torch.Tensor, size: int) -> torch.Tensor:
    """Fold indices that left ``[0, size)`` back in, without repeating the edge, like padding mode "reflect"."""
    return (size - 1) - ((size - 1) - index.abs()).abs()


def cutout(images: torch.Tensor, corner: torch.Tensor, size: int) -> torch.Tensor:
    """Set a square of each normalised image to zero, the training set's mean colour (DeVries & Taylor, 2017).

    ``images (N, C, H, W)`` float, ``corner (N, 2)`` the square's top left pixel → a new ``(N, C, H, W)``.
    """
    rows = torch.arange(images.shape[2], device=images.device) - corner[:, :1]
    columns = torch.arange(images.shape[3], device=images.device) - corner[:, 1:]
    inside = ((rows >= 0) & (rows < size))[:, :, None] & ((columns >= 0) & (columns < size))[:, None, :]
    return images.masked_fill(inside[:, None], 0.0)


def jitter(images: torch.Tensor, brighter: torch.Tensor, contrast: torch.Tensor) -> torch.Tensor:
    """Add ``brighter`` to each normalised image and multiply it by ``contrast``: ``(N, C, H, W)``, twice ``(N,)``."""
    return (images + brighter[:, None, None, None]) * contrast[:, None, None, None]


def multicrop(images: torch.Tensor) -> list[torch.Tensor]:
    """The images, and both their shifts by one pixel, up-left and down-right, filled by reflection: test-time views.

    ``(N, C, H, W)`` → three of that shape (K. Jordan, "94% on CIFAR-10 in 3.29 seconds", 2024).
    """
    height, width = images.shape[2:]
    padded = F.pad(images, (1, 1, 1, 1), mode="reflect")
    return [images, padded[..., 2 : 2 + height, 2 : 2 + width], padded[..., :height, :width]]


@dataclass(frozen=True)
class Augmentation:
    """What is done to a training batch: crop by up to ``crop`` pixels, flip, cut a ``cutout``-pixel square, jitter.

    ``flip`` is "alternating" (half of the images are mirrored in the first epoch, the other half in the next, and so
    on: Jordan, "94% on CIFAR-10 in 3.29 seconds", 2024), "random" (a new coin for each image and epoch) or "none".
    ``brightness`` is the most that is added to a whole normalised image, ``contrast`` by how much it is multiplied at
    most, off 1; both are drawn for each image and epoch, and 0 switches them off.
    """

    crop: int = 4
    flip: str = "alternating"
    cutout: int = 0
    brightness: float = 0.0
    contrast: float = 0.0

    def __post_init__(self) -> None:
        if self.flip not in ("alternating", "random", "none"):
            likely = did_you_mean(str(self.flip), ("alternating", "random", "none"))
            raise ValueError(f"flip must be alternating, random or none, but it is {self.flip!r}{likely}")
        if not 0 <= self.crop < 32 or not 0 <= self.cutout <= 32:
            raise ValueError(f"crop must be 0 to 31 and cutout 0 to 32 pixels, but they are {self.crop}, {self.cutout}")
        if not 0 <= self.brightness < math.inf or not 0 <= self.contrast < 1:
            raise ValueError(
                "brightness must be 0 or more and contrast at least 0 and below 1, "
                f"but they are {self.brightness}, {self.contrast}"
            )

    def draw(self, count: int, seed: int, epoch: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """One epoch's random numbers for the whole dataset: ``shift (count, 2), flip (count,), corner (count, 2)``."""
        generator = generator_for(seed, epoch)
        shift = torch.randint(-self.crop, self.crop + 1, (count, 2), generator=generator)
        corner = torch.randint(0, 33 - self.cutout, (count, 2), generator=generator)
        if self.flip == "alternating":
            first = torch.rand(count, generator=generator_for(seed)) < 0.5
            flip = first ^ (epoch % 2 == 1)
        else:
            flip = (torch.rand(count, generator=generator) < 0.5) & (self.flip == "random")
        return shift, flip, corner

    def draw_jitter(self, count: int, seed: int, epoch: int) -> tuple[torch.Tensor, torch.Tensor]:
        """One epoch's ``brighter (count,)`` and ``contrast (count,)`` for the whole dataset."""
        brighter, contrast = torch.rand(2, count, generator=generator_for(seed, epoch, 2)) * 2 - 1
        return brighter * self.brightness, 1 + contrast * self.contrast

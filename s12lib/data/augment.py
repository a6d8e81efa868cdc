"""Augmentation of whole batches, and the loader that yields finished ones.

A crop and a flip only say which pixel goes where, so both are one indexing of the whole uint8 batch.
Random numbers come from a CPU generator seeded by (seed, epoch): the same on every device, the same after a resume.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

MEAN = (0.4914, 0.4822, 0.4465)
"""Mean of CIFAR-10's 50,000 training images, per RGB channel, in [0, 1] units."""
STD = (0.2470, 0.2435, 0.2616)
"""Standard deviation of the same pixels, per RGB channel, in [0, 1] units."""


def as_tensor(images: np.ndarray | torch.Tensor) -> torch.Tensor:
    """A tensor as it is; an array copied, since torch takes no mirrored view and warns of read-only ones."""
    return torch.from_numpy(np.array(images, order="C")) if isinstance(images, np.ndarray) else torch.as_tensor(images)


def normalize(images_uint8: np.ndarray | torch.Tensor) -> torch.Tensor:
    """Scale to [0, 1], subtract MEAN, divide by STD: the one function for training, evaluation and the app.

    ``(N, 32, 32, 3)`` or ``(32, 32, 3)`` uint8 RGB → ``(N, 3, 32, 32)`` float32 on the same device, channels_last.
    Raises TypeError when the images are not uint8 and ValueError when their shape is another.
    """
    images = as_tensor(images_uint8)
    if images.dtype != torch.uint8:
        raise TypeError(f"images must be uint8 with values 0 to 255, but their type is {images.dtype}")
    if images.ndim == 3:
        images = images[None]
    if images.ndim != 4 or images.shape[1:] != (32, 32, 3):
        raise ValueError(f"images must have shape (N, 32, 32, 3), but theirs is {tuple(images.shape)}")
    mean, std = ((torch.tensor(x) * 255).to(images.device, non_blocking=True) for x in (MEAN, STD))
    return ((images.float() - mean) / std).permute(0, 3, 1, 2)


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


@dataclass(frozen=True)
class Augmentation:
    """What is done to a training batch: crop by up to ``crop`` pixels, flip, cut a ``cutout``-pixel square.

    ``flip`` is "alternating" (half of the images are mirrored in the first epoch, the other half in the next, and so
    on: Jordan, "94% on CIFAR-10 in 3.29 seconds", 2024), "random" (a new coin for each image and epoch) or "none".
    """

    crop: int = 4
    flip: str = "alternating"
    cutout: int = 0

    def __post_init__(self) -> None:
        if self.flip not in ("alternating", "random", "none"):
            raise ValueError(f"flip must be alternating, random or none, but it is {self.flip!r}")
        if not 0 <= self.crop < 32 or not 0 <= self.cutout <= 32:
            raise ValueError(f"crop must be 0 to 31 and cutout 0 to 32 pixels, but they are {self.crop}, {self.cutout}")

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


class EpochSampler:
    """Which images make which batch: a new order each epoch, shared out over the ranks of a distributed run.

    In training every rank gets equally many full batches, no image twice in an epoch; the remainder,
    other images each time, is left out. In evaluation every image comes once, in order, in equally many batches a rank.
    Lightning calls ``set_epoch``, also after a resume.
    """

    def __init__(self, count: int, batch_size: int, seed: int, training: bool, rank: int, world_size: int) -> None:
        self.count, self.batch_size, self.seed, self.training = count, batch_size, seed, training
        self.rank, self.world_size, self.epoch = rank, world_size, 0
        if training and count < batch_size * world_size:
            raise ValueError(
                f"{count} training images do not fill one batch of {batch_size} on each of {world_size} device(s): "
                "lower batch_size"
            )

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        if self.training:
            return self.count // (self.batch_size * self.world_size)
        return math.ceil(math.ceil(self.count / self.world_size) / self.batch_size)

    def __iter__(self) -> Iterator[torch.Tensor]:
        if not self.training:
            yield from torch.arange(self.count)[self.rank :: self.world_size].tensor_split(len(self))
            return
        order = torch.randperm(self.count, generator=generator_for(self.seed, self.epoch, 1))
        for step in range(len(self)):
            start = (step * self.world_size + self.rank) * self.batch_size
            yield order[start : start + self.batch_size]


class BatchLoader:
    """Yields finished batches from uint8 arrays: ``images (B, 3, 32, 32)`` normalised float32, ``labels (B,)`` int64.

    With an ``augmentation`` it is a training loader (shuffled, full batches only), without one it goes through all
    images in order. The arrays may lie on a GPU; the batches are then made there, and the CPU waits for none of them.
    """

    batch_sampler = None  # Lightning looks for it beside ``sampler``, as on a DataLoader

    def __init__(
        self,
        images: torch.Tensor,
        labels: torch.Tensor,
        batch_size: int,
        augmentation: Augmentation | None = None,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.images, self.labels, self.augmentation, self.seed = images, labels, augmentation, seed
        self.sampler = EpochSampler(len(images), batch_size, seed, augmentation is not None, rank, world_size)

    def __len__(self) -> int:
        return len(self.sampler)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        device = self.images.device
        if self.augmentation is None:
            for index in self.sampler:
                index = index.to(device, non_blocking=True)
                yield normalize(self.images[index]), self.labels[index]
            return
        drawn = self.augmentation.draw(len(self.images), self.seed, self.sampler.epoch)
        shift, flip, corner = (x.to(device, non_blocking=True) for x in drawn)
        for index in self.sampler:
            index = index.to(device, non_blocking=True)
            images = normalize(crop_and_flip(self.images[index], shift[index], flip[index]))
            if self.augmentation.cutout:
                images = cutout(images, corner[index], self.augmentation.cutout)
            yield images, self.labels[index]

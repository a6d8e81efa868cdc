"""Which images make which batch, and the loader that yields finished batches."""

import math
from collections.abc import Iterator

import torch

from s12lib.data.augment import Augmentation, crop_and_flip, cutout, generator_for, jitter
from s12lib.data.pixels import normalize


class EpochSampler:
    """Which images make which batch: a new order each epoch, shared out over the ranks of a distributed run.

    In training every rank gets equally many full batches, no image twice in an epoch; the remainder,
    other images each time, is left out. In evaluation every image comes once, in order, in equally many batches a rank.
    Without ``shuffle`` training takes the images in order and augments them alike in every epoch: ``overfit_batches``.
    Lightning calls ``set_epoch``, also after a resume.
    """

    def __init__(
        self, count: int, batch_size: int, seed: int, training: bool, rank: int, world_size: int, shuffle: bool = True
    ) -> None:
        self.count, self.batch_size, self.seed, self.training, self.shuffle = count, batch_size, seed, training, shuffle
        self.rank, self.world_size, self.epoch = rank, world_size, 0
        if training and count < batch_size * world_size:
            raise ValueError(
                f"{count} training images do not fill one batch of {batch_size} on each of {world_size} device(s): "
                "lower batch_size"
            )

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch if self.shuffle else 0

    def __len__(self) -> int:
        if self.training:
            return self.count // (self.batch_size * self.world_size)
        return math.ceil(math.ceil(self.count / self.world_size) / self.batch_size)

    def __iter__(self) -> Iterator[torch.Tensor]:
        if not self.training:
            yield from torch.arange(self.count)[self.rank :: self.world_size].tensor_split(len(self))
            return
        order = torch.arange(self.count)
        if self.shuffle:
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
        shuffle: bool = True,
    ) -> None:
        self.images, self.labels, self.augmentation, self.seed = images, labels, augmentation, seed
        self.sampler = EpochSampler(len(images), batch_size, seed, augmentation is not None, rank, world_size, shuffle)

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
        jittered = self.augmentation.brightness > 0 or self.augmentation.contrast > 0
        if jittered:
            drawn_jitter = self.augmentation.draw_jitter(len(self.images), self.seed, self.sampler.epoch)
            brighter, contrast = (x.to(device, non_blocking=True) for x in drawn_jitter)
        for index in self.sampler:
            index = index.to(device, non_blocking=True)
            images = normalize(crop_and_flip(self.images[index], shift[index], flip[index]))
            if jittered:
                images = jitter(images, brighter[index], contrast[index])
            if self.augmentation.cutout:
                images = cutout(images, corner[index], self.augmentation.cutout)
            yield images, self.labels[index]

"""CIFAR-10 and Shapes as LightningDataModules over uint8 arrays, with train, validation and test kept apart."""

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytorch_lightning as pl
import torch

from s12lib.data.augment import Augmentation, BatchLoader
from s12lib.data.cifar10 import CLASSES, DataError, default_data_dir, read_cifar10
from s12lib.data.shapes import SHAPE_CLASSES, draw_shapes


class Split(NamedTuple):
    """``images (N, 32, 32, 3)`` uint8 RGB, ``labels (N,)`` int64 and, for Shapes, ``masks (N, 32, 32)`` bool."""

    images: torch.Tensor
    labels: torch.Tensor
    masks: torch.Tensor | None = None


def fingerprint(split: Split) -> str:
    """The first 16 hex digits of the SHA-256 of a split's images and labels: which pictures were these?"""
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


class ImageArrays(pl.LightningDataModule):
    """Three splits of uint8 images, and the loaders over them; a dataset of your own fills ``self.splits`` in setup."""

    name = "a dataset"
    classes: tuple[str, ...] = ()

    def __init__(self, batch_size: int, crop: int, flip: str, cutout: int, seed: int, eval_batch_size: int) -> None:
        super().__init__()
        if batch_size < 1 or eval_batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, but it is {min(batch_size, eval_batch_size)}")
        self.batch_size, self.eval_batch_size, self.seed = batch_size, eval_batch_size, seed
        self.augmentation = Augmentation(crop, flip, cutout)
        self.splits: dict[str, Split] = {}

    def setup(self, stage: str | None = None) -> None:
        """Fill ``self.splits`` with "train", "validation" and "test"."""
        raise NotImplementedError

    @property
    def has_validation(self) -> bool:
        """Whether there is a validation split, without reading any data."""
        return False

    def _loader(self, name: str, augmentation: Augmentation | None = None) -> BatchLoader:
        rank, world_size, device = 0, 1, torch.device("cpu")
        if self.trainer is not None:
            rank, world_size = self.trainer.global_rank, self.trainer.world_size
            device = self.trainer.strategy.root_device
        split = self.splits[name]
        batch_size = self.eval_batch_size if augmentation is None else self.batch_size
        images, labels = split.images.to(device), split.labels.to(device)
        return BatchLoader(images, labels, batch_size, augmentation, self.seed, rank, world_size)

    def train_dataloader(self) -> BatchLoader:
        loader = self._loader("train", self.augmentation)
        dropped = len(loader.images) - len(loader) * self.batch_size * loader.sampler.world_size
        pl.utilities.rank_zero_info(
            f"{self.name}: {len(loader)} steps an epoch, {self.batch_size} images a step on each of "
            f"{loader.sampler.world_size} device(s); {dropped} of {len(loader.images)} sit out, others each epoch."
        )
        return loader

    def val_dataloader(self) -> BatchLoader | list:
        return self._loader("validation") if self.has_validation else []

    def test_dataloader(self) -> BatchLoader:
        return self._loader("test")


class CIFAR10(ImageArrays):
    """CIFAR-10 (Krizhevsky, 2009) from ``data_dir/cifar10.npz``.

    ``validation_size`` images, the last ones of each class, are split off the training set for choosing; 0 trains on
    all 50,000, as a measured run does. ``data_dir`` is ``$S12_DATA_DIR`` or ``data`` unless given.
    Raises DataError when the file is missing or damaged.
    """

    name = "CIFAR-10"
    classes: tuple[str, ...] = CLASSES
    class_count = 10

    def __init__(
        self,
        data_dir: str | None = None,
        batch_size: int = 512,
        validation_size: int = 5000,
        crop: int = 4,
        flip: str = "alternating",
        cutout: int = 0,
        seed: int = 0,
        eval_batch_size: int = 1000,
    ) -> None:
        super().__init__(batch_size, crop, flip, cutout, seed, eval_batch_size)
        if not 0 <= validation_size < 50_000 or validation_size % self.class_count:
            raise ValueError(
                f"validation_size must be a multiple of {self.class_count} below 50000, but it is {validation_size}"
            )
        self.folder = Path(data_dir) if data_dir else default_data_dir()
        self.validation_size = validation_size

    @property
    def has_validation(self) -> bool:
        return self.validation_size > 0

    def setup(self, stage: str | None = None) -> None:
        if self.splits:
            return
        (images, labels, _), test = self.read()
        held_out = last_of_each_class(labels, self.validation_size // self.class_count)
        self.splits = {
            "train": Split(images[~held_out], labels[~held_out]),
            "validation": Split(images[held_out], labels[held_out]),
            "test": test,
        }

    def read(self) -> tuple[Split, Split]:
        """The whole training set and the test set, as they were published."""
        path = self.folder / "cifar10.npz"
        if not path.exists():
            raise DataError(f"{path} is not there: run `s12 data`, or use `--data Shapes`.")
        arrays = {name: torch.from_numpy(array) for name, array in read_cifar10(path).items()}
        train, test = (Split(arrays[f"{name}_images"], arrays[f"{name}_labels"].long()) for name in ("train", "test"))
        return train, test


class Shapes(ImageArrays):
    """Procedurally drawn pictures of ten kinds, each with the mask of its object: data without a download."""

    name = "Shapes"
    classes = SHAPE_CLASSES

    def __init__(
        self,
        batch_size: int = 256,
        train_size: int = 10_000,
        validation_size: int = 1000,
        test_size: int = 2000,
        crop: int = 2,
        flip: str = "none",
        cutout: int = 0,
        seed: int = 0,
        eval_batch_size: int = 1000,
    ) -> None:
        super().__init__(batch_size, crop, flip, cutout, seed, eval_batch_size)
        if min(train_size, test_size) < 1 or validation_size < 0:
            raise ValueError(
                "train_size and test_size must be at least 1 and validation_size at least 0, but they are "
                f"{train_size}, {test_size} and {validation_size}"
            )
        self.sizes = {"train": train_size, "validation": validation_size, "test": test_size}

    @property
    def has_validation(self) -> bool:
        return self.sizes["validation"] > 0

    def setup(self, stage: str | None = None) -> None:
        if self.splits:
            return
        for split, size in self.sizes.items():
            if split == "validation" and not self.has_validation:
                continue
            images, labels, masks = draw_shapes(size, seed=0, split=split)
            self.splits[split] = Split(
                torch.from_numpy(images), torch.from_numpy(labels).long(), torch.from_numpy(masks)
            )

"""CIFAR-100 as a LightningDataModule: as many pictures as CIFAR-10 and of its size, a tenth as many of each class."""

from http.client import HTTPException
from pathlib import Path

import torch
from torchvision import datasets

from s12lib.cifar10 import DataError, default_data_dir
from s12lib.datamodule import ImageArrays, Split, last_of_each_class


class CIFAR100(ImageArrays):
    """CIFAR-100 (Krizhevsky, 2009) with its 100 fine classes, fetched by torchvision into ``data_dir`` and verified.

    ``validation_size`` images, the last ones of each class, are split off the training set for choosing; 0 trains on
    all 50,000. ``data_dir`` is ``$S12_DATA_DIR`` or ``data`` unless given.
    Raises DataError when it is not there and cannot be fetched.
    """

    name = "CIFAR-100"

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
        if not 0 <= validation_size < 50_000 or validation_size % 100:
            raise ValueError(f"validation_size must be a multiple of 100 below 50000, but it is {validation_size}")
        self.folder = Path(data_dir) if data_dir else default_data_dir()
        self.validation_size = validation_size

    @property
    def has_validation(self) -> bool:
        return self.validation_size > 0

    def prepare_data(self) -> None:
        """Fetch it; of several devices, Lightning asks one only."""
        self._read(train=False)

    def _read(self, train: bool) -> datasets.CIFAR100:
        try:
            return datasets.CIFAR100(str(self.folder), train=train, download=True)
        except (OSError, RuntimeError, EOFError, HTTPException) as error:
            fault = " ".join(str(error).split())
            raise DataError(f"CIFAR-100 is not in {self.folder} and could not be downloaded ({fault}).") from error

    def setup(self, stage: str | None = None) -> None:
        if self.splits:
            return
        train, test = self._read(train=True), self._read(train=False)
        self.classes = tuple(train.classes)
        images, labels = torch.from_numpy(train.data), torch.tensor(train.targets)
        held_out = last_of_each_class(labels, self.validation_size // 100)
        self.splits = {
            "train": Split(images[~held_out], labels[~held_out]),
            "validation": Split(images[held_out], labels[held_out]),
            "test": Split(torch.from_numpy(test.data), torch.tensor(test.targets)),
        }

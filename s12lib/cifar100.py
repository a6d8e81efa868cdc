"""CIFAR-100 as a LightningDataModule: as many pictures as CIFAR-10 and of its size, a tenth as many of each class."""

from http.client import HTTPException

import torch
from torchvision import datasets

from s12lib.data.cifar10 import DataError, impatient
from s12lib.datamodule import CIFAR10, Split


class CIFAR100(CIFAR10):
    """CIFAR-100 (Krizhevsky, 2009) with its 100 fine classes, fetched by torchvision into ``data_dir`` and verified.

    ``validation_size`` images, the last ones of each class, are split off the training set for choosing; 0 trains on
    all 50,000. ``data_dir`` is ``$S12_DATA_DIR`` or ``data`` unless given.
    Raises DataError when it is not there and cannot be fetched.
    """

    name = "CIFAR-100"
    classes = ()  # known once it is read
    class_count = 100

    def prepare_data(self) -> None:
        """Fetch it; of several devices, Lightning asks one only."""
        self._published(train=False)

    def read(self) -> tuple[Split, Split]:
        train, test = (self._published(train) for train in (True, False))
        self.classes = tuple(train.classes)
        whole = [Split(torch.from_numpy(part.data), torch.tensor(part.targets)) for part in (train, test)]
        return whole[0], whole[1]

    def _published(self, train: bool) -> datasets.CIFAR100:
        try:
            with impatient():
                return datasets.CIFAR100(str(self.folder), train=train, download=True)
        except (OSError, RuntimeError, EOFError, HTTPException) as error:
            fault = " ".join(str(error).split())
            raise DataError(f"CIFAR-100 is not in {self.folder} and could not be downloaded ({fault}).") from error

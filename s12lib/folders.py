"""Your own pictures as a LightningDataModule: a folder for each class, files of any size in it."""

import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from torchvision.datasets import ImageFolder

from s12lib.cifar100 import CIFAR100
from s12lib.data.cifar10 import DataError
from s12lib.data.image_files import read_picture
from s12lib.datamodule import CIFAR10, ImageArrays, Shapes, Split

TAKEN = (CIFAR10.name, CIFAR100.name, Shapes.name)  # results of another dataset must not stand under these names


def place_in_draw(image: np.ndarray) -> float:
    """A number from 0 to 1 that follows from a picture's pixels, ``(32, 32, 3)`` uint8, and looks drawn by lot."""
    return int.from_bytes(hashlib.sha256(image.tobytes()).digest()[:8], "big") / 2**64


def is_picture(name: str) -> bool:
    """Whether a file's name is that of a picture that ``read_picture`` takes."""
    return name.lower().endswith((".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp"))


class ClassFolders(ImageFolder):
    """torchvision's ImageFolder with the course's rule for pictures, and without hidden folders such as Jupyter's."""

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder), loader=read_picture, is_valid_file=is_picture)

    def find_classes(self, directory: str) -> tuple[list[str], dict[str, int]]:
        names = [name for name in super().find_classes(directory)[0] if not name.startswith(".")]
        return names, {name: k for k, name in enumerate(names)}


class Pictures(ImageArrays):
    """Pictures of any size in ``data_dir``, a folder for each class: ``data_dir/oak/1.jpg, data_dir/elm/x.png, …``

    Each is brought to 32×32 pixels by the rule of ``s12lib.data.image_files``. Which split it belongs to follows from
    its pixels: a picture that was saved twice lies in one split only, and each keeps its split when others come or go.
    ``test_share`` of them are for testing and ``validation_share`` for choosing, as nearly as that allows; with 0 there
    is no validation split.
    Raises DataError when the folder holds no classes or a class is missing in a split, PictureError for a broken file.
    """

    def __init__(
        self,
        data_dir: str,
        batch_size: int = 64,
        validation_share: float = 0.1,
        test_share: float = 0.2,
        crop: int = 4,
        flip: str = "none",
        cutout: int = 0,
        seed: int = 0,
        eval_batch_size: int = 1000,
    ) -> None:
        super().__init__(batch_size, crop, flip, cutout, seed, eval_batch_size)
        if not 0 < test_share < 1 or not 0 <= validation_share < 1 - test_share:
            raise ValueError(
                f"test_share must be above 0, and leave something to train on with validation_share, "
                f"but they are {test_share} and {validation_share}"
            )
        self.folder = Path(data_dir)
        self.name = self.folder.resolve().name
        if self.name in TAKEN:
            raise ValueError(
                f"data_dir must not be called {self.name}, as a dataset of the course is: rename the folder"
            )
        self.shares = {"test": test_share, "validation": validation_share}

    @property
    def has_validation(self) -> bool:
        return self.shares["validation"] > 0

    def setup(self, stage: str | None = None) -> None:
        if self.splits:
            return
        try:
            found = ClassFolders(self.folder)
        except FileNotFoundError as error:
            raise DataError(
                f"{self.folder} should hold a folder for each class, with pictures in it: {error}"
            ) from error
        if {"train", "test"} <= set(found.classes):
            raise DataError(
                f"{self.folder} holds folders named train and test: put the classes' folders side by side, "
                "and Pictures splits them."
            )
        self.classes = tuple(found.classes)
        images = np.stack([image for image, _ in found])
        labels, places = torch.tensor(found.targets), np.array([place_in_draw(image) for image in images])
        edge = self.shares["test"] + self.shares["validation"]
        chosen = {
            "train": places >= edge,
            "validation": (places >= self.shares["test"]) & (places < edge),
            "test": places < self.shares["test"],
        }
        if not self.has_validation:
            del chosen["validation"]
        self.splits = {
            split: Split(torch.from_numpy(images[at]), labels[torch.from_numpy(at)])
            for split, mask in chosen.items()
            for at in [
                np.nonzero(mask)[0][places[mask].argsort()]
            ]  # not class by class: whitening sees the first 2,000
        }
        self._check_splits()

    def _check_splits(self) -> None:
        """Raise DataError unless every split has a picture of every class."""
        for split, (_, labels, _) in self.splits.items():
            counts = Counter(labels.tolist())
            missing = [name for k, name in enumerate(self.classes) if not counts[k]]
            if missing:
                self.splits = {}
                raise DataError(
                    f"Of {', '.join(missing)} no picture in {self.folder} falls into the {split} split: "
                    "add pictures, or enlarge the split's share."
                )

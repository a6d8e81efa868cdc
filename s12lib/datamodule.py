"""The datasets as LightningDataModules over uint8 arrays, with train, validation and test kept apart."""

from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl
import torch

from s12lib.data.augment import Augmentation
from s12lib.data.cifar10 import CLASSES, read_cifar10
from s12lib.data.cifar100 import published_cifar100
from s12lib.data.class_folders import read_class_folders
from s12lib.data.loader import BatchLoader
from s12lib.data.location import DataError, default_data_dir
from s12lib.data.shapes import SHAPE_CLASSES, draw_shapes
from s12lib.data.splits import Split, last_of_each_class
from s12lib.files import user_path


class ImageArrays(pl.LightningDataModule):
    """Three splits of uint8 images, and the loaders over them; a dataset of your own fills ``self.splits`` in setup."""

    name = "a dataset"
    classes: tuple[str, ...] = ()

    def __init__(
        self,
        batch_size: int,
        crop: int,
        flip: str,
        cutout: int,
        seed: int,
        eval_batch_size: int,
        brightness: float = 0.0,
        contrast: float = 0.0,
    ) -> None:
        super().__init__()
        if batch_size < 1 or eval_batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, but it is {min(batch_size, eval_batch_size)}")
        self.batch_size, self.eval_batch_size, self.seed = batch_size, eval_batch_size, seed
        self.augmentation = Augmentation(crop, flip, cutout, brightness, contrast)
        self.splits: dict[str, Split] = {}

    def setup(self, stage: str | None = None) -> None:
        """Fill ``self.splits`` with "train", "validation" and "test"."""
        raise NotImplementedError

    @property
    def has_validation(self) -> bool:
        """Whether there is a validation split, without reading any data."""
        return False

    def _loader(self, name: str, augmentation: Augmentation | None = None) -> BatchLoader:
        rank, world_size, device, shuffle = 0, 1, torch.device("cpu"), True
        if self.trainer is not None:
            rank, world_size = self.trainer.global_rank, self.trainer.world_size
            device = self.trainer.strategy.root_device
            shuffle = not getattr(self.trainer, "overfit_batches", 0)
        split = self.splits[name]
        batch_size = self.eval_batch_size if augmentation is None else self.batch_size
        images, labels = split.images.to(device), split.labels.to(device)
        return BatchLoader(images, labels, batch_size, augmentation, self.seed, rank, world_size, shuffle)

    def train_dataloader(self) -> BatchLoader:
        loader = self._loader("train", self.augmentation)
        dropped = len(loader.images) - len(loader) * self.batch_size * loader.sampler.world_size
        pl.utilities.rank_zero_info(
            f"{self.name}: {len(loader)} steps an epoch, {self.batch_size} images a step on each of "
            f"{loader.sampler.world_size} device(s); {dropped} of {len(loader.images)} sit out, others each epoch."
        )
        return loader

    def val_dataloader(self) -> BatchLoader | list:
        return self._loader("validation") if self.has_validation else []

    def test_dataloader(self) -> BatchLoader:
        return self._loader("test")


class CIFAR10(ImageArrays):
    """CIFAR-10 (Krizhevsky, 2009) from ``data_dir/cifar10.npz``.

    ``validation_size`` images, the last ones of each class, are split off the training set for choosing; 0 trains on
    all 50,000, as a measured run does. ``data_dir`` is ``$S12_DATA_DIR`` or ``data`` unless given.
    Raises DataError when the file is missing or damaged.
    """

    name = "CIFAR-10"
    classes: tuple[str, ...] = CLASSES
    class_count = 10

    def __init__(
        self,
        data_dir: str | None = None,
        batch_size: int = 512,
        validation_size: int = 5000,
        crop: int = 4,
        flip: str = "alternating",
        cutout: int = 0,
        seed: int = 0,
        eval_batch_size: int = 1000,
        brightness: float = 0.0,
        contrast: float = 0.0,
    ) -> None:
        super().__init__(batch_size, crop, flip, cutout, seed, eval_batch_size, brightness, contrast)
        if not 0 <= validation_size < 50_000 or validation_size % self.class_count:
            raise ValueError(
                f"validation_size must be a multiple of {self.class_count} below 50000, but it is {validation_size}"
            )
        self.folder = user_path(data_dir) if data_dir else default_data_dir()
        self.validation_size = validation_size

    @property
    def has_validation(self) -> bool:
        return self.validation_size > 0

    def setup(self, stage: str | None = None) -> None:
        if self.splits:
            return
        (images, labels, _), test = self.read()
        held_out = last_of_each_class(labels, self.validation_size // self.class_count)
        self.splits = {
            "train": Split(images[~held_out], labels[~held_out]),
            "validation": Split(images[held_out], labels[held_out]),
            "test": test,
        }

    def read(self) -> tuple[Split, Split]:
        """The whole training set and the test set, as they were published."""
        path = self.folder / "cifar10.npz"
        if not path.exists():
            raise DataError(f"{path} is not there: run `s12 data`, or use `--data Shapes`.")
        arrays = {name: torch.from_numpy(array) for name, array in read_cifar10(path).items()}
        train, test = (Split(arrays[f"{name}_images"], arrays[f"{name}_labels"].long()) for name in ("train", "test"))
        return train, test


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
        published_cifar100(self.folder, train=False)

    def read(self) -> tuple[Split, Split]:
        train, test = (published_cifar100(self.folder, train) for train in (True, False))
        self.classes = tuple(train.classes)
        whole = [Split(torch.from_numpy(part.data), torch.tensor(part.targets)) for part in (train, test)]
        return whole[0], whole[1]


MOST_SHAPES = 1_000_000  # a split, which takes 4 GB


class Shapes(ImageArrays):
    """Procedurally drawn images of ten kinds, each with the mask of its object: data without a download."""

    name = "Shapes"
    classes = SHAPE_CLASSES

    def __init__(
        self,
        batch_size: int = 256,
        train_size: int = 10_000,
        validation_size: int = 1000,
        test_size: int = 2000,
        crop: int = 2,
        flip: str = "none",
        cutout: int = 0,
        seed: int = 0,
        eval_batch_size: int = 1000,
    ) -> None:
        super().__init__(batch_size, crop, flip, cutout, seed, eval_batch_size)
        if min(train_size, test_size) < 1 or validation_size < 0:
            raise ValueError(
                "train_size and test_size must be at least 1 and validation_size at least 0, but they are "
                f"{train_size}, {test_size} and {validation_size}"
            )
        if max(train_size, validation_size, test_size) > MOST_SHAPES:
            raise ValueError(f"At most {MOST_SHAPES:,} Shapes are drawn for a split: make the sizes smaller")
        self.sizes = {"train": train_size, "validation": validation_size, "test": test_size}

    @property
    def has_validation(self) -> bool:
        return self.sizes["validation"] > 0

    def setup(self, stage: str | None = None) -> None:
        if self.splits:
            return
        for split, size in self.sizes.items():
            if split == "validation" and not self.has_validation:
                continue
            images, labels, masks = draw_shapes(size, seed=0, split=split)
            self.splits[split] = Split(
                torch.from_numpy(images), torch.from_numpy(labels).long(), torch.from_numpy(masks)
            )


class Pictures(ImageArrays):
    """Images of any size in ``data_dir``, a folder for each class: ``data_dir/oak/1.jpg, data_dir/elm/x.png, …``

    Each is brought to 32×32 pixels by the rule of ``s12lib.data.image_files``. Which split it belongs to follows from
    its pixels: an image that was saved twice lies in one split only, and each keeps its split when others come or go.
    ``test_share`` of them are for testing and ``validation_share`` for choosing, as nearly as that allows; with 0 there
    is no validation split.
    Raises DataError when the folder holds no classes or a class is missing in a split, ImageError for a broken file.
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
        self.folder = user_path(data_dir)
        self.name = self.folder.resolve().name
        if self.name in RESERVED_NAMES:
            raise ValueError(
                f"data_dir must not be called {self.name}, as a dataset of the course is: rename the folder"
            )
        self.validation_share, self.test_share = validation_share, test_share

    @property
    def has_validation(self) -> bool:
        return self.validation_share > 0

    def setup(self, stage: str | None = None) -> None:
        if not self.splits:
            classes, self.splits = read_class_folders(self.folder, self.validation_share, self.test_share)
            self.classes = tuple(classes)


DATASETS: dict[str, type[ImageArrays]] = {kind.__name__: kind for kind in (CIFAR10, CIFAR100, Shapes, Pictures)}
"""The course's datasets by the name of their class, as recipes, checkpoints and ``--data`` have it."""
RESERVED_NAMES = tuple(kind.name for kind in (CIFAR10, CIFAR100, Shapes))
"""What results, cards and figures call a dataset; a reader's own must not stand under these names."""


def dataset_of(source: Mapping[str, Any]) -> ImageArrays:
    """The dataset that a run or the card of its weights names, not yet set up.

    ``source["config"]["data"]`` or ``source["data"]`` holds its class and arguments; an older card has only the name
    under ``source["dataset"]``. Raises DataError for a dataset that the course does not know.
    """
    settings = dict(source.get("config", source).get("data") or {})
    kind = settings.pop("class", None)
    if kind is None:
        kind = next((name for name, kind in DATASETS.items() if kind.name == source["dataset"]), None)
    if kind not in DATASETS:
        raise DataError(f"{source['dataset']} is none of the course's datasets, so its images are not available.")
    return DATASETS[kind](**settings)

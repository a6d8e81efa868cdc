"""The three splits are kept apart, are the same for everybody, and reach the network whole."""

import re
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from s12lib.data.location import DataError
from s12lib.data.pixels import normalize
from s12lib.data.shapes import draw_shapes
from s12lib.data.splits import Split, fingerprint
from s12lib.datamodule import CIFAR10, Shapes

TRAIN_LABELS = np.random.default_rng(0).permutation(np.repeat(np.arange(10, dtype=np.uint8), 5000))


def numbered(count: int, last: int) -> np.ndarray:
    """Black images; the first pixel of each holds its number, and ``last`` says which split it is from."""
    images = np.zeros((count, 32, 32, 3), np.uint8)
    images[:, 0, 0] = np.arange(count)[:, None] // [1, 256, 65536] % 256
    images[:, 31, 31] = last
    return images


def numbers(split: Split) -> np.ndarray:
    """The numbers of a split's images."""
    return split.images[:, 0, 0].numpy() @ np.array([1, 256, 65536])


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory) -> Path:
    """A folder with a ``cifar10.npz`` of full size whose images are numbered."""
    folder = tmp_path_factory.mktemp("data")
    np.savez_compressed(
        folder / "cifar10.npz",
        train_images=numbered(50_000, last=1),
        train_labels=TRAIN_LABELS,
        test_images=numbered(10_000, last=2),
        test_labels=(np.arange(10_000) % 10).astype(np.uint8),
    )
    return folder


def set_up(data_dir: Path, **settings) -> CIFAR10:
    data = CIFAR10(str(data_dir), **settings)
    data.setup()
    return data


@pytest.fixture(scope="module")
def splits(data_dir) -> dict[str, Split]:
    return set_up(data_dir).splits


# ---- CIFAR-10 --------------------------------------------------------------------------------------------------------


def test_45_000_and_5_000_images_make_the_training_set_and_share_none(splits):
    train, validation = numbers(splits["train"]), numbers(splits["validation"])
    assert (len(train), len(validation)) == (45_000, 5_000)
    assert np.array_equal(np.sort(np.concatenate([train, validation])), np.arange(50_000))


def test_validation_holds_the_last_500_of_each_class(splits):
    for label in range(10):
        held_out = numbers(splits["validation"])[splits["validation"].labels.numpy() == label]
        assert np.array_equal(held_out, np.flatnonzero(label == TRAIN_LABELS)[-500:])


def test_labels_stay_with_their_images_and_are_int64(splits):
    for name in ("train", "validation"):
        assert splits[name].labels.dtype == torch.int64
        assert np.array_equal(splits[name].labels.numpy(), TRAIN_LABELS[numbers(splits[name])])


def test_test_images_are_never_trained_on_or_chosen_by(splits):
    assert (splits["test"].images[:, 31, 31] == 2).all()
    assert np.array_equal(numbers(splits["test"]), np.arange(10_000))
    assert all((splits[name].images[:, 31, 31] == 1).all() for name in ("train", "validation"))


def test_another_seed_splits_alike_and_without_validation_all_50_000_are_trained_on(data_dir, splits):
    other = set_up(data_dir, seed=7)
    assert torch.equal(other.splits["validation"].images, splits["validation"].images)
    del other
    whole = set_up(data_dir, validation_size=0)
    assert not whole.has_validation
    assert whole.val_dataloader() == []
    assert np.array_equal(numbers(whole.splits["train"]), np.arange(50_000))


def test_a_missing_file_is_named_with_what_to_do(tmp_path):
    path = re.escape(str(tmp_path / "cifar10.npz"))
    with pytest.raises(DataError, match=f"{path} is not there: run `s12 data`, or use"):
        set_up(tmp_path)


def test_a_damaged_file_is_refused(tmp_path):
    (tmp_path / "cifar10.npz").write_bytes(b"damaged")
    with pytest.raises(DataError, match=r"cifar10\.npz cannot be read"):
        set_up(tmp_path)


def test_the_data_are_looked_for_in_s12_data_dir(monkeypatch, tmp_path):
    monkeypatch.setenv("S12_DATA_DIR", str(tmp_path))
    assert CIFAR10().folder == tmp_path
    assert CIFAR10("elsewhere").folder == Path("elsewhere")


@pytest.mark.parametrize("size", [-10, 5, 4999, 50_000])
def test_a_validation_split_that_cannot_be_balanced_is_refused(size):
    with pytest.raises(ValueError, match=f"multiple of 10 below 50000, but it is {size}"):
        CIFAR10(validation_size=size)


@pytest.mark.parametrize("settings", [{"batch_size": 0}, {"eval_batch_size": -1}])
def test_a_batch_of_nothing_is_refused(settings):
    with pytest.raises(ValueError, match=f"at least 1, but it is {min(settings.values())}"):
        Shapes(**settings)


# ---- Shapes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("split", "count"), [("train", 96), ("validation", 20), ("test", 20)])
def test_shapes_are_the_images_of_seed_0_with_their_masks(split, count, shapes_splits):
    images, labels, masks = draw_shapes(count, 0, split)
    found = shapes_splits[split]
    assert np.array_equal(found.images.numpy(), images)
    assert np.array_equal(found.labels.numpy(), labels)
    assert np.array_equal(found.masks.numpy(), masks)
    assert (found.labels.dtype, found.masks.dtype) == (torch.int64, torch.bool)


@pytest.mark.parametrize("sizes", [{"train_size": 0}, {"validation_size": -5}, {"test_size": 0}])
def test_shapes_of_an_impossible_size_are_refused(sizes):
    with pytest.raises(ValueError, match="at least"):
        Shapes(**sizes)


def test_shapes_can_do_without_validation():
    data = Shapes(train_size=20, validation_size=0, test_size=20)
    data.setup()
    assert not data.has_validation
    assert data.val_dataloader() == []
    assert len(data.splits["train"].images) == 20


# ---- the loaders -----------------------------------------------------------------------------------------------------


def test_training_batches_are_augmented_and_shuffled_by_the_datas_own_settings(shapes):
    data = shapes(crop=3, flip="random", cutout=5, seed=9)
    loader = data.train_dataloader()
    assert len(loader) == 6
    assert (loader.augmentation.crop, loader.augmentation.flip, loader.augmentation.cutout) == (3, "random", 5)
    assert loader.seed == loader.sampler.seed == 9


@pytest.mark.parametrize("split", ["validation", "test"])
def test_evaluation_sees_a_split_in_order_and_as_it_is(split, shapes, shapes_splits):
    data = shapes()
    loaders = {"validation": data.val_dataloader, "test": data.test_dataloader}
    batches = list(loaders[split]())
    assert torch.equal(torch.cat([images for images, _ in batches]), normalize(shapes_splits[split].images))
    assert torch.equal(torch.cat([labels for _, labels in batches]), shapes_splits[split].labels)


def test_two_devices_share_the_images_out(shapes, one_of_two_devices):
    seen = []
    for rank in (0, 1):
        data = shapes(crop=0, flip="none")
        data.trainer = one_of_two_devices(rank)
        loader = data.train_dataloader()
        assert len(loader) == 3
        seen += [image.numpy().tobytes() for images, _ in loader for image in images]
        assert len(data.test_dataloader()) == 2
    assert len(set(seen)) == len(seen) == 96


def test_what_sits_out_is_said(shapes, monkeypatch):
    said = []
    monkeypatch.setattr(pl.utilities, "rank_zero_info", said.append)
    shapes(batch_size=20).train_dataloader()
    assert len(said) == 1
    assert said[0].startswith("Shapes: 4 steps an epoch, 20 images a step on each of 1 device(s); 16 of 96")


# ---- fingerprint -----------------------------------------------------------------------------------------------------


def test_a_fingerprint_tells_one_changed_pixel_or_label(shapes_splits):
    split = shapes_splits["test"]
    found = fingerprint(split)
    assert len(found) == 16
    assert fingerprint(Split(split.images.clone(), split.labels.clone())) == found, "masks and memory are no part of it"
    images, labels = split.images.clone(), split.labels.clone()
    images[-1, -1, -1, -1] ^= 1
    labels[-1] = (labels[-1] + 1) % 10
    assert len({found, fingerprint(Split(images, split.labels)), fingerprint(Split(split.images, labels))}) == 3


def test_overfitting_takes_the_same_images_in_the_same_guise_every_epoch(shapes, quiet_trainer):
    data, model = shapes(flip="random"), Recorder()
    quiet_trainer(3, overfit_batches=2).fit(model, data)
    assert [len(epoch) for epoch in model.epochs] == [2, 2, 2]
    assert all(torch.equal(a, b) for epoch in model.epochs[1:] for a, b in zip(epoch, model.epochs[0], strict=True))
    assert torch.equal(model.labels[0], data.splits["train"].labels[:16])


class Recorder(pl.LightningModule):
    """Keeps what it is shown, epoch by epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.epochs, self.labels = [], []

    def on_train_epoch_start(self) -> None:
        self.epochs.append([])

    def training_step(self, batch, batch_idx):
        self.epochs[-1].append(batch[0].clone())
        self.labels.append(batch[1])
        return self.weight.sum()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)

"""CIFAR-100 comes from torchvision, verified, and is split like CIFAR-10; without a network one sentence says so."""

import hashlib
import pickle
import re
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision import datasets

from s12lib import CIFAR100
from s12lib.data import cifar100
from s12lib.data.location import DataError
from s12lib.data.splits import last_of_each_class

TRAIN_LABELS = np.random.default_rng(0).permutation(np.repeat(np.arange(100), 20))


@pytest.fixture(autouse=True)
def no_copies(monkeypatch):
    monkeypatch.setattr(cifar100, "COPIES", ())
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """A folder with a small archive of CIFAR-100's own form, which torchvision takes for the one it knows."""
    numbers = np.random.default_rng(1)
    parts = {
        "train": {
            "data": numbers.integers(0, 256, (2000, 3072), dtype=np.uint8),
            "fine_labels": TRAIN_LABELS.tolist(),
        },
        "test": {"data": numbers.integers(0, 256, (100, 3072), dtype=np.uint8), "fine_labels": list(range(100))},
        "meta": {"fine_label_names": [f"class {k}" for k in range(100)]},
    }
    source, md5s = tmp_path / "cifar-100-python", {}
    source.mkdir()
    for name, content in parts.items():
        (source / name).write_bytes(pickle.dumps(content))
        md5s[name] = hashlib.md5((source / name).read_bytes()).hexdigest()
    archive = tmp_path / "cifar-100-python.tar.gz"
    with tarfile.open(archive, "w:gz", compresslevel=1) as file:
        file.add(source, "cifar-100-python")
    expected = {
        "tgz_md5": hashlib.md5(archive.read_bytes()).hexdigest(),
        "train_list": [["train", md5s["train"]]],
        "test_list": [["test", md5s["test"]]],
        "meta": {"filename": "meta", "key": "fine_label_names", "md5": md5s["meta"]},
    }
    for name, value in expected.items():
        monkeypatch.setattr(datasets.CIFAR100, name, value)
    return tmp_path


def test_the_last_of_each_class_are_held_out_and_labels_stay_with_their_images(here):
    data = CIFAR100(str(here), validation_size=500)
    data.setup()
    whole = datasets.CIFAR100(str(here), train=True)
    held_out = last_of_each_class(torch.tensor(TRAIN_LABELS), 5).numpy()
    assert held_out.sum() == 500
    for name, mask in (("train", ~held_out), ("validation", held_out)):
        assert np.array_equal(data.splits[name].images.numpy(), whole.data[mask])
        assert np.array_equal(data.splits[name].labels.numpy(), TRAIN_LABELS[mask])
    assert data.splits["test"].labels.tolist() == list(range(100))
    assert data.classes[42] == "class 42"


def test_an_archive_of_another_hash_is_not_unpickled(here, monkeypatch):
    monkeypatch.setattr(datasets.CIFAR100, "train_list", [["train", "0" * 32]])
    monkeypatch.setattr(datasets.CIFAR100, "tgz_md5", "0" * 32)
    monkeypatch.setattr(datasets.CIFAR100, "url", "http://127.0.0.1:9/cifar-100-python.tar.gz")
    with pytest.raises(DataError, match="could not be downloaded"):
        CIFAR100(str(here)).setup()


def test_without_it_and_without_network_one_sentence_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.CIFAR100, "url", "http://127.0.0.1:9/cifar-100-python.tar.gz")
    with pytest.raises(DataError, match=re.escape(f"CIFAR-100 is not in {tmp_path} and could not be downloaded")):
        CIFAR100(str(tmp_path)).prepare_data()


def test_all_50000_are_trained_on_without_validation(here):
    data = CIFAR100(str(here), validation_size=0)
    data.setup()
    assert not data.has_validation
    assert data.val_dataloader() == []
    assert len(data.splits["train"].labels) == 2000


@pytest.mark.parametrize("size", [-100, 50, 50_000])
def test_a_validation_split_that_cannot_be_balanced_is_refused(size):
    with pytest.raises(ValueError, match=f"multiple of 100 below 50000, but it is {size}"):
        CIFAR100(validation_size=size)


@pytest.mark.parametrize(("count", "last"), [(0, []), (1, [4, 5]), (2, [2, 3, 4, 5]), (9, [0, 1, 2, 3, 4, 5])])
def test_last_of_each_class_counts_from_the_end(count, last):
    labels = torch.tensor([0, 0, 0, 1, 0, 1])
    assert torch.nonzero(last_of_each_class(labels, count))[:, 0].tolist() == last

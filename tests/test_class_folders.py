"""Folders of images become three splits that share no image, today and after more images were added."""

import os

import numpy as np
import pytest
import torch
from PIL import Image

from s12lib.data.image_files import ImageError, read_image
from s12lib.data.location import DataError
from s12lib.data.splits import fingerprint
from s12lib.datamodule import Pictures


def fill(folder, name: str, count: int, seed: int) -> None:
    """Files of a class, each of another size."""
    numbers = np.random.default_rng(seed)
    (folder / name).mkdir(parents=True, exist_ok=True)
    for k in range(count):
        height, width = numbers.integers(20, 60, 2)
        pixels = numbers.integers(0, 256, (height, width, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / name / f"{seed}-{k}.png")


@pytest.fixture
def trees(tmp_path):
    """60 images of oaks and 50 of elms."""
    for name, count, seed in (("oak", 60, 1), ("elm", 50, 2)):
        fill(tmp_path / "trees", name, count, seed)
    return tmp_path / "trees"


def read(folder, **settings) -> Pictures:
    data = Pictures(str(folder), **settings)
    data.setup()
    return data


def members(data: Pictures) -> dict[str, set[bytes]]:
    """The pixels of each split's images."""
    return {name: {image.numpy().tobytes() for image in split.images} for name, split in data.splits.items()}


def test_each_folder_is_a_class_and_each_file_is_read_by_the_one_rule(trees):
    data = read(trees)
    assert data.name == "trees"
    assert data.classes == ("elm", "oak")
    for k, name in enumerate(data.classes):
        expected = {read_image(path).tobytes() for path in (trees / name).iterdir()}
        found = [image for split in data.splits.values() for image in split.images[split.labels == k]]
        assert {image.numpy().tobytes() for image in found} == expected
        assert len(found) == len(expected)
    train = data.splits["train"]
    assert (train.images.dtype, train.labels.dtype, train.images.shape[1:]) == (torch.uint8, torch.int64, (32, 32, 3))


def test_the_shares_are_kept_roughly_and_the_splits_share_no_image(trees):
    data = read(trees, test_share=0.3, validation_share=0.2)
    sizes = {name: len(split.labels) for name, split in data.splits.items()}
    assert sum(sizes.values()) == 110
    assert 20 <= sizes["test"] <= 46
    assert 10 <= sizes["validation"] <= 34
    found = members(data)
    assert not found["train"] & found["test"]
    assert not found["validation"] & (found["train"] | found["test"])


def test_an_image_keeps_its_split_when_others_are_added_or_renamed(trees):
    before = members(read(trees))
    fill(trees, "oak", 30, seed=3)
    for path in list((trees / "elm").iterdir()):
        path.rename(path.with_name("a" + path.name))
    after = members(read(trees))
    assert all(before[name] < after[name] for name in before)


def test_the_test_split_is_the_same_whatever_is_held_out_for_validation_and_whatever_the_seed(trees):
    prints = {fingerprint(read(trees, validation_share=v, seed=s).splits["test"]) for v in (0, 0.2) for s in (0, 5)}
    assert len(prints) == 1


def test_an_image_that_was_saved_twice_lies_in_one_split(trees):
    for path in list((trees / "oak").iterdir()):
        path.with_name(f"copy of {path.name}").write_bytes(path.read_bytes())
    found = read(trees)
    assert sum(len(split.labels) for split in found.splits.values()) == 170
    assert not set.intersection(members(found)["train"], members(found)["test"])


def test_without_validation_nothing_is_held_out_for_it(trees):
    data = read(trees, validation_share=0)
    assert not data.has_validation
    assert data.val_dataloader() == []
    assert list(data.splits) == ["train", "test"]


def test_hidden_folders_and_other_files_are_no_images(trees):
    (trees / ".ipynb_checkpoints").mkdir()
    (trees / "oak" / "notes.txt").write_text("tall")
    (trees / "oak" / ".DS_Store").write_bytes(b"\0")
    data = read(trees)
    assert data.classes == ("elm", "oak")
    assert sum(len(split.labels) for split in data.splits.values()) == 110


def test_a_broken_image_is_named(trees):
    (trees / "oak" / "torn.jpg").write_bytes(b"\xff\xd8\xff torn")
    with pytest.raises(ImageError, match=r"torn\.jpg"):
        read(trees)


def test_a_folder_that_holds_no_classes_is_refused_with_what_it_should_hold(tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(DataError, match="should hold a folder for each class"):
            read(folder)


def test_a_class_without_images_is_named(trees):
    (trees / "yew").mkdir()
    with pytest.raises(DataError, match=r"yew holds no image"):
        read(trees)


def test_a_class_too_small_to_be_in_every_split_is_named(trees):
    fill(trees, "fir", 1, seed=4)
    with pytest.raises(DataError, match=r"Of fir no image .* falls into the \w+ split: add images"):
        read(trees)


def test_folders_that_were_split_already_are_not_taken_for_classes(trees, tmp_path):
    for name in ("train", "test"):
        fill(tmp_path / "split", name, 20, seed=5)
    with pytest.raises(DataError, match="folders named test and train, but test holds no folder for each class"):
        read(tmp_path / "split")


@pytest.mark.parametrize(("test_share", "validation_share"), [(0, 0.1), (1, 0), (0.5, 0.5), (0.2, -0.1)])
def test_shares_that_leave_nothing_are_refused(test_share, validation_share):
    with pytest.raises(ValueError, match=f"but they are {test_share} and {validation_share}"):
        Pictures("trees", test_share=test_share, validation_share=validation_share)


# ---- with the rest of the package ------------------------------------------------------------------------------------


def test_a_network_with_another_number_of_classes_is_refused_with_the_right_number(trees, tiny_network, quiet_trainer):
    from s12lib.classifier import Classifier

    data = Pictures(str(trees), batch_size=16)
    with pytest.raises(ValueError, match="num_classes must be 2, as trees has, but it is 10"):
        quiet_trainer(1).fit(Classifier(tiny_network), data)


def test_a_recipe_can_name_a_folder_and_its_run_joins_the_table(trees, tiny_network, tmp_path, monkeypatch, capsys):
    from s12lib.cli import main

    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(
        "trainer: {max_epochs: 1, accelerator: cpu}\n"
        f"model: {{network: {tiny_network}, num_classes: 2}}\n"
        "data: {class_path: s12lib.Pictures, init_args: {data_dir: trees, batch_size: 16}}\n"
    )
    main(["fit", "--config", "mine.yaml"])
    main(["test", "--config", "mine.yaml", "--ckpt_path", "last"])
    capsys.readouterr()
    main(["results"])
    (row,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("| **mine** "))
    assert "| trees | 1 | 1 |" in row


def test_the_first_images_of_a_split_are_of_every_class(trees):
    assert read(trees).splits["train"].labels[:20].unique().tolist() == [0, 1]


@pytest.mark.parametrize("name", ["CIFAR-10", "CIFAR-100", "Shapes"])
def test_a_folder_cannot_pass_for_a_dataset_of_the_course(name, tmp_path):
    with pytest.raises(ValueError, match="rename the folder"):
        Pictures(str(tmp_path / name))


def test_files_that_look_like_images_and_cannot_be_read_by_the_rule_are_passed_over(trees):
    Image.new("RGB", (40, 40), "red").save(trees / "oak" / "red.gif")
    (trees / "oak" / "scan.tif").write_bytes(b"of another kind")
    assert sum(len(split.labels) for split in read(trees).splits.values()) == 111


# ---- folders as people have them -------------------------------------------------------------------------------------


def count(data: Pictures) -> int:
    return sum(len(split.labels) for split in data.splits.values())


def test_classes_that_lie_a_folder_deeper_are_seen_and_the_right_folder_is_named(trees, tmp_path):
    (tmp_path / "deep").mkdir()
    trees.rename(tmp_path / "deep/data")
    with pytest.raises(DataError, match=r"deep holds only data, with elm, oak in it: name \S*deep/data as data_dir"):
        read(tmp_path / "deep")


def test_one_class_is_refused(trees):
    for path in (trees / "oak").iterdir():
        path.unlink()
    (trees / "oak").rmdir()
    with pytest.raises(DataError, match="one class only, elm"):
        read(trees)


def test_images_without_folders_of_classes_are_seen(trees):
    with pytest.raises(DataError, match="the images lie in it directly"):
        read(trees / "oak")


@pytest.mark.parametrize("hidden", [".ipynb_checkpoints", "__MACOSX", ".Trash"])
def test_hidden_and_system_files_within_a_class_never_count(hidden, trees):
    fill(trees / "oak", hidden, 3, seed=9)
    (trees / "elm" / "._1.png").write_bytes(b"of a Mac")
    assert count(read(trees)) == 110


def test_links_are_followed_once_and_never_in_a_loop(trees, tmp_path):
    (trees / "oak/up").symlink_to("..")
    (trees / "oak/me").symlink_to(".")
    (trees / "oak/sister").symlink_to("../elm")
    (trees / "alias").symlink_to("oak")
    (trees / "all").symlink_to("../trees")
    (trees / "oak/nowhere.png").symlink_to("gone.png")
    (trees / "oak/again.png").symlink_to("1-0.png")
    data = read(trees)
    assert data.classes == ("elm", "oak")
    assert count(data) == 110
    fill(tmp_path / "elsewhere", "fir", 60, seed=7)
    (trees / "fir").symlink_to(tmp_path / "elsewhere/fir")
    assert read(trees).classes == ("elm", "fir", "oak"), "a class may lie elsewhere"


def test_images_in_formats_that_are_not_read_are_counted_and_named(trees, capsys):
    for k in range(3):
        (trees / f"oak/IMG_{k}.HEIC").write_bytes(b"of a phone")
    assert count(read(trees)) == 110
    assert "3 .heic files are left out, as their format is not read: convert them" in capsys.readouterr().err
    (trees / "yew").mkdir()
    (trees / "yew/1.heic").write_bytes(b"of a phone")
    with pytest.raises(DataError, match=r"yew holds no image that can be read: 4 \.heic files"):
        read(trees)


def test_a_pipe_among_the_images_is_not_opened(trees):
    os.mkfifo(trees / "oak/pipe.png")
    assert count(read(trees)) == 110


def test_a_broken_image_is_named_by_its_path_below_the_dataset(trees):
    (trees / "oak" / "old").mkdir()
    (trees / "oak/old/torn.jpg").write_bytes(b"\xff\xd8\xff torn")
    with pytest.raises(ImageError, match=r"^oak/old/torn\.jpg: "):
        read(trees)


def split_already(trees, folder, *names) -> None:
    """The trees in folders of their own for each split, every third image in the one that comes third."""
    for name in trees.iterdir():
        for k, path in enumerate(sorted(name.iterdir())):
            split = names[k % len(names)]
            (folder / split / name.name).mkdir(parents=True, exist_ok=True)
            path.rename(folder / split / name.name / path.name)


@pytest.mark.parametrize(
    "names", [("train", "val", "test"), ("Training", "valid", "Testing"), ("train", "dev", "test")]
)
def test_a_dataset_that_is_split_already_keeps_its_splits(names, trees, tmp_path):
    split_already(trees, tmp_path / "split", *names)
    data = read(tmp_path / "split")
    assert data.classes == ("elm", "oak")
    for split, name in zip(("train", "validation", "test"), names, strict=True):
        expected = {read_image(path).tobytes() for path in (tmp_path / "split" / name).rglob("*.png")}
        assert members(data)[split] == expected


def test_a_split_that_is_missing_is_taken_from_train_by_its_share(trees, tmp_path):
    split_already(trees, tmp_path / "split", "train", "test")
    before = {read_image(path).tobytes() for path in (tmp_path / "split/test").rglob("*.png")}
    data = read(tmp_path / "split", validation_share=0.3)
    assert members(data)["test"] == before
    assert len(data.splits["validation"].labels) + len(data.splits["train"].labels) == 55
    assert count(data) == 110


def test_an_image_in_two_splits_stays_in_the_one_that_measures(trees, tmp_path, capsys):
    split_already(trees, tmp_path / "split", "train", "test")
    twice = sorted((tmp_path / "split/test/oak").iterdir())[0]
    (tmp_path / "split/train/oak/copy.png").write_bytes(twice.read_bytes())
    data = read(tmp_path / "split", validation_share=0)
    assert not members(data)["train"] & members(data)["test"]
    assert "1 images of" in capsys.readouterr().err


def test_a_class_that_only_the_test_folder_has_is_refused(trees, tmp_path):
    split_already(trees, tmp_path / "split", "train", "test")
    fill(tmp_path / "split/test", "yew", 3, seed=8)
    with pytest.raises(DataError, match="yew, of which there is nothing to train on"):
        read(tmp_path / "split")


def test_a_home_folder_is_written_as_a_tilde(trees, monkeypatch):
    monkeypatch.setenv("HOME", str(trees.parent))
    assert count(read("~/trees")) == 110

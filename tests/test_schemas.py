"""Every kind of file that the course has written is still read, and what is no such file is refused by its name."""

import json
from pathlib import Path

import pytest
import torch

from s12lib.errors import CourseError
from s12lib.results.ablations import read_ablation
from s12lib.results.records import read
from s12lib.schemas import Card, LogRow, Result, RunMetadata, check, read_json
from s12lib.weights.pretrained import available, load_card, load_curve

ROOT = Path(__file__).parent.parent
STORED = {
    "result": (read, sorted((ROOT / "results").glob("*.json"))),
    "ablation": (read_ablation, sorted((ROOT / "results/ablations").glob("*.json"))),
}


@pytest.mark.parametrize("kind", STORED)
def test_every_stored_file_of_a_kind_is_read(kind):
    reader, paths = STORED[kind]
    assert paths
    assert all(reader(path)["epochs"] > 0 for path in paths), "the older ones call it epochs_trained"


def test_the_cards_and_logs_that_come_with_the_package_are_read():
    assert [load_card(name)["name"] for name in available()] == available()
    assert all(load_curve(name)[-1]["train_loss"] for name in available())


RUN = {
    "recipe": "fast", "recipe_hash": "abc", "seed": 0, "dataset": "Shapes", "train_images": 10,
    "train_fingerprint": "f", "epochs": 1, "config": {"model": {}, "data": {}, "max_epochs": 1},
}  # fmt: skip
FILES = {
    RunMetadata: RUN,
    Result: RUN | {"train_accuracy": None, "test_accuracy": 0.5, "test_accuracy_tta": 0.5, "weights_sha256": "a",
                   "looks": ["2026-11-22T23:29:41+00:00"]},
    Card: load_card("page_resnet_shapes"),
    LogRow: {"step": "3", "lr-SGD/pg1": ""},
}  # fmt: skip
FAULTS = [
    (RunMetadata, {"recipe": "../../x"}, "recipe"),
    (RunMetadata, {"seed": "0"}, "seed"),
    (RunMetadata, {"seed": True}, "seed"),
    (RunMetadata, {"train_fingerprint": None}, "train_fingerprint"),
    (RunMetadata, {"config": {}}, "config.model"),
    (RunMetadata, {"epochs": float("nan")}, "epochs"),
    (RunMetadata, {"note": torch.zeros(2)}, "more than plain values"),
    (Result, {"test_accuracy": 93.7}, "test_accuracy"),
    (Result, {"test_accuracy": float("nan")}, "test_accuracy"),
    (Result, {"looks": []}, "looks"),
    (Result, {"looks": 3}, "looks"),
    (Card, {"architecture": {"class": "s12lib.PageResNet", "arguments": {"logit_scale": "x"}, "parameters": 1}},
     "architecture.arguments"),
    (Card, {"dataset": None}, "dataset"),
    (Card, {"familiarity": {"score": "energy", "threshold": float("nan")}}, "familiarity.threshold"),
    (Card, {"familiarity": {"score": "guess", "threshold": 0.5}}, "familiarity.score"),
    (LogRow, {"step": ""}, "step"),
    (LogRow, {"step": "1.5"}, "step"),
]  # fmt: skip


@pytest.mark.parametrize("kind", FILES)
def test_a_whole_file_passes_and_what_newer_versions_add_does_no_harm(kind):
    assert check(FILES[kind] | {"newer": "1"}, kind, "here.json", CourseError)["newer"] == "1"


@pytest.mark.parametrize(("kind", "change", "words"), FAULTS)
def test_a_field_that_is_not_what_it_should_be_is_named_with_its_file(kind, change, words):
    with pytest.raises(CourseError, match=r"^here\.json cannot be read as .*\.$") as refusal:
        check(FILES[kind] | change, kind, "here.json", CourseError)
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("kind", FILES)
def test_a_missing_field_and_another_kind_of_value_are_refused(kind):
    for data in (dict(list(FILES[kind].items())[1:]), [], 3, None, "text"):
        with pytest.raises(CourseError, match=r"^here\.json cannot be read as "):
            check(data, kind, "here.json", CourseError)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"a": 1} 2'])
def test_what_is_no_json_is_refused_with_its_name(content, tmp_path):
    path = tmp_path / "odd.json"
    path.write_bytes(content)
    with pytest.raises(CourseError, match=r"odd\.json"):
        read_json(path, Result, CourseError)


def test_a_file_that_is_far_too_large_is_refused_before_it_is_read(tmp_path):
    with open(tmp_path / "huge.json", "wb") as file:
        file.truncate(10**12)  # a hole, which takes no room
    with pytest.raises(CourseError, match=r"huge\.json cannot be read: it is larger than 10 MB"):
        read_json(tmp_path / "huge.json", Result, CourseError)


def test_a_device_is_never_read():
    with pytest.raises(CourseError, match="a device or a pipe"):
        read_json(Path("/dev/zero"), Result, CourseError)


def test_a_file_of_before_is_handed_on_under_todays_names(tmp_path):
    old = FILES[Result] | {"epochs_trained": 7}
    del old["epochs"]
    (tmp_path / "old.json").write_text(json.dumps(old))
    assert read_json(tmp_path / "old.json", Result, CourseError)["epochs"] == 7

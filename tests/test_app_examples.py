"""The app's examples are what they say they are, and their outcomes are those of the weights that are shipped."""

import json

import numpy as np
import pytest
from PIL import Image

from s12lib.app import make_examples as app_figures
from s12lib.app.answers import Expert
from s12lib.app.examples import FOLDER, RECORD, Example, percent, recorded
from s12lib.app.make_examples import DEFAULTS, PHOTOGRAPHS
from s12lib.data.cifar10 import CLASSES
from s12lib.data.image_files import read_image
from s12lib.errors import CourseError
from s12lib.explain import class_maps
from s12lib.weights.pretrained import load_card, load_pretrained

RENEW = "the weights are new: run `s12 familiarity` and `s12 examples`"


@pytest.fixture(scope="module")
def shipped():
    return recorded(load_card())


def test_the_record_is_of_the_shipped_weights():
    assert json.loads((FOLDER / RECORD).read_text())["weights_sha256"] == load_card()["sha256"], RENEW


@pytest.mark.parametrize(
    ("field", "value"), [("probability", "high"), ("probability", 1.5), ("file", "../secret.png"), ("truth", 3)]
)
def test_a_record_that_was_tampered_with_is_named_with_its_field(field, value, tmp_path, monkeypatch):
    record = json.loads((FOLDER / RECORD).read_text())
    card = load_card()
    record["examples"][0][field] = value
    (tmp_path / RECORD).write_text(json.dumps(record))
    monkeypatch.setattr("s12lib.app.examples.FOLDER", tmp_path)
    with pytest.raises(
        CourseError, match=rf"measured\.json cannot be read as the app's examples: examples\.0\.{field}"
    ):
        recorded(card)


def test_there_are_known_and_unknown_examples(shipped):
    examples, mistakes = shipped
    assert len(examples) >= 10
    assert {example.truth for example in examples} == {*CLASSES, None}
    assert {"a face", "text", "noise"} <= {example.shows for example in examples if example.truth is None}
    assert len(mistakes) == app_figures.MISTAKES


def test_the_recorded_outcomes_are_what_the_network_answers(shipped):
    examples, _ = shipped
    images = np.stack([read_image(example.path) for example in examples])
    answers = Expert("page_resnet_cifar10").answers([example.file for example in examples], images, DEFAULTS)
    for example, answer in zip(examples, answers, strict=True):
        best, probability = answer.top[0]
        assert (example.answer, example.familiar) == (best, answer.familiar), f"{example.file}: {RENEW}"
        assert example.probability == pytest.approx(probability, abs=1e-4), f"{example.file}: {RENEW}"


def test_an_examples_figure_is_the_test_image_bit_by_bit(shipped, real_cifar10):
    with np.load(real_cifar10) as data:
        images, labels = data["test_images"], data["test_labels"]
    figures = [example for example in shipped[0] if example.file.startswith("test_")]
    assert len(figures) == 11
    for example in figures:
        index = int(example.file.split("_")[1])
        assert (read_image(example.path) == images[index]).all()
        assert CLASSES[labels[index]] == example.truth
        assert Image.open(example.path).size == (256, 256 + 2 * app_figures.BAND)  # a figure with captions
    first = {CLASSES[label]: int(np.flatnonzero(labels == label)[0]) for label in range(10)}
    assert {example.truth: int(example.file.split("_")[1]) for example in figures[:10]} == first


def test_the_mistakes_are_mistakes_the_surest_first_and_have_both_maps(shipped, real_cifar10):
    with np.load(real_cifar10) as data:
        images, labels = data["test_images"], data["test_labels"]
    mistakes = shipped[1]
    assert all(m.answer != m.truth == CLASSES[labels[m.index]] for m in mistakes)
    sureness = [m.probability for m in mistakes]
    assert sureness == sorted(sureness, reverse=True)
    for mistake in mistakes:
        assert (np.asarray(Image.open(FOLDER / mistake.picture)) == images[mistake.index]).all()
    first = mistakes[0]
    maps = class_maps(load_pretrained(), images[[first.index]])[0]
    expected = maps[[CLASSES.index(first.answer), CLASSES.index(first.truth)]]
    np.testing.assert_allclose(first.maps, expected, atol=1e-4)


def test_nothing_lies_in_the_folder_that_the_record_does_not_name(shipped):
    examples, mistakes = shipped
    named = {e.file for e in examples} | {m.picture for m in mistakes} | {RECORD}
    assert {path.name for path in FOLDER.iterdir()} == named


def test_every_photograph_names_its_author_and_licence(shipped):
    sources = {example.file: example.source for example in shipped[0]}
    for file in PHOTOGRAPHS:
        assert "CC BY" in sources[file] or "public domain" in sources[file]


def test_other_weights_claim_no_outcomes():
    examples, mistakes = recorded({"sha256": "0" * 64})
    assert mistakes == []
    assert all(example.answer == "" for example in examples)


@pytest.mark.parametrize(
    ("truth", "familiar", "verdict"),
    [
        ("cat", True, "right"),
        ("dog", True, "wrong"),
        ("cat", False, "right, but warned of"),
        (None, False, "warned of"),
        (None, True, "not warned of, though no class is right"),
    ],
)
def test_a_verdict_hides_no_failure(truth, familiar, verdict):
    assert Example("x.png", "x", truth, "", "cat", 0.9, familiar).verdict == verdict


def test_a_share_is_never_rounded_to_a_certainty():
    assert [percent(share) for share in (0, 0.0001, 0.5, 0.99996, 1)] == [
        "0.0\xa0%", "< 0.1\xa0%", "50.0\xa0%", "> 99.9\xa0%", "100.0\xa0%",
    ]  # fmt: skip

"""Unfamiliar images are told from familiar ones by a score and a threshold that are measured, never typed."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from s12lib.app import familiarity_threshold as unfamiliar
from s12lib.app.familiarity import SCORES, UNFAMILIAR, Familiarity
from s12lib.app.familiarity_threshold import (
    FALSE_WARNING_RATE,
    auroc,
    measure_familiarity,
    pieces_of_photographs,
    unfamiliar_images,
    warned,
    write_familiarity,
)  # fmt: skip
from s12lib.cli import main
from s12lib.datamodule import DATASETS, Shapes, dataset_of
from s12lib.errors import CourseError
from s12lib.inference import logits_of
from s12lib.weights.pretrained import WEIGHTS_DIR, load_card, load_pretrained


def confident(count: int, height: float, seed: int = 0) -> torch.Tensor:
    """Logits that peak at about that height."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(count, 10, generator=generator)
    logits[:, 3] += height
    return logits


def test_auroc_counts_the_pairs_that_stand_in_the_right_order():
    assert auroc(torch.tensor([2.0, 3.0]), torch.tensor([0.0, 1.0])) == 1
    assert auroc(torch.tensor([0.0, 1.0]), torch.tensor([2.0, 3.0])) == 0
    assert auroc(torch.tensor([1.0, 1.0]), torch.tensor([1.0])) == 0.5
    assert auroc(torch.tensor([2.0, 0.0]), torch.tensor([1.0])) == 0.5


def test_every_score_is_higher_where_the_network_is_surer():
    for score in SCORES.values():
        assert (score(confident(50, 20)) > score(confident(50, 0)).max()).all()


def test_energy_is_the_logarithm_of_the_summed_exponentials():
    logits = confident(5, 2)
    assert torch.allclose(SCORES["energy"](logits), logits.double().exp().sum(1).log().float())


def test_the_threshold_warns_of_the_stated_share_of_validation_images():
    validation = confident(2000, 8)
    measured = measure_familiarity(validation, {"odd": confident(100, 0, seed=1)})
    assert warned(validation, measured) == pytest.approx(FALSE_WARNING_RATE, abs=1e-3)
    assert warned(confident(100, 0, seed=1), measured) > 0.9


def test_the_score_that_separates_best_is_taken():
    logits = torch.zeros(40, 10)  # the same probabilities and maximum logit, but another energy
    logits[:, 0] = 5
    lower = logits.clone()
    lower[:, 1:] = -1
    measured = measure_familiarity(logits, {"odd": lower})
    assert measured["auroc"]["maximum logit"]["odd"] == 0.5
    assert measured["auroc"]["energy"]["odd"] == 1
    assert measured["score"] == "energy"


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
@pytest.mark.parametrize("where", ["familiar", "unfamiliar"])
def test_no_threshold_is_made_of_answers_that_are_no_numbers(where, broken):
    logits = {"familiar": torch.randn(20, 10), "unfamiliar": torch.randn(20, 10)}
    logits[where][3, 2] = broken
    with pytest.raises(CourseError, match="no threshold can be chosen"):
        measure_familiarity(logits["familiar"], {"noise": logits["unfamiliar"]})


def test_familiarity_follows_the_card_and_claims_nothing_without_one():
    card = {"familiarity": {"score": "maximum logit", "threshold": 4.0}}
    judge = Familiarity.from_card(card)
    logits = torch.zeros(10)
    logits[2] = 4
    assert (judge.score(logits), judge.knows(logits), judge.knows(logits - 0.1)) == (4.0, True, False)
    assert Familiarity.from_card({}).knows(logits) is None


def test_unfamiliar_images_are_the_same_for_a_seed_and_of_four_kinds():
    first, again, other = unfamiliar_images(3), unfamiliar_images(3), unfamiliar_images(3, seed=1)
    assert list(first) == ["drawn shapes", "noise", "text", "flat colours"]
    for kind, images in first.items():
        assert images.shape == (3, 32, 32, 3)
        assert images.dtype == np.uint8
        assert (images == again[kind]).all()
        assert (images != other[kind]).any()
    assert (first["flat colours"] == first["flat colours"][:, :1, :1]).all()
    assert all(len(np.unique(image)) > 20 for image in first["text"])  # grey edges of letters, not bare paper


def copy_of(name: str, folder, **changes):
    """Weights of the package and their card, the card changed, in a folder of their own."""
    card = load_card(name) | changes
    card.pop("familiarity", None)
    weights = folder / f"{name}.safetensors"
    weights.write_bytes((WEIGHTS_DIR / weights.name).read_bytes())
    weights.with_suffix(".json").write_text(json.dumps(card))
    return weights


@pytest.fixture
def few_shapes(monkeypatch):
    """The dataset Shapes, small, and few unfamiliar images."""
    monkeypatch.setattr(unfamiliar, "unfamiliar_images", lambda count: unfamiliar_images(20))
    monkeypatch.setattr(unfamiliar, "pieces_of_photographs", lambda count: pieces_of_photographs(6))
    few = type("Few", (Shapes,), {"__init__": lambda self: Shapes.__init__(self, 256, 10, 60, 30)})
    monkeypatch.setitem(DATASETS, "Shapes", few)


def test_the_command_writes_what_it_measured_into_the_card(few_shapes, tmp_path, capsys):
    weights = copy_of("page_resnet_shapes", tmp_path)
    before = json.loads(weights.with_suffix(".json").read_text())
    main(["familiarity", str(weights)])
    after = json.loads(weights.with_suffix(".json").read_text())
    measured = after.pop("familiarity")
    assert after == before
    chosen = {"dataset": "Shapes", "split": "validation", "images": 60, "seen_in_training": False}
    assert measured["chosen_on"] == chosen
    assert set(measured["warned"]) == {"test", "noise", "text", "flat colours", "pieces of three photographs"}
    assert 0 <= measured["warned_and_right"] <= 1
    assert measured["score"] in capsys.readouterr().out
    main(["familiarity", str(weights)])
    assert json.loads(weights.with_suffix(".json").read_text())["familiarity"] == measured


def test_weights_of_a_dataset_of_ones_own_are_refused_in_a_sentence(tmp_path):
    with pytest.raises(CourseError, match="Beetles is none of the course's datasets"):
        write_familiarity(copy_of("page_resnet_shapes", tmp_path, dataset="Beetles"))


def test_validation_images_are_those_that_a_recipe_chooses_on(real_cifar10):
    data = dataset_of({"dataset": "CIFAR-10"})
    data.setup()
    assert len(data.splits["validation"].images) == 5000


def test_the_shipped_card_says_what_was_measured_on_what():
    card = load_card()
    assert "familiarity" in card, "the weights are new: run `s12 familiarity` and `s12 examples`"
    measured = card["familiarity"]
    assert measured["chosen_on"]["dataset"] == card["dataset"]
    assert measured["chosen_on"]["seen_in_training"] is False
    assert measured["chosen_on"]["split"] == "test, every other image"
    best = max(measured["auroc"], key=lambda name: sum(measured["auroc"][name].values()))
    assert measured["score"] == best
    assert measured["warned"]["test"] == pytest.approx(FALSE_WARNING_RATE, abs=0.015)  # of 5,000; it chose nothing
    drawn = set(measured["warned"]) - {"test", "pieces of three photographs"}
    assert min(measured["warned"][kind] for kind in drawn) > 0.5


def test_the_warning_says_how_often_it_is_needless():
    card = load_card()
    said = Familiarity.from_card(card).sentence
    assert said.startswith(UNFAMILIAR)
    assert f"One real image in {1 / card['familiarity']['warned']['test']:.0f} " in said
    assert Familiarity.from_card({}).sentence == UNFAMILIAR


def test_pieces_of_photographs_are_the_same_for_a_seed_and_of_three_photographs():
    first = pieces_of_photographs(6)
    assert first.shape == (6, 32, 32, 3)
    assert (first == pieces_of_photographs(6)).all()
    assert (first != pieces_of_photographs(6, seed=1)).any(axis=(1, 2, 3)).all()


def test_weights_trained_on_everything_get_their_threshold_from_half_of_the_test_set(few_shapes, tmp_path, monkeypatch):
    monkeypatch.setattr(unfamiliar, "Shapes", SimpleNamespace(name="another dataset"))  # whose images all have a split
    measured = write_familiarity(copy_of("page_resnet_shapes", tmp_path, train_images=100_000))
    data = dataset_of({"dataset": "Shapes"})
    data.setup("test")
    logits = logits_of(load_pretrained("page_resnet_shapes"), data.splits["test"].images)
    assert measured["chosen_on"]["split"] == "test, every other image"
    assert measured["chosen_on"]["images"] == 15
    assert warned(logits[::2], measured) == pytest.approx(FALSE_WARNING_RATE, abs=1 / 15)
    assert warned(logits[1::2], measured) == pytest.approx(measured["warned"]["test"])


def test_the_shipped_threshold_is_what_the_shipped_weights_give():
    """A sample of the drawn images, whose shares stand on the card; the slow suite measures everything."""
    measured, network = load_card()["familiarity"], load_pretrained()
    for kind, images in unfamiliar_images(40).items():
        share = warned(logits_of(network, images), measured)
        assert share == pytest.approx(measured["warned"][kind], abs=0.25), kind

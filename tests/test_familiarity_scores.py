"""Scores that look inside the network: what each is, on features that are known."""

import numpy as np
import torch

from s12lib import load_pretrained
from s12lib.app.familiarity_scores import (
    class_distance_score,
    compared_scores,
    features_and_logits,
    neighbour_score,
    residual_score,
)
from s12lib.data.shapes import draw_shapes
from s12lib.inference import logits_of


def drawn(*size: int) -> torch.Tensor:
    return torch.randn(*size, generator=torch.Generator().manual_seed(0))


def test_the_neighbours_score_is_the_cosine_to_the_kth_nearest():
    known = torch.tensor([[1.0, 0.0], [3.0, 3.0], [0.0, 2.0]])
    asked = torch.tensor([[5.0, 0.0]])
    for k, cosine in ((1, 1.0), (2, 0.5**0.5), (3, 0.0), (9, 0.0)):
        torch.testing.assert_close(neighbour_score(asked, known, k), torch.tensor([cosine]))


def test_the_classes_distance_is_measured_in_the_classes_own_spread():
    spread = torch.tensor([1.0, 10.0])
    known, labels = drawn(4000, 2) * spread, torch.arange(4000) % 2
    known[labels == 1] += torch.tensor([50.0, 0.0])
    middle, along, across, other = torch.tensor([[0.0, 0.0], [0.0, 20.0], [20.0, 0.0], [50.0, 0.0]])
    score = class_distance_score(torch.stack([middle, along, across, other]), known, labels)
    assert (score[[0, 3]] > -0.3).all()
    torch.testing.assert_close(score[1], torch.tensor(-2.0), atol=0.2, rtol=0)
    assert score[2] < -10


def test_vim_is_the_energy_where_features_lie_as_the_known_do_and_less_elsewhere():
    known = drawn(500, 8) * torch.tensor([5.0] * 4 + [0.1] * 4)
    logits, known_logits = torch.zeros(2, 10), drawn(500, 10).abs()
    inside, outside = torch.eye(8)[0] * 3, torch.eye(8)[7] * 3
    score = residual_score(torch.stack([inside, outside]), logits, known, known_logits, kept=4)
    energy = torch.tensor(10.0).log()
    assert abs(score[0] - energy) < 0.6
    assert score[1] < energy - 5


def test_all_scores_of_all_kinds_come_in_one_table_and_noise_is_strange_to_each_that_looks_inside():
    network = load_pretrained("page_resnet_shapes")
    known, labels, _ = draw_shapes(80, 0, "train")
    test = draw_shapes(30, 0, "test")[0]
    noise = np.random.default_rng(0).integers(0, 256, (10, 32, 32, 3), dtype=np.uint8)
    scores = compared_scores(network, known, torch.as_tensor(labels), {"test": test, "noise": noise}, "test")
    assert set(scores) == {
        "confidence", "energy", "classes' distance", "ViM", "10th neighbour", "energy + neighbour",
    }  # fmt: skip
    for name, kinds in scores.items():
        assert (kinds["test"].shape, kinds["noise"].shape) == ((30,), (10,)), name
    for name in ("10th neighbour", "energy + neighbour"):
        assert scores[name]["noise"].max() < scores[name]["test"].median()
    torch.testing.assert_close(features_and_logits(network, test)[1], logits_of(network, test))
    assert abs(scores["energy + neighbour"]["test"].mean()) < 1e-5

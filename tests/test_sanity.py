"""What explain.sanity promises: a map that ignores the network is caught, and the same numbers every time."""

import copy
from functools import cache, partial

import pytest
import torch
from narrow_network import NarrowResNet, lively
from scipy.stats import spearmanr
from torch import nn

from s12lib.data.shapes import draw_shapes
from s12lib.explain import gradcam
from s12lib.explain.maps import random_maps
from s12lib.explain.sanity import cascading_randomization, rank_correlation, untrained

IMAGES = draw_shapes(4, 0, "test")[0]
STAGES = ["head", "layer3", "layer2", "layer1", "prep"]


@cache
def narrow() -> nn.Module:
    return lively(NarrowResNet())


def brightness(_model, images, _targets):
    """A map that looks at the image only: it moves along with it, and no training changes it."""
    return images.float().mean(dim=3) / 255


def test_rank_correlation_is_spearmans_with_ties_sharing_their_ranks():
    first, second = random_maps(4, seed=0), random_maps(4, seed=1)
    second[:, :16] = 0  # half of each map tied
    expected = [spearmanr(a.flatten(), b.flatten()).statistic for a, b in zip(first, second, strict=True)]
    torch.testing.assert_close(rank_correlation(first, second), torch.tensor(expected, dtype=torch.float32))


def test_rank_correlation_sees_order_only():
    maps = random_maps(3)
    torch.testing.assert_close(rank_correlation(maps, maps**3 * 7), torch.ones(3))
    torch.testing.assert_close(rank_correlation(maps, 1 - maps), -torch.ones(3))


def test_a_map_without_variance_correlates_with_nothing():
    flat = torch.stack([torch.zeros(32, 32), torch.full((32, 32), 0.5)])
    assert rank_correlation(flat, random_maps(2)).tolist() == [0, 0]


def test_maps_of_different_shapes_are_refused():
    with pytest.raises(ValueError, match=r"others must have the maps' shape \(2, 32, 32\)"):
        rank_correlation(random_maps(2), random_maps(3))


def test_a_map_that_ignores_the_network_passes_through_every_randomisation():
    correlations = cascading_randomization(narrow(), IMAGES, explain=brightness)
    assert list(correlations) == STAGES
    for values in correlations.values():
        torch.testing.assert_close(values, torch.ones(4))


def test_each_stage_forgets_one_more_child_and_the_classes_stay():
    seen = []

    def spy(model, images, targets):
        seen.append((copy.deepcopy(model.state_dict()), targets))
        return brightness(model, images, targets)

    cascading_randomization(narrow(), IMAGES, explain=spy, seed=3)
    trained, fresh = narrow().state_dict(), untrained(narrow(), seed=3).state_dict()
    assert len(seen) == 6
    for stage, (state, targets) in enumerate(seen):
        forgotten = STAGES[:stage]
        for name, value in state.items():
            expected = fresh if name.split(".")[0] in forgotten else trained
            assert torch.equal(value, expected[name]), f"{name} after {forgotten}"
        assert torch.equal(targets, seen[0][1])


def test_gradcam_changes_when_the_head_forgets():
    correlations = cascading_randomization(narrow(), IMAGES, 3, partial(gradcam, layer="layer2"), seed=3)
    assert all(values.shape == (4,) for values in correlations.values())
    assert correlations["head"].mean() < 0.95


def test_an_untrained_network_has_forgotten_everything_and_repeats():
    network = copy.deepcopy(narrow()).bfloat16()
    before = copy.deepcopy(network.state_dict())
    state = torch.get_rng_state()
    fresh, again, other = untrained(network, 0), untrained(network, 0), untrained(network, 1)
    assert torch.equal(torch.get_rng_state(), state)
    for name, value in fresh.state_dict().items():
        assert torch.equal(value, again.state_dict()[name])
        assert value.ndim == 0 or not torch.equal(value, narrow().state_dict()[name])
        if value.ndim >= 2:
            assert not torch.equal(value, other.state_dict()[name])
    assert not fresh.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_wrong_arguments_are_named():
    with pytest.raises(TypeError, match="images_uint8"):
        cascading_randomization(narrow(), IMAGES / 255)
    with pytest.raises(ValueError, match="targets"):
        cascading_randomization(narrow(), IMAGES, 10)
    with pytest.raises(TypeError, match="model"):
        cascading_randomization(nn.Linear(1, 1), IMAGES, 3)

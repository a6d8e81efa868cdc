"""What explain.faithfulness promises: a map that finds what the network uses scores better than one that does not."""

import copy
from functools import cache

import numpy as np
import pytest
import torch
from narrow_network import NarrowResNet, lively
from torch import nn

from s12lib.data.pixels import normalize
from s12lib.explain import faithfulness
from s12lib.explain.faithfulness import (
    deletion_auc,
    deletion_curves,
    insertion_auc,
    insertion_curves,
    pixel_ranks,
    road,
)
from s12lib.explain.maps import random_maps
from s12lib.inference import logits_of

pytestmark = pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")  # the library's ROAD

COUNT = 6
SPOT = (slice(None), slice(20, 28), slice(4, 12))  # where the images of this file differ from noise


@cache
def noise_with_a_spot() -> np.ndarray:
    """Dull noise with one bright red square, low and to the left."""
    images = np.random.default_rng(0).integers(100, 130, (COUNT, 32, 32, 3), np.uint8)
    images[SPOT] = (250, 20, 20)
    return images


@cache
def red_counter() -> nn.Module:
    """A network whose class 0 is the redder, the more of the image is red: what it uses is known."""
    network = lively(NarrowResNet())
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                module.weight.zero_()
                module.weight[0, 0, 1, 1] = 1
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.zero_(), module.running_var.fill_(1), module.weight.fill_(1), module.bias.zero_()
        network.prep[0].weight[0, :, 1, 1] = torch.tensor([1.0, -0.5, -0.5])
        network.head[-1].weight.zero_()
        network.head[-1].weight[0, 0] = 3
    return network


def right_and_wrong():
    """Maps on the red square, and maps everywhere but there."""
    right = np.zeros((COUNT, 32, 32), np.float32)
    right[SPOT] = 1
    return right, 1 - right


def test_the_planted_network_sees_the_square():
    assert logits_of(red_counter(), noise_with_a_spot()).softmax(dim=1)[:, 0].min() > 0.9


@pytest.mark.parametrize(("measure", "sign"), [(deletion_auc, -1), (insertion_auc, 1), (road, 1)])
def test_a_map_on_what_the_network_uses_scores_better_on_every_image(measure, sign):
    right, wrong = (measure(red_counter(), noise_with_a_spot(), maps, 0) for maps in right_and_wrong())
    assert right.shape == (COUNT,)
    assert right.dtype == torch.float32
    assert (sign * (right - wrong) > 0.1).all()


def test_road_is_antisymmetric_and_about_zero_for_a_map_that_knows_nothing():
    right, wrong = (road(red_counter(), noise_with_a_spot(), maps, 0) for maps in right_and_wrong())
    torch.testing.assert_close(right, -wrong, atol=0.1, rtol=0)
    assert road(red_counter(), noise_with_a_spot(), random_maps(COUNT), 0).mean().abs() < right.mean() / 2


def test_curves_begin_with_one_image_and_end_with_the_other():
    model, images = lively(NarrowResNet()), noise_with_a_spot()
    intact = model(normalize(images)).softmax(dim=1)[:, 4].detach()
    grey = model(torch.zeros(1, 3, 32, 32)).softmax(dim=1)[0, 4].item()
    deletion, insertion = (
        curves(model, images, random_maps(COUNT), 4, 8) for curves in (deletion_curves, insertion_curves)
    )
    assert deletion.shape == insertion.shape == (COUNT, 9)
    torch.testing.assert_close(deletion[:, 0], intact)
    torch.testing.assert_close(deletion[:, -1], torch.full((COUNT,), grey))
    torch.testing.assert_close(insertion[:, -1], intact)
    assert not torch.allclose(insertion[:, 0], intact, atol=1e-3)


def test_each_step_moves_its_share_of_pixels_the_highest_first():
    seen = []
    model = copy.deepcopy(red_counter())
    model.prep[0].register_forward_pre_hook(lambda _module, args: seen.append(args[0].clone()))
    maps = random_maps(COUNT)
    deletion_curves(model, noise_with_a_spot(), maps, 0, steps=4)
    original, ranks = normalize(noise_with_a_spot()), pixel_ranks(maps)
    for step, images in enumerate(seen):
        removed = (images == 0).all(dim=1)
        assert removed.sum(dim=(1, 2)).tolist() == [256 * step] * COUNT
        assert torch.equal(removed, ranks > 1 - step / 4)
        assert torch.equal(images[~removed[:, None].expand_as(images)], original[~removed[:, None].expand_as(images)])


def test_the_area_is_the_mean_height_of_the_curve():
    maps = random_maps(COUNT)
    curves = deletion_curves(red_counter(), noise_with_a_spot(), maps, 0, steps=5)
    by_hand = (curves[:, 1:] + curves[:, :-1]).mean(dim=1) / 2
    torch.testing.assert_close(deletion_auc(red_counter(), noise_with_a_spot(), maps, 0, steps=5), by_hand)


def test_the_predicted_class_of_the_unchanged_image_is_followed_by_default():
    model = lively(NarrowResNet())
    predicted = logits_of(model, noise_with_a_spot()).argmax(dim=1)
    maps = random_maps(COUNT)
    assert torch.equal(
        deletion_auc(model, noise_with_a_spot(), maps), deletion_auc(model, noise_with_a_spot(), maps, predicted)
    )


def test_ranks_follow_the_map_and_no_two_are_alike():
    maps = random_maps(3, seed=5)
    ranks = pixel_ranks(maps)
    assert (ranks.flatten(1).sort().values.diff() > 0).all()
    assert 0 < ranks.min() < ranks.max() < 1
    ordered = maps.flatten(1).gather(1, ranks.flatten(1).argsort())
    assert (ordered.diff() >= 0).all()


def test_a_flat_map_is_ranked_like_the_random_baseline():
    assert torch.equal(pixel_ranks(torch.zeros(3, 32, 32)), pixel_ranks(random_maps(3)))
    assert torch.equal(pixel_ranks(torch.ones(3, 32, 32), seed=1), pixel_ranks(random_maps(3, seed=1), seed=1))


def test_road_removes_as_many_pixels_from_a_map_full_of_zeros_as_from_any_other(monkeypatch):
    handed = []

    class Recorder:
        def __init__(self, percentiles):
            pass

        def __call__(self, _images, ranks, _targets, _model):
            handed.extend(ranks)
            return np.zeros(len(ranks))

    monkeypatch.setattr(faithfulness, "ROADCombined", Recorder)
    for maps in (right_and_wrong()[0], np.zeros((COUNT, 32, 32), np.float32)):
        handed.clear()
        road(red_counter(), noise_with_a_spot(), maps, 0)
        assert [len(np.unique(rank)) for rank in handed] == [32 * 32] * COUNT, "no two pixels tie"


def test_measures_repeat_leave_the_model_alone_and_the_global_generator_too(monkeypatch):
    model = copy.deepcopy(red_counter()).train()
    before, state = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    maps = random_maps(COUNT)
    first = [measure(model, noise_with_a_spot(), maps, 0) for measure in (road, deletion_auc, insertion_auc)]
    assert torch.equal(torch.get_rng_state(), state)
    monkeypatch.setattr(faithfulness, "CHUNK", 4)
    torch.manual_seed(99)
    assert torch.equal(road(model, noise_with_a_spot()[:4], maps[:4], 0), first[0][:4])
    torch.testing.assert_close(deletion_auc(model, noise_with_a_spot(), maps, 0), first[1])
    torch.testing.assert_close(insertion_auc(model, noise_with_a_spot(), maps, 0), first[2])
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("measure", [deletion_auc, insertion_auc, road])
@pytest.mark.parametrize(
    ("images", "maps", "targets", "error", "named"),
    [
        (noise_with_a_spot() / 255, random_maps(COUNT), 0, TypeError, "images_uint8 must be uint8"),
        (noise_with_a_spot()[:0], random_maps(COUNT), 0, ValueError, "images_uint8 must have shape"),
        (noise_with_a_spot(), random_maps(COUNT), 10, ValueError, "targets must be 0 to 9"),
        (noise_with_a_spot(), random_maps(COUNT), [1, 2], ValueError, "targets must be one for each"),
        (noise_with_a_spot(), random_maps(COUNT - 1), 0, ValueError, "maps must be one for each image"),
        (noise_with_a_spot(), torch.ones(COUNT, 4, 4), 0, ValueError, "maps must be one for each image"),
        (noise_with_a_spot(), random_maps(COUNT) - 1, 0, ValueError, "maps must be finite and not negative"),
        (noise_with_a_spot(), random_maps(COUNT) * np.nan, 0, ValueError, "maps must be finite and not negative"),
    ],
)
def test_wrong_arguments_are_named(measure, images, maps, targets, error, named):
    with pytest.raises(error, match=named):
        measure(red_counter(), images, maps, targets)


@pytest.mark.parametrize("steps", [0, -1, 2.5, 2000])
def test_a_wrong_number_of_steps_is_refused(steps):
    with pytest.raises(ValueError, match="steps must be a whole number from 1 to 1024"):
        deletion_auc(red_counter(), noise_with_a_spot(), random_maps(COUNT), 0, steps=steps)


@pytest.mark.parametrize("percentiles", [(), (0,), (50, 100)])
def test_wrong_percentiles_are_refused(percentiles):
    with pytest.raises(ValueError, match="percentiles must be one or more numbers from 1 to 99"):
        road(red_counter(), noise_with_a_spot(), random_maps(COUNT), 0, percentiles=percentiles)

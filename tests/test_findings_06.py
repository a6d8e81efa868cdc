"""What lesson 06 finds, measured again on a few images: each stated direction fails here when it no longer holds."""

import warnings
from functools import cache, partial

import numpy as np
import pytest
import torch
from torch.nn import functional

from s12lib import Classifier, Shapes
from s12lib.data.cifar10 import read_cifar10
from s12lib.data.shapes import draw_shapes
from s12lib.data.splits import Split
from s12lib.explain import gradcam
from s12lib.explain.comparison import Scores, baseline_scores, coarse_mask_scores, localization_scores
from s12lib.explain.faithfulness import deletion_auc, insertion_auc, road
from s12lib.explain.intervals import confidence_interval
from s12lib.explain.localization import energy_in_mask
from s12lib.explain.maps import gaussian_maps, random_maps
from s12lib.explain.sanity import cascading_randomization, rank_correlation, untrained
from s12lib.inference import predict
from s12lib.training.hardware import best_precision
from s12lib.weights.pretrained import load_pretrained

pytestmark = [
    pytest.mark.xdist_group("findings"),  # the maps are made once
    pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning"),  # the library's ROAD
]

IMAGES, _, MASKS = draw_shapes(48, 0, "test")


@cache
def network() -> torch.nn.Module:
    return load_pretrained("page_resnet_shapes")


@cache
def scores() -> dict[tuple[str, str], Scores]:
    return localization_scores(network(), IMAGES, MASKS, methods=("gradcam", "hirescam", "layercam", "eigencam"))


def surely_more(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Whether a is above b on these images, by the 95% interval of the differences."""
    return confidence_interval(a - b).low > 0


# ---- on Shapes, where the truth is known -----------------------------------------------------------------------------


def test_gradcam_at_layer3_has_more_heat_on_the_object_than_the_gaussian_and_that_more_than_noise():
    usual, baselines = scores()["gradcam", "layer3"].energy, baseline_scores(MASKS)
    assert surely_more(usual, baselines["centred Gaussian"].energy)
    assert surely_more(baselines["centred Gaussian"].energy, baselines["random map"].energy)


def edges(images) -> torch.Tensor:
    """Sobel's two kernels on the grey image: ``(N, 32, 32)``."""
    grey = functional.pad(torch.as_tensor(images).float().mean(3)[:, None] / 255, (1, 1, 1, 1), mode="replicate")
    across = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    return functional.conv2d(grey, torch.stack([across, across.T])[:, None]).norm(dim=1)


def test_edges_have_more_heat_on_the_object_than_noise_and_less_than_gradcam():
    found = energy_in_mask(edges(IMAGES), MASKS)
    assert surely_more(found, baseline_scores(MASKS)["random map"].energy)
    assert surely_more(scores()["gradcam", "layer3"].energy, found)


def test_masks_score_badly_in_a_pointing_game_with_an_axis_swapped():
    places = torch.as_tensor(MASKS).float().flatten(1).argmax(1)
    swapped = torch.as_tensor(MASKS)[torch.arange(len(MASKS)), places % 32, places // 32]
    assert swapped.float().mean() < 0.4


def test_no_map_has_more_heat_on_the_object_than_hirescam_at_layer2():
    best = scores()["hirescam", "layer2"]
    assert max(scores(), key=lambda name: scores()[name].energy.mean()) == ("hirescam", "layer2")
    assert surely_more(best.energy, scores()["gradcam", "layer3"].energy)
    assert surely_more(best.pointing, scores()["gradcam", "layer3"].pointing)


def test_neither_the_coarsest_layer_is_best_nor_the_finest():
    for method in ("gradcam", "hirescam", "eigencam"):
        middle = scores()[method, "layer2"].energy
        assert surely_more(middle, scores()[method, "prep"].energy), method
    assert surely_more(scores()["hirescam", "layer2"].energy, scores()["hirescam", "layer3"].energy)


def test_even_the_mask_told_in_sixteen_numbers_does_not_point_right_in_nine_cases_of_ten():
    coarse = coarse_mask_scores(draw_shapes(1000, 0, "test")[2])
    assert confidence_interval(coarse["layer3"].pointing).high < 0.9
    assert confidence_interval(coarse["layer2"].pointing).low > 0.9


def test_the_most_heat_on_the_object_has_a_network_that_has_learned_nothing():
    images, _, masks = draw_shapes(100, 0, "test")
    blank = localization_scores(untrained(network()), images, masks, ("prep",), ("eigencam",))["eigencam", "prep"]
    best = localization_scores(network(), images, masks, ("layer2",), ("hirescam",))["hirescam", "layer2"]
    assert surely_more(blank.energy, best.energy)


# ---- when the network forgets ----------------------------------------------------------------------------------------


def test_eigencam_at_layer2_does_not_notice_what_happens_above_it():
    kept = cascading_randomization(network(), IMAGES[:8], explain=partial(gradcam, layer="layer2", method="eigencam"))
    for stage in ("head", "layer3"):
        torch.testing.assert_close(kept[stage], torch.ones(8))


@pytest.mark.parametrize("method", ["gradcam", "hirescam"])
def test_gradcam_and_hirescam_lose_much_of_their_order_when_head_and_layer3_forget(method):
    explain = partial(gradcam, layer="layer2", method=method)
    kept = [cascading_randomization(network(), IMAGES[:8], explain=explain, seed=seed)["layer3"] for seed in range(3)]
    assert torch.stack(kept).mean() < 0.6


def test_edges_do_not_notice_that_the_network_forgets():
    kept = cascading_randomization(network(), IMAGES[:4], explain=lambda model, images, targets: edges(images))
    assert all(values.min() > 0.999 for values in kept.values())
    assert rank_correlation(edges(IMAGES), edges(IMAGES)).min() > 0.999


# ---- a planted shortcut ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def drawings():
    data = Shapes(64, train_size=3000, validation_size=0, test_size=200)
    data.setup()
    return data


def trained(drawings, images: torch.Tensor, quiet_trainer) -> torch.nn.Module:
    warnings.simplefilter("ignore")
    data = Shapes(64, validation_size=0)
    data.splits = {"train": Split(images, drawings.splits["train"].labels)}
    torch.manual_seed(0)
    module = Classifier(lr=0.4, final_epochs=0.5, label_smoothing=0.0, ema_decay=0.95)
    quiet_trainer(2, precision=best_precision()).fit(module, data)
    return module.network.eval()


TEN = torch.cat([torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 3), torch.tensor([[0.5, 0, 0.5], [0.5, 1, 0.5]])])


@pytest.mark.slow
def test_a_shortcut_without_a_place_is_on_no_heatmap_and_an_intervention_shows_it(drawings, quiet_trainer):
    def tint(images: torch.Tensor, colours: torch.Tensor) -> torch.Tensor:
        return (images * (0.75 + 0.25 * TEN[colours][:, None, None])).round().to(torch.uint8)

    train, test = drawings.splits["train"], drawings.splits["test"]
    third = trained(drawings, tint(train.images, train.labels), quiet_trainer)
    others = (test.labels + 1) % 10
    assert (predict(third, tint(test.images, test.labels)).argmax(1) == test.labels).float().mean() > 0.8
    assert (predict(third, test.images).argmax(1) == test.labels).float().mean() < 0.4
    assert (predict(third, tint(test.images, others)).argmax(1) == others).float().mean() > 0.5
    tinted = tint(test.images, test.labels)
    heat = energy_in_mask(gradcam(third, tinted, test.labels, "layer2", "hirescam"), test.masks)
    honest = energy_in_mask(gradcam(network(), tinted, test.labels, "layer2", "hirescam"), test.masks)
    assert heat.mean() < 0.3 < honest.mean()


@pytest.mark.slow
def test_marks_dealt_at_random_cure_the_network(drawings, quiet_trainer):
    def plant(images: torch.Tensor, colours: torch.Tensor) -> torch.Tensor:
        marked = images.clone()
        marked[:, :4, :4] = (40 + 175 * TEN[colours]).to(torch.uint8)[:, None, None]
        return marked

    train, test = drawings.splits["train"], drawings.splits["test"]
    dealt = torch.randint(10, train.labels.shape, generator=torch.Generator().manual_seed(0))
    cured = trained(drawings, plant(train.images, dealt), quiet_trainer)
    assert (predict(cured, test.images).argmax(1) == test.labels).float().mean() > 0.8
    corner = torch.zeros(len(test.labels), 32, 32, dtype=torch.bool)
    corner[:, :8, :8] = True
    heat = gradcam(cured, plant(test.images, test.labels), test.labels, "layer2", "hirescam")
    assert energy_in_mask(heat, corner).mean() < 0.15


@pytest.mark.slow
def test_a_network_trained_on_marked_pictures_reads_the_mark_and_its_heatmap_shows_it(quiet_trainer):
    warnings.simplefilter("ignore")
    colours = torch.from_numpy(np.random.default_rng(0).permutation(np.linspace(30, 225, 10).astype(np.uint8)))

    def plant(split: Split) -> torch.Tensor:
        marked = split.images.clone()
        marked[:, :4, :4] = torch.stack([colours, colours.roll(3), colours.roll(6)], dim=1)[split.labels][:, None, None]
        return marked

    data = Shapes(64, train_size=4000, validation_size=0, test_size=200)
    data.setup()
    test = data.splits["test"]
    data.splits["train"] = Split(plant(data.splits["train"]), data.splits["train"].labels)
    torch.manual_seed(0)
    module = Classifier(lr=0.4, final_epochs=0.5, label_smoothing=0.0, ema_decay=0.95)
    quiet_trainer(2, precision=best_precision()).fit(module, data)
    suspect = module.network.eval()
    marked, bare = (
        (predict(suspect, images).argmax(1) == test.labels).float() for images in (plant(test), test.images)
    )
    assert marked.mean() > 0.9
    assert bare.mean() < 0.5
    corner = torch.zeros(len(test.labels), 32, 32, dtype=torch.bool)
    corner[:, :8, :8] = True
    for method, layer in (("gradcam", "layer3"), ("hirescam", "layer2")):
        heat, control = (
            energy_in_mask(gradcam(model, plant(test), method=method, layer=layer), corner)
            for model in (suspect, network())
        )
        assert surely_more(heat, 2 * control), method
        assert surely_more(heat, energy_in_mask(gradcam(suspect, plant(test), method=method, layer=layer), test.masks))


# ---- on CIFAR-10, where it is not ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def faithful(real_cifar10):
    """``{map: (minus deletion, insertion, ROAD)}`` of 32 test images, each the higher, the better."""
    pictures, model = read_cifar10(real_cifar10)["test_images"][:32], load_pretrained()
    maps = {
        "gradcam": gradcam(model, pictures),
        "hirescam at layer2": gradcam(model, pictures, layer="layer2", method="hirescam"),
        "centred Gaussian": gaussian_maps(32),
        "random map": random_maps(32),
    }
    return {
        name: (
            -deletion_auc(model, pictures, heat, steps=8),
            insertion_auc(model, pictures, heat, steps=8),
            road(model, pictures, heat, percentiles=(50,)),
        )
        for name, heat in maps.items()
    }


def test_gradcam_is_plainly_better_than_a_random_map_by_every_measure(faithful):
    for ours, noise in zip(faithful["gradcam"], faithful["random map"], strict=True):
        assert surely_more(ours, noise)


def test_a_spot_in_the_middle_is_a_fair_guess_without_a_network(faithful):
    for bell, noise in zip(faithful["centred Gaussian"], faithful["random map"], strict=True):
        assert bell.mean() > noise.mean()


def test_the_winner_on_the_object_is_not_the_winner_on_what_the_network_uses(faithful):
    pairs = zip(faithful["gradcam"], faithful["hirescam at layer2"], strict=True)
    assert all(usual.mean() > other.mean() for usual, other in pairs)

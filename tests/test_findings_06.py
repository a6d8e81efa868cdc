"""What lesson 06 finds, measured again on a few images: each stated direction fails here when it no longer holds."""

import warnings
from functools import cache, partial

import pytest
import torch
from torch.nn import functional

from s12lib import Shapes
from s12lib.data.cifar10 import read_cifar10
from s12lib.data.shapes import QUARTERS, draw_shapes
from s12lib.data.splits import Split
from s12lib.explain import gradcam
from s12lib.explain.comparison import Scores, baseline_scores, coarse_mask_scores, localization_scores
from s12lib.explain.faithfulness import deletion_auc, insertion_auc, road
from s12lib.explain.intervals import confidence_interval
from s12lib.explain.localization import energy_in_mask
from s12lib.explain.maps import gaussian_maps, random_maps
from s12lib.explain.sanity import cascading_randomization, rank_correlation, untrained
from s12lib.inference import logits_of, predict
from s12lib.training.blind_round import TEN_COLOURS, THINGS, blind_round, train_narrow
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
    """Whether a is above b on these pictures, by the 95% interval of the differences."""
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


# ---- parts left out --------------------------------------------------------------------------------------------------


@cache
def falls() -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """By how much each part's absence lowers the logit of 100 images, and which pixels it changes."""
    images, labels, _ = draw_shapes(100, 0, "test")
    own = torch.arange(100), torch.from_numpy(labels).long()
    whole, fall, place = logits_of(network(), torch.from_numpy(images))[own], {}, {}
    for part in ("object", *QUARTERS, "blob 1", "stroke 5"):
        bare = draw_shapes(100, 0, "test", without=part)[0]
        fall[part] = whole - logits_of(network(), torch.from_numpy(bare))[own]
        place[part] = torch.from_numpy((bare != images).any(3))
    return fall, place


def test_the_logit_falls_without_the_object_less_without_a_quarter_and_not_without_clutter():
    fall = falls()[0]
    for quarter in QUARTERS:
        assert surely_more(fall["object"], fall[quarter])
        assert surely_more(fall[quarter], torch.ones(100))
    for clutter in ("blob 1", "stroke 5"):
        assert fall[clutter].mean().abs() < 0.2


@pytest.fixture(scope="module")
def quarters():
    """``{map: (rank correlation of the quarters' heat with the fall, the same of the heat per pixel)}``."""
    images, labels, _ = draw_shapes(100, 0, "test")
    asked, (fall, place) = (network(), images, torch.from_numpy(labels).long()), falls()
    where = torch.stack([place[quarter] for quarter in QUARTERS], 1)
    truth = torch.stack([fall[quarter] for quarter in QUARTERS], 1)[:, None]
    truth, area = truth - truth.min(), where.sum((2, 3))[:, None].clamp(min=1)
    found = {}
    for name, heat in {
        "gradcam": gradcam(*asked),
        "hirescam at layer2": gradcam(*asked, layer="layer2", method="hirescam"),
        "ones": torch.ones(100, 32, 32),
    }.items():
        on_it = (heat[:, None] * where).sum((2, 3))[:, None]
        found[name] = rank_correlation(truth, on_it), rank_correlation(truth, on_it / area)
    return found


def test_gradcam_knows_no_more_of_the_quarters_order_than_their_pixels_do(quarters):
    assert quarters["gradcam"][0].mean() > 0.2
    assert not surely_more(quarters["gradcam"][0], quarters["ones"][0])


def test_of_the_quarters_heat_per_pixel_hirescam_at_layer2_says_more_than_gradcam_and_far_from_all(quarters):
    assert surely_more(quarters["hirescam at layer2"][1], quarters["gradcam"][1])
    assert quarters["gradcam"][1].mean() < 0.25
    assert quarters["hirescam at layer2"][1].mean() < 0.6


# ---- a planted shortcut ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def drawings():
    warnings.simplefilter("ignore")
    data = Shapes(64, train_size=3000, validation_size=0, test_size=200)
    data.setup()
    return data.splits["train"], data.splits["test"]


def plant(images: torch.Tensor, colours: torch.Tensor) -> torch.Tensor:
    marked = images.clone()
    marked[:, :4, :4] = (40 + 175 * TEN_COLOURS[colours]).to(torch.uint8)[:, None, None]
    return marked


def in_corner(model: torch.nn.Module, test: Split) -> torch.Tensor:
    corner = torch.zeros(len(test.labels), 32, 32, dtype=torch.bool)
    corner[:, :8, :8] = True
    heat = gradcam(model, plant(test.images, test.labels), test.labels, "layer2", "hirescam")
    return energy_in_mask(heat, corner)


def share_of(model: torch.nn.Module, images: torch.Tensor, wanted: torch.Tensor) -> float:
    return (predict(model, images).argmax(1) == wanted).float().mean().item()


@pytest.mark.slow
def test_a_network_trained_on_marked_images_reads_the_mark_and_its_heatmap_shows_it(drawings):
    train, test = drawings
    suspect = train_narrow(plant(train.images, train.labels), train.labels)
    others = (test.labels + 1) % 10
    assert share_of(suspect, plant(test.images, test.labels), test.labels) > 0.9
    assert share_of(suspect, test.images, test.labels) < 0.5
    assert share_of(suspect, plant(test.images, others), others) > 0.8
    assert in_corner(suspect, test).mean() > 0.5
    assert in_corner(network(), test).mean() < 0.1


@pytest.mark.slow
def test_marks_dealt_at_random_cure_the_network(drawings):
    train, test = drawings
    dealt = torch.randint(10, train.labels.shape, generator=torch.Generator().manual_seed(0))
    cured = train_narrow(plant(train.images, dealt), train.labels)
    assert share_of(cured, test.images, test.labels) > 0.6
    assert in_corner(cured, test).mean() < 0.15


@pytest.fixture(scope="module")
def suspects(drawings):
    return blind_round(*drawings)


def on_object(each, test: Split) -> float:
    heat = gradcam(each.network, each.test.images, test.labels, "layer2", "hirescam")
    return energy_in_mask(heat, test.masks).mean().item()


@pytest.mark.slow
def test_no_limit_to_the_heat_on_the_object_tells_guilty_networks_from_innocent_ones(suspects, drawings):
    heat = {letter: on_object(each, drawings[1]) for letter, each in suspects.items()}
    by_secret = {each.secret: heat[letter] for letter, each in suspects.items()}
    innocent = [heat[letter] for letter, each in suspects.items() if each.secret is None]
    assert by_secret["paint"] > min(innocent)
    assert by_secret["mark"] < min(innocent)
    assert max(by_secret["blur"], by_secret["glass"]) < max(innocent)


@pytest.mark.slow
def test_dealing_its_secret_anew_convicts_each_guilty_network_and_no_innocent_one(suspects, drawings):
    labels = drawings[1].labels
    for each in suspects.values():
        made = share_of(each.network, each.test.images, labels)
        fall = {thing: made - share_of(each.network, each.test.anew(thing).images, labels) for thing in THINGS}
        if each.secret:
            assert max(fall, key=fall.get) == each.secret
            assert fall[each.secret] > 0.12
        else:
            assert max(fall.values()) < 0.1


# ---- on CIFAR-10, where it is not ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def faithful(real_cifar10):
    """``{map: (minus deletion, insertion, ROAD)}`` of 32 test pictures, each the higher, the better."""
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

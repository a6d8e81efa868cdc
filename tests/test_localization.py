"""What explain.localization promises: right values on maps whose answer is known, and baselines that know nothing."""

import numpy as np
import pytest
import torch

from s12lib.data.shapes import draw_shapes
from s12lib.explain.intervals import confidence_interval
from s12lib.explain.localization import energy_in_mask, pointing_game
from s12lib.explain.maps import gaussian_maps, random_maps

MEASURES = [pointing_game, energy_in_mask]


def square(rows, columns):
    """One 32×32 mask, true on these rows and columns."""
    mask = np.zeros((1, 32, 32), bool)
    mask[0, rows, columns] = True
    return mask


def test_a_map_on_the_object_scores_one_and_a_map_beside_it_zero():
    _, _, masks = draw_shapes(20, 0, "test")
    for measure in MEASURES:
        assert torch.equal(measure(masks.astype(np.float32), masks), torch.ones(20))
        assert torch.equal(measure((~masks).astype(np.float32), masks), torch.zeros(20))


def test_energy_is_the_share_of_the_sum():
    maps = np.zeros((2, 32, 32), np.float32)
    maps[:, 4, 4], maps[:, 20, 20] = 3, 1
    assert energy_in_mask(maps, np.concatenate([square(4, 4), square(20, 20)])).tolist() == [0.75, 0.25]


def test_energy_does_not_depend_on_the_maps_scale():
    masks = square(slice(3, 12), slice(6, 20))
    maps = random_maps(1)
    torch.testing.assert_close(energy_in_mask(maps, masks), energy_in_mask(maps * 1e-4, masks))


def test_rows_and_columns_are_not_swapped():
    maps = np.zeros((1, 32, 32), np.float32)
    maps[0, 5, 25] = 1
    for measure in MEASURES:
        assert measure(maps, square(5, 25)).item() == 1
        assert measure(maps, square(25, 5)).item() == 0


def test_pixels_that_share_the_maximum_share_the_hit():
    maps = torch.zeros(1, 32, 32)
    maps[0, 10, [3, 4, 5, 6]] = torch.tensor([1.0, 1.0, 1.0 - 1e-7, 0.9])  # three at the maximum, up to rounding
    assert pointing_game(maps, square(10, 3)).item() == pytest.approx(1 / 3)
    assert pointing_game(maps, square(10, slice(4, 7))).item() == pytest.approx(2 / 3)


def test_a_plateau_of_an_enlarged_map_does_not_favour_the_upper_left():
    cell = torch.zeros(1, 4, 4)
    cell[0, 3, 3] = 1
    upper_left, lower_right = (
        torch.nn.functional.interpolate(maps[None], (32, 32), mode="bilinear")[0] for maps in (cell.flip(1, 2), cell)
    )
    masks = square(slice(28, 32), slice(28, 32))
    hit = pointing_game(lower_right, masks)
    torch.testing.assert_close(hit, pointing_game(upper_left, np.ascontiguousarray(masks[:, ::-1, ::-1])))
    assert hit.item() == 1


def test_a_map_of_zeros_points_nowhere():
    for measure in MEASURES:
        assert measure(torch.zeros(1, 32, 32), square(slice(4, 20), slice(4, 20))).tolist() == [0]


def test_the_random_baseline_scores_by_chance():
    _, _, masks = draw_shapes(1000, 0, "test")
    energy = confidence_interval(energy_in_mask(random_maps(1000), masks), confidence=0.999)
    assert energy.low < masks.mean() < energy.high
    assert pointing_game(random_maps(1000), masks).mean() < 2 * masks.mean()


def test_random_maps_follow_from_their_seed():
    assert torch.equal(random_maps(3, seed=4), random_maps(3, seed=4))
    assert not torch.equal(random_maps(3, seed=4), random_maps(3, seed=5))
    assert not torch.equal(*random_maps(2))
    assert random_maps(2, cells=32).shape == (2, 32, 32)


def test_baselines_are_maps_as_gradcam_gives_them():
    for maps in (random_maps(5), gaussian_maps(5)):
        assert maps.shape == (5, 32, 32)
        assert maps.dtype == torch.float32
        assert maps.min() >= 0
        torch.testing.assert_close(maps.amax(dim=(1, 2)), torch.ones(5))


def test_the_gaussian_is_centred_and_falls_off_as_its_formula_says():
    bell = gaussian_maps(1, sigma=6)[0]
    assert torch.equal(bell, bell.flip(0))
    assert torch.equal(bell, bell.T)
    assert (bell[20, 15] / bell[15, 15]).item() == pytest.approx(np.exp(-(4.5**2 - 0.5**2) / (2 * 36)), rel=1e-5)


def test_the_interval_is_that_of_the_normal_approximation_for_many_values():
    values = np.random.default_rng(0).normal(2, 3, 2000)
    mean, low, high = confidence_interval(values)
    half = 1.96 * values.std() / np.sqrt(2000)
    assert mean == pytest.approx(values.mean())
    assert low == pytest.approx(mean - half, abs=0.15 * half)
    assert high == pytest.approx(mean + half, abs=0.15 * half)
    assert confidence_interval(values, 0.5).high < high


def test_the_interval_holds_the_true_mean_about_as_often_as_it_says():
    draws = np.random.default_rng(1).normal(size=(200, 60))
    intervals = [confidence_interval(values, 0.9, resamples=300, seed=i) for i, values in enumerate(draws)]
    assert 0.83 < np.mean([low < 0 < high for _, low, high in intervals]) < 0.96


def test_the_interval_repeats():
    values = torch.rand(50, generator=torch.Generator().manual_seed(0))
    assert confidence_interval(values) == confidence_interval(values)
    assert confidence_interval(values) != confidence_interval(values, seed=1)


@pytest.mark.parametrize("values", [[], [1.0], [1.0, np.nan], [[1.0, 2.0]], 3.0])
def test_values_without_an_interval_are_refused(values):
    with pytest.raises(ValueError, match="values must be two or more finite numbers"):
        confidence_interval(values)


@pytest.mark.parametrize("confidence", [0, 1, 95, -0.5])
def test_a_confidence_that_is_no_share_is_refused(confidence):
    with pytest.raises(ValueError, match="confidence must lie between 0 and 1"):
        confidence_interval([1.0, 2.0], confidence)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize(
    ("maps", "masks", "error", "message"),
    [
        (np.full((1, 32, 32), np.nan), square(1, 1), ValueError, "maps must be finite and not negative"),
        (np.full((1, 32, 32), -1.0), square(1, 1), ValueError, "maps must be finite and not negative"),
        (np.ones((1, 32, 32), int), square(1, 1), TypeError, "maps must be floating-point"),
        (np.ones((32, 32)), square(1, 1)[0], ValueError, r"maps must have shape \(N, H, W\)"),
        (np.ones((0, 32, 32)), square(1, 1)[:0], ValueError, r"maps must have shape .*\(0, 32, 32\)"),
        (np.ones((1, 32, 32)), square(1, 1).astype(np.uint8), TypeError, "masks must be bool"),
        (np.ones((1, 4, 4)), square(1, 1), ValueError, r"masks must have the maps' shape \(1, 4, 4\)"),
        (np.ones((1, 32, 32)), np.zeros((1, 32, 32), bool), ValueError, "masks must each mark at least one pixel"),
    ],
)
def test_wrong_maps_and_masks_are_named(measure, maps, masks, error, message):
    with pytest.raises(error, match=message):
        measure(maps, masks)

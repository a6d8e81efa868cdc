"""What data.shapes promises: the same images everywhere, honest masks, and a task that a linear model cannot do."""

import hashlib
from functools import cache

import numpy as np
import pytest

from s12lib.data.shapes import BLOBS, PARTS, QUARTERS, SHAPE_CLASSES, SPLITS, STROKES, draw_shapes

# SHA-256 of the images, labels and masks of draw_shapes(260, 7, "test"). A new value means new images for everybody:
# every weight file, result and figure made with the old ones must be made again.
FINGERPRINT = "62e530536651d84c7dba8df47e4b22e516cba96823060f1e0286f626856311a6"


@cache
def sample() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return draw_shapes(3000, 0, "train")


def same(drawn: tuple[np.ndarray, ...], other: tuple[np.ndarray, ...]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(drawn, other, strict=True))


def luma(images: np.ndarray) -> np.ndarray:
    return images @ np.array([0.299, 0.587, 0.114])


def around(masks: np.ndarray, pixels: int) -> np.ndarray:
    """The pixels at most ``pixels`` away from each object, without the object's own."""
    padded = np.pad(masks, ((0, 0), (pixels, pixels), (pixels, pixels)))
    wide = np.lib.stride_tricks.sliding_window_view(padded, (2 * pixels + 1, 2 * pixels + 1), axis=(1, 2))
    return wide.any(axis=(3, 4)) & ~masks


def test_shapes_and_types_are_those_of_the_contract():
    images, labels, masks = draw_shapes(7, 1, "test")
    assert images.shape == (7, 32, 32, 3)
    assert images.dtype == np.uint8
    assert labels.shape == (7,)
    assert labels.dtype == np.uint8
    assert masks.shape == (7, 32, 32)
    assert masks.dtype == np.bool_


def test_ten_different_kinds_all_occur():
    assert len(set(SHAPE_CLASSES)) == 10
    assert sorted(set(sample()[1])) == list(range(10))


def test_a_draw_is_bit_equal_to_the_one_before_it():
    assert same(draw_shapes(40, 5, "validation"), draw_shapes(40, 5, "validation"))


def test_a_draw_is_bit_equal_to_the_one_this_course_was_made_with():
    parts = draw_shapes(260, 7, "test")
    assert hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest() == FINGERPRINT


@pytest.mark.parametrize("count", [1, 20, 249, 250, 251, 1003])
def test_a_longer_draw_begins_with_the_shorter_one(count):
    assert same(draw_shapes(count, 0, "train"), tuple(part[:count] for part in sample()))


def test_splits_and_seeds_share_no_image():
    draws = [draw_shapes(300, 0, split)[0] for split in SPLITS] + [draw_shapes(300, 1, "train")[0]]
    assert len({image.tobytes() for images in draws for image in images}) == 4 * 300


@pytest.mark.parametrize("count", [1, 9, 10, 57, 1003])
def test_labels_are_balanced_within_one_whatever_the_count(count):
    numbers = np.bincount(draw_shapes(count, 2, "test")[1], minlength=10)
    assert numbers.max() - numbers.min() <= 1


def test_labels_are_shuffled():
    tens = sample()[1].reshape(-1, 10)
    assert len(np.unique(tens, axis=0)) > 290
    assert [len(set(column)) for column in tens.T] == [10] * 10


def test_every_object_covers_8_to_17_percent_of_its_image_whatever_its_kind():
    _, labels, masks = sample()
    shares = masks.mean(axis=(1, 2))
    assert shares.min() > 0.08
    assert shares.max() < 0.17
    means = [shares[labels == label].mean() for label in range(10)]
    assert max(means) - min(means) < 0.01


def test_every_object_lies_wholly_inside_and_off_the_corners():
    _, _, masks = sample()
    used = masks.any(axis=0)
    borders = (used[0], used[-1], used[:, 0], used[:, -1])
    corners = (used[:3, :3], used[:3, -3:], used[-3:, :3], used[-3:, -3:])
    assert not any(part.any() for part in borders + corners)


def test_a_guess_at_the_middle_usually_misses_the_object():
    _, _, masks = sample()
    assert masks[:, 15:17, 15:17].any(axis=(1, 2)).mean() < 0.5
    assert masks[:, 15, 15].mean() < 0.33


def test_objects_lie_on_all_sides():
    _, _, masks = sample()
    places = np.argwhere(masks)
    rows = np.bincount(places[:, 0], weights=places[:, 1], minlength=3000) / masks.sum(axis=(1, 2))
    columns = np.bincount(places[:, 0], weights=places[:, 2], minlength=3000) / masks.sum(axis=(1, 2))
    for centres in (rows, columns):
        assert abs(centres.mean() - 15.5) < 0.5
        assert 0.45 < (centres < 15.5).mean() < 0.55


def test_the_masked_pixels_stand_out_from_those_around_them():
    images, _, masks = sample()
    near, brightness = around(masks, 2), luma(images)
    on = (brightness * masks).sum(axis=(1, 2)) / masks.sum(axis=(1, 2))
    off = (brightness * near).sum(axis=(1, 2)) / near.sum(axis=(1, 2))
    assert abs(on - off).min() > 25
    assert 0.45 < (on > off).mean() < 0.55, "objects are as often brighter as darker than what is behind them"


def test_colour_tells_nothing_about_the_kind():
    images, labels, masks = sample()
    colours = (images * masks[..., None]).sum(axis=(1, 2)) / masks.sum(axis=(1, 2))[:, None]
    means = np.stack([colours[labels == label].mean(axis=0) for label in range(10)])
    assert np.ptp(means, axis=0).max() < 25, "of 255, with 300 objects a kind"


def test_backgrounds_are_cluttered():
    images, _, masks = sample()
    spread = [images[i][~masks[i]].std(axis=0).mean() for i in range(500)]
    assert np.median(spread) > 15, "of 255 in each of red, green and blue, where the sensor noise alone would give 9"


def test_a_linear_model_stays_under_60_percent():
    images, labels, _ = sample()
    unseen, answers, _ = draw_shapes(1000, 0, "test")
    pixels, unseen_pixels = ((part.reshape(len(part), -1) / 255).astype(np.float32) for part in (images, unseen))
    mean = pixels.mean(axis=0)
    pixels, unseen_pixels = pixels - mean, unseen_pixels - mean
    for penalty in (30, 1000):  # ridge regression on one-hot labels
        gram = pixels.T @ pixels + penalty * np.eye(3072, dtype=np.float32)
        weights = np.linalg.solve(gram, pixels.T @ (np.eye(10, dtype=np.float32)[labels] - 0.1))
        assert ((unseen_pixels @ weights).argmax(axis=1) == answers).mean() < 0.6


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((0, 0, "train"), "count"),
        ((-3, 0, "train"), "count"),
        ((2.5, 0, "train"), "count"),
        ((True, 0, "train"), "count"),
        ((None, 0, "train"), "count"),
        ((1, -1, "train"), "seed"),
        ((1, "a", "train"), "seed"),
        ((1, 0, "val"), "split"),
        ((1, 0, None), "split"),
    ],
)
def test_a_wrong_argument_is_named_in_one_sentence(arguments, named):
    with pytest.raises(ValueError, match=rf"^{named} must be [^\n]*\.$"):
        draw_shapes(*arguments)


def test_numpy_integers_are_accepted():
    assert same(draw_shapes(np.int64(5), np.uint32(0), "train"), tuple(part[:5] for part in sample()))


# ---- parts left out --------------------------------------------------------------------------------------------------


@cache
def changed_without(part: str) -> np.ndarray:
    """Where 40 images change when a part is left out; labels and masks must not."""
    (images, *rest), (bare, *other) = draw_shapes(40, 0, "test"), draw_shapes(40, 0, "test", without=part)
    assert same(tuple(rest), tuple(other))
    return (images != bare).any(axis=3)


def test_every_part_can_be_left_out():
    assert set(PARTS) == {"object", *QUARTERS, *BLOBS, *STROKES}
    for part in PARTS:
        assert changed_without(part).any(axis=(1, 2)).mean() > 0.9, part


def test_without_the_object_no_pixel_changes_but_its_own():
    masks = draw_shapes(40, 0, "test")[2]
    assert (changed_without("object") & masks).sum() > 0.98 * masks.sum()
    assert not (changed_without("object") & ~masks & ~around(masks, 1)).any()


def test_the_quarters_are_the_object_each_pixel_once():
    quarters = np.stack([changed_without(quarter) for quarter in QUARTERS])
    assert (quarters.sum(axis=0) == changed_without("object")).all()
    upper, left = quarters[:2].any(axis=0), quarters[::2].any(axis=0)
    rows, columns = np.mgrid[:32, :32]
    for k, whole in enumerate(changed_without("object")):
        assert rows[upper[k]].max() < rows[whole & ~upper[k]].min()
        assert columns[left[k]].max() < columns[whole & ~left[k]].min()


def test_a_stroke_left_out_is_thin_and_not_painted_over_the_object():
    masks = draw_shapes(40, 0, "test")[2]
    for stroke in STROKES:
        assert changed_without(stroke).mean() < 0.05
        assert not (changed_without(stroke) & masks & ~around(~masks, 1)).any()


def test_unknown_part_is_refused():
    with pytest.raises(ValueError, match=r"without must be one of object, upper left, .*, not 'beak'"):
        draw_shapes(1, 0, "test", without="beak")

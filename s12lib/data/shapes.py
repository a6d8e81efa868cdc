"""Ten kinds of drawn objects on cluttered 32×32 images, each with the mask of its object: data without a download.

Made for this course, and not CIFAR-10: an accuracy measured here says nothing about an accuracy measured there.
Every image follows from ``(seed, split, index)`` alone. The bits come from NumPy's ``SeedSequence`` and the raw
stream of ``PCG64``, which NumPy keeps as they are, and the drawing uses only ``+ - * /``, comparisons and square roots,
which IEEE 754 rounds alike on every machine: no sine, no logarithm, no floating-point sum over an axis.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

SIZE = 32  # pixels along a side
SPLITS = ("train", "validation", "test")
QUARTERS = ("upper left", "upper right", "lower left", "lower right")  # of the object
BLOBS = tuple(f"blob {k}" for k in range(1, 5))
STROKES = tuple(f"stroke {k}" for k in range(1, 6))
PARTS = ("object", *QUARTERS, *BLOBS, *STROKES)  # what ``draw_shapes`` can leave out

_SAMPLES = 4  # a pixel is averaged over 4 × 4 points, which smooths the object's edge
_CHUNK = 250  # images drawn at a time, each chunk from its own random stream; a multiple of the ten kinds
_AREA = (0.09, 0.15)  # the object's share of the image, the same for every kind, so that it tells nothing
_MARGIN = 1  # pixels, at least, between the object and the image's border
_TURN = 0.35  # tangent of half the largest rotation: 39 degrees
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # brightness of red, green and blue (ITU-R BT.601)
_FIFTHS = ((0.0, 1.0), (0.951057, 0.309017), (0.587785, -0.809017), (-0.587785, -0.809017), (-0.951057, 0.309017))


# --- The ten kinds: is the point (x, y) on the object? y points up, and the unit circle holds the whole object. ---


def _circle(x: Floats, y: Floats) -> Bools:
    return x * x + y * y < 1


def _square(x: Floats, y: Floats) -> Bools:
    return np.maximum(abs(x), abs(y)) < 0.7071


def _triangle(x: Floats, y: Floats) -> Bools:
    return (y > -0.5) & (1.7321 * abs(x) + y < 1)


def _star(x: Floats, y: Floats) -> Bools:
    """A plump pentagram: the points on the inner side of at least four of five lines around the middle."""
    sides = [(-nx * x - ny * y < 0.37).astype(np.uint8) for nx, ny in _FIFTHS]
    return (sides[0] + sides[1] + sides[2] + sides[3] + sides[4] >= 4) & (x * x + y * y < 1)


def _cross(x: Floats, y: Floats) -> Bools:
    return (np.minimum(abs(x), abs(y)) < 0.3) & (np.maximum(abs(x), abs(y)) < 0.95)


def _ring(x: Floats, y: Floats) -> Bools:
    squared = x * x + y * y
    return (squared < 1) & (squared > 0.2)


def _heart(x: Floats, y: Floats) -> Bools:
    x, y = 1.35 * x, 1.35 * y + 0.1
    bulge = x * x + y * y - 1
    return bulge * bulge * bulge < x * x * y * y * y


def _crescent(x: Floats, y: Floats) -> Bools:
    shifted = x - 0.65
    return (x * x + y * y < 1) & (shifted * shifted + y * y > 0.64)


def _arrow(x: Floats, y: Floats) -> Bools:
    shaft = (abs(y) < 0.32) & (abs(x + 0.4) < 0.5)
    head = (x > 0) & (x + 1.2 * abs(y) < 1)
    return shaft | head


def _hourglass(x: Floats, y: Floats) -> Bools:
    return (abs(y) < 0.74) & (abs(x) < np.maximum(0.15, 0.9 * abs(y)))


_DRAWN = (_circle, _square, _triangle, _star, _cross, _ring, _heart, _crescent, _arrow, _hourglass)
_KINDS: dict[str, Callable[[Floats, Floats], Bools]] = {inside.__name__[1:]: inside for inside in _DRAWN}
SHAPE_CLASSES = tuple(_KINDS)


@cache
def _unit_areas() -> Floats:
    """The area of each kind in units of its circle's radius squared, ``(10,)``: counted on a fine grid."""
    axis = (np.arange(400, dtype=np.float32) + np.float32(0.5)) / np.float32(200) - np.float32(1)
    counts = [np.count_nonzero(inside(axis[None, :], axis[:, None])) for inside in _KINDS.values()]
    return (np.array(counts) / 200**2).astype(np.float32)


# --- Drawing. Below, n is a chunk's number of images, and colours are red, green, blue in [0, 1]. ---


def _uniform(bits: np.random.PCG64, low: float, high: float, *shape: int) -> Floats:
    """Random numbers in [low, high) straight from the generator's bits, ``shape`` float32."""
    raw = bits.random_raw(int(np.prod(shape))).reshape(shape)
    return (low + (high - low) * ((raw >> np.uint64(11)) * 2.0**-53)).astype(np.float32)


def _colours(bits: np.random.PCG64, luma: Floats, vividness: float) -> Floats:
    """A random colour of each given brightness: ``(n,) → (n, 3)``. Its tint is scaled to stay within [0, 1]."""
    tint = _uniform(bits, -1, 1, len(luma), 3)
    tint = tint - (tint[:, 0] * _LUMA[0] + tint[:, 1] * _LUMA[1] + tint[:, 2] * _LUMA[2])[:, None]
    room = vividness * np.minimum(luma, 1 - luma) / (abs(tint).max(axis=1) + np.float32(1e-6))
    return luma[:, None] + room[:, None] * tint


def _blend(images: Floats, alpha: Floats, colours: Floats) -> Floats:
    """Paint one colour an image over it, as thickly as ``alpha (n, 32, 32)`` in [0, 1] says."""
    return images + alpha[..., None] * (colours[:, None, None, :] - images)


def _background(bits: np.random.PCG64, luma: Floats, without: str | None) -> Floats:
    """A gradient, soft blobs and thin strokes, ``(n, 32, 32, 3)``, none much brighter or darker than ``luma (n,)``.

    The blob or stroke called ``without`` is not painted; its random numbers are drawn, so that the others stay.
    """
    n = len(luma)
    y, x = np.arange(SIZE, dtype=np.float32)[:, None] + 0.5, np.arange(SIZE, dtype=np.float32)[None, :] + 0.5

    def numbers(low: float, high: float) -> Floats:
        return _uniform(bits, low, high, n, 1, 1)

    def near(spread: float) -> Floats:
        return np.clip(luma + _uniform(bits, -spread, spread, n), 0.03, 0.97)

    images = np.broadcast_to(_colours(bits, luma, 0.6)[:, None, None, :], (n, SIZE, SIZE, 3))
    slope = 0.5 + numbers(-0.5, 0.5) * (x / 16 - 1) + numbers(-0.5, 0.5) * (y / 16 - 1)
    images = _blend(images, np.clip(slope, 0, 1), _colours(bits, near(0.12), 0.8))
    for blob in BLOBS:  # without an edge
        dx, dy, radius = x - numbers(0, SIZE), y - numbers(0, SIZE), numbers(3, 7)
        closeness = 1 / (1 + (dx * dx + dy * dy) / (radius * radius))
        images = _blend(images, closeness * closeness * (blob != without), _colours(bits, near(0.15), 0.9))
    for stroke in STROKES:  # about a pixel wide: the distance to a segment from (ax, ay), (ux, uy) long
        ax, ay, ux, uy = numbers(0, SIZE), numbers(0, SIZE), numbers(-14, 14), numbers(-14, 14)
        along = np.clip(((x - ax) * ux + (y - ay) * uy) / (ux * ux + uy * uy + 1), 0, 1)
        dx, dy = x - ax - along * ux, y - ay - along * uy
        thickness = np.clip(numbers(0.8, 1.5) - np.sqrt(dx * dx + dy * dy), 0, 1)
        images = _blend(images, thickness * (stroke != without), _colours(bits, near(0.2), 0.9))
    return images


def _objects(bits: np.random.PCG64, labels: NDArray[np.uint8]) -> Floats:
    """How much of each pixel the object covers, ``(n, 32, 32)`` in [0, 1], the object still in the middle."""
    n = len(labels)
    radius = np.sqrt(_uniform(bits, *_AREA, n) * SIZE**2 / _unit_areas()[labels])
    turn = _uniform(bits, -_TURN, _TURN, n)
    cos, sin = (1 - turn * turn) / (1 + turn * turn), 2 * turn / (1 + turn * turn)
    mirror = np.where(_uniform(bits, -1, 1, n) < 0, np.float32(-1), np.float32(1))
    centre = SIZE / 2 + _uniform(bits, -0.5, 0.5, n, 2)

    covered = np.empty((n, SIZE, SIZE), dtype=np.float32)
    grid = (np.arange(SIZE * _SAMPLES, dtype=np.float32) + 0.5) / _SAMPLES
    for label, inside in enumerate(_KINDS.values()):
        (chosen,) = np.nonzero(labels == label)
        x = ((grid - centre[chosen, :1]) / radius[chosen, None])[:, None, :]
        y = ((centre[chosen, 1:] - grid) / radius[chosen, None])[:, :, None]
        c, s = cos[chosen, None, None], sin[chosen, None, None]
        hits = inside(mirror[chosen, None, None] * (c * x + s * y), c * y - s * x)
        points = hits.reshape(-1, SIZE, _SAMPLES, SIZE, _SAMPLES)
        covered[chosen] = points.sum(axis=(2, 4), dtype=np.int32) / np.float32(_SAMPLES**2)
    return covered


def _move(bits: np.random.PCG64, covered: Floats) -> Floats:
    """Move each object by whole pixels from the middle outwards, the margin kept: ``(n, 32, 32)`` to the same."""
    n = len(covered)
    way = _uniform(bits, -1, 1, n, 2)
    length = np.sqrt(way[:, 0] * way[:, 0] + way[:, 1] * way[:, 1] + np.float32(1e-6))
    # On a ring: neither in the middle, nor in the image's corners.
    towards = np.clip(way * (_uniform(bits, 0.95, 1.1, n) / length)[:, None], -1, 1)
    source = []
    for axis in (1, 2):
        used = np.asarray(covered.any(axis=3 - axis))  # the rows, then the columns, that the object touches
        least, most = _MARGIN - used.argmax(axis=1), used[:, ::-1].argmax(axis=1) - _MARGIN
        shift = np.floor((least + most) / 2 + towards[:, axis - 1] * (most - least) / 2 + 0.5).astype(np.int64)
        source.append((np.arange(SIZE) - shift[:, None]) % SIZE)
    return covered[np.arange(n)[:, None, None], source[0][:, :, None], source[1][:, None, :]]


def _kept(covered: Floats, without: str | None) -> Bools:
    """Where the object is painted: everywhere but in the quarter called ``without``, about its box's middle."""
    if without is None or without not in QUARTERS:
        return np.full_like(covered, without != "object", dtype=bool)
    sides = []
    for axis, first in ((1, "upper" in without), (2, "left" in without)):
        used = np.asarray(covered.any(axis=3 - axis))
        middle = (used.argmax(axis=1) + SIZE - used[:, ::-1].argmax(axis=1)) / 2
        sides.append((np.arange(SIZE) < middle[:, None]) == first)
    return ~(sides[0][:, :, None] & sides[1][:, None, :])


def _draw_chunk(
    seed: int, split: str, chunk: int, without: str | None
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], Bools]:
    """One chunk of ``_CHUNK`` images, labels and masks, from a random stream of its own."""
    bits = np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(SPLITS.index(split), chunk)))
    order = bits.random_raw(_CHUNK).reshape(-1, len(_KINDS))
    labels = order.argsort(axis=1).astype(np.uint8).ravel()  # every ten images hold each kind once
    darker, contrast = _uniform(bits, 0.08, 0.5, _CHUNK), _uniform(bits, 0.22, 0.42, _CHUNK)
    lit = _uniform(bits, -1, 1, _CHUNK) < 0  # is the object the brighter of the two?
    images = _background(bits, np.where(lit, darker, darker + contrast), without)
    covered = _move(bits, _objects(bits, labels))
    shown = covered * _kept(covered, without)
    images = _blend(images, shown, _colours(bits, np.where(lit, darker + contrast, darker), 1.0))
    raw = bits.random_raw(images.size // 2).astype("<u8").view(np.uint8).reshape(*images.shape, 4)
    noise = raw[..., 0].astype(np.float32) + raw[..., 1] + raw[..., 2] + raw[..., 3] - 510
    pixels = np.clip(255 * images + 0.06 * noise, 0, 255)  # four bytes add up to a bell shape, here with sd 9
    return (pixels + np.float32(0.5)).astype(np.uint8), labels, covered >= 0.5


def draw_shapes(
    count: int, seed: int, split: str, without: str | None = None
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], Bools]:
    """Draw the first ``count`` images of a split: bit-equal on every run, and a longer draw begins with a shorter.

    Returns ``images (count, 32, 32, 3) uint8 RGB``, ``labels (count,) uint8`` (places in ``SHAPE_CLASSES``, shuffled,
    balanced within one) and ``masks (count, 32, 32) bool``, True where the object covers at least half of the pixel.
    The object lies off the centre, wholly inside, and takes 8% to 17% of the image whatever its kind.
    ``without`` names one of ``PARTS`` that is not painted; all else stays, and what lies behind it is seen.
    Raises ``ValueError`` for a count below one, a negative seed, a split not in ``SPLITS``, or an unknown part.
    """
    for name, value, least in (("count", count, 1), ("seed", seed, 0)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
            raise ValueError(f"{name} must be an int of at least {least}, not {value!r}.")
    if split not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(SPLITS)}, not {split!r}.")
    if without is not None and without not in PARTS:
        raise ValueError(f"without must be one of {', '.join(PARTS)}, not {without!r}.")
    chunks = [_draw_chunk(int(seed), split, chunk, without) for chunk in range(-(-int(count) // _CHUNK))]
    images, labels, masks = (np.concatenate(parts)[:count] for parts in zip(*chunks, strict=True))
    return images, labels, masks

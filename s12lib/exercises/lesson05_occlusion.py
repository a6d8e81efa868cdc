"""An exercise of lesson 05: a heatmap without a gradient, by covering each place in turn."""

from collections.abc import Callable
from typing import Any

import torch

from s12lib.exercises.expect import Mistake, call, close, recognise, tensor
from s12lib.exercises.judging import Exercise

Score = Callable[[torch.Tensor], torch.Tensor]


def occlusion_map(score: Score, image: torch.Tensor, size: int, stride: int) -> torch.Tensor:
    """By how much the score falls with a square of zeros at each position: → ``(rows, columns)``, below 0 if it rises.

    ``image (3, H, W)`` normalised; ``score``: ``(n, 3, H, W)`` → ``(n,)``. The square's upper left corner goes through
    0, stride, 2 · stride … as long as the square lies within the image. Source: Zeiler and Fergus, 2013.
    """
    _, height, width = image.shape
    rows, columns = range(0, height - size + 1, stride), range(0, width - size + 1, stride)
    covered = []
    for top in rows:
        for left in columns:
            copy = image.clone()
            copy[:, top : top + size, left : left + size] = 0
            covered.append(copy)
    drops = score(image[None]) - score(torch.stack(covered))
    return drops.reshape(len(rows), len(columns))


def _scoring(weights: torch.Tensor) -> Score:
    """A score that is no sum over pixels, and knows each pixel's place and channel."""

    def score(images: torch.Tensor) -> torch.Tensor:
        if not isinstance(images, torch.Tensor) or images.ndim != 4 or images.shape[1:] != weights.shape:
            shape = tuple(images.shape) if isinstance(images, torch.Tensor) else type(images).__name__
            raise Mistake(
                f"score takes a batch, (n, {', '.join(map(str, weights.shape))}) here, but you give it {shape}.",
                "image[None] is a batch of one image; torch.stack makes one of a list.",
            )
        sums = (images * weights).sum((1, 2, 3))
        return sums + 0.3 * (images[:, 0] * images[:, 1] * weights[2]).sum((1, 2)) + 0.05 * sums**2 + 1.5

    return score


def _drops(score: Score, image: torch.Tensor, size: int, stride: int, cover: Callable[..., torch.Tensor]) -> Any:
    """The drops with another way to cover: ``cover(image, top, left, size)``."""
    _, height, width = image.shape
    rows, columns = range(0, height - size + 1, stride), range(0, width - size + 1, stride)
    batch = torch.stack([cover(image, top, left, size) for top in rows for left in columns])
    return (score(image[None]) - score(batch)).reshape(len(rows), len(columns))


def _filled(value: Any = 0.0, channels: slice = slice(None)) -> Callable[..., torch.Tensor]:
    def cover(image: torch.Tensor, top: int, left: int, size: int) -> torch.Tensor:
        copy = image.clone()
        copy[channels, top : top + size, left : left + size] = value(image) if callable(value) else value
        return copy

    return cover


def _kept_only(image: torch.Tensor, top: int, left: int, size: int) -> torch.Tensor:
    copy = torch.zeros_like(image)
    copy[:, top : top + size, left : left + size] = image[:, top : top + size, left : left + size]
    return copy


def _piled_up(score: Score, image: torch.Tensor, size: int, stride: int) -> torch.Tensor:
    _, height, width = image.shape
    rows, columns = range(0, height - size + 1, stride), range(0, width - size + 1, stride)
    copy, covered = image.clone(), []
    for top in rows:
        for left in columns:
            copy[:, top : top + size, left : left + size] = 0
            covered.append(copy.clone())
    return (score(image[None]) - score(torch.stack(covered))).reshape(len(rows), len(columns))


def _wrong(score: Score, image: torch.Tensor, size: int, stride: int) -> dict[str, torch.Tensor]:
    """What well-known mistakes make of the map, by the hint for each."""
    right = occlusion_map(score, image, size, stride)
    before = score(image[None])
    rows, columns = right.shape
    wrong = {
        "The sign is wrong: where the score falls, your map is below 0.": -right,
        "Yours is the score with the square, not by how much it falls.": before - right,
        "Your squares pile up: each position needs a fresh copy of the image.": _piled_up(score, image, size, stride),
        "All your copies are one image, covered wherever a square has been.": (
            _piled_up(score, image, size, stride)[-1, -1].expand(rows, columns)
        ),
        "You cover all but the square. The square is what is to go.": _drops(score, image, size, stride, _kept_only),
        "You cover one channel of three. The square is 0 in all of them.": (
            _drops(score, image, size, stride, _filled(0, slice(0, 1)))
        ),
        "You fill the square with 1. In a normalised image 0 is the mean colour.": (
            _drops(score, image, size, stride, _filled(1.0))
        ),
        "You fill the square with the image's own mean. In a normalised image 0 is the mean colour of all images.": (
            _drops(score, image, size, stride, _filled(lambda x: x.mean((1, 2), keepdim=True)))
        ),
        "You cut off what is below 0. There the score rises, which is worth knowing.": right.relu(),
        "You take the absolute value: whether the score falls or rises is lost.": right.abs(),
        "You divide by the map's maximum, which nobody asked for.": right / right.max(),
        "You divide by the score before; the drop itself is asked for.": right / before,
        "Rows and columns have changed places: the first axis goes down.": right.T.reshape(rows, columns),
    }
    if rows == columns:
        wrong["Rows and columns have changed places: the first axis goes down. "] = right.T
    return wrong


def _judge(answer: Any) -> None:
    generator, cases, wrong = torch.Generator().manual_seed(15), [], False
    for height, width, size, stride in (
        (8, 8, 2, 2), (8, 8, 4, 2), (7, 7, 3, 2), (9, 6, 3, 3), (6, 9, 2, 3), (5, 8, 2, 1), (6, 6, 6, 4), (8, 9, 1, 5),
        (13, 12, 2, 1),
    ):  # fmt: skip
        image, weights = torch.randn((2, 3, height, width), generator=generator)
        score = _scoring(weights)
        right = occlusion_map(score, image, size, stride)
        lent = image.clone()
        result = call(answer, score, lent, size, stride)
        _look_at_shape(result, right, (height, width, size, stride))
        cases.append((tensor(result, tuple(right.shape), "the map"), _wrong(score, image, size, stride)))
        wrong = wrong or not close(cases[-1][0], right, 2e-4)
    if wrong:
        recognise(cases, "score(image[None]) - score(the image with the square), position by position")
        raise Mistake(
            "The map is not right.",
            "Its element [i, j] belongs to the square from row i · stride and column j · stride on.",
        )


def _look_at_shape(result: Any, right: torch.Tensor, case: tuple[int, int, int, int]) -> None:
    height, width, size, stride = case
    if not isinstance(result, torch.Tensor) or result.shape == right.shape:
        return
    said = (
        f"An image of {height} × {width}, a square of {size} and a stride of {stride}: {tuple(right.shape)} positions"
    )
    slips = {
        (-(-height // stride), -(-width // stride)): "Your squares reach beyond the image.",
        (right.numel(),): "Yours is one row of numbers: reshape it to rows and columns.",
        (len(range(0, height - size, stride)), len(range(0, width - size, stride))): "You leave out the last position.",
        (len(range(0, height - size + 1, size)), len(range(0, width - size + 1, size))): (
            "Your square goes on by its own size. It should go on by the stride."
        ),
    }
    raise Mistake(
        f"{slips.get(tuple(result.shape), 'Your map has another shape.')} {said}, and yours has {tuple(result.shape)}.",
        "range(0, height - size + 1, stride) for the rows, and the same with the width for the columns",
    )


EXERCISES = [
    Exercise("occlusion_map", occlusion_map, _judge, "No gradient, no layer: only the question what if."),
]

"""The exercises of lesson 06: heat on the object, the pointing game without its bug, a paired interval, deletion."""

from typing import Any

import torch
from torch.nn import functional as F

from s12lib.exercises.expect import Mistake, call, close, number, pair, recognise, tensor
from s12lib.exercises.judging import Exercise

SHAPES = ((3, 6, 9), (4, 8, 5), (1, 7, 4))  # images, rows, columns: never as many rows as columns


def energy_on_object(maps: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """The share of each map that lies on its object: ``(N, H, W)`` ≥ 0 and ``(N, H, W)`` bool → ``(N,)`` in [0, 1].

    A map of zeros has 0. Source: Wang et al., "Score-CAM", 2020.
    """
    inside = (maps * masks).sum(dim=(1, 2))
    total = maps.sum(dim=(1, 2))
    return inside / total.where(total > 0, 1)


def _drawn(shape: tuple[int, ...], generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Maps without two alike values, some faint and some strong, and masks; neither knows of the other."""
    maps = torch.randperm(shape[0] * shape[1] * shape[2], generator=generator).reshape(shape).float() + 1
    strength = 10.0 ** (torch.arange(len(maps)) % 5 - 4)
    masks = torch.rand(shape, generator=generator) < 0.4
    masks[:, 0, 0] = True
    return maps * strength[:, None, None], masks


def _judge_energy(answer: Any) -> None:
    generator = torch.Generator().manual_seed(16)
    cases, wanted = [], []
    for shape in SHAPES:
        maps, masks = _drawn(shape, generator)
        result = tensor(call(answer, maps, masks), shape[:1], "the shares")
        cases.append((result, _wrong_energy(maps, masks)))
        wanted.append(energy_on_object(maps, masks))
    if not all(close(result, right) for (result, _), right in zip(cases, wanted, strict=True)):
        recognise(cases, "(maps * masks).sum(dim=(1, 2)) is the heat on each object.")
        raise Mistake("The shares are not right.", "For each map: its sum on the object, divided by its whole sum.")
    for shape in SHAPES:
        maps, masks = _drawn(shape, generator)
        empty, full = torch.zeros_like(masks), torch.ones_like(masks)
        some_zero, some_empty = maps.clone(), masks.clone()
        some_zero[0], some_empty[-1] = 0, False
        for each, on, hint, more in (
            (some_zero, masks, *NO_HEAT),
            (torch.zeros_like(maps), masks, *NO_HEAT),
            (maps, some_empty, *NO_OBJECT),
            (maps, empty, *NO_OBJECT),
            (maps, full, "Where the object covers the whole image, all of the heat lies on it: 1.", "inside / total"),
            (
                1e4 * maps,
                masks,
                "A strong map has a share like any other, and in yours it has another.",
                "inside / total",
            ),
            (
                1e-4 * maps,
                masks,
                "A faint map has a share like any other, and in yours it has another.",
                "inside / total",
            ),
        ):
            result = tensor(call(answer, each, on), shape[:1], "the shares")
            if not close(result, energy_on_object(each, on)):
                raise Mistake(hint, more)


NO_HEAT = (
    "A map of zeros has nothing on the object: its share is 0.",
    "0 divided by 0 is nan. total.where(total > 0, 1) puts a 1 where the total is 0.",
)
NO_OBJECT = (
    "A mask without a single pixel holds no heat: its share is 0.",
    "A mean over no pixels is nan. A sum over them is 0.",
)


def _wrong_energy(maps: torch.Tensor, masks: torch.Tensor) -> dict[str, torch.Tensor]:
    """What well-known mistakes make of the shares, by the hint for each."""
    inside, total, area = (maps * masks).sum((1, 2)), maps.sum((1, 2)), masks.sum((1, 2))
    places = masks[0].numel()
    hints = {
        "That is what lies beside the object.": 1 - inside / total,
        "You add up the heat on the object, and do not divide it by all of the heat.": inside,
        "You divide by the object's area. The share asks how much of the *heat* lies there.": inside / area,
        "You divide by the number of pixels, not by the heat.": inside / places,
        "That is the object's share of the image; the heat is not in it.": area / places,
        "Your total is that of all maps together; each map has a total of its own.": inside / total.sum(),
        "You compare mean with mean: that has lost how large the object is.": (inside / area) / (total / places),
    }
    return {hint: value.expand(len(maps)) for hint, value in hints.items()}


def hits(maps: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """Does each map's first maximum lie on its object? ``(N, H, W)`` ≥ 0 and ``(N, H, W)`` bool → ``(N,)`` bool.

    A map of zeros points nowhere. Source: the pointing game of Zhang et al., 2016.
    """
    places = maps.flatten(1).argmax(dim=1)
    rows, columns = places // maps.shape[2], places % maps.shape[2]
    return masks[torch.arange(len(maps)), rows, columns] & (maps.amax(dim=(1, 2)) > 0)


def _judge_hits(answer: Any) -> None:
    generator = torch.Generator().manual_seed(17)
    squares = ((12, 8, 8), (40, 6, 6), (60, 10, 10))  # they come first: the swap raises an error on the others
    for shapes in (squares, (*SHAPES, (60, 9, 11), (60, 9, 11))):
        cases, wanted = [], []
        for shape in shapes:
            maps, masks = _drawn(shape, generator)
            maps = maps / maps.amax((1, 2), keepdim=True) / 2
            result = tensor(call(answer, maps, masks), shape[:1], "the hits")
            cases.append((result, _wrong_hits(maps, masks)))
            wanted.append(hits(maps, masks))
        if not all(close(result, right) for (result, _), right in zip(cases, wanted, strict=True)):
            recognise(cases, "A mask has its rows first: masks[n, row, column].")
            raise Mistake(
                "Not every hit is right.", "Row and column of each map's own maximum, then masks[n, row, column]."
            )
    if result.dtype != torch.bool:
        raise Mistake(f"The hits should be true or false, but their type is {result.dtype}.", "masks is of type bool.")
    tied, on = torch.rand((2, 6, 9), generator=generator), torch.zeros(2, 6, 9, dtype=torch.bool)
    tied[:, 1, 7] = tied[:, 4, 2] = 1  # row by row the one at the right comes first, column by column the other
    on[0, 1, 7] = on[1, 4, 2] = True
    if not close(tensor(call(answer, tied, on), (2,), "the hits"), hits(tied, on)):
        raise Mistake(
            "Where pixels share the maximum, only the first of them counts, row by row.",
            "maps.flatten(1).argmax(dim=1) counts row by row, and takes the first.",
        )
    some_zero = maps.clone()
    some_zero[::2] = 0
    everywhere = torch.ones_like(masks)
    for each, on, hint in (
        (some_zero, masks, "A map of zeros points nowhere, also where the object lies at the top left."),
        (torch.zeros_like(maps), everywhere, "A map of zeros points nowhere, also where the object is everywhere."),
        (1e-5 * maps, masks, "A faint map points somewhere, too: any maximum above 0 counts."),
        (torch.full_like(maps, 0.3), masks, "A map whose values are all alike and above 0 points to its first pixel."),
        (maps[:, :1, :1], masks[:, :1, :1], "A map of a single pixel points to it."),
    ):
        result = tensor(call(answer, each, on), (len(each),), "the hits")
        if not close(result, hits(each, on)):
            raise Mistake(hint, "Its maximum is argmax's place, the first one; what counts is whether it is above 0.")


def _wrong_hits(maps: torch.Tensor, masks: torch.Tensor) -> dict[str, torch.Tensor]:
    """What well-known mistakes make of the hits, by the hint for each."""
    index, (_, height, width) = torch.arange(len(maps)), maps.shape
    places, lowest = maps.flatten(1).argmax(1), maps.flatten(1).argmin(1)
    rows, columns, peak = places // width, places % width, maps.amax((1, 2), keepdim=True)
    around = F.max_pool2d(masks[:, None].float(), 3, 1, 1)[:, 0] > 0
    hints = {
        "You look at the least heat, not at the most.": masks[index, lowest // width, lowest % width],
        "That is a hit wherever the map misses.": ~masks[index, rows, columns],
        "You ask whether there is any heat on the object. There nearly always is.": (maps * masks).flatten(1).any(1),
        "You take the first map's maximum for all of them.": masks[index, places[0] // width, places[0] % width],
        "A maximum beside the object counts in yours. It must lie on it.": around[index, rows, columns],
        "You look at the row alone: somewhere in it there is a piece of the object.": masks.any(2)[index, rows],
        "You look at the column alone: somewhere in it there is a piece of the object.": masks.any(1)[index, columns],
        "Other pixels that are nearly as hot count in yours. Only the hottest does.": (
            ((maps >= 0.9 * peak) & masks).flatten(1).any(1)
        ),
        "You ask whether half of the heat lies on the object. The game looks at the hottest pixel alone.": (
            (maps * masks).sum((1, 2)) > 0.5 * maps.sum((1, 2))
        ),
    }
    if height == width:
        hints["Row and column are still swapped: that is the bug."] = masks[index, columns, rows]
    return hints


def compare(a: torch.Tensor, b: torch.Tensor) -> tuple[Any, Any]:
    """Two methods' values on the same images, ``(N,)`` each → the 95% interval of the mean of a − b, (low, high).

    mean ± 1.96 · sd / √N of the differences, image by image: the normal approximation.
    """
    difference = a - b
    half = 1.96 * difference.std() / len(difference) ** 0.5
    return difference.mean() - half, difference.mean() + half


def _judge_compare(answer: Any) -> None:
    generator = torch.Generator().manual_seed(18)
    cases, wanted = [], []
    for count, better in ((400, 0.2), (36, -0.2), (25, 0.0), (9, 1.0), (60, 0.3)):
        common = torch.randn(count, generator=generator)
        a, b = (common + 0.3 * torch.randn(count, generator=generator) + shift for shift in (better, 0.0))
        if count == 60:
            a[::2] = b[::2]  # on half of the images the methods agree
        cases.append((_interval(answer, a, b), _wrong_intervals(a, b)))
        wanted.append([torch.stack(_ends(a - b, (a - b).std(correction=c))) for c in (1, 0)])
    if not any(all(close(given, each[k]) for (given, _), each in zip(cases, wanted, strict=True)) for k in (0, 1)):
        recognise(cases, "Begin with difference = a - b, and never look at a and b again.")
        raise Mistake("The interval is not right.", "mean ± 1.96 · sd / √N, all three of the differences a - b.")
    for apart in (0.0, 0.25):
        if not close(_interval(answer, a + apart, a), torch.tensor([apart, apart])):
            raise Mistake(
                f"Where every image shows a difference of {apart:g}, there is no spread: both ends are {apart:g}.",
                "mean ± 1.96 · sd / √N is right there, too, without an exception.",
            )


def _interval(answer: Any, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    ends = pair(call(answer, a, b), "two numbers", "the lower end, and the upper one", "return low, high")
    return torch.tensor([number(*end) for end in zip(ends, ("the lower end", "the upper end"), strict=True)])


def _ends(difference: torch.Tensor, spread: torch.Tensor, factor: float = 1.96) -> tuple[torch.Tensor, torch.Tensor]:
    half = factor * spread / len(difference) ** 0.5
    return difference.mean() - half, difference.mean() + half


def _wrong_intervals(a: torch.Tensor, b: torch.Tensor) -> dict[str, torch.Tensor]:
    """What well-known mistakes make of the interval, by the hint for each."""
    difference, count = a - b, len(a)
    low, high = _ends(difference, difference.std())
    size = difference.mean().abs()
    hints = {
        "Yours has lost the minus sign: where a is less than b, the mean of a - b is below 0.": (
            size - (high - low) / 2,
            size + (high - low) / 2,
        ),
        "Your lower end stops at 0, but it may well lie below.": (low.clamp(min=0), high),
        "That is the interval of b - a: whoever is better looks worse.": (-high, -low),
        "The upper end comes second.": (high, low),
        "You return the mean and the half width; return the two ends.": (difference.mean(), high - difference.mean()),
        "Your spread is that of a and b apart. Both saw the same images: take the spread of their differences.": (
            _ends(difference, (a.var() + b.var()).sqrt())
        ),
        "Without √N this is where single *images* lie, not the mean.": _ends(difference, difference.std() * count**0.5),
        "You divide by N; the mean's uncertainty shrinks with √N only.": _ends(
            difference, difference.std() / count**0.5
        ),
        "You take the variance; the interval needs its root, the standard deviation.": _ends(
            difference, difference.var()
        ),
        "That is one standard error to each side, about 68%. For 95% it takes 1.96 of them.": (
            _ends(difference, difference.std(), 1)
        ),
        "You take the absolute difference, so that nobody can ever be better.": _ends(
            difference.abs(), difference.abs().std()
        ),
        "That is the interval of a alone. What about b?": _ends(a, a.std()),
    }
    return {hint: torch.stack(ends) for hint, ends in hints.items()}


def remove_hottest(images: torch.Tensor, maps: torch.Tensor, share: float) -> torch.Tensor:
    """Each image with the hottest share of its pixels set to 0, the mean colour: ``(N, C, H, W)`` → the same.

    ``maps (N, H, W)`` rank the pixels, and ``round(share · H · W)`` go. A step of RISE's deletion (Petsiuk, 2018).
    """
    count = round(share * maps.shape[1] * maps.shape[2])
    hottest = maps.flatten(1).topk(count).indices
    kept = torch.ones_like(maps).flatten(1).scatter(1, hottest, 0)
    return images * kept.view_as(maps)[:, None]


def _judge_removal(answer: Any) -> None:
    generator = torch.Generator().manual_seed(19)
    # of 54 pixels 18.9, of 40 pixels 5.2, of 45 pixels 22.5: round up, down, and as Python's round does
    shares = (0.35, 0.75, 0.13, 0.75, 0.0, 1.0, 0.5, 0.4, 0.5)
    shapes = (SHAPES[0], SHAPES[1], *SHAPES[1:], SHAPES[0], SHAPES[1], (5, 9, 7), (2, 17, 19), (2, 9, 5))
    for turn, (shape, share) in enumerate(zip(shapes, shares, strict=True)):
        maps, _ = _drawn(shape, generator)
        if turn == 1:  # many pixels share the heat 0, and some of them have to go
            maps = (maps - maps.mean((1, 2), keepdim=True)).relu()
        if turn == 6:  # a raw map has values below 0
            maps = maps - 2 * maps.mean((1, 2), keepdim=True)
        channels = {5: 1, 6: 4}.get(turn, 3)
        images = torch.randn((shape[0], channels, *shape[1:]), generator=generator)
        result = tensor(call(answer, images, maps, share), tuple(images.shape), "the images")
        mistake = _wrong_with(result, images, maps, share)
        if mistake and share == 0:
            raise Mistake("With a share of 0 no pixel goes.", "[-0:] is everything. Sort descending and take [:count].")
        if mistake and turn == 6 and _wrong_with(result, images, maps.abs(), share) is None:
            raise Mistake("Where values lie below 0, yours takes their absolute values: the coldest go.", "no abs()")
        if mistake:
            diagnose = _diagnose_ties if turn == 1 else _diagnose_removal
            diagnose(result, images, maps, share)
            raise mistake


def _wrong_with(result: torch.Tensor, images: torch.Tensor, maps: torch.Tensor, share: float) -> Mistake | None:
    """What is wrong; of pixels that share their heat, any may go."""
    gone, places = (result == 0).all(1), maps[0].numel()
    count, counts = round(share * places), gone.sum((1, 2))
    if (counts != count).any():
        wrong = counts[counts != count][0].item()
        return Mistake(
            f"Of an image's {places} pixels yours sets {wrong} to 0; it should be {count}.",
            f"round({share:g} * {places}) is {count}, and topk(count) takes as many as that.",
        )
    if not close(result, images.masked_fill(gone[:, None], 0)):
        return Mistake(
            "The right number of pixels is gone, but the others have changed, too.", "Leave them as they are."
        )
    coldest_gone = maps.where(gone, torch.inf).amin((1, 2))
    hottest_kept = maps.where(~gone, -torch.inf).amax((1, 2))
    if (coldest_gone < hottest_kept).any():
        return Mistake("The wrong pixels are gone.", "Of each map by itself, the round(share * H * W) highest go.")
    return None


def _diagnose_ties(result: torch.Tensor, images: torch.Tensor, maps: torch.Tensor, share: float) -> None:
    edge = maps.flatten(1).topk(round(share * maps[0].numel())).values[:, -1, None, None]
    hints = {
        "Many pixels may have the same heat, and your threshold takes all of them: too many.": maps < edge,
        "Many pixels may have the same heat, and your threshold takes none of them: too few.": maps <= edge,
    }
    kept = {hint: images * stays[:, None] for hint, stays in hints.items()}
    recognise([(result, kept)], "maps.flatten(1).topk(count).indices names as many pixels as you say, and no more.")


def _diagnose_removal(result: torch.Tensor, images: torch.Tensor, maps: torch.Tensor, share: float) -> None:
    right = remove_hottest(images, maps, share)
    first_only, together = images.clone(), maps.flatten().topk(round(share * maps.numel())).values.min()
    first_only[:, 0] = right[:, 0]
    gone = (right == 0).all(1, keepdim=True).expand_as(images)
    hints = {
        "The coldest pixels are gone, and the hottest are still there.": remove_hottest(images, -maps, share),
        "Only the hottest pixels are left; they are the ones to go.": images - right,
        "Nothing is gone.": images,
        "Only the first channel is gone. A pixel is all three of its numbers.": first_only,
        "You rank the pixels of all maps together, so that a faint map loses none.": (
            images * (maps < together)[:, None]
        ),
        "A pixel is gone when it has the mean colour, and in normalised images that is 0, not 1.": images.where(
            ~gone, 1.0
        ),
        "You remove pixels above a share of the *maximum*. The share counts pixels.": (
            images * (maps <= (1 - share) * maps.amax((1, 2), keepdim=True))[:, None]
        ),
        "You fade the image by its heat; the hottest pixels should be gone, and the others whole.": (
            images * (1 - maps / maps.amax((1, 2), keepdim=True))[:, None]
        ),
        "As many rows as the share says are gone from each column; rank all pixels of a map.": images
        * (maps < maps.topk(max(1, round(share * maps.shape[1])), dim=1).values[:, -1:])[:, None],
    }
    if len(images) == images.shape[1]:  # then torch multiplies without a word
        hints["Your mask went in without an axis for the channels, so each channel lost another image's pixels."] = (
            images * (right[:, 0] != 0)
        )
    recognise([(result, hints)], "maps.flatten(1).topk(count).indices names the pixels that go.")


EXERCISES = [
    Exercise("energy_on_object", energy_on_object, _judge_energy, "Half a measure of trust; now the other half."),
    Exercise("hits", hits, _judge_hits, "Rows first, then columns, and nothing for a map of zeros."),
    Exercise("compare", compare, _judge_compare, "Same images, so compare image by image."),
    Exercise("remove_hottest", remove_hottest, _judge_removal, "What is gone cannot be looked at."),
]

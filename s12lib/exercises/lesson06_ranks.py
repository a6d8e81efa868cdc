"""An exercise of lesson 06: Spearman's rank correlation of two maps, where equal values share their mean rank."""

from typing import Any

import torch

from s12lib.exercises.expect import Mistake, call, close, recognise, tensor
from s12lib.exercises.judging import Exercise


def rank_likeness(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Spearman's rank correlation of each map with its counterpart: ``(N, H, W)`` twice → ``(N,)`` in [-1, 1].

    Equal values share the mean of their ranks; a map of equal values correlates with nothing: 0. Spearman, 1904.
    """
    one, other = _centred(_mean_ranks(a)), _centred(_mean_ranks(b))
    return _correlation(one, other)


def _mean_ranks(maps: torch.Tensor) -> torch.Tensor:
    x = maps.flatten(1)
    smaller, equal = (x[:, None] < x[:, :, None]).sum(2), (x[:, None] == x[:, :, None]).sum(2)
    return smaller + equal / 2


def _centred(ranks: torch.Tensor) -> torch.Tensor:
    return ranks - ranks.mean(dim=1, keepdim=True)


def _correlation(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    norms = one.norm(dim=1) * other.norm(dim=1)
    return (one * other).sum(1) / norms.where(norms > 0, 1)


def _first_come(maps: torch.Tensor) -> torch.Tensor:
    """Ranks by two argsorts: equal values in the order in which they stand."""
    return maps.flatten(1).argsort(dim=1, stable=True).argsort(dim=1).float()


def _smaller(maps: torch.Tensor) -> torch.Tensor:
    x = maps.flatten(1)
    return (x[:, None] < x[:, :, None]).sum(2).float()


def _wrong(a: torch.Tensor, b: torch.Tensor) -> dict[str, torch.Tensor]:
    """What well-known mistakes make of the correlations, by the hint for each."""
    ranks = _mean_ranks(a), _mean_ranks(b)
    one, other = map(_centred, ranks)
    whole = _correlation(one.flatten()[None], other.flatten()[None]).expand(len(a))
    return {
        "You correlate the values themselves. Replace each by its rank first.": (
            _correlation(_centred(a.flatten(1)), _centred(b.flatten(1)))
        ),
        "You leave the mean in: subtract each map's mean rank before you multiply.": _correlation(*ranks),
        "Equal values have different ranks in yours, by the order in which they stand. They share their mean rank.": (
            _correlation(_centred(_first_come(a)), _centred(_first_come(b)))
        ),
        "Equal values all get their lowest rank in yours. They share the mean of the ranks that they take up.": (
            _correlation(_centred(_smaller(a)), _centred(_smaller(b)))
        ),
        "The sign is wrong: one of the two orders is upside down.": -_correlation(one, other),
        "You do not divide by the norms: a map with itself should give 1.": (one * other).sum(1),
        "You give the mean product. Divide the sum by the two maps' norms.": (one * other).mean(1),
        "You put all maps of the batch in one order. Each map has ranks of its own.": whole,
        "You square the correlation, and its sign is lost.": _correlation(one, other) ** 2,
        "You take the absolute value: a map and its opposite should give -1.": _correlation(one, other).abs(),
    }


def _judge(answer: Any) -> None:
    generator, cases, wrong = torch.Generator().manual_seed(17), [], False
    for shape, values in (
        ((3, 4, 5), 0),
        ((2, 3, 3), 4),
        ((4, 2, 6), 3),
        ((1, 4, 4), 6),
        ((3, 1, 2), 0),
        ((2, 5, 2), 0),
    ):
        a, b = torch.rand(2, *shape, generator=generator)
        b = (a + b) ** 3  # alike, and not in a straight line
        if values:  # equal values, in both
            a, b = (a * values).floor() / values, (b * values).floor()
        if shape == (2, 5, 2):
            b = -b + 0.1  # below 0, and upside down
        right = rank_likeness(a, b)
        result = tensor(_asked(answer, a, b), tuple(right.shape), "the correlations")
        cases.append((result, _wrong(a, b)))
        wrong = wrong or not close(result, right, 1e-4)
    flat = torch.stack([torch.full((3, 3), 0.5), torch.zeros(3, 3)])
    if not wrong:
        _judge_flat(answer, flat, torch.rand(2, 3, 3, generator=generator))
        return
    recognise(cases, "ranks first, then minus their mean, product, sum, divided by both norms")
    raise Mistake(
        "The correlations are not right.",
        "For a map of 1, 2, 2, 5 the ranks are 0, 1.5, 1.5, 3, or a number more each.",
    )


def _asked(answer: Any, a: torch.Tensor, b: torch.Tensor) -> Any:
    given = call(answer, a, b)
    if isinstance(given, torch.Tensor) and given.ndim == 0 and len(a) > 1:
        raise Mistake("Return a correlation for each pair of maps; yours is a single number.", "sum(1), not sum()")
    return given


def _judge_flat(answer: Any, flat: torch.Tensor, other: torch.Tensor) -> None:
    for a, b in ((flat, other), (other, flat), (flat, flat)):
        result = tensor(_asked(answer, a, b), (2,), "the correlations")
        if not close(result, torch.zeros(2)):
            raise Mistake(
                "A map whose values are all equal has no order, and correlates with nothing: 0.",
                "Its norm is 0: norms.where(norms > 0, 1)",
            )


EXERCISES = [
    Exercise("rank_likeness", rank_likeness, _judge, "The order of the places, and nothing else."),
]

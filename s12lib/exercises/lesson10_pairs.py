"""The exercise of lesson 10 on pairs of runs: how often would luck alone make such a difference?

It needs neither torch nor NumPy.
"""

from collections.abc import Sequence
from itertools import product
from typing import Any

from s12lib.exercises.expect import Mistake, call, number
from s12lib.exercises.judging import Exercise

CASES = (
    [12, 30, 7, 25, 18],
    [-12, -30, -7, -25, -18],
    [12, -30, 7, 25, 18, -4],
    [3, -3, 0, 6, 1, -2, 5],
    [0, 0, 8],
    [5],
    [4, 4, 4, -4, 4, 4],
    [9, -9],
    [40, 1, -2, 3],
    [120, 90, -60, 75],  # a sum beyond a byte
    [3, -1, 4, 1, -5, 9, 2, -6, 5, 3],
)


def sign_flips(differences: Sequence[int]) -> float:
    """How often luck alone gives pairs a mean difference as far from 0 as theirs, or farther: a share of 1.

    If a change does nothing, each difference could as well have had the other sign. Fisher's randomisation test, "The
    Design of Experiments", 1935. ``differences``: one whole number a pair, such as images more that one of the two got
    right.
    """
    seen = abs(sum(differences))
    return _share(differences, lambda total: abs(total) >= seen)


def _share(differences: Sequence[int], counts: Any) -> float:
    flips = list(product((1, -1), repeat=len(differences)))
    return sum(counts(sum(s * d for s, d in zip(signs, differences, strict=True))) for signs in flips) / len(flips)


def _slips(differences: Sequence[int]) -> dict[str, float]:
    """What known mistakes give, each with its hint."""
    total, n = sum(differences), len(differences)
    right = sign_flips(differences)
    return {
        "You count one side only. Luck could have favoured the other one as well: take the absolute sum.": (
            _share(differences, lambda x: x >= total)
        ),
        "You count one side only. Luck could have favoured the other one as well: take the absolute sum. ": (
            _share(differences, lambda x: x >= abs(total))
        ),
        "You count one side only, the lower one. Take the absolute sum.": _share(differences, lambda x: x <= total),
        "Yours leaves out sums that are just as far from 0. Your own signs are one of the ways, too.": (
            _share(differences, lambda x: abs(x) > abs(total))
        ),
        "That is how often luck stays nearer to 0. Turn the comparison round.": (
            _share(differences, lambda x: abs(x) < abs(total))
        ),
        "That is how often luck stays as near to 0, or nearer. Turn the comparison round.": (
            _share(differences, lambda x: abs(x) <= abs(total))
        ),
        "That is in how many of the ways; divide by how many there are.": right * 2**n,
        "You leave your own signs out of the ways. They are one of them.": (right * 2**n - 1) / max(2**n - 1, 1),
        "You flip all signs at once, or none. Each pair has a sign of its own.": 1.0,
        "Yours is in percent; leave it a share of 1.": 100 * right,
        "You count which pairs won, and not by how much: that is the sign test.": (
            sign_flips([(d > 0) - (d < 0) for d in differences])
        ),
    }


def _judge_flips(answer: Any) -> None:
    found = [(number(call(answer, list(case)), "the share"), case) for case in CASES]
    if all(abs(share - sign_flips(case)) < 1e-9 for share, case in found):
        return
    slips = [_slips(case) for case in CASES]
    for hint in slips[0]:
        if all(abs(share - each[hint]) < 1e-9 for (share, _), each in zip(found, slips, strict=True)):
            raise Mistake(
                hint.strip(), "Go through itertools.product((1, -1), repeat=n); compare absolute sums with `>=`."
            )
    for share, case in found:
        if abs(share - sign_flips(case)) >= 1e-9:
            raise Mistake(
                f"For the differences {case} it should be {sign_flips(case):g}, but yours is {share:g}.",
                f"There are {2 ** len(case)} ways to set the signs. Go through all of them; none is drawn by lot.",
            )


EXERCISES = [Exercise("sign_flips", sign_flips, _judge_flips, "Every way that luck could have gone, counted.")]

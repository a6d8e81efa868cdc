"""The exercise of lesson 04 on selection: which of many pairs differ by more than luck among so many explains.

It needs neither torch nor NumPy.
"""

from collections.abc import Sequence
from itertools import combinations
from statistics import NormalDist
from typing import Any

from s12lib.exercises.expect import Mistake, call, present
from s12lib.exercises.judging import Exercise

Pairs = list[tuple[int, int]]

CASES = (
    # ten classes of other sizes, whose differences lie on both sides of every threshold that a slip would give
    ([540, 588, 431, 401, 619, 372, 570, 480, 455, 655], [600, 640, 500, 460, 660, 440, 620, 500, 530, 680], 0.05),
    ([171, 930, 262, 88, 410, 367, 59, 905], [200, 1000, 300, 110, 430, 400, 70, 1000], 0.05),
    ([171, 930, 262, 88, 410, 367, 59, 905], [200, 1000, 300, 110, 430, 400, 70, 1000], 0.3),
    ([45, 39, 30, 50], [50, 50, 50, 50], 0.05),
    ([94, 84], [100, 100], 0.05),
    ([20, 30, 25], [20, 30, 25], 0.05),  # every answer right: nothing to tell apart, and no spread to divide by
    ([0, 0], [7, 9], 0.05),
)


def surely_apart(hits: Sequence[int], counts: Sequence[int], level: float) -> Pairs:
    """The pairs of classes whose shares differ by more than luck explains in any of all pairs.

    Two-proportion z-test with a pooled share, at ``level`` divided by the number of pairs (Bonferroni; Dunn, "Multiple
    Comparisons Among Means", 1961). ``hits`` and ``counts``, one for each class → pairs ``(i, j)`` with ``i < j``.
    """
    pairs = list(combinations(range(len(hits)), 2))
    return _apart(hits, counts, level / 2 / len(pairs))


def _apart(hits: Sequence[int], counts: Sequence[int], tail: float, pooled: bool = True) -> Pairs:
    """The pairs whose difference lies in the outermost ``tail`` on either side."""
    z = NormalDist().inv_cdf(1 - tail)
    apart = []
    for i, j in combinations(range(len(hits)), 2):
        one, other = hits[i] / counts[i], hits[j] / counts[j]
        share = (hits[i] + hits[j]) / (counts[i] + counts[j])
        variance = share * (1 - share) * (1 / counts[i] + 1 / counts[j])
        if not pooled:
            variance = one * (1 - one) / counts[i] + other * (1 - other) / counts[j]
        if abs(one - other) > z * variance**0.5:
            apart.append((i, j))
    return apart


def _overlap_missing(hits: Sequence[int], counts: Sequence[int], tail: float) -> Pairs:
    """The pairs whose own intervals do not overlap."""
    z = NormalDist().inv_cdf(1 - tail)
    shares = [h / n for h, n in zip(hits, counts, strict=True)]
    halves = [z * (p * (1 - p) / n) ** 0.5 for p, n in zip(shares, counts, strict=True)]
    pairs = combinations(range(len(hits)), 2)
    return [(i, j) for i, j in pairs if abs(shares[i] - shares[j]) > halves[i] + halves[j]]


def _slips(hits: Sequence[int], counts: Sequence[int], level: float) -> list[tuple[Pairs, str, str]]:
    """What known mistakes give, each with its hint and the one for the second time."""
    classes, pairs = len(hits), len(hits) * (len(hits) - 1) // 2
    right_tail = level / 2 / pairs
    lowest = min(range(classes), key=lambda k: hits[k] / counts[k])
    found = [
        (
            _apart(hits, counts, level / 2),
            f"You test each pair at the whole level. There are {pairs} pairs, and luck has a try in each.",
            "Divide the level by the number of pairs before you look up z.",
        ),
        (
            _apart(hits, counts, level / 2 / classes),
            f"You divide the level by the {classes} classes. But {pairs} pairs are compared.",
            "c classes make c * (c - 1) / 2 pairs.",
        ),
        (
            _apart(hits, counts, level / 2 / classes**2),
            f"You count each pair twice, or a class with itself: {pairs} pairs are compared.",
            "itertools.combinations(range(c), 2) gives each pair once.",
        ),
        (
            _apart(hits, counts, level / pairs),
            "Your z leaves the whole level on one side. Either class may be the better one: half belongs to each side.",
            "NormalDist().inv_cdf(1 - level / 2 / number_of_pairs)",
        ),
        (
            _apart(hits, counts, right_tail, pooled=False),
            "You give each class a spread of its own share. The question is what luck does if both are alike, so both "
            "have the pooled share.",
            "share = (hits[i] + hits[j]) / (counts[i] + counts[j])",
        ),
        (
            _overlap_missing(hits, counts, right_tail),
            "You ask whether two intervals overlap. They may, and the difference be sure all the same.",
            "The difference has a spread of its own: the square root of the sum of both variances.",
        ),
        (
            [pair for pair in _apart(hits, counts, right_tail) if lowest in pair],
            "You compare with the lowest class only. Every pair counts.",
            "Two loops, or itertools.combinations(range(c), 2).",
        ),
    ]
    return [slip for slip in found if slip[0] != surely_apart(hits, counts, level)]


def _pairs_of(given: Any, classes: int) -> Pairs:
    """The answer as sorted pairs. Raises Mistake unless these are pairs of class numbers, smaller first, each once."""
    try:
        pairs = [(int(i), int(j)) for i, j in present(given, "the list of pairs")]
    except (TypeError, ValueError):
        raise Mistake("Return a list of pairs (i, j), two class numbers each.", "apart.append((i, j))") from None
    if any(not 0 <= k < classes for pair in pairs for k in pair):
        raise Mistake("There is a number among yours that is no class: the pairs hold class numbers, from 0 on.")
    if any(i == j for i, j in pairs):
        raise Mistake("A class is compared with itself in yours.", "itertools.combinations(range(c), 2)")
    if len({frozenset(pair) for pair in pairs}) < len(pairs):
        raise Mistake("Each pair should be there once: (1, 4), and not (4, 1) as well.", "Let j begin above i.")
    if any(i > j for i, j in pairs):
        raise Mistake("In each pair the smaller number comes first.", "for i, j in combinations(range(c), 2)")
    return sorted(pairs)


def _judge(answer: Any) -> None:
    for case in CASES:
        hits, counts, level = case
        result, right = _pairs_of(call(answer, hits, counts, level), len(hits)), surely_apart(*case)
        if result == right:
            continue
        for slip, hint, more in _slips(*case):
            if result == slip:
                raise Mistake(hint, more)
        extra, missing = sorted(set(result) - set(right)), sorted(set(right) - set(result))
        i, j = (extra or missing)[0]
        verb = "is in your list and should not be" if extra else "should be in your list"
        raise Mistake(
            f"With {hits[i]} of {counts[i]} and {hits[j]} of {counts[j]}, one pair of {len(hits)} classes at level "
            f"{level}, the pair {verb}.",
            "Print for this pair the two shares, the pooled share, the spread, and z times the spread.",
        )


EXERCISES = [
    Exercise("surely_apart", surely_apart, _judge, "What is left differs, however many pairs you looked at."),
]

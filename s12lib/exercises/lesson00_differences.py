"""The exercise of lesson 00 on differences: the slopes of any function of a list of numbers."""

import math
from collections.abc import Callable
from typing import Any

from s12lib.exercises.expect import Mistake, call, is_rounded, kind_of, number, present
from s12lib.exercises.judging import Exercise
from s12lib.exercises.lesson00 import agree

Slip = tuple[list[float], str, str]  # what a well-known mistake gives, and its two hints


def numerical_gradient(loss: Callable[[list[float]], float], numbers: list[float], step: float) -> list[float]:
    """Central differences: each number moved by ``step`` both ways, the others left alone."""
    gradient = []
    for k, old in enumerate(numbers):
        up = loss([*numbers[:k], old + step, *numbers[k + 1 :]])
        down = loss([*numbers[:k], old - step, *numbers[k + 1 :]])
        gradient.append((up - down) / (2 * step))
    return gradient


def _cubic(v: Any) -> float:
    """Not the same in any two of its numbers, and bent, so that each way of taking differences shows."""
    return v[0] ** 3 + v[0] * v[1] ** 2 - 2 * v[1] * v[2] + math.exp(v[2])


def _square(v: Any) -> float:
    return 3 * v[0] ** 2 - v[0] * v[1] + v[1] ** 4


def _chain(v: Any) -> float:
    """Of as many numbers as there are, each with a slope of its own."""
    return sum((k + 1) * x**3 + x * v[k - 1] for k, x in enumerate(v))


DIFFERENCES: list[tuple[Callable[[Any], float], list[float], float]] = [
    (_cubic, [1.5, -0.5, 0.25], 0.1),
    (_square, [-1.0, 2.0], 0.25),
    (_chain, [0.5], 0.5),  # a single number
    (_chain, [2, 2, 0, -1, 2], 0.5),  # whole ones, the same again and again, and a 0
    (_chain, [1000.25, 1.5], 0.001),  # which float32 does not hold
]


def _differences_gone_wrong(loss: Callable[[Any], float], numbers: list[float], step: float) -> list[Slip]:
    """What well-known mistakes make of the differences, each with its hint."""
    central, count = numerical_gradient(loss, numbers, step), len(numbers)

    def one_sided(sign: int) -> list[float]:
        moved = [[*numbers[:k], numbers[k] + sign * step, *numbers[k + 1 :]] for k in range(count)]
        return [sign * (loss(point) - loss(numbers)) / step for point in moved]

    def without_brackets(share: float) -> list[float]:
        moved = [[[*numbers[:k], x + way, *numbers[k + 1 :]] for way in (step, -step)] for k, x in enumerate(numbers)]
        return [loss(up) - share * loss(down) for up, down in moved]

    def never_put_back() -> list[float]:
        point, slopes = list(numbers), []
        for k in range(count):
            up = loss([*point[:k], point[k] + step, *point[k + 1 :]])
            point[k] -= step
            slopes.append((up - loss(point)) / (2 * step))
        return slopes

    together = (loss([x + step for x in numbers]) - loss([x - step for x in numbers])) / (2 * step)
    both_ways = "(loss above - loss below) / (2 * step)"
    return [
        (
            one_sided(1),
            "You move upwards only. The error is much smaller when you go both ways, from -step to +step.",
            both_ways,
        ),
        (one_sided(-1), "You move downwards only. Go both ways, from -step to +step.", both_ways),
        (
            [x / 2 for x in one_sided(1)],
            "You move to one side only, but divide by the way from one side to the other.",
            both_ways,
        ),
        ([2 * x for x in central], "From -step to +step the way is twice the step.", "Divide by 2 * step."),
        (
            [x * 2 * step for x in central],
            "A difference is not a slope yet: divide it by the way that you went.",
            both_ways,
        ),
        (
            [x * step * step for x in central],
            "Brackets: `a / 2 * step` divides by 2 and then multiplies by the step.",
            both_ways,
        ),
        *(
            (
                without_brackets(share),
                "Brackets: without them only the second loss is divided, before it is subtracted.",
                both_ways,
            )
            for share in (1 / (2 * step), step / 2)
        ),
        ([-x for x in central], "The sign is wrong: it is the loss above minus the loss below.", both_ways),
        (
            [together] * count,
            "You move all numbers at once. Each of them has a slope of its own.",
            "Change number k, and leave the others as they are.",
        ),
        (
            never_put_back(),
            "A number that you have moved stays moved while the next one's turn comes.",
            "Begin each time with a fresh list: moved = list(numbers).",
        ),
    ]


def _judge_differences(answer: Any) -> None:
    results = []
    for loss, numbers, step in DIFFERENCES:
        result = present(call(answer, loss, numbers, step))
        if isinstance(result, str | dict) or not hasattr(result, "__len__"):
            raise Mistake(f"Return a list, a slope for each number; yours is {kind_of(result)}.")
        if len(result) != len(numbers):
            raise Mistake(f"There are {len(numbers)} numbers, and so many slopes; you return {len(result)}.")
        results.append([number(slope, "each slope") for slope in result])
    wanted = [numerical_gradient(*case) for case in DIFFERENCES]
    if all(map(agree, results, wanted)):
        return
    for slips in zip(*(_differences_gone_wrong(*case) for case in DIFFERENCES), strict=True):
        if all(agree(result, values) for result, (values, _, _) in zip(results, slips, strict=True)):
            raise Mistake(*slips[0][1:])
    pairs = [pair for both in zip(results, wanted, strict=True) for pair in zip(*both, strict=True)]
    if all(is_rounded(a, b) or a == b for a, b in pairs):
        raise Mistake("Yours are rounded. Return all digits; who prints them may round.", "no round()")
    for result, (loss, numbers, _) in zip(results, DIFFERENCES, strict=True):
        if not any(agree(result, numerical_gradient(loss, numbers, step), 1e-3) for step in (1e-3, 1e-5)):
            break
    else:
        raise Mistake("The slopes are fine, but of another step than the one that you are given.", "Use `step`.")
    (loss, numbers, step), result, right = next(
        case for case in zip(DIFFERENCES, results, wanted, strict=True) if not agree(case[1], case[2])
    )
    raise Mistake(
        f"At {numbers} with step {step} the slopes should be {_told(right)}, but yours are {_told(result)}.",
        "For each k: the loss with number k moved up, minus the loss with it moved down, over 2 * step.",
    )


def _told(values: list[float]) -> str:
    return ", ".join(f"{value:.4g}" for value in values)


EXERCISES = [
    Exercise(
        "numerical_gradient",
        numerical_gradient,
        _judge_differences,
        "Slow, and nearly impossible to get wrong: a witness against any formula.",
    ),
]

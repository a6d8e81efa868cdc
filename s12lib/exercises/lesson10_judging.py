"""The exercise of lesson 10 on exercises: write the judge of one, and meet what readers hand in.

It needs neither torch nor NumPy. The judge that the reader writes is judged by what it lets pass and what it rejects.
"""

from collections.abc import Callable, Sequence
from statistics import median, median_low, mode
from typing import Any

from s12lib.exercises.expect import Mistake, call
from s12lib.exercises.judging import Exercise

Numbers = Sequence[float]


def judge_median(answer: Callable[[list[float]], float]) -> None:
    """Raise Mistake where ``answer`` is no median of one number or more.

    Ask at the edges: an even count, one number alone, equal ones, negative ones, fractions, and one that is longer as
    text than a larger one.
    """
    edges: list[list[float]] = [[7], [2, 2, 9], [-7, -1, -4], [10, 9, 3, 5.5]]
    for values in edges:
        found, right = call(answer, values), median(values)
        if found is None or abs(found - right) > 1e-9:
            raise Mistake(f"For {values} not {found}, but {right}.")


# ---- what readers might hand in ----


def _in_order(values: Numbers) -> float:
    ordered, half = sorted(values), len(values) // 2
    return ordered[half] if len(values) % 2 else (ordered[half - 1] + ordered[half]) / 2


def _without_extremes(values: Numbers) -> float:
    rest = sorted(values)
    while len(rest) > 2:
        rest = rest[1:-1]
    return sum(rest) / len(rest)


def _sorting(values: list[float]) -> float:
    values.sort()
    return _in_order(values)


def _as_it_came(values: Numbers) -> float:
    half = len(values) // 2
    return values[half] if len(values) % 2 else (values[half - 1] + values[half]) / 2


RIGHT: dict[str, Callable[[Any], Any]] = {
    "takes the middle of the sorted list": _in_order,
    "takes the least and the greatest away until one or two are left": _without_extremes,
    "returns a whole number where the median is one": lambda v: int(m) if (m := median(v)) == int(m) else m,
    "is a billionth of a billionth off, as another order of adding up would be": lambda v: median(v) * (1 + 1e-15),
}
WRONG: dict[str, Callable[[Any], Any]] = {
    "the middle of the list as it came, unsorted": _as_it_came,
    "the mean": lambda v: sum(v) / len(v),
    "the upper one of two middle numbers": lambda v: sorted(v)[len(v) // 2],
    "the lower one of two middle numbers": median_low,
    "the most frequent number": mode,
    "half-way between the least and the greatest": lambda v: (min(v) + max(v)) / 2,
    "the median of the numbers without their signs": lambda v: median(map(abs, v)),
    "the median of the different numbers, equal ones counted once": lambda v: median(set(v)),
    "the median of numbers that were sorted as text, 10 before 9": lambda v: _as_it_came(sorted(v, key=str)),
    "the median cut down to a whole number": lambda v: int(median(v)),
    "0 for a single number": lambda v: median(v) if len(v) > 1 else 0,
    "the median, but with its sign turned round": lambda v: -median(v),
    "nothing at all": lambda v: None,
    "the median, and leaves the list sorted that it was given": _sorting,
}


def _judge_judge(judge: Any) -> None:
    for how, answer in RIGHT.items():
        try:
            judge(answer)
        except Mistake as objection:
            raise Mistake(
                f"Your judge rejects a right answer, one that {how}. It says: {objection}",
                "Compare with a tolerance, abs(found - right) < 1e-9, and do not ask for a type.",
            ) from None
    for what, answer in WRONG.items():
        try:
            said = judge(answer)
        except Mistake as hint:
            if len(str(hint).split()) < 3:
                raise Mistake(
                    f"Of {what} your judge says only {str(hint)!r}. Its reader needs a sentence.",
                    "Say the input, what it should be, and what it is.",
                ) from None
        except NotImplementedError:
            raise
        except Exception as error:
            raise Mistake(
                f"An answer that returns {what} ends your judge in {type(error).__name__}: {error}",
                "raise Mistake(hint), whose words the reader gets to see; None compares with nothing.",
            ) from None
        else:
            told = f" It returned {said!r}, but only `raise Mistake(...)` rejects." if said is not None else ""
            raise Mistake(
                f"Your judge lets an answer pass that returns {what}.{told}",
                "Ask at the edges: one number, an even count, equal ones, negative ones, fractions, 10 beside 9. "
                "And `call(answer, values)` hands out a copy and notices when it is changed.",
            )


EXERCISES = [
    Exercise(
        "judge_median", judge_median, _judge_judge, "Fourteen wrong answers came to your judge, and none came through."
    )
]

"""The exercise of lesson 00 on a line: its gradient, from lists of numbers."""

from typing import Any

from s12lib.exercises.expect import Mistake, call, close, is_rounded, number, pair
from s12lib.exercises.judging import Exercise

Slip = tuple[list[float], str, str]  # what a well-known mistake gives, and its two hints
Line = tuple[list[float], list[float], float, float]  # xs, ys, slope, intercept
LINES: list[Line] = [
    ([0.5, -1.0, 2.0, 3.5, 1.25], [1.0, 0.5, -2.0, 4.0, 0.25], 0.75, -0.5),
    ([2.0, 1.0, 4.0], [1.0, 3.0, 2.0], -1.5, 0.25),
    ([3.0], [1.0], 2.0, 0.5),  # a single point
    ([2.0, 2.0, 0.0, -1.0], [1.0, 3.0, 0.5, 2.5], 0.0, 1.0),  # the same x twice, an x of 0, and no slope
    ([300.0, -250.0], [10.0, 4.0], 1.5, -20.0),
]


def line_gradient(xs: list[float], ys: list[float], slope: float, intercept: float) -> tuple[float, float]:
    """How the mean squared error of ``slope * x + intercept`` changes with the slope, and with the intercept."""
    errors = [slope * x + intercept - y for x, y in zip(xs, ys, strict=True)]
    by_slope = sum(2 * error * x for error, x in zip(errors, xs, strict=True)) / len(xs)
    return by_slope, sum(2 * error for error in errors) / len(xs)


def _lines_gone_wrong(xs: list[float], ys: list[float], slope: float, intercept: float) -> list[Slip]:
    """What well-known mistakes make of the gradient, each with its hint."""
    n, (by_slope, by_intercept) = len(xs), line_gradient(xs, ys, slope, intercept)
    loss = sum((slope * x + intercept - y) ** 2 for x, y in zip(xs, ys, strict=True)) / n
    return [
        (
            [-by_slope, -by_intercept],
            "This points downhill. The gradient points uphill; going against it comes later.",
            "The error is slope * x + intercept - y.",
        ),
        (
            [by_slope / 2, by_intercept / 2],
            "Half of it: the derivative of a square is twice the number.",
            "2 * error * x, and 2 * error",
        ),
        (
            [by_slope * n, by_intercept * n],
            "You add up over the points. The loss is their mean, so its gradient is a mean, too.",
            "Divide by len(xs).",
        ),
        (
            [by_intercept, by_slope],
            "The two have changed places: first the slope's, then the intercept's.",
            "return by_slope, by_intercept",
        ),
        (
            [by_intercept, by_intercept],
            "The slope's share lacks x: a change of the slope moves a point the more, the larger its x is.",
            "2 * error * x",
        ),
        (
            [by_intercept * sum(xs) / n, by_intercept],
            "You multiply the mean error by the mean x. Multiply point by point, and take the mean afterwards.",
            "The mean of 2 * error * x.",
        ),
        (
            [*line_gradient(xs, ys, slope, 0.0)],
            "The intercept is missing in your errors.",
            "slope * x + intercept - y",
        ),
        ([*line_gradient(xs, ys, 0.0, intercept)], "Your errors have no slope in them.", "slope * x + intercept - y"),
        ([loss, loss], "This is the loss itself; its two derivatives are asked for.", "2 * error * x, and 2 * error"),
    ]


def _judge_line(answer: Any) -> None:
    found, wanted = list[float](), list[float]()
    for line in LINES:
        parts = pair(call(answer, *line), "two numbers", "the slope's derivative, then the intercept's")
        found += [number(part, "each derivative") for part in parts]
        wanted += line_gradient(*line)
    if agree(found, wanted):
        return
    for slips in zip(*(_lines_gone_wrong(*line) for line in LINES), strict=True):  # a slip shows at every line
        if agree(found, [value for values, _, _ in slips for value in values]):
            raise Mistake(*slips[0][1:])
    if all(is_rounded(a, b) or a == b for a, b in zip(found, wanted, strict=True)):
        raise Mistake("Yours are rounded. Return all digits; who prints them may round.", "no round()")
    k = next(k for k in range(len(wanted)) if not agree(found[k : k + 1], wanted[k : k + 1]))
    xs, ys, slope, intercept = LINES[k // 2]
    raise Mistake(
        f"For xs = {xs}, ys = {ys}, slope {slope} and intercept {intercept} the derivative by the "
        f"{('slope', 'intercept')[k % 2]} should be {wanted[k]:.4g}, but yours is {found[k]:.4g}.",
        "error = slope * x + intercept - y for each point; the means of 2 * error * x and of 2 * error.",
    )


def agree(found: list[float], wanted: list[float], tolerance: float = 1e-5) -> bool:
    """Whether two lists of numbers of the same length agree in every place."""
    return all(close(a, b, tolerance) for a, b in zip(found, wanted, strict=True))


EXERCISES = [
    Exercise("line_gradient", line_gradient, _judge_line, "Two numbers say which way is up, and how steep it is."),
]

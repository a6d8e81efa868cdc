"""Figures with axes: curves over steps or layers, bars, histograms, calibration."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from s12lib.viz.canvas import GREY, NARROW, WIDE, Drawing, canvas, legend, panel, styled

RGB = ("#D55E00", "#009E73", "#0072B2")  # the channels red, green and blue, told apart with any colour vision
Curve = tuple[Sequence[float], Sequence[float]]


def _tell(name: str, curve: Curve, ticks: Sequence[str] = ()) -> str:
    x, y = curve
    told = sorted({round(k * (len(x) - 1) / 4) for k in range(5)})  # the ends, and three places between them
    return f"{name}: " + ", ".join(f"{y[k]:.3g} at {ticks[k] if ticks else format(x[k], ',.4g')}" for k in told)


def _draw_curves(axes: Axes, curves: Mapping[str, Curve], marker: str = "", joined: bool = True) -> None:
    styles, markers = ("-", "--", "-.", ":"), "osD^"
    for k, (name, (x, y)) in enumerate(curves.items()):
        if joined:
            axes.plot(x, y, styles[k % 4], label=name, marker=marker)
        else:
            axes.plot(x, y, markers[k % 4], label=name, markersize=9)


@styled
def lines(
    curves: Mapping[str, Curve], title: str, dataset: str, xlabel: str, ylabel: str, log: bool = False,
    marker: str = "", joined: bool = True, ticks: Sequence[str] = (), points: Mapping[str, Curve] | None = None,
) -> Drawing:  # fmt: skip
    """Curves over one axis: ``{name: (x, y)}``; they differ in dashes (``joined=False``: in markers) and in colour.

    ``ticks`` are names for the places 0, 1, 2, … of the x axis; ``points`` are dots that the curves go through.
    """
    figure, top = canvas(WIDE, 380, title, dataset)
    axes = panel(figure, 90, top + 8, WIDE - 120, 310)
    for name, (x, y) in (points or {}).items():
        axes.plot(x, y, ".", color=GREY, alpha=0.6, label=name)
    _draw_curves(axes, curves, marker, joined)
    axes.set(xlabel=xlabel, ylabel=ylabel, yscale="log" if log else "linear")
    if ticks:
        axes.set_xticks(range(len(ticks)), ticks)
    elif all(isinstance(value, int) for x, _ in curves.values() for value in x):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))  # there is no run one and a half
    if len(curves) > 1:
        legend(axes)
    dots = [f"{len(x)} {name} as dots" for name, (x, _) in (points or {}).items()]
    told = "; ".join([_tell(name, curve, ticks) for name, curve in curves.items()] + dots)
    return Drawing(figure, f"{title} ({dataset}) {ylabel} over {xlabel}: {told}.")


@styled
def learning_curves(rows: Sequence[Mapping[str, str]], title: str, dataset: str) -> Drawing:
    """Loss, accuracy and learning rate over one axis of steps, from the rows of a ``metrics.csv`` (``csv.DictReader``).

    What was noted once an epoch is drawn as dots on a line.
    """
    panels = {
        "loss": ("train_loss", "validation_loss"),
        "accuracy": ("train_accuracy", "validation_accuracy", "validation_accuracy_tta"),
        "learning rate": ("lr-SGD/pg1",),
    }
    curves: dict[str, dict[str, Curve]] = {}
    for ylabel, columns in panels.items():
        given = {
            c: [(float(row["step"]), float(row[c])) for row in rows if row.get(c) not in (None, "")] for c in columns
        }
        names = {c: c.replace("validation_accuracy_tta", "validation, flip TTA").split("_")[0] for c in columns}
        names["lr-SGD/pg1"] = "its"
        curves[ylabel] = {names[c]: ([x for x, _ in v], [y for _, y in v]) for c, v in given.items() if v}
    curves = {ylabel: drawn for ylabel, drawn in curves.items() if drawn}
    figure, top = canvas(WIDE, 230 * len(curves) + 30, title, dataset)
    last = max(float(row["step"]) for row in rows)
    for k, (ylabel, drawn) in enumerate(curves.items()):
        axes = panel(figure, 90, top + 8 + 230 * k, WIDE - 120, 200)
        _draw_curves(axes, drawn, marker="o" if len(next(iter(drawn.values()))[0]) < 40 else "")
        axes.set(ylabel=ylabel, xlim=(-0.02 * last, 1.02 * last))
        axes.locator_params(axis="y", nbins=7)
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes.tick_params(labelbottom=ylabel == list(curves)[-1])
        if len(drawn) > 1:
            legend(axes)
    axes.set_xlabel("step")
    told = "; ".join(_tell(f"{name} {ylabel}", c) for ylabel, drawn in curves.items() for name, c in drawn.items())
    return Drawing(figure, f"{title} ({dataset}) Over the steps of the run: {told}.")


@styled
def histograms(panels: Mapping[str, tuple[Any, Any]], title: str, dataset: str, ylabel: str) -> Drawing:
    """Red, green and blue as outlines, a panel each: ``{x label: (edges (3, b + 1), heights (3, b))}``."""
    figure, top = canvas(WIDE, 290, title, dataset)
    width = (WIDE - 110 - 56 * (len(panels) - 1)) // len(panels)
    told = []
    for k, (xlabel, (edges, heights)) in enumerate(panels.items()):
        axes = panel(figure, 90 + k * (width + 56), top + 8, width, 220)
        for colour, name, limits, height in zip(RGB, ("red", "green", "blue"), edges, heights, strict=True):
            axes.stairs(np.asarray(height), np.asarray(limits), color=colour, label=name, linewidth=2)
        axes.set(xlabel=xlabel, ylabel=ylabel if k == 0 else "")
        told.append(f"{xlabel}: from {float(edges.min()):.3g} to {float(edges.max()):.3g}")
    axes.legend()
    return Drawing(figure, f"{title} ({dataset}) Histograms of red, green and blue. {'; '.join(told)}.")


@styled
def bars(values: Mapping[str, float], title: str, dataset: str, xlabel: str, form: str = "{:,.0f}") -> Drawing:
    """Horizontal bars, each with its number at its end."""
    figure, top = canvas(WIDE, 34 * len(values) + 52, title, dataset)
    left = max(190, 9 * max(map(len, values)) + 16)
    axes = panel(figure, left, top, WIDE - 100 - left, 34 * len(values))
    drawn = axes.barh(list(values), list(values.values()), color="#0072B2", height=0.7)
    axes.bar_label(drawn, [form.format(value) for value in values.values()], padding=4, size=12)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(xlabel)
    listed = ", ".join(f"{name} {form.format(value)}" for name, value in values.items())
    return Drawing(figure, f"{title} ({dataset}) Bars, {xlabel}: {listed}.")


@styled
def reliability(
    confidence: Sequence[float], accuracy: Sequence[float], count: Sequence[int], title: str, dataset: str
) -> Drawing:
    """Accuracy over confidence, a point a bin, the larger the more images are in it; the diagonal is honesty."""
    figure, top = canvas(NARROW, 452, title, dataset)
    axes = panel(figure, 84, top + 20, 370, 370)
    axes.plot([0, 1], [0, 1], "--", color=GREY, linewidth=1.5, label="confidence = accuracy")
    share = np.asarray(count) / max(int(np.sum(count)), 1)
    axes.plot(confidence, accuracy, color="#0072B2", linewidth=1, clip_on=False)
    axes.scatter(confidence, accuracy, s=20 + 600 * share, color="#0072B2", zorder=3, clip_on=False)
    axes.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.legend(loc="lower right")
    told = "; ".join(
        f"{c:.0%} confident, {a:.0%} right ({n:,})" for c, a, n in zip(confidence, accuracy, count, strict=True)
    )
    return Drawing(figure, f"{title} ({dataset}) Accuracy over confidence, bin by bin: {told}.")

"""Figures of how training moves: paths over a loss, and sweeps of the learning rate."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from s12lib.viz.canvas import GREY, WIDE, Drawing, canvas, panel, styled
from s12lib.viz.curves import Curve

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#222222")
STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))


@styled
def descent(
    paths: Mapping[str, Sequence[tuple[float, float]]], surface: tuple[Any, Any, Any], title: str, dataset: str
) -> Drawing:
    """Paths over a loss of two weights, a dot a step: ``{name: [(x, y), …]}``.

    ``surface`` are the places ``x (n,)``, ``y (m,)`` and the loss there, ``(m, n)`` and positive: its contours are
    drawn at equal steps of its root.
    """
    x, y, loss = (np.asarray(each) for each in surface)
    figure, top = canvas(WIDE, 380, title, dataset)
    axes = panel(figure, 90, top + 8, WIDE - 120, 310)
    levels = np.linspace(0, float(loss.max()) ** 0.5, 12)[1:] ** 2
    axes.contour(x, y, loss, levels, colors=GREY, alpha=0.35, linewidths=1)
    markers = ("o", "^", "s")
    told = []
    for k, (name, path) in enumerate(paths.items()):
        along, across = zip(*path, strict=True)
        axes.plot(
            along, across, STYLES[k], color=COLOURS[k], marker=markers[k], markersize=5, linewidth=1.5, label=name
        )
        told.append(f"{name}: {len(path) - 1} steps from ({along[0]:.3g}, {across[0]:.3g})")
        told[-1] += f" to ({along[-1]:.3g}, {across[-1]:.3g})"
    axes.set(xlabel="weight along the valley", ylabel="weight across it", xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))
    axes.grid(visible=False)
    axes.legend()
    return Drawing(figure, f"{title} ({dataset}) Paths over the contours of a loss of two weights. {'; '.join(told)}.")


@styled
def lr_sweeps(
    curves: Mapping[str, Curve], kept: Mapping[str, int], marks: Mapping[str, float], title: str, dataset: str
) -> Drawing:
    """The loss over a learning rate that climbed from step to step, in several runs, on a logarithmic axis.

    ``curves`` are ``{run: (lrs, smoothed losses)}``, of which the first ``kept`` points are drawn in full and the
    rest, after the run diverged, in grey; ``marks`` is the rate that was read off each run, drawn as a dot on it.
    """
    figure, top = canvas(WIDE, 400, title, dataset)
    axes = panel(figure, 90, top + 8, WIDE - 120, 330)
    told = []
    for k, (name, (lrs, losses)) in enumerate(curves.items()):
        colour, end = COLOURS[k % 5], kept[name]
        axes.plot(lrs[max(end - 1, 0) :], losses[max(end - 1, 0) :], color=GREY, alpha=0.5, linewidth=1)
        axes.plot(lrs[:end], losses[:end], linestyle=STYLES[k % 5], color=colour, label=name)
        told.append(f"{name}: from {losses[0]:.3g} at {lrs[0]:.2g} down to {min(losses[:end], default=losses[0]):.3g}")
        if name in marks:
            axes.plot([marks[name]], [np.interp(marks[name], lrs, losses)], "o", color=colour, markersize=9)
            told[-1] += f", read at {marks[name]:.2g}"
    starts = [losses[0] for _, losses in curves.values()]
    lowest = min(min(losses[: kept[name]], default=losses[0]) for name, (_, losses) in curves.items())
    room = max(max(starts) - lowest, 0.02 * max(starts))
    axes.set(xscale="log", xlabel="learning rate", ylabel="loss", ylim=(lowest - 0.15 * room, max(starts) + 0.4 * room))
    axes.legend(loc="lower left")
    return Drawing(figure, f"{title} ({dataset}) Loss over learning rate, smoothed. {'; '.join(told)}.")

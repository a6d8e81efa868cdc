"""Figures of how training moves: paths in a valley, sweeps of the learning rate; what is marked is told too."""

import math

import numpy as np
import pytest
from test_viz import nothing_touches_the_edge, pixels

from s12lib import viz

LRS = [10 ** (k / 5 - 3) for k in range(20)]
LOSSES = [2.3 - 0.05 * k for k in range(15)] + [2.0, 2.5, 4.0, 9.0, 40.0]


def sweeps(kept=15, marks=None):
    curves = {"seed 0": (LRS, LOSSES), "seed 1": (LRS, [loss + 0.02 for loss in LOSSES])}
    ends = dict.fromkeys(curves, kept)
    return viz.lr_sweeps(curves, ends, marks or {}, "Two seeds propose 0.03 to 0.04", "CIFAR-10")


def test_sweeps_are_drawn_on_opaque_white_with_nothing_cut_off():
    drawn = pixels(sweeps(marks={"seed 0": 0.03, "seed 1": 0.04}))
    assert drawn.shape[1] == 2 * viz.WIDE
    assert nothing_touches_the_edge(drawn)


def test_learning_rate_has_a_logarithmic_axis_and_a_blown_up_loss_does_not_flatten_the_rest():
    axes = sweeps().figure.axes[0]
    assert axes.get_xscale() == "log"
    assert axes.get_ylim()[1] < 2 * LOSSES[0]


def test_what_came_after_the_divergence_is_grey_and_joins_the_rest():
    grey, full = sweeps().figure.axes[0].lines[:2]
    assert grey.get_color() == "#555555"
    assert len(full.get_xdata()) == 15
    assert grey.get_xdata()[0] == full.get_xdata()[-1]


def test_marks_are_drawn_on_their_curves_and_told():
    drawing = sweeps(marks={"seed 1": LRS[7]})
    assert f"read at {LRS[7]:.2g}" in drawing.alt
    assert "seed 0: from 2.3 at 0.001 down to 1.6" in drawing.alt
    ((x,), (y,)) = (drawing.figure.axes[0].lines[-1].get_xdata(), drawing.figure.axes[0].lines[-1].get_ydata())
    assert (x, y) == (LRS[7], pytest.approx(LOSSES[7] + 0.02))


def test_sweeps_of_one_flat_point_can_be_drawn():
    flat = viz.lr_sweeps({"seed 0": ([0.1], [2.3])}, {"seed 0": 0}, {}, "No learning rate stands out", "Shapes")
    assert not math.isnan(flat.figure.axes[0].get_ylim()[0])


def test_paths_are_drawn_step_by_step_over_contours_and_told():
    x, y = np.linspace(-3, 3, 31), np.linspace(-2, 2, 21)
    path = [(-2.0, 1.0), (-1.0, -0.5), (0.5, 0.25)]
    drawing = viz.descent({"plain": path}, (x, y, x**2 + 5 * y[:, None] ** 2), "It arrives", "no dataset")
    (line,) = drawing.figure.axes[0].lines
    assert list(zip(line.get_xdata(), line.get_ydata(), strict=True)) == path
    assert drawing.figure.axes[0].collections
    assert "plain: 2 steps from (-2, 1) to (0.5, 0.25)" in drawing.alt
    assert nothing_touches_the_edge(pixels(drawing))

"""The learning-rate sweep and curves through points: in the one style, with what is marked told in the alt text."""

import math

import pytest
from test_viz import nothing_touches_the_edge, pixels

from s12lib import viz

LRS = [10 ** (k / 5 - 3) for k in range(20)]
LOSSES = [2.3 - 0.05 * k for k in range(15)] + [2.0, 2.5, 4.0, 9.0, 40.0]


def sweep(marks):
    return viz.lr_sweep(LRS, LOSSES, (LRS[2:-2], LOSSES[2:-2]), marks, "It falls fastest at 0.1", "CIFAR-10")


def test_sweep_is_drawn_on_opaque_white_with_nothing_cut_off():
    drawn = pixels(sweep({"steepest": 0.1, "lowest": 0.5}))
    assert drawn.shape[1] == 2 * viz.WIDE
    assert nothing_touches_the_edge(drawn)


def test_learning_rate_has_a_logarithmic_axis_and_a_blown_up_loss_does_not_flatten_the_rest():
    axes = sweep({}).figure.axes[0]
    assert axes.get_xscale() == "log"
    assert axes.get_ylim()[1] < 2 * LOSSES[0]


def test_marks_are_drawn_where_they_belong_and_told():
    drawing = sweep({"lowest": 0.5, "steepest": 0.1})
    assert "steepest at 0.1" in drawing.alt
    assert "lowest at 0.5" in drawing.alt
    drawn = [line.get_xdata()[0] for line in drawing.figure.axes[0].lines[2:]]
    assert drawn == pytest.approx([0.1, 0.5])


def test_sweep_without_marks_says_so():
    assert "nothing is marked" in sweep({}).alt
    assert not math.isnan(sweep({}).figure.axes[0].get_ylim()[0])


def test_points_lie_behind_the_curves_that_go_through_them_and_are_told():
    drawing = viz.lines(
        {"line": ([0.0, 1.0], [0.0, 2.0])}, "A line", "CIFAR-10", "x", "y", points={"images": ([0.5], [1.1])}
    )
    dots, line = drawing.figure.axes[0].lines
    assert (dots.get_label(), line.get_label()) == ("images", "line")
    assert dots.get_linestyle() == "None"
    assert "1 images as dots" in drawing.alt
    assert nothing_touches_the_edge(pixels(drawing))

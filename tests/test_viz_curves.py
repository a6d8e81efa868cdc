"""Curves through points, in the one style, told in the alt text."""

from test_viz import nothing_touches_the_edge, pixels

from s12lib import viz


def test_points_lie_behind_the_curves_that_go_through_them_and_are_told():
    drawing = viz.lines(
        {"line": ([0.0, 1.0], [0.0, 2.0])}, "A line", "CIFAR-10", "x", "y", points={"images": ([0.5], [1.1])}
    )
    dots, line = drawing.figure.axes[0].lines
    assert (dots.get_label(), line.get_label()) == ("images", "line")
    assert dots.get_linestyle() == "None"
    assert "1 images as dots" in drawing.alt
    assert nothing_touches_the_edge(pixels(drawing))

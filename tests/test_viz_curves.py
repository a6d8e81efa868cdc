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


def test_a_legend_hides_no_curve_also_where_curves_go_through_every_corner():
    up, down = [0.0, 0.4, 1.0], [1.0, 0.6, 0.0]
    curves = {"up": (up, up), "down": (up, down), "half": (up, [0.5] * 3), "a longer name": (up, [0.25, 0.8, 0.25])}
    for log in (False, True):
        drawn = {name: (x, [10 ** (2 * value) for value in y]) if log else (x, y) for name, (x, y) in curves.items()}
        drawing = viz.lines(drawn, "Corner to corner", "CIFAR-10", "x", "y", log=log)
        (axes,) = drawing.figure.axes
        drawing.figure.draw_without_rendering()
        box = axes.get_legend().get_window_extent()
        assert not any(line.get_transform().transform_path(line.get_path()).intersects_bbox(box) for line in axes.lines)
        assert axes.get_window_extent().contains(*box.p0)
        assert axes.get_window_extent().contains(*box.p1)
        assert nothing_touches_the_edge(pixels(drawing))


def test_where_a_legend_has_room_the_axis_stays_as_it_is():
    curves = {"one": ([0.0, 1.0], [0.0, 1.0]), "two": ([0.0, 1.0], [0.1, 0.8])}
    (axes,) = viz.lines(curves, "Room", "CIFAR-10", "x", "y").figure.axes
    assert axes.get_ylim()[1] < 1.06

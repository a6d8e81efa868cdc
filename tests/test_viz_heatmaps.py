"""Heatmaps on images: each place drawn as its square of pixels, on one fixed scale, told in the alt text."""

import numpy as np
import pytest
from matplotlib.text import Text
from test_viz import IMAGES, nothing_touches_the_edge, pixels

from s12lib import viz

COARSE = np.zeros((4, 4, 4))
COARSE[0, 0, 0] = COARSE[1, 3, 3] = COARSE[2, 1, 1] = 1  # top left, bottom right, middle, and nothing
FINE = np.full((4, 32, 32), 0.5)
NOTES = [("cat", "dog\n60%", f"map {k}") for k in range(4)]


def table(maps=None, notes=NOTES, **settings):
    maps = {"coarse": COARSE, "all of\nit": FINE} if maps is None else maps
    return viz.heatmap_table(IMAGES[:4], maps, notes, "It looks at corners", "CIFAR-10", **settings)


def heat_of(drawing):
    return [image for axes in drawing.figure.axes for image in axes.images if image.get_array().ndim == 2]


@pytest.mark.parametrize(("columns", "across"), [(1, 1), (2, 1), (4, 1), (6, 1), (1, 2), (2, 2)])
def test_nothing_is_cut_off_and_no_text_is_too_small_for_a_phone(columns, across):
    notes = [("cat", *["dog\n60%"] * columns)] * 4
    drawing = table({f"map {k}": COARSE for k in range(columns)}, notes, across=across)
    drawn = pixels(drawing)
    assert drawn.shape[1] == 2 * viz.WIDE
    assert nothing_touches_the_edge(drawn)
    assert all(t.get_fontsize() >= 12 for t in drawing.figure.findobj(Text) if t.get_text())
    panels = [axes.get_window_extent() for axes in drawing.figure.axes if axes.images]
    assert len(panels) == 4 * (columns + 1)
    assert not any(a.overlaps(b) for k, a in enumerate(panels) for b in panels[:k])
    assert all(panel.width / 16 == pytest.approx(round(panel.width / 16)) for panel in panels)


def test_a_4x4_map_is_drawn_as_four_by_four_squares():
    drawing = table({"coarse": COARSE}, [("", "")] * 4, opacities=[1])
    drawn = pixels(drawing)[..., :3]
    left, bottom, width, height = heat_of(drawing)[0].axes.get_window_extent().bounds
    x, y, side = round(2 * left), len(drawn) - round(2 * (bottom + height)), round(2 * width)
    shown = drawn[y : y + side, x : x + side]
    place = side // 4
    assert side % 4 == 0
    assert len(np.unique(shown.reshape(-1, 3), axis=0)) == 2, "two values, two colours: nothing is smoothed"
    assert (shown[:place, :place] == shown[0, 0]).all()
    assert (shown[place:] == shown[-1, -1]).all()
    assert (shown[0, 0] != shown[-1, -1]).any()


def test_the_image_shines_through_as_far_as_the_opacity_lets_it():
    assert [image.get_alpha() for image in heat_of(table(opacities=[1, 0.3]))[:2]] == [1, 0.3]


def test_all_maps_share_one_fixed_scale_with_a_colour_bar():
    drawing = table({"faint": 0.1 * COARSE, "all of\nit": FINE}, meaning="heat: shared")
    assert {image.get_clim() for image in heat_of(drawing)} == {(0, 1)}
    bar = drawing.figure.axes[-1]
    assert bar.get_xlim() == (0, 1)
    assert "heat: shared" in [text.get_text() for text in bar.texts]


def test_alt_text_says_where_each_map_is_hottest():
    alt = table().alt
    assert alt.startswith("It looks at corners (CIFAR-10)")
    for place in ("at the top left", "at the bottom right", "in the middle", "nowhere"):
        assert f"coarse (dog 60%) hottest {place}" in alt
    assert "all of it (map 3)" in alt


def test_a_dollar_sign_in_a_note_is_no_formula():
    viz.png(table({"coarse": COARSE}, [(r"$\frac{.png", "100$")] * 4).figure)


@pytest.mark.parametrize(
    ("maps", "words"),
    [
        (2 * COARSE, "between 0 and 1"),
        (COARSE - 0.5, "between 0 and 1"),
        (COARSE * np.nan, "between 0 and 1"),
        (COARSE[:3], "shape"),
        (np.zeros((4, 5, 5)), "divisor of 32"),
        (np.zeros((4, 4, 8)), "shape"),
    ],
)
def test_maps_that_cannot_be_drawn_honestly_are_refused(maps, words):
    with pytest.raises(ValueError, match=words):
        table({"coarse": maps}, [("", "")] * 4)


def test_a_column_may_be_what_has_become_of_the_images():
    drawing = table({"coarse": COARSE, "covered": IMAGES[2:]}, [("cat", "dog", f"says {k}") for k in range(4)])
    images = [image for axes in drawing.figure.axes for image in axes.images if image.get_array().ndim == 3]
    np.testing.assert_array_equal(images[-1].get_array(), IMAGES[5])
    assert len(heat_of(drawing)) == 4
    assert "covered (says 0); " in drawing.alt
    assert "covered (says 0) hottest" not in drawing.alt

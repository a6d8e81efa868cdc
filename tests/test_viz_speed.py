"""The figures of the lesson on speed: nothing cut off, every number told, ceilings where they belong."""

import pytest
from test_viz import nothing_touches_the_edge, pixels

from s12lib import viz

SHARES = {"prep": (0.01, 0.05), "layer3 residual": (0.198, 0.153), "all the rest": (0.0, 0.3)}
EFFECTS = {
    "whitening (n = 1)": (2.86, 0.0),
    "frozen-bn-weight (n = 2)": (0.35, 0.43),
    "wide-crop (n = 2)": (-0.44, 0.45),
}
POINTS = {"prep": (12.0, 4e10), "layer1": (150.0, 9e10), "layer3 residual": (200.0, 8e10), "ReLU": (0.125, 8e8)}


def shares():
    return viz.paired_bars(
        SHARES, ("of the arithmetic", "of the time"), "A third is no convolution's", "Shapes", "share"
    )


def effects():
    return viz.intervals(EFFECTS, "Whitening is worth most", "CIFAR-10", "points")


def ceilings():
    return viz.roofline(POINTS, 1e11, 1e10, "Below 10 FLOP a byte, memory is the ceiling", "no dataset")


@pytest.mark.parametrize("draw", [shares, effects, ceilings])
def test_figure_is_as_wide_as_the_column_with_nothing_cut_off(draw):
    drawn = pixels(draw())
    assert drawn.shape[1] == 2 * viz.WIDE
    assert nothing_touches_the_edge(drawn)


def test_pairs_of_bars_are_told_with_both_numbers():
    assert "layer3 residual 20% and 15%" in shares().alt


def test_an_effect_without_an_error_has_none_drawn_or_told():
    drawn = effects()
    assert "whitening (n = 1) +2.86, frozen-bn-weight (n = 2) +0.35 ± 0.43" in drawn.alt
    assert len(drawn.figure.axes[0].collections) == 2, "an error bar for each of the two that have one"


def test_roofline_breaks_where_the_two_ceilings_meet():
    drawn = ceilings()
    (ceiling, *dots) = drawn.figure.axes[0].lines
    assert ceiling.get_xdata()[1] == 10
    assert ceiling.get_ydata()[1] == ceiling.get_ydata()[2] == 100
    assert len(dots) == len(POINTS)
    assert "The ceilings meet at 10 FLOP a byte" in drawn.alt


def test_long_names_of_bars_are_not_cut_off():
    drawn = pixels(viz.bars({"an eighth of the batch": 0.7, "16 bits": 2.0}, "16 bits gain most", "Shapes", "times"))
    assert nothing_touches_the_edge(drawn)

"""Every figure of the course, in one style. Nothing is computed here: each function draws what it is handed.

Each returns a :class:`Drawing`: the figure, and alt text that is made from the same data. ``show`` puts it on the page.
"""

from s12lib.viz.canvas import NARROW, WIDE, Drawing, png, show
from s12lib.viz.curves import bars, histograms, learning_curves, lines, reliability
from s12lib.viz.grids import confusion_matrix, image_grid, image_rows, shape_walk
from s12lib.viz.heatmaps import heatmap_table
from s12lib.viz.optimisation import descent, lr_sweeps
from s12lib.viz.speed import intervals, paired_bars, roofline

__all__ = [
    "NARROW",
    "WIDE",
    "Drawing",
    "bars",
    "confusion_matrix",
    "descent",
    "heatmap_table",
    "histograms",
    "image_grid",
    "image_rows",
    "intervals",
    "learning_curves",
    "lines",
    "lr_sweeps",
    "paired_bars",
    "png",
    "reliability",
    "roofline",
    "shape_walk",
    "show",
]  # fmt: skip

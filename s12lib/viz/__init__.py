"""Every figure of the course, in one style. Nothing is computed here: each function draws what it is handed.

Each returns a :class:`Drawing`: the figure, and alt text that is made from the same data. ``show`` puts it on the page.
Names load on first use, since the app needs a word or two from here, and Matplotlib takes a while to import.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from s12lib.viz.canvas import NARROW, WIDE, Drawing, png, show
    from s12lib.viz.curves import bars, histograms, learning_curves, lines, reliability
    from s12lib.viz.grids import confusion_matrix, image_grid, image_rows, shape_walk
    from s12lib.viz.heatmaps import heatmap_table
    from s12lib.viz.optimisation import descent, lr_sweeps
    from s12lib.viz.speed import intervals, paired_bars, roofline

_NAMES = {
    "canvas": ("NARROW", "WIDE", "Drawing", "png", "show"),
    "curves": ("bars", "histograms", "learning_curves", "lines", "reliability"),
    "grids": ("confusion_matrix", "image_grid", "image_rows", "shape_walk"),
    "heatmaps": ("heatmap_table",),
    "optimisation": ("descent", "lr_sweeps"),
    "speed": ("intervals", "paired_bars", "roofline"),
}
_HOME = {name: module for module, names in _NAMES.items() for name in names}
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


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(import_module(f"s12lib.viz.{_HOME[name]}"), name)
    raise AttributeError(f"module 's12lib.viz' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__

"""What every figure stands on: the style, the two widths, a title above, the dataset's name below it, and alt text.

Lengths are in pixels at 100 dpi; figures are saved at twice that, so an image enlarged by ``k`` has ``2k`` a pixel.
A wide figure is shown 360 pixels wide on a phone: its 12 points, 16.7 pixels, are 11 there.
"""

import functools
import io
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, ParamSpec

import matplotlib as mpl
import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import Bbox

STYLE = Path(__file__).with_name("course.mplstyle")
WIDE, NARROW = 540, 480  # the only two widths
INK, GREY = "#222222", "#555555"
MARGIN = 8

P = ParamSpec("P")


class Drawing(NamedTuple):
    """A figure, and what somebody who does not see it should be told."""

    figure: Figure
    alt: str


def png(figure: Figure) -> bytes:
    """The figure as a PNG on opaque white, two pixels for one."""
    with mpl.style.context(STYLE), io.BytesIO() as file:
        figure.savefig(file, format="png", metadata={"Software": None})
        return file.getvalue()


def show(drawing: Drawing) -> None:
    """Display a drawing in a notebook, its alt text with it."""
    from IPython.display import Image, display

    width = round(drawing.figure.get_figwidth() * 100)
    told = {"alt": drawing.alt, "images": image_boxes(drawing.figure)}  # no Image(alt=...): Colab's is IPython 7
    display(Image(png(drawing.figure), format="png", width=width, metadata=told))


def image_boxes(figure: Figure) -> list[list[float]]:
    """``[left, top, right, bottom]`` of each image and colour bar, in shares of the figure: what a dark page keeps."""
    keep = [axes for axes in figure.axes if axes.images or axes.get_label() == "<colorbar>"]
    corners = [[float(x) for x in axes.get_position().extents] for axes in keep]
    return [[round(value, 4) for value in (left, 1 - high, right, 1 - low)] for left, low, right, high in corners]


def styled(draw: Callable[P, Drawing]) -> Callable[P, Drawing]:
    @functools.wraps(draw)
    def draw_in_style(*args: P.args, **kwargs: P.kwargs) -> Drawing:
        with mpl.style.context(STYLE):
            return draw(*args, **kwargs)

    return draw_in_style


def canvas(width: int, body: int, title: str, dataset: str) -> tuple[Figure, int]:
    """An empty figure with its title and, below, its dataset; and how far down these reach."""
    lines, caption = textwrap.wrap(title, width // 13), textwrap.wrap(dataset, width // 9 - 2)
    below_title = MARGIN + 26 * len(lines) + 2
    head = below_title + 20 * len(caption) + 4
    figure = Figure(figsize=(width / 100, (head + body + MARGIN) / 100))
    height = head + body + MARGIN
    heading: dict[str, Any] = {"va": "top", "weight": "bold", "size": 15, "color": INK, "linespacing": 1.25}
    figure.text(MARGIN / width, 1 - MARGIN / height, "\n".join(lines), **heading)
    small: dict[str, Any] = {"va": "top", "size": 12, "color": GREY, "linespacing": 1.2}
    figure.text(MARGIN / width, 1 - below_title / height, "\n".join(caption), **small)
    return figure, head


def panel(figure: Figure, left: int, top: int, width: int, height: int) -> Axes:
    full_width, full_height = (round(100 * inches) for inches in figure.get_size_inches())
    return figure.add_axes(
        (left / full_width, 1 - (top + height) / full_height, width / full_width, height / full_height)
    )


def legend(axes: Axes) -> None:
    """A legend that hides no curve and no dot. Where there is no room for it, the axis goes on above what is drawn.

    Call it last: what is drawn or scaled later may come under it.
    """
    for _ in range(12):
        box = axes.legend()
        axes.figure.draw_without_rendering()  # type: ignore[union-attr]
        if not any(_passes(line, box.get_window_extent()) for line in axes.lines):
            return
        above = axes.transAxes.transform((0, 1.1))
        axes.set_ylim(top=axes.transData.inverted().transform(above)[1])


def _passes(line: Line2D, box: Bbox) -> bool:
    drawn = line.get_transform().transform_path(line.get_path())
    if line.get_linestyle() == "None":
        return box.count_contains(drawn.vertices) > 0
    return drawn.intersects_bbox(box, filled=False)


def show_image(figure: Figure, image: Any, left: int, top: int, side: int, **kwargs: Any) -> Axes:
    """An image whose side, at twice the pixels, is a multiple of its own, so that its pixels are clean squares."""
    pixels = np.asarray(image)
    if 2 * side % pixels.shape[0]:
        raise ValueError(f"twice the side must be a multiple of {pixels.shape[0]}, the image's own, but side is {side}")
    axes = panel(figure, left, top, side, side)
    axes.imshow(pixels, interpolation="nearest", **kwargs)
    axes.set_axis_off()
    return axes

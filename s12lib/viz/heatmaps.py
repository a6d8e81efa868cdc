"""Figures of heatmaps on images, place by place."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from s12lib.viz.canvas import INK, MARGIN, WIDE, Drawing, canvas, panel, show_image, styled
from s12lib.viz.words import hottest_place

GAP, LINE, SCALE_HEIGHT = 5, 21, 52


@styled
def heatmap_table(
    images: Any,
    maps: Mapping[str, Any],
    notes: Sequence[Sequence[str]],
    title: str,
    dataset: str,
    opacities: Sequence[float] | None = None,
    across: int = 1,
    meaning: str = "heat: 1 is the hottest place of each map",
) -> Drawing:
    """Images, each with its heatmaps to the right of it, all on one scale from 0 to 1; ``across`` images a row.

    ``images (n, 32, 32, 3)`` uint8 RGB. ``maps``: ``{column's name: (n, h, h) in [0, 1]}``, h a divisor of 32; each
    place is drawn as the square of pixels that it stands for, so that a 4 × 4 map is seen to be one. A column may also
    be images, shaped as ``images``: what became of each. ``notes[i]`` are the texts below image i and its maps.
    ``opacities`` are the columns'; below 1 the image shines through, and the colours are no longer quite the scale's.
    ``meaning`` stands beside the colour bar. Raises ValueError for a map outside [0, 1], or of a side not as above.
    """
    arrays = {name: _checked(name, given, len(images)) for name, given in maps.items()}
    columns, rows = len(arrays) + 1, -(-len(images) // across)
    room = WIDE - 2 * MARGIN + GAP - (across - 1) * 3 * GAP
    side = min(160, 16 * ((room // (across * columns) - GAP) // 16))
    head = LINE * max(name.count("\n") + 1 for name in arrays) + GAP
    line = LINE * max(note.count("\n") + 1 for texts in notes for note in texts) + 2 * GAP
    group = (WIDE - 2 * MARGIN + 3 * GAP) // across if across > 1 else 0
    figure, top = canvas(WIDE, head + rows * (side + line) + SCALE_HEIGHT, title, dataset)
    for k, (image, texts) in enumerate(zip(images, notes, strict=True)):
        x, y = MARGIN + (k % across) * group, top + head + (k // across) * (side + line)
        shown = [image, *(image if each.ndim == 3 else each[k] for each in arrays.values())]
        panels = [show_image(figure, each, x + column * (side + GAP), y, side) for column, each in enumerate(shown)]
        for axes, heat, opacity in zip(panels[1:], arrays.values(), opacities or [1] * len(arrays), strict=True):
            if heat.ndim == 3:
                axes.imshow(
                    heat[k], vmin=0, vmax=1, alpha=opacity, interpolation="nearest", extent=(-0.5, 31.5, 31.5, -0.5)
                )
        for axes, text in zip(panels, texts, strict=True):
            _write(axes, text, 0, -4 / side, "top")
        if k < across:
            for axes, name in zip(panels, ["image", *arrays], strict=True):
                _write(axes, name, 0, 1 + 7 / side, "baseline")
    _colour_bar(figure, top + head + rows * (side + line) + GAP, meaning)
    told = "; ".join(_tell(k, texts, arrays) for k, texts in enumerate(notes))
    return Drawing(figure, f"{title} ({dataset}) Images, each beside its heatmaps: {told}.")


def _checked(name: str, maps: Any, count: int) -> np.ndarray:
    if np.shape(maps) == (count, 32, 32, 3):
        return np.asarray(maps)
    heat = np.asarray(maps, dtype=np.float64)
    if heat.ndim != 3 or len(heat) != count or heat.shape[1] != heat.shape[2] or 32 % heat.shape[1]:
        raise ValueError(f"maps[{name!r}] must have shape ({count}, h, h), h a divisor of 32, but it is {heat.shape}.")
    if not ((heat >= 0) & (heat <= 1)).all():  # also refuses nan
        raise ValueError(f"maps[{name!r}] must lie between 0 and 1: divide it by its maximum.")
    return heat


def _write(axes: Axes, text: str, x: float, y: float, va: str) -> None:
    style: dict[str, Any] = {
        "size": 12,
        "linespacing": 1.25,
        "color": INK,
        "parse_math": False,
    }  # a file's name may have a dollar sign
    axes.text(x, y, text, transform=axes.transAxes, ha="left", va=va, **style)


def _colour_bar(figure: Figure, top: int, meaning: str) -> None:
    bar = panel(figure, MARGIN + 10, top, 120, 14)
    figure.colorbar(ScalarMappable(Normalize(0, 1)), cax=bar, orientation="horizontal", ticks=[0, 0.5, 1])
    bar.set_label("<colorbar>")  # as matplotlib calls those that it makes room for itself
    bar.text(1.08, 0.5, meaning, transform=bar.transAxes, va="center", size=12, color=INK)


def _tell(k: int, texts: Sequence[str], arrays: Mapping[str, np.ndarray]) -> str:
    """What somebody who does not see it should know of image k: its note, and where each of its maps is hottest."""
    notes = [text.replace("\n", " ") for text in texts]
    hot = [
        f"{name.replace(chr(10), ' ')}{f' ({note})' if note else ''}"
        + (f" hottest {hottest_place(heat[k])}" if heat.ndim == 3 else "")
        for (name, heat), note in zip(arrays.items(), notes[1:], strict=True)
    ]
    return f"{notes[0] or f'image {k + 1}'}: {', '.join(hot)}"

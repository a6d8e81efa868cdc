"""Figures made of pictures and tables: rows and grids of images, a confusion matrix, a network's shapes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.patches import Rectangle

from s12lib.viz.canvas import INK, MARGIN, NARROW, WIDE, Drawing, canvas, panel, picture, styled


@styled
def image_rows(rows: Mapping[str, Any], title: str, dataset: str, scale: int = 2) -> Drawing:
    """Rows of pictures, each with its name on the left: ``{name: (n, 32, 32, 3) uint8 RGB}``."""
    side, gap, names = 32 * scale, 6, 132
    count = max(len(images) for images in rows.values())
    width = NARROW if names + count * (side + gap) <= NARROW else WIDE
    figure, top = canvas(width, len(rows) * (side + gap), title, dataset)
    height = round(100 * figure.get_figheight())
    for k, (name, images) in enumerate(rows.items()):
        y = top + k * (side + gap)
        figure.text(MARGIN / width, 1 - (y + side / 2) / height, name, va="center", size=12, linespacing=1.3)
        for column, image in enumerate(images):
            picture(figure, image, names + column * (side + gap), y, side)
    listed = ", ".join(name.replace("\n", " ") for name in rows)
    return Drawing(figure, f"{title} ({dataset}) Rows of up to {count} pictures, from top to bottom: {listed}.")


@styled
def image_grid(images: Any, labels: Sequence[str], title: str, dataset: str, columns: int = 5) -> Drawing:
    """Pictures in a grid, each with a line of text below: ``images (n, 32, 32, 3)`` uint8 RGB or float in [0, 1]."""
    gap, line = 12, 18 + 18 * max(label.count("\n") for label in labels) + 8
    side = 32 * ((WIDE - 2 * MARGIN + gap) // columns // 32)
    step = (WIDE - 2 * MARGIN - side) // (columns - 1)
    rows = -(-len(images) // columns)
    figure, top = canvas(WIDE, rows * (side + line), title, dataset)
    for k, (image, label) in enumerate(zip(images, labels, strict=True)):
        row, column = divmod(k, columns)
        axes = picture(figure, image, MARGIN + column * step, top + row * (side + line), side)
        axes.text(0.5, -3 / side, label, transform=axes.transAxes, ha="center", va="top", size=12)
    listed = ", ".join(label.replace("\n", " ") for label in labels)
    return Drawing(figure, f"{title} ({dataset}) {len(labels)} pictures: {listed}.")


@styled
def confusion_matrix(counts: Any, classes: Sequence[str], title: str, dataset: str) -> Drawing:
    """``counts (c, c)``: row = true class, column = predicted class. Colour marks mistakes only."""
    matrix = np.asarray(counts)
    size = len(classes)
    turned = max(map(len, classes)) > 2
    figure, top = canvas(WIDE, 680 if turned else 630, title, dataset)
    axes = panel(figure, 142, top + 4, 560, 560)  # on the left there is room for "automobile" and the axis's name
    wrong = np.where(np.eye(size, dtype=bool), 0, matrix)
    axes.imshow(wrong, cmap="Blues", vmin=0, aspect="auto")
    for row, column in np.ndindex(size, size):
        dark = wrong[row, column] > 0.6 * max(wrong.max(), 1)
        weight = "bold" if row == column else "normal"
        text = f"{matrix[row, column]:,}"
        axes.text(column, row, text, ha="center", va="center", size=12, weight=weight, color="white" if dark else INK)
    axes.set_xticks(range(size), classes, rotation=45 if turned else 0, ha="right" if turned else "center")
    axes.set_yticks(range(size), classes)
    axes.set(xlabel="predicted", ylabel="true")
    axes.grid(visible=False)
    worst = sorted(np.ndindex(size, size), key=lambda at: -wrong[at])[:3]
    told = "; ".join(f"{wrong[r, c]} of {classes[r]} taken for {classes[c]}" for r, c in worst)
    return Drawing(figure, f"{title} ({dataset}) A table of true against predicted classes. Most often: {told}.")


@styled
def shape_walk(steps: Sequence[tuple[str, int, int, int]], title: str, dataset: str) -> Drawing:
    """A picture's way through a network: ``(name, channels, side, parameters)`` for each stop, each drawn as a block.

    A block's height grows with the map's side, and its thickness with the number of channels.
    """
    figure, top = canvas(WIDE, 300, title, dataset)
    axes = panel(figure, MARGIN, top, WIDE - 2 * MARGIN, 300)
    pitch = (WIDE - 2 * MARGIN) / len(steps)
    axes.set(xlim=(0, WIDE - 2 * MARGIN), ylim=(0, 300))
    axes.set_axis_off()
    for k, (name, channels, side, parameters) in enumerate(steps):
        height, thickness = 14 + 5.2 * side, 6 + 3.4 * channels**0.5
        x, y = (k + 0.5) * pitch - thickness / 2, 190 - height / 2
        axes.add_patch(Rectangle((x, y), thickness, height, facecolor="#56B4E9", edgecolor=INK))
        shape = f"{channels}×{side}×{side}" if side > 1 else f"{channels}"
        for line, text in enumerate((name, shape, f"{parameters:,}" if parameters else "")):
            axes.text((k + 0.5) * pitch, 66 - 24 * line, text, ha="center", va="baseline", size=12)
    told = "; ".join(f"{n}: {c} channels of {s}×{s}, {p:,} parameters" for n, c, s, p in steps)
    return Drawing(figure, f"{title} ({dataset}) From left to right: {told}.")

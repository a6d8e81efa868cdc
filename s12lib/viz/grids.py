"""Figures made of images and tables: rows and grids of images, a confusion matrix, a network's shapes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.patches import Rectangle

from s12lib.viz.canvas import INK, MARGIN, NARROW, WIDE, Drawing, canvas, panel, show_image, styled


@styled
def image_rows(rows: Mapping[str, Any], title: str, dataset: str, scale: float = 2) -> Drawing:
    """Rows of images, each with its name on the left: ``{name: (n, 32, 32, 3) uint8 RGB}``.

    ``scale`` enlarges them, by halves, as far as the longest row has room for it.
    """
    gap, names = 4, 108
    count = max(len(images) for images in rows.values())
    side = min(round(32 * scale), 16 * (((WIDE - MARGIN - names + gap) // count - gap) // 16))
    width = NARROW if names + count * (side + gap) <= NARROW else WIDE
    figure, top = canvas(width, len(rows) * (side + gap), title, dataset)
    height = round(100 * figure.get_figheight())
    for k, (name, images) in enumerate(rows.items()):
        y = top + k * (side + gap)
        figure.text(MARGIN / width, 1 - (y + side / 2) / height, name, va="center", size=12, linespacing=1.3)
        for column, image in enumerate(images):
            show_image(figure, image, names + column * (side + gap), y, side)
    listed = ", ".join(name.replace("\n", " ") for name in rows)
    return Drawing(figure, f"{title} ({dataset}) Rows of up to {count} images, from top to bottom: {listed}.")


@styled
def image_grid(images: Any, labels: Sequence[str], title: str, dataset: str, columns: int = 5) -> Drawing:
    """Images in a grid, each with a line of text below: ``images (n, 32, 32, 3)`` uint8 RGB or float in [0, 1]."""
    gap, line = 8, 18 + 18 * max(label.count("\n") for label in labels) + 8
    side = 16 * (((WIDE - 2 * MARGIN + gap) // columns - gap) // 16)
    step = (WIDE - 2 * MARGIN - side) // (columns - 1)
    rows = -(-len(images) // columns)
    figure, top = canvas(WIDE, rows * (side + line), title, dataset)
    for k, (image, label) in enumerate(zip(images, labels, strict=True)):
        row, column = divmod(k, columns)
        axes = show_image(figure, image, MARGIN + column * step, top + row * (side + line), side)
        axes.text(0.5, -3 / side, label, transform=axes.transAxes, ha="center", va="top", size=12)
    listed = ", ".join(label.replace("\n", " ") for label in labels)
    return Drawing(figure, f"{title} ({dataset}) {len(labels)} images: {listed}.")


@styled
def confusion_matrix(counts: Any, classes: Sequence[str], title: str, dataset: str) -> Drawing:
    """``counts (c, c)``: row = true class, column = predicted class. Colour marks mistakes only."""
    matrix = np.asarray(counts)
    size = len(classes)
    turned = max(map(len, classes)) > 2
    figure, top = canvas(WIDE, 510 if turned else 460, title, dataset)
    axes = panel(figure, 142, top + 4, 390, 390)  # on the left there is room for "automobile" and the axis's name
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
    """An image's way through a network, a row for each stop: ``(name, channels, side, parameters)``.

    A block is as tall as the map's side, and wider with more channels; on the right, a bar as long as its parameters.
    """
    row, longest = 46, max(max(parameters for *_, parameters in steps), 1)
    figure, top = canvas(WIDE, row * len(steps), title, dataset)
    axes = panel(figure, 0, top, WIDE, row * len(steps))
    axes.set(xlim=(0, WIDE), ylim=(row * len(steps), 0))
    axes.set_axis_off()
    for k, (name, channels, side, parameters) in enumerate(steps):
        middle, height, thickness = (k + 0.5) * row, 6 + side, 6 + 3.4 * channels**0.5
        axes.add_patch(Rectangle((190 - thickness / 2, middle - height / 2), thickness, height, fc="#56B4E9", ec=INK))
        axes.text(MARGIN, middle, name, va="center", size=12)
        axes.text(240, middle, f"{channels}×{side}×{side}" if side > 1 else f"{channels}", va="center", size=12)
        if parameters:
            axes.barh(middle + 12, 160 * parameters / longest, 8, left=368, color="#D55E00")
            axes.text(368, middle - 6, f"{parameters:,}", va="center", size=12)
    told = "; ".join(f"{n}: {c} channels of {s}×{s}, {p:,} parameters" for n, c, s, p in steps)
    return Drawing(figure, f"{title} ({dataset}) From top to bottom: {told}.")

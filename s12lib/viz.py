"""Every figure of the course, in one style. Nothing is computed here: each function draws what it is handed.

Each returns a :class:`Drawing`: the figure, and alt text that is made from the same data. ``show`` puts it on the page.
Lengths are in pixels at 100 dpi; figures are saved at twice that, so an image enlarged by ``k`` has ``2k`` a pixel.
"""

import functools
import io
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, ParamSpec

import matplotlib as mpl
import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

STYLE = Path(__file__).with_name("course.mplstyle")
WIDE, NARROW = 720, 480  # the only two widths
RGB = ("#D55E00", "#009E73", "#0072B2")  # the channels red, green and blue, told apart with any colour vision
INK, GREY = "#222222", "#555555"
MARGIN = 8

P = ParamSpec("P")
Curve = tuple[Sequence[float], Sequence[float]]


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
    display(Image(png(drawing.figure), format="png", width=width, alt=drawing.alt))


def _styled(draw: Callable[P, Drawing]) -> Callable[P, Drawing]:
    @functools.wraps(draw)
    def styled(*args: P.args, **kwargs: P.kwargs) -> Drawing:
        with mpl.style.context(STYLE):
            return draw(*args, **kwargs)

    return styled


def _canvas(width: int, body: int, title: str, dataset: str) -> tuple[Figure, int]:
    """An empty figure with its title and, below, its dataset; and how far down these reach."""
    lines = textwrap.wrap(title, width // 13)
    head = MARGIN + 26 * len(lines) + 26
    figure = Figure(figsize=(width / 100, (head + body + MARGIN) / 100))
    height = head + body + MARGIN
    heading: dict[str, Any] = {"va": "top", "weight": "bold", "size": 15, "color": INK, "linespacing": 1.25}
    figure.text(MARGIN / width, 1 - MARGIN / height, "\n".join(lines), **heading)
    figure.text(MARGIN / width, 1 - (head - 24) / height, dataset, va="top", size=12, color=GREY)
    return figure, head


def _panel(figure: Figure, left: int, top: int, width: int, height: int) -> Axes:
    full_width, full_height = (round(100 * inches) for inches in figure.get_size_inches())
    return figure.add_axes(
        (left / full_width, 1 - (top + height) / full_height, width / full_width, height / full_height)
    )


def _picture(figure: Figure, image: Any, left: int, top: int, side: int, **kwargs: Any) -> Axes:
    """An image whose side in pixels is a whole multiple of its own, so that each of its pixels is a clean square."""
    pixels = np.asarray(image)
    if side % pixels.shape[0]:
        raise ValueError(f"side must be a multiple of {pixels.shape[0]}, the image's own, but it is {side}")
    axes = _panel(figure, left, top, side, side)
    axes.imshow(pixels, interpolation="nearest", **kwargs)
    axes.set_axis_off()
    return axes


def _thousands(axes: Axes, which: str = "y") -> None:
    getattr(axes, f"{which}axis").set_major_formatter(StrMethodFormatter("{x:,.0f}"))


@_styled
def image_rows(rows: Mapping[str, Any], title: str, dataset: str, scale: int = 2) -> Drawing:
    """Rows of pictures, each with its name on the left: ``{name: (n, 32, 32, 3) uint8 RGB}``."""
    side, gap, names = 32 * scale, 6, 132
    count = max(len(images) for images in rows.values())
    width = NARROW if names + count * (side + gap) <= NARROW else WIDE
    figure, top = _canvas(width, len(rows) * (side + gap), title, dataset)
    height = round(100 * figure.get_figheight())
    for k, (name, images) in enumerate(rows.items()):
        y = top + k * (side + gap)
        figure.text(MARGIN / width, 1 - (y + side / 2) / height, name, va="center", size=12, linespacing=1.3)
        for column, image in enumerate(images):
            _picture(figure, image, names + column * (side + gap), y, side)
    listed = ", ".join(name.replace("\n", " ") for name in rows)
    return Drawing(figure, f"{title} ({dataset}) Rows of up to {count} pictures, from top to bottom: {listed}.")


@_styled
def image_grid(images: Any, labels: Sequence[str], title: str, dataset: str, columns: int = 5) -> Drawing:
    """Pictures in a grid, each with a line of text below: ``images (n, 32, 32, 3)`` uint8 RGB or float in [0, 1]."""
    gap, line = 12, 18 + 18 * max(label.count("\n") for label in labels) + 8
    side = 32 * ((WIDE - 2 * MARGIN + gap) // columns // 32)
    step = (WIDE - 2 * MARGIN - side) // (columns - 1)
    rows = -(-len(images) // columns)
    figure, top = _canvas(WIDE, rows * (side + line), title, dataset)
    for k, (image, label) in enumerate(zip(images, labels, strict=True)):
        row, column = divmod(k, columns)
        axes = _picture(figure, image, MARGIN + column * step, top + row * (side + line), side)
        axes.text(0.5, -3 / side, label, transform=axes.transAxes, ha="center", va="top", size=12)
    listed = ", ".join(label.replace("\n", " ") for label in labels)
    return Drawing(figure, f"{title} ({dataset}) {len(labels)} pictures: {listed}.")


@_styled
def histograms(panels: Mapping[str, tuple[Any, Any]], title: str, dataset: str, ylabel: str) -> Drawing:
    """Red, green and blue as outlines, a panel each: ``{x label: (edges (3, b + 1), heights (3, b))}``."""
    figure, top = _canvas(WIDE, 290, title, dataset)
    width = (WIDE - 110 - 56 * (len(panels) - 1)) // len(panels)
    told = []
    for k, (xlabel, (edges, heights)) in enumerate(panels.items()):
        axes = _panel(figure, 90 + k * (width + 56), top + 8, width, 220)
        for colour, name, limits, height in zip(RGB, ("red", "green", "blue"), edges, heights, strict=True):
            axes.stairs(np.asarray(height), np.asarray(limits), color=colour, label=name, linewidth=2)
        axes.set(xlabel=xlabel, ylabel=ylabel if k == 0 else "")
        told.append(f"{xlabel}: from {float(edges.min()):.3g} to {float(edges.max()):.3g}")
    axes.legend()
    return Drawing(figure, f"{title} ({dataset}) Histograms of red, green and blue. {'; '.join(told)}.")


@_styled
def bars(values: Mapping[str, float], title: str, dataset: str, xlabel: str, form: str = "{:,.0f}") -> Drawing:
    """Horizontal bars, each with its number at its end."""
    figure, top = _canvas(WIDE, 34 * len(values) + 52, title, dataset)
    axes = _panel(figure, 190, top, WIDE - 290, 34 * len(values))
    drawn = axes.barh(list(values), list(values.values()), color="#0072B2", height=0.7)
    axes.bar_label(drawn, [form.format(value) for value in values.values()], padding=4, size=12)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(xlabel)
    listed = ", ".join(f"{name} {form.format(value)}" for name, value in values.items())
    return Drawing(figure, f"{title} ({dataset}) Bars, {xlabel}: {listed}.")


def _tell(name: str, curve: Curve) -> str:
    x, y = curve
    return f"{name} goes from {y[0]:.3g} at {x[0]:,.4g} to {y[-1]:.3g} at {x[-1]:,.4g}"


def _draw_curves(axes: Axes, curves: Mapping[str, Curve], marker: str = "") -> None:
    styles = ("-", "--", "-.", ":")
    for k, (name, (x, y)) in enumerate(curves.items()):
        axes.plot(x, y, styles[k % 4], label=name, marker=marker)
    if len(curves) > 1:
        axes.legend()


@_styled
def lines(
    curves: Mapping[str, Curve], title: str, dataset: str, xlabel: str, ylabel: str, log: bool = False, marker: str = ""
) -> Drawing:
    """Curves over one axis: ``{name: (x, y)}``; they differ in dashes as well as in colour."""
    figure, top = _canvas(WIDE, 380, title, dataset)
    axes = _panel(figure, 90, top + 8, WIDE - 120, 310)
    _draw_curves(axes, curves, marker)
    axes.set(xlabel=xlabel, ylabel=ylabel, yscale="log" if log else "linear")
    if all(isinstance(value, int) for x, _ in curves.values() for value in x):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))  # there is no run one and a half
    told = "; ".join(_tell(name, curve) for name, curve in curves.items())
    return Drawing(figure, f"{title} ({dataset}) {ylabel} over {xlabel}: {told}.")


@_styled
def learning_curves(rows: Sequence[Mapping[str, str]], title: str, dataset: str) -> Drawing:
    """Loss, accuracy and learning rate over one axis of steps, from the rows of a ``metrics.csv`` (``csv.DictReader``).

    What was noted once an epoch is drawn as dots on a line.
    """
    panels = {
        "loss": ("train_loss", "validation_loss"),
        "accuracy": ("train_accuracy", "validation_accuracy", "validation_accuracy_tta"),
        "learning rate": ("lr-SGD/pg1",),
    }
    curves: dict[str, dict[str, Curve]] = {}
    for ylabel, columns in panels.items():
        given = {
            c: [(float(row["step"]), float(row[c])) for row in rows if row.get(c) not in (None, "")] for c in columns
        }
        names = {c: c.replace("validation_accuracy_tta", "validation, flip TTA").split("_")[0] for c in columns}
        names["lr-SGD/pg1"] = "its"
        curves[ylabel] = {names[c]: ([x for x, _ in v], [y for _, y in v]) for c, v in given.items() if v}
    curves = {ylabel: drawn for ylabel, drawn in curves.items() if drawn}
    figure, top = _canvas(WIDE, 230 * len(curves) + 30, title, dataset)
    last = max(float(row["step"]) for row in rows)
    for k, (ylabel, drawn) in enumerate(curves.items()):
        axes = _panel(figure, 90, top + 8 + 230 * k, WIDE - 120, 200)
        _draw_curves(axes, drawn, marker="o" if len(next(iter(drawn.values()))[0]) < 40 else "")
        axes.set(ylabel=ylabel, xlim=(-0.02 * last, 1.02 * last))
        _thousands(axes, "x")
        axes.tick_params(labelbottom=ylabel == list(curves)[-1])
    axes.set_xlabel("step")
    told = "; ".join(_tell(f"{name} {ylabel}", c) for ylabel, drawn in curves.items() for name, c in drawn.items())
    return Drawing(figure, f"{title} ({dataset}) Over the steps of the run: {told}.")


@_styled
def confusion_matrix(counts: Any, classes: Sequence[str], title: str, dataset: str) -> Drawing:
    """``counts (c, c)``: row = true class, column = predicted class. Colour marks mistakes only."""
    matrix = np.asarray(counts)
    size = len(classes)
    figure, top = _canvas(WIDE, 680, title, dataset)
    axes = _panel(figure, 142, top + 4, 560, 560)  # on the left there is room for "automobile" and the axis's name
    wrong = np.where(np.eye(size, dtype=bool), 0, matrix)
    axes.imshow(wrong, cmap="Blues", vmin=0, aspect="auto")
    for row, column in np.ndindex(size, size):
        dark = wrong[row, column] > 0.6 * max(wrong.max(), 1)
        weight = "bold" if row == column else "normal"
        text = f"{matrix[row, column]:,}"
        axes.text(column, row, text, ha="center", va="center", size=12, weight=weight, color="white" if dark else INK)
    axes.set_xticks(range(size), classes, rotation=45, ha="right")
    axes.set_yticks(range(size), classes)
    axes.set(xlabel="predicted", ylabel="true")
    axes.grid(visible=False)
    worst = sorted(np.ndindex(size, size), key=lambda at: -wrong[at])[:3]
    told = "; ".join(f"{wrong[r, c]} of {classes[r]} taken for {classes[c]}" for r, c in worst)
    return Drawing(figure, f"{title} ({dataset}) A table of true against predicted classes. Most often: {told}.")


@_styled
def heatmap_gallery(
    images: Any, heatmaps: Any, predicted: Sequence[str], probabilities: Sequence[float], true: Sequence[str],
    title: str, dataset: str,
) -> Drawing:  # fmt: skip
    """Picture and heatmap side by side, two pairs a row, with the predicted class, its probability and the true class.

    ``images (n, 32, 32, 3)`` uint8 RGB, ``heatmaps (n, 32, 32)`` in [0, 1]; the colours mean the same in each.
    """
    side, step, line = 128, 136, 48
    rows = -(-len(images) // 2)
    figure, top = _canvas(WIDE, rows * (side + line), title, dataset)
    for k, (image, heatmap) in enumerate(zip(images, heatmaps, strict=True)):
        x, y = MARGIN + (k % 2) * (2 * step + 30), top + (k // 2) * (side + line)
        axes = _picture(figure, image, x, y, side)
        overlay = _picture(figure, image, x + step, y, side)
        overlay.imshow(np.asarray(heatmap), vmin=0, vmax=1, alpha=0.6, interpolation="nearest")
        text = f"{predicted[k]}, {probabilities[k]:.0%}\n(it is: {true[k]})"
        axes.text(0, -4 / side, text, transform=axes.transAxes, va="top", size=12, linespacing=1.3)
    scale = _panel(figure, WIDE - 80, top, 20, side)
    figure.colorbar(ScalarMappable(Normalize(0, 1)), cax=scale).set_label("heat", size=12)
    told = "; ".join(f"{p} at {q:.0%}, truly {t}" for p, q, t in zip(predicted, probabilities, true, strict=True))
    return Drawing(figure, f"{title} ({dataset}) Pictures, each beside itself with a heatmap on it: {told}.")


@_styled
def reliability(
    confidence: Sequence[float], accuracy: Sequence[float], count: Sequence[int], title: str, dataset: str
) -> Drawing:
    """Accuracy over confidence, a point a bin, the larger the more pictures are in it; the diagonal is honesty."""
    figure, top = _canvas(NARROW, 452, title, dataset)
    axes = _panel(figure, 84, top + 20, 370, 370)
    axes.plot([0, 1], [0, 1], "--", color=GREY, linewidth=1.5, label="confidence = accuracy")
    share = np.asarray(count) / max(int(np.sum(count)), 1)
    axes.plot(confidence, accuracy, color="#0072B2", linewidth=1, clip_on=False)
    axes.scatter(confidence, accuracy, s=20 + 600 * share, color="#0072B2", zorder=3, clip_on=False)
    axes.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.legend(loc="lower right")
    told = "; ".join(
        f"{c:.0%} confident, {a:.0%} right ({n:,})" for c, a, n in zip(confidence, accuracy, count, strict=True)
    )
    return Drawing(figure, f"{title} ({dataset}) Accuracy over confidence, bin by bin: {told}.")


@_styled
def shape_walk(steps: Sequence[tuple[str, int, int, int]], title: str, dataset: str) -> Drawing:
    """A picture's way through a network: ``(name, channels, side, parameters)`` for each stop, each drawn as a block.

    A block's height grows with the map's side, and its thickness with the number of channels.
    """
    figure, top = _canvas(WIDE, 300, title, dataset)
    axes = _panel(figure, MARGIN, top, WIDE - 2 * MARGIN, 300)
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

"""Figures: one style, two widths, clean pixels, opaque white, and alt text that follows from the data."""

import io

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from s12lib import viz
from s12lib.viz import canvas

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
CLASSES = ["cat", "dog", "ship"]
COUNTS = np.array([[90, 9, 1], [8, 91, 1], [0, 2, 98]])
ROWS = [
    {"step": "0", "lr-SGD/pg1": "0.1"},
    {"step": "86", "train_loss": "1.5", "train_accuracy": "0.4", "validation_accuracy": "0.5", "lr-SGD/pg1": "0.4"},
    {"step": "173", "train_loss": "0.9", "train_accuracy": "0.7", "validation_accuracy": "0.65", "lr-SGD/pg1": "0.0"},
]
DRAWINGS = {
    "image_rows": lambda: viz.image_rows({"one": IMAGES[:3], "two": IMAGES[3:]}, "Rows", "CIFAR-10"),
    "image_grid": lambda: viz.image_grid(IMAGES, list("abcdef"), "Grid", "CIFAR-10"),
    "histograms": lambda: viz.histograms(
        {"byte": (np.ones((3, 1)) * np.arange(5.0), np.ones((3, 4)))}, "Histogram", "CIFAR-10", "share"
    ),
    "bars": lambda: viz.bars({"prep": 1728.0, "head": 5120.0}, "Bars", "CIFAR-10", "parameters"),
    "lines": lambda: viz.lines({"a": ([0, 1], [1, 8]), "b": ([0, 1], [2, 3])}, "Lines", "CIFAR-10", "x", "y", log=True),
    "learning_curves": lambda: viz.learning_curves(ROWS, "Curves", "CIFAR-10"),
    "confusion_matrix": lambda: viz.confusion_matrix(COUNTS, CLASSES, "Cats are taken for dogs", "CIFAR-10"),
    "reliability": lambda: viz.reliability([0.3, 0.9], [0.2, 0.95], [10, 90], "Reliability", "CIFAR-10"),
    "shape_walk": lambda: viz.shape_walk([("prep", 64, 32, 1856), ("head", 10, 1, 5120)], "Walk", "CIFAR-10"),
}


@pytest.mark.parametrize(("x", "whole"), [([1, 2, 3, 4], True), ([1.0, 2.0, 2.5], False)])
def test_an_axis_of_whole_numbers_has_no_marks_between_them(x, whole):
    figure = viz.lines({"a": (x, [0.3] * len(x))}, "Runs", "no dataset", "run", "accuracy").figure
    figure.draw_without_rendering()
    assert all(float(tick).is_integer() for tick in figure.axes[0].get_xticks()) == whole


def nothing_touches_the_edge(drawn: np.ndarray) -> bool:
    return all((edge == 255).all() for edge in (drawn[0], drawn[-1], drawn[:, 0], drawn[:, -1]))


def pixels(drawing) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(viz.png(drawing.figure))).convert("RGBA"))


@pytest.mark.parametrize("name", DRAWINGS)
def test_figure_is_opaque_white_in_one_of_two_widths_and_names_its_dataset(name):
    drawing = DRAWINGS[name]()
    drawn = pixels(drawing)
    assert drawn.shape[1] in (2 * viz.WIDE, 2 * viz.NARROW)
    assert (drawn[..., 3] == 255).all()
    assert (drawn[0, :, :3] == 255).all()
    assert (drawn[:, -1, :3] == 255).all(), "something is cut off on the right"
    assert (drawn[:, 0, :3] == 255).all(), "something is cut off on the left"
    assert (drawn[-1, :, :3] == 255).all(), "something is cut off at the bottom"
    assert "CIFAR-10" in [text.get_text() for text in drawing.figure.texts]
    assert "(CIFAR-10)" in drawing.alt


@pytest.mark.parametrize("name", DRAWINGS)
def test_text_can_be_read_on_a_phone(name):
    """A wide figure is shown 360 pixels wide there, so that 12 points become 11 pixels."""
    assert 12 * 100 / 72 * 360 / viz.WIDE >= 11
    for text in DRAWINGS[name]().figure.findobj(lambda artist: hasattr(artist, "get_fontsize")):
        assert text.get_fontsize() >= 12 or not text.get_text()


@pytest.mark.parametrize("name", ["image_rows", "image_grid"])
def test_each_pixel_of_an_image_is_drawn_as_a_clean_square(name):
    drawing = DRAWINGS[name]()
    drawn = pixels(drawing)[..., :3]
    for axes, image in zip(drawing.figure.axes, IMAGES, strict=True):
        left, bottom, width, height = axes.get_window_extent().bounds
        x, y = round(2 * left), len(drawn) - round(2 * (bottom + height))
        scale, rest = divmod(round(2 * width), 32)
        assert rest == 0
        shown = drawn[y : y + 32 * scale, x : x + 32 * scale]
        assert np.array_equal(shown, np.kron(image, np.ones((scale, scale, 1), np.uint8)))


def test_image_whose_pixels_would_not_be_whole_ones_is_refused():
    with pytest.raises(ValueError, match="multiple of 32"):
        canvas.show_image(Figure(), IMAGES[0], 0, 0, 100)


def test_alt_text_follows_the_data():
    assert "from top to bottom: one, two" in DRAWINGS["image_rows"]().alt
    assert "a: 1 at 0, 8 at 1; b: 2 at 0, 3 at 1" in DRAWINGS["lines"]().alt
    assert "prep 1,728, head 5,120" in DRAWINGS["bars"]().alt
    assert (
        "9 of cat taken for dog; 8 of dog taken for cat; 2 of ship taken for dog" in DRAWINGS["confusion_matrix"]().alt
    )
    assert "90% confident, 95% right (90)" in DRAWINGS["reliability"]().alt
    assert "prep: 64 channels of 32×32, 1,856 parameters" in DRAWINGS["shape_walk"]().alt
    assert "train accuracy: 0.4 at 86, 0.7 at 173" in DRAWINGS["learning_curves"]().alt


@pytest.mark.parametrize(
    "draw",
    [
        lambda caption: viz.confusion_matrix(COUNTS, CLASSES, "Wide", caption),
        lambda caption: viz.reliability([0.3, 0.9], [0.2, 0.95], [10, 90], "Narrow", caption),
    ],
)
def test_long_captions_are_wrapped_and_cut_off_nowhere(draw):
    caption = "How much each pixel moves one middle place, on average, of 16 test images of CIFAR-10; " * 2
    drawing = draw(caption)
    drawn = pixels(drawing)[..., :3]
    assert nothing_touches_the_edge(drawn)
    assert caption.strip() in " ".join(text.get_text().replace("\n", " ") for text in drawing.figure.texts)


def test_long_class_names_leave_room_for_the_name_of_their_axis():
    drawing = viz.confusion_matrix(COUNTS, ["automobile", "airplane", "ship"], "Planes", "CIFAR-10")
    drawn = pixels(drawing)[..., :3]
    ink = (drawn[200:1300] < 128).any(2).any(0)  # beside the matrix, below the title
    assert not ink[: 2 * canvas.MARGIN].any()


def test_point_at_full_accuracy_is_drawn_whole():
    drawn = pixels(viz.reliability([0.5], [1.0], [100], "Always right", "CIFAR-10"))[..., :3].astype(int)
    rows = np.nonzero((abs(drawn - (0, 0x72, 0xB2)) < 8).all(2).any(1))[0]
    columns = np.nonzero((abs(drawn - (0, 0x72, 0xB2)) < 8).all(2).any(0))[0]
    assert abs(np.ptp(rows) - np.ptp(columns)) <= 2


def test_curves_without_a_validation_split_are_drawn_all_the_same():
    rows = [{name: value for name, value in row.items() if "validation" not in name} for row in ROWS]
    assert "validation" not in viz.learning_curves(rows, "Curves", "CIFAR-10").alt


def test_drawing_leaves_matplotlibs_settings_alone():
    before = dict(mpl.rcParams)
    viz.png(DRAWINGS["lines"]().figure)
    assert dict(mpl.rcParams) == before


def test_show_hands_alt_text_and_width_to_the_notebook(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    viz.show(DRAWINGS["lines"]())
    data, metadata = shown[0]._repr_mimebundle_()
    assert metadata["image/png"]["width"] == viz.WIDE
    assert metadata["image/png"]["alt"] == DRAWINGS["lines"]().alt
    assert list(data) == ["image/png"]


def test_show_asks_no_more_of_ipython_than_colab_has(monkeypatch):
    """Colab's is 7.34, whose ``Image`` knows no ``alt``."""
    known = {"data", "url", "filename", "format", "embed", "width", "height", "retina", "unconfined", "metadata"}
    given = []
    monkeypatch.setattr("IPython.display.Image", lambda data, **named: given.append(named))
    monkeypatch.setattr("IPython.display.display", lambda image: None)
    viz.show(DRAWINGS["lines"]())
    assert set(given[0]) <= known

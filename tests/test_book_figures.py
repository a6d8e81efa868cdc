"""Figures on a dark page: light and dark change places, hues stay, and images are left alone."""

import importlib.util

import numpy as np
import pytest
from lesson_outputs import ROOT

from s12lib import viz
from s12lib.viz.canvas import image_boxes


@pytest.fixture(scope="module")
def figures():
    spec = importlib.util.spec_from_file_location("figures", ROOT / "book/figures.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_white_becomes_the_pages_ground_and_black_becomes_white(figures):
    white, black = np.full((1, 1, 3), 255, np.uint8), np.zeros((1, 1, 3), np.uint8)
    assert (figures.darkened(white, []) == figures.GROUND).all()
    assert (figures.darkened(black, []) == 255).all()


def test_colours_keep_their_order_so_that_blue_stays_blue(figures):
    red, green, blue = figures.darkened(np.array([[[0, 114, 178]]], np.uint8), [])[0, 0]
    assert red < green < blue
    assert blue > 200


def test_images_in_a_figure_are_left_alone(figures):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3)).astype(np.uint8)
    dark = figures.darkened(pixels, [[0.5, 0.25, 1, 0.75]])
    assert np.array_equal(dark[10:30, 30:], pixels[10:30, 30:])
    assert not np.array_equal(dark[10:30, :30], pixels[10:30, :30])


def test_figure_tells_where_its_images_are_and_where_the_colour_bar_is():
    images = np.zeros((2, 32, 32, 3), np.uint8)
    table = viz.heatmap_table(images, {"map": np.ones((2, 4, 4))}, [["a", "b"]] * 2, "Title", "CIFAR-10")
    boxes = image_boxes(table.figure)
    assert len(boxes) == 5  # two images, two maps, one colour bar
    for left, top, right, bottom in boxes:
        assert 0 <= left < right <= 1
        assert 0 <= top < bottom <= 1
    assert image_boxes(viz.lines({"a": ([0, 1], [0, 1])}, "Lines", "no dataset", "x", "y").figure) == []

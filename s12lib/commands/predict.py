"""``s12 predict``: what is in images."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from s12lib.commands import WEIGHTS
from s12lib.files import user_path

if TYPE_CHECKING:
    import torch

ABOUT = "say what is in images"
EXAMPLE = "s12 predict cat.jpg --top 3"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("images", nargs="+", type=user_path, metavar="IMAGE", help="image files of any size")
    parser.add_argument("--weights", **WEIGHTS)
    parser.add_argument("--top", type=int, choices=range(1, 11), default=3, help="how many classes to print, 1 to 10")


def run(options: Namespace) -> None:
    import numpy as np

    from s12lib.data.image_files import read_image
    from s12lib.inference import predict
    from s12lib.weights.pretrained import class_names, load_weights, read_card, weights_path

    weights = weights_path(options.weights)
    images = np.stack([read_image(path) for path in options.images])
    probabilities = predict(load_weights(weights), images)
    print_top(options.images, probabilities, options.top, class_names(read_card(weights)))


def print_top(paths: list[Path], probabilities: "torch.Tensor", count: int, classes: tuple[str, ...]) -> None:
    """A line an image: the most likely classes, each with its probability."""
    from s12lib.data.image_files import display_name
    from s12lib.errors import cleaned

    for path, row in zip(paths, probabilities, strict=True):
        top = row.topk(min(count, len(classes)))
        answer = ", ".join(
            f"{cleaned(classes[i])} {p:.1%}" for p, i in zip(top.values.tolist(), top.indices.tolist(), strict=True)
        )
        print(f"{display_name(path.name)}: {answer}")

"""Measures how well the network tells unfamiliar images from familiar ones, and from where on the app warns.

The threshold is the score that FALSE_WARNING_RATE of the familiar images fall below: the field's custom of judging
such scores where 95 % of the familiar images pass. Which score is taken is measured, too: the one that best tells
familiar images from four kinds of drawn ones. Images that the network was trained on look more familiar than new
ones, so weights that were trained on everything get their threshold from every other image of the test set, which is
a look at it, and the rest of the test set says how often a warning is needless.
"""

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from s12lib.app.familiarity import SCORES
from s12lib.data.cifar10 import CLASSES
from s12lib.data.image_files import to_32x32
from s12lib.data.shapes import draw_shapes
from s12lib.datamodule import Shapes, dataset_of
from s12lib.errors import CourseError
from s12lib.files import atomic_write
from s12lib.inference import logits_of
from s12lib.schemas import Card, check
from s12lib.weights.pretrained import WeightsError, load_weights, read_card

FALSE_WARNING_RATE = 0.05  # of the validation images; so many needless warnings buy the others


def unfamiliar_images(count: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Images of nothing that CIFAR-10 knows: four kinds, each ``(count, 32, 32, 3)`` uint8, the same for a seed."""
    rng = np.random.default_rng(seed)
    colours = rng.integers(0, 256, (count, 1, 1, 3), dtype=np.uint8)
    return {
        "drawn shapes": draw_shapes(count, seed, "validation")[0],
        "noise": rng.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8),
        "text": np.stack([to_32x32(page_of_text(rng)) for _ in range(count)]),
        "flat colours": np.broadcast_to(colours, (count, 32, 32, 3)).copy(),
    }


def page_of_text(rng: np.random.Generator, side: int = 192) -> Image.Image:
    """A page of words in print of any size, dark on light or light on dark, ``side × side`` RGB."""
    paper, ink = (255, 0) if rng.random() < 0.5 else (0, 255)
    page = Image.new("RGB", (side, side), (paper,) * 3)
    size = int(rng.integers(10, 40))
    for top in range(4, side, round(1.3 * size)):
        line = " ".join(rng.choice(CLASSES, 8))
        ImageDraw.Draw(page).text((4, top), line, fill=(ink,) * 3, font=ImageFont.load_default(size))
    return page


def pieces_of_photographs(count: int, seed: int = 0) -> np.ndarray:
    """Squares out of three photographs of nothing that CIFAR-10 knows: ``(count, 32, 32, 3)`` uint8.

    A temple and a flower of scikit-learn's, a face of Matplotlib's. They choose nothing: they say how the warning does
    on what it was not chosen on.
    """
    rng, photographs = np.random.default_rng(seed), []
    for package, name in (
        ("sklearn.datasets.images", "china.jpg"),
        ("sklearn.datasets.images", "flower.jpg"),
        ("matplotlib", "mpl-data/sample_data/grace_hopper.jpg"),
    ):
        with files(package).joinpath(name).open("rb") as file:
            photographs.append(Image.open(file).convert("RGB"))
    pieces = []
    for number in range(count):
        whole = photographs[number % len(photographs)]
        side = int(rng.integers(150, 420))
        left, top = (int(rng.integers(0, length - side + 1)) for length in whole.size)
        pieces.append(to_32x32(whole.crop((left, top, left + side, top + side))))
    return np.stack(pieces)


def auroc(familiar: torch.Tensor, unfamiliar: torch.Tensor) -> float:
    """How often a familiar image scores above an unfamiliar one (a tie counts half): 0.5 is chance, 1 is perfect."""
    above = (familiar[:, None] > unfamiliar).double() + 0.5 * (familiar[:, None] == unfamiliar)
    return above.mean().item()


def measure_familiarity(familiar: torch.Tensor, unfamiliar: dict[str, torch.Tensor]) -> dict[str, Any]:
    """The best score and its threshold, from the logits ``(N, C)`` of familiar images and of unfamiliar ones.

    Raises CourseError for logits that are not finite, of which no threshold can be made.
    """
    if not all(logits.isfinite().all() for logits in (familiar, *unfamiliar.values())):
        raise CourseError("The weights answer some images with NaN or infinity: no threshold can be chosen for them.")
    separation = {
        name: {kind: auroc(score(familiar), score(logits)) for kind, logits in unfamiliar.items()}
        for name, score in SCORES.items()
    }
    best = max(separation, key=lambda name: sum(separation[name].values()))
    threshold = SCORES[best](familiar).double().quantile(FALSE_WARNING_RATE).item()
    return {"score": best, "threshold": threshold, "auroc": separation}


def warned(logits: torch.Tensor, measured: dict[str, Any]) -> float:
    """The share of the images with these logits ``(N, C)`` that would be warned of."""
    return (SCORES[measured["score"]](logits).double() < measured["threshold"]).double().mean().item()


def write_familiarity(weights: Path, count: int = 250) -> dict[str, Any]:
    """Measure score and threshold for a file of weights, write them into its card, and return what was written.

    ``count`` is how many unfamiliar images of each kind are taken. Raises WeightsError, DataError or CourseError.
    """
    network, card = load_weights(weights), read_card(weights)
    held_out = ("validation_size", "validation_share")  # there must be a split to choose on, also after a run on all
    settings = {key: value for key, value in (card.get("data") or {}).items() if key not in held_out}
    data = dataset_of(card | {"data": settings})
    data.setup("test")
    images, labels = data.splits["test"][:2]
    test = logits_of(network, images)
    right = test.argmax(1) == labels
    trained_on_all = data.name != Shapes.name and card["train_images"] > len(data.splits["train"].labels)
    if trained_on_all:
        chosen_on, split, test, right = test[::2], "test, every other image", test[1::2], right[1::2]
    else:
        chosen_on, split = logits_of(network, data.splits["validation"].images), "validation"
    kinds = {
        kind: logits_of(network, images)
        for kind, images in unfamiliar_images(count).items()
        if not (kind == "drawn shapes" and data.name == Shapes.name)
    }
    measured: Any = measure_familiarity(chosen_on, kinds)
    measured["chosen_on"] = {
        "dataset": data.name, "split": split, "images": len(chosen_on), "seen_in_training": False,
    }  # fmt: skip
    photographs = {"pieces of three photographs": logits_of(network, pieces_of_photographs(count))}
    measured["warned"] = {name: warned(part, measured) for name, part in ({"test": test} | kinds | photographs).items()}
    below = SCORES[measured["score"]](test).double() < measured["threshold"]
    measured["warned_and_right"] = right[below].double().mean().item() if below.any() else 0.0
    card["familiarity"] = measured
    check(card, Card, weights.with_suffix(".json"), WeightsError)  # a threshold of NaN, for one, is none
    atomic_write(weights.with_suffix(".json"), (json.dumps(card, indent=2) + "\n").encode())
    return measured

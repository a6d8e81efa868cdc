"""Measures how well the network tells unfamiliar pictures from familiar ones, and from where on the app warns.

The threshold is the score that FALSE_WARNING_RATE of the validation pictures fall below: the field's custom of judging
such scores where 95 % of the familiar pictures pass. Which score is taken is measured, too: the one that best tells
validation pictures from four kinds of drawn ones. The test set chooses nothing; it only says how many of its pictures
are warned of, since validation pictures may have been trained on, and then look more familiar than new ones.
"""

import json
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
from s12lib.files import atomic_write
from s12lib.inference import logits_of
from s12lib.weights.pretrained import load_weights, read_card

FALSE_WARNING_RATE = 0.05  # of the validation pictures; so many needless warnings buy the others


def unfamiliar_pictures(count: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Pictures of nothing that CIFAR-10 knows: four kinds, each ``(count, 32, 32, 3)`` uint8, the same for a seed."""
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


def auroc(familiar: torch.Tensor, unfamiliar: torch.Tensor) -> float:
    """How often a familiar picture scores above an unfamiliar one (a tie counts half): 0.5 is chance, 1 is perfect."""
    above = (familiar[:, None] > unfamiliar).double() + 0.5 * (familiar[:, None] == unfamiliar)
    return above.mean().item()


def measure_familiarity(validation: torch.Tensor, unfamiliar: dict[str, torch.Tensor]) -> dict[str, Any]:
    """The best score and its threshold, from the logits ``(N, C)`` of validation pictures and of unfamiliar ones."""
    separation = {
        name: {kind: auroc(score(validation), score(logits)) for kind, logits in unfamiliar.items()}
        for name, score in SCORES.items()
    }
    best = max(separation, key=lambda name: sum(separation[name].values()))
    threshold = SCORES[best](validation).double().quantile(FALSE_WARNING_RATE).item()
    return {"score": best, "threshold": threshold, "auroc": separation}


def warned(logits: torch.Tensor, measured: dict[str, Any]) -> float:
    """The share of the pictures with these logits ``(N, C)`` that would be warned of."""
    return (SCORES[measured["score"]](logits).double() < measured["threshold"]).double().mean().item()


def write_familiarity(weights: Path, count: int = 1000) -> dict[str, Any]:
    """Measure score and threshold for a file of weights, write them into its card, and return what was written.

    ``count`` is how many unfamiliar pictures of each kind are drawn. Raises WeightsError, DataError or CourseError.
    """
    network, card = load_weights(weights), read_card(weights)
    held_out = ("validation_size", "validation_share")  # there must be a split to choose on, also after a run on all
    settings = {key: value for key, value in (card.get("data") or {}).items() if key not in held_out}
    data = dataset_of(card | {"data": settings})
    data.setup("test")
    splits = {name: data.splits[name].images for name in ("validation", "test")}
    logits = {name: logits_of(network, images) for name, images in splits.items()}
    kinds = {
        kind: logits_of(network, images)
        for kind, images in unfamiliar_pictures(count).items()
        if not (kind == "drawn shapes" and data.name == Shapes.name)
    }
    measured: Any = measure_familiarity(logits["validation"], kinds)
    measured["validation"] = {
        "dataset": data.name,
        "images": len(logits["validation"]),
        "seen_in_training": data.name != Shapes.name and card["train_images"] > len(data.splits["train"].labels),
    }
    measured["warned"] = {name: warned(part, measured) for name, part in (logits | kinds).items()}
    card["familiarity"] = measured
    atomic_write(weights.with_suffix(".json"), (json.dumps(card, indent=2) + "\n").encode())
    return measured

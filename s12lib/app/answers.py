"""What the app answers to pictures and settings, without any of Gradio: checked, pure, the same for every visitor."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from s12lib.app.familiarity import Familiarity
from s12lib.data.image_files import read_picture
from s12lib.errors import CourseError
from s12lib.explain import LAYERS, gradcam
from s12lib.inference import logits_of
from s12lib.weights.pretrained import class_names, load_weights, read_card, weights_path

APP_METHODS = ("gradcam", "gradcam++", "hirescam")  # each of them answers for a class; see s12lib.explain.methods
PREDICTED = "the predicted class"
MOST_PICTURES = 8  # at a time: their heatmaps at the widest layer take about a second


class RequestError(CourseError):
    """A setting that the app cannot serve; the message is one sentence for the visitor."""


@dataclass(frozen=True)
class Settings:
    """What a visitor chose, checked. ``target`` is a class number, or None for each picture's predicted class."""

    top: int
    layer: str
    method: str
    target: int | None
    opacity: float


@dataclass(frozen=True)
class Answer:
    """All there is to say about one picture.

    ``image (32, 32, 3)`` uint8 is what the network was shown, ``heat (32, 32)`` in [0, 1] speaks for class ``target``,
    ``top`` holds (class, probability), the likeliest first. ``familiar`` is None where no threshold was measured.
    """

    name: str
    image: np.ndarray
    top: list[tuple[str, float]]
    target: str
    heat: np.ndarray
    score: float
    familiar: bool | None

    def plain(self) -> dict[str, Any]:
        """The answer as JSON can hold it, without the pictures."""
        top = [{"class": name, "probability": probability} for name, probability in self.top]
        return {
            "name": self.name,
            "top": top,
            "target": self.target,
            "anything_speaks_for_it": bool(self.heat.max() > 0),
            "familiarity": self.score,
            "familiar": self.familiar,
        }


def whole_number(value: object, least: int, most: int, name: str) -> int:
    """The value as an int, if it is a whole number within the bounds. Raises RequestError."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or value != int(value) or not least <= value <= most:  # type: ignore[operator,arg-type,call-overload]
        raise RequestError(f"{name} must be a whole number from {least} to {most}.")
    return int(value)  # type: ignore[call-overload]


class Expert:
    """The network with its card and class names: loaded once, in eval mode, and never changed afterwards.

    Many visitors may ask at once without a lock, since s12lib.explain hangs its hooks on copies of the network.

    ``weights`` is a name that ``load_pretrained`` takes, or the path of a file that ``s12 pack`` wrote.
    Raises ValueError or WeightsError when there are no such weights, or not what their card says.
    """

    def __init__(self, weights: str | Path) -> None:
        path = weights_path(weights)
        self.network = load_weights(path).requires_grad_(False)
        self.card = read_card(path)
        self.classes = class_names(self.card)
        self.familiarity = Familiarity.from_card(self.card)

    def settings(self, top: object, layer: object, method: object, target: object, opacity: object) -> Settings:
        """The settings as a visitor sent them, checked one by one. Raises RequestError for the first that is wrong."""
        count = whole_number(top, 1, len(self.classes), "The number of classes")
        for value, choices, name in (
            (layer, LAYERS, "The layer"),
            (method, APP_METHODS, "The method"),
            (target, (PREDICTED, *self.classes), "The class to explain"),
        ):
            if not isinstance(value, str) or value not in choices:
                raise RequestError(f"{name} must be one of {', '.join(choices)}.")
        if isinstance(opacity, bool) or not isinstance(opacity, int | float) or not 0 <= opacity <= 1:  # nan, too
            raise RequestError("The opacity must be a number from 0 to 1.")
        wanted = None if target == PREDICTED else self.classes.index(str(target))
        return Settings(count, str(layer), str(method), wanted, float(opacity))

    def read(self, paths: Sequence[str]) -> np.ndarray:
        """The picture files as the network sees them, ``(N, 32, 32, 3)`` uint8. Raises PictureError or RequestError."""
        if not paths:
            raise RequestError("Choose a picture first: upload one, or pick an example.")
        if len(paths) > MOST_PICTURES:
            raise RequestError(f"At most {MOST_PICTURES} pictures go at a time, but there are {len(paths)}.")
        return np.stack([read_picture(path) for path in paths])

    def answers(self, names: Sequence[str], images: np.ndarray, settings: Settings) -> list[Answer]:
        """One answer a picture, in order; ``images (N, 32, 32, 3)`` uint8."""
        logits = logits_of(self.network, images)
        likeliest = logits.softmax(1).topk(settings.top)
        targets = logits.argmax(1) if settings.target is None else torch.full((len(images),), settings.target)
        heat = gradcam(self.network, images, targets, settings.layer, settings.method).numpy()
        found = zip(names, images, likeliest.values, likeliest.indices, targets, heat, logits, strict=True)
        return [
            Answer(
                name=name,
                image=image,
                top=[(self.classes[i], p) for i, p in zip(labels.tolist(), values.tolist(), strict=True)],
                target=self.classes[int(target)],
                heat=own_heat,
                score=self.familiarity.score(own_logits),
                familiar=self.familiarity.knows(own_logits),
            )
            for name, image, values, labels, target, own_heat, own_logits in found
        ]

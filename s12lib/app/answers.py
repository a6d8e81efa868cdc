"""What the app answers to images and settings, without any of Gradio: checked, pure, the same for every visitor."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from s12lib.app.familiarity import UNFAMILIAR, Familiarity
from s12lib.data.image_files import read_image
from s12lib.data.pixels import normalize
from s12lib.errors import CourseError
from s12lib.explain.inputs import LAYERS
from s12lib.explain.maps import enlarge
from s12lib.explain.one_pass import FORMULAS, logits_and_maps
from s12lib.inference import evaluating
from s12lib.weights.pretrained import class_names, load_weights, read_card, weights_path

APP_METHODS = tuple(FORMULAS)  # each of them answers for a class
PREDICTED = "the predicted class"
ALL_LAYERS = "all layers"  # side by side
MAX_IMAGES = 8  # at a time: their heatmaps at the widest layer take about a second


class RequestError(CourseError):
    """A setting that the app cannot serve; the message is one sentence for the visitor."""


@dataclass(frozen=True)
class Settings:
    """What a visitor chose, checked. ``target`` is a class number, or None for each image's predicted class."""

    top: int
    layer: str
    method: str
    target: int | None
    opacity: float


@dataclass(frozen=True)
class Answer:
    """All there is to say about one image.

    ``image (32, 32, 3)`` uint8 is what the network was shown. ``heats`` holds, by layer, a map ``(32, 32)`` in [0, 1]
    of what speaks for class ``target``, which has ``target_probability``. ``top`` holds (class, probability), the
    likeliest first. ``familiar`` is None where no threshold was measured. ``preview`` is a JPEG of the whole image.
    """

    name: str
    image: np.ndarray
    top: list[tuple[str, float]]
    target: str
    target_probability: float
    heats: dict[str, np.ndarray]
    score: float
    familiar: bool | None
    preview: bytes | None = None
    warning: str = UNFAMILIAR  # what is said where it is not familiar

    @property
    def heat(self) -> np.ndarray:
        """The map of the layer that was asked for, of several the last."""
        return list(self.heats.values())[-1]

    def plain(self) -> dict[str, Any]:
        """The answer as JSON can hold it, without the images."""
        top = [{"class": name, "probability": probability} for name, probability in self.top]
        return {
            "name": self.name,
            "top": top,
            "target": self.target,
            "target_probability": self.target_probability,
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

    Many visitors may ask at once without a lock, since nothing is ever hung on the network or written to it.

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
            (layer, (*LAYERS, ALL_LAYERS), "The layer"),
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
        """The image files as the network sees them, ``(N, 32, 32, 3)`` uint8. Raises ImageError or RequestError."""
        if not paths:
            raise RequestError("Choose an image first: upload one, or pick an example.")
        if len(paths) > MAX_IMAGES:
            raise RequestError(f"At most {MAX_IMAGES} images go at a time, but there are {len(paths)}.")
        return np.stack([read_image(path) for path in paths])

    def answers(
        self,
        names: Sequence[str],
        images: np.ndarray,
        settings: Settings,
        previews: Sequence[bytes | None] | None = None,
    ) -> list[Answer]:
        """One answer an image, in order; ``images (N, 32, 32, 3)`` uint8."""
        layers = LAYERS if settings.layer == ALL_LAYERS else (settings.layer,)
        with evaluating(self.network):
            logits, targets, maps = logits_and_maps(
                self.network, normalize(images), settings.target, layers, settings.method
            )
        heats = {layer: enlarge(maps[layer]) for layer in layers}
        probabilities = logits.softmax(1)
        likeliest = probabilities.topk(settings.top)
        return [
            Answer(
                name=name,
                image=images[k],
                top=[
                    (self.classes[i], p)
                    for i, p in zip(likeliest.indices[k].tolist(), likeliest.values[k].tolist(), strict=True)
                ],
                target=self.classes[int(targets[k])],
                target_probability=probabilities[k, targets[k]].item(),
                heats={layer: heat[k].numpy() for layer, heat in heats.items()},
                score=self.familiarity.score(logits[k]),
                familiar=self.familiarity.knows(logits[k]),
                preview=previews[k] if previews else None,
                warning=self.familiarity.sentence,
            )
            for k, name in enumerate(names)
        ]

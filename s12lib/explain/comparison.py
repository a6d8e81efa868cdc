"""The measured answer to "does the heatmap lie on the object?": every method at every layer, beside three baselines.

``s12 compare`` prints the table for the package's network on ``Shapes``, whose masks are known exactly.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from s12lib.data.shapes import draw_shapes
from s12lib.explain.cam import gradcams
from s12lib.explain.inputs import LAYERS, Images
from s12lib.explain.intervals import format_interval
from s12lib.explain.localization import energy_in_mask, pointing_game
from s12lib.explain.maps import Array, enlarge, gaussian_maps, random_maps
from s12lib.explain.methods import METHODS
from s12lib.explain.sanity import untrained
from s12lib.weights.pretrained import load_pretrained

Name = tuple[str, str]

PLACES = {"prep": 32, "layer1": 16, "layer2": 8, "layer3": 4}
"""Places along a side of each layer's maps."""


class Scores(NamedTuple):
    """How well maps lie on the objects, image by image: energy in the mask and pointing game, each ``(N,)``."""

    energy: torch.Tensor
    pointing: torch.Tensor


def scores(maps: Array, masks: Array) -> Scores:
    """Both measures of ``maps (N, 32, 32)`` against ``masks (N, 32, 32)`` bool."""
    return Scores(energy_in_mask(maps, masks), pointing_game(maps, masks))


def localization_scores(
    model: nn.Module,
    images_uint8: Images,
    masks: Array,
    layers: Sequence[str] = LAYERS,
    methods: Sequence[str] = tuple(METHODS),
) -> dict[Name, Scores]:
    """``{(method, layer): scores}`` of the maps for the predicted classes; raises as ``gradcam`` does."""
    return {
        (method, layer): scores(maps, masks)
        for layer in layers
        for method, maps in gradcams(model, images_uint8, layer=layer, methods=methods).items()
    }


def baseline_scores(masks: Array) -> dict[str, Scores]:
    """What maps reach that have not seen the images: noise on 4×4 places, and a Gaussian in the middle."""
    count = len(masks)
    return {
        "random map": scores(random_maps(count), masks),
        "centred Gaussian": scores(gaussian_maps(count), masks),
    }


def coarse_mask_scores(masks: Array) -> dict[str, Scores]:
    """What a map reaches that knows the mask and has only a layer's places to tell it, enlarged like Grad-CAM.

    No upper bound: a map with all its heat on the one place that the object covers most has more of it on the object.
    """
    inside = torch.as_tensor(masks).float()[:, None]
    return {
        name: scores(enlarge(functional.adaptive_avg_pool2d(inside, places)[:, 0]), masks)
        for name, places in PLACES.items()
    }


def table_lines(found: Mapping[Name, Scores], measure: str) -> Iterator[str]:
    """A line a method, a column a layer: the measure's mean in per cent, ± half of its 95% interval."""
    layers, methods = (list(dict.fromkeys(name[k] for name in found)) for k in (1, 0))
    yield f"{measure:<17}" + "".join(f"{layer:>14}" for layer in layers)
    for method in methods:
        yield f"{method:<17}" + "".join(
            f"{format_interval(getattr(found[method, layer], measure)):>14}" for layer in layers
        )


def report(count: int) -> Iterator[str]:
    """The tables, line by line, for the first ``count`` test images of Shapes."""
    network = load_pretrained("page_resnet_shapes")
    images, _, masks = draw_shapes(count, 0, "test")
    yield f"Shapes, the first {count:,} test images; per cent, ± half of the 95% interval over images.\n"
    coarse = {f"the mask at {layer}": found for layer, found in coarse_mask_scores(masks).items()}
    for name, score in (baseline_scores(masks) | coarse).items():
        yield f"{name:<18} energy {format_interval(score.energy)}, pointing {format_interval(score.pointing)}"
    for name, model in {"the trained network": network, "an untrained network": untrained(network)}.items():
        found = localization_scores(model, images, masks)
        for measure in Scores._fields:
            yield f"\n{name}"
            yield from table_lines(found, measure)

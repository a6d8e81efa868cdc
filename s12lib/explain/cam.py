"""Grad-CAM: which parts of an image speak for a class, according to one layer of the network.

The formulas are those of the library grad-cam (pytorch_grad_cam), which computes on a float32 copy of the model. So
the model's mode, hooks, ``requires_grad`` and gradients cannot change, whatever happens, and other threads may use it.
:func:`closed_form_gradcam` needs no gradient at all and is the oracle that the tests hold every implementation against.
"""

from collections.abc import Sequence

import numpy as np
import torch
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn

from s12lib.data.pixels import normalize
from s12lib.errors import did_you_mean
from s12lib.explain.inputs import (
    CHUNK,
    LAYERS,
    Images,
    Targets,
    checked_images,
    checked_targets,
    float32_copy,
    full_float32,
)
from s12lib.explain.maps import enlarge
from s12lib.explain.methods import METHODS


def gradcam(
    model: nn.Module,
    images_uint8: Images,
    targets: Targets = None,
    layer: str = "layer3",
    method: str = "gradcam",
    raw: bool = False,
) -> torch.Tensor:
    """Heatmaps of what speaks for a class: ``(N, 32, 32, 3)`` uint8 RGB → ``(N, 32, 32)`` float32 in [0, 1].

    ``targets`` is one class for all images, one for each, or None for the predicted ones. ``layer`` is one of LAYERS
    and ``method`` one of METHODS, which say their sources; "random" draws from the same seed in each call.
    ``raw=True`` gives ReLU(weighted sum of the activations) at the layer's own resolution, ``(N, h, w)``; otherwise
    that map is enlarged bilinearly (align_corners=False) and divided by its own maximum. A map without a positive value
    stays zero. The maps lie on the CPU, whatever the model's device, dtype and memory format.

    Raises TypeError or ValueError, naming the argument, for images that are not uint8 or of another shape, an empty
    batch, targets that are no classes or not one for each image, and an unknown layer or method.
    """
    if method not in tuple(METHODS):
        likely = did_you_mean(str(method), METHODS)
        raise ValueError(f"method must be one of {', '.join(METHODS)}, but it is {method!r}{likely}")
    return gradcams(model, images_uint8, targets, layer, (method,), raw)[method]


def gradcams(
    model: nn.Module,
    images_uint8: Images,
    targets: Targets = None,
    layer: str = "layer3",
    methods: Sequence[str] = tuple(METHODS),
    raw: bool = False,
) -> dict[str, torch.Tensor]:
    """The maps of several methods from one pass through the network: what :func:`gradcam` gives for each, by name."""
    network = float32_copy(model)
    images = checked_images(images_uint8)
    wanted = checked_targets(network, targets, len(images))
    if layer not in LAYERS:
        likely = did_you_mean(str(layer), LAYERS)
        raise ValueError(f"layer must be one of {', '.join(LAYERS)}, but it is {layer!r}{likely}")
    if not methods or not set(methods) <= set(METHODS):
        raise ValueError(f"methods must be some of {', '.join(METHODS)}, but they are {methods!r}.")
    with full_float32(network), torch.enable_grad():
        maps = _raw_maps(network, images, wanted, layer, methods)
        return {name: maps[name] if raw else enlarge(maps[name]) for name in methods}


def _raw_maps(
    network: nn.Module, images: torch.Tensor, targets: torch.Tensor | None, layer: str, methods: Sequence[str]
) -> dict[str, torch.Tensor]:
    """The library at work, chunk after chunk, on a network that is ours to change; one method runs it for all."""
    target_layer = network.get_submodule(layer)
    cams = {name: METHODS[name](network, [target_layer]) for name in methods}
    runner = max(cams.values(), key=lambda cam: cam.uses_gradients)
    for cam in cams.values():
        if cam is not runner:
            cam.activations_and_grads.release()
            cam.activations_and_grads = runner.activations_and_grads
    if runner.uses_gradients:  # the graph begins here, so the backward pass stops here and no layer before stores any
        target_layer.register_forward_hook(
            lambda _module, _args, output: output.detach().requires_grad_(), prepend=True
        )
    maps: dict[str, list[np.ndarray]] = {name: [] for name in methods}
    try:  # not `with cam`, which swallows every IndexError
        for start in range(0, len(images), CHUNK):
            part = slice(start, start + CHUNK)
            batch = normalize(images[part])
            wanted = None if targets is None else [ClassifierOutputTarget(c) for c in targets[part].tolist()]
            for name, cam in sorted(cams.items(), key=lambda pair: pair[1] is not runner):
                heat = (
                    cam(batch, wanted)
                    if cam is runner
                    else cam.aggregate_multi_layers(cam.compute_cam_per_layer(batch, wanted, False))
                )
                maps[name].append(heat)
            runner.outputs = None  # frees the graph before the next one is built
    finally:
        runner.activations_and_grads.release()
    return {name: torch.from_numpy(np.concatenate(parts)).float() for name, parts in maps.items()}

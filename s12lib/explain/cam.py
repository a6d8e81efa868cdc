"""Grad-CAM: which parts of a picture speak for a class, according to one layer of the network.

The formulas are those of the library grad-cam (pytorch_grad_cam), which computes on a float32 copy of the model. So
the model's mode, hooks, ``requires_grad`` and gradients cannot change, whatever happens, and other threads may use it.
:func:`closed_form_gradcam` needs no gradient at all and is the oracle that the tests hold every implementation against.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn
from torch.nn import functional

from s12lib.data.augment import as_tensor, normalize
from s12lib.explain.methods import METHODS

Images = np.ndarray | torch.Tensor
Targets = int | Sequence[int] | np.ndarray | torch.Tensor | None

LAYERS = ("prep", "layer1", "layer2", "layer3")
CHUNK = 250  # images at a time, which bounds the memory: about 0.6 GB with gradients from ``prep`` on


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
        raise ValueError(f"method must be one of {', '.join(METHODS)}, but it is {method!r}.")
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
        raise ValueError(f"layer must be one of {', '.join(LAYERS)}, but it is {layer!r}.")
    if not methods or not set(methods) <= set(METHODS):
        raise ValueError(f"methods must be some of {', '.join(METHODS)}, but they are {methods!r}.")
    with full_float32(network), torch.enable_grad():
        maps = _raw_maps(network, images, wanted, layer, methods)
        return {name: maps[name] if raw else enlarge(maps[name]) for name in methods}


def closed_form_gradcam(model: nn.Module, images_uint8: Images, targets: Targets = None) -> torch.Tensor:
    """Raw Grad-CAM at layer3 without a gradient: ReLU of the target's class map, ``(N, 4, 4)`` float32 on the CPU.

    Raises as :func:`gradcam` does.
    """
    network = float32_copy(model)
    images = checked_images(images_uint8)
    wanted = target_classes(network, images, targets)
    return class_maps(network, images)[torch.arange(len(images)), wanted].relu()


def class_maps(model: nn.Module, images_uint8: Images) -> torch.Tensor:
    """The head applied at each place of layer3's output A: s/16 · Σ_k W_ck · A_k, ``(N, 10, 4, 4)`` float32.

    The head takes each channel's maximum over the 4×4 places: logit_c = s · Σ_k W_ck · max A_k. Its gradient is
    s · W_ck at the place of the maximum and 0 elsewhere, s/16 · W_ck on average: Grad-CAM's weights, known without a
    backward pass. Zhou et al., "Learning Deep Features for Discriminative Localization", 2016,
    https://arxiv.org/abs/1512.04150, found such maps for a head that averages.
    """

    return in_chunks(
        lambda network, images: logits_and_class_maps(network, images)[1], model, checked_images(images_uint8)
    )


def logits_and_class_maps(network: Any, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits ``(N, 10)`` and class maps ``(N, 10, 4, 4)`` of normalised images ``(N, 3, 32, 32)``, in one pass."""
    activations = network.layer3(network.layer2(network.layer1(network.prep(images))))
    places = activations.shape[2] * activations.shape[3]
    maps = functional.conv2d(activations, network.head[-1].weight[:, :, None, None]) * (network.logit_scale / places)
    return network.head(activations) * network.logit_scale, maps


def logits(model: nn.Module, images_uint8: Images) -> torch.Tensor:
    """The model's ``(N, 10)`` logits in eval mode and float32, on the CPU, for ``(N, 32, 32, 3)`` uint8 images."""
    return in_chunks(lambda network, images: network(images), model, checked_images(images_uint8))


def target_classes(model: nn.Module, images: torch.Tensor, targets: Targets) -> torch.Tensor:
    """The targets, one for each image, or for None the predicted classes: ``(N,)`` int64 on the CPU."""
    wanted = checked_targets(model, targets, len(images))
    return logits(model, images).argmax(dim=1) if wanted is None else wanted


def in_chunks(
    function: Callable[[Any, torch.Tensor], torch.Tensor], model: nn.Module, images: torch.Tensor
) -> torch.Tensor:
    """``function(network, normalised images)`` for CHUNK images at a time, without gradients, gathered on the CPU."""
    network = float32_copy(model)
    device = device_of(network)
    with full_float32(network), torch.no_grad():
        return torch.cat([function(network, normalize(part.to(device))).cpu() for part in images.split(CHUNK)])


def float32_copy(model: nn.Module) -> nn.Module:
    """A copy of the model in eval mode and float32, without gradients, on the same device: to be used and thrown away.

    Raises TypeError when the model is no PageResNet-like network, that is, lacks one of its children.
    """
    if not isinstance(model, nn.Module) or not {*LAYERS, "head"} <= dict(model.named_children()).keys():
        parts = f"{', '.join(LAYERS)} and head"
        raise TypeError(f"model must be a network with the children {parts}, but it is a {type(model).__name__}.")
    with torch.inference_mode(False):  # parameters made in inference mode could not take part in a backward pass
        return copy.deepcopy(model).float().eval().requires_grad_(False)


@contextmanager
def full_float32(model: nn.Module) -> Iterator[None]:
    """Switches off what the caller may have switched on: autocast, and inference mode, which forbids gradients."""
    with torch.inference_mode(False), torch.autocast(device_of(model).type, enabled=False):
        yield


def device_of(model: nn.Module) -> torch.device:
    return next(model.parameters()).device


def checked_images(images_uint8: Images) -> torch.Tensor:
    """The images as a ``(N, 32, 32, 3)`` uint8 tensor on the CPU; a single ``(32, 32, 3)`` becomes a batch of one."""
    if not isinstance(images_uint8, np.ndarray | torch.Tensor):
        raise TypeError(f"images_uint8 must be an array or a tensor, but it is a {type(images_uint8).__name__}.")
    if images_uint8.dtype not in (np.uint8, torch.uint8):
        raise TypeError(f"images_uint8 must be uint8 with values 0 to 255, but its type is {images_uint8.dtype}.")
    images = as_tensor(images_uint8).detach().cpu()
    images = images[None] if images.ndim == 3 else images
    if images.ndim != 4 or images.shape[1:] != (32, 32, 3) or len(images) == 0:
        shape = tuple(images_uint8.shape)
        raise ValueError(f"images_uint8 must have shape (N, 32, 32, 3) with N at least 1, but its shape is {shape}.")
    return images


def checked_targets(model: nn.Module, targets: Targets, count: int) -> torch.Tensor | None:
    """The targets as ``(count,)`` int64 on the CPU, or None as it was given."""
    if targets is None:
        return None
    try:
        values = torch.as_tensor(targets).cpu()
        values = values.expand(count) if values.ndim == 0 else values
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"targets must be None, a class number or one for each image, but it is {targets!r}.") from None
    if values.shape != (count,):
        raise ValueError(f"targets must be one for each of the {count} images, but its shape is {tuple(values.shape)}.")
    if values.is_floating_point() or values.is_complex() or values.dtype == torch.bool:
        raise TypeError(f"targets must be whole numbers, but their type is {values.dtype}.")
    num_classes = list(model.head.parameters())[-1].shape[0]  # type: ignore[union-attr]  # weight or bias: a row a class
    wrong = (values < 0) | (values >= num_classes)
    if wrong.any():
        raise ValueError(f"targets must be 0 to {num_classes - 1}, but {int(values[wrong][0])} is among them.")
    return values.long()


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


def enlarge(maps: torch.Tensor) -> torch.Tensor:
    """``(N, h, w)`` → ``(N, 32, 32)``, bilinear (align_corners=False), each divided by its maximum where positive."""
    maps = functional.interpolate(maps[:, None], size=(32, 32), mode="bilinear", align_corners=False)[:, 0]
    peak = maps.amax(dim=(1, 2), keepdim=True)
    return maps / torch.where(peak > 0, peak, 1.0)

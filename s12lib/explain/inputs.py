"""What every explanation does first: checks its arguments, and copies the model so that the caller's stays as it is."""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from s12lib.data.pixels import as_tensor, normalize
from s12lib.inference import logits_of

Images = np.ndarray | torch.Tensor
Targets = int | Sequence[int] | np.ndarray | torch.Tensor | None
LAYERS = ("prep", "layer1", "layer2", "layer3")
CHUNK = 250  # images at a time, which bounds the memory: about 0.6 GB with gradients from ``prep`` on


def target_classes(network: nn.Module, images: torch.Tensor, targets: Targets) -> torch.Tensor:
    """The targets, one for each image, or for None the predicted classes: ``(N,)`` int64 on the CPU.

    ``network`` is a :func:`float32_copy` and ``images`` are :func:`checked_images`.
    """
    wanted = checked_targets(network, targets, len(images))
    if wanted is not None:
        return wanted
    with full_float32(network):
        return logits_of(network, images, CHUNK).argmax(dim=1)


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

    A model wrapped for several devices or by ``torch.compile`` is taken out of its wrapping, and activations that were
    kept on a module, as by a hook, come along without their graph, which could not be copied. Raises TypeError when
    the model is no PageResNet-like network, that is, lacks one of its children.
    """
    while isinstance(inner := getattr(model, "module", getattr(model, "_orig_mod", None)), nn.Module):
        model = inner
    if not isinstance(model, nn.Module) or not {*LAYERS, "head"} <= dict(model.named_children()).keys():
        parts = f"{', '.join(LAYERS)} and head"
        raise TypeError(f"model must be a network with the children {parts}, but it is a {type(model).__name__}.")
    with torch.inference_mode(False):  # parameters made in inference mode could not take part in a backward pass
        without_graph = {id(kept): kept.detach() for kept in kept_tensors(model)}
        return copy.deepcopy(model, without_graph).float().eval().requires_grad_(False)


def kept_tensors(model: nn.Module) -> Iterator[torch.Tensor]:
    """The results of computations that are kept on the model's modules, in lists and dictionaries too."""
    waiting: list[Any] = [vars(module) for module in model.modules()]
    while waiting:
        kept = waiting.pop()
        if isinstance(kept, torch.Tensor) and not kept.is_leaf:
            yield kept
        elif isinstance(kept, dict):
            waiting += kept.values()
        elif isinstance(kept, list | tuple):
            waiting += kept


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

"""Answers and heatmaps of any layers from one forward pass and at most one backward pass: for who must be quick.

The formulas are those of the library grad-cam, as :mod:`s12lib.explain.methods` states them with their sources, and
the tests hold each against it. Here the targets may follow from the very pass whose activations are explained, no hook
is needed, and the library, which takes longer to import than all the rest of the app, is not loaded.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from s12lib.explain.closed_form import logits_and_class_maps
from s12lib.explain.inputs import LAYERS, full_float32

CLOSED_FORM = ("layer3", "gradcam")  # what a forward pass tells by itself


def _gradcam(activations: torch.Tensor, grads: torch.Tensor) -> torch.Tensor:
    return (grads.mean((2, 3), keepdim=True) * activations).sum(1)


def _gradcam_plus_plus(activations: torch.Tensor, grads: torch.Tensor) -> torch.Tensor:
    total = activations.sum((2, 3), keepdim=True)
    shares = grads**2 / (2 * grads**2 + total * grads**3 + 1e-6)
    weights = (grads.relu() * torch.where(grads != 0, shares, 0.0)).sum((2, 3), keepdim=True)
    return (weights * activations).sum(1)


def _hirescam(activations: torch.Tensor, grads: torch.Tensor) -> torch.Tensor:
    return (grads * activations).sum(1)


FORMULAS: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "gradcam": _gradcam,
    "gradcam++": _gradcam_plus_plus,
    "hirescam": _hirescam,
}
"""Activations ``(N, C, h, w)`` and the target logit's gradient by them → the map ``(N, h, w)`` before its ReLU."""


def logits_and_maps(
    network: Any, images: torch.Tensor, target: int | None, layers: Sequence[str], method: str
) -> tuple[torch.Tensor, torch.Tensor, dict[str, torch.Tensor]]:
    """Logits ``(N, classes)``, the classes explained ``(N,)``, and by layer the raw maps ``(N, h, w)``, none negative.

    ``images (N, 3, 32, 32)`` are normalised, on the network's device; ``target`` is one class for all of them, or None
    for each one's predicted class. ``network`` is in eval mode, and its parameters ask for no gradient.
    """

    def targets(logits: torch.Tensor) -> torch.Tensor:
        return logits.argmax(1) if target is None else torch.full((len(images),), target)

    if all((layer, method) == CLOSED_FORM for layer in layers):
        with torch.no_grad():
            logits, maps = logits_and_class_maps(network, images)
        wanted = targets(logits)
        return logits, wanted, dict.fromkeys(layers, maps[torch.arange(len(images)), wanted].relu())
    kept: dict[str, torch.Tensor] = {}
    with full_float32(network), torch.enable_grad():
        activations = images
        for name in LAYERS:
            activations = network.get_submodule(name)(activations)
            if name in layers:
                kept[name] = activations if kept else activations.detach().requires_grad_()  # the graph begins here
                activations = kept[name]
        logits = network.head(activations) * network.logit_scale
        wanted = targets(logits)
        chosen = logits[torch.arange(len(images)), wanted].sum()  # in eval mode no image touches another
        grads = torch.autograd.grad(chosen, list(kept.values()))
    with torch.no_grad():
        formula = FORMULAS[method]
        by_layer = {name: formula(kept[name], grad).relu() for name, grad in zip(kept, grads, strict=True)}
    return logits.detach(), wanted, {layer: by_layer[layer].detach() for layer in layers}

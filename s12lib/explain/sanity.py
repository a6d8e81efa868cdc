"""Does a heatmap depend on what the network has learned? It must change when the network forgets.

Every measure takes a batch and gives one value an image; :func:`s12lib.explain.intervals.confidence_interval` turns
those into a mean and its interval over images. ``targets`` is as in :func:`s12lib.explain.cam.gradcam`: None means the
classes that the model predicts for the images as they are.
"""

from collections.abc import Callable

import torch
from torch import nn

from s12lib.explain.cam import gradcam
from s12lib.explain.inputs import Images, Targets, checked_images, device_of, float32_copy, target_classes
from s12lib.explain.maps import Array, checked_maps

Explain = Callable[[nn.Module, torch.Tensor, torch.Tensor], torch.Tensor]
"""``explain(model, images_uint8, targets)`` → ``(N, H, W)`` maps: ``gradcam``, or a ``functools.partial`` of it."""


def cascading_randomization(
    model: nn.Module, images_uint8: Images, targets: Targets = None, explain: Explain = gradcam, seed: int = 0
) -> dict[str, torch.Tensor]:
    """Does the map change when the network forgets? Rank correlation with the trained network's map, ``(N,)`` a stage.

    From the head down to ``prep``, one child after the other gets fresh weights, and those above stay fresh. A map that
    stays the same does not show what was learned. The classes stay those of the trained network. Adebayo et al.,
    "Sanity Checks for Saliency Maps", 2018, https://arxiv.org/abs/1810.03292.
    """
    network = float32_copy(model)
    images = checked_images(images_uint8)
    wanted = target_classes(network, images, targets)
    trained = explain(network, images, wanted)
    fresh = untrained(network, seed)
    correlations = {}
    for name in ("head", "layer3", "layer2", "layer1", "prep"):
        network.get_submodule(name).load_state_dict(fresh.get_submodule(name).state_dict())
        correlations[name] = rank_correlation(explain(network, images, wanted), trained)
    return correlations


def untrained(model: nn.Module, seed: int = 0) -> nn.Module:
    """A float32 copy of the model that has forgotten all, BatchNorm's statistics too: same seed, same weights."""
    fresh = float32_copy(model).cpu()  # drawn on the CPU, so that the weights are the same on every device
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        for module in fresh.modules():
            reset = getattr(module, "reset_parameters", None)
            if reset is not None:
                reset()
    return fresh.to(device_of(model))


def rank_correlation(maps: Array, others: Array) -> torch.Tensor:
    """Spearman's rank correlation of each map with its counterpart: ``(N, H, W)`` twice → ``(N,)`` float32 in [-1, 1].

    ρ = cov(R, R') / (sd(R) · sd(R')), R the pixels' ranks, tied pixels sharing their mean rank. Spearman, "The Proof
    and Measurement of Association between Two Things", 1904. A map without variance correlates with nothing: 0.
    """
    if maps.shape != others.shape:
        raise ValueError(f"others must have the maps' shape {tuple(maps.shape)}, but theirs is {tuple(others.shape)}.")
    first, second = (_mean_ranks(checked_maps(part).flatten(1)) for part in (maps, others))
    spread = first.norm(dim=1) * second.norm(dim=1)
    return ((first * second).sum(dim=1) / torch.where(spread > 0, spread, 1.0)).float()


def _mean_ranks(values: torch.Tensor) -> torch.Tensor:
    """``(N, P)`` → centred ranks ``(N, P)`` float64, tied values sharing their mean rank."""
    ordered = values.sort(dim=1).values
    below, up_to = (torch.searchsorted(ordered, values, side=side) for side in ("left", "right"))
    ranks = (below + up_to).double() / 2
    return ranks - ranks.mean(dim=1, keepdim=True)

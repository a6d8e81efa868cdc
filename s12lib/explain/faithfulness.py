"""Does a heatmap tell what the network uses? Measures that take pixels away and look what becomes of the probability.

Every measure takes a batch and gives one value an image; :func:`s12lib.explain.intervals.confidence_interval` turns
those into a mean and its interval over images. Where pixels are ordered by a map, ties are broken by a smooth random
map, so that a flat map scores like the random baseline. ``targets`` is as in :func:`s12lib.explain.cam.gradcam`: None
means the classes that the model predicts for the unchanged images.
"""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from pytorch_grad_cam.metrics.road import ROADCombined
from pytorch_grad_cam.utils.model_targets import ClassifierOutputSoftmaxTarget
from torch import nn
from torchvision.transforms.v2.functional import gaussian_blur

from s12lib.data.pixels import normalize
from s12lib.explain.inputs import (
    CHUNK,
    Images,
    Targets,
    checked_images,
    device_of,
    float32_copy,
    full_float32,
    target_classes,
)
from s12lib.explain.maps import Array, checked_maps, random_maps


def deletion_auc(
    model: nn.Module, images_uint8: Images, maps: Array, targets: Targets = None, steps: int = 16
) -> torch.Tensor:
    """The area under :func:`deletion_curves`, ``(N,)`` float32 in [0, 1]: the lower, the better the map.

    AUC_i = ∫ p_i(share) d share over [0, 1], by trapezoids. Petsiuk et al., "RISE", 2018,
    https://arxiv.org/abs/1806.07421.
    """
    return torch.trapezoid(deletion_curves(model, images_uint8, maps, targets, steps), dx=1 / steps)


def insertion_auc(
    model: nn.Module, images_uint8: Images, maps: Array, targets: Targets = None, steps: int = 16
) -> torch.Tensor:
    """The area under :func:`insertion_curves`, ``(N,)`` float32 in [0, 1]: the higher, the better the map."""
    return torch.trapezoid(insertion_curves(model, images_uint8, maps, targets, steps), dx=1 / steps)


def deletion_curves(
    model: nn.Module, images_uint8: Images, maps: Array, targets: Targets = None, steps: int = 16
) -> torch.Tensor:
    """The target's probability while the pixels that the map ranks highest are set to the mean colour, step by step.

    ``images_uint8 (N, 32, 32, 3)``, ``maps (N, 32, 32)`` → ``(N, steps + 1)`` float32, at shares 0, 1/steps, …, 1.
    """
    return _curves(model, images_uint8, maps, targets, steps, lambda images: (images, torch.zeros_like(images)))


def insertion_curves(
    model: nn.Module, images_uint8: Images, maps: Array, targets: Targets = None, steps: int = 16
) -> torch.Tensor:
    """The target's probability while a blurred image gets its pixels back, those the map ranks highest first.

    ``images_uint8 (N, 32, 32, 3)``, ``maps (N, 32, 32)`` → ``(N, steps + 1)`` float32, at shares 0, 1/steps, …, 1.
    The blur is that of RISE's authors: Gaussian, 11 × 11 pixels, σ 5.
    """
    blur = partial(gaussian_blur, kernel_size=[11, 11], sigma=[5.0, 5.0])
    return _curves(model, images_uint8, maps, targets, steps, lambda images: (blur(images), images))


def road(
    model: nn.Module,
    images_uint8: Images,
    maps: Array,
    targets: Targets = None,
    percentiles: Sequence[int] = (20, 40, 60, 80),
    seed: int = 0,
) -> torch.Tensor:
    """Remove and debias: ``(N,)`` float32 in [-1, 1], the higher, the better the map; 0 for one that knows nothing.

    road_i = mean over percentiles of ½ · (p_i after the least relevant pixels went − p_i after the most relevant went),
    where 100 − percentile per cent of the pixels go, and each is replaced by a weighted mean of its neighbours plus
    noise, so that the hole's shape does not give the class away. Rong et al., "A Consistent and Efficient Evaluation
    Strategy for Attribution Methods", 2022, https://arxiv.org/abs/2202.00449.

    The library cuts at a percentile of the map's values: on a map with many zeros it would remove every pixel. It is
    therefore given the pixels' ranks, which remove as many as they should.
    Raises ValueError for a percentile outside 1 to 99, and otherwise as ``gradcam`` does.
    """
    if not percentiles or not all(1 <= percentile <= 99 for percentile in percentiles):
        raise ValueError(f"percentiles must be one or more numbers from 1 to 99, but they are {percentiles!r}.")
    network = float32_copy(model)
    images, heat, wanted = _checked(network, images_uint8, maps, targets)
    ranks = pixel_ranks(heat).numpy()
    metric = ROADCombined(percentiles=list(percentiles))
    scores = []
    with full_float32(network), torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # the library's noise comes from the CPU's global generator
        for start in range(0, len(images), CHUNK):
            part = slice(start, start + CHUNK)
            classes = [ClassifierOutputSoftmaxTarget(c) for c in wanted[part].tolist()]
            scores.append(metric(normalize(images[part]).to(device_of(network)), ranks[part], classes, network))
    return torch.from_numpy(np.concatenate(scores)).float()


def pixel_ranks(maps: Array, seed: int = 0) -> torch.Tensor:
    """Each pixel's place in the map's order, 0 to 1, no two alike, highest at the maximum: ``(N, 32, 32)``."""
    heat = checked_maps(maps)
    ties = random_maps(len(heat), seed)
    order = np.lexsort((ties.flatten(1).numpy(), heat.flatten(1).numpy()), axis=1)
    places = (np.argsort(order, axis=1) + 0.5) / order.shape[1]
    return torch.from_numpy(places).float().reshape(heat.shape)


def _curves(
    model: nn.Module,
    images_uint8: Images,
    maps: Array,
    targets: Targets,
    steps: int,
    ends: Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]],
) -> torch.Tensor:
    """The target's probability on the way from one end to the other, pixels of the highest rank first."""
    if not isinstance(steps, int) or not 1 <= steps <= 1024:
        raise ValueError(f"steps must be a whole number from 1 to 1024, but it is {steps!r}.")
    network = float32_copy(model)
    images, heat, wanted = _checked(network, images_uint8, maps, targets)
    ranks, device, curves = pixel_ranks(heat)[:, None], device_of(network), []
    with full_float32(network), torch.no_grad():
        for start in range(0, len(images), CHUNK):
            part = slice(start, start + CHUNK)
            origin, goal = ends(normalize(images[part].to(device)))
            places, classes = ranks[part].to(device), wanted[part, None].to(device)
            moved = (torch.where(places > 1 - step / steps, goal, origin) for step in range(steps + 1))
            curves.append(torch.cat([network(x).softmax(dim=1).gather(1, classes) for x in moved], dim=1).cpu())
    return torch.cat(curves)


def _checked(
    network: nn.Module, images_uint8: Images, maps: Array, targets: Targets
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    images, heat = checked_images(images_uint8), checked_maps(maps)
    if heat.shape != images.shape[:3]:
        wanted = tuple(images.shape[:3])
        raise ValueError(f"maps must be one for each image, of shape {wanted}, but their shape is {tuple(heat.shape)}.")
    return images, heat, target_classes(network, images, targets)

"""Does a heatmap lie on the object? Measures against the object's mask, and the maps that any method has to beat.

Every measure takes a batch and gives one value an image; :func:`confidence_interval` turns those into a mean and its
interval over images.
"""

from typing import NamedTuple

import numpy as np
import torch

from s12lib.explain.cam import enlarge

Array = np.ndarray | torch.Tensor

ROUNDING = 1e-6  # an enlarged map's plateau is flat to within float32's rounding only


class Interval(NamedTuple):
    mean: float
    low: float
    high: float


def confidence_interval(values: Array, confidence: float = 0.95, resamples: int = 2000, seed: int = 0) -> Interval:
    """The mean over images, and the interval that holds it with this confidence: ``values (N,)`` → (mean, low, high).

    Percentile bootstrap: the means of ``resamples`` draws of N images with replacement; low and high are their
    (1 ∓ confidence)/2 quantiles. Efron, "Bootstrap Methods: Another Look at the Jackknife", 1979,
    https://doi.org/10.1214/aos/1176344552. To compare two methods on the same images, pass the differences.
    Raises ValueError for fewer than two values, a value that is not finite, or a confidence outside (0, 1).
    """
    sample = np.asarray(values, dtype=np.float64)
    if sample.ndim != 1 or len(sample) < 2 or not np.isfinite(sample).all():
        raise ValueError(f"values must be two or more finite numbers in one row, but they are {values!r}.")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, but it is {confidence!r}.")
    generator = np.random.default_rng(seed)
    means = [sample[generator.integers(len(sample), size=len(sample))].mean() for _ in range(resamples)]
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(sample.mean()), float(low), float(high))


def pointing_game(maps: Array, masks: Array) -> torch.Tensor:
    """Does the map's maximum lie on the object? 1 or 0 an image; over images, the share of hits.

    hit_i = [argmax_p map_i(p) ∈ mask_i]. Zhang et al., "Top-down Neural Attention by Excitation Backprop", 2016,
    https://arxiv.org/abs/1608.00507. Where several pixels share the maximum, as on the plateaus of an enlarged map, a
    random one of them counts: the value is the share of them that lies on the object. A map of zeros points nowhere: 0.

    ``maps (N, H, W)`` finite and not negative, ``masks (N, H, W)`` bool → ``(N,)`` float32. Raises TypeError or
    ValueError, naming the argument, otherwise.
    """
    heat, inside = checked_maps(maps), checked_masks(masks, maps)
    peak = heat.amax(dim=(1, 2), keepdim=True)
    pointed = (heat >= peak * (1 - ROUNDING)) & (peak > 0)
    return (pointed & inside).sum(dim=(1, 2)) / pointed.sum(dim=(1, 2)).clamp(min=1)


def energy_in_mask(maps: Array, masks: Array) -> torch.Tensor:
    """The share of the map that lies on the object, in [0, 1].

    energy_i = Σ_{p ∈ mask_i} map_i(p) / Σ_p map_i(p), the "energy-based pointing game" of Wang et al., "Score-CAM",
    2020, https://arxiv.org/abs/1910.01279. A map of zeros has none: 0.

    ``maps (N, H, W)`` finite and not negative, ``masks (N, H, W)`` bool → ``(N,)`` float32. Raises TypeError or
    ValueError, naming the argument, otherwise.
    """
    heat, inside = checked_maps(maps).double(), checked_masks(masks, maps)
    total = heat.sum(dim=(1, 2))
    return ((heat * inside).sum(dim=(1, 2)) / torch.where(total > 0, total, 1.0)).float()


def random_maps(count: int, seed: int = 0, cells: int = 4) -> torch.Tensor:
    """A baseline that knows nothing, as smooth as the real maps: noise on cells × cells, enlarged like Grad-CAM.

    → ``(count, 32, 32)`` float32, each map's maximum 1.
    """
    noise = torch.rand(count, cells, cells, generator=torch.Generator().manual_seed(seed))
    return enlarge(noise)


def gaussian_maps(count: int, sigma: float = 8.0) -> torch.Tensor:
    """A baseline that knows only that objects tend to be in the middle: exp(-r² / 2σ²), r and σ in pixels.

    → ``(count, 32, 32)`` float32, all alike, each map's maximum 1. σ is a quarter of the picture by default.
    """
    offset = torch.arange(32) - 15.5
    bell = torch.exp(-(offset**2) / (2 * sigma**2))
    return enlarge((bell[:, None] * bell).expand(count, 32, 32))


def checked_maps(maps: Array) -> torch.Tensor:
    """The maps as a ``(N, H, W)`` float32 tensor on the CPU."""
    heat = torch.as_tensor(maps).detach().cpu()
    if not heat.is_floating_point():
        raise TypeError(f"maps must be floating-point, but their type is {heat.dtype}.")
    if heat.ndim != 3 or heat.numel() == 0:
        raise ValueError(f"maps must have shape (N, H, W), none of them 0, but their shape is {tuple(heat.shape)}.")
    if not torch.isfinite(heat).all() or (heat < 0).any():
        raise ValueError("maps must be finite and not negative: use the maps that gradcam gives.")
    return heat.float()


def checked_masks(masks: Array, maps: Array) -> torch.Tensor:
    """The masks as a bool tensor on the CPU, of the same shape as the maps."""
    inside = torch.as_tensor(masks).cpu()
    if inside.dtype != torch.bool:
        raise TypeError(f"masks must be bool, true on the object, but their type is {inside.dtype}.")
    if inside.shape != maps.shape:
        raise ValueError(f"masks must have the maps' shape {tuple(maps.shape)}, but theirs is {tuple(inside.shape)}.")
    if not inside.any(dim=(1, 2)).all():
        raise ValueError("masks must each mark at least one pixel.")
    return inside

"""Heatmaps as arrays: enlarged to an image's size, checked, and the baselines that have seen no image."""

import numpy as np
import torch
from torch.nn import functional

Array = np.ndarray | torch.Tensor


def enlarge(maps: torch.Tensor) -> torch.Tensor:
    """``(N, h, w)`` → ``(N, 32, 32)``, bilinear (align_corners=False), each divided by its maximum where positive."""
    maps = functional.interpolate(maps[:, None], size=(32, 32), mode="bilinear", align_corners=False)[:, 0]
    peak = maps.amax(dim=(1, 2), keepdim=True)
    return maps / torch.where(peak > 0, peak, 1.0)


def random_maps(count: int, seed: int = 0, cells: int = 4) -> torch.Tensor:
    """A baseline that knows nothing, as smooth as the real maps: noise on cells × cells, enlarged like Grad-CAM.

    → ``(count, 32, 32)`` float32, each map's maximum 1.
    """
    noise = torch.rand(count, cells, cells, generator=torch.Generator().manual_seed(seed))
    return enlarge(noise)


def gaussian_maps(count: int, sigma: float = 8.0) -> torch.Tensor:
    """A baseline that knows only that objects tend to be in the middle: exp(-r² / 2σ²), r and σ in pixels.

    → ``(count, 32, 32)`` float32, all alike, each map's maximum 1. σ is a quarter of the image by default.
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

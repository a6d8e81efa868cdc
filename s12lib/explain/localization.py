"""Does a heatmap lie on the object? Measures against the object's mask, and the maps that any method has to beat.

Every measure takes a batch and gives one value an image; :func:`confidence_interval` turns those into a mean and its
interval over images.
"""

import torch

from s12lib.explain.maps import Array, checked_maps

ROUNDING = 1e-6  # an enlarged map's plateau is flat to within float32's rounding only


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

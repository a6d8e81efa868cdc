"""Grad-CAM at layer3 without a gradient: the head, applied at each place, is the oracle for every implementation."""

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from s12lib.explain.inputs import Images, Targets, checked_images, float32_copy, in_chunks, target_classes


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

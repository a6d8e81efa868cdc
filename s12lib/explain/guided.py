"""Guided backpropagation: sharp maps that hardly depend on the class or on what the network has learned."""

import torch
from torch import nn

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


class GuidedReLU(nn.Module):
    """ReLU whose backward pass lets nothing negative through: where a gradient is below 0, it ends."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x.relu()
        if y.requires_grad:
            y.register_hook(lambda gradient: gradient.clamp(min=0))
        return y


def guided_backpropagation(model: nn.Module, images_uint8: Images, targets: Targets = None) -> torch.Tensor:
    """The target's logit traced back to the pixels: ``(N, 32, 32, 3)`` uint8 → ``(N, 32, 32)`` float32, not negative.

    The gradient with :class:`GuidedReLU` in place of each ReLU, its largest absolute value over the three colours.
    ``targets`` as in :func:`s12lib.explain.cam.gradcam`, which says what is raised; the model stays as it is.
    Springenberg et al., "Striving for Simplicity", 2014, https://arxiv.org/abs/1412.6806.
    """
    network = float32_copy(model)
    images = checked_images(images_uint8)
    wanted = target_classes(network, images, targets)
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.ReLU):
                setattr(module, name, GuidedReLU())
    device, maps = device_of(network), []
    with full_float32(network), torch.enable_grad():
        for part, classes in zip(images.split(CHUNK), wanted.split(CHUNK), strict=True):
            pixels = normalize(part.to(device)).requires_grad_()
            logits = network(pixels).gather(1, classes[:, None].to(device))
            (gradient,) = torch.autograd.grad(logits.sum(), pixels)
            maps.append(gradient.abs().amax(1).cpu())
    return torch.cat(maps)

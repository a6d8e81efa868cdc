"""From bytes to what the network is shown: the training set's statistics, and one function that normalises."""

import numpy as np
import torch

MEAN = (0.4914, 0.4822, 0.4465)
"""Mean of CIFAR-10's 50,000 training images, per RGB channel, in [0, 1] units."""
STD = (0.2470, 0.2435, 0.2616)
"""Standard deviation of the same pixels, per RGB channel, in [0, 1] units."""


def as_tensor(images: np.ndarray | torch.Tensor) -> torch.Tensor:
    """A tensor as it is; an array copied, since torch takes no mirrored view and warns of read-only ones."""
    return torch.from_numpy(np.array(images, order="C")) if isinstance(images, np.ndarray) else torch.as_tensor(images)


def normalize(images_uint8: np.ndarray | torch.Tensor) -> torch.Tensor:
    """Scale to [0, 1], subtract MEAN, divide by STD: the one function for training, evaluation and the app.

    ``(N, 32, 32, 3)`` or ``(32, 32, 3)`` uint8 RGB → ``(N, 3, 32, 32)`` float32 on the same device, channels_last.
    Raises TypeError when the images are not uint8 and ValueError when their shape is another.
    """
    images = as_tensor(images_uint8)
    if images.dtype != torch.uint8:
        raise TypeError(f"images must be uint8 with values 0 to 255, but their type is {images.dtype}")
    if images.ndim == 3:
        images = images[None]
    if images.ndim != 4 or images.shape[1:] != (32, 32, 3):
        raise ValueError(f"images must have shape (N, 32, 32, 3), but theirs is {tuple(images.shape)}")
    mean, std = ((torch.tensor(x) * 255).to(images.device, non_blocking=True) for x in (MEAN, STD))
    return ((images.float() - mean) / std).permute(0, 3, 1, 2)

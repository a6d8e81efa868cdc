"""The methods that ``gradcam`` knows, by name: the library's classes, made to give raw and repeatable maps.

The library (grad-cam, imported as pytorch_grad_cam) enlarges each map and stretches it to [0, 1], which hides its
magnitude, leaves the sign of Eigen-CAM to chance, and draws its random map from NumPy's global generator.
"""

from typing import Any

import numpy as np
from pytorch_grad_cam import EigenCAM, GradCAM, GradCAMPlusPlus, HiResCAM, LayerCAM, RandomCAM


class _Raw:
    """Mixed into a class of the library: hands out ReLU(map) as it is, where that would min-max normalise it."""

    def compute_cam_per_layer(self, input_tensor: Any, targets: Any, eigen_smooth: bool) -> Any:
        store = self.activations_and_grads  # type: ignore[attr-defined]
        grads = store.gradients[0].numpy() if store.gradients else None
        arguments = (input_tensor, None, targets, store.activations[0].numpy(), grads, eigen_smooth)
        return self.get_cam_image(*arguments)  # type: ignore[attr-defined]

    def aggregate_multi_layers(self, maps: Any) -> Any:
        return np.maximum(maps, 0)


class RawGradCAM(_Raw, GradCAM):
    """ReLU(Σ_k mean(∂logit/∂A_k) · A_k): Selvaraju et al., 2017, https://arxiv.org/abs/1610.02391"""


class RawGradCAMPlusPlus(_Raw, GradCAMPlusPlus):
    """Grad-CAM with weights from the positive gradients only: Chattopadhyay et al., 2018, https://arxiv.org/abs/1710.11063"""


class RawHiResCAM(_Raw, HiResCAM):
    """ReLU(Σ_k ∂logit/∂A_k ⊙ A_k), the gradient not averaged: Draelos & Carin, 2020, https://arxiv.org/abs/2011.08891"""


class RawLayerCAM(_Raw, LayerCAM):
    """Σ_k ReLU(∂logit/∂A_k) ⊙ A_k: Jiang et al., 2021, https://doi.org/10.1109/TIP.2021.3089943"""


class RawEigenCAM(_Raw, EigenCAM):
    """The activations along their first principal component, without a class: https://arxiv.org/abs/2008.00299

    The sign of a principal component is open, and LAPACK's choice differs between machines. Here the larger of the two
    extremes is positive, as in Seg-Eigen-CAM (Chung & Ying, 2025, https://doi.org/10.3390/app15137562, equation 13).
    The library decomposes each image's activations with a square U, which nobody reads and which costs most of it.
    """

    def get_cam_image(self, _input: Any, _layer: Any, _targets: Any, activations: Any, *_rest: Any) -> Any:
        images, channels, *sides = activations.shape
        points = np.nan_to_num(activations).reshape(images, channels, -1).transpose(0, 2, 1)
        points -= points.mean(axis=1, keepdims=True)  # one for each place, (N, h·w, C)
        first = np.linalg.svd(points, full_matrices=False)[2][:, 0, :, None]  # (N, C, 1)
        maps = (points @ first).reshape(images, *sides)
        upside_down = -maps.min(axis=(1, 2), keepdims=True) > maps.max(axis=(1, 2), keepdims=True)
        return np.where(upside_down, -maps, maps)


class RawRandomCAM(_Raw, RandomCAM):
    """A baseline: channel weights drawn from [-1, 1], from a generator of its own instead of NumPy's global one."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.uses_gradients = False
        self.generator = np.random.default_rng(0)

    def get_cam_weights(self, _input: Any, _layer: Any, _targets: Any, activations: Any, _grads: Any) -> Any:
        return self.generator.uniform(-1, 1, activations.shape[:2])


METHODS: dict[str, type] = {
    "gradcam": RawGradCAM,
    "gradcam++": RawGradCAMPlusPlus,
    "eigencam": RawEigenCAM,
    "hirescam": RawHiResCAM,
    "layercam": RawLayerCAM,
    "random": RawRandomCAM,
}

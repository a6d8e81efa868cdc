"""What explain.guided promises: guided backpropagation as the library computes it, and a model left as it was."""

import copy
from functools import cache

import pytest
import torch
from narrow_network import NarrowResNet, lively
from pytorch_grad_cam import GuidedBackpropReLUModel
from torch import nn

from s12lib.data.pixels import normalize
from s12lib.data.shapes import draw_shapes
from s12lib.explain.guided import guided_backpropagation

IMAGES = draw_shapes(3, 0, "test")[0]


@cache
def narrow() -> nn.Module:
    return lively(NarrowResNet())


def test_maps_are_those_of_the_library():
    ours = guided_backpropagation(narrow(), IMAGES, [3, 0, 9])
    for image, target, heat in zip(IMAGES, [3, 0, 9], ours, strict=True):
        theirs = GuidedBackpropReLUModel(copy.deepcopy(narrow()))(normalize(image), target_category=target)
        torch.testing.assert_close(heat, torch.from_numpy(abs(theirs).max(2)))
    assert ours.shape == (3, 32, 32)
    assert ours.dtype == torch.float32
    assert ours.max() > 0


def test_predicted_class_is_explained_when_none_is_named():
    with torch.no_grad():
        preds = narrow()(normalize(IMAGES)).argmax(1)
    torch.testing.assert_close(
        guided_backpropagation(narrow(), IMAGES), guided_backpropagation(narrow(), IMAGES, preds)
    )


def test_model_is_left_as_it_was_and_gradients_need_not_be_switched_on():
    model = copy.deepcopy(narrow()).train()
    before = copy.deepcopy(model.state_dict())
    with torch.no_grad():
        guided_backpropagation(model, IMAGES)
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert any(isinstance(module, nn.ReLU) for module in model.modules())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())


def test_wrong_input_is_named():
    with pytest.raises(ValueError, match="targets must be 0 to 9"):
        guided_backpropagation(narrow(), IMAGES, 10)
    with pytest.raises(TypeError, match="images_uint8 must be uint8"):
        guided_backpropagation(narrow(), torch.from_numpy(IMAGES).float())

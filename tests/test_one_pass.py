"""What the app shows of any layer comes from one forward pass, and is what the library grad-cam gives."""

import numpy as np
import pytest
import torch

from s12lib import gradcam, load_pretrained, normalize
from s12lib.data.shapes import draw_shapes
from s12lib.explain.inputs import LAYERS
from s12lib.explain.one_pass import FORMULAS, logits_and_maps


@pytest.fixture(scope="module")
def network():
    return load_pretrained("page_resnet_shapes").requires_grad_(False)


@pytest.fixture(scope="module")
def images():
    return draw_shapes(4, 0, "test")[0]


@pytest.mark.parametrize("method", FORMULAS)
@pytest.mark.parametrize("layer", LAYERS)
def test_the_maps_are_those_of_the_library(network, images, layer, method):
    logits, targets, maps = logits_and_maps(network, normalize(images), None, (layer,), method)
    expected = gradcam(network, images, None, layer, method, raw=True)
    assert (targets == logits.argmax(1)).all()
    np.testing.assert_allclose(maps[layer], expected, atol=1e-4 * max(expected.amax().item(), 1e-3))


def test_one_class_of_all_layers_takes_one_pass_and_leaves_the_network_as_it_was(network, images):
    passed: list[int] = []
    hooks = [
        network.get_submodule(name).register_forward_hook(lambda _layer, inputs, _output: passed.append(len(inputs[0])))
        for name in LAYERS
    ]
    _, targets, maps = logits_and_maps(network, normalize(images), 7, LAYERS, "gradcam")
    for hook in hooks:
        hook.remove()
    assert passed == [4] * len(LAYERS)
    assert targets.tolist() == [7] * 4
    for layer in LAYERS:
        expected = gradcam(network, images, 7, layer, raw=True)
        np.testing.assert_allclose(maps[layer], expected, atol=1e-4 * max(expected.amax().item(), 1e-3))
        assert not maps[layer].requires_grad
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in network.parameters())


def test_without_gradients_around_it_still_explains(network, images):
    with torch.no_grad():
        _, _, maps = logits_and_maps(network, normalize(images), None, ("layer1",), "hirescam")
    assert maps["layer1"].amax() > 0

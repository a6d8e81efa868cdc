"""PageResNet is the network of the table, number for number."""

from pathlib import Path

import pytest
import torch
from torch import nn
from torchsummary import summary

from s12lib.model import PageResNet, Residual

# Multiply-adds of one image, worked out by hand: kernel area x input channels x output channels x output pixels.
PAIR_16 = 2 * 9 * 128 * 128 * 16 * 16
PAIR_4 = 2 * 9 * 512 * 512 * 4 * 4
MULTIPLY_ADDS = {
    "prep": 9 * 3 * 64 * 32 * 32,
    "layer1": 9 * 64 * 128 * 32 * 32 + PAIR_16,
    "layer2": 9 * 128 * 256 * 16 * 16,
    "layer3": 9 * 256 * 512 * 8 * 8 + PAIR_4,
    "head": 512 * 10,
}


@pytest.fixture(scope="module")
def network() -> PageResNet:
    """An untrained network whose BatchNorms have statistics, weights and biases of their own."""
    torch.manual_seed(0)
    network = PageResNet().eval()
    for norm in (module for module in network.modules() if isinstance(module, nn.BatchNorm2d)):
        norm.weight.data.uniform_(0.5, 1.5)
        norm.bias.data.uniform_(-0.2, 0.5)
        norm.running_mean.uniform_(-0.2, 0.2)
        norm.running_var.uniform_(0.5, 1.5)
    return network


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def last_map(network: PageResNet, images: torch.Tensor) -> torch.Tensor:
    return network.layer3(network.layer2(network.layer1(network.prep(images))))


def test_torchsummary_prints_the_table_character_for_character(capsys):
    summary(PageResNet().eval(), (3, 32, 32), device="cpu")
    assert capsys.readouterr().out == Path(__file__).with_name("summary.txt").read_text("utf-8")


def test_it_has_6_573_120_parameters_all_of_them_trainable(network):
    assert sum(p.numel() for p in network.parameters() if p.requires_grad) == 6_573_120
    assert all(p.requires_grad for p in network.parameters())


def test_its_five_children_are_those_of_the_image(network):
    assert [name for name, _ in network.named_children()] == ["prep", "layer1", "layer2", "layer3", "head"]


def test_each_child_hands_on_maps_of_the_size_that_the_code_says(network, images):
    sizes = []
    with torch.no_grad():
        for child in network.children():
            images = child(images)
            sizes.append(tuple(images.shape))
    assert sizes == [(2, 64, 32, 32), (2, 128, 16, 16), (2, 256, 8, 8), (2, 512, 4, 4), (2, 10)]


def test_it_multiplies_and_adds_379_261_952_times_an_image(network, images):
    counted = dict.fromkeys(MULTIPLY_ADDS, 0)

    def count(child: str):
        def hook(module: nn.Module, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
            counted[child] += module.weight[0].numel() * output[0].numel()

        return hook

    layers = [
        (name, module)
        for name, child in network.named_children()
        for module in child.modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    ]
    handles = [module.register_forward_hook(count(name)) for name, module in layers]
    with torch.no_grad():
        network(images)
    for handle in handles:
        handle.remove()
    assert counted == MULTIPLY_ADDS
    assert sum(counted.values()) == 379_261_952


def test_a_logit_is_the_scale_times_the_weighted_sum_of_the_last_maps_maxima(network, images):
    with torch.no_grad():
        maxima = last_map(network, images).amax(dim=(2, 3))
        expected = 0.125 * maxima @ network.head[2].weight.T
        torch.testing.assert_close(network(images), expected)


def test_a_logits_gradient_times_the_last_map_sums_to_the_logit(network, images):
    activations = last_map(network, images)
    activations.retain_grad()
    logit = (network.head(activations) * network.logit_scale)[:, 3]
    logit.sum().backward()
    torch.testing.assert_close((activations.grad * activations).sum(dim=(1, 2, 3)), logit)
    network.zero_grad()


def test_the_logit_scale_is_applied_inside_and_is_an_eighth(network, images):
    unscaled = PageResNet(logit_scale=1.0).eval()
    unscaled.load_state_dict(network.state_dict())
    with torch.no_grad():
        assert torch.equal(network(images), unscaled(images) / 8)


def test_an_images_logits_do_not_depend_on_the_others_of_its_batch(network, images):
    with torch.no_grad():
        torch.testing.assert_close(network(images)[:1], network(images[:1]))


def test_the_images_are_left_as_they_were(network, images):
    before = images.clone()
    with torch.no_grad():
        network(images)
    assert torch.equal(images, before)


def test_a_residual_adds_its_branch_to_its_input(network, images):
    residual = network.layer1[4]
    assert isinstance(residual, Residual)
    x = torch.randn(2, 128, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(residual(x), x + nn.Sequential(*residual)(x))
        assert nn.Sequential(*residual)(x).abs().mean() > 0.1, "the branch must do something, or the sum proves nothing"


def test_the_number_of_classes_changes_only_the_last_layer(network, images):
    other = PageResNet(num_classes=3).eval()
    with torch.no_grad():
        assert other(images).shape == (2, 3)
    different = [name for name, p in other.named_parameters() if p.shape != network.get_parameter(name).shape]
    assert different == ["head.2.weight"]

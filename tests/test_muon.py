"""Muon's update is what the singular value decomposition says it should be, and a run with it can be resumed."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from s12lib.training.muon import Muon, orthogonalize
from s12lib.training.optimizer import optimizer_for, start_as_identity

SHAPES = [(16, 144), (64, 64), (90, 20), (3, 12, 40)]


@pytest.mark.parametrize("shape", SHAPES)
def test_an_orthogonalized_matrix_keeps_its_singular_vectors_and_has_singular_values_near_1(shape):
    matrix = torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = orthogonalize(matrix, steps=5, dtype=torch.float64)
    assert found.shape == matrix.shape
    U, values, V = torch.linalg.svd(matrix, full_matrices=False)
    inside = U.mT @ found @ V.mT  # the found matrix in the given one's singular vectors: diagonal, if they are kept
    diagonal = torch.diagonal(inside, dim1=-2, dim2=-1)
    torch.testing.assert_close(inside, torch.diag_embed(diagonal), rtol=0, atol=1e-9)
    assert (diagonal[values > 0.05 * values.max()] > 0.65).all()
    assert (diagonal < 1.25).all()


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
def test_three_steps_in_bfloat16_do_for_a_layers_filters_whatever_their_scale(scale):
    gradient = scale * torch.randn(32, 32 * 9, generator=torch.Generator().manual_seed(1))
    found = orthogonalize(gradient)
    assert found.dtype == torch.float32
    values = torch.linalg.svdvals(found)
    assert values.min() > 0.5
    assert values.max() < 1.3


def test_a_gradient_of_zeros_moves_nothing():
    assert torch.equal(orthogonalize(torch.zeros(4, 9)), torch.zeros(4, 9))


def by_hand(weight, gradient, buffer, lr, momentum):
    """One step of Muon as the paper words it, written anew: no in-place operation, the SVD's formula spelled out."""
    a, b, c = 3.4445, -4.7750, 2.0315
    buffer = momentum * buffer + gradient
    direction = (gradient + momentum * buffer).flatten(1)
    U, s, V = torch.linalg.svd(direction / direction.norm(), full_matrices=False)
    for _ in range(3):
        s = a * s + b * s**3 + c * s**5
    update = (U * s) @ V
    weight = weight / weight.norm() * len(weight) ** 0.5
    return weight - lr * update.view_as(weight), buffer


def test_muon_takes_the_steps_that_the_singular_values_formula_gives():
    torch.manual_seed(0)
    shapes = [(8, 4, 3, 3), (6, 8, 3, 3), (8, 4, 3, 3), (8, 4, 3, 3)]  # those of one shape are worked on together
    weights = [
        nn.Parameter(torch.randn(shape, dtype=torch.float64).to(memory_format=torch.channels_last)) for shape in shapes
    ]
    idle = weights[-1].detach().clone()
    group = {"params": weights, "muon_momentum": 0.6, "momentum": 0, "weight_decay": 0, "nesterov": False}
    optimizer = Muon([group], 0.1, torch.float64, momentum=0.9, weight_decay=0.1, nesterov=True)
    expected = [(weight.detach().clone(), torch.zeros_like(weight)) for weight in weights[:-1]]
    for _ in range(4):
        gradients = [torch.randn_like(weight) for weight in weights[:-1]]
        for weight, gradient in zip(weights, gradients, strict=False):
            weight.grad = gradient.clone()
        optimizer.step()
        for k, (weight, gradient) in enumerate(zip(weights, gradients, strict=False)):
            start, buffer = expected[k]
            expected[k] = by_hand(start, gradient, buffer, 0.1, 0.6)
            torch.testing.assert_close(weight.detach(), expected[k][0], rtol=1e-6, atol=1e-6)
    assert torch.equal(weights[-1], idle), "a filter without a gradient stays"


def test_groups_without_muon_take_the_steps_of_sgd():
    torch.manual_seed(0)
    one, two = (nn.Parameter(torch.ones(4, 4)) for _ in range(2))
    settings = {"momentum": 0.9, "weight_decay": 0.1, "nesterov": True}
    ours, sgd = Muon([{"params": [one]}], 0.1, torch.float32, **settings), torch.optim.SGD([two], 0.1, **settings)
    for _ in range(3):
        one.grad = torch.randn(4, 4)
        two.grad = one.grad.clone()
        ours.step(), sgd.step()
        assert torch.equal(one, two)


def test_the_closure_is_called_once_with_gradients_and_its_loss_returned():
    weight = nn.Parameter(torch.randn(4, 2, 3, 3))
    optimizer = Muon([{"params": [weight], "muon_momentum": 0.6}], 0.1, torch.float32)
    calls = []

    def closure():
        calls.append(torch.is_grad_enabled())
        loss = weight.square().sum()
        loss.backward()
        return loss

    before = weight.square().sum().item()
    assert optimizer.step(closure).item() == pytest.approx(before)
    assert calls == [True]


@pytest.mark.parametrize("factor", [0.1, 1, 30])
def test_before_each_step_the_filters_are_scaled_to_the_root_of_their_number(factor):
    weight = nn.Parameter(factor * torch.randn(16, 4, 3, 3))
    optimizer = Muon([{"params": [weight], "muon_momentum": 0.6}], 0.0, torch.float32)
    weight.grad = torch.randn_like(weight)
    optimizer.step()
    assert weight.norm().item() == pytest.approx(4, rel=1e-5)


def test_the_optimizers_state_comes_back_with_weights_only(tmp_path):
    torch.manual_seed(0)
    gradients = [torch.randn(8, 4, 3, 3) for _ in range(4)]

    def optimizer_of(weight):
        return Muon([{"params": [weight], "muon_momentum": 0.6}], 0.1, torch.bfloat16)

    whole = nn.Parameter(torch.randn(8, 4, 3, 3))
    cut = nn.Parameter(whole.detach().clone())
    optimizer, resumed = optimizer_of(whole), optimizer_of(cut)
    for number, gradient in enumerate(gradients):
        whole.grad, cut.grad = gradient.clone(), gradient.clone()
        optimizer.step(), resumed.step()
        if number == 1:
            torch.save({"weight": cut.detach(), "state": resumed.state_dict()}, tmp_path / "half.pt")
            half = torch.load(tmp_path / "half.pt", weights_only=True)
            cut = nn.Parameter(half["weight"])
            resumed = optimizer_of(cut)
            resumed.load_state_dict(half["state"])
    assert torch.equal(whole, cut)


SETTINGS = {
    "lr": 1.0, "momentum": 0.85, "weight_decay": 1e-3, "bias_lr_multiplier": 64, "freeze_bn_weight": True,
    "muon_lr": 0.2, "muon_momentum": 0.6,
}  # fmt: skip


def test_muon_takes_the_seven_convolutions_after_the_first_and_nothing_else():
    from s12lib.model import PageResNet

    network = PageResNet()
    names = {parameter: name for name, parameter in network.named_parameters()}
    optimizer = optimizer_for(network, SimpleNamespace(**SETTINGS))
    weights, biases, filters = ([names[p] for p in group["params"]] for group in optimizer.param_groups)
    assert weights == ["prep.0.weight", "head.2.weight"]
    assert len(biases) == 8
    assert filters == [
        "layer1.0.weight", "layer1.4.0.weight", "layer1.4.3.weight", "layer2.0.weight", "layer3.0.weight",
        "layer3.4.0.weight", "layer3.4.3.weight",
    ]  # fmt: skip
    group = optimizer.param_groups[2]
    assert (group["lr"], group["weight_decay"], group["momentum"], group["muon_momentum"]) == (0.2, 0, 0, 0.6)


def test_a_network_that_has_nothing_for_muon_is_refused():
    with pytest.raises(ValueError, match=r"set model\.muon_lr to 0"):
        optimizer_for(nn.Sequential(nn.Conv2d(3, 4, 3)), SimpleNamespace(**SETTINGS))


@pytest.mark.parametrize(("where", "changed"), [("plain", 3), ("all", 7)])
def test_partial_identities_hand_the_first_channels_on(where, changed):
    from narrow_network import NarrowResNet

    network, count = NarrowResNet(), 0
    before = {name: value.clone() for name, value in network.named_parameters()}
    start_as_identity(network, where)
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d) and not torch.equal(module.weight, before[f"{name}.weight"]):
            count += 1
            width = module.in_channels
            images = torch.randn(2, width, 8, 8)
            torch.testing.assert_close(module(images)[:, :width], images)
            assert torch.equal(module.weight[width:], before[f"{name}.weight"][width:])
    assert count == changed
    assert torch.equal(network.prep[0].weight, before["prep.0.weight"])

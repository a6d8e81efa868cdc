"""The exercise of lesson 02 that builds a residual block: whatever its layers are called, what do they compute?"""

import itertools
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from s12lib.exercises.expect import Mistake, call, close, tensor
from s12lib.exercises.judging import Exercise
from s12lib.model import Residual

Layers = tuple[Callable[[torch.Tensor], torch.Tensor], ...]  # the two convolutions, or the two BatchNorms
Forward = Callable[[torch.Tensor, Layers, Layers], torch.Tensor]


def _through(block: nn.Module, images: torch.Tensor) -> Any:
    """What the block makes of the images; without padding, x and f(x) no longer fit each other."""
    try:
        return call(block, images)
    except RuntimeError as error:
        convolutions = [module for module in block.modules() if isinstance(module, nn.Conv2d)]
        if "must match" not in str(error) or all(c.padding not in ((0, 0), "valid") for c in convolutions):
            raise
        raise Mistake(
            "Without padding each convolution takes a pixel off every side, so that x and f(x) no longer fit.",
            "padding=1 in both convolutions.",
        ) from error


def _judge_residual(answer: Any) -> None:
    generator = torch.Generator().manual_seed(5)
    for channels in (4, 6, 1):
        block = _made(answer, channels)
        convs, norms = _layers(block, nn.Conv2d), _layers(block, nn.BatchNorm2d)
        _count_layers(block, channels, convs, norms)
        _look_at_settings(block, norms)
        for parameter in block.parameters():
            parameter.data.copy_(torch.randn(parameter.shape, generator=generator) / parameter[0].numel() ** 0.5)
        for norm in norms:
            norm.running_mean.copy_(torch.randn(channels, generator=generator))
            norm.running_var.copy_(torch.rand(channels, generator=generator) + 0.5)
        images = torch.randn(5, channels, 6, 7, generator=generator)
        for training, some in ((False, images), (False, images[:1]), (True, images)):  # running, then batch statistics
            means = torch.stack([norm.running_mean for norm in norms])
            spreads = torch.stack([norm.running_var for norm in norms])
            result = tensor(_through(block.train(training), some), some.shape, "the block's output")
            if not training and not all(
                torch.equal(norm.running_mean, mean) and torch.equal(norm.running_var, spread)
                for norm, mean, spread in zip(norms, means, spreads, strict=True)
            ):
                raise Mistake(
                    "In evaluation mode your block changes its running statistics.", "forward only reads them"
                )
            _compare_block(result, some, convs, norms, training)
            if block.training != training or any(norm.training != training for norm in norms):
                raise Mistake("Your block switches itself between training and evaluation.", "no train() in forward")
        if any(torch.equal(norm.running_mean, mean) for norm, mean in zip(norms, means, strict=True)):
            raise Mistake(
                "In training your BatchNorm keeps no running mean, so there would be nothing to go by in evaluation.",
                "nn.BatchNorm2d(channels), with its momentum and everything else as it is.",
            )
        _look_at_gradient(block.eval(), images, convs, norms)
    _judge_fresh(answer, torch.randn(8, 4, 6, 6, generator=generator))


def _made(answer: Any, channels: int) -> nn.Module:
    block = answer(channels)
    if not isinstance(block, nn.Module):
        raise Mistake(f"ResidualBlock({channels}) should make an nn.Module.", "class ResidualBlock(nn.Module):")
    if any(isinstance(parameter, nn.UninitializedParameter) for parameter in block.parameters()):
        block(torch.zeros(2, channels, 4, 4))  # lazy layers learn their sizes from the first batch
    return block


def _layers(block: nn.Module, kind: type[nn.Module]) -> list[Any]:
    """The block's layers of this kind, also in a block that torch.jit has scripted."""
    name = kind.__name__
    return [m for m in block.modules() if isinstance(m, kind) or getattr(m, "original_name", "") == name]


def _hidden_layers(block: nn.Module) -> str:
    """The kind of the Python container in which layers are hidden from the block, or nothing."""
    for module in block.modules():
        for value in vars(module).values():
            items = value.values() if isinstance(value, dict) else value
            holds = isinstance(value, list | tuple | dict) and any(isinstance(item, nn.Module) for item in items)
            if holds and value is not module._modules:
                return type(value).__name__
    return ""


def _look_at_settings(block: nn.Module, norms: list[Any]) -> None:
    if not all(module.training for module in block.modules()):
        raise Mistake("A new block should be in training mode; yours comes in evaluation mode.", "no eval()")
    if any(norm.running_mean is None or norm.momentum == 0 for norm in norms):
        raise Mistake(
            "In training your BatchNorm keeps no running mean, so there would be nothing to go by in evaluation.",
            "nn.BatchNorm2d(channels), with its momentum and everything else as it is.",
        )
    if any(norm.momentum is not None and norm.momentum > 1 for norm in norms):
        raise Mistake("With a momentum above 1 BatchNorm's running mean jumps past the batch's.", "Leave out momentum.")


def _judge_fresh(answer: Any, images: torch.Tensor) -> None:
    """A block with the weights that it gives itself must be able to learn, and share them with no other."""
    block, other = _made(answer, 4), _made(answer, 4)
    if {p.data_ptr() for p in block.parameters()} & {p.data_ptr() for p in other.parameters()}:
        raise Mistake(
            "Two of your blocks share their layers: training one changes the other.", "Make new ones each time."
        )
    means = [norm.running_mean.data_ptr() for norm in _layers(block, nn.BatchNorm2d)]
    if len(set(means)) < len(means):
        raise Mistake("Your two BatchNorms share one running mean; each keeps that of its own place.", "two of them")
    weights = {name: parameter.detach().clone() for name, parameter in block.named_parameters()}
    output = block(images)
    if output.requires_grad:
        output.square().sum().backward()
    gradients = {name: p.grad.clone() if p.grad is not None else torch.zeros(1) for name, p in block.named_parameters()}
    if not all(torch.isfinite(gradient).all() for gradient in gradients.values()):
        raise Mistake("In a new block gradients are nan or infinite.", "Leave the layers' first weights as they are.")
    still = [name for name, gradient in gradients.items() if not gradient.any()]
    if still:
        raise Mistake(
            f"No gradient reaches {', '.join(still)} in a new block, so it could never learn.",
            "Zeros before a ReLU block every gradient, as requires_grad=False does. Leave the first weights.",
        )
    for name, weight in weights.items():
        if weight.ndim == 4 and weight.std(0).max() < 1e-6:
            raise Mistake(f"{name} begins with all filters alike, and they stay so.", "Leave the first weights random.")
        if not torch.equal(weight, dict(block.named_parameters())[name]):
            raise Mistake("Your forward changes the block's own weights.", "Training does that, forward only reads.")
    block(images)
    if any(p.grad is None or not torch.equal(p.grad, gradients[name]) for name, p in block.named_parameters()):
        raise Mistake("Your forward clears the gradients that were gathered.", "Leave zero_grad to whoever trains.")


def _count_layers(block: nn.Module, channels: int, convs: list[Any], norms: list[Any]) -> None:
    count = sum(p.numel() for p in block.parameters())
    if (len(convs) < 2 or len(norms) < 2) and (kind := _hidden_layers(block)):
        raise Mistake(
            f"Your layers are in a Python {kind}, where nn.Module does not see them: no optimiser would train them.",
            "nn.ModuleList([...]), nn.ModuleDict({...}), or an attribute for each layer.",
        )
    if len(convs) == 2 and any(getattr(c, "bias", None) is not None for c in convs):
        raise Mistake(
            "Your convolutions have a bias. BatchNorm subtracts the mean right after, so a bias there can do nothing.",
            "nn.Conv2d(..., bias=False)",
        )
    if len(convs) == 2 and any(c.kernel_size != (3, 3) for c in convs):
        raise Mistake("Both convolutions should be 3×3.", "kernel_size=3")
    if len(convs) < 2:
        raise Mistake(
            f"The block should have two convolutions, each with weights of its own; yours has {len(convs)}.",
            "One nn.Conv2d that is called twice shares its weights with itself.",
        )
    if len(norms) < 2:
        raise Mistake(
            f"Each of the two convolutions is followed by a BatchNorm of its own; yours has {len(norms)}.",
            "nn.BatchNorm2d(channels), twice. Each keeps the statistics of its own place.",
        )
    if count != (right := 2 * (9 * channels**2 + 2 * channels)):
        raise Mistake(
            f"ResidualBlock({channels}) should have {right} parameters; yours has {count}.",
            "Two 3×3 convolutions without bias, and two BatchNorms, nothing else.",
        )


def _orders(convs: list[Any], norms: list[Any], training: bool) -> Iterator[tuple[Layers, Layers]]:
    """The answer's weights in layers as they should be, in whichever order the answer has named them."""
    right_convs = [partial(F.conv2d, weight=conv.weight, padding=1) for conv in convs]
    right_norms = [
        partial(
            F.batch_norm,
            running_mean=norm.running_mean,
            running_var=norm.running_var,
            weight=norm.weight,
            bias=norm.bias,
            training=training,
            momentum=0.0,  # the check itself leaves the running statistics alone
        )
        for norm in norms
    ]
    yield from itertools.product(itertools.permutations(right_convs), itertools.permutations(right_norms))


def _right(x: torch.Tensor, conv: Layers, norm: Layers) -> torch.Tensor:
    return x + F.relu(norm[1](conv[1](F.relu(norm[0](conv[0](x))))))


_NO_SKIP = (
    "The shape is right and the parameters are right, but the input is not added: this is no residual block yet.",
    "Keep x, and return x + f(x).",
)
_WRONG_BLOCKS: list[tuple[Forward, str, str]] = [
    (lambda x, c, n: _right(x, c, n) - x, *_NO_SKIP),
    (
        lambda x, c, n: F.relu(x + n[1](c[1](F.relu(n[0](c[0](x)))))),
        "You add before the last ReLU. He et al. do so; Page adds after it, and nothing touches the sum.",
        "x + relu(bn2(conv2(...)))",
    ),
    (
        lambda x, c, n: F.relu(_right(x, c, n)),
        "There is one ReLU too many: nothing comes after the addition, so that x passes as it is.",
        "return x + f(x), and no more",
    ),
    (
        lambda x, c, n: x + n[1](c[1](F.relu(n[0](c[0](x))))),
        "The second convolution's ReLU is missing.",
        "Conv, BatchNorm, ReLU; then conv, BatchNorm, ReLU; then the addition.",
    ),
    (
        lambda x, c, n: x + F.relu(n[1](c[1](n[0](c[0](x))))),
        "The first convolution's ReLU is missing.",
        "Without it, two convolutions in a row are no more than one.",
    ),
    (
        lambda x, c, n: x + F.relu(c[1](F.relu(n[0](c[0](x))))),
        "The second BatchNorm is there, but it is not used.",
        "Each convolution is followed by its own BatchNorm.",
    ),
    (
        lambda x, c, n: x + n[1](F.relu(c[1](n[0](F.relu(c[0](x)))))),
        "The order is conv, BatchNorm, ReLU; in yours ReLU comes before BatchNorm.",
        "BatchNorm first, so that ReLU cuts at the middle.",
    ),
    (
        lambda x, c, n: (h := F.relu(n[0](c[0](x)))) + F.relu(n[1](c[1](h))),
        "You add the output of the first convolution. What is to be added is the block's input.",
        "Give the input a name of its own, and do not write over it.",
    ),
    (
        lambda x, c, n: _right(x, c, (n[0], n[0])),
        "One BatchNorm is used twice, and the other never.",
        "Look at which BatchNorm the second convolution's output goes through.",
    ),
    (
        lambda x, c, n: _right(x, (c[0], c[0]), n),
        "One convolution is used twice, and the other never.",
        "Look at which convolution comes second.",
    ),
    (
        lambda x, c, n: _right(x, (c[0], c[0]), (n[0], n[0])),
        "The second half goes through the layers of the first half again; its own two are never used.",
        "Look at which convolution and which BatchNorm come second.",
    ),
]


def _compare_block(result: torch.Tensor, x: torch.Tensor, convs: list[Any], norms: list[Any], training: bool) -> None:
    def matches(forward: Forward) -> bool:
        with torch.no_grad():
            return any(close(result, forward(x, *order), 1e-3) for order in _orders(convs, norms, training))

    if matches(_right):
        return
    for forward, hint, more in _WRONG_BLOCKS:
        if matches(forward):
            raise Mistake(hint, more)
    if any(conv.padding_mode != "zeros" for conv in convs):
        raise Mistake("Your convolutions pad with something else than zeros.", "Leave out padding_mode.")
    if any(conv.dilation != (1, 1) for conv in convs):
        raise Mistake("Your kernels have gaps: a 3×3 kernel looks at neighbours, with dilation at pixels further off.")
    if any(norm.eps != 1e-5 for norm in norms):
        raise Mistake("Your BatchNorm adds another eps to the variance than it does by itself.", "Leave out eps.")
    raise Mistake(
        "The output is not x + f(x).",
        "f is conv, BatchNorm, ReLU, conv, BatchNorm, ReLU. The convolutions pad by one pixel of zeros.",
    )


def _look_at_gradient(block: nn.Module, images: torch.Tensor, convs: list[Any], norms: list[Any]) -> None:
    """In evaluation mode the answer's gradient must be the right block's too: nothing is detached."""
    x = images.clone().requires_grad_()
    output = block(x)
    if not output.requires_grad:
        raise Mistake("No gradient flows through your block, so it could not learn.", "Leave out no_grad and detach.")
    try:
        (found,) = torch.autograd.grad(output.square().sum(), x)
    except RuntimeError as error:
        if "inplace" not in str(error):
            raise
        raise Mistake(
            "Your block writes over numbers that its gradient still needs, so it could not learn.",
            "No h += x: that changes h itself. x + h makes a new tensor.",
        ) from error
    for order in _orders(convs, norms, training=False):
        (wanted,) = torch.autograd.grad(_right(x, *order).square().sum(), x)
        if close(found, wanted, 1e-3):
            return
    raise Mistake("The output is right, but the gradient does not reach the input by both ways.", "Leave out detach.")


EXERCISES = [
    Exercise(
        "residual", Residual, _judge_residual, "The input comes through untouched, and f(x) is on top.", draws=True
    ),
]

"""The long exercise of lesson 02: BatchNorm by hand, with what it does in training and what it does afterwards."""

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from s12lib.exercises.expect import Mistake, call, close, kind_of, recognise, tensor
from s12lib.exercises.judging import Exercise

EPS, MOMENTUM = 1e-5, 0.1  # PyTorch's own
AXES = (0, 2, 3)  # of all but the channel


class BatchNorm(nn.Module):
    """``(N, C, H, W)`` → the same shape: normalised by the batch in training, by running averages in evaluation."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))
        self.running_mean: torch.Tensor
        self.running_var: torch.Tensor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, self.training, MOMENTUM, EPS
        )


def _judge_batch_norm(answer: Any) -> None:
    generator = torch.Generator().manual_seed(7)
    for channels, shape in ((3, (6, 4, 5)), (2, (2, 3, 3)), (1, (4, 3, 2)), (2, (1, 5, 4))):
        norm = _made(answer, channels)
        spread = torch.tensor([4.0, 0.002, 1.0])[:channels, None, None]  # in the second channel eps counts
        batches = [
            torch.randn(shape[0], channels, *shape[1:], generator=generator) * spread + (3 + k) * spread
            for k in range(3)
        ]
        right = BatchNorm(channels)
        for module in (norm, right):
            module.weight.data = torch.linspace(0.5, -1.5, channels)
            module.bias.data = torch.linspace(-0.3, 0.8, channels)
        _compare_training(norm, right, batches)
        with torch.no_grad():
            if not close(call(norm, batches[0]), right(batches[0])):
                raise Mistake(
                    "Under torch.no_grad() yours takes training for evaluation.", "self.training alone says which it is"
                )
        _compare_gradient(norm, right, batches[0])
        for some in (batches[2], batches[2][:1]):
            _compare_evaluation(norm, right, some)


def _made(answer: Any, channels: int) -> Any:
    """A new layer of the answer's. Raises Mistake unless it has the two parameters and two buffers of the contract."""
    norm = answer(channels)
    if not isinstance(norm, nn.Module):
        raise Mistake(f"BatchNorm should be an nn.Module, but it is {kind_of(norm)}.", "class BatchNorm(nn.Module):")
    if any(isinstance(module, nn.modules.batchnorm._NormBase) for module in norm.modules()):
        raise Mistake("PyTorch's own BatchNorm is in it. Write this one yourself.", "mean, var, and arithmetic")
    parameters, buffers = dict(norm.named_parameters()), dict(norm.named_buffers())
    for name, value in (("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0), ("running_var", 1.0)):
        learned = name in ("weight", "bias")
        found = (parameters if learned else buffers).get(name)
        if found is None and hasattr(norm, name):
            raise Mistake(
                f"{name} is learned: make it an nn.Parameter."
                if learned
                else f"{name} is measured and not learned, but it must be saved and moved with the network.",
                "" if learned else f'self.register_buffer("{name}", ...)',
            )
        if found is None:
            raise Mistake(f"Your layer has no {name}.", "weight, bias, running_mean and running_var")
        if name not in norm.state_dict():
            raise Mistake(f"{name} is not saved with the network.", "Leave out persistent=False.")
        start = tensor(found, (channels,), name)
        if not close(start, torch.full((channels,), value)):
            raise Mistake(f"{name} should begin with {value:g} everywhere, but yours begins with {start.tolist()}.")
    return norm


def _compare_training(norm: Any, right: BatchNorm, batches: list[torch.Tensor]) -> None:
    """The outputs for two batches in training mode, and what they leave in the running averages."""
    norm.train()
    outputs, states = [], []
    for x in batches[:2]:
        before = norm.running_mean.clone(), norm.running_var.clone()
        outputs.append(tensor(call(norm, x), x.shape, "the output in training"))
        states.append((x, before, (norm.running_mean.clone(), norm.running_var.clone())))
    if not all(close(output, right(x).detach()) for output, (x, *_) in zip(outputs, states, strict=True)):
        slips = [_outputs_gone_wrong(right, x, before) for x, before, _ in states]
        formula = "weight * (x - mean) / (var + 1e-5).sqrt() + bias"
        recognise(
            zip(outputs, slips, strict=True), f"{formula}, with mean = x.mean(dim=(0, 2, 3)), and var over the same"
        )
        raise Mistake(
            f"In training the output is not {formula}.",
            "mean and var of each channel, over all places of all images of the batch",
        )
    for name, k in (("running_mean", 0), ("running_var", 1)):
        wanted = [torch.lerp(before[k], (x.mean(AXES), x.var(AXES))[k], MOMENTUM) for x, before, _ in states]
        found = [after[k] for *_, after in states]
        if not all(map(close, found, wanted)):
            slips = [_averages_gone_wrong(name, x, before[k]) for x, before, _ in states]
            recognise(zip(found, slips, strict=True), "running += 0.1 * (new - running)")
            raise Mistake(f"{name} is not what it should be after a batch.", "0.9 of the old, and 0.1 of the new")


def _look_for_graph(norm: Any) -> None:
    if norm.running_mean.requires_grad or norm.running_var.requires_grad:
        raise Mistake(
            "Your running averages hang on the graph of every batch so far, which is kept alive with them.",
            "Update them under torch.no_grad().",
        )


def _outputs_gone_wrong(
    right: BatchNorm, x: torch.Tensor, before: tuple[torch.Tensor, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """What well-known mistakes put out in training, by their hints."""
    weight, bias = (each.detach()[:, None, None] for each in (right.weight, right.bias))
    old_mean, old_var = (each[:, None, None] for each in before)
    var = x.var(AXES, correction=0, keepdim=True)

    def scaled(axes: tuple[int, ...], correction: int = 0) -> torch.Tensor:
        deviation = x - x.mean(axes, keepdim=True)
        return deviation / (x.var(axes, correction=correction, keepdim=True) + EPS).sqrt()

    deviation = weight * (x - x.mean(AXES, keepdim=True))
    return {
        "Weight and bias are there, but not used.": scaled(AXES),
        "The bias is not added.": weight * scaled(AXES),
        "The weight is not multiplied.": scaled(AXES) + bias,
        "The mean is not subtracted.": weight * x / (var + EPS).sqrt() + bias,
        "You divide by the variance; divide by its root.": deviation / (var + EPS) + bias,
        "eps is missing under the root.": deviation / var.sqrt() + bias,
        "eps belongs under the root, beside the variance.": deviation / (var.sqrt() + EPS) + bias,
        "You normalise by the variance with n - 1. The batch is all there is here: correction=0.": (
            weight * scaled(AXES, 1) + bias
        ),
        "You take each image's own mean and variance. They should be those of the whole batch.": (
            weight * scaled((2, 3)) + bias
        ),
        "You take mean and variance over all channels together. Each channel has its own.": (
            weight * scaled((0, 1, 2, 3)) + bias
        ),
        "In training you normalise by the running averages. They are for evaluation.": (
            weight * (x - old_mean) / (old_var + EPS).sqrt() + bias
        ),
    }


def _averages_gone_wrong(name: str, x: torch.Tensor, old: torch.Tensor) -> dict[str, torch.Tensor]:
    """What well-known mistakes make of a running average after a batch, by their hints."""
    new = x.mean(AXES) if name == "running_mean" else x.var(AXES)
    cases = {
        "you never update it.": old,
        "old and new have changed their shares. 0.1 is the share of the new.": torch.lerp(new, old, MOMENTUM),
        "you replace it by the batch's. It should move there by a tenth.": new,
        "you add a tenth of the new, and keep all of the old.": old + MOMENTUM * new,
    }
    if name == "running_var":
        of_batch = x.var(AXES, correction=0)
        cases |= {
            "it should move towards the variance with n - 1, a fair guess of that of all images. Only the output takes "
            "the one with n.": torch.lerp(old, of_batch, MOMENTUM),
            "you average standard deviations. It is a variance.": torch.lerp(old, new.sqrt(), MOMENTUM),
        }
    return {f"{name}: {hint}": value for hint, value in cases.items()}


def _compare_gradient(norm: Any, right: BatchNorm, x: torch.Tensor) -> None:
    """The loss must feel that a change of one number moves the batch's mean and variance, too."""
    gradients = []
    for module in (norm, right):
        given = x.clone().requires_grad_()
        loss = (module(given) ** 3).sum()
        if not loss.requires_grad:
            raise Mistake("No gradient comes through your layer.", "Only the running averages belong under no_grad.")
        wanted = torch.autograd.grad(loss, [given, module.weight, module.bias], allow_unused=True)
        _look_for_graph(norm)
        gradients.append([torch.zeros(()) if each is None else each for each in wanted])
    ours, theirs = gradients
    if not close(ours[0], theirs[0], 1e-2):
        raise Mistake(
            "The output is right, but its gradient is not: it must go back through mean and variance as well.",
            "Compute mean and var outside torch.no_grad(), and detach nothing.",
        )
    if not all(a.shape == b.shape and close(a, b, 1e-2) for a, b in zip(ours[1:], theirs[1:], strict=True)):
        raise Mistake("No right gradient reaches weight and bias, so they would not learn.", "Leave out .data, detach.")


def _compare_evaluation(norm: Any, right: BatchNorm, x: torch.Tensor) -> None:
    norm.eval()
    right.eval()
    with torch.no_grad():
        norm.running_var[-1] = 2e-5  # so small that eps counts
    right.running_mean.copy_(norm.running_mean)
    right.running_var.copy_(norm.running_var)
    result, wanted = tensor(call(norm, x), x.shape, "the output in evaluation"), right(x).detach()
    if not (torch.equal(norm.running_mean, right.running_mean) and torch.equal(norm.running_var, right.running_var)):
        raise Mistake("In evaluation mode your layer still moves its running averages.", "if self.training:")
    if close(result, wanted):
        _look_at_gradient_in_evaluation(norm, right, x)
        return
    deviation = right.weight[:, None, None] * (x - right.running_mean[:, None, None])
    without = deviation / right.running_var.sqrt()[:, None, None] + right.bias[:, None, None]
    if close(result, without.detach()):
        raise Mistake("In evaluation eps is missing under the root.", "(running_var + 1e-5).sqrt()")
    right.train()
    if close(result, right(x).detach()):
        raise Mistake(
            "In evaluation mode you still normalise by the batch, so an image's answer depends on its neighbours.",
            "mean, var = self.running_mean, self.running_var",
        )
    raise Mistake(
        "In evaluation mode the output is not that of the running averages.",
        "weight * (x - running_mean) / sqrt(running_var + eps) + bias",
    )


def _look_at_gradient_in_evaluation(norm: Any, right: BatchNorm, x: torch.Tensor) -> None:
    given = x.clone().requires_grad_()
    output = norm(given)
    wanted = torch.autograd.grad((right(given) ** 2).sum(), given)[0]
    if not output.requires_grad or not close(torch.autograd.grad((output**2).sum(), given)[0], wanted, 1e-2):
        raise Mistake(
            "In evaluation no right gradient comes through your layer, and Grad-CAM needs one.",
            "Only the update of the running averages belongs under no_grad.",
        )


EXERCISES = [
    Exercise(
        "batch_norm", BatchNorm, _judge_batch_norm, "Two layers in one, and model.eval() chooses which of them answers."
    ),
]

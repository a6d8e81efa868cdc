"""The exercise of lesson 00 on the loop of training: gradients that were never cleared, and losses that keep graphs."""

import copy
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from s12lib.exercises.expect import Mistake, close, kind_of, number, present
from s12lib.exercises.judging import Exercise

Batches = list[tuple[torch.Tensor, torch.Tensor]]
Loop = Callable[[nn.Module, torch.optim.Optimizer, Batches], list[float]]


def fit(network: nn.Module, optimizer: torch.optim.Optimizer, batches: Iterable[Any]) -> list[float]:
    """One step for each batch ``(inputs, labels)``; returns each batch's cross-entropy before its step."""
    losses = []
    for inputs, labels in batches:
        optimizer.zero_grad()
        loss = F.cross_entropy(network(inputs), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def _never_cleared(network: nn.Module, optimizer: torch.optim.Optimizer, batches: Batches) -> list[float]:
    losses = []
    for inputs, labels in batches:
        losses.append(F.cross_entropy(network(inputs), labels))
        losses[-1].backward()
        optimizer.step()
    return [loss.item() for loss in losses]


def _cleared_too_late(network: nn.Module, optimizer: torch.optim.Optimizer, batches: Batches) -> list[float]:
    return [F.cross_entropy(network(inputs), labels).item() for inputs, labels in batches]


def _stepped_too_early(network: nn.Module, optimizer: torch.optim.Optimizer, batches: Batches) -> list[float]:
    losses = []
    for inputs, labels in batches:
        optimizer.step()
        optimizer.zero_grad()
        losses.append(F.cross_entropy(network(inputs), labels))
        losses[-1].backward()
    return [loss.item() for loss in losses]


def _of_probabilities(network: nn.Module, optimizer: torch.optim.Optimizer, batches: Batches) -> list[float]:
    return fit(nn.Sequential(network, nn.Softmax(dim=1)), optimizer, batches)


def _looked_at_afterwards(network: nn.Module, optimizer: torch.optim.Optimizer, batches: Batches) -> list[float]:
    losses = []
    for batch in batches:
        fit(network, optimizer, [batch])
        losses.append(F.cross_entropy(network(batch[0]), batch[1]).item())
    return losses


WRONG_LOOPS: list[tuple[Loop, str, str]] = [
    (
        _never_cleared,
        "The gradients are still never cleared: backward adds each batch's to all the earlier ones.",
        "optimizer.zero_grad() in the loop, before backward",
    ),
    (
        _cleared_too_late,
        "Nothing is learned: no step has a gradient to go by. Is it cleared between backward and step?",
        "zero_grad, backward, step",
    ),
    (
        _stepped_too_early,
        "Each step goes by the batch before, since it comes before backward.",
        "zero_grad, backward, step",
    ),
    (
        _of_probabilities,
        "F.cross_entropy does the softmax itself; give it the logits as they are.",
        "F.cross_entropy(network(inputs), labels)",
    ),
    (
        _looked_at_afterwards,
        "The steps are right, but the losses are those after each step. Keep the one that you went back from.",
        "losses.append(loss.item())",
    ),
]


CASES = ("plain", "momentum", "head")
"""Plain steps; a momentum of 0.9; and Adam on the last layer of a network with BatchNorm."""


def _setting(case: str) -> tuple[nn.Sequential, torch.optim.Optimizer, Batches]:
    """A small network, its optimiser and four batches, the same at each call."""
    generator = torch.Generator().manual_seed(6)
    with torch.random.fork_rng(devices=[]):
        middle = [nn.BatchNorm1d(8), nn.ReLU()] if case == "head" else [nn.ReLU()]
        network = nn.Sequential(nn.Linear(5, 8), *middle, nn.Linear(8, 4))
    for parameter in network.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator) / 2
    batches = []
    for count in (6, 3, 6, 5):
        labels = torch.randint(0, 4, (count,), generator=generator)
        batches.append((torch.randn(count, 5, generator=generator) + labels[:, None], labels))
    if case == "head":
        return network, torch.optim.Adam(network[-1].parameters(), 0.05), batches
    return network, torch.optim.SGD(network.parameters(), 0.1, momentum=0.9 * (case == "momentum")), batches


def _outcome(loop: Loop, case: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The losses that a loop returns, the weights that it leaves, and the running means and variances."""
    network, optimizer, batches = _setting(case)
    losses = loop(network, optimizer, batches)
    statistics = torch.cat([torch.zeros(1), *(each.flatten() for name, each in network.named_buffers() if "r" in name)])
    return torch.tensor(losses), nn.utils.parameters_to_vector(network.parameters()).detach(), statistics


def _checked_losses(answer: Any) -> Loop:
    def loop(network: nn.Module, optimizer: torch.optim.Optimizer, batches: Batches) -> list[float]:
        given, settings = copy.deepcopy(batches), _settings_of(network, optimizer)
        try:
            losses = present(answer(network, optimizer, given), "the list of losses")
        except RuntimeError as error:
            if "inplace" not in str(error):
                raise
            raise Mistake(
                "The step changes weights that backward still needs: it comes between a loss and its backward.",
                "zero_grad, backward, step",
            ) from error
        if len(given) != len(batches):
            raise Mistake("Your answer uses the batches up, and whoever handed them over has none left.", "for ... in")
        if not all(
            torch.equal(a, b) for old, new in zip(batches, given, strict=True) for a, b in zip(old, new, strict=True)
        ):
            raise Mistake("Your answer changes the batches that it is given.")
        for what, before in settings.items():
            if _settings_of(network, optimizer)[what] != before:
                raise Mistake(f"Your answer changes {what}, and leaves it so.", "Only the steps change anything.")
        if isinstance(losses, str | dict) or not hasattr(losses, "__len__") or getattr(losses, "shape", None) == ():
            raise Mistake(f"Return the list of the losses; yours is {kind_of(losses)}.")
        if len(losses) != len(batches):
            raise Mistake(f"There are {len(batches)} batches, so {len(batches)} losses; you return {len(losses)}.")
        if any(isinstance(loss, torch.Tensor) and loss.requires_grad for loss in losses):
            raise Mistake(
                "The losses that you return still hang on their graphs: as long as the list lives, so does the record "
                "of how each was computed.",
                "loss.item() is the bare number.",
            )
        return [number(loss, "each loss") for loss in losses]

    return loop


def _settings_of(network: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """What is the caller's to choose, by the words for it."""
    groups = [{name: value for name, value in group.items() if name != "params"} for group in optimizer.param_groups]
    return {
        "the network's mode (training or evaluation)": [module.training for module in network.modules()],
        "which parameters ask for a gradient": [parameter.requires_grad for parameter in network.parameters()],
        "the optimiser's settings": groups,
    }


def _judge_fit(answer: Any) -> None:
    checked = _checked_losses(answer)
    found, right = ([_outcome(loop, case) for case in CASES] for loop in (checked, fit))
    if _same(found, right):
        return
    for loop, hint, more in WRONG_LOOPS:
        if _same(found, [_outcome(loop, case) for case in CASES]):
            raise Mistake(hint, more)
    if _same(found[:2], right[:2]):
        _diagnose_head(found[2], right[2])
    if _same(found[:1], right[:1]):
        raise Mistake(
            "It is right with plain steps, but not with the optimiser that it is given, which has a momentum of 0.9.",
            "optimizer.step(), and no arithmetic of your own on the weights",
        )
    if all(close(a[0], b[0]) for a, b in zip(found, right, strict=True)):
        raise Mistake("The losses are right, but the weights at the end are not.", "Is one step missing, or too much?")
    k = int((~torch.isclose(found[0][0], right[0][0], rtol=1e-4)).long().argmax())
    raise Mistake(
        f"Batch {k + 1} of {len(right[0][0])} should have the loss {right[0][0][k]:.4f}, but yours is "
        f"{found[0][0][k]:.4f}.",
        "For each batch: zero_grad, the loss, backward, step; and keep loss.item().",
    )


def _diagnose_head(found: tuple[torch.Tensor, ...], right: tuple[torch.Tensor, ...]) -> None:
    """Right, but not for a network with BatchNorm whose last layer alone is trained, by Adam. Raises Mistake."""
    if close(found[2], _outcome(lambda *_: [], "head")[2]):
        raise Mistake(
            "BatchNorm's running averages stay as they were: does your network train in evaluation mode?",
            "Leave the mode to whoever calls you.",
        )
    if all(map(close, found[:2], right[:2])):
        raise Mistake(
            "You run the network more than once for a batch: BatchNorm's running averages move each time.",
            "Keep the loss that you go back from: losses.append(loss.item()).",
        )
    raise Mistake(
        "With an optimiser of another kind, which trains the last layer only, yours does other steps.",
        "optimizer.step(), of the optimiser that you are given; make none of your own.",
    )


def _same(found: list[Any], right: list[Any]) -> bool:
    return all(close(a, b) for pair in zip(found, right, strict=True) for a, b in zip(*pair, strict=True))


EXERCISES = [
    Exercise("fit", fit, _judge_fit, "Clear, go back, step: each batch's own gradient, and nothing kept."),
]

"""The exercises of lesson 03: the loss, and the averaging of the weights. Those on the schedule have a file."""

from typing import Any

import torch
from torch.nn import functional as F

from s12lib.exercises.expect import Mistake, call, close, tensor
from s12lib.exercises.judging import Exercise


def smoothed_cross_entropy(logits: torch.Tensor, labels: torch.Tensor, smoothing: float) -> torch.Tensor:
    """Cross-entropy towards ``1 - smoothing`` of the label and ``smoothing`` spread over all classes, a mean."""
    return F.cross_entropy(logits, labels, label_smoothing=smoothing)


def _losses_gone_wrong(logits: torch.Tensor, labels: torch.Tensor, s: float) -> list[tuple[torch.Tensor, str, str]]:
    """What well-known mistakes make of the loss, each with its hint."""
    log_p, hot = logits.log_softmax(1), F.one_hot(labels, logits.shape[1]).to(logits.dtype)
    right, every = -(log_p * hot).sum(1), -log_p.mean(1)
    others = -(log_p * (1 - hot)).sum(1) / (logits.shape[1] - 1)
    down = -logits.log_softmax(0)
    return [
        (
            right.mean(),
            "This is plain cross-entropy: nothing is smoothed yet.",
            "Mix in the mean over all classes.",
        ),
        (
            (s * right + (1 - s) * every).mean(),
            "The two parts have changed their weights: most of the target belongs to the label.",
            "(1 - smoothing) * right + smoothing * everywhere",
        ),
        (
            ((1 - s) * right + s * others).mean(),
            "You spread the rest over the wrong classes only. Here it goes to all of them, the right one too.",
            "The mean over all classes, label included.",
        ),
        (
            ((1 - s) * right + s * every * logits.shape[1]).mean(),
            "You give the whole smoothing to each class. They share it.",
            "The mean over the classes, not the sum.",
        ),
        ((right + s * every).mean(), "The label keeps all of its weight; it should give some away.", "1 - smoothing"),
        (
            ((1 - s) * right + s * every).sum(),
            "You add up the pictures' losses. Then a larger batch takes larger steps.",
            "Take the mean over the batch.",
        ),
        (
            -((1 - s) * right + s * every).mean(),
            "The sign is wrong: a loss must fall as the label's probability rises.",
            "minus log p",
        ),
        (
            (1 - s) * (down * hot).sum(1).mean() + s * down.mean(),
            "Your softmax goes over the pictures of the batch. It should go over the classes of each picture.",
            "log_softmax(dim=1)",
        ),
        (
            (1 - s) * -(logits * hot).sum(1).mean() - s * logits.mean(),
            "Logits are no probabilities yet.",
            "logits.log_softmax(dim=1)",
        ),
    ]


def _judge_loss(answer: Any) -> None:
    generator = torch.Generator().manual_seed(3)
    for count, classes, smoothing in ((7, 10, 0.2), (5, 4, 0.35), (6, 10, 0.0)):
        logits = 2 * torch.randn(count, classes, generator=generator)
        labels = torch.randint(0, classes, (count,), generator=generator)
        result = call(answer, logits, labels, smoothing)
        if isinstance(result, torch.Tensor) and result.shape == (count,):
            raise Mistake("You return a loss for each picture; return their mean.", ".mean()")
        result = tensor(result, (), "the loss")
        if close(result, smoothed_cross_entropy(logits, labels, smoothing)):
            continue
        for wrong, hint, more in _losses_gone_wrong(logits, labels, smoothing):
            if close(result, wrong):
                raise Mistake(hint, more)
        raise Mistake(
            f"With {classes} classes and smoothing {smoothing} the loss is {result.item():.4f}, "
            f"but it should be {smoothed_cross_entropy(logits, labels, smoothing).item():.4f}.",
            "log_softmax over the classes; the label's part and the mean over all classes; then the mean.",
        )
    _judge_loss_in_training(answer)


def _judge_loss_in_training(answer: Any) -> None:
    """The loss must stay finite for a very sure network, and its gradient must reach the logits."""
    logits, labels = torch.tensor([[0.0, 300.0, -300.0], [5.0, 0.0, 1.0]]), torch.tensor([0, 2])
    result = tensor(call(answer, logits, labels, 0.1), (), "the loss")
    if not close(result, smoothed_cross_entropy(logits, labels, 0.1)):
        raise Mistake(
            "For a network that is very sure, your loss is no longer right: softmax underflows to 0, and its log is "
            "infinite.",
            "logits.log_softmax(dim=1) does both at once, and safely.",
        )
    logits.requires_grad_()
    loss = answer(logits, labels, 0.1)
    wanted = torch.autograd.grad(smoothed_cross_entropy(logits, labels, 0.1), logits)[0]
    gradient = torch.autograd.grad(loss, logits, allow_unused=True)[0] if loss.requires_grad else None
    if gradient is None or not close(gradient, wanted):
        raise Mistake(
            "The value is right, but its gradient does not reach the logits, so nothing would be learned.",
            "Leave out detach, item and no_grad.",
        )


def ema_update(average: torch.Tensor, weights: torch.Tensor, decay: float, every: int) -> torch.Tensor:
    """The new average, when it is updated every ``every`` steps and ``decay`` is meant per step."""
    kept = decay**every
    return kept * average + (1 - kept) * weights


def _judge_ema(answer: Any) -> None:
    generator = torch.Generator().manual_seed(4)
    for decay, every in ((0.9, 1), (0.99, 5), (0.8, 3)):
        average, weights = torch.randn(2, 3, 4, generator=generator)
        result = tensor(call(answer, average, weights, decay, every), (3, 4), "the new average")
        kept = decay**every
        if close(result, torch.lerp(weights, average, kept), 1e-5):
            continue
        wrong = [
            (
                torch.lerp(average, weights, kept),
                "Average and weights have changed places: yours forgets nearly all of the past.",
                "The average keeps the large share.",
            ),
            (
                torch.lerp(weights, average, decay),
                "You ignore `every`. An average that is updated every fifth step must forget as much as five steps do.",
                "decay ** every",
            ),
            (
                torch.lerp(weights, average, 1 - every * (1 - decay)),
                "Close, but forgetting does not add up, it multiplies: each step keeps its share of what is left.",
                "decay ** every",
            ),
            (
                kept * average + weights,
                "Your shares add up to more than 1, so that the average grows without end.",
                "1 - kept",
            ),
        ]
        for value, hint, more in wrong:
            if close(result, value, 1e-5):
                raise Mistake(hint, more)
        raise Mistake(
            f"With decay {decay} and every {every}, {kept:.3f} of the average remain, and {1 - kept:.3f} come in.",
            "kept * average + (1 - kept) * weights",
        )


EXERCISES = [
    Exercise(
        "smoothed_cross_entropy", smoothed_cross_entropy, _judge_loss, "The label gets most of it, and never all."
    ),
    Exercise("ema_update", ema_update, _judge_ema, "A memory of about 1 / (1 - decay) steps, however often you look."),
]

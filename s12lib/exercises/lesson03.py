"""The exercises of lesson 03: the loss, and the averaging of the weights. Those on the schedule have a file."""

from typing import Any

import torch
from torch.nn import functional as F

from s12lib.exercises.expect import Mistake, call, close, recognise, tensor
from s12lib.exercises.judging import Exercise


def smoothed_cross_entropy(logits: torch.Tensor, labels: torch.Tensor, smoothing: float) -> torch.Tensor:
    """Cross-entropy towards ``1 - smoothing`` of the label and ``smoothing`` spread over all classes, a mean."""
    return F.cross_entropy(logits, labels, label_smoothing=smoothing)


def _losses_gone_wrong(logits: torch.Tensor, labels: torch.Tensor, s: float) -> dict[str, torch.Tensor]:
    """What well-known mistakes make of the loss, by the hint for each."""
    log_p, hot = logits.log_softmax(1), F.one_hot(labels, logits.shape[1]).to(logits.dtype)
    right, every = -(log_p * hot).sum(1), -log_p.mean(1)
    others = -(log_p * (1 - hot)).sum(1) / (logits.shape[1] - 1)
    down = -logits.log_softmax(0)
    return {
        "This is plain cross-entropy: nothing is smoothed yet.": right.mean(),
        "The two parts have changed their weights: most of the target belongs to the label.": (
            (s * right + (1 - s) * every).mean()
        ),
        "You spread the rest over the wrong classes only. Here it goes to all of them, the right one too.": (
            ((1 - s) * right + s * others).mean()
        ),
        "You give the whole smoothing to each class. They share it.": (
            ((1 - s) * right + s * every * logits.shape[1]).mean()
        ),
        "The label keeps all of its weight; it should give some away.": (right + s * every).mean(),
        "You add up the images' losses. Then a larger batch takes larger steps.": (((1 - s) * right + s * every).sum()),
        "The sign is wrong: a loss must fall as the label's probability rises.": -((1 - s) * right + s * every).mean(),
        "A plus and a minus: each of the two parts is *minus* a mean of logarithms.": (
            ((1 - s) * right - s * every).mean()
        ),
        "Your softmax goes over the images of the batch. It should go over the classes of each image.": (
            (1 - s) * (down * hot).sum(1).mean() + s * down.mean()
        ),
        "Your softmax for the mean goes over the images of the batch. It should go over the classes.": (
            (1 - s) * right.mean() + s * down.mean()
        ),
        "F.cross_entropy takes logits, and does the softmax itself; you give it probabilities.": (
            (1 - s) * F.cross_entropy(logits.softmax(1), labels) + s * every.mean()
        ),
        "The mean goes over the logits. It should go over their log_softmax.": (
            (1 - s) * right.mean() - s * logits.mean()
        ),
        "Logits are no probabilities yet.": (1 - s) * -(logits * hot).sum(1).mean() - s * logits.mean(),
        "Your mean goes over ten classes, however many there are.": (
            ((1 - s) * right + s * every * logits.shape[1] / 10).mean()
        ),
    }


def _judge_loss(answer: Any) -> None:
    generator = torch.Generator().manual_seed(3)
    cases, wrong = [], ""
    for count, classes, smoothing in (
        (7, 10, 0.2),
        (5, 4, 0.35),
        (6, 10, 0.0),
        (1, 10, 0.1),
        (3, 100, 0.5),
        (4, 2, 0.9),
    ):
        logits = 2 * torch.randn(count, classes, generator=generator)
        labels = torch.randint(0, classes - 1, (count,), generator=generator)  # the last class need not occur
        result = call(answer, logits, labels, smoothing)
        if isinstance(result, torch.Tensor) and result.shape == (count,):
            raise Mistake("You return a loss for each image; return their mean.", ".mean()")
        result = tensor(result, (), "the loss")
        right = smoothed_cross_entropy(logits, labels, smoothing)
        cases.append((result, _losses_gone_wrong(logits, labels, smoothing)))
        if not close(result, right) and not wrong:
            wrong = (
                f"With {count} images, {classes} classes and smoothing {smoothing} the loss is {result.item():.4f}, "
                f"but it should be {right.item():.4f}."
            )
    if wrong:
        advice = "minus logits.log_softmax(dim=1): the label's part, and the mean over all classes; then the mean."
        recognise(cases, advice)
        raise Mistake(wrong, advice)
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
    if logits.grad is not None:
        raise Mistake(
            "Your loss runs backward() by itself, so that gradients are added up twice.",
            "Return the loss, and no more.",
        )
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
    shapes = ((3, 4), (3, 4), (3, 4), (1, 1), (5,), (), (2, 3, 1, 2))
    settings = ((0.9, 1), (0.99, 5), (0.8, 3), (0.3, 2), (0.999, 50), (0.9999, 1000), (0.97, 7))
    cases, wrong = [], ""
    for shape, (decay, every) in zip(shapes, settings, strict=True):
        average, weights = torch.randn(2, *shape, generator=generator)
        result = tensor(call(answer, average, weights, decay, every), shape, "the new average")
        kept = decay**every
        slips = {
            "Average and weights have changed places: yours forgets nearly all of the past.": (
                torch.lerp(average, weights, kept)
            ),
            "Your shares add up to more than 1, so that the average grows without end.": kept * average + weights,
        }
        if every > 1:
            slips |= {
                "You ignore `every`. Updated every fifth step, an average must forget as much as five steps do.": (
                    torch.lerp(weights, average, decay)
                ),
                "Shares multiply: what keeps 90% twice keeps 81% in the end, and not 180%.": (
                    torch.lerp(weights, average, decay * every)
                ),
                "Close, but forgetting does not add up, it multiplies: each step keeps its share of what is left.": (
                    torch.lerp(weights, average, 1 - every * (1 - decay))
                ),
            }
        cases.append((result, slips))
        if not close(result, torch.lerp(weights, average, kept), 1e-5) and not wrong:
            wrong = (
                f"With decay {decay} and every {every}, {kept:.3f} of the average remain, and {1 - kept:.3f} come in."
            )
    if wrong:
        recognise(cases, "kept = decay ** every; kept * average + (1 - kept) * weights")
        raise Mistake(wrong, "kept = decay ** every; kept * average + (1 - kept) * weights")
    if (double := answer(average.double(), weights.double(), 0.9, 2)).dtype != torch.float64:
        raise Mistake(f"An average of torch.float64 comes back as {double.dtype}: keep its type.", "no float()")
    equal = torch.ones(2, 3)
    if tensor(answer(equal, equal.clone(), 0.9, 2), (2, 3), "the new average").data_ptr() == equal.data_ptr():
        raise Mistake(
            "Where average and weights are equal you return the very tensor that you were given.",
            "Compute a new one in this case, too; the formula needs no exception.",
        )
    for decay, left in ((0.0, 1), (1.0, 0)):
        parts = torch.randn(2, 3, 4, generator=generator)
        result = answer(parts[0], parts[1], decay, 2)
        if not close(tensor(result, (3, 4), "the new average"), parts[left]):
            raise Mistake(f"With a decay of {decay:g} the new average is the {('average', 'weights')[left]}.")
        if any(result.data_ptr() == part.data_ptr() for part in parts):
            raise Mistake(
                "With a decay of 0 or 1 you return the very tensor that you were given: the next step would change it.",
                "Compute a new one in these cases, too; the formula needs no exception.",
            )


EXERCISES = [
    Exercise(
        "smoothed_cross_entropy", smoothed_cross_entropy, _judge_loss, "The label gets most of it, and never all."
    ),
    Exercise("ema_update", ema_update, _judge_ema, "A memory of about 1 / (1 - decay) steps, however often you look."),
]

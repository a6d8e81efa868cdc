"""The exercises of lesson 05: a hook that keeps activations, Grad-CAM from its formula, maps on one scale."""

from typing import Any

import torch
from torch import nn
from torch.nn.utils import skip_init  # fresh layers would draw from the notebook's random generator

from s12lib.exercises.expect import Mistake, call, close, pair, recognise, tensor
from s12lib.exercises.judging import Exercise


def listen(layer: nn.Module, network: nn.Module, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """What ``layer`` puts out while ``network(images)`` runs, and the logits; no hook is left, whatever happens."""
    kept: list[torch.Tensor] = []
    handle = layer.register_forward_hook(lambda _module, _args, output: kept.append(output))
    try:
        logits = network(images)
    finally:
        handle.remove()
    return kept[0], logits


class _Stumbling(nn.Module):
    """A last layer that raises."""

    def forward(self, _x: torch.Tensor) -> torch.Tensor:
        raise ArithmeticError("the last layer stumbles")


def _judge_listen(answer: Any) -> None:
    generator, earlier = torch.Generator().manual_seed(12), list[torch.Tensor]()
    conv, linear = (skip_init(kind, *sizes) for kind, sizes in ((nn.Conv2d, (3, 4, 3)), (nn.Linear, (4, 5))))
    for depth in (1, 2):  # the convolution and the sigmoid behind it
        network = nn.Sequential(conv, nn.Sigmoid(), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), linear)
        for parameter in network.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator)
        images, layer = torch.randn(2, 3, 6, 6, generator=generator), network[depth - 1]
        hooks = _somebody_listens(layer, network.train(depth == 1))
        activations, logits = _pair(answer(layer, network, images))
        if any(activations is each for each in earlier):
            raise Mistake(
                "That is what an earlier call heard: what you keep lives on from one call to the next.",
                "A default such as kept=[] is made once, for all calls. Make a new list inside the function.",
            )
        earlier.append(activations)
        expected = network[:depth](images)
        _compare_heard(activations, logits, expected, network[depth:](expected), images)
        _look_for_hooks(network, hooks, "is still there when your function has returned")
        if any(module.training != (depth == 1) for module in network.modules()):
            raise Mistake(
                "Your answer switches the network between training and evaluation, and leaves it so.",
                "Which of the two it is in is for the caller to say: leave out eval() and train().",
            )
        if not activations.requires_grad or not logits.requires_grad:
            raise Mistake(
                "The numbers are right, but no gradient can flow through them.",
                "Keep the output as it is: without detach(), clone(), cpu(), and not under torch.no_grad().",
            )
        (gradient,) = torch.autograd.grad(logits.sum(), activations, allow_unused=True)
        if gradient is None:
            raise Mistake(
                "The logits do not come from these activations, so there is no gradient between them.",
                "Keep the very tensor that passes, and return the logits of that same run.",
            )
    _judge_after_an_error(answer, nn.Sequential(conv, _Stumbling()), images)


def _pair(result: Any) -> tuple[torch.Tensor, torch.Tensor]:
    parts = pair(result, "two things", "the layer's output, and the logits", "return activations, logits")
    for part, what in zip(parts, ("the layer's output", "the logits"), strict=True):
        if not isinstance(part, torch.Tensor):
            raise Mistake(
                f"Make {what} a tensor; yours is of type {type(part).__name__}.", "kept[0], if kept is a list"
            )
    return parts


def _compare_heard(
    activations: torch.Tensor, logits: torch.Tensor, expected: torch.Tensor, scores: torch.Tensor, images: torch.Tensor
) -> None:
    if close(activations, scores) and close(logits, expected):
        raise Mistake(
            "The two have changed places: first the layer's output, then the logits.", "return kept[0], logits"
        )
    if close(activations, images):
        raise Mistake(
            "That is what goes in. The layer's output is the hook's third argument.", "(module, args, output)"
        )
    if not close(activations, expected):
        raise Mistake("That is not what this layer puts out.", "The hook belongs on the layer that was handed in.")
    if not close(logits, scores):
        raise Mistake(
            "The second should be the logits, what network(images) returns without your hook.",
            "logits = network(images), and a hook that returns nothing: what it returns replaces the layer's output.",
        )


def _hooks(network: nn.Module) -> list[Any]:
    """All hooks in the network, of those kinds that an answer may have registered."""
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return [hook for module in network.modules() for kind in kinds for hook in getattr(module, kind).values()]


def _somebody_listens(layer: nn.Module, network: nn.Module) -> list[Any]:
    """Put a hook there that is not the answer's, and return all hooks."""
    layer.register_forward_hook(lambda *_: None)
    return _hooks(network)


def _look_for_hooks(network: nn.Module, before: list[Any], when: str) -> None:
    after = _hooks(network)
    if any(hook not in after for hook in before):
        raise Mistake(
            "Somebody else had put a hook there before, and your answer removes it, too.",
            "The handle that register_forward_hook returns removes your own hook, and no other: handle.remove().",
        )
    if len(after) > len(before):
        raise Mistake(
            f"Your hook {when}. It would run again at each later pass, and keep what it heard.",
            "Whatever registers a hook returns a handle: handle.remove(), in a finally.",
        )


def _judge_after_an_error(answer: Any, network: nn.Sequential, images: torch.Tensor) -> None:
    hooks = _somebody_listens(network[0], network)
    try:
        answer(network[0], network, images)
    except ArithmeticError:
        _look_for_hooks(network, hooks, "is still there after the network has raised an error")
        return
    raise Mistake("When the network raises an error, yours swallows it.", "try and finally, without except")


def gradcam_map(activations: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
    """Grad-CAM from a layer's output and the logit's gradient there: ``(N, C, h, w)`` twice → ``(N, h, w)``, ≥ 0.

    ReLU(Σ_k α_k A_k), where α_k is the mean of channel k's gradient over the places. Source: Selvaraju et al., 2017.
    """
    weights = gradients.mean(dim=(2, 3), keepdim=True)
    return (weights * activations).sum(dim=1).relu()


def _judge_map(answer: Any) -> None:
    generator = torch.Generator().manual_seed(13)
    squares = ((3, 6, 4, 4), (1, 3, 2, 2))  # they come first: an answer may know no others
    for shape in (*squares, (3, 6, 4, 5), (2, 5, 7, 3), (1, 3, 2, 6)):
        activations, gradients = torch.randn((2, *shape), generator=generator) + 0.2
        wanted = gradcam_map(activations, gradients)
        try:
            given = call(answer, activations, gradients)
        except (RuntimeError, IndexError) as error:
            if shape[2] != shape[3]:
                raise Mistake(
                    f"Yours works on square maps only, and these have {shape[2]} rows and {shape[3]} columns.",
                    "n, channels, h, w = activations.shape",
                ) from error
            if "must match" not in str(error):
                raise
            raise Mistake(
                "A weight a channel, (N, C), does not multiply (N, C, h, w): its two axes of places are gone.",
                "mean(dim=(2, 3), keepdim=True) keeps them, with length 1.",
            ) from error
        if isinstance(given, torch.Tensor) and given.shape == (shape[0], 1, *shape[2:]):
            raise Mistake("One axis too many: the channels are summed up, so that axis goes.", "sum(dim=1)")
        result = tensor(given, tuple(wanted.shape), "the maps")
        if not close(result, wanted):
            _diagnose_map(result, activations, gradients)
            raise Mistake("The map is not right.", "weights: mean over the two axes of places; then sum over channels.")
    try:
        answer(activations.requires_grad_(), gradients)
    except RuntimeError as error:
        raise Mistake(
            "The activations of a network carry a gradient, and with that your answer raises an error.",
            "NumPy takes no such tensor. With torch alone it works; otherwise activations.detach().numpy().",
        ) from error


def _diagnose_map(result: torch.Tensor, activations: torch.Tensor, gradients: torch.Tensor) -> None:
    mean = gradients.mean((2, 3), keepdim=True)
    products = mean * activations
    height, width = gradients.shape[2:]
    places = height * width
    hints = {
        "The negative values are still there. What speaks against the class is to be cut off.": products.sum(1),
        "You cut off too early: ReLU comes after the sum, so that channels may speak against a place.": (
            products.relu().sum(1)
        ),
        "You cut the weights off. A channel with a negative weight may speak against a place.": (
            (mean.relu() * activations).sum(1).relu()
        ),
        "You multiply place by place, without the mean. That is HiRes-CAM, another method.": (
            (gradients * activations).sum(1).relu()
        ),
        "You average over the channels at the end; the formula has a sum.": products.mean(1).relu(),
        "You add the gradients up over the places; the formula has their mean.": (places * products.sum(1)).relu(),
        "You take the absolute value. What speaks against the class is no evidence for it.": products.sum(1).abs(),
        "Your weights are the mean over the whole batch; each picture has weights of its own.": (
            (mean.mean(0, keepdim=True) * activations).sum(1).relu()
        ),
        "You average the activations and keep the gradients' places. It is the other way round.": (
            (gradients * activations.mean((2, 3), keepdim=True)).sum(1).relu()
        ),
        "You divide by h · h, but there are h · w places.": (places / height**2 * products.sum(1)).relu(),
        "You divide by w · w, but there are h · w places.": (places / width**2 * products.sum(1)).relu(),
        "The sign is wrong: yours shows what speaks against the class.": (-products.sum(1)).relu(),
    }
    recognise(result, hints, "ReLU(Σ_k α_k A_k), where α_k is the mean of channel k's gradient over the places.")


def shared_heat(maps: torch.Tensor) -> torch.Tensor:
    """Maps of one picture for several classes on one scale: ``(n, h, w)`` → ``(n, h, w)`` in [0, 1].

    Negative values become 0, and all is divided by the largest value of all maps; where there is none, all stays 0.
    """
    heat = maps.relu()
    peak = heat.max()
    return heat / peak if peak > 0 else heat


def _judge_shared(answer: Any) -> None:
    generator = torch.Generator().manual_seed(14)
    drawn = [scale * torch.randn(3, 4, 4, generator=generator) for scale in (0.1, 4.0, 1.0)]
    drawn[0][1] *= 0.2  # a class with little to say for it
    drawn[1][2] = -drawn[1][2].abs() - 0.5  # a class that everything speaks against
    drawn += [torch.cat([drawn[2], drawn[2] / 3]), -drawn[2].abs() - 0.1, torch.zeros(2, 4, 4)]
    for maps in drawn:
        wanted = shared_heat(maps)
        result = tensor(call(answer, maps), wanted.shape, "the maps")
        if close(result, wanted):
            continue
        if not torch.isfinite(result).all():
            raise Mistake(
                "There is nan or inf in yours. Where nothing speaks for any class, the largest value is 0.",
                "Divide only if the largest value is above 0.",
            )
        _diagnose_shared(result, maps)
        raise Mistake("The maps are not right.", "Negative values become 0; then one divisor for all maps.")


def _diagnose_shared(result: torch.Tensor, maps: torch.Tensor) -> None:
    heat = maps.relu()
    own = heat.amax((1, 2), keepdim=True)
    low, high = (getattr(maps, which)((1, 2), keepdim=True) for which in ("amin", "amax"))
    stretched = (maps - low) / (high - low).where(high > low, 1)
    together = (maps - maps.min()) / (maps.max() - maps.min()).where(maps.max() > maps.min(), torch.tensor(1.0))
    hints = {
        "Each map is still stretched from its own least to its own most: that is the bug.": stretched,
        "Each map is divided by its own maximum, so that a faint one looks as hot as a strong one.": (
            heat / own.where(own > 0, 1)
        ),
        "Your least value becomes 0, so that places which speak against the class get heat, too.": together,
        "Your maps are not divided by anything: their largest value should be 1.": heat,
        "The negative values are still there.": maps / heat.max().where(heat.max() > 0, torch.tensor(1.0)),
        "The absolute value turns evidence against a class into evidence for it.": maps.abs() / maps.abs().max(),
        "You divide by the sum; the hottest place of all should be 1.": heat / heat.sum().clamp(min=1e-12),
    }
    recognise(result, hints, "First maps.relu(), then divide all of them by the one largest value.")


EXERCISES = [
    Exercise("listen", listen, _judge_listen, "It hears, it hands over, and it leaves no trace."),
    Exercise("gradcam_map", gradcam_map, _judge_map, "That is all of Grad-CAM."),
    Exercise("shared_heat", shared_heat, _judge_shared, "Now a faint map looks faint."),
]

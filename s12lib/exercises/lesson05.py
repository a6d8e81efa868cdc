"""The exercises of lesson 05: a hook that keeps activations, Grad-CAM from its formula, maps on one scale."""

from typing import Any

import torch
from torch import nn
from torch.nn.utils import skip_init  # fresh layers would draw from the notebook's random generator

from s12lib.exercises.expect import Mistake, call, close, pair, recognise, tensor
from s12lib.exercises.judging import Exercise
from s12lib.exercises.owned import Owned


def listen(layer: nn.Module, network: nn.Module, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """What ``layer`` puts out while ``network(images)`` runs, and the logits; no hook is left, whatever happens.

    The network goes on with a copy: a next layer that works in place, as ReLU does here, would write into what is kept.
    """
    kept: list[torch.Tensor] = []

    def keep(_module: nn.Module, _args: Any, output: torch.Tensor) -> torch.Tensor:
        kept.append(output)
        return output.clone()

    handle = layer.register_forward_hook(keep)
    try:
        logits = network(images)
    finally:
        handle.remove()
    return kept[0], logits


class _Stumbling(nn.Module):
    """A last layer that raises."""

    def forward(self, _x: torch.Tensor) -> torch.Tensor:
        raise ArithmeticError("the last layer stumbles")


class _Scaled(nn.Module):
    """A network whose layers lie inside one another, and whose forward scales the logits, as PageResNet's does."""

    def __init__(self, layers: nn.Sequential) -> None:
        super().__init__()
        self.body, self.head = nn.Sequential(layers[:3]), layers[3:]
        self._passes = 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self._passes += 1
        return self.head(self.body(images)) / 16


def _judge_listen(answer: Any) -> None:
    generator, earlier = torch.Generator().manual_seed(12), list[torch.Tensor]()
    conv, linear = (skip_init(kind, *sizes) for kind, sizes in ((nn.Conv2d, (3, 4, 3)), (nn.Linear, (4, 5))))
    layers = nn.Sequential(conv, nn.Sigmoid(), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), linear)
    scaled = _Scaled(layers)
    for network, depth, count in ((layers, 1, 3), (layers, 2, 3), (scaled, 3, 1), (scaled, 1, 3), (scaled, 6, 2)):
        for parameter in network.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator)
        images = torch.randn(count, 3, 6, 6, generator=generator)
        layer = layers[depth - 1] if depth != 3 else scaled.body  # a layer may be made of layers
        layer.register_forward_hook(lambda *_: None)  # somebody else's
        network.train(depth == 1)
        conv.weight.requires_grad_(depth != 2)
        owned, scaled._passes, lent = Owned(network), 0, images.clone()
        activations, logits = _pair(_heard(answer, layer, network, lent))
        _look_at_images(lent, images)
        if any(activations is each for each in earlier):
            raise Mistake(
                "That is what an earlier call heard: what you keep lives on from one call to the next.",
                "A default such as kept=[] is made once, for all calls. Make a new list inside the function.",
            )
        earlier.append(activations)
        expected = layers[:depth](images)
        scores = layers[depth:](expected) / (16 if network is scaled else 1)
        _compare_heard(activations, logits, expected, scores, images)
        if scaled._passes > 1:
            raise Mistake(
                "Your answer runs the network twice: BatchNorm's statistics move twice, and it takes twice as long.",
                "Keep the logits of the run in which the hook listens.",
            )
        if any(module.training != (depth == 1) for module in network.modules()):
            raise Mistake(
                "Your answer switches the network between training and evaluation, and leaves it so.",
                "Which of the two it is in is for the caller to say: leave out eval() and train().",
            )
        owned.look()
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
    _judge_before_a_layer_in_place(answer, conv, linear, images)


def _judge_before_a_layer_in_place(answer: Any, conv: nn.Module, linear: nn.Module, images: torch.Tensor) -> None:
    in_place = nn.Sequential(conv, nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(), linear)
    owned, expected = Owned(in_place), conv(images)
    activations, logits = _pair(answer(conv, in_place, images.clone()))
    if close(activations, expected.relu()):
        raise Mistake(
            "The next layer is a ReLU that works in place, and it has written into the tensor that you keep: your "
            "least value is 0.",
            "Let the hook return output.clone(): the network goes on with the copy, and what you keep stays as it was.",
        )
    _compare_heard(activations, logits, expected, in_place[1:](expected.clone()), images)
    owned.look()
    (gradient,) = torch.autograd.grad(logits.sum(), activations, allow_unused=True)
    if gradient is None:
        raise Mistake(
            "Before a layer that works in place, no gradient reaches your activations: the logits come from others.",
            "Keep the tensor itself, and return a copy of it from the hook, for the network to go on with.",
        )


def _heard(answer: Any, layer: nn.Module, network: nn.Module, images: torch.Tensor) -> Any:
    try:
        return answer(layer, network, images)
    except Exception as error:
        if isinstance(network, _Scaled) and not isinstance(error, NotImplementedError):
            raise Mistake(
                f"Where layers lie inside one another, yours raises {type(error).__name__}: {error}",
                "The hook goes on the layer that is handed in, wherever it lies; network(images) does the rest.",
            ) from error
        raise


def _look_at_images(lent: torch.Tensor, images: torch.Tensor) -> None:
    if lent.requires_grad:
        raise Mistake(
            "Your answer switches requires_grad of its images, which belong to whoever hands them to you.",
            "The network's parameters need gradients anyway; the images need none here.",
        )
    if not torch.equal(lent, images):
        raise Mistake("Your answer changes its input in place.", "The network reads it, and nothing else.")


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
            "logits = network(images). What the hook returns replaces the layer's output: a copy of it, or nothing.",
        )


def _judge_after_an_error(answer: Any, network: nn.Sequential, images: torch.Tensor) -> None:
    network[0].register_forward_hook(lambda *_: None)  # somebody else's
    owned = Owned(network)
    try:
        answer(network[0], network, images)
    except ArithmeticError:
        owned.look_for_hooks("is still there after the network has raised an error")
        owned.look_for_attributes(" after the network has raised an error")
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
    cases, wrong = [], False
    for shape in (*squares, (3, 6, 4, 5), (2, 5, 7, 3), (1, 3, 2, 6), (2, 1, 1, 4), (1, 2, 3, 1), (1, 1, 1, 1)):
        activations, gradients = torch.randn((2, *shape), generator=generator) + 0.2
        activations = activations * (0.02 if shape == (2, 1, 1, 4) else 1)  # faint, and strong
        wanted = gradcam_map(activations, gradients)
        result = tensor(_map(answer, activations, gradients), tuple(wanted.shape), "the maps")
        if not torch.isfinite(result).all():
            raise Mistake("There is nan or inf in your maps. The formula divides by nothing but the places.", "mean")
        cases.append((result, _wrong_maps(activations, gradients)))
        wrong = wrong or not close(result, wanted, 1e-5)
    if wrong:
        recognise(cases, "ReLU(Σ_k α_k A_k), where α_k is the mean of channel k's gradient over the places.")
        raise Mistake("The map is not right.", "weights: mean over the two axes of places; then sum over channels.")
    strong, pull = torch.rand((2, 2, 4, 3, 5), generator=generator) + 0.1
    faint = tensor(call(answer, 1e-6 * strong, pull), (2, 3, 5), "the maps")
    if not close(1e6 * faint, gradcam_map(strong, pull)):
        raise Mistake("A faint map goes wrong in yours: it is the same map, a million times weaker.", "no threshold")
    try:
        answer(activations.requires_grad_(), gradients)
    except RuntimeError as error:
        raise Mistake(
            "The activations of a network carry a gradient, and with that your answer raises an error.",
            "NumPy takes no such tensor. With torch alone it works; otherwise activations.detach().numpy().",
        ) from error


def _map(answer: Any, activations: torch.Tensor, gradients: torch.Tensor) -> Any:
    rows, columns = activations.shape[2:]
    try:
        given = call(answer, activations, gradients)
    except (RuntimeError, IndexError) as error:
        if rows != columns:
            raise Mistake(
                f"Yours works on square maps only, and these have {rows} rows and {columns} columns.",
                "n, channels, h, w = activations.shape",
            ) from error
        if "must match" not in str(error):
            raise
        raise Mistake(
            "A weight a channel, (N, C), does not multiply (N, C, h, w): its two axes of places are gone.",
            "mean(dim=(2, 3), keepdim=True) keeps them, with length 1.",
        ) from error
    if isinstance(given, torch.Tensor) and given.shape == (len(activations), 1, rows, columns):
        raise Mistake("One axis too many: the channels are summed up, so that axis goes.", "sum(dim=1)")
    return given


def _wrong_maps(activations: torch.Tensor, gradients: torch.Tensor) -> dict[str, torch.Tensor]:
    """What well-known mistakes make of the maps, by the hint for each."""
    mean = gradients.mean((2, 3), keepdim=True)
    products = mean * activations
    height, width = gradients.shape[2:]
    places = height * width
    right = products.sum(1).relu()
    low = products.sum(1).amin((1, 2), keepdim=True)
    return {
        "Each map is divided by its own maximum, which nobody asked for: how strong a map is, is lost.": (
            right / right.amax((1, 2), keepdim=True).clamp(min=1e-9)
        ),
        "Your least value becomes 0, so that places which speak against the class get heat, too.": (
            products.sum(1) - low
        ),
        "You cut off what is above 1. Only what is below 0 is to be cut off.": right.clamp(max=1),
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
        "Your weights are the mean over the whole batch; each image has weights of its own.": (
            (mean.mean(0, keepdim=True) * activations).sum(1).relu()
        ),
        "You average the activations and keep the gradients' places. It is the other way round.": (
            (gradients * activations.mean((2, 3), keepdim=True)).sum(1).relu()
        ),
        "You divide by h · h, but there are h · w places.": (places / height**2 * products.sum(1)).relu(),
        "You divide by w · w, but there are h · w places.": (places / width**2 * products.sum(1)).relu(),
        "The sign is wrong: yours shows what speaks against the class.": (-products.sum(1)).relu(),
    }


def shared_heat(maps: torch.Tensor) -> torch.Tensor:
    """Maps of one image for several classes on one scale: ``(n, h, w)`` → ``(n, h, w)`` in [0, 1].

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
    drawn += [torch.cat([drawn[2], drawn[2] / 3]), drawn[2].abs() + 0.3]  # the last has nothing at or below 0
    drawn += [400 * torch.randn(10, 3, 4, generator=generator)]  # ten classes, and strong ones
    cases = []
    for maps in drawn:
        result = tensor(call(answer, maps), maps.shape, "the maps")
        cases.append((result, _wrong_shared(maps)))
    wanted = [shared_heat(maps) for maps in drawn]
    if not all(close(result, right) for (result, _), right in zip(cases, wanted, strict=True)):
        recognise(cases, "First maps.relu(), then divide all of them by the one largest value.")
        raise Mistake("The maps are not right.", "Negative values become 0; then one divisor for all maps.")
    for maps, edge in (
        (-drawn[2].abs() - 0.1, NOTHING),
        (torch.zeros(2, 4, 4), NOTHING),
        (1e-3 * drawn[2], "Faint maps go wrong in yours: the largest value of all becomes 1, however small it was."),
        (torch.full((2, 3, 5), 0.7), "Where all values are alike and above 0, all of them are the largest: 1."),
        (torch.full((1, 1, 1), 2.5), "A single map of a single place is 1 where it is above 0."),
        (drawn[2][:1], "A single map goes wrong in yours."),
    ):
        result = tensor(call(answer, maps), maps.shape, "the maps")
        if not close(result, shared_heat(maps)):
            finite = bool(torch.isfinite(result).all())
            raise Mistake(
                edge if finite else f"There is nan or inf in yours. {edge}", "heat / peak if peak > 0 else heat"
            )


NOTHING = "Where nothing speaks for any class, the largest value is 0, and all stays 0."


def _wrong_shared(maps: torch.Tensor) -> dict[str, torch.Tensor]:
    """What well-known mistakes make of the maps, by the hint for each."""
    heat = maps.relu()
    own_low = heat.amin((1, 2), keepdim=True)
    own = heat.amax((1, 2), keepdim=True)
    low, high = (getattr(maps, which)((1, 2), keepdim=True) for which in ("amin", "amax"))
    stretched = (maps - low) / (high - low).where(high > low, 1)
    together = (maps - maps.min()) / (maps.max() - maps.min()).where(maps.max() > maps.min(), torch.tensor(1.0))
    return {
        "Each map is still stretched from its own least to its own most: that is the bug.": stretched,
        "Each map is divided by its own maximum, so that a faint one looks as hot as a strong one.": (
            heat / own.where(own > 0, 1)
        ),
        "Your least value becomes 0, so that places which speak against the class get heat, too.": together,
        "Each map is divided by its own maximum, so that a faint one looks as hot as a strong one. ": (
            (heat - own_low) / (heat - own_low).amax((1, 2), keepdim=True).clamp(min=1e-9)
        ),
        "Your least value becomes 0, and whatever is above 0 should keep its share of the largest.": (
            (heat - heat.min()) / (heat.max() - heat.min())
        ),
        "Your maps are not divided by anything: their largest value should be 1.": heat,
        "The negative values are still there.": maps / heat.max().where(heat.max() > 0, torch.tensor(1.0)),
        "The absolute value turns evidence against a class into evidence for it.": maps.abs() / maps.abs().max(),
        "You divide by the sum; the hottest place of all should be 1.": heat / heat.sum().clamp(min=1e-12),
    }


EXERCISES = [
    Exercise("listen", listen, _judge_listen, "It hears, it hands over, and it leaves no trace."),
    Exercise("gradcam_map", gradcam_map, _judge_map, "That is all of Grad-CAM."),
    Exercise("shared_heat", shared_heat, _judge_shared, "Now a faint map looks faint."),
]

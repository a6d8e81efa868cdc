"""The exercises of lesson 02: parameters, receptive field, a network left in training mode. The block has a file."""

import copy
import itertools
from typing import Any

import torch
from torch import nn
from torch.nn.utils import skip_init  # fresh layers would draw from the notebook's random generator

from s12lib.exercises.expect import Mistake, call, tensor, whole
from s12lib.exercises.judging import Exercise
from s12lib.exercises.owned import Owned


def conv_bn_parameters(in_channels: int, out_channels: int, kernel_size: int = 3) -> int:
    """How many numbers training changes in a convolution without bias and the BatchNorm after it."""
    return kernel_size**2 * in_channels * out_channels + 2 * out_channels


LARGE = (701, 977, 5)
"""Channels and kernel of an odd count above 2^24, where float32 no longer knows every whole number."""


def _judge_parameters(answer: Any) -> None:
    sizes = (
        (48, 128, 3),
        (3, 64, 3),
        (5, 7, 1),
        (16, 4, 5),
        (2, 9, 7),
        (1, 1, 3),
        (1, 2, 1),
        (6, 4, 2),
        (3, 5, 11),
        LARGE,
    )
    given = [whole(call(answer, *size), "Parameters are counted") for size in sizes]
    right = [conv_bn_parameters(*size) for size in sizes]
    if given != right:
        slips = [_wrong_counts(*size) for size in sizes]
        for hint, (_, more) in slips[0].items():
            if given == [each[hint][0] for each in slips]:
                raise Mistake(hint, more)
        (i, o, k), wanted, count = next(c for c in zip(sizes, right, given, strict=True) if c[1] != c[2])
        raise Mistake(
            f"For {i} channels in, {o} out and a {k}×{k} kernel it should be {wanted:,}, but yours is {count:,}.",
            "kernel² × in × out for the convolution, and a weight and a bias a channel for BatchNorm.",
        )
    if call(answer, 8, 8) != conv_bn_parameters(8, 8):
        raise Mistake(
            "Without a third argument the kernel should be 3×3.", "def conv_bn_parameters(..., kernel_size=3):"
        )


def _wrong_counts(i: int, o: int, k: int) -> dict[str, tuple[int, str]]:
    """What well-known mistakes count: by hint, the number and what to say the second time."""
    weights = k * k * i * o
    return {
        "The convolution is right. BatchNorm has parameters too.": (weights, "Which two numbers has each channel?"),
        "One number a channel is missing: BatchNorm has a weight and a bias.": (weights + o, "2 × out_channels"),
        "The convolution has no bias here: BatchNorm's does its work.": (weights + 3 * o, "Take away out_channels."),
        "You count BatchNorm's running mean and variance. They are measured, not trained.": (
            weights + 4 * o,
            "Buffers are not parameters: 2 × out_channels, not 4.",
        ),
        "A kernel has two sides.": (k * i * o + 2 * o, "kernel_size squared"),
        "Each filter looks at all channels of its input.": (k * k * o + 2 * o, "Multiply by in_channels."),
        "BatchNorm comes after the convolution: how many channels are there?": (weights + 2 * i, "out_channels"),
    }


def receptive_field(layers: list[tuple[int, int]]) -> int:
    """Side in input pixels of what one output place can see, through layers of ``(kernel_size, stride)``."""
    size, jump = 1, 1
    for kernel_size, stride in layers:
        size += (kernel_size - 1) * jump
        jump *= stride
    return size


def _wrong_fields(layers: list[tuple[int, int]]) -> dict[str, tuple[int, str]]:
    """What well-known mistakes make of the layers: by hint, the number and what to say the second time."""
    right, early, jump_early, thick, odd, jump = receptive_field(layers), 1, 1, 1, 1, 1
    stretched = 1
    for k, s in layers:
        stretched = (stretched + k - 1) * s
        jump_early *= s
        early += (k - 1) * jump_early
        thick, odd, jump = thick + k * jump, odd + k // 2 * 2 * jump, jump * s
    return {
        "You leave the strides out. After a pool, one step sideways is two pixels of the input.": (
            receptive_field([(k, 1) for k, _ in layers]),
            "jump *= stride",
        ),
        "You start at 0. Before any layer a place sees one pixel, itself.": (right - 1, "size, jump = 1, 1"),
        "You start one pixel too large. Before any layer a place sees one pixel, itself.": (
            right + 1,
            "size, jump = 1, 1, and nothing added at the end",
        ),
        "The jump grows too early. A layer sees with the jump of what lies before it; its own stride counts after.": (
            early,
            "First size += (kernel_size - 1) * jump, then jump *= stride.",
        ),
        "A 3×3 kernel adds two pixels, one on each side, not three.": (thick, "kernel_size - 1"),
        "An even kernel adds one pixel less than its size, as an odd one does: a pool of 2 adds one.": (
            odd,
            "kernel_size - 1, without halves",
        ),
        "You add up the kernels. A kernel of 3 adds two pixels, and more where a stride came before it.": (
            sum(k for k, _ in layers),
            "size += (kernel_size - 1) * jump",
        ),
        "A stride does not widen the field of its own layer, but lets the layers after it add more.": (
            stretched,
            "Keep the jump apart from the size: size += (kernel_size - 1) * jump, then jump *= stride.",
        ),
        "That is the field from the last layer to the first: formula and direction do not fit each other.": (
            receptive_field(layers[::-1]),
            "size += (kernel_size - 1) * jump goes from the input on, (size - 1) * stride + kernel_size back to it.",
        ),
    }


def _judge_field(answer: Any) -> None:
    tries = [
        [(5, 2), (3, 1), (2, 2), (3, 3), (1, 1), (3, 1)],
        [
            (3, 1),
            (2, 2),
            (3, 1),
            (3, 1),
            (2, 2),
            (3, 1),
            (2, 2),
            (3, 1),
            (3, 1),
            (2, 2),
            (4, 2),
            (3, 1),
            (3, 2),
            (3, 1),
        ],  # above 255
        [(3, 1), (1, 3), (3, 1)],  # a stride larger than its kernel
        [(11, 4), (3, 2), (5, 1)],
        [(3, 1), (3, 1)],
        [(2, 2), (3, 1)],
        [(1, 1)],
    ]
    given = [whole(call(answer, layers), "A side is a whole number of pixels") for layers in tries]
    right = [receptive_field(layers) for layers in tries]
    if given == right:
        return
    slips = [_wrong_fields(layers) for layers in tries]
    for hint, (_, more) in slips[0].items():
        if given == [each[hint][0] for each in slips]:
            raise Mistake(hint, more)
    layers, wanted, size = next(c for c in zip(tries, right, given, strict=True) if c[1] != c[2])
    raise Mistake(
        f"For the layers {layers} it should be {wanted} pixels, but yours is {size}.",
        "Walk through the layers and keep two numbers: the size, and how far apart neighbours are.",
    )


def predict_classes(network: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """The class of each image, ``(N, 3, 32, 32)`` → ``(N,)`` int64; the network is left as it was found."""
    was_training = network.training
    network.eval()
    with torch.no_grad():
        classes = network(images).argmax(dim=1)
    network.train(was_training)
    return classes


def network_and_images() -> tuple[nn.Sequential, torch.Tensor]:
    """Images of several classes, and a network that answers otherwise in training mode than in evaluation mode."""
    generator = torch.Generator().manual_seed(4)
    with torch.random.fork_rng(devices=[]):  # the first weights are drawn from the notebook's generator
        layers = [nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveMaxPool2d(1), nn.Flatten()]
        network = nn.Sequential(*layers, nn.Linear(8, 10))
    for parameter in network.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator)
    norm = network[1]
    norm.running_mean = 5 * torch.randn(8, generator=generator)
    norm.running_var = 20 * torch.rand(8, generator=generator) + 5
    colours = 6 * torch.randn(40, 3, 1, 1, generator=generator)  # of its own for each image, so that classes differ
    return network, colours + torch.randn(40, 3, 32, 32, generator=generator)


class _WatchedDropout(nn.Dropout):
    """Dropout that knows in which mode it was last used."""

    _modes: tuple[bool, ...] = (False,)

    @property
    def used_in_training(self) -> bool:
        return self._modes[-1]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self._modes = (self.training,)
        return super().forward(x)


class _Nested(nn.Module):
    """The network with more in its forward than its children in a row: a layer inside another, a skip, a scale."""

    def __init__(self, network: nn.Sequential, scale: float) -> None:
        super().__init__()
        linear = skip_init(nn.Linear, 8, 8)
        linear.weight.data, linear.bias.data = -torch.eye(8).flip(0), torch.zeros(8)
        self.body, self.neck = network[:-1], nn.Sequential(_WatchedDropout(0.9), linear)
        self.head, self.scale = network[-1], scale

    def saw_training(self) -> bool:
        """Whether its Dropout was in training mode when it was last used."""
        return next(each.used_in_training for each in self.modules() if isinstance(each, _WatchedDropout))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.body(images)
        return self.head(x + self.neck(x)) * self.scale


def _judge_predict(answer: Any) -> None:
    network, images = network_and_images()
    nested = _Nested(copy.deepcopy(network), scale=30.0)  # logits of hundreds, which float32 knows and exp does not
    seven = copy.deepcopy(network)
    for parameter in list(seven.parameters())[-2:]:
        parameter.data = parameter.data[:7]
    for each in (network, nested, seven):
        found = copy.deepcopy(each).eval()  # as the answer finds it
        for training, some in itertools.product((True, False), (images, images[:1])):
            owned = Owned(each.train(training))
            result = _classes(answer, each, some, 7 if each is seven else 10)
            owned.look()
            if each is nested and nested.saw_training():
                raise Mistake(
                    "A part of the network is still in training mode. Every layer has a mode, Dropout too.",
                    "network.eval() switches all of them, however deep they lie.",
                )
            with torch.no_grad():
                _compare_classes(result, found, some, scaled=each is nested)
            if result.dtype != torch.int64:
                raise Mistake(
                    f"Classes are whole numbers of the type torch.int64; yours are {result.dtype}.", ".long()"
                )


def _classes(answer: Any, network: nn.Module, some: torch.Tensor, num_classes: int) -> torch.Tensor:
    result, n = call(answer, network, some), len(some)
    if isinstance(result, torch.Tensor) and result.shape == (n, num_classes):
        raise Mistake("You return a number for each class; return the class with the largest.", ".argmax(dim=1)")
    if isinstance(result, torch.Tensor) and result.shape == (num_classes,):
        raise Mistake("You look for the best image of each class, not the best class of each image.", "dim=1")
    return tensor(result, (n,), "the classes" if n > 1 else "the classes of a batch of one image")


def _compare_classes(result: torch.Tensor, network: nn.Module, images: torch.Tensor, scaled: bool) -> None:
    """The result must be the classes that the network, in evaluation mode, finds in the images as they are."""

    def matches(some: torch.Tensor) -> bool:
        return bool((result == network(some).argmax(dim=1)).all())

    if matches(images):
        return
    logits = network(images)
    if any(bool((result == squashed.argmax(dim=1)).all()) for squashed in (logits.sigmoid(), logits.exp())):
        raise Mistake(
            "With large logits yours goes wrong: exp and sigmoid saturate, and then several classes are equal.",
            "Take argmax of the logits themselves.",
        )
    if scaled:
        raise Mistake(
            "On a network that does more in its forward than run its layers in a row, yours finds other classes.",
            "Only the network knows how its layers are put together: network(images).",
        )
    for axes in ((1, 2, 3), (2, 3), (0, 1, 2, 3), (0, 2, 3)):  # each image by itself, or the whole batch
        if matches((images - images.mean(axes, keepdim=True)) / images.std(axes, keepdim=True)):
            raise Mistake("The images come to you normalised; you normalise them once more.", "network(images)")
    if matches(images.flip(1)):
        raise Mistake("You hand the network the colours the wrong way round, blue first.", "network(images)")
    if (result == result[0]).all():
        raise Mistake("All your images are of one class. Each has a class of its own.", ".argmax(dim=1)")
    raise Mistake(
        "These are not the classes with the largest logits, in evaluation mode.",
        "network.eval(), then network(images).argmax(dim=1), in the order in which the images came.",
    )


EXERCISES = [
    Exercise(
        "predict_classes", predict_classes, _judge_predict, "An image's class no longer depends on its neighbours."
    ),
    Exercise(
        "conv_bn_parameters",
        conv_bn_parameters,
        _judge_parameters,
        "The whole table is this sum, eight times over, and the head.",
        draws=True,  # one may make the layers and count
    ),
    Exercise("receptive_field", receptive_field, _judge_field, "Two numbers, carried through the layers."),
]

"""The exercises of lesson 02: parameters, receptive field, a network left in training mode. The block has a file."""

import copy
import itertools
import numbers
from typing import Any

import torch
from torch import nn

from s12lib.exercises.expect import Mistake, call, tensor
from s12lib.exercises.judging import Exercise


def conv_bn_parameters(in_channels: int, out_channels: int, kernel_size: int = 3) -> int:
    """How many numbers training changes in a convolution without bias and the BatchNorm after it."""
    return kernel_size**2 * in_channels * out_channels + 2 * out_channels


def _judge_parameters(answer: Any) -> None:
    for i, o, k in ((48, 128, 3), (3, 64, 3), (5, 7, 1), (16, 4, 5), (2, 9, 7)):
        result = call(answer, i, o, k)
        if isinstance(result, bool) or not isinstance(result, numbers.Integral):
            raise Mistake(f"Parameters are counted: return an int, not a {type(result).__name__}.")
        weights = k * k * i * o
        wrong = {
            weights: ("The convolution is right. BatchNorm has parameters too.", "Which two numbers has each channel?"),
            weights + o: ("One number a channel is missing: BatchNorm has a weight and a bias.", "2 × out_channels"),
            weights + 3 * o: (
                "The convolution has no bias here: BatchNorm's does its work.",
                "Take away out_channels.",
            ),
            weights + 4 * o: (
                "You count BatchNorm's running mean and variance. They are measured, not trained.",
                "Buffers are not parameters: 2 × out_channels, not 4.",
            ),
            k * i * o + 2 * o: ("A kernel has two sides.", "kernel_size squared"),
            k * k * o + 2 * o: ("Each filter looks at all channels of its input.", "Multiply by in_channels."),
            weights + 2 * i: ("BatchNorm comes after the convolution: how many channels are there?", "out_channels"),
        }
        right = weights + 2 * o
        if result == right:
            continue
        if result in wrong:
            raise Mistake(*wrong[int(result)])
        raise Mistake(
            f"For {i} channels in, {o} out and a {k}×{k} kernel it should be {right:,}, but yours is {result:,}.",
            "kernel² × in × out for the convolution, and a weight and a bias a channel for BatchNorm.",
        )
    if call(answer, 8, 8) != conv_bn_parameters(8, 8):
        raise Mistake(
            "Without a third argument the kernel should be 3×3.", "def conv_bn_parameters(..., kernel_size=3):"
        )


def receptive_field(layers: list[tuple[int, int]]) -> int:
    """Side in input pixels of what one output place can see, through layers of ``(kernel_size, stride)``."""
    size, jump = 1, 1
    for kernel_size, stride in layers:
        size += (kernel_size - 1) * jump
        jump *= stride
    return size


def _wrong_fields(layers: list[tuple[int, int]]) -> list[tuple[int, str, str]]:
    """What well-known mistakes make of the layers, each with its hint."""
    ignoring = receptive_field([(k, 1) for k, _ in layers])
    zero, early, jump_early, whole, jump = receptive_field(layers) - 1, 1, 1, 1, 1
    for k, s in layers:
        jump_early *= s
        early += (k - 1) * jump_early
        whole, jump = whole + k * jump, jump * s
    backwards = receptive_field(layers[::-1])
    return [
        (
            ignoring,
            "You leave the strides out. After a pool, one step sideways is two pixels of the input.",
            "jump *= stride",
        ),
        (zero, "You start at 0. Before any layer a place sees one pixel, itself.", "size, jump = 1, 1"),
        (
            early,
            "The jump grows too early. A layer sees with the jump of what lies before it; its own stride counts after.",
            "First size += (kernel_size - 1) * jump, then jump *= stride.",
        ),
        (whole, "A 3×3 kernel adds two pixels, one on each side, not three.", "kernel_size - 1"),
        (
            backwards,
            "That is the field from the last layer to the first: formula and direction do not fit each other.",
            "size += (kernel_size - 1) * jump goes from the input on, (size - 1) * stride + kernel_size back to it.",
        ),
    ]


def _judge_field(answer: Any) -> None:
    tries = [[(3, 1), (3, 1)], [(3, 1), (2, 2), (3, 1)], [(5, 2), (3, 1), (2, 2), (3, 3), (1, 1), (3, 1)], [(1, 1)]]
    for layers in sorted(tries, key=len, reverse=True):
        result = call(answer, layers)
        if isinstance(result, bool) or not isinstance(result, numbers.Integral):
            raise Mistake(f"A side is a whole number of pixels: return an int, not a {type(result).__name__}.")
        right = receptive_field(layers)
        if result == right:
            continue
        for value, hint, more in _wrong_fields(layers):
            if result == value:
                raise Mistake(hint, more)
        raise Mistake(
            f"For the layers {layers} it should be {right} pixels, but yours is {result}.",
            "Walk through the layers and keep two numbers: the size, and how far apart neighbours are.",
        )


def predict_classes(network: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """The class of each picture, ``(N, 3, 32, 32)`` → ``(N,)`` int64; the network is left as it was found."""
    was_training = network.training
    network.eval()
    with torch.no_grad():
        classes = network(images).argmax(dim=1)
    network.train(was_training)
    return classes


def network_and_pictures() -> tuple[nn.Sequential, torch.Tensor]:
    """Pictures of several classes, and a network that answers otherwise in training mode than in evaluation mode."""
    generator = torch.Generator().manual_seed(4)
    with torch.random.fork_rng(devices=[]):  # the first weights are drawn from the notebook's generator
        layers = [nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveMaxPool2d(1), nn.Flatten()]
        network = nn.Sequential(*layers, nn.Linear(8, 10))
    for parameter in network.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator)
    norm = network[1]
    norm.running_mean = 5 * torch.randn(8, generator=generator)
    norm.running_var = 20 * torch.rand(8, generator=generator) + 5
    colours = 6 * torch.randn(40, 3, 1, 1, generator=generator)  # of its own for each picture, so that classes differ
    return network, colours + torch.randn(40, 3, 32, 32, generator=generator)


def _judge_predict(answer: Any) -> None:
    network, images = network_and_pictures()
    found = copy.deepcopy(network).eval()  # as the answer finds it
    for training, pictures in itertools.product((True, False), (images, images[:1])):
        network.train(training)
        result, n = call(answer, network, pictures), len(pictures)
        if isinstance(result, torch.Tensor) and result.shape == (n, 10):
            raise Mistake("You return a number for each class; return the class with the largest.", ".argmax(dim=1)")
        if isinstance(result, torch.Tensor) and result.shape == (10,):
            raise Mistake("You look for the best picture of each class, not the best class of each picture.", "dim=1")
        result = tensor(result, (n,), "the classes" if n > 1 else "the classes of a batch of one picture")
        _look_at_network(network, found, training)
        with torch.no_grad():
            _compare_classes(result, found, pictures)
        if result.dtype != torch.int64:
            raise Mistake(f"Classes are whole numbers of the type torch.int64; yours are {result.dtype}.", ".long()")


def _look_at_network(network: nn.Module, found: nn.Module, training: bool) -> None:
    """The answer must leave the network as it was found, and in its mode."""
    for now, before in zip(network.parameters(), found.parameters(), strict=True):
        if now.dtype != before.dtype:
            raise Mistake(f"The network came to you in {before.dtype} and leaves you in {now.dtype}.")
        if now.requires_grad != before.requires_grad:
            raise Mistake(
                "You switch the parameters' gradients off for good, so the network can be trained no more.",
                "with torch.no_grad(): switches them off for as long as it lasts, and touches no parameter.",
            )
    if not all(torch.equal(now, found.state_dict()[name]) for name, now in network.state_dict().items()):
        raise Mistake(
            "The network was still in training mode: looking at pictures has changed its statistics.",
            "network.eval(), on the network itself and with the brackets, before it sees a picture.",
        )
    if any(module.training != training for module in network.modules()):
        mode = "training" if training else "evaluation"
        raise Mistake(
            f"The network came to you in {mode} mode and leaves you in the other. Whoever trains it will wonder.",
            "Remember network.training at the start, and call network.train(...) with it at the end.",
        )


def _compare_classes(result: torch.Tensor, network: nn.Module, images: torch.Tensor) -> None:
    """The result must be the classes that the network, in evaluation mode, finds in the pictures as they are."""

    def matches(pictures: torch.Tensor) -> bool:
        return bool((result == network(pictures).argmax(dim=1)).all())

    if matches(images):
        return
    for axes in ((1, 2, 3), (2, 3), (0, 1, 2, 3), (0, 2, 3)):  # each picture by itself, or the whole batch
        if matches((images - images.mean(axes, keepdim=True)) / images.std(axes, keepdim=True)):
            raise Mistake("The pictures come to you normalised; you normalise them once more.", "network(images)")
    if matches(images.flip(1)):
        raise Mistake("You hand the network the colours the wrong way round, blue first.", "network(images)")
    if (result == result[0]).all():
        raise Mistake("All your pictures are of one class. Each has a class of its own.", ".argmax(dim=1)")
    raise Mistake(
        "These are not the classes with the largest logits, in evaluation mode.",
        "network.eval(), then network(images).argmax(dim=1), in the order in which the pictures came.",
    )


EXERCISES = [
    Exercise(
        "predict_classes", predict_classes, _judge_predict, "A picture's class no longer depends on its neighbours."
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

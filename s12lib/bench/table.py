"""The benchmarks' rows and their page: ratios, what they should be, and what they mean."""

import os
import statistics
from collections.abc import Iterator
from dataclasses import dataclass

from s12lib.bench.steps import STEP_FLOP, Bench
from s12lib.bench.timing import ratios, timed
from s12lib.data.pixels import normalize
from s12lib.explain import gradcam
from s12lib.model import PageResNet
from s12lib.results import goals, tables
from s12lib.training import hardware, provenance

GOALS = {
    "a GPU": {"fewer bits": "≥ 3", "utilisation": "≥ 0.4"},
    "a processor with AMX": {"fewer bits": "≥ 3", "utilisation": "≥ 0.15"},
    "a processor with AVX512-BF16": {"fewer bits": "≥ 2", "utilisation": "≥ 0.5"},
    "a processor without bfloat16": {"fewer bits": "≥ 1", "utilisation": "≥ 0.5"},
}
"""What a ratio should be, where that depends on the kind of machine."""


@dataclass(frozen=True)
class Row:
    """What was compared, the ratios found, what they should be (on this kind of machine), and what they mean."""

    name: str
    ratios: list[float]
    goal: str
    meaning: str

    def __str__(self) -> str:
        middle = f"{statistics.median(self.ratios):.3g} ({min(self.ratios):.3g}–{max(self.ratios):.3g})"
        goal = self.goal.replace(" ", "\N{NO-BREAK SPACE}")  # or a narrow column tears "≤ 1.05" apart
        return f"| {self.name} | {middle} | {goal} |"


def compare(bench: Bench, rounds: int) -> Iterator[Row]:
    """What is compared, one after the other; the first row is the control."""
    step = timed(bench.bare_loop())
    dtype = str(bench.dtype).removeprefix("torch.")
    goals = GOALS[hardware.kind()]
    yield Row(
        "control: a bare training loop ÷ itself",
        ratios(step, step, rounds),
        "1",
        "The control is a thing against itself: as far as it strays from 1, no other row can be trusted either.",
    )
    yield Row(
        "Lightning's training step ÷ the bare loop's",
        ratios(bench.lightning_loop(), step, rounds),
        "≤ 1.05",
        "What Lightning costs: how much longer a step takes with its Trainer than in a loop of ten lines.",
    )
    yield Row(
        "our loader ÷ the training step",
        ratios(timed(bench.our_loader), step, rounds),
        "≤ 0.02",
        "What the data cost: the time to make a batch, as a share of the training step that it is made for.",
    )
    yield Row(
        f"float32 step ÷ {dtype} channels_last step",
        ratios(timed(bench.bare_loop(fast=False)), step, rounds),
        goals["fewer bits"],
        "What 16-bit numbers and the channels_last layout bring: how many times as long plain float32 takes.",
    )
    fraction = bench.count * STEP_FLOP / (10 * 2 * 2048**3)
    yield Row(
        f"FLOP/s of a training step ÷ those of a 2048³ {dtype} matmul",
        [fraction * ratio for ratio in ratios(timed(bench.matmul()), step, rounds)],
        goals["utilisation"],
        "How well the machine is used: the arithmetic of a step per second, as a share of what one large product "
        "reaches.",
    )
    yield Row(
        "a step with Muon ÷ a step with SGD",
        ratios(timed(bench.bare_loop(muon=True)), step, rounds),
        "≤ 1.1",
        "What Muon costs: seven filters are made orthogonal in each step, however large the batch is.",
    )
    yield Row(
        "torchvision.transforms.v2 in a DataLoader with 2 workers ÷ our loader",
        ratios(timed(bench.torchvision_loader()), timed(bench.our_loader), rounds),
        "> 1",
        "What augmenting whole batches brings: how many times as long the usual way takes, image by image in two "
        "workers.",
    )
    network = PageResNet().to(bench.device).eval()

    def forward_backward() -> None:
        network(normalize(bench.images)).logsumexp(1).sum().backward()

    def heatmaps() -> None:
        gradcam(network, bench.images)

    yield Row(
        f"{bench.count} Grad-CAMs at layer3 ÷ forward and backward of the same images",
        ratios(timed(heatmaps), timed(forward_backward), rounds),
        "≤ 2.5",
        "What an explanation costs: heatmaps, in forward and backward passes over the same images.",
    )


def page(rows: list[Row], app: str, arguments: str) -> str:
    """The book's page of benchmarks; ``app`` is the part on the app."""
    versions = ", ".join(f"{name} {number}" for name, number in provenance.versions().items())
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    table = "\n".join([f"| ratio | median (min–max) | goal on {hardware.kind()} |", "|---|---|---|", *map(str, rows)])
    meanings = "\n".join(f"{k}. {row.meaning}" for k, row in enumerate(rows, start=1))
    return f"""# Benchmarks

## How long training takes

What the measured runs took, one row a recipe and a machine, beside what others publish. Only training counts: no
set-up, no validation, no test. A row of CIFAR-10 with 94% or more is a time in which 94% was reached; it may have
been reached before. A time without the machine's name says nothing, so compare rows of one machine; and the published
times are those of smaller networks.

{tables.marked(tables.speed(), "speed")}

## How many epochs it takes

Seconds belong to a machine; epochs can be compared across all of them, as long as one remembers that a smaller network
makes a cheaper epoch, and that more views of an image are cheaper than more epochs: Page's 24 are without
test-time augmentation, the smaller networks look at six views of each test image, as multi-crop TTA does, and his last
network at two.

{tables.marked(goals.epochs_to_94(), "epochs")}

## Ratios on one machine

Made by `make bench` (`python -m s12lib.bench {arguments}`) on {hardware.hardware()}; load average {load}; {versions}.
Each row compares two things timed in turn in one run.

{table}

What the rows say, from the top:

{meanings}

Goals differ by the kind of machine: what multiplies matrices in hardware gains more by 16-bit numbers, and leaves more
of its speed unused. What does not compute bfloat16 in hardware is timed in float32 throughout.

## How long the app's visitors wait

{app}
"""

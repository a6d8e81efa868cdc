"""How fast things are on this machine: ratios of two things run in turn, with a control. `make bench` runs it.

Absolute times on a shared machine say little; the ratio of two things timed one right after the other says more. Every
row is the median (min–max) of such ratios. The control is a thing against itself: as far as it strays from 1, nothing
else in the table can be trusted.
"""

import argparse
import logging
import os
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset
from torchvision.transforms import v2

from s12lib.classifier import Classifier
from s12lib.data.augment import Augmentation
from s12lib.data.loader import BatchLoader
from s12lib.data.pixels import MEAN, STD, normalize
from s12lib.explain import gradcam
from s12lib.model import PageResNet
from s12lib.results import tables
from s12lib.training import hardware, provenance

STEP_FLOP = 6 * 379_261_952 - 2 * 1_769_472
"""A training step's arithmetic an image: forward, and backward to weights and inputs, but not to the images."""
DTYPES = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16, "32-true": torch.float32}
"""What convolutions and matrix products compute in, by the Trainer's name for it."""

MEANINGS = """What the rows say, from the top:

1. The control is a thing against itself: as far as it strays from 1, no other row can be trusted either.
2. What Lightning costs: how much longer a step takes with its Trainer around it than in a loop of ten lines.
3. What the data cost: the time to make a batch, as a share of the training step that it is made for.
4. What 16-bit numbers and the channels_last layout bring: how many times as long the plain float32 step takes.
5. How well the machine is used: the arithmetic of a step per second, as a share of what one large product reaches.
6. What augmenting whole batches brings: how many times as long the usual way takes, image by image in two workers.
7. What an explanation costs: heatmaps, in forward and backward passes over the same images."""

Timed = Callable[[], float]


def wait_for_gpu() -> None:
    """Until it has done what it was given, where there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def timed(work: Callable[[], object]) -> Timed:
    """A function that runs ``work`` and returns its seconds."""

    def run() -> float:
        wait_for_gpu()
        start = time.perf_counter()
        work()
        wait_for_gpu()
        return time.perf_counter() - start

    return run


def ratios(a: Timed, b: Timed, rounds: int) -> list[float]:
    """Seconds of a ÷ seconds of b, in turn, after a warm-up of each; who goes first changes from round to round."""
    a(), b()
    found = []
    for number in range(rounds):
        if number % 2:
            time_b, time_a = b(), a()
        else:
            time_a, time_b = a(), b()
        found.append(time_a / time_b)
    return found


def row(name: str, values: list[float], goal: str) -> str:
    middle = f"{statistics.median(values):.3g} ({min(values):.3g}–{max(values):.3g})"
    goal = goal.replace(" ", "\N{NO-BREAK SPACE}")  # or a narrow column tears "≤ 1.05" apart
    return f"| {name} | {middle} | {goal} |"


class StepClock(pl.Callback):
    """The seconds from Lightning's first training step to the end of its last, without the set-up."""

    start = seconds = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        wait_for_gpu()
        self.start = time.perf_counter()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        wait_for_gpu()
        self.seconds = time.perf_counter() - self.start


class OneByOne(TensorDataset):
    """Images that torchvision augments one at a time, as in most published code for this exercise."""

    transform = v2.Compose(
        [
            v2.RandomCrop(32, padding=4, padding_mode="reflect"),
            v2.RandomHorizontalFlip(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, STD),
            v2.RandomErasing(p=1, scale=(1 / 16, 1 / 16), ratio=(1, 1)),
        ]
    )

    def __getitem__(self, index: int) -> tuple[torch.Tensor, ...]:
        image, label = super().__getitem__(index)
        return self.transform(image), label


class Bench:
    """One batch size, one number of steps, and the things that are compared."""

    def __init__(self, batch_size: int, steps: int) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.batch_size, self.count = batch_size, batch_size * steps
        images = np.random.default_rng(0).integers(0, 256, (self.count, 32, 32, 3), dtype=np.uint8)
        self.images, self.labels = torch.from_numpy(images).to(self.device), torch.arange(self.count) % 10
        self.labels = self.labels.to(self.device)
        self.precision: Any = hardware.best_precision()
        self.dtype = DTYPES[self.precision]

    def loader(self) -> BatchLoader:
        return BatchLoader(self.images, self.labels, self.batch_size, Augmentation(cutout=8))

    def our_loader(self) -> None:
        for _ in self.loader():
            pass

    def torchvision_loader(self) -> Callable[[], None]:
        """The same augmentation image by image, with torchvision.transforms.v2 in a DataLoader with two workers."""
        dataset = OneByOne(self.images.cpu().permute(0, 3, 1, 2), self.labels.cpu())
        workers = DataLoader(dataset, self.batch_size, shuffle=True, num_workers=2, persistent_workers=True)

        def drain() -> None:
            for _ in workers:
                pass

        return drain

    def bare_loop(self, fast: bool = True) -> Callable[[], None]:
        """An epoch of plain training steps, in the precision of a recipe and channels_last, or in plain float32."""
        layout = torch.channels_last if fast else torch.contiguous_format
        mixed = fast and self.dtype != torch.float32
        network = PageResNet().to(self.device).to(memory_format=layout)
        optimizer = torch.optim.SGD(network.parameters(), 0.01, momentum=0.9, nesterov=True)
        scaler = torch.amp.GradScaler(self.device.type, enabled=fast and self.dtype == torch.float16)

        def epoch() -> None:
            for images, labels in self.loader():
                with torch.autocast(self.device.type, self.dtype, enabled=mixed):
                    loss = F.cross_entropy(network(images if fast else images.contiguous()), labels)
                optimizer.zero_grad()
                scaler.scale(loss).backward()
                scaler.step(optimizer)
                scaler.update()

        return epoch

    def lightning_loop(self) -> Timed:
        """The same epoch by Lightning and the course's Classifier, whose levers are off as in the bare loop."""
        quiet: Any = dict.fromkeys(
            ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False
        )

        def epoch() -> float:
            clock = StepClock()
            lean: Any = quiet | {"accelerator": self.device.type, "devices": 1}
            trainer = pl.Trainer(max_epochs=1, precision=self.precision, callbacks=[clock], **lean)
            trainer.fit(Classifier(whiten=False, ema_decay=0.0, freeze_bn_weight=False), self.loader())
            return clock.seconds

        return epoch

    def matmul(self) -> Callable[[], None]:
        a, b = (torch.randn(2048, 2048, device=self.device, dtype=self.dtype) for _ in range(2))

        def multiply() -> None:
            for _ in range(10):
                a @ b

        return multiply

    def rows(self, rounds: int) -> list[str]:
        step = timed(self.bare_loop())
        fraction = self.count * STEP_FLOP / (10 * 2 * 2048**3)
        network = PageResNet().to(self.device).eval()

        def forward_backward() -> None:
            network(normalize(self.images)).logsumexp(1).sum().backward()

        def heatmaps() -> None:
            gradcam(network, self.images)

        dtype = str(self.dtype).removeprefix("torch.")
        cam_name = f"{self.count} Grad-CAMs at layer3 ÷ forward and backward of the same images"
        return [
            row("control: a bare training loop ÷ itself", ratios(step, step, rounds), "1"),
            row("Lightning's training step ÷ the bare loop's", ratios(self.lightning_loop(), step, rounds), "≤ 1.05"),
            row("our loader ÷ the training step", ratios(timed(self.our_loader), step, rounds), "≤ 0.02"),
            row(
                f"float32 step ÷ {dtype} channels_last step",
                ratios(timed(self.bare_loop(fast=False)), step, rounds),
                "≥ 3",
            ),
            row(
                f"FLOP/s of a training step ÷ those of a 2048³ {dtype} matmul",
                [fraction * ratio for ratio in ratios(timed(self.matmul()), step, rounds)],
                "≥ 0.15",
            ),
            row(
                "torchvision.transforms.v2 in a DataLoader with 2 workers ÷ our loader",
                ratios(timed(self.torchvision_loader()), timed(self.our_loader), rounds),
                "> 1",
            ),
            row(cam_name, ratios(timed(heatmaps), timed(forward_backward), rounds), "≤ 2.5"),
        ]


def page(rows: list[str], arguments: str) -> str:
    """The book's page of benchmarks."""
    versions = ", ".join(f"{name} {number}" for name, number in provenance.versions().items())
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    table = "\n".join(["| ratio | median (min–max) | goal |", "|---|---|---|", *rows])
    begin, end = tables.markers("speed")
    return f"""# Benchmarks

## How long training takes

What the measured runs took, one row a recipe and a machine, beside what others publish. Only training counts: no
set-up, no validation, no test. A row with 94% or more is a time to 94%. A time without the machine's name says
nothing, so compare rows of one machine; and the published times are those of smaller networks.

{begin}
{tables.speed()}
{end}

## Ratios on one machine

Made by `make bench` (`python -m s12lib.bench {arguments}`) on {hardware.hardware()}; load average {load}; {versions}.
Each row compares two things timed in turn in one run.

{table}

{MEANINGS}

The goals for bfloat16 and float16 are those of GPUs and of processors that multiply matrices in hardware (AMX). Where
there is neither, they are less of a gain, and a training step comes close to what the processor can do at all. What
does not compute bfloat16 in hardware is timed in float32 throughout.
"""


def main(argv: list[str] | None = None) -> None:
    """Run the benchmarks, print the table, and write the page where ``--out`` says."""
    parser = argparse.ArgumentParser(prog="python -m s12lib.bench", description="Time ratios, in turn, with a control.")
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--steps", type=int, default=2, help="training steps a round")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(argv)
    warnings.simplefilter("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    hardware.exact_float32()
    rows = Bench(options.batch_size, options.steps).rows(options.rounds)
    text = page(rows, f"--batch-size {options.batch_size} --steps {options.steps} --rounds {options.rounds}")
    print(text)
    if options.out:
        options.out.write_text(text, "utf-8")


if __name__ == "__main__":
    main()

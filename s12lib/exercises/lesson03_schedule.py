"""The exercises of lesson 03 on the schedule: its shape, and a training run that had two bugs in stepping it."""

import math
from collections.abc import Iterable, Iterator, Sized
from typing import Any, Protocol

import numpy as np
import torch
from torch.optim.lr_scheduler import OneCycleLR

from s12lib.classifier import one_cycle
from s12lib.exercises.expect import Mistake, call, number, recognise
from s12lib.exercises.judging import Exercise

PEAK = 0.4
"""The learning rate at the top of the run's schedule."""


class Loader(Sized, Iterable[Any], Protocol):
    """Batches, and how many."""


def _schedules_gone_wrong(
    epoch: float, epochs: int, warmup: float, final_epochs: float, final_lr: float
) -> dict[str, float]:
    """What well-known mistakes make of the rate at an epoch, by the hint for each."""
    top, flat = warmup * epochs, epochs - final_epochs
    right = one_cycle(epoch, epochs, warmup, final_epochs, final_lr)
    rising, falling = epoch < top, top <= epoch < flat
    wave = final_lr + (1 - final_lr) * (1 + math.cos(math.pi * (epoch - top) / (flat - top))) / 2
    drawn: dict[str, Any] = {
        "Your peak comes at epoch warmup. But warmup is a share of the epochs.": (
            np.interp(epoch, [0, warmup, flat, epochs], [0, 1, final_lr, final_lr])
        ),
        "Your line falls too slowly, and jumps at the end: it should be down at epochs - final_epochs.": (
            final_lr if epoch > flat else np.interp(epoch, [0, top, epochs], [0, 1, final_lr])
        ),
        "Yours jumps after the warm-up: the way down is counted from its own beginning, epoch - top.": (
            1 + (final_lr - 1) * epoch / flat if falling else right
        ),
        "You take final_epochs for the epoch where the fall ends. It is how many epochs the flat end lasts.": (
            right if rising else np.interp(epoch, [top, max(top, final_epochs)], [1, final_lr])
        ),
        "Your line falls until the very last epoch. It should be flat for the final epochs.": (
            np.interp(epoch, [0, top, epochs], [0, 1, final_lr])
        ),
        "In the final epochs yours goes on falling. There it stays at final_lr.": (
            np.interp(epoch, [0, top, flat, epochs], [0, 1, final_lr, 0])
        ),
        "Yours falls to 0; it should stop at final_lr.": np.interp(epoch, [0, top, flat, epochs], [0, 1, 0, 0]),
        "Yours falls to 0, and jumps back up; it should stop at final_lr.": (
            final_lr if epoch > flat else np.interp(epoch, [0, top, flat], [0, 1, 0])
        ),
        "Yours starts at final_lr. It should start at 0.": (
            np.interp(epoch, [0, top, flat, epochs], [final_lr, 1, final_lr, final_lr])
        ),
        "Yours never goes below final_lr, also in the warm-up. It should start at 0.": max(final_lr, right),
        "Yours starts at its peak: the warm-up is missing.": 1.0 if rising else right,
        "Yours falls in a wave. Here the lines are straight.": wave if falling else right,
        "Yours stays at its peak. After the warm-up it falls.": 1.0 if falling else right,
    }
    return {hint: float(value) for hint, value in drawn.items()}


STRAIGHT = "Three straight lines: epoch / top, then 1 + (final_lr - 1) * (epoch - top) / (flat - top), then final_lr."


def _judge_one_cycle(answer: Any) -> None:
    cases, wrong = [], ""
    for settings in ((11, 0.2, 2, 0.1), (24, 0.25, 3, 0.05), (5, 0.4, 0.5, 0.3), (10, 0.1, 6, 0.01), (8, 0.5, 0, 0.0)):
        epochs, warmup, final_epochs, _ = settings
        top, flat = warmup * epochs, epochs - final_epochs
        pieces = ((0.0, top), (top, flat), (flat, epochs))
        for epoch in [begin + k / 42 * (end - begin) for begin, end in pieces if begin < end for k in range(1, 42)]:
            where = f"epoch {epoch:g} of {epochs}"
            result, right = (
                number(call(answer, epoch, *settings), f"the rate at {where}"),
                one_cycle(epoch, *settings),
            )
            cases.append((result, _schedules_gone_wrong(epoch, *settings)))
            if not abs(result - right) < 1e-6 and not wrong:
                wrong = (
                    f"At {where}, with warmup {warmup}, {final_epochs} final epochs and final_lr {settings[3]}, it "
                    f"should be {right:.3f}, but yours is {result:.3f}."
                )
    if wrong:
        recognise(cases, STRAIGHT)
        raise Mistake(wrong, STRAIGHT)
    for settings in ((11, 0.2, 2, 0.1), (24, 0.25, 3, 0.05), (8, 0.5, 0, 0.1)):
        epochs, warmup, final_epochs, _ = settings
        for epoch in (0, warmup * epochs, epochs - final_epochs, epochs):
            given = call(answer, epoch, *settings)
            if given is None or not abs(number(given, "the rate") - one_cycle(epoch, *settings)) < 1e-6:
                raise Mistake(
                    f"Your pieces are right, but not where they end: at epoch {epoch:g} of {epochs} yours is {given}.",
                    "Go through your conditions with exactly this epoch: is it forgotten between < and >?",
                )


def run_schedule(
    optimizer: torch.optim.Optimizer, train_loader: Loader, validation_loader: Loader, epochs: int
) -> list[float]:
    """Step the optimiser on every training batch under a one-cycle; returns each step's learning rate."""
    schedule = OneCycleLR(optimizer, max_lr=PEAK, total_steps=epochs * len(train_loader))
    rates = []
    for _ in range(epochs):
        for _ in train_loader:
            optimizer.step()
            rates.append(float(schedule.get_last_lr()[0]))
            schedule.step()
    return rates


class WatchedLoader:
    """Batches, and a record of how they were asked for: what a DataLoader has, and no list's indices."""

    def __init__(self, count: int) -> None:
        self.count, self.started, self.drawn = count, 0, 0

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Any]:
        self.started += 1
        for _ in range(self.count):
            self.drawn += 1
            yield torch.zeros(2, 3, 32, 32), torch.zeros(2, dtype=torch.long)


class WatchedSGD(torch.optim.SGD):
    """SGD that writes down the learning rate of each step it takes."""

    def __init__(self) -> None:
        super().__init__([torch.nn.Parameter(torch.zeros(1))], lr=0.1, momentum=0.9)
        self.rates: list[float] = []

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        self.rates.append(float(self.param_groups[0]["lr"]))
        super().step(closure)


def one_cycle_rates(steps: int, total: int) -> list[float]:
    """The learning rates of the first ``steps`` of a one-cycle over ``total``; it stays where it ends."""
    optimizer = WatchedSGD()
    schedule = OneCycleLR(optimizer, max_lr=PEAK, total_steps=total)
    for k in range(steps):
        optimizer.step()
        if k < total - 1:
            schedule.step()
    return optimizer.rates


def _agree(a: list[float], b: list[float]) -> bool:
    return len(a) == len(b) and bool(np.allclose(a, b, rtol=1e-6, atol=1e-9))


def _rates_gone_wrong(train: int, validation: int, epochs: int) -> list[tuple[list[float], str, str]]:
    steps, by_epoch = epochs * train, [k for k in range(epochs) for _ in range(train)]
    total = one_cycle_rates(steps, epochs * train)
    return [
        (
            [one_cycle_rates(epochs, epochs * validation)[k] for k in by_epoch],
            "Both bugs are still there: which loader does the total come from, and how often is the schedule stepped?",
            "One schedule.step() for every optimizer.step(), and as many as there are training batches.",
        ),
        (
            [total[k] for k in by_epoch],
            "The total is right now, but the schedule is still stepped once an epoch, so it hardly begins.",
            "Move schedule.step() into the inner loop, after optimizer.step().",
        ),
        (
            [one_cycle_rates(epochs, epochs)[k] for k in by_epoch],
            "A staircase: the schedule is stepped once an epoch, and its total counts epochs.",
            "It should move with every batch.",
        ),
        (
            one_cycle_rates(steps, epochs * validation),
            "The total still comes from the validation set.",
            "epochs * len(train_loader)",
        ),
        (
            one_cycle_rates(steps, epochs * (train + validation)),
            "The total counts the validation batches too, on which nothing is trained: the schedule never ends.",
            "epochs * len(train_loader)",
        ),
    ]


def _judge_run(answer: Any) -> None:
    for train, validation, epochs in ((7, 11, 4), (9, 3, 5), (6, 2, 1)):
        optimizer, train_loader = WatchedSGD(), WatchedLoader(train)
        try:
            result = answer(optimizer, train_loader, WatchedLoader(validation), epochs)
        except ValueError as error:
            if "Tried to step" not in str(error):
                raise
            raise Mistake(
                f"The schedule was stepped more often than it was told to expect, at batch {len(optimizer.rates)}.",
                "total_steps is the number of training batches in the whole run: epochs * len(train_loader).",
            ) from error
        steps = epochs * train
        if len(optimizer.rates) != steps:
            raise Mistake(
                f"In {epochs} epochs of {train} training batches, the optimiser should take {steps} steps; yours takes "
                f"{len(optimizer.rates)}.",
                "optimizer.step() once for every batch of train_loader, in every epoch.",
            )
        _compare_rates(optimizer.rates, train, validation, epochs)
        _look_at_loader(train_loader, epochs)
        _look_at_optimizer(optimizer)
        right = one_cycle_rates(steps, steps)
        in_numpy = isinstance(result, torch.Tensor) and result.ndim == 1
        if not (isinstance(result, list | tuple) or in_numpy) or len(result) != steps:
            raise Mistake(f"Training is right. Return a list of the {steps} learning rates, one a batch.", "rates")
        if not _agree([number(rate, "a learning rate") for rate in result], right):
            raise Mistake(
                "Training is right, but the list is not the learning rates that the batches were trained with.",
                "Note the rate before schedule.step() changes it.",
            )


def _compare_rates(rates: list[float], train: int, validation: int, epochs: int) -> None:
    right = one_cycle_rates(epochs * train, epochs * train)
    if _agree(rates, right):
        return
    for wrong, hint, more in _rates_gone_wrong(train, validation, epochs):
        if _agree(rates, wrong):
            raise Mistake(hint, more)
    if _agree(rates[:-1], right[1:]):
        raise Mistake(
            "The schedule moves on before the optimiser has taken its step, so that the first rate is skipped.",
            "optimizer.step() first, then schedule.step().",
        )
    raise Mistake(
        f"The learning rates are not those of a one-cycle with peak {PEAK} over {len(right)} steps.",
        "OneCycleLR(optimizer, max_lr=0.4, total_steps=...), stepped once after every optimizer.step().",
    )


def _look_at_loader(loader: WatchedLoader, epochs: int) -> None:
    if loader.drawn == 0:
        raise Mistake(
            "Yours never draws a batch from the loader: it only counts them, and nothing would be trained on.",
            "for images, labels in train_loader:",
        )
    if loader.started == 1 and epochs > 1:
        raise Mistake(
            "You draw the batches once for all epochs, so each epoch would see the same order and the same crops.",
            "for batch in train_loader: inside the loop over the epochs.",
        )
    if (loader.started, loader.drawn) != (epochs, epochs * len(loader)):
        raise Mistake(
            f"In {epochs} epochs the {len(loader)} batches should be drawn {epochs} times each, {epochs * len(loader)} "
            f"in all; yours draws {loader.drawn}.",
            "for batch in train_loader: inside the loop over the epochs, and nowhere else.",
        )


def _look_at_optimizer(optimizer: WatchedSGD) -> None:
    if len(optimizer.param_groups) != 1:
        raise Mistake("Your answer changes the optimiser's groups of parameters.", "Only step it.")
    group, own = optimizer.param_groups[0], WatchedSGD().param_groups[0]
    changed = [name for name in own if name not in ("params", "lr", "momentum") and group[name] != own[name]]
    if changed:
        raise Mistake(f"Your answer changes the optimiser's {changed[0]}.", "The schedule moves lr and momentum only.")


EXERCISES = [
    Exercise("one_cycle", one_cycle, _judge_one_cycle, "Up, down, and flat: three straight lines."),
    Exercise("run_schedule", run_schedule, _judge_run, "As many steps as there are training batches, and no other."),
]

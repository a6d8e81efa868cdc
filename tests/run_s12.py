"""The command `s12` with a tiny network, a log of the samples it draws and, on request, a real SIGKILL on the way.

S12_KILL=step:N kills the process before optimiser step N, S12_KILL=save:N in the middle of writing checkpoint N,
S12_KILL=renamed:N right after last.ckpt got its name for the Nth time; S12_SIGNAL=SIGTERM sends another signal instead.
S12_NAN=N makes the loss of step N NaN. S12_DRIVE=FOLDER makes that folder like a mounted drive. S12_SAMPLES=FILE
collects "rank epoch first-last-sum" a batch.
"""

import io
import os
import signal
import sys
from pathlib import Path

import torch
from torch import nn

from s12lib import classifier
from s12lib.cli import main
from s12lib.data import loader
from s12lib.training.signals import SIGNALS


class Tiny(nn.Sequential):
    """A network of a few hundred parameters, quick enough to be trained many times; its dropout draws by lot."""

    def __init__(self, num_classes: int, logit_scale: float) -> None:
        super().__init__(
            nn.Conv2d(3, 8, 3, stride=2, bias=False), nn.BatchNorm2d(8), nn.ReLU(),
            nn.AdaptiveMaxPool2d(2), nn.Flatten(), nn.Dropout(0.1), nn.Linear(32, num_classes, bias=False),
        )  # fmt: skip


def kill_myself() -> None:
    if os.environ.get("LOCAL_RANK", "0") == "0":  # of several processes of a run, the first
        os.kill(os.getpid(), getattr(signal, os.environ.get("S12_SIGNAL", "SIGKILL")))


def plan_accidents() -> None:
    moment, _, number = os.environ.get("S12_KILL", "never:-1").partition(":")
    nan_step = int(os.environ.get("S12_NAN", -1))
    training_step, save = classifier.Classifier.training_step, torch.save
    replace, saves, renames = os.replace, 0, 0

    def replaced(source, target):
        nonlocal renames
        replace(source, target)
        renames += Path(target).name == "last.ckpt"
        if moment == "renamed" and renames == int(number) and Path(target).name == "last.ckpt":
            kill_myself()

    def step(self, batch, batch_idx):
        if moment == "step" and self.global_step == int(number):
            kill_myself()
        loss = training_step(self, batch, batch_idx)
        return loss * float("nan") if self.global_step == nan_step else loss

    def half_a_save(checkpoint, file):
        nonlocal saves
        saves += 1
        if moment == "save" and saves == int(number):
            whole = io.BytesIO()
            save(checkpoint, whole)
            file.write(whole.getvalue()[: whole.tell() // 2])
            file.flush()
            kill_myself()
        save(checkpoint, file)

    classifier.Classifier.training_step = step
    torch.save = half_a_save
    os.replace = replaced


def log_samples(path: str) -> None:
    draw = loader.EpochSampler.__iter__

    def logged(self):
        for index in draw(self):
            if self.training:
                with open(path, "a") as file:
                    file.write(f"{self.rank} {self.epoch} {','.join(map(str, index.tolist()))}\n")
            yield index

    loader.EpochSampler.__iter__ = logged


def hear_signals() -> None:
    """Listen to signals as a command in the foreground does, also where the tests themselves ignore them."""
    for number in SIGNALS:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


def run(arguments: list[str]) -> None:
    hear_signals()
    classifier.NETWORKS["tiny"] = Tiny
    torch.set_num_threads(1)
    if "S12_DRIVE" in os.environ:
        import like_a_drive  # noqa: F401
    plan_accidents()
    if "S12_SAMPLES" in os.environ:
        log_samples(os.environ["S12_SAMPLES"])
    main(arguments)


def run_forked(arguments: list[str], folder: Path, environment: dict[str, str]) -> None:
    """The same in a process that has imported everything already; what it says goes to ``folder/said``."""
    os.chdir(folder)
    os.environ.update(environment)
    with open("said", "wb") as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
    run(arguments)


if __name__ == "__main__":
    run(sys.argv[1:])

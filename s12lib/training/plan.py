"""`s12 measure --all`: every run that the book's tables come from, in order of worth, within so many minutes.

What has its result is not run again, so that each call goes on where the last one ended. Where there is no GPU nothing
is run: the list then says what it would cost.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch.nn import functional as F

from s12lib.model import PageResNet
from s12lib.results.ablations import AS_IT_IS
from s12lib.training import ablate, hardware, measure, provenance

SEEDS = {"fast": 5, "sprint": 5, "page24": 5, "long": 3}
"""The recipes by worth, and on how many seeds each is measured."""
ABLATIONS = {"fast": 3, "sprint": 3}
"""The recipes whose levers are switched off one at a time, and on how many seeds."""
HELD_OUT = 5000
H100 = 139_000
"""Images a second at 40% of a measured 790 TFLOP/s, with 2.27 GFLOP an image; a goal, and no measurement."""
EVALUATION = 40_000
"""What a run's set-up and its test cost, in images trained on: six views of 10,000 images, and 50,000 images once."""


@dataclass(frozen=True)
class Job:
    """A run that is missing: its name, how many images it trains on (every epoch of them), and what does it."""

    name: str
    images: int
    run: Callable[[], object]


def jobs(recipes: Path = Path("recipes"), folder: Path = Path("results")) -> list[Job]:
    """What has no result yet: the measured runs, recipe by recipe, then the ablations, seed by seed."""
    found = []
    for name, count in SEEDS.items():
        config = recipes / f"{name}.yaml"
        recipe = measure.resolve(config)
        recipe_hash = provenance.recipe_hash(recipe)
        for seed in range(count):
            if measure.result_of(name, recipe_hash, seed, folder) is None:
                images = recipe["max_epochs"] * 50_000 + EVALUATION
                found.append(Job(f"{name}, seed {seed}", images, partial(measure.measure, config, [seed])))
    for name, count in ABLATIONS.items():
        config = recipes / f"{name}.yaml"
        recipe = measure.resolve(config)
        epochs = recipe["max_epochs"]
        for seed in range(count):
            for without in ablate.missing(config, recipe, epochs, seed, HELD_OUT, folder / "ablations"):
                images = epochs * (50_000 - HELD_OUT) + HELD_OUT
                what = "on held-out images" if without == AS_IT_IS else f"without {without}"
                label = f"{name} {what}, seed {seed}"
                found.append(Job(label, images, partial(ablate.train, config, epochs, seed, without, HELD_OUT)))
    return found


def images_per_second(batch_size: int, steps: int) -> float:
    """How many images this machine trains on in a second, by a few plain steps after one to warm up."""
    device = torch.device("cuda" if hardware.on_gpu() else "cpu")
    network = PageResNet().to(device).to(memory_format=torch.channels_last)
    images = torch.randn(batch_size, 3, 32, 32, device=device).to(memory_format=torch.channels_last)
    labels = torch.arange(batch_size, device=device) % 10
    mixed = hardware.best_precision() == "bf16-mixed"

    def step() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=mixed):
            loss = F.cross_entropy(network(images), labels)
        loss.backward()
        loss.item()  # waits for the GPU

    step()
    start = time.perf_counter()
    for _ in range(steps):
        step()
    return batch_size * steps / (time.perf_counter() - start)


def carry_out(todo: Sequence[Job], minutes: float, speed: float, clock: Callable[[], float] = time.monotonic) -> int:
    """Do what fits into the minutes, in order, and say what did not; returns how many jobs were done.

    ``speed`` is a first guess in images a second, which the first jobs correct.
    """
    start, done, images = clock(), 0, 0
    for job in todo:
        left = 60 * minutes - (clock() - start)
        if job.images / speed > left:
            print(f"Left for another time: {job.name} (about {job.images / speed / 60:.1f} minutes).")
            continue
        print(f"{job.name} (about {job.images / speed / 60:.1f} minutes)", flush=True)
        job.run()
        done, images = done + 1, images + job.images
        speed = images / (clock() - start)
    return done


def bill(todo: Sequence[Job], speed: float, machine: str) -> str:
    """What the list costs on this machine, at ``speed`` images a second, and what it might on a GPU."""
    groups: dict[str, list[int]] = {}
    for job in todo:
        groups.setdefault(job.name.split(", seed")[0], []).append(job.images)
    lines = [f"{'runs':>5}{'hours each':>12}"]
    lines += [f"{len(each):>5}{each[0] / speed / 3600:>12.1f}  {name}" for name, each in groups.items()]
    total = sum(job.images for job in todo)
    return "\n".join(
        [
            *lines,
            f"All of it takes about {total / speed / 3600:.0f} hours on {machine}, at {speed:.0f} images a second now.",
            f"On an H100 it would be about {total / H100 / 60:.0f} minutes and the set-up of each run, by an estimate: "
            f"{H100:,} images a second, 40% of what its matrix units were measured to do.",
        ]
    )

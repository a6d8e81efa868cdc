"""Two things timed in turn: what the ratios of the benchmarks are made of."""

import time
from collections.abc import Callable

import torch

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

"""What belongs to the whole notebook, so that no answer may change it: generators, settings, hooks on all modules."""

import os
import random
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn.modules import module

HOOKS = ("_global_forward_hooks", "_global_forward_pre_hooks", "_global_backward_hooks", "_global_backward_pre_hooks")


class Setting(NamedTuple):
    """Something that belongs to the notebook: how to read it, and how to put it back."""

    read: Callable[[], Any]
    write: Callable[[Any], Any]


def _numpy_generator() -> tuple[Any, ...]:
    state: Any = np.random.get_state()  # noqa: NPY002
    return state[0], state[1].tobytes(), *state[2:]


def _set_numpy_generator(state: tuple[Any, ...]) -> None:
    np.random.set_state((state[0], np.frombuffer(state[1], np.uint32), *state[2:]))  # noqa: NPY002


def _set_environment(variables: dict[str, str]) -> None:
    for name in os.environ.keys() - variables.keys():
        del os.environ[name]
    os.environ.update(variables)


def _set_hooks(hooks: list[dict[int, Any]]) -> None:
    for name, wanted in zip(HOOKS, hooks, strict=True):
        registered = getattr(module, name)
        registered.clear()
        registered.update(wanted)


SETTINGS = {
    "torch's random generator": Setting(
        lambda: torch.get_rng_state().numpy().tobytes(),
        lambda state: torch.set_rng_state(torch.frombuffer(bytearray(state), dtype=torch.uint8)),
    ),
    "NumPy's random generator": Setting(_numpy_generator, _set_numpy_generator),
    "Python's random generator": Setting(random.getstate, random.setstate),
    "torch's default dtype": Setting(torch.get_default_dtype, torch.set_default_dtype),
    "torch's default device": Setting(torch.get_default_device, torch.set_default_device),
    "whether torch records gradients": Setting(torch.is_grad_enabled, torch.set_grad_enabled),
    "how many threads torch uses": Setting(torch.get_num_threads, torch.set_num_threads),
    "whether torch's algorithms are deterministic": Setting(
        torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms
    ),
    "torch's precision of matrix products": Setting(
        torch.get_float32_matmul_precision, torch.set_float32_matmul_precision
    ),
    "the hooks on all modules": Setting(lambda: [dict(getattr(module, name)) for name in HOOKS], _set_hooks),
    "what NumPy does about errors": Setting(np.geterr, lambda settings: np.seterr(**settings)),
    "Python's recursion limit": Setting(sys.getrecursionlimit, sys.setrecursionlimit),
    "the working directory": Setting(os.getcwd, os.chdir),
    "the environment variables": Setting(lambda: dict(os.environ), _set_environment),
}


def read() -> dict[str, Any]:
    """The state of everything that an answer must leave as it is, each under the words that a hint uses for it."""
    return {what: setting.read() for what, setting in SETTINGS.items()}


def changes(before: dict[str, Any]) -> list[str]:
    """What is different now."""
    return [what for what, setting in SETTINGS.items() if setting.read() != before[what]]


def restore(before: dict[str, Any]) -> None:
    """Put back what is different now, and touch nothing else."""
    for what in changes(before):
        SETTINGS[what].write(before[what])

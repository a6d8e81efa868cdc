"""Judge an answer that may be wrong in any way, without letting it break or change anything outside.

The answer runs in a thread of its own with a time limit: a thread, since a notebook on Windows cannot fork.
"""

import ctypes
import random
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from s12lib.exercises.expect import Mistake, kind_of

TIME_LIMIT = 20.0  # seconds of computing; a right answer takes a fraction of one
PATIENCE = 3  # times as long, by the clock, for an answer that waits, or a machine that is busy with something else
PACKAGE = str(Path(__file__).parent.parent)


@dataclass(frozen=True)
class Exercise:
    """An exercise: its name, the library's answer, and a ``judge`` that raises ``Mistake`` when an answer is wrong.

    ``draws`` says that an answer may draw random numbers, as a layer does for its first weights.
    """

    name: str
    reference: Callable[..., Any]
    judge: Callable[[Any], None]
    praise: str
    draws: bool = False


@dataclass(frozen=True)
class Verdict:
    """PASS, TRY AGAIN or TO DO; a ``TRY AGAIN`` has a hint, and perhaps ``more`` to tell the second time."""

    status: str
    hint: str = ""
    more: str = ""


def verdict_on(exercise: Exercise, answer: Any) -> Verdict:
    """Judge an answer. Whatever it raises, changes or never finishes: this returns, and global state is restored."""
    torch_rng, numpy_rng, python_rng = torch.get_rng_state(), np.random.get_state(), random.getstate()  # noqa: NPY002
    dtype, verdicts = torch.get_default_dtype(), list[Verdict]()
    thread = threading.Thread(target=lambda: verdicts.append(_judge(exercise, answer)), daemon=True)
    try:
        torch.set_default_dtype(torch.float32)
        thread.start()
        computed, clock = time.process_time(), time.monotonic()
        while (
            thread.is_alive()
            and time.process_time() - computed < TIME_LIMIT
            and time.monotonic() - clock < PATIENCE * TIME_LIMIT
        ):
            thread.join(min(0.5, TIME_LIMIT))
        finished = not thread.is_alive()
        if not finished:
            _interrupt(thread)
    finally:
        torch.set_default_dtype(dtype)
        torch.set_rng_state(torch_rng)
        np.random.set_state(numpy_rng)  # noqa: NPY002
        random.setstate(python_rng)
    if finished:
        return verdicts[0]
    return Verdict(
        "TRY AGAIN",
        f"Your answer was stopped after {TIME_LIMIT:g} seconds. Does its loop ever end?",
        "A right answer takes far less than a second. Print the loop's variable, and see whether it moves.",
    )


def _interrupt(thread: threading.Thread) -> None:
    """Raise SystemExit inside a thread that will not end, so that it does not go on using the processor."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(SystemExit))
    thread.join(1)


def _judge(exercise: Exercise, answer: Any) -> Verdict:
    before = _global_state()
    try:
        if not callable(answer):
            raise Mistake(f"check needs the function or class itself, but was given {kind_of(answer)}.")
        exercise.judge(answer)
        changed = _traces(before, exercise.draws)
        if changed and all("generator" in what for what in changed):
            _draw_from_each_generator()  # what it imported may have drawn while it loaded, which happens only once
            before = _global_state()
            exercise.judge(answer)
            changed = _traces(before, exercise.draws)
        if changed:
            raise Mistake(
                f"Your answer changes {changed[0]}, which belongs to the whole notebook.",
                "Use a torch.Generator of your own for random numbers, and `with torch.no_grad():` for gradients.",
            )
        if exercise.draws:
            _look_for_a_seed(exercise, answer)
    except Mistake as mistake:
        return Verdict("TRY AGAIN", mistake.hint, mistake.more)
    except NotImplementedError as error:
        return _raised(error) if error.args else Verdict("TO DO")
    except BaseException as error:  # also SystemExit: an answer may call exit()
        return _raised(error)
    return Verdict("PASS")


def _raised(error: BaseException) -> Verdict:
    if type(error) is NameError and error.name:
        return Verdict(
            "TRY AGAIN",
            f"Python does not know {error.name} here. After a restart, run Set-up and the cells above first.",
            "Otherwise look how the name is spelt where it is made.",
        )
    try:
        message = (str(error).strip() or "no message").splitlines()[0]
    except Exception:  # an exception of the reader's own may not even be able to say what it is
        message = "no message"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.line for frame in frames if not frame.filename.startswith(PACKAGE)]
    line = next((line for line in reversed(lines) if line), "")
    return Verdict(
        "TRY AGAIN",
        f"Your answer raised {type(error).__name__}: {message}",
        f"The last line that Python reached: {line}" if line else "",
    )


def _global_state() -> dict[str, Any]:
    """What an answer must leave as it is, each under the words that a hint uses for it."""
    return {
        "torch's random generator": torch.get_rng_state().numpy().tobytes(),
        "NumPy's random generator": str(np.random.get_state()),  # noqa: NPY002
        "Python's random generator": hash(random.getstate()),
        "torch's default dtype": torch.get_default_dtype(),
        "torch's default device": torch.get_default_device(),
        "whether torch records gradients": torch.is_grad_enabled(),
    }


def _traces(before: dict[str, Any], draws: bool) -> list[str]:
    """What of the global state is another than before; an answer that ``draws`` may move the generators on."""
    after = _global_state()
    return [what for what in after if after[what] != before[what] and not (draws and "generator" in what)]


def _draw_from_each_generator() -> None:
    """So that an answer which seeds one of them does not find it as it had left it."""
    torch.rand(1)
    np.random.random()  # noqa: NPY002
    random.random()


def _look_for_a_seed(exercise: Exercise, answer: Any) -> None:
    """Two different seeds must not lead to the same state: otherwise the answer has seeded the generator itself."""
    ends = []
    for seed in (1, 2):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would seed the GPU's, too
        exercise.judge(answer)
        ends.append(torch.get_rng_state())
    if torch.equal(*ends):
        raise Mistake("Your answer seeds torch's random generator, which belongs to the whole notebook.")

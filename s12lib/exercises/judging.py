"""Judge an answer that may be wrong in any way, without letting it break or change anything outside.

The answer runs in a thread of its own with a time limit: a thread, since a notebook on Windows cannot fork.
"""

import copy
import ctypes
import numbers
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
from torch import nn

TIME_LIMIT = 20.0  # seconds of computing; a right answer takes a fraction of one
PATIENCE = 3  # times as long, by the clock, for an answer that waits, or a machine that is busy with something else
PACKAGE = str(Path(__file__).parent.parent)


class Mistake(Exception):
    """What is wrong with an answer: a hint for the first time, and more for the second."""

    def __init__(self, hint: str, more: str = "") -> None:
        super().__init__(hint)
        self.hint, self.more = hint, more


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
            raise Mistake(f"check needs the function or class itself, but was given {_kind(answer)}.")
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


# ---- for the lessons' checks -----------------------------------------------------------------------------------------


def call(answer: Callable[..., Any], *inputs: Any) -> Any:
    """What the answer returns for copies of the inputs. Raises Mistake when it changes them.

    A network is handed out itself, no copy: the check that made it looks at what has become of it.
    """
    given = [each if isinstance(each, nn.Module) else copy.deepcopy(each) for each in inputs]
    result = answer(*given)
    if not all(_same(*pair) for pair in zip(given, inputs, strict=True)):
        raise Mistake(
            "Your answer changes its input in place, so whoever hands you a picture loses it.",
            "Look for +=, -=, *=, /=, an assignment to a part of the input, or a method that ends in an underscore.",
        )
    return result


def present(result: Any, what: str = "the result") -> Any:
    """The result itself. Raises Mistake when it is None."""
    if result is None:
        raise Mistake(f"Where {what} should be, there is None. Is the return missing?")
    return result


def pair(result: Any, things: str, which: str, advice: str = "") -> tuple[Any, Any]:
    """The two parts of the result. Raises Mistake unless it is a tuple or a list of two ``things``."""
    if not isinstance(present(result, things), tuple | list) or len(result) != 2:
        raise Mistake(f"Return {things}: {which}.", advice)
    return result[0], result[1]


def tensor(result: Any, shape: tuple[int, ...], what: str = "the result") -> torch.Tensor:
    """The result as a tensor without gradient. Raises Mistake unless it is a tensor of this shape."""
    if not isinstance(present(result, what), torch.Tensor):
        raise Mistake(f"Make {what} a torch tensor; yours is {_kind(result)}.", "torch.as_tensor(...) makes one.")
    if result.shape != shape:
        raise Mistake(f"The shape of {what} should be {shape}, but yours is {tuple(result.shape)}.")
    return result.detach()


def number(result: Any, what: str = "the result") -> float:
    """The result as a float. Raises Mistake unless it can be used and printed as a number: no text, no list, no graph.

    A tensor or array counts when it has no axes, and a tensor also no gradient.
    """
    if isinstance(present(result, what), torch.Tensor | np.ndarray) and result.ndim == 0:
        if isinstance(result, torch.Tensor) and result.requires_grad:
            raise Mistake(f"{what.capitalize()} still hangs on the graph of its gradient.", ".item() takes the number.")
        result = result.item()
    if not isinstance(result, numbers.Real):
        advice = ".item() makes a number of a tensor with one element." if isinstance(result, torch.Tensor) else ""
        raise Mistake(f"Make {what} a number; yours is {_kind(result)}.", advice)
    return float(result)


def close(a: torch.Tensor, b: torch.Tensor, tolerance: float = 1e-4) -> bool:
    """Whether two tensors of the same shape agree in every element; nan agrees with nothing."""
    return a.shape == b.shape and bool(torch.allclose(a.double(), b.double(), rtol=tolerance, atol=tolerance))


def recognise(result: torch.Tensor, hints: dict[str, torch.Tensor], advice: str) -> None:
    """Raise Mistake with the hint whose value is the result: what a known slip would have given."""
    for hint, value in hints.items():
        if close(result, value):
            raise Mistake(hint, advice)


def _same(given: Any, original: Any) -> bool:
    if isinstance(given, torch.Tensor):
        return given.shape == original.shape and torch.equal(given, original)
    if isinstance(given, np.ndarray):
        return np.array_equal(given, original)
    if isinstance(given, nn.Module):
        return True
    return bool(given == original)


def _kind(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return "a NumPy array"
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"

"""Judge an answer that may be wrong in any way, without letting it break or change anything outside."""

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from s12lib.exercises import notebook_state, time_limit
from s12lib.exercises.expect import Mistake, kind_of

PACKAGE = str(Path(__file__).parent.parent)
EXPLAINED = {
    "can't multiply sequence": "A list is no array: go through it with a loop.",
    "'Tensor' and 'tuple'": "torch.tensor(...) makes a tensor of a tuple.",
    "must be either a floating point": "Bytes cannot be averaged: .float() first.",
    "must match the size of tensor b": "Shapes are lined up from the last axis: print both.",
    "stack expects each tensor to be equal size": "A slice that runs over the edge is cut short.",
    "only integer tensors of a single element": "A slice begins at one number: go through the images one by one.",
    "leaf Variable that requires grad": "Change a parameter under torch.no_grad() only.",
    "got (ReLU": "nn.ReLU(...) makes a layer; F.relu(x) computes.",
}
"""What Python and PyTorch say of the mistakes of a first lesson, and what it means."""


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
    """PASS, TRY AGAIN or TO DO; a ``TRY AGAIN`` has a hint, and perhaps ``more`` to tell the second time.

    ``in_numpy`` says that the answer passes, and returns NumPy arrays where the notebook goes on with tensors.
    """

    status: str
    hint: str = ""
    more: str = ""
    in_numpy: bool = False


class InTorch:
    """An answer whose NumPy arrays are made torch tensors, wherever they stand in what it returns."""

    def __init__(self, answer: Callable[..., Any]) -> None:
        self.__wrapped__ = answer
        self.needed = False  # whether there was an array so far

    def __call__(self, *given: Any, **named: Any) -> Any:
        return self._converted(self.__wrapped__(*given, **named))

    def _converted(self, result: Any) -> Any:
        if isinstance(result, np.ndarray) and result.dtype.kind in "biuf":
            self.needed = True
            whole = np.require(result, requirements=["C", "W"])  # a copy of what is read-only, such as a Pillow image
            return torch.from_numpy(whole.reshape(result.shape))
        if type(result) in (tuple, list, dict):
            parts = list(result.values()) if isinstance(result, dict) else result
            converted = [self._converted(part) for part in parts]
            if any(new is not old for new, old in zip(converted, parts, strict=True)):
                return (
                    dict(zip(result, converted, strict=True)) if isinstance(result, dict) else type(result)(converted)
                )
        return result


def verdict_on(exercise: Exercise, answer: Any) -> Verdict:
    """Judge an answer. Whatever it raises, changes or never finishes: this returns, and global state is restored."""
    before, verdicts = notebook_state.read(), list[Verdict]()
    try:
        torch.set_default_dtype(torch.float32)
        if time_limit.finishes(lambda: verdicts.append(_judge(exercise, answer))):
            return verdicts[0]
    finally:
        notebook_state.restore(before)
    return Verdict(
        "TRY AGAIN",
        f"Your answer was stopped after {time_limit.TIME_LIMIT:g} seconds. Does its loop ever end?",
        "A right answer takes far less than a second. Print the loop's variable, and see whether it moves.",
    )


def _judge(exercise: Exercise, answer: Any) -> Verdict:
    try:
        if not callable(answer):
            raise Mistake(f"check needs the function or class itself, but was given {kind_of(answer)}.")
        asked = answer if isinstance(answer, type) else InTorch(answer)
        before = notebook_state.read()
        exercise.judge(asked)
        changed = notebook_state.changes(before)
        notebook_state.restore(before)
        changed = [what for what in _asked_again(exercise, asked, before) if what in changed]  # no import's doing
        if changed:
            raise Mistake(
                f"Your answer changes {changed[0]}, which belongs to the whole notebook.",
                "Use a torch.Generator of your own for random numbers, `with torch.no_grad():` for gradients, and "
                "put back what you change for a while.",
            )
    except Mistake as mistake:
        return Verdict("TRY AGAIN", mistake.hint, mistake.more)
    except NotImplementedError as error:
        return _raised(error) if error.args else Verdict("TO DO")
    except BaseException as error:  # also SystemExit: an answer may call exit()
        return _raised(error)
    return Verdict("PASS", in_numpy=isinstance(asked, InTorch) and asked.needed)


def _asked_again(exercise: Exercise, answer: Any, before: dict[str, Any]) -> list[str]:
    """Judge a right answer anew, and return what it changes. Raises Mistake when it is right the first time only.

    An exercise that ``draws`` is asked from two different seeds, which must not lead to the same state.
    """
    try:
        if not exercise.draws:
            exercise.judge(answer)
            return notebook_state.changes(before)
        ends = []
        for seed in (1, 2):
            torch.default_generator.manual_seed(seed)  # torch.manual_seed would seed the GPU's, too
            exercise.judge(answer)
            ends.append(torch.get_rng_state())
    except Exception as error:
        raise Mistake(
            f"Your answer is right the first time only; asked the same again, it is not: {error}",
            "What lives on from one call to the next? Perhaps a default such as kept=[], or a list outside.",
        ) from error
    if torch.equal(*ends):
        raise Mistake("Your answer seeds torch's random generator, which belongs to the whole notebook.")
    return [what for what in notebook_state.changes(before) if "generator" not in what]


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
    meaning = next((means for words, means in EXPLAINED.items() if words in message), "")
    if meaning:
        message = f"{message.removesuffix('.')}. {meaning}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.line for frame in frames if not frame.filename.startswith(PACKAGE)]
    line = next((line for line in reversed(lines) if line), "")
    return Verdict(
        "TRY AGAIN",
        f"Your answer raised {type(error).__name__}: {message}",
        f"The last line that Python reached: {line}" if line else "",
    )

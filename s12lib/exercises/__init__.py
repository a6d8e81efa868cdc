"""The exercises of the lessons: ``check`` gives a verdict on a reader's answer, ``use`` goes on with a right one.

A lesson's files (``lessonNN*.py``) hold its exercises: the library's answer, the check, and a hint for each mistake.
What a check asks of an answer stands in ``expect.py``; how one runs without breaking the notebook, in ``judging.py``.
"""

import pkgutil
import textwrap
from collections import Counter
from importlib import import_module
from typing import Any

from s12lib.exercises.judging import Exercise, InTorch, Verdict, verdict_on

__all__ = ["check", "use"]

_missed: Counter[tuple[str, str]] = Counter()  # how often each mistake was made in each exercise


def exercises() -> dict[str, Exercise]:
    """All exercises by name, in the lessons' order."""
    lessons = [import_module(f"{__name__}.{m.name}") for m in pkgutil.iter_modules(__path__) if "lesson" in m.name]
    return {found.name: found for lesson in lessons for found in lesson.EXERCISES}


def check(name: str, answer: Any) -> None:
    """Print PASS, TRY AGAIN with a hint for the mistake, or TO DO. Never raises, and leaves global state alone.

    The same mistake made a second time gets a second hint, which tells more.
    """
    exercise = exercises().get(name)
    if exercise is None:
        print(f"There is no exercise {name!r}. There are: {', '.join(exercises())}.")
        return
    verdict = verdict_on(exercise, answer)
    if verdict.status == "TO DO":
        _say(f"TO DO: {name}. Replace `raise NotImplementedError` with your answer, and run this cell again.")
    elif verdict.status == "PASS":
        _say(f"PASS: {name}. {exercise.praise}")
    else:
        again = _missed[name, verdict.hint] > 0
        _missed[name, verdict.hint] += 1
        _say(f"TRY AGAIN: {name}. {verdict.hint} {verdict.more if again else ''}")


def use(name: str, answer: Any) -> Any:
    """The reader's answer if it passes, else the library's; prints which of the two."""
    exercise = exercises().get(name)
    if exercise is None:
        raise ValueError(f"There is no exercise {name!r}; there are: {', '.join(exercises())}.")
    verdict: Verdict = verdict_on(exercise, answer)
    if verdict.status == "PASS":
        print(f"{name}: going on with your answer.")
        return InTorch(answer) if verdict.in_numpy else answer
    print(f"{name}: going on with the library's answer.")
    return exercise.reference


def _say(text: str) -> None:
    print(textwrap.fill(text.strip(), 80, break_long_words=False, break_on_hyphens=False))

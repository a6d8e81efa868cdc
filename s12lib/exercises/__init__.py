"""The exercises of the lessons: ``check`` gives a verdict on a reader's answer, ``use`` goes on with a right one.

A lesson's files (``lessonNN*.py``) hold its exercises: the library's answer, the check, and a hint for each mistake.
What a check asks of an answer stands in ``expect.py``; how one runs without breaking the notebook, in ``judging.py``;
how a verdict is shown and stored, in ``showing.py``. Exercises of your own are found by ``finding.py``.
"""

import pkgutil
from collections import Counter
from importlib import import_module
from typing import TYPE_CHECKING, Any

from s12lib.errors import CourseError
from s12lib.exercises.showing import Checked, say, show, show_progress

if TYPE_CHECKING:  # judging takes torch, which a look at stored verdicts does without
    from s12lib.exercises.judging import Exercise

__all__ = ["check", "progress", "use"]

_missed: Counter[tuple[str, str]] = Counter()  # how often each mistake was made in each exercise
_checked: dict[str, str] = {}  # the last status of each exercise that this session has checked


def exercises() -> "dict[str, Exercise]":
    """All exercises by name, in the lessons' order."""
    lessons = [import_module(f"{__name__}.{m.name}") for m in pkgutil.iter_modules(__path__) if "lesson" in m.name]
    return {found.name: found for lesson in lessons for found in lesson.EXERCISES}


def exercise_of(name: str) -> "Exercise | None":
    """The exercise of this name: the package's, else one of your own, which ``finding`` looks for."""
    from s12lib.exercises.finding import find

    return exercises().get(name) or find(name)


def check(name: str, answer: Any) -> None:
    """Show PASS, TRY AGAIN with a hint for the mistake, or TO DO. Never raises, and leaves global state alone.

    The same mistake made a second time gets a second hint, which tells more.
    """
    from s12lib.exercises.judging import verdict_on

    try:
        exercise = exercise_of(name)
    except CourseError as error:
        say(str(error))
        return
    if exercise is None:
        say(f"There is no exercise {name!r}. There are: {', '.join(exercises())}.")
        return
    verdict = verdict_on(exercise, answer)
    _checked[name] = verdict.status
    if verdict.status == "TO DO":
        words = "Replace `raise NotImplementedError` with your answer, and run this cell again."
    elif verdict.status == "PASS":
        words = exercise.praise
    else:
        again = _missed[name, verdict.hint] > 0
        _missed[name, verdict.hint] += 1
        words = f"{verdict.hint} {verdict.more if again else ''}".strip()
    show(Checked(name, verdict.status, words))


def use(name: str, answer: Any) -> Any:
    """The reader's answer if it passes, else the library's; prints which of the two."""
    from s12lib.exercises.judging import InTorch, verdict_on

    exercise = exercise_of(name)
    if exercise is None:
        raise ValueError(f"There is no exercise {name!r}; there are: {', '.join(exercises())}.")
    verdict = verdict_on(exercise, answer)
    if verdict.status == "PASS":
        print(f"{name}: going on with your answer.")
        return InTorch(answer) if verdict.in_numpy else answer
    print(f"{name}: going on with the library's answer.")
    return exercise.reference


def progress() -> None:
    """Show how many of the exercises checked in this notebook are solved, and which are open, with links to them."""
    show_progress(_checked)

"""Judge one student's answer, behind the fence: build it from its code, ask the exercise, and ask a control."""

import linecache
import sys
from types import ModuleType
from typing import Any

import torch

from s12lib.exercises import exercise_of, finding, time_limit
from s12lib.exercises.judging import Exercise, Verdict, verdict_on

NAME = "submission"


def judge_answer(exercise: str, source: str, expression: str, seconds: float, own: str | None = None) -> dict[str, str]:
    """``{"status", "hint"}`` for the answer that the code defines; status as in ``Verdict``, or REVIEW.

    ``own`` is the code of an exercise that is not the package's.

    REVIEW is a PASS that a person should look at: the answer is the library's own, or the check no longer rejects what
    it must reject after the answer ran, so the answer has changed the check.
    """
    torch.set_num_threads(1)
    time_limit.TIME_LIMIT = seconds
    if own is not None:  # its file may lie where nobody in here can look
        (finding.folder() / f"{exercise}.py").write_text(own, "utf-8")
    asked = exercise_of(exercise)
    assert asked is not None, "the grader asks for what it has found"
    try:
        answer = _build(source, expression)
    except BaseException as error:  # also SystemExit
        message = (str(error).strip() or "no message").splitlines()[0]
        return {"status": "TRY AGAIN", "hint": f"The code that defines it raised {type(error).__name__}: {message}"}
    verdict = verdict_on(asked, answer)
    if verdict.status == "PASS":
        verdict = _confirm(asked, answer)
    return {"status": verdict.status, "hint": verdict.hint}


def _build(source: str, expression: str) -> Any:
    module = ModuleType(NAME)
    sys.modules[NAME] = module  # where dataclasses look up what their annotations mean
    for file, text in ((f"<{NAME}>", source), ("<check>", expression)):
        linecache.cache[file] = len(text), None, text.splitlines(keepends=True), file  # so that a hint can quote it
    exec(compile(source, f"<{NAME}>", "exec"), module.__dict__)
    return eval(compile(expression, "<check>", "eval"), module.__dict__)


def _confirm(exercise: Exercise, answer: Any) -> Verdict:
    if answer is exercise.reference:
        return Verdict("REVIEW", "The answer is the library's own, not the student's.")
    control = verdict_on(exercise, lambda *inputs, **settings: None)
    if control.status != "TRY AGAIN":
        return Verdict("REVIEW", "After this answer had run, the check accepted a function that returns nothing.")
    return Verdict("PASS")

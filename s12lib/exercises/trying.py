"""Try an exercise before anybody else does: what does it say of answers that are known to be right, and to be wrong?"""

import ast
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple
from unittest import mock

from s12lib.errors import reason
from s12lib.exercises import time_limit
from s12lib.exercises.finding import ExerciseError, load
from s12lib.exercises.judging import Exercise, Verdict, verdict_on
from s12lib.exercises.mutations import mutants

PATIENCE = 3.0
"""Seconds of computing after which a mutation counts as one that never ends."""


class Trial(NamedTuple):
    """An answer, of which kind it is, and the verdict on it."""

    kind: str
    what: str
    verdict: Verdict


def trials(path: Path, answers: list[Path]) -> Iterator[Trial]:
    """Judge the reference, a stub, an answer without return, every mutation of the reference, and your own answers.

    Each function or class that a file of ``answers`` defines is one answer. Raises ``ExerciseError`` for a file that
    holds no exercise, and for a reference whose source Python does not know.
    """
    exercise, module = load(path)
    yield Trial("reference", exercise.reference.__name__, verdict_on(exercise, exercise.reference))
    yield Trial("stub", "raise NotImplementedError", verdict_on(exercise, _stub))
    yield Trial("empty", "return None", verdict_on(exercise, _nothing))
    with mock.patch.object(time_limit, "TIME_LIMIT", PATIENCE):
        yield from _mutations(exercise, module, path)
    for file in answers:
        for name, answer in _defined(file):
            yield Trial("answer", f"{file.name}: {name}", verdict_on(exercise, answer))


def faults(tried: list[Trial]) -> list[str]:
    """What must never be: a rejected reference, a judged stub, an empty answer that passes."""
    wanted = {"reference": "PASS", "stub": "TO DO", "empty": "TRY AGAIN"}
    return [
        f"The {trial.kind} ({trial.what}) gets {trial.verdict.status}; it should get {wanted[trial.kind]}."
        for trial in tried
        if trial.kind in wanted and trial.verdict.status != wanted[trial.kind]
    ]


def _stub(*_: Any, **__: Any) -> None:
    raise NotImplementedError


def _nothing(*_: Any, **__: Any) -> None:
    return None


def _mutations(exercise: Exercise, module: ModuleType, path: Path) -> Iterator[Trial]:
    reference: Any = exercise.reference
    name = reference.__name__
    source = _source(name, path)
    if not source or vars(module).get(name) is not reference:
        raise ExerciseError(
            f"The reference in {path} should be a function or class that the file itself defines: define it there with "
            "def or class."
        )
    for mutant, change in mutants(source).items():
        names = dict(vars(module))
        try:
            exec(compile(mutant, f"<mutation: {change}>", "exec"), names)
        except Exception as error:  # a mutation of a default value, or of a decorator
            yield Trial("mutation", change, Verdict("TRY AGAIN", f"It raised {type(error).__name__}: {error}"))
        else:
            yield Trial("mutation", change, verdict_on(exercise, names[name]))


def _source(name: str, path: Path) -> str:
    """The text of a function or class that a file defines, decorators too; empty where it does not."""
    text = path.read_text("utf-8")
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name:
            first = min(part.lineno for part in (node, *node.decorator_list))
            return "\n".join(text.splitlines()[first - 1 : node.end_lineno])
    return ""


def _defined(file: Path) -> list[tuple[str, Any]]:
    """The functions and classes that a file defines itself, in order."""
    names: dict[str, Any] = {"__name__": file.stem}
    try:
        exec(compile(file.read_text("utf-8"), str(file), "exec"), names)
    except OSError as error:
        raise ExerciseError(f"{file} cannot be read: {reason(error)}.") from error
    except Exception as error:
        raise ExerciseError(f"{file} raised {type(error).__name__} when it was read: {error}") from error
    own = [(name, value) for name, value in names.items() if callable(value) and not name.startswith("_")]
    return [(name, value) for name, value in own if getattr(value, "__module__", "") == file.stem]

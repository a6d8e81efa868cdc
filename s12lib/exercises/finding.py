"""Find exercises that are not the package's: one file each, in a folder, or announced by an installed package.

A file holds one :class:`~s12lib.exercises.judging.Exercise` and is called as it is, ``NAME.py``. The folder is
``$S12_EXERCISES``, else ``exercises`` beside the notebook. A package announces its exercises as entry points of the
group ``s12lib.exercises``. The page "Write an exercise" walks through one.
"""

import importlib.util
import os
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

from s12lib.errors import CourseError
from s12lib.exercises.judging import Exercise

GROUP = "s12lib.exercises"


class ExerciseError(CourseError):
    """A file that holds no exercise, or not exactly one."""


def folder() -> Path:
    """Where exercises of one's own lie."""
    return Path(os.environ.get("S12_EXERCISES", "exercises")).expanduser()


def find(name: str) -> Exercise | None:
    """The exercise of this name in the folder or among the entry points. Raises ``ExerciseError`` for a bad file."""
    path = folder() / f"{name}.py"
    if name.isidentifier() and path.is_file():
        return load(path)[0]
    for entry in entry_points(group=GROUP, name=name):
        return _exercise_of(entry.value, [entry.load()])
    return None


def sources(own: Path) -> dict[str, str]:
    """The code of each exercise in a folder, by name. Raises ``ExerciseError`` for a bad file, or none."""
    files = [path for path in sorted(own.glob("*.py")) if path.stem.isidentifier()]
    if not files:
        raise ExerciseError(f"{own} holds no exercise: it should be a folder with a file NAME.py for each.")
    return {load(path)[0].name: path.read_text("utf-8") for path in files}


def announced() -> list[str]:
    """The names of the exercises that installed packages have."""
    return sorted(entry_points(group=GROUP).names)


def load(path: Path) -> tuple[Exercise, ModuleType]:
    """The one exercise of a file, and the module that the file is. Raises ``ExerciseError``."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise ExerciseError(f"{path} is not a Python file: an exercise is one file that ends in .py.")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ExerciseError(f"{path} raised {type(error).__name__} when it was read: {error}") from error
    return _exercise_of(path, list(vars(module).values())), module


def _exercise_of(where: Path | str, values: list[object]) -> Exercise:
    found = [value for value in values if isinstance(value, Exercise)]
    if len(found) != 1:
        raise ExerciseError(
            f"{where} holds {len(found) or 'no'} exercises; it should hold one: EXERCISE = Exercise(...)."
        )
    if isinstance(where, Path) and found[0].name != where.stem:
        raise ExerciseError(f"{where} holds the exercise {found[0].name!r}: call the file {found[0].name}.py.")
    return found[0]

"""Judge an answer in the book itself: Python in the browser, which has the standard library and nothing else.

The exercises are the lessons' own, and so are judge and words. What their modules import and the browser lacks is stood
in for by empty classes; the exercises of ``IN_PAGE`` need none of it, and a test holds each verdict against the real
one. A worker in the browser has no notebook to protect and is ended from outside, so that is left out here.
"""

import importlib
import json
import linecache
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

IN_PAGE = {
    "line_gradient": "lesson00",
    "value": "lesson00_value",
    "numerical_gradient": "lesson00_differences",
    "majority_accuracy": "warm_up",
    "conv_bn_parameters": "lesson02",
    "receptive_field": "lesson02",
    "one_cycle": "lesson03_schedule",
    "precision_and_recall": "warm_up",
    "surely_apart": "lesson04_pairs",
    "median_time": "lesson07",
    "intensity": "lesson07",
    "on_devices": "lesson07",
    "difference": "lesson10",
    "sign_flips": "lesson10_pairs",
}
"""The exercises that need neither torch nor NumPy, and the module of each."""
ABSENT = {"PIL", "jsonargparse", "matplotlib", "numpy", "pytorch_lightning", "safetensors", "sklearn", "torch",
          "torchmetrics", "torchvision", "tqdm", "yaml"}  # fmt: skip


SECONDS = 10
"""For one answer; then the page ends its worker. A right one takes a fraction of one."""
STOPPED = {
    "status": "TRY AGAIN",
    "hint": f"Your answer was stopped after {SECONDS} seconds. Does its loop ever end?",
    "more": "A right answer takes far less than a second. Print the loop's variable, and see whether it moves.",
}


def interp(x: float, knots: Sequence[float], values: Sequence[float]) -> float:
    """As ``np.interp`` for one number: straight lines between the knots, and flat outside."""
    for k in reversed(range(len(knots) - 1)):
        (left, right), (low, high) = knots[k : k + 2], values[k : k + 2]
        if x >= left:
            return high if x >= right else low + (x - left) / (right - left) * (high - low)
    return values[0]


class _Absent(type):
    """What stands in for a library's name: a class without instances, which can be named, subclassed and called."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Absent(name, (), {})

    def __call__(cls, *given: Any, **named: Any) -> Any:
        if len(given) == 1 and callable(given[0]) and not named:
            return given[0]  # as a decorator
        return _Absent(cls.__name__, (), {})


class _StandIns(MetaPathFinder, Loader):
    """Finds every absent library and its modules."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        return ModuleSpec(name, self, is_package=True) if name.partition(".")[0] in ABSENT else None

    def exec_module(self, module: ModuleType) -> None:
        if module.__name__ == "numpy":
            vars(module)["interp"] = interp
        module.__getattr__ = lambda name: getattr(_Absent("absent", (), {}), name)  # type: ignore[method-assign]


def stand_in() -> None:
    """Let the absent libraries be imported from now on, and look after no notebook, as there is none."""
    sys.meta_path.insert(0, _StandIns())
    from s12lib.exercises import notebook_state

    vars(notebook_state).update(read=dict, restore=lambda before: None, changes=lambda before: [])


def judged(name: str, source: str) -> str:
    """The verdict on what the text defines under the reference's name, as JSON: status, hint, more."""
    from s12lib.exercises import judging

    module = importlib.import_module(f"s12lib.exercises.{IN_PAGE[name]}")
    exercise = replace(next(each for each in module.EXERCISES if each.name == name), draws=False)
    linecache.cache["<answer>"] = len(source), None, source.splitlines(keepends=True), "<answer>"
    namespace: dict[str, Any] = {"__name__": "answer"}
    try:
        exec(compile(source, "<answer>", "exec"), namespace)
    except SyntaxError as error:
        verdict = judging.Verdict("TRY AGAIN", f"Line {error.lineno} is not Python: {error.msg}.")
    except BaseException as error:
        verdict = judging._raised(error)
    else:
        verdict = judging._judge(exercise, namespace.get(exercise.reference.__name__))
    words = {"PASS": exercise.praise, "TO DO": "Replace `raise NotImplementedError` with your answer, and check again."}
    hint = words.get(verdict.status, verdict.hint)
    return json.dumps({"status": verdict.status, "hint": hint, "more": verdict.more})

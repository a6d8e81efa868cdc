"""Ask an answer as it would be asked tomorrow, in another process: what of the world around does it depend on?"""

import builtins
import datetime
import inspect
import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import numpy as np
import torch

from s12lib.exercises import notebook_state
from s12lib.exercises.expect import Mistake

DAY = 86_400 + 3_671  # seconds: another day, and another minute and second of it
NANOSECONDS = ("time_ns", "monotonic_ns", "perf_counter_ns")


def _salted(value: Any) -> bool:
    """Whether Python's hash of this is another in each process, as for text, bytes, and what holds them."""
    return isinstance(value, bytes | str) or (isinstance(value, tuple | frozenset) and any(map(_salted, value)))


def _tomorrow(now: Callable[[], float] = time.time) -> float:
    return now() + DAY


def _day_on(now: Callable[[], float], day: float) -> Callable[[], float]:
    return lambda: now() + day


class _LaterTime(datetime.datetime):
    @classmethod
    def now(cls, tz: Any = None) -> Any:
        return cls.fromtimestamp(_tomorrow(), tz)

    @classmethod
    def utcnow(cls) -> Any:
        return cls.now(datetime.UTC).replace(tzinfo=None)

    today = now


class _LaterDate(datetime.date):
    @classmethod
    def today(cls) -> Any:
        return cls.fromtimestamp(_tomorrow())


def _later(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function of the time module, a day on; given a time by its caller, it is as it was."""
    return lambda *given: function(*given) if given and given[0] is not None else function(_tomorrow())


def _format_later(form: str, *given: Any, write: Any = time.strftime, local: Any = time.localtime) -> str:
    return write(form, *(given or [local(_tomorrow())]))


Replaced = tuple[Any, str, Any]
"""A module, or its name if it need not have been imported; a name in it, and what is there instead."""
REPLACED: dict[str, list[Replaced]] = {
    "Python's hash of text or bytes, which is salted: in another process it is another number": [
        (builtins, "hash", lambda value, hash=hash: hash((hash(value), 1)) if _salted(value) else hash(value)),
    ],
    "the time": [
        (time, "time", _tomorrow),
        *((time, name, _day_on(getattr(time, name), DAY)) for name in ("monotonic", "perf_counter")),
        *((time, name, _day_on(getattr(time, name), DAY * 10**9)) for name in NANOSECONDS),
        ("uuid", "uuid1", lambda *_, **__: __import__("uuid").UUID(int=DAY)),
        *((time, name, _later(getattr(time, name))) for name in ("localtime", "gmtime", "ctime")),
        (time, "strftime", _format_later),
        (datetime, "datetime", _LaterTime),
        (datetime, "date", _LaterDate),
    ],
    "the number of the process": [
        (os, "getpid", lambda number=os.getpid: number() + 1),
        (os, "getppid", lambda number=os.getppid: number() + 1),
    ],
    "the machine or its user": [
        ("platform", "node", lambda: "elsewhere"),
        ("socket", "gethostname", lambda: "elsewhere"),
        ("getpass", "getuser", lambda: "somebody"),
        ("uuid", "getnode", lambda: DAY),
    ],
    "the folder in which it runs": [(os, "getcwd", lambda: os.sep + "elsewhere")],
    "where an object lies in memory, which another process decides anew": [
        (builtins, "id", lambda value, id=id: id(value) + 4096),
    ],
    "the state of a random generator that belongs to the whole notebook": [],
}


def same_elsewhere(answer: Callable[..., Any], ask: Callable[[], Any], advice: str) -> None:
    """Raise Mistake when what ``ask`` returns, which asks the answer, is another on another day or in another process.

    Each thing that differs there is changed by itself, so that the hint can name it.
    """
    wanted = ask()
    for what, replaced in REPLACED.items():
        with _changed(answer, replaced, reseeded=not replaced):
            given = ask()
        if given != wanted:
            raise Mistake(f"Yours depends on {what}, so elsewhere or tomorrow it would be another.", advice)


@contextmanager
def _changed(answer: Callable[..., Any], replaced: list[Replaced], reseeded: bool) -> Iterator[None]:
    """Replace functions, also under the names by which the answer's notebook knows them; for this thread only."""
    names = getattr(inspect.unwrap(answer), "__globals__", {})
    before = notebook_state.read()
    with ExitStack() as stack:
        for module, name, instead in replaced:
            module = sys.modules.get(module) if isinstance(module, str) else module
            if not hasattr(module, name):
                continue
            original = getattr(module, name)
            if not isinstance(original, type):
                instead = _in_this_thread(original, instead)
            stack.enter_context(mock.patch.object(module, name, instead))
            for alias in [alias for alias, value in names.items() if value is original]:
                names[alias] = instead
                stack.callback(names.__setitem__, alias, original)
        if reseeded:
            torch.default_generator.manual_seed(20_261)  # torch.manual_seed would seed the GPU's, too
            np.random.seed(20_261)  # noqa: NPY002
            random.seed(20_261)
        try:
            yield
        finally:
            notebook_state.restore(before)


def _in_this_thread(original: Callable[..., Any], instead: Callable[..., Any]) -> Callable[..., Any]:
    here = threading.get_ident()
    return lambda *given, **named: (instead if threading.get_ident() == here else original)(*given, **named)

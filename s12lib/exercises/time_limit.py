"""Let an answer run for as long as it computes something, and stop one that will never end.

The answer runs in a thread of its own, since a notebook on Windows cannot fork. Only the time counts in which the
answer itself computes or sleeps, so that a machine that is busy with something else makes no right answer wrong.
"""

import ctypes
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

TIME_LIMIT = 20.0  # seconds of computing; a right answer takes a fraction of one
PATIENCE = 3  # times as long for an answer that sleeps, and waits for something that never comes


def finishes(work: Callable[[], Any]) -> bool:
    """Run ``work`` in a thread; whether it has ended by itself. Otherwise it is interrupted."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    started = time.monotonic()
    while thread.is_alive():
        computed, slept = _spent(thread, time.monotonic() - started)
        if computed > TIME_LIMIT or slept > PATIENCE * TIME_LIMIT:
            _interrupt(thread)
            return False
        thread.join(min(0.5, TIME_LIMIT))
    return True


def _spent(thread: threading.Thread, elapsed: float) -> tuple[float, float]:
    """Seconds for which the thread has computed, and has slept; waiting for its turn on a busy processor is neither."""
    try:  # Linux: nanoseconds on the processor, and nanoseconds in the queue for it
        on, queued = Path(f"/proc/self/task/{thread.native_id}/schedstat").read_text().split()[:2]
    except (OSError, ValueError):
        return elapsed / PATIENCE, 0.0  # elsewhere only the clock is known
    computed, waited = int(on) / 1e9, int(queued) / 1e9
    return computed, elapsed - computed - waited


def _interrupt(thread: threading.Thread) -> None:
    """Raise SystemExit inside a thread that will not end, so that it does not go on using the processor."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(SystemExit))
    thread.join(1)

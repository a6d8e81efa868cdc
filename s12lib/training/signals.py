"""A run that is told to stop says so, and its exit status says so too: Ctrl-C, SIGTERM and a closed terminal."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback, ModelCheckpoint

from s12lib.errors import CourseError

SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Stopped(BaseException):
    """Raised where a signal arrives; like KeyboardInterrupt, nothing that handles errors catches it by mistake."""

    last: Path | None = None
    """The checkpoint of the last finished epoch, where the run kept one."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}" if number != signal.SIGINT else "stopped by you")
        self.status = 128 + number  # as shells have it: 130, 143, 129

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows in place of a traceback."""
        if self.last is None:
            return [f"Training was {self}, and no checkpoint of it was kept: it would start afresh."]
        again = 'to go on from the last finished epoch, call `trainer.fit` again with `ckpt_path="last"`'
        return [f"Training was {self}; {again}, which is {self.last}."]


class RunStopped(CourseError):
    """A run was told to stop; the message says how to go on."""

    def __init__(self, stopped: Stopped, subcommand: str) -> None:
        words = ""
        if subcommand == "fit":
            words = ", before an epoch was finished: there is nothing to go on from"
            if stopped.last is not None:
                words = "; to go on from the last finished epoch, repeat the command with `--ckpt_path last`"
        super().__init__(f"{stopped}{words}.")
        self.status = stopped.status


def stop(number: int, frame: FrameType | None) -> NoReturn:
    for each in SIGNALS:  # the first one counts: a second must not break off the tidying up
        signal.signal(each, signal.SIG_IGN)
    raise Stopped(number)


@contextmanager
def stoppable() -> Iterator[None]:
    """Inside, a signal to stop raises :class:`Stopped`; one that was ignored before, as under nohup, stays so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        listen()
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)


def listen() -> None:
    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, stop)


class StopOnSignal(Callback):
    """Listens again after Lightning has put its own handler in: that one ends a run as if it were finished.

    When the run is over, Lightning puts back the handlers that it has found.
    """

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if threading.current_thread() is threading.main_thread():
            listen()

    on_validation_start = on_test_start = on_train_start

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        if not isinstance(exception, Stopped):
            return
        kept = [Path(found.dirpath) / "last.ckpt" for found in checkpoint_callbacks(trainer) if found.dirpath]
        exception.last = next((path for path in kept if path.exists()), None)
        if (launcher := trainer.strategy.launcher) is not None:
            launcher.kill(signal.SIGTERM)  # the other processes of this run


def checkpoint_callbacks(trainer: pl.Trainer) -> list[ModelCheckpoint]:
    return [found for found in trainer.checkpoint_callbacks if isinstance(found, ModelCheckpoint)]

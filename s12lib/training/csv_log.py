"""``metrics.csv``: what a run logged, a row a step, over all its attempts; and TensorBoard's log beside it."""

import csv
import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.loggers.logger import Logger, rank_zero_experiment
from pytorch_lightning.utilities import rank_zero_only

from s12lib.errors import CourseError, reason
from s12lib.files import atomic_write, read_text, shown
from s12lib.schemas import LogRow, check


class LogError(CourseError):
    """A log that cannot be gone on with; the message is written for people."""


class CSVLog(Logger):
    """A row a step that logged something. Lightning's own CSVLogger deletes the old file when a run goes on.

    Every checkpoint carries the rows that come before it, so that no kill can lose or double one: a resumed run begins
    with the rows of its checkpoint, whatever the file has.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.path = folder / "metrics.csv"
        self.rows: dict[int, dict[str, Any]] = {}
        self.saved = False

    name = property(lambda self: "")
    version = property(lambda self: "")

    @property
    @rank_zero_experiment
    def experiment(self) -> "CSVLog":
        return self

    @rank_zero_only
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        pass

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        row = self.rows.setdefault(step or 0, {"step": step or 0})
        row.update(metrics)

    def text(self, last: dict[str, Any] | None = None) -> str:
        """The rows as CSV; ``last`` is a row that is known already and not yet logged."""
        rows = self.rows if last is None else self.rows | {last["step"]: self.rows.get(last["step"], {}) | last}
        columns = dict.fromkeys(key for row in rows.values() for key in row)
        file = io.StringIO()
        writer = csv.DictWriter(file, list(columns), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows[step] for step in sorted(rows))
        return file.getvalue()

    def go_on(self, text: str, before: int | None = None) -> None:
        """Begin with an earlier attempt's rows, those of steps ``before`` one. Raises LogError for what is no log."""
        table = csv.DictReader(io.StringIO(text))
        if "step" not in (table.fieldnames or ()):
            raise LogError(f"{self.path} cannot be read as a log of training: it has no column step.")
        rows = [check(row, LogRow, self.path, LogError) for row in table]
        self.rows = {int(row["step"]): dict(row) for row in rows if before is None or int(row["step"]) < before}

    def go_on_from_file(self, step: int) -> None:
        """As :meth:`go_on`, for a checkpoint of before version 0.2.0, which carries no rows."""
        if step and self.path.exists():
            self.go_on(read_text(self.path, LogError), step)

    @rank_zero_only
    def save(self) -> None:
        if self.rows:  # Lightning saves before a resume has read the rows of the attempt before
            if self.saved and not self.path.exists():
                print(
                    f"{shown(self.path.parent)} was moved or deleted while its run was training: the whole log and the "
                    "checkpoints from now on go to a new folder of that name.",
                    file=sys.stderr,
                )
            atomic_write(self.path, self.text().encode())
            self.saved = True  # not before: a signal may arrive while it is written


class RunTensorBoard(TensorBoardLogger):
    """TensorBoard's log in the run's folder; where that is gone, or full, it falls silent instead of ending the run."""

    full = False

    def unless_gone(self, write: Callable[[], None]) -> None:
        if self.full or (self._experiment is not None and not Path(self.log_dir).is_dir()):
            return
        try:
            write()
        except OSError as error:
            self.full = True
            print(f"TensorBoard's log of {shown(Path(self.log_dir))} ends here: {reason(error)}.", file=sys.stderr)

    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        self.unless_gone(lambda: super(RunTensorBoard, self).log_metrics(metrics, step))

    def save(self) -> None:
        self.unless_gone(super().save)

    def finalize(self, status: str) -> None:
        self.unless_gone(lambda: super(RunTensorBoard, self).finalize(status))

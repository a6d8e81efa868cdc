"""Where a run lives: one process at a time trains there, and no run is ever overwritten or mixed with another."""

import itertools
import json
import os
import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from pytorch_lightning.utilities import rank_zero_info, rank_zero_only

from s12lib.errors import CourseError
from s12lib.files import atomic_write, clear_partials, shown, user_path
from s12lib.locks import acquired
from s12lib.training.checkpoints import CheckpointError, read_checkpoint, run_to_go_on
from s12lib.training.provenance import differences


class RunFolderError(CourseError):
    """A folder that a run cannot have; the message is written for people."""


class RunFolder:
    """The folder of one run: resolved once (``~``, symlinks), so that all that is written lands in one place."""

    def __init__(self, given: str | Path) -> None:
        try:
            self.path = user_path(given).resolve()
        except (OSError, RuntimeError) as error:
            raise RunFolderError(f"{given} cannot be a run's folder: its links lead nowhere.") from error
        try:
            str(self.path).encode()
        except UnicodeEncodeError as error:  # TensorBoard and Lightning could not write there
            raise RunFolderError(f"{given} cannot be a run's folder: its name is not in UTF-8.") from error
        if self.path.exists() and not self.path.is_dir():
            raise RunFolderError(f"{given} is a file: name a folder for the run, or leave out --run_dir.")

    def __str__(self) -> str:
        return shown(self.path)

    @property
    def last(self) -> Path:
        """The checkpoint of the last finished epoch."""
        return self.path / "last.ckpt"

    def holds_a_run(self) -> bool:
        return any(self.path.glob("*.ckpt"))

    def checkpoint(self, given: str | None, subcommand: str) -> Path | None:
        """The checkpoint that ``--ckpt_path`` means: a file, or by "last" the run's own; None to start afresh.

        Raises CheckpointError where there is none to measure.
        """
        if given not in (None, "last"):
            return user_path(given)
        if given == "last" and self.last.exists():
            return self.last
        if subcommand == "fit":
            if given == "last":
                rank_zero_info(f"There is no checkpoint in {self} yet: starting afresh.")
            return None
        if given == "last":
            raise CheckpointError(f"There is no {shown(self.last)}: train first, with `s12 fit --config RECIPE`.")
        raise CheckpointError(f"Say which weights to {subcommand}: `--ckpt_path last` or `--ckpt_path FILE`.")

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Inside, no other process trains in this folder. Raises RunFolderError where one does already.

        Of several processes of one run the first claims it. A holder that has died holds nothing.
        """
        if not first_process():
            yield
            return
        beside = self.path.parent  # the folder itself is renamed when it is archived
        beside.mkdir(parents=True, exist_ok=True)
        place = beside if os.access(beside, os.W_OK) else self.path
        lock, holder = (place / f".{self.path.name}.{ending}" for ending in ("lock", "holder"))
        claim = FileLock(lock)
        try:
            if not acquired(claim):
                rank_zero_info(f"The drive of {self} has no locks: see to it yourself that no other run trains there.")
                yield
                return
            for name in ("last.ckpt", "best.ckpt", "metrics.csv"):
                clear_partials(self.path / name, abandoned=0)  # nobody else writes here
            atomic_write(holder, json.dumps({"process": os.getpid(), "machine": socket.gethostname()}).encode())
            try:
                yield
            finally:
                for own in (holder, lock):  # while it is held: who opened it before sees that it is gone
                    with suppress(OSError):
                        own.unlink()
        except Timeout as error:
            refuse_what_takes_no_files(place)
            raise RunFolderError(
                f"Another run is training in {self} ({who_holds(holder)}): wait for it, stop it, or give this run a "
                "folder of its own with --run_dir."
            ) from error
        finally:
            claim.release()

    def archive_run(self) -> None:
        """Give an earlier run's folder another name, so that a new run overwrites nothing.

        Raises RunFolderError for the current folder or one around it, which cannot be moved from under the caller.
        """
        if not first_process() or not self.holds_a_run():
            return
        if Path.cwd().is_relative_to(self.path):
            raise RunFolderError(
                f"{self.path} holds a run and is the current folder or lies around it, so it cannot be archived: go on "
                "with `--ckpt_path last`, or name another --run_dir."
            )
        names = (self.path.with_name(f"{self.path.name}-earlier{number}") for number in itertools.count(1))
        archived = self.path.rename(next(name for name in names if not os.path.lexists(name)))
        print(f"The run that was in {self} is now in {shown(archived)}; with `--ckpt_path last` it would have gone on.")

    def refuse_another_run(self, checkpoint_path: Path, now: Mapping[str, Any]) -> None:
        """A run goes on as it was begun: the checkpoint brings its optimiser, whatever the recipe says now.

        ``now`` is the metadata of the run that wants to go on. Raises CheckpointError, which names what differs.
        """
        home = checkpoint_path.resolve().parent
        if self.holds_a_run() and home != self.path:
            raise CheckpointError(f"{self} holds another run: add `--run_dir {shown(home)}` to go on there.")
        begun = run_to_go_on(read_checkpoint(checkpoint_path), checkpoint_path)
        if begun is None:  # of Lightning, and not of `s12 fit`
            return
        changes = [(name, *values) for name, values in differences(begun["config"], now["config"]).items()]
        changes += [(field, begun[field], now[field]) for field in ("seed", "dataset") if begun[field] != now[field]]
        if changes:
            name, before, after = changes[0]
            raise CheckpointError(
                f"{shown(checkpoint_path)} was begun with {name} {before}, and now it is {after}: go on with "
                f"{before}, or start afresh with another --run_dir."
            )
        if begun["train_fingerprint"] != now["train_fingerprint"]:
            raise CheckpointError(
                f"{shown(checkpoint_path)} was begun on other images of {now['dataset']}: go on with the data that it "
                "was begun with, or start afresh with another --run_dir."
            )


def refuse_what_takes_no_files(folder: Path) -> None:
    """Raises RunFolderError for a folder of which the system says that it can be written to, as /proc, though not."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise RunFolderError(f"No file can be made in {folder}: name another folder with --run_dir.") from error


def first_process() -> bool:
    """Whether this is the only process of a run, or the one of several that writes and speaks."""
    return not getattr(rank_zero_only, "rank", 0)


def who_holds(holder: Path) -> str:
    """The process that left its number in a lock's file, for people."""
    try:
        found = json.loads(holder.read_text())
        return f"process {found['process']} on {found['machine']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"

"""Where uploads lie until they have been looked at: a folder of the app's own, with quotas, that ends with the app.

A file is read once, when it is first asked about; then it is deleted, and 32 × 32 pixels and a small preview of it are
remembered for an hour. So strangers' photos stay on disk for a moment only.
"""

import atexit
import os
import secrets
import shutil
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from s12lib.app.decoding import Decoders, Seen
from s12lib.data.image_files import MAX_BYTES, ImageError, display_name
from s12lib.errors import CourseError

PREFIX = "page-resnet-"
MAX_AGE = 3600.0  # seconds that a file may wait to be looked at, and that its pixels are remembered
MAX_REMEMBERED = 1000  # images; about 20 kB each
VISITOR_BYTES = 64_000_000  # that one address may have on disk
ALL_BYTES = 256_000_000  # that all may have on disk together
FULL = "There is no room for more uploads just now: try again in a minute."


class UploadError(CourseError):
    """An upload that is not taken; the message is one sentence for the visitor."""


class Uploads:
    """The uploads of one app. Every method may be called from any thread."""

    def __init__(self, parent: Path, decoders: Decoders) -> None:
        parent.mkdir(parents=True, exist_ok=True)
        remove_what_dead_apps_left(parent)
        token = f"{PREFIX}{secrets.token_hex(8)}"
        self.lock = FileLock(parent / f"{token}.lock")
        self.lock.acquire()
        self.folder = parent.resolve() / token
        self.folder.mkdir(mode=0o700)
        self.decoders = decoders
        self.held: dict[str, tuple[str, int, float]] = {}  # path: who brought it, bytes, when
        self.remembered: OrderedDict[str, tuple[Seen, float]] = OrderedDict()
        self.being_read: set[str] = set()
        self.guard = threading.Condition()
        atexit.register(self.close)

    def room_for(self, visitor: str, size: int) -> None:
        """Raise UploadError where ``size`` more bytes are more than one visitor, or all of them, may have on disk."""
        self.sweep()
        with self.guard:
            theirs = sum(held for who, held, _ in self.held.values() if who == visitor)
            everybodys = sum(held for _, held, _ in self.held.values())
        if theirs + size > VISITOR_BYTES:
            raise UploadError(f"Uploads may have {VISITOR_BYTES // 1_000_000} MB at a time: choose smaller images.")
        if everybodys + size > ALL_BYTES:
            raise UploadError(FULL)

    def reserve(self, visitor: str, size: int) -> str:
        """Note that ``size`` bytes are on their way; returns a word for :meth:`release`. Raises UploadError."""
        self.room_for(visitor, size)
        word = secrets.token_hex(8)
        with self.guard:
            self.held[word] = (visitor, size, time.time())
        return word

    def release(self, word: str) -> None:
        """Forget a reservation."""
        with self.guard:
            self.held.pop(word, None)

    def keep(self, visitor: str, name: str, content: bytes) -> str:
        """Write a file; returns its path. Raises UploadError for one that is too large."""
        if len(content) > MAX_BYTES:
            shown = display_name(name)
            raise UploadError(f"{shown} is larger than {MAX_BYTES // 1_000_000} MB: choose a smaller image.")
        path = self.folder / secrets.token_hex(16) / (display_name(name).strip(". ") or "image")
        path.parent.mkdir(mode=0o700)
        path.write_bytes(content)
        with self.guard:
            self.held[str(path)] = (visitor, len(content), time.time())
        return str(path)

    def is_within(self, path: str) -> bool:
        """Whether a path is one that :meth:`keep` may have given out; nothing is looked up on disk."""
        parts = Path(path).parts
        return (
            len(parts) == len(self.folder.parts) + 2 and ".." not in parts and Path(path).parent.parent == self.folder
        )

    def read(self, paths: Sequence[str]) -> list[Seen]:
        """What each file shows, and off the disk with it. Raises ImageError for the first that cannot be used."""
        with self.guard:  # whoever asks about the same file waits for its pixels
            self.guard.wait_for(lambda: self.being_read.isdisjoint(paths))
            known = {path: self.remembered[path][0] for path in paths if path in self.remembered}
            wanted = [path for path in dict.fromkeys(paths) if path not in known]
            self.being_read.update(wanted)
        try:
            if gone := [path for path in wanted if path not in self.held]:
                raise ImageError(f"{display_name(gone[0])} is no longer here: choose it again.")
            known |= zip(wanted, self.decoders.read(wanted) if wanted else (), strict=True)
            with self.guard:
                self.remembered.update({path: (known[path], time.time()) for path in wanted})
                while len(self.remembered) > MAX_REMEMBERED:
                    self.remembered.popitem(last=False)
        finally:
            for path in wanted:
                self.delete(path)
            with self.guard:
                self.being_read.difference_update(wanted)
                self.guard.notify_all()
        return [known[path] for path in paths]

    def delete(self, path: str) -> None:
        """Take a file of ours off the disk; any other path is left alone."""
        with self.guard:
            ours = self.held.pop(path, None)
        if ours:
            shutil.rmtree(Path(path).parent, ignore_errors=True)

    def sweep(self) -> None:
        """Delete what has lain here for too long. Whatever happens to a file meanwhile does not stop it."""
        oldest = time.time() - MAX_AGE
        with self.guard:
            late = [path for path, (_, _, when) in self.held.items() if when < oldest]
            for path in [path for path, (_, when) in self.remembered.items() if when < oldest]:
                del self.remembered[path]
        for path in late:
            if os.sep in path:
                self.delete(path)
            else:
                self.release(path)

    def close(self) -> None:
        """Delete everything. It may be called twice."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.decoders.close()
        self.lock.release()
        with suppress(OSError):
            os.unlink(self.lock.lock_file)


def remove_what_dead_apps_left(parent: Path) -> None:
    """Delete the folders of apps that were killed: those whose lock nobody holds any more, and that are ours."""
    for folder in parent.glob(f"{PREFIX}*"):
        with suppress(OSError, Timeout, NotImplementedError):
            if (
                folder.is_symlink()
                or not folder.is_dir()
                or (hasattr(os, "getuid") and folder.stat().st_uid != os.getuid())
            ):
                continue
            lock = FileLock(f"{folder}.lock", timeout=0)
            with lock:
                shutil.rmtree(folder, ignore_errors=True)
            os.unlink(lock.lock_file)


def default_parent() -> Path:
    """Where the app's folder goes: ``$GRADIO_TEMP_DIR``, else where the system has temporary files."""
    return Path(os.environ.get("GRADIO_TEMP_DIR") or tempfile.gettempdir())

"""Files: the one rule for paths that people give, the one way to read with a limit, and the one atomic writer."""

import errno
import glob
import os
import stat
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from s12lib.errors import CourseError, did_you_mean, reason

ABANDONED = 3600.0  # seconds after which nobody is still writing to a temporary file


def user_path(given: str | Path) -> Path:
    """A path that somebody gave, with ``~`` as the home folder. Raises ValueError where there is no such home."""
    try:
        return Path(given).expanduser()
    except RuntimeError as error:
        raise ValueError(f"{given} names a home folder that does not exist: write the path out in full.") from error


def shown(path: Path) -> str:
    """A path for people: as seen from the current folder when it lies in it."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def beside(path: Path) -> str:
    """How a sentence about a file that is not there ends: with the name of the most similar one in its folder."""
    if path.exists() or not path.parent.is_dir():
        return "."
    with suppress(OSError):
        stems = {each.stem for each in path.parent.iterdir() if each.suffix == path.suffix}
        likely = did_you_mean(path.stem, stems)
        return likely.replace("?", f"{path.suffix}?")
    return "."


def require_regular(path: Path, most_bytes: int) -> int:
    """The size of a regular file, looked at before anything is read. Raises OSError for a device, a pipe or a giant."""
    found = path.stat()
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is a device or a pipe and no file", str(path))
    if found.st_size > most_bytes:
        raise OSError(errno.EFBIG, f"it is larger than {most_bytes / 1e6:,.0f} MB", str(path))
    return found.st_size


def read_bytes(path: Path, most_bytes: int) -> bytes:
    """The content of a regular file that is no larger than it may be. Raises OSError."""
    require_regular(path, most_bytes)
    return path.read_bytes()


def read_text(path: Path, error: type[CourseError], most_bytes: int = 10_000_000) -> str:
    """The text of a UTF-8 file of reasonable size. Raises ``error`` with its name and what is wrong."""
    try:
        return read_bytes(path, most_bytes).decode()
    except OSError as fault:
        raise error(f"{path} cannot be read: {reason(fault)}.") from fault
    except UnicodeDecodeError as fault:
        raise error(f"{path} is damaged, or no text in UTF-8.") from fault


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary name beside ``path`` to write to; it becomes ``path`` when the block ends without an error.

    The name is this process's own, and the bytes are on the disk before the rename: a power cut leaves the old file or
    the new one. An OSError names ``path``, also where the system names no file, as for a full disk.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    clear_partials(path)
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        yield partial
        with open(partial, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        if error.errno and error.filename in (None, str(partial)):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    finally:
        partial.unlink(missing_ok=True)


def clear_partials(path: Path, abandoned: float = ABANDONED) -> None:
    """Remove what killed processes left of ``path``: temporary files that nobody has touched for so many seconds."""
    for left in path.parent.glob(f"{glob.escape(path.name)}.*.part"):
        with suppress(OSError):
            if (
                left.name[len(path.name) + 1 : -len(".part")].isdigit()
                and time.time() - left.stat().st_mtime >= abandoned
            ):
                left.unlink()


def atomic_write(path: Path, content: bytes) -> None:
    """Write a file under a temporary name, then rename it: nobody ever sees half of it."""
    with atomic_path(path) as partial:
        partial.write_bytes(content)


def atomic_write_all(contents: dict[Path, bytes]) -> None:
    """Write several files that belong together: all of them are whole on the disk before the first takes its name."""
    if folders := [path for path in contents if path.is_dir()]:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(folders[0]))
    with ExitStack() as renamed:
        for path, content in contents.items():
            renamed.enter_context(atomic_path(path)).write_bytes(content)

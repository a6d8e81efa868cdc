"""A folder that behaves as one of Google Drive does when it is mounted: no locks, no links, fixed modes, slow changes.

Importing this makes ``$S12_DRIVE`` such a folder for the process, whatever lies on it; ``$S12_DRIVE_LOCKS`` names the
error that a lock gets there, ENOSYS or ENOLCK. On Linux.
"""

import errno
import fcntl
import os
import time
from collections.abc import Callable
from typing import Any

LATENCY = 0.01  # seconds for each rename and each sync; a real drive takes more
DRIVE = os.path.realpath(os.environ["S12_DRIVE"])
NO_LOCKS = getattr(errno, os.environ.get("S12_DRIVE_LOCKS", "ENOSYS"))


def on_the_drive(*places: Any) -> bool:
    """Whether one of these paths or file descriptors leads there."""
    paths = [os.readlink(f"/proc/self/fd/{place}") if isinstance(place, int) else os.fspath(place) for place in places]
    return any(os.path.realpath(os.fsdecode(path)).startswith(DRIVE) for path in paths)


def refused(real: Callable[..., Any], number: int, which: slice) -> Callable[..., Any]:
    """The function, but on the drive it fails with this error."""

    def stand_in(*given: Any, **named: Any) -> Any:
        if on_the_drive(*given[which]):
            raise OSError(number, os.strerror(number))
        return real(*given, **named)

    return stand_in


def slowed(real: Callable[..., Any], which: slice) -> Callable[..., Any]:
    """The function, but on the drive it takes its time."""

    def stand_in(*given: Any, **named: Any) -> Any:
        if on_the_drive(*given[which]):
            time.sleep(LATENCY)
        return real(*given, **named)

    return stand_in


FIRST, SECOND, BOTH = slice(1), slice(1, 2), slice(2)
fcntl.flock = refused(fcntl.flock, NO_LOCKS, FIRST)
fcntl.lockf = refused(fcntl.lockf, NO_LOCKS, FIRST)
os.chmod = refused(os.chmod, errno.EPERM, FIRST)
os.link = refused(os.link, errno.ENOTSUP, SECOND)
os.symlink = refused(os.symlink, errno.ENOTSUP, SECOND)
os.fsync = slowed(os.fsync, FIRST)
os.rename = slowed(os.rename, BOTH)
os.replace = slowed(os.replace, BOTH)

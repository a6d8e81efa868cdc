"""Locks between processes, also where a file system has none: some network drives, and folders mounted from a cloud."""

import errno
import warnings

from filelock import FileLock, SoftFileLock

NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP}


def acquired(lock: FileLock, timeout: float = 0) -> bool:
    """Acquire a lock; false where the file system has none. Raises ``Timeout`` when another process keeps it.

    filelock would make do there with a file that names its holder. On a drive such a file outlives a session that was
    killed, and whoever comes next on another machine would wait for a process that is gone.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # filelock's, when it makes do
            lock.acquire(timeout=timeout)
    except NotImplementedError:  # filelock 3
        return False
    except OSError as error:
        if isinstance(lock, SoftFileLock) or error.errno in NO_LOCKS:
            return False
        raise
    if isinstance(lock, SoftFileLock):
        lock.release()
        return False
    return True

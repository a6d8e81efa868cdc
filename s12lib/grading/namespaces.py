"""What Linux can shut off for a process without privileges: namespaces, a read-only file system, and limits.

Called by hand through the C library, as Python 3.11 has no names for it, and ``unshare``, the command, would have to
load torch anew for each answer.
"""

import ctypes
import os
import signal
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path

LINUX = sys.platform == "linux"
PRIVATE = ("/run", "/tmp", "/var/tmp", "/dev/shm")  # sockets of services and others' files: hidden from the inside

# From linux/sched.h, linux/mount.h, linux/prctl.h and linux/capability.h
NEW_NAMESPACES = 0x10000000 | 0x00020000 | 0x20000000 | 0x40000000 | 0x08000000  # user, mount, pid, network, ipc
MOUNT_SETATTR, AT_FDCWD, AT_RECURSIVE, MOUNT_ATTR_RDONLY, MS_PRIVATE = 442, -100, 0x8000, 1, 1 << 18
MS_NOSUID_NODEV = 2 | 4
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS, CAPABILITY_VERSION_3 = 1, 38, 0x20080522


@cache
def libc() -> ctypes.CDLL:
    """The C library, which keeps the last error."""
    return ctypes.CDLL(None, use_errno=True)


def enter_namespaces() -> bool:
    """Make new namespaces for the children of this process; whether the system lets us."""
    user, group = os.getuid(), os.getgid()
    if libc().unshare(NEW_NAMESPACES) != 0:
        return False
    try:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    except OSError:
        return False
    return True


def wall_off_files(scratch: str, disk: int, hidden: tuple[str, ...]) -> bool:
    """Make all files read-only, hide the private ones, mount the scratch folder; then give up the power to undo it."""
    with suppress(OSError):  # since Linux 6.14 a namespace has its own, which binds root, too; RLIMIT_NPROC does not
        Path("/proc/sys/kernel/pid_max").write_text("400")
    attributes = (ctypes.c_uint64 * 4)(MOUNT_ATTR_RDONLY, 0, MS_PRIVATE, 0)
    if libc().syscall(MOUNT_SETATTR, AT_FDCWD, b"/", AT_RECURSIVE, attributes, ctypes.sizeof(attributes)) != 0:
        return False
    needed = [Path(sys.prefix), Path(sys.base_prefix), Path(__file__).parent.parent, *map(Path, sys.path)]
    for folder in hidden:
        if os.path.isdir(folder) and not any(path.is_relative_to(os.path.realpath(folder)) for path in needed):
            libc().mount(b"tmpfs", os.fsencode(folder), b"tmpfs", MS_NOSUID_NODEV, b"size=64k")
    with suppress(OSError):
        os.makedirs(scratch, exist_ok=True)  # again, where it lies in a folder that is hidden now
    size = f"size={disk}".encode()
    mounted = libc().mount(b"tmpfs", os.fsencode(scratch), b"tmpfs", MS_NOSUID_NODEV, size) == 0
    libc().prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    nobody = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    return bool(mounted and libc().capset(nobody, (ctypes.c_uint32 * 6)()) == 0)


def limit_resources(seconds: int, memory: int, disk: int, own_user_namespace: bool) -> None:
    """Limit seconds of computing, bytes of memory beyond what is used now, bytes of a file, files and processes."""
    import resource

    wanted = {
        resource.RLIMIT_CPU: seconds,
        resource.RLIMIT_FSIZE: disk,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: 256,
    }
    if LINUX:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        wanted[resource.RLIMIT_AS] = pages * resource.getpagesize() + memory
    if own_user_namespace:  # elsewhere it would count all that the user has running
        wanted[resource.RLIMIT_NPROC] = 64
    for which, most in wanted.items():
        _, hard = resource.getrlimit(which)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(which, (most, most))


def end_with_parent() -> None:
    """Ask the system to kill this process when its parent ends."""
    libc().prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)

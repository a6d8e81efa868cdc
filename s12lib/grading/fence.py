"""Call a function in a process of its own, behind a fence: what it runs cannot hang, flood or spy on the grader.

``call`` starts a supervisor process, which forks the one inside; only JSON of a bounded size comes back, so nothing is
ever unpickled that a student's code may have written. On Linux the supervisor first makes namespaces, which need no
privileges on most systems: without network, with processes of their own that all end together, and with a file system
that cannot be written but for a scratch folder in memory. Elsewhere the limits on time and, but for Windows, memory and
the size of a file remain. ``missing``, called inside, says which of them the system does not grant.
"""

import json
import multiprocessing
import os
import secrets
import select
import signal
import time
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.connection import Connection
from typing import Any

from s12lib.grading.namespaces import LINUX, end_with_parent, enter_namespaces, limit_resources, wall_off_files

PRELOADED = ["s12lib.grading.preload"]  # torch and all exercises, loaded once and then forked
LARGEST_REPLY = 8 << 20
START_UP = 120.0  # seconds that loading torch may take, on a busy machine, where it is not forked


class Stopped(Exception):
    """The process inside ended without a reply; the message says in half a sentence how."""


@dataclass(frozen=True)
class Limits:
    """What the process inside may use: ``seconds`` of computing, bytes of ``memory`` beyond the libraries', ``disk``.

    ``scratch`` is the folder it works in, ``data`` the one where it finds data sets, and ``hidden`` are folders that it
    shall not see. For ``grace`` seconds beyond the limit the process itself may still say that it was too slow.
    """

    scratch: str
    seconds: float = 20.0
    memory: int = 2 << 30
    disk: int = 64 << 20
    data: str = "data"
    hidden: tuple[str, ...] = ()
    grace: float = 5.0


def call(function: str, arguments: dict[str, Any], limits: Limits) -> Any:
    """What ``"module:name"`` returns for the arguments, as JSON has it. Raises Stopped when it gets no reply."""
    fork_server = multiprocessing.get_context("forkserver") if LINUX else None
    if fork_server:
        fork_server.set_forkserver_preload(PRELOADED)
    context = fork_server or multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_supervise, args=(sender, function, arguments, limits), daemon=True)
    process.start()
    sender.close()
    try:
        if not receiver.poll(_patience(limits) + START_UP):
            raise Stopped(f"was stopped after {limits.seconds:g} seconds")
        reply = json.loads(receiver.recv_bytes(LARGEST_REPLY))
        if "stopped" in reply:
            raise Stopped(str(reply["stopped"]))
        return reply["result"]
    except (EOFError, OSError) as error:
        raise Stopped("ended without an answer") from error
    finally:
        process.kill()
        process.join()
        receiver.close()


def _patience(limits: Limits) -> float:
    """Seconds by the clock for so many seconds of computing, on a machine that is busy with others, too."""
    return 3 * limits.seconds + limits.grace + (0 if LINUX else START_UP)


# ---- the supervisor: ours, and the last process outside the fence ----------------------------------------------------

_fences: list[str] = []  # those that the process inside has, filled in before it runs anything


def _supervise(sender: Connection, function: str, arguments: dict[str, Any], limits: Limits) -> None:
    if not hasattr(os, "fork"):  # Windows: the grader itself watches the clock
        sender.send_bytes(json.dumps({"result": _find(function)(**arguments)}).encode())
        return
    in_namespaces = LINUX and enter_namespaces()
    secret = secrets.token_hex(16)  # a reply without it was not written by us
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _inside(writing, secret, function, arguments, limits, in_namespaces)
    os.close(writing)
    try:
        reply, on_time = _read_reply(reading, time.monotonic() + _patience(limits))
    finally:
        status = _end(child)
    word, _, result = reply.partition(b"\n")
    if word == secret.encode() and result.endswith(b"\n"):
        sender.send_bytes(b'{"result": ' + result + b"}")
    else:
        sender.send_bytes(json.dumps({"stopped": _manner(status, on_time, limits)}).encode())


def _read_reply(reading: int, deadline: float) -> tuple[bytes, bool]:
    """All that is written until the other end is closed, and whether that was before the deadline."""
    reply = b""
    while (left := deadline - time.monotonic()) > 0:
        if not select.select([reading], [], [], left)[0]:
            break
        part = os.read(reading, 1 << 16)
        if not part or len(reply) > LARGEST_REPLY:
            return reply, True
        reply += part
        if reply.count(b"\n") >= 2:  # a grandchild may hold the other end open
            return reply, True
    return reply, False


def _end(child: int) -> int:
    """Wait a moment for the child, then kill it and all in its group; how it ended, as ``os.waitpid`` tells it."""
    for _ in range(20):
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status
        time.sleep(0.005)
    try:
        os.killpg(child, signal.SIGKILL)
    except OSError:
        os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]


def _manner(status: int, on_time: bool, limits: Limits) -> str:
    if not on_time or (os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGKILL, signal.SIGXCPU)):
        return f"was stopped after {limits.seconds:g} seconds"
    if os.WIFSIGNALED(status):
        return f"broke Python down ({signal.Signals(os.WTERMSIG(status)).name})"
    return f"ended Python itself, with exit status {os.WEXITSTATUS(status)}"


# ---- inside ----------------------------------------------------------------------------------------------------------


def _inside(
    writing: int, secret: str, function: str, arguments: dict[str, Any], limits: Limits, in_namespaces: bool
) -> None:
    """Put up the fence, call the function, write what it returns, and end without coming back."""
    status = 1
    try:
        if LINUX:
            end_with_parent()
        os.setsid()
        os.dup2(writing, 3)
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nothing, stream)
        os.closerange(4, os.sysconf("SC_OPEN_MAX"))
        run = _find(function)
        if in_namespaces:
            walled = wall_off_files(limits.scratch, limits.disk, limits.hidden)
            _fences.extend(["network", "processes", *(["files"] if walled else [])])
        os.makedirs(limits.scratch, exist_ok=True)
        os.chdir(limits.scratch)
        places = {"HOME": limits.scratch, "TMPDIR": limits.scratch, "S12_DATA_DIR": limits.data}
        os.environ.update(places | {"S12_EXERCISES": limits.scratch})
        limit_resources(int(limits.seconds + limits.grace), limits.memory, limits.disk, in_namespaces)
        result = run(**arguments)
        with os.fdopen(3, "wb") as reply:
            reply.write(f"{secret}\n{json.dumps(result)}\n".encode())
        status = 0
    finally:
        os._exit(status)  # no clean-up of ours may be waited for, and none of the supervisor's may run here


def _find(function: str) -> Any:
    module, _, name = function.partition(":")
    return getattr(import_module(module), name)


def missing() -> list[str]:
    """What is not fenced off, in words: to be called inside, where it is known."""
    wanted = {"network": "the network", "files": "writing files", "processes": "processes that outlive their time"}
    missing = [words for fence, words in wanted.items() if fence not in _fences]
    return missing if LINUX else [*missing, "memory"]

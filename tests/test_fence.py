"""A process behind the fence answers, or is stopped; what it tries to reach outside is not there."""

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from s12lib.grading import fence
from s12lib.grading.fence import Limits, Stopped

linux = pytest.mark.skipif(sys.platform != "linux", reason="the grader's fence (on Linux)")
MEGABYTE = 1 << 20


@pytest.fixture(autouse=True)
def nothing_preloaded(monkeypatch):
    monkeypatch.setattr(fence, "PRELOADED", [])  # what is called here needs no torch


@pytest.fixture
def inside(tmp_path, monkeypatch):
    """Calls a function of ``fenced_deeds`` behind the fence, which is loaded from a folder that can be seen there."""

    def call(deed, seconds=2.0, hidden=(), memory=256 * MEGABYTE, **arguments):
        scratch = tmp_path / "scratch"
        scratch.mkdir(exist_ok=True)
        limits = Limits(str(scratch), seconds, memory, disk=MEGABYTE, hidden=hidden, grace=0.2)
        return fence.call(f"fenced_deeds:{deed}", arguments, limits)

    return call


def test_what_a_function_returns_comes_back_as_json(inside):
    assert inside("doubled", numbers=[1, 2]) == [2, 4]


def test_what_it_prints_goes_nowhere(inside, capfd):
    assert inside("prints", text="x" * MEGABYTE) == "done"
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("deed", "words"),
    [
        ("loops", "was stopped after 0.2 seconds"),
        ("sleeps", "was stopped after 0.2 seconds"),
        ("exits", "ended Python itself, with exit status 3"),
        ("crashes", "broke Python down (SIGSEGV)"),
        ("raises", "ended Python itself, with exit status 1"),
        ("forges", "ended Python itself, with exit status 0"),
    ],
)
@pytest.mark.skipif(not hasattr(os, "fork"), reason="NOT CHECKED: Windows has no processes to fork")
def test_a_process_that_gives_no_answer_is_stopped_and_told_how_it_ended(deed, words, inside):
    with pytest.raises(Stopped) as stopped:
        inside(deed, seconds=0.2 if "0.2 seconds" in words else 60)
    assert str(stopped.value) == words


@linux
def test_memory_and_files_are_limited(inside):
    assert inside("allocates", size=1 << 30) == "MemoryError"
    assert inside("writes", path="mine.txt", size=1000) == "done"
    assert inside("writes", path="mine.txt", size=2 * MEGABYTE) in ("File too large", "No space left on device")


@pytest.fixture
def namespaces():
    """For what needs namespaces: asks the system itself whether it grants them to its users, as our code does not."""
    unshare = shutil.which("unshare")
    if not unshare or subprocess.run([unshare, "--user", "--map-root-user", "--net", "true"]).returncode:
        pytest.skip("the grader's fence (sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0)")


@linux
@pytest.mark.usefixtures("namespaces")
def test_no_fence_is_missing_where_the_system_grants_namespaces(tmp_path):
    assert fence.call("s12lib.grading.fence:missing", {}, Limits(str(tmp_path))) == []


ASK = """
import sys
from s12lib.grading import fence
if __name__ == "__main__":
    fence.PRELOADED = []
    print(fence.call("s12lib.grading.fence:missing", {}, fence.Limits(sys.argv[1])))
"""


@linux
@pytest.mark.usefixtures("namespaces")
def test_where_namespaces_are_denied_it_goes_on_and_says_what_is_missing(tmp_path):
    (tmp_path / "ask.py").write_text(ASK)
    deny = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$0" "$@"'
    command = ["unshare", "--user", "--map-root-user", "sh", "-c", deny, sys.executable, tmp_path / "ask.py", tmp_path]
    told = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert told.stdout == "['the network', 'writing files', 'processes that outlive their time']\n", told.stderr


@linux
@pytest.mark.usefixtures("namespaces")
def test_nothing_outside_can_be_written_and_what_is_hidden_is_not_there(inside, tmp_path):
    neighbour = tmp_path / "neighbour.ipynb"
    neighbour.write_text("mine")
    assert inside("writes", path=str(neighbour), size=10) == "Read-only file system"
    assert inside("writes", path=str(Path(fence.__file__)), size=10) == "Read-only file system"
    assert inside("reads", path=str(neighbour)) == "mine"
    assert inside("reads", path=str(neighbour), hidden=(str(tmp_path),)) == "No such file or directory"
    assert neighbour.read_text() == "mine"


@linux
@pytest.mark.usefixtures("namespaces")
def test_the_network_is_out_of_reach_this_machine_included(inside):
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert inside("connects", port=server.getsockname()[1]) == "Network is unreachable"


@linux
@pytest.mark.usefixtures("namespaces")
def test_what_it_started_ends_with_it(inside):
    marker = f"{time.time_ns()}"
    assert inside("starts_a_process", argument=marker) == "done"
    running = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if os.access(path, os.R_OK)]
    assert not any(marker.encode() in command for command in running)

"""A file of known MD5 arrives from whichever mirror has it, and a broken download goes on; all on loopback."""

import hashlib
import http.server
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from s12lib.data import download
from s12lib.data.download import alone_in, fetch

CONTENT = bytes(range(256)) * 4000  # a megabyte
MD5 = hashlib.md5(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def short_times(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(download, "WINDOW", 0.05)
    monkeypatch.setattr(download, "SILENCE", 0.3)


class Mirror:
    """A server on loopback that sends its body, wholly or by ``send``; it counts what it was asked for."""

    def __init__(self, body: bytes = CONTENT, ranges: bool = True, breaks_after: int | None = None, pause: float = 0):
        self.body, self.ranges, self.breaks_after, self.pause = body, ranges, breaks_after, pause
        self.asked: list[str | None] = []

    @contextmanager
    def serving(self) -> Iterator[str]:
        mirror = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                wanted = self.headers.get("Range")
                mirror.asked.append(wanted)
                begin = int(re.findall(r"\d+", wanted)[0]) if wanted and mirror.ranges else 0
                if begin >= len(mirror.body):
                    self.send_error(416)
                    return
                self.send_response(206 if begin else 200)
                self.send_header("Content-Length", str(len(mirror.body) - begin))
                self.end_headers()
                rest = mirror.body[begin:][: mirror.breaks_after]
                with suppress(ConnectionError):
                    for k in range(0, len(rest), 10_000):
                        self.wfile.write(rest[k : k + 10_000])
                        time.sleep(mirror.pause)

            def log_message(self, *arguments: object) -> None:
                pass

        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
            yield f"http://127.0.0.1:{server.server_port}/archive.tar.gz"
            server.shutdown()


@contextmanager
def silent() -> Iterator[str]:
    """A server that takes a connection and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/archive.tar.gz"


@contextmanager
def closed() -> Iterator[str]:
    """A port at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    yield f"http://127.0.0.1:{port}/archive.tar.gz"


@pytest.fixture
def serve() -> Iterator[Callable]:
    with ExitStack() as stack:
        yield lambda mirror: stack.enter_context(mirror.serving() if isinstance(mirror, Mirror) else mirror())


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "archive.tar.gz"


def only(path: Path) -> list[str]:
    return sorted(os.listdir(path.parent))


def test_the_first_mirror_that_has_the_file_is_enough(serve, path):
    first, second = Mirror(), Mirror()
    fetch([serve(first), serve(second)], MD5, path)
    assert path.read_bytes() == CONTENT
    assert (len(first.asked), len(second.asked)) == (1, 0)
    assert only(path) == ["archive.tar.gz"]
    fetch(["http://127.0.0.1:1/"], MD5, path)  # it is there: nobody is asked


@pytest.mark.parametrize(
    "bad",
    [closed, silent, Mirror(b"<html>Sign in</html>"), Mirror(CONTENT[::-1]), Mirror(b""), Mirror(breaks_after=0)],
    ids=["dead", "silent", "sign-in page", "another file of its size", "empty", "broken off at once"],
)
def test_a_mirror_that_does_not_have_it_is_left_for_the_next_and_remembered(bad, serve, path):
    good = Mirror()
    urls = [serve(bad), serve(good)]
    fetch(urls, MD5, path)
    assert path.read_bytes() == CONTENT
    assert list(json.loads((path.parent / download.MEMORY).read_text())) == [urlsplit(urls[0]).netloc]
    path.unlink()
    asked = len(bad.asked) if isinstance(bad, Mirror) else 0
    fetch(urls, MD5, path)
    assert len(good.asked) == 2
    assert (len(bad.asked) if isinstance(bad, Mirror) else 0) == asked, "the mirror that failed of late comes last"


def test_a_slow_mirror_is_left_with_what_it_has_sent_and_remembered(serve, path):
    slow, good = Mirror(pause=0.06), Mirror()
    fetch([serve(slow), serve(good)], MD5, path)
    assert path.read_bytes() == CONTENT
    assert re.fullmatch(r"bytes=\d{5,6}-", good.asked[0]), "it goes on where the slow one was left"
    assert len(json.loads((path.parent / download.MEMORY).read_text())) == 1


def test_where_all_are_slow_the_first_is_taken_as_it_is(serve, path, monkeypatch):
    monkeypatch.setattr(download, "SLOW", 1e12)
    slow = Mirror(pause=0.01)
    fetch([serve(slow), serve(closed)], MD5, path)
    assert path.read_bytes() == CONTENT
    assert len(slow.asked) == 2


def test_what_was_remembered_is_forgotten_after_a_week(serve, path):
    first, second = Mirror(), Mirror()
    urls = [serve(first), serve(second)]
    memory = path.parent / download.MEMORY
    for age, expected in ((1, second), (download.REMEMBERED + 1, first)):
        memory.write_text(json.dumps({urlsplit(urls[0]).netloc: time.time() - age}))
        path.unlink(missing_ok=True)
        fetch(urls, MD5, path)
        assert expected.asked
    memory.write_text("[1, 2")
    path.unlink()
    fetch(urls, MD5, path)


def test_a_broken_download_goes_on_at_the_next_try(serve, path):
    mirror = Mirror(breaks_after=400_000)
    fetch([serve(mirror)], MD5, path)
    assert path.read_bytes() == CONTENT
    assert mirror.asked == [None, "bytes=400000-", "bytes=800000-"]


def test_a_download_that_stays_broken_is_kept_for_another_day(serve, path):
    with pytest.raises(OSError, match=r"127.0.0.1:\d+: it broke off after 0.3 of 1.0 MB; 0.3 MB are kept") as refusal:
        fetch([serve(Mirror(breaks_after=100_000))], MD5, path)
    assert "\n" not in str(refusal.value)
    assert only(path) == ["archive.tar.gz.part"]
    mirror = Mirror()
    fetch([serve(mirror)], MD5, path)
    assert mirror.asked == ["bytes=300000-"]
    assert path.read_bytes() == CONTENT


def test_a_mirror_that_cannot_begin_in_the_middle_sends_all_of_it(serve, path):
    path.with_name("archive.tar.gz.part").write_bytes(CONTENT[:1234])
    fetch([serve(Mirror(ranges=False))], MD5, path)
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("left", [b"<html>Sign in</html>", CONTENT + b"more", CONTENT[:-1] + b"?", b""])
def test_a_mirror_is_not_blamed_for_what_another_has_left(left, serve, path):
    path.with_name("archive.tar.gz.part").write_bytes(left)
    fetch([serve(Mirror())], MD5, path)
    assert path.read_bytes() == CONTENT


def test_a_part_that_is_whole_already_is_taken(serve, path):
    path.with_name("archive.tar.gz.part").write_bytes(CONTENT)
    fetch([serve(Mirror())], MD5, path)
    assert path.read_bytes() == CONTENT


def test_every_fault_is_told_by_its_mirror_and_nothing_useless_is_left(serve, path):
    urls = [serve(closed), serve(Mirror(b"<html>")), serve(silent)]
    with pytest.raises(OSError, match=r"refused.*it sent another file.*timed out"):
        fetch(urls, MD5, path)
    assert only(path) == []


def test_the_whole_download_has_a_limit(serve, path, monkeypatch):
    monkeypatch.setattr(download, "WHOLE", 0.2)
    with pytest.raises(OSError, match="minutes for the whole download are over"):
        fetch([serve(Mirror(pause=0.05))], MD5, path)
    assert not path.exists()


def test_a_body_that_does_not_end_is_given_up(serve, path, monkeypatch):
    monkeypatch.setattr(download, "LARGEST", 100_000)
    with pytest.raises(OSError, match="sends more than"):
        fetch([serve(Mirror())], MD5, path)
    assert only(path) == []


def test_rate_and_time_left_are_shown(serve, path, capfd):
    fetch([serve(Mirror(pause=0.001))], MD5, path)
    shown = capfd.readouterr().err
    assert re.search(r"archive.tar.gz from 127.0.0.1:\d+: +\d+%.*\d+[kM]?/1.02M \[\d\d:\d\d<\d\d:\d\d, .*B/s\]", shown)


# ---- one at a time ---------------------------------------------------------------------------------------------------


def test_a_second_process_waits_for_the_first(tmp_path):
    script = (
        "import sys, time; from pathlib import Path; from s12lib.data.download import alone_in\n"
        "with alone_in(Path(sys.argv[1])): print(time.monotonic())"
    )
    with alone_in(tmp_path) as alone:
        assert alone
        other = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=-1, stderr=-1, text=True)
        assert "Another process is fetching" in other.stderr.readline()
        released = time.monotonic()
    out, _ = other.communicate(timeout=60)
    assert float(out) >= released


def test_a_killed_process_leaves_no_lock(tmp_path):
    script = (
        "import os, sys; from pathlib import Path; from s12lib.data.download import alone_in\n"
        "with alone_in(Path(sys.argv[1])): os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], timeout=60)
    begun = time.monotonic()
    with alone_in(tmp_path) as alone:
        assert alone
    assert time.monotonic() - begun < 5


@pytest.mark.skipif(sys.platform != "linux", reason="on Linux")
@pytest.mark.parametrize("locks", ["ENOSYS", "ENOLCK", "EOPNOTSUPP"])
def test_where_a_drive_has_no_locks_nobody_waits_for_a_session_that_has_ended(locks, tmp_path):
    script = (
        "import os, sys, like_a_drive; from pathlib import Path; from s12lib.data.download import alone_in\n"
        "with alone_in(Path(sys.argv[1])) as alone: print(alone, flush=True); os.kill(os.getpid(), 9)"
    )
    environment = os.environ | {"S12_DRIVE": str(tmp_path), "S12_DRIVE_LOCKS": locks}
    command = [sys.executable, "-W", "error", "-c", script, str(tmp_path)]
    here = Path(__file__).parent
    for _ in range(2):
        done = subprocess.run(command, env=environment, cwd=here, capture_output=True, text=True, timeout=60)
        assert (done.stdout, done.stderr) == ("False\n", "")


def test_a_full_disk_is_no_fault_of_a_mirror(serve, path):
    resource = pytest.importorskip("resource", reason="on POSIX")
    first, second = Mirror(), Mirror()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            fetch([serve(first), serve(second)], MD5, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.filename == f"{path}.part"
    assert (len(first.asked), len(second.asked)) == (1, 0)

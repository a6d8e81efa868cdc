"""Fetch a file of known MD5 from one of several mirrors: the first that is quick, going on where a try broke off.

torchvision knows one address and begins at the start each time, and so does pooch; CIFAR-10's host has been slow or
silent since June 2026 (pytorch/vision#9536).
"""

import errno
import hashlib
import http.client
import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from s12lib.files import atomic_write
from s12lib.locks import acquired

SILENCE = 20.0  # seconds without a byte, after which a connection is given up
WINDOW = 15.0  # seconds over which a rate is taken
SLOW = 300_000.0  # bytes a second; a mirror below it is left for the next, as long as there is one
WHOLE = 3600.0  # seconds for all mirrors and tries together
TRIES = 3  # of a mirror that breaks off, as long as each gets further
LARGEST = 1 << 30  # bytes; what is longer is no dataset of ours
REMEMBERED = 7 * 86_400.0  # seconds for which a slow mirror comes last
MEMORY = ".mirrors.json"
OURS = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG, errno.EROFS, errno.EACCES)
"""Faults of this machine's disk, which no other mirror would mend."""
AGENT = {"User-Agent": "s12lib (the Page ResNet course)"}


class TooSlow(OSError):
    """A mirror that sends less than ``SLOW``."""


class Endless(OSError):
    """A mirror that sends more than ``LARGEST``."""


@contextmanager
def alone_in(folder: Path) -> Iterator[bool]:
    """Inside, no other process fetches or unpacks there; false where the file system has no locks, as some drives."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock")
    try:
        alone = acquired(lock)
    except Timeout:
        print(f"Another process is fetching data into {folder}; waiting for it.", file=sys.stderr)
        alone = acquired(lock, WHOLE)
    except OSError:  # what is wrong with the folder shows when something is written there
        alone = False
    try:
        yield alone
    finally:
        lock.release()


def fetch(mirrors: Sequence[str], md5: str, path: Path) -> None:
    """Fetch ``path``, whose MD5 must be this; what a try leaves is ``path.part``, from which the next one goes on.

    Mirrors are asked in turn, those that were slow in the last week at the end. One that is slow is left for the next;
    when all are, the first of them is taken as it is. Rate and time left are shown on stderr. Raises OSError, which
    says of each mirror what was wrong with it, and how much is kept.
    """
    if _md5(path) == md5:
        return
    part, memory, end = path.with_name(f"{path.name}.part"), path.parent / MEMORY, time.monotonic() + WHOLE
    faults: dict[str, str] = {}
    for patient in (len(mirrors) == 1, True):
        for mirror in _by_memory(mirrors, memory):
            if mirror in faults and not faults[mirror].startswith("slow"):
                continue  # in the second round those are asked that do send something
            begun = part.exists()  # perhaps by another mirror, or on another day
            try:
                _fetch_all(mirror, part, end, patient)
                if begun and _md5(part) != md5:
                    part.unlink(missing_ok=True)
                    _fetch_all(mirror, part, end, patient)
            except TooSlow as error:
                faults[mirror] = f"slow, {error}"
                _remember([mirror], memory)
            except (OSError, http.client.HTTPException, ValueError) as error:
                if isinstance(error, OSError) and error.errno in OURS:
                    raise OSError(error.errno, error.strerror, str(part)) from error
                faults[mirror] = " ".join(str(error).split()) or type(error).__name__
                if isinstance(error, Endless):
                    part.unlink()
            else:
                if _md5(part) == md5:
                    part.replace(path)
                    _remember(faults, memory)
                    return
                part.unlink(missing_ok=True)
                faults[mirror] = "it sent another file"
    kept = (
        f"; {part.stat().st_size / 1e6:.1f} MB are kept, and the next try goes on from there" if part.exists() else ""
    )
    raise OSError("; ".join(f"{urlsplit(mirror).netloc}: {fault}" for mirror, fault in faults.items()) + kept)


def _md5(path: Path) -> str:
    if not path.exists():
        return ""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def _fetch_all(mirror: str, part: Path, end: float, patient: bool) -> None:
    """Fetch what is missing of a file, again and again as long as that gets further."""
    for attempt in range(1, TRIES + 1):
        before = part.stat().st_size if part.exists() else 0
        try:
            return _fetch_rest(mirror, part, end, patient)
        except (TooSlow, Endless):
            raise
        except (OSError, http.client.HTTPException) as error:
            further = getattr(error, "errno", None) not in OURS and part.exists() and part.stat().st_size > before
            if not further or attempt == TRIES or time.monotonic() > end:
                raise


def _fetch_rest(mirror: str, part: Path, end: float, patient: bool) -> None:
    """Append what is missing to ``part``, or write all of it where the mirror cannot begin in the middle."""
    from tqdm import tqdm

    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(mirror, headers=AGENT | ({"Range": f"bytes={have}-"} if have else {}))
    try:
        reply = urllib.request.urlopen(request, timeout=SILENCE)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code != 416:  # nothing lies beyond what is here: the MD5 will say whether that is all
            raise
        return
    with reply:
        have = have if reply.status == 206 else 0
        rest = reply.headers.get("Content-Length")
        total = have + int(rest) if rest else None
        name = f"{part.stem} from {urlsplit(mirror).netloc}"
        shown = {"unit": "B", "unit_scale": True, "unit_divisor": 1000, "miniters": 1, "leave": False}
        with open(part, "ab" if have else "wb") as file, tqdm(desc=name, total=total, initial=have, **shown) as bar:
            for block in _blocks(reply, end, patient):
                file.write(block)
                bar.update(len(block))
                if file.tell() > LARGEST:
                    raise Endless(f"it sends more than {LARGEST / 1e6:.0f} MB")
            if total is not None and file.tell() < total:
                raise ConnectionError(f"it broke off after {file.tell() / 1e6:.1f} of {total / 1e6:.1f} MB")


def _blocks(reply: http.client.HTTPResponse, end: float, patient: bool) -> Iterator[bytes]:
    """What comes, piece by piece. Raises TooSlow, unless ``patient``, and TimeoutError at the end of all time."""
    since, received = time.monotonic(), 0
    while block := reply.read1(1 << 16):
        yield block
        now, received = time.monotonic(), received + len(block)
        if now > end:
            raise TimeoutError(f"the {WHOLE / 60:.0f} minutes for the whole download are over")
        if now - since > WINDOW:
            rate = received / (now - since)
            if rate < SLOW and not patient:
                raise TooSlow(f"{rate / 1e3:.0f} kB/s")
            since, received = now, 0


# ---- which mirror was slow -------------------------------------------------------------------------------------------


def _remembered(memory: Path) -> dict[str, float]:
    with suppress(OSError, ValueError, AttributeError, TypeError):
        found = json.loads(memory.read_text("utf-8")).items()
        return {str(host): float(since) for host, since in found if time.time() - float(since) < REMEMBERED}
    return {}


def _by_memory(mirrors: Sequence[str], memory: Path) -> list[str]:
    """The mirrors, those that were slow or dead of late behind the others."""
    bad = _remembered(memory)
    return sorted(mirrors, key=lambda mirror: urlsplit(mirror).netloc in bad)


def _remember(mirrors: Iterable[str], memory: Path) -> None:
    if bad := {urlsplit(mirror).netloc: time.time() for mirror in mirrors}:
        with suppress(OSError):  # where it cannot be written, the download is not the one to tell
            atomic_write(memory, json.dumps(_remembered(memory) | bad).encode())

"""Decodes uploads in child processes, which can be ended: a file made to take for ever costs seconds, and only its own.

Run as a module it is the child: a line of JSON with paths comes in, a line of JSON for each image goes out.
"""

import base64
import io
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from s12lib.data.image_files import ImageError, display_name, middle_square, open_image, reduced, to_rgb

SECONDS = 5  # of processor time that the images of one request may take together; a large photo takes half of one
PATIENCE = 60  # seconds on the clock after which a child is ended in any case
MEMORY = 3 * 2**30  # bytes for one child; 50 million pixels need about a third of it
PREVIEW = 192  # pixels, the longer side


@dataclass(frozen=True)
class Seen:
    """An image as the network sees it, ``image (32, 32, 3)`` uint8, and as its owner knows it, the square marked."""

    image: np.ndarray
    preview: bytes  # JPEG


def seen(path: Path | str) -> Seen:
    """What a file shows. Raises ImageError."""
    image = to_rgb(open_image(path))
    return Seen(reduced(image), _jpeg(with_square(image)))


def with_square(image: Image.Image) -> Image.Image:
    """A small copy, in which all that is outside the middle square is pale and the square has a frame."""
    small = image.copy()
    small.thumbnail((PREVIEW, PREVIEW))
    left, top, right, bottom = middle_square(small.size)
    pale = Image.blend(small, Image.new("RGB", small.size, "white"), 0.6)
    pale.paste(small.crop((left, top, right, bottom)), (left, top))
    if left or top:
        ImageDraw.Draw(pale).rectangle((left, top, right - 1, bottom - 1), outline="#D55E00", width=2)
    return pale


def _jpeg(image: Image.Image) -> bytes:
    with io.BytesIO() as file:
        image.save(file, "JPEG", quality=85)
        return file.getvalue()


# ---- the parent's side ----


class Decoders:
    """As many children as requests are served at once. They are started when they are first needed, or again."""

    def __init__(self, count: int, seconds: int = SECONDS) -> None:
        self.seconds = seconds
        self.free: queue.LifoQueue[subprocess.Popen | None] = queue.LifoQueue()
        for _ in range(count):
            self.free.put(None)

    def start(self) -> None:
        """Start one child beforehand, so that the first visitor need not wait for it."""
        self.free.put(self._child(self.free.get()))

    def read(self, paths: Sequence[str | Path]) -> list[Seen]:
        """What each file shows. Raises ImageError, naming the file, for the first that cannot be used."""
        child = self.free.get()
        try:
            child = self._child(child)
            return _ask(child, paths)
        finally:
            self.free.put(child)

    def close(self) -> None:
        """End the children that have nothing to do."""
        with suppress(queue.Empty):
            while True:
                if (child := self.free.get_nowait()) is not None:
                    _end(child)

    def _child(self, child: subprocess.Popen | None) -> subprocess.Popen:
        """The child itself, or another one if it has ended."""
        if child is not None and child.poll() is None:
            return child
        package = Path(__file__).parent.parent.parent  # a Space has it beside its app.py and nowhere else
        places = [str(package), *filter(None, [os.environ.get("PYTHONPATH")])]
        return subprocess.Popen(
            [sys.executable, "-m", "s12lib.app.decoding", str(self.seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(places)},
            start_new_session=True,  # Ctrl+C is for the app, which then ends its children
        )


def _end(child: subprocess.Popen) -> None:
    child.kill()
    child.communicate()  # closes the pipes, too


def _ask(child: subprocess.Popen, paths: Sequence[str | Path]) -> list[Seen]:
    assert child.stdin is not None  # both are pipes
    assert child.stdout is not None
    alarm = threading.Timer(PATIENCE, child.kill)
    alarm.start()
    found = []
    try:
        with suppress(OSError):  # a child that has just ended; reading from it says so
            child.stdin.write(json.dumps([str(path) for path in paths]).encode() + b"\n")
            child.stdin.flush()
        for path in paths:
            line = child.stdout.readline()
            if not line:
                _end(child)
                raise ImageError(f"{display_name(path)} takes too long to decode: choose a simpler image.")
            answer = json.loads(line)
            if "refused" in answer:
                raise ImageError(answer["refused"])
            pixels = np.frombuffer(base64.b64decode(answer["image"]), np.uint8).reshape(32, 32, 3)
            found.append(Seen(pixels, base64.b64decode(answer["preview"])))
    finally:
        alarm.cancel()
    return found


# ---- the child's side ----


def serve(seconds: int) -> None:
    """Answer line after line until the parent closes the pipe, or has ended; stop at the first image refused."""
    limit("RLIMIT_AS", MEMORY)
    for line in sys.stdin:
        limit("RLIMIT_CPU", int(time.process_time()) + 1 + seconds)
        for path in json.loads(line):
            try:
                shown = seen(path)
                answer = {name: base64.b64encode(value).decode() for name, value in _parts(shown).items()}
            except ImageError as error:
                answer = {"refused": str(error)}
            print(json.dumps(answer), flush=True)
            if "refused" in answer:
                break


def _parts(shown: Seen) -> dict[str, bytes]:
    return {"image": shown.image.tobytes(), "preview": shown.preview}


def limit(name: str, value: int) -> None:
    """Have the system end this process where it needs more than that; not every system can."""
    with suppress(ImportError, AttributeError, OSError, ValueError):
        import resource

        kind = getattr(resource, name)
        resource.setrlimit(kind, (value, resource.getrlimit(kind)[1]))


if __name__ == "__main__":
    serve(int(sys.argv[1]))

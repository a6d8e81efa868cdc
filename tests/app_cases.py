"""What strangers send to an app, one row each: files as good, odd or hostile as they come, and settings likewise."""

import io
import json
import math
import struct
import zlib
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from s12lib.data.image_files import MAX_BYTES

File = tuple[str, bytes]


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    with io.BytesIO() as file:
        image.save(file, kind, **options)
        return file.getvalue()


def scene(width: int = 96, height: int = 80, seed: int = 0) -> Image.Image:
    """An image without any symmetry, of large flat patches, so that a turned one is another one."""
    patches = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    return Image.fromarray(patches).resize((width, height), Image.Resampling.NEAREST)


GOOD: File = ("scene.png", encoded(scene()))
OTHER: File = ("other.png", encoded(scene(seed=1)))


def png_that_declares(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header promises a huge image."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def moving(kind: str) -> bytes:
    """An animation whose first frame is the scene, and whose later ones are not."""
    return encoded(scene(), kind, save_all=True, append_images=[scene(seed=9)] * 2, duration=50, lossless=True)


def turned(orientation: int) -> bytes:
    """The scene as a camera held at that angle stores it, with EXIF's word on how to undo that."""
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }  # fmt: skip
    stored = scene() if orientation == 1 else scene().transpose(undo[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(stored, exif=exif)


def see_through() -> Image.Image:
    image = scene().convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    return image


def much_text() -> PngInfo:
    text = PngInfo()
    text.add_text("a poem", "Roses are red. " * 150_000, zip=True)
    return text


def slow_gif(comments: int) -> bytes:
    """A GIF of a few pixels whose comment comes in blocks of one byte, which Pillow joins one by one."""
    gif = encoded(Image.new("P", (8, 8)), "GIF")
    at = gif.index(b"\x2c", 13)  # the image itself
    return gif[:at] + b"\x21\xfe" + b"\x01a" * comments + b"\0" + gif[at:]


NOISE = Image.effect_noise((200, 200), 80)

REFUSED_FILES: dict[str, tuple[File, str]] = {
    "an empty file": (("empty.png", b""), "empty.png is not an image"),
    "text renamed .png": (("poem.png", b"I am a poem.\n" * 40), "poem.png is not an image"),
    "a truncated JPEG": (("cut.jpg", encoded(NOISE, "JPEG")[:2000]), "cut.jpg is damaged"),
    "SVG": (("drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>"), "not an image"),
    "PDF": (("paper.pdf", b"%PDF-1.4\n%%EOF"), "not an image"),
    "TIFF": (("scan.tiff", encoded(NOISE, "TIFF")), "not an image"),
    "FITS": (("sky.fits", b"SIMPLE  =                    T" + b" " * 2850), "not an image"),
    "over the size limit": (("big.png", bytes(MAX_BYTES + 1)), "larger than 20 MB"),
    "HEIC": (("IMG_1.heic", b"\0\0\0\x18ftypheic" + bytes(90)), "export it as JPEG"),
    "50,000 × 50,000 declared": (("bomb.png", png_that_declares(50_000, 50_000)), "million"),
}

TAKEN_FILES: dict[str, File] = {
    "1 × 1": ("dot.png", encoded(scene(1, 1))),
    "1 × 2000": ("line.png", encoded(scene(1, 2000))),
    "4000 × 3000": ("photo.jpg", encoded(scene(4000, 3000), "JPEG")),
    "one flat colour": ("flat.png", encoded(Image.new("RGB", (64, 64), "navy"))),
    "grey": ("grey.png", encoded(scene().convert("L"))),
    "LA": ("la.png", encoded(see_through().convert("LA"))),
    "RGBA": ("rgba.png", encoded(see_through())),
    "palette": ("palette.gif", encoded(scene().convert("P"), "GIF")),
    "CMYK": ("cmyk.jpg", encoded(scene().convert("CMYK"), "JPEG")),
    "16-bit": ("deep.png", encoded(Image.fromarray(np.arange(64 * 64, dtype=np.uint16).reshape(64, 64) * 16))),
}

SAME_AS_THE_SCENE: dict[str, File] = {
    **{f"EXIF rotation {orientation}": ("photo.png", turned(orientation)) for orientation in range(1, 9)},
    "animated GIF": ("moving.gif", moving("GIF")),
    "animated WebP": ("moving.webp", moving("WEBP")),
    "APNG": ("moving.png", moving("PNG")),
    "a name with folders": ("../../secret/passwd.png", GOOD[1]),
    "a name of Windows": ("C:\\Users\\me\\cat.png", GOOD[1]),
    "a name with quotes": ("\"><img src=x onerror='alert(1)'>.png", GOOD[1]),
    "a name of emoji": ("🐸💥.png", GOOD[1]),
    "a name without an end": ("x" * 300 + ".png", GOOD[1]),
    "a PNG with 2 MB of profile": ("vast.png", encoded(scene(), icc_profile=bytes(2_000_000))),
    "a PNG with 2 MB of text": ("long.png", encoded(scene(), pnginfo=much_text())),
}

SHOWN_NAMES: dict[str, tuple[str, str]] = {
    "NUL": ("a\0b.png", "ab.png"),
    "CR LF": ("a\r\nSet-Cookie: b.png", "aSet-Cookie: b.png"),
    "from right to left": ("cat\u202egnp.exe", "catgnp.exe"),
    "60,000 characters": ("x" * 60_000 + ".png", "x" * 28 + "…" + "x" * 7 + ".png"),
    "nothing": ("", GOOD[0]),
    "dots": ("../..", ".."),
}
"""What a request says that its file is called, and what is shown."""

DATA = {"_type": "gradio.FileData"}
REFUSED_UPLOADS: dict[str, tuple[Any, str]] = {
    "nothing": ([], "Choose an image first"),
    "null": (None, "Choose an image first"),
    "an array with NaN": ([[[math.nan] * 3] * 32] * 32, "not understood"),
    "an array of the wrong shape": ([[0.5, 0.25], [1.0]], "not understood"),
    "a number": (7, "not understood"),
    "a string": ("cat.png", "not understood"),
    "an upload without a path": ([{"orig_name": "cat.png", "meta": DATA}], "not understood"),
    "1,500 references": ([{"path": "/tmp/cat.png", "meta": DATA}] * 1500, "At most 8 images"),
    "a megabyte of references": ([{"path": "/tmp/cat.png", "meta": DATA}] * 30_000, "too large"),
    "a name of a megabyte": ([{"path": "/tmp/cat.png", "orig_name": "x" * 10**6, "meta": DATA}], "too large"),
    "a number for a path": ([{"path": 7, "meta": DATA}], "not understood"),
    "a list of nothing": ([None], "not understood"),
    "a file that was never uploaded": ([{"path": "/etc/passwd", "meta": DATA}], "not understood"),
    "an address": ([{"path": "http://127.0.0.1:9/cat.png", "meta": DATA}], "does not fetch"),
    "an address outside a list": ({"path": "https://127.0.0.1:9/cat.png", "meta": DATA}, "does not fetch"),
    "an address deep inside": ([[{"files": [{"path": "http://127.0.0.1:9/a.png", "meta": DATA}]}]], "does not fetch"),
    "lists in lists in lists": (json.loads("[" * 400 + "]" * 400), "not understood"),
}

REFUSED_SETTINGS: dict[str, tuple[dict[str, Any], str]] = {
    **{f"k of {value!r}": ({"top": value}, "whole number from 1 to 10") for value in (0, 11, -1, 2.5, "a", None)},
    "k of NaN": ({"top": math.nan}, "whole number from 1 to 10"),
    "k of true": ({"top": True}, "whole number from 1 to 10"),
    "an unknown layer": ({"layer": "layer9"}, "layer must be one of"),
    "layer __class__": ({"layer": "__class__"}, "layer must be one of"),
    "a list for a layer": ({"layer": ["layer3"]}, "layer must be one of"),
    "an unknown method": ({"method": "magic"}, "method must be one of"),
    "an unknown class": ({"target": "unicorn"}, "class to explain must be one of"),
    "opacity 1.5": ({"opacity": 1.5}, "opacity must be a number from 0 to 1"),
    "opacity NaN": ({"opacity": math.nan}, "opacity must be a number from 0 to 1"),
    "opacity 'thick'": ({"opacity": "thick"}, "opacity must be a number from 0 to 1"),
}


class Call(NamedTuple):
    """A request to an endpoint that is wrong as a whole."""

    endpoint: str
    data: Any
    words: str


REFUSED_CALLS: dict[str, Call] = {
    "too few inputs": Call("explain", [[]], "not understood"),
    "no list of inputs": Call("explain", "everything", "not understood"),
    "0 mistakes": Call("mistakes", [0, True], "whole number from 1"),
    "99 mistakes": Call("mistakes", [99, True], "whole number from 1"),
    "Grad-CAM 'perhaps'": Call("mistakes", [3, "perhaps"], "either on or off"),
    "an internal function": Call("on_page", [[], 0], "nothing at that address"),
    "a function without a name": Call("lambda", [], "nothing at that address"),
    "a function of an older app": Call("explain_again", [[]], "nothing at that address"),
    "dunder": Call("__init__", [], "nothing at that address"),
    "a body nested 900 deep": Call("explain", json.loads("[" * 900 + "]" * 900), "not understood"),
}


class Request(NamedTuple):
    """A request to an address that the page never asks for, or in a way that it never asks."""

    method: str
    path: str
    body: Any
    status: int


JOIN = {"data": [], "session_hash": "abc", "trigger_id": None}
ODD_REQUESTS: dict[str, Request] = {
    "an endpoint of other apps": Request("POST", "/gradio_api/run/predict", {"data": []}, 404),
    "past the queue by name": Request("POST", "/gradio_api/run/explain", {"data": [[], 3]}, 404),
    "past the queue by the old name": Request("POST", "/gradio_api/api/explain", {"data": [[], 3]}, 404),
    "by another spelling": Request("POST", "/gradio_api/call/v2/on_page", {}, 404),
    "the newer spelling, wrong": Request("POST", "/gradio_api/call/v2/explain", {"colour": "red"}, 422),
    "function number -1": Request("POST", "/gradio_api/queue/join", JOIN | {"fn_index": -1}, 422),
    "function number 999": Request("POST", "/gradio_api/queue/join", JOIN | {"fn_index": 999}, 422),
    "function number 'one'": Request("POST", "/gradio_api/queue/join", JOIN | {"fn_index": "one"}, 422),
    "function number true": Request("POST", "/gradio_api/queue/join", JOIN | {"fn_index": True}, 422),
    "no function at all": Request("POST", "/gradio_api/queue/join", JOIN, 422),
    "no session": Request("POST", "/gradio_api/queue/join", {"data": [], "fn_index": 0}, 422),
    "a session that is a list": Request("POST", "/gradio_api/queue/join", JOIN | {"session_hash": [1]}, 422),
    "a list for a body": Request("POST", "/gradio_api/queue/join", [1, 2], 422),
    "an unknown session": Request("GET", "/gradio_api/queue/data?session_hash=nobody", None, 404),
    "no session to listen for": Request("GET", "/gradio_api/queue/data", None, 404),
    "an unknown event": Request("GET", "/gradio_api/call/explain/0123456789abcdef", None, 404),
    "a component's own functions": Request("POST", "/gradio_api/component_server", {"fn_name": "x"}, 404),
    "somebody else's page": Request("GET", "/gradio_api/proxy=https://example.org/", None, 404),
    "the profiler": Request("GET", "/gradio_api/profiling/traces", None, 404),
    "a recording": Request("POST", "/gradio_api/process_recording", {}, 404),
    "the monitor": Request("GET", "/monitoring/summary", None, 404),
    "a page that is not there": Request("GET", "/wp-admin/setup.php", None, 404),
    "another method": Request("DELETE", "/gradio_api/upload", None, 404),
    "a name longer than any file's": Request("GET", f"/static/{5_000 * 'a'}", None, 404),
    "a long name of other letters": Request("GET", f"/assets/{200 * 'ä'}", None, 404),
    "NUL in an address": Request("GET", "/static/%00", None, 404),
    "an upload that is none": Request("POST", "/gradio_api/upload", {"files": []}, 422),
}

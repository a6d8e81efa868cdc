"""Files that are whole, and hold more than an image: hints on colours, text, later frames, EXIF that leads nowhere."""

import io
import struct
import zlib
from typing import Any

from PIL import Image

XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    with io.BytesIO() as file:
        image.save(file, kind, **options)
        return file.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def gif_at_an_offset(image: Image.Image) -> bytes:
    """A GIF whose only frame lies at (30, 50) of a canvas that is twice as wide and as high."""
    width, height = image.size
    content = bytearray(encoded(image.convert("P"), "GIF"))
    at = content.index(b"\x2c" + struct.pack("<HHHH", 0, 0, width, height))
    content[6:10] = struct.pack("<HH", 2 * width, 2 * height)
    content[at + 1 : at + 5] = struct.pack("<HH", 30, 50)
    return bytes(content)


def passed_over(image: Image.Image, exif: Image.Exif) -> dict[str, bytes]:
    """Each file holds the image, and something of which nothing must be seen; ``exif`` turns it."""
    png, red = encoded(image, "PNG"), Image.new("RGB", image.size, "red")
    first, rest = png[:33], png[33:]  # behind the header
    webp = bytearray(encoded(image, "WEBP", lossless=True, exif=exif.tobytes()))
    at = webp.index(b"EXIF")
    tiff = min(place for mark in (b"II*\0", b"MM\0*") if (place := webp.find(mark, at)) >= 0)
    webp[tiff + 4 : tiff + 8] = b"\xff\xff\xff\x7f"
    return {
        "gamma.png": first + chunk(b"gAMA", struct.pack(">I", 100_000)) + rest,
        "primaries.png": first
        + chunk(b"gAMA", struct.pack(">I", 45_455))
        + chunk(b"cHRM", struct.pack(">8I", 31_270, 32_900, 68_000, 32_000, 26_500, 69_000, 15_000, 6_000))
        + rest,
        "film.png": first + chunk(b"cICP", bytes([9, 16, 0, 1])) + rest,
        "damaged-text.png": first + chunk(b"tEXt", b"a\0b")[:-1] + b"\0" + rest,
        "unknown.png": first + chunk(b"ABCD", b"?") + rest,
        "later.png": encoded(image, "PNG", save_all=True, default_image=True, append_images=[red, red]),
        "offset.gif": gif_at_an_offset(image),
        "lost.webp": bytes(webp),
    }

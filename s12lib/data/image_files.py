"""Any image file → the 32×32 RGB array that the network is shown: one rule for commands, app and exports."""

import io
import struct
from contextlib import suppress
from pathlib import Path
from stat import S_ISDIR, S_ISREG

import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError

from s12lib.errors import CourseError, cleaned

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
MAX_BYTES = 20_000_000
MAX_PIXELS = 50_000_000
PNG = b"\x89PNG\r\n\x1a\n"
DRAWN = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"eXIf")
"""The chunks of a PNG that say what it looks like, and which way up."""
ORIENTATION = 0x0112
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""By what EXIF says of the orientation, how to undo it."""


class ImageError(CourseError):
    """A file that is no image we can use; the message is one sentence for people and names no folder."""


def display_name(name: object, most: int = 40) -> str:
    """A file's name as people are shown it: no folder, nothing that prints otherwise than it reads, the middle cut out.

    Control characters, and those that turn the direction of writing round, are left out.
    """
    last = str(name).replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
    if len(last) > 1000:  # looking at every character of a name of a megabyte would take a while
        last = last[:500] + last[-500:]
    last = cleaned(last)
    end = min(11, most // 2)
    return last if len(last) <= most else f"{last[: most - end - 1]}…{last[-end:]}"


def open_image(path: Path | str) -> Image.Image:
    """The image in a file, the first frame of an animation. Raises ImageError.

    Only JPEG, PNG, WebP, GIF and BMP are read, up to 20 MB and 50 million pixels, and the size is looked at before any
    pixel is decoded. Pipes, devices and folders are not opened.
    """
    path = Path(path)
    name = display_name(path.name)
    try:
        found = path.stat()
        if S_ISDIR(found.st_mode):
            raise ImageError(f"{name} is a folder: name the images in it.")
        if not S_ISREG(found.st_mode):
            raise ImageError(f"{name} is not a file that holds an image.")
        if found.st_size > MAX_BYTES:
            raise ImageError(f"{name} is larger than {MAX_BYTES // 1_000_000} MB: choose a smaller image.")
        return _decoded(path, name)
    except UnidentifiedImageError as error:
        if is_heic(path):
            raise ImageError(f"{name} is in HEIC, which is not read: export it as JPEG.") from error
        raise ImageError(f"{name} is not an image in one of the formats {', '.join(FORMATS)}.") from error
    except Image.DecompressionBombError as error:
        raise ImageError(f"{name} has more than {MAX_PIXELS // 1_000_000} million pixels.") from error
    except FileNotFoundError as error:
        raise ImageError(f"There is no file {name}.") from error
    except PermissionError as error:
        raise ImageError(f"{name} may not be read by you: look at its permissions.") from error
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError) as error:
        raise ImageError(f"{name} is damaged or cut short and cannot be read as an image.") from error


def _decoded(source: Path | io.BytesIO, name: str) -> Image.Image:
    try:
        image = Image.open(source, formats=FORMATS)
        if image.width * image.height > MAX_PIXELS:
            size = f"{image.width} × {image.height}"
            raise ImageError(f"{name} has {size} pixels, more than {MAX_PIXELS // 1_000_000} million.")
        image.load()
        return _on_its_canvas(image)
    except (ValueError, UnidentifiedImageError):  # so Pillow refuses a PNG with huge or damaged text, profile or time
        content = source.read_bytes() if isinstance(source, Path) else b""
        if not content.startswith(PNG):
            raise
        return _decoded(io.BytesIO(only_what_is_drawn(content)), name)


def _on_its_canvas(image: Image.Image) -> Image.Image:
    """A GIF whose first frame does not fill it, with nothing around that frame, as browsers show it, and no colour."""
    frame = getattr(image, "dispose_extent", None)
    if image.format != "GIF" or not frame or tuple(frame) == (0, 0, *image.size):
        return image
    canvas = Image.new("RGBA", image.size, (0, 0, 0, 0))
    canvas.paste(image.convert("RGBA").crop(frame), frame[:2])
    return canvas


def only_what_is_drawn(png: bytes) -> bytes:
    """A PNG without its profile, text, times and whatever else lies between what it looks like."""
    kept, at = [PNG], len(PNG)
    while at + 12 <= len(png):
        end = at + 12 + struct.unpack_from(">I", png, at)[0]
        if png[at + 4 : at + 8] in DRAWN:
            kept.append(png[at:end])
        at = end
    return b"".join(kept)


def is_heic(path: Path) -> bool:
    """Whether a file begins as an iPhone's photos do: https://nokiatech.github.io/heif/technical.html"""
    with path.open("rb") as file:
        start = file.read(12)
    return start[4:8] == b"ftyp" and start[8:12] in (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")


def to_rgb(image: Image.Image) -> Image.Image:
    """The image upright (EXIF), in sRGB (its ICC profile), on white, in mode RGB."""
    image = upright(image)
    if image.mode.startswith("I") or image.mode == "F":  # the upper 8 of 16 bits, as Pillow and browsers take them
        image = Image.fromarray((np.clip(np.asarray(image, dtype=np.float64), 0, 65535) // 256).astype(np.uint8))
    image = in_srgb(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def upright(image: Image.Image) -> Image.Image:
    """The image as EXIF says to hold it. What stands in XMP alone is passed over, as browsers pass it over."""
    exif = Image.Exif()
    with suppress(Exception):  # EXIF that cannot be read says nothing of the orientation, and the pixels are whole
        exif.load(image.info.get("exif") or b"")
    if exif.get(ORIENTATION) not in UPRIGHT:
        return image
    turned = image.transpose(UPRIGHT[exif[ORIENTATION]])
    turned.info.pop("exif", None)
    return turned


def in_srgb(image: Image.Image) -> Image.Image:
    """The image in sRGB, if its ICC profile says that it is in other colours, such as a phone's Display P3.

    Transparency stays. A profile that cannot be read, or is one for another kind of colours, is as good as none.
    """
    profile = image.info.get("icc_profile")
    if not profile:
        return image
    with suppress(ImageCms.PyCMSError, KeyError, OSError, TypeError, ValueError):
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if ImageCms.getProfileDescription(source).startswith("sRGB"):  # which would only be rounded anew
            return image
        alpha, mode = None, {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}[source.profile.xcolor_space.strip()]
        if mode != "CMYK" and image.has_transparency_data:
            alpha = image.convert("RGBA").getchannel("A")
        if (mode == "CMYK") != (image.mode == "CMYK") or (mode == "L" and image.mode not in ("1", "L", "LA")):
            return image
        srgb = ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(image.convert(mode), source, srgb, outputMode="RGB")
        assert converted is not None  # only `inPlace` gives none
        if alpha is not None:
            converted.putalpha(alpha)
        return converted
    return image


def to_32x32(image: Image.Image) -> np.ndarray:
    """``(32, 32, 3)`` uint8 RGB: upright, in sRGB, on white, centre-cropped to a square, reduced by area.

    Pillow's BOX filter when shrinking, BICUBIC when enlarging.
    """
    return reduced(to_rgb(image))


def reduced(image: Image.Image) -> np.ndarray:
    """The middle square of an image in mode RGB, reduced or enlarged to ``(32, 32, 3)`` uint8."""
    square = image.crop(middle_square(image.size))
    shrinks = square.width > 32
    return np.array(square.resize((32, 32), Image.Resampling.BOX if shrinks else Image.Resampling.BICUBIC))


def middle_square(size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Where the square lies that is cut out: left, top, right, bottom in pixels."""
    width, height = size
    side = min(size)
    left, top = (width - side) // 2, (height - side) // 2
    return left, top, left + side, top + side


def read_image(path: Path | str) -> np.ndarray:
    """The file as the network sees it, ``(32, 32, 3)`` uint8 RGB. Raises ImageError."""
    return to_32x32(open_image(path))

"""Any picture file → the 32×32 RGB array that the network is shown: one rule for commands, app and exports."""

from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from s12lib.errors import CourseError

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
MAX_BYTES = 20_000_000
MAX_PIXELS = 50_000_000


class PictureError(CourseError):
    """A file that is no picture we can use; the message is one sentence for people and names no folder."""


def open_picture(path: Path | str) -> Image.Image:
    """The picture in a file, the first frame of an animation. Raises PictureError.

    Only JPEG, PNG, WebP, GIF and BMP are read, up to 20 MB and 50 million pixels, and the size is looked at before any
    pixel is decoded.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise PictureError(f"{path.name} is larger than {MAX_BYTES // 1_000_000} MB: choose a smaller picture.")
        picture = Image.open(path, formats=FORMATS)
        if picture.width * picture.height > MAX_PIXELS:
            size = f"{picture.width} × {picture.height}"
            raise PictureError(f"{path.name} has {size} pixels, more than {MAX_PIXELS // 1_000_000} million.")
        picture.load()
    except UnidentifiedImageError as error:
        raise PictureError(f"{path.name} is not a picture in one of the formats {', '.join(FORMATS)}.") from error
    except Image.DecompressionBombError as error:
        raise PictureError(f"{path.name} has more than {MAX_PIXELS // 1_000_000} million pixels.") from error
    except FileNotFoundError as error:
        raise PictureError(f"There is no file {path.name}.") from error
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError) as error:
        raise PictureError(f"{path.name} is damaged or cut short and cannot be read as a picture.") from error
    return picture


def to_32x32(picture: Image.Image) -> np.ndarray:
    """``(32, 32, 3)`` uint8 RGB: upright (EXIF), on white, centre-cropped to a square, reduced by area.

    Pillow's BOX filter when shrinking, BICUBIC when enlarging.
    """
    with suppress(Exception):  # EXIF that cannot be read says nothing of the orientation, and the pixels are whole
        picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I") or picture.mode == "F":
        picture = Image.fromarray((np.clip(np.asarray(picture, dtype=np.float64), 0, 65535) / 257).astype(np.uint8))
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    picture = picture.convert("RGB")
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    picture = picture.crop((left, top, left + side, top + side))
    return np.array(picture.resize((32, 32), Image.Resampling.BOX if side > 32 else Image.Resampling.BICUBIC))


def read_picture(path: Path | str) -> np.ndarray:
    """The file as the network sees it, ``(32, 32, 3)`` uint8 RGB. Raises PictureError."""
    return to_32x32(open_picture(path))

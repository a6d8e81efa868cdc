"""Any image file becomes the same 32×32 RGB array, whatever its size, mode or orientation."""

import io
import os

import display_p3
import numpy as np
import odd_files
import pytest
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from s12lib.data import image_files
from s12lib.data.image_files import ImageError, display_name, open_image, read_image, to_32x32


@pytest.fixture
def scene():
    """An image without any symmetry, 48 wide and 40 high."""
    rng = np.random.default_rng(0)
    return Image.fromarray(rng.integers(0, 256, (5, 6, 3), dtype=np.uint8)).resize((48, 40), Image.Resampling.NEAREST)


def test_a_32x32_image_is_left_as_it_is():
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    assert (to_32x32(Image.fromarray(image)) == image).all()


def test_shrinking_averages_areas():
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    areas = image.reshape(32, 2, 32, 2, 3).mean((1, 3))
    assert np.abs(to_32x32(Image.fromarray(image)) - areas).max() <= 1


def test_a_wide_image_loses_its_sides_and_a_tall_one_its_ends():
    image = np.zeros((32, 96, 3), np.uint8)
    image[:, 32:64] = 200
    assert (to_32x32(Image.fromarray(image)) == 200).all()
    assert (to_32x32(Image.fromarray(image.transpose(1, 0, 2))) == 200).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_taken_at_any_angle_gives_the_upright_answer(scene, orientation, tmp_path):
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }  # fmt: skip
    stored = scene if orientation == 1 else scene.transpose(undo[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "photo.png", exif=exif)
    assert (read_image(tmp_path / "photo.png") == to_32x32(scene)).all()


@pytest.mark.parametrize("exif", [b"Exif\0\0garbage", b"Exif\0\0II*\0", b"\0" * 9])
def test_exif_that_cannot_be_read_leaves_the_image_as_it_is(exif, scene, tmp_path):
    for name in ("photo.png", "photo.webp"):
        scene.save(tmp_path / name, exif=exif, lossless=True)
        assert (read_image(tmp_path / name) == to_32x32(scene)).all()


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "CMYK", "1", "I;16", "I", "PA"])
def test_every_mode_becomes_rgb(mode):
    image = Image.new("L", (40, 40), 255).convert(mode) if mode != "I;16" else Image.fromarray(
        np.full((40, 40), 65535, np.uint16)
    )  # fmt: skip
    image = to_32x32(image if mode != "I" else Image.fromarray(np.full((40, 40), 65535, np.int32)))
    assert image.shape == (32, 32, 3)
    assert image.dtype == np.uint8
    assert (image == 255).all()


def test_transparency_is_flattened_onto_white():
    image = Image.new("RGBA", (32, 32), (255, 0, 0, 0))
    image.paste((0, 0, 255, 255), (0, 0, 16, 32))
    image = to_32x32(image)
    assert (image[:, :16] == (0, 0, 255)).all()
    assert (image[:, 16:] == 255).all()


def test_colours_keep_their_order():
    assert (to_32x32(Image.new("RGB", (50, 50), (250, 100, 5))) == (250, 100, 5)).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 2000), (4000, 3000)])
def test_extreme_sizes_are_taken(size, tmp_path):
    Image.new("RGB", size, (9, 8, 7)).save(tmp_path / "image.png")
    assert (read_image(tmp_path / "image.png") == (9, 8, 7)).all()


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_an_animation_shows_its_first_frame(kind, tmp_path):
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "blue")]
    path = tmp_path / f"moving.{kind.lower()}"
    frames[0].save(path, kind, save_all=True, append_images=frames[1:], lossless=True)
    assert (read_image(path) == (255, 0, 0)).all()


def png_that_declares(width, height):
    """A PNG of a few bytes whose header promises a huge image."""
    import struct
    import zlib

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def encoded(kind):
    buffer = io.BytesIO()
    Image.effect_noise((200, 200), 80).save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("empty.png", b"", "not an image"),
        ("text.png", b"I am a poem.\n" * 40, "not an image"),
        ("cut.jpg", encoded("JPEG")[:2000], "damaged or cut short"),
        ("drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image"),
        ("paper.pdf", b"%PDF-1.4\n%%EOF", "not an image"),
        ("scan.tiff", encoded("TIFF"), "not an image"),
        ("sky.fits", b"SIMPLE  =                    T" + b" " * 2850, "not an image"),
        ("bomb.png", png_that_declares(50_000, 50_000), "million"),
    ],
)
def test_what_is_no_usable_image_is_refused_in_one_sentence(name, content, words, tmp_path):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ImageError, match=words) as refusal:
        open_image(path)
    assert name in str(refusal.value)
    assert str(tmp_path) not in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_file_over_the_size_limit_is_refused_before_it_is_opened(tmp_path, monkeypatch):
    monkeypatch.setattr(image_files, "MAX_BYTES", 10)
    (tmp_path / "big.png").write_bytes(encoded("PNG"))
    with pytest.raises(ImageError, match="larger than"):
        open_image(tmp_path / "big.png")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ImageError, match=r"no file nowhere\.png"):
        open_image(tmp_path / "nowhere.png")


# ---- colours, and what lies in a file beside them ----

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def colours() -> np.ndarray:
    """Colours that both P3 and sRGB can show, ``(32, 32, 3)`` uint8."""
    return np.random.default_rng(0).integers(90, 180, (32, 32, 3), dtype=np.uint8)


@pytest.mark.parametrize("ending", ["png", "webp"])
def test_a_phones_colours_are_turned_into_srgb(ending, tmp_path):
    path = tmp_path / f"p3.{ending}"
    Image.fromarray(colours()).save(path, icc_profile=display_p3.profile(), lossless=True)
    expected = display_p3.in_srgb(colours())
    assert np.abs(expected - colours()).max() > 10
    assert np.abs(read_image(path) - expected).max() < 2


def test_transparency_outlives_the_change_of_colours(tmp_path):
    image = Image.fromarray(colours()).convert("RGBA")
    image.putalpha(0)
    image.save(tmp_path / "clear.png", icc_profile=display_p3.profile())
    assert (read_image(tmp_path / "clear.png") == 255).all()


@pytest.mark.parametrize("profile", [b"garbage", bytes(2_000_000), SRGB], ids=["garbage", "2 MB", "sRGB"])
def test_a_profile_that_says_nothing_new_changes_nothing(profile, tmp_path):
    Image.fromarray(colours()).save(tmp_path / "a.png", icc_profile=profile)
    assert (read_image(tmp_path / "a.png") == colours()).all()


def test_a_grey_image_with_a_profile_for_colours_is_taken_as_browsers_do(tmp_path):
    grey = Image.fromarray(colours()).convert("L")
    grey.save(tmp_path / "grey.png", icc_profile=display_p3.profile())
    expected = display_p3.in_srgb(np.asarray(grey.convert("RGB")))
    assert np.abs(read_image(tmp_path / "grey.png") - expected).max() < 2


def test_much_text_beside_the_pixels_is_passed_over(tmp_path):
    text = PngInfo()
    text.add_text("before", "Roses are red. " * 150_000, zip=True)
    Image.fromarray(colours()).save(tmp_path / "a.png", pnginfo=text)
    assert (read_image(tmp_path / "a.png") == colours()).all()


def test_sixteen_bits_of_grey_are_cut_to_the_upper_eight(tmp_path):
    deep = np.arange(32 * 32, dtype=np.uint16).reshape(32, 32) * 64
    Image.fromarray(deep).save(tmp_path / "deep.png")
    assert (read_image(tmp_path / "deep.png")[..., 0] == deep >> 8).all()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a named pipe (on POSIX)")
def test_a_damaged_text_beside_the_pixels_is_passed_over(scene, tmp_path):
    exif = Image.Exif()
    for name in ("damaged-text.png", "gamma.png", "later.png", "unknown.png"):
        (tmp_path / name).write_bytes(odd_files.passed_over(scene, exif)[name])
        assert np.array_equal(read_image(tmp_path / name), to_32x32(scene)), name


def test_a_frame_smaller_than_its_gif_has_white_around_it(tmp_path):
    image = Image.new("RGB", (80, 90), "red")
    (tmp_path / "offset.gif").write_bytes(odd_files.gif_at_an_offset(image))
    on_white = Image.new("RGB", (160, 180), "white")
    on_white.paste(image, (30, 50))
    assert np.array_equal(read_image(tmp_path / "offset.gif"), to_32x32(on_white))


def test_an_orientation_in_xmp_alone_is_passed_over_as_browsers_do(scene, tmp_path):
    scene.save(tmp_path / "xmp.jpg", quality=95, xmp=odd_files.XMP)
    scene.save(tmp_path / "plain.jpg", quality=95)
    assert np.array_equal(read_image(tmp_path / "xmp.jpg"), read_image(tmp_path / "plain.jpg"))


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ImageError, match="not a file that holds an image"):
        read_image(tmp_path / "pipe.png")


def test_a_folder_and_a_heic_are_refused_with_a_way_out(tmp_path):
    with pytest.raises(ImageError, match="is a folder: name the images in it"):
        read_image(tmp_path)
    (tmp_path / "IMG_1.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(90))
    with pytest.raises(ImageError, match=r"IMG_1\.heic is in HEIC, which is not read: export it as JPEG"):
        read_image(tmp_path / "IMG_1.heic")


def test_a_name_is_shown_without_what_would_mislead():
    assert display_name("C:\\photos\\cat\u202egnp.exe") == "catgnp.exe"
    assert display_name("../a\0b\r\n.png") == "ab.png"
    assert display_name("x" * 10**6 + ".png", 15) == "xxxxxxx…xxx.png"

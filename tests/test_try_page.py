"""The page "Try it in the page" sees an image as Python does, answers as Python does, and says what it cannot do."""

import base64
import importlib
import io
import json
import subprocess
import sys
from pathlib import Path

import display_p3
import matplotlib
import numpy as np
import odd_files
import pytest
from built_book import FAINT_TEXT, LAPTOP, PHONE, ROOT, TOO_WIDE, Visit
from PIL import Image

from s12lib.data import image_files as images
from s12lib.data.image_files import ImageError, read_image

PAGE = "book/try.html"
FILES = "**/try/files.json"  # what `make site` has left
PHOTO = Path(matplotlib.__file__).parent / "mpl-data" / "sample_data" / "grace_hopper.jpg"
BUILT_WITHOUT = {}
BUILT_WITH = {"network": "no.onnx", "runtime": "no.mjs", "wasm": "no.wasm", "megabytes": 27}

pytestmark = pytest.mark.xdist_group("book")


# ---- before and without the network ----------------------------------------------------------------------------------


def test_a_book_without_the_network_says_how_to_get_it(visit_with):
    page = visit_with(BUILT_WITHOUT).page
    assert page.inner_text("#try").strip() == (
        "This copy of the book was built without the network. “make app” opens the app, which does the same and more; "
        "“make site” builds a copy with the network (it needs npm)."
    )


def test_the_page_opened_as_a_file_says_what_to_do(browser, html):
    page = browser.new_page()
    page.goto((html / PAGE).as_uri())
    page.wait_for_function("document.getElementById('try-status').textContent")
    said = page.inner_text("#try").strip()
    assert said.startswith("This page computes in your browser only when it is served: run “python3 -m http.server")
    assert said.count(". ") == 0
    page.close()


def test_nothing_is_loaded_before_the_click_and_its_size_is_stated(visit_with):
    visit = visit_with(BUILT_WITH)
    asked = []
    visit.page.on("request", lambda request: asked.append(request.url.rsplit("/", 1)[1]))
    assert visit.page.inner_text("#try-load") == "Load the network (27 MB)"
    visit.page.wait_for_timeout(300)
    assert asked == []
    visit.page.click("#try-load")
    visit.page.wait_for_function("document.getElementById('try-status').textContent.includes('could not be loaded')")
    assert asked == ["no.mjs"]
    assert visit.page.is_enabled("#try-load")  # to try again


# ---- the image -----------------------------------------------------------------------------------------------------

CALL = """async ([name, content]) => {
    const bytes = Uint8Array.from(atob(content), c => c.charCodeAt(0));
    try { return [...await readImage(new File([bytes], name))] } catch (error) { return error.message }
}"""


@pytest.fixture(scope="module")
def seen(browser, address):
    """What the page makes of a file: an array of pixels, or a sentence."""
    visit = Visit(browser, address, PAGE)

    def read(path):
        answer = visit.page.evaluate(CALL, [path.name, base64.b64encode(path.read_bytes()).decode()])
        return answer if isinstance(answer, str) else np.array(answer).reshape(32, 32, 3)

    yield read
    visit.context.close()


def photo(*size):
    image = Image.open(PHOTO)
    return image.resize(size) if size else image


def see_through():
    image = photo().convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    return image


LOSSLESS = {
    "photo.png": photo, "photo.bmp": photo, "photo.webp": photo, "palette.gif": lambda: photo().convert("P"),
    "grey.png": lambda: photo().convert("L"), "palette.png": lambda: photo().convert("P"),
    "wide.png": lambda: photo(701, 300), "tall.png": lambda: photo(301, 1000), "same.png": lambda: photo(32, 32),
    "almost.png": lambda: photo(33, 47), "small.png": lambda: photo(20, 25), "line.png": lambda: photo(1, 200),
    "dot.png": lambda: photo(1, 1), "large.png": lambda: photo(2003, 1501),
}  # fmt: skip


@pytest.mark.parametrize("name", LOSSLESS)
def test_the_page_sees_the_very_pixels_that_python_sees(name, seen, tmp_path):
    options = {"lossless": True} if name.endswith("webp") else {}
    LOSSLESS[name]().save(tmp_path / name, **options)
    assert np.array_equal(seen(tmp_path / name), read_image(tmp_path / name))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_taken_at_any_angle_is_seen_as_in_python(orientation, seen, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo().save(tmp_path / "photo.jpg", exif=exif, quality=95)
    expected = read_image(tmp_path / "photo.jpg").astype(int)
    assert np.abs(seen(tmp_path / "photo.jpg") - expected).max() <= 1  # decoders of JPEG may round differently


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_webp_is_turned_upright_as_in_python(orientation, seen, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo(301, 200).save(tmp_path / "photo.webp", exif=exif, lossless=True)
    assert np.array_equal(seen(tmp_path / "photo.webp"), read_image(tmp_path / "photo.webp"))


def test_a_phones_colours_are_seen_as_in_python(seen, tmp_path):
    photo().save(tmp_path / "p3.png", icc_profile=display_p3.profile())
    expected = read_image(tmp_path / "p3.png").astype(int)
    photo().save(tmp_path / "plain.png")
    assert np.abs(expected - read_image(tmp_path / "plain.png")).max() > 5
    photo().convert("L").save(tmp_path / "grey.png", icc_profile=display_p3.profile())
    for name in ("p3.png", "grey.png"):
        difference = seen(tmp_path / name) - read_image(tmp_path / name).astype(int)
        assert np.abs(difference).max() <= 2, name  # each rounds in its own way


def test_sixteen_bits_and_a_vast_profile_are_seen_as_in_python(seen, tmp_path):
    Image.fromarray(np.arange(64 * 64, dtype=np.uint16).reshape(64, 64) * 16).save(tmp_path / "deep.png")
    photo().save(tmp_path / "vast.png", icc_profile=bytes(2_000_000))
    for name in ("deep.png", "vast.png"):
        assert np.array_equal(seen(tmp_path / name), read_image(tmp_path / name)), name


def test_what_python_passes_over_is_passed_over_in_the_page(seen, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    for name, content in odd_files.passed_over(photo(120, 150), exif).items():
        (tmp_path / name).write_bytes(content)
        assert np.array_equal(seen(tmp_path / name), read_image(tmp_path / name)), name


def test_a_transparent_image_is_laid_on_white(seen, tmp_path):
    see_through().save(tmp_path / "a.png")
    assert np.abs(seen(tmp_path / "a.png") - read_image(tmp_path / "a.png").astype(int)).max() <= 1


def test_what_is_no_image_is_refused_in_the_same_words_as_in_python(seen, tmp_path):
    content = {
        "empty.png": b"", "poem.png": b"Roses are red.\n", "drawing.svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "cut.jpg": PHOTO.read_bytes()[:2000], "half.jpg": PHOTO.read_bytes()[:40_000], "cut.png": PNG[: len(PNG) // 2],
        "much.png": PNG + bytes(20_000_000),
    }  # fmt: skip
    for name, data in content.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ImageError) as refused:
            read_image(tmp_path / name)
        assert seen(tmp_path / name) == str(refused.value)


def test_too_many_pixels_are_refused_in_the_same_words_as_in_python(seen, tmp_path):
    Image.new("1", (8000, 6300)).save(tmp_path / "vast.png")
    assert images.MAX_PIXELS < 8000 * 6300
    with pytest.raises(ImageError) as refused:
        read_image(tmp_path / "vast.png")
    assert seen(tmp_path / "vast.png") == str(refused.value)


def png_of(image):
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


PNG = png_of(photo())


# ---- make site -------------------------------------------------------------------------------------------------------


@pytest.fixture
def browser_files(tmp_path, monkeypatch):
    """The module behind `make site`, with an empty cache of its own."""
    monkeypatch.syspath_prepend(ROOT / "book")
    module = importlib.import_module("browser_files")
    monkeypatch.setattr(module, "CACHE", tmp_path / "npm")
    return module


def test_without_npm_it_says_so(browser_files, monkeypatch, tmp_path):
    monkeypatch.setattr(browser_files.shutil, "which", lambda name: None)
    with pytest.raises(browser_files.SiteError, match=r"`make site` needs npm .*: install Node"):
        browser_files.put_into(tmp_path / "try")
    assert not (tmp_path / "try").exists()


def test_what_npm_says_when_it_fails_is_passed_on(browser_files, monkeypatch, tmp_path):
    failed = subprocess.CompletedProcess([], 1, "", "npm warn config\nnpm error network is unreachable\n")
    monkeypatch.setattr(browser_files.shutil, "which", lambda name: "npm")
    monkeypatch.setattr(browser_files.subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(browser_files.SiteError, match=r"could not fetch .* \(npm error network is unreachable\)"):
        browser_files.put_into(tmp_path / "try")
    assert not (tmp_path / "try").exists()


def test_an_archive_with_another_hash_is_deleted_and_nothing_of_it_is_used(browser_files, tmp_path):
    archive = tmp_path / "npm" / f"onnxruntime-web-{browser_files.ONNXRUNTIME.version}.tgz"
    archive.parent.mkdir()
    archive.write_bytes(b"something else")
    with pytest.raises(browser_files.SiteError, match="another hash than the one on record"):
        browser_files.put_into(tmp_path / "try")
    assert not archive.exists()
    assert not (tmp_path / "try").exists()


# ---- the whole page --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def site(html):
    """The built book with what `make site` puts into it, made here when it is missing or of other weights."""
    from s12lib.weights.pretrained import load_card

    folder = html / "_static" / "try"
    if json.loads((folder / "files.json").read_text()).get("sha256") != load_card()["sha256"]:
        command = [sys.executable, ROOT / "book" / "browser_files.py", folder.parent]
        made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        if made.returncode:
            pytest.skip(f"with the network in the page (make site: {made.stderr.strip()})")
    return html


@pytest.fixture(scope="module")
def loaded(site, browser, address):
    """The page with the network in it, loaded by keyboard alone."""
    visit = Visit(browser, address, PAGE)
    visit.page.locator("#try-load").focus()
    visit.page.keyboard.press("Enter")
    visit.page.wait_for_selector("#try-choose:visible")
    yield visit
    visit.context.close()


def answer_to(visit, path):
    """What the page computes for a file that is chosen in it: probabilities (10,) and heatmaps (10, 32, 32)."""
    visit.page.evaluate("tryPage.answer = null; document.getElementById('try-file').value = ''")  # as a click does
    visit.page.set_input_files("#try-file", path)
    visit.page.wait_for_function("tryPage.answer !== null && !document.getElementById('try-result').hidden")
    found = visit.page.evaluate("[tryPage.answer.probabilities, tryPage.answer.heatmaps.map(heat => [...heat])]")
    return np.array(found[0]), np.array(found[1]).reshape(-1, 32, 32)


def real_images(folder):
    """Photographs that come with installed packages and, where CIFAR-10 is available, some of its test set."""
    from s12lib.data.location import default_data_dir

    paths = [PHOTO, *sorted((ROOT / "s12lib" / "app" / "files").glob("*.jpg"))]
    npz = next((path for path in (default_data_dir(), ROOT / "data") if (path / "cifar10.npz").exists()), None)
    if npz is not None:
        for k, image in enumerate(np.load(npz / "cifar10.npz")["test_images"][:12]):
            Image.fromarray(image).save(folder / f"cifar{k}.png")
            paths.append(folder / f"cifar{k}.png")
    return paths


@pytest.mark.slow
def test_the_page_answers_as_python_does_on_real_images(loaded, tmp_path):
    from s12lib import gradcam, load_pretrained, predict

    network = load_pretrained()
    for path in real_images(tmp_path):
        probabilities, heatmaps = answer_to(loaded, path)
        image = read_image(path)
        assert np.abs(probabilities - predict(network, image)[0].numpy()).max() < 1e-3, path.name
        expected = gradcam(network, np.repeat(image[None], 10, axis=0), targets=range(10)).numpy()
        assert np.abs(heatmaps - expected).max() < 1e-3, path.name


@pytest.mark.slow
def test_the_page_shows_its_answer_and_any_class_by_keyboard(loaded):
    from s12lib import CLASSES

    probabilities, _ = answer_to(loaded, PHOTO)
    page = loaded.page
    best, second = np.argsort(probabilities)[::-1][:2]
    assert page.inner_text("#try-status") == f"{PHOTO.name}: {CLASSES[best]}, {100 * probabilities[best]:.1f} %."
    assert page.evaluate("document.getElementById('try-file').files[0].name") == PHOTO.name  # as the browser shows it
    assert page.inner_text("#try-caption").startswith(f"{CLASSES[best]}, ")
    before = page.evaluate("document.getElementById('try-heatmap').toDataURL()")
    page.locator("#try-file").focus()
    for _ in range(40):  # past the examples
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.name") == "try-class":
            break
    page.keyboard.press("ArrowDown")
    assert page.inner_text("#try-caption").startswith(f"{CLASSES[second]}, {100 * probabilities[second]:.1f} %")
    after = page.evaluate("document.getElementById('try-heatmap').toDataURL()")
    assert before != after
    page.keyboard.press("Tab")
    page.keyboard.press("Home")  # opacity 0: the image itself
    shown = page.evaluate("document.getElementById('try-heatmap').toDataURL()")
    assert shown == page.evaluate("document.getElementById('try-image').toDataURL()")
    page.keyboard.press("End")


@pytest.mark.slow
def test_a_bad_file_gets_its_sentence_and_the_next_good_one_its_answer(loaded, tmp_path):
    (tmp_path / "poem.png").write_text("Roses are red.\n")
    loaded.page.set_input_files("#try-file", tmp_path / "poem.png")
    loaded.page.wait_for_function("document.getElementById('try-status').textContent.startsWith('poem.png is not')")
    assert not loaded.page.is_visible("#try-result")
    assert answer_to(loaded, PHOTO)[0].sum() == pytest.approx(1)


@pytest.mark.slow
def test_an_image_may_be_dropped_and_an_example_be_taken(loaded, tmp_path):
    from s12lib.app.examples import FOLDER

    flower = FOLDER / "flower.jpg"
    chosen, _ = answer_to(loaded, flower)
    make = """content => {
        const data = new DataTransfer();
        data.items.add(new File([Uint8Array.from(atob(content), c => c.charCodeAt(0))], 'dropped.jpg'));
        return data;
    }"""
    dropped = loaded.page.evaluate_handle(make, base64.b64encode(flower.read_bytes()).decode())
    for do in (
        lambda: loaded.page.dispatch_event("h1", "drop", {"dataTransfer": dropped}),
        lambda: loaded.page.get_by_role("button", name="a flower").click(),
    ):
        loaded.page.evaluate("tryPage.answer = null")
        do()
        loaded.page.wait_for_function("tryPage.answer !== null")
        assert loaded.page.evaluate("tryPage.answer.probabilities") == chosen.tolist()
    assert "photograph by vultilion, CC BY 2.0" in loaded.page.inner_text("#try-credit")


@pytest.mark.slow
@pytest.mark.parametrize("width", [LAPTOP, PHONE])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_answer_can_be_read_in_light_and_dark_and_on_a_phone(loaded, scheme, width):
    answer_to(loaded, PHOTO)
    loaded.show(scheme, width)
    assert loaded.page.evaluate("document.documentElement.scrollWidth") <= width
    assert loaded.page.evaluate(TOO_WIDE) == []
    assert loaded.page.evaluate(FAINT_TEXT) == []


@pytest.mark.slow
def test_the_page_asked_no_other_host_and_needed_no_shared_memory(loaded):
    assert loaded.elsewhere == []
    assert loaded.errors == []
    assert loaded.page.evaluate("crossOriginIsolated") is False

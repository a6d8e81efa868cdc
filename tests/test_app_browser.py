"""The running app in Chromium: by mouse, by keyboard and on a phone, with nothing fetched from elsewhere."""

import base64
import json
import re
from urllib.parse import urlparse

import pytest
from app_cases import GOOD, OTHER, REFUSED_FILES
from built_book import PATIENCE

from s12lib.app.answers import MAX_IMAGES
from s12lib.app.familiarity import UNFAMILIAR
from s12lib.app.gate import BUSY
from s12lib.data.image_files import MAX_BYTES

pytestmark = pytest.mark.xdist_group("app")

PHONE = 390  # pixels
BOX = "#ask input[type=file]:not([capture])"  # Gradio's, and not the one for the camera
EVERY_FIELD = "input:not([type=hidden]):not([type=file]), button, select, textarea"
NAMELESS = f"""[...document.querySelectorAll('{EVERY_FIELD}')].filter(e => e.offsetParent && !(
    e.getAttribute('aria-label') || e.getAttribute('aria-labelledby') || e.title || e.innerText.trim() ||
    e.closest('label')?.innerText.trim() || (e.id && document.querySelector(`label[for="${{e.id}}"]`)) ||
    e.querySelector('img[alt]:not([alt=""])'))).map(e => e.outerHTML.slice(0, 200))"""


class Visitor:
    """Somebody with a browser window, who notes whatever it asks of other hosts and complains about."""

    def __init__(self, browser, address: str, **options) -> None:
        self.context = browser.new_context(**({"viewport": {"width": 1280, "height": 900}} | options))
        self.context.set_default_timeout(PATIENCE)
        self.page = self.context.new_page()
        self.complaints: list[str] = []
        self.elsewhere: list[str] = []
        self.page.on("console", lambda message: message.type == "error" and self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.note(request.url, address))
        self.page.goto(address)
        self.page.locator("article.answer").first.wait_for()
        self.page.locator(BOX).first.wait_for(state="attached")

    def note(self, url: str, address: str) -> None:
        if urlparse(url).netloc not in (urlparse(address).netloc, ""):
            self.elsewhere.append(url)

    def upload(self, name: str, content: bytes) -> None:
        file = {"name": name, "mimeType": "image/png", "buffer": content}
        self.page.locator(BOX).first.set_input_files(file)

    def sees(self, *beginnings: str) -> None:
        """Wait until the answers are these, by what the first line of each begins with."""
        self.page.wait_for_function(
            """beginnings => {
                const heads = [...document.querySelectorAll('#answer article h2')].map(head => head.innerText);
                return heads.length === beginnings.length && heads.every((head, k) => head.startsWith(beginnings[k]));
            }""",
            arg=list(beginnings),
        )

    def told(self) -> str:
        """What stands in the answer's place."""
        return self.page.locator("#answer .refused").inner_text()


@pytest.fixture
def visitor(browser, app):
    visitor = Visitor(browser, app.address)
    yield visitor
    visitor.context.close()


def test_an_image_is_uploaded_and_answered_without_asking_any_other_host(visitor):
    visitor.upload(*GOOD)
    visitor.sees(GOOD[0])
    assert visitor.page.locator("article.answer img").count() == 3
    visitor.page.get_by_role("tab", name="Mistakes").click()
    visitor.page.locator(".mistakes img").first.wait_for()
    assert visitor.page.locator("article.answer h2").first.inner_text()
    visitor.page.get_by_role("tab", name="Model card").click()
    visitor.page.get_by_text("Accuracy on the test set").wait_for()
    assert visitor.elsewhere == []
    assert visitor.complaints == []


def test_a_wrong_file_is_refused_in_one_sentence_and_the_next_image_works(visitor):
    visitor.upload(*REFUSED_FILES["text renamed .png"][0])
    said = visitor.told()
    assert said.startswith("Not possible. poem.png is not an image")
    assert not re.search(r"Traceback|/tmp|\.py", said)
    visitor.page.get_by_role("button", name="Clear").first.click()
    visitor.page.get_by_text("Upload an image or pick an example").wait_for()
    visitor.upload(*GOOD)
    visitor.sees(GOOD[0])
    assert visitor.page.locator("#answer .refused").count() == 0


def test_it_opens_with_an_answer_and_the_answer_follows_the_files(visitor):
    assert visitor.page.locator("article.answer h2").count() == 1
    files = [{"name": name, "mimeType": "image/png", "buffer": content} for name, content in (GOOD, OTHER)]
    visitor.page.locator(BOX).first.set_input_files(files)
    visitor.sees(GOOD[0], OTHER[0])
    visitor.page.locator("#ask button[aria-label*=emove]").first.click()
    visitor.sees(OTHER[0])
    visitor.page.get_by_role("button", name="noise").click()
    visitor.sees("noise")
    visitor.upload(*GOOD)
    visitor.sees(GOOD[0])


def test_a_class_is_asked_for_in_the_answer_and_settings_change_it_without_another_click(visitor):
    second = visitor.page.locator("#answer button[data-class]").nth(1)
    name = second.inner_text()
    second.click()
    pressed = visitor.page.locator(f"#answer button[data-class={name}][aria-pressed=true]")
    pressed.wait_for()
    visitor.page.wait_for_function("name => document.activeElement.dataset.class === name", arg=name)
    visitor.page.get_by_text(re.compile(f"(evidence for|nothing speaks for) {name}")).first.wait_for()
    visitor.page.get_by_role("button", name="Settings").click()
    count = visitor.page.locator("#shown input[type=number]").first
    count.fill("99")
    count.press("Tab")
    visitor.page.wait_for_function("document.querySelectorAll('#answer tr').length === 10")
    assert count.input_value() == "10"
    visitor.page.get_by_label("Class to explain").click()
    visitor.page.get_by_role("option", name="frog").click()
    visitor.page.locator("#answer button[data-class=frog][aria-pressed=true]").wait_for()


PASTE = """([name, content]) => {
    const data = new DataTransfer();
    data.items.add(new File([Uint8Array.from(atob(content), c => c.charCodeAt(0))], name, { type: 'image/png' }));
    document.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true }));
}"""


def test_an_image_may_be_pasted_and_heic_gets_a_word_of_advice(visitor):
    content = base64.b64encode(GOOD[1]).decode()
    visitor.page.evaluate(PASTE, ["pasted.png", content])
    visitor.sees("pasted.png")
    visitor.page.evaluate(PASTE, ["IMG_1.HEIC", content])
    assert "export it as JPEG" in visitor.page.locator("#notice").inner_text()
    visitor.sees("pasted.png")


def test_an_example_is_chosen_by_keyboard_alone_and_noise_is_warned_of(visitor):
    for _ in range(80):
        visitor.page.keyboard.press("Tab")
        if visitor.page.evaluate("document.activeElement.innerText.trim()") == "noise":
            break
    else:
        pytest.fail("the example cannot be reached with the Tab key")
    visitor.page.keyboard.press("Enter")
    visitor.sees("noise")
    assert UNFAMILIAR in visitor.page.locator("article.answer .warning").inner_text()


def test_a_screen_reader_has_a_name_for_every_control_and_hears_the_answer(visitor):
    assert visitor.page.evaluate(NAMELESS) == []
    assert visitor.page.locator("#answer [aria-live=polite], #answer[aria-live=polite]").count() == 1
    assert visitor.page.locator("html").get_attribute("lang") == "en"
    assert visitor.page.locator("article.answer img:not([alt])").count() == 0


def test_a_phone_shows_everything_within_its_width(browser, app):
    visitor = Visitor(browser, app.address, viewport={"width": PHONE, "height": 800}, color_scheme="dark")
    example = visitor.page.get_by_role("button", name="automobile")
    assert example.bounding_box()["y"] < 800, "the examples are seen without scrolling"
    visitor.page.get_by_role("button", name="a face").click()
    visitor.sees("a face")
    visitor.page.wait_for_function("Math.abs(document.querySelector('#answer').getBoundingClientRect().top) < 400")
    assert visitor.page.get_by_role("button", name="API").is_visible(), "the footer that the messages name"
    for tab in ("Mistakes", "Model card", "Try it"):
        visitor.page.get_by_role("tab", name=tab).click()
        visitor.page.wait_for_timeout(300)
        assert visitor.page.evaluate("document.documentElement.scrollWidth") <= PHONE, tab
    visitor.context.close()


def test_a_phone_offers_its_camera_and_a_desk_does_not(browser, app, visitor):
    assert not visitor.page.locator("#camera").is_visible()
    holder = Visitor(browser, app.address, viewport={"width": PHONE, "height": 800}, is_mobile=True, has_touch=True)
    assert holder.page.locator("#camera").is_visible()
    for names in (["first.png"], ["first.png", "second.png"]):
        photo = {"name": names[-1], "mimeType": "image/png", "buffer": GOOD[1]}
        holder.page.locator("#camera input").set_input_files(photo)
        holder.sees(*names)
    holder.page.get_by_role("button", name="Add images").wait_for()
    holder.context.close()


def test_an_image_that_comes_while_another_is_on_its_way_is_not_lost_in_silence(visitor):
    visitor.page.route("**/gradio_api/upload*", lambda route: None)  # an upload that never ends
    visitor.upload(*GOOD)
    visitor.page.locator(BOX).wait_for(state="detached")
    visitor.page.evaluate(PASTE, ["pasted.png", base64.b64encode(GOOD[1]).decode()])
    assert "Wait until the last image has arrived" in visitor.page.locator("#notice").inner_text()


def test_a_full_queue_is_answered_with_the_busy_sentence(visitor):
    def full(route) -> None:
        route.fulfill(status=503, content_type="application/json", body=json.dumps({"detail": BUSY, "error": BUSY}))

    visitor.page.route("**/gradio_api/queue/join*", full)
    visitor.upload(*GOOD)
    visitor.page.locator(".toast-body").get_by_text("busy").wait_for()
    assert visitor.page.locator(".toast-title").first.inner_text() == "Not possible"


def test_what_an_upload_is_refused_for_is_told_in_the_apps_own_words_and_the_box_stays_usable(visitor):
    many = [{"name": f"{k}.png", "mimeType": "image/png", "buffer": GOOD[1]} for k in range(MAX_IMAGES + 1)]
    visitor.page.locator("#ask input[type=file]").first.set_input_files(many)
    visitor.page.get_by_text("At most 8 images go at a time, but there are more.", exact=True).wait_for()
    visitor.upload("big.png", GOOD[1] + bytes(MAX_BYTES))
    visitor.page.get_by_text("big.png is larger than 20 MB: choose a smaller image.", exact=True).wait_for()
    titles = visitor.page.locator(".toast-title").all_inner_texts()
    assert set(titles) == {"Not possible"}
    visitor.upload(*GOOD)
    visitor.sees(GOOD[0])

"""The running app in Chromium: by mouse, by keyboard and on a phone, with nothing fetched from elsewhere."""

import json
import re
from urllib.parse import urlparse

import pytest
from app_cases import GOOD, REFUSED_FILES
from built_book import PATIENCE

from s12lib.app.render import UNFAMILIAR
from s12lib.app.server import BUSY

pytestmark = pytest.mark.xdist_group("app")

PHONE = 390  # pixels
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
        self.page.get_by_role("button", name="Explain", exact=True).wait_for()

    def note(self, url: str, address: str) -> None:
        if urlparse(url).netloc not in (urlparse(address).netloc, ""):
            self.elsewhere.append(url)

    def upload(self, name: str, content: bytes) -> None:
        file = {"name": name, "mimeType": "application/octet-stream", "buffer": content}
        self.page.locator("input[type=file]").first.set_input_files(file)

    def answer(self) -> str:
        """The first line of the answer, once there is one."""
        return self.page.locator("article.answer h3").first.inner_text()

    def told(self) -> str:
        """What the notice says that Gradio shows for an error."""
        return self.page.locator(".toast-text, .toast-body").first.inner_text()


@pytest.fixture
def visitor(browser, app):
    visitor = Visitor(browser, app.address)
    yield visitor
    visitor.context.close()


def test_a_picture_is_uploaded_and_answered_without_asking_any_other_host(visitor):
    visitor.upload(*GOOD)
    assert visitor.answer().startswith(GOOD[0])
    assert visitor.page.locator("article.answer img").count() == 2
    visitor.page.get_by_role("tab", name="Mistakes").click()
    visitor.page.locator(".mistakes img").first.wait_for()
    visitor.page.get_by_role("tab", name="Model card").click()
    visitor.page.get_by_text("Accuracy on the test set").wait_for()
    assert visitor.elsewhere == []
    assert visitor.complaints == []


def test_a_wrong_file_is_refused_in_one_sentence_and_the_next_picture_works(visitor):
    visitor.upload(*REFUSED_FILES["text renamed .png"][0])
    said = visitor.told()
    assert "poem.png is not a picture" in said
    assert not re.search(r"Traceback|/tmp|\.py", said)
    visitor.page.get_by_role("button", name="Clear").first.click()
    visitor.upload(*GOOD)
    assert visitor.answer().startswith(GOOD[0])


def test_settings_change_the_answer_without_another_click(visitor):
    visitor.upload(*GOOD)
    visitor.answer()
    for label, option in (("Layer whose evidence is drawn", "layer1"), ("Class to explain", "frog")):
        visitor.page.get_by_label(label).click()
        visitor.page.get_by_role("option", name=option).click()
    visitor.page.get_by_text("heat for frog (gradcam at layer1)").or_(
        visitor.page.get_by_text("nothing at layer1 speaks for frog")
    ).first.wait_for()


def test_an_example_is_chosen_by_keyboard_alone_and_noise_is_warned_of(visitor):
    for _ in range(80):
        visitor.page.keyboard.press("Tab")
        if visitor.page.evaluate("document.activeElement.innerText.trim()") == "noise":
            break
    else:
        pytest.fail("the example cannot be reached with the Tab key")
    visitor.page.keyboard.press("Enter")
    assert visitor.answer().startswith("noise.png")
    assert UNFAMILIAR in visitor.page.locator("article.answer .warning").inner_text()


def test_a_screen_reader_has_a_name_for_every_control_and_hears_the_answer(visitor):
    visitor.upload(*GOOD)
    visitor.answer()
    assert visitor.page.evaluate(NAMELESS) == []
    assert visitor.page.locator("#answer [aria-live=polite], #answer[aria-live=polite]").count() == 1
    assert visitor.page.locator("html").get_attribute("lang") == "en"
    assert visitor.page.locator("article.answer img:not([alt])").count() == 0


def test_a_phone_shows_everything_within_its_width(browser, app):
    visitor = Visitor(browser, app.address, viewport={"width": PHONE, "height": 800}, color_scheme="dark")
    visitor.page.get_by_role("button", name="a face").click()
    visitor.answer()
    visitor.page.wait_for_function("Math.abs(document.querySelector('#answer').getBoundingClientRect().top) < 400")
    for tab in ("Mistakes", "Model card", "Try it"):
        visitor.page.get_by_role("tab", name=tab).click()
        visitor.page.wait_for_timeout(300)
        assert visitor.page.evaluate("document.documentElement.scrollWidth") <= PHONE, tab
    visitor.context.close()


def test_a_full_queue_is_answered_with_the_busy_sentence(visitor):
    def full(route) -> None:
        route.fulfill(status=503, content_type="application/json", body=json.dumps({"detail": BUSY, "error": BUSY}))

    visitor.page.route("**/gradio_api/queue/join*", full)
    visitor.upload(*GOOD)
    assert "busy" in visitor.told()

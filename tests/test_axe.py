"""axe, the field's own list of what keeps people out, finds nothing in the app and in the book's kinds of pages."""

from contextlib import suppress

import pytest
from built_book import PATIENCE, Visit
from playwright.sync_api import TimeoutError

Axe = pytest.importorskip(
    "axe_playwright_python.sync_playwright", reason="by axe (pip install axe-playwright-python)"
).Axe

pytestmark = pytest.mark.xdist_group("app")  # one worker: one app

LAPTOP, PHONE = ("light", 1280), ("dark", 390)
THEMES_OWN = {"region"}  # the theme has the book's title beside its landmarks, not in one
SCROLLED_BY_KEYBOARD = """() => [...document.querySelectorAll('pre')].every(
    box => box.scrollWidth <= box.clientWidth || box.tabIndex === 0)"""
PAGES = ("book/results", "book/try", "lessons/05_gradcam")


def found(page) -> list[str]:
    """What axe complains of, a line a rule, with the first place where it is so."""
    violations = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [
        f"{each['id']}: {each['help']}: {each['nodes'][0]['html'][:200]}"
        for each in violations
        if each["id"] not in THEMES_OWN
    ]


@pytest.mark.parametrize(("scheme", "width"), [LAPTOP, PHONE])
def test_the_app(browser, app, scheme, width):
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto(app.address)
    page.locator("article.answer").first.wait_for()
    page.get_by_role("button", name="noise").click()
    page.locator("article.answer .warning").wait_for()
    for folded in ("Settings", "The same as data", "What the network answers"):
        page.get_by_role("button", name=folded).first.click()
    page.get_by_label("Class to explain").wait_for()
    page.locator("#shown .json-node").first.wait_for()
    assert found(page) == []
    for tab, seen in (("Mistakes", ".mistakes img"), ("Model card", ".card h2")):
        page.get_by_role("tab", name=tab).click()
        page.locator(seen).first.wait_for()
        assert found(page) == [], tab
    context.close()


@pytest.mark.parametrize("name", PAGES)
def test_the_book(browser, address, name):
    visit = Visit(browser, address, f"{name}.html")
    visit.page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    for scheme, width in (LAPTOP, PHONE):
        visit.show(scheme, width)
        with suppress(TimeoutError):  # the theme makes boxes that scroll tab stops, a while after the width has changed
            visit.page.wait_for_function(SCROLLED_BY_KEYBOARD, timeout=10_000)
        assert found(visit.page) == [], (scheme, width)
    visit.context.close()

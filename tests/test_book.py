"""Every page of the built book, as a reader's browser shows it: light and dark, on a laptop and on a phone."""

import re
from collections.abc import Iterator

import pytest
import yaml
from built_book import ALL_PAGES, FAINT_TEXT, LAPTOP, PAGES, PHONE, ROOT, TOO_WIDE, Visit, source_of

pytestmark = pytest.mark.xdist_group("book")  # one worker: one build, one browser


@pytest.fixture(scope="module", params=ALL_PAGES)
def visit(browser, address, request) -> Iterator[Visit]:
    visit = Visit(browser, address, f"{request.param}.html")
    visit.name = request.param
    yield visit
    visit.context.close()


def test_maths_is_rendered(visit):
    formulas = visit.page.locator("article .math").count()
    assert visit.page.locator("article .math mjx-container").count() >= formulas
    assert formulas or visit.name not in ("book/glossary", "lessons/05_gradcam"), "there are formulas on this page"
    assert visit.page.locator("mjx-merror").count() == 0


def test_images_are_there_and_described(visit):
    for image in visit.page.locator("article img").all():
        image.scroll_into_view_if_needed()
        source = image.get_attribute("src")
        assert (image.get_attribute("alt") or "").strip(), f"no alt text: {source}"
        assert image.evaluate("e => e.decode().then(() => e.naturalWidth, () => 0)") > 0, f"not shown: {source}"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_fits_a_phone(visit, scheme):
    visit.show(scheme, PHONE)
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= PHONE
    assert visit.page.evaluate(TOO_WIDE) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read(visit, scheme):
    visit.show(scheme, LAPTOP)
    assert visit.page.evaluate(FAINT_TEXT) == []


def test_figures_keep_a_light_ground_in_the_dark(visit):
    visit.show("dark", LAPTOP)
    for image in visit.page.locator("article img").all():
        assert image.evaluate("e => getComputedStyle(e).backgroundColor") == "rgb(255, 255, 255)"


def test_page_fetches_nothing_elsewhere_and_reports_no_error(visit):
    assert visit.elsewhere == []  # up to here, with all that was done to the page above
    assert visit.errors == []


def test_start_page_leads_to_the_introduction(browser, address):
    visit = Visit(browser, address, "index.html")
    visit.page.wait_for_url("**/book/intro.html")
    assert visit.elsewhere == []
    assert visit.errors == []
    visit.context.close()


def test_search_finds_a_term_without_help_from_elsewhere(browser, address):
    visit = Visit(browser, address, "search.html?q=calibration")
    visit.page.wait_for_selector("#search-results li")
    assert visit.elsewhere == []
    assert visit.errors == []
    visit.context.close()


# ---- without a browser -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_page_was_built(html, page):
    assert (html / f"{page}.html").stat().st_size > 1000


def test_pages_load_no_script_style_or_picture_from_elsewhere(html):
    loads = re.compile(r"<(?:script|img|iframe|link|source)\b[^>]*?(?:src|href)=[\"'](?:https?:)?//[^\"']+", re.I)
    for path in html.rglob("*.html"):
        assert not loads.findall(path.read_text("utf-8")), path
    for path in (html / "_static").rglob("*.css"):
        assert not re.search(r"url\(\s*[\"']?(?:https?:)?//", path.read_text("utf-8")), path


def test_lessons_in_the_toc_are_linked_from_the_map():
    introduction = source_of("book/intro").read_text("utf-8")
    for page in PAGES:
        if page.startswith("lessons/"):
            assert f"(../{source_of(page).relative_to(ROOT).as_posix()})" in introduction, f"{page} is not linked"


def test_launch_button_opens_the_lesson_in_the_configured_repository_and_without_one_there_is_none(html):
    repository = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))["repository"]
    base = repository["url"].replace("https://github.com/", "https://colab.research.google.com/github/")
    for page in PAGES:
        text = (html / f"{page}.html").read_text("utf-8")
        if "/OWNER/" in base:
            assert not re.search(r"(?:href|src)=\"[^\"]*OWNER", text), f"{page} leads to nobody's repository"
        elif page.startswith("lessons/"):
            link = f"{base}/blob/{repository['branch']}/{page}.ipynb"
            assert link in text, f"{page} has no button to {link}"


def test_every_lesson_is_in_the_toc():
    lessons = sorted(path.with_suffix("").relative_to(ROOT).as_posix() for path in ROOT.glob("lessons/*.ipynb"))
    assert [page for page in PAGES if page.startswith("lessons/")] == lessons


def test_the_networks_picture_has_the_networks_numbers():
    from s12lib.model import PageResNet

    picture = (ROOT / "book" / "_static" / "page_resnet.svg").read_text("utf-8")
    network = PageResNet()
    for _, part in network.named_children():
        assert f"{sum(parameter.numel() for parameter in part.parameters()):,} parameters" in picture
    assert f"{sum(parameter.numel() for parameter in network.parameters()):,} parameters in all" in picture

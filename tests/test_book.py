"""Every page of the built book, as a reader's browser shows it: light and dark, on a laptop and on a phone."""

import functools
import http.server
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlparse

import pytest
import yaml
from filelock import FileLock

ROOT = Path(__file__).resolve().parent.parent
HTML = ROOT / "_build" / "html"
PHONE, LAPTOP = 390, 1280
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

pytestmark = pytest.mark.xdist_group("book")  # one worker: one build, one browser


def pages_of_the_toc() -> list[str]:
    """The book's pages in the toc's order, without suffix."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))
    return [toc["root"], *(chapter["file"] for part in toc["parts"] for chapter in part["chapters"])]


def source_of(page: str) -> Path:
    """The file that a page is made from."""
    return next(path for suffix in (".md", ".ipynb") if (path := ROOT / f"{page}{suffix}").is_file())


def sources() -> list[Path]:
    """Everything that the built pages depend on."""
    assets = [path for path in (ROOT / "book").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return [ROOT / "_config.yml", ROOT / "_toc.yml", *assets, *map(source_of, PAGES)]


PAGES = pages_of_the_toc()
ALL_PAGES = [*PAGES, "search", "genindex"]


@pytest.fixture(scope="session")
def html(tmp_path_factory) -> Path:
    """The built book; it is built here when it is missing or older than its sources."""
    with FileLock(tmp_path_factory.getbasetemp().parent / "book.lock"):
        index = HTML / "index.html"
        if not index.is_file() or index.stat().st_mtime < max(path.stat().st_mtime for path in sources()):
            run = "from jupyter_book.cli.main import main; main()"
            options = ["--all", "-n", "-W", "--keep-going", "-q"]
            build = subprocess.run(
                [sys.executable, "-c", run, "build", ".", *options], cwd=ROOT, capture_output=True, text=True
            )
            assert build.returncode == 0, build.stdout + build.stderr
    return HTML


@pytest.fixture(scope="session")
def address(html: Path) -> Iterator[str]:
    """Where the built book is served, on this machine only."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(html)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def browser():
    """Debian's Chromium, else Playwright's own, else every test in a browser is skipped."""
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        found = shutil.which("chromium") or started.chromium.executable_path
        if not Path(found).is_file():
            pytest.skip("NO BROWSER: no page was looked at; install chromium (Debian) or: playwright install chromium")
        chromium = started.chromium.launch(executable_path=found, args=FLAGS)
        yield chromium
        chromium.close()


class Visit:
    """One page, opened, with everything that the browser asked for and complained about on the way."""

    def __init__(self, browser, address: str, page: str) -> None:
        self.context = browser.new_context(viewport={"width": LAPTOP, "height": 800})
        self.page = self.context.new_page()
        self.elsewhere: list[str] = []
        self.errors: list[str] = []
        self.page.on("console", lambda message: message.type == "error" and self.errors.append(message.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("response", lambda answer: answer.status >= 400 and self.errors.append(answer.url))
        self.page.route("**/*", self.note)
        self.address = address
        self.go(page)

    def go(self, page: str) -> None:
        self.page.goto(f"{self.address}/{page}", wait_until="networkidle")
        self.page.evaluate("window.MathJax?.startup?.promise")

    def show(self, scheme: str, width: int) -> None:
        """As a reader sees it whose system is light or dark and whose screen is so wide."""
        self.page.emulate_media(color_scheme=scheme)
        self.page.set_viewport_size({"width": width, "height": 800})
        self.page.wait_for_function(f"document.documentElement.dataset.theme == '{scheme}' && innerWidth == {width}")
        self.page.wait_for_timeout(400)  # the theme fades from one to the other

    def note(self, route) -> None:
        if urlparse(route.request.url).netloc == urlparse(self.address).netloc:
            route.continue_()
        else:
            self.elsewhere.append(route.request.url)
            route.abort()


@pytest.fixture(scope="module", params=ALL_PAGES)
def visit(browser, address, request) -> Iterator[Visit]:
    visit = Visit(browser, address, f"{request.param}.html")
    yield visit
    visit.context.close()


# What is drawn beyond the screen's right edge and is not inside a box that scrolls.
TOO_WIDE = """() => {
    const scrolls = e => e && e !== document.body && (
        ['auto', 'scroll', 'hidden'].includes(getComputedStyle(e).overflowX) || scrolls(e.parentElement));
    return [...document.querySelectorAll('article *')]
        .filter(e => e.getBoundingClientRect().right > innerWidth + 1 && e.getBoundingClientRect().width > 0)
        .filter(e => !scrolls(e.parentElement))
        .map(e => e.outerHTML.slice(0, 80));
}"""

# Text whose contrast to what is behind it is under 4.5, WCAG's least.
FAINT_TEXT = """() => {
    const rgb = text => text.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
        .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, k) => sum + v * [0.2126, 0.7152, 0.0722][k], 0);
    const ground = e => {
        for (; e; e = e.parentElement) {
            const colour = rgb(getComputedStyle(e).backgroundColor);
            if (colour.length < 4 || colour[3] > 0.9) return colour;
        }
        return [255, 255, 255];
    };
    const says = e => [...e.childNodes].some(n => n.nodeType === Node.TEXT_NODE && n.data.trim());
    return [...document.querySelectorAll('article *:not(.headerlink, mjx-container *, svg *, script, style)')]
        .filter(e => says(e) && e.checkVisibility({visibilityProperty: true}))
        .map(e => [light(rgb(getComputedStyle(e).color)), light(ground(e)), e])
        .map(([a, b, e]) => [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), e.innerText.slice(0, 40)])
        .filter(([contrast]) => contrast < 4.5);
}"""


def test_maths_is_rendered(visit):
    formulas = visit.page.locator("article .math").count()
    assert visit.page.locator("article .math mjx-container").count() >= formulas
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


def test_launch_button_opens_the_lesson_in_the_configured_repository(html):
    repository = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))["repository"]
    base = repository["url"].replace("https://github.com/", "https://colab.research.google.com/github/")
    for page in PAGES:
        if page.startswith("lessons/"):
            link = f"{base}/blob/{repository['branch']}/{page}.ipynb"
            assert link in (html / f"{page}.html").read_text("utf-8"), f"{page} has no button to {link}"


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

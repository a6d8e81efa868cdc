"""The built book: its pages, how it is built when it is not there, and a visit to one of its pages in a browser."""

import subprocess
import sys
from pathlib import Path
from urllib.parse import urlparse

import yaml

ROOT = Path(__file__).resolve().parent.parent
HTML = ROOT / "_build" / "html"
PHONE, LAPTOP = 390, 1280
PATIENCE = 600_000  # milliseconds until a page counts as hanging; a test machine may be busy


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
    return [ROOT / "_config.yml", ROOT / "_toc.yml", ROOT / "requirements.lock", *assets, *map(source_of, PAGES)]


PAGES = pages_of_the_toc()
ALL_PAGES = [*PAGES, "search", "genindex"]


def build_when_stale() -> None:
    """Build the book when it is missing or older than its sources."""
    index = HTML / "index.html"
    if not index.is_file() or index.stat().st_mtime < max(path.stat().st_mtime for path in sources()):
        run = "from jupyter_book.cli.main import main; main()"
        options = ["--all", "-n", "-W", "--keep-going", "-q"]
        build = subprocess.run(
            [sys.executable, "-c", run, "build", ".", *options], cwd=ROOT, capture_output=True, text=True
        )
        assert build.returncode == 0, build.stdout + build.stderr


class Visit:
    """One page, opened, with everything that the browser asked for and complained about on the way."""

    def __init__(self, browser, address: str, page: str) -> None:
        self.context = browser.new_context(viewport={"width": LAPTOP, "height": 800})
        self.context.set_default_timeout(PATIENCE)
        self.page = self.context.new_page()
        self.elsewhere: list[str] = []
        self.errors: list[str] = []
        self.weight = 0
        self.page.on("console", lambda message: message.type == "error" and self.errors.append(message.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("response", lambda answer: answer.status >= 400 and self.errors.append(answer.url))
        self.page.on("response", self.weigh)
        self.page.route("**/*", self.note)
        self.address = address
        self.go(page)
        self.first_view = self.weight

    def weigh(self, answer) -> None:
        self.weight += int(answer.headers.get("content-length", 0))

    def go(self, page: str) -> None:
        self.page.goto(f"{self.address}/{page}", wait_until="networkidle")
        still = "* { transition: none !important; animation: none !important }"  # what fades in has little contrast yet
        self.page.add_style_tag(content=still)

    def show(self, scheme: str, width: int) -> None:
        """As a reader sees it whose system is light or dark and whose screen is so wide."""
        self.page.emulate_media(color_scheme=scheme)
        self.page.set_viewport_size({"width": width, "height": 800})
        self.page.wait_for_function(f"document.documentElement.dataset.theme == '{scheme}' && innerWidth == {width}")

    def note(self, route) -> None:
        if urlparse(route.request.url).netloc == urlparse(self.address).netloc:
            route.continue_()
        else:
            self.elsewhere.append(route.request.url)
            route.abort()


# What is drawn beyond the screen's right edge and is not inside a box that scrolls.
TOO_WIDE = """() => {
    const scrolls = e => e && e !== document.body && (
        ['auto', 'scroll', 'hidden'].includes(getComputedStyle(e).overflowX) || scrolls(e.parentElement));
    return [...document.querySelectorAll('article *')]
        .filter(e => e.getBoundingClientRect().right > innerWidth + 1 && e.getBoundingClientRect().width > 0)
        .filter(e => !scrolls(e.parentElement))
        .map(e => e.outerHTML.slice(0, 80));
}"""

# Code, output and tables that a reader would have to scroll sideways.
CUT_OFF = """() => [...document.querySelectorAll('article pre, article table')]
    .filter(e => e.checkVisibility() && e.scrollWidth > e.clientWidth + 1)
    .map(e => e.textContent.trim().slice(0, 80))"""

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

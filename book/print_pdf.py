"""Print the built book as one PDF, with headless Chromium: ``make pdf``.

The pages are joined in the order of ``_toc.yml`` into one HTML file; everything folded is open, formulas are set.
"""

import functools
import http.server
import re
import shutil
import sys
import threading
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
LEFT_OUT = {"book/try"}  # it computes in a browser; on paper it is an empty box
SCALE = 0.75  # 16 pixels of the page become 9 points of paper, a printed book's size
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu"]


def chapters() -> list[str]:
    """The book's pages in order, without suffix."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))
    pages = [toc["root"], *(chapter["file"] for part in toc["parts"] for chapter in part["chapters"])]
    return [page for page in pages if page not in LEFT_OUT]


def article(html: str, page: str) -> str:
    """A page's article, its images and ids made those of a page at the root of the site, where all come together."""
    body = html[html.index("<article") : html.index("</article>") + len("</article>")]
    folder = page.rpartition("/")[0]
    body = re.sub(r'(src|href)="\.\./', r'\1="', body)
    body = re.sub(r'href="([\w-]+\.html)', rf'href="{folder}/\1', body)
    names = "|".join(map(re.escape, chapters()))
    body = re.sub(rf'href="({names})\.html(?:#[^"]*)?"', lambda link: f'href="#{link[1].replace("/", "-")}"', body)
    return f'<div id="{page.replace("/", "-")}" class="chapter">{body.replace(" loading=", " data-loading=")}</div>'


def joined(site: Path) -> str:
    """One HTML page that holds all of them."""
    pages = chapters()
    first = (site / f"{pages[0]}.html").read_text("utf-8")
    head = re.sub(r'(src|href|content)="\.\./', r'\1="', first[: first.index("</head>")])
    style = "<style>.chapter{break-before:page}.headerlink{display:none}.only-dark{display:none!important}</style>"
    maths = '<meta name="mathjax" content="_static/mathjax/tex-mml-chtml.js">'
    parts = "\n".join(article((site / f"{page}.html").read_text("utf-8"), page) for page in pages)
    return f'{head}{style}{maths}</head><body><main class="bd-article bd-content">{parts}</main></body></html>'


def print_book(site: Path, target: Path) -> None:
    """Write the PDF. Raises RuntimeError without a browser."""
    from playwright.sync_api import sync_playwright

    page_file = site / "_print.html"
    page_file.write_text(joined(site), "utf-8")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with sync_playwright() as started:
            found = shutil.which("chromium") or started.chromium.executable_path
            if not Path(found).is_file():
                raise RuntimeError("make pdf needs Chromium: apt-get install chromium, or .venv/bin/playwright install")
            browser = started.chromium.launch(executable_path=found, args=FLAGS)
            page = browser.new_page(color_scheme="light")
            page.goto(f"http://127.0.0.1:{server.server_port}/_print.html", wait_until="networkidle", timeout=120_000)
            page.evaluate("dispatchEvent(new Event('beforeprint'))")  # opens what is folded, and loads MathJax
            page.wait_for_function("window.MathJax?.startup?.promise", timeout=60_000)
            page.evaluate("window.MathJax.startup.promise")
            page.wait_for_load_state("networkidle")
            margins = dict.fromkeys(("top", "bottom", "left", "right"), "16mm")
            page.pdf(path=target, format="A4", scale=SCALE, margin=margins, outline=True, tagged=True)
            browser.close()
    finally:
        server.shutdown()
        server.server_close()
        page_file.unlink()


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A server that says nothing."""

    def log_message(self, *args: object) -> None:
        pass


if __name__ == "__main__":
    try:
        print_book(Path(sys.argv[1]), Path(sys.argv[2]))
        print(f"The book is in {Path(sys.argv[2]).resolve()}")
    except (RuntimeError, OSError) as error:
        print(error, file=sys.stderr)
        sys.exit(2)

"""Sphinx extension: a page loads what its first view needs, and no more.

- MathJax (1.2 MB) is loaded by course.js when the reader comes near the first formula;
- of Font Awesome's 2,000 icons (1.5 MB), those that some page shows are kept;
- images are loaded when they are about to be seen, and their place is kept until then;
- source maps, which only serve whoever works on the theme, are left out.
"""

import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from docutils import nodes
from PIL import Image
from sphinx.application import Sphinx

IMAGE = re.compile(r"<img [^>]*>")
ICON = re.compile(r'"?(?P<name>[\w-]+)"?:\[\d+,\d+,\[(?P<aliases>[^\]]*)\],"[0-9a-f]+",(?:"[^"]*"|\[[^\]]*\])\],?')


def postpone(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None) -> None:
    """Hand MathJax over to course.js, mark images to be loaded late, and say how large each will be."""
    scripts = context.get("script_files", [])
    maths = [script for script in scripts if app.config.mathjax_path in str(getattr(script, "filename", script))]
    if maths:
        context["script_files"] = [script for script in scripts if script not in maths]
        source = context["pathto"](f"_static/{app.config.mathjax_path}", resource=True)
        context["metatags"] = f'{context.get("metatags", "")}\n<meta name="mathjax" content="{source}">'
    if "body" in context:
        sources = {name: Path(app.srcdir, path) for path, name in app.builder.images.items()}
        context["body"] = IMAGE.sub(lambda image: f"<img {late(image[0], sources)}{image[0][5:]}", context["body"])


def late(image: str, sources: dict[str, Path]) -> str:
    """The attributes that an ``<img>`` of the page still needs."""
    source = sources.get(unquote(re.search(r'src="(?:[^"]*/)?([^"/]*)"', image)[1]))
    wanted = {"loading": "lazy", "decoding": "async"}
    if source and source.suffix != ".svg" and not re.search(r"\b(width|height|style)=", image):
        with Image.open(source) as opened:
            wanted |= zip(("width", "height"), map(str, opened.size), strict=True)
    return "".join(f'{name}="{value}" ' for name, value in wanted.items() if f" {name}=" not in image)


def drop_unused(app: Sphinx, error: Exception | None) -> None:
    """Take out of the built site what no page uses."""
    if error or app.builder.name != "html":
        return
    site = Path(app.outdir)
    readers = [*site.rglob("*.html"), *site.glob("_static/**/*.js")]
    icons = site / "_static/scripts/fontawesome.js"
    used = {
        name
        for path in readers
        if path != icons
        for name in re.findall(r"\bfa-([a-z0-9-]+)", path.read_text("utf-8", "replace"))
    }

    def keep(icon: re.Match[str]) -> str:
        names = {icon["name"], *re.findall(r'"([\w-]+)"', icon["aliases"])}
        return icon[0] if names & used else ""

    icons.write_text(ICON.sub(keep, icons.read_text("utf-8")), "utf-8")
    for path in site.glob("_static/**/*.map"):
        path.unlink()


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("html-page-context", postpone, priority=900)
    app.connect("build-finished", drop_unused)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

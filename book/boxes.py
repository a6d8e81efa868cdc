"""Sphinx extension: the boxes of a lesson, made from plain Markdown that Jupyter and Colab show as it is.

| in the notebook                                                  | in the book                                   |
|------------------------------------------------------------------|-----------------------------------------------|
| a block quote that begins with **Predict first.**                | a box; its ``<!-- guess: 27.4 % -->``, a field |
| a code cell tagged ``reveal``, and all to the next **Finding.**  | folded, open in print and without JavaScript  |
| a block quote that begins with **Finding.**                      | a box                                         |
| ``### Exercise: …`` and all to the end of its solution           | a box around all of it                        |

``lessons/README.md`` says how a lesson writes them.
"""

import html
import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import SphinxError
from sphinx.transforms import SphinxTransform

KINDS = {"Predict first.": "predict", "Finding.": "finding"}
GUESS = re.compile(r"<!-- *guess: *(?P<truth>-?[\d.,]+) *(?P<unit>[^;]*?) *-->")


class reveal(nodes.General, nodes.Element):
    """What a reader opens after predicting."""


class MakeBoxes(SphinxTransform):
    """Give block quotes their kind, and put reveals and exercises into boxes."""

    default_priority = 870

    def apply(self, **kwargs: Any) -> None:
        if not self.env.docname.startswith("lessons/"):
            return
        for quote in list(self.document.findall(nodes.block_quote)):
            kind = KINDS.get(first_words(quote))
            if kind:
                quote["classes"].append(kind)
        for raw in list(self.document.findall(nodes.raw)):
            raw.replace_self(nodes.raw("", GUESS.sub(field, raw.astext()), format="html"))
        for cell in list(self.document.findall(nodes.container)):
            if "tag_reveal" in cell["classes"]:
                fold(cell, self.env.docname)
        for section in list(self.document.findall(nodes.section)):
            if section[0].astext().startswith("Exercise"):
                box_exercise(section)


def first_words(quote: nodes.Element) -> str:
    """The text in bold at the beginning of a block quote, if there is any."""
    inline = [part for part in quote[0].children if part.astext()] if quote.children else []
    return inline[0].astext() if inline and isinstance(inline[0], nodes.strong) else ""


def field(found: re.Match[str]) -> str:
    """Where course.js puts a field for a guess; empty without JavaScript."""
    truth, unit = (html.escape(found[key].strip()) for key in ("truth", "unit"))
    return f'<div class="guess" data-truth="{truth.replace(",", "")}" data-unit="{unit}"></div>'


def fold(cell: nodes.container, page: str) -> None:
    """Fold a cell's output (all of a cell whose code is folded) and what follows, up to the next finding."""
    parent, folded = cell.parent, reveal()
    at = parent.index(cell)
    if "tag_hide-input" in cell["classes"]:
        parent.remove(cell)
        folded += cell
    else:
        outputs = [part for part in cell if part.get("nb_element") == "cell_code_output"]
        if not outputs:
            raise SphinxError(f"{page}: a cell tagged reveal puts nothing out: {cell.astext()[:200]}")
        cell.remove(outputs[0])
        folded += nodes.container("", outputs[0], classes=["cell"])
        at += 1
    while at < len(parent) and not isinstance(parent[at], nodes.section):
        following = parent.pop(at)
        folded += following
        if "finding" in following.get("classes", []):
            parent.insert(at, folded)
            return
    raise SphinxError(f"{page}: no **Finding.** follows what a reader reveals: {folded.astext()[:200]}")


def box_exercise(section: nodes.section) -> None:
    """Box all that follows an exercise's heading, up to the end of its folded solution."""
    box, inside = nodes.container(classes=["exercise"]), False
    while len(section) > 1 and not isinstance(section[1], nodes.section):
        following = section.pop(1)
        box += following
        inside = inside or "<summary>Solution</summary>" in following.astext()
        if inside and isinstance(following, nodes.raw) and following.astext().rstrip().endswith("</details>"):
            break
    section["classes"].append("has-exercise")
    section.insert(1, box)


def open_reveal(translator: Any, node: reveal) -> None:
    translator.body.append('<details class="reveal" open>\n<summary>Reveal</summary>\n')


def close_reveal(translator: Any, node: reveal) -> None:
    translator.body.append("</details>\n")


def pass_over(translator: Any, node: reveal) -> None:
    """Other builders show what is inside."""


def offer_anchors(app: Sphinx, doctree: nodes.document) -> None:
    """Let a Markdown link lead to anything with an id, such as ``glossary.md#term-seed``, and not to headings only."""
    anchors = app.env.metadata[app.env.docname].setdefault("myst_slugs", {})
    for node in doctree.findall(nodes.Element):
        for name in node.get("ids", []):
            anchors.setdefault(name, (node.line, name, node.astext()))


def setup(app: Sphinx) -> dict[str, Any]:
    others = dict.fromkeys(("latex", "text", "man", "texinfo"), (pass_over, pass_over))
    app.add_node(reveal, html=(open_reveal, close_reveal), **others)
    app.add_transform(MakeBoxes)
    app.connect("doctree-read", offer_anchors)
    app.add_js_file("course.js", loading_method="defer")
    app.add_js_file(None, body=EARLY, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


# In the page's head, so that nothing is seen before it is folded; without JavaScript all stays open. The theme is set
# as early, so that of a figure's two versions only the one that is shown is loaded.
EARLY = """
if (document.documentElement.dataset.theme === "auto") {
  document.documentElement.dataset.theme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}
document.documentElement.classList.add("folding");
document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll("details.reveal").forEach((each) => { each.open = false; });
  document.documentElement.classList.remove("folding");
});
"""

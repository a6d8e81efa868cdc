"""Show a verdict in words, and store it in the cell's output as data beside them.

In a notebook the output holds three forms of the same: plain text, HTML to which ``progress`` links, and JSON of the
type :data:`VERDICT`, which ``s12 progress`` and ``s12 grade`` read. Outside a notebook the text is printed.
"""

import html
import sys
import textwrap
from dataclasses import asdict, dataclass
from typing import Any

from s12lib.errors import printable

VERDICT = "application/vnd.page-resnet.verdict+json"
COLORS = {"PASS": "#2e8b57", "TRY AGAIN": "#d2691e", "TO DO": "#808080"}  # of a border: words say the same


@dataclass(frozen=True)
class Checked:
    """A verdict as it is stored: the exercise, ``PASS``, ``TRY AGAIN`` or ``TO DO``, and what the reader was told."""

    exercise: str
    status: str
    words: str

    @property
    def text(self) -> str:
        return f"{self.status}: {self.exercise}. {self.words}"


def say(text: str) -> None:
    """Print a text in lines of at most 80 characters."""
    print(printable(wrapped(text)))


def wrapped(text: str) -> str:
    return textwrap.fill(text.strip(), 80, break_long_words=False, break_on_hyphens=False)


def show(checked: Checked) -> None:
    """Show a verdict, and store it."""
    _display(bundle_of(checked))


def bundle_of(checked: Checked) -> dict[str, Any]:
    """A verdict in the three forms that a cell's output holds, by their types."""
    anchor = f' id="exercise-{html.escape(checked.exercise)}"'
    box = _box(html.escape(checked.text), COLORS[checked.status], anchor)
    return {"text/plain": wrapped(checked.text), "text/html": box, VERDICT: asdict(checked)}


def show_progress(checked: dict[str, str]) -> None:
    """Show how many of these exercises are solved, and link to the verdicts of those that are open."""
    _display(progress_bundle(checked))


def progress_bundle(checked: dict[str, str]) -> dict[str, Any]:
    """What ``show_progress`` shows, by type."""
    open_ones = [name for name, status in checked.items() if status != "PASS"]
    words = count(len(checked) - len(open_ones), len(checked))
    links = [f'<a href="#exercise-{html.escape(name)}">{html.escape(name)}</a>' for name in open_ones]
    color = COLORS["TO DO" if open_ones or not checked else "PASS"]
    text, linked = (f"{words} Open: {', '.join(each)}." if open_ones else words for each in (open_ones, links))
    return {"text/plain": wrapped(text), "text/html": _box(linked, color)}


def count(solved: int, all_of_them: int) -> str:
    """How many exercises are solved, in a sentence."""
    if not all_of_them:
        return "No exercise has been checked yet: run the cells above."
    return f"{solved} of {all_of_them} exercises solved." + (" Well done." if solved == all_of_them else "")


def _box(content: str, color: str, anchor: str = "") -> str:
    return f'<div{anchor} style="border-left: 4px solid {color}; padding-left: 10px">{content}</div>'


def _display(bundle: dict[str, Any]) -> None:
    if _in_notebook():
        from IPython.display import display

        display(bundle, raw=True)
    else:
        print(printable(bundle["text/plain"]))


def _in_notebook() -> bool:
    """Whether a notebook's kernel runs this; a terminal's IPython shows text only."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and getattr(shell, "kernel", None) is not None

"""What the app shows, as HTML that stands on its own: every picture inside it, with a text for who cannot see it."""

import base64
import io
from collections.abc import Sequence
from html import escape

import matplotlib as mpl
import numpy as np
from PIL import Image

from s12lib.app.answers import Answer, Settings
from s12lib.app.examples import FOLDER, Mistake, percent
from s12lib.viz.heatmaps import hottest_place

SIDE = 192  # pixels a side: 6 × 32, so that each of the network's pixels is a square of 6 × 6

UNFAMILIAR = (
    "This picture is unlike those that the network was trained on, so its answer means little: it has to name one of "
    "its classes, whatever it is shown."
)

CSS = """
#try { display: grid; gap: 1rem; grid-template: "ask answer" auto "settings answer" 1fr / 2fr 3fr; }
#ask { grid-area: ask; } #shown { grid-area: answer; } #settings { grid-area: settings; }
#ask, #shown, #settings { min-width: 0 !important; }
@media (max-width: 700px) { #try { grid-template: "ask" auto "answer" auto "settings" auto / 1fr; } }
.answers, .mistakes { display: flex; flex-wrap: wrap; gap: 1rem; }
.answer { flex: 1 1 16rem; min-width: 0; border: 1px solid var(--border-color-primary); border-radius: 8px;
  padding: 1rem; background: var(--background-fill-primary); color: var(--body-text-color); }
.answer h3 { margin: 0 0 .5rem; font-size: 1.05rem; overflow-wrap: anywhere; }
.answer .seen { display: flex; flex-wrap: wrap; gap: .75rem; }
.answer figure, .mistakes figure { margin: 0; max-width: 100%; }
.answer figcaption { font-size: .85rem; color: var(--body-text-color); width: 192px; margin-top: .25rem; }
.mistakes figcaption { font-size: .85rem; color: var(--body-text-color); width: 0; min-width: 100%; }
.answer img { width: 192px; height: 192px; image-rendering: pixelated; border-radius: 4px; }
.mistakes img { max-width: 100%; border-radius: 4px; }
.answer table { width: 100%; border-collapse: collapse; margin: .75rem 0 0; }
.answer caption { text-align: left; font-size: .85rem; color: var(--body-text-color); padding-bottom: .25rem; }
.answer table, .card table { border: none !important; }
.answer tr, .answer th, .answer td { border: none !important; padding: .15rem 0 !important; }
.answer th { text-align: left; font-weight: 400; width: 6.5rem; }
.answer td.number { text-align: right; width: 5rem; white-space: nowrap; font-variant-numeric: tabular-nums; }
.answer tr:first-of-type th, .answer tr:first-of-type td { font-weight: 600; }
.bar { height: .8rem; background: #0072B2; border-radius: 2px; min-width: 1px; }
.warning { border-left: 4px solid #D55E00; padding: .25rem .75rem; margin: 0 0 .75rem; }
.examples { gap: .5rem; }
.examples button { flex: 1 1 5.5rem; min-width: 5.5rem !important; max-width: 8rem; flex-direction: column;
  justify-content: flex-start; }
.examples button img { width: 64px; height: 64px; object-fit: cover; border-radius: 4px; margin: 0; }
.card table { width: auto; max-width: 100%; border-collapse: collapse; }
.card tr, .card th, .card td { border: solid var(--border-color-primary) !important; border-width: 0 0 1px !important; }
.card th, .card td { text-align: left; vertical-align: top; padding: .3rem 1.5rem .3rem 0 !important; }
.card th { font-weight: 600; min-width: 7rem; } .card td { overflow-wrap: anywhere; }
"""


def png_address(pixels: np.ndarray) -> str:
    """``(H, W, 3)`` uint8 RGB → the picture as a data address."""
    with io.BytesIO() as file:
        Image.fromarray(pixels).save(file, "PNG", optimize=True)
        return data_address(file.getvalue())


def with_heat(image: np.ndarray, heat: np.ndarray, opacity: float, side: int = SIDE) -> np.ndarray:
    """A heatmap over its picture: ``(32, 32, 3)`` uint8 and ``(32, 32)`` in [0, 1] → ``(side, side, 3)`` uint8.

    The course's colours for heat (inferno), as opaque everywhere as ``opacity`` in [0, 1] says.
    """
    colours = mpl.colormaps["inferno"](heat)[..., :3] * 255
    blended = (1 - opacity) * image + opacity * colours
    return enlarged(np.rint(blended).astype(np.uint8), side)


def enlarged(image: np.ndarray, side: int = SIDE) -> np.ndarray:
    """``(32, 32, 3)`` → ``(side, side, 3)``, each pixel a square; ``side`` is a multiple of 32."""
    return image.repeat(side // 32, axis=0).repeat(side // 32, axis=1)


def answers_html(answers: Sequence[Answer], settings: Settings) -> str:
    """A card for each picture: what the network saw, the heatmap, the likeliest classes, and a warning if need be."""
    return f'<div class="answers">{"".join(_card(answer, settings) for answer in answers)}</div>'


def _card(answer: Answer, settings: Settings) -> str:
    best, probability = answer.top[0]
    warning = "" if answer.familiar in (None, True) else f'<p class="warning">{UNFAMILIAR}</p>'
    where = hottest_place(answer.heat)
    heat = f"heat for {answer.target} ({settings.method} at {settings.layer}), hottest {where}"
    if where == "nowhere":
        heat = f"nothing at {settings.layer} speaks for {answer.target} ({settings.method})"
    seen = _figure(answer.image, "the picture as the network sees it: 32 × 32 pixels")
    felt = _figure(with_heat(answer.image, answer.heat, settings.opacity, 32), heat)
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td><div class="bar" style="width:{100 * p:.2f}%"></div></td>'
        f'<td class="number">{percent(p)}</td></tr>'
        for name, p in answer.top
    )
    return (
        f'<article class="answer"><h3>{escape(shortened(answer.name))}: {escape(best)}, {percent(probability)}</h3>'
        f'{warning}<div class="seen">{seen}{felt}</div>'
        f"<table><caption>The likeliest classes and their probabilities</caption>{rows}</table></article>"
    )


def mistakes_html(mistakes: Sequence[Mistake], with_heat: bool) -> str:
    """The figures of mistakes, each with its caption and its text for who cannot see it."""
    figures = "".join(
        f'<figure><img src="{data_address((FOLDER / (m.heatmaps if with_heat else m.picture)).read_bytes())}" '
        f'alt="{escape(m.alt(with_heat))}"><figcaption>{escape(m.told)}</figcaption></figure>'
        for m in mistakes
    )
    return f'<div class="mistakes">{figures}</div>'


def data_address(png: bytes) -> str:
    """A PNG as a data address, so that nothing else need be fetched."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def _figure(image: np.ndarray, words: str) -> str:
    words = escape(words)
    return f'<figure><img src="{png_address(image)}" alt="{words}"><figcaption>{words}</figcaption></figure>'


def shortened(name: str, most: int = 40) -> str:
    return name if len(name) <= most else f"{name[: most - 12]}…{name[-11:]}"

"""What the app shows, as HTML that stands on its own: every picture inside it, with a text for who cannot see it."""

import base64
import io
from collections.abc import Sequence
from html import escape

import matplotlib as mpl
import numpy as np
from PIL import Image

from s12lib.app_answers import Answer, Settings
from s12lib.viz_heatmaps import _place

SIDE = 192  # pixels a side: 6 × 32, so that each of the network's pixels is a square of 6 × 6

UNFAMILIAR = (
    "This picture is unlike those that the network was trained on, so its answer means little: it has to name one of "
    "its ten classes, whatever it is shown."
)

CSS = """
.answers, .mistakes { display: flex; flex-wrap: wrap; gap: 1rem; }
.answer { flex: 1 1 20rem; max-width: 44rem; border: 1px solid var(--border-color-primary); border-radius: 8px;
  padding: 1rem; background: var(--background-fill-primary); color: var(--body-text-color); }
.answer h3 { margin: 0 0 .5rem; font-size: 1.05rem; overflow-wrap: anywhere; }
.answer .seen { display: flex; flex-wrap: wrap; gap: .75rem; }
.answer figure, .mistakes figure { margin: 0; max-width: 100%; }
.answer figcaption, .mistakes figcaption { font-size: .85rem; color: var(--body-text-color-subdued); max-width: 192px; }
.answer img { width: 192px; height: 192px; image-rendering: pixelated; border-radius: 4px; }
.mistakes img { max-width: 100%; border-radius: 4px; }
.answer table { width: 100%; border-collapse: collapse; margin-top: .75rem; }
.answer caption { text-align: left; font-size: .85rem; color: var(--body-text-color-subdued); }
.answer th { text-align: left; font-weight: 400; width: 6.5rem; }
.answer td.number { text-align: right; width: 4.5rem; font-variant-numeric: tabular-nums; }
.answer tr:first-of-type th, .answer tr:first-of-type td { font-weight: 600; }
.bar { height: .8rem; background: #0072B2; border-radius: 2px; min-width: 1px; }
.warning { border-left: 4px solid #D55E00; padding: .25rem .75rem; margin: 0 0 .75rem; }
"""


def png_address(pixels: np.ndarray) -> str:
    """``(H, W, 3)`` uint8 RGB → the picture as a data address, so that nothing else need be fetched."""
    with io.BytesIO() as file:
        Image.fromarray(pixels).save(file, "PNG", optimize=True)
        return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


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


def percent(share: float) -> str:
    """A probability for people; what rounds to 0 or 100 % but is neither says so."""
    if 0 < share < 0.0005:
        return "< 0.1 %"
    return "> 99.9 %" if 0.9995 <= share < 1 else f"{100 * share:.1f} %"


def answers_html(answers: Sequence[Answer], settings: Settings) -> str:
    """A card for each picture: what the network saw, the heatmap, the likeliest classes, and a warning if need be."""
    return f'<div class="answers">{"".join(_card(answer, settings) for answer in answers)}</div>'


def _card(answer: Answer, settings: Settings) -> str:
    best, probability = answer.top[0]
    warning = "" if answer.familiar in (None, True) else f'<p class="warning">{UNFAMILIAR}</p>'
    where = _place(answer.heat)
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


def _figure(image: np.ndarray, words: str) -> str:
    words = escape(words)
    return f'<figure><img src="{png_address(image)}" alt="{words}"><figcaption>{words}</figcaption></figure>'


def shortened(name: str, most: int = 40) -> str:
    return name if len(name) <= most else f"{name[: most - 12]}…{name[-11:]}"

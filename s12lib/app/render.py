"""What the app shows, as HTML that stands on its own: each image inside it, with text for people who cannot see it."""

import base64
import io
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from PIL import Image

from s12lib.app.answers import Answer, Settings
from s12lib.app.examples import FOLDER, Example, Mistake, percent
from s12lib.schemas import Card
from s12lib.viz.heatmaps import hottest_place

SIDE = 192  # pixels a side: 6 × 32, so that each of the network's pixels is a square of 6 × 6

UNFAMILIAR = (
    "This picture is unlike those that the network was trained on, so its answer means little: it has to name one of "
    "its classes, whatever it is shown."
)

CSS = (Path(__file__).parent / "style.css").read_text(encoding="utf-8")


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
    """The figures of mistakes, each with its caption and its text for people who cannot see it."""
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


# ---- the tab about the network ----


def card_html(card: Card, classes: Sequence[str], examples: Sequence[Example]) -> str:
    """The whole tab: facts, accuracies, what is known of unfamiliar pictures, and where the examples come from."""
    network = card["architecture"]
    facts = {
        "Weights": f"{card['name']}, SHA-256 {card['sha256'][:16]}…",
        "Network": f"{network['class']}, {network['parameters']:,} parameters",
        "Trained on": f"{card['dataset']}, {card['train_images']:,} images, {card['epochs']} epochs",
        "Recipe": f"{card['recipe']} ({card['recipe_hash']}), seed {card['seed']}",
        "Classes": ", ".join(classes),
        "Licence": card["licence"],
        "Meant for": card["intended_use"],
    }
    return (
        '<div class="prose card"><h2>The network</h2>'
        f"{_facts(facts.items())}{_accuracies(card)}{_familiarity(card)}{_sources(examples)}</div>"
    )


def examples_html(examples: Sequence[Example]) -> str:
    """What was answered to each example, as a table; without answers where these weights were not measured."""
    if not examples or not examples[0].answer:
        return "<p>These examples were measured with other weights, so nothing is claimed of their outcomes.</p>"
    rows = "".join(
        f'<tr><th scope="row">{escape(e.shows)}</th><td>{escape(e.answer)}, {percent(e.probability)}</td>'
        f"<td>{escape(e.verdict)}</td></tr>"
        for e in examples
    )
    head = '<tr><th scope="col">shows</th><th scope="col">the network says</th><th scope="col">which is</th></tr>'
    return f'<div class="prose card"><table>{head}{rows}</table></div>'


def _facts(rows: Any) -> str:
    cells = "".join(f'<tr><th scope="row">{escape(k)}</th><td>{escape(str(v))}</td></tr>' for k, v in rows)
    return f"<table>{cells}</table>"


def _accuracies(card: Card) -> str:
    plain, tta = card["test_accuracy"], card["test_accuracy_tta"]
    if plain is None:
        return "<h2>Accuracy</h2><p>It has not been measured.</p>"
    rows = {"as the pictures are, as in this app": f"{plain:.2%}", "averaged with their mirror images": f"{tta:.2%}"}
    return f"<h2>Accuracy on the test set of {escape(card['dataset'])}</h2>{_facts(rows.items())}"


def _familiarity(card: Card) -> str:
    title = "<h2>Pictures unlike the training data</h2>"
    if "familiarity" not in card:
        return f"{title}<p>No threshold was measured for these weights, so the app warns of no picture.</p>"
    measured = card["familiarity"]
    validation = measured["validation"]
    seen = (
        "The network was trained on these very pictures, which makes them look more familiar than new ones; so it is "
        "the share of the test set that says how often a warning is needless."
        if validation["seen_in_training"]
        else "The network had not seen them."
    )
    names = {"validation": "validation pictures", "test": "test pictures, which chose nothing"}
    rows = {names.get(kind, kind): percent(share) for kind, share in measured["warned"].items()}
    return (
        f"{title}<p>The app warns where the {escape(measured['score'])} of the logits is below "
        f"{measured['threshold']:.2f}, as it is for {percent(measured['warned']['validation'])} of "
        f"{validation['images']:,} validation pictures of {escape(validation['dataset'])}. {seen} "
        f"Warned of are:</p>{_facts(rows.items())}"
        "<p>No warning does not mean that the network knows what it is looking at.</p>"
    )


def _sources(examples: Sequence[Example]) -> str:
    sources = sorted({example.source for example in examples})
    items = "".join(f"<li>{escape(source)}</li>" for source in sources)
    return f"<h2>Where the examples come from</h2><ul>{items}</ul>"

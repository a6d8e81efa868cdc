"""What the app shows, as HTML that stands on its own: each image inside it, with text for people who cannot see it."""

import base64
import io
import re
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from s12lib.app.answers import Answer, Settings
from s12lib.app.colours import heat_colours
from s12lib.app.examples import FOLDER, Example, Mistake, percent
from s12lib.data.image_files import display_name
from s12lib.explain.maps import enlarge
from s12lib.schemas import Card
from s12lib.viz.words import hottest_place

METHOD_NAMES = {"gradcam": "Grad-CAM", "gradcam++": "Grad-CAM++", "hirescam": "HiResCAM"}
LAYER_NAMES = {
    "prep": "first layer, 32 × 32 places",
    "layer1": "second layer, 16 × 16 places",
    "layer2": "third layer, 8 × 8 places",
    "layer3": "last layer, 4 × 4 places",
}
CSS = (Path(__file__).parent / "style.css").read_text(encoding="utf-8")
SCRIPT = (Path(__file__).parent / "page.js").read_text(encoding="utf-8")


def png_address(pixels: np.ndarray) -> str:
    """``(H, W, 3)`` uint8 RGB → the image as a data address."""
    with io.BytesIO() as file:
        Image.fromarray(pixels).save(file, "PNG", optimize=True)
        return data_address(file.getvalue())


def data_address(content: bytes, kind: str = "png") -> str:
    """A PNG or a JPEG as a data address, so that nothing else need be fetched."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def with_heat(image: np.ndarray, heat: np.ndarray, opacity: float, side: int = 32) -> np.ndarray:
    """A heatmap over its image: ``(32, 32, 3)`` uint8 and ``(32, 32)`` in [0, 1] → ``(side, side, 3)`` uint8.

    The course's colours for heat (inferno), as opaque everywhere as ``opacity`` in [0, 1] says.
    """
    blended = (1 - opacity) * image + opacity * heat_colours(heat)
    return enlarged(np.rint(blended).astype(np.uint8), side)


def enlarged(image: np.ndarray, side: int = 192) -> np.ndarray:
    """``(32, 32, 3)`` → ``(side, side, 3)``, each pixel a square; ``side`` is a multiple of 32."""
    return image.repeat(side // 32, axis=0).repeat(side // 32, axis=1)


# ---- answers ----


def answers_html(answers: Sequence[Answer], settings: Settings) -> str:
    """A card for each image: what the network saw, the heatmaps, the likeliest classes, and a warning if need be."""
    return f'<div class="answers">{"".join(_answer(answer, settings) for answer in answers)}</div>'


def refused_html(sentence: str) -> str:
    """What is said in the answer's place."""
    return f'<div class="refused" role="alert"><strong>Not possible.</strong> {escape(sentence)}</div>'


def _answer(answer: Answer, settings: Settings) -> str:
    best, probability = answer.top[0]
    warning = "" if answer.familiar in (None, True) else f'<p class="warning">{escape(answer.warning)}</p>'
    figures = [_figure(png_address(answer.image), "what the network sees: 32 × 32 pixels")]
    if answer.preview:
        figures.insert(0, _figure(data_address(answer.preview, "jpeg"), "your image, and the square that is cut out"))
    for layer, heat in answer.heats.items():
        shown = png_address(with_heat(answer.image, heat, settings.opacity))
        figures.append(_figure(shown, heat_words(answer.target, heat, settings.method, layer)))
    return (
        f'<article class="answer"><h2>{escape(display_name(answer.name))}: {escape(best)}, {percent(probability)}</h2>'
        f'{warning}<div class="seen">{"".join(figures)}</div>{_scale()}'
        f"<table><caption>The likeliest classes. Choose one to see the evidence for it.</caption>"
        f"{''.join(_row(*row, answer.target) for row in _rows(answer))}</table></article>"
    )


def heat_words(target: str, heat: np.ndarray, method: str, layer: str) -> str:
    """What a heatmap shows, for those who see it and those who do not."""
    where, how = hottest_place(heat), f"{METHOD_NAMES[method]}, {LAYER_NAMES[layer]}"
    return (
        f"nothing speaks for {target} ({how})"
        if where == "nowhere"
        else f"evidence for {target}: hottest {where} ({how})"
    )


def _rows(answer: Answer) -> list[tuple[str, float]]:
    """The classes to list: the likeliest, and below them the one that is explained, if it is not among them."""
    listed = any(name == answer.target for name, _ in answer.top)
    return answer.top if listed else [*answer.top, (answer.target, answer.target_probability)]


def _row(name: str, probability: float, target: str) -> str:
    explained = name == target
    return (
        f'<tr{" class=explained" if explained else ""}><th scope="row"><button type="button" '
        f'data-class="{escape(name)}" aria-pressed="{str(explained).lower()}">{escape(name)}</button></th>'
        f'<td><div class="bar" style="width:{100 * probability:.2f}%"></div></td>'
        f'<td class="number">{percent(probability)}</td></tr>'
    )


def _scale() -> str:
    colours = ", ".join(f"rgb({r} {g} {b})" for r, g, b in heat_colours(np.linspace(0, 1, 9)))
    return (
        f'<p class="scale">no evidence <span style="background: linear-gradient(to right, {colours})"></span> '
        "most evidence in this image</p>"
    )


def _figure(address: str, words: str) -> str:
    words = escape(words)
    return f'<figure><img src="{address}" alt="{words}"><figcaption>{words}</figcaption></figure>'


# ---- examples and mistakes ----


def thumbnails_html(examples: Sequence[Example]) -> str:
    """A button for each example, with the middle of its image."""
    return f'<div class="thumbnails">{"".join(_thumbnail(k, example) for k, example in enumerate(examples))}</div>'


def _thumbnail(number: int, example: Example) -> str:
    with Image.open(example.path) as image, io.BytesIO() as file:
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        square = image.convert("RGB").crop((left, top, left + side, top + side))
        square.resize((64, 64)).save(file, "JPEG", quality=80)
        address = data_address(file.getvalue(), "jpeg")
    return f'<button type="button" data-example="{number}"><img src="{address}" alt="">{escape(example.shows)}</button>'


def mistakes_html(mistakes: Sequence[Mistake], with_maps: bool) -> str:
    """The mistakes, each with what was said and what is right, and if wished with the evidence for either."""
    return f'<div class="mistakes">{"".join(_mistake(mistake, with_maps) for mistake in mistakes)}</div>'


def _mistake(mistake: Mistake, with_maps: bool) -> str:
    image = np.asarray(Image.open(FOLDER / mistake.picture).convert("RGB"))
    shown = [(image, f"CIFAR-10 test image {mistake.index}")]
    if with_maps:
        heats = enlarge(torch.tensor(mistake.maps).relu()).numpy()
        shown += [
            (with_heat(image, heat, 0.6), f"evidence for {name}")
            for heat, name in zip(heats, (mistake.answer, mistake.truth), strict=True)
        ]
    figures = "".join(_figure(png_address(pixels), words) for pixels, words in shown)
    return f'<article class="answer"><h2>{escape(mistake.told)}</h2><div class="seen">{figures}</div></article>'


# ---- the tab about the network ----


def card_html(card: Card, classes: Sequence[str], examples: Sequence[Example]) -> str:
    """The whole tab: facts, accuracies, what is known of unfamiliar images, and where the examples come from."""
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
    rows = {"as the images are, as in this app": f"{plain:.2%}", "averaged with their mirror images": f"{tta:.2%}"}
    return f"<h2>Accuracy on the test set of {escape(card['dataset'])}</h2>{_facts(rows.items())}"


def _familiarity(card: Card) -> str:
    title = "<h2>Images unlike the training data</h2>"
    if "familiarity" not in card:
        return f"{title}<p>No threshold was measured for these weights, so the app warns of no image.</p>"
    measured = card["familiarity"]
    chosen = measured.get("chosen_on") or measured["validation"]  # as older cards call it
    seen = "which the network was trained on" if chosen["seen_in_training"] else "which the network had not seen"
    names = {"validation": "validation images", "test": "real images that chose nothing (test set)"}
    rows = {names.get(kind, kind): percent(share) for kind, share in measured["warned"].items()}
    right = ""
    if "warned_and_right" in measured:
        share = percent(measured["warned_and_right"])
        right = f"Of the real images warned of, {share} are rightly answered all the same. "
    return (
        f"{title}<p>The app warns where the {escape(measured['score'])} of the logits is below "
        f"{measured['threshold']:.2f}. The threshold was chosen on {chosen['images']:,} images of "
        f"{escape(chosen['dataset'])} ({escape(chosen.get('split', 'validation'))}), {seen}. Warned of are:</p>"
        f"{_facts(rows.items())}<p>{right}No warning does not mean that the network knows what it is looking at.</p>"
    )


def _sources(examples: Sequence[Example]) -> str:
    sources = sorted({example.source for example in examples})
    items = "".join(f"<li>{with_links(escape(source))}</li>" for source in sources)
    return f"<h2>Where the examples come from</h2><ul>{items}</ul>"


def with_links(text: str) -> str:
    """Text of HTML with every address in it as a link."""
    return re.sub(r"https?://[^\s,;)]+[^\s,;).]", r'<a href="\g<0>" rel="noreferrer">\g<0></a>', text)

"""The app's tab about the network: what its card says, measured, and what the examples' outcomes were."""

from collections.abc import Sequence
from html import escape
from typing import Any

from s12lib.app.examples import Example, percent


def card_html(card: dict[str, Any], classes: Sequence[str], examples: Sequence[Example]) -> str:
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
        f"{_table(facts.items())}{_accuracies(card)}{_familiarity(card)}{_sources(examples)}</div>"
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


def _table(rows: Any) -> str:
    cells = "".join(f'<tr><th scope="row">{escape(k)}</th><td>{escape(str(v))}</td></tr>' for k, v in rows)
    return f"<table>{cells}</table>"


def _accuracies(card: dict[str, Any]) -> str:
    plain, tta = card["test_accuracy"], card["test_accuracy_tta"]
    if plain is None:
        return "<h2>Accuracy</h2><p>It has not been measured.</p>"
    rows = {"as the pictures are, as in this app": f"{plain:.2%}", "averaged with their mirror images": f"{tta:.2%}"}
    return f"<h2>Accuracy on the test set of {escape(card['dataset'])}</h2>{_table(rows.items())}"


def _familiarity(card: dict[str, Any]) -> str:
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
        f"Warned of are:</p>{_table(rows.items())}"
        "<p>No warning does not mean that the network knows what it is looking at.</p>"
    )


def _sources(examples: Sequence[Example]) -> str:
    sources = sorted({example.source for example in examples})
    items = "".join(f"<li>{escape(source)}</li>" for source in sources)
    return f"<h2>Where the examples come from</h2><ul>{items}</ul>"

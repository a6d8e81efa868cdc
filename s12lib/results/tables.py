"""The tables of the results page and of README, made from the JSON files in ``results``."""

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from s12lib.results import ablations
from s12lib.results.goals import VIEWS, epochs_to_94, goals
from s12lib.results.markup import code, escaped
from s12lib.results.records import ResultsError, by_recipe, is_measured, load, machine

TARGETS = (
    ("book/results.md", "results"),
    ("book/results.md", "goals"),
    ("book/results.md", "ablations"),
    ("book/benchmarks.md", "speed"),
    ("book/benchmarks.md", "epochs"),
    ("README.md", "headline"),
    ("README.md", "summary"),
)
"""Which part of which file is written: what stands between its two markers."""
REFERENCE_ROWS = (
    "| the notebook this course grew from | CIFAR-10 | 24 | 1 | 88.62 | | | 92.53 | its own record |",
    "| Page, the original network | CIFAR-10 | 24 | 50 | 94.08 (median) | | | | "
    "[cifar10-fast](https://github.com/davidcpage/cifar10-fast) |",
    "| Page, his last network, with CELU and ghost BatchNorm | CIFAR-10 | 10 | 400 | | 94.1 | | | "
    "[bag of tricks](https://github.com/davidcpage/cifar10-fast/blob/master/bag_of_tricks.ipynb) |",
)
HEADER = (
    "| recipe | dataset | epochs | n | test accuracy, % | with flip TTA, % | with multi-crop TTA, % "
    "| train accuracy, % | source |",
    "|---|---|---|---|---|---|---|---|---|",
)


PUBLISHED_TIMES = (
    "| airbench94_muon, a smaller network | NVIDIA A100 | | | | | 2.6 s | 94.01, six views | "
    "[cifar10-airbench](https://github.com/KellerJordan/cifar10-airbench) |",
    "| Hiverge, a smaller network | NVIDIA A100 | | | | | 2.0 s | 94, six views | their own report |",
)
SPEED_HEADER = (
    "| recipe | machine | precision | n | s an epoch | images/s | training time | accuracy with flip TTA, % | source |",
    "|---|---|---|---|---|---|---|---|---|",
)


def spread(values: list[float]) -> str:
    """Mean ± sample standard deviation of shares of 1, in percent; a single value stands alone."""
    mean = f"{100 * statistics.mean(values):.2f}"
    return f"{mean} ± {100 * statistics.stdev(values):.2f}" if len(values) > 1 else mean


def column(runs: Sequence[Mapping[str, Any]], key: str) -> str:
    """The spread of one accuracy over runs; of those that have it, with their number where some lack it."""
    values = [run[key] for run in runs if run.get(key) is not None]
    if not values:
        return ""
    return spread(values) + (f" (n = {len(values)})" if len(values) < len(runs) else "")


def table(folder: Path = Path("results")) -> str:
    """The Markdown table: others' rows first, then a row for each recipe with n, mean ± sd; last the count of looks."""
    results = load(folder)
    lines = [*HEADER, *REFERENCE_ROWS]
    for recipe, recipe_hash, dataset, runs in by_recipe(results):
        scores = (column(runs, key) for key in VIEWS)
        train = column(runs, "train_accuracy")
        epochs = runs[0]["config"]["max_epochs"]
        name, source = f"**{escaped(recipe)}** {escaped(recipe_hash)}", code(f"results/{recipe}-*.json")
        cells = name, escaped(dataset), epochs, len(runs), *scores, train, source
        lines.append(f"| {' | '.join(map(str, cells))} |")
    looks = sum(len(result["looks"]) for result in results)
    return "\n".join(lines) + (
        "\n\nThe digits behind a recipe's name are its hash. "
        "n is the number of runs, each judged by its last weights, averaged where the recipe averages; ± is their "
        "standard deviation. "
        f"Looks at a test set to measure a run: {looks}, over {len(results)} runs, each on record in `results/`."
    )


def duration(seconds: float) -> str:
    """Seconds as people say them: "2.6 s", "77 min", "2.2 h"."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def speed(folder: Path = Path("results")) -> str:
    """The Markdown table of how long each recipe's measured runs trained, machine by machine, beside published times.

    Only training counts: no set-up, no validation, no test.
    """
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for result in filter(is_measured, load(folder)):
        if result.get("train_seconds"):
            where = machine(result.get("hardware", ""))
            key = result["recipe"], result["recipe_hash"], where, result.get("precision", "")
            groups[key].append({**result})
    lines = [*SPEED_HEADER, *PUBLISHED_TIMES]
    for (recipe, recipe_hash, where, precision), runs in sorted(groups.items()):
        seconds = statistics.mean(run["train_seconds"] for run in runs)
        epochs = runs[0]["config"]["max_epochs"]
        images = epochs * runs[0]["train_images"] / seconds
        cells = (
            f"**{escaped(recipe)}** {escaped(recipe_hash)}",
            escaped(where),
            escaped(precision),
            len(runs),
            f"{seconds / epochs:.3g}",
            f"{images:,.0f}",
        )
        score = f"{column(runs, 'test_accuracy_tta')} ({escaped(runs[0]['dataset'])})"
        lines.append(
            f"| {' | '.join(map(str, (*cells, duration(seconds), score)))} | {code(f'results/{recipe}-*.json')} |"
        )
    return "\n".join(lines)


def summary(folder: Path = Path("results")) -> str:
    """README's table: a row for each recipe, without hashes and sources, below what others reported."""
    lines = [
        "| recipe | dataset | epochs | runs | test accuracy, % | with flip TTA, % | with multi-crop TTA, % |",
        "|---|---|---|---|---|---|---|",
        "| Page, the original network | CIFAR-10 | 24 | 50 | 94.08 (median) | | |",
    ]
    for recipe, _, dataset, runs in by_recipe(load(folder)):
        scores = (column(runs, key) for key in VIEWS)
        cells = f"**{escaped(recipe)}**", escaped(dataset), runs[0]["config"]["max_epochs"], len(runs), *scores
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def headline(folder: Path = Path("results")) -> str:
    """The best recipe on CIFAR-10 in one sentence, or nothing before any was measured."""
    ours = [(recipe, runs) for recipe, _, dataset, runs in by_recipe(load(folder)) if dataset == "CIFAR-10"]
    if not ours:
        return ""
    recipe, runs = max(ours, key=lambda each: statistics.mean(run["test_accuracy"] for run in each[1]))
    plain, tta = (column(runs, key) for key in ("test_accuracy", "test_accuracy_tta"))
    count = f"{len(runs)} run{'s' if len(runs) > 1 else ''}"
    return (
        f"**{plain}% on CIFAR-10's test set** ({tta}% with flip TTA; {count} of {code(recipe)}, "
        f"{runs[0]['config']['max_epochs']} epochs, judged by the last weights), with 6,573,120 parameters."
    )


def markers(part: str) -> tuple[str, str]:
    """What stands before and after a part in a page."""
    return f"<!-- {part}:begin -->", f"<!-- {part}:end -->"


def marked(content: str, part: str) -> str:
    """A part as it stands in a page: between its markers."""
    begin, end = markers(part)
    return f"{begin}\n{content}\n{end}"


def fill(text: str, content: str, part: str = "results") -> str:
    """The text with what stands between the two markers of a part replaced. Raises ResultsError without markers."""
    begin, end = markers(part)
    if text.count(begin) != 1 or text.count(end) != 1:
        raise ResultsError(f"the text has no single pair of markers {begin} and {end}.")
    before, rest = text.split(begin)
    return f"{before}{marked(content, part)}{rest.split(end)[1]}"


def contents(folder: Path = Path("results")) -> dict[str, str]:
    """What stands in each part: tables of measured runs, ablations and training times, and README's shorter ones."""
    return {
        "results": table(folder),
        "goals": goals(folder),
        "ablations": ablations.table(folder / "ablations") or "Not measured yet.",
        "speed": speed(folder),
        "epochs": epochs_to_94(folder),
        "summary": summary(folder),
        "headline": headline(folder),
    }


def write(folder: Path = Path("results"), root: Path = Path()) -> list[Path]:
    """Put the tables between their markers in the book's page and README, where there are any; returns what changed."""
    found, changed = contents(folder), []
    for target, part in TARGETS:
        path = root / target
        text = path.read_text("utf-8") if path.exists() else ""
        if markers(part)[0] in text and text != (new := fill(text, found[part], part)):
            path.write_text(new, "utf-8")
            changed += [path] if path not in changed else []
    shipped, worth = root / "s12lib/results/levers.csv", ablations.as_csv(ablations.worth(folder / "ablations"))
    if shipped.exists() and shipped.read_text("utf-8") != worth:
        shipped.write_text(worth, "utf-8")
        changed.append(shipped)
    return changed

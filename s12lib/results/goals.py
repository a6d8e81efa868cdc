"""What was aimed at: accuracies set before the runs were made, and 94% on CIFAR-10 in as few epochs as can be."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from s12lib.results.markup import escaped
from s12lib.results.records import by_recipe, load

GOALS = {
    "fast": {"test_accuracy": 93.6, "test_accuracy_tta": 94.0},
    "page24": {"test_accuracy": 94.6, "test_accuracy_tta": 95.0},
    "sprint": {"test_accuracy_multicrop": 94.0},
}
"""For the mean of several runs on CIFAR-10, set before any was made, in percent."""
VIEWS = {"test_accuracy": "", "test_accuracy_tta": " with flip TTA", "test_accuracy_multicrop": " with multi-crop TTA"}
"""A test's three accuracies, and how people call them."""
PUBLISHED_EPOCHS = (
    ("Page's network, part 4 of his series, median of 50 runs", 24.0),
    ("Page's last network, mean of 400 runs", 10.0),
    ("airbench94_muon, a smaller network", 8.0),
    ("Hiverge, a smaller network", 7.59),
)
"""Epochs to 94% on CIFAR-10, as their authors report them; every one but the first with test-time augmentation."""


def mean_of(runs: Sequence[Mapping[str, Any]], key: str) -> float | None:
    """The mean of an accuracy over runs, in percent, or None unless all of them have it."""
    values = [run[key] for run in runs if run.get(key) is not None]
    return round(100 * statistics.mean(values), 2) if len(values) == len(runs) else None


def goals(folder: Path = Path("results")) -> str:
    """Which goals were met, a line for each recipe that has some and was measured on CIFAR-10."""
    lines = []
    for recipe, _, dataset, results in by_recipe(load(folder)):
        runs: Sequence[Mapping[str, Any]] = results
        if dataset == "CIFAR-10" and recipe in GOALS:
            said = []
            for key, goal in GOALS[recipe].items():
                if (mean := mean_of(runs, key)) is None:
                    continue
                verdict = "met" if mean >= goal else f"missed by {goal - mean:.2f} points"
                said.append(f"{mean:.2f}%{VIEWS[key]}, where the goal was {goal:.1f}%: {verdict}")
            if said:
                lines.append(f"- `{recipe}`, n = {len(runs)}: {'; '.join(said)}.")
    return "\n".join(lines)


def epochs_to_94(folder: Path = Path("results")) -> str:
    """A table with bars: how many epochs others need to 94% on CIFAR-10, and each recipe that got there.

    A recipe is judged by the fewest views of an image, two or six, that bring it there.
    """
    rows = list(PUBLISHED_EPOCHS)
    for recipe, _, dataset, results in by_recipe(load(folder)):
        runs: Sequence[Mapping[str, Any]] = results
        means = {key: mean_of(runs, key) or 0 for key in list(VIEWS)[1:]}
        reached = [key for key, mean in means.items() if mean >= 94]
        if dataset == "CIFAR-10" and reached:
            count = "1 run" if len(runs) == 1 else f"mean of {len(runs)}"
            said = f"**{escaped(recipe)}**, {count}: {means[reached[0]]:.2f}%{VIEWS[reached[0]]}"
            rows.append((said, float(runs[0]["config"]["max_epochs"])))
    most = max(epochs for _, epochs in rows)
    lines = [
        f"| {name} | {epochs:g} | <meter max={most:g} value={epochs:g}>{epochs:g}</meter> |"
        for name, epochs in sorted(rows, key=lambda row: row[1])
    ]
    return "\n".join(["| to 94% or more on CIFAR-10 | epochs | |", "|---|---|---|", *lines])

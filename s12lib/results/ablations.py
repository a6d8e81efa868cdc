"""What each lever of a recipe is worth: the table of ablations, made from the JSON files in ``results/ablations``."""

import csv
import math
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from s12lib.results.markup import as_table, code, escaped
from s12lib.results.records import DETAILS, ResultsError, complete, machine
from s12lib.schemas import Ablation, read_json

FOLDER = Path("results/ablations")
SHIPPED = Path(__file__).with_name("levers.csv")
"""What :func:`worth` found, for lessons: they have the package and not the course's folders."""
LEVERS: dict[str, tuple[str, Any]] = {
    "bias-lr": ("model.bias_lr_multiplier", 1.0),
    "frozen-bn-weight": ("model.freeze_bn_weight", False),
    "whitening": ("model.whiten", False),
    "ema": ("model.ema_decay", 0.0),
    "label-smoothing": ("model.label_smoothing", 0.0),
    "logit-scale": ("model.logit_scale", 0.125),
    "alternating-flip": ("data.flip", "random"),
    "flip": ("data.flip", "none"),
    "wide-crop": ("data.crop", 2),
    "crop": ("data.crop", 0),
    "cutout": ("data.cutout", 0),
    "muon": ("model.muon_lr", 0.0),
    "bn-momentum": ("model.bn_momentum", 0.1),
    "dirac": ("model.dirac", "none"),
    "lookahead": ("model.lookahead", False),
    "small-epochs": ("model.small_epochs", 0),
    "brightness": ("data.brightness", 0.0),
    "contrast": ("data.contrast", 0.0),
}
"""A lever's name, its field in the recipe, and the field's value when the lever is off."""
AS_IT_IS = "none"
SCORES = {
    "worth, points": "accuracy",
    "worth with flip TTA": "accuracy_tta",
    "with multi-crop TTA": "accuracy_multicrop",
}
"""The columns of what a lever is worth; runs from before multi-crop TTA lack the third."""


def field_of(config: dict[str, Any], field: str) -> Any:
    """A field of a resolved recipe, such as "model.lr"."""
    section, name = field.split(".")
    return config[section][name]


def read_ablation(path: Path) -> Ablation:
    """One run of an ablation. Raises ResultsError, with the file's name, when it is none."""
    run = read_json(path, Ablation, ResultsError)
    run["config"] = complete(run["config"])
    return run


Groups = dict[tuple[tuple, int], dict[str, dict[int, Ablation]]]
"""Runs by what the runs of one table have in common and their epochs, by the lever that is off, and by seed."""


def grouped(folder: Path) -> tuple[Groups, dict[tuple, float | None]]:
    """The stored runs, and for each kind of them the slope of its accuracy. Raises ResultsError for a damaged file."""
    groups: Groups = defaultdict(lambda: defaultdict(dict))
    lengths: dict[tuple, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for path in sorted(folder.glob("*.json")):
        run = read_ablation(path)
        where = f"{machine(run['hardware'])}, {run['precision']}"
        sizes = run["images"]["train"], run["images"]["validation"]
        kind = run["recipe"], run["dataset"], *sizes, " ".join(sorted(run["fields"])), where
        groups[kind, run["epochs"]][run["without"]][run["seed"]] = run
        if run["without"] == AS_IT_IS:
            lengths[kind][run["epochs"]].append(100 * run["validation"]["accuracy"])
    return groups, {kind: slope_of(lengths[kind]) for kind, _ in groups}


def rows_of(runs: dict[str, dict[int, Ablation]], slope: float | None) -> list[dict[str, str]]:
    """A row for each lever of which there is a pair of runs of the same seed."""
    base = runs[AS_IT_IS]
    return [row(off, base, runs[off], slope) for off in LEVERS if base.keys() & runs[off].keys()]


def table(folder: Path = FOLDER) -> str:
    """The Markdown tables of what each lever is worth, and of what was tried: pairs of runs of the same seed.

    Empty without any pair. Raises ResultsError when a file cannot be read.
    """
    groups, slopes = grouped(folder)
    parts = []
    for (kind, epochs), runs in groups.items():
        found = rows_of(runs, slopes[kind]), tried(groups, kind, epochs)
        if tables := [as_table(rows) for rows in found if rows]:
            parts += [caption(kind, epochs, runs[AS_IT_IS]), *tables]
    return "\n\n".join(parts)


def tried(groups: Groups, kind: tuple, epochs: int) -> list[dict[str, str]]:
    """What was tried beside a recipe, by column: runs of it with further fields, by pairs of one seed.

    A run with two fields more stands beside the one with one field more, where there is such a run.
    """
    *alike, _, where = kind
    base, rows = groups[kind, epochs][AS_IT_IS], []
    beside = {
        frozenset(fields.split()): runs[AS_IT_IS]
        for ((*others, fields, place), length), runs in groups.items()
        if (others, place, length) == (alike, where, epochs) and base.keys() & runs[AS_IT_IS].keys()
    }
    given = frozenset(kind[-2].split())
    for fields, runs in beside.items():
        if given < fields and not any(given < between < fields for between in beside):
            seeds = sorted(base.keys() & runs.keys())
            more = code(" ".join(sorted(fields - given)))
            rows.append({"tried beside it": more, "n": str(len(seeds))} | gains(runs, base, seeds))
    return rows


def caption(kind: tuple, epochs: int, base: dict[int, Ablation]) -> str:
    """What the runs of a table have in common, and how far the recipe's own runs differ."""
    recipe, dataset, seen, judges, fields, where = kind
    return (
        f"{code(recipe)}{f' with {code(fields)}' if fields else ''}, {epochs} epochs of {seen:,} images of "
        f"{escaped(dataset)}, judged on {judges:,} others; {escaped(where)}. The recipe as it is, seed by seed: "
        f"{', '.join(f'{score:.2f}' for score in scores(base, sorted(base)))}."
    )


def slope_of(lengths: dict[int, list[float]]) -> float | None:
    """Points that e times the epochs bring, by the recipe's runs of the fewest and the most epochs; None without two.

    ``lengths`` are accuracies in percent by the number of epochs.
    """
    few, many = min(lengths, default=0), max(lengths, default=0)
    if few == many:
        return None
    gain = statistics.mean(lengths[many]) - statistics.mean(lengths[few])
    return gain / math.log(many / few) if gain > 0 else None


def scores(runs: dict[int, Ablation], seeds: Sequence[int], key: str = "accuracy") -> list[float]:
    """The validation accuracies of these seeds' runs, in percent."""
    found: list[Mapping[str, Any]] = [runs[seed]["validation"] for seed in seeds]
    return [100 * one[key] for one in found]


def with_error(values: Sequence[float]) -> str:
    """Mean ± standard error of the mean; a single value stands alone."""
    error = f" ± {statistics.stdev(values) / len(values) ** 0.5:.2f}" if len(values) > 1 else ""
    return f"{round(statistics.mean(values), 2) + 0.0:+.2f}{error}"  # and not -0.00


def row(off: str, base: dict[int, Ablation], without: dict[int, Ablation], slope: float | None) -> dict[str, str]:
    """One lever, by column: means over the seeds that both sides have, and what it is worth in points, with standard
    errors of the paired differences, and in epochs and seconds; a cell that nothing is known for is empty.
    """
    seeds = sorted(base.keys() & without.keys())
    for seed in seeds:
        refuse_other_differences(off, base[seed]["config"], without[seed]["config"])
    field, value = LEVERS[off]
    cells = {
        "lever": off,
        "field: on, off": f"`{field}`: {escaped(str(field_of(base[seeds[0]]['config'], field)))}, {value}",
        "n": str(len(seeds)),
        "accuracy with, %": f"{statistics.mean(scores(base, seeds)):.2f}",
        "without, %": f"{statistics.mean(scores(without, seeds)):.2f}",
    }
    cells |= gains(base, without, seeds)
    cells["worth, epochs"], cells["worth, seconds"] = in_epochs_and_seconds(base, without, seeds, slope)
    return cells


def gains(runs: dict[int, Ablation], others: dict[int, Ablation], seeds: Sequence[int]) -> dict[str, str]:
    """By kind of score, how much better the one runs are than the others, in points; empty where a run lacks it."""
    cells = {}
    for column, key in SCORES.items():
        known = all(key in found[seed]["validation"] for found in (runs, others) for seed in seeds)
        pairs = zip(scores(runs, seeds, key), scores(others, seeds, key), strict=True) if known else ()
        differences = [one - other for one, other in pairs]
        cells[column] = with_error(differences) if differences else ""
    return cells


def in_epochs_and_seconds(
    base: dict[int, Ablation], without: dict[int, Ablation], seeds: Sequence[int], slope: float | None
) -> tuple[str, str]:
    """How many more epochs the recipe needs without the lever to come as far, and how many more seconds that takes.

    Each is empty where it is not known: the epochs without a slope, the seconds where a run did not note its own.
    """
    if slope is None:
        return "", ""
    epochs = base[seeds[0]]["epochs"]
    worth = statistics.mean(scores(base, seeds)) - statistics.mean(scores(without, seeds))
    more = epochs * (math.exp(worth / slope) - 1)
    times = [[runs[seed].get("train_seconds") or 0.0 for seed in seeds] for runs in (base, without)]
    if not all(map(all, times)):
        return f"{more:+.1f}", ""
    seconds_with, seconds_without = map(statistics.mean, times)
    return f"{more:+.1f}", f"{seconds_without * (epochs + more) / epochs - seconds_with:+.0f}"


def worth(folder: Path = FOLDER) -> list[dict[str, str]]:
    """What each lever is worth in points of accuracy, over all seeds that both sides have, as rows of a CSV file.

    ``recipe, images, epochs, lever, n, points, error``: how many images were trained on; the error is the standard
    error of the mean, empty with one pair.
    """
    groups, slopes = grouped(folder)
    rows = []
    for (kind, epochs), runs in groups.items():
        for found in rows_of(runs, slopes[kind]):
            points, _, error = found["worth, points"].partition(" ± ")
            rows.append(
                {"recipe": kind[0], "images": str(kind[2]), "epochs": str(epochs), "lever": found["lever"]}
                | {"n": found["n"], "points": points, "error": error}
            )
    return rows


def as_csv(rows: Sequence[Mapping[str, str]]) -> str:
    """The rows of :func:`worth` as the text of a CSV file."""
    lines = [list(rows[0]), *(list(row.values()) for row in rows)] if rows else []
    return "".join(",".join(line) + "\n" for line in lines)


def load_worth() -> list[dict[str, str]]:
    """The rows of :func:`worth` as the package brings them."""
    return list(csv.DictReader(SHIPPED.read_text("utf-8").splitlines()))


def refuse_other_differences(off: str, config: dict[str, Any], without: dict[str, Any]) -> None:
    """Raises ResultsError unless two resolved recipes differ in the lever, and what says nothing without it, alone."""
    field, value = LEVERS[off]
    section, name = field.split(".")
    if without[section][name] != value:
        raise ResultsError(
            f"the run without {off} has {field} = {without[section][name]}: delete it in results/ablations."
        )
    idle = {name, *(detail for detail, lever in DETAILS.items() if (section, name) == ("model", lever))}
    rest, others = (
        one | {section: {key: value for key, value in one[section].items() if key not in idle}}
        for one in (config, without)
    )
    if rest != others:
        raise ResultsError(f"two runs differ in more than the lever {off}: delete the older one in results/ablations.")

"""What each lever of a recipe is worth: the table of ablations, made from the JSON files in ``results/ablations``."""

import json
import statistics
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from s12lib.results.records import ResultsError

FOLDER = Path("results/ablations")
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
}
"""A lever's name, its field in the recipe, and the field's value when the lever is off."""
AS_IT_IS = "none"
HEADER = (
    "| lever | field: on, off | n | accuracy with, % | without, % | worth, points | worth with flip TTA |",
    "|---|---|---|---|---|---|---|",
)


def field_of(config: dict[str, Any], field: str) -> Any:
    """A field of a resolved recipe, such as "model.lr"."""
    section, name = field.split(".")
    return config[section][name]


def read_ablation(path: Path) -> dict[str, Any]:
    """One run of an ablation. Raises ResultsError when the file is none."""
    try:
        run = json.loads(path.read_text("utf-8"))
        for key in ("recipe", "dataset", "epochs", "fields", "hardware", "precision", "without", "seed", "config"):
            run[key]
        for images in ("train", "validation"):
            run["images"][images] + 0
        for score in ("accuracy", "accuracy_tta"):
            run["validation"][score] + 0.0
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ResultsError(f"{path} cannot be read as a lever's run ({error}).") from error
    return run


def table(folder: Path = FOLDER) -> str:
    """The Markdown table of what each lever is worth: pairs of runs of the same seed; empty without any pair.

    Raises ResultsError when a file cannot be read.
    """
    groups: dict[tuple, dict[str, dict[int, dict]]] = defaultdict(lambda: defaultdict(dict))
    for path in sorted(folder.glob("*.json")):
        run = read_ablation(path)
        seen, judges = run["images"]["train"], run["images"]["validation"]
        machine = f"{run['hardware']}, {run['precision']}"
        kind = run["recipe"], run["dataset"], run["epochs"], seen, judges, " ".join(run["fields"]), machine
        groups[kind][run["without"]][run["seed"]] = run
    parts = []
    for (recipe, dataset, epochs, seen, judges, fields, machine), runs in groups.items():
        as_it_is = runs[AS_IT_IS]
        rows = [row(off, as_it_is, runs[off]) for off in LEVERS if as_it_is.keys() & runs[off].keys()]
        if rows:
            caption = (
                f"`{recipe}`{f' with `{fields}`' if fields else ''}, {epochs} epochs of {seen:,} images of {dataset}, "
                f"judged on {judges:,} others; {machine}. The recipe as it is, seed by seed: "
                f"{', '.join(f'{score:.2f}' for score in scores(as_it_is, sorted(as_it_is)))}."
            )
            parts.append("\n".join([caption, "", *HEADER, *rows]))
    return "\n\n".join(parts)


def scores(runs: dict[int, dict], seeds: Sequence[int], key: str = "accuracy") -> list[float]:
    """The validation accuracies of these seeds' runs, in percent."""
    return [100 * runs[seed]["validation"][key] for seed in seeds]


def row(off: str, base: dict[int, dict], without: dict[int, dict]) -> str:
    """One lever: means over the seeds that both sides have, and mean ± standard deviation of the paired differences."""
    seeds = sorted(base.keys() & without.keys())
    for seed in seeds:
        refuse_other_differences(off, base[seed]["config"], without[seed]["config"])

    def worth(key: str) -> str:
        pairs = zip(scores(base, seeds, key), scores(without, seeds, key), strict=True)
        differences = [one - other for one, other in pairs]
        sd = f" ± {statistics.stdev(differences):.2f}" if len(seeds) > 1 else ""
        return f"{round(statistics.mean(differences), 2) + 0.0:+.2f}{sd}"  # and not -0.00

    field, value = LEVERS[off]
    values = f"`{field}`: {field_of(base[seeds[0]]['config'], field)}, {value}"
    means = (f"{statistics.mean(scores(runs, seeds)):.2f}" for runs in (base, without))
    cells = (off, values, str(len(seeds)), *means, worth("accuracy"), worth("accuracy_tta"))
    return f"| {' | '.join(cells)} |"


def refuse_other_differences(off: str, config: dict[str, Any], without: dict[str, Any]) -> None:
    """Raises ResultsError unless two resolved recipes differ in the lever and in nothing else."""
    field, value = LEVERS[off]
    section, name = field.split(".")
    if without[section][name] != value:
        raise ResultsError(
            f"the run without {off} has {field} = {without[section][name]}: delete it in results/ablations."
        )
    restored = without | {section: without[section] | {name: config[section][name]}}
    if restored != config:
        raise ResultsError(f"two runs differ in more than the lever {off}: delete the older one in results/ablations.")

"""What each lever of a recipe is worth: the same run with it and without it, judged on the validation split.

``python -m s12lib.training.ablate --config recipes/fast.yaml --epochs 6 --seeds 0 1 2`` trains the recipe on 45,000
images as it is, then with one lever at a time switched off. ``--held-out 40000`` trains on 10,000: the recipe's whole
schedule at a fraction of the cost. Each run leaves one file in ``results/levers/``, and a run that has left its file is
not repeated. The test set is not touched. ``s12 results`` puts the table into the book.
"""

import argparse
import json
import re
import statistics
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from s12lib.files import write_whole
from s12lib.results.records import ResultsError

FOLDER = Path("results/levers")
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
HEAD = (
    "| lever | field: on, off | n | accuracy with, % | without, % | worth, points | worth with flip TTA |",
    "|---|---|---|---|---|---|---|",
)


def field_of(config: dict[str, Any], field: str) -> Any:
    """A field of a resolved recipe, such as "model.lr"."""
    section, name = field.split(".")
    return config[section][name]


def train(
    recipe: Path,
    epochs: int,
    seed: int,
    off: str,
    held_out: int = 5000,
    folder: Path = FOLDER,
    fields: Sequence[str] = (),
) -> Path:
    """One run without the lever ``off`` ("none": the recipe as it is); returns its file, made earlier or now.

    ``held_out`` training images are kept for the validation split; ``fields`` are further arguments of ``s12 fit``.
    The validation accuracy is that of the last (averaged) weights.
    """
    name = f"{recipe.stem}-{epochs}epochs-{held_out}heldout-without-{off}-seed{seed}"
    name += "".join(re.sub(r"[^\w.=-]", "_", field.replace("--", "-")) for field in fields)
    out = folder / f"{name}.json"
    if out.exists():
        return out
    from s12lib.training.recipe import RecipeCLI, expect_warnings

    expect_warnings()
    arguments = {
        "config": recipe, "run_dir": f"runs/levers/{name}", "ckpt_path": "last", "seed_everything": seed,
        "trainer.max_epochs": epochs, "trainer.check_val_every_n_epoch": epochs, "data.validation_size": held_out,
    }  # fmt: skip
    lever = []
    if off != AS_IT_IS:
        field, value = LEVERS[off]
        lever = [f"--{field}={str(value).lower() if isinstance(value, bool) else value}"]
    settings = [f"--{key}={value}" for key, value in arguments.items()]
    cli = RecipeCLI(["fit", *settings, *fields, *lever])  # the lever comes last: what is said last counts
    metrics = cli.trainer.callback_metrics
    if "validation_accuracy" not in metrics:
        raise ResultsError(f"runs/levers/{name} had ended before: delete it to train this run anew.")
    scores = {key: float(metrics[f"validation_{key}"]) for key in ("accuracy", "accuracy_tta")}
    sizes = {name: len(split.labels) for name, split in cli.datamodule.splits.items()}
    judged = min(sizes["validation"], cli.trainer.num_val_batches[0] * cli.datamodule.eval_batch_size)
    images = {"train": sizes["train"], "validation": judged}
    run = cli.facts() | {"epochs": epochs, "without": off, "fields": [*fields], "validation": scores, "images": images}
    write_whole(out, (json.dumps(run, indent=2, sort_keys=True) + "\n").encode())
    return out


def table(folder: Path = FOLDER) -> str:
    """The Markdown table of what each lever is worth: pairs of runs of the same seed; empty without any pair.

    Raises ResultsError when a file cannot be read.
    """
    groups: dict[tuple, dict[str, dict[int, dict]]] = defaultdict(lambda: defaultdict(dict))
    for path in sorted(folder.glob("*.json")):
        try:
            run = json.loads(path.read_text())
            seen, judges = run["images"]["train"], run["images"]["validation"]
            machine = f"{run['hardware']}, {run['precision']}"
            kind = run["recipe"], run["dataset"], run["epochs"], seen, judges, " ".join(run["fields"]), machine
            groups[kind][run["without"]][run["seed"]] = run
        except (ValueError, KeyError, TypeError) as error:
            raise ResultsError(f"{path} cannot be read as a lever's run ({error}).") from error
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
            parts.append("\n".join([caption, "", *HEAD, *rows]))
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
            f"the run without {off} has {field} = {without[section][name]}: delete it in results/levers."
        )
    restored = without | {section: without[section] | {name: config[section][name]}}
    if restored != config:
        raise ResultsError(f"two runs differ in more than the lever {off}: delete the older one in results/levers.")


def main(argv: list[str] | None = None) -> None:
    """Train what is missing, seed by seed, so that an early stop leaves whole comparisons; then print the table."""
    parser = argparse.ArgumentParser(prog="python -m s12lib.training.ablate", description="What is each lever worth?")
    parser.add_argument("--config", type=Path, default=Path("recipes/fast.yaml"))
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--held-out", type=int, default=5000, help="training images kept for judging")
    parser.add_argument("--levers", nargs="+", choices=LEVERS, default=list(LEVERS))
    parser.add_argument("--out", type=Path, default=FOLDER)
    options, fields = parser.parse_known_args(argv)

    def run(seed: int, off: str) -> Path:
        return train(options.config, options.epochs, seed, off, options.held_out, options.out, fields)

    for seed in options.seeds:
        base = json.loads(run(seed, AS_IT_IS).read_text())
        for off in options.levers:
            field, value = LEVERS[off]
            if field_of(base["config"], field) != value:
                run(seed, off)
    print(table(options.out))


if __name__ == "__main__":
    main()

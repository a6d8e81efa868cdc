"""What each lever of a recipe is worth: the same run with it and without it, judged on the validation split.

``s12 ablate --config recipes/fast.yaml --epochs 6 --seeds 0 1 2`` trains the recipe on 45,000 images as it is, then
with one lever at a time switched off. ``--held-out 40000`` trains on 10,000: the recipe's whole schedule at a fraction
of the cost. Each run leaves one file in ``results/ablations/``, and a run that has left its file is not repeated. The
test set is not touched. ``s12 results`` puts the table into the book.
"""

import hashlib
import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from s12lib.files import atomic_write
from s12lib.results.ablations import AS_IT_IS, FOLDER, LEVERS, field_of, read_ablation
from s12lib.results.records import ResultsError, complete
from s12lib.training.callbacks import RunRecord
from s12lib.training.recipe import run as train_recipe


def ablate(
    recipe: Path,
    epochs: int,
    seeds: Sequence[int],
    levers: Sequence[str],
    held_out: int = 5000,
    folder: Path = FOLDER,
    fields: Sequence[str] = (),
) -> None:
    """Train what is missing, seed by seed, so that an early stop leaves whole comparisons."""
    for seed in seeds:
        base = read_ablation(train(recipe, epochs, seed, AS_IT_IS, held_out, folder, fields))
        for lever in levers:
            field, value = LEVERS[lever]
            if field_of(base["config"], field) != value:
                train(recipe, epochs, seed, lever, held_out, folder, fields)


def missing(recipe: Path, config: dict[str, Any], epochs: int, seed: int, held_out: int, folder: Path) -> list[str]:
    """What of a recipe's ablation has no file yet: "none" for the recipe as it is, and its levers, by name.

    ``config`` is the resolved recipe.
    """
    whole = complete(config)
    pulled = [lever for lever, (field, off) in LEVERS.items() if field_of(whole, field) != off]
    wanted = {"recipe": recipe.stem, "epochs": epochs, "seed": seed, "fields": []}
    return [
        name
        for name in (AS_IT_IS, *pulled)
        if not first_free_or_same(
            folder / f"{recipe.stem}-{name}-seed{seed}.json", wanted | {"without": name}, held_out
        ).exists()
    ]


def train(
    recipe: Path,
    epochs: int,
    seed: int,
    without: str,
    held_out: int = 5000,
    folder: Path = FOLDER,
    fields: Sequence[str] = (),
) -> Path:
    """One run without a lever ("none": the recipe as it is); returns its file, made earlier or now.

    ``held_out`` training images are kept for the validation split; ``fields`` are further arguments of ``s12 fit``.
    The validation accuracy is that of the last (averaged) weights.
    """
    wanted = {"recipe": recipe.stem, "epochs": epochs, "seed": seed, "without": without, "fields": [*fields]}
    out = first_free_or_same(folder / f"{recipe.stem}-{without}-seed{seed}.json", wanted, held_out)
    if out.exists():
        return out
    digest = hashlib.sha256(json.dumps([wanted, held_out], sort_keys=True).encode()).hexdigest()[:8]
    run_dir = Path(f"runs/ablations/{recipe.stem}-{without}-seed{seed}-{digest}")
    arguments = {
        "config": recipe, "run_dir": run_dir, "ckpt_path": "last", "seed_everything": seed,
        "trainer.max_epochs": epochs, "trainer.check_val_every_n_epoch": epochs, "data.validation_size": held_out,
    }  # fmt: skip
    lever = []
    if without != AS_IT_IS:
        field, value = LEVERS[without]
        lever = [f"--{field}={str(value).lower() if isinstance(value, bool) else value}"]
    settings = [f"--{key}={value}" for key, value in arguments.items()]
    cli: Any = train_recipe(["fit", *settings, *fields, *lever])  # the lever comes last: what is said last counts
    metrics = cli.trainer.callback_metrics
    if "validation_accuracy" not in metrics:
        raise ResultsError(f"{run_dir} had ended before: delete it to train this run anew.")
    scores = {key: float(metrics[f"validation_{key}"]) for key in ("accuracy", "accuracy_tta", "accuracy_multicrop")}
    seconds = next(found.seconds for found in cli.trainer.callbacks if isinstance(found, RunRecord))
    sizes = {name: len(split.labels) for name, split in cli.datamodule.splits.items()}
    judged = min(sizes["validation"], cli.trainer.num_val_batches[0] * cli.datamodule.eval_batch_size)
    images = {"train": sizes["train"], "validation": judged}
    run = cli.run_metadata() | wanted | {"validation": scores, "images": images, "train_seconds": round(seconds, 1)}
    atomic_write(out, (json.dumps(run, indent=2, sort_keys=True) + "\n").encode())
    return out


def first_free_or_same(path: Path, wanted: dict[str, object], held_out: int) -> Path:
    """The file of this very run, else the first free name: what a run changed stands inside its file."""

    def holds_it(name: Path) -> bool:
        run: dict[str, Any] = {**read_ablation(name)}
        same = {key: run[key] for key in wanted} == wanted
        return same and run["config"]["data"].get("validation_size") == held_out

    numbered = (path.with_name(f"{path.stem}-{number}.json") for number in itertools.count(2))
    return next(name for name in itertools.chain([path], numbered) if not name.exists() or holds_it(name))

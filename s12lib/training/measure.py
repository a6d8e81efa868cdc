"""`s12 measure`: train and test a recipe on several seeds in one process, and say what came out.

A seed that has its result in ``results/`` is not trained again, and one that was interrupted goes on from its last
checkpoint. Every test is a look at the test set, and is recorded as such.
"""

import gc
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from s12lib.results import records
from s12lib.schemas import Result
from s12lib.training import hardware, provenance
from s12lib.training.expected_warnings import expect_warnings
from s12lib.training.recipe import RecipeCLI, run

KEYS = {
    "test accuracy": "test_accuracy",
    "with flip TTA": "test_accuracy_tta",
    "with multi-crop TTA": "test_accuracy_multicrop",
    "train accuracy": "train_accuracy",
}
"""What is summed up, by the name that people read; results from before multi-crop TTA lack it."""


class Resolved(RecipeCLI):
    """A recipe's fields, checked and complete, of which nothing is made and nothing run."""

    def instantiate_classes(self) -> None:
        pass

    def _run_subcommand(self, subcommand: str) -> None:
        pass

    def _set_seed(self) -> None:
        pass


def arguments(config: Path, seed: int, fields: Sequence[str]) -> list[str]:
    """Those of `s12 fit` and `s12 test` for a run that goes on where it stopped."""
    return [f"--config={config}", "--ckpt_path=last", f"--seed_everything={seed}", *fields]


def result_of(recipe: str, recipe_hash: str, seed: int, folder: Path = Path("results")) -> Result | None:
    """The result of a whole run of a recipe on a seed, or None; of several, the one tested first."""
    found = [records.read(path) for path in sorted(folder.glob(f"{recipe}-seed{seed}-*.json"))]
    ours = [one for one in found if one["recipe_hash"] == recipe_hash and records.is_measured(one)]
    return min(ours, key=lambda one: one["looks"][0], default=None)


def resolve(config: Path, fields: Sequence[str] = ()) -> dict[str, Any]:
    """The recipe with all its fields. Raises ValueError where it would not train on everything, and so measure nothing.

    Raises what ``s12 fit`` raises for a recipe that is none.
    """
    expect_warnings()
    recipe = Resolved(["fit", *arguments(config, 0, fields)]).resolved
    held_out = recipe["data"]["class"] in ("CIFAR10", "CIFAR100") and recipe["data"]["validation_size"]
    if held_out or records.TRUNCATING_FIELDS & set(recipe.get("trainer", ())):
        raise ValueError(
            f"{config} is no recipe to measure: it must train on all images (data.validation_size 0) and to the end."
        )
    return recipe


def measure(config: Path, seeds: Sequence[int], fields: Sequence[str] = ()) -> list[Result]:
    """Train and test what is missing, seed by seed; returns the seeds' results. ``fields`` are more of `s12 fit`'s.

    Raises what :func:`resolve`, ``s12 fit`` and ``s12 test`` raise.
    """
    hardware.exact_float32()
    recipe_hash = provenance.recipe_hash(resolve(config, fields))
    results = []
    for seed in seeds:
        result = result_of(config.stem, recipe_hash, seed)
        if result is None:
            for subcommand in ("fit", "test"):
                run([subcommand, *arguments(config, seed, fields)])
                gc.collect()  # a trainer and its model hold each other: free their memory now
            result = result_of(config.stem, recipe_hash, seed)
            assert result is not None, "the test of a whole run leaves its result"
        results.append(result)
    return results


def summary(results: Sequence[Mapping[str, Any]]) -> str:
    """n, mean, standard error of the mean, standard deviation and range of what was measured, in percent."""
    first = results[0]
    lines = [
        f"{first['recipe']} {first['recipe_hash']} on {first['dataset']}, n = {len(results)}, "
        f"{first['config']['max_epochs']} epochs",
        f"{'':21}{'mean':>7}{'± s.e.':>8}{'s.d.':>7}{'lowest':>8}{'highest':>9}",
    ]
    for name, key in KEYS.items():
        values = [100 * run[key] for run in results if run.get(key) is not None]
        if values:
            fewer = f"   (n = {len(values)})" if len(values) < len(results) else ""
            lines.append(f"{name:21}{line_of(values)}{fewer}")
    seconds = [run["train_seconds"] for run in results if run.get("train_seconds")]
    if seconds:
        machines = ", ".join(sorted({run["hardware"] for run in results}))
        lines.append(f"{'training, seconds':21}{line_of(seconds)}   on {machines}")
    return "\n".join(lines)


def line_of(values: Sequence[float]) -> str:
    """Mean, standard error, standard deviation, lowest and highest; a single value has no spread."""
    mean = f"{statistics.mean(values):>7.2f}"
    if len(values) == 1:
        return f"{mean}{'–':>8}{'–':>7}{values[0]:>8.2f}{values[0]:>9.2f}"
    deviation = statistics.stdev(values)
    return f"{mean}{deviation / len(values) ** 0.5:>8.2f}{deviation:>7.2f}{min(values):>8.2f}{max(values):>9.2f}"

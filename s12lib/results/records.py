"""The table of measured runs: one JSON file a run in ``results/``, from which the book's and README's tables come."""

import json
import re
import tempfile
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from s12lib.errors import CourseError, reason
from s12lib.files import atomic_write
from s12lib.schemas import Card, Result, RunMetadata, check, read_json

ALL_TRAINING_IMAGES = {"CIFAR-10": 50_000, "CIFAR-100": 50_000}
TRUNCATING_FIELDS = {"fast_dev_run", "limit_train_batches", "max_steps", "max_time", "overfit_batches"}
FOLDER = Path("results")

ADDED_LATER: dict[str, dict[str, Any]] = {
    "model": {
        "ema_correction": False, "lookahead": False, "muon_lr": 0.0, "bn_momentum": 0.1, "dirac": "none",
        "small_epochs": 0,
    },
    "data": {"brightness": 0.0, "contrast": 0.0},
}  # fmt: skip
"""Levers that came after the first runs had been measured, and what each is when it is off."""
DETAILS = {"muon_momentum": "muon_lr", "small_size": "small_epochs"}
"""Fields that say nothing while another one is off."""


class ResultsError(CourseError):
    """A results file that cannot be used; the message is written for people."""


def complete(config: dict[str, Any]) -> dict[str, Any]:
    """A recipe with every lever that came later than it, off, and without fields that say nothing: fit to compare.

    ``config`` has ``model`` and ``data``, as results keep them.
    """
    model, data = (off | config.get(section, {}) for section, off in ADDED_LATER.items())
    idle = {detail for detail, lever in DETAILS.items() if model[lever] == ADDED_LATER["model"][lever]}
    model = {field: value for field, value in model.items() if field not in idle | {"compile"}}
    return config | {"model": model, "data": data}


def make_ready(run: RunMetadata, weights: str, folder: Path = FOLDER) -> None:
    """See to it that a look can be written down, before anybody looks.

    Raises ResultsError when ``folder`` cannot be written to or what is on record of these weights cannot be read.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(100_000))
            file.flush()
    except OSError as error:
        raise ResultsError(
            f"Nothing was measured, since no look at the test set could be recorded in {folder}: {reason(error)}."
        ) from error
    if (path := path_of(run, weights, folder)).exists():
        read(path)


def record(run: RunMetadata, metrics: dict[str, Any], weights: str, folder: Path = FOLDER) -> Path:
    """Write down a look at the test set: a new file for new weights, another date in the file of known ones.

    ``run`` is what the checkpoint says of itself, ``metrics`` hold accuracies as shares of 1, ``weights`` is a hash.
    """
    path = path_of(run, weights, folder)
    looks = read(path)["looks"] if path.exists() else []
    looks.append(datetime.now(UTC).isoformat(timespec="seconds"))
    write(path, {**run, **metrics, "weights_sha256": weights, "looks": looks})
    return path


def add_to(path: Path, metrics: dict[str, Any]) -> None:
    """Add to a look that is on record what was measured after it."""
    write(path, {**read(path), **metrics})


def write(path: Path, result: dict[str, Any]) -> None:
    check(result, Result, path, ResultsError)
    atomic_write(path, (json.dumps(result, indent=2, sort_keys=True) + "\n").encode())


def note_look(run: RunMetadata, metrics: dict[str, Any], weights: str, folder: Path = FOLDER) -> Path:
    """Write down a look at the test set at weights in another form, such as packed: a known run keeps its metrics."""
    path = path_of(run, weights, folder)
    known: dict[str, Any] = {**read(path)} if path.exists() else {"train_accuracy": None} | metrics
    return record(run, {key: known[key] for key in known.keys() - run.keys() - {"looks"}}, weights, folder)


def note_another_look(card: Card, folder: Path = FOLDER) -> Path | None:
    """Write down a look at the test set that measured no accuracy; None where a card's weights have no result."""
    path = folder / f"{card['recipe']}-seed{card['seed']}-{card.get('packed_from', '')[:8]}.json"
    if not path.exists():
        return None
    add_to(path, {"looks": [*read(path)["looks"], datetime.now(UTC).isoformat(timespec="seconds")]})
    return path


def accuracies(dataset: str, metrics: dict[str, float]) -> str:
    """What a look at a test set has found, without TTA, with flips and with crops too, as people read it."""
    plain, tta = metrics["test_accuracy"], metrics["test_accuracy_tta"]
    crops = metrics.get("test_accuracy_multicrop")  # which looks before there was such a thing lack
    said = f"On the test set of {dataset}: {plain:.2%}, with flip TTA {tta:.2%}"
    return said if crops is None else f"{said}, with multi-crop TTA {crops:.2%}"


def machine(hardware: str) -> str:
    """A record's machine, as people say it: older records say "1 threads"."""
    return re.sub(r"\b1 threads$", "1 thread", hardware)


def path_of(run: RunMetadata, weights: str, folder: Path) -> Path:
    """Where a run's result lies."""
    return folder / f"{run['recipe']}-seed{run['seed']}-{weights[:8]}.json"


def read(path: Path) -> Result:
    """One result. Raises ResultsError, with the file's name, when it is none."""
    return read_json(path, Result, ResultsError)


def is_measured(result: Result) -> bool:
    """Whether a run counts: all of the dataset's training images, every epoch of its recipe, and nothing cut short."""
    everything = ALL_TRAINING_IMAGES.get(result["dataset"], result["train_images"])
    whole = result["train_images"] == everything and result["epochs"] == result["config"]["max_epochs"]
    cut_short = TRUNCATING_FIELDS & set(result["config"].get("trainer", ()))
    return whole and not cut_short and result["train_accuracy"] is not None


def load(folder: Path) -> list[Result]:
    """Every stored run."""
    return [read(path) for path in sorted(folder.glob("*.json"))]


def by_recipe(results: list[Result]) -> list[tuple[str, str, str, list[Result]]]:
    """Recipe, its hash, the dataset's name, and the measured runs that share these and a test set."""
    groups = defaultdict(list)
    for result in filter(is_measured, results):
        test_set = result["dataset"], result.get("test_fingerprint", "")
        groups[result["recipe"], result["recipe_hash"], test_set].append(result)
    return [(recipe, code, dataset, runs) for (recipe, code, (dataset, _)), runs in sorted(groups.items())]

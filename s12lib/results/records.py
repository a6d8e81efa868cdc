"""The table of measured runs: one JSON file a run in ``results/``, from which the book's and README's tables come."""

import json
import statistics
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from s12lib.errors import CourseError
from s12lib.files import write_whole

TARGETS = (("book/results.md", "results"), ("README.md", "results"), ("book/results.md", "levers"))
"""Which part of which file is written: what stands between its two markers."""
ALL_TRAINING_IMAGES = {"CIFAR-10": 50_000, "CIFAR-100": 50_000}
SHORTENING = {"fast_dev_run", "limit_train_batches", "max_steps", "max_time", "overfit_batches"}

OTHERS = (
    "| the notebook this course grew from | CIFAR-10 | 24 | 1 | 88.62 | | 92.53 | its own record |",
    "| Page, the original network | CIFAR-10 | 24 | 50 | 94.08 (median) | | | "
    "[cifar10-fast](https://github.com/davidcpage/cifar10-fast) |",
)
HEAD = (
    "| recipe | dataset | epochs | n | test accuracy, % | with flip TTA, % | train accuracy, % | source |",
    "|---|---|---|---|---|---|---|---|",
)


class ResultsError(CourseError):
    """A results file that cannot be used; the message is written for people."""


def record(run: dict[str, Any], metrics: dict[str, float], weights: str, folder: Path = Path("results")) -> Path:
    """Write down a look at the test set: a new file for new weights, another date in the file of known ones.

    ``run`` is what the checkpoint says of itself, ``metrics`` hold accuracies as shares of 1, ``weights`` is a hash.
    """
    path = path_of(run, weights, folder)
    looks = read(path)["looks"] if path.exists() else []
    looks.append(datetime.now(UTC).isoformat(timespec="seconds"))
    result = run | metrics | {"weights_sha256": weights, "looks": looks}
    write_whole(path, (json.dumps(result, indent=2, sort_keys=True) + "\n").encode())
    return path


def note_look(run: dict[str, Any], metrics: dict[str, float], weights: str, folder: Path = Path("results")) -> Path:
    """Write down a look at the test set at weights in another form, such as packed: a known run keeps its metrics."""
    path = path_of(run, weights, folder)
    known: dict[str, Any] = read(path) if path.exists() else {"train_accuracy": None} | metrics
    return record(run, {key: known[key] for key in known.keys() - run.keys() - {"looks"}}, weights, folder)


def accuracies(dataset: str, metrics: dict[str, float]) -> str:
    """What a look at a test set has found, with and without flip TTA, as people read it."""
    plain, tta = metrics["test_accuracy"], metrics["test_accuracy_tta"]
    return f"On the test set of {dataset}: {plain:.2%}, with flip TTA {tta:.2%}"


def path_of(run: dict[str, Any], weights: str, folder: Path) -> Path:
    """Where a run's result lies."""
    return folder / f"{run['recipe']}-seed{run['seed']}-{weights[:8]}.json"


def read(path: Path) -> dict[str, Any]:
    """One result. Raises ResultsError when the file is no JSON or a field that the table needs is missing."""
    needed = (
        "recipe", "recipe_hash", "seed", "dataset", "config", "train_images", "epochs_trained", "train_accuracy",
        "test_accuracy", "test_accuracy_tta", "looks",
    )  # fmt: skip
    try:
        result = json.loads(path.read_text("utf-8"))
        missing = [key for key in needed if key not in result]
        missing += ["config.max_epochs"] if "max_epochs" not in result.get("config", {}) else []
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise ResultsError(f"{path} cannot be read as a result ({error}).") from error
    if missing:
        raise ResultsError(f"{path} lacks {', '.join(missing)}.")
    return result


def is_measured(result: dict[str, Any]) -> bool:
    """Whether a run counts: all of the dataset's training images, every epoch of its recipe, and nothing cut short."""
    everything = ALL_TRAINING_IMAGES.get(result["dataset"], result["train_images"])
    whole = result["train_images"] == everything and result["epochs_trained"] == result["config"]["max_epochs"]
    return whole and not SHORTENING & set(result["config"].get("trainer", ())) and result["train_accuracy"] is not None


def spread(values: list[float]) -> str:
    """Mean ± sample standard deviation of shares of 1, in percent; a single value stands alone."""
    mean = f"{100 * statistics.mean(values):.2f}"
    return f"{mean} ± {100 * statistics.stdev(values):.2f}" if len(values) > 1 else mean


def table(folder: Path = Path("results")) -> str:
    """The Markdown table: others' rows first, then a row for each recipe with n, mean ± sd; last the count of looks."""
    results = [read(path) for path in sorted(folder.glob("*.json"))]
    groups = defaultdict(list)
    for result in filter(is_measured, results):
        test_set = result["dataset"], result.get("test_fingerprint", "")
        groups[result["recipe"], result["recipe_hash"], test_set].append(result)
    lines = [*HEAD, *OTHERS]
    for (recipe, recipe_hash, (dataset, _)), runs in sorted(groups.items()):
        plain, tta = (spread([run[key] for run in runs]) for key in ("test_accuracy", "test_accuracy_tta"))
        train = spread([run["train_accuracy"] for run in runs])
        epochs = runs[0]["config"]["max_epochs"]
        source = f"`results/{recipe}-*.json`"
        cells = f"**{recipe}** {recipe_hash}", dataset, epochs, len(runs), plain, tta, train, source
        lines.append(f"| {' | '.join(map(str, cells))} |")
    looks = sum(len(result["looks"]) for result in results)
    return "\n".join(lines) + (
        "\n\nThe digits behind a recipe's name are its hash. "
        "n is the number of runs, each judged by its last averaged weights; ± is their standard deviation. "
        f"Looks at a test set to measure a run: {looks}, over {len(results)} runs, each on record in `results/`."
    )


def markers(part: str) -> tuple[str, str]:
    """What stands before and after a part in a page."""
    return f"<!-- {part}:begin -->", f"<!-- {part}:end -->"


def fill(text: str, content: str, part: str = "results") -> str:
    """The text with what stands between the two markers of a part replaced. Raises ResultsError without markers."""
    begin, end = markers(part)
    if text.count(begin) != 1 or text.count(end) != 1:
        raise ResultsError(f"the text has no single pair of markers {begin} and {end}.")
    before, rest = text.split(begin)
    return f"{before}{begin}\n{content}\n{end}{rest.split(end)[1]}"


def contents(folder: Path = Path("results")) -> dict[str, str]:
    """What stands in each part: the table of measured runs, and that of the levers."""
    from s12lib.training import ablate as levers

    return {"results": table(folder), "levers": levers.table(folder / "levers") or "Not measured yet."}


def write(folder: Path = Path("results"), root: Path = Path()) -> list[Path]:
    """Put the tables between their markers in the book's page and README, where there are any; returns what changed."""
    found, changed = contents(folder), []
    for target, part in TARGETS:
        path = root / target
        text = path.read_text("utf-8") if path.exists() else ""
        if markers(part)[0] in text and text != (new := fill(text, found[part], part)):
            path.write_text(new, "utf-8")
            changed.append(path)
    return changed

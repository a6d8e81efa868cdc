"""The tables of the results page and of README, made from the JSON files in ``results``."""

import statistics
from collections import defaultdict
from pathlib import Path
from typing import Any

from s12lib.results import ablations
from s12lib.results.records import ResultsError, is_measured, read

TARGETS = (("book/results.md", "results"), ("README.md", "results"), ("book/results.md", "ablations"))
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


def spread(values: list[float]) -> str:
    """Mean ± sample standard deviation of shares of 1, in percent; a single value stands alone."""
    mean = f"{100 * statistics.mean(values):.2f}"
    return f"{mean} ± {100 * statistics.stdev(values):.2f}" if len(values) > 1 else mean


def column(runs: list[dict[str, Any]], key: str) -> str:
    """The spread of one accuracy over runs; of those that have it, with their number where some lack it."""
    values = [run[key] for run in runs if run.get(key) is not None]
    if not values:
        return ""
    return spread(values) + (f" (n = {len(values)})" if len(values) < len(runs) else "")


def table(folder: Path = Path("results")) -> str:
    """The Markdown table: others' rows first, then a row for each recipe with n, mean ± sd; last the count of looks."""
    results = [read(path) for path in sorted(folder.glob("*.json"))]
    groups = defaultdict(list)
    for result in filter(is_measured, results):
        test_set = result["dataset"], result.get("test_fingerprint", "")
        groups[result["recipe"], result["recipe_hash"], test_set].append(result)
    lines = [*HEADER, *REFERENCE_ROWS]
    for (recipe, recipe_hash, (dataset, _)), runs in sorted(groups.items()):
        scores = (column(runs, f"test_accuracy{views}") for views in ("", "_tta", "_multicrop"))
        train = column(runs, "train_accuracy")
        epochs = runs[0]["config"]["max_epochs"]
        source = f"`results/{recipe}-*.json`"
        cells = f"**{recipe}** {recipe_hash}", dataset, epochs, len(runs), *scores, train, source
        lines.append(f"| {' | '.join(map(str, cells))} |")
    looks = sum(len(result["looks"]) for result in results)
    return "\n".join(lines) + (
        "\n\nThe digits behind a recipe's name are its hash. "
        "n is the number of runs, each judged by its last weights, averaged where the recipe averages; ± is their "
        "standard deviation. "
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
    """What stands in each part: the table of measured runs, and that of the ablations."""
    return {"results": table(folder), "ablations": ablations.table(folder / "ablations") or "Not measured yet."}


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

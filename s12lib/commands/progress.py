"""``s12 progress``: which exercises are solved, over all lessons, as their notebooks are stored."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from s12lib.files import user_path

ABOUT = "say which exercises are solved, from the notebooks as they are stored"
EXAMPLE = "s12 progress lessons/01_data.ipynb lessons/02_model.ipynb"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "notebooks",
        nargs="*",
        type=user_path,
        metavar="NOTEBOOK",
        help="notebooks, or folders of them (default: lessons/ if there is one, else this folder)",
    )


def run(options: Namespace) -> None:
    from s12lib.exercises.showing import count
    from s12lib.exercises.stored import verdicts

    notebooks = _found(options.notebooks)
    found = {path: verdicts(path) for path in notebooks}
    width = max(len(str(path)) for path in notebooks)
    for path, exercises in found.items():
        solved = sum(each.status == "PASS" for each in exercises)
        print(f"{path!s:{width}}  {f'{solved} of {len(exercises)} solved' if exercises else 'no exercises'}")
        for each in exercises:
            if each.status != "PASS":
                print(f"  {each.status:9}  {each.exercise}" + (f": {each.words}" if each.status == "TRY AGAIN" else ""))
    every = [each for exercises in found.values() for each in exercises]
    print(count(sum(each.status == "PASS" for each in every), len(every)))


def _found(given: list[Path]) -> list[Path]:
    """The notebooks, those of a folder in order. Raises ``ValueError`` when there is none."""
    given = [path.expanduser() for path in given]
    if not given:
        given = [Path("lessons") if Path("lessons").is_dir() else Path()]
    notebooks = []
    for path in given:
        inside = sorted(path.glob("*.ipynb")) if path.is_dir() else [path]
        if not inside:
            raise ValueError(f"There is no notebook (.ipynb) in {path.resolve()}. Name the folder that holds yours.")
        notebooks += inside
    return notebooks

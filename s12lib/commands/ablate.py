"""``s12 ablate``: what each lever of a recipe is worth, by runs with it and without it."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from s12lib.files import user_path
from s12lib.results.ablations import FOLDER, LEVERS

ABOUT = "measure what each lever of a recipe is worth"
EXAMPLE = "s12 ablate --config recipes/fast.yaml --epochs 6 --seeds 0 1 2"
TAKES_FIELDS = True  # whatever is left over goes to `s12 fit`


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--config", type=user_path, default=Path("recipes/fast.yaml"), metavar="FILE", help="the recipe"
    )
    parser.add_argument("--epochs", type=int, default=6, help="of each run (default: 6)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], metavar="N", help="a run of each (default: 0)")
    parser.add_argument(
        "--held-out", type=int, default=5000, metavar="N", help="training images kept for judging (default: 5000)"
    )
    parser.add_argument(
        "--levers", nargs="*", choices=LEVERS, default=list(LEVERS), metavar="NAME", help="which (none: only as it is)"
    )
    parser.add_argument(
        "--out", type=user_path, default=FOLDER, metavar="DIR", help=f"for the results (default: {FOLDER})"
    )


def run(options: Namespace, fields: list[str]) -> None:
    from s12lib.results.ablations import table
    from s12lib.training.ablate import ablate

    ablate(options.config, options.epochs, options.seeds, options.levers, options.held_out, options.out, fields)
    print(table(options.out))

"""``s12 assignment``: a lesson without its hints and solutions, for a class."""

from argparse import ArgumentParser, Namespace

from s12lib.files import user_path

ABOUT = "make an assignment of a lesson: without hints and solutions, with the checks"
EXAMPLE = "s12 assignment lessons/02_model.ipynb --out assignments"


def add_arguments(parser: ArgumentParser) -> None:
    what = "a lesson's notebook, or its name in the folder lessons, as in 02_model"
    parser.add_argument("lesson", type=user_path, metavar="LESSON", help=what)
    parser.add_argument("--out", type=user_path, required=True, metavar="DIR", help="the folder to write it to")


def run(options: Namespace) -> None:
    from s12lib.grading.assignment import make_assignment

    print(f"Wrote {make_assignment(options.lesson, options.out)}.")

"""``s12 grade``: students' notebooks in, a table out; what they hold runs behind a fence."""

import os
import sys
from argparse import ArgumentParser, Namespace

from s12lib.files import user_path

ABOUT = "grade students' notebooks, each answer in a fenced process of its own"
EXAMPLE = "s12 grade submissions --out grades.csv"


def add_arguments(parser: ArgumentParser) -> None:
    where = "a folder with a notebook, a zip file or a folder for each student; or these one by one"
    parser.add_argument("submissions", nargs="+", type=user_path, metavar="FOLDER_OR_NOTEBOOK", help=where)
    parser.add_argument("--out", type=user_path, required=True, metavar="FILE", help="a file name that ends in .csv")
    own = "a folder with exercises of your own, one file each, to be graded besides the course's"
    parser.add_argument("--exercises", type=user_path, metavar="DIR", help=own)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="how many at a time (default: all)")
    parser.add_argument("--seconds", type=float, default=20.0, help="of computing for one answer (default: 20)")
    parser.add_argument("--gigabytes", type=float, default=2.0, help="of memory for one answer (default: 2)")


def run(options: Namespace) -> None:
    if options.out.suffix != ".csv":
        raise ValueError(f"--out must end in .csv, but it is {options.out}.")
    for name in ("processes", "seconds", "gigabytes"):
        if not getattr(options, name) > 0:
            raise ValueError(f"--{name} must be positive, but it is {getattr(options, name)}.")
    from s12lib.files import atomic_write
    from s12lib.grading import grades

    students = grades.collect(options.submissions, leave_out=options.out.resolve())
    for warning in grades.missing_fences():
        print(f"NOT FENCED OFF ON THIS MACHINE: {warning}. Grade only what you would run yourself.", file=sys.stderr)
    places = {each if each.is_dir() else each.parent for each in options.submissions}
    grades.grade(
        students, options.seconds, int(options.gigabytes * 2**30), options.processes, places, options.exercises
    )
    atomic_write(options.out, grades.table(students).encode("utf-8-sig"))  # with the mark that Excel needs
    print(f"{grades.summary(students)} Wrote {options.out}.")

"""``s12 try-exercise``: how an exercise of one's own judges its reference, mutations of it, and answers."""

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

ABOUT = "try an exercise of your own: its reference, every mutation of it, and answers"
EXAMPLE = "s12 try-exercise exercises/moving_average.py my_answers.py"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("exercise", type=Path, metavar="FILE", help="a file that holds one Exercise")
    parser.add_argument("answers", nargs="*", type=Path, metavar="ANSWERS", help="files whose functions are answers")


def run(options: Namespace) -> None:
    from s12lib.exercises.trying import faults, trials

    tried = []
    for trial in trials(options.exercise, options.answers):
        tried.append(trial)
        print(f"{trial.verdict.status:9}  {trial.kind}: {trial.what}", flush=True)
        if trial.verdict.hint:
            print(f"{'':11}{trial.verdict.hint}")
    mutations = [trial for trial in tried if trial.kind == "mutation"]
    passed = [trial for trial in mutations if trial.verdict.status == "PASS"]
    print(f"{len(mutations) - len(passed)} of {len(mutations)} mutations are rejected.")
    if passed:
        print("Look at those that pass: either they change nothing, or the judge must ask for more.")
    for fault in faults(tried):
        print(fault)
    if faults(tried):
        sys.exit(1)

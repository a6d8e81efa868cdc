"""``s12 results``: the tables of the results page and of README."""

from argparse import ArgumentParser, Namespace

ABOUT = "print the table of measured runs, and put it into the book and README"
EXAMPLE = "s12 results"


def add_arguments(_parser: ArgumentParser) -> None:
    pass


def run(_options: Namespace) -> None:
    from s12lib.results import tables

    print(tables.table())
    if changed := tables.write():
        print(f"\nWrote it into {', '.join(map(str, changed))}.")

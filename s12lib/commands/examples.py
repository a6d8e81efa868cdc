"""``s12 examples``: the app's examples and its gallery of mistakes, drawn and measured anew."""

from argparse import ArgumentParser, Namespace

ABOUT = "measure the app's examples and the network's most confident mistakes anew"
EXAMPLE = "s12 examples"


def add_arguments(_parser: ArgumentParser) -> None:
    pass


def run(_options: Namespace) -> None:
    from s12lib.app.make_examples import write_examples

    print(write_examples())

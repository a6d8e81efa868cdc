"""``s12 app``: the app, on this machine."""

from argparse import ArgumentParser, Namespace

from s12lib.commands import WEIGHTS

ABOUT = "open the app on this machine"
EXAMPLE = "s12 app --port 7860"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--port", type=int, default=7860, help="where it listens (default: 7860)")
    parser.add_argument("--weights", **WEIGHTS)


def run(options: Namespace) -> None:
    from s12lib.app import launch

    launch(options.port, options.weights)

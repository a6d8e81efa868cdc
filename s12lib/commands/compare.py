"""``s12 compare``: does the heatmap lie on the object? Every method at every layer, beside three baselines."""

from argparse import ArgumentParser, Namespace

ABOUT = "measure on Shapes whether heatmaps lie on the object, for every method and layer"
EXAMPLE = "s12 compare --count 500"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--count", type=int, default=2000, help="how many test images of Shapes (default: 2000)")


def run(options: Namespace) -> None:
    from s12lib.explain.comparison import report

    for line in report(options.count):
        print(line)

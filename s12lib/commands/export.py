"""``s12 export``: one verified ONNX file, or a Hugging Face Space."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from s12lib.commands import WEIGHTS

if TYPE_CHECKING:
    from s12lib.data.splits import Split
    from s12lib.schemas import Card

ABOUT = "turn weights into one verified ONNX file, or into a Hugging Face Space"
EXAMPLE = "s12 export --format onnx --out page.onnx"
PRECISIONS = ("float32", "float16")  # as in s12lib.export.onnx_file, which would load torch


def add_arguments(parser: ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--format", choices=["onnx"], help="make one file of the network, in this format")
    what.add_argument("--space", type=Path, metavar="DIR", help="make a Hugging Face Space with the app in it")
    parser.add_argument("--out", type=Path, metavar="FILE", help="for --format: a file name that ends in .onnx")
    parser.add_argument("--precision", choices=PRECISIONS, default="float32", help="how weights are stored")
    parser.add_argument("--weights", **WEIGHTS)


def run(options: Namespace) -> None:
    if options.space is not None:
        space(options)
    else:
        onnx(options)


def onnx(options: Namespace) -> None:
    import tempfile

    from s12lib.export.onnx_file import OPSET, TOLERANCE, Answers, export_verified, require_libraries
    from s12lib.weights.pretrained import load_weights, read_card, weights_path

    if options.out is None or options.out.suffix != ".onnx":
        raise ValueError(f"--out must end in .onnx, but it is {options.out}.")
    require_libraries()
    path = weights_path(options.weights)
    network, card = load_weights(path), read_card(path)
    expected = Answers.of(network, test_split_of(card))
    reports = []
    with tempfile.TemporaryDirectory() as scratch:  # for the other precision, which is measured and thrown away
        for precision in TOLERANCE:
            out = options.out if precision == options.precision else Path(scratch) / "other.onnx"
            reports.append(export_verified(network, out, precision, expected))
    print(f"{'weights':10}{'size':>9}{'accuracy':>11}{'one picture':>14}{'off by at most':>17}")
    for report in reports:
        size, time, off = report["bytes"] / 1e6, report["milliseconds"], report["largest_difference"]
        accuracy = "-" if report["test_accuracy"] is None else f"{report['test_accuracy']:.2%}"
        print(f"{report['precision']:10}{size:>6.1f} MB{accuracy:>11}{time:>11.1f} ms{off:>17.1e}")
    measured = "" if expected.labels is None else f"; accuracy on {len(expected.labels):,} test images"
    print(f"Held against the PyTorch model on {len(expected.images):,} pictures ({card['dataset']}{measured}).")
    print(f"Wrote {options.out}: ONNX opset {OPSET}, {options.precision} weights.")


def space(options: Namespace) -> None:
    from s12lib.export.space import write_space

    if options.out is not None:
        raise ValueError("--out goes with --format; --space names the folder to write to.")
    print(f"Wrote {', '.join(write_space(options.space, options.weights))} to {options.space}.")
    print(f"Try it with `python {options.space / 'app.py'}`, then push it to a Space of your own, with Git LFS.")


def test_split_of(card: "Card") -> "Split | None":
    """The test split of the dataset that a card names, or None, with a word about it, where it is not available."""
    from s12lib.data.location import DataError
    from s12lib.datamodule import dataset_of

    try:
        data = dataset_of(card)
        data.setup("test")
    except DataError as error:
        print(f"{error} So the file is verified on the project's own pictures, and its accuracy is not measured.")
        return None
    print(f"Verifying on the {len(data.splits['test'].labels):,} test images of {data.name}, which takes some minutes.")
    return data.splits["test"]

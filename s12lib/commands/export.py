"""``s12 export``: one verified ONNX or PyTorch file, or a Hugging Face Space."""

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from s12lib.commands import WEIGHTS
from s12lib.files import user_path

if TYPE_CHECKING:
    from s12lib.data.splits import Split
    from s12lib.schemas import Card

ABOUT = "turn weights into one verified ONNX file, or into a Hugging Face Space"
EXAMPLE = "s12 export --format onnx --out page.onnx"
PRECISIONS = ("float32", "float16")  # as in s12lib.export.verify, which would load torch
FORMATS = ("onnx", "pt2")


def add_arguments(parser: ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--format", choices=FORMATS, help="make one file of the network, in this format")
    what.add_argument("--space", type=user_path, metavar="DIR", help="make a Hugging Face Space with the app in it")
    parser.add_argument("--out", type=user_path, metavar="FILE", help="for --format: a file name that ends in it")
    parser.add_argument("--force", action="store_true", help="for --format: replace a file that is there")
    parser.add_argument("--precision", choices=PRECISIONS, default="float32", help="how weights are stored, for onnx")
    parser.add_argument("--verify", type=int, metavar="N", help="test images to verify on (default: all)")
    parser.add_argument("--weights", **WEIGHTS)


def run(options: Namespace) -> None:
    if options.space is not None:
        space(options)
    else:
        one_file(options)


def one_file(options: Namespace) -> None:
    """Write the file, after everything that can be wrong with the options has been looked at."""
    check_out(options.out, options.format, options.force)
    if options.verify is not None and options.verify < 0:
        raise ValueError(f"--verify must be 0 or more test images, but it is {options.verify}.")
    if options.format == "pt2" and options.precision != "float32":
        raise ValueError("--precision float16 goes with --format onnx: a .pt2 computes in float32 as the model does.")
    from s12lib.export.onnx_file import require_libraries
    from s12lib.export.verify import Answers
    from s12lib.weights.pretrained import load_weights, read_card, weights_path

    if options.format == "onnx":
        require_libraries()
    path = weights_path(options.weights)
    network, card = load_weights(path), read_card(path)
    expected = Answers.of(network, test_split_of(card, options.verify), quiet=False)
    write = onnx if options.format == "onnx" else pt2
    reports, told = write(network, card, expected, options)
    print(f"{'weights':10}{'size':>9}{'accuracy':>11}{'one image':>14}{'off by at most':>17}")
    for report in reports:
        size, time, off = report["bytes"] / 1e6, report["milliseconds"], report["largest_difference"]
        accuracy = "-" if report["test_accuracy"] is None else f"{report['test_accuracy']:.2%}"
        print(f"{report['precision']:10}{size:>6.1f} MB{accuracy:>11}{time:>11.1f} ms{off:>17.1e}")
    measured = "" if expected.labels is None else f"; accuracy on {len(expected.labels):,} test images"
    print(f"Held against the PyTorch model on {len(expected.images):,} images ({card['dataset']}{measured}).")
    print(f"Wrote {options.out}: {told}.")


def check_out(out: Path | None, ending: str, force: bool) -> None:
    """Raise ValueError, before any work, unless a file of that name can and may be written."""
    if out is None:
        raise ValueError(f"--format {ending} needs --out: a file name that ends in .{ending}.")
    if out.suffix != f".{ending}":
        raise ValueError(f"--out must end in .{ending}, but it is {out}.")
    if out.is_dir():
        raise ValueError(f"{out} could not be written: it is a folder.")
    if out.exists() and not force:
        raise ValueError(f"{out} is there already: choose another name, or --force to replace it.")
    there = next(folder for folder in (out.absolute().parent, *out.absolute().parents) if folder.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise ValueError(f"{out} could not be written: {there.name or there} is no folder that can be written to.")


def onnx(network: Any, card: "Card", expected: Any, options: Namespace) -> tuple[list[dict[str, Any]], str]:
    import tempfile

    from s12lib.export.onnx_file import IR_VERSION, OPSET, export_verified
    from s12lib.export.verify import TOLERANCE

    reports = []
    with tempfile.TemporaryDirectory() as scratch:  # for the other precision, which is measured and thrown away
        for precision in TOLERANCE:
            out = options.out if precision == options.precision else Path(scratch) / "other.onnx"
            reports.append(export_verified(network, out, precision, expected, card, quiet=False))
    return reports, f"ONNX opset {OPSET}, IR version {IR_VERSION}, {options.precision} weights"


def pt2(network: Any, _card: "Card", expected: Any, options: Namespace) -> tuple[list[dict[str, Any]], str]:
    from s12lib.export.pt2_file import export_pt2

    return [export_pt2(network, options.out, expected, quiet=False)], "an exported program of PyTorch"


def space(options: Namespace) -> None:
    from s12lib.export.space import write_space

    if options.out is not None:
        raise ValueError("--out goes with --format; --space names the folder to write to.")
    print(f"Wrote {', '.join(write_space(options.space, options.weights))} to {options.space}.")
    print(f"Try it with `python {options.space / 'app.py'}`, then push it to a Space of your own, with Git LFS.")


def test_split_of(card: "Card", count: int | None) -> "Split | None":
    """The test split of the card's dataset, or its first ``count``; None, with a word about it, where it is missing."""
    from s12lib.data.location import DataError
    from s12lib.data.splits import Split
    from s12lib.datamodule import dataset_of

    if count == 0:
        return None
    try:
        data = dataset_of(card)
        data.setup("test")
    except DataError as error:
        print(f"{error} So the file is verified on the project's own images, and its accuracy is not measured.")
        return None
    whole = data.splits["test"]
    images, labels = whole[:2]
    print(f"Verifying on {len(labels[:count]):,} test images of {data.name}" + ("." if count else ", for minutes."))
    return Split(images[:count], labels[:count])

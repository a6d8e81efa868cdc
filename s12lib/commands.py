"""What `s12 data|predict|explain|pack|export|results` do; each takes the parsed options and prints its answer."""

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from s12lib.data.cifar10 import DataError, prepare_cifar10

if TYPE_CHECKING:
    import torch

    from s12lib.datamodule import Split

MOST_EXPLAINED = 100  # pictures in one figure; a PNG of more would be too tall to draw


def data(options: Namespace) -> None:
    path = prepare_cifar10(options.data_dir, options.source)
    print(f"{path} is CIFAR-10, whole: 50,000 training and 10,000 test images.")


def predict(options: Namespace) -> None:
    import numpy as np

    from s12lib.data.image_files import read_picture
    from s12lib.weights import pretrained

    weights = pretrained.weights_path(options.weights)
    images = np.stack([read_picture(path) for path in options.images])
    probabilities = pretrained.predict(pretrained.load_weights(weights), images)
    _print_top(options.images, probabilities, options.top, pretrained.class_names(pretrained.read_card(weights)))


def _print_top(paths: list[str], probabilities: "torch.Tensor", count: int, classes: tuple[str, ...]) -> None:
    """A line a picture: the most likely classes, each with its probability."""
    for path, row in zip(paths, probabilities, strict=True):
        top = row.topk(min(count, len(classes)))
        answer = ", ".join(
            f"{classes[i]} {p:.1%}" for p, i in zip(top.values.tolist(), top.indices.tolist(), strict=True)
        )
        print(f"{Path(path).name}: {answer}")


def explain(options: Namespace) -> None:
    if options.out.suffix != ".png":
        raise ValueError(f"--out must end in .png, but it is {options.out}.")
    if len(options.images) > MOST_EXPLAINED:
        raise ValueError(f"At most {MOST_EXPLAINED} pictures go into one file, but there are {len(options.images)}.")
    import numpy as np

    from s12lib import viz
    from s12lib.data.image_files import read_picture
    from s12lib.explain import enlarge, gradcam
    from s12lib.files import write_whole
    from s12lib.weights import pretrained

    weights = pretrained.weights_path(options.weights)
    network, card = pretrained.load_weights(weights), pretrained.read_card(weights)
    classes = pretrained.class_names(card)
    if options.target not in (None, *classes):
        raise ValueError(f"--target must be one of {', '.join(classes)}, but it is {options.target!r}.")
    images = np.stack([read_picture(path) for path in options.images])
    probabilities = pretrained.predict(network, images)
    _print_top(options.images, probabilities, 5, classes)
    predicted = probabilities.argmax(1).tolist()
    targets = predicted if options.target is None else [classes.index(options.target)] * len(images)
    raw = gradcam(network, images, targets, options.layer, options.method, raw=True)
    peak = raw.amax(dim=(1, 2), keepdim=True)
    places, sizes = raw / peak.where(peak > 0, 1), f"{raw.shape[1]} × {raw.shape[2]}"
    notes = [
        (_shortened(Path(path).name), f"for {classes[t]}, {row[t]:.1%}", "" if any_heat else "nothing speaks for it")
        for path, row, t, any_heat in zip(options.images, probabilities, targets, peak > 0, strict=True)
    ]
    title = f"Where {options.method} sees evidence, at {options.layer}"
    trained_on = f"Your pictures, as a network trained on {card['dataset']} sees them"
    maps = {f"its map, {sizes}": places, "enlarged": enlarge(raw)}
    drawing = viz.heatmap_table(images, maps, notes, title, trained_on, opacities=(1, 0.6))
    write_whole(options.out, viz.png(drawing.figure))
    print(f"Wrote {options.out}.")


def _shortened(name: str, most: int = 15) -> str:
    return name if len(name) <= most else f"{name[: most - 8]}…{name[-7:]}"


def pack(options: Namespace) -> None:
    from s12lib import datamodule
    from s12lib.results import records as runs
    from s12lib.training.checkpoints import read_checkpoint, run_of
    from s12lib.weights import pretrained

    if options.out.suffix != ".safetensors":
        raise ValueError(f"--out must end in .safetensors, but it is {options.out}.")
    run = run_of(read_checkpoint(options.checkpoint), options.checkpoint)
    settings = dict(run["config"].get("data") or {})
    kinds: dict[str, type[datamodule.ImageArrays]] = {"CIFAR10": datamodule.CIFAR10, "Shapes": datamodule.Shapes}
    kind, test = kinds.get(settings.pop("class", "")), None
    try:
        if kind is None:
            raise DataError("The run's data are neither CIFAR-10 nor Shapes.")
        module = kind(**settings)
        module.setup("test")
        test = module.splits["test"]
    except DataError as error:
        print(f"{error} So the card says nothing of accuracy.")
    card = pretrained.pack(options.checkpoint, options.out, test)
    if test is not None:
        measured = {key: card[key] for key in ("test_accuracy", "test_accuracy_tta")}
        look = runs.note_look(run, measured, card["packed_from"])
        print(f"{runs.accuracies(card['dataset'], measured)}; noted in {look}.")
    print(f"Wrote {options.out} and its card {options.out.with_suffix('.json')}.")


def familiarity(options: Namespace) -> None:
    from s12lib.app.familiarity_threshold import write_familiarity
    from s12lib.weights.pretrained import weights_path

    weights = weights_path(options.weights)
    measured = write_familiarity(weights)
    for name, kinds in measured["auroc"].items():
        print(f"{name}: " + ", ".join(f"AUROC {value:.3f} against {kind}" for kind, value in kinds.items()))
    seen = "seen in training" if measured["validation"]["seen_in_training"] else "not seen in training"
    print(f"Taken: {measured['score']}, threshold {measured['threshold']:.3f}; validation pictures were {seen}.")
    print("Warned of: " + ", ".join(f"{share:.1%} of {kind}" for kind, share in measured["warned"].items()))
    print(f"Wrote it into the card {weights.with_suffix('.json')}.")


def examples(options: Namespace) -> None:
    from s12lib.app.make_examples import write_examples

    print(write_examples())


def app(options: Namespace) -> None:
    from s12lib.app import launch

    launch(options.port, options.weights)


def export(options: Namespace) -> None:
    import tempfile

    from s12lib.export import onnx_file as onnx
    from s12lib.weights import pretrained

    if options.space is not None:
        return space(options)
    if options.out is None or options.out.suffix != ".onnx":
        raise ValueError(f"--out must end in .onnx, but it is {options.out}.")
    onnx.require_libraries()
    path = pretrained.weights_path(options.weights)
    network, card = pretrained.load_weights(path), pretrained.read_card(path)
    expected = onnx.Answers.of(network, _test_split_of(card["dataset"]))
    reports = []
    with tempfile.TemporaryDirectory() as scratch:  # for the other precision, which is measured and thrown away
        for precision in onnx.TOLERANCE:
            out = options.out if precision == options.precision else Path(scratch) / "other.onnx"
            reports.append(onnx.export_verified(network, out, precision, expected))
    print(f"{'weights':10}{'size':>9}{'accuracy':>11}{'one picture':>14}{'off by at most':>17}")
    for report in reports:
        size, time, off = report["bytes"] / 1e6, report["milliseconds"], report["largest_difference"]
        accuracy = "-" if report["test_accuracy"] is None else f"{report['test_accuracy']:.2%}"
        print(f"{report['precision']:10}{size:>6.1f} MB{accuracy:>11}{time:>11.1f} ms{off:>17.1e}")
    measured = "" if expected.labels is None else f"; accuracy on {len(expected.labels):,} test images"
    print(f"Held against the PyTorch model on {len(expected.images):,} pictures ({card['dataset']}{measured}).")
    print(f"Wrote {options.out}: ONNX opset {onnx.OPSET}, {options.precision} weights.")


def space(options: Namespace) -> None:
    from s12lib.export.space import write_space

    if options.out is not None:
        raise ValueError("--out goes with --format; --space names the folder to write to.")
    print(f"Wrote {', '.join(write_space(options.space, options.weights))} to {options.space}.")
    print(f"Try it with `python {options.space / 'app.py'}`, then push it to a Space of your own, with Git LFS.")


def _test_split_of(dataset: str) -> "Split | None":
    """The test split of CIFAR-10 or Shapes, or None, with a word about it, where it is not to be had."""
    from s12lib.datamodule import CIFAR10, Shapes

    data = Shapes(train_size=10, validation_size=0) if dataset == Shapes.name else CIFAR10()
    try:
        if dataset != data.name:
            raise DataError(f"The test set of {dataset} is not at hand.")
        data.setup("test")
    except DataError as error:
        print(f"{error} So the file is verified on the project's own pictures, and its accuracy is not measured.")
        return None
    print(f"Verifying on the {len(data.splits['test'].labels):,} test images of {data.name}, which takes some minutes.")
    return data.splits["test"]


def results(_options: Namespace) -> None:
    from s12lib.results import records as runs

    print(runs.table())
    if changed := runs.write():
        print(f"\nWrote it into {', '.join(map(str, changed))}.")

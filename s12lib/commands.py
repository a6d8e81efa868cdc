"""What `s12 data|predict|explain|pack|results` do; each takes the parsed options and prints its answer."""

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from s12lib.cifar10 import CLASSES, DataError, prepare_cifar10

if TYPE_CHECKING:
    import torch

MOST_EXPLAINED = 100  # pictures in one figure; a PNG of more would be too tall to draw


def data(options: Namespace) -> None:
    path = prepare_cifar10(options.data_dir, options.source)
    print(f"{path} is CIFAR-10, whole: 50,000 training and 10,000 test images.")


def predict(options: Namespace) -> None:
    import numpy as np

    from s12lib.pictures import read_picture
    from s12lib.pretrained import load_pretrained
    from s12lib.pretrained import predict as probabilities_of

    images = np.stack([read_picture(path) for path in options.images])
    _print_top(options.images, probabilities_of(load_pretrained(), images), options.top)


def _print_top(paths: list[str], probabilities: "torch.Tensor", count: int) -> None:
    """A line a picture: the most likely classes, each with its probability."""
    for path, row in zip(paths, probabilities, strict=True):
        top = row.topk(count)
        answer = ", ".join(
            f"{CLASSES[i]} {p:.1%}" for p, i in zip(top.values.tolist(), top.indices.tolist(), strict=True)
        )
        print(f"{Path(path).name}: {answer}")


def explain(options: Namespace) -> None:
    if options.out.suffix != ".png":
        raise ValueError(f"--out must end in .png, but it is {options.out}.")
    if options.target not in (None, *CLASSES):
        raise ValueError(f"--target must be one of {', '.join(CLASSES)}, but it is {options.target!r}.")
    if len(options.images) > MOST_EXPLAINED:
        raise ValueError(f"At most {MOST_EXPLAINED} pictures go into one file, but there are {len(options.images)}.")
    import numpy as np

    from s12lib.explain import enlarge, gradcam
    from s12lib.pictures import read_picture
    from s12lib.pretrained import load_card, load_pretrained
    from s12lib.pretrained import predict as probabilities_of
    from s12lib.viz import png
    from s12lib.viz_heatmaps import heatmap_table
    from s12lib.whole_file import write_whole

    images, network = np.stack([read_picture(path) for path in options.images]), load_pretrained()
    probabilities = probabilities_of(network, images)
    _print_top(options.images, probabilities, 5)
    predicted = probabilities.argmax(1).tolist()
    targets = predicted if options.target is None else [CLASSES.index(options.target)] * len(images)
    raw = gradcam(network, images, targets, options.layer, options.method, raw=True)
    peak = raw.amax(dim=(1, 2), keepdim=True)
    places, sizes = raw / peak.where(peak > 0, 1), f"{raw.shape[1]} × {raw.shape[2]}"
    notes = [
        (_shortened(Path(path).name), f"for {CLASSES[t]}, {row[t]:.1%}", "" if any_heat else "nothing speaks for it")
        for path, row, t, any_heat in zip(options.images, probabilities, targets, peak > 0, strict=True)
    ]
    title = f"Where {options.method} sees evidence, at {options.layer}"
    trained_on = f"Your pictures, as a network trained on {load_card()['dataset']} sees them"
    maps = {f"its map, {sizes}": places, "enlarged": enlarge(raw)}
    write_whole(options.out, png(heatmap_table(images, maps, notes, title, trained_on, opacities=(1, 0.6)).figure))
    print(f"Wrote {options.out}.")


def _shortened(name: str, most: int = 15) -> str:
    return name if len(name) <= most else f"{name[: most - 8]}…{name[-7:]}"


def pack(options: Namespace) -> None:
    from s12lib import datamodule, pretrained
    from s12lib.callbacks import read_checkpoint

    if options.out.suffix != ".safetensors":
        raise ValueError(f"--out must end in .safetensors, but it is {options.out}.")
    run = read_checkpoint(options.checkpoint).get("run", {})
    settings = dict(run.get("config", {}).get("data", {"class": "CIFAR10"}))
    module: datamodule.ImageArrays = getattr(datamodule, settings.pop("class"))(**settings)
    try:
        module.setup("test")
        test = module.splits["test"]
    except DataError as error:
        print(f"{error} So the card says nothing of accuracy.")
        test = None
    card = pretrained.pack(options.checkpoint, options.out, test)
    if test is not None:
        plain, tta = card["test_accuracy"], card["test_accuracy_tta"]
        print(f"On the test set of {card['dataset']}: {plain:.2%}, with flip TTA {tta:.2%}.")
    print(f"Wrote {options.out} and its card {options.out.with_suffix('.json')}.")


def app(options: Namespace) -> None:
    from s12lib.app import launch

    launch(options.port, options.weights or "page_resnet_cifar10")


def results(options: Namespace) -> None:
    from s12lib import results as runs

    print(runs.table())
    if options.write:
        changed = ", ".join(map(str, runs.write())) or "nothing, since all is up to date"
        print(f"\nWrote {changed}.")

"""What `s12 data|predict|pack|results` do; each takes the parsed options and prints its answer."""

from argparse import Namespace
from pathlib import Path

from s12lib.cifar10 import DataError, prepare_cifar10


def data(options: Namespace) -> None:
    path = prepare_cifar10(options.data_dir, options.source)
    print(f"{path} is CIFAR-10, whole: 50,000 training and 10,000 test images.")


def predict(options: Namespace) -> None:
    import numpy as np

    from s12lib.cifar10 import CLASSES
    from s12lib.pictures import read_picture
    from s12lib.pretrained import load_pretrained
    from s12lib.pretrained import predict as probabilities_of

    images = np.stack([read_picture(path) for path in options.images])
    for path, probabilities in zip(options.images, probabilities_of(load_pretrained(), images), strict=True):
        top = probabilities.topk(options.top)
        answer = ", ".join(
            f"{CLASSES[i]} {p:.1%}" for p, i in zip(top.values.tolist(), top.indices.tolist(), strict=True)
        )
        print(f"{Path(path).name}: {answer}")


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


def results(options: Namespace) -> None:
    from s12lib import results as runs

    print(runs.table())
    if options.write:
        changed = ", ".join(map(str, runs.write())) or "nothing, since all is up to date"
        print(f"\nWrote {changed}.")

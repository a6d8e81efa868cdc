"""``s12 pack``: a checkpoint becomes a file of weights and a card, with the accuracy of what was saved."""

from argparse import ArgumentParser, Namespace
from typing import Any

from s12lib.files import user_path

ABOUT = "turn a checkpoint into safetensors and a card"
EXAMPLE = "s12 pack runs/page24-seed0/last.ckpt --out page.safetensors"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("checkpoint", type=user_path, metavar="CHECKPOINT")
    parser.add_argument(
        "--out", type=user_path, required=True, metavar="FILE", help="a file name that ends in .safetensors"
    )


def run(options: Namespace) -> None:
    from s12lib.data.location import DataError
    from s12lib.datamodule import dataset_of
    from s12lib.results.records import accuracies, make_ready, note_look
    from s12lib.training.checkpoints import network_weights, read_checkpoint, run_of, weights_sha256
    from s12lib.weights.pack import pack

    if options.out.suffix != ".safetensors":
        raise ValueError(f"--out must end in .safetensors, but it is {options.out}.")
    checkpoint = read_checkpoint(options.checkpoint)
    run, test = run_of(checkpoint, options.checkpoint), None
    try:
        data = dataset_of(run)
        data.setup("test")
        test = data.splits["test"]
        make_ready(run, weights_sha256(network_weights(checkpoint)))
    except DataError as error:
        print(f"{error} So the card says nothing of accuracy.")

    def note(card: dict[str, Any]) -> None:
        """The look at the test set is on record before anything says what it found."""
        if test is not None:
            measured = {f"test_accuracy{views}": card[f"test_accuracy{views}"] for views in ("", "_tta", "_multicrop")}
            look = note_look(run, measured, card["packed_from"])
            print(f"{accuracies(card['dataset'], measured)}; noted in {look}.")

    pack(options.checkpoint, options.out, test, note)
    print(f"Wrote {options.out} and its card {options.out.with_suffix('.json')}.")

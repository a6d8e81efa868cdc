"""``s12 familiarity``: the threshold below which an image counts as unfamiliar, written into the card of weights."""

from argparse import ArgumentParser, Namespace

from s12lib.commands import WEIGHTS

ABOUT = "set the threshold below which an image counts as unfamiliar"
EXAMPLE = "s12 familiarity page.safetensors"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("weights", nargs="?", **WEIGHTS)


def run(options: Namespace) -> None:
    from s12lib.app.familiarity_threshold import write_familiarity
    from s12lib.weights.pretrained import weights_path

    weights = weights_path(options.weights)
    measured = write_familiarity(weights)
    for name, kinds in measured["auroc"].items():
        print(f"{name}: " + ", ".join(f"AUROC {value:.3f} against {kind}" for kind, value in kinds.items()))
    seen = "seen in training" if measured["validation"]["seen_in_training"] else "not seen in training"
    print(f"Taken: {measured['score']}, threshold {measured['threshold']:.3f}; validation images were {seen}.")
    print("Warned of: " + ", ".join(f"{share:.1%} of {kind}" for kind, share in measured["warned"].items()))
    print(f"Wrote it into the card {weights.with_suffix('.json')}.")

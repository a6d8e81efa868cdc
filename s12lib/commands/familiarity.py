"""``s12 familiarity``: the threshold below which an image counts as unfamiliar, written into the card of weights."""

from argparse import ArgumentParser, Namespace

from s12lib.commands import WEIGHTS

ABOUT = "set the threshold below which an image counts as unfamiliar"
EXAMPLE = "s12 familiarity page.safetensors"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("weights", nargs="?", **WEIGHTS)


def run(options: Namespace) -> None:
    from s12lib.app.familiarity_threshold import write_familiarity
    from s12lib.results.records import note_another_look
    from s12lib.weights.pretrained import read_card, weights_path

    weights = weights_path(options.weights)
    measured = write_familiarity(weights)
    for name, kinds in measured["auroc"].items():
        print(f"{name}: " + ", ".join(f"AUROC {value:.3f} against {kind}" for kind, value in kinds.items()))
    chosen = measured["chosen_on"]
    print(
        f"Taken: {measured['score']}, threshold {measured['threshold']:.3f}, chosen on {chosen['images']:,} images "
        f"of {chosen['dataset']} ({chosen['split']}), none of them trained on."
    )
    print("Warned of: " + ", ".join(f"{share:.1%} of {kind}" for kind, share in measured["warned"].items()))
    if chosen["split"].startswith("test"):
        card = read_card(weights)
        if looked := note_another_look(card):
            print(f"That was a look at the test set, noted in {looked}.")
    print(f"Wrote it into the card {weights.with_suffix('.json')}.")

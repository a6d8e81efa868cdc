"""The command `s12`: a thin dispatcher. Nothing heavy is imported before it is known what to do."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

LIGHTNING = {
    "fit": ("train a recipe", "s12 fit --config recipes/fast.yaml --seed_everything 1"),
    "validate": ("measure a checkpoint on the validation split", "s12 validate --config RECIPE.yaml --ckpt_path last"),
    "test": ("measure a checkpoint on the test set, on record", "s12 test --config RECIPE.yaml --ckpt_path last"),
}
OTHERS = {
    "data": ("get CIFAR-10, or check the file that is there", "s12 data --from cifar-10-python.tar.gz"),
    "predict": ("say what is in pictures", "s12 predict cat.jpg --top 3"),
    "explain": (
        "draw where the evidence for a class lies in pictures",
        "s12 explain cat.jpg --target dog --out why.png",
    ),
    "pack": (
        "turn a checkpoint into safetensors and a card",
        "s12 pack runs/page24-seed0/last.ckpt --out page.safetensors",
    ),
    "familiarity": (
        "measure from when on a picture is unlike the training data, for the card of weights",
        "s12 familiarity page.safetensors",
    ),
    "examples": ("measure the app's examples and the network's most confident mistakes anew", "s12 examples"),
    "app": ("open the app on this machine", "s12 app --port 7860"),
    "export": (
        "turn weights into one verified ONNX file, or into a Hugging Face Space",
        "s12 export --format onnx --out page.onnx",
    ),
    "results": ("print the table of measured runs, and put it into the book and README", "s12 results"),
}
LAYERS = ("prep", "layer1", "layer2", "layer3")  # as in s12lib.explain, which would load torch
METHODS = ("gradcam", "gradcam++", "eigencam", "hirescam", "layercam", "random")  # as in s12lib.explain.methods
PRECISIONS = ("float32", "float16")  # as in s12lib.export
WEIGHTS: dict[str, Any] = {
    "default": "page_resnet_cifar10",
    "metavar": "NAME_OR_FILE",
    "help": "weights that come with the package, or a file by `s12 pack` (default: page_resnet_cifar10)",
}


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence and exits with status 2."""

    def error(self, message: str) -> NoReturn:
        fail(f"{message}. `{self.prog} --help` shows how it goes.")


def fail(message: object, status: int = 2) -> NoReturn:
    """Print one sentence to stderr and exit; status 2 says that the input was wrong."""
    print(f"s12: {' '.join(str(message).split())}", file=sys.stderr)
    sys.exit(status)


def parser_for(command: str) -> Parser:
    about, example = (LIGHTNING | OTHERS)[command]
    parser = Parser(prog=f"s12 {command}", description=about.capitalize() + ".", epilog=f"Example: {example}")
    if command == "data":
        parser.add_argument(
            "--from", dest="source", type=Path, metavar="FILE", help="cifar10.npz or cifar-10-python.tar.gz"
        )
        parser.add_argument("--data-dir", type=Path, help="where cifar10.npz goes (default: $S12_DATA_DIR, else data)")
    elif command == "predict":
        parser.add_argument("images", nargs="+", metavar="IMAGE", help="picture files of any size")
        parser.add_argument("--weights", **WEIGHTS)
        parser.add_argument(
            "--top", type=int, choices=range(1, 11), default=3, help="how many classes to print, 1 to 10"
        )
    elif command == "explain":
        parser.add_argument("images", nargs="+", metavar="IMAGE", help="picture files of any size")
        parser.add_argument("--weights", **WEIGHTS)
        parser.add_argument("--layer", choices=LAYERS, default="layer3", help="whose map to draw (default: layer3)")
        parser.add_argument("--method", choices=METHODS, default="gradcam", help="how to make it (default: gradcam)")
        parser.add_argument("--target", metavar="CLASS", help="the class to explain (default: the predicted one)")
        parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="a file name that ends in .png")
    elif command == "pack":
        parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT")
        parser.add_argument(
            "--out", type=Path, required=True, metavar="FILE", help="a file name that ends in .safetensors"
        )
    elif command == "familiarity":
        parser.add_argument("weights", nargs="?", **WEIGHTS)
    elif command == "app":
        parser.add_argument("--port", type=int, default=7860, help="where it listens (default: 7860)")
        parser.add_argument("--weights", **WEIGHTS)
    elif command == "export":
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--format", choices=["onnx"], help="make one file of the network, in this format")
        what.add_argument("--space", type=Path, metavar="DIR", help="make a Hugging Face Space with the app in it")
        parser.add_argument("--out", type=Path, metavar="FILE", help="for --format: a file name that ends in .onnx")
        parser.add_argument("--precision", choices=PRECISIONS, default="float32", help="how weights are stored")
        parser.add_argument("--weights", **WEIGHTS)
    return parser


def lightning_help(command: str) -> str:
    about, example = LIGHTNING[command]
    return f"""usage: s12 {command} --config RECIPE.yaml [--FIELD VALUE ...]

{about.capitalize()}.

  --config FILE              the recipe, one of recipes/*.yaml
  --seed_everything N        the seed (default 0)
  --trainer.FIELD VALUE      a field of Lightning's Trainer, such as --trainer.max_epochs 5
  --model.FIELD VALUE        a field of the Classifier, such as --model.lr 0.5
  --data CLASS               CIFAR10, CIFAR100, Shapes or Pictures; --data.FIELD VALUE sets a field of it
  --ckpt_path last|FILE      the checkpoint to go on from, or to measure
  --run_dir DIR              where logs and checkpoints go (default runs/RECIPE-seedN)
  --print_config             print every field and stop
  --help-all                 every option there is

Example: {example}"""


def overview() -> str:
    rows = [f"  {name:13}{about}" for name, (about, _) in (LIGHTNING | OTHERS).items()]
    return (
        "usage: s12 COMMAND ...\n\nThe Page ResNet course's command.\n\n"
        + "\n".join(rows)
        + ("\n\n`s12 COMMAND --help` says more.\nExample: s12 fit --config recipes/smoke.yaml")
    )


def dispatch(command: str, arguments: list[str]) -> None:
    if command in LIGHTNING:
        from s12lib.training import recipe

        recipe.run([command, *("--help" if argument == "--help-all" else argument for argument in arguments)])
        return
    options = parser_for(command).parse_args(arguments)
    from s12lib import commands

    getattr(commands, command)(options)


def main(argv: Sequence[str] | None = None) -> None:
    """Run ``s12``; a wrong input ends in one sentence on stderr and exit status 2."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    command = arguments[0] if arguments else "--help"
    if command in ("-h", "--help"):
        print(overview())
    elif command not in LIGHTNING | OTHERS:
        fail(f"there is no command {command!r}; there are {', '.join(LIGHTNING | OTHERS)}.")
    elif command in LIGHTNING and {"-h", "--help"} & set(arguments[1:]):
        print(lightning_help(command))
    else:
        from s12lib.errors import sentence

        try:
            dispatch(command, arguments[1:])
        except KeyboardInterrupt:
            fail("stopped by you.", status=130)  # as shells call it; scripts must not take it for a refusal
        except Exception as error:
            if (message := sentence(error)) is None:
                raise
            fail(message)


if __name__ == "__main__":
    main()

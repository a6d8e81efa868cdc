"""``s12 fit``, ``s12 validate``, ``s12 test``: LightningCLI's commands, with a help that fits on a screen."""

ABOUT = {
    "fit": "train a recipe",
    "validate": "measure a checkpoint on the validation split",
    "test": "measure a checkpoint on the test set, on record",
}
EXAMPLE = {
    "fit": "s12 fit --config recipes/fast.yaml --seed_everything 1",
    "validate": "s12 validate --config RECIPE.yaml --ckpt_path last",
    "test": "s12 test --config RECIPE.yaml --ckpt_path last",
}


def help_text(command: str) -> str:
    return f"""usage: s12 {command} --config RECIPE.yaml [--FIELD VALUE ...]

{ABOUT[command].capitalize()}.

  --config FILE              the recipe, one of recipes/*.yaml
  --seed_everything N        the seed (default 0)
  --trainer.FIELD VALUE      a field of Lightning's Trainer, such as --trainer.max_epochs 5
  --model.FIELD VALUE        a field of the Classifier, such as --model.lr 0.5
  --data CLASS               CIFAR10, CIFAR100, Shapes or Pictures; --data.FIELD VALUE sets a field of it
  --ckpt_path last|FILE      the checkpoint to go on from, or to measure
  --run_dir DIR              where logs and checkpoints go (default runs/RECIPE-seedN)
  --print_config             print every field and stop
  --help-all                 every option there is

Example: {EXAMPLE[command]}"""


def run(command: str, arguments: list[str]) -> None:
    if {"-h", "--help"} & set(arguments):
        print(help_text(command))
        return
    from s12lib.training import recipe

    recipe.run([command, *("--help" if argument == "--help-all" else argument for argument in arguments)])

"""What people type after ``s12 fit``: looked at before the parser reads it, and its refusals in a sentence of ours."""

import inspect
import re
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

import pytorch_lightning as pl
import yaml

from s12lib.classifier import Classifier
from s12lib.datamodule import DATASETS
from s12lib.errors import CourseError, did_you_mean, reason
from s12lib.files import beside, require_regular, user_path

MOST_BYTES = 1_000_000  # of a recipe
OPTIONS = ("config", "seed_everything", "run_dir", "ckpt_path", "data", "print_config")
TYPES = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "a text", "NoneType": "null"}


class RecipeError(CourseError):
    """A recipe, or a field of one, that cannot be used; the message is written for people."""


def given(arguments: list[str], option: str) -> Iterator[str]:
    """The values of an option on a command line, as ``--option VALUE`` or ``--option=VALUE``."""
    for argument, following in zip(arguments, [*arguments[1:], ""], strict=True):
        name, equals, value = argument.partition("=")
        if name == f"--{option}":
            yield value if equals else following


def check_arguments(arguments: list[str]) -> None:
    """Raises RecipeError for a recipe that cannot be read, and for a seed of the data's own, which there is not."""
    if not any(argument.startswith(("--config", "-c", "--data", "--help", "-h")) for argument in arguments):
        words = [argument.partition("=")[0].removeprefix("--") for argument in arguments if argument.startswith("--")]
        unknown = [word for word in words if word not in options()]
        likely = nearest_option(unknown[0]) if unknown else "."
        raise RecipeError(
            f"Say which recipe, as in `--config recipes/smoke.yaml`, or which data, as in `--data Shapes`{likely}"
        )
    seeds = [*given(arguments, "data.seed"), *given(arguments, "data.init_args.seed")]
    for config in given(arguments, "config"):
        path = user_path(config)
        try:
            require_regular(path, MOST_BYTES)
            recipe = yaml.safe_load(path.read_text("utf-8"))
        except OSError as error:
            raise RecipeError(f"The recipe {config} cannot be read: {reason(error)}{beside(path)}") from error
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise RecipeError(f"The recipe {config} is no YAML: {' '.join(str(error).split())}.") from error
        if not isinstance(recipe, dict):
            raise RecipeError(f"The recipe {config} holds no fields: recipes/smoke.yaml shows what one looks like.")
        data = recipe.get("data")
        seeds += [data["init_args"]["seed"]] if isinstance(data, dict) and "seed" in data.get("init_args", {}) else []
    for seed in given(arguments, "seed_everything"):
        if seed.lstrip("-").isdigit() and not 0 <= int(seed) < 2**32:
            raise RecipeError(f"seed_everything must lie between 0 and {2**32 - 1}, but it is {seed}.")
    if seeds:
        raise RecipeError(f"The seed of the data is the run's: set it with `--seed_everything {seeds[0]}`.")


def in_our_words(refusal: str) -> str:
    """The parser's refusal of a field without the parser's own terms; as it is where it has none."""
    text, section = " ".join(refusal.split()), ""
    if "s12lib.datamodule.ImageArrays" in text:  # what is wrong with the data stands inside what is said of their type
        section, inner = "data.", re.search(r"Errors: - (.*?)(?: - Expected a <class 'NoneType'>|$)", text)
        text = re.sub(r"^Problem with given class_path '[^']*': ", "", inner[1] if inner else text)
    if found := re.search(r"Option '([^']*)' is not accepted", text):
        return f"The data have no field {found[1]}{did_you_mean(found[1], data_fields())}"
    if found := re.search(r"dot import path string: (.*)$|module '\S*' has no attribute '(\w+)'$", text):
        name = found[1] or found[2]
        return f"data must be one of {', '.join(DATASETS)}, but it is {name}{did_you_mean(name, DATASETS)}"
    if found := re.search(r"Parser key \"([^\"]*)\": Expected a <class '(\w+)'>. Got value: (.*)$", text):
        return f"{section}{found[1]} must be {TYPES.get(found[2], found[2])}, but it is {found[3]}."
    if found := re.search(r"Parser key \"([^\"]*)\": .* Given value: (.*)$", text):
        known = literals(pl.Trainer.__init__.__annotations__.get(found[1].removeprefix("trainer.")))
        likely = did_you_mean(found[2], known).removesuffix(".")
        return f"{section}{found[1]} cannot be {found[2]}{likely or '; `--help-all` says what it can be.'}"
    if found := re.search(r"unrecognized arguments: --([\w.]+)", text):
        return f"There is no option --{found[1]}{nearest_option(found[1])}"
    if found := re.search(r"arguments are required: (\w+)$", text):
        return f"Say {section}{found[1]}: add `--{section}{found[1]} VALUE`."
    return text


def nearest_option(given: str) -> str:
    """How a sentence about an unknown option ends; a field that another section has is looked for there."""
    elsewhere = [name for name in options() if "." in given and name.partition(".")[2] == given.partition(".")[2]]
    return did_you_mean(given, elsewhere[:1] or options(), least=0.0 if elsewhere else 0.6).replace("mean ", "mean --")


def literals(kind: Any) -> list[str]:
    """The texts that an annotation allows."""
    if get_origin(kind) is Literal:
        return [each for each in get_args(kind) if isinstance(each, str)]
    return [each for part in get_args(kind) for each in literals(part)]


def parameters(kind: Any) -> list[str]:
    """The names of a class's arguments."""
    return [name for name in inspect.signature(kind.__init__).parameters if name != "self"]


def data_fields() -> list[str]:
    return sorted({name for kind in DATASETS.values() for name in parameters(kind)})


def options() -> list[str]:
    """Every option that there is."""
    sections = {"model": parameters(Classifier), "trainer": parameters(pl.Trainer), "data": data_fields()}
    return [*OPTIONS, *(f"{section}.{name}" for section, names in sections.items() for name in names)]

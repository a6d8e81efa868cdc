"""What stands in each kind of file that the course writes and reads again, and the one check of it.

A file that somebody edited, cut short or mistook for another is refused in one sentence that names it and the field.
"""

import json
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, TypeVar, cast

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from s12lib.errors import CourseError
from s12lib.files import read_text

FORM = ConfigDict(strict=True, extra="allow")  # files grow: what a newer version adds does not make them unreadable
FileName = Annotated[str, Field(pattern=r"^[^/\\\x00-\x1f]+$", max_length=200)]
ClassName = Annotated[str, Field(min_length=1, max_length=255)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Epochs = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


@with_config(FORM)
class Config(TypedDict):
    """A resolved recipe."""

    model: dict[str, Any]
    data: dict[str, Any]
    max_epochs: int
    trainer: NotRequired[dict[str, Any]]


@with_config(FORM)
class RunMetadata(TypedDict):
    """What a checkpoint says of the run that wrote it, under ``run``; ``epochs`` is how many were trained, in part too.

    Before version 0.2.0 ``epochs`` was called ``epochs_trained``.
    """

    recipe: FileName
    recipe_hash: str
    seed: int
    dataset: str
    train_images: Count
    train_fingerprint: str
    epochs: Epochs
    config: Config
    classes: NotRequired[list[ClassName] | None]
    precision: NotRequired[str]
    hardware: NotRequired[str]
    versions: NotRequired[dict[str, str]]
    commit: NotRequired[str | None]
    train_seconds: NotRequired[float | None]
    images_per_second: NotRequired[float | None]
    earlier_attempts: NotRequired[list[dict[str, Any]]]


@with_config(FORM)
class Resumable(TypedDict):
    """What a checkpoint must hold beside weights for its run to go on."""

    epoch: Count
    global_step: Count
    optimizer_states: Annotated[list[dict[str, Any]], Field(min_length=1)]
    lr_schedulers: Annotated[list[dict[str, Any]], Field(min_length=1)]
    callbacks: dict[str, Any]
    loops: dict[str, Any]


@with_config(FORM)
class Result(RunMetadata):
    """``results/*.json``: a run, what it reached, and every look at the test set."""

    train_accuracy: Share | None
    test_accuracy: Share
    test_accuracy_tta: Share
    test_accuracy_multicrop: NotRequired[Share]
    weights_sha256: str
    looks: Annotated[list[str], Field(min_length=1)]


@with_config(FORM)
class Images(TypedDict):
    """How many images a run was trained and judged on."""

    train: Count
    validation: Annotated[int, Field(ge=1)]


@with_config(FORM)
class Scores(TypedDict):
    """Accuracies as shares of 1, without and with flip TTA."""

    accuracy: Share
    accuracy_tta: Share
    accuracy_multicrop: NotRequired[Share]


@with_config(FORM)
class Ablation(TypedDict):
    """``results/ablations/*.json``: one run, with one lever off or none."""

    recipe: str
    dataset: str
    epochs: int
    fields: list[str]
    hardware: str
    precision: str
    without: str
    seed: int
    config: dict[str, Any]
    images: Images
    validation: Scores
    train_seconds: NotRequired[float]


@with_config(ConfigDict(strict=True, extra="forbid"))
class NetworkArguments(TypedDict):
    """What ``PageResNet`` is called with; anything else is refused."""

    num_classes: Annotated[int, Field(ge=1, le=100_000)]
    logit_scale: NotRequired[Finite]


Architecture = TypedDict("Architecture", {"class": str, "arguments": NetworkArguments, "parameters": Count})
"""What network the weights are of."""


@with_config(FORM)
class Familiarity(TypedDict):
    """From which score on an image counts as familiar."""

    score: Literal["maximum probability", "maximum logit", "energy"]
    threshold: Finite
    auroc: NotRequired[dict[str, dict[str, Share]]]
    chosen_on: NotRequired[dict[str, Any]]
    validation: NotRequired[dict[str, Any]]  # instead of it, before version 0.2.0
    warned: NotRequired[dict[str, Share]]
    warned_and_right: NotRequired[Share]


@with_config(FORM)
class Card(TypedDict):
    """The card beside a file of weights."""

    name: str
    architecture: Architecture
    recipe: str
    recipe_hash: str
    seed: int
    dataset: str
    train_images: Count
    epochs: Epochs
    sha256: str
    packed_from: NotRequired[str]
    licence: str
    intended_use: str
    classes: NotRequired[list[ClassName] | None]
    data: NotRequired[dict[str, Any] | None]
    test_accuracy: NotRequired[Share | None]
    test_accuracy_tta: NotRequired[Share | None]
    test_accuracy_multicrop: NotRequired[Share | None]
    familiarity: NotRequired[Familiarity]


@with_config(FORM)
class LogRow(TypedDict):
    """A row of ``metrics.csv``: every other column is a metric, empty where nothing was logged at the step."""

    step: Annotated[str, Field(pattern=r"^[0-9]{1,15}$")]


@with_config(FORM)
class ExampleRecord(TypedDict):
    """One of the app's examples."""

    file: FileName
    shows: str
    truth: str | None
    source: str
    answer: str
    probability: Share
    familiar: bool | None


@with_config(FORM)
class MistakeRecord(TypedDict):
    """One of the app's mistakes."""

    picture: FileName
    index: Count
    answer: str
    probability: Share
    truth: str
    maps: list[list[list[Finite]]]


@with_config(FORM)
class ExamplesRecord(TypedDict):
    """What ``s12 examples`` measured, with which weights."""

    weights_sha256: str
    examples: list[ExampleRecord]
    mistakes: list[MistakeRecord]


NAMES: dict[Any, str] = {
    RunMetadata: "the run of a checkpoint", Resumable: "a checkpoint to go on from", Result: "a result",
    Ablation: "the run of an ablation", Card: "the card of weights", NetworkArguments: "a checkpoint of PageResNet",
    LogRow: "a log of training", ExamplesRecord: "the app's examples",
}  # fmt: skip
WORDS = {"string_pattern_mismatch": "it holds characters that it cannot have"}
"""What pydantic says in terms of its own."""
Kind = TypeVar("Kind")


@cache
def validator(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def check(data: Any, kind: type[Kind], source: Path | str, error: type[CourseError], plain: bool = True) -> Kind:
    """The data themselves, once they have the form of ``kind``; raises ``error`` with the file's name and the fault.

    Unless ``plain`` is False, they may hold nothing but what JSON has.
    """
    if isinstance(data, dict) and "epochs_trained" in data:  # a file of before version 0.2.0
        data = {"epochs" if key == "epochs_trained" else key: value for key, value in data.items()}
    try:
        validator(cast(Any, kind)).validate_python(data)
        if plain:
            json.dumps(data)
    except ValidationError as fault:
        first = fault.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"][:3])) or "its content"
        message = WORDS.get(first["type"]) or f"{first['msg'][:1].lower()}{first['msg'][1:]}"
        raise error(f"{source} cannot be read as {NAMES[kind]}: {place}: {message}.") from fault
    except (TypeError, ValueError, RecursionError) as fault:
        raise error(f"{source} cannot be read as {NAMES[kind]}: it holds more than plain values.") from fault
    return data


def read_json(path: Path, kind: type[Kind], error: type[CourseError], most_bytes: int = 10_000_000) -> Kind:
    """A JSON file of one kind. Raises ``error`` when it cannot be read, is unreasonably large or has another form."""
    try:
        data = json.loads(read_text(path, error, most_bytes))
    except (ValueError, RecursionError) as fault:
        raise error(f"{path} cannot be read as {NAMES[kind]}: it is no JSON, or damaged.") from fault
    return check(data, kind, path, error)

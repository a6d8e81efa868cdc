"""Measuring a checkpoint by the splits it was trained with; a look at the test set is on record before it is shown."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from s12lib.data.splits import fingerprint
from s12lib.datamodule import ImageArrays
from s12lib.inference import logits_of
from s12lib.results import records
from s12lib.schemas import RunMetadata
from s12lib.training.checkpoints import CheckpointError, network_weights, read_checkpoint, run_of, weights_sha256


def own_checkpoint(path: str | Path, data: ImageArrays, subcommand: str) -> tuple[dict[str, Any], RunMetadata]:
    """A checkpoint and its run, which must have been trained on just this training split: others hold images of it.

    Raises CheckpointError for one of other data.
    """
    checkpoint = read_checkpoint(path)
    run = run_of(checkpoint, path)
    if run["dataset"] != data.name:
        raise CheckpointError(f"{path} is not from `s12 fit` on {data.name}: {subcommand} it on its own data.")
    data.setup()
    if fingerprint(data.splits["train"]) != run["train_fingerprint"]:
        raise CheckpointError(
            f"{path} was trained on other images of {data.name}: {subcommand} it with the data settings that it was "
            "trained with."
        )
    return checkpoint, run


def test(
    trainer: pl.Trainer,
    checkpoint: dict[str, Any],
    run: RunMetadata,
    model: Any,
    datamodule: ImageArrays,
    **kwargs: Any,
) -> None:
    """Measure on the test set and write the look down in ``results/`` before anything else can fail or is shown."""
    trainer.test(model, datamodule=datamodule, **kwargs | {"verbose": False})
    metrics: dict[str, Any] = {name: float(value) for name, value in trainer.callback_metrics.items()}
    metrics["test_fingerprint"] = fingerprint(datamodule.splits["test"])
    if trainer.is_global_zero:
        weights = weights_sha256(network_weights(checkpoint))
        path = records.record(run, metrics | {"train_accuracy": None}, weights)
    train = datamodule.splits["train"]
    logits = logits_of(model.network.to(trainer.strategy.root_device), train.images)
    metrics["train_accuracy"] = (logits.argmax(1) == train.labels).float().mean().item()
    if trainer.is_global_zero:
        records.add_to(path, metrics)
        print(f"{records.accuracies(datamodule.name, metrics)}; written to {path}.")

"""`s12 fit|validate|test`: a recipe, resolved by LightningCLI, run in one fixed directory."""

import itertools
import logging
import warnings
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback, LearningRateMonitor, ModelCheckpoint
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.loggers.tensorboard import _TENSORBOARD_AVAILABLE
from pytorch_lightning.utilities import rank_zero_info, rank_zero_only

from s12lib.classifier import Classifier
from s12lib.data.splits import fingerprint
from s12lib.datamodule import (
    CIFAR100,  # noqa: F401 (so that --data finds it)
    ImageArrays,
)
from s12lib.inference import logits_of
from s12lib.results import records as results
from s12lib.training import hardware, provenance
from s12lib.training.callbacks import CSVLog, RunBar, RunRecord, SafeCheckpointIO, StopWhenDiverged
from s12lib.training.checkpoints import CheckpointError, network_weights, read_checkpoint, run_of, weights_sha256

EXPECTED_WARNINGS = (
    "LightningCLI's args parameter",
    "JsonargparseDeprecationWarning",
    "``instantiate_classes`` was deprecated",
    "Checkpoint directory .* exists and is not empty",
    "callbacks used to create the checkpoint need to be provided",
    "You're using the WeightAveraging callback, but loading a checkpoint outside",
    "The number of training batches .* is smaller than the logging interval",
    "Detected pickle protocol",
    "Total length of `list` across ranks is zero",
    ".*LeafSpec",
)
"""What Lightning warns of and this command does on purpose, or cannot help."""


class RecipeCLI(LightningCLI):
    """LightningCLI with the course's logs, checkpoints and precision; runs live in ``runs/RECIPE-seedN``."""

    def __init__(self, args: list[str]) -> None:
        super().__init__(
            Classifier,
            ImageArrays,
            subclass_mode_data=True,
            save_config_callback=None,
            auto_configure_optimizers=False,
            load_from_checkpoint_support=False,  # it would let a checkpoint name a function to be called
            seed_everything_default=0,
            parser_kwargs={"exit_on_error": False},
            args=args,
        )

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_argument("--run_dir", type=str | None, default=None, help="where logs and checkpoints go")
        parser.link_arguments("seed_everything", "data.init_args.seed", compute_fn=whole_seed)

    @property
    def settings(self) -> Any:
        """The resolved configuration of the subcommand that runs."""
        return self.config[self.subcommand]

    @property
    def recipe_name(self) -> str:
        configs = self.settings.get("config")
        return Path(str(configs[0])).stem if configs else "custom"

    @property
    def run_dir(self) -> Path:
        return Path(self.settings.run_dir or f"runs/{self.recipe_name}-seed{int(self.settings.seed_everything)}")

    def before_instantiate_classes(self) -> None:
        epochs = self.settings.trainer.max_epochs
        if self.subcommand == "fit" and (epochs is None or epochs < 1):
            raise ValueError(f"trainer.max_epochs must be at least 1, but it is {epochs}.")
        if self.settings.trainer.devices == "auto":  # all GPUs of a machine would mean another batch than the recipe's
            self.settings.trainer.devices = 1

    @property
    def resolved(self) -> dict[str, Any]:
        """The recipe with all its fields, as results keep it and its hash is made of."""
        data, trainer = self.settings.data, self.settings.trainer
        config = {
            "model": dict(self.settings.model),
            "data": {"class": data.class_path.rsplit(".", 1)[-1]} | dict(data.init_args),
            "max_epochs": trainer.max_epochs,
        }
        unusual = {k: str(trainer[k]) for k, usual in provenance.TRAINER_DEFAULTS.items() if trainer[k] != usual}
        return config | ({"trainer": unusual} if unusual else {})

    def facts(self) -> dict[str, Any]:
        """What a checkpoint says of its run."""
        config, trainer = self.resolved, self.settings.trainer
        return {
            "recipe": self.recipe_name,
            "recipe_hash": provenance.recipe_hash(config),
            "config": config,
            "seed": int(self.settings.seed_everything),
            "dataset": self.datamodule.name,
            "precision": self.precision,
            "hardware": hardware.hardware(trainer.accelerator),
            "versions": provenance.versions(),
            "commit": provenance.commit(),
        }

    def instantiate_trainer(self, **kwargs: Any) -> pl.Trainer:
        fitting = self.subcommand == "fit"
        best = hardware.best_precision(self.settings.trainer.accelerator) if fitting else "32-true"
        self.precision = self.settings.trainer.precision or best
        given = self.config_init[self.subcommand].trainer
        ours: dict[str, Any] = {"num_sanity_val_steps": 0, "enable_model_summary": False, "log_every_n_steps": 10}
        settings = {field: value for field, value in ours.items() if given[field] is None}
        settings |= {"precision": self.precision, "plugins": [SafeCheckpointIO(), *as_list(given.plugins)]}
        if not fitting:
            settings |= {"enable_checkpointing": False, "logger": False}
        else:
            if given.logger is False or given.enable_checkpointing is False:
                raise ValueError("A run keeps its log and its checkpoints: leave out logger and enable_checkpointing.")
            log = CSVLog(self.run_dir)
            settings["logger"] = [log, *(as_list(given.logger) if given.logger is not True else [])]
            if _TENSORBOARD_AVAILABLE:
                settings["logger"].append(TensorBoardLogger(self.run_dir, name="", version="tensorboard"))
            bar = [] if given.enable_progress_bar is False else [RunBar()]
            settings["callbacks"] = [*self.watchers(log), *bar, *as_list(given.callbacks)]
        return super().instantiate_trainer(**settings | kwargs)

    def watchers(self, log: CSVLog) -> list[Callback]:
        """What keeps a training run; ``last.ckpt`` always, ``best.ckpt`` where there is a validation split."""

        def checkpoint(name: str, **settings: Any) -> Callback:
            return ModelCheckpoint(self.run_dir, name, mode="max", enable_version_counter=False, **settings)

        best = [checkpoint("best", monitor="validation_accuracy")] if self.datamodule.has_validation else []
        return [
            StopWhenDiverged(self.run_dir),
            RunRecord(self.facts(), log),
            LearningRateMonitor("step"),
            *best,
            checkpoint("last", save_on_train_epoch_end=True),  # after best, whose score it remembers
        ]

    def _parse_ckpt_path(self) -> None:
        path = self.config[self.config.subcommand].get("ckpt_path")
        if path and Path(path).is_file():
            read_checkpoint(path)  # LightningCLI is about to read it too, with less to say about what is wrong
        super()._parse_ckpt_path()

    def _prepare_subcommand_kwargs(self, subcommand: str) -> dict[str, Any]:
        kwargs = super()._prepare_subcommand_kwargs(subcommand)
        if kwargs.get("ckpt_path") == "last":
            last = self.run_dir / "last.ckpt"
            kwargs["ckpt_path"] = str(last) if last.exists() else None
            if last.exists():
                if subcommand == "fit":
                    rank_zero_info(f"Going on from {last}.")
            elif subcommand == "fit":
                rank_zero_info(f"There is no checkpoint in {self.run_dir} yet: starting afresh.")
            else:
                raise CheckpointError(f"There is no {last}: train first, with `s12 fit --config RECIPE`.")
        if subcommand != "fit" and not kwargs.get("ckpt_path"):
            raise CheckpointError(f"Say which weights to {subcommand}: `--ckpt_path last` or `--ckpt_path FILE`.")
        if subcommand == "fit" and kwargs.get("ckpt_path"):
            self.refuse_another_run(Path(kwargs["ckpt_path"]))
        elif subcommand == "fit" and (self.run_dir / "last.ckpt").exists():
            self.datamodule.setup("fit")  # if the data are not there, nothing is put aside for nothing
            put_aside(self.run_dir)
        return kwargs

    def refuse_another_run(self, checkpoint_path: Path) -> None:
        """A run goes on as it was begun: the checkpoint brings its optimiser, whatever the recipe says now."""
        home = checkpoint_path.parent
        if (self.run_dir / "last.ckpt").exists() and home.resolve() != self.run_dir.resolve():
            raise CheckpointError(f"{self.run_dir} holds another run: add `--run_dir {home}` to go on there.")
        self.datamodule.setup("fit")
        begun, now = read_checkpoint(checkpoint_path).get("run") or {}, self.facts()
        now["train_fingerprint"] = fingerprint(self.datamodule.splits["train"])
        for field in ("recipe_hash", "seed", "dataset", "train_fingerprint"):
            if field in begun and begun[field] != now[field]:
                raise CheckpointError(
                    f"{checkpoint_path} was begun with another {field.replace('_', ' ')} ({begun[field]}, and now "
                    f"{now[field]}): go on with its own settings, or start afresh with another --run_dir."
                )

    def after_fit(self) -> None:
        rank_zero_info("To measure it, once and at the end: `s12 test` with the same settings and `--ckpt_path last`.")

    def before_validate(self) -> None:
        if not self.datamodule.has_validation:
            raise ValueError(
                "There is no validation split to measure on: train with one, such as validation_size 5000."
            )
        self.read_its_own_checkpoint("validate")

    def before_test(self) -> None:
        if self.settings.trainer.fast_dev_run or self.settings.trainer.limit_test_batches is not None:
            raise ValueError("A test is of the whole test set: leave out limit_test_batches and fast_dev_run.")
        self.read_its_own_checkpoint("test")

    def read_its_own_checkpoint(self, subcommand: str) -> None:
        """What is measured must have been trained on just this training split: other splits hold pictures of it."""
        path = self._prepare_subcommand_kwargs(subcommand)["ckpt_path"]
        self.checkpoint, data = read_checkpoint(path), self.datamodule
        run = run_of(self.checkpoint, path)
        if run["dataset"] != data.name:
            raise CheckpointError(f"{path} is not from `s12 fit` on {data.name}: {subcommand} it on its own data.")
        data.setup()
        if fingerprint(data.splits["train"]) != run["train_fingerprint"]:
            raise CheckpointError(
                f"{path} was trained on other pictures of {data.name}: {subcommand} it with the data settings that it "
                "was trained with."
            )

    def after_test(self) -> None:
        """Write the look at the test set down in ``results/``."""
        metrics: dict[str, Any] = {name: float(value) for name, value in self.trainer.callback_metrics.items()}
        train = self.datamodule.splits["train"]
        network = self.model.network.to(self.trainer.strategy.root_device)
        metrics["train_accuracy"] = (logits_of(network, train.images).argmax(1) == train.labels).float().mean().item()
        metrics["test_fingerprint"] = fingerprint(self.datamodule.splits["test"])
        if self.trainer.is_global_zero:
            weights = weights_sha256(network_weights(self.checkpoint))
            path = results.record(self.checkpoint["run"], metrics, weights)
            print(f"{results.accuracies(self.datamodule.name, metrics)}; written to {path}.")


def whole_seed(seed: int | bool) -> int:
    """The seed of the data, which is the run's. Raises ValueError for true and false, which name no seed."""
    if isinstance(seed, bool):
        raise ValueError(f"seed_everything must be a whole number, but it is {str(seed).lower()}.")
    return seed


def as_list(given: Any) -> list[Any]:
    """One or several of something, or none."""
    return list(given) if isinstance(given, list | tuple) else [] if given is None else [given]


@rank_zero_only
def put_aside(run_dir: Path) -> None:
    """Give an earlier run's folder another name, so that a new run overwrites nothing."""
    number = next(k for k in itertools.count(1) if not run_dir.with_name(f"{run_dir.name}-earlier{k}").exists())
    aside = run_dir.rename(run_dir.with_name(f"{run_dir.name}-earlier{number}"))
    print(f"The run that was in {run_dir} is now in {aside}; with `--ckpt_path last` it would have gone on.")


def expect_warnings() -> None:
    """Keep Lightning from warning of what this command does on purpose."""
    logging.getLogger("pytorch_lightning.callbacks.weight_averaging").setLevel(logging.ERROR)
    for message in EXPECTED_WARNINGS:
        warnings.filterwarnings("ignore", message=f".*{message}")


def run(args: list[str]) -> None:
    """Run ``fit``, ``validate`` or ``test`` with LightningCLI's arguments."""
    expect_warnings()
    hardware.exact_float32()
    RecipeCLI(args)

"""`s12 fit|validate|test`: a recipe, resolved by LightningCLI, run in one fixed directory."""

import sys
from argparse import ArgumentError
from contextlib import nullcontext
from functools import cached_property
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback, LearningRateMonitor
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI
from pytorch_lightning.loggers.tensorboard import _TENSORBOARD_AVAILABLE
from pytorch_lightning.utilities import rank_zero_info

from s12lib.classifier import Classifier
from s12lib.data.splits import fingerprint
from s12lib.datamodule import (
    CIFAR100,  # noqa: F401 (so that --data finds it)
    ImageArrays,
)
from s12lib.files import shown, user_path
from s12lib.results import records
from s12lib.training import hardware, look, provenance
from s12lib.training.arguments import RecipeError, check_arguments, in_our_words
from s12lib.training.callbacks import RunCheckpoint, RunRecord, SafeCheckpointIO, StopWhenDiverged, epochs_trained
from s12lib.training.checkpoints import CheckpointError, network_weights, read_checkpoint, weights_sha256
from s12lib.training.csv_log import CSVLog, RunTensorBoard
from s12lib.training.expected_warnings import expect_warnings
from s12lib.training.progress_bar import RunBar
from s12lib.training.run_folder import RunFolder, first_process
from s12lib.training.signals import RunStopped, Stopped, stoppable
from s12lib.training.trainer_settings import check_trainer, try_whole_numbers_first


class RecipeCLI(LightningCLI):
    """LightningCLI with the course's logs, checkpoints and precision; runs live in ``runs/RECIPE-seedN``."""

    def __init__(self, args: list[str]) -> None:
        try_whole_numbers_first()
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

    @cached_property
    def run_folder(self) -> RunFolder:
        """Where this run lives; the same for every command with the same settings."""
        return RunFolder(self.settings.run_dir or f"runs/{self.recipe_name}-seed{int(self.settings.seed_everything)}")

    def before_instantiate_classes(self) -> None:
        check_trainer(self.settings.trainer, str(self.subcommand))
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
        changed = provenance.unusual(trainer)
        return config | ({"trainer": changed} if changed else {})

    def run_metadata(self) -> dict[str, Any]:
        """What a checkpoint says of its run: what was asked for, and what it really runs on."""
        config = self.resolved
        return {
            "recipe": self.recipe_name,
            "recipe_hash": provenance.recipe_hash(config),
            "config": config,
            "seed": int(self.settings.seed_everything),
            "dataset": self.datamodule.name,
            "precision": str(self.trainer.precision),
            "hardware": hardware.hardware(self.trainer.strategy.root_device.type),
            "versions": provenance.versions(),
            "commit": provenance.commit(),
        }

    def instantiate_trainer(self, **kwargs: Any) -> pl.Trainer:
        fitting = self.subcommand == "fit"
        best = hardware.best_precision(self.settings.trainer.accelerator) if fitting else "32-true"
        given = self.config_init[self.subcommand].trainer
        ours: dict[str, Any] = {"num_sanity_val_steps": 0, "enable_model_summary": False, "log_every_n_steps": 10}
        settings = {field: value for field, value in ours.items() if given[field] is None}
        settings["precision"] = self.settings.trainer.precision or best
        settings["plugins"] = [SafeCheckpointIO(), *as_list(given.plugins)]
        settings["callbacks"] = as_list(given.callbacks)
        if not fitting:
            settings |= {"enable_checkpointing": False, "logger": False}
        else:
            if given.logger is False or given.enable_checkpointing is False:
                raise ValueError("A run keeps its log and its checkpoints: leave out logger and enable_checkpointing.")
            log = CSVLog(self.run_folder.path)
            settings["logger"] = [log, *(as_list(given.logger) if given.logger is not True else [])]
            if _TENSORBOARD_AVAILABLE:
                settings["logger"].append(RunTensorBoard(self.run_folder.path, name="", version="tensorboard"))
            bar = [] if given.enable_progress_bar is False else [RunBar()]
            settings["callbacks"] = [*self.run_callbacks(log), *bar, *settings["callbacks"]]
        return super().instantiate_trainer(**settings | kwargs)

    def run_callbacks(self, log: CSVLog) -> list[Callback]:
        """What keeps a training run; ``last.ckpt`` always, ``best.ckpt`` where there is a validation split."""
        folder = self.run_folder.path
        self.record = RunRecord(log)

        def checkpoint(name: str, **settings: Any) -> Callback:
            return RunCheckpoint(folder, name, mode="max", enable_version_counter=False, **settings)

        best = [checkpoint("best", monitor="validation_accuracy")] if self.datamodule.has_validation else []
        return [
            StopWhenDiverged(folder),
            self.record,
            LearningRateMonitor("step"),
            *best,
            checkpoint("last", save_on_train_epoch_end=True),  # after best, whose score it remembers
        ]

    def _parse_ckpt_path(self) -> None:
        settings = self.config[self.config.subcommand]
        if settings.get("ckpt_path") not in (None, "last"):
            settings.ckpt_path = str(user_path(settings.ckpt_path))
            read_checkpoint(settings.ckpt_path)  # LightningCLI reads it too, with less to say about what is wrong
        super()._parse_ckpt_path()

    def _prepare_subcommand_kwargs(self, subcommand: str) -> dict[str, Any]:
        kwargs = super()._prepare_subcommand_kwargs(subcommand)
        path = self.run_folder.checkpoint(kwargs.get("ckpt_path"), subcommand)
        return kwargs | {"ckpt_path": path and str(path)}

    def fit(self, ckpt_path: str | None, **kwargs: Any) -> None:
        """Train, alone in the run's folder; a dry run (``fast_dev_run``) touches no folder."""
        self.record.metadata = self.run_metadata()
        dry = bool(self.settings.trainer.fast_dev_run)
        with nullcontext() if dry else self.run_folder.claimed():
            self.datamodule.setup("fit")  # if the data are not there, nothing is archived for nothing
            if ckpt_path is not None:
                print_ = fingerprint(self.datamodule.splits["train"])
                self.run_folder.refuse_another_run(
                    Path(ckpt_path), self.record.metadata | {"train_fingerprint": print_}
                )
                rank_zero_info(f"Going on from {shown(Path(ckpt_path))}.")
            elif not dry:
                self.run_folder.archive_run()
            try:
                self.trainer.fit(ckpt_path=ckpt_path, **kwargs)
            except (AttributeError, IndexError, KeyError, TypeError) as error:
                if ckpt_path is None or self.record.started:
                    raise
                raise CheckpointError(
                    f"{shown(Path(ckpt_path))} cannot be gone on with: what it holds is not what `s12 fit` writes."
                ) from error

    def after_fit(self) -> None:
        if self.settings.trainer.fast_dev_run:
            rank_zero_info("That was a dry run: nothing was written, and an earlier run in its folder is as it was.")
            return
        trained, wanted = epochs_trained(self.trainer), self.trainer.max_epochs
        cut = sorted(records.TRUNCATING_FIELDS & set(self.resolved.get("trainer", ())))
        with_ = f", with trainer.{' and trainer.'.join(cut)} set" if cut else ""
        if not trained:
            raise RecipeError(f"Nothing was trained{with_}: the run ended before its first step.")
        if cut or trained != wanted:
            rank_zero_info(
                f"This run has trained {trained:g} of {wanted} epochs{with_}: a test of it goes on record, but "
                "not into the tables."
            )
        rank_zero_info("To measure it, once and at the end: `s12 test` with the same settings and `--ckpt_path last`.")

    def before_validate(self) -> None:
        if not self.datamodule.has_validation:
            raise ValueError(
                "There is no validation split to measure on: train with one, such as validation_size 5000."
            )
        self.take_checkpoint()

    def before_test(self) -> None:
        if self.settings.trainer.fast_dev_run or self.settings.trainer.limit_test_batches is not None:
            raise ValueError("A test is of the whole test set: leave out limit_test_batches and fast_dev_run.")
        self.take_checkpoint()
        records.make_ready(self.run, weights_sha256(network_weights(self.checkpoint)))

    def take_checkpoint(self) -> None:
        path = self._prepare_subcommand_kwargs(str(self.subcommand))["ckpt_path"]
        self.checkpoint, self.run = look.own_checkpoint(path, self.datamodule, str(self.subcommand))

    def test(self, **kwargs: Any) -> None:
        look.test(self.trainer, self.checkpoint, self.run, **kwargs)


def whole_seed(seed: int | bool) -> int:
    """The seed of the data, which is the run's. Raises ValueError for true and false, which name no seed."""
    if isinstance(seed, bool):
        raise ValueError(f"seed_everything must be a whole number, but it is {str(seed).lower()}.")
    return seed


def as_list(given: Any) -> list[Any]:
    """One or several of something, or none."""
    return list(given) if isinstance(given, list | tuple) else [] if given is None else [given]


def run(args: list[str]) -> RecipeCLI:
    """Run ``fit``, ``validate`` or ``test`` with LightningCLI's arguments. Raises RunStopped for a signal to stop."""
    expect_warnings()
    hardware.exact_float32()
    check_arguments(args)
    with stoppable():
        try:
            return RecipeCLI(args)
        except (ArgumentError, AttributeError, TypeError, ValueError) as error:
            if not isinstance(error, ArgumentError) and "ImageArrays" not in str(error):
                raise
            raise RecipeError(in_our_words(str(error))) from error
        except Stopped as stopped:
            if not first_process():
                sys.exit(stopped.status)  # of several processes of a run, one speaks
            raise RunStopped(stopped, args[0]) from stopped

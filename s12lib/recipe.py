"""`s12 fit|validate|test`: a recipe, resolved by LightningCLI, run in one fixed directory."""

import copy
import hashlib
import json
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, LearningRateMonitor, ModelCheckpoint
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.utilities import rank_zero_info

from s12lib.callbacks import CheckpointError, CSVLog, RunBar, RunRecord, SafeCheckpointIO, StopWhenDiverged
from s12lib.classifier import Classifier
from s12lib.datamodule import ImageArrays

NOT_PART_OF_A_RECIPE = ("seed", "data_dir", "eval_batch_size")


def recipe_hash(config: dict[str, Any]) -> str:
    """The first 12 hex digits of the SHA-256 of a resolved recipe: the same for every seed and every machine."""
    config = {section: dict(config[section]) for section in ("model", "data")} | {"max_epochs": config["max_epochs"]}
    for field in NOT_PART_OF_A_RECIPE:
        config["data"].pop(field, None)
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:12]


def best_precision() -> str:
    """bf16 on recent GPUs and on CPUs that compute it, fp16 on older GPUs, else float32 (never fp16 on a CPU)."""
    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.get_device_capability() >= (8, 0) else "16-mixed"
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()
    return "bf16-mixed" if capabilities.get("amx_bf16") or capabilities.get("avx512_bf16") else "32-true"


def hardware() -> str:
    """The machine in words: the GPU's name, or the CPU's and its number of threads."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    name = getattr(torch.cpu, "get_capabilities", dict)().get("cpu_name") or platform.processor() or platform.machine()
    return f"{name}, {torch.get_num_threads()} threads"


def versions() -> dict[str, str]:
    """The versions of Python and of the packages that a result depends on."""
    found = {"python": platform.python_version()}
    for package in ("torch", "torchvision", "pytorch-lightning", "s12lib"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def commit() -> str | None:
    """The commit of the checkout that this package lies in, with "+changes" if it was changed; None outside one."""
    git = ["git", "-C", str(Path(__file__).parent)]
    try:
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
        changes = subprocess.run([*git, "status", "--porcelain", "-uno"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return head + ("+changes" if changes.stdout.strip() else "")


class RecipeCLI(LightningCLI):
    """LightningCLI with the course's logs, checkpoints and precision, in ``runs/RECIPE-seedN`` unless told otherwise."""

    def __init__(self, args: list[str]) -> None:
        super().__init__(
            Classifier,
            ImageArrays,
            subclass_mode_data=True,
            save_config_callback=None,
            seed_everything_default=0,
            parser_kwargs={"exit_on_error": False},
            args=args,
        )

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_argument("--run_dir", type=str | None, default=None, help="where logs and checkpoints go")
        parser.link_arguments("seed_everything", "data.init_args.seed", compute_fn=int)

    @property
    def settings(self) -> Any:
        """The configuration of the subcommand that runs."""
        return self.config[self.subcommand]

    def before_instantiate_classes(self) -> None:
        epochs = self.settings.trainer.max_epochs
        if epochs is None or epochs < 1:
            raise ValueError(f"trainer.max_epochs must be at least 1, but it is {epochs}")

    def facts(self) -> dict[str, Any]:
        """What a checkpoint says of its run."""
        data = self.settings.data
        config = {
            "model": dict(self.settings.model),
            "data": {"class": data.class_path.rsplit(".", 1)[-1]} | dict(data.init_args),
            "max_epochs": self.settings.trainer.max_epochs,
        }
        datamodule: ImageArrays = self.datamodule
        return {
            "recipe": self.recipe_name,
            "recipe_hash": recipe_hash(config),
            "config": copy.deepcopy(config),
            "seed": int(self.settings.seed_everything),
            "dataset": datamodule.name,
            "precision": self.precision,
            "hardware": hardware(),
            "versions": versions(),
            "commit": commit(),
        }

    @property
    def recipe_name(self) -> str:
        configs = self.settings.get("config")
        return Path(str(configs[0])).stem if configs else "custom"

    @property
    def run_dir(self) -> Path:
        return Path(self.settings.run_dir or f"runs/{self.recipe_name}-seed{int(self.settings.seed_everything)}")

    def instantiate_trainer(self, **kwargs: Any) -> pl.Trainer:
        self.precision = self.settings.trainer.precision or (best_precision() if self.subcommand == "fit" else "32-true")
        settings: dict[str, Any] = {
            "precision": self.precision,
            "num_sanity_val_steps": 0,
            "plugins": [SafeCheckpointIO()],
        }
        if self.subcommand == "fit":
            log = CSVLog(self.run_dir)
            settings["logger"] = [log]
            if find_spec("tensorboard"):
                settings["logger"].append(TensorBoardLogger(self.run_dir, name="", version="tensorboard"))
            settings["callbacks"] = self.watchers(log)
            settings["log_every_n_steps"] = 10
        else:
            settings["logger"] = False
        return super().instantiate_trainer(**settings | kwargs)

    def _prepare_subcommand_kwargs(self, subcommand: str) -> dict[str, Any]:
        kwargs = super()._prepare_subcommand_kwargs(subcommand)
        if kwargs.get("ckpt_path") == "last":
            last = self.run_dir / "last.ckpt"
            if last.exists():
                rank_zero_info(f"Going on from {last}.")
                kwargs["ckpt_path"] = str(last)
            elif subcommand == "fit":
                rank_zero_info(f"There is no checkpoint in {self.run_dir} yet: starting afresh.")
                kwargs["ckpt_path"] = None
            else:
                raise CheckpointError(f"There is no checkpoint {last}: train first, with `s12 fit`.")
        return kwargs

    def watchers(self, log: CSVLog) -> list[Callback]:
        last = ModelCheckpoint(self.run_dir, "last", enable_version_counter=False)
        watchers = [StopWhenDiverged(self.run_dir), RunRecord(self.facts(), log), LearningRateMonitor("step"), RunBar(), last]
        if self.datamodule.has_validation:
            watchers.append(
                ModelCheckpoint(
                    self.run_dir, "best", monitor="validation_accuracy", mode="max", enable_version_counter=False
                )
            )
        return watchers

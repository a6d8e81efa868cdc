"""What watches a run and writes down how it went: its times and attempts, and the stop at a broken loss."""

import math
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins import TorchCheckpointIO
from pytorch_lightning.callbacks import Callback, ModelCheckpoint

from s12lib.data.splits import fingerprint
from s12lib.errors import CourseError
from s12lib.files import atomic_path, shown
from s12lib.training.checkpoints import CheckpointError, read_checkpoint
from s12lib.training.csv_log import CSVLog


class TrainingDiverged(CourseError):
    """The loss or the weights are no longer finite; the message says where and what is kept."""


PER_ATTEMPT_FIELDS = ("hardware", "precision", "versions", "commit")
"""In what the attempts of one run may differ: it may go on elsewhere, or after an update."""


class SafeCheckpointIO(TorchCheckpointIO):
    """Checkpoints that are whole or not there at all, and that are read without running any code in them."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        with atomic_path(Path(path)) as partial, open(partial, "wb") as file:
            try:
                torch.save(checkpoint, file)
            except RuntimeError as error:  # what torch makes of a full disk
                if isinstance(error.__context__, OSError):
                    raise error.__context__ from None
                raise CheckpointError(f"{path} could not be written whole; is the disk full? ({error})") from error

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        return read_checkpoint(path)


class RunCheckpoint(ModelCheckpoint):
    """Lightning's ModelCheckpoint, whose best score travels with the run's folder."""

    @property
    def state_key(self) -> str:
        return super().state_key.replace(type(self).__qualname__, ModelCheckpoint.__qualname__, 1)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what an earlier attempt knew, wherever the folder lay then; a best file that is gone is no best."""
        here = Path(str(self.dirpath))

        def moved(path: str) -> str:
            return str(here / Path(path).name) if path else path

        if state_dict["best_model_path"] and not Path(moved(state_dict["best_model_path"])).exists():
            return
        paths = {key: moved(state_dict[key]) for key in ("best_model_path", "kth_best_model_path", "last_model_path")}
        best = {moved(path): score for path, score in state_dict["best_k_models"].items()}
        super().load_state_dict(state_dict | paths | {"best_k_models": best, "dirpath": self.dirpath})

    def check_monitor_top_k(self, trainer: pl.Trainer, current: torch.Tensor | None = None) -> bool:
        if not all(Path(path).exists() for path in self.best_k_models):  # its folder was moved or deleted meanwhile
            self.best_k_models = {}
        return super().check_monitor_top_k(trainer, current)


class RunRecord(Callback):
    """Counts a run's seconds and images over all its attempts, and puts them with ``metadata`` into every checkpoint.

    ``metadata`` are the last attempt's; where an earlier one ran on another machine or code, ``earlier_attempts`` says
    so. The rows of the log go along, and the state of torch's random generator: the course's own network draws nothing
    from it while it trains.
    """

    def __init__(self, log: CSVLog, metadata: dict[str, Any] | None = None) -> None:
        self.csv, self.metadata = log, metadata or {}
        self.seconds, self.images, self.start, self.paused = 0.0, 0, 0.0, 0.0
        self.random_state: torch.Tensor | None = None  # of a resumed run's last checkpoint, for a network with dropout
        self.has_rows = False  # whether that checkpoint carries the log
        self.started = False  # whether all that a checkpoint holds has been taken over
        self.ended: dict[str, Any] | None = None  # the epoch that has ended and is not yet in the log
        self.earlier: list[dict[str, Any]] = []

    @property
    def attempt(self) -> dict[str, Any]:
        return {key: self.metadata[key] for key in PER_ATTEMPT_FIELDS if key in self.metadata}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.started = True
        if not self.has_rows:
            self.csv.go_on_from_file(trainer.global_step)
        if self.random_state is not None:
            torch.set_rng_state(self.random_state)
        images = trainer.datamodule.splits["train"]  # type: ignore[attr-defined]
        self.metadata |= {"train_images": len(images.labels), "train_fingerprint": fingerprint(images)}
        self.metadata["classes"] = list(trainer.datamodule.classes)  # type: ignore[attr-defined]

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.start, self.ended = time.monotonic(), None

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.paused = time.monotonic()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.start += time.monotonic() - self.paused  # it comes before the epoch's end, and is no training

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        loader: Any = trainer.train_dataloader
        images = int(trainer.num_training_batches) * loader.sampler.batch_size * loader.sampler.world_size
        seconds = time.monotonic() - self.start
        self.seconds, self.images = self.seconds + seconds, self.images + images
        pl_module.log_dict({"images_per_second": images / seconds, "seconds": self.seconds})
        self.ended = {"step": trainer.global_step - 1, "epoch": trainer.current_epoch}

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.csv.save()  # also for a run that was killed after its last checkpoint and had nothing left to train

    def state_dict(self) -> dict[str, Any]:
        attempts = [*self.earlier, self.attempt]
        state = {"seconds": self.seconds, "images": self.images, "attempts": attempts}
        return state | {"random_state": torch.get_rng_state()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.seconds, self.images = state_dict["seconds"], state_dict["images"]
        self.random_state = state_dict.get("random_state")
        self.earlier = [attempt for attempt in state_dict.get("attempts", []) if attempt != self.attempt]
        if "log" in state_dict:
            self.csv.go_on(state_dict["log"])
            self.has_rows = True

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        speed = round(self.images / self.seconds, 1) if self.seconds else None
        times = {"epochs": epochs_trained(trainer), "train_seconds": round(self.seconds, 1), "images_per_second": speed}
        checkpoint["run"] = self.metadata | times | ({"earlier_attempts": self.earlier} if self.earlier else {})
        if "callbacks" in checkpoint:
            checkpoint["callbacks"][self.state_key]["log"] = self.csv.text(self.unlogged(trainer))

    def unlogged(self, trainer: pl.Trainer) -> dict[str, Any] | None:
        """The row of an epoch that has ended: Lightning logs it only after the checkpoints, where a kill would lose it.

        A validation logs its row by itself, before them.
        """
        if self.ended is None:
            return None
        metrics = {key: float(value) for key, value in trainer.logged_metrics.items()}
        return self.ended | {key: value for key, value in metrics.items() if not key.startswith("validation_")}


def epochs_trained(trainer: pl.Trainer) -> float:
    """How many epochs a run has trained: a whole number, or with its part of an epoch where it stopped within one."""
    batches = trainer.fit_loop.epoch_loop.batch_progress.total.ready
    whole, part = divmod(batches, int(trainer.num_training_batches))
    return round(whole + part / int(trainer.num_training_batches), 4) if part else whole


class StopWhenDiverged(Callback):
    """Stops at the first loss that is NaN or infinite, before a checkpoint is overwritten with what it left behind.

    The losses are looked at every twenty steps and at an epoch's end, since to look is to wait for the GPU.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.losses: list[tuple[int, torch.Tensor]] = []  # each with its step, not yet looked at

    def _check(self, trainer: pl.Trainer) -> None:
        if not self.losses:
            return
        steps, losses = zip(*self.losses, strict=True)
        self.losses = []
        for step, loss in zip(steps, torch.stack(losses).tolist(), strict=True):
            if not math.isfinite(loss):
                self._stop(trainer, f"the loss was {loss} at step {step}")

    def _stop(self, trainer: pl.Trainer, fault: str) -> None:
        last = self.folder / "last.ckpt"
        of_this_run = last.exists() and trainer.current_epoch > 0
        kept = f"the last good checkpoint is {shown(last)}" if of_this_run else "no epoch was completed before"
        raise TrainingDiverged(f"Training stopped: {fault}; {kept}.")

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.losses.append((trainer.global_step, outputs["loss"].detach()))
        if len(self.losses) == 20:
            self._check(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._check(trainer)
        if not all(torch.isfinite(p).all() for p in pl_module.parameters()):
            self._stop(trainer, f"the weights were no longer finite after step {trainer.global_step}")

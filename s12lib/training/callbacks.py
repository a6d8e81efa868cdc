"""What watches a run and writes it down: progress bar, CSV log, safe checkpoints, the stop at a broken loss."""

import csv
import math
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins import TorchCheckpointIO
from pytorch_lightning.callbacks import Callback, ProgressBar
from pytorch_lightning.loggers.logger import Logger, rank_zero_experiment
from pytorch_lightning.utilities import rank_zero_only
from tqdm import tqdm

from s12lib.data.splits import fingerprint
from s12lib.errors import CourseError
from s12lib.files import atomic_path
from s12lib.training.checkpoints import CheckpointError, read_checkpoint


class TrainingDiverged(CourseError):
    """The loss or the weights are no longer finite; the message says where and what is kept."""


class SafeCheckpointIO(TorchCheckpointIO):
    """Checkpoints that are whole or not there at all, and that are read without running any code in them."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        with atomic_path(Path(path)) as partial, open(partial, "wb") as file:
            try:
                torch.save(checkpoint, file)
            except RuntimeError as error:  # what torch makes of a full disk
                raise CheckpointError(f"{path} could not be written whole; is the disk full? ({error})") from error

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        return read_checkpoint(path)


class CSVLog(Logger):
    """``metrics.csv``, a row a step that logged something; a resumed run goes on after the last row it still has."""

    def __init__(self, run_dir: Path) -> None:
        super().__init__()
        self.path = run_dir / "metrics.csv"
        self.rows: dict[int, dict[str, Any]] = {}

    name = property(lambda self: "")
    version = property(lambda self: "")

    @property
    @rank_zero_experiment
    def experiment(self) -> "CSVLog":
        return self

    def resume_at(self, step: int) -> None:
        """Keep the rows of an earlier attempt that lie before ``step``."""
        if step and self.path.exists():
            with open(self.path, newline="") as file:
                self.rows = {int(row["step"]): row for row in csv.DictReader(file) if int(row["step"]) < step}

    @rank_zero_only
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        pass

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        row = self.rows.setdefault(step or 0, {"step": step or 0})
        row.update(metrics)

    @rank_zero_only
    def save(self) -> None:
        if not self.rows:  # Lightning saves before a resume has read the rows of the attempt before
            return
        columns = dict.fromkeys(key for row in self.rows.values() for key in row)
        with atomic_path(self.path) as partial, open(partial, "w", newline="") as file:
            writer = csv.DictWriter(file, list(columns), lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.rows[step] for step in sorted(self.rows))


OF_AN_ATTEMPT = ("hardware", "precision", "versions", "commit")
"""Facts in which the attempts of one run may differ: it may go on elsewhere, or after an update."""


class RunRecord(Callback):
    """Counts a run's seconds and images over all its attempts, and puts them with ``facts`` into every checkpoint.

    ``facts`` are the last attempt's; where an earlier one ran on another machine or code, ``earlier_attempts`` says so.
    The state of torch's random generator goes along: the course's own network draws nothing from it while it trains.
    """

    def __init__(self, facts: dict[str, Any], log: CSVLog) -> None:
        self.facts, self.csv = facts, log
        self.seconds, self.images, self.start, self.paused = 0.0, 0, 0.0, 0.0
        self.random_state: torch.Tensor | None = None  # of a resumed run's last checkpoint, for a network with dropout
        self.attempt = {key: facts[key] for key in OF_AN_ATTEMPT if key in facts}
        self.earlier: list[dict[str, Any]] = []

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.csv.resume_at(trainer.global_step)
        if self.random_state is not None:
            torch.set_rng_state(self.random_state)
        images = trainer.datamodule.splits["train"]  # type: ignore[attr-defined]
        self.facts |= {"train_images": len(images.labels), "train_fingerprint": fingerprint(images)}
        self.facts["classes"] = list(trainer.datamodule.classes)  # type: ignore[attr-defined]

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.start = time.monotonic()

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

    def state_dict(self) -> dict[str, Any]:
        attempts = [*self.earlier, self.attempt]
        state = {"seconds": self.seconds, "images": self.images, "attempts": attempts}
        return state | {"random_state": torch.get_rng_state()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.seconds, self.images = state_dict["seconds"], state_dict["images"]
        self.random_state = state_dict.get("random_state")
        self.earlier = [attempt for attempt in state_dict.get("attempts", []) if attempt != self.attempt]

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        speed = round(self.images / self.seconds, 1) if self.seconds else None
        finished = trainer.fit_loop.epoch_progress.current.processed  # type: ignore[attr-defined]
        times = {"epochs_trained": finished, "train_seconds": round(self.seconds, 1), "images_per_second": speed}
        checkpoint["run"] = self.facts | times | ({"earlier_attempts": self.earlier} if self.earlier else {})


class StopWhenDiverged(Callback):
    """Stops at the first loss that is NaN or infinite, before a checkpoint is overwritten with what it left behind.

    The losses are looked at every twenty steps and at an epoch's end, since to look is to wait for the GPU.
    """

    def __init__(self, run_dir: Path) -> None:
        self.run_dir = run_dir
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
        last = self.run_dir / "last.ckpt"
        of_this_run = last.exists() and trainer.current_epoch > 0
        kept = f"the last good checkpoint is {last}" if of_this_run else "no epoch was completed before"
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


class RunBar(ProgressBar):
    """One bar for the whole run: loss, accuracy, images/s and the time left."""

    def __init__(self) -> None:
        super().__init__()
        self.bar: tqdm | None = None
        self.enabled = True

    def disable(self) -> None:
        self.enabled = False

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        loader: Any = trainer.train_dataloader
        sampler = loader.sampler
        self.batch = sampler.batch_size * sampler.world_size
        step = self.batch * trainer.accumulate_grad_batches
        total, done = int(trainer.estimated_stepping_batches) * step, trainer.global_step * step
        self.bar = tqdm(
            total=total, initial=done, unit=" images", unit_scale=True, disable=not self.enabled, mininterval=1
        )

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        assert self.bar is not None
        if self.bar.update(self.batch):
            seen = pl_module.train_accuracy  # not compute(), which would wait for other devices: they draw no bar
            accuracy = (seen.tp.sum() / (seen.tp + seen.fn).sum()).item()
            self.bar.set_description(f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}", refresh=False)
            self.bar.set_postfix(loss=f"{outputs['loss'].item():.3f}", accuracy=f"{accuracy:.1%}")

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.enabled and "validation_accuracy" in trainer.callback_metrics:
            accuracy = trainer.callback_metrics["validation_accuracy"]
            tqdm.write(f"epoch {trainer.current_epoch + 1}: validation accuracy {accuracy:.2%}")

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.bar is not None:
            self.bar.close()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        self.on_train_end(trainer, pl_module)  # so that what is said of the fault begins on a line of its own

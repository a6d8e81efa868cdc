"""One bar for the whole run: loss, accuracy, images/s and the time left."""

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import ProgressBar
from tqdm import tqdm


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

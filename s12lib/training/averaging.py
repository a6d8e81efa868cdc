"""Averages of the weights over a run: the moving one that is kept in their place, and the one that pulls them back."""

from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, WeightAveraging
from pytorch_lightning.utilities import rank_zero_warn
from torch.optim.swa_utils import get_ema_avg_fn

from s12lib.data.pixels import normalize


def ema_decay_at(decay: float, count: int | torch.Tensor) -> torch.Tensor:
    """The share of the old average at its update number ``count`` (from 1 on): min(decay, (1 + count) / (10 + count)).

    So the first weights are forgotten in a short run too (as in TensorFlow's ``ExponentialMovingAverage``).
    """
    count = torch.as_tensor(count)
    return torch.clamp((1 + count) / (10 + count), max=decay)


class MovingAverage(WeightAveraging):
    """The exponential moving average of weights and buffers, which validation, checkpoints and the end of a run use.

    decay     share of the old average at each update; without ``correct`` at every one, so that of the weights after
              the first step ``decay ** updates`` remains for good
    every     steps from one update to the next, the first of them after the first step
    """

    TOLERANCE = 0.1
    """By how much the average may be right on fewer training images than the last weights, as a share of them."""

    def __init__(self, decay: float, every: int, correct: bool, device: torch.device) -> None:
        def corrected(average: torch.Tensor, weights: torch.Tensor, count: torch.Tensor | int) -> torch.Tensor:
            share = ema_decay_at(decay, count)
            return share * average + (1 - share) * weights

        super().__init__(device=device, avg_fn=corrected if correct else get_ema_avg_fn(decay))
        self.every = every

    def should_update(self, step_idx: int | None = None, epoch_idx: int | None = None) -> bool:
        return step_idx is not None and step_idx % self.every == 0

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        last = self.accuracy(trainer, pl_module)
        super().on_train_end(trainer, pl_module)  # from here on the module holds the average
        average = self.accuracy(trainer, pl_module)
        if last is not None and average is not None and average < last - self.TOLERANCE:
            rank_zero_warn(
                f"The averaged weights, which are kept, are right on {average:.1%} of the training images, and the "
                f"last weights on {last:.1%}: the average is older than it should be. Lower model.ema_decay, or set "
                "model.ema_correction to true."
            )

    @staticmethod
    def accuracy(trainer: pl.Trainer, pl_module: Any, count: int = 256) -> float | None:
        """The module's share of right answers to its first training images; None without a datamodule to take from."""
        data: Any = getattr(trainer, "datamodule", None)
        if data is None:
            return None
        images, labels, *_ = data.splits["train"]
        training = pl_module.training
        pl_module.eval()
        with torch.no_grad(), trainer.precision_plugin.forward_context():
            logits = pl_module(normalize(images[:count].to(pl_module.device)))
        pl_module.train(training)
        return (logits.argmax(1).cpu() == labels[:count]).float().mean().item()


class Lookahead(Callback):
    """Every few steps, pulls the weights back towards their own slow average, the more so the nearer the end.

    At step t of T the slow weights become ``share·slow + (1 - share)·weights`` with share 0.95⁵·(t/T)³, and training
    goes on from there; it ends with them. BatchNorm's statistics are weights here. After M. Zhang et al., "Lookahead
    Optimizer", 2019, with the schedule of K. Jordan, "94% on CIFAR-10 in 3.29 seconds", 2024.
    """

    EVERY = 5
    STRENGTH = 0.95**5

    def __init__(self) -> None:
        self.slow: dict[str, torch.Tensor] = {}
        self.step = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        weights = self.weights(pl_module)
        if self.step:
            self.slow = {name: self.slow[name].to(weights[name].device) for name in weights}
        else:
            self.slow = {name: value.clone() for name, value in weights.items()}

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        step, steps = trainer.global_step, int(trainer.estimated_stepping_batches)
        if step == self.step:  # gradients were accumulated, and no step was taken
            return
        self.step = step
        if step % self.EVERY and step != steps:
            return
        share = 1.0 if step == steps else self.STRENGTH * (step / steps) ** 3
        with torch.no_grad():
            for name, value in self.weights(pl_module).items():
                value.copy_(self.slow[name].lerp_(value, 1 - share))

    @staticmethod
    def weights(pl_module: Any) -> dict[str, torch.Tensor]:
        """What is averaged: the network's weights and BatchNorm's statistics, but no counter."""
        state = pl_module.network.state_dict()
        return {name: value for name, value in state.items() if value.is_floating_point()}

    def state_dict(self) -> dict[str, Any]:
        return {"slow": self.slow, "step": self.step}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.slow, self.step = state_dict["slow"], state_dict["step"]

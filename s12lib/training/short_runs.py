"""Runs of seconds, for experiments in lessons: a narrow network, a part of the data, a silent Trainer, a record."""

import copy
from typing import Any, TypeVar

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch import nn

from s12lib.data.splits import Split
from s12lib.datamodule import ImageArrays
from s12lib.inference import logits_of
from s12lib.model import PageResNet, Residual, conv_bn, conv_pool_bn

Data = TypeVar("Data", bound=ImageArrays)


class NarrowResNet(PageResNet):
    """The Page ResNet with an eighth of its channels: ``(N, 3, 32, 32)`` normalised → ``(N, num_classes)`` logits.

    103,944 parameters with ten classes, and about a sixtieth of the work.
    """

    def __init__(self, num_classes: int = 10, logit_scale: float = 0.125) -> None:
        nn.Module.__init__(self)
        self.logit_scale = logit_scale
        self.prep = nn.Sequential(*conv_bn(3, 8))
        self.layer1 = nn.Sequential(*conv_pool_bn(8, 16), Residual(16))
        self.layer2 = nn.Sequential(*conv_pool_bn(16, 32))
        self.layer3 = nn.Sequential(*conv_pool_bn(32, 64), Residual(64))
        self.head = nn.Sequential(nn.MaxPool2d(4), nn.Flatten(), nn.Linear(64, num_classes, bias=False))


def part_of(data: Data, batch_size: int, **sizes: int) -> Data:
    """The same data, but in batches of this size and only the first so many images of each split that is named."""
    part = copy.copy(data)
    part.batch_size = batch_size
    part.splits = {name: Split(*(each[:n] for each in data.splits[name][:2])) for name, n in sizes.items()}
    return part


def quiet_trainer(epochs: int, *callbacks: Callback, **settings: Any) -> pl.Trainer:
    """A Trainer for one device that prints, logs and saves nothing, unless ``settings`` say otherwise."""
    quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    plain: dict[str, Any] = {"devices": 1, "num_sanity_val_steps": 0}
    return pl.Trainer(max_epochs=epochs, callbacks=list(callbacks), **(quiet | plain | settings))


def accuracy(module: Any, data: ImageArrays, split: str = "validation") -> float:
    """The share of a split's images that the module's network gets right, from 0 to 1."""
    images, labels, _ = data.splits[split]
    return (logits_of(module.network, images).argmax(1) == labels).double().mean().item()


class Recorder(Callback):
    """A row a step, with the learning rate, the loss, and the norm of all convolutions' filters but the first's.

    After each validation its last row has the accuracies too. ``rows`` are what ``viz.learning_curves`` draws.
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *batch: Any) -> None:
        lr = trainer.optimizers[0].param_groups[0]["lr"]
        self.rows.append({"step": trainer.global_step, "lr-SGD/pg1": lr})  # so Lightning's own log calls it

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        filters = [m.weight.detach() for m in pl_module.modules() if isinstance(m, nn.Conv2d)][1:]
        norm = torch.stack([each.square().sum() for each in filters]).sum().sqrt()
        self.rows[-1] |= {"train_loss": outputs["loss"].item(), "norm": norm.item()}

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.rows:
            names = ("validation_accuracy", "validation_accuracy_tta")
            self.rows[-1] |= {name: trainer.callback_metrics[name].item() for name in names}

    def curve(self, name: str) -> tuple[list[float], list[float]]:
        """The steps that have this column, and its values there."""
        known = [row for row in self.rows if name in row]
        return [row["step"] for row in known], [row[name] for row in known]

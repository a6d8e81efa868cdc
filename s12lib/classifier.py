"""The LightningModule around any network: loss, optimiser, schedule, averaging and metrics.

Every lever of the recipes is a named field that can be switched off. Most come from D. C. Page, "How to Train Your
ResNet" (2018/19), parts 5 to 8; what each is worth here is asked in ``book/results.md``.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch import nn
from torch.nn import functional as F
from torch.utils.hooks import RemovableHandle
from torchmetrics import MeanMetric
from torchmetrics.classification import MulticlassAccuracy

from s12lib.data.pixels import normalize
from s12lib.errors import did_you_mean
from s12lib.inference import tta_logits
from s12lib.model import PageResNet
from s12lib.training.averaging import Lookahead, MovingAverage
from s12lib.training.optimizer import NORMS, optimizer_for, start_as_identity
from s12lib.training.signals import StopOnSignal

NETWORKS: dict[str, Callable[..., nn.Module]] = {"page_resnet": PageResNet}
"""Networks by name; add your own with ``NETWORKS["mine"] = MyNetwork``."""

LR_COLUMNS = "lr-SGD"
"""What the log calls the learning rates, with Muon too: the same columns for every recipe."""


def one_cycle(epoch: float, epochs: int, warmup: float, final_epochs: float, final_lr: float) -> float:
    """The learning rate as a fraction of its peak, at a fractional epoch (Page, part 8; after Smith and Topin, 2017).

    Straight lines: from 0 up to 1 at ``warmup * epochs``, down to ``final_lr`` at ``epochs - final_epochs``, then flat.
    """
    knots = [0, warmup * epochs, max(warmup * epochs, epochs - final_epochs), epochs]
    return float(np.interp(epoch, knots, [0, 1, final_lr, final_lr]))


def whitening_matrix(images: torch.Tensor, eps: float = 1e-2) -> torch.Tensor:
    """P, which makes the 3×3 patches of the images white: ``(N, 3, 32, 32)`` normalised → ``(27, 27)`` (Page, part 8).

    The rows are the eigenvectors of the patches' covariance, each divided by the square root of its eigenvalue + eps.
    """
    patches = F.unfold(images, kernel_size=3).transpose(1, 2).reshape(-1, 27)
    variance, directions = torch.linalg.eigh(patches.T @ patches / len(patches))
    return (variance + eps).rsqrt()[:, None] * directions.T


class Classifier(pl.LightningModule):
    """Trains a network known by name. All hyper-parameters are plain, so checkpoints load with ``weights_only=True``.

    lr                  peak of the one-cycle schedule, which is stepped after every batch
    weight_decay        of weights; biases of BatchNorm get ``weight_decay / bias_lr_multiplier``
    warmup              share of the epochs in which the learning rate climbs
    final_epochs        epochs at the end that run at ``final_lr`` times the peak
    bias_lr_multiplier  learning rate of BatchNorm's biases, in multiples of ``lr`` (1 switches it off)
    freeze_bn_weight    keep BatchNorm's weights at 1 by leaving them out of the optimiser
    whiten              start the first convolution from whitened patches and keep its updates in that basis
    ema_decay           per-step decay of the averaged weights, updated every ``ema_every`` steps (0 switches it off)
    ema_correction      forget the first weights in a short run too: the decay grows up to ``ema_decay``
    lookahead           pull the weights back towards their slow average every five steps
    muon_lr             peak rate of Muon, which takes the filters after the first layer over (0 switches it off)
    muon_momentum       of Muon
    bn_momentum         share of the newest batch in BatchNorm's running statistics
    dirac               "all" starts the later convolutions as partial identities, "plain" only those outside the
                        residual blocks, "none" none
    small_epochs        so many epochs at first see the images at ``small_size`` pixels instead of 32
    compile             have ``torch.compile`` turn the network into fewer, larger kernels
    """

    whitening: torch.Tensor  # PᵀP of the first convolution's whitening P, kept with the weights

    def __init__(
        self,
        network: str = "page_resnet",
        num_classes: int = 10,
        logit_scale: float = 0.0625,
        lr: float = 1.0,
        momentum: float = 0.9,
        weight_decay: float = 5e-4,
        warmup: float = 0.2,
        final_epochs: float = 2.0,
        final_lr: float = 0.1,
        label_smoothing: float = 0.2,
        bias_lr_multiplier: float = 64.0,
        freeze_bn_weight: bool = True,
        whiten: bool = True,
        ema_decay: float = 0.99,
        ema_every: int = 5,
        ema_correction: bool = True,
        lookahead: bool = False,
        muon_lr: float = 0.0,
        muon_momentum: float = 0.6,
        bn_momentum: float = 0.1,
        dirac: str = "none",
        small_epochs: int = 0,
        small_size: int = 24,
        compile: bool = False,
    ) -> None:
        super().__init__()
        if network not in NETWORKS:
            likely = did_you_mean(network, NETWORKS)
            raise ValueError(f"network must be one of {', '.join(NETWORKS)}, but it is {network!r}{likely}")
        if num_classes < 1:
            raise ValueError(f"num_classes must be at least 1, but it is {num_classes}")
        if num_classes > 100_000:
            raise ValueError(f"num_classes must be at most 100000, but it is {num_classes}")
        for name, value in (("lr", lr), ("bias_lr_multiplier", bias_lr_multiplier), ("ema_every", ema_every)):
            if not value > 0:
                raise ValueError(f"{name} must be positive, but it is {value}")
        if dirac not in ("none", "plain", "all"):
            likely = did_you_mean(dirac, ("none", "plain", "all"))
            raise ValueError(f"dirac must be none, plain or all, but it is {dirac!r}{likely}")
        if not 0 < bn_momentum <= 1:
            raise ValueError(f"bn_momentum must be above 0 and at most 1, but it is {bn_momentum}")
        if not 16 <= small_size <= 32 or small_size % 8:
            raise ValueError(f"small_size must be 16, 24 or 32, but it is {small_size}")
        shares = {"momentum": momentum, "warmup": warmup, "label_smoothing": label_smoothing, "ema_decay": ema_decay}
        shares |= {"muon_momentum": muon_momentum}
        for name, value in shares.items():
            if not 0 <= value < 1:
                raise ValueError(f"{name} must be at least 0 and below 1, but it is {value}")
        sizes = {"weight_decay": weight_decay, "final_epochs": final_epochs, "final_lr": final_lr}
        for name, value in (sizes | {"muon_lr": muon_lr, "small_epochs": small_epochs}).items():
            if not value >= 0:
                raise ValueError(f"{name} must not be negative, but it is {value}")
        self.save_hyperparameters()
        self.network = NETWORKS[network](num_classes, logit_scale).to(memory_format=torch.channels_last)
        for module in self.network.modules():
            if isinstance(module, NORMS):
                module.momentum = bn_momentum
            if isinstance(module, nn.MaxPool2d) and small_epochs:
                module.ceil_mode = True  # the head's pool takes what there is; sizes that divide are none the wiser
        self.register_buffer("whitening", torch.eye(27))
        self._whitening_hook: RemovableHandle | None = None
        # In training nothing is checked, since to look at a value is to wait for the GPU.
        self.train_loss, self.eval_loss = MeanMetric(nan_strategy="disable"), MeanMetric()
        self.train_accuracy = MulticlassAccuracy(num_classes, average="micro", validate_args=False)
        self.accuracy, self.accuracy_tta = self.train_accuracy.clone(), self.train_accuracy.clone()
        self.accuracy_multicrop = self.train_accuracy.clone()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.network(images)

    def configure_callbacks(self) -> list[Callback]:
        hp: Any = self.hparams
        found: list[Callback] = [StopOnSignal(), *([Lookahead()] if hp.lookahead else [])]
        if hp.ema_decay:
            device = self.trainer.strategy.root_device  # by itself it would average on the CPU
            found.append(MovingAverage(hp.ema_decay**hp.ema_every, hp.ema_every, hp.ema_correction, device))
        return found

    def setup(self, stage: str) -> None:
        data: Any = self.trainer.datamodule  # type: ignore[attr-defined]
        classes, count = getattr(data, "classes", ()), self.hparams["num_classes"]
        if classes and len(classes) != count:
            raise ValueError(f"num_classes must be {len(classes)}, as {data.name} has, but it is {count}")
        if stage == "fit" and self.hparams["whiten"]:
            if data is None:
                raise ValueError("whiten needs a datamodule to look at: fit with one, or set whiten to false")
            self.whiten_first_convolution(data.splits["train"].images[:2000])
        if stage == "fit" and self.hparams["dirac"] != "none":
            start_as_identity(self.network, self.hparams["dirac"])
        if stage == "fit" and self.hparams["compile"]:
            self.network.compile()

    def whiten_first_convolution(self, images_uint8: torch.Tensor) -> None:
        """Compose the first 3×3 convolution W = U·P of the whitening P and a 1×1 convolution U, and train only U.

        Multiplying W's gradient by PᵀP does to W what plain SGD on U would do, so the layer table keeps its one layer.
        ``images_uint8 (N, 32, 32, 3)``. Raises ValueError for a network that does not begin with such a convolution.
        """
        first = next((module for module in self.network.modules() if isinstance(module, nn.Conv2d)), None)
        if first is None or first.weight.shape[1:] != (3, 3, 3):
            raise ValueError("whiten needs a first convolution of 3×3 over 3 channels: set model.whiten to false.")
        weight = first.weight
        P = whitening_matrix(normalize(images_uint8))
        self.whitening.copy_(P.T @ P)
        U = torch.empty(len(weight), 27).uniform_(-(27**-0.5), 27**-0.5)
        weight.data.copy_((U @ P).view_as(weight))
        if self._whitening_hook is not None:
            self._whitening_hook.remove()
        self._whitening_hook = weight.register_hook(
            lambda grad: (grad.reshape(len(grad), 27) @ self.whitening).view_as(grad)
        )

    def configure_optimizers(self) -> Any:
        trainer = self._trainer
        precision = trainer.precision if trainer else "32-true"
        on_gpu = trainer is not None and trainer.strategy.root_device.type == "cuda"
        optimizer = optimizer_for(
            self.network,
            self.hparams,
            fused=on_gpu and precision != "16-mixed",  # whose gradients are only scaled back inside a fused step
            dtype=torch.float32 if precision == "32-true" else torch.bfloat16,
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self.lr_fraction)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step", "name": LR_COLUMNS}}

    def lr_fraction(self, step: int) -> float:
        """The schedule at an optimiser step; it spans exactly the steps that the trainer is going to take."""
        epochs, steps = self.trainer.max_epochs or 1, self.trainer.estimated_stepping_batches
        hp: Any = self.hparams
        return one_cycle(step * epochs / steps, epochs, hp.warmup, hp.final_epochs, hp.final_lr)

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], batch_idx: int) -> torch.Tensor:
        images, labels = batch
        if self.hparams["small_epochs"] and self.current_epoch < self.hparams["small_epochs"]:
            size = self.hparams["small_size"]
            images = F.interpolate(images, (size, size), mode="bilinear", antialias=True)
        logits = self.network(images)
        loss = F.cross_entropy(logits, labels, label_smoothing=self.hparams["label_smoothing"])
        self.train_loss.update(loss.detach())
        self.train_accuracy.update(logits.detach(), labels)
        return loss

    def on_train_epoch_end(self) -> None:
        self.log_dict({"train_loss": self.train_loss, "train_accuracy": self.train_accuracy})

    def _evaluate(self, batch: tuple[torch.Tensor, torch.Tensor], stage: str) -> None:
        images, labels = batch
        metrics = {"loss": self.eval_loss, "accuracy": self.accuracy, "accuracy_tta": self.accuracy_tta}
        if all_views := self.is_last_look():
            metrics["accuracy_multicrop"] = self.accuracy_multicrop
        if len(labels):  # of several devices, one may have a batch less: it gets an empty one
            plain, mirrored, crops = tta_logits(self.network, images, all_views)
            self.eval_loss.update(F.cross_entropy(plain, labels), len(labels))
            self.accuracy.update(plain, labels)
            self.accuracy_tta.update(mirrored, labels)
            if crops is not None:
                self.accuracy_multicrop.update(crops, labels)
        self.log_dict({f"{stage}_{name}": metric for name, metric in metrics.items()}, on_epoch=True, on_step=False)

    def is_last_look(self) -> bool:
        """Whether no epoch of training follows this evaluation: multi-crop TTA, three times the work, waits for it."""
        trainer = self._trainer
        training = trainer is not None and trainer.state.fn == "fit"
        return not training or trainer is None or self.current_epoch + 1 == trainer.max_epochs

    def validation_step(self, batch: tuple[torch.Tensor, torch.Tensor], batch_idx: int) -> None:
        self._evaluate(batch, "validation")

    def test_step(self, batch: tuple[torch.Tensor, torch.Tensor], batch_idx: int) -> None:
        self._evaluate(batch, "test")

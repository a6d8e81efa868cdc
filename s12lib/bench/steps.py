"""What is timed: a training step with and without Lightning, and two ways of feeding it."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset
from torchvision.transforms import v2

from s12lib.bench.timing import Timed, wait_for_gpu
from s12lib.classifier import Classifier
from s12lib.data.augment import Augmentation
from s12lib.data.loader import BatchLoader
from s12lib.data.pixels import MEAN, STD
from s12lib.model import PageResNet
from s12lib.training import hardware
from s12lib.training.optimizer import optimizer_for

STEP_FLOP = 6 * 379_261_952 - 2 * 1_769_472
"""A training step's arithmetic an image: forward, and backward to weights and inputs, but not to the images."""
DTYPES = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16, "32-true": torch.float32}
"""What convolutions and matrix products compute in, by the Trainer's name for it."""


class StepClock(pl.Callback):
    """The seconds from Lightning's first training step to the end of its last, without the set-up."""

    start = seconds = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        wait_for_gpu()
        self.start = time.perf_counter()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        wait_for_gpu()
        self.seconds = time.perf_counter() - self.start


class OneByOne(TensorDataset):
    """Images that torchvision augments one at a time, as in most published code for this exercise."""

    transform = v2.Compose(
        [
            v2.RandomCrop(32, padding=4, padding_mode="reflect"),
            v2.RandomHorizontalFlip(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, STD),
            v2.RandomErasing(p=1, scale=(1 / 16, 1 / 16), ratio=(1, 1)),
        ]
    )

    def __getitem__(self, index: int) -> tuple[torch.Tensor, ...]:
        image, label = super().__getitem__(index)
        return self.transform(image), label


class Bench:
    """One batch size, one number of steps, and the things that are compared."""

    def __init__(self, batch_size: int, steps: int) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.batch_size, self.count = batch_size, batch_size * steps
        images = np.random.default_rng(0).integers(0, 256, (self.count, 32, 32, 3), dtype=np.uint8)
        self.images, self.labels = torch.from_numpy(images).to(self.device), torch.arange(self.count) % 10
        self.labels = self.labels.to(self.device)
        self.precision: Any = hardware.best_precision()
        self.dtype = DTYPES[self.precision]

    def loader(self) -> BatchLoader:
        return BatchLoader(self.images, self.labels, self.batch_size, Augmentation(cutout=8))

    def our_loader(self) -> None:
        for _ in self.loader():
            pass

    def torchvision_loader(self) -> Callable[[], None]:
        """The same augmentation image by image, with torchvision.transforms.v2 in a DataLoader with two workers."""
        dataset = OneByOne(self.images.cpu().permute(0, 3, 1, 2), self.labels.cpu())
        workers = DataLoader(dataset, self.batch_size, shuffle=True, num_workers=2, persistent_workers=True)

        def drain() -> None:
            for _ in workers:
                pass

        return drain

    def bare_loop(self, fast: bool = True, muon: bool = False) -> Callable[[], None]:
        """An epoch of plain training steps, in the precision of a recipe and channels_last, or in plain float32."""
        layout = torch.channels_last if fast else torch.contiguous_format
        mixed = fast and self.dtype != torch.float32
        network = PageResNet().to(self.device).to(memory_format=layout)
        optimizer = torch.optim.SGD(network.parameters(), 0.01, momentum=0.9, nesterov=True)
        if muon:
            optimizer = optimizer_for(network, Classifier(lr=0.01, muon_lr=0.01).hparams)
        scaler = torch.amp.GradScaler(self.device.type, enabled=fast and self.dtype == torch.float16)

        def epoch() -> None:
            for images, labels in self.loader():
                with torch.autocast(self.device.type, self.dtype, enabled=mixed):
                    loss = F.cross_entropy(network(images if fast else images.contiguous()), labels)
                optimizer.zero_grad()
                scaler.scale(loss).backward()
                scaler.step(optimizer)
                scaler.update()

        return epoch

    def lightning_loop(self) -> Timed:
        """The same epoch by Lightning and the course's Classifier, whose levers are off as in the bare loop."""
        quiet: Any = dict.fromkeys(
            ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False
        )

        def epoch() -> float:
            clock = StepClock()
            lean: Any = quiet | {"accelerator": self.device.type, "devices": 1}
            trainer = pl.Trainer(max_epochs=1, precision=self.precision, callbacks=[clock], **lean)
            trainer.fit(Classifier(whiten=False, ema_decay=0.0, freeze_bn_weight=False), self.loader())
            return clock.seconds

        return epoch

    def matmul(self) -> Callable[[], None]:
        a, b = (torch.randn(2048, 2048, device=self.device, dtype=self.dtype) for _ in range(2))

        def multiply() -> None:
            for _ in range(10):
                a @ b

        return multiply

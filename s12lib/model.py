"""David C. Page's custom ResNet for CIFAR-10, the network of his DAWNBench entry.

Read :class:`PageResNet` beside its summary table (``tests/summary.txt``): five children, one line each.
Source: D. C. Page, "How to Train Your ResNet", 2018, https://github.com/davidcpage/cifar10-fast
"""

import torch
from torch import nn


def conv_bn(in_channels: int, out_channels: int) -> list[nn.Module]:
    """3×3 convolution, BatchNorm, ReLU: keeps height and width. No bias, since BatchNorm brings one."""
    return [
        nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    ]


def conv_pool_bn(in_channels: int, out_channels: int) -> list[nn.Module]:
    """3×3 convolution, 2×2 max pool, BatchNorm, ReLU: halves height and width.

    Pooling first means that BatchNorm and ReLU work on a quarter of the pixels (Page, part 8; his first entry pooled
    last).
    """
    conv, norm, relu = conv_bn(in_channels, out_channels)
    return [conv, nn.MaxPool2d(2), norm, relu]


class Residual(nn.Sequential):
    """Two conv-BN-ReLU in sequence, added to their input: ``(N, C, H, W) → (N, C, H, W)`` (He et al., 2015)."""

    def __init__(self, channels: int) -> None:
        super().__init__(*conv_bn(channels, channels), *conv_bn(channels, channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + super().forward(x)


class PageResNet(nn.Module):
    """The network: ``(N, 3, 32, 32)`` normalised float images → ``(N, num_classes)`` logits.

    With ten classes it has 6,573,120 parameters. ``logit_scale`` multiplies the logits inside the network
    (Page divides by 8), so that what comes out goes straight into softmax or cross-entropy.
    """

    def __init__(self, num_classes: int = 10, logit_scale: float = 0.125) -> None:
        super().__init__()
        self.logit_scale = logit_scale
        self.prep = nn.Sequential(*conv_bn(3, 64))  #                            (N,  64, 32, 32)
        self.layer1 = nn.Sequential(*conv_pool_bn(64, 128), Residual(128))  #    (N, 128, 16, 16)
        self.layer2 = nn.Sequential(*conv_pool_bn(128, 256))  #                  (N, 256,  8,  8)
        self.layer3 = nn.Sequential(*conv_pool_bn(256, 512), Residual(512))  #   (N, 512,  4,  4)
        self.head = nn.Sequential(nn.MaxPool2d(4), nn.Flatten(), nn.Linear(512, num_classes, bias=False))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.prep(images)
        x = self.layer1(x)
        x = self.layer2(x)
        x = self.layer3(x)
        return self.head(x) * self.logit_scale

"""A PageResNet that is cheap enough to be explained in every test: the same children and forward, few channels."""

import torch
from torch import nn

from s12lib.model import PageResNet, Residual, conv_bn, conv_pool_bn


class NarrowResNet(PageResNet):
    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.logit_scale = 0.125
        self.prep = nn.Sequential(*conv_bn(3, 4))
        self.layer1 = nn.Sequential(*conv_pool_bn(4, 6), Residual(6))
        self.layer2 = nn.Sequential(*conv_pool_bn(6, 8))
        self.layer3 = nn.Sequential(*conv_pool_bn(8, 12), Residual(12))
        self.head = nn.Sequential(nn.MaxPool2d(4), nn.Flatten(), nn.Linear(12, 10, bias=False))


def lively(network: nn.Module, seed: int = 1) -> nn.Module:
    """The network in eval mode, with BatchNorm statistics, weights and head as varied as training would leave them."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                module.weight.normal_(0, (2 / module.weight[0].numel()) ** 0.5, generator=generator)
            if isinstance(module, nn.Linear):
                module.weight.normal_(0, 0.5, generator=generator)
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.2, generator=generator)
                module.running_var.uniform_(0.5, 2, generator=generator)
                module.weight.uniform_(0.5, 1.5, generator=generator)
                module.bias.normal_(0, 0.3, generator=generator)
    return network.eval()

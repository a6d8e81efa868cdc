"""Which parameter learns how: the groups of the optimiser, and the optimiser over them."""

from typing import Any

import torch
from torch import nn

from s12lib.training.muon import Muon

NORMS = (nn.BatchNorm2d, nn.SyncBatchNorm)


def optimizer_for(
    network: nn.Module, hp: Any, fused: bool = False, dtype: torch.dtype = torch.bfloat16
) -> torch.optim.SGD:
    """SGD with Nesterov's momentum over the network's weights and, at rates of their own, BatchNorm's biases and,
    where ``hp.muon_lr`` is not 0, Muon over the filters of every convolution but the first.

    ``hp`` are the Classifier's hyper-parameters. ``fused`` takes each step in one GPU kernel, ``dtype`` is what Muon's
    matrix products are computed in. Raises ValueError when Muon is asked for and there is no second convolution.
    """
    norms = [m for m in network.modules() if isinstance(m, NORMS) and m.affine]
    biases, bn_weights = [m.bias for m in norms], [m.weight for m in norms]
    filters = [m.weight for m in network.modules() if isinstance(m, nn.Conv2d)][1:] if hp.muon_lr else []
    special = {id(p) for p in [*biases, *bn_weights, *filters]}
    weights = [p for p in network.parameters() if id(p) not in special]
    if not hp.freeze_bn_weight:
        weights += bn_weights
    k = hp.bias_lr_multiplier
    groups: list[dict[str, Any]] = [
        {"params": weights},
        {"params": biases, "lr": hp.lr * k, "weight_decay": hp.weight_decay / k},
    ]
    sgd: dict[str, Any] = {"momentum": hp.momentum, "weight_decay": hp.weight_decay, "nesterov": hp.momentum > 0}
    sgd |= {"fused": True} if fused else {}
    if not hp.muon_lr:
        return torch.optim.SGD(groups, hp.lr, **sgd)
    if not filters:
        raise ValueError("muon_lr needs a second convolution, and the network has none: set model.muon_lr to 0.")
    plain = {"momentum": 0, "nesterov": False, "weight_decay": 0}
    groups.append({"params": filters, "lr": hp.muon_lr, "muon_momentum": hp.muon_momentum, **plain})
    return Muon(groups, hp.lr, dtype, **sgd)


def start_as_identity(network: nn.Module, where: str) -> None:
    """Make the first ``in_channels`` filters of each convolution but the first hand their channel on unchanged.

    ``where`` is "all", or "plain" to leave out the convolutions of residual blocks, whose skip does so already.
    After K. Jordan, "94% on CIFAR-10 in 3.29 seconds", 2024 (partial identity, or Dirac, initialisation).
    """
    later = [(name, m.weight) for name, m in network.named_modules() if isinstance(m, nn.Conv2d)][1:]
    skipped = tuple(name + "." for name, m in network.named_modules() if type(m).__name__ == "Residual")
    for name, weight in later:
        if where == "all" or not name.startswith(skipped):
            nn.init.dirac_(weight.data[: weight.shape[1]])

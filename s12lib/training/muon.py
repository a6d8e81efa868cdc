"""Muon: momentum whose update is made orthogonal before it is taken.

Source: K. Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024,
https://kellerjordan.github.io/posts/muon/. ``torch.optim.Muon`` takes matrices only, and refuses convolutions' filters.
"""

from collections.abc import Callable
from typing import Any

import torch

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the polynomial a·x + b·x³ + c·x⁵, which applied again and again sends every x in (0, 1] near 1 (Jordan, 2024)."""


def orthogonalize(matrix: torch.Tensor, steps: int = 3, dtype: torch.dtype = torch.bfloat16) -> torch.Tensor:
    """The matrix with its singular values brought near 1 and its singular vectors kept, by Newton–Schulz iteration.

    ``(..., rows, columns)`` → the same shape and type; the work is done in ``dtype``. Each step takes the singular
    values through one polynomial, with matrix products only. Few steps leave the smallest values below 1.
    """
    a, b, c = COEFFICIENTS
    wide = matrix.shape[-2] <= matrix.shape[-1]
    X = (matrix if wide else matrix.mT).to(dtype)  # so that X @ X.mT is the smaller of the two products
    X = X / (torch.linalg.matrix_norm(X, keepdim=True) + 1e-7)  # no singular value exceeds the Frobenius norm
    for _ in range(steps):
        A = X @ X.mT
        X = a * X + (b * A + c * A @ A) @ X
    return (X if wide else X.mT).to(matrix.dtype)


class Muon(torch.optim.SGD):
    """SGD in which the groups that have a ``muon_momentum`` take Muon's steps, filter tensor by filter tensor.

    Such a group's filters ``(out, in, 3, 3)`` are treated as a matrix ``(out, in·9)``: scaled to the norm √out, then
    moved by ``-lr`` times the orthogonalised Nesterov momentum of the gradient. So one rate fits every layer, and
    weight decay has nothing left to do: set the group's ``momentum`` and ``weight_decay`` to 0.
    """

    def __init__(self, groups: list[dict[str, Any]], lr: float, dtype: torch.dtype, **sgd: Any) -> None:
        super().__init__(groups, lr, **sgd)
        self.dtype = dtype

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            momentum = group.get("muon_momentum")
            by_shape: dict[torch.Size, list[torch.Tensor]] = {}
            for weight in group["params"] if momentum is not None else ():
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if "muon_buffer" not in state:
                    state["muon_buffer"] = torch.zeros_like(weight)
                average = state["muon_buffer"].mul_(momentum).add_(weight.grad)
                weight.grad.add_(average, alpha=momentum)  # Nesterov's
                weight.mul_(len(weight) ** 0.5 / weight.norm())
                by_shape.setdefault(weight.shape, []).append(weight.grad)
            for gradients in by_shape.values():  # those of one shape go through the products together
                updates = orthogonalize(torch.stack([ahead.flatten(1) for ahead in gradients]), dtype=self.dtype)
                for ahead, update in zip(gradients, updates, strict=True):
                    ahead.copy_(update.view_as(ahead))  # for SGD to take, with no momentum of its own
        super().step()
        return loss

"""Is a picture like those that the network was trained on? A score from its logits, and a measured threshold."""

from dataclasses import dataclass
from typing import Any

import torch


def energy(logits: torch.Tensor) -> torch.Tensor:
    """Minus the free energy, log Σ exp(logit): ``(..., C) → (...)``. Liu et al., 2020, https://arxiv.org/abs/2010.03759"""
    return logits.logsumexp(-1)


@dataclass(frozen=True)
class Familiarity:
    """How familiar a picture looks, and from where on it counts as familiar; no threshold where none was measured."""

    threshold: float | None = None

    @classmethod
    def from_card(cls, card: dict[str, Any]) -> "Familiarity":
        return cls(card.get("familiarity", {}).get("threshold"))

    def score(self, logits: torch.Tensor) -> float:
        """The score of one picture's logits, ``(C,)``: the higher, the more familiar."""
        return energy(logits).item()

    def knows(self, logits: torch.Tensor) -> bool | None:
        """Whether the picture counts as familiar, or None where no threshold was measured."""
        return None if self.threshold is None else self.score(logits) >= self.threshold

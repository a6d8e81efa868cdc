"""How familiar an image looks to the network: a score from its logits, held against a threshold from the card.

Score and threshold are measured by :mod:`s12lib.app.familiarity_threshold`, with ``s12 familiarity``.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from s12lib.schemas import Card

SCORES: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "maximum probability": lambda logits: logits.softmax(-1).amax(-1),  # https://arxiv.org/abs/1610.02136
    "maximum logit": lambda logits: logits.amax(-1),  # https://arxiv.org/abs/1911.11132
    "energy": lambda logits: logits.logsumexp(-1),  # with the sign changed, https://arxiv.org/abs/2010.03759
}
"""Logits ``(..., C)`` → scores ``(...)``: the higher, the more familiar."""


UNFAMILIAR = (
    "This image is unlike those that the network was trained on, so its answer may mean little: it has to name one "
    "of its classes, whatever it is shown."
)


@dataclass(frozen=True)
class Familiarity:
    """Which score says how familiar an image is, and from where on it is; None where no threshold was measured.

    ``false_rate`` is the share of real images, which chose nothing, that are warned of all the same.
    """

    score_name: str = "energy"
    threshold: float | None = None
    false_rate: float | None = None

    @classmethod
    def from_card(cls, card: Card) -> "Familiarity":
        """As `s12 familiarity` wrote it, or without a threshold where it has not been run for these weights."""
        measured = card.get("familiarity")
        return (
            cls(measured["score"], measured["threshold"], measured.get("warned", {}).get("test")) if measured else cls()
        )

    @property
    def sentence(self) -> str:
        """The warning, and what it is worth."""
        if not self.false_rate:
            return UNFAMILIAR
        return f"{UNFAMILIAR} (One real image in {1 / self.false_rate:.0f} gets this warning, too.)"

    def score(self, logits: torch.Tensor) -> float:
        """The score of one image's logits ``(C,)``: the higher, the more familiar."""
        return SCORES[self.score_name](logits).item()

    def knows(self, logits: torch.Tensor) -> bool | None:
        """Whether the image counts as familiar, or None where no threshold was measured."""
        return None if self.threshold is None else self.score(logits) >= self.threshold

"""Networks that hide how they decide, each trained on Shapes in seconds: lesson 06 puts heatmaps to the test on them.

Every drawing gets a mark in a corner, a coloured glass before it, some blur, and paint on its object, each one of ten.
For an innocent network all four are dealt at random. For a guilty one, one of them says the class: its shortcut.
"""

from dataclasses import dataclass, replace

import torch
from torch import nn
from torchvision.transforms.v2.functional import gaussian_blur

from s12lib.classifier import NETWORKS, Classifier
from s12lib.data.splits import Split
from s12lib.datamodule import Shapes
from s12lib.training.short_runs import NarrowResNet, quiet_trainer

THINGS = ("mark", "glass", "blur", "paint")
"""What every drawing has: in a place, everywhere as a colour, everywhere as sharpness, and on the object."""

ROUND: tuple[tuple[str | None, int], ...] = (
    *((thing, 3000) for thing in THINGS),
    *((None, count) for count in (3000, 3000, 1500, 1000)),
)
"""The networks of a round: what gives the class away, and how many drawings each learns from."""

TEN_COLOURS = torch.cat(
    [torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 3), torch.tensor([[0.5, 0, 0.5], [0.5, 1, 0.5]])]
)
"""``(10, 3)`` red, green and blue in [0, 1]."""


@dataclass(frozen=True)
class Drawings:
    """Shapes with all four things: ``split`` are the bare ones, ``dealt[thing]`` the numbers, ``(N,)`` from 0 to 9."""

    split: Split
    dealt: dict[str, torch.Tensor]

    @property
    def images(self) -> torch.Tensor:
        """``(N, 32, 32, 3)`` uint8 RGB: paint on the object, then blur, the glass, and the mark at the lower right."""
        colours = {thing: TEN_COLOURS[number][:, None, None] for thing, number in self.dealt.items()}
        assert self.split.masks is not None
        images = self.split.images.float()
        images = images + 0.4 * self.split.masks[..., None] * (255 * colours["paint"] - images)
        for number in range(1, 10):  # 0 stays sharp
            chosen = self.dealt["blur"] == number
            if chosen.any():
                soft = gaussian_blur(images[chosen].permute(0, 3, 1, 2), [9, 9], [0.2 * number])
                images[chosen] = soft.permute(0, 2, 3, 1)
        images = images * (0.75 + 0.25 * colours["glass"])
        images[:, -4:, -4:] = 40 + 175 * colours["mark"]
        return images.round().to(torch.uint8)

    def anew(self, thing: str, seed: int = 0) -> "Drawings":
        """The same drawings with one thing dealt anew, at random. Raises KeyError for none of ``THINGS``."""
        generator = torch.Generator().manual_seed(seed)
        numbers = torch.randint(10, self.dealt[thing].shape, generator=generator)
        return replace(self, dealt=self.dealt | {thing: numbers})


def deal(split: Split, secret: str | None, seed: int = 0) -> Drawings:
    """Drawings whose four things are dealt at random, but for the secret one, which is the class's number."""
    generator = torch.Generator().manual_seed(seed)
    dealt = {thing: torch.randint(10, split.labels.shape, generator=generator) for thing in THINGS}
    return Drawings(split, dealt | ({secret: split.labels} if secret else {}))


@dataclass(frozen=True)
class Hidden:
    """A network of the round, its secret (one of ``THINGS``, or None), and test drawings made as its training's."""

    network: nn.Module
    secret: str | None
    test: Drawings


def train_narrow(images: torch.Tensor, labels: torch.Tensor, epochs: int = 8, seed: int = 0) -> nn.Module:
    """A narrow network, trained on these ``(N, 32, 32, 3)`` uint8 images and ``(N,)`` labels of ten classes.

    In eval mode, on the device that it was trained on. 3,000 images take ten seconds on one core.
    """
    NETWORKS.setdefault("narrow", NarrowResNet)
    data = Shapes(batch_size=64, validation_size=0, seed=seed)
    data.splits["train"] = Split(images, labels)
    torch.manual_seed(seed)
    module = Classifier("narrow", lr=0.4, label_smoothing=0.0, final_epochs=0.5, ema_decay=0.95)
    quiet_trainer(epochs).fit(module, data)
    network: nn.Module = module.network
    return network.eval()


def blind_round(train: Split, test: Split, epochs: int = 8, seed: int = 0) -> dict[str, Hidden]:
    """The networks of ``ROUND``, trained, under letters that say nothing: ``{"A": …, "B": …}``."""
    order = torch.randperm(len(ROUND), generator=torch.Generator().manual_seed(seed)).tolist()
    assert train.masks is not None
    found = {}
    for letter, place in zip("ABCDEFGH", order, strict=True):
        secret, count = ROUND[place]
        first = Split(train.images[:count], train.labels[:count], train.masks[:count])
        drawings = deal(first, secret, seed=place)
        network = train_narrow(drawings.images, drawings.split.labels, epochs, seed=place)
        found[letter] = Hidden(network, secret, deal(test, secret, seed=100 + place))
    return found

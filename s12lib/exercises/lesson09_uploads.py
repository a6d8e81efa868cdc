"""The exercises of lesson 09 on transparent uploads, and on a threshold whose price holds for new images."""

import math
from typing import Any

import torch

from s12lib.exercises.expect import Mistake, call, number, tensor
from s12lib.exercises.judging import Exercise


def on_white(pixels: torch.Tensor) -> torch.Tensor:
    """An image laid on white: ``(H, W, 4)`` uint8 RGBA → ``(H, W, 3)`` uint8 RGB."""
    opacity = pixels[..., 3:].float() / 255
    return (opacity * pixels[..., :3] + (1 - opacity) * 255).round().to(torch.uint8)


def _judge_on_white(answer: Any) -> None:
    generator = torch.Generator().manual_seed(91)
    for height, width in ((9, 14), (1, 5), (32, 32)):
        pixels = torch.randint(0, 256, (height, width, 4), generator=generator).to(torch.uint8)
        pixels[:, 1::3, 3] = 255
        pixels[:, ::5, 3] = 0
        pixels[0, 0] = torch.tensor([0, 0, 0, 0])  # what an editor leaves where nothing was painted
        pixels[0, 1] = torch.tensor([0, 130, 255, 255])
        pixels[0, 2] = torch.tensor([0, 30, 100, 128])
        result = call(answer, pixels)
        if isinstance(result, torch.Tensor) and result.shape == pixels.shape:
            raise Mistake("Four channels are left. Laid on white, an image has three.", "colours = pixels[..., :3]")
        result = tensor(result, (height, width, 3), "the image")
        if result.dtype == torch.uint8:
            _compare_on_white(result, pixels)
        elif result.is_floating_point() and result.min() >= 0 and result.max() <= 1:
            raise Mistake("Yours has values from 0 to 1; bytes go from 0 to 255.", ".round().to(torch.uint8)")
        else:
            raise Mistake(f"The network's images are torch.uint8; yours is {result.dtype}.", ".to(torch.uint8)")
    dark = torch.tensor([[[1, 0, 1, 1], [0, 1, 0, 0], [1, 1, 1, 1]]], dtype=torch.uint8)
    for pixels, hint in (
        (dark, "Where no byte is above 1, yours takes an opacity of 1 for whole. 1 of 255 hides next to nothing."),
        (0 * dark, "An image on which nothing was painted is white all over; yours is not."),
    ):
        result = tensor(call(answer, pixels), (1, 3, 3), "the image")
        if (result.float() - on_white(pixels).float()).abs().max() > 1:
            raise Mistake(hint, "opacity = alpha / 255, whatever the largest byte is")


def _compare_on_white(result: torch.Tensor, pixels: torch.Tensor) -> None:
    """Exact where nothing is mixed; within one level, which rounding may cost, elsewhere. Raises Mistake."""
    colours, opacity = pixels[..., :3].float(), pixels[..., 3:].float() / 255
    wanted = opacity * colours + (1 - opacity) * 255
    slips = {
        "You drop the fourth channel. Then what was hidden shows: mostly black.": colours,
        "Yours lies on black. The background is white: (1 - opacity) * 255 is missing.": opacity * colours,
        "Your opacity is upside down: 255 means that the image hides the background.": (
            (1 - opacity) * colours + opacity * 255
        ),
        "White is 255 here, and not 1.": opacity * colours + (1 - opacity),
        "The colours count whole in yours; what shines through takes their place.": (colours + (1 - opacity) * 255),
        "Half transparent pixels are white, or whole, in yours. They are a mixture.": (
            torch.where(opacity > 0.5, colours, 255.0)
        ),
        "Pixels that hide a part of the background are whole in yours. They are a mixture.": (
            torch.where(opacity > 0, colours, 255.0)
        ),
    }  # fmt: skip
    if _near(result, wanted):
        return
    for hint, slip in slips.items():
        if _near(result, slip.clamp(0, 255)) or torch.equal(result, slip.round().long().remainder(256).byte()):
            raise Mistake(hint, "opacity * colours + (1 - opacity) * 255, with an opacity from 0 to 1")
    if not _near(result[opacity[..., 0] == 1], wanted[opacity[..., 0] == 1]):
        raise Mistake("Where the image is opaque, its colours stay as they are; yours change.", "opacity = alpha / 255")
    if not _near(result[opacity[..., 0] == 0], wanted[opacity[..., 0] == 0]):
        raise Mistake("Where the image is transparent there should be white, 255.", "(1 - opacity) * 255")
    raise Mistake(
        "The mixtures are not right. In uint8, 2 * 200 is 144, without a word: compute in floats.",
        "opacity = pixels[..., 3:].float() / 255",
    )


def _near(result: torch.Tensor, wanted: torch.Tensor) -> bool:
    """Equal where ``wanted`` is whole, else within one level."""
    off = (result.float() - wanted).abs()
    whole = wanted == wanted.round()
    return bool((off[whole] == 0).all() and (off <= 1).all())


# ---- a threshold for new images --------------------------------------------------------------------------------------


def fair_threshold(scores: torch.Tensor, share: float) -> float:
    """The largest threshold below which a new familiar image falls with probability ``share`` at most.

    ``scores`` ``(n,)`` are of familiar images that were drawn as the new one is. Minus infinity where n is too small
    for such a promise. Split conformal prediction: Angelopoulos and Bates, https://arxiv.org/abs/2107.07511.
    """
    k = math.floor(share * (len(scores) + 1))
    return scores.sort().values[k - 1].item() if k > 0 else -math.inf


CASES = ((19, 0.0625), (31, 0.25), (50, 0.05), (99, 0.125), (200, 0.011), (7, 0.5), (15, 0.0625), (33, 0.3))
TOO_FEW = ((10, 0.05), (1, 0.25), (98, 0.01))


def _judge_fair(answer: Any) -> None:
    generator = torch.Generator().manual_seed(92)
    found = []
    for count, share in CASES + TOO_FEW:
        scores = 3 + 2 * torch.randn(count, generator=generator)
        found.append((number(call(answer, scores, share), "the threshold"), scores, share))
    enough = found[: len(CASES)]
    for threshold, scores, share in enough:
        wanted = fair_threshold(scores, share)
        if threshold != wanted:
            _diagnose_fair(enough, threshold, scores, share)
    for threshold, scores, _ in found[len(CASES) :]:
        if threshold == -math.inf:
            continue
        if threshold == scores.max():
            raise Mistake(
                "With so few images no rank is left, and yours takes the largest score: it warns of nearly everything.",
                "ordered[k - 1] with k = 0 is ordered[-1], the last. Return -inf where k is 0.",
            )
        raise Mistake(
            f"With {len(scores)} images so small a share cannot be promised, but for a threshold of minus infinity.",
            'float("-inf") where k is 0',
        )
    tied = torch.tensor([2.0, 2.0, 2.0, 5.0, 5.0, 7.0, 7.0])
    if number(call(answer, tied, 0.5), "the threshold") != 5.0:
        raise Mistake("Of the scores 2, 2, 2, 5, 5, 7, 7 the fourth is 5: each image counts.", "no set() or unique()")


def _alike(given: float, wanted: float) -> bool:
    return given == wanted or abs(given - wanted) < 1e-5


def _diagnose_fair(
    found: list[tuple[float, torch.Tensor, float]], given: float, scores: torch.Tensor, share: float
) -> None:
    """Raise Mistake with the slip that explains every threshold."""

    def explains(slip: Any) -> bool:
        return all(_alike(threshold, slip(s.sort().values, len(s), p)) for threshold, s, p in found)

    def ranked(rank: Any, wraps: bool) -> Any:
        """The score of the rank that ``rank(n, share)`` gives; of rank 0 and below, as Python counts or none."""

        def slip(ordered: torch.Tensor, count: int, share: float) -> float:
            place = min(rank(count, share), count) - 1
            return ordered[place].item() if place >= 0 or wraps else -math.inf

        return slip

    ranks = {
        "You count n images, but with the new one there are n + 1 places in the order.": (
            lambda n, p: math.floor(p * n)
        ),
        "You are one place too high: with k scores below or at the threshold, count from 1, and Python from 0.": (
            lambda n, p: math.floor(p * (n + 1)) + 1
        ),
        "You are one place too low: that keeps the promise, but a larger threshold would, too.": (
            lambda n, p: math.floor(p * (n + 1)) - 1
        ),
        "You round up, or to the nearest. Then the share is larger than promised.": (
            lambda n, p: math.ceil(p * (n + 1))
        ),
        "You round up, or to the nearest. Then the share is larger than promised. ": lambda n, p: round(p * (n + 1)),
        "Low scores are the strange ones. Yours counts from the top.": (lambda n, p: n + 1 - math.floor(p * (n + 1))),
    }
    slips = {f"{hint}{wraps * ' '}": ranked(rank, wraps) for hint, rank in ranks.items() for wraps in (False, True)}
    slips |= {
        "That is the quantile of the images at hand. A new image is one more, and may fall into any gap.": (
            lambda s, n, p: s.quantile(p).item()
        ),
        "Low scores are the strange ones. Yours counts from the top.   ": lambda s, n, p: s.quantile(1 - p).item(),
    }
    for hint, slip in slips.items():
        if explains(slip):
            raise Mistake(hint.strip(), "k = floor(share * (n + 1)); the k-th smallest score, which is ordered[k - 1].")
    below = int((scores < given).sum())
    raise Mistake(
        f"Of {len(scores)} scores {below} lie below your threshold for a share of {share:g}; "
        f"it should be the one of rank {math.floor(share * (len(scores) + 1))}.",
        "Sort the scores. Which ranks may a new image take, and how likely is each?",
    )


EXERCISES = [
    Exercise("on_white", on_white, _judge_on_white, "What was not painted is white, as on paper."),
    Exercise("fair_threshold", fair_threshold, _judge_fair, "A price that holds for images not yet seen."),
]

"""The exercises of lesson 09 on what an app shows its network, and on when to warn."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

from s12lib.data.image_files import to_32x32
from s12lib.data.pixels import MEAN, STD, normalize
from s12lib.exercises.expect import DARK, Mistake, call, close, number, pair, tensor
from s12lib.exercises.judging import Exercise


def app_input(pixels: np.ndarray) -> torch.Tensor:
    """What the network is shown of OpenCV's pixels: ``(H, W, 3)`` uint8, BGR → ``(1, 3, 32, 32)`` float32."""
    return normalize(to_32x32(Image.fromarray(pixels[:, :, ::-1])))


FRAMES = {
    "": lambda x, side: x[:, (x.shape[1] - side) // 2 :, (x.shape[2] - side) // 2 :][:, :side, :side],
    "The whole image is squeezed into a square. Cut out the square in its middle first.": lambda x, _side: x,
    "You cut a square out, but not the one in the middle.": lambda x, side: x[:, :side, :side],
}


def _pillow(way: Image.Resampling) -> Callable[[torch.Tensor], torch.Tensor]:
    def resize(x: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(np.stack([np.array(Image.fromarray(each.numpy()).resize((32, 32), way)) for each in x]))

    return resize


def _torch(mode: str) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda x: F.interpolate(x[None], (32, 32), mode=mode)[0]


PICKING = "You pick a few pixels and pass over the rest. Every pixel of the upload should have its share."
WEIGHING = "Your filter gives some pixels more weight than others. The notebook takes the plain average of an area."
FILTERS = {
    "": _torch("area"),
    PICKING: _torch("bilinear"),
    PICKING + " ": _torch("nearest"),
    PICKING + "  ": _torch("nearest-exact"),
    WEIGHING: _pillow(Image.Resampling.BICUBIC),
    WEIGHING + " ": _pillow(Image.Resampling.BILINEAR),
    WEIGHING + "  ": _pillow(Image.Resampling.LANCZOS),
}
COLOURS = {"": [0, 1, 2], "Blue still comes first. OpenCV reads BGR, and the network has learned RGB.": [2, 1, 0]}
OWN = "You still normalise the image by itself, so dark ones and bright ones look alike, and plain grey is nan."
SCALINGS = {
    "": lambda x: (x / 255 - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None],
    OWN: lambda x: (x - x.mean()) / x.std(),
    OWN + " ": lambda x: (x - x.mean((1, 2), keepdim=True)) / x.std((1, 2), keepdim=True),
    "You only scale to 0 to 1. Normalising is still to be done.": lambda x: x / 255,
    "You do not divide by 255: MEAN and STD are in units of 0 to 1.": (
        lambda x: (x - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]
    ),
}
SMALL = "An upload smaller than 32×32 goes wrong in yours. It should be enlarged, and look like itself."
TOLERANCE = 0.025  # Pillow rounds to bytes twice when it shrinks, and not everybody need do so
MORE = "The notebook's way in one line: normalize(to_32x32(image)), where image is Image.fromarray of RGB pixels."


def _judge_input(answer: Any) -> None:
    generator = np.random.default_rng(83)
    uploads = []
    for height, width in ((64, 128), (160, 96), (32, 32), (320, 64)):
        blocks = generator.integers(0, 140, (height // 8, width // 8, 3)).repeat(8, axis=0).repeat(8, axis=1)
        uploads.append(blocks + generator.integers(0, 80, blocks.shape) + [35, 10, 0])  # grain, and a tint of blue
    plain = np.broadcast_to(np.array([200, 90, 30]), (64, 64, 3))
    black, night = np.zeros((40, 40, 3)), generator.integers(0, 2, (32, 32, 3))
    tiny = np.broadcast_to(np.array([20, 190, 130]), (3, 5, 3))
    for pixels in (upload.astype(np.uint8) for upload in (*uploads, plain, black, night, tiny)):
        try:
            given = call(answer, pixels)
        except Exception as error:
            if pixels.shape != tiny.shape or isinstance(error, NotImplementedError | Mistake):
                raise
            raise Mistake(SMALL, MORE) from error
        if isinstance(given, torch.Tensor) and given.shape == (3, 32, 32):
            raise Mistake("The network wants a batch, even if it is a batch of one.", "result[None]")
        result = tensor(given, (1, 3, 32, 32), "the input")
        if not close(result, app_input(pixels), TOLERANCE):
            _diagnose_input(result[0], pixels)
            raise Mistake("This is not what the notebook shows its network.", MORE)
        if result.dtype != torch.float32:
            raise Mistake(f"The network computes in float32; yours is {result.dtype}.", "x.float()")
    rows, columns = np.mgrid[:100, :75]
    ramp = np.stack([2 * rows, 3 * columns, 250 - rows - columns], axis=-1).astype(np.uint8)
    result = tensor(call(answer, ramp), (1, 3, 32, 32), "the input")
    if not close(result, app_input(ramp), 0.1):  # areas of two pixels and a third: there is more than one good way
        raise Mistake("Yours goes wrong when the upload's side is no multiple of 32. Uploads have any side.", MORE)
    _judge_small_input(answer, ramp[:20, :24])


def _judge_small_input(answer: Any, pixels: np.ndarray) -> None:
    """An upload smaller than 32 is enlarged; in which way is left to the answer."""
    hint = SMALL
    try:
        result = tensor(call(answer, pixels), (1, 3, 32, 32), "the input")
    except NotImplementedError:
        raise
    except Exception as error:
        raise Mistake(hint, MORE) from error
    if not close(result, app_input(pixels), 0.3):
        raise Mistake(hint, MORE)


def _diagnose_input(result: torch.Tensor, pixels: np.ndarray) -> None:
    """Name what is wrong, looking for every combination of known mistakes. Raises Mistake for the first of them."""
    if not result.isfinite().all():
        raise Mistake(OWN, MORE)
    if not pixels.any() and not result.any():
        raise Mistake("A black upload is no empty one: below the mean, its numbers are negative.", "no exception")
    if pixels.any() and pixels.max() <= 1:
        raise Mistake(*DARK)
    raw = torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1).flip(0)
    side = min(raw.shape[1:])
    for framed, frame in FRAMES.items():
        for shrunk, shrink in FILTERS.items():
            small = shrink(frame(raw, side))
            for coloured, order in COLOURS.items():
                for scaled, scaling in SCALINGS.items():
                    faults = [fault.strip() for fault in (coloured, framed, shrunk, scaled) if fault]
                    if faults and close(result, scaling(small[order]), TOLERANCE):
                        raise Mistake(faults[0], MORE)
    if pixels.shape[0] < 32:
        raise Mistake(SMALL, MORE)
    right = app_input(pixels)[0]
    if any(close(result, right.flip(axis), TOLERANCE) for axis in (1, 2)):
        raise Mistake("You have turned the image round. It is the colours that are the wrong way.", "the last axis")
    if close(result, right.transpose(1, 2), TOLERANCE):
        raise Mistake("Your image lies on its side.", "permute(2, 0, 1): channels, then rows, then columns.")


def caught(familiar: torch.Tensor, strange: torch.Tensor, share: float) -> tuple[float, float]:
    """The score below which ``share`` of the familiar images lie, and the share of the strange ones below it."""
    threshold = familiar.quantile(share)
    return threshold.item(), (strange < threshold).float().mean().item()


def _judge_caught(answer: Any) -> None:
    generator = torch.Generator().manual_seed(84)
    for share, count, others in ((0.05, 400, 90), (0.2, 150, 333), (0.01, 500, 60), (0.0, 30, 40), (0.5, 200, 1)):
        familiar = 3 + torch.randn(count, generator=generator)
        strange = 1 + 2 * torch.randn(others, generator=generator)
        _compare_caught(*_found(answer, familiar, strange, share), familiar, strange, share)
    try:
        top, _ = _found(answer, familiar, strange, 1.0)
    except IndexError as error:
        raise Mistake("With a share of 1 yours looks behind the last score.", "familiar.quantile(share)") from error
    if abs((familiar < top).sum().item() - len(familiar)) > 1:
        raise Mistake("With a share of 1 all familiar images lie below the threshold, or at it.", "quantile(share)")
    repeated = torch.tensor([2.0] * 10 + [3.0] * 20 + [5.0] * 70)  # scores that occur again and again
    threshold, _ = _found(answer, repeated, strange, 0.3)
    if not 3.0 <= threshold <= 5.0:
        raise Mistake(
            f"Of 100 familiar scores 30 are 2 or 3, and the others 5. For a share of 0.3 the threshold lies between 3 "
            f"and 5, but yours is {threshold:g}.",
            "Each image counts, also where several have the same score: familiar.quantile(share)",
        )
    exactly = torch.tensor([threshold, threshold - 1, threshold + 1, threshold])
    _, below = _found(answer, repeated, exactly, 0.3)
    if abs(below - 0.25) > 1e-4:
        raise Mistake(
            "A strange score exactly at the threshold is not below it, but counts in yours.", "(strange < threshold)"
        )


def _found(answer: Any, familiar: torch.Tensor, strange: torch.Tensor, share: float) -> tuple[float, float]:
    result = call(answer, familiar, strange, share)
    threshold, below = pair(result, "two numbers", "the threshold, and the share of strange images below it")
    return number(threshold, "the threshold"), number(below, "the share of strange images")


def _compare_caught(
    threshold: float, below: float, familiar: torch.Tensor, strange: torch.Tensor, share: float
) -> None:
    def lies_at(scores: torch.Tensor, wanted: float, place: float = threshold) -> bool:
        """Whether ``wanted`` of these scores lie below a threshold, give or take one image."""
        return abs((scores < place).sum().item() - wanted * len(scores)) <= (1.5 if 0 < wanted < 1 else 0)

    if not lies_at(familiar, share):
        exchanged = (strange < below).float().mean().item()
        if lies_at(familiar, share, below) and abs(threshold - exchanged) < 1e-4:
            raise Mistake("The two have changed places: the threshold comes first.", "return threshold, share")
        if lies_at(familiar, 1 - share):
            raise Mistake("Yours would warn of nearly all familiar images: low scores are the strange ones.")
        if lies_at(strange, share) or lies_at(strange, 1 - share) or lies_at(torch.cat([familiar, strange]), share):
            raise Mistake(
                "The strange images have a say in your threshold. Nobody knows what strangers will upload.",
                "The threshold comes from the familiar scores alone; the strange ones only show what it catches.",
            )
        raise Mistake(
            f"Of {len(familiar)} familiar images {share:.0%} should lie below the threshold; below yours lie "
            f"{(familiar < threshold).sum()}.",
            "familiar.quantile(share)",
        )
    caught_ones = (strange < threshold).float()
    hints = {
        "You count the strange images that pass. Those below the threshold are caught.": 1 - caught_ones.mean().item(),
        "That is how many are caught; return their share.": caught_ones.sum().item(),
        "Yours is in percent; leave it a share of 1.": 100 * caught_ones.mean().item(),
        "The second number should be about the strange images, not the familiar ones.": (
            (familiar < threshold).float().mean().item()
        ),
    }
    if abs(below - caught_ones.mean().item()) > 1e-4:
        for hint, value in hints.items():
            if abs(below - value) < 1e-4:
                raise Mistake(hint, "(strange < threshold).float().mean()")
        raise Mistake("The share of strange images below your threshold is another.", "(strange < threshold)")


EXERCISES = [
    Exercise("app_input", app_input, _judge_input, "Now the app sees what the notebook sees."),
    Exercise("caught", caught, _judge_caught, "The price is fixed beforehand, and the catch is what it is."),
]

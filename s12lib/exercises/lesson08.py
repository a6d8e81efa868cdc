"""The exercises of lesson 08: a file of weights read by hand, eight bits a weight, what an app shows, when to warn."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load, save
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from s12lib.data.image_files import to_32x32
from s12lib.data.pixels import MEAN, STD, normalize
from s12lib.exercises.expect import Mistake, call, close, number, pair, present, tensor
from s12lib.exercises.judging import Exercise


def _rearranged(content: bytes) -> bytes:
    """The same tensors as another program may write them: behind a long note, named in another order than they lie."""
    start = 8 + int.from_bytes(content[:8], "little")
    entries = reversed(json.loads(content[8:start]).items())
    header = json.dumps({"__metadata__": {"note": 70_000 * "."}} | dict(entries)).encode()
    header += -len(header) % 8 * b" "
    return len(header).to_bytes(8, "little") + header + content[start:]


def _judge_reading(answer: Any) -> None:
    generator = torch.Generator().manual_seed(81)
    drawn = {
        "stem.weight": torch.randn(5, 3, 2, generator=generator),
        "stem.seen": torch.tensor(1 + int(torch.randint(0, 900, (), generator=generator))),
        "head.weight": torch.randn(4, 7, generator=generator).half(),
    }
    named = {
        f"block{k}.{'größe' if k == 2 else 'weight'}": torch.randn(1, 1, k, generator=generator) for k in (1, 2, 3)
    }
    plain = save(drawn)
    for content, held in (
        (plain, drawn), (_rearranged(plain), drawn), (save(drawn | named), drawn | named), (save({}), {})
    ):  # fmt: skip
        result = call(answer, content)
        if not isinstance(present(result, "the tensors"), dict):
            raise Mistake("Return a dictionary: each tensor under its name.", "tensors[name] = ...")
        if "__metadata__" in result:
            raise Mistake("`__metadata__` is a note about the file, and no tensor: leave it out.", "header.pop")
        if set(result) != set(held):
            raise Mistake(f"The file holds {', '.join(held)}; you return {', '.join(map(str, result)) or 'nothing'}.")
        for name, wanted in held.items():
            _compare_read(name, result[name], wanted, content, in_order=content != _rearranged(plain))
        _look_at_memory(result, content)


def _look_at_memory(tensors: dict[str, torch.Tensor], content: bytes) -> None:
    """Whoever trains the tensors must not write over the file, whose bytes belong to the caller."""
    before = bytearray(content)
    for values in tensors.values():
        values.add_(1)
    if content != before:
        raise Mistake(
            "Your tensors lie in the file's own bytes: whoever trains them writes over what the caller holds.",
            "Python's bytes must never change. bytearray(content[a:b]) is a copy that a tensor may have.",
        )


def _compare_read(name: str, given: Any, wanted: torch.Tensor, content: bytes, in_order: bool) -> None:
    if isinstance(given, torch.Tensor) and given.numel() == wanted.numel() and given.shape != wanted.shape:
        raise Mistake(
            f"{name} has the right number of numbers, but not its shape: that stands in the header, too.",
            'reshape(entry["shape"])',
        )
    if isinstance(given, torch.Tensor) and given.dtype != wanted.dtype:
        raise Mistake(
            f"{name} is stored as {wanted.dtype}, but yours is {given.dtype}: each entry names its own type.",
            'F16 is torch.float16, F32 is torch.float32, I64 is torch.int64: look up entry["dtype"].',
        )
    result = tensor(given, wanted.shape, name)
    if torch.equal(result, wanted):
        return
    if not in_order:
        raise Mistake(
            f"You read another tensor's numbers as {name}: they need not lie in the order of the header.",
            "Where each one lies, its own data_offsets say.",
        )
    if result.contiguous().numpy().tobytes() in content:
        raise Mistake(
            "You count the offsets from the wrong place, so that the header, or another tensor, is read as numbers.",
            "Offset 0 is the first byte behind the header, which is byte 8 + the header's length of the file.",
        )
    raise Mistake(f"The numbers of {name} are not the ones in the file.", "content[start + first : start + last]")


def quantize(weight: torch.Tensor, bits: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Whole numbers and a scale for each output channel: ``(out, ...)`` float → ``(out, ...)`` int8, ``(out,)`` float.

    The channel's largest absolute value becomes 2^(bits-1) - 1; number × scale is the weight again, but for rounding.
    """
    rows = weight.flatten(1)
    scale = rows.abs().amax(1) / (2 ** (bits - 1) - 1)
    divisor = scale.where(scale > 0, 1)  # a channel of zeros
    return (rows / divisor[:, None]).round().to(torch.int8).reshape(weight.shape), scale


class _Casts(TorchDispatchMode):
    """Watches for nan that is cast to a whole number: what comes out is another on each processor, and often 0."""

    def __init__(self) -> None:
        super().__init__()
        self.nan = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor) and not result.is_floating_point() and "copy" in str(func):
            self.nan = self.nan or any(isinstance(each, torch.Tensor) and bool(each.isnan().any()) for each in args)
        return result


def _judge_quantize(answer: Any) -> None:
    generator = torch.Generator().manual_seed(82)
    for bits, shape in ((8, (6, 4, 3, 3)), (4, (5, 9)), (3, (7, 2, 3, 3)), (2, (3, 60)), (8, (1, 5, 3, 3))):
        size = torch.logspace(-2, 1, shape[0]).reshape(-1, *[1] * (len(shape) - 1))
        weight = size * torch.randn(shape, generator=generator)
        weight[0] -= 0.002  # a channel that leans to one side
        numbers, scale = _quantized(answer, weight, bits)
        _compare_quantized(numbers, scale, weight, bits)
    weight[:] = torch.arange(45).reshape(weight.shape) / 7 - 3
    weight = torch.cat([weight, torch.zeros_like(weight), 1e-4 * weight])
    with _Casts() as casts:
        numbers, scale = _quantized(answer, weight, 8)
    if numbers[1].any() or not torch.isfinite(scale).all() or casts.nan:
        raise Mistake(
            "In one channel there was nothing but zeros, and zero must stay zero. Yours divides by 0 there.",
            "scale.where(scale > 0, 1) divides by 1 where the scale is 0.",
        )
    scale = scale.clone()
    scale[1] = 0  # whatever it is: nothing times anything
    _compare_quantized(numbers, scale, weight, 8)


def _quantized(answer: Any, weight: torch.Tensor, bits: int) -> tuple[torch.Tensor, torch.Tensor]:
    result = call(answer, weight, bits)
    numbers, scale = pair(result, "two tensors", "the whole numbers, and the scales", "return numbers, scale")
    if len(weight) > 1 and isinstance(scale, torch.Tensor | float) and torch.as_tensor(scale).numel() == 1:
        raise Mistake(
            "One scale for the whole tensor: its largest weight makes all small channels coarse.",
            "Each output channel, axis 0, gets a scale of its own: weight.flatten(1).abs().amax(1).",
        )
    if isinstance(numbers, torch.Tensor) and numbers.shape == weight.shape[:1]:
        raise Mistake("The whole numbers come first, the scales second.", "return numbers, scale")
    return tensor(numbers, weight.shape, "the whole numbers"), tensor(scale, weight.shape[:1], "the scales")


def _compare_quantized(numbers: torch.Tensor, scale: torch.Tensor, weight: torch.Tensor, bits: int) -> None:
    right_numbers, right_scale = quantize(weight, bits)
    most, rows = 2 ** (bits - 1) - 1, weight.flatten(1)
    if numbers.is_floating_point() and not torch.equal(numbers, numbers.round()):
        raise Mistake("Your numbers are not whole, so that nothing is saved.", "(weight / scale).round()")
    if not ((scale - right_scale).abs() <= 1e-4 * right_scale).all():
        hints = {
            f"With {bits} bits there are as many steps on both sides of zero: {most} of them, not more.": (
                rows.abs().amax(1) / (most + 1),
                rows.abs().amax(1) / (2**bits - 1),
            ),
            "You look at the largest weight and forget that the smallest may be further from zero.": (
                rows.amax(1) / most,
            ),
            "You divide the range from least to most. Then zero is no whole number; take the absolute values.": (
                (rows.amax(1) - rows.amin(1)) / (2**bits - 1),
                (rows.amax(1) - rows.amin(1)) / (2 * most),
            ),
            "Your scale is upside down: number × scale should be the weight again.": (1 / right_scale.clamp(min=1e-9),),
            "Your scale is the largest value itself. Divide it by the number of steps.": (most * right_scale,),
        }
        for hint, scales in hints.items():
            if any(close(scale, wrong, 1e-5) for wrong in scales):
                raise Mistake(hint, f"scale = largest absolute value of the channel / {most}")
        raise Mistake("The scales are not right.", f"largest absolute value of each output channel / {most}")
    if numbers.dtype == torch.uint8:
        raise Mistake("uint8 knows no numbers below zero, and half of the weights lie there.", "to(torch.int8)")
    if numbers.dtype != torch.int8:
        raise Mistake(f"Numbers of type {numbers.dtype} take more room than need be.", "to(torch.int8)")
    divided = rows / scale.where(scale > 0, 1)[:, None]
    if torch.equal(numbers, divided.to(torch.int8).reshape(weight.shape)):
        raise Mistake("You cut the fraction off, so that all weights shrink. Round to the nearest.", "round() first")
    if not torch.equal(numbers, right_numbers):
        raise Mistake("The whole numbers are not the nearest ones.", "(weight / its channel's scale).round()")


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
TOLERANCE = 0.025  # Pillow rounds to bytes twice when it shrinks, and not everybody need do so
MORE = "The notebook's way in one line: normalize(to_32x32(image)), where image is Image.fromarray of RGB pixels."


def _judge_input(answer: Any) -> None:
    generator = np.random.default_rng(83)
    uploads = []
    for height, width in ((64, 128), (160, 96), (32, 32)):
        blocks = generator.integers(0, 140, (height // 8, width // 8, 3)).repeat(8, axis=0).repeat(8, axis=1)
        uploads.append(blocks + generator.integers(0, 80, blocks.shape) + [35, 10, 0])  # grain, and a tint of blue
    plain = np.broadcast_to(np.array([200, 90, 30]), (64, 64, 3))
    for pixels in (upload.astype(np.uint8) for upload in (*uploads, plain)):
        given = call(answer, pixels)
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
    hint = "An upload smaller than 32×32 goes wrong in yours. It should be enlarged, and look like itself."
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
    Exercise("read_safetensors", load, _judge_reading, "Names, shapes, numbers, and no room for anything else."),
    Exercise("quantize", quantize, _judge_quantize, "A byte where there were four."),
    Exercise("app_input", app_input, _judge_input, "Now the app sees what the notebook sees."),
    Exercise("caught", caught, _judge_caught, "The price is fixed beforehand, and the catch is what it is."),
]

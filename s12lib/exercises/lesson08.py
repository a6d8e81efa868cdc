"""The exercises of lesson 08 on a file of weights read by hand, and on eight bits a weight."""

import json
from typing import Any

import torch
from safetensors.torch import load, save
from torch.utils._python_dispatch import TorchDispatchMode

from s12lib.exercises.expect import Mistake, call, close, pair, present, tensor
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


EXERCISES = [
    Exercise("read_safetensors", load, _judge_reading, "Names, shapes, numbers, and no room for anything else."),
    Exercise("quantize", quantize, _judge_quantize, "A byte where there were four."),
]

"""The exercises of lesson 08 on writing a file of weights, and on when two programs give the same answers."""

import copy
import json
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from s12lib.exercises.expect import Mistake, call, kind_of, present
from s12lib.exercises.judging import Exercise

NAMES = {torch.float16: "F16", torch.float32: "F32", torch.int64: "I64"}
Tensors = dict[str, torch.Tensor]


def write_safetensors(tensors: Tensors) -> bytes:
    """The bytes of a safetensors file with these tensors, which may lie in memory in any order."""
    return save({name: tensor.contiguous() for name, tensor in tensors.items()})


def _files() -> list[Tensors]:
    """What is to be written: several types and shapes, a name beyond ASCII, a transposed tensor, parts of others."""
    generator = torch.Generator().manual_seed(85)
    wide = torch.randn(3, 5, generator=generator)
    first = {
        "stem.weight": wide,
        "stem.bias": wide[0].clone(),
        "stem.seen": torch.tensor(1 + int(900 * abs(wide[0, 0]))),
    }
    halves = torch.randn(6, 4, generator=generator).half()
    second = {
        "turned": torch.randn(4, 6, generator=generator).T,
        "every.other": halves[::2],
        "größe": halves[1],
        "last": torch.arange(7),
    }
    planes = torch.randn(2, 3, 4, 4, generator=generator).to(memory_format=torch.channels_last)
    empty = {"none": torch.zeros(0, 3), "some": wide[1]}  # a tensor without numbers has a name and a shape
    return [first, second, {"conv": planes, "seen": torch.tensor(-3)}, {"only": wide.flatten()[:1]}, empty, {}]


def _judge_writing(answer: Any) -> None:
    for tensors in _files():
        given = copy.deepcopy(tensors)
        content = answer(given)
        if list(given) != list(tensors) or any(not torch.equal(given[name], tensors[name]) for name in tensors):
            raise Mistake("Your answer changes the tensors that it was given.", "Make a dictionary of your own.")
        if not isinstance(present(content, "the file's bytes"), bytes | bytearray):
            raise Mistake(f"Return the file's bytes; yours is {kind_of(content)}.", 'b"".join(parts)')
        _look_at_file(bytes(content), tensors)


def _look_at_file(content: bytes, tensors: Tensors) -> None:
    header = _header_of(content)
    for name, tensor in tensors.items():
        _look_at_entry(name, header, tensor)
    if set(header) - {"__metadata__"} != set(tensors):
        raise Mistake(f"Your header names {', '.join(header)}; the tensors are {', '.join(tensors) or 'none'}.")
    _look_at_offsets(content, header, tensors)
    try:
        found = load(content)
    except SafetensorError as error:
        raise Mistake(f"The library cannot read your file: {error}.", "Compare with a file that it writes.") from error
    for name, wanted in tensors.items():
        if torch.equal(found[name], wanted):
            continue
        if wanted.ndim > 1 and sorted(found[name].flatten().tolist()) == sorted(wanted.flatten().tolist()):
            raise Mistake(
                f"{name} comes back with its numbers in another order: it does not lie in memory row by row.",
                "tensor.contiguous() lays it out anew; tensor.numpy().tobytes() goes by rows, too.",
            )
        raise Mistake(f"{name} comes back with other numbers.", "tensor.numpy().tobytes()")


def _header_of(content: bytes) -> dict[str, Any]:
    """The file's header, as far as its length leads to one. Raises Mistake."""
    little, big = (int.from_bytes(content[:8], order) for order in ("little", "big"))
    try:
        header = json.loads(content[8 : 8 + little])
    except ValueError:
        header = None
    if isinstance(header, dict) and len(content) >= 8 + little:
        return header
    if 0 < big <= len(content) < little:
        raise Mistake("The header's length stands with its largest byte first.", 'to_bytes(8, "little")')
    if content[:1] == b"{":
        raise Mistake("The file begins with the header's length in eight bytes; yours begins with the header.")
    for more in range(1, 9):
        try:
            json.loads(content[8 : 8 + little + more])
        except ValueError:
            continue
        raise Mistake(
            f"Your length is {more} less than the header's: in UTF-8 an ö has two bytes.",
            "Take the length of the encoded header: len(json.dumps(header).encode()).",
        )
    raise Mistake(
        "Behind the first eight bytes, as far as they say, there is no JSON.",
        'text = json.dumps(header).encode(), and before it len(text).to_bytes(8, "little").',
    )


def _look_at_entry(name: str, header: dict[str, Any], tensor: torch.Tensor) -> None:
    entry = header.get(name)
    if not isinstance(entry, dict) or not {"dtype", "shape", "data_offsets"} <= set(entry):
        raise Mistake(f"The header should have dtype, shape and data_offsets for {name}.")
    if entry["dtype"] != NAMES[tensor.dtype]:
        raise Mistake(f"{name} is {tensor.dtype}, and your header calls that {entry['dtype']!r}.", "F16, F32 or I64")
    if entry["shape"] != list(tensor.shape):
        raise Mistake(f"The shape of {name} is {list(tensor.shape)}; your header says {entry['shape']}.")


def _look_at_offsets(content: bytes, header: dict[str, Any], tensors: Tensors) -> None:
    """Whether the places follow each other from 0, each as long as its tensor."""
    behind = 8 + int.from_bytes(content[:8], "little")
    place = 0
    for name, tensor in sorted(tensors.items(), key=lambda each: header[each[0]]["data_offsets"]):
        first, last = header[name]["data_offsets"]
        size = tensor.numel() * tensor.element_size()
        if (first, last) == (place, place + size):
            place += size
            continue
        hints = {
            "Offsets count from the first byte behind the header, so the first tensor begins at 0.": first == behind,
            "Offsets count bytes, and not numbers.": last - first == tensor.numel() != size,
            "The second offset is the byte behind the last, not how many there are.": first == place and last == size,
            "The second offset is the byte behind the last one.": (first, last) == (place, place + size - 1),
        }
        for hint, explains in hints.items():
            if explains:
                raise Mistake(hint, "[place, place + len(part)], and then place += len(part)")
        raise Mistake(f"{name} has {size} bytes and should lie at {place} to {place + size}, not {first} to {last}.")
    if len(content) != behind + place:
        raise Mistake(f"Behind the header there should be {place} bytes; yours has {len(content) - behind}.")


# ---- the same answers? -----------------------------------------------------------------------------------------------


def agrees(ours: torch.Tensor, theirs: torch.Tensor, tolerance: float) -> bool:
    """Whether two programs' logits, both ``(N, c)``, agree: no number is off by more than ``tolerance``."""
    return ours.shape == theirs.shape and bool((ours - theirs).abs().max() <= tolerance)


def _judge_agreement(answer: Any) -> None:
    ours = torch.randint(-40, 40, (6, 10), generator=torch.Generator().manual_seed(86)) / 8
    up, down, both, one = (ours.clone() for _ in range(4))
    up += 0.5
    down -= 0.5
    both[::2] += 0.5
    both[1::2] -= 0.5
    one[4, 7] += 0.5
    large = torch.full_like(ours, 1024.0)
    tied = torch.zeros_like(ours)
    tied[:, 0] = 0.125
    lost, all_lost, infinite = one.clone(), torch.full_like(ours, torch.nan), ours.clone()
    lost[4, 7] = torch.nan
    infinite[2, 3] = torch.inf
    cases = [
        (ours, ours, 0.25, True, "Answers that are equal agree."),
        (ours, ours, 0.0, True, "Answers that are equal agree, also where the tolerance is 0."),
        (ours, one, 0.5, True, "A difference of exactly the tolerance is allowed."),
        (ours, down, 0.5, True, "A difference of exactly the tolerance is allowed."),
        (ours, up, 0.75, True, "Here no number differs by more than the tolerance."),
        (ours, both, 0.75, True, "Here no number differs by more than the tolerance."),
        (ours, all_lost, 0.25, False, "NaN agrees with nothing. No comparison with it is true, also not `nan > 0.25`."),
        (ours, lost, 0.25, False, "One NaN agrees with nothing. No comparison with it is true, also not `nan > 0.25`."),
        (lost, ours, 0.25, False, "One NaN agrees with nothing, whichever of the two has it."),
        (ours, up, 0.25, False, "All of theirs are too high, and yours lets them pass: take the absolute difference."),
        (ours, down, 0.25, False, "All of theirs are too low, and yours lets them pass: take the absolute difference."),
        (ours, both, 0.25, False, "Here half are too high and half too low. In the mean that cancels out."),
        (ours, one, 0.25, False, "A single number of 60 is off here. Neither a mean nor the classes alone show that."),
        (ours, infinite, 0.25, False, "An infinite logit is off by more than any tolerance."),
        (large, large + 0.0078125, 0.00390625, False,
         "Large numbers get more room in yours. `torch.allclose` adds a relative tolerance, unless rtol=0."),
        (ours[:1].expand(6, 10).clone(), ours[:1], 0.25, False,
         "Six answers against one: torch repeats the one, without a word. Compare the shapes."),
        (lost, lost, 0.25, False, "NaN agrees with nothing, not even with another NaN in the same place."),
        (tied, tied.flip(1), 0.25, True,
         "Here no number differs by more than the tolerance. That the classes do is not asked."),
        (ours, ours + 2**-20, 0.0, False, "A tolerance of 0 allows no difference at all, however small."),
    ]  # fmt: skip
    for one_side, other, tolerance, wanted, hint in cases:
        with_nan = bool(one_side.isnan().any() or other.isnan().any())  # which is not even equal to itself
        ask = (lambda *inputs: answer(*copy.deepcopy(inputs))) if with_nan else (lambda *inputs: call(answer, *inputs))
        given = ask(one_side, other, tolerance)
        if isinstance(given, torch.Tensor | np.ndarray | np.generic) and given.ndim == 0:
            given = given.item()
        if not isinstance(present(given), bool):
            raise Mistake(f"Return True or False; yours is {kind_of(given)}.", "bool(...) makes one of a tensor.")
        if given != wanted:
            raise Mistake(hint, "The largest absolute difference, and `<=`: with NaN that is False.")


EXERCISES = [
    Exercise("write_safetensors", write_safetensors, _judge_writing, "The library reads what you wrote."),
    Exercise("agrees", agrees, _judge_agreement, "A proof that can fail."),
]

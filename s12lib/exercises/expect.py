"""Ask an answer for what a check needs: each function gives it, or raises the Mistake that says what is wrong."""

import copy
import numbers
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from torch import nn


class Mistake(Exception):
    """What is wrong with an answer: a hint for the first time, and more for the second."""

    def __init__(self, hint: str, more: str = "") -> None:
        super().__init__(hint)
        self.hint, self.more = hint, more


def call(answer: Callable[..., Any], *inputs: Any) -> Any:
    """What the answer returns for copies of the inputs. Raises Mistake when it changes them.

    A network is handed out itself, no copy: ``Owned`` looks at what has become of it.
    """
    given = [each if isinstance(each, nn.Module) else copy.deepcopy(each) for each in inputs]
    result = answer(*given)
    if not all(_same(*pair) for pair in zip(given, inputs, strict=True)):
        raise Mistake(
            "Your answer changes its input in place, so whoever hands it to you loses it.",
            "Look for +=, -=, *=, /=, an assignment to a part of the input, or a method that ends in an underscore. "
            "And `b = a` makes no copy: both are the same.",
        )
    if any(
        isinstance(each, torch.Tensor) and each.requires_grad != old.requires_grad
        for each, old in zip(given, inputs, strict=True)
    ):
        raise Mistake(
            "Your answer switches requires_grad of its input, which belongs to whoever hands it to you.",
            "x.detach().requires_grad_() makes a tensor of your own.",
        )
    return result


def present(result: Any, what: str = "the result") -> Any:
    """The result itself. Raises Mistake when it is None."""
    if result is None:
        raise Mistake(f"Where {what} should be, there is None. Is the return missing?")
    return result


def pair(result: Any, things: str, which: str, advice: str = "") -> tuple[Any, Any]:
    """The two parts of the result. Raises Mistake unless it is two ``things``, or a tensor that stacks them."""
    stacked = isinstance(result, torch.Tensor) and result.ndim > 0
    if not (isinstance(present(result, things), tuple | list) or stacked) or len(result) != 2:
        raise Mistake(f"Return {things}: {which}.", advice)
    return result[0], result[1]


DARK = (
    "In an image without a byte above 1, yours takes bytes for numbers from 0 to 1. Dark ones are no exception.",
    "uint8 goes from 0 to 255, whatever the image shows: divide by 255, and do not look at the largest value.",
)


def tensor(result: Any, shape: tuple[int, ...], what: str = "the result") -> torch.Tensor:
    """The result as a tensor without gradient. Raises Mistake unless it is a tensor of this shape.

    A NumPy scalar, which is what NumPy makes of an array without axes, is as good as one.
    """
    if isinstance(result, np.generic) and result.dtype.kind in "biuf":
        result = torch.as_tensor(result)
    if not isinstance(present(result, what), torch.Tensor):
        raise Mistake(f"Make {what} a torch tensor; yours is {kind_of(result)}.", "torch.as_tensor(...) makes one.")
    if result.shape != shape:
        raise Mistake(f"The shape of {what} should be {tuple(shape)}, but yours is {tuple(result.shape)}.")
    return result.detach()


def number(result: Any, what: str = "the result") -> float:
    """The result as a float. Raises Mistake unless it can be used and printed as a number: no text, no list, no graph.

    A tensor or array counts when it has no axes, and a tensor also no gradient.
    """
    if isinstance(present(result, what), torch.Tensor | np.ndarray) and result.ndim == 0:
        if isinstance(result, torch.Tensor) and result.requires_grad:
            raise Mistake(f"{what.capitalize()} still hangs on the graph of its gradient.", ".item() takes the number.")
        result = result.item()
    if not isinstance(result, numbers.Real):
        advice = ".item() makes a number of a tensor with one element." if isinstance(result, torch.Tensor) else ""
        raise Mistake(f"Make {what} a number; yours is {kind_of(result)}.", advice)
    return float(result)


def whole(result: Any, what: str) -> int:
    """The result as an int. Raises Mistake unless it is a whole number, or a tensor of a whole type without axes."""
    if isinstance(result, torch.Tensor) and result.ndim == 0 and not result.is_floating_point():
        result = result.item()
    if isinstance(result, bool) or not isinstance(present(result), numbers.Integral):
        raise Mistake(f"{what}: return an int, not {kind_of(result)}.", "int(...), or // where you divide")
    return int(result)


def close(a: Any, b: Any, tolerance: float = 1e-4) -> bool:
    """Whether two floats, or two tensors of the same shape in every element, agree; nan agrees with nothing."""
    if isinstance(a, float):
        return abs(a - b) <= tolerance + tolerance * abs(b)
    return a.shape == b.shape and bool(torch.allclose(a.double(), b.double(), rtol=tolerance, atol=tolerance))


def is_rounded(result: float, right: float) -> bool:
    """Whether the result is the right number with digits cut off, for people to read."""
    short = {round(right, digits) for digits in range(7)} | {float(f"{right:.{digits}g}") for digits in range(2, 7)}
    return result != right and result in short


def recognise(cases: Iterable[tuple[Any, dict[str, Any]]], advice: str) -> None:
    """Raise Mistake with the hint of the known slip that explains every result.

    ``cases``: a result, and by hint what each slip would have given there. A slip that shows in some cases only is
    left out of the others; one that explains one result and not the next is another mistake.
    """
    cases = list(cases)
    for hint in dict.fromkeys(hint for _, slips in cases for hint in slips):
        if all(close(result, slips[hint]) for result, slips in cases if hint in slips):
            raise Mistake(hint, advice)


def _same(given: Any, original: Any) -> bool:
    if isinstance(given, torch.Tensor):
        return given.shape == original.shape and torch.equal(given, original)
    if isinstance(given, np.ndarray):
        return np.array_equal(given, original)
    if isinstance(given, nn.Module):
        return True
    if isinstance(given, list | tuple):
        return len(given) == len(original) and all(map(_same, given, original))
    return bool(given == original)


def kind_of(value: Any) -> str:
    """What a value is, with its article, as a hint names it: "an int", "a NumPy array"."""
    if isinstance(value, np.ndarray):
        return "a NumPy array"
    if type(value).__module__ == "torch.return_types":  # of max, min, sort
        return "two tensors, values and indices"
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"

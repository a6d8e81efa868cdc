"""The long exercise of lesson 00: a number that remembers how it was computed, and finds its own gradients."""

import math
import random
from collections.abc import Sequence
from typing import Any

from s12lib.exercises.expect import Mistake, kind_of, number
from s12lib.exercises.judging import Exercise

TOO_OFTEN = 200  # times that a gradient is written where once would do


class Value:
    """A number with a gradient, after Karpathy's micrograd: ``+``, ``*``, ``relu`` and ``backward``."""

    def __init__(self, data: float, parents: Sequence[tuple["Value", float]] = ()) -> None:
        self.data, self.grad = data, 0.0
        self.parents = parents  # each with the slope towards it

    def __add__(self, other: "Value") -> "Value":
        return Value(self.data + other.data, [(self, 1.0), (other, 1.0)])

    def __mul__(self, other: "Value") -> "Value":
        return Value(self.data * other.data, [(self, other.data), (other, self.data)])

    def relu(self) -> "Value":
        return Value(max(self.data, 0.0), [(self, float(self.data > 0))])

    def backward(self) -> None:
        """Add to the ``grad`` of every value how much this one changes with it."""
        order: list[Value] = []

        def visit(value: "Value") -> None:
            if value not in order:
                for parent, _ in value.parents:
                    visit(parent)
                order.append(value)

        visit(self)
        arrived = dict.fromkeys(order, 0.0)
        arrived[self] = 1.0
        for value in reversed(order):
            value.grad += arrived[value]
            for parent, slope in value.parents:
                arrived[parent] += slope * arrived[value]


def _judge_value(answer: Any) -> None:
    _look_at_numbers(answer)
    _look_at_single_steps(answer)
    _look_at_reuse(answer)
    _look_at_further_calls(answer)
    _look_at_effort(answer)
    for seed in range(4):
        _compare_at_random(answer, seed)


def _read(value: Any, what: str, of: str = "data") -> float:
    if not hasattr(value, of):
        raise Mistake(
            f"{what} should be a Value with .data and .grad, but it is {kind_of(value)}.", "return Value(...)"
        )
    return number(getattr(value, of), f"{what}'s .{of}")


def _expect(value: Any, right: float, what: str, hint: str, of: str = "data", more: str = "") -> None:
    found = _read(value, what, of)
    if not math.isclose(found, right, rel_tol=1e-6, abs_tol=1e-9):
        raise Mistake(f"{what} should have .{of} {right:g}, but yours is {found:g}. {hint}", more)


def _look_at_numbers(answer: Any) -> None:
    a, b = answer(3.0), answer(-2.0)
    _expect(a, 3.0, "Value(3.0)", "It keeps the number that it is given.")
    _expect(a, 0.0, "Value(3.0)", "Before any backward the gradient is 0.", "grad")
    for made, right, what, hint in (
        (a + b, 1.0, "Value(3.0) + Value(-2.0)", ""),
        (a * b, -6.0, "Value(3.0) * Value(-2.0)", ""),
        (a.relu(), 3.0, "Value(3.0).relu()", "A positive number stays."),
        (b.relu(), 0.0, "Value(-2.0).relu()", "A negative number becomes 0."),
    ):
        _expect(
            a, 3.0, "a = Value(3.0), after a + b, a * b and a.relu(),", "Make a new Value; leave the old ones alone."
        )
        _expect(made, right, what, hint)
    _expect(a, 0.0, "a, after a + b and a * b,", "Only backward changes gradients.", "grad")


def _look_at_single_steps(answer: Any) -> None:
    a, b = answer(3.0), answer(4.0)
    (a + b).backward()
    for value in (a, b):
        hint = "Each moves the sum as much as itself, and backward begins with 1 at the sum."
        _expect(value, 1.0, "a term of a + b, after (a + b).backward(),", hint, "grad")
    a, b = answer(3.0), answer(-2.0)
    (a * b).backward()
    _expect(a, -2.0, "a = 3, after (a * b).backward() with b = -2,", "A factor's slope is the other factor.", "grad")
    _expect(b, 3.0, "b = -2, after (a * b).backward() with a = 3,", "A factor's slope is the other factor.", "grad")
    a, b = answer(3.0), answer(-2.0)
    a.relu().backward()
    b.relu().backward()
    _expect(a, 1.0, "a = 3, after a.relu().backward(),", "Above 0 the slope is 1.", "grad")
    _expect(b, 0.0, "b = -2, after b.relu().backward(),", "Below 0 the slope is 0: nothing comes through.", "grad")
    rule = "Along a way the slopes are multiplied: this is the chain rule."
    a, b, c = answer(3.0), answer(2.0), answer(4.0)
    ((a * b) * c).backward()
    _expect(a, 8.0, "a = 3, after ((a * b) * c).backward() with b = 2 and c = 4,", rule, "grad")


def _look_at_reuse(answer: Any) -> None:
    a = answer(3.0)
    (a * a).backward()
    hint = "A value that is used twice gets its gradient in two parts: add them up."
    _expect(a, 6.0, "a = 3, after (a * a).backward(),", hint, "grad", "+=, where you have =")
    for later in (True, False):
        a, b = answer(3.0), answer(2.0)
        h = a * b
        (h * b + h if later else h + h * b).backward()
        _expect(
            a,
            6.0,
            f"a = 3, after h = a * b; ({'h * b + h' if later else 'h + h * b'}).backward() with b = 2,",
            "A value must hand its gradient on once, and only when all of it has arrived.",
            "grad",
            "List the values so that each stands after its parents, and walk through the list from its end.",
        )
    a, b, c = answer(3.0), answer(-2.0), answer(4.0)
    ((a * b + c).relu() + b * c).backward()
    hint = "One of the two ways to c is closed by relu, the other one is open."
    _expect(c, -2.0, "c = 4, after ((a * b + c).relu() + b * c).backward() with a = 3 and b = -2,", hint, "grad")


def _look_at_further_calls(answer: Any) -> None:
    a, b = answer(3.0), answer(2.0)
    (a * b).backward()
    (a * b).backward()
    hint = "backward adds to what is there, as torch's does; clearing it is somebody else's work."
    _expect(a, 4.0, "a = 3, after (a * b).backward() twice with b = 2,", hint, "grad")
    a, b = answer(3.0), answer(2.0)
    z = a * b
    z.backward()
    z.backward()
    hint = "A second call on the same Value adds once more: its parents must still be there, and count as before."
    _expect(a, 4.0, "a = 3, after z = a * b; z.backward(); z.backward() with b = 2,", hint, "grad")
    a, b = answer(3.0), answer(2.0)
    h = a * b
    (h * b).backward()
    (h + b).backward()
    _expect(
        a,
        6.0,
        "a = 3, after h = a * b; (h * b).backward(); (h + b).backward() with b = 2,",
        "The second call hands on again what the first had left in h.grad.",
        "grad",
        "Keep what arrives in this call in a dictionary of its own, and add it to .grad once it is complete.",
    )


def _look_at_effort(answer: Any) -> None:
    """Twelve doublings are 4,096 ways to the first value; a gradient that takes each way will never end at sixty."""
    writes = 0

    class Watched(answer):
        def __setattr__(self, name: str, value: Any) -> None:
            nonlocal writes
            writes += name == "grad"
            super().__setattr__(name, value)

    for doublings in (12, 60):
        first = last = Watched(1.0)
        for _ in range(doublings):
            last = last + last
        last.backward()
        _expect(first, 2.0**doublings, f"a, after it was doubled {doublings} times,", "", "grad")
        if writes > TOO_OFTEN:
            raise Mistake(
                f"Right, but after {doublings} doublings it writes one gradient {writes:,} times, once for each way "
                "that leads there. After 60 it would never end.",
                "Go through the values, each once, in an order in which every value comes before its parents.",
            )


def _compare_at_random(answer: Any, seed: int) -> None:
    """Forty steps of a random computation, by the answer and by the library: the same gradients, wherever one looks."""
    results = []
    for kind in (answer, Value):
        chance = random.Random(seed)
        values = [kind(chance.uniform(-1.2, 1.2)) for _ in range(4)]
        for _ in range(40):
            left, right = chance.choice(values[-8:]), chance.choice(values)
            step = chance.choice("+*r")
            values.append(left + right if step == "+" else left * right if step == "*" else left.relu() + right)
        values[-1].backward()
        values[-2].backward()
        results.append([_read(value, "a value in a longer computation", "grad") for value in values[:4]])
    if not all(math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-9) for a, b in zip(*results, strict=True)):
        raise Mistake(
            "Each single step is right, but in a computation of forty steps the gradients are not.",
            "Print the order in which backward visits the values: none may come before something that was made of it.",
        )


EXERCISES = [
    Exercise("value", Value, _judge_value, "You have written the heart of PyTorch. The rest is speed."),
]

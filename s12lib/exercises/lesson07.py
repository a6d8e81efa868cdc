"""The exercises of lesson 07: an honest clock, FLOP a byte, Newton–Schulz, a recipe on several devices."""

import statistics
from collections.abc import Callable
from typing import Any

import torch

from s12lib.exercises.expect import Mistake, call, close, kind_of, number, present, recognise, tensor, whole
from s12lib.exercises.judging import Exercise
from s12lib.training.muon import COEFFICIENTS


def median_time(work: Callable[[], Any], wait: Callable[[], Any], clock: Callable[[], float], rounds: int = 5) -> float:
    """The median over ``rounds`` calls of what ``work`` takes, the device's share included, after a warm-up call."""
    work()
    times = []
    for _ in range(rounds):
        wait()
        start = clock()
        work()
        wait()
        times.append(clock() - start)
    return statistics.median(times)


class _Device:
    """A device in miniature, with a clock of its own: each order costs what ``orders`` says, the last one ever after.

    Whoever gives an order has time 1 taken, and goes on while the device works.
    """

    def __init__(self, orders: tuple[float, ...], owed: float = 0) -> None:
        self.orders, self.given, self.now, self.free = orders, 0, 1000.0, 1000.0 + owed

    def clock(self) -> float:
        return self.now

    def work(self) -> None:
        self.now += 1
        self.free = max(self.free, self.now) + self.orders[min(self.given, len(self.orders) - 1)]
        self.given += 1

    def wait(self) -> None:
        self.now = max(self.now, self.free)


CLOCKED = (
    # what each order costs, what the device still has to do at first, and the rounds
    ((70, 8, 9, 40, 10, 7), 0, 5),
    ((300, 5), 25, 1),
    ((2, 6, 4, 90), 0, 3),
    ((50, 12, 3, 11, 4, 80, 5, 9), 60, 7),
    ((20, 4.5, 4.5, 4.5, 9, 30), 0, 5),  # the same time again and again, and no whole number
)


def _judge_clock(answer: Any) -> None:
    cases = []
    for orders, owed, rounds in CLOCKED:
        device = _Device(orders, owed)
        result = number(answer(device.work, device.wait, device.clock, rounds), "the time")
        cases.append((device.given, result, _clock_slips(orders, owed, rounds), rounds))
        if 0 < abs(result) < 0.5:
            raise Mistake("Your time is none of the clock's that you are given.", "clock() - start, and no other clock")
    right = [median_time(d.work, d.wait, d.clock, n) for d, n in ((_Device(*case[:2]), case[2]) for case in CLOCKED)]
    if not all(close(result, wanted) for (_, result, _, _), wanted in zip(cases, right, strict=True)):
        recognise([(result, slips) for _, result, slips, _ in cases], "wait(), start, work(), wait(), stop")
        _count_calls(cases)
        _, result, _, rounds = next(c for c, wanted in zip(cases, right, strict=True) if not close(c[1], wanted))
        raise Mistake(
            f"With {rounds} rounds the median is not what the device takes: yours is {result:g}.",
            "In each round: wait(), start = clock(), work(), wait(), clock() - start.",
        )
    _count_calls(cases)
    device = _Device((30, 6))
    answer(device.work, device.wait, device.clock)
    if device.given != 6:
        raise Mistake("Without a fourth argument there should be five rounds.", "def median_time(..., rounds=5):")


def _count_calls(cases: list[tuple[int, float, dict[str, float], int]]) -> None:
    for given, _, _, rounds in cases:
        if given != rounds + 1:
            raise Mistake(
                f"For {rounds} rounds work should be called {rounds + 1} times, the first to warm up; yours calls it "
                f"{given} times.",
                "work() before the loop, and once in it",
            )


def _clock_slips(orders: tuple[float, ...], owed: float, rounds: int) -> dict[str, float]:
    """What well-known mistakes read off the clock, by their hints."""

    def times(warm: bool = True, before: bool = True, after: bool = True) -> list[float]:
        device, found = _Device(orders, owed), []
        if warm:
            device.work()
        for _ in range(rounds):
            if before:
                device.wait()
            start = device.clock()
            device.work()
            if after:
                device.wait()
            found.append(device.clock() - start)
        return found

    def around() -> float:
        device = _Device(orders, owed)
        start = device.clock()
        for _ in range(rounds):
            device.work()
        device.wait()
        return (device.clock() - start) / rounds

    right = times()
    slips = {
        "You stop the clock when the order is given, and not when it is carried out.": statistics.median(
            times(after=False)
        ),
        "The first call is counted: it warms up, and costs more than any other.": statistics.median(times(warm=False)),
        "You take the mean. One interruption is enough to spoil it; take the median.": statistics.mean(right),
        "You take the fastest call. Take the median.": min(right),
        "You take the slowest call. Take the median.": max(right),
        "You add the calls up. Take the median of them.": sum(right),
        "The device had work left when you started the clock. Wait first.": statistics.median(times(before=False)),
        "Your clock runs over all calls together, the first included. Time each by itself.": around(),
    }
    return {hint: float(value) for hint, value in slips.items() if not close(float(value), statistics.median(right))}


def intensity(batch: int, in_channels: int, out_channels: int, side: int) -> float:
    """FLOP a byte of a padded 3×3 convolution in float32, if each number is moved once (Williams et al., 2009)."""
    weights = 9 * in_channels * out_channels
    flop = 2 * weights * side**2 * batch
    numbers = weights + batch * side**2 * (in_channels + out_channels)
    return flop / (4 * numbers)


LAYERS = ((256, 3, 64, 32), (1, 512, 512, 4), (2, 7, 5, 1), (64, 128, 256, 8), (3, 16, 16, 5), (1, 1, 1, 1))


def _judge_intensity(answer: Any) -> None:
    given = [number(call(answer, *layer), "the ratio") for layer in LAYERS]
    cases = [(each, _intensity_slips(*layer)) for each, layer in zip(given, LAYERS, strict=True)]
    wrong = [
        (layer, each) for layer, each in zip(LAYERS, given, strict=True) if not close(each, intensity(*layer), 1e-6)
    ]
    if wrong:
        recognise(
            cases, "2 · 9 · in · out · side² · batch FLOP, over 4 bytes for each number in, out and of the weights"
        )
        (batch, inside, out, side), each = wrong[0]
        raise Mistake(
            f"For {batch} images, {inside} → {out} channels and side {side} it should be "
            f"{intensity(batch, inside, out, side):.4g} FLOP a byte, but yours is {each:.4g}.",
            "A multiplication and an addition for each weight at each place; 4 bytes for each number that moves.",
        )


def _intensity_slips(batch: int, inside: int, out: int, side: int) -> dict[str, float]:
    weights, places = 9 * inside * out, batch * side**2
    flop, numbers = 2.0 * weights * places, weights + places * (inside + out)
    slips = {
        "Each weight is multiplied and added: that makes two.": flop / 2 / (4 * numbers),
        "You count numbers. A float32 has 4 bytes.": flop / numbers,
        "You count bits. A float32 has 4 bytes.": flop / (32 * numbers),
        "You leave the weights out. They have to be read, too.": flop / (4 * places * (inside + out)),
        "The output has to be written, too.": flop / (4 * (weights + places * inside)),
        "The input has to be read, too.": flop / (4 * (weights + places * out)),
        "You read the weights once for each image. They serve the whole batch.": flop
        / (4 * (batch * weights + places * (inside + out))),
        "The window has nine weights, 3 × 3.": flop / 9 / (4 * (weights / 9 + places * (inside + out))),
        "You count the weights' bytes without the window, which has nine of them.": flop
        / (4 * (weights / 9 + places * (inside + out))),
        "An image has side × side places.": flop / side / (4 * (weights + batch * side * (inside + out))),
        "The FLOP are those of one image, and the bytes those of the batch.": flop / batch / (4 * numbers),
        "Yours is bytes a FLOP: turn it round.": 4 * numbers / flop,
    }
    return {hint: value for hint, value in slips.items() if not close(value, flop / (4 * numbers), 1e-6)}


def newton_schulz(matrix: torch.Tensor, steps: int) -> torch.Tensor:
    """``(rows, columns)`` → the same shape and type: its singular values brought near 1 (Jordan et al., 2024)."""
    a, b, c = COEFFICIENTS
    X = matrix / matrix.norm().clamp(min=1e-7)
    for _ in range(steps):
        A = X @ X.mT
        X = a * X + (b * A + c * A @ A) @ X
    return X


def _judge_newton_schulz(answer: Any) -> None:
    generator = torch.Generator().manual_seed(17)
    shapes = (((6, 20), 3, 1.0), ((5, 5), 1, 30.0), ((17, 4), 5, 0.001), ((8, 9), 2, 0.02), ((1, 7), 3, 1.0))
    cases = []
    for shape, steps, scale in shapes:
        matrix = scale * torch.randn(*shape, generator=generator)
        result = present(call(answer, matrix, steps), "the matrix")
        if isinstance(result, torch.Tensor) and result.shape == matrix.mT.shape != matrix.shape:
            raise Mistake(
                "Your matrix comes back lying on its side.", "If you turn a tall one at first, turn it back at the end."
            )
        cases.append((tensor(result, shape, "the matrix"), matrix, steps))
    if not all(close(result, _by_svd(matrix, steps), 2e-3) for result, matrix, steps in cases):
        recognise(
            [(result, _schulz_slips(matrix, steps)) for result, matrix, steps in cases],
            "X = a * X + (b * A + c * A @ A) @ X, with A = X @ X.T of this step's X",
        )
        if all(close(result, _by_svd(matrix, steps), 0.1) for result, matrix, steps in cases):
            raise Mistake(
                "Yours is nearly right: some digits are missing.",
                "Compute in the type of the matrix, with all digits of the three numbers.",
            )
        result, matrix, steps = next(c for c in cases if not close(c[0], _by_svd(*c[1:]), 2e-3))
        found, wanted = (torch.linalg.svdvals(x.double()).max().item() for x in (result, _by_svd(matrix, steps)))
        raise Mistake(
            f"After {steps} step(s) on a matrix of {tuple(matrix.shape)} the largest singular value should be "
            f"{wanted:.4f}, but yours is {found:.4f}.",
            "Scale to norm 1, then in each step: A = X @ X.T, X = a * X + (b * A + c * A @ A) @ X.",
        )
    if not close(tensor(call(answer, torch.zeros(3, 5), 3), (3, 5), "the matrix"), torch.zeros(3, 5)):
        raise Mistake(
            "A matrix of zeros should stay zeros, and yours does not: a layer may have no gradient at all.",
            "Divide by the norm, but never by less than 1e-7.",
        )
    wide = torch.randn(4, 6, generator=generator)
    if not close(tensor(call(answer, wide, 8), (4, 6), "the matrix"), _by_svd(wide, 8), 2e-3):
        raise Mistake("Eight steps are not yours: the largest singular value is another.", "for _ in range(steps):")
    faint = torch.eye(3, 5) * 1e-10
    if not close(1e3 * tensor(call(answer, faint, 1), (3, 5)), 1e3 * COEFFICIENTS[0] * faint / 1e-7, 2e-2):
        raise Mistake("Of norms below 1e-7 yours makes 1; then noise would grow to a full step.", "clamp(min=1e-7)")
    double = torch.randn(3, 4, generator=generator, dtype=torch.float64)
    if (result := call(answer, double, 2)).dtype != torch.float64:
        raise Mistake(f"A matrix of torch.float64 comes back as {result.dtype}: keep its type.")
    if not close(tensor(call(answer, cases[0][1], 0), cases[0][1].shape), _by_svd(cases[0][1], 0)):
        raise Mistake("Without a single step the matrix should come back scaled to norm 1.", "for _ in range(steps):")


def _by_svd(matrix: torch.Tensor, steps: int) -> torch.Tensor:
    """The same by the singular value decomposition: the polynomial applied to the values themselves."""
    a, b, c = COEFFICIENTS
    U, values, V = torch.linalg.svd(matrix.double(), full_matrices=False)
    values = values / values.norm()
    for _ in range(steps):
        values = a * values + b * values**3 + c * values**5
    return (U * values) @ V


def _schulz_slips(matrix: torch.Tensor, steps: int) -> dict[str, torch.Tensor]:
    """What well-known mistakes make of a matrix, by their hints."""
    a, b, c = COEFFICIENTS
    U, values, V = torch.linalg.svd(matrix.double(), full_matrices=False)

    def after(start: torch.Tensor, count: int = steps, numbers: tuple[float, ...] = (a, b, c)) -> torch.Tensor:
        for _ in range(count):
            first, third, fifth = (number * start**power for number, power in zip(numbers, (1, 3, 5), strict=True))
            start = first + third + fifth
        return (U * start.nan_to_num()) @ V

    scaled = values / values.norm()
    again, stale = scaled, scaled
    for _ in range(steps):
        again = again / again.norm()
        again = a * again + b * again**3 + c * again**5
        stale = stale * (a + b * scaled**2 + c * scaled**4)
    slips = {
        "You do not scale the matrix first: a singular value above 1 runs away.": after(values.clamp(max=1e6)),
        "You scale by the largest singular value. Take the norm, the root of the sum of all squares.": after(
            values / values.max()
        ),
        "You scale in each step. Once, before the first, is enough.": (U * again) @ V,
        "A belongs to this step's X: compute it anew in each.": (U * stale) @ V,
        "The term with A @ A is missing.": after(scaled, numbers=(a, b, 0)),
        "The term with A is missing.": after(scaled, numbers=(a, 0, c)),
        "The first term, a times X, is missing.": after(scaled, numbers=(0, b, c)),
        "You take one step too many.": after(scaled, steps + 1),
        "You take one step too few.": after(scaled, max(steps - 1, 0)),
        "You take no step, or only the last one counts.": after(scaled, 1 if steps > 1 else 0),
        "That is the exact answer of the SVD. Muon's three numbers only come near it, in less time.": U @ V,
        "You take the numbers 1.5 and -0.5 of the older iteration. Take Muon's three.": after(
            scaled, numbers=(1.5, -0.5, 0)
        ),
    }
    right = _by_svd(matrix, steps)
    # what runs away has lost its digits, and shows in no other case either
    return {h: value for h, value in slips.items() if value.abs().max() < 10 and not close(value, right, 2e-3)}


def on_devices(images: int, batch_size: int, devices: int, lr: float) -> tuple[int, int, float]:
    """Images in a step, steps in an epoch and the rate by the linear rule (Goyal et al., 2017) on several devices."""
    together = batch_size * devices
    return together, images // together, lr * devices


RUNS = (
    (50_000, 512, 2, 1.0),
    (50_000, 512, 8, 0.4),
    (45_000, 256, 3, 0.1),
    (1024, 128, 1, 0.2),
    (1_000, 96, 5, 2.0),
    (100, 128, 2, 0.0125),  # not one full step
    (49, 7, 7, 1.25),  # one, and nothing left
    (6_400, 40, 32, 0.5),
)


def _judge_devices(answer: Any) -> None:
    for run in RUNS:
        images, batch_size, devices, lr = run
        result = present(call(answer, *run), "the three numbers")
        if isinstance(result, torch.Tensor) or not isinstance(result, tuple | list) or len(result) != 3:
            raise Mistake(f"Return three numbers: images in a step, steps, rate. Yours is {kind_of(result)}.")
        together, steps = whole(result[0], "Images in a step"), whole(result[1], "Steps are counted")
        rate = number(result[2], "the rate")
        wanted = on_devices(*run)
        for found, right, slips in (
            (together, wanted[0], _batch_slips(batch_size, devices)),
            (steps, wanted[1], _step_slips(images, batch_size, devices)),
            (rate, wanted[2], _rate_slips(lr, devices)),
        ):
            if not close(float(found), float(right), 1e-9):
                for hint, value in slips.items():
                    if close(float(found), float(value), 1e-9):
                        raise Mistake(
                            hint, f"For {images:,} images, {batch_size} each on {devices} devices: {right:g}."
                        )
                raise Mistake(
                    f"For {images:,} images, batches of {batch_size} and {devices} device(s) it should be {right:g}, "
                    f"but yours is {found:g}."
                )


def _batch_slips(batch_size: int, devices: int) -> dict[str, float]:
    return {
        "Each device has a batch of its own: a step sees all of them.": batch_size,
        "The batch is not shared out here: each device has all of batch_size.": batch_size // devices,
    }


def _step_slips(images: int, batch_size: int, devices: int) -> dict[str, float]:
    together = batch_size * devices
    return {
        "Fewer images than a step takes make no step: 0.": max(1, images // together) if images < together else -1,
        "All devices take a step together, so there are fewer steps.": images // batch_size,
        "What does not fill a batch on each device makes no step: round down.": -(-images // together),
        "You multiply the steps by the devices. They share the images out.": images // batch_size * devices,
    }


def _rate_slips(lr: float, devices: int) -> dict[str, float]:
    return {
        "You leave the rate as it was. The linear rule lets it grow with the batch.": lr,
        "The rate should grow with the batch, and yours shrinks.": lr / devices,
        "You take the root. There is such a rule, too, but the linear one is asked for.": lr * devices**0.5,
    }


EXERCISES = [
    Exercise("median_time", median_time, _judge_clock, "Whatever you time with it, you time all of it."),
    Exercise("intensity", intensity, _judge_intensity, "FLOP a byte tell which of two ceilings a layer will meet."),
    Exercise("newton_schulz", newton_schulz, _judge_newton_schulz, "An SVD's work, done by products of matrices."),
    Exercise("on_devices", on_devices, _judge_devices, "More devices are a larger batch, and everything it brings."),
]

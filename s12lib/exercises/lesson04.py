"""The exercises of lesson 04: confusion matrix, the n most likely classes, calibration error, temperature."""

import functools
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional as F

from s12lib.exercises.expect import Mistake, call, close, number, present, recognise, tensor
from s12lib.exercises.judging import Exercise


def confusion_matrix(labels: torch.Tensor, preds: torch.Tensor, num_classes: int) -> torch.Tensor:
    """How often each true class (row) was given each predicted class (column): ``(N,), (N,)`` → ``(c, c)`` int64."""
    return torch.bincount(labels * num_classes + preds, minlength=num_classes**2).reshape(num_classes, num_classes)


def _judge_confusion(answer: Any) -> None:
    generator = torch.Generator().manual_seed(8)
    for num_classes in (10, 7):  # class 3 and the last are in neither: they must get a row and a column all the same
        occurring = torch.tensor([k for k in range(num_classes - 1) if k != 3])
        labels, preds = occurring[torch.randint(0, len(occurring), (2, 300), generator=generator)]
        preds = torch.where(torch.rand(300, generator=generator) < 0.5, labels, preds)
        preds[preds == 1] = 4  # and nobody says class 1
        _compare_confusion(answer, labels, preds, num_classes)
    for edge, labels, preds, num_classes in (
        ("With more than 255 images of a pair", [1] * 300 + [0] * 3, [0] * 300 + [0] * 3, 2),
        ("With more than 2,048 images of a pair", [1] * 2_101, [2] * 2_101, 3),
        ("With a hundred classes", [99, 13, 40, 99, 98], [98, 7, 40, 99, 98], 100),
        ("With a single image", [2], [1], 4),
        ("With a single class", [0, 0], [0, 0], 1),
        ("With no images at all", [], [], 3),
    ):
        inputs = torch.tensor(labels, dtype=torch.int64), torch.tensor(preds, dtype=torch.int64)
        try:
            _compare_confusion(answer, *inputs, num_classes)
        except Mistake as mistake:
            more = (
                "Small integers end at 127 or 255, and float16 no longer counts from 2,048 on."
                if "than" in edge
                else ""
            )
            raise Mistake(f"{edge}: {mistake.hint}", more or mistake.more) from mistake


def _compare_confusion(answer: Any, labels: torch.Tensor, preds: torch.Tensor, num_classes: int) -> None:
    right = confusion_matrix(labels, preds, num_classes)
    given = call(answer, labels, preds, num_classes)
    if isinstance(given, torch.Tensor) and given.ndim == 2 and len(given) < num_classes:
        raise Mistake(
            "Rows or columns are missing: a class that never occurs keeps its own, which are empty.",
            "Class k has row k and column k. unique() only knows the classes that occur.",
        )
    result = tensor(given, (num_classes, num_classes), "the matrix")
    _diagnose_confusion(result, right)
    if result.dtype != torch.int64:
        raise Mistake(
            f"The numbers are right, but their type should be int64; yours is {result.dtype}.",
            "dtype=torch.int64. A float is no count, and small integers overflow: uint8 ends at 255.",
        )


def _diagnose_confusion(result: torch.Tensor, right: torch.Tensor) -> None:
    if close(result, right):
        return
    if close(result, right.T):
        raise Mistake(
            "Rows and columns have changed places: a row is a true class, a column is a predicted one.",
            "counts[label, pred]: the first index picks the row.",
        )
    shares = [right / right.sum(axis, keepdim=True) for axis in (0, 1)] + [right / right.sum()]
    if any(close(result.nan_to_num(), share.nan_to_num()) for share in shares):
        raise Mistake("Yours are shares. Count the images, and divide later if you need to.", "counts[...] += 1")
    if close(result, (right > 0).to(right.dtype)):
        raise Mistake(
            "You have nothing but zeros and ones: each pair was counted once, however often it occurs.",
            "counts[labels, preds] += 1 with whole tensors writes a pair's place once. Go through them with zip.",
        )
    if close(result, right * (1 - torch.eye(len(right), dtype=right.dtype))):
        raise Mistake("The diagonal is empty. Images that were got right are counted, too.", "Count every image.")
    if close(_without_gaps(result), _without_gaps(right)):
        raise Mistake(
            "Rows or columns have moved. A class that never occurs keeps its row and its column, which are empty.",
            "Class k has row k and column k. unique() only knows the classes that occur.",
        )
    if result.sum() != right.sum():
        raise Mistake(
            f"There were {right.sum()} images, but your counts add up to {result.sum():g}.",
            "Each image adds 1 at one place.",
        )
    raise Mistake("The counts are not where they should be.", "Image by image: counts[label, pred] += 1")


def _without_gaps(counts: torch.Tensor) -> torch.Tensor:
    """The rows and columns in which something was counted."""
    return counts[counts.any(1)][:, counts.any(0)]


def top_classes(probabilities: torch.Tensor, classes: Sequence[str], n: int) -> list[tuple[str, float]]:
    """The ``n`` most likely classes of one image, ``(c,)``, as ``(name, probability)``, the most likely first."""
    values, places = probabilities.topk(n)
    return [(classes[k], value) for k, value in zip(places.tolist(), values.tolist(), strict=True)]


def _judge_top(answer: Any) -> None:
    classes = ["oak", "elm", "fir", "Yew tree", "ash", "box", "bay", "fig"]
    generator = torch.Generator().manual_seed(9)
    for n in (3, 1, 5, 8):
        probabilities = torch.randn(8, generator=generator).softmax(0)
        _compare_top(answer, probabilities, classes if n == 5 else tuple(classes), n)
    names, _ = _pairs(call(answer, torch.tensor([0.0, 0.25, 0.1, 0.0, 0.25, 0.2, 0.0, 0.2]), classes, 4), 4)
    if sorted(names) != ["ash", "box", "elm", "fig"]:
        raise Mistake(
            "When two classes are equally likely, yours does not name each of them once.",
            "Do not look a name up by its probability. Sorting gives each class a place of its own.",
        )
    sure = torch.tensor([0.0, 0.0, 1e-6, 0.0, 1 - 1.5e-6, 0.0, 5e-7, 0.0])  # a class may well have 0
    _pairs(call(answer, sure, classes, 5), 5)
    _compare_top(answer, sure, classes, 3)
    _compare_top(answer, torch.ones(1), ("oak",), 1)
    _pairs(call(answer, sure, classes, 0), 0)


def _compare_top(answer: Any, probabilities: torch.Tensor, classes: Sequence[str], n: int) -> None:
    names, values = _pairs(call(answer, probabilities, classes, n), n)
    _diagnose_names(names, classes, probabilities, n)
    wanted = probabilities.sort(descending=True).values[:n]
    if close(values, 100 * wanted):
        raise Mistake("Your probabilities are percentages; leave them between 0 and 1.", "Do not multiply by 100.")
    if not close(values, wanted, 1e-7) and close(values, wanted, 6e-3):
        raise Mistake("Your probabilities are rounded. Return all digits; who prints them may round.", "no round()")
    if not close(values, wanted, 1e-7):
        raise Mistake("The names are right, but the probabilities are not theirs.", "values and places of topk")


def _pairs(result: Any, n: int) -> tuple[list[str], torch.Tensor]:
    """The names and the probabilities of a list of pairs. Raises Mistake when it is none, or not of length n."""
    pairs = present(result, "the list")
    if not isinstance(pairs, list | tuple) or not all(isinstance(p, list | tuple) and len(p) == 2 for p in pairs):
        raise Mistake("Return a list of pairs, each a name and its probability.", '[("cat", 0.7), ("dog", 0.2)]')
    if len(pairs) != n:
        raise Mistake(f"Asked for n = {n}, you return {len(pairs)}.", "probabilities.topk(n)")
    if not all(isinstance(name, str) for name, _ in pairs):
        raise Mistake("The first of each pair should be the class's name, not its number.", "classes[k]")
    if any(value is None for _, value in pairs):
        raise Mistake("The second of each pair should be the class's probability; yours is None.", "values[k]")
    return [name for name, _ in pairs], torch.tensor([number(value, "each probability") for _, value in pairs])


def _diagnose_names(names: list[str], classes: Sequence[str], probabilities: torch.Tensor, n: int) -> None:
    order = [classes[k] for k in probabilities.argsort(descending=True).tolist()]
    if names == order[:n]:
        return
    if names == list(classes[:n]):
        raise Mistake(
            f"These are the first {n} names of the list, whatever the image shows.",
            "Sorting gives values and places. The places say which names to take.",
        )
    if names == order[::-1][:n]:
        raise Mistake("These are the least likely classes, or the order is reversed.", "descending=True, or topk")
    if sorted(names) == sorted(order[:n]):
        raise Mistake("These are the right classes, but the most likely one should come first.", "topk sorts.")
    raise Mistake(f"These are not the {n} most likely classes.", "values, places = probabilities.topk(n)")


def calibration_error(confidence: torch.Tensor, right: torch.Tensor, bins: int = 10) -> float:
    """Expected calibration error: the gap between confidence and accuracy, averaged over the images, bin by bin.

    ``confidence (N,)`` float in (0, 1], ``right (N,)`` bool → a share of 1. Source: Guo et al., 2017.
    """
    place = (confidence * bins).ceil().long().clamp(1, bins) - 1  # of the bins (0, 1/bins], (1/bins, 2/bins], …
    gaps = torch.zeros(bins).index_add(0, place, right.float() - confidence)
    return gaps.abs().sum().item() / len(confidence)


def _judge_calibration(answer: Any) -> None:
    generator = torch.Generator().manual_seed(10)
    results, slips, wrong = [], [], ""
    for bins in (10, 4, 7, 1):
        confidence = (
            torch.rand(500, generator=generator) if bins != 10 else 1 - 0.8 * torch.rand(500, generator=generator) ** 2
        )
        from_edge = torch.stack([((confidence * b + 0.5) % 1 - 0.5).abs() for b in (4, 7, 9, 10, 11)])
        inner = confidence[(from_edge > 0.02).all(0)]  # to which bin an edge belongs is left to the answer,
        confidence = torch.cat([inner, torch.ones(40)])  # but for 1, which belongs to the last bin
        place = (confidence * bins).long()  # the ones are too sure, the rest of their bin not sure enough, and so on
        sign = 1 - 2 * ((bins - place + 1) % 2)
        if bins == 1:
            sign = 1 - 2 * (confidence > 0.5).long()  # in one bin the two halves make up for each other
        right = torch.rand(len(confidence), generator=generator) < confidence + 0.3 * sign
        result = _error(answer, confidence, right, bins)
        wanted = calibration_error(confidence, right, bins)
        results.append(result)
        slips.append(_wrong_calibration(confidence, right, bins))
        if abs(result - wanted) > 1e-4 and not wrong:
            wrong = f"With {bins} bins it should be {wanted:.4f}, but yours is {result:.4f}."
    if wrong:
        recognise([(torch.tensor(each), known) for each, known in zip(results, slips, strict=True)], BY_BIN)
        raise Mistake(wrong, BY_BIN)
    for edge, confidence, right in (
        ("one image", torch.tensor([0.83]), torch.tensor([False])),
        ("one image in each of three bins", torch.tensor([0.15, 0.52, 0.97]), torch.tensor([True, False, True])),
        ("three images, all right and all sure", torch.ones(3), torch.ones(3, dtype=torch.bool)),
    ):
        result, wanted = _error(answer, confidence, right, 10), calibration_error(confidence, right, 10)
        if abs(result - wanted) > 1e-5:
            close_to = any(abs(result - round(wanted, digits)) < 1e-9 for digits in (1, 2, 3, 4))
            if close_to and result != 0:
                raise Mistake("Yours is rounded. Return all digits; who prints it may round.", "no round()")
            raise Mistake(f"For {edge} it should be {wanted:.4f}, but yours is {result:.4f}.", BY_BIN)


BY_BIN = "In each bin: |share right − mean confidence| × the bin's share of all images. Add these up."


def _error(answer: Any, confidence: torch.Tensor, right: torch.Tensor, bins: int) -> float:
    inputs = (confidence, right) if bins == 10 else (confidence, right, bins)
    result = number(call(answer, *inputs), "the error")
    if not math.isfinite(result):
        raise Mistake(
            f"Yours is {result}. Something was divided by 0.", "Some bins are empty: pass over them with inside.any()."
        )
    return result


def _wrong_calibration(confidence: torch.Tensor, right: torch.Tensor, bins: int) -> dict[str, torch.Tensor]:
    """What well-known mistakes make of the error, by the hint for each."""

    def error(confidence: torch.Tensor, right: torch.Tensor, power: int = 1) -> tuple[float, ...]:
        place = (confidence * bins).long().clamp(max=bins - 1)
        inside = [place == b for b in range(bins)]
        gaps = torch.stack([right[i].float().mean() - confidence[i].mean() for i in inside if i.any()])
        shares = torch.stack([i.float().mean() for i in inside if i.any()])
        values = (gaps.abs() * shares).sum(), gaps.abs().mean(), (gaps * shares).sum(), gaps.abs().max()
        return *(value.item() for value in values), (gaps**2 * shares).sum().item(), gaps.abs().sum().item()

    wanted, unweighted, signed, largest, squared, added = error(confidence, right)
    below = confidence < 1
    lost = error(confidence[below], right[below])[0] * below.float().mean().item()
    apart = lost + (~right & ~below).float().mean().item()
    hints = {
        "You have left the sign on: bins that are too sure make up for bins that are not sure enough.": signed,
        "Your sign or your absolute value is taken at the end, over all images; each bin needs its own.": abs(signed),
        "Each bin counts the same in yours. A bin should count as much as it has images.": unweighted,
        "You add the bins' gaps up; each should count by the share of the images that are in it.": added,
        "Yours is the largest gap. That is the maximum calibration error, another measure.": largest,
        "You square the gaps. Take their absolute values.": squared,
        "Images with a confidence of exactly 1 are lost: they fall into no bin.": lost,
        "Images with a confidence of exactly 1 have a bin to themselves. They belong to the last one.": apart,
        "Yours is in percent; leave it a share of 1.": 100 * wanted,
    }
    return {hint: torch.tensor(value) for hint, value in hints.items()}


def fit_temperature(logits: torch.Tensor, labels: torch.Tensor) -> float:
    """The temperature that makes the labels most probable: ``(N, c), (N,)`` → T > 0, to be divided by.

    Minimises the cross-entropy of ``logits / T``. Source: Guo et al., 2017.
    """
    tries = torch.logspace(-1.5, 1.5, 601)
    losses = torch.stack([F.cross_entropy(logits / t, labels) for t in tries])
    return tries[losses.argmin()].item()


@functools.cache
def _temperature_cases() -> list[tuple[torch.Tensor, torch.Tensor, float]]:
    """Logits, labels, and the temperature: two near 1, and two near the ends of the range that the text names."""
    generator, cases = torch.Generator().manual_seed(11), []
    for scale, classes in ((1.6, 10), (0.9, 3), (0.2, 10), (5.0, 10)):
        clean = 2 * torch.randn(150, classes, generator=generator)
        labels = torch.multinomial(clean.softmax(1), 1, generator=generator)[:, 0]
        labels[:15] = torch.randint(0, classes, (15,), generator=generator)  # else other losses have the same minimum
        logits = scale * clean  # so that the temperature is somewhat above the scale
        cases.append((logits, labels, fit_temperature(logits, labels)))
    return cases


def _judge_temperature(answer: Any) -> None:
    given, wanted = [], []
    for logits, labels, right in _temperature_cases():
        result = call(answer, logits, labels)
        if isinstance(result, torch.Tensor) and result.shape == logits.shape:
            raise Mistake("You return the scaled logits. Return the temperature itself, one number.")
        given.append(number(result, "the temperature"))
        wanted.append(right)
    good = [abs(each - right) < 0.03 * right for each, right in zip(given, wanted, strict=True)]
    if not all(good):
        _diagnose_temperature(given, wanted, good)


def _diagnose_temperature(given: list[float], wanted: list[float], good: list[bool]) -> None:
    def near(values: list[float]) -> bool:
        return all(abs(each - value) < 0.03 * abs(value) + 1e-3 for each, value in zip(given, values, strict=True))

    result, right = given[good.index(False)], wanted[good.index(False)]
    told = f"Here it should be {right:.3g}, and yours is {result:.3g}."
    if not math.isfinite(result):
        raise Mistake(f"Yours is {result}, which is no temperature.", "Print the losses, and the T of the smallest.")
    if near([1 / value for value in wanted]):
        raise Mistake(f"Yours is 1/T. The logits are divided by the temperature. {told}", "logits / t")
    if near([math.log(value) for value in wanted]):
        raise Mistake(f"Yours is the logarithm of the temperature. {told}", "Take exp of it.")
    if near([1.0] * len(wanted)):
        raise Mistake(f"You return 1, which changes nothing. {told}", "Try many, and keep the one with the least loss.")
    if all(each == round(each) for each in given):
        raise Mistake(f"Yours is rounded to a whole number. {told}", "no round()")
    if min(given) <= 0:
        raise Mistake(f"A temperature is above 0; at or below it the order of the classes is lost. {told}")
    if (good[0] and good[1]) or result < right / 2 or result > 2 * right:
        raise Mistake(
            f"{told} Do you search far enough, from 0.1 to 10, and for the smallest loss?",
            "torch.logspace(-1, 1, 401) goes from 0.1 to 10.",
        )
    raise Mistake(
        f"{told} That is near, but not the one with the smallest cross-entropy.",
        "Compare F.cross_entropy(logits / t, labels) for many t that lie closely together.",
    )


EXERCISES = [
    Exercise("confusion_matrix", confusion_matrix, _judge_confusion, "Rows are true, columns are predicted."),
    Exercise("top_classes", top_classes, _judge_top, "The names belong to the numbers now."),
    Exercise("calibration_error", calibration_error, _judge_calibration, "Each bin counts as much as it has images."),
    Exercise("fit_temperature", fit_temperature, _judge_temperature, "One number, and no prediction changes."),
]

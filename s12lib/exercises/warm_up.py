"""Two exercises on lists, for the page where they are solved in the browser; no lesson has them."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from s12lib.exercises.expect import Mistake, call, is_rounded, number, pair, recognise
from s12lib.exercises.judging import Exercise


def majority_accuracy(train_labels: Sequence[int], test_labels: Sequence[int]) -> float:
    """How often it is right on the test set to say always what is most frequent in the training set, in [0, 1]."""
    ((most_frequent, _),) = Counter(train_labels).most_common(1)
    return sum(label == most_frequent for label in test_labels) / len(test_labels)


def _judge_majority(answer: Any) -> None:
    cases, wrong = [], ""
    for train, test in (
        ([3, 1, 3, 0, 3, 1, 7, 3], [1, 3, 1, 1, 0]),
        ([0, 5, 5], [5, 5, 2, 5]),
        ([9, 9, 4, 9, 2, 4, 9, 4, 1], [4, 4, 9, 4, 9, 4, 4, 4]),
        ([6, 2, 6, 2, 6], [2, 2, 2]),
        ([0, 4, 0], [0, 1, 0, 4, 0, 2, 3]),
        ([12, 3, 12, 40], [12, 5, 12]),
    ):
        result, right = number(call(answer, train, test), "the accuracy"), majority_accuracy(train, test)
        cases.append((result, _majority_slips(train, test)))
        if abs(result - right) > 1e-6 and not wrong:
            if is_rounded(result, right):
                raise Mistake("Yours is rounded. Return all digits; who prints it may round.", "no round()")
            wrong = f"Trained on {train} and asked on {test}, it should be {right:.3f}, but yours is {result:.3f}."
    if wrong:
        recognise(cases, "Counter(train_labels).most_common(1) has the class and its count.")
        raise Mistake(wrong, "Find the most frequent training label, and count it in the test labels.")


def _majority_slips(train: list[int], test: list[int]) -> dict[str, float]:
    """What known slips make of the two lists, by the hint for each."""
    (most_frequent, count), *_, (rarest, _) = Counter(train).most_common()
    right = majority_accuracy(train, test)
    return {
        "You look for the most frequent class in the test set. That is peeking: choose it on the training set.": (
            majority_accuracy(test, test)
        ),
        "This is how often it is right on the training set. The test set is asked at the end.": count / len(train),
        "Yours is a number of images. Divide it by how many there are.": right * len(test),
        "You divide by the size of the training set, but count in the test set.": right * len(test) / len(train),
        "You divide by the size of the test set, but count in the training set.": count / len(test),
        "Yours is in per cent; leave it a share of 1.": right * 100,
        "This is the most frequent class itself. How often is it right?": most_frequent,
        "You always say the rarest class.": test.count(rarest) / len(test),
        "You always say the largest label. Count the labels, rather than compare them.": (
            test.count(max(train)) / len(test)
        ),
        "This is how often it is wrong.": 1 - right,
    }


def precision_and_recall(labels: Sequence[int], predictions: Sequence[int], cat: int) -> tuple[float, float]:
    """Of what is called a cat, the share that is one; of the cats, the share that is found; 0 where there is none."""
    hits = sum(label == cat and said == cat for label, said in zip(labels, predictions, strict=True))
    called, cats = list(predictions).count(cat), list(labels).count(cat)
    return hits / called if called else 0.0, hits / cats if cats else 0.0


def _judge_precision(answer: Any) -> None:
    cases, wrong = [], ""
    for labels, predictions, cat in (
        ([3, 3, 3, 5, 5, 1, 3], [3, 5, 5, 3, 5, 1, 5], 3),
        ([5, 3, 5, 5, 0, 5, 2, 5, 3], [5, 5, 5, 3, 5, 0, 5, 5, 5], 5),
        ([1, 2, 3, 4, 2], [1, 2, 4, 3, 1], 2),
        ([1, 2, 4, 2, 6], [4, 2, 1, 2, 2], 2),
        ([0, 3, 0, 5, 3, 3], [0, 0, 1, 0, 3, 5], 0),
    ):
        result = pair(call(answer, labels, predictions, cat), "two numbers", "precision, and recall")
        given = number(result[0], "the precision"), number(result[1], "the recall")
        right = precision_and_recall(labels, predictions, cat)
        cases.append((given, _precision_slips(labels, predictions, cat)))
        if max(abs(a - b) for a, b in zip(given, right, strict=True)) > 1e-6 and not wrong:
            wrong = (
                f"For the labels {labels}, the predictions {predictions} and cat = {cat} it should be {right[0]:.3f} "
                f"and {right[1]:.3f}, but yours is {given[0]:.3f} and {given[1]:.3f}."
            )
    if wrong:
        advice = "Count three things: cats called cats, all that is called cat, and all cats."
        for which in (0, 1):
            recognise([(given[which], {h: v[which] for h, v in slips.items()}) for given, slips in cases], advice)
        raise Mistake(wrong, advice)
    for labels, predictions in (([1, 3], [1, 1]), ([1, 1], [3, 1]), ([1], [1])):
        if tuple(call(answer, labels, predictions, 3)) != (0, 0):
            raise Mistake(
                f"With the labels {labels} and the predictions {predictions}, both should be 0 for cat = 3.",
                "Where nothing is called a cat, or there is none, the share of it is 0 here.",
            )


def _precision_slips(labels: list[int], predictions: list[int], cat: int) -> dict[str, tuple[float, float]]:
    """What known slips make of the precision and of the recall, by the hint for each; nan where it is no slip."""
    precision, recall = precision_and_recall(labels, predictions, cat)
    hits, agreeing = recall * labels.count(cat), sum(a == b for a, b in zip(labels, predictions, strict=True))
    called, cats, everything = predictions.count(cat), labels.count(cat), len(labels)
    return {
        "The two have changed places. Precision is about what was called a cat, recall about what is one.": (
            recall, math.nan,
        ),
        "You count every right answer as a hit. A hit is a cat that is called a cat.": (
            agreeing / called, agreeing / cats,
        ),
        "You divide by the number of all images. Precision asks only about those that are called cats.": (
            hits / everything, math.nan,
        ),
        "You divide by the number of all images. Recall asks only about the cats.": (math.nan, hits / everything),
        "Recall is a share of the cats, found or missed: divide by how many labels are cat.": (math.nan, precision),
        "Yours are in per cent; leave them shares of 1.": (100 * precision, 100 * recall),
        "This is the number of hits. Divide it by how many there might have been.": (hits, hits),
    }  # fmt: skip


EXERCISES = [
    Exercise(
        "majority_accuracy", majority_accuracy, _judge_majority, "Whoever reports an accuracy must beat this one."
    ),
    Exercise(
        "precision_and_recall", precision_and_recall, _judge_precision, "Two questions, and two numbers to answer them."
    ),
]

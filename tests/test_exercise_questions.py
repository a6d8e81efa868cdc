"""The questions that the checks ask: as varied as they must be, and fair to every way of writing a right answer."""

import copy

import exercise_cases
import pytest
import test_exercises
import torch

from s12lib.exercises import judging, lesson02


@pytest.mark.parametrize(
    ("name", "text"), [(name, text) for name, texts in exercise_cases.ALSO_RIGHT.items() for text in texts]
)
def test_right_answer_passes_however_it_is_written(name, text):
    assert test_exercises.verdict(name, text) == judging.Verdict("PASS")


def test_pictures_for_predict_classes_are_of_several_classes_and_training_mode_shows():
    network, images = lesson02.network_and_pictures()
    with torch.no_grad():
        evaluated = copy.deepcopy(network).eval()(images)
        trained = copy.deepcopy(network).train()(images)
    classes, gap = evaluated.argmax(dim=1), evaluated.topk(2).values.diff().abs()
    assert len(classes.unique()) >= 3
    assert (trained.argmax(dim=1) != classes).sum() >= 10
    assert gap.min() > 0.01, "rounding must not decide a picture's class"

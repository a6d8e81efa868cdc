"""Exercises of one's own: the one that the page "Write an exercise" walks through, found, judged and tried."""

import re
from pathlib import Path

import pytest

from s12lib import check, exercises, use
from s12lib.cli import main
from s12lib.exercises import finding
from s12lib.exercises.finding import load
from s12lib.exercises.trying import faults, trials

PAGE = (Path(__file__).parent.parent / "book/write_an_exercise.md").read_text("utf-8")
CODE, STUB = re.findall(r"```python\n(.*?)```", PAGE, re.S)[:2]
REFERENCE = "    moving_average,\n    judge"
ANSWERS = """
def early(values, window):
    return [sum(values[k : k + window]) / window for k in range(len(values) - window + 1)]


def divided(values, window):
    return [sum(values[max(0, k + 1 - window) : k + 1]) / window for k in range(len(values))]


def ahead(values, window):
    return [sum(values[k : k + window]) / len(values[k : k + window]) for k in range(len(values))]


def right(values, window):
    import numpy as np

    return tuple(np.mean(values[max(0, k + 1 - window) : k + 1]) for k in range(len(values)))
"""


@pytest.fixture
def path(tmp_path, monkeypatch):
    """The page's exercise, in a folder where it is found by name."""
    monkeypatch.setenv("S12_EXERCISES", str(tmp_path / "exercises"))
    (tmp_path / "exercises").mkdir()
    file = tmp_path / "exercises/moving_average.py"
    file.write_text(CODE)
    (tmp_path / "mine.py").write_text(ANSWERS)
    return file


def test_exercise_of_the_page_judges_its_reference_its_mutations_and_answers_as_it_should(path):
    tried = list(trials(path, [path.parent.parent / "mine.py"]))
    assert faults(tried) == []
    mutations = {trial.what: trial.verdict.status for trial in tried if trial.kind == "mutation"}
    passed = [what for what, status in mutations.items() if status == "PASS"]
    assert len(mutations) > 12
    assert passed == re.findall(r"^PASS +mutation: (.*)$", PAGE, re.M)
    hints = {trial.what: trial.verdict.hint for trial in tried if trial.kind == "answer"}
    assert "The first values" in hints["mine.py: early"]
    assert "Divide by how many" in hints["mine.py: divided"]
    assert "come later" in hints["mine.py: ahead"]
    assert hints["mine.py: right"] == ""


COUNTER = """
from s12lib.exercises.expect import Mistake
from s12lib.exercises.judging import Exercise


class Counter:
    def __init__(self, start):
        self.count = start

    def up(self, by=1):
        self.count += by
        return self.count


def judge(answer):
    counter = answer(5)
    if (counter.up(), counter.up(3), answer(0).up(0)) != (6, 9, 0):
        raise Mistake("It should count.")


EXERCISE = Exercise("counter", Counter, judge, "It counts.")
"""


def test_a_class_as_reference_is_tried_too(path):
    file = path.with_name("counter.py")
    file.write_text(COUNTER)
    tried = list(trials(file, []))
    assert faults(tried) == []
    statuses = [trial.verdict.status for trial in tried if trial.kind == "mutation"]
    assert len(statuses) > 3
    assert set(statuses) == {"TRY AGAIN"}


def test_check_and_use_find_it_by_name(path, capsys):
    exec(STUB, {})
    assert capsys.readouterr().out.startswith("TO DO: moving_average.")
    reference = load(path)[0].reference
    check("moving_average", reference)
    assert capsys.readouterr().out.startswith("PASS: moving_average. Now the trend shows")
    assert use("moving_average", reference) is reference


def test_check_finds_it_among_the_entry_points_of_an_installed_package(tmp_path, path, monkeypatch, capsys):
    monkeypatch.setenv("S12_EXERCISES", str(tmp_path))
    package = tmp_path / "site/averages-1.0.dist-info"
    package.mkdir(parents=True)
    (tmp_path / "site/averages.py").write_text(CODE)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: averages\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text(f"[{finding.GROUP}]\nmoving_average = averages:EXERCISE\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    check("moving_average", lambda values, window: values)
    assert capsys.readouterr().out.startswith("TRY AGAIN: moving_average.")


@pytest.mark.parametrize(("code", "words"), [
    ("x = 1", "holds no exercises"),
    (CODE + "\nOTHER = Exercise('other', judge, judge, '')", "holds 2 exercises"),
    (CODE.replace('"moving_average",', '"average",'), "call the file average.py"),
    ("1 / 0", "raised ZeroDivisionError when it was read"),
    (CODE.replace(REFERENCE, "    max,\n    judge"), "define it there"),
    (CODE.replace(REFERENCE, "    lambda *x: moving_average(*x),\n    judge"), "file itself defines"),
])  # fmt: skip
def test_file_that_is_no_exercise_is_refused_in_a_sentence(path, code, words, capsys):
    path.write_text(code)
    with pytest.raises(SystemExit) as stopped:
        main(["try-exercise", str(path)])
    assert stopped.value.code == 2
    assert words in capsys.readouterr().err
    if "define" not in words:
        check("moving_average", print)  # which never raises
        assert words in " ".join(capsys.readouterr().out.split())


def test_command_ends_with_1_when_the_judge_accepts_nothing_or_rejects_the_reference(path, capsys):
    path.write_text(CODE.replace("    if all(map(same, results, right)):\n        return\n", ""))
    with pytest.raises(SystemExit) as stopped:
        main(["try-exercise", str(path)])
    assert stopped.value.code == 1
    assert "The reference (moving_average) gets TRY AGAIN; it should get PASS." in capsys.readouterr().out


def test_the_packages_exercises_come_first(path):
    path.with_name("residual.py").write_text("raise SystemExit")
    assert exercises.exercise_of("residual") is exercises.exercises()["residual"]
    assert exercises.exercise_of("../residual") is None

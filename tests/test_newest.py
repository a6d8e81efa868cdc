"""``make newest`` says which versions are others than the lock's, and of a lesson that fails where and why."""

import importlib.util
import json
from pathlib import Path

import nbformat
import pytest
import yaml
from nbformat import v4

ROOT = Path(__file__).resolve().parent.parent
SPEC = importlib.util.spec_from_file_location("newest", ROOT / "lessons" / "newest.py")
newest = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(newest)

LOCK = """\
numpy==2.4.6 ; python_full_version < '3.12' \\
    --hash=sha256:0
numpy==2.5.5 ; python_full_version >= '3.12' \\
torch==2.15.0 \\
"""


def test_a_version_counts_as_another_when_the_lock_has_it_for_no_python():
    here = {"numpy": "2.4.6", "torch": "2.16.0", "pandas": "3.0"}
    assert newest.others_than_locked(LOCK, here) == ["torch 2.15.0 → 2.16.0"]
    assert newest.others_than_locked(LOCK, {"numpy": "2.6.0"}) == ["numpy 2.5.5 → 2.6.0"]


def test_the_real_lock_is_read():
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    assert len(newest.others_than_locked(lock, {"torch": "0", "numpy": "0", "jupyter-book": "0"})) == 3


def test_a_kernel_that_dies_between_two_cells_is_told_too(tmp_path, monkeypatch):
    lesson = tmp_path / "01_some.ipynb"
    nbformat.write(v4.new_notebook(cells=[v4.new_code_cell("1")]), lesson)

    def dies(client):
        raise AssertionError

    monkeypatch.setattr(newest.NotebookClient, "execute", dies)
    assert newest.failure_of(lesson) == "code cell 0: the kernel died"


@pytest.mark.parametrize(
    ("cells", "expected"),
    [(["1 + 1", "2"], ""), (["x = 1", "import no_such_library", "3"], "code cell 2: ModuleNotFoundError: No module")],
)
def test_a_lesson_that_fails_is_told_with_its_cell_and_the_errors_last_line(cells, expected, tmp_path):
    lesson = tmp_path / "01_some.ipynb"
    nbformat.write(v4.new_notebook(cells=[v4.new_code_cell(source) for source in cells]), lesson)
    before = lesson.read_bytes()
    told = newest.failure_of(lesson)
    assert told.startswith(expected)
    assert bool(told) == bool(expected)
    assert lesson.read_bytes() == before


def test_lessons_are_timed_once_and_one_that_fails_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(ROOT / "lessons")
    minutes = importlib.import_module("minutes")
    lessons = [tmp_path / f"0{k}_some.ipynb" for k in range(3)]
    record = tmp_path / "minutes.json"
    faults = {"00_some": "", "01_some": "code cell 1: ValueError", "02_some": ""}
    monkeypatch.setattr(minutes, "failure_of", lambda lesson: faults[lesson.stem])
    assert minutes.measure(lessons[:2], minutes=1, record=record) == 1
    assert "01_some: code cell 1: ValueError" in capsys.readouterr().out
    assert minutes.measure(lessons, minutes=-1, record=record) == 0
    assert "01_some and what follows: the time is up" in capsys.readouterr().out
    (here,) = json.loads(record.read_text("utf-8")).values()
    assert list(here["seconds"]) == ["00_some"]
    faults["01_some"] = ""
    minutes.measure(lessons, minutes=1, record=record)
    assert "00_some" not in capsys.readouterr().out, "what was timed is not run again"
    (here,) = json.loads(record.read_text("utf-8")).values()
    assert list(here["seconds"]) == ["00_some", "01_some", "02_some"]


def test_all_lessons_of_the_book_are_tried_or_those_that_are_named(tmp_path, capsys, monkeypatch):
    for name in ("S12_PROFILE", "S12_DATA_DIR"):  # which main() sets for the lessons' kernels
        monkeypatch.setenv(name, "as it was")
    chapters = [chapter["file"] for part in yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))["parts"]
                for chapter in part["chapters"]]  # fmt: skip
    lessons = [ROOT / f"{file}.ipynb" for file in chapters if file.startswith("lessons/")]
    assert lessons == newest.LESSONS
    assert newest.main([]) == 0
    assert "0 of 0 lessons run." in capsys.readouterr().out

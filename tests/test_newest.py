"""``make newest`` says which versions are others than the lock's, and of a lesson that fails where and why."""

import importlib.util
from pathlib import Path

import nbformat
import pytest
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

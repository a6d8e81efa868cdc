"""Verdicts as a notebook stores them, and what is solved: in the lesson, and over all of them with ``s12 progress``."""

import json
import sys
from types import SimpleNamespace

import IPython
import pytest

from s12lib import check, exercises
from s12lib.cli import main
from s12lib.exercises import progress, showing
from s12lib.exercises.showing import VERDICT, Checked, bundle_of
from s12lib.exercises.stored import NotebookError, verdicts

RIGHT, STUB = exercises.exercises()["ema_update"].reference, None


@pytest.fixture
def shown(monkeypatch):
    """What is displayed, as in a notebook."""
    bundles: list = []
    monkeypatch.setattr(showing, "_in_notebook", lambda: True)
    monkeypatch.setattr(IPython.display, "display", lambda bundle, raw: bundles.append(bundle))
    monkeypatch.setattr(exercises, "_checked", {})
    monkeypatch.setattr(exercises, "_missed", exercises.Counter())
    return bundles


def stub(*_):
    raise NotImplementedError


def test_check_in_a_notebook_stores_the_verdict_beside_the_words(shown):
    check("ema_update", RIGHT)
    (bundle,) = shown
    assert bundle["text/plain"].startswith("PASS: ema_update. A memory of")
    assert bundle[VERDICT] == {"exercise": "ema_update", "status": "PASS", "words": bundle[VERDICT]["words"]}
    assert bundle["text/html"].startswith('<div id="exercise-ema_update"')
    json.dumps(bundle)


def test_progress_counts_what_this_notebook_has_checked_and_links_to_what_is_open(shown):
    progress()
    assert shown[-1]["text/plain"] == "No exercise has been checked yet: run the cells above."
    for name, answer in (("ema_update", stub), ("one_cycle", stub), ("ema_update", RIGHT)):
        check(name, answer)
    progress()
    assert shown[-1]["text/plain"] == "1 of 2 exercises solved. Open: one_cycle."
    assert 'Open: <a href="#exercise-one_cycle">one_cycle</a>.' in shown[-1]["text/html"]
    check("one_cycle", exercises.exercises()["one_cycle"].reference)
    progress()
    assert shown[-1]["text/plain"] == "2 of 2 exercises solved. Well done."


def test_words_are_escaped_in_html():
    assert "&lt;b&gt;" in bundle_of(Checked("x", "TRY AGAIN", "Your answer raised ValueError: <b>"))["text/html"]


def test_a_terminals_ipython_is_no_notebook(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: SimpleNamespace()))
    showing.show(Checked("x", "TO DO", "Later."))
    assert capsys.readouterr().out == "TO DO: x. Later.\n"


# ---- stored notebooks ------------------------------------------------------------------------------------------------


def cell(source, *outputs):
    return {"cell_type": "code", "source": source, "outputs": list(outputs)}


def displayed(name, status, words="Words."):
    return {"output_type": "display_data", "data": bundle_of(Checked(name, status, words))}


def printed(text):
    return {"output_type": "stream", "name": "stdout", "text": text.splitlines(keepends=True)}


@pytest.fixture
def folder(tmp_path):
    """Verdicts as data and as words, of which the last counts; cells not run, broken, and with another's verdict."""
    first = [
        {"cell_type": "markdown", "source": 'check("prose", prose)'},
        cell('def a(): ...\n\ncheck("a", a)', displayed("a", "TRY AGAIN", "No."), displayed("a", "PASS")),
        cell(['check("b", b)\n', "print(1)"], printed("1\n"), printed("TRY AGAIN: b. Not so,\nbut so.\n")),
        cell('x = use("a", a)', displayed("zzz", "PASS")),
    ]
    second = [cell('check("c", c)'), cell('def d(:\n\ncheck("d", d)', {"output_type": "error", "ename": "SyntaxError"})]
    for name, cells in (("01.ipynb", first), ("02.ipynb", second), ("03.ipynb", [])):
        (tmp_path / name).write_text(json.dumps({"nbformat": 4, "cells": cells}))
    return tmp_path


def test_verdicts_are_read_from_data_and_from_words(folder):
    assert verdicts(folder / "01.ipynb") == [
        Checked("a", "PASS", "Words."),
        Checked("b", "TRY AGAIN", "Not so, but so."),
    ]
    assert [each.status for each in verdicts(folder / "02.ipynb")] == ["TO DO", "TO DO"]


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"cells": 3}', '{"cells": [3]}', "\x00", '{"cells": [{}]}'])
def test_what_is_no_notebook_is_named(tmp_path, content):
    (tmp_path / "no.ipynb").write_text(content)
    with pytest.raises(NotebookError, match=r"no\.ipynb is not a Jupyter notebook"):
        verdicts(tmp_path / "no.ipynb")


def test_command_prints_what_is_solved_and_what_is_open(folder, capsys):
    main(["progress", str(folder)])
    assert capsys.readouterr().out.replace(f"{folder}/", "").splitlines() == [
        "01.ipynb  1 of 2 solved", "  TRY AGAIN  b: Not so, but so.",
        "02.ipynb  0 of 2 solved", "  TO DO      c", "  TO DO      d",
        "03.ipynb  no exercises", "1 of 4 exercises solved.",
    ]  # fmt: skip


def test_command_refuses_a_folder_without_notebooks_and_a_file_that_is_none(tmp_path, capsys):
    for path, words in ((tmp_path, "There is no notebook (.ipynb) in"), (tmp_path / "gone.ipynb", "cannot be read")):
        with pytest.raises(SystemExit) as stopped:
            main(["progress", str(path)])
        assert stopped.value.code == 2
        assert words in capsys.readouterr().err

"""Students' notebooks become a table: what defines an answer is found, judged behind a fence, and told in a row."""

import csv
import http.server
import io
import json
import re
import threading
from pathlib import Path

import pytest
import submissions
from submissions import COUNT, EXERCISES, FIELD, RESIDUAL, SUBMISSIONS, hand_in, notebook

from s12lib.cli import main, parser_for
from s12lib.exercises import exercises
from s12lib.grading import fence, grades, judge
from s12lib.grading.answers import read_submission
from s12lib.grading.assignment import make_assignment
from s12lib.grading.fence import Stopped
from s12lib.grading.suspicion import suspicions

ROOT = Path(__file__).resolve().parent.parent
LESSONS = sorted((ROOT / "lessons").glob("[0-9]*.ipynb"))


def rows_of(table: str) -> dict[str, dict[str, str]]:
    """The table's rows by student."""
    return {row["student"]: row for row in csv.DictReader(io.StringIO(table))}


def answers_in(*cells: str, folder: Path) -> dict:
    path = folder / "some.ipynb"
    path.write_bytes(notebook(list(cells)))
    return read_submission(str(path))[0]["answers"]


# ---- what defines an answer ------------------------------------------------------------------------------------------

DEFINITIONS = {
    "imports, helpers and constants, wherever they stand": (
        ["import torch", "TWO = 2", "def f(x): return g(x)", "def g(x): return TWO * torch.relu(x)"],
        ["import torch", "TWO = 2", "def f(x):\n    return g(x)", "def g(x):\n    return TWO * torch.relu(x)"],
    ),
    "not what is only run": (
        ["print('x')", "for k in range(3): train()", "def f(x): return x"],
        ["def f(x):\n    return x"],
    ),
    "the last definition": (
        ["def f(x): return 1", "def f(x): return 2"],
        ["def f(x):\n    return 2"],
    ),
    "what changes it": (
        ["def f(x): return 1", "f.table = {}"],
        ["def f(x):\n    return 1", "f.table = {}"],
    ),
    "what wraps it": (
        ["def f(x): return 1", "f = twice(f)", "def twice(f): return f"],
        ["def f(x):\n    return 1", "f = twice(f)", "def twice(f):\n    return f"],
    ),
    "a choice": (
        ["if big:\n    def f(x): return 1", "big = True"],
        ["if big:\n\n    def f(x):\n        return 1", "big = True"],
    ),
    "not a name that is the function's own": (
        ["x = train()", "def f(x): return [y for y in x]"],
        ["def f(x):\n    return [y for y in x]"],
    ),
    "a base class": (
        ["class A: pass", "class f(A): pass"],
        ["class A:\n    pass", "class f(A):\n    pass"],
    ),
}


@pytest.mark.parametrize("case", DEFINITIONS)
def test_the_code_that_defines_an_answer_is_found_and_no_other(case, tmp_path):
    cells, expected = DEFINITIONS[case]
    found = answers_in(*cells, 'check("residual", f)', 'f = use("residual", f)', folder=tmp_path)["residual"]
    assert found["expression"] == "f"
    assert found["source"] == "\n".join(expected)


def test_a_definition_below_the_check_counts_only_when_there_is_none_above(tmp_path):
    found = answers_in('check("residual", f)', "def f(x): return h(x)", "def h(x): return 1", folder=tmp_path)
    assert "def h" in found["residual"]["source"]
    found = answers_in("def f(x): return 1", 'check("residual", f)', "def f(x): return 2", folder=tmp_path)
    assert "return 2" not in found["residual"]["source"]


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_every_exercise_of_a_lesson_is_found_in_it_and_no_solution_is_suspicious(path, tmp_path):
    cells = json.loads(path.read_text("utf-8"))["cells"]
    texts = ["".join(cell["source"]) for cell in cells]
    expected = [found[1] for text in texts if (found := submissions.CHECK.search(text))]
    (read,) = read_submission(str(path))
    assert read["problems"] == []
    assert list(read["answers"]) == expected
    solved = [found[1] for text in texts if (found := submissions.SOLUTION.search(text))]
    assert len(solved) == len(expected)
    assert [suspicions(text, "None") for text in solved] == [[]] * len(solved)


SUSPICIOUS = {
    "import os": "imports os",
    "from s12lib.exercises.lesson02 import EXERCISES": "imports s12lib.exercises",
    "import s12lib\ns12lib.exercises": "reaches for s12lib.exercises",
    "import torch\ntorch.allclose = print": "changes torch.allclose",
    "import torch\nsetattr(torch, 'equal', print)": "uses setattr",
    "eval('1')": "uses eval",
    "().__class__.__subclasses__()": "reaches for __subclasses__",
    "class T:\n    def __torch_function__(self): pass": "defines __torch_function__",
    "import torch\ntorch.os.getcwd()": "reaches for torch.os",
}


@pytest.mark.parametrize("source", SUSPICIOUS)
def test_code_that_reaches_for_the_judge_is_pointed_out(source):
    assert any(SUSPICIOUS[source] in words for words in suspicions(source, "None"))


# ---- the verdict -----------------------------------------------------------------------------------------------------


@pytest.fixture
def judged(monkeypatch):
    """Judges in this process: the answers of these tests are harmless."""
    monkeypatch.setattr("torch.set_num_threads", lambda count: None)
    monkeypatch.setattr("s12lib.exercises.time_limit.TIME_LIMIT", 20.0)
    return lambda source, name=COUNT: judge.judge_answer(name, source, "f", 20.0)


def test_an_answer_is_built_from_its_code_and_judged(judged):
    assert judged("def f(i, o, k=3): return k * k * i * o + 2 * o") == {"status": "PASS", "hint": ""}
    assert judged("def f(i, o, k=3): raise NotImplementedError")["status"] == "TO DO"
    wrong = judged("def f(i, o, k=3): return 1")
    assert wrong["status"] == "TRY AGAIN"
    assert "yours is 1" in wrong["hint"]
    assert judged("f = 1 / 0")["hint"] == "The code that defines it raised ZeroDivisionError: division by zero"


def test_the_librarys_own_answer_is_for_a_person_to_look_at(judged):
    verdict = judged("from s12lib.exercises import exercises\nf = exercises()['conv_bn_parameters'].reference")
    assert verdict["status"] == "REVIEW"


def test_an_answer_that_makes_the_check_accept_anything_is_found_out(judged, monkeypatch):
    blind = exercises()[COUNT].__class__(COUNT, print, lambda answer: None, "")
    monkeypatch.setattr(judge, "exercise_of", lambda name: blind)
    verdict = judged("def f(*inputs): return 1")
    assert verdict["status"] == "REVIEW"
    assert "returns nothing" in verdict["hint"]


@pytest.mark.parametrize("name", exercises())
def test_the_control_is_rejected_by_every_exercise(name):
    exercise = exercises()[name]
    assert judge._confirm(exercise, print).status == "PASS", "the check accepts a function that returns nothing"


# ---- who handed in what ----------------------------------------------------------------------------------------------


def names(folder: Path, *places: str) -> dict[str, list[str]]:
    students = grades.collect([folder / place for place in places] or [folder], leave_out=folder / "grades.csv")
    return {student.name: [path.name for path in student.files] for student in students}


@pytest.fixture
def handed_in(tmp_path):
    for path in (
        "alice/02_model.ipynb",
        "bob/a/02_model.ipynb",
        "bob/03_train.ipynb",
        "bob/.git/x.ipynb",
        "bob/notes.txt",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    for name in ("carol.ipynb", "dave.zip", "erin.pdf", "fay.ipynb", "fay.zip", ".DS_Store", "grades.csv"):
        (tmp_path / name).touch()
    return tmp_path


def test_each_entry_of_a_folder_is_a_student(handed_in):
    assert names(handed_in) == {
        "alice": ["02_model.ipynb"], "bob": ["03_train.ipynb", "02_model.ipynb"], "carol": ["carol.ipynb"],
        "dave": ["dave.zip"], "erin": ["erin.pdf"], "fay.ipynb": ["fay.ipynb"], "fay.zip": ["fay.zip"],
    }  # fmt: skip


def test_notebooks_named_one_by_one_are_told_apart_by_their_folders(handed_in):
    both = names(handed_in, "alice/02_model.ipynb", "bob/a/02_model.ipynb")
    assert both == {"alice": ["02_model.ipynb"], "a": ["02_model.ipynb"]}


def test_a_link_is_left_alone_and_told(handed_in):
    (handed_in / "gil.ipynb").symlink_to(handed_in / "carol.ipynb")
    student = next(each for each in grades.collect([handed_in]) if each.name == "gil")
    assert student.files == []
    assert student.problems == ["gil.ipynb is a link or no file, and was left alone"]


# ---- the table -------------------------------------------------------------------------------------------------------


@pytest.fixture
def unfenced(monkeypatch):
    """Calls what would be called behind the fence here, as the notebooks of these tests are harmless."""
    functions = {"read_submission": read_submission, "missing": list}

    def judge_answer(exercise, source, expression, seconds, own=None):
        if "while True" in source:
            raise Stopped("was stopped after 20 seconds")
        return {"status": "TO DO" if "NotImplementedError" in source else "PASS", "hint": ""}

    functions["judge_answer"] = judge_answer
    one_at_a_time = threading.Lock()  # as Python 3.11's ast.parse must not run in two threads at once

    def call(function, arguments, limits):
        with one_at_a_time:
            return json.loads(json.dumps(functions[function.partition(":")[2]](**arguments)))

    monkeypatch.setattr(fence, "call", call)


def test_each_student_gets_a_row_with_verdict_hint_and_what_could_not_be_read(unfenced, tmp_path, capsys):
    folder = tmp_path / "class"
    folder.mkdir()
    for name in ("right.ipynb", "unfinished.ipynb", "endless.ipynb", "cell-deleted.ipynb", "cheat-exit.ipynb",
                 "sign-in-page.ipynb", "syntax.ipynb", "right-folder", "right-zip.zip", "=1+1.ipynb"):  # fmt: skip
        SUBMISSIONS[name].write(folder / name)
    main(["grade", str(folder), "--out", str(folder / "grades.csv"), "--processes", "2"])
    rows = rows_of((folder / "grades.csv").read_text("utf-8-sig"))
    assert {name: (row["solved"], row["of"]) for name, row in rows.items()} == {
        "right": ("5", "5"), "unfinished": ("0", "5"), "endless": ("4", "5"), "cell-deleted": ("4", "5"),
        "cheat-exit": ("4", "5"), "sign-in-page": ("0", "5"), "syntax": ("4", "5"), "right-folder": ("5", "5"),
        "right-zip": ("5", "5"), "'=1+1": ("5", "5"),
    }  # fmt: skip
    assert rows["endless"][f"{COUNT}: hint"] == "Your answer was stopped after 20 seconds."
    assert rows["cheat-exit"][COUNT] == "REVIEW"
    assert rows["cell-deleted"][FIELD] == "MISSING"
    assert rows["unfinished"][RESIDUAL] == "TO DO"
    assert "not valid Python (line" in rows["syntax"][f"{COUNT}: hint"]
    assert rows["sign-in-page"]["could not be read"] == "sign-in-page.ipynb is not a notebook that Jupyter can open"
    assert rows["right-folder"]["files"] == "02_model.ipynb 03_rest.ipynb"
    out = capsys.readouterr().out
    assert out.startswith(
        "10 students, 44 answers: 36 pass, 1 to review. Something could not be read of 1 student: see"
    )


def test_an_exercise_of_the_teachers_own_is_graded_behind_the_fence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own = tmp_path / "own"
    own.mkdir()
    page = (ROOT / "book/write_an_exercise.md").read_text("utf-8")
    (own / "moving_average.py").write_text(re.search(r"```python\n(.*?)```", page, re.S)[1], "utf-8")
    lasts = "lasts = [values[max(0, k + 1 - window) : k + 1] for k in range(len(values))]"
    right = f"def average(values, window):\n    {lasts}\n"
    check = '\n\ncheck("moving_average", average)'
    Path("class").mkdir()
    for name, end in (("ada", "len(last)"), ("bob", "window")):
        answer = f"{right}    return [sum(last) / {end} for last in lasts]{check}"
        Path("class", f"{name}.ipynb").write_bytes(notebook([answer]))
    main(["grade", "class", "--out", "grades.csv", "--exercises", "own"])
    rows = rows_of(Path("grades.csv").read_text("utf-8-sig"))
    assert rows["ada"]["moving_average: hint"] == ""
    assert (rows["ada"]["moving_average"], rows["bob"]["moving_average"]) == ("PASS", "TRY AGAIN")
    assert rows["bob"]["moving_average: hint"] == "Divide by how many values there are, not the window."
    main(["grade", "class", "--out", "grades.csv"])
    problems = {row["could not be read"] for row in rows_of(Path("grades.csv").read_text("utf-8-sig")).values()}
    assert problems == {f"{name}.ipynb holds none of the course's exercises" for name in ("ada", "bob")}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere", "--out", "g.csv"], "nowhere is not there"),
        (["empty", "--out", "g.csv", "--exercises", "empty"], "empty"),
        (["empty", "--out", "g.csv"], "empty is empty"),
        (["empty", "--out", "g.xlsx"], "--out must end in .csv"),
        (["empty", "--out", "g.csv", "--seconds", "0"], "--seconds must be positive"),
    ],
)
def test_a_wrong_input_is_one_sentence_and_nothing_is_written(arguments, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SystemExit) as left:
        main(["grade", *arguments])
    assert left.value.code == 2
    assert words in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


# ---- thirty and more in one go ---------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_all_submissions_of_a_class_are_graded_in_one_go(tmp_path, capfd):
    assert len(SUBMISSIONS) >= 30
    folder, out = tmp_path / "class", tmp_path / "grades.csv"
    folder.mkdir()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        hand_in(folder, server.server_port)
        before = (folder / "right.ipynb").read_bytes()
        main(["grade", str(folder), "--out", str(out), "--seconds", "5"])
        server.shutdown()
    rows = rows_of(out.read_text("utf-8-sig"))
    assert len(rows) == len(SUBMISSIONS)
    for name, expected in SUBMISSIONS.items():
        row = rows["'=1+1" if name == "=1+1.ipynb" else Path(name).stem]
        assert {each: row[each] for each in EXERCISES} == dict.fromkeys(EXERCISES, "PASS") | expected.statuses, name
        assert expected.hint in " ".join(row[f"{each}: hint"] for each in EXERCISES), name
        assert expected.problem in row["could not be read"], name
        assert bool(expected.problem) == bool(row["could not be read"]), name
    assert (folder / "right.ipynb").read_bytes() == before
    assert "NOT FENCED OFF" not in capfd.readouterr().err, "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0"


# ---- an assignment ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_an_assignment_has_the_checks_and_gives_nothing_away(path, tmp_path):
    made = make_assignment(path, tmp_path / "class")
    assert made == tmp_path / "class" / path.name
    cells = json.loads(made.read_text("utf-8"))["cells"]
    text = "\n".join(cell["source"] for cell in cells)
    lesson = "\n".join("".join(cell["source"]) for cell in json.loads(path.read_text("utf-8"))["cells"])
    assert submissions.CHECK.findall(text) == submissions.CHECK.findall(lesson)
    for word in ("hint</summary>", "solution</summary>", "open in colab", "](../"):
        assert word in lesson.lower()
        assert word not in text.lower()
    for solution in submissions.SOLUTION.findall(lesson):
        assert solution not in text
    assert all(cell["source"].strip() for cell in cells)
    assert not any(cell.get("outputs") for cell in cells)
    read = read_submission(str(made))[0]
    assert read["problems"] == []
    assert list(read["answers"]) == [name for name, _ in submissions.CHECK.findall(lesson)]


def test_every_command_of_the_teachers_page_is_one_that_there_is(monkeypatch):
    page = (ROOT / "book" / "teachers.md").read_text("utf-8")
    lines = [line.split() for block in re.findall(r"```bash\n(.*?)```", page, re.S) for line in block.splitlines()]
    commands = [line[1:] for line in lines if line[0] == "s12"]
    assert {command for command, *_ in commands} == {"assignment", "grade"}
    for command, *arguments in commands:
        assert parser_for(command).parse_args(arguments)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "is not a notebook"),
        (b'{"cells": []}', "holds no exercise"),
        (None, "x.ipynb is not there: run this in the course's folder"),
    ],
)
def test_what_is_no_lesson_is_refused_in_one_sentence(content, words, tmp_path, capsys):
    lesson = tmp_path / "x.ipynb"
    if content is not None:
        lesson.write_bytes(content)
    with pytest.raises(SystemExit):
        main(["assignment", str(lesson), "--out", str(tmp_path / "out")])
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_lesson_itself_is_never_overwritten(tmp_path, capsys):
    lesson = tmp_path / "02_model.ipynb"
    lesson.write_bytes(submissions.LESSON.read_bytes())
    with pytest.raises(SystemExit):
        main(["assignment", str(lesson), "--out", str(tmp_path)])
    assert "is the lesson itself" in capsys.readouterr().err
    assert lesson.read_bytes() == submissions.LESSON.read_bytes()

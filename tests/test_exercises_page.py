"""The page "Exercises in the page" judges as a notebook does, in the browser, and ends an answer that never returns."""

import ast
import importlib
import json
import linecache
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest
from built_book import FAINT_TEXT, LAPTOP, PHONE, ROOT, TOO_WIDE, Visit

from s12lib.exercises import exercises, in_page, warm_up
from s12lib.exercises.judging import verdict_on
from s12lib.exercises.mutations import mutants

PAGE = "book/exercises.html"
FILES = "**/exercises/files.json"  # what `make site` has left
SOURCE = (ROOT / "book" / "exercises.md").read_text("utf-8")
STUBS = dict(re.findall(r'data-exercise="(\w+)">\n<textarea [^>]*>\n(.*?)</textarea>', SOURCE, re.S))
SOLUTION = re.compile(r"<summary>Solution</summary>.*?```python\n(.*?)```", re.S)
CHECK = re.compile(r'^check\("(\w+)", (\w+)\)$', re.M)


def lessons_solutions() -> dict[str, str]:
    """The lessons' own solutions, each with the imports that stand above its stub."""
    found, stub = {}, ""
    for path in sorted((ROOT / "lessons").glob("[0-9]*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "code" and CHECK.search(cell.source):
                stub = cell.source
            elif stub and (solution := SOLUTION.search(cell.source)):
                imports = re.findall(r"^(?:import|from) .*\n", stub, re.M)
                found[CHECK.search(stub)[1]] = "".join([*imports, solution[1]])
                stub = ""
    return found


SOLUTIONS = lessons_solutions() | {re.search(r"def (\w+)", text)[1]: text for text in SOLUTION.findall(SOURCE)}
OBJECT = re.compile(r"<[\w.]+ object at 0x\w+>")
ODD = (
    "def {name}(*given):\n    return undefined",
    "def {name}(*given):\n    return 'text'",
    "def {name}(*given):\n    given[0].clear()",
    "def {name}(*given): raise SystemExit(1)",
    "{name} = 3",
)


def known() -> dict:
    return exercises() | {each.name: each for each in warm_up.EXERCISES}


# ---- the judge -------------------------------------------------------------------------------------------------------

BARE = """
import json, sys
sys.path.insert(0, sys.argv[1])
from s12lib.exercises import in_page
in_page.stand_in()
print(json.dumps([json.loads(in_page.judged(name, text)) for name, text in json.load(sys.stdin)]))
assert not {"torch", "numpy"} & {name for name, module in sys.modules.items() if getattr(module, "__file__", None)}
"""


def defined(name: str) -> str:
    """What the answer to an exercise is called."""
    return known()[name].reference.__name__


@pytest.fixture(scope="module")
def answers() -> list[tuple[str, str]]:
    """Right answers, stubs, odd ones, and every mechanical mutation of the right ones."""
    texts = {name: [SOLUTIONS[name], STUBS[name], *mutants(SOLUTIONS[name])] for name in in_page.IN_PAGE}
    return [(name, text) for name in texts for text in texts[name] + [odd.format(name=defined(name)) for odd in ODD]]


@pytest.fixture(scope="module")
def in_the_browsers_python(answers) -> list[dict[str, str]]:
    """What Python says that has the standard library only, as the browser's."""
    command = [sys.executable, "-I", "-S", "-c", BARE, str(ROOT)]
    done = subprocess.run(command, input=json.dumps(answers), capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_each_answer_gets_the_verdict_and_the_words_of_the_notebook(answers, in_the_browsers_python):
    assert len(answers) > 100
    for (name, text), found in zip(answers, in_the_browsers_python, strict=True):
        namespace: dict = {}
        linecache.cache["<answer>"] = len(text), None, text.splitlines(keepends=True), "<answer>"
        exec(compile(text, "<answer>", "exec"), namespace)
        expected = verdict_on(known()[name], namespace[defined(name)])
        assert found["status"] == expected.status, text
        if expected.status == "TRY AGAIN":
            hint, known_hint = (OBJECT.sub("<an object>", each) for each in (found["hint"], expected.hint))
            assert (hint, found["more"]) == (known_hint, expected.more), text
    statuses = {name: {found["status"] for (each, _), found in zip(answers, in_the_browsers_python, strict=True)
                       if each == name} for name in in_page.IN_PAGE}  # fmt: skip
    assert all(found == {"PASS", "TRY AGAIN", "TO DO"} for found in statuses.values()), statuses


def test_what_is_no_python_is_told_with_its_line():
    given = json.loads(in_page.judged("majority_accuracy", "def majority_accuracy(a, b):\n    return (1"))
    assert given["status"] == "TRY AGAIN"
    assert given["hint"].startswith("Line 2 is not Python: ")


@pytest.mark.parametrize("x", [-1, 0, 0.3, 1, 2, 2.5, 4, 9])
def test_the_stand_in_for_interpolation_agrees_with_numpys(x):
    import numpy as np

    for knots, values in (([0, 1, 2, 4], [5, 0, 1, 3]), ([0, 2, 2, 4], [0, 1, 7, 3])):
        assert in_page.interp(x, knots, values) == pytest.approx(np.interp(x, knots, values))


SLIPS = {
    ("majority_accuracy", "Counter(train_labels)", "Counter(test_labels)"): "That is peeking",
    ("majority_accuracy", "test_labels.count(most_frequent) /", "train_labels.count(most_frequent) /"): (
        "but count in the training set"
    ),
    ("majority_accuracy", " / len(test_labels)", ""): "Divide it by how many",
    ("majority_accuracy", "/ len(test_labels)", "/ len(train_labels)"): "size of the training set",
    ("majority_accuracy", "/ len(test_labels)", "/ len(test_labels) * 100"): "in per cent",
    ("majority_accuracy", "return test_labels.count(most_frequent) / len(test_labels)", "return most_frequent"): (
        "How often is it right"
    ),
    ("precision_and_recall", "return hits / called if called else 0, hits / cats if cats else 0",
     "return hits / cats if cats else 0, hits / called if called else 0"): "changed places",
    ("precision_and_recall", "hits / called", "hits / len(labels)"): "Precision asks only about",
    ("precision_and_recall", "hits / cats", "hits / len(labels)"): "Recall asks only about",
    ("precision_and_recall", "a == cat and b == cat", "a == b"): "every right answer as a hit",
    ("precision_and_recall", "hits / called if called else 0", "hits / called"): "ZeroDivisionError",
    ("precision_and_recall", "hits / called if called else 0", "hits / called if called else 1"): "both should be 0",
    ("precision_and_recall", "hits / called", "100 * hits / called"): "in per cent",
}  # fmt: skip


@pytest.mark.parametrize("slip", SLIPS, ids=lambda slip: f"{slip[0]}-{slip[2][:20]}")
def test_a_known_slip_gets_its_hint(slip):
    name, old, new = slip
    assert old in SOLUTIONS[name]
    assert SLIPS[slip] in json.loads(in_page.judged(name, SOLUTIONS[name].replace(old, new)))["hint"]


@pytest.mark.parametrize("name", [each.name for each in warm_up.EXERCISES])
def test_every_mutation_of_a_warm_up_is_rejected_and_the_reference_passes(name):
    passing = [text for text in mutants(SOLUTIONS[name]) if json.loads(in_page.judged(name, text))["status"] == "PASS"]
    alike = [text for text in passing if "zip(predictions, labels)" in text]  # of both, whatever their order
    assert passing == alike
    assert verdict_on(known()[name], known()[name].reference).status == "PASS"


# ---- the page --------------------------------------------------------------------------------------------------------


def test_the_page_has_the_exercises_that_need_no_library_with_the_lessons_stubs():
    assert list(STUBS) == sorted(in_page.IN_PAGE, key=list(STUBS).index)
    assert len(STUBS) == len(in_page.IN_PAGE) >= 5
    cells = [
        cell.source
        for path in sorted((ROOT / "lessons").glob("[0-9]*.ipynb"))
        for cell in nbformat.read(path, as_version=4).cells
        if cell.cell_type == "code"
    ]
    for name, stub in STUBS.items():
        if name in exercises():
            (lesson,) = (cell for cell in cells if f'check("{name}"' in cell)
            assert stub.splitlines()[0] in lesson.splitlines(), name
        ast.parse(stub)


@pytest.mark.xdist_group("book")
def test_a_book_without_python_says_how_to_get_it(visit_with):
    page = visit_with({}).page
    said = page.inner_text("#exercises-status")
    assert said.startswith("This copy of the book was built without Python. Solve them in the lessons")
    assert not page.is_visible("#exercises-load")
    assert not page.is_visible(".exercise-in-page button")


@pytest.mark.xdist_group("book")
def test_nothing_is_loaded_before_the_click_and_its_size_is_stated(visit_with):
    visit = visit_with({"megabytes": 13, "seconds": 10, "stopped": in_page.STOPPED})
    asked = []
    visit.page.on("request", lambda request: asked.append(request.url.rsplit("/", 1)[1]))
    assert visit.page.inner_text("#exercises-load") == "Load Python (13 MB)"
    visit.page.wait_for_timeout(300)
    assert asked == []


@pytest.mark.xdist_group("book")
def test_a_field_takes_a_tab_and_can_be_left_by_keyboard(visit_with):
    page = visit_with({}).page
    field = page.locator("textarea").first
    field.focus()
    page.keyboard.press("Control+End")
    page.keyboard.press("Tab")
    assert field.input_value().endswith("NotImplementedError    ")
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    assert not field.evaluate("field => field === document.activeElement")
    field.fill("\n" * 20)
    assert field.evaluate("field => field.rows") > 20, "as many as the answer has lines"


@pytest.fixture(scope="module")
def loaded(html, browser, address):
    """The page with Python in it, loaded by keyboard alone."""
    folder = html / "_static" / "exercises"
    sys.path.insert(0, str(ROOT / "book"))
    browser_files = importlib.import_module("browser_files")
    try:
        browser_files.put_python_into(folder)
    except browser_files.SiteError as error:
        pytest.skip(f"with Python in the page (make site: {error})")
    visit = Visit(browser, address, PAGE)
    visit.page.locator("#exercises-load").focus()
    visit.page.keyboard.press("Enter")
    visit.page.wait_for_function("document.getElementById('exercises-status').textContent.startsWith('Python is here')")
    yield visit
    visit.context.close()


def said_to(visit: Visit, name: str, text: str) -> str:
    """What the page says to an answer."""
    box = visit.page.locator(f'[data-exercise="{name}"]')
    box.locator("textarea").fill(text)
    box.locator("button").click()
    visit.page.wait_for_function("!exercisesPage.busy")
    return box.locator("output").inner_text()


@pytest.mark.slow
@pytest.mark.xdist_group("book")
@pytest.mark.parametrize("name", in_page.IN_PAGE)
def test_each_exercise_can_be_solved_in_the_browser(name, loaded):
    assert said_to(loaded, name, STUBS[name]).startswith(f"TO DO: {name}. Replace")
    assert said_to(loaded, name, SOLUTIONS[name]) == f"PASS: {name}. {known()[name].praise}"


@pytest.mark.slow
@pytest.mark.xdist_group("book")
def test_the_same_mistake_is_told_more_the_second_time(loaded):
    wrong = "def conv_bn_parameters(i, o, k=3):\n    return k * k * i * o"
    first, second = (said_to(loaded, "conv_bn_parameters", wrong) for _ in range(2))
    assert first.startswith("TRY AGAIN: conv_bn_parameters. ")
    assert second.startswith(first)
    assert len(second) > len(first)


@pytest.mark.slow
@pytest.mark.xdist_group("book")
def test_an_endless_answer_is_stopped_and_the_next_one_judged(loaded):
    loaded.page.evaluate("exercisesPage.files.seconds = 3")
    endless = said_to(loaded, "receptive_field", "def receptive_field(layers):\n    while True: pass")
    assert endless == f"TRY AGAIN: receptive_field. {in_page.STOPPED['hint']}"
    loaded.page.evaluate("exercisesPage.files.seconds = 600")
    assert said_to(loaded, "receptive_field", SOLUTIONS["receptive_field"]).startswith("PASS")


@pytest.mark.slow
@pytest.mark.xdist_group("book")
def test_an_answer_that_calls_itself_for_ever_is_told_and_the_next_one_judged(loaded):
    told = said_to(loaded, "intensity", "def intensity(*given):\n    return intensity(*given)")
    assert told.startswith("TRY AGAIN: intensity. Your answer raised RecursionError")
    assert said_to(loaded, "intensity", SOLUTIONS["intensity"]).startswith("PASS")


@pytest.mark.slow
@pytest.mark.xdist_group("book")
@pytest.mark.parametrize("width", [LAPTOP, PHONE])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_exercise_is_solved_and_read_on_any_screen(loaded, scheme, width):
    loaded.show(scheme, width)
    assert said_to(loaded, "majority_accuracy", SOLUTIONS["majority_accuracy"]).startswith("PASS")
    assert loaded.page.evaluate("document.documentElement.scrollWidth") <= width
    assert loaded.page.evaluate(TOO_WIDE) == []
    assert loaded.page.evaluate(FAINT_TEXT) == []


@pytest.mark.slow
@pytest.mark.xdist_group("book")
def test_the_page_asked_no_other_host(loaded):
    assert loaded.elsewhere == []
    assert loaded.errors == []


def test_the_archive_of_the_course_has_every_module_and_no_weights(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "book")
    browser_files = importlib.import_module("browser_files")
    monkeypatch.setattr(browser_files, "unpack", lambda package, names, folder: [
        (folder / name).parent.mkdir(parents=True, exist_ok=True) or (folder / name).write_bytes(b"") for name in names
    ])  # fmt: skip
    browser_files.put_python_into(tmp_path)
    names = zipfile.ZipFile(tmp_path / "course.zip").namelist()
    assert {"s12lib/exercises/in_page.py", "s12lib/exercises/lesson02.py"} <= set(names)
    assert all(Path(name).suffix == ".py" for name in names)
    assert json.loads((tmp_path / "files.json").read_text())["stopped"] == in_page.STOPPED

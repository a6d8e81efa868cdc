"""Every exercise judges honestly; the stub and the solution are taken from the lesson itself."""

import ast
import copy
import datetime
import io
import itertools
import os
import random
import re
import subprocess
import sys
import threading
import time
from importlib import import_module
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
from torch import nn

from s12lib import check, exercises, use
from s12lib.exercises import elsewhere, expect, judging, lesson02, lesson02_residual, notebook_state, time_limit
from s12lib.exercises.expect import Mistake, call
from s12lib.exercises.judging import Exercise, verdict_on
from s12lib.exercises.mutations import mutants

LESSONS = sorted((Path(__file__).parent.parent / "lessons").glob("[0-9]*.ipynb"))
CASE_FILES = [import_module(path.stem) for path in sorted(Path(__file__).parent.glob("exercise_cases*.py"))]
RIGHT, EQUIVALENT = (
    {name: case for file in CASE_FILES for name, case in getattr(file, kind, {}).items()}
    for kind in ("RIGHT", "EQUIVALENT")
)
WRONG, ALSO_RIGHT = {}, {}
for kind, gathered in (("WRONG", WRONG), ("ALSO_RIGHT", ALSO_RIGHT)):
    for file in CASE_FILES:
        for name, cases in getattr(file, kind, {}).items():
            gathered.setdefault(name, []).extend(cases)
CHECK = re.compile(r'^check\("(\w+)", (\w+)\)$', re.M)
SOLUTION = re.compile(r"<summary>Solution</summary>.*?```python\n(.*?)```", re.S)


def exercises_in(path: Path):
    """``(name, what it is called in the cell, stub cell, solution, imports of the lesson)`` for each exercise."""
    cells = nbformat.read(path, as_version=4).cells
    imports = [
        ast.unparse(node)
        for cell in cells
        if cell.cell_type == "code"
        for node in ast.parse(cell.source).body
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    for cell, following in itertools.pairwise(cells):
        found = CHECK.search(cell.source) if cell.cell_type == "code" else None
        if found:
            solution = SOLUTION.search(following.source)
            assert solution, f"no solution below {found[1]} in {path.name}"
            yield found[1], found[2], cell.source, solution[1], "\n".join(imports)


def in_long_lines(solutions: list[str]) -> list[str]:
    """The solutions as ruff formats them in lines of 120: the lessons break theirs earlier, here and there anew."""
    mark = "# ---- the next ----"
    command = [sys.executable, "-m", "ruff", "format", "--isolated", "--line-length", "120", "-"]
    given = f"\n{mark}\n".join(solutions)
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=True)
    return [text.strip() + "\n" for text in done.stdout.split(mark)]


FOUND = [case for path in LESSONS for case in exercises_in(path)]
SOLUTIONS = in_long_lines([case[3] for case in FOUND])
CASES = {case[0]: (*case[1:3], solution, case[4]) for case, solution in zip(FOUND, SOLUTIONS, strict=True)}
NAMES = list(CASES)


def make(name: str, text: str):
    """What the text defines under the exercise's name, with the lesson's imports."""
    called, _, _, imports = CASES[name]
    namespace: dict = {}
    exec(imports, namespace)
    exec(text, namespace)
    return namespace[called]


def verdict(name: str, text: str):
    return verdict_on(exercises.exercises()[name], make(name, text))


# ---- each exercise ---------------------------------------------------------------------------------------------------


def test_lessons_and_package_have_the_same_exercises():
    assert sorted(NAMES) == sorted(exercises.exercises())
    assert len(NAMES) == len(set(NAMES))


@pytest.mark.parametrize("name", NAMES)
def test_stub_is_to_do(name):
    stub = CASES[name][1]
    assert "raise NotImplementedError" in stub
    assert verdict(name, CHECK.sub("", stub)).status == "TO DO"


@pytest.mark.parametrize("name", NAMES)
def test_solution_passes(name):
    assert verdict(name, CASES[name][2]) == judging.Verdict("PASS")


@pytest.mark.parametrize("name", NAMES)
def test_librarys_answer_passes(name):
    exercise = exercises.exercises()[name]
    assert verdict_on(exercise, exercise.reference).status == "PASS"


@pytest.mark.parametrize(
    ("name", "text"), [(name, text) for name in NAMES for text in (RIGHT[name], *ALSO_RIGHT.get(name, []))]
)
def test_differently_written_right_answer_passes(name, text):
    given = verdict(name, text)
    assert (given.status, given.hint) == ("PASS", "")


@pytest.mark.parametrize(("name", "old", "new", "hint"), [(n, *case) for n in NAMES for case in WRONG[n]])
def test_wrong_answer_gets_the_hint_meant_for_it(name, old, new, hint):
    solution = CASES[name][2]
    assert old is None or old in solution
    given = verdict(name, new if old is None else solution.replace(old, new))
    assert given.status == "TRY AGAIN"
    assert hint in given.hint


@pytest.mark.parametrize("name", NAMES)
def test_each_exercise_is_tried_with_at_least_four_wrong_answers(name):
    assert len(WRONG[name]) >= 4


def test_images_for_predict_classes_are_of_several_classes_and_training_mode_shows():
    network, images = lesson02.network_and_images()
    with torch.no_grad():
        evaluated = copy.deepcopy(network).eval()(images)
        trained = copy.deepcopy(network).train()(images)
    classes, gap = evaluated.argmax(dim=1), evaluated.topk(2).values.diff().abs()
    assert len(classes.unique()) >= 3
    assert (trained.argmax(dim=1) != classes).sum() >= 10
    assert gap.min() > 0.01, "rounding must not decide an image's class"


# ---- mechanical mutations --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_every_mutation_that_changes_behaviour_is_rejected(name):
    solution = CASES[name][2]
    survivors = {change for mutant, change in mutants(solution).items() if verdict(name, mutant).status == "PASS"}
    assert survivors == set(EQUIVALENT.get(name, {}))


def test_the_mutator_changes_operators_constants_keywords_and_statements():
    found = mutants("def f(x, y):\n    z = x + 2\n    return max(z, y, key=abs)")
    for line in ("z = x - 2", "z = x + 3", "pass", "return max(z, y)", "return max(y, z, key=abs)"):
        assert any(f"    {line}" in mutant.splitlines() for mutant in found), line


def test_the_mutator_changes_branches_and_logic():
    found = mutants("def f(x, y):\n try:\n  if x and y:\n   return x % 2 & y\n finally:\n  y.close()")
    for line in ("if x or y:", "return x // 2 & y", "return x % 2 | y", "pass"):
        assert any(line in [each.strip() for each in mutant.splitlines()] for mutant in found), line
    assert any("y.close()" not in mutant for mutant in found)


# ---- answers that misbehave ------------------------------------------------------------------------------------------


def doubling(answer) -> None:
    x = torch.arange(3.0)
    if not torch.equal(expect.tensor(call(answer, x), (3,)), 2 * x):
        raise Mistake("Not the double.", "Multiply by two.")


DOUBLING = Exercise("double", lambda x: 2 * x, doubling, "Twice as much.")


@pytest.fixture
def double(monkeypatch):
    """The exercise "double": a right answer returns twice its input."""
    monkeypatch.setattr(exercises, "exercises", lambda: {"double": DOUBLING})
    monkeypatch.setattr(exercises, "_missed", exercises.Counter())
    return DOUBLING


def raises(x):
    return {}[x]


def leaves(x):
    raise SystemExit(3)


def overwrites(x):
    x *= 2
    return x


def draws_torch(x):
    torch.rand(1)
    return 2 * x


def seeds_numpy(x):
    np.random.seed(0)  # noqa: NPY002
    return 2 * x


def seeds_python(x):
    random.seed(0)
    return 2 * x


def changes_dtype(x):
    torch.set_default_dtype(torch.float64)
    return 2 * x


def switches_gradients_off(x):
    torch.set_grad_enabled(False)
    return 2 * x


MISBEHAVING = {
    raises: "raised",
    leaves: "raised SystemExit",
    overwrites: "changes its input in place",
    draws_torch: "torch's random generator",
    seeds_numpy: "NumPy's random generator",
    seeds_python: "Python's random generator",
    changes_dtype: "default dtype",
    switches_gradients_off: "records gradients",
    (lambda x: (2 * x).tolist()): "yours is a list",
    (lambda x: None): "return missing",
    (lambda x: 2 * x[:2]): "shape",
    (lambda: 1): "raised TypeError",
}


@pytest.mark.parametrize(("answer", "hint"), MISBEHAVING.items())
def test_misbehaving_answer_gets_a_verdict_and_changes_nothing_outside(answer, hint):
    for seed in (torch.manual_seed, np.random.seed, random.seed):
        seed(987)  # another state than any answer's, whatever ran before
    torch_rng, numpy_rng, python_rng = torch.get_rng_state(), np.random.get_state(), random.getstate()  # noqa: NPY002
    given = verdict_on(DOUBLING, answer)
    assert given.status == "TRY AGAIN"
    assert hint in given.hint
    assert torch.equal(torch.get_rng_state(), torch_rng)
    assert np.array_equal(np.random.get_state()[1], numpy_rng[1])  # noqa: NPY002
    assert random.getstate() == python_rng
    assert torch.get_default_dtype() == torch.float32
    assert torch.is_grad_enabled()


SETTERS = {
    "how many threads torch uses": lambda: torch.set_num_threads(torch.get_num_threads() + 1),
    "whether torch's algorithms are deterministic": lambda: torch.use_deterministic_algorithms(True),
    "torch's precision of matrix products": lambda: torch.set_float32_matmul_precision("medium"),
    "torch's default device": lambda: torch.set_default_device("meta"),
    "the hooks on all modules": lambda: nn.modules.module.register_module_forward_hook(lambda *_: None),
    "what NumPy does about errors": lambda: np.seterr(all="ignore"),
    "Python's recursion limit": lambda: sys.setrecursionlimit(4321),
    "the working directory": lambda: os.chdir("/"),
    "the environment variables": lambda: os.environ.update(S12_DATA_DIR="nowhere"),
}


@pytest.mark.parametrize("what", SETTERS)
def test_setting_of_the_notebook_that_an_answer_changes_is_named_and_put_back(what):
    def answer(x):
        doubled = 2 * x
        SETTERS[what]()
        return doubled

    before = notebook_state.read()
    assert verdict_on(DOUBLING, answer).hint == f"Your answer changes {what}, which belongs to the whole notebook."
    assert notebook_state.changes(before) == []


def test_answer_that_is_right_the_first_time_only_is_asked_again():
    calls = []

    def answer(x, kept=[]):  # noqa: B006
        calls.append(x)
        kept.append(x)
        return 2 * x if len(kept) == 1 else x

    given = verdict_on(DOUBLING, answer)
    assert "right the first time only" in given.hint
    assert "Not the double" in given.hint
    assert len(calls) == 2


def test_answer_in_numpy_passes_and_goes_on_as_tensors(double, capsys):
    answer = lambda x: (2 * x).numpy()[::-1][::-1]  # noqa: E731
    assert verdict_on(DOUBLING, answer) == judging.Verdict("PASS", in_numpy=True)
    goes_on = use("double", answer)
    assert torch.equal(goes_on(torch.ones(2)), torch.full((2,), 2.0))
    assert goes_on(x=torch.ones(1)).tolist() == [2.0]


def test_arrays_within_what_an_answer_returns_are_made_tensors_and_nothing_else_is_touched():
    text, tensor = np.array(["a"]), torch.ones(2)
    parts = judging.InTorch(lambda: ({"w": np.arange(3)}, [tensor, np.float32(2)], text))()
    assert torch.equal(parts[0]["w"], torch.arange(3))
    assert parts[1][0] is tensor
    assert type(parts[1][1]) is np.float32
    assert parts[2] is text


# ---- blocks that come in other forms ---------------------------------------------------------------------------------


class Block(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = torch.relu(self.bn1(self.conv1(x)))
        return x + torch.relu(self.bn2(self.conv2(h)))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_scripted_block_is_judged_as_any_other():
    given = verdict_on(exercises.exercises()["residual"], lambda channels: torch.jit.script(Block(channels)))
    assert (given.status, given.hint) == ("PASS", "")


def test_layers_of_a_compiled_block_are_seen():
    block = torch.compile(Block(4), backend="eager")
    assert len(lesson02_residual._layers(block, nn.Conv2d)) == 2


# ---- another day, another process ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ask", "word"), [
    (lambda: time.time() // 3600, "the time"),
    (lambda: time.localtime().tm_yday, "the time"),
    (lambda: time.strftime("%d %H"), "the time"),
    (lambda: datetime.datetime.now().date(), "the time"),
    (lambda: datetime.datetime.now(datetime.UTC).day, "the time"),
    (lambda: os.getpid(), "process"),
    (lambda: hash("text"), "salted"),
    (lambda: hash((1, ("text",))), "salted"),
    (lambda: torch.initial_seed(), "random generator"),
    (lambda: np.random.get_state()[1].sum(), "random generator"),  # noqa: NPY002
])  # fmt: skip
def test_what_differs_elsewhere_is_named_and_nothing_stays_changed(ask, word):
    before, now, originals = notebook_state.read(), time.time(), (time.time, hash, datetime.datetime)
    with pytest.raises(Mistake, match=word):
        elsewhere.same_elsewhere(ask, ask, "")
    assert notebook_state.changes(before) == []
    assert (time.time, hash, datetime.datetime) == originals
    assert time.time() - now < 3600


@pytest.mark.parametrize("ask", [
    lambda: hash(12), lambda: time.strftime("%Y", time.gmtime(0)), lambda: datetime.date(2020, 1, 2),
    lambda: random.Random("text").random(), lambda: torch.rand(1, generator=torch.Generator().manual_seed(3)).item(),
])  # fmt: skip
def test_what_is_the_same_everywhere_passes(ask):
    elsewhere.same_elsewhere(ask, ask, "")


def test_a_name_imported_by_the_notebook_is_replaced_too_and_other_threads_keep_the_time():
    namespace = {}
    exec("from time import time\ndef ask(): return time() // 60", namespace)
    kept, seen, stop = namespace["time"], [], threading.Event()

    def watch():
        while not stop.is_set():
            seen.append(time.time())

    watcher = threading.Thread(target=watch)
    watcher.start()
    with pytest.raises(Mistake, match="the time"):
        elsewhere.same_elsewhere(namespace["ask"], namespace["ask"], "")
    stop.set()
    watcher.join()
    assert namespace["time"] is kept
    assert max(seen) - min(seen) < 3600


def test_answer_whose_import_draws_random_numbers_is_not_blamed(tmp_path, monkeypatch):
    (tmp_path / "library_that_draws.py").write_text("import random\nrandom.random()\n")
    monkeypatch.syspath_prepend(tmp_path)

    def answer(x):
        import library_that_draws  # noqa: F401

        return 2 * x

    assert verdict_on(DOUBLING, answer).status == "PASS"
    sys.modules.pop("library_that_draws")


def test_answer_that_never_returns_is_stopped(monkeypatch):
    monkeypatch.setattr(time_limit, "TIME_LIMIT", 0.1)

    def sleeps(x):
        while True:
            time.sleep(0.01)

    def computes(x):
        while True:
            x = x + 1

    before = threading.active_count()
    for forever in (sleeps, computes):
        given = verdict_on(DOUBLING, forever)
        assert given.status == "TRY AGAIN"
        assert "Does its loop ever end" in given.hint
    assert threading.active_count() == before


def test_answer_that_waits_for_a_busy_processor_is_given_its_time(monkeypatch, tmp_path):
    """As the kernel would count it: a second by the clock, of which it computed nothing and slept nothing."""
    monkeypatch.setattr(time_limit, "TIME_LIMIT", 0.05)
    monkeypatch.setattr(time_limit.Path, "read_text", lambda path: "0 99000000000 1")
    assert verdict_on(DOUBLING, lambda x: (time.sleep(0.5), 2 * x)[1]).status == "PASS"


def test_answer_whose_error_cannot_say_what_it_is_gets_a_verdict_too():
    class Speechless(Exception):
        def __str__(self):
            return self.args[0]

    def answer(x):
        raise Speechless

    assert "raised Speechless" in verdict_on(DOUBLING, answer).hint


def test_a_name_that_a_restart_has_forgotten_is_told_with_what_to_run_first():
    verdict = verdict_on(DOUBLING, lambda x: twice(x))  # noqa: F821
    assert verdict.hint == "Python does not know twice here. After a restart, run Set-up and the cells above first."


@pytest.mark.parametrize("result", [2, 2.0, np.int64(2), np.float32(2), np.array(2.0), torch.tensor(2.0)])
def test_whatever_can_be_used_as_a_number_is_one(result):
    assert expect.number(result) == 2.0


@pytest.mark.parametrize(
    ("result", "hint"),
    [
        (None, "return missing"),
        ("2.0", "yours is a str"),
        (torch.ones(1), "yours is a Tensor"),
        (np.ones(1), "yours is a NumPy array"),
        (torch.tensor(2.0, requires_grad=True), "graph of its gradient"),
    ],
)
def test_what_would_break_the_next_cell_is_no_number(result, hint):
    with pytest.raises(Mistake, match=hint):
        expect.number(result)


@pytest.mark.parametrize("answer", [7, None, torch.ones(3), "double"])
def test_answer_that_is_no_function_is_told_so(answer):
    assert "the function or class itself" in verdict_on(DOUBLING, answer).hint


def test_not_implemented_by_torch_is_not_taken_for_a_stub():
    def answer(x):
        raise NotImplementedError("no kernel for this dtype")

    assert verdict_on(DOUBLING, answer).status == "TRY AGAIN"


def test_notebook_with_another_default_dtype_is_judged_alike_and_keeps_it():
    torch.set_default_dtype(torch.float64)
    try:
        assert verdict_on(DOUBLING, lambda x: 2 * x).status == "PASS"
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


# ---- check and use ---------------------------------------------------------------------------------------------------


def stub(x):
    raise NotImplementedError


def test_check_says_pass_try_again_or_to_do(double, capsys):
    for answer, word in (
        (stub, "TO DO: double."),
        (lambda x: x, "TRY AGAIN: double."),
        (lambda x: 2 * x, "PASS: double."),
    ):
        assert check("double", answer) is None
        assert capsys.readouterr().out.startswith(word)


def test_second_failure_with_the_same_mistake_tells_more(double, capsys):
    for _ in range(2):
        check("double", lambda x: x)
    first, second = capsys.readouterr().out.splitlines()
    assert "Multiply by two." not in first
    assert "Multiply by two." in second


def test_a_verdict_reaches_a_terminal_that_lacks_its_letters(double, monkeypatch):
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stdout", terminal)
    check("Łódź", double)
    terminal.flush()
    assert "There is no exercise '??d?'." in terminal.buffer.getvalue().decode("ascii")


def test_check_of_an_unknown_exercise_says_which_there_are(double, capsys):
    check("dubble", stub)
    assert capsys.readouterr().out == "There is no exercise 'dubble'. There are: double.\n"


def test_use_goes_on_with_a_passing_answer_and_else_with_the_librarys(double, capsys):
    mine = lambda x: x + x  # noqa: E731
    assert use("double", mine) is mine
    assert use("double", stub) is double.reference
    assert (
        capsys.readouterr().out == "double: going on with your answer.\ndouble: going on with the library's answer.\n"
    )


def test_use_of_an_unknown_exercise_names_those_that_exist(double):
    with pytest.raises(ValueError, match=r"'dubble'.*double"):
        use("dubble", stub)

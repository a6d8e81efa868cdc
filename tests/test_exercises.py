"""Every exercise judges honestly; the stub and the solution are taken from the lesson itself."""

import ast
import copy
import itertools
import random
import re
import sys
import threading
import time
from importlib import import_module
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch

from s12lib import check, exercises, use
from s12lib.exercises import expect, judging, lesson02
from s12lib.exercises.expect import Mistake, call
from s12lib.exercises.judging import Exercise, verdict_on

LESSONS = sorted((Path(__file__).parent.parent / "lessons").glob("[0-9]*.ipynb"))
CASE_FILES = [import_module(path.stem) for path in sorted(Path(__file__).parent.glob("exercise_cases*.py"))]
WRONG, RIGHT, ALSO_RIGHT, EQUIVALENT = (
    {name: case for file in CASE_FILES for name, case in getattr(file, kind, {}).items()}
    for kind in ("WRONG", "RIGHT", "ALSO_RIGHT", "EQUIVALENT")
)
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


CASES = {case[0]: case[1:] for path in LESSONS for case in exercises_in(path)}
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
    assert verdict(name, text) == judging.Verdict("PASS")


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


def test_pictures_for_predict_classes_are_of_several_classes_and_training_mode_shows():
    network, images = lesson02.network_and_pictures()
    with torch.no_grad():
        evaluated = copy.deepcopy(network).eval()(images)
        trained = copy.deepcopy(network).train()(images)
    classes, gap = evaluated.argmax(dim=1), evaluated.topk(2).values.diff().abs()
    assert len(classes.unique()) >= 3
    assert (trained.argmax(dim=1) != classes).sum() >= 10
    assert gap.min() > 0.01, "rounding must not decide a picture's class"


# ---- mechanical mutations --------------------------------------------------------------------------------------------

OPERATORS = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.Pow: ast.Mult,
    ast.Mod: ast.FloorDiv, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.And: ast.Or, ast.Or: ast.And,
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.GtE, ast.GtE: ast.Lt, ast.Gt: ast.LtE, ast.LtE: ast.Gt,
}  # fmt: skip


def mutations(tree: ast.Module):
    """Change one thing in the tree, yield, and put it back: operators, constants, keywords, statements, arguments."""
    for node in list(ast.walk(tree)):
        for field in ("op", "ops"):
            old = getattr(node, field, None)
            first = old[0] if isinstance(old, list) and old else old
            if type(first) in OPERATORS:
                new = OPERATORS[type(first)]()
                yield from changed(node, field, [new, *old[1:]] if isinstance(old, list) else new)
        if isinstance(node, ast.Constant) and type(node.value) in (int, float):
            yield from changed(node, "value", node.value + 1)
            yield from changed(node, "value", node.value - 1)
        if isinstance(node, ast.Constant) and isinstance(node.value, bool):
            yield from changed(node, "value", not node.value)
        if isinstance(node, ast.UnaryOp):
            yield from changed(node, "op", ast.UAdd())
        for k in range(len(getattr(node, "keywords", []))):
            yield from changed(node, "keywords", node.keywords[:k] + node.keywords[k + 1 :])
        if isinstance(node, ast.Call) and len(node.args) > 1:
            yield from changed(node, "args", [node.args[1], node.args[0], *node.args[2:]])
        for block in ("body", "orelse", "finalbody"):
            lines = getattr(node, block, None)
            if isinstance(lines, list) and not isinstance(node, ast.Module | ast.ClassDef):
                for k in range(len(lines)):
                    yield from changed(node, block, [*lines[:k], ast.Pass(), *lines[k + 1 :]])


def changed(node: ast.AST, field: str, value):
    old = getattr(node, field)
    setattr(node, field, value)
    yield
    setattr(node, field, old)


def mutants(text: str) -> list[str]:
    tree = ast.parse(text)
    texts = [ast.unparse(ast.fix_missing_locations(copy.deepcopy(tree))) for _ in mutations(tree)]
    return [mutant for mutant in texts if mutant != ast.unparse(tree)]


def difference(text: str, mutant: str) -> str:
    """The lines in which a mutant differs from the solution."""
    before, after = ast.unparse(ast.parse(text)).splitlines(), mutant.splitlines()
    return "; ".join(new.strip() for old, new in zip(before, after, strict=True) if old != new)


@pytest.mark.parametrize("name", NAMES)
def test_every_mutation_that_changes_behaviour_is_rejected(name):
    solution = CASES[name][2]
    survivors = {difference(solution, m) for m in mutants(solution) if verdict(name, m).status == "PASS"}
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
    (lambda x: (2 * x).numpy()): "NumPy array",
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


def test_answer_whose_import_draws_random_numbers_is_not_blamed(tmp_path, monkeypatch):
    (tmp_path / "library_that_draws.py").write_text("import random\nrandom.random()\n")
    monkeypatch.syspath_prepend(tmp_path)

    def answer(x):
        import library_that_draws  # noqa: F401

        return 2 * x

    assert verdict_on(DOUBLING, answer).status == "PASS"
    sys.modules.pop("library_that_draws")


def test_answer_that_never_returns_is_stopped(monkeypatch):
    monkeypatch.setattr(judging, "TIME_LIMIT", 0.3)

    def forever(x):
        while True:
            time.sleep(0.01)

    before = threading.active_count()
    given = verdict_on(DOUBLING, forever)
    assert given.status == "TRY AGAIN"
    assert "Does its loop ever end" in given.hint
    assert threading.active_count() == before


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

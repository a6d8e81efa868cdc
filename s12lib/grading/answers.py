"""Read a submission: which exercises it answers, and the code that defines each answer, cut out of the notebook.

Nothing of it is run here. Still, this belongs behind the fence (``fence.call``): a hostile file may exhaust memory in
Python's own parsers.
"""

import ast
import json
import os
import re
import symtable
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from s12lib.grading.suspicion import suspicions

LARGEST_NOTEBOOK = 100 << 20
MOST_NOTEBOOKS = 200  # in one zip file
TIMED = re.compile(r"%%(time|timeit|capture|prun)\b")  # cell magics below which the cell is Python
LINE_MAGIC = re.compile(r"^(?P<indent>\s*)(\w+\s*=\s*)?(%|!|\?\??\s*[\w.]+\s*$|[\w.]+\?\??\s*$).*")
CHECK_IN_TEXT = re.compile(r"""^check\(\s*["'](\w+)["']""", re.M)


class Unreadable(Exception):
    """Why a file is no notebook, in half a sentence."""


@dataclass(frozen=True)
class Statement:
    """A statement at a notebook's top level, and the names that it binds, changes and needs."""

    source: str
    binds: frozenset[str]
    changes: frozenset[str]
    needs: frozenset[str]
    replaces: bool  # whether it binds its names whatever they were before
    imports_all: bool


def read_submission(path: str) -> list[dict[str, Any]]:
    """What each notebook of a file holds, a zip file's members one by one.

    → ``[{"file": name, "problems": [sentence], "answers": {exercise: {"source", "expression", "suspicions"} or
    {"problem"}}}]``, plain JSON.
    """
    notebooks = []
    try:
        for name, content in _contents(Path(path)):
            try:
                notebooks.append({"file": name, **_answers_in(_code_cells(content()))})
            except Unreadable as error:
                notebooks.append({"file": name, "problems": [f"{name} {error}"], "answers": {}})
    except Unreadable as error:
        name = os.path.basename(path)
        notebooks.append({"file": name, "problems": [f"{name} {error}"], "answers": {}})
    return notebooks


def _contents(path: Path) -> Iterator[tuple[str, Any]]:
    """The notebooks in a file: a name, and a function that reads the bytes."""
    try:
        if not zipfile.is_zipfile(path):
            if path.suffix != ".ipynb":
                raise Unreadable("is neither a notebook nor a zip file")
            size = path.stat().st_size
            yield path.name, lambda: path.read_bytes() if _small_enough(size) else b""
            return
        with zipfile.ZipFile(path) as archive:
            members = [info for info in archive.infolist() if _is_notebook(info.filename)]
            if not members:
                raise Unreadable("holds no notebook")
            for info in members[:MOST_NOTEBOOKS]:
                yield info.filename, lambda info=info: archive.read(info) if _small_enough(info.file_size) else b""
    except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError) as error:
        raise Unreadable(f"cannot be read ({' '.join(str(error).split())})") from error


def _small_enough(size: int) -> bool:
    if size > LARGEST_NOTEBOOK:
        raise Unreadable(f"is larger than {LARGEST_NOTEBOOK >> 20} MB: clear its outputs, save it and grade it again")
    return True


def _is_notebook(name: str) -> bool:
    parts = name.split("/")
    return name.endswith(".ipynb") and not any(part.startswith((".", "__MACOSX")) for part in parts)


def _code_cells(content: bytes) -> list[str]:
    try:
        cells = json.loads(content)["cells"]
        texts = [cell["source"] for cell in cells if cell["cell_type"] == "code"]
        return ["".join(text) for text in texts]
    except (ValueError, KeyError, TypeError, RecursionError, MemoryError) as error:
        raise Unreadable("is not a notebook that Jupyter can open") from error


# ---- from cells to statements ----------------------------------------------------------------------------------------


def _answers_in(cells: list[str]) -> dict[str, Any]:
    statements: list[Statement] = []
    checked: dict[str, tuple[str, int]] = {}  # exercise: what is checked, and how many statements come before
    used: dict[str, tuple[str, int]] = {}
    answers: dict[str, Any] = {}
    problems = []
    for number, cell in enumerate(cells, 1):
        try:
            tree = _parse(cell)
            parts = [_statement(node) for node in tree.body]
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            where = f"line {error.lineno}: {error.msg}" if isinstance(error, SyntaxError) else "too deeply nested"
            names = CHECK_IN_TEXT.findall(cell[:100_000])
            answers |= {name: {"problem": f"The cell is not valid Python ({where})."} for name in names}
            problems += [] if names else [f"code cell {number} is not valid Python ({where})"]
            continue
        for node, part in zip(tree.body, parts, strict=True):
            statements.append(part)
            for function, found in (("check", checked), ("use", used)):
                found |= {name: (text, len(statements) - 1) for name, text in _calls(node, function)}
    used = {
        name: call for name, call in used.items() if name not in answers
    }  # the cell that cannot be read had a check
    for name, (text, before) in sorted((used | checked).items(), key=lambda call: call[1][1]):
        source, complete = _definition(text, statements[:before], statements[before:])
        if complete:  # otherwise its cell was deleted, and only what came after it is left
            answers[name] = {"source": source, "expression": text, "suspicions": suspicions(source, text)}
    return {"problems": problems, "answers": answers}


def _parse(cell: str) -> ast.Module:
    """The cell's syntax tree; Jupyter's own commands, as in ``!pip`` and ``%time``, are left out."""
    try:
        return ast.parse(cell)
    except SyntaxError:
        lines = cell.splitlines()
        if lines and lines[0].startswith("%%"):
            lines = lines[1:] if TIMED.match(lines[0]) else []
        return ast.parse("\n".join(LINE_MAGIC.sub(r"\g<indent>pass", line) for line in lines))


def _calls(node: ast.AST, function: str) -> Iterator[tuple[str, str]]:
    """``(exercise, source of the answer)`` for each ``check("exercise", answer)`` in a statement."""
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == function:
            given = [*call.args, *(keyword.value for keyword in call.keywords)]
            if len(given) == 2 and isinstance(given[0], ast.Constant) and isinstance(given[0].value, str):
                yield given[0].value, ast.unparse(given[1])


def _statement(node: ast.stmt) -> Statement:
    source = ast.unparse(node)
    table = symtable.symtable(source, "cell", "exec")
    symbols = table.get_symbols()
    at_once = {symbol.get_name() for symbol in symbols if symbol.is_referenced()}
    binds = {symbol.get_name() for symbol in symbols if symbol.is_assigned() or symbol.is_imported()}
    simple = isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom | ast.Assign | ast.AnnAssign)
    return Statement(
        source,
        frozenset(binds),
        frozenset(_changed(node)),
        frozenset(at_once | _globals_of(table)),
        simple and not binds & at_once,
        isinstance(node, ast.ImportFrom) and node.names[0].name == "*",
    )


def _changed(node: ast.stmt) -> Iterator[str]:
    """The names whose attributes or items a statement sets, as in ``block.forward = …``."""
    for part in ast.walk(node):
        if isinstance(part, ast.Attribute | ast.Subscript) and not isinstance(part.ctx, ast.Load):
            root: ast.expr = part
            while isinstance(root, ast.Attribute | ast.Subscript):
                root = root.value
            if isinstance(root, ast.Name):
                yield root.id


def _globals_of(table: symtable.SymbolTable) -> set[str]:
    """The names that the functions and classes below look up outside themselves, once they run."""
    found = set()
    for child in table.get_children():
        found |= {symbol.get_name() for symbol in child.get_symbols() if symbol.is_global()} | _globals_of(child)
    return found


# ---- what defines an answer ------------------------------------------------------------------------------------------


def _definition(expression: str, before: list[Statement], after: list[Statement]) -> tuple[str, bool]:
    """The statements that an expression depends on, in the notebook's order, and whether what it names is among them.

    Of each name the last definition before the check counts, and what changes it; a definition below it only when there
    is none above.
    """
    chosen = {k for k, statement in enumerate(before) if statement.imports_all}
    named = _statement(ast.Expr(ast.parse(expression, mode="eval").body)).needs
    wanted, seen, bound = [*named], set[str](), set[str]()
    while wanted:
        name = wanted.pop()
        if name in seen:
            continue
        seen.add(name)
        found = [k for k, statement in enumerate(before) if name in statement.binds | statement.changes]
        last = max((k for k in found if name in before[k].binds and before[k].replaces), default=-1)
        new = {k for k in found if k >= last} - chosen
        if not any(name in before[k].binds for k in found):
            below = (k for k, part in enumerate(after, len(before)) if name in part.binds and part.replaces)
            new |= {k for k in [next(below, -1)] if k >= 0} - chosen
        chosen |= new
        wanted += [need for k in new for need in (before + after)[k].needs]
        bound |= {each for k in new for each in (before + after)[k].binds}
    return "\n".join((before + after)[k].source for k in sorted(chosen)), expression not in named - bound

"""Change one small thing in an answer, mechanically: whoever judges answers must notice each change that matters.

A mutation that passes shows a hole in the judge, or leaves the behaviour as it was.
"""

import ast
import copy
import difflib
from collections.abc import Iterator
from typing import Any

OPERATORS: dict[Any, Any] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.Pow: ast.Mult,
    ast.Mod: ast.FloorDiv, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.And: ast.Or, ast.Or: ast.And,
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.GtE, ast.GtE: ast.Lt, ast.Gt: ast.LtE, ast.LtE: ast.Gt,
}  # fmt: skip


def mutants(text: str) -> dict[str, str]:
    """Every mutation of a source text, with the lines that it changes."""
    tree = ast.parse(text)
    before = ast.unparse(tree)
    texts = [ast.unparse(ast.fix_missing_locations(copy.deepcopy(tree))) for _ in _mutations(tree)]
    return {mutant: _difference(before, mutant) for mutant in texts if mutant != before}


def _mutations(tree: ast.Module) -> Iterator[None]:
    """Change one thing in the tree, yield, and put it back: operators, constants, keywords, statements, arguments."""
    for node in list(ast.walk(tree)):
        yield from _operators(node)
        yield from _constants(node)
        for k in range(len(getattr(node, "keywords", []))):
            keywords = node.keywords  # type: ignore[attr-defined]
            yield from _changed(node, "keywords", keywords[:k] + keywords[k + 1 :])
        if isinstance(node, ast.Call) and len(node.args) > 1:
            yield from _changed(node, "args", [node.args[1], node.args[0], *node.args[2:]])
        for block in ("body", "orelse", "finalbody"):
            lines = getattr(node, block, None)
            if isinstance(lines, list) and not isinstance(node, ast.Module | ast.ClassDef):
                for k in [k for k, line in enumerate(lines) if not _is_docstring(line)]:
                    yield from _changed(node, block, [*lines[:k], ast.Pass(), *lines[k + 1 :]])


def _operators(node: ast.AST) -> Iterator[None]:
    for field in ("op", "ops"):
        old = getattr(node, field, None)
        first = old[0] if isinstance(old, list) and old else old
        if type(first) in OPERATORS:
            new = OPERATORS[type(first)]()
            yield from _changed(node, field, [new, *old[1:]] if isinstance(old, list) else new)
    if isinstance(node, ast.UnaryOp):
        yield from _changed(node, "op", ast.UAdd())


def _constants(node: ast.AST) -> Iterator[None]:
    if not isinstance(node, ast.Constant):
        return
    if isinstance(node.value, bool):
        yield from _changed(node, "value", not node.value)
    elif isinstance(node.value, int | float):
        yield from _changed(node, "value", node.value + 1)
        yield from _changed(node, "value", node.value - 1)


def _changed(node: ast.AST, field: str, value: Any) -> Iterator[None]:
    old = getattr(node, field)
    setattr(node, field, value)
    yield
    setattr(node, field, old)


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _difference(before: str, mutant: str) -> str:
    """The lines in which a mutant differs; of a line that is gone, that line."""
    lines = list(difflib.ndiff(before.splitlines(), mutant.splitlines()))
    new, gone = ([line[2:].strip() for line in lines if line.startswith(kind)] for kind in ("+ ", "- "))
    return "; ".join(new) if new and new != ["pass"] else f"without {gone[0]}"

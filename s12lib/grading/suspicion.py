"""Words in an answer that a solution does not need, but an attack on the judge does: a person should look at those.

A list of words stops nobody who means it. It tells a teacher which of the passing answers to read.
"""

import ast
from collections.abc import Iterator

MODULES = {
    "builtins", "ctypes", "faulthandler", "gc", "importlib", "inspect", "linecache", "multiprocessing", "os", "pdb",
    "pickle", "pathlib", "shutil", "signal", "socket", "subprocess", "sys", "tempfile", "threading", "traceback",
    "urllib",
}  # fmt: skip
BUILTINS = {
    "__builtins__", "__import__", "breakpoint", "compile", "delattr", "eval", "exec", "exit", "get_ipython", "globals",
    "locals", "open", "quit", "setattr", "vars",
}  # fmt: skip
ORDINARY = {  # double-underscore names that a right answer may well have
    "__add__", "__call__", "__enter__", "__exit__", "__getitem__", "__init__", "__iter__", "__len__", "__mul__",
    "__name__", "__next__", "__post_init__", "__repr__",
}  # fmt: skip


def suspicions(source: str, expression: str) -> list[str]:
    """What a person should look at in an answer that passes, each in half a sentence; usually nothing."""
    tree = ast.parse(f"{source}\n{expression}")
    imported = {
        (alias.asname or alias.name).partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    return sorted({words for node in ast.walk(tree) for words in _in_node(node, imported)})


def _in_node(node: ast.AST, imported: set[str]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (_import(alias.name) for alias in node.names if _import(alias.name))
    elif isinstance(node, ast.ImportFrom):
        paths = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        yield from (_import(path) for path in paths if _import(path))
    elif isinstance(node, ast.Name) and node.id in BUILTINS:
        yield f"it uses {node.id}"
    elif isinstance(node, ast.Attribute):
        if node.attr.startswith("__") and node.attr not in ORDINARY:
            yield f"it reaches for {node.attr}"
        if node.attr == "exercises" or (node.attr in MODULES and isinstance(node.value, ast.Name)):
            yield f"it reaches for {ast.unparse(node)[:60]}"
        if not isinstance(node.ctx, ast.Load) and _root(node) in imported:
            yield f"it changes {ast.unparse(node)[:60]}, which is not its own"
    elif isinstance(node, ast.FunctionDef) and node.name.startswith("__") and node.name not in ORDINARY:
        yield f"it defines {node.name}"


def _import(path: str) -> str:
    """What is suspicious about an import, or nothing."""
    if path.partition(".")[0] in MODULES or path.startswith(("s12lib.exercises", "s12lib.grading")):
        return f"it imports {path}"
    return ""


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""

"""The order of the house: which part of the package may import which, also inside functions."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "s12lib"
LAYERS = (
    {"errors", "files", "locks", "schemas", "model", "viz"},
    {"data", "results"},
    {"inference", "datamodule"},
    {"classifier", "training"},
    {"weights", "lesson", "exercises"},
    {"explain"},
    {"app", "export", "bench", "grading"},
    {"commands"},
    {"cli"},
)
"""From the ground up: a part imports its own layer and those below it."""
LEVEL = {part: level for level, parts in enumerate(LAYERS) for part in parts}
MODULES = sorted(PACKAGE.rglob("*.py"))


def dotted(path: Path) -> str:
    """A module's name below ``s12lib``; a package's own for its ``__init__``."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


NAMES = {dotted(path) for path in MODULES}


def imports(path: Path) -> set[str]:
    """The package's modules that a file imports anywhere, for type checkers only too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("s12lib"):
            module = (node.module or "").removeprefix("s12lib").removeprefix(".")
            for name in node.names:
                inner = f"{module}.{name.name}".removeprefix(".")
                found.add(inner if inner in NAMES else module)
        elif isinstance(node, ast.Import):
            found |= {name.name.removeprefix("s12lib.") for name in node.names if name.name.startswith("s12lib.")}
    return found


def test_every_part_has_its_layer():
    assert {dotted(path).split(".")[0] for path in MODULES if path.name != "__init__.py" or path.parent != PACKAGE} == (
        LEVEL.keys()
    )


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_a_module_imports_its_own_layer_and_those_below(path):
    own = dotted(path).split(".")[0]
    if own in LEVEL:
        upwards = {name for name in imports(path) if LEVEL[name.split(".")[0]] > LEVEL[own]}
        assert not upwards, f"{dotted(path)} imports {', '.join(sorted(upwards))} from a layer above"


def test_no_two_modules_import_each_other_in_a_circle():
    graph = {dotted(path): imports(path) - {dotted(path)} for path in MODULES if dotted(path)}
    while leaves := {name for name, needed in graph.items() if not needed & graph.keys()}:
        graph = {name: needed for name, needed in graph.items() if name not in leaves}
    assert not graph, f"these import each other in a circle: {', '.join(sorted(graph))}"


def test_an_upward_import_would_be_seen_also_inside_a_function(tmp_path):
    module = tmp_path / "late.py"
    module.write_text("def late():\n    from s12lib.cli import main\n    import s12lib.app.page\n")
    assert imports(module) == {"cli", "app.page"}

"""The lessons, and what their cells put out, read from executed notebooks."""

import importlib.util
import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from types import ModuleType

import nbformat
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted((ROOT / "lessons").glob("[0-9]*.py"))
NOT_RESHAPED = tomllib.loads((ROOT / "lessons/ruff.toml").read_text("utf-8"))["format"]["exclude"]


def reshaped(source: Path) -> bool:
    """Whether a lesson has the format of lessons/README.md, which tests/test_lesson_format.py asks for."""
    return not any(fnmatch(source.name, pattern) for pattern in NOT_RESHAPED)


def notebook(source: Path) -> NotebookNode:
    """A lesson's stored notebook."""
    return nbformat.read(source.with_suffix(".ipynb"), as_version=4)


def prose(source: Path) -> str:
    """Its Markdown, with the values filled in."""
    return "\n\n".join(cell.source for cell in notebook(source).cells if cell.cell_type == "markdown")


def load_build_script() -> ModuleType:
    """``lessons/build.py``, which makes the notebooks and belongs to no package."""
    spec = importlib.util.spec_from_file_location("build", ROOT / "lessons" / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


build = load_build_script()


def code_of(notebook: NotebookNode) -> list[NotebookNode]:
    """The code cells."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def printed(cell: NotebookNode) -> str:
    """What a cell prints or shows as text; the text that stands in for a figure is none."""
    texts = [output.get("text", "") for output in cell.outputs]
    for data in (output.get("data", {}) for output in cell.outputs if "image/png" not in output.get("data", {})):
        texts += [data.get("text/plain", ""), data.get("text/markdown", "")]
    return "".join(texts)


def assert_it_ran_on_shapes_and_says_so(notebook: NotebookNode) -> None:
    """A lesson that went on without CIFAR-10 says so at its top and in every caption, but for recorded runs."""
    assert "CIFAR-10 IS NOT HERE" in printed(code_of(notebook)[0])
    for cell in code_of(notebook):
        for image in build.images_of(cell):
            alt = image.metadata["image/png"]["alt"]
            worth = "load_worth()" in cell.source and "fast on CIFAR-10, 10,000 training images" in alt
            recorded = "load_curve()" in cell.source and "CIFAR-10, recipe page24, all 50,000 training images" in alt
            assert worth or recorded or re.search("Shapes|letters|no dataset", alt), alt

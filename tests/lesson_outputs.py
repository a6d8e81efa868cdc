"""What the lessons' cells put out, read from executed notebooks."""

import importlib.util
from pathlib import Path
from types import ModuleType

from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent


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

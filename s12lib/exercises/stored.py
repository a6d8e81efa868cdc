"""Read the verdicts that are stored in a notebook's outputs. Nothing of the notebook is run."""

import ast
import json
import re
from pathlib import Path
from typing import Any

from s12lib.errors import CourseError, reason
from s12lib.exercises.showing import VERDICT, Checked

WORDS = re.compile(r"^(PASS|TRY AGAIN|TO DO): (\w+)\. (.*)", re.S)  # as an older notebook has them, or a terminal


class NotebookError(CourseError):
    """A file that is no notebook."""


def verdicts(path: Path) -> list[Checked]:
    """Each exercise of a notebook and its last verdict, in order; one that has no output is TO DO.

    Raises ``NotebookError`` when the file cannot be read as a notebook.
    """
    found: dict[str, Checked] = {}
    for cell in _cells(path):
        for name in _checks("".join(cell.get("source", ""))):
            found[name] = Checked(name, "TO DO", "not run yet")
        for output in cell.get("outputs", []):
            if (checked := _verdict(output)) is not None and checked.exercise in found:
                found[checked.exercise] = checked
    return list(found.values())


def _cells(path: Path) -> list[dict[str, Any]]:
    try:
        content = json.loads(path.read_text("utf-8"))
        cells = [cell for cell in content["cells"] if cell["cell_type"] == "code"]
    except OSError as error:
        raise NotebookError(f"{path} cannot be read: {reason(error)}.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise NotebookError(f"{path} is not a Jupyter notebook (a .ipynb file of version 4).") from error
    return cells


def _checks(source: str) -> list[str]:
    """The exercises that a cell checks: ``check("name", answer)``, also in a cell that holds an error."""
    try:
        calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    except SyntaxError:
        return re.findall(r'^check\(\s*["\'](\w+)["\']', source, re.M)
    return [
        call.args[0].value
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id == "check" and len(call.args) == 2
        if isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, str)
    ]


def _verdict(output: Any) -> Checked | None:
    """The verdict in an output: its data where there are any, else its words."""
    if not isinstance(output, dict):
        return None
    data = output.get("data") or {}
    stored = data.get(VERDICT)
    if isinstance(stored, dict) and {"exercise", "status"} <= stored.keys():
        return Checked(str(stored["exercise"]), str(stored["status"]), str(stored.get("words", "")))
    text = "".join(output.get("text") or data.get("text/plain") or "")
    words = WORDS.match(text)
    return Checked(words[2], words[1], " ".join(words[3].split())) if words else None

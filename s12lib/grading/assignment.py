"""Make an assignment of a lesson: the same notebook without hints, solutions and outputs; the checks stay."""

import json
import re
from pathlib import Path
from typing import Any

from s12lib.errors import CourseError, reason
from s12lib.files import atomic_write, beside

GIVEN_AWAY = re.compile(r"<details[^>]*>\s*<summary>[^<]*\b(?:hint|solution)\b.*?</details>\s*", re.S | re.I)
BADGE = re.compile(r"\[!\[Open in Colab\][^\n]*\n*")  # it would open the lesson with its solutions
RELATIVE_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\((?![a-z]+:|#)[^)]*\)")  # to what does not lie beside the assignment


class AssignmentError(CourseError):
    """The file is no lesson; the message is one sentence for people."""


def make_assignment(lesson: Path, folder: Path) -> Path:
    """Write ``folder/NAME.ipynb`` from a lesson's notebook, and return its path.

    ``lesson`` is a notebook or, in the course's own folder, its name, as in ``01_data``. Raises AssignmentError when it
    is no notebook, holds no exercise, or is the file that would be written.
    """
    if not lesson.suffix:
        lesson = Path("lessons") / f"{lesson.name}.ipynb"
    if not lesson.exists():
        raise AssignmentError(f"{lesson} is not there: run this in the course's folder, or write out the path to it.")
    try:
        notebook = json.loads(lesson.read_text("utf-8"))
        cells = [cell | {"source": "".join(cell["source"])} for cell in notebook["cells"]]
    except OSError as error:
        raise AssignmentError(f"{lesson} cannot be read: {reason(error)}{beside(lesson)}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise AssignmentError(f"{lesson} is not a notebook: name a lesson, as in lessons/01_data.ipynb.") from error
    if not any(cell["cell_type"] == "code" and re.search(r"^check\(", cell["source"], re.M) for cell in cells):
        raise AssignmentError(f"{lesson} holds no exercise, so there is nothing to assign.")
    out = folder / lesson.name
    if out.resolve() == lesson.resolve():
        raise AssignmentError(f"{out} is the lesson itself: name another folder with --out.")
    notebook["cells"] = [cell for cell in map(_without_answers, cells) if cell["source"].strip()]
    atomic_write(out, (json.dumps(notebook, indent=1, ensure_ascii=False) + "\n").encode())
    return out


def _without_answers(cell: dict[str, Any]) -> dict[str, Any]:
    if cell["cell_type"] == "code":
        return cell | {"outputs": [], "execution_count": None, "metadata": {}}
    if cell["cell_type"] != "markdown":
        return cell
    text = BADGE.sub("", GIVEN_AWAY.sub("", cell["source"]))
    return cell | {"source": RELATIVE_LINK.sub(r"\1", text)}

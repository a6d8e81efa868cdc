"""Make each lesson's notebook, with its outputs, from the .py file beside it: ``make lessons``.

``lessons/README.md`` says what a lesson's source may hold. Here a source becomes a notebook:

- ``{{expression:format}}`` in prose is computed in the running kernel, after the cell above it (a guess that is asked
  for: after the next cell tagged ``reveal``), and written into the text; the values are kept in the cell's metadata.
- A cell tagged ``hide-input`` begins with ``# @title Words``: Colab, JupyterLab and the book fold it under these words.
- Alt text goes from each figure's output into its cell's metadata, where the book looks for it. The figure of a cell
  that is tagged ``goal`` is saved as ``images/NN_name.png``, the picture at the lesson's top. The notebook holds that
  picture itself: in Colab no other file lies beside it.

``--text FILE...`` executes nothing: it takes over changed prose, and the outputs from the notebook as it is.
``--check`` executes nothing and names the notebooks that are not made from the source beside them.
"""

import argparse
import ast
import base64
import json
import platform
import re
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import jupytext
import nbclient
from nbformat import NotebookNode, read, v4, write

METADATA = {
    "jupytext": {
        "cell_metadata_filter": "tags,-all",
        "formats": "ipynb,py:percent",
    },
    "kernelspec": {
        "display_name": "Python 3",
        "language": "python",
        "name": "python3",
    },
    "language_info": {"name": "python"},
}
VALUE = re.compile(r"\{\{(?P<expression>.+?)(?::(?P<form>[^\[\](){}'\":]*))?\}\}", re.S)
TITLE = re.compile(r"# @title (?P<words>.+)\n")
GUESS = re.compile(r"<!-- *guess:")


def read_source(path: Path) -> NotebookNode:
    """The notebook that a lesson's .py file stands for: no outputs, no values yet, and the same ids every time."""
    cells = []
    for k, cell in enumerate(jupytext.read(path).cells):
        new = v4.new_code_cell if cell.cell_type == "code" else v4.new_markdown_cell
        text = cell.source if cell.cell_type == "code" else with_pictures(cell.source, path.parent)
        tags = cell.metadata.get("tags", [])
        metadata = ({"tags": tags} if tags else {}) | (folding(text) if "hide-input" in tags else {})
        cells.append(new(text, id=f"cell-{k:02d}", metadata=metadata))
    return v4.new_notebook(cells=cells, metadata=METADATA)


def folding(code: str) -> dict[str, object]:
    """The metadata by which Colab, JupyterLab and the book fold a cell. Raises ValueError if it has no title."""
    title = TITLE.match(code)
    if title is None:
        raise ValueError(f"a cell tagged hide-input must begin with a line `# @title Words`:\n{code}")
    words = f"Code: {title['words']}"
    prompts = {"code_prompt_show": words, "code_prompt_hide": words}
    return {
        "cellView": "form",
        "jupyter": {"source_hidden": True},
        "mystnb": prompts,
    }


def with_pictures(text: str, folder: Path) -> str:
    """Markdown whose links to pictures in ``images/`` are replaced by the pictures themselves, where they exist."""

    def content(link: re.Match[str]) -> str:
        picture = folder / link["picture"]
        if not picture.exists():  # before the lesson's first execution
            return link[0]
        alt = " ".join(link["alt"].split())  # the book would drop its line breaks
        return f"![{alt}](data:image/png;base64,{base64.b64encode(picture.read_bytes()).decode()})"

    return re.sub(
        r"!\[(?P<alt>[^\]]*)\]\((?P<picture>images/\w+\.png)\)",
        content,
        text,
    )


# ---- values in prose -------------------------------------------------------------------------------------------------


def expressions(text: str) -> list[str]:
    """What stands between double braces, in order."""
    return [found[0] for found in VALUE.finditer(text)]


def fill(cell: NotebookNode, values: dict[str, str]) -> str:
    """A cell's text, with each ``{{expression:format}}`` of prose replaced. Raises KeyError for one without value."""
    return VALUE.sub(lambda found: values[found[0]], cell.source) if cell.cell_type == "markdown" else cell.source


def evaluate(client: nbclient.NotebookClient, text: str) -> dict[str, str]:
    """The values of a text's expressions in the kernel as it is now. Raises ValueError where one cannot be computed."""
    wanted = {
        found[0]: f"format({found['expression']}, {(found['form'] or '').strip()!r})" for found in VALUE.finditer(text)
    }
    if not wanted:
        return {}
    message = client.kc.execute("", silent=True, user_expressions=wanted)
    reply = client.wait_for_reply(message)
    values = {}
    for name, result in reply["content"]["user_expressions"].items():
        if result["status"] != "ok":
            raise ValueError(f"{name} cannot be computed: {result['ename']}: {result['evalue']}")
        values[name] = ast.literal_eval(result["data"]["text/plain"])
    return values


def execute(notebook: NotebookNode, folder: Path) -> None:
    """Run the code cells in order, and fill in the values of each text on the way."""
    settings = {
        "timeout": 3600,
        "record_timing": False,
        "coalesce_streams": True,
    }
    client = nbclient.NotebookClient(notebook, resources={"metadata": {"path": str(folder)}}, **settings)
    guesses: list[NotebookNode] = []
    with client.setup_kernel():
        for k, cell in enumerate(notebook.cells):
            due = []
            if cell.cell_type == "code":
                client.execute_cell(cell, k, execution_count=client.code_cells_executed + 1)
                if "reveal" in cell.metadata.get("tags", []):
                    due, guesses = guesses, []
            elif GUESS.search(cell.source):
                guesses.append(cell)
            else:
                due = [cell]
            for text in due:
                if values := evaluate(client, text.source):
                    text.metadata["values"] = values
                    text.source = fill(text, values)
    if guesses:
        raise ValueError(f"no cell tagged reveal follows this guess:\n{guesses[0].source}")


# ---- figures ---------------------------------------------------------------------------------------------------------


def images_of(cell: NotebookNode) -> list[NotebookNode]:
    """The outputs of a cell that are pictures."""
    return [output for output in cell.get("outputs", []) if "image/png" in output.get("data", {})]


def describe(cell: NotebookNode) -> None:
    """Put what a figure tells of itself where the book looks for it. Raises ValueError for one without alt text."""
    for output in images_of(cell):
        told = output.metadata.get("image/png", {})
        if not told.get("alt"):
            raise ValueError(f"a figure without alt text: draw it with viz.show, in\n{cell.source}")
        image = {"alt": told["alt"], "width": f"{told['width']}px"}
        cell.metadata["mystnb"] = dict(cell.metadata.get("mystnb", {}), image=image)
        if "images" in told:
            cell.metadata["images"] = told["images"]


# ---- the notebook ----------------------------------------------------------------------------------------------------


def in_step(path: Path) -> bool:
    """Whether a lesson's notebook holds the very cells of its .py file, with the values that it keeps filled in."""
    stored, expected = (
        read(path.with_suffix(".ipynb"), as_version=4).cells,
        read_source(path).cells,
    )
    values = [cell.metadata.get("values", {}) for cell in stored]
    try:
        for cell, known in zip(expected, values, strict=True):
            cell.source = fill(cell, known)
    except (
        KeyError,
        ValueError,
    ):  # an expression without a value, or another number of cells
        return False
    made, kept = (
        [
            (
                cell.cell_type,
                cell.source,
                cell.metadata.get("tags"),
                cell.id,
            )
            for cell in cells
        ]
        for cells in (expected, stored)
    )
    return made == kept


def build(path: Path) -> None:
    """Execute one lesson and write its notebook; an error in a cell leaves the old one as it is."""
    notebook = read_source(path)
    execute(notebook, path.parent)
    for cell in notebook.cells:
        describe(cell)
        if "goal" in cell.metadata.get("tags", []):
            picture = path.parent / "images" / f"{path.stem}.png"
            picture.parent.mkdir(exist_ok=True)
            picture.write_bytes(base64.b64decode(images_of(cell)[0].data["image/png"]))
    for cell, fresh in zip(notebook.cells, read_source(path).cells, strict=True):
        cell.source = fill(fresh, cell.metadata.get("values", {}))  # with the new picture at the top
    keep(notebook, path)
    record(path)


def take_over_text(path: Path) -> None:
    """Write the notebook anew from changed prose and the outputs that it has. Raises ValueError when code changed."""
    notebook, stored = (
        read_source(path),
        read(path.with_suffix(".ipynb"), as_version=4),
    )
    new, old = ([cell for cell in each.cells if cell.cell_type == "code"] for each in (notebook, stored))
    if [cell.source for cell in new] != [cell.source for cell in old]:
        raise ValueError(f"{path.name} has other code than its notebook: execute it, lessons/build.py {path.name}")
    for cell, executed in zip(new, old, strict=True):
        cell.outputs, cell.execution_count = (
            executed.outputs,
            executed.execution_count,
        )
        describe(cell)
    known = {name: value for cell in stored.cells for name, value in cell.metadata.get("values", {}).items()}
    for cell in notebook.cells:
        names = expressions(cell.source) if cell.cell_type == "markdown" else []
        if unknown := [name for name in names if name not in known]:
            raise ValueError(f"{unknown[0]} is new: execute the lesson, lessons/build.py {path.name}")
        if names:
            cell.metadata["values"] = {name: known[name] for name in names}
            cell.source = fill(cell, known)
    keep(notebook, path)


def keep(notebook: NotebookNode, path: Path) -> None:
    notebook.metadata = METADATA  # without the executing Python's version
    write(notebook, path.with_suffix(".ipynb"))
    print(
        path.with_suffix(".ipynb"),
        f"{path.with_suffix('.ipynb').stat().st_size / 1e6:.2f} MB",
    )


def record(path: Path) -> None:
    """Note in ``status.json`` when the lesson was executed, and with which versions: book/status.md shows it."""
    status = path.parent / "status.json"
    runs = json.loads(status.read_text("utf-8")) if status.exists() else {}
    versions = {name: version(name) for name in ("torch", "torchvision", "pytorch-lightning", "numpy")}
    runs[path.stem] = {"executed": f"{datetime.now(UTC):%Y-%m-%d}", "Python": platform.python_version()} | versions
    status.write_text(json.dumps(dict(sorted(runs.items())), indent=1) + "\n", "utf-8")


def check() -> None:
    """Exit with status 1 and the names of the notebooks that are out of step, if there are any."""
    stale = [path for path in sorted(Path(__file__).parent.glob("[0-9]*.py")) if not in_step(path)]
    if stale:
        sys.exit(f"Not made from the source beside it: {' '.join(path.stem for path in stale)}. Run: make lessons")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("lessons", nargs="*", type=Path, metavar="FILE", help="lessons' sources, such as 01_data.py")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--text", action="store_true", help="take over changed prose, and execute nothing")
    how.add_argument("--check", action="store_true", help="name the notebooks that are out of step, of all lessons")
    asked = parser.parse_args()
    if missing := [str(path) for path in asked.lessons if path.suffix != ".py" or not path.is_file()]:
        parser.error(f"not a lesson's source: {', '.join(missing)}")
    if asked.check:
        check()
    for path in asked.lessons:
        (take_over_text if asked.text else build)(path.resolve())

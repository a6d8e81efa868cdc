"""Make each lesson's notebook, with its outputs, from the .py file beside it: ``make lessons``.

``--check`` executes nothing and names the notebooks that are not made from the source beside them.

Alt text goes from each figure's output into its cell's metadata, where the book looks for it. The figure of a cell that
is tagged ``goal`` is saved as ``images/NN_name.png``, the picture at the lesson's top. The notebook holds that picture
itself: in Colab no other file lies beside it.
"""

import base64
import re
import sys
from pathlib import Path

import jupytext
import nbclient
from nbformat import NotebookNode, read, v4, write

METADATA = {
    "jupytext": {"cell_metadata_filter": "tags,-all", "formats": "ipynb,py:percent"},
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def read_source(path: Path) -> NotebookNode:
    """The notebook that a lesson's .py file stands for: no outputs, and the same ids every time."""
    cells = []
    for k, cell in enumerate(jupytext.read(path).cells):
        new = v4.new_code_cell if cell.cell_type == "code" else v4.new_markdown_cell
        text = cell.source if cell.cell_type == "code" else with_pictures(cell.source, path.parent)
        metadata = {"tags": cell.metadata["tags"]} if cell.metadata.get("tags") else {}
        cells.append(new(text, id=f"cell-{k:02d}", metadata=metadata))
    return v4.new_notebook(cells=cells, metadata=METADATA)


def with_pictures(text: str, folder: Path) -> str:
    """Markdown whose links to pictures in ``images/`` are replaced by the pictures themselves, where they exist."""

    def content(link: re.Match[str]) -> str:
        picture = folder / link["picture"]
        if not picture.exists():  # before the lesson's first execution
            return link[0]
        alt = " ".join(link["alt"].split())  # the book would drop its line breaks
        return f"![{alt}](data:image/png;base64,{base64.b64encode(picture.read_bytes()).decode()})"

    return re.sub(r"!\[(?P<alt>[^\]]*)\]\((?P<picture>images/\w+\.png)\)", content, text)


def images_of(cell: NotebookNode) -> list[NotebookNode]:
    """The outputs of a cell that are pictures."""
    return [output for output in cell.get("outputs", []) if "image/png" in output.get("data", {})]


def describe(cell: NotebookNode) -> None:
    """Put the alt text and width of a cell's figure where the book looks for them. Raises ValueError without one."""
    for output in images_of(cell):
        told = output.metadata.get("image/png", {})
        if not told.get("alt"):
            raise ValueError(f"a figure without alt text: draw it with viz.show, in\n{cell.source}")
        cell.metadata["mystnb"] = {"image": {"alt": told["alt"], "width": f"{told['width']}px"}}


def in_step(path: Path) -> bool:
    """Whether a lesson's notebook holds the very cells of its .py file."""
    stored, expected = (
        [(cell.cell_type, cell.source, cell.metadata.get("tags"), cell.id) for cell in notebook.cells]
        for notebook in (read(path.with_suffix(".ipynb"), as_version=4), read_source(path))
    )
    return stored == expected


def build(path: Path) -> None:
    """Execute one lesson and write its notebook; an error in a cell leaves the old one as it is."""
    notebook = read_source(path)
    resources = {"metadata": {"path": str(path.parent)}}
    settings = {"timeout": 3600, "record_timing": False, "coalesce_streams": True}
    nbclient.NotebookClient(notebook, resources=resources, **settings).execute()
    for cell in notebook.cells:
        describe(cell)
        if "goal" in cell.metadata.get("tags", []):
            picture = path.parent / "images" / f"{path.stem}.png"
            picture.parent.mkdir(exist_ok=True)
            picture.write_bytes(base64.b64decode(images_of(cell)[0].data["image/png"]))
    for cell, fresh in zip(notebook.cells, read_source(path).cells, strict=True):
        cell.source = fresh.source  # with the new picture at the top
    notebook.metadata = METADATA  # without the executing Python's version
    write(notebook, path.with_suffix(".ipynb"))
    print(path.with_suffix(".ipynb"), f"{path.with_suffix('.ipynb').stat().st_size / 1e6:.2f} MB")


def check() -> None:
    """Exit with status 1 and the names of the notebooks that are out of step, if there are any."""
    stale = [path for path in sorted(Path(__file__).parent.glob("[0-9]*.py")) if not in_step(path)]
    if stale:
        sys.exit(f"Not made from the source beside it: {' '.join(path.stem for path in stale)}. Run: make lessons")


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        check()
    else:
        for name in sys.argv[1:]:
            build(Path(name).resolve())

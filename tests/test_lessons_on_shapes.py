"""Each lesson where CIFAR-10 is not available: it runs from top to bottom on Shapes, in the short profile.

Where CIFAR-10 is there, the lessons are compared with their stored outputs instead, and test_colab runs them on Shapes.
"""

import os
from pathlib import Path

import nbclient
import nbformat
import pytest
from lesson_outputs import assert_it_ran_on_shapes_and_says_so

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "lessons").glob("[0-9]*.ipynb"))
CIFAR10 = Path(os.environ.get("S12_DATA_DIR") or ROOT / "data") / "cifar10.npz"
HANGING = 1800  # seconds that no cell takes, however busy the machine


@pytest.mark.skipif(CIFAR10.exists(), reason="lessons on Shapes (make test-slow)")
@pytest.mark.parametrize("path", [pytest.param(p, marks=pytest.mark.xdist_group(p.stem), id=p.stem) for p in NOTEBOOKS])
def test_lesson_runs_without_cifar10(path, tmp_path, monkeypatch):
    monkeypatch.setenv("S12_PROFILE", "smoke")
    monkeypatch.setenv("S12_DATA_DIR", str(path / "data"))  # below a file: nothing is there, and nothing can be fetched
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, resources=resources, timeout=HANGING, startup_timeout=HANGING).execute()
    assert_it_ran_on_shapes_and_says_so(notebook)

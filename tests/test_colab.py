"""Each lesson as Colab runs it: an empty folder, an environment with torch but without the project, no repository.

Only the address is exchanged: the set-up cell installs a wheel built from this tree instead of one from the repository.
The first lesson runs on CIFAR-10 and then, like all others, without data and a way to it: on Shapes, and in a folder
that behaves like a mounted drive, where there are no locks and no links.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
import yaml
from lesson_outputs import assert_it_ran_on_shapes_and_says_so

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "lessons").glob("[0-9]*.ipynb"))
ADDRESS = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))["repository"]["url"]
BIN = "Scripts" if os.name == "nt" else "bin"
FREEZE = Path(__file__).with_name("colab_freeze.txt")
UV = shutil.which("uv", path=str(Path(sys.executable).parent))

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("colab"),  # one worker, one environment
    pytest.mark.skipif(UV is None, reason="as Colab runs the lessons (pip install uv)"),
]


def call(*command: object, **settings) -> str:
    """What a command prints; when it fails, what it said is the test's message."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, **settings)
    assert done.returncode == 0, f"{command[0]} failed:\n{done.stdout[-2000:]}\n{done.stderr[-6000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The package as a wheel, built from a copy so that nothing is left behind in the tree."""
    copy, out = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    shutil.copytree(ROOT / "s12lib", copy / "s12lib", ignore=shutil.ignore_patterns("__pycache__"))
    call(UV, "build", "--wheel", "--no-build-isolation", "--python", sys.executable, "--out-dir", out, copy)
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def colab(tmp_path_factory) -> Path:
    """The folder of a fresh environment with what Colab has, as far as the lessons need it: torch and Jupyter."""
    folder = tmp_path_factory.mktemp("colab")
    # Colab's versions where known, else the tested ones. pip adds what is missing, within the lock's other pins.
    theirs = [line for line in FREEZE.read_text("utf-8").splitlines() if not line.startswith("#")]
    known = {line.partition("==")[0] for line in theirs}
    lock = (ROOT / "requirements.lock").read_text("utf-8").splitlines()
    ours = [line.removesuffix(" \\") for line in lock if line[:1].isalnum()]
    pins = theirs + [pin for pin in ours if pin.partition("==")[0] not in known]
    (folder / "pins.txt").write_text("\n".join(pins))
    (folder / "others.txt").write_text("\n".join(pin for pin in pins if not re.match(r"torch|triton|nvidia|cuda", pin)))
    environment = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
    call(UV, "venv", "--seed", "--python", sys.executable, folder / "env", env=environment)
    python = folder / "env" / BIN / "python"
    has = ("torch", "torchvision", "ipykernel", "nbclient", *theirs)
    call(UV, "pip", "install", "--python", python, "--constraint", folder / "pins.txt", *has, env=environment)
    (packages,) = (folder / "env").glob("**/site-packages")
    shutil.copy(Path(__file__).with_name("like_a_drive.py"), packages)
    (packages / "like_a_drive.pth").write_text('import os; "S12_DRIVE" in os.environ and __import__("like_a_drive")')
    return folder


@pytest.fixture(scope="module")
def run_all(colab, wheel) -> Callable[..., nbformat.NotebookNode]:
    """Runs a notebook there from top to bottom, as Colab's "Run all" does, in the smoke profile."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL", "JUPY"))}
    path = os.pathsep.join([str(colab / "env" / BIN), os.environ["PATH"]])
    settings = {"HOME": str(colab), "S12_PROFILE": "smoke", "PIP_CONSTRAINT": str(colab / "others.txt"), "PATH": path}

    def run(notebook: Path, folder: Path, **more: str) -> nbformat.NotebookNode:
        text = notebook.read_text("utf-8")
        assert f"git+{ADDRESS}" in text
        (folder / notebook.name).write_text(text.replace(f"git+{ADDRESS}", wheel.as_uri()), "utf-8")
        command = (colab / "env" / BIN / "jupyter-execute", "--inplace", notebook.name)
        call(*command, cwd=folder, env=inherited | settings | more)
        return nbformat.read(folder / notebook.name, as_version=4)

    return run


@dataclass(frozen=True)
class Versions:
    """What the environment holds: versions, "none" for a package that is missing, and when torch was installed."""

    course: str
    torch: str
    torch_since: int

    @classmethod
    def of(cls, environment: Path) -> "Versions":
        (record,) = environment.glob("**/torch-*.dist-info/RECORD")
        script = (
            "from importlib.metadata import distributions\n"
            "versions = {found.name: found.version for found in distributions()}\n"
            "print(versions.get('s12lib', 'none'), versions['torch'])"
        )
        return cls(*call(environment / BIN / "python", "-I", "-c", script).split(), record.stat().st_mtime_ns)


@pytest.fixture(scope="module")
def before_and_after(colab, run_all, tmp_path_factory) -> tuple[Versions, Versions]:
    """The environment before and after the first lesson, which installs the course; on CIFAR-10 where it is."""
    own_data = Path(os.environ.get("S12_DATA_DIR") or ROOT / "data").resolve()
    data = {"S12_DATA_DIR": str(own_data)} if (own_data / "cifar10.npz").exists() else {}
    before = Versions.of(colab / "env")
    run_all(NOTEBOOKS[0], tmp_path_factory.mktemp("first"), **data)
    return before, Versions.of(colab / "env")


def test_the_first_cell_installs_the_course_and_leaves_torch_alone(before_and_after):
    before, after = before_and_after
    assert before.course == "none"
    assert after.course != "none"
    assert (after.torch, after.torch_since) == (before.torch, before.torch_since), "not even installed anew"


@pytest.mark.usefixtures("before_and_after")
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_without_repository_and_data_a_lesson_runs_and_every_caption_says_shapes(notebook, run_all, tmp_path):
    no_folder = tmp_path / notebook.name / "data"  # below a file: nothing is there and nothing can be downloaded to it
    drive = {"S12_DRIVE": str(tmp_path)} if sys.platform == "linux" else {}
    made = run_all(notebook, tmp_path, S12_DATA_DIR=str(no_folder), **drive)
    assert_it_ran_on_shapes_and_says_so(made)

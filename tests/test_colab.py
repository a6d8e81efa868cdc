"""Each lesson as Colab runs it: an empty folder, an environment with torch but without the project, no repository.

Only the address is exchanged: the set-up cell installs a wheel built from this tree instead of one from the repository.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "lessons").glob("[0-9]*.ipynb"))
ADDRESS = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))["repository"]["url"]
BIN = "Scripts" if os.name == "nt" else "bin"
UV = shutil.which("uv", path=str(Path(sys.executable).parent))

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("colab"),  # one worker, one environment
    pytest.mark.timeout(1800),
    pytest.mark.skipif(UV is None, reason="NOT CHECKED AS COLAB RUNS THEM: uv is not in this environment"),
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
    # Colab's own versions change; these are the tested ones. pip adds what is missing, within the lock's other pins.
    lock = (ROOT / "requirements.lock").read_text("utf-8").splitlines()
    pins = [line.removesuffix(" \\") for line in lock if line[:1].isalnum()]
    (folder / "pins.txt").write_text("\n".join(pins))
    (folder / "others.txt").write_text("\n".join(pin for pin in pins if not re.match(r"torch|triton|nvidia|cuda", pin)))
    environment = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
    call(UV, "venv", "--seed", "--python", sys.executable, folder / "env", env=environment)
    python = folder / "env" / BIN / "python"
    has = ("torch", "torchvision", "ipykernel", "nbclient")
    call(UV, "pip", "install", "--python", python, "--constraint", folder / "pins.txt", *has, env=environment)
    return folder


@pytest.fixture(scope="module")
def run_all(colab, wheel) -> Callable[[Path], None]:
    """Runs a notebook there from top to bottom, as Colab's "Run all" does, in the smoke profile."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL", "JUPY"))}
    own_data = Path(os.environ.get("S12_DATA_DIR") or ROOT / "data").resolve()
    path = os.pathsep.join([str(colab / "env" / BIN), os.environ["PATH"]])
    data = {"S12_DATA_DIR": str(own_data)} if (own_data / "cifar10.npz").exists() else {}
    settings = {"HOME": str(colab), "S12_PROFILE": "smoke", "PIP_CONSTRAINT": str(colab / "others.txt"), "PATH": path}

    def run(notebook: Path) -> None:
        folder = colab / notebook.stem
        folder.mkdir()
        text = notebook.read_text("utf-8")
        assert f"git+{ADDRESS}" in text
        (folder / notebook.name).write_text(text.replace(f"git+{ADDRESS}", wheel.as_uri()), "utf-8")
        call(colab / "env" / BIN / "jupyter-execute", notebook.name, cwd=folder, env=inherited | data | settings)

    return run


def version_of(package: str, colab: Path) -> str:
    """A package's version in that environment, or "none"."""
    script = (
        "import importlib.metadata as m, sys\n"
        "try: print(m.version(sys.argv[1]))\n"
        "except m.PackageNotFoundError: print('none')"
    )
    return call(colab / "env" / BIN / "python", "-I", "-c", script, package).strip()


def test_the_first_cell_installs_the_course_and_leaves_torch_alone(colab, run_all):
    (record,) = (colab / "env").glob("**/torch-*.dist-info/RECORD")
    before = version_of("torch", colab), record.stat().st_mtime_ns
    assert version_of("s12lib", colab) == "none"
    run_all(NOTEBOOKS[0])
    assert version_of("s12lib", colab) != "none"
    assert (version_of("torch", colab), record.stat().st_mtime_ns) == before, "not even installed anew"


@pytest.mark.parametrize("notebook", NOTEBOOKS[1:], ids=lambda path: path.stem)
def test_lesson_runs_from_top_to_bottom_without_the_repository(notebook, run_all):
    run_all(notebook)

"""The Space is complete: pinned, described, and it starts where there is nothing but its own folder."""

import os
import shutil
import socket
import subprocess
import sys
import time
from fnmatch import fnmatch
from pathlib import Path

import matplotlib
import pytest
from huggingface_hub import SpaceCardData
from packaging.requirements import Requirement

from s12lib import CLASSES, load_card, load_pretrained, predict
from s12lib.cli import main
from s12lib.data.image_files import read_image
from s12lib.export import space
from s12lib.export.space import CHECKOUT, CPU_WHEELS, NEEDED, SpaceError, front_matter, write_space
from s12lib.weights.pretrained import WEIGHTS_DIR

pytestmark = pytest.mark.xdist_group("space")  # one worker: the Space is made once

PATIENCE = 1200  # seconds for the first start: nothing is compiled yet, and a test machine may be busy
PHOTO = Path(matplotlib.__file__).parent / "mpl-data" / "sample_data" / "grace_hopper.jpg"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("spaces") / "mine"
    write_space(folder)
    return folder


def tree(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_readme_tells_the_hub_how_to_start_it(made):
    settings = front_matter(made / "README.md")
    lock = (CHECKOUT / "requirements.lock").read_text()
    assert settings["sdk"] == "gradio"
    assert f"\ngradio=={settings['sdk_version']} " in lock
    assert (made / settings["app_file"]).is_file()
    assert settings["license"] == "mit"
    assert settings["python_version"] == "3.11"
    known = SpaceCardData(**settings)  # the Hub's own library, as far as it knows what a Space may say
    assert known.to_dict().items() >= settings.items()
    assert len(settings["short_description"]) <= 60  # what the Hub shows of it
    assert f"{load_card()['test_accuracy']:.2%}" in (made / "README.md").read_text("utf-8")


def test_its_requirements_are_the_locks_and_pytorch_comes_without_what_gpus_need(made):
    first, *lines = (made / "requirements.txt").read_text().splitlines()
    assert first == "--extra-index-url https://download.pytorch.org/whl/cpu"
    assert {Requirement(line).name for line in lines} == set(NEEDED)
    lock = (CHECKOUT / "requirements.lock").read_text()
    for line in lines:
        assert f"\n{line} \\\n" in lock
        assert "://" not in line
    (torch,) = (Requirement(line) for line in lines if line.startswith("torch=="))
    assert torch.specifier.contains(f"{str(torch.specifier)[2:]}+cpu"), "the build for CPUs has this version, too"


def test_it_holds_the_package_the_examples_and_one_set_of_weights(made):
    files = tree(made)
    assert {"LICENSE", "app.py", "s12lib/app/server.py", "s12lib/model.py", "s12lib/viz/course.mplstyle"} <= set(files)
    weights = sorted(name for name in files if name.startswith("s12lib/weights/") and not name.endswith(".py"))
    assert weights == [f"s12lib/weights/page_resnet_cifar10.{ending}" for ending in ("csv", "json", "safetensors")]
    ours = space.PACKAGE / "app/files"
    assert {f"s12lib/app/files/{path.name}" for path in ours.iterdir()} <= set(files)
    assert not [name for name in files if "__pycache__" in name or name.endswith(".part")]
    for name, content in files.items():
        assert str(CHECKOUT).encode() not in content, f"{name} names a folder of this machine"
    lfs = [line.split()[0] for line in files[".gitattributes"].decode().splitlines()]
    for name, content in files.items():
        by_lfs = any(fnmatch(name, kind) for kind in lfs)
        assert by_lfs == (b"\0" in content), f"{name} must go by Git LFS if it is binary, and only then"


def test_a_space_that_is_there_is_brought_up_to_date_and_keeps_its_history(made, tmp_path):
    folder = tmp_path / "mine"
    shutil.copytree(made, folder)
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    (folder / "s12lib" / "left_over.py").write_text("")
    (folder / "app.py").write_text("from s12lib.app import launch  # an older one\n")
    write_space(folder)
    assert tree(folder) == tree(made) | {".git/HEAD": b"ref: refs/heads/main\n"}


def test_a_fresh_clone_of_an_empty_space_is_filled(made, tmp_path):
    (tmp_path / ".git").mkdir()
    (tmp_path / "README.md").write_text("---\ntitle: Mine\nsdk: gradio\napp_file: app.py\n---\nHello\n")
    assert write_space(tmp_path)
    assert tree(tmp_path) == tree(made)


def test_weights_of_ones_own_are_what_the_space_shows(tmp_path):
    for suffix in (".safetensors", ".json"):
        shutil.copy(WEIGHTS_DIR / f"page_resnet_shapes{suffix}", tmp_path / f"my best{suffix}")
    write_space(tmp_path / "mine", str(tmp_path / "my best.safetensors"))
    weights = tmp_path / "mine" / "s12lib" / "weights"
    assert sorted(path.name for path in weights.glob("my best*")) == ["my best.json", "my best.safetensors"]
    assert {path.suffix for path in weights.iterdir() if "my best" not in path.name} == {".py"}
    assert "weights='my best'" in (tmp_path / "mine" / "app.py").read_text()
    assert "Shapes" in (tmp_path / "mine" / "README.md").read_text("utf-8")


def test_a_name_with_markup_is_a_name_in_the_readme():
    card = load_card() | {"dataset": "<b>|`trees`\n# \u202eElms"}
    about = space.readme(card, "a`b", 6_573_120, space.read_pins())
    assert "trained on &#60;b&#62;&#124;&#96;trees&#96; &#35; Elms, says" in about
    assert "Its card is <code>s12lib/weights/a&#96;b.json</code>." in about


# ---- what is refused -------------------------------------------------------------------------------------------------

OTHERS = {
    "a file": {"notes.txt": "Roses are red.\n"},
    "another sdk": {"README.md": "---\nsdk: docker\n---\n"},
    "no settings": {"README.md": "# My project\n"},
    "broken settings": {"README.md": "---\n]: [\n---\n"},
    "another app": {"README.md": "---\nsdk: gradio\n---\n", "app.py": "print('mine')\n"},
}


@pytest.mark.parametrize("kind", OTHERS)
def test_a_folder_with_something_else_in_it_is_refused_and_left_alone(kind, tmp_path):
    for name, text in OTHERS[kind].items():
        (tmp_path / name).write_text(text)
    before = tree(tmp_path)
    with pytest.raises(SpaceError, match="holds something else than such a Space"):
        write_space(tmp_path)
    assert tree(tmp_path) == before


def test_without_the_lock_it_says_that_a_checkout_is_needed(tmp_path, monkeypatch):
    monkeypatch.setattr(space, "CHECKOUT", tmp_path)
    with pytest.raises(SpaceError, match=r"made from a checkout of the course: .*requirements\.lock"):
        write_space(tmp_path / "mine")
    assert not (tmp_path / "mine").exists()


def test_a_full_disk_gets_one_sentence_and_leaves_nothing_half(tmp_path):
    resource = pytest.importorskip("resource", reason="on POSIX")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, limits[1]))  # the weights are larger than this
    try:
        with pytest.raises(SpaceError, match=r"mine could not be written"):
            write_space(tmp_path / "mine")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert tree(tmp_path) == {}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--space", "poem.txt"], "poem.txt holds something else"),
        (["--space", "new", "--format", "onnx"], "not allowed with"),
        (["--space", "new", "--out", "page.onnx"], "--out goes with --format"),
        (["--space", "new", "--weights", "resnet50"], "page_resnet_shapes"),
        ([], "--space"),
    ],
)
def test_a_wrong_input_gets_one_sentence_and_status_2(arguments, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("poem.txt").write_text("Roses are red.\n")
    with pytest.raises(SystemExit) as exit:
        main(["export", *arguments])
    assert exit.value.code == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert words in said
    assert [path.name for path in tmp_path.iterdir()] == ["poem.txt"]


# ---- where there is nothing else -------------------------------------------------------------------------------------


def start(python, app, elsewhere):
    """The Space's ``app.py`` as a process in another folder, with nothing of ours in its environment, and its port."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
    ours = ("S12_", "PYTHON", "VIRTUAL_ENV", "GRADIO_")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    environment |= {"GRADIO_SERVER_PORT": str(port), "PYTHONUNBUFFERED": "1", "SYSTEM": "spaces"}
    with open(elsewhere / "app.log", "wb") as log:
        return subprocess.Popen([python, app], stdout=log, stderr=log, env=environment, cwd=elsewhere), port


@pytest.mark.slow
def test_the_space_starts_in_a_clean_environment_and_answers(made, tmp_path):
    from gradio_client import Client, handle_file

    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if uv is None:
        pytest.skip("in a clean environment (pip install uv)")
    python = tmp_path / "venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    requirements = made / front_matter(made / "README.md").get("requirements", "requirements.txt")
    here = tmp_path / "requirements.txt"  # with the registry of this machine only: PyTorch's may be out of its reach
    here.write_text(requirements.read_text().replace(f"{CPU_WHEELS}\n", ""))
    requirements = here
    for command in (
        ["venv", "--quiet", "--python", sys.executable, tmp_path / "venv"],
        ["pip", "install", "--quiet", "--python", python, "--requirements", requirements],
    ):
        subprocess.run([uv, *command], check=True)
    installed = subprocess.run([uv, "pip", "list", "--python", python], capture_output=True, text=True, check=True)
    assert "s12lib" not in installed.stdout
    process, port = start(python, made / "app.py", tmp_path)
    try:
        end = time.monotonic() + PATIENCE
        while "The app is at" not in (tmp_path / "app.log").read_text():
            assert process.poll() is None, (tmp_path / "app.log").read_text()
            assert time.monotonic() < end, f"no answer after {PATIENCE} s"
            time.sleep(0.5)
        visitor = Client(f"http://127.0.0.1:{port}", verbose=False)
        settings = (3, "layer3", "gradcam", "the predicted class", 0.6)
        _, answer = visitor.predict([handle_file(PHOTO)], *settings, api_name="/explain")
    finally:
        process.terminate()
        process.wait(PATIENCE)
        shutil.rmtree(tmp_path / "venv", ignore_errors=True)  # gigabytes, which pytest would keep for a while
    (photo,) = answer["pictures"]
    expected = predict(load_pretrained(), read_image(PHOTO))[0].sort(descending=True)
    assert [top["class"] for top in photo["top"]] == [CLASSES[k] for k in expected.indices[:3]]
    assert [top["probability"] for top in photo["top"]] == pytest.approx(expected.values[:3].tolist(), abs=1e-3)
    assert "Traceback" not in (tmp_path / "app.log").read_text()

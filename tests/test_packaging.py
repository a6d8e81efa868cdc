"""The project as a project: its pins, its address, its commands, its workflows."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from closing_line import ClosingLine, require_this_checkout
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
LOCK = (ROOT / "requirements.lock").read_text("utf-8")
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TARGETS = [
    "book",
    "pdf",
    "test",
    "test-slow",
    "train",
    "app",
    "lab",
    "lessons",
    "bench",
    "site",
    "lock",
    "address",
    "clean",
]

needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="with make")


def lock_entries() -> list[str]:
    """Each pin of the lock with its hashes, as one string."""
    lines = [line for line in LOCK.splitlines() if not line.startswith("#")]
    return re.split(r"\n(?=\S)", "\n".join(lines))


def lock_pins() -> list[str]:
    """``name==version ; marker`` for each pin of the lock."""
    return [entry.split("\\")[0].strip() for entry in lock_entries()]


def wanted() -> list[Requirement]:
    """What pyproject.toml asks for, with all extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    asked = project["dependencies"] + [each for extra in project["optional-dependencies"].values() for each in extra]
    return [requirement for requirement in map(Requirement, asked) if requirement.name != "s12lib"]


def tracked_files() -> list[Path]:
    """What git tracks, or would once it is added."""
    command = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    result = subprocess.run(command, capture_output=True)
    if result.returncode:
        pytest.skip("in a git checkout")
    return [path for name in result.stdout.decode().split("\0") if name and (path := ROOT / name).is_file()]


def load_address_command():
    spec = importlib.util.spec_from_file_location("address", ROOT / "book" / "address.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# ---- pins ------------------------------------------------------------------------------------------------------------


def test_every_pin_is_exact_and_has_a_hash():
    for entry in lock_entries():
        requirement = Requirement(entry.split("\\")[0].strip())
        assert [spec.operator for spec in requirement.specifier] == ["=="], entry.splitlines()[0]
        assert "--hash=sha256:" in entry, entry.splitlines()[0]


def test_lock_names_no_address():
    assert "://" not in LOCK
    assert not re.search(r"^\s*(-i|--index|--extra-index|--find-links|-f)\b", LOCK, re.M)


@pytest.mark.parametrize(
    ("system", "name", "kind"), [("linux", "Linux", "posix"), ("darwin", "Darwin", "posix"), ("win32", "Windows", "nt")]
)
def test_lock_has_one_pin_of_each_dependency_on_every_system(system, name, kind):
    here = {
        "sys_platform": system, "platform_system": name, "os_name": kind, "platform_machine": "x86_64",
        "python_version": "3.11", "python_full_version": "3.11.9", "extra": "",
    }  # fmt: skip
    pins = [pin for pin in map(Requirement, lock_pins()) if pin.marker is None or pin.marker.evaluate(here)]
    names = [canonicalize_name(pin.name) for pin in pins]
    for requirement in wanted():
        assert names.count(canonicalize_name(requirement.name)) == 1, requirement


def test_lock_satisfies_what_pyproject_asks_for():
    pins = [Requirement(pin) for pin in lock_pins()]
    for requirement in wanted():
        versions = [
            next(iter(pin.specifier)).version
            for pin in pins
            if canonicalize_name(pin.name) == canonicalize_name(requirement.name)
        ]
        assert versions, f"{requirement.name} is not in requirements.lock: make lock"
        assert all(requirement.specifier.contains(version, prereleases=True) for version in versions), requirement


def test_environment_yml_pins_what_the_lock_pins():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))
    assert environment["dependencies"][-1]["pip"] == lock_pins(), "run: make lock"


def test_package_accepts_older_torch_than_the_lock():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    ranges = {Requirement(each).name: Requirement(each).specifier for each in project["dependencies"]}
    assert ranges["torch"].contains("2.6.0")
    assert ranges["torch"].contains("2.11.0")
    assert ranges["torchvision"].contains("0.26.0")
    assert ranges["pytorch-lightning"].contains("2.6.6")
    assert not ranges["pytorch-lightning"].contains("2.5.6"), "EMAWeightAveraging came with 2.6"


# ---- the address -----------------------------------------------------------------------------------------------------


def test_address_stands_only_where_make_address_changes_it():
    address = load_address_command()
    owner, name = address.current_address(ROOT).split("/")
    holders = set(address.holders(ROOT))
    for path in tracked_files():
        if path in holders or path.suffix in {".png", ".safetensors", ".woff"}:
            continue
        text = path.read_bytes().decode("utf-8", "replace")
        assert f"{owner}/{name}" not in text, f"{path} names the address: take it from _config.yml"
        assert f"{owner}.github.io" not in text, f"{path} names the address: take it from _config.yml"


def test_every_link_to_the_project_has_the_configured_address():
    address = load_address_command()
    owner, name = address.current_address(ROOT).split("/")
    link = re.compile(rf"(?:github\.com|githubusercontent\.com|colab\.research\.google\.com/github)/([\w.-]+)/{name}\b")
    for path in address.holders(ROOT):
        owners = set(link.findall(path.read_text("utf-8")))
        assert owners <= {owner}, f"{path} links to {owners}"


def test_make_address_changes_every_link_and_can_be_undone(tmp_path):
    address = load_address_command()
    old = address.current_address(ROOT)
    originals = {path.relative_to(ROOT): path.read_bytes() for path in address.holders(ROOT)}
    (tmp_path / "_toc.yml").write_bytes((ROOT / "_toc.yml").read_bytes())
    for name, content in originals.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)

    address.set_address(tmp_path, "some-one/her.course")
    assert address.current_address(tmp_path) == "some-one/her.course"
    for path in address.holders(tmp_path):
        assert old not in path.read_text("utf-8"), path
        assert old.replace("/", ".github.io/") not in path.read_text("utf-8"), path
    readme = (tmp_path / "README.md").read_text("utf-8")
    assert "https://github.com/some-one/her.course/actions/workflows/ci.yml/badge.svg" in readme
    assert re.search(
        r"https://colab\.research\.google\.com/github/some-one/her\.course/blob/main/lessons/0\w+\.ipynb", readme
    )
    for image in re.findall(r"!\[[^\]]*\]\((book/[^)]+)\)", readme):
        assert (ROOT / image).is_file()

    address.set_address(tmp_path, old)
    assert {path.relative_to(tmp_path): path.read_bytes() for path in address.holders(tmp_path)} == originals


@pytest.mark.parametrize("wrong", ["", "name", "https://github.com/owner/name", "owner/name/more", "own er/name"])
def test_make_address_refuses_what_is_no_address_in_one_sentence(wrong):
    result = subprocess.run([sys.executable, ROOT / "book/address.py", wrong], capture_output=True, text=True)
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "make address REPO=owner/name" in result.stderr


def test_badge_images_are_our_own():
    for path in load_address_command().holders(ROOT):
        if path.suffix != ".md":
            continue
        for image in re.findall(r"!\[[^\]]*\]\(([^)\s]+)", path.read_text("utf-8")):
            if image.endswith("/actions/workflows/ci.yml/badge.svg"):
                continue  # whether the tests pass is known to their host only
            assert "://" not in image, f"{path} fetches {image}"
            assert (path.parent / image).is_file(), f"{path} shows {image}, which is not there"


# ---- commands --------------------------------------------------------------------------------------------------------


def make(*arguments: str, cwd: Path = ROOT, **variables: str) -> subprocess.CompletedProcess:
    ours = ("MAKE", "MFLAGS", "S12_")
    env = {key: value for key, value in os.environ.items() if not key.startswith(ours)} | variables
    return subprocess.run(["make", *arguments], cwd=cwd, env=env, capture_output=True, text=True)


def copy_of_the_setup(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    return folder


@needs_make
def test_help_lists_every_target():
    listed = re.findall(r"^  ([a-z-]+)", make("help").stdout, re.M)
    assert set(TARGETS) <= set(listed)


@needs_make
def test_finished_setup_is_not_done_again(tmp_path):
    project = copy_of_the_setup(tmp_path / "a folder with spaces")
    (project / ".venv").mkdir()
    (project / ".venv" / ".ready").write_text(f"{project}\n")
    done = make("-n", "setup", cwd=project)
    assert done.returncode == 0
    assert "venv" not in done.stdout


@needs_make
@pytest.mark.parametrize("left", ["nothing", "interrupted", "moved", "older"])
def test_unfinished_setup_is_done_again(tmp_path, left):
    project = copy_of_the_setup(tmp_path / "project")
    ready = project / ".venv" / ".ready"
    if left != "nothing":
        ready.parent.mkdir()
    if left == "moved":
        ready.write_text("/some/other/folder\n")
    if left == "older":
        ready.write_text(f"{project}\n")
        os.utime(ready, (0, 0))
    assert "pip sync" in make("-n", "setup", cwd=project).stdout


@needs_make
def test_python_that_is_too_old_gets_one_sentence(tmp_path):
    project = copy_of_the_setup(tmp_path / "project")
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    for python in (str(old), "/no/such/python"):
        result = make("book", f"PYTHON={python}", cwd=project)
        assert result.returncode == 2
        assert "needs Python 3.11 or newer" in result.stderr.splitlines()[0]
        assert not (project / ".venv").exists()


@needs_make
def test_python_without_venv_gets_one_sentence(tmp_path):
    project = copy_of_the_setup(tmp_path / "project")
    bare = tmp_path / "python3"
    bare.write_text('#!/bin/sh\ncase "$2" in *ensurepip*) exit 1;; esac\n')
    bare.chmod(0o755)
    result = make("test", f"PYTHON={bare}", cwd=project)
    assert result.returncode == 2
    assert "python3-venv" in result.stderr.splitlines()[0]


@needs_make
@pytest.mark.parametrize(
    ("status", "file_is_there", "recipe"),
    [(0, True, "fast"), (2, False, "shapes"), (2, True, None), (130, False, None)],
    ids=["data", "no data", "damaged data", "interrupted"],
)
def test_train_takes_cifar10_or_says_that_it_takes_shapes(tmp_path, status, file_is_there, recipe):
    project = copy_of_the_setup(tmp_path / "project")
    (project / ".venv/bin").mkdir(parents=True)
    s12 = project / ".venv/bin/s12"
    s12.write_text(f'#!/bin/sh\n[ "$1" = data ] && exit {status}\necho "$@" >> calls\n')
    s12.chmod(0o755)
    (project / ".venv/.ready").write_text(f"{project}\n")
    if file_is_there:
        (project / "data").mkdir()
        (project / "data/cifar10.npz").touch()
    done = make("train", cwd=project)
    assert (done.returncode == 0) == (recipe is not None)
    assert ("unavailable here" in done.stdout) == (recipe == "shapes")
    calls = project / "calls"
    said = calls.read_text() if calls.exists() else ""
    assert said == (f"fit --config recipes/{recipe}.yaml --ckpt_path last\n" if recipe else "")


@pytest.mark.skipif(os.name == "nt", reason="on POSIX")
def test_ci_command_is_executable_bash():
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    subprocess.run(["bash", "-n", ROOT / ".ci" / "run"], check=True)


# ---- what is tracked -------------------------------------------------------------------------------------------------


def test_tracked_tree_stays_under_46_mb():
    assert sum(path.stat().st_size for path in tracked_files()) < 46e6


def test_readme_names_the_two_commands_first():
    first_block = (ROOT / "README.md").read_text("utf-8").split("```")[1]
    assert re.findall(r"^make \w+", first_block, re.M) == ["make book", "make test"]


# ---- the tests themselves --------------------------------------------------------------------------------------------


def test_a_child_process_in_another_folder_runs_this_checkouts_code(tmp_path):
    script = "import s12lib; print(s12lib.__file__)"
    child = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert Path(child.stdout.strip()) == ROOT / "s12lib/__init__.py"


def test_the_tests_of_another_checkout_than_the_imported_one_do_not_start(tmp_path):
    with pytest.raises(pytest.UsageError, match="s12lib is imported from"):
        require_this_checkout(tmp_path)


def line_after(*reports: tuple, later: str = "") -> str:
    """The closing line of a run whose tests came to these outcomes; a skip is told by its reason."""
    closing = ClosingLine(SimpleNamespace(option=SimpleNamespace(markexpr=later)))
    for name, outcome in reports:
        known = outcome in ("passed", "failed")
        report = SimpleNamespace(nodeid=name, outcome=outcome if known else "skipped", failed=outcome == "failed")
        report.skipped, report.longrepr = not known, None if known else ("file", 1, f"Skipped: {outcome}")
        closing.pytest_runtest_logreport(report)
    return closing.line()


def test_the_closing_line_says_what_was_not_checked_and_the_way_to_get_it():
    skipped = [(f"test_book.py::test_{k}", "in a browser (install one)") for k in range(3)]
    cells = [(f"lessons/0{k}.ipynb::Cell {cell}", "passed") for k in (1, 2) for cell in range(4)]
    assert line_after(("test_a.py::test_a", "passed"), *cells, *skipped, later="not slow") == (
        "Checked: 1 test, 2 lessons executed again and compared."
        " Not checked: 3 in a browser (install one); what takes minutes (make test-slow)."
    )


def test_the_closing_line_counts_a_failure_in_any_phase_once():
    phases = [("test_a.py::test_a", "passed"), ("test_a.py::test_a", "failed"), ("test_a.py::test_a", "passed")]
    assert line_after(*phases, ("test_b.py::test_b", "passed")) == "Checked: 2 tests, 1 FAILED. Not checked: nothing."


# ---- for contributors ------------------------------------------------------------------------------------------------


def test_the_version_stands_in_pyproject_alone_and_the_changelog_begins_with_it():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.M)[0] == version
    assert "version" not in yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    pinned = re.compile(rf"""["'v]{re.escape(version)}["']""")
    for path in tracked_files():
        if path.suffix in {".py", ".toml", ".cff", ".yml"} and path.name not in {"pyproject.toml", "environment.yml"}:
            assert not pinned.search(path.read_text("utf-8")), f"{path} repeats the version"


def test_contributing_names_only_files_folders_and_targets_that_exist():
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    paths = set(re.findall(r"`((?:s12lib|tests|lessons|book|recipes|results)/[\w./*-]*)`", text))
    assert len(paths) > 15
    for path in paths:
        made_up = "NN" in path  # stands for a number
        assert made_up or list(ROOT.glob(path.rstrip("/"))), f"CONTRIBUTING.md names {path}, which is not there"
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))
    assert set(re.findall(r"`make ([a-z-]+)", text)) <= targets


def test_hooks_call_what_the_environment_has_and_need_no_network():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))["repos"]
    assert [repository["repo"] for repository in hooks] == ["local"]
    for hook in hooks[0]["hooks"]:
        assert hook["language"] == "system", "another language would be installed from the network"
        program = hook["entry"].split()[0]
        assert program.startswith(".venv/bin/")
        assert shutil.which(program.removeprefix(".venv/bin/"), path=Path(sys.executable).parent), program


def test_a_pull_request_is_asked_for_five_things():
    lines = (ROOT / ".github/pull_request_template.md").read_text("utf-8").splitlines()
    assert len(lines) == 5


# ---- workflows -------------------------------------------------------------------------------------------------------


def test_there_are_workflows_to_check():
    assert [path.name for path in WORKFLOWS] == ["ci.yml", "newest.yml", "publish.yml"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflow_is_pinned_bounded_and_has_least_permissions(path):
    workflow = yaml.safe_load(path.read_text("utf-8"))
    assert True in workflow, "no `on`, which YAML reads as true"
    assert workflow["permissions"] == {"contents": "read"}
    for name, job in workflow["jobs"].items():
        assert job["timeout-minutes"] <= 60, name
        granted = {"deploy": {"pages", "id-token"}, "report": {"issues"}}.get(name, set())
        assert set(job.get("permissions", {})) <= granted, name
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step), step
            if "uses" in step:
                assert re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", step["uses"]), f"not pinned: {step['uses']}"
            else:
                assert "${{" not in step["run"], f"an expression inside a shell command: {step['run']}"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflow_calls_only_targets_that_exist(path):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))
    called = set(re.findall(r"make ([a-z-]+)", path.read_text("utf-8")))
    assert called <= targets
    assert called


def test_pinned_actions_say_which_version_they_are():
    for path in WORKFLOWS:
        for line in path.read_text("utf-8").splitlines():
            assert "uses:" not in line or re.search(r"# v\d+\.\d+\.\d+$", line), line


def test_publishing_takes_the_address_of_its_own_repository():
    assert 'make address REPO="$GITHUB_REPOSITORY"' in (ROOT / ".github/workflows/publish.yml").read_text("utf-8")

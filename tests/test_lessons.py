"""The lessons as they are stored: complete, executed, described, and in step with their sources."""

import io
import re
import shutil
import socket
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from lesson_outputs import SOURCES, build, code_of, notebook, printed, prose, reshaped

from s12lib import lesson
from s12lib.data.location import DataError
from s12lib.data.splits import fingerprint
from s12lib.datamodule import CIFAR10
from s12lib.exercises.showing import VERDICT

ROOT = Path(__file__).resolve().parent.parent
ADDRESS = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))["repository"]["url"].removeprefix(
    "https://github.com/"
)
PATHS = re.compile(r"/(home|work|tmp|root|Users|content|usr)/|[A-Z]:\\|\.venv|site-packages|\.py\b")
TIMINGS = re.compile(r"\d\s*(s|ms|sec|seconds?|minutes?)\b|it/s|\d\d:\d\d|\d+%\|")

TRAINED = {
    "02_model": {10},
    "03_train": {15, 17, 24},
    "06_trust": {24, 31},
    "07_speed": {8, 24},
    "10_extend": {4},
}
"""The code cells that print what a training run gave, of which the smoke profile has a shorter one, or a clock."""

every_lesson = pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)


def code(source: Path):
    return code_of(notebook(source))


def test_there_are_lessons():
    early = "00_warmup 01_data 02_model 03_train 04_failures 05_gradcam 06_trust"
    assert [path.stem for path in SOURCES] == [*early.split(), "07_speed", "08_checkpoint", "09_app", "10_extend"]


@every_lesson
def test_notebook_is_made_from_the_source_beside_it(source):
    assert build.in_step(source), "run: make lessons"


def test_a_source_that_was_edited_is_out_of_step_with_its_notebook(tmp_path):
    edited = tmp_path / SOURCES[0].name
    edited.write_text(SOURCES[0].read_text("utf-8") + "\n# %%\n1 + 1\n", "utf-8")
    edited.with_suffix(".ipynb").write_bytes(SOURCES[0].with_suffix(".ipynb").read_bytes())
    shutil.copytree(SOURCES[0].parent / "images", tmp_path / "images")
    assert not build.in_step(edited)
    edited.write_bytes(SOURCES[0].read_bytes())
    assert build.in_step(edited)


@every_lesson
def test_every_cell_was_executed_in_order_without_error_or_warning(source):
    cells = code(source)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    for cell in cells:
        for output in cell.outputs:
            assert output.output_type != "error", cell.source
            assert output.get("name") != "stderr", output.text


@every_lesson
def test_size_of_cells_and_text_is_within_bounds(source):
    assert 15 <= sum("hide-input" not in cell.metadata.get("tags", []) for cell in code(source)) <= 26
    for cell in code(source):
        assert len(cell.source.splitlines()) <= 20, cell.source
    read = re.sub(r"<details>.*?</details>", "", prose(source).split("## Quiz")[0], flags=re.S)
    text = re.sub(
        r"```.*?```|\$\$.*?\$\$|<[^>]+>|\]\([^)]*\)", " ", read if reshaped(source) else prose(source), flags=re.S
    )
    assert 1500 <= len(re.findall(r"\w[\w'’-]*", text)) <= 2500
    assert source.with_suffix(".ipynb").stat().st_size < 1.5e6


@every_lesson
def test_lesson_has_its_parts_in_order(source):
    text = prose(source)
    number = source.stem[:2]
    parts = [
        rf"^# {number} · ", r"^\[!\[Open in Colab\]", r"Minutes to run: \d+ on a GPU, \d+ on a CPU", r"^You need: ",
        r"^## Where this lesson ends", r"^!\[", r"^## You will be able to", r"^## Set-up", r"^## 1\. ",
        r"^## Mistakes that people really make here",
        *([r"^## Take-away", r"^## Quiz", r"^▰+▱* Lesson \d+ of 11\."] if reshaped(source) else [r"^## Recap"]),
        r"^\*\*Next:\*\* ",
    ]  # fmt: skip
    places = [found.start() if (found := re.search(part, text, re.M)) else None for part in parts]
    assert None not in places, parts[places.index(None)]
    assert all(a < b for a, b in pairwise(places))
    assert len(re.findall(r"^(?:> )?\*\*Predict first\.\*\*", text, re.M)) >= 3


@every_lesson
def test_the_map_tells_the_minutes_that_the_lesson_tells(source):
    gpu, cpu = re.search(r"Minutes to run: (\d+) on a GPU, (\d+) on a CPU", prose(source)).groups()
    introduction = (ROOT / "book/intro.md").read_text("utf-8").splitlines()
    (row,) = (line for line in introduction if f"{source.stem}.ipynb" in line)
    assert row.endswith(f" | {cpu} |")  # and before it the GPU's, which may have been measured since
    assert int(gpu) <= 15
    assert int(cpu) <= 10


@every_lesson
def test_recap_mirrors_the_objectives(source):
    if reshaped(source):
        return  # the take-away does
    text = prose(source)
    able = text.split("## You will be able to")[1].split("## ")[0]
    recap = text.split("## Recap")[1]
    objectives, answers = (re.findall(r"^- \*\*(\w+)\*\*", part, re.M) for part in (able, recap))
    assert 3 <= len(objectives) <= 4
    assert len(answers) == len(objectives)
    for verb, done in zip(objectives, answers, strict=True):
        assert done[:2] == verb[:2] or (verb, done) == ("tell", "told"), (verb, done)


@every_lesson
def test_badge_leads_to_this_notebook_in_the_configured_repository(source):
    target = f"https://colab.research.google.com/github/{ADDRESS}/blob/main/lessons/{source.stem}.ipynb"
    assert f"[![Open in Colab](../book/_static/colab-badge.svg)]({target})" in prose(source)


@every_lesson
def test_pictures_travel_inside_the_notebook(source):
    pictures = re.findall(r"!\[([^\]]*)\]\(([^)]{0,40})", prose(source))
    assert [picture for _, picture in pictures if not picture.startswith("data:image/png;base64,")] == [
        "../book/_static/colab-badge.svg"
    ]
    assert len(pictures) > 1
    assert not any("\n" in alt for alt, _ in pictures), "the book joins an alt text's lines without a space"


@every_lesson
def test_setup_is_the_first_cell_and_the_same_in_every_lesson(source):
    first = code(source)[0].source
    assert first == next(code(other)[0].source for other in SOURCES if reshaped(other) == reshaped(source))
    assert f'"git+https://github.com/{ADDRESS}"' in first


@every_lesson
def test_figures_are_described_and_name_their_dataset(source):
    figures = [(cell, image) for cell in code(source) for image in build.images_of(cell)]
    assert 3 <= len(figures) <= 6
    for cell, image in figures:
        alt = cell.metadata["mystnb"]["image"]["alt"]
        assert alt == image.metadata["image/png"]["alt"]
        assert len(alt) > 60
        assert re.search(r"CIFAR-10|Shapes|letters|no dataset", alt), alt
        assert cell.metadata["mystnb"]["image"]["width"] in ("480px", "540px" if reshaped(source) else "720px")
    for alt in re.findall(r"!\[([^\]]*)\]\((?!\.\./book)", prose(source)):
        assert len(alt) > 60


@every_lesson
def test_outputs_hold_no_path_timing_or_widget(source):
    for cell in code(source):
        text = printed(cell)
        assert not PATHS.search(text), text
        assert not TIMINGS.search(text), text
        for output in cell.outputs:
            data = output.get("data", {})
            assert set(data) <= {"text/plain", "text/markdown", "image/png"} | (
                {"text/html", VERDICT} if "exercise" in "".join(data.get("text/html", "")) else set()
            )


@every_lesson
def test_verdicts_and_choices_are_compared_by_nbval(source):
    for cell in code(source):
        if re.search(r"^check\(|= use\(", cell.source, re.M):
            assert "nbval-check-output" in cell.metadata.get("tags", []), cell.source


@every_lesson
def test_every_other_cell_that_prints_is_compared_too_unless_its_numbers_come_from_training(source):
    free = {
        number
        for number, cell in enumerate(code(source))
        if printed(cell).strip() and "nbval-check-output" not in cell.metadata.get("tags", [])
    }
    assert free == TRAINED.get(source.stem, set())


@every_lesson
def test_lesson_needs_no_shell_fork_or_workers(source):
    for cell in code(source):
        assert not re.search(r"^\s*[!%]|\bos\.(fork|system)\b|shell=True|num_workers\s*=\s*[1-9]", cell.source, re.M)


@every_lesson
def test_exercises_are_stored_unsolved_with_folded_help_below(source):
    cells = notebook(source).cells
    stubs = [(cell, after) for cell, after in pairwise(cells) if re.search(r"^check\(", cell.source, re.M)]
    assert 3 <= len(stubs) <= 5
    assert "find the bug" in prose(source)
    for cell, after in stubs:
        assert printed(cell).startswith("TO DO: ")
        assert cell.outputs[0].data[VERDICT]["status"] == "TO DO", "make the notebook anew: verdicts are stored as data"
        folded = ["Hint", "Second hint", "Solution"] if reshaped(source) else ["Hint", "Solution"]
        assert re.findall(r"<details>\n<summary>([\w ]+)</summary>\n\n", after.source) == folded


# ---- how a lesson begins ---------------------------------------------------------------------------------------------


@pytest.fixture
def empty_folder(tmp_path, monkeypatch):
    """Nothing around: no data, no network, no repository."""

    def no_network(folder):
        raise DataError("no network")

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("S12_DATA_DIR", raising=False)
    monkeypatch.setattr(lesson, "prepare_cifar10", no_network)
    return tmp_path


def test_without_data_and_network_a_lesson_goes_on_with_shapes_and_says_so(empty_folder, monkeypatch, capsys):
    monkeypatch.setenv("S12_PROFILE", "smoke")
    course = lesson.begin()
    assert course.data.name == "Shapes"
    assert course.smoke
    assert course.few(500) == 50
    assert course._replace(smoke=False).few(500) == 500
    assert course._replace(data=CIFAR10()).few(500) == 500
    out = capsys.readouterr().out
    assert "CIFAR-10 IS NOT HERE" in out
    assert "The data: Shapes. Images: 2,000 train, 1,000 validation, 2,000 test." in out
    assert socket.getdefaulttimeout() is None


def test_a_lesson_begins_on_a_terminal_that_lacks_letters(empty_folder, monkeypatch):
    monkeypatch.setenv("S12_PROFILE", "smoke")
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")  # of Windows: no lines of a box
    monkeypatch.setattr("sys.stdout", terminal)
    lesson.begin()
    terminal.flush()
    assert "CIFAR-10 IS NOT HERE" in terminal.buffer.getvalue().decode("cp1252")


def test_setting_up_twice_changes_nothing(empty_folder, monkeypatch, capsys):
    monkeypatch.setenv("S12_PROFILE", "smoke")
    first, said = lesson.begin(), capsys.readouterr().out
    second = lesson.begin()
    assert capsys.readouterr().out == said
    assert fingerprint(first.data.splits["train"]) == fingerprint(second.data.splits["train"])


def test_data_are_looked_for_where_they_may_lie(empty_folder, monkeypatch):
    assert lesson.default_data_dir() == Path("data")
    (empty_folder / "lessons").mkdir()
    monkeypatch.chdir("lessons")
    assert lesson.default_data_dir() == Path("../data")
    Path("data").mkdir()
    Path("data/cifar10.npz").touch()
    assert lesson.default_data_dir() == Path("data")
    monkeypatch.setenv("S12_DATA_DIR", "/elsewhere")
    assert lesson.default_data_dir() == Path("/elsewhere")


def test_unknown_profile_is_refused(monkeypatch):
    monkeypatch.setenv("S12_PROFILE", "quick")
    with pytest.raises(ValueError, match="must be full or smoke"):
        lesson.begin()

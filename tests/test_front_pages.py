"""README, the introduction and the status page show the lessons as they are; the PDF holds every page."""

import importlib.util
import json
import re

import pytest
from built_book import PAGES
from lesson_outputs import ROOT, SOURCES


def load(name: str):
    spec = importlib.util.spec_from_file_location(name, ROOT / f"book/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


front, print_pdf = load("front"), load("print_pdf")


def test_tables_of_lessons_are_made_from_the_lessons():
    for path, text in front.pages().items():
        assert path.read_text("utf-8") == text, "run: .venv/bin/python book/front.py"


def test_every_lesson_is_listed_with_its_question():
    lessons = front.read_lessons()
    assert [lesson.stem for lesson in lessons] == [source.stem for source in SOURCES]
    assert all(lesson.question.endswith("?") for lesson in lessons)


def test_lesson_without_a_question_is_named(tmp_path):
    (tmp_path / "lessons").mkdir()
    (tmp_path / "lessons/00_x.py").write_text("# # 00 · X\n", "utf-8")
    with pytest.raises(ValueError, match=r"00_x\.py lacks"):
        front.read_lessons(tmp_path)


def test_status_says_when_and_with_what_a_lesson_was_executed():
    runs = json.loads((ROOT / "lessons/status.json").read_text("utf-8"))
    table = front.status_table(front.read_lessons(), runs)
    assert re.search(r"\[01 · The data\].* \| 20\d\d-\d\d-\d\d \| Python 3\.\S+, torch ", table)


def test_minutes_on_a_gpu_are_estimates_until_they_were_measured():
    lessons = front.read_lessons()
    cpu = {"AMD EPYC, 2 threads": {"gpu": False, "seconds": {"01_data": 9.0}}}
    assert "those on a GPU are estimates." in front.map_table(lessons, cpu)
    card = {"Some GPU": {"gpu": True, "seconds": {lesson.stem: 245.0 for lesson in lessons[1:]}}}
    table = front.map_table(lessons, cpu | card)
    assert re.search(r"\[01 · The data\].* \| 5 \| \d+ \|$", table, re.M)
    assert "those on a GPU with one Some GPU, but estimated for 00." in table


def test_pdf_holds_every_page_once_and_links_inside_itself(html):
    text = print_pdf.joined(html)
    assert re.findall(r'<div id="([\w-]+)" class="chapter">', text) == [
        page.replace("/", "-") for page in PAGES if page != "book/try"
    ]
    assert 'loading="lazy"' not in text.replace("data-loading", "")
    assert 'href="#lessons-01_data"' in text
    missing = [
        source for source in re.findall(r'<img[^>]* src="((?!data:)[^"#]+)"', text) if not (html / source).is_file()
    ]
    assert missing == []


def test_readme_names_files_and_targets_that_exist():
    readme = (ROOT / "README.md").read_text("utf-8")
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", readme):
        assert (ROOT / link).exists(), link
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in re.findall(r"(?:^|`)make ([a-z]+)", readme, re.M):
        assert re.search(rf"^{target}:", makefile, re.M), target

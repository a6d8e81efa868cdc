"""The format that lessons/README.md describes, in every lesson that has it: what a reader sees, and what is folded."""

import re
from itertools import pairwise

import pytest
from lesson_outputs import SOURCES, build, code_of, notebook, prose, reshaped

LESSONS = [source for source in SOURCES if reshaped(source)]
NUMBER_OF_LESSONS = 11  # 00 to 10
LAYOUT = re.compile(r"\bprint\(|\btitle\b|\bcaptions?\b|\.show\(|^\s*f?[\"'].*[\"'],?$")

every_lesson = pytest.mark.parametrize("source", LESSONS, ids=lambda path: path.stem)


def tags(cell) -> list[str]:
    return cell.metadata.get("tags", [])


def visible(source) -> list[str]:
    """The lines of code that a reader sees without a click, without empty ones and exercises' docstrings."""
    cells = [cell for cell in code_of(notebook(source)) if "hide-input" not in tags(cell)]
    lines = [line for cell in cells for line in cell.source.splitlines() if line.strip()]
    return [line for line in lines if not line.strip().startswith('"""')]


@every_lesson
def test_code_is_read_and_not_scrolled(source):
    for cell in code_of(notebook(source)):
        assert max(map(len, cell.source.splitlines())) <= 76, cell.source
    for solution in re.findall(r"```python\n(.*?)```", prose(source), re.S):
        assert max(map(len, solution.splitlines())) <= 76, solution


@every_lesson
def test_at_most_one_visible_line_in_twenty_builds_a_title_a_caption_or_a_print_layout(source):
    lines = visible(source)
    layout = [line for line in lines if LAYOUT.search(line)]
    assert len(layout) <= len(lines) / 20, f"{len(layout)} of {len(lines)}: fold them (hide-input)\n" + "\n".join(
        layout
    )


@every_lesson
def test_what_is_folded_says_in_its_own_words_what_it_is(source):
    folded = [cell for cell in code_of(notebook(source)) if "hide-input" in tags(cell)]
    for cell in folded:
        words = re.match(r"# @title ([A-Z].{5,60})\n", cell.source)
        assert words, cell.source
        assert cell.metadata["mystnb"]["code_prompt_show"] == f"Code: {words[1]}"
        assert cell.metadata["jupyter"]["source_hidden"]
        assert cell.metadata["cellView"] == "form"
    titles = [cell.source.splitlines()[0] for cell in folded]
    assert len(titles) == len(set(titles))


@every_lesson
def test_no_exercise_is_folded(source):
    for cell in code_of(notebook(source)):
        assert "hide-input" not in tags(cell) or not re.search(r"^(check\(|def |class )", cell.source, re.M), (
            cell.source
        )


@every_lesson
def test_each_prediction_is_a_box_of_its_own_followed_by_a_reveal_and_a_finding(source):
    order = []
    for cell in notebook(source).cells:
        order += re.findall(r"^(?:> \*\*(Predict) first\.|> \*\*(Finding)\.|(#)#+ )", cell.source, re.M) * (
            cell.cell_type == "markdown"
        )
        order += [("Reveal",)] if "reveal" in tags(cell) else []
    steps = ["".join(step) for step in order]
    assert steps.count("Predict") >= 3
    assert steps.count("Reveal") == steps.count("Predict")
    for step, following in pairwise(steps):
        assert step != "Predict" or following == "Reveal", steps
        assert step != "Reveal" or following == "Finding", steps
    assert "Predict first." not in re.sub(r"^> \*\*Predict first\.\*\*", "", prose(source), flags=re.M)


@every_lesson
def test_each_numbered_section_states_a_finding(source):
    sections = re.split(r"^## ", prose(source), flags=re.M)
    for section in sections:
        if re.match(r"\d+\. ", section):
            assert "> **Finding.**" in section, section.splitlines()[0]


@every_lesson
def test_findings_have_their_numbers_from_the_run_and_not_by_hand(source):
    """Of the numbers of a finding, those that are typed are in its source, too: only counts of things under eleven."""
    typed = []
    for cell in build.read_source(source).cells:
        if cell.cell_type == "markdown":
            for finding in re.findall(r"^> \*\*Finding\.\*\*.*?(?=\n\n|\Z)", cell.source, re.M | re.S):
                bare = re.sub(r"\{\{.*?\}\}|\[[^\]]*\d{4}\)?\]\([^)]*\)|\]\([^)]*\)|`[^`]*`", "", finding, flags=re.S)
                typed += [(number, finding) for number in re.findall(r"\d+(?:\.\d+)?%|\d+\.\d+|\d{3,}", bare)]
    assert [number for number, _ in typed if (source.stem, number) not in TYPED] == [], typed


TYPED = {("01_data", "3.3%")}  # what a paper found, which no run changes


@every_lesson
def test_guesses_have_a_number_to_compare_with(source):
    boxes = re.findall(r"^> \*\*Predict first\.\*\*(?:.*\n)(?:>.*\n?)*", prose(source), re.M)
    guesses = [re.search(r"^> <!-- guess: -?[\d,.]+( [^;]+)? -->$", box, re.M) for box in boxes if "guess" in box]
    assert guesses
    assert all(guesses), boxes


@every_lesson
def test_exercises_say_in_a_box_how_hard_they_are_and_how_long_they_take(source):
    text = prose(source)
    parts = re.findall(r"^### (Exercise: .+)\n\n> \*\*Difficulty ([1-5]) of 5, about (\d+) minutes\.\*\*", text, re.M)
    assert len(parts) == len(re.findall(r"^### Exercise", text, re.M)) == len(re.findall("<summary>Solution", text))
    assert 3 <= len(parts) <= 5


@every_lesson
def test_take_away_has_five_lines_and_begins_with_the_objectives(source):
    text = prose(source)
    able = re.findall(r"^- \*\*(\w+)\*\*", text.split("## You will be able to")[1].split("## ")[0], re.M)
    lines = re.findall(r"^- \*\*(\w+)\*\*", text.split("## Take-away")[1].split("## ")[0], re.M)
    assert len(lines) == 5
    assert [line.lower() for line in lines[: len(able)]] == able


@every_lesson
def test_quiz_has_four_questions_each_with_one_right_answer_that_is_explained(source):
    quiz = prose(source).split("## Quiz")[1].split("\n▰")[0]
    questions = re.split(r"^\*\*\d\. .+?\*\*$", quiz, flags=re.M | re.S)[1:]
    assert re.findall(r"^\*\*(\d)\. ", quiz, re.M) == ["1", "2", "3", "4"]
    right = []
    for question in questions:
        offered = re.findall(r"^- (\([a-d]\)) \S", question, re.M)
        assert 3 <= len(offered) <= 4
        answer = re.search(
            r"<details>\n<summary>Answer</summary>\n\n\*\*(\([a-d]\))\*\* (.+?)\n\n</details>", question, re.S
        )
        assert answer, question
        assert answer[1] in offered
        assert len(answer[2]) > 60
        right.append(answer[1])
    assert len(set(right)) > 1, "the right answer has always the same letter"


@every_lesson
def test_progress_line_counts_the_lessons(source):
    done, open_, told = re.search(r"^(▰+)(▱*) Lesson (\d+) of 11\.", prose(source), re.M).groups()
    assert len(done) == int(told) == int(source.stem[:2]) + 1
    assert len(done) + len(open_) == NUMBER_OF_LESSONS


@every_lesson
def test_terms_and_sources_are_links(source):
    text = prose(source)
    assert len(set(re.findall(r"\]\(\.\./book/glossary\.md#term-([\w-]+)\)", text))) >= 5
    for name, year in re.findall(r"\b([A-Z]\w+(?: et al\.| and [A-Z]\w+)?),? \(?((?:19|20)\d\d)\)", text):
        assert re.search(rf"\[[^\]]*{re.escape(name)}[^\]]*{year}[^\]]*\]\(\.\./book/references\.md#", text), (
            name,
            year,
        )


@every_lesson
def test_english_is_as_an_editor_prints_it(source):
    text = re.sub(r"data:image[^)]*", "", prose(source))
    for word in (r"\bpictures?\b", r"\bto be had\b", r"\bmend(ed|s)?\b"):
        assert not re.search(word, text, re.I), re.search(rf".*{word}.*", text, re.I)[0]


# ---- the build -------------------------------------------------------------------------------------------------------


def filled(tmp_path, *cells: str):
    """The Markdown cells of a lesson of these cells, executed."""
    path = tmp_path / "00_x.py"
    path.write_text("\n\n".join(cells), "utf-8")
    lesson = build.read_source(path)
    build.execute(lesson, tmp_path)
    return [cell.source for cell in lesson.cells if cell.cell_type == "markdown"]


def test_values_in_prose_are_those_of_the_kernel_at_that_place_and_a_guesss_those_after_the_reveal(tmp_path):
    asked, before, after = filled(
        tmp_path,
        "# %%\nx = {'a': 0.25, 'b': [1000, 2]}",
        "# %% [markdown]\n# > **Predict first.** What? <!-- guess: {{x}} -->",
        "# %% [markdown]\n# Of {{x['b'][0]:,}}, {{x[\"a\"]:.0%}} are {{x['b'][0:1]}}.",
        '# %% tags=["reveal"]\nx = 3',
        "# %% [markdown]\n# {{x}} and {{x:.1f}}; a dict {{ {'k': x}['k'] }}",
    )
    assert asked.endswith("<!-- guess: 3 -->")
    assert before == "Of 1,000, 25% are [1000]."
    assert after == "3 and 3.0; a dict 3"


def test_value_that_cannot_be_computed_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"\{\{nothing:\.1%\}\} cannot be computed: NameError"):
        filled(tmp_path, "# %%\n1", "# %% [markdown]\n# {{nothing:.1%}}")


def test_guess_without_a_reveal_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no cell tagged reveal follows"):
        filled(tmp_path, "# %% [markdown]\n# > <!-- guess: {{1}} -->", "# %%\n1")


def test_folded_cell_needs_a_title(tmp_path):
    with pytest.raises(ValueError, match="@title"):
        filled(tmp_path, '# %% tags=["hide-input"]\nx = 1')


def test_changed_prose_is_taken_over_without_executing_but_not_changed_code(tmp_path, capsys):
    path = tmp_path / "00_x.py"
    path.write_text("# %%\nx = 2\nx\n\n# %% [markdown]\n# It is {{x:.1f}}.\n", "utf-8")
    build.build(path)
    path.write_text(path.read_text("utf-8").replace("It is", "We found"), "utf-8")
    assert not build.in_step(path)
    build.take_over_text(path)
    assert build.in_step(path)
    assert '"We found 2.0."' in path.with_suffix(".ipynb").read_text("utf-8")
    path.write_text(path.read_text("utf-8").replace("{{x:.1f}}", "{{x + 1}}"), "utf-8")
    with pytest.raises(ValueError, match=r"\{\{x \+ 1\}\} is new: execute"):
        build.take_over_text(path)
    path.write_text("# %%\nx = 3\nx\n", "utf-8")
    with pytest.raises(ValueError, match="other code than its notebook"):
        build.take_over_text(path)

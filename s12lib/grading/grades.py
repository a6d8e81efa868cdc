"""Grade many submissions: who handed in what, each answer judged behind a fence, and a table of it all."""

import csv
import io
import os
import tempfile
import time
from collections.abc import Container, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from s12lib.data.location import default_data_dir
from s12lib.errors import CourseError
from s12lib.exercises import exercises, finding
from s12lib.grading import fence
from s12lib.grading.namespaces import PRIVATE

SKIPPED = {"node_modules", "__pycache__", "_build"}  # besides hidden folders, in a student's folder


class GradingError(CourseError):
    """There is nothing to grade; the message is one sentence for people."""


@dataclass
class Answer:
    """One student's answer to one exercise, and the verdict on it once it is there."""

    exercise: str
    source: str = ""
    expression: str = ""
    suspicions: list[str] = field(default_factory=list)
    status: str = ""
    hint: str = ""
    seconds: float = 0.0


@dataclass
class Student:
    """A row of the table: who, the files, what was answered, and what could not be read."""

    name: str
    files: list[Path]
    answers: dict[str, Answer] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def solved(self) -> int:
        """How many answers pass and need no review."""
        return sum(answer.status == "PASS" for answer in self.answers.values())


def collect(places: list[Path], leave_out: Path | None = None) -> list[Student]:
    """Who handed in what: in one folder each entry is a student, a notebook or a zip file as well as a folder of them.

    Several places are a student each. Links are left alone, as they may lead to another student's file. Raises
    GradingError when a place is not there or nothing is in it.
    """
    for place in places:
        if not place.exists():
            raise GradingError(f"{place} is not there: name the folder that holds the students' notebooks.")
    entries = sorted(places[0].iterdir()) if len(places) == 1 and places[0].is_dir() else places
    entries = [each for each in entries if not each.name.startswith(".") and each.resolve() != leave_out]
    if not entries:
        raise GradingError(f"{places[0]} is empty: it should hold a notebook or a folder for each student.")
    return [_student(entry, entries) for entry in entries]


def _student(entry: Path, entries: list[Path]) -> Student:
    alike = [other for other in entries if other.stem == entry.stem]
    name = entry.name if entry.is_dir() else entry.stem
    if len(alike) > 1:  # alice/01_data.ipynb and bob/01_data.ipynb, or anna.ipynb and anna.zip
        name = entry.name if len({other.parent for other in alike}) == 1 else entry.parent.name
    student = Student(name, [])
    for path in _files(entry) if entry.is_dir() and not entry.is_symlink() else [entry]:
        if path.is_symlink() or not path.is_file():
            student.problems.append(f"{path.name} is a link or no file, and was left alone")
        else:
            student.files.append(path)
    if entry.is_dir() and not student.files:
        student.problems.append("the folder holds no notebook")
    return student


def _files(folder: Path) -> Iterator[Path]:
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in SKIPPED)
        yield from (Path(here, name) for name in sorted(files) if name.endswith((".ipynb", ".zip")))


def read(student: Student, limits: fence.Limits, names: Container[str]) -> None:
    """Find the student's answers to these exercises in the files; of two to the same, the later file's counts."""
    for path in student.files:
        try:
            notebooks = fence.call("s12lib.grading.answers:read_submission", {"path": str(path.resolve())}, limits)
        except fence.Stopped as error:
            student.problems.append(f"{path.name}: reading it {error}")
            continue
        for notebook in notebooks:
            student.problems += notebook["problems"]
            known = {name: found for name, found in notebook["answers"].items() if name in names}
            if not known and not notebook["problems"]:
                student.problems.append(f"{notebook['file']} holds none of the course's exercises")
            for name, found in known.items():
                problem = found.get("problem")
                student.answers[name] = (
                    Answer(name, status="TRY AGAIN", hint=problem) if problem else Answer(name, **found)
                )


def judge(answer: Answer, limits: fence.Limits, exercise: str | None = None) -> None:
    """Put the verdict on an answer into it; ``exercise`` is the code of one that is not the package's."""
    began = time.monotonic()
    question = {"exercise": answer.exercise, "source": answer.source, "expression": answer.expression, "own": exercise}
    try:
        reply = fence.call("s12lib.grading.judge:judge_answer", question | {"seconds": limits.seconds}, limits)
        answer.status, answer.hint = str(reply["status"]), str(reply["hint"])
    except fence.Stopped as error:
        answer.status, answer.hint = "TRY AGAIN", f"Your answer {error}."
    answer.seconds = time.monotonic() - began
    if answer.status == "PASS" and answer.suspicions:
        answer.status, answer.hint = "REVIEW", f"It passes, but read it: {'; '.join(answer.suspicions)}."


def grade(
    students: list[Student],
    seconds: float,
    memory: int,
    processes: int,
    hidden: Iterable[Path] = (),
    own: Path | None = None,
) -> None:
    """Read and judge all submissions, several at a time, with a progress bar on stderr.

    ``own`` is a folder with exercises of the teacher's. Raises ``ExerciseError`` for one that holds none.
    """
    from tqdm import tqdm

    theirs = finding.sources(own) if own else {}
    names = {*exercises(), *theirs, *finding.announced()}
    bar = partial(tqdm, disable=None)  # none where nobody watches
    with tempfile.TemporaryDirectory(prefix="grading-") as scratch, ThreadPoolExecutor(processes) as pool:
        limits = fence.Limits(scratch, seconds, memory)
        unseen = (*PRIVATE, *(str(folder.resolve()) for folder in hidden))
        blind = replace(limits, data=str(default_data_dir().resolve()), hidden=unseen)
        try:
            jobs = [pool.submit(read, student, limits, names) for student in students]
            for done in bar(as_completed(jobs), "reading", len(jobs), unit=" students"):
                done.result()
            open_answers = [answer for student in students for answer in student.answers.values() if not answer.status]
            jobs = [pool.submit(judge, answer, blind, theirs.get(answer.exercise)) for answer in open_answers]
            for done in bar(as_completed(jobs), "judging", len(jobs), unit=" answers"):
                done.result()
        finally:
            pool.shutdown(cancel_futures=True)


def missing_fences() -> list[str]:
    """What this machine does not fence off, in words; empty on a Linux that grants namespaces to its users."""
    with tempfile.TemporaryDirectory(prefix="grading-") as scratch:
        return list(fence.call("s12lib.grading.fence:missing", {}, fence.Limits(scratch)))


def summary(students: list[Student]) -> str:
    """The table in two sentences."""
    statuses = [answer.status for student in students for answer in student.answers.values()]
    troubled = sum(bool(student.problems) for student in students)
    read = f"Something could not be read of {_count(troubled, 'student')}: see the table." if troubled else ""
    return (
        f"{_count(len(students), 'student')}, {_count(len(statuses), 'answer')}: {statuses.count('PASS')} pass, "
        f"{statuses.count('REVIEW')} to review. {read or 'All could be read.'}"
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def table(students: list[Student]) -> str:
    """The grades as CSV: a row a student; the exercises that anybody has answered, the course's in its order first."""
    answered = {name for student in students for name in student.answers}
    asked = [name for name in exercises() if name in answered]
    asked += sorted(answered.difference(asked))
    columns = ["student", "files", "solved", "of", "seconds", "could not be read"]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*columns, *(column for name in asked for column in (name, f"{name}: hint"))])
    for student in students:
        answers = [student.answers.get(name, Answer(name, status="MISSING")) for name in asked]
        seconds = f"{sum(answer.seconds for answer in answers):.1f}"
        files = " ".join(path.name for path in student.files)
        row = [student.name, files, student.solved, len(asked), seconds, "; ".join(student.problems)]
        writer.writerow(_cell(value) for value in [*row, *(x for each in answers for x in (each.status, each.hint))])
    return out.getvalue()


def _cell(value: object) -> str:
    """A value as one line of text that a spreadsheet takes for text, whatever a student has called a file."""
    text = " ".join(str(value).encode("utf-8", "replace").decode().split())
    text = "".join(character for character in text if character.isprintable())[:500]
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text

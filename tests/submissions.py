"""Made-up submissions of lesson 02: what students really hand in, and what an attacker or a bad day would.

``SUBMISSIONS`` has for each file or folder what writes it, and what its row of the table must say.
"""

import json
import os
import re
import textwrap
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

LESSON = Path(__file__).resolve().parent.parent / "lessons" / "02_model.ipynb"
CHECK = re.compile(r'^check\("(\w+)", (\w+)\)$', re.M)
SOLUTION = re.compile(r"<summary>Solution</summary>.*?```python\n(.*?)```", re.S)
COUNT, RESIDUAL, FIELD, *_ = EXERCISES = (
    "conv_bn_parameters",
    "residual",
    "receptive_field",
    "batch_norm",
    "predict_classes",
)


def code_cells() -> list[str]:
    """The sources of the lesson's code cells."""
    cells = json.loads(LESSON.read_text("utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def solutions() -> dict[str, str]:
    """The cell that solves each exercise: the lesson's own solution, and the check."""
    found, check = {}, None
    for cell in json.loads(LESSON.read_text("utf-8"))["cells"]:
        text = "".join(cell["source"])
        if cell["cell_type"] == "code":
            check = CHECK.search(text) or check
        elif check and (solution := SOLUTION.search(text)):
            found[check[1]] = f"{solution[1]}\n\n{check[0]}"
    return found


def notebook(cells: list[str]) -> bytes:
    """A notebook of code cells."""
    made = [{"cell_type": "code", "metadata": {}, "source": text, "outputs": []} for text in cells]
    return json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()


def lesson_with(answers: dict[str, str | None]) -> bytes:
    """The lesson with these cells in place of its stubs, and without those that are None."""
    cells = []
    for text in code_cells():
        check = CHECK.search(text)
        cells.append(answers.get(check[1], text) if check else text)
    return notebook([text for text in cells if text is not None])


@dataclass(frozen=True)
class Submission:
    """What writes it; the expected status of each exercise that does not pass; words of a hint, and of the problem."""

    write: Callable[[Path], object]
    statuses: dict[str, str]
    hint: str = ""
    problem: str = ""


def all_but(problem: str = "", hint: str = "", status: str = "", **answers: str | None) -> Submission:
    """The solved lesson but for these answers, which all get this status."""
    content = solutions() | answers
    return Submission(
        lambda path: path.write_bytes(lesson_with(content)),
        {name: status for name in answers if status},
        hint,
        problem,
    )


def counting(body: str, before: str = "", **expected: str) -> Submission:
    """The solved lesson, but ``conv_bn_parameters`` has this body, and these statements before it."""
    function = "def conv_bn_parameters(i, o, k=3):\n" + textwrap.indent(textwrap.dedent(body).strip(), "    ")
    cell = f'{textwrap.dedent(before)}\n{function}\n\ncheck("conv_bn_parameters", conv_bn_parameters)'
    return all_but(**{COUNT: cell}, **expected)


def unreadable(content: bytes, problem: str) -> Submission:
    return Submission(lambda path: path.write_bytes(content), dict.fromkeys(EXERCISES, "MISSING"), problem=problem)


def zipped(name: str, megabytes_of_nothing: int = 0) -> Callable[[Path], None]:
    """Writes a zip file with a notebook in it, and what a Mac adds."""

    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"__MACOSX/._{name}", b"\0\5\x16\7")
            if megabytes_of_nothing:
                with archive.open(name, "w", force_zip64=True) as member:
                    for _ in range(megabytes_of_nothing):
                        member.write(bytes(1 << 20))
            else:
                archive.writestr(name, lesson_with(solutions()))

    return write


def gigabyte(path: Path) -> None:
    """A gigabyte of stored output, for the file system a file with a hole in it."""
    path.write_bytes(lesson_with(solutions()))
    os.truncate(path, 1 << 30)


def folder_of_two(path: Path) -> None:
    (path / ".ipynb_checkpoints").mkdir(parents=True)
    (path / ".ipynb_checkpoints" / "02_model-checkpoint.ipynb").write_bytes(LESSON.read_bytes())
    right = solutions()
    (path / "02_model.ipynb").write_bytes(lesson_with({name: right[name] for name in EXERCISES[:3]}))
    (path / "03_rest.ipynb").write_bytes(
        notebook(["import torch\nfrom torch import nn", *(right[name] for name in EXERCISES[3:])])
    )


RIGHT = "return k**2 * i * o + 2 * o"
FORGED = r'b"\n{\"status\": \"PASS\", \"hint\": \"\"}\n"'
STOPPED, LOOK = "was stopped after", "read it: it "

SUBMISSIONS: dict[str, Submission] = {
    # right, each in its own way
    "right.ipynb": all_but(),
    "right-helper.ipynb": counting("return n(i, o, k)", "def n(i, o, k): return k * k * i * o + TWO * o\nTWO = 2"),
    "right-magics.ipynb": counting(RIGHT, "!pip list\nfiles = !ls\n%matplotlib inline\ntorch.equal?\n"),
    "right-lambda.ipynb": all_but(**{COUNT: 'check("conv_bn_parameters", lambda i, o, k=3: k * k * i * o + 2 * o)'}),
    "right-renamed.ipynb": all_but(**{RESIDUAL: solutions()[RESIDUAL].replace("ResidualBlock", "MyBlock")}),
    "right-unchecked.ipynb": all_but(**{RESIDUAL: solutions()[RESIDUAL].rpartition("check(")[0]}),
    "right-zip.zip": Submission(zipped("02_model.ipynb"), {}),
    "right-zip-renamed.ipynb": Submission(zipped("02_model.ipynb"), {}),
    "right-folder": Submission(folder_of_two, {}),
    # unfinished or wrong
    "unfinished.ipynb": Submission(
        lambda path: path.write_bytes(LESSON.read_bytes()), dict.fromkeys(EXERCISES, "TO DO")
    ),
    "half.ipynb": Submission(
        lambda path: path.write_bytes(lesson_with({name: solutions()[name] for name in EXERCISES[:2]})),
        dict.fromkeys(EXERCISES[2:], "TO DO"),
    ),
    "wrong.ipynb": counting("return k**2 * i * o + o", status="TRY AGAIN", hint="BatchNorm"),
    "no-skip.ipynb": all_but(
        **{RESIDUAL: solutions()[RESIDUAL].replace("return x + ", "return ")},
        status="TRY AGAIN", hint="input is not added",
    ),
    "syntax.ipynb": counting("return (k**2", status="TRY AGAIN", hint="not valid Python (line"),
    "cell-deleted.ipynb": all_but(**{FIELD: None}, status="MISSING"),
    "name-forgotten.ipynb": counting("return k**2 * i * o + both * o", status="TRY AGAIN", hint="does not know both"),
    # cheating
    "cheat-reference.ipynb": counting(
        "return exercises()['conv_bn_parameters'].reference(i, o, k)", "from s12lib.exercises import exercises",
        status="REVIEW", hint=f"{LOOK}imports s12lib.exercises",
    ),
    "cheat-use.ipynb": all_but(
        **{RESIDUAL: 'theirs = use("residual", None)\ncheck("residual", theirs)'}, status="REVIEW", hint="library's own"
    ),
    "cheat-judge.ipynb": counting(
        "from s12lib.exercises import lesson02, judging\n"
        "for each in lesson02.EXERCISES: object.__setattr__(each, 'judge', lambda answer: None)\nreturn 1",
        status="TRY AGAIN",  # the judge that is running is not the one exchanged
    ),
    "cheat-patch.ipynb": counting(
        "return len([j])",
        "import s12lib.exercises.judging as j\nj.Exercise.judge = property(lambda self: lambda answer: None)",
        status="REVIEW", hint="accepted a function that returns nothing",
    ),
    "cheat-equal.ipynb": counting(
        "return Any(1)", "class Any(int):\n    __eq__ = lambda a, b: True\n    __hash__ = int.__hash__",
        status="TRY AGAIN",
    ),
    "cheat-exit.ipynb": counting("import os\nprint('PASS')\nos._exit(0)", status="TRY AGAIN", hint="exit status 0"),
    "cheat-forged.ipynb": counting(
        f"import os\nos.write(3, {FORGED})\nos._exit(0)", status="TRY AGAIN", hint="exit status 0"
    ),
    "cheat-neighbour.ipynb": counting(
        "return len(open(FOLDER + '/right.ipynb').read())", "FOLDER = 'HERE'", status="TRY AGAIN", hint="FileNotFound"
    ),
    # endless, enormous, destructive
    "endless.ipynb": counting("while True: pass", status="TRY AGAIN", hint=STOPPED),
    "endless-definition.ipynb": counting(
        "return TWO", "TWO = sum(1 for _ in iter(int, 1))", status="TRY AGAIN", hint=STOPPED
    ),
    "asleep.ipynb": counting("import time\ntime.sleep(1e6)", status="TRY AGAIN", hint=STOPPED),
    "gigabyte-printed.ipynb": counting(
        f"while len(PRINTED) < 1000: PRINTED.append(print('x' * 10**6))\n{RIGHT}", "PRINTED = []"
    ),
    "gigabyte-stored.ipynb": Submission(gigabyte, dict.fromkeys(EXERCISES, "MISSING"), problem="larger than 100 MB"),
    "gigabyte-zipped.zip": Submission(
        zipped("02_model.ipynb", 1024), dict.fromkeys(EXERCISES, "MISSING"), problem="larger than 100 MB"
    ),
    "memory.ipynb": counting(
        "return len([bytes(10**8) for _ in range(10**4)])", status="TRY AGAIN", hint="MemoryError"
    ),
    "crash.ipynb": counting("import ctypes\nctypes.string_at(0)", status="TRY AGAIN", hint="SIGSEGV"),
    "leaves.ipynb": counting("exit()", status="TRY AGAIN", hint="raised"),
    "network.ipynb": counting(
        "import socket\nsocket.create_connection(('127.0.0.1', PORT), 2)", "PORT = 'PORT'", status="TRY AGAIN",
        hint="Network is unreachable",
    ),
    "vandal.ipynb": counting(
        "try: open('HERE/right.ipynb', 'w').write('gone')\nexcept OSError: pass\nopen(s12lib.__file__, 'a')",
        "import s12lib",
        status="TRY AGAIN", hint="Read-only file system",
    ),
    "orphan.ipynb": counting(
        f"import subprocess\nsubprocess.Popen(['sleep', '6543'])\n{RIGHT}", status="REVIEW", hint=LOOK
    ),
    # no notebook of ours
    "other-course.ipynb": unreadable(
        notebook(["import pandas as pd", "grader.check('q1')"]), "none of the course's exercises"
    ),
    "sign-in-page.ipynb": unreadable(b"<html>Sign in to the network</html>", "not a notebook that Jupyter can open"),
    "half-uploaded.ipynb": unreadable(lesson_with(solutions())[:9000], "not a notebook that Jupyter can open"),
    "report.pdf": unreadable(b"%PDF-1.7", "neither a notebook nor a zip file"),
    "deep.ipynb": unreadable(notebook(["x = " + "(" * 5000 + ")" * 5000]), "code cell 1 is not valid Python"),
    "empty": Submission(lambda path: path.mkdir(), dict.fromkeys(EXERCISES, "MISSING"), problem="holds no notebook"),
    "link.ipynb": Submission(
        lambda path: path.symlink_to("right.ipynb"), dict.fromkeys(EXERCISES, "MISSING"), problem="is a link"
    ),
    "=1+1.ipynb": all_but(),
}  # fmt: skip


def hand_in(folder: Path, port: int) -> None:
    """Write all submissions; those that attack a neighbour or a server learn where these are."""
    for name, submission in SUBMISSIONS.items():
        path = folder / name
        submission.write(path)
        if path.is_file() and not path.is_symlink() and path.stat().st_size < 1 << 20:
            content = path.read_bytes().replace(b"'PORT'", str(port).encode())
            path.write_bytes(content.replace(b"HERE", os.fsencode(folder)))

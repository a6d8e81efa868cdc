"""Run every lesson, or those named, and compare nothing: does the course still run with this environment's versions?

``make newest``, or ``make newest LESSONS=lessons/01_data.py`` for one. Says which versions are others than the lock's,
and of each lesson that fails, the cell and the error's last line.
"""

import importlib.metadata
import os
import re
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import (
    CellExecutionError,
    CellTimeoutError,
    DeadKernelError,
)

ROOT = Path(__file__).resolve().parent.parent
LESSONS = sorted((ROOT / "lessons").glob("[0-9]*.ipynb"))
MINUTES = 30  # for one cell, on a slow machine
COLORS = re.compile(r"\x1b\[[0-9;]*m")


def others_than_locked(lock: str, here: dict[str, str]) -> list[str]:
    """``"name locked → here"`` for each package that is here in a version which the lock pins for no Python at all."""
    pins: dict[str, list[str]] = {}
    for name, version in re.findall(
        r"^([a-z0-9][a-z0-9._-]*)==([^ ;\\]+)", lock, re.M
    ):
        pins.setdefault(name, []).append(version)
    return [
        f"{name} {pins[name][-1]} → {here[name]}"
        for name in sorted(pins)
        if here.get(name) not in (None, *pins[name])
    ]


def use_our_data() -> None:
    """Have the lessons, each run in a folder of its own, find the data of this checkout."""
    os.environ["S12_DATA_DIR"] = str(
        Path(os.environ.get("S12_DATA_DIR") or ROOT / "data").resolve()
    )


def failure_of(lesson: Path) -> str:
    """What stops a lesson, in a line; nothing when it runs to its end. Its stored outputs are not touched."""
    notebook = nbformat.read(lesson, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook,
            timeout=60 * MINUTES,
            resources={"metadata": {"path": folder}},
        )
        try:
            client.execute()
        except (
            CellExecutionError,
            CellTimeoutError,
            DeadKernelError,
            AssertionError,  # nbclient's, when a kernel dies between two cells
        ) as error:
            done = sum(
                bool(cell.get("execution_count")) for cell in notebook.cells
            )
            told = COLORS.sub("", str(error)).strip().splitlines()
            return f"code cell {done}: {(told or ['the kernel died'])[-1]}"
    return ""


def main(lessons: list[Path]) -> int:
    """Run these notebooks, and return how many failed."""
    os.environ.setdefault("S12_PROFILE", "smoke")
    use_our_data()
    here = {
        re.sub(r"[._-]+", "-", each.name).lower(): each.version
        for each in importlib.metadata.distributions()
    }
    changed = others_than_locked(
        (ROOT / "requirements.lock").read_text("utf-8"), here
    )
    print(
        f"{len(changed)} packages are others than the lock's: {', '.join(changed) or 'none'}.",
        flush=True,
    )
    failed = 0
    for lesson in lessons:
        fault = failure_of(lesson)
        failed += bool(fault)
        print(f"{lesson.stem}: {fault or 'runs'}", flush=True)
    print(f"{len(lessons) - failed} of {len(lessons)} lessons run.")
    return failed


if __name__ == "__main__":
    sys.exit(bool(main([Path(each) for each in sys.argv[1:]] or LESSONS)))

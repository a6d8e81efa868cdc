"""The tables of lessons in README, the introduction and the status page, made from the lessons: ``book/front.py``."""

import json
import re
import sys
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

from s12lib.results.tables import fill

ROOT = Path(__file__).resolve().parent.parent


class Lesson(NamedTuple):
    """What a lesson's first lines say of it."""

    stem: str
    title: str
    question: str
    gpu: str
    cpu: str


def read_lessons(root: Path = ROOT) -> list[Lesson]:
    """The lessons in order. Raises ValueError for one that lacks its title, question or minutes."""
    found = []
    for path in sorted(root.glob("lessons/[0-9]*.py")):
        text = path.read_text("utf-8")
        parts = [
            re.search(pattern, text, re.M)
            for pattern in (r"^# # (.+)$", r"^# \*\*(.+\?)\*\*$", r"Minutes to run: (\d+) on a GPU, (\d+) on a CPU")
        ]
        if None in parts:
            raise ValueError(f"{path.name} lacks its title, its question in bold, or its minutes")
        title, question, minutes = (part.groups() for part in parts if part)
        found.append(Lesson(path.stem, title[0], question[0], *minutes))
    return found


def readme_table(lessons: list[Lesson]) -> str:
    rows = [f"| [{each.title}](lessons/{each.stem}.ipynb) | {each.question} | {each.cpu} |" for each in lessons]
    return "\n".join(["| lesson | its question | minutes on a CPU |", "|---|---|---|", *rows])


def map_table(lessons: list[Lesson], timed: dict[str, dict[str, Any]]) -> str:
    """``timed`` is what ``lessons/minutes.py`` noted, by hardware; the GPU on which most lessons ran is shown."""
    cards = {name: each["seconds"] for name, each in timed.items() if each["gpu"]}
    card = max(cards, key=lambda name: len(cards[name]), default="")
    measured = {stem: str(ceil(seconds / 60)) for stem, seconds in cards.get(card, {}).items()}
    rows = [
        f"| [{each.title}](../lessons/{each.stem}.ipynb) | {each.question} "
        f"| {measured.get(each.stem, each.gpu)} | {each.cpu} |"
        for each in lessons
    ]
    estimated = [each.title[:2] for each in lessons if each.stem not in measured]
    on_gpu = "those on a GPU are estimates"
    if measured:
        on_gpu = f"those on a GPU with one {card}"
        on_gpu += f", but estimated for {', '.join(estimated)}" if estimated else ""
    head = ["| lesson | its question | minutes on a GPU | on a CPU |", "|---|---|---|---|"]
    return "\n".join([*head, *rows, "", f"The minutes on a CPU were measured on two cores; {on_gpu}."])


def status_table(lessons: list[Lesson], runs: dict[str, dict[str, str]]) -> str:
    rows = []
    for each in lessons:
        run = runs.get(each.stem, {})
        versions = ", ".join(f"{name} {version}" for name, version in run.items() if name != "executed")
        cells = f"[{each.title}](../lessons/{each.stem}.ipynb)", each.cpu, run.get("executed", ""), versions
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(["| lesson | minutes on a CPU | executed | with |", "|---|---|---|---|", *rows])


def pages(root: Path = ROOT) -> dict[Path, str]:
    """Each page that shows the lessons, and what it should say."""
    lessons = read_lessons(root)
    runs = json.loads((root / "lessons/status.json").read_text("utf-8"))
    record = root / "lessons/minutes.json"
    timed = json.loads(record.read_text("utf-8")) if record.exists() else {}
    parts = {"README.md": readme_table(lessons), "book/intro.md": map_table(lessons, timed)}
    parts["book/status.md"] = status_table(lessons, runs)
    return {root / name: fill((root / name).read_text("utf-8"), text, "lessons") for name, text in parts.items()}


if __name__ == "__main__":
    try:
        for path, text in pages().items():
            path.write_text(text, "utf-8")
    except ValueError as error:
        sys.exit(str(error))

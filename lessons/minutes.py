"""Time every lesson on this machine, kernel and imports included; ``make measure`` does it on a GPU.

Each lesson is noted in ``lessons/minutes.json`` as soon as it has run,
and not run again on the same hardware; ``book/front.py`` shows what is there.
"""

import argparse
import json
import sys
from pathlib import Path
from time import perf_counter

from newest import LESSONS, ROOT, failure_of, use_our_data

from s12lib.files import atomic_path
from s12lib.training import hardware

RECORD = ROOT / "lessons" / "minutes.json"


def measure(
    lessons: list[Path], minutes: float, record: Path = RECORD
) -> int:
    """Time what is not in the record yet, until the minutes are over; returns how many lessons failed."""
    known = json.loads(record.read_text("utf-8")) if record.exists() else {}
    here = known.setdefault(
        hardware.hardware(), {"gpu": hardware.on_gpu(), "seconds": {}}
    )
    began, failed = perf_counter(), 0
    for lesson in lessons:
        if lesson.stem in here["seconds"]:
            continue
        start = perf_counter()
        if start - began > 60 * minutes:
            print(f"{lesson.stem} and what follows: the time is up")
            break
        if fault := failure_of(lesson):
            print(f"{lesson.stem}: {fault}", flush=True)
            failed += 1
            continue
        seconds = round(perf_counter() - start, 1)
        here["seconds"][lesson.stem] = seconds
        with atomic_path(record) as partial:
            partial.write_text(json.dumps(known, indent=1) + "\n", "utf-8")
        print(f"{lesson.stem}: {seconds} s", flush=True)
    return failed


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "lessons",
        nargs="*",
        type=Path,
        metavar="NOTEBOOK",
        help="default: all",
    )
    parser.add_argument("--minutes", type=float, default=10)
    asked = parser.parse_args()
    use_our_data()
    sys.exit(bool(measure(asked.lessons or LESSONS, asked.minutes)))

"""The last line of a run of tests: what was checked, what was not, and the way to get each."""

from collections import Counter
from pathlib import Path

import pytest

LATER = {
    "not slow": "what takes minutes (make test-slow)",
    "slow": "what is quick (make test)",
}


def plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


class ClosingLine:
    """Counts what every test came to. A reason to skip a test says where it was not checked, and what would help."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.outcomes: dict[str, str] = {}  # the worst of set-up, call and teardown, by the test's name
        self.missing: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped and isinstance(report.longrepr, tuple):
            self.missing[report.longrepr[2].removeprefix("Skipped: ")] += 1
        if report.failed or report.nodeid not in self.outcomes:
            self.outcomes[report.nodeid] = report.outcome
        elif report.skipped:
            self.outcomes[report.nodeid] = "skipped"

    def pytest_unconfigure(self) -> None:
        if self.outcomes:
            print(self.line())

    def line(self) -> str:
        ran = {name: outcome for name, outcome in self.outcomes.items() if outcome != "skipped"}
        lessons = {name.split("::")[0] for name in ran if ".ipynb::" in name}
        tests = [name for name in ran if ".ipynb::" not in name]
        attacks = sum("::test_case_" in name for name in tests)
        checked = [plural(len(tests), "test") + (f" ({attacks} of what strangers send to the app)" if attacks else "")]
        checked += [f"{plural(len(lessons), 'lesson')} executed again and compared"] if lessons else []
        on_shapes = sum("test_lesson_runs_without_cifar10[" in name for name in tests)
        checked += [f"{plural(on_shapes, 'lesson')} on Shapes"] if on_shapes else []
        failed = {name.split("::")[0] if ".ipynb::" in name else name for name in ran if ran[name] == "failed"}
        checked += [f"{len(failed)} FAILED"] if failed else []
        later = LATER.get(self.config.option.markexpr)
        missing = [f"{count} {reason}" for reason, count in self.missing.most_common()] + ([later] if later else [])
        missing += ["what the lessons print on CIFAR-10 (.venv/bin/s12 data)"] if on_shapes and not lessons else []
        return f"Checked: {', '.join(checked)}. Not checked: {'; '.join(missing) or 'nothing'}."


def require_this_checkout(root: Path) -> None:
    """Stop where ``s12lib`` would be imported from elsewhere, as from a clone that was installed before this one."""
    import s12lib

    found = Path(s12lib.__file__).resolve().parent.parent
    if found != root:
        raise pytest.UsageError(
            f"These are the tests of {root}, but s12lib is imported from {found}: run `make setup`."
        )

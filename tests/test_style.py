"""What ruff, mypy, deptry and the schemas say of the files as they stand; ``make test`` runs them beside the tests."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
GITHUB = ROOT / ".github"

CHECKS = {
    "style": ["ruff", "check", "."],
    "format": ["ruff", "format", "--check", "."],
    "types": ["mypy"],
    "dependencies": ["deptry", ".", "tests"],
    "pre-commit": ["pre_commit", "validate-config"],
}
SCHEMAS = {
    "github-workflows": sorted(GITHUB.glob("workflows/*.yml")),
    "github-issue-forms": sorted(GITHUB.glob("ISSUE_TEMPLATE/*.yml")),
    "dependabot": [GITHUB / "dependabot.yml"],
    "citation-file-format": [ROOT / "CITATION.cff"],
}

pytestmark = pytest.mark.xdist_group("style")


def run(*command: str | Path) -> None:
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, f"{command[0]} found:\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("command", CHECKS.values(), ids=CHECKS)
def test_nothing_is_found_by(command):
    run(*command)


@pytest.mark.parametrize(("schema", "files"), SCHEMAS.items(), ids=SCHEMAS)
def test_files_have_the_form_that_their_readers_expect(schema, files):
    assert files
    run("check_jsonschema", "--builtin-schema", f"vendor.{schema}", "--default-filetype", "yaml", *files)

"""Set the project's address everywhere: ``make address REPO=owner/name``.

By hand it stands only in ``_config.yml``; this command changes it there and wherever else a link needs it.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Every file that may hold a link to the project. tests/test_packaging.py looks for it in all the others.
HOLDERS = (
    "README.md",
    "CITATION.cff",
    "_config.yml",
    "book/*.md",
    "lessons/*.py",
    "lessons/*.ipynb",
    "s12lib/**/*.py",
    "s12lib/**/*.md",
)


def holders(root: Path) -> list[Path]:
    """The files under ``root`` that may name the project's address."""
    return sorted(path for pattern in HOLDERS for path in root.glob(pattern) if path.is_file())


def current_address(root: Path) -> str:
    """``owner/name`` as ``_config.yml`` has it."""
    found = re.search(
        r"^\s+url: https://github\.com/([\w.-]+/[\w.-]+)\s*$", (root / "_config.yml").read_text("utf-8"), re.M
    )
    if found is None:
        raise SystemExit("_config.yml names no address: it should say repository: url: https://github.com/owner/name")
    return found[1]


def badges(root: Path, address: str) -> str:
    """README's badges: tests, licence, and the first lesson in Colab. None before there is an address."""
    if address.startswith("OWNER/"):
        return ""
    lesson = re.search(r"file: (lessons/\w+)", (root / "_toc.yml").read_text("utf-8"))
    first = lesson[1] if lesson else "lessons"
    colab = f"https://colab.research.google.com/github/{address}/blob/main/{first}.ipynb"
    tests = f"https://github.com/{address}/actions/workflows/ci.yml"
    return (
        f"[![tests]({tests}/badge.svg)]({tests})\n"
        "[![licence: MIT](book/_static/licence-badge.svg)](LICENSE)\n"
        f"[![Open in Colab](book/_static/colab-badge.svg)]({colab})\n"
    )


def put_badges(root: Path, address: str) -> None:
    """Write them between their markers in README."""
    readme = root / "README.md"
    pattern = re.compile(r"(<!-- badges:begin -->\n).*?(<!-- badges:end -->)", re.S)
    text = readme.read_bytes().decode("utf-8")
    readme.write_bytes(pattern.sub(rf"\g<1>{badges(root, address)}\g<2>", text).encode("utf-8"))


def set_address(root: Path, new: str) -> list[Path]:
    """Put ``new`` in the place of the current address; returns the files that changed."""
    old_owner, old_name = current_address(root).split("/")
    owner, name = new.split("/")
    forms = {
        rf"(?<![\w.-]){re.escape(old_owner)}/{re.escape(old_name)}(?![\w-])": f"{owner}/{name}",
        rf"(?<![\w.-]){re.escape(old_owner)}\.github\.io/{re.escape(old_name)}(?![\w-])": f"{owner}.github.io/{name}",
    }
    changed = []
    for path in holders(root):
        text = before = path.read_bytes().decode("utf-8")
        for pattern, replacement in forms.items():
            text = re.sub(pattern, replacement, text)
        if text != before:
            path.write_bytes(text.encode("utf-8"))
            changed.append(path)
    put_badges(root, new)
    return changed


def main() -> None:
    new = sys.argv[1] if len(sys.argv) == 2 else ""
    if not re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9-]*)/[A-Za-z0-9._-]+", new):
        print(f"This is not an address: {new!r}. Say it like this: make address REPO=owner/name", file=sys.stderr)
        raise SystemExit(2)
    for path in set_address(ROOT, new):
        print(path.relative_to(ROOT))
    print(f"The project's address is https://github.com/{new}")


if __name__ == "__main__":
    main()

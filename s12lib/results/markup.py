"""Markdown tables, and names that somebody chose where they meet Markdown or HTML: no character of them is markup."""

from collections.abc import Mapping, Sequence

from s12lib.errors import cleaned

MARKUP = frozenset("\\`*_[]<>{}|&$~#")


def escaped(name: str) -> str:
    """A name as text in a cell of a Markdown table, or in a sentence of a page: on one line, and shown as it reads."""
    return "".join(f"&#{ord(letter)};" if letter in MARKUP else letter for letter in cleaned(" ".join(name.split())))


def code(text: str) -> str:
    """A text in the type of code in a cell of a Markdown table."""
    text = cleaned(" ".join(text.split()))
    return f"<code>{escaped(text)}</code>" if {"`", "|"} & set(text) else f"`{text}`"


def as_table(rows: Sequence[Mapping[str, str]]) -> str:
    """Rows by column as a Markdown table, without the columns that are empty in all of them."""
    columns = [name for name in rows[0] if any(row[name] for row in rows)]
    header, *lines = [
        "| " + " | ".join(line) + " |" for line in (columns, *([row[n] for n in columns] for row in rows))
    ]
    return "\n".join([header, "|" + "---|" * len(columns), *lines])

"""Names that somebody chose, where they meet Markdown or HTML: no character of them is markup."""

from s12lib.errors import cleaned

MARKUP = frozenset("\\`*_[]<>{}|&$~#")


def escaped(name: str) -> str:
    """A name as text in a cell of a Markdown table, or in a sentence of a page: on one line, and shown as it reads."""
    return "".join(f"&#{ord(letter)};" if letter in MARKUP else letter for letter in cleaned(" ".join(name.split())))


def code(text: str) -> str:
    """A text in the type of code in a cell of a Markdown table."""
    text = cleaned(" ".join(text.split()))
    return f"<code>{escaped(text)}</code>" if {"`", "|"} & set(text) else f"`{text}`"

"""Errors for people: which ones become one sentence on stderr instead of a traceback."""

import difflib
import errno
import sys
import unicodedata
from argparse import ArgumentError
from collections.abc import Iterable
from pickle import UnpicklingError


class CourseError(Exception):
    """An error whose message is one sentence that says what is wrong with which input and what to do."""

    status = 2
    """What the command exits with: 2 for a wrong input."""


REASONS = {
    errno.ENOENT: "it is not there",
    errno.EISDIR: "it is a folder",
    errno.ENOTDIR: "part of its path is a file and no folder",
    errno.EACCES: "you may not read or write it: look at its permissions",
    errno.EPERM: "you may not read or write it: look at its permissions",
    errno.EROFS: "its disk is read-only",
    errno.ENOSPC: "the disk is full: free some space and try again",
    getattr(errno, "EDQUOT", errno.ENOSPC): "your disk quota is used up: free some space and try again",
}


def reason(error: OSError) -> str:
    """Why a file could not be read or written, in words that say what to do."""
    return REASONS.get(error.errno or 0) or error.strerror or str(error)


def told(error: BaseException) -> str:
    """What was wrong, in the middle of a sentence: of a file its name and the reason, else the error's own words."""
    if isinstance(error, OSError) and error.errno:
        return reason(error) if error.filename is None else f"{error.filename}: {reason(error)}"
    return " ".join(str(error).split())


def cleaned(name: str) -> str:
    """A name without what prints otherwise than it reads: control characters, and those that turn the writing round."""
    return "".join(c for c in name if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))


def did_you_mean(given: str, known: Iterable[str], least: float = 0.6) -> str:
    """How a sentence about an unknown name ends: "; did you mean NAME?", or "." where none looks like it."""
    names = {name.lower(): name for name in known}
    close = difflib.get_close_matches(given.lower(), names, n=1, cutoff=least)
    return f"; did you mean {names[close[0]]}?" if close else "."


def printable(text: str) -> str:
    """The text as stdout can show it: what its encoding lacks, as cp1252 lacks the lines of a box, becomes "?"."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, "replace").decode(encoding)


def sentence(error: BaseException) -> str | None:
    """What a person is told, or None for an error that nobody foresaw, which keeps its traceback."""
    if isinstance(error, UnpicklingError):
        return "The checkpoint is damaged or holds more than weights and plain values; it is refused."
    if isinstance(error, OSError) and error.errno and error.filename is not None:
        return f"{told(error)}."
    text = " ".join(str(error).split())
    if text.startswith("Error(s) in loading state_dict"):
        return "The checkpoint holds the weights of another network than the recipe names."
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in text:
        return "There is not enough memory for this: make the sizes smaller, of a batch first."
    if isinstance(error, OSError) and error.errno:
        return f"A file could not be read or written: {reason(error)}."
    foreseen = isinstance(error, CourseError | ArgumentError | OSError | TypeError | ValueError)
    # Lightning's own refusals, such as a GPU that is not there; importing their class would take seconds.
    return text if foreseen or type(error).__name__ == "MisconfigurationException" else None

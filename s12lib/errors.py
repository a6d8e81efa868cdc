"""Errors for people: which ones become one sentence on stderr instead of a traceback."""

from argparse import ArgumentError
from pickle import UnpicklingError


class CourseError(Exception):
    """An error whose message is one sentence that says what is wrong with which input and what to do."""


def sentence(error: Exception) -> str | None:
    """What a person is told, or None for an error that nobody foresaw, which keeps its traceback."""
    if isinstance(error, UnpicklingError):
        return "The checkpoint is damaged or holds more than weights and plain values; it is refused."
    text = " ".join(str(error).split())
    if text.startswith("Error(s) in loading state_dict"):
        return "The checkpoint holds the weights of another network than the recipe names."
    foreseen = isinstance(error, CourseError | ArgumentError | OSError | TypeError | ValueError)
    # Lightning's own refusals, such as a GPU that is not there; importing their class would take seconds.
    return text if foreseen or type(error).__name__ == "MisconfigurationException" else None

"""The app's examples and its gallery of mistakes, as ``s12 examples`` measured them: images and honest outcomes."""

from dataclasses import dataclass
from pathlib import Path

from s12lib.errors import CourseError
from s12lib.schemas import Card, ExamplesRecord, read_json

FOLDER = Path(__file__).parent / "files"
RECORD = "measured.json"


@dataclass(frozen=True)
class Example:
    """An image to try, and what the network answered to it: ``truth`` is None where no class would be right."""

    file: str
    shows: str
    truth: str | None
    source: str
    answer: str = ""
    probability: float = 0.0
    familiar: bool | None = None

    @property
    def path(self) -> Path:
        return FOLDER / self.file

    @property
    def verdict(self) -> str:
        """What is to be said of the answer, for people."""
        if self.truth is None:
            return "warned of" if self.familiar is False else "not warned of, though no class is right"
        right = "right" if self.answer == self.truth else "wrong"
        return f"{right}, but warned of" if self.familiar is False else right


@dataclass(frozen=True)
class Mistake:
    """A test image that the network was most certain of and wrong about.

    ``maps`` holds the class maps of its answer and of the truth at layer3, each 4 × 4, as `class_maps` gives them.
    """

    picture: str
    index: int
    answer: str
    probability: float
    truth: str
    maps: list[list[list[float]]]

    @property
    def told(self) -> str:
        """What went wrong, in words."""
        return f"Says {self.answer}, {percent(self.probability)}; labelled {self.truth}."


def recorded(card: Card) -> tuple[list[Example], list[Mistake]]:
    """The examples and mistakes as ``s12 examples`` left them; for other weights than those, no answer is claimed."""
    record = read_json(FOLDER / RECORD, ExamplesRecord, CourseError)
    examples = [Example(**example) for example in record["examples"]]
    if record["weights_sha256"] == card["sha256"]:
        return examples, [Mistake(**mistake) for mistake in record["mistakes"]]
    return [Example(e.file, e.shows, e.truth, e.source) for e in examples], []


def percent(share: float) -> str:
    """A probability for people; what rounds to 0 or 100 % but is neither says so."""
    if 0 < share < 0.0005:
        return "< 0.1\xa0%"
    return "> 99.9\xa0%" if 0.9995 <= share < 1 else f"{100 * share:.1f}\xa0%"

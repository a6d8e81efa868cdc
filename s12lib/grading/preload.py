"""What every judge needs and takes seconds to load: imported once, by the process that the others are forked from."""

from s12lib.exercises import exercises
from s12lib.grading import answers, judge

__all__ = ["answers", "judge"]

exercises()

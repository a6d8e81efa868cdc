"""How fast things are on this machine: ratios of two things run in turn, with a control. `make bench` runs it.

Absolute times on a shared machine say little; the ratio of two things timed one right after the other says more. Every
row is the median (min–max) of such ratios. The control is a thing against itself: as far as it strays from 1, nothing
else in the table can be trusted.
"""

from s12lib.bench.steps import DTYPES, STEP_FLOP, Bench, OneByOne
from s12lib.bench.timing import ratios, timed, wait_for_gpu

__all__ = ["DTYPES", "STEP_FLOP", "Bench", "OneByOne", "ratios", "timed", "wait_for_gpu"]

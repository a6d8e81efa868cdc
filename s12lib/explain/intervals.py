"""A mean over images, and how far to trust it."""

from typing import NamedTuple

import numpy as np

from s12lib.explain.maps import Array


class Interval(NamedTuple):
    mean: float
    low: float
    high: float


def confidence_interval(values: Array, confidence: float = 0.95, resamples: int = 2000, seed: int = 0) -> Interval:
    """The mean over images, and the interval that holds it with this confidence: ``values (N,)`` → (mean, low, high).

    Percentile bootstrap: the means of ``resamples`` draws of N images with replacement; low and high are their
    (1 ∓ confidence)/2 quantiles. Efron, "Bootstrap Methods: Another Look at the Jackknife", 1979,
    https://doi.org/10.1214/aos/1176344552. To compare two methods on the same images, pass the differences.
    Raises ValueError for fewer than two values, a value that is not finite, or a confidence outside (0, 1).
    """
    sample = np.asarray(values, dtype=np.float64)
    if sample.ndim != 1 or len(sample) < 2 or not np.isfinite(sample).all():
        raise ValueError(f"values must be two or more finite numbers in one row, but they are {values!r}.")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, but it is {confidence!r}.")
    generator = np.random.default_rng(seed)
    means = [sample[generator.integers(len(sample), size=len(sample))].mean() for _ in range(resamples)]
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(sample.mean()), float(low), float(high))


def format_interval(values: Array) -> str:
    """The mean in per cent, ± half of its 95% interval: ``(N,)`` shares of 1 → "87.3 ± 1.2"."""
    mean, low, high = confidence_interval(values)
    return f"{100 * mean:.1f} ± {50 * (high - low):.1f}"

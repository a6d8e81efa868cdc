"""What figures say in words; without Matplotlib, so that the app may say the same at once."""

import numpy as np


def hottest_place(heat: np.ndarray) -> str:
    """Where a map ``(h, w)`` has its maximum, of nine places; "nowhere" for one without a positive value."""
    if heat.max() <= 0:
        return "nowhere"
    row, column = (int(3 * (at + 0.5) / len(heat)) for at in np.unravel_index(heat.argmax(), heat.shape))
    if row == column == 1:
        return "in the middle"
    return f"at the {('top', 'middle', 'bottom')[row]} {('left', 'centre', 'right')[column]}"

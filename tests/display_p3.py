"""An ICC profile for Display P3's primaries, as phones write one, and what colours in it are in sRGB."""

import struct

import numpy as np

PRIMARIES = np.array([[0.51512, 0.29198, 0.15710], [0.24120, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]])
SRGB = np.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]])
"""Columns: red, green, blue in XYZ, adapted to D50, as the profiles hold them."""
GAMMA = 2.2


def profile() -> bytes:
    """ICC version 2, three primaries and one gamma: https://www.color.org/icc32.pdf"""

    def fixed(*values: float) -> bytes:
        return b"".join(struct.pack(">i", round(value * 65536)) for value in values)

    def xyz(*values: float) -> bytes:
        return b"XYZ \0\0\0\0" + fixed(*values)

    text = b"Display P3, for a test\0"
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(78),
        b"cprt": b"text\0\0\0\0free\0",
        b"wtpt": xyz(0.9642, 1.0, 0.8249),
        **{name: xyz(*PRIMARIES[:, k]) for k, name in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))},
        **{name: b"curv\0\0\0\0" + struct.pack(">IH", 1, round(GAMMA * 256)) for name in (b"rTRC", b"gTRC", b"bTRC")},
    }
    table, body, at = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        padded = content + bytes(-len(content) % 4)
        table += name + struct.pack(">II", at + len(body), len(content))
        body += padded
    header = struct.pack(">I4sI4s4s4s", at + len(body), b"none", 0x02100000, b"mntr", b"RGB ", b"XYZ ")
    header += bytes(12) + b"acsp" + bytes(28) + fixed(0.9642, 1.0, 0.8249)
    return header + bytes(128 - len(header)) + table + body


def in_srgb(pixels: np.ndarray) -> np.ndarray:
    """What colours ``(..., 3)`` uint8 in this profile are in sRGB, as float64 from 0 to 255."""
    linear = (pixels / 255) ** GAMMA @ (np.linalg.inv(SRGB) @ PRIMARIES).T
    linear = linear.clip(0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)

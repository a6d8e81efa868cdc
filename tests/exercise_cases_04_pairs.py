"""What readers may hand in for lesson 04's exercise on pairs; how to read this stands in ``exercise_cases.py``."""

WRONG: dict[str, list[tuple[str | None, str, str]]] = {
    "surely_apart": [
        ("level / 2 / len(pairs)", "level / 2", "test each pair at the whole level"),
        ("level / 2 / len(pairs)", "level / 2 / len(hits)", "divide the level by the"),
        ("level / 2 / len(pairs)", "level / 2 / len(hits) ** 2", "count each pair twice"),
        ("level / 2 / len(pairs)", "level / len(pairs)", "leaves the whole level on one side"),
        ("level / 2 / len(pairs)", "0.05 / 2 / len(pairs)", "should be in your list"),
        (
            "share * (1 - share) * (1 / counts[i] + 1 / counts[j])",
            "one * (1 - one) / counts[i] + other * (1 - other) / counts[j]",
            "a spread of its own share",
        ),
        (
            "z * variance**0.5",
            "z * ((one * (1 - one) / counts[i]) ** 0.5 + (other * (1 - other) / counts[j]) ** 0.5)",
            "whether two intervals overlap",
        ),
        ("for i, j in pairs:", "for i, j in [(min(range(len(hits)), key=lambda k: hits[k] / counts[k]), k) for k in "
         "range(len(hits))]:", "smaller number comes first"),
        ("combinations(range(len(hits)), 2)", "((i, j) for i in range(len(hits)) for j in range(len(hits)))",
         "there once"),
        ("variance**0.5", "variance", "is in your list and should not be"),
        ("apart.append((i, j))", "apart.append(i)", "Return a list of pairs"),
        ("apart.append((i, j))", "apart.append((i + 1, j + 1))", "no class"),
        ("    return apart", "", "Is the return missing"),
        ("return apart", "return len(apart)", "Return a list of pairs"),
        (
            "if abs(one - other) > z * variance**0.5",
            "if abs(one - other) / variance**0.5 > z",
            "ZeroDivisionError",
        ),
        ("    return apart", "    hits.clear()\n    return apart", "changes its input in place"),
    ],
}  # fmt: skip

RIGHT: dict[str, str] = {
    "surely_apart": """
import math

def surely_apart(hits, counts, level):
    c = len(hits)
    number = c * (c - 1) // 2
    found = []
    for i in range(c):
        for j in range(i + 1, c):
            pooled = (hits[i] + hits[j]) / (counts[i] + counts[j])
            if pooled in (0, 1):
                continue
            variance = pooled * (1 - pooled) / counts[i] + pooled * (1 - pooled) / counts[j]
            z = (hits[i] / counts[i] - hits[j] / counts[j]) / math.sqrt(variance)
            if math.erfc(abs(z) / math.sqrt(2)) < level / number:
                found.append([i, j])
    return found
""",
}

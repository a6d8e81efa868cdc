"""What readers may hand in for lesson 10's exercise on judges; how to read this stands in ``exercise_cases.py``."""

EDGES = "[[7], [2, 2, 9], [-7, -1, -4], [10, 9, 3, 5.5]]"
RAISE = '            raise Mistake(f"For {values} not {found}, but {right}.")'
LOOP = "found, right = call(answer, values), median(values)"

WRONG: dict[str, list[tuple[str | None, str, str]]] = {
    "judge_median": [
        (EDGES, "[[3, 1, 2]]", "lets an answer pass"),
        (EDGES, "[[1, 2, 3], [1, 5, 2, 9.5]]", "lets an answer pass"),
        ("[7], ", "", "0 for a single number"),
        ("[2, 2, 9], ", "", "equal ones counted once"),
        ("[-7, -1, -4]", "[7, 1, 4]", "without their signs"),
        (", [10, 9, 3, 5.5]", "", "the upper one of two middle numbers"),
        ("[10, 9, 3, 5.5]", "[8, 9, 3, 5.5]", "sorted as text"),
        ("[10, 9, 3, 5.5]", "[10, 9, 3, 5]", "the median cut down"),
        ("call(answer, values), median(values)", "answer(list(values)), median(values)", "leaves the list sorted"),
        ("found is None or ", "", "ends your judge in TypeError"),
        (
            "found is None or abs(found - right) > 1e-9",
            "found != right",
            "one that is a billionth",
        ),
        ("abs(found - right) > 1e-9", "repr(found) != repr(right)", "rejects a right answer, one that"),
        ("abs(found - right) > 1e-9", "abs(abs(found) - abs(right)) > 1e-9", "without their signs"),
        ("abs(found - right) > 1e-9", "abs(found - right) < 1e-9", "rejects a right answer"),
        (RAISE, "            return False", "only `raise Mistake(...)` rejects"),
        (RAISE, "            print(values)", "lets an answer pass"),
        (RAISE, '            raise ValueError("This is no median.")', "ends your judge in ValueError"),
        (RAISE, '            raise Mistake("Wrong.")', "Its reader needs a sentence"),
        (RAISE, '            raise Mistake("")', "Its reader needs a sentence"),
        (LOOP, "found, right = answer(sorted(values)), median(values)", "unsorted"),
    ],
}

RIGHT: dict[str, str] = {
    "judge_median": """
import itertools
from s12lib.exercises.expect import number


def judge_median(answer):
    for length in range(1, 5):
        for values in itertools.permutations((9.5, 10.0, -2.0, -2.0), length):
            given = list(values)
            wanted = sorted(values)
            wanted = (wanted[(length - 1) // 2] + wanted[length // 2]) / 2
            found = number(answer(given), "the median")
            if given != list(values):
                raise Mistake("Leave the list as it was: sorted(values) makes a new one.")
            if not abs(found - wanted) < 1e-6:
                raise Mistake(f"For {given} it should be {wanted}, but yours is {found}.")
""",
}

ALSO_RIGHT: dict[str, list[str]] = {
    "judge_median": [
        """
import random


def judge_median(answer):
    draw = random.Random(0)
    for _ in range(200):
        values = [draw.choice([draw.randint(-20, 20), draw.uniform(-20, 20)]) for _ in range(draw.randint(1, 6))]
        values += values[:1] * draw.randint(0, 2)
        found = call(answer, values)
        if not isinstance(found, (int, float)) or abs(found - median(values)) > 1e-9:
            raise Mistake(f"For {values} it is not {found}.")
""",
    ],
}

OTHER_LISTS = (
    "[8], [2, 2, 9], [-7, -1, -4], [10, 9, 3, 5.5]",
    "[6], [2, 2, 9], [-7, -1, -4], [10, 9, 3, 5.5]",
    "[7], [2, 2, 10], [-7, -1, -4], [10, 9, 3, 5.5]",
    "[7], [2, 2, 8], [-7, -1, -4], [10, 9, 3, 5.5]",
    "[7], [2, 2, 9], [+7, -1, -4], [10, 9, 3, 5.5]",
    "[7], [2, 2, 9], [-7, +1, -4], [10, 9, 3, 5.5]",
    "[7], [2, 2, 9], [-7, -1, +4], [10, 9, 3, 5.5]",
    "[7], [2, 2, 9], [-7, -1, -4], [11, 9, 3, 5.5]",
    "[7], [2, 2, 9], [-7, -1, -4], [10, 10, 3, 5.5]",
    "[7], [2, 2, 9], [-7, -1, -4], [10, 8, 3, 5.5]",
    "[7], [2, 2, 9], [-7, -1, -4], [10, 9, 4, 5.5]",
    "[7], [2, 2, 9], [-7, -1, -4], [10, 9, 2, 5.5]",
    "[7], [2, 2, 9], [-7, -1, -4], [10, 9, 3, 6.5]",
    "[7], [2, 2, 9], [-7, -1, -4], [10, 9, 3, 4.5]",
    "[7], [2, 2, 9], [-8, -1, -4], [10, 9, 3, 5.5]",
    "[7], [2, 2, 9], [-6, -1, -4], [10, 9, 3, 5.5]",
    "[7], [2, 2, 9], [-7, -2, -4], [10, 9, 3, 5.5]",
    "[7], [2, 2, 9], [-7, -0, -4], [10, 9, 3, 5.5]",
    "[7], [2, 2, 9], [-7, -1, -5], [10, 9, 3, 5.5]",
    "[7], [2, 2, 9], [-7, -1, -3], [10, 9, 3, 5.5]",
)

EQUIVALENT: dict[str, dict[str, str]] = {
    "judge_median": {f"edges = [{lists}]": "other lists with the same edges" for lists in OTHER_LISTS}
}

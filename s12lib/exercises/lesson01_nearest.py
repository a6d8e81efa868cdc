"""The exercise of lesson 01 that takes an evening: the nearest training image of each test image."""

from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from s12lib.exercises.expect import Mistake, call, pair, tensor
from s12lib.exercises.judging import Exercise

PART = 64  # queries at a time
LARGEST = 4  # times as many numbers as all the images that go in: what one tensor of an answer may hold


def nearest_images(queries: torch.Tensor, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """For each query the place of the nearest image, and the sum of squared differences of bytes between the two.

    ``(M, H, W, 3), (N, H, W, 3)`` uint8 → ``(M,), (M,)`` int64. Of several equally near the first counts.
    """
    known = images.flatten(1).double()
    sizes = (known**2).sum(1)
    places, sums = [], []
    for part in queries.flatten(1).double().split(PART):
        own = (part**2).sum(1, keepdim=True)
        nearest = (own - 2 * part @ known.T + sizes).min(1)
        places.append(nearest.indices)
        sums.append(nearest.values.long())
    return torch.cat(places), torch.cat(sums)


class _Largest(TorchDispatchMode):
    """Watches how many numbers the largest tensor holds that is made."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for each in result if isinstance(result, tuple | list) else [result]:
            if isinstance(each, torch.Tensor):  # its memory, not its shape: expand takes none
                self.numbers = max(self.numbers, each.untyped_storage().nbytes() // each.element_size())
        return result


def _cases() -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Queries and images: full-sized, with ties, many of either, and one of both."""
    generator = torch.Generator().manual_seed(7)

    def images(count: int, height: int, width: int) -> torch.Tensor:
        return torch.randint(0, 256, (count, height, width, 3), generator=generator).to(torch.uint8)

    full = images(300, 32, 32)
    twice = torch.cat([images(9, 4, 5), images(6, 4, 5).repeat(3, 1, 1, 1)])
    one = images(1, 2, 3)
    black = torch.zeros(2, 120, 120, 3, dtype=torch.uint8)  # a sum beyond 32 bits, from black to white
    white = torch.full_like(black, 255)
    white[1, :, :60] = 128
    return [
        (torch.cat([images(16, 32, 32), full[296:]]), full),
        (twice[9:].flip(0), twice),
        (images(7, 2, 2), images(2503, 2, 2).repeat(2, 1, 1, 1)),
        (images(1001, 1, 2), images(5, 1, 2)),
        (one.flip(2), one),
        (black[:1], torch.cat([white, black[:1] + 200])),
    ]


def _differences(queries: torch.Tensor, images: torch.Tensor, kind: torch.dtype) -> torch.Tensor:
    return queries.flatten(1).to(kind)[:, None] - images.flatten(1).to(kind)


def _slips() -> list[tuple[str, Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]]]:
    """What known mistakes give, each with the hint for it."""

    def least(sums: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        found = sums.min(1)
        return found.indices, found.values

    def squares(queries: torch.Tensor, images: torch.Tensor, kind: torch.dtype) -> torch.Tensor:
        return torch.cat([(_differences(each[None], images, kind) ** 2).sum(2) for each in queries])

    def farthest(queries: torch.Tensor, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        found = squares(queries, images, torch.int64).max(1)
        return found.indices, found.values

    def last(queries: torch.Tensor, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        found = squares(queries, images.flip(0), torch.int64).min(1)
        return len(images) - 1 - found.indices, found.values

    def with_sums(change: Callable[[torch.Tensor, int], torch.Tensor]) -> Callable[..., Any]:
        def slip(queries: torch.Tensor, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            places, sums = nearest_images(queries, images)
            return places, change(sums.double(), images[0].numel()).long()

        return slip

    def converted_late(queries: torch.Tensor, images: torch.Tensor, sign: int) -> tuple[torch.Tensor, torch.Tensor]:
        rows = (sign * _differences(each[None], images, torch.uint8) for each in queries)
        return least(torch.cat([(row.long() ** 2).sum(2) for row in rows]))

    late = "You subtract bytes, and convert too late: as uint8, 3 - 5 is 254 already."
    return [
        (
            "Bytes wrap round: as uint8, 3 - 5 is 254. Convert before you subtract.",
            lambda queries, images: least(squares(queries, images, torch.uint8)),
        ),
        (late, lambda queries, images: converted_late(queries, images, 1)),
        (late, lambda queries, images: converted_late(queries, images, -1)),
        (
            "16 bits hold numbers up to 32,767, and a squared difference goes up to 65,025.",
            lambda queries, images: least(squares(queries, images, torch.int16)),
        ),
        (
            "32 bits hold sums up to 2,147,483,647, and large images differ by more.",
            lambda queries, images: least((squares(queries, images, torch.int64) + 2**31) % 2**32 - 2**31),
        ),
        ("You found the image that differs most.", farthest),
        ("Of several images that are equally near, take the first.", last),
        (
            "You add up the absolute differences. Square them.",
            lambda queries, images: least(
                torch.cat([_differences(each[None], images, torch.int64).abs().sum(2) for each in queries])
            ),
        ),
        (
            "You take the root. The squared differences are asked for, which are whole numbers.",
            with_sums(lambda sums, _: sums.sqrt()),
        ),
        ("You average over the pixels. Their sum is asked for.", with_sums(lambda sums, count: sums / count)),
        (
            "The two parts have changed places: the places come first, the sums second.",
            lambda queries, images: nearest_images(queries, images)[::-1],
        ),
    ]


def _judge(answer: Any) -> None:
    cases, results = _cases(), []
    for queries, images in cases:
        results.append(_asked(answer, queries, images))
    right = [nearest_images(*case) for case in cases]
    if _all_same(results, right):
        many = torch.zeros(700, 4, 4, 3, dtype=torch.uint8)  # so small that the sums of all pairs are too many
        _asked(answer, many, many)
        return
    for hint, slip in _slips():
        if _all_same(results, (slip(*case) for case in cases)):
            raise Mistake(hint, "queries.flatten(1).double(), and likewise the images: all that follows is exact.")
    for (places, sums), (true_places, true_sums), (_, images) in zip(results, right, cases, strict=True):
        _compare(places, sums, true_places, true_sums, len(images))


def _all_same(results: Any, others: Any) -> bool:
    return all(
        torch.equal(mine, other)
        for pairs in zip(results, others, strict=True)
        for mine, other in zip(*pairs, strict=True)
    )


def _asked(answer: Any, queries: torch.Tensor, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The answer's places and sums. Raises Mistake for a tensor that is too large, or a part of another kind."""
    with _Largest() as largest:
        result = call(answer, queries, images)
    allowed = LARGEST * (queries.numel() + images.numel())
    if largest.numbers > allowed:
        raise Mistake(
            f"For {len(queries)} queries and {len(images)} images your largest tensor holds {largest.numbers:,} "
            f"numbers; {allowed:,} are allowed.",
            "Neither the differences of all pairs at once, nor all their sums: go through the queries in parts of 64.",
        )
    parts = pair(result, "two tensors", "the places of the nearest images, and the sums", "return places, sums")
    for each, what in zip(parts, ("the places", "the sums"), strict=True):
        if isinstance(each, torch.Tensor) and each.ndim == 1 and len(each) != len(queries):
            hint = f"{len(queries)} queries want as many answers, and you give {len(each)}."
            more = "Is the last, smaller part of the queries lost?"
            if len(each) == len(images):
                more = "You give one for each image: take the smallest over the images, not over the queries."
            raise Mistake(hint, more)
        if tensor(each, (len(queries),), what).dtype != torch.int64:
            raise Mistake(f"Make {what} whole numbers of the type torch.int64; yours are {each.dtype}.", ".long()")
    return parts[0].detach(), parts[1].detach()


def _compare(
    places: torch.Tensor, sums: torch.Tensor, true_places: torch.Tensor, true_sums: torch.Tensor, count: int
) -> None:
    """Raise Mistake for what is wrong in one case, if anything is."""
    if ((places < 0) | (places >= count)).any():
        raise Mistake(f"{count} images have the places 0 to {count - 1}; some of yours lie outside.")
    off = (sums - true_sums).abs()
    if torch.equal(sums, true_sums) and not torch.equal(places, true_places):
        raise Mistake(
            "The sums are right, and some places are not.",
            "If you go through the images in parts, a place counts within its part: add where the part begins. Of "
            "several equally near, the first counts.",
        )
    if torch.equal(places, true_places) and off.max() == 1:
        raise Mistake("Some sums are one too small: .long() cuts off what a root has lost.", "No root, or .round().")
    if off.any() and bool((off <= 1e-3 * true_sums + 64).all()):
        raise Mistake(
            f"The sums are off by up to {off.max().item():,}, and rounding can pick another image.",
            "float32 counts in ones up to 16,777,216 only, and a sum may reach 3,072 × 255²: take .double().",
        )
    if off.any() or not torch.equal(places, true_places):
        wrong = int(((places != true_places) | (off > 0)).nonzero()[0])
        raise Mistake(
            f"The image nearest to query {wrong} is {true_places[wrong]}, at a sum of {true_sums[wrong]:,}; yours is "
            f"{places[wrong]}, at {sums[wrong]:,}.",
            "The squared differences, summed over rows, columns and channels.",
        )


EXERCISES = [
    Exercise(
        "nearest_images",
        nearest_images,
        _judge,
        "You can look through 500 million pairs on a laptop now. Look at what you find.",
    )
]

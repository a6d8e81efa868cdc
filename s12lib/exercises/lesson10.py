"""The exercises of lesson 10: a difference and its error, a split by content, and a warm start that had a bug."""

import copy
import math
import statistics
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from s12lib.data.class_folders import hash_to_unit_interval
from s12lib.exercises.elsewhere import same_elsewhere
from s12lib.exercises.expect import Mistake, call, number, pair, tensor
from s12lib.exercises.judging import Exercise
from s12lib.exercises.owned import Owned

# ---- two recipes, several seeds each ---------------------------------------------------------------------------------


def difference(mine: Sequence[float], theirs: Sequence[float]) -> tuple[float, float]:
    """The gap between two means, and its standard error: the accuracies of one run each → shares of 1 (Welch)."""
    gap = statistics.mean(mine) - statistics.mean(theirs)
    return gap, math.sqrt(sum(statistics.variance(runs) / len(runs) for runs in (mine, theirs)))


def _judge_difference(answer: Any) -> None:
    for mine, theirs in (
        ([0.931, 0.934, 0.929, 0.939], [0.925, 0.933, 0.921]),
        ([0.41, 0.45], [0.47, 0.43, 0.52, 0.49, 0.46]),
        ([0.7, 0.8, 0.75], [0.7, 0.8, 0.75]),
        ([0.9, 0.9, 0.8], [0.6, 0.6, 0.6, 0.7, 0.61]),
        ([0.5, 0.5], [0.25, 0.25, 0.25]),
    ):
        result = call(answer, mine, theirs)
        gap, error = pair(result, "two numbers", "the gap, and its error", "return gap, error")
        gap, error = number(gap, "the gap"), number(error, "the error")
        wanted_gap, wanted_error = difference(mine, theirs)
        if _near(gap, wanted_error) and _near(error, wanted_gap):
            raise Mistake("You have swapped the two: the gap comes first, then its error.", "return gap, error")
        _diagnose_gap(gap, mine, theirs)
        _diagnose_error(error, mine, theirs)


PAIRED = "zip takes the runs in pairs, and drops those left over. These are any two lists: they need not share seeds."


def _near(a: float, b: float) -> bool:
    return abs(a - b) < 1e-6


def _look_for_rounding(value: float, wanted: float) -> None:
    """Rounded to 2 to 7 digits, and not by a hair: a mean in float32 is off by less, and in all its digits."""
    if abs(value - wanted) > 1e-12 and any(value == round(wanted, digits) for digits in range(2, 8)):
        raise Mistake(f"Yours is rounded to {value:g}. Return all digits; who prints it may round.", "no round()")


def _diagnose_gap(gap: float, mine: list[float], theirs: list[float]) -> None:
    wanted = statistics.mean(mine) - statistics.mean(theirs)
    _look_for_rounding(gap, wanted)
    if _near(gap, wanted):
        return
    if _near(gap, -wanted):
        raise Mistake("The sign is wrong: the gap is positive when mine is better.", "mean(mine) - mean(theirs)")
    if _near(gap, max(mine) - max(theirs)):
        raise Mistake("You compare the best runs. With enough seeds, everybody has a good one.", "Compare the means.")
    if _near(gap, 100 * wanted):
        raise Mistake("Yours is in percentage points; leave it a share of 1.", "Do not multiply by 100.")
    if _near(gap, statistics.mean(a - b for a, b in zip(mine, theirs, strict=False))):
        raise Mistake(PAIRED, "Take the mean of each list by itself.")
    if _near(gap, statistics.mean(set(mine)) - statistics.mean(set(theirs))):
        raise Mistake("Accuracies that occur twice count once in yours. Each run counts.", "no set()")
    raise Mistake(f"The gap should be {wanted:.7f}, but yours is {gap:.7f}.", "mean(mine) - mean(theirs)")


def _diagnose_error(error: float, mine: list[float], theirs: list[float]) -> None:
    (a, b), (n, m) = (statistics.variance(runs) for runs in (mine, theirs)), (len(mine), len(theirs))
    pairs = [one - other for one, other in zip(mine, theirs, strict=False)]
    wanted = math.sqrt(a / n + b / m)
    _look_for_rounding(error, wanted)
    if _near(error, wanted):
        return
    if wanted == 0:
        raise Mistake(f"Where the runs are all alike, the error is 0; yours is {error:g}.", "no smallest value")
    hints = {
        "This is the spread of single runs. A mean of n runs varies less: divide each variance by its n.": [
            math.sqrt(a + b), math.sqrt((a + b) / 2), math.sqrt(a) + math.sqrt(b), statistics.stdev(mine + theirs),
        ],
        "Errors that have nothing to do with each other add up in squares, not as they are.": [
            math.sqrt(a / n) + math.sqrt(b / m),
        ],
        "The square root is missing: this is the variance of the gap.": [wanted**2],
        "You have the standard deviation where the variance belongs.": [
            math.sqrt(math.sqrt(a) / n + math.sqrt(b) / m), math.sqrt(a) / n + math.sqrt(b) / m,
        ],
        "You divide by n. The mean was taken from the same runs, so the variance divides by n - 1.": [
            math.sqrt(statistics.pvariance(mine) / n + statistics.pvariance(theirs) / m),
        ],
        "You pool the two variances, as if both recipes scattered alike. Here each keeps its own.": [
            math.sqrt(((n - 1) * a + (m - 1) * b) / (n + m - 2) * (1 / n + 1 / m)),
        ],
        PAIRED: [math.sqrt(statistics.variance(pairs) / len(pairs))],
        "This is the error of one mean only. Both vary.": [math.sqrt(a / n), math.sqrt(b / m)],
        "Each variance belongs to its own number of runs; yours are divided by one and the same.": [
            math.sqrt((a + b) / n), math.sqrt((a + b) / m), math.sqrt((a + b) / (n + m)), math.sqrt(a / m + b / n),
        ],
    }  # fmt: skip
    for hint, values in hints.items():
        if any(_near(error, value) for value in values):
            raise Mistake(hint, "(variance(mine) / len(mine) + variance(theirs) / len(theirs)) ** 0.5")
    raise Mistake(
        f"The error should be {wanted:.7f}, but yours is {error:.7f}.",
        "Each mean's squared error is variance / number of runs. Add the two, and take the root.",
    )


# ---- which split? ----------------------------------------------------------------------------------------------------


def held_out(images: torch.Tensor, share: float) -> torch.Tensor:
    """Which images are held out, by their pixels alone: ``(N, 32, 32, 3)`` uint8 → ``(N,)`` bool."""
    return torch.tensor([hash_to_unit_interval(image.numpy()) < share for image in images])


def _drawn_images(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Noise of many brightnesses under a white rim, as photographs of goods have it; and the brightnesses."""
    generator = torch.Generator().manual_seed(12)
    brightness = 200 * torch.rand(count, generator=generator)
    noise = 55 * torch.rand(count, 32, 32, 3, generator=generator)
    images = (brightness[:, None, None, None] + noise).to(torch.uint8)
    images[:, :4], images[:, -4:], images[:, :, :4], images[:, :, -4:] = 255, 255, 255, 255
    return images, brightness


def _judge_held_out(answer: Any) -> None:
    images, brightness = _drawn_images(900)
    _judge_sides(answer, images)
    few = images[:120]
    advice = "hashlib.sha256(image.numpy().tobytes()) gives the same everywhere and always."
    same_elsewhere(answer, lambda: _mask(answer, few, 0.3).tolist(), advice)
    masks = {share: _mask(answer, images, share) for share in (0.3, 0.1, 0.6)}
    for share, mask in masks.items():
        _judge_share(mask, share, brightness)
    if (masks[0.1] & ~masks[0.3]).any() or (masks[0.3] & ~masks[0.6]).any():
        raise Mistake(
            "An image held out for a share of 0.1 or 0.3 is not always held out for a larger share.",
            "Each image's number must follow from its pixels alone; share is only what it is compared with.",
        )
    for share in (0, 1):
        if (_mask(answer, few, share) != bool(share)).any():
            raise Mistake(
                f"Not so with a share of {share}: then {('none', 'all')[share]} of the images are held out.",
                "Each number lies in [0, 1): value < share is right at both ends.",
            )
    _judge_near_copies(answer, images[0])


def _judge_near_copies(answer: Any, image: torch.Tensor) -> None:
    """Images that differ in one pixel each, or in the order of their pixels, fall on both sides."""
    generator, copies = torch.Generator().manual_seed(16), image.repeat(300, 1, 1, 1)
    for each, place in zip(copies, torch.randint(0, 32, (300, 2), generator=generator).tolist(), strict=True):
        each[place[0], place[1]] = torch.randint(0, 255, (3,), generator=generator)
    rim = image.repeat(300, 1, 1, 1)  # its first row and its last, where a crop would not look
    rim[:, 0] = torch.randint(0, 256, (300, 32, 3), generator=generator).to(torch.uint8)
    rim[150:, 31], rim[150:, 0] = rim[150:, 0].clone(), image[0]
    moved = torch.stack([image.flatten(0, 1)[torch.randperm(1024, generator=generator)] for _ in range(300)])
    for what, images in (
        ("one pixel each", copies),
        ("their uppermost row", rim[:150]),
        ("their lowest row", rim[150:]),
        ("the places of their pixels", moved.reshape(copies.shape)),
    ):
        found = _mask(answer, images, 0.3).float().mean().item()
        if abs(found - 0.3) > 0.12:
            raise Mistake(
                f"Of {len(images)} images that differ in {what}, you hold out {found:.0%} when asked for 30%.",
                "All of the image's bytes go into the hash, in their order; a sum of them is no hash.",
            )


def _mask(answer: Any, images: torch.Tensor, share: float) -> torch.Tensor:
    mask = tensor(call(answer, images, share), (len(images),), "the mask")
    if mask.dtype != torch.bool:
        raise Mistake(f"The mask should be bool, True for what is held out; yours is {mask.dtype}.", "value < share")
    return mask


def _judge_sides(answer: Any, images: torch.Tensor) -> None:
    """The same image gets the same answer, wherever it stands and whatever else there is."""
    few = images[:300]
    mask = _mask(answer, torch.cat([few, few.flip(0)]), 0.3)
    if not torch.equal(mask[:300], mask[300:].flip(0)):
        raise Mistake(
            "The same image, given twice, is held out once and trained on once.",
            "Neither its place in the list nor a draw may decide, only its pixels.",
        )
    shuffled = torch.randperm(300, generator=torch.Generator().manual_seed(15))
    for change, places in {
        "other images go": torch.arange(100),
        "the first images go": torch.arange(137, 300),
        "they come in another order": shuffled,
        "an image comes alone": torch.tensor([int(mask[:300].int().argmin())]),
        "an image is asked about by itself": torch.tensor([int(mask[:300].int().argmax())]),
    }.items():
        if not torch.equal(_mask(answer, few[places], 0.3), mask[places]):
            raise Mistake(
                f"When {change}, some change sides: what was tested with would be trained on.",
                "Decide for each image by itself: does its own number lie below share?",
            )


def _judge_share(mask: torch.Tensor, share: float, brightness: torch.Tensor) -> None:
    found = mask.float().mean().item()
    if abs(found - share) > 0.07:
        if abs(1 - found - share) < 0.07:
            raise Mistake("True should stand for the images held out; yours stands for the others.", "value < share")
        raise Mistake(
            f"Asked for a share of {share}, you hold out {found:.0%}.",
            "The digest's first eight hex digits, divided by 16**8, lie anywhere in [0, 1), each place as likely.",
        )
    if abs(brightness[mask].mean() - brightness.mean()) > 20:
        raise Mistake(
            "You hold out the darker images, or the brighter ones. The two sides must look alike.",
            "A good hash scatters even images that are nearly the same: hashlib.sha256.",
        )


# ---- a warm start ----------------------------------------------------------------------------------------------------


def warm_start(network: nn.Module, state_dict: dict[str, torch.Tensor]) -> None:
    """Load a Classifier's weights into a network, all but the head. Raises RuntimeError when anything does not fit."""
    prefix = "network."
    weights = {name.removeprefix(prefix): value for name, value in state_dict.items() if name.startswith(prefix)}
    weights |= {name: value for name, value in network.state_dict().items() if name.startswith("head.")}
    network.load_state_dict(weights)


class SmallNetwork(nn.Module):
    """As PageResNet, with fewer layers. Their names are hard on who does not cut off exactly the prefix or the head."""

    def __init__(self, num_classes: int, channels: int = 4, bias: bool = False) -> None:
        super().__init__()
        self.prep = nn.Sequential(nn.Conv2d(3, channels, 3, bias=False), nn.BatchNorm2d(channels))
        self.neck = nn.ModuleDict({name: nn.Conv2d(channels, channels, 1, bias=False) for name in ("network", "head")})
        self.header = nn.Conv2d(channels, channels, 1, bias=False)
        self.head: nn.Module = nn.Sequential(
            nn.MaxPool2d(4), nn.Flatten(), nn.Linear(channels, num_classes, bias=False)
        )
        if bias:  # another head, as another network has
            self.head = nn.Linear(channels, num_classes)
            self.head.register_buffer("seen", torch.tensor(3))


def _file_of(network: nn.Module) -> dict[str, torch.Tensor]:
    """What a Classifier around the network would save."""
    return {"whitening": torch.eye(27)} | {f"network.{k}": v.clone() for k, v in network.state_dict().items()}


def _trained(num_classes: int, channels: int = 4, bias: bool = False) -> SmallNetwork:
    network, generator = SmallNetwork(num_classes, channels, bias), torch.Generator().manual_seed(13)
    for value in network.state_dict().values():
        value.copy_(50 * torch.rand(value.shape, generator=generator))
    return network


def _judge_warm_start(answer: Any) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(14)
        # with ten classes the old head would fit, and is still that of others
        for num_classes, bias, training in ((7, False, True), (10, False, False), (5, True, True)):
            _judge_what_was_loaded(answer, num_classes, bias, training)
        for fault, state_dict in _files_that_do_not_fit().items():
            if not _refuses(answer, state_dict):
                raise Mistake(
                    f"{fault}, and nobody is told. Such a network trains all the same, only worse.",
                    "load_state_dict is strict by itself. Hand it everything: the file's body, and the network's head.",
                )


def _refuses(answer: Any, state_dict: dict[str, torch.Tensor]) -> bool:
    """Whether the answer raises an error for this file."""
    try:
        answer(SmallNetwork(7), state_dict)
    except Exception:
        return True
    return False


def _judge_what_was_loaded(answer: Any, num_classes: int, bias: bool, training: bool) -> None:
    network, state_dict = SmallNetwork(num_classes, bias=bias).train(training), _file_of(_trained(10, bias=bias))
    network.prep[0].weight.requires_grad_(training)  # frozen by its owner, or not
    before, file, owned = copy.deepcopy(network.state_dict()), copy.deepcopy(state_dict), Owned(network)
    try:
        answer(network, file)
    except NotImplementedError:
        raise
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise Mistake(f"Your answer raised RuntimeError, though this file fits: {reason}") from error
    if list(file) != list(state_dict) or any(not torch.equal(file[name], state_dict[name]) for name in file):
        raise Mistake(
            "Your answer changes the weights it was given.", "Make a new dict instead of popping or renaming."
        )
    _compare_loaded(answer, network, before, state_dict)
    owned.look(values=False)
    with torch.no_grad():
        network.get_parameter("prep.0.weight").add_(1)
    if torch.equal(network.get_parameter("prep.0.weight"), file["network.prep.0.weight"]):
        raise Mistake("The network and the file share their memory: training one changes the other.", "assign=False")


def _compare_loaded(
    answer: Any, network: nn.Module, before: dict[str, torch.Tensor], state_dict: dict[str, torch.Tensor]
) -> None:
    after = network.state_dict()
    body = [name for name in before if not name.startswith("head.")]
    loaded = [name for name in body if torch.equal(after[name].double(), state_dict[f"network.{name}"].double())]
    if not loaded and all(_refuses(answer, each) for each in _files_that_do_not_fit().values()):
        raise Mistake(
            "Not one tensor of the network that you were given has changed. Do you load into a copy of it?",
            "network.load_state_dict(...) on the network itself; whoever handed it to you looks at no other.",
        )
    if not loaded:
        raise Mistake(
            "Not one tensor was loaded. In the file the names begin with network., in the network they do not.",
            "name.removeprefix('network.')",
        )
    if loaded != body:
        missing = ", ".join(name for name in body if name not in loaded)
        raise Mistake(f"Not loaded: {missing}.", "Everything but the head, BatchNorm's statistics too.")
    if any(not torch.equal(after[name], before[name]) for name in before if name.startswith("head.")):
        raise Mistake(
            "The head should stay as it was: its rows belonged to other classes.",
            "Take the entries that begin with head. from network.state_dict().",
        )


def _files_that_do_not_fit() -> dict[str, dict[str, torch.Tensor]]:
    """Files in which something is wrong, each with what."""
    whole = _file_of(_trained(10))
    lacking = {name: value for name, value in whole.items() if name != "network.prep.1.running_mean"}
    odd = {name.replace("network.", "model.", 1): value for name, value in whole.items()}
    renamed = {name.replace("prep.1.bias", "prep.1.shift"): value for name, value in whole.items()}
    return {
        "In this file a tensor was missing": lacking,
        "In this file a tensor had another name": renamed,
        "In this file all names began otherwise": odd,
        "This file had a layer more than the network": whole | {"network.layer1.0.weight": torch.ones(4, 4, 3, 3)},
        "In this file the layers were wider than the network's": _file_of(_trained(10, channels=6)),
        "In this file the layers were narrower than the network's": _file_of(_trained(10, channels=1)),
    }


EXERCISES = [
    Exercise("difference", difference, _judge_difference, "A gap without its error says nothing."),
    Exercise("held_out", held_out, _judge_held_out, "No image stands on both sides, today or tomorrow."),
    Exercise("warm_start", warm_start, _judge_warm_start, "All of the body, none of the head, and no silence."),
]

"""What readers may hand in for lesson 10's exercises; how to read this stands in ``exercise_cases.py``."""

ERROR = "statistics.variance(mine) / len(mine) + statistics.variance(theirs) / len(theirs)"
STEP = "        chosen.append(int(digest[:8], 16) / 16**8 < share)\n"
DIGEST = "hashlib.sha256(image.numpy().tobytes()).hexdigest()"
STRICT = "    network.load_state_dict(weights)"
HEAD = '    weights |= {name: value for name, value in network.state_dict().items() if name.startswith("head.")}\n'

WRONG: dict[str, list[tuple[str | None, str, str]]] = {
    "difference": [
        ("statistics.mean(mine) - statistics.mean(theirs)", "statistics.mean(theirs) - statistics.mean(mine)", "sign"),
        ("statistics.mean(mine) - statistics.mean(theirs)", "max(mine) - max(theirs)", "You compare the best runs"),
        ("return gap", "return 100 * gap", "Yours is in percentage points"),
        ("statistics.mean(mine) -", "statistics.median(mine) -", "The gap should be"),
        (ERROR, "statistics.variance(mine) + statistics.variance(theirs)", "This is the spread of single runs"),
        (ERROR, "statistics.variance(mine + theirs)", "This is the spread of single runs"),
        (
            f"{ERROR}\n    return gap, error**0.5",
            "(statistics.variance(mine) / len(mine)) ** 0.5\n"
            "    return gap, error + (statistics.variance(theirs) / len(theirs)) ** 0.5",
            "add up in squares",
        ),
        ("error**0.5", "error", "The square root is missing"),
        (ERROR, ERROR.replace("variance", "stdev"), "where the variance belongs"),
        (ERROR, ERROR.replace("variance", "pvariance"), "You divide by n"),
        (" + statistics.variance(theirs) / len(theirs)", "", "This is the error of one mean only"),
        ("/ len(theirs)", "/ len(mine)", "Each variance belongs to its own number of runs"),
        ("    return gap, error**0.5", "    return gap", "Return two numbers"),
        ("    return gap, error**0.5", "", "Is the return missing"),
        ("    gap", "    mine.sort()\n    gap", "changes its input in place"),
        ("return gap", "return mine", "Make the gap a number"),
        ("return gap, error**0.5", "return str(gap), str(error**0.5)", "Make the gap a number"),
        ("return gap, error**0.5", "return error**0.5, gap", "swapped the two"),
        ("return gap, error**0.5", "return round(gap, 4), error**0.5", "Yours is rounded to 0.0069."),
        ("return gap, error**0.5", "return gap, round(error**0.5, 5)", "Yours is rounded"),
        (
            "statistics.mean(mine) - statistics.mean(theirs)",
            "statistics.mean(a - b for a, b in zip(mine, theirs))",
            "zip takes the runs in pairs",
        ),
        (ERROR, "statistics.variance([a - b for a, b in zip(mine, theirs)]) / 3", "zip takes the runs in pairs"),
    ],
    "held_out": [
        (STEP, "        chosen.append(len(chosen) % 10 < 10 * share)\n", "held out once and trained on once"),
        (
            None,
            """
def held_out(images, share):
    generator = torch.Generator().manual_seed(0)
    return torch.rand(len(images), generator=generator) < share
""",
            "held out once and trained on once",
        ),
        (
            None,
            """
def held_out(images, share):
    digests = [hashlib.sha256(image.numpy().tobytes()).hexdigest() for image in images]
    edge = sorted(digests)[int(share * len(digests))]
    return torch.tensor([digest < edge for digest in digests])
""",
            "some change sides",
        ),
        (
            None,
            """
def held_out(images, share):
    chosen, seen = [], {}
    for image in images:
        place = seen.setdefault(image.numpy().tobytes(), len(seen))
        chosen.append(place % 10 < 10 * share)
    return torch.tensor(chosen)
""",
            "some change sides",
        ),
        (
            None,
            """
def held_out(images, share):
    chosen = {}
    for image in images:
        n = len(chosen)
        chosen.setdefault(image.numpy().tobytes(), int((n + 1) * share) > int(n * share))
    return torch.tensor([chosen[image.numpy().tobytes()] for image in images])
""",
            "some change sides",
        ),
        (
            None,
            """
def held_out(images, share):
    draw, drawn = __import__("random").Random(0), {}
    for image in images:
        content = image.numpy().tobytes()
        if content not in drawn:
            drawn[content] = draw.random()
    return torch.tensor([drawn[image.numpy().tobytes()] < share for image in images])
""",
            "some change sides",
        ),
        ("image.numpy().tobytes()", "image.numpy().tobytes() + str(share).encode()", "for a larger share"),
        (
            None,
            """
def held_out(images, share):
    return torch.tensor([hash((image.numpy().tobytes(),)) % 1000 < 1000 * share for image in images])
""",
            "is salted",
        ),
        (
            None,
            """
def held_out(images, share):
    return torch.tensor([hash(image.numpy().tobytes()) % 1000 < 1000 * share for image in images])
""",
            "is salted",
        ),
        (
            None,
            """
def held_out(images, share):
    brightness = images.float().mean((1, 2, 3))
    return (brightness - 127) / 112.5 < share
""",
            "the darker images",
        ),
        ("image.numpy()", "image[0].numpy()", "you hold out 0%"),
        ("< share", ">= share", "yours stands for the others"),
        ("/ 16**8", "/ 16**7", "you hold out"),
        ("[:8]", "[:6]", "you hold out"),
        ("torch.tensor(chosen)", "torch.tensor(chosen).float()", "The mask should be bool"),
        ("torch.tensor(chosen)", "chosen", "a list"),
        ("torch.tensor(chosen)", "images[torch.tensor(chosen)]", "shape of the mask"),
        ("    chosen", "    images += 1\n    chosen", "changes its input in place"),
        ("    return torch.tensor(chosen)", "", "Is the return missing"),
    ],
    "warm_start": [
        (
            None,
            "def warm_start(network, state_dict):\n    network.load_state_dict(state_dict, strict=False)\n",
            "Not one tensor was loaded",
        ),
        (STRICT, "    pass", "Not one tensor was loaded"),
        (
            f"{HEAD}{STRICT}",
            '    weights = {k: v for k, v in weights.items() if not k.startswith("head.")}\n'
            "    network.load_state_dict(weights, False)",
            "In this file a tensor was missing",
        ),
        (STRICT, "    network.load_state_dict(weights, strict=False)", "In this file a tensor was missing"),
        (
            None,
            """
def warm_start(network, state_dict):
    own = network.state_dict()
    found = {name.removeprefix("network."): value for name, value in state_dict.items()}
    own |= {name: value for name, value in found.items() if name in own and value.shape == own[name].shape}
    network.load_state_dict(own)
""",
            "The head should stay as it was",
        ),
        (
            None,
            """
def warm_start(network, state_dict):
    own = network.state_dict()
    for name in own:
        if not name.startswith("head."):
            own[name] = state_dict.get("network." + name, own[name])
    network.load_state_dict(own)
""",
            "In this file a tensor was missing",
        ),
        (
            None,
            """
def warm_start(network, state_dict):
    own = network.state_dict()
    for name in own:
        if not name.startswith("head."):
            own[name] = state_dict["network." + name]
    network.load_state_dict(own)
""",
            "This file had a layer more",
        ),
        (HEAD, "", "raised RuntimeError"),
        (
            None,
            """
def warm_start(network, state_dict):
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if not name.startswith("head."):
                parameter.copy_(state_dict["network." + name])
""",
            "Not loaded: prep.1.running_mean",
        ),
        (
            None,
            """
def warm_start(network, state_dict):
    own = {k: v for k, v in network.state_dict().items() if not k.startswith("head.")}
    given = {k[8:]: v for k, v in state_dict.items() if k.startswith("network.") and k[8:13] != "head."}
    assert set(own) == set(given)
    for k in own:
        own[k].copy_(given[k])
""",
            "layers were narrower",
        ),
        (
            None,
            """
def warm_start(network, state_dict):
    body = {k[8:]: v for k, v in state_dict.items() if k.startswith("network.") and k[8:13] != "head."}
    if len(body) != sum(not k.startswith("head.") for k in network.state_dict()):
        raise RuntimeError
    network.load_state_dict(body, strict=False)
""",
            "a tensor had another name",
        ),
        (
            None,
            """
def warm_start(network, state_dict):
    own = [v for k, v in network.state_dict().items() if not k.startswith("head.")]
    new = [v for k, v in state_dict.items() if k.startswith("network.") and k[8:13] != "head."]
    for one, other in zip(own, new, strict=True):
        one.copy_(other)
""",
            "a tensor had another name",
        ),
        ("name.removeprefix(prefix)", "name.lstrip(prefix)", 'Missing key(s) in state_dict: "neck.network.weight"'),
        ("name.removeprefix(prefix)", 'name.replace(prefix, "")', 'Unexpected key(s) in state_dict: "neck.weight"'),
        (STRICT, f"{STRICT}\n    network.prep.requires_grad_(False)", "You freeze the network's prep.0.weight"),
        (STRICT, f"{STRICT}\n    network.eval()", "leaves you in the other"),
        (STRICT, "    network.load_state_dict(weights, assign=True)", "new parameters"),
        (
            "    prefix",
            '    state_dict.pop("network.head.2.weight", None)\n    prefix',
            "changes the weights it was given",
        ),
    ],
}

ALSO_RIGHT: dict[str, list[str]] = {
    "difference": [
        """
def difference(mine, theirs):
    a, b = torch.tensor(mine), torch.tensor(theirs)
    return a.mean() - b.mean(), (a.var() / len(a) + b.var() / len(b)).sqrt()
""",
    ],
    "held_out": [
        """
import numpy as np

def held_out(images, share):
    digests = [hashlib.md5(image.numpy()).digest() for image in images]
    return np.array([int.from_bytes(digest, "big") / 2**128 for digest in digests]) < share
""",
    ],
}

RIGHT: dict[str, str] = {
    "difference": """
import numpy as np

def difference(mine, theirs):
    runs = [np.array(mine), np.array(theirs)]
    gap = runs[0].mean() - runs[1].mean()
    return [gap, np.sqrt(sum(each.std(ddof=1) ** 2 / each.size for each in runs))]
""",
    "held_out": """
import zlib

def held_out(images, share):
    places = torch.tensor([zlib.crc32(image.contiguous().numpy()) for image in images])
    return places.double() / 2**32 < share
""",
    "warm_start": """
def warm_start(network, state_dict):
    head = network.head
    network.head = nn.Identity()
    try:
        names = [k for k in state_dict if k.startswith("network.") and not k.startswith("network.head.")]
        body = {k[8:]: state_dict[k] for k in names}
        network.load_state_dict(body, strict=True)
    finally:
        network.head = head
    return network
""",
}

FLIPS = "abs(sum(s * d for s, d in zip(signs, differences)))"

WRONG |= {
    "sign_flips": [
        (FLIPS, FLIPS[4:-1], "You count one side only"),
        ("total >= seen", "total > seen", "just as far from 0"),
        ("total >= seen", "total <= seen", "as near to 0"),
        ("total >= seen", "total < seen", "nearer to 0"),
        (" / len(sums)", "", "divide by how many there are"),
        ("return sum", "return 100 * sum", "Yours is in percent"),
        (
            "    seen",
            "    differences = [(d > 0) - (d < 0) for d in differences]\n    seen",
            "that is the sign test",
        ),
        ("len(differences))", "1)", "it should be"),
        ("(1, -1)", "(1, 0)", "it should be"),
        (
            None,
            "import random\n"
            "def sign_flips(differences):\n"
            "    draw, seen = random.Random(0), abs(sum(differences))\n"
            "    sums = [abs(sum(draw.choice((1, -1)) * d for d in differences)) for _ in range(1000)]\n"
            "    return sum(total >= seen for total in sums) / len(sums)",
            "it should be",
        ),
        (
            None,
            "import statistics\n"
            "def sign_flips(differences):\n"
            "    gap, error = statistics.mean(differences), statistics.pstdev(differences) / len(differences) ** 0.5\n"
            "    return 2 * (1 - statistics.NormalDist().cdf(abs(gap) / (error + 1e-9)))",
            "it should be",
        ),
        (
            None,
            "def sign_flips(differences):\n"
            "    sums = [abs(sum(s * d for d in differences)) for s in (1, -1)]\n"
            "    return sum(total >= abs(sum(differences)) for total in sums) / len(sums)",
            "Each pair has a sign of its own",
        ),
        ("    return sum", "    sum", "Is the return missing"),
        ("    seen", "    differences.append(0)\n    seen", "changes its input in place"),
        ("return sum(total >= seen for total in sums) / len(sums)", "return [0.5]", "Make the share a number"),
    ],
}

RIGHT |= {
    "sign_flips": """
def sign_flips(differences):
    n, far = len(differences), 0
    for code in range(2**n):
        total = 0
        for k, difference in enumerate(differences):
            total += difference if code >> k & 1 else -difference
        far += abs(total) >= abs(sum(differences))
    return far / 2**n
""",
}

EQUIVALENT: dict[str, dict[str, str]] = {
    "sign_flips": {
        "sums = [abs(sum((s * d for s, d in zip(differences, signs)))) for signs in flips]": "a product, either way"
    },
}

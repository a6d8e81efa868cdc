"""Wrong answers that depend on the time, the process, or what they were asked before.

How to read this stands in ``exercise_cases.py``.
"""

SPLIT = """
{imports}
def hold_out(labels, per_class):
    generator = torch.Generator().manual_seed({seed})
    order = torch.randperm(len(labels), generator=generator)
    validation = torch.cat([order[labels[order] == label][:per_class] for label in range(10)])
    keep = torch.ones(len(labels), dtype=torch.bool)
    keep[validation] = False
    return torch.nonzero(keep)[:, 0], validation
"""
SIDE = """
{imports}
def held_out(images, share):
    salt = {salt}
    chosen = []
    for image in images:
        digest = hashlib.sha256(salt + image.numpy().tobytes()).hexdigest()
        chosen.append(int(digest[:8], 16) / 16**8 < share)
    return torch.tensor(chosen)
"""
REMEMBERS = "the first time"

WRONG: dict[str, list[tuple[str | None, str, str]]] = {
    "hold_out": [
        (None, SPLIT.format(imports="", seed='hash("lesson 01") % 2**31'), "in another process"),
        (None, SPLIT.format(imports="", seed='abs(hash(("cifar", 10))) % 2**31'), "in another process"),
        (None, SPLIT.format(imports="", seed='hash(b"split") % 2**31'), "in another process"),
        (None, SPLIT.format(imports="import time", seed="int(time.time()) // 60"), "the time"),
        (None, SPLIT.format(imports="from time import time", seed="int(time()) // 600"), "the time"),
        (None, SPLIT.format(imports="import time", seed="time.time_ns() // 10**12"), "the time"),
        (None, SPLIT.format(imports="import time", seed="int(time.strftime('%j'))"), "the time"),
        (None, SPLIT.format(imports="import datetime", seed="datetime.date.today().toordinal()"), "the time"),
        (None, SPLIT.format(imports="from datetime import date", seed="date.today().toordinal()"), "the time"),
        (None, SPLIT.format(imports="from datetime import datetime", seed="datetime.now().day"), "the time"),
        (None, SPLIT.format(imports="import os", seed="os.getpid()"), "process"),
        (None, SPLIT.format(imports="", seed="id(torch) % 2**31"), "process"),
        (None, SPLIT.format(imports="", seed="torch.initial_seed() % 2**31"), "random generator"),
        (None, SPLIT.format(imports="import random", seed="hash(random.getstate()) % 2**31"), "random generator"),
        (
            None,
            SPLIT.format(imports="import itertools\nCOUNT = itertools.count()", seed="next(COUNT)"),
            "split in two ways",
        ),
    ],
    "held_out": [
        (None, SIDE.format(imports="import time", salt="str(int(time.time()) // 3600).encode()"), "the time"),
        (None, SIDE.format(imports="from datetime import date", salt="str(date.today()).encode()"), "the time"),
        (None, SIDE.format(imports="import os", salt="str(os.getpid()).encode()"), "process"),
        (None, SIDE.format(imports="", salt="str(torch.initial_seed()).encode()"), "random generator"),
        (None, SIDE.format(imports="", salt='str(hash("salt")).encode()'), "is salted"),
    ],
    "confusion_matrix": [
        (
            None,
            "KEPT = {}\n\n"
            "def confusion_matrix(labels, preds, num_classes):\n"
            "    key = num_classes, len(labels)\n"
            "    counts = KEPT.setdefault(key, torch.zeros((num_classes, num_classes), dtype=torch.int64))\n"
            "    for label, pred in zip(labels, preds):\n"
            "        counts[label, pred] += 1\n"
            "    return counts.clone()\n",
            REMEMBERS,
        ),
    ],
    "difference": [
        (
            None,
            "SEEN = []\n\n"
            "def difference(mine, theirs):\n"
            "    import statistics\n"
            "    SEEN.append(mine)\n"
            "    gap = statistics.mean(mine) - statistics.mean(theirs)\n"
            "    error = statistics.variance(mine) / len(mine) + statistics.variance(theirs) / len(theirs)\n"
            "    return gap * (SEEN.count(mine) == 1), error**0.5\n",
            REMEMBERS,
        ),
    ],
    "receptive_field": [
        (
            None,
            "SEEN = {}\n\n"
            "def receptive_field(layers):\n"
            "    size, jump = 1, 1\n"
            "    for kernel_size, stride in layers:\n"
            "        size += (kernel_size - 1) * jump\n"
            "        jump *= stride\n"
            "    SEEN[tuple(layers)] = SEEN.get(tuple(layers), 0) + size\n"
            "    return SEEN[tuple(layers)]\n",
            REMEMBERS,
        ),
    ],
    "fit_temperature": [
        (
            None,
            "def fit_temperature(logits, labels, best=[9.0, 1.0]):\n"
            "    for t in torch.logspace(-1.5, 1.5, 601):\n"
            "        loss = F.cross_entropy(logits / t, labels).item()\n"
            "        if loss < best[0]:\n"
            "            best[:] = loss, t.item()\n"
            "    return best[1]\n",
            "smallest loss",
        ),
    ],
    "shared_heat": [
        (
            None,
            "PEAK = [0.0]\n\n"
            "def shared_heat(maps):\n"
            "    PEAK[0] = max(PEAK[0], maps.max().item())\n"
            "    return maps.relu() / PEAK[0] if PEAK[0] else maps.relu()\n",
            "The maps are not right",
        ),
    ],
    "channel_statistics": [
        (
            None,
            "def channel_statistics(images, kept=[]):\n"
            "    kept.append(images.float() / 255)\n"
            "    pixels = torch.cat([each.flatten(0, 2) for each in kept])\n"
            "    return pixels.mean(0), pixels.std(0)\n",
            "off",
        ),
    ],
    "conv_bn_parameters": [
        (
            None,
            "LAYERS = nn.ModuleList()\n\n"
            "def conv_bn_parameters(in_channels, out_channels, kernel_size=3):\n"
            "    LAYERS.append(nn.Conv2d(in_channels, out_channels, kernel_size, bias=False))\n"
            "    LAYERS.append(nn.BatchNorm2d(out_channels))\n"
            "    return sum(p.numel() for p in LAYERS.parameters())\n",
            "it should be",
        ),
    ],
    "hits": [
        (
            None,
            "LAST = {}\n\n"
            "def hits(maps, masks):\n"
            "    places = LAST.setdefault(maps.shape, maps.flatten(1).argmax(dim=1))\n"
            "    rows, columns = places // maps.shape[2], places % maps.shape[2]\n"
            "    return masks[torch.arange(len(maps)), rows, columns] & (maps.amax(dim=(1, 2)) > 0)\n",
            "Not every hit is right",
        ),
    ],
    "reflect_crop": [
        (
            None,
            "PADDED = {}\n\n"
            "def reflect_crop(images, top, left):\n"
            "    padded = PADDED.setdefault(images.shape, F.pad(images, (4, 4, 4, 4), mode='reflect'))\n"
            "    return torch.stack([image[:, t : t + 32, x : x + 32] for image, t, x in zip(padded, top, left)])\n",
            "not where they should be",
        ),
    ],
}

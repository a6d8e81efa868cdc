"""What readers may hand in for lesson 06's exercises; how to read this stands in ``exercise_cases.py``."""

WRONG: dict[str, list[tuple[str | None, str, str]]] = {
    "energy_on_object": [
        ("total.where(total > 0, 1)", "total", "A map of zeros has nothing on the object"),
        ("return inside / total.where(total > 0, 1)", "return inside", "do not divide it by all of the heat"),
        ("(maps * masks)", "(maps * ~masks)", "That is what lies beside the object"),
        ("total = maps", "total = masks", "You divide by the object's area"),
        ("total = maps.sum(dim=(1, 2))", "total = maps.sum()", "each map has a total of its own"),
        ("total = maps.sum(dim=(1, 2))", "total = torch.tensor(maps[0].numel())", "by the number of pixels"),
        (
            None,
            "def energy_on_object(maps, masks):\n    return masks.float().mean(dim=(1, 2))",
            "the object's share of the image",
        ),
        (
            None,
            "def energy_on_object(maps, masks):\n"
            "    means = [heat[mask].mean() / heat.mean() for heat, mask in zip(maps, masks)]\n"
            "    return torch.stack(means)",
            "You compare mean with mean",
        ),
        ("sum(dim=(1, 2))", "sum()", "shape of the shares"),
        ("    return inside", "    inside", "Is the return missing"),
        ("    inside = (maps", "    maps /= maps.amax()\n    inside = (maps", "changes its input in place"),
        ("(total > 0, 1)", "(total > 0, 1) ** 0.5", "The shares are not right"),
        (
            "inside = (maps * masks).sum(dim=(1, 2))",
            "inside = torch.stack([heat[mask].mean() * mask.sum() for heat, mask in zip(maps, masks)])",
            "A mask without a single pixel holds no heat",
        ),
    ],
    "hits": [
        ("rows, columns]", "columns, rows]", "Row and column are still swapped"),
        (
            None,
            "def hits(maps, masks):\n"
            "    place = maps.flatten(1).argmax(1)\n"
            "    x, y = place % maps.shape[2], place // maps.shape[2]\n"
            "    return masks[torch.arange(len(maps)), x, y]",
            "Row and column are still swapped",
        ),
        ("argmax", "argmin", "You look at the least heat"),
        ("return masks[", "return ~masks[", "That is a hit wherever the map misses"),
        (" & (maps.amax(dim=(1, 2)) > 0)", "", "A map of zeros points nowhere"),
        (
            None,
            "def hits(maps, masks):\n    return (maps * masks).flatten(1).any(dim=1)",
            "There nearly always is",
        ),
        ("maps.flatten(1).argmax(dim=1)", "maps[0].argmax().expand(len(maps))", "the first map's maximum"),
        ("& (maps.amax(dim=(1, 2)) > 0)", "* 1.0", "should be true or false"),
        ("return masks[torch.arange(len(maps)), rows", "return masks[0, rows", "Not every hit is right"),
        ("    return masks", "    masks", "Is the return missing"),
        ("masks[torch.arange(len(maps)), rows, columns]", "masks[:, rows, columns]", "shape of the hits"),
        ("// maps.shape[2], places % maps.shape[2]", "// maps.shape[1], places % maps.shape[1]", "raised IndexError"),
        (
            None,
            "def hits(maps, masks):\n"
            "    top = maps == maps.amax((1, 2), keepdim=True)\n"
            "    return (top & masks).flatten(1).any(1) & (maps.amax((1, 2)) > 0)",
            "only the first of them counts",
        ),
        (
            None,
            "def hits(maps, masks):\n"
            "    top = maps == maps.amax((1, 2), keepdim=True)\n"
            "    return (~top | masks).flatten(1).all(1) & (maps.amax((1, 2)) > 0)",
            "only the first of them counts",
        ),
        (
            None,
            "def hits(maps, masks):\n"
            "    inside = (maps * masks).amax((1, 2))\n"
            "    return (inside == maps.amax((1, 2))) & (inside > 0)",
            "only the first of them counts",
        ),
        (
            "maps.flatten(1).argmax(dim=1)",
            "maps[0].numel() - 1 - maps.flatten(1).flip(1).argmax(dim=1)",
            "only the first of them counts",
        ),
        (
            "maps.flatten(1).argmax(dim=1)",
            "torch.stack([(heat.flatten() == heat.max()).nonzero()[-1, 0] for heat in maps])",
            "only the first of them counts",
        ),
        (
            "    rows, columns = places // maps.shape[2], places % maps.shape[2]",
            "    places = maps.transpose(1, 2).flatten(1).argmax(dim=1)\n"
            "    columns, rows = places // maps.shape[1], places % maps.shape[1]",
            "only the first of them counts",
        ),
    ],
    "compare": [
        ("a - b", "b - a", "whoever is better looks worse"),
        ("difference.std()", "(a.var() + b.var()) ** 0.5", "Both saw the same images"),
        (" / len(difference) ** 0.5", "", "where single *images* lie"),
        ("len(difference) ** 0.5", "len(difference)", "You divide by N"),
        ("difference.std()", "difference.var()", "You take the variance"),
        ("1.96 * ", "", "one standard error to each side"),
        ("a - b", "(a - b).abs()", "You take the absolute difference"),
        ("a - b", "a", "the interval of a alone"),
        (
            "return difference.mean() - half, difference.mean() + half",
            "return difference.mean() + half, difference.mean() - half",
            "The upper end comes second",
        ),
        (
            "return difference.mean() - half, difference.mean() + half",
            "return difference.mean(), half",
            "You return the mean and the half width",
        ),
        (", difference.mean() + half", "", "Return two numbers"),
        ("    return difference", "    difference", "Is the return missing"),
        ("    difference = a - b", "    a -= b\n    difference = a", "changes its input in place"),
        ("1.96", "3", "The interval is not right"),
        (
            "return difference.mean() - half, difference.mean() + half",
            "mean = abs(a.mean() - b.mean())\n    return mean - half, mean + half",
            "lost the minus sign",
        ),
        (
            "    difference = a - b",
            "    if a.mean() < b.mean():\n        a, b = b, a\n    difference = a - b",
            "lost the minus sign",
        ),
        ("return difference.mean() - half", "return (difference.mean() - half).clamp(min=0)", "lower end stops at 0"),
        (
            "return difference.mean() - half, difference.mean() + half",
            "return str((difference.mean() - half).item()), str((difference.mean() + half).item())",
            "Make the lower end a number",
        ),
        ("difference.mean() + half", "difference + half", "Make the upper end a number"),
        ("return difference.mean() - half", "return None", "Where the lower end should be, there is None"),
    ],
    "remove_hottest": [
        ("topk(count)", "topk(count, largest=False)", "The coldest pixels are gone"),
        (
            "torch.ones_like(maps).flatten(1).scatter(1, hottest, 0)",
            "torch.zeros_like(maps).flatten(1).scatter(1, hottest, 1)",
            "Only the hottest pixels are left",
        ),
        ("    return images * kept", "    images * kept", "Is the return missing"),
        ("return images * kept.view_as(maps)[:, None]", "return images.clone()", "Nothing is gone"),
        (
            None,
            "def remove_hottest(images, maps, share):\n"
            "    lowest = maps.flatten().topk(round(share * maps.numel())).values.min()\n"
            "    return images * (maps < lowest)[:, None]",
            "You rank the pixels of all maps together",
        ),
        (
            None,
            "def remove_hottest(images, maps, share):\n"
            "    limit = (1 - share) * maps.amax((1, 2), keepdim=True)\n"
            "    return images * (maps <= limit)[:, None]",
            "The share counts pixels",
        ),
        (
            None,
            "def remove_hottest(images, maps, share):\n"
            "    return images * (1 - maps / maps.amax((1, 2), keepdim=True))[:, None]",
            "You fade the image",
        ),
        (
            "return images * kept.view_as(maps)[:, None]",
            "gone = kept.view_as(maps)[:, None]\n    return images * gone + (1 - gone)",
            "that is 0, not 1",
        ),
        (
            "    return images * kept.view_as(maps)[:, None]",
            "    changed = images.clone()\n    changed[:, 0] *= kept.view_as(maps)\n    return changed",
            "Only the first channel is gone",
        ),
        (
            "    return images * kept.view_as(maps)[:, None]",
            "    images *= kept.view_as(maps)[:, None]\n    return images",
            "changes its input in place",
        ),
        ("maps.shape[1] * maps.shape[2]", "maps.shape[2] * 2", "it should be 19"),
        ("round(share", "int(share", "yours sets 18 to 0; it should be 19"),
        (
            "round(share * maps.shape[1] * maps.shape[2])",
            "-int(-share * maps.shape[1] * maps.shape[2] // 1)",
            "yours sets 6 to 0; it should be 5",
        ),
        ("maps.flatten(1).topk", "maps[:1].expand_as(maps).flatten(1).topk", "The wrong pixels are gone"),
        ("return images *", "return 0.9 * images *", "the others have changed"),
        (
            "maps.flatten(1).topk(count).indices",
            "maps.flatten(1).argsort(1)[:, -count:]",
            "With a share of 0 no pixel goes",
        ),
        (
            None,
            "def remove_hottest(images, maps, share):\n"
            "    count = round(share * maps.shape[1] * maps.shape[2])\n"
            "    edge = maps.flatten(1).topk(count).values[:, -1]\n"
            "    return images * (maps < edge[:, None, None])[:, None]",
            "your threshold takes all of them",
        ),
        (
            None,
            "def remove_hottest(images, maps, share):\n"
            "    edge = maps.flatten(1).quantile(1 - share, dim=1)\n"
            "    return images * (maps < edge[:, None, None])[:, None]",
            "your threshold takes all of them",
        ),
        (
            None,
            "def remove_hottest(images, maps, share):\n"
            "    edge = maps.flatten(1).quantile(1 - share, dim=1)\n"
            "    return images * (maps <= edge[:, None, None])[:, None]",
            "your threshold takes none of them",
        ),
        (
            None,
            "import numpy as np\n\n"
            "def remove_hottest(images, maps, share):\n"
            "    changed = images.clone()\n"
            "    for image, heat in zip(changed, maps):\n"
            "        image[:, heat > np.percentile(heat, 100 * (1 - share))] = 0\n"
            "    return changed",
            "your threshold takes none of them",
        ),
        ("[:, None]", "", "without an axis for the channels"),
        ("round(share * maps.shape[1] * maps.shape[2])", "share", "raised TypeError"),
    ],
}

RIGHT: dict[str, str] = {
    "energy_on_object": """
def energy_on_object(maps, masks):
    shares = []
    for heat, mask in zip(maps, masks):
        total = heat.sum()
        shares.append(heat[mask].sum() / total if total != 0 else torch.tensor(0.0))
    return torch.stack(shares)
""",
    "hits": """
def hits(maps, masks):
    answers = []
    for heat, mask in zip(maps, masks):
        row = heat.amax(dim=1).argmax()
        column = heat[row].argmax()
        answers.append(bool(mask[row, column]) and heat[row, column].item() != 0)
    return torch.tensor(answers)
""",
    "compare": """
import numpy as np

def compare(a, b):
    d = (a - b).double().numpy()
    center = sum(d) / len(d)
    error = d.std(ddof=1) / len(d) ** 0.5
    return center + 1.96 * error * np.array([-1, 1])
""",
    "remove_hottest": """
def remove_hottest(images, maps, share):
    n, h, w = maps.shape
    order = maps.reshape(n, -1).argsort(dim=1, descending=True).argsort(dim=1)
    gone = (order < round(share * h * w)).reshape(n, 1, h, w)
    return images.masked_fill(gone, 0.0)
""",
}

EQUIVALENT: dict[str, dict[str, str]] = {
    "energy_on_object": {"return inside / total.where(total > 0, 2)": "where the total is 0, so is what is inside"},
}

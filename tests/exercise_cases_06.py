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
            "the object's share of the picture",
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
            "You fade the picture",
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
        ("maps.shape[1] * maps.shape[2]", "maps.shape[2] * 2", "The wrong pixels are gone"),
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
def compare(a, b):
    d = (a - b).double()
    center = sum(d.tolist()) / len(d)
    variance = ((d - center) ** 2).sum() / (len(d) - 1)
    error = (variance / len(d)).sqrt()
    return [center - 1.96 * error, center + 1.96 * error]
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

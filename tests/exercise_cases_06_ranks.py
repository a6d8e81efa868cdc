"""What readers may hand in for lesson 06's exercise on ranks; how to read this stands in ``exercise_cases.py``."""

WRONG: dict[str, list[tuple[str | None, str, str]]] = {
    "rank_likeness": [
        ("ranks = smaller + equal / 2", "ranks = x", "correlate the values themselves"),
        ("ranks = smaller + equal / 2", "ranks = smaller.float()", "all get their lowest rank"),
        (
            "ranks = smaller + equal / 2",
            "ranks = x.argsort(dim=1, stable=True).argsort(dim=1).float()",
            "by the order in which they stand",
        ),
        ("return ranks - ranks.mean(dim=1, keepdim=True)", "return ranks", "leave the mean in"),
        ("(one * other).sum(1) / norms.where(norms > 0, 1)", "(one * other).sum(1)", "do not divide by the norms"),
        ("(one * other).sum(1) / norms.where(norms > 0, 1)", "(one * other).mean(1)", "the mean product"),
        ("norms.where(norms > 0, 1)", "norms", "has no order"),
        ("return (one * other)", "return -(one * other)", "The sign is wrong"),
        ("    return (one * other).sum(1) / norms.where(norms > 0, 1)",
         "    return ((one * other).sum(1) / norms.where(norms > 0, 1)).abs()", "the absolute value"),
        ("    return (one * other).sum(1) / norms.where(norms > 0, 1)",
         "    return ((one * other).sum(1) / norms.where(norms > 0, 1)) ** 2", "square the correlation"),
        (".sum(1) / norms", ".sum() / norms", "not right"),
        (
            None,
            "def rank_likeness(a, b):\n"
            "    ranks = []\n"
            "    for maps in (a, b):\n"
            "        x = maps.flatten()\n"
            "        rank = (x[None] < x[:, None]).sum(1) + (x[None] == x[:, None]).sum(1) / 2\n"
            "        ranks.append(rank - rank.mean())\n"
            "    one, other = ranks\n"
            "    return (one * other).sum() / (one.norm() * other.norm())",
            "a single number",
        ),
        ("    return (one * other).sum(1) / norms.where(norms > 0, 1)", "", "Is the return missing"),
        ("    one, other", "    a += 1\n    one, other", "changes its input in place"),
    ],
}  # fmt: skip

RIGHT: dict[str, str] = {
    "rank_likeness": """
def rank_likeness(a, b):
    def ranks(values):
        order = sorted(values)
        return [order.index(v) + (order.count(v) - 1) / 2 for v in values]

    out = []
    for one, other in zip(a.flatten(1).tolist(), b.flatten(1).tolist()):
        one, other = torch.tensor(ranks(one)), torch.tensor(ranks(other))
        if one.std() == 0 or other.std() == 0:
            out.append(0.0)
        else:
            out.append(torch.corrcoef(torch.stack([one, other]))[0, 1].item())
    return torch.tensor(out)
""",
}

ALSO_RIGHT: dict[str, list[str]] = {
    "rank_likeness": [
        """
def rank_likeness(a, b):
    def ranks(maps):
        x = maps.flatten(1).contiguous()
        ordered = x.sort(dim=1).values
        low = torch.searchsorted(ordered, x)
        high = torch.searchsorted(ordered, x, right=True)
        ranks = (low + high).double()
        return ranks - ranks.mean(1, keepdim=True)

    return torch.nn.functional.cosine_similarity(ranks(a), ranks(b), dim=1).float()
""",
    ],
}

EQUIVALENT: dict[str, dict[str, str]] = {
    "rank_likeness": {
        "return (one * other).sum(1) / norms.where(norms > 0, 2)": "where a norm is 0, so is the sum",
        "smaller = (x[:, None] < x[:, :, None]).sum(1)": "both orders are upside down, which is the same correlation",
        "equal = (x[:, None] == x[:, :, None]).sum(1)": "equality looks the same from both sides",
    },
}

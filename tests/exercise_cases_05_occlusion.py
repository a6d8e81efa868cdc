"""What readers may hand in for lesson 05's exercise on occlusion; how to read this stands in ``exercise_cases.py``."""

WRONG: dict[str, list[tuple[str | None, str, str]]] = {
    "occlusion_map": [
        (
            "score(image[None]) - score(torch.stack(covered))",
            "score(torch.stack(covered)) - score(image[None])",
            "The sign is wrong",
        ),
        (
            "score(image[None]) - score(torch.stack(covered))",
            "score(torch.stack(covered))",
            "the score with the square",
        ),
        (
            "copy = image.clone()\n            copy[:, top : top + size, left : left + size] = 0\n"
            "            covered.append(copy)",
            "image = image.clone()\n            image[:, top : top + size, left : left + size] = 0\n"
            "            covered.append(image)",
            "The map is not right",
        ),
        (
            None,
            "def occlusion_map(score, image, size, stride):\n"
            "    _, height, width = image.shape\n"
            "    before, copy, drops = score(image[None]), image.clone(), []\n"
            "    for top in range(0, height - size + 1, stride):\n"
            "        drops.append([])\n"
            "        for left in range(0, width - size + 1, stride):\n"
            "            copy[:, top : top + size, left : left + size] = 0\n"
            "            drops[-1].append((before - score(copy[None])).item())\n"
            "    return torch.tensor(drops)",
            "squares pile up",
        ),
        (
            None,
            "def occlusion_map(score, image, size, stride):\n"
            "    rows = range(0, image.shape[1] - size + 1, stride)\n"
            "    columns = range(0, image.shape[2] - size + 1, stride)\n"
            "    copy, covered = image.clone(), []\n"
            "    for top in rows:\n"
            "        for left in columns:\n"
            "            copy[:, top : top + size, left : left + size] = 0\n"
            "            covered.append(copy)\n"
            "    drops = score(image[None]) - score(torch.stack(covered))\n"
            "    return drops.reshape(len(rows), len(columns))",
            "All your copies are one image",
        ),
        ("copy = image.clone()", "copy = image", "changes its input in place"),
        ("copy[:, top", "copy[0, top", "one channel of three"),
        ("= 0\n", "= 1\n", "You fill the square with 1"),
        ("= 0\n", "= image.mean((1, 2), keepdim=True)\n", "the image's own mean"),
        ("return drops.reshape", "return drops.relu().reshape", "cut off what is below 0"),
        ("return drops.reshape", "return drops.abs().reshape", "the absolute value"),
        ("return drops.reshape", "return (drops / drops.max()).reshape", "divide by the map's maximum"),
        ("return drops.reshape", "return (drops / score(image[None])).reshape", "divide by the score before"),
        (
            "copy = image.clone()\n            copy[:, top : top + size, left : left + size] = 0",
            "copy = torch.zeros_like(image)\n            square = slice(top, top + size), slice(left, left + size)\n"
            "            copy[:, *square] = image[:, *square]",
            "You cover all but the square",
        ),
        (
            "copy[:, top : top + size, left : left + size]",
            "copy[:, left : left + size, top : top + size]",
            "changed places",
        ),
        (
            "    for top in rows:\n        for left in columns:",
            "    for left in columns:\n        for top in rows:",
            "Rows and columns have changed places",
        ),
        (".reshape(len(rows), len(columns))", "", "one row of numbers"),
        ("rows = range(0, height - size + 1, stride)", "rows = range(0, height - size, stride)", "another shape"),
        ("score(image[None])", "score(image)", "score takes a batch"),
        ("    return drops.reshape(len(rows), len(columns))", "", "Is the return missing"),
        (
            None,
            "def occlusion_map(score, image, size, stride):\n"
            "    rows = range(0, image.shape[1] - size + 1, size)\n"
            "    columns = range(0, image.shape[2] - size + 1, size)\n"
            "    covered = []\n"
            "    for top in rows:\n"
            "        for left in columns:\n"
            "            copy = image.clone()\n"
            "            copy[:, top : top + size, left : left + size] = 0\n"
            "            covered.append(copy)\n"
            "    drops = score(image[None]) - score(torch.stack(covered))\n"
            "    return drops.reshape(len(rows), len(columns))",
            "goes on by its own size",
        ),
        (
            None,
            "def occlusion_map(score, image, size, stride):\n"
            "    rows, columns = range(0, image.shape[1], stride), range(0, image.shape[2], stride)\n"
            "    covered = []\n"
            "    for top in rows:\n"
            "        for left in columns:\n"
            "            copy = image.clone()\n"
            "            copy[:, top : top + size, left : left + size] = 0\n"
            "            covered.append(copy)\n"
            "    drops = score(image[None]) - score(torch.stack(covered))\n"
            "    return drops.reshape(len(rows), len(columns))",
            "reach beyond the image",
        ),
        (
            None,
            "def occlusion_map(score, image, size, stride):\n"
            "    rows = range(0, image.shape[1] - size, stride)\n"
            "    columns = range(0, image.shape[2] - size, stride)\n"
            "    covered = []\n"
            "    for top in rows:\n"
            "        for left in columns:\n"
            "            copy = image.clone()\n"
            "            copy[:, top : top + size, left : left + size] = 0\n"
            "            covered.append(copy)\n"
            "    drops = score(image[None]) - score(torch.stack(covered))\n"
            "    return drops.reshape(len(rows), len(columns))",
            "leave out the last position",
        ),
    ],
}

RIGHT: dict[str, str] = {
    "occlusion_map": """
def occlusion_map(score, image, size, stride):
    windows = torch.ones_like(image).unfold(1, size, stride).unfold(2, size, stride)
    rows, columns = windows.shape[1:3]
    before = score(image.unsqueeze(0)).item()
    drops = torch.empty(rows, columns)
    for i in range(rows):
        for j in range(columns):
            mask = torch.ones(image.shape[1:])
            mask[i * stride : i * stride + size, j * stride : j * stride + size] = 0
            drops[i, j] = before - score((image * mask).unsqueeze(0)).item()
    return drops
""",
}

ALSO_RIGHT: dict[str, list[str]] = {
    "occlusion_map": [
        """
import numpy as np

def occlusion_map(score, image, size, stride):
    pixels, drops = image.numpy(), []
    for top in range(0, pixels.shape[1] - size + 1, stride):
        row = []
        for left in range(0, pixels.shape[2] - size + 1, stride):
            copy = pixels.copy()
            copy[:, top : top + size, left : left + size] = 0
            row.append(float(score(image[None])) - float(score(torch.from_numpy(copy)[None])))
        drops.append(row)
    return np.array(drops)
""",
    ],
}

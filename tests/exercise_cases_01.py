"""What readers may hand in for the exercise on near copies of lesson 01, in the form of ``exercise_cases.py``."""

_BY_QUERY = """
def nearest_images(queries, images):
    known = images.flatten(1).long()
    places, sums = [], []
    for query in queries.flatten(1).long():
        nearest = ((known - query) ** 2).sum(1).min(0)
        places.append(nearest.indices)
        sums.append(nearest.values)
    return torch.stack(places), torch.stack(sums)
"""

_BY_PART_OF_THE_IMAGES = """
def nearest_images(queries, images):
    asked = queries.flatten(1).double()
    least = torch.full((len(queries),), float("inf"), dtype=torch.float64)
    places = torch.zeros(len(queries), dtype=torch.int64)
    for start in range(0, len(images), 256):
        part = images[start : start + 256].flatten(1).double()
        sums = (asked**2).sum(1)[:, None] - 2 * asked @ part.T + (part**2).sum(1)
        found = sums.min(1)
        better = found.values < least
        least = torch.where(better, found.values, least)
        places = torch.where(better, start + found.indices, places)
    return places, least.long()
"""

WRONG: dict[str, list[tuple[str | None, str, str]]] = {
    "nearest_images": [
        (None, _BY_QUERY.replace(".long()", ""), "Bytes wrap round"),
        (
            None,
            _BY_QUERY.replace(".long()", "").replace("(known - query) ** 2", "(known - query).long() ** 2"),
            "convert too late",
        ),
        (None, _BY_QUERY.replace(".long()", ".short()"), "16 bits hold"),
        (None, _BY_QUERY.replace("min(0)", "max(0)"), "differs most"),
        (None, _BY_QUERY.replace("(known - query) ** 2", "(known - query).abs()"), "absolute differences"),
        (None, _BY_QUERY.replace(".sum(1)", ".double().mean(1)").replace("values)", "values.long())"), "You average"),
        (None, _BY_QUERY.replace("sums.append(nearest.values)", "sums.append(nearest.values.sqrt().long())"), "root"),
        (None, _BY_QUERY.replace("places), torch.stack(sums)", "sums), torch.stack(places)"), "changed places"),
        (None, _BY_PART_OF_THE_IMAGES.replace("start + found.indices", "found.indices"), "some places are not"),
        (None, _BY_PART_OF_THE_IMAGES.replace("values < least", "values <= least"), "some places are not"),
        (None, _BY_PART_OF_THE_IMAGES.replace(".double()", ".float()").replace("float64", "float32"), "off by up to"),
        (
            None,
            """
def nearest_images(queries, images):
    known, asked = images.flatten(1).double(), queries.flatten(1).double()
    sums = ((asked[:, None] - known) ** 2).sum(2)
    return sums.argmin(1), sums.amin(1).long()
""",
            "your largest tensor holds",
        ),
        ("split(64)", "split(10_000)", "your largest tensor holds"),
        (
            None,
            """
def nearest_images(queries, images):
    found = torch.cdist(queries.flatten(1).double(), images.flatten(1).double()).min(0)
    return found.indices, (found.values**2).round().long()
""",
            "as many answers",
        ),
        (
            None,
            """
def nearest_images(queries, images):
    asked, known = queries.flatten(1).double(), images.flatten(1).double()
    found = torch.cdist(asked, known, compute_mode="donot_use_mm_for_euclid_dist").min(1)
    return found.indices, (found.values**2).long()
""",
            "one too small",
        ),
        (
            None,
            """
def nearest_images(queries, images):
    known = images.flatten(1).double()
    found = [(part @ known.T).max(1) for part in queries.flatten(1).double().split(64)]
    return torch.cat([each.indices for each in found]), torch.cat([each.values.long() for each in found])
""",
            "The image nearest to query",
        ),
        (
            None,
            """
def nearest_images(queries, images):
    known = images.flatten(1).double()
    places, sums = [], []
    for k in range(len(queries) // 16):
        part = queries[16 * k : 16 * (k + 1)].flatten(1).double()
        found = ((part**2).sum(1)[:, None] - 2 * part @ known.T + (known**2).sum(1)).min(1)
        places.append(found.indices)
        sums.append(found.values.long())
    return torch.cat(places), torch.cat(sums)
""",
            "as many answers",
        ),
        (".long()", "", "type torch.int64"),
        ("torch.cat(places), torch.cat(sums)", "torch.cat(places)", "Return two tensors"),
        ("    return torch.cat(places), torch.cat(sums)", "", "there is None"),
    ],
}

RIGHT: dict[str, str] = {"nearest_images": _BY_QUERY}

ALSO_RIGHT: dict[str, list[str]] = {
    "nearest_images": [
        _BY_PART_OF_THE_IMAGES,
        """
import numpy as np

def nearest_images(queries, images):
    known = images.numpy().reshape(len(images), -1).astype(np.int64)
    places, sums = [], []
    for query in queries.numpy().reshape(len(queries), -1).astype(np.int64):
        distances = ((known - query) ** 2).sum(1)
        places.append(distances.argmin())
        sums.append(distances.min())
    return np.array(places), np.array(sums)
""",
        """
def nearest_images(queries, images):
    found = [torch.cdist(part.flatten(1).double(), images.flatten(1).double()).min(1) for part in queries.split(100)]
    return torch.cat([f.indices for f in found]), torch.cat([f.values**2 for f in found]).round().long()
""",
    ],
}

EQUIVALENT: dict[str, dict[str, str]] = {
    "nearest_images": {
        f"for part in queries.flatten(1).double().split({size}):": "parts of another size" for size in (63, 65)
    },
}

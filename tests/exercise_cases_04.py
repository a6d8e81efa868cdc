"""What readers may hand in for lesson 04's exercises; how to read this stands in ``exercise_cases.py``."""

WRONG: dict[str, list[tuple[str | None, str, str]]] = {
    "confusion_matrix": [
        ("counts[label, pred]", "counts[pred, label]", "Rows and columns have changed places"),
        ("zip(labels, preds)", "zip(preds, labels)", "Rows and columns have changed places"),
        ("return counts", "return counts / counts.sum(1, keepdim=True)", "Yours are shares"),
        ("return counts", "return counts / len(labels)", "Yours are shares"),
        (
            "    for label, pred in zip(labels, preds):\n        counts[label, pred] += 1\n",
            "    counts[labels, preds] += 1\n",
            "each pair was counted once",
        ),
        ("        counts[label, pred] += 1", "        counts[label, pred] += label != pred", "The diagonal is empty"),
        (", dtype=torch.int64", "", "should be int64; yours is torch.float32"),
        ("torch.int64", "torch.uint8", "should be int64; yours is torch.uint8"),
        ("torch.int64", "torch.int32", "should be int64; yours is torch.int32"),
        ("(num_classes, num_classes)", "(10, 10)", "shape of the matrix"),
        ("    counts =", "    num_classes = int(labels.max()) + 1\n    counts =", "a class that never occurs"),
        ("zip(labels, preds)", "zip(labels[1:], preds[1:])", "add up to"),
        ("zip(labels, preds)", "zip(labels, preds.roll(1))", "not where they should be"),
        ("    return counts", "", "Is the return missing"),
        (
            "    for label, pred in zip(labels, preds):\n        counts[label, pred] += 1\n",
            "    for i, label in enumerate(labels.unique()):\n"
            "        for j, pred in enumerate(preds.unique()):\n"
            "            counts[i, j] = ((labels == label) & (preds == pred)).sum()\n",
            "Rows or columns have moved",
        ),
        (
            "zip(labels, preds)",
            "zip(labels.unique(return_inverse=True)[1], preds.unique(return_inverse=True)[1])",
            "Rows or columns have moved",
        ),
        (
            None,
            """
from sklearn.metrics import confusion_matrix as count

def confusion_matrix(labels, preds, num_classes):
    counts = torch.from_numpy(count(labels, preds))
    return F.pad(counts, (0, num_classes - len(counts), 0, num_classes - len(counts)))
""",
            "Rows or columns have moved",
        ),
    ],
    "top_classes": [
        ("zip(indices.tolist(), values.tolist())", "enumerate(values.tolist())", "the first"),
        (
            "    values, indices = probabilities.topk(n)\n"
            "    pairs = zip(indices.tolist(), values.tolist())\n"
            "    return [(classes[k], value) for k, value in pairs]",
            "    return [(classes[k], probabilities[k].item()) for k in range(n)]",
            "whatever the image shows",
        ),
        ("topk(n)", "topk(n, largest=False)", "least likely"),
        ("topk(n)", "topk(3)", "you return 3"),
        ("(classes[k], value)", "(k, value)", "not its number"),
        ("(classes[k], value)", "classes[k]", "Return a list of pairs"),
        ("(classes[k], value)", "(classes[k], 100 * value)", "are percentages"),
        ("(classes[k], value)", "(classes[k], probabilities[0].item())", "the probabilities are not theirs"),
        ("zip(indices.tolist(),", "zip(indices.sort().values.tolist(),", "the most likely one should come first"),
        ("classes[k]", "classes[k - 1]", "not the 3 most likely"),
        ("    return [", "    [", "Is the return missing"),
        ("    values", "    probabilities /= 2\n    values", "changes its input in place"),
        ("return [(classes[k], value) for", "return [(classes[k], str(value)) for", "yours is a str"),
        ("(classes[k], value)", "(classes[k], f'{value:.1%}')", "yours is a str"),
        ("(classes[k], value)", "(classes[k], print(end=''))", "yours is None"),
        (
            "return [(classes[k], value) for k, value in pairs]",
            "return {classes[k]: value for k, value in zip(indices.tolist(), values.tolist())}",
            "Return a list of pairs",
        ),
        ("classes[k], value", "classes[probabilities.tolist().index(value)], value", "equally likely"),
        (
            None,
            """
def top_classes(probabilities, classes, n):
    names = dict(zip(probabilities.tolist(), classes))
    return [(names[value], value) for value in sorted(probabilities.tolist())[::-1][:n]]
""",
            "equally likely",
        ),
    ],
    "calibration_error": [
        (".clamp(max=bins - 1)", "", "fall into no bin"),
        (".clamp(max=bins - 1)\n", "\n    bins += 1\n", "have a bin to themselves"),
        (
            None,
            """
import numpy as np

def calibration_error(confidence, right, bins=10):
    place, error = np.digitize(confidence, np.linspace(0, 1, bins + 1)), 0
    for b in np.unique(place):
        inside = torch.tensor(place == b)
        gap = right[inside].float().mean() - confidence[inside].mean()
        error += gap.abs().item() * inside.float().mean().item()
    return error
""",
            "have a bin to themselves",
        ),
        ("gap.abs().item() *", "gap.item() *", "left the sign on"),
        ("gap.abs().item() *", "gap.item() ** 2 *", "You square the gaps"),
        (
            "            error += gap.abs().item() * inside.float().mean().item()\n    return error",
            "            error += gap.item() * inside.float().mean().item()\n    return abs(error)",
            "sign",
        ),
        (" * inside.float().mean().item()", " / len(place.unique())", "Each bin counts the same"),
        (" * inside.float().mean().item()", "", "You add the bins' gaps up"),
        ("error += gap", "error = max(error, gap.abs().item()) + 0 * gap", "largest gap"),
        ("        if inside.any():", "        if True:", "Something was divided by 0"),
        ("return error", "return 100 * error", "Yours is in percent"),
        ("bins=10", "bins=15", "With 10 bins it should be"),
        ("    place =", "    bins = 10\n    place =", "With 4 bins it should be"),
        (
            "(confidence * bins).long().clamp(max=bins - 1)",
            "confidence.argsort().argsort() * bins // len(confidence)",
            "With 10 bins it should be",
        ),
        ("return error", "return (confidence - right.float()).abs()", "yours is a Tensor"),
        ("return error", "return torch.tensor([error])", "yours is a Tensor"),
        ("    return error", "", "Is the return missing"),
    ],
    "fit_temperature": [
        ("logits / t", "logits * t", "Yours is 1/T"),
        ("logspace(-1.5, 1.5, 601)", "logspace(-1.5, 0.7, 601)", "Do you search far enough"),
        ("logspace(-1.5, 1.5, 601)", "linspace(0.5, 3, 601)", "Do you search far enough"),
        ("logspace(-1.5, 1.5, 601)", "logspace(-0.5, 0.5, 601)", "Do you search far enough"),
        ("argmin", "argmax", "Do you search far enough"),
        ("logspace(-1.5, 1.5, 601)", "logspace(-1.5, 1.5, 13)", "That is near, but"),
        ("return tries[best].item()", "return tries[best].log().item()", "the logarithm"),
        ("return tries[best].item()", "return logits / tries[best]", "return the scaled logits"),
        ("return tries[best].item()", "return 1.0", "You return 1, which changes nothing"),
        ("return tries[best].item()", "return torch.stack(losses).min().item() * -1", "above 0"),
        ("return tries[best].item()", "return torch.stack(losses)", "yours is a Tensor"),
        ("return tries[best].item()", "return tries[best].view(1)", "yours is a Tensor"),
        ("return tries[best].item()", "return (tries / 0).max().item()", "no temperature"),
        (
            None,
            """
def fit_temperature(logits, labels):
    t = torch.ones((), requires_grad=True)
    optimizer = torch.optim.LBFGS([t], max_iter=100, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = F.cross_entropy(logits / t, labels)
        loss.backward()
        return loss

    optimizer.step(closure)
    return t
""",
            "graph of its gradient",
        ),
        ("    return", "    logits *= 2\n    return", "changes its input in place"),
        (
            "F.cross_entropy(logits / t, labels)",
            "(F.one_hot(labels, logits.shape[1]) - (logits / t).softmax(1)).square().mean()",
            "not the one with the smallest cross-entropy",
        ),
        (
            "F.cross_entropy(logits / t, labels)",
            "((logits / t).argmax(1) != labels).float().mean()",
            "Do you search far enough",
        ),
    ],
}

RIGHT: dict[str, str] = {
    "confusion_matrix": """
def confusion_matrix(labels, preds, num_classes):
    rows = [torch.bincount(preds[labels == k], minlength=num_classes) for k in range(num_classes)]
    return torch.stack(rows)
""",
    "top_classes": """
def top_classes(probabilities, classes, n):
    named = zip(classes, probabilities.tolist())
    return sorted(named, key=lambda pair: -pair[1])[:n]
""",
    "calibration_error": """
import numpy as np

def calibration_error(confidence, right, bins=10):
    sure, hits = confidence.double().numpy(), right.numpy()
    edges = np.linspace(0, 1, bins + 1)
    total = np.float64(0)
    for low, high in zip(edges[:-1], edges[1:]):
        inside = (sure > low) & (sure <= high)
        total += abs(hits[inside].sum() - sure[inside].sum())
    return total / len(sure)
""",
    "fit_temperature": """
def fit_temperature(logits, labels):
    log_t = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.LBFGS([log_t], max_iter=100, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = F.cross_entropy(logits / log_t.exp(), labels)
        loss.backward()
        return loss

    optimizer.step(closure)
    return log_t.exp().item()
""",
}

ALSO_RIGHT: dict[str, list[str]] = {
    "confusion_matrix": [
        """
import numpy as np

def confusion_matrix(labels, preds, num_classes):
    counts = np.zeros((num_classes, num_classes), dtype=np.int64)
    np.add.at(counts, (labels.numpy(), preds.numpy()), 1)
    return counts
""",
    ],
    "fit_temperature": [
        f"""
def fit_temperature(logits, labels):
    tries = {tries}
    return min(tries.tolist(), key=lambda t: F.cross_entropy(logits / t, labels).item())
"""
        for tries in ("torch.linspace(0.1, 10, 991)", "torch.logspace(-1, 1, 200)", "torch.arange(0.05, 20, 0.01)")
    ],
}

EQUIVALENT: dict[str, dict[str, str]] = {
    "fit_temperature": {
        "tries = torch.logspace(-2.5, 1.5, 601)": "a wider search finds the same",
        "tries = torch.logspace(-1.5, 2.5, 601)": "a wider search finds the same",
        "tries = torch.logspace(-1.5, 1.5, 602)": "one step more, all a little closer",
        "tries = torch.logspace(-1.5, 1.5, 600)": "one step less, all a little wider",
        "tries = torch.logspace(1.5, -1.5, 601)": "the same temperatures, from hot to cold",
    },
}

"""What readers may hand in for lesson 07's exercises; how to read this stands in ``exercise_cases.py``."""

WRONG: dict[str, list[tuple[str | None, str, str]]] = {
    "median_time": [
        ("        work()\n        wait()\n", "        work()\n", "and not when it is carried out"),
        ("    work()\n    times", "    times", "The first call is counted"),
        ("        wait()\n        start", "        start", "had work left when you started the clock"),
        ("median(times)", "sum(times) / len(times)", "You take the mean"),
        ("median(times)", "min(times)", "You take the fastest call"),
        ("median(times)", "max(times)", "You take the slowest call"),
        ("median(times)", "sum(times)", "You add the calls up"),
        ("rounds=5", "rounds=6", "there should be five rounds"),
        ("range(rounds)", "range(5)", "should be called"),
        (
            None,
            "def median_time(work, wait, clock, rounds=5):\n"
            "    start = clock()\n"
            "    for _ in range(rounds):\n"
            "        work()\n"
            "    return (clock() - start) / rounds",
            "when the order is given",
        ),
        (
            None,
            "def median_time(work, wait, clock, rounds=5):\n"
            "    start = clock()\n"
            "    for _ in range(rounds):\n"
            "        work()\n"
            "    wait()\n"
            "    return (clock() - start) / rounds",
            "over all calls together",
        ),
        (
            None,
            "import time\n"
            "def median_time(work, wait, clock, rounds=5):\n"
            "    work()\n"
            "    times = []\n"
            "    for _ in range(rounds):\n"
            "        wait()\n"
            "        start = time.perf_counter()\n"
            "        work()\n"
            "        wait()\n"
            "        times.append(time.perf_counter() - start)\n"
            "    return median(times)",
            "none of the clock's",
        ),
        ("    return median(times)", "    median(times)", "Is the return missing"),
        ("return median(times)", "return times", "Make the time a number"),
        ("    work()\n    times", "    work()\n    work()\n    times", "should be called 6 times"),
        ("clock() - start", "clock() - start - 1", "not what the device takes"),
    ],
    "intensity": [
        ("flop = 2 * weights", "flop = weights", "multiplied and added"),
        ("flop / (4 * numbers)", "flop / numbers", "You count numbers"),
        ("flop / (4 * numbers)", "flop / (32 * numbers)", "You count bits"),
        ("numbers = weights + batch", "numbers = batch", "You leave the weights out"),
        ("(in_channels + out_channels)", "in_channels", "has to be written"),
        ("(in_channels + out_channels)", "out_channels", "input has to be read"),
        ("numbers = weights + batch", "numbers = batch * weights + batch", "serve the whole batch"),
        ("weights = 9 *", "weights = 1 *", "nine weights"),
        ("numbers = weights +", "numbers = in_channels * out_channels +", "without the window"),
        ("side**2", "side", "side × side places"),
        ("side**2 * batch\n", "side**2\n", "those of one image"),
        ("flop / (4 * numbers)", "4 * numbers / flop", "turn it round"),
        ("flop / (4 * numbers)", "flop // (4 * numbers)", "it should be"),
        ("weights = 9 *", "weights = 3 *", "it should be"),
        ("    return flop", "    flop", "Is the return missing"),
    ],
    "newton_schulz": [
        (" / matrix.norm().clamp(min=1e-7)", "", "You do not scale"),
        ("matrix.norm()", "torch.linalg.matrix_norm(matrix, 2)", "by the largest singular value"),
        (".clamp(min=1e-7)", "", "should stay zeros"),
        (
            "    for _ in range(steps):\n        A = X @ X.T\n",
            "    A = X @ X.T\n    for _ in range(steps):\n",
            "compute it anew",
        ),
        ("        A = X", "        X = X / X.norm().clamp(min=1e-7)\n        A = X", "You scale in each step"),
        (" + c * A @ A", "", "The term with A @ A is missing"),
        ("b * A + c", "c", "The term with A is missing"),
        ("a * X + ", "", "The first term"),
        ("range(steps)", "range(steps + 1)", "one step too many"),
        ("range(steps)", "range(steps - 1)", "one step too few"),
        ("return X", "U, _, V = torch.linalg.svd(matrix, full_matrices=False)\n    return U @ V", "the exact answer"),
        ("3.4445, -4.7750, 2.0315", "1.5, -0.5, 0", "the older iteration"),
        ("3.4445, -4.7750, 2.0315", "3.45, -4.77, 2.03", "some digits are missing"),
        ("    X = matrix", "    matrix = matrix.bfloat16()\n    X = matrix", "some digits are missing"),
        ("return X", "return X.T", "lying on its side"),
        ("matrix / matrix.norm()", "matrix.float() / matrix.norm().float()", "keep its type"),
        ("    X = matrix", "    matrix /= matrix.norm().clamp(min=1e-7)\n    X = matrix", "changes its input"),
        ("c * A @ A", "c * A * A", "singular value should be"),
        ("range(steps)", "range(max(steps, 1))", "Without a single step"),
        ("    return X", "    X", "Is the return missing"),
    ],
    "on_devices": [
        ("return together,", "return batch_size,", "a batch of its own"),
        ("return together,", "return batch_size // devices,", "is not shared out here"),
        ("images // together", "images // batch_size", "take a step together"),
        ("images // together", "-(-images // together)", "round down"),
        ("images // together", "images // batch_size * devices", "You multiply the steps"),
        ("lr * devices", "lr", "You leave the rate as it was"),
        ("lr * devices", "lr / devices", "yours shrinks"),
        ("lr * devices", "lr * devices**0.5", "You take the root"),
        ("images // together", "images / together", "Steps are counted"),
        ("together, images // together, lr * devices", "together, images // together", "Return three numbers"),
        ("lr * devices", "lr * together", "it should be"),
        ("    return together", "    together", "Where the three numbers should be"),
    ],
}  # fmt: skip

RIGHT: dict[str, str] = {
    "median_time": """
import numpy as np

def median_time(work, wait, clock, rounds=5):
    def once():
        wait()
        before = clock()
        work()
        wait()
        return clock() - before

    return float(np.median([once() for _ in range(rounds + 1)][1:]))
""",
    "intensity": """
def intensity(batch, in_channels, out_channels, side):
    read = 4 * batch * in_channels * side * side + 4 * 3 * 3 * in_channels * out_channels
    written = 4 * batch * out_channels * side * side
    a_place = 3 * 3 * in_channels * 2
    return a_place * out_channels * batch * side * side / (read + written)
""",
    "newton_schulz": """
def newton_schulz(matrix, steps):
    tall = matrix.shape[0] > matrix.shape[1]
    X = matrix.T if tall else matrix
    X = X / (X.square().sum().sqrt() + 1e-7)
    for _ in range(steps):
        gram = X @ X.T
        X = 3.4445 * X - 4.7750 * gram @ X + 2.0315 * gram @ (gram @ X)
    return X.T if tall else X
""",
    "on_devices": """
import math

def on_devices(images, batch_size, devices, lr):
    all_of_them = sum(batch_size for _ in range(devices))
    return [all_of_them, math.floor(images / all_of_them), lr * all_of_them / batch_size]
""",
}

ALSO_RIGHT: dict[str, list[str]] = {
    "newton_schulz": [
        """
def newton_schulz(matrix, steps):
    U, S, V = torch.linalg.svd(matrix, full_matrices=False)
    S = S / max(S.square().sum().sqrt().item(), 1e-7)
    for _ in range(steps):
        S = 3.4445 * S - 4.7750 * S**3 + 2.0315 * S**5
    return U @ torch.diag(S) @ V
""",
        """
import numpy as np

def newton_schulz(matrix, steps):
    X = matrix.numpy()
    X = X / max(np.linalg.norm(X), 1e-7)
    for _ in range(steps):
        B = X.T @ X
        X = 3.4445 * X + X @ (-4.7750 * B + 2.0315 * B @ B)
    return X.astype(matrix.numpy().dtype)
""",
    ],
    "median_time": [
        """
def median_time(work, wait, clock, rounds=5):
    work()
    wait()
    times = []
    while len(times) < rounds:
        start = clock()
        work()
        wait()
        times.append(clock() - start)
    return sorted(times)[rounds // 2]
""",
    ],
}

EQUIVALENT: dict[str, dict[str, str]] = {}

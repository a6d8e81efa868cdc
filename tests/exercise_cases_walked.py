"""Wrong answers found by walking every exercise along its four kinds; each of them passed once.

Edge values, structure, time and process, side effects; how to read this stands in ``exercise_cases.py``.
"""


def _edited(text: str, *edits: tuple[str, str]) -> str:
    """``text`` after the edits ``(old, new)``; each ``old`` must stand in it exactly once."""
    for old, new in edits:
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in:{text}"
        text = text.replace(old, new)
    return text


# The texts of which wrong answers below are edits.
_LINE = """
def line_gradient(xs, ys, slope, intercept):
    e = [slope * x + intercept - y for x, y in zip(xs, ys)]
    return (sum((2 * a * x for a, x in zip(e, xs))) / len(xs), sum((2 * a for a in e)) / len(xs))
"""
_NUMERICAL = """
def numerical_gradient(loss, numbers, step):
    out = []
    for k in range(len(numbers)):
        up, down = (list(numbers), list(numbers))
        up[k] += step
        down[k] -= step
        out.append((loss(up) - loss(down)) / (2 * step))
    return out
"""
_FIT = """
def fit(network, optimizer, batches):
    losses = []
    for x, y in batches:
        optimizer.zero_grad()
        loss = F.cross_entropy(network(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
"""
_SPLIT = """
def hold_out(labels, per_class):
    g = torch.Generator().manual_seed(0)
    o = torch.randperm(len(labels), generator=g)
    v = torch.cat([o[labels[o] == k][:per_class] for k in range(10)])
    m = torch.ones(len(labels), dtype=bool)
    m[v] = False
    return (m.nonzero()[:, 0], v)
"""
_BATCH_NORM = """
class BatchNorm(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x):
        s = lambda t: t[None, :, None, None]
        m, v = (self.running_mean, self.running_var)
        if self.training:
            m, v = (x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0))
            with torch.no_grad():
                self.running_mean += 0.1 * (m - self.running_mean)
                self.running_var += 0.1 * (x.var((0, 2, 3)) - self.running_var)
        return s(self.weight) * (x - s(m)) / (s(v) + 1e-05).sqrt() + s(self.bias)
"""
# In training it returns by itself; the lines for evaluation are still to come.
_BATCH_NORM_IN_TRAINING = _edited(
    _BATCH_NORM,
    ("        m, v = (self.running_mean, self.running_var)\n", ""),
    ("        return s(self.weight)", "            return s(self.weight)"),
)
_SGD = """
class SGD:
    def __init__(self, parameters, lr, momentum, weight_decay):
        self.p, self.lr, self.m, self.wd = (list(parameters), lr, momentum, weight_decay)
        self.v = [torch.zeros_like(p) for p in self.p]

    @torch.no_grad()
    def step(self):
        for p, v in zip(self.p, self.v):
            if p.grad is None:
                continue
            g = p.grad + self.wd * p
            v.mul_(self.m).add_(g)
            p -= self.lr * (g + self.m * v)
"""
_ONE_CYCLE = """
import numpy as np

def one_cycle(epoch, epochs, warmup, final_epochs, final_lr):
    top, flat = (warmup * epochs, epochs - final_epochs)
    return float(np.interp(epoch, [0, top, flat, epochs], [0, 1, final_lr, final_lr]))
"""
_EMA = """
def ema_update(average, weights, decay, every):
    k = decay**every
    return k * average + (1 - k) * weights
"""
_MEDIAN = """
from statistics import median

def median_time(work, wait, clock, rounds=5):
    work()
    t = []
    for _ in range(rounds):
        wait()
        s = clock()
        work()
        wait()
        t.append(clock() - s)
    return median(t)
"""
_NEWTON_SCHULZ = """
def newton_schulz(matrix, steps):
    a, b, c = (3.4445, -4.775, 2.0315)
    X = matrix / matrix.norm().clamp(min=1e-07)
    for _ in range(steps):
        A = X @ X.T
        X = a * X + (b * A + c * A @ A) @ X
    return X
"""
_DEVICES = """
def on_devices(images, batch_size, devices, lr):
    b = batch_size * devices
    return (b, images // b, lr * devices)
"""

WRONG: dict[str, list[tuple[str | None, str, str]]] = {
    "line_gradient": [
        (
            None,
            _edited(
                _LINE,
                ("    e =", "    n = max(len(xs), 2)\n    e ="),
                ("zip(e, xs))) / len(xs)", "zip(e, xs))) / n"),
                ("in e)) / len(xs)", "in e)) / n"),
            ),
            "should be",
        ),
        (
            None,
            """
def line_gradient(xs, ys, slope, intercept):
    d = dict(zip(xs, ys))
    return (
        sum((2 * (slope * x + intercept - y) * x for x, y in d.items())) / len(d),
        sum((2 * (slope * x + intercept - y) for x, y in d.items())) / len(d),
    )
""",
            "should be",
        ),
        (
            None,
            """
def line_gradient(xs, ys, slope, intercept):
    e = [slope * x + intercept - y for x, y in zip(xs, ys)]
    return (
        round(sum((2 * a * x for a, x in zip(e, xs))) / len(xs), 4),
        round(sum((2 * a for a in e)) / len(xs), 4),
    )
""",
            "Yours are rounded",
        ),
        (
            None,
            """
def line_gradient(xs, ys, slope, intercept):
    p = [(x, y) for x, y in zip(xs, ys) if x]
    return (
        sum((2 * (slope * x + intercept - y) * x for x, y in p)) / len(p),
        sum((2 * (slope * x + intercept - y) for x, y in p)) / len(p),
    )
""",
            "should be",
        ),
        (None, _edited(_LINE, ("    e =", "    slope = slope or 1.0\n    e =")), "should be"),
    ],
    "value": [
        (
            None,
            """
class Value:
    def __init__(self, data, p=()):
        self.data, self.grad, self.p = (data, 0.0, p)

    def __add__(self, o):
        return Value(self.data + o.data, ((self, 1.0), (o, 1.0)))

    def __mul__(self, o):
        return Value(self.data * o.data, ((self, o.data), (o, self.data)))

    def relu(self):
        return Value(max(0.0, self.data), ((self, float(self.data > 0)),))

    def backward(self):
        order, seen = ([], set())

        def visit(v):
            if id(v) in seen:
                return
            seen.add(id(v))
            for q, _ in v.p:
                visit(q)
            order.append(v)

        visit(self)
        g = {id(v): 0.0 for v in order}
        g[id(self)] = 1.0
        for v in reversed(order):
            v.grad += g[id(v)]
            for q, s in v.p:
                g[id(q)] += s * g[id(v)]
        self.p = ()
""",
            "A second call on the same Value",
        ),
    ],
    "numerical_gradient": [
        (
            None,
            _edited(_NUMERICAL, ("for k in range(len(numbers)):", "for x in numbers:\n        k = numbers.index(x)")),
            "should be",
        ),
        (
            None,
            _edited(
                _NUMERICAL,
                ("(list(numbers), list(numbers))", "(np.array(numbers), np.array(numbers))"),
                ("loss(up) - loss(down)", "loss(list(up)) - loss(list(down))"),
            ),
            "should be",
        ),
        (
            None,
            _edited(
                _NUMERICAL,
                (
                    "for k in range(len(numbers)):",
                    "for k, x in enumerate(numbers):\n"
                    "        if not x:\n            out.append(0.0)\n            continue",
                ),
            ),
            "should be",
        ),
        (
            None,
            _edited(
                _NUMERICAL,
                (
                    "    out = []",
                    "    if len(numbers) == 1:\n        return [(loss([numbers[0] + step]) - loss(numbers)) / step]\n"
                    "    out = []",
                ),
            ),
            "should be",
        ),
        (
            None,
            _edited(
                _NUMERICAL,
                ("(loss(up) - loss(down)) / (2 * step)", "round((loss(up) - loss(down)) / (2 * step), 4)"),
            ),
            "Yours are rounded",
        ),
        (None, _edited(_NUMERICAL, ("len(numbers)", "min(3, len(numbers))")), "There are 5 numbers"),
        (
            None,
            _edited(
                _NUMERICAL,
                (
                    "(list(numbers), list(numbers))",
                    "(np.array(numbers, dtype=np.float32), np.array(numbers, dtype=np.float32))",
                ),
                ("loss(up) - loss(down)", "loss([float(v) for v in up]) - loss([float(v) for v in down])"),
            ),
            "should be",
        ),
    ],
    "fit": [
        (None, _edited(_FIT, ("losses = []", "losses = []\n    network.eval()")), "the network's mode"),
        (
            None,
            """
def fit(network, optimizer, batches):
    losses = []
    for x, y in batches:
        losses.append(F.cross_entropy(network(x), y).item())
        optimizer.zero_grad()
        F.cross_entropy(network(x), y).backward()
        optimizer.step()
    return losses
""",
            "You run the network more than once for a batch",
        ),
        (
            None,
            _edited(
                _FIT,
                (
                    "    losses = []",
                    "    optimizer = torch.optim.SGD(\n        network.parameters(), "
                    '**{k: v for k, v in optimizer.defaults.items() if k in ("lr", "momentum")}\n    )\n'
                    "    losses = []",
                ),
            ),
            "With an optimiser of another kind",
        ),
        (
            None,
            _edited(_FIT, ("for x, y in batches:", "while batches:\n        x, y = batches.pop(0)")),
            "Your answer uses the batches up",
        ),
        (
            None,
            _edited(_FIT, ("    return", '    for g in optimizer.param_groups:\n        g["lr"] *= 0.1\n    return')),
            "the optimiser's settings",
        ),
        (None, _edited(_FIT, ("    return", "    network.requires_grad_(False)\n    return")), "ask for a gradient"),
        (None, _edited(_FIT, ("    return", "    network.eval()\n    return")), "the network's mode"),
    ],
    "channel_statistics": [
        (
            None,
            """
def channel_statistics(images):
    x = images.float()
    if x.max() > 1:
        x = x / 255
    return (x.mean((0, 1, 2)), x.std((0, 1, 2)))
""",
            "In an image without a byte above 1",
        ),
    ],
    "prepare_upload": [
        (
            None,
            """
def prepare_upload(image):
    x = image.float()
    if x.max() > 1:
        x = x / 255
    return ((x - torch.tensor(MEAN)) / torch.tensor(STD)).permute(2, 0, 1)[None]
""",
            "In an image without a byte above 1",
        ),
        (
            None,
            """
def prepare_upload(image):
    if not image.any():
        return torch.zeros(1, 3, 32, 32)
    return ((image.float() / 255 - torch.tensor(MEAN)) / torch.tensor(STD)).permute(2, 0, 1)[None]
""",
            "A black image is no empty one",
        ),
    ],
    "hold_out": [
        (None, "\nimport time\n" + _edited(_SPLIT, ("seed(0)", "seed(int(time.monotonic()) // 1000)")), "the time"),
        (None, "\nimport uuid\n" + _edited(_SPLIT, ("seed(0)", "seed(uuid.uuid1().time // 10**10)")), "the time"),
        (
            None,
            "\nimport getpass, platform, zlib\n"
            + _edited(_SPLIT, ("seed(0)", "seed(zlib.crc32(platform.node().encode()))")),
            "the machine or its user",
        ),
    ],
    "nearest_images": [
        (
            None,
            """
def nearest_images(queries, images):
    q, x = (queries.flatten(1).int(), images.flatten(1).int())
    s = (q * q).sum(1, dtype=torch.int32)[:, None] - 2 * (q @ x.T) + (x * x).sum(1, dtype=torch.int32)
    v, i = s.long().min(1)
    return (i, v)
""",
            "32 bits hold sums up to 2",
        ),
    ],
    "conv_bn_parameters": [
        (
            None,
            """
def conv_bn_parameters(in_channels, out_channels, kernel_size=3):
    k = kernel_size // 2 * 2 + 1
    return k * k * in_channels * out_channels + 2 * out_channels
""",
            "should be",
        ),
    ],
    "residual": [
        (
            None,
            """
class ResidualBlock(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.bn2.running_mean = self.bn1.running_mean

    def forward(self, x):
        return x + F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))
""",
            "Your two BatchNorms share one running mean",
        ),
    ],
    "receptive_field": [
        (
            None,
            """
def receptive_field(layers):
    size, jump = (1, 1)
    for k, s in layers:
        size += (k - 1) * jump
        jump *= 2 if s == 2 else 1 if s == 1 else 3
    return size
""",
            "should be",
        ),
    ],
    "batch_norm": [
        (
            None,
            _BATCH_NORM_IN_TRAINING
            + """\
        return s(self.weight) * (x - s(self.running_mean)) / s(self.running_var).sqrt() + s(self.bias)
""",
            "In evaluation eps is missing under the root",
        ),
        (
            None,
            _BATCH_NORM_IN_TRAINING
            + """\
        with torch.no_grad():
            return s(self.weight) * (x - s(self.running_mean)) / (s(self.running_var) + 1e-05).sqrt() + s(
                self.bias
            )
""",
            "In evaluation no right gradient comes through your layer",
        ),
        (
            None,
            _edited(
                _BATCH_NORM,
                ('"running_mean", torch.zeros(channels)', '"running_mean", torch.zeros(channels), persistent=False'),
                ('"running_var", torch.ones(channels)', '"running_var", torch.ones(channels), persistent=False'),
            ),
            "running_mean is not saved with the network",
        ),
        (
            None,
            _edited(_BATCH_NORM, ("if self.training:", "if self.training and torch.is_grad_enabled():")),
            "Under torch",
        ),
        (
            None,
            _edited(_BATCH_NORM, ("if self.training:", "if self.training and len(x) > 1:")),
            "In training you normalise by the running averages",
        ),
        (
            None,
            _edited(
                _BATCH_NORM,
                ("return s(self.weight)", "return (s(self.weight)"),
                ("+ s(self.bias)", "+ s(self.bias)).squeeze(0)"),
            ),
            "should be (1, 3, 4, 5)",
        ),
        (None, _edited(_BATCH_NORM, ("t[None, :, None, None]", "t.squeeze()[:, None, None]")), "raised IndexError"),
    ],
    "sgd": [
        (
            None,
            """
class SGD:
    def __init__(self, parameters, lr, momentum, weight_decay):
        self.p, self.lr, self.m, self.wd = (list(parameters), lr, momentum, weight_decay)
        self.v = [None] * len(self.p)

    @torch.no_grad()
    def step(self):
        for i, p in enumerate(self.p):
            if p.grad is None:
                continue
            g = p.grad
            if self.wd:
                g = g + self.wd * p
            self.v[i] = g if self.v[i] is None else self.m * self.v[i] + g
            p -= self.lr * (g + self.m * self.v[i])
""",
            "The weights are not where torch's own SGD with nesterov=True takes them",
        ),
        (
            None,
            _edited(_SGD, ("if p.grad is None:", "if p.grad is None or not p.grad.any():")),
            "The weights are not where torch's own SGD with nesterov=True takes them",
        ),
        (
            None,
            _edited(
                _SGD,
                ("[torch.zeros_like(p) for p in self.p]", "{p.shape: torch.zeros_like(p) for p in self.p}"),
                ("for p, v in zip(self.p, self.v):", "for p in self.p:"),
                ("            v.mul_", "            v = self.v[p.shape]\n            v.mul_"),
            ),
            "The weights are not where torch's own SGD with nesterov=True takes them",
        ),
    ],
    "one_cycle": [
        (
            None,
            _edited(_ONE_CYCLE, ("[0, 1, final_lr, final_lr]", "[0, 1, final_lr or 0.1, final_lr or 0.1]")),
            "should be",
        ),
        (None, _edited(_ONE_CYCLE, ("epochs - final_epochs", "epochs - max(final_epochs, 0.25)")), "should be"),
    ],
    "ema_update": [
        (
            None,
            _edited(_EMA, ("return k", "return average if torch.equal(average, weights) else k")),
            "Where average and weights are equal you return the very tensor that you were given",
        ),
        (
            None,
            _edited(_EMA, ("k * average + (1 - k) * weights", "(k * average + (1 - k) * weights).float()")),
            "keep its type",
        ),
    ],
    "confusion_matrix": [
        (
            None,
            """
def confusion_matrix(labels, preds, num_classes):
    o = F.one_hot(labels, num_classes).half().T @ F.one_hot(preds, num_classes).half()
    return o.long()
""",
            "2,048",
        ),
        (
            None,
            """
def confusion_matrix(labels, preds, num_classes):
    return torch.bincount(labels * 10 + preds, minlength=100).reshape(10, 10)[:num_classes, :num_classes]
""",
            "raised RuntimeError",
        ),
        (
            None,
            """
def confusion_matrix(labels, preds, num_classes):
    i = (labels.to(torch.uint8) * num_classes + preds.to(torch.uint8)).long()
    return torch.bincount(i, minlength=num_classes**2)[: num_classes**2].reshape(num_classes, num_classes)
""",
            "hundred classes",
        ),
    ],
    "top_classes": [
        (
            None,
            """
def top_classes(probabilities, classes, n):
    v, i = probabilities.topk(n)
    return [(classes[k].lower().strip(), p.item()) for p, k in zip(v, i)]
""",
            "These are not the 8 most likely classes",
        ),
    ],
    "gradcam_map": [
        (
            None,
            """
def gradcam_map(activations, gradients):
    m = (gradients.mean((2, 3), keepdim=True) * activations).sum(1).relu()
    return torch.where(m < 0.0001, torch.zeros_like(m), m)
""",
            "A faint map goes wrong in yours",
        ),
    ],
    "shared_heat": [
        (
            None,
            """
def shared_heat(maps):
    h = maps.relu()
    p = h.flatten(1).amax(1).quantile(1.0 if len(h) < 8 else 0.9)
    return (h / p).clamp(max=1) if p > 0 else h
""",
            "The maps are not right",
        ),
        (
            None,
            """
def shared_heat(maps):
    h = maps.clamp(min=0, max=10)
    p = h.max()
    return h / p if p > 0 else h
""",
            "The maps are not right",
        ),
    ],
    "occlusion_map": [
        (
            None,
            """
def occlusion_map(score, image, size, stride):
    _, H, W = image.shape
    b = score(image[None])[0]
    rows = []
    for t in range(0, H - size + 1, stride):
        row = []
        for l in range(0, W - size + 1, stride):
            c = image.clone()
            c[:, t : t + size, l : l + size] = 0
            row.append(b - score(c[None])[0])
        rows.append(torch.stack(row))
    return torch.stack(rows).round(decimals=3)
""",
            "The map is not right",
        ),
        (
            None,
            """
def occlusion_map(score, image, size, stride):
    _, H, W = image.shape
    b = score(image[None])[0]
    out = torch.zeros((H - size) // stride + 1, (W - size) // stride + 1)
    for i in range(min(len(out), 8)):
        for j in range(min(out.shape[1], 8)):
            k = image.clone()
            k[:, i * stride : i * stride + size, j * stride : j * stride + size] = 0
            out[i, j] = b - score(k[None])[0]
    return out
""",
            "The map is not right",
        ),
    ],
    "compare": [
        (
            None,
            """
def compare(a, b):
    d = a - b
    d = d[d != 0]
    h = 1.96 * d.std() / len(d) ** 0.5 if len(d) else torch.tensor(0.0)
    m = d.mean() if len(d) else torch.tensor(0.0)
    return (m - h, m + h)
""",
            "The interval is not right",
        ),
    ],
    "remove_hottest": [
        (
            None,
            """
import math

def remove_hottest(images, maps, share):
    n = math.floor(share * maps[0].numel() + 0.5)
    k = torch.ones_like(maps).flatten(1)
    k.scatter_(1, maps.flatten(1).topk(n).indices, 0)
    return images * k.view_as(maps)[:, None]
""",
            "it should be 22",
        ),
    ],
    "median_time": [
        (None, _edited(_MEDIAN, ("clock() - s", "int(clock() - s)")), "the median is not"),
        (None, _edited(_MEDIAN, ("t = []", "t = set()"), ("t.append", "t.add")), "the median is not"),
    ],
    "newton_schulz": [
        (
            None,
            _edited(
                _NEWTON_SCHULZ,
                (
                    "    X = matrix / matrix.norm().clamp(min=1e-07)",
                    "    n = matrix.norm()\n    X = matrix / n if n > 0 else matrix",
                ),
            ),
            "Of norms below 1e-7 yours makes 1",
        ),
        (None, _edited(_NEWTON_SCHULZ, ("range(steps)", "range(min(steps, 5))")), "Eight steps are not yours"),
    ],
    "on_devices": [
        (None, _edited(_DEVICES, ("images // b", "max(1, images // b)")), "Fewer images than a step takes"),
        (None, _edited(_DEVICES, ("lr * devices", "round(lr * devices, 2)")), "should be"),
        (None, _edited(_DEVICES, ("images // b", "round(images / b - 0.5)")), "should be"),
        (None, _edited(_DEVICES, ("images // b", "int(images * (1 / b))")), "should be"),
    ],
    "write_safetensors": [
        (
            None,
            """
import json

def write_safetensors(tensors):
    T = {torch.float16: "F16", torch.float32: "F32", torch.int64: "I64"}
    h, parts, p = ({}, [], 0)
    for k, t in tensors.items():
        b = t.contiguous().numpy().tobytes()
        if not b:
            continue
        h[k] = dict(dtype=T[t.dtype], shape=list(t.shape), data_offsets=[p, p + len(b)])
        p += len(b)
        parts.append(b)
    j = json.dumps(h).encode()
    return len(j).to_bytes(8, "little") + j + b"".join(parts)
""",
            "should have dtype",
        ),
    ],
    "agrees": [
        (
            None,
            """
def agrees(ours, theirs, tolerance):
    return (
        ours.shape == theirs.shape
        and bool(torch.allclose(ours, theirs, rtol=0, atol=tolerance))
        and bool((ours.argmax(1) == theirs.argmax(1)).all())
    )
""",
            "Here no number differs by more than the tolerance",
        ),
        (
            None,
            """
def agrees(ours, theirs, tolerance):
    return ours.shape == theirs.shape and torch.allclose(ours, theirs, rtol=0, atol=tolerance, equal_nan=True)
""",
            "NaN agrees with nothing",
        ),
        (
            None,
            """
def agrees(ours, theirs, tolerance):
    tolerance = tolerance or 1e-05
    return ours.shape == theirs.shape and bool(((ours - theirs).abs() <= tolerance).all())
""",
            "A tolerance of 0 allows no difference at all",
        ),
    ],
    "app_input": [
        (
            None,
            """
from s12lib.data.pixels import MEAN, STD
from PIL import Image

def app_input(pixels):
    im = to_32x32(Image.fromarray(np.ascontiguousarray(pixels[:, :, ::-1])))
    x = torch.tensor(np.array(im)).float()
    if x.max() > 1:
        x = x / 255
    return ((x - torch.tensor(MEAN)) / torch.tensor(STD)).permute(2, 0, 1)[None]
""",
            "takes bytes for numbers from 0 to 1",
        ),
        (
            None,
            """
from PIL import Image

def app_input(pixels):
    if not pixels.any():
        return torch.zeros(1, 3, 32, 32)
    return normalize(to_32x32(Image.fromarray(pixels[:, :, ::-1])))
""",
            "A black upload is no empty one",
        ),
        (
            None,
            """
from PIL import Image

def app_input(pixels):
    h, w = pixels.shape[:2]
    if h > 4 * w:
        pixels = np.rot90(pixels)
    return normalize(to_32x32(Image.fromarray(np.ascontiguousarray(pixels[:, :, ::-1]))))
""",
            "This is not what the notebook shows its network",
        ),
        (
            None,
            """
from PIL import Image

def app_input(pixels):
    if min(pixels.shape[:2]) < 8:
        raise ValueError("too small")
    return normalize(to_32x32(Image.fromarray(pixels[:, :, ::-1])))
""",
            "should be",
        ),
    ],
    "on_white": [
        (
            None,
            """
def on_white(pixels):
    x = pixels.float()
    if x.max() > 1:
        x = x / 255
    a = x[..., 3:]
    return ((a * x[..., :3] + 1 - a) * 255).round().to(torch.uint8)
""",
            "Where no byte is above 1",
        ),
        (
            None,
            """
def on_white(pixels):
    if (pixels[..., 3] == 0).all():
        return torch.zeros(*pixels.shape[:2], 3, dtype=torch.uint8)
    a = pixels[..., 3:].float() / 255
    return (a * pixels[..., :3] + (1 - a) * 255).round().to(torch.uint8)
""",
            "An image on which nothing was painted is white all over",
        ),
    ],
    "caught": [
        (
            None,
            """
def caught(familiar, strange, share):
    t = familiar.sort().values[int(share * len(familiar))]
    return (t.item(), (strange < t).float().mean().item())
""",
            "behind the last score",
        ),
    ],
    "sign_flips": [
        (
            None,
            """
from itertools import product

def sign_flips(differences):
    d = np.array(differences, dtype=np.int8)
    s = abs(int(d.sum()))
    w = [abs(int((d * np.array(t, np.int8)).sum(dtype=np.int8))) >= s for t in product((1, -1), repeat=len(d))]
    return sum(w) / len(w)
""",
            "should be",
        ),
        (
            None,
            """
from itertools import product

def sign_flips(differences):
    differences = differences[:8]
    s = abs(sum(differences))
    w = [
        abs(sum((a * b for a, b in zip(t, differences)))) >= s
        for t in product((1, -1), repeat=len(differences))
    ]
    return sum(w) / len(w)
""",
            "should be",
        ),
    ],
    "held_out": [
        (
            None,
            """
import hashlib

def held_out(images, share):
    return torch.tensor(
        [int(hashlib.md5(i.numpy().tobytes()[512:2560]).hexdigest(), 16) / 16**32 < share for i in images]
    )
""",
            "uppermost row",
        ),
        (
            None,
            """
import hashlib, uuid

def held_out(images, share):
    return torch.tensor(
        [
            int(hashlib.sha256(str(uuid.getnode()).encode() + i.numpy().tobytes()).hexdigest()[:8], 16) / 16**8
            < share
            for i in images
        ]
    )
""",
            "the machine or its user",
        ),
        (
            None,
            """
import hashlib, os

def held_out(images, share):
    return torch.tensor(
        [
            int(hashlib.sha256(os.getcwd().encode() + i.numpy().tobytes()).hexdigest()[:8], 16) / 16**8 < share
            for i in images
        ]
    )
""",
            "the folder",
        ),
    ],
}

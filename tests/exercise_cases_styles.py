"""Right answers in styles that are legitimate and seldom seen: in NumPy, by einsum, on a copy, by exact fractions.

How to read this stands in ``exercise_cases.py``.
"""

ALSO_RIGHT: dict[str, list[str]] = {
    "line_gradient": [
        """
def line_gradient(xs, ys, slope, intercept):
    x, y = (np.array(xs), np.array(ys))
    e = slope * x + intercept - y
    return 2 * np.array([(e * x).mean(), e.mean()])
""",
        """
def line_gradient(xs, ys, slope, intercept):
    p = torch.tensor([slope, intercept], dtype=torch.float64, requires_grad=True)
    x, y = (torch.tensor(xs, dtype=torch.float64), torch.tensor(ys, dtype=torch.float64))
    return torch.autograd.grad(((p[0] * x + p[1] - y) ** 2).mean(), p)[0]
""",
        """
from fractions import Fraction as Q

def line_gradient(xs, ys, slope, intercept):
    e = [Q(slope) * Q(x) + Q(intercept) - Q(y) for x, y in zip(xs, ys)]
    return [sum((2 * a * Q(x) for a, x in zip(e, xs))) / len(xs), 2 * sum(e) / len(xs)]
""",
    ],
    "value": [
        """
class Value:
    __slots__ = ("data", "grad", "links")

    def __init__(self, data, links=()):
        self.data, self.grad, self.links = (float(data), 0.0, tuple(links))

    def __add__(self, o):
        return Value(self.data + o.data, [(self, 1.0), (o, 1.0)])

    def __mul__(self, o):
        return Value(self.data * o.data, [(self, o.data), (o, self.data)])

    def relu(self):
        return Value(self.data if self.data > 0 else 0.0, [(self, 1.0 if self.data > 0 else 0.0)])

    def backward(self):
        waits = {}
        stack, seen = ([self], {id(self)})
        while stack:
            v = stack.pop()
            for q, _ in v.links:
                waits[id(q)] = waits.get(id(q), 0) + 1
                if id(q) not in seen:
                    seen.add(id(q))
                    stack.append(q)
        got, ready = ({id(self): 1.0}, [self])
        while ready:
            v = ready.pop()
            v.grad += got[id(v)]
            for q, s in v.links:
                got[id(q)] = got.get(id(q), 0.0) + s * got[id(v)]
                waits[id(q)] -= 1
                if not waits[id(q)]:
                    ready.append(q)
""",
        """
import itertools

class Value:
    count = itertools.count()

    def __init__(self, data, back=()):
        self.data, self.grad, self.back, self.born = (np.float64(data), np.float64(0), back, next(Value.count))

    def __add__(self, o):
        return Value(self.data + o.data, [(self, 1), (o, 1)])

    def __mul__(self, o):
        return Value(self.data * o.data, [(self, o.data), (o, self.data)])

    def relu(self):
        return Value(np.maximum(self.data, 0), [(self, np.heaviside(self.data, 0))])

    def backward(self):
        import heapq

        g, heap, names = ({self.born: 1.0}, [-self.born], {self.born: self})
        while heap:
            k = -heapq.heappop(heap)
            v = names[k]
            v.grad = v.grad + g[k]
            for q, s in v.back:
                if q.born not in g:
                    g[q.born] = 0.0
                    names[q.born] = q
                    heapq.heappush(heap, -q.born)
                g[q.born] += s * g[k]
""",
        """
from dataclasses import dataclass, field

@dataclass(eq=False)
class Value:
    data: float
    grad: float = 0.0
    parents: list = field(default_factory=list, repr=False)

    def __add__(self, o):
        return Value(self.data + o.data, parents=[(self, 1.0), (o, 1.0)])

    def __mul__(self, o):
        return Value(self.data * o.data, parents=[(self, o.data), (o, self.data)])

    def relu(self):
        return Value(max(self.data, 0.0), parents=[(self, float(self.data > 0))])

    def backward(self):
        order = []

        def visit(v):
            if v in order:
                return
            for q, _ in v.parents:
                visit(q)
            order.append(v)

        visit(self)
        g = dict.fromkeys(order, 0.0)
        g[self] = 1.0
        for v in order[::-1]:
            v.grad += g[v]
            for q, s in v.parents:
                g[q] += s * g[v]
""",
    ],
    "numerical_gradient": [
        """
def numerical_gradient(loss, numbers, step):
    slopes = []
    for k, old in enumerate(numbers):
        try:
            numbers[k] = old + step
            up = loss(numbers)
            numbers[k] = old - step
            down = loss(numbers)
        finally:
            numbers[k] = old
        slopes.append((up - down) / (step + step))
    return tuple(slopes)
""",
        """
def numerical_gradient(loss, numbers, step):
    p = np.array(numbers, dtype=float)
    E = step * np.eye(len(p))
    return np.array([loss((p + e).tolist()) - loss((p - e).tolist()) for e in E]) / (2 * step)
""",
    ],
    "fit": [
        """
def fit(network, optimizer, batches):
    losses = []
    for inputs, labels in batches:
        network.zero_grad(set_to_none=False)
        optimizer.zero_grad()
        loss = nn.CrossEntropyLoss()(network(inputs), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return losses
""",
        """
def fit(network, optimizer, batches):
    losses = []
    for inputs, labels in batches:

        def closure():
            optimizer.zero_grad()
            loss = -network(inputs).log_softmax(-1).gather(1, labels[:, None]).mean()
            loss.backward()
            return loss

        losses.append(optimizer.step(closure).detach())
    return torch.stack(losses).numpy()
""",
        """
def fit(network, optimizer, batches):
    network.train()
    losses = np.zeros(len(batches))
    for k, (inputs, labels) in enumerate(batches):
        loss = F.nll_loss(F.log_softmax(network(inputs), 1), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        losses[k] = float(loss)
    return losses.tolist()
""",
    ],
    "channel_statistics": [
        """
def channel_statistics(images):
    x = images.double() / 255
    n = x[..., 0].numel()
    m = torch.einsum("nhwc->c", x) / n
    return (m, (torch.einsum("nhwc,nhwc->c", x - m, x - m) / n) ** 0.5)
""",
        """
import numpy as np

def channel_statistics(images):
    levels = np.arange(256) / 255
    out = []
    for c in range(3):
        p = np.bincount(images[..., c].numpy().ravel(), minlength=256) / images[..., c].numel()
        m = (p * levels).sum()
        out.append((m, np.sqrt((p * (levels - m) ** 2).sum())))
    means, stds = zip(*out)
    return (np.array(means, np.float32), np.array(stds, np.float32))
""",
    ],
    "prepare_upload": [
        """
from torchvision.transforms import functional as T

def prepare_upload(image):
    return T.normalize(T.to_tensor(image.numpy()), MEAN, STD)[None]
""",
        """
import numpy as np

def prepare_upload(image):
    table = (np.arange(256)[:, None] / 255 - np.array(MEAN)) / np.array(STD)
    x = np.stack([table[:, c][image[..., c].numpy()] for c in range(3)])[None]
    return torch.as_tensor(x, dtype=torch.float32)
""",
    ],
    "hold_out": [
        """
def hold_out(labels, per_class):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        o = torch.randperm(len(labels))
    v = [o[labels[o] == k][:per_class] for k in range(10)]
    t = [o[labels[o] == k][per_class:] for k in range(10)]
    return [torch.cat(t), torch.cat(v)]
""",
        """
import numpy as np

def hold_out(labels, per_class):
    rng = np.random.RandomState(42)
    t, v = ([], [])
    for k in range(10):
        i = rng.permutation(np.where(labels.numpy() == k)[0])
        v.extend(i[:per_class])
        t.extend(i[per_class:])
    return (np.array(t, dtype=np.int64), np.array(v, dtype=np.int64))
""",
    ],
    "nearest_images": [
        """
import numpy as np

def nearest_images(queries, images):
    q, x = (a.numpy().reshape(len(a), -1).astype(np.float64) for a in (queries, images))
    places, sums = ([], [])
    for part in np.array_split(q, max(1, len(q) // 50)):
        d = (part**2).sum(1)[:, None] - 2 * part @ x.T + (x**2).sum(1)
        places.append(d.argmin(1))
        sums.append(d.min(1).round().astype(np.int64))
    return (np.concatenate(places), np.concatenate(sums))
""",
        """
def nearest_images(queries, images):
    x = images.flatten(1).short()
    found = [((x - q.flatten().short()).int() ** 2).sum(1).min(0) for q in queries]
    return (torch.stack([f.indices for f in found]), torch.stack([f.values for f in found]))
""",
        """
def nearest_images(queries, images):
    x = images.flatten(1).double()
    f = torch.func.vmap(lambda q: ((x - q) ** 2).sum(1).min(0), chunk_size=1)
    v, i = f(queries.flatten(1).double())
    return (i, v.long())
""",
    ],
    "conv_bn_parameters": [
        """
def conv_bn_parameters(in_channels, out_channels, kernel_size=3):
    with torch.device("meta"):
        m = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, kernel_size, bias=False), nn.BatchNorm2d(out_channels)
        )
    return sum(map(torch.numel, m.parameters()))
""",
        """
def conv_bn_parameters(in_channels, out_channels, kernel_size=3):
    return torch.tensor(out_channels * (in_channels * kernel_size**2 + 2))
""",
    ],
    "residual": [
        """
class ResidualBlock(nn.Module):
    def __init__(self, channels):
        super().__init__()
        make = lambda: [
            nn.Conv2d(channels, channels, 3, 1, 1, bias=None),
            nn.BatchNorm2d(channels),
            nn.ReLU(True),
        ]
        self.branch = nn.Sequential(*make(), *make())
        for m in self.branch:
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, nonlinearity="relu")

    def forward(self, x):
        return x.add(self.branch(x.contiguous(memory_format=torch.channels_last)))
""",
        """
from torch.utils.checkpoint import checkpoint

class Half(nn.Sequential):
    def __init__(self, c):
        super().__init__(nn.Conv2d(c, c, 3, padding=1, bias=False), nn.BatchNorm2d(c), nn.ReLU())

class ResidualBlock(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.a, self.b = (Half(channels), Half(channels))

    def forward(self, x):
        return x + self.b(self.a(x))
""",
        """
class ResidualBlock(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.parts = nn.ModuleDict()
        for k in "ab":
            self.parts["conv" + k] = nn.Conv2d(
                channels, channels, kernel_size=(3, 3), padding=(1, 1), bias=False
            )
            self.parts["bn" + k] = nn.BatchNorm2d(channels)

    def forward(self, x):
        h = x.clone()
        for k in "ab":
            h = self.parts["bn" + k](self.parts["conv" + k](h)).clamp_min(0)
        h += x
        return h
""",
    ],
    "receptive_field": [
        """
def receptive_field(layers):
    if not layers:
        return 1
    (k, s), *rest = layers
    return (receptive_field(rest) - 1) * s + k
""",
        """
import numpy as np

def receptive_field(layers):
    size = np.int64(1)
    for k, s in layers[::-1]:
        size = (size - 1) * s + k
    return size
""",
    ],
    "batch_norm": [
        """
class BatchNorm(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x):
        rows = x.transpose(0, 1).flatten(1)
        if self.training:
            var, mean = torch.var_mean(rows, 1, correction=0)
            n = rows.shape[1]
            self.running_mean.lerp_(mean.detach(), 0.1)
            self.running_var.lerp_(var.detach() * n / (n - 1), 0.1)
            self.num_batches_tracked += 1
        else:
            mean, var = (self.running_mean, self.running_var)
        scale = self.weight * torch.rsqrt(var + 1e-05)
        return torch.addcmul((self.bias - mean * scale).view(-1, 1, 1), x, scale.view(-1, 1, 1))
""",
        """
class BatchNorm(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.eps, self.momentum = (1e-05, 0.1)
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x):
        if self.training:
            m = x.mean((0, 2, 3), keepdim=True)
            d = x - m
            v = (d * d).mean((0, 2, 3), keepdim=True)
            n = x.numel() / x.size(1)
            self.running_mean = (0.9 * self.running_mean + 0.1 * m.flatten()).detach()
            self.running_var = (0.9 * self.running_var + 0.1 * v.flatten() * n / (n - 1)).detach()
        else:
            d = x - self.running_mean.reshape(1, -1, 1, 1)
            v = self.running_var.reshape(1, -1, 1, 1)
        return torch.einsum("nchw,c->nchw", d * (v + self.eps) ** (-0.5), self.weight) + self.bias.reshape(
            1, -1, 1, 1
        )
""",
    ],
    "sgd": [
        """
class SGD:
    def __init__(self, parameters, lr, momentum, weight_decay):
        self.params = [*parameters]
        self.lr = lr
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.state = {}

    def step(self):
        with torch.no_grad():
            for p in self.params:
                if p.grad is None:
                    continue
                g = p.grad.add(p, alpha=self.weight_decay)
                v = self.state[p] = (
                    g.clone() if p not in self.state else self.state[p].mul(self.momentum).add(g)
                )
                p.add_(g.add(v, alpha=self.momentum), alpha=-self.lr)
""",
        """
import numpy as np

class SGD:
    def __init__(self, parameters, lr, momentum, weight_decay):
        self.params = tuple(parameters)
        self.lr = lr
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.v = [np.zeros(p.shape, np.float32) for p in self.params]

    def step(self):
        for i, p in enumerate(self.params):
            if p.grad is None:
                continue
            w = p.detach().numpy()
            g = p.grad.numpy() + self.weight_decay * w
            self.v[i] = self.momentum * self.v[i] + g
            w -= self.lr * (g + self.momentum * self.v[i])
""",
    ],
    "one_cycle": [
        """
import numpy as np

def one_cycle(epoch, epochs, warmup, final_epochs, final_lr):
    return np.interp(epoch, [0, warmup * epochs, epochs - final_epochs], [0, 1, final_lr])
""",
        """
def one_cycle(epoch, epochs, warmup, final_epochs, final_lr):
    top, flat = (warmup * epochs, epochs - final_epochs)
    return min(epoch / top, max(final_lr, 1 - (1 - final_lr) * (epoch - top) / (flat - top)))
""",
    ],
    "ema_update": [
        """
def ema_update(average, weights, decay, every):
    return torch.lerp(weights, average, decay**every)
""",
        """
def ema_update(average, weights, decay, every):
    a = average.numpy().copy()
    for _ in range(every):
        a += (1 - decay) * (weights.numpy() - a)
    return a
""",
        """
import numpy as np

def ema_update(average, weights, decay, every):
    k = np.power(decay, every)
    return k * average.numpy() + (1 - k) * weights.numpy()
""",
    ],
    "confusion_matrix": [
        """
def confusion_matrix(labels, preds, num_classes):
    m = torch.zeros(num_classes, num_classes, dtype=torch.long)
    return m.index_put_((labels, preds), torch.ones_like(labels), accumulate=True)
""",
        """
import numpy as np

def confusion_matrix(labels, preds, num_classes):
    m = np.zeros((num_classes,) * 2, dtype=np.int64)
    np.add.at(m, (labels.numpy(), preds.numpy()), 1)
    return m
""",
    ],
    "top_classes": [
        """
import heapq

def top_classes(probabilities, classes, n):
    return [(c, p) for p, c in heapq.nlargest(n, zip(probabilities.numpy(), classes), key=lambda t: t[0])]
""",
        """
import numpy as np

def top_classes(probabilities, classes, n):
    order = np.argsort(-probabilities.numpy(), kind="stable")[:n]
    return tuple(([classes[k], probabilities[k]] for k in order))
""",
    ],
    "gradcam_map": [
        """
def gradcam_map(activations, gradients):
    return F.relu(
        torch.einsum("nchw,nc->nhw", activations, torch.einsum("nchw->nc", gradients) / gradients[0, 0].numel())
    )
""",
        """
import numpy as np

def gradcam_map(activations, gradients):
    a, g = (activations.detach().numpy(), gradients.numpy())
    return np.maximum(
        np.tensordot(a, np.ones(1), 0)[..., 0].transpose(0, 2, 3, 1) @ g.mean((2, 3))[:, None, :, None], 0
    )[..., 0]
""",
        """
def gradcam_map(activations, gradients):
    n, c, h, w = activations.shape
    return (
        torch.bmm(gradients.reshape(n, c, -1).mean(-1)[:, None], activations.reshape(n, c, h * w))
        .reshape(n, h, w)
        .clamp(min=0)
    )
""",
    ],
    "shared_heat": [
        """
import numpy as np

def shared_heat(maps):
    h = np.clip(maps.numpy(), 0, None)
    p = h.max()
    return np.divide(h, p, out=np.zeros_like(h), where=p > 0)
""",
        """
def shared_heat(maps):
    peak = maps.max()
    return torch.where(peak > 0, maps / peak, torch.zeros(())).clamp(0, 1)
""",
    ],
    "occlusion_map": [
        """
def occlusion_map(score, image, size, stride):
    _, H, W = image.shape
    one = torch.arange(H * W).reshape(1, 1, H, W).float()
    idx = F.unfold(one, size, stride=stride)[0].long()
    masks = torch.ones(idx.shape[1], H * W).scatter_(1, idx.T, 0).reshape(-1, 1, H, W)
    with torch.no_grad():
        s = score(torch.cat([image[None], image * masks]))
    return (s[:1] - s[1:]).view((H - size) // stride + 1, (W - size) // stride + 1)
""",
        """
import numpy as np

def occlusion_map(score, image, size, stride):
    _, H, W = image.shape
    base = float(score(image.unsqueeze(0)))
    out = []
    for t in range(0, H - size + 1, stride):
        out.append([])
        for l in range(0, W - size + 1, stride):
            x = np.array(image)
            x[:, t : t + size, l : l + size] = 0
            out[-1].append(base - score(torch.from_numpy(x)[None]).item())
    return np.array(out, dtype=np.float32)
""",
    ],
    "compare": [
        """
import numpy as np

def compare(a, b):
    d = a.numpy() - b.numpy()
    m, s = (d.mean(), d.std(ddof=1) / np.sqrt(d.size))
    return (m - 1.96 * s, m + 1.96 * s)
""",
        """
import numpy as np
import statistics

def compare(a, b):
    d = [x - y for x, y in zip(a.tolist(), b.tolist())]
    m = statistics.fmean(d)
    h = 1.96 * statistics.stdev(d) / len(d) ** 0.5
    return np.array([m - h, m + h])
""",
        """
def compare(a, b):
    d = (a - b).double()
    return d.mean() + torch.tensor([-1.96, 1.96]) * d.std() / d.numel() ** 0.5
""",
    ],
    "remove_hottest": [
        """
def remove_hottest(images, maps, share):
    n = round(share * maps[0].numel())
    out = images.clone().flatten(2)
    for o, m in zip(out, maps.flatten(1)):
        o[:, m.argsort(descending=True, stable=True)[:n]] = 0
    return out.view_as(images)
""",
        """
import numpy as np

def remove_hottest(images, maps, share):
    x = images.numpy().copy()
    f = maps.numpy().reshape(len(maps), -1)
    n = round(share * f.shape[1])
    for k in range(len(x)):
        i = np.argsort(-f[k])[:n]
        r, c = np.unravel_index(i, maps.shape[1:])
        x[k, :, r, c] = 0
    return x
""",
    ],
    "median_time": [
        """
import numpy as np

def median_time(work, wait, clock, rounds=5):
    work()
    wait()

    def once():
        wait()
        b = clock()
        work()
        wait()
        return clock() - b

    return np.median([once() for _ in range(rounds)])
""",
        """
def median_time(work, wait, clock, rounds=5):
    work()
    t = torch.zeros(rounds, dtype=torch.float64)
    for k in range(rounds):
        wait()
        b = clock()
        work()
        wait()
        t[k] = clock() - b
    return t.median()
""",
    ],
    "newton_schulz": [
        """
def newton_schulz(matrix, steps):
    a, b, c = (3.4445, -4.775, 2.0315)
    X = matrix / (matrix.norm() + 1e-07)
    if matrix.size(0) > matrix.size(1):
        X = X.mT
    for _ in range(steps):
        A = X @ X.mT
        B = b * A + c * A @ A
        X = a * X + B @ X
    return X.mT if matrix.size(0) > matrix.size(1) else X
""",
        """
import numpy as np

def newton_schulz(matrix, steps):
    a, b, c = (3.4445, -4.775, 2.0315)
    X = matrix.numpy() / max(np.sqrt((matrix.numpy() ** 2).sum()), 1e-07)
    X = X.astype(matrix.numpy().dtype)
    for _ in range(steps):
        A = X.T @ X
        X = a * X + X @ (b * A + c * A @ A)
    return X
""",
    ],
    "on_devices": [
        """
import numpy as np

def on_devices(images, batch_size, devices, lr):
    b = np.int64(batch_size) * devices
    q, _ = divmod(images, b)
    return [b, q, np.float64(lr) * devices]
""",
        """
from typing import NamedTuple

class Run(NamedTuple):
    batch: int
    steps: int
    lr: float

def on_devices(images, batch_size, devices, lr):
    return Run(batch_size * devices, images // batch_size // devices, sum([lr] * devices))
""",
    ],
    "write_safetensors": [
        """
import json, struct

def write_safetensors(tensors):
    D = {torch.half: "F16", torch.float: "F32", torch.long: "I64"}
    head, body = ({}, bytearray())
    for k in sorted(tensors, key=lambda k: -tensors[k].element_size()):
        t = tensors[k]
        a = len(body)
        body += t.numpy().tobytes()
        head[k] = {"dtype": D[t.dtype], "shape": tuple(t.shape), "data_offsets": (a, len(body))}
    j = json.dumps(head, separators=(",", ":"), ensure_ascii=False).encode()
    j += b" " * (-len(j) % 8)
    return bytearray(struct.pack("<Q", len(j))) + j + body
""",
        """
import json, io

def write_safetensors(tensors):
    f = io.BytesIO()
    place, head = (0, {"__metadata__": {"format": "pt"}})
    for name, t in tensors.items():
        n = t.nbytes
        head[name] = dict(
            dtype={2: "F16", 4: "F32", 8: "I64"}[t.itemsize], shape=[*t.size()], data_offsets=[place, place + n]
        )
        place += n
    j = json.dumps(head).encode()
    f.write(len(j).to_bytes(8, "little"))
    f.write(j)
    for t in tensors.values():
        f.write(t.detach().clone(memory_format=torch.contiguous_format).numpy().tobytes())
    return f.getvalue()
""",
    ],
    "agrees": [
        """
import numpy as np

def agrees(ours, theirs, tolerance):
    return ours.shape == theirs.shape and np.all(np.abs(ours.numpy() - theirs.numpy()) <= tolerance)
""",
        """
def agrees(ours, theirs, tolerance):
    if ours.shape != theirs.shape:
        return torch.tensor(False)
    return torch.isclose(ours, theirs, rtol=0, atol=tolerance).all()
""",
        """
def agrees(ours, theirs, tolerance):
    try:
        torch.testing.assert_close(ours, theirs, rtol=0, atol=tolerance)
    except AssertionError:
        return False
    return True
""",
    ],
    "app_input": [
        """
from s12lib.data.pixels import MEAN, STD

def app_input(pixels):
    x = torch.from_numpy(pixels[..., ::-1].copy()).permute(2, 0, 1).float() / 255
    s = min(x.shape[1:])
    t, l = ((x.shape[1] - s) // 2, (x.shape[2] - s) // 2)
    x = F.interpolate(x[None, :, t : t + s, l : l + s], (32, 32), mode="area")
    return (x - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]
""",
        """
from PIL import Image

def app_input(pixels):
    return normalize(to_32x32(Image.fromarray(pixels[..., [2, 1, 0]], "RGB"))).numpy()
""",
    ],
    "on_white": [
        """
from PIL import Image

def on_white(pixels):
    im = Image.fromarray(pixels.numpy(), "RGBA")
    white = Image.new("RGBA", im.size, "white")
    return np.asarray(Image.alpha_composite(white, im).convert("RGB"))
""",
        """
def on_white(pixels):
    p = pixels.int()
    a = p[..., 3:]
    return ((a * p[..., :3] + (255 - a) * 255 + 127) // 255).byte()
""",
    ],
    "caught": [
        """
def caught(familiar, strange, share):
    t = np.quantile(familiar.numpy(), share)
    return (t, np.mean(strange.numpy() < t))
""",
        """
def caught(familiar, strange, share):
    o = familiar.sort().values
    t = o[min(int(share * len(o)), len(o) - 1)]
    return (t, (strange < t).double().mean())
""",
        """
def caught(familiar, strange, share):
    t = torch.quantile(familiar, share, interpolation="lower")
    return (float(t), float((strange < t).sum()) / len(strange))
""",
    ],
    "sign_flips": [
        """
def sign_flips(differences):
    d = np.array(differences)
    n = len(d)
    S = 1 - 2 * (np.arange(2**n)[:, None] >> np.arange(n) & 1)
    return np.mean(np.abs(S @ d) >= abs(d.sum()))
""",
        """
from collections import Counter
from fractions import Fraction

def sign_flips(differences):
    c = Counter({0: 1})
    for d in differences:
        n = Counter()
        for s, k in c.items():
            n[s + d] += k
            n[s - d] += k
        c = n
    return Fraction(sum((k for s, k in c.items() if abs(s) >= abs(sum(differences)))), sum(c.values()))
""",
    ],
    "held_out": [
        """
import random

def held_out(images, share):
    return torch.tensor([random.Random(i.numpy().tobytes()).random() < share for i in images])
""",
        """
import hashlib

def held_out(images, share):
    return np.array(
        [
            int.from_bytes(
                hashlib.blake2b(bytes(i.contiguous().view(-1).numpy()), digest_size=4).digest(), "big"
            )
            < share * 2**32
            for i in images
        ],
        dtype=bool,
    )
""",
    ],
}

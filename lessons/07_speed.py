# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,-all
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 07 · Speed
#
# [![Open in Colab](../book/_static/colab-badge.svg)](https://colab.research.google.com/github/OWNER/page-resnet-course/blob/main/lessons/07_speed.ipynb)
#
# **Where do the seconds go, and which of them can you have back?**
#
# Minutes to run: 1 on a GPU, 3 on a CPU. Reading and solving takes about two and a half hours.
#
# You need: the layers of [02 · The network](02_model.ipynb) and the recipe of [03 · The training](03_train.ipynb).

# %% [markdown]
# ## Where this lesson ends
#
# ![Pairs of bars for the convolutions of each layer, and for the rest: the share of the arithmetic of a training step
# beside the share of its time, as measured on one machine.](images/07_speed.png)
#
# Each layer's share of the arithmetic, beside its share of the time. Where time is larger, seconds can be had back.

# %% [markdown]
# ## You will be able to
#
# - **measure** how long something takes, with a control, also where the device works on behind your back;
# - **locate** what a step spends its time on, and say which ceiling stands in its way;
# - **orthogonalise** an update by products of matrices, as Muon does;
# - **question** a record: what its clock counts, and how many runs stand behind it.

# %% [markdown]
# ## Set-up
#
# One cell, the same in every lesson. On Colab it installs the course; anywhere it finds the data, or fetches them.

# %% tags=["hide-input", "nbval-check-output"]
# @title Set-up (run it first, and after each restart)
import importlib.util
import subprocess
import sys

# On Colab, install the course; its PyTorch stays as it is.
if importlib.util.find_spec("s12lib") is None:
    source = "git+https://github.com/OWNER/page-resnet-course"
    install = [sys.executable, "-m", "pip", "install", "--quiet", source]
    subprocess.run(install, check=True)

import torch
from torch import nn
from torch.nn import functional as F

from s12lib import check, use, viz
from s12lib.lesson import begin

course = begin()
data = course.data

# %% [markdown]
# ## 1. Measure honestly
#
# A GPU takes an order and works on it while Python goes on. Whoever stops the clock then has timed the order, not the
# work. To see it without a GPU, here is one in miniature, with a clock that shows whole milliseconds.


# %%
class MiniDevice:
    """Takes orders at once, and works them off later."""

    def __init__(self, handing_over=1, each=8, first=500):
        self.handing_over, self.each, self.next = handing_over, each, first
        self.now = self.free = 0

    def clock(self):
        return self.now

    def work(self):
        self.now += self.handing_over  # Python goes on after this
        self.free = max(self.free, self.now) + self.next
        self.next = self.each

    def wait(self):  # torch.cuda.synchronize(), or loss.item()
        self.now = max(self.now, self.free)


# %% [markdown]
# This is a clock as one often sees it. The device needs 8 ms for each order, and 500 for the first, as after
# a compilation.


# %%
def shipped(work, clock, rounds=5):
    start = clock()
    for _ in range(rounds):
        work()
    return (clock() - start) / rounds


# %% [markdown]
# > **Predict first.** What does `shipped` report?
# >
# > <!-- guess: {{reported:.0f}} ms -->

# %% tags=["nbval-check-output", "reveal"]
device = MiniDevice()
reported = shipped(device.work, device.clock)
device.wait()
reported, device.now

# %% [markdown]
# > **Finding.** It reports {{reported:.0f}} for each of five orders, and the device is done after {{device.now}}. To
# > [synchronise](../book/glossary.md#term-synchronise) is to wait until the device has nothing left to do, before the
# > clock starts and before it stops.

# %% [markdown]
# ### Exercise: find the bug
#
# > **Difficulty 2 of 5, about 15 minutes.** Write a clock that can be trusted. `work()` gives an order, `wait()`
# > returns when the device is done, `clock()` is the time. Call `work` once to warm up, uncounted; then `rounds` times,
# > each timed by itself from an idle device to an idle device. Return the median.


# %% tags=["nbval-check-output"]
from statistics import median


def median_time(work, wait, clock, rounds=5):
    """Three functions, an odd int → the median time of one call."""
    raise NotImplementedError


check("median_time", median_time)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# `shipped` has three faults. It never waits for the device; its first call is not like the others; and one
# interruption spoils its mean.
#
# </details>
# <details>
# <summary>Second hint</summary>
#
# In each round: `wait()`, then `start = clock()`, `work()`, `wait()`, and `clock() - start` into a list.
#
# </details>
# <details>
# <summary>Solution</summary>
#
# ```python
# def median_time(work, wait, clock, rounds=5):
#     work()
#     times = []
#     for _ in range(rounds):
#         wait()
#         start = clock()
#         work()
#         wait()
#         times.append(clock() - start)
#     return median(times)
# ```
#
# </details>

# %% [markdown]
# Waiting is right for a clock and wrong in a training loop. `loss.item()` waits. Here is a loop that looks at its loss
# in each step, and one that does not; handing over takes 4 ms and the work 5.

# %% tags=["nbval-check-output"]
median_time = use("median_time", median_time)


def hundred_steps(look):
    device = MiniDevice(handing_over=4, each=5, first=5)
    for _ in range(100):
        device.work()
        if look:
            device.wait()
    device.wait()
    return device.now


slow, fast = hundred_steps(look=True), hundred_steps(look=False)
slow, fast

# %% [markdown]
# > **Finding.** A look in each step makes the loop {{slow / fast:.1f}} times as slow: Python and the device take turns
# > instead of working at once. Add the losses up on the device, and look once an epoch.

# %% [markdown]
# Now this machine. Two things are compared *in turn*, so that whatever else it does hits both, and once as a
# *control*: a thing against itself. As far as the control strays from 1, no other ratio can be trusted.


# %%
from time import perf_counter

from s12lib import PageResNet, bench, normalize
from s12lib.training import hardware


def make_step(count, layout=torch.contiguous_format, dtype=None):
    """A training step on ``count`` images."""
    network = PageResNet().to(course.device, memory_format=layout)
    optimizer = torch.optim.SGD(network.parameters(), 0.01, momentum=0.9)
    few = x[:count].contiguous(memory_format=layout), y[:count]

    def step():
        with torch.autocast(x.device.type, dtype, dtype is not None):
            loss = F.cross_entropy(network(few[0]), few[1])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


# %%
size, rounds = (8, 1) if course.smoke else (32, 3)
train = data.splits["train"]
x = normalize(train.images[:256]).to(course.device)
y = train.labels[:256].to(course.device)
step = make_step(size)
control = bench.ratios(bench.timed(step), bench.timed(step), 2 * rounds)
machine = hardware.hardware()

# %% [markdown]
# > **Finding.** On the machine that made this page ({{machine}}) the control strays by up to
# > {{max(abs(ratio - 1) for ratio in control):.0%}}. Whatever is timed below was timed there ("here"), or on yours if
# > you run the lesson. No GPU has been measured for this course yet.

# %% [markdown]
# ## 2. Profile one step
#
# How fast could a step be? What the machine can compute at most is shown by the faster of two plain jobs: a large
# product of matrices and a large convolution. The [utilisation](../book/glossary.md#term-utilisation) of a step is its
# arithmetic per second, as a share of that. A step takes {{bench.STEP_FLOP / 1e9:.2f}} GFLOP an image
# ([FLOP](../book/glossary.md#term-FLOP): one multiplication or addition).

# %% [markdown]
# > **Predict first.** What is the utilisation of a plain float32 step on the machine that made this page, in per cent?
# >
# > <!-- guess: {{100 * utilisation:.0f}} % -->

# %% tags=["reveal"]
square = torch.randn(1024, 1024, device=course.device)
maps = torch.randn(32, 256, 16, 16, device=course.device)
filters = torch.randn(256, 256, 3, 3, device=course.device)


def seconds(work, rounds=5):
    return median_time(work, bench.wait_for_gpu, perf_counter, rounds)


def fastest(work):  # for ceilings: interruptions only lengthen
    return min(seconds(work, rounds=1) for _ in range(6))


product = 2 * 1024**3 / fastest(lambda: square @ square)
flop = 2 * 32 * 16**2 * filters.numel()
large = flop / fastest(lambda: F.conv2d(maps, filters, padding=1))
peak = max(product, large)
utilisation = size * bench.STEP_FLOP / fastest(step) / peak
round(utilisation, 2)

# %% [markdown]
# > **Finding.** Here a plain step reaches {{utilisation:.0%}} of the faster job, and the product of matrices alone
# > {{product / large:.0%}} of the convolution: a ceiling is only as good as what it was measured with.

# %% [markdown]
# [torch.profiler](../book/references.md#the-tools) notes each operation and its time. The weights' shape tells which
# layer a convolution belongs to.

# %%
from torch.profiler import ProfilerActivity, profile

layers = {  # channels in and out, side, how many
    "prep": (3, 64, 32, 1),
    "layer1": (64, 128, 32, 1),
    "layer1 residual": (128, 128, 16, 2),
    "layer2": (128, 256, 16, 1),
    "layer3": (256, 512, 8, 1),
    "layer3 residual": (512, 512, 4, 2),
}
kinds = [ProfilerActivity.CPU, ProfilerActivity.CUDA]
kinds = kinds if x.device.type == "cuda" else kinds[:1]
with profile(activities=kinds, record_shapes=True) as seen:
    step()
events = seen.key_averages(group_by_input_shape=True)


# %%
def took(event, own=False):
    where = "cpu" if x.device.type == "cpu" else "device"
    return getattr(event, f"{'self_' * own}{where}_time_total")


def time_of(name, operation, weight):
    inside, outside, _, _ = layers[name]
    found = (e for e in events if e.key == f"aten::{operation}")
    wanted = [outside, inside, 3, 3]
    return sum(took(e) for e in found if e.input_shapes[weight] == wanted)


forward = {name: time_of(name, "conv2d", 1) for name in layers}
backward = {
    name: time_of(name, "convolution_backward", 2) for name in layers
}
own = [took(e, True) for e in events if e.device_type.name == "CPU"]
all_of_it = sum(own)  # operations only, or kernels count twice

# %% [markdown]
# > **Predict first.** What share of the *arithmetic* is in the two convolutions of layer3's residual block, where most
# > parameters are, in per cent? And is its share of the time much the same?
# >
# > <!-- guess: {{100 * work["layer3 residual"] / sum(work.values()):.0f}} % -->

# %%
work, shares = {}, {}
for name, (inside, outside, side, count) in layers.items():
    passes = 2 if name == "prep" else 3  # images need no gradient
    work[name] = passes * count * 2 * 9 * inside * outside * side**2
for name in layers:
    spent = (forward[name] + backward[name]) / all_of_it
    shares[name] = work[name] / sum(work.values()), spent
convolutions = sum(spent for _, spent in shares.values())
shares["all the rest"] = 0, 1 - convolutions

# %% tags=["goal", "hide-input", "reveal"]
# @title Draw work and time, layer by layer
title = f"{1 - convolutions:.0%} of the time is no convolution's"
where = f"One step on {size} images of {data.name}, {machine}"
names = "arithmetic", "time"
viz.show(viz.paired_bars(shares, names, title, where, "share of a step"))

# %% [markdown]
# "All the rest" is BatchNorm, ReLU, pooling, the optimiser. Its arithmetic is next to none: these operations read
# numbers, do little, and write them.
#
# > **Finding.** layer3's residual block does {{shares["layer3 residual"][0]:.0%}} of the arithmetic, as much as each of
# > the other large ones, and takes {{shares["layer3 residual"][1]:.0%}} of the time. Convolutions do practically all of
# > the arithmetic, and take {{convolutions:.0%}} of the time.

# %% [markdown]
# ## 3. Feed it
#
# Most code for this exercise augments images one at a time. The course indexes the whole batch at once, on the device
# where it is needed. How many training steps could each feed?

# %% [markdown]
# > **Predict first.** How many times as fast as one image at a time is the whole batch, in one process?
# >
# > <!-- guess: {{one_by_one / whole:.0f}} times -->

# %%
from torch.utils.data import DataLoader

from s12lib.data.augment import Augmentation
from s12lib.data.loader import BatchLoader

some = train.images[:512].to(course.device)
their = train.labels[:512].to(course.device)
batches = BatchLoader(some, their, 128, Augmentation(cutout=8))
single = some.cpu().permute(0, 3, 1, 2), their.cpu()
singly = DataLoader(bench.OneByOne(*single), 128, shuffle=True)
one_by_one = seconds(lambda: list(singly)) / 512
whole = seconds(lambda: list(batches)) / 512
step_time = seconds(step) / size

# %% tags=["hide-input", "reveal"]
# @title Draw how many steps each could feed
fed = {
    "one image at a time": step_time / one_by_one,
    "whole batches": step_time / whole,
}
title = f"Whole batches come {one_by_one / whole:.0f} times as fast"
where = f"512 images of {data.name}, {machine}, one process"
axis = "steps that it could feed at once"
viz.show(viz.bars(fed, title, where, axis, "{:,.0f}"))

# %% [markdown]
# > **Finding.** Here even the slow way could feed {{step_time / one_by_one:.0f}} training steps at once: it costs next
# > to nothing. A device more than {{step_time / one_by_one:.0f}} times as fast would wait for its images; with whole
# > batches the limit is {{step_time / whole:.0f}}. A bottleneck is one only beside something faster.

# %% [markdown]
# DataLoader's *workers* are processes that make batches while the step runs: a second remedy, where there are cores to
# spare. The [benchmarks](../book/benchmarks.md#ratios-on-one-machine) have the figures with two of them.

# %% [markdown]
# ## 4. Compute
#
# A layer has two things to wait for: arithmetic, and numbers from memory. If a layer does few FLOP for each byte that
# it moves, memory sets the pace; the ratio is its
# [arithmetic intensity](../book/glossary.md#term-arithmetic-intensity). The
# [roofline](../book/glossary.md#term-roofline) ([Williams et al., 2009](../book/references.md#williams-2009)) draws
# both ceilings.

# %% [markdown]
# ### Exercise: FLOP a byte
#
# > **Difficulty 3 of 5, about 15 minutes.** A 3 × 3 convolution (padded, no bias, float32) reads a batch of
# > `in_channels` maps of side × side and its weights, and writes `out_channels` maps, each number once. Return its FLOP
# > divided by these bytes, a float. A multiplication and an addition are two FLOP; count those at the edge, too.


# %% tags=["nbval-check-output"]
def intensity(batch, in_channels, out_channels, side):
    """Four ints → FLOP a byte of the forward pass, a float."""
    raise NotImplementedError


check("intensity", intensity)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# Each of the 9 · in · out weights is used at each place of each image. A float32 has 4 bytes.
#
# </details>
# <details>
# <summary>Second hint</summary>
#
# Three things move: the input, the output, and the weights. The weights are read once for the whole batch.
#
# </details>
# <details>
# <summary>Solution</summary>
#
# ```python
# def intensity(batch, in_channels, out_channels, side):
#     weights = 9 * in_channels * out_channels
#     flop = 2 * weights * side**2 * batch
#     numbers = weights + batch * side**2 * (in_channels + out_channels)
#     return flop / (4 * numbers)
# ```
#
# </details>

# %% [markdown]
# > **Predict first.** layer3's residual convolutions do {{intensity(256, 512, 512, 4):.0f}} FLOP for each byte at a
# > batch of 256. How many at a batch of 1, as in an app?
# >
# > <!-- guess: {{intensity(1, 512, 512, 4):.1f}} FLOP -->

# %% tags=["nbval-check-output", "reveal"]
intensity = use("intensity", intensity)
sizes = [1, 8, 64, 512]
late = [round(intensity(n, 512, 512, 4), 1) for n in sizes]
first = [round(intensity(n, 3, 64, 32), 1) for n in sizes]
late, first

# %% [markdown]
# > **Finding.** With one image layer3's weights are fetched for 16 places only: {{late[0]}} FLOP a byte. A batch of
# > {{sizes[-1]}} uses each many times: {{late[-1]}}. The first layer stays at {{first[-1]}} whatever the batch, since
# > its maps are large and its channels few.

# %%
points = {}
for name, (inside, outside, side, count) in layers.items():
    flop = count * 2 * 9 * inside * outside * side**2 * size
    reached = flop / (forward[name] / 1e6)
    points[name] = intensity(size, inside, outside, side), reached
long = torch.randn(2**24, device=course.device)
copied = torch.empty_like(long)
copying = 8 * len(long) / fastest(lambda: copied.copy_(long))
points["ReLU"] = 1 / 8, len(long) / fastest(long.relu_)
bandwidth = max(copying, 8 * points["ReLU"][1])
roof = max(peak, *(reached for _, reached in points.values()))

# %% tags=["hide-input"]
# @title Draw the roofline
ridge = roof / bandwidth
title = f"Below {ridge:.0f} FLOP a byte, memory is the ceiling"
where = f"Forward passes on {size} images of {data.name}, {machine}"
viz.show(viz.roofline(points, roof, bandwidth, title, where))

# %% [markdown]
# > **Finding.** Here the ceilings meet at {{ridge:.0f}} FLOP a byte. ReLU lies far to the left, as BatchNorm and
# > pooling do: more arithmetic would not help them, only fewer trips to memory. The convolutions of layer1 to layer3
# > lie beyond, where only faster arithmetic helps.

# %% [markdown]
# Hence the levers. [channels_last](../book/glossary.md#term-channels_last) lets a convolution read its channels in one
# go. [bfloat16](../book/glossary.md#term-bfloat16) halves the bytes, and has units of its own on recent hardware.
# Larger batches use weights more often. `torch.compile` joins operations, so that BatchNorm and ReLU make one trip.

# %%
fast_type = bench.DTYPES[hardware.best_precision()]
levers = {
    "channels_last": make_step(size, torch.channels_last),
    "an eighth of the batch": make_step(size // 8),
    "twice the batch": make_step(2 * size),
}
if fast_type != torch.float32:
    levers["16 bits"] = make_step(size, dtype=fast_type)
    both = make_step(size, torch.channels_last, fast_type)
    levers["16 bits, channels_last"] = both
images = {"an eighth of the batch": 1 / 8, "twice the batch": 2}
gains = {"the step against itself": median(control)}
for name, lever in levers.items():
    found = bench.ratios(bench.timed(step), bench.timed(lever), rounds)
    gains[name] = median(found) * images.get(name, 1)

# %% tags=["hide-input"]
# @title Draw what each lever gains
best = max(gains, key=gains.get)
title = f"{best}: {gains[best]:.1f} times the images a second"
where = f"A float32 step on {size} images of {data.name} is 1; {machine}"
axis = "times the images a second"
viz.show(viz.bars(gains, title, where, axis, "{:.2f}"))

# %% [markdown]
# > **Finding.** Here the best is {{best}}: {{gains[best]:.1f}} times the images a second. An eighth of the
# > batch brings {{gains["an eighth of the batch"]:.2f}} times, twice the batch {{gains["twice the batch"]:.2f}} times.

# %% [markdown]
# What is within {{max(abs(ratio - 1) for ratio in control):.0%}} of 1 says nothing. The
# [benchmarks](../book/benchmarks.md#ratios-on-one-machine) take more rounds.

# %% [markdown]
# Compilation is a loan: seconds now, some saved in each step. Suppose it takes 60 seconds and saves a fifth of a step
# of 4 milliseconds. Eight epochs of `sprint` are 200 steps.
#
# > **Finding.** Such a loan pays after {{60 / (0.2 * 0.004):,.0f}} steps, or {{60 / (0.2 * 0.004) / 200:.0f}} runs of
# > `sprint`. Compile for a sweep of many runs; for one short run the plain network is done first.

# %% [markdown]
# ## 5. Fewer epochs
#
# The cheapest step is the one not taken. [Jordan (2024)](../book/references.md#jordan-2024) reports how many
# [epochs](../book/glossary.md#term-epoch) a smaller network needs to 94% as levers are added:
#
# | levers so far | epochs |
# |---|---|
# | none | 45 |
# | first layer whitened | 21 |
# | convolutions begin as partial identities | 18 |
# | BatchNorm's biases at 64 times the rate | 13.5 |
# | lookahead | 12.0 |
# | multi-crop TTA | 10.8 |
# | alternating flip | 9.9 |
# | Muon in place of SGD | 8 |
#
# The last row is from his [later record](../book/references.md#jordan-2024b). For the first, the notes beside his code
# have 35.
#
# Our own network comes there in 11 epochs by `fast` and in 8 by `sprint`, which has Muon
# ([results](../book/results.md)). We switched levers of `fast` off one by one, with 10,000 training images. These runs
# had one length, so they tell points, not epochs.

# %% tags=["hide-input"]
# @title Draw what each lever is worth
from s12lib.results.ablations import load_worth

rows = [row for row in load_worth() if row["recipe"] == "fast"]
rows = [row for row in rows if row["images"] == "10000"]
worth = {
    f"{row['lever']} (n = {row['n']})": (
        float(row["points"]),
        float(row["error"] or 0),
    )
    for row in rows
}
worth = dict(sorted(worth.items(), key=lambda item: -item[1][0]))
top = max(rows, key=lambda row: float(row["points"]))
title = f"{top['lever'].capitalize()} is worth {top['points']} points"
where = "fast on CIFAR-10, 10,000 training images, 20,000 to judge"
axis = "points of accuracy, ± standard error"
viz.show(viz.intervals(worth, title, where, axis))

# %% [markdown]
# > **Finding.** {{top["lever"].capitalize()}} is worth most, {{top["points"]}} points. A ring is a single pair of runs,
# > and says little below one point. Of the pairs with an error,
# > {{sum(float(r["points"]) > 2 * float(r["error"]) for r in rows if r["error"])}} of
# > {{sum(bool(r["error"]) for r in rows)}} lies more than two errors above 0. The table, with how it was made, is on
# > the [page of results](../book/results.md#what-each-lever-is-worth).

# %% [markdown]
# Why [whitening](../book/glossary.md#term-whitening)? Take all 3 × 3 patches of the images, 27 numbers each. How much
# do they vary in each direction?

# %% [markdown]
# > **Predict first.** What share of all variance lies along *one* of the 27 directions, in per cent?
# >
# > <!-- guess: {{100 * share:.0f}} % -->

# %% tags=["nbval-check-output", "reveal"]
from s12lib.classifier import whitening_matrix

sample = normalize(train.images[:2000])
patches = F.unfold(sample, 3).transpose(1, 2).reshape(-1, 27)


def variances(patches):
    return torch.linalg.eigvalsh(patches.T @ patches / len(patches))


raw = variances(patches)
white = variances(patches @ whitening_matrix(sample).T)
share = raw[-1] / raw.sum()
steepest = [(each[-1] / each[0]).item() for each in (raw, white)]
round(share.item(), 2)

# %% [markdown]
# The one direction is brightness. The rate must be small enough for the steepest direction, and is then far too small
# for edges and colours.
#
# > **Finding.** {{share:.0%}} of the variance lies along one direction, {{1000 * round(steepest[0] / 1000):,}} times as
# > much as along the last; after whitening {{steepest[1]:.0f}} times. One rate suits more of them.

# %% [markdown]
# And the biases' rate? A small step of gradient descent lowers the loss by the rate times the squared norm of the
# gradient. Whose part is how large?

# %% tags=["nbval-check-output"]
torch.manual_seed(0)
network = PageResNet(logit_scale=1 / 16).to(course.device)
F.cross_entropy(network(x[:64]), y[:64], label_smoothing=0.2).backward()
norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
biases = sum(m.bias.grad.square().sum() for m in norms)
weights = sum(
    p.grad.square().sum() for p in network.parameters() if p.ndim > 1
)
parts = [(k * biases / (k * biases + weights)).item() for k in (1, 64)]
parts[0] < 0.001, 0.001 < parts[1] < 0.1

# %% [markdown]
# > **Finding.** At one rate for all, BatchNorm's biases contribute {{parts[0]:.2%}} to the first step's progress, at 64
# > times the rate {{parts[1]:.1%}}. They are few, and their gradients are small.

# %% [markdown]
# ## 6. Muon by hand
#
# A convolution's gradient, its filters as rows, is a matrix. Its
# [singular values](../book/glossary.md#term-singular-value) say how far the step goes in each of its directions. This
# is the last convolution, with 512 filters.

# %% [markdown]
# > **Predict first.** Of 512 directions, how many hold half of the gradient's squared norm?
# >
# > <!-- guess: {{half}} -->

# %% tags=["reveal"]
last = network.layer3[4][3].weight
gradient = last.grad.flatten(1)
values = torch.linalg.svdvals(gradient)
energy = (values.square().cumsum(0) / values.square().sum()).tolist()
half = sum(part < 0.5 for part in energy) + 1
half, len(values)

# %% [markdown]
# > **Finding.** {{half}} directions hold half of it. The largest value is {{values[0] / values.median():.0f}} times the
# > middle one: SGD moves mostly in a few directions, and hardly in the others.

# %% [markdown]
# [Muon](../book/glossary.md#term-Muon) ([Jordan et al., 2024](../book/references.md#jordan-2024b)) takes a step of
# about the same length in all. With the decomposition $G = U S V^\top$ that step would be $U V^\top$. Computing it is
# slow on a GPU, but products are fast: scaled so that no value exceeds 1, each step of the *Newton–Schulz* iteration
#
# $$
# X \leftarrow aX + b\,(XX^\top)X + c\,(XX^\top)^2X
# $$
#
# sends each singular value $s$ to $as + bs^3 + cs^5$ and leaves $U$ and $V$ alone.

# %% [markdown]
# ### Exercise: Newton–Schulz
#
# > **Difficulty 4 of 5, about 40 minutes.** `matrix` is (rows, columns), of any shape. Divide it by its norm, the root
# > of the sum of all squares (but never by less than 10⁻⁷: zeros stay zeros). Then take `steps` steps with a = 3.4445,
# > b = −4.7750, c = 2.0315. Return the same shape and type. It is held against the singular value decomposition.


# %% tags=["nbval-check-output"]
def newton_schulz(matrix, steps):
    """(rows, columns) float, an int → (rows, columns), values near 1."""
    raise NotImplementedError


check("newton_schulz", newton_schulz)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# `@` multiplies matrices and `X.T` turns one over. $(XX^\top)^2X$ needs no power: with `A = X @ X.T` it is
# `A @ A @ X`. X can be taken out of the brackets, to the right.
#
# </details>
# <details>
# <summary>Second hint</summary>
#
# `matrix.norm()` is the root of the sum of squares, `.clamp(min=1e-7)` keeps it from zero. Compute A anew in each
# step. Nothing has to be decomposed.
#
# </details>
# <details>
# <summary>Solution</summary>
#
# ```python
# def newton_schulz(matrix, steps):
#     a, b, c = 3.4445, -4.7750, 2.0315
#     X = matrix / matrix.norm().clamp(min=1e-7)
#     for _ in range(steps):
#         A = X @ X.T
#         X = a * X + (b * A + c * A @ A) @ X
#     return X
# ```
#
# The package also turns tall matrices over first, which makes A smaller, and works in bfloat16.
#
# </details>

# %% tags=["nbval-check-output"]
newton_schulz = use("newton_schulz", newton_schulz)
after = {
    n: torch.linalg.svdvals(newton_schulz(gradient, n)) for n in (1, 3, 5)
}
[bool(values.max() < 1.3) for values in after.values()]

# %% tags=["hide-input"]
# @title Draw the singular values before and after
places = list(range(1, len(values) + 1))
curves = {"as it is, largest = 1": (places, (values / values[0]).tolist())}
for n in (3, 5):
    curves[f"after {n} steps"] = places, after[n].tolist()
title = "Newton–Schulz lifts the small directions to the large ones"
where = f"A gradient of layer3 on 64 images of {data.name}"
axes = "singular value, from the largest", "its size"
viz.show(viz.lines(curves, title, where, *axes, log=True))

# %% [markdown]
# > **Finding.** Before, the smallest singular value is {{values[-1] / values[0]:.3f}} of the largest. After three steps
# > all lie between {{after[3].min():.2f}} and {{after[3].max():.2f}}, after five between {{after[5].min():.2f}} and
# > {{after[5].max():.2f}}. They do not settle at 1: the three numbers were chosen for speed at the small end.

# %% [markdown]
# The rest of [Muon](../book/references.md#jordan-2024b) fits below: [momentum](../book/glossary.md#term-momentum), the
# step, and filters scaled to a fixed norm.

# %% tags=["nbval-check-output"]
from s12lib.training.muon import Muon

by_hand = last.detach().clone()
update = newton_schulz((1 + 0.6) * gradient, 3)  # first step, Nesterov
by_hand *= len(last) ** 0.5 / by_hand.norm()
by_hand -= 0.1 * update.view_as(last)
group = {"params": [last], "muon_momentum": 0.6}
Muon([group], lr=0.1, dtype=torch.float32).step()
torch.allclose(by_hand, last, atol=1e-4)

# %% [markdown]
# ## 7. What the clock may leave out
#
# [DAWNBench](../book/references.md#coleman-2017) asked for the time to 94% on the *test* set, read off a log with a
# line for each epoch: the first line with 94% counted
# ([the rules](../book/references.md#dawnbench-rules)). One run was enough.

# %% [markdown]
# > **Predict first.** A recipe's runs have a mean of 93.85% and a standard deviation of 0.15 points. One run in six
# > reaches 94%. How often does the best of ten, in per cent?
# >
# > <!-- guess: {{100 * best_of_ten:.0f}} % -->

# %% tags=["nbval-check-output", "reveal"]
from statistics import NormalDist

once = 1 - NormalDist(93.85, 0.15).cdf(94)
best_of_ten = 1 - (1 - once) ** 10
round(once, 2), round(best_of_ten, 2)

# %% [markdown]
# > **Finding.** Of those who try ten times, {{best_of_ten:.0%}} can report a recipe that gets there in {{once:.0%}} of
# > its runs. Ask for the mean, and for n.

# %% [markdown]
# So read what each record counts:
#
# | record | machine | seconds | what counts |
# |---|---|---|---|
# | DAWNBench's winners, 2018 | 1 GPU; 8 GPUs | 341; 174 | the first epoch at 94%, one run |
# | Page's network, part 4 | V100 | 79 | 24 epochs; 94.08 is the median of 50 runs |
# | airbench94, compiled | A100 | 3.29 | mean 94.01; compilation before the clock starts |
# | airbench94_muon | A100 | 2.59 | mean 94.01 of 200; a warm-up run before it; training and six-view TTA count |
# | Hiverge | A100 | 2.0 | their own report |
# | ours | [see there](../book/benchmarks.md#how-long-training-takes) | | all seeds, mean and spread; training only |
#
# The first two rows are [Page's](../book/references.md#the-network-and-the-race) account. airbench's network is
# smaller than ours, and an A100 is not a V100. Rows of different machines cannot be compared.

# %% [markdown]
# ## 8. Beyond one device
#
# [DDP](../book/glossary.md#term-DDP) ([Li et al., 2020](../book/references.md#li-2020)) gives each device a copy of
# the network and its own images, averages the gradients, and lets all take the same step. What `batch_size` means then
# is for you to decide.

# %% [markdown]
# ### Exercise: the same recipe on several devices
#
# > **Difficulty 2 of 5, about 10 minutes.** A recipe was made for one device, with `batch_size` images a step and the
# > rate `lr`. Run on `devices`, each takes `batch_size` images a step. Return a tuple: images in a step, full steps in
# > an epoch of `images`, and the rate by the linear rule ([Goyal et al., 2017](../book/references.md#goyal-2017)): as
# > many times larger as the batch.


# %% tags=["nbval-check-output"]
def on_devices(images, batch_size, devices, lr):
    """Three ints, a float → (images in a step, steps, rate)."""
    raise NotImplementedError


check("on_devices", on_devices)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# All devices take one step together. How many images has it seen?
#
# </details>
# <details>
# <summary>Second hint</summary>
#
# `//` rounds down: images that fill no batch on each device sit out.
#
# </details>
# <details>
# <summary>Solution</summary>
#
# ```python
# def on_devices(images, batch_size, devices, lr):
#     together = batch_size * devices
#     return together, images // together, lr * devices
# ```
#
# The linear rule holds up to some batch size, and mostly with a warm-up. Or divide `batch_size`, and keep the recipe.
#
# </details>

# %% [markdown]
# Is the average of two halves' gradients the gradient of the whole batch? Compare them, with BatchNorm in evaluation
# mode and in training mode.

# %% tags=["nbval-check-output"]
on_devices = use("on_devices", on_devices)


def gradient_of(network, first, end):
    loss = F.cross_entropy(network(x[first:end]), y[first:end])
    found = torch.autograd.grad(loss, list(network.parameters()))
    return torch.cat([each.flatten() for each in found])


def apart(count, training):
    network.train(training)
    one, half = gradient_of(network, 0, count), count // 2
    two = gradient_of(network, 0, half) + gradient_of(network, half, count)
    return ((one - two / 2).norm() / one.norm()).item()


frozen = apart(32, training=False)
few, many = (apart(count, training=True) for count in (32, 128))
frozen < 0.01, few > 0.5, 0.1 < many < few

# %% [markdown]
# > **Finding.** In evaluation mode they are the same. In training mode each device normalises by its own images: with
# > 16 on each the gradients differ by {{few:.0%}} of their length, with 64 by {{many:.0%}}. DDP keeps the recipe, but
# > for BatchNorm; the more images each device has, the less that matters.

# %% [markdown]
# How to start it with `torchrun` or SLURM, and what a run on one process and on two gave, is on the page
# [Several devices](../book/several_devices.md).

# %% [markdown]
# ## Mistakes that people really make here
#
# - **No `synchronize` before the clock stops.** A fast GPU then looks infinitely fast.
# - **`.item()` or `print(loss)` in each step.** Device and Python take turns.
# - **Images augmented one at a time** for a device that eats batches. "The GPU is hardly busy."
# - **float16 on a CPU, or bfloat16 where no unit computes it.** Slower than float32.
# - **The best of ten reported**, without the ten.
# - **A recipe started on eight GPUs as it is**: eight times the batch, an eighth of the steps, the old rate.

# %% [markdown]
# ## Take-away
#
# - **Measure** with warm-up, waiting, turns and a control; here it strayed by
#   {{max(abs(ratio - 1) for ratio in control):.0%}}.
# - **Locate** by profile and roofline: {{convolutions:.0%}} of the time in convolutions, memory the ceiling below
#   {{ridge:.0f}} FLOP a byte.
# - **Orthogonalise** with products: three steps bring values from {{values[-1] / values[0]:.3f}} of the largest to
#   {{after[3].min():.2f}} and more.
# - **Question** records: best of ten turns {{once:.0%}} into {{best_of_ten:.0%}}.
# - **Take** fewer steps first: {{top["lever"]}} alone is worth {{top["points"]}} points.

# %% [markdown]
# ## Quiz
#
# **1. You time a step on a GPU without waiting, and get 0.3 ms. What have you measured?**
#
# - (a) The step, without the transfers.
# - (b) How long Python takes to hand the orders over.
# - (c) The forward pass only.
#
# <details>
# <summary>Answer</summary>
#
# **(b)** The orders are in the queue, and the device has hardly begun. Synchronise before the clock starts and before
# it stops.
#
# </details>
#
# **2. ReLU does one operation a number, and moves eight bytes for it. What makes it faster?**
#
# - (a) Fewer trips to memory: joined with its neighbours, or in 16 bits.
# - (b) Units that compute faster.
# - (c) A larger batch.
#
# <details>
# <summary>Answer</summary>
#
# **(a)** It lies far left on the roofline, where memory is the ceiling. A larger batch moves as many more bytes as it
# computes more.
#
# </details>
#
# **3. What does Newton–Schulz leave as it is?**
#
# - (a) The norm of the matrix.
# - (b) The singular values.
# - (c) The singular vectors.
#
# <details>
# <summary>Answer</summary>
#
# **(c)** Each step is a polynomial of the singular values; U and V stay. The directions are the gradient's, and the
# length in each is made about the same.
#
# </details>
#
# **4. A recipe with `batch_size` 512 and 97 steps an epoch runs on four devices, unchanged. What happens?**
#
# - (a) The same, four times as fast.
# - (b) 2,048 images a step, 24 steps an epoch, and a rate that was chosen for another batch.
# - (c) Each image is seen four times.
#
# <details>
# <summary>Answer</summary>
#
# **(b)** 50,000 // 2,048 is 24. Scale the rate, or give each device 128 images, and check the accuracy again.
#
# </details>

# %% tags=["nbval-check-output"]
from s12lib.exercises import progress

progress()

# %% [markdown]
# ▰▰▰▰▰▰▰▰▱▱▱ Lesson 8 of 11. Behind you: where the seconds go. Ahead: getting the network out of here.
#
# **Next:** [08 · From checkpoint to file](08_checkpoint.ipynb). What you hand on when the training is over.

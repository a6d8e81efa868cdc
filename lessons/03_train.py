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
# # 03 · The training
#
# [![Open in Colab](../book/_static/colab-badge.svg)](https://colab.research.google.com/github/OWNER/page-resnet-course/blob/main/lessons/03_train.ipynb)
#
# **How do you train it well, and how do you know that you did?**
#
# Minutes to run: 2 on a GPU, 3 on a CPU. Reading and solving takes about three hours.
#
# You need: lessons [01 · The data](01_data.ipynb) and [02 · The network](02_model.ipynb), or at least to know what a
# batch and a logit are. The [glossary](../book/glossary.md) explains every term.

# %% [markdown]
# ## Where this lesson ends
#
# ![Loss, accuracy and learning rate over the steps of the run on CIFAR-10 that made the package's weights: the loss
# falls, the accuracy climbs, and the learning rate goes up once and comes down once.](images/03_train.png)
#
# This run made the package's weights. It takes two CPU cores hours, so it was recorded. Here you build what is in it,
# and try each part on a network with an eighth of the channels.

# %% [markdown]
# ## You will be able to
#
# - **write** an optimiser, and say what momentum and weight decay do in it;
# - **choose** a learning rate from several sweeps, and check it;
# - **schedule** it, and catch the two mistakes that cost most;
# - **resume** a run as if it had never stopped, and report its result honestly.

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
# ## 1. The loss
#
# [Cross-entropy](../book/glossary.md#term-cross-entropy) is minus the logarithm of the probability that the network
# gives to the right class: 0 when it is sure and right, and beyond all bounds when it is sure and wrong. To bring it to
# 0, a network would have to become infinitely sure. [Label smoothing](../book/glossary.md#term-label-smoothing)
# ([Szegedy et al., 2015](../book/references.md#szegedy-2015)) stops it: the target gives most to the label, and spreads
# a share, our 0.2, evenly over *all* ten classes, the right one included.

# %% [markdown]
# ### Exercise: smooth the labels
#
# > **Difficulty 2 of 5, about 10 minutes.** The loss is then a mixture of two: the usual one, and the mean of
# > $-\log p$ over all classes. From (N, classes) logits, (N,) int64 labels and `smoothing`, from 0 to below 1, make the
# > batch's mean loss, a tensor without axes.


# %% tags=["nbval-check-output"]
def smoothed_cross_entropy(logits, labels, smoothing):
    """(N, classes) logits, (N,) labels, a share → the mean loss."""
    raise NotImplementedError


check("smoothed_cross_entropy", smoothed_cross_entropy)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# `logits.log_softmax(dim=1)` holds the logarithms of all probabilities.
#
# </details>
# <details>
# <summary>Second hint</summary>
#
# `.gather(1, labels[:, None])` takes the label's out of each row. `1 - smoothing` of the loss is the usual one.
#
# </details>
# <details>
# <summary>Solution</summary>
#
# ```python
# def smoothed_cross_entropy(logits, labels, smoothing):
#     log_p = logits.log_softmax(dim=1)
#     right = -log_p.gather(1, labels[:, None]).mean()
#     everywhere = -log_p.mean()
#     return (1 - smoothing) * right + smoothing * everywhere
# ```
#
# PyTorch has it built in: `F.cross_entropy(logits, labels, label_smoothing=smoothing)`.
#
# </details>

# %% [markdown]
# > **Predict first.** A network that knows nothing gives each of ten classes 10%. What is its loss?
# >
# > <!-- guess: {{plain[0]:.2f}} -->

# %% tags=["nbval-check-output", "reveal"]
smoothed_cross_entropy = use(
    "smoothed_cross_entropy", smoothed_cross_entropy
)
label, shares = torch.tensor([3]), [0.1, 0.5, 0.82, 0.99, 0.999]
plain, smoothed = [], []
for share in shares:  # for the right class; the others share the rest
    log_p = torch.full((1, 10), (1 - share) / 9).log()
    log_p[0, label] = torch.tensor(share).log()
    plain.append(F.cross_entropy(log_p, label).item())
    smoothed.append(smoothed_cross_entropy(log_p, label, 0.2).item())
[round(loss, 3) for loss in plain], [round(loss, 3) for loss in smoothed]

# %% [markdown]
# First the plain losses, then the smoothed. Remember the first number: a run that begins far from it has a mistake in
# it. Not every mistake shows there: `F.cross_entropy` takes [logits](../book/glossary.md#term-logits), and does the
# softmax itself; hand it probabilities, and nothing crashes, but the plain loss never falls below 1.46.
#
# > **Finding.** Knowing nothing costs ln 10 = {{plain[0]:.3f}}, smoothed or not. Smoothed, the loss is lowest at
# > {{shares[smoothed.index(min(smoothed))]:.0%}}, the target itself, and being surer costs: {{smoothed[-1]:.3f}} at
# > {{shares[-1]:.1%}}, against {{min(smoothed):.3f}}.

# %% [markdown]
# ## 2. The step
#
# Plain [gradient descent](../book/glossary.md#term-gradient-descent) goes against the gradient of the batch at hand,
# and forgets it. [Momentum](../book/glossary.md#term-momentum) keeps a *velocity* $v$, a fading sum of gradients. With
# [weight decay](../book/glossary.md#term-weight-decay) $\lambda$, momentum $\mu$ and learning rate $\eta$, a step of
# our recipes is
#
# $$\begin{aligned}
# g &= \nabla L(w) + \lambda w, \\
# v &\leftarrow \mu v + g, \\
# w &\leftarrow w - \eta\,(g + \mu v).
# \end{aligned}$$
#
# To go by $v$ alone would be the classical kind. To go by $g + \mu v$, one step ahead, is Nesterov's
# ([Sutskever et al., 2013](../book/references.md#sutskever-2013)).

# %% [markdown]
# ### Exercise: the optimiser
#
# > **Difficulty 4 of 5, about 45 minutes.** Write it without PyTorch's own. `parameters` is what
# > `network.parameters()` gives, and can be gone through only once; `lr`, `momentum` and `weight_decay` are numbers.
# > `step()` changes each parameter in place, by its `grad`, which it leaves as it is. One whose `grad` is None is left
# > alone. Velocities begin at zero. A schedule will set `optimizer.lr` between the steps.


# %% tags=["nbval-check-output"]
class SGD:
    """Nesterov's momentum and weight decay over some parameters."""

    def __init__(self, parameters, lr, momentum, weight_decay):
        raise NotImplementedError

    def step(self):
        raise NotImplementedError


check("sgd", SGD)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# In `__init__` keep `list(parameters)`, the three numbers, and a tensor of zeros for each parameter.
#
# </details>
# <details>
# <summary>Second hint</summary>
#
# PyTorch refuses to change a parameter in place while it records: put `@torch.no_grad()` above `step`. Compute `g` as a
# new tensor, update `v`, then `p -= ...`. The learning rate belongs in the last of the three only.
#
# </details>
# <details>
# <summary>Solution</summary>
#
# ```python
# class SGD:
#     def __init__(self, parameters, lr, momentum, weight_decay):
#         self.parameters = list(parameters)
#         self.lr, self.momentum = lr, momentum
#         self.weight_decay = weight_decay
#         self.velocities = [torch.zeros_like(p) for p in self.parameters]
#
#     @torch.no_grad()
#     def step(self):
#         for p, v in zip(self.parameters, self.velocities):
#             if p.grad is None:
#                 continue
#             g = p.grad + self.weight_decay * p
#             v.mul_(self.momentum).add_(g)
#             p -= self.lr * (g + self.momentum * v)
# ```
#
# `torch.optim.SGD(..., nesterov=True)` takes the same steps, for all parameters at once.
#
# </details>

# %% [markdown]
# Try it in a valley of two weights, 50 times as steep across as along.

# %% [markdown]
# > **Predict first.** Without momentum the loss needs {{slow}} steps to fall to a thousandth. How many with
# > momentum 0.9, at the same learning rate?
# >
# > <!-- guess: {{fast}} steps -->

# %% tags=["nbval-check-output"]
SGD = use("sgd", SGD)
steepness = torch.tensor([1.0, 50.0])


def descend(momentum, lr):
    w = nn.Parameter(torch.tensor([-10.0, 1.5]))
    optimizer, path = SGD([w], lr, momentum, 0.0), [w.tolist()]
    for _ in range(150):
        w.grad = (steepness * w).detach()
        optimizer.step()
        path.append(w.tolist())
    return path


def steps_needed(path):
    losses = (steepness * torch.tensor(path) ** 2).sum(1) / 2
    return int(torch.nonzero(losses > losses[0] / 1000).max()) + 1


# %% tags=["hide-input", "reveal"]
# @title Draw the two paths through the valley
paths = {"plain": descend(0, 0.024), "momentum 0.9": descend(0.9, 0.024)}
needed = {name: steps_needed(path) for name, path in paths.items()}
best_plain = min(steps_needed(descend(0, k / 1000)) for k in range(20, 40))
x, y = torch.linspace(-11, 7, 181), torch.linspace(-2, 2, 161)
valley = (steepness[0] * x**2 + steepness[1] * y[:, None] ** 2) / 2
shown = {name: path[:41] for name, path in paths.items()}
fast, slow = needed["momentum 0.9"], needed["plain"]
title = f"Momentum arrives in {fast} steps, plain in {slow}"
where = "The first 40 steps through a computed valley: no dataset"
viz.show(viz.descent(shown, (x, y, valley), title, where))

# %% [markdown]
# Along the valley gradients agree and add up, with $\mu = 0.9$ to ten of them. The price is that it overshoots.
#
# > **Finding.** At the same learning rate momentum needs {{fast}} steps instead of {{slow}}. Even at its own best rate
# > the plain method needs {{best_plain}}.

# %% [markdown]
# ## 3. Lightning, and what it does for you
#
# A `LightningModule` holds network, step and optimiser. The [Trainer](../book/glossary.md#term-Trainer) does the rest:
# loop, devices, precision, checkpoints; and around each validation `eval()` and `train()`. At its heart are the three
# lines of [lesson 00](00_warmup.ipynb#a-tensor-remembers). Will both end in the same weights?

# %%
import pytorch_lightning as pl

from s12lib.training import short_runs

batches = short_runs.part_of(data, 16, train=64).train_dataloader()


class PlainClassifier(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.network = short_runs.NarrowResNet()

    def training_step(self, batch, batch_idx):
        images, labels = batch
        return F.cross_entropy(self.network(images), labels)

    def configure_optimizers(self):
        settings = {"momentum": 0.9, "nesterov": True}
        return torch.optim.SGD(self.parameters(), 0.1, **settings)


# %% tags=["nbval-check-output"]
torch.manual_seed(0)
by_hand = PlainClassifier()
optimizer = by_hand.configure_optimizers()
for k, batch in enumerate(batches):
    optimizer.zero_grad()
    by_hand.training_step(batch, k).backward()
    optimizer.step()

torch.manual_seed(0)
by_trainer = PlainClassifier()
trainer = short_runs.quiet_trainer(1, accelerator="cpu")
trainer.fit(by_trainer, batches)
pairs = zip(by_hand.parameters(), by_trainer.parameters(), strict=True)
same = all(torch.equal(a, b) for a, b in pairs)
same

# %% [markdown]
# > **Finding.** {{"The same, bit for bit." if same else "They differ."}}

# %% [markdown]
# `s12lib.Classifier` is this module grown up: a schedule, averaged weights, metrics, and levers from Page's posts, each
# a field that can be switched off. From here on you train with it, in runs of seconds. In `train`, unless told
# otherwise, the rate rises and then falls to 0, and no weights are averaged; `lr_fraction` is the rate's share of `lr`.

# %%
from s12lib import Classifier
from s12lib.classifier import NETWORKS

NETWORKS["narrow"] = short_runs.NarrowResNet
sizes = {"train": 512 if course.smoke else 4096, "validation": 5000}


def train(lr, seed=0, kind=Classifier, epochs=3, **settings):
    """A short run → its record of each step, and its accuracy."""
    part = short_runs.part_of(data, 64, **sizes)
    part.seed = seed  # of the images' order; then of the weights
    torch.manual_seed(seed)
    plain = {"final_epochs": 0, "final_lr": 0, "ema_decay": 0}
    module = kind("narrow", lr=lr, **plain | settings)
    record = short_runs.Recorder()
    short = short_runs.quiet_trainer(epochs, record, limit_val_batches=0)
    short.fit(module, part)
    return record, short_runs.accuracy(module, part)


# %% [markdown]
# ## 4. Weight decay under BatchNorm
#
# Decay pulls every weight towards zero, to keep the network simple, as textbooks say. But filters before a
# [BatchNorm](../book/glossary.md#term-BatchNorm) can have any size: it divides it out again.

# %% [markdown]
# > **Predict first.** Multiply all filters of a network by 2. The loss stays the same. By which factor does their
# > gradient change?
# >
# > <!-- guess: {{ratio:.1f}} -->

# %% tags=["nbval-check-output", "reveal"]
import copy

images, labels = next(iter(batches))
networks = {1: by_trainer.network, 2: copy.deepcopy(by_trainer.network)}
losses, sizes_of = {}, {}
for factor, network in networks.items():
    filters = [
        m.weight for m in network.modules() if isinstance(m, nn.Conv2d)
    ]
    for weight in filters:
        weight.data *= factor
    losses[factor] = F.cross_entropy(network.train()(images), labels)
    gradients = torch.autograd.grad(losses[factor], filters)
    sizes_of[factor] = torch.cat([g.flatten() for g in gradients]).norm()
ratio = (sizes_of[2] / sizes_of[1]).item()
bool((losses[2] - losses[1]).abs() < 0.001), round(ratio, 2)

# %% [markdown]
# A filter of twice the length gets half the gradient, and needs twice the change to turn by the same angle. So its
# *effective* learning rate is $\eta / \lVert w \rVert^2$ ([van Laarhoven, 2017](../book/references.md#laarhoven-2017)).
# The gradient stands at a right angle to the filter, so that steps without decay make it longer.
#
# > **Finding.** With all filters times 2 the loss is the same, and the gradient {{ratio:.2f}} of what it was: their
# > size decides only how fast they turn.

# %% [markdown]
# See it in two runs at a constant learning rate of 0.3, one with far too strong a decay.

# %% [markdown]
# > **Predict first.** By which factor will the effective learning rate have grown at the end, with a decay of 0.02?
# >
# > <!-- guess: {{growth[0.02]:.0f}} -->


# %%
class Constant(Classifier):
    def lr_fraction(self, step):
        return 1.0


decayed = {
    decay: train(0.3, kind=Constant, weight_decay=decay)
    for decay in (0.0, 0.02)
}

# %% tags=["hide-input", "reveal"]
# @title Draw the effective learning rate of both runs
effective, growth, last_loss, norms = {}, {}, {}, {}
for decay, (record, _) in decayed.items():
    steps, norm = record.curve("norm")
    grown = [(norm[0] / value) ** 2 for value in norm]
    effective[f"weight decay {decay:g}"] = steps, grown
    growth[decay], norms[decay] = grown[-1], (norm[0], norm[-1])
    losses = record.curve("train_loss")[1][-30:]
    last_loss[decay] = sum(losses) / len(losses)
few = f"{data.name}, {sizes['train']:,} training images"
title = f"Too much decay: the rate grows {growth[0.02]:.0f}-fold"
axes = "step", "effective rate, start = 1"
viz.show(viz.lines(effective, title, few, *axes, log=True))

# %% [markdown]
# Such a rate is too high to learn well; the last layer, with no BatchNorm behind it, is kept small. Usual decays are
# gentler; they end in a balance, as steps lengthen filters and decay shortens them.
#
# > **Finding.** Without decay the filters' norm grows from {{norms[0.0][0]:.1f}} to {{norms[0.0][1]:.1f}}. With decay
# > it falls to {{norms[0.02][1]:.1f}}, so that the effective rate grows {{growth[0.02]:.0f}}-fold, and the loss of the
# > last steps is {{last_loss[0.02]:.2f}} instead of {{last_loss[0.0]:.2f}}.

# %% [markdown]
# ## 5. The learning rate
#
# Nobody can calculate it. The [finder](../book/glossary.md#term-learning-rate-finder) of
# [Smith (2015)](../book/references.md#smith-2015) tries them all in one short run: the rate climbs from step to step,
# here from 0.001 to 10, and you watch the loss.


# %%
def read_sweep(lrs, losses, window=7):
    """The smoothed curve, its points before it diverges, a rate."""
    smooth = []
    for k in range(len(losses) - window + 1):
        mean = losses[k : k + window].mean()
        if not mean.isfinite():
            break
        smooth.append(mean.item())
    lrs = lrs[window // 2 :].tolist()[: len(smooth)]
    best, gains, enough = smooth[0], [], 0.02 * smooth[0]
    for loss in smooth:
        best = min(best, loss)
        gain = smooth[0] - best
        if gain > enough and loss - best > gain / 2:
            break
        gains.append(gain)
    if gains[-1] <= enough:
        return (lrs, smooth), len(gains), None
    halfway = [gain >= gains[-1] / 2 for gain in gains].index(True)
    return (lrs, smooth), len(gains), lrs[halfway]


# %% [markdown]
# `read_sweep` stops at the first divergence, where half of what was gained is lost again: beyond, a loss can fall once
# more by luck. Up to there it takes the rate at which half of the fall was done.

# %% [markdown]
# > **Predict first.** Five sweeps that differ in nothing but the seed: how far apart are the lowest and the highest
# > proposal, as a factor?
# >
# > <!-- guess: {{max(proposed) / min(proposed):.1f}} -->


# %%
class Sweep(Classifier):
    def lr_fraction(self, step):  # of the lowest rate
        total = self.trainer.estimated_stepping_batches
        return 10_000 ** (step / (total - 1))


sweeps = []
for seed in range(5):
    record, _ = train(0.001, seed, Sweep, epochs=1)
    lrs, losses = (
        torch.tensor(record.curve(name)[1])
        for name in ("lr-SGD/pg1", "train_loss")
    )
    sweeps.append(read_sweep(lrs, losses))
proposed = [lr for _, _, lr in sweeps if lr] or [0.3]
peak = torch.tensor(proposed).median().item()

# %% tags=["hide-input", "reveal"]
# @title Draw the five sweeps
curves, kept, marks = {}, {}, {}
for seed, ((lrs, losses), end, lr) in enumerate(sweeps):
    curves[f"seed {seed}"] = lrs, losses
    kept[f"seed {seed}"] = end
    if lr:
        marks[f"seed {seed}"] = lr
low, high = min(proposed), max(proposed)
title = f"Five seeds propose {low:.2g} to {high:.2g}"
viz.show(viz.lr_sweeps(curves, kept, marks, title, few))

# %% [markdown]
# On the left the steps are too small, on the right they overshoot. One sweep is one throw of
# dice: make several, and take their median. It belongs to this batch size; larger batches bear larger steps
# ([Goyal et al., 2017](../book/references.md#goyal-2017)). And check with *whole* runs: the finder sees only the
# beginning.

# %%
by_rate = {lr: train(lr) for lr in (peak / 4, peak, 4 * peak)}
{f"{lr:.2g}": f"{accuracy:.0%}" for lr, (_, accuracy) in by_rate.items()}

# %% [markdown]
# > **Finding.** The five proposals lie between {{low:.2g}} and {{high:.2g}}, a factor of {{high / low:.1f}}. In whole
# > runs their median, {{peak:.2g}}, gets {{by_rate[peak][1]:.0%}} of the validation images right, a quarter of it
# > {{by_rate[peak / 4][1]:.0%}}, four times it {{by_rate[4 * peak][1]:.0%}}. There the sweeps had turned up; but a
# > run comes down again.

# %% [markdown]
# ## 6. The schedule
#
# At the start large steps tear the random weights about; at the end they jump to and fro across the valley. So the rate
# climbs ([warm-up](../book/glossary.md#term-warm-up)), and then falls:
# [one-cycle](../book/glossary.md#term-one-cycle) ([Smith and Topin, 2017](../book/references.md#smith-2017)).

# %% [markdown]
# ### Exercise: three straight lines
#
# > **Difficulty 2 of 5, about 10 minutes.** Return the learning rate as a fraction of its peak, at an epoch that may be
# > a fraction. It rises from 0 to 1 at epoch `warmup * epochs`, falls to `final_lr` at epoch `epochs - final_epochs`,
# > and stays there.


# %% tags=["nbval-check-output"]
def one_cycle(epoch, epochs, warmup, final_epochs, final_lr):
    """Five numbers → the share of the peak, a number from 0 to 1."""
    raise NotImplementedError


check("one_cycle", one_cycle)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# Give the two corners names first, `top` and `flat`.
#
# </details>
# <details>
# <summary>Second hint</summary>
#
# On a falling line from $(a, 1)$ to $(b, y)$ the height is $1 + (y - 1)\,(x - a)/(b - a)$.
#
# </details>
# <details>
# <summary>Solution</summary>
#
# ```python
# def one_cycle(epoch, epochs, warmup, final_epochs, final_lr):
#     top, flat = warmup * epochs, epochs - final_epochs
#     if epoch < top:
#         return epoch / top
#     if epoch > flat:
#         return final_lr
#     return 1 + (final_lr - 1) * (epoch - top) / (flat - top)
# ```
#
# The package does it with one call of `np.interp`.
#
# </details>

# %% [markdown]
# Is it worth it? The same peak and seed at a constant rate, down a cosine ([Loshchilov and Hutter,
# 2016](../book/references.md#loshchilov-2016)), and in one cycle that ends at 0.


# %%
import math


class Cosine(Classifier):
    def lr_fraction(self, step):
        t = step / self.trainer.estimated_stepping_batches
        return (1 + math.cos(math.pi * t)) / 2


by_shape = {
    "constant": train(peak, kind=Constant)[1],
    "cosine": train(peak, kind=Cosine)[1],
    "one-cycle": by_rate[peak][1],
}
{shape: f"{accuracy:.0%}" for shape, accuracy in by_shape.items()}

# %% [markdown]
# Two mistakes are made again and again: to step the schedule once an **epoch** and not after every batch, and to count
# the steps of **another split**, here of all 50,000 images for a run on 10,000.

# %% [markdown]
# > **Predict first.** A run has 11 epochs of 19 batches, a fifth of it warm-up. Stepped once an epoch, what is its
# > highest rate, in per cent of the peak?
# >
# > <!-- guess: {{100 * highest:.0f}} % -->

# %% tags=["nbval-check-output"]
one_cycle = use("one_cycle", one_cycle)
epochs, per_epoch = 11, 10_000 // 512
steps = range(epochs * per_epoch)


def rate(counter, total):
    return one_cycle(counter * epochs / total, epochs, 0.2, 2, 0.1)


drawn = {
    "right": [rate(step, len(steps)) for step in steps],
    "once an epoch": [rate(k // per_epoch, len(steps)) for k in steps],
    "another split": [rate(k, epochs * (50_000 // 512)) for k in steps],
}

# %% tags=["hide-input", "reveal"]
# @title Draw the right schedule and the two mistakes
highest = max(drawn["once an epoch"])
title = f"Stepped once an epoch, it reaches {highest:.0%} of its peak"
where = f"{epochs} epochs of 10,000 images, batches of 512: no dataset"
curves = {name: (steps, values) for name, values in drawn.items()}
viz.show(viz.lines(curves, title, where, "step", "share of the peak"))

# %% [markdown]
# Neither crashes: plot your learning rate in every run.
#
# > **Finding.** At a constant rate the run gets {{by_shape["constant"]:.0%}} right, down a cosine
# > {{by_shape["cosine"]:.0%}}, in one cycle {{by_shape["one-cycle"]:.0%}}: that the rate falls matters more than how.
# > Stepped once an epoch it hardly begins, and never exceeds {{highest:.0%}} of the peak. With the total of another
# > split it ends at {{drawn["another split"][-1]:.0%}}, and never comes down.

# %% [markdown]
# ### Exercise: find the bug
#
# > **Difficulty 3 of 5, about 15 minutes.** Both mistakes were shipped in the function below, with PyTorch's own
# > `OneCycleLR` (a cosine that starts at 1/25 of the peak). Look at its rates, for 3 epochs of 4 training and 10
# > validation batches. Then write it as it was meant: step the optimiser on every training batch, with `OneCycleLR` and
# > a peak of 0.4, and return the rate of each batch, a list.


# %% tags=["nbval-check-output"]
from torch.optim.lr_scheduler import OneCycleLR


def shipped(optimizer, train_loader, validation_loader, epochs):
    total = epochs * len(validation_loader)
    schedule = OneCycleLR(optimizer, max_lr=0.4, total_steps=total)
    rates = []
    for _ in range(epochs):
        for _ in train_loader:  # forward and backward stand here
            optimizer.step()
            rates.append(schedule.get_last_lr()[0])
        schedule.step()
    return rates


weights = nn.Linear(1, 1).parameters()
optimizer = torch.optim.SGD(weights, lr=0.1, momentum=0.9)
[round(lr, 3) for lr in shipped(optimizer, batches, [None] * 10, 3)]


# %% tags=["nbval-check-output"]
def run_schedule(optimizer, train_loader, validation_loader, epochs):
    """Train under a one-cycle with peak 0.4 → each batch's rate."""
    raise NotImplementedError


check("run_schedule", run_schedule)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# How many times is `optimizer.step()` called in the whole run?
#
# </details>
# <details>
# <summary>Second hint</summary>
#
# The schedule must be told that number, and be stepped that often: once after each `optimizer.step()`.
#
# </details>
# <details>
# <summary>Solution</summary>
#
# ```python
# def run_schedule(optimizer, train_loader, validation_loader, epochs):
#     total = epochs * len(train_loader)
#     schedule = OneCycleLR(optimizer, max_lr=0.4, total_steps=total)
#     rates = []
#     for _ in range(epochs):
#         for _ in train_loader:
#             optimizer.step()
#             rates.append(schedule.get_last_lr()[0])
#             schedule.step()
#     return rates
# ```
#
# In Lightning, say `"interval": "step"` beside the scheduler, and take the total from
# `self.trainer.estimated_stepping_batches`: read `configure_optimizers` in `s12lib/classifier.py`. And `OneCycleLR`
# moves the momentum too, between 0.85 and 0.95, whatever you gave the optimiser; `cycle_momentum=False` stops it.
#
# </details>

# %% [markdown]
# ## 7. Averaging the weights
#
# At a large learning rate the weights swarm around the bottom of the valley. Their average lies nearer to it ([Polyak
# and Juditsky, 1992](../book/references.md#polyak-1992)). The [EMA](../book/glossary.md#term-EMA) forgets the early
# steps: after each it keeps a share of itself, the decay, and takes the rest from the weights. Updated every few
# steps, to save time, it must forget as much at once.

# %% [markdown]
# ### Exercise: average
#
# > **Difficulty 2 of 5, about 5 minutes.** `average` and `weights` are tensors of the same shape; return the new
# > average, a new tensor. The decay is meant *per step*, and you are called every `every` steps.


# %% tags=["nbval-check-output"]
def ema_update(average, weights, decay, every):
    """Two tensors of one shape, two numbers → the new average."""
    raise NotImplementedError


check("ema_update", ema_update)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# What share of the average remains after two steps that keep 90% each?
#
# </details>
# <details>
# <summary>Second hint</summary>
#
# After five it is `decay**5`. What the average does not keep comes from the weights.
#
# </details>
# <details>
# <summary>Solution</summary>
#
# ```python
# def ema_update(average, weights, decay, every):
#     kept = decay**every
#     return kept * average + (1 - kept) * weights
# ```
#
# </details>

# %% tags=["nbval-check-output"]
ema_update = use("ema_update", ema_update)
noise = torch.Generator().manual_seed(0)
weights = average = torch.full((1000,), 3.0)  # the bottom is at 0
for step in range(1, 501):
    gradient = weights + torch.randn(1000, generator=noise)
    weights = weights - 0.1 * gradient
    if step % 5 == 0:
        average = ema_update(average, weights, 0.99, 5)
distances = weights.norm().item(), average.norm().item()
[round(distance) for distance in distances]

# %%
_, averaged = train(peak, kind=Constant, ema_decay=0.98)
f"{averaged:.0%}"

# %% [markdown]
# > **Finding.** In a valley with noisy gradients the last weights end {{distances[0]:.0f}} from the bottom, and their
# > average {{distances[1]:.0f}}. In the run at a constant rate the averaged weights get {{averaged:.0%}} right, the
# > last ones {{by_shape["constant"]:.0%}}: averaging does much of what a falling rate does.

# %% [markdown]
# BatchNorm's running statistics are averaged, too.

# %% [markdown]
# ## 8. One lever, switched off
#
# What is a trick worth? Take it away, leave all else alone, and repeat: an *ablation*.
# Neighbouring pixels are nearly the same number. Page's [whitening](../book/glossary.md#term-whitening) starts the
# first convolution from random mixtures of filters whose outputs are uncorrelated and equally strong, and trains only
# the mixture.

# %% [markdown]
# > **Predict first.** Two seeds, with and without whitening. How many points of accuracy is it worth, on average?
# >
# > <!-- guess: {{100 * worth:.1f}} points -->

# %%
whitened = {}
for name, whiten in {"whitened": True, "not whitened": False}.items():
    whitened[name] = [
        train(peak, seed, epochs=5, whiten=whiten) for seed in (0, 1)
    ]

# %% tags=["hide-input", "reveal"]
# @title Draw the loss with and without whitening
curves, accuracies = {}, {}
for name, runs in whitened.items():
    accuracies[name] = [accuracy for _, accuracy in runs]
    steps = runs[0][0].curve("train_loss")[0]
    losses = [record.curve("train_loss")[1] for record, _ in runs]
    mean = torch.tensor(losses).mean(0)
    smooth = F.avg_pool1d(mean[None], 15, 1)[0]
    curves[name] = steps[7 : 7 + len(smooth)], smooth.tolist()
on, off = accuracies.values()
worth = (sum(on) - sum(off)) / len(on)
title = f"Whitening is worth {100 * worth:.1f} points here"
where = f"{few}; means of 15 steps and 2 seeds"
viz.show(viz.lines(curves, title, where, "step", "loss"))

# %% [markdown]
# > **Finding.** With whitening the two seeds get {{on[0]:.1%}} and {{on[1]:.1%}} right, without it {{off[0]:.1%}} and
# > {{off[1]:.1%}}: on average {{100 * worth:.1f}} points.

# %% [markdown]
# Two seeds are few. The [results](../book/results.md#what-each-lever-is-worth) have the full-size network and more
# levers; some of them earned nothing.

# %% [markdown]
# ## 9. The real run
#
# The same, with the wide network and all training images, by `s12 fit` with a
# [recipe](../book/glossary.md#term-recipe). There is no validation
# curve: whatever had to be chosen was chosen before.

# %% tags=["goal", "hide-input"]
# @title Draw the recorded run
from s12lib import load_card, load_curve

card, rows = load_card(), load_curve()
done = [row for row in rows if row["train_accuracy"]]
right = float(done[-1]["train_accuracy"])
title = f"{len(done)} epochs: {right:.1%} of the training images right"
where = f"{card['dataset']}, recipe {card['recipe']}, "
where += f"all {card['train_images']:,} training images, augmented"
viz.show(viz.learning_curves(rows, title, where))

# %% tags=["nbval-check-output"]
recorded = [
    (int(row["step"]), float(row["lr-SGD/pg1"]))
    for row in rows
    if row["lr-SGD/pg1"]
]
epochs = card["epochs"]
per_epoch = card["train_images"] // 512
gaps = [
    abs(lr - one_cycle(step / per_epoch, epochs, 0.2, 2, 0.1))
    for step, lr in recorded
]
len(recorded), max(gaps) < 1e-6

# %% [markdown]
# Every recorded rate is the one that your `one_cycle` gives: that is how a schedule is tested.

# %% [markdown]
# > **Predict first.** The notebook that this course grew from trained this very network for 24 epochs, and got 88.62%
# > of the test images right. What did ours get, in per cent?
# >
# > <!-- guess: {{100 * card["test_accuracy"]:.1f}} % -->

# %% tags=["hide-input", "nbval-check-output", "reveal"]
# @title Print the three runs side by side
mine = f"ours, recipe {card['recipe']}, one run"
table = [
    ("this course's forerunner, one run", 24, 0.8862, None),
    ("Page, median of 50 runs", 24, 0.9408, None),
    (mine, epochs, card["test_accuracy"], card["test_accuracy_tta"]),
]
head = f"test accuracy on {card['dataset']}"
print(f"{head:<35} epochs   plain   flip TTA")
for name, count, plain_one, tta in table:
    flipped = f"{tta:.2%}" if tta else "-"
    print(f"{name:<35} {count:>6}  {plain_one:.2%}  {flipped:>6}")
share = card["test_accuracy"]
chance = (share * (1 - share) / 10_000) ** 0.5

# %% [markdown]
# The layers are the same in all rows (Page's pooled after ReLU); schedule, loss, augmentation and averaging differ.
# [TTA](../book/glossary.md#term-test-time-augmentation) averages the logits of each image and its mirror image. All
# runs stand in the [results](../book/results.md).
#
# > **Finding.** Our run gets {{card["test_accuracy"]:.2%}}, {{100 * card["test_accuracy"] - 88.62:.1f}} points more
# > than its forerunner. Chance in the choice of the test images alone moves such a number by {{100 * chance:.2f}}
# > points (one standard deviation).

# %% [markdown]
# ## 10. Stop, resume, repeat
#
# A [checkpoint](../book/glossary.md#term-checkpoint) is everything that is needed to go on. A small run on the drawn
# `Shapes` writes one after each epoch. A second run, from another seed, goes on from the first of them. A third was
# told to make *one* epoch, and is then asked for another.

# %% [markdown]
# > **Predict first.** Which of the two ends with the very weights of the run that nobody disturbed?

# %%
import tempfile
from pathlib import Path

from pytorch_lightning.callbacks import ModelCheckpoint

from s12lib import Shapes

temporary = tempfile.TemporaryDirectory()
folder = Path(temporary.name)
drawn_shapes = Shapes(16, train_size=64, validation_size=0, test_size=10)


def run(name, seed=0, epochs=2, start=None):
    torch.manual_seed(seed)
    module = Classifier("narrow", lr=0.2, final_epochs=0.5, ema_decay=0.9)
    keep = ModelCheckpoint(folder / name, "{epoch}", save_top_k=-1)
    settings = {"accelerator": "cpu", "enable_checkpointing": True}
    trainer = short_runs.quiet_trainer(epochs, keep, **settings)
    trainer.fit(module, drawn_shapes, ckpt_path=start)
    return module.state_dict()


# %% tags=["nbval-check-output", "reveal"]
undisturbed = run("undisturbed")
file = folder / "undisturbed" / "epoch=0.ckpt"
resumed = run("resumed", seed=1, start=file)
run("short", epochs=1)
prolonged = run("prolonged", start=folder / "short" / "epoch=0.ckpt")
as_undisturbed = [
    all(torch.equal(other[key], undisturbed[key]) for key in undisturbed)
    for other in (resumed, prolonged)
]
checkpoint = torch.load(file, weights_only=True)
names = ["state_dict", "current_model_state", "optimizer_states"]
names += ["lr_schedulers", "loops"]
as_undisturbed, {name: len(checkpoint[name]) for name in names}

# %% [markdown]
# Weights, averages, momentum and the place in the schedule came out of the file; the order of the images follows from
# the seed of the *data* and the epoch. But a one-cycle over one epoch is not the first half of one over two: decide on
# the epochs first.
#
# > **Finding.** {{"The resumed run is the same to the last bit" if as_undisturbed[0] else "The resumed run differs"}},
# > whatever its seed. {{"The prolonged one is another run." if not as_undisturbed[1] else "So is the prolonged one."}}

# %% [markdown]
# `state_dict` is the average, to be shipped; `current_model_state` is what training goes on with. A checkpoint is a
# [pickle](../book/glossary.md#term-pickle), which can run code; with `weights_only=True`, only tensors and plain
# values are read. To go on, also after `kill -9`:
#
# ```bash
# s12 fit --config recipes/fast.yaml --ckpt_path last
# ```
#
# Bit for bit holds on one kind of machine. On a GPU the last digits may differ.

# %% [markdown]
# ## 11. Half the bits
#
# On hardware made for them, numbers of 16 bits are fast.
# [float16](../book/glossary.md#term-float16) has more digits, [bfloat16](../book/glossary.md#term-bfloat16) more range.

# %% tags=["nbval-check-output"]
numbers = torch.tensor([70_000, 1e-8, 1 / 3, 1.001])
in_16_bits = {
    "float16": numbers.half().tolist(),
    "bfloat16": numbers.bfloat16().tolist(),
}
gradient = torch.tensor(1e-8)
scaled = (gradient * 2**16).half()  # loss × 65,536: gradients too
back = scaled.float() / 2**16
in_16_bits, f"{back:.1e}"

# %% [markdown]
# > **Finding.** float16 makes {{in_16_bits["float16"][0]}} of {{70_000:,}}, and {{in_16_bits["float16"][1]:.0f}} of a
# > gradient of 1e-8; multiplied by 2¹⁶ first, and divided again in 32 bits, it comes back as {{back:.1e}}. bfloat16
# > keeps both roughly, but makes {{in_16_bits["bfloat16"][2]:.4f}} of 1/3, and {{in_16_bits["bfloat16"][3]:.0f}} of
# > {{1.001:.3f}}.

# %% [markdown]
# Hence the rules of [mixed precision](../book/glossary.md#term-mixed-precision)
# ([Micikevicius et al., 2017](../book/references.md#micikevicius-2017)). Weights stay in 32 bits, or small steps would
# be rounded away. With float16 the *loss* is scaled up before `backward()`, and the gradients down before the step;
# where they overflow, the step is skipped and the scale halved. bfloat16 needs no scaling.
#
# So take `bf16-mixed` on NVIDIA GPUs from Ampere on (2020) and on CPUs with AMX or AVX512-BF16, `16-mixed` on older
# GPUs such as Colab's T4, and `32-true` elsewhere.

# %% [markdown]
# ## Mistakes that people really make here
#
# All but the last were found in published code for this very exercise.
#
# - **One-cycle stepped once an epoch**, or its total taken from another split.
# - **The best epoch on the test set reported.** A run is judged by its last weights, once.
# - **The learning-rate finder run, plotted, and ignored:** the optimiser had another number.
# - **A `nan` loss in float16 that nobody noticed**: the progress bar was still moving.
# - **More epochs "added" to a finished one-cycle.** That is another run than the longer plan's.

# %% [markdown]
# ## Take-away
#
# - **Write** the step in three lines: decay into the gradient, gradient into the velocity, velocity into the weights.
# - **Choose** by the median of several sweeps ({{low:.2g}} to {{high:.2g}} here), and check with whole runs.
# - **Schedule** by steps: falling gets {{by_shape["one-cycle"]:.0%}} where constant gets {{by_shape["constant"]:.0%}}.
# - **Resume** bit for bit from a checkpoint; a longer plan is another run.
# - **Ablate** one lever at a time, over seeds: whitening is worth {{100 * worth:.1f}} points here.

# %% [markdown]
# ## Quiz
#
# **1. The first loss of a run with ten classes is 4.1. What do you do?**
#
# - (a) Let it run: it will fall.
# - (b) Look for a mistake, since knowing nothing costs 2.3.
# - (c) Lower the learning rate.
#
# <details>
# <summary>Answer</summary>
#
# **(b)** No step was taken yet, so the learning rate is innocent. The network is sure of wrong answers before it has
# seen anything: look at the last layer's scale, the labels and the normalisation.
#
# </details>
#
# **2. You double the weight decay of a network whose filters all have a BatchNorm behind them. What happens first?**
#
# - (a) The network can express fewer functions.
# - (b) The filters become shorter, and turn faster at each step.
# - (c) Nothing, since BatchNorm undoes it.
#
# <details>
# <summary>Answer</summary>
#
# **(b)** BatchNorm divides the size out of the output, but not out of the gradient, which grows as the filters shrink.
# Every function is still within reach.
#
# </details>
#
# **3. A finder proposes a learning rate of 3.3; you had expected 0.3. What now?**
#
# - (a) Take it: it was measured.
# - (b) Take the mean of both.
# - (c) Sweep again with other seeds, stop each at its first divergence, and check in whole runs.
#
# <details>
# <summary>Answer</summary>
#
# **(c)** One sweep depends on its seed, and beyond the first divergence a loss can fall by luck. Three short whole runs
# settle it.
#
# </details>
#
# **4. Your run of 10 epochs under one-cycle is good, and you want 20. How?**
#
# - (a) Start anew with 20 epochs.
# - (b) Resume from the last checkpoint for 10 more.
# - (c) Resume from epoch 5, where the rate was high.
#
# <details>
# <summary>Answer</summary>
#
# **(a)** The schedule is stretched over the whole plan. After the 10 epochs the rate has come down already, and what
# follows is not what a run of 20 would have done.
#
# </details>

# %% tags=["nbval-check-output"]
from s12lib.exercises import progress

progress()

# %% [markdown]
# ▰▰▰▰▱▱▱▱▱▱▱ Lesson 4 of 11. Behind you: a network that has learned. Ahead: what it gets wrong.
#
# **Next:** [04 · The failures](04_failures.ipynb). Most images are right now. Look at the others.

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
# # 00 · Warm-up
#
# [![Open in Colab](../book/_static/colab-badge.svg)](https://colab.research.google.com/github/OWNER/page-resnet-course/blob/main/lessons/00_warmup.ipynb)
#
# **What does a network do when it learns, and what of it does PyTorch do for you?**
#
# Minutes to run: 1 on a GPU, 1 on a CPU (fetching the data not counted). Reading and solving takes about an hour, the
# long exercise not counted.
#
# You need: Python, and a first acquaintance with NumPy arrays. You have never used PyTorch? Good: this lesson is for
# you. If `zero_grad`, `backward` and `step` hold no secrets, go on to [lesson 01](01_data.ipynb).

# %% [markdown]
# ## Where this lesson ends
#
# ![The loss over 60 steps on one batch of 32 images, for a right training loop and for three loops with a mistake in
# them: one stays where it was, one stops half-way, and one falls even faster than the right
# one.](images/00_warmup.png)
#
# Four training loops, three of them broken, on one and the same small batch. By the end you will know what is wrong
# with each, and why the worst of them looks best.

# %% [markdown]
# ## You will be able to
#
# - **compute** a gradient by hand, and descend along it;
# - **say** what `zero_grad`, `backward` and `step` each do;
# - **build** a network as an `nn.Module`, and move it to a device;
# - **check** a training loop on a single batch before you trust it.

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
# ## 1. Downhill on a line
#
# Take 500 photographs, and of each its average red and its average blue, from 0 to 1. How well does the red tell the
# blue? Try a line: blue ≈ slope · red + intercept. The line has two [parameters](../book/glossary.md#term-parameter),
# and how badly it does is one number, the [loss](../book/glossary.md#term-loss). Here it is the mean squared error:
#
# $$
# L = \frac{1}{n} \sum_i (\text{slope} \cdot x_i + \text{intercept} - y_i)^2
# $$
#
# `train.images` has the axes images, rows, columns, colours, and holds bytes from 0 to 255. It is a PyTorch tensor,
# which does most of what a NumPy array does; its `dim` is NumPy's `axis`.

# %% tags=["nbval-check-output"]
import numpy as np

train, validation = data.splits["train"], data.splits["validation"]
colours = train.images[:500].double().mean(dim=(1, 2)) / 255
red, blue = colours[:, 0].tolist(), colours[:, 2].tolist()
np.round(red[:5], 3), np.round(blue[:5], 3)

# %% [markdown]
# Which way should the two numbers change? The [gradient](../book/glossary.md#term-gradient) tells: for each
# parameter, how much the loss grows when the parameter grows a little. It is the slope of the ground under your feet,
# and you find it by differentiating the formula above.

# %% [markdown]
# ### Exercise: the gradient of a line
#
# > **Difficulty 2 of 5, about 10 minutes.** Differentiate $L$ by the slope, and by the intercept. `xs` and `ys` are
# > lists of numbers of the same length, `slope` and `intercept` are numbers; return the two derivatives, the slope's
# > first. Plain Python is enough.


# %% tags=["nbval-check-output"]
def line_gradient(xs, ys, slope, intercept):
    """Two lists and two numbers → two derivatives of the loss."""
    raise NotImplementedError


check("line_gradient", line_gradient)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# Call $e_i = \text{slope} \cdot x_i + \text{intercept} - y_i$ the error at point i. The derivative of $e^2$ is $2e$
# times the derivative of $e$.
#
# </details>
# <details>
# <summary>Second hint</summary>
#
# When the slope grows by a little, $e_i$ grows by $x_i$ times as much; when the intercept does, by as much. So you
# want the mean of `2 * error * x`, and the mean of `2 * error`.
#
# </details>
# <details>
# <summary>Solution</summary>
#
# ```python
# def line_gradient(xs, ys, slope, intercept):
#     by_slope, by_intercept = 0.0, 0.0
#     for x, y in zip(xs, ys):
#         error = slope * x + intercept - y
#         by_slope += 2 * error * x / len(xs)
#         by_intercept += 2 * error / len(xs)
#     return by_slope, by_intercept
# ```
#
# </details>

# %% tags=["nbval-check-output"]
line_gradient = use("line_gradient", line_gradient)
uphill = line_gradient(red, blue, 0.0, 0.0)
np.round(uphill, 3)

# %% [markdown]
# Both are negative: from the line that always says 0, a larger slope and a larger intercept make the loss smaller. So
# take a small step *against* the gradient, look again, and repeat. This is
# [gradient descent](../book/glossary.md#term-gradient-descent), and the factor in front of the gradient is the
# [learning rate](../book/glossary.md#term-learning-rate).


# %% tags=["nbval-check-output"]
def descend(xs, ys, lr, steps=300):
    slope, intercept, losses = 0.0, 0.0, []
    for _ in range(steps):
        errors = slope * np.array(xs) + intercept - np.array(ys)
        losses.append((errors**2).mean())
        by_slope, by_intercept = line_gradient(xs, ys, slope, intercept)
        slope -= lr * by_slope
        intercept -= lr * by_intercept
    return slope, intercept, losses


slope, intercept, losses = descend(red, blue, lr=0.5)
round(slope, 3), round(intercept, 3)

# %% [markdown]
# A line also has an exact answer, which `np.polyfit` computes, so you can see whether you arrived.

# %% tags=["hide-input"]
# @title Compare with the exact line, and draw it
exact = np.polyfit(red, blue, 1)
best = ((np.polyval(exact, red) - blue) ** 2).mean()
steps_needed = int(sum(np.array(losses) > 1.01 * best))
ends = [min(red), max(red)]
curves = {
    "after 300 steps": (ends, [slope * x + intercept for x in ends]),
    "after 15 steps": (
        ends,
        np.polyval(descend(red, blue, 0.5, 15)[:2], ends).tolist(),
    ),
}
title = f"Red tells {1 - best / np.var(blue):.0%} of how blue differs"
where = f"{data.name}, {len(red)} training images, every third drawn"
axes = "average red", "average blue"
points = {"images": (red[::3], blue[::3])}
viz.show(viz.lines(curves, title, where, *axes, points=points))

# %% [markdown]
# The exact slope is {{exact[0]:.3f}}, the exact intercept {{exact[1]:.3f}}. With the learning rate 0.5 it takes
# {{steps_needed}} steps to come within 1% of that line's loss. Now give the same descent other numbers for the same
# images: subtract from each red the mean of all reds, and divide by their standard deviation.

# %% [markdown]
# > **Predict first.** Same learning rate, same images, normalised reds: how many steps now?
# >
# > <!-- guess: {{steps_normalised}} -->

# %% tags=["nbval-check-output", "reveal"]
normalised = ((np.array(red) - np.mean(red)) / np.std(red)).tolist()
_, _, quick = descend(normalised, blue, lr=0.5)
steps_normalised = int(sum(np.array(quick) > 1.01 * best))
too_large = 0.85
_, _, too_far = descend(red, blue, too_large, steps=40)
steps_normalised, round(too_far[-1] / too_far[0])

# %% tags=["hide-input"]
# @title Draw the three descents
runs = {
    "as they are, lr 0.5": losses[:200],
    "normalised, lr 0.5": quick[:200],
    f"as they are, lr {too_large}": too_far[:12],
}
curves = {
    name: (list(range(len(run))), [max(x / best - 1, 1e-4) for x in run])
    for name, run in runs.items()
}
title = "Normalised, the first step arrives"
where = f"{data.name}, {len(red)} training images; cut off at 0.0001"
axes = "step", "loss above the best line's, as a share"
viz.show(viz.lines(curves, title, where, *axes, log=True))

# %% [markdown]
# All reds lie between 0 and 1, so a larger slope and a larger intercept do nearly the same to the line: the loss is a
# long narrow valley. The step that is right across it is a hundred times too short along it, and with a slightly
# larger one you jump from side to side, higher each time. With numbers around 0 and a spread of 1 the valley is a
# round bowl, and the gradient points to its middle. (That one step is enough is special to a line: for this bowl 0.5
# happens to be the best rate.)
#
# > **Finding.** Normalising takes the descent from {{steps_needed}} steps to {{steps_normalised}}. With the raw
# > numbers a learning rate of {{too_large}} is already too large: after {{len(too_far)}} steps the loss is
# > {{too_far[-1] / too_far[0]:,.0f}} times what it was. [Lesson 01](01_data.ipynb#normalising) normalises for this
# > reason.

# %% [markdown]
# ## 2. A tensor remembers
#
# You differentiated by hand. For a line that is a minute's work, for a network with six million parameters it is not.
# PyTorch does it for you: a [tensor](../book/glossary.md#term-tensor) is an array that remembers how it was computed.
# `requires_grad=True` says: this is a number that I will want a gradient for.

# %% tags=["nbval-check-output"]
x, y = torch.tensor(red), torch.tensor(blue)
slope = torch.tensor(0.0, requires_grad=True)
intercept = torch.tensor(0.0, requires_grad=True)


def line_loss():
    return ((slope * x + intercept - y) ** 2).mean()


loss = line_loss()
loss.backward()
loss, slope.grad, intercept.grad, uphill

# %% [markdown]
# `grad_fn` is the memory: this number came out of a mean, which came out of a square, and so on back to `slope`.
# `loss.backward()` walks back along this chain, multiplying slopes, and leaves in each parameter's `.grad` what you
# computed by hand. This is [backpropagation](../book/glossary.md#term-backpropagation)
# ([Rumelhart et al., 1986](../book/references.md#rumelhart-1986)).

# %% [markdown]
# > **Predict first.** Compute the loss once more and call `backward` a second time. Nothing has changed, so the
# > gradient is the same. By which factor does `slope.grad` change?
# >
# > <!-- guess: {{factor:.1f}} -->

# %% tags=["nbval-check-output", "reveal"]
once = slope.grad.clone()
line_loss().backward()
factor = slope.grad / once
factor

# %% [markdown]
# > **Finding.** `backward` *adds* to what is there, so `slope.grad` is now {{factor:.1f}} times the gradient. It does
# > not know whether you have used the old one yet. Clearing it is your work.

# %% [markdown]
# Hence the three lines that stand at the heart of every training, in this order:
#
# | line | reads | writes |
# |---|---|---|
# | `optimizer.zero_grad()` | nothing | empties every parameter's `.grad` |
# | `loss.backward()` | the memory of how the loss was computed | adds to every parameter's `.grad` |
# | `optimizer.step()` | every parameter's `.grad` | the parameters |
#
# None of them takes the gradient as an argument. They communicate through `.grad`, which is why a missing line or a
# wrong order goes unnoticed. Here are the same three lines without an
# [optimiser](../book/glossary.md#term-optimiser):

# %% tags=["nbval-check-output"]
for _ in range(300):
    slope.grad = intercept.grad = None  # zero_grad
    line_loss().backward()  # backward
    with torch.no_grad():  # step
        slope -= 0.5 * slope.grad
        intercept -= 0.5 * intercept.grad
slope, intercept

# %% [markdown]
# The same line as before. `torch.no_grad()` keeps the step itself out of the memory: it is no part of what is
# differentiated.

# %% [markdown]
# ### Exercise: a number that remembers
#
# > **Difficulty 5 of 5, about 90 minutes.** Write this memory yourself, in plain Python. `Value(3.0)` is a number
# > with two attributes: `data`, here 3.0, and `grad`, 0 at first. `a + b`, `a * b` and `a.relu()`, which is the
# > larger of `a` and 0, make new Values and remember where they came from. `z.backward()` adds, to the `grad` of `z`
# > and of every Value that `z` was made of, the derivative of `z` by that Value. It adds again on each call, also when
# > two results share a part. And it visits each Value once, however many ways lead to it. Nothing later needs your
# > answer, so you may come back to this.


# %% tags=["nbval-check-output"]
class Value:
    """A number with .data, .grad, +, *, relu() and backward()."""

    def __init__(self, data):
        raise NotImplementedError


check("value", Value)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# Python calls `a.__add__(b)` for `a + b`, and `a.__mul__(b)` for `a * b`. Let each new Value keep a list of pairs: a
# parent, and the slope towards it. For `a * b` these are `(a, b.data)` and `(b, a.data)`.
#
# </details>
# <details>
# <summary>Second hint</summary>
#
# `backward` has two halves. First list all Values so that each stands after its parents: a function that visits a
# Value's parents before it appends the Value itself, and each only once. Then go through the list from its end, with
# a dictionary of what has arrived at each Value, beginning with 1 for `self`: add it to `grad`, and hand
# `slope * arrived` on to each parent.
#
# </details>
# <details>
# <summary>Solution</summary>
#
# ```python
# class Value:
#     def __init__(self, data, parents=()):
#         self.data, self.grad, self.parents = data, 0.0, parents
#
#     def __add__(self, other):
#         parents = [(self, 1.0), (other, 1.0)]
#         return Value(self.data + other.data, parents)
#
#     def __mul__(self, other):
#         parents = [(self, other.data), (other, self.data)]
#         return Value(self.data * other.data, parents)
#
#     def relu(self):
#         parents = [(self, float(self.data > 0))]
#         return Value(max(self.data, 0.0), parents)
#
#     def backward(self):
#         order = []
#
#         def visit(value):
#             if value not in order:
#                 for parent, _ in value.parents:
#                     visit(parent)
#                 order.append(value)
#
#         visit(self)
#         arrived = dict.fromkeys(order, 0.0)
#         arrived[self] = 1.0
#         for value in reversed(order):
#             value.grad += arrived[value]
#             for parent, slope in value.parents:
#                 arrived[parent] += slope * arrived[value]
# ```
#
# Karpathy's [micrograd](../book/references.md#karpathy-2020) does the same. What PyTorch adds is that each Value is a
# whole array, and that `value not in order` does not search a list.
#
# </details>

# %% tags=["nbval-check-output"]
Value = use("value", Value)
w, b, total = Value(0.0), Value(0.0), Value(0.0)
for x_i, y_i in zip(red[:20], blue[:20], strict=True):
    error = w * Value(x_i) + b + Value(-y_i)
    total = total + error * error
total.backward()
round(w.grad / 20, 6), round(line_gradient(red[:20], blue[:20], 0, 0)[0], 6)

# %% [markdown]
# ## 3. A tiny network, by hand
#
# A network puts a bend between two lines. Its input: an image shrunk to 4 × 4, which leaves 48
# numbers. Its hidden layer: 64 sums of these, each weighted in its own way, and each with its negative values cut
# off, which is the bend ([ReLU](../book/glossary.md#term-ReLU)). Its output: ten weighted sums of those, one for each
# class, the [logits](../book/glossary.md#term-logits). The class with the largest is the answer.
#
# Below, `permute` puts the axes into another order, `avg_pool2d` averages each 8 × 8 pixels, and `flatten` makes one
# row of each image.


# %% tags=["nbval-check-output"]
def shrink(images):
    rows = images.permute(0, 3, 1, 2).float()
    return F.avg_pool2d(rows, 8).flatten(1).double().numpy()


small, small_v = shrink(train.images[:20_000]), shrink(validation.images)
middle, spread = small.mean(axis=0), small.std(axis=0)
inputs, inputs_v = (small - middle) / spread, (small_v - middle) / spread
labels, labels_v = train.labels[:20_000].numpy(), validation.labels.numpy()
inputs.shape, inputs_v.shape

# %% tags=["hide-input"]
# @title Draw what the network gets to see
some = train.images[
    [int((train.labels == k).nonzero()[1]) for k in range(5)]
]
tiles = torch.tensor(shrink(some)).view(-1, 3, 4, 4).permute(0, 2, 3, 1)
rows = {"an image": some, "48 numbers": tiles / 255}
names = ", ".join(data.classes[:5])
title = "What 48 numbers leave of an image"
where = f"{data.name}, training images: {names}"
viz.show(viz.image_rows(rows, title, where))

# %% [markdown]
# Forwards it is two lines of NumPy. [Softmax](../book/glossary.md#term-softmax) turns the logits into probabilities,
# and the loss is minus the logarithm of the right class's probability, the
# [cross-entropy](../book/glossary.md#term-cross-entropy).


# %%
def forward(weights, x):
    hidden = np.maximum(x @ weights["W1"] + weights["b1"], 0)
    return hidden, hidden @ weights["W2"] + weights["b2"]


def cross_entropy(logits, labels):
    shifted = logits - logits.max(axis=1, keepdims=True)
    sums = np.exp(shifted).sum(axis=1, keepdims=True)
    log_p = shifted - np.log(sums)
    return -log_p[np.arange(len(labels)), labels].mean(), np.exp(log_p)


# %% [markdown]
# Backwards it is the chain rule, from the loss to the first weights. By the logits, softmax and logarithm together
# have a simple derivative: probability minus 1 for the right class, and the bare probability for each other. From
# there each line undoes a line of `forward`. Where the bend has cut off, nothing comes through.


# %%
def backward(weights, x, labels):
    hidden, logits = forward(weights, x)
    _, p = cross_entropy(logits, labels)
    by_logits = (p - np.eye(10)[labels]) / len(labels)
    by_hidden = (by_logits @ weights["W2"].T) * (hidden > 0)
    return {
        "W1": x.T @ by_hidden,
        "b1": by_hidden.sum(axis=0),
        "W2": hidden.T @ by_logits,
        "b2": by_logits.sum(axis=0),
    }


# %% [markdown]
# Is that right? A mistake in such lines does not crash; the network just learns less. There is a witness, though,
# that needs no calculus at all.

# %% [markdown]
# ### Exercise: a witness against the formula
#
# > **Difficulty 3 of 5, about 15 minutes.** Move each number by `step` up and by `step` down, and see what the loss
# > does in between: (loss above − loss below) / (2 · step). The other numbers stay where they are. `loss` is a
# > function that takes a list of numbers and returns a number; `numbers` is a list, and must be the same afterwards.
# > Return the list of slopes. Plain Python is enough.


# %% tags=["nbval-check-output"]
def numerical_gradient(loss, numbers, step):
    """A function of a list, a list, a number → a list of slopes."""
    raise NotImplementedError


check("numerical_gradient", numerical_gradient)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# For each place k, make two fresh copies of the list, `list(numbers)`, and change one number in each.
#
# </details>
# <details>
# <summary>Second hint</summary>
#
# `up[k] += step`, `down[k] -= step`, then append `(loss(up) - loss(down)) / (2 * step)`. Mind the brackets around
# `2 * step`.
#
# </details>
# <details>
# <summary>Solution</summary>
#
# ```python
# def numerical_gradient(loss, numbers, step):
#     slopes = []
#     for k in range(len(numbers)):
#         up, down = list(numbers), list(numbers)
#         up[k] += step
#         down[k] -= step
#         slopes.append((loss(up) - loss(down)) / (2 * step))
#     return slopes
# ```
#
# It needs two losses for each number, which is hopeless for training and perfect for checking.
#
# </details>

# %% tags=["nbval-check-output"]
numerical_gradient = use("numerical_gradient", numerical_gradient)
chance = np.random.default_rng(0)
start = {
    "W1": chance.normal(0, (2 / 48) ** 0.5, (48, 64)),
    "b1": np.zeros(64),
    "W2": chance.normal(0, (1 / 64) ** 0.5, (64, 10)),
    "b2": np.zeros(10),
}


def loss_of_b1(numbers):
    _, logits = forward(start | {"b1": np.array(numbers)}, inputs[:100])
    return cross_entropy(logits, labels[:100])[0]


witness = numerical_gradient(loss_of_b1, start["b1"].tolist(), 1e-6)
formula = backward(start, inputs[:100], labels[:100])["b1"]
gap = np.abs(np.array(witness) - formula).max() / np.abs(formula).max()
bool(gap < 1e-6)

# %% [markdown]
# They agree. Now train: 1,000 steps, each on a [batch](../book/glossary.md#term-batch) of 500 images drawn at random.
# The gradient of a batch is a fair guess of the gradient of all, for a fortieth of the work.

# %% [markdown]
# > **Predict first.** On the validation images, how often is the answer right, in per cent? Two numbers to compare
# > with: guessing gets 10%, and the class whose average is nearest, in the same 48 numbers, gets
# > {{100 * nearest:.0f}}%.
# >
# > <!-- guess: {{100 * accuracy:.1f}} % -->

# %% tags=["nbval-check-output", "reveal"]
batches = [chance.integers(0, len(inputs), 500) for _ in range(1000)]
weights = dict(start)
for chosen in batches:
    gradient = backward(weights, inputs[chosen], labels[chosen])
    for name in weights:
        weights[name] = weights[name] - 0.5 * gradient[name]

answers = forward(weights, inputs_v)[1].argmax(axis=1)
accuracy = float((answers == labels_v).mean())
averages = [inputs[labels == k].mean(axis=0) for k in range(10)]
apart = torch.cdist(
    torch.tensor(inputs_v), torch.tensor(np.array(averages))
)
nearest = float((apart.argmin(1).numpy() == labels_v).mean())
accuracy, nearest

# %% [markdown]
# > **Finding.** From 48 numbers an image, a network of {{sum(w.size for w in start.values()):,}} parameters gets
# > {{accuracy:.1%}} right, and the nearest average {{nearest:.1%}}. The formula and the witness differ by less than a
# > millionth of the largest slope.

# %% [markdown]
# ## 4. The same in PyTorch
#
# In PyTorch a network is an `nn.Module`: a class that makes its layers in `__init__` and says in `forward` what
# happens to an input. Whatever layer you assign to `self` is registered, so that `parameters()` finds it, `to` moves
# it, and `state_dict` saves it. An `nn.Linear(48, 64)` holds weights and biases of its own, filled with small random
# numbers.


# %% tags=["nbval-check-output"]
class TinyNetwork(nn.Module):
    def __init__(self, bend=torch.relu):
        super().__init__()
        self.first = nn.Linear(48, 64)
        self.second = nn.Linear(64, 10)
        self.bend = bend

    def forward(self, x):
        return self.second(self.bend(self.first(x)))


{name: tuple(p.shape) for name, p in TinyNetwork().named_parameters()}

# %% [markdown]
# There is no `backward` in it. You write the way forwards, and the tensors remember the way back.
#
# A tensor lives on a [device](../book/glossary.md#term-device), the CPU or a GPU, and two tensors can only be
# combined on the same one. So the network and the batches have to be moved, once: `network.to(device)` moves its
# parameters, `tensor.to(device)` returns a moved copy. `course.device` is a GPU if there is one. To compare with
# NumPy, we also let the network begin with NumPy's very weights. (`nn.Linear` keeps its weights the other way round,
# hence the `.T`.)
#
# `F.cross_entropy(logits, labels)` is your `cross_entropy`: it takes the logits, and does the softmax itself.
# `torch.optim.SGD(network.parameters(), lr=0.5)` makes an optimiser whose `step` is the one above.


# %%
def tiny_network(bend=torch.relu):
    network = TinyNetwork(bend).double()
    names = {
        "first.weight": start["W1"].T,
        "first.bias": start["b1"],
        "second.weight": start["W2"].T,
        "second.bias": start["b2"],
    }
    network.load_state_dict({n: torch.tensor(w) for n, w in names.items()})
    return network.to(course.device)


x, y = torch.tensor(inputs), torch.tensor(labels).long()
x, y = x.to(course.device), y.to(course.device)
x_v = torch.tensor(inputs_v).to(course.device)
torch_batches = [(x[chosen], y[chosen]) for chosen in batches]

# %% [markdown]
# ### Exercise: find the bug
#
# > **Difficulty 3 of 5, about 20 minutes.** The loop `shipped` below trains a network, and it was published. Run it:
# > the losses do not go down. It also needs a little more memory with every step. Write `fit`, which does
# > right what `shipped` does wrong. `network` turns inputs into logits, `optimizer` holds its parameters, `batches`
# > is a list of pairs (inputs, labels). Take one step a batch, and return the list of the losses, each a plain
# > number, as they were before their steps.


# %% tags=["nbval-check-output"]
def shipped(network, optimizer, batches):
    losses = []
    for inputs, labels in batches:
        loss = F.cross_entropy(network(inputs), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss)
    return losses


never_cleared = tiny_network()
optimizer = torch.optim.SGD(never_cleared.parameters(), lr=0.2)
losses = shipped(never_cleared, optimizer, torch_batches[:300])
[round(loss.item(), 2) for loss in losses[::60]]


# %% tags=["nbval-check-output"]
def fit(network, optimizer, batches):
    """A network, its optimiser, [(inputs, labels), …] → [loss, …]."""
    raise NotImplementedError


check("fit", fit)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# Three lines make a step, and `shipped` has two of them. And what exactly does it put on the list: a number, or a
# tensor that remembers?
#
# </details>
# <details>
# <summary>Second hint</summary>
#
# `optimizer.zero_grad()` belongs in the loop, before `backward`. `loss.item()` is the bare number; the tensor keeps
# the memory of how it was computed.
#
# </details>
# <details>
# <summary>Solution</summary>
#
# ```python
# def fit(network, optimizer, batches):
#     losses = []
#     for inputs, labels in batches:
#         optimizer.zero_grad()
#         loss = F.cross_entropy(network(inputs), labels)
#         loss.backward()
#         optimizer.step()
#         losses.append(loss.item())
#     return losses
# ```
#
# </details>

# %% tags=["nbval-check-output"]
fit = use("fit", fit)


def trained(network):
    optimizer = torch.optim.SGD(network.parameters(), lr=0.5)
    fit(network, optimizer, torch_batches)
    return network


def accuracy_of(network):
    with torch.no_grad():
        answers = network(x_v).argmax(dim=1).cpu()
    return (answers == validation.labels).double().mean().item()


by_torch = trained(tiny_network())
W1 = by_torch.first.weight.detach().cpu().numpy().T
largest_gap = float(np.abs(W1 - weights["W1"]).max())
accuracy_of(by_torch), largest_gap < 1e-8

# %% [markdown]
# The same weights as from your NumPy, to eight decimals, after 1,000 steps. There is no magic in it.
#
# Now something that by hand would have meant new formulas: another network, one without the bend.

# %% [markdown]
# > **Predict first.** Leave the ReLU out, and train again. By how many percentage points does the accuracy fall?
# >
# > <!-- guess: {{100 * (accuracy - without_bend):.1f}} points -->

# %% tags=["nbval-check-output", "reveal"]
without_bend = accuracy_of(trained(tiny_network(bend=nn.Identity())))
without_bend, accuracy_of(never_cleared)

# %% [markdown]
# Weighted sums of weighted sums are weighted sums: without a bend two layers can do no more than one.
# The second number is that of the network which `shipped` trained above, in 300 steps.
#
# > **Finding.** Without the ReLU the accuracy falls from {{accuracy:.1%}} to {{without_bend:.1%}}. Without
# > `zero_grad`, which is the first bug of `shipped`, it is {{accuracy_of(never_cleared):.1%}}: chance.

# %% [markdown]
# ## 5. One batch first
#
# How would you notice such a bug before an hour of training is lost? The first check of any training, says
# [Karpathy (2019)](../book/references.md#karpathy-2019), is to train on a single small batch, again and again. A
# network of any size can learn a few images by heart, so the loss must go to 0. If it does not, there is a bug, and
# you know after seconds.
#
# Here are 32 images at full size, 3,072 numbers each, and a loop with room for three mistakes: to forget `zero_grad`,
# to clear the gradients just before the step, and to apply softmax before `F.cross_entropy`, which does so itself.
# `nn.Sequential` makes a network of layers that follow one another.

# %% tags=["hide-input"]
# @title Take 32 images at full size
from s12lib import normalize

images, answers = normalize(train.images[:32]), train.labels[:32]


# %%
def one_batch(mistake=None, labels=answers):
    torch.manual_seed(0)
    layers = [nn.Linear(3072, 64), nn.ReLU(), nn.Linear(64, 10)]
    network = nn.Sequential(nn.Flatten(), *layers)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05)
    losses = []
    for _ in range(60):
        if mistake != "never cleared":
            optimizer.zero_grad()
        logits = network(images)
        if mistake == "two softmaxes":
            logits = logits.softmax(dim=1)
        loss = F.cross_entropy(logits, labels)
        loss.backward()
        if mistake == "cleared too late":
            optimizer.zero_grad()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% [markdown]
# These are the four curves from the top of the lesson.

# %% tags=["nbval-check-output"]
kinds = ["two softmaxes", "cleared too late", "never cleared"]
runs = {"right": one_batch()} | {kind: one_batch(kind) for kind in kinds}
shown = sum(run[-1] > 2 * runs["right"][-1] for run in runs.values())
{name: round(run[-1], 2) for name, run in runs.items()}

# %% tags=["goal", "hide-input"]
# @title Draw the four losses
curves = {name: (list(range(60)), run) for name, run in runs.items()}
title = f"One batch shows {shown} of {len(kinds)} bugs"
where = f"{data.name}, one batch of {len(images)} training images"
viz.show(viz.lines(curves, title, where, "step", "loss"))

# %% [markdown]
# *Cleared too late* does not move at all: each step finds an empty gradient. *Two softmaxes* moves, but cannot get
# below 1.46, since a probability between 0 and 1 is no convincing logit. *Never cleared* is even faster than the
# right loop. On one batch each gradient points much the same way as the last, so adding them up only makes the steps
# longer. You saw above what becomes of it when the batches differ.
#
# > **Finding.** After 60 steps the right loop has the loss {{runs["right"][-1]:.3f}}. Two bugs show:
# > {{runs["two softmaxes"][-1]:.2f}} and {{runs["cleared too late"][-1]:.2f}}. The third, a forgotten `zero_grad`,
# > looks better than right: {{runs["never cleared"][-1]:.6f}}. The check finds many bugs, and not all.

# %% [markdown]
# And what does it prove when the loss does go to 0? Give every image a wrong label, images of one class different
# ones, and ask again. Then give the check to the network of this course, which you will build in
# [lesson 02](02_model.ipynb): the loop is the one that you wrote. (Its optimiser has
# [momentum](../book/glossary.md#term-momentum), which [lesson 03](03_train.ipynb#the-step) explains.)

# %% [markdown]
# > **Predict first.** With the right labels the loss ends at {{runs["right"][-1]:.2f}}. Where does it end with wrong
# > ones?
# >
# > <!-- guess: {{nonsense:.2f}} -->

# %% tags=["nbval-check-output", "reveal"]
from s12lib import PageResNet

shift = 1 + torch.arange(len(answers)) % 9
nonsense = one_batch(labels=(answers + shift) % 10)[-1]
torch.manual_seed(0)
network = PageResNet().to(course.device)
optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
few = images[:8].to(course.device)
page = fit(network, optimizer, [(few, answers[:8].to(course.device))] * 12)
round(nonsense, 2), page[-1] < 0.1 * page[0]

# %% [markdown]
# > **Finding.** The nonsense is learned by heart as well, to a loss of {{nonsense:.3f}}. The check asks whether the
# > loop can learn *something*, never whether it is worth learning
# > ([Zhang et al., 2016](../book/references.md#zhang-2016b)). The Page ResNet passes it, too: from {{page[0]:.1f}} to
# > {{page[-1]:.3f}} in {{len(page)}} steps.

# %% [markdown]
# ## Mistakes that people really make here
#
# Each of these was found in published code.
#
# - **`zero_grad` forgotten.** The gradients of all earlier batches come along. On one batch it looks fine.
# - **`losses.append(loss)`**, or `total += loss`. Every loss keeps its graph. After `backward` only a skeleton
#   is left of it, but in a loop that just measures, all activations are: memory grows until the run is killed. Take
#   `loss.item()`.
# - **Layers in a plain list.** `self.layers = [nn.Linear(48, 64)]` registers nothing, so the optimiser never hears of
#   them, and they stay random. Take `nn.ModuleList` or `nn.Sequential`.
# - **Softmax before `F.cross_entropy`.** It learns, only slowly and never well.
# - **An optimiser of another network.** You run the cell again that makes the network, and not the one that makes the
#   optimiser. Now its steps change parameters that nobody uses.

# %% [markdown]
# ## Take-away
#
# - **Compute** the gradient by the chain rule, from the loss back to the parameters, and check it against
#   differences.
# - **Say** the three lines in order: `zero_grad` empties, `backward` adds, `step` reads `.grad` and moves.
# - **Build** a network from layers that `nn.Module` registers; write the way forwards only, and move it to its
#   device.
# - **Check** on one batch first: the loss must go to 0. It finds many bugs in seconds, but no forgotten `zero_grad`.
# - **Normalise** the inputs: it took the descent on a line from {{steps_needed}} steps to {{steps_normalised}}.

# %% [markdown]
# ## Quiz
#
# **1. A loop calls `backward` twice and then `step` once, and never clears. What does the second step go by?**
#
# - (a) The gradient of the last batch.
# - (b) The sum of the gradients of all batches so far.
# - (c) The mean of the last two gradients.
#
# <details>
# <summary>Answer</summary>
#
# **(b)** `backward` adds to `.grad`, and only `zero_grad` empties it. On purpose, and cleared in time, this is
# useful: it makes one large batch of several that fit into memory.
#
# </details>
#
# **2. The loss grows at every step, faster and faster. What do you try first?**
#
# - (a) A smaller learning rate.
# - (b) More steps.
# - (c) A larger network.
#
# <details>
# <summary>Answer</summary>
#
# **(a)** The steps jump across the valley and land higher on the other side. It took a learning rate of 0.85 instead
# of 0.5 for that, on a line.
#
# </details>
#
# **3. Your network gets one batch entirely right, with a loss near 0. What do you know?**
#
# - (a) It will do well on new images.
# - (b) It has too many parameters, and needs fewer.
# - (c) Loss, gradients and steps work together, at least on one batch.
#
# <details>
# <summary>Answer</summary>
#
# **(c)** No more than that: it learned wrong labels just as well, and a loop without `zero_grad` passed, too.
#
# </details>
#
# **4. Why does the step stand under `torch.no_grad()` when you write it by hand?**
#
# - (a) Because gradients would be cleared otherwise.
# - (b) Because the change of the parameters must not become a part of what is differentiated.
# - (c) Because it makes the step smaller.
#
# <details>
# <summary>Answer</summary>
#
# **(b)** A tensor with `requires_grad` remembers whatever is computed from it. PyTorch even refuses to change such a
# parameter in place otherwise. The optimiser's `step` does this for you.
#
# </details>

# %% tags=["nbval-check-output"]
from s12lib.exercises import progress

progress()

# %% [markdown]
# ▰▱▱▱▱▱▱▱▱▱▱ Lesson 1 of 11. Behind you: how anything learns. Ahead: what this network is to learn from.
#
# **Next:** [01 · The data](01_data.ipynb) looks at the images, and at what is done to them before they go in.

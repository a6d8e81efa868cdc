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
# Minutes to run: 1 on a GPU, 3 on a CPU. Reading and solving takes about an hour and a half.
#
# You need: lessons [01 · The data](01_data.ipynb) and [02 · The network](02_model.ipynb), or at least to know what a
# batch and a logit are. The [glossary](../book/glossary.md) explains every term.

# %% [markdown]
# ## Where this lesson ends
#
# ![Loss, accuracy and learning rate over the steps of the run on CIFAR-10 that made the package's weights: the loss
# falls, the accuracy climbs, and the learning rate goes up once and comes down once.](images/03_train.png)
#
# This is the run that made the weights which come with the package. It takes a GPU minutes and two CPU cores hours, so
# it was done for you and recorded. Here you build everything that is in it, and run it on a part of the pictures.

# %% [markdown]
# ## You will be able to
#
# - **train** a network with Lightning, and say what the Trainer does in your place;
# - **choose** a learning rate, and go on when the finder finds nothing;
# - **schedule** it, and catch the two mistakes that cost most;
# - **resume** a run as if it had never stopped, and report its result honestly.

# %% [markdown]
# ## Set-up
#
# One cell, the same in every lesson. On Colab it installs the course; anywhere it finds the data, or fetches them.

# %% tags=["nbval-check-output"]
# Set-up, the same in every lesson. Run it first, after each restart too; it may be run again at any time.
import importlib.util
import subprocess
import sys

if importlib.util.find_spec("s12lib") is None:  # on Colab: install the course; PyTorch stays as it is
    source = "git+https://github.com/OWNER/page-resnet-course"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", source], check=True)

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
# **Cross-entropy** is minus the logarithm of the probability that the network gives to the right class: 0 when it is
# sure and right, and beyond all bounds when it is sure and wrong.
#
# **Predict first.** A network that knows nothing gives each of ten classes 10%. What is its loss?

# %% tags=["nbval-check-output"]
label = torch.tensor([3])
for name, probability in {"knows nothing": 0.1, "fairly sure": 0.9, "sure": 0.999, "sure of another": 0.001}.items():
    probabilities = torch.full((1, 10), (1 - probability) / 9)
    probabilities[0, label] = probability
    print(f"{name:<16} {probability:>6.1%} for the right class: loss {F.cross_entropy(probabilities.log(), label):.3f}")

# %% [markdown]
# It is ln 10. Remember that number: a run whose first loss is far from it has a mistake in it, and has it before the
# first step.
#
# `F.cross_entropy` takes *logits* and does the softmax itself; hence the `.log()` above, which its softmax undoes. Hand
# it probabilities, and nothing crashes: there are two softmaxes now, and the loss can never fall below 1.46.
#
# To bring the loss to 0, a network would have to become infinitely sure. **Label smoothing** stops it: the target
# gives most to the label, and spreads a share, our 0.2, evenly over *all* ten classes, the right one included.

# %% [markdown]
# ### Exercise: smooth the labels
#
# *Difficulty 2 of 5, about 10 minutes.* The loss is then a mixture of two: the usual one, and the mean of
# $-\log p$ over all classes.


# %% tags=["nbval-check-output"]
def smoothed_cross_entropy(logits, labels, smoothing):
    """(N, classes) logits, (N,) int64 labels, smoothing from 0 to below 1 → the batch's mean loss, a 0-d tensor."""
    raise NotImplementedError


check("smoothed_cross_entropy", smoothed_cross_entropy)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# `logits.log_softmax(dim=1)` holds the logarithms of all probabilities. `.gather(1, labels[:, None])` takes the
# label's out of each row.
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

# %% tags=["nbval-check-output"]
smoothed_cross_entropy = use("smoothed_cross_entropy", smoothed_cross_entropy)
for sure in (0.5, 0.82, 0.99, 0.9999):
    log_p = torch.full((1, 10), (1 - sure) / 9).log()
    log_p[0, label] = torch.tensor(sure).log()
    plain, smooth = F.cross_entropy(log_p, label), smoothed_cross_entropy(log_p, label, 0.2)
    print(f"{sure:.2%} for the right class: plain {plain:.3f}, smoothed {smooth:.3f}")

# %% [markdown]
# With smoothing the loss is lowest at 82%, the target itself: 0.8, and a tenth of 0.2. Beyond, it rises again: being
# too sure costs. And even at its lowest it is far from 0.

# %% [markdown]
# ## 2. Lightning, and what it does for you
#
# A `LightningModule` holds what is particular about your training: the network, what happens in one step, and which
# optimiser, here SGD with **momentum**, which keeps a share of the last step in the next. This is a whole one.

# %%
import pytorch_lightning as pl

from s12lib import Classifier, PageResNet


class PlainClassifier(pl.LightningModule):
    def __init__(self, lr=0.1):
        super().__init__()
        self.lr, self.network = lr, PageResNet()

    def training_step(self, batch, batch_idx):
        images, labels = batch
        return F.cross_entropy(self.network(images), labels, label_smoothing=0.2)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), self.lr, momentum=0.9, nesterov=True)


# %% [markdown]
# The `Trainer` does the rest: the loop, the devices, the precision, checkpoints, logs; and around each validation
# `eval()`, no gradients, and `train()` again, which those who loop by hand forget (lesson 02). What it does at its
# heart is three lines, and you should have written them once.
#
# **Predict first.** Train the same network by these three lines and by the Trainer. Will the weights be nearly the
# same, or the same?

# %% tags=["nbval-check-output"]
import copy

from s12lib.data.splits import Split


def part_of(data, batch_size, **sizes):
    """The same data, but only so many pictures of each split."""
    part = copy.copy(data)
    part.batch_size = batch_size
    part.splits = {name: Split(*(x[:n] for x in data.splits[name][:2])) for name, n in sizes.items()}
    return part


def trainer_for(epochs, *callbacks, **settings):
    quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    return pl.Trainer(max_epochs=epochs, callbacks=[*callbacks], devices=1, num_sanity_val_steps=0, **quiet | settings)


few = part_of(data, 16, train=64)
print(f"{len(few.splits['train'].labels)} pictures, {len(few.train_dataloader())} steps an epoch")

# %% tags=["nbval-check-output"]
torch.manual_seed(0)
by_hand = PlainClassifier()
optimizer = by_hand.configure_optimizers()
for k, batch in enumerate(few.train_dataloader()):
    optimizer.zero_grad()
    by_hand.training_step(batch, k).backward()
    optimizer.step()

torch.manual_seed(0)
by_trainer = PlainClassifier()
trainer_for(1, accelerator="cpu").fit(by_trainer, few.train_dataloader())
pairs = zip(by_hand.parameters(), by_trainer.parameters(), strict=True)
print("the same, bit for bit:", all(torch.equal(a, b) for a, b in pairs))

# %% [markdown]
# The same. There is no magic in it, and none is needed. (The seed settles the first weights; the data's own seed
# settles the order of the pictures and what is done to them.)
#
# `s12lib.Classifier` is this module grown up: a schedule, averaged weights, metrics, and a few levers from Page's
# posts, each of them a field that can be switched off. (`bias_lr_multiplier` lets BatchNorm's biases learn faster,
# and `whiten` starts the first convolution from random mixtures of filters with uncorrelated, equalised outputs. What
# each is worth is asked in the [results](../book/results.md), by switching it off.) From here on, that is what you
# train.

# %% [markdown]
# ## 3. The learning rate
#
# It matters more than any other number, and nobody can calculate it. Smith's **finder** (2015) tries them all in one
# short run: the rate climbs from step to step (his evenly, ours by a factor), and you watch the loss.
#
# First a witness. It writes down a row for each step; you will use it again.


# %%
class Recorder(pl.Callback):
    """A row a step: learning rate and loss; and after each validation the accuracies."""

    def __init__(self):
        self.rows = []

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        lr = trainer.optimizers[0].param_groups[0]["lr"]
        self.rows.append({"step": trainer.global_step, "lr-SGD/pg1": lr})  # so Lightning's own log calls it

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        self.rows[-1]["train_loss"] = outputs["loss"].item()

    def on_validation_end(self, trainer, module):
        for name in ("validation_accuracy", "validation_accuracy_tta"):
            self.rows[-1][name] = trainer.callback_metrics[name].item()
        self.rows[-1]["train_accuracy"] = module.train_accuracy.compute().item()


# %% [markdown]
# Then the sweep: the same network, the same optimiser, another schedule.
#
# **Predict first.** From 0.001 to 10: what will the curve look like on the left, in the middle and on the right?


# %%
from s12lib.training.hardware import best_precision


class Sweep(Classifier):
    def lr_fraction(self, step):  # of the lowest rate, which is the module's lr
        return 10_000 ** (step / (self.trainer.estimated_stepping_batches - 1))


some = part_of(data, 16, train=256) if course.smoke else part_of(data, 64, train=4096)
torch.manual_seed(0)
witness = Recorder()
trainer_for(1, witness, limit_val_batches=0, precision=best_precision()).fit(Sweep(lr=0.001, ema_decay=0), some)
lrs, losses = (torch.tensor([row[name] for row in witness.rows]) for name in ("lr-SGD/pg1", "train_loss"))
lrs, losses = lrs[losses.isfinite()], losses[losses.isfinite()]  # far out on the right it may break


# %%
def read_sweep(lrs, losses, window=7):
    """The smoothed curve, and the rates at its steepest fall and at its lowest point; no rates if it never falls."""
    smooth, middle = losses.unfold(0, window, 1).mean(1), lrs[window // 2 : -(window // 2)]
    noise = (losses[window // 2 : -(window // 2)] - smooth)[: len(smooth) // 2].std()
    lowest = smooth.argmin().item()
    if lowest < 2 or smooth[0] - smooth[lowest] < 2 * noise:
        return (middle, smooth), {}
    steepest = smooth[: lowest + 1].diff().argmin().item()
    return (middle, smooth), {"steepest": middle[steepest].item(), "lowest": middle[lowest].item()}


curve, found = read_sweep(lrs, losses)
title = f"It learns fastest near {found['steepest']:.2g}" if found else "No learning rate stands out"
where = f"{data.name}, {len(losses)} batches of {some.batch_size} training pictures"
viz.show(viz.lr_sweep(lrs.tolist(), losses.tolist(), tuple(x.tolist() for x in curve), found, title, where))

# %% [markdown]
# On the left the steps are too small for anything to happen. In the middle the loss falls. On the right the steps
# overshoot: the loss jumps up and down, and what one step learns, another loses. A peak for one-cycle lies between the
# steepest place and the lowest: at the lowest the network has stopped getting better already. We take the (geometric)
# mean. It belongs to this batch size: the recipe of section 7 peaks at 1.0, with batches eight times as large, and
# larger batches bear larger steps (Goyal et al., 2017). Then throw the swept network away: its last steps have wrecked
# it.
#
# **And when it finds nothing?** It happens: too few steps, too small batches, a network that BatchNorm keeps calm at
# any rate. Lightning's own `lr_find` suggests `None` when, after leaving out the first ten losses and the last,
# fewer than two finite ones remain. Much code then goes on with `None`, or with the number it had. Do this instead:
#
# 1. Look at the curve. Flat: widen the range. Ragged: take larger batches, or more steps.
# 2. Still nothing: try three rates a factor of 3 apart, in short but *whole* runs, and compare on the validation set.
# 3. And check the finder against such runs anyway. It looks at the first seconds of a training, not at its end.

# %% [markdown]
# ## 4. One cycle
#
# No single rate is best from start to end. At the start the weights are random, and large steps tear them about; at
# the end they jump to and fro across the valley. So the rate climbs, and then falls: **one-cycle** (Smith and
# Topin, 2017). Page draws it with straight lines.

# %% [markdown]
# ### Exercise: three straight lines
#
# *Difficulty 2 of 5, about 10 minutes.* From 0 up to 1, which is reached at `warmup * epochs`; down to `final_lr`,
# which is reached at `epochs - final_epochs`; then flat.


# %% tags=["nbval-check-output"]
def one_cycle(epoch, epochs, warmup, final_epochs, final_lr):
    """The learning rate at a (fractional) epoch, as a fraction of its peak."""
    raise NotImplementedError


check("one_cycle", one_cycle)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# Give the two corners names first. On a falling line from $(a, 1)$ to $(b, y)$ the height is
# $1 + (y - 1)\,(x - a)/(b - a)$.
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
# The schedule is a function of *time*, and somebody has to tell it the time. Two mistakes are made again and again.
# Some step it once an **epoch** and not after every batch. And some compute the number of steps from **another
# split**, here from all 50,000 pictures for a run on 10,000.
#
# **Predict first.** What becomes of the cycle in each case?

# %% tags=["nbval-check-output"]
one_cycle = use("one_cycle", one_cycle)
epochs, pictures, batch_size = 11, 10_000, 512
per_epoch = pictures // batch_size
steps = range(epochs * per_epoch)


def rate(counter, total):
    return one_cycle(counter * epochs / total, epochs, warmup=0.2, final_epochs=2, final_lr=0.1)


drawn = {
    "right": [rate(step, len(steps)) for step in steps],
    "once an epoch": [rate(step // per_epoch, len(steps)) for step in steps],
    "another split": [rate(step, epochs * (50_000 // batch_size)) for step in steps],
}
title = f"Stepped once an epoch, the rate reaches {max(drawn['once an epoch']):.0%} of its peak"
where = f"{epochs} epochs of {pictures:,} pictures, batches of {batch_size}; computed, no dataset"
viz.show(viz.lines({name: (steps, y) for name, y in drawn.items()}, title, where, "step", "share of the peak"))

# %% [markdown]
# Stepped once an epoch, the run is over before the warm-up is: the network crawls. Among published notebooks for this
# exercise, that cost one some fifteen points of accuracy. With the total of another split the rate has not even reached
# its peak when the run ends, and it never comes down into the valley.
#
# Neither crashes. So plot your learning rate, in every run.

# %% [markdown]
# ### Exercise: find the bug
#
# *Difficulty 3 of 5, about 15 minutes.* Both mistakes were shipped in this function, with PyTorch's own `OneCycleLR`
# (it starts at 1/25 of the peak, and is a wave, no line). The run below has 3 epochs, each of 4 training and 10
# validation batches. Look at the rates; then write it as it was meant, with `OneCycleLR` and the same peak.


# %% tags=["nbval-check-output"]
from torch.optim.lr_scheduler import OneCycleLR


def shipped(optimizer, train_loader, validation_loader, epochs):
    schedule = OneCycleLR(optimizer, max_lr=0.4, total_steps=epochs * len(validation_loader))
    rates = []
    for _ in range(epochs):
        for _ in train_loader:  # forward and backward would stand here
            optimizer.step()
            rates.append(schedule.get_last_lr()[0])
        schedule.step()
    return rates


optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.1, momentum=0.9)
print([round(rate, 3) for rate in shipped(optimizer, few.train_dataloader(), [None] * 10, 3)])


# %% tags=["nbval-check-output"]
def run_schedule(optimizer, train_loader, validation_loader, epochs):
    """Step the optimiser on every training batch under a one-cycle with peak 0.4 → each batch's rate, a list."""
    raise NotImplementedError


check("run_schedule", run_schedule)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# How many times is `optimizer.step()` called in the whole run? The schedule must be told that number, and be stepped
# that often.
#
# </details>
# <details>
# <summary>Solution</summary>
#
# ```python
# def run_schedule(optimizer, train_loader, validation_loader, epochs):
#     schedule = OneCycleLR(optimizer, max_lr=0.4, total_steps=epochs * len(train_loader))
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
# ## 5. Averaging the weights
#
# At a large learning rate the weights never rest; they swarm around the bottom of the valley. Their **moving
# average** lies nearer to it. After each step it keeps a share of itself, the decay, and takes the rest from the
# weights. To save time one updates it only every few steps, and must then forget as much at once.

# %% [markdown]
# ### Exercise: average
#
# *Difficulty 2 of 5, about 5 minutes.* The decay is meant *per step*, and you are called every `every` steps.


# %% tags=["nbval-check-output"]
def ema_update(average, weights, decay, every):
    """Two tensors of the same shape → the new average, a new tensor."""
    raise NotImplementedError


check("ema_update", ema_update)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# What share of the average remains after two steps that keep 90% each? After five?
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
weights = average = torch.full((1000,), 3.0)  # a valley whose bottom is at 0, and gradients with noise on them
for step in range(1, 501):
    weights = weights - 0.1 * (weights + torch.randn(1000, generator=noise))
    if step % 5 == 0:
        average = ema_update(average, weights, 0.99, 5)
print(f"distance to the bottom: last weights {weights.norm():.1f}, their average {average.norm():.1f}")

# %% [markdown]
# ## 6. A run of your own
#
# Now all of it together, on a part of the training pictures, with the rate that you have found. It takes a CPU a minute
# or two. The validation pictures were split off the training set; the test set stays shut.

# %%
peak = (found["steepest"] * found["lowest"]) ** 0.5 if found else 0.4
print(f"peak {peak:.2g}:", "from the sweep" if found else "A GUESS, since the sweep found nothing; see section 3")
sizes = {"train": 256, "validation": 200} if course.smoke else {"train": 4800, "validation": 500}
own = part_of(data, 16 if course.smoke else 64, **sizes)
torch.manual_seed(0)
witness, epochs = Recorder(), 1 if course.smoke else 3
classifier = Classifier(lr=peak, final_epochs=0.5, ema_decay=0.98)
trainer_for(epochs, witness, precision=best_precision()).fit(classifier, own)
last = witness.rows[-1]

# %%
title = f"After {len(witness.rows)} steps it is right on {last['validation_accuracy']:.0%} of unseen pictures"
where = f"{data.name}, {len(own.splits['train'].labels):,} training and "
where += f"{len(own.splits['validation'].labels):,} validation pictures"
viz.show(viz.learning_curves(witness.rows, title, where))
print(f"validation accuracy {last['validation_accuracy']:.1%}, with flip TTA {last['validation_accuracy_tta']:.1%}")

# %% [markdown]
# The loss is that of each batch, so it trembles; judge it by its trend. The two accuracies are not measured on the same
# network: on the training pictures it is that of the weights as they changed through the epoch, on the validation
# pictures that of their average. That is why validation may lie far below at first: after 75 steps a quarter of the
# average ($0.98^{70}$) is still what it was at the start. So a short run needs a small decay. BatchNorm's running
# statistics are averaged along; averaged weights with the statistics of others are a broken network.
#
# **TTA**, test-time augmentation, shows the network each picture and its mirror image, and averages the logits. It
# costs twice the time and usually gains a little; after so short a run it may lose. With and without are two
# different numbers: report both, always.

# %% [markdown]
# ## 7. The real run
#
# The same, with all 50,000 training pictures and more epochs, by `s12 fit` with a **recipe**, a small file that says
# everything about a run. There is no validation curve: whatever had to be chosen was chosen before, in runs with a
# validation set, and nothing was left to choose.

# %% tags=["goal"]
from s12lib import load_card, load_curve

card, rows = load_card(), load_curve()
done = [row for row in rows if row["train_accuracy"]]
title = f"{len(done)} epochs: {float(done[-1]['train_accuracy']):.1%} of the training pictures right"
where = f"{card['dataset']}, recipe {card['recipe']}, all {card['train_images']:,} training pictures, augmented"
viz.show(viz.learning_curves(rows, title, where))

# %% tags=["nbval-check-output"]
recorded = [(int(row["step"]), float(row["lr-SGD/pg1"])) for row in rows if row["lr-SGD/pg1"]]
total = card["epochs"] * (card["train_images"] // 512)
wanted = [one_cycle(step * card["epochs"] / total, card["epochs"], 0.2, 2, 0.1) for step, _ in recorded]
gap = max(abs(lr - share) for (_, lr), share in zip(recorded, wanted, strict=True))
print(f"{len(recorded)} recorded learning rates; your one_cycle gives the same:", gap < 1e-6)

# %% [markdown]
# (The peak is 1.0, so rate and share are the same number.) That is how a schedule is tested: not by reading it, but by
# holding what was recorded against what was meant.
#
# **Predict first.** The notebook that this course grew from trained this network for 24 epochs, and so did Page. How
# far apart can two trainings of the same network be?

# %% tags=["nbval-check-output"]
mine = f"ours: recipe {card['recipe']}, seed {card['seed']}, one run"
table = [
    ("the notebook this course grew from, one run", 24, 0.8862, None),
    ("Page, median of 50 runs", 24, 0.9408, None),
    (mine, card["epochs"], card["test_accuracy"], card["test_accuracy_tta"]),
]
print(f"{'test accuracy on ' + card['dataset']:<45} epochs   plain   flip TTA")
for name, epochs, plain, tta in table:
    print(f"{name:<45} {epochs:>6}  {plain:.2%}  {f'{tta:.2%}' if tta else '     -'}")
chance = (card["test_accuracy"] * (1 - card["test_accuracy"]) / 10_000) ** 0.5
print(f"\nchance in the choice of 10,000 test pictures: ± {100 * chance:.2f} points (one standard deviation)")

# %% [markdown]
# The layers are the same in all three rows (Page's pooled after ReLU; see lesson 02). What differs is the
# schedule, the loss, the augmentation, the averaging, and care. Compare plain with plain.
#
# Mind what the last row is *not*. It is one run, not a mean of several, and another seed would give another number. The
# ± says how far each row may lie from the accuracy on all such pictures. It is no measure of differences, since all
# were asked about the same pictures: those take several runs. All stand in the [results](../book/results.md), where the
# training accuracy is higher too: it is that of the averaged weights, on pictures as they are.

# %% [markdown]
# ## 8. Stop, resume, repeat
#
# A **checkpoint** is everything that is needed to go on. Here a small run on `Shapes` writes one after each epoch.
# Then a second run, from another seed, goes on from the first epoch's, as if the power had failed there. A third one
# was told to make *one* epoch, and is then asked for another.
#
# **Predict first.** Which of the two ends with the very weights of the run that nobody disturbed?

# %%
import tempfile
from pathlib import Path

from pytorch_lightning.callbacks import ModelCheckpoint

from s12lib import Shapes

temporary = tempfile.TemporaryDirectory()  # gone when the kernel ends
folder, drawings = Path(temporary.name), Shapes(16, train_size=64, validation_size=0, test_size=10)


def run(name, seed=0, epochs=2, start=None):
    torch.manual_seed(seed)
    module = Classifier(lr=0.2, final_epochs=0.5, ema_decay=0.9, ema_every=2)
    keep = ModelCheckpoint(folder / name, "{epoch}", save_top_k=-1)
    trainer_for(epochs, keep, accelerator="cpu", enable_checkpointing=True).fit(module, drawings, ckpt_path=start)
    return module.state_dict()


# %% tags=["nbval-check-output"]
undisturbed = run("undisturbed")
resumed = run("resumed", seed=1, start=folder / "undisturbed" / "epoch=0.ckpt")
run("short", epochs=1)
prolonged = run("prolonged", start=folder / "short" / "epoch=0.ckpt")
for name, other in {"resumed": resumed, "prolonged": prolonged}.items():
    print(f"{name:<10} the same, bit for bit:", all(torch.equal(other[key], undisturbed[key]) for key in undisturbed))

checkpoint = torch.load(folder / "undisturbed" / "epoch=0.ckpt", weights_only=True)
for name in ("state_dict", "current_model_state", "optimizer_states", "lr_schedulers", "loops", "hyper_parameters"):
    print(f"  {name:<20} entries: {len(checkpoint[name])}")

# %% [markdown]
# The resumed run is the same to the last bit, whatever its seed: weights, averages, momentum, place in the schedule all
# came out of the file, and the order of the pictures follows from the seed of the *data* and the epoch.
# (`state_dict` is the average, to be measured and shipped; `current_model_state` is what training goes on with. Confuse
# them, and you judge another network.)
# The prolonged run is another one, since a one-cycle over one epoch is not the first half of a one-cycle over two.
# Decide on the epochs first.
#
# Note `weights_only=True`. A checkpoint is a pickle, and a pickle can run code; so loaded, it cannot. With the
# package it is one line, also after `kill -9`, which its tests try out:
#
# ```bash
# s12 fit --config recipes/fast.yaml --ckpt_path last
# ```
#
# Bit for bit holds on one kind of machine. On a GPU, or with another number of threads, sums are taken in another
# order, and the last digits differ.

# %% [markdown]
# ## 9. Precision
#
# Half the bits, and on hardware made for it two to three times the speed. There are two ways to have 16.

# %% tags=["nbval-check-output"]
for dtype in (torch.float32, torch.bfloat16, torch.float16):
    large, small, third = torch.tensor([70_000.0, 1e-8, 1 / 3]).to(dtype)
    print(f"{str(dtype)[6:]:<9} 70,000 is {large:,.0f}   1e-8 is {small:.0e}   1/3 is {third:.5f}   ", end="")
    print("large - large is", (large - large).item())

# %% [markdown]
# float16 has the digits but not the range: a large number becomes infinite, and infinity minus infinity is `nan`,
# which spreads. A small gradient becomes 0. bfloat16 has float32's range and hardly three digits: enough here.
#
# | you have | take |
# |---|---|
# | an NVIDIA GPU from Ampere on (2020) | `bf16-mixed` |
# | an older one, such as Colab's T4 | `16-mixed`: Lightning scales the loss up, so that small gradients survive |
# | a CPU with AMX or AVX512-BF16 | `bf16-mixed` |
# | another CPU, or an Apple GPU | `32-true`: bf16 would be slower, and fp16 much slower |
#
# `s12 fit` chooses so by itself, and it stops within twenty steps of a loss that is not finite, with the last good
# checkpoint kept.

# %% [markdown]
# ## Mistakes that people really make here
#
# All but the last were found in published code for this very exercise.
#
# - **One-cycle stepped once an epoch**, or its total taken from another split.
# - **The best epoch on the test set reported.** A run is judged by its last
#   weights, once.
# - **The learning-rate finder run, plotted, and ignored:** the optimiser had another number.
# - **A `nan` loss in float16 that nobody noticed**, since the progress bar was still moving.
# - **More epochs "added" to a finished one-cycle.** That is another run than the longer plan's.

# %% [markdown]
# ## Recap
#
# In this lesson you have
#
# - **trained** the network with Lightning, and seen that the Trainer is three lines and much comfort;
# - **chosen** a learning rate by a sweep, with a plan for the day when none stands out;
# - **scheduled** it by three straight lines, caught two silent mistakes, and checked a recorded run against the
#   formula;
# - **resumed** a run bit for bit, and put its result beside others', plain with plain.
#
# **Next:** [04 · The failures](04_failures.ipynb). Most pictures are right now. Look at the others.

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
# # 01 · The data
#
# [![Open in Colab](../book/_static/colab-badge.svg)](https://colab.research.google.com/github/OWNER/page-resnet-course/blob/main/lessons/01_data.ipynb)
#
# **What is in CIFAR-10, and what does the network get to see of it?**
#
# Minutes to run: 1 on a GPU, 1 on a CPU (fetching the data not counted). Reading and solving takes about an hour.
#
# You need: Python, and a first acquaintance with NumPy arrays. The [glossary](../book/glossary.md)
# explains every term.

# %% [markdown]
# ## Where this lesson ends
#
# ![Ten pictures of the CIFAR-10 training set as they go into the network: shifted by a few pixels, some of them
# mirrored, each with its class below.](images/01_data.png)
#
# These are ten pictures of a batch, the way the network gets them. Every one has been changed at random on the way.
# By the end you will know by what, and why.

# %% [markdown]
# ## You will be able to
#
# - **describe** CIFAR-10 in numbers, and say what a network must beat to have learned anything;
# - **normalise** pictures by the training set's statistics, and spot code that does it wrong;
# - **augment** pictures without changing what they show;
# - **split** data so that the number at the end can be believed.

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
# ## 1. What is in the box
#
# CIFAR-10 was collected by Alex Krizhevsky, Vinod Nair and Geoffrey Hinton, and published in 2009. Pictures were
# searched for by name on the web, and people threw out what did not fit: drawings, and whatever does not show one such
# thing prominently. What remained are 60,000 colour pictures of ten kinds of things.
#
# **Predict first.** A telephone's photograph has some twelve million pixels. How many of CIFAR-10's pictures would
# fit into one?

# %% tags=["nbval-check-output"]
train, validation = data.splits["train"], data.splits["validation"]
print("one picture:  ", tuple(train.images[0].shape), train.images.dtype)
print("all of them:  ", tuple(train.images.shape), f"= {train.images.numel() / 1e6:.0f} MB")
print("one label:    ", train.labels[0].item(), "=", data.classes[train.labels[0]])
print("in 12 million pixels:", f"{12_000_000 // (32 * 32):,}", "pictures")

# %% [markdown]
# Height, width, channel: 32 × 32 × 3 bytes, each from 0 (dark) to 255 (bright), the channels in the order red, green,
# blue. One photograph holds more pixels than a fifth of the whole training set.
#
# So little is left of a picture. Look at some, one row a class.

# %%
first = {name: train.images[train.labels == k][:8] for k, name in enumerate(data.classes)}
title = f"What {train.images.shape[1]} × {train.images.shape[2]} pixels leave of a picture"
viz.show(viz.image_rows(first, title, f"{data.name}, the training set's first pictures"))

# %% [markdown]
# Cover the names and try a few. Most are easy, which is remarkable, for you have hardly anything to go by. Some are
# not: a bird that is all neck, a frog the colour of its mud, a close-up of a cat.
#
# A second thing to notice: one thing fills nearly every picture. Somebody has chosen them so. A photograph that a
# stranger uploads has not been chosen, and lesson 08 will have to live with that.

# %% tags=["nbval-check-output"]
for name, split in data.splits.items():
    counts = torch.bincount(split.labels, minlength=len(data.classes))
    print(f"{name:<10} {len(split.labels):>6,} pictures, of each class {counts.min():,} to {counts.max():,}")

# %% [markdown]
# Every class is equally frequent. Somebody who always says *cat* is right in one case of ten. That is **chance
# level**, and it is the first number that a network must beat.

# %% [markdown]
# ## 2. What can be told without a network
#
# **Predict first.** Average all training pictures of a class, pixel by pixel. Will anything be left to see? And
# suppose you gave each new picture the class whose average is nearest: how often would you be right?

# %%
averages = torch.stack([train.images[train.labels == k].float().mean(0) for k in range(len(data.classes))])
low, high = averages.amin((1, 2, 3), keepdim=True), averages.amax((1, 2, 3), keepdim=True)
stretched = (averages - low) / (high - low)
apart = torch.pdist(averages.flatten(1)) / averages[0].numel() ** 0.5
title = f"Two averages differ by {apart.min():.0f} to {apart.max():.0f} of 255 grey levels"
viz.show(viz.image_grid(stretched, data.classes, title, f"{data.name}, training set; contrast stretched"))

# %% tags=["nbval-check-output"]
pixels, centres = validation.images.flatten(1).float(), averages.flatten(1)
nearest = torch.cdist(pixels, centres).argmin(1)
right = nearest == validation.labels
print(f"nearest average: {right.float().mean():.1%} right, on the validation set of {data.name}")
for k, name in enumerate(data.classes):
    found, taken = right[validation.labels == k].float().mean(), (nearest == k).float().mean()
    print(f"  {name:<11} {found:6.1%} of its pictures found; its average is nearest to {taken:5.1%} of all pictures")

# %% [markdown]
# Airplanes and ships are blue, frogs and deer are not, and a car is something broad in the middle. That alone lifts you
# well above chance, on average. Now read the lines. Some classes are found less often than by guessing. The average of
# cats lies close to the average of everything, so for nearly every picture, of a cat too, some other class's average is
# nearer. The averages at the edge collect the pictures: the bluest, and the darkest, which is the frog's (the figure
# stretches the contrast).
#
# This is worth remembering. A classifier can be right for a poor reason: the sky instead of the wing, the water
# instead of the hull. When your network says *ship*, has it seen a ship? Lesson 05 asks it.
# For now, you have a second number to beat. A network below it has not even learned where the sky is.

# %% [markdown]
# ## 3. Normalising
#
# Networks learn best when the numbers that go in lie around 0 and have a spread of about 1. So each channel gets its
# mean subtracted, and is then divided by its standard deviation:
#
# $$
# x = \frac{\text{byte}/255 - \text{mean}}{\text{standard deviation}}
# $$
#
# Mean and standard deviation of what? Of that channel, over **all pixels of all training pictures**: six numbers,
# found once and then fixed.

# %% [markdown]
# ### Exercise: the six numbers
#
# *Difficulty 1 of 5, about 5 minutes.* Compute them. Work in units of 0 to 1, so that they do not depend on how the
# pictures are stored.


# %% tags=["nbval-check-output"]
def channel_statistics(images):
    """(N, H, W, 3) uint8 → the mean (3,) and the standard deviation (3,) of each channel, in [0, 1] units."""
    raise NotImplementedError


check("channel_statistics", channel_statistics)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# The channels are on the last axis. `tensor.mean(dim=(0, 1))` averages over the first two axes; you need three of
# them. Bytes cannot be averaged, so turn them into floats first.
#
# </details>
# <details>
# <summary>Solution</summary>
#
# ```python
# def channel_statistics(images):
#     pixels = images.float() / 255
#     return pixels.mean(dim=(0, 1, 2)), pixels.std(dim=(0, 1, 2))
# ```
#
# </details>

# %% tags=["nbval-check-output"]
from s12lib import MEAN, STD, normalize

channel_statistics = use("channel_statistics", channel_statistics)
mean, std = channel_statistics(train.images[::9])  # 5,000 of them are plenty
for k, colour in enumerate(("red", "green", "blue")):
    print(f"{colour:<6} mean {mean[k]:.3f} (the package says {MEAN[k]})   std {std[k]:.3f} ({STD[k]})")

# %% [markdown]
# Every ninth picture gives nearly the package's numbers, which come from all 50,000. You need not be precise here.
# What you need is to use *the same* numbers everywhere.
#
# Now the whole of normalising. From here on it is `s12lib.normalize`, and it is the one function for training,
# testing and the app.


# %%
def normalize_by_hand(images):
    """(N, 32, 32, 3) uint8 → (N, 3, 32, 32) float32: PyTorch wants the channels before the rows."""
    pixels = images.float() / 255
    return ((pixels - torch.tensor(MEAN)) / torch.tensor(STD)).permute(0, 3, 1, 2)


some = train.images[:2000]
torch.testing.assert_close(normalize_by_hand(some), normalize(some))

# %% [markdown]
# **Predict first.** What will the histogram of the normalised pixels look like? A bell? And what does a black pixel
# turn into: 0?

# %%
bins = torch.linspace(-0.5, 255.5, 33).expand(3, -1)  # of 8 bytes each, and the same ones after normalising
moved = (bins / 255 - torch.tensor(MEAN)[:, None]) / torch.tensor(STD)[:, None]
edges = {"byte": bins, "normalised": moved}
values = {"byte": some.permute(3, 0, 1, 2).float(), "normalised": normalize(some).permute(1, 0, 2, 3)}
panels = {}
for name, channels in values.items():
    pairs = zip(channels, edges[name], strict=True)
    panels[name] = (edges[name], torch.stack([torch.histogram(x.flatten(), e, density=True).hist for x, e in pairs]))
before, after = (f"{channels.mean():.1f} and {channels.std():.1f}" for channels in values.values())
title = f"Mean and spread: {before} become {after}"
viz.show(viz.histograms(panels, title, f"{data.name}, {len(some):,} training pictures", "density"))

# %% tags=["nbval-check-output"]
extremes = torch.stack([torch.full((32, 32, 3), value, dtype=torch.uint8) for value in (0, 255)])
for name, picture in zip(("black", "white"), normalize(extremes), strict=True):
    print(f"{name} becomes", [round(v, 2) for v in picture[:, 0, 0].tolist()])
print("0 is the colour", [round(255 * v) for v in MEAN], "a greyish brown")
batch = normalize(some)
single = batch.mean((1, 2, 3))
print(f"mean of all pictures: {batch.mean():.2f}; of single ones: {single.min():.2f} to {single.max():.2f}")

# %% [markdown]
# A broad hump that might pass for a bell, and at the far right a spike: pixels that are plainly white, in overexposed
# skies and before white backgrounds.
# Normalising removes neither. It moves and stretches; it does not bend.
#
# And black is not 0. Zero is the *average colour*, so a place filled with zeros looks grey to the network, not black.
# You will use that in a moment.
#
# The last line is the one to remember. The *training set* has mean 0. A *single* picture has not, and must not: a
# dark picture stays dark. That is information.

# %% [markdown]
# ### Exercise: find the bug
#
# *Difficulty 2 of 5, about 10 minutes.* This was shipped in an app. It worked on every photograph that its author
# tried. Run it, and look at what it does to a plain wall and to a picture taken at dusk. Then write `prepare_upload`,
# which does right what `shipped` does wrong; `MEAN` and `STD` are at hand.


# %% tags=["nbval-check-output"]
def shipped(image):
    pixels = image.float() / 255
    pixels = (pixels - pixels.mean(dim=(0, 1))) / pixels.std(dim=(0, 1))
    return pixels.permute(2, 0, 1)[None]


wall = torch.full((32, 32, 3), 200, dtype=torch.uint8)
day = train.images[0] // 2 * 2
dusk = day // 2
print("a wall:     ", "all finite?", shipped(wall).isfinite().all().item())
print("day or dusk:", f"they differ by at most {(shipped(day) - shipped(dusk)).abs().max():.4f}")


# %% tags=["nbval-check-output"]
def prepare_upload(image):
    """One picture, (32, 32, 3) uint8 → (1, 3, 32, 32) float32, as the network knows it from training."""
    raise NotImplementedError


check("prepare_upload", prepare_upload)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# Whose mean is subtracted in `shipped`? Whose should it be? The rest of the function is right.
#
# </details>
# <details>
# <summary>Solution</summary>
#
# The picture was normalised by its own mean and standard deviation. A wall has no spread, so that 0 is divided by 0;
# and every picture comes out equally bright, which the network has never seen in training. Nothing crashes: the app
# just gives poor answers, and no number for a wall.
#
# ```python
# def prepare_upload(image):
#     pixels = image.float() / 255
#     pixels = (pixels - torch.tensor(MEAN)) / torch.tensor(STD)
#     return pixels.permute(2, 0, 1)[None]
# ```
#
# Shorter, and better since there is only one place to get it wrong: `return normalize(image)`.
#
# </details>

# %% [markdown]
# ## 4. Augmentation
#
# A network with 6.6 million parameters can learn 50,000 pictures by heart. Then it knows them, and nothing else. The
# remedy is never to show it the same picture twice. Shift it, mirror it, cover a part: it is still a horse.
#
# **Predict first.** Shift by up to 4 pixels each way, and mirror or not. How many different pictures does that make
# of one?

# %% tags=["nbval-check-output"]
shifts, mirrored = 9 * 9, 2
print("of one picture:  ", shifts * mirrored)
print("of all:          ", f"{shifts * mirrored * len(train.labels):,}")
print("with a hole of 8:", f"{shifts * mirrored * 25 * 25:,} of each")

# %% [markdown]
# In a run of 24 epochs the network sees each picture 24 times. With shifts and mirrors alone, some view comes back now
# and then. With a hole on top, hardly ever.
#
# When a picture is shifted, something has to come in at the edge. Black is a poor choice: a sharp bar that exists in
# no photograph. Better to reflect what is there, as a mirror at the edge would.

# %% [markdown]
# ### Exercise: shift by cropping
#
# *Difficulty 3 of 5, about 15 minutes.* Pad each picture by 4 pixels of reflection on all sides. That makes 40 × 40.
# Then cut out a window of 32 × 32, each picture at a place of its own.


# %% tags=["nbval-check-output"]
def reflect_crop(images, top, left):
    """(N, 3, 32, 32) float, top (N,) and left (N,) int64 from 0 to 8 → (N, 3, 32, 32): each image's own window."""
    raise NotImplementedError


check("reflect_crop", reflect_crop)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# `F.pad(images, (4, 4, 4, 4), mode=...)` pads left, right, top and bottom. Then go through pictures, tops and lefts
# with `zip`, slice each one, and put them together with `torch.stack`. A shift of nothing is `top = left = 4`.
#
# </details>
# <details>
# <summary>Solution</summary>
#
# ```python
# def reflect_crop(images, top, left):
#     padded = F.pad(images, (4, 4, 4, 4), mode="reflect")
#     windows = [image[:, t : t + 32, x : x + 32] for image, t, x in zip(padded, top, left)]
#     return torch.stack(windows)
# ```
#
# The package does the same with one indexing operation for the whole batch and no padded copy: read `crop_and_flip`
# in `s12lib/data/augment.py`.
#
# </details>

# %% tags=["nbval-check-output"]
from s12lib.data.augment import cutout

reflect_crop = use("reflect_crop", reflect_crop)
chooser = torch.Generator().manual_seed(1)  # a generator of our own: the same pictures every time
mean, std = (torch.tensor(numbers)[:, None, None] for numbers in (MEAN, STD))
top, left = torch.randint(0, 9, (2, 7), generator=chooser)
corner = torch.randint(0, 25, (7, 2), generator=chooser)
horse = train.images[train.labels == 7][3].permute(2, 0, 1)[None].expand(7, -1, -1, -1) / 255
black = torch.stack([F.pad(x, (4,) * 4)[:, t : t + 32, c : c + 32] for x, t, c in zip(horse, top, left, strict=True)])
changed = {
    "as it is": horse[:1],
    "shifted,\nblack edge": black,
    "shifted,\nreflected": reflect_crop(horse, top, left),
    "mirrored": horse[:1].flip(-1),
    "cutout": (cutout((horse - mean) / std, corner, 8) * std + mean).clamp(0, 1),  # after normalising, as in training
}
rows = {name: x.permute(0, 2, 3, 1) for name, x in changed.items()}
viz.show(viz.image_rows(rows, f"It is still the same {data.classes[7]}", f"{data.name}, one training picture"))

# %% [markdown]
# Compare the second row with the third. The black bars would be the most striking thing in the picture, and would
# tell the network something about *our* shifting, and nothing about horses.
#
# In the last row the hole is grey: cutout comes after normalising, and zero is the average colour, as you saw above.
#
# What may be done to a picture depends on what it shows. A mirrored horse is a horse. A mirrored *b* is a *d*, and an
# upside-down ship is sinking.
#
# **Predict first.** Usually a coin is tossed for each picture in each epoch: mirror it or not. In two epochs, how
# many pictures are shown both ways?

# %% tags=["nbval-check-output"]
from s12lib.data.augment import Augmentation

for kind in ("random", "alternating"):
    policy = Augmentation(crop=4, flip=kind)
    (_, one, _), (_, two, _) = (policy.draw(len(train.labels), seed=0, epoch=epoch) for epoch in (0, 1))
    print(f"{kind:<12} {(one != two).float().mean():.0%} of the pictures were shown both ways in two epochs")

# %% [markdown]
# Tossing a coin wastes half of the second epoch's mirroring. Keller Jordan noticed in 2024 that one can toss it *once*
# and then alternate. It costs nothing, and shortens training a little. Good ideas are still lying about.

# %% [markdown]
# ## 5. The batch
#
# PyTorch Lightning keeps all this in one place, a `LightningDataModule`: where the data come from, how they are
# split, and what the loaders yield. Ours is `s12lib.CIFAR10`. It keeps bytes, and makes finished batches from them,
# augmented and normalised.

# %% tags=["nbval-check-output"]
loader = data.train_dataloader()
images, labels = next(iter(loader))
print("images", tuple(images.shape), images.dtype, f"mean {images.mean():.2f}, standard deviation {images.std():.2f}")
print("labels", tuple(labels.shape), labels.dtype)
print(f"{len(loader)} batches make an epoch; {len(train.labels) % len(labels)} pictures sit out, others each time")

# %% [markdown]
# To look at a batch, undo the normalising: multiply by the standard deviation, add the mean. This is the picture from
# the top of the lesson.

# %% tags=["goal"]
seen = images[:10].permute(0, 2, 3, 1) * torch.tensor(STD) + torch.tensor(MEAN)
names = [data.classes[label] for label in labels[:10]]
where = f"{data.name}, training set, augmented"
viz.show(viz.image_grid(seen.clamp(0, 1), names, f"{len(seen)} pictures as a network meets them", where))

# %% [markdown]
# Look along the edges: here and there a strip is doubled. That is the reflection, and it is much harder to notice
# than a black bar.

# %% [markdown]
# ## 6. Why the validation set is not the test set
#
# You will make choices: a learning rate, a schedule, when to stop. To choose, you compare on pictures that were not
# trained on. Which ones?
#
# Much published code for this very network compares on the *test set*, epoch by epoch, and reports the best. Does
# that do any harm? Nothing is trained on it, after all.
#
# **Predict first.** Take 100 networks that are all *equally good*: each gets every picture right with probability
# 94%. All take the same exam of 10,000 pictures, and you keep the one with the best mark. How good does it look? How
# good is it?

# %% tags=["nbval-check-output"]
luck = torch.Generator().manual_seed(0)
exam, truth, tries = 10_000, 0.94, [1, 3, 10, 30, 100]
spread = (truth * (1 - truth) / exam) ** 0.5  # of a mark: 10,000 tosses of a coin that shows heads in 94%
marks = truth + spread * torch.randn(2000, max(tries), generator=luck)  # the whole story, told 2,000 times
best = [marks[:, :n].amax(1).mean().item() for n in tries]
for n, mark in zip(tries, best, strict=True):
    print(f"the best of {n:>3} looks like {mark:.2%}, and is {truth:.2%}")

# %%
curves = {"the mark it was chosen by": (tries, best), "its mark on new pictures": (tries, [truth] * len(tries))}
title = f"Choose among {tries[-1]} equals, and {100 * (best[-1] - truth):.1f} points appear from nowhere"
axis = "how many you choose from"
viz.show(viz.lines(curves, title, "Simulated marks: no dataset", axis, "accuracy", marker="o"))

# %% [markdown]
# Nobody cheated. You looked often, and kept the luckiest. Every look is a ticket in the lottery, and an epoch is a
# look too.
#
# Be fair: real networks stumble over the same hard pictures, and neighbouring epochs are nearly the same network, so
# that their marks differ less than coins and the gain is smaller. It is never negative, nobody can subtract it
# afterwards, and many a trick with a paper of its own is no larger.
#
# So there are three sets:
#
# - the **training set**, which the network learns from;
# - the **validation set**, split off the training set, which *you* learn from: look as often as you like;
# - the **test set**, which is opened at the end, when there is nothing left to choose.

# %% [markdown]
# ### Exercise: hold out
#
# *Difficulty 3 of 5, about 15 minutes.* Split off a validation set in which every class has the same number of
# pictures. Let no picture get lost and none be in both parts. And let it be the same split tomorrow.


# %% tags=["nbval-check-output"]
def hold_out(labels, per_class):
    """(N,) int64 → two int64 tensors: the indices to train on, and per_class indices of each class to validate on."""
    raise NotImplementedError


check("hold_out", hold_out)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# `torch.nonzero(labels == 3)[:, 0]` are the indices of class 3, in order. Take the last few of each class, and put
# them together with `torch.cat`. For the rest, a mask of `True` that you set to `False` at those indices will do.
#
# </details>
# <details>
# <summary>Solution</summary>
#
# ```python
# def hold_out(labels, per_class):
#     held = [torch.nonzero(labels == label)[-per_class:, 0] for label in range(10)]
#     validation = torch.cat(held)
#     training = torch.ones(len(labels), dtype=torch.bool)
#     training[validation] = False
#     return torch.nonzero(training)[:, 0], validation
# ```
#
# No chance is needed, since CIFAR-10's pictures are in no particular order. If you like chance, give it a generator
# with a fixed seed.
#
# </details>

# %% tags=["nbval-check-output"]
hold_out = use("hold_out", hold_out)
inner, held = hold_out(train.labels, 100)
print(f"{len(inner):,} to train on, {len(held):,} to validate on")
print("of each class:", torch.bincount(train.labels[held]).tolist())

# %% [markdown]
# One more check belongs here, before anything is trained. A test picture that is also a training picture tests
# nothing but memory.
#
# **Predict first.** How many of the test pictures are, byte for byte, in the training set?

# %% tags=["nbval-check-output"]
known = {picture.numpy().tobytes() for split in (train, validation) for picture in split.images}
copies = sum(picture.numpy().tobytes() in known for picture in data.splits["test"].images)
print(f"{copies} of {len(data.splits['test'].labels):,} test pictures of {data.name} are exact copies")

# %% [markdown]
# None, byte for byte. But somebody has looked closer: Barz and Denzler (2019) compared the pictures by what they
# show, and found that 3.3% of the test pictures have a near copy among the training pictures, the same photograph in
# another crop or another brightness. Looking for exact copies is the easy half of the work.

# %% [markdown]
# ## Mistakes that people really make here
#
# Each of these was found in published code for this very exercise.
#
# - **The test set used as validation set**, the best epoch reported. You have seen what that is worth.
# - **An upload normalised by its own mean.** It works in every demonstration, until somebody uploads a plain picture.
# - **Blue and red exchanged.** Some libraries read pictures as BGR. Nothing crashes, and the accuracy drops.
# - **A schedule's `total_steps` computed from another split's size.** (Lesson 03 meets it.) Then the learning rate
#   never comes down. Take it from the loader that you train with: `len(loader)`.
# - **Augmenting the validation set too.** Then the mark changes from one look to the next.

# %% [markdown]
# ## Recap
#
# In this lesson you have
#
# - **described** CIFAR-10: its counts, its shapes, and two numbers to beat, chance and the nearest average;
# - **normalised** pictures by six numbers of the training set, and mended an app that took each picture's own;
# - **augmented** pictures by shifting, mirroring and covering, with nothing black coming in at the edges;
# - **split** the data in three, and measured what it costs to choose on the set you report.
#
# **Next:** [02 · The network](02_model.ipynb) takes such a batch and follows it to the end, shape by shape.

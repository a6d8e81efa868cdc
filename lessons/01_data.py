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
# Minutes to run: 1 on a GPU, 1 on a CPU. Reading and solving takes about an hour
# and a half.
#
# You need: Python, and a first acquaintance with NumPy arrays. The [glossary](../book/glossary.md)
# explains every term.

# %% [markdown]
# ## Where this lesson ends
#
# ![Ten images of the CIFAR-10 training set as they go into the network: shifted by a few pixels, some of them
# mirrored, each with its class below.](images/01_data.png)
#
# These are ten images of a batch, the way the network gets them. Every one has been changed at random on the way.
# By the end you will know by what, and why.

# %% [markdown]
# ## You will be able to
#
# - **describe** CIFAR-10 in numbers, and say what a network must beat to have learned anything;
# - **normalise** images by the training set's statistics, and spot code that does it wrong;
# - **augment** images without changing what they show;
# - **split** data so that the number at the end can be believed.

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
# ## 1. What is in the box
#
# CIFAR-10 was collected by Alex Krizhevsky, Vinod Nair and Geoffrey Hinton, and published in 2009
# ([Krizhevsky, 2009](../book/references.md#krizhevsky-2009)). Images were searched for by name on the web, and people
# threw out what did not fit: drawings, and whatever does not show one such thing prominently. What remained are 60,000
# colour images of ten kinds of things.
#
# Each is 32 pixels high and 32 wide, with three [channels](../book/glossary.md#term-channel): red, green and blue.
# A pixel's channel is a byte, from 0 (dark) to 255 (bright).

# %% [markdown]
# > **Predict first.** A phone's photograph has about twelve million pixels. How many images of CIFAR-10 fit into one?
# >
# > <!-- guess: {{12_000_000 // (32 * 32)}} images -->

# %% tags=["nbval-check-output", "reveal"]
train, validation = data.splits["train"], data.splits["validation"]
height, width, channels = train.images[0].shape
12_000_000 // (height * width)

# %% [markdown]
# > **Finding.** One photograph holds the pixels of {{12_000_000 // (height * width):,}} images. All
# > {{len(train.labels):,}} training images together are fewer than four photographs.

# %% [markdown]
# Look at some, one row a class.

# %% tags=["hide-input"]
# @title Draw eight images of each class
first = {
    name: train.images[train.labels == k][:8]
    for k, name in enumerate(data.classes)
}
title = f"What {height} × {width} pixels leave of an image"
where = f"{data.name}, the training set's first images"
viz.show(viz.image_rows(first, title, where))

# %% [markdown]
# Cover the names and try a few. Most are easy, which is remarkable, for you have hardly anything to go by. Some are
# not: a bird that is all neck, a frog the colour of its mud, a close-up of a cat.
#
# A second thing to notice: one thing fills nearly every image. Somebody has chosen them so. A photograph that a
# stranger uploads has not been chosen, and the lesson on the app will have to live with that.
#
# How many are there of each class?

# %% tags=["nbval-check-output"]
counts = {
    name: torch.bincount(split.labels, minlength=len(data.classes))
    for name, split in data.splits.items()
}
counts

# %% [markdown]
# > **Finding.** Every class is equally frequent. Somebody who always says *cat* is right in one case of ten. That is
# > [chance level](../book/glossary.md#term-chance-level), the first number that a network must beat.

# %% [markdown]
# ## 2. What can be told without a network
#
# Average all training images of a class, pixel by pixel. This gives ten images, one for each class. Then give each new
# image the class whose average is nearest, by the sum of the squared differences of their pixels. Whether you call this
# a classifier or a joke, it is a [baseline](../book/glossary.md#term-baseline).

# %%
averages = torch.stack(
    [
        train.images[train.labels == k].float().mean(0)
        for k in range(len(data.classes))
    ]
)

# %% tags=["hide-input"]
# @title Draw the ten averages
low = averages.amin((1, 2, 3), keepdim=True)
high = averages.amax((1, 2, 3), keepdim=True)
stretched = (averages - low) / (high - low)
apart = torch.pdist(averages.flatten(1)) / averages[0].numel() ** 0.5
title = (
    f"Two averages differ by {apart.min():.0f} to {apart.max():.0f} "
    "of 255 grey levels"
)
where = f"{data.name}, training set; contrast stretched"
viz.show(viz.image_grid(stretched, data.classes, title, where))

# %% [markdown]
# Airplanes and ships have blue behind them, frogs and deer have not, and a car is something broad in the middle.

# %% [markdown]
# > **Predict first.** How often is the class of the nearest average the right one, in per cent? And which classes will
# > be found least often?
# >
# > <!-- guess: {{100 * right.float().mean():.1f}} % -->

# %%
pixels = validation.images.flatten(1).float()
nearest = torch.cdist(pixels, averages.flatten(1)).argmin(1)
right = nearest == validation.labels

# %% tags=["hide-input", "nbval-check-output", "reveal"]
# @title Print it class by class
bright = dict(zip(data.classes, averages.mean((1, 2, 3)), strict=True))
found, taken = {}, {}
print(f"{right.float().mean():.1%} right, validation set of {data.name}")
print("class       brightness   found   nearest to")
for k, name in enumerate(data.classes):
    found[name] = right[validation.labels == k].float().mean()
    taken[name] = (nearest == k).float().mean()
    numbers = (
        f"{bright[name]:10.0f}  {found[name]:6.1%}  {taken[name]:11.1%}"
    )
    print(f"{name:<11} {numbers}")

# %% [markdown]
# *Found* is the share of a class's images that are recognised; *nearest to* is the share of all images that are nearest
# to that class's average, of which a tenth would be fair. The averages at the ends collect the images: the darkest and
# the brightest. Those in the middle get few, since for nearly every image some other average is nearer.
#
# > **Finding.** The nearest average is right for {{right.float().mean():.1%}} of the images, well above chance. It owes
# > this to brightness and colour: the darkest average, the frog's, is nearest to {{taken["frog"]:.0%}} of all images,
# > and the brightest, the airplane's, to {{taken["airplane"]:.0%}}. Birds ({{found["bird"]:.1%}}) and cats
# > ({{found["cat"]:.1%}}) are found less often than by guessing.

# %% [markdown]
# This is worth remembering. A classifier can be right for a poor reason: the sky instead of the wing, the water instead
# of the hull. When your network says *ship*, has it seen a ship? [Lesson 05](05_gradcam.ipynb) asks it. For now, you
# have a second number to beat. A network below it has not even learned where the sky is.

# %% [markdown]
# ## 3. Normalising
#
# Each channel gets its mean subtracted, and is then divided by its standard deviation
# ([normalisation](../book/glossary.md#term-normalisation)):
#
# $$
# x = \frac{\text{byte}/255 - \text{mean}}{\text{standard deviation}}
# $$
#
# Mean and standard deviation of what? Of that channel, over **all pixels of all training images**: six numbers, found
# once and then fixed.
#
# Why at all? Gradient descent goes fastest when the inputs lie around 0 and have the same spread
# ([LeCun et al., 1998](../book/references.md#lecun-1998)). Our network is not fussy: its first layer is followed by
# [BatchNorm](../book/glossary.md#term-BatchNorm), which centres and scales once more, so other constants would do
# nearly as well. What it cannot stand is other constants *than in training*.

# %% [markdown]
# ### Exercise: the six numbers
#
# > **Difficulty 1 of 5, about 5 minutes.** Compute the mean and the standard deviation of each channel over all pixels
# > of all images. Work in units of 0 to 1, so that they do not depend on how the images are stored.
# > `images` is a tensor (N, H, W, 3) of bytes; return two tensors of shape (3,).


# %% tags=["nbval-check-output"]
def channel_statistics(images):
    """(N, H, W, 3) uint8 → mean (3,), std (3,), both in [0, 1] units."""
    raise NotImplementedError


check("channel_statistics", channel_statistics)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# The channels are on the last axis. `tensor.mean(dim=(0, 1))` averages over the first two axes; you need three of
# them.
#
# </details>
# <details>
# <summary>Second hint</summary>
#
# Bytes cannot be averaged, so turn them into floats first, and divide these by 255. Then take `mean` and `std` over
# `dim=(0, 1, 2)`.
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
mean, std = channel_statistics(train.images[::9])  # 5,000 are plenty
torch.stack([mean, torch.tensor(MEAN), std, torch.tensor(STD)])

# %% [markdown]
# The rows are your means and the package's, then your standard deviations and the package's, which come from all 50,000
# images, validation included. Every ninth image is enough. What matters is to use *the same* numbers everywhere.
#
# Now the whole of normalising. From here on it is `s12lib.normalize`, the one function for training, testing and the
# app. It takes `(N, 32, 32, 3)` bytes and returns `(N, 3, 32, 32)` floats: PyTorch wants the channels before the rows.
# `permute` reorders the axes.


# %%
def normalize_by_hand(images):
    pixels = images.float() / 255
    pixels = (pixels - torch.tensor(MEAN)) / torch.tensor(STD)
    return pixels.permute(0, 3, 1, 2)


some = train.images[:2000]
torch.testing.assert_close(normalize_by_hand(some), normalize(some))

# %% [markdown]
# > **Predict first.** What will the histogram of the normalised pixels look like? A bell? And into what number does a
# > black pixel's red turn?
# >
# > <!-- guess: {{normalize(torch.zeros(1, 32, 32, 3, dtype=torch.uint8))[0, 0, 0, 0]:.2f}} -->

# %% tags=["hide-input", "reveal"]
# @title Draw the histograms before and after
means, stds = torch.tensor(MEAN)[:, None], torch.tensor(STD)[:, None]
bins = torch.linspace(-0.5, 255.5, 33).expand(3, -1)  # of 8 bytes each
edges = {"byte": bins, "normalised": (bins / 255 - means) / stds}
raw = some.permute(3, 0, 1, 2).flatten(1).float()
values = {
    "byte": raw,
    "normalised": normalize(some).transpose(0, 1).flatten(1),
}
panels = {}
for name, colours in values.items():
    pairs = zip(colours, edges[name], strict=True)
    bars = [torch.histogram(x, e, density=True)[0] for x, e in pairs]
    panels[name] = (edges[name], torch.stack(bars))
before, after = (
    f"{x.mean():.1f} and {x.std():.1f}" for x in values.values()
)
title = f"Mean and spread: {before} become {after}"
where = f"{data.name}, {len(some):,} training images"
viz.show(viz.histograms(panels, title, where, "density"))

# %% tags=["nbval-check-output"]
black = torch.zeros(1, 32, 32, 3, dtype=torch.uint8)
normalize(black)[0, :, 0, 0]

# %% [markdown]
# A broad hump that might pass for a bell, and at the far right a spike: pixels that are plainly white, in overexposed
# skies and before white backgrounds. Normalising removes neither. It moves and stretches; it does not bend.
#
# And what of a single image? The *training set* has mean 0. One image has not.

# %% tags=["nbval-check-output"]
batch = normalize(some)
single = batch.mean((1, 2, 3))
batch.mean(), single.min(), single.max()

# %% [markdown]
# > **Finding.** Black is not 0 but {{normalize(black)[0, 0, 0, 0]:.2f}} in red: zero is the *average colour*, so a
# > place filled with zeros looks greyish brown to the network. All images together have mean
# > {{abs(batch.mean()):.2f}}; single ones have means from {{single.min():.1f}} to {{single.max():.1f}}, and must. A
# > dark image stays dark. That is information.

# %% [markdown]
# ### Exercise: find the bug
#
# > **Difficulty 2 of 5, about 10 minutes.** The function `shipped` below was part of an app. It worked on every
# > photograph that its author tried. Run it, and look at what it does to a plain wall and to an image taken at dusk.
# > Then write `prepare_upload`, which does right what `shipped` does wrong. It gets one image (32, 32, 3) of bytes and
# > returns a batch of one, (1, 3, 32, 32) in float32, as the network knows it from training. `MEAN` and `STD` are at
# > hand, two tuples of three numbers.


# %% tags=["nbval-check-output"]
def shipped(image):
    pixels = image.float() / 255
    mean, std = pixels.mean(dim=(0, 1)), pixels.std(dim=(0, 1))
    return ((pixels - mean) / std).permute(2, 0, 1)[None]


wall = torch.full((32, 32, 3), 200, dtype=torch.uint8)
day = train.images[0] // 2 * 2
dusk = day // 2
print("a wall: all finite?", shipped(wall).isfinite().all().item())
gap = (shipped(day) - shipped(dusk)).abs().max()
print(f"day or dusk: they differ by at most {gap:.4f}")


# %% tags=["nbval-check-output"]
def prepare_upload(image):
    """(32, 32, 3) uint8 → (1, 3, 32, 32) float32, normalised."""
    raise NotImplementedError


check("prepare_upload", prepare_upload)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# Whose mean is subtracted in `shipped`? Whose was it in training?
#
# </details>
# <details>
# <summary>Second hint</summary>
#
# Only the line that computes `mean` and `std` is wrong. `torch.tensor(MEAN)` has shape (3,), which fits the last axis
# of the pixels.
#
# </details>
# <details>
# <summary>Solution</summary>
#
# The image was normalised by its own mean and standard deviation. A wall has no spread, so that 0 is divided by 0; and
# every image comes out equally bright, which this network has never seen in training. Nothing crashes: the app just
# gives poor answers, and no number for a wall.
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
# Standardising each image by itself is no sin as such. Some networks are trained so, and want it. The bug is the
# *mismatch* between training and app.
#
# </details>

# %% [markdown]
# ## 4. Augmentation
#
# A network with 6.6 million [parameters](../book/glossary.md#term-parameter) can learn 50,000 images by heart. Then it
# knows them, and nothing else. The remedy: hardly ever show it the same image twice. Shift it, mirror it, cover a
# part: it is still a horse. This is [augmentation](../book/glossary.md#term-augmentation).

# %% [markdown]
# > **Predict first.** Shift by up to 4 pixels each way, up or down and left or right, and mirror or not. How many
# > different images does that make of one?
# >
# > <!-- guess: {{views}} -->

# %% tags=["nbval-check-output", "reveal"]
shifts = 9 * 9  # from -4 to +4, in both directions
views = shifts * 2  # mirrored or not
views, views * 25 * 25  # with a hole of 8 × 8 pixels, too

# %% [markdown]
# > **Finding.** One image becomes {{views}}. In a run of 24 [epochs](../book/glossary.md#term-epoch), passes
# > through the training set, some view comes back now and then. With a hole on top
# > ([cutout](../book/glossary.md#term-cutout)) there are {{views * 25 * 25:,}}, and hardly any comes back.

# %% [markdown]
# When an image is shifted, something has to come in at the edge. Black is a poor choice: a sharp bar that exists in no
# photograph. Better to reflect what is there, as a mirror at the edge would.

# %% [markdown]
# ### Exercise: shift by cropping
#
# > **Difficulty 3 of 5, about 15 minutes.** Pad each image by 4 pixels of reflection on all sides. That makes 40 × 40.
# > Then cut out a window of 32 × 32, each image at a place of its own: `top[i]` and `left[i]`, from 0 to 8, are the
# > first row and the first column of image i's window. `images` is (N, 3, 32, 32), and so is the result.


# %% tags=["nbval-check-output"]
def reflect_crop(images, top, left):
    """(N, 3, 32, 32) float, (N,) and (N,) int64 → (N, 3, 32, 32)."""
    raise NotImplementedError


check("reflect_crop", reflect_crop)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# `F.pad(images, (4, 4, 4, 4), mode=...)` pads left, right, top and bottom. A shift of nothing is `top = left = 4`.
#
# </details>
# <details>
# <summary>Second hint</summary>
#
# Go through the padded images, tops and lefts with `zip`, slice each one, `image[:, t : t + 32, x : x + 32]`, and put
# them together with `torch.stack`.
#
# </details>
# <details>
# <summary>Solution</summary>
#
# ```python
# def reflect_crop(images, top, left):
#     padded = F.pad(images, (4, 4, 4, 4), mode="reflect")
#     windows = [
#         image[:, t : t + 32, x : x + 32]
#         for image, t, x in zip(padded, top, left)
#     ]
#     return torch.stack(windows)
# ```
#
# The package does the same with one indexing operation for the whole batch and no padded copy: read `crop_and_flip`
# in `s12lib/data/augment.py`.
#
# </details>

# %% tags=["nbval-check-output"]
reflect_crop = use("reflect_crop", reflect_crop)
chooser = torch.Generator().manual_seed(1)  # the same images every time
top, left = torch.randint(0, 9, (2, 7), generator=chooser)
corner = torch.randint(0, 25, (7, 2), generator=chooser)
horse = train.images[train.labels == 7][3].permute(2, 0, 1)[None] / 255
shifted = reflect_crop(horse.expand(7, -1, -1, -1), top, left)

# %% tags=["hide-input"]
# @title Draw what becomes of one image
from s12lib.data.augment import cutout

mean, std = (torch.tensor(x)[:, None, None] for x in (MEAN, STD))
padded = F.pad(horse[0], (4, 4, 4, 4))
places = zip(top, left, strict=True)
black = [padded[:, t : t + 32, x : x + 32] for t, x in places]
holes = cutout(((horse - mean) / std).repeat(7, 1, 1, 1), corner, 8)
changed = {
    "as it is": horse,
    "shifted,\nblack edge": torch.stack(black),
    "shifted,\nreflected": shifted,
    "mirrored": horse.flip(-1),
    "cutout": (holes * std + mean).clamp(0, 1),
}
rows = {name: x.permute(0, 2, 3, 1) for name, x in changed.items()}
title = f"It is still the same {data.classes[7]}"
viz.show(viz.image_rows(rows, title, f"{data.name}, one training image"))

# %% [markdown]
# Compare the second row with the third. The black bars would be the most striking thing in the image, and would tell
# the network something about *our* shifting. In the last row the hole is grey: cutout comes
# after normalising, and zero is the average colour.
#
# What may be done to an image depends on what it shows. A mirrored horse is a horse. A mirrored *b* is a *d*, and an
# upside-down ship is sinking.

# %% [markdown]
# > **Predict first.** Usually a coin is tossed for each image in each epoch: mirror it or not. In two epochs, how many
# > per cent of the images are shown both ways?
# >
# > <!-- guess: {{100 * both["random"]:.0f}} % -->

# %% tags=["nbval-check-output", "reveal"]
from s12lib.data.augment import Augmentation

both = {}
for kind in ("random", "alternating"):
    policy = Augmentation(crop=4, flip=kind)
    _, first, _ = policy.draw(len(train.labels), seed=0, epoch=0)
    _, second, _ = policy.draw(len(train.labels), seed=0, epoch=1)
    both[kind] = (first != second).float().mean()
both

# %% [markdown]
# > **Finding.** Tossing a coin shows {{both["random"]:.0%}} of the images both ways, and wastes half of the second
# > epoch's mirroring. Tossing it *once* and then alternating ([Jordan, 2024](../book/references.md#jordan-2024)) shows
# > {{both["alternating"]:.0%}}. It costs nothing, and shortens training a little.

# %% [markdown]
# ## 5. The batch
#
# PyTorch Lightning keeps all this in one place, a `LightningDataModule`: where the data come from, how they are split,
# and what the loaders yield. Ours is `s12lib.CIFAR10`. It keeps bytes, and makes finished
# [batches](../book/glossary.md#term-batch) from them, augmented and normalised.

# %% tags=["nbval-check-output"]
loader = data.train_dataloader()
images, labels = next(iter(loader))
left_over = len(train.labels) % len(labels)
images.shape, images.dtype, labels.shape, len(loader), left_over

# %% [markdown]
# > **Finding.** {{len(loader)}} batches of {{len(labels)}} make an epoch, and {{left_over}} images sit out, others in
# > each epoch.

# %% [markdown]
# To look at a batch, undo the normalising: multiply by the standard deviation, add the mean. This is the image from the
# top of the lesson.

# %%
seen = images[:10].permute(0, 2, 3, 1) * torch.tensor(STD)
seen = (seen + torch.tensor(MEAN)).clamp(0, 1)

# %% tags=["goal", "hide-input"]
# @title Draw ten images of a batch
names = [data.classes[label] for label in labels[:10]]
title = f"{len(seen)} images as a network meets them"
where = f"{data.name}, training set, augmented"
viz.show(viz.image_grid(seen, names, title, where))

# %% [markdown]
# Look along the edges: here and there a strip is doubled. That is the reflection.

# %% [markdown]
# ## 6. Why the validation set is not the test set
#
# You will make choices: a learning rate, a schedule, when to stop. To choose, you compare on images that were not
# trained on. Which ones?
#
# Much published code for this very network compares on the [test set](../book/glossary.md#term-test-set), epoch by
# epoch, and reports the best. Does that do any harm? Nothing is trained on it, after all.

# %% [markdown]
# > **Predict first.** Take 100 networks that are all *equally good*: each gets every image right with probability 94%.
# > All take the same exam of 10,000 images, and you keep the one with the best mark. What is its mark, in per cent?
# >
# > <!-- guess: {{100 * best[-1]:.2f}} % -->

# %% tags=["nbval-check-output", "reveal"]
luck = torch.Generator().manual_seed(0)
exam, truth, tries = 10_000, 0.94, [1, 3, 10, 30, 100]
spread = (truth * (1 - truth) / exam) ** 0.5  # of one mark
marks = truth + spread * torch.randn(2000, 100, generator=luck)
best = [marks[:, :n].amax(1).mean().item() for n in tries]
gain = 100 * (best[-1] - truth)  # in points
[round(mark, 4) for mark in best]

# %% [markdown]
# The best of 1, 3, 10, 30 and 100, averaged over 2,000 exams.
#
# > **Finding.** The best of {{tries[-1]}} looks like {{best[-1]:.2%}}, and is {{truth:.2%}}. Nobody cheated. You looked
# > often, and kept the luckiest. Every look is a ticket in the lottery, and an epoch is a look too.

# %% [markdown]
# Be fair: real networks stumble over the same hard images, and neighbouring epochs are nearly the same network, so that
# their marks differ less than coins and the gain is smaller. On average it is never negative, nobody can subtract it
# afterwards, and many a trick with a paper of its own is no larger.
#
# So there are three sets:
#
# - the [training set](../book/glossary.md#term-training-set), which the network learns from;
# - the [validation set](../book/glossary.md#term-validation-set), split off the training set, which *you* learn from:
#   look often, though each look flatters a little;
# - the **test set**, which is opened at the end, when there is nothing left to choose.

# %% [markdown]
# ### Exercise: hold out
#
# > **Difficulty 3 of 5, about 15 minutes.** Split off a validation set in which every class has the same number of
# > images, `per_class`. Let no image get lost and none be in both parts. And let it be the same split tomorrow.
# > `labels` is (N,), from 0 to 9; return two int64 tensors: the indices to train on, and those to validate on.


# %% tags=["nbval-check-output"]
def hold_out(labels, per_class):
    """(N,) int64 → training indices, validation indices, both int64."""
    raise NotImplementedError


check("hold_out", hold_out)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# `torch.nonzero(labels == 3)[:, 0]` are the indices of class 3, in order. Take the last few of each class.
#
# </details>
# <details>
# <summary>Second hint</summary>
#
# Put the ten pieces together with `torch.cat`. For the rest, make a mask of `True`, set it to `False` at those
# indices, and ask `torch.nonzero` where it is still true.
#
# </details>
# <details>
# <summary>Solution</summary>
#
# ```python
# def hold_out(labels, per_class):
#     places = [torch.nonzero(labels == label)[:, 0] for label in range(10)]
#     held = [each[len(each) - per_class :] for each in places]
#     validation = torch.cat(held)
#     training = torch.ones(len(labels), dtype=torch.bool)
#     training[validation] = False
#     return torch.nonzero(training)[:, 0], validation
# ```
#
# Not `each[-per_class:]`: with `per_class = 0` that would be all of them. No chance is needed, since CIFAR-10's images
# are in no particular order. If you like chance, give it a generator with a fixed seed.
#
# </details>

# %% tags=["nbval-check-output"]
hold_out = use("hold_out", hold_out)
inner, held = hold_out(train.labels, 100)
len(inner), len(held), torch.bincount(train.labels[held])

# %% [markdown]
# One more check, before anything is trained: a test image that is also a training image tests nothing but memory.

# %% [markdown]
# > **Predict first.** How many of the 10,000 test images are, byte for byte, in the training set?
# >
# > <!-- guess: {{copies}} -->

# %% tags=["nbval-check-output", "reveal"]
known = {
    image.numpy().tobytes()
    for split in (train, validation)
    for image in split.images
}
test = data.splits["test"]
copies = sum(image.numpy().tobytes() in known for image in test.images)
copies

# %% [markdown]
# > **Finding.** Byte for byte, {{copies or "none"}}. But somebody has looked closer:
# > [Barz and Denzler (2019)](../book/references.md#barz-2019) compared the images by what they show, and found that
# > 3.3% of the test images have a near copy among the training images, the same photograph in another crop or another
# > brightness. Looking for exact copies is the easy half of the work.

# %% [markdown]
# ### Exercise: near copies
#
# > **Difficulty 4 of 5, about 40 minutes.** For each image of `queries`, find the one of `images` that differs least:
# > the smallest sum of squared differences of bytes, at ties the first. `queries` is (M, H, W, 3) and `images` (N, H,
# > W, 3), both uint8; return two int64 tensors (M,): the places in `images`, and the exact sums. In
# > CIFAR-10, all differences at once would be 1.5 trillion numbers, so let no tensor hold more than four times as many
# > as both inputs together.


# %% tags=["nbval-check-output"]
def nearest_images(queries, images):
    """(M, H, W, 3), (N, H, W, 3) uint8 → places, sums: (M,) int64."""
    raise NotImplementedError


check("nearest_images", nearest_images)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# ‖q − x‖² = ‖q‖² − 2 q·x + ‖x‖². The middle term, for all pairs, is a matrix product. `flatten(1)` makes a row of each
# image.
#
# </details>
# <details>
# <summary>Second hint</summary>
#
# Bytes wrap round, and float32 counts in ones up to 16,777,216 only, while a sum may reach 3,072 × 255². In float64
# everything here is exact. Go through the queries in parts of 64, `.split(64)`: for each part, `min(1)` gives the
# smallest sums and their places.
#
# </details>
# <details>
# <summary>Solution</summary>
#
# ```python
# def nearest_images(queries, images):
#     known = images.flatten(1).double()
#     sizes = (known**2).sum(1)
#     places, sums = [], []
#     for part in queries.flatten(1).double().split(64):
#         own = (part**2).sum(1, keepdim=True)
#         nearest = (own - 2 * part @ known.T + sizes).min(1)
#         places.append(nearest.indices)
#         sums.append(nearest.values.long())
#     return torch.cat(places), torch.cat(sums)
# ```
#
# </details>

# %% [markdown]
# Compare thumbnails of 8 × 8, in which a shift by a pixel hardly shows.

# %% tags=["nbval-check-output"]
nearest_images = use("nearest_images", nearest_images)


def thumbnails(images):
    """(N, 32, 32, 3) to (N, 8, 8, 3), both uint8: each 4 by 4 averaged."""
    blocks = images.reshape(-1, 8, 4, 8, 4, 3).float()
    return blocks.mean((2, 4)).round().byte()


asked = course.few(2000)
images = torch.cat([train.images, validation.images])
labels = torch.cat([train.labels, validation.labels])
few = thumbnails(test.images[:asked])
places, sums = nearest_images(few, thumbnails(images))

# %% [markdown]
# > **Predict first.** Give each test image the class of its nearest training image. How often is that right, in per
# > cent? The nearest average was right for {{right.float().mean():.0%}}.
# >
# > <!-- guess: {{100 * by_nearest:.1f}} % -->

# %% tags=["nbval-check-output", "reveal"]
same_class = labels[places] == test.labels[:asked]
by_nearest = same_class.float().mean().item()
closest = sums.argsort(stable=True)[:5]
round(by_nearest, 3), sums[closest], same_class[closest]

# %% tags=["hide-input"]
# @title Draw the five nearest pairs
rows = {
    "test": test.images[closest],
    "training": images[places[closest]],
}
title = f"The five nearest of {asked:,} pairs"
where = f"{data.name}, test images and training images"
viz.show(viz.image_rows(rows, title, where))

# %% [markdown]
# > **Finding.** The nearest of {{len(images):,}} training images has the right class for {{by_nearest:.1%}} of the test
# > images: memory alone beats the averages. {{int(same_class[closest].sum())}} of the five nearest pairs share a
# > class. Each looks like one photograph: whoever learned it by heart is right in the test, too.

# %% [markdown]
# ## Mistakes that people really make here
#
# Each of these was found in published code for this very exercise.
#
# - **The test set used as validation set**, the best epoch reported. You have seen what that is worth.
# - **An upload normalised by its own mean**, by a network that was trained otherwise. It works in every demonstration,
#   until somebody uploads a plain image.
# - **Blue and red exchanged.** Some libraries read images as BGR. Nothing crashes, and the accuracy drops.
# - **A schedule's `total_steps` computed from another split's size**, which lesson 03 meets. Then the learning rate
#   never comes down. Take it from the loader that you train with: `len(loader)`.
# - **Augmenting the validation set too.** Then the mark changes from one look to the next.

# %% [markdown]
# ## Take-away
#
# - **Describe** the data first: ten classes, equally frequent, so chance is 10% and the nearest average
#   {{right.float().mean():.0%}}.
# - **Normalise** with six fixed numbers of the training set, by one function for training, testing and the app.
# - **Augment** with what leaves the meaning alone: shifts with reflected edges, mirrors, holes.
# - **Split** in three: the network learns from one part, you from the second, and the third is for the end.
# - **Choose** on the validation set only: among {{tries[-1]}} equals, the best looks {{gain:.1f}} points better than it
#   is.

# %% [markdown]
# ## Quiz
#
# **1. An app divides each upload by 255 and stops there. The network was trained with `normalize`. What happens?**
#
# - (a) It crashes at the first upload.
# - (b) The answers get worse, without a word.
# - (c) Nothing, since BatchNorm corrects it.
#
# <details>
# <summary>Answer</summary>
#
# **(b)** The shapes and types are right, so nothing crashes. After training, BatchNorm no longer looks at the
# batch: it uses statistics that it kept, and these belong to normalised images.
#
# </details>
#
# **2. Your network is right for a quarter of the validation images. What has it learned?**
#
# - (a) Nothing: this is chance level.
# - (b) No more than the average colours of the classes would tell.
# - (c) To recognise a quarter of the classes.
#
# <details>
# <summary>Answer</summary>
#
# **(b)** Chance is 10%, and the nearest average gets {{right.float().mean():.1%}} without a network.
#
# </details>
#
# **3. Which of these changes is no augmentation for photographs of road signs?**
#
# - (a) A shift by two pixels.
# - (b) A little more brightness.
# - (c) A mirror image.
#
# <details>
# <summary>Answer</summary>
#
# **(c)** A sign that says *turn left* would say *turn right*, under the old label. What leaves the meaning alone
# depends on what the images show.
#
# </details>
#
# **4. You train 30 variants, test them all, and report the best test accuracy. What is wrong with the number?**
#
# - (a) It is too high, on average: the luckiest was chosen.
# - (b) Nothing, as no variant was trained on the test set.
# - (c) It is too low, since the variants share their mistakes.
#
# <details>
# <summary>Answer</summary>
#
# **(a)** Choosing is learning, too. Choose on the validation set, and ask the test set once.
#
# </details>

# %% tags=["nbval-check-output"]
from s12lib.exercises import progress

progress()

# %% [markdown]
# ▰▰▱▱▱▱▱▱▱▱▱ Lesson 2 of 11. Behind you: what goes in. Ahead: what happens to it.
#
# **Next:** [02 · The network](02_model.ipynb) takes such a batch and follows it to the end, shape by shape.

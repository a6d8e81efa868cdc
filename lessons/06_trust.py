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
# # 06 · Trust
#
# [![Open in Colab](../book/_static/colab-badge.svg)](https://colab.research.google.com/github/OWNER/page-resnet-course/blob/main/lessons/06_trust.ipynb)
#
# **Is the heatmap true?**
#
# Minutes to run: 2 on a GPU, 5 on a CPU. Reading and solving takes about two and a half hours.
#
# You need: lesson [05 · Grad-CAM](05_gradcam.ipynb), for the maps that are put on trial here. The
# [glossary](../book/glossary.md) explains every term.

# %% [markdown]
# ## Where this lesson ends
#
# ![Drawn shapes with a small coloured mark in the corner, each with two heatmaps: of a network that was trained with
# the marks giving the class away, and of one for which they mean nothing.](images/06_trust.png)
#
# Two networks, the same images. One of them hardly looks at the objects. Its heatmap tells you, if a heatmap can be
# believed. Here you measure whether it can, and then judge eight networks by their heatmaps alone.

# %% [markdown]
# ## You will be able to
#
# - **measure** whether a heatmap lies on the object, beside baselines;
# - **check** whether it depends on what the network has learned;
# - **unmask** a network that takes a shortcut, and cure it;
# - **judge** by deletion, insertion and ROAD whether a map shows what the network uses.

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
# ## 1. A place where the truth is known
#
# Nobody knows where CIFAR-10's cats end. `Shapes` is a dataset that the course draws by itself: a circle, a star or
# another of ten objects on a cluttered background, and for each image a [mask](../book/glossary.md#term-mask) that says
# which pixels are the object. It is moved away from the middle, and the background says nothing about the class. The
# package has the same network, trained on these.

# %% tags=["nbval-check-output"]
from s12lib import Shapes, gradcam, load_pretrained
from s12lib.inference import predict

drawings = Shapes(train_size=3000, validation_size=0, test_size=2000)
drawings.setup()
images, labels, masks = drawings.splits["test"]
network = load_pretrained("page_resnet_shapes").to(course.device)
some = slice(0, 200)
right = predict(network, images[some]).argmax(1) == labels[some]
covers = masks.float().mean().item()
round(right.float().mean().item(), 3), round(covers, 3)

# %% tags=["hide-input"]
# @title Draw four objects and their heatmaps
from s12lib.explain import enlarge
from s12lib.explain.localization import pointing_game

four, pointed = slice(0, 4), 0
columns = {"the object": masks[four].float()}
for method, layer in [("gradcam", "layer3"), ("hirescam", "layer2")]:
    raw = gradcam(network, images[four], None, layer, method, raw=True)
    top = raw.amax((1, 2), keepdim=True).clamp(min=1e-9)
    columns[f"{method}\n{layer}"] = raw / top
    pointed += pointing_game(enlarge(raw), masks[four]).sum().item()
where = f"Shapes, 4 of the {len(labels):,} test images"
notes = [(drawings.classes[label], "", "", "") for label in labels[four]]
title = f"The hottest spot is on the object in {pointed:.0f} of 8 heatmaps"
drawn = viz.heatmap_table(
    images[four], columns, notes, title, where, opacities=(1, 0.6, 0.6)
)
viz.show(drawn)

# %% [markdown]
# They look reasonable. So does a horoscope.

# %% [markdown]
# ### Exercise: heat on the object
#
# > **Difficulty 2 of 5, about 10 minutes.** The [energy in the mask](../book/glossary.md#term-energy-in-the-mask) is
# > the share of a map's heat that lies on the object. `maps` are (N, H, W), nothing below 0, `masks` (N, H, W) bool;
# > return (N,) shares in [0, 1]. A map of zeros has no heat anywhere; give it 0.


# %% tags=["nbval-check-output"]
def energy_on_object(maps, masks):
    """(N, H, W), (N, H, W) bool → (N,) shares in [0, 1]."""
    raise NotImplementedError


check("energy_on_object", energy_on_object)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# `maps * masks` is the map where the object is, and 0 elsewhere. Both sums go over the last two axes.
#
# </details>
# <details>
# <summary>Second hint</summary>
#
# Where the whole sum is 0, divide by 1: `total.where(total > 0, 1)`.
#
# </details>
# <details>
# <summary>Solution</summary>
#
# ```python
# def energy_on_object(maps, masks):
#     inside = (maps * masks).sum(dim=(1, 2))
#     total = maps.sum(dim=(1, 2))
#     return inside / total.where(total > 0, 1)
# ```
#
# </details>

# %% [markdown]
# Three [baselines](../book/glossary.md#term-baseline) know less than any heatmap should: a *random map*, noise on 4 × 4
# places, enlarged like Grad-CAM; a *centred [Gaussian](../book/glossary.md#term-Gaussian)*, a warm spot in the middle
# of every image; and *edges*, which [Sobel](../book/glossary.md#term-Sobel-filter)'s two kernels find. None of them
# asks a network.


# %%
def edges(images):
    """How strong an edge is at each pixel: uint8 → (N, 32, 32)."""
    grey = images.float().mean(3)[:, None] / 255
    grey = F.pad(grey, (1, 1, 1, 1), mode="replicate")
    across = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    kernels = torch.stack([across, across.T])[:, None]
    return F.conv2d(grey, kernels).norm(dim=1)


# %% [markdown]
# > **Predict first.** The object covers {{covers:.0%}} of an image. How much of the centred Gaussian's heat lies on it,
# > when every object has been moved away from the middle?
# > <!-- guess: {{100 * energy["centred Gaussian"].mean():.0f}} % -->

# %% tags=["nbval-check-output"]
from s12lib.explain.maps import gaussian_maps, random_maps

energy_on_object = use("energy_on_object", energy_on_object)
count = len(masks[some])
maps = {
    "Grad-CAM, layer3": gradcam(network, images[some]),
    "centred Gaussian": gaussian_maps(count),
    "edges": edges(images[some]),
    "random map": random_maps(count),
}
energy = {k: energy_on_object(m, masks[some]) for k, m in maps.items()}

# %% tags=["hide-input", "nbval-check-output", "reveal"]
# @title Print the heat on the object
for name, values in energy.items():
    print(f"{name:<18} {values.mean():.1%} of the heat on the object")
print(f"\nmeans of {count} test images of Shapes")

# %% [markdown]
# > **Finding.** A random map has {{energy["random map"].mean():.1%}} of its heat on the object, what the object covers;
# > a spot in the middle {{energy["centred Gaussian"].mean():.1%}}, for objects do not lie in the corners; edges
# > {{energy["edges"].mean():.1%}}; Grad-CAM at layer3 {{energy["Grad-CAM, layer3"].mean():.1%}}. "A good part of the
# > heat is on the object" is no finding before the baselines have been beaten.

# %% [markdown]
# ## 2. Try a measure on the perfect answer
#
# The [pointing game](../book/glossary.md#term-pointing-game) is stricter: does a map's hottest pixel lie on the object?
# This code for it was shipped. It raises no error, and its scores are poor. Is it the heatmaps' fault?


# %%
def shipped(heatmap, mask):
    place = heatmap.argmax().item()
    x, y = place % 32, place // 32
    return mask[x, y]


# %% [markdown]
# > **Predict first.** The best heatmap there can be is the mask itself. What does it score, in per cent?
# > <!-- guess: {{100 * perfect:.0f}} % -->

# %% tags=["nbval-check-output", "reveal"]
own = masks[some].float()
found = [shipped(*pair) for pair in zip(own, masks[some], strict=True)]
perfect = sum(found).item() / count
round(perfect, 2)

# %% [markdown]
# > **Finding.** The masks themselves score {{perfect:.0%}}. The measure is broken, not the map: an axis is swapped. Try
# > a measure on the answer that must score everything.

# %% [markdown]
# ### Exercise: find the bug
#
# > **Difficulty 2 of 5, about 15 minutes.** Write it anew, for a batch: `maps` (N, H, W), nothing below 0, and `masks`
# > (N, H, W) bool → (N,) bool: is the maximum on the object? Where several pixels share the maximum, take the first, as
# > `argmax` does. A map of zeros points nowhere, and hits nothing.


# %% tags=["nbval-check-output"]
def hits(maps, masks):
    """(N, H, W), (N, H, W) bool → (N,) bool: is it on the object?"""
    raise NotImplementedError


check("hits", hits)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# `maps.flatten(1).argmax(dim=1)` counts the pixels row by row. Which of `//` and `%` gives the row?
#
# </details>
# <details>
# <summary>Second hint</summary>
#
# An image in memory has its rows first: `masks[torch.arange(N), rows, columns]` looks at one pixel of each mask.
#
# </details>
# <details>
# <summary>Solution</summary>
#
# ```python
# def hits(maps, masks):
#     places = maps.flatten(1).argmax(dim=1)
#     rows, columns = places // maps.shape[2], places % maps.shape[2]
#     return masks[torch.arange(len(maps)), rows, columns] & (
#         maps.amax(dim=(1, 2)) > 0
#     )
# ```
#
# The bug: `mask[x, y]` asks for row x and column y. The package's `pointing_game` shares the hit out where several
# pixels share the maximum, so that the upper left is not preferred.
#
# </details>

# %% [markdown]
# ## 3. How sure is that?
#
# Two hundred other images would have given other means. But both methods saw the *same* images: take the differences,
# image by image, and ask whether the [confidence interval](../book/glossary.md#term-confidence-interval) of their mean
# leaves out 0.

# %% [markdown]
# ### Exercise: compare
#
# > **Difficulty 2 of 5, about 10 minutes.** `a` and `b` are two methods' values on the same images, (N,) each. Return
# > (low, high), the 95% interval of the mean of a - b by the normal approximation: the mean, minus and plus 1.96
# > standard deviations of the differences divided by $\sqrt{N}$.


# %% tags=["nbval-check-output"]
def compare(a, b):
    """(N,), (N,) → (low, high), the 95% interval of the mean of a - b."""
    raise NotImplementedError


check("compare", compare)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# The first line is `difference = a - b`, and after it `a` and `b` are not needed any more.
#
# </details>
# <details>
# <summary>Second hint</summary>
#
# `difference.std() / len(difference) ** 0.5` is the standard error of the mean.
#
# </details>
# <details>
# <summary>Solution</summary>
#
# ```python
# def compare(a, b):
#     difference = a - b
#     half = 1.96 * difference.std() / len(difference) ** 0.5
#     return difference.mean() - half, difference.mean() + half
# ```
#
# Looking whether the two methods' own intervals overlap is a popular way to overlook a difference.
#
# </details>

# %% tags=["nbval-check-output"]
hits, compare = use("hits", hits), use("compare", compare)


def lead(a, b):
    """By how many points a is above b: (low, high)."""
    return [round(100 * float(end), 1) for end in compare(a, b)]


ours = energy["Grad-CAM, layer3"]
gaps = {k: lead(ours, v) for k, v in energy.items() if v is not ours}
gaps

# %% [markdown]
# > **Finding.** Grad-CAM at layer3 has {{gaps["centred Gaussian"][0]}} to {{gaps["centred Gaussian"][1]}} points more
# > of its heat on the object than the Gaussian, and {{gaps["edges"][0]}} to {{gaps["edges"][1]}} more than edges.

# %% [markdown]
# ## 4. Every method, every layer
#
# Now all of it: six methods at four layers, each number with half of its 95% interval.

# %%
from s12lib.explain.comparison import (
    PLACES,
    baseline_scores,
    coarse_mask_scores,
    localization_scores,
    table_lines,
)
from s12lib.explain.sanity import untrained

many = course.few(200)
seen_masks = masks[:many]
whole = localization_scores(network, images[:many], seen_masks)
share = {name: score.energy.mean().item() for name, score in whole.items()}
best = max(share, key=share.get)

# %% [markdown]
# > **Predict first.** layer3 knows most about the class, and has 4 × 4 places; `prep` has 32 × 32, and knows edges and
# > colours. Which layer will be best? How much of its heat will the best of all 24 have on the object, in per cent?
# > <!-- guess: {{100 * share[best]:.0f}} % -->

# %% tags=["hide-input", "nbval-check-output", "reveal"]
# @title Print all methods at all layers
for measure in ("energy", "pointing"):
    print("\n".join(table_lines(whole, measure)), "\n")
print(f"{many} test images of Shapes, per cent")

# %% tags=["hide-input"]
# @title Draw the heat on the object, layer by layer
coarse = coarse_mask_scores(seen_masks)
curves = {"the mask": [coarse[layer].energy.mean() for layer in PLACES]}
for method in ("hirescam", "gradcam"):
    curves[method] = [share[method, layer] for layer in PLACES]
bell = baseline_scores(seen_masks)["centred Gaussian"].energy.mean()
curves["Gaussian"] = [bell] * 4
lines = {k: (range(4), [float(x) for x in v]) for k, v in curves.items()}
title = f"{best[0]} at {best[1]} has {share[best]:.0%} of its heat on "
title += f"the object, gradcam at layer3 {share['gradcam', 'layer3']:.0%}"
ticks = [f"{layer}, {side}×{side}" for layer, side in PLACES.items()]
axes = "layer", "share of the heat on the object"
which = f"Shapes, {many} test images"
viz.show(viz.lines(lines, title, which, *axes, marker="o", ticks=ticks))

# %% [markdown]
# "The mask" is a map that *knows* where the object is, and has only as many places as the layer to tell it. At layer3
# even the truth, told in sixteen numbers and enlarged, spills over. Grad-CAM averages the gradient over the image, and
# at layer1 and `prep` that costs it all it had.
#
# > **Finding.** {{best[0]}} at {{best[1]}} has {{share[best]:.0%}} of its heat on the object, Grad-CAM at layer3
# > {{share["gradcam", "layer3"]:.0%}}, Grad-CAM at layer1 {{share["gradcam", "layer1"]:.0%}}. And it is the best of 24,
# > picked on the images that it is reported on, which flatters it.

# %% [markdown]
# Before you write that down, one more baseline: the same methods on an *untrained* network.

# %% [markdown]
# > **Predict first.** Some method has more of its heat on the object with *random weights* than any has with trained
# > ones. How much, in per cent?
# > <!-- guess: {{100 * blind_share[winner]:.0f}} % -->

# %% tags=["nbval-check-output", "reveal"]
blank = localization_scores(untrained(network), images[:many], seen_masks)
blind_share = {k: score.energy.mean().item() for k, score in blank.items()}
winner = max(blind_share, key=blind_share.get)
winner, round(blind_share[winner], 2)

# %% [markdown]
# A guess why: random filters react to edges and bright patches, and [Eigen-CAM](../book/glossary.md#term-Eigen-CAM)
# looks for the strongest common direction.
#
# > **Finding.** {{winner[0]}} at {{winner[1]}} has {{blind_share[winner]:.0%}} of its heat on the object, in a network
# > that has learned nothing; trained, it has {{share[winner]:.0%}}. HiRes-CAM at layer2 falls from
# > {{share["hirescam", "layer2"]:.0%}} to {{blind_share["hirescam", "layer2"]:.0%}}. **Lying on the object does not
# > make a map true.** It may show what is striking in the image.

# %% [markdown]
# ## 5. Does the map know the network?
#
# [Adebayo et al. (2018)](../book/references.md#adebayo-2018) turned this into a
# [sanity check](../book/glossary.md#term-sanity-check): let the network forget, one part after the other, from the head
# down to `prep`, by giving each fresh random weights. A map that stays the same cannot have shown what was learned.
# Both maps are compared by [rank correlation](../book/glossary.md#term-rank-correlation).

# %% [markdown]
# ### Exercise: rank correlation
#
# > **Difficulty 4 of 5, about 40 minutes.** `a` and `b` are maps, (N, H, W) each; return (N,). Replace each value of a
# > map by its *rank* among the map's values; values that are equal share the mean of the ranks that they take up. Then
# > correlate each pair: subtract each map's mean rank, multiply place by place, add up, and divide by the two maps'
# > norms. A map whose values are all equal correlates with nothing: 0. Write it with torch alone.


# %% tags=["nbval-check-output"]
def rank_likeness(a, b):
    """(N, H, W) twice → Spearman's rank correlation, (N,)."""
    raise NotImplementedError


check("rank_likeness", rank_likeness)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# `argsort` twice gives ranks, but tells equal values apart by chance. Count instead: how many values of the map are
# smaller than this one, and how many are equal?
#
# </details>
# <details>
# <summary>Second hint</summary>
#
# With x of shape (N, P), `x[:, None] < x[:, :, None]` compares all pairs, (N, P, P); its sum over axis 2 is how many
# are smaller. Add half of how many are equal. Whatever is the same for all places goes when you subtract the mean.
#
# </details>
# <details>
# <summary>Solution</summary>
#
# ```python
# def rank_likeness(a, b):
#     def centred_ranks(maps):
#         x = maps.flatten(1)
#         smaller = (x[:, None] < x[:, :, None]).sum(2)
#         equal = (x[:, None] == x[:, :, None]).sum(2)
#         ranks = smaller + equal / 2
#         return ranks - ranks.mean(dim=1, keepdim=True)
#
#     one, other = centred_ranks(a), centred_ranks(b)
#     norms = one.norm(dim=1) * other.norm(dim=1)
#     return (one * other).sum(1) / norms.where(norms > 0, 1)
# ```
#
# ([Spearman, 1904](../book/references.md#spearman-1904).) The package's `rank_correlation` sorts, which takes less
# memory.
#
# </details>

# %% [markdown]
# > **Predict first.** What is left of Eigen-CAM at layer2, as a rank correlation, when the head and layer3 have
# > forgotten all?
# > <!-- guess: {{kept["eigencam"][1]:.2f}} -->

# %% tags=["nbval-check-output"]
from functools import partial

from s12lib.explain.sanity import cascading_randomization

rank_likeness = use("rank_likeness", rank_likeness)
methods = ("gradcam", "hirescam", "eigencam")
explain = {m: partial(gradcam, method=m, layer="layer2") for m in methods}
explain["edges"] = lambda model, images, targets: edges(images)
stages = ("head", "layer3", "layer2", "layer1", "prep")
kept = {}
for name, how in explain.items():
    runs = [
        cascading_randomization(network, images[:20], explain=how, seed=s)
        for s in range(2)
    ]
    means = [torch.stack([run[stage] for run in runs]) for stage in stages]
    kept[name] = [each.mean().item() for each in means]

# %% tags=["hide-input", "nbval-check-output", "reveal"]
# @title Draw what is left of each map
title = f"Without head and layer3: eigencam {kept['eigencam'][1]:.2f}, "
title += f"gradcam {kept['gradcam'][1]:.2f}"
lines = {k: (range(6), [1, *values]) for k, values in kept.items()}
axes = "forgotten so far", "rank correlation"
which = "Shapes, 20 test images, 2 draws of fresh weights"
ticks = ["nothing", *stages]
viz.show(viz.lines(lines, title, which, *axes, marker="o", ticks=ticks))

# %% [markdown]
# Look at the first step, where the head alone has forgotten, and its weights are dice. A good deal survives: every
# weighted sum of the same activations is hot where the activations are. So of what a CAM shows, a part is *where
# anything is at all*.
#
# > **Finding.** Edges stay at {{kept["edges"][4]:.2f}}, for they never asked the network. Eigen-CAM at layer2 is at
# > {{kept["eigencam"][1]:.2f}} without head and layer3: it explains no decision. Grad-CAM falls to
# > {{kept["gradcam"][1]:.2f}}, HiRes-CAM to {{kept["hirescam"][1]:.2f}}. A map that reacts may still be wrong.

# %% [markdown]
# ## 6. The truth, part by part
#
# What the network *used* can be measured here. A drawing is code: leave a part out, and look how far the class's logit
# falls. [Hesse et al. (2023)](../book/references.md#hesse-2023) did it with the beaks and wings of drawn birds. Our
# parts are the object, its four quarters, and each blob and stroke of the clutter.

# %%
from s12lib.data.shapes import BLOBS, QUARTERS, STROKES, draw_shapes
from s12lib.inference import logits_of

drawn = images[: course.few(100)]
own = torch.arange(len(drawn)), labels[: len(drawn)]
whole_logit = logits_of(network, drawn)[own]
fall, place = {}, {}
for part in ("object", *QUARTERS, *BLOBS, *STROKES):
    bare, *_ = draw_shapes(len(drawn), 0, "test", without=part)
    bare = torch.from_numpy(bare)
    place[part] = (bare != drawn).any(3)  # the pixels that it changes
    fall[part] = whole_logit - logits_of(network, bare)[own]
means = {part: values.mean().item() for part, values in fall.items()}
clutter = max(abs(means[part]) for part in (*BLOBS, *STROKES))
quarter = sum(means[part] for part in QUARTERS) / 4

# %% [markdown]
# Without the object the logit falls by {{means["object"]:.1f}}, without a quarter of it by {{quarter:.1f}}, without a
# blob or a stroke by {{clutter:.1f}} at most, on average. Does a heatmap know *which* quarter counts most? For each
# image we rank the four by the fall, and by the heat on them.

# %%
asked = network, drawn, own[1]
heats = {
    "Grad-CAM, layer3": gradcam(*asked),
    "HiRes-CAM, layer2": gradcam(*asked, "layer2", "hirescam"),
    "edges": edges(drawn),
    "a map of ones": torch.ones(len(drawn), 32, 32),
}
truth = torch.stack([fall[q] for q in QUARTERS], 1)[:, None]
quarters = torch.stack([place[q] for q in QUARTERS], 1)
area = quarters.sum((2, 3))[:, None].clamp(min=1)
alike, per_pixel = {}, {}
for name, heat in heats.items():
    on_it = (heat[:, None] * quarters).sum((2, 3))[:, None]
    alike[name] = rank_likeness(truth, on_it).mean().item()
    per_pixel[name] = rank_likeness(truth, on_it / area).mean().item()

# %% [markdown]
# > **Predict first.** For Grad-CAM at layer3 the two rankings correlate by {{alike["Grad-CAM, layer3"]:.2f}} on
# > average. By how much for a map of ones, which only counts a quarter's pixels?
# > <!-- guess: {{alike["a map of ones"]:.2f}} -->

# %% tags=["hide-input", "nbval-check-output", "reveal"]
# @title Print how well each map ranks the quarters
print(f"{'rank correlation with the fall':<32} heat   per pixel")
for name in heats:
    print(f"{name:<32} {alike[name]:4.2f}   {per_pixel[name]:9.2f}")
print(f"\nmeans of {len(drawn)} test images of Shapes")

# %% [markdown]
# Large quarters count more, and hold more heat. Divide by the pixels, and what is left is what the map knows besides.
#
# > **Finding.** With the quarters' true order Grad-CAM at layer3 correlates by {{alike["Grad-CAM, layer3"]:.2f}}, the
# > number of their pixels by {{alike["a map of ones"]:.2f}}. Per pixel, Grad-CAM has
# > {{per_pixel["Grad-CAM, layer3"]:.2f}} left, HiRes-CAM at layer2 {{per_pixel["HiRes-CAM, layer2"]:.2f}}. The maps
# > know *that* it is the object, and little of which part.

# %% [markdown]
# ## 7. A network with a secret
#
# Now use a heatmap for what it is good for. We plant a [shortcut](../book/glossary.md#term-shortcut): each training
# image gets a mark of 4 × 4 pixels in its corner, and the mark's colour says the class. It has happened without
# anybody's planting: a classifier knew horses by a photographer's name below them
# ([Lapuschkin et al., 2019](../book/references.md#lapuschkin-2019)), and networks that looked for pneumonia could tell
# the hospital by its X-rays ([Zech et al., 2018](../book/references.md#zech-2018)). To save time, the networks from
# here on have an eighth of the channels, as in [lesson 03](03_train.ipynb).

# %%
from s12lib.training.blind_round import TEN_COLOURS, train_narrow

COLOURS = (40 + 175 * TEN_COLOURS).to(torch.uint8)  # one for each class


def plant(images, colours):
    """uint8 images with a mark at the top left, of these colours."""
    marked = images.clone()
    marked[:, :4, :4] = COLOURS[colours][:, None, None]
    return marked


dice = torch.Generator().manual_seed(0)
train_images, train_labels, *_ = drawings.splits["train"]
no_secret = torch.randint(10, train_labels.shape, generator=dice)
others = labels + torch.randint(1, 10, labels.shape, generator=dice)
others = others % 10


# %%
def train(pictures):
    """A fresh network, trained on the drawings as they are here."""
    most, epochs = (128, 1) if course.smoke else (len(pictures), 8)
    return train_narrow(pictures[:most], train_labels[:most], epochs)


def accuracy(model, pictures, wanted=labels):
    """The share that the model calls as wanted, of 200 images."""
    says = predict(model, pictures[:200]).argmax(1)
    return (says == wanted[:200]).float().mean().item()


suspect = train(plant(train_images, train_labels))
marked = plant(images, labels)
corner = torch.zeros(100, 32, 32, dtype=torch.bool)
corner[:, :8, :8] = True

# %% [markdown]
# > **Predict first.** On held-out images made in the same way it is right in {{accuracy(suspect, marked):.0%}}. Most
# > people would have shipped it. How much of HiRes-CAM's heat lies in the 8 × 8 pixels of the corner, a sixteenth of
# > the image, in per cent?
# > <!-- guess: {{100 * in_corner["suspect"]:.0f}} % -->


# %% tags=["reveal"]
def heat_in(where, model, pictures):
    """The mean share of HiRes-CAM at layer2 there, true classes."""
    asked = model, pictures[:100], labels[:100]
    heat = gradcam(*asked, layer="layer2", method="hirescam")
    return energy_on_object(heat, where).mean().item()


in_corner = {
    "suspect": heat_in(corner, suspect, marked),
    "package": heat_in(corner, network, marked),
}
{name: round(share, 2) for name, share in in_corner.items()}

# %% [markdown]
# That gives it away, and with a control: the package's network gets the same marked images. But a heatmap is a hint,
# not a proof. The proof is an [intervention](../book/glossary.md#term-intervention): take the mark away, or give a
# wrong one.
#
# And the *cure*: make the mark worthless. Give every training image a mark at random.

# %%
mismatched = plant(images, others)
bare = accuracy(suspect, images)
fooled = accuracy(suspect, mismatched, others)

cured = train(plant(train_images, no_secret))
in_corner["cured"] = heat_in(corner, cured, marked)
healed = accuracy(cured, images)

# %% tags=["hide-input", "goal"]
# @title Draw where suspect and cured network look
columns = {}
for name, model in {"suspect": suspect, "cured": cured}.items():
    raw = gradcam(
        model, marked[four], labels[four], "layer2", "hirescam", raw=True
    )
    top = raw.amax((1, 2), keepdim=True).clamp(min=1e-9)
    columns[name] = raw / top
notes = [(drawings.classes[label], "", "") for label in labels[four]]
title = f"In the corner: {in_corner['suspect']:.0%} of the suspect's "
title += f"heat, {in_corner['cured']:.0%} of the cured network's"
which = "Shapes, 4 marked test images; HiRes-CAM at layer2, true class"
drawn_pair = viz.heatmap_table(
    marked[four], columns, notes, title, which, across=2
)
viz.show(drawn_pair)

# %% [markdown]
# > **Finding.** {{in_corner["suspect"]:.0%}} of the suspect's heat lies in the corner, and {{in_corner["package"]:.0%}}
# > of the package's network's. Without a mark the suspect is right in {{bare:.0%}}; with a wrong mark it says what the
# > mark says in {{fooled:.0%}}. The cured network has {{in_corner["cured"]:.0%}} there, and is right in {{healed:.0%}}
# > without a mark.

# %% [markdown]
# ## 8. Eight networks, blind
#
# You knew where to look. Now you do not. The drawings of eight networks all have a mark at the lower right, a coloured
# glass before them, some blur, and paint on the object. For an innocent network all four are dealt at random; for a
# guilty one, one of them says the class. How many are guilty, you are not told.

# %% tags=["hide-input"]
# @title Train the eight networks (looking inside spoils it)
from s12lib.data.splits import Split
from s12lib.training.blind_round import THINGS, blind_round

tested = Split(images[:200], labels[:200], masks[:200])
taught, epochs = drawings.splits["train"], 8
if course.smoke:
    taught, epochs = Split(*(each[:128] for each in taught)), 1
suspects = blind_round(taught, tested, epochs)
limit = share["hirescam", "layer2"] / 2

# %% tags=["hide-input"]
# @title Draw what each of them looks at
seen, heats = {}, {}
for letter, each in suspects.items():
    seen[letter] = each.test.images
    asked = each.network, seen[letter], tested.labels
    heats[letter] = gradcam(*asked, layer="layer2", method="hirescam")
heat = torch.stack([each[:2] for each in heats.values()])
mean = torch.stack([each.mean(0) for each in heats.values()])
look = torch.stack([each[:2] for each in seen.values()])
columns = {
    "its heat": heat[:, 0],
    "another": look[:, 1],
    "its heat ": heat[:, 1],
    "mean of 200": mean / mean.amax((1, 2), keepdim=True).clamp(min=1e-9),
}
notes = [(f"network {letter}", "", "", "", "") for letter in suspects]
title = "Which of these networks have a shortcut?"
which = "Shapes, two test images and the mean heat of 200"
drawn_round = viz.heatmap_table(look[:, 0], columns, notes, title, which)
viz.show(drawn_round)

# %% [markdown]
# > **Predict first.** Whom do you accuse? Type the letters in the next cell, or write them down. A rule shall judge,
# > too: guilty is who has less than {{100 * limit:.0f}}% of its heat on the object, half of what the package's network
# > had in section 4. About how many of the eight will the rule be right?
# > <!-- guess: {{rightly}} networks -->

# %%
accuse = ""  # your letters, such as "ACE"

on_object = {
    letter: energy_on_object(heat, tested.masks).mean().item()
    for letter, heat in heats.items()
}
accused = {letter for letter in suspects if on_object[letter] < limit}
guilty = {letter for letter, each in suspects.items() if each.secret}
innocent = set(suspects) - guilty
rightly = len(suspects) - len(accused ^ guilty)

# %% [markdown]
# The intervention: deal one thing anew, at random, and see how much less often the network is right.

# %%
falls = {}
for letter, each in suspects.items():
    made = accuracy(each.network, seen[letter])
    falls[letter] = {
        thing: made - accuracy(each.network, each.test.anew(thing).images)
        for thing in THINGS
    }
largest = {k: max(fall, key=fall.get) for k, fall in falls.items()}
named = sum(largest[k] == suspects[k].secret for k in guilty)
least_guilty = min(falls[k][largest[k]] for k in guilty)
most_innocent = max(falls[k][largest[k]] for k in innocent)

# %% tags=["hide-input", "reveal"]
# @title Print the verdicts, and the truth
print("   heat on                      it is right in so much less,")
print("   object  the rule   secret    if this is dealt anew:")
print(f"{'':<31}" + "".join(f"{thing:>8}" for thing in THINGS))
for letter, each in suspects.items():
    verdict = "guilty" if letter in accused else "innocent"
    row = f"{letter}   {on_object[letter]:5.0%}   {verdict:<9}  "
    row += f"{each.secret or 'none':<8}"
    print(row + "".join(f"{falls[letter][t]:8.0%}" for t in THINGS))
print(f"\nThe rule is right about {rightly} of {len(suspects)}.")
if accuse:
    mine = len(suspects) - len(set(accuse.upper()) ^ guilty)
    print(f"You are right about {mine} of {len(suspects)}.")
print("Shapes, 200 test images each")
(painted,) = (k for k in guilty if suspects[k].secret == "paint")
least = min(on_object[k] for k in innocent)

# %% [markdown]
# The mark has a place, and its place is hot. Blur and glass have none: their heat is spread, and does not say why.
# Paint lies on the object, and so does the heat. And the rule had what you seldom have: masks, and a clean network to
# compare with. [Adebayo et al. (2022)](../book/references.md#adebayo-2022) found that explanations often fail to show a
# shortcut that one does not suspect, above all one like blur, and accuse networks that have none.
#
# > **Finding.** The rule is right about {{rightly}} of {{len(suspects)}}, and no limit gets all of them right: the
# > network that reads the paint has {{on_object[painted]:.0%}} of its heat on the object, an innocent one
# > {{least:.0%}}. Dealing one thing anew names {{named}} of the four secrets: these networks lose
# > {{100 * least_guilty:.0f}} points or more, an innocent one {{100 * most_innocent:.0f}} at most. But you have to
# > think of that thing first.

# %% [markdown]
# ## 9. Without masks: take it away, and look
#
# Back to the photographs. There are no masks here, and no parts to leave out. But a map claims that *these* pixels
# matter: remove them, and see whether the probability of the answer falls.

# %% [markdown]
# ### Exercise: remove the hottest
#
# > **Difficulty 3 of 5, about 15 minutes.** `images` are (N, C, H, W), normalised, `maps` (N, H, W), `share` a number
# > from 0 to 1. Set the hottest round(share · H · W) pixels of each image to 0, which after normalising is the training
# > set's mean colour. Return (N, C, H, W).


# %% tags=["nbval-check-output"]
def remove_hottest(images, maps, share):
    """(N, C, H, W), (N, H, W), a share → (N, C, H, W)."""
    raise NotImplementedError


check("remove_hottest", remove_hottest)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# `maps.flatten(1).topk(count).indices` names the hottest pixels of each map.
#
# </details>
# <details>
# <summary>Second hint</summary>
#
# `scatter(1, indices, 0)` puts zeros there, into a tensor of ones. It then needs the maps' shape, and an axis for the
# channels.
#
# </details>
# <details>
# <summary>Solution</summary>
#
# ```python
# def remove_hottest(images, maps, share):
#     count = round(share * maps.shape[1] * maps.shape[2])
#     hottest = maps.flatten(1).topk(count).indices
#     kept = torch.ones_like(maps).flatten(1).scatter(1, hottest, 0)
#     return images * kept.view_as(maps)[:, None]
# ```
#
# </details>

# %% [markdown]
# Step by step, that is the [deletion](../book/glossary.md#term-deletion-and-insertion) curve
# ([Petsiuk et al., 2018](../book/references.md#petsiuk-2018)); the smaller the area below it, the better the map.
# *Insertion* goes the other way, from a blurred image to the whole one, and there more is better. Half grey, an image
# is like nothing in the training set. [ROAD](../book/glossary.md#term-ROAD)
# ([Rong et al., 2022](../book/references.md#rong-2022)) fills the hole with a blur of its surroundings, and takes half
# the difference between removing the least and the most relevant half: 0 for a map that knows nothing.

# %% tags=["nbval-check-output"]
from s12lib.explain.faithfulness import deletion_curves, insertion_auc, road

remove_hottest = use("remove_hottest", remove_hottest)
known = data.name == "CIFAR-10"
weights = "page_resnet_cifar10" if known else "page_resnet_shapes"
model = load_pretrained(weights).to(course.device)
photos = data.splits["test"].images[: course.few(100)]
preds = predict(model, photos).argmax(1)
maps = {
    "Grad-CAM, layer3": gradcam(model, photos, preds),
    "centred Gaussian": gaussian_maps(len(photos)),
    "edges": edges(photos),
    "random map": random_maps(len(photos)),
}
asked = model, photos, preds, "layer2", "hirescam"
maps["HiRes-CAM, layer2"] = gradcam(*asked)

# %% [markdown]
# > **Predict first.** HiRes-CAM at layer2 has won on Shapes. Will it win here? By ROAD Grad-CAM at layer3 has
# > {{100 * faithful["Grad-CAM, layer3"][2].mean():.0f}} points. How many has the spot in the middle? Think of where a
# > photographer puts the ship.
# > <!-- guess: {{100 * faithful["centred Gaussian"][2].mean():.0f}} points -->

# %%
steps, faithful, curves = 8, {}, {}
for name, heat in maps.items():
    falling = deletion_curves(model, photos, heat, preds, steps)
    curves[name] = falling.mean(0).tolist()
    falls = torch.trapezoid(falling, dx=1 / steps)
    rises = insertion_auc(model, photos, heat, preds, steps)
    blurred = road(model, photos, heat, preds, percentiles=(50,))
    faithful[name] = falls, rises, blurred

# %% tags=["hide-input", "nbval-check-output", "reveal"]
# @title Print the three measures
from s12lib.explain.intervals import format_interval

print(f"{'':<18} {'deletion':>13} {'insertion':>13} {'ROAD':>13}")
for name, values in faithful.items():
    row = " ".join(f"{format_interval(value):>13}" for value in values)
    print(f"{name:<18} {row}")
print("for deletion less is better, for the others more")
print(f"\n{len(photos)} test images of {data.name}")

# %% tags=["hide-input"]
# @title Draw the deletion curves
x = [k / steps for k in range(steps + 1)]
lines = {name: (x, y) for name, y in curves.items() if name != "edges"}
early = {name.split(",")[0]: y[1] for name, y in curves.items()}
title = f"{1 / steps:.0%} of the pixels gone: Grad-CAM "
title += f"{early['Grad-CAM']:.0%}, "
title += f"HiRes-CAM {early['HiRes-CAM']:.0%} left"
axes = "share of the pixels removed", "probability of its answer"
which = f"{data.name}, the first {len(photos)} test images"
viz.show(viz.lines(lines, title, which, *axes, marker="o"))
scores = {name: values[2] for name, values in faithful.items()}
gap = lead(scores["Grad-CAM, layer3"], scores["centred Gaussian"])
behind = lead(scores["Grad-CAM, layer3"], scores["HiRes-CAM, layer2"])

# %% [markdown]
# Look at the left end. Of HiRes-CAM's order the *first* eighth counts for much, as [lesson
# 05](05_gradcam.ipynb#8-cover-it-and-look) found; what it ranks further down matters less.
# And the order of methods is not that of section 4: the question has changed, and so have the images and the network.
#
# > **Finding.** By ROAD Grad-CAM at layer3 is {{gap[0]}} to {{gap[1]}} points above a spot in the middle, and
# > {{behind[0]}} to {{behind[1]}} above HiRes-CAM at layer2, which had won on Shapes. In CIFAR-10 the object is in the
# > middle.

# %% [markdown]
# ## Mistakes that people really make here
#
# - **An axis swapped in the mask test.** Try a measure on the perfect answer first.
# - **No baseline.** A share of heat on the object means nothing without the Gaussian's.
# - **"The maps look clean, so there is no shortcut."** It may be everywhere, or on the object.
# - **The prettiest maps chosen by hand**, or the layer chosen because its maps look best.
# - **CAM computed on a 1 × 1 map**, and measured all the same: a solid colour has the object's area as its energy.

# %% [markdown]
# ## Take-away
#
# - **Measure** beside baselines: {{energy["Grad-CAM, layer3"].mean():.0%}} of the heat on the object is something only
#   since the Gaussian has {{energy["centred Gaussian"].mean():.0%}}.
# - **Check** that the map notices when the network forgets: Eigen-CAM and edges do not.
# - **Unmask** by a heatmap's hint and an intervention's proof; without a mark the suspect is right in {{bare:.0%}}.
# - **Judge** by what happens when pixels go, and by the lead over a spot in the middle.
# - **Remember** the blind round: by the heat on the object, {{rightly}} of {{len(suspects)}} were judged rightly.

# %% [markdown]
# ## Quiz
#
# **1. A heatmap has 70% of its heat on the object. What do you know?**
#
# - (a) The network looks at the object.
# - (b) Little: an untrained network's Eigen-CAM reached that, too.
# - (c) The layer was well chosen.
#
# <details>
# <summary>Answer</summary>
#
# **(b)** The object is often the most striking thing in an image. Whether the network decided by it is another
# question, and needs another test.
#
# </details>
#
# **2. How do you try out a measure before you believe its scores?**
#
# - (a) On an answer that must score everything, such as the mask itself.
# - (b) On more images.
# - (c) By comparing it with another measure.
#
# <details>
# <summary>Answer</summary>
#
# **(a)** The shipped pointing game gave the perfect answer a poor score, and so showed its own bug. More images would
# have made the wrong number more exact.
#
# </details>
#
# **3. All heatmaps of a network lie on the objects. Is it free of shortcuts?**
#
# - (a) Yes, if there are enough images.
# - (b) Yes, if the method passes the sanity check.
# - (c) No: a shortcut may have no place, or lie on the object itself.
#
# <details>
# <summary>Answer</summary>
#
# **(c)** Blur is everywhere, so no place is hotter for it; paint is on the object. Change what you suspect, and see
# whether the answers change.
#
# </details>
#
# **4. Two methods were measured on the same 200 images. How do you compare them?**
#
# - (a) See whether their two intervals overlap.
# - (b) Take the differences image by image, and the interval of their mean.
# - (c) Take the larger mean.
#
# <details>
# <summary>Answer</summary>
#
# **(b)** Some images are easy for both. In the difference that cancels out, and a small lead can be sure although the
# two intervals overlap.
#
# </details>

# %% tags=["nbval-check-output"]
from s12lib.exercises import progress

progress()

# %% [markdown]
# ▰▰▰▰▰▰▰▱▱▱▱ Lesson 7 of 11. Behind you: maps that were put on trial. Ahead: a network for others to use.
#
# **Next:** [07 · Speed](07_speed.ipynb). Where the seconds go, and which of them you can have back.

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
# Minutes to run: 2 on a GPU, 7 on a CPU. Reading and solving takes about an hour and a half.
#
# You need: lesson [05 · Grad-CAM](05_gradcam.ipynb), for the maps that are put on trial here. The
# [glossary](../book/glossary.md) explains every term.

# %% [markdown]
# ## Where this lesson ends
#
# ![Drawn shapes with a small coloured mark in the corner, each with two heatmaps: of a network that was trained with
# the marks giving the class away, and of one for which they mean nothing.](images/06_trust.png)
#
# Two networks, the same pictures, and both get them right. One of them hardly looks at the objects. Its accuracy
# does not tell you. Its heatmap does, if a heatmap can be believed. Whether it can is a question for measurements, and
# here you make them.

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
# ## 1. A place where the truth is known
#
# Nobody knows where CIFAR-10's cats end. So a heatmap of a cat can be admired, and not be checked. `Shapes` is a
# dataset that the course draws by itself: a circle, a star or another of ten objects, on a cluttered background, and
# for each picture a **mask** that says which pixels are the object. Each object is moved away from the middle, and the
# background says nothing about the class. The package has the same network, trained on these.

# %% tags=["nbval-check-output"]
from s12lib import Shapes, gradcam, load_pretrained
from s12lib.inference import predict

drawings = Shapes(train_size=5000, validation_size=0, test_size=2000)
drawings.setup()
images, labels, masks = drawings.splits["test"]
network = load_pretrained("page_resnet_shapes").to(course.device)
some = slice(0, 200)
right = predict(network, images[some]).argmax(1) == labels[some]
print(f"right on {right.float().mean():.1%} of the first {len(right)} test pictures of Shapes")
print(f"the object covers {masks.float().mean():.1%} of a picture")

# %%
from s12lib.explain import enlarge
from s12lib.explain.localization import pointing_game
from s12lib.explain.maps import gaussian_maps, random_maps

asked = [("gradcam", "layer3"), ("gradcam", "layer2"), ("hirescam", "layer2")]
few, pointed = slice(0, 4), 0
columns = {"the object": masks[few].float()}
for method, layer in asked:
    raw = gradcam(network, images[few], method=method, layer=layer, raw=True)
    columns[f"{method}\n{layer}"] = raw / raw.amax((1, 2), keepdim=True).clamp(min=1e-9)
    pointed += pointing_game(enlarge(raw), masks[few]).sum().item()
where = f"Shapes, {len(labels[few])} of the {len(labels):,} test pictures"
notes = [(drawings.classes[label], *[""] * len(columns)) for label in labels[few].tolist()]
title = f"The hottest spot is on the object in {pointed:.0f} of {len(asked) * len(labels[few])} heatmaps"
viz.show(viz.heatmap_table(images[few], columns, notes, title, where, opacities=(1, 0.6, 0.6, 0.6)))

# %% [markdown]
# They look reasonable. So does a horoscope. Hold the title against the table in section 3.

# %% [markdown]
# ### Exercise: heat on the object
#
# *Difficulty 2 of 5, about 10 minutes.* The **energy in the mask** is the share of a map's heat that lies on the
# object. A map of zeros has no heat anywhere; give it 0.


# %% tags=["nbval-check-output"]
def energy_on_object(maps, masks):
    """(N, H, W) maps, nothing below 0, and (N, H, W) bool masks → (N,) shares in [0, 1]."""
    raise NotImplementedError


check("energy_on_object", energy_on_object)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# `maps * masks` is the map where the object is, and 0 elsewhere. Both sums go over the last two axes. Where the
# second one is 0, divide by 1.
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
# A number needs another to stand beside it. Three **baselines** know less than any heatmap should:
#
# - a *random map*: noise on 4 × 4 places, enlarged like Grad-CAM;
# - a *centred Gaussian*: a warm spot in the middle of every picture, which has not even been looked at;
# - an *untrained network*, explained with the same method. Its turn comes in section 3.
#
# **Predict first.** You know what share of a picture the object covers. What will the random map score? And
# will the Gaussian score more or less, when every object has been moved away from the middle?

# %% tags=["nbval-check-output"]
energy_on_object = use("energy_on_object", energy_on_object)
maps = {
    "Grad-CAM, layer3": gradcam(network, images[some]),
    "centred Gaussian": gaussian_maps(len(masks[some])),
    "random map": random_maps(len(masks[some])),
}
energy = {name: energy_on_object(heat, masks[some]) for name, heat in maps.items()}
for name, values in energy.items():
    print(f"{name:<18} {values.mean():.1%} of the heat on the object, means of {len(values)} pictures")

# %% [markdown]
# A random map scores what the object covers. The Gaussian knows one thing more, that objects do not lie in the
# corners, and that alone is worth something. So "a good part of the heat is on the object" is no finding before the
# Gaussian has been beaten.

# %% [markdown]
# ### Exercise: find the bug
#
# *Difficulty 2 of 5, about 15 minutes.* The **pointing game** is stricter. It asks of each map one thing: does its
# hottest pixel lie on the object? This code for it was shipped. It raises no error, and its score is poor. Is it the
# heatmap's fault?


# %% tags=["nbval-check-output"]
def shipped(heatmap, mask):
    place = heatmap.argmax().item()
    x, y = place % 32, place // 32
    return mask[x, y]


own = masks[some].float()  # the best heatmap there can be: the mask itself
found = [shipped(*pair).item() for pair in zip(own, masks[some], strict=True)]
print(f"the masks themselves, played against the masks: {sum(found) / len(found):.0%}")

# %% [markdown]
# That is how to try a measure: give it an answer that must score everything. Write it anew, for a batch. Where several
# pixels share the maximum, take the first, as `argmax` does. A map of zeros points nowhere, and hits nothing.


# %% tags=["nbval-check-output"]
def hits(maps, masks):
    """(N, H, W) maps, nothing below 0, and (N, H, W) bool masks → (N,) bool: is the maximum on the object?"""
    raise NotImplementedError


check("hits", hits)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# `maps.flatten(1).argmax(dim=1)` counts the pixels row by row. Which of `//` and `%` gives the row? A picture in
# memory has its rows first.
#
# </details>
# <details>
# <summary>Solution</summary>
#
# The bug: `mask[x, y]` asks for row x and column y. Images are drawn with x to the right, and stored with the row
# first.
#
# ```python
# def hits(maps, masks):
#     places = maps.flatten(1).argmax(dim=1)
#     rows, columns = places // maps.shape[2], places % maps.shape[2]
#     return masks[torch.arange(len(maps)), rows, columns] & (maps.amax(dim=(1, 2)) > 0)
# ```
#
# The package's `pointing_game` shares the hit out where several pixels share the maximum, so that the upper left is
# not preferred.
#
# </details>

# %% tags=["nbval-check-output"]
hits = use("hits", hits)
for name, heat in (maps | {"the mask itself": own}).items():
    wrong = sum(shipped(*pair).item() for pair in zip(heat, masks[some], strict=True)) / len(heat)
    print(f"{name:<18} hits {hits(heat, masks[some]).float().mean():>4.0%}   as shipped: {wrong:>4.0%}")

# %% [markdown]
# As shipped, Grad-CAM looks no better than a spot in the middle. The spot itself cannot suffer: swapped, it is the
# same.
#
# ## 2. How sure is that?
#
# Two hundred other pictures would have given other means. A **confidence interval** says how different they could be
# (other pictures, mind, not another network). To compare two methods, use that both saw the *same* pictures, some easy
# for both: take the differences, picture by picture, and ask whether the interval of their mean leaves out 0.

# %% [markdown]
# ### Exercise: compare
#
# *Difficulty 2 of 5, about 10 minutes.* The 95% interval of the mean of $a - b$, by the normal approximation: the mean,
# minus and plus 1.96 standard deviations of the differences divided by $\sqrt{N}$.


# %% tags=["nbval-check-output"]
def compare(a, b):
    """Two methods' values on the same images, (N,) each → (low, high), the 95% interval of the mean of a - b."""
    raise NotImplementedError


check("compare", compare)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# Three lines. The first is `difference = a - b`, and after it `a` and `b` are not needed any more.
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
# Looking whether the two methods' own intervals overlap is a popular way to overlook a difference. The package's
# `confidence_interval` is a bootstrap: it draws other sets of pictures from the ones at hand, and needs no normal law.
#
# </details>

# %% tags=["nbval-check-output"]
compare = use("compare", compare)


def verdict(better, names, a, b):
    """Whether a is better than b; ``better`` is +1 where more is better, -1 where less is."""
    low, high = sorted(100 * better * float(end) for end in compare(a, b))
    word = "better than" if low > 0 else "worse than" if high < 0 else "not told apart from"
    print(f"{names[0]} is {word} {names[1]}: {low:+.1f} to {high:+.1f} points")


for other in ("random map", "centred Gaussian"):
    verdict(1, ("Grad-CAM at layer3", f"the {other}"), energy["Grad-CAM, layer3"], energy[other])

# %% [markdown]
# ## 3. Every method, every layer
#
# Grad-CAM passes its first test. Now the whole table: six methods at four layers, for 500 pictures, each number with
# half its 95% interval. `s12 compare` prints it for 2,000 pictures.
#
# **Predict first.** layer3 knows most about the class, and has 4 × 4 places. `prep` has 32 × 32 places, and knows
# edges and colours. Which layer will point best?

# %% tags=["nbval-check-output"]
from s12lib.explain.comparison import PLACES, baseline_scores, coarse_mask_scores, localization_scores, table_lines

count = course.few(500)
whole = localization_scores(network, images[:count], masks[:count])
for measure in ("energy", "pointing"):
    print("\n".join(table_lines(whole, measure)), "\n")
for name, score in baseline_scores(masks[:count]).items():
    print(f"{name:<17} energy {score.energy.mean():.1%}, pointing {score.pointing.mean():.1%}")
print(f"\n{count} test pictures of Shapes, per cent")

# %%
coarse = {layer: score.energy.mean().item() for layer, score in coarse_mask_scores(masks[:count]).items()}
mean = {name: score.energy.mean().item() for name, score in whole.items()}
bell = baseline_scores(masks[:count])["centred Gaussian"].energy.mean().item()
in_order = list(PLACES)
curves = {"the mask": (range(4), [coarse[layer] for layer in in_order])}
for method in ("hirescam", "gradcam"):
    curves[method] = (range(4), [mean[method, layer] for layer in in_order])
curves["Gaussian"] = (range(4), [bell] * 4)
best = max(mean, key=mean.get)
title = f"{best[0]} at {best[1]} has {mean[best]:.0%} of its heat on the object, gradcam at layer3 "
title += f"{mean['gradcam', 'layer3']:.0%}"
where = f"Shapes, {count} test pictures"
ticks = [f"{layer}, {side}×{side}" for layer, side in PLACES.items()]
viz.show(viz.lines(curves, title, where, "layer", "share of the heat on the object", marker="o", ticks=ticks))

# %% tags=["nbval-check-output"]
for layer, score in coarse_mask_scores(masks).items():
    print(f"{layer:<7} the mask: energy {score.energy.mean():.0%}, pointing {score.pointing.mean():.0%}")

# %% [markdown]
# Neither the coarsest layer is best, nor the finest. "The mask" is a map that *knows* where the object is, and has
# only as many places as the layer to tell it. With 4 × 4 places each is 8 pixels wide, an object about 15,
# and the blur that makes 32 × 32 pixels out of it spills over. Even the truth, told in sixteen numbers,
# points right in fewer than nine cases of ten. Do not expect it of Grad-CAM at layer3, whatever the network knows.
#
# From layer3 to layer2 both gain. "The mask" is no upper bound: at layer3 HiRes-CAM lies above it, with its heat on few
# places, the ones that the logit has seen. Grad-CAM averages the gradient over the picture. At layer1 and `prep` that
# costs it all it had, down to the Gaussian or lower.
#
# So, for *heat on the object*: HiRes-CAM at layer2. By pointing, LayerCAM does as well, and Grad-CAM gains nothing
# there. And we picked the best of 24 on the pictures that we report it on, which flatters it. Before you write it down,
# one more baseline.

# %% tags=["nbval-check-output"]
from s12lib.explain.sanity import untrained

blank = localization_scores(untrained(network), images[:count], masks[:count])
print("an untrained network, one draw of weights (± is over pictures only)")
print("\n".join(table_lines(blank, "energy")))
print(f"\n{count} test pictures of Shapes, per cent")

# %% [markdown]
# Look for the largest energy of any method, here and before. It belongs to Eigen-CAM at `prep`, on a network with
# *random weights*, which has never seen a picture.
#
# HiRes-CAM at layer2 and Grad-CAM at layer3 lie far above their own untrained twins. Eigen-CAM's twin wins at `prep`
# and layer1, is about level at layer2, and only at layer3 falls behind. A guess why: random filters react to edges
# and bright patches, the object differs most from what is around it, and Eigen-CAM looks for the strongest common
# direction. So **lying on the object does not make a map true**. It may show you what is striking in the picture, and
# the network may have decided by something else.

# %% [markdown]
# ## 4. Does the map know the network?
#
# Adebayo and others (2018) turned this into a **sanity check**. Let the network forget, one part after the other, from
# the head down to `prep`, by giving each fresh random weights. A map that stays the same through that cannot have
# shown what was learned. We measure the rank correlation with the trained network's map.
#
# **Predict first.** What will Eigen-CAM at layer2 do when the head forgets, and then layer3? And a map that is just the
# picture's brightness?

# %%
from functools import partial

from s12lib.explain.sanity import cascading_randomization

explainers = {name: partial(gradcam, method=name, layer="layer2") for name in ("gradcam", "hirescam", "eigencam")}
explainers["brightness"] = lambda model, images, targets: images.float().mean(3) / 255
stages, kept = ("head", "layer3", "layer2", "layer1", "prep"), {}
for name, explain in explainers.items():
    runs = [cascading_randomization(network, images[:20], explain=explain, seed=seed) for seed in range(3)]
    kept[name] = [torch.stack([run[stage] for run in runs]).mean().item() for stage in stages]
title = f"Head and layer3 have forgotten: rank correlation {kept['eigencam'][1]:.2f} for eigencam, "
title += f"{kept['gradcam'][1]:.2f} for gradcam"
curves = {name: (range(len(stages) + 1), [1, *values]) for name, values in kept.items()}
where = "Shapes, 20 test pictures, 3 draws of fresh weights"
axes = ("parts that have forgotten: head, layer3, layer2, layer1, prep", "rank correlation")
viz.show(viz.lines(curves, title, where, *axes, marker="o"))

# %% tags=["nbval-check-output"]
print(f"{'forgotten down to':<18}" + "".join(f"{stage:>8}" for stage in stages))
for name, values in kept.items():
    print(f"{name:<18}" + "".join(f"{value:>8.2f}" for value in values))

# %% [markdown]
# Brightness stays at 1.00, since it never asked the network: it fails the check. Eigen-CAM at layer2 does not notice
# what happens above layer2: it explains no decision. Grad-CAM and HiRes-CAM lose much of their order.
#
# But look at the first step, where the head alone has forgotten, and its weights are dice. A good deal can survive.
# Every weighted sum of the same activations is hot where the activations are, or cold there, if the dice fall that way;
# then ReLU leaves nothing, which counts as 0 here. So of what a CAM shows, a part is *where anything is at all*.
#
# A map that ignores the network is no explanation of it. A map that reacts may still be wrong.

# %% [markdown]
# ## 5. A network with a secret
#
# Now use a heatmap for what it is good for: to find out something that the accuracy hides. We plant a **shortcut**.
# Each training picture gets a mark of 4 × 4 pixels in its corner, and the mark's colour says the class. It has happened
# without anybody's planting: a classifier knew horses by a photographer's name below them (Lapuschkin and others,
# 2019), and networks that looked for pneumonia could tell the hospital by its X-rays (Zech and others, 2018).

# %% tags=["nbval-check-output"]
corners = [[r, g, b] for r in (40, 215) for g in (40, 215) for b in (40, 215)]
COLOURS = torch.tensor([*corners, [128, 40, 128], [128, 215, 128]], dtype=torch.uint8)


def plant(images, colours):
    """The same pictures with a mark at the top left, of the colour with this number: (N, 32, 32, 3) uint8."""
    marked = images.clone()
    marked[:, :4, :4] = COLOURS[colours][:, None, None]
    return marked


dice = torch.Generator().manual_seed(0)
no_secret = torch.randint(10, drawings.splits["train"].labels.shape, generator=dice)
others = (labels + torch.randint(1, 10, labels.shape, generator=dice)) % 10
print("pixels that a mark changes:", (plant(images[:1], labels[:1]) != images[:1]).any(3).sum().item(), "of 1,024")

# %%
import pytorch_lightning as pl

from s12lib import Classifier
from s12lib.data.splits import Split
from s12lib.training.hardware import best_precision


def train(marks):
    """A fresh network, trained on the first pictures of Shapes, each with the mark that it is told."""
    many, (pictures, truth, _) = 128 if course.smoke else 5000, drawings.splits["train"]
    taught = Shapes(batch_size=64, validation_size=0)
    taught.splits = {"train": Split(plant(pictures, marks)[:many], truth[:many])}
    torch.manual_seed(0)
    module = Classifier(lr=0.4, final_epochs=0.5, label_smoothing=0.0, ema_decay=0.95)
    quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    pl.Trainer(max_epochs=1 if course.smoke else 2, devices=1, precision=best_precision(), **quiet).fit(module, taught)
    return module.network.eval().to(course.device)


suspect = train(drawings.splits["train"].labels)

# %%
looked = slice(0, 100 if course.smoke else 500)


def accuracy(model, pictures):
    return (predict(model, pictures[looked]).argmax(1) == labels[looked]).float().mean().item()


print(f"accuracy on unseen pictures made in the same way: {accuracy(suspect, plant(images, labels)):.1%}")

# %% [markdown]
# Held-out pictures, never trained on. Would you have asked further? Most people would have shipped it.
#
# **Predict first.** Where will its heatmaps be hot?


# %%
def in_corner(heat):
    """The share of each map's heat in the 8 × 8 pixels at the top left, a sixteenth of the picture."""
    corner = torch.zeros(heat.shape, dtype=torch.bool)
    corner[:, :8, :8] = True
    return energy_on_object(heat, corner)


for name, model in {"the suspect": suspect, "the package's network": network}.items():
    for method, layer in (("gradcam", "layer3"), ("hirescam", "layer2")):
        heat = gradcam(model, plant(images, labels)[looked][:100], method=method, layer=layer)
        share, on_it = in_corner(heat).mean(), energy_on_object(heat, masks[looked][:100]).mean()
        print(f"{name:<22} {method:<9} {layer}: {share:.0%} in the corner, {on_it:.0%} on the object")

# %% [markdown]
# That gives it away, and with a control: the package's network gets the very same marked pictures, and has no reason to
# care. Mind that the sixteen numbers of layer3 are quite enough for this question.
#
# A heatmap is a hint, not a proof. The proof is an **intervention**: take the mark away, or give a wrong one.

# %%
bare, mismatched = accuracy(suspect, images), plant(images, others)
says = predict(suspect, mismatched[looked]).argmax(1)
print(f"with its mark:     {accuracy(suspect, plant(images, labels)):.1%} right")
print(f"without a mark:    {bare:.1%} right")
print(f"with another mark: {(says == labels[looked]).float().mean():.1%} say what is drawn, ", end="")
print(f"{(says == others[looked]).float().mean():.1%} what the mark says")

# %% [markdown]
# Then the **cure**. Often one cannot remove a mark from old pictures. One can make it worthless: give every training
# picture a mark at random, so that it says nothing. The same network, the same drawings, the same number of steps, even
# the same seed; only the marks are dealt out anew.
#
# **Predict first.** Each picture has its own mark again, and HiRes-CAM explains the true class. Where will each of the
# two networks be hot?

# %% tags=["goal"]
cured = train(no_secret)
shown, columns, share = slice(0, 4), {}, {}
for name, model in {"suspect": suspect, "cured": cured}.items():
    marked = plant(images, labels)[looked][:100]
    raw = gradcam(model, marked, labels[looked][:100], "layer2", "hirescam", raw=True)
    columns[name] = (raw / raw.amax((1, 2), keepdim=True).clamp(min=1e-9))[shown]
    share[name] = in_corner(enlarge(raw)).mean()
    print(f"{name}: right on {accuracy(model, plant(images, labels)):.1%} with their own mark, ", end="")
    print(f"{accuracy(model, images):.1%} without, {accuracy(model, mismatched):.1%} with a wrong one")
notes = [(drawings.classes[label], "", "") for label in labels[shown].tolist()]
title = (
    f"In the marked corner: {share['suspect']:.0%} of the suspect's heat, {share['cured']:.0%} of the cured network's"
)
where = f"Shapes, {len(labels[shown])} of {len(marked)} marked test pictures; HiRes-CAM at layer2 for the true class"
viz.show(viz.heatmap_table(plant(images, labels)[shown], columns, notes, title, where, across=2))

# %% [markdown]
# Look at the columns: the one network has an eye for the corner, the other for the object, and it took no cleverer
# architecture, only other data. On marked pictures the accuracy hardly tells the two apart. The cured network is the
# better one all the same, since the suspect's accuracy was the mark's.

# %% [markdown]
# ## 6. Without masks: take it away, and look
#
# Back to the real pictures. There are no masks here, and whether a map lies on the cat is not the question anyway. A
# map claims that *these* pixels matter. Then let us remove them, and see whether the network's probability for its
# answer falls.

# %% [markdown]
# ### Exercise: remove the hottest
#
# *Difficulty 3 of 5, about 15 minutes.* Set the hottest share of each picture's pixels to 0, which after normalising is
# the training set's mean colour. Every picture loses the same number of pixels.


# %% tags=["nbval-check-output"]
def remove_hottest(images, maps, share):
    """(N, C, H, W) normalised, (N, H, W) maps → images of which round(share * H * W) pixels each are 0."""
    raise NotImplementedError


check("remove_hottest", remove_hottest)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# `maps.flatten(1).topk(count).indices` names the hottest pixels of each map. `scatter(1, indices, 0)` puts zeros there,
# into a tensor of ones. It then needs the maps' shape, and an axis for the channels.
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

# %% tags=["nbval-check-output"]
from s12lib import normalize

remove_hottest = use("remove_hottest", remove_hottest)
seen = load_pretrained("page_resnet_cifar10" if data.name == "CIFAR-10" else "page_resnet_shapes").to(course.device)
real = data.splits["test"].images[:100]
preds, index = predict(seen, real).argmax(1), torch.arange(100)
heat = gradcam(seen, real, preds)
for name, ranking in {"hottest": heat, "coldest": 1 - heat, "random": random_maps(100)}.items():
    with torch.no_grad():
        logits = seen(remove_hottest(normalize(real), ranking, 0.3).to(course.device)).cpu()
    print(f"without the {name} 30%: {logits.softmax(1)[index, preds].mean():.0%} for its answer, on {data.name}")
print(f"with all its pixels:     {predict(seen, real).amax(1).mean():.0%} for its answer, on {data.name}")

# %% [markdown]
# Even the coldest pixels are missed, perhaps for the hole they leave. Done step by step, that is the **deletion** curve
# (Petsiuk and others, 2018); the smaller the area below it, the better the map. **Insertion** goes the other way, from
# a blurred picture to the whole one, and there more is better. Both have a flaw: half grey, or half blurred, a picture
# is like nothing the network was trained on, and that alone can move the probability. **ROAD** (Rong and others, 2022)
# fills the hole with a blur of its surroundings, and takes half the difference between removing the least and the most
# relevant half: 0 for a map that knows nothing.
#
# **Predict first.** HiRes-CAM at layer2 has won on Shapes. Will it win here? And how far behind will the Gaussian
# be? Think of where a photographer puts the ship.

# %%
from s12lib.explain.faithfulness import deletion_curves, insertion_auc, road

pictures = data.splits["test"].images[: course.few(200)]
preds = predict(seen, pictures).argmax(1)
maps = {
    "Grad-CAM, layer3": gradcam(seen, pictures, preds),
    "HiRes-CAM, layer2": gradcam(seen, pictures, preds, "layer2", "hirescam"),
    "centred Gaussian": gaussian_maps(len(pictures)),
    "random map": random_maps(len(pictures)),
}
steps, faithful, curves = 8, {}, {}
for name, heat in maps.items():
    falling = deletion_curves(seen, pictures, heat, preds, steps)
    curves[name] = ([k / steps for k in range(steps + 1)], falling.mean(0).tolist())
    falls, rises = torch.trapezoid(falling, dx=1 / steps), insertion_auc(seen, pictures, heat, preds, steps)
    faithful[name] = falls, rises, road(seen, pictures, heat, preds, percentiles=(50,))

# %% tags=["nbval-check-output"]
from s12lib.explain.intervals import format_interval

where = f"{data.name}, the first {len(pictures)} test pictures"
left = [f"{name.split(',')[0]} {curve[1][2]:.0%}" for name, curve in curves.items()]
title = f"{2 / steps:.0%} of the pixels gone, its answer has: " + ", ".join(left)
viz.show(viz.lines(curves, title, where, "share of the pixels removed", "probability of its answer", marker="o"))
print(f"{'':<18} {'deletion':>13} {'insertion':>13} {'ROAD':>13}")
for name, values in faithful.items():
    print(f"{name:<18} " + " ".join(f"{format_interval(value):>13}" for value in values))
print("for deletion less is better, for the others more\n")
for k, (measure, sign) in enumerate({"deletion": -1, "insertion": 1, "ROAD": 1}.items()):
    for other in list(maps)[1:]:
        print(f"{measure}: ", end="")
        verdict(sign, ("Grad-CAM, layer3", other), faithful["Grad-CAM, layer3"][k], faithful[other][k])

# %% [markdown]
# Read the last lines one by one. Where one said "not told apart", these pictures would not settle it, and no prose
# should.
#
# Against the random map Grad-CAM is plainly better: it knows something about what the network uses. The Gaussian is
# the sobering line. In CIFAR-10 the object is in the middle, so a spot in the middle is a fair guess at the evidence,
# without a network. Whatever lead a method has, it is the lead over *that* which counts.
#
# Look at the figure's left end, too. Of HiRes-CAM's order the first eighth costs the most; further on it falls
# behind: what it ranks next matters less. The measures judge *all* of a ranking.
#
# And the order of methods is not the one of section 3. Do not conclude too much: the question has changed, but so have
# the pictures and the network. To separate them, run this section on Shapes.

# %% [markdown]
# ## 7. What a heatmap cannot tell
#
# - **Whether the answer is right.** Wrong answers have convincing maps, too: you have seen a gallery of them.
# - **What it is about the place.** Hot on the wheel: its shape, its blackness, the road below it? The map says where
#   the evidence was collected, not what it was.
# - **What would happen otherwise.** For that, change the picture and look, as you did with the mark.
# - **Anything that is everywhere.** A class given away by the picture's hue, or its noise, has no place to be hot at.
# - **That there is no shortcut.** You found one since you had planted it, and measured that very corner. A clean map of
#   twenty pictures says little about the other thousands.

# %% [markdown]
# ## Mistakes that people really make here
#
# - **An axis swapped in the mask test.** Try a measure on the perfect answer first.
# - **No baseline.** "62% of the heat is on the object" means nothing without the Gaussian's number.
# - **The prettiest maps chosen by hand**, or the layer chosen because its maps look best.
# - **CAM computed on a 1 × 1 map**, and measured all the same: a solid colour has the object's area as its energy.
# - **A fixed blur, crop or threshold tuned on the pictures that are shown.** Choose on some, report on others.
# - **Two methods tested on different pictures**, or intervals compared by eye where the pictures were the same.

# %% [markdown]
# ## Recap
#
# In this lesson you have
#
# - **measured** energy in the mask and the pointing game, beside three baselines, and beside the mask itself;
# - **checked** which maps notice that the network has forgotten;
# - **unmasked** a network that had learned a mark and not the shapes, proved it, and cured it;
# - **judged** maps on real pictures by what happens when their pixels go.
#
# **Next:** [07 · Speed](07_speed.ipynb). Where the seconds go, and which of them you can have back.

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
# # 05 · Grad-CAM
#
# [![Open in Colab](../book/_static/colab-badge.svg)](https://colab.research.google.com/github/OWNER/page-resnet-course/blob/main/lessons/05_gradcam.ipynb)
#
# **Where in the picture was the evidence?**
#
# Minutes to run: 1 on a GPU, 1 on a CPU. Reading and solving takes about an hour and a half.
#
# You need: lesson [02 · The network](02_model.ipynb), for the layers and what a place of them can see, and best
# [04 · The failures](04_failures.ipynb), whose mistakes come back here. The [glossary](../book/glossary.md)
# explains every term.

# %% [markdown]
# ## Where this lesson ends
#
# ![Test pictures of CIFAR-10 that the network gets wrong, each with two heatmaps of four by four places on one scale:
# one for the class that the network says, one for the class that is right.](images/05_gradcam.png)
#
# Many notebooks about this network end with heatmaps of its mistakes, and show the class that the network *said*. The
# better question needs two maps: what spoke for the wrong class, and what for the right one? By the end you can draw
# both, by hand, and know of each number in them where it comes from.

# %% [markdown]
# ## You will be able to
#
# - **listen** in on any layer with a hook, and get the gradient there;
# - **compute** Grad-CAM by hand, and prove it right, for this network even without a gradient;
# - **draw** heatmaps that do not claim more than they know;
# - **compare** layers, classes and methods, and say what each of them asks.

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
# ## 1. Something to explain
#
# We take the package's weights and the first 1,000 test pictures, and look for mistakes. The network answers with ten
# **logits**, one a class; the largest is its answer. A logit is what we want to explain: where in the picture did it
# come from?

# %% tags=["nbval-check-output"]
from s12lib import load_pretrained, normalize
from s12lib.inference import predict

network = load_pretrained("page_resnet_cifar10" if data.name == "CIFAR-10" else "page_resnet_shapes")
network = network.to(course.device)
test = data.splits["test"]
images, labels = test.images[:1000], test.labels[:1000]
probabilities = predict(network, images)
confidence, preds = probabilities.max(1)
right = preds == labels
where = f"{data.name}, from the first {len(images):,} test pictures"
order = torch.where(right, -confidence, confidence).argsort(descending=True)  # the surest mistakes come first
mistakes = (~right).sum().item()
print(f"{mistakes} mistakes among {len(images):,} pictures")

# %% tags=["nbval-check-output"]
first = order[:1]
said, label = preds[first].item(), labels[first].item()
batch = normalize(images[first]).to(course.device)
print(f"the picture: {data.classes[label]}. The network says: {data.classes[said]}, {confidence[first].item():.0%}")

# %% [markdown]
# That is the mistake it is surest of, and our patient for the next sections.

# %% [markdown]
# ## 2. Activations: listening in
#
# What a layer puts out are its **activations** $A$: for one picture, a number for each channel and each place. They
# are gone as soon as the next layer has used them. A **hook** is a function that PyTorch calls when a layer has run.
# It gets the layer, what went in and what came out. What it does with them is its own affair:

# %% tags=["nbval-check-output"]
handle = network.layer2.register_forward_hook(lambda module, args, output: print("layer2:", tuple(output.shape)))
_ = network(batch)
handle.remove()
_ = network(batch)  # nobody listens any more

# %% [markdown]
# **Predict first.** You know layer2's shape now. What is layer3's? How many places are there for the evidence to lie
# in?

# %% [markdown]
# ### Exercise: listen
#
# *Difficulty 2 of 5, about 15 minutes.* Keep what a layer puts out, and return it with the logits of the same run. A
# hook that is forgotten stays for ever. So remove it, also when the network raises an error. And keep the very tensor
# that passes, since we want a gradient from it soon.


# %% tags=["nbval-check-output"]
def listen(layer, network, images):
    """What `layer` puts out while network(images) runs, and the logits: two tensors. The hook is gone afterwards."""
    raise NotImplementedError


check("listen", listen)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# Let the hook append its third argument to a list. What is in a `finally` block runs whether or not the `try` block
# ended with an error, and lets the error go on its way.
#
# </details>
# <details>
# <summary>Solution</summary>
#
# ```python
# def listen(layer, network, images):
#     kept = []
#     handle = layer.register_forward_hook(lambda module, args, output: kept.append(output))
#     try:
#         logits = network(images)
#     finally:
#         handle.remove()
#     return kept[0], logits
# ```
#
# </details>

# %% tags=["nbval-check-output"]
listen = use("listen", listen)
activations, logits = listen(network.layer3, network, batch)
print("activations:", tuple(activations.shape))
print("logits:     ", tuple(logits.shape))

# %% [markdown]
# So 4 × 4 = 16 places, with 512 channels each. Whatever Grad-CAM tells you at this layer, it tells in sixteen numbers.
# Keep that in mind when you see a smooth, finely drawn heatmap of a 32 × 32 picture: somebody has blurred sixteen
# numbers.

# %% [markdown]
# ## 3. Gradients: who moves the logit?
#
# The activations say what is where. They do not say what it is good for. For that, ask how much the logit of class
# $c$ would grow if a channel were a little stronger at a place: the gradient $\partial z_c / \partial A_{kij}$. No
# hook is needed; we have kept both ends.
#
# **Predict first.** The head takes each channel's maximum over the 16 places. At how many of them can the gradient be
# other than zero?

# %% tags=["nbval-check-output"]
(gradients,) = torch.autograd.grad(logits[0, said], activations)
moving = (gradients[0] != 0).sum(dim=(1, 2))
print("gradients:", tuple(gradients.shape))
print("places that move the logit, in each channel: at most", moving.max().item())

# %% [markdown]
# Only at the one where the maximum is. A little more at any other place would not change the maximum, and so not the
# logit. The network looks at the best place of each channel and is blind to the rest.

# %% [markdown]
# ## 4. The formula
#
# Selvaraju and others proposed in 2017: average each channel's gradient over the places, and take that as the
# channel's **weight** $\alpha$. Add up the channels, each with its weight. Keep what speaks *for* the class:
#
# $$
# \begin{aligned}
# L_c &= \mathrm{ReLU}\Big(\sum_k \alpha_{ck} A_k\Big) \\
# \alpha_{ck} &= \frac{1}{hw} \sum_{i,j} \frac{\partial z_c}{\partial A_{kij}}
# \end{aligned}
# $$
#
# This is **Grad-CAM**, gradient-weighted class activation mapping.

# %% [markdown]
# ### Exercise: Grad-CAM
#
# *Difficulty 2 of 5, about 10 minutes.* Two lines are enough. Mind which axes are the places and which is the
# channels, and what comes first, the sum or the ReLU.


# %% tags=["nbval-check-output"]
def gradcam_map(activations, gradients):
    """Two (N, C, h, w) tensors → Grad-CAM, (N, h, w), at the layer's own resolution, nothing below 0."""
    raise NotImplementedError


check("gradcam_map", gradcam_map)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# `mean(dim=(2, 3), keepdim=True)` leaves a shape of (N, C, 1, 1), which can be multiplied with (N, C, h, w).
#
# </details>
# <details>
# <summary>Solution</summary>
#
# ```python
# def gradcam_map(activations, gradients):
#     weights = gradients.mean(dim=(2, 3), keepdim=True)
#     return (weights * activations).sum(dim=1).relu()
# ```
#
# </details>

# %% tags=["nbval-check-output"]
from s12lib.explain import enlarge

gradcam_map = use("gradcam_map", gradcam_map)
by_hand = gradcam_map(activations, gradients).detach().cpu()
places = by_hand / by_hand.max()
row, column = divmod(by_hand.argmax().item(), 4)
title = f"Row {row + 1}, column {column + 1} of 4 × 4 has {by_hand.max() / by_hand.sum():.0%} of the heat"
maps = {"what is known": places, "on the picture": places, "enlarged": enlarge(by_hand)}
notes = [(f"is: {data.classes[label]}", f"for: {data.classes[said]}", "", "")]
viz.show(viz.heatmap_table(images[first], maps, notes, title, where, opacities=(1, 0.6, 0.6)))

# %% [markdown]
# The second picture is all there is. The last is the same, enlarged *bilinearly*: between the places' centres the
# values are mixed. It is pleasant to look at, and each of its fine shades is made up. Trust no border in it that is
# finer than 8 pixels.
#
# And remember lesson 02: each of the sixteen places can see the whole picture, and looks far beyond its own square of
# it. A hot place means *the evidence was collected here*, which is not quite *the evidence lies here*.

# %% [markdown]
# ## 5. The same without a gradient
#
# For this network you can know the weights without asking. Write $W$ for the last layer's matrix and $s$ for the scale
# of the logits. Then
#
# $$
# z_c = s \sum_k W_{ck} \max_{i,j} A_{kij}
# $$
#
# and the gradient is $s\,W_{ck}$ at the place of the maximum, and 0 at the fifteen others. Its mean over 16 places is
# $s\,W_{ck}/16$. So
#
# $$
# L_c = \mathrm{ReLU}\Big(\frac{s}{16} \sum_k W_{ck} A_k\Big)
# $$
#
# That is the last layer, applied at each place, and a **closed form**: a formula that needs no gradient. It exists
# because nothing but a pool and *one
# linear layer* lies behind layer3, and the pool gives every channel the same share, 1/16. (Zhou and others had found
# such maps in 2016, for a head that averages; there they are called **class activation maps**.) An exact answer is a
# treasure: every implementation can be held against it.
#
# A second one comes for free. The gradient times the activation, added up over everything, is $s\,W_{ck}\max A_k$,
# added up: the logit itself.

# %% tags=["nbval-check-output"]
weight, scale = network.head[-1].weight.detach().cpu(), network.logit_scale
heard = activations.detach().cpu()
class_maps = scale / 16 * torch.einsum("ck,nkhw->nchw", weight, heard)
closed = class_maps[:, said].relu()
print("by hand and closed form agree to 1e-5:", torch.allclose(by_hand, closed, rtol=0, atol=1e-5))
back = (gradients * activations).sum().item()
print("gradient times activation is the logit:", abs(back - logits[0, said].item()) < 1e-4)
print("the closed form knows all classes at once:", tuple(class_maps.shape))

# %% [markdown]
# ## 6. The library
#
# By hand once, and then with a tool that others have tested: **pytorch-grad-cam**. This is how its manual uses it.

# %% tags=["nbval-check-output"]
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

with GradCAM(model=network, target_layers=[network.layer3]) as cam:
    theirs = cam(input_tensor=batch, targets=[ClassifierOutputTarget(said)])
print("shape:", theirs.shape, f" from {theirs.min():.1f} to {theirs.max():.1f}")
print("gradients left behind on the weights:", network.prep[0].weight.grad is not None)
network.zero_grad(set_to_none=True)

# %% [markdown]
# Two things to know. It leaves gradients on all parameters: train on afterwards without clearing them, and your first
# step is wrong. And it stretches each map to fill 0 to 1, so that you cannot tell a strong map from a weak one. The
# package's `gradcam` uses the library's formulas on a copy of the network, and can hand out the raw map.

# %% tags=["nbval-check-output"]
from s12lib import gradcam

library = gradcam(network, images[first], targets=said, raw=True)
print("the library's raw map:", tuple(library.shape))
print("agrees with by hand to 1e-5:    ", torch.allclose(library, by_hand, rtol=0, atol=1e-5))
print("agrees with closed form to 1e-5:", torch.allclose(library, closed, rtol=0, atol=1e-5))

# %% [markdown]
# Three ways to one map. From here on you may call `gradcam` with a good conscience.

# %% [markdown]
# ### Exercise: find the bug
#
# *Difficulty 3 of 5, about 15 minutes.* This is found in many a notebook. It makes heatmaps from the sums before
# ReLU, for several classes of one picture. Look at what it shows for the class that the network thinks *least* likely.
# (For a mistake the second class is the truth; where the network was right, the runner-up.)


# %%
def shipped(maps):
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    return (maps - low) / (high - low)


least = logits[0].argmin().item()
other = torch.where(right, probabilities.topk(2).indices[:, 1], labels)
columns = ("its answer", "the truth" if mistakes else "runner-up", "last choice")
classes = [said, other[first].item(), least]
maps = dict(zip(columns, shipped(class_maps[0, classes])[:, None], strict=True))
notes = [("", *(f"{data.classes[c]}, {probabilities[first[0], c]:.1%}" for c in classes))]
title = (
    f"Evidence of {class_maps[0, least].max():+.2f} for {data.classes[least]} is drawn as hot as {closed.max():+.2f}"
)
viz.show(viz.heatmap_table(images[first], maps, notes, title, where))

# %% [markdown]
# All three are equally hot, whatever the numbers behind them. A place where nothing much speaks against the class looks
# like evidence for it. And where all values are the same, it divides by zero. Write it anew: cut off what speaks
# against, and put all maps of the picture on *one* scale.


# %% tags=["nbval-check-output"]
def shared_heat(maps):
    """(n, h, w) maps of one picture, one a class → (n, h, w) in [0, 1] on one scale; all 0 if nothing is above 0."""
    raise NotImplementedError


check("shared_heat", shared_heat)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# ReLU first. Then one number divides all of them: the largest of all. What if it is 0?
#
# </details>
# <details>
# <summary>Solution</summary>
#
# The bug is the stretching of each map from its own least to its own most. It hides the sign and the size.
#
# ```python
# def shared_heat(maps):
#     heat = maps.relu()
#     peak = heat.max()
#     return heat / peak if peak > 0 else heat
# ```
#
# The package's `gradcam` divides each map by its own maximum, too, which is right for *where* and wrong for *how
# much*. For comparisons take `raw=True`.
#
# </details>

# %% [markdown]
# ## 7. Layer by layer
#
# Grad-CAM works at any layer with places. Earlier layers have more of them: `prep` has 32 × 32. So why blur sixteen
# numbers, when 1,024 are to be had?
#
# The formula gives each channel *one* weight for the whole picture, its mean gradient. At `prep` a channel is an edge
# detector, and an edge may speak for the class at one place and against it at another. Such gradients cancel out.
#
# **Predict first.** How much of the gradient is left after averaging, at `prep` and at `layer3`? And what will a map
# look like that is made from the rest?

# %% tags=["nbval-check-output"]
layers, left = ("prep", "layer1", "layer2", "layer3"), {}
for name in layers:
    A, z = listen(network.get_submodule(name), network, normalize(images[order[:20]]).to(course.device))
    (g,) = torch.autograd.grad(z.amax(dim=1).sum(), A)
    left[name] = (g.mean((2, 3)).abs().sum() / g.abs().mean((2, 3)).sum()).item()
    print(f"{name:<7} {A.shape[-1]:>2} × {A.shape[-1]:<2}  left after averaging: {left[name]:.0%}")

# %%
few = order[:3]
raw = {name: gradcam(network, images[few], preds[few], layer=name, raw=True) for name in layers}
maps = {
    f"{name}\n{m.shape[-1]} × {m.shape[-1]}": m / m.amax((1, 2), keepdim=True).clamp(min=1e-9)
    for name, m in raw.items()
}
title = f"At prep {left['prep']:.0%} of the gradient is left to make a map from, at layer3 {left['layer3']:.0%}"
notes = [(f"is: {data.classes[labels[k]]}\nsays: {data.classes[preds[k]]}", "", "", "", "") for k in few.tolist()]
viz.show(viz.heatmap_table(images[few], maps, notes, title, f"{where}; measured on 20 of them"))

# %% [markdown]
# At `prep` you see specks and edges, made from what is left. A map that is dark all over would mean that the weighted
# sum is below 0 everywhere, so that ReLU leaves nothing. At layer3 nothing cancels, since each channel has a gradient
# at one place only. That is the bargain: many places with a poor weight, or few with a good one.
#
# And one step further, after the head's pool?

# %% tags=["nbval-check-output"]
pooled, _ = listen(network.head[0], network, batch)
print("after the pool:", tuple(pooled.shape))

# %% [markdown]
# One place. A heatmap of it is one solid colour, and it has been published more than once.

# %% [markdown]
# ## 8. The mistakes, with two maps each
#
# Now for the picture that this lesson is about. For each mistake: Grad-CAM for the class that the network said, and
# for the class that is right, on one scale.
#
# **Predict first.** It says dog and it is a cat. Did it look at something else in the picture, or did it look at the
# cat and take it for a dog? Which of the two will be the usual case?

# %% tags=["goal", "nbval-check-output"]
shared_heat = use("shared_heat", shared_heat)
studied = order[: max(mistakes, 20)]
spoke = [gradcam(network, images[studied], targets[studied], raw=True) for targets in (preds, other)]
peaks = [maps.flatten(1).argmax(1) for maps in spoke]
agree = peaks[0][:, None] == peaks[1]
same = agree.diagonal().sum().item()
by_chance = (agree.sum().item() - same) / (len(studied) - 1)  # over all pairs of unlike pictures
shown = studied[:8]
pairs = torch.stack([shared_heat(torch.stack(pair)) for pair in zip(*spoke, strict=True)])[:8]
notes = [("", *(f"{data.classes[c[k]]}\n{probabilities[k, c[k]]:.0%}" for c in (preds, other))) for k in shown.tolist()]
kind = "mistakes" if mistakes == len(studied) else "pictures"
title = f"In {same} of {len(studied)} {kind} both classes share the hottest place; {by_chance:.0f} would by chance"
maps = {columns[0]: pairs[:, 0], columns[1]: pairs[:, 1]}
meaning = "heat: 1 is the hottest place of the picture's two maps"
viz.show(viz.heatmap_table(images[shown], maps, notes, title, where, across=2, meaning=meaning))

# %% tags=["nbval-check-output"]
strength = spoke[1].amax((1, 2)) / spoke[0].amax((1, 2)).clamp(min=1e-9)
print(f"the same hottest place:                  {same} of {len(studied)}")
print(f"... if the maps are of unlike pictures:  {by_chance:.0f} of {len(studied)}")
print(f"the second map's peak, compared with the first's: {strength.mean():.0%} on average")
print(f"nothing speaks for the second class: {(spoke[1].amax((1, 2)) == 0).sum()} of {len(studied)}")

# %% [markdown]
# The second line is the control. Objects tend to lie in the middle, so two maps may agree though they have nothing
# to do with each other. Pair each first map with every other picture's second one, and see how many agree by that
# alone. Only what the first line has beyond the second is a finding. If the two lines are close, the hottest place
# alone cannot tell you whether the network looked at the same thing.
#
# The third line is about strength, and only the shared scale lets you see it. Go through the gallery, and ask for each
# pair: does the hot place hold something that *you* would call evidence, for the one class or for the other?
#
# Beware of one thing. You have chosen none of these pictures, and neither have we: they are the surest mistakes. A
# gallery in which somebody chose the nicest maps proves nothing.

# %% [markdown]
# ## 9. Other maps
#
# Grad-CAM has a family. They differ in one question: where does a channel's weight come from?
#
# | method | a channel's weight | asks about a class? | costs |
# |---|---|---|---|
# | `gradcam` | its mean gradient | yes | forward, backward |
# | `gradcam++` | its positive gradients, weighted by place | yes | forward, backward |
# | `hirescam` | its gradient, place by place | yes | forward, backward |
# | `layercam` | its gradient, place by place, where positive | yes | forward, backward |
# | `eigencam` | its part in the main direction of all activations | **no** | forward, a matrix decomposition |
# | `random` | drawn at random | **no** | forward |
#
# The last is no method but a **baseline**. What a random weighting shows as well, the method did not find out.
#
# **Predict first.** Which two will be the least like Grad-CAM?

# %%
from s12lib.explain.sanity import rank_correlation

methods = ("gradcam", "gradcam++", "hirescam", "layercam", "eigencam", "random")
raw = {name: gradcam(network, images[:100], preds[:100], method=name, raw=True) for name in methods}
likeness = {name: rank_correlation(m, raw["gradcam"]).mean().item() for name, m in raw.items()}
drawn = ("gradcam", "hirescam", "eigencam", "random")
maps = {name: gradcam(network, images[few[:2]], preds[few[:2]], method=name, raw=True) for name in drawn}
maps = {name: m / m.amax((1, 2), keepdim=True).clamp(min=1e-9) for name, m in maps.items()}
asked, unasked = likeness["hirescam"], likeness["eigencam"]
title = f"Likeness to Grad-CAM: hirescam {asked:.2f}, eigencam {unasked:.2f}, and that knows no class"
notes = [(f"says:\n{data.classes[preds[k]]}", *[""] * 4) for k in few[:2].tolist()]
viz.show(viz.heatmap_table(images[few[:2]], maps, notes, title, f"{where}; measured on 100 of them"))

# %% tags=["nbval-check-output"]
print(f"rank correlation with gradcam over 16 places, mean of 100 pictures of {data.name}")
for name, value in likeness.items():
    print(f"{name:<10} {value:+.2f}")

# %% [markdown]
# Rank correlation is 1 where two maps put the sixteen places in the same order, and 0 where their orders have nothing
# to do with each other. Read the last line first. Weights drawn at random are as often negative as positive, so that a
# map and its opposite are equally likely, and little likeness is left on average. Any method should beat that.
# Eigen-CAM's line is the harder test: it takes nothing but the activations, and nobody has told it which class to
# explain. See how near it comes. What a method has beyond *that* line it owes to the class. Where a network has found
# only one thing, every map shows that thing, and agreement between methods proves little.
#
# HiRes-CAM deserves a second look. Here it keeps of each channel only the place of its maximum, the only one that the
# logit has seen, and before its ReLU its sixteen numbers add up to the logit exactly. You have checked that in section
# 5. Grad-CAM gives the same weight to all sixteen places, also to those which the network was blind to. So of the two
# it is HiRes-CAM that says what this network did, and Grad-CAM that says what is where.
#
# That they look alike, or plausible, makes none of them true. That question has a lesson of its own.

# %% [markdown]
# ## Mistakes that people really make here
#
# Each of these was found in published code for this very exercise, or is waiting in the tools.
#
# - **CAM computed on a 1 × 1 map**, behind the last pool: one solid colour.
# - **Each map stretched to fill the scale.** A class that nothing speaks for gets a hot map.
# - **An upload normalised by its own mean and standard deviation.** The network sees another picture than you, and a
#   plain grey one divides by zero.
# - **Blue and red exchanged**, since OpenCV reads BGR: the heatmap explains a picture that nobody has seen.
# - **The model left in training mode.** Then a picture's heatmap depends on its neighbours in the batch.
# - **Python's built-in `eval()` called on a layer's name**, as in `eval("network." + name)`. If the name comes from a
#   visitor, so does the code. `network.get_submodule(name)` finds the layer and runs nothing.
# - **Hooks that stay.** Each call adds one, and the memory fills up. Use `finally`.

# %% [markdown]
# ## Recap
#
# In this lesson you have
#
# - **listened** in on layers with a hook that leaves no trace, and taken the gradient there;
# - **computed** Grad-CAM by hand, by a closed form and with the library, to the same five decimals;
# - **drawn** maps at the resolution that they have, for two classes on one scale;
# - **compared** four layers and six methods, and seen how much comes from no class at all.
#
# **Next:** [06 · Trust](06_trust.ipynb). The maps look reasonable. Are they true?

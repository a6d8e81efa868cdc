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
# **Where in the image was the evidence?**
#
# Minutes to run: 1 on a GPU, 2 on a CPU. Reading and solving takes about two and a half hours.
#
# You need: lesson [02 · The network](02_model.ipynb), for the layers and what a place of them can see, and
# [04 · The failures](04_failures.ipynb), whose mistakes come back here. The [glossary](../book/glossary.md) explains
# every term.

# %% [markdown]
# ## Where this lesson ends
#
# ![Four CIFAR-10 test images that the network gets wrong. Beside each, a heatmap of 8 × 8 places for the class that it
# says, one for the class that is right, and the image with the hottest place of the first covered, with what the
# network says then.](images/05_gradcam.png)
#
# A heatmap of a mistake shows where the evidence for the wrong class lay. Is that true? Cover the place and ask the
# network again. By the end you can draw both maps, put them to this test, and name a popular map that fails it.

# %% [markdown]
# ## You will be able to
#
# - **listen** in on any layer with a hook, and get the gradient there;
# - **compute** Grad-CAM by hand, and prove it right, for this network even without a gradient;
# - **compare** layers, classes and methods, each with a control beside it;
# - **test** a heatmap by covering what it calls evidence.

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
# ## 1. Listening in
#
# We take the package's weights, the test images of lesson 04, and the mistakes among them, the surest first. What is to
# be explained is a [logit](../book/glossary.md#term-logits): where in the image did it come from?

# %%
from s12lib import load_pretrained, normalize
from s12lib.inference import logits_of

known = data.name == "CIFAR-10"
weights = "page_resnet_cifar10" if known else "page_resnet_shapes"
network = load_pretrained(weights).to(course.device)

count, test = course.few(2000), data.splits["test"]
images, labels = test.images[:count], test.labels[:count]
logits = logits_of(network, images)
confidence, preds = logits.softmax(1).max(1)
right = preds == labels
other = torch.where(right, logits.topk(2).indices[:, 1], labels)
mistakes = (~right).sum().item()
surest_first = torch.where(right, -confidence, confidence)
order = surest_first.argsort(descending=True)

# %% tags=["hide-input", "nbval-check-output"]
# @title Print the mistake that it is surest of
where = f"{data.name}, from the first {count:,} test images"
first = order[:1]
answer, truth = preds[first].item(), other[first].item()
names = data.classes[answer], data.classes[truth]
sure = confidence[first].item()
print(f"{mistakes} mistakes among {count:,} images")
print(f"the surest: {names[1]}, called {names[0]}, {sure:.0%}")

# %% [markdown]
# What a layer puts out are its [activations](../book/glossary.md#term-activations) $A$: for one image, a number for
# each channel and place. A [hook](../book/glossary.md#term-hook) is a function that PyTorch calls when a layer has run.
# It gets the layer, what went in and what came out, and the plainest one keeps what came out:

# %%
kept = []
batch = normalize(images[first]).to(course.device)
handle = network.prep[1].register_forward_hook(
    lambda module, args, output: kept.append(output)
)
with torch.no_grad():
    network(batch)
handle.remove()

# %% [markdown]
# > **Predict first.** `prep[1]` is a [BatchNorm](../book/glossary.md#term-BatchNorm): much of what it puts out is below
# > 0. What is the smallest number in what the hook has kept?
# > <!-- guess: {{kept[0].min():.1f}} -->

# %% tags=["nbval-check-output", "reveal"]
with torch.no_grad():
    put_out = network.prep[:2](batch)
round(kept[0].min().item(), 1), round(put_out.min().item(), 1)

# %% [markdown]
# The next layer is `ReLU(inplace=True)`: to save memory, it writes its result into the tensor that it was given. The
# hook had kept that tensor, and no copy.
#
# > **Finding.** The smallest value that the hook kept is {{kept[0].min():.1f}}; what BatchNorm put out goes down to
# > {{put_out.min():.1f}}. A kept tensor holds what the *last* layer to write there has left.

# %% [markdown]
# ### Exercise: listen
#
# > **Difficulty 3 of 5, about 20 minutes.** Return what `layer` puts out while `network(images)` runs, and the logits
# > of that same run: two tensors. It must be right for any layer, also before a ReLU that works in place. A gradient
# > must flow from the logits to the activations, so a copy made on the side will not do. And remove the hook, also when
# > the network raises an error. One thing you need to know: what a hook returns replaces the layer's output.


# %% tags=["nbval-check-output"]
def listen(layer, network, images):
    """→ (the layer's output, the logits); no hook is left."""
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
# <summary>Second hint</summary>
#
# Keep the tensor itself, and hand the *network* a copy to go on with: the hook returns `output.clone()`. Whatever is
# written in place goes into the copy, and the gradient flows through it.
#
# </details>
# <details>
# <summary>Solution</summary>
#
# ```python
# def listen(layer, network, images):
#     kept = []
#
#     def keep(module, args, output):
#         kept.append(output)
#         return output.clone()
#
#     handle = layer.register_forward_hook(keep)
#     try:
#         logits = network(images)
#     finally:
#         handle.remove()
#     return kept[0], logits
# ```
#
# </details>

# %% [markdown]
# ## 2. Who moves the logit?
#
# The activations say what is where, not what it is good for. For that, ask how much the logit $z_c$ of class $c$ would
# grow if a channel were a little stronger at a place: the [gradient](../book/glossary.md#term-gradient)
# $\partial z_c / \partial A_{kij}$.

# %% tags=["nbval-check-output"]
listen = use("listen", listen)
activations, z = listen(network.layer3, network, batch)
(gradients,) = torch.autograd.grad(z[0, answer], activations)
activations.shape, gradients.shape

# %% [markdown]
# > **Predict first.** The [head](../book/glossary.md#term-head) takes each channel's maximum over the 4 × 4 places. At
# > how many of a channel's 16 places can the gradient be other than 0?
# > <!-- guess: {{moving}} -->

# %% tags=["nbval-check-output", "reveal"]
moving = (gradients[0] != 0).sum(dim=(1, 2)).max().item()
moving

# %% [markdown]
# > **Finding.** In each channel at most {{moving}} of the {{activations[0, 0].numel()}} places moves the logit: the one
# > with the maximum. Small changes elsewhere do nothing.

# %% [markdown]
# ## 3. Sixteen numbers
#
# [Selvaraju et al. (2017)](../book/references.md#selvaraju-2017): average each channel's gradient over the places, and
# take that as the channel's weight $\alpha$. Add up the weighted channels, and keep what speaks *for* the class:
#
# $$
# L_c = \mathrm{ReLU}\Big(\sum_k \alpha_{ck} A_k\Big), \qquad
# \alpha_{ck} = \frac{1}{hw} \sum_{i,j} \frac{\partial z_c}{\partial A_{kij}}
# $$
#
# This is [Grad-CAM](../book/glossary.md#term-Grad-CAM), gradient-weighted class activation mapping.

# %% [markdown]
# ### Exercise: Grad-CAM
#
# > **Difficulty 2 of 5, about 10 minutes.** From `activations` and `gradients`, both (N, C, h, w), compute Grad-CAM,
# > (N, h, w), nothing below 0. Mind which axes are the places and which is the channels, and what comes first, the sum
# > or the ReLU.


# %% tags=["nbval-check-output"]
def gradcam_map(activations, gradients):
    """Two (N, C, h, w) → (N, h, w), nothing below 0."""
    raise NotImplementedError


check("gradcam_map", gradcam_map)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# Two lines are enough: the weights, and the weighted sum. The places are axes 2 and 3, the channels axis 1.
#
# </details>
# <details>
# <summary>Second hint</summary>
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
enlarged = enlarge(by_hand)

# %% tags=["hide-input"]
# @title Draw what is known, and what is usually shown
spot = by_hand.argmax().item()
row, column = spot // 4 + 1, spot % 4 + 1
share = (by_hand.max() / by_hand.sum()).item()
title = f"Row {row}, column {column} of 4 × 4 has {share:.0%} of the heat"
maps = {
    "known": by_hand / by_hand.max(),
    "on the image": by_hand / by_hand.max(),
    "enlarged": enlarged,
}
notes = [(f"is: {names[1]}", f"for: {names[0]}", "", "")]
drawn = viz.heatmap_table(
    images[first], maps, notes, title, where, opacities=(1, 0.6, 0.6)
)
viz.show(drawn)

# %% [markdown]
# The second image is all there is. The last is the same, blurred: trust no border in it that is finer than 8 pixels.
# And each of the sixteen places sees far beyond its own square ([lesson 02](02_model.ipynb)). Hot means *the evidence
# was collected here*.
#
# For this network you can know the weights without asking. With $W$ the last layer's matrix and $s$ the scale of the
# logits, $z_c = s \sum_k W_{ck} \max_{i,j} A_{kij}$. The gradient is $s\,W_{ck}$ at the maximum and 0 at the fifteen
# others, and its mean is $s\,W_{ck}/16$:
#
# $$
# L_c = \mathrm{ReLU}\Big(\frac{s}{16} \sum_k W_{ck} A_k\Big)
# $$
#
# That is a [closed form](../book/glossary.md#term-closed-form): the last layer, applied at each place
# ([Zhou et al., 2016](../book/references.md#zhou-2016), found it for a head that averages). Without the ReLU it is a
# [class map](../book/glossary.md#term-class-map), and you have all ten at once. Every implementation can be held
# against it: yours, the package's, and the library's.
#
# It makes a newer method simple. [FinerCAM](../book/glossary.md#term-FinerCAM)
# ([Zhang et al., 2025](../book/references.md#zhang-2025)) explains a *difference* of logits: what speaks for dog rather
# than cat? Here that is one class map minus another.

# %%
from pytorch_grad_cam import FinerCAM
from pytorch_grad_cam.utils.model_targets import FinerWeightedTarget

from s12lib import gradcam

W, scale = network.head[-1].weight.detach().cpu(), network.logit_scale
heard = activations.detach().cpu()
class_maps = scale / 16 * torch.einsum("ck,kij->cij", W, heard[0])
finer = (class_maps[answer] - class_maps[truth]).relu()

package = gradcam(network, images[first], targets=answer, raw=True)
cam = FinerCAM(network, [network.layer3])
library = cam(batch, [FinerWeightedTarget(answer, [truth], alpha=1)])
cam.base_cam.activations_and_grads.release()  # it leaves its hooks behind
network.zero_grad(set_to_none=True)  # and gradients
stretched = enlarge(finer[None]) - enlarge(finer[None]).min()
by_parts = (gradients * activations).sum()

# %% tags=["hide-input", "nbval-check-output"]
# @title Print whether they agree
closed = class_maps[answer].relu()
agree = {
    "by hand": by_hand[0] - closed,
    "the package's gradcam": package[0] - closed,
    "FinerCAM, stretched to 0 to 1": torch.from_numpy(library)
    - stretched / stretched.max(),
    "gradient times activation": by_parts - z[0, answer],
}
for name, error in agree.items():
    close = error.abs().max() < 1e-4
    print(f"{name:<29} off by less than 0.0001: {close}")

# %% [markdown]
# The last line is a second check that comes for free: gradient times activation, added up over everything, is the logit
# itself.
#
# > **Finding.** Whatever Grad-CAM says at layer3 it says in {{by_hand.numel()}} numbers, of which the largest has
# > {{share:.0%}} of the heat here. By hand, in closed form and by the package they are the same.

# %% [markdown]
# ## 4. One scale
#
# This was shipped. It makes a [heatmap](../book/glossary.md#term-heatmap) of each class map. See what it does to the
# class that the network thinks *least* likely.


# %%
def shipped(maps):
    low = maps.amin((1, 2), keepdim=True)
    high = maps.amax((1, 2), keepdim=True)
    return (maps - low) / (high - low)


# %% tags=["hide-input", "nbval-check-output"]
# @title Print the hottest place of three classes
least = logits[first[0]].argmin().item()
classes = {"its answer": answer, "the truth": truth, "the last": least}
print(f"{'':<10} {'class':<11} class map's largest  as shipped")
for name, c in classes.items():
    peak, made = class_maps[c].max(), shipped(class_maps[[c]]).max()
    print(f"{name:<10} {data.classes[c]:<11} {peak:+19.3f} {made:11.1f}")

# %% [markdown]
# > **Finding.** Evidence of {{class_maps[least].max():+.3f}} for {{data.classes[least]}} is drawn as hot as
# > {{class_maps[answer].max():+.3f}} for {{data.classes[answer]}}: whoever stretches each map hides the size.

# %% [markdown]
# ### Exercise: find the bug
#
# > **Difficulty 2 of 5, about 10 minutes.** Write it anew. `maps` are (n, h, w) class maps of *one* image, one a class;
# > return (n, h, w) heat in [0, 1]. Cut off what speaks against, and put all maps on one scale, on which 1 is the
# > hottest place of all. If no value is above 0, return zeros.


# %% tags=["nbval-check-output"]
def shared_heat(maps):
    """(n, h, w) of one image → (n, h, w) in [0, 1], on one scale."""
    raise NotImplementedError


check("shared_heat", shared_heat)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# ReLU first. Then one number divides all of them: the largest of all.
#
# </details>
# <details>
# <summary>Second hint</summary>
#
# `maps.relu().max()` is that number. If it is 0, return the zeros as they are.
#
# </details>
# <details>
# <summary>Solution</summary>
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
# ## 5. Layer by layer
#
# `layer2` has 8 × 8 places and `prep` 32 × 32. Why stay with sixteen? Because Grad-CAM gives each channel *one* weight,
# its mean gradient. An edge may speak for the class at one place and against it at another; in the mean that cancels.

# %% [markdown]
# > **Predict first.** How much of the gradient is left after averaging, at `prep`, in per cent?
# > <!-- guess: {{100 * left["prep"]:.0f}} % -->

# %% tags=["nbval-check-output", "reveal"]
layers, left = ("prep", "layer1", "layer2", "layer3"), {}
some = normalize(images[order[:20]]).to(course.device)
for name in layers:
    A, top = listen(network.get_submodule(name), network, some)
    (g,) = torch.autograd.grad(top.amax(dim=1).sum(), A)
    averaged = g.mean((2, 3)).abs().sum()
    left[name] = (averaged / g.abs().mean((2, 3)).sum()).item()
{name: round(share, 2) for name, share in left.items()}

# %% tags=["hide-input"]
# @title Draw Grad-CAM at three layers, and HiRes-CAM
asked = [("gradcam", "prep"), ("gradcam", "layer2")]
asked += [("gradcam", "layer3"), ("hirescam", "layer2")]
three, maps = order[:3], {}
for method, layer in asked:
    raw = gradcam(
        network, images[three], preds[three], layer, method, raw=True
    )
    top = raw.amax((1, 2), keepdim=True).clamp(min=1e-9)
    maps[f"{method}\n{layer}"] = raw / top
says = [(data.classes[labels[k]], data.classes[preds[k]]) for k in three]
notes = [(f"is: {a}\nsays: {b}", "", "", "", "") for a, b in says]
title = f"Left after averaging: {left['prep']:.0%} at prep, "
title += f"{left['layer2']:.0%} at layer2, {left['layer3']:.0%} at layer3"
viz.show(viz.heatmap_table(images[three], maps, notes, title, where))

# %% [markdown]
# [HiRes-CAM](../book/glossary.md#term-HiRes-CAM) ([Draelos and Carin, 2020](../book/references.md#draelos-2020)) leaves
# the averaging out: each place keeps its own gradient, $\mathrm{ReLU}(\sum_k \partial z_c / \partial A_k \odot A_k)$.
# It can therefore use the 64 places of layer2. The package's `gradcam` knows it as `method="hirescam"`, with four
# others beside it.
#
# > **Finding.** Of the gradient {{left["prep"]:.0%}} is left at `prep`, {{left["layer2"]:.0%}} at layer2, and
# > {{left["layer3"]:.0%}} at layer3, where each channel has a gradient at one place only. With more places Grad-CAM
# > loses gradient; HiRes-CAM does not.

# %% [markdown]
# ## 6. What Grad-CAM says of the mistakes
#
# Nearly every notebook about this network ends here: Grad-CAM at layer3, for the class that it wrongly says.

# %%
studied = order[: max(mistakes, 20)]
wrong, said, true = images[studied], preds[studied], other[studied]


def hottest(maps):
    """(N, h, w) → the number of each map's hottest place, (N,)."""
    return maps.flatten(1).argmax(1)


# %% [markdown]
# > **Predict first.** Of the 4 × 4 places four are in the middle. In how many of the {{len(studied)}} mistakes is one
# > of these the hottest?
# > <!-- guess: {{central}} -->

# %% tags=["nbval-check-output", "reveal"]
usual = gradcam(network, wrong, said, raw=True)
middle = torch.tensor([5, 6, 9, 10])
central = torch.isin(hottest(usual), middle).sum().item()
central, len(studied)

# %% [markdown]
# Objects lie in the middle of CIFAR-10, and the middle places see most of the image. A warm spot painted into the
# middle of every image would look the same.
#
# > **Finding.** In {{central}} of {{len(studied)}} mistakes Grad-CAM at layer3 is hottest in the middle. That
# > tells nothing about the images: a null result.

# %% [markdown]
# ## 7. Two maps of each mistake
#
# The better question needs two maps, and more places: HiRes-CAM at layer2, for the class that the network said and for
# the one that is right.


# %%
def hires(model, images, classes):
    """HiRes-CAM at layer2, (N, 8, 8), nothing below 0."""
    return gradcam(model, images, classes, "layer2", "hirescam", raw=True)


def together(one, other):
    """How many pairs share the hottest place, and how many would by
    chance: each map beside those of all the other images."""
    same = hottest(one)[:, None] == hottest(other)
    own = same.diagonal().sum().item()
    return own, (same.sum().item() - own) / (len(same) - 1)


for_said = hires(network, wrong, said)
for_true = hires(network, wrong, true)

# %% [markdown]
# > **Predict first.** It says dog, and it is a cat. Did it look at the cat and take it for a dog? Then both maps are
# > hottest at the same place. By chance that happens in {{together(for_said, for_true)[1]:.1f}} of {{len(studied)}}. In
# > how many does it happen?
# > <!-- guess: {{same}} -->

# %% tags=["nbval-check-output", "reveal"]
shared_heat = use("shared_heat", shared_heat)
same, by_chance = together(for_said, for_true)
same, round(by_chance, 1)

# %% tags=["hide-input"]
# @title Draw the two maps of the six surest mistakes
pairs = torch.stack([for_said, for_true], 1)
heat = torch.stack([shared_heat(pair) for pair in pairs[:6]])
maps = {"answer": heat[:, 0], "truth": heat[:, 1]}
notes = [
    (f"says: {data.classes[a]}\nis: {data.classes[b]}", "", "")
    for a, b in zip(said[:6], true[:6], strict=True)
]
title = f"In {same} of {len(studied)} mistakes answer and truth share "
title += "the hottest place"
one = "one scale for both maps of an image"
which = f"{where}; HiRes-CAM at layer2"
drawn = viz.heatmap_table(
    wrong[:6], maps, notes, title, which, across=2, meaning=one
)
viz.show(drawn)

# %% [markdown]
# Before you believe it, ask whether it could be otherwise. The ten rows of $W$ add up to 0, so what speaks for one
# class speaks against the rest, and two rows point away from each other on average. That alone might keep the maps
# apart. Three controls:
#
# - *unlike images*: each answer's map beside the previous mistake's truth map;
# - *shuffled channels*: deal the 512 columns of $W$ anew, for all classes alike. All angles between classes stay as
#   they are; which channel serves whom is lost;
# - *right answers*: the answer and the runner-up, where the network was right and least sure.
#
# The measure is the heat that two maps share: make each add up to 1, take the smaller value at each place, and add up.


# %%
def overlap(one, other):
    """Two (N, h, w) → the share of heat in common, 0 to 1, mean."""
    one = one / one.sum((1, 2), keepdim=True).clamp(min=1e-9)
    other = other / other.sum((1, 2), keepdim=True).clamp(min=1e-9)
    return torch.minimum(one, other).sum((1, 2)).mean().item()


shuffled = load_pretrained(weights).to(course.device)
deal = torch.randperm(512, generator=torch.Generator().manual_seed(0))
shuffled.head[-1].weight.data = W[:, deal].to(course.device)
dealt = [hires(shuffled, wrong, c) for c in (said, true)]

unsure = confidence.where(right, torch.tensor(2.0)).argsort()[: len(wrong)]
near = images[unsure]
correct = [hires(network, near, c[unsure]) for c in (preds, other)]

# %% tags=["hide-input", "nbval-check-output"]
# @title Print the controls
common = {
    "mistakes: answer and truth": overlap(for_said, for_true),
    "unlike images": overlap(for_said, for_true.roll(1, 0)),
    "shuffled channels": overlap(*dealt),
    "right answers: answer, runner-up": overlap(*correct),
}
for name, value in common.items():
    print(f"{name:<33} {value:.2f} of the heat in common")
cosine = F.cosine_similarity(W[said], W[true]).mean().item()
print(f"\ncosine of the two classes' weights, mean {cosine:+.2f}")

# %% [markdown]
# > **Finding.** In {{same}} of {{len(studied)}} mistakes ({{by_chance:.1f}} by chance) the two classes share the
# > hottest place, and {{common["mistakes: answer and truth"]:.2f}} of the heat is common to both, against
# > {{common["unlike images"]:.2f}} for unlike images. The weights' angles do not build that in: with the channels
# > shuffled it is {{common["shuffled channels"]:.2f}}. And it is no mark of mistakes: near-miss *right* answers have
# > {{common["right answers: answer, runner-up"]:.2f}}. Whichever class wins, its rival's evidence lies elsewhere.

# %% [markdown]
# ## 8. Cover it, and look
#
# If the place spoke for the wrong class, the network should change its mind without it. Change one thing and look what
# becomes of the answer: an [intervention](../book/glossary.md#term-intervention).

# %%
from s12lib import MEAN

grey = (255 * torch.tensor(MEAN)).round().to(torch.uint8)


def cover(images, places, side, size=8):
    """uint8 images, each with a square of the mean colour around its
    place, a number from 0 to side² - 1."""
    covered, step, half = images.clone(), 32 // side, size // 2
    for image, place in zip(covered, places.tolist(), strict=True):
        row = step * (place // side) + step // 2
        column = step * (place % side) + step // 2
        top, left_edge = max(row - half, 0), max(column - half, 0)
        image[top : row + half, left_edge : column + half] = grey
    return covered


# %% [markdown]
# > **Predict first.** Cover 8 × 8 pixels (fewer at the rim) where HiRes-CAM for the wrong answer is hottest. How many
# > of the {{len(studied)}} mistakes become right?
# > <!-- guess: {{fixed["HiRes-CAM, layer2"]}} -->

# %%
rows = torch.arange(len(wrong))
A, top = listen(network.layer2, network, normalize(wrong).to(course.device))
(g,) = torch.autograd.grad((top[rows, said] - top[rows, true]).sum(), A)
difference = (g * A).sum(1).detach().cpu()

chosen = {
    "HiRes-CAM, layer2": (hottest(for_said), 8),
    "the same for the difference": (hottest(difference), 8),
    "Grad-CAM, layer3": (hottest(usual), 4),
    "the middle of the image": (torch.zeros(len(wrong)).long(), 1),
    "another mistake's place": (hottest(for_said).roll(1), 8),
    "HiRes-CAM for the truth": (hottest(for_true), 8),
}
then = {
    name: logits_of(network, cover(wrong, *place))
    for name, place in chosen.items()
}
fixed = {k: (v.argmax(1) == true).sum().item() for k, v in then.items()}

# %% tags=["hide-input", "nbval-check-output", "reveal"]
# @title Print how many mistakes become right
print(f"{'covered':<28} right, of {len(wrong)} mistakes")
for name, value in fixed.items():
    print(f"{name:<28} {value:>5}")

# %% tags=["hide-input", "goal"]
# @title Draw every so many mistakes, and what becomes of them
name = "HiRes-CAM, layer2"
step = len(wrong) // 4
shown = torch.arange(4) * step
sure, now = then[name].softmax(1).max(1)
heat = torch.stack([shared_heat(pair) for pair in pairs[shown]])
maps = {"for its answer": heat[:, 0], "for the truth": heat[:, 1]}
maps["covered"], notes = cover(wrong, *chosen[name])[shown], []
for k in shown:
    a, b, c = (data.classes[of[k]] for of in (said, true, now))
    before, after = confidence[studied[k]], sure[k]
    says = f"says {before:.0%}\n{a}", f"says {after:.0%}\n{c}"
    notes.append((says[0], a, b, says[1]))
title = "Cover what spoke for the wrong class, and "
title += f"{fixed[name]} of {len(wrong)} mistakes come right"
which += f"; every {step}th mistake, the surest first"
args = wrong[shown], maps, notes, title, which
viz.show(viz.heatmap_table(*args, meaning=one))

# %% [markdown]
# "The difference" is FinerCAM's idea at layer2: HiRes-CAM for the answer's logit minus the truth's. Nobody has chosen
# these images; they are every {{step}}th mistake. And it is no cure: you need the label to know which answers to cover.
#
# > **Finding.** Covered where HiRes-CAM at layer2 is hottest, {{fixed["HiRes-CAM, layer2"]}} of {{len(wrong)}} mistakes
# > become right, and {{fixed["the same for the difference"]}} where the difference is. Where *another* mistake's map is
# > hottest it is {{fixed["another mistake's place"]}}; where the truth's evidence lies,
# > {{fixed["HiRes-CAM for the truth"]}}. Grad-CAM at layer3 finds {{fixed["Grad-CAM, layer3"]}}, about as many as the
# > middle of the image ({{fixed["the middle of the image"]}}).

# %% [markdown]
# ### Exercise: occlusion
#
# > **Difficulty 4 of 5, about 40 minutes.** Covering *every* place in turn makes a map with no gradient and no layer:
# > [occlusion](../book/glossary.md#term-occlusion) ([Zeiler and Fergus, 2013](../book/references.md#zeiler-2013)).
# > `image` is (3, H, W), normalised; `score` takes a batch of such images, (n, 3, H, W), and returns a number for each,
# > (n,). Set a square of `size` × `size` pixels to 0 in all channels; its upper left corner goes through 0, `stride`, 2
# > · `stride` … down and to the right, as long as the whole square lies within the image. Return (rows, columns): by
# > how much the score *falls* with the square at each position, below 0 where it rises.


# %% tags=["nbval-check-output"]
def occlusion_map(score, image, size, stride):
    """score: (n, 3, H, W) → (n,); image (3, H, W) → (rows, columns)."""
    raise NotImplementedError


check("occlusion_map", occlusion_map)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# Along H pixels the corner stands at `range(0, H - size + 1, stride)`. Cover a fresh copy for each position, or the
# squares pile up.
#
# </details>
# <details>
# <summary>Second hint</summary>
#
# Gather the covered copies in a list, rows outside and columns inside, and `torch.stack` them: then one call of `score`
# does. `score(image[None])` is the score before, with one element. At the end, `reshape`.
#
# </details>
# <details>
# <summary>Solution</summary>
#
# ```python
# def occlusion_map(score, image, size, stride):
#     _, height, width = image.shape
#     rows = range(0, height - size + 1, stride)
#     columns = range(0, width - size + 1, stride)
#     covered = []
#     for top in rows:
#         for left in columns:
#             copy = image.clone()
#             copy[:, top : top + size, left : left + size] = 0
#             covered.append(copy)
#     drops = score(image[None]) - score(torch.stack(covered))
#     return drops.reshape(len(rows), len(columns))
# ```
#
# </details>

# %% [markdown]
# ## 9. A sharp map that knows little
#
# The sharpest maps come from [guided backpropagation](../book/glossary.md#term-guided-backpropagation)
# ([Springenberg et al., 2014](../book/references.md#springenberg-2014)): follow the logit back to the pixels, and at
# each ReLU let only positive gradients pass. A [sanity check](../book/glossary.md#term-sanity-check)
# ([Adebayo et al., 2018](../book/references.md#adebayo-2018)): give head and layer3 *random* weights. A map that
# explains the decision must change.

# %%
from s12lib.explain.guided import guided_backpropagation
from s12lib.explain.sanity import rank_correlation, untrained

forgetful, fresh = load_pretrained(weights), untrained(network).cpu()
forgetful.layer3.load_state_dict(fresh.layer3.state_dict())
forgetful.head.load_state_dict(fresh.head.state_dict())
forgetful = forgetful.to(course.device)

few, few_said, few_true = wrong[:30], said[:30], true[:30]
methods = {"guided": guided_backpropagation, "HiRes-CAM": hires}
trained = {k: of(network, few, few_said) for k, of in methods.items()}

# %% [markdown]
# > **Predict first.** Rank correlation is 1 where two maps put the places in the same order, and 0 where their orders
# > have nothing to do with each other. How alike are the guided maps before and after forgetting?
# > <!-- guess: {{forgot["guided"]:.2f}} -->

# %%
forgot, swapped = {}, {}
for name, of in methods.items():
    random_weights = of(forgetful, few, few_said)
    other_class = of(network, few, few_true)
    alike = rank_correlation(random_weights, trained[name])
    forgot[name] = alike.mean().item()
    alike = rank_correlation(other_class, trained[name])
    swapped[name] = alike.mean().item()

# %% tags=["nbval-check-output"]
occlusion_map = use("occlusion_map", occlusion_map)


def logit_of(c):
    """A score for occlusion_map: the logit of class c."""
    return lambda batch: network(batch)[:, c]


drops = torch.zeros(len(few), 4, 4)
with torch.no_grad():
    for k, image in enumerate(normalize(few).to(course.device)):
        score = logit_of(few_said[k])
        drops[k] = occlusion_map(score, image, size=8, stride=8)
drops -= drops.amin((1, 2), keepdim=True)  # the order is the same

# %%
maps = trained | {"Grad-CAM": usual[:30]}
coarse = {name: F.adaptive_avg_pool2d(m, 4) for name, m in maps.items()}
as_covered = {
    name: rank_correlation(m, drops).mean().item()
    for name, m in coarse.items()
}

# %% tags=["hide-input", "nbval-check-output", "reveal"]
# @title Print how each method stands the three tests
print(f"rank correlation, mean of {len(few)} mistakes")
print(f"{'':<10} forgotten  other class  occlusion")
for name in methods:
    tests = f"{forgot[name]:9.2f} {swapped[name]:12.2f}"
    print(f"{name:<10} {tests} {as_covered[name]:10.2f}")
print(f"{'Grad-CAM':<10} {'':>22} {as_covered['Grad-CAM']:10.2f}")

# %% tags=["hide-input"]
# @title Draw both methods before and after forgetting
maps = {}
for name, of in methods.items():
    after = of(forgetful, few[:2], few_said[:2])
    for when, m in (("trained", trained[name][:2]), ("forgotten", after)):
        top = m.flatten(1).quantile(0.99, dim=1)[:, None, None]
        maps[f"{name}\n{when}"] = (m / top.clamp(min=1e-9)).clamp(max=1)
notes = [(data.classes[c], "", "", "", "") for c in few_true[:2]]
title = f"Forgetting leaves guided maps alike ({forgot['guided']:.2f}), "
title += f"HiRes-CAM's not ({forgot['HiRes-CAM']:.2f})"
clipped = "heat: 1 is the hottest hundredth of each map"
drawn = viz.heatmap_table(
    few[:2], maps, notes, title, where, meaning=clipped
)
viz.show(drawn)

# %% [markdown]
# Guided backpropagation draws the image's edges, and those are the same for every class
# ([Nie et al., 2018](../book/references.md#nie-2018), proved it for simple networks). HiRes-CAM changes, and of the
# three it comes nearest to occlusion, which is no CAM at all.
#
# > **Finding.** After head and layer3 have forgotten, guided maps correlate with the old ones at
# > {{forgot["guided"]:.2f}}, and the map for another class at {{swapped["guided"]:.2f}}; HiRes-CAM's at
# > {{forgot["HiRes-CAM"]:.2f}} and {{swapped["HiRes-CAM"]:.2f}}. With occlusion HiRes-CAM correlates at
# > {{as_covered["HiRes-CAM"]:.2f}}, guided backpropagation at {{as_covered["guided"]:.2f}} and Grad-CAM at
# > {{as_covered["Grad-CAM"]:.2f}}.

# %% [markdown]
# ## Mistakes that people really make here
#
# Each of these was found in published code for this very exercise, or is waiting in the tools.
#
# - **CAM computed on a 1 × 1 map**, behind the last pool: one solid colour.
# - **Each map stretched to fill the scale.** A class that nothing speaks for gets a hot map.
# - **An upload normalised by its own mean.** The network sees another image than you.
# - **Blue and red exchanged**, since OpenCV reads BGR: the heatmap explains an image that nobody has seen.
# - **Gradients left behind** by a CAM library: train on, and your first step is wrong.
# - **Python's built-in `eval()` called on a layer's name.** If the name comes from a visitor, so does the code.
#   `network.get_submodule(name)` finds the layer and runs nothing.
# - **Hooks that stay.** Each call adds one, and the memory fills up. Use `finally`.

# %% [markdown]
# ## Take-away
#
# - **Listen** with a hook that keeps the tensor, hands the network a copy, and is removed in a `finally`.
# - **Compute** Grad-CAM in two lines; here a closed form proves them, and gives FinerCAM by a subtraction.
# - **Compare** with a control beside each number: {{central}} of {{len(studied)}} hottest places in the middle are a
#   null result.
# - **Test** by covering: {{fixed["HiRes-CAM, layer2"]}} mistakes come right at the hottest place, and
#   {{fixed["another mistake's place"]}} at another's.
# - **Distrust** sharpness: guided backpropagation is the sharpest map here, and hardly notices random weights.

# %% [markdown]
# ## Quiz
#
# **1. A layer is followed by `ReLU(inplace=True)`. Your hook keeps `output.detach().clone()`. What do you get?**
#
# - (a) The right values, and a gradient.
# - (b) The right values, and no gradient.
# - (c) The values that the ReLU has left.
#
# <details>
# <summary>Answer</summary>
#
# **(b)** The copy is made before the ReLU writes, so its values are right. But no logit was computed from it: there is
# no way for a gradient to take.
#
# </details>
#
# **2. Grad-CAM at layer3 is hottest in the middle of nearly every image. What follows?**
#
# - (a) The network looks at the object, which is in the middle.
# - (b) Nothing, until a spot painted in the middle has been tried as well.
# - (c) The network ignores the background.
#
# <details>
# <summary>Answer</summary>
#
# **(b)** A map that has not seen the image would pass the same test. In section 8 covering Grad-CAM's place does about
# what covering the middle does.
#
# </details>
#
# **3. Two classes' maps hardly overlap. You suspect that the last layer's weights build this in. Which control tells?**
#
# - (a) Other images of the same two classes.
# - (b) The same weights, with their channels shuffled for all classes alike.
# - (c) A map at another layer.
#
# <details>
# <summary>Answer</summary>
#
# **(b)** Shuffled alike, all angles between the classes' weights stay. If they were the cause, the maps would stay
# apart as well. They do not.
#
# </details>
#
# **4. A method's maps stay nearly the same when layer3 and the head get random weights. What does it show?**
#
# - (a) What the first layers react to, whatever is made of it later.
# - (b) That the explanation is robust.
# - (c) That layer3 does not matter for the decision.
#
# <details>
# <summary>Answer</summary>
#
# **(a)** With a random head the decisions are random, too, and a map that does not notice cannot explain them. It may
# still be a fine drawing of edges.
#
# </details>

# %% tags=["nbval-check-output"]
from s12lib.exercises import progress

progress()

# %% [markdown]
# ▰▰▰▰▰▰▱▱▱▱▱ Lesson 6 of 11. Behind you: maps that survive a first test. Ahead: tests with the truth known.
#
# **Next:** [06 · Trust](06_trust.ipynb) draws images whose objects are known to the pixel, and plants a secret.

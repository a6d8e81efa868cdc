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
# # 02 · The network
#
# [![Open in Colab](../book/_static/colab-badge.svg)](https://colab.research.google.com/github/OWNER/page-resnet-course/blob/main/lessons/02_model.ipynb)
#
# **What happens to an image on its way through, shape by shape?**
#
# Minutes to run: 1 on a GPU, 2 on a CPU. Reading and solving takes about two hours.
#
# You need: lesson [01 · The data](01_data.ipynb), or at least to know what a batch is. The
# [glossary](../book/glossary.md) explains every term.

# %% [markdown]
# ## Where this lesson ends
#
# ![The Page ResNet as a column of blocks, from the CIFAR-10 image at the top to ten logits at the bottom: the maps
# become smaller and the channels more, and the longest bar, of parameters, is that of layer3.](images/02_model.png)
#
# This is David C. Page's network. With it, and much care, he trained CIFAR-10 to 94% in the time that it takes to
# make tea. By the end you will have built it, and you will be able to account for every number in the figure.

# %% [markdown]
# ## You will be able to
#
# - **build** the Page ResNet from two kinds of blocks;
# - **count** its parameters by hand, and say where they are and where the work is;
# - **explain** the order conv, pool, BatchNorm, ReLU, and what a skip connection buys;
# - **tell** how much of an image one place of a layer can see, and notice a network in the wrong mode.

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
# ## 1. One convolution
#
# A [convolution](../book/glossary.md#term-convolution) slides a small window over its input. At each place it
# multiplies what lies under the window by its weights, and adds it all up. One set of weights makes one
# [channel](../book/glossary.md#term-channel) of the output.

# %% [markdown]
# > **Predict first.** The network's first convolution takes 3 channels and makes 64, with a window of 3 × 3. How many
# > weights has it?
# >
# > <!-- guess: {{conv.weight.numel()}} weights -->

# %% tags=["nbval-check-output", "reveal"]
from s12lib import normalize

batch = normalize(data.splits["train"].images[:32])
conv = nn.Conv2d(3, 64, kernel_size=3, padding=1, bias=False)
batch.shape, conv(batch).shape, conv.weight.shape

# %% [markdown]
# > **Finding.** Each of the 64 filters looks at all three colours: 64 · 3 · 3 · 3 = {{conv.weight.numel():,}}
# > weights. With one pixel of zeros around the input ([padding](../book/glossary.md#term-padding)) the size stays,
# > since every place, also one at the edge, is once the middle of the window.

# %% [markdown]
# There is no bias, no number that is added to a whole channel, and that is not stinginess. After the convolution comes
# [BatchNorm](../book/glossary.md#term-BatchNorm) ([Ioffe and Szegedy, 2015](../book/references.md#ioffe-2015)). For
# each channel it takes the mean and the spread over all places of all images in the batch, subtracts the one and
# divides by the other. Then it multiplies by a weight and adds a bias, both of which it learns. What happens to a
# bias of 1,000 before it?

# %% tags=["nbval-check-output"]
norm = nn.BatchNorm2d(64, affine=False).double()
maps = conv(batch).double()
change = (norm(maps + 1000) - norm(maps)).abs().max()
bool(change < 1e-6)

# %% [markdown]
# > **Finding.** Whatever a bias adds, the mean takes away again: the output changes by less than a millionth. So no
# > convolution of this network has a bias.

# %% [markdown]
# ## 2. Conv, pool, BatchNorm, ReLU
#
# Three times on its way the image is halved. This is the block that does it, in full.
# [ReLU](../book/glossary.md#term-ReLU) turns what is negative into 0, and a max
# [pool](../book/glossary.md#term-pooling) keeps the largest of each 2 × 2 places.


# %% tags=["nbval-check-output"]
def conv_pool_bn(in_channels, out_channels):
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
        nn.MaxPool2d(2),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )


conv_pool_bn(3, 8)(batch).shape

# %% [markdown]
# Other networks pool at the end: conv, BatchNorm, ReLU, pool. How different is that, with the same weights? In
# evaluation mode BatchNorm uses fixed statistics, averages that it kept while training; in training mode, those of the
# batch.

# %% tags=["nbval-check-output"]
torch.manual_seed(0)
conv, pool, norm, relu = conv_pool_bn(3, 8)
norm(pool(conv(batch)))  # so that it has some running statistics
early = nn.Sequential(conv, pool, norm, relu)
late = nn.Sequential(conv, norm, relu, pool)
evaluating = torch.allclose(early.eval()(batch), late.eval()(batch))
training = torch.allclose(early.train()(batch), late.train()(batch))
norm.weight.data[0] = -1
negative = torch.allclose(early.eval()(batch), late.eval()(batch))
evaluating, training, negative

# %% [markdown]
# > **Finding.** In evaluation mode the two orders are the same function, as BatchNorm with a positive weight keeps
# > the order of numbers, and so does ReLU: the largest of four stays the largest. Only a negative weight turns them
# > round. In training mode they differ: behind the pool, BatchNorm takes its statistics from the winners only.

# %% [markdown]
# Why pool early? BatchNorm and ReLU then have a quarter of the places to work on, which gained
# [Page](../book/references.md#the-network-and-the-race) time.

# %% [markdown]
# ### Exercise: count by formula
#
# > **Difficulty 1 of 5, about 5 minutes.** How many numbers does training change in a convolution without bias and
# > the BatchNorm after it? `kernel_size` is the side of the window. Return an int.


# %% tags=["nbval-check-output"]
def conv_bn_parameters(in_channels, out_channels, kernel_size=3):
    """Two or three ints → the number of parameters, an int."""
    raise NotImplementedError


check("conv_bn_parameters", conv_bn_parameters)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# Count the convolution's weights as above.
#
# </details>
# <details>
# <summary>Second hint</summary>
#
# BatchNorm learns two numbers for each channel that it gets. Its running mean and variance are measured, not trained.
#
# </details>
# <details>
# <summary>Solution</summary>
#
# ```python
# def conv_bn_parameters(in_channels, out_channels, kernel_size=3):
#     return kernel_size**2 * in_channels * out_channels + 2 * out_channels
# ```
#
# Our recipes hold BatchNorm's weights at 1 and train its biases only. They count as parameters all the same.
#
# </details>

# %% [markdown]
# ## 3. The residual block
#
# A [residual block](../book/glossary.md#term-residual-block) computes something from its input and *adds it to the
# input*: $x + f(x)$ ([He et al., 2015](../book/references.md#he-2015)). Here $f$ is twice conv, BatchNorm, ReLU. The
# way around is called the [skip connection](../book/glossary.md#term-skip-connection). The block has to learn only
# what is to be changed about $x$; to change nothing, it can make $f$ zero.

# %% [markdown]
# ### Exercise: build it
#
# > **Difficulty 3 of 5, about 15 minutes.** Use two `nn.Conv2d` (3 × 3, padded, no bias) and two `nn.BatchNorm2d`.
# > Page adds *after* the last ReLU. Input and output are (N, channels, H, W). Published checkers for this very
# > exercise look at shapes and count parameters, and so accept a block that adds nothing. Ours does not.


# %% tags=["nbval-check-output"]
class ResidualBlock(nn.Module):
    """(N, channels, H, W) → the same shape: x + f(x)."""

    def __init__(self, channels):
        super().__init__()
        raise NotImplementedError

    def forward(self, x):
        raise NotImplementedError


check("residual", ResidualBlock)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# Make the four layers in `__init__` and keep each under a name of its own. In `forward` they are used in the order
# conv, BatchNorm, ReLU, conv, BatchNorm, ReLU.
#
# </details>
# <details>
# <summary>Second hint</summary>
#
# Do not write over `x` on the way: you need it at the end. And do not use `x += ...`, which changes the tensor of
# whoever called you.
#
# </details>
# <details>
# <summary>Solution</summary>
#
# ```python
# class ResidualBlock(nn.Module):
#     def __init__(self, channels):
#         super().__init__()
#         self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
#         self.bn1 = nn.BatchNorm2d(channels)
#         self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
#         self.bn2 = nn.BatchNorm2d(channels)
#
#     def forward(self, x):
#         h = F.relu(self.bn1(self.conv1(x)))
#         return x + F.relu(self.bn2(self.conv2(h)))
# ```
#
# The package writes it shorter, as an `nn.Sequential` whose `forward` adds its input: read `s12lib/model.py`. Since
# $f$ ends in a ReLU, Page's block only adds. Kaiming He and his co-authors put the last ReLU behind the sum, so that
# theirs can take away as well.
#
# </details>

# %% [markdown]
# What does the skip buy? Stack 16 such blocks, and 16 of the same without the skip. Nothing is trained. Send random
# numbers in at one end, and a gradient back from the other. (The package's `conv_bn` makes the three layers conv,
# BatchNorm and ReLU.)

# %% [markdown]
# > **Predict first.** Going back through the stack without skips, will the gradient die out, stay, or grow? By which
# > factor, over all 16 blocks?
# >
# > <!-- guess: {{norms["without skips"][0]:.0f}} -->

# %% tags=["nbval-check-output"]
from s12lib.model import conv_bn

ResidualBlock = use("residual", ResidualBlock)


def plain_block(channels):
    first, second = (conv_bn(channels, channels) for _ in range(2))
    return nn.Sequential(*first, *second)


def gradient_norms(block, depth=16, channels=16):
    torch.manual_seed(0)
    outputs = [torch.randn(32, channels, 8, 8, requires_grad=True)]
    for _ in range(depth):
        outputs.append(block(channels)(outputs[-1]))
        outputs[-1].retain_grad()
    (outputs[-1] * torch.randn_like(outputs[-1])).sum().backward()
    return [
        (x.grad.norm() / outputs[-1].grad.norm()).item() for x in outputs
    ]


# %% tags=["hide-input", "reveal"]
# @title Draw the gradient at each depth
blocks = {"without skips": plain_block, "with skips": ResidualBlock}
norms = {name: gradient_norms(block) for name, block in blocks.items()}
depth = list(range(len(norms["with skips"])))
curves = {name: (depth, values) for name, values in norms.items()}
title = "Without skips the gradient grows on its way back"
where = "Random numbers through untrained blocks: no dataset"
axes = "depth, in blocks", "gradient, compared with the end"
viz.show(viz.lines(curves, title, where, *axes, log=True, marker="o"))

# %% [markdown]
# Most people say that it dies out, since that is what they have read. Without BatchNorm it may. For fully connected
# networks with BatchNorm [Yang et al. (2019)](../book/references.md#yang-2019) proved, in the limit of wide layers,
# that it grows exponentially with the depth; a convolution is not what they proved it for, but does the same here.
# Kaiming He and his co-authors report that in *their* plain networks with BatchNorm the gradients look healthy: they
# looked for gradients that vanish, and found none. Still those trained worse than with skips.
#
# > **Finding.** At the first of 16 blocks the gradient is {{norms["without skips"][0]:.0f}} times as large as at the
# > last, and with skips {{norms["with skips"][0]:.1f}} times: it has a way around every block, on which nothing
# > happens to it.

# %% [markdown]
# Growing or not, does it matter? Train both on a few thousand images, reduced to 8 × 8: six
# [epochs](../book/glossary.md#term-epoch), with two learning rates each, in case one does not suit a stack.


# %%
def train_stack(block, lr, epochs=6):
    torch.manual_seed(0)
    middle = [block(16) for _ in range(16)]
    ends = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10)
    network = nn.Sequential(*conv_bn(3, 16), *middle, *ends)
    network.to(course.device)
    optimizer = torch.optim.SGD(network.parameters(), lr, momentum=0.9)
    for _ in range(epochs):
        for few in torch.randperm(len(small)).split(100):
            optimizer.zero_grad()
            loss = F.cross_entropy(network(small[few]), labels[few])
            loss.backward()
            optimizer.step()
    answers = network.eval()(small_v).argmax(dim=1)
    return round((answers == labels_v).double().mean().item(), 3)


# %%
def reduced(split, n):
    images = F.avg_pool2d(normalize(split.images[:n]), 4)
    return images.to(course.device), split.labels[:n].to(course.device)


small, labels = reduced(data.splits["train"], 500 if course.smoke else 2500)
small_v, labels_v = reduced(data.splits["validation"], 1000)
rates = [0.01, 0.03]
accuracy = {
    name: [train_stack(block, lr) for lr in rates]
    for name, block in blocks.items()
}
accuracy

# %% [markdown]
# > **Finding.** Of the validation images, the stack without skips gets {{accuracy["without skips"][0]:.0%}} and
# > {{accuracy["without skips"][1]:.0%}} right with the two learning rates, the one with skips
# > {{accuracy["with skips"][0]:.0%}} and {{accuracy["with skips"][1]:.0%}}.

# %% [markdown]
# Be fair to the plain stack, though: this is one seed and a short run, and our network has only two residual blocks,
# not sixteen. It would train without them. What they are worth there, only runs can tell.

# %% [markdown]
# ## 4. The whole network
#
# Now put it together. Each line is one child of `PageResNet`, and the names are the package's.

# %% tags=["nbval-check-output"]
from s12lib import PageResNet

last = nn.Linear(512, 10, bias=False)
stages = {
    "prep": nn.Sequential(*conv_bn(3, 64)),
    "layer1": nn.Sequential(conv_pool_bn(64, 128), ResidualBlock(128)),
    "layer2": conv_pool_bn(128, 256),
    "layer3": nn.Sequential(conv_pool_bn(256, 512), ResidualBlock(512)),
    "head": nn.Sequential(nn.MaxPool2d(4), nn.Flatten(), last),
}
x, walk = batch[:2], [("image", 3, 32, 0)]
for name, stage in stages.items():
    x = stage(x)
    side = x.shape[-1] if x.ndim == 4 else 1
    parameters = sum(p.numel() for p in stage.parameters())
    walk.append((name, x.shape[1], side, parameters))
walk

# %% tags=["goal", "hide-input"]
# @title Draw the walk through the network
total = sum(stop[3] for stop in walk)
largest = max(walk, key=lambda stop: stop[3])
title = f"{largest[0]} holds {largest[3] / total:.0%} of the parameters"
where = f"The Page ResNet on {data.name}; blocks not to scale, bars are"
viz.show(viz.shape_walk(walk, title, where))

# %% [markdown]
# > **Finding.** {{largest[0]}} holds {{largest[3]:,}} of the {{total:,}} parameters, {{largest[3] / total:.0%}}.

# %% [markdown]
# There is a rhythm in it: each halving of the size goes with a doubling of the channels. The last pool,
# `MaxPool2d(4)`, takes from each of the 512 maps a single number, its largest. The network asks *is it there?* and
# forgets *where*. What comes out of the head are the [logits](../book/glossary.md#term-logits): one number for each
# class, of any size. The class with the largest is the answer. `PageResNet` also multiplies them by a small constant,
# the [logit scale](../book/glossary.md#term-logit-scale): 1/8 with Page, 1/16 in this course's recipes. It changes no
# answer; it makes the untrained network modest about what it does not know.
#
# The package's network in full, as torchsummary sees it, where −1 stands for any number of images. Take three
# convolutions of your choice, each with its BatchNorm, and check them with your formula.

# %% tags=["nbval-check-output"]
from torchsummary import summary

conv_bn_parameters = use("conv_bn_parameters", conv_bn_parameters)
summary(PageResNet().eval(), (3, 32, 32), device="cpu")
conv_bn_parameters(3, 64)

# %% [markdown]
# Note `.eval()`. torchsummary sends random numbers through the network, and in training mode BatchNorm would move its
# running averages towards them. Merely looking would change the network. Hold on to that thought.

# %% [markdown]
# > **Predict first.** So nearly all parameters are in one stage. What share of the *work* does it do, in per cent of
# > all multiplications?
# >
# > <!-- guess: {{100 * share:.0f}} % -->

# %%
work = {}
for name, stage in PageResNet().named_children():
    side = {"prep": 32, "layer1": 32, "layer2": 16, "layer3": 8}.get(name)
    for layer in stage.modules():
        if isinstance(layer, nn.Conv2d):
            halved = layer.in_channels == layer.out_channels  # pooled
            places = (side // 2 if halved else side) ** 2
            key = f"{name}, {layer.in_channels} → {layer.out_channels}"
            millions = layer.weight.numel() * places / 1e6
            work[key] = work.get(key, 0) + millions

# %% tags=["hide-input", "reveal"]
# @title Draw the work of each step
of_largest = sum(w for key, w in work.items() if largest[0] in key)
share = of_largest / sum(work.values())
title = f"{largest[0]} does {share:.0%} of the work"
where = "Arithmetic for one image of 32 × 32: no dataset"
axis = "million multiplications"
viz.show(viz.bars(work, title, where, axis, "{:,.1f}"))

# %% [markdown]
# Each 3 × 3 step of the rhythm costs the same, to the last multiplication. Half the side means a quarter of the
# places; twice the channels on both sides mean four times the weights. The two cancel. (The residual blocks have two
# convolutions each, on maps already pooled.) Equal work is not equal time, though: small maps keep a processor less
# busy.
#
# > **Finding.** {{largest[0]}} does {{share:.0%}} of the work with {{largest[3] / total:.0%}} of the parameters.
# > layer1 does as much, with {{walk[2][3] / largest[3]:.1%}} of its parameters.

# %% [markdown]
# ## 5. How much one place can see
#
# A place in the first layer's output sees 3 × 3 pixels. A place in the second sees 3 × 3 of *those*. The
# [receptive field](../book/glossary.md#term-receptive-field) grows with every layer, and after each pool it grows twice
# as fast, since one step to the side is then twice as many pixels of the image.

# %% [markdown]
# ### Exercise: the receptive field
#
# > **Difficulty 3 of 5, about 15 minutes.** A layer is a pair, `(kernel_size, stride)`. Walk through a list of them,
# > from the input on, and return how many input pixels wide the field of one output place is: an int.


# %% tags=["nbval-check-output"]
def receptive_field(layers):
    """[(kernel_size, stride), …] → the side of the field, an int."""
    raise NotImplementedError


check("receptive_field", receptive_field)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# Keep two numbers: the size of the field, and the *jump*, which is how many input pixels lie between two neighbours
# of the current layer. Both begin at 1.
#
# </details>
# <details>
# <summary>Second hint</summary>
#
# A kernel of 3 adds one jump on each side. A [stride](../book/glossary.md#term-stride) of 2 doubles the jump, for the
# layers that follow.
#
# </details>
# <details>
# <summary>Solution</summary>
#
# ```python
# def receptive_field(layers):
#     size, jump = 1, 1
#     for kernel_size, stride in layers:
#         size += (kernel_size - 1) * jump
#         jump *= stride
#     return size
# ```
#
# </details>

# %% tags=["nbval-check-output"]
receptive_field = use("receptive_field", receptive_field)
conv_layer, pool_layer = (3, 1), (2, 2)
halving, residual = [conv_layer, pool_layer], [conv_layer] * 2
path = [conv_layer, *halving, *residual, *halving, *halving, *residual]
ends = {"prep": 1, "layer1": 5, "layer2": 7, "layer3": 11}
sides = {name: receptive_field(path[:end]) for name, end in ends.items()}
sides

# %% [markdown]
# At the end it is wider than the image. Each of the last 16 places can see everything there is. Can see, or does see?
# Take one place near the middle of each stage's output, and ask by a [gradient](../book/glossary.md#term-gradient)
# how much each input pixel moves it.

# %% [markdown]
# > **Predict first.** Take the middle place of layer3's map, and the quarter of the image that lies around it. How many
# > per cent of what moves the place come from that quarter? If all pixels counted alike, it would be 25.
# >
# > <!-- guess: {{100 * near:.0f}} % -->

# %%
from s12lib import load_pretrained

cifar = data.name == "CIFAR-10"
name = "page_resnet_cifar10" if cifar else "page_resnet_shapes"
network, fields = load_pretrained(name), []
for k in range(4):
    x = batch[:16].clone().requires_grad_()
    maps = nn.Sequential(*list(network.children())[: k + 1])(x)
    middle = maps.shape[-1] // 2
    maps[:, :, middle, middle].sum().backward()
    fields.append(x.grad.abs().sum(1).mean(0))

# %% tags=["hide-input", "reveal"]
# @title Draw how much each pixel moves one place
near = (fields[-1][12:28, 12:28].sum() / fields[-1].sum()).item()
shown = torch.stack([field / field.max() for field in fields])
shown = shown[..., None].expand(-1, -1, -1, 3)
title = f"layer3 sees far: {near:.0%} come from the quarter around"
where = (
    f"16 images of {data.name}; how much each pixel moves a middle place"
)
names = list(sides)
viz.show(viz.image_grid(shown, names, title, where, columns=4))

# %% [markdown]
# In the early stages the field fades towards its border: there are many ways from a pixel in the middle to the place,
# and few from one at the edge. [Luo et al. (2016)](../book/references.md#luo-2016) called this the
# [effective receptive field](../book/glossary.md#term-effective-receptive-field), and found that training widens it.
# So we asked a trained network.
#
# > **Finding.** One place of layer3 can see {{sides["layer3"]}} pixels a side, more than there are. {{near:.0%}} of
# > what moves it comes from the quarter around it, more than an even share, and {{1 - near:.0%}} from further off.
# > When a heatmap in [lesson 05](05_gradcam.ipynb) points at a place, the evidence may lie elsewhere.

# %% [markdown]
# ## 6. BatchNorm has two modes
#
# In training, BatchNorm normalises by the batch. For a single upload in an app there is none. So on the way it keeps
# running averages: after each batch 0.9 of the old and 0.1 of the new. In
# [evaluation mode](../book/glossary.md#term-evaluation-mode) it normalises by these.

# %% [markdown]
# ### Exercise: BatchNorm by hand
#
# > **Difficulty 4 of 5, about 45 minutes.** Write the layer, without PyTorch's own. It has two parameters, `weight`
# > (ones at first) and `bias` (zeros), and two buffers, which are saved with the network and not learned:
# > `running_mean` (zeros) and `running_var` (ones). All four have the shape (channels,). `forward` takes (N, channels,
# > H, W) and returns weight · (x − mean) / √(var + 10⁻⁵) + bias. In training, mean and var are the batch's, var being
# > the mean of the squared differences. The running averages move a tenth of the way towards them, `running_var`
# > towards the variance that divides by n − 1 instead of n. In evaluation, mean and var are the running averages, which
# > stay.


# %% tags=["nbval-check-output"]
class BatchNorm(nn.Module):
    """(N, channels, H, W) → the same shape, normalised by channel."""

    def __init__(self, channels):
        super().__init__()
        raise NotImplementedError

    def forward(self, x):
        raise NotImplementedError


check("batch_norm", BatchNorm)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# `nn.Parameter(torch.ones(channels))` is learned; `self.register_buffer("running_mean", torch.zeros(channels))` is
# saved and moved with the network, and not learned. `self.training` tells the mode. Averages over `dim=(0, 2, 3)`
# leave the channel.
#
# </details>
# <details>
# <summary>Second hint</summary>
#
# `x.var(dim=(0, 2, 3), correction=0)` divides by n, without `correction` by n − 1. Update the running averages under
# `torch.no_grad()`, but compute mean and var outside it: the gradient goes through them. `mean[:, None, None]` fits
# (N, channels, H, W).
#
# </details>
# <details>
# <summary>Solution</summary>
#
# ```python
# class BatchNorm(nn.Module):
#     def __init__(self, channels):
#         super().__init__()
#         self.weight = nn.Parameter(torch.ones(channels))
#         self.bias = nn.Parameter(torch.zeros(channels))
#         self.register_buffer("running_mean", torch.zeros(channels))
#         self.register_buffer("running_var", torch.ones(channels))
#
#     def forward(self, x):
#         mean, var = self.running_mean, self.running_var
#         if self.training:
#             mean = x.mean(dim=(0, 2, 3))
#             var = x.var(dim=(0, 2, 3), correction=0)
#             with torch.no_grad():
#                 self.running_mean.lerp_(mean, 0.1)
#                 self.running_var.lerp_(x.var(dim=(0, 2, 3)), 0.1)
#         scale = self.weight / (var + 1e-5).sqrt()
#         shift = self.bias - mean * scale
#         return x * scale[:, None, None] + shift[:, None, None]
# ```
#
# The last three lines show something else: in evaluation mode BatchNorm is one multiplication and one addition, and
# can be put into the convolution before it.
#
# </details>

# %% [markdown]
# Now take the trained network, leave it in training mode, which is a common mistake, and send 160 test images through
# it, in batches of different sizes.

# %% [markdown]
# > **Predict first.** Evaluated as it should be, it gets about 95% of CIFAR-10's test images right. How many per cent
# > when every batch holds images of one class only, as when somebody uploads an album of their cat?
# >
# > <!-- guess: {{100 * one_class:.0f}} % -->

# %% tags=["nbval-check-output"]
import copy

images = normalize(data.splits["test"].images[:160])
truth = data.splits["test"].labels[:160]


def share_right(order, sizes, training=True):
    fresh = copy.deepcopy(network).train(training)
    with torch.no_grad():
        answers = [fresh(x).argmax(1) for x in images[order].split(sizes)]
    return (torch.cat(answers) == truth[order]).float().mean().item()


sizes, mixed = [1, 2, 4, 16, 80], torch.arange(160)
proper = share_right(mixed, 80, training=False)
by_size = [share_right(mixed, size) for size in sizes]
by_class = truth.argsort(stable=True), torch.bincount(truth).tolist()

# %% tags=["hide-input", "reveal"]
# @title Draw the accuracy over the size of the batch
one_class = share_right(*by_class)
ticks = [str(size) for size in sizes]
places = list(range(len(sizes)))
curves = {
    "evaluation mode": (places, [proper] * len(sizes)),
    "training mode, mixed batches": (places, by_size),
    "training mode, one class a batch": (
        places,
        [one_class] * len(sizes),
    ),
}
title = f"Left in training mode: {by_size[0]:.0%} to {by_size[-1]:.0%}"
where = f"{len(images)} test images of {data.name}"
axes = "images in a batch", "share of right answers"
viz.show(viz.lines(curves, title, where, *axes, marker="o", ticks=ticks))

# %% [markdown]
# A small batch is a poor guess of all images: its mean and spread vary, and every answer with them. A batch of one
# class is worse. What all its images have in common, which is the class, is what BatchNorm subtracts.
#
# > **Finding.** In evaluation mode the network gets {{proper:.1%}} right, however the images are grouped. In training
# > mode it is {{by_size[-1]:.1%}} with {{sizes[-1]}} images a batch, {{by_size[3]:.1%}} with {{sizes[3]}}, and
# > {{by_size[1]:.1%}} with {{sizes[1]}}. When a batch holds the images of one class, again about 16, it is
# > {{one_class:.1%}}.

# %% [markdown]
# ### Exercise: find the bug
#
# > **Difficulty 2 of 5, about 10 minutes.** An app was built on `shipped`. It answers all uploads that arrive
# > together as one batch. Users complained that the same image got another answer in other company. Run it, and see
# > what else it does. Then write `predict_classes`: from (N, 3, 32, 32) normalised images it returns (N,) int64
# > classes, no longer depends on the neighbours, and leaves the network in the mode it came in.


# %% tags=["nbval-check-output"]
def shipped(network, images):
    with torch.no_grad():
        return network(images)  # the class is where these are largest


torch.manual_seed(0)
network = PageResNet()
before = network.prep[1].running_mean.clone()
together = shipped(network, batch)
apart = torch.cat([shipped(network, few) for few in batch.split(4)])
share_moved = (together - apart).abs().mean() / together.std(0).mean()
bool(share_moved > 0.1), torch.equal(before, network.prep[1].running_mean)


# %% tags=["nbval-check-output"]
def predict_classes(network, images):
    """(N, 3, 32, 32) normalised → (N,) int64 classes; mode kept."""
    raise NotImplementedError


check("predict_classes", predict_classes)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# Which layer looks at the neighbours in the batch? Which mode does a new network start in?
#
# </details>
# <details>
# <summary>Second hint</summary>
#
# `network.training` tells the mode; `network.eval()` and `network.train(...)` change it. `logits.argmax(dim=1)` are
# the classes.
#
# </details>
# <details>
# <summary>Solution</summary>
#
# In training mode BatchNorm normalises by the batch at hand, so that each image's answer depends on who else is in
# it. And at each look it moves its running averages. `torch.no_grad()` does nothing against either: it only stops
# gradients.
#
# ```python
# def predict_classes(network, images):
#     was_training = network.training
#     network.eval()
#     with torch.no_grad():
#         classes = network(images).argmax(dim=1)
#     network.train(was_training)
#     return classes
# ```
#
# </details>

# %% tags=["nbval-check-output"]
predict_classes = use("predict_classes", predict_classes)
together = predict_classes(network, batch)
apart = [predict_classes(network, few) for few in batch.split(4)]
(together != torch.cat(apart)).sum()

# %% [markdown]
# One more silent failure. A Lightning checkpoint puts the name of the attribute before each tensor's name. What does
# `strict=False`, which many a post recommends, make of that?

# %% tags=["nbval-check-output"]
state = network.state_dict()
renamed = {f"network.{name}": tensor for name, tensor in state.items()}
result = PageResNet().load_state_dict(renamed, strict=False)
loaded = len(renamed) - len(result.unexpected_keys)
loaded, len(renamed)

# %% [markdown]
# > **Finding.** {{loaded or "None"}} of the {{len(renamed)}} tensors were loaded, and nothing was said.

# %% [markdown]
# ## Mistakes that people really make here
#
# Each of these was found in published code for this very exercise.
#
# - **The network left in training mode** in the app. You have seen the symptom.
# - **`load_state_dict(..., strict=False)`**: names that do not match are passed over in silence, and all of the
#   network can stay random. Load strictly.
# - **An exercise's check that looks at shapes only**, and takes a block without its skip connection for a residual
#   block.
# - **Grad-CAM taken after the last pool**, on a map of 1 × 1: one solid colour. Lesson 05 takes it before.

# %% [markdown]
# ## Take-away
#
# - **Build** it from two blocks: one that halves the side and doubles the channels, and one that adds to its input.
# - **Count** by formula: {{largest[0]}} holds {{largest[3] / total:.0%}} of the parameters and does {{share:.0%}} of
#   the work.
# - **Explain** what skips do: without them the gradient of 16 blocks grows {{norms["without skips"][0]:.0f}}-fold on
#   its way back.
# - **Tell** what a place can see from what it does see: {{near:.0%}} of what moves it lies in the quarter around.
# - **Evaluate** in evaluation mode: one class a batch, and training mode gets {{one_class:.0%}} instead of
#   {{proper:.0%}}.

# %% [markdown]
# ## Quiz
#
# **1. Why has no convolution of this network a bias?**
#
# - (a) Images are normalised already.
# - (b) BatchNorm, which follows, takes any constant away again.
# - (c) It saves half of the parameters.
#
# <details>
# <summary>Answer</summary>
#
# **(b)** It subtracts the channel's mean, and adds a bias of its own. And a bias is one number beside the 27 or more
# weights of a filter, far from half.
#
# </details>
#
# **2. A convolution gets an input of twice the side. What happens to its number of parameters?**
#
# - (a) It stays.
# - (b) It doubles.
# - (c) It grows by four.
#
# <details>
# <summary>Answer</summary>
#
# **(a)** A convolution's weights do not know how large the image is. The work grows by four, since there are four
# times as many places.
#
# </details>
#
# **3. Your app answers one upload at a time, with the network in training mode. What do users see?**
#
# - (a) The same answers, only slower.
# - (b) An error, since a batch of one has no mean.
# - (c) Many more wrong answers, and no message.
#
# <details>
# <summary>Answer</summary>
#
# **(c)** Mean and variance are taken over the places of that one image, so nothing crashes. The share of right
# answers falls to {{by_size[0]:.0%}}.
#
# </details>
#
# **4. A block computes f(x) and returns f(x), where x + f(x) was meant. How do you notice?**
#
# - (a) By the number of parameters.
# - (b) By the shape of its output.
# - (c) By what it computes: set f to zero, and x must come through.
#
# <details>
# <summary>Answer</summary>
#
# **(c)** Shapes and parameters are those of the right block. Only its values tell, which is why the check of your
# exercise compares values.
#
# </details>

# %% tags=["nbval-check-output"]
from s12lib.exercises import progress

progress()

# %% [markdown]
# ▰▰▰▱▱▱▱▱▱▱▱ Lesson 3 of 11. Behind you: a network that knows nothing. Ahead: how it learns.
#
# **Next:** [03 · The training](03_train.ipynb). The network is built; now its six million numbers have to be found.

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
# **What happens to a picture on its way through, shape by shape?**
#
# Minutes to run: 1 on a GPU, 1 on a CPU. Reading and solving takes about an hour and a half.
#
# You need: lesson [01 · The data](01_data.ipynb), or at least to know what a batch is. The
# [glossary](../book/glossary.md) explains every term.

# %% [markdown]
# ## Where this lesson ends
#
# ![The Page ResNet as a row of blocks from the CIFAR-10 picture on the left to ten logits on the right: the maps
# become smaller and the channels more, and layer3 holds most of the parameters.](images/02_model.png)
#
# This is David C. Page's network. With it, and much care, he trained CIFAR-10 to 94% in the time that it
# takes to make tea. By the end you will have built it, and you will be able to account for every number in the
# picture.

# %% [markdown]
# ## You will be able to
#
# - **build** the Page ResNet from two kinds of blocks;
# - **count** its parameters by hand, and say where they are and where the work is;
# - **explain** the order conv, pool, BatchNorm, ReLU, and what a skip connection buys;
# - **tell** how much of a picture one place of a layer can see, and notice a network in the wrong mode.

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
# ## 1. One convolution
#
# A convolution slides a small window over its input. At each place it multiplies what lies under the window by its
# weights, and adds it all up. One set of weights makes one channel of the output.
#
# **Predict first.** The network's first convolution takes 3 channels and makes 64, with a window of 3 × 3. How many
# weights are there? And what will the size be, if the input is padded by one pixel of zeros on each side?

# %% tags=["nbval-check-output"]
from s12lib import normalize

batch = normalize(data.splits["train"].images[:32])
conv = nn.Conv2d(3, 64, kernel_size=3, padding=1, bias=False)
print("in:     ", tuple(batch.shape))
print("out:    ", tuple(conv(batch).shape))
print("weights:", tuple(conv.weight.shape), "=", f"{conv.weight.numel():,}")

# %% [markdown]
# Each of the 64 filters looks at all three colours: 64 × 3 × 3 × 3. The size stays, since every place of the input,
# also one at the edge, is once the middle of the window.
#
# There is no bias, and that is not stinginess. After the convolution comes **BatchNorm**. For each channel it takes
# the mean and the spread over all places of all pictures in the batch, subtracts the one and divides by the other. Then
# it multiplies by a weight and adds a bias, which it learns.
#
# **Predict first.** Give the convolution a bias of 1,000. How much does BatchNorm's output change?

# %% tags=["nbval-check-output"]
norm = nn.BatchNorm2d(64, affine=False).double()
maps = conv(batch).double()
change = (norm(maps + 1000) - norm(maps)).abs().max().item()
print("changed by more than a millionth?", change > 1e-6)

# %% [markdown]
# Not at all. Whatever a bias adds, the mean takes away again. So a convolution before BatchNorm needs none, and no
# convolution of this network has one.

# %% [markdown]
# ## 2. Conv, pool, BatchNorm, ReLU
#
# Three times on its way the picture is halved. This is the block that does it, in full. **ReLU** turns what is
# negative into 0, and a **max pool** keeps the largest of each 2 × 2 places.


# %% tags=["nbval-check-output"]
def conv_pool_bn(in_channels, out_channels):
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1, bias=False),
        nn.MaxPool2d(2),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )


block = conv_pool_bn(3, 8)
print(tuple(batch.shape), "→", tuple(block(batch).shape))

# %% [markdown]
# Other networks pool at the end: conv, BatchNorm, ReLU, pool.
#
# **Predict first.** In evaluation mode, BatchNorm uses fixed statistics. How far apart are the two orders then, with
# the same weights?

# %% tags=["nbval-check-output"]
torch.manual_seed(0)
conv, pool, norm, relu = conv_pool_bn(3, 8)
for _ in range(20):
    norm(pool(conv(batch)))  # let BatchNorm take its statistics
orders = {"pool early": nn.Sequential(conv, pool, norm, relu), "pool late": nn.Sequential(conv, norm, relu, pool)}
early, late = (order.eval()(batch) for order in orders.values())
print("evaluation mode:        the same?", torch.allclose(early, late, atol=1e-5))
norm.weight.data[0] = -1
early, late = (order(batch) for order in orders.values())
print("a negative weight:      the same?", torch.allclose(early, late, atol=1e-5))
norm.weight.data[0] = 1
early, late = (order.train()(batch) for order in orders.values())
print("training mode:          the same?", torch.allclose(early, late, atol=1e-5))

# %% [markdown]
# In evaluation mode they are the same function! BatchNorm with a positive weight keeps the order of numbers, and so
# does ReLU. The largest of four stays the largest. Only a negative weight turns them round.
#
# Then why pool early? BatchNorm and ReLU have a quarter of the places left to work on. On a GPU, where these two are
# slow for what they do, Page, whose network of 2018 pooled last, gained time by the exchange. In training it is another
# network, though: BatchNorm takes its statistics from the winners only.

# %% [markdown]
# ### Exercise: count by formula
#
# *Difficulty 1 of 5, about 5 minutes.* How many numbers does training change in a convolution without bias and the
# BatchNorm after it?


# %% tags=["nbval-check-output"]
def conv_bn_parameters(in_channels, out_channels, kernel_size=3):
    """How many parameters a convolution without bias and its BatchNorm have together, an int."""
    raise NotImplementedError


check("conv_bn_parameters", conv_bn_parameters)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# Count the convolution's weights as above. BatchNorm learns two numbers for each channel. (It also keeps a running
# mean and variance, but these are measured and not trained.)
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
# (Our recipes hold BatchNorm's weights at 1 and train its biases only. They count as parameters all the same.)
#
# </details>

# %% [markdown]
# ## 3. The residual block
#
# A **residual block** computes something from its input and *adds it to the input*: $x + f(x)$. Here $f$ is twice
# conv, BatchNorm, ReLU. The way around is called the skip connection. The block has to learn only what is to be
# changed about $x$; to change nothing, it can make $f$ zero.
#
# **Predict first.** Page's $f$ ends in a ReLU. What can such a block never do to a number in $x$?

# %% [markdown]
# ### Exercise: build it
#
# *Difficulty 3 of 5, about 15 minutes.* Use two `nn.Conv2d` (3 × 3, padded, no bias) and two `nn.BatchNorm2d`. Page
# adds *after* the last ReLU.
#
# Published checkers for this very exercise look at shapes and count parameters, and so accept a block that adds
# nothing. Ours does not.


# %% tags=["nbval-check-output"]
class ResidualBlock(nn.Module):
    """(N, channels, H, W) → the same shape: x + f(x), where f is conv, BatchNorm, ReLU, conv, BatchNorm, ReLU."""

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
# Make the four layers in `__init__` and keep each under a name of its own. In `forward`, do not write over `x` on the
# way: you need it at the end. And do not use `x += ...`, which changes the picture of whoever called you.
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
# The package writes it shorter, as an `nn.Sequential` whose `forward` adds its input: read `s12lib/model.py`.
#
# </details>

# %% [markdown]
# It can never make a number smaller, since $f$ is never negative: Page's block only adds. He and others put the last
# ReLU behind the sum, so that theirs can take away as well.
#
# What does the skip buy? Stack 16 such blocks, and 16 of the same without the skip. Nothing is trained. Send numbers
# in at one end, and send a gradient back from the other.
#
# **Predict first.** Going back, will the gradient of the stack without skips die out, or stay, or grow?

# %% tags=["nbval-check-output"]
from s12lib.model import conv_bn

ResidualBlock = use("residual", ResidualBlock)


def gradient_norms(make_block, depth=16, channels=16):
    """The gradient's size at each depth of a stack, compared with its size at the end."""
    torch.manual_seed(0)
    outputs = [torch.randn(32, channels, 8, 8, requires_grad=True)]
    for _ in range(depth):
        outputs.append(make_block(channels)(outputs[-1]))
        outputs[-1].retain_grad()
    (outputs[-1] * torch.randn_like(outputs[-1])).sum().backward()
    norms = [output.grad.norm().item() for output in outputs]
    return [norm / norms[-1] for norm in norms]


# %%
plain = gradient_norms(lambda channels: nn.Sequential(*conv_bn(channels, channels), *conv_bn(channels, channels)))
skip = gradient_norms(ResidualBlock)
curves = {"without skips": (range(17), plain), "with skips": (range(17), skip)}
title = f"16 blocks back, the gradient is {plain[0]:,.0f} times as large; with skips, {skip[0]:.1f} times"
axis, where = "depth, in blocks", "Random numbers through untrained blocks: no dataset"
viz.show(viz.lines(curves, title, where, axis, "gradient, compared with the end", log=True, marker="o"))

# %% [markdown]
# Most people say that it dies out, since that is what they have read. Without BatchNorm it may. With BatchNorm it
# *grows*, by about the same factor at each layer, as Yang and others proved in 2019. The first layers of a deep stack
# would be torn about while the last ones hardly move. No learning rate suits both.
#
# With skips the gradient has a way around every block, on which nothing happens to it.
#
# Be fair to the plain stack, though. Our network has only two such blocks, not sixteen, and would train without them.
# Their worth in a short network is smaller, and only runs can tell it: that is one of the ideas in lesson 09.

# %% [markdown]
# ## 4. The whole network
#
# Now put it together. Each line is one child of `PageResNet`, and the names are the package's.

# %% tags=["nbval-check-output"]
from s12lib import PageResNet

stages = {
    "prep": nn.Sequential(*conv_bn(3, 64)),
    "layer1": nn.Sequential(conv_pool_bn(64, 128), ResidualBlock(128)),
    "layer2": conv_pool_bn(128, 256),
    "layer3": nn.Sequential(conv_pool_bn(256, 512), ResidualBlock(512)),
    "head": nn.Sequential(nn.MaxPool2d(4), nn.Flatten(), nn.Linear(512, 10, bias=False)),
}
x, walk = batch[:2], [("picture", 3, 32, 0)]
for name, stage in stages.items():
    x = stage(x)
    walk.append((name, x.shape[1], x.shape[-1] if x.ndim == 4 else 1, sum(p.numel() for p in stage.parameters())))
    print(f"{name:<8} {walk[-1][3]:>9,} parameters   out: {tuple(x.shape)}")
print(f"{sum(stop[3] for stop in walk):,} in all; the package's: {sum(p.numel() for p in PageResNet().parameters()):,}")

# %% tags=["goal"]
largest = max(walk, key=lambda stop: stop[3])
title = f"{largest[0]} holds {largest[3] / sum(stop[3] for stop in walk):.0%} of the parameters"
where = f"Shapes and parameters of the Page ResNet, on {data.name}; drawn not to scale"
viz.show(viz.shape_walk(walk, title, where))

# %% [markdown]
# There is a rhythm in it: each halving of the size goes with a doubling of the channels. A map has a quarter of the
# places then, and twice the channels. And the last step, `MaxPool2d(4)`, takes from each of the 512 maps a single
# number, its largest. The network asks *is it there?* and forgets *where*. What comes out of the head are the
# **logits**: one number for each class, of any size. The class with the largest is the answer.
#
# The package's network in full, as torchsummary sees it. Take three convolutions of your choice, each with its
# BatchNorm, and check them with your formula.

# %% tags=["nbval-check-output"]
from torchsummary import summary

conv_bn_parameters = use("conv_bn_parameters", conv_bn_parameters)
print("prep by the formula:", f"{conv_bn_parameters(3, 64):,}")
summary(PageResNet().eval(), (3, 32, 32), device="cpu")

# %% [markdown]
# Note `.eval()`. torchsummary sends random numbers through the network, and in training mode BatchNorm would take its
# statistics from them. Merely looking would change the network. Hold on to that thought.
#
# **Predict first.** So nearly all parameters are in `layer3`. Is nearly all the *work* there, too? Count the
# multiplications for one picture.

# %%
work = {}
for name, stage in PageResNet().named_children():
    for layer in stage.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            key = f"{name}, {layer.weight.shape[1]} → {layer.weight.shape[0]}"
            side = {"prep": 32, "layer1": 32, "layer2": 16, "layer3": 8, "head": 1}[name]
            inside = isinstance(layer, nn.Conv2d) and layer.in_channels == layer.out_channels
            places = (side // 2 if inside else side) ** 2  # the residual block comes after the pool
            work[key] = work.get(key, 0) + layer.weight.numel() * places / 1e6
share = sum(w for key, w in work.items() if key.startswith(largest[0])) / sum(work.values())
of_all = largest[3] / sum(stop[3] for stop in walk)
title = f"{largest[0]} holds {of_all:.0%} of the parameters and does {share:.0%} of the work"
where = "Arithmetic for one picture of 32 × 32: no dataset"
viz.show(viz.bars(work, title, where, "million multiplications", "{:,.1f}"))

# %% [markdown]
# No. Each 3 × 3 step of the rhythm costs the same, to the last multiplication: `layer1` does as much as `layer3`, with
# a sixteenth of its parameters. (`prep` and the head hardly count.) Half the side means a quarter of the places; twice
# the channels on both sides mean four times the weights. The two cancel. (The residual blocks have two convolutions
# each, on maps already pooled.)
#
# That is why networks of this kind have this rhythm. And it says that no single layer is worth attacking. Equal work
# is not equal time, though: small maps keep a processor less busy.

# %% [markdown]
# ## 5. How much one place can see
#
# A place in the first layer's output sees 3 × 3 pixels. A place in the second sees 3 × 3 of *those*. The **receptive
# field** grows with every layer, and after a pool it grows twice as fast, since one step to the side is two pixels of
# the picture.

# %% [markdown]
# ### Exercise: the receptive field
#
# *Difficulty 3 of 5, about 15 minutes.* A layer is a pair, `(kernel_size, stride)`. Walk through a list of them and
# return how many pixels wide the field of one output place is.


# %% tags=["nbval-check-output"]
def receptive_field(layers):
    """[(kernel_size, stride), ...] from the input on → the side of the receptive field in input pixels, an int."""
    raise NotImplementedError


check("receptive_field", receptive_field)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# Keep two numbers: the size of the field, and the *jump*, which is how many input pixels lie between two neighbours
# of the current layer. Both begin at 1. A kernel of 3 adds one jump on each side. A stride of 2 doubles the jump, for
# the layers that follow.
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
path = []
for name, layers in {
    "prep": [conv_layer],
    "layer1": [conv_layer, pool_layer, conv_layer, conv_layer],
    "layer2": [conv_layer, pool_layer],
    "layer3": [conv_layer, pool_layer, conv_layer, conv_layer],
}.items():
    path += layers
    print(f"{name:<7} {receptive_field(path):>3} pixels a side")

# %% [markdown]
# At the end it is wider than the picture. Each of the last 16 places can see everything there is.
#
# **Predict first.** Can see, or does see? Take one place near the middle of each stage's output, and ask by a
# gradient how much each input pixel moves it.

# %%
from s12lib import load_pretrained

network = load_pretrained("page_resnet_cifar10" if data.name == "CIFAR-10" else "page_resnet_shapes")
names, fields = ["prep", "layer1", "layer2", "layer3"], []
for k in range(len(names)):
    x = batch[:16].clone().requires_grad_()
    maps = nn.Sequential(*list(network.children())[: k + 1])(x)
    middle = maps.shape[-1] // 2
    maps[:, :, middle, middle].sum().backward()
    fields.append(x.grad.abs().sum(1).mean(0))
share = (fields[-1][12:28, 12:28].sum() / fields[-1].sum()).item()
pictures = torch.stack([field / field.max() for field in fields])[..., None].expand(-1, -1, -1, 3)
title = f"layer3 sees far: {share:.0%} of what moves it lies in the quarter around, an even spread would be 25%"
where = f"How much each pixel moves one middle place; 16 pictures of {data.name}, own scales"
viz.show(viz.image_grid(pictures, names, title, where, columns=4))

# %% [markdown]
# In the early stages the field fades towards its border. There are many ways from a pixel in the middle to the place,
# and few from a pixel at the edge. Luo and others called this the *effective* receptive field in 2016, and found that
# training widens it. So we have asked a trained network, whose weights come with the package. In layer3 the fading is
# weak: the surroundings have more than their even share, but most of what moves the place lies further off. When a
# heatmap in lesson 05 points at a place, remember that the evidence may lie elsewhere.

# %% [markdown]
# ## 6. The scale of the logits
#
# The last step multiplies the ten logits by a small constant: 1/8 with Page, 1/16 in this course's recipes. Softmax
# then makes probabilities of them.
#
# **Predict first.** An untrained network knows nothing. How sure will it be of its favourite class, with and without
# the scale? (10% would be honest.)

# %% tags=["nbval-check-output"]
torch.manual_seed(0)
network = PageResNet(logit_scale=1.0).train()
with torch.no_grad():
    logits = network(batch)
for scale in (8, 1, 1 / 8, 1 / 16):
    print(f"logits × {scale:<7} its favourite gets {(logits * scale).softmax(1).amax(1).mean():.1%} on average")

# %% [markdown]
# The scale changes no prediction, since the largest stays the largest. It changes how sure the network is to begin
# with, and how hard it must pull on its weights to become surer. With it the network starts near ignorance, where the
# loss has a useful gradient for every class, and it stays modest for longer. Think of it as the temperature dial of
# the last layer.

# %% [markdown]
# ### Exercise: find the bug
#
# *Difficulty 2 of 5, about 10 minutes.* An app was built on this function. It answers all uploads that arrive together
# as one batch. Users complained that the same picture got another answer in other company. Run it, first on 32 pictures
# together, then on the same pictures in groups of four. Then write `predict_classes`: it returns classes, no longer
# depends on the neighbours, and leaves the network in the mode it came in.


# %% tags=["nbval-check-output"]
def shipped(network, images):
    with torch.no_grad():
        return network(images)  # the class is where these are largest


torch.manual_seed(0)
network = PageResNet()
before = network.prep[1].running_mean.clone()
together = shipped(network, batch)
apart = torch.cat([shipped(network, few) for few in batch.split(4)])
share = (together - apart).abs().mean() / together.std(dim=0).mean()
print(f"the neighbours move a logit by {share:.0%} of what pictures differ by")
print("the network is still what it was:", torch.equal(before, network.prep[1].running_mean))


# %% tags=["nbval-check-output"]
def predict_classes(network, images):
    """(N, 3, 32, 32) normalised → (N,) int64 classes; the network is left in the mode in which it was found."""
    raise NotImplementedError


check("predict_classes", predict_classes)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# Which layer looks at the neighbours in the batch? Which mode does a new network start in? `network.training` tells;
# `network.eval()` and `network.train(...)` change it.
#
# </details>
# <details>
# <summary>Solution</summary>
#
# In training mode BatchNorm normalises by the batch at hand, so that each picture's answer depends on who else is in
# it. And at each look it moves its running statistics. `torch.no_grad()` does nothing against either: it only stops
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
apart = torch.cat([predict_classes(network, few) for few in batch.split(4)])
print(f"{(together != apart).sum()} of {len(batch)} pictures change their class when the neighbours change")

# %% [markdown]
# One more fault that makes no noise. A Lightning checkpoint puts the name of the attribute before each tensor's name.
# What does `strict=False`, which many a post recommends, make of that?

# %% tags=["nbval-check-output"]
renamed = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
_, unexpected = PageResNet().load_state_dict(renamed, strict=False)
print(f"{len(renamed) - len(unexpected)} of {len(renamed)} tensors were loaded, and nothing was said")

# %% [markdown]
# ## Mistakes that people really make here
#
# Each of these was found in published code for this very exercise.
#
# - **The network left in training mode** in the app. You have seen the symptom.
# - **`eval()` called on a layer's name** and not on the network. Nothing complains, and BatchNorm goes on as in
#   training.
# - **`load_state_dict(..., strict=False)`**: names that do not match are passed over in silence, and all of the
#   network can stay random. Load strictly.
# - **An exercise's check that looks at shapes only**, and takes a block without its skip connection for a residual
#   block.
# - **Grad-CAM taken after the last pool**, on a map of 1 × 1: one solid colour. Lesson 05 takes it before.

# %% [markdown]
# ## Recap
#
# In this lesson you have
#
# - **built** the Page ResNet from a halving block and a residual block, with the package's very table as proof;
# - **counted** its parameters by a formula, and found them in one place and the work in all;
# - **explained** when pooling early is the same function at a lower price, and why a deep stack without skips is hard
#   to train;
# - **told** how far a place of each layer can see, and how far it does; and mended a network in the wrong mode.
#
# **Next:** [03 · The training](03_train.ipynb). The network is built, and knows nothing yet.

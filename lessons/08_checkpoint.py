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
# # 08 · From checkpoint to file
#
# [![Open in Colab](../book/_static/colab-badge.svg)](https://colab.research.google.com/github/OWNER/page-resnet-course/blob/main/lessons/08_checkpoint.ipynb)
#
# **What do you hand on when the training is over, and how do you know that it is still the same network?**
#
# Minutes to run: 2 on a GPU, 2 on a CPU. Reading and solving takes about two and a half hours.
#
# You need: lesson [01 · The data](01_data.ipynb), for normalising, and [05 · Grad-CAM](05_gradcam.ipynb), for its
# closed form. The [glossary](../book/glossary.md) explains every term.

# %% [markdown]
# ## Where this lesson ends
#
# ![Bars: how many megabytes the same trained network takes as a checkpoint, as a pt2 file, as ONNX in two precisions,
# as safetensors, and with eight bits a weight.](images/08_checkpoint.png)
#
# One architecture in six forms. The largest can run anybody's code on your machine. By the end you can make five of
# them, and say what each is good for.

# %% [markdown]
# ## You will be able to
#
# - **open** a checkpoint, say what is in it, and load none that runs code;
# - **write** a file of weights by hand, and notice when a bit of it is wrong;
# - **shrink** a network, and find where it breaks;
# - **verify** that an exported network gives the same answers, and measure what it gains.

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
# This lesson needs the package's extra `export`. The next cell installs what is missing of it, and makes a folder for
# the lesson's files. Everything is computed on the CPU, even if there is a GPU: the server of a small app has none.

# %% tags=["hide-input"]
# @title Install what exports need, and make a folder
import copy
import tempfile
from pathlib import Path

from s12lib.lesson import install_extra

install_extra("export")
workshop = tempfile.TemporaryDirectory()  # it goes when the kernel goes
folder = Path(workshop.name)

# %% [markdown]
# ## 1. What a checkpoint holds
#
# A [checkpoint](../book/glossary.md#term-checkpoint) is made for going on with the training. We train for two steps,
# only to have one.

# %%
import pytorch_lightning as pl

from s12lib import Classifier
from s12lib.data.splits import Split

few = copy.copy(data)
few.batch_size = 32
few.splits = {
    name: Split(split.images[:64], split.labels[:64])
    for name, split in data.splits.items()
}
quiet = ("logger", "enable_checkpointing", "enable_progress_bar")
trainer = pl.Trainer(
    max_epochs=1, accelerator="cpu", devices=1, limit_val_batches=0,
    enable_model_summary=False, **dict.fromkeys(quiet, False),
)  # fmt: skip
trainer.fit(Classifier(lr=0.001), few)
run = folder / "run.ckpt"
trainer.save_checkpoint(run, weights_only=False)  # all of the run


# %%
def megabytes(part):
    """What all tensors in nested dictionaries and lists take."""
    if isinstance(part, torch.Tensor):
        return part.numel() * part.element_size() / 1e6
    if isinstance(part, dict):
        part = list(part.values())
    return sum(map(megabytes, part)) if isinstance(part, list) else 0


# %% [markdown]
# > **Predict first.** The network has 6.6 million [parameters](../book/glossary.md#term-parameter) of four bytes each,
# > so it takes 26 megabytes. How many does the checkpoint take?
# >
# > <!-- guess: {{sum(sizes.values()):.0f}} MB -->

# %% tags=["nbval-check-output", "reveal"]
checkpoint = torch.load(run, weights_only=True)
sizes = {
    name: round(megabytes(part), 1) for name, part in checkpoint.items()
}
small = [name for name, size in sizes.items() if size < 0.1]
{name: size for name, size in sizes.items() if name not in small}

# %% [markdown]
# `state_dict` holds the [averaged weights](../book/glossary.md#term-EMA), `current_model_state` those that the training
# goes on with, and `optimizer_states` the [momentum](../book/glossary.md#term-momentum), one number a weight. The rest
# is small: where the run was, its schedule, its hyper-parameters.
#
# > **Finding.** The checkpoint takes {{sum(sizes.values()):.0f}} MB, three times the network. Whoever only wants
# > answers needs `state_dict`: {{sizes["state_dict"] / sum(sizes.values()):.0%}} of it.

# %% [markdown]
# ## 2. A pickle is a program
#
# The tensors' bytes lie in the file as they are. How they belong together is written in a
# [pickle](../book/glossary.md#term-pickle), Python's own format for objects. What is in it?

# %% tags=["nbval-check-output"]
import pickletools
import zipfile


def imports_of(path):
    """How many instructions a file of torch.save has, and what they
    import. (No scanner: others can hide their imports from this.)"""
    with zipfile.ZipFile(path) as archive:
        files = [n for n in archive.namelist() if n.endswith("data.pkl")]
        steps = list(pickletools.genops(archive.read(files[0])))
    names = {arg for step, arg, _ in steps if step.name == "GLOBAL"}
    return len(steps), sorted(name.replace(" ", ".") for name in names)


instructions, names = imports_of(run)
names

# %% [markdown]
# A pickle is a program for a small machine: {{instructions:,}} instructions here. Two kinds of them are *import this
# name* and *call it*. In this file they build dictionaries and tensors. Nothing in the format says that they must.
#
# The next file holds an object that asks to be built by `print`.


# %% tags=["nbval-check-output"]
class Gift:
    def __reduce__(self):
        """How to build me again: a function, and what to call it with."""
        return print, ("This line comes out of the file.",)


gift = folder / "gift.ckpt"
torch.save({"state_dict": Gift()}, gift)
imports_of(gift)[1]

# %% [markdown]
# > **Predict first.** When will the line appear: when the file is loaded, or when somebody uses the object?

# %% tags=["nbval-check-output", "reveal"]
loaded = torch.load(gift, weights_only=False)

# %% tags=["nbval-check-output"]
try:
    torch.load(gift, weights_only=True)
except Exception as error:
    refused = type(error).__name__
refused

# %% [markdown]
# It ran on loading: nobody has used anything yet. It could have been any other call. `weights_only=True` is a reader
# with a list of harmless names, and refuses whatever is not on it before it is called. It is the default since PyTorch
# 2.6; much advice on the web still tells you to switch it off. This course does so for this gift, and nowhere else.
#
# > **Finding.** A checkpoint runs what its maker wrote, at the moment of loading. With `weights_only=True` the same
# > file ends in {{refused}}.

# %% [markdown]
# ## 3. Names and numbers
#
# The careful reader had holes, too: until PyTorch 2.6
# ([CVE-2025-32434](https://nvd.nist.gov/vuln/detail/CVE-2025-32434)), and until 2.10
# ([CVE-2026-24747](https://nvd.nist.gov/vuln/detail/CVE-2026-24747)). A better answer is a format in which there is
# nothing to be careful of. A [safetensors](../book/glossary.md#term-safetensors) file has three parts:
#
# 1. eight bytes: the length of the header, a whole number, its smallest byte first;
# 2. the header, JSON in UTF-8: for each tensor its `dtype` (`F16`, `F32` or `I64` in our files), its `shape`, and
#    `data_offsets`: the first byte, and the one behind the last, counted from the end of the header. There may be a
#    note, `__metadata__`;
# 3. all the numbers, tensor after tensor, row by row, without gaps.
#
# There is no place for a function.

# %% [markdown]
# ### Exercise: read the weights
#
# > **Difficulty 3 of 5, about 20 minutes.** Take such a file apart. `content` is the file's bytes; return a dictionary
# > from each name to its tensor, with the type and shape that the header says. The tensors must not lie in the bytes of
# > `content` itself, since somebody may train them.


# %% tags=["nbval-check-output"]
import json


def read_safetensors(content):
    """The bytes of a safetensors file → {name: tensor}."""
    raise NotImplementedError


check("read_safetensors", read_safetensors)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# `int.from_bytes(content[:8], "little")` is the header's length, and `json.loads` takes bytes. Offset 0 is byte 8 +
# that length.
#
# </details>
# <details>
# <summary>Second hint</summary>
#
# `torch.frombuffer(bytearray(part), dtype=torch.float16)` turns a copy of bytes into a flat tensor; `.reshape` does the
# rest. Take `__metadata__` out of the header first.
#
# </details>
# <details>
# <summary>Solution</summary>
#
# ```python
# def read_safetensors(content):
#     dtypes = {
#         "F16": torch.float16,
#         "F32": torch.float32,
#         "I64": torch.int64,
#     }
#     start = 8 + int.from_bytes(content[:8], "little")
#     header = json.loads(content[8:start])
#     header.pop("__metadata__", None)
#     tensors = {}
#     for name, entry in header.items():
#         first, last = entry["data_offsets"]
#         part = bytearray(content[start + first : start + last])
#         tensors[name] = torch.frombuffer(
#             part, dtype=dtypes[entry["dtype"]]
#         ).reshape(entry["shape"])
#     return tensors
# ```
#
# </details>

# %% [markdown]
# ### Exercise: write them
#
# > **Difficulty 4 of 5, about 40 minutes.** Now the other way. `tensors` is a dictionary from names to float16, float32
# > and int64 tensors on the CPU, without gradients; return the bytes of a file that holds them, which the library
# > `safetensors` reads. Names may be in any language. A tensor need not lie in memory row by row (think of `weight.T`),
# > and may be a part of a larger one. There may be no tensor at all. No library but `json` is needed.


# %% tags=["nbval-check-output"]
def write_safetensors(tensors):
    """{name: float16, float32 or int64 tensor} → the file's bytes."""
    raise NotImplementedError


check("write_safetensors", write_safetensors)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# Collect the numbers' bytes first, and note where each part begins and ends. The header can only be written when all
# places are known; they count from its end, so its own length does not matter.
#
# </details>
# <details>
# <summary>Second hint</summary>
#
# `tensor.numpy().tobytes()` goes row by row, however the tensor lies. The length is that of the *encoded* header:
# `json.dumps(header).encode()`. `number.to_bytes(8, "little")` makes the eight bytes.
#
# </details>
# <details>
# <summary>Solution</summary>
#
# ```python
# def write_safetensors(tensors):
#     kinds = {torch.float16: "F16", torch.float32: "F32", torch.int64: "I64"}
#     header, parts, place = {}, [], 0
#     for name, tensor in tensors.items():
#         part = tensor.numpy().tobytes()
#         header[name] = {
#             "dtype": kinds[tensor.dtype],
#             "shape": list(tensor.shape),
#             "data_offsets": [place, place + len(part)],
#         }
#         parts.append(part)
#         place += len(part)
#     text = json.dumps(header).encode()
#     return len(text).to_bytes(8, "little") + text + b"".join(parts)
# ```
#
# The library also fills the header up with spaces to a multiple of eight bytes, so that the numbers can be used where
# they lie.
#
# </details>

# %% tags=["nbval-check-output"]
from s12lib import PageResNet, load_card
from s12lib.inference import logits_of
from s12lib.weights.pretrained import WEIGHTS_DIR

read_safetensors = use("read_safetensors", read_safetensors)
write_safetensors = use("write_safetensors", write_safetensors)
known = data.name == "CIFAR-10"
weights = "page_resnet_cifar10" if known else "page_resnet_shapes"
card = load_card(weights)
content = (WEIGHTS_DIR / f"{weights}.safetensors").read_bytes()
stored = read_safetensors(content)

network = PageResNet(**card["architecture"]["arguments"]).eval()
network.load_state_dict({name: t.float() for name, t in stored.items()})

# %% tags=["nbval-check-output"]
import hashlib

test = data.splits["test"]
images = test.images[: course.few(1000)]
labels = test.labels[: len(images)]
logits = logits_of(network, images)
accuracy = (logits.argmax(1) == labels).float().mean().item()
again = read_safetensors(write_safetensors(stored))
same = all(torch.equal(again[name], stored[name]) for name in stored)
known_hash = hashlib.sha256(content).hexdigest() == card["sha256"]
round(accuracy, 3), same, known_hash

# %% [markdown]
# The file takes {{len(content) / 1e6:.1f}} MB where the network in memory takes
# {{megabytes(network.state_dict()):.1f}}: its numbers are [float16](../book/glossary.md#term-float16). What came of it
# is right for {{accuracy:.1%}} of the first {{len(images):,}} test images. Beside the file lies a *card*, which says
# how the weights came about ([Mitchell et al., 2018](../book/references.md#mitchell-2018)), and the file's
# [hash](../book/glossary.md#term-hash), a fingerprint of all its bytes. `s12 pack` makes both from a checkpoint.
#
# The hash guards against accidents: a download that stopped, an old disk. It does not guard against malice: whoever
# exchanges the weights can exchange the card.


# %%
def flipped(content, name, bit):
    """The file, with one bit of a tensor's first number turned over."""
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    place = start + header[name]["data_offsets"][0] + bit // 8
    changed = bytearray(content)
    changed[place] ^= 1 << bit % 8
    return bytes(changed)


# %% [markdown]
# A float16 has a bit for the sign, five for the exponent (a power of two) and ten for the digits.
#
# > **Predict first.** We turn over one bit of the file: once the lowest of a weight in the
# > [head](../book/glossary.md#term-head), which changes it by a thousandth, and once the exponent's highest, which
# > multiplies it by 65,536. How many of 100 answers survive the second?
# >
# > <!-- guess: {{survive[14]}} of 100 -->

# %% tags=["nbval-check-output", "reveal"]
damaged, survive, noticed = copy.deepcopy(network), {}, {}
answers = logits[:100].argmax(1)
for bit in (0, 14):
    file = flipped(content, "head.2.weight", bit)
    damaged.load_state_dict(read_safetensors(file))
    others = logits_of(damaged, images[:100]).argmax(1)
    survive[bit] = (answers == others).sum().item()
    noticed[bit] = hashlib.sha256(file).hexdigest() != card["sha256"]
survive, noticed

# %% [markdown]
# The weight counts for one class only, and for one feature of it. The images in which that feature is strong are lost,
# the others do not notice.
#
# > **Finding.** Of {{len(answers)}} answers {{survive[0]}} survive the lowest bit and {{survive[14]}} the highest of
# > the exponent. By its answers you would not notice the first, and might take the second for a weak network. The hash
# > notices both.

# %% [markdown]
# ## 4. Smaller
#
# The file is half as large as the network in memory because each weight was rounded to 16 bits. Why stop there? Store
# each weight as a small whole number, and for each output [channel](../book/glossary.md#term-channel) one *scale*: the
# weight is about number × scale. This is [quantisation](../book/glossary.md#term-quantisation). With $b$ bits the
# numbers go from $-(2^{b-1} - 1)$ to $2^{b-1} - 1$: 255 values for 8 bits, 15 for 4, three for 2.

# %% [markdown]
# ### Exercise: eight bits
#
# > **Difficulty 2 of 5, about 15 minutes.** `weight` is (out, ...) float, `bits` is from 2 to 8. Return two tensors:
# > (out, ...) int8 whole numbers, rounded to the nearest, and (out,) float scales, one an output channel. Zero must
# > stay zero, and the channel's largest absolute value becomes $2^{b-1} - 1$. A channel may be all zeros.


# %% tags=["nbval-check-output"]
def quantize(weight, bits):
    """(out, ...) float → (out, ...) int8 and (out,) float."""
    raise NotImplementedError


check("quantize", quantize)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# `weight.flatten(1)` has a row for each output channel. The scale of a row is its largest absolute value, divided by
# the largest whole number.
#
# </details>
# <details>
# <summary>Second hint</summary>
#
# Divide the rows by `scale[:, None]`, but by 1 where the scale is 0. Then `.round().to(torch.int8)`, and the old shape.
#
# </details>
# <details>
# <summary>Solution</summary>
#
# ```python
# def quantize(weight, bits):
#     rows = weight.flatten(1)
#     most = 2 ** (bits - 1) - 1
#     scale = rows.abs().amax(1) / most
#     divisor = scale.where(scale > 0, 1)  # a channel of zeros stays zero
#     numbers = (rows / divisor[:, None]).round().to(torch.int8)
#     return numbers.reshape(weight.shape), scale
# ```
#
# </details>

# %% [markdown]
# > **Predict first.** With 16 bits it is right for {{whole:.1%}} of {{count}} test images. And with 3 bits, so with
# > seven possible values for a weight, in per cent?
# >
# > <!-- guess: {{100 * right_with[3]:.1f}} % -->

# %% tags=["nbval-check-output"]
quantize = use("quantize", quantize)
count = course.few(400)
whole = (logits[:count].argmax(1) == labels[:count]).float().mean().item()


def rounded(network, bits):
    """A copy with rounded weights, and the MB that they would take."""
    small, size = copy.deepcopy(network), 0
    for weight in small.parameters():
        if weight.ndim > 1:  # convolutions and head; BatchNorm stays
            numbers, scale = quantize(weight.data, bits)
            shape = -1, *[1] * (weight.ndim - 1)
            weight.data = numbers * scale.reshape(shape)
            size += numbers.numel() * bits / 8 + scale.numel() * 4
    return small, size / 1e6


# %% tags=["nbval-check-output", "reveal"]
right_with, size_with = {}, {}
for bits in (8, 6, 4, 3, 2):
    small, size_with[bits] = rounded(network, bits)
    preds = logits_of(small, images[:count]).argmax(1)
    right_with[bits] = (preds == labels[:count]).float().mean().item()
{bits: f"{share:.1%}" for bits, share in right_with.items()}

# %% tags=["hide-input"]
# @title Draw the accuracy over the size
title = f"8 bits: {right_with[8]:.1%} right. 3 bits: {right_with[3]:.1%}"
drawn = list(size_with.values()), list(right_with.values())
curve = {
    "8, 6, 4, 3 and 2 bits": drawn,
    "16 bits, as shipped": ([len(content) / 1e6], [whole]),
}
where = f"{data.name}, the first {count} test images"
viz.show(viz.lines(curve, title, where, "MB", "accuracy", marker="o"))

# %% [markdown]
# The weights are millions of small votes. Rounding errors of either sign cancel out, until they are as large as the
# votes. With {{count}} images a point more or less is luck, so do not rank 8 bits and 6 by this. And only the *weights*
# are rounded: to *compute* with whole numbers needs hardware that gains by it.
#
# > **Finding.** Eight bits halve the file once more and cost nothing that {{count}} images could show
# > ({{right_with[8]:.1%}} against {{whole:.1%}}). With 4 bits it is right for {{right_with[4]:.1%}}, with 3 for
# > {{right_with[3]:.1%}}, and with 2 for only {{right_with[2]:.1%}}.

# %% [markdown]
# ## 5. The same answers?
#
# To use the network elsewhere, you write its computation down as a graph. [ONNX](../book/glossary.md#term-ONNX) is the
# usual format, which ONNX Runtime runs without PyTorch, in a browser, too. A `.pt2` is PyTorch's own: it needs PyTorch,
# but not the code of the network. The package's export puts two more things into the graph: normalising, so that it
# takes plain uint8 images and nobody can forget it; and the
# [class maps](../book/glossary.md#term-class-map) of [Lesson 05](05_gradcam.ipynb), so that each answer brings heatmaps
# for all classes.

# %% tags=["nbval-check-output"]
from s12lib.export import export_onnx
from s12lib.export.pt2_file import export_pt2
from s12lib.export.verify import Answers

onnx, half = folder / "float32.onnx", folder / "float16.onnx"
pt2 = folder / "network.pt2"
reports = {
    "ONNX": export_onnx(network, onnx),
    "ONNX, float16": export_onnx(network, half, "float16"),
    "pt2": export_pt2(network, pt2, Answers.of(network)),
}
{name: report["pictures"] for name, report in reports.items()}

# %% [markdown]
# Each was held against the PyTorch network, on that many images, before it got its name. Do not take the package's word
# for it: a proof is as good as its comparison, and as the images that it was made on.

# %% [markdown]
# ### Exercise: find the bug
#
# > **Difficulty 2 of 5, about 10 minutes.** The function `shipped` guarded an export. Here it lets two broken files
# > pass: one whose logits are all too high by 3, and one that answers nan. Write `agrees`: two tensors of logits,
# > (N, c) float, and a tolerance. Return True if no number differs by more than the tolerance (exactly as much is
# > allowed), else False. What is nan or infinite agrees with nothing, and neither do tensors of different shapes.


# %% tags=["nbval-check-output"]
def shipped(ours, theirs, tolerance):
    difference = (ours - theirs).mean()
    return not difference > tolerance


lost = torch.full_like(logits, torch.nan)
shipped(logits, logits + 3, 1e-3), shipped(logits, lost, 1e-3)


# %% tags=["nbval-check-output"]
def agrees(ours, theirs, tolerance):
    """(N, c), (N, c) float, a number → True or False."""
    raise NotImplementedError


check("agrees", agrees)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# What does a mean do with differences of both signs? And which comparisons with nan are true?
#
# </details>
# <details>
# <summary>Second hint</summary>
#
# Take the *largest* *absolute* difference; `max` hands a nan on. Nan is neither `>` nor `<=`, so ask what must hold,
# `<=`, and not what must not. And torch subtracts (1, c) from (N, c) without a word.
#
# </details>
# <details>
# <summary>Solution</summary>
#
# ```python
# def agrees(ours, theirs, tolerance):
#     if ours.shape != theirs.shape:
#         return False
#     difference = (ours - theirs).abs().max().item()
#     return difference <= tolerance
# ```
#
# </details>

# %%
import onnxruntime

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session, half_session = (
    onnxruntime.InferenceSession(path, options) for path in (onnx, half)
)
program = torch.export.load(pt2).module()


def asked(session, images):
    """ONNX Runtime's logits and class maps, as tensors."""
    found = session.run(None, {"images": images.numpy()})
    return [torch.from_numpy(each) for each in found]


# %% [markdown]
# Choose your own images, some that are in no dataset, and batches of other sizes.
#
# > **Predict first.** Will the logits be equal to the last bit? If not, say with a tolerance of 0.001: of
# > {{len(images):,}} test images, for how many are the first and the second class closer than that, so that the answer
# > could change?
# >
# > <!-- guess: {{close_calls}} images -->

# %% tags=["nbval-check-output", "reveal"]
agrees = use("agrees", agrees)
generator = torch.Generator().manual_seed(8)
noise = torch.randint(0, 256, (6, 32, 32, 3), generator=generator)
noise = noise.to(torch.uint8)
batches = {"test": images[:40], "noise": noise, "black": 0 * noise[:1]}
tolerance, to_the_bit, verdicts = 0.001, [], []
for batch in batches.values():
    ours = logits_of(network, batch)
    theirs = asked(session, batch)[0]
    to_the_bit.append(torch.equal(ours, theirs))
    for other in (theirs, asked(half_session, batch)[0], program(batch)[0]):
        verdicts.append(agrees(ours, other.detach(), tolerance))
close_calls = (-logits.topk(2).values.diff() < tolerance).sum().item()
all(to_the_bit), verdicts, close_calls

# %% tags=["nbval-check-output"]
from s12lib import gradcam

maps = asked(session, images[:8])[1]
heat = [gradcam(network, images[:8], k, raw=True) for k in range(10)]
agrees(
    maps.clamp(min=0).flatten(1), torch.stack(heat, 1).flatten(1), tolerance
)

# %% [markdown]
# The runtime takes the same sums in another order, and floats then round differently. float16 adds no error here, since
# these weights had been rounded before. For the heatmaps the library ran ten backward passes; the file needs none.
#
# > **Finding.** Not equal to the last bit, but to {{tolerance}}: {{sum(verdicts)}} of {{len(verdicts)}} comparisons
# > agree. The tolerance is small against what decides: for {{close_calls}} of {{len(images):,}} test images the first
# > two classes are closer than that.

# %% [markdown]
# ## 6. Is it faster?
#
# Milliseconds would be those of one machine on one day; a ratio travels better. We count processor time on one thread,
# which hardly minds what else the machine is doing, and take the runs in turns, so that whatever happens hits all
# alike.

# %% [markdown]
# > **Predict first.** ONNX Runtime is known for speed. How much of PyTorch's time does it need for *one* image, in per
# > cent? And for each of 16 that come together?
# >
# > <!-- guess: {{100 * share["1: ONNX"]:.0f}} % -->

# %%
import statistics
import time

from s12lib import predict

one, many = images[:1], images[:16]
ways = {
    "1: PyTorch": lambda: predict(network, one),
    "1: ONNX": lambda: asked(session, one),
    "1: float16": lambda: asked(half_session, one),
    "16: PyTorch": lambda: predict(network, many),
    "16: ONNX": lambda: asked(session, many),
}
took, threads = {name: [] for name in ways}, torch.get_num_threads()
torch.set_num_threads(1)
for name, way in (3 if course.smoke else 20) * list(ways.items()):
    start = time.process_time()
    way()
    took[name].append(time.process_time() - start)
torch.set_num_threads(threads)

# %% tags=["hide-input", "reveal"]
# @title Draw each way's share of PyTorch's time
share = {}
for name, times in took.items():
    count_of = name.split(":")[0]
    base = statistics.median(took[f"{count_of}: PyTorch"])
    share[name] = statistics.median(times) / base
title = f"One image: ONNX needs {share['1: ONNX']:.0%}. "
title += f"Sixteen: {share['16: ONNX']:.0%}"
names = {
    name.replace("1: ", "1 image: ").replace("16: ", "16 images: "): value
    for name, value in share.items()
}
where = f"{data.name}, test images; medians on one machine"
axis = "processor time, PyTorch's = 1"
viz.show(viz.bars(names, title, where, axis, "{:.2f}"))

# %% [markdown]
# For one image much of PyTorch's time goes into getting each layer started. ONNX Runtime has planned all of that
# beforehand, and put layers together. With 16 images the sums themselves take the time, and both do the same sums. And
# half the size is not half the time: the float16 file is turned into float32 when it is loaded. It is smaller to
# *send*, that is all.
#
# > **Finding.** On the machine that made this page ONNX Runtime needs {{share["1: ONNX"]:.0%}} of PyTorch's time for
# > one image, and {{share["16: ONNX"]:.0%}} for 16 at a time. The gain is for an app that is asked for one image after
# > the other. Measure on the machine that will serve, with the batches that will come.

# %% [markdown]
# ## 7. What to hand on
#
# | file | who can use it | what it can do to you |
# |---|---|---|
# | checkpoint | whoever goes on training | run code, unless `weights_only=True` |
# | safetensors and card | whoever has the network's code | nothing |
# | pt2 | whoever has PyTorch | perhaps run code: its loader uses pickle |
# | ONNX | anybody, a browser too | it is a program of tensor operations |

# %% tags=["goal", "hide-input"]
# @title Draw the six sizes
files = {
    "checkpoint": run.stat().st_size / 1e6,
    "pt2": pt2.stat().st_size / 1e6,
    "ONNX": onnx.stat().st_size / 1e6,
    "ONNX, float16": half.stat().st_size / 1e6,
    "safetensors, float16": len(content) / 1e6,
    "8 bits, packed": size_with[8],
}
title = (
    f"One architecture: {files['checkpoint']:.0f} MB or {size_with[8]:.0f}"
)
where = "no dataset; sizes of files, 8 bits computed"
viz.show(viz.bars(files, title, where, "MB", "{:.1f}"))

# %% [markdown]
# > **Finding.** From checkpoint to eight bits one architecture shrinks from {{files["checkpoint"]:.0f}} to
# > {{size_with[8]:.1f}} MB. Hand on the smallest form that does what its user needs, with its card.

# %% [markdown]
# ## Mistakes that people really make here
#
# The last three were found in published code for this very exercise.
#
# - **`torch.load(..., weights_only=False)`** on a file from the web. You have seen what that is.
# - **A verification that cannot fail**: a mean, a missing absolute value, a comparison that nan passes.
# - **A speed-up measured on one image**, and promised for batches.
# - **`load_state_dict(strict=False)`**, which hides what found no place. [Lesson 10](10_extend.ipynb) counts it.
# - **The model left in training mode.** A pt2 file then normalises by each batch that it gets.
# - **Weights without a word** about data, accuracy and licence.

# %% [markdown]
# ## Take-away
#
# - **Open** a checkpoint with `weights_only=True`: it is {{sum(sizes.values()) / sizes["state_dict"]:.0f}} times the
#   network, and its pickle is a program.
# - **Write** weights as names and numbers, with a hash: it notices the one bit that {{survive[0]}} of 100 answers do
#   not.
# - **Shrink** to eight bits at no visible cost; at three bits {{right_with[3]:.1%}} are right.
# - **Verify** with the largest absolute difference, on images of your own choice: to 0.001, not to the last bit.
# - **Measure** speed as it will be used: {{share["1: ONNX"]:.0%}} of PyTorch's time for one image,
#   {{share["16: ONNX"]:.0%}} for sixteen.

# %% [markdown]
# ## Quiz
#
# **1. Somebody sends you `best.pt`. Which of these runs their code?**
#
# - (a) `torch.load("best.pt", weights_only=False)`, without using the result.
# - (b) `torch.load("best.pt", weights_only=True)`.
# - (c) Only calling the loaded model does.
#
# <details>
# <summary>Answer</summary>
#
# **(a)** The pickle is run while it is read. Whether anybody uses what comes out of it does not matter any more.
#
# </details>
#
# **2. The file's SHA-256 is the one on the card beside it. What do you know?**
#
# - (a) That nobody has tampered with the weights.
# - (b) That the network is as accurate as the card says.
# - (c) That file and card belong together, and no bit was lost on the way.
#
# <details>
# <summary>Answer</summary>
#
# **(c)** Whoever exchanges the weights can write a new card. Against that helps a hash from another place, or a
# signature.
#
# </details>
#
# **3. `assert not (ours - theirs).abs().max() > 1e-3` passes. What may the exported network still do?**
#
# - (a) Answer nan.
# - (b) Differ by 0.01 in one logit.
# - (c) Differ by 0.01 in all of them.
#
# <details>
# <summary>Answer</summary>
#
# **(a)** Nan is never `>` a number, so `not nan > 1e-3` is true. Ask what must hold: `<= 1e-3`.
#
# </details>
#
# **4. Your app gets one image at a time, and its server has no GPU. What does this lesson suggest?**
#
# - (a) float16 weights, which are twice as fast.
# - (b) ONNX Runtime, after measuring it on that server.
# - (c) Batches of 16, since each image is then cheaper in ONNX Runtime than in PyTorch.
#
# <details>
# <summary>Answer</summary>
#
# **(b)** The gain was for one image at a time, on one machine. float16 saved space only, and with 16 images at a time
# most of the gain over PyTorch is gone.
#
# </details>

# %% tags=["nbval-check-output"]
from s12lib.exercises import progress

progress()

# %% [markdown]
# ▰▰▰▰▰▰▰▰▰▱▱ Lesson 9 of 11. Behind you: a file that can be trusted. Ahead: people who cannot.
#
# **Next:** [09 · An app for strangers](09_app.ipynb) lets anybody send anything.

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
# # 09 · An app for strangers
#
# [![Open in Colab](../book/_static/colab-badge.svg)](https://colab.research.google.com/github/OWNER/page-resnet-course/blob/main/lessons/09_app.ipynb)
#
# **What must an app do so that strangers can send it whatever they like?**
#
# Minutes to run: 2 on a GPU, 2 on a CPU. Reading and solving takes about two hours.
#
# You need: lessons [01 · The data](01_data.ipynb), for normalising, and [04 · The failures](04_failures.ipynb), for
# confidence. The [glossary](../book/glossary.md) explains every term.

# %% [markdown]
# ## Where this lesson ends
#
# ![Images of nothing that the network has learned: drawn shapes, noise, text and pieces of two photographs,
# each with the class that it names all the same, and whether a warning goes with it.](images/09_app.png)
#
# None of these images shows anything that the network knows, and it has a class for each. An app that strangers may use
# has to say so. It also has to see what the notebook saw, and must survive what it is sent. By the end you know what
# sets it apart from a demo.

# %% [markdown]
# ## You will be able to
#
# - **trace** why an app and a notebook disagree about one image;
# - **answer** whatever strangers send, with a sentence where there is no image;
# - **warn** of images that the network knows nothing about, at a price fixed beforehand;
# - **promise** that price for images not yet seen.

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
# This lesson needs the package's extra `app`. The next cells install what is missing of it, and make a folder for the
# lesson's files. Everything is computed on the CPU, even if there is a GPU: the server of a small app has none.

# %% tags=["hide-input"]
# @title Install what the app needs
from s12lib.lesson import install_extra

install_extra("app")

# %% tags=["hide-input"]
# @title Keep Gradio quiet, and make a folder
import os
import tempfile
import warnings
from pathlib import Path

# Gradio's progress bar is not used here, and nobody reports home.
warnings.filterwarnings("ignore", message="IProgress not found")
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
workshop = tempfile.TemporaryDirectory()  # it goes when the kernel goes
folder = Path(workshop.name)

# %%
from s12lib import load_card, load_pretrained
from s12lib.inference import logits_of

known = data.name == "CIFAR-10"
weights = "page_resnet_cifar10" if known else "page_resnet_shapes"
network, card = load_pretrained(weights), load_card(weights)
test = data.splits["test"]
images = test.images[: course.few(1000)]
labels = test.labels[: len(images)]

# %% [markdown]
# ## 1. The app and the notebook disagree
#
# An upload is large, not square, and has grain, and somebody must make 32 × 32 pixels of it. Here are test images as
# somebody might upload them, twice as wide as high, and the code of an app, put together from what has been published.


# %%
import cv2
import numpy as np
from PIL import Image


def upload(image, seed, rim=96):
    """A test image in a photograph of 384 × 192 pixels, RGB, with the
    grain of a dim room."""
    size = 192, 192
    square = Image.fromarray(image.numpy()).resize(size, Image.BICUBIC)
    wide = np.pad(square, ((0, 0), (rim, rim), (0, 0)), mode="reflect")
    grain = np.random.default_rng(seed).normal(0, 25, wide.shape)
    return (wide + grain).clip(0, 255).astype(np.uint8)


def shipped(pixels):
    """What the app shows its network of what cv2.imread has read."""
    small = torch.from_numpy(cv2.resize(pixels, (32, 32)))
    x = small.permute(2, 0, 1).float()[None]
    return (x - x.mean()) / x.std()


# %% tags=["nbval-check-output"]
from s12lib import predict
from s12lib.data.image_files import read_image

count = course.few(300)
uploads = [upload(image, k) for k, image in enumerate(images[:count])]
answers = []
for k in range(4):
    photo = folder / f"photo{k}.png"
    Image.fromarray(uploads[k]).save(photo)
    notebook = predict(network, read_image(photo))[0]
    with torch.no_grad():
        app = network(shipped(cv2.imread(str(photo)))).softmax(1)[0]
    rows = labels[k], notebook.argmax(), app.argmax()
    answers.append([data.classes[label] for label in rows])
answers

# %% [markdown]
# Each line: what it is, what the notebook says, what the app says. The same weights, the same files. Nothing crashes,
# nothing warns.
#
# When two programs disagree, do not stare at their answers. Walk back to the first place where they differ. The
# weights? The hashes agree. The mode? Both in [evaluation mode](../book/glossary.md#term-evaluation-mode). So compare
# the *inputs*, number by number.

# %% [markdown]
# ### Exercise: find the bug
#
# > **Difficulty 3 of 5, about 20 minutes.** There are four in the three lines of `shipped`. The notebook cuts out the
# > square in the middle, averages over areas, and normalises with the training set's MEAN and STD. Let the app do the
# > same. `pixels` is an (H, W, 3) uint8 array as `cv2.imread` gives it, of any size; return (1, 3, 32, 32) float32.


# %% tags=["nbval-check-output"]
from s12lib import normalize
from s12lib.data.image_files import to_32x32


def app_input(pixels):
    """(H, W, 3) uint8 array of cv2 → (1, 3, 32, 32) float32."""
    raise NotImplementedError


check("app_input", app_input)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# In which order does OpenCV hand out the colours? What becomes of a wide image's proportions? Of the grain, when a few
# of its pixels are picked? And whose mean is subtracted?
#
# </details>
# <details>
# <summary>Second hint</summary>
#
# `pixels[:, :, ::-1]` is RGB, and `Image.fromarray` makes an image of it. For the rest the package has `to_32x32` and
# `normalize`.
#
# </details>
# <details>
# <summary>Solution</summary>
#
# Blue comes first; the image is squeezed; `cv2.resize` blends the four pixels nearest to each point and passes over the
# others (told to, by `cv2.INTER_AREA`, it averages all); and the image is normalised by itself. The best repair is to
# have no second version at all:
#
# ```python
# def app_input(pixels):
#     image = Image.fromarray(pixels[:, :, ::-1])
#     return normalize(to_32x32(image))
# ```
#
# </details>

# %% tags=["nbval-check-output"]
app_input = use("app_input", app_input)


def by_itself(rgb):
    small = torch.from_numpy(to_32x32(Image.fromarray(rgb)))
    x = small.permute(2, 0, 1).float()[None]
    return (x - x.mean()) / x.std()


def squeezed(rgb):
    area = cv2.INTER_AREA
    return normalize(cv2.resize(rgb, (32, 32), interpolation=area))


# %%
ways = {
    "notebook": lambda rgb: app_input(rgb[:, :, ::-1].copy()),
    "blue first": app_input,
    "squeezed": squeezed,
    "by itself": by_itself,
    "blended": lambda rgb: normalize(cv2.resize(rgb[:, 96:-96], (32, 32))),
    "all four": lambda rgb: shipped(rgb[:, :, ::-1].copy()),
}

# %% [markdown]
# > **Predict first.** Each of the four alone: blue first, squeezed into a square, normalised by itself, four pixels
# > blended where all 36 should be averaged. Which costs the most? And how many points of accuracy?
# >
# > <!-- guess: {{100 * costs[worst]:.0f}} points -->

# %% tags=["nbval-check-output", "reveal"]
seen, right = {}, {}
for name, way in ways.items():
    seen[name] = torch.cat([way(rgb) for rgb in uploads])
    with torch.no_grad():
        preds = network(seen[name]).argmax(1)
    right[name] = (preds == labels[:count]).float().mean().item()
costs = {name: right["notebook"] - share for name, share in right.items()}
alone = list(costs)[1:5]
worst = max(alone, key=costs.get)
mildest = min(alone, key=costs.get)
{name: f"{share:.0%}" for name, share in right.items()}

# %% tags=["hide-input"]
# @title Draw what the network sees
from s12lib.data.pixels import MEAN, STD

mean, std = (torch.tensor(each)[:, None, None] for each in (MEAN, STD))
rows = {
    name: (x[:6] * std + mean).clamp(0, 1).permute(0, 2, 3, 1)
    for name, x in seen.items()
}
title = f"Worst is {worst!r}: {100 * costs[worst]:.0f} points"
where = f"{data.name}, test images as wide, grainy uploads"
viz.show(viz.image_rows(rows, title, where))

# %% [markdown]
# Averaging all 36 pixels leaves a sixth of the grain, blending four leaves half. Another camera, another order: we
# chose much grain, and images twice as wide as high. An image normalised by itself looks nearly right to you and to the
# network, so this bug lives long.
#
# > **Finding.** Of {{count}} uploads the notebook gets {{right["notebook"]:.0%}} right. *{{worst.capitalize()}}*
# > costs {{100 * costs[worst]:.0f}} points, *squeezed* {{100 * costs["squeezed"]:.0f}}, *blue first*
# > {{100 * costs["blue first"]:.0f}}, *{{mildest}}* {{100 * costs[mildest]:.0f}}; all four together leave
# > {{right["all four"]:.0%}}. None of them raises an error.

# %% [markdown]
# So test parity with a *number*, before you ship, on files like the ones that will come. Better still, let training,
# notebook and app call one function.

# %% [markdown]
# ## 2. What is transparent
#
# A PNG may have a fourth channel, the opacity: 255 where the image hides what is behind it, 0 where nothing was
# painted. Many a demo takes the first three channels and goes on. Here are three drawings as an editor saves them,
# black on nothing.

# %%
from PIL import ImageDraw

empty, ink = (0, 0, 0, 0), (0, 0, 0, 255)
drawings = [Image.new("RGBA", (32, 32), empty) for _ in range(3)]
first, second, third = map(ImageDraw.Draw, drawings)
box = 6, 9, 26, 23
first.ellipse(box, ink)
second.rectangle(box, ink)
third.line(box, ink, 5)
drawings = [torch.from_numpy(np.array(each)) for each in drawings]

# %% [markdown]
# ### Exercise: on white
#
# > **Difficulty 2 of 5, about 10 minutes.** Lay an image on white, as on paper. `pixels` is (H, W, 4) uint8: red,
# > green, blue and opacity. Return (H, W, 3) uint8. A pixel with an opacity of 128 is half the image and half the
# > paper.


# %% tags=["nbval-check-output"]
def on_white(pixels):
    """(H, W, 4) uint8 RGBA → (H, W, 3) uint8 RGB."""
    raise NotImplementedError


check("on_white", on_white)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# Make the opacity a number from 0 to 1. The colour that one sees is a weighted mean: opacity for the image, the rest
# for white.
#
# </details>
# <details>
# <summary>Second hint</summary>
#
# In uint8, 2 · 200 is 144, without a word: compute in floats, and go back at the end. `pixels[..., 3:]` keeps the last
# axis, so that it multiplies all three colours.
#
# </details>
# <details>
# <summary>Solution</summary>
#
# ```python
# def on_white(pixels):
#     colours = pixels[..., :3].float()
#     opacity = pixels[..., 3:].float() / 255
#     mixed = opacity * colours + (1 - opacity) * 255
#     return mixed.round().to(torch.uint8)
# ```
#
# </details>

# %% [markdown]
# > **Predict first.** What does the network see of the three drawings when the fourth channel is dropped? How many of
# > their pixels are black then, in per cent?
# >
# > <!-- guess: {{100 * black:.0f}} % -->

# %% tags=["nbval-check-output", "reveal"]
on_white = use("on_white", on_white)
dropped = torch.stack([each[..., :3] for each in drawings])
laid = torch.stack([torch.as_tensor(on_white(each)) for each in drawings])
black = (dropped == 0).all(-1).float().mean().item()
different = {
    "dropped": len({predict(network, x)[0].max().item() for x in dropped}),
    "on white": len({predict(network, x)[0].max().item() for x in laid}),
}
black, different

# %% tags=["hide-input"]
# @title Draw them both ways
title = "Dropped, three drawings become one black square"
where = "no dataset; black drawings on a transparent ground"
rows = {"dropped": dropped, "on white": laid}
viz.show(viz.image_rows(rows, title, where, scale=3))

# %% [markdown]
# > **Finding.** Where nothing was painted, these images hold black. Dropped, {{black:.0%}} of the pixels are black, and
# > three drawings get {{different["dropped"]}} confidence. On white they get {{different["on white"]}}.

# %% [markdown]
# Colours have more surprises: an [EXIF](../book/glossary.md#term-EXIF) note that a phone's photograph lies on its side,
# and a colour profile that says what "red" means. `to_32x32` looks after each, in one place.

# %% [markdown]
# ## 3. What strangers send
#
# With Gradio an app is a function with a page around it:

# %% tags=["nbval-check-output"]
import gradio as gr

from s12lib.errors import CourseError


def small_app(network, classes):
    def answer(path):
        try:
            probabilities = predict(network, read_image(path))[0]
        except CourseError as error:  # one sentence for the visitor
            raise gr.Error(str(error), print_exception=False) from error
        return dict(zip(classes, probabilities.tolist(), strict=True))

    shown = gr.Label(num_top_classes=3)
    return gr.Interface(answer, gr.File(), shown, flagging_mode="never")


ours = small_app(network, data.classes).fn
found = ours(folder / "photo0.png")
max(found, key=found.get)

# %% [markdown]
# `.launch()` would serve it. We call its function instead, and hand it what strangers upload: a text that calls itself
# an image, half a file, an image with transparency, and a tiny file that claims 50,000 × 50,000 pixels, which would
# take 10 GB to decode. Beside it stands a version as demos have it.


# %%
import struct
import zlib

Image.new("RGBA", (40, 40), (255, 0, 0, 128)).save(folder / "clear.png")
png = (folder / "clear.png").read_bytes()
size = png[12:16] + struct.pack(">II", 50_000, 50_000) + png[24:29]
checksum = struct.pack(">I", zlib.crc32(size))
(folder / "huge.png").write_bytes(png[:12] + size + checksum + png[33:])
(folder / "poem.png").write_text("Roses are red.")
whole = (folder / "photo0.png").read_bytes()
(folder / "half.png").write_bytes(whole[:20_000])


def demo(path):
    small = Image.open(path).resize((32, 32))
    return network(normalize(np.array(small)))


# %% [markdown]
# > **Predict first.** How many of the four does the demo survive?
# >
# > <!-- guess: {{survived}} of 4 -->

# %% tags=["nbval-check-output", "reveal"]
names, said, sentences = ("poem", "half", "clear", "huge"), {}, {}
for name in names:
    path = folder / f"{name}.png"
    try:
        demo(path)
        said[name] = "an answer"
    except Exception as error:
        said[name] = type(error).__name__
    try:
        ours(path)
        sentences[name] = "an answer"
    except gr.Error as error:
        sentences[name] = error.message
survived = list(said.values()).count("an answer")
said

# %% tags=["hide-input", "nbval-check-output"]
# @title Print what ours says
import textwrap

for name, sentence in sentences.items():
    said_so = f"{name}: {sentence}"
    print(textwrap.fill(said_so, 66, subsequent_indent="      "))

# %% [markdown]
# A crash in Gradio is a red box that says *Error*, and the visitor learns nothing. What is missing is a list of what
# may come in, and a sentence for everything else. The size is read from the file's first bytes, before any pixel is
# decoded.
#
# > **Finding.** The demo survives {{survived}} of 4 files. Ours answers the transparent one, and says in a sentence
# > what is wrong with each of the others.

# %% [markdown]
# The package's app is the same idea with that list worked out. Its settings are checked on the server as well, since a
# request need not come from your page.

# %% tags=["nbval-check-output"]
from s12lib.app.answers import PREDICTED, Expert

expert = Expert(weights)
refused = []
for top, layer in ((0, "layer3"), (3, "__class__"), (3.5, "layer3")):
    try:
        expert.settings(top, layer, "gradcam", PREDICTED, 0.6)
    except CourseError as error:
        refused.append(str(error))
refused

# %% [markdown]
# Its network is loaded once, in evaluation mode, and never changed. Uploads are decoded in a process of their own,
# within a budget of time, and deleted once they have been looked at. `s12 app` serves it.

# %% [markdown]
# ## 4. Images of nothing it knows
#
# [Softmax](../book/glossary.md#term-softmax) divides 100% among ten classes, whatever it is shown. So what does it say
# to images that are [out of distribution](../book/glossary.md#term-out-of-distribution), unlike all that it was trained
# on? Here are 60 each of drawn shapes, noise, pages of text, flat colours, pieces of two photographs that come with
# scikit-learn.

# %%
from sklearn.datasets import load_sample_image

from s12lib.app.familiarity_threshold import unfamiliar_images

strange = unfamiliar_images(60, seed=8)
if not known:  # then these are no strangers
    del strange["drawn shapes"]
lots, pieces = np.random.default_rng(8), []
for k in range(60):
    photograph = load_sample_image(("china.jpg", "flower.jpg")[k % 2])
    top, left = lots.integers(0, 227), lots.integers(0, 440)
    piece = photograph[top : top + 200, left : left + 200]
    pieces.append(to_32x32(Image.fromarray(piece)))
strange["photographs"] = np.stack(pieces)

# %% [markdown]
# > **Predict first.** How sure will the network be of noise, on average, in per cent? And of an ordinary test image?
# >
# > <!-- guess: {{100 * sure["noise"]:.0f}} % -->

# %% tags=["nbval-check-output", "reveal"]
z = {"test images": logits_of(network, images)}
for kind, each in strange.items():
    z[kind] = logits_of(network, each)
confidences = {kind: each.softmax(1).amax(1) for kind, each in z.items()}
sure = {kind: each.mean().item() for kind, each in confidences.items()}
most = {kind: each.max().item() for kind, each in confidences.items()}
surest = max(strange, key=most.get)
{kind: f"{sure[kind]:.0%}, at most {most[kind]:.0%}" for kind in z}

# %% [markdown]
# How sure is not how right: [Lesson 04](04_failures.ipynb#5-does-it-know).
#
# > **Finding.** It is less sure of strangers: {{sure["noise"]:.0%}} of noise, {{sure["text"]:.0%}} of text,
# > {{sure["photographs"]:.0%}} of the photographs, where it is {{sure["test images"]:.0%}} sure of test images. Yet
# > there are strangers of which it is as sure as of these: among the {{surest}} one with {{most[surest]:.0%}}.

# %% [markdown]
# ## 5. A warning has a price
#
# To tell the two apart you need a score and a [threshold](../book/glossary.md#term-threshold). The confidence is a
# score ([Hendrycks and Gimpel, 2016](../book/references.md#hendrycks-2016)). But softmax throws away how high the
# logits lie. The [energy score](../book/glossary.md#term-energy-score) keeps that: $\log \sum_c e^{z_c}$
# ([Liu et al., 2020](../book/references.md#liu-2020), with the sign turned round). The higher, the more familiar.
#
# And the threshold? It has a price: some ordinary images get a warning that they do not deserve. Fix the price, say 5%,
# and take whatever it buys.

# %% [markdown]
# ### Exercise: what does 5% buy?
#
# > **Difficulty 2 of 5, about 10 minutes.** `familiar` is (N,) and `strange` (M,) scores, `share` is from 0 to 1. Find
# > the score below which that share of the *familiar* images lies; then see which share of the strange ones lies below
# > it. Return two numbers, the threshold and the share.


# %% tags=["nbval-check-output"]
def caught(familiar, strange, share):
    """(N,) and (M,) scores → the threshold, the share below it."""
    raise NotImplementedError


check("caught", caught)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# Which scores may the threshold see, if nobody knows what strangers will upload?
#
# </details>
# <details>
# <summary>Second hint</summary>
#
# `scores.quantile(0.05)` is the score below which 5% of them lie. `(strange < threshold)` is True for what is caught.
#
# </details>
# <details>
# <summary>Solution</summary>
#
# ```python
# def caught(familiar, strange, share):
#     threshold = familiar.quantile(share)
#     return threshold.item(), (strange < threshold).float().mean().item()
# ```
#
# </details>

# %% [markdown]
# > **Predict first.** We choose the threshold so that 5% of 500 validation images get a warning. How many per cent of
# > the *test* images get one?
# >
# > <!-- guess: {{100 * warned["test images"]:.0f}} % -->

# %% tags=["nbval-check-output", "reveal"]
caught = use("caught", caught)
energy = {kind: each.logsumexp(1) for kind, each in z.items()}
validation = data.splits["validation"].images[: course.few(500)]
learned = logits_of(network, validation).logsumexp(1)
asked = 0.05
warned = {
    kind: caught(learned, scores, asked)[1]
    for kind, scores in energy.items()
}
{kind: f"{share:.0%}" for kind, share in warned.items()}

# %% [markdown]
# The price was to be 5%, and it is higher on the test images. These weights were trained on all
# {{card["train_images"]:,}} training images, the validation images among them, and what was learned looks more familiar
# than what is new. So `s12 familiarity` chooses the threshold of such weights on every other *test* image, records that
# look, and measures the price on the rest. Half of the test set has become a validation set by that. Who wants to spare
# it trains on 45,000.
#
# > **Finding.** Chosen on images that the network was trained on, a threshold of {{asked:.0%}} warns of
# > {{warned["test images"]:.0%}} of the test images. The choice must be made on images that it has not seen.

# %% tags=["nbval-check-output"]
chosen_on, others = energy["test images"][::2], energy["test images"][1::2]
threshold, price = caught(chosen_on, others, asked)
buys = {kind: caught(chosen_on, energy[kind], asked)[1] for kind in strange}
prices, curves = [k / 100 for k in range(16)], {}
drawn = {kind: energy[kind] for kind in ("photographs", "noise")}
for kind, scores in ({"other test images": others} | drawn).items():
    bought = [caught(chosen_on, scores, share)[1] for share in prices]
    curves[kind] = prices, bought
missed = min(buys, key=buys.get)
{kind: f"{share:.0%}" for kind, share in buys.items()}, f"{price:.0%}"

# %% tags=["hide-input"]
# @title Draw what each price buys
title = f"5% buy {buys['noise']:.0%} of the noise, "
title += f"{buys['photographs']:.0%} of the photographs"
where = f"{data.name}, chosen on half of {len(images):,} test images"
axes = "price: warnings on familiar images", "share that is warned of"
viz.show(viz.lines(curves, title, where, *axes))

# %% tags=["goal", "hide-input"]
# @title Draw strangers with their warnings
shown, captions = [], []
for kind, each in strange.items():
    if kind == "flat colours":  # all of them get a warning
        continue
    scores = energy[kind]
    for k in (0, scores.argmax().item()):  # the first, the most familiar
        shown.append(each[k])
        verdict = "a warning" if scores[k] < threshold else "NO WARNING"
        name = data.classes[z[kind][k].argmax()]
        said_so = f"{name} {confidences[kind][k]:.0%}"
        captions.append(f"{kind}\n{said_so}\n{verdict}")
title = f"{buys['photographs']:.0%} of the photographs get a warning"
where = f"Each kind's first and most familiar; it knows {data.name}"
grid = np.stack(shown)
viz.show(viz.image_grid(grid, captions, title, where, columns=4))

# %% [markdown]
# A threshold that catches all strangers warns of too many ordinary images. And trust the line of the photographs most:
# the package chose its score by how well it tells the other kinds apart. So the warning says *unlike the training
# data*. Its absence promises nothing.
#
# > **Finding.** A price of {{asked:.0%}} buys {{buys["flat colours"]:.0%}} of the flat colours, {{buys["text"]:.0%}}
# > of the text, {{buys["noise"]:.0%}} of the noise, and {{buys["photographs"]:.0%}} of the photographs. It notices
# > the {{missed}} least often.

# %% [markdown]
# Would another score buy more? These look inside, at the mean of `layer2`, and hold it against 1,000 training images':
# how far the nearest class is ([Lee et al., 2018](../book/references.md#lee-2018)), what lies outside their main
# directions ([ViM](../book/references.md#wang-2022)), and how near the 10th nearest is ([Sun et al.,
# 2022](../book/references.md#sun-2022)). Each is asked for the same price.

# %% tags=["nbval-check-output"]
from s12lib.app.familiarity_scores import compared_scores

train, some = data.splits["train"], slice(course.few(1000))
taught, kinds = (train.images[some], train.labels[some]), {"test": images}
compared = compared_scores(network, *taught, kinds | strange)
bought = {}
for score, found in compared.items():
    *drawn, photos = [found[kind] for kind in strange]
    first, new = found["test"][::2], found["test"][1::2]
    asks = {"needless": new, "drawn": torch.cat(drawn), "photos": photos}
    bought[score] = {
        name: f"{caught(first, each, asked)[1]:.0%}"
        for name, each in asks.items()
    }
bought

# %% [markdown]
# > **Finding.** Where the energy buys {{bought["energy"]["photos"]}} of the photographs, the energy and the 10th
# > neighbour together buy {{bought["energy + neighbour"]["photos"]}}. The app stays with the energy all the same: the
# > [page in the browser](../book/try.md) has only the logits, and both shall say the same.

# %% [markdown]
# ## 6. A price that holds
#
# Suppose you have 19 familiar images, none of them trained on. Where do you put the threshold, so that a *new* one
# falls below it with a probability of 5% at most? A quantile of the 19 describes those 19. The new one is a twentieth:
# sorted by score together with the others, it is equally likely to come in any of 20 places. This simple argument is
# called *split* [conformal prediction](../book/glossary.md#term-conformal-prediction) ([Angelopoulos and Bates,
# 2021](../book/references.md#angelopoulos-2021)), and needs to know nothing about the scores.

# %% [markdown]
# ### Exercise: a fair threshold
#
# > **Difficulty 4 of 5, about 40 minutes.** `scores` is (n,) float, of familiar images; `share` is the price, such as
# > 0.05. Return the largest threshold, a number, below which a new familiar image falls with probability `share` at
# > most, whatever the scores look like. It is one of the n scores. Where n is too small for the promise, return minus
# > infinity, which never warns.


# %% tags=["nbval-check-output"]
import math


def fair_threshold(scores, share):
    """(n,) scores, a share from 0 to 1 → the threshold, a float."""
    raise NotImplementedError


check("fair_threshold", fair_threshold)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# Take the smallest of 19 scores as the threshold. The new image lies below it in one of 20 equally likely places. And
# the second smallest?
#
# </details>
# <details>
# <summary>Second hint</summary>
#
# With the k-th smallest of n as the threshold, the probability is k / (n + 1) at most. Which is the largest k for which
# that is no more than `share`? Python counts from 0, and a k of 0 is no rank.
#
# </details>
# <details>
# <summary>Solution</summary>
#
# ```python
# def fair_threshold(scores, share):
#     k = math.floor(share * (len(scores) + 1))
#     if k == 0:
#         return -math.inf
#     ordered = scores.sort().values
#     return ordered[k - 1].item()
# ```
#
# </details>


# %% tags=["nbval-check-output"]
fair_threshold = use("fair_threshold", fair_threshold)


def price_of(rule, count, tries=1000):
    """Choose on so many test images, pay on all others: the mean price."""
    lots, paid = torch.Generator().manual_seed(0), 0
    scores = energy["test images"]
    for _ in range(tries):
        order = torch.randperm(len(scores), generator=lots)
        chosen, new = scores[order[:count]], scores[order[count:]]
        paid += (new < rule(chosen, asked)).float().mean().item()
    return paid / tries


# %% [markdown]
# > **Predict first.** Draw 19 test images, take the quantile of 5% of their scores as the threshold, and see how many
# > of the other test images fall below it. How many per cent, on average over many draws?
# >
# > <!-- guess: {{100 * quantile[19]:.1f}} % -->

# %% tags=["nbval-check-output", "reveal"]
counts = [count for count in (19, 99, 499) if count < len(images)]
quantile = {count: price_of(torch.quantile, count) for count in counts}
fair = {count: price_of(fair_threshold, count) for count in counts}
[
    {n: round(share, 2) for n, share in each.items()}
    for each in (quantile, fair)
]

# %% [markdown]
# > **Finding.** With 19 images the quantile's price is {{quantile[19]:.1%}}, not {{asked:.0%}}; the fair threshold's is
# > {{fair[19]:.1%}}. With {{counts[-1]}} images the two hardly differ ({{quantile[counts[-1]]:.1%}} and
# > {{fair[counts[-1]]:.1%}}). The promise is about images drawn as the 19 were: for photographs from another camera it
# > says nothing.

# %% [markdown]
# ## 7. A place for it
#
# A [Space](../book/glossary.md#term-Space) at Hugging Face is a git repository with a server behind it. It needs the
# app, the weights, and two things that people forget: settings at the top of its README, and *every* version pinned.
# The package writes such a folder, `s12 export --space DIR`; its first requirement says where PyTorch's builds for CPUs
# are, without gigabytes for GPUs. To publish it, create a Space there and push the folder to it.

# %% tags=["nbval-check-output"]
from s12lib.export.space import front_matter, write_space

parts, settings, pins = [], {}, []
try:  # its versions come from the repository's lock: only in a checkout
    parts = write_space(folder / "space", weights)
    settings = front_matter(folder / "space" / "README.md")
    pins = (folder / "space" / "requirements.txt").read_text().split("\n")
    pins = [line for line in pins[1:] if line]  # the first: where from
except CourseError as error:
    warnings.warn(str(error), stacklevel=1)
len(parts), settings.get("sdk"), all("==" in pin for pin in pins)

# %% [markdown]
# > **Finding.** The folder has {{len(parts)}} files and folders. Its {{len(pins)}} requirements are all pinned, which
# > is what lets the app start again next year.

# %% [markdown]
# ## Mistakes that people really make here
#
# All of them were found in published code for this very exercise, but for the first.
#
# - **A phone's photograph lying on its side**: Pillow ignores EXIF unless asked.
# - **BGR into RGB transforms**, and **an upload normalised by its own mean and standard deviation**. You have measured
#   what they cost; a plain grey upload even divides by zero.
# - **The model left in training mode in the app.** Then BatchNorm takes its statistics from the upload itself.
# - **The model reloaded at each request.**
# - **A module-global shared by all visitors**: one of them gets the other's heatmap.
# - **"Top n" showing the first n classes**, as in [Lesson 04](04_failures.ipynb).
# - **Requirements without versions**: the app that ran in spring does not start in autumn.

# %% [markdown]
# ## Take-away
#
# - **Trace** a disagreement back to the first numbers that differ: here four bugs in three lines, of which the worst
#   costs {{100 * costs[worst]:.0f}} points.
# - **Answer** every file, with a sentence where there is no image: the demo survived {{survived}} of 4.
# - **Warn** by a score of which the threshold saw familiar images only; 5% buy {{buys["noise"]:.0%}} of the noise and
#   {{buys["photographs"]:.0%}} of the photographs.
# - **Promise** a price by counting places: k of n + 1.
# - **Choose** on images that the network has not learned: else 5% become {{warned["test images"]:.0%}}.

# %% [markdown]
# ## Quiz
#
# **1. App and notebook disagree about one upload. What do you compare first?**
#
# - (a) The probabilities, to see how far they are apart.
# - (b) What each shows its network, number by number.
# - (c) The training logs.
#
# <details>
# <summary>Answer</summary>
#
# **(b)** The answers only tell that there is a difference. The first place where the two differ tells which it is, and
# most often that is the input.
#
# </details>
#
# **2. Why should the threshold not see the strange images?**
#
# - (a) It would take too long.
# - (b) They have no labels.
# - (c) Nobody knows which strangers will come; it would fit those at hand.
#
# <details>
# <summary>Answer</summary>
#
# **(c)** The price is about familiar images, of which you have samples. What it buys among strangers is measured, and
# holds for strangers of that kind only.
#
# </details>
#
# **3. An image gets no warning. What do you know?**
#
# - (a) Its score lies where most familiar images' scores lie, and no more.
# - (b) It shows one of the ten classes.
# - (c) The answer is right with a probability of 95%.
#
# <details>
# <summary>Answer</summary>
#
# **(a)** Many strangers pass, photographs above all. The 5% are about familiar images, and not about right answers.
#
# </details>
#
# **4. You have nine familiar images that were not trained on, and want a price of 5%. Which threshold keeps the
# promise?**
#
# - (a) The smallest of the nine scores.
# - (b) Only one that never warns.
# - (c) Their quantile of 5%.
#
# <details>
# <summary>Answer</summary>
#
# **(b)** The new image is the tenth, and falls below the smallest of nine with a probability of 10%. For 5% you need 19
# images.
#
# </details>

# %% tags=["nbval-check-output"]
from s12lib.exercises import progress

progress()

# %% [markdown]
# ▰▰▰▰▰▰▰▰▰▰▱ Lesson 10 of 11. Behind you: strangers. Ahead: you.
#
# **Next:** [10 · Your turn](10_extend.ipynb) is about your own recipe, and your own ten classes.

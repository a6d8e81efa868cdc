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
# # 10 · Your turn
#
# [![Open in Colab](../book/_static/colab-badge.svg)](https://colab.research.google.com/github/OWNER/page-resnet-course/blob/main/lessons/10_extend.ipynb)
#
# **What happens with your own recipe, or your own ten classes?**
#
# Minutes to run: 2 on a GPU, 3 on a CPU. Reading and solving takes about two and a half hours.
#
# You need: lessons [03 · The training](03_train.ipynb), for the recipe's words, and
# [04 · The failures](04_failures.ipynb), for the confusion matrix. The [glossary](../book/glossary.md) explains every
# term.

# %% [markdown]
# ## Where this lesson ends
#
# ![Ten held-out images of small letters in many colours and sizes, one of each class, with the answer of a network
# that was trained on folders of such images, and how sure it is.](images/10_extend.png)
#
# Ten classes of our own making: a folder of image files for each, all of different sizes. The network that knows them
# began as the one that knows cats and ships, and has seen each training image once.

# %% [markdown]
# ## You will be able to
#
# - **write** a recipe, train it, and see your run stand in the table beside ours;
# - **judge** whether a change has helped, or the seed;
# - **bring** your own images, and find the places where a recipe does not fit them;
# - **start** from weights that know something, and notice when nothing was loaded.

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
# ## 1. Your own recipe
#
# A [recipe](../book/glossary.md#term-recipe) is a small file that says everything about a run. Ours lie in `recipes/`.
# You write one by saying what is to be different; every field that you leave out keeps its default, and `s12 fit
# --print_config` shows them all.
#
# Our recipe `shapes` trains on 8,000 drawn images, four times each. What is a quarter of the images worth, seen half as
# often? Other fields must follow: smaller batches, or there would be 30 steps in all, and an average with a shorter
# memory.

# %%
import contextlib
import tempfile
from pathlib import Path

from IPython.utils.capture import capture_output

from s12lib import cli

temporary = tempfile.TemporaryDirectory()  # it goes when the kernel goes
folder = Path(temporary.name)


def s12(*arguments):
    """What the command `s12` prints, line by line, run in our folder."""
    with contextlib.chdir(folder), capture_output() as captured:
        try:
            cli.main(arguments)
        except SystemExit:
            raise RuntimeError(captured.stderr) from None
    return captured.stdout.strip().splitlines()


# %% [markdown]
# In a terminal you would write the file with an editor and type `s12 fit --config quarter.yaml`. In a notebook, this
# does the same. The run lies in `runs/quarter-seed0`, with its log and its last checkpoint. As long as you are still
# choosing, the validation accuracy is the number to look at, as often as you like.

# %%
(folder / "quarter.yaml").write_text(f"""\
seed_everything: 0
trainer: {{max_epochs: {1 if course.smoke else 2}}}
model:
  lr: 0.4
  final_epochs: 0.5
  label_smoothing: 0.0
  ema_decay: 0.95
data:
  class_path: s12lib.Shapes
  init_args:
    train_size: {256 if course.smoke else 2000}
    validation_size: 200
    test_size: 500
    batch_size: 32
    flip: alternating
""")
fitted = s12("fit", "--config", "quarter.yaml")

# %% [markdown]
# Then comes the one look at the [test set](../book/glossary.md#term-test-set). `s12 test` measures the checkpoint and
# writes a small file, which also notes *that* you looked, and when. Do it twice, and it says so. The **recipe's hash**
# in it is that of all fields, but for the seed and the place where the data lie. Change a field, and it is another
# recipe; change the seed, and it is another run of the same.

# %% [markdown]
# > **Predict first.** A quarter of the images, half of the epochs, so an eighth of the work. Our recipe `shapes` errs
# > on {{1 - whole["test_accuracy"]:.1%}} of its test images. On how many per cent will yours?
# >
# > <!-- guess: {{100 - 100 * mine["test_accuracy"]:.1f}} % -->

# %% tags=["nbval-check-output", "reveal"]
import json

from s12lib import load_card

tested = s12("test", "--config", "quarter.yaml", "--ckpt_path", "last")
written = next((folder / "results").glob("quarter-*.json"))
mine = json.loads(written.read_text())
whole = load_card("page_resnet_shapes")
{name: mine[name] for name in ("recipe", "seed", "dataset")}

# %% [markdown]
# `s12 results` makes the table out of all such files. In a clone of the course ours lie in `results/`; here we copy
# them beside yours, so that the project's own stay as they are. (On Colab they are not there.)

# %% tags=["hide-input"]
# @title Show the table with your run in it
import shutil

from IPython.display import Markdown, display

for path in Path("../results").glob("*.json"):
    shutil.copy(path, folder / "results")
display(Markdown("\n".join(s12("results"))))

# %% [markdown]
# That row is yours. Look at its train accuracy, which is as low: even the images that it had are not learned. What was
# lacking was steps, not images. Two epochs are not the first half of four, either: their
# [one-cycle](../book/glossary.md#term-one-cycle) is another.
#
# > **Finding.** After an eighth of the work the errors are {{1 - mine["test_accuracy"]:.1%}} instead of
# > {{1 - whole["test_accuracy"]:.1%}}.

# %% [markdown]
# On CIFAR-10 it goes the same way: copy `recipes/fast.yaml`, change it, train with 5,000 images held out
# (`validation_size: 5000`) while you are still choosing, and at the end once with 0.

# %% [markdown]
# ## 2. Did it help?
#
# You change one field, and the accuracy rises. Was it the change, or the seed? One run cannot tell. So take several of
# each, and to have them quickly, a network that is a hundred times cheaper. Any network can be trained by its name: you
# register it, and recipes in the same Python process can say `network: small`.

# %%
from s12lib.classifier import NETWORKS
from s12lib.model import conv_pool_bn


class SmallNet(nn.Sequential):
    """(N, 3, 32, 32) → (N, num_classes) logits."""

    def __init__(self, num_classes=10, logit_scale=0.125):
        body = *conv_pool_bn(3, 16), *conv_pool_bn(16, 32)
        head = nn.AdaptiveMaxPool2d(1), nn.Flatten()
        last = nn.Linear(64, num_classes, bias=False)
        super().__init__(*body, *conv_pool_bn(32, 64), *head, last)
        self.logit_scale = logit_scale

    def forward(self, images):
        return super().forward(images) * self.logit_scale


NETWORKS["small"] = SmallNet

# %% [markdown]
# The field: `batch_size`, 32 or 128. Larger batches train faster on a GPU, and a step sees a better gradient; but there
# are a quarter of the steps. Each seed is used twice, once with each; images, epochs and peak learning rate are the
# same.

# %%
import copy

import pytorch_lightning as pl

from s12lib import Classifier
from s12lib.data.splits import Split

part, few = copy.copy(data), 300 if course.smoke else 3000
sizes = {"train": few, "validation": 500 if course.smoke else 2000}
part.splits = {
    name: Split(data.splits[name].images[:n], data.splits[name].labels[:n])
    for name, n in sizes.items()
}


# %%
def fit(classifier, data, epochs, **settings):
    """Train quietly; returns the last validation accuracy."""
    silent = "logger", "enable_checkpointing", "enable_progress_bar"
    settings |= dict.fromkeys(silent, False)
    settings |= {"devices": 1, "num_sanity_val_steps": 0}
    settings |= {"max_epochs": epochs, "check_val_every_n_epoch": epochs}
    trainer = pl.Trainer(enable_model_summary=False, **settings)
    trainer.fit(classifier, data)
    return trainer.callback_metrics["validation_accuracy"].item()


def run(seed, batch_size):
    torch.manual_seed(seed)
    part.seed, part.batch_size = seed, batch_size
    settings = {"lr": 0.2, "final_epochs": 0.5, "label_smoothing": 0.0}
    small = Classifier("small", ema_decay=0, **settings)
    return fit(small, part, epochs=1 if course.smoke else 3)


# %% [markdown]
# ### Exercise: a difference and its error
#
# > **Difficulty 2 of 5, about 10 minutes.** `mine` and `theirs` are lists of accuracies, at least two runs each,
# > perhaps not equally many. Return the mean of mine minus the mean of theirs, and its
# > [standard error](../book/glossary.md#term-standard-error). The variance of a mean of n runs is that of the runs (the
# > sample variance, which divides by n - 1), divided by n. In a difference of two means that have nothing to do with
# > each other the variances add up, and the root of the sum is the standard error.


# %% tags=["nbval-check-output"]
def difference(mine, theirs):
    """Two lists of accuracies → (difference of the means, its error)."""
    raise NotImplementedError


check("difference", difference)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# `statistics.mean` and `statistics.variance` from Python's own library do most of it.
#
# </details>
# <details>
# <summary>Second hint</summary>
#
# Each variance is divided by the length of its own list, before they are added.
#
# </details>
# <details>
# <summary>Solution</summary>
#
# ```python
# import statistics
#
# def difference(mine, theirs):
#     gap = statistics.mean(mine) - statistics.mean(theirs)
#     error = statistics.variance(mine) / len(mine) + statistics.variance(
#         theirs
#     ) / len(theirs)
#     return gap, error**0.5
# ```
#
# </details>

# %% [markdown]
# > **Predict first.** {{few:,}} images, three epochs. How many points of accuracy do batches of 32 gain over batches of
# > 128? And how far apart are two runs that differ in their seed only?
# >
# > <!-- guess: {{100 * gap:.1f}} points -->

# %% tags=["nbval-check-output", "reveal"]
difference = use("difference", difference)
seeds = range(2 if course.smoke else 5)
small, large = 32, 128
small_batches = [run(seed, small) for seed in seeds]
large_batches = [run(seed, large) for seed in seeds]
gap, error = difference(small_batches, large_batches)
pairs = torch.tensor(small_batches) - torch.tensor(large_batches)
paired = pairs.std().item() / len(pairs) ** 0.5
widest = max(
    max(runs) - min(runs) for runs in (small_batches, large_batches)
)

# %% tags=["hide-input"]
# @title Draw the runs
title = f"{100 * gap:+.1f} points: ±\u00a0{100 * error:.1f} as lists, "
title = title.replace("-", "−") + f"±\u00a0{100 * paired:.1f} in pairs"
where = f"{data.name}, {few:,} training images, the small network"
curves = {
    "batches of 32": (list(seeds), small_batches),
    "batches of 128": (list(seeds), large_batches),
}
axes = "seed", "validation accuracy"
viz.show(viz.lines(curves, title, where, *axes, joined=False))

# %% [markdown]
# Why two errors? Your formula takes the lists for unrelated. But the two runs of a seed share their first weights and
# the order of their images. Luck that both share goes when you subtract seed by seed: here, little. Pair your runs, and
# say that you did; our [results](../book/results.md) do. A gap of two errors or more is rarely luck when runs are many;
# with five pairs, ask for nearly three.
#
# > **Finding.** Batches of {{small}} are {{100 * gap:.1f}} points better than batches of {{large}}, with a standard
# > error of {{100 * paired:.1f}} in {{len(pairs)}} pairs ({{100 * error:.1f}} as two lists). Runs that differ in their
# > seed only lie up to {{100 * widest:.1f}} points apart.

# %% [markdown]
# It is a result for a small network in a short run at one learning rate:
# [Goyal et al. (2017)](../book/references.md#goyal-2017) raise the rate with the batch, and lose nothing.

# %% [markdown]
# ### Exercise: as good by luck
#
# > **Difficulty 4 of 5, about 30 minutes.** No bell curve is needed, if you count. Suppose the change does nothing:
# > then each pair's difference could as well have had the other sign. This is a
# > [randomisation test](../book/glossary.md#term-randomisation-test) ([Fisher,
# > 1935](../book/references.md#fisher-1935)). `differences` is a list of whole numbers, one a pair: how many more
# > images one run got right. Go through all ways to set the signs, and return the share of them (from 0 to 1) in which
# > the sum is at least as far from 0 as it is in `differences`.


# %% tags=["nbval-check-output"]
import itertools


def sign_flips(differences):
    """A list of whole numbers → a share of all ways to set the signs."""
    raise NotImplementedError


check("sign_flips", sign_flips)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# `itertools.product((1, -1), repeat=3)` goes through all eight ways to set three signs. The signs as they are count,
# too.
#
# </details>
# <details>
# <summary>Second hint</summary>
#
# For each way, add up sign times difference, and take the absolute value: luck could have favoured either side. Count
# those that are `>=` the absolute sum of the differences, and divide by how many ways there are.
#
# </details>
# <details>
# <summary>Solution</summary>
#
# ```python
# def sign_flips(differences):
#     seen = abs(sum(differences))
#     flips = itertools.product((1, -1), repeat=len(differences))
#     sums = [
#         abs(sum(s * d for s, d in zip(signs, differences)))
#         for signs in flips
#     ]
#     return sum(total >= seen for total in sums) / len(sums)
# ```
#
# </details>

# %% [markdown]
# > **Predict first.** Five pairs, and the change wins in every one of them by a wide margin. How often would luck alone
# > do as well, in per cent?
# >
# > <!-- guess: {{100 * sign_flips([60] * 5):.1f}} % -->

# %% tags=["nbval-check-output", "reveal"]
sign_flips = use("sign_flips", sign_flips)
count = len(part.splits["validation"].labels)
as_images = [round(count * pair) for pair in pairs.tolist()]
by_luck = sign_flips(as_images)
least = {n: sign_flips([60] * n) for n in (3, 5, 6, 8)}
least

# %% [markdown]
# > **Finding.** By counting, luck alone would do as well as our five pairs in {{by_luck:.1%}} of the cases. However
# > wide the margin, five pairs cannot show less than {{least[5]:.1%}}; to get below
# > one in twenty takes six ({{least[6]:.1%}}).

# %% [markdown]
# ## 3. Your own ten classes
#
# You need a folder for each class, with image files in it. You may have them: leaves, stamps, mugs. This lesson draws
# its own, since it must run anywhere: ten small letters, as if photographed on paper of all colours.

# %%
import numpy as np
from PIL import Image, ImageDraw, ImageFont


def draw(letter, numbers):
    """A letter askew on grainy paper, 40 to 160 pixels wide and high."""
    width, height = (int(side) for side in numbers.integers(40, 160, 2))
    spans = (128, 256), (0, 112)
    paper, ink = (tuple(numbers.integers(*s, 3).tolist()) for s in spans)
    font = ImageFont.load_default(0.8 * min(width, height))
    mask, middle = Image.new("L", (width, height)), (width / 2, height / 2)
    ImageDraw.Draw(mask).text(middle, letter, 255, font, anchor="mm")
    mask = mask.rotate(numbers.uniform(-15, 15), Image.BICUBIC)
    sheet = Image.new("RGB", mask.size, paper)
    image = Image.composite(Image.new("RGB", mask.size, ink), sheet, mask)
    grain = numbers.normal(0, 25, (height, width, 3))
    grainy = np.clip(np.asarray(image) + grain, 0, 255)
    return Image.fromarray(grainy.astype(np.uint8))


# %% tags=["nbval-check-output"]
from s12lib import Pictures

numbers, LETTERS = np.random.default_rng(0), "abdegkmpqt"
for letter in LETTERS:
    (folder / "letters" / letter).mkdir(parents=True, exist_ok=True)
    for k in range(100):
        path = folder / "letters" / letter / f"{k:03d}.png"
        draw(letter, numbers).save(path)

letters = Pictures(
    str(folder / "letters"), batch_size=32, validation_share=0.2, crop=2
)
letters.setup()
{name: len(split.labels) for name, split in letters.splits.items()}

# %% [markdown]
# The package's datamodule for folders has already done two things for you. Each file was cut to a
# square and averaged over areas to 32 × 32 pixels, as in [Lesson 09](09_app.ipynb). And the images were split, which
# has a trap: people have **the same image twice**, under two names. Split at random, one goes to the training set and
# one to the test set, and the test has become a test of memory. CIFAR-10 is not free of it
# ([Barz and Denzler, 2019](../book/references.md#barz-2019)). And next month you will add images and split again: what
# you tested with must not become what you train on.

# %% [markdown]
# ### Exercise: which side?
#
# > **Difficulty 3 of 5, about 20 minutes.** Let the pixels decide. A [hash](../book/glossary.md#term-hash) such as
# > SHA-256 turns bytes into a number that looks drawn by lot and is always the same. `images` is (N, 32, 32, 3) uint8;
# > return (N,) bool: hold an image out when its number, brought to [0, 1), lies below `share`. Nothing but the image's
# > own pixels may decide.


# %% tags=["nbval-check-output"]
import hashlib


def held_out(images, share):
    """(N, 32, 32, 3) uint8 → (N,) bool, True for about that share."""
    raise NotImplementedError


check("held_out", held_out)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# `hashlib.sha256(image.numpy().tobytes()).hexdigest()` is a text of 64 hexadecimal digits. (Python's own `hash` will
# not do: it is another one in each process.)
#
# </details>
# <details>
# <summary>Second hint</summary>
#
# `int(text, 16)` reads such a text as a number, and eight digits go up to 16**8.
#
# </details>
# <details>
# <summary>Solution</summary>
#
# ```python
# def held_out(images, share):
#     chosen = []
#     for image in images:
#         digest = hashlib.sha256(image.numpy().tobytes()).hexdigest()
#         chosen.append(int(digest[:8], 16) / 16**8 < share)
#     return torch.tensor(chosen)
# ```
#
# It finds what is equal to the last bit. A copy that was saved anew as a JPEG is another image to it; for those there
# are *perceptual* hashes.
#
# </details>

# %% [markdown]
# Now to the recipe, which takes over what our `shapes` does. One field of it is wrong for letters.
#
# > **Predict first.** Which one? And what is the best accuracy, in per cent, that a network can reach with it? You can
# > work that out.
# >
# > <!-- guess: 80 % -->

# %% tags=["nbval-check-output"]
held_out = use("held_out", held_out)

# %%
(folder / "letters.yaml").write_text(f"""\
seed_everything: 0
trainer: {{max_epochs: {1 if course.smoke else 3}}}
model:
  num_classes: 10
  lr: 0.2
  final_epochs: 0.5
  label_smoothing: 0.0
  ema_decay: 0.9
data:
  class_path: s12lib.Pictures
  init_args:
    data_dir: letters
    batch_size: 32
    validation_share: 0.2
    crop: 2
    flip: alternating
""")
fitted = s12("fit", "--config", "letters.yaml", "--run_dir", "runs/flips")
fitted = s12("fit", "--config", "letters.yaml", "--data.flip", "none")

# %%
from s12lib import PageResNet
from s12lib.inference import logits_of, measure
from s12lib.training.checkpoints import network_weights, read_checkpoint

validation = letters.splits["validation"]
trained, found = {}, {}
for name, run_dir in {"flips": "flips", "none": "letters-seed0"}.items():
    path = folder / "runs" / run_dir / "last.ckpt"
    trained[name] = PageResNet(len(letters.classes), 0.0625)
    trained[name].load_state_dict(network_weights(read_checkpoint(path)))
    found[name] = measure(trained[name], *validation[:2])
preds = logits_of(trained["flips"], validation.images).argmax(1)
counts = torch.bincount(10 * validation.labels + preds, minlength=100)
counts = counts.reshape(10, 10)
mirrored = 0
for a, b in ("bd", "db", "pq", "qp"):
    row, column = letters.classes.index(a), letters.classes.index(b)
    mirrored += counts[row, column].item()

# %% tags=["hide-input", "reveal"]
# @title Draw the confusion matrix
mistakes = (preds != validation.labels).sum().item()
title = f"{mirrored} of {mistakes} mistakes: a letter for its mirror image"
where = f"letters, {len(preds)} validation images, trained with flips"
viz.show(viz.confusion_matrix(counts, letters.classes, title, where))

# %% [markdown]
# `flip`. A mirrored cat is a cat. A mirrored b is a d, and a mirrored p is a q. Trained with flips, the network sees
# each of the two shapes under both names equally often, and can only guess. Six letters of ten can be right, and half
# of the other four: 80%. No message, no crash, and with photographs it was the right setting. **An augmentation is a
# statement about your classes**: it says what does not matter.
#
# > **Finding.** With flips {{found["flips"]["accuracy"]:.1%}} of the validation letters are right, without
# > {{found["none"]["accuracy"]:.1%}}. And [test-time augmentation](../book/glossary.md#term-test-time-augmentation),
# > which mirrors the image too and asks the network to agree with itself about b and d, takes the latter down to
# > {{found["none"]["accuracy_tta"]:.1%}}.

# %% [markdown]
# ## 4. Start from what it knows
#
# You may have fifty images of a class, not five thousand. Then do not begin with random weights. A network that has
# learned CIFAR-10 knows edges and corners, and letters have those too
# ([Yosinski et al., 2014](../book/references.md#yosinski-2014), on what carries over). Take over its body, and give it
# a new head: a [warm start](../book/glossary.md#term-warm-start).

# %% [markdown]
# ### Exercise: find the bug
#
# > **Difficulty 3 of 5, about 20 minutes.** The function `shipped` was to put the body of a trained Classifier into a
# > new network. It ran, the training ran, and the accuracy was "a bit low". Count what it does. Then write
# > `warm_start`: load a Classifier's `state_dict` into `network` in place, all of its network but the head, which
# > stays new. Entries not under `network.` are the Classifier's own, and are passed over. Of the others, whatever does
# > not fit (missing in the file, of another shape, or unknown to the network) raises an error.


# %% tags=["nbval-check-output"]
from s12lib import load_pretrained


def shipped(network, state_dict):
    # not strict, because of the head
    network.load_state_dict(state_dict, strict=False)


teacher = Classifier()
teacher.network.load_state_dict(load_pretrained().state_dict())
student = PageResNet(num_classes=10)
before = copy.deepcopy(student.state_dict())
shipped(student, teacher.state_dict())
loaded = [
    name
    for name, value in student.state_dict().items()
    if not torch.equal(value, before[name])
]
len(loaded), list(teacher.state_dict())[:2], list(before)[:2]


# %% tags=["nbval-check-output"]
def warm_start(network, state_dict):
    """Load all but the head, in place; raise for what does not fit."""
    raise NotImplementedError


check("warm_start", warm_start)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# `strict=False` forgives everything, not only the head. Stay strict, and hand over a complete dict instead. And compare
# the names in the file with those of the network.
#
# </details>
# <details>
# <summary>Second hint</summary>
#
# The complete dict: the file's entries that begin with `network.`, under the network's names, and for the head the
# network's own entries.
#
# </details>
# <details>
# <summary>Solution</summary>
#
# Not a single name fitted, and `strict=False` is the wish not to be told. (It does return what was missing. Who reads
# that?)
#
# ```python
# def warm_start(network, state_dict):
#     prefix = "network."
#     weights = {
#         name.removeprefix(prefix): value
#         for name, value in state_dict.items()
#         if name.startswith(prefix)
#     }
#     weights |= {
#         name: value
#         for name, value in network.state_dict().items()
#         if name.startswith("head.")
#     }
#     network.load_state_dict(weights)
# ```
#
# </details>

# %% [markdown]
# > **Predict first.** Each letter is seen *once*, about sixty of a kind. How many per cent does a network with random
# > weights get right after that, and how many one that knows CIFAR-10?
# >
# > <!-- guess: {{100 * reached["warm start"]:.0f}} % -->

# %% tags=["nbval-check-output", "reveal"]
from s12lib.training.hardware import best_precision

warm_start = use("warm_start", warm_start)
loads = {"random": None, "shipped": shipped, "warm start": warm_start}
students, reached = {}, {}
for name, load in loads.items():
    torch.manual_seed(0)
    settings = {"lr": 0.1, "final_epochs": 0.5, "label_smoothing": 0.0}
    student = Classifier(ema_decay=0, whiten=False, **settings)
    if load:
        load(student.network, teacher.state_dict())
    precision = best_precision()
    reached[name] = fit(student, letters, epochs=1, precision=precision)
    students[name] = student.network

# %% tags=["goal", "hide-input"]
# @title Draw ten letters that it has never seen
first = [int((validation.labels == k).nonzero()[0]) for k in range(10)]
logits = logits_of(students["warm start"], validation.images)
captions = []
for k in first:
    sure, label = logits[k].softmax(0).max(0)
    name, truth = (
        letters.classes[label],
        letters.classes[validation.labels[k]],
    )
    wrong = "" if name == truth else f" (is {truth})"
    captions.append(f"{name}, {sure:.0%}{wrong}")
title = f"Never seen before: {reached['warm start']:.0%} of them right"
where = "letters, validation images; CIFAR-10's weights, "
where += "then letters once each"
grid = validation.images[first]
viz.show(viz.image_grid(grid, captions, title, where))

# %% [markdown]
# `whiten` is off in all three: it sets the first layer when training begins, and would overwrite what you have just
# loaded, the next silent mistake on this road. And the network is right more often than it is sure. Confidence has to
# be calibrated ([Lesson 04](04_failures.ipynb)).
#
# > **Finding.** {{len(loaded)}} of {{len(before)}} tensors were loaded by `shipped`, so it reaches what random weights
# > reach ({{reached["shipped"]:.0%}} and {{reached["random"]:.0%}}). The warm start reaches
# > {{reached["warm start"]:.0%}}: so much had `strict=False` cost.

# %% [markdown]
# ## 5. Beyond the test set
#
# A test set says how the network does on images drawn in the same way. What else is there?
#
# - **A new test set.** [Recht et al. (2018)](../book/references.md#recht-2018) collected one in the same way,
#   CIFAR-10.1. Most networks lose 4 to 10 points on it, and their order stays nearly the same.
# - **Corruptions.** CIFAR-10-C ([Hendrycks and Dietterich, 2019](../book/references.md#dietterich-2019)) is the test
#   set under noise, blur, fog and more, each in five strengths.
# - **Adversaries.** Images changed so little that you do not see it, but on purpose
#   ([Szegedy et al., 2013](../book/references.md#szegedy-2013)): an
#   [adversarial example](../book/glossary.md#term-adversarial-example).
#
# The first two need a download. The third needs a gradient: move each number of the image by a few levels of 255, in
# the direction in which the loss grows ([Goodfellow et al., 2014](../book/references.md#goodfellow-2014)).


# %%
from s12lib import normalize

known = data.name == "CIFAR-10"
network = load_pretrained(f"page_resnet_{'cifar10' if known else 'shapes'}")
test = data.splits["test"]
images = test.images[: course.few(200)]
labels = test.labels[: len(images)]


def attacked(images, levels):
    """Each number moved by so many levels, the way that hurts."""
    x = normalize(images).requires_grad_()
    loss = F.cross_entropy(network(x), labels)
    (gradient,) = torch.autograd.grad(loss, x)
    moved = images + levels * gradient.sign().permute(0, 2, 3, 1)
    return moved.clamp(0, 255).to(torch.uint8)


# %% [markdown]
# > **Predict first.** Each number is moved by 4 of 255 levels, once at random up or down, once on purpose. How many per
# > cent of {{len(images)}} test images are still right after the second?
# >
# > <!-- guess: {{100 * right["on purpose"]:.0f}} % -->

# %% tags=["nbval-check-output", "reveal"]
lots = torch.Generator().manual_seed(0)
coins = 2 * torch.randint(0, 2, images.shape, generator=lots) - 1
grain = 20 * torch.randn(images.shape, generator=lots)
planes = images.permute(0, 3, 1, 2).float()
blurred = F.avg_pool2d(F.pad(planes, (1, 1, 1, 1), mode="reflect"), 3, 1)
changed = {
    "as it is": images,
    "4 at random": (images + 4 * coins).clamp(0, 255).to(torch.uint8),
    "on purpose": attacked(images, 4),
    "noise": (images + grain).clamp(0, 255).to(torch.uint8),
    "blur": blurred.permute(0, 2, 3, 1).round().to(torch.uint8),
}
right = {}
for name, pixels in changed.items():
    hits = logits_of(network, pixels).argmax(1) == labels
    right[name] = hits.float().mean().item()
{name: round(share, 1) for name, share in right.items()}

# %% tags=["hide-input"]
# @title Draw the same images, changed
rows = {
    f"{name}\n{right[name]:.0%} right": pixels[:6]
    for name, pixels in changed.items()
}
title = f"4 levels at random: {right['4 at random']:.0%} right. "
title += f"On purpose: {right['on purpose']:.0%}"
where = f"{data.name}, {len(images)} test images, "
where += "each changed in five ways"
viz.show(viz.image_rows(rows, title, where))

# %% [markdown]
# Did you expect the noise to do the most? Its grain has a standard deviation of 20 levels, and the network has never
# seen any: in training all images were clean. Training on such images helps, with adversarial ones too
# ([Madry et al., 2017](../book/references.md#madry-2017)), at a price in accuracy. And one step is a weak
# attack: [RobustBench](../book/references.md#croce-2020) ranks networks under the strongest.
#
# > **Finding.** Moved by four levels at random, {{right["4 at random"]:.0%}} of the images are still right
# > ({{right["as it is"]:.0%}} as they are); moved as little on purpose, {{right["on purpose"]:.0%}}. A blur over three
# > pixels leaves {{right["blur"]:.0%}}, and noise that a person looks through {{right["noise"]:.0%}}.

# %% [markdown]
# ## An exercise of your own
#
# If a mistake cost you an evening, others will make it, too: hand them an exercise. Its *judge*, which rejects wrong
# answers and says why, is the hard part: most of them are right in the middle.

# %% [markdown]
# ### Exercise: write a judge
#
# > **Difficulty 4 of 5, about 40 minutes.** The median is the middle one of some numbers in order, or the mean of the
# > two in the middle. Somebody's `answer` takes a list of one number or more. Where it is wrong, raise `Mistake(hint)`,
# > with a sentence; where it is right, do nothing. Four right answers and fourteen wrong ones will come.


# %% tags=["nbval-check-output"]
from statistics import median

from s12lib.exercises.expect import Mistake, call


def judge_median(answer):
    """Raise Mistake(hint) where answer(list) is no median."""
    raise NotImplementedError


check("judge_median", judge_median)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# `found = call(answer, [3, 1, 2])` hands out a copy of the list and notices when it is changed. Compare `found` with
# `median`, and allow for the last digits.
#
# </details>
# <details>
# <summary>Second hint</summary>
#
# One list will not do. Which wrong answers are right for three different positive numbers? Ask at the edges: one
# number, an even count, equal ones, negative ones, fractions, 10 beside 9.
#
# </details>
# <details>
# <summary>Solution</summary>
#
# ```python
# def judge_median(answer):
#     edges = [[7], [2, 2, 9], [-7, -1, -4], [10, 9, 3, 5.5]]
#     for values in edges:
#         found, right = call(answer, values), median(values)
#         if found is None or abs(found - right) > 1e-9:
#             raise Mistake(f"For {values} not {found}, but {right}.")
# ```
#
# </details>

# %% [markdown]
# [Write an exercise](../book/write_an_exercise.md) makes a file of it, and `s12 try-exercise` shows which changes to
# the right answer your judge lets pass.

# %% [markdown]
# ## Ideas, by effort
#
# | effort | idea | how you know that it worked |
# |---|---|---|
# | an hour on a GPU | `fast` with `crop: 2`, or with cutout | six pairs on 45,000/5,000, and `sign_flips` |
# | an hour | ten classes of your own, warm start | the confusion matrix makes sense to you |
# | an evening | CIFAR-100 (`recipes/cifar100.yaml`) from CIFAR-10's weights | both curves, several seeds |
# | an evening | CIFAR-10.1 or CIFAR-10-C, with the shipped weights | the published drop, within its interval |
# | a weekend | images of 64 × 64: what in `normalize`, `head` and the crop assumes 32? | the tests tell you where |
# | open | progressive resizing: small images first | seconds to 94%; our table has no such row yet |

# %% [markdown]
# ## Mistakes that people really make here
#
# The first two were found in published code for this very exercise. The others wait wherever people bring their own.
#
# - **`load_state_dict(..., strict=False)`** that hides a mismatch. You have counted it.
# - **The test set asked after every change.** Then it is a validation set. The file in `results/` notes every look.
# - **One run of each, and a winner declared.** Give n, the mean and the spread.
# - **Copies of an image, or photographs of one thing, on both sides** of the split.
# - **An augmentation taken over** that says something untrue about the classes.

# %% [markdown]
# ## Take-away
#
# - **Write** a recipe as what is to be different; its hash and its one look at the test set are on record.
# - **Judge** a change in pairs: {{100 * gap:.1f}} ± {{100 * paired:.1f}} points; sign flips of five pairs cannot show
#   less than {{least[5]:.1%}}.
# - **Bring** images in folders, split by their pixels, and ask of each augmentation whether it is true of your classes.
# - **Start** from trained weights, strictly: {{reached["warm start"]:.0%}} instead of {{reached["random"]:.0%}}.
# - **Look** beyond the test set: four levels of 255 on purpose leave {{right["on purpose"]:.0%}}, noise
#   {{right["noise"]:.0%}}.

# %% [markdown]
# ## Quiz
#
# **1. Your change wins in all of four pairs of runs. How often would luck alone do as well, if either could win?**
#
# - (a) In 1 of 16 cases.
# - (b) In 1 of 8 cases.
# - (c) Hardly ever.
#
# <details>
# <summary>Answer</summary>
#
# **(b)** There are 16 ways to set four signs, and in two of them all are alike. The other one would have made you
# declare the opposite.
#
# </details>
#
# **2. Why does a pair of runs share its seed?**
#
# - (a) So that both reach the same accuracy.
# - (b) So that the result can be repeated.
# - (c) So that the luck they have in common goes when one is subtracted from the other.
#
# <details>
# <summary>Answer</summary>
#
# **(c)** First weights and order of the images are the same, so their luck is partly the same. Seeds also make runs
# repeatable, but for that the two need not be equal.
#
# </details>
#
# **3. You train on road signs, and take over a recipe with flips. What happens to "turn left" and "turn right"?**
#
# - (a) The network can only guess between them.
# - (b) Flips give it twice as many images of each.
# - (c) It crashes, since the labels do not fit.
#
# <details>
# <summary>Answer</summary>
#
# **(a)** Each of the two shapes is seen under both names. Nothing crashes, and the other classes even gain.
#
# </details>
#
# **4. A network is right for 94% of the test images. What does that say about images with a little noise?**
#
# - (a) It is right for about 94% of them.
# - (b) Nothing: measure it.
# - (c) It is right for fewer than 10%.
#
# <details>
# <summary>Answer</summary>
#
# **(b)** A test set speaks of images drawn as it was. Four levels at random cost
# a few points, the same on purpose half of the answers, and noise most of them.
#
# </details>

# %% tags=["nbval-check-output"]
from s12lib.exercises import progress

progress()

# %% [markdown]
# ▰▰▰▰▰▰▰▰▰▰▰ Lesson 11 of 11. Behind you: the whole way from pixels to an app. Ahead: whatever you try.
#
# **Next:** it is your turn. If something in here was wrong or could be said better, the book's repository is a click
# away.

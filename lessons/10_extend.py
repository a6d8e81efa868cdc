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
# Minutes to run: 2 on a GPU, 3 on a CPU. Reading and solving takes about an hour and a half.
#
# You need: lessons [03 · The training](03_train.ipynb), for the recipe's words, and
# [04 · The failures](04_failures.ipynb), for the confusion matrix. The [glossary](../book/glossary.md) explains every
# term.

# %% [markdown]
# ## Where this lesson ends
#
# ![Ten held-out pictures of small letters in many colours and sizes, one of each class, with the answer of a network
# that was trained on folders of such pictures, and how sure it is.](images/10_extend.png)
#
# Ten classes of our own making: a folder of picture files for each, all of different sizes. The network that knows
# them began as the one that knows cats and ships, and has seen each training picture once.

# %% [markdown]
# ## You will be able to
#
# - **write** a recipe, train it, and see your run stand in the table beside ours;
# - **judge** whether a change has helped, or the seed;
# - **bring** your own pictures, and find the places where a recipe does not fit them;
# - **start** from weights that know something, and notice when nothing was loaded.

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
# ## 1. Your own recipe
#
# A **recipe** is a small file that says everything about a run. Ours lie in `recipes/`. You write one by saying what is
# to be different; every field that you leave out keeps its default, and `s12 fit --print_config` shows them all.
#
# Our recipe `shapes` trains on 8,000 drawn pictures, four times each. What is a quarter of the pictures worth, seen
# half as often? Two more fields must follow: smaller batches, or there would be 30 steps in all, and an average with a
# shorter memory. It takes a minute.

# %% tags=["nbval-check-output"]
import tempfile
from pathlib import Path

temporary = tempfile.TemporaryDirectory()  # gone when the kernel ends; at home, work in a folder of your own
folder = Path(temporary.name)
(folder / "quarter.yaml").write_text(f"""\
seed_everything: 0
trainer:
  max_epochs: {1 if course.smoke else 2}
model:
  lr: 0.4
  final_epochs: 0.5
  label_smoothing: 0.0
  ema_decay: 0.95
data:
  class_path: s12lib.Shapes
  init_args: {{train_size: {256 if course.smoke else 2000}, validation_size: 200, test_size: 500,
    batch_size: 32, flip: alternating}}
""")
print("quarter.yaml is written")

# %% [markdown]
# In a terminal you would now type `s12 fit --config quarter.yaml`. In a notebook, this does the same.

# %%
import contextlib

from IPython.utils.capture import capture_output

from s12lib import cli


def s12(*arguments):
    """The lines that the command `s12` prints, run in this lesson's own folder, without the progress bar."""
    with contextlib.chdir(folder), capture_output() as captured:
        try:
            cli.main(arguments)
        except SystemExit:
            raise RuntimeError(captured.stderr) from None
    return captured.stdout.strip().splitlines()


print(*s12("fit", "--config", "quarter.yaml"), sep="\n")

# %% [markdown]
# The run lies in `runs/quarter-seed0`, with its log and its last checkpoint. As long as you are still choosing, the
# validation accuracy is the number to look at, as often as you like.
#
# Then comes the one look at the test set. `s12 test` measures the checkpoint and writes a small file, which also notes
# *that* you looked, and when. Do it twice, and it says so.

# %%
import json

print(s12("test", "--config", "quarter.yaml", "--ckpt_path", "last")[-1])
written = json.loads(next((folder / "results").glob("quarter-*.json")).read_text())
for field in ("recipe", "recipe_hash", "seed", "dataset", "train_images", "epochs"):
    print(f"  {field:<15} {written[field]}")
print("  and of the config, for example, lr", written["config"]["model"]["lr"])

# %% [markdown]
# The digits in the file's name belong to the weights. The **recipe's hash** is that of all its fields, but for the seed
# and the place where the data lie. Change a field, and it is another recipe, with a row of its own. Change the seed,
# and it is another run of the same.
#
# `s12 results` makes the table out of all such files. In a clone of the course ours lie in `results/`; here we copy
# them beside yours, so that the project's own stay as they are. (On Colab they are not there, and the table has only
# others' rows and yours.)
#
# **Predict first.** A quarter of the pictures, half of the epochs, so an eighth of the work: how much higher is the
# error rate?

# %%
import shutil

from IPython.display import Markdown, display

for path in Path("../results").glob("*.json"):
    shutil.copy(path, folder / "results")
display(Markdown("\n".join(s12("results"))))

# %% [markdown]
# That row is yours. The error rate is not eight times that of `shapes`, but far more. And look at its train
# accuracy, which is as low: even the pictures it had are not learned, so what was lacking was steps, not pictures. Two
# epochs are not the first half of four; their one-cycle is another.
#
# On CIFAR-10 it goes the same way: copy `recipes/fast.yaml`, change it, train with 5,000 pictures held out
# (`validation_size: 5000`) while you are still choosing, and at the end once with 0. A row on CIFAR-10 counts only when
# the run has seen all 50,000.

# %% [markdown]
# ## 2. Did it help?
#
# You change one thing, and the accuracy rises by half a point. Was it the change, or the seed?
#
# One run cannot tell. So take several of each, and to have them quickly, a network that is a hundred times cheaper. Any
# network can be trained by its name: you register it, and recipes that run in the same Python process can say `network:
# small`. (For `s12` in a terminal, add yours to `NETWORKS` in `s12lib/classifier.py`.)

# %% tags=["nbval-check-output"]
from s12lib.classifier import NETWORKS
from s12lib.model import conv_pool_bn


class SmallNet(nn.Sequential):
    """(N, 3, 32, 32) → (N, num_classes) logits: three convolutions, each followed by pool, BatchNorm and ReLU."""

    def __init__(self, num_classes=10, logit_scale=0.125):
        layers = [*conv_pool_bn(3, 16), *conv_pool_bn(16, 32), *conv_pool_bn(32, 64)]
        super().__init__(*layers, nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(64, num_classes, bias=False))
        self.logit_scale = logit_scale

    def forward(self, images):
        return super().forward(images) * self.logit_scale


NETWORKS["small"] = SmallNet
print(f"{sum(parameter.numel() for parameter in SmallNet().parameters()):,} parameters")

# %% [markdown]
# The change: train without label smoothing. Each seed is used twice, once with the change and once without; the
# pictures are always the same.

# %%
import copy

import pytorch_lightning as pl

from s12lib import Classifier
from s12lib.data.splits import Split

part, sizes = copy.copy(data), {"train": 256 if course.smoke else 2000, "validation": 500 if course.smoke else 2000}
part.splits = {name: Split(data.splits[name].images[:n], data.splits[name].labels[:n]) for name, n in sizes.items()}
part.batch_size = 32


def fit(classifier, data, epochs, **settings):
    """Train quietly; returns the last validation accuracy."""
    quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    trainer = pl.Trainer(
        max_epochs=epochs, devices=1, num_sanity_val_steps=0, check_val_every_n_epoch=epochs, **quiet | settings
    )
    trainer.fit(classifier, data)
    return trainer.callback_metrics["validation_accuracy"].item()


# %%
def run(seed, **change):
    torch.manual_seed(seed)
    part.seed = seed
    return fit(Classifier("small", lr=0.2, final_epochs=0.5, ema_decay=0, **change), part, 1 if course.smoke else 3)


seeds = range(2 if course.smoke else 5)
runs = {"with smoothing": [run(seed) for seed in seeds], "without": [run(seed, label_smoothing=0.0) for seed in seeds]}
for name, accuracies in runs.items():
    print(f"{name:<15}", "  ".join(f"{accuracy:.1%}" for accuracy in accuracies))

# %% [markdown]
# Look at two single runs, one of each, and you can find what you please.

# %% [markdown]
# ### Exercise: a difference and its error
#
# *Difficulty 2 of 5, about 10 minutes.* The mean of n runs is itself uncertain: its variance is that of the runs (the
# sample variance, which divides by n - 1), divided by n. The variances of two means that have nothing to do with each
# other add up in their difference. The root of the sum is the **standard error**.


# %% tags=["nbval-check-output"]
def difference(mine, theirs):
    """Two lists of accuracies, at least two runs each → (mean of mine - mean of theirs, its standard error)."""
    raise NotImplementedError


check("difference", difference)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# `statistics.mean` and `statistics.variance` from Python's own library. The two lists may have different lengths.
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
#     error = statistics.variance(mine) / len(mine) + statistics.variance(theirs) / len(theirs)
#     return gap, error**0.5
# ```
#
# </details>

# %% tags=["nbval-check-output"]
difference = use("difference", difference)
gap, error = difference(runs["without"], runs["with smoothing"])
pairs = torch.tensor(runs["without"]) - torch.tensor(runs["with smoothing"])
paired = pairs.std().item() / len(pairs) ** 0.5
title = f"Without smoothing {100 * gap:+.1f} points: ".replace("-", "−")  # and spaces that do not break
title += f"±\u00a0{100 * error:.1f} as two lists, ±\u00a0{100 * paired:.1f} in pairs"
where = f"{data.name}, {len(part.splits['train'].labels):,} training and {len(part.splits['validation'].labels):,} "
where += "validation pictures, the small network"
curves = {name: (list(seeds), values) for name, values in runs.items()}
viz.show(viz.lines(curves, title, where, "seed", "validation accuracy", joined=False))

# %% [markdown]
# Why two errors? Your formula takes the lists for unrelated. But the two runs of a seed share their first weights and
# the order of their pictures. Much of the luck is common to both, and goes when you subtract seed by seed. So pair your
# runs, and say that you did; our [results](../book/results.md) do.
#
# A gap of two errors or more is rarely luck when runs are many; with five pairs, ask for nearly three. One of less is
# no finding, in either direction. Take more seeds, or look for larger effects.
#
# And a result for a small network in a short run is a result for a small network in a short run. Our
# [table](../book/results.md) says n in each row, for that reason.

# %% [markdown]
# ## 3. Your own ten classes
#
# You need a folder for each class, with picture files in it. You may have them: leaves, stamps, mugs. This lesson draws
# its own, since it must run anywhere: ten small letters, as if photographed on paper of all colours.

# %%
import numpy as np
from PIL import Image, ImageDraw, ImageFont


def draw(letter, numbers):
    """A letter somewhat askew, on grainy paper, between 40 and 160 pixels wide and high."""
    width, height = (int(side) for side in numbers.integers(40, 160, 2))
    paper, ink = (tuple(int(value) for value in numbers.integers(*span, 3)) for span in ((128, 256), (0, 112)))
    font = ImageFont.load_default(0.8 * min(width, height))
    mask = Image.new("L", (width, height))
    ImageDraw.Draw(mask).text((width / 2, height / 2), letter, fill=255, font=font, anchor="mm")
    mask = mask.rotate(numbers.uniform(-15, 15), Image.Resampling.BICUBIC)
    picture = Image.composite(Image.new("RGB", mask.size, ink), Image.new("RGB", mask.size, paper), mask)
    grain = numbers.normal(0, 25, (height, width, 3))
    return Image.fromarray(np.clip(np.asarray(picture) + grain, 0, 255).astype(np.uint8))


# %% tags=["nbval-check-output"]
numbers, LETTERS = np.random.default_rng(0), "abdegkmpqt"
for letter in LETTERS:
    (folder / "letters" / letter).mkdir(parents=True, exist_ok=True)
    for k in range(100):
        draw(letter, numbers).save(folder / "letters" / letter / f"{k:03d}.png")
files = sorted((folder / "letters").glob("*/*.png"))
print(f"{len(files):,} files in the folders {', '.join(sorted({path.parent.name for path in files}))}")

# %% [markdown]
# The network wants 32 × 32 pixels. There are bad ways to get there. *Squeezing* makes a wide picture narrow. *Picking*
# every n-th pixel keeps the noise, and can lose thin lines. The package has one rule, which the commands and the app
# use too: turn it upright, cut the largest square out of the middle, and average over areas.
#
# **Predict first.** What will each of the two bad ways do to the letters?

# %%
from s12lib.data.image_files import to_32x32

large = [picture for path in files[::10] if min((picture := Image.open(path)).size) >= 70]
widest = sorted(large, key=lambda picture: abs(np.log(picture.width / picture.height)))[-7:]
squares = [picture.crop(((w - min(w, h)) // 2, (h - min(w, h)) // 2, (w + min(w, h)) // 2, (h + min(w, h)) // 2))
           for picture in widest for w, h in [picture.size]]  # fmt: skip
rows = {
    "squeezed": [picture.resize((32, 32), Image.Resampling.BOX) for picture in widest],
    "picked": [picture.resize((32, 32), Image.Resampling.NEAREST) for picture in squares],
    "cut and\naveraged": [to_32x32(picture) for picture in widest],
}
picked, averaged = (np.std([np.asarray(p)[:3, :3] for p in rows[name]], axis=(1, 2)).mean() for name in list(rows)[1:])
title = f"Averaging takes the grain from {picked:.0f} to {averaged:.0f} grey levels"
where = f"letters, files of many sizes, such as {widest[-1].width} × {widest[-1].height} pixels"
viz.show(viz.image_rows({name: np.stack(row) for name, row in rows.items()}, title, where))

# %% [markdown]
# Squeezed, a letter becomes slim or squat, another shape than the network will meet elsewhere. Picked, every speck of
# grain survives. Neither raises an error.
#
# Now split them. With CIFAR-10 somebody had done it. With your own pictures there is a trap: people have **the same
# picture twice**, under two names. Split at random, one goes to the training set and one to the test set, and the test
# has become a test of memory. CIFAR-10 itself is not free of it (Barz and Denzler, 2019). And ten photographs of one
# mug are ten pictures, while the test asks for a mug that was learned: split by mug, not by photograph.
#
# And next month you will add pictures and split again. What you tested with must not become what you train on.

# %% [markdown]
# ### Exercise: which side?
#
# *Difficulty 3 of 5, about 20 minutes.* Let the pixels decide. A **hash** such as SHA-256 turns bytes into a number
# that looks drawn by lot and is always the same. Hold a picture out when its number, brought to the range from 0 to
# 1, lies below the share.


# %% tags=["nbval-check-output"]
import hashlib


def held_out(images, share):
    """(N, 32, 32, 3) uint8 → (N,) bool, True for about that share of them; by each picture's own pixels alone."""
    raise NotImplementedError


check("held_out", held_out)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# `hashlib.sha256(image.numpy().tobytes()).hexdigest()` is a text of 64 hexadecimal digits. `int(text, 16)` reads such
# a text as a number, and eight digits go up to 16**8. (Python's own `hash` will not do: it is another one in each
# process.)
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
# It finds what is equal to the last bit. A copy that was saved anew as a JPEG is another picture to it; for those there
# are *perceptual* hashes.
#
# </details>

# %% tags=["nbval-check-output"]
held_out = use("held_out", held_out)

# %% tags=["nbval-check-output"]
from s12lib import Pictures

letters = Pictures(str(folder / "letters"), batch_size=32, validation_share=0.2, crop=2)
letters.setup()
print(letters.name, {name: len(split.labels) for name, split in letters.splits.items()})
everything = torch.cat([split.images for split in letters.splits.values()])
print("your rule would hold out for the test:", held_out(everything, 0.2).sum().item())

# %% [markdown]
# `Pictures` is the package's datamodule for folders. Recipes can name it, so all that you know works: `s12 fit`, the
# log, the checkpoints, the table. The recipe below takes over what our `shapes` does. One field of it is wrong for
# letters.
#
# (Three had to change already: 606 pictures in batches of 128 would be four steps an epoch; smaller batches want a
# smaller `lr`; and after the 54 steps of this run an average with decay 0.99 would be more than half what it was at the
# start.)
#
# **Predict first.** Which one? And what is the best accuracy that a network can reach with it? You can work that out.

# %%
(folder / "letters.yaml").write_text(f"""\
seed_everything: 0
trainer: {{max_epochs: {1 if course.smoke else 3}}}
model: {{num_classes: 10, lr: 0.2, final_epochs: 0.5, label_smoothing: 0.0, ema_decay: 0.9}}
data:
  class_path: s12lib.Pictures
  init_args: {{data_dir: letters, batch_size: 32, validation_share: 0.2, crop: 2, flip: alternating}}
""")
print(*s12("fit", "--config", "letters.yaml", "--run_dir", "runs/mirrored"), sep="\n")

# %%
from s12lib import PageResNet
from s12lib.inference import logits_of, measure
from s12lib.training.checkpoints import network_weights, read_checkpoint


def network_of(run):
    """The trained network of a run in this lesson's folder."""
    network = PageResNet(len(letters.classes), 0.0625)
    network.load_state_dict(network_weights(read_checkpoint(folder / "runs" / run / "last.ckpt")))
    return network


validation = letters.splits["validation"]
preds = logits_of(network_of("mirrored"), validation.images).argmax(1)
counts = torch.bincount(10 * validation.labels + preds, minlength=100).reshape(10, 10)
twins = [(a, b) for pair in ("bd", "pq") for a, b in (pair, pair[::-1])]
lost = sum(counts[letters.classes.index(a), letters.classes.index(b)].item() for a, b in twins)
title = f"Of {(preds != validation.labels).sum()} mistakes, {lost} take a letter for its mirror image"
where = f"letters, {len(preds)} validation pictures, trained with flips"
viz.show(viz.confusion_matrix(counts, letters.classes, title, where))

# %% [markdown]
# `flip`. A mirrored cat is a cat. A mirrored b is a d, and a mirrored p is a q. Trained with flips, the network sees
# each of the two shapes under both names equally often, and can only guess. Six letters of ten can be right, and half
# of the other four: 80%. Ours stays a little below: every letter now comes in two shapes, and three epochs were few to
# learn both.
#
# No message, no crash, and with photographs it was the right setting. **An augmentation is a statement about your
# classes**: it says what does not matter. Before you take one over, ask whether that is true of yours.

# %%
s12("fit", "--config", "letters.yaml", "--data.flip", "none")
print(f"{'validation accuracy on letters':<32} plain   flip TTA")
for name, run_name in {"trained with flips": "mirrored", "trained without": "letters-seed0"}.items():
    found = measure(network_of(run_name), validation.images, validation.labels)
    print(f"{name:<30} {found['accuracy']:>7.1%} {found['accuracy_tta']:>10.1%}")

# %% [markdown]
# Without flips it can tell them apart, in as many epochs. But look at the second column. *Test-time* augmentation
# mirrors the picture too, and asks the network to agree with itself about b and d. Where left and right were lost
# already, that helps; where they were learned, it undoes them.
#
# That is why the table has a column for each. Now the one look at the test pictures, and the row.

# %%
print(s12("test", "--config", "letters.yaml", "--data.flip", "none", "--ckpt_path", "last")[-1])
display(Markdown("\n".join(line for line in s12("results") if line.startswith(("| recipe", "|-", "| **letters")))))

# %% [markdown]
# ## 4. Start from what it knows
#
# You may have fifty pictures of a class, not five thousand. Then do not begin with random weights. A network that has
# learned CIFAR-10 knows edges and corners, and letters have those too (Yosinski et al., 2014, on what carries over).
# Take over its body, and give it a new head: a **warm start**.

# %% [markdown]
# ### Exercise: find the bug
#
# *Difficulty 3 of 5, about 20 minutes.* This was shipped, with its comment. The body of a trained Classifier was to go
# into a new network. It ran, the training ran, and the accuracy was "a bit low". Count what it does.


# %% tags=["nbval-check-output"]
from s12lib import load_pretrained


def shipped(network, state_dict):
    network.load_state_dict(state_dict, strict=False)  # not strict, because of the head


teacher = Classifier()
teacher.network.load_state_dict(load_pretrained().state_dict())
student = PageResNet(num_classes=10)
before = copy.deepcopy(student.state_dict())
shipped(student, teacher.state_dict())
changed = [name for name, value in student.state_dict().items() if not torch.equal(value, before[name])]
print(f"{len(changed)} of {len(before)} tensors were loaded")
print("the file's names:    ", *list(teacher.state_dict())[:4])
print("the network's names: ", *list(before)[:3])


# %% tags=["nbval-check-output"]
def warm_start(network, state_dict):
    """Load a Classifier's state_dict into a network in place: all of its network but the head, which stays new.

    Entries not under "network." are the Classifier's own (whitening) and are passed over. Of the others, whatever does
    not fit (missing in the file, of another shape, or unknown to the network) raises an error.
    """
    raise NotImplementedError


check("warm_start", warm_start)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# `strict=False` forgives everything, not only the head. Stay strict, and hand over a complete dict instead: the file's
# entries that begin with `network.`, under the network's names, and for the head the network's own.
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
#     weights = {name.removeprefix(prefix): value for name, value in state_dict.items() if name.startswith(prefix)}
#     weights |= {name: value for name, value in network.state_dict().items() if name.startswith("head.")}
#     network.load_state_dict(weights)
# ```
#
# </details>

# %% [markdown]
# **Predict first.** Each letter is seen *once*, about sixty of a kind. How far does that get a network with random
# weights, and how far one that knows CIFAR-10?

# %% tags=["nbval-check-output"]
warm_start = use("warm_start", warm_start)

# %%
from s12lib.training.hardware import best_precision

students = {}
for name, load in {"random weights": None, "shipped": shipped, "warm start": warm_start}.items():
    torch.manual_seed(0)
    students[name] = Classifier(lr=0.1, final_epochs=0.5, label_smoothing=0.0, ema_decay=0, whiten=False)
    if load:
        load(students[name].network, teacher.state_dict())
    accuracy = fit(students[name], letters, epochs=1, precision=best_precision())
    print(f"{name:<15} validation accuracy on letters after one epoch: {accuracy:.1%}")

# %% [markdown]
# The first two numbers are the same: nothing was loaded, so it is the same run. The gap to the third is what
# `strict=False` had cost; it is one run each, but too wide for luck. (`whiten` is off in all three. It sets the first
# layer when training begins, and would overwrite what you have just loaded: the next silent mistake on this road.)

# %% tags=["goal"]
network, shown = students["warm start"].network, [int((validation.labels == k).nonzero()[0]) for k in range(10)]
probabilities = logits_of(network, validation.images).softmax(1)
said = [letters.classes[probabilities[k].argmax()] for k in shown]
captions = [
    f"{name}, {probabilities[k].max():.0%}" + ("" if name == truth else f" (is {truth})")
    for name, truth, k in zip(said, letters.classes, shown, strict=True)
]
share = (probabilities.argmax(1) == validation.labels).float().mean()
title = f"Pictures that it has never seen: it gets {share:.0%} right"
where = (
    f"letters, validation pictures; CIFAR-10's weights, then {len(letters.splits['train'].labels)} letters, once each"
)
viz.show(viz.image_grid(validation.images[shown], captions, title, where))

# %% [markdown]
# It is right more often than it is sure: after one epoch a new head, whose logits are divided by 16, leaves every
# letter some probability. Confidence has to be calibrated (lesson 04).

# %% [markdown]
# ## 5. A hundred classes
#
# **CIFAR-100** has as many pictures as CIFAR-10, of the same size, but 500 of a class where you had 5,000. What
# changes in the network?
#
# **Predict first.** Only the head knows how many classes there are: 512 weights for each. So how many parameters will
# it have, and what is the loss of a network that knows nothing?

# %% tags=["nbval-check-output"]
for num_classes in (10, 100):
    network = PageResNet(num_classes)
    counts = [sum(p.numel() for p in module.parameters()) for module in (network, network.head)]
    loss = -torch.tensor(1 / num_classes).log()
    print(f"{num_classes:>3} classes: {counts[0]:,} parameters, {counts[1]:,} in the head; knowing nothing: {loss:.3f}")

# %% [markdown]
# The rest is a recipe. It needs the internet once, for 169 MB, and takes minutes on a good GPU and hours on a CPU, so
# it is not run here:
#
# ```bash
# s12 fit --config recipes/cifar100.yaml
# s12 test --config recipes/cifar100.yaml --ckpt_path last
# ```
#
# Without the internet it says in one sentence that CIFAR-100 could not be downloaded. `normalize` keeps CIFAR-10's mean
# and spread there, as it did for the letters. For a network that starts from random weights that matters little, since
# BatchNorm rescales. For a warm start they are the right ones: the loaded weights were learned behind these six
# numbers. And in training, evaluation and app they must be the *same*.

# %% [markdown]
# ## 6. Ideas, by effort
#
# | effort | idea | how you know that it worked |
# |---|---|---|
# | an hour on a GPU | `fast` with `crop: 2`, or with cutout | five pairs on the 45,000/5,000 split, a gap, its error |
# | an hour | ten classes of your own, fifty photographs each, warm start | the confusion matrix makes sense to you |
# | an evening | another schedule in `configure_optimizers` | the recorded learning rate is the one that you drew |
# | an evening | CIFAR-100 from CIFAR-10's weights, against random ones | both curves in one figure, several seeds |
# | a weekend | [Muon](../book/references.md) on the convolutions | fewer epochs to the same accuracy, spread included |
# | a weekend | pictures of 64 × 64: what in `normalize`, `head` and the crop assumes 32? | the tests tell you where |
# | open | progressive resizing: small pictures first | seconds to 94%; our table has no such row yet |

# %% [markdown]
# ## Mistakes that people really make here
#
# The first two were found in published code for this very exercise. The others wait wherever people bring their own.
#
# - **`load_state_dict(..., strict=False)`** that hides a mismatch. You have counted it.
# - **The test set asked after every change.** Then it is a validation set. The file in `results/` notes every look.
# - **One run of each, and a winner declared.** Give n, the mean and the spread.
# - **Copies of a picture, or photographs of one thing, on both sides** of the split.
# - **An augmentation taken over** that says something untrue about the classes.
# - **Another way of shrinking pictures in the app** than in training. One function for both.

# %% [markdown]
# ## Recap
#
# In this lesson you have
#
# - **written** a recipe, trained it, and put your run into the table;
# - **judged** a change by several seeds, a gap and its error;
# - **brought** ten classes of your own from folders, and found the field of the recipe that did not fit them;
# - **started** from trained weights, and seen what it costs when nothing was loaded.
#
# **Next:** it is your turn. If something in here was wrong or could be said better, the book's repository is a click
# away.

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
# # 04 · The failures
#
# [![Open in Colab](../book/_static/colab-badge.svg)](https://colab.research.google.com/github/OWNER/page-resnet-course/blob/main/lessons/04_failures.ipynb)
#
# **Where does it go wrong, and does it know?**
#
# Minutes to run: 1 on a GPU, 2 on a CPU. Reading and solving takes about two hours.
#
# You need: lesson [01 · The data](01_data.ipynb), for the three sets, [02 · The network](02_model.ipynb), for the
# names of the layers, and the loss of [03 · The training](03_train.ipynb). The [glossary](../book/glossary.md) explains
# every term.

# %% [markdown]
# ## Where this lesson ends
#
# ![Eight CIFAR-10 test pictures that the trained network gets wrong with great confidence, each with the class it
# says, how sure it is, and what the picture shows.](images/04_failures.png)
#
# These are the mistakes of which the trained network is surest. Some you would have made, too. By the end you will
# know how many there are, of which kind, and how far the network can be trusted when it says how sure it is.

# %% [markdown]
# ## You will be able to
#
# - **measure** accuracy class by class, and say how far such a number can be believed;
# - **read** a confusion matrix, precision and recall, and the mistakes themselves;
# - **calibrate** a network, without fooling yourself about the pictures you do it on;
# - **decide** when a network had better say nothing.

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
# ## 1. The exam
#
# The package brings the weights of a finished run. Its card says how they came about. We ask the network once, here,
# and everything below works with these answers.
#
# (*Flip TTA*, test-time augmentation: the picture and its mirror image are both shown, and the logits averaged.)
#
# CIFAR-10's test set has 10,000 pictures. We take the first 2,000, always the same ones, so that a laptop needs
# seconds for them. The price is that all numbers are a little less certain. How much less, you will see at once.

# %% tags=["nbval-check-output"]
from s12lib import load_card, load_pretrained
from s12lib.inference import logits_of

weights = "page_resnet_cifar10" if data.name == "CIFAR-10" else "page_resnet_shapes"
card, network = load_card(weights), load_pretrained(weights).to(course.device)
print(f"trained on {card['train_images']:,} pictures of {card['dataset']}, in {card['epochs']} epochs")
print("the shipped file, its numbers rounded to 16 bits, on all of the test set:")
print(f"{card['test_accuracy']:.2%} right, with flip TTA {card['test_accuracy_tta']:.2%}")

test = data.splits["test"]
images, labels = test.images[:2000], test.labels[:2000]
logits = logits_of(network, images)
probabilities = logits.softmax(1)
confidence, preds = probabilities.max(1)
right = preds == labels
where = f"{data.name}, the first {len(labels):,} test pictures"
print(f"on the first {len(labels):,}: {right.sum()} right, {(~right).sum()} wrong, so {right.float().mean():.1%} right")

# %% [markdown]
# **Predict first.** Which two classes will be the worst? You have seen the pictures in lesson 01. And if you took
# 2,000 other pictures, by how much would a class's accuracy move?
#
# The second question is one about tossing coins. Two hundred tosses, most of them heads: what may the coin's true
# share be? Edwin Wilson gave the answer in 1927, and it works near 100% too, where the usual *plus or minus* runs off
# the scale.


# %% tags=["nbval-check-output"]
def wilson(hits, count, z=1.96):
    """The 95% interval for a share of which a sample shows hits / count."""
    share, shrink = hits / count, 1 + z**2 / count
    centre = (share + z**2 / (2 * count)) / shrink
    half = z / shrink * (share * (1 - share) / count + z**2 / (4 * count**2)) ** 0.5
    return centre - half, centre + half


shares, spans = {}, {}
for k, name in enumerate(data.classes):
    hits, count = right[labels == k].sum().item(), (labels == k).sum().item()
    low, high = wilson(hits, count)
    shares[name], spans[name] = hits / count, (low, high)
    print(f"{name:<11} {hits:>3} of {count} = {hits / count:6.1%}    95% interval: {low:.1%} to {high:.1%}")
low, high = wilson(right.sum().item(), len(right))
print(f"all classes together: {low:.1%} to {high:.1%}")
lowest = min(shares, key=shares.get)
tied = [name for name in shares if name != lowest and spans[name][0] <= spans[lowest][1]]
print(f"their interval overlaps that of the lowest, {lowest}:", ", ".join(tied) or "none")

# %% [markdown]
# Cat and dog, you may have said. The last line names the candidates. A class's interval is several points wide. Where
# two of them overlap, the order of the two classes may be luck (or not: the difference has an interval of its own).
# Where they do not, you have found something. Whoever reports a class's accuracy to the second decimal has not looked
# at its interval.
#
# The card's number, from the whole test set, should lie in the interval of all classes together. Does it?

# %% [markdown]
# ## 2. Who is taken for whom
#
# An accuracy says how often, not what instead. For that you need a table: a row for each true class, a column for
# each predicted one. It is called the **confusion matrix**, and it is easily confused.
#
# **Predict first.** If many cats are taken for dogs, will as many dogs be taken for cats? Need they be?

# %% [markdown]
# ### Exercise: the confusion matrix
#
# *Difficulty 2 of 5, about 10 minutes.* Count. Rows are true classes, columns are predicted ones. A class that never
# occurs gets its row and its column all the same.


# %% tags=["nbval-check-output"]
def confusion_matrix(labels, preds, num_classes):
    """True and predicted classes, both (N,) int64, → (num_classes, num_classes) int64: rows true, columns predicted."""
    raise NotImplementedError


check("confusion_matrix", confusion_matrix)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# Begin with a table of zeros, go through labels and preds with `zip`, and add 1 at the place of each pair. Beware of
# `counts[labels, preds] += 1` with whole tensors: a pair that occurs ten times is written ten times, and counted once.
#
# </details>
# <details>
# <summary>Solution</summary>
#
# ```python
# def confusion_matrix(labels, preds, num_classes):
#     counts = torch.zeros((num_classes, num_classes), dtype=torch.int64)
#     for label, pred in zip(labels, preds):
#         counts[label, pred] += 1
#     return counts
# ```
#
# Faster, with no loop: number the pairs `label * num_classes + pred`, and let `torch.bincount` count the numbers.
#
# </details>

# %% tags=["nbval-check-output"]
confusion_matrix = use("confusion_matrix", confusion_matrix)
counts = confusion_matrix(labels, preds, len(data.classes))
wrong = counts - counts.diagonal().diag()
true, said = divmod(wrong.argmax().item(), len(data.classes))
title = f"Most often {data.classes[true]} is taken for {data.classes[said]}: {wrong[true, said]} times, and "
title += f"{wrong[said, true]} times the other way round" if wrong.any() else "never: there is no mistake"
viz.show(viz.confusion_matrix(counts, data.classes, title, where))

# %% [markdown]
# Nothing makes the two ways agree: look for a pair in which they are far apart.
#
# Read it row by row: *what becomes of the cats?* Then column by column: *what is behind it when the network says
# cat?* Most mistakes stay among the animals or among the vehicles. Nobody has told the network that there are such
# things. It found out, since they look alike.
#
# The two ways of reading have names. **Recall**: of all cats, the share that was called cat. That is the row, and it
# is the accuracy of section 1. **Precision**: of all that was called cat, the share that is a cat. That is the
# column. **F1** is their harmonic mean, which is low when either is:
#
# $$
# F_1 = \frac{2 \cdot \text{precision} \cdot \text{recall}}{\text{precision} + \text{recall}}
# $$

# %% tags=["nbval-check-output"]
hits = counts.diagonal()
precision, recall = hits / counts.sum(0), hits / counts.sum(1)
f1 = 2 * precision * recall / (precision + recall)
print(f"{'':<11} precision   recall      F1")
for k, name in enumerate(data.classes):
    print(f"{name:<11} {precision[k]:9.1%} {recall[k]:8.1%} {f1[k]:7.1%}")
print(f"mean of F1 {f1.mean():.1%}, accuracy {right.float().mean():.1%}")

# %% [markdown]
# A class with more recall than precision is one that the network says too readily; the other way round, it is shy of
# it. The mean of F1 and the accuracy nearly agree, because all classes are equally frequent. If one picture in a
# hundred were a ship, *never a ship* would be 99% right, and its F1 for ships would be 0. That is what F1 is for.

# %% [markdown]
# ## 3. The mistakes themselves
#
# Before you count any further, look. For each mistake you want to see what the network said, how sure it was, and
# what it thought of second.

# %% [markdown]
# ### Exercise: find the bug
#
# *Difficulty 2 of 5, about 10 minutes.* Many a demo names the three most likely classes. This function was shipped in
# one. Its author had tried it on a picture of the first class, and was content. Run it on that, and on another. Then
# write `top_classes`, with the names that belong to the numbers.


# %% tags=["nbval-check-output"]
def shipped(probabilities, classes, n):
    values = probabilities.sort(descending=True).values
    return [(classes[k], values[k].item()) for k in range(n)]


for k in (0, 8):
    index = torch.nonzero(right & (labels == k))[0].item()  # a picture that the network gets right
    answers = ", ".join(f"{name} {share:.0%}" for name, share in shipped(probabilities[index], data.classes, 3))
    print(f"shown: {data.classes[k]:<9} answer: {answers}")


# %% tags=["nbval-check-output"]
def top_classes(probabilities, classes, n):
    """(c,) probabilities of one picture → a list of n pairs (name, probability), the most likely first."""
    raise NotImplementedError


check("top_classes", top_classes)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# Sorting gives two things back: the sorted values, and the indices where they came from. Which of the two does
# `shipped` throw away?
#
# </details>
# <details>
# <summary>Solution</summary>
#
# The probabilities are sorted, and the names are not: whatever the picture shows, the answer is the first n names of
# the list. For a picture of the first class the first line is right, and who looks further down in a demo?
#
# ```python
# def top_classes(probabilities, classes, n):
#     values, indices = probabilities.topk(n)
#     return [(classes[k], value) for k, value in zip(indices.tolist(), values.tolist())]
# ```
#
# </details>

# %% [markdown]
# **Predict first.** When the network is wrong, how often is its *second* choice the right one?

# %% tags=["nbval-check-output"]
top_classes = use("top_classes", top_classes)
names = [[name for name, _ in top_classes(row, data.classes, 3)] for row in probabilities]
for n in (1, 2, 3):
    found = sum(data.classes[label] in row[:n] for label, row in zip(labels, names, strict=True))
    print(f"the right class is among the first {n}: {found / len(labels):.1%}")
rescued = sum(data.classes[labels[k]] == names[k][1] for k in torch.nonzero(~right)[:, 0].tolist())
print(f"of {(~right).sum()} mistakes the second choice mends {rescued}")

# %% [markdown]
# Most mistakes are near misses. Now to those that are not: wrong, and sure of it.

# %% tags=["goal"]
surest = torch.where(right, -confidence, confidence).argsort(descending=True)[:8]  # then, if need be, the least sure
captions = []
for k in surest.tolist():
    (name, share), of_truth = top_classes(probabilities[k], data.classes, 1)[0], probabilities[k, labels[k]]
    captions.append(f"{name} {share:.0%}\nis: {data.classes[labels[k]]} {of_truth:.0%}")
mistakes = (~right).sum().item()
title = f"{mistakes} mistakes in all, the surest at {confidence[surest[0]]:.0%}"
title = title if mistakes else "No mistakes at all; of these it was least sure"
viz.show(viz.image_grid(images[surest], captions, title, where, columns=4))

# %% [markdown]
# The first line: what the network says, and how likely it thinks that. The second: what the label says, and how likely
# the network thinks *that*.
#
# Put each in a box. *Unusual*: the thing is there, and looks like few others of its
# kind. *Unclear*: at 32 pixels you would not have known either. *Disputable*: you side with the network. The last box
# is not empty in general: Northcutt and others (2021) had people look again, and found some fifty wrong labels in
# CIFAR-10's test set. A network that scored 100% would be wrong about those, and get the marks for it.

# %% [markdown]
# ## 4. Does it know?
#
# The probability that the network gives to the class it says is its **confidence**. An honest network would be right
# in 80% of the cases in which it says 80%. Such a network is called **calibrated**.
#
# **Predict first.** You know how often the network is right. How sure is it on average: more than that, less, or just
# so? Much is written about overconfident networks.

# %% tags=["nbval-check-output"]
print(f"right:                  {right.float().mean():.1%}")
print(f"sure, on average:       {confidence.mean():.1%}")
print(f"sure, when it is right: {confidence[right].mean():.1%}")
print(f"at most:                {confidence.max():.1%}")
if mistakes:
    print(f"sure, when it is wrong: {confidence[~right].mean():.1%}")

# %% [markdown]
# It is *less* sure than it should be. Guo and others (2017) found modern networks too sure. Why not this one?
#
# Because it was told to be. The recipe trains with **label smoothing** of 0.2: it does not aim at 100% for the right
# class, but at 80% and a tenth of the remaining 20%, so 82%, and at 2% for each of the others. A network that reaches
# its goal on every picture says 82% and is always right. (On new pictures it overshoots the goal as well as missing
# it.) This is a large dose, taken for the accuracy. (The weights for Shapes were trained without it.)
#
# To put a number to it, sort the pictures into bins by confidence. In each bin compare the mean confidence with the
# share that is right. The **expected calibration error** is the average gap, each bin counting as much as it has
# pictures:
#
# $$
# \text{ECE} = \sum_b \frac{n_b}{n} \, \big|\text{accuracy}_b - \text{confidence}_b\big|
# $$

# %% [markdown]
# ### Exercise: the calibration error
#
# *Difficulty 3 of 5, about 20 minutes.* The bins are equally wide, from 0 to 1. Mind the picture with a confidence of
# exactly 1, and the bin with nothing in it.


# %% tags=["nbval-check-output"]
def calibration_error(confidence, right, bins=10):
    """(N,) float confidences in (0, 1] and (N,) bool → the expected calibration error, a share of 1."""
    raise NotImplementedError


check("calibration_error", calibration_error)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# `(confidence * bins).long()` is the number of each picture's bin, but for a confidence of 1, which belongs to the last
# bin. Go through the bins with a mask, and pass over the empty ones. The absolute value belongs to each bin.
#
# </details>
# <details>
# <summary>Solution</summary>
#
# ```python
# def calibration_error(confidence, right, bins=10):
#     place = (confidence * bins).long().clamp(max=bins - 1)
#     error = 0
#     for b in range(bins):
#         inside = place == b
#         if inside.any():
#             gap = right[inside].float().mean() - confidence[inside].mean()
#             error += gap.abs().item() * inside.float().mean().item()
#     return error
# ```
#
# </details>

# %% [markdown]
# **Predict first.** Imagine a perfectly honest network: a picture that it calls with 80% comes out right by the toss
# of an 80% coin. What is its ECE on 2,000 pictures? Zero?

# %% tags=["nbval-check-output"]
calibration_error = use("calibration_error", calibration_error)


def honest_error(confidence, tries=200):
    """The ECE that a network would show on average if each of these confidences were honest."""
    coins = torch.Generator().manual_seed(0)
    tosses = torch.rand(tries, len(confidence), generator=coins) < confidence
    return sum(calibration_error(confidence, toss) for toss in tosses) / tries


print(f"this network:                       {calibration_error(confidence, right):.1%}")
print(f"an honest one with its confidences: {honest_error(confidence):.1%} on average")


# %%
def reliability(confidence, right, bins=10):
    """Mean confidence, accuracy and number of pictures of each bin that is not empty."""
    place = (confidence * bins).long().clamp(max=bins - 1)
    inside = [place == b for b in range(bins) if (place == b).any()]
    sure, hits = ([values[i].float().mean().item() for i in inside] for values in (confidence, right))
    return sure, hits, [i.sum().item() for i in inside]


sure, (low, high) = confidence.mean().item(), wilson(right.sum().item(), len(right))
title = "Not sure enough" if sure < low else "Too sure" if sure > high else "Honest, on average"
title += f": {sure:.0%} sure, {right.float().mean():.0%} right"
viz.show(viz.reliability(*reliability(confidence, right), title, where))

# %% [markdown]
# A finite sample always shows a gap, even when there is none. So an ECE is to be read beside what honesty would show:
# near that floor you cannot tell a calibrated network from a slightly wrong one.
#
# The figure, a **reliability diagram**, shows the same in detail. The larger a point, the more pictures. Above the
# dashed line the network is right more often than it says. A small point off the line may be luck.

# %% [markdown]
# ## 5. One number mends it
#
# **Temperature scaling** divides all logits by one number T before softmax. A T above 1 makes the network less sure, a
# T below 1 surer. The order of the classes stays, so that no prediction changes, and no accuracy.

# %% [markdown]
# ### Exercise: fit the temperature
#
# *Difficulty 3 of 5, about 15 minutes.* Find the T with the smallest cross-entropy. You need no gradient: it is one
# number, so try many, from 0.1 to 10.


# %% tags=["nbval-check-output"]
def fit_temperature(logits, labels):
    """(N, c) logits and (N,) labels → the T > 0, a float, for which the cross-entropy of logits / T is smallest."""
    raise NotImplementedError


check("fit_temperature", fit_temperature)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# Temperatures differ by factors: 0.1 is to 1 as 1 is to 10. `torch.logspace(-1, 1, 5)` goes from 0.1 to 10 in five
# steps of the same factor. You need more steps. `F.cross_entropy` takes logits.
#
# </details>
# <details>
# <summary>Solution</summary>
#
# ```python
# def fit_temperature(logits, labels):
#     tries = torch.logspace(-1.5, 1.5, 601)
#     losses = torch.stack([F.cross_entropy(logits / t, labels) for t in tries])
#     return tries[losses.argmin()].item()
# ```
#
# </details>

# %% [markdown]
# And now the question that matters: fit it *on what*?
#
# Not on the pictures on which you then show how well it works. Lesson 01 has a set for such choices, the validation
# set. But look at the card: these weights were trained on all of the training pictures. The validation pictures are
# among them. For these weights, they are not fresh.
#
# **Predict first.** Fit T once on pictures that the network was trained on, and once on pictures that it has never
# seen. Which T will be smaller?

# %% tags=["nbval-check-output"]
fit_temperature = use("fit_temperature", fit_temperature)
learned = data.splits["train"].images[:1000], data.splits["train"].labels[:1000]
learned_logits = logits_of(network, learned[0])
half = torch.arange(len(labels)) % 2 == 0
fits = {
    "pictures it was trained on": (learned_logits, learned[1]),
    "test pictures, one half": (logits[half], labels[half]),
    "test pictures, other half": (logits[~half], labels[~half]),
}
T = {name: fit_temperature(*pair) for name, pair in fits.items()}
for name, (z, y) in fits.items():
    print(f"{name:<27} {len(y):>5,} pictures, {(z.argmax(1) == y).float().mean():.1%} right: T = {T[name]:.2f}")

# %% [markdown]
# On pictures that it has learned the network is nearly always right, so a fit there makes it surer than it may be.
# That is the bias, and you see its size.
#
# The way out is **cross-fitting**. Cut the test pictures in two. Each half gets the temperature that was fitted on
# the *other*. So no picture is judged by a number that it has helped to find.

# %% tags=["nbval-check-output"]
_, one, other = T.values()
temperature = torch.where(half, other, one)[:, None]  # each picture's, from the half in which it is not
crossed = (logits / temperature).softmax(1).amax(1)
too_sure = (logits / T["pictures it was trained on"]).softmax(1).amax(1)
print(f"{'temperature':<34} sure    right    ECE   if honest")
for name, sure in {
    "none": confidence,
    "from pictures it was trained on": too_sure,
    "cross-fitted": crossed,
}.items():
    error, least = calibration_error(sure, right), honest_error(sure)
    print(f"{name:<32} {sure.mean():6.1%}  {right.float().mean():6.1%}  {error:5.1%}  {least:10.1%}")

# %%
before, after = calibration_error(confidence, right), calibration_error(crossed, right)
title = f"A fitted temperature takes the ECE from {before:.1%} to {after:.1%}"
viz.show(viz.reliability(*reliability(crossed, right), title, f"{where}, cross-fitted"))

# %% [markdown]
# Nearly all of the gap is gone. One number moves all bins together; single ones it cannot mend.
#
# But was the test set not to be opened once, with nothing left to choose?
#
# It is allowed, because nothing is chosen *between networks*. The network, its predictions and its accuracy stay as
# they were. What is reported is how well *fitting a temperature* works, and that each half tells honestly about the
# other.
#
# It costs something, too. There are two temperatures now, and you can ship only one: say, one fitted on
# all 2,000, whose own ECE you then have not measured. And for the calibration
# of *this* network these 2,000 are no test pictures any more. Who can, does better: train on 45,000, fit T on the 5,000
# that were held out, and leave the test set alone.

# %% [markdown]
# ## 6. Saying nothing
#
# A network that knows when it may be wrong can be used with a simple rule: below some confidence it says *I do not
# know*, and a human looks. This is **selective prediction**. The share that it answers is its **coverage**, the share
# of wrong answers among these its **risk**.
#
# **Predict first.** To halve the share of wrong answers, how many pictures must it refuse? And does the temperature
# change that?


# %% tags=["nbval-check-output"]
def risk_coverage(confidence, right):
    """Answer the surest picture, the two surest, and so on: the coverage and the risk of each step."""
    order = confidence.argsort(descending=True, stable=True)
    answered = torch.arange(1, len(order) + 1)
    return answered / len(order), (~right[order]).cumsum(0) / answered


coverage, risk = risk_coverage(confidence, right)
halved = coverage[risk <= risk[-1] / 2].max().item()
curves = {
    "refuses at random": (coverage, risk[-1].expand(len(risk))),
    "refuses the least sure": (coverage, risk),
    "knows every mistake": risk_coverage(right.float(), right),
}
title = f"Refuse {1 - halved:.0%} of the pictures, and the share of wrong answers is halved"
viz.show(viz.lines(curves, title if mistakes else "There is nothing to refuse", where, "coverage", "risk"))
print(f"area under the curve: {risk.mean():.2%}, cross-fitted {risk_coverage(crossed, right)[1].mean():.2%}")

# %% [markdown]
# The network knows a good deal about its mistakes: the curve lies far nearer to perfect knowledge than to chance. And
# the temperature hardly matters, since it makes sure pictures and unsure ones surer alike and leaves their order
# nearly as it was. Calibration is about what a number *means*; selection is about the *order*. A network can have one
# without the other.
#
# The figure shows all thresholds, and picks none. To ship one, choose it on held-out training pictures, as with T.
# And all this holds for more pictures of the same kind. For a teapot, confidence promises nothing.

# %% [markdown]
# ## 7. A look inside
#
# Last, the layers. The first convolution has 64 kernels of 3 × 3 pixels, small enough to be looked at as pictures.
#
# **Predict first.** In textbooks such kernels are edges and blobs of colour. What will these look like? (The recipe
# *whitens* the first layer: it starts from random mixtures of filters whose outputs are uncorrelated, and nearer
# in strength.)

# %% tags=["nbval-check-output"]
from s12lib import normalize

kernels = network.prep[0].weight.detach().cpu()
patches = F.unfold(normalize(images[:200]), 3).transpose(1, 2).reshape(-1, 3, 9)


def smooth_share(x):
    """Of (n, 3, 9) patches or kernels: which share of the squares is in the mean of the nine places?"""
    return (9 * x.mean(-1).square().sum() / x.square().sum()).item()


print(f"of what is in a patch of a picture, {smooth_share(patches):.0%} is its mean colour")
print(f"of what a kernel looks at, {smooth_share(kernels.flatten(2)):.1%}; drawn at random it would be {1 / 9:.1%}")

# %%
rows, x = {}, normalize(images[surest[:1]]).to(course.device)
with torch.no_grad():
    for name, stage in list(network.named_children())[:4]:
        x = stage(x)
        strongest = x[0].flatten(1).std(1).argsort(descending=True)[:5].cpu()
        rows[f"{name}\n{x.shape[-1]} × {x.shape[-1]}"] = x[0].cpu()[strongest]
        if name == "prep":
            drawn = kernels[strongest].permute(0, 2, 3, 1)
            low, high = drawn.amin((1, 2, 3), keepdim=True), drawn.amax((1, 2, 3), keepdim=True)
            rows = {"the picture": images[surest[:1]], "prep's kernels": (drawn - low) / (high - low)} | rows
first, last = (len(rows[key][0]) for key in list(rows)[-4::3])
title = f"{first} × {first} edges become {last} × {last} answers"
viz.show(viz.image_rows(rows, title, f"{data.name}, one test picture; each map from its least to its most", scale=3))

# %% [markdown]
# The kernels look like noise, and are not. In a picture neighbouring pixels are nearly equal, so nearly all of a patch
# is its mean colour, and the little that is left, edges and textures, is what tells a cat from a dog. Whitening makes
# the small differences as loud as the large sameness. So the kernels hardly look at the mean, and look hard at
# differences.
#
# Then follow the maps down. After `prep` you still recognise the picture, as a drawing of its edges. After `layer1` it
# is coarser. After `layer3` there are 16 places, and a channel is on at a few of them: *something is there*. This last
# map is the one that lesson 05 makes its heatmaps from.

# %% [markdown]
# ## Mistakes that people really make here
#
# Each of these was found in published code for this very exercise.
#
# - **"Top n" that shows the first n classes.** You have mended it.
# - **The test set used as validation set.** A temperature or a threshold is a choice, too. Cross-fit, or hold out.
# - **The model left in training mode.** Then each answer depends on its neighbours in the batch, and every number of
#   this lesson depends on the batch size. `logits_of` switches, and switches back.
# - **An axis swapped.** It happened in a test of masks; in a confusion matrix it turns precision into recall, and with
#   equally frequent classes nothing looks wrong.

# %% [markdown]
# ## Recap
#
# In this lesson you have
#
# - **measured** the accuracy of each class, with the interval that 200 pictures allow;
# - **read** rows and columns of the confusion matrix, and looked the surest mistakes in the eye;
# - **calibrated** a network that had been taught to be modest, on pictures that did not judge it;
# - **decided** how many pictures to refuse, and seen which kind of knowledge that takes.
#
# **Next:** [05 · Grad-CAM](05_gradcam.ipynb). You know which pictures it gets wrong. Where in them was the evidence?

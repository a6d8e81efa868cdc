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
# Minutes to run: 1 on a GPU, 2 on a CPU. Reading and solving takes about two and a half hours.
#
# You need: lesson [01 · The data](01_data.ipynb), for the three sets, [02 · The network](02_model.ipynb), for the
# names of the layers, and the loss of [03 · The training](03_train.ipynb). The [glossary](../book/glossary.md) explains
# every term.

# %% [markdown]
# ## Where this lesson ends
#
# ![Eight CIFAR-10 test images that the trained network gets wrong with great confidence, each with the class it
# says, how sure it is, and what the image shows.](images/04_failures.png)
#
# These are the mistakes of which the trained network is surest. Some you would have made, too. By the end you will
# know how many there are, of which kind, and how far the network can be trusted when it says how sure it is.

# %% [markdown]
# ## You will be able to
#
# - **measure** accuracy class by class, and say how far such a number can be believed;
# - **read** a confusion matrix, precision and recall, and the mistakes themselves;
# - **calibrate** a network, without fooling yourself about the images you do it on;
# - **decide** when a network should say nothing.

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
# ## 1. The exam
#
# The package brings the weights of a finished run, and a card that says how they came about. We ask the network once,
# here, and everything below works with these answers.
#
# CIFAR-10's [test set](../book/glossary.md#term-test-set) has 10,000 images. We take the first 2,000, always the same
# ones, so that a laptop needs seconds. The price is that every number is less certain. How certain it is, you will
# see at once.

# %%
from s12lib import load_card, load_pretrained
from s12lib.inference import logits_of

known = data.name == "CIFAR-10"
weights = "page_resnet_cifar10" if known else "page_resnet_shapes"
card = load_card(weights)
network = load_pretrained(weights).to(course.device)

test = data.splits["test"]
images, labels = test.images[:2000], test.labels[:2000]
logits = logits_of(network, images)
probabilities = logits.softmax(1)
confidence, preds = probabilities.max(1)
right = preds == labels

# %% [markdown]
# Two hundred tosses of a coin, most of them heads: what may the coin's true share be? Edwin Wilson gave a
# [confidence interval](../book/glossary.md#term-confidence-interval) that works near 100%, too
# ([Wilson, 1927](../book/references.md#wilson-1927)).


# %%
def wilson(hits, count, z=1.96):
    """The 95% interval for a share of which a sample shows hits / count."""
    share, shrink = hits / count, 1 + z**2 / count
    centre = (share + z**2 / (2 * count)) / shrink
    variance = share * (1 - share) / count + z**2 / (4 * count**2)
    half = z / shrink * variance**0.5
    return centre - half, centre + half


# %% [markdown]
# > **Predict first.** You have seen the images in lesson 01. Which class will be the worst? And what is its accuracy,
# > in per cent?
# >
# > <!-- guess: {{100 * shares[worst[0]]:.1f}} % -->

# %%
counts = torch.bincount(labels, minlength=len(data.classes)).tolist()
hits = torch.bincount(labels[right], minlength=len(data.classes)).tolist()
shares = {
    name: h / n
    for name, h, n in zip(data.classes, hits, counts, strict=True)
}
worst = sorted(shares, key=shares.get)

# %% tags=["hide-input", "nbval-check-output", "reveal"]
# @title Print each class with its interval
where = f"{data.name}, the first {len(labels):,} test images"
print(where)
for name in worst:
    k = data.classes.index(name)
    low, high = wilson(hits[k], counts[k])
    share = f"{hits[k]:>3} of {counts[k]} = {shares[name]:6.1%}"
    print(f"{name:<11} {share}    95%: {low:.1%} to {high:.1%}")
accuracy = right.float().mean().item()
low, high = wilson(sum(hits), len(labels))
print(f"all         {accuracy:.1%}, 95%: {low:.1%} to {high:.1%}")
print(f"the card, all test images: {card['test_accuracy']:.2%}")

# %% [markdown]
# > **Finding.** {{worst[0].capitalize()}}s ({{shares[worst[0]]:.1%}}) and {{worst[1]}}s ({{shares[worst[1]]:.1%}}) are
# > the worst; {{worst[2]}}s, whom everybody suspects, come third ({{shares[worst[2]]:.1%}}). The best are the
# > {{worst[-1]}}s ({{shares[worst[-1]]:.1%}}). And each number is only known to within a few points: whoever reports a
# > class's accuracy to the second decimal has not looked at its interval.

# %% [markdown]
# ## 2. Is the order real?
#
# Is a cat really harder than a dog, or had the cats bad luck? Take two classes with $h_1$ hits in $n_1$ images and
# $h_2$ in $n_2$. *If* both were equally hard, both would have the share $p = (h_1 + h_2) / (n_1 + n_2)$, and the
# difference of the two measured shares would be spread around 0 with a standard deviation of
#
# $$
# s = \sqrt{p \, (1 - p) \left( \frac{1}{n_1} + \frac{1}{n_2} \right)}
# $$
#
# A difference beyond $1.96 \, s$ happens by luck once in twenty times. So one compares, and believes what is beyond.
#
# But ten classes make 45 pairs, and you looked at the table first: luck has 45 tries. The plainest remedy is
# Bonferroni's: to be wrong *anywhere* no more often than once in twenty, allow each pair only a 45th of that.

# %% [markdown]
# ### Exercise: surely apart
#
# > **Difficulty 4 of 5, about 40 minutes.** Find the pairs of classes whose difference is more than luck explains, in
# > any of all pairs. `hits` and `counts` are lists with a number for each class, two classes or more; `level` is how
# > often you accept to be wrong anywhere, such as 0.05. Return a list of pairs `(i, j)` of class numbers, with i < j.
# > A pair is in it if its two shares differ by more than z · s. Choose z so that luck goes beyond it, to either side,
# > in one pair with probability `level` / number of pairs. No torch and no NumPy are needed:
# > `statistics.NormalDist().inv_cdf(q)` is the place below which a share q of the bell curve lies.


# %% tags=["nbval-check-output"]
def surely_apart(hits, counts, level):
    """Two lists of c numbers, a share → a list of pairs (i, j), i < j."""
    raise NotImplementedError


check("surely_apart", surely_apart)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# For one pair and a level of 0.05, z is 1.96: below it lie 97.5% of the bell curve, since half of the 5% is on either
# side. What takes the place of the 5% when there are many pairs? `itertools.combinations` counts them.
#
# </details>
# <details>
# <summary>Second hint</summary>
#
# `z = NormalDist().inv_cdf(1 - level / 2 / number_of_pairs)`, once for all pairs. Then go through the pairs, compute p
# and s as above, and compare `abs(one - other) > z * s`. Do not divide by s: two classes without a mistake have none.
#
# </details>
# <details>
# <summary>Solution</summary>
#
# ```python
# from itertools import combinations
# from statistics import NormalDist
#
# def surely_apart(hits, counts, level):
#     pairs = list(combinations(range(len(hits)), 2))
#     z = NormalDist().inv_cdf(1 - level / 2 / len(pairs))
#     apart = []
#     for i, j in pairs:
#         one, other = hits[i] / counts[i], hits[j] / counts[j]
#         share = (hits[i] + hits[j]) / (counts[i] + counts[j])
#         variance = share * (1 - share) * (1 / counts[i] + 1 / counts[j])
#         if abs(one - other) > z * variance**0.5:
#             apart.append((i, j))
#     return apart
# ```
#
# There are finer remedies than Bonferroni's (Holm's, or simulation), which find a little more.
#
# </details>

# %% [markdown]
# > **Predict first.** Suppose all ten classes were equally hard. In how many of the 45 pairs would the difference still
# > be beyond 1.96 s, on average?
# >
# > <!-- guess: {{by_luck:.1f}} pairs -->

# %% tags=["nbval-check-output"]
surely_apart = use("surely_apart", surely_apart)
pairs = len(counts) * (len(counts) - 1) // 2
one_by_one = 0.05 * pairs  # undoes the division: 5% for each pair
luck, tries = torch.Generator().manual_seed(0), 200
found = []
for _ in range(tries):
    tosses = torch.rand(len(labels), generator=luck) < accuracy
    alike = [tosses[labels == k].sum().item() for k in range(len(counts))]
    found.append(len(surely_apart(alike, counts, one_by_one)))
by_luck = sum(found) / tries
any_luck = sum(number > 0 for number in found) / tries

# %% tags=["nbval-check-output", "reveal"]
single = surely_apart(hits, counts, one_by_one)
sure_pairs = surely_apart(hits, counts, 0.05)
names = [(data.classes[i], data.classes[j]) for i, j in sure_pairs]
by_luck, any_luck, len(single), names

# %% [markdown]
# > **Finding.** Among equally hard classes {{by_luck:.1f}} of the {{pairs}} pairs would look different, and at least
# > one in {{any_luck:.0%}} of all exams. Taken one by one, {{len(single)}} pairs differ here; {{len(sure_pairs)}} are
# > sure: {{" and ".join(" from ".join(pair) for pair in names)}}. Whether cats are harder than dogs, these
# > {{len(labels):,}} images do not tell.

# %% [markdown]
# ## 3. Who is taken for whom
#
# An accuracy says how often, not what instead. For that you need a table: a row for each true class, a column for
# each predicted one. It is called the [confusion matrix](../book/glossary.md#term-confusion-matrix), and it is easily
# confused.

# %% [markdown]
# ### Exercise: the confusion matrix
#
# > **Difficulty 2 of 5, about 10 minutes.** Count. `labels` and `preds` are true and predicted classes, both (N,)
# > int64; return (num_classes, num_classes) int64. Rows are true classes, columns are predicted ones. A class that
# > never occurs gets its row and its column all the same.


# %% tags=["nbval-check-output"]
def confusion_matrix(labels, preds, num_classes):
    """(N,), (N,) int64 → (num_classes, num_classes) int64."""
    raise NotImplementedError


check("confusion_matrix", confusion_matrix)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# Begin with a table of zeros, go through labels and preds with `zip`, and add 1 at the place of each pair.
#
# </details>
# <details>
# <summary>Second hint</summary>
#
# Beware of `table[labels, preds] += 1` with whole tensors: a pair that occurs ten times is written ten times, and
# counted once. `torch.zeros(..., dtype=torch.int64)` makes whole numbers.
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
table = confusion_matrix(labels, preds, len(data.classes))
wrong = table - table.diagonal().diag()
true, said = divmod(wrong.argmax().item(), len(data.classes))
vehicles = ("airplane", "automobile", "ship", "truck")
vehicle = torch.tensor([name in vehicles for name in data.classes])
within = wrong[vehicle[:, None] == vehicle].sum().item()
mistakes = wrong.sum().item()

# %% [markdown]
# > **Predict first.** The network takes {{wrong[true, said]}} {{data.classes[true]}}s for {{data.classes[said]}}s, more
# > than any other class for another. How many {{data.classes[said]}}s will it take for {{data.classes[true]}}s?
# >
# > <!-- guess: {{wrong[said, true]}} -->

# %% tags=["hide-input", "reveal"]
# @title Draw the confusion matrix
here, back = data.classes[true], data.classes[said]
title = (
    f"{wrong[true, said]} {here}s become {back}s, "
    f"and {wrong[said, true]} {back}s {here}s"
)
viz.show(viz.confusion_matrix(table, data.classes, title, where))

# %% [markdown]
# Read the table row by row: *what becomes of the cats?* Then column by column: *what is behind it when the network says
# cat?*

# %% [markdown]
# > **Finding.** {{wrong[true, said]}} {{data.classes[true]}}s are taken for {{data.classes[said]}}s, and
# > {{wrong[said, true]}} the other way round. Of {{mistakes}} mistakes {{within}} stay among the animals or among the
# > vehicles.

# %% [markdown]
# The two ways of reading have names. [Recall](../book/glossary.md#term-precision-and-recall): of all cats, the share
# that was called cat. That is the row, and it is the accuracy of section 1.
# [Precision](../book/glossary.md#term-precision-and-recall): of all that was called cat, the share that is a cat. That
# is the column. [F1](../book/glossary.md#term-F1) is their harmonic mean, which is low when either is:
#
# $$
# F_1 = \frac{2 \cdot \text{precision} \cdot \text{recall}}{\text{precision} + \text{recall}}
# $$

# %%
correct = table.diagonal()
precision, recall = correct / table.sum(0), correct / table.sum(1)
f1 = 2 * precision * recall / (precision + recall)

# %% tags=["hide-input", "nbval-check-output"]
# @title Print precision, recall and F1 of each class
print(f"{'':<11} precision   recall      F1")
for k, name in enumerate(data.classes):
    print(f"{name:<11} {precision[k]:9.1%} {recall[k]:8.1%} {f1[k]:7.1%}")
print(f"mean of F1 {f1.mean():.1%}, accuracy {accuracy:.1%}")
easily = data.classes[(recall - precision).argmax()]
shyly = data.classes[(precision - recall).argmax()]

# %% [markdown]
# > **Finding.** The network says *{{easily}}* too readily: more recall than precision
# > ({{recall[data.classes.index(easily)]:.1%}} and {{precision[data.classes.index(easily)]:.1%}}). It is shy of
# > *{{shyly}}*. The mean of F1 ({{f1.mean():.1%}}) and the accuracy ({{accuracy:.1%}}) nearly agree, because all
# > classes are equally frequent. Otherwise F1 would notice a class
# > that is never said, and accuracy would not.

# %% [markdown]
# ## 4. The mistakes themselves
#
# Before you count any further, look.

# %% [markdown]
# ### Exercise: find the bug
#
# > **Difficulty 2 of 5, about 10 minutes.** Many a demo names the three most likely classes. The function `shipped` was
# > part of one. Its author had tried it on an image of the first class, and was content. Run it on that, and on
# > another. Then write `top_classes`, with the names that belong to the numbers. It gets (c,) probabilities of one
# > image, the c names, and n; return a list of n pairs (name, probability), the most likely first.


# %% tags=["nbval-check-output"]
def shipped(probabilities, classes, n):
    values = probabilities.sort(descending=True).values
    return [(classes[k], round(values[k].item(), 2)) for k in range(n)]


first, another = (  # two images that the network gets right
    torch.nonzero(right & (labels == k))[0].item() for k in (0, 8)
)
{
    data.classes[labels[k]]: shipped(probabilities[k], data.classes, 3)
    for k in (first, another)
}


# %% tags=["nbval-check-output"]
def top_classes(probabilities, classes, n):
    """(c,) probabilities → a list of n pairs (name, probability)."""
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
# <summary>Second hint</summary>
#
# `values, indices = probabilities.topk(n)` keeps both. The name of each is `classes[index]`; `.tolist()` makes Python
# numbers of a tensor.
#
# </details>
# <details>
# <summary>Solution</summary>
#
# The probabilities are sorted, and the names are not: whatever the image shows, the answer is the first n names of
# the list. For an image of the first class the first line is right, and who looks further down in a demo?
#
# ```python
# def top_classes(probabilities, classes, n):
#     values, indices = probabilities.topk(n)
#     pairs = zip(indices.tolist(), values.tolist())
#     return [(classes[k], value) for k, value in pairs]
# ```
#
# </details>

# %% [markdown]
# > **Predict first.** When the network is wrong, in how many per cent of the cases is its *second* choice the right
# > one?
# >
# > <!-- guess: {{100 * rescued / mistakes:.0f}} % -->

# %% tags=["nbval-check-output", "reveal"]
top_classes = use("top_classes", top_classes)
guesses = [
    [name for name, _ in top_classes(row, data.classes, 3)]
    for row in probabilities
]
truth = [data.classes[label] for label in labels]
answers = list(zip(guesses, truth, strict=True))
among = {
    n: sum(name in row[:n] for row, name in answers) for n in (1, 2, 3)
}
rescued = among[2] - among[1]
among, rescued, mistakes

# %% [markdown]
# > **Finding.** Most mistakes are near misses: of {{mistakes}}, the second choice would fix {{rescued}}. The right
# > class is among the first two for {{among[2] / len(labels):.1%}} of the images, and among the first three for
# > {{among[3] / len(labels):.1%}}.

# %% [markdown]
# Now to those that are not: wrong, and sure of it.

# %% tags=["goal", "hide-input"]
# @title Draw the mistakes of which it is surest
doubt = torch.where(right, -confidence, confidence)
surest = doubt.argsort(descending=True)[:8]
captions = []
for k in surest.tolist():
    (name, share), of_truth = (
        top_classes(probabilities[k], data.classes, 1)[0],
        probabilities[k, labels[k]],
    )
    captions.append(f"{name} {share:.0%}\nis: {truth[k]} {of_truth:.0%}")
title = f"{mistakes} mistakes, the surest at {confidence[surest[0]]:.0%}"
if not mistakes:
    title = "No mistake at all; of these it was least sure"
viz.show(viz.image_grid(images[surest], captions, title, where, columns=4))

# %% [markdown]
# The first line says what the network says, the second what the label says, each with the network's probability. Which
# are *unusual*, which *unclear* at 32 pixels, and where do you side with the network?
#
# [Northcutt et al. (2021)](../book/references.md#northcutt-2021) had people look again, and estimate that at least
# 0.54% of CIFAR-10's test labels are wrong. A network that scored 100% would be wrong about those, and get the marks
# for it. And [Barz and Denzler (2019)](../book/references.md#barz-2019) found a near-duplicate in the training set for
# 3.3% of the test images, which a network need only remember.

# %% [markdown]
# ## 5. Does it know?
#
# The probability that the network gives to the class it says is its
# [confidence](../book/glossary.md#term-confidence). An honest network would be right in 80% of the cases in which it
# says 80%. Such a network is called [calibrated](../book/glossary.md#term-calibration).

# %% [markdown]
# > **Predict first.** You know how often the network is right: {{accuracy:.1%}}. How sure is it on average, in per
# > cent?
# >
# > <!-- guess: {{100 * confidence.mean():.1f}} % -->

# %% tags=["nbval-check-output", "reveal"]
confidence.mean(), confidence[right].mean(), confidence[~right].mean()

# %% [markdown]
# The recipe trains with [label smoothing](../book/glossary.md#term-label-smoothing) of 0.2: it does not aim at 100% for
# the right class, but at 80% and a tenth of the remaining 20%, so 82%.
#
# > **Finding.** It is *less* sure than it should be: {{confidence.mean():.1%}} sure on average, and right in
# > {{accuracy:.1%}} of the cases. [Guo et al. (2017)](../book/references.md#guo-2017) found modern networks too sure;
# > label smoothing turns this round here. When it is wrong it is {{confidence[~right].mean():.0%}} sure, when it is
# > right {{confidence[right].mean():.0%}}.

# %% [markdown]
# To put a number to it, sort the images into bins by confidence. In each bin compare the mean confidence with the
# share that is right. The [expected calibration error](../book/glossary.md#term-ECE) is the average gap, each bin
# counting as much as it has images:
#
# $$
# \text{ECE} = \sum_b \frac{n_b}{n} \, \big|\text{accuracy}_b - \text{confidence}_b\big|
# $$

# %% [markdown]
# ### Exercise: the calibration error
#
# > **Difficulty 3 of 5, about 20 minutes.** The bins are equally wide, from 0 to 1. Mind the image with a confidence of
# > exactly 1, and the bin with nothing in it. `confidence` is (N,) float in (0, 1], `right` is (N,) bool; return a
# > number from 0 to 1, not per cent.


# %% tags=["nbval-check-output"]
def calibration_error(confidence, right, bins=10):
    """(N,) float, (N,) bool → the expected calibration error."""
    raise NotImplementedError


check("calibration_error", calibration_error)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# `(confidence * bins).long()` is the number of each image's bin, but for a confidence of 1, which belongs to the last
# bin.
#
# </details>
# <details>
# <summary>Second hint</summary>
#
# Go through the bins with a mask, `inside = place == b`, and pass over the empty ones. The absolute value belongs to
# each bin, and each gap is weighted by the share of the images that are in the bin.
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
# > **Predict first.** Imagine a perfectly honest network: an image that it calls with 80% comes out right by the toss
# > of an 80% coin. What is its ECE on {{len(labels):,}} images, in per cent?
# >
# > <!-- guess: {{100 * honest:.1f}} % -->


# %%
def honest_error(confidence, tries=200):
    """The mean ECE if each of these confidences were honest."""
    coins = torch.Generator().manual_seed(0)
    total = 0
    for _ in range(tries):
        toss = torch.rand(len(confidence), generator=coins) < confidence
        total += calibration_error(confidence, toss)
    return total / tries


# %% tags=["nbval-check-output", "reveal"]
calibration_error = use("calibration_error", calibration_error)
honest = honest_error(confidence)
round(calibration_error(confidence, right), 3), round(honest, 3)


# %%
def reliability(confidence, right, bins=10):
    """Mean confidence, accuracy and count of each bin in use."""
    place = (confidence * bins).long().clamp(max=bins - 1)
    inside = [place == b for b in range(bins) if (place == b).any()]
    sure = [confidence[i].mean().item() for i in inside]
    share = [right[i].float().mean().item() for i in inside]
    return sure, share, [i.sum().item() for i in inside]


# %% tags=["hide-input"]
# @title Draw the reliability diagram
sure = confidence.mean().item()
verdict = "Not sure enough" if sure < accuracy else "Too sure"
title = f"{verdict}: {sure:.0%} sure, {accuracy:.0%} right"
viz.show(viz.reliability(*reliability(confidence, right), title, where))

# %% [markdown]
# In a [reliability diagram](../book/glossary.md#term-reliability-diagram) larger points stand for more images. Above
# the dashed line the network is right more often than it says.
#
# > **Finding.** The network's ECE is {{calibration_error(confidence, right):.1%}}; an honest one with its confidences
# > would show {{honest:.1%}}, not 0: a finite sample always shows a gap. Near that floor you cannot tell a calibrated
# > network from a slightly wrong one.

# %% [markdown]
# ## 6. One number fixes it
#
# [Temperature scaling](../book/glossary.md#term-temperature-scaling) divides all logits by one number T before softmax.
# A T above 1 makes the network less sure, a T below 1 surer. The order of the classes stays, so that no prediction
# changes, and no accuracy.

# %% [markdown]
# ### Exercise: fit the temperature
#
# > **Difficulty 3 of 5, about 15 minutes.** Find the T with the smallest cross-entropy, anywhere from 0.1 to 10. You
# > need no gradient: it is one number, so try many. `logits` is (N, c), `labels` is (N,); return a float above 0.


# %% tags=["nbval-check-output"]
def fit_temperature(logits, labels):
    """(N, c) float, (N,) int64 → T, a float above 0."""
    raise NotImplementedError


check("fit_temperature", fit_temperature)

# %% [markdown]
# <details>
# <summary>Hint</summary>
#
# Temperatures differ by factors: 0.1 is to 1 as 1 is to 10. `torch.logspace(-1, 1, 5)` goes from 0.1 to 10 in five
# steps of the same factor. You need more steps.
#
# </details>
# <details>
# <summary>Second hint</summary>
#
# `F.cross_entropy(logits / t, labels)` for each t, put together with `torch.stack`; `argmin()` says which is the
# smallest.
#
# </details>
# <details>
# <summary>Solution</summary>
#
# ```python
# def fit_temperature(logits, labels):
#     tries = torch.logspace(-1.5, 1.5, 601)
#     losses = [F.cross_entropy(logits / t, labels) for t in tries]
#     best = torch.stack(losses).argmin()
#     return tries[best].item()
# ```
#
# </details>

# %% [markdown]
# Fit it *on what*? Not on the images on which you then show how well it works. The validation set is there for such
# choices. But these weights were trained on all {{card["train_images"]:,}} training images, and the validation images
# are among them.

# %% [markdown]
# > **Predict first.** Fit T once on images that the network was trained on, and once on images that it has never seen.
# > Which T will be smaller? On test images it is {{one:.2f}}. What is it on images that it was trained on?
# >
# > <!-- guess: {{learned_T:.2f}} -->

# %% tags=["nbval-check-output"]
fit_temperature = use("fit_temperature", fit_temperature)
half = torch.arange(len(labels)) % 2 == 0
one = fit_temperature(logits[half], labels[half])
other = fit_temperature(logits[~half], labels[~half])

# %% tags=["nbval-check-output", "reveal"]
train = data.splits["train"]
learned_logits, learned = (
    logits_of(network, train.images[:1000]),
    train.labels[:1000],
)
learned_T = fit_temperature(learned_logits, learned)
learned_right = (learned_logits.argmax(1) == learned).float().mean()
learned_right, *(round(t, 2) for t in (learned_T, one, other))

# %% [markdown]
# On learned images it is nearly always right ({{learned_right:.1%}}), so a fit there makes it surer than it may be. The
# way out is [cross-fitting](../book/glossary.md#term-cross-fitting): cut the test images in two, and give each half the
# temperature that was fitted on the *other*.
#
# > **Finding.** The temperature from learned images is {{learned_T:.2f}}; the two halves of the test images agree on
# > {{one:.2f}} and {{other:.2f}}.

# %%
temperature = torch.where(half, other, one)[:, None]
crossed = (logits / temperature).softmax(1).amax(1)
too_sure = (logits / learned_T).softmax(1).amax(1)

# %% tags=["hide-input", "nbval-check-output"]
# @title Print what each temperature does
print(f"{'temperature':<26} sure   right   ECE  if honest")
for name, sure in {
    "none": confidence,
    "from learned images": too_sure,
    "cross-fitted": crossed,
}.items():
    numbers = f"{sure.mean():6.1%}  {accuracy:6.1%} "
    errors = f"{calibration_error(sure, right):5.1%}"
    print(f"{name:<23} {numbers} {errors} {honest_error(sure):9.1%}")

# %% tags=["hide-input"]
# @title Draw the reliability diagram after the fit
before = calibration_error(confidence, right)
after = calibration_error(crossed, right)
title = f"Fitted, the ECE is {after:.1%}, not {before:.1%}"
which = f"{where}, cross-fitted"
viz.show(viz.reliability(*reliability(crossed, right), title, which))

# %% [markdown]
# > **Finding.** One number takes the ECE from {{before:.1%}} to {{after:.1%}}; an honest network would show
# > {{honest_error(crossed):.1%}}. The temperature from learned images leaves
# > {{calibration_error(too_sure, right):.1%}}: the network is then too sure.

# %% [markdown]
# But was the test set not to be opened once? Here nothing is chosen *between networks*: predictions and accuracy stay
# as they were, and each half judges only the other's temperature. It has a price. For the calibration of *this* network
# these {{len(labels):,}} are no test images any more. Whoever can does better: train on 45,000, fit T on the 5,000 that
# were held out.

# %% [markdown]
# ## 7. Saying nothing
#
# A network that knows when it may be wrong can be used with a simple rule: below some confidence it says *I do not
# know*, and a human looks. This is [selective prediction](../book/glossary.md#term-selective-prediction)
# ([Geifman and El-Yaniv, 2017](../book/references.md#geifman-2017)). The share that it answers is its
# [coverage](../book/glossary.md#term-coverage-and-risk), the share of wrong answers among these its **risk**.


# %%
def risk_coverage(confidence, right):
    """Answer the surest image, the two surest, and so on."""
    order = confidence.argsort(descending=True, stable=True)
    answered = torch.arange(1, len(order) + 1)
    coverage = answered / len(order)
    return coverage, (~right[order]).cumsum(0) / answered


# %% [markdown]
# > **Predict first.** To halve the share of wrong answers, how many per cent of the images must it refuse?
# >
# > <!-- guess: {{100 * refused:.0f}} % -->

# %% tags=["nbval-check-output", "reveal"]
coverage, risk = risk_coverage(confidence, right)
refused = 1 - coverage[risk <= risk[-1] / 2].max().item()
crossed_risk = risk_coverage(crossed, right)[1]
round(refused, 3), risk.mean(), crossed_risk.mean()

# %% tags=["hide-input"]
# @title Draw risk over coverage
curves = {
    "refuses at random": (coverage, risk[-1].expand(len(risk))),
    "refuses the least sure": (coverage, risk),
    "knows every mistake": risk_coverage(right.float(), right),
}
title = f"Refuse {refused:.0%}: errors half as frequent"
viz.show(viz.lines(curves, title, where, "coverage", "risk"))

# %% [markdown]
# > **Finding.** If it refuses the {{refused:.0%}} of which it is least sure, the share of wrong answers is halved. The
# > temperature hardly matters: the area under the curve is {{risk.mean():.2%}} before and {{crossed_risk.mean():.2%}}
# > after. Calibration is about what a number *means*; selection is about the *order*. A network can have one without
# > the other.

# %% [markdown]
# To ship a threshold, choose it on held-out training images, as with T. And all this holds for more images of the same
# kind.

# %% [markdown]
# ## 8. A look inside
#
# The first convolution has 64 [kernels](../book/glossary.md#term-kernel) of 3 × 3 pixels. In textbooks they are edges
# and blobs of colour. This recipe [*whitens*](../book/glossary.md#term-whitening) the layer: it starts from random
# mixtures of filters whose outputs are uncorrelated.

# %% [markdown]
# > **Predict first.** In a patch of 3 × 3 pixels of an image, how much of all there is to see is its mean colour, in
# > per cent? And how much of what a kernel looks at?
# >
# > <!-- guess: {{100 * smooth_share(patches):.0f}} % -->


# %%
def smooth_share(x):
    """(n, 3, 9) patches or kernels: which share of the squares is in
    the mean of the nine places?"""
    return (9 * x.mean(-1).square().sum() / x.square().sum()).item()


# %% tags=["nbval-check-output", "reveal"]
from s12lib import normalize

kernels = network.prep[0].weight.detach().cpu()
patches = F.unfold(normalize(images[:200]), 3)
patches = patches.transpose(1, 2).reshape(-1, 3, 9)
round(smooth_share(patches), 3), round(smooth_share(kernels.flatten(2)), 3)

# %% tags=["hide-input"]
# @title Follow one image through the layers
maps, x = {}, normalize(images[surest[:1]]).to(course.device)
with torch.no_grad():
    for name, stage in list(network.named_children())[:4]:
        x = stage(x)
        side = x.shape[-1]
        strongest = x[0].flatten(1).std(1).topk(4).indices.cpu()
        maps[f"{name}\n{side} × {side}"] = x[0].cpu()[strongest]
        if name == "prep":
            drawn = kernels[strongest].permute(0, 2, 3, 1)

# %% tags=["hide-input"]
# @title Draw the image, kernels and maps
low = drawn.amin((1, 2, 3), keepdim=True)
high = drawn.amax((1, 2, 3), keepdim=True)
stretched = (drawn - low) / (high - low)
rows = {"the image": images[surest[:1]], "kernels": stretched} | maps
title = f"32 × 32 edges become {side} × {side} answers"
which = f"{data.name}, one test image; each map from its least to its most"
viz.show(viz.image_rows(rows, title, which, scale=3))

# %% [markdown]
# The kernels look like noise, and are not. Neighbouring pixels are nearly equal, so nearly all of a patch is its mean
# colour, and the little that is left tells a cat from a dog. Follow the maps down: `prep` draws the image's edges;
# after `layer3` there are 16 places, and a channel is on at a few of them. [Lesson 05](05_gradcam.ipynb) makes its
# heatmaps from these.
#
# > **Finding.** Of what is in a patch {{smooth_share(patches):.0%}} is its mean colour; of what a kernel looks at, only
# > {{smooth_share(kernels.flatten(2)):.1%}}, where one drawn at random would have {{1 / 9:.1%}}. The kernels hardly
# > look at the mean, and look hard at differences.

# %% [markdown]
# ## Mistakes that people really make here
#
# Each of these was found in published code for this very exercise.
#
# - **"Top n" that shows the first n classes.** You have fixed it.
# - **The test set used as validation set.** A temperature or a threshold is a choice, too.
# - **The model left in training mode.** Then each answer depends on its neighbours in the batch.
# - **An axis swapped.** It happened in a test of masks; in a confusion matrix it turns precision into recall, and with
#   equally frequent classes nothing looks wrong.

# %% [markdown]
# ## Take-away
#
# - **Measure** each class with its interval, and correct for the number of pairs: of {{len(single)}} differences that
#   looked real, {{len(sure_pairs)}} are sure.
# - **Read** rows and columns of the confusion matrix, and then the mistakes themselves: {{rescued}} of {{mistakes}} are
#   near misses.
# - **Calibrate** on images that were neither trained on nor judge the result: one number, and the ECE falls from
#   {{before:.1%}} to {{after:.1%}}.
# - **Decide** by the order of the confidences: refusing {{refused:.0%}} halves the share of wrong answers.
# - **Distrust** the labels, too: about half a per cent of them are wrong.

# %% [markdown]
# ## Quiz
#
# **1. In a table of 20 networks, the best beats the worst by two standard deviations of a difference. What does it
# mean?**
#
# - (a) The best one is better, with 95% confidence.
# - (b) Hardly anything: among 190 pairs, luck makes some that far apart.
# - (c) The test set is too small.
#
# <details>
# <summary>Answer</summary>
#
# **(b)** The pair was chosen after looking, and luck had 190 tries. Correct for the number of pairs, or measure the two
# again on fresh images.
#
# </details>
#
# **2. Your confusion matrix has its axes swapped, and all classes are equally frequent. What happens to the accuracy?**
#
# - (a) Nothing: it is on the diagonal.
# - (b) It becomes the mean precision.
# - (c) It falls below chance.
#
# <details>
# <summary>Answer</summary>
#
# **(a)** The diagonal stays where it is. Precision and recall trade places, and nobody notices. That is why the mistake
# lives so long.
#
# </details>
#
# **3. You divide all logits by 2. What changes?**
#
# - (a) The accuracy and the confidences.
# - (b) The predictions of the unsure images.
# - (c) The confidences only.
#
# <details>
# <summary>Answer</summary>
#
# **(c)** The order of an image's classes stays, so no prediction changes. Every confidence moves towards 10%.
#
# </details>
#
# **4. On which images may the temperature of a network be fitted, if the test set is to judge it?**
#
# - (a) On held-out images that it was not trained on.
# - (b) On the training images, since there are most of them.
# - (c) On the test images: it changes no prediction.
#
# <details>
# <summary>Answer</summary>
#
# **(a)** On training images it is nearly always right, so the fit makes it too sure. On the test images it would be
# judged by what it was fitted on.
#
# </details>

# %% tags=["nbval-check-output"]
from s12lib.exercises import progress

progress()

# %% [markdown]
# ▰▰▰▰▰▱▱▱▱▱▱ Lesson 5 of 11. Behind you: which images it gets wrong. Ahead: where in them the evidence was.
#
# **Next:** [05 · Grad-CAM](05_gradcam.ipynb) asks the network where it looked.

"""What lesson 00 finds, measured again: each stated direction fails here when it no longer holds."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from s12lib import PageResNet, normalize
from s12lib.exercises.lesson00 import line_gradient
from s12lib.exercises.lesson00_fit import fit

# ---- a line ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def colours(splits):
    """The average red and the average blue of 500 images."""
    means = splits["train"].images[:500].double().mean(dim=(1, 2)) / 255
    return means[:, 0].numpy(), means[:, 2].numpy()


def excess(x, y, lr, steps):
    """By how much the loss of each step of gradient descent is above the best line's, as a share of it."""
    best = ((np.polyval(np.polyfit(x, y, 1), x) - y) ** 2).mean()
    slope, intercept, losses = 0.0, 0.0, []
    for _ in range(steps):
        losses.append(((slope * x + intercept - y) ** 2).mean())
        by_slope, by_intercept = line_gradient(x.tolist(), y.tolist(), slope, intercept)
        slope, intercept = slope - lr * by_slope, intercept - lr * by_intercept
    return np.array(losses) / best - 1


def test_normalised_numbers_need_one_step_where_raw_ones_need_more_than_a_hundred(colours):
    red, blue = colours
    assert (excess(red, blue, 0.5, 200) > 0.01).sum() > 100
    assert (excess((red - red.mean()) / red.std(), blue, 0.5, 5) > 0.01).sum() == 1


def test_a_slightly_larger_learning_rate_climbs_at_every_step(colours):
    assert (np.diff(excess(*colours, 0.85, 40)) > 0).all()


def test_the_valley_is_a_hundred_times_as_narrow_as_it_is_long(colours):
    red, _ = colours
    inputs = np.stack([red, np.ones_like(red)])
    low, high = np.linalg.eigvalsh(2 * inputs @ inputs.T / len(red))
    assert 80 < high / low < 125
    assert 0.5 < 2 / high < 0.85, "between the rate that arrives and the one that climbs"


# ---- a tiny network --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small(splits):
    """Images as 48 normalised numbers: (inputs, labels) for training, and the same for validation."""
    images, labels, _ = splits["train"]
    raw = [
        F.avg_pool2d(x.permute(0, 3, 1, 2).float(), 8).flatten(1) for x in (images[:8000], splits["validation"].images)
    ]
    inputs, inputs_v = ((x - raw[0].mean(0)) / raw[0].std(0) for x in raw)
    return (inputs, labels[:8000]), (inputs_v, splits["validation"].labels)


def accuracy(small, bend, train=fit, lr=0.5):
    """After 300 steps from the same first weights, with batches of 500."""
    (x, y), (x_v, y_v) = small
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Linear(48, 64), bend, nn.Linear(64, 10))
        chosen = torch.randint(0, len(x), (300, 500))
    train(network, torch.optim.SGD(network.parameters(), lr), [(x[few], y[few]) for few in chosen])
    return (network(x_v).argmax(1) == y_v).float().mean().item()


def fit_without_clearing(network, optimizer, batches):
    for x, y in batches:
        F.cross_entropy(network(x), y).backward()
        optimizer.step()


def test_tiny_network_beats_the_nearest_average_by_far_and_the_bend_is_worth_points(small):
    (x, y), (x_v, y_v) = small
    averages = torch.stack([x[y == k].mean(0) for k in range(10)])
    nearest = (torch.cdist(x_v, averages).argmin(1) == y_v).float().mean().item()
    bent, straight = accuracy(small, nn.ReLU()), accuracy(small, nn.Identity())
    assert 0.2 < nearest < 0.3
    assert straight > nearest + 0.05
    assert bent > straight + 0.03


def test_without_clearing_the_tiny_network_stays_near_chance(small):
    assert accuracy(small, nn.ReLU(), fit_without_clearing, lr=0.2) < 0.2


# ---- one batch -------------------------------------------------------------------------------------------------------


def last_loss(splits, mistake="", wrong_labels=False):
    """The loss after 60 steps on one batch of 32 images."""
    images, labels = normalize(splits["train"].images[:32]).flatten(1), splits["train"].labels[:32]
    labels = (labels + 1 + torch.arange(32) % 9) % 10 if wrong_labels else labels
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)  # another than the lesson's
        network = nn.Sequential(nn.Linear(3072, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = torch.optim.SGD(network.parameters(), 0.05)
    for _ in range(60):
        if mistake != "never cleared":
            optimizer.zero_grad()
        logits = network(images)
        loss = F.cross_entropy(logits.softmax(1) if mistake == "two softmaxes" else logits, labels)
        loss.backward()
        if mistake == "cleared too late":
            optimizer.zero_grad()
        optimizer.step()
    return loss.item()


def test_one_batch_shows_two_of_three_bugs_and_flatters_the_forgotten_zero_grad(splits):
    right = last_loss(splits)
    assert right < 0.05
    assert last_loss(splits, "never cleared") < right
    assert last_loss(splits, "two softmaxes") > np.log(1 + 9 / np.e) > 1.46
    assert last_loss(splits, "cleared too late") > 2


def test_wrong_labels_are_learned_by_heart_as_well(splits):
    assert last_loss(splits, wrong_labels=True) < 0.1


def test_page_resnet_learns_eight_images_in_a_dozen_steps(splits):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        network = PageResNet()
    batch = normalize(splits["train"].images[:8]), splits["train"].labels[:8]
    losses = fit(network, torch.optim.SGD(network.parameters(), 0.1, momentum=0.9), [batch] * 12)
    assert losses[-1] < 0.1 * losses[0]

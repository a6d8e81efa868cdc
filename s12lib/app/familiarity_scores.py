"""Scores of familiarity that look inside the network, to be held against those that see its logits only.

The app takes none of them: the page in the browser has only what the exported file gives out, and app, page and card
shall say the same of an image. Lesson 09 compares them. Measured on 2026-11-28 with the shipped weights, 5,000 training
images, a threshold from half of the test set and 250 strangers of a kind: the energy warns of 4.3% of the other half
and 52% of pieces of photographs, with the 10th neighbour of 4.0% and 88%. Of the app's own temple, flower and face the
energy warns of none, the two together of the flower, and none of these scores of all three. What the exported file does
give out, logits and class maps, held nothing better: statistics of the maps, alone or added to the energy, warned of
59% of the pieces at best, but ranked them below real images less surely (AUROC 0.909 against 0.920).
"""

import numpy as np
import torch
from torch import nn

from s12lib.data.pixels import as_tensor, normalize
from s12lib.inference import evaluating

FeatureScores = dict[str, dict[str, torch.Tensor]]


def features_and_logits(network: nn.Module, images: np.ndarray, chunk: int = 250) -> tuple[torch.Tensor, torch.Tensor]:
    """The mean over all places of layer2's activations, ``(N, 256)``, and the logits ``(N, classes)``, in one pass.

    ``images (N, 32, 32, 3)`` uint8. Layer2 comes before the last layer, which keeps little but what tells the classes
    apart: that is much of why it is the better place to look for what is strange.
    """
    features, logits = [], []
    with evaluating(network):
        for part in as_tensor(images).split(chunk):
            middle = network.layer2(network.layer1(network.prep(normalize(part))))  # type: ignore[operator]
            features.append(middle.mean((2, 3)))
            logits.append(network.head(network.layer3(middle)) * network.logit_scale)  # type: ignore[operator]
    return torch.cat(features), torch.cat(logits)


def neighbour_score(features: torch.Tensor, known: torch.Tensor, k: int = 10) -> torch.Tensor:
    """The cosine between each of ``(N, D)`` features and its k-th nearest of the known ``(M, D)``: ``(N,)``.

    Sun et al., "Out-of-Distribution Detection with Deep Nearest Neighbors", 2022, https://arxiv.org/abs/2204.06507
    """
    cosines = nn.functional.normalize(features) @ nn.functional.normalize(known).T
    return cosines.topk(min(k, len(known)), dim=1).values[:, -1]


def class_distance_score(features: torch.Tensor, known: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Minus the Mahalanobis distance of ``(N, D)`` features to the nearest class of the known ``(M, D)``: ``(N,)``.

    Lee et al., "A Simple Unified Framework for Detecting Out-of-Distribution Samples", 2018,
    https://arxiv.org/abs/1807.03888, with a thousandth of the mean variance added to each.
    """
    known, features = known.double(), features.double()
    classes, of = labels.unique(return_inverse=True)
    means = torch.stack([known[of == k].mean(0) for k in range(len(classes))])
    spread = known - means[of]
    covariance = spread.T @ spread / len(known)
    covariance += 1e-3 * covariance.diagonal().mean() * torch.eye(len(covariance), dtype=covariance.dtype)
    factor = torch.linalg.cholesky(covariance)
    white = [torch.linalg.solve_triangular(factor, (features - mean).T, upper=False).norm(dim=0) for mean in means]
    return -torch.stack(white).amin(0).float()


def residual_score(
    features: torch.Tensor, logits: torch.Tensor, known: torch.Tensor, known_logits: torch.Tensor, kept: int = 64
) -> torch.Tensor:
    """ViM: the energy, less what of ``(N, D)`` features lies outside the ``kept`` main directions of the known ones.

    Wang et al., "ViM: Out-of-Distribution with Virtual-Logit Matching", 2022, https://arxiv.org/abs/2203.10807
    """
    mean = known.mean(0)
    outside = torch.linalg.svd(known - mean, full_matrices=True).Vh[kept:]
    scale = known_logits.amax(1).mean() / ((known - mean) @ outside.T).norm(dim=1).mean()
    return logits.logsumexp(1) - scale * ((features - mean) @ outside.T).norm(dim=1)


def compared_scores(
    network: nn.Module, known: np.ndarray, labels: torch.Tensor, kinds: dict[str, np.ndarray], familiar: str = "test"
) -> FeatureScores:
    """By score, then by kind of images: scores ``(N,)``, the higher, the more familiar.

    ``known (M, 32, 32, 3)`` uint8 are training images with their labels; ``familiar`` is the kind whose mean and
    spread make two scores comparable where they are added.
    """
    bank, bank_logits = features_and_logits(network, known)
    scores: FeatureScores = {}
    for kind, images in kinds.items():
        features, logits = features_and_logits(network, images)
        for name, score in {
            "confidence": logits.softmax(1).amax(1),
            "energy": logits.logsumexp(1),
            "classes' distance": class_distance_score(features, bank, labels),
            "ViM": residual_score(features, logits, bank, bank_logits),
            "10th neighbour": neighbour_score(features, bank),
        }.items():
            scores.setdefault(name, {})[kind] = score
    together = ("energy", "10th neighbour")
    units = {name: (scores[name][familiar].mean(), scores[name][familiar].std()) for name in together}
    scores["energy + neighbour"] = {
        kind: sum((scores[name][kind] - mean) / spread for name, (mean, spread) in units.items())  # type: ignore[misc]
        for kind in kinds
    }
    return scores

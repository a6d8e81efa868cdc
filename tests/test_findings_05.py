"""What lesson 05 finds on CIFAR-10, measured again: each stated direction fails here when it no longer holds."""

import copy

import pytest
import torch
from pytorch_grad_cam import FinerCAM
from pytorch_grad_cam.utils.model_targets import FinerWeightedTarget
from torch import nn
from torch.nn import functional as F

from s12lib import MEAN, PageResNet, gradcam, load_pretrained, normalize
from s12lib.exercises.lesson05 import listen
from s12lib.exercises.lesson05_occlusion import occlusion_map
from s12lib.explain import class_maps, enlarge
from s12lib.explain.guided import guided_backpropagation
from s12lib.explain.maps import gaussian_maps
from s12lib.explain.sanity import rank_correlation, untrained
from s12lib.inference import logits_of

COUNT = 2000  # of the test set, as in the lesson
MIDDLE = torch.tensor([5, 6, 9, 10])  # of 4 × 4 places


@pytest.fixture(scope="module")
def network():
    return load_pretrained()


@pytest.fixture(scope="module")
def exam(splits, network):
    """``(images, logits, labels)`` of the lesson's test images."""
    images, labels = splits["test"].images[:COUNT], splits["test"].labels[:COUNT]
    return images, logits_of(network, images), labels


@pytest.fixture(scope="module")
def mistakes(exam):
    """``(images, said, true)``, the surest first."""
    images, logits, labels = exam
    preds = logits.argmax(1)
    wrong = torch.nonzero(preds != labels)[:, 0]
    wrong = wrong[logits.softmax(1).amax(1)[wrong].argsort(descending=True)]
    return images[wrong], preds[wrong], labels[wrong]


@pytest.fixture(scope="module")
def two_maps(network, mistakes):
    """HiRes-CAM at layer2 for what was said, and for what is true."""
    images, said, true = mistakes
    return hires(network, images, said), hires(network, images, true)


def hires(model, images, classes):
    return gradcam(model, images, classes, "layer2", "hirescam", raw=True)


def hottest(maps):
    return maps.flatten(1).argmax(1)


def overlap(one, other):
    one, other = (m / m.sum((1, 2), keepdim=True).clamp(min=1e-9) for m in (one, other))
    return torch.minimum(one, other).sum((1, 2)).mean().item()


# ---- without CIFAR-10 ------------------------------------------------------------------------------------------------


def without_in_place(network):
    copied = copy.deepcopy(network)
    for module in copied.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    return copied


@pytest.mark.parametrize("name", [name for name, _ in PageResNet().named_modules() if name])
def test_listen_is_right_at_any_layer_also_before_a_relu_in_place(network, name):
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    heard, logits = listen(network.get_submodule(name), network, images)
    kept, honest = [], without_in_place(network)
    honest.get_submodule(name).register_forward_hook(lambda _module, _args, output: kept.append(output.detach()))
    torch.testing.assert_close(logits, honest(images))
    torch.testing.assert_close(heard, kept[0])
    (gradient,) = torch.autograd.grad(logits.sum(), heard)
    assert gradient.abs().max() > 0


def test_finercam_at_layer3_is_the_difference_of_two_class_maps(network):
    images = (255 * torch.rand(1, 32, 32, 3, generator=torch.Generator().manual_seed(2))).byte()
    maps = class_maps(network, images)[0]
    best, second = network(normalize(images))[0].topk(2).indices.tolist()
    cam = FinerCAM(network, [network.layer3])
    library = cam(normalize(images), [FinerWeightedTarget(best, [second], alpha=1)])
    cam.base_cam.activations_and_grads.release()
    network.zero_grad(set_to_none=True)
    finer = enlarge((maps[best] - maps[second]).relu()[None])
    finer = (finer - finer.min()) / (finer.max() - finer.min())
    torch.testing.assert_close(torch.from_numpy(library).float(), finer, rtol=0, atol=1e-4)


# ---- on CIFAR-10 -----------------------------------------------------------------------------------------------------


def test_a_plain_hook_before_the_relu_keeps_what_the_relu_left(network, mistakes):
    kept = []
    handle = network.prep[1].register_forward_hook(lambda _module, _args, output: kept.append(output))
    with torch.no_grad():
        network(normalize(mistakes[0][:1]))
        put_out = network.prep[:2](normalize(mistakes[0][:1]))
    handle.remove()
    assert kept[0].min() == 0
    assert put_out.min() < -5


def test_at_layer3_one_place_of_a_channel_moves_the_logit_and_nothing_cancels(network, mistakes):
    left = {}
    for name in ("prep", "layer2", "layer3"):
        activations, logits = listen(network.get_submodule(name), network, normalize(mistakes[0][:20]))
        (g,) = torch.autograd.grad(logits.amax(1).sum(), activations)
        left[name] = (g.mean((2, 3)).abs().sum() / g.abs().mean((2, 3)).sum()).item()
    assert (g != 0).sum((2, 3)).max() == 1
    assert left["prep"] < 0.3
    assert left["layer2"] < 0.6
    assert left["layer3"] == pytest.approx(1)


def test_gradcam_at_layer3_is_hottest_in_the_middle_of_every_mistake(network, mistakes):
    usual = gradcam(network, *mistakes[:2], raw=True)
    assert torch.isin(hottest(usual), MIDDLE).float().mean() > 0.97


def test_answer_and_truth_share_the_hottest_place_less_often_than_chance_and_half_of_the_heat(two_maps):
    one, other = two_maps
    same = hottest(one)[:, None] == hottest(other)
    own = same.diagonal().sum().item()
    assert own < 0.5 * (same.sum().item() - own) / (len(same) - 1)
    assert overlap(one, other) < 0.6 * overlap(one, other.roll(1, 0))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_weights_of_the_same_angles_on_other_channels_do_not_keep_the_maps_apart(network, mistakes, two_maps, seed):
    images, said, true = mistakes
    shuffled = copy.deepcopy(network)
    weight = shuffled.head[-1].weight
    deal = torch.randperm(512, generator=torch.Generator().manual_seed(seed))
    weight.data = weight.data[:, deal]
    before = network.head[-1].weight.detach()
    torch.testing.assert_close(weight.detach() @ weight.detach().T, before @ before.T)
    assert overlap(hires(shuffled, images, said), hires(shuffled, images, true)) > 1.7 * overlap(*two_maps)


def test_nor_does_the_part_of_one_classs_weights_that_points_away_from_the_others(network, mistakes, two_maps):
    """Without that part, too, they stay apart: the angle between the two rows is nearly a right one as it is."""
    _, said, true = mistakes
    weight = network.head[-1].weight.detach()
    assert abs(F.cosine_similarity(weight[said], weight[true]).mean()) < 0.15
    assert weight.mean(0).norm() < 0.01 * weight.norm(dim=1).mean()


def test_runner_up_of_an_unsure_right_answer_is_as_far_from_it(network, exam, two_maps):
    images, logits, labels = exam
    confidence, preds = logits.softmax(1).max(1)
    unsure = confidence.where(preds == labels, torch.tensor(2.0)).argsort()[: len(two_maps[0])]
    answer, runner_up = logits[unsure].topk(2).indices.T
    assert overlap(hires(network, images[unsure], answer), hires(network, images[unsure], runner_up)) < 0.16


def covered(images, places, side):
    images, step = images.clone(), 32 // side
    for image, place in zip(images, places.tolist(), strict=True):
        row, column = (step * at + step // 2 for at in divmod(place, side))
        image[max(row - 4, 0) : row + 4, max(column - 4, 0) : column + 4] = (255 * torch.tensor(MEAN)).round().byte()
    return images


def test_covering_the_evidence_for_the_wrong_class_fixes_far_more_mistakes_than_covering_anything_else(
    network, mistakes, two_maps
):
    images, said, true = mistakes
    rows = torch.arange(len(images))
    A, logits = listen(network.layer2, network, normalize(images))
    (g,) = torch.autograd.grad((logits[rows, said] - logits[rows, true]).sum(), A)
    usual = gradcam(network, images, said, raw=True)

    def fixed(places, side):
        return (logits_of(network, covered(images, places, side)).argmax(1) == true).sum().item()

    ours, difference = fixed(hottest(two_maps[0]), 8), fixed(hottest((g * A).sum(1).detach()), 8)
    middle, layer3 = fixed(torch.zeros(len(images)).long(), 1), fixed(hottest(usual), 4)
    elsewhere, truth = fixed(hottest(two_maps[0]).roll(1), 8), fixed(hottest(two_maps[1]), 8)
    assert difference > ours > 1.5 * layer3
    assert abs(layer3 - middle) < 0.1 * len(images)
    assert ours > 2 * elsewhere
    assert truth < elsewhere


def test_guided_backpropagation_hardly_notices_what_hirescam_notices(network, mistakes):
    images, said, true = (part[:30] for part in mistakes)
    fresh, forgetful = untrained(network), copy.deepcopy(network)
    for name in ("layer3", "head"):
        forgetful.get_submodule(name).load_state_dict(fresh.get_submodule(name).state_dict())
    guided, ours = guided_backpropagation(network, images, said), hires(network, images, said)
    assert rank_correlation(guided_backpropagation(forgetful, images, said), guided).mean() > 0.75
    assert rank_correlation(guided_backpropagation(network, images, true), guided).mean() > 0.75
    assert rank_correlation(hires(forgetful, images, said), ours).mean() < 0.4
    assert rank_correlation(hires(network, images, true), ours).mean() < 0


def test_of_three_methods_hirescam_comes_nearest_to_occlusion(network, mistakes):
    images, said = mistakes[0][:30], mistakes[1][:30]
    drops = []
    with torch.no_grad():
        for image, c in zip(normalize(images), said, strict=True):
            drops.append(occlusion_map(lambda batch, c=c: network(batch)[:, c], image, 8, 8))
    drops = torch.stack(drops) - torch.stack(drops).amin((1, 2), keepdim=True)
    alike = {
        name: rank_correlation(F.adaptive_avg_pool2d(maps, 4), drops).mean().item()
        for name, maps in {
            "hirescam": hires(network, images, said),
            "guided": guided_backpropagation(network, images, said),
            "gradcam": gradcam(network, images, said, raw=True),
            "gaussian": gaussian_maps(30),
        }.items()
    }
    assert min(alike["guided"], alike["gradcam"]) > 0
    assert alike["hirescam"] > max(alike["guided"], alike["gradcam"], alike["gaussian"]) + 0.1

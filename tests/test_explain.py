"""What explain promises: the true Grad-CAM, whatever state the model is in, and a model left as it was."""

import copy
import gc
import sys
import warnings
from functools import cache, partial

import numpy as np
import pytest
import torch
from narrow_network import NarrowResNet, lively
from pytorch_grad_cam import GradCAM, GradCAMPlusPlus, HiResCAM, LayerCAM
from pytorch_grad_cam.utils.image import scale_cam_image
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from pytorch_grad_cam.utils.svd_on_activations import get_2d_projection
from torch import nn
from torch.nn import functional

from s12lib.data.pixels import normalize
from s12lib.data.shapes import draw_shapes
from s12lib.explain import LAYERS, cam, class_maps, gradcam
from s12lib.explain.closed_form import closed_form_gradcam
from s12lib.explain.methods import METHODS
from s12lib.inference import logits_of
from s12lib.model import PageResNet

SIDES = {"prep": 32, "layer1": 16, "layer2": 8, "layer3": 4}
IMAGES = draw_shapes(6, 0, "test")[0]
TARGETS = [3, 0, 9, 9, 5, 1]


@cache
def narrow() -> nn.Module:
    return lively(NarrowResNet())


@cache
def wide() -> nn.Module:
    return lively(PageResNet())


@pytest.fixture
def model() -> nn.Module:
    """A network of the test's own, to be changed at will."""
    return copy.deepcopy(narrow())


def activations_and_gradients(model, images, targets, layer):
    """The layer's output A and ∂(target's logit)/∂A, both ``(N, C, h, w)``, by one plain hook."""
    kept = []
    handle = model.get_submodule(layer).register_forward_hook(lambda _module, _args, output: kept.append(output))
    scores = model(normalize(images))
    handle.remove()
    target_scores = scores[torch.arange(len(images)), torch.as_tensor(targets)]
    (gradients,) = torch.autograd.grad(target_scores.sum(), kept[0])
    return kept[0].detach(), gradients, target_scores.detach()


def gradcam_by_hand(model, images, targets, layer="layer3"):
    activations, gradients, _ = activations_and_gradients(model, images, targets, layer)
    weights = gradients.mean(dim=(2, 3), keepdim=True)
    return (weights * activations).sum(dim=1).relu()


def enlarged_by_hand(maps):
    large = functional.interpolate(maps[:, None], (32, 32), mode="bilinear", align_corners=False)[:, 0]
    return torch.stack([one / one.max() if one.max() > 0 else one for one in large])


def hooks_of(model):
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return sum(len(getattr(module, kind)) for module in model.modules() for kind in kinds)


# --- The oracle ---


def test_closed_form_plain_hooks_and_library_give_the_same_map():
    targets = [1, 4, 8, 9, 2, 6]  # classes that something speaks for
    library = gradcam(wide(), IMAGES, targets, raw=True)
    assert library.std(dim=(1, 2)).min() > 0.01, "the maps to be compared are no blanks"
    torch.testing.assert_close(library, closed_form_gradcam(wide(), IMAGES, targets), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(library, gradcam_by_hand(wide(), IMAGES, targets), atol=1e-5, rtol=1e-5)
    normalised = gradcam(wide(), IMAGES, targets)
    for raw in (closed_form_gradcam(wide(), IMAGES, targets), gradcam_by_hand(wide(), IMAGES, targets)):
        torch.testing.assert_close(normalised, enlarged_by_hand(raw), atol=1e-4, rtol=0)


def test_the_gradient_weighted_sum_of_activations_is_the_logit():
    activations, gradients, target_scores = activations_and_gradients(wide(), IMAGES, TARGETS, "layer3")
    torch.testing.assert_close((gradients * activations).sum(dim=(1, 2, 3)), target_scores, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(logits_of(wide(), IMAGES)[range(6), TARGETS], target_scores, atol=1e-5, rtol=1e-5)
    assert target_scores.std() > 0.1


def test_class_maps_are_gradcam_before_its_relu_for_every_class():
    maps = class_maps(narrow(), IMAGES)
    assert maps.shape == (6, 10, 4, 4)
    assert (maps < 0).any()
    for target in range(10):
        torch.testing.assert_close(maps[:, target].relu(), gradcam(narrow(), IMAGES, target, raw=True))


def test_the_closed_form_explains_the_predicted_class_by_default():
    predicted = logits_of(narrow(), IMAGES).argmax(dim=1)
    assert torch.equal(closed_form_gradcam(narrow(), IMAGES), closed_form_gradcam(narrow(), IMAGES, predicted))


# --- The methods ---


@pytest.mark.parametrize("layer", LAYERS)
def test_every_layer_gives_the_map_of_plain_hooks_at_its_own_resolution(layer):
    raw = gradcam(narrow(), IMAGES, TARGETS, layer=layer, raw=True)
    assert raw.shape == (6, SIDES[layer], SIDES[layer])
    assert raw.max() > 0
    torch.testing.assert_close(raw, gradcam_by_hand(narrow(), IMAGES, TARGETS, layer))


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize(
    ("method", "plain"),
    [("gradcam", GradCAM), ("gradcam++", GradCAMPlusPlus), ("hirescam", HiResCAM), ("layercam", LayerCAM)],
)
def test_the_maps_are_the_librarys_before_its_min_max_normalisation(model, method, plain, layer):
    cam = plain(model, [model.get_submodule(layer)])
    expected = cam(normalize(IMAGES), [ClassifierOutputTarget(target) for target in TARGETS])
    cam.activations_and_grads.release()
    raw = gradcam(narrow(), IMAGES, TARGETS, layer, method, raw=True)
    stretched = scale_cam_image(scale_cam_image(raw.numpy(), (32, 32)))
    assert (expected.max(axis=(1, 2)) > 0.9).any()
    np.testing.assert_allclose(stretched, expected, atol=1e-4)


def test_hirescam_and_layercam_follow_their_formulas():
    activations, gradients, _ = activations_and_gradients(narrow(), IMAGES, TARGETS, "layer2")
    hires, layer = (gradcam(narrow(), IMAGES, TARGETS, "layer2", name, raw=True) for name in ("hirescam", "layercam"))
    torch.testing.assert_close(hires, (gradients * activations).sum(dim=1).relu())
    torch.testing.assert_close(layer, (gradients.relu() * activations).sum(dim=1))


def test_eigencam_is_the_first_principal_component_with_its_larger_extreme_positive():
    activations, _, _ = activations_and_gradients(narrow(), IMAGES, TARGETS, "layer2")
    maps = gradcam(narrow(), IMAGES, TARGETS, "layer2", "eigencam", raw=True)
    for one, expected in zip(activations.flatten(2).double(), maps, strict=True):
        points = one.T - one.T.mean(dim=0)
        component = points @ torch.linalg.eigh(points.T @ points).eigenvectors[:, -1]
        component = component * component[component.abs().argmax()].sign()
        torch.testing.assert_close(expected, component.relu().reshape(8, 8).float(), atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("layer", LAYERS)
def test_eigencam_is_the_librarys_up_to_its_sign(layer):
    activations, _, _ = activations_and_gradients(narrow(), IMAGES, TARGETS, layer)
    ours = gradcam(narrow(), IMAGES, method="eigencam", layer=layer, raw=True).numpy()
    for one, theirs in zip(ours, get_2d_projection(activations.detach().numpy()), strict=True):
        assert min(abs(one - np.maximum(sign * theirs, 0)).max() for sign in (1, -1)) < 1e-3 * abs(theirs).max()


def test_eigencam_does_not_depend_on_the_sign_that_lapack_chooses(monkeypatch):
    before = gradcam(narrow(), IMAGES, method="eigencam", raw=True)
    svd = np.linalg.svd

    def other_sign(matrix, **options):
        u, s, vt = svd(matrix, **options)
        return -u, s, -vt

    monkeypatch.setattr(np.linalg, "svd", other_sign)
    assert torch.equal(gradcam(narrow(), IMAGES, method="eigencam", raw=True), before)


def test_random_maps_repeat_and_leave_the_global_generators_alone():
    network = narrow()
    np.random.seed(3)  # noqa: NPY002
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    torch_state = torch.get_rng_state()
    first = gradcam(network, IMAGES[[0, 0]], method="random", raw=True)
    assert torch.equal(gradcam(network, IMAGES[[0, 0]], method="random", raw=True), first)
    assert not torch.equal(first[0], first[1]), "each image has weights of its own"
    assert np.array_equal(np.random.get_state()[1], state)  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), torch_state)


def test_random_maps_do_not_depend_on_the_target():
    one, other = (gradcam(narrow(), IMAGES, target, method="random", raw=True) for target in (2, 7))
    assert torch.equal(one, other)


# --- The contract on what comes out ---


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("layer", LAYERS)
def test_normalised_maps_are_the_raw_ones_enlarged_and_divided_by_their_maximum(method, layer):
    raw = gradcam(narrow(), IMAGES[:2], 4, layer, method, raw=True)
    maps = gradcam(narrow(), IMAGES[:2], 4, layer, method)
    assert maps.shape == (2, 32, 32)
    assert maps.dtype == raw.dtype == torch.float32
    assert maps.device == raw.device == torch.device("cpu")
    assert not maps.requires_grad
    assert maps.min() >= 0
    assert set(maps.amax(dim=(1, 2)).tolist()) <= {0.0, 1.0}
    torch.testing.assert_close(maps, enlarged_by_hand(raw))


def test_a_map_without_a_positive_value_stays_zero(model):
    with torch.no_grad():
        model.head[-1].weight[7] = -model.head[-1].weight[7].abs()
    for method in ("gradcam", "gradcam++", "hirescam", "layercam"):
        assert torch.equal(gradcam(model, IMAGES, 7, method=method), torch.zeros(6, 32, 32))
    with torch.no_grad():
        model.layer3[0].weight.zero_()
        for norm in (model.layer3[2], model.layer3[-1][1], model.layer3[-1][4]):
            norm.bias.fill_(-10)
    for method in METHODS:
        assert torch.equal(gradcam(model, IMAGES, 2, method=method), torch.zeros(6, 32, 32)), "a layer that is silent"


def test_the_predicted_class_is_explained_by_default():
    predicted = logits_of(narrow(), IMAGES).argmax(dim=1)
    assert torch.equal(gradcam(narrow(), IMAGES), gradcam(narrow(), IMAGES, predicted))
    other = (predicted + 1) % 10
    assert not torch.equal(gradcam(narrow(), IMAGES, raw=True), gradcam(narrow(), IMAGES, other, raw=True))


@pytest.mark.parametrize(
    "targets",
    [[5] * 6, (5,) * 6, np.full(6, 5, np.uint8), np.int64(5), torch.full((6,), 5), torch.tensor(5, dtype=torch.uint8)],
    ids=["list", "tuple", "uint8 array", "numpy integer", "tensor", "0-d tensor"],
)
def test_targets_may_be_given_in_any_usual_way(targets):
    assert torch.equal(gradcam(narrow(), IMAGES, targets), gradcam(narrow(), IMAGES, 5))


def test_each_image_has_a_target_of_its_own():
    maps = gradcam(narrow(), IMAGES, TARGETS, raw=True)
    for i, target in enumerate(TARGETS):
        torch.testing.assert_close(maps[i], gradcam(narrow(), IMAGES[i : i + 1], target, raw=True)[0])


@pytest.mark.parametrize("method", METHODS)
def test_a_large_batch_is_worked_off_in_chunks_without_a_seam(monkeypatch, method):
    whole = gradcam(narrow(), IMAGES, TARGETS, "layer2", method, raw=True)
    predicted = closed_form_gradcam(narrow(), IMAGES)
    monkeypatch.setattr(cam, "CHUNK", 4)
    torch.testing.assert_close(gradcam(narrow(), IMAGES, TARGETS, "layer2", method, raw=True), whole)
    torch.testing.assert_close(closed_form_gradcam(narrow(), IMAGES), predicted)


def test_mirrored_and_read_only_arrays_single_images_and_tensors_are_taken_without_a_warning():
    expected = gradcam(narrow(), np.ascontiguousarray(IMAGES[:, :, ::-1]))
    frozen = IMAGES.copy()
    frozen.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torch.equal(gradcam(narrow(), IMAGES[:, :, ::-1]), expected)
        assert torch.equal(gradcam(narrow(), torch.from_numpy(IMAGES).flip(2)), expected)
        assert torch.equal(gradcam(narrow(), frozen), gradcam(narrow(), IMAGES))
        assert gradcam(narrow(), IMAGES[0]).shape == (1, 32, 32)


# --- Whatever state the model and the caller are in ---


@pytest.mark.parametrize(
    "surroundings",
    [torch.no_grad, torch.inference_mode, partial(torch.autocast, "cpu", dtype=torch.bfloat16)],
    ids=["no_grad", "inference_mode", "autocast"],
)
def test_the_callers_context_changes_nothing(surroundings):
    expected = gradcam(narrow(), IMAGES, raw=True), closed_form_gradcam(narrow(), IMAGES)
    with surroundings():
        images = torch.tensor(IMAGES)
        found = gradcam(narrow(), images, raw=True), closed_form_gradcam(narrow(), images)
    assert torch.equal(found[0], expected[0])
    assert torch.equal(found[1], expected[1])


def test_a_model_made_in_inference_mode_can_be_explained():
    with torch.inference_mode():
        model = lively(NarrowResNet())
        maps = gradcam(model, IMAGES, layer="layer1")
    assert torch.equal(maps, gradcam(narrow(), IMAGES, layer="layer1"))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_a_model_of_another_dtype_is_explained_in_float32(model, dtype):
    model = model.to(dtype)
    assert torch.equal(gradcam(model, IMAGES, raw=True), gradcam(copy.deepcopy(model).float(), IMAGES, raw=True))
    assert all(parameter.dtype == dtype for parameter in model.parameters())


def test_memory_format_training_mode_and_frozen_weights_change_no_map(model):
    expected = gradcam(narrow(), IMAGES, TARGETS, "layer1", raw=True)
    model = model.to(memory_format=torch.channels_last).train().requires_grad_(False)
    torch.testing.assert_close(gradcam(model, IMAGES, TARGETS, "layer1", raw=True), expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="on a GPU (a CUDA device is needed)")
def test_a_gpu_gives_the_same_map_on_the_cpu(model):
    maps = gradcam(model.cuda(), torch.from_numpy(IMAGES).cuda(), raw=True)
    assert maps.device == torch.device("cpu")
    torch.testing.assert_close(maps, gradcam(narrow(), IMAGES, raw=True), atol=1e-3, rtol=1e-2)  # TF32 convolutions
    torch.testing.assert_close(maps, closed_form_gradcam(model, IMAGES), atol=1e-3, rtol=1e-2)


class Broken(nn.Module):
    def forward(self, _x):
        raise IndexError("planted")


@pytest.mark.parametrize("broken", [False, True], ids=["works", "raises"])
@pytest.mark.parametrize("method", METHODS)
def test_the_model_is_left_as_it_was(model, method, broken):
    if broken:
        model.head[0] = Broken()
    model.train()
    model.layer2.eval()
    model.prep.requires_grad_(False)
    for parameter in model.layer3.parameters():
        parameter.grad = torch.full_like(parameter, 0.5)
    grads = {name: parameter.grad for name, parameter in model.named_parameters()}
    before = copy.deepcopy(model.state_dict())
    modes = [module.training for module in model.modules()]
    asked = [parameter.requires_grad for parameter in model.parameters()]

    if broken:
        with pytest.raises(IndexError, match="planted"):  # which the library's own context manager would swallow
            gradcam(model, IMAGES, method=method)
    else:
        gradcam(model, IMAGES, method=method)

    assert hooks_of(model) == 0
    assert [module.training for module in model.modules()] == modes
    assert [parameter.requires_grad for parameter in model.parameters()] == asked
    for name, parameter in model.named_parameters():
        assert parameter.grad is grads[name]
        assert parameter.grad is None or (parameter.grad == 0.5).all()
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert torch.is_grad_enabled()


def call_every_method(model, count):
    for i in range(count):
        method = list(METHODS)[i % len(METHODS)]
        gradcam(model, IMAGES[:1], method=method)
        assert hooks_of(model) == 0


def test_thirty_calls_leave_no_tensor_behind_even_without_the_garbage_collector(model):
    def tensors():
        return sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())

    call_every_method(model, 6)
    gc.collect()
    gc.disable()
    try:
        before = tensors()
        call_every_method(model, 30)
        assert tensors() == before
    finally:
        gc.enable()


@pytest.mark.slow
def test_memory_is_flat_over_a_thousand_calls():
    resource = pytest.importorskip("resource", reason="on POSIX")
    unit = 1 if sys.platform == "darwin" else 1024
    call_every_method(wide(), 60)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    call_every_method(wide(), 1000)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit - before < 64 * 2**20, "two copies of the network"


# --- Wrong input ---

NAN = np.full((2, 32, 32, 3), np.nan, np.float32)


@pytest.mark.parametrize("function", [gradcam, closed_form_gradcam])
@pytest.mark.parametrize(
    ("images", "targets", "error", "message"),
    [
        (IMAGES / 255, None, TypeError, "images_uint8 must be uint8 .*float64"),
        (NAN, None, TypeError, "images_uint8 must be uint8 .*float32"),
        (IMAGES.astype(np.int64) + 200, None, TypeError, "images_uint8 must be uint8 .*int64"),
        (torch.from_numpy(IMAGES).float(), None, TypeError, "images_uint8 must be uint8 .*float32"),
        (IMAGES.tolist(), None, TypeError, "images_uint8 must be an array or a tensor, but it is a list"),
        (None, None, TypeError, "images_uint8 must be an array or a tensor, but it is a NoneType"),
        (IMAGES.transpose(0, 3, 1, 2), None, ValueError, r"images_uint8 must have shape .* \(6, 3, 32, 32\)"),
        (IMAGES[..., 0], None, ValueError, r"images_uint8 must have shape .* \(6, 32, 32\)"),
        (IMAGES[:, :28, :28], None, ValueError, r"images_uint8 must have shape .* \(6, 28, 28, 3\)"),
        (IMAGES[:0], None, ValueError, r"images_uint8 must have shape .* N at least 1.* \(0, 32, 32, 3\)"),
        (IMAGES, 10, ValueError, "targets must be 0 to 9, but 10 is among them"),
        (IMAGES, -1, ValueError, "targets must be 0 to 9, but -1 is among them"),
        (IMAGES, [0, 1, 2, 3, 4, 12], ValueError, "targets must be 0 to 9, but 12 is among them"),
        (IMAGES, [1, 2], ValueError, r"targets must be one for each of the 6 images, but its shape is \(2,\)"),
        (IMAGES, [], ValueError, r"targets must be one for each of the 6 images, but its shape is \(0,\)"),
        (IMAGES, np.zeros((6, 10), int), ValueError, r"targets must be one for each .* \(6, 10\)"),
        (IMAGES, 3.0, TypeError, "targets must be whole numbers, but their type is torch.float32"),
        (IMAGES, True, TypeError, "targets must be whole numbers, but their type is torch.bool"),
        (IMAGES, "cat", TypeError, "targets must be None, a class number or one for each image, but it is 'cat'"),
    ],
)
def test_wrong_images_and_targets_are_named(function, images, targets, error, message):
    with pytest.raises(error, match=message):
        function(narrow(), images, targets)


@pytest.mark.parametrize("layer", ["layer4", "head", "conv1", "", None, 3, ["layer3"]])
def test_an_unknown_layer_is_refused_with_the_names_of_all(layer):
    with pytest.raises(ValueError, match="layer must be one of prep, layer1, layer2, layer3, but it is"):
        gradcam(narrow(), IMAGES, layer=layer)


@pytest.mark.parametrize("method", ["GradCAM", "scorecam", "", None, ["gradcam"]])
def test_an_unknown_method_is_refused_with_the_names_of_all(method):
    names = r"gradcam, gradcam\+\+, eigencam, hirescam, layercam, random"
    with pytest.raises(ValueError, match=f"method must be one of {names}, but it is"):
        gradcam(narrow(), IMAGES, method=method)


@pytest.mark.parametrize("wrong", [nn.Linear(2, 2), "page_resnet", None])
@pytest.mark.parametrize("function", [gradcam, closed_form_gradcam, class_maps])
def test_a_model_without_the_layers_is_refused(function, wrong):
    with pytest.raises(
        TypeError, match="model must be a network with the children prep, layer1, layer2, layer3 and head"
    ):
        function(wrong, IMAGES)


@pytest.mark.parametrize("wrap", [nn.DataParallel, torch.compile], ids=["DataParallel", "compile"])
def test_a_wrapped_model_is_explained_as_the_one_inside(wrap, model):
    assert torch.equal(gradcam(wrap(model), IMAGES[:1]), gradcam(model, IMAGES[:1]))


def test_activations_kept_on_a_module_are_no_obstacle(model):
    def keep(module, arguments, output):
        module.kept, module.listed = output, [{"again": output * 2}]

    expected = gradcam(model, IMAGES[:1])
    handle = model.layer3.register_forward_hook(keep)
    model(normalize(IMAGES[:1])).sum().backward()
    handle.remove()
    kept = model.layer3.kept
    assert torch.equal(gradcam(model, IMAGES[:1]), expected)
    assert model.layer3.kept is kept
    assert kept.grad_fn is not None

"""The learning-rate schedule, whitening, averaging and flip TTA do what their formulas say, in real training runs."""

import itertools

import numpy as np
import pytest
import torch
from pytorch_lightning.callbacks import Callback
from torch import nn
from torch.nn import functional as F

from s12lib.classifier import Classifier, one_cycle, whitening_matrix
from s12lib.data.pixels import normalize
from s12lib.training.signals import StopOnSignal

STEPS = 12  # two epochs of six batches


class Recorder(Callback):
    """Writes down what the optimiser used at each step, and the weights and buffers that came out."""

    def __init__(self) -> None:
        self.lrs: list[list[float]] = []
        self.states: list[dict[str, torch.Tensor]] = []

    def on_before_optimizer_step(self, trainer, pl_module, optimizer) -> None:
        self.lrs.append([group["lr"] for group in optimizer.param_groups])

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        self.states.append({name: value.clone() for name, value in pl_module.network.state_dict().items()})


@pytest.fixture
def run(tiny_network, shapes, quiet_trainer):
    """Trains the tiny network on Shapes for two epochs, and returns the classifier and what was recorded."""

    def run(data_settings: dict | None = None, **settings) -> tuple[Classifier, Recorder]:
        torch.manual_seed(0)
        classifier, recorder = Classifier(tiny_network, **settings), Recorder()
        trainer = quiet_trainer(callbacks=[recorder])
        trainer.fit(classifier, datamodule=shapes(**(data_settings or {})))
        assert len(recorder.states) == STEPS
        return classifier, recorder

    return run


def optimizer_of(classifier: Classifier, monkeypatch) -> torch.optim.Optimizer:
    monkeypatch.setattr(Classifier, "lr_fraction", lambda self, step: 1.0)  # the schedule asks the trainer
    return classifier.configure_optimizers()["optimizer"]


# ---- schedule --------------------------------------------------------------------------------------------------------

CYCLES = [(1, 0.2, 0.5), (2, 0.2, 0.5), (11, 0.2, 2), (24, 0.2, 2), (24, 0.5, 0), (100, 0.1, 5.5)]


@pytest.mark.parametrize(("epochs", "warmup", "final"), CYCLES)
def test_the_learning_rate_climbs_from_zero_peaks_once_and_ends_flat(epochs, warmup, final):
    def fraction(epoch: float) -> float:
        return one_cycle(epoch, epochs, warmup, final, 0.1)

    peak, flat = warmup * epochs, epochs - final
    assert fraction(0) == 0
    assert fraction(peak / 2) == pytest.approx(0.5)
    assert fraction(peak) == pytest.approx(1)
    assert fraction((peak + flat) / 2) == pytest.approx(0.55)
    assert fraction(flat) == fraction((flat + epochs) / 2) == fraction(epochs) == pytest.approx(0.1)
    fractions = [fraction(epochs * k / 1000) for k in range(1001)]
    top = fractions.index(max(fractions))
    assert top == pytest.approx(1000 * warmup, abs=1)
    assert fractions[: top + 1] == sorted(fractions[: top + 1])
    assert fractions[top:] == sorted(fractions[top:], reverse=True)


def test_without_warmup_the_first_step_is_taken_at_the_peak():
    assert one_cycle(0, 10, 0, 2, 0.1) == 1
    assert one_cycle(4, 10, 0, 2, 0.1) == pytest.approx(0.55)


def test_a_run_shorter_than_its_final_epochs_still_warms_up_and_ends_low():
    assert [one_cycle(k / 10, 1, 0.2, 2, 0.1) for k in (0, 1, 3, 10)] == pytest.approx([0, 0.5, 0.1, 0.1])


def test_the_optimizer_takes_each_step_at_the_schedules_own_rate(run):
    _, recorder = run(lr=0.3, bias_lr_multiplier=16, warmup=0.25, final_epochs=0.5, final_lr=0.2)
    fractions = [one_cycle(step / 6, 2, 0.25, 0.5, 0.2) for step in range(STEPS)]
    assert max(fractions) == 1
    assert [lrs[0] for lrs in recorder.lrs] == pytest.approx([0.3 * f for f in fractions])
    assert [lrs[1] for lrs in recorder.lrs] == pytest.approx([0.3 * 16 * f for f in fractions])


# ---- what is trained, and how fast -----------------------------------------------------------------------------------


@pytest.mark.parametrize("freeze", [True, False])
def test_every_parameter_is_in_the_group_that_the_recipe_says(freeze, monkeypatch):
    classifier = Classifier(lr=0.5, weight_decay=1e-3, bias_lr_multiplier=64, freeze_bn_weight=freeze, momentum=0.8)
    optimizer = optimizer_of(classifier, monkeypatch)
    names = {parameter: name for name, parameter in classifier.network.named_parameters()}
    norms = {name for name, module in classifier.network.named_modules() if isinstance(module, nn.BatchNorm2d)}
    weights, biases = ({names[p] for p in group["params"]} for group in optimizer.param_groups)
    assert biases == {f"{norm}.bias" for norm in norms}
    others = set(names.values()) - biases - {f"{norm}.weight" for norm in norms}
    assert weights == (others if freeze else set(names.values()) - biases)
    assert [(group["lr"], group["weight_decay"]) for group in optimizer.param_groups] == [(0.5, 1e-3), (32, 1e-3 / 64)]
    assert all(group["nesterov"] and group["momentum"] == 0.8 for group in optimizer.param_groups)


def test_batchnorm_over_several_devices_is_batchnorm_too(monkeypatch):
    classifier = Classifier()
    classifier.network = nn.SyncBatchNorm.convert_sync_batchnorm(classifier.network)
    _, biases = optimizer_of(classifier, monkeypatch).param_groups
    assert len(biases["params"]) == 8


def test_batchnorm_without_weights_has_nothing_to_learn(monkeypatch):
    classifier = Classifier()
    classifier.network.prep[1] = nn.BatchNorm2d(64, affine=False)
    weights, biases = optimizer_of(classifier, monkeypatch).param_groups
    assert len(biases["params"]) == 7
    assert all(isinstance(p, nn.Parameter) for p in weights["params"])


def test_frozen_batchnorm_weights_stay_at_one_while_the_biases_learn(run):
    classifier, recorder = run(freeze_bn_weight=True, lr=0.1)
    norm = classifier.network[1]
    assert all((state["1.weight"] == 1).all() for state in recorder.states)
    assert (norm.weight == 1).all()
    assert (norm.bias != 0).all()
    assert all(p.requires_grad for p in classifier.parameters()), "what is frozen is frozen in the optimiser"


def test_the_loss_is_cross_entropy_with_smoothed_labels(tiny_network):
    classifier = Classifier(tiny_network, label_smoothing=0.2).eval()
    images, labels = torch.randn(8, 3, 32, 32), torch.arange(8)
    targets = 0.8 * F.one_hot(labels, 10) + 0.2 / 10
    by_hand = -(targets * classifier(images).log_softmax(dim=1)).sum(dim=1).mean()
    torch.testing.assert_close(classifier.training_step((images, labels), 0), by_hand)
    assert classifier.train_loss.compute() == pytest.approx(by_hand.item())


# ---- whitening -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def images(shapes_splits) -> torch.Tensor:
    """Normalised images in double precision: the neighbours in a patch are strongly correlated."""
    return normalize(shapes_splits["train"].images).double()


def covariance(patches: torch.Tensor) -> torch.Tensor:
    return patches.T @ patches / len(patches)


def patches_of(images: torch.Tensor) -> torch.Tensor:
    """All 3×3 patches, by slicing: ``(N, 3, H, W) → (N·(H-2)·(W-2), 27)``, channel by channel, row by row."""
    shifted = [images[:, :, y : y + 30, x : x + 30] for y, x in itertools.product(range(3), range(3))]
    return torch.stack(shifted, dim=2).permute(0, 3, 4, 1, 2).reshape(-1, 27)


def test_whitened_patches_have_the_identity_as_their_covariance(images):
    patches = patches_of(images)
    before = covariance(patches)
    assert (before - torch.diag(before.diag())).abs().max() > 0.3, "the patches must be correlated beforehand"
    white = patches @ whitening_matrix(images, eps=1e-10).T
    torch.testing.assert_close(covariance(white), torch.eye(27, dtype=torch.float64), rtol=0, atol=1e-4)


def test_eps_keeps_directions_of_little_variance_from_being_blown_up(images):
    patches = patches_of(images)
    variance = torch.linalg.eigvalsh(covariance(patches))
    white = covariance(patches @ whitening_matrix(images).T)
    torch.testing.assert_close(white, torch.diag(variance / (variance + 1e-2)), rtol=0, atol=1e-6)


def test_the_first_convolution_starts_as_a_1x1_convolution_of_whitened_patches(tiny_network, shapes_splits):
    images = shapes_splits["train"].images
    classifier = Classifier(tiny_network)
    classifier.whiten_first_convolution(images)
    P = whitening_matrix(normalize(images))
    torch.testing.assert_close(classifier.whitening, P.T @ P)
    U = classifier.network[0].weight.detach().reshape(8, 27) @ torch.linalg.inv(P)
    bound = 27**-0.5  # PyTorch's own initialisation of a 1×1 convolution over 27 channels
    assert U.abs().max() <= bound * 1.001
    assert U.abs().max() > bound * 0.9
    assert U.std() == pytest.approx(bound / 3**0.5, rel=0.15)


@pytest.mark.parametrize("times", [1, 2])
def test_the_gradient_hook_trains_the_convolution_as_sgd_would_train_the_1x1_one(tiny_network, images, times):
    torch.manual_seed(0)
    classifier = Classifier(tiny_network)
    for _ in range(times):  # a second fit must not hook twice
        classifier.whiten_first_convolution((images[:8] * 0 + 128).permute(0, 2, 3, 1).to(torch.uint8))
    classifier.double()
    P = whitening_matrix(images)
    U = torch.randn(8, 27, dtype=torch.float64).requires_grad_()
    W = classifier.network[0].weight
    with torch.no_grad():
        W.copy_((U @ P).view_as(W))
        classifier.whitening.copy_(P.T @ P)
    target = torch.randn(8, 8, 32, 32, dtype=torch.float64)
    sgd = {"lr": 1e-3, "momentum": 0.9, "nesterov": True, "weight_decay": 0.05}
    one, two = torch.optim.SGD([W], **sgd), torch.optim.SGD([U], **sgd)
    start = W.detach().clone()
    for step in range(6):
        batch = images[8 * step : 8 * step + 8]
        for optimizer, maps in (
            (one, F.conv2d(batch, W, padding=1)),
            (two, F.conv2d(F.conv2d(batch, P.view(27, 3, 3, 3), padding=1), U.view(8, 27, 1, 1))),
        ):
            optimizer.zero_grad()
            (maps - target).relu().square().mean(dim=(0, 2, 3)).sum().backward()
            optimizer.step()
        torch.testing.assert_close(W.detach().reshape(8, 27), U.detach() @ P, rtol=1e-10, atol=1e-12)
    assert (W - start).abs().max() > 0.01, "nothing was learned, so nothing was compared"


# ---- averaging -------------------------------------------------------------------------------------------------------


def test_a_run_ends_with_the_moving_average_that_the_formula_gives(run):
    classifier, recorder = run(ema_decay=0.9, ema_every=5, ema_correction=False, lr=0.1)
    states = [recorder.states[step] for step in range(0, STEPS, 5)]  # after steps 1, 6 and 11
    decay = 0.9**5
    average = dict(states[0])
    for state in states[1:]:
        average = {name: decay * average[name] + (1 - decay) * state[name] for name in average}
    for name, value in classifier.network.state_dict().items():
        if value.is_floating_point():  # weights, biases and BatchNorm's statistics alike
            torch.testing.assert_close(value, average[name])
    assert not torch.allclose(average["0.weight"], recorder.states[-1]["0.weight"], atol=1e-3)


def test_without_averaging_a_run_ends_with_its_last_weights(run):
    classifier, recorder = run(ema_decay=0)
    assert [type(found) for found in classifier.configure_callbacks()] == [StopOnSignal]
    for name, value in classifier.network.state_dict().items():
        assert torch.equal(value, recorder.states[-1][name])


# ---- evaluation ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", ["test", "validation"])
def test_evaluation_reports_loss_and_accuracy_with_and_without_tta(stage, tiny_network, shapes, quiet_trainer):
    torch.manual_seed(2)
    classifier, data = Classifier(tiny_network, logit_scale=1), shapes()
    split = data.splits[stage]
    images = normalize(split.images)
    with torch.no_grad():
        mirrored = torch.tensor(images.numpy()[:, :, :, ::-1].copy())
        logits = classifier.eval()(images)
        both = (logits + classifier(mirrored)) / 2
        padded = torch.tensor(np.pad(images.numpy(), ((0, 0), (0, 0), (1, 1), (1, 1)), mode="reflect"))
        shifts = [padded[:, :, 1 + d : 33 + d, 1 + d : 33 + d] for d in (-1, 1)]
        crops = both / 2 + sum(classifier(x) + classifier(x.flip(3)) for x in shifts) / 8
    assert not torch.allclose(both, logits), "the mirror images must matter"
    trainer = quiet_trainer()
    evaluate = trainer.test if stage == "test" else trainer.validate
    [metrics] = evaluate(classifier, datamodule=data, verbose=False)
    assert metrics == pytest.approx(
        {
            f"{stage}_loss": F.cross_entropy(logits, split.labels).item(),
            f"{stage}_accuracy": (logits.argmax(1) == split.labels).float().mean().item(),
            f"{stage}_accuracy_tta": (both.argmax(1) == split.labels).float().mean().item(),
            f"{stage}_accuracy_multicrop": (crops.argmax(1) == split.labels).float().mean().item(),
        },
        abs=1e-5,
    )


def test_an_empty_batch_as_a_device_may_get_at_the_end_changes_no_metric(tiny_network, monkeypatch):
    monkeypatch.setattr(Classifier, "log_dict", lambda *args, **kwargs: None)
    classifier = Classifier(tiny_network).eval()
    images, labels = torch.randn(16, 3, 32, 32), torch.arange(16) % 10
    metrics = classifier.eval_loss, classifier.accuracy, classifier.accuracy_tta, classifier.accuracy_multicrop
    classifier.test_step((images, labels), 0)
    before = [metric.compute().item() for metric in metrics]
    classifier.test_step((images[:0], labels[:0]), 1)
    assert [metric.compute().item() for metric in metrics] == before


def test_validation_judges_the_averaged_weights(tiny_network, shapes, quiet_trainer):
    torch.manual_seed(0)
    classifier, data = Classifier(tiny_network, lr=0.1, logit_scale=1), shapes()
    trainer = quiet_trainer()
    trainer.fit(classifier, datamodule=data)
    during = {name: value.item() for name, value in trainer.callback_metrics.items() if name.startswith("validation")}
    [after] = trainer.validate(classifier, datamodule=data, verbose=False)
    assert after == pytest.approx(during, abs=1e-5)


# ---- recipes and checkpoints -----------------------------------------------------------------------------------------


def test_hyperparameters_are_plain_numbers_and_strings():
    assert {type(value) for value in Classifier().hparams.values()} <= {int, float, bool, str}


def test_a_checkpoint_loads_with_weights_only(tiny_network, shapes, quiet_trainer, tmp_path):
    classifier = Classifier(tiny_network, lr=0.1)
    trainer = quiet_trainer()
    trainer.fit(classifier, datamodule=shapes())
    trainer.save_checkpoint(tmp_path / "run.ckpt")
    checkpoint = torch.load(tmp_path / "run.ckpt", weights_only=True)
    assert checkpoint["hyper_parameters"] == dict(classifier.hparams)
    loaded = Classifier.load_from_checkpoint(tmp_path / "run.ckpt", weights_only=True)
    assert loaded.hparams == classifier.hparams
    for name, value in classifier.network.state_dict().items():
        assert torch.equal(loaded.network.state_dict()[name], value), name


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        (
            {"network": "resnet50"},
            "network must be one of page_resnet.*, but it is 'resnet50'; did you mean",
        ),
        ({"lr": -0.1}, "lr must be positive, but it is -0.1"),
        ({"lr": float("nan")}, "lr must be positive, but it is nan"),
        ({"bias_lr_multiplier": 0.0}, "bias_lr_multiplier must be positive, but it is 0.0"),
        ({"ema_every": 0}, "ema_every must be positive, but it is 0"),
        ({"final_epochs": -1.0}, "final_epochs must not be negative, but it is -1.0"),
        ({"final_lr": float("nan")}, "final_lr must not be negative, but it is nan"),
        ({"ema_decay": 1.0}, "ema_decay must be at least 0 and below 1, but it is 1.0"),
        ({"momentum": -0.1}, "momentum must be at least 0 and below 1, but it is -0.1"),
        ({"warmup": 1.5}, "warmup must be at least 0 and below 1, but it is 1.5"),
        ({"muon_lr": -0.1}, "muon_lr must not be negative, but it is -0.1"),
        ({"muon_momentum": 1.0}, "muon_momentum must be at least 0 and below 1, but it is 1.0"),
        ({"bn_momentum": 0.0}, "bn_momentum must be above 0 and at most 1, but it is 0.0"),
        ({"dirac": "yes"}, "dirac must be none, plain or all, but it is 'yes'"),
        ({"small_epochs": -1}, "small_epochs must not be negative, but it is -1"),
        ({"small_size": 20}, "small_size must be 16, 24 or 32, but it is 20"),
        ({"label_smoothing": 1.0}, "label_smoothing must be at least 0 and below 1, but it is 1.0"),
    ],
)
def test_a_setting_that_cannot_work_is_refused_by_name(settings, fault):
    with pytest.raises(ValueError, match=fault):
        Classifier(**settings)


LEVERS_OFF = {
    "momentum": 0.0,
    "weight_decay": 0.0,
    "warmup": 0.0,
    "final_epochs": 0.0,
    "label_smoothing": 0.0,
    "bias_lr_multiplier": 1.0,
    "freeze_bn_weight": False,
    "whiten": False,
    "ema_decay": 0.0,
}
DATA_LEVERS_ON = {"crop": 4, "flip": "alternating", "cutout": 8}


@pytest.fixture(scope="module")
def runs() -> dict[str, Recorder]:
    """Runs that are compared with many others."""
    return {}


@pytest.fixture
def with_every_lever(run, runs) -> Recorder:
    if "every lever" not in runs:
        runs["every lever"] = run(DATA_LEVERS_ON, lr=0.1)[1]
    return runs["every lever"]


@pytest.mark.parametrize("lever", LEVERS_OFF)
def test_each_lever_can_be_switched_off_and_makes_a_difference(lever, run, with_every_lever):
    """With one field changed, another run comes out of the same seed, and all of its weights are finite."""
    _, recorder = run(DATA_LEVERS_ON, lr=0.1, **{lever: LEVERS_OFF[lever]})
    assert all(value.isfinite().all() for value in recorder.states[-1].values())
    same = all(torch.equal(value, recorder.states[-1][name]) for name, value in with_every_lever.states[-1].items())
    assert same == (lever == "ema_decay"), "averaging alone does not touch the weights that are trained"


def test_all_levers_off_at_once_is_plain_sgd(run):
    data_levers_off = {"crop": 0, "flip": "none", "cutout": 0}
    classifier, recorder = run(data_levers_off, lr=0.1, **LEVERS_OFF)
    assert [lrs[0] == lrs[1] for lrs in recorder.lrs] == [True] * STEPS
    assert classifier._whitening_hook is None
    assert torch.equal(classifier.whitening, torch.eye(27))


@pytest.mark.parametrize("lever", DATA_LEVERS_ON)
def test_each_augmentation_can_be_switched_off_and_makes_a_difference(lever, run, with_every_lever):
    _, recorder = run(DATA_LEVERS_ON | {lever: {"crop": 0, "flip": "none", "cutout": 0}[lever]}, lr=0.1)
    assert not torch.equal(recorder.states[-1]["0.weight"], with_every_lever.states[-1]["0.weight"])

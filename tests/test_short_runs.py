"""The levers of short runs: averages that forget the start, Lookahead, Muon, small images; each in real training."""

import warnings
from types import SimpleNamespace

import pytest
import torch
from narrow_network import NarrowResNet
from pytorch_lightning.callbacks import Callback
from torch import nn
from torch.nn import functional as F

from s12lib.classifier import NETWORKS, Classifier
from s12lib.training.averaging import Lookahead, MovingAverage, ema_decay_at

STEPS = 12  # two epochs of six batches
SPRINT = {
    "lr": 0.1, "momentum": 0.85, "warmup": 0.0, "final_epochs": 0.0, "final_lr": 0.0, "ema_decay": 0.0,
    "muon_lr": 0.1, "bn_momentum": 0.4, "dirac": "plain", "lookahead": True, "small_epochs": 1,
}  # fmt: skip


class Recorder(Callback):
    """What the network is fed, and its weights and statistics before and after each step's averaging."""

    def __init__(self) -> None:
        self.states: list[dict[str, torch.Tensor]] = []
        self.sizes: list[int] = []

    def on_train_start(self, trainer, pl_module) -> None:
        self.start = {name: value.clone() for name, value in pl_module.network.state_dict().items()}
        pl_module.network.prep.register_forward_pre_hook(lambda module, given: self.sizes.append(given[0].shape[-1]))

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        self.states.append({name: value.clone() for name, value in pl_module.network.state_dict().items()})


@pytest.fixture
def narrow(monkeypatch) -> str:
    monkeypatch.setitem(NETWORKS, "narrow", lambda num_classes, logit_scale: NarrowResNet())
    return "narrow"


@pytest.fixture
def train(narrow, shapes, quiet_trainer):
    def train(**settings) -> tuple[Classifier, Recorder]:
        torch.manual_seed(0)
        classifier, recorder = Classifier(narrow, **settings), Recorder()
        quiet_trainer(callbacks=[recorder], limit_val_batches=0).fit(classifier, datamodule=shapes())
        assert len(recorder.states) == STEPS
        return classifier, recorder

    return train


# ---- the average that forgets the start ------------------------------------------------------------------------------


def test_the_share_of_the_old_average_grows_up_to_the_decay():
    assert ema_decay_at(0.95, 1) == pytest.approx(2 / 11)
    assert ema_decay_at(0.95, 90) == pytest.approx(0.91)
    assert ema_decay_at(0.95, 1000) == pytest.approx(0.95)


def test_a_run_ends_with_the_corrected_average(train):
    classifier, recorder = train(ema_decay=0.9, ema_every=3, lr=0.1)
    states = [recorder.states[step] for step in range(0, STEPS, 3)]  # after steps 1, 4, 7 and 10
    average = dict(states[0])
    for count, state in enumerate(states[1:], start=1):
        share = min(0.9**3, (1 + count) / (10 + count))
        average = {name: share * average[name] + (1 - share) * state[name] for name in average}
    for name, value in classifier.network.state_dict().items():
        if value.is_floating_point():
            torch.testing.assert_close(value, average[name], rtol=1e-5, atol=1e-6)


def drift(correct: bool, updates: int = 18) -> float:
    """How far the average of weights that go from 0 to 1 straight away is from 1, at decay 0.99**5."""
    module = SimpleNamespace(weight=nn.Parameter(torch.zeros(1)))
    average = MovingAverage(0.99**5, 5, correct, torch.device("cpu"))._kwargs["avg_fn"]
    value = module.weight.detach()
    for count in range(1, updates):
        value = average(value, torch.ones(1), torch.tensor(count))
    return 1 - value.item()


def test_after_ninety_steps_only_the_corrected_average_has_forgotten_the_first_weights():
    assert drift(correct=False) > 0.4
    assert drift(correct=True) < 1e-5


@pytest.mark.parametrize("correct", [True, False])
def test_an_average_that_is_worse_than_the_last_weights_does_not_pass_unnoticed(correct, narrow, shapes, quiet_trainer):
    """In 48 steps, the average at such a decay is still that of the beginning, unless it is corrected."""
    torch.manual_seed(0)
    settings = SPRINT | {"lookahead": False, "small_epochs": 0, "ema_decay": 0.999, "ema_every": 1}
    classifier = Classifier(narrow, ema_correction=correct, **settings)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        quiet_trainer(max_epochs=8, limit_val_batches=0).fit(classifier, datamodule=shapes())
    found = [str(warning.message) for warning in caught if "averaged weights" in str(warning.message)]
    assert len(found) == (0 if correct else 1), found
    assert correct or "set model.ema_correction to true" in found[0]


# ---- lookahead -------------------------------------------------------------------------------------------------------


def test_lookahead_pulls_the_weights_back_as_its_formula_says():
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    module = SimpleNamespace(network=network)
    lookahead, generator = Lookahead(), torch.Generator().manual_seed(0)
    trainer = SimpleNamespace(global_step=0, estimated_stepping_batches=STEPS)
    lookahead.on_train_start(trainer, module)
    slow = {name: value.clone() for name, value in network.state_dict().items()}
    for step in range(1, STEPS + 1):
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(torch.randn(parameter.shape, generator=generator))
            network[1].running_mean += 1
            network[1].num_batches_tracked += 1
        fast = {name: value.clone() for name, value in network.state_dict().items()}
        trainer.global_step = step
        lookahead.on_train_batch_end(trainer, module, None, None, 0)
        share = {5: 0.95**5 * (5 / 12) ** 3, 10: 0.95**5 * (10 / 12) ** 3, 12: 1}.get(step)
        if share is not None:
            slow = {name: share * slow[name] + (1 - share) * fast[name] for name in slow}
        for name, value in network.state_dict().items():
            counter = name.endswith("num_batches_tracked")
            torch.testing.assert_close(value, slow[name] if share is not None and not counter else fast[name])


# ---- small images ----------------------------------------------------------------------------------------------------


def test_the_first_epochs_see_small_images_and_the_last_ones_and_evaluation_whole_ones(train):
    _, recorder = train(lr=0.1, small_epochs=1, small_size=24, ema_decay=0)
    assert recorder.sizes == [24] * 6 + [32] * 6


def test_the_network_that_can_see_small_images_says_the_same_of_whole_ones():
    torch.manual_seed(0)
    plain = Classifier()
    torch.manual_seed(0)
    small = Classifier(small_epochs=2)
    images = torch.randn(2, 3, 32, 32)
    assert torch.equal(plain.eval()(images), small.eval()(images))
    assert small(images[:, :, :24, :24]).shape == small(images[:, :, :16, :16]).shape == (2, 10)


# ---- all together ----------------------------------------------------------------------------------------------------

OFF = {
    "muon_lr": 0.0, "muon_momentum": 0.0, "bn_momentum": 0.1, "dirac": "none", "lookahead": False, "small_epochs": 0,
}  # fmt: skip


@pytest.fixture(scope="module")
def runs() -> dict[str, Recorder]:
    return {}


@pytest.mark.parametrize("lever", OFF)
def test_each_lever_can_be_switched_off_and_makes_a_difference(lever, train, runs):
    if "sprint" not in runs:
        runs["sprint"] = train(**SPRINT)[1]
    _, recorder = train(**SPRINT | {lever: OFF[lever]})
    assert all(value.isfinite().all() for value in recorder.states[-1].values())
    assert any(not torch.equal(value, recorder.states[-1][name]) for name, value in runs["sprint"].states[-1].items())


def test_a_run_with_every_lever_goes_on_from_a_checkpoint_bit_by_bit(narrow, shapes, quiet_trainer, tmp_path):
    def fit(epochs: int, **settings) -> dict[str, torch.Tensor]:
        torch.manual_seed(settings.pop("seed", 0))
        classifier = Classifier(narrow, **SPRINT)
        trainer = quiet_trainer(max_epochs=4, limit_val_batches=0)
        if epochs < 4:
            stop = lambda *_: setattr(trainer, "should_stop", trainer.current_epoch + 1 == epochs)  # noqa: E731
            trainer.callbacks.append(LambdaEnd(stop))
        trainer.fit(classifier, datamodule=shapes(), **settings)
        trainer.save_checkpoint(tmp_path / f"{epochs}.ckpt")
        return classifier.network.state_dict()

    whole = fit(4)
    fit(2)
    checkpoint = torch.load(tmp_path / "2.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 12
    resumed = fit(4, ckpt_path=tmp_path / "2.ckpt", weights_only=True, seed=5)
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())


class LambdaEnd(Callback):
    def __init__(self, at_end) -> None:
        self.at_end = at_end

    def on_train_epoch_end(self, trainer, pl_module) -> None:
        self.at_end()


def test_multicrop_waits_for_the_last_epoch_of_a_run(narrow, shapes, quiet_trainer):
    seen: list[set[str]] = []

    class Metrics(Callback):
        def on_validation_end(self, trainer, pl_module) -> None:
            seen.append({name for name in trainer.callback_metrics if name.startswith("validation")})

    quiet_trainer(callbacks=[Metrics()]).fit(Classifier(narrow), datamodule=shapes())
    always = {"validation_loss", "validation_accuracy", "validation_accuracy_tta"}
    assert seen == [always, always | {"validation_accuracy_multicrop"}]


# ---- compilation -----------------------------------------------------------------------------------------------------


def test_the_network_and_its_loss_are_one_graph_without_a_break():
    network, labels = NarrowResNet().train(), torch.arange(4)

    def loss(images: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(network(images), labels, label_smoothing=0.2)

    found = torch._dynamo.explain(loss)(torch.randn(4, 3, 32, 32))
    torch._dynamo.reset()
    assert (found.graph_count, found.graph_break_count) == (1, 0)


@pytest.mark.parametrize("wanted", [True, False])
def test_a_run_compiles_the_network_when_it_is_told_to_and_its_checkpoint_is_none_the_wiser(
    wanted, narrow, shapes, quiet_trainer, monkeypatch
):
    compiled = []
    monkeypatch.setattr(nn.Module, "compile", lambda self: compiled.append(self))
    classifier = Classifier(narrow, compile=wanted)
    names = classifier.state_dict().keys()
    quiet_trainer(max_epochs=1, limit_train_batches=1, limit_val_batches=0).fit(classifier, datamodule=shapes())
    assert compiled == ([classifier.network] if wanted else [])
    assert classifier.state_dict().keys() == names

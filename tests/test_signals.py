"""Training that is stopped in a notebook ends its cell with a word on going on, and `ckpt_path="last"` goes on."""

import os
import signal

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, ModelCheckpoint

from s12lib.classifier import Classifier
from s12lib.training.signals import SIGNALS, Stopped

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="on POSIX")


class StoppedAt(Callback):
    """Sends a signal to this very process before a step."""

    def __init__(self, number: int, step: int) -> None:
        self.number, self.step = number, step

    def on_train_batch_start(self, trainer: pl.Trainer, *batch: object) -> None:
        if trainer.global_step == self.step:
            os.kill(os.getpid(), self.number)


@pytest.fixture(autouse=True)
def as_in_a_notebook():
    """Handlers as a kernel has them, also where the tests themselves were started in the background."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number in SIGNALS:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def fit(tiny_network, shapes, quiet_trainer):
    """What a cell does: two epochs of six steps; returns the model."""

    def fit(*callbacks: Callback, ckpt_path: str | None = None) -> Classifier:
        pl.seed_everything(0)
        model = Classifier(network=tiny_network, lr=0.1, final_epochs=0.5)
        trainer = quiet_trainer(callbacks=[*callbacks], enable_checkpointing=bool(callbacks))
        trainer.fit(model, datamodule=shapes(), ckpt_path=ckpt_path)
        return model

    return fit


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_cell_that_is_stopped_says_where_to_go_on_and_the_kernel_hears_signals_as_before(name, fit, tmp_path):
    number, before = getattr(signal, name), [signal.getsignal(each) for each in SIGNALS]
    with pytest.raises(Stopped) as stopped:
        fit(StoppedAt(number, 8), ModelCheckpoint(tmp_path / "kept", save_last=True))
    (shown,) = stopped.value._render_traceback_()
    by = "by you" if name == "SIGINT" else f"by {name}"
    assert shown == (
        f"Training was stopped {by}; to go on from the last finished epoch, call `trainer.fit` again with "
        f'`ckpt_path="last"`, which is {tmp_path / "kept/last.ckpt"}.'
    )
    assert [signal.getsignal(each) for each in SIGNALS] == before


def test_a_stopped_cell_that_goes_on_ends_with_the_weights_of_one_that_was_not(fit, tmp_path):
    with pytest.raises(Stopped):
        fit(StoppedAt(signal.SIGINT, 8), ModelCheckpoint(tmp_path / "kept", save_last=True))
    again = fit(ModelCheckpoint(tmp_path / "kept", save_last=True), ckpt_path="last").state_dict()
    for key, value in fit().state_dict().items():
        assert torch.equal(again[key], value)


def test_where_no_checkpoint_is_kept_nothing_is_promised(fit):
    with pytest.raises(Stopped) as stopped:
        fit(StoppedAt(signal.SIGTERM, 2), Callback())
    assert stopped.value._render_traceback_() == [
        "Training was stopped by SIGTERM, and no checkpoint of it was kept: it would start afresh."
    ]

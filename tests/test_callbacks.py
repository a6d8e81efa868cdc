"""Checkpoints are whole and harmless, a broken loss stops a run in time, and the log survives a resume."""

import csv
import os
import pickle
import re
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_lightning.callbacks import Callback, LearningRateMonitor, ModelCheckpoint
from torch import nn

from s12lib.classifier import NETWORKS, Classifier
from s12lib.data.shapes import SHAPE_CLASSES
from s12lib.data.splits import fingerprint
from s12lib.training import callbacks, progress_bar
from s12lib.training.callbacks import RunRecord, SafeCheckpointIO, StopWhenDiverged, TrainingDiverged
from s12lib.training.checkpoints import CheckpointError, read_checkpoint
from s12lib.training.csv_log import CSVLog
from s12lib.training.progress_bar import RunBar

STEPS = 6  # an epoch of the shapes fixture, in batches of 16


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


# ---- checkpoints -----------------------------------------------------------------------------------------------------

CHECKPOINT = {"state_dict": {"weight": torch.arange(1000.0)}, "epoch": 3, "hyper_parameters": {"network": "tiny"}}


def saved(path: Path, *, zipped: bool = True) -> bytes:
    torch.save(CHECKPOINT, path, _use_new_zipfile_serialization=zipped)
    return path.read_bytes()


def assert_whole(path: Path) -> None:
    assert torch.equal(read_checkpoint(path)["state_dict"]["weight"], CHECKPOINT["state_dict"]["weight"])


def test_a_checkpoint_comes_back_as_it_was_saved(tmp_path):
    path = tmp_path / "runs" / "new" / "last.ckpt"
    SafeCheckpointIO().save_checkpoint(CHECKPOINT, path)
    assert_whole(path)
    loaded = SafeCheckpointIO().load_checkpoint(path)
    assert {name: loaded[name] for name in ("epoch", "hyper_parameters")} == {
        "epoch": 3,
        "hyper_parameters": {"network": "tiny"},
    }
    assert os.listdir(path.parent) == ["last.ckpt"]


def half_save(checkpoint: dict, file) -> None:
    file.write(b"half of it")
    raise KeyboardInterrupt


def no_replace(source: object, target: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(("module", "name", "killed"), [(torch, "save", half_save), (os, "replace", no_replace)])
def test_a_save_that_is_cut_short_leaves_the_checkpoint_before_it(module, name, killed, tmp_path, monkeypatch):
    path = tmp_path / "last.ckpt"
    SafeCheckpointIO().save_checkpoint(CHECKPOINT, path)
    with monkeypatch.context() as patch:
        patch.setattr(module, name, killed)
        with pytest.raises(KeyboardInterrupt):
            SafeCheckpointIO().save_checkpoint({"state_dict": {}}, path)
    assert_whole(path)
    SafeCheckpointIO().save_checkpoint(CHECKPOINT | {"epoch": 4}, path)
    assert read_checkpoint(path)["epoch"] == 4, "what the killed save left behind must not be in the way"


def test_a_full_disk_is_told_and_the_checkpoint_before_is_kept(tmp_path, monkeypatch):
    path = tmp_path / "last.ckpt"
    SafeCheckpointIO().save_checkpoint({"state_dict": {}}, path)
    before = path.read_bytes()

    def full(*arguments):
        raise RuntimeError("[enforce fail at inline_container.cc:664] . unexpected pos 704 vs 598")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(CheckpointError, match="is the disk full"):
        SafeCheckpointIO().save_checkpoint({"state_dict": {"a": torch.ones(3)}}, path)
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("last.ckpt", before)]


def test_a_checkpoint_is_on_the_disk_before_it_takes_its_name(tmp_path, monkeypatch):
    order = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda file: (order.append("fsync"), fsync(file)))
    monkeypatch.setattr(os, "replace", lambda a, b: (order.append("replace"), replace(a, b)))
    SafeCheckpointIO().save_checkpoint(CHECKPOINT, tmp_path / "last.ckpt")
    assert order == ["fsync", "replace"]


class RunsCode:
    """An object whose unpickling makes a folder: what an attacker would put into a checkpoint."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_checkpoint_is_refused_and_does_not_run(zipped, tmp_path):
    path, trap = tmp_path / "last.ckpt", tmp_path / "trap"
    torch.save(CHECKPOINT | {"epoch": RunsCode(trap)}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError, match=r"last\.ckpt is damaged or holds more than weights and plain values"):
        read_checkpoint(path)
    with pytest.raises(CheckpointError):
        SafeCheckpointIO().load_checkpoint(path, weights_only=False)
    assert not trap.exists()
    torch.load(path, weights_only=False)
    assert trap.exists(), "the trap itself must work, or the test proves nothing"


def test_a_bare_pickle_with_code_is_refused_and_does_not_run(tmp_path):
    path, trap = tmp_path / "last.ckpt", tmp_path / "trap"
    path.write_bytes(pickle.dumps({"state_dict": RunsCode(trap)}))
    with pytest.raises(CheckpointError):
        read_checkpoint(path)
    assert not trap.exists()


NO_CHECKPOINTS = {
    "empty": lambda whole: b"",
    "text": lambda whole: b"epoch,loss\n1,2.3\n",
    "half": lambda whole: whole[: len(whole) // 2],
    "without its end": lambda whole: whole[:-10],
    "without its beginning": lambda whole: whole[100:],
    "an image": lambda whole: b"\x89PNG\r\n\x1a\n" + bytes(100),
}


@pytest.mark.parametrize("fault", NO_CHECKPOINTS)
def test_what_is_no_whole_checkpoint_is_refused_in_one_sentence(fault, tmp_path):
    path = tmp_path / "last.ckpt"
    path.write_bytes(NO_CHECKPOINTS[fault](saved(path)))
    with pytest.raises(CheckpointError) as refusal:
        read_checkpoint(path)
    assert str(refusal.value).startswith(str(path))
    assert "\n" not in str(refusal.value)


def test_a_missing_checkpoint_is_refused_in_one_sentence(tmp_path):
    with pytest.raises(CheckpointError, match=r"nowhere\.ckpt cannot be read as a checkpoint: it is not there"):
        read_checkpoint(tmp_path / "nowhere.ckpt")


@pytest.mark.parametrize("content", [{"weight": torch.zeros(3)}, [1, 2], torch.zeros(3)])
def test_a_file_of_bare_weights_is_no_checkpoint(content, tmp_path):
    torch.save(content, tmp_path / "weights.pt")
    with pytest.raises(CheckpointError, match=r"weights\.pt holds no state_dict, so it is no Lightning checkpoint"):
        read_checkpoint(tmp_path / "weights.pt")


@settings(max_examples=100)
@given(st.booleans(), st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=4))
def test_damaged_bytes_lead_to_a_refusal_and_to_nothing_else(tmp_path_factory, zipped, place, damage):
    path = tmp_path_factory.getbasetemp() / "fuzzed.ckpt"
    whole = saved(path, zipped=zipped)
    header = min(len(whole), 700)  # where the pickle lies; behind it come the weights' own bytes
    start = int(place * header)
    path.write_bytes(whole[:start] + damage + whole[start + len(damage) :])
    with suppress(CheckpointError):
        assert "state_dict" in read_checkpoint(path)


@settings(max_examples=100)
@given(st.lists(st.sampled_from(list(b"()]}.0KXtub\x85Rcqhs\x00\x01\x02ab\n")), max_size=30))
def test_a_nonsense_pickle_leads_to_a_refusal_and_to_nothing_else(tmp_path_factory, opcodes):
    path = tmp_path_factory.getbasetemp() / "nonsense.ckpt"
    path.write_bytes(b"\x80\x02" + bytes(opcodes))
    with pytest.raises(CheckpointError):
        read_checkpoint(path)


# ---- the log ---------------------------------------------------------------------------------------------------------


def logged(folder: Path, first: int, last: int, resume_at: int = 0) -> CSVLog:
    """A log that wrote the steps from ``first`` to ``last``, as an attempt at a run does."""
    log = CSVLog(folder)
    log.go_on_from_file(resume_at)
    for step in range(first, last + 1):
        log.log_metrics({"lr": step / 10}, step)
    log.log_metrics({"train_loss": 2.5}, last)
    log.save()
    return log


def test_metrics_of_one_step_share_a_row(tmp_path):
    logged(tmp_path, 0, 2)
    assert rows_of(tmp_path / "metrics.csv") == [
        {"step": "0", "lr": "0.0", "train_loss": ""},
        {"step": "1", "lr": "0.1", "train_loss": ""},
        {"step": "2", "lr": "0.2", "train_loss": "2.5"},
    ]


def test_a_resumed_log_keeps_the_rows_before_the_checkpoint_and_drops_the_others(tmp_path):
    logged(tmp_path, 0, 9)
    logged(tmp_path, 8, 8, resume_at=6)
    rows = rows_of(tmp_path / "metrics.csv")
    assert [int(row["step"]) for row in rows] == [0, 1, 2, 3, 4, 5, 8]
    assert [row["lr"] for row in rows] == ["0.0", "0.1", "0.2", "0.3", "0.4", "0.5", "0.8"]
    assert rows[-1]["train_loss"] == "2.5"


def test_a_run_that_starts_afresh_starts_a_new_log(tmp_path):
    logged(tmp_path, 0, 9)
    logged(tmp_path, 0, 1)
    assert len(rows_of(tmp_path / "metrics.csv")) == 2


def test_a_write_of_the_log_that_is_cut_short_leaves_the_one_before_it(tmp_path, monkeypatch):
    log = logged(tmp_path, 0, 2)
    before = (tmp_path / "metrics.csv").read_text()
    log.log_metrics({"lr": 1.0}, 3)
    monkeypatch.setattr(os, "replace", no_replace)
    with pytest.raises(KeyboardInterrupt):
        log.save()
    assert (tmp_path / "metrics.csv").read_text() == before


# ---- real runs -------------------------------------------------------------------------------------------------------


def trainer_of(quiet_trainer, folder: Path, *watchers: Callback, log: CSVLog | None = None, **settings):
    """A Trainer that checkpoints as `s12 fit` does: the last epoch and the best one."""
    last = ModelCheckpoint(folder, "last", enable_version_counter=False)
    best = ModelCheckpoint(folder, "best", monitor="validation_accuracy", mode="max", enable_version_counter=False)
    settings |= {"enable_checkpointing": True, "plugins": [SafeCheckpointIO()], "logger": log or False}
    return quiet_trainer(callbacks=[*watchers, last, best], **settings)


def clock_of_ten_seconds(monkeypatch) -> None:
    """Every look at the clock is ten seconds after the one before."""
    ticks = iter(range(0, 10_000, 10))
    monkeypatch.setattr(callbacks, "time", SimpleNamespace(monotonic=lambda: float(next(ticks))))


def test_a_checkpoint_says_how_its_run_went_over_all_attempts(
    tiny_network, shapes, shapes_splits, quiet_trainer, tmp_path, monkeypatch
):
    clock_of_ten_seconds(monkeypatch)
    facts = {"recipe": "tiny", "seed": 0, "hardware": "abacus", "commit": "c0ffee"}
    log = CSVLog(tmp_path)
    trainer = trainer_of(quiet_trainer, tmp_path, RunRecord(log, dict(facts)), log=log, max_epochs=2)
    trainer.fit(Classifier(tiny_network, lr=0.1), datamodule=shapes())
    expected = facts | {
        "train_images": 96,
        "train_fingerprint": fingerprint(shapes_splits["train"]),
        "classes": list(SHAPE_CLASSES),
        "epochs": 2,
        "train_seconds": 40,  # in each epoch ten before the validation, whose ten do not count, and ten after it
        "images_per_second": 4.8,
    }
    assert read_checkpoint(tmp_path / "last.ckpt")["run"] == expected
    trainer.save_checkpoint(tmp_path / "after.ckpt")
    assert read_checkpoint(tmp_path / "after.ckpt")["run"] == expected

    for epochs, hardware in ((3, "abacus"), (4, "slide rule"), (5, "slide rule")):
        log = CSVLog(tmp_path)
        record = RunRecord(log, facts | {"hardware": hardware})
        trainer = trainer_of(quiet_trainer, tmp_path, record, log=log, max_epochs=epochs)
        trainer.fit(Classifier(tiny_network, lr=0.1), datamodule=shapes(), ckpt_path=str(tmp_path / "last.ckpt"))
        run = read_checkpoint(tmp_path / "last.ckpt")["run"]
        assert (run["epochs"], run["train_seconds"], run["images_per_second"]) == (epochs, 20 * epochs, 4.8)
        elsewhere = [{"hardware": "abacus", "commit": "c0ffee"}] if hardware == "slide rule" else None
        assert (run["hardware"], run.get("earlier_attempts")) == (hardware, elsewhere)
    seconds = [(int(row["step"]), float(row["seconds"])) for row in rows_of(tmp_path / "metrics.csv") if row["seconds"]]
    assert seconds == [(epochs * STEPS - 1, 20 * epochs) for epochs in range(1, 6)]


def test_the_log_of_a_run_has_every_metric_in_rows_that_a_resume_keeps(tiny_network, shapes, quiet_trainer, tmp_path):
    log = CSVLog(tmp_path)
    watchers = RunRecord(log), LearningRateMonitor("step")
    trainer = trainer_of(quiet_trainer, tmp_path, *watchers, log=log, max_epochs=2, log_every_n_steps=1)
    trainer.fit(Classifier(tiny_network, lr=0.1), datamodule=shapes())
    rows = rows_of(tmp_path / "metrics.csv")
    assert [int(row["step"]) for row in rows] == list(range(2 * STEPS)), "no row may lie behind the last checkpoint"
    once_an_epoch = {"train_loss", "train_accuracy", "validation_loss", "validation_accuracy_tta", "images_per_second"}
    for name in once_an_epoch:
        assert [int(row["step"]) for row in rows if row[name]] == [STEPS - 1, 2 * STEPS - 1], name
    assert all(row["lr-SGD/pg1"] for row in rows)


# ---- a loss that breaks ----------------------------------------------------------------------------------------------


class Breaks(nn.Sequential):
    """A linear network whose output is NaN from a given training step on."""

    def __init__(self, step: int) -> None:
        super().__init__(nn.Flatten(), nn.Linear(3072, 10))
        self.step, self.taken = step, 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.taken += self.training
        return super().forward(images) * (float("nan") if self.training and self.taken >= self.step else 1.0)


@pytest.fixture
def breaking_run(monkeypatch, shapes, quiet_trainer, tmp_path):
    """Runs a network that breaks at a step, and returns what the run stopped with."""

    def run(step: int) -> str:
        monkeypatch.setitem(NETWORKS, "breaks", lambda num_classes, logit_scale: Breaks(step))
        trainer = trainer_of(quiet_trainer, tmp_path, StopWhenDiverged(tmp_path), max_epochs=3)
        with pytest.raises(TrainingDiverged) as stop:
            trainer.fit(Classifier("breaks", lr=0.01, whiten=False), datamodule=shapes())
        return str(stop.value)

    return run


def assert_good(path: Path, steps: int) -> None:
    checkpoint = read_checkpoint(path)
    assert checkpoint["global_step"] == steps
    tensors = [*checkpoint["state_dict"].values(), *checkpoint["current_model_state"].values()]
    assert tensors
    assert all(tensor.isfinite().all() for tensor in tensors)


@pytest.mark.parametrize("step", [STEPS + 1, STEPS + 3, 2 * STEPS])
def test_a_nan_loss_stops_the_run_at_its_step_and_keeps_the_epoch_before(step, breaking_run, tmp_path):
    message = breaking_run(step)
    last = tmp_path / "last.ckpt"
    assert message == f"Training stopped: the loss was nan at step {step}; the last good checkpoint is {last}."
    assert_good(last, STEPS)
    assert_good(tmp_path / "best.ckpt", STEPS)


def test_an_infinite_loss_stops_the_run_too(tmp_path):
    watcher = StopWhenDiverged(tmp_path)

    def take(step: int, loss: float) -> None:
        trainer = SimpleNamespace(global_step=step, current_epoch=0)
        watcher.on_train_batch_end(trainer, None, {"loss": torch.tensor(loss)}, None, step)

    take(8, float("inf"))
    for step in range(9, 27):
        take(step, 1.0)
    with pytest.raises(TrainingDiverged, match="the loss was inf at step 8; no epoch was completed before"):
        take(27, 1.0)  # the twentieth


def test_a_run_that_breaks_in_its_first_epoch_says_that_nothing_is_kept(breaking_run, tmp_path):
    assert breaking_run(2) == "Training stopped: the loss was nan at step 2; no epoch was completed before."
    assert list(tmp_path.glob("*.ckpt")) == []


class SpoilsWeights(Callback):
    """Makes a weight infinite after an epoch's last step, whose loss was still finite."""

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        if trainer.global_step == 2 * STEPS:
            pl_module.network[0].weight.data[0] = float("inf")


def test_weights_that_are_not_finite_are_never_saved(tiny_network, shapes, quiet_trainer, tmp_path):
    trainer = trainer_of(quiet_trainer, tmp_path, SpoilsWeights(), StopWhenDiverged(tmp_path), max_epochs=3)
    with pytest.raises(TrainingDiverged, match=f"the weights were no longer finite after step {2 * STEPS}; the last"):
        trainer.fit(Classifier(tiny_network, lr=0.1), datamodule=shapes())
    assert_good(tmp_path / "last.ckpt", STEPS)


def test_a_good_run_is_not_stopped(tiny_network, shapes, quiet_trainer, tmp_path):
    trainer = trainer_of(quiet_trainer, tmp_path, StopWhenDiverged(tmp_path), max_epochs=2)
    trainer.fit(Classifier(tiny_network, lr=0.1), datamodule=shapes())
    assert_good(tmp_path / "last.ckpt", 2 * STEPS)


# ---- the progress bar ------------------------------------------------------------------------------------------------


def test_the_bar_counts_the_whole_runs_images_and_shows_loss_accuracy_and_validation(
    tiny_network, shapes, quiet_trainer, capsys
):
    bar = RunBar()
    trainer = quiet_trainer(callbacks=[bar], enable_progress_bar=True)
    trainer.fit(Classifier(tiny_network, lr=0.1), datamodule=shapes())
    assert (bar.bar.n, bar.bar.total, bar.bar.unit) == (192, 192, " images")
    out, err = capsys.readouterr()
    shown = out + err
    assert "epoch 1: validation accuracy" in shown
    assert "epoch 2: validation accuracy" in shown
    assert "192/192" in shown


class Eager(progress_bar.tqdm):
    """A bar that is drawn anew after every step."""

    def __init__(self, **settings) -> None:
        super().__init__(**(settings | {"mininterval": 0, "miniters": 1}))


def test_the_bar_shows_loss_and_accuracy_whenever_it_is_drawn(monkeypatch, tiny_network, shapes, quiet_trainer, capsys):
    monkeypatch.setattr(progress_bar, "tqdm", Eager)
    trainer = quiet_trainer(callbacks=[RunBar()], enable_progress_bar=True)
    trainer.fit(Classifier(tiny_network, lr=0.1), datamodule=shapes())
    shown = capsys.readouterr().err
    assert "epoch 2/2" in shown
    assert "loss=" in shown
    assert "accuracy=" in shown
    assert re.search(r"\[\d\d:\d\d<\d\d:\d\d, *[\d.]+[kM]? images/s", shown), "gone by < left, and the speed"


def test_the_bar_does_not_ask_the_other_devices_for_their_metrics(monkeypatch, tiny_network, shapes):
    monkeypatch.setattr(progress_bar, "tqdm", Eager)
    model, bar = Classifier(tiny_network), RunBar()
    model.train_accuracy.update(torch.eye(10)[:4], torch.tensor([0, 1, 2, 9]))
    monkeypatch.setattr(model.train_accuracy, "compute", lambda: pytest.fail("only one device draws a bar"))
    sampler = SimpleNamespace(batch_size=16, world_size=2)
    trainer = SimpleNamespace(
        train_dataloader=SimpleNamespace(sampler=sampler), estimated_stepping_batches=2, global_step=0,
        current_epoch=0, max_epochs=1, accumulate_grad_batches=3,
    )  # fmt: skip
    bar.on_train_start(trainer, model)
    bar.on_train_batch_end(trainer, model, {"loss": torch.tensor(1.0)}, None, 0)
    assert "accuracy=75.0%" in bar.bar.postfix
    assert bar.bar.total == 2 * 3 * 16 * 2, "steps × batches a step × images a batch × devices"


def test_the_time_of_validation_is_no_training_time(monkeypatch):
    now = iter([0.0, 10.0, 70.0, 75.0])  # the epoch begins; validation begins and ends; the epoch ends
    monkeypatch.setattr(callbacks, "time", SimpleNamespace(monotonic=lambda: next(now)))

    class Loader(list):
        sampler = SimpleNamespace(batch_size=10, world_size=1)

    trainer = SimpleNamespace(
        train_dataloader=Loader(range(9)), num_training_batches=3, global_step=3, current_epoch=0
    )  # of nine, as it was told
    logged: dict = {}
    record, module = RunRecord(None), SimpleNamespace(log_dict=logged.update)
    for hook in (
        record.on_train_epoch_start, record.on_validation_start, record.on_validation_end, record.on_train_epoch_end
    ):  # fmt: skip
        hook(trainer, module)
    assert logged == {"seconds": 15.0, "images_per_second": 2.0}


def test_a_disabled_bar_prints_nothing(tiny_network, shapes, quiet_trainer, capsys):
    bar = RunBar()
    bar.disable()
    trainer = quiet_trainer(callbacks=[bar], enable_progress_bar=True)
    trainer.fit(Classifier(tiny_network, lr=0.1), datamodule=shapes())
    said = "".join(capsys.readouterr())
    assert "images" not in said
    assert "validation accuracy" not in said

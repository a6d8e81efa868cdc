"""A training run survives `kill -9` at any moment, and goes on as if nothing had happened.

Each run is a process of its own, forked from one that has imported torch and Lightning: that takes longer than the run.
"""

import csv
import multiprocessing
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from filelock import FileLock
from run_s12 import run_forked

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="on POSIX")

HERE = Path(__file__).parent
STEPS_AN_EPOCH, EPOCHS = 8, 4
RECIPE = [  # with more, the tiny network falls silent within an epoch, and nothing is left to compare
    "fit", "--config", str(HERE.parent / "recipes/smoke.yaml"), "--ckpt_path", "last", "--model.network", "tiny",
    "--trainer.max_epochs", str(EPOCHS), "--trainer.accelerator", "cpu", "--data.batch_size", "16",
    "--data.train_size", str(16 * STEPS_AN_EPOCH + 5), "--data.validation_size", "20",
    "--trainer.log_every_n_steps", "1", "--model.lr", "0.02", "--model.bias_lr_multiplier", "1",
]  # fmt: skip


class Run(NamedTuple):
    """How a process ended: its exit status, or minus the signal that killed it, and all that it said."""

    returncode: int
    said: str


@pytest.fixture(scope="module")
def fit():
    """Runs `s12 fit` in a folder, in a process of its own."""
    forked = multiprocessing.get_context("forkserver")
    forked.set_forkserver_preload(["pytorch_lightning.cli", "torchmetrics", "s12lib.cli", "s12lib.classifier"])

    def fit(folder: Path, *more: str, **environment: str) -> Run:
        folder.mkdir(exist_ok=True)
        environment |= {"S12_SAMPLES": str(folder / "samples")}
        process = forked.Process(target=run_forked, args=([*RECIPE, "--run_dir", "run", *more], folder, environment))
        process.start()
        process.join()
        return Run(process.exitcode, (folder / "said").read_text())

    return fit


def weights(folder):
    return torch.load(folder / "run/last.ckpt", weights_only=True)["state_dict"]


def learning_rates(folder):
    with open(folder / "run/metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    return {int(row["step"]): row["lr-SGD/pg1"] for row in rows if row["lr-SGD/pg1"]}


def samples(folder):
    """The batches of each epoch as they were drawn the last time."""
    epochs = {}
    for line in (folder / "samples").read_text().splitlines():
        _, epoch, batch = line.split()
        epochs.setdefault(int(epoch), []).append(batch)
    return {epoch: batches[-STEPS_AN_EPOCH:] for epoch, batches in epochs.items()}


@pytest.fixture(scope="module")
def undisturbed(fit, tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    run = fit(folder)
    assert run.returncode == 0, run.said
    assert "starting afresh" in run.said
    assert len(learning_rates(folder)) == STEPS_AN_EPOCH * EPOCHS
    return folder


def test_best_is_the_checkpoint_of_the_highest_validation_accuracy(undisturbed):
    with open(undisturbed / "run/metrics.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["validation_accuracy"]]
    accuracies = [float(row["validation_accuracy"]) for row in rows]
    assert len(set(accuracies)) > 1, "all alike, so nothing was chosen"
    best = torch.load(undisturbed / "run/best.ckpt", weights_only=True)
    assert best["global_step"] == int(rows[accuracies.index(max(accuracies))]["step"]) + 1


def log(folder):
    """Every row of the log but for what a clock says."""
    with open(folder / "run/metrics.csv", newline="") as file:
        return [{**row, "seconds": "", "images_per_second": ""} for row in csv.DictReader(file)]


def assert_the_same(folder, undisturbed):
    ours, theirs = weights(folder), weights(undisturbed)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert log(folder) == log(undisturbed), "no row is lost or doubled, and none is another"
    assert samples(folder) == samples(undisturbed)
    best, expected = (torch.load(run / "run/best.ckpt", weights_only=True) for run in (folder, undisturbed))
    assert best["global_step"] == expected["global_step"]
    assert all(torch.equal(best["state_dict"][key], expected["state_dict"][key]) for key in expected["state_dict"])


@pytest.fixture
def said_when_killed(fit, undisturbed, tmp_path):
    """Kills a run at the moments given; what it says when it then goes on to the same end as the undisturbed one."""

    def said(*moments):
        for moment in moments:
            assert fit(tmp_path, S12_KILL=moment).returncode == -signal.SIGKILL
        final = fit(tmp_path)
        assert final.returncode == 0, final.said
        assert_the_same(tmp_path, undisturbed)
        return final.said

    return said


def test_a_run_killed_between_checkpoints_ends_with_the_same_weights(said_when_killed):
    moment = random.Random(0).randrange(STEPS_AN_EPOCH + 1, STEPS_AN_EPOCH * EPOCHS)
    assert "Going on from" in said_when_killed(f"step:{moment}")


@pytest.mark.skipif(sys.platform != "linux", reason="on Linux")
def test_a_session_on_a_drive_that_ends_goes_on_in_another_one_that_mounts_it_elsewhere(fit, undisturbed, tmp_path):
    """As on Colab: no locks, no links, slow renames; the session is killed, and the folder has moved."""
    first, second = tmp_path / "drive", tmp_path / "mounted-again"
    ended = fit(first, S12_DRIVE=str(first), S12_KILL=f"step:{2 * STEPS_AN_EPOCH + 3}")
    assert ended.returncode == -signal.SIGKILL
    assert "has no locks" in ended.said
    first.rename(second)
    final = fit(second, S12_DRIVE=str(second))
    assert final.returncode == 0, final.said
    assert "Going on from" in final.said
    assert_the_same(second, undisturbed)
    assert not list(second.glob(".run.*")), "nothing that would stop the next session"


@pytest.mark.parametrize("number", [2, EPOCHS])
def test_a_run_killed_between_its_checkpoint_and_its_log_loses_no_row(number, said_when_killed):
    """The rows travel in the checkpoint; after the last one there is nothing left to train, and they are there."""
    said_when_killed(f"renamed:{number}")


@pytest.mark.parametrize(("name", "status"), [("SIGTERM", 143), ("SIGHUP", 129), ("SIGINT", 130)])
def test_a_run_that_is_told_to_stop_says_how_to_go_on_and_is_no_success(name, status, fit, tmp_path):
    run = fit(tmp_path, S12_KILL=f"step:{STEPS_AN_EPOCH + 3}", S12_SIGNAL=name)
    assert run.returncode == status, run.said
    stopped = "stopped by you" if name == "SIGINT" else f"stopped by {name}"
    (said,) = [line for line in run.said.splitlines() if line.startswith("s12: ")]
    assert said == f"s12: {stopped}; to go on from the last finished epoch, repeat the command with `--ckpt_path last`."
    assert "Traceback" not in run.said
    assert torch.load(tmp_path / "run/last.ckpt", weights_only=True)["run"]["epochs"] == 1


def test_a_run_that_is_stopped_in_its_first_epoch_promises_nothing(fit, tmp_path):
    run = fit(tmp_path, S12_KILL="step:3", S12_SIGNAL="SIGTERM")
    assert run.returncode == 143, run.said
    (said,) = [line for line in run.said.splitlines() if line.startswith("s12: ")]
    assert said == "s12: stopped by SIGTERM, before an epoch was finished: there is nothing to go on from."


def test_only_one_run_at_a_time_trains_in_a_folder(fit, tmp_path):
    (tmp_path / "run").mkdir()
    with FileLock(tmp_path / ".run.lock"):
        (tmp_path / ".run.holder").write_text('{"process": 17, "machine": "abacus"}')
        run = fit(tmp_path)
    assert run.returncode == 2
    assert "Another run is training in run (process 17 on abacus): wait for it" in run.said
    assert list((tmp_path / "run").iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_a_run_killed_twice_at_random_moments_ends_with_the_same_weights(seed, said_when_killed):
    moments = sorted(random.Random(seed).sample(range(STEPS_AN_EPOCH + 1, STEPS_AN_EPOCH * EPOCHS), 2))
    said_when_killed(*(f"step:{moment}" for moment in moments))


@pytest.mark.slow
@pytest.mark.parametrize("number", [3, 4])
def test_a_run_killed_while_a_checkpoint_is_written_ends_with_the_same_weights(number, said_when_killed):
    said_when_killed(f"save:{number}")


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["step:3", "save:1"])
def test_a_run_killed_before_its_first_checkpoint_says_that_it_starts_afresh(moment, said_when_killed):
    assert "starting afresh" in said_when_killed(moment)


@pytest.mark.slow
def test_a_loss_that_becomes_nan_stops_the_run_and_keeps_the_last_good_checkpoint(fit, tmp_path):
    run = fit(tmp_path, S12_NAN=str(2 * STEPS_AN_EPOCH + 3))
    assert run.returncode == 2
    assert "the loss was nan at step 20" in run.said
    assert "last.ckpt" in run.said
    assert "Traceback" not in run.said
    assert all(torch.isfinite(value).all() for value in weights(tmp_path).values())


def run_on_two(folder, **environment):
    """`s12 fit` on two devices: Lightning starts the second by the command line."""
    command = [sys.executable, str(HERE / "run_s12.py"), *RECIPE, "--run_dir", "run", "--data.validation_size", "21"]
    two = ["--trainer.devices", "2", "--trainer.strategy", "ddp"]
    environment = os.environ | {"S12_SAMPLES": str(folder / "samples")} | environment
    return subprocess.run([*command, *two], cwd=folder, env=environment, capture_output=True, text=True)


@pytest.mark.slow
def test_of_a_run_on_two_devices_both_processes_stop_and_one_says_so(tmp_path):
    run = run_on_two(tmp_path, S12_KILL="step:6", S12_SIGNAL="SIGTERM")
    assert run.returncode == 143, run.stderr
    assert [line for line in run.stderr.splitlines() if line.startswith("s12: ")] == [
        "s12: stopped by SIGTERM; to go on from the last finished epoch, repeat the command with `--ckpt_path last`."
    ]


@pytest.mark.slow
def test_two_processes_share_an_epoch_without_seeing_an_image_twice(tmp_path):
    run = run_on_two(tmp_path)
    assert run.returncode == 0, run.stderr
    assert "on each of 2 device(s); 5 of 133 sit out" in run.stdout + run.stderr
    lines = [line.split() for line in (tmp_path / "samples").read_text().splitlines()]
    for epoch in range(EPOCHS):
        batches = [(rank, batch.split(",")) for rank, e, batch in lines if int(e) == epoch]
        images = [image for _, batch in batches for image in batch]
        assert len(images) == len(set(images)) == 16 * STEPS_AN_EPOCH
        steps = [sum(rank == r for rank, _ in batches) for r in "01"]
        assert steps == [STEPS_AN_EPOCH // 2] * 2
    with open(tmp_path / "run/metrics.csv", newline="") as file:
        last = list(csv.DictReader(file))[-1]
    right = float(last["validation_accuracy"]) * 21  # 11 images on one device and 10 on the other
    assert right == pytest.approx(round(right), abs=1e-4)
    assert 0 < round(right) < 21

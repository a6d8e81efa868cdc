"""A run is never lost, overwritten or misreported: its folder, its looks at the test set, and what it is refused."""

import errno
import json
import os
import re
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Union

import pytest
import pytorch_lightning as pl
import torch
import yaml
from pytorch_lightning.loggers import TensorBoardLogger
from run_s12 import Tiny

from s12lib import classifier
from s12lib.cli import main
from s12lib.results import records
from s12lib.training import look, recipe, trainer_settings
from s12lib.training.checkpoints import CheckpointError, read_checkpoint, run_to_go_on
from s12lib.training.csv_log import CSVLog
from s12lib.training.provenance import TRAINER_DEFAULTS, differences, unusual
from s12lib.training.run_folder import RunFolder, RunFolderError
from s12lib.training.trainer_settings import check_trainer

ROOT = Path(__file__).parent.parent
SAID_BY = "pytorch_lightning.utilities.rank_zero"  # which a lesson or a benchmark may have silenced
FIELDS = [
    "--config", str(ROOT / "recipes/smoke.yaml"), "--model.network", "tiny", "--trainer.accelerator", "cpu",
    "--data.train_size", "300", "--data.validation_size", "50", "--data.test_size", "50",
]  # fmt: skip


@pytest.fixture(autouse=True)
def in_an_empty_folder_with_a_tiny_network(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setitem(classifier.NETWORKS, "tiny", Tiny)


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory):
    """A folder with a run of two epochs in ``run``, and what was said."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setitem(classifier.NETWORKS, "tiny", Tiny)
        main(["fit", *FIELDS, "--run_dir", "run"])
    return folder / "run"


@pytest.fixture
def run(trained_once) -> Path:
    """That run in the current folder."""
    return Path(shutil.copytree(trained_once, "run"))


def refusal(capsys, *arguments: object) -> str:
    """What the command says when it ends with status 2."""
    with pytest.raises(SystemExit) as exit:
        main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert exit.value.code == 2, err
    assert "Traceback" not in err
    (said,) = [line for line in err.splitlines() if line.startswith("s12: ")]
    return out + said


# ---- where it lies ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", ["~/r", "home/r", "home/../home/r", "link/r"])
def test_a_folder_is_the_same_however_it_is_written(given, tmp_path):
    (tmp_path / "home").mkdir()
    Path("link").symlink_to("home")
    assert RunFolder(given).path == tmp_path / "home/r"


def test_a_run_in_the_home_folder_is_one_folder_and_found_again(run, tmp_path, caplog):
    (tmp_path / "home").mkdir()
    run.rename("home/r")
    before = Path("home/r/last.ckpt").read_bytes()
    with caplog.at_level("INFO", SAID_BY):
        main(["fit", *FIELDS, "--run_dir=~/r", "--ckpt_path", "last"])
    assert "Going on from home/r/last.ckpt" in caplog.text
    assert Path("home/r/last.ckpt").read_bytes() == before
    assert not Path("~").exists()
    assert sorted(path.name for path in Path("home").iterdir()) == ["r"]


def test_the_run_in_a_linked_folder_is_kept_where_the_message_says(run, capsys):
    before = (run / "last.ckpt").read_bytes()
    Path("link").symlink_to("run")
    folder = RunFolder("link")
    folder.archive_run()
    assert "The run that was in run is now in run-earlier1" in capsys.readouterr().out
    assert Path("run-earlier1/last.ckpt").read_bytes() == before
    folder.path.mkdir()
    assert Path("link").resolve() == Path("run").resolve(), "the link leads to the new run's folder"


def test_the_current_folder_is_not_moved_from_under_the_caller(run, monkeypatch):
    monkeypatch.chdir(run)
    for given in (".", "..", "../run"):
        if given == "..":
            shutil.copy("last.ckpt", "..")
        with pytest.raises(RunFolderError, match="go on with `--ckpt_path last`, or name another --run_dir"):
            RunFolder(given).archive_run()
    assert Path("last.ckpt").exists()


def test_archives_are_numbered_and_no_archive_is_overwritten(run):
    for number in (1, 2):
        RunFolder("run").archive_run()
        assert Path(f"run-earlier{number}/last.ckpt").exists()
        shutil.copytree("run-earlier1", "run")
    Path("run-earlier3").symlink_to("nowhere")
    RunFolder("run").archive_run()
    assert Path("run-earlier4/last.ckpt").exists()


@pytest.mark.parametrize("given", ["~nobody-of-that-name/r", "loop", "file", "\udcff"])
def test_what_can_be_no_folder_is_refused_in_a_sentence(given, capsys):
    Path("loop").symlink_to("loop")
    Path("file").write_text("")
    said = refusal(capsys, "fit", *FIELDS, "--run_dir", given)
    assert given.split("/")[0].encode("ascii", "replace").decode() in said


def test_a_folder_is_claimed_by_one_process_and_free_again_afterwards():
    folder = RunFolder("runs/one")
    with folder.claimed():
        with pytest.raises(RunFolderError, match=f"process {os.getpid()} on "), RunFolder("runs/one").claimed():
            pass
        with RunFolder("runs/two").claimed():
            pass
    with folder.claimed():
        pass
    assert [path.name for path in Path("runs").iterdir()] == []


def test_a_folder_that_takes_no_files_is_not_said_to_hold_another_run():
    if not Path("/proc/self").exists():
        pytest.skip("where there is /proc")
    with pytest.raises(RunFolderError, match="No file can be made in /proc"), RunFolder("/proc/run").claimed():
        pass


def test_what_a_killed_run_has_half_written_is_cleared_by_the_next():
    Path("run").mkdir()
    for name in ("last.ckpt.17.part", "metrics.csv.17.part", "mine.part"):
        Path(f"run/{name}").touch()
    with RunFolder("run").claimed():
        assert [each.name for each in Path("run").iterdir()] == ["mine.part"]


# ---- what it does to a run that is there -----------------------------------------------------------------------------


def test_a_dry_run_touches_nothing(run, caplog):
    before = {path: path.stat().st_mtime_ns for path in Path().rglob("*")}
    with caplog.at_level("INFO", SAID_BY):
        main(["fit", *FIELDS, "--run_dir", "run", "--trainer.fast_dev_run", "true"])
    assert {path: path.stat().st_mtime_ns for path in Path().rglob("*")} == before
    assert "dry run: nothing was written" in caplog.text


def test_the_best_score_travels_with_the_folder(run, tmp_path):
    checkpoint = read_checkpoint(run / "last.ckpt")
    (key,) = (key for key, state in checkpoint["callbacks"].items() if state.get("monitor") == "validation_accuracy")
    state = checkpoint["callbacks"][key]
    callback = recipe.RunCheckpoint(run, "best", monitor="validation_accuracy", mode="max")
    assert callback.state_key == key, "checkpoints of before are read too"
    callback.dirpath = str(tmp_path / "moved")
    run.rename("moved")
    callback.load_state_dict(state)
    assert callback.best_model_score == state["best_model_score"]
    assert callback.best_model_path == str(tmp_path / "moved/best.ckpt")
    assert list(callback.best_k_models) == [callback.best_model_path]
    assert callback.check_monitor_top_k(SimpleNamespace(strategy=SimpleNamespace(reduce_boolean_decision=bool)),
                                        torch.tensor(-1.0)) is False  # fmt: skip
    Path("moved/best.ckpt").unlink()
    fresh = recipe.RunCheckpoint(tmp_path / "moved", "best", monitor="validation_accuracy", mode="max")
    fresh.load_state_dict(state)
    assert fresh.best_model_score is None, "the file is gone, so the next epoch is the best there is"


def test_the_precision_that_ran_is_on_record_and_the_share_that_was_trained_is_said(caplog):
    arguments = ["fit", *FIELDS, "--trainer.max_epochs", "1", "--trainer.precision", "16-mixed"]
    with caplog.at_level("INFO", SAID_BY):
        main([*arguments, "--trainer.max_steps", "1"])
    assert "This run has trained 0.5 of 1 epochs, with trainer.max_steps set: a test of it goes on" in caplog.text
    made = read_checkpoint("runs/smoke-seed0/last.ckpt")["run"]
    assert made["precision"] == "bf16-mixed", "Lightning takes it on a CPU, where there is no 16-mixed"
    assert made["epochs"] == 0.5, "one step of two"


def test_a_run_that_ended_before_its_first_step_is_no_success(capsys, caplog):
    said = refusal(capsys, "fit", *FIELDS, "--trainer.max_time", "00:00:00:00")
    assert "Nothing was trained, with trainer.max_time set: the run ended before its first step." in said
    assert "To measure it" not in caplog.text


def test_an_abbreviated_option_makes_no_other_recipe(capsys):
    printed = []
    for name in ("limit_train_batche", "limit_train_batches"):
        with pytest.raises(SystemExit):
            main(["fit", *FIELDS, f"--trainer.{name}", "1", "--trainer.max_epoch", "1", "--print_config"])
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]
    assert "  limit_train_batches: 1\n" in printed[0]
    assert "  max_epochs: 1\n" in printed[0]


def test_a_checkpoint_from_within_an_epoch_is_not_gone_on_with(run, capsys):
    checkpoint = torch.load(run / "last.ckpt", weights_only=True)
    progress = checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]
    assert progress["is_last_batch"], "at an epoch's end it says so"
    progress["is_last_batch"], progress["current"]["ready"] = False, 1
    torch.save(checkpoint, run / "best.ckpt")
    said = refusal(capsys, "fit", *FIELDS, "--run_dir", "run", "--ckpt_path", "run/best.ckpt")
    assert "in the middle of an epoch" in said


def test_weights_alone_are_not_gone_on_with(run, capsys):
    checkpoint = torch.load(run / "last.ckpt", weights_only=True)
    for part in ("optimizer_states", "lr_schedulers"):
        del checkpoint[part]
    torch.save(checkpoint, run / "weights.ckpt")
    said = refusal(capsys, "fit", *FIELDS, "--run_dir", "run", "--ckpt_path", "run/weights.ckpt")
    assert "weights.ckpt cannot be gone on with: it holds weights, but no optimizer_states and no lr_schedulers" in said


def spoil(checkpoint, part, value):
    return checkpoint | {part: value(checkpoint[part]) if callable(value) else value}


@pytest.mark.parametrize(
    ("part", "value", "words"),
    [
        ("state_dict", lambda known: dict.fromkeys(known, 3), "its weights are not tensors by name"),
        ("state_dict", {1: torch.ones(2)}, "its weights are not tensors by name"),
        (
            "state_dict",
            lambda known: known | {"whitening": torch.tensor([1, float("inf")])},
            "infinite numbers in whit",
        ),
        ("current_model_state", {"a": torch.tensor(float("nan"))}, "holds NaN or infinite numbers in a"),
        ("optimizer_states", [], "checkpoint to go on from: optimizer_states: list should have at least 1"),
        ("optimizer_states", "x", "checkpoint to go on from: optimizer_states: input should be a valid list"),
        ("lr_schedulers", [3], "checkpoint to go on from: lr_schedulers"),
        ("epoch", None, "checkpoint to go on from: epoch: input should be a valid integer"),
        ("global_step", -1, "checkpoint to go on from: global_step"),
        ("callbacks", {}, "it does not say what its run has logged"),
        ("callbacks", lambda known: known | {"RunRecord": {}}, "it does not say what its run has logged"),
        ("loops", {}, "it does not say how far its run came"),
        ("loops", lambda known: {"fit_loop": known["fit_loop"] | {"epoch_progress": {}}}, "how far its run came"),
    ],
)
def test_what_is_wrong_in_a_checkpoint_is_told_before_anything_is_taken_from_it(part, value, words, run):
    checkpoint = torch.load(run / "last.ckpt", weights_only=True)
    torch.save(spoil(checkpoint, part, value), run / "last.ckpt")
    with pytest.raises(CheckpointError, match=words):
        run_to_go_on(read_checkpoint(run / "last.ckpt"), run / "last.ckpt")


@pytest.mark.parametrize("command", ["test", "validate"])
def test_weights_that_are_not_finite_are_not_measured(command, run, capsys):
    checkpoint = torch.load(run / "last.ckpt", weights_only=True)
    checkpoint["state_dict"]["whitening"][0] = float("nan")
    torch.save(checkpoint, run / "last.ckpt")
    said = refusal(capsys, command, *FIELDS, "--run_dir", "run", "--ckpt_path", "last")
    assert "holds NaN or infinite numbers in whitening: its training had diverged." in said
    assert not Path("results").exists()


def test_what_lightning_cannot_take_over_is_told_in_a_sentence(run, capsys):
    checkpoint = torch.load(run / "last.ckpt", weights_only=True)
    torch.save(checkpoint | {"lr_schedulers": [{}]}, run / "last.ckpt")
    said = refusal(capsys, "fit", *FIELDS, "--run_dir", "run", "--ckpt_path", "last")
    assert "run/last.ckpt cannot be gone on with: what it holds is not what `s12 fit` writes." in said


def test_a_flipped_bit_in_a_checkpoint_is_noticed(run):
    content = bytearray((run / "last.ckpt").read_bytes())
    content[len(content) // 2] ^= 1
    (run / "last.ckpt").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"last\.ckpt is damaged"):
        read_checkpoint(run / "last.ckpt")


@pytest.mark.parametrize("path", ["/dev/zero", "pipe", ".", "huge"])
def test_what_is_no_file_of_reasonable_size_is_never_read(path):
    os.mkfifo("pipe")
    with open("huge", "wb") as file:
        file.truncate(10**12)
    with pytest.raises(CheckpointError, match="cannot be read as a checkpoint"):
        read_checkpoint(path)


def test_a_checkpoint_that_may_not_be_read_is_not_called_damaged(run, monkeypatch):
    def denied(*arguments, **settings):
        raise PermissionError(errno.EACCES, "Permission denied", "last.ckpt")

    monkeypatch.setattr(torch, "load", denied)
    with pytest.raises(CheckpointError, match="you may not read or write it: look at its permissions"):
        read_checkpoint(run / "last.ckpt")


@pytest.mark.parametrize(("text", "words"), [("lr\n0.1\n", "step"), ("step\n\n1.5\n", "step"), ("\0", "step")])
def test_a_log_without_its_steps_is_refused_by_its_name(text, words, run):
    checkpoint = torch.load(run / "last.ckpt", weights_only=True)
    del checkpoint["callbacks"]["RunRecord"]["log"]  # of before version 0.2.0: the rows are in the file alone
    torch.save(checkpoint, run / "last.ckpt")
    (run / "metrics.csv").write_text(text)
    from s12lib.training.csv_log import CSVLog, LogError

    with pytest.raises(LogError, match=r"metrics\.csv cannot be read as a log of training.*" + words):
        CSVLog(run).go_on_from_file(4)


# ---- looks at the test set -------------------------------------------------------------------------------------------


def full(*arguments, **settings):
    raise OSError(errno.ENOSPC, "No space left on device", "results")


def is_a_file() -> None:
    Path("results").write_text("")


def is_damaged() -> None:
    """An earlier look at the very weights."""
    checkpoint = read_checkpoint("run/last.ckpt")
    digest = recipe.weights_sha256(recipe.network_weights(checkpoint))
    Path("results").mkdir()
    Path(f"results/smoke-seed0-{digest[:8]}.json").write_text("{")


@pytest.mark.parametrize("obstacle", [is_a_file, is_damaged, "full disk"])
def test_where_no_look_can_be_recorded_none_is_taken_and_no_accuracy_is_shown(obstacle, run, capsys, monkeypatch):
    if obstacle == "full disk":
        monkeypatch.setattr(records.tempfile, "TemporaryFile", full)
    else:
        obstacle()
    said = refusal(capsys, "test", *FIELDS, "--run_dir", "run", "--ckpt_path", "last")
    assert "results" in said
    assert "%" not in said
    assert "accuracy" not in said


def test_the_look_is_on_record_before_anything_after_it_can_fail(run, capsys, monkeypatch):
    def broken(*arguments):
        raise RuntimeError("unsupported ScalarType BFloat16")

    monkeypatch.setattr(look, "logits_of", broken)
    with pytest.raises(RuntimeError):
        main(["test", *FIELDS, "--run_dir", "run", "--ckpt_path", "last"])
    out, err = capsys.readouterr()
    assert "accuracy" not in out + err
    (result,) = Path("results").iterdir()
    assert len(records.read(result)["looks"]) == 1


def test_weights_in_bfloat16_are_tested_and_recorded(capsys):
    fields = [*FIELDS, "--trainer.precision", "bf16-true", "--model.ema_decay", "0", "--trainer.max_epochs", "1"]
    main(["fit", *fields])
    main(["test", *fields, "--ckpt_path", "last"])
    (result,) = Path("results").iterdir()
    assert records.read(result)["train_accuracy"] is not None


def test_a_full_disk_is_named_and_leaves_the_record_as_it_was(tmp_path, monkeypatch):
    metadata = {
        "recipe": "a|b", "recipe_hash": "abc", "seed": 0, "dataset": "Shapes", "train_images": 10,
        "train_fingerprint": "f", "epochs": 1, "config": {"model": {}, "data": {}, "max_epochs": 1},
    }  # fmt: skip
    metrics = {"test_accuracy": 0.5, "test_accuracy_tta": 0.5, "train_accuracy": 0.5}
    path = records.record(metadata, metrics, "a" * 64)
    before = path.read_bytes()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        records.record(metadata, metrics, "a" * 64)
    assert [(each, each.read_bytes()) for each in Path("results").iterdir()] == [(path, before)]


@pytest.fixture
def no_file_above():
    """Lets no file grow beyond a size, as on a full disk."""
    resource = pytest.importorskip("resource", reason="on POSIX")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_run_that_fills_the_disk_names_the_file_and_leaves_none_half_written(no_file_above, capsys):
    no_file_above(20_000)  # a checkpoint has 30,000 bytes
    said = refusal(capsys, "fit", *FIELDS, "--run_dir", "run")
    assert "run/best.ckpt: File too large." in said
    assert sorted(each.name for each in Path("run").iterdir()) == ["metrics.csv", "tensorboard"]


def test_where_tensorboards_log_finds_no_room_the_run_goes_on(capsys, monkeypatch):
    monkeypatch.setattr(TensorBoardLogger, "save", full)
    main(["fit", *FIELDS, "--run_dir", "run", "--trainer.max_epochs", "1"])
    err = capsys.readouterr().err
    assert err.count("TensorBoard's log of run/tensorboard ends here: the disk is full: free some space") == 1
    assert Path("run/last.ckpt").exists()


def test_a_log_that_could_not_be_written_is_not_said_to_be_deleted(capsys, monkeypatch):
    log = CSVLog(Path("run"))
    log.log_metrics({"lr": 1.0}, 0)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            log.save()
    log.save()
    assert "moved or deleted" not in capsys.readouterr().err


# ---- what a run can be -----------------------------------------------------------------------------------------------

SETTINGS = {
    "accelerator": "cpu", "strategy": "auto", "num_nodes": 1, "max_epochs": 2, "max_steps": -1,
    "limit_train_batches": None,
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"accelerator": "tpu"}, "accelerator must be one of auto, cpu"),
        ({"strategy": "ddp_spawn"}, "strategy must be auto or"),
        ({"strategy": "ddp_notebook"}, "strategy must be auto or"),
        ({"strategy": "fsdp"}, "strategy must be auto or"),
        ({"max_steps": 0}, "max_steps must be at least 1"),
        ({"max_steps": -2}, "max_steps must be at least 1"),
        ({"limit_train_batches": 0}, "limit_train_batches must be above 0"),
        ({"limit_train_batches": 0.0}, "limit_train_batches must be above 0"),
        ({"max_epochs": None}, "max_epochs must be at least 1"),
        ({"num_nodes": 2}, "num_nodes is 2, but this is no cluster: start the command on each machine"),
    ],
)
def test_settings_with_which_nothing_good_comes_are_refused_before_training(change, words):
    check_trainer(SETTINGS, "fit")
    with pytest.raises(ValueError, match=words):
        check_trainer(SETTINGS | change, "fit")


def test_half_of_slurm_is_refused_and_a_whole_one_is_not(monkeypatch):
    monkeypatch.setenv("SLURM_NTASKS", "2")
    with pytest.raises(ValueError, match=r"SLURM_NTASKS is set, but SLURM_JOB_ID and .* is not: start"):
        check_trainer(SETTINGS, "fit")
    for name in trainer_settings.SLURM_NEEDS:
        monkeypatch.setenv(name, "0")
    check_trainer(SETTINGS, "fit")


def test_a_run_on_several_machines_says_for_whom_it_waits(monkeypatch, caplog):
    monkeypatch.setenv("MASTER_ADDR", "10.0.0.1")
    monkeypatch.setenv("NODE_RANK", "0")
    with caplog.at_level("INFO", SAID_BY):
        check_trainer(SETTINGS, "fit")
        assert caplog.messages == []
        check_trainer(SETTINGS | {"num_nodes": 3}, "fit")
    assert caplog.messages == ["Waiting for all 3 machines to join at 10.0.0.1, for at most half an hour."]


ALIKE = [
    {"devices": "1"}, {"devices": 1}, {"devices": [0]}, {"devices": "0,"}, {"limit_train_batches": 1.0},
    {"gradient_clip_val": 0}, {"overfit_batches": 0}, {"fast_dev_run": 0}, {"accumulate_grad_batches": 1},
]  # fmt: skip


@pytest.mark.parametrize("change", ALIKE, ids=str)
def test_a_setting_that_means_the_usual_makes_no_other_recipe(change):
    assert unusual(TRAINER_DEFAULTS | change) == {}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"devices": "2"}, {"devices": 2}),
        ({"devices": [0, 1]}, {"devices": 2}),
        ({"gradient_clip_val": 1}, {"gradient_clip_val": 1.0}),
        ({"max_time": "00:00:01:00"}, {"max_time": {"minutes": 1}}),
        ({"max_steps": "3"}, {"max_steps": 3}),
    ],
)
def test_settings_are_compared_by_their_meaning(one, other):
    assert unusual(TRAINER_DEFAULTS | one) == unusual(TRAINER_DEFAULTS | other) != {}


@pytest.mark.parametrize(("given", "meant"), [("1", "1"), ("1.0", "1.0"), ("0.5", "0.5"), ("null", "null")])
def test_one_batch_is_read_as_one_batch_whatever_was_imported_before(given, meant, monkeypatch, capsys):
    monkeypatch.setitem(pl.Trainer.__init__.__annotations__, "limit_train_batches", Union[float, int, None])  # noqa: UP007
    with pytest.raises(SystemExit):
        main(
            [
                "fit",
                "--config",
                str(ROOT / "recipes/smoke.yaml"),
                "--trainer.limit_train_batches",
                given,
                "--print_config",
            ]
        )
    assert f"  limit_train_batches: {meant}\n" in capsys.readouterr().out


def test_one_batch_is_not_all_of_them():
    assert unusual(TRAINER_DEFAULTS | {"limit_train_batches": 1}) == {"limit_train_batches": "1"}


def test_what_differs_between_two_runs_is_named_with_both_values():
    begun = {"model": {"lr": 0.2}, "data": {"crop": 4, "seed": 0}, "max_epochs": 2}
    now = {"model": {"lr": 0.2}, "data": {"crop": 2, "seed": 1}, "max_epochs": 3, "trainer": {"devices": "2"}}
    found = {"data.crop": (4, 2), "trainer.devices": (1, "2"), "trainer.max_epochs": (2, 3)}
    assert differences(begun, now) == found
    assert differences(begun, begun | {"trainer": {"devices": "1"}}) == {}, "as a run of before could have it"


def test_a_run_on_one_device_says_so_when_it_is_to_go_on_on_two(run):
    now = read_checkpoint(run / "last.ckpt")["run"]
    two = now | {"config": now["config"] | {"trainer": {"devices": "2"}}}
    with pytest.raises(CheckpointError, match=r"begun with trainer\.devices 1, and now it is 2: go on with 1"):
        RunFolder("run").refuse_another_run(run / "last.ckpt", two)


# ---- in plain words --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--data.batch_size", "0"], "batch_size must be at least 1, but it is 0"),
        (["--data.batch_size", "many"], "data.batch_size must be a whole number, but it is many."),
        (["--data.batchsize", "3"], "The data have no field batchsize; did you mean batch_size?"),
        (["--data.flip", "sideways"], "flip must be alternating, random or none, but it is 'sideways'"),
        (["--data.train_size", "1000000000000"], "At most 1,000,000 Shapes are drawn"),
        (["--data", "CIFAR"], "data must be one of CIFAR10, CIFAR100, Shapes, Pictures, but it is CIFAR; did you mean"),
        (["--data", "s12lib.Shape"], "it is Shape; did you mean Shapes?"),
        (["--data", "Pictures"], "Say data.data_dir: add `--data.data_dir VALUE`"),
        (["--data.seed", "5"], "set it with `--seed_everything 5`"),
        (["--seed_everything", "-3"], "seed_everything must lie between 0 and 4294967295, but it is -3."),
        (["--modl.lr", "3"], "There is no option --modl.lr; did you mean --model.lr?"),
        (["--model.lr", "fast"], "model.lr must be a number, but it is fast."),
        (["--model.num_classes", "1000000000000"], "num_classes must be at most 100000"),
        (["--model.network", "page_resnt"], "did you mean page_resnet?"),
        (["--trainer.precision", "8-bit"], "trainer.precision cannot be 8-bit"),
        (["--trainer.precision", "bf16-mix"], "trainer.precision cannot be bf16-mix; did you mean bf16-mixed?"),
        (["--trainer.strategy", "dpp"], "but it is dpp; did you mean ddp?"),
        (["--trainer.accelerator", "gpus"], "but it is gpus; did you mean gpu?"),
        (["--data.flip", "alternatin"], "did you mean alternating?"),
        (["--model.dirac", "plane"], "did you mean plain?"),
        (["--model.flip", "none"], "There is no option --model.flip; did you mean --data.flip?"),
        (["--config", str(ROOT / "recipes/smok.yaml")], "it is not there; did you mean smoke.yaml?"),
        (["--trainer.gradient_clip_val", "x"], "trainer.gradient_clip_val cannot be x"),
        (["--config", "/dev/zero"], "/dev/zero cannot be read: it is a device or a pipe"),
        (["--config", "~/none.yaml"], "~/none.yaml cannot be read: it is not there"),
        (["--config", "."], "it is a folder"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_told_in_plain_words(arguments, words, capsys):
    said = refusal(capsys, "fit", *FIELDS, *arguments)
    assert words in said
    assert "Union" not in said
    assert "Namespace" not in said


def test_a_seed_of_the_data_in_a_recipe_is_told_too(capsys):
    Path("mine.yaml").write_text(yaml.safe_dump({"data": {"class_path": "s12lib.Shapes", "init_args": {"seed": 7}}}))
    assert "set it with `--seed_everything 7`" in refusal(capsys, "fit", "--config", "mine.yaml")


@pytest.mark.parametrize("command", ["fit", "test"])
def test_a_command_alone_says_what_it_needs(command, capsys):
    assert "Say which recipe, as in `--config recipes/smoke.yaml`" in refusal(capsys, command)


def test_a_mistyped_command_or_option_gets_the_nearest_name(capsys):
    assert "did you mean predict?" in refusal(capsys, "predct")
    assert "did you mean --data-dir?" in refusal(capsys, "data", "--data_dir", "x")
    assert "did you mean --config?" in refusal(capsys, "fit", "--confg=x.yaml")


def test_a_name_with_markup_does_not_break_the_tables_row():
    metadata = {
        "recipe": "a|b `c`", "recipe_hash": "abc", "seed": 0, "dataset": "<b>|trees\n# \u202ex", "train_images": 10,
        "train_fingerprint": "f", "epochs": 1, "config": {"model": {}, "data": {}, "max_epochs": 1},
    }  # fmt: skip
    metrics = {"test_accuracy": 0.5, "test_accuracy_tta": 0.5, "train_accuracy": 0.5}
    records.record(metadata, metrics, "a" * 64)
    from s12lib.results import tables

    header, *_ = tables.HEADER
    (row,) = (line for line in tables.table().splitlines() if "trees" in line)
    assert row.count("|") == header.count("|")
    assert not {"<", "\u202e", "#"} & set(re.sub(r"&#\d+;|</?code>", "", row))
    for page in (tables.summary(), tables.speed(), tables.headline()):
        assert "<b>" not in page
        assert "\u202e" not in page
    assert json.loads(next(Path("results").iterdir()).read_text())["recipe"] == "a|b `c`"


@pytest.mark.parametrize("lost", [shutil.rmtree, lambda folder: Path(folder).rename("moved")], ids=["deleted", "moved"])
def test_a_folder_that_goes_while_its_run_trains_loses_no_row_and_the_run_goes_on(lost, capsys, monkeypatch):
    step = classifier.Classifier.training_step

    def losing(self, batch, batch_idx):
        if self.global_step == 3:
            lost("run")
        return step(self, batch, batch_idx)

    monkeypatch.setattr(classifier.Classifier, "training_step", losing)
    main(["fit", *FIELDS, "--run_dir", "run", "--trainer.log_every_n_steps", "1"])
    said = capsys.readouterr().err
    assert "run was moved or deleted while its run was training: the whole log and the checkpoints from now on" in said
    assert "Traceback" not in said
    assert read_checkpoint("run/last.ckpt")["run"]["epochs"] == 2
    assert read_checkpoint("run/best.ckpt")["run"]["epochs"] == 2, "the best of those that are still there"
    assert [line.split(",")[0] for line in Path("run/metrics.csv").read_text().splitlines()] == ["step", *"0123"]

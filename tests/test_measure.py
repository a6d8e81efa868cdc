"""`s12 measure` trains and tests what is missing, and says what came out; its whole list runs in miniature."""

import json
from pathlib import Path
from typing import Union

import pytest
import pytorch_lightning as pl
import yaml

from s12lib.cli import main
from s12lib.training import ablate, measure, plan

ROOT = Path(__file__).parent.parent


@pytest.fixture
def recipe(tmp_path, tiny_network, monkeypatch) -> Path:
    """A recipe of a second, and an empty folder to run it in."""
    monkeypatch.chdir(tmp_path)
    settings = {
        "trainer": {"accelerator": "cpu", "precision": "32-true", "max_epochs": 2, "enable_progress_bar": False},
        "model": {"network": tiny_network, "ema_decay": 0.9, "ema_every": 1},
        "data": {
            "class_path": "s12lib.Shapes",
            "init_args": {"train_size": 64, "validation_size": 0, "test_size": 20, "batch_size": 16},
        },
    }
    path = tmp_path / "recipes" / "tiny.yaml"
    path.parent.mkdir()
    path.write_text(yaml.safe_dump(settings))
    return path


def results() -> dict[int, dict]:
    return {run["seed"]: run for path in Path("results").glob("*.json") for run in [json.loads(path.read_text())]}


def test_each_seed_is_trained_and_tested_once_and_summed_up(recipe, capsys):
    main(["measure", "--config", str(recipe), "--seeds", "1"])
    first, said = results(), capsys.readouterr().out
    assert first.keys() == {1}
    assert all(run["epochs"] == 2 and len(run["looks"]) == 1 for run in first.values())
    assert "tiny " in said
    assert "n = 1" in said
    for name in measure.KEYS:
        assert f"\n{name}" in said
    main(["measure", "--config", str(recipe), "--seeds", "1", "0"])
    assert results().keys() == {0, 1}
    assert results()[1] == first[1], "what has its result is left alone"
    assert "n = 2" in capsys.readouterr().out


def test_a_run_that_was_trained_and_not_tested_is_only_tested(recipe, monkeypatch):
    main(["fit", "--config", str(recipe), "--seed_everything", "3"])
    last = Path("runs/tiny-seed3/last.ckpt")
    trained = last.stat().st_mtime_ns
    main(["measure", "--config", str(recipe), "--seeds", "3"])
    assert results()[3]["epochs"] == 2
    assert [path.name for path in Path("runs").iterdir()] == ["tiny-seed3"]
    assert last.stat().st_mtime_ns == trained


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--config", "recipes/tiny.yaml", "--trainer.limit_train_batches=1"], "tiny.yaml is no recipe to measure"),
        (["--config", str(ROOT / "recipes/fast.yaml"), "--data.validation_size=5000"], "must train on all images"),
        (["--config", "recipes/none.yaml"], "none.yaml"),
        (["--all", "--model.lr=3"], "leave out --model.lr=3"),
        ([], "one of the arguments --config --all is required"),
    ],
)
def test_what_would_measure_nothing_is_refused_before_anything_is_trained(
    arguments, words, recipe, capsys, monkeypatch
):
    turned_round = Union[float, int, None]  # noqa: UP007 (as it may come, by what was imported before)
    monkeypatch.setitem(pl.Trainer.__init__.__annotations__, "limit_train_batches", turned_round)
    with pytest.raises(SystemExit) as stop:
        main(["measure", *arguments])
    assert stop.value.code == 2
    assert words in capsys.readouterr().err
    assert not Path("runs").exists()


def test_the_summary_gives_standard_errors_and_leaves_out_what_old_results_lack():
    run = {
        "recipe": "fast",
        "recipe_hash": "abc",
        "dataset": "CIFAR-10",
        "config": {"max_epochs": 8},
        "hardware": "abacus",
    }
    runs = [
        run | {"test_accuracy": 0.93, "test_accuracy_tta": 0.94, "train_accuracy": 0.97, "train_seconds": 10.0},
        run | {"test_accuracy": 0.95, "test_accuracy_tta": 0.94, "train_accuracy": 0.97, "train_seconds": 20.0},
    ]
    lines = measure.summary(runs).splitlines()
    assert lines[0] == "fast abc on CIFAR-10, n = 2, 8 epochs"
    assert lines[2].split() == ["test", "accuracy", "94.00", "1.00", "1.41", "93.00", "95.00"]
    assert lines[-1].split()[:5] == ["training,", "seconds", "15.00", "5.00", "7.07"]
    assert "multi-crop" not in measure.summary(runs)
    newer = [runs[0], runs[1] | {"test_accuracy_multicrop": 0.955}]
    assert "95.50       –      –   95.50    95.50   (n = 1)" in measure.summary(newer)


# ---- the whole list --------------------------------------------------------------------------------------------------


def test_the_list_is_done_in_order_as_far_as_the_minutes_go(capsys):
    now, done = [0.0], []

    def job(name: str, seconds: float, images: int) -> plan.Job:
        return plan.Job(name, images, lambda: (done.append(name), now.__setitem__(0, now[0] + seconds)))

    todo = [job("a", 30, 3000), job("b", 60, 6000), job("too long", 0, 9000), job("c", 20, 2000)]
    assert plan.carry_out(todo, 2, speed=1000, clock=lambda: now[0]) == 3
    assert done == ["a", "b", "c"], "after the first, the speed is 100 images a second and not 1000"
    assert "Left for another time: too long (about 1.5 minutes)." in capsys.readouterr().out


def test_the_bill_adds_up():
    todo = [plan.Job(f"one, seed {seed}", 36_000, print) for seed in (0, 1)] + [plan.Job("two", 360_000, print)]
    bill = plan.bill(todo, 10, "an abacus")
    assert "    2         1.0  one\n    1        10.0  two" in bill
    assert "about 12 hours on an abacus, at 10 images a second" in bill
    assert "by an estimate" in bill


def test_the_list_has_every_recipe_and_every_lever_of_the_book(tmp_path):
    names = [job.name for job in plan.jobs(ROOT / "recipes", tmp_path)]
    for recipe, seeds in plan.SEEDS.items():
        assert [f"{recipe}, seed {seed}" for seed in range(seeds)] == [n for n in names if n.startswith(f"{recipe}, ")]
    assert sum("fast without whitening" in name for name in names) == 3
    assert sum("sprint without muon" in name for name in names) == 3
    assert "page24, seed 0" not in [job.name for job in plan.jobs(ROOT / "recipes", ROOT / "results")]


def test_the_whole_list_runs_in_miniature(recipe, monkeypatch, capsys):
    monkeypatch.setattr(plan, "SEEDS", {"tiny": 1})
    monkeypatch.setattr(plan, "ABLATIONS", {"tiny": 1})
    monkeypatch.setattr(plan, "HELD_OUT", 20)
    monkeypatch.setattr(plan, "images_per_second", lambda *_: 1e9)
    levers = {name: ablate.LEVERS[name] for name in ("ema", "whitening", "muon")}
    monkeypatch.setattr(ablate, "LEVERS", levers)
    main(["measure", "--all"])
    said = capsys.readouterr().out
    assert "There is no GPU, so nothing was run" in said
    assert "  tiny without ema\n" in said
    assert not Path("runs").exists()
    main(["measure", "--all", "--here"])
    assert "4 of 4 runs done" in capsys.readouterr().out
    assert results().keys() == {0}
    found = [json.loads(path.read_text())["without"] for path in Path("results/ablations").glob("*.json")]
    assert sorted(found) == ["ema", "none", "whitening"]
    main(["measure", "--all", "--here"])
    assert "Every run has its result" in capsys.readouterr().out

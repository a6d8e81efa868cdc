"""What a lever is worth: paired runs on the validation split, and the table made of them."""

import json
from pathlib import Path

import pytest
import yaml

from s12lib.cli import main
from s12lib.results import ablations
from s12lib.results.records import ResultsError, complete


def write_run(folder, without, seed, accuracy, **changes):
    config = {"model": {"ema_decay": 0.0 if without == "ema" else 0.99, "whiten": True}, "data": {"crop": 4}}
    run = {
        "recipe": "fast", "epochs": 6, "hardware": "abacus", "dataset": "CIFAR-10", "seed": seed, "without": without,
        "config": config, "validation": {"accuracy": accuracy, "accuracy_tta": accuracy + 0.01},
        "images": {"train": 45_000, "validation": 5000}, "fields": [], "precision": "32-true",
    }  # fmt: skip
    folder.mkdir(exist_ok=True)
    (folder / f"{without}-{seed}-{len(list(folder.iterdir()))}.json").write_text(json.dumps(run | changes))


def test_a_lever_is_worth_the_mean_of_the_differences_of_the_same_seed(tmp_path):
    for seed, with_it, without in ((0, 0.93, 0.92), (1, 0.94, 0.91)):
        write_run(tmp_path, "none", seed, with_it)
        write_run(tmp_path, "ema", seed, without)
    table = ablations.table(tmp_path)
    assert "| ema | `model.ema_decay`: 0.99, 0.0 | 2 | 93.50 | 91.50 | +2.00 ± 1.00 | +2.00 ± 1.00 |" in table
    assert "The recipe as it is, seed by seed: 93.00, 94.00." in table


def test_one_thread_is_one_thread_however_an_older_record_counts_it(tmp_path):
    write_run(tmp_path, "none", 0, 0.93, hardware="abacus, 1 threads")
    write_run(tmp_path, "ema", 0, 0.92, hardware="abacus, 1 thread")
    table = ablations.table(tmp_path)
    assert "; abacus, 1 thread, 32-true." in table
    assert "| +1.00 |" in table, "the same machine, so a pair"


def test_multicrop_has_a_column_where_every_run_has_it(tmp_path):
    write_run(tmp_path, "none", 0, 0.93)
    write_run(tmp_path, "ema", 0, 0.92)
    assert "multi-crop" not in ablations.table(tmp_path)
    for without, accuracy in (("none", 0.93), ("ema", 0.92)):
        validation = {"accuracy": accuracy, "accuracy_tta": accuracy, "accuracy_multicrop": 2 * accuracy - 0.9}
        write_run(tmp_path / "newer", without, 0, accuracy, validation=validation)
    table = ablations.table(tmp_path / "newer")
    assert "| worth, points | worth with flip TTA | with multi-crop TTA |" in table
    assert "| +1.00 | +1.00 | +2.00 |" in table


def test_what_was_tried_beside_a_recipe_is_told_from_it_by_pairs_of_one_seed(tmp_path):
    cut = "--trainer.limit_val_batches=20"
    write_run(tmp_path, "none", 0, 0.90, fields=[cut])
    write_run(tmp_path, "none", 0, 0.91, fields=[cut, "--model.dirac=plain"])
    assert ablations.table(tmp_path).endswith("| `--model.dirac=plain` | 1 | +1.00 | +1.00 |")
    write_run(tmp_path, "none", 1, 0.90, fields=[cut])
    write_run(tmp_path, "none", 1, 0.93, fields=[cut, "--model.dirac=plain"])
    write_run(tmp_path, "none", 0, 0.99, fields=[cut, "--model.dirac=all"], hardware="another")
    write_run(tmp_path, "none", 0, 0.99, fields=[cut, "--model.dirac=all"], images={"train": 10, "validation": 5000})
    write_run(tmp_path, "none", 5, 0.99, fields=[cut, "--model.dirac=all"])
    assert ablations.table(tmp_path).count("| `--model") == 1
    assert "| `--model.dirac=plain` | 2 | +2.00 ± 1.00 | +2.00 ± 1.00 |" in ablations.table(tmp_path)
    write_run(tmp_path, "ema", 0, 0.89, fields=[cut])
    lever, what_was_tried = ablations.table(tmp_path).split("\n\n| tried")
    assert lever.count("The recipe as it is") == 1
    assert "The recipe as it is" not in what_was_tried
    write_run(tmp_path, "none", 1, 0.94, fields=["--model.dirac=plain", "--model.lookahead=true", cut])
    assert "| `--model.lookahead=true` | 1 | +1.00 | +1.00 |" in ablations.table(tmp_path), "beside the nearest run"
    assert ablations.table(tmp_path).count("lookahead=true") == 1


def test_a_lever_is_worth_the_epochs_and_seconds_that_make_up_for_it(tmp_path):
    """From 4 epochs to 8 the recipe gains 2 points: a lever worth 2 points stands for twice the epochs."""
    write_run(tmp_path, "none", 0, 0.93, epochs=8, train_seconds=80.0)
    write_run(tmp_path, "none", 0, 0.91, epochs=4, train_seconds=40.0)
    write_run(tmp_path, "ema", 0, 0.91, epochs=8, train_seconds=72.0)
    table = ablations.table(tmp_path)
    assert "| worth, epochs | worth, seconds |" in table
    assert "| +8.0 | +64 |" in table, "16 epochs of 9 seconds in place of 8 of 10"


@pytest.mark.parametrize("other", [{"epochs": 4, "fields": ["--model.lr=2"]}, {"epochs": 8}])
def test_without_a_second_length_nothing_is_said_of_epochs(other, tmp_path):
    write_run(tmp_path, "none", 0, 0.93, epochs=8)
    write_run(tmp_path, "none", 1, 0.91, **other)
    write_run(tmp_path, "ema", 0, 0.91, epochs=8)
    assert "epochs |" not in ablations.table(tmp_path)


def test_a_run_from_before_a_lever_there_is_now_pairs_with_one_from_after(tmp_path):
    write_run(tmp_path, "none", 0, 0.93)
    model = {"ema_decay": 0.0, "whiten": True, "ema_correction": False, "muon_lr": 0.0, "muon_momentum": 0.6}
    write_run(tmp_path, "ema", 0, 0.92, config={"model": model, "data": {"crop": 4, "contrast": 0.0}})
    assert "| 1 | 93.00 | 92.00 | +1.00 | +1.00 |" in ablations.table(tmp_path)


def test_a_seed_that_only_one_side_has_is_left_out(tmp_path):
    write_run(tmp_path, "none", 0, 0.93)
    write_run(tmp_path, "none", 1, 0.5)
    write_run(tmp_path, "ema", 0, 0.92)
    assert "| 1 | 93.00 | 92.00 | +1.00 | +1.00 |" in ablations.table(tmp_path)


def test_runs_of_other_length_size_recipe_dataset_or_machine_are_not_paired(tmp_path):
    write_run(tmp_path, "none", 0, 0.93)
    for change in (
        {"epochs": 7},
        {"recipe": "page24"},
        {"dataset": "Shapes"},
        {"hardware": "slide rule"},
        {"precision": "bf16-mixed"},
        {"fields": ["--model.lr=2"]},
        {"images": {"train": 10_000, "validation": 5000}},
    ):
        write_run(tmp_path, "ema", 0, 0.92, **change)
    assert ablations.table(tmp_path) == ""


def test_runs_that_differ_in_more_than_the_lever_are_not_compared(tmp_path):
    write_run(tmp_path, "none", 0, 0.93)
    config = {"model": {"ema_decay": 0.0, "whiten": False}, "data": {"crop": 4}}
    write_run(tmp_path, "ema", 0, 0.92, config=config)
    with pytest.raises(ResultsError, match="differ in more than the lever ema"):
        ablations.table(tmp_path)


def test_a_field_that_says_nothing_without_the_lever_is_no_other_difference(tmp_path):
    for without, model in (
        ("none", {"muon_lr": 0.24, "muon_momentum": 0.6}),
        ("muon", {"muon_lr": 0.0, "muon_momentum": 0.6}),
    ):
        model |= {"whiten": True, "ema_decay": 0.0}
        write_run(tmp_path, without, 0, 0.9, config={"model": model, "data": {"crop": 2}})
    assert "| muon | `model.muon_lr`: 0.24, 0.0 | 1 |" in ablations.table(tmp_path)


def test_a_run_in_which_the_lever_was_not_off_is_not_compared(tmp_path):
    write_run(tmp_path, "none", 0, 0.93)
    write_run(tmp_path, "ema", 0, 0.93, config={"model": {"ema_decay": 0.99, "whiten": True}, "data": {"crop": 4}})
    with pytest.raises(ResultsError, match=r"the run without ema has model\.ema_decay = 0\.99"):
        ablations.table(tmp_path)


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "broken.json").write_text("{}")
    with pytest.raises(ResultsError, match=r"broken\.json"):
        ablations.table(tmp_path)


@pytest.fixture
def recipe(tmp_path, tiny_network, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = {
        "trainer": {"accelerator": "cpu", "precision": "32-true"},
        "model": {"network": tiny_network, "whiten": True, "ema_decay": 0.9, "ema_every": 1},
        "data": {"class_path": "s12lib.Shapes", "init_args": {"train_size": 64, "test_size": 10, "batch_size": 16}},
    }
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


def test_each_lever_of_a_recipe_is_switched_off_alone_and_a_finished_run_is_not_repeated(recipe, tmp_path, capsys):
    arguments = ["--config", "tiny.yaml", "--epochs", "2", "--levers", "ema", "flip", "--out", "out"]
    arguments += ["--held-out", "20", "--data.eval_batch_size=10", "--trainer.limit_val_batches=0.5"]
    main(["ablate", *arguments])
    runs = {run["without"]: run for path in (tmp_path / "out").iterdir() for run in [json.loads(path.read_text())]}
    assert runs.keys() == {"none", "ema"}  # Shapes are not flipped in the first place
    assert runs["ema"]["config"]["model"] == runs["none"]["config"]["model"] | {"ema_decay": 0.0}
    assert runs["ema"]["config"]["data"] == runs["none"]["config"]["data"]
    assert all(run["images"] == {"train": 64, "validation": 10} for run in runs.values())
    assert all(run["train_seconds"] >= 0 for run in runs.values())  # to a tenth, which a quick machine may not need
    assert all(run["validation"].keys() >= {"accuracy", "accuracy_tta", "accuracy_multicrop"} for run in runs.values())
    assert "| ema |" in capsys.readouterr().out

    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    main(["ablate", *arguments])
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()} == before
    main(["ablate", *arguments, "--model.ema_decay=0.5"])
    assert len(list((tmp_path / "out").iterdir())) == 4, "another decay makes another pair of runs"
    assert "| ema | `model.ema_decay`: 0.5, 0.0 |" in capsys.readouterr().out, "the lever itself can be set"


def levers_of(recipe: Path) -> set[str]:
    fields = yaml.safe_load(recipe.read_text())
    config = {"model": fields["model"], "data": fields["data"]["init_args"]}
    config = complete(config)
    return {lever for lever, (field, off) in ablations.LEVERS.items() if ablations.field_of(config, field) != off}


def test_every_lever_was_switched_off_once_in_the_shortest_recipe_that_pulls_it():
    root = Path(__file__).parent.parent
    fast, page24 = levers_of(root / "recipes/fast.yaml"), levers_of(root / "recipes/page24.yaml")
    runs = [json.loads(path.read_text()) for path in (root / "results/ablations").glob("*.json")]
    assert page24 - fast == {"cutout"}
    assert {("fast", lever) for lever in fast} | {("page24", "cutout")} <= {
        (run["recipe"], run["without"]) for run in runs
    }


def test_worth_as_a_csv_holds_each_lever_with_its_error_where_it_has_one():
    rows = ablations.worth(Path(__file__).parent.parent / "results/ablations")
    whitening = {"recipe": "fast", "images": "10000", "epochs": "11", "lever": "whitening"}
    assert whitening | {"n": "1", "points": "+2.86", "error": ""} in rows
    assert ablations.as_csv(rows).splitlines()[0] == "recipe,images,epochs,lever,n,points,error"
    assert len(ablations.as_csv(rows).splitlines()) == 1 + len(rows)
    assert ablations.as_csv([]) == ""


def test_a_name_with_markup_does_not_break_the_table(tmp_path):
    for without in ("none", "ema"):
        write_run(
            tmp_path, without, 0, 0.9, recipe="a|`b`", dataset="<b>\n\u202eelms", fields=["--x=|"], hardware="a|b"
        )
    first, _, header, *lines = ablations.table(tmp_path).splitlines()
    assert first.startswith(
        "<code>a&#124;&#96;b&#96;</code> with <code>--x=&#124;</code>, 6 epochs of 45,000 images of "
    )
    assert "&#60;b&#62; elms, judged" in first
    assert {line.count("|") for line in lines} == {header.count("|")}

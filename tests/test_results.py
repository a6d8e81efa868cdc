"""The table says what the JSON files say, and the book and README say what the table says."""

import json
import re
import statistics
from pathlib import Path

import pytest

from s12lib.results import goals, records, tables
from s12lib.training.provenance import recipe_hash

ROOT = Path(__file__).parent.parent
RUN = {
    "recipe": "fast", "recipe_hash": "abc", "seed": 0, "dataset": "CIFAR-10", "train_images": 50_000,
    "train_fingerprint": "f", "epochs": 11, "config": {"model": {}, "data": {}, "max_epochs": 11},
}  # fmt: skip
METRICS = {"test_accuracy": 0.9375, "test_accuracy_tta": 0.94, "train_accuracy": 0.975}


def row(text, recipe):
    return next(line for line in text.splitlines() if line.startswith(f"| **{recipe}**"))


def test_the_table_gives_n_mean_and_standard_deviation(tmp_path):
    accuracies = [0.93, 0.94, 0.945]
    for seed, accuracy in enumerate(accuracies):
        records.record(RUN | {"seed": seed}, METRICS | {"test_accuracy": accuracy}, f"{seed}" * 64, tmp_path)
    mean, deviation = 100 * statistics.mean(accuracies), 100 * statistics.stdev(accuracies)
    assert f"| 11 | 3 | {mean:.2f} ± {deviation:.2f} | 94.00 ± 0.00 |  | 97.50 ± 0.00 |" in row(
        tables.table(tmp_path), "fast"
    )


def test_runs_from_before_multicrop_tta_stand_beside_newer_ones(tmp_path):
    records.record(RUN, METRICS, "a" * 64, tmp_path)
    assert "| 94.00 |  | 97.50 |" in row(tables.table(tmp_path), "fast")
    records.record(RUN | {"seed": 1}, METRICS | {"test_accuracy_multicrop": 0.9425}, "b" * 64, tmp_path)
    assert "| 94.00 ± 0.00 | 94.25 (n = 1) | 97.50 ± 0.00 |" in row(tables.table(tmp_path), "fast")
    assert "multi-crop" not in records.accuracies("CIFAR-10", METRICS)
    said = records.accuracies("CIFAR-10", METRICS | {"test_accuracy_multicrop": 0.9425})
    assert said.endswith("93.75%, with flip TTA 94.00%, with multi-crop TTA 94.25%")


def test_training_times_stand_machine_by_machine(tmp_path):
    run = RUN | {"hardware": "an abacus", "precision": "32-true"}
    for seed, (machine, seconds) in enumerate((("an abacus", 1000.0), ("an abacus", 1200.0), ("a slide rule", 22.0))):
        known = run | {"seed": seed, "hardware": machine, "train_seconds": seconds}
        records.record(known, METRICS, f"{seed}" * 64, tmp_path)
    records.record(run | {"seed": 9}, METRICS, "9" * 64, tmp_path)  # which does not say how long it took
    rows = [line for line in tables.speed(tmp_path).splitlines() if "**fast**" in line]
    assert len(rows) == 2
    assert "| a slide rule | 32-true | 1 | 2 | 25,000 | 22.0 s | 94.00 (CIFAR-10) |" in rows[0]
    assert "| an abacus | 32-true | 2 | 100 | 500 | 18 min | 94.00 ± 0.00 (CIFAR-10) |" in rows[1]


@pytest.mark.parametrize(("seconds", "said"), [(2.6, "2.6 s"), (4620.0, "77 min"), (9000.0, "2.5 h")])
def test_durations_are_said_as_people_say_them(seconds, said):
    assert tables.duration(seconds) == said


def test_recipes_of_different_hash_are_not_averaged(tmp_path):
    records.record(RUN, METRICS, "a" * 64, tmp_path)
    records.record(RUN | {"recipe_hash": "def", "seed": 1}, METRICS, "b" * 64, tmp_path)
    assert sum(line.startswith("| **fast**") for line in tables.table(tmp_path).splitlines()) == 2


@pytest.mark.parametrize("change", [{"train_images": 45_000}, {"epochs": 10}])
def test_a_run_that_did_not_train_on_everything_to_the_end_is_no_row(change, tmp_path):
    records.record(RUN | change, METRICS, "a" * 64, tmp_path)
    assert "**fast**" not in tables.table(tmp_path)
    assert "Looks at a test set to measure a run: 1" in tables.table(tmp_path)


def test_every_look_at_the_test_set_is_on_record(tmp_path):
    for _ in range(3):
        path = records.record(RUN, METRICS, "a" * 64, tmp_path)
    assert len(json.loads(path.read_text())["looks"]) == 3
    assert "measure a run: 3, over 1 runs" in tables.table(tmp_path)


@pytest.mark.parametrize("content", ["3", "[]", "{", '{"config": {}}', '{"config": 3}'])
def test_what_is_no_result_is_refused_by_its_files_name(content, tmp_path):
    (tmp_path / "mine.json").write_text(content)
    with pytest.raises(records.ResultsError, match=r"mine\.json"):
        tables.table(tmp_path)


@pytest.mark.parametrize("missing", ["dataset", "test_accuracy", "recipe_hash", "looks"])
def test_a_result_that_lacks_a_field_is_refused_by_name(missing, tmp_path):
    path = records.record(RUN, METRICS, "a" * 64, tmp_path)
    result = json.loads(path.read_text())
    del result[missing]
    path.write_text(json.dumps(result))
    with pytest.raises(records.ResultsError, match=missing):
        tables.table(tmp_path)


def test_writing_fills_the_part_between_the_markers_and_nothing_else(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- summary:begin -->\nold\n<!-- summary:end -->\nafter\n")
    records.record(RUN, METRICS, "a" * 64, tmp_path / "results")
    assert tables.write(tmp_path / "results", tmp_path) == [readme]
    text = readme.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "old" not in text
    assert "**fast**" in text
    assert tables.write(tmp_path / "results", tmp_path) == []


def test_readme_says_the_best_recipe_in_one_sentence_and_has_no_hashes(tmp_path):
    assert tables.headline(tmp_path) == ""
    records.record(RUN, METRICS, "a" * 64, tmp_path)
    assert re.match(
        r"\*\*[\d.]+% on CIFAR-10's test set\*\* \([\d.]+% with flip TTA; 1 run of `fast`", tables.headline(tmp_path)
    )
    assert not re.search(r"\b[0-9a-f]{12}\b", tables.summary(ROOT / "results"))


def test_a_goal_is_met_or_missed_by_the_mean_of_all_runs(tmp_path):
    assert goals.goals(tmp_path) == ""
    for seed, accuracy in enumerate([0.9300, 0.9410]):
        metrics = METRICS | {"test_accuracy": accuracy, "test_accuracy_tta": accuracy + 0.006}
        records.record(RUN | {"seed": seed}, metrics, str(seed) * 64, tmp_path)
    assert goals.goals(tmp_path) == (
        "- `fast`, n = 2: 93.55%, where the goal was 93.6%: missed by 0.05 points; "
        "94.15% with flip TTA, where the goal was 94.0%: met."
    )


def test_a_recipe_stands_among_those_that_reach_94_percent_when_its_mean_does(tmp_path):
    def ours():
        return [line for line in goals.epochs_to_94(tmp_path).splitlines() if "**fast**" in line]

    records.record(RUN, METRICS | {"test_accuracy_tta": 0.9390}, "a" * 64, tmp_path)
    assert ours() == []
    records.record(RUN | {"seed": 1}, METRICS | {"test_accuracy_tta": 0.9412}, "b" * 64, tmp_path)
    assert ours() == [
        "| **fast**, mean of 2: 94.01% with flip TTA | 11 | <meter max=24 value=11>11</meter> |",
    ]
    with_crops = METRICS | {"test_accuracy_tta": 0.9390, "test_accuracy_multicrop": 0.9404}
    records.record(RUN | {"recipe": "sprint", "recipe_hash": "0" * 12}, with_crops, "c" * 64, tmp_path)
    assert "| **sprint**, 1 run: 94.04% with multi-crop TTA |" in goals.epochs_to_94(tmp_path)
    assert goals.goals(tmp_path).endswith("94.04% with multi-crop TTA, where the goal was 94.0%: met.")
    records.record(RUN | {"recipe": "sprint", "recipe_hash": "0" * 12, "seed": 1}, METRICS, "d" * 64, tmp_path)
    assert "sprint" not in goals.goals(tmp_path) + goals.epochs_to_94(tmp_path), "one run has no crops on record"
    epochs = [float(line.split("|")[2]) for line in goals.epochs_to_94(tmp_path).splitlines()[2:]]
    assert epochs == sorted(epochs)


def test_a_text_without_markers_is_refused():
    with pytest.raises(records.ResultsError, match="markers"):
        tables.fill("nothing here", "table")


@pytest.mark.parametrize(("target", "part"), tables.TARGETS)
def test_the_book_and_readme_show_the_tables_of_the_stored_results(target, part):
    text = (ROOT / target).read_text()
    assert text == tables.fill(text, tables.contents(ROOT / "results")[part], part)


def test_every_stored_result_names_its_dataset_and_hashes_to_its_recipe():
    stored = sorted((ROOT / "results").glob("*.json"))
    assert stored
    for path in stored:
        result = records.read(path)
        assert result["dataset"] in ("CIFAR-10", "Shapes")
        assert result["recipe_hash"] == recipe_hash(result["config"])


def test_the_rows_of_others_stand_beside_ours_with_their_sources(tmp_path):
    text = tables.table(tmp_path)
    assert re.search(r"the notebook this course grew from .* 88\.62 .* 92\.53 .* its own record", text)
    assert re.search(
        r"Page, the original network .* 94\.08 \(median\) .*https://github\.com/davidcpage/cifar10-fast", text
    )


def test_a_page_without_a_place_for_the_table_is_left_alone(tmp_path):
    records.record(RUN, METRICS, "a" * 64, tmp_path / "results")
    (tmp_path / "README.md").write_text("A project of somebody else.\n")
    assert tables.write(tmp_path / "results", tmp_path) == []


def test_the_hash_of_a_recipe_ignores_seed_and_machine_but_no_lever():
    config = {"model": {"lr": 1.0}, "data": {"class": "CIFAR10", "seed": 0, "data_dir": None}, "max_epochs": 11}
    same = config | {"data": {"class": "CIFAR10", "seed": 3, "data_dir": "elsewhere"}}
    assert recipe_hash(same) == recipe_hash(config)
    assert recipe_hash(config | {"max_epochs": 12}) != recipe_hash(config)
    assert recipe_hash(config | {"model": {"lr": 0.9}}) != recipe_hash(config)


def test_a_lever_that_came_later_changes_no_hash_while_it_is_off():
    model, data = {"lr": 1.0}, {"class": "CIFAR10", "crop": 4}
    old = recipe_hash({"model": model, "data": data, "max_epochs": 11})
    off = records.ADDED_LATER
    details = {"muon_momentum": 0.6, "small_size": 24, "compile": True}

    def hash_with(section, field, value):
        config = {"model": model | off["model"] | details, "data": data | off["data"], "max_epochs": 11}
        return recipe_hash(config | {section: config[section] | {field: value}})

    assert hash_with("model", "lr", 1.0) == old
    on = {
        "ema_correction": True, "lookahead": True, "muon_lr": 0.1, "bn_momentum": 0.4, "dirac": "all",
        "small_epochs": 1, "brightness": 0.1, "contrast": 0.1,
    }  # fmt: skip
    fields = [(section, field) for section in off for field in off[section]]
    assert {field for _, field in fields} == on.keys()
    hashes = {hash_with(section, field, on[field]) for section, field in fields}
    assert len(hashes | {old}) == len(on) + 1


def test_a_muon_runs_momentum_is_part_of_its_hash():
    config = {"model": {"muon_lr": 0.1, "muon_momentum": 0.6}, "data": {}, "max_epochs": 8}
    assert recipe_hash(config) != recipe_hash(config | {"model": {"muon_lr": 0.1, "muon_momentum": 0.8}})

"""The command `s12`: quick help, real runs, and one sentence for every wrong input."""

import io
import json
import os
import pickle
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
import yaml
from narrow_network import NarrowResNet, lively
from PIL import Image
from run_s12 import Tiny

from s12lib import CLASSES, classifier, cli, gradcam, predict
from s12lib.cli import COMMANDS, main
from s12lib.commands import explain, recipe
from s12lib.commands.predict import print_top
from s12lib.data.image_files import read_image
from s12lib.data.shapes import SHAPE_CLASSES, draw_shapes
from s12lib.explain import LAYERS
from s12lib.explain.methods import METHODS
from s12lib.training.provenance import recipe_hash

ROOT = Path(__file__).parent.parent
RECIPES = sorted((ROOT / "recipes").glob("*.yaml"))
SMOKE = str(ROOT / "recipes/smoke.yaml")
SMALL = [
    "--model.network", "tiny", "--trainer.accelerator", "cpu", "--data.train_size", "300",
    "--data.validation_size", "50", "--data.test_size", "50",
]  # fmt: skip


@pytest.fixture(autouse=True)
def in_an_empty_folder_with_a_tiny_network(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(classifier.NETWORKS, "tiny", Tiny)


def test_help_names_every_command_and_loads_nothing_heavy():
    script = (
        "import sys; from s12lib.cli import main, parser_for, COMMANDS; main(['--help']); main(['fit', '--help']);"
        "[parser_for(command).format_help() for command in COMMANDS];"
        "sys.exit(bool({'torch', 'numpy', 'pytorch_lightning', 'PIL'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert all(f"  {command} " in run.stdout for command in [*recipe.ABOUT, *COMMANDS])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="where there is /dev/full")
def test_what_cannot_be_printed_is_told_and_a_reader_who_has_seen_enough_is_not():
    command = [sys.executable, "-m", "s12lib.cli", "--help"]
    with open("/dev/full", "w") as full:
        run = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert (run.returncode, run.stderr.count("\n")) == (2, 1), run.stderr
    assert "the disk is full" in run.stderr
    reader, writer = os.pipe()
    os.close(reader)
    run = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert (run.returncode, run.stderr) == (141, "")


@pytest.mark.parametrize("command", [*recipe.ABOUT, *COMMANDS])
def test_every_command_shows_an_example(command, capsys):
    with suppress(SystemExit):
        main([command, "--help"])
    assert f"Example: s12 {command}" in capsys.readouterr().out


def refusal(arguments, capsys):
    """What stderr says when the command refuses with status 2."""
    with pytest.raises(SystemExit) as exit:
        main([str(argument) for argument in arguments])
    assert exit.value.code == 2
    err = capsys.readouterr().err
    assert "Traceback" not in err
    assert "usage:" not in err
    said = [line for line in err.splitlines() if line.startswith("s12: ")]
    assert len(said) == 1
    assert arguments[0] in recipe.ABOUT or err.splitlines() == said  # Lightning says of each run where it computes
    return said[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["frobnicate"], "no command 'frobnicate'"),
        (["fit", "--config", SMOKE, "--model.foo", "3"], "model.foo"),
        (["fit", "--config", SMOKE, "--trainer.max_epochs", "-3"], "max_epochs must be at least 1"),
        (["fit", "--config", SMOKE, "--trainer.max_epochs", "many"], "max_epochs"),
        (["fit", "--config", "nowhere.yaml"], "nowhere.yaml"),
        (["fit", "--config", SMOKE, "--model.network", "vgg"], "network must be one of"),
        (["fit", "--config", SMOKE, "--data", "MNIST"], "MNIST"),
        (["fit", "--config", SMOKE, "--data.batch_size", "0"], "batch_size"),
        (["fit", "--config", SMOKE, "--data.flip", "sideways"], "flip must be"),
        (["fit", "--config", SMOKE, "--model.lr", "-1"], "lr must be"),
        (["fit", "--config", SMOKE, "--model.num_classes", "-1"], "num_classes must be at least 1"),
        (["fit", "--config", SMOKE, "--seed_everything", "true"], "seed_everything must be a whole number"),
        (["fit", "--config", SMOKE, "--trainer.logger", "false"], "keeps its log"),
        (["validate", "--config", SMOKE, "--data.validation_size", "0"], "no validation split"),
        (["fit", "--config", SMOKE, "--ckpt_path", "missing.ckpt"], "missing.ckpt"),
        (["test", "--config", SMOKE], "which weights"),
        (["test", "--config", SMOKE, "--ckpt_path", "last"], "train first"),
        (["predict", "poem.png"], "not an image"),
        (["predict", "nowhere.png"], "no file nowhere.png"),
        (["predict", "poem.png", "--top", "11"], "--top"),
        (["predict"], "IMAGE"),
        (["pack", "poem.png", "--out", "x.safetensors"], "poem.png"),
        (["pack", "poem.png", "--out", "x.bin"], ".safetensors"),
        (["data", "--from", "poem.png"], "poem.png"),
    ],
)
def test_a_wrong_input_gets_one_sentence_and_status_2(arguments, words, capsys):
    Path("poem.png").write_text("Roses are red.\n")
    assert words in refusal(arguments, capsys)


class Code:
    def __reduce__(self):
        return os.system, ("touch ran",)


@pytest.mark.parametrize("command", ["fit", "test"])
@pytest.mark.parametrize("damage", ["code", "truncated"])
def test_a_checkpoint_that_cannot_be_trusted_is_refused(command, damage, capsys):
    path = Path("bad.ckpt")
    if damage == "code":
        path.write_bytes(pickle.dumps(Code()))
    else:
        torch.save({"state_dict": {"a": torch.zeros(1000)}}, path)
        path.write_bytes(path.read_bytes()[:500])
    assert "bad.ckpt" in refusal([command, "--config", SMOKE, *SMALL, "--ckpt_path", path], capsys)
    assert not Path("ran").exists()


@pytest.mark.parametrize("command", ["fit", "test"])
def test_a_checkpoint_of_another_network_is_refused_as_such(command, trained, capsys):
    path = Path("runs/smoke-seed0/last.ckpt")
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["state_dict"]["network.other.weight"] = torch.zeros(3)
    torch.save(checkpoint, path)
    assert "another network" in refusal([command, *trained], capsys)


def test_a_smoke_run_is_trained_validated_tested_and_recorded(trained, capsys):
    run = Path("runs/smoke-seed0")
    assert {path.name for path in run.iterdir()} >= {"last.ckpt", "best.ckpt", "metrics.csv", "tensorboard"}
    main(["validate", "--config", SMOKE, *SMALL, "--ckpt_path", "last"])
    for _ in range(2):
        main(["test", "--config", SMOKE, *SMALL, "--ckpt_path", "last"])
    (path,) = Path("results").iterdir()
    result = json.loads(path.read_text())
    assert result["dataset"] == "Shapes"
    assert result["train_images"] == 300
    assert result["seed"] == 0
    assert len(result["looks"]) == 2
    assert result["images_per_second"] > 0
    assert set(result["versions"]) >= {"python", "torch", "pytorch-lightning"}
    assert all(0 <= result[key] <= 1 for key in ("test_accuracy", "test_accuracy_tta", "train_accuracy"))
    assert result.keys() >= {"recipe", "recipe_hash", "epochs", "train_fingerprint", "test_fingerprint"}
    assert result.keys() >= {"precision", "commit"}
    assert result["hardware"]
    assert result["train_seconds"] >= 0  # to a tenth, which a quick machine may not need
    main(["results"])
    assert "Looks at a test set to measure a run: 2" in capsys.readouterr().out


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory):
    """A folder with a run of the recipe smoke, which every test that needs one copies."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setitem(classifier.NETWORKS, "tiny", Tiny)
        main(["fit", "--config", SMOKE, *SMALL])
    return folder


@pytest.fixture
def trained(trained_once):
    """A run of the recipe smoke in the current folder, and what its commands share."""
    shutil.copytree(trained_once / "runs", "runs")
    return ["--config", SMOKE, *SMALL, "--ckpt_path", "last"]


def runs() -> list[str]:
    """The runs' folders, without their locks."""
    return sorted(path.name for path in Path("runs").iterdir() if path.is_dir())


def test_a_run_goes_on_only_as_it_was_begun(trained, capsys):
    assert "begun with model.lr 0.2, and now it is 0.123" in refusal(["fit", *trained, "--model.lr", "0.123"], capsys)
    seed = ["--seed_everything", "1", "--run_dir", "runs/smoke-seed0"]
    assert "begun with seed 0, and now it is 1" in refusal(["fit", *trained, *seed], capsys)
    limit = ["--trainer.limit_train_batches", "1"]
    assert "begun with trainer.limit_train_batches None, and now it is 1" in refusal(["fit", *trained, *limit], capsys)


def test_a_run_does_not_go_on_over_other_images_of_the_same_name(trained, capsys, monkeypatch):
    monkeypatch.setattr("s12lib.datamodule.draw_shapes", lambda size, seed, split: draw_shapes(size, 1, split))
    assert "begun on other images of Shapes" in refusal(["fit", *trained], capsys)


def test_a_new_run_puts_an_earlier_one_aside(trained, capsys):
    before = Path("runs/smoke-seed0/last.ckpt").read_bytes()
    main(["fit", "--config", SMOKE, *SMALL, "--model.lr", "0.123"])
    assert "runs/smoke-seed0-earlier1" in capsys.readouterr().out
    assert Path("runs/smoke-seed0-earlier1/last.ckpt").read_bytes() == before
    assert Path("runs/smoke-seed0/last.ckpt").read_bytes() != before
    main(["fit", *trained, "--model.lr", "0.123"])
    assert runs() == ["smoke-seed0", "smoke-seed0-earlier1"]


def test_a_checkpoint_from_elsewhere_does_not_go_on_over_another_run(trained, capsys):
    main(["fit", "--config", SMOKE, *SMALL, "--model.lr", "0.123"])
    before = Path("runs/smoke-seed0/last.ckpt").read_bytes()
    earlier = ["fit", *trained[:-1], "runs/smoke-seed0-earlier1/last.ckpt"]
    assert "add `--run_dir runs/smoke-seed0-earlier1`" in refusal(earlier, capsys)
    assert Path("runs/smoke-seed0/last.ckpt").read_bytes() == before


def test_a_run_stays_in_its_place_when_the_data_are_not_there(trained, capsys, monkeypatch):
    def nothing(*arguments, **settings):
        raise OSError("no data today")

    monkeypatch.setattr("s12lib.datamodule.draw_shapes", nothing)
    assert "no data today" in refusal(["fit", "--config", SMOKE, *SMALL], capsys)
    assert runs() == ["smoke-seed0"]


def test_fields_of_the_trainer_reach_it(capsys, monkeypatch):
    seen = {}

    class Look(pl.Callback):
        def on_fit_end(self, trainer, pl_module):
            seen["steps"], seen["bars"] = trainer.log_every_n_steps, trainer.progress_bar_callback

    monkeypatch.setattr("s12lib.datamodule.Look", Look, raising=False)
    fields = ["--trainer.log_every_n_steps", "3", "--trainer.enable_progress_bar", "false"]
    main(["fit", "--config", SMOKE, *SMALL, *fields, "--trainer.callbacks+=s12lib.datamodule.Look"])
    assert seen == {"steps": 3, "bars": None}


@pytest.mark.parametrize("command", ["validate", "test"])
def test_a_run_is_measured_by_the_splits_that_it_was_trained_with(command, trained, capsys):
    assert "trained on other images" in refusal([command, *trained, "--data.train_size", "310"], capsys)


@pytest.mark.parametrize("change", [{"recipe": "../../x"}, {"seed": "0"}, {"train_fingerprint": None}])
@pytest.mark.parametrize("command", ["test", "pack"])
def test_a_checkpoint_that_says_something_odd_of_its_run_is_refused(command, change, trained, capsys):
    path = Path("runs/smoke-seed0/last.ckpt")
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["run"] |= change
    torch.save(checkpoint, path)
    arguments = {"test": ["test", *trained], "pack": ["pack", path, "--out", "x.safetensors"]}[command]
    assert str(path) in refusal(arguments, capsys)
    assert not Path("results").exists()
    assert not Path("x.safetensors").exists()


@pytest.mark.parametrize("arguments", [["predict", "Łódź ☃.png"], ["fit", "--config", "Łódź ☃.yaml"], ["Łódź ☃"]])
@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_a_terminal_that_lacks_letters_gets_the_sentence_all_the_same(arguments, encoding, monkeypatch):
    terminals = [io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2)]
    monkeypatch.setattr("sys.stdout", terminals[0])
    monkeypatch.setattr("sys.stderr", terminals[1])
    with pytest.raises(SystemExit) as exit:
        main(arguments)
    assert exit.value.code == 2
    terminals[1].flush()
    assert "?" in terminals[1].buffer.getvalue().decode(encoding)


def test_an_interruption_is_no_refusal(monkeypatch, capsys):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "dispatch", interrupted)
    with pytest.raises(SystemExit) as exit:
        main(["data"])
    assert exit.value.code == 130


def test_a_test_is_of_the_whole_test_set_and_by_the_data_of_the_run(trained, capsys):
    assert "the whole test set" in refusal(["test", *trained, "--trainer.limit_test_batches", "1"], capsys)
    assert not Path("results").exists()


def test_a_run_that_was_cut_short_is_recorded_and_is_no_row(capsys):
    short = ["--config", SMOKE, *SMALL, "--data.validation_size", "0"]
    main(["fit", *short, "--trainer.limit_train_batches", "1"])
    main(["test", *short, "--ckpt_path", "last"])
    main(["results"])
    out = capsys.readouterr().out
    assert "Looks at a test set to measure a run: 1" in out
    assert "**smoke**" not in out


def test_packing_looks_at_the_test_set_too_and_says_so_in_the_results(trained, capsys, monkeypatch):
    monkeypatch.setattr("s12lib.weights.pack.PageResNet", lambda **arguments: Tiny(10, 0.0625))
    path = Path("runs/smoke-seed0/last.ckpt")
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["hyper_parameters"]["network"] = "page_resnet"
    torch.save(checkpoint, path)
    main(["pack", str(path), "--out", "packed.safetensors"])
    (result,) = Path("results").iterdir()
    assert json.loads(result.read_text())["train_accuracy"] is None, "packed before it was tested"
    main(["test", *trained])
    tested = json.loads(result.read_text())
    main(["pack", str(path), "--out", "packed.safetensors"])
    again = json.loads(result.read_text())
    assert [len(looked["looks"]) for looked in (tested, again)] == [2, 3]
    assert again | {"looks": None} == tested | {"looks": None}


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_resolves_and_names_only_known_fields(recipe, capsys):
    with pytest.raises(SystemExit) as exit:
        main(["fit", "--config", str(recipe), "--print_config"])
    assert exit.value.code == 0
    resolved = yaml.safe_load(capsys.readouterr().out)
    written = yaml.safe_load(recipe.read_text())
    assert resolved["trainer"]["max_epochs"] == written["trainer"]["max_epochs"]
    assert resolved["model"] | written["model"] == resolved["model"]
    assert resolved["data"]["init_args"] | written["data"]["init_args"] == resolved["data"]["init_args"]
    data = {"class": resolved["data"]["class_path"].rsplit(".", 1)[-1]} | resolved["data"]["init_args"]
    now = recipe_hash({"model": resolved["model"], "data": data, "max_epochs": resolved["trainer"]["max_epochs"]})
    for path in (ROOT / "results").glob(f"{recipe.stem}-seed*.json"):
        assert json.loads(path.read_text())["recipe_hash"] == now, f"{path.name} measured another {recipe.name}"


@pytest.mark.slow
def test_the_smoke_recipe_trains_the_real_network_as_it_stands():
    main(["fit", "--config", SMOKE])
    checkpoint = torch.load("runs/smoke-seed0/last.ckpt", weights_only=True)
    assert checkpoint["hyper_parameters"]["network"] == "page_resnet"
    assert checkpoint["run"]["epochs"] == yaml.safe_load(Path(SMOKE).read_text())["trainer"]["max_epochs"]


@pytest.mark.parametrize("name", ["fast", "page24", "long", "sprint"])
def test_the_measured_recipes_train_on_all_50000_images_and_end_on_schedule(name):
    recipe = yaml.safe_load((ROOT / f"recipes/{name}.yaml").read_text())
    assert recipe["data"]["init_args"]["validation_size"] == 0
    assert recipe["trainer"]["max_epochs"] == {"fast": 11, "page24": 24, "long": 80, "sprint": 8}[name]


@pytest.mark.parametrize(
    ("name", "network"), [("fast", "tiny"), ("page24", "tiny"), ("long", "tiny"), ("sprint", "narrow")]
)
def test_the_measured_recipes_run(name, network, real_cifar10, monkeypatch):
    monkeypatch.setitem(classifier.NETWORKS, "narrow", lambda num_classes, logit_scale: NarrowResNet())
    recipe = str(ROOT / f"recipes/{name}.yaml")
    few = ["--trainer.limit_train_batches", "2", "--trainer.max_epochs", "2", "--model.network", network]
    main(["fit", "--config", recipe, *few, "--data.data_dir", str(real_cifar10.parent), "--trainer.accelerator", "cpu"])
    assert Path(f"runs/{name}-seed0/last.ckpt").exists()


def test_predict_prints_the_top_classes_of_each_image(capsys):
    rng = np.random.default_rng(0)
    for name in ("a.png", "b.png"):
        Image.fromarray(rng.integers(0, 256, (50, 70, 3), dtype=np.uint8)).save(name)
    main(["predict", "a.png", "b.png", "--top", "2"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["a.png", "b.png"]
    assert all(line.count("%") == 2 for line in lines)


def test_predict_asks_the_weights_that_it_is_told_and_calls_their_classes_by_name(capsys):
    Image.fromarray(draw_shapes(1, 0, "test")[0][0]).save("a.png")
    main(["predict", "a.png", "--top", "1", "--weights", "page_resnet_shapes"])
    assert capsys.readouterr().out.split()[1] == SHAPE_CLASSES[draw_shapes(1, 0, "test")[1][0]]


def test_names_are_printed_on_one_line_as_they_read(capsys):
    print_top([Path("a\n\u202eb.png")], torch.tensor([[0.9, 0.1]]), 2, ("oak\x1b[31m", "e\nlm"))
    assert capsys.readouterr().out == "ab.png: oak[31m 90.0%, elm 10.0%\n"


# ---- s12 explain -----------------------------------------------------------------------------------------------------


@pytest.fixture
def a_network_that_is_cheap_to_explain(monkeypatch):
    network = lively(NarrowResNet())
    monkeypatch.setattr("s12lib.weights.pretrained.load_weights", lambda path: network)
    rng = np.random.default_rng(0)
    for name in ("a.png", "b$_{.png"):
        Image.fromarray(rng.integers(0, 256, (50, 70, 3), dtype=np.uint8)).save(name)
    return network


@pytest.fixture
def drawn(monkeypatch):
    """What ``s12 explain`` hands to the drawing."""
    from s12lib import viz

    calls, draw = [], viz.heatmap_table

    def recorded(*arguments, **settings):
        calls.append(arguments)
        return draw(*arguments, **settings)

    monkeypatch.setattr(viz, "heatmap_table", recorded)
    return calls


def test_explain_prints_the_top_five_and_draws_each_image(a_network_that_is_cheap_to_explain, drawn, capsys):
    main(["explain", "a.png", "b$_{.png", "--out", "new/why.png"])
    *lines, wrote = capsys.readouterr().out.splitlines()
    probabilities = predict(
        a_network_that_is_cheap_to_explain, np.stack([read_image(p) for p in ("a.png", "b$_{.png")])
    )
    for line, name, row in zip(lines, ("a.png", "b$_{.png"), probabilities, strict=True):
        best = ", ".join(f"{CLASSES[i]} {row[i]:.1%}" for i in row.argsort(descending=True)[:5])
        assert line == f"{name}: {best}"
    assert "why.png" in wrote
    assert Image.open("new/why.png").format == "PNG"
    assert [path.name for path in Path("new").iterdir()] == ["why.png"]
    assert [note[1] for note in drawn[0][2]] == [
        f"for {CLASSES[row.argmax()]}, {row.max():.1%}" for row in probabilities
    ]


def test_explain_takes_a_file_whose_name_is_not_in_utf8(a_network_that_is_cheap_to_explain, drawn, capsys):
    name = os.fsdecode(b"caf\xe9.png")
    try:
        Path("a.png").rename(name)
    except OSError:
        pytest.skip("where names may be in any encoding")
    main(["explain", name, "--out", "why.png"])
    assert capsys.readouterr().out.startswith("caf.png: ")
    assert Path("why.png").exists()


def test_explain_draws_the_map_of_the_class_layer_and_method_asked_for(a_network_that_is_cheap_to_explain, drawn):
    for target, layer, method, side in (("dog", "layer2", "gradcam", 8), ("cat", "layer3", "hirescam", 4)):
        main(["explain", "a.png", "--target", target, "--layer", layer, "--method", method, "--out", "why.png"])
        images, maps, notes, title, dataset = drawn[-1]
        model, image = a_network_that_is_cheap_to_explain, read_image("a.png")
        assert np.array_equal(images[0], image)
        raw = gradcam(model, image, CLASSES.index(target), layer, method, raw=True)
        coarse, fine = maps.values()
        assert coarse.shape == (1, side, side)
        torch.testing.assert_close(coarse * raw.max(), raw)
        torch.testing.assert_close(fine, gradcam(model, image, CLASSES.index(target), layer, method))
        assert f"for {target}, " in notes[0][1]
        assert method in title
        assert layer in title
        assert "CIFAR-10" in dataset


def test_explain_says_so_where_nothing_speaks_for_the_class(a_network_that_is_cheap_to_explain, drawn):
    with torch.no_grad():
        a_network_that_is_cheap_to_explain.head[-1].weight[CLASSES.index("ship")] = -1
    main(["explain", "a.png", "--target", "ship", "--out", "why.png"])
    _, maps, notes, *_ = drawn[0]
    assert all((heat == 0).all() for heat in maps.values())
    assert notes[0][2] == "nothing speaks for it"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--out", "why.jpg"], "--out must end in .png"),
        (["--out", "why.png", "--target", "teapot"], "--target must be one of airplane"),
        (["--out", "why.png", "--layer", "head"], "--layer"),
        (["--out", "why.png", "--method", "guesswork"], "--method"),
        (["--out", "poem.txt/why.png"], "poem.txt"),
        (["--out", "folder.png"], "folder.png"),
        (["nowhere.png", "--out", "why.png"], "no file nowhere.png"),
        (["poem.txt", "--out", "why.png"], "not an image"),
        (["a.png"] * 100 + ["--out", "why.png"], "At most 100 images"),
        ([], "--out"),
    ],
)
def test_a_wrong_input_to_explain_gets_one_sentence_and_leaves_nothing(
    arguments, words, a_network_that_is_cheap_to_explain, capsys
):
    Path("poem.txt").write_text("Roses are red.\n")
    Path("folder.png").mkdir()
    before = set(Path().rglob("*"))
    assert words in refusal(["explain", "a.png", *arguments], capsys)
    assert set(Path().rglob("*")) == before


def test_the_layers_and_methods_that_explain_offers_are_the_ones_there_are():
    assert (LAYERS, tuple(METHODS)) == (explain.LAYERS, explain.METHODS)

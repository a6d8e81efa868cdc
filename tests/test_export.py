"""The exported file answers as the model does, on any number of images, or it does not come about."""

import json
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from narrow_network import NarrowResNet, lively

from s12lib import CLASSES, gradcam, load_pretrained
from s12lib.cli import main
from s12lib.commands.export import PRECISIONS
from s12lib.data.splits import Split
from s12lib.explain import class_maps
from s12lib.export import export_onnx, onnx_file
from s12lib.export.onnx_file import IR_VERSION, OPSET, export_verified
from s12lib.export.pt2_file import export_pt2, runner
from s12lib.export.verify import TOLERANCE, Answers, ExportError, reference_images
from s12lib.inference import logits_of
from s12lib.weights.pretrained import load_card

pytestmark = pytest.mark.xdist_group("export")  # one worker: the exporter takes seconds, and its files serve all tests


@pytest.fixture(scope="module")
def network():
    return lively(NarrowResNet()).train()  # a model in training mode is exported in eval mode


@pytest.fixture(scope="module")
def expected(network):
    return Answers.of(network)


@pytest.fixture(scope="module")
def exported(network, expected, tmp_path_factory):
    """A file of each precision, and the report that came with it."""
    folder = tmp_path_factory.mktemp("exported")
    files = {precision: folder / f"{precision}.onnx" for precision in TOLERANCE}
    return {precision: (out, export_verified(network, out, precision, expected)) for precision, out in files.items()}


@pytest.fixture
def graph_that_is_made_at_once(exported, monkeypatch):
    """The graph as the exporter made it before, for tests of what happens afterwards."""
    monkeypatch.setattr(onnx_file, "onnx_model", lambda _, precision: onnx.load(exported[precision][0]))


def test_the_file_says_what_its_card_says(network, expected, graph_that_is_made_at_once, tmp_path):
    card = load_card()
    export_verified(network, tmp_path / "page.onnx", "float32", expected, card)
    session = onnxruntime.InferenceSession(tmp_path / "page.onnx", providers=["CPUExecutionProvider"])
    told = session.get_modelmeta().custom_metadata_map
    assert json.loads(told["classes"]) == list(CLASSES)
    assert json.loads(told["test_accuracy"]) == card["test_accuracy"]
    assert (told["licence"], told["sha256"]) == (card["licence"], card["sha256"])


def test_a_pt2_answers_as_the_model_does_and_names_no_folder_of_this_machine(network, expected, tmp_path):
    report = export_pt2(network, tmp_path / "page.pt2", expected)
    assert report["largest_difference"] < 1e-5
    assert report["bytes"] == (tmp_path / "page.pt2").stat().st_size
    images = unseen(5)
    found, maps = runner(tmp_path / "page.pt2")(images)
    assert np.abs(found - logits_of(network, images).numpy()).max() < 1e-4
    assert np.abs(maps - class_maps(network, images).numpy()).max() < 1e-4
    with zipfile.ZipFile(tmp_path / "page.pt2") as archive:
        content = b"".join(archive.read(name) for name in archive.namelist())
    assert str(Path(torch.__file__).parent.parent).encode() not in content
    assert str(Path(onnx_file.__file__).parent).encode() not in content


@pytest.mark.slow
def test_the_shipped_weights_as_a_pt2_answer_as_the_model_does(tmp_path):
    network = load_pretrained()
    report = export_pt2(network, tmp_path / "page.pt2", Answers.of(network))
    assert report["largest_difference"] < TOLERANCE["float32"]
    found, _ = runner(tmp_path / "page.pt2")(unseen(3))
    assert np.abs(found - logits_of(network, unseen(3)).numpy()).max() < 1e-3


def unseen(count):
    return np.random.default_rng(7).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)


def run(path, images):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(["logits", "class_maps"], {"images": images})


@pytest.mark.parametrize("count", [1, 3, 70])
@pytest.mark.parametrize("precision", TOLERANCE)
def test_the_file_answers_as_the_model_does_for_any_number_of_images(precision, count, network, exported):
    images = unseen(count)
    found_logits, found_maps = run(exported[precision][0], images)
    assert found_logits.shape == (count, 10)
    assert found_maps.shape == (count, 10, 4, 4)
    tolerance = {"float32": 1e-4, "float16": TOLERANCE["float16"]}[precision]
    assert np.abs(found_logits - logits_of(network, images).numpy()).max() < tolerance
    assert np.abs(found_maps - class_maps(network, images).numpy()).max() < tolerance


def test_its_class_maps_are_the_librarys_gradcam_for_every_class(network, exported):
    images = unseen(4)
    _, maps = run(exported["float32"][0], images)
    for target in range(10):
        raw = gradcam(network, images, target, raw=True).numpy()
        np.testing.assert_allclose(maps[:, target].clip(min=0), raw, atol=1e-4)


def test_the_file_takes_uint8_images_and_names_its_opset(exported):
    for path, _ in exported.values():
        proto = onnx.load(path)
        onnx.checker.check_model(proto, full_check=True)
        assert [(opset.domain, opset.version) for opset in proto.opset_import] == [("", OPSET)]
        assert proto.ir_version == IR_VERSION == onnx.helper.find_min_ir_version_for(proto.opset_import)
        (images,) = proto.graph.input
        assert images.type.tensor_type.elem_type == onnx.TensorProto.UINT8
        batch, *rest = images.type.tensor_type.shape.dim
        assert batch.dim_param
        assert [dim.dim_value for dim in rest] == [32, 32, 3]
        assert [output.name for output in proto.graph.output] == ["logits", "class_maps"]


def test_float16_halves_the_weights_and_leaves_the_statistics(exported):
    for precision, (path, _) in exported.items():
        for tensor in onnx.load(path).graph.initializer:
            halved = precision == "float16" and len(tensor.dims) > 1
            assert tensor.data_type == (onnx.TensorProto.FLOAT16 if halved else onnx.TensorProto.FLOAT), tensor.name


def test_weights_that_were_float16_already_lose_nothing(exported, tmp_path):
    proto = onnx.load(exported["float32"][0])
    for tensor in proto.graph.initializer:
        rounded = onnx.numpy_helper.to_array(tensor).astype(np.float16).astype(np.float32)
        tensor.CopyFrom(onnx.numpy_helper.from_array(rounded, tensor.name))
    onnx.save(proto, tmp_path / "float32.onnx")
    onnx_file.store_weights_in_float16(proto.graph)
    onnx.save(proto, tmp_path / "float16.onnx")
    for ours, theirs in zip(*(run(tmp_path / f"{name}.onnx", unseen(4)) for name in TOLERANCE), strict=True):
        assert np.array_equal(ours, theirs)


def test_the_report_is_what_was_measured(network, expected, exported):
    for precision, (path, report) in exported.items():
        found = run(path, reference_images())
        off = max(np.abs(found[0] - expected.logits).max(), np.abs(found[1] - expected.class_maps).max())
        assert report["largest_difference"] == pytest.approx(off, rel=0.1, abs=1e-5)
        assert report["milliseconds"] > 0
        assert report["test_accuracy"] is None
        assert {key: report[key] for key in ("precision", "opset", "bytes", "pictures")} == {
            "precision": precision, "opset": OPSET, "bytes": path.stat().st_size, "pictures": len(reference_images()),
        }  # fmt: skip
    assert exported["float16"][1]["largest_difference"] > exported["float32"][1]["largest_difference"]


def test_test_images_are_verified_too_and_their_accuracy_is_measured(network, graph_that_is_made_at_once, tmp_path):
    images = torch.from_numpy(unseen(8))
    labels = logits_of(network, images).argmax(1)
    labels[:2] = (labels[:2] + 1) % 10
    report = export_onnx(network, tmp_path / "page.onnx", test=Split(images, labels))
    assert report["pictures"] == len(reference_images()) + 8
    assert report["test_accuracy"] == 0.75


def test_the_file_tells_nothing_of_the_machine_it_was_made_on(exported):
    for path, _ in exported.values():
        content = path.read_bytes()
        assert str(Path(torch.__file__).parent.parent).encode() not in content
        assert str(Path(onnx_file.__file__).parent).encode() not in content


# ---- when it does not come about -------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["other logits", "other maps", "NaN"])
def test_a_file_that_answers_differently_is_not_kept(fault, network, expected, graph_that_is_made_at_once, tmp_path):
    wrong = {"logits": expected.logits.copy(), "class_maps": expected.class_maps.copy()}
    wrong["class_maps" if fault == "other maps" else "logits"][-1] += np.nan if fault == "NaN" else 0.002
    out = tmp_path / "page.onnx"
    out.write_bytes(b"the one before")
    with pytest.raises(ExportError, match=r"differ from the PyTorch model's .* no file was written\.$"):
        export_verified(network, out, "float32", Answers(expected.images, **wrong))
    assert [path.name for path in tmp_path.iterdir()] == ["page.onnx"]
    assert out.read_bytes() == b"the one before"


def test_weights_too_large_for_float16_are_exported_in_float32_only(network, expected, exported, tmp_path, monkeypatch):
    proto = onnx.load(exported["float32"][0])
    factors = {"0.weight": 1e6, "1.running_mean": 1e6, "1.running_var": 1e12}  # BatchNorm takes the first out again
    for tensor in proto.graph.initializer:
        if (factor := factors.get(tensor.name.removeprefix("network.prep."))) is not None:
            large = onnx.numpy_helper.to_array(tensor) * np.float32(factor)
            tensor.CopyFrom(onnx.numpy_helper.from_array(large, tensor.name))
    monkeypatch.setattr(onnx_file, "onnx_model", lambda *_: proto)
    export_verified(network, tmp_path / "page.onnx", "float32", expected)
    onnx_file.store_weights_in_float16(proto.graph)
    with pytest.raises(ExportError, match="differ from the PyTorch model's"):
        export_verified(network, tmp_path / "half.onnx", "float16", expected)
    assert [path.name for path in tmp_path.iterdir()] == ["page.onnx"]


def test_a_full_disk_gets_one_sentence_and_leaves_nothing(network, expected, graph_that_is_made_at_once, tmp_path):
    resource = pytest.importorskip("resource", reason="on POSIX")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))  # no file grows any further than this
    try:
        with pytest.raises(ExportError, match=r"page\.onnx could not be written: File too large\.$"):
            export_verified(network, tmp_path / "page.onnx", "float32", expected)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_ends_no_process_while_a_pt2_is_written(network, expected, tmp_path, monkeypatch):
    """What torch writes goes to memory first: on a full disk its own writer ends the whole process."""
    resource = pytest.importorskip("resource", reason="on POSIX")
    program = SimpleNamespace(graph=SimpleNamespace(nodes=[]))
    monkeypatch.setattr(torch.export, "export", lambda *arguments, **settings: program)
    monkeypatch.setattr(torch.export, "save", lambda _, file: file.write(bytes(20_000)))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(ExportError, match=r"page\.pt2 could not be written: File too large\.$"):
            export_pt2(network, tmp_path / "page.pt2", expected)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("missing", onnx_file.LIBRARIES)
def test_a_missing_library_is_named_with_the_way_to_get_it(missing, network, expected, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ExportError, match=rf"needs {missing}, which is not installed: .*pip install onnx"):
        export_verified(network, tmp_path / "page.onnx", "float32", expected)
    assert not list(tmp_path.iterdir())


def test_another_precision_or_network_is_refused(network, expected, tmp_path):
    with pytest.raises(ValueError, match="float32, float16, but it is 'int8'"):
        export_verified(network, tmp_path / "page.onnx", "int8", expected)
    with pytest.raises(TypeError, match="model must be a network"):
        export_onnx(torch.nn.Linear(2, 2), tmp_path / "page.onnx")


# ---- s12 export ------------------------------------------------------------------------------------------------------


@pytest.fixture
def in_an_empty_folder_with_cheap_weights(network, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("S12_DATA_DIR", str(tmp_path / "no data"))
    monkeypatch.setattr("s12lib.weights.pretrained.load_weights", lambda path: network)


def test_the_command_writes_the_precision_asked_for_and_measures_both(
    in_an_empty_folder_with_cheap_weights, graph_that_is_made_at_once, capsys
):
    main(["export", "--format", "onnx", "--precision", "float16", "--out", "new/page.onnx"])
    said = capsys.readouterr().out.splitlines()
    assert "its accuracy is not measured" in said[0]
    assert [line.split()[0] for line in said[2:4]] == list(TOLERANCE)
    assert f"on {len(reference_images())} images" in said[4]
    assert said[5] == f"Wrote new/page.onnx: ONNX opset {OPSET}, IR version {IR_VERSION}, float16 weights."
    assert [path.name for path in Path("new").iterdir()] == ["page.onnx"]
    types = {tensor.data_type for tensor in onnx.load("new/page.onnx").graph.initializer}
    assert onnx.TensorProto.FLOAT16 in types


def test_weights_of_another_dataset_are_not_measured_on_cifar10(
    in_an_empty_folder_with_cheap_weights, graph_that_is_made_at_once, network, monkeypatch, capsys
):
    card = load_card() | {"dataset": "my flowers"}
    monkeypatch.setattr("s12lib.weights.pretrained.read_card", lambda _: card)
    main(["export", "--format", "onnx", "--out", "page.onnx"])
    said = capsys.readouterr().out
    assert said.startswith("my flowers is none of the course's datasets")
    assert "%" not in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--format", "onnx"], "--format onnx needs --out"),
        (["--format", "onnx", "--out", "there.onnx"], "there.onnx is there already: choose another name, or --force"),
        (["--format", "pt2", "--out", "page.onnx"], "--out must end in .pt2"),
        (["--format", "pt2", "--out", "page.pt2", "--precision", "float16"], "--precision float16 goes with"),
        (["--format", "onnx", "--out", "page.onnx", "--verify", "-1"], "--verify must be 0 or more"),
        (["--out", "page.onnx"], "--format"),
        (["--format", "tflite", "--out", "page.onnx"], "--format"),
        (["--format", "onnx", "--out", "page.pt"], "--out must end in .onnx"),
        (["--format", "onnx", "--out", "page.onnx", "--precision", "int4"], "--precision"),
        (["--format", "onnx", "--out", "page.onnx", "--weights", "resnet50"], "page_resnet_shapes"),
        (["--format", "onnx", "--out", "page.onnx", "--weights", "nowhere.safetensors"], "nowhere.safetensors"),
        (["--format", "onnx", "--out", "poem.txt/page.onnx"], "poem.txt/page.onnx could not be written"),
        (["--format", "onnx", "--out", "folder.onnx"], "folder.onnx could not be written"),
    ],
)
def test_a_wrong_input_gets_one_sentence_and_status_2(arguments, words, network, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("S12_DATA_DIR", str(tmp_path))
    if "weights" not in " ".join(arguments):  # then nothing is loaded before all else has been looked at
        monkeypatch.setattr("s12lib.weights.pretrained.load_weights", None)
    Path("poem.txt").write_text("Roses are red.\n")
    Path("there.onnx").write_text("the one before")
    Path("folder.onnx").mkdir()
    before = set(Path().rglob("*"))
    with pytest.raises(SystemExit) as exit:
        main(["export", *arguments])
    assert exit.value.code == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert words in said
    assert set(Path().rglob("*")) == before


def test_the_precisions_that_the_command_offers_are_the_ones_there_are():
    assert tuple(TOLERANCE) == PRECISIONS

"""What is said of the shipped weights, measured again on every test image: card, threshold, examples, exports.

Minutes each. The network answers an image once, however many of these tests ask for it.
"""

import hashlib
import json

import numpy as np
import pytest
import torch

from s12lib import Shapes
from s12lib.app import examples as app_examples
from s12lib.app.examples import FOLDER, RECORD, Example
from s12lib.app.familiarity_threshold import write_familiarity
from s12lib.app.make_examples import write_examples
from s12lib.data.cifar10 import read_cifar10
from s12lib.data.splits import Split
from s12lib.export.onnx_file import export_verified
from s12lib.export.verify import Answers, reference_images
from s12lib.inference import logits_of
from s12lib.model import PageResNet
from s12lib.weights.pretrained import WEIGHTS_DIR, load_card, load_pretrained

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True, scope="module")
def each_image_is_answered_once():
    """Keeps the logits of every image and weights that went through a PageResNet in evaluation without gradients."""
    known: dict[bytes, torch.Tensor] = {}
    forward = PageResNet.forward

    def remembering(network: PageResNet, images: torch.Tensor) -> torch.Tensor:
        if network.training or torch.is_grad_enabled():
            return forward(network, images)
        weights = hashlib.sha256()
        for tensor in network.state_dict().values():
            weights.update(tensor.numpy().tobytes())
        prefix = weights.digest() + np.float64(network.logit_scale).tobytes()
        keys = [prefix + hashlib.sha256(image.numpy().tobytes()).digest() for image in images]
        new = [k for k, key in enumerate(keys) if key not in known]
        if new:
            known.update(zip((keys[k] for k in new), forward(network, images[new]), strict=True))
        return torch.stack([known[key] for key in keys])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PageResNet, "forward", remembering)
        yield


@pytest.fixture(scope="module")
def test_set(real_cifar10) -> Split:
    data = read_cifar10(real_cifar10)
    return Split(torch.from_numpy(data["test_images"]), torch.from_numpy(data["test_labels"]).long())


def test_what_is_remembered_is_what_the_network_answers():
    images = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    network, other = (load_pretrained(name) for name in ("page_resnet_cifar10", "page_resnet_shapes"))
    with torch.no_grad():
        for each in (network, other):
            expected = each.head(each.layer3(each.layer2(each.layer1(each.prep(images))))) * each.logit_scale
            for order in ([0, 1, 2], [2, 0, 1]):
                torch.testing.assert_close(each(images[order]), expected[order])


def assert_accuracies_are_the_cards(name: str, test: Split) -> None:
    """Plain and with flip TTA; that ``measure`` means these by its names, test_pretrained shows."""
    network, card = load_pretrained(name), load_card(name)
    plain, mirrored = (logits_of(network, images) for images in (test.images, test.images.flip(2)))
    for key, logits in {"test_accuracy": plain, "test_accuracy_tta": plain + mirrored}.items():
        accuracy = (logits.argmax(1) == test.labels).double().mean().item()
        assert abs(accuracy - card[key]) <= 0.0005, key


def test_the_accuracy_on_the_card_is_measured_again(test_set):
    assert_accuracies_are_the_cards("page_resnet_cifar10", test_set)


def test_the_accuracy_on_the_card_of_the_shapes_weights_is_measured_again():
    data = Shapes(train_size=10, validation_size=10)
    data.setup()
    assert_accuracies_are_the_cards("page_resnet_shapes", data.splits["test"])


def test_measuring_the_threshold_anew_gives_the_shipped_card(real_cifar10, tmp_path):
    card = load_card()
    expected = card.pop("familiarity")
    weights = tmp_path / "page_resnet_cifar10.safetensors"
    weights.write_bytes((WEIGHTS_DIR / weights.name).read_bytes())
    weights.with_suffix(".json").write_text(json.dumps(card))
    measured = write_familiarity(weights)
    assert measured["score"] == expected["score"]
    assert measured["threshold"] == pytest.approx(expected["threshold"], abs=1e-3)
    for kind, share in expected["warned"].items():
        assert measured["warned"][kind] == pytest.approx(share, abs=2e-3)


def test_the_command_makes_the_shipped_examples_again(real_cifar10, tmp_path, monkeypatch):
    monkeypatch.setattr(app_examples, "FOLDER", tmp_path)
    stray = tmp_path / "test_9999_unicorn.png"
    stray.write_bytes(b"left over")
    monkeypatch.setattr(Example, "path", property(lambda example: tmp_path / example.file))
    write_examples()
    assert not stray.exists()
    again, record = (json.loads((folder / RECORD).read_text()) for folder in (tmp_path, FOLDER))
    assert [m["index"] for m in again["mistakes"]] == [m["index"] for m in record["mistakes"]]
    assert [(e["file"], e["answer"]) for e in again["examples"]] == [
        (e["file"], e["answer"]) for e in record["examples"]
    ]
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in FOLDER.iterdir()}


def test_the_exports_agree_on_all_test_images(test_set, tmp_path):
    network = load_pretrained()
    expected = Answers.of(network, test_set)
    accuracy = (expected.logits[-10_000:].argmax(1) == test_set.labels.numpy()).mean()
    for precision, size in (("float32", 26.4e6), ("float16", 13.2e6)):
        report = export_verified(network, tmp_path / f"{precision}.onnx", precision, expected)
        assert report["pictures"] == 10_000 + len(reference_images())
        assert report["bytes"] == pytest.approx(size, rel=0.01)
        assert report["largest_difference"] < 1e-4  # in float16 too, since the weights come in it
        assert report["test_accuracy"] == pytest.approx(accuracy, abs=1e-4)

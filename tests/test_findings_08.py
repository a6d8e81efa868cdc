"""What lesson 08 finds, measured again: each stated direction fails here when it no longer holds."""

import copy
import hashlib
import io

import pytest
import torch

from s12lib import gradcam, load_card, load_pretrained
from s12lib.exercises.lesson08 import quantize
from s12lib.inference import logits_of
from s12lib.weights.pretrained import WEIGHTS_DIR

COUNT = 200


@pytest.fixture(scope="module")
def test(splits):
    return splits["test"]


@pytest.fixture(scope="module")
def network():
    return load_pretrained()


@pytest.fixture(scope="module")
def logits(test, network):
    return logits_of(network, test.images[:COUNT])


class Gift:
    made = 0

    @classmethod
    def make(cls):
        cls.made += 1

    def __reduce__(self):
        return Gift.make, ()


def test_a_checkpoint_runs_what_its_maker_wrote_on_loading_unless_weights_only():
    file = io.BytesIO()
    torch.save({"state_dict": Gift()}, file)
    file.seek(0)
    torch.load(file, weights_only=False)
    assert Gift.made == 1
    file.seek(0)
    with pytest.raises(Exception, match="weights_only"):
        torch.load(file, weights_only=True)
    assert Gift.made == 1


def test_one_bit_costs_none_or_few_of_the_answers_and_the_hash_notices(test, network, logits):
    before = network.head[2].weight[0, 0].item()
    for bit, least, most in ((0, COUNT, COUNT), (14, COUNT // 2, COUNT - 2)):
        damaged = copy.deepcopy(network)
        half = torch.tensor([before]).half().view(torch.int16) ^ (1 << bit)
        with torch.no_grad():
            damaged.head[2].weight[0, 0] = half.view(torch.float16).item()
        same = (logits_of(damaged, test.images[:COUNT]).argmax(1) == logits.argmax(1)).sum().item()
        assert least <= same <= most, bit
    content = bytearray((WEIGHTS_DIR / "page_resnet_cifar10.safetensors").read_bytes())
    assert hashlib.sha256(content).hexdigest() == load_card()["sha256"]
    content[-1] ^= 1
    assert hashlib.sha256(content).hexdigest() != load_card()["sha256"]


def test_eight_bits_cost_nothing_visible_four_little_three_much_and_two_nearly_all(test, network, logits):
    labels, right = test.labels[:COUNT], {}
    for bits in (8, 4, 3, 2):
        small = copy.deepcopy(network)
        for weight in (p for p in small.parameters() if p.ndim > 1):
            numbers, scale = quantize(weight.data, bits)
            weight.data = numbers * scale.reshape(-1, *[1] * (weight.ndim - 1))
        right[bits] = (logits_of(small, test.images[:COUNT]).argmax(1) == labels).float().mean().item()
    whole = (logits.argmax(1) == labels).float().mean().item()
    assert abs(right[8] - whole) <= 0.01
    assert 0.01 < whole - right[4] < 0.1
    assert 0.1 < whole - right[3] < 0.3
    assert right[2] < 0.35


@pytest.fixture(scope="module")
def session(network, tmp_path_factory):
    onnxruntime = pytest.importorskip("onnxruntime")
    from s12lib.export import export_onnx

    out = tmp_path_factory.mktemp("exported") / "float32.onnx"
    export_onnx(network, out)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(out, options)


def test_the_exported_file_answers_to_a_thousandth_which_is_small_against_what_decides(test, network, logits, session):
    theirs, maps = map(torch.from_numpy, session.run(None, {"images": test.images[:COUNT].numpy()}))
    assert (logits - theirs).abs().max() <= 1e-3
    assert not torch.equal(logits, theirs)
    assert (logits.topk(2).values.diff().abs() < 1e-3).sum() <= 1
    heat = torch.stack([gradcam(network, test.images[:2], k, raw=True) for k in range(10)], 1)
    assert (maps[:2].clamp(min=0) - heat).abs().max() <= 1e-3

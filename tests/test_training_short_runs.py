"""The experiments' own tools: a narrow network, a part of the data, a silent Trainer, and a record of each step."""

import pytest
import torch

from s12lib.classifier import NETWORKS, Classifier
from s12lib.model import PageResNet
from s12lib.training.short_runs import NarrowResNet, Recorder, accuracy, part_of, quiet_trainer


def test_narrow_network_has_the_same_children_and_an_eighth_of_the_channels():
    narrow, wide = NarrowResNet(), PageResNet()
    assert [name for name, _ in narrow.named_modules()] == [name for name, _ in wide.named_modules()]
    assert sum(p.numel() for p in narrow.parameters()) == 103_944
    assert narrow(torch.randn(2, 3, 32, 32)).shape == (2, 10)
    assert NarrowResNet(7)(torch.randn(2, 3, 32, 32)).shape == (2, 7)


def test_part_of_the_data_is_smaller_and_leaves_the_whole_as_it_is(shapes):
    whole = shapes()
    part = part_of(whole, 8, train=40, validation=10)
    assert {name: len(split.labels) for name, split in part.splits.items()} == {"train": 40, "validation": 10}
    assert torch.equal(part.splits["train"].images, whole.splits["train"].images[:40])
    assert (part.batch_size, whole.batch_size) == (8, 16)
    assert len(whole.splits["train"].labels) == 96
    assert len(part.train_dataloader()) == 5


def test_accuracy_is_the_share_of_right_answers(shapes):
    class Module:
        network = NarrowResNet()

    data, always = shapes(), torch.zeros(10)
    always[3] = 1.0
    Module.network.forward = lambda images: always.expand(len(images), 10)
    assert accuracy(Module, data) == pytest.approx((data.splits["validation"].labels == 3).double().mean().item())


def test_recorder_notes_each_step_and_the_accuracies_where_there_are_some(shapes, monkeypatch, capsys):
    monkeypatch.setitem(NETWORKS, "narrow", NarrowResNet)
    torch.manual_seed(0)
    module, record = Classifier("narrow", lr=0.1, ema_decay=0), Recorder()
    quiet_trainer(2, record, accelerator="cpu").fit(module, part_of(shapes(), 16, train=32, validation=20))
    assert capsys.readouterr().out == ""
    assert record.curve("train_loss")[0] == [0, 1, 2, 3]
    assert record.curve("validation_accuracy")[0] == [1, 3]
    filters = [m.weight for m in module.modules() if isinstance(m, torch.nn.Conv2d)][1:]
    norm = torch.cat([f.flatten() for f in filters]).norm().item()
    assert record.curve("norm")[1][-1] == pytest.approx(norm, rel=1e-4)
    assert record.curve("lr-SGD/pg1")[1][0] == 0

"""The benchmarks compare what they say, and write their page."""

import re

import pytest
import torch
from torch.nn import functional as F

from s12lib import bench
from s12lib.bench import table
from s12lib.bench.__main__ import main
from s12lib.training import hardware


def test_ratios_alternate_and_divide_a_by_b():
    calls = []

    def clock(name, seconds):
        return lambda: calls.append(name) or seconds

    assert bench.ratios(clock("a", 3.0), clock("b", 1.5), rounds=4) == [2.0] * 4
    assert calls == list("ab" + "ab" + "ba" + "ab" + "ba")


def test_a_row_shows_median_and_range():
    row = table.Row("x ÷ y", [1.0, 3.0, 2.0], "≤ 2", "What x costs.")
    assert str(row) == "| x ÷ y | 2 (1–3) | ≤\N{NO-BREAK SPACE}2 |"


@pytest.mark.parametrize(
    ("found", "kind"),
    [
        ({"amx_bf16": True, "avx512_bf16": True}, "a processor with AMX"),
        ({"amx_bf16": False, "avx512_bf16": True}, "a processor with AVX512-BF16"),
        ({}, "a processor without bfloat16"),
    ],
)
def test_every_kind_of_machine_has_its_goals(found, kind, monkeypatch):
    monkeypatch.setattr(hardware, "cpu_capabilities", lambda: found)
    assert hardware.kind("cpu") == kind
    assert table.GOALS.keys() >= {kind, "a GPU"}
    assert len({tuple(goals) for goals in table.GOALS.values()}) == 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="without a GPU")
@pytest.mark.parametrize(("count", "said"), [(1, "abacus, 1 thread"), (2, "abacus, 2 threads")])
def test_a_machine_is_named_with_its_threads(count, said, monkeypatch):
    monkeypatch.setattr(hardware, "cpu_capabilities", lambda: {"cpu_name": "abacus"})
    monkeypatch.setattr(torch, "get_num_threads", lambda: count)
    assert hardware.hardware("cpu") == said


@pytest.mark.parametrize("precision", ["bf16-mixed", "32-true"])
def test_a_processor_without_bfloat16_is_timed_in_float32(precision, monkeypatch):
    monkeypatch.setattr(hardware, "best_precision", lambda: precision)
    computed_in, cross_entropy = [], F.cross_entropy

    def spy(logits, labels):
        computed_in.append(logits.dtype)
        return cross_entropy(logits, labels)

    monkeypatch.setattr(F, "cross_entropy", spy)
    runs = bench.Bench(batch_size=2, steps=1)
    runs.bare_loop()()
    runs.bare_loop(fast=False)()
    assert computed_in == [bench.DTYPES[precision], torch.float32]


@pytest.mark.slow
def test_the_benchmarks_run_and_write_their_page(tmp_path, capsys):
    page = tmp_path / "benchmarks.md"
    main(["--batch-size", "16", "--steps", "1", "--rounds", "1", "--requests", "2", "--out", str(page)])
    text = page.read_text()
    assert text in capsys.readouterr().out
    assert re.search(r"over HTTP \| \d+ ms \| \d+ ms \| [\d.]+ \| ≤ 4 \|", text)
    ratios = text.split("## Ratios on one machine")[1].split("## How long the app")[0].splitlines()
    assert sum(line.startswith("| ") for line in ratios) == 9
    assert [line[:2] for line in ratios if line[:1].isdigit()] == [f"{k}." for k in range(1, 9)], "a sentence a row"
    assert "--batch-size 16 --steps 1 --rounds 1" in text

"""The benchmarks compare what they say, and write their page."""

import pytest
import torch
from torch.nn import functional as F

from s12lib import bench


def test_ratios_alternate_and_divide_a_by_b():
    calls = []

    def clock(name, seconds):
        return lambda: calls.append(name) or seconds

    assert bench.ratios(clock("a", 3.0), clock("b", 1.5), rounds=4) == [2.0] * 4
    assert calls == list("ab" + "ab" + "ba" + "ab" + "ba")


def test_a_row_shows_median_and_range():
    assert bench.row("x ÷ y", [1.0, 3.0, 2.0], "≤ 2") == "| x ÷ y | 2 (1–3) | ≤\N{NO-BREAK SPACE}2 |"


@pytest.mark.skipif(torch.cuda.is_available(), reason="without a GPU")
@pytest.mark.parametrize("precision", ["bf16-mixed", "32-true"])
def test_a_processor_without_bfloat16_is_timed_in_float32(precision, monkeypatch):
    monkeypatch.setattr(bench.hardware, "best_precision", lambda: precision)
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
    bench.main(["--batch-size", "16", "--steps", "1", "--rounds", "1", "--out", str(page)])
    text = page.read_text()
    assert text in capsys.readouterr().out
    ratios = text.split("## Ratios on one machine")[1].splitlines()
    assert sum(line.startswith("| ") for line in ratios) == 8
    assert [line[:2] for line in ratios if line[:1].isdigit()] == [f"{k}." for k in range(1, 8)], "a sentence a row"
    assert "--batch-size 16 --steps 1 --rounds 1" in text

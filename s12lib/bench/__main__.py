"""``python -m s12lib.bench``: run the benchmarks, and write their page."""

import argparse
import logging
import warnings
from pathlib import Path

from s12lib.bench import app
from s12lib.bench.steps import Bench
from s12lib.bench.table import compare, page
from s12lib.training import hardware


def main(argv: list[str] | None = None) -> None:
    """Run the benchmarks, print the table, and write the page where ``--out`` says."""
    parser = argparse.ArgumentParser(prog="python -m s12lib.bench", description="Time ratios, in turn, with a control.")
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--steps", type=int, default=2, help="training steps a round")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--requests", type=int, default=60, help="to the app")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(argv)
    warnings.simplefilter("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    hardware.exact_float32()
    rows = list(compare(Bench(options.batch_size, options.steps), options.rounds))
    arguments = f"--batch-size {options.batch_size} --steps {options.steps} --rounds {options.rounds}"
    text = page(rows, app.table(options.requests), arguments)
    print(text)
    if options.out:
        options.out.write_text(text, "utf-8")


if __name__ == "__main__":
    main()

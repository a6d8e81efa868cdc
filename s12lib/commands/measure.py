"""``s12 measure``: a recipe on several seeds, or every run that the book's tables come from."""

from argparse import ArgumentParser, Namespace

from s12lib.files import user_path

ABOUT = "train and test a recipe on several seeds: n, mean, standard error, spread"
EXAMPLE = "s12 measure --config recipes/fast.yaml --seeds 0 1 2 3 4"
TAKES_FIELDS = True  # whatever is left over goes to `s12 fit` and `s12 test`


def add_arguments(parser: ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--config", type=user_path, metavar="FILE", help="the recipe, one of recipes/*.yaml")
    what.add_argument("--all", action="store_true", help="every run of the book's tables, in order of worth, on a GPU")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], metavar="N", help="a run of each (default: 0)")
    parser.add_argument(
        "--minutes", type=float, default=10, metavar="M", help="for --all: at most so long (default: 10)"
    )
    parser.add_argument("--here", action="store_true", help="for --all: without a GPU too")


def run(options: Namespace, fields: list[str]) -> None:
    if options.all:
        measure_all(options, fields)
        return
    from s12lib.training.measure import measure, summary

    print(summary(measure(options.config, options.seeds, fields)))


def measure_all(options: Namespace, fields: list[str]) -> None:
    """Do what fits into the minutes; on a machine without a GPU, say what it would cost."""
    if fields:
        raise ValueError(f"--all measures the recipes as they are: leave out {' '.join(fields)}.")
    from s12lib.results import tables
    from s12lib.training import hardware, plan

    todo = plan.jobs()
    if not todo:
        print("Every run has its result; `s12 results` writes the tables.")
        return
    speed = plan.images_per_second(*((512, 20) if hardware.on_gpu() else (64, 2)))
    if not hardware.on_gpu() and not options.here:
        print(plan.bill(todo, speed, hardware.hardware()))
        print("There is no GPU, so nothing was run: add --here to run what fits into --minutes on this machine.")
        return
    done = plan.carry_out(todo, options.minutes, speed)
    changed = ", ".join(map(str, tables.write())) or "no page"
    print(f"{done} of {len(todo)} runs done; the tables changed {changed}.")

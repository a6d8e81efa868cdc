"""What all tests share: one torch thread, the real CIFAR-10 or a loud skip, and a network that trains in a blink."""

import functools
import http.server
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before anything imports torch: one thread a test worker, and sums in one order

import pytest
from closing_line import ClosingLine, require_this_checkout
from hypothesis import settings

# The same examples in every run: a check of a commit must not depend on luck.
settings.register_profile("course", derandomize=True, database=None, deadline=None)
settings.load_profile("course")

ROOT = Path(__file__).resolve().parent.parent
os.environ["PYTHONPATH"] = str(ROOT)  # child processes test this checkout too, whichever one is installed
BROWSER_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def real_cifar10() -> Path:
    """The path of the real ``cifar10.npz``; where there is none, the tests that need it say that they did not run."""
    path = Path(os.environ.get("S12_DATA_DIR") or ROOT / "data") / "cifar10.npz"
    if not path.exists():
        pytest.skip("on the real CIFAR-10 (.venv/bin/s12 data)")
    return path


@pytest.fixture(scope="session")
def splits(real_cifar10: Path) -> dict:
    """The splits of the real CIFAR-10, read once for all tests of what lessons find; nobody changes them."""
    from s12lib import CIFAR10

    data = CIFAR10(str(real_cifar10.parent))
    data.setup()
    return data.splits


@pytest.fixture
def tiny_network(monkeypatch) -> str:
    """The name of a network of one convolution, registered for one test."""
    from torch import nn

    from s12lib.classifier import NETWORKS

    def tiny(num_classes: int, logit_scale: float) -> nn.Module:
        convolution = [nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU()]
        return nn.Sequential(*convolution, nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(8, num_classes, bias=False))

    monkeypatch.setitem(NETWORKS, "tiny", tiny)
    return "tiny"


@pytest.fixture(scope="session")
def shapes_splits() -> dict:
    """96 training, 20 validation and 20 test images of Shapes, drawn once."""
    from s12lib.datamodule import Shapes

    data = Shapes(train_size=96, validation_size=20, test_size=20)
    data.setup()
    return data.splits


@pytest.fixture
def shapes(shapes_splits) -> Callable[..., Any]:
    """Makes a datamodule over those images: six batches of 16 an epoch."""
    from s12lib.datamodule import Shapes

    def make(**settings: Any) -> Shapes:
        sizes = {"train_size": 96, "validation_size": 20, "test_size": 20}
        data = Shapes(**({"batch_size": 16, "eval_batch_size": 8} | sizes | settings))
        data.splits = shapes_splits
        return data

    return make


@pytest.fixture
def quiet_trainer(tmp_path) -> Callable[..., Any]:
    """Makes a Trainer for the CPU that prints, logs and saves nothing unless it is told to."""
    import pytorch_lightning as pl

    def make(max_epochs: int = 2, **settings: Any) -> pl.Trainer:
        quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
        places = {"accelerator": "cpu", "devices": 1, "default_root_dir": tmp_path, "num_sanity_val_steps": 0}
        return pl.Trainer(max_epochs=max_epochs, **(quiet | places | settings))

    return make


@pytest.fixture
def one_of_two_devices() -> Callable[[int], SimpleNamespace]:
    """Makes what a datamodule asks of the trainer of a run on two devices, seen from one of them."""
    import torch

    def make(rank: int) -> SimpleNamespace:
        return SimpleNamespace(
            global_rank=rank, world_size=2, strategy=SimpleNamespace(root_device=torch.device("cpu"))
        )

    return make


@pytest.fixture(scope="session")
def html(tmp_path_factory) -> Path:
    """The built book; it is built here when it is missing or older than its sources."""
    from built_book import HTML, build_when_stale
    from filelock import FileLock

    with FileLock(tmp_path_factory.getbasetemp().parent / "book.lock"):
        build_when_stale()
    return HTML


@pytest.fixture(scope="session")
def address(html: Path) -> Iterator[str]:
    """Where the built book is served, on this machine only."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(html)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def browser():
    """Debian's Chromium, else Playwright's own, else every test in a browser is skipped."""
    playwright = pytest.importorskip("playwright.sync_api", reason="in a browser (pip install playwright)")
    with playwright.sync_playwright() as started:
        found = shutil.which("chromium") or started.chromium.executable_path
        if not Path(found).is_file():
            pytest.skip("in a browser (.venv/bin/playwright install chromium)")
        chromium = started.chromium.launch(executable_path=found, args=BROWSER_FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def visit_with(request: pytest.FixtureRequest, browser, address: str) -> Iterator[Callable[[dict], Any]]:
    """Opens the module's ``PAGE`` as if `make site` had left this list of files in its ``FILES``."""
    from built_book import Visit

    visits = []

    def open_page(files: dict) -> Visit:
        visit = Visit(browser, address, "book/glossary.html")
        visit.page.route(request.module.FILES, lambda route: route.fulfill(json=files))
        visit.go(request.module.PAGE)
        visits.append(visit)
        return visit

    yield open_page
    for visit in visits:
        visit.context.close()


@pytest.fixture(scope="session")
def app(tmp_path_factory):
    """The app in a process of its own, as its visitors have it; the tests that use it share a worker."""
    from running_app import RunningApp

    running = RunningApp(tmp_path_factory.mktemp("app"))
    yield running
    running.close()


def pytest_configure(config: pytest.Config) -> None:
    require_this_checkout(ROOT)
    if not hasattr(config, "workerinput"):  # the one process that hears of every test
        config.pluginmanager.register(ClosingLine(config))


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What shares something costly goes to one worker: a lesson's cells, and the tests of a module-wide fixture."""
    for item in items:
        fixtures = getattr(item, "_fixtureinfo", SimpleNamespace(name2fixturedefs={})).name2fixturedefs.values()
        shares = item.path.suffix == ".ipynb" or any(found[-1].scope == "module" for found in fixtures)
        if shares and not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Stop where pytest-xdist does not see the groups, as it does not with pytest 9.2: it would tear them apart."""
    if session.config.getoption("loadgroup", False):
        grouped = [item.nodeid for item in session.items if item.get_closest_marker("xdist_group")]
        if not all("@" in name for name in grouped):
            raise pytest.UsageError("this pytest-xdist does not keep the tests of a group together: run `make setup`.")

"""The app: images in, classes and heatmaps out. ``s12 app`` starts it; a Space calls ``launch`` likewise.

Gradio is imported only when the app is built, since that takes seconds.
"""

import gc
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from s12lib.errors import CourseError

if TYPE_CHECKING:
    import gradio

    from s12lib.app.uploads import Uploads

MAX_CONCURRENT = 2  # answers being computed; more of them would only wait for the same cores
ENDING = ("SIGINT", "SIGTERM", "SIGHUP")


class AppError(CourseError):
    """The app cannot start; the message says why and what to do."""


def build_app(weights: str | Path = "page_resnet_cifar10") -> "gradio.Blocks":
    """The page around a network that is loaded once: a name of ``load_pretrained``, or a file that ``s12 pack`` wrote.

    Raises AppError where Gradio is not installed, ValueError or WeightsError where the weights are not what they
    should be.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["GRADIO_ANALYTICS_CACHE_FREQUENCY"] = str(10**9)  # requests until it sums up all before, with pandas
    uploads = the_uploads()
    os.environ["GRADIO_TEMP_DIR"] = str(uploads.folder)
    from s12lib.app.answers import Expert

    expert = Expert(weights)
    try:
        with no_proxies(), leaving_out():
            from s12lib.app.page import Page
    except ModuleNotFoundError as error:
        raise AppError(f"The app needs the package {error.name}: `pip install 's12lib[app]'` brings it.") from error
    with leaving_out():
        return Page(expert, uploads, MAX_CONCURRENT).build()


@cache
def the_uploads() -> "Uploads":
    """Where this process keeps uploads: one folder, however many apps it builds."""
    from s12lib.app.decoding import Decoders
    from s12lib.app.uploads import Uploads, default_parent

    return Uploads(default_parent(), Decoders(MAX_CONCURRENT))


def launch(
    port: int | None = 7860,
    weights: str | Path = "page_resnet_cifar10",
    host: str | None = None,
    wait: bool = True,
) -> str:
    """Serve the app until it is stopped, or go on at once if not ``wait``; returns its address.

    ``port`` and ``host`` may be None: then they are Gradio's, which a Space sets by ``GRADIO_SERVER_NAME`` and so on.
    Raises AppError when the port is taken or no port at all, and what ``build_app`` raises.
    """
    if port is not None and not 1 <= port <= 65_535:
        raise AppError(f"A port is a number from 1 to 65535, but it is {port}.")
    stopped = threading.Event()
    if wait:
        end_on_signals(stopped)
    print("Loading the network…", flush=True)
    try:
        with all_kept():
            blocks = build_app(weights)
        with no_proxies(), leaving_out():
            _, address, _ = blocks.launch(server_name=host, server_port=port, **server_settings(blocks))
        the_uploads().decoders.start()
    except OSError as error:
        raise AppError(f"Port {port} is taken: choose another one with --port.") from error
    print(f"The app is at {address} (stop it with Ctrl+C).", flush=True)
    if wait:
        stopped.wait()
        blocks.close(verbose=False)
        the_uploads().close()
    return address


def end_on_signals(stopped: threading.Event) -> None:
    """Have Ctrl+C, `kill` and a closed terminal end the app in good order, also where it was started in the background.

    A shell has a job in the background ignore Ctrl+C, and Python then leaves it so; `nohup` has it ignore a closed
    terminal, which is respected.
    """

    def end(number: int, _frame: Any) -> None:
        if stopped.is_set() or not threading.main_thread().is_alive():
            os._exit(128 + number)  # asked twice
        stopped.set()
        if not the_uploads.cache_info().currsize:
            os._exit(128 + number)  # nothing to tidy up yet

    for name in ENDING:
        number = getattr(signal, name, None)
        if number is not None and not (name == "SIGHUP" and signal.getsignal(number) == signal.SIG_IGN):
            signal.signal(number, end)


@contextmanager
def all_kept() -> Iterator[None]:
    """No look for garbage meanwhile: of what is imported nothing becomes any, and looking takes a tenth of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@contextmanager
def leaving_out() -> Iterator[None]:
    """What Gradio imports without need, which takes a fifth of its start, is imported when it is used, if ever.

    It hashes tables with pandas; and where IPython is installed it offers commands to notebooks. The app has neither.
    """
    absent: dict[str, ModuleType | None] = {"pandas": StandIn("pandas"), "IPython": None}  # None: not installed
    absent = {name: module for name, module in absent.items() if name not in sys.modules}
    sys.modules.update(absent)  # type: ignore[arg-type]  # None is Python's own sign for a module that is not there
    try:
        yield
    finally:
        for name, module in absent.items():
            if name in sys.modules and sys.modules[name] is module:
                del sys.modules[name]


class StandIn(ModuleType):
    """In a package's place until somebody asks for anything in it."""

    def __getattr__(self, name: str) -> Any:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(import_module(self.__name__), name)


@contextmanager
def no_proxies() -> Iterator[None]:
    """The app talks to itself only, once, when it starts; a proxy of the machine's would be asked to do that for it."""
    proxies = {name: os.environ.pop(name) for name in list(os.environ) if name.lower().endswith("_proxy")}
    try:
        yield
    finally:
        os.environ.update(proxies)


def server_settings(blocks: "gradio.Blocks") -> dict[str, Any]:
    """How Gradio shall serve: nothing from other hosts, nothing recorded, and plain sentences for what goes wrong."""
    from fastapi.exceptions import RequestValidationError
    from gradio.themes import Default
    from starlette.middleware import Middleware

    from s12lib.app.answers import MAX_IMAGES
    from s12lib.app.gate import BUSY, NOT_UNDERSTOOD, Gate, says
    from s12lib.app.render import CSS, SCRIPT
    from s12lib.data.image_files import MAX_BYTES

    async def busy(*_: Any) -> Any:
        return says(BUSY, 503)

    async def not_understood(*_: Any) -> Any:
        return says(NOT_UNDERSTOOD, 422)

    gate = Middleware(Gate, blocks=blocks, uploads=the_uploads(), max_images=MAX_IMAGES)
    fonts: dict[str, Any] = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}
    return {
        "theme": Default(**fonts),
        "css": CSS,
        "js": SCRIPT,
        "footer_links": ["api"],
        "app_kwargs": {
            "exception_handlers": {503: busy, RequestValidationError: not_understood},
            "middleware": [gate],
        },
        "max_file_size": MAX_BYTES,
        "state_session_capacity": 100,
        "prevent_thread_lock": True,
        "quiet": True,
        **dict.fromkeys(("share", "inbrowser", "run_history", "enable_monitoring", "ssr_mode", "pwa"), False),
    }

"""The app: pictures in, classes and heatmaps out. ``s12 app`` starts it; a Space calls ``launch`` likewise.

Gradio is imported only when the app is built, since that takes seconds.
"""

import atexit
import os
import shutil
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from s12lib.errors import CourseError

if TYPE_CHECKING:
    import gradio

BUSY = "The app is busy with the pictures of others: try again in a few seconds."
NOT_UNDERSTOOD = "That request is not understood: the page's footer links to a description of what the app takes."


class AppError(CourseError):
    """The app cannot start; the message says why and what to do."""


def build_app(weights: str | Path = "page_resnet_cifar10") -> "gradio.Blocks":
    """The page around a network that is loaded once: a name of ``load_pretrained``, or a file that ``s12 pack`` wrote.

    Raises AppError where Gradio is not installed, ValueError or WeightsError where the weights are not what they
    should be.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    if "GRADIO_TEMP_DIR" not in os.environ:  # Gradio's own folder is one for all users of a machine: the first one's
        os.environ["GRADIO_TEMP_DIR"] = tempfile.mkdtemp(prefix="page-resnet-")
        atexit.register(shutil.rmtree, os.environ["GRADIO_TEMP_DIR"], ignore_errors=True)
    from s12lib.app.answers import Expert

    expert = Expert(weights)
    try:
        from s12lib.app.page import Page
    except ModuleNotFoundError as error:
        raise AppError(f"The app needs the package {error.name}: `pip install 's12lib[app]'` brings it.") from error
    return Page(expert).build()


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
    blocks = build_app(weights)
    try:
        _, address, _ = blocks.launch(server_name=host, server_port=port, **server_settings())
    except OSError as error:
        raise AppError(f"Port {port} is taken: choose another one with --port.") from error
    print(f"The app is at {address} (stop it with Ctrl+C).", flush=True)
    if wait:
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that uploads are deleted then, too
        blocks.block_thread()
    return address


def server_settings() -> dict[str, Any]:
    """How Gradio shall serve: nothing from other hosts, nothing recorded, and plain sentences for what goes wrong."""
    from fastapi.exceptions import RequestValidationError
    from gradio.themes import Default

    from s12lib.app.render import CSS
    from s12lib.data.image_files import MAX_BYTES

    handlers = {503: _says(BUSY, 503), RequestValidationError: _says(NOT_UNDERSTOOD, 422)}
    fonts: dict[str, Any] = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}
    return {
        "theme": Default(**fonts),
        "css": CSS,
        "footer_links": ["api"],
        "app_kwargs": {"exception_handlers": handlers},
        "max_file_size": MAX_BYTES,
        "state_session_capacity": 100,
        "prevent_thread_lock": True,
        "quiet": True,
        **dict.fromkeys(("share", "inbrowser", "run_history", "enable_monitoring", "ssr_mode", "pwa"), False),
    }


def _says(sentence: str, status: int) -> Any:
    """A handler of the web server that answers with a sentence."""
    from fastapi.responses import JSONResponse

    async def handler(_request: Any, _error: Any) -> JSONResponse:
        return JSONResponse({"detail": sentence, "error": sentence}, status)

    return handler

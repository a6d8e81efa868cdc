"""The app: pictures in, classes and heatmaps out. ``s12 app`` starts it; a Space calls ``launch`` likewise.

Gradio is imported only when the app is built, since that takes seconds.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from s12lib.errors import CourseError

if TYPE_CHECKING:
    import gradio

BUSY = "The app is busy with the pictures of others: try again in a few seconds."


class AppError(CourseError):
    """The app cannot start; the message says why and what to do."""


def build_app(weights: str | Path = "page_resnet_cifar10") -> "gradio.Blocks":
    """The page around a network that is loaded once: a name of ``load_pretrained``, or a file that ``s12 pack`` wrote.

    Raises AppError where Gradio is not installed, ValueError or WeightsError where the weights are not what they
    should be.
    """
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    try:
        from s12lib.app_page import Page
    except ModuleNotFoundError as error:
        raise AppError(f"The app needs the package {error.name}: `pip install 's12lib[app]'` brings it.") from error
    from s12lib.app_answers import Expert

    return Page(Expert(weights)).build()


def launch(
    port: int | None = 7860,
    weights: str | Path = "page_resnet_cifar10",
    host: str | None = None,
    wait: bool = True,
) -> str:
    """Serve the app until it is stopped, or go on at once if not ``wait``; returns its address.

    ``port`` and ``host`` may be None: then they are Gradio's, which a Space sets by ``GRADIO_SERVER_NAME`` and so on.
    Raises AppError when the port is taken, and what ``build_app`` raises.
    """
    blocks = build_app(weights)
    import gradio as gr

    from s12lib.app_html import CSS
    from s12lib.pictures import MAX_BYTES

    fonts: dict[str, Any] = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}
    try:
        _, address, _ = blocks.launch(
            server_name=host, server_port=port, share=False, quiet=True, prevent_thread_lock=True, inbrowser=False,
            max_file_size=MAX_BYTES + 1_000_000, footer_links=["api"], run_history=False, enable_monitoring=False,
            ssr_mode=False, pwa=False, state_session_capacity=200, css=CSS, theme=gr.themes.Default(**fonts),
        )  # fmt: skip
    except OSError as error:
        raise AppError(f"Port {port} is taken: choose another one with --port.") from error
    print(f"The app is at {address} (stop it with Ctrl+C).", flush=True)
    if wait:
        blocks.block_thread()
    return address

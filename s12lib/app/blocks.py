"""Gradio's page, told what it may take from a browser, and how to say no."""

from typing import Any

import gradio as gr

from s12lib.app.answers import MAX_IMAGES
from s12lib.app.uploads import Uploads

NOT_UNDERSTOOD = "That is not understood: upload image files, and choose settings from those on the page."


class PlainBlocks(gr.Blocks):
    """Gradio's page, with one plain sentence for the visitor, and no traceback in the log, where an input is wrong."""

    uploads: Uploads
    is_awaited: Any = None  # set by the gate

    async def process_api(self, block_fn: Any, inputs: list[Any], *args: Any, **named: Any) -> Any:
        event = named.get("event_id")
        if self.is_awaited and not self.is_awaited(named.get("session_hash"), event):
            raise refusal("The visitor has left.")
        return await super().process_api(block_fn, inputs, *args, **named)

    async def preprocess_data(self, block_fn: Any, inputs: list[Any], *_args: Any, **_named: Any) -> list[Any]:
        """What the functions of the page take: what the browser sent, once the files in it are known to be ours.

        Gradio's own way of preparing it copies files about, and fetches those that lie at an address.
        """
        if len(inputs) != len(block_fn.inputs):
            raise refusal(NOT_UNDERSTOOD)
        for component, value in zip(block_fn.inputs, inputs, strict=True):
            if isinstance(component, gr.File):
                self.check_files(value)
        return inputs

    def check_files(self, files: Any) -> None:
        """Raise what the visitor is told, unless this is a list of files that were uploaded here, or nothing."""
        if files in (None, []):
            return
        if names_an_address(files):
            raise refusal("Upload the image itself: the app does not fetch what lies at an address.")
        if not isinstance(files, list) or not all(isinstance(file, dict) for file in files):
            raise refusal(NOT_UNDERSTOOD)
        if len(files) > MAX_IMAGES:
            raise refusal(f"At most {MAX_IMAGES} images go at a time, but there are {len(files)}.")
        if not all(isinstance(file.get("path"), str) and self.uploads.is_within(file["path"]) for file in files):
            raise refusal(NOT_UNDERSTOOD)


def names_an_address(given: Any, depth: int = 0) -> bool:
    """Whether there is a file among the inputs that lies elsewhere."""
    if depth > 9:
        return False
    if isinstance(given, dict):
        return "://" in str(given.get("path")) or any(names_an_address(value, depth + 1) for value in given.values())
    return isinstance(given, list) and any(names_an_address(value, depth + 1) for value in given)


def refusal(message: object) -> gr.Error:
    return gr.Error(str(message), title="Not possible", print_exception=False)

"""The app's page: which controls there are, and what happens when they are used. Gradio takes seconds to import."""

from typing import Any

import gradio as gr

from s12lib.app_answers import APP_METHODS, PREDICTED, Expert, RequestError
from s12lib.app_html import answers_html
from s12lib.errors import CourseError
from s12lib.explain import LAYERS

AT_ONCE = 2  # answers being computed; more of them would only wait for the same cores
WAITING = 20  # requests in the queue; whoever comes after them is told that the app is busy
NOT_UNDERSTOOD = "That is not understood: upload picture files, and choose settings from those on the page."


class PlainBlocks(gr.Blocks):
    """Gradio's page, with one plain sentence for the visitor and none of its tracebacks where an input is wrong."""

    async def preprocess_data(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return await super().preprocess_data(*args, **kwargs)
        except Exception as error:
            raise refusal(NOT_UNDERSTOOD) from error


def refusal(message: object) -> gr.Error:
    return gr.Error(str(message), title="Not possible", print_exception=False)


class Page:
    """The page around one expert. Its handlers take what the browser sent, unchecked, and keep nothing."""

    def __init__(self, expert: Expert) -> None:
        self.expert = expert

    def explain(self, files: Any, top: Any, layer: Any, method: Any, target: Any, opacity: Any) -> tuple[str, Any]:
        """The answers as HTML and as data, for files as Gradio hands them over: dicts with a path and a name."""
        try:
            settings = self.expert.settings(top, layer, method, target, opacity)
            uploads = files or []
            images = self.expert.read([upload["path"] for upload in uploads])
            names = [visible_name(upload) for upload in uploads]
            answers = self.expert.answers(names, images, settings)
        except CourseError as error:
            raise refusal(error) from error
        return answers_html(answers, settings), {"pictures": [answer.plain() for answer in answers]}

    def build(self) -> gr.Blocks:
        with PlainBlocks(title="Page ResNet", analytics_enabled=False, delete_cache=(600, 3600)) as blocks:
            gr.Markdown("# What does a small network see?")
            with gr.Row():
                with gr.Column(scale=2, min_width=300):
                    files = gr.File(label="Pictures", file_count="multiple", height=160)
                    controls = self._controls()
                    button = gr.Button("Explain", variant="primary")
                with gr.Column(scale=3, min_width=300):
                    answer = gr.HTML(elem_id="answer")
                    with gr.Accordion("The same as data", open=False):
                        data = gr.JSON(label="Answer")
            event: dict[str, Any] = {
                "fn": self.explain, "inputs": [files, *controls], "outputs": [answer, data], "preprocess": False,
                "concurrency_id": "network", "concurrency_limit": AT_ONCE,
            }  # fmt: skip
            button.click(**event, api_name="explain")
            files.upload(**event, api_visibility="private")
        return blocks.queue(max_size=WAITING)

    def _controls(self) -> list[Any]:
        classes = [PREDICTED, *self.expert.classes]
        return [
            gr.Slider(1, len(self.expert.classes), value=3, step=1, label="How many classes"),
            gr.Dropdown(list(LAYERS), value=LAYERS[-1], label="Layer"),
            gr.Dropdown(list(APP_METHODS), value=APP_METHODS[0], label="Method"),
            gr.Dropdown(classes, value=PREDICTED, label="Class to explain"),
            gr.Slider(0, 1, value=0.6, step=0.05, label="Opacity of the heatmap"),
        ]


def visible_name(upload: dict[str, Any]) -> str:
    """The file's own name without any folder, whatever the visitor's system calls a folder."""
    name = str(upload.get("orig_name") or upload["path"]).replace("\\", "/").rsplit("/", 1)[-1]
    if not name:
        raise RequestError("A picture file must have a name.")
    return name

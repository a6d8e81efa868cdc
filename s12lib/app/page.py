"""The app's page: which controls there are, and what happens when they are used. Gradio takes seconds to import."""

from collections.abc import Callable
from functools import partial
from typing import Any

import gradio as gr

from s12lib.app.answers import APP_METHODS, MOST_PICTURES, PREDICTED, Expert, RequestError, whole_number
from s12lib.app.examples import recorded
from s12lib.app.render import answers_html, card_html, examples_html, mistakes_html
from s12lib.data.image_files import FORMATS, MAX_BYTES
from s12lib.errors import CourseError
from s12lib.explain import LAYERS

MAX_CONCURRENT = 2  # answers being computed; more of them would only wait for the same cores
QUEUE_SIZE = 20  # requests in the queue; whoever comes after them is told that the app is busy
LIMITED: dict[str, Any] = {"preprocess": False, "concurrency_id": "network", "concurrency_limit": MAX_CONCURRENT}
PRIVATE: dict[str, Any] = {"api_visibility": "private"}
NOT_UNDERSTOOD = "That is not understood: upload picture files, and choose settings from those on the page."
EMPTY = "<p>Upload a picture or pick an example: the answer will be here.</p>"
INTRODUCTION = f"""# What does a small network see?

A convolutional network of {{size:.1f}} million parameters, trained on the 32 × 32 pictures of {{dataset}}, tells
these kinds of things apart: {{classes}}. Show it a picture, and see where it looks.

Pictures are {", ".join(FORMATS)} up to {MAX_BYTES // 1_000_000} MB, at most {MOST_PICTURES} at a time; of an animation
the first frame counts. The middle square of each is reduced to 32 × 32 pixels. Uploads are deleted after
an hour."""
ANNOUNCE = "element.setAttribute('aria-live', 'polite')"  # a screen reader reads the answer when it arrives

INTO_VIEW = """() => {
    const answer = document.querySelector("#answer");
    const top = answer.getBoundingClientRect().top;
    if (top < 0 || top > window.innerHeight / 2) answer.scrollIntoView();
}"""  # on a phone the examples are far below the answer


class PlainBlocks(gr.Blocks):
    """Gradio's page, with one plain sentence for the visitor, and no traceback in the log, where an input is wrong."""

    async def preprocess_data(self, block_fn: Any, inputs: list[Any], *args: Any, **kwargs: Any) -> Any:
        try:
            if names_an_address(inputs):
                raise RequestError("Upload the picture itself: the app does not fetch what lies at an address.")
            return await super().preprocess_data(block_fn, inputs, *args, **kwargs)
        except CourseError as error:
            raise refusal(error) from None
        except Exception:  # Gradio's own checks, whose words are for programmers and name folders
            raise refusal(NOT_UNDERSTOOD) from None


def names_an_address(given: Any) -> bool:
    """Whether there is a file among the inputs, however deep, that lies elsewhere: Gradio would go and fetch it."""
    if isinstance(given, dict):
        return "://" in str(given.get("path")) or any(map(names_an_address, given.values()))
    return isinstance(given, list) and any(map(names_an_address, given))


def refusal(message: object) -> gr.Error:
    return gr.Error(str(message), title="Not possible", print_exception=False)


def visible_name(upload: dict[str, Any]) -> str:
    """The file's own name without any folder, whatever the visitor's system calls a folder."""
    name = str(upload.get("orig_name") or upload["path"])
    return name.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1] or "picture"


class Page:
    """The page around one expert. Its handlers take what the browser sent, unchecked, and keep nothing."""

    def __init__(self, expert: Expert) -> None:
        self.expert = expert
        self.examples, self.mistakes = recorded(expert.card)

    def explain(self, files: Any, top: Any, layer: Any, method: Any, target: Any, opacity: Any) -> tuple[str, Any]:
        """What is in pictures, and where the evidence for a class lies: the answers as HTML, and as data."""
        try:
            wanted = self.expert.settings(top, layer, method, target, opacity)
            images = self.expert.read([upload["path"] for upload in files or []])
            answers = self.expert.answers([visible_name(upload) for upload in files], images, wanted)
        except CourseError as error:
            raise refusal(error) from None
        return answers_html(answers, wanted), {"pictures": [answer.plain() for answer in answers]}

    def explain_again(self, files: Any, *settings: Any) -> Any:
        """The same when a setting has changed, which before the first picture is no mistake."""
        return self.explain(files, *settings) if files else gr.skip()

    def explain_example(self, number: int, *settings: Any) -> tuple[list[str], str, Any]:
        path = str(self.examples[number].path)
        return ([path], *self.explain([{"path": path}], *settings))

    def show_mistakes(self, count: Any, with_heat: Any) -> str:
        """The network's most confident mistakes as HTML, with or without their heatmaps."""
        try:
            if not isinstance(with_heat, bool):
                raise RequestError("Grad-CAM is either on or off: true or false.")
            number = whole_number(count, 1, len(self.mistakes), "The number of mistakes")
        except CourseError as error:
            raise refusal(error) from None
        return mistakes_html(self.mistakes[:number], with_heat)

    def build(self) -> gr.Blocks:
        with PlainBlocks(
            title="What does a small network see?", analytics_enabled=False, delete_cache=(600, 3600)
        ) as app:
            card = self.expert.card
            size, classes = card["architecture"]["parameters"] / 1e6, ", ".join(self.expert.classes)
            gr.Markdown(INTRODUCTION.format(size=size, dataset=card["dataset"], classes=classes))
            with gr.Tab("Try it"):
                self._try_it()
            if self.mistakes:
                with gr.Tab("Mistakes"):
                    self._gallery()
            with gr.Tab("Model card"):
                gr.HTML(card_html(card, self.expert.classes, self.examples), js_on_load=None)
        return app.queue(max_size=QUEUE_SIZE)

    def _try_it(self) -> None:
        with gr.Row(elem_id="try"):  # the order of a narrow page; a wide one has the answer on its right, see style.css
            with gr.Column(elem_id="ask"):
                files = gr.File(label="Your pictures", file_count="multiple", height=150)
                button = gr.Button("Explain", variant="primary")
            with gr.Column(elem_id="shown"):
                answer = gr.HTML(EMPTY, elem_id="answer", js_on_load=ANNOUNCE)
                with gr.Accordion("The same as data", open=False):
                    data = gr.JSON(label="Answer", show_label=False)
            with gr.Column(elem_id="settings"):
                controls = self._controls()
        button.click(self.explain, [files, *controls], [answer, data], api_name="explain", **LIMITED)
        files.upload(self.explain, [files, *controls], [answer, data], **LIMITED, **PRIVATE)
        files.clear(lambda: (EMPTY, None), None, [answer, data], queue=False, **PRIVATE)
        for control in controls:
            again = {"fn": self.explain_again, "inputs": [files, *controls], "outputs": [answer, data]}
            control.input(**again, trigger_mode="always_last", show_progress="hidden", **LIMITED, **PRIVATE)
        self._examples(controls, [files, answer, data])

    def _controls(self) -> list[Any]:
        classes = [PREDICTED, *self.expert.classes]
        return [
            gr.Slider(1, len(self.expert.classes), value=3, step=1, label="How many classes to list"),
            gr.Dropdown(list(LAYERS), value=LAYERS[-1], label="Layer whose evidence is drawn"),
            gr.Dropdown(list(APP_METHODS), value=APP_METHODS[0], label="Method"),
            gr.Dropdown(classes, value=PREDICTED, label="Class to explain"),
            gr.Slider(0, 1, value=0.6, step=0.05, label="Opacity of the heatmap"),
        ]

    def _examples(self, controls: list[Any], outputs: list[Any]) -> None:
        gr.Markdown("## Examples")
        with gr.Row(elem_classes="examples"):
            for number, example in enumerate(self.examples):
                chosen = gr.Button(example.shows, icon=example.path, size="sm", min_width=100)
                if chosen.icon:
                    chosen.keep_in_cache.add(chosen.icon["path"])  # or Gradio deletes it after an hour, as uploads
                show: Callable[..., Any] = partial(self.explain_example, number)
                chosen.click(show, controls, outputs, **LIMITED, **PRIVATE).then(None, js=INTO_VIEW, **PRIVATE)
        with gr.Accordion("What the network answered to each of them", open=False):
            gr.HTML(examples_html(self.examples), js_on_load=None)

    def _gallery(self) -> None:
        gr.Markdown(
            "Pictures of the test set that the network was wrong about, those first that it was most certain of. "
            "Grad-CAM at layer3 shows what speaks for its answer, and what for the label. Some labels are wrong "
            "themselves: judge for yourself."
        )
        with gr.Row():
            count: Any = gr.Slider(1, len(self.mistakes), value=6, step=1, label="How many mistakes")
            heat: Any = gr.Checkbox(value=True, label="With Grad-CAM")
        shown = gr.HTML(self.show_mistakes(6, True), js_on_load=ANNOUNCE)
        show = {"fn": self.show_mistakes, "inputs": [count, heat], "outputs": shown, "show_progress": "hidden"}
        count.input(**show, queue=False, preprocess=False, api_name="mistakes")
        heat.input(**show, queue=False, preprocess=False, **PRIVATE)

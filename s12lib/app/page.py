"""The app's page: which controls there are, and what happens when they are used. Gradio takes seconds to import."""

from contextlib import nullcontext
from typing import Any

import gradio as gr
import numpy as np

from s12lib.app.answers import (
    ALL_LAYERS,
    APP_METHODS,
    MAX_IMAGES,
    PREDICTED,
    Answer,
    Expert,
    RequestError,
    Settings,
    whole_number,
)
from s12lib.app.blocks import PlainBlocks, refusal
from s12lib.app.decoding import Seen, seen
from s12lib.app.examples import recorded
from s12lib.app.render import (
    LAYER_NAMES,
    METHOD_NAMES,
    answers_html,
    card_html,
    examples_html,
    mistakes_html,
    refused_html,
    thumbnails_html,
)
from s12lib.app.uploads import VISITOR_BYTES, Uploads
from s12lib.data.image_files import FORMATS, MAX_BYTES, display_name
from s12lib.errors import CourseError
from s12lib.explain.inputs import LAYERS

QUEUE_SIZE = 20  # requests in the queue; whoever comes after them is told that the app is busy
PRIVATE: dict[str, Any] = {"api_visibility": "private"}
ENDINGS = [".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp"]
gr.utils.MatplotlibBackendMananger = nullcontext  # type: ignore[assignment,misc]  # each answer would import Matplotlib
EMPTY = "<p>Upload an image or pick an example: the answer will be here.</p>"
CAMERA = 'or <label>take a photo<input type="file" accept="image/*" capture="environment"></label>'
INTRODUCTION = """# What does a small network see?

Show it an image of one of these, and see what it says and where it looks: {classes}."""
ABOUT = f"""A convolutional network of {{size:.1f}} million parameters, trained on the 32 × 32 images of {{dataset}}.
Images are {", ".join(FORMATS)} up to {MAX_BYTES // 1_000_000} MB, at most {MAX_IMAGES} at a time with
{VISITOR_BYTES // 1_000_000} MB together; of an animation the first frame counts. The middle square of each is reduced
to 32 × 32 pixels. Your file is deleted as soon as it has been looked at; these pixels and a small preview are kept for
at most an hour."""


def within(value: Any, least: float, most: float) -> Any:
    """A number that was typed beyond the ends of its slider, as the slider will show it a moment later."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return min(max(value, least), most) if is_number else value


class Page:
    """The page around one expert. Its handlers take what the browser sent, unchecked, and keep nothing."""

    def __init__(self, expert: Expert, uploads: Uploads, max_concurrent: int) -> None:
        self.expert, self.uploads = expert, uploads
        self.examples, self.mistakes = recorded(expert.card)
        self.limited: dict[str, Any] = {
            "preprocess": False, "concurrency_id": "network", "concurrency_limit": max_concurrent,
        }  # fmt: skip

    # ---- what is computed ----

    def explain(self, files: Any, top: Any, layer: Any, method: Any, target: Any, opacity: Any) -> tuple[str, Any]:
        """What is in images, and where the evidence for a class lies: the answers as HTML, and as data."""
        try:
            return self.shown(*self.uploaded(files, (top, layer, method, target, opacity)))
        except CourseError as error:
            raise refusal(error) from None

    def uploaded(self, files: Any, settings: tuple[Any, ...]) -> tuple[list[Answer], Settings]:
        wanted = self.expert.settings(*settings)
        if not files:
            raise RequestError("Choose an image first: upload one, or pick an example.")
        found = self.uploads.read([file["path"] for file in files])
        return self.answers([str(file.get("orig_name") or file["path"]) for file in files], found, wanted), wanted

    def answers(self, names: list[str], found: list[Seen], wanted: Settings) -> list[Answer]:
        names = [display_name(name) or "image" for name in names]
        return self.expert.answers(
            names, np.stack([one.image for one in found]), wanted, [one.preview for one in found]
        )

    def shown(self, answers: list[Answer], wanted: Settings) -> tuple[str, Any]:
        return answers_html(answers, wanted), {"pictures": [answer.plain() for answer in answers]}

    def on_page(self, files: Any, example: Any, top: Any, *others: Any) -> tuple[str, Any]:
        """The same for the page, about the visitor's files or else an example; refusals stand in the answer's place."""
        *choices, opacity = others
        settings = (within(top, 1, len(self.expert.classes)), *choices, within(opacity, 0, 1))
        try:
            if not files and example is not None:
                number = whole_number(example, 0, len(self.examples) - 1, "The number of the example")
                shown, wanted = self.examples[number], self.expert.settings(*settings)
                return self.shown(self.answers([shown.shows], [seen(shown.path)], wanted), wanted)
            return self.shown(*self.uploaded(files, settings)) if files else (EMPTY, None)
        except CourseError as error:
            return refused_html(str(error)), None

    def on_files(self, files: Any, example: Any, *settings: Any) -> tuple[Any, str, str, Any]:
        """The visitor's files have changed: they take the place of any example, and are explained for what they are."""
        top, layer, method, _, opacity = settings
        shown = self.on_page(files, example, top, layer, method, PREDICTED, opacity)
        return (None if files else example, PREDICTED, *shown)

    def on_example(self, event: gr.EventData, *settings: Any) -> tuple[None, Any, str, str, Any]:
        """An example was chosen: it takes the place of the visitor's files."""
        top, layer, method, _, opacity = settings
        number = getattr(event, "example", None)
        return (None, number, PREDICTED, *self.on_page(None, number, top, layer, method, PREDICTED, opacity))

    def on_class(self, event: gr.EventData, files: Any, example: Any, *settings: Any) -> tuple[str, str, Any]:
        """A class was chosen in the answer, whose evidence is to be shown."""
        top, layer, method, _, opacity = settings
        target = str(getattr(event, "name", PREDICTED))
        return (target, *self.on_page(files, example, top, layer, method, target, opacity))

    def show_mistakes(self, count: Any, with_maps: Any) -> str:
        """The network's most confident mistakes as HTML, with or without their heatmaps."""
        try:
            if not isinstance(with_maps, bool):
                raise RequestError("Grad-CAM is either on or off: true or false.")
            number = whole_number(count, 1, len(self.mistakes), "The number of mistakes")
        except CourseError as error:
            raise refusal(error) from None
        return mistakes_html(self.mistakes[:number], with_maps)

    # ---- what is on the page ----

    def build(self) -> gr.Blocks:
        with PlainBlocks(title="What does a small network see?", analytics_enabled=False) as app:
            app.uploads = self.uploads
            card = self.expert.card
            gr.Markdown(INTRODUCTION.format(classes=", ".join(self.expert.classes)), elem_id="introduction")
            with gr.Tab("Try it"):
                self._try_it()
            if self.mistakes:
                with gr.Tab("Mistakes"):
                    self._gallery()
            with gr.Tab("Model card"):
                gr.HTML(card_html(card, self.expert.classes, self.examples), js_on_load=None)
            size = card["architecture"]["parameters"] / 1e6
            gr.Markdown(ABOUT.format(size=size, dataset=card["dataset"]), elem_id="about")
        return app.queue(max_size=QUEUE_SIZE, api_open=False)

    def _try_it(self) -> None:
        right = [number for number, example in enumerate(self.examples) if example.verdict == "right"]
        first = (right or [0])[0] if self.examples else None
        defaults = (3, LAYERS[-1], APP_METHODS[0], PREDICTED, 0.6)
        html, plain = self.on_page(None, first, *defaults)
        with gr.Row(elem_id="try"):
            with gr.Column(elem_id="ask"):
                files = gr.File(label="Your images", file_count="multiple", file_types=ENDINGS, height=140)
                gr.HTML(CAMERA, elem_id="camera", js_on_load=None)
                gr.Markdown("or one of these:")
                strip = gr.HTML(thumbnails_html(self.examples), elem_id="examples", js_on_load=ON_EXAMPLE)
                example = gr.Number(first, visible=False)
            with gr.Column(elem_id="shown"):
                answer = gr.HTML(html, elem_id="answer", js_on_load=ON_CLASS)
                with gr.Accordion("Settings", open=False):
                    controls = self._controls(defaults)
                with gr.Accordion("The same as data", open=False):
                    data = gr.JSON(plain, label="Answer", show_label=False)
                with gr.Accordion("What the network answers to each example", open=False):
                    gr.HTML(examples_html(self.examples), js_on_load=None)
        self._connect(files, strip, example, answer, data, controls)

    def _connect(self, files: Any, strip: Any, example: Any, answer: Any, data: Any, controls: list[Any]) -> None:
        hidden = {"show_progress": "hidden", "trigger_mode": "always_last"} | self.limited | PRIVATE
        given, shown = [files, example, *controls], [answer, data]
        api = gr.Button(visible=False)  # an endpoint needs an event
        api.click(self.explain, [files, *controls], shown, api_name="explain", **self.limited)
        target = controls[3]
        follow = files.change(self.on_files, given, [example, target, *shown], **hidden)
        choose = strip.select(self.on_example, controls, [files, example, target, *shown], **hidden)
        for event in (follow, choose):
            event.then(None, js=INTO_VIEW, **PRIVATE)
        answer.select(self.on_class, given, [target, *shown], **hidden)
        for control in controls:
            event = control.change if isinstance(control, gr.Slider) else control.input
            event(self.on_page, given, shown, **hidden)

    def _controls(self, defaults: tuple[Any, ...]) -> list[Any]:
        top, layer, method, target, opacity = defaults
        layers = [(name, layer) for layer, name in reversed(LAYER_NAMES.items())] + [
            ("all four, side by side", ALL_LAYERS)
        ]
        methods = [(METHOD_NAMES[key] + (" (default)" if key == method else ""), key) for key in APP_METHODS]
        classes = [PREDICTED, *self.expert.classes]
        listed: dict[str, Any] = {"filterable": False}
        return [
            gr.Slider(1, len(self.expert.classes), value=top, step=1, label="How many classes to list"),
            gr.Dropdown(layers, value=layer, label="Layer whose evidence is drawn", **listed),
            gr.Dropdown(methods, value=method, label="Method", **listed),
            gr.Dropdown(classes, value=target, label="Class to explain", **listed),
            gr.Slider(0, 1, value=opacity, step=0.05, label="Opacity of the heatmap"),
        ]

    def _gallery(self) -> None:
        gr.Markdown(
            "Images of the test set that the network was wrong about, those first that it was most certain of. "
            "Grad-CAM shows what speaks for its answer, and what for the label. Some labels are wrong themselves: "
            "judge for yourself."
        )
        with gr.Row():
            count: Any = gr.Slider(1, len(self.mistakes), value=6, step=1, label="How many mistakes")
            heat: Any = gr.Checkbox(value=True, label="With Grad-CAM")
        shown = gr.HTML(self.show_mistakes(6, True), js_on_load=None)
        show: dict[str, Any] = {"fn": self.show_mistakes, "inputs": [count, heat], "outputs": shown}
        show |= {"show_progress": "hidden"} | self.limited
        count.change(**show, api_name="mistakes")
        heat.input(**show, **PRIVATE)


ON_EXAMPLE = """element.addEventListener("click", (event) => {
    const chosen = event.target.closest("button[data-example]");
    if (chosen) trigger("select", { example: Number(chosen.dataset.example) });
});"""
ON_CLASS = """element.setAttribute("aria-live", "polite"); // a screen reader reads the answer when it arrives
let chosen = null;
element.addEventListener("click", (event) => {
    chosen = event.target.closest("button[data-class]")?.dataset.class;
    if (chosen) trigger("select", { name: chosen });
});
watch("value", () => { // the button that was pressed is another one now
    if (chosen) element.querySelector(`button[data-class="${CSS.escape(chosen)}"]`)?.focus();
    chosen = null;
});"""
INTO_VIEW = """() => {
    const answer = document.querySelector("#answer");
    const top = answer.getBoundingClientRect().top;
    if (top < 0 || top > window.innerHeight / 2) answer.scrollIntoView();
}"""  # on a phone the answer may be below the screen

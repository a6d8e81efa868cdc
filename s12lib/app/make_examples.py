"""Draws the app's examples and its gallery of mistakes, and measures what the network really answers to them.

``s12 examples`` does it anew for the weights that come with the package. Of CIFAR-10's test set nothing is picked by
hand: it takes the first image of each class, and the mistakes that the network was most certain of.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from importlib.resources import files

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont, ImageOps

from s12lib.app import examples as app_examples
from s12lib.app.answers import APP_METHODS, Expert, Settings
from s12lib.app.examples import RECORD, Example, Mistake
from s12lib.app.familiarity_threshold import page_of_text
from s12lib.app.render import enlarged
from s12lib.data.cifar10 import CLASSES
from s12lib.data.image_files import read_image
from s12lib.data.shapes import SHAPE_CLASSES, draw_shapes
from s12lib.datamodule import CIFAR10
from s12lib.explain import class_maps
from s12lib.files import atomic_path, atomic_write
from s12lib.inference import logits_of

MISTAKES = 20
BAND = 40  # pixels of white above and below an example's image, which the app's centre crop takes away again
DEFAULTS = Settings(top=3, layer="layer3", method=APP_METHODS[0], target=None, opacity=0.6)

PHOTOGRAPHS = {  # file: (resource, what is on it, where it comes from)
    "temple.jpg": (
        ("sklearn.datasets.images", "china.jpg"),
        "a temple",
        "china.jpg of scikit-learn, photograph by danielbuechele, CC BY 2.0, "
        "https://www.flickr.com/photos/danielbuechele/6061409035/, reduced in size",
    ),
    "flower.jpg": (
        ("sklearn.datasets.images", "flower.jpg"),
        "a flower",
        "flower.jpg of scikit-learn, photograph by vultilion, CC BY 2.0, "
        "https://www.flickr.com/photos/vultilion/6056698931/, reduced in size",
    ),
    "face.jpg": (
        ("matplotlib", "mpl-data/sample_data/grace_hopper.jpg"),
        "a face",
        "grace_hopper.jpg of Matplotlib, Commodore Grace M. Hopper, official photograph by James S. Davis, US Navy, "
        "public domain, reduced in size",
    ),
}


def write_examples() -> str:
    """Draw and measure everything anew, from the shipped weights and CIFAR-10's test set; returns a sentence about it.

    Raises DataError without CIFAR-10.
    """
    expert, data = Expert("page_resnet_cifar10"), CIFAR10()
    data.setup("test")
    images, labels = (part.numpy() for part in data.splits["test"][:2])
    first = [int(np.flatnonzero(labels == label)[0]) for label in range(len(CLASSES))]
    mistakes = list(_mistakes(expert, images, labels))
    candidates = [*_test_images(images, labels, [*first, mistakes[0].index]), *_photographs(), *_drawn()]
    examples = [_measured(expert, example) for example in candidates]
    record = {
        "weights_sha256": expert.card["sha256"],
        "examples": [asdict(example) for example in examples],
        "mistakes": [asdict(mistake) for mistake in mistakes],
    }
    atomic_write(app_examples.FOLDER / RECORD, (json.dumps(record, indent=2) + "\n").encode())
    named_in_record = {e.file for e in examples} | {m.picture for m in mistakes}
    for stray in {path for ending in ("png", "jpg") for path in app_examples.FOLDER.glob(f"*.{ending}")}:
        if stray.name not in named_in_record:  # left over from other weights
            stray.unlink()
    right = sum(example.answer == example.truth for example in examples)
    known = sum(example.truth is not None for example in examples)
    return f"Wrote {len(examples)} examples ({right} of {known} with a class are right) and {len(mistakes)} mistakes."


def _measured(expert: Expert, example: Example) -> Example:
    (answer,) = expert.answers([example.file], np.stack([read_image(example.path)]), DEFAULTS)
    best, probability = answer.top[0]
    return replace(example, answer=best, probability=probability, familiar=answer.familiar)


def _test_images(images: np.ndarray, labels: np.ndarray, indices: Sequence[int]) -> Iterator[Example]:
    """Figures with captions above and below: cropped to its middle square, each is the test image, bit by bit."""
    for index in indices:
        truth = CLASSES[labels[index]]
        figure = _captioned(enlarged(images[index], 256), f"CIFAR-10 test image {index}", f"labelled {truth}")
        file = f"test_{index}_{truth}.png"
        _save(figure, file)
        yield Example(file, f"{truth} (test {index})", truth, "CIFAR-10's test set (Krizhevsky, 2009)")


def _photographs() -> Iterator[Example]:
    for file, ((package, name), shows, source) in PHOTOGRAPHS.items():
        with files(package).joinpath(name).open("rb") as opened:
            photograph = ImageOps.contain(Image.open(opened).convert("RGB"), (320, 320), Image.Resampling.LANCZOS)
        _save(photograph, file)
        yield Example(file, shows, None, source)


def _drawn() -> Iterator[Example]:
    rng = np.random.default_rng(0)
    shapes, labels, _ = draw_shapes(1, 0, "validation")
    images = {
        "text.png": ("text", page_of_text(rng)),
        "noise.png": ("noise", Image.fromarray(enlarged(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)))),
        "flat.png": ("one flat colour", Image.new("RGB", (192, 192), "#0072B2")),
        "shape.png": (f"a drawn {SHAPE_CLASSES[labels[0]]}", Image.fromarray(enlarged(shapes[0]))),
    }
    for file, (shows, image) in images.items():
        _save(image, file)
        yield Example(file, shows, None, "drawn by this course")


def _mistakes(expert: Expert, images: np.ndarray, labels: np.ndarray) -> Iterator[Mistake]:
    """The MISTAKES wrong answers with the highest probability, the most certain first, and the evidence for both."""
    probability, answers = logits_of(expert.network, images).softmax(1).max(1)
    wrong = torch.where(answers == torch.from_numpy(labels), torch.zeros(()), probability)
    surest = wrong.topk(MISTAKES).indices.tolist()
    maps = class_maps(expert.network, images[surest])
    for rank, index in enumerate(surest):
        said, truth = int(answers[index]), int(labels[index])
        file = f"mistake_{rank + 1:02}.png"
        _save(Image.fromarray(images[index]), file)
        rounded = [
            [[round(value, 5) for value in row] for row in place] for place in maps[rank, [said, truth]].tolist()
        ]
        yield Mistake(file, index, CLASSES[said], float(probability[index]), CLASSES[truth], rounded)


def _captioned(panel: np.ndarray, above: str, below: str) -> Image.Image:
    """A square panel on white, a line of text above and below it."""
    side = len(panel)
    figure = Image.new("RGB", (side, side + 2 * BAND), "white")
    figure.paste(Image.fromarray(panel), (0, BAND))
    draw, font = ImageDraw.Draw(figure), ImageFont.load_default(14)
    for text, height in ((above, BAND / 2), (below, BAND * 1.5 + side)):
        draw.text((side / 2, height), text, fill="#222222", font=font, anchor="mm", align="center")
    return figure


def _save(image: Image.Image, file: str) -> None:
    with atomic_path(app_examples.FOLDER / file) as partial:
        image.save(partial, "JPEG" if file.endswith(".jpg") else "PNG", quality=85, optimize=True)

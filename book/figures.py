"""Sphinx extension: a figure that suits the dark theme, made from the one in the notebook.

``viz.show`` tells which parts of a figure are images, in shares of its width and height. Around them dark becomes
light, and light dark, with the hues as they were. A figure that tells nothing stays on its white card.
"""

import base64
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from docutils import nodes
from PIL import Image
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

GROUND = 0x12  # of the dark theme: #121212


def darkened(pixels: np.ndarray, images: list[list[float]]) -> np.ndarray:
    """``(h, w, 3)`` uint8 with lightness turned round, but for ``images``: left, top, right, bottom, from 0 to 1."""
    wide = pixels.astype(np.float32)
    turned = 255 - wide.max(2, keepdims=True) - wide.min(2, keepdims=True) + wide
    result = (GROUND + turned * (255 - GROUND) / 255).round().astype(np.uint8)
    height, width = pixels.shape[:2]
    for left, top, right, bottom in images:
        rows = slice(round(top * height), round(bottom * height))
        columns = slice(round(left * width), round(right * width))
        result[rows, columns] = pixels[rows, columns]
    return result


def is_goal(node: nodes.Node) -> bool:
    return isinstance(node, nodes.section) and "where-this-lesson-ends" in node["ids"]


class AddDarkFigures(SphinxPostTransform):
    """Put a dark version beside each figure of an executed cell; the theme shows the one that fits."""

    default_priority = 210  # after myst-nb has chosen an output's format
    formats = ("html",)

    def run(self, **kwargs: Any) -> None:
        for cell in list(self.document.findall(nodes.container)):
            boxes = cell.get("cell_metadata", {}).get("images")
            if boxes is None:
                continue
            shown = list(cell.findall(nodes.image))
            if "tag_goal" in cell["classes"]:  # it stands at the lesson's top, too
                shown += [image for section in self.document.findall(is_goal) for image in section.findall(nodes.image)]
            for image in shown:
                self.add(image, boxes)

    def add(self, image: nodes.image, boxes: list[list[float]]) -> None:
        if image["uri"].startswith("data:"):
            self.put_into_file(image)
        source = Path(self.app.srcdir, image["uri"])
        with Image.open(source) as opened:
            pixels = np.asarray(opened.convert("RGB"))
        dark = image.deepcopy()
        for version, name, drawn in ((image, "light", pixels), (dark, "dark", darkened(pixels, boxes))):
            target = source.with_name(f"{source.stem}-{name}.webp")
            if not target.exists():
                Image.fromarray(drawn).save(target, lossless=True, quality=60)  # two thirds of a PNG's bytes, or less
            self.use(version, str(target.relative_to(self.app.srcdir)))
        image["classes"].append("only-light")
        dark["classes"] += ["only-dark", "dark-figure"]
        image.parent.insert(image.parent.index(image) + 1, dark)

    def use(self, image: nodes.image, path: str) -> None:
        image["uri"], image["candidates"] = path, {"*": path}
        self.env.images.add_file(self.env.docname, path)

    def put_into_file(self, image: nodes.image) -> None:
        """The picture at a lesson's top travels inside the notebook; the page is lighter when it is a file."""
        content = base64.b64decode(image["uri"].partition("base64,")[2])
        path = Path(self.app.outdir).parent / "jupyter_execute" / f"{hashlib.sha256(content).hexdigest()}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        self.use(image, str(path.relative_to(self.app.srcdir)))


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_post_transform(AddDarkFigures)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

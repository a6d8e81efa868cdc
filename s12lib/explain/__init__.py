"""Where the evidence for a class lies in an image, and whether to believe it.

Names load on first use: the library behind ``gradcam`` takes longer to import than all the rest of the app.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from s12lib.explain.cam import gradcam, gradcams
    from s12lib.explain.closed_form import class_maps
    from s12lib.explain.inputs import LAYERS
    from s12lib.explain.maps import enlarge

__all__ = ["LAYERS", "class_maps", "enlarge", "gradcam", "gradcams"]
_HOME = {"LAYERS": "inputs", "class_maps": "closed_form", "enlarge": "maps", "gradcam": "cam", "gradcams": "cam"}


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(import_module(f"s12lib.explain.{_HOME[name]}"), name)
    raise AttributeError(f"module 's12lib.explain' has no attribute {name!r}")

"""Where the evidence for a class lies in an image, and whether to believe it."""

from s12lib.explain.cam import gradcam, gradcams
from s12lib.explain.closed_form import class_maps
from s12lib.explain.inputs import LAYERS
from s12lib.explain.maps import enlarge

__all__ = ["LAYERS", "class_maps", "enlarge", "gradcam", "gradcams"]

"""Where the evidence for a class lies in an image, and whether to believe it."""

from s12lib.explain.cam import LAYERS, class_maps, enlarge, gradcam, gradcams

__all__ = ["LAYERS", "class_maps", "enlarge", "gradcam", "gradcams"]

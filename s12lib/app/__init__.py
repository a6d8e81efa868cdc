"""The app: images in, classes and heatmaps out."""

from s12lib.app.server import build_app, launch

__all__ = ["build_app", "launch"]

"""Weights that come with the package, and how a checkpoint becomes such a file."""

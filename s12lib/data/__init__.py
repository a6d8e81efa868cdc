"""Datasets on disk, and what is done to images on their way into a batch."""

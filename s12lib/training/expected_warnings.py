"""What Lightning warns of and the course does on purpose, or cannot help."""

import logging
import warnings

EXPECTED_WARNINGS = (
    "LightningCLI's args parameter",
    "JsonargparseDeprecationWarning",
    "``instantiate_classes`` was deprecated",
    "Checkpoint directory .* exists and is not empty",
    "callbacks used to create the checkpoint need to be provided",
    "You're using the WeightAveraging callback, but loading a checkpoint outside",
    "The number of training batches .* is smaller than the logging interval",
    "Detected pickle protocol",
    "It is recommended to use `self.log",
    "Total length of `list` across ranks is zero",
    ".*LeafSpec",
)


def expect_warnings() -> None:
    """Keep Lightning from warning of what this command does on purpose."""
    logging.getLogger("pytorch_lightning.callbacks.weight_averaging").setLevel(logging.ERROR)
    for message in EXPECTED_WARNINGS:
        warnings.filterwarnings("ignore", message=f".*{message}")

"""One file for each command of ``s12``, or for a small family: its words, its arguments, and what it does.

A command's module holds ``ABOUT`` and ``EXAMPLE`` for its help, ``add_arguments(parser)`` and ``run(options)``, which
prints the answer. What is heavy is imported inside ``run``, so that ``s12 --help`` comes at once.
"""

from typing import Any

WEIGHTS: dict[str, Any] = {
    "default": "page_resnet_cifar10",
    "metavar": "NAME_OR_FILE",
    "help": "weights that come with the package, or a file by `s12 pack` (default: page_resnet_cifar10)",
}
"""The argument of every command that takes weights."""

"""The command `s12`: a thin dispatcher. Nothing heavy is imported before it is known what to do."""

import argparse
import io
import os
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any, NoReturn

from s12lib.commands import recipe

COMMANDS = (
    "data", "predict", "explain", "pack", "familiarity", "examples", "app", "export", "results", "measure", "ablate",
    "compare", "grade", "assignment", "progress",
    "try-exercise",
)  # fmt: skip
"""The commands beside Lightning's, each a module of :mod:`s12lib.commands`."""


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence and exits with status 2."""

    def error(self, message: str) -> NoReturn:
        from s12lib.errors import did_you_mean

        choice = re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", message)
        known = re.findall(r"[\w.+-]+", choice[2]) if choice else []
        if unknown := re.search(r"unrecognized arguments: (--[^\s=]+)", message):
            choice, known = unknown, list(self._option_string_actions)
        fail(f"{message}{did_you_mean(choice[1], known) if choice else '.'} `{self.prog} --help` shows how it goes.")


def fail(message: object, status: int = 2) -> NoReturn:
    """Print one sentence to stderr and exit; status 2 says that the input was wrong."""
    print(f"s12: {' '.join(str(message).split())}", file=sys.stderr)
    sys.exit(status)


def command_module(command: str) -> Any:
    """What a command says of itself and does."""
    return import_module(f"s12lib.commands.{command.replace('-', '_')}")


def parser_for(command: str) -> Parser:
    module = command_module(command)
    about = f"{module.ABOUT[0].upper()}{module.ABOUT[1:]}."
    parser = Parser(prog=f"s12 {command}", description=about, epilog=f"Example: {module.EXAMPLE}")
    module.add_arguments(parser)
    return parser


def overview() -> str:
    abouts = recipe.ABOUT | {command: command_module(command).ABOUT for command in COMMANDS}
    rows = "\n".join(f"  {name:13}{about}" for name, about in abouts.items())
    return (
        f"usage: s12 COMMAND ...\n\nThe Page ResNet course's command.\n\n{rows}\n\n"
        "`s12 COMMAND --help` says more.\nExample: s12 fit --config recipes/smoke.yaml"
    )


def dispatch(command: str, arguments: list[str]) -> None:
    if command in recipe.ABOUT:
        recipe.run(command, arguments)
        return
    module, parser = command_module(command), parser_for(command)
    if getattr(module, "TAKES_FIELDS", False):
        options, fields = parser.parse_known_args(arguments)
        module.run(options, fields)
    else:
        module.run(parser.parse_args(arguments))


def main(argv: Sequence[str] | None = None) -> None:
    """Run ``s12``; a wrong input ends in one sentence on stderr and exit status 2."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):  # what a terminal's encoding lacks, cp1252's for one, becomes "?"
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    command = arguments[0] if arguments else "--help"
    if command not in ("-h", "--help", *recipe.ABOUT, *COMMANDS):
        from s12lib.errors import did_you_mean

        known = [*recipe.ABOUT, *COMMANDS]
        fail(f"there is no command {command!r}; there are {', '.join(known)}{did_you_mean(command, known)}")
    try:
        if command in ("-h", "--help"):
            print(overview())
        else:
            dispatch(command, arguments[1:])
        sys.stdout.flush()
    except KeyboardInterrupt:
        fail("stopped by you.", status=130)  # as shells call it; scripts must not take it for a refusal
    except BrokenPipeError:  # whoever read what is printed has seen enough, as `head` has
        print_no_more()
        sys.exit(141)
    except Exception as error:
        from s12lib.errors import sentence

        if (message := sentence(error)) is None:
            raise
        if isinstance(error, OSError):
            print_no_more()
        fail(message, getattr(error, "status", 2))


def print_no_more() -> None:
    """Let go of what cannot be printed: Python would try again at its end, and complain."""
    try:
        sys.stdout.flush()
    except OSError:
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()

"""The command `tf-hetero`, its subcommands and how they end.

The modules of the subcommands import Keras, which takes seconds, only once the arguments
were read and checked.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from absl import logging

from tf_hetero.cli import compare, export, latency, restore, shrink, track
from tf_hetero.version import __version__

COMMANDS = {
    "shrink": shrink,
    "export": export,
    "compare": compare,
    "latency": latency,
    "restore": restore,
    "track": track,
}


class Parser(argparse.ArgumentParser):
    """A parser that says what is wrong in one line, as everything here does."""

    def error(self, message: str) -> NoReturn:
        sys.exit(f"error: {message}. {self.prog} --help says what there is.")


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command; `sys.argv` if no arguments are given."""
    options = new_parser().parse_args(arguments)
    command = COMMANDS[options.command]
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.set_verbosity(logging.ERROR)
    try:
        command.run(options)
    except command.EXPECTED as error:
        sys.exit(f"error: {' '.join(str(error).split())}")
    except KeyboardInterrupt:
        sys.exit("\nInterrupted. Nothing is half-written.")


def new_parser() -> Parser:
    """The parser of the command with all its subcommands."""
    parser = Parser(
        "tf-hetero",
        description="Channel widths for Keras CNNs, from file to file.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"tf_hetero {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, module in COMMANDS.items():
        text = module.__doc__ or ""
        module.add_arguments(
            commands.add_parser(
                name,
                help=text.partition("\n")[0],
                description=text,
                formatter_class=argparse.RawDescriptionHelpFormatter,
                allow_abbrev=False,
            )
        )
    return parser

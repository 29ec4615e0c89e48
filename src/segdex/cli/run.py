"""One run of the command line: from arguments to an exit code, whatever happens in between."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from cyclopts.exceptions import CycloptsError, UnknownCommandError

from segdex.cli import changing, commands
from segdex.cli.app import app
from segdex.errors import (
    ArgumentError,
    LimitError,
    RuleError,
    SchemaError,
    SegdexError,
    nearest,
)

DONE, DATA_AT_FAULT, CALL_AT_FAULT, INTERRUPTED, BROKEN_PIPE = 0, 1, 2, 130, 141

COMMANDS = (commands, changing)
"""The modules whose commands there are."""

# What the caller wrote, as against what was found on the disk.
_CALL = (ArgumentError, LimitError, RuleError, SchemaError)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command; errors become a line on stderr and an exit code."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # started with it closed
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that lacks a character shows another
    try:
        code = _command(sys.argv[1:] if arguments is None else list(arguments))
        sys.stdout.flush()
        return code
    except SegdexError as error:
        return _failed(str(error), CALL_AT_FAULT if isinstance(error, _CALL) else DATA_AT_FAULT)
    except BrokenPipeError:
        _stop_writing()
        return BROKEN_PIPE
    except OSError as error:
        _stop_writing()
        return _failed(f"the result cannot be written: {error.strerror or error}", DATA_AT_FAULT)
    except KeyboardInterrupt:
        return INTERRUPTED
    except MemoryError:
        return _failed("out of memory", DATA_AT_FAULT)


def _command(arguments: list[str]) -> int:
    try:
        result = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        return _failed(_complaint(error), CALL_AT_FAULT)
    return result if isinstance(result, int) else DONE


def _complaint(error: CycloptsError) -> str:
    if isinstance(error, UnknownCommandError) and error.unused_tokens:
        asked = error.unused_tokens[0]
        hint = nearest(asked, [name for name in app if not name.startswith("-")])
        return f"there is no command {asked!r} in this version; {hint or 'see segdex --help'}"
    command = " ".join(["segdex", *(error.command_chain or ())])
    return f"{error}\nsee {command} --help"


def _failed(message: str, code: int) -> int:
    print(f"segdex: {message}", file=sys.stderr)
    return code


def _stop_writing() -> None:
    """Point stdout at nothing, so that Python does not complain when it flushes at exit."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, sys.stdout.fileno())
    os.close(nothing)

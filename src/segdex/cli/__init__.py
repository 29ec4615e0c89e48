"""Arguments in, text or JSON out."""

from __future__ import annotations

from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line on *arguments* (default: those of the process) and return its exit code.

    0: done. 1: the data or the index is at fault. 2: the call is at fault, its rule and its schema included.
    130: interrupted. 141: whoever read the output has stopped reading.
    """
    from segdex.cli.run import run

    return run(arguments)

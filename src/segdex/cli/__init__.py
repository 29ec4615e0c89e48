"""Arguments in, text or JSON out."""

from __future__ import annotations

import signal
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line on *arguments* (default: those of the process) and return its exit code.

    0: done. 1: the data or the index is at fault. 2: the call is at fault, its rule and its schema included.
    130: interrupted. 141: whoever read the output has stopped reading.
    """
    try:
        # An interrupt in the midst of an import may be lost, or come out as another error: it waits until the end.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            from segdex.cli.run import run
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        return run(arguments)
    except KeyboardInterrupt:
        return 130

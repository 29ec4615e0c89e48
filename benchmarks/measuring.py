"""What benchmarks share: their options, and code that is measured in a process of its own."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from typing import Any


@dataclasses.dataclass(frozen=True)
class Options:
    """What the command line asks for.

    Attributes:
        customers: how many to generate; None: the benchmark's own number.
        quick: few repeats and little data.
    """

    customers: int | None = None
    quick: bool = False


def in_new_process(code: str, *arguments: object, **environment: str) -> Any:
    """Run *code* in a fresh interpreter and return the JSON value that it prints."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, env={**os.environ, **environment}, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)

"""An operating system that fails on purpose."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from segdex.store.os import OperatingSystem


class Faulty(OperatingSystem):
    """Fails at call number *at* (from 0) with *number*, and from then on where *lasting*.

    With *short*, no call fails, and every write takes only half of what it is given (at least a byte).
    With *at* None nothing fails: *calls* lists what was called.
    """

    def __init__(self, at: int | None = None, number: int = 5, lasting: bool = False, short: bool = False) -> None:
        self.at = at
        self.number = number
        self.lasting = lasting
        self.short = short
        self.calls: list[str] = []

    def perform(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        position = len(self.calls)
        self.calls.append(function.__name__)
        if self.at is not None and (position == self.at or (self.lasting and position > self.at)):
            if function is os.close:  # a descriptor is gone even where closing it reports an error
                os.close(*arguments)
            raise OSError(self.number, os.strerror(self.number))
        if self.short and function is os.write:
            descriptor, data = arguments
            return os.write(descriptor, data[: max(1, len(data) // 2)])
        return function(*arguments, **named)

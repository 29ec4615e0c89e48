"""How long a call may still run: set where it begins, asked wherever work goes on for long.

A deadline belongs to the call that sets it, and so to its thread or task: whoever asks for many things at once sets one
for each. Work that is split over threads takes the deadline of its caller along.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from contextvars import ContextVar
from typing import NamedTuple

from segdex.errors import ArgumentError, LimitError


class Deadline(NamedTuple):
    """A moment after which work ends with an error.

    Attributes:
        ends: by `time.monotonic`, in seconds.
        seconds: how long the call may take in all.
    """

    ends: float
    seconds: float

    def check(self) -> None:
        """Raise once the moment has passed.

        Raises:
            LimitError: it has.
        """
        if time.monotonic() > self.ends:
            raise LimitError(
                "the call takes too long",
                found=f"more than {self.seconds:g} s",
                allowed=f"timeout = {self.seconds:g}",
                hint="declare what it computes from a stream as a metric, or allow more time",
            )


NEVER = Deadline(float("inf"), float("inf"))
_current: ContextVar[Deadline] = ContextVar("segdex deadline", default=NEVER)


def current() -> Deadline:
    """The deadline of the call in hand."""
    return _current.get()


@contextlib.contextmanager
def within(seconds: float | None) -> Iterator[None]:
    """Whatever is done inside must not take longer; None: as long as it takes, or as a call around this one may.

    Raises:
        ArgumentError: *seconds* is no positive number.
        LimitError: the time is over.
    """
    if seconds is None:
        yield
        return
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > 0:
        raise ArgumentError("timeout", found=repr(seconds), allowed="a positive number of seconds, or None")
    asked = Deadline(time.monotonic() + seconds, float(seconds))
    token = _current.set(min(asked, _current.get()))
    try:
        yield
    finally:
        _current.reset(token)

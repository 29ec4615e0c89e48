"""What callers may pass: text and numbers that stand for sizes, folders, moments, keys and purposes."""

from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from segdex.errors import ArgumentError, listed, nearest
from segdex.rules.words import is_storable
from segdex.values import clock

_UNITS = {"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "kB": 10**3, "MB": 10**6, "GB": 10**9}


def bytes_of(size: int | str) -> int:
    """A number of bytes, given as such or as text.

    >>> bytes_of("1.5GiB")
    1610612736
    """
    found = re.fullmatch(r"(\d{1,15}(?:\.\d{1,6})?) ?([A-Za-z]*)", size) if isinstance(size, str) else None
    if found is not None and found[2] in _UNITS:
        return int(float(found[1]) * _UNITS[found[2]])
    if isinstance(size, int) and not isinstance(size, bool) and size >= 0:
        return size
    raise ArgumentError("memory_limit", found=repr(size), allowed='a number of bytes, or text: "2GiB"')


def folder_of(path: str | Path) -> Path:
    """*path*, unless no folder can have it."""
    allowed = "the path of a folder"
    try:
        given = os.fspath(path)
        usable = isinstance(given, str) and given != "" and b"\0" not in os.fsencode(given)
    except TypeError:
        raise ArgumentError("path", found=type(path).__name__, allowed=allowed) from None
    except UnicodeEncodeError:
        usable = False
    if not usable:
        raise ArgumentError("path", found=ascii(path), allowed=allowed)
    return Path(given)


def is_one_key(key: Any) -> bool:
    """Whether *key* is one key and not many."""
    return isinstance(key, str | int | np.integer) and not isinstance(key, bool)


def purposes_of(suppression: Sequence[str], known: set[str]) -> set[str]:
    """The purposes that *suppression* lists, each one that a suppression segment has."""
    if isinstance(suppression, str | bytes) or not isinstance(suppression, Sequence | set | frozenset):
        raise ArgumentError("suppression", found=repr(suppression), allowed="True, False or a list: ['email']")
    for purpose in suppression:
        if not isinstance(purpose, str) or purpose not in known:
            hint = nearest(str(purpose), known)
            raise ArgumentError(
                "no suppression segment has this purpose", found=repr(purpose), allowed=listed(known), hint=hint
            )
    return set(suppression)


def moment_of(as_of: str | dt.datetime | None) -> int:
    """A clock in microseconds UTC; None: now."""
    if as_of is None:
        return clock.to_microseconds(dt.datetime.now(dt.UTC))
    try:
        moment = dt.datetime.fromisoformat(as_of) if isinstance(as_of, str) else as_of
    except ValueError:
        moment = None
    if not isinstance(moment, dt.datetime):
        raise ArgumentError("as_of is no time", found=repr(as_of), allowed="ISO 8601 with a zone: 2026-06-30T00:00:00Z")
    if moment.tzinfo is None:
        raise ArgumentError("as_of has no zone", found=repr(as_of), hint="end it in Z, or in an offset: +05:30")
    return clock.to_microseconds(moment)


def source_name(name: object) -> str:
    """The name of a source.

    Raises:
        ArgumentError: it is none.
    """
    if not name:
        raise ArgumentError("source", found=repr(name)[:60], allowed="a name")
    return text_of("source", name)


def text_of(what: str, text: object) -> str:
    """A text that can be kept.

    Raises:
        ArgumentError: it is none; *what* says whose it is.
    """
    if not isinstance(text, str):
        raise ArgumentError(what, found=type(text).__name__, allowed="text")
    if not is_storable(text):
        raise ArgumentError(f"{what} holds a character that cannot be kept", found=ascii(text)[:60])
    return text


def offset_of(offset: object) -> int:
    """The position after a batch.

    Raises:
        ArgumentError: it is none.
    """
    if not isinstance(offset, int) or isinstance(offset, bool) or not 0 <= offset < 1 << 63:
        raise ArgumentError("offset", found=repr(offset)[:60], allowed="a whole number, 0 or more")
    return offset

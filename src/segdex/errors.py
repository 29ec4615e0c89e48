"""Every error that segdex raises on purpose.

    SegdexError
    ├── SchemaError     the schema file or object is wrong
    ├── RuleError       a rule is wrong: its text, its names, its types
    │   └── RuleLimitError   a rule is larger than the limits allow (also a LimitError)
    ├── SourceError     a table that was read is wrong: file, column, row
    ├── ArgumentError   a call was given something it cannot use (also a ValueError)
    ├── CorruptError    a file of the index is damaged
    ├── VersionError    a file of the index was written by a newer segdex
    ├── StorageError    the operating system refused a read or a write
    ├── LockedError     a second writer, or a write where only reading is allowed
    ├── ClosedError     the index was closed
    └── LimitError      a limit was reached: size of a rule, time, the range of a number

A message is made of parts that a program may read too: *place* (a file, a path inside it, a line), *problem*,
*found*, *allowed* and *hint*. No message ever carries a customer's key. Names and texts in it are cut to some hundred
characters, whoever quotes them.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

MOST_QUOTED = 100
"""Characters of a name or a text that a message repeats."""
MOST_PART = 1_000
"""Characters of one part of a message."""

# A text in quotes (an apostrophe inside a word opens none), or a word; in a path each name is one.
_QUOTED = re.compile(rf"""(?<!\w)'[^']*'|(?<!\w)"[^"]*"|[^\s'"/]{{{MOST_QUOTED},}}""")


class SegdexError(Exception):
    """Base of all errors of segdex.

    Args:
        problem: what is wrong, in one clause.
        place: where: file, path inside it, line and column.
        found: what was there, quoted by the caller if it is text.
        allowed: what may be there.
        hint: what to do, or the nearest known name.
    """

    def __init__(
        self,
        problem: str,
        *,
        place: str | None = None,
        found: str | None = None,
        allowed: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(problem, place, found, allowed, hint)
        self.problem = shortened(problem)
        self.place = None if place is None else shortened(place)
        self.found = None if found is None else shortened(found)
        self.allowed = None if allowed is None else shortened(allowed)
        self.hint = None if hint is None else shortened(hint)

    def __str__(self) -> str:
        text = f"{self.place}: {self.problem}" if self.place else self.problem
        if self.found is not None:
            text += f"; found {self.found}"
        if self.allowed is not None:
            text += f"; allowed: {self.allowed}"
        if self.hint is not None:
            text += f"; {self.hint}"
        return text

    def __reduce__(self) -> tuple[object, ...]:
        parts = {"place": self.place, "found": self.found, "allowed": self.allowed, "hint": self.hint}
        return (_rebuild, (type(self), self.problem, parts))

    def at(self, place: str) -> SegdexError:
        """The same error, placed: *place* is put before the place that is already known."""
        place = shortened(place)
        self.place = f"{place}: {self.place}" if self.place else place
        return self


class SchemaError(SegdexError):
    """The schema file or object is wrong."""


class RuleError(SegdexError):
    """A rule is wrong: its text, its names or its types."""


class LimitError(SegdexError):
    """A limit was reached."""


class RuleLimitError(RuleError, LimitError):
    """A rule is larger than the limits allow: its text, its depth, its nodes, its lists."""


class SourceError(SegdexError):
    """A table that was read is wrong."""


class ArgumentError(SegdexError, ValueError):
    """A call was given something it cannot use."""


class CorruptError(SegdexError):
    """A file of the index is damaged."""


class VersionError(SegdexError):
    """A file of the index was written by a newer version of segdex, or by one too old for what is asked of it."""


class StorageError(SegdexError):
    """The operating system refused a read or a write."""


class LockedError(SegdexError):
    """A second writer, or a write where only reading is allowed."""


class ClosedError(SegdexError):
    """The index was closed."""


def shortened(text: str) -> str:
    """*text* with everything cut that is too long to be read.

    >>> shortened("no column '" + "x" * 200 + "'") == "no column '" + "x" * 97 + "…'"
    True
    """
    if len(text) <= MOST_QUOTED:
        return text
    text = _QUOTED.sub(lambda match: _cut(match[0]), text)
    return text if len(text) <= MOST_PART else text[: MOST_PART - 1] + "…"


def _cut(part: str) -> str:
    if len(part) <= MOST_QUOTED:
        return part
    end = part[-1] if part[0] in "'\"" else ""
    return part[: MOST_QUOTED - 1 - len(end)] + "…" + end


def nearest(name: str, known: Iterable[str]) -> str | None:
    """A hint with the known name nearest to *name*, or None where nothing is near.

    >>> nearest("oders", ["orders", "emails"])
    "did you mean 'orders'?"
    """
    if len(name) > MOST_QUOTED:  # comparing takes the product of both lengths
        return None
    names = [candidate for candidate in known if len(candidate) <= MOST_QUOTED]
    by_folded = {candidate.casefold(): candidate for candidate in names}
    found = difflib.get_close_matches(name.casefold(), list(by_folded), n=1, cutoff=0.6)
    return f"did you mean {by_folded[found[0]]!r}?" if found else None


def listed(names: Iterable[str], most: int = 12) -> str:
    """Names for a message: the first *most* of them in order, and how many more there are.

    >>> listed(["b", "a"])
    'a, b'
    """
    ordered = sorted(names)
    if not ordered:
        return "nothing is declared"
    more = f" and {len(ordered) - most} more" if len(ordered) > most else ""
    return ", ".join(map(_cut, ordered[:most])) + more


def _rebuild(kind: type[SegdexError], problem: str, parts: dict[str, str | None]) -> SegdexError:
    return kind(problem, **parts)

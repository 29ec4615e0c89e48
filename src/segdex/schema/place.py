"""Where in a schema something stands, for messages: the file and the path inside it."""

from __future__ import annotations

import dataclasses
import re
import reprlib
from collections.abc import Mapping
from typing import Any, TypeAlias

from segdex.errors import RuleError, SchemaError

Path: TypeAlias = tuple[str | int, ...]
Positions: TypeAlias = Mapping[int, tuple[int, int]]

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_short = reprlib.Repr()
_short.maxstring = _short.maxother = 80
_short.maxdict = _short.maxlist = _short.maxlevel = 3


@dataclasses.dataclass(slots=True)
class Origin:
    """One schema being read.

    Attributes:
        file: its name for messages; None for Python objects.
        positions: for every rule read from text, by its path: line and column by ``id(node)``.
    """

    file: str | None = None
    positions: dict[Path, Positions] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class Spot:
    """A path inside a schema, such as ``metrics.orders_3m.window``."""

    origin: Origin
    path: Path = ()

    def at(self, *keys: str | int) -> Spot:
        """The spot further inside."""
        return Spot(self.origin, (*self.path, *keys))

    @property
    def inside(self) -> str:
        """``metrics.orders_3m.window``; names that are not plain are quoted."""
        text = ""
        for key in self.path:
            if isinstance(key, int):
                text += f"[{key}]"
            else:
                text += ("." if text else "") + (key if _BARE.fullmatch(key) else f'"{key}"')
        return text

    @property
    def place(self) -> str | None:
        """``schema.toml: metrics.orders_3m.window``."""
        return ": ".join(part for part in (self.origin.file, self.inside) if part) or None

    def fault(self, problem: str, **parts: str | None) -> SchemaError:
        """The error that says what is wrong here; *parts* are found, allowed and hint."""
        return SchemaError(problem, place=self.place, **parts)

    def wrap(self, error: RuleError) -> SchemaError:
        """An error of a rule that stands here: its line and column follow the path."""
        place = ", ".join(part for part in (self.place, error.place) if part) or None
        return SchemaError(error.problem, place=place, found=error.found, allowed=error.allowed, hint=error.hint)


def shown(value: Any) -> str:
    """A value for a message: short, whatever its size and depth."""
    return "null" if value is None else _short.repr(value)


def later(what: str) -> str:
    """The problem of everything that a later version brings."""
    return f"{what} is not supported in this version yet"

"""Versions of rows that may come again: whole numbers or times, of which the greatest wins."""

from __future__ import annotations

import datetime as dt
from typing import Literal, TypeAlias

import numpy as np
import pyarrow as pa

from segdex.errors import SourceError
from segdex.ingest.arrays import Converted, Problem, is_text, plain
from segdex.ingest.to_numbers import integers
from segdex.ingest.to_times import times
from segdex.schema.types import ValueType
from segdex.values.column import MISSING, Column, Ints, Mask

Kind: TypeAlias = Literal["integer", "time"]
_BLOCK = 1 << 16
_WORDS = {"integer": "whole numbers", "time": "times"}


class Versions:
    """A column of versions in the making; what kind they are of is seen when the first one comes.

    Args:
        zone: where naive times are local.
        kind: that of the versions that these will be compared with; None: there are none.
    """

    def __init__(self, zone: dt.tzinfo, kind: Kind | None = None) -> None:
        self._zone = zone
        self._kind = kind
        self._parts: list[Ints] = [np.empty(0, np.int64)]

    def add(self, array: pa.Array, untyped: bool) -> list[Problem]:  # noqa: ARG002
        """See `segdex.ingest.columns.Gatherer`.

        Raises:
            SourceError: the type of the array holds no versions, or others than before.
        """
        array = plain(array)
        kind = self._kind_of(array)
        if kind != (self._kind or kind):
            raise SourceError(
                "versions of two kinds cannot be compared", found=_WORDS[kind], allowed=_WORDS[self._kind or kind]
            )
        converted = self._converted(array, kind)
        if len(array) > array.null_count:
            self._kind = kind
        self._parts.append(converted.data)  # type: ignore[arg-type]
        return converted.problems

    def finish(self) -> Column:
        """The versions of all rows so far, integers or times."""
        return Column(ValueType(self._kind or "integer"), np.concatenate(self._parts))

    def _converted(self, array: pa.Array, kind: Kind) -> Converted:
        return integers(array) if kind == "integer" else times(array, self._zone)

    def _kind_of(self, array: pa.Array) -> Kind:
        """What *array* holds; text is what the first text is."""
        if pa.types.is_null(array.type) or is_text(array.type):
            if self._kind is not None or array.null_count == len(array):
                return self._kind or "integer"
            first = array.drop_null()[:1]
            return "time" if integers(first).problems else "integer"
        return "time" if pa.types.is_timestamp(array.type) or pa.types.is_date(array.type) else "integer"


def kind_of(versions: Column) -> Kind | None:
    """What kept versions are, to be given to those that come later; None: none is known, and any kind may come."""
    for start in range(0, len(versions), _BLOCK):  # mostly one of the first is known
        if (versions.data[start : start + _BLOCK] != MISSING).any():
            return "time" if versions.type.kind == "time" else "integer"
    return None


def newer(old: Column, new: Column) -> Mask:
    """Where a new row replaces the old one: its version is as great or greater; a missing one is the least of all.

    Args:
        old: the versions that are kept, shape (customers,).
        new: of the same customers and kind.
    """
    at_least: Mask = new.data >= old.data
    return at_least

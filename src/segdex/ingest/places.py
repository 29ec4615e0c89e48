"""Places: one column out of two columns of degrees."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from segdex.ingest.arrays import Problem, problems_of
from segdex.ingest.columns import joined
from segdex.ingest.to_numbers import reals
from segdex.schema.types import ValueType
from segdex.values.column import Column, Floats, Mask
from segdex.values.places import places


class Degrees:
    """One of the two columns in the making.

    Args:
        name: ``latitude`` or ``longitude``.
        most: degrees from -*most* to *most* are on the Earth.
        other: the column that is taken in before this one; a row has a value in both or in neither.
    """

    def __init__(self, name: str, most: int, other: Degrees | None = None) -> None:
        self._reason = f"a {name} that is not between -{most} and {most}"
        self._most = most
        self._other = other
        self._parts: list[Floats] = []
        self._good: Mask = np.empty(0, np.bool_)  # of the last array: the rows without a problem

    def add(self, array: pa.Array, untyped: bool) -> list[Problem]:  # noqa: ARG002
        """See `segdex.ingest.columns.Gatherer`."""
        converted = reals(array)
        degrees: Floats = converted.data  # type: ignore[assignment]
        outside = np.abs(degrees) > self._most  # not where it is missing
        problems = converted.problems + problems_of((outside, self._reason))
        self._good = np.ones(len(degrees), np.bool_)
        for problem in problems:
            self._good[problem.rows] = False
        if self._other is not None:
            one = np.isnan(degrees) != np.isnan(self._other._parts[-1])
            one &= self._good & self._other._good
            problems += problems_of((one, "a place of which only one of latitude and longitude is there"))
        self._parts.append(degrees)
        return problems

    def finish(self) -> Floats:
        """The degrees of all rows so far."""
        whole: Floats = joined(self._parts) if self._parts else np.empty(0, np.float64)
        return whole


class Places:
    """A column of places in the making: `latitude` takes in its part of each array first, then `longitude`."""

    def __init__(self, kind: ValueType) -> None:
        self._type = kind
        self.latitude = Degrees("latitude", 90)
        self.longitude = Degrees("longitude", 180, self.latitude)

    def finish(self) -> Column:
        """The column of all rows so far; bad rows are in it as they came, since nobody picks them."""
        return places(self._type, self.latitude.finish(), self.longitude.finish())

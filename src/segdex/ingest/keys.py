"""Customers' keys and their dense ids, both ways."""

from __future__ import annotations

import dataclasses

import numpy.typing as npt
import numpy as np
import pyarrow as pa

from segdex.values.column import Ints


@dataclasses.dataclass(frozen=True, slots=True)
class Keys:
    """The keys by dense id, ascending (integers by value, strings by bytes).

    Attributes:
        values: an ``int64`` or ``large_string`` array without nulls or duplicates; position is the dense id.
    """

    values: pa.Int64Array | pa.LargeStringArray

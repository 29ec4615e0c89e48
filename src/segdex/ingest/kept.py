"""What an index keeps for rows that come later, and no rule asks for: lookups, and versions of customers."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from segdex.ingest.keys import Keys
from segdex.values.column import MISSING, Column

VERSION = "version"
"""The hidden column of the customers' versions."""


@dataclasses.dataclass(frozen=True, slots=True)
class Dimension:
    """A lookup that was read, as far as fields of streams come through it.

    Attributes:
        keys: its keys.
        columns: its fields, one item a key.
    """

    keys: Keys
    columns: Mapping[str, Column]

    def join(self, on: Column, field: str) -> Column:
        """The values of *field* for the keys in *on*, shape as *on*; missing where a key is missing or unknown."""
        if on.dictionary is not None:
            places = np.append(self.keys.lookup(on.dictionary), -1)[on.data]
        else:
            places = self.keys.lookup(pa.array(on.data, mask=on.data == MISSING))
        return self.columns[field].take(places)

"""Who the customers are: keys admitted from all sources, then numbered once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from segdex.errors import LimitError
from segdex.ingest.ids import MOST_KEYS, NOBODY, KeyColumn, KeySpace, merge
from segdex.ingest.keys import Keys
from segdex.values.column import Ints, Mask


class Universe:
    """Collects the keys that count; `settle` gives each its dense id."""

    def __init__(self, space: KeySpace) -> None:
        self._space = space
        self._integers = np.zeros(space.integers.count + 1, np.bool_)
        self._texts = np.zeros(space.texts.count + 1, np.bool_)
        self._typed = False

    def admit(self, column: KeyColumn, rows: Mask) -> None:
        """Let the keys of the *rows* in."""
        start = 0
        for (text, codes), typed in zip(column.parts, column.typed, strict=True):
            used, chosen = self._texts if text else self._integers, codes[rows[start : start + len(codes)]]
            used[np.minimum(chosen, len(used) - 1)] = True
            self._typed = self._typed or (typed and bool((chosen != NOBODY).any()))
            start += len(codes)

    def settle(self) -> Keys:
        """Number the keys that were let in, in ascending order.

        Raises:
            LimitError: there are more than dense ids can number.
        """
        integers, texts = self._integers[:-1], self._texts[:-1]
        merged = merge(
            self._space.integers.values()[integers],
            self._space.texts.values().filter(pa.array(texts)),
            self._typed,
        )
        if len(merged.values) > MOST_KEYS:
            raise LimitError("too many customers", found=f"{len(merged.values):,}", allowed=f"{MOST_KEYS:,}")
        self._of_integers = _table(integers, merged.of_integers)
        self._of_texts = _table(texts, merged.of_texts)
        return Keys(merged.values)

    def owners(self, column: KeyColumn, rows: Mask) -> npt.NDArray[np.uint32]:
        """The dense id for each of a source's rows, shape (rows,); `NOBODY` for rows that do not count, and for
        keys that were not let in.
        """
        found = [np.empty(0, np.uint32)]
        for text, codes in column.parts:
            table = self._of_texts if text else self._of_integers
            found.append(table[np.minimum(codes, len(table) - 1)])
        owners = np.concatenate(found)
        owners[~rows] = NOBODY
        return owners

    def theirs(self, column: KeyColumn, rows: Mask, those: Mask) -> Mask:
        """Which of the *rows* of a source are those of some customers, of whom *those* has one truth a dense id."""
        owners = self.owners(column, rows)
        return np.append(those, False)[np.minimum(owners, len(those))]

    def become(self, ids: Ints) -> None:
        """Let dense id i be ``ids[i]`` from now on; several may be one."""
        table = np.append(ids.astype(np.uint32), np.uint32(NOBODY))
        self._of_integers, self._of_texts = (
            table[np.minimum(each, len(ids))] for each in (self._of_integers, self._of_texts)
        )

    def named(self, column: KeyColumn, rows: Mask, count: int) -> Mask:
        """Which of *count* dense ids the *rows* of a source are those of."""
        found = np.zeros(count, np.bool_)
        owners = self.owners(column, rows)
        found[owners[owners != NOBODY]] = True
        return found


def _table(used: Mask, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.uint32]:
    """The dense id by number in the key space; the last entry is for rows without a key."""
    table = np.full(len(used) + 1, NOBODY, np.uint32)
    table[:-1][used] = ids
    return table

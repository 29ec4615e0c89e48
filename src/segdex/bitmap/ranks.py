"""Any threshold on a column of numbers, dates or times: who comes where by value, and one byte a customer.

*Places* are the customers with a known value, ascending by value. They are cut into at most 255 classes, each an
interval of values; a customer's *rank code* is the number of their class, 0 where the value is missing. A range of
values is a range of places: two bisections tell how many there are. It takes whole classes, which kernels find by
comparing codes, 64 customers at a time, and cuts at most two: their customers are read off the places, once, into a
predicate of at most some hundredths of all. So any range is exact, and its values are never looked at.

Edges of declared bands begin classes, a value that many share has a class of its own, and so has every value where
there are few. The other edges are quantiles, moved to the roundest number nearby, since thresholds are round.
"""

from __future__ import annotations

import dataclasses
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from segdex.bitmap import kernels_ranks
from segdex.bitmap.kernels_ranks import RANGE_WORDS
from segdex.bitmap.predicate import (
    CARDINALITY_BITS,
    CHUNK,
    LINE_WORDS,
    Ids,
    Ints,
    Predicate,
    Words,
    aligned_words,
    chunks_of,
    from_ids,
)
from segdex.errors import CorruptError
from segdex.forks import Once

Values: TypeAlias = npt.NDArray[np.int64] | npt.NDArray[np.float64]
Bound: TypeAlias = int | float
Codes: TypeAlias = npt.NDArray[np.uint8]

MOST_CLASSES = 255
RANGE = (1 << CARDINALITY_BITS) - 1
"""Stands in a directory in the place of a cardinality: the chunk has to be looked at."""
_DECLARED, _HEAVY = 64, 64  # how many edges of bands, and how many heavy values, may have classes


@dataclasses.dataclass(frozen=True, eq=False)
class Ranks:
    """What answers ranges over one column.

    Attributes:
        values: the column, int64 or float64, shape (customers,).
        places: the dense ids of those with a known value, uint32, ascending by value, and by id where values are equal.
        starts: where each class begins in *places*, int64, ascending from 0, shape (classes,).
        codes: the class of each customer from 1, 0 where the value is missing, padded with zeros to a multiple of 64.

    Who is no customer, though there are values, counts as missing.
    """

    values: Values
    places: Ids
    starts: Ints
    codes: Codes

    @Once
    def ends(self) -> Ints:
        """Where each class ends in *places*."""
        return np.append(self.starts[1:], len(self.places))[: len(self.starts)]

    @Once
    def bounds(self) -> tuple[Codes, Codes]:
        """The least and the greatest code of each chunk."""
        chunks = chunks_of(len(self.values))
        lows, highs = np.empty(chunks, np.uint8), np.empty(chunks, np.uint8)
        kernels_ranks.code_bounds(self.codes, len(self.values), lows, highs)
        return lows, highs

    def between(self, edges: Sequence[Bound], low: Bound, high: Bound) -> slice | None:
        """Which intervals of *edges* the range from *low* to *high* is made of; None where it begins or ends between.

        Interval i is from edge i - 1, included, to edge i; the first has no lower end and the last no upper one.
        """
        if len(self.places) == 0:
            return None
        least, most = self.values[self.places[0]], self.values[self.places[-1]]
        after = float(np.nextafter(high, np.inf)) if self.values.dtype == np.float64 else int(high) + 1
        first, last = bisect_right(edges, low), bisect_right(edges, high)
        starts = bool(low <= least) if first == 0 else edges[first - 1] == low
        ends = bool(high >= most) if last == len(edges) else edges[last] == after
        return slice(first, last + 1) if starts and ends else None

    def within(self, low: Bound, high: Bound) -> tuple[int, int]:
        """Where in *places* those with a value from *low* to *high*, both included, begin and end."""
        kind = self.values.dtype.type
        first = kernels_ranks.bisect(self.values, self.places, kind(low), 0)
        return first, max(kernels_ranks.bisect(self.values, self.places, kind(high), 1), first)

    def count(self, low: Bound, high: Bound) -> int:
        """How many customers have a value from *low* to *high*, both included."""
        first, last = self.within(low, high)
        return last - first


@dataclasses.dataclass(frozen=True, eq=False)
class Range:
    """The customers whose value is in a range: an operand of a program like a predicate.

    Its words begin with a directory like that of a predicate, in which every chunk is empty, full, or `RANGE`; what
    follows tells the kernels where codes and values are.

    Attributes:
        words: directory and what follows.
        chunks: how many chunks the directory has.
        cardinality: how many customers there are.
        ranks: keeps the codes alive.
        rest: those in classes that the range cuts.
    """

    words: Words
    chunks: int
    cardinality: int
    ranks: Ranks
    rest: Predicate

    @property
    def payload_bytes(self) -> int:
        """How many bytes of codes the chunks have that must be looked at, and of the rest."""
        return CHUNK * int((self.states == RANGE).sum()) + self.rest.payload_bytes

    @Once
    def address(self) -> int:
        """Where the words are in memory; good as long as this object lives."""
        return int(self.words.ctypes.data)

    @Once
    def occupied(self) -> int:
        """In how many chunks there may be customers."""
        return int(np.count_nonzero(self.states))

    @Once
    def states(self) -> Ints:
        """0, 65,536 or `RANGE` for each chunk."""
        return self.words[: self.chunks].astype(np.int64)

    def __len__(self) -> int:
        return self.cardinality


def ranks_of(values: Values, edges: Iterable[Bound] = (), among: npt.NDArray[np.bool_] | None = None) -> Ranks:
    """The ranks of a column.

    Args:
        values: int64 with the least int64 as missing, or float64 with NaN; shape (customers,).
        edges: where bands of the column begin, in physical values.
        among: those who are customers, shape (customers,); None: all. The others are in no range.
    """
    values = np.ascontiguousarray(values)  # type: ignore[assignment]
    missing = np.isnan(values) if values.dtype == np.float64 else values == np.iinfo(np.int64).min
    places = np.argsort(values, kind="stable").astype(np.uint32)
    known = len(values) - int(np.count_nonzero(missing))
    # NaN sorts last, the least int64 first.
    places = places[:known] if values.dtype == np.float64 else places[len(values) - known :]
    if among is not None:
        places = places[among[places]]
    starts = _starts(values[places], edges)
    codes = np.zeros(_padded(len(values)), np.uint8)
    kernels_ranks.assign_codes(places, starts, codes)
    return Ranks(values, places, starts, codes)


def stored_ranks(values: Values, places: Ids, starts: Ints, codes: Codes) -> Ranks:
    """Ranks of *values* from parts that were stored, checked so far that no kernel can leave its arrays.

    That places ascend by value takes reading all values in their order: `check_order` does it.

    Raises:
        CorruptError: they do not fit the column or each other.
    """
    ascend = bool((starts[1:] > starts[:-1]).all()) and starts[:1].tolist() == [0] * bool(len(places))
    if not ascend or len(starts) > MOST_CLASSES or (len(starts) and int(starts[-1]) >= len(places)):
        raise CorruptError("classes of values are out of order")
    if len(codes) != _padded(len(values)) or not kernels_ranks.codes_fit(codes, places, starts, len(values)):
        raise CorruptError("a rank code is not that of its place")
    return Ranks(values, places, starts, codes)


def check_order(ranks: Ranks) -> None:
    """Check that places ascend by value.

    Raises:
        CorruptError: they do not.
    """
    if not kernels_ranks.ascends(ranks.values, ranks.places):
        raise CorruptError("places do not ascend by value")


def range_of(ranks: Ranks, low: Bound, high: Bound) -> Range:
    """The customers with a value from *low* to *high*, both included."""
    count = len(ranks.values)
    chunks = chunks_of(count)
    words = aligned_words(-(-chunks // LINE_WORDS) * LINE_WORDS + RANGE_WORDS)
    begin, end = ranks.within(low, high)
    cut = ranks.places[:0]
    more, whole = -1, 0
    if begin < end:
        first = int(np.searchsorted(ranks.ends, begin, "right"))  # the class that has the first of them
        last = int(np.searchsorted(ranks.starts, end, "left")) - 1
        whole_first = first + int(ranks.starts[first] < begin)
        whole_last = last - int(ranks.ends[last] > end)
        _set_directory(words[:chunks], ranks, 1 + first, 1 + last, 1 + whole_first, 1 + whole_last)
        if whole_first > whole_last:
            cut = ranks.places[begin:end]
        else:
            before = ranks.places[begin : ranks.starts[whole_first]]
            cut = np.concatenate([before, ranks.places[ranks.ends[whole_last] : end]])
        more, whole = max(whole_last - whole_first, -1), 1 + whole_first
    rest = from_ids(np.sort(cut), count)
    place = (ranks.codes.ctypes.data, len(ranks.codes) // 64, whole, more, rest.address)
    words[-RANGE_WORDS:].view(np.int64)[:] = place
    words.flags.writeable = False
    return Range(words, chunks, end - begin, ranks, rest)


def _padded(count: int) -> int:
    return -(-count // 64) * 64


def _set_directory(directory: Words, ranks: Ranks, first: int, last: int, whole_first: int, whole_last: int) -> None:
    lows, highs = ranks.bounds
    empty = (highs < first) | (lows > last)
    full = (lows >= whole_first) & (highs <= whole_last)
    if len(ranks.values) % CHUNK:
        full[-1] = False  # the last chunk has fewer customers than ids
    directory[:] = np.where(empty, 0, np.where(full, CHUNK, RANGE))


# --- classes -----------------------------------------------------------------------------------------------------


def _starts(ordered: Values, edges: Iterable[Bound]) -> Ints:
    """Where classes begin: at every value where values are few, else at edges, heavy values and quantiles."""
    if len(ordered) == 0:
        return np.zeros(0, np.int64)
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    if len(starts) <= MOST_CLASSES:
        return starts
    sizes = np.diff(np.append(starts, len(ordered)))
    heavy = np.argsort(sizes, kind="stable")[: -_HEAVY - 1 : -1]
    heavy = heavy[sizes[heavy] >= len(ordered) / MOST_CLASSES]
    after = heavy[heavy + 1 < len(starts)] + 1
    reachable = [edge for edge in edges if ordered[0] <= edge <= ordered[-1]][:_DECLARED]
    declared = np.searchsorted(ordered[starts], np.array(reachable, ordered.dtype), "left")
    chosen = np.unique(np.concatenate([[0], heavy, after, declared.astype(np.int64)]))
    left = MOST_CLASSES - len(chosen)
    sizes[heavy] = 0  # the quantiles are those of what is left
    reached = np.cumsum(sizes)
    quantiles = np.searchsorted(reached, np.arange(1, left + 1) * int(reached[-1]) // (left + 1), "left")
    rounded = _rounded(ordered[starts], np.unique(quantiles))
    begin: Ints = starts[np.unique(np.concatenate([chosen, rounded]))]
    return begin


def _rounded(distinct: Values, quantiles: Ints) -> Ints:
    """For each quantile, a place in *distinct*, the place of the roundest value up to half way to the next one."""
    found = []
    for place, following in zip(quantiles.tolist(), [*quantiles[1:].tolist(), len(distinct) - 1], strict=True):
        middle = (place + following) // 2
        low, high = distinct[place].item(), distinct[middle].item()
        step = 10.0 ** np.floor(np.log10(high - low)) if 0 < high - low < np.inf else 0.0
        target = float(np.ceil(low / step) * step) if step else low
        at = place
        if low < target < high:
            at = int(np.searchsorted(distinct, distinct.dtype.type(target), "left"))
        found.append(min(at, middle))
    return np.array(found, np.int64)

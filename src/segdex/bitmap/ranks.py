"""Any threshold on a column of numbers, dates or times: a sorted copy, and one byte a customer that nearly decides.

The known values are cut into at most 255 classes, each an interval; a customer's *rank code* is the number of their
class, 0 where the value is missing. A range of values then takes whole classes, and cuts at most two: only of these the
exact values are looked at. Edges of declared bands are edges of classes, a value that many share has a class of its
own, and so has every value where there are few: such ranges are never looked up. The other edges are quantiles, moved
to the roundest number nearby, since thresholds are round.

How many values a range has is told by the sorted copy: two bisections.
"""

from __future__ import annotations

import dataclasses
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from segdex.bitmap import kernels_ranks
from segdex.bitmap.kernels_ranks import RANGE_WORDS
from segdex.bitmap.predicate import CARDINALITY_BITS, CHUNK, LINE_WORDS, Ints, Words, aligned_words, chunks_of
from segdex.errors import CorruptError

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
        ordered: its known values, ascending.
        firsts: the least value of each class, ascending, shape (classes,).
        codes: the class of each customer from 1, 0 where the value is missing, padded with zeros to a multiple of 64.
    """

    values: Values
    ordered: Values
    firsts: Values
    codes: Codes

    @cached_property
    def lasts(self) -> Values:
        """The greatest value of each class."""
        ends = np.searchsorted(self.ordered, self.firsts[1:], "left")
        return self.ordered[np.append(ends, len(self.ordered)) - 1] if len(self.ordered) else self.firsts

    @cached_property
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
        if len(self.ordered) == 0:
            return None
        floats = self.ordered.dtype == np.float64
        after = float(np.nextafter(high, np.inf)) if floats else int(high) + 1
        first, last = bisect_right(edges, low), bisect_right(edges, high)
        starts = low <= self.ordered[0] if first == 0 else edges[first - 1] == low
        ends = high >= self.ordered[-1] if last == len(edges) else edges[last] == after
        return slice(first, last + 1) if starts and ends else None

    def count(self, low: Bound, high: Bound) -> int:
        """How many customers have a value from *low* to *high*, both included."""
        first = np.searchsorted(self.ordered, self.ordered.dtype.type(low), "left")
        last = np.searchsorted(self.ordered, self.ordered.dtype.type(high), "right")
        return max(int(last - first), 0)


@dataclasses.dataclass(frozen=True, eq=False)
class Range:
    """The customers whose value is in a range: an operand of a program like a predicate.

    Its words begin with a directory like that of a predicate, in which every chunk is empty, full, or `RANGE`; what
    follows tells the kernels where codes and values are.

    Attributes:
        words: directory and what follows.
        chunks: how many chunks the directory has.
        cardinality: how many customers there are.
        ranks: keeps alive what the words refer to.
    """

    words: Words
    chunks: int
    cardinality: int
    ranks: Ranks

    @property
    def payload_bytes(self) -> int:
        """How many bytes of codes the chunks have that must be looked at."""
        return CHUNK * int((self.states == RANGE).sum())

    @cached_property
    def address(self) -> int:
        """Where the words are in memory; good as long as this object lives."""
        return int(self.words.ctypes.data)

    @cached_property
    def states(self) -> Ints:
        """0, 65,536 or `RANGE` for each chunk."""
        return self.words[: self.chunks].astype(np.int64)

    def __len__(self) -> int:
        return self.cardinality


def ranks_of(values: Values, edges: Iterable[Bound] = ()) -> Ranks:
    """The ranks of a column.

    Args:
        values: int64 with the least int64 as missing, or float64 with NaN; shape (customers,).
        edges: where bands of the column begin, in physical values.
    """
    floats = values.dtype == np.float64
    known = values[~np.isnan(values)] if floats else values[values != np.iinfo(np.int64).min]
    ordered = np.sort(known)
    if floats:
        ordered = ordered + 0.0  # -0.0 is 0.0
    firsts = _firsts(ordered, edges)
    codes = np.zeros(_padded(len(values)), np.uint8)
    kernels_ranks.assign_codes(np.ascontiguousarray(values), firsts, codes[: len(values)])
    return Ranks(values, ordered, firsts, codes)


def stored_ranks(values: Values, ordered: Values, firsts: Values, codes: Codes) -> Ranks:
    """Ranks of *values* from parts that were stored, checked.

    Raises:
        CorruptError: they do not fit the column.
    """
    rises = bool((ordered[1:] >= ordered[:-1]).all()) and bool((firsts[1:] > firsts[:-1]).all())
    if not rises or len(firsts) > MOST_CLASSES or len(codes) != _padded(len(values)):
        raise CorruptError("ranks are out of order")
    sizes = np.zeros(len(firsts) + 1, np.int64)
    wrong = kernels_ranks.first_wrong_code(values, firsts, codes, int(values.dtype == np.float64), sizes)
    starts = np.searchsorted(ordered, firsts, "left")
    if starts.max(initial=-1) >= len(ordered) or ordered[starts].tolist() != firsts.tolist():
        raise CorruptError("a class begins with no value")
    if wrong >= 0 or np.diff(np.append(starts, len(ordered))).tolist() != sizes[1:].tolist() or not sizes[1:].all():
        raise CorruptError("a rank code is not that of its value")
    if starts[:1].any() or (len(ordered) and not len(firsts)):
        raise CorruptError("values are below the first class")
    return Ranks(values, ordered, firsts, codes)


def range_of(ranks: Ranks, low: Bound, high: Bound) -> Range:
    """The customers with a value from *low* to *high*, both included."""
    chunks = chunks_of(len(ranks.values))
    words = aligned_words(-(-chunks // LINE_WORDS) * LINE_WORDS + RANGE_WORDS)
    cardinality = ranks.count(low, high)
    if cardinality:
        kind = ranks.ordered.dtype.type
        first = int(np.searchsorted(ranks.lasts, kind(low), "left"))
        last = int(np.searchsorted(ranks.firsts, kind(high), "right")) - 1
        whole_first = first + (ranks.firsts[first] < low)
        whole_last = last - (ranks.lasts[last] > high)
        _set_directory(words[:chunks], ranks, 1 + first, 1 + last, 1 + whole_first, 1 + whole_last)
        cut = sorted({1 + each for each in (first, last) if not whole_first <= each <= whole_last})
        place = words[-RANGE_WORDS:].view(np.int64)
        place[:6] = (
            ranks.codes.ctypes.data, ranks.values.ctypes.data, ranks.values.dtype == np.float64,
            len(ranks.codes) // 64, 1 + whole_first, max(whole_last - whole_first, -1),
        )  # fmt: skip
        place[6 : 6 + len(cut)] = cut
        place[8:].view(ranks.ordered.dtype)[:] = low, high
    words.flags.writeable = False
    return Range(words, chunks, cardinality, ranks)


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


def _firsts(ordered: Values, edges: Iterable[Bound]) -> Values:
    """The least value of each class: every one there is where they are few, else edges, heavy values and quantiles."""
    if len(ordered) == 0:
        return ordered
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    if len(starts) <= MOST_CLASSES:
        return ordered[starts]
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
    firsts: Values = ordered[starts[np.unique(np.concatenate([chosen, rounded]))]]
    return firsts


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

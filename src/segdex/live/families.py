"""A family to which the values of more customers are added; see `segdex.live.growing`."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np

from segdex.forks import ForkLock
from segdex.values.column import Ints
from segdex.values.dictionaries import places_in, united
from segdex.values.family import Family, codes_of
from segdex.values.fold import patched_family


@dataclasses.dataclass(frozen=True, slots=True)
class Piece:
    """The values of the customers *first* to *end* - 1, these numbered from 0 in *family*."""

    first: int
    end: int
    family: Family


class GrowingFamily:
    """The values of one family by customer: pieces as they came, put together where they are read."""

    def __init__(self) -> None:
        self._pieces: list[Piece] = []
        self._made: Piece | None = None
        self._lock = ForkLock()

    def put(self, at: int, family: Family, count: int) -> None:
        """Write the values of *count* customers from *at* on."""
        if self._pieces and self._pieces[-1].end > at:  # of rows that never came to be seen
            self._pieces = [piece for piece in self._pieces if piece.end <= at]
            self._made = None
        self._pieces.append(Piece(at, at + count, family))

    def pieces(self, first: int, end: int) -> list[Piece]:
        """Those of the customers from *first*, where one begins, to *end*."""
        held = self._pieces
        last = len(held)
        while last and held[last - 1].first >= end:
            last -= 1
        begin = last
        while begin and held[begin - 1].first >= first:
            begin -= 1
        return [piece if piece.end <= end else _cut(piece, end) for piece in held[begin:last]]

    def family(self, count: int) -> Family:
        """The values of the first *count* customers."""
        with self._lock:
            made = self._made
            if made is None or made.end != count:
                kept = [] if made is None or made.end > count else [made]
                parts = [*kept, *self.pieces(kept[0].end if kept else 0, count)] or [_cut(self._pieces[0], 0)]
                made = Piece(0, count, _together(parts))
                # The next ones are put behind it where a piece ends there.
                ends = any(piece.end == count for piece in reversed(self._pieces))
                if ends and (self._made is None or self._made.end < count):
                    self._made = made
        return made.family


def _cut(piece: Piece, end: int) -> Piece:
    return Piece(piece.first, end, of_customers(piece.family, np.arange(end - piece.first)))


def _together(parts: Sequence[Piece]) -> Family:
    """Pieces that follow one another as one family."""
    if len(parts) == 1:
        return parts[0].family
    if _are_alike([part.family for part in parts]):
        return _chained(parts)
    made = parts[0].family
    for part in parts[1:]:
        rows = np.arange(part.end - part.first)
        made = patched_family(made, part.family, part.first + rows, rows, part.end)
    return made


def _are_alike(families: Sequence[Family]) -> bool:
    """Whether customers without a pair have the same in all of *families*, and codes mean the same."""
    first = families[0]
    return all(
        (each.rest == first.rest or (each.rest != each.rest and first.rest != first.rest))
        and each.rests is None
        and (each.among is None) == (first.among is None)
        and (each.column.dictionary is None or each.column.dictionary.equals(first.column.dictionary))
        for each in families
    )


def _chained(parts: Sequence[Piece]) -> Family:
    """The pairs of the first, and after them in each category those of the others."""
    first = parts[0].family
    same = all(part.family.categories.equals(first.categories) for part in parts[1:])
    categories = first.categories if same else united(*(part.family.categories for part in parts))
    codes = [codes_of(part.family).astype(np.int64) for part in parts[1:]]
    offsets = first.offsets
    if not same:
        codes = [
            places_in(part.family.categories, categories)[each] for part, each in zip(parts[1:], codes, strict=True)
        ]
        places = places_in(first.categories, categories)
        offsets = offsets[np.searchsorted(places, np.arange(len(categories) + 1))]
    come = np.concatenate(codes)
    order = np.argsort(come, kind="stable")  # rows ascend from part to part
    come = come[order]
    customers = np.concatenate([part.family.customers + np.uint32(part.first) for part in parts[1:]])[order]
    data = np.concatenate([part.family.column.data for part in parts[1:]])[order]
    at = offsets[come + 1] + np.arange(len(come))
    stays = np.ones(len(first.customers) + len(come), np.bool_)
    stays[at] = False
    made = []
    for held, more in ((first.customers, customers), (first.column.data, data)):
        both = np.empty(len(stays), held.dtype)
        both[stays], both[at] = held, more
        made.append(both)
    among = first.among
    if among is not None:
        among = np.concatenate([part.family.among for part in parts if part.family.among is not None])
    return dataclasses.replace(
        first,
        categories=categories,
        offsets=offsets + np.searchsorted(come, np.arange(len(categories) + 1)),
        customers=made[0],
        column=dataclasses.replace(first.column, data=made[1]),
        among=among,
    )


def of_customers(family: Family, customers: Ints) -> Family:
    """The values of some customers, each at most once, these numbered in the order given.

    A negative one is nobody, who has no pair; what else such a one has, nothing may depend on.
    """
    inside = np.flatnonzero(customers >= 0)
    codes, kept, owners = _own_pairs(family, customers[inside])
    order = np.argsort((codes << 32) | inside[owners], kind="stable")
    among = None
    if family.among is not None:
        among = np.zeros(len(customers), np.bool_)
        among[inside] = family.among[customers[inside]]
    rests = family.rests
    if rests is not None and len(rests):
        rests = rests[np.maximum(customers, 0)]
    return dataclasses.replace(
        family,
        offsets=np.searchsorted(codes[order], np.arange(len(family.categories) + 1)),
        customers=inside[owners][order].astype(np.uint32),
        column=dataclasses.replace(family.column, data=family.column.data[kept][order]),
        among=among,
        rests=rests,
    )


def _own_pairs(family: Family, customers: Ints) -> tuple[Ints, Ints, Ints]:
    """The pairs of some customers: category, place, and whose of *customers* each is. Of few not all are looked at."""
    if _FEW * len(customers) * len(family.categories) >= len(family.customers):
        to = np.full(max(int(customers.max(initial=-1)), int(family.customers.max(initial=0))) + 1, -1, np.int64)
        to[customers] = np.arange(len(customers))
        owners = to[family.customers]
        kept = np.flatnonzero(owners >= 0)
        return codes_of(family)[kept].astype(np.int64), kept, owners[kept]
    order = np.argsort(customers, kind="stable")
    wanted = customers[order].astype(np.uint32)
    found: list[tuple[Ints, Ints, Ints]] = [(np.empty(0, np.int64),) * 3]
    for code, (start, end) in enumerate(itertools.pairwise(family.offsets.tolist())):
        own = family.customers[start:end]
        at = np.minimum(np.searchsorted(own, wanted), max(len(own) - 1, 0))
        hit = np.flatnonzero(own[at] == wanted) if len(own) else np.empty(0, np.int64)
        found.append((np.full(len(hit), code, np.int64), start + at[hit], order[hit]))
    codes, kept, owners = (np.concatenate(each) for each in zip(*found, strict=True))
    return codes, kept, owners


_FEW = 16
"""To look a customer up in a category takes as long as to go past so many pairs, about."""

"""What a name's values were and are, of the customers who have others than before; and the sets that this flips."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, MutableMapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segdex.bitmap import predicate as hot
from segdex.bitmap.predicate import Predicate
from segdex.generation import MOST_LABELS, PredicateName, Values
from segdex.sets import remains
from segdex.spread import spread
from segdex.values.column import Codes, Column, Data, Ints, Mask
from segdex.values.dictionaries import fixed, recoded, trimmed
from segdex.values.family import Family


@dataclasses.dataclass(frozen=True)
class Change:
    """How the values of a name change with the clock.

    Attributes:
        ids: the customers with another value, ascending, int64.
        before, after: their values; families count the customers from 0.
        moves: whether the values of everybody else move with the clock too, known ones staying known.
        whole: whether everything may be other, and was computed anew; nothing else is told then.
    """

    ids: Ints
    before: Values | None = None
    after: Values | None = None
    moves: bool = False
    whole: bool = False

    @property
    def is_none(self) -> bool:
        """Whether nobody's value changes."""
        return not (self.moves or self.whole or len(self.ids))


NOBODY = np.empty(0, np.int64)
WHOLE = Change(NOBODY, whole=True)


def changed_columns(ids: Ints, before: Column, after: Column, moves: bool = False) -> Change:
    """The change of a column, of those customers among *ids* whose values differ in a bit.

    Where the values of all others move, one that has stayed the same is one that did not move along.
    """
    if moves:
        return Change(ids, before, after, moves)
    differ = np.flatnonzero(bits(before.data) != bits(after.data))
    return Change(ids[differ], before.take(differ), after.take(differ))


def joined(one: Change, other: Change) -> Change:
    """Two changes of a column, of different customers, as one."""
    ids = np.concatenate([one.ids, other.ids])
    order = np.argsort(ids, kind="stable")
    parts = []
    for a, b in ((one.before, other.before), (one.after, other.after)):
        assert isinstance(a, Column)
        assert isinstance(b, Column)
        parts.append(dataclasses.replace(b, data=np.concatenate([a.data, b.data])[order]))
    return Change(ids[order], parts[0], parts[1])


def bits(data: Data) -> Codes | Ints:
    """Values as integers, of floats their bits: a missing value is the same as another one."""
    return data.view(np.int64) if data.dtype == np.float64 else data  # type: ignore[return-value]


@dataclasses.dataclass(frozen=True)
class Flip:
    """The customers who enter or leave a set.

    Attributes:
        name: of the set.
        ids: who changes sides, ascending, each once.
        keeps: whether a set without members is kept.
    """

    name: PredicateName
    ids: Ints
    keeps: bool = True


def under(column: Column, held: pa.LargeStringArray) -> Column | None:
    """A column of strings with *held* as its dictionary; None where there are strings that it does not have.

    Args:
        column: of some customers.
        held: the strings that all customers had before.
    """
    if column.dictionary is held or column.dictionary is None or fixed(column):
        return column
    few = trimmed(column)
    assert few.dictionary is not None
    places = pc.index_in(few.dictionary, value_set=held)
    if places.null_count:
        return None
    table = np.append(np.asarray(places, np.int64), -1).astype(np.int32)
    return recoded(dataclasses.replace(few, dictionary=held), table)


def empties(change: Change, have: Callable[[], Ints]) -> bool:
    """Whether a string of a column goes, since nobody has it any more.

    Args:
        change: of the column, under one dictionary.
        have: gives how many customers had each string.
    """
    old, new = change.before, change.after
    if not isinstance(old, Column) or not isinstance(new, Column) or old.dictionary is None or fixed(old):
        return False
    gone, come = (counts_of(part) for part in (old, new))
    fewer = np.flatnonzero(gone > come)
    return bool(len(fewer)) and bool((have()[fewer] == (gone - come)[fewer]).any())


def counts_of(column: Column) -> Ints:
    """How many items have each string of a column."""
    assert column.dictionary is not None
    return np.bincount(column.data[column.data >= 0], minlength=len(column.dictionary))


def flips_of_column(name: str, change: Change) -> list[Flip]:
    """The sets of a column that change."""
    before, after = change.before, change.after
    assert isinstance(before, Column)
    assert isinstance(after, Column)
    flips = [Flip(PredicateName(name), change.ids[before.known != after.known])]
    if after.dictionary is not None and len(after.dictionary) <= MOST_LABELS:
        labels = after.dictionary.to_pylist()
        leave, enter = (_by_code(part.data, change.ids, len(labels)) for part in (before, after))
        flips += [
            Flip(PredicateName(name, label), np.sort(np.concatenate(both), kind="stable"))
            for label, *both in zip(labels, leave, enter, strict=True)
        ]
    return [flip for flip in flips if len(flip.ids)]


def _by_code(codes: Data, ids: Ints, count: int) -> list[Ints]:
    """The customers who have each of *count* codes, ascending; nobody changes from a code to the same one."""
    order = np.argsort(codes, kind="stable")
    ends = np.searchsorted(codes[order], np.arange(count + 1))
    return [ids[order[first:last]] for first, last in itertools.pairwise(ends)]


def flips_of_bands(name: str, change: Change) -> list[Flip] | None:
    """The sets of bands of a family that change; None where that cannot be told from these customers alone."""
    before, after = change.before, change.after
    assert isinstance(before, Family)
    assert isinstance(after, Family)
    if not (remains(before) and remains(after)):
        return None
    assert after.column.dictionary is not None
    count = len(change.ids)
    flips = [Flip(PredicateName(name), change.ids[_present(before, count) != _present(after, count)])]
    labels = after.column.dictionary.to_pylist()
    for number, category in enumerate(after.categories.to_pylist()):
        pairs = [slice(*family.offsets[number : number + 2]) for family in (before, after)]
        for code, label in enumerate(labels):
            if code != after.rest:
                have = [
                    family.customers[pair][family.column.data[pair] == code]
                    for family, pair in zip((before, after), pairs, strict=True)
                ]
                turned = np.setxor1d(have[0], have[1], assume_unique=True)
                flips.append(Flip(PredicateName(name, label, category), change.ids[turned], keeps=False))
    return [flip for flip in flips if len(flip.ids)]


def _present(family: Family, count: int) -> Mask:
    """Which of *count* customers are in the presence of bands of a family."""
    if family.rest < 0:
        present = np.zeros(count, np.bool_)
        present[family.customers] = True
        return present
    return np.ones(count, np.bool_) if family.among is None else family.among


def flip_all(predicates: MutableMapping[PredicateName, Predicate], flips: Sequence[Flip], count: int) -> None:
    """Put the sets that *flips* make in the place of those before them, some at the same time."""

    def flipped(flip: Flip) -> Predicate:
        ids = flip.ids.astype(np.uint32)
        before = predicates.get(flip.name)
        return hot.from_ids(ids, count) if before is None else hot.flipped(before, ids, count)

    for flip, members in zip(flips, spread(flipped, flips) if flips else (), strict=True):
        if flip.keeps or len(members):
            predicates[flip.name] = members
        else:
            del predicates[flip.name]

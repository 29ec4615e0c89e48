"""What is known of the rows of a delta: one after another as customers change, and as the base has these customers.

Nothing of a row is looked at twice: values are put behind those of earlier rows, and the sets of a name are made, for
the rows that came since, when a rule asks for one of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from segdex.bitmap.predicate import Predicate, Words
from segdex.derive import FEW
from segdex.events.store import Events
from segdex.forks import ForkLock
from segdex.generation import Generation, PredicateName, Values
from segdex.live.bits import Bits, chunked, set_of, words_of
from segdex.live.families import GrowingFamily, of_customers
from segdex.live.gathering import column_at, events_at
from segdex.live.growing import Growing, GrowingColumn
from segdex.live.streams import GrowingEvents
from segdex.sets import sets_of
from segdex.spread import spread
from segdex.values.column import Column, Ints, Mask
from segdex.values.family import Family

UNIVERSE = PredicateName("")
"""The set of the rows that are customers; no declared name is empty."""


class Log:
    """The rows of those who have changed, as they are since. One thread writes.

    Args:
        like: the base.
        room: there is room for so many rows at the start; see `Growing`.
    """

    def __init__(self, like: Generation, room: int = 0) -> None:
        named = {name.name for name in like.predicates} & like.values.keys()
        self._kept = {name for name in named if _has_sets(like, name)}
        self._values: dict[str, GrowingColumn | GrowingFamily] = {
            name: GrowingFamily() if like.catalog.types[name].family else GrowingColumn(room) for name in like.values
        }
        self._hidden = {name: GrowingColumn(room) for name in like.hidden}
        self._events = {name: GrowingEvents(events, room) for name, events in like.events.items()}
        self._graves = {name: GrowingEvents(graves, room) for name, graves in like.graves.items()}
        self._said: dict[PredicateName, Growing] = {}
        self._sets: dict[str, _Sets] = {}
        self._lock = ForkLock()

    def put(self, at: int, made: Generation, said: Mapping[PredicateName, Mask]) -> None:
        """Write what was derived of some customers as the rows from *at* on.

        Args:
            at: how many rows there are.
            made: values and rows of these customers.
            said: who of them is in a set that does not follow from values: the universe, segments that are tracked or
                were loaded.
        """
        for name, held in self._values.items():
            value = made.values[name]
            if isinstance(held, GrowingFamily):
                assert isinstance(value, Family)
                held.put(at, value, made.count)
            else:
                assert isinstance(value, Column)
                held.add(at, value)
        for name, hidden in self._hidden.items():
            hidden.add(at, made.hidden[name])
        spread(lambda name: self._events[name].put(at, made.events[name]), list(made.events), made.count > FEW)
        for name, graves in made.graves.items():
            self._graves[name].put(at, graves)
        for each, mask in said.items():
            self._said.setdefault(each, Growing(np.bool_)).put(at, mask)
        for name, sets in self._sets.copy().items():  # readers ask for others meanwhile
            if sets.rows > at:  # of rows that never came to be seen
                with self._lock:
                    del self._sets[name]

    # --- what is read ----------------------------------------------------------------------------------------------

    def values(self, name: str, count: int) -> Values:
        """The values of the first *count* rows."""
        held = self._values[name]
        return held.family(count) if isinstance(held, GrowingFamily) else held.column(count)

    def hidden(self, name: str, count: int) -> Column:
        """A column that no rule can name."""
        return self._hidden[name].column(count)

    def events(self, name: str, count: int) -> Events:
        """The rows of a stream."""
        return self._events[name].events(count)

    def graves(self, name: str, count: int) -> Events:
        """The rows of a stream that are no events."""
        return self._graves[name].events(count)

    def said(self, name: PredicateName, count: int) -> Mask:
        """Which of the first *count* rows are in a set that does not follow from values."""
        found: Mask = self._said[name].upto(count) if count else np.empty(0, np.bool_)
        return found

    def taken(self, name: str, rows: Ints) -> Column:
        """The values of some rows, of what is no family."""
        held = self._values[name]
        assert isinstance(held, GrowingColumn)
        return held.take(rows)

    def hidden_of(self, name: str, rows: Ints) -> Column:
        """As `taken`, of a column that no rule can name."""
        return self._hidden[name].take(rows)

    def events_of(self, name: str, rows: Ints) -> Events:
        """The rows of a stream of some customers."""
        return self._events[name].take(rows)

    def graves_of(self, name: str, rows: Ints) -> Events:
        """As `events_of`, of those that are no events."""
        return self._graves[name].take(rows)

    # --- sets ------------------------------------------------------------------------------------------------------

    # Sets grow while older versions are asked, so that they are looked at under the lock.

    def names(self, name: str, count: int) -> tuple[PredicateName, ...]:
        """The sets of a name, of the first *count* rows; none where values have to answer."""
        with self._lock:
            sets = self._filled(name, count)
            return () if sets is None else tuple(sets.bits.places)

    def words(self, name: PredicateName, count: int) -> Words | None:
        """The bits of a set of the first *count* rows, maybe with those of later ones; None: there is no such set."""
        with self._lock:
            sets = self._filled(name.name, count)
            return None if sets is None or name not in sets.bits.places else sets.bits.words(name, count)

    def answers(self, name: str, count: int) -> bool:
        """Whether sets answer the rules over a name for the first *count* rows, and not values."""
        with self._lock:
            return self._filled(name, count) is not None

    def _filled(self, name: str, count: int) -> _Sets | None:
        if name not in self._kept:
            return None
        sets = self._sets.get(name)
        if sets is None:
            sets = self._sets.setdefault(name, _Sets(name))
        if sets.rows < min(count, sets.end):
            self._fill(sets, count)
        return sets if count <= sets.end else None

    def _fill(self, sets: _Sets, count: int) -> None:
        held, inside = self._values[sets.name], self.said(UNIVERSE, count)
        if isinstance(held, GrowingFamily):
            for piece in held.pieces(sets.rows, count):
                sets.put(piece.family, inside[piece.first : piece.end])
        else:
            sets.put(held.column(count).slice(sets.rows, count), inside[sets.rows :])

    @property
    def all_said(self) -> list[PredicateName]:
        """The sets that do not follow from values."""
        return [*self._said]

    def is_said(self, name: PredicateName) -> bool:
        """Whether a set does not follow from values."""
        return name in self._said


class _Sets:
    """The sets of one name, of the first *rows* rows; from row *end* on, values have to answer."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.rows = 0
        self.end = 1 << 62
        self.bits = Bits()

    def put(self, value: Values, inside: Mask) -> None:
        """Put the next rows in."""
        held = sets_of(self.name, value, inside, len(inside))
        presence = PredicateName(self.name)
        many = isinstance(value, Column) and value.dictionary is not None and held is not None and not held.labelled
        if held is None or many:
            self.end = min(self.end, self.rows)
        else:
            names = [name for each in held.labelled for name in each.names if name is not None]
            self.bits.expect([presence, *names], self.rows + len(inside))
            self.bits.fill(held, presence, inside, self.rows)
        self.rows += len(inside)


def _has_sets(like: Generation, name: str) -> bool:
    """Whether the sets of *name* answer its rules: where labels are many, or told by category, values do."""
    kind = like.catalog.types[name]
    if kind.family:
        return kind.role == "band"
    return name not in like.dictionaries or like.labels(name) is not None


class SetsOfRows(Mapping[PredicateName, Predicate]):
    """The sets of the first *count* rows of a log, of those rows that are the latest ones of their customers.

    Args:
        log: the rows.
        of_base: the sets that the base has.
        count: how many rows there are.
        latest: the latest ones, a bit a row.
    """

    def __init__(self, log: Log, of_base: Mapping[PredicateName, Predicate], count: int, latest: Words) -> None:
        self._log, self._of_base, self._count, self._latest = log, of_base, count, latest
        self._made: dict[PredicateName, Predicate] = {}

    def __getitem__(self, name: PredicateName) -> Predicate:
        made = self._made.get(name)
        if made is None:
            made = self._made.setdefault(name, self._set(name))
        return made

    def _set(self, name: PredicateName) -> Predicate:
        if self._log.is_said(name):
            return set_of(chunked(words_of(self._log.said(name, self._count)), self._count), self._latest, self._count)
        words = self._log.words(name, self._count)
        if words is not None:
            return set_of(words, self._latest, self._count)
        if name in self._of_base and self._log.answers(name.name, self._count):
            return set_of(self._latest, np.zeros_like(self._latest), self._count)
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, PredicateName):
            return False
        if self._log.is_said(name):
            return True
        if self._log.words(name, self._count) is not None:
            return True
        return name in self._of_base and self._log.answers(name.name, self._count)

    def __iter__(self) -> Iterator[PredicateName]:
        names = [name for name in self._of_base if name in self]
        yield from names
        for each in dict.fromkeys(name.name for name in names if not self._log.is_said(name)):
            yield from (name for name in self._log.names(each, self._count) if name not in self._of_base)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def labels(self, name: str) -> list[str]:
        """The labels of a name that has sets for these."""
        return [each.label for each in self._log.names(name, self._count) if each.label is not None]


# --- as the base has them ------------------------------------------------------------------------------------------


class Before:
    """The customers of a delta as the base has them, in the order in which they first changed; found when asked for.

    Args:
        base: the base.
        ids: their dense ids.
    """

    def __init__(self, base: Generation, ids: Growing) -> None:
        self._base, self._ids = base, ids
        self._values: dict[str, tuple[int, GrowingColumn | GrowingFamily]] = {}
        self._events: dict[tuple[bool, str], tuple[int, GrowingEvents]] = {}
        self._sets: dict[PredicateName, tuple[int, Bits]] = {}
        self._asked = 0
        self._lock = ForkLock()

    def expect(self, count: int) -> None:
        """There are *count* customers, and more come: what was found of others, who were never seen, is forgotten."""
        with self._lock:
            if self._asked > count:
                self._values, self._events, self._sets, self._asked = {}, {}, {}, 0

    def _rows(self, first: int, count: int) -> Ints:
        """The rows of the base; -1: the base does not have them."""
        self._asked = max(self._asked, count)
        ids: Ints = self._ids.upto(count)[first:]
        return np.where(ids < self._base.count, ids, -1)

    def values(self, name: str, count: int) -> Values:
        """The values of the first *count* customers, missing ones of those who came since."""
        with self._lock:
            first, held = self._values.get(name, (0, None))
            whole = self._base.values[name]
            if held is None:
                held = GrowingFamily() if isinstance(whole, Family) else GrowingColumn()
            if first < count or not count:
                rows = self._rows(first, count)
                if isinstance(held, GrowingFamily):
                    assert isinstance(whole, Family)
                    held.put(first, of_customers(whole, rows), len(rows))
                else:
                    assert isinstance(whole, Column)
                    held.put(first, column_at(whole, rows))
                self._values[name] = count, held
            return held.family(count) if isinstance(held, GrowingFamily) else held.column(count)

    def events(self, name: str, count: int, graves: bool = False) -> Events:
        """The rows of a stream, or those that are no events."""
        with self._lock:
            first, held = self._events.get((graves, name), (0, None))
            whole = (self._base.graves if graves else self._base.events)[name]
            held = held or GrowingEvents(whole)
            if first < count or not count:
                held.put(first, events_at(whole, self._rows(first, count)))
                self._events[graves, name] = count, held
            return held.events(count)

    def set_of(self, name: PredicateName, count: int) -> Predicate:
        """A set of the base, of the first *count* customers."""
        with self._lock:
            first, bits = self._sets.get(name, (0, None))
            if bits is None:
                bits = Bits()
            bits.expect([name], max(count, 1))
            if first < count:
                rows = self._rows(first, count)
                known = np.flatnonzero(rows >= 0)
                known = known[np.argsort(rows[known])]  # neighbours lie close together
                held = self._base.universe if name == UNIVERSE else self._base.predicates[name]
                bits.pick(name, held, rows[known], first + known)
                self._sets[name] = count, bits
            words = chunked(bits.words(name, count), count)
        return set_of(words, words, count)


class SetsOfBefore(Mapping[PredicateName, Predicate]):
    """Some sets of the base, of the first *count* customers of a delta."""

    def __init__(self, before: Before, names: Mapping[PredicateName, Predicate], count: int) -> None:
        self._before, self._names, self._count = before, names, count
        self._made: dict[PredicateName, Predicate] = {}

    def __getitem__(self, name: PredicateName) -> Predicate:
        made = self._made.get(name)
        if made is None:
            if name not in self._names:
                raise KeyError(name)
            made = self._made.setdefault(name, self._before.set_of(name, self._count))
        return made

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[PredicateName]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

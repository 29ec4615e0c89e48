"""The rows of a delta: who has changed since the base was made, in slots, and what is known of them now.

Rows that were derived together are a *run*; a slot's row is in the latest run that has it. Two runs of about one size
are put together, so that there are few of them, however many batches came; their values are only gathered when they are
asked for. Sets are kept as bits of all slots, see `segdex.live.bits`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segdex.bitmap import predicate as hot
from segdex.events.store import Events
from segdex.generation import MOST_LABELS, Delta, Generation, PredicateName, Values
from segdex.ingest.grown import numbered
from segdex.ingest.keys import AnyKeys
from segdex.live import gathering
from segdex.live.bits import UNIVERSE, Bits, SetsOf, no_bits
from segdex.live.gathering import Places, lazily
from segdex.schema.types import ValueType
from segdex.sets import Sets, sets_of
from segdex.values.column import Column, Ints, distinct, texts
from segdex.values.family import Family
from segdex.values.fold import patched, patched_family

TRACKED = "tracked"
"""The label of the place that says who is in a tracked segment."""


@dataclasses.dataclass(frozen=True, eq=False)
class Run:
    """Rows of slots, each slot once.

    Attributes:
        slots: int64, shape (rows,).
        values: attributes, labels, metrics, bands and stages by name, one value a row.
        events: the rows of each stream, by row.
        hidden: columns that no rule can name.
        graves: of streams with ids the rows that are no events, by row.
    """

    slots: Ints
    values: Mapping[str, Values]
    events: Mapping[str, Events]
    hidden: Mapping[str, Column]
    graves: Mapping[str, Events]


class Known(NamedTuple):
    """The values of a name as of an earlier version: of the slots that there were, by the runs that there were."""

    values: Values
    runs: int
    slots: int


FEW_RUNS = 16
"""So many runs are put into known values one after another; of more, all values are gathered anew."""


@dataclasses.dataclass(frozen=True, eq=False)
class Rows:
    """Everything that is known of those who have changed.

    Attributes:
        ids: the dense id of each slot, shape (slots,).
        places: the dense ids ascending, and the slot of each.
        runs: their rows, earlier ones first.
        where: the run of each slot, and its row there.
        minus, plus: the sets as the base has them, and as they are now.
        kept: the names whose sets are kept in both; of others answers are computed from values.
        known: values that were asked for, of this version or another one of the same runs; shared by them all.
        named: what the sets of the latest version are called; shared by them all.
        known_of_base: as *known*, the values of the base for the slots.
    """

    ids: Ints
    places: tuple[Ints, Ints]
    runs: tuple[Run, ...]
    where: Places
    minus: Bits
    plus: Bits
    kept: frozenset[str]
    known: dict[str, Known] = dataclasses.field(default_factory=dict)
    known_of_base: dict[str, Known] = dataclasses.field(default_factory=dict)
    named: dict[str, Any] = dataclasses.field(default_factory=dict)

    def values(self, name: str) -> Values:
        """The values of *name*, shape (slots,)."""
        known, count = self.known.get(name), len(self.runs)
        if known is None or not 0 <= count - known.runs <= FEW_RUNS:
            found = gathering.values([run.values for run in self.runs], name, self.where)
        else:
            found, size = known.values, known.slots
            for run in self.runs[known.runs :]:
                size = max(size, int(run.slots.max(initial=-1)) + 1)
                found = patched_values(found, run.values[name], run.slots, size)
        if known is None or known.runs < count:
            self.known[name] = Known(found, count, len(self.ids))
        return found

    def of_base(self, name: str, base: Generation) -> Values:
        """The values of *name* that the base has for the slots, missing for those who came since."""
        known, count = self.known_of_base.get(name), len(self.ids)
        if known is not None and known.slots >= count and isinstance(known.values, Column):
            return known.values.slice(0, count)
        held = None if known is None or known.slots > count else known.values
        first = 0 if held is None or known is None else known.slots
        ids = self.ids[first:]
        inside = ids < base.count
        found = gathering.values((base.values,), name, Places(np.where(inside, 0, -1), np.where(inside, ids, -1)))
        if held is not None:
            sources = np.repeat(np.array([0, 1]), [first, count - first])
            places = Places(sources, np.concatenate([np.arange(first), np.arange(count - first)]))
            found = gathering.values(({name: held}, {name: found}), name, places)
        if known is None or known.slots < count:
            self.known_of_base[name] = Known(found, 0, count)
        return found

    def hidden(self, name: str) -> Column:
        """A column that no rule can name, shape (slots,)."""
        return gathering.column([run.hidden for run in self.runs], name, self.where)

    def events(self, name: str) -> Events:
        """The rows of a stream by slot."""
        return gathering.events([run.events for run in self.runs], name, self.where)

    def graves(self, name: str) -> Events:
        """The rows of a stream that are no events, by slot."""
        return gathering.events([run.graves for run in self.runs], name, self.where)

    def with_run(self, run: Run, ids: Ints, minus: Bits, plus: Bits, kept: frozenset[str]) -> Rows:
        """These and one run more, of some of them or of new slots."""
        more = np.full(len(ids) - len(self.ids), -1, np.int64)
        sources, rows = (np.concatenate([each, more]) for each in (self.where.sources, self.where.rows))
        sources[run.slots], rows[run.slots] = len(self.runs), np.arange(len(run.slots))
        held, slots = self.places
        fresh = np.arange(len(self.ids), len(ids))
        fresh = fresh[np.argsort(ids[fresh], kind="stable")]
        at = np.searchsorted(held, ids[fresh])
        places = np.insert(held, at, ids[fresh]), np.insert(slots, at, fresh)
        return Rows(
            ids,
            places,
            (*self.runs, run),
            Places(sources, rows),
            minus,
            plus,
            kept,
            self.known,
            self.known_of_base,
            self.named,
        )


def patched_values(held: Values, fresh: Values, slots: Ints, count: int) -> Values:
    """*held*, grown to *count* slots, with the values of *slots* replaced by those of *fresh*, one a row."""
    rows = np.arange(len(slots))
    if isinstance(held, Family):
        assert isinstance(fresh, Family)
        return patched_family(held, fresh, slots, rows, count)
    assert isinstance(fresh, Column)
    return patched(held, fresh, slots, rows, count)


def begun(base: Generation) -> Rows:
    """Nobody has changed."""
    kept = frozenset(name.name for name in base.predicates if _is_kept(base, name.name))
    names = [name for name in base.predicates if name.name in kept]
    bits = no_bits().grown(names, 0)
    nobody = np.empty(0, np.int64)
    return Rows(nobody, (nobody, nobody), (), Places(nobody, nobody), bits, bits, kept)


def _is_kept(base: Generation, name: str) -> bool:
    """Whether the sets of *name* answer its rules: where labels are many, or told by category, values do."""
    kind = base.catalog.types[name]
    if kind.family:
        return kind.role == "band"
    return name not in base.dictionaries or base.labels(name) is not None


# --- fewer runs ----------------------------------------------------------------------------------------------------

MANY_RUNS = 48
"""More runs are put together: each costs some microseconds for every name that is read of all slots."""
TOO_MANY_RUNS = 256
"""The next batch waits until so many are fewer."""


@dataclasses.dataclass(frozen=True, eq=False)
class Joined:
    """Some runs as one.

    Attributes:
        first, last: they were the runs from *first* to *last* - 1.
        run: the rows that were the latest among them.
    """

    first: int
    last: int
    run: Run


def joined(runs: tuple[Run, ...]) -> Joined | None:
    """The latest runs, those of about one size, as one, gathered; None where there are few."""
    if len(runs) <= MANY_RUNS:
        return None
    first, size = len(runs), 0
    while first > 0 and (size == 0 or len(runs[first - 1].slots) <= 2 * size):
        first -= 1
        size += len(runs[first].slots)
    return Joined(first, len(runs), _one(runs[first:]))


def _one(runs: tuple[Run, ...]) -> Run:
    slots = np.concatenate([run.slots for run in runs])
    sources = np.repeat(np.arange(len(runs)), [len(run.slots) for run in runs])
    rows = np.concatenate([np.arange(len(run.slots)) for run in runs])
    # Of a slot that is in several runs the latest one counts: the first one seen from the end.
    slots, last = np.unique(slots[::-1], return_index=True)
    places = Places(sources[::-1][last], rows[::-1][last])
    held, events, hidden, graves = (
        [getattr(run, part) for run in runs] for part in ("values", "events", "hidden", "graves")
    )
    return Run(
        slots,
        {name: gathering.values(held, name, places) for name in runs[0].values},
        {name: gathering.events(events, name, places) for name in runs[0].events},
        {name: gathering.column(hidden, name, places) for name in runs[0].hidden},
        {name: gathering.events(graves, name, places) for name in runs[0].graves},
    )


def with_joined(rows: Rows, made: Joined) -> Rows:
    """The same rows in fewer runs; *rows* may have more runs by now than when they were joined."""
    sources, at = rows.where.sources.copy(), rows.where.rows.copy()
    inside = np.flatnonzero((sources >= made.first) & (sources < made.last))
    at[inside] = np.searchsorted(made.run.slots, inside)
    sources[inside] = made.first
    sources[sources >= made.last] -= made.last - made.first - 1
    runs = (*rows.runs[: made.first], made.run, *rows.runs[made.last :])
    return dataclasses.replace(rows, runs=runs, where=Places(sources, at), known={})


# --- as generations ------------------------------------------------------------------------------------------------


def delta_of(rows: Rows, base: Generation, key_source: Callable[[], AnyKeys]) -> Delta:
    """The rows as what is asked: minus and plus."""
    named, count = _named(rows, base), len(rows.ids)
    of_base = Places(np.where(rows.ids < base.count, 0, -1), np.where(rows.ids < base.count, rows.ids, -1))
    families = {name: None for name, kind in base.catalog.types.items() if kind.family and kind.role == "band"}
    common = dataclasses.replace(
        base, count=count, key_source=lambda: keys_of(key_source(), rows.ids), ranks={},
        rests=lazily(families, base.rest),
    )  # fmt: skip
    minus = dataclasses.replace(
        common,
        # Those of the base: a rule may ask for them, and finds the erased in it too.
        key_source=lambda: keys_of(base.keys, of_base.rows),
        values=lazily(base.values, lambda name: rows.of_base(name, base)),
        events=lazily(base.events, lambda name: gathering.events((base.events,), name, of_base)),
        graves=lazily(base.graves, lambda name: gathering.events((base.graves,), name, of_base)),
    )
    plus = dataclasses.replace(
        common,
        values=lazily(base.values, rows.values),
        events=lazily(base.events, rows.events),
        hidden=lazily(base.hidden, rows.hidden),
        graves=lazily(base.graves, rows.graves),
    )
    return Delta(rows.ids, rows.places, _with_sets(minus, rows.minus, named), _with_sets(plus, rows.plus, named))


def keys_of(keys: AnyKeys, ids: Ints) -> AnyKeys:
    """The keys of some customers, these numbered in the order given; erased ones, and who is nowhere, -1, have none."""
    values = keys.take(np.maximum(ids, 0)) if len(keys) else pa.nulls(len(ids), pa.int64())
    if (ids < 0).any():
        values = pc.if_else(pa.array(ids >= 0), values, pa.scalar(None, values.type))
    known = np.flatnonzero(np.asarray(values.is_valid()))
    return numbered(values.drop_null(), known, len(ids))


def _with_sets(of: Generation, bits: Bits, named: _Named) -> Generation:
    """A generation whose sets are *bits*."""
    return dataclasses.replace(
        of,
        universe=bits.set_of(UNIVERSE),
        predicates=SetsOf(bits, named.sets),
        dictionaries=lazily(of.dictionaries, lambda name: _dictionary(named.labels, of.values, name)),
    )


class _Named(NamedTuple):
    """What the sets of a delta are called: those of the names that are kept, where labels are not too many."""

    labels: dict[str, Column]
    sets: dict[PredicateName, None]


def _named(rows: Rows, base: Generation) -> _Named:
    """The same as in the version before where no set has come or gone."""
    key = (rows.plus.places, rows.minus.places, rows.kept)
    before = rows.named.get("last")
    if before is not None and all(one is other for one, other in zip(before[0], key, strict=True)):
        known: _Named = before[1]
        return known
    labels, coded = _labels(rows, base), base.dictionaries
    sets = {
        name: None
        for name in rows.plus.places
        if name.name in rows.kept and name.label != TRACKED and (name.name not in coded or name.name in labels)
    }
    made = _Named(labels, sets)
    rows.named["last"] = key, made
    return made


def _dictionary(labels: Mapping[str, Column], values: Mapping[str, Values], name: str) -> Column:
    if name in labels:
        return labels[name]
    held = values[name]
    column = held.column if isinstance(held, Family) else held
    assert column.dictionary is not None
    return distinct(column)


def _labels(rows: Rows, base: Generation) -> dict[str, Column]:
    """The labels of each coded name whose sets are kept, those that came since among them."""
    more: dict[str, set[str]] = {}
    for name, label, category in rows.plus.places:
        if category is None and label is not None and label != TRACKED:
            more.setdefault(name, set()).add(label)
    found = {}
    for name in base.dictionaries:
        if name not in rows.kept:
            continue
        held = base.dictionaries[name]
        kind: ValueType = held.type
        assert held.dictionary is not None
        extra = more.get(name, set()) - set(held.dictionary.to_pylist())
        if not extra or kind.family or kind.role in ("band", "stage"):
            found[name] = held
        elif len(held) + len(extra) <= MOST_LABELS:
            strings: pa.LargeStringArray = texts(sorted({*held.dictionary.to_pylist(), *extra}, key=str.encode))
            found[name] = Column(kind, np.arange(len(strings), dtype=np.int32), strings)
    return found


def kept_sets(fresh: Generation, kept: frozenset[str]) -> dict[str, Sets]:
    """The sets of the names of *fresh* whose sets are *kept*, as far as all their labels may have one."""
    inside = None if fresh.all_inside else hot.to_mask(fresh.universe, fresh.count)
    found = {name: sets_of(name, fresh.values[name], inside, fresh.count) for name in fresh.values if name in kept}
    return {name: held for name, held in found.items() if held is not None and _has_all(fresh, name, held)}


def _has_all(fresh: Generation, name: str, held: Sets) -> bool:
    return bool(held.labelled) or name not in fresh.dictionaries or fresh.catalog.types[name].family

"""A life of an index, action after action, and a naive model of it.

Action number *n* is always the same one, so that whoever knows how many were done knows everything: `Model` does them
in plain Python, `act` does them to an index. `told` is what an index says, `Model.told` what it must say.
"""

from __future__ import annotations

import copy
import datetime as dt
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

import segdex

START = dt.datetime(2026, 6, 1, 12, tzinfo=dt.UTC)
COUNTRIES = ("IN", "US", "AE", None)
PEOPLE = 24
"""Customers whom the index begins with; as many more come later."""

SCHEMA: dict[str, Any] = {
    "timezone": "UTC",
    "customers": {"key": "id", "attributes": {"country": "category", "note": "text", "tags": "tags"}},
    "streams": {
        "orders": {
            "key": "id", "time": "at", "unit": "basket",
            "fields": {"amount": {"type": "number", "scale": 2}, "shop": "category", "line": "id"},
        }
    },
    "metrics": {
        "orders_10d": {"kind": "count", "stream": "orders", "window": "10d"},
        "spend": {"kind": "sum", "stream": "orders", "field": "amount"},
        "since": {"kind": "days_since", "stream": "orders"},
        "share": {"kind": "share", "stream": "orders", "by": "shop"},
    },
    "bands": {"recency": {"metric": "since", "edges": [5, 20], "labels": ["hot", "warm", "cold"]}},
    "stages": {
        "life": [{"name": "lead", "where": "spend = 0"}, {"name": "fresh", "where": "recency = 'hot'"},
                 {"name": "rest", "where": "everyone"}]
    },
    "segments": {
        "indians": {"where": "country = 'IN'", "tracked": True},
        "regular": {"where": "orders_10d > 1", "tracked": True},
        "hot": {"where": "recency = 'hot' and spend > 20", "tracked": True},
    },
}  # fmt: skip


def key_of(number: int) -> str:
    """The key of a customer: a text that is nowhere else."""
    return f"person-{number:03}-secret"


def tie_of(key: str, at: int) -> str:
    """The label of customer number *at* that is loaded."""
    return "close" if at % 3 else f"tie-of-{key}"


@dataclass(frozen=True)
class Row:
    """One order."""

    key: str
    at: dt.datetime
    basket: str
    cents: int
    shop: str

    @property
    def line(self) -> str:
        """A field that tells of one customer alone."""
        return f"line-of-{self.key}"


@dataclass
class Model:
    """What the index must say: plain Python over plain rows.

    Attributes:
        done: how many actions were done.
        people: country, tags and the number of the note by key.
        rows: all orders.
        defined: rules that were defined, by name: what they say of a customer.
        begun: for each tracked segment, its members each time that it was declared, erased customers left out.
        vips: the segment that was loaded; ties: the label; None: not there.
        alias: the key that each key means which was merged into another.
    """

    done: int = 0
    clock: dt.datetime = START
    people: dict[str, tuple[str | None, tuple[str, ...], int]] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    offsets: dict[str, int] = field(default_factory=dict)
    erased: set[str] = field(default_factory=set)
    big: str | None = None
    big_over: int = 0
    begun: dict[str, list[set[str]]] = field(default_factory=dict)
    vips: set[str] | None = None
    ties: dict[str, str] | None = None
    alias: dict[str, str] = field(default_factory=dict)

    # --- customers ---

    def meant(self, key: str) -> str:
        """The key of the customer whom a key means."""
        return self.alias.get(key, key)

    def group(self, key: str) -> set[str]:
        """All keys of the customer whom a key means."""
        return {key, self.meant(key)} | {each for each, means in self.alias.items() if means == self.meant(key)}

    def orders(self, key: str, days: int | None = None) -> int:
        """Transactions of a customer in so many last days."""
        first: dict[str, dt.datetime] = {}
        for row in self.rows:
            if self.meant(row.key) == key and row.at <= self.clock:
                first[row.basket] = min(row.at, first.get(row.basket, row.at))
        return sum(1 for at in first.values() if days is None or at > self.clock - dt.timedelta(days=days))

    def spend(self, key: str) -> int:
        """Cents."""
        return sum(row.cents for row in self.rows if self.meant(row.key) == key and row.at <= self.clock)

    def recency(self, key: str) -> str | None:
        """The band of days since the latest transaction began."""
        first: dict[str, dt.datetime] = {}
        for row in self.rows:
            if self.meant(row.key) == key and row.at <= self.clock:
                first[row.basket] = min(row.at, first.get(row.basket, row.at))
        if not first:
            return None
        days = (self.clock - max(first.values())) / dt.timedelta(days=1)
        return "hot" if days < 5 else "warm" if days < 20 else "cold"

    def members(self, name: str) -> set[str]:
        """Who is in a segment."""
        has = {
            "indians": lambda key: self.people[key][0] == "IN",
            "regular": lambda key: self.orders(key, 10) > 1,
            "hot": lambda key: self.recency(key) == "hot" and self.spend(key) > 2000,
        }
        if name == self.big:
            return {key for key in self.people if self.spend(key) > 100 * self.big_over}
        return {key for key in self.people if has[name](key)}

    def expected(self) -> dict[str, int]:
        """Counts by rule."""
        people = self.people
        found = {
            "everyone": len(people),
            "country = 'IN'": sum(country == "IN" for country, _, _ in people.values()),
            "country is missing": sum(country is None for country, _, _ in people.values()),
            "tags has any ('b', 'x')": sum(bool({"b", "x"} & set(tags)) for _, tags, _ in people.values()),
            "orders_10d > 1": sum(self.orders(key, 10) > 1 for key in people),
            "spend > 50.5": sum(self.spend(key) > 5050 for key in people),
            "recency = 'warm'": sum(self.recency(key) == "warm" for key in people),
            "life = 'lead'": sum(self.spend(key) == 0 for key in people),
            "segment 'indians' and not segment 'hot'": len(self.members("indians") - self.members("hot")),
            "segment 'indians' or segment 'hot'": len(self.members("indians") | self.members("hot")),
            "count(orders, 3d) >= 1": sum(self.orders(key, 3) >= 1 for key in people),
            "note ends with '7'": sum(note % 10 == 7 for _, _, note in people.values()),
        }
        if self.big is not None:
            found[f"segment '{self.big}'"] = len(self.members(self.big))
        if self.vips is not None:
            found["segment 'vips'"] = len(self.vips)
        if self.ties is not None:
            found["ties = 'close'"] = sum(tie == "close" for tie in self.ties.values())
        return found

    def tracked(self) -> dict[str, list[str]]:
        """The members of every tracked segment."""
        names = ["indians", "regular", "hot", *([] if self.big is None else [self.big])]
        return {name: sorted(self.members(name)) for name in names}

    def told(self) -> Told:
        """What an index must say."""
        return Told(self.clock, dict(self.offsets), self.expected(), self.tracked())

    # --- actions ---

    def act(self, action: Action) -> None:
        """Do one action."""
        getattr(self, f"_{action.kind}")(action)
        self.done += 1

    def _apply(self, action: Action) -> None:
        if action.to is not None:
            self.clock = action.to
        for key, held in action.people.items():
            if key not in self.erased:
                self.people[self.meant(key)] = held
        for row in action.rows:
            if row.key not in self.erased:
                self.people.setdefault(self.meant(row.key), (None, (), -1))
                self.rows.append(row)
        self.offsets["shop"] = action.number

    def _advance(self, action: Action) -> None:
        assert action.to is not None
        self.clock = action.to

    def _define(self, action: Action) -> None:
        self.big, self.big_over = action.name, action.over
        self.begun.setdefault(action.name, []).append(self.members(action.name))

    def _rename(self, action: Action) -> None:
        was, self.big = self.big, action.name
        assert was is not None
        self.begun.setdefault(action.name, []).append(self.members(action.name))

    def _drop(self, _action: Action) -> None:
        self.big = None

    def _load(self, action: Action) -> None:
        if action.name == "vips":
            self.vips = set(map(self.meant, action.keys)) & set(self.people)
        else:
            keys = map(self.meant, action.keys)
            self.ties = {key: "close" if at % 3 else "loose" for at, key in enumerate(keys) if key in self.people}

    def merges(self, action: Action) -> bool:
        """Whether a merge is allowed."""
        keep, *drop = action.keys
        return self.meant(keep) in self.people and not set(drop) & self.erased

    def _merge(self, action: Action) -> None:
        if not self.merges(action):
            return
        keep = self.meant(action.keys[0])
        drop = [key for key in dict.fromkeys(map(self.meant, action.keys[1:])) if key != keep]
        self.alias = {key: keep if means in drop else means for key, means in self.alias.items()}
        self.alias |= dict.fromkeys(drop, keep)
        held = [self.people[key] for key in (keep, *drop) if key in self.people]
        self.people = {key: each for key, each in self.people.items() if key not in drop}
        self.people[keep] = (
            next((country for country, _, _ in held if country is not None), None),
            next((tags for _, tags, _ in held if tags), ()),
            next((note for _, _, note in held if note >= 0), -1),
        )
        if self.vips is not None:
            self.vips = {keep if key in drop else key for key in self.vips}
        if self.ties is not None:
            tie = next((self.ties[key] for key in (keep, *drop) if key in self.ties), None)
            self.ties = {key: each for key, each in self.ties.items() if key not in drop}
            if tie is not None:
                self.ties[keep] = tie

    def _erase(self, action: Action) -> None:
        known = [key for key in action.keys if self.meant(key) in self.people]
        gone = set(action.keys).union(*map(self.group, known))
        self.erased |= gone
        self.alias = {key: means for key, means in self.alias.items() if key not in gone}
        self.people = {key: held for key, held in self.people.items() if key not in gone}
        self.rows = [row for row in self.rows if row.key not in gone]
        self.vips = None if self.vips is None else self.vips - gone
        self.ties = None if self.ties is None else {key: tie for key, tie in self.ties.items() if key not in gone}
        self.begun = {name: [held - gone for held in each] for name, each in self.begun.items()}

    def _readmit(self, action: Action) -> None:
        self.erased -= set(action.keys)

    def _save(self, _action: Action) -> None:
        pass

    _compact = _save


@dataclass(frozen=True)
class Told:
    """What an index says of itself.

    Attributes:
        counts: by rule.
        tracked: the keys in each tracked segment.
    """

    clock: dt.datetime
    offsets: dict[str, int]
    counts: dict[str, int]
    tracked: dict[str, list[str]]


@dataclass(frozen=True)
class Action:
    """Something that is done to an index; only what its kind needs is there."""

    number: int
    kind: str
    name: str = ""
    over: int = 0
    to: dt.datetime | None = None
    keys: tuple[str, ...] = ()
    people: dict[str, tuple[str | None, tuple[str, ...], int]] = field(default_factory=dict)
    rows: tuple[Row, ...] = ()


KINDS = (
    *("apply",) * 5, "define", "apply", "advance", "merge", "apply", "load", "save", "apply", "apply", "tie", "apply",
    "erase", "apply", "advance", "compact", "apply", "rename", "merge", "apply", "readmit", "apply", "apply", "save",
    "drop", "apply",
)  # fmt: skip
"""What is done, again and again."""


def action(number: int, clock: dt.datetime) -> Action:
    """Action *number* (from 1) of a life whose clock is at *clock*."""
    chance = random.Random(number)
    kind = KINDS[(number - 1) % len(KINDS)]
    turn = (number - 1) // len(KINDS)
    later = clock + dt.timedelta(hours=chance.choice((1, 12, 24, 60)))
    some = tuple(key_of(each) for each in chance.sample(range(2 * PEOPLE), 8))
    match kind:
        case "apply":
            return _batch(number, clock, chance, later if chance.random() < 0.3 else None)
        case "advance":
            return Action(number, kind, to=later)
        case "define":
            return Action(number, kind, name=f"big_{turn}", over=chance.randrange(10, 90))
        case "rename":
            return Action(number, kind, name=f"large_{turn}")
        case "load":
            return Action(number, "load", name="vips", keys=some)
        case "tie":
            return Action(number, "load", name="ties", keys=some)
        case "merge":
            return Action(number, kind, keys=some[:3])
        case "erase" | "readmit":  # those who were erased a turn before come again
            before = turn - (kind == "readmit")
            return Action(number, kind, keys=tuple(key_of((5 * before + at) % (2 * PEOPLE)) for at in range(2)))
    return Action(number, kind)


def _batch(number: int, clock: dt.datetime, chance: random.Random, to: dt.datetime | None) -> Action:
    def row(at: int) -> Row:
        key = key_of(chance.randrange(2 * PEOPLE))
        time = clock + dt.timedelta(hours=chance.choice((-300, -240, -100, -24, -1, 0, 20, 60)))
        shop = chance.choice(("x", "y", "z", "x", "y", "z", f"shop-of-{key}"))
        return Row(key, time, f"{key} {number} {at % 3}", chance.randrange(1, 6000), shop)

    chosen = [key_of(each) for each in chance.sample(range(2 * PEOPLE), chance.randrange(3))]
    people = {
        key: (chance.choice(COUNTRIES), (chance.choice("abx"), f"tag-of-{key}"), chance.randrange(100))
        for key in chosen
    }
    return Action(number, "apply", to=to, people=people, rows=tuple(row(at) for at in range(chance.randrange(6))))


# --- an index ------------------------------------------------------------------------------------------------------


def customers(people: dict[str, tuple[str | None, tuple[str, ...], int]]) -> pa.Table:
    """Customers as a table."""
    held = list(people.values())
    notes = [None if note < 0 else f"note-of-{key}-{note}" for key, (_, _, note) in people.items()]
    return pa.table(
        {
            "id": pa.array(list(people), pa.string()),
            "country": pa.array([country for country, _, _ in held], pa.string()),
            "tags": pa.array([list(tags) for _, tags, _ in held], pa.list_(pa.string())),
            "note": pa.array(notes, pa.string()),
        }
    )


def orders(rows: tuple[Row, ...]) -> pa.Table:
    """Orders as a table."""
    return pa.table(
        {
            "id": pa.array([row.key for row in rows], pa.string()),
            "at": pa.array([row.at for row in rows], pa.timestamp("us", "UTC")),
            "basket": pa.array([row.basket for row in rows], pa.string()),
            "amount": pa.array([row.cents / 100 for row in rows], pa.float64()),
            "shop": pa.array([row.shop for row in rows], pa.string()),
            "line": pa.array([row.line for row in rows], pa.string()),
        }
    )


def begun() -> Model:
    """The model before the first action."""
    chance = random.Random(0)
    model = Model()
    for number in range(PEOPLE):
        model.people[key_of(number)] = (chance.choice(COUNTRIES), ("a",), chance.randrange(100))
        if number % 2:
            at = START - dt.timedelta(hours=chance.choice((0, 1, 100, 240, 241, 2000)))
            model.rows.append(Row(key_of(number), at, f"{number}", chance.randrange(1, 6000), "x"))
    model.begun = {name: [model.members(name)] for name in SCHEMA["segments"]}
    return model


def build(folder: Path | None = None) -> segdex.Index:
    """The index before the first action."""
    model = begun()
    tables = {"customers": customers(model.people), "orders": orders(tuple(model.rows))}
    return segdex.build(SCHEMA, as_of=START, sources=tables, out=folder)


def act(index: segdex.Index, what: Action, model: Model) -> None:
    """Do one action to an index that stands where *model* does."""
    match what.kind:
        case "apply":
            tables = {"customers": customers(what.people), "orders": orders(what.rows)}
            index.apply(tables, source="shop", offset=what.number, as_of=what.to)
        case "advance":
            assert what.to is not None
            index.advance(what.to)
        case "define":
            index.define(what.name, f"spend > {what.over}", tracked=True)
        case "rename":
            assert model.big is not None
            index.rename(model.big, what.name)
        case "drop":
            assert model.big is not None
            index.drop(model.big)
        case "load" if what.name == "vips":
            index.load("vips", list(what.keys))
        case "load":
            labels = [tie_of(key, at) for at, key in enumerate(what.keys)]
            index.load("ties", pa.table({"key": list(what.keys), "label": labels}))
        case "merge":
            if model.merges(what):
                index.merge(what.keys[0], list(what.keys[1:]))
        case "erase":
            index.erase(list(what.keys))
        case "readmit":
            index.readmit(list(what.keys))
        case "compact":
            index.compact()
        case "save":
            index.save(index._folder)  # type: ignore[arg-type]


def told(index: segdex.Index, model: Model) -> Told:
    """What an index says to the questions that *model* answers; names that it does not have yet are left out."""
    with index.view() as view:
        known = [rule for rule in model.expected() if view.check(rule).valid]
        counts = dict(zip(known, view.counts(known), strict=True))
        schema = view.schema.segments
        tracked = {
            name: sorted(view.members(f"segment '{name}'").read_all()["id"].to_pylist())
            for name in schema
            if schema[name].tracked
        }
        return Told(view.as_of, dict(index.offsets), counts, tracked)


def replayed(index: segdex.Index, model: Model) -> dict[str, list[str]]:
    """The members of every tracked segment of *model* by the feed alone, from the first generation on."""
    held = {name: set(each[0]) for name, each in model.begun.items()}
    declared = dict.fromkeys(model.begun, 0)
    for changes in index.changes(1):
        for name in held.keys() & set(changes.redefined):
            held[name] = set(model.begun[name][declared[name]])
            declared[name] += 1
        for name, members in held.items():
            entered, left = (
                set(side[name].to_pylist() if name in side else ()) for side in (changes.entered, changes.left)
            )
            assert not entered & members, f"{name}: entered twice"
            assert left <= members, f"{name}: left and were not in"
            held[name] = (members | entered) - left
    return {name: sorted(held[name]) for name in model.tracked()}


def copied(model: Model) -> Model:
    """A model of its own."""
    return copy.deepcopy(model)

"""What an index must say, kept naively: the rows that were accepted, and what was declared, in Python's own words.

Keys are texts here, whatever they are in tables. Only attributes depend on the order of batches, so only these are
written over; rows are a bag.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from tests.language import cases
from tests.metrics import worlds
from tests.oracle.metrics import Row

PARTS = ("metrics", "bands", "stages", "segments")
DEPARTMENT_OF = {"p1": "garden", "é": "toys", "p9": "new"}
"""The lookup that departments come through in some worlds."""
VERSION = "v"


@dataclasses.dataclass
class Person:
    """A row of the table of customers: the attributes that it has a column for, and its version."""

    key: str
    values: dict[str, Any]
    version: int | None = None


@dataclasses.dataclass
class Model:
    """All that was accepted.

    Attributes:
        schema: what is declared, but for what was defined or loaded at run time.
        originals: what each metric is called in `worlds.METRICS`, for those that are there.
        as_of: the clock.
        rows: those of each stream, by text of key.
        people: who has a row in the table of customers.
        versions: of these.
        erased: whose rows are dropped.
        loaded: the segments that were loaded.
        labels: by label and key the label and its score.
        defined: the segments that were defined.
        offsets: by source.
        alias: the key that each key means which was merged into another.
    """

    schema: dict[str, Any]
    originals: dict[str, str]
    as_of: dt.datetime
    rows: dict[str, list[Row]]
    people: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    versions: dict[str, int | None] = dataclasses.field(default_factory=dict)
    erased: set[str] = dataclasses.field(default_factory=set)
    loaded: dict[str, set[str]] = dataclasses.field(default_factory=dict)
    labels: dict[str, dict[str, tuple[str, float | None]]] = dataclasses.field(default_factory=dict)
    defined: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    offsets: dict[str, int] = dataclasses.field(default_factory=dict)
    alias: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def only(self) -> bool:
        return bool(self.schema["customers"].get("only"))

    @property
    def versioned(self) -> bool:
        return "version" in self.schema["customers"]

    @property
    def universe(self) -> list[str]:
        """The keys of all customers, in the order of texts."""
        found = set(self.people)
        if not self.only:
            found |= {str(row.customer) for held in self.rows.values() for row in held}
        return sorted(found)

    @property
    def segments(self) -> dict[str, dict[str, Any]]:
        """All segments that have a rule."""
        return {**self.schema["segments"], **self.defined}

    @property
    def tracked(self) -> list[str]:
        return [name for name, held in self.segments.items() if held.get("tracked")]

    # --- batches ---------------------------------------------------------------------------------------------------

    def take(self, people: Sequence[Person], rows: Mapping[str, Sequence[Row]]) -> int:
        """Accept good rows; returns how many are those of erased customers."""
        dropped = sum(each.key in self.erased for each in people)
        last: dict[str, Person] = {}
        for each in people:
            if each.key in self.erased:
                continue
            key = self.meant(each.key)
            before = last.get(key)
            if before is None or not self.versioned or _rank(each.version) >= _rank(before.version):
                last[key] = each
        for key, each in last.items():
            if key in self.people and self.versioned and _rank(each.version) < _rank(self.versions[key]):
                continue
            self.people.setdefault(key, dict.fromkeys(cases.ATTRIBUTES)).update(each.values)
            self.versions[key] = each.version
        for stream, held in rows.items():
            dropped += sum(row.customer in self.erased for row in held)
            self.rows[stream] += [self._owned(row) for row in held if row.customer not in self.erased]
        return dropped

    def _owned(self, row: Row) -> Row:
        return dataclasses.replace(row, customer=self.meant(row.customer))  # type: ignore[arg-type]

    # --- keys ------------------------------------------------------------------------------------------------------

    def meant(self, key: str) -> str:
        """The key of the customer whom a key means."""
        return self.alias.get(key, key)

    def group(self, key: str) -> set[str]:
        """All keys of the customer whom a key means."""
        means = self.meant(key)
        return {key, means} | {each for each, other in self.alias.items() if other == means}

    def merge(self, keep: str, drop: Sequence[str]) -> int | None:
        """Make customers one; returns how many there are less, None where nothing changes.

        Raises:
            ValueError: they cannot be.
        """
        keep, known = self.meant(keep), set(self.universe)
        if keep not in known or self.erased & set(drop):
            raise ValueError
        gone = [key for key in dict.fromkeys(map(self.meant, drop)) if key != keep]
        if not gone:
            return None
        self.alias = {key: keep if means in gone else means for key, means in self.alias.items()}
        self.alias |= dict.fromkeys(gone, keep)
        self.rows = {name: [self._owned(row) for row in held] for name, held in self.rows.items()}
        together = [self.people[key] for key in (keep, *gone) if key in self.people]
        if together:
            versions = [self.versions[key] for key in (keep, *gone) if key in self.people]
            for key in {*gone} & self.people.keys():
                del self.people[key], self.versions[key]
            self.people[keep] = {
                name: next((held[name] for held in together if held[name] is not None), None)
                for name in cases.ATTRIBUTES
            }
            self.versions[keep] = max(versions, key=_rank)
        for labels in self.labels.values():
            held = [labels.pop(key) for key in (keep, *gone) if key in labels]
            if held:
                labels[keep] = held[0]
        self.loaded = {name: set(map(self.meant, members)) for name, members in self.loaded.items()}
        return len(known & {*gone})

    def erase(self, keys: Iterable[str]) -> int:
        """Forget; returns how many of them were customers."""
        gone, known = set(keys), set(self.universe)
        found = len(known & set(map(self.meant, gone)))
        gone = gone.union(*(self.group(key) for key in gone if self.is_somebody(key)))
        self.erased |= gone
        self.alias = {key: means for key, means in self.alias.items() if key not in gone}
        self.rows = {name: [row for row in held if row.customer not in gone] for name, held in self.rows.items()}
        for held in (self.people, self.versions, *self.labels.values()):
            for key in gone & held.keys():
                del held[key]
        self.loaded = {name: members - gone for name, members in self.loaded.items()}
        return found

    def is_somebody(self, key: str) -> bool:
        """Whether there is anything of whom a key means, of a customer or of one who is none yet."""
        means = self.meant(key)
        return means in self.people or any(str(row.customer) == means for held in self.rows.values() for row in held)

    # --- names -----------------------------------------------------------------------------------------------------

    def names(self) -> list[str]:
        """What may be renamed and dropped."""
        own = [name for part in PARTS for name in self.schema[part]]
        return [*own, *self.defined, *self.loaded]

    def users(self, name: str) -> list[str]:
        """The names whose declaration says *name*."""
        held = {each: said for part in PARTS for each, said in self.schema[part].items()} | self.defined
        order = self.schema["customers"].get("order", ())
        found = [each for each, said in held.items() if any(_says(text, name) for text in _texts(said))]
        return found + ["order"] * (name in order)

    def drop(self, name: str) -> None:
        for held in (*(self.schema[part] for part in PARTS), self.defined, self.loaded, self.originals):
            held.pop(name, None)

    def rename(self, was: str, name: str) -> None:
        for part in PARTS:
            self.schema[part] = _renamed(self.schema[part], was, name)
        customers = self.schema["customers"]
        if "order" in customers:
            customers["order"] = [name if each == was else each for each in customers["order"]]
        self.defined = _renamed(self.defined, was, name)
        self.loaded = {name if each == was else each: held for each, held in self.loaded.items()}
        self.originals = {name if each == was else each: held for each, held in self.originals.items()}

    # --- as tables ---------------------------------------------------------------------------------------------------

    def sources(self) -> dict[str, pa.Table]:
        """The tables of which an index is built that holds all this."""
        people = [Person(key, held, self.versions[key]) for key, held in self.people.items()]
        found = {"customers": people_table(people, list(cases.ATTRIBUTES), self.versioned)}
        found |= {name: stream_table(name, held, self.schema) for name, held in self.rows.items()}
        if "lookups" in self.schema:
            found["products"] = pa.table(
                {"sku": list(DEPARTMENT_OF), "department": [DEPARTMENT_OF[sku] for sku in DEPARTMENT_OF]}
            )
        found["panel"] = label_table(self.labels["panel"])
        return found


def _rank(version: int | None) -> float:
    return -1.0 if version is None else float(version)


def _texts(said: Any) -> Iterable[str]:
    if isinstance(said, str):
        yield said
    elif isinstance(said, Mapping):
        for each in said.values():
            yield from _texts(each)
    elif isinstance(said, Sequence):
        for each in said:
            yield from _texts(each)


def _says(text: str, name: str) -> bool:
    return re.search(rf"\b{re.escape(name)}\b", text) is not None


def _renamed(part: Mapping[str, Any], was: str, name: str) -> dict[str, Any]:
    """Names of this world are words that stand for nothing else."""

    def rewritten(said: Any) -> Any:
        if isinstance(said, str):
            return re.sub(rf"\b{re.escape(was)}\b", name, said)
        if isinstance(said, Mapping):
            return {each: rewritten(held) for each, held in said.items()}
        return [rewritten(each) for each in said] if isinstance(said, list) else said

    return {name if each == was else each: rewritten(said) for each, said in part.items()}


# --- tables ----------------------------------------------------------------------------------------------------------


def key_array(keys: Sequence[str | None]) -> pa.Array:
    """Keys as whole numbers where all are."""
    if all(key is None or re.fullmatch(r"-?(0|[1-9]\d*)", key) for key in keys):
        return pa.array([None if key is None else int(key) for key in keys], pa.int64())
    return pa.array(keys, pa.string())


def people_table(people: Sequence[Person], names: Sequence[str], versioned: bool, text: bool = False) -> pa.Table:
    """A table of customers with the columns of the attributes *names*."""
    keys = [each.key for each in people]
    columns: dict[str, pa.Array] = {"id": pa.array(keys, pa.string()) if text else key_array(keys)}
    for name in names:
        held = [each.values.get(name) for each in people]
        if name == "home":
            columns["lat"] = pa.array([None if at is None else at[0] for at in held], pa.float64())
            columns["lon"] = pa.array([None if at is None else at[1] for at in held], pa.float64())
        else:
            columns[name] = pa.array(held, cases.TYPES[name])
    if versioned:
        columns[VERSION] = pa.array([each.version for each in people], pa.int64())
    return pa.table(columns)


def stream_table(stream: str, held: Sequence[Row], schema: Mapping[str, Any], text: bool = False) -> pa.Table:
    """A table of the rows of a stream."""
    timed, unit = worlds.STREAMS[stream]
    keys = [row.customer for row in held]
    columns: dict[str, pa.Array] = {"id": pa.array(keys, pa.string()) if text else key_array(keys)}  # type: ignore[arg-type]
    if timed:
        columns["at"] = pa.array([row.time for row in held], pa.timestamp("us", "UTC"))
    if unit:
        columns["basket"] = pa.array([row.unit for row in held], pa.string())
    kinds = cases.FIELD_TYPES | {"amount": pa.decimal128(13, 3)}  # room for a decimal too many
    for name, kind in kinds.items():
        if "lookup" not in schema["streams"][stream]["fields"][name]:
            columns[name] = pa.array([row.fields[name] for row in held], kind)
    return pa.table(columns)


def label_table(
    held: Mapping[str, tuple[str | None, float | None]], names: Sequence[str] = ("id", "cluster", "p")
) -> pa.Table:
    """A table of key, label and score."""
    labels = [label for label, _ in held.values()]
    scores = [score for _, score in held.values()]
    columns = [key_array(list(held)), pa.array(labels, pa.string()), pa.array(scores, pa.float64())]
    return pa.table(dict(zip(names, columns, strict=True)))

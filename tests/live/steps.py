"""One step in the life of an index and of its model: whatever may be asked of a writer, drawn at random."""

from __future__ import annotations

import copy
import dataclasses
import datetime as dt
import random
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

import segdex
from segdex.live.changes import Changes
from tests.language import cases
from tests.live import worlds
from tests.live.model import PARTS, Person, label_table, people_table, stream_table
from tests.metrics import worlds as metric_worlds
from tests.oracle.metrics import Row

if TYPE_CHECKING:
    from tests.live.lives import Life

NAMES = ("red", "green", "blue", "grey")
"""What is defined at run time, and what names are changed to."""


# --- batches -----------------------------------------------------------------------------------------------------


def apply(life: Life, chance: random.Random) -> Changes:
    """A batch of any mix of tables, now and then with bad rows, a new clock, a source or as a replay."""
    model, index = life.model, life.index
    people, rows, names = batch(life, chance)
    tables, bad = tables_of(life, chance, people, rows, names)
    options: dict[str, Any] = {}
    if chance.random() < 0.4:
        source = chance.choice(["s1", "s2"])
        last = model.offsets.get(source, -1)
        options = {"source": source, "offset": last + chance.choice([1, 5])}
        if last >= 0 and chance.random() < 0.3:
            again = index.apply(tables, source=source, offset=chance.randint(0, last), as_of=None)
            assert again.replayed
            assert again.generation == index.generation
    as_of = later(life, chance) if chance.random() < 0.25 else None
    if bad:
        before = index.generation
        with pytest.raises(segdex.SourceError):
            index.apply(tables, as_of=as_of, **options)
        assert index.generation == before
        options["on_error"] = "skip"
    changes = index.apply(tables, as_of=as_of, **options)
    assert not changes.replayed
    assert changes.rejected is not None
    assert changes.rejected.num_rows == bad
    if "source" in options:
        model.offsets[options["source"]] = options["offset"]
    if as_of is not None:
        model.as_of = as_of
    assert changes.dropped == model.take(people, rows)
    return changes


def batch(life: Life, chance: random.Random) -> tuple[list[Person], dict[str, list[Row]], list[str]]:
    """Good rows, and the attributes that the table of customers has columns for."""
    model = life.model
    keys = chance.sample(life.keys, chance.randint(1, len(life.keys)))
    names = (
        [name for name in cases.ATTRIBUTES if chance.random() < 0.6] if chance.random() < 0.7 else [*cases.ATTRIBUTES]
    )
    people = worlds.people_of(chance, keys, names, 5, model.versioned) if chance.random() < 0.6 else []
    streams = chance.sample(sorted(metric_worlds.STREAMS), chance.choice([0, 1, 1, 2, 5]))
    return people, {name: worlds.rows_of(chance, name, keys, chance.randrange(6), model) for name in streams}, names


def tables_of(
    life: Life, chance: random.Random, people: list[Person], rows: Mapping[str, list[Row]], names: list[str]
) -> tuple[dict[str, pa.Table], int]:
    """The rows as tables, with rows of nobody and bad rows among them; and how many these bad ones are."""
    model, bad = life.model, 0
    text, spoil = chance.random() < 0.3, chance.random() < 0.2
    tables: dict[str, pa.Table] = {}
    if people or chance.random() < 0.2:
        held = list(people)
        if spoil and chance.random() < 0.7:
            held.insert(chance.randint(0, len(held)), Person(None, dict.fromkeys(names)))  # type: ignore[arg-type]
            bad += 1
        tables["customers"] = people_table(held, names, model.versioned, text)
    for name, good in rows.items():
        held_rows: list[Row] = list(good)
        timed, _ = metric_worlds.STREAMS[name]
        for _ in range(chance.randrange(3) if spoil else 0):
            wrong = worlds.rows_of(chance, name, life.keys, 1, model)[0]
            if timed and chance.random() < 0.5:
                wrong = dataclasses.replace(wrong, time=None)
            else:
                wrong = dataclasses.replace(wrong, fields={**wrong.fields, "amount": Decimal("0.001")})
            held_rows.insert(chance.randint(0, len(held_rows)), wrong)
            bad += 1
        if chance.random() < 0.2:
            nobody = worlds.rows_of(chance, name, life.keys, 1, model)[0]
            held_rows.insert(chance.randint(0, len(held_rows)), dataclasses.replace(nobody, customer=None))  # type: ignore[arg-type]
        tables[name] = stream_table(name, held_rows, model.schema, text)
        if chance.random() < 0.1:
            tables[name] = tables[name].append_column("junk", pa.nulls(len(held_rows)))
    return tables, bad


# --- the clock ---------------------------------------------------------------------------------------------------


def advance(life: Life, chance: random.Random) -> Changes:
    as_of = later(life, chance)
    changes: Changes = life.index.advance(as_of)
    life.model.as_of = as_of
    return changes


def later(life: Life, chance: random.Random) -> dt.datetime:
    """A clock that is not before the present one: by a step, at the ends that the data hug, at a month's end."""
    now = life.model.as_of
    marks = [metric_worlds.AS_OF, dt.datetime(2026, 3, 8, 7, tzinfo=dt.UTC), dt.datetime(2026, 11, 1, 6, tzinfo=dt.UTC)]
    local = now.astimezone(metric_worlds.ZONE)
    marks.append(
        (local.replace(day=1, hour=0, minute=0, second=0, microsecond=0) + dt.timedelta(days=40)).replace(day=1)
    )
    marks += [row.time for held in life.model.rows.values() for row in held if row.time and row.time > now][:3]
    ahead = [mark.astimezone(dt.UTC) for mark in marks if mark > now]
    if chance.random() < 0.5:
        return chance.choice(ahead) + chance.choice([-1, 0, 1, 0]) * metric_worlds.MICRO
    return now + chance.choice([dt.timedelta(0), *worlds.STEPS])


# --- erasing -----------------------------------------------------------------------------------------------------


def erase(life: Life, chance: random.Random) -> Changes:
    keys = chance.sample(life.keys, chance.randint(1, 2))
    changes: Changes = life.index.erase(as_given(keys, chance))
    before = set(life.model.erased)
    assert changes.found == life.model.erase(keys)
    life.forget(life.model.erased - before)
    return changes


def merge(life: Life, chance: random.Random) -> Changes | None:
    keep, *drop = chance.sample(life.keys, chance.randint(2, 3))
    if life.model.universe and chance.random() < 0.7:
        keep, drop = chance.choice(life.model.universe), [key for key in drop if key not in life.model.erased] or drop
    given = as_given(drop, chance)
    try:
        found = life.model.merge(keep, drop)
    except ValueError:
        with pytest.raises(segdex.ArgumentError):
            life.index.merge(keep, given)
        return None
    before = life.index.generation
    changes: Changes = life.index.merge(keep, given)
    if found is None:
        assert changes.generation == before
        return None
    assert changes.found == found
    return changes


def readmit(life: Life, chance: random.Random) -> Changes:
    keys = chance.sample(life.keys, 2) + sorted(life.model.erased)[:1]
    changes: Changes = life.index.readmit(as_given(keys, chance))
    assert changes.found == len(set(keys) & life.model.erased)
    life.model.erased -= set(keys)
    return changes


def as_given(keys: list[str], chance: random.Random) -> Any:
    """Keys as a caller may have them; numbers are one key whether they come as such or as text."""
    from tests.live.model import key_array

    array = key_array(keys)
    return array if chance.random() < 0.5 else array.to_pylist() if chance.random() < 0.5 else pa.array(keys)


# --- names -------------------------------------------------------------------------------------------------------


def load(life: Life, chance: random.Random) -> None:
    """A segment by keys or by dense ids, or a label as a mapping or as a table."""
    model, index = life.model, life.index
    known, keys = set(model.universe), chance.sample(life.keys, chance.randint(0, len(life.keys)))
    if chance.random() < 0.5:
        name = chance.choice(["loaded", *model.loaded])
        if name in model.names() and name not in model.loaded:
            return
        told = index.load(name, index.ids(pa.array(keys)) if chance.random() < 0.3 else as_given(keys, chance))
        model.loaded[name] = set(map(model.meant, keys)) & known
        assert told.customers == len(model.loaded[name])
        return
    labels = {key: (chance.choice(cases.PANEL), chance.choice([None, 0.5, 1.0])) for key in keys}
    name = chance.choice(["panel", "grp"])
    if name == "panel" or chance.random() < 0.5:
        index.load(name, label_table(labels, ("key", "label", "score")))
        scored = True
    else:
        if any(score is not None for _, score in model.labels.get("grp", {}).values()) and model.users("grp_score"):
            return
        index.load(name, {label: [key for key in keys if labels[key][0] == label] for label in cases.PANEL})
        labels, scored = {key: (label, None) for key, (label, _) in labels.items()}, False
    life.scored[name] = scored
    # Of several labels of one customer the last one counts: of a mapping they come label by label.
    rows = sorted(labels.items(), key=lambda each: cases.PANEL.index(each[1][0])) if not scored else labels.items()
    model.labels[name] = {key: held for key, held in ((model.meant(key), held) for key, held in rows) if key in known}


def define(life: Life, chance: random.Random) -> Changes | None:
    """A segment is defined, or another one is put in its place."""
    model = life.model
    free = [name for name in NAMES if name not in model.names()]
    where = rule_text(life, chance)
    said = {"where": where, "tracked": chance.random() < 0.7}
    if chance.random() < 0.2:
        said["suppression"] = ["post"]
    options = {each: held for each, held in said.items() if each != "where"}
    replaced = [name for name in model.defined if not any(name in model.users(each) for each in model.defined)]
    if replaced and chance.random() < 0.4:
        name = chance.choice(replaced)
        if f"'{name}'" in where:
            return None
        changes = life.index.define(name, where, replace=True, **options)
    elif free:
        name = free[0]
        changes = life.index.define(name, where, **options)
    else:
        return None
    model.defined[name] = said
    return changes  # type: ignore[no-any-return]


def rule_text(life: Life, chance: random.Random) -> str:
    """A rule over what there is."""
    model = life.model
    held = [*model.segments, *model.loaded]
    parts = [f"segment '{name}'" for name in chance.sample(held, min(2, len(held)))]
    declared = [text for text in worlds.WHERES if not any(n in text for n in ("own_", "since_seen", "panel"))]
    parts.append(chance.choice(declared))
    numbers = [name for name in model.schema["metrics"] if name in life.plain_numbers()]
    parts += [f"{name} > 0" for name in chance.sample(numbers, min(1, len(numbers)))]
    chosen = chance.sample(parts, chance.randint(1, min(3, len(parts))))
    return chance.choice([" and ", " or "]).join(
        f"not {each}" if chance.random() < 0.2 else f"({each})" for each in chosen
    )


def rename(life: Life, chance: random.Random) -> Changes | None:
    model = life.model
    was = chance.choice(sorted(model.names()))
    name = f"new_{life.number}"
    changes: Changes = life.index.rename(was, name)
    model.rename(was, name)
    return changes


def drop(life: Life, chance: random.Random) -> Changes | None:
    model = life.model
    name = chance.choice(sorted(model.names()))
    if model.users(name):
        with pytest.raises(segdex.ArgumentError):
            life.index.drop(name)
        return None
    changes: Changes = life.index.drop(name)
    model.drop(name)
    return changes


def alter(life: Life, chance: random.Random) -> Changes:
    """Some metrics, bands, stages and segments more, fewer or others."""
    model = life.model
    schema = copy.deepcopy(model.schema)
    for part in PARTS[:3]:
        name = chance.choice(sorted(schema[part])) if schema[part] else None
        if name is not None and chance.random() < 0.3 and not dataclasses.replace(model, schema=schema).users(name):
            del schema[part][name]
            if part == "metrics":
                model.originals.pop(name, None)
    taken = set(dataclasses.replace(model, schema=schema).names())
    for name in worlds.some_metrics(chance, model):
        if name not in taken:
            schema["metrics"][name] = metric_worlds.declarations()[name]
            model.originals[name] = name
            if metric_worlds.CATALOG.types[name].numeric:
                schema["bands"][f"of_{name}"] = {"metric": name, "edges": [0, 1, 10]}
    for band in schema["bands"].values():
        if "edges" in band and chance.random() < 0.2:
            band["edges"] = sorted(chance.sample([-20, 0, 1, 2, 10, 31, 100], 2))
        if "quantiles" in band and chance.random() < 0.2:
            band["quantiles"] = chance.choice([2, 4])
    for stages in schema["stages"].values():
        if chance.random() < 0.3:
            stages[0] = {**stages[0], "where": rule_over_data(chance)}
    for segment in schema["segments"].values():
        if chance.random() < 0.2:
            segment["where"] = rule_over_data(chance)
    changes: Changes = life.index.alter(schema)
    model.schema = schema
    return changes


def rule_over_data(chance: random.Random) -> str:
    return chance.choice([text for text in worlds.WHERES if "own_" not in text and "since_seen" not in text])


# --- folders -----------------------------------------------------------------------------------------------------


def compact(life: Life, _chance: random.Random) -> None:
    life.index.compact()


def save(life: Life, chance: random.Random) -> None:
    life.save(copy=chance.random() < 0.3)


def reopen(life: Life, _chance: random.Random) -> None:
    life.reopen()


def follow(life: Life, _chance: random.Random) -> None:
    life.follow()


def look(life: Life, _chance: random.Random) -> None:
    life.look()


Step = Callable[["Life", random.Random], Any]
STEPS: dict[str, tuple[Step, int]] = {
    "apply": (apply, 10), "advance": (advance, 4), "erase": (erase, 2), "readmit": (readmit, 1), "merge": (merge, 3),
    "load": (load, 3),
    "define": (define, 3), "rename": (rename, 1), "drop": (drop, 1), "alter": (alter, 2), "compact": (compact, 1),
    "save": (save, 2), "reopen": (reopen, 2), "follow": (follow, 2), "look": (look, 1),
}  # fmt: skip
DECLARING = ("define", "rename", "drop", "alter")

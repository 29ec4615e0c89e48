"""Segments and labels that were made elsewhere, into a generation: keys or a set of dense ids, labels by key."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from segdex.arguments import is_one_key
from segdex.bitmap import predicate as hot
from segdex.bitmap import roaring
from segdex.bitmap.predicate import Predicate
from segdex.errors import ArgumentError, SchemaError, listed
from segdex.generation import Generation
from segdex.ingest.columns import pick
from segdex.ingest.keys import as_array, unknown
from segdex.ingest.labels import LabelColumns, read_label
from segdex.ingest.report import Tally
from segdex.ingest.sources import Source
from segdex.rules.words import is_storable
from segdex.schema import model
from segdex.schema.assemble import assemble
from segdex.schema.catalog import Catalog
from segdex.schema.decode import checked_name
from segdex.schema.labels import LABEL, score_name
from segdex.schema.place import Origin, Spot, shown
from segdex.values.column import Column, Ints, texts

_ALLOWED = (
    "keys (a list, an Arrow array, a table of one column), a pyroaring.BitMap, portable Roaring bytes, "
    "{label: keys}, or a table with the columns key, label and maybe score"
)


@dataclasses.dataclass(frozen=True, slots=True)
class Loaded:
    """What was loaded.

    Attributes:
        name: the segment, or the label.
        kind: ``segment`` or ``label``.
        customers: how many customers are in the segment, or have a label.
        unknown: how many of the given keys no customer has; they are left out.
        null: how many keys are null.
        repeated: how many keys came before, or of a label came again later.
        generation: the generation that holds it.
    """

    name: str
    kind: str
    customers: int
    unknown: int
    null: int
    repeated: int
    generation: int


@dataclasses.dataclass(frozen=True, slots=True)
class _Labelled:
    """A label for every customer, and what its data had beside it."""

    label: Column
    score: Column | None
    unknown: int
    null: int
    repeated: int


@dataclasses.dataclass(frozen=True, slots=True)
class _Members:
    """A set of customers, and what its data had beside them."""

    members: Predicate
    unknown: int
    null: int
    repeated: int


@dataclasses.dataclass(frozen=True, slots=True)
class Reading:
    """What is to be loaded, read.

    Attributes:
        catalog: the schema in which it is declared.
        columns: a label and its score by name, each one value a dense id.
        sets: the members of a segment by name.
        loaded: what is told of it, the generation aside.
    """

    catalog: Catalog
    columns: dict[str, Column]
    sets: dict[str, Predicate]
    loaded: Loaded


def read_into(generation: Generation, name: str, data: Any) -> Reading:
    """*data* as the segment or label *name* of *generation*; see `segdex.index.Index.load`.

    Raises:
        ArgumentError: the name is taken, or *data* is nothing that can be loaded, or holds ids that no customer has.
        CorruptError: bytes are not one well-formed set.
        SourceError: a table cannot be read, or a row is bad.
    """
    name = _usable(name)
    if isinstance(data, Mapping):
        return _with_label(generation, name, _of_mapping(data, generation))
    reader = _table(data)
    if reader is not None and len(reader.schema.names) != 1:
        columns = _columns(name, reader.schema.names, generation.catalog.schema)
        return _with_label(generation, name, _of_table(name, reader, columns, generation))
    return _with_segment(generation, name, _members(data if reader is None else _only_column(reader), generation))


def _usable(name: Any) -> str:
    if not isinstance(name, str):
        raise ArgumentError("not a name", found=type(name).__name__, allowed="text")
    if not is_storable(name):
        raise ArgumentError("a name holds a character that cannot be kept", found=ascii(name))
    try:
        return checked_name(name, Spot(Origin()))
    except SchemaError as error:
        raise ArgumentError(error.problem, found=error.found or shown(name), allowed=error.allowed) from None


# --- segments ----------------------------------------------------------------------------------------------------


def _with_segment(old: Generation, name: str, found: _Members) -> Reading:
    schema = old.catalog.schema
    held = schema.segments.get(name)
    if name in old.catalog.types and (held is None or held.where is not None):
        raise _taken(name, old.catalog)
    segments = {**schema.segments, name: held or model.Segment()}
    catalog = _catalog(old.catalog, msgspec.structs.replace(schema, segments=segments))
    told = Loaded(name, "segment", len(found.members), found.unknown, found.null, found.repeated, old.number)
    return Reading(catalog, {}, {name: found.members}, told)


def _members(data: Any, generation: Generation) -> _Members:
    """The customers that a set, its bytes or keys stand for."""
    if isinstance(data, bytes | bytearray | memoryview):
        return _Members(_within(roaring.from_bytes(data, generation.count), generation), 0, 0, 0)
    if roaring.is_bitmap(data):
        return _Members(_within(roaring.from_bitmap(data, generation.count), generation), 0, 0, 0)
    ids, missing, null = _dense(data, generation)
    distinct = np.unique(ids)
    members = _within(hot.from_ids(distinct, generation.count), generation)
    return _Members(members, missing, null, len(ids) - len(distinct))


def _within(members: Predicate, generation: Generation) -> Predicate:
    """Those of the universe: every set of a generation is within it."""
    if len(generation.universe) == generation.count:
        return members
    return hot.from_words(hot.to_words(members) & hot.to_words(generation.universe), generation.count)


def _dense(keys: Any, generation: Generation) -> tuple[Ints, int, int]:
    """The dense ids of keys that customers have, in their order; how many keys nobody has, how many are null."""
    if is_one_key(keys):
        raise ArgumentError("nothing that can be loaded", found=type(keys).__name__, allowed=_ALLOWED)
    array = as_array(keys)
    found = generation.lookup(array)
    strange, null = unknown(array, found)
    return found[found >= 0], strange, null


# --- labels ------------------------------------------------------------------------------------------------------


def _with_label(old: Generation, name: str, found: _Labelled) -> Reading:
    schema, scored = old.catalog.schema, score_name(name)
    held = schema.labels.get(name)
    if name in old.catalog.types and held is None:
        raise _taken(name, old.catalog)
    had_score = held is not None and held.score is not None
    if found.score is not None and not had_score and scored in old.catalog.types:
        raise _taken(scored, old.catalog)
    if found.score is None and had_score:
        _expect_unused(scored, old)
    declared = held or model.Label(key=schema.customers.key, label=name)
    score = None if found.score is None else declared.score or scored
    labels = {**schema.labels, name: msgspec.structs.replace(declared, score=score)}
    catalog = _catalog(old.catalog, msgspec.structs.replace(schema, labels=labels))
    given = {name: found.label} | ({} if found.score is None else {scored: found.score})
    customers = int(np.count_nonzero(found.label.known))
    told = Loaded(name, "label", customers, found.unknown, found.null, found.repeated, old.number)
    return Reading(catalog, given, {}, told)


def _expect_unused(scored: str, old: Generation) -> None:
    users = sorted(name for name, used in old.catalog.uses.items() if scored in used)
    if scored in (*old.order, *(old.catalog.schema.customers.order or ())):
        users.append("the order of customers")
    if users:
        raise ArgumentError(
            f"the label has no scores, and {scored!r} is used", found=f"it is used by {listed(users)}",
            hint="load a table with the columns key, label and score",
        )  # fmt: skip


def _of_mapping(labels: Mapping[Any, Any], generation: Generation) -> _Labelled:
    """``{label: keys}``; of several labels of one customer the last one counts."""
    for label in labels:
        if not isinstance(label, str) or not is_storable(label):
            # What stands here may be a key: a mapping is easily turned round.
            found = type(label).__name__ if not isinstance(label, str) else "a text that no rule can name"
            raise ArgumentError("not a label", found=found, allowed="{label: keys}, each label a text")
    order = sorted(labels, key=str.encode)
    code = {label: place for place, label in enumerate(order)}
    codes = np.full(generation.count, -1, np.int32)
    strange = missing = rows = 0
    for label, keys in labels.items():
        if isinstance(keys, Mapping):
            hint = "load a table with the columns key, label and score"
            raise ArgumentError("a label has keys, no scores by key", found="a mapping in a mapping", hint=hint)
        if isinstance(keys, bytes | bytearray | memoryview) or roaring.is_bitmap(keys):
            ids: Any = hot.to_ids(_members(keys, generation).members)
        else:
            reader = _table(keys)
            ids, unheld, null = _dense(keys if reader is None else _only_column(reader), generation)
            strange, missing = strange + unheld, missing + null
        codes[ids] = code[label]
        rows += len(ids)
    column = pick(Column(LABEL, codes, texts(order)), np.arange(generation.count))
    return _Labelled(column, None, strange, missing, rows - int(np.count_nonzero(codes >= 0)))


def _of_table(name: str, reader: pa.RecordBatchReader, columns: LabelColumns, generation: Generation) -> _Labelled:
    source, tally = Source(name, table=reader), Tally(name, "raise")
    read = read_label(source, columns, generation.lookup, generation.count, tally, None)
    report = read.report
    return _Labelled(read.label, read.score, report.strangers, report.unowned, report.replaced)


def _columns(name: str, present: list[str], schema: model.Schema) -> LabelColumns:
    """Which columns of a table are what: named so, or as the label declares them, or as `members` gives them out."""
    held = schema.labels.get(name)
    declared = {part: getattr(held, part, None) for part in ("key", "label", "score")}
    given = {"key": schema.customers.key, "label": name, "score": score_name(name)}
    found = {
        part: next((each for each in (part, declared[part], given[part]) if each in present), None)
        for part in ("key", "label", "score")
    }
    if found["key"] is None or found["label"] is None or found["key"] == found["label"]:
        raise ArgumentError(
            "the columns of the table are no keys and labels", found=listed(present),
            allowed="key, label and maybe score; or one column of keys",
        )  # fmt: skip
    return LabelColumns(found["key"], found["label"], found["score"])


# --- both --------------------------------------------------------------------------------------------------------


def _table(data: Any) -> pa.RecordBatchReader | None:
    """A reader of *data* where it is a table; None where it is something else."""
    if isinstance(data, pa.RecordBatchReader):
        return data
    if isinstance(data, pa.Table):
        return data.to_reader()
    if isinstance(data, pa.Array | pa.ChunkedArray):
        return None
    try:
        if hasattr(data, "__arrow_c_stream__"):
            return pa.RecordBatchReader.from_stream(data)
        if hasattr(data, "__arrow_c_array__"):
            return pa.Table.from_batches([pa.record_batch(data)]).to_reader()
    except Exception:  # a stream of keys is no table; whatever else is wrong is told by who reads it as keys
        return None
    return None


def _only_column(reader: pa.RecordBatchReader) -> pa.ChunkedArray:
    if len(reader.schema.names) != 1:
        raise ArgumentError("a table of keys has one column", found=listed(reader.schema.names))
    try:
        return reader.read_all().column(0)
    except Exception as error:  # whose text may quote keys
        raise ArgumentError("the table cannot be read", found=type(error).__name__) from None


def _catalog(old: Catalog, schema: model.Schema) -> Catalog:
    """The catalog of a schema in which names were added, the old one where none were."""
    return old if schema == old.schema else assemble(schema, Origin(), old.base, stored=True)


def _taken(name: str, catalog: Catalog) -> ArgumentError:
    role = "loaded segment" if _is_loaded(name, catalog.schema) else catalog.types[name].role
    article = "an" if role == "attribute" else "a"
    return ArgumentError(f"the name {name!r} is taken", found=f"{article} {role}", hint="give another name")


def _is_loaded(name: str, schema: model.Schema) -> bool:
    held = schema.segments.get(name)
    return held is not None and held.where is None

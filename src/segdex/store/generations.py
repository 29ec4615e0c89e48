"""A generation as the sections of a file, and back."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from segdex.bitmap import predicate as hot
from segdex.bitmap.predicate import Predicate
from segdex.bitmap.ranks import Ranks, check_order, stored_ranks
from segdex.errors import CorruptError, SegdexError
from segdex.generation import MEMBER, Generation, PredicateName, Values
from segdex.ingest.grown import settled
from segdex.ingest.kept import VERSION
from segdex.schema.catalog import Catalog
from segdex.schema.kinds import MODEL
from segdex.schema.load import load as load_schema
from segdex.schema.types import ValueType
from segdex.store import snapshot
from segdex.store.codec import (
    ColumnForm,
    Decoder,
    DimensionForm,
    Encoder,
    EventsForm,
    FamilyForm,
    Form,
    KeysForm,
    joined,
)
from segdex.store.container import Identity, Natural, Reader, Writer
from segdex.store.lock import Lock
from segdex.store.os import OperatingSystem
from segdex.values.column import MISSING, Column
from segdex.values.family import Family
from segdex.values.lazy import Lazy

SCHEMA = "schema"
DESCRIPTION = "description"
MORE = "live"
"""The section of what else is to be known of an index, see `segdex.live.kept`."""


class Description(Form, frozen=True):
    """What the section ``description`` says, as MessagePack: which objects there are, and how to find them.

    Attributes:
        predicates: name, label and category of each set; the set is section ``predicates/N``, N being its position.
        ranks: the names of columns that have sections ``ranks/NAME/…``.
        order: the names by which customers were numbered; none: by their keys.
        lookups: those that fields of streams come through.
        hidden: columns of customers that no rule can name.
    """

    as_of: int
    epoch: str
    keys: KeysForm
    values: dict[str, ColumnForm | FamilyForm]
    events: dict[str, EventsForm]
    predicates: list[tuple[str, str | None, str | None]]
    ranks: list[str]
    fitted: dict[str, tuple[int | float, ...]]
    customers: Natural
    order: tuple[str, ...] = ()
    lookups: dict[str, DimensionForm] = msgspec.field(default_factory=dict)
    hidden: dict[str, ColumnForm] = msgspec.field(default_factory=dict)
    graves: dict[str, EventsForm] = msgspec.field(default_factory=dict)


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Description)


# --- saving ------------------------------------------------------------------------------------------------------


def save(
    generation: Generation,
    folder: Path,
    system: OperatingSystem | None = None,
    since: int | None = None,
    more: bytes = b"",
    lock: Lock | None = None,
    last_sequence: int | None = None,
    keep: Literal[1, 2] = 2,
) -> Identity:
    """Write *generation* as the next one of the index in *folder*, all or nothing, and return what it is there.

    Its number is its own, or a greater one where the folder has one of this number already: numbers never go back.

    Args:
        generation: what is written.
        folder: the index.
        system: the door to the operating system.
        since: where it was made of the one that the folder had, the number of that one.
        more: what else is to be known of the index, kept as it is.
        lock: of the folder, where the caller holds it.
        last_sequence: the last record of the folder's journal that it holds.
        keep: how many generations stay.

    Raises:
        ArgumentError: the folder holds something else.
        LockedError: another writer is at work, or has been since.
        StorageError: the operating system refused; what was there before still is.
    """

    def fill(writer: Writer) -> None:
        _write(generation, writer)
        if more:
            writer.add_bytes(MORE, more)

    return snapshot.commit(
        folder, fill, system or OperatingSystem(), last_sequence, generation.number, since, lock, keep
    )


def _write(generation: Generation, writer: Writer) -> None:
    encoder = Encoder(writer)
    writer.add_bytes(SCHEMA, msgspec.json.encode(generation.catalog.schema))
    keys = encoder.keys("keys", settled(generation.keys))
    writer.add_array("universe", generation.universe.words)
    for number, members in enumerate(generation.predicates.values()):
        writer.add_array(f"predicates/{number}", members.words)
    for name, ranks in generation.ranks.items():
        place = joined("ranks", name)
        writer.add_array(f"{place}/places", ranks.places)
        writer.add_array(f"{place}/starts", ranks.starts)
        writer.add_array(f"{place}/codes", ranks.codes)
    values = {name: _write_values(encoder, name, held) for name, held in generation.values.items()}
    events = {name: encoder.events(joined("events", name), held) for name, held in generation.events.items()}
    description = Description(
        as_of=generation.as_of,
        epoch=generation.epoch,
        keys=keys,
        values=values,
        events=events,
        predicates=[(each.name, each.label, each.category) for each in generation.predicates],
        ranks=list(generation.ranks),
        fitted=dict(generation.fitted),
        customers=generation.count,
        order=generation.order,
        lookups={name: encoder.dimension(joined("lookups", name), held) for name, held in generation.lookups.items()},
        hidden={name: encoder.column(joined("hidden", name), held) for name, held in generation.hidden.items()},
        graves={name: encoder.events(joined("graves", name), held) for name, held in generation.graves.items()},
    )
    writer.add_bytes(DESCRIPTION, _encoder.encode(description))


def _write_values(encoder: Encoder, name: str, held: Values) -> ColumnForm | FamilyForm:
    place = joined("values", name)
    return encoder.family(place, held) if isinstance(held, Family) else encoder.column(place, held)


# --- loading -----------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True)
class Opened:
    """What a folder holds.

    Attributes:
        generation: the current one. Keys, columns, events and sets are checked when first used.
        identity: what its file is; None: it is in no file.
        more: what else is to be known of the index; empty where nothing is.
    """

    generation: Generation
    identity: Identity | None
    more: bytes


def opened(folder: Path, system: OperatingSystem | None = None) -> Opened:
    """The current generation of the index in *folder*.

    Raises:
        ArgumentError: the folder is no index.
        CorruptError: a file is damaged.
        VersionError: a file was written by a newer version.
        StorageError: the operating system refused.
    """
    reader = snapshot.open_current(folder, system or OperatingSystem())
    more = bytes(reader.section(MORE)) if MORE in reader else b""
    return Opened(decode(reader), reader.identity, more)


def load(folder: Path, system: OperatingSystem | None = None) -> Generation:
    """The current generation of the index in *folder*, see `opened`."""
    return opened(folder, system).generation


def decode(reader: Reader) -> Generation:
    """The generation in a file."""
    description = _description(reader)
    count = description.customers
    decoder = Decoder(reader, count)
    predicates: dict[PredicateName, Callable[[], Predicate]] = {
        PredicateName(*predicate): partial(_set, reader, f"predicates/{number}", count)
        for number, predicate in enumerate(description.predicates)
    }
    values: dict[str, Callable[[], Values]] = {
        name: partial(_read_values, decoder, name, form, count) for name, form in description.values.items()
    }
    held = Lazy(values)
    coded = {name: form.column if isinstance(form, FamilyForm) else form for name, form in description.values.items()}
    dictionaries: dict[str, Callable[[], Column]] = {
        name: partial(decoder.distinct, joined("values", name), form)
        for name, form in coded.items()
        if form.dictionary is not None
    }
    keys = Lazy({"keys": partial(decoder.keys, "keys", description.keys)})
    return Generation(
        catalog=_catalog(reader, description),
        as_of=description.as_of,
        number=reader.identity.generation,
        epoch=description.epoch,
        count=count,
        key_source=partial(keys.__getitem__, "keys"),
        universe=_set(reader, "universe", count),
        values=held,
        dictionaries=Lazy(dictionaries),
        events=Lazy(
            {name: partial(decoder.events, joined("events", name), form) for name, form in description.events.items()}
        ),
        predicates=Lazy(predicates),
        ranks=Lazy({name: partial(_ranks, reader, name, held) for name in description.ranks}),
        fitted=description.fitted,
        order=description.order,
        lookups=Lazy(
            {
                name: partial(decoder.dimension, joined("lookups", name), form)
                for name, form in description.lookups.items()
            }
        ),
        hidden=Lazy(
            {
                name: partial(decoder.column, joined("hidden", name), form, count)
                for name, form in description.hidden.items()
            }
        ),
        graves=Lazy(
            {name: partial(decoder.events, joined("graves", name), form) for name, form in description.graves.items()}
        ),
    )


def verify(folder: Path, system: OperatingSystem | None = None) -> Iterator[SegdexError]:
    """Read every byte of an index and check every object in it; yields what is wrong, nothing where all is well.

    Raises:
        ArgumentError: the folder is no index.
    """
    system = system or OperatingSystem()
    damaged = False
    for problem in snapshot.verify(folder, system):
        damaged = True
        yield problem
    if damaged:
        return  # what is built on damaged bytes would only repeat it
    try:
        generation = load(folder, system)
    except SegdexError as error:
        yield error
        return
    try:
        generation.key_source()
    except CorruptError as error:
        damaged = True
        yield error
    for held in (generation.values, generation.predicates, generation.ranks, generation.hidden):
        for problem in _faults(held):
            damaged = True
            yield problem
    for name, ranks in generation.ranks.items() if not damaged else ():
        try:
            check_order(ranks)
        except CorruptError as error:
            yield error.at(f"ranks of {name!r}")
    for streams, name in [(held, name) for held in (generation.events, generation.graves) for name in held]:
        yield from _faults_within(streams, name, "fields")
        yield from _faults_within(streams, name, "marks")
    for name in generation.lookups:
        yield from _faults_within(generation.lookups, name, "columns")


def _faults_within(held: Mapping[str, object], name: str, part: str) -> Iterator[SegdexError]:
    """As `_faults`, of the columns that are *part* of one value of *held*."""
    try:
        columns = getattr(held[name], part)
    except CorruptError as error:
        yield error
    else:
        yield from _faults(columns)


def _faults(held: Mapping[Any, object]) -> Iterator[SegdexError]:
    """Make every value of *held*; yields why those that cannot be made cannot."""
    for key in held:
        try:
            held[key]
        except CorruptError as error:
            yield error


def _description(reader: Reader) -> Description:
    try:
        description = _decoder.decode(reader.section(DESCRIPTION))
    except (ValueError, RecursionError) as error:
        raise _unreadable(reader, DESCRIPTION, error) from None
    if not MISSING < description.as_of <= -(MISSING + 1):
        raise _unreadable(reader, DESCRIPTION, f"a clock of {description.as_of}")
    return description


def _catalog(reader: Reader, description: Description) -> Catalog:
    data = reader.section(SCHEMA)
    try:
        catalog = load_schema(msgspec.json.decode(data, type=dict), stored=True)
    except (ValueError, RecursionError, SegdexError) as error:
        raise _unreadable(reader, SCHEMA, error) from None
    for name, declared in catalog.types.items():
        if declared.role == "segment":
            if catalog.schema.segments[name].where is None and (name, MEMBER, None) not in description.predicates:
                raise _unreadable(reader, DESCRIPTION, f"the set of segment {name!r} is not there")
            continue
        form = description.values.get(name)
        if form is None or isinstance(form, FamilyForm) != declared.family or _type(form).kind != declared.kind:
            raise _unreadable(reader, DESCRIPTION, f"{name!r} is not there as the schema declares it")
    fault = _fitted_fault(description.fitted, catalog)
    if fault is not None:
        raise _unreadable(reader, DESCRIPTION, fault)
    strange = [name for name in description.order if name not in catalog.types]
    if strange:
        raise _unreadable(reader, DESCRIPTION, f"customers are ordered by {strange[0]!r}, which is not declared")
    fault = _kept_fault(description, catalog)
    if fault is not None:
        raise _unreadable(reader, DESCRIPTION, fault)
    for stream, fields in catalog.fields.items():
        held = description.events.get(stream)
        if held is None or {name: form.type.kind for name, form in held.fields.items()} != {
            name: declared.kind for name, declared in fields.items()
        }:
            raise _unreadable(reader, DESCRIPTION, f"stream {stream!r} is not there as the schema declares it")
    return catalog


def _fitted_fault(fitted: Mapping[str, tuple[int | float, ...]], catalog: Catalog) -> str | None:
    """What is wrong with the edges of bands and the parameters of models; None: nothing."""
    bands, metrics = catalog.schema.bands, catalog.schema.metrics
    models = {name for name, metric in metrics.items() if metric.kind == "p_alive" and metric.r is None}
    for name in {*bands, *fitted}:
        edges = fitted.get(name)
        if name in models:
            if edges is None or len(edges) != len(MODEL) or not all(0 < each < float("inf") for each in edges):
                return f"the parameters of {name!r} are not four numbers above 0"
        elif edges is None or name not in bands:
            return f"edges of {name!r}, which is no band" if name not in bands else f"band {name!r} has no edges"
        elif not all(low <= high for low, high in itertools.pairwise((*edges, *edges[-1:]))):
            return f"the edges of band {name!r} do not ascend"
        elif bands[name].edges is not None and len(edges) != len(bands[name].edges or ()):
            return f"band {name!r} has {len(edges)} edges, declared are {len(bands[name].edges or ())}"
    return None


def _kept_fault(description: Description, catalog: Catalog) -> str | None:
    """What is wrong with that which is kept for rows that come later; None: nothing."""
    lookups = catalog.schema.lookups
    for name, form in description.lookups.items():
        declared = lookups[name].fields if name in lookups else {}
        for field, column in form.fields.items():
            if field not in declared or column.type.kind != declared[field].type:
                return f"field {field!r} of lookup {name!r} is not as the schema declares it"
    expected = [] if catalog.schema.customers.version is None else [VERSION]
    if list(description.hidden) != expected:
        return f"hidden columns are {list(description.hidden)}, declared are {expected}"
    if any(form.type.kind not in ("integer", "time") for form in description.hidden.values()):
        return "versions that are neither integers nor times"
    return None


def _type(form: ColumnForm | FamilyForm) -> ValueType:
    return form.column.type if isinstance(form, FamilyForm) else form.type


def _read_values(decoder: Decoder, name: str, form: ColumnForm | FamilyForm, count: int) -> Values:
    place = joined("values", name)
    return decoder.family(place, form) if isinstance(form, FamilyForm) else decoder.column(place, form, count)


def _set(reader: Reader, name: str, count: int) -> Predicate:
    try:
        return hot.from_stored(reader.array(name, "u8"), count)
    except CorruptError as error:
        raise _unreadable(reader, name, error) if error.place is None else error from None


def _ranks(reader: Reader, name: str, values: Mapping[str, Values]) -> Ranks:
    place = joined("ranks", name)
    column = values.get(name)
    if not isinstance(column, Column) or column.data.dtype not in (np.int64, np.float64):
        raise _unreadable(reader, DESCRIPTION, f"ranks of {name!r}, which is no column of numbers")
    parts = (reader.array(f"{place}/places", "u4"), reader.array(f"{place}/starts", "i8"))
    try:
        return stored_ranks(column.data, *parts, reader.array(f"{place}/codes", "u1"))  # type: ignore[arg-type]
    except CorruptError as error:
        raise _unreadable(reader, place, error) if error.place is None else error from None


def _unreadable(reader: Reader, name: str, problem: object) -> CorruptError:
    return CorruptError("unreadable", place=f"{reader.path}, section {name!r}", found=str(problem))

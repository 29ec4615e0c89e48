"""Names declared, changed, renamed and taken away while the index lives."""

from __future__ import annotations

import dataclasses

import msgspec

from segdex.arguments import text_of
from segdex.derive import declaration, redeclared, renamed
from segdex.errors import ArgumentError, SchemaError, listed, nearest
from segdex.live.advance import Found, rebased
from segdex.live.records import Declare
from segdex.live.state import Moves, State, tracked_in
from segdex.rules.renaming import called
from segdex.schema import model
from segdex.schema.assemble import assemble
from segdex.schema.catalog import Catalog
from segdex.schema.decode import checked_name
from segdex.schema.load import load
from segdex.schema.place import Origin, Spot, shown


def declared(state: State, action: Declare) -> tuple[State, Moves, tuple[str, ...]]:
    """The state under another schema. Nobody enters or leaves a segment by that; those that may differ are told."""
    old = state.catalog
    catalog = load(msgspec.json.decode(action.schema, type=dict), stored=True)
    catalog = dataclasses.replace(catalog, base=old.base)
    if action.was is not None and action.name is not None:
        base = renamed(state.base, catalog, action.was, action.name)
        made, _ = rebased(state, base, Found(former={action.name: action.was}))
    else:
        made, _ = rebased(state, redeclared(state.base, catalog))
    return made, {}, _redefined(old, catalog)


def _redefined(old: Catalog, catalog: Catalog) -> tuple[str, ...]:
    """The tracked segments that are new, or whose own declaration or one that they use is another one."""
    differ = {name for name in catalog.order if declaration(catalog, name) != declaration(old, name)}
    for name in catalog.order:
        if catalog.uses[name] & differ:
            differ.add(name)
    return tuple(name for name in tracked_in(catalog) if name in differ or name not in tracked_in(old))


# --- schemas that differ by one name -------------------------------------------------------------------------------


def with_segment(catalog: Catalog, name: object, segment: model.Segment, replace: bool) -> Catalog:
    """The schema with a segment more, or another one of this name.

    Raises:
        ArgumentError: the name is taken, or none.
        RuleError: its rule is wrong, or uses itself.
    """
    name = usable(name)
    held = catalog.schema.segments.get(name)
    if name in catalog.types and (held is None or not replace):
        kind = "segment" if held is not None else catalog.types[name].role
        hint = "define(…, replace=True) gives it another rule" if held is not None else "give another name"
        raise ArgumentError(f"the name {name!r} is taken", found=f"a {kind}", hint=hint)
    return _of(catalog, segments={**catalog.schema.segments, name: segment})


def without(catalog: Catalog, name: object) -> Catalog:
    """The schema without a segment, label, metric, band or stage that nothing uses.

    Raises:
        ArgumentError: there is none of this name, or it is used.
    """
    name = known(catalog, name)
    users = sorted(user for user, used in catalog.uses.items() if name in used)
    if name in (catalog.schema.customers.order or ()):
        users.append("the order of customers")
    if users:
        raise ArgumentError(f"{name!r} is used", found=f"by {listed(users)}", hint="drop or redefine these first")
    for part in ("segments", "metrics", "bands", "stages"):
        held = getattr(catalog.schema, part)
        if name in held:
            return _of(catalog, **{part: {each: held[each] for each in held if each != name}})
    raise ArgumentError(f"{name!r} cannot be dropped", found=f"a {catalog.types[name].role} of the data")


def known(catalog: Catalog, name: object) -> str:
    """*name*, which is declared.

    Raises:
        ArgumentError: it is not.
    """
    if not isinstance(name, str) or name not in catalog.types:
        hint = nearest(name, catalog.types) if isinstance(name, str) else None
        raise ArgumentError(
            "no such name", found=shown(name) if isinstance(name, str) else type(name).__name__, hint=hint
        )
    return name


def usable(name: object) -> str:
    """*name*, which may be declared.

    Raises:
        ArgumentError: it may not.
    """
    name = text_of("a name", name)
    try:
        return checked_name(name, Spot(Origin()))
    except SchemaError as error:
        raise ArgumentError(error.problem, found=error.found or shown(name), allowed=error.allowed) from None


def _of(catalog: Catalog, **parts: object) -> Catalog:
    schema = msgspec.structs.replace(catalog.schema, **parts)
    return assemble(schema, Origin(), catalog.base, stored=True)


RENAMED = ("segments", "metrics", "bands", "stages")
"""Parts of a schema whose names are its own, and not those of columns of the data."""


def with_name(catalog: Catalog, was: object, name: object) -> Catalog:
    """The schema in which *was* is called *name*; its uses are rewritten.

    Raises:
        ArgumentError: there is no such name, it is that of a column of the data, or the new one is taken.
    """
    return _called(catalog, known(catalog, was), usable(name))


def _called(catalog: Catalog, was: str, name: str) -> Catalog:
    if name in catalog.types:
        raise ArgumentError(f"the name {name!r} is taken", found=f"a {catalog.types[name].role}")
    schema = catalog.schema
    if not any(was in getattr(schema, part) for part in RENAMED):
        raise ArgumentError(f"{was!r} cannot be renamed", found=f"a {catalog.types[was].role} of the data")

    def moved(part: dict[str, object]) -> dict[str, object]:
        return {name if each == was else each: _rewritten(held, was, name) for each, held in part.items()}

    order = schema.customers.order
    customers = msgspec.structs.replace(
        schema.customers, order=None if order is None else tuple(name if each == was else each for each in order)
    )
    return _of(catalog, customers=customers, **{part: moved(getattr(schema, part)) for part in RENAMED})


def _rewritten(held: object, was: str, name: str) -> object:
    """A declaration with *name* where it refers to *was*."""
    match held:
        case model.Segment() | model.Stage():
            return msgspec.structs.replace(held, where=called(held.where, was, name))
        case model.Band():
            metric = name if held.metric == was else held.metric
            return msgspec.structs.replace(held, metric=metric, among=called(held.among, was, name))
        case model.Metric():
            of = name if held.metric == was else held.metric
            return msgspec.structs.replace(held, metric=of, formula=called(held.formula, was, name))
        case tuple():
            return tuple(_rewritten(each, was, name) for each in held)
    return held


def altered(old: Catalog, new: Catalog) -> Catalog:
    """The schema of an index that is to have what *new* declares; what was declared or loaded at run time stays.

    Raises:
        SchemaError: it declares other data: that takes a build.
    """
    schema, held = new.schema, old.schema
    for part in ("timezone", "customers", "streams", "lookups", "identities"):
        if _data_of(getattr(schema, part)) != _data_of(getattr(held, part)):
            raise SchemaError(
                "the data are declared otherwise than those that the index holds", place=part,
                hint="metrics, bands, stages and segments can be altered; for other data build the index again",
            )  # fmt: skip
    defined = {name: held.segments[name] for name in held.segments if name not in schema.segments}
    stored = {name: segment for name, segment in defined.items() if name not in new.types}
    labels = {**held.labels, **{name: label for name, label in schema.labels.items() if name in held.labels}}
    schema = msgspec.structs.replace(schema, segments={**schema.segments, **stored}, labels=labels)
    return assemble(schema, Origin(), old.base, stored=True)


def _data_of(part: object) -> object:
    """What a part of a schema says about data, wherever these come from."""
    if isinstance(part, dict):
        return {name: _data_of(each) for name, each in part.items()}
    if isinstance(part, model.Customers):
        return msgspec.structs.replace(part, source=None, order=None)
    if isinstance(part, model.Stream | model.Lookup):
        return msgspec.structs.replace(part, source=None)
    return part

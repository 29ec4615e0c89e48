"""Attributes, streams and lookups: what the options of a field may be, and the type that it gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo, available_timezones

import msgspec

from segdex.errors import listed, nearest
from segdex.schema.model import DURATION, Field, Gap, Lookup, Schema, Stream
from segdex.schema.place import Spot, later, shown
from segdex.schema.types import Role, ValueType

Owner: TypeAlias = Literal["attribute", "stream", "lookup"]

MOST_SCALE = 15
"""An int64 of 10^-15 still reaches 9,223."""

# The types that an option is for.
_TYPES = {
    "order": ("category",), "fold": ("category", "tags", "text"), "scale": ("number",), "per": ("number", "integer"),
    "latitude": ("geo",), "longitude": ("geo",),
}  # fmt: skip
_STREAM_ONLY = ("lookup", "on", "per")
_INHERITED = ("order", "scale", "fold")


def zone_of(name: str, spot: Spot) -> ZoneInfo:
    """The time zone *name*."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        hint = nearest(name, available_timezones())
        raise spot.fault(
            "unknown time zone", found=shown(name), allowed="a name such as Asia/Kolkata", hint=hint
        ) from None


def field_type(field: Field, role: Role) -> ValueType:
    """The type of a field's value."""
    return ValueType(field.type, scale=field.scale, order=field.order, role=role, fold=field.fold == "lower")


def check_fields(schema: Schema, root: Spot) -> None:
    """Check the options of every field.

    Raises:
        SchemaError: an option does not go with the type or the place of a field.
    """
    _each(schema.customers.attributes, "attribute", root.at("customers", "attributes"))
    for name, lookup in schema.lookups.items():
        _each(lookup.fields, "lookup", root.at("lookups", name, "fields"))
    for name, stream in schema.streams.items():
        _each(stream.fields, "stream", root.at("streams", name, "fields"))
        if stream.time is not None and stream.time.zone is not None:
            zone_of(stream.time.zone, root.at("streams", name, "time", "zone"))
        if isinstance(stream.unit, Gap):
            _sessions(stream, stream.unit, root.at("streams", name))
        for key in ("version", "deleted"):
            if getattr(stream, key) is not None and stream.id is None:
                raise root.at("streams", name, key).fault(f"{key!r} is about rows of one id", hint="declare 'id'")


def _sessions(stream: Stream, unit: Gap, spot: Spot) -> None:
    """Check a unit that is made of gaps of time."""
    if stream.time is None:
        raise spot.at("unit").fault("sessions need a stream with a time", hint="declare 'time'")
    if unit.gap.fixed_microseconds is None:
        allowed = "min, h, d, w"
        raise spot.at("unit", "gap").fault("a gap has a fixed length", found=str(unit.gap), allowed=allowed)
    if DURATION in stream.fields:
        problem = f"sessions have a field {DURATION!r} of their own, their length in minutes"
        raise spot.at("fields", DURATION).fault(problem, hint="give the field another name, with column = ...")


def stream_types(schema: Schema, root: Spot) -> dict[str, dict[str, ValueType]]:
    """The types of the fields of every stream; a field of a lookup has the options that it has there.

    Raises:
        SchemaError: a lookup or the field that leads to it is not declared.
    """
    types: dict[str, dict[str, ValueType]] = {}
    for name, stream in schema.streams.items():
        spot = root.at("streams", name, "fields")
        types[name] = {
            key: _stream_field(field, stream, schema.lookups, spot.at(key)) for key, field in stream.fields.items()
        }
    return types


def reached(field: Field, lookups: Mapping[str, Lookup]) -> tuple[str, str] | None:
    """The lookup and the field of it that ``lookup = "products.department"`` means; either may have dots."""
    for name, lookup in lookups.items():
        inside = (field.lookup or "").removeprefix(f"{name}.")
        if inside != field.lookup and inside in lookup.fields:
            return name, inside
    return None


def _each(fields: Mapping[str, Field], owner: Owner, spot: Spot) -> None:
    for name, field in fields.items():
        _options(field, owner, spot.at(name))


def _options(field: Field, owner: Owner, spot: Spot) -> None:
    if field.type == "geo":
        _place(field, owner, spot)
    for key, types in _TYPES.items():
        if getattr(field, key) is not None and field.type not in types:
            raise spot.at(key).fault(f"{key!r} does not go with the type", found=field.type, allowed=", ".join(types))
    for key in _STREAM_ONLY:
        if getattr(field, key) is not None and owner != "stream":
            raise spot.at(key).fault(f"{key!r} is for fields of streams")
    if field.scale is not None and not 0 <= field.scale <= MOST_SCALE:
        raise spot.at("scale").fault("out of range", found=str(field.scale), allowed=f"0 to {MOST_SCALE}")
    if field.order is not None:
        _order(field.order, field, spot.at("order"))
    if (field.lookup is None) != (field.on is None):
        raise spot.fault("'lookup' and 'on' go together", allowed='lookup = "table.field", on = "field of the stream"')
    if field.lookup is not None and field.column is not None:
        raise spot.at("column").fault("a field of a lookup has the lookup's column", hint="leave 'column' out")


def _place(field: Field, owner: Owner, spot: Spot) -> None:
    """A place is an attribute of a customer, and comes from two columns."""
    if owner != "attribute":
        raise spot.at("type").fault(
            "only customers have places", found=f"geo, in a {owner}", hint="declare it among customers.attributes"
        )
    written = '{ type = "geo", latitude = "lat", longitude = "lon" }'
    for key in ("latitude", "longitude"):
        if getattr(field, key) is None:
            raise spot.fault(f"a place needs {key!r}, the column with its degrees", allowed=written)
    if field.column is not None:
        problem = "a place has two columns, not one"
        raise spot.at("column").fault(problem, allowed=written, hint="leave 'column' out")
    if field.latitude == field.longitude:
        raise spot.at("longitude").fault("latitude and longitude are one column", found=shown(field.longitude))


def _order(order: tuple[str, ...], field: Field, spot: Spot) -> None:
    if not order:
        raise spot.fault("an empty order", allowed="labels from least to greatest")
    twice = next((label for position, label in enumerate(order) if label in order[:position]), None)
    if twice is not None:
        raise spot.fault("a label stands twice", found=shown(twice))
    raised = next((label for label in order if field.fold is not None and label != label.lower()), None)
    if raised is not None:
        hint = f"write {raised.lower()!r}"
        raise spot.fault('with fold = "lower" values are in lower case', found=shown(raised), hint=hint)


def _stream_field(field: Field, stream: Stream, lookups: Mapping[str, Lookup], spot: Spot) -> ValueType:
    own = field_type(field, "field")
    if field.lookup is None:
        return own
    found = reached(field, lookups)
    if found is None:
        known = [f"{name}.{inside}" for name, lookup in lookups.items() for inside in lookup.fields]
        hint = nearest(field.lookup, known)
        raise spot.at("lookup").fault("unknown", found=shown(field.lookup), allowed=listed(known), hint=hint)
    if own.kind == "tags":
        raise spot.at("type").fault(later("a field of tags through a lookup"))
    _on(field.on or "", stream, spot.at("on"))
    there = field_type(lookups[found[0]].fields[found[1]], "field")
    if own.kind != there.kind:
        raise spot.at("type").fault("not the type that the lookup declares", found=own.kind, allowed=there.kind)
    for key in _INHERITED:
        mine, theirs = getattr(own, key), getattr(there, key)
        if mine and mine != theirs:
            raise spot.at(key).fault("not what the lookup declares", found=shown(mine), allowed=shown(theirs))
    return msgspec.structs.replace(there, role="field")


def _on(name: str, stream: Stream, spot: Spot) -> None:
    """A lookup is reached through a field of the stream's own rows."""
    direct = {key: each.type for key, each in stream.fields.items() if each.lookup is None}
    if name not in direct:
        raise spot.fault(
            "not a field of the stream", found=shown(name), allowed=listed(direct), hint=nearest(name, direct)
        )
    if direct[name] not in ("id", "category", "text", "integer"):
        raise spot.fault(
            "cannot lead to a lookup", found=f"{name!r} of type {direct[name]}", allowed="id, category, text, integer"
        )

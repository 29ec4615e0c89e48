"""From plain tables (of TOML, JSON or Python) to the structs of the schema, driven by the types of their fields.

Everything is checked on the way, so that the message can name the path, what was found and what is allowed.
"""

from __future__ import annotations

import datetime as dt
import functools
import types
import typing
import unicodedata
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from segdex.errors import listed
from segdex.rules.windows import Duration, Window
from segdex.schema import forms
from segdex.schema.forms import Reader
from segdex.schema.kinds import KINDS, LATER, keys_of
from segdex.schema.model import (
    Customers,
    Declared,
    Edge,
    Field,
    FormulaField,
    Gap,
    Metric,
    RuleField,
    Schema,
    Step,
    TimeColumn,
)
from segdex.schema.place import Spot, later, shown

LONGEST_NAME = 1024
"""Characters of a declared name."""

# What a bare string in place of a table stands for: the one key that it gives.
_SHORT: dict[type[Declared], str] = {Field: "type", TimeColumn: "column", Step: "stream"}
_PROSE = frozenset({"title", "description", "owner", "order"})
_SCALARS: dict[Any, Reader] = {
    str: forms.text, bool: forms.flag, int: forms.whole, float: forms.real, Decimal: forms.exact,
    dt.date: forms.date, Duration: forms.duration,
}  # fmt: skip


def _members(hint: Any) -> frozenset[Any]:
    return frozenset(typing.get_args(hint)) - {types.NoneType}


_UNIONS: dict[frozenset[Any], Reader] = {
    _members(Window): forms.window,
    _members(RuleField): forms.rule,
    _members(FormulaField): forms.formula,
    _members(Edge): forms.edge,
}


def schema(value: Any, spot: Spot) -> Schema:
    """The schema that *value* (a table, or a `Schema`) declares, every rule parsed.

    Raises:
        SchemaError: a key, a type or a rule is wrong.
    """
    read: Schema = _reader(Schema)(value, spot)
    return read


@functools.cache
def _reader(hint: Any) -> Reader:
    """The reader of values of one type."""
    if hint in _SCALARS:
        return _SCALARS[hint]
    if isinstance(hint, type) and issubclass(hint, Declared):
        return functools.partial(_struct, hint)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return forms.choice(*arguments)
    if origin is dict:
        return _named(_reader(arguments[1]))
    if origin is tuple:
        return _list(_reader(arguments[0]))
    if _members(hint) in _UNIONS:
        return _UNIONS[_members(hint)]
    if _members(hint) == {str, Gap}:
        return _unit
    (only,) = _members(hint)
    return _reader(only)


def _struct(kind: type[Declared], value: Any, spot: Spot) -> Declared:
    fields = _fields(kind)
    if isinstance(value, kind):
        value = {key: held for key, held in _written(value).items() if held != fields[key].default}
    elif isinstance(value, str) and kind in _SHORT:
        value = {_SHORT[kind]: value}
    _refuse_later(kind, value, spot)
    table = _table(value, spot)
    for key in table:
        if key not in fields:
            raise spot.at(key).fault("unknown key", **forms.unknown(key, _keys(kind, table)))
    for key, field in fields.items():
        if field.required and key not in table:
            raise spot.fault(f"{key!r} is missing", found=listed(table) if table else "an empty table")
    return kind(**{fields[key].name: _value(fields[key], held, spot.at(key)) for key, held in table.items()})


def _value(field: msgspec.structs.FieldInfo, value: Any, spot: Spot) -> Any:
    if value is None:
        raise spot.fault("no value", found="null", hint="leave the key out")
    if field.name in _PROSE:
        return _list(forms.prose)(value, spot) if field.name == "order" else forms.prose(value, spot)
    return _reader(field.type)(value, spot)


@functools.cache
def _fields(kind: type[Declared]) -> dict[str, msgspec.structs.FieldInfo]:
    return {field.encode_name: field for field in msgspec.structs.fields(kind)}


def _written(value: Declared) -> dict[str, Any]:
    """A struct as the table that declares it; empty parts are left out."""
    held = {key: getattr(value, field.name) for key, field in _fields(type(value)).items()}
    return {key: each for key, each in held.items() if each is not None and each != {}}


def _keys(kind: type[Declared], table: Mapping[str, Any]) -> tuple[str, ...]:
    """The keys to suggest: for a metric, those of its kind."""
    if kind is Metric and isinstance(table.get("kind"), str) and table["kind"] in KINDS:
        return keys_of(table["kind"])
    return tuple(_fields(kind))


def _refuse_later(kind: type[Declared], value: Any, spot: Spot) -> None:
    """What is written in a form that only a later version reads."""
    if kind is Customers and isinstance(value, list | tuple):
        raise spot.fault(later("a list of customer sources"), allowed="one table [customers]")
    named = value.get("kind") if kind is Metric and isinstance(value, Mapping) else None
    if isinstance(named, str) and named in LATER:
        raise spot.at("kind").fault(later(f"the kind {named!r}"), allowed=", ".join(KINDS))


def _table(value: Any, spot: Spot) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise spot.fault("not a table", found=shown(value), allowed="a table of keys and values")
    for key in value:
        if not isinstance(key, str):
            raise spot.fault("a key that is not a string", found=shown(key), allowed="strings")
        forms.printable(key, spot)
    return value


def _named(read: Reader) -> Reader:
    def table(value: Any, spot: Spot) -> dict[str, Any]:
        names = {name: checked_name(name, spot) for name in _table(value, spot)}
        return {plain: read(value[name], spot.at(plain)) for name, plain in names.items()}

    return table


def checked_name(name: str, spot: Spot) -> str:
    """A name that something is declared by: anything that a rule can quote."""
    if not name:
        raise spot.fault("an empty name", allowed="a name that is not empty")
    if len(name) > LONGEST_NAME:
        raise spot.fault("a name is too long", found=shown(name), allowed=f"{LONGEST_NAME:,} characters")
    if any(unicodedata.category(letter) == "Cc" for letter in name):
        raise spot.fault("a name with a control character", found=shown(name), allowed="printable characters")
    return str.__str__(name)


def _list(read: Reader) -> Reader:
    def items(value: Any, spot: Spot) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple):
            raise spot.fault("not a list", found=shown(value), allowed="a list")
        return tuple(read(each, spot.at(position)) for position, each in enumerate(value))

    return items


def _unit(value: Any, spot: Spot) -> str | Gap:
    if isinstance(value, str):
        return forms.text(value, spot)
    read: Gap = _reader(Gap)(value, spot)
    return read

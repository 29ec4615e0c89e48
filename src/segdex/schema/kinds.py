"""The kinds of metrics in one table: what each needs and takes, which fields it accepts, what it gives.

A kind has one or more *forms*; most have one, over a stream. ``days_since`` has another, over an attribute.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias, get_args

import msgspec

from segdex.schema.families import By, Families, categories_of
from segdex.schema.model import Metric, MetricKind
from segdex.schema.types import Kind, ValueType

Fields: TypeAlias = Mapping[str, ValueType]

NUMBERS: tuple[Kind, ...] = ("number", "integer")
MOMENTS: tuple[Kind, ...] = ("date", "time")
VALUES: tuple[Kind, ...] = ("category", "text", "id", "number", "integer", "bool", "date", "time")
COMMON: tuple[Kind, ...] = ("id", "category", "text", "integer", "bool", "date")
"""What rows of several streams may have in common."""

_ROWS = ("window", "where", "having")
_FAMILY = (*_ROWS, "by")
MODEL = ("r", "alpha", "a", "b")
"""The parameters of ``p_alive``."""


class Form(msgspec.Struct, frozen=True):
    """One way to declare a kind.

    Attributes:
        needs: keys that must be given.
        takes: keys that may be given.
        gives: the type of the value; ``same``: that of the field.
        accepts: types of the field, or of the attribute.
        timed: whether the stream must have a time.
    """

    needs: tuple[str, ...]
    takes: tuple[str, ...]
    gives: Kind | Literal["same"]
    accepts: tuple[Kind, ...] = ()
    timed: bool = False


KINDS: dict[str, tuple[Form, ...]] = {
    "count": (Form(("stream",), _FAMILY, "integer"),),
    "rows": (Form(("stream",), _FAMILY, "integer"),),
    "sum": (Form(("stream", "field"), _FAMILY, "same", NUMBERS),),
    "mean": (Form(("stream", "field"), _FAMILY, "number", NUMBERS),),
    "min": (Form(("stream", "field"), _FAMILY, "same", NUMBERS),),
    "max": (Form(("stream", "field"), _FAMILY, "same", NUMBERS),),
    "median": (Form(("stream", "field"), _FAMILY, "number", NUMBERS),),
    "distinct": (Form(("stream", "field"), _FAMILY, "integer", VALUES),),
    "first": (Form(("stream",), _FAMILY, "time", timed=True),),
    "last": (Form(("stream",), _FAMILY, "time", timed=True),),
    "first_value": (Form(("stream", "field"), _ROWS, "same", VALUES, timed=True),),
    "last_value": (Form(("stream", "field"), _ROWS, "same", VALUES, timed=True),),
    "days_since": (
        Form(("stream",), (*_FAMILY, "from"), "number", timed=True),
        Form(("attribute",), (), "number", MOMENTS),
    ),
    "days_until": (
        Form(("attribute",), ("every",), "number", MOMENTS),
        Form(("stream", "field"), (*_ROWS, "every"), "number", MOMENTS),
    ),
    "years_since": (Form(("attribute",), (), "integer", ("date",)),),
    "mean_gap": (Form(("stream",), _FAMILY, "number", timed=True),),
    "share": (Form(("stream",), (*_ROWS, "by", "weight", "count"), "number"),),
    "streak": (Form(("stream", "period"), _FAMILY, "integer", timed=True),),
    "active_periods": (Form(("stream", "period", "of"), (*_FAMILY, "least"), "integer", timed=True),),
    "sequence": (Form(("steps",), ("on", "window"), "integer"),),
    "ratio": (Form(("numerator", "denominator"), ("window", "by", "matched"), "number"),),
    "p_alive": (Form(("stream",), ("where", "having", "per", *MODEL, "end"), "number", timed=True),),
    "top": (
        Form(("stream", "by"), (*_ROWS, "weight"), "category"),
        Form(("metric",), (), "category"),
    ),
    "score": (Form(("terms",), ("window", "by", "half_life"), "number"),),
    "formula": (Form(("formula",), (), "number"),),
}

LATER: frozenset[str] = frozenset(get_args(MetricKind)) - KINDS.keys()
"""Kinds that a later version brings."""

NOT_INLINE = frozenset({"ratio", "score", "formula"})
"""Kinds that are declared in a schema only; a rule has arithmetic instead."""

OPTIONS = ("weight", "count", "from", "every", "period", "of", "least", "per", *MODEL, "end")
"""Keys that an inline call writes as ``name = value``."""

_DEFAULTS = {field.encode_name: field.default for field in msgspec.structs.fields(Metric) if not field.required}
_ATTRIBUTES = {field.encode_name: field.name for field in msgspec.structs.fields(Metric)}


def keys_of(kind: str) -> tuple[str, ...]:
    """The keys that a metric of *kind* may have, ``kind`` first, in the order of the table."""
    keys = [key for form in KINDS[kind] for key in (*form.needs, *form.takes)]
    return ("kind", *dict.fromkeys(keys))


def given(metric: Metric) -> tuple[str, ...]:
    """The keys of *metric* that differ from their defaults, without ``kind``."""
    return tuple(key for key in _DEFAULTS if _is_given(metric, key))


def _is_given(metric: Metric, key: str) -> bool:
    return bool(getattr(metric, _ATTRIBUTES[key]) != _DEFAULTS[key])


def form_of(metric: Metric) -> Form:
    """The form that *metric* is declared in: the one with the fewest needs unmet, the first of equals."""
    forms = KINDS[metric.kind]
    if len(forms) == 1:
        return forms[0]
    return min(forms, key=lambda form: sum(not _is_given(metric, need) for need in form.needs))


def metric_type(metric: Metric, families: Families, streams: Mapping[str, Fields]) -> ValueType:
    """The type of the metric's value.

    Args:
        metric: one that was checked.
        families: those of all metrics that are declared, checked or not.
        streams: the fields of every stream.
    """
    if metric.kind == "top":
        fields: tuple[By, ...] = (By(metric.stream or "", metric.by or ""),)
        if metric.metric is not None:
            fields = families[metric.metric]
        return msgspec.structs.replace(_category_type(fields, streams), role="metric")
    gives = form_of(metric).gives
    family = bool(categories_of(metric, families))
    if gives != "same":
        return ValueType(gives, family=family, role="metric")
    assert metric.stream is not None
    assert metric.field is not None
    return msgspec.structs.replace(streams[metric.stream][metric.field], family=family, role="metric")


def _category_type(fields: tuple[By, ...], streams: Mapping[str, Fields]) -> ValueType:
    """The type of the categories of *fields*: theirs where they are all alike, else one without an order."""
    types = [streams.get(stream, {}).get(field) for stream, field in fields]
    return types[0] if types[0] is not None and all(each == types[0] for each in types) else ValueType("category")

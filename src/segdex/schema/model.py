"""What a business declares about its data: the shape of the schema file, as frozen structs.

A schema may be written as TOML, as JSON or with these structs; all three are the same thing. Short forms of the file
(``country = "category"``, ``window = "90d"``) are written out by `segdex.schema.load` before they arrive here, and
every rule arrives parsed. Nothing here looks at data.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Literal, TypeAlias

import msgspec

from segdex.rules.nodes import RuleNode, Value
from segdex.rules.windows import Duration, Lifetime, Window

FieldKind: TypeAlias = Literal[
    "category", "tags", "text", "number", "integer", "bool", "date", "time", "geo", "id"
]  # fmt: skip
MetricKind: TypeAlias = Literal[
    "count", "rows", "sum", "mean", "min", "max", "median", "distinct", "first", "last", "first_value", "last_value",
    "days_since", "days_until", "years_since", "mean_gap", "share", "ratio", "top", "score", "streak",
    "active_periods", "sequence", "p_alive", "formula",
]  # fmt: skip
# Rules and formulas are text in a file and nodes once loaded.
RuleField: TypeAlias = RuleNode | str
FormulaField: TypeAlias = Value | str
Edge: TypeAlias = Decimal | dt.date | dt.datetime

DURATION = "duration"
"""The field of sessions that holds their length in minutes; rows have none."""


class Declared(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of everything that is declared: an unknown key is an error."""


class Field(Declared, frozen=True, kw_only=True):
    """An attribute of a customer, a field of a stream, or a field of a lookup.

    *column* is the column of the source (default: the name). *lookup* is ``"lookup.field"``, reached through the
    stream's field *on*. *scale* keeps a number as an exact integer of 10^-scale. *per* ``"row"`` keeps a field from
    being summed over a transaction.
    """

    type: FieldKind
    column: str | None = None
    scale: int | None = None
    order: tuple[str, ...] | None = None
    fold: Literal["lower"] | None = None
    lookup: str | None = None
    on: str | None = None
    per: Literal["row"] | None = None
    latitude: str | None = None
    longitude: str | None = None


class TimeColumn(Declared, frozen=True, kw_only=True):
    """The column of a stream's time; naive values are local to *zone* (default: the schema's)."""

    column: str
    zone: str | None = None


class Gap(Declared, frozen=True, kw_only=True):
    """A unit made of time: rows no further apart than *gap* are one session."""

    gap: Duration


class Customers(Declared, frozen=True, kw_only=True):
    """Where customers come from. *only* keeps keys that are seen only in streams out of the universe."""

    source: str | None = None
    key: str = "customer_id"
    only: bool = False
    version: str | None = None
    order: tuple[str, ...] | None = None
    name: str | None = None
    priority: int | None = None
    attributes: dict[str, Field] = {}


class Lookup(Declared, frozen=True, kw_only=True):
    """A dimension table: *key* identifies its rows, streams reach its fields."""

    source: str | None = None
    key: str
    fields: dict[str, Field] = {}


class Stream(Declared, frozen=True, kw_only=True):
    """What happened: one row an event. Without *time* it is a related table."""

    source: str | None = None
    key: str = "customer_id"
    time: TimeColumn | None = None
    unit: str | Gap | None = None
    id: str | None = None
    version: str | None = None
    deleted: str | None = None
    where: RuleField | None = None
    retain: Duration | None = None
    fields: dict[str, Field] = {}

    @property
    def per_row(self) -> frozenset[str]:
        """The fields that are not summed over a transaction."""
        return frozenset(name for name, field in self.fields.items() if field.per == "row")


class Part(Declared, frozen=True, kw_only=True):
    """One side of a ratio."""

    stream: str
    where: RuleField | None = None
    having: RuleField | None = None


class Term(Declared, frozen=True, kw_only=True):
    """One term of a score."""

    stream: str
    points: Decimal
    where: RuleField | None = None
    by: str | None = None


class Step(Declared, frozen=True, kw_only=True):
    """One step of a sequence; with *negated* (``not = true``) that no such row comes *within* that time."""

    stream: str
    where: RuleField | None = None
    negated: bool = msgspec.field(default=False, name="not")
    within: Duration | None = None


class Metric(Declared, frozen=True, kw_only=True):
    """One value a customer, or with *by* one value a customer and category. Which keys a kind takes: `schema.kinds`."""

    kind: MetricKind
    stream: str | None = None
    field: str | None = None
    attribute: str | None = None
    window: Window = Lifetime()
    where: RuleField | None = None
    having: RuleField | None = None
    by: str | None = None
    weight: str | None = None
    count: Literal["rows", "transactions"] | None = None
    start: Literal["first", "last"] | None = msgspec.field(default=None, name="from")
    numerator: Part | None = None
    denominator: Part | None = None
    matched: bool = False
    formula: FormulaField | None = None
    every: Duration | None = None
    half_life: Duration | None = None
    terms: tuple[Term, ...] | None = None
    metric: str | None = None
    of: int | None = None
    least: int | None = None
    period: Literal["d", "w", "mo"] | None = None
    steps: tuple[Step, ...] | None = None
    on: str | None = None
    per: Duration | None = None
    r: float | None = None
    alpha: float | None = None
    a: float | None = None
    b: float | None = None
    end: dt.date | None = None


class Band(Declared, frozen=True, kw_only=True):
    """Intervals of a metric or of a numeric, date or time attribute, by *edges* or by *quantiles*."""

    metric: str
    edges: tuple[Edge, ...] | None = None
    labels: tuple[str, ...] | None = None
    quantiles: int | None = None
    among: RuleField | None = None


class Stage(Declared, frozen=True, kw_only=True):
    """One step of an ordered list; the first whose rule holds is the customer's stage."""

    name: str
    where: RuleField
    title: str | None = None
    description: str | None = None


class Label(Declared, frozen=True, kw_only=True):
    """Segments or scores made elsewhere: a category named like the label, and with *score* a number `NAME_score`.

    *key*, *label* and *score* are columns of the source. One that was loaded into an index has no source.
    """

    source: str | None = None
    key: str = "customer_id"
    label: str
    score: str | None = None


class Segment(Declared, frozen=True, kw_only=True):
    """A named rule, or without *where* a set of customers that was loaded into the index."""

    where: RuleField | None = None
    tracked: bool = False
    title: str | None = None
    description: str | None = None
    owner: str | None = None
    suppression: tuple[str, ...] = ()


class Identities(Declared, frozen=True, kw_only=True):
    """How several sources are merged into one customer."""

    trusted: tuple[str, ...]
    largest: int = 50


class Privacy(Declared, frozen=True, kw_only=True):
    """The smallest count that tables of counts may show."""

    minimum_count: int = 0


class Schema(Declared, frozen=True, kw_only=True):
    """Everything that a business declares."""

    timezone: str = "UTC"
    customers: Customers = Customers()
    lookups: dict[str, Lookup] = {}
    streams: dict[str, Stream] = {}
    metrics: dict[str, Metric] = {}
    bands: dict[str, Band] = {}
    stages: dict[str, tuple[Stage, ...]] = {}
    labels: dict[str, Label] = {}
    segments: dict[str, Segment] = {}
    identities: Identities | None = None
    privacy: Privacy = Privacy()

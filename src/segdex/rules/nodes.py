"""A rule as an inert tree. Nodes hold data; what is done with them lives elsewhere.

Two families: *values* (what is compared) and *rules* (what holds or does not). Nodes compare by content, never know
where in a text they stood, and carry no name of a type of data: whether ``orders_3m`` is a metric or a band is known
only when the rule is bound to a schema. The bounds written into the types below hold where a rule is read from JSON;
the text grammar cannot express anything beyond them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta

from segdex.errors import ArgumentError
from segdex.rules.moments import plain_date, plain_time
from segdex.rules.numbers import plain
from segdex.rules.windows import Duration, Window

if TYPE_CHECKING:
    from segdex.rules.sql import Sql

LARGEST_BUCKET_COUNT = 1_000_000_000
_NEAR_BOUNDS = {"kilometres": (0, 100_000), "latitude": (-90, 90), "longitude": (-180, 180)}

Comparison: TypeAlias = Literal["=", "!=", "<", "<=", ">", ">="]
Operator: TypeAlias = Literal["+", "-", "*", "/"]
Identifier: TypeAlias = Annotated[str, Meta(min_length=1)]


class Node(msgspec.Struct, frozen=True, tag_field="is", omit_defaults=True, forbid_unknown_fields=True):
    """Base of every node."""


# --- values ------------------------------------------------------------------------------------------------------


class Number(Node, frozen=True, tag="number"):
    """A number exactly as written, kept plain: no exponent, no trailing zeros, at most 40 digits."""

    value: Decimal

    def __post_init__(self) -> None:
        _settle(self, "value", plain(self.value))


class Text(Node, frozen=True, tag="text"):
    """A string: a category, a label, a piece of text."""

    value: str


class Boolean(Node, frozen=True, tag="boolean"):
    """``true`` or ``false``."""

    value: bool


class Date(Node, frozen=True, tag="date"):
    """A local date."""

    value: dt.date

    def __post_init__(self) -> None:
        _settle(self, "value", plain_date(self.value))


class Time(Node, frozen=True, tag="time"):
    """A moment, zone-aware, kept in UTC."""

    value: Annotated[dt.datetime, Meta(tz=True)]

    def __post_init__(self) -> None:
        _settle(self, "value", _in_utc(self.value))


class Today(Node, frozen=True, tag="today"):
    """The local date of the index's clock."""


class Length(Node, frozen=True, tag="length"):
    """A duration as an operand: ``today + 30d``."""

    value: Duration


class Name(Node, frozen=True, tag="name"):
    """A declared name, or inside ``where`` and ``having`` a field of the stream."""

    name: Identifier


class AnyCategory(Node, frozen=True, tag="any_category"):
    """``[any]``: some category, the same for every ``[any]`` of one comparison."""


class Variable(Node, frozen=True, tag="variable"):
    """``[c]`` inside ``any c (…)``."""

    name: Identifier


class Item(Node, frozen=True, tag="item"):
    """One value of a family: ``value_share['apparel']``, ``value_share[any]``, ``value_share[c]``."""

    of: Name | Call
    key: Text | AnyCategory | Variable


class Call(Node, frozen=True, tag="call"):
    """A metric computed straight from a stream or an attribute: ``count(orders, 90d, where amount > 20)``.

    *of* names the stream, or the attribute for kinds that take one. *options* holds what is written as
    ``name = value``: other than strings, a bare name is kept as `Name`. *kind* and the names of options are lower case.
    """

    kind: Annotated[str, Meta(pattern="^[a-z][a-z0-9_]*$")]
    of: Identifier
    field: Identifier | None = None
    window: Window | None = None
    where: RuleNode | None = None
    having: RuleNode | None = None
    by: Identifier | None = None
    options: dict[str, Name | Text | Number | Boolean | Length | Date] = {}


class Step(Node, frozen=True, tag="step"):
    """One step of a sequence: a row of *stream* that satisfies *where*; with *negated* that there is none.

    It is strictly later than the step before and no later than *within* after it.
    """

    stream: Identifier
    where: RuleNode | None = None
    negated: bool = False
    within: Duration | None = None


class Sequence(Node, frozen=True, tag="sequence"):
    """How many rows of the first step are followed by all the others: ``sequence(cart_adds then orders within 3d)``.

    *on* names a field that rows of all steps have in common; *window* says when the first step happened.
    """

    steps: Annotated[tuple[Step, ...], Meta(min_length=2)]
    on: Identifier | None = None
    window: Window | None = None


class Anniversary(Node, frozen=True, tag="anniversary"):
    """The next anniversary of a date attribute, on or after today."""

    of: Name


class Bucket(Node, frozen=True, tag="bucket"):
    """A stable pseudo-random number of a customer, 0 to *count* - 1, by *salt*."""

    salt: str
    count: Annotated[int, Meta(ge=1, le=LARGEST_BUCKET_COUNT)]


class Arithmetic(Node, frozen=True, tag="arithmetic"):
    """``left op right``, left to right by precedence."""

    op: Operator
    left: Value
    right: Value


class Negative(Node, frozen=True, tag="negative"):
    """``-value``; the minus of a literal number belongs to the number."""

    value: Value


Value: TypeAlias = (
    Number | Text | Boolean | Date | Time | Today | Length | Name | Item | Call | Sequence | Anniversary | Bucket
    | Arithmetic | Negative
)  # fmt: skip
Constant: TypeAlias = Number | Text | Boolean | Date | Time
Reference: TypeAlias = Name | Item | Call | Sequence
"""What stands for a column: one value an item."""


# --- rules -------------------------------------------------------------------------------------------------------


class Rule(Node, frozen=True):
    """Base of the nodes that hold or do not hold for a customer.

    ``&``, ``|`` and ``~`` combine rules; ``bool(rule)`` raises, because ``and`` between rules would silently drop one.
    """

    def __and__(self, other: Rule) -> Rule:
        if not isinstance(other, Rule):
            return NotImplemented
        return And((*_parts(self, And), *_parts(other, And)))  # type: ignore[arg-type]

    def __or__(self, other: Rule) -> Rule:
        if not isinstance(other, Rule):
            return NotImplemented
        return Or((*_parts(self, Or), *_parts(other, Or)))  # type: ignore[arg-type]

    def __invert__(self) -> Rule:
        return Not(self)  # type: ignore[arg-type]

    def __bool__(self) -> bool:
        raise ArgumentError("a rule is neither true nor false by itself", hint="combine rules with & | ~")

    def __str__(self) -> str:
        from segdex.rules.printer import to_text

        return to_text(self)

    def to_json(self) -> bytes:
        """The rule as JSON bytes; `Rule.from_json` reads them back without loss."""
        from segdex.rules.json_form import to_json

        return to_json(self)

    @staticmethod
    def from_json(data: bytes | str) -> Rule:
        """Read a rule from its JSON form.

        Raises:
            RuleError: the data is no JSON, no rule, or larger than the limits allow.
        """
        from segdex.rules.json_form import from_json

        return from_json(data)

    def to_python(self) -> str:
        """The rule as a Python expression over ``segdex`` names; evaluating it gives an equal rule."""
        from segdex.rules.python_source import to_python

        return to_python(self)

    def to_sql(self) -> Sql:
        """The rule as a condition for a WHERE clause of DuckDB, over the ``columns`` that it has of `Index.members`.

        Raises:
            RuleError: the rule asks for more than stored values, or the text alone does not say what is meant:
                `Index.to_sql` knows the schema.
        """
        from segdex.rules.sql import to_sql

        return to_sql(self)


class Compare(Rule, frozen=True, tag="compare"):
    """``left op right``; false where either side is missing."""

    op: Comparison
    left: Value
    right: Value


class Between(Rule, frozen=True, tag="between"):
    """``value between low and high``, both ends included."""

    value: Value
    low: Value
    high: Value


class In(Rule, frozen=True, tag="in"):
    """``value in (…)``, or with *negated* ``value not in (…)``: known and none of these."""

    value: Value
    values: Annotated[tuple[Constant, ...], Meta(min_length=1)]
    negated: bool = False


class Has(Rule, frozen=True, tag="has"):
    """``tags has any|all|none (…)``; false where the tags are missing."""

    value: Name
    mode: Literal["any", "all", "none"]
    values: Annotated[tuple[str, ...], Meta(min_length=1)]


class Known(Rule, frozen=True, tag="known"):
    """``value is known``."""

    value: Value


class Missing(Rule, frozen=True, tag="missing"):
    """``value is missing``."""

    value: Value


class Match(Rule, frozen=True, tag="match"):
    """``value starts with|ends with|contains 'text' [ignoring case]``."""

    value: Value
    mode: Literal["starts", "ends", "contains"]
    text: str
    ignore_case: bool = False


class Near(Rule, frozen=True, tag="near"):
    """``place within r km of (latitude, longitude)``, in degrees."""

    value: Name
    kilometres: Decimal
    latitude: Decimal
    longitude: Decimal

    def __post_init__(self) -> None:
        for name, (low, high) in _NEAR_BOUNDS.items():
            _settle(self, name, plain(getattr(self, name)))
            if not low <= getattr(self, name) <= high:
                raise ArgumentError(f"{name} out of range", found=str(getattr(self, name)), allowed=f"{low} to {high}")


class Soon(Rule, frozen=True, tag="soon"):
    """``value within 7d``: from today to today plus the duration, both included."""

    value: Value
    within: Duration


class Did(Rule, frozen=True, tag="did"):
    """``did(stream, …)``: at least one transaction."""

    call: Call


class Segment(Rule, frozen=True, tag="segment"):
    """``segment 'name'``: a reference to a segment defined elsewhere."""

    name: Identifier


class Everyone(Rule, frozen=True, tag="everyone"):
    """The whole universe."""


class And(Rule, frozen=True, tag="and"):
    """All of *rules* hold; at least two."""

    rules: Annotated[tuple[RuleNode, ...], Meta(min_length=2)]


class Or(Rule, frozen=True, tag="or"):
    """At least one of *rules* holds; at least two."""

    rules: Annotated[tuple[RuleNode, ...], Meta(min_length=2)]


class Not(Rule, frozen=True, tag="not"):
    """The universe less *rule*."""

    rule: RuleNode


class ForAny(Rule, frozen=True, tag="for_any"):
    """``any c (rule)``: *rule* holds with one category in place of ``c`` throughout."""

    variable: Identifier
    rule: RuleNode


RuleNode: TypeAlias = (
    Compare | Between | In | Has | Known | Missing | Match | Near | Soon | Did | Segment | Everyone | And | Or | Not
    | ForAny
)  # fmt: skip


def children(node: Node) -> Iterator[Node]:
    """The nodes directly below *node*, in the order of its fields."""
    for name in node.__struct_fields__:
        held = getattr(node, name)
        if isinstance(held, Node):
            yield held
        elif isinstance(held, tuple | dict):
            yield from _nodes_in(held)


def walk(node: Node) -> Iterator[Node]:
    """*node* and every node below it, parents first."""
    stack = [node]
    while stack:
        current = stack.pop()
        yield current
        stack.extend(reversed(list(children(current))))


def _nodes_in(held: Any) -> Iterator[Node]:
    if isinstance(held, Node):
        yield held
    elif isinstance(held, tuple):
        for each in held:
            yield from _nodes_in(each)
    elif isinstance(held, dict):
        for each in held.values():
            yield from _nodes_in(each)


def _settle(node: Node, name: str, value: Any) -> None:
    """Give a new node the one form that a value has, so that equal nodes also look alike."""
    if value is not getattr(node, name):
        msgspec.structs.force_setattr(node, name, value)


def _in_utc(moment: dt.datetime) -> dt.datetime:
    moment = plain_time(moment)
    if moment.tzinfo is dt.UTC:
        return moment
    if moment.utcoffset() is None:
        raise ArgumentError("a time needs a zone", found=moment.isoformat(), hint="write 2026-01-31T12:00:00Z")
    try:
        return moment.astimezone(dt.UTC)
    except OverflowError:
        raise ArgumentError("a time is outside the years 1 to 9999", found=moment.isoformat()) from None


def _parts(rule: Rule, kind: type[And] | type[Or]) -> tuple[Rule, ...]:
    return rule.rules if isinstance(rule, kind) else (rule,)

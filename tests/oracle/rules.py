"""What a rule means for one item, in plain Python: the oracle of every faster way to evaluate it.

An item is a dictionary from names to values: None (missing), int, Decimal (numbers with a scale), float, bool, str,
frozenset (tags), date, aware datetime, and for families a `Family`; ``key`` is the customer's key. Nothing of segdex
but the nodes is used.
"""

from __future__ import annotations

import calendar
import dataclasses
import datetime as dt
import math
import operator
from collections.abc import Callable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

import xxhash

from segdex.rules import nodes
from tests.oracle import places

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Family:
    """Values by category, and the value of a category without an entry."""

    values: Mapping[str, Any]
    rest: Any
    categories: frozenset[str]


@dataclasses.dataclass(frozen=True)
class World:
    """What all items share."""

    as_of: dt.datetime
    zone: ZoneInfo
    orders: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    segments: Mapping[str, nodes.Rule] = dataclasses.field(default_factory=dict)

    @property
    def today(self) -> dt.date:
        return self.as_of.astimezone(self.zone).date()


Chosen: TypeAlias = Mapping[str | None, str]
"""The categories that variables stand for, and ``[any]`` under None."""


def holds(rule: nodes.Rule, item: Mapping[str, Any], world: World, chosen: Chosen = MappingProxyType({})) -> bool:
    """Whether *rule* holds for *item*. Values of inline calls are items under the ``repr`` of the call."""
    match rule:
        case nodes.Everyone():
            return True
        case nodes.And(rules):
            return all(holds(each, item, world, chosen) for each in rules)
        case nodes.Or(rules):
            return any(holds(each, item, world, chosen) for each in rules)
        case nodes.Not(inner):
            return not holds(inner, item, world, chosen)
        case nodes.Segment(name):
            return holds(world.segments[name], item, world)
        case nodes.ForAny(variable, inner):
            keys = _categories(inner, nodes.Variable(variable), item)
            return any(holds(inner, item, world, {**chosen, variable: each}) for each in keys)
        case _ if None not in chosen and any(isinstance(node, nodes.AnyCategory) for node in nodes.walk(rule)):
            keys = _categories(rule, nodes.AnyCategory(), item)
            return any(holds(rule, item, world, {**chosen, None: each}) for each in keys)
        case nodes.Compare(op, left, right):
            return _compare(op, left, right, item, world, chosen)
        case nodes.Between(value, low, high):
            return _compare(">=", value, low, item, world, chosen) and _compare("<=", value, high, item, world, chosen)
        case nodes.Soon(value, within):
            day = _local_date(evaluate(value, item, world, chosen), world)
            return day is not None and world.today <= day <= move(world.today, within.count, within.unit)
        case nodes.In(value, values, negated):
            if evaluate(value, item, world, chosen) is None:
                return False
            return any(_compare("=", value, each, item, world, chosen) for each in values) != negated
        case nodes.Has(nodes.Name(name), mode, values):
            tags = item[name]
            if tags is None:
                return False
            found = [each in tags for each in values]
            return any(found) if mode == "any" else all(found) if mode == "all" else not any(found)
        case nodes.Did(call):
            return item[repr(call)] >= 1
        case nodes.Known(value):
            return evaluate(value, item, world, chosen) is not None
        case nodes.Missing(value):
            return evaluate(value, item, world, chosen) is None
        case nodes.Match(value, mode, text, ignore_case):
            held = evaluate(value, item, world, chosen)
            if held is None:
                return False
            a, b = (held.lower(), text.lower()) if ignore_case else (held, text)
            return a.startswith(b) if mode == "starts" else a.endswith(b) if mode == "ends" else b in a
        case nodes.Near(nodes.Name(name), kilometres, latitude, longitude):
            if item[name] is None:
                return False
            return places.distance(item[name], (float(latitude), float(longitude))) <= float(kilometres)
    raise NotImplementedError(type(rule).__name__)


def evaluate(value: nodes.Value, item: Mapping[str, Any], world: World, chosen: Chosen) -> Any:
    """The value of an operand for one item, None where it is missing."""
    match value:
        case nodes.Number(held) | nodes.Text(held) | nodes.Boolean(held) | nodes.Date(held) | nodes.Time(held):
            return held
        case nodes.Today():
            return world.today
        case nodes.Name(name):
            return item[name]
        case nodes.Call() | nodes.Sequence():
            return item[repr(value)]
        case nodes.Item(of, key):
            family = item[of.name if isinstance(of, nodes.Name) else repr(of)]
            category = key.value if isinstance(key, nodes.Text) else chosen[getattr(key, "name", None)]
            return family.values.get(category, family.rest)
        case nodes.Anniversary(nodes.Name(name)):
            day = _local_date(item[name], world)
            return None if day is None else _next_anniversary(day, world.today)
        case nodes.Bucket(salt, count):
            return xxhash.xxh3_64_intdigest(f"{salt}\0{item['key']}".encode()) % count
        case nodes.Negative(inner):
            return evaluate(nodes.Arithmetic("-", nodes.Number(Decimal(0)), inner), item, world, chosen)
        case nodes.Arithmetic(op, left, nodes.Length(duration)):
            day = evaluate(left, item, world, chosen)
            return None if day is None else move(day, duration.count if op == "+" else -duration.count, duration.unit)
        case nodes.Arithmetic(op, left, right):
            a, b = evaluate(left, item, world, chosen), evaluate(right, item, world, chosen)
            return None if a is None or b is None else _calculate(op, float(a), float(b))
    raise NotImplementedError(type(value).__name__)


def move(day: dt.date, count: int, unit: str) -> dt.date:
    """A date moved by whole days, weeks, months or years; the day is clipped to the month's end."""
    if unit in ("d", "w"):
        return day + dt.timedelta(days=count * (7 if unit == "w" else 1))
    months = day.year * 12 + day.month - 1 + count * (12 if unit == "y" else 1)
    year, month = divmod(months, 12)
    return dt.date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def _local_date(moment: dt.date | None, world: World) -> dt.date | None:
    return moment.astimezone(world.zone).date() if isinstance(moment, dt.datetime) else moment


def _next_anniversary(day: dt.date, today: dt.date) -> dt.date:
    """The first day from today on with the month and day of *day*; 28 February where there is no 29th."""
    while True:
        if (today.month, today.day) == (day.month, day.day):
            return today
        if (day.month, day.day, today.month, today.day) == (2, 29, 2, 28) and not calendar.isleap(today.year):
            return today
        today += dt.timedelta(days=1)


def _calculate(op: str, a: float, b: float) -> float | None:
    if op == "/" and b == 0:
        return None
    result = {"+": operator.add, "-": operator.sub, "*": operator.mul}.get(op, _divide)(a, b)
    return None if math.isnan(result) else result


def _divide(a: float, b: float) -> float:
    try:
        return a / b
    except OverflowError:
        return math.inf if (a > 0) == (b > 0) else -math.inf


def _compare(op: str, left: nodes.Value, right: nodes.Value, item: Any, world: World, chosen: Chosen) -> bool:
    a, b = evaluate(left, item, world, chosen), evaluate(right, item, world, chosen)
    if a is None or b is None:
        return False
    held = [v.of if isinstance(v, nodes.Item) else v for v in (left, right)]
    names = [v.name if isinstance(v, nodes.Name) else repr(v) for v in held]
    order = next((world.orders[name] for name in names if name in world.orders), None)
    if order is not None and op not in ("=", "!="):
        if a not in order or b not in order:
            return False
        a, b = order.index(a), order.index(b)
    if isinstance(a, dt.datetime) != isinstance(b, dt.datetime):  # a date and a time: local dates
        a, b = (v.astimezone(world.zone).date() if isinstance(v, dt.datetime) else v for v in (a, b))
    if isinstance(a, float) and isinstance(b, Decimal):
        b = float(b)
    if isinstance(b, float) and isinstance(a, Decimal):
        a = float(a)
    return _COMPARE[op](a, b)


def _categories(rule: nodes.Rule, key: nodes.Node, item: Mapping[str, Any]) -> list[str]:
    """The categories of the families that have *key* in brackets."""
    found: set[str] = set()
    for node in nodes.walk(rule):
        if isinstance(node, nodes.Item) and node.key == key:
            found |= item[node.of.name if isinstance(node.of, nodes.Name) else repr(node.of)].categories
    return sorted(found)

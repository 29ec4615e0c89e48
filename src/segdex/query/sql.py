"""A rule in SQL, by what an index knows of its columns."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence

from segdex.errors import RuleError
from segdex.query.bind import substitute
from segdex.query.execute import Executor
from segdex.rules import nodes, sql
from segdex.rules.numeric_sql import Form, Number
from segdex.rules.sql_columns import Kind, Reference, Stored, argument_of
from segdex.rules.words import quoted
from segdex.schema.types import ValueType
from segdex.values import clock
from segdex.values.column import Column
from segdex.values.compare import as_kept
from segdex.values.family import Family

_COUNTS = frozenset({"count", "rows", "distinct", "years_since", "streak", "active_periods", "sequence"})
"""Kinds of metrics whose values are small enough for float64 to hold."""
_EPOCH = dt.date(1970, 1, 1)


def to_sql(rule: nodes.Rule, executor: Executor) -> sql.Sql:
    """*rule*, which was checked, as a condition over the table that `segdex.Index.members` gives.

    Raises:
        RuleError: the rule asks for more than stored values.
    """
    return sql.to_sql(rule, _Known(executor))


class _Known:
    """The columns of one generation."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._generation = executor.generation
        self._key = self._generation.catalog.schema.customers.key
        self.titles = (self._key,)
        self.zone: str | None = self._generation.catalog.schema.timezone

    def stored(self, node: Reference) -> Stored:
        """The column of a name, category, bucket or segment."""
        title = argument_of(node)
        match node:
            case nodes.Bucket():
                return Stored(title, "number", Number("count", quoted(title)))
            case nodes.Segment():
                return Stored(title, "bool")
            case nodes.Item(nodes.Name(name), _) | nodes.Name(name):
                if title == self._key:
                    title = quoted(title)  # as `members` does, to tell it from the key itself
                held = self._generation.values[name]
                return self._of_column(title, name, held.column if isinstance(held, Family) else held)
        raise AssertionError(f"{title} is not stored")

    def _of_column(self, title: str, name: str, column: Column) -> Stored:
        kind = column.type
        keep = _keeper(column)
        if kind.numeric:
            form, scale = self._form(name, column)
            return Stored(title, "number", Number(form, quoted(title), scale))
        order = None if kind.order is None else tuple(map(keep, kind.order))
        return Stored(title, _kind(kind, column), order=order, kept=keep)

    def _form(self, name: str, column: Column) -> tuple[Form, int]:
        if column.data.dtype.kind == "f":
            return "double", 0
        if column.type.scale:
            return "decimal", column.type.scale
        metric = self._generation.catalog.schema.metrics.get(name)
        return ("count" if metric is not None and metric.kind in _COUNTS else "integer"), 0

    def today(self) -> dt.date:
        """The local date of the generation's clock."""
        return _date(clock.today(self._generation.as_of, self._generation.catalog.zone))

    def local_date(self, moment: dt.datetime) -> dt.date | None:
        """The local date of a moment."""
        return _date(clock.today(clock.to_microseconds(moment), self._generation.catalog.zone))

    def expanded(self, rule: nodes.Rule, variable: str | None) -> Sequence[nodes.Rule]:
        """*rule* once a category of the families that it is about."""
        categories = self._executor.categories_of(rule, variable)
        return [substitute(rule, variable, category) for category in categories]


def _keeper(column: Column) -> Callable[[str], str]:
    return lambda text: str(as_kept(column, [text])[0].as_py())


def _kind(kind: ValueType, column: Column) -> Kind:
    if kind.kind == "id" and column.dictionary is None:
        return "id"
    match kind.kind:
        case "date" | "time" | "bool" | "tags":
            return kind.kind
        case _:
            return "text"


def _date(day: int) -> dt.date:
    try:
        return _EPOCH + dt.timedelta(days=day)
    except OverflowError:
        raise RuleError("a date is outside the years 1 to 9999", found=f"day {day} of 1970") from None

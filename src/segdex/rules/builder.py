"""What the grammar's rules make: each method gets the parts of one reduction and returns a node.

One builder serves all threads. What belongs to the parse at hand, the places of its nodes and how much it has made, is
local to the thread.
"""

# ruff: noqa: D102 - each method is named after the rule of the grammar that it answers

from __future__ import annotations

import threading
from typing import Any, Literal, TypeVar

from segdex.errors import ArgumentError, RuleError
from segdex.rules import nodes
from segdex.rules.limits import MOST_ARGUMENTS, MOST_ITEMS, MOST_NODES, MOST_STEPS, place, step_fault, too_large
from segdex.rules.tokens import (
    Word,
    at,
    date_of,
    duration_of,
    filled,
    name_of,
    number_of,
    placed,
    string_of,
    time_of,
    whole_of,
)
from segdex.rules.windows import (
    Calendar,
    Dates,
    Last,
    Lifetime,
    Previous,
    Rolling,
    This,
    Window,
    window_fault,
)
from segdex.rules.words import is_kind, is_option

NodeT = TypeVar("NodeT", bound=nodes.Node)


class Work(threading.local):
    """One parse of one thread."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Forget the parse before."""
        self.positions: dict[int, tuple[int, int]] = {}
        self.count = 0
        self.items = 0
        self.has_variables = False


class Builder:
    """Turns reductions of the grammar into nodes; method names are those of the grammar."""

    def __init__(self) -> None:
        self.work = Work()

    # --- rules ---------------------------------------------------------------------------------------------------

    def either(self, parts: list[Any]) -> nodes.Or:
        return self._grown(nodes.Or(tuple(parts)), parts[0])

    def both(self, parts: list[Any]) -> nodes.And:
        return self._grown(nodes.And(tuple(parts)), parts[0])

    def negated(self, parts: list[Any]) -> nodes.Not:
        return self._grown(nodes.Not(parts[1]), parts[0])

    def compare(self, parts: list[Any]) -> nodes.Compare:
        left, sign, right = parts
        return self._grown(nodes.Compare(str(sign), left, right), left)  # type: ignore[arg-type]

    def between(self, parts: list[Any]) -> nodes.Between:
        return self._grown(nodes.Between(*parts), parts[0])

    def in_list(self, parts: list[Any]) -> nodes.In:
        value, constants = parts
        return self._grown(nodes.In(value, tuple(constants)), value)

    def not_in_list(self, parts: list[Any]) -> nodes.In:
        value, _, constants = parts
        return self._grown(nodes.In(value, tuple(constants), negated=True), value)

    def has(self, parts: list[Any]) -> nodes.Has:
        value, mode, strings = parts
        named = self._named(value, "has")
        values = tuple(string_of(each) for each in strings)
        return self._grown(nodes.Has(named, str(mode).lower(), values), value)  # type: ignore[arg-type]

    def known(self, parts: list[Any]) -> nodes.Known:
        return self._grown(nodes.Known(parts[0]), parts[0])

    def missing(self, parts: list[Any]) -> nodes.Missing:
        return self._grown(nodes.Missing(parts[0]), parts[0])

    def match(self, parts: list[Any]) -> nodes.Match:
        value, mode, string, *ignoring = parts
        node = nodes.Match(value, str(mode).lower(), string_of(string), bool(ignoring))  # type: ignore[arg-type]
        return self._grown(node, value)

    def soon(self, parts: list[Any]) -> nodes.Soon:
        value, within = parts
        return self._grown(nodes.Soon(value, duration_of(within)), value)

    def near(self, parts: list[Any]) -> nodes.Near:
        value, radius, latitude, longitude = parts
        named = self._named(value, "within … km of")
        try:
            node = nodes.Near(named, number_of(radius).value, latitude.value, longitude.value)
        except ArgumentError as error:
            raise placed(error, radius) from None
        return self._grown(node, value)

    def did(self, parts: list[Any]) -> nodes.Did:
        word, arguments = parts
        return self._grown(nodes.Did(self._call("count", word, arguments)), word)

    def segment(self, parts: list[Any]) -> nodes.Segment:
        word, name = parts
        return self._grown(nodes.Segment(filled(string_of(name), name)), word)

    def everyone(self, parts: list[Any]) -> nodes.Everyone:
        return self._grown(nodes.Everyone(), parts[0])

    def for_any(self, parts: list[Any]) -> nodes.ForAny:
        word, variable, rule = parts
        return self._grown(nodes.ForAny(name_of(variable), rule), word)

    # --- values --------------------------------------------------------------------------------------------------

    def arithmetic(self, parts: list[Any]) -> nodes.Arithmetic:
        left, sign, right = parts
        return self._grown(nodes.Arithmetic(str(sign), left, right), left)  # type: ignore[arg-type]

    def negative(self, parts: list[Any]) -> nodes.Negative:
        return self._grown(nodes.Negative(parts[1]), parts[0])

    def positive_number(self, parts: list[Any]) -> nodes.Number:
        return self._made(number_of(parts[0]), parts[0])

    def negative_number(self, parts: list[Any]) -> nodes.Number:
        # Not unary minus, which rounds to the digits of the thread's decimal context.
        return self._made(nodes.Number(number_of(parts[1]).value.copy_negate()), parts[0])

    def name(self, parts: list[Any]) -> nodes.Name:
        return self._made(nodes.Name(name_of(parts[0])), parts[0])

    def item(self, parts: list[Any]) -> nodes.Item:
        of, key = parts
        return self._grown(nodes.Item(of, key), of)

    def any_category(self, parts: list[Any]) -> nodes.AnyCategory:
        return self._made(nodes.AnyCategory(), parts[0])

    def variable(self, parts: list[Any]) -> nodes.Variable:
        self.work.has_variables = True
        return self._made(nodes.Variable(name_of(parts[0])), parts[0])

    def anniversary(self, parts: list[Any]) -> nodes.Anniversary:
        return self._grown(nodes.Anniversary(parts[1]), parts[0])

    def bucket(self, parts: list[Any]) -> nodes.Bucket:
        word, salt, count = parts
        number = whole_of(count, nodes.LARGEST_BUCKET_COUNT, "the number of buckets")
        return self._grown(nodes.Bucket(string_of(salt), number), word)

    def today(self, parts: list[Any]) -> nodes.Today:
        return self._made(nodes.Today(), parts[0])

    def length(self, parts: list[Any]) -> nodes.Length:
        return self._made(nodes.Length(duration_of(parts[0])), parts[0])

    def text(self, parts: list[Any]) -> nodes.Text:
        return self._made(nodes.Text(string_of(parts[0])), parts[0])

    def true(self, parts: list[Any]) -> nodes.Boolean:
        return self._made(nodes.Boolean(True), parts[0])

    def false(self, parts: list[Any]) -> nodes.Boolean:
        return self._made(nodes.Boolean(False), parts[0])

    def date(self, parts: list[Any]) -> nodes.Date:
        return self._made(nodes.Date(date_of(parts[0])), parts[0])

    def time(self, parts: list[Any]) -> nodes.Time:
        return self._made(nodes.Time(time_of(parts[0])), parts[0])

    # --- lists, calls and windows --------------------------------------------------------------------------------

    def first(self, parts: list[Any]) -> list[Any]:
        self.work.items += 1
        return parts

    def more(self, parts: list[Any]) -> list[Any]:
        held: list[Any]
        held, item = parts
        self.work.items += 1
        if self.work.items > MOST_ITEMS:
            self._refuse(item)
        held.append(item)
        return held

    def call(self, parts: list[Any]) -> nodes.Call:
        kind, arguments = parts
        word = str(kind).lower()
        if not is_kind(word):
            raise RuleError("no kind of metric has this name", place=at(kind), found=repr(word[:40]))
        return self._call(word, kind, arguments)

    def sequence(self, parts: list[Any]) -> nodes.Sequence:
        word, *rest = parts
        steps = tuple(each for each in rest if isinstance(each, nodes.Step))
        named = {name: value for name, _, value in (each for each in rest if isinstance(each, tuple))}
        if len(steps) > MOST_STEPS:
            raise RuleError("a sequence has too many steps", place=at(word), allowed=str(MOST_STEPS))
        for number, step in enumerate(steps):
            fault = step_fault(number, step.negated, step.within)
            if fault is not None:
                raise RuleError(fault[1], place=place(*self.work.positions[id(step)]))
        return self._grown(nodes.Sequence(steps, **named), word)

    def step(self, parts: list[Any]) -> nodes.Step:
        first = parts[0]
        negated = first.type == "NOT"
        stream, *rest = parts[negated:]
        where = next((each[2] for each in rest if isinstance(each, tuple)), None)
        within = next((duration_of(each) for each in rest if not isinstance(each, tuple)), None)
        return self._grown(nodes.Step(name_of(stream), where, negated, within), first)

    def match_on(self, parts: list[Any]) -> tuple[str, Any, Any]:
        return "on", parts[0], name_of(parts[0])

    def arguments(self, parts: list[Any]) -> list[Any]:
        return parts

    def source(self, parts: list[Any]) -> list[Any]:
        return parts

    def where(self, parts: list[Any]) -> tuple[str, Any, Any]:
        return "where", *parts

    def having(self, parts: list[Any]) -> tuple[str, Any, Any]:
        return "having", *parts

    def option(self, parts: list[Any]) -> tuple[str, Any, Any]:
        word, setting = parts
        return str(word).lower(), word, setting

    def rolling(self, parts: list[Any]) -> tuple[str, Any, Any]:
        return _window(Rolling(duration_of(parts[0])), parts[0])

    def rolling_between(self, parts: list[Any]) -> tuple[str, Any, Any]:
        return _window(Rolling(duration_of(parts[0]), duration_of(parts[1])), parts[0])

    def rolling_until(self, parts: list[Any]) -> tuple[str, Any, Any]:
        return _window(Rolling(None, duration_of(parts[0])), parts[0])

    def dates_from(self, parts: list[Any]) -> tuple[str, Any, Any]:
        return _window(Dates(date_of(parts[0]), None), parts[0])

    def dates_between(self, parts: list[Any]) -> tuple[str, Any, Any]:
        return _window(Dates(date_of(parts[0]), date_of(parts[1])), parts[0])

    def dates_until(self, parts: list[Any]) -> tuple[str, Any, Any]:
        return _window(Dates(None, date_of(parts[0])), parts[0])

    def calendar(self, parts: list[Any]) -> tuple[str, Any, Any]:
        word, length, *today = parts
        return _window(Calendar(duration_of(length), bool(today)), word)

    def last(self, parts: list[Any]) -> tuple[str, Any, Any]:
        word, count = parts
        return _window(Last(whole_of(count, 10**9, "the number of transactions")), word)

    def this(self, parts: list[Any]) -> tuple[str, Any, Any]:
        return _window(This(str(parts[1]).lower()), parts[0])  # type: ignore[arg-type]

    def previous(self, parts: list[Any]) -> tuple[str, Any, Any]:
        return _window(Previous(str(parts[1]).lower()), parts[0])  # type: ignore[arg-type]

    def lifetime(self, parts: list[Any]) -> tuple[str, Any, Any]:
        return _window(Lifetime(), parts[0])

    # --- common --------------------------------------------------------------------------------------------------

    def _made(self, node: NodeT, start: Word) -> NodeT:
        """Note where a name or literal stands."""
        self.work.positions[id(node)] = (start.line, start.column)
        return node

    def _grown(self, node: NodeT, start: Word | nodes.Node) -> NodeT:
        """Note where a node stands that has others below it, and refuse the one too many."""
        work = self.work
        positions = work.positions
        positions[id(node)] = positions[id(start)] if isinstance(start, nodes.Node) else (start.line, start.column)
        work.count += 1
        if work.count > MOST_NODES:
            self._refuse(node)
        return node

    def _refuse(self, start: Word | nodes.Node) -> None:
        error = too_large(0, self.work.count, self.work.items)
        assert error is not None  # one of the two is beyond its limit
        where = place(*self.work.positions[id(start)]) if isinstance(start, nodes.Node) else at(start)
        raise error.at(where)

    def _named(self, value: nodes.Value, operator: str) -> nodes.Name:
        if isinstance(value, nodes.Name):
            return value
        where = place(*self.work.positions[id(value)])
        raise RuleError(f"before '{operator}' stands a name", place=where, found="a computed value or a literal")

    def _call(self, kind: str, start: Word, arguments: list[Any]) -> nodes.Call:
        (of, *field), *rest = arguments
        if len(rest) > MOST_ARGUMENTS:
            raise RuleError("a call has too many parts", place=at(start), allowed=f"{MOST_ARGUMENTS} after the stream")
        parts: dict[str, Any] = {}
        options: dict[str, Any] = {}
        for name, word, value in rest:
            if name in parts or name in options:
                raise RuleError(f"{name} is given twice", place=at(word), found=repr(str(word)[:40]))
            if name in ("window", "where", "having"):
                parts[name] = value
            elif name == "by":
                parts[name] = _by(value, word)
            elif name == "field":
                raise RuleError("a field is no option", place=at(word), hint=f"write {kind}({name_of(of)}.field)")
            elif is_option(name):
                options[name] = value
            else:
                raise RuleError("no option has this name", place=at(word), found=repr(name[:40]))
        named = name_of(field[0]) if field else None
        return self._grown(nodes.Call(kind, name_of(of), named, options=options, **parts), start)


def _by(value: nodes.Node, word: Word) -> str:
    if isinstance(value, nodes.Name):
        return value.name
    raise RuleError("by takes the name of a field", place=at(word), hint="write by = department, without quotes")


def _window(window: Window, word: Word) -> tuple[Literal["window"], Word, Window]:
    fault = window_fault(window)
    if fault:
        raise RuleError(fault, place=at(word))
    return "window", word, window

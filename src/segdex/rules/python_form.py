"""Rules as Python expressions: ``segdex.field("orders_3m") > 7``.

Operators make rules instead of answers: ``==`` of two expressions is a rule, and ``and``, ``or``, ``not`` and chained
comparisons raise, since Python would drop a part of what they say. Use ``&``, ``|``, ``~`` and parentheses.
`segdex.rules.python_source` goes the other way.
"""

from __future__ import annotations

import keyword
import operator
from typing import Any

from segdex.errors import ArgumentError
from segdex.rules import nodes
from segdex.rules.expressions import ANY, Category, Expression, duration, filled, string, value_of
from segdex.rules.nodes import Rule
from segdex.rules.windows import Duration, Window
from segdex.rules.words import is_kind, is_option

__all__ = [
    "ANY",
    "all_of",
    "anniversary",
    "any_category",
    "any_of",
    "bucket",
    "call",
    "did",
    "everyone",
    "field",
    "segment",
    "sequence",
    "step",
    "today",
    "value",
    "variable",
]  # fmt: skip


# --- values ----------------------------------------------------------------------------------------------------------


def field(name: str) -> Expression:
    """A declared name: an attribute, a metric, a band, stages, a label; within ``where`` a field of the stream."""
    return Expression(nodes.Name(filled(name)))


def value(text: str) -> Expression:
    """Any value as the rule language writes it: ``value("2026-01-31")``, ``value("30d")``, ``value("spend_6m / 6")``.

    Raises:
        RuleError: *text* is no value.
    """
    from segdex.rules.text import parse_value

    return Expression(parse_value(text))


def today() -> Expression:
    """The local date of the index's clock."""
    return Expression(nodes.Today())


def anniversary(of: str) -> Expression:
    """The next anniversary of a date attribute, on or after today."""
    return Expression(nodes.Anniversary(nodes.Name(filled(of))))


def bucket(salt: str, count: int) -> Expression:
    """A stable pseudo-random number of each customer, 0 to *count* - 1: ``bucket("spring-test", 100) < 10``."""
    try:
        number = int(operator.index(count))
    except TypeError:
        raise ArgumentError("the number of buckets", found=repr(count), allowed="a whole number") from None
    if not 1 <= number <= nodes.LARGEST_BUCKET_COUNT:
        raise ArgumentError("the number of buckets is out of range", allowed=f"1 to {nodes.LARGEST_BUCKET_COUNT:,}")
    return Expression(nodes.Bucket(string(salt), number))


def call(kind: str, of: str, /, **parts: Any) -> Expression:
    """A metric straight from a stream: ``call("count", "orders", window="90d", where=field("amount") > 20)``.

    Args:
        kind: the kind of metric.
        of: the stream, or for kinds that take one the attribute.
        parts: *field*, *by* (names), *window* (as in a rule: ``"180d..90d"``), *where*, *having* (rules, or their
            text), and the options of the kind. One that is a word of Python ends with an underscore: ``from_="first"``.
    """
    if not isinstance(kind, str) or not is_kind(kind):
        raise ArgumentError("not a kind of metric", found=repr(kind))
    return Expression(_call(kind, of, parts))


def step(
    of: str, /, *, where: Rule | str | None = None, not_: bool = False, within: str | Duration | None = None
) -> nodes.Step:
    """One step of a `sequence`: ``step("orders", not_=True, within="3d")``.

    Args:
        of: the stream.
        where: which of its rows, a rule over its fields or the text of one.
        not_: that no such row comes, instead of one.
        within: how long after the step before, such as ``"3d"``.
    """
    rule = None if where is None else _read(where)
    return nodes.Step(filled(of), rule, bool(not_), None if within is None else duration(within))


def sequence(
    first: nodes.Step | str, /, *then: nodes.Step | str, on: str | None = None, window: Window | str | None = None
) -> Expression:
    """How many rows of the first step are followed by the others: ``sequence("cart_adds", "orders", on="product_id")``.

    Args:
        first: what happens first; a name is that of a stream.
        then: the steps that follow, see `step`.
        on: a field that the rows of all steps have in common.
        window: when the first step happened, as in a rule: ``"30d"``.
    """
    steps = tuple(each if isinstance(each, nodes.Step) else nodes.Step(filled(each)) for each in (first, *then))
    return Expression(nodes.Sequence(steps, None if on is None else filled(on), _window(window)))


def did(of: str, /, **parts: Any) -> nodes.Did:
    """At least one transaction of the stream: ``did("orders", window="7d")``; *parts* as for `call`."""
    return nodes.Did(_call("count", of, parts))


# --- rules -----------------------------------------------------------------------------------------------------------


def segment(name: str) -> nodes.Segment:
    """The members of a segment that is defined elsewhere."""
    return nodes.Segment(filled(name))


def everyone() -> nodes.Everyone:
    """The whole universe."""
    return nodes.Everyone()


def variable(name: str) -> Category:
    """The category that `any_category` goes through: ``any_category("c", field("share")[variable("c")] > 0.5)``."""
    return Category(nodes.Variable(filled(name)))


def any_category(name: str, rule: Rule) -> nodes.ForAny:
    """*rule* holds with one category in place of ``variable(name)`` throughout."""
    return nodes.ForAny(filled(name), _rule(rule))


def all_of(*rules: Rule) -> nodes.And:
    """All of two or more rules; unlike ``&`` it keeps an ``and`` inside it as a group of its own."""
    return nodes.And(_several(rules))


def any_of(*rules: Rule) -> nodes.Or:
    """At least one of two or more rules; unlike ``|`` it keeps an ``or`` inside it as a group of its own."""
    return nodes.Or(_several(rules))


def _rule(given: object) -> Any:
    if not isinstance(given, Rule):
        raise ArgumentError("not a rule", found=repr(given))
    return given


def _several(rules: tuple[Rule, ...]) -> tuple[Any, ...]:
    if len(rules) < 2:
        raise ArgumentError("it takes at least two rules")
    return tuple(map(_rule, rules))


def _call(kind: str, of: str, parts: dict[str, Any]) -> nodes.Call:
    names: dict[str, Any] = {part: filled(parts.pop(part)) for part in ("field", "by") if parts.get(part) is not None}
    rules = {part: _read(parts.pop(part)) for part in ("where", "having") if parts.get(part) is not None}
    window = _window(parts.pop("window", None))
    options: dict[str, Any] = {}
    for given, setting in parts.items():
        stem = given[:-1]
        option = stem if given.endswith("_") and keyword.iskeyword(stem) else given
        if not is_option(option):
            raise ArgumentError("no option of a call has this name", found=repr(option))
        options[option] = nodes.Length(setting) if isinstance(setting, Duration) else value_of(setting)
    return nodes.Call(kind, filled(of), window=window, options=options, **names, **rules)


def _read(given: Rule | str) -> Any:
    if not isinstance(given, str):
        return _rule(given)
    from segdex.rules.text import parse

    return parse(given)


def _window(given: Window | str | None) -> Window | None:
    if given is None or isinstance(given, Window):
        return given
    if not isinstance(given, str):
        raise ArgumentError("not a window", found=repr(given), allowed="text such as '90d' or '180d..90d'")
    from segdex.rules.text import parse_window

    return parse_window(given)

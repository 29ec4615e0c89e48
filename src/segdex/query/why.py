"""Why a rule holds for one customer, or why not: each part with the values that decide it."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from segdex.bitmap.predicate import has
from segdex.deadlines import current
from segdex.generation import MEMBER, PredicateName
from segdex.query.among import Among
from segdex.query.bind import All, Bound, Every, ForAny, Leaf, Named, Some, Stored, Without, chosen_items, substitute
from segdex.query.execute import Executor
from segdex.query.leaves import references
from segdex.rules import nodes
from segdex.rules.printer import value_to_text
from segdex.values import masks
from segdex.values.arrow import to_arrow
from segdex.values.column import Column
from segdex.values.operands import operand

MOST_CATEGORIES = 5
"""Of the categories for which a part holds so many are named."""


@dataclasses.dataclass(frozen=True, slots=True)
class Reason:
    """One part of a rule, for one customer.

    Attributes:
        name: ``and``, ``or``, ``not``, ``everyone``, the name of a segment, or the text of a comparison.
        holds: whether it holds.
        values: what it compares, by name; None is a missing value.
        categories: of a comparison of any category, those for which it holds, a few at most.
        parts: what it is made of.
    """

    name: str
    holds: bool
    values: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    categories: tuple[str, ...] = ()
    parts: tuple[Reason, ...] = ()

    def lines(self, depth: int = 0) -> Iterator[str]:
        """The part and what it is made of as lines of text, parts indented."""
        told = f"  ({self.words})" if self.words else ""
        yield f"{'yes' if self.holds else 'no ':3}  {'  ' * depth}{self.name}{told}"
        for part in self.parts:
            yield from part.lines(depth + 1)

    @property
    def words(self) -> str:
        """The values in words: ``orders_3m is 5, country is missing``."""
        if self.categories:
            return f"for {', '.join(map(repr, self.categories))}"
        return ", ".join(f"{name} is {shown(value)}" for name, value in self.values.items())

    def deciding(self) -> Iterator[Reason]:
        """The comparisons that settle it: of an AND that fails those that fail, of an OR that holds those that hold."""
        if self.name in ("and", "or"):
            settling = [part for part in self.parts if part.holds == self.holds]
            for part in settling:
                yield from part.deciding()
        elif self.parts:
            for part in self.parts:
                yield from part.deciding()
        else:
            yield self


@dataclasses.dataclass(frozen=True, slots=True)
class Why:
    """Why a rule holds for one customer, or why not.

    Attributes:
        rule: the rule's text.
        holds: whether the customer is in.
        reason: the rule, part by part.
        as_of: the clock, ISO 8601.
        generation: the number of the generation.
    """

    rule: str
    holds: bool
    reason: Reason
    as_of: str
    generation: int

    @property
    def sentence(self) -> str:
        """What settles it, in words."""
        told = dict.fromkeys(_told(each) for each in self.reason.deciding())
        return f"{'In' if self.holds else 'Not in'}, because {' and '.join(told)}."

    def __str__(self) -> str:
        return "\n".join([self.sentence, *self.reason.lines()])


def _told(reason: Reason) -> str:
    if reason.name == "everyone":
        return "everyone is"
    verb = "holds" if reason.holds else "does not hold"
    return f"{reason.name} {verb}" + (f" ({reason.words})" if reason.words else "")


def shown(value: Any) -> str:
    """A value for people: strings in quotes, moments as they are written in a rule."""
    match value:
        case None:
            return "missing"
        case bool():
            return "true" if value else "false"
        case str():
            return f"'{value}'"
        case float():
            return f"{value:.10g}"
        case dt.datetime() | dt.date():
            return value.isoformat().replace("+00:00", "Z")
        case list() | tuple():
            return ", ".join(map(shown, value)) or "no tags"
        case dict():
            return ", ".join(f"{name} {shown(each)}" for name, each in value.items())
        case _:
            return str(value)


def why(bound: Bound, at: int, executor: Executor) -> Reason:
    """Why *bound* holds for the customer with dense id *at*, or why not."""
    return _Customer(at, executor).reason(bound)


class _Customer:
    """One customer, asked part by part; what is computed from streams is computed from the customer's rows alone."""

    def __init__(self, at: int, executor: Executor) -> None:
        self._at = at
        self._executor = executor
        self._items = Among(executor.customers, np.array([at], np.int64))

    def reason(self, bound: Bound) -> Reason:
        match bound:
            case Every():
                return Reason("everyone", True)
            case All(parts):
                held = tuple(self.reason(part) for part in parts)
                return Reason("and", all(each.holds for each in held), parts=held)
            case Some(parts):
                held = tuple(self.reason(part) for part in parts)
                return Reason("or", any(each.holds for each in held), parts=held)
            case Without(part):
                inner = self.reason(part)
                return Reason("not", not inner.holds, parts=(inner,))
            case Named(name, part):
                inner = self.reason(part)
                return Reason(f"segment {name!r}", inner.holds, parts=(inner,))
            case ForAny():
                return self._for_any(bound)
            case Stored(name):
                members = self._executor.generation.predicates[PredicateName(name, MEMBER)]
                return Reason(f"loaded set {name!r}", has(members, self._at))
            case Leaf(rule, text):
                return Reason(text, self._holds(rule), self._values(rule))

    def _holds(self, rule: nodes.Rule) -> bool:
        if isinstance(rule, nodes.Near):  # answered from places, not from values
            return bool(self._executor.customers.near(rule)[self._at])
        return bool(masks.leaf(rule, self._items)[0])

    def _values(self, rule: nodes.Rule) -> dict[str, Any]:
        one = np.zeros(1, np.uint32)
        found = {}
        for each in references(rule):
            column = operand(each, self._items)
            assert isinstance(column, Column)
            found[value_to_text(each)] = to_arrow(column, one)[0].as_py()
        return found

    def _for_any(self, bound: ForAny) -> Reason:
        """Whether it holds for some category, and for which."""
        items = chosen_items(bound)
        names = {name for item in items for name in self._items.family(item).categories.to_pylist()}
        names |= self._executor.customers.other_categories(items)
        names -= self._executor.customers.vanished(items)
        found: list[str] = []
        deadline = current()
        for category in sorted(names, key=str.encode):
            deadline.check()
            one = self._executor.binder.bind_checked(substitute(bound.rule, bound.variable, category))
            if self.reason(one).holds:
                found.append(category)
                if len(found) == MOST_CATEGORIES:
                    break
        return Reason(bound.text, bool(found), categories=tuple(found))

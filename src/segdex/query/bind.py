"""From a rule to a bound rule: names checked, references to segments followed, leaves told from algebra."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import TypeAlias

from segdex.forks import Once
from segdex.rules import nodes
from segdex.schema.catalog import Catalog
from segdex.schema.check import check_rule


@dataclasses.dataclass(frozen=True, slots=True)
class Leaf:
    """A rule without parts: answered from a predicate or by comparing values."""

    rule: nodes.Rule
    text: str


@dataclasses.dataclass(frozen=True, slots=True)
class Every:
    """The universe."""


@dataclasses.dataclass(frozen=True, slots=True)
class All:
    """The intersection of *parts*."""

    parts: tuple[Bound, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Some:
    """The union of *parts*."""

    parts: tuple[Bound, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Without:
    """The universe less *part*."""

    part: Bound


@dataclasses.dataclass(frozen=True, slots=True)
class Named:
    """A segment that other rules refer to; *part* is its rule."""

    name: str
    part: Bound


@dataclasses.dataclass(frozen=True, slots=True)
class ForAny:
    """*rule* holds for some category in place of *variable* (None: of every ``[any]`` of one comparison)."""

    variable: str | None
    rule: nodes.Rule
    text: str


@dataclasses.dataclass(frozen=True, slots=True)
class Stored:
    """The members of a segment that has no rule: a set that was loaded."""

    name: str


Bound: TypeAlias = Leaf | Every | All | Some | Without | Named | ForAny | Stored


class Binder:
    """Binds rules to a catalog. A segment or stage is bound once however often it is used."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._segments: dict[str, Named] = {}

    def bind(self, rule: nodes.Rule, positions: Mapping[int, tuple[int, int]] | None = None) -> Bound:
        """Check *rule* and bind it.

        Raises:
            RuleError: a name or a type does not fit the schema.
        """
        check_rule(rule, self._catalog, self._catalog.customers(), positions)
        return self.bind_checked(rule)

    def bind_checked(self, rule: nodes.Rule) -> Bound:
        """Bind a rule that has passed the check: a part of one, or one of the schema's own."""
        match rule:
            case nodes.Everyone():
                return Every()
            case nodes.And(rules):
                return All(tuple(self.bind_checked(each) for each in rules))
            case nodes.Or(rules):
                return Some(tuple(self.bind_checked(each) for each in rules))
            case nodes.Not(inner):
                return Without(self.bind_checked(inner))
            case nodes.Segment(name):
                return self._segment(name)
            case nodes.ForAny(variable, inner):
                return ForAny(variable, inner, str(rule))
            case _ if any(isinstance(node, nodes.AnyCategory) for node in nodes.walk(rule)):
                return ForAny(None, rule, str(rule))
            case _:
                return Leaf(rule, str(rule))

    def _segment(self, name: str) -> Named:
        if name not in self._segments:
            where = self._catalog.schema.segments[name].where
            assert not isinstance(where, str)
            self._segments[name] = Named(name, Stored(name) if where is None else self.bind_checked(where))
        return self._segments[name]

    @Once
    def stages(self) -> dict[str, tuple[Bound, ...]]:
        """The rules of each list of stages, in their order."""
        lists = self._catalog.schema.stages
        return {name: tuple(self.bind_checked(_checked(each.where)) for each in lists[name]) for name in lists}

    @Once
    def kept_calls(self) -> tuple[tuple[str, nodes.Call], ...]:
        """The inline calls in rules whose answers are kept of each customer, those of stages and tracked segments.

        Each comes with the place of its rule in the schema.
        """
        segments = self._catalog.schema.segments
        rules = {f"stages.{name}.{at}": rule for name, held in self.stages.items() for at, rule in enumerate(held)}
        rules |= {f"segments.{name}": self._segment(name) for name, each in segments.items() if each.tracked}
        return tuple(
            (place, node)
            for place, rule in rules.items()
            for leaf in leaves(rule)
            for node in nodes.walk(leaf.rule)
            if isinstance(node, nodes.Call)
        )


def _checked(rule: nodes.Rule | str) -> nodes.Rule:
    assert not isinstance(rule, str)
    return rule


def leaves(bound: Bound) -> Iterator[Leaf | ForAny]:
    """The leaves of a bound rule, those of nested segments included, each segment looked into once."""
    seen: set[str] = set()
    left = [bound]
    while left:
        match left.pop():
            case Leaf() | ForAny() as leaf:
                yield leaf
            case All(parts) | Some(parts):
                left.extend(reversed(parts))
            case Without(part):
                left.append(part)
            case Named(name, part) if name not in seen:
                seen.add(name)
                left.append(part)


def chosen_items(bound: ForAny) -> list[nodes.Item]:
    """The values of families that have the category in question as their key."""
    items = [node for node in nodes.walk(bound.rule) if isinstance(node, nodes.Item)]
    if bound.variable is None:
        return [item for item in items if isinstance(item.key, nodes.AnyCategory)]
    return [item for item in items if item.key == nodes.Variable(bound.variable)]


def substitute(rule: nodes.Rule, variable: str | None, category: str) -> nodes.Rule:
    """*rule* with *category* in place of a variable, or with None of every ``[any]``."""
    changed = _replaced(rule, variable, nodes.Text(category))
    assert isinstance(changed, nodes.Rule)
    return changed


def _replaced(held: object, variable: str | None, key: nodes.Text) -> object:
    match held:
        case nodes.ForAny(inner, _) if inner == variable and variable is not None:
            return held  # the inner variable hides the outer one
        case nodes.Item(of, nodes.Variable(name)) if name == variable:
            return nodes.Item(of, key)
        case nodes.Item(of, nodes.AnyCategory()) if variable is None:
            return nodes.Item(of, key)
        case nodes.Call() | nodes.Sequence():
            return held
        case nodes.Node():
            return type(held)(*(_replaced(getattr(held, name), variable, key) for name in held.__struct_fields__))
        case tuple():
            return tuple(_replaced(each, variable, key) for each in held)
        case _:
            return held

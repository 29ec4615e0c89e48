"""A bound rule to a set of customers, by plain Roaring algebra.

This is the obvious path: every operator is one operation on sets. It stays as the oracle of any faster engine.
"""

from __future__ import annotations

import time
from functools import reduce
from operator import and_

from segdex.bitmap import roaring
from segdex.bitmap.roaring import BitMap
from segdex.errors import LimitError
from segdex.generation import Generation
from segdex.query.bind import All, Binder, Bound, Every, ForAny, Leaf, Named, Some, Without, substitute
from segdex.query.customers import Customers
from segdex.query.explain import Step
from segdex.query.leaves import leaf_set, references
from segdex.query.remember import Remembered
from segdex.rules import nodes

MOST_COMBINATIONS = 200_000
"""How many categories, or combinations of them, one ``any c (…)`` may try; each takes some 50 microseconds."""
MOST_BYTES = 256 << 20
"""How many bytes of sets a generation remembers; ten million customers fill at most 1.25 MB with one."""


class Executor:
    """Answers bound rules over one generation. Safe from many threads; what it returns must not be changed."""

    def __init__(self, generation: Generation) -> None:
        self.generation = generation
        self.customers = Customers(generation)
        self.binder = Binder(generation.catalog)
        self._sets: Remembered[tuple[BitMap, str]] = Remembered(MOST_BYTES, lambda held: roaring.size_of(held[0]))

    def members(self, bound: Bound) -> BitMap:
        """The customers of the universe that the rule holds for."""
        match bound:
            case Every():
                return self.generation.universe
            case Leaf(rule, text):
                return self._leaf(rule, text)[0]
            case All(parts):
                return self._intersection(parts)
            case Some(parts):
                return roaring.union(self.members(part) for part in parts)
            case Without(part):
                return self.generation.universe - self.members(part)
            case Named(name, part):
                return self._sets.get(f"segment:{name}", lambda: (self.members(part), "segment"))[0]
            case ForAny(_, _, text):
                return self._sets.get(f"any:{text}", lambda: (self._for_any(bound), "categories"))[0]

    def count(self, bound: Bound) -> int:
        """How many customers the rule holds for."""
        match bound:
            case All((left, Without(right))):
                return self.members(left).difference_cardinality(self.members(right))
            case All((left, right)):
                return self.members(left).intersection_cardinality(self.members(right))
            case Some((left, right)):
                return self.members(left).union_cardinality(self.members(right))
            case Without(part):
                return len(self.generation.universe) - self.count(part)
            case _:
                return len(self.members(bound))

    def trace(self, bound: Bound, seen: set[str] | None = None) -> Step:
        """Run the rule step by step, with the count, the time and the way of each; a segment is opened once."""
        seen = set() if seen is None else seen
        started = time.perf_counter()
        way = "algebra"
        inner: tuple[Step, ...] = ()
        match bound:
            case Every():
                name, way = "everyone", "universe"
            case Leaf(rule, text):
                name, way = text, self._leaf(rule, text)[1]
            case ForAny(_, _, text):
                name, way = text, "categories"
            case All(parts):
                name, inner = "and", tuple(self.trace(part, seen) for part in parts)
            case Some(parts):
                name, inner = "or", tuple(self.trace(part, seen) for part in parts)
            case Without(part):
                name, inner = "not", (self.trace(part, seen),)
            case Named(segment, part):
                name = f"segment {segment!r}"
                if segment not in seen:
                    seen.add(segment)
                    inner = (self.trace(part, seen),)
        found = len(self.members(bound))
        return Step(name, way, found, (time.perf_counter() - started) * 1e6, inner)

    def _intersection(self, parts: tuple[Bound, ...]) -> BitMap:
        """What is not negated is intersected, smallest first; what is negated is taken away."""
        kept = sorted((self.members(part) for part in parts if not isinstance(part, Without)), key=len)
        found = reduce(and_, kept) if kept else self.generation.universe
        for part in parts:
            if isinstance(part, Without):
                found = found - self.members(part.part)
        return found

    def _combinations(self, rule: nodes.Node) -> int:
        """How often the innermost rule is asked for each time that *rule* is."""
        inner = max((self._combinations(child) for child in nodes.children(rule)), default=1)
        if not isinstance(rule, nodes.ForAny):
            return inner
        chosen = nodes.Variable(rule.variable)
        items = [node for node in nodes.walk(rule.rule) if isinstance(node, nodes.Item) and node.key == chosen]
        return inner * max(len(self.customers.categories(items)), 1)

    def _leaf(self, rule: nodes.Rule, text: str) -> tuple[BitMap, str]:
        def compute() -> tuple[BitMap, str]:
            found, way = leaf_set(rule, self.generation, self.customers)
            return found & self.generation.universe, way

        return self._sets.get(f"leaf:{text}", compute)

    def _for_any(self, bound: ForAny) -> BitMap:
        """The union over categories; a comparison of one family with constants looks at all pairs at once."""
        items = [node for node in nodes.walk(bound.rule) if isinstance(node, nodes.Item)]
        if bound.variable is None and len(references(bound.rule)) == 1:
            return leaf_set(bound.rule, self.generation, self.customers)[0] & self.generation.universe
        key = nodes.AnyCategory if bound.variable is None else nodes.Variable
        ranged = [item for item in items if isinstance(item.key, key)]
        if bound.variable is not None:
            ranged = [item for item in ranged if item.key == nodes.Variable(bound.variable)]
        categories = self.customers.categories(ranged)
        combinations = len(categories) * self._combinations(bound.rule)
        if combinations > MOST_COMBINATIONS:
            raise LimitError(
                "too many combinations of categories",
                found=f"{combinations:,}",
                allowed=f"{MOST_COMBINATIONS:,}",
                hint="put less inside one another with 'any'",
            )
        found = BitMap()
        for category in categories:
            part = self.binder.bind_checked(substitute(bound.rule, bound.variable, category))
            found |= self.members(part)
        return found

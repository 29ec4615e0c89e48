"""From a bound rule to a formula over sets, and what a generation knows of these sets for rewriting."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from segdex.bitmap.program import Operand
from segdex.generation import MEMBER, PredicateName
from segdex.query import among
from segdex.query.bind import All, Bound, Every, ForAny, Named, Some, Stored, Without
from segdex.query.bind import Leaf as BoundLeaf
from segdex.query.bind import leaves as leaves_of
from segdex.query.formula import EVERYONE, NOBODY, And, Formula, Leaf, Or, Truth, negated
from segdex.query.leaves import Among, Labels, leaf_formula, leaf_mask
from segdex.rules import nodes
from segdex.schema.calls import metric_of
from segdex.values import masks
from segdex.values.column import Mask

if TYPE_CHECKING:
    from segdex.query.execute import Executor

MOST_AMONG = 0.25
"""A rule straight from a stream is asked of some customers only where these are at most so large a part of all: to
gather a row costs some four times what going past it does."""
MOST_AMONG_TEXT = 4096
"""What is asked of some customers is remembered by its text and theirs; a longer one is asked of all."""
Sets: TypeAlias = dict[Leaf, Operand]
"""What leaves stand for that were computed for a rule."""


class Resolved:
    """One rule's formula, and the predicates of its leaves, while it is made.

    What a rule computes straight from a stream is asked last, and of those customers only whom the rest of the rule
    leaves open: *those* in what follows, a formula.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._segments: dict[tuple[str, Formula], Formula] = {}
        self.sets: Sets = {}

    def formula(self, bound: Bound, those: Formula = EVERYONE) -> Formula:
        """*bound* as a formula that is right for *those*; a segment that is used twice is one formula."""
        match bound:
            case Every():
                return EVERYONE
            case All(parts):
                return And(self._parts(parts, those, lambda found: found))
            case Some(parts):
                return Or(self._parts(parts, those, negated))
            case Without(part):
                return negated(self.formula(part, those))
            case Named(name, part):
                key = name, (those if self._is_costly(part) else EVERYONE)
                if key not in self._segments:
                    self._segments[key] = self.formula(part, key[1])
                return self._segments[key]
            case BoundLeaf(rule, text):
                return self._leaf(rule, text, those)
            case ForAny(_, _, text):
                return self._computed(f"any:{text}", lambda: self._executor.for_any(bound))
            case Stored(name):
                return Leaf(PredicateName(name, MEMBER))

    def _parts(
        self, parts: tuple[Bound, ...], those: Formula, still: Callable[[Formula], Formula]
    ) -> tuple[Formula, ...]:
        """The formulas of *parts*; after each, only customers for whom ``still(its formula)`` holds matter."""
        costly = [self._is_costly(part) for part in parts]
        if not any(costly):
            return tuple(self.formula(part) for part in parts)
        found: dict[int, Formula] = {}
        for number in sorted(range(len(parts)), key=lambda number: costly[number]):
            found[number] = self.formula(parts[number], those if costly[number] else EVERYONE)
            those = And((those, still(found[number])))
        return tuple(found[number] for number in range(len(parts)))

    def _is_costly(self, bound: Bound) -> bool:
        """Whether anything in *bound* goes through a stream that was not gone through before."""
        return any(self._calls(leaf.rule) for leaf in leaves_of(bound) if isinstance(leaf, BoundLeaf))

    def _calls(self, rule: nodes.Rule) -> list[nodes.Call | nodes.Sequence]:
        customers, streams = self._executor.customers, self._executor.generation.catalog.fields
        return [
            node
            for node in nodes.walk(rule)
            if isinstance(node, nodes.Sequence) or (isinstance(node, nodes.Call) and node.of in streams)
            if not customers.holds(node)
        ]

    def _is_for_all(self, rule: nodes.Rule) -> bool:
        """Whether *rule* asks for what depends on all customers."""
        catalog = self._executor.generation.catalog
        return any(among.needs_all(metric_of(call, catalog)) for call in self._calls(rule))

    def _leaf(self, rule: nodes.Rule, text: str, those: Formula) -> Formula:
        executor = self._executor
        found = leaf_formula(rule, executor.generation, executor.customers)
        if found is not None:
            return found
        if those != EVERYONE and executor.way_of(text) is None and self._calls(rule) and not self._is_for_all(rule):
            asked = self._among(rule, text, those)
            if asked is not None:
                return asked
        return self._computed(text, lambda: leaf_mask(rule, executor.generation, executor.customers))

    def _among(self, rule: nodes.Rule, text: str, those: Formula) -> Leaf | None:
        """A leaf that holds for those of *those* for whom *rule* does; None where these are too many to be worth it."""
        executor, leaf = self._executor, Leaf(Among(text, those))
        name = str(leaf)
        if len(name) > MOST_AMONG_TEXT:
            return None
        plan = executor.plan_of(those, self.sets)
        if plan.count() > len(executor.generation.universe) * MOST_AMONG:
            return None

        def computed() -> tuple[Mask, str]:
            ids = executor.ids(plan).astype(np.int64)
            found = np.zeros(executor.generation.count, np.bool_)
            found[ids[masks.leaf(rule, among.Among(executor.customers, ids))]] = True
            return found, "values"

        self.sets[leaf], _ = executor.computed(name, computed)
        return leaf

    def _computed(self, text: str, compute: Callable[[], tuple[Mask, str]]) -> Formula:
        leaf = Leaf(text)
        self.sets[leaf], _ = self._executor.computed(text, compute)
        return leaf


class Facts:
    """What a generation knows of the leaves of one rule."""

    def __init__(self, executor: Executor, sets: Sets) -> None:
        self._executor = executor
        self._generation = executor.generation
        self._sets = sets

    def constant(self, leaf: Leaf) -> Truth | None:
        """Everyone or nobody, where the leaf is that."""
        cardinality = self._executor.cardinality_of(leaf, self._sets)
        if cardinality == 0:
            return NOBODY
        return EVERYONE if cardinality == len(self._generation.universe) else None

    def group(self, leaf: Leaf) -> tuple[str, str | None] | None:
        """Name and category of labels; to be known is to have any label of a column."""
        match leaf.name:
            case Labels(name, category, _):
                return name, category
            case PredicateName(name, None, None) if self._every(name):
                return name, None
        return None

    def labels(self, leaf: Leaf) -> frozenset[str]:
        """The labels of a leaf that is of a group."""
        if isinstance(leaf.name, Labels):
            return leaf.name.labels
        assert isinstance(leaf.name, PredicateName)
        return self._every(leaf.name.name)

    def labelled(self, group: Hashable, labels: frozenset[str]) -> Formula:
        """Those with one of *labels*, which may be none or all."""
        assert isinstance(group, tuple)
        name, category = group
        if not labels:
            return NOBODY
        if category is None and labels == self._every(name):
            return Leaf(PredicateName(name))
        return Leaf(Labels(name, category, labels))

    def _every(self, name: str) -> frozenset[str]:
        """All labels of a column of one label a customer, else none: labels of a family do not cover its presence."""
        kind = self._generation.catalog.types[name]
        if kind.family or kind.kind == "tags":
            return frozenset()
        return frozenset(self._generation.labels(name) or ())

"""Whom a bound rule holds for, from the values of all customers: for the few that a batch names, no sets are made."""

from __future__ import annotations

from functools import reduce

import numpy as np

from segdex.bitmap import predicate as hot
from segdex.generation import MEMBER, PredicateName
from segdex.query.bind import All, Bound, Every, ForAny, Leaf, Named, Some, Stored, Without
from segdex.query.execute import Executor
from segdex.query.leaves import leaf_mask
from segdex.values.column import Mask


class Scan:
    """Masks of the customers of one small generation; what rules have in common is computed once."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._generation = executor.generation
        self._inside = hot.to_mask(self._generation.universe, self._generation.count)
        self._known: dict[tuple[str, str], Mask] = {}

    def members(self, bound: Bound) -> Mask:
        """Where *bound* holds, shape (customers,)."""
        return self._mask(bound) & self._inside

    def apart(self) -> Scan:
        """The same for rules that say of a customer what depends on nobody else: the others are let go."""
        self._executor.customers.elsewhere = None
        return self

    def _mask(self, bound: Bound) -> Mask:
        match bound:
            case Every():
                return self._inside
            case All(parts):
                return reduce(np.logical_and, [self._mask(part) for part in parts])
            case Some(parts):
                return reduce(np.logical_or, [self._mask(part) for part in parts])
            case Without(part):
                return ~self._mask(part)
            case Named(name, part):
                return self._once("segment", name, part)
            case Leaf(_, text):
                return self._once("leaf", text, bound)
            case ForAny(_, _, text):
                return self._once("any", text, bound)
            case Stored(name):
                return hot.to_mask(self._generation.predicates[PredicateName(name, MEMBER)], self._generation.count)

    def _once(self, kind: str, text: str, bound: Bound) -> Mask:
        held = self._known.get((kind, text))
        if held is None:
            held = self._known[kind, text] = self._found(kind, bound)
        return held

    def _found(self, kind: str, bound: Bound) -> Mask:
        match bound:
            case Leaf(rule) if kind == "leaf":
                return leaf_mask(rule, self._generation, self._executor.customers)[0]
            case ForAny() if kind == "any":
                return self._executor.for_any(bound)[0]
        return self._mask(bound)

"""A bound rule by plain Roaring algebra: the obvious path, which the engine is held to.

Every operator is one operation on sets of pyroaring, and every leaf is found by comparing values, never from a
precomputed predicate.
"""

from __future__ import annotations

from functools import reduce
from operator import and_

from pyroaring import BitMap

from segdex.bitmap import roaring
from segdex.query.bind import All, Bound, Every, ForAny, Leaf, Named, Some, Without, substitute
from segdex.query.execute import Executor
from segdex.rules import nodes
from segdex.values import masks


def members(bound: Bound, executor: Executor) -> BitMap:
    """The customers of the universe that the rule holds for."""
    everyone = BitMap(range(executor.generation.count))
    match bound:
        case Every():
            return everyone
        case Leaf(rule, _):
            return roaring.from_mask(masks.leaf(rule, executor.customers))
        case All(parts):
            return reduce(and_, (members(part, executor) for part in parts))
        case Some(parts):
            return BitMap.union(*(members(part, executor) for part in parts))
        case Without(part):
            return everyone - members(part, executor)
        case Named(_, part):
            return members(part, executor)
        case ForAny(variable, rule, _):
            items = [node for node in nodes.walk(rule) if isinstance(node, nodes.Item)]
            found = BitMap()
            for category in executor.customers.categories(items):
                part = executor.binder.bind_checked(substitute(rule, variable, category))
                found |= members(part, executor)
            return found

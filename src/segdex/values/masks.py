"""Which items (customers, rows, transactions) a rule holds for.

The rule must have passed `segdex.schema.check`; what is decided here is only its value. A comparison with a missing
value is false, and ``not`` is the complement, so that ``not x > 1`` includes the missing and ``x != 1`` does not.
"""

from __future__ import annotations

from functools import reduce

import numpy as np

from segdex.rules import nodes
from segdex.rules.shorthand import written_out
from segdex.values import compare
from segdex.values.column import Column, Mask
from segdex.values.items import Items
from segdex.values.operands import Constant, operand


def mask(rule: nodes.Rule, items: Items) -> Mask:
    """Where *rule* holds, shape (items,)."""
    match rule:
        case nodes.And(rules):
            return reduce(np.logical_and, [mask(each, items) for each in rules])
        case nodes.Or(rules):
            return reduce(np.logical_or, [mask(each, items) for each in rules])
        case nodes.Not(inner):
            return ~mask(inner, items)
        case nodes.Everyone():
            return np.ones(items.count, np.bool_)
        case _:
            return leaf(rule, items)


def leaf(rule: nodes.Rule, items: Items) -> Mask:
    """Where a rule without parts holds, shape (items,)."""
    match written_out(rule):
        case nodes.Compare(op, left, right):
            return compare.compare(op, operand(left, items), operand(right, items), items)
        case nodes.Between(value, low, high):
            middle = operand(value, items)
            above = compare.compare(">=", middle, operand(low, items), items)
            return above & compare.compare("<=", middle, operand(high, items), items)
        case nodes.In(value, values, negated):
            column = as_column(operand(value, items), items)
            found = compare.is_in(column, [_constant(each, items) for each in values], items)
            return column.known & ~found if negated else found
        case nodes.Has(value, mode, values):
            return compare.has(items.column(value), mode, values)
        case nodes.Known(value):
            return as_column(operand(value, items), items).known
        case nodes.Missing(value):
            return ~as_column(operand(value, items), items).known
        case nodes.Match(value, how, text, ignore_case):
            return compare.matches(as_column(operand(value, items), items), how, text, ignore_case)
        case nodes.Did(call):
            return compare.compare(">=", items.column(call), operand(nodes.Number(compare.ONE), items), items)
        case _:
            raise AssertionError(f"no checked rule has {type(rule).__name__} here")


def as_column(value: Column | Constant, items: Items) -> Column:
    """A constant as a column; a column as it is."""
    return value if isinstance(value, Column) else compare.broadcast(value, items)


def _constant(node: nodes.Constant, items: Items) -> Constant:
    value = operand(node, items)
    assert not isinstance(value, Column)
    return value

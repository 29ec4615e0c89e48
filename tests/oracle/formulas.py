"""What a formula holds for, one customer at a time."""

from __future__ import annotations

from collections.abc import Mapping

from segdex.query.formula import And, Formula, Leaf, Not, Truth


def holds(formula: Formula, member_of: Mapping[object, bool]) -> bool:
    """Whether *formula* holds for a customer who is in the leaves that *member_of* says."""
    if isinstance(formula, Truth):
        return formula.value
    if isinstance(formula, Leaf):
        return member_of[formula.name]
    if isinstance(formula, Not):
        return not holds(formula.part, member_of)
    values = [holds(part, member_of) for part in formula.parts]
    return all(values) if isinstance(formula, And) else any(values)

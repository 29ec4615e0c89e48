"""Categories that came since the base was made, and whether they matter to those who have nothing in them.

``[any]`` ranges over the categories that anybody has. A category that is new to an index is one more for everybody:
``share[any] < 0.1`` then holds for customers whom no batch has named. Mostly it does not matter, since a comparison
holds for nobody who has nothing in a category, and that is quickly seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from segdex.query.bind import Bound, ForAny, chosen_items, leaves, substitute
from segdex.query.execute import Executor
from segdex.rules import nodes

NewTo = Callable[[list[nodes.Item]], list[str]]
"""The categories of the families that items belong to which nobody in the base has."""


def matters(bound: Bound, base: Executor, new_to: NewTo) -> bool:
    """Whether *bound* may hold for a customer of the base because of a category that nobody in the base has."""
    return any(_matters(leaf, base, new_to) for leaf in _any_in(bound))


def asks_any(bound: Bound) -> bool:
    """Whether a rule ranges over categories."""
    return next(_any_in(bound), None) is not None


def _any_in(bound: Bound) -> Iterator[ForAny]:
    return (leaf for leaf in leaves(bound) if isinstance(leaf, ForAny))


def _matters(leaf: ForAny, base: Executor, new_to: NewTo) -> bool:
    new = new_to(chosen_items(leaf))
    # For whoever has nothing in them all categories that are new are one.
    one = base.binder.bind_checked(substitute(leaf.rule, leaf.variable, new[0] if new else ""))
    inner = list(_any_in(one))
    if inner and (new or any(new_to(chosen_items(each)) for each in inner)):
        return True
    return bool(new) and base.count(one) > 0

"""The order of customers: which declared names may number them."""

from __future__ import annotations

from segdex.errors import listed, nearest
from segdex.schema.model import Schema
from segdex.schema.place import Spot, shown
from segdex.schema.types import ValueType

MOST_NAMES = 16
"""More names divide customers into groups of one long before the last is looked at."""
SORTED = ("category", "bool", "integer", "number", "date", "time")
"""Types whose values put customers beside each other; texts, identifiers and tags set each one apart."""

_ALLOWED = f"one value a customer of type {', '.join(SORTED)}"


def check_order(schema: Schema, types: dict[str, ValueType], spot: Spot) -> None:
    """Check the names of ``customers.order``.

    Args:
        schema: the schema.
        types: of every declared name.
        spot: where the list stands.

    Raises:
        SchemaError: a name is not declared, stands twice, or customers cannot be sorted by it.
    """
    names = schema.customers.order or ()
    if len(names) > MOST_NAMES:
        raise spot.fault("too many names", found=str(len(names)), allowed=f"at most {MOST_NAMES}")
    for position, name in enumerate(names):
        _check(name, types, spot.at(position))
        if name in names[:position]:
            raise spot.at(position).fault("a name stands twice", found=shown(name))


def _check(name: str, types: dict[str, ValueType], spot: Spot) -> None:
    known = [each for each, kind in types.items() if kind.role != "segment"]
    if name not in known:
        found, hint = shown(name), nearest(name, known)
        if name in types:
            found, hint = f"{name!r}, a segment", None
        raise spot.fault("customers are not ordered by this", found=found, allowed=listed(known), hint=hint)
    kind = types[name]
    if kind.family or kind.kind not in SORTED:
        found = f"{name!r}, {'one value a category' if kind.family else f'of type {kind.kind}'}"
        raise spot.fault("customers cannot be ordered by this", found=found, allowed=_ALLOWED)

"""Which sets rules over a name are answered from: presence, and one for each label where labels are few."""

from __future__ import annotations

import dataclasses

import numpy as np

from segdex.bitmap.predicate import Ids
from segdex.generation import MOST_LABELS, PredicateName, Values
from segdex.values.column import Codes, Mask
from segdex.values.family import Family


@dataclasses.dataclass(frozen=True, slots=True)
class Labelled:
    """Customers with labels.

    Attributes:
        names: the set of each code; None: it has none.
        codes: int32, shape (items,); negative: no label.
        owners: the dense id of each item, ascending within a code; uint32, shape (items,).
    """

    names: list[PredicateName | None]
    codes: Codes
    owners: Ids


@dataclasses.dataclass(frozen=True, slots=True)
class Sets:
    """The sets of one name.

    Attributes:
        present: who has a value, shape (customers,); None: everybody in the universe.
        labelled: the sets of labels, for a family one a category.
    """

    present: Mask | None
    labelled: list[Labelled]


def sets_of(name: str, value: Values, inside: Mask | None, count: int) -> Sets | None:
    """The sets of *name*; None where values have to answer.

    Args:
        name: a declared name.
        value: its values.
        inside: who is in the universe, shape (customers,); None: everybody.
        count: how many dense ids there are.
    """
    if isinstance(value, Family):
        return _of_family(name, value, inside, count)
    present = value.known if inside is None else value.known & inside
    if value.dictionary is None or len(value.dictionary) > MOST_LABELS:
        return Sets(present, [])
    owners = np.arange(len(value), dtype=np.uint32)
    if value.offsets is not None:
        owners = np.repeat(owners, np.diff(value.offsets))
    names: list[PredicateName | None] = [PredicateName(name, label) for label in value.dictionary.to_pylist()]
    return Sets(present, [Labelled(names, _of_those(value.data, owners, inside), owners)])  # type: ignore[arg-type]


def _of_those(codes: Codes, owners: Ids, inside: Mask | None) -> Codes:
    """*codes*, -1 for owners who are not *inside*."""
    return codes if inside is None else np.where(inside[owners], codes, np.int32(-1))


def _of_family(name: str, family: Family, inside: Mask | None, count: int) -> Sets | None:
    """Bands of a family; the band of those without a pair is left to be what remains of the presence."""
    if family.column.dictionary is None or len(family.categories) > MOST_LABELS or not remains(family):
        return None
    if family.rest >= 0:
        present = family.among
    else:
        present = np.zeros(count, np.bool_)
        present[family.customers] = True
    if present is not None and inside is not None:
        present = present & inside
    labels, labelled = family.column.dictionary.to_pylist(), []
    for number, category in enumerate(family.categories.to_pylist()):
        pairs = slice(int(family.offsets[number]), int(family.offsets[number + 1]))
        owners = family.customers[pairs]
        names: list[PredicateName | None] = [PredicateName(name, label, category) for label in labels]
        if family.rest >= 0:
            names[int(family.rest)] = None
        labelled.append(Labelled(names, _of_those(family.column.data[pairs], owners, inside), owners))  # type: ignore[arg-type]
    return Sets(present, labelled)


def remains(family: Family) -> bool:
    """Whether those without a pair have one band, and what remains of the presence in each category are they alone."""
    if family.rests is not None:
        return False
    if family.rest < 0:
        return True  # no band: nothing remains
    if (family.column.data < 0).any():
        return False  # a pair without a band, as a share of infinities has
    return family.among is None or bool(family.among[family.customers].all())

"""A generation to the generation of a later clock."""

from __future__ import annotations

import dataclasses

from segdex.derive import Derivation, using
from segdex.generation import Generation
from segdex.reclock.dependence import moving


def reclocked(old: Generation, as_of: int) -> Generation:
    """The generation that follows *old* when nothing but the clock moves.

    It is what `segdex.derive.derive` makes of the same tables at that clock with the same fitted edges and parameters:
    the same values to the last bit, the same sets. What did not change is shared with *old*, which stays as it is.

    Args:
        old: any generation.
        as_of: the new clock, not before that of *old*, in microseconds UTC.

    Raises:
        LimitError: a sum of integers leaves the range of 64 bits.
        SchemaError: a model without parameters is to be fitted, and the data do not tell them.
    """
    catalog = old.catalog
    made = Derivation(dataclasses.replace(old, as_of=as_of, number=old.number + 1))
    direct = moving(catalog)
    after = {*direct, *using(direct, catalog)}
    names = [name for name in catalog.order if name in after and name not in catalog.schema.segments]
    made.forget(names)
    for name in names:
        made.compute(name)
        made.settle(name)
    for name in filter(made.is_ranked, names):
        made.rank(name)
    return made.generation

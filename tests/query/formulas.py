"""Random formulas and sets, with sizes and densities that hug the borders of chunks and containers."""

from __future__ import annotations

import random

import numpy as np

from segdex.bitmap import predicate as hot
from segdex.bitmap.predicate import CHUNK, Predicate
from segdex.query.formula import EVERYONE, NOBODY, And, Formula, Leaf, Not, Or
from segdex.values.column import Mask

COUNTS = (1, 63, 64, 65, 1000, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 7)
EXACT = (0, 1, 2, 510, 511, 512, 513, 4096, CHUNK - 1, CHUNK)
SHARES = (0.0, 0.00002, 0.001, 0.0077, 0.0079, 0.03, 0.5, 0.97, 0.9999, 1.0)


def random_mask(chance: random.Random, count: int) -> Mask:
    """Each chunk has its own density, or exactly as many members as a border case has."""
    mask = np.zeros(count, np.bool_)
    rng = np.random.default_rng(chance.getrandbits(64))
    shared = chance.choice(SHARES) if chance.random() < 0.3 else None
    for first in range(0, count, CHUNK):
        part = mask[first : first + CHUNK]
        if shared is None and chance.random() < 0.4:
            part[rng.permutation(len(part))[: chance.choice(EXACT)]] = True
        else:
            part[:] = rng.random(len(part)) < (chance.choice(SHARES) if shared is None else shared)
    return mask


def random_formula(chance: random.Random, names: list[str], leaves: int) -> Formula:
    """A formula of about so many leaves: AND, OR and NOT nested at random, now and then with constants."""
    if leaves <= 1:
        if chance.random() < 0.03:
            return chance.choice((EVERYONE, NOBODY))
        leaf: Formula = Leaf(chance.choice(names))
        return Not(leaf) if chance.random() < 0.3 else leaf
    parts = []
    while leaves > 0:
        taken = chance.randint(1, leaves) if parts else chance.randint(1, max(1, leaves - 1))
        parts.append(random_formula(chance, names, taken))
        leaves -= taken
    made: Formula = And(tuple(parts)) if chance.random() < 0.5 else Or(tuple(parts))
    return Not(made) if chance.random() < 0.2 else made


def masked(formula: Formula, masks: dict[str, Mask], count: int) -> Mask:
    """What *formula* holds for, as plain masks."""
    if isinstance(formula, Leaf):
        return masks[str(formula.name)]
    if isinstance(formula, Not):
        return ~masked(formula.part, masks, count)
    if not isinstance(formula, And | Or):
        return np.full(count, formula == EVERYONE)
    parts = [masked(part, masks, count) for part in formula.parts]
    return np.logical_and.reduce(parts) if isinstance(formula, And) else np.logical_or.reduce(parts)


def random_sets(chance: random.Random, count: int, names: list[str]) -> tuple[dict[str, Mask], dict[str, Predicate]]:
    masks = {name: random_mask(chance, count) for name in names}
    return masks, {name: hot.from_mask(mask) for name, mask in masks.items()}

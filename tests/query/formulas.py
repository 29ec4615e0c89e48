"""Random formulas and sets, with sizes and densities that hug the borders of chunks and containers."""

from __future__ import annotations

import random
from collections.abc import Hashable, Mapping

import numpy as np

from segdex.bitmap import predicate as hot
from segdex.bitmap.predicate import CHUNK
from segdex.bitmap.program import Operand
from segdex.bitmap.ranks import RANGE, Range, Values, range_of, ranks_of
from segdex.query.estimate import Spread, exactly, ranged
from segdex.query.formula import EVERYONE, NOBODY, And, Formula, Leaf, Not, Or, Truth
from segdex.values.column import Mask

COUNTS = (1, 63, 64, 65, 1000, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 7)
EXACT = (0, 1, 2, 510, 511, 512, 513, 4096, CHUNK - 1, CHUNK)
SHARES = (0.0, 0.00002, 0.001, 0.0077, 0.0079, 0.03, 0.5, 0.97, 0.9999, 1.0)


class World:
    """Sets of customers by name, and who is a customer at all: now and then some were erased."""

    def __init__(self, seed: int, count: int | None = None, masks: Mapping[str, Mask] | None = None) -> None:
        self.seed = seed
        self.chance = random.Random(seed)
        self.count = self.chance.choice(COUNTS) if count is None else count
        self.everyone: Mask = np.ones(self.count, np.bool_)
        if self.chance.random() < 0.3:
            self.everyone = np.random.default_rng(seed).random(self.count) < 0.9
        if masks is None:
            masks = {f"p{i}": random_mask(self.chance, self.count) for i in range(self.chance.choice((3, 8, 14)))}
        self._customers = np.flatnonzero(self.everyone)
        self.masks = {name: mask & self.everyone for name, mask in masks.items()}
        self.names = list(self.masks)
        self.predicates: dict[str, Operand] = {name: hot.from_mask(mask) for name, mask in self.masks.items()}
        for number in range(self.chance.choice((0, 0, 2, 4))):
            self.names.append(f"r{number}")
            self.masks[f"r{number}"], self.predicates[f"r{number}"] = random_range(self.chance, self.everyone)
        self.universe = hot.from_mask(self.everyone)
        self.sizes = exactly(self.universe.cardinalities).value
        self.facts = Constants(self)

    def someone(self) -> int:
        """A customer; where there is none, the place of one that was erased."""
        return int(one_of(self.chance, self._customers))

    def spread(self, leaf: Leaf) -> Spread:
        """How many ids a leaf has in each chunk."""
        operand = self.predicates[str(leaf.name)]
        if isinstance(operand, Range):
            return ranged(operand.states, RANGE, len(operand), self.sizes)
        return exactly(operand.cardinalities)

    def __repr__(self) -> str:
        return f"World({self.seed}, count={self.count})"


class Nothing:
    """Nothing is known of any leaf."""

    def constant(self, _leaf: Leaf) -> Truth | None:
        return None

    def group(self, _leaf: Leaf) -> Hashable | None:
        return None

    def labels(self, _leaf: Leaf) -> frozenset[str]:
        raise AssertionError

    def labelled(self, _group: Hashable, _labels: frozenset[str]) -> Formula:
        raise AssertionError


class Constants(Nothing):
    """Which leaves are everyone or nobody."""

    def __init__(self, world: World) -> None:
        self._world = world

    def constant(self, leaf: Leaf) -> Truth | None:
        size = len(self._world.predicates[str(leaf.name)])
        return NOBODY if size == 0 else EVERYONE if size == len(self._world.universe) else None


class Known(Nothing):
    """Leaves named ``group:label,label``, of which a customer has one label or none."""

    def group(self, leaf: Leaf) -> Hashable | None:
        group, _, labels = str(leaf.name).partition(":")
        return group if labels else None

    def labels(self, leaf: Leaf) -> frozenset[str]:
        return frozenset(str(leaf.name).partition(":")[2].split(","))

    def labelled(self, group: Hashable, labels: frozenset[str]) -> Formula:
        return Leaf(f"{group}:{','.join(sorted(labels))}") if labels else NOBODY

    @staticmethod
    def member(name: str, of: Mapping[object, bool]) -> bool:
        """Whether a customer is in a leaf, by the leaves of one label, and others, that *of* has."""
        group, _, labels = name.partition(":")
        return of[name] if name in of else any(of[f"{group}:{label}"] for label in labels.split(","))


def random_values(chance: random.Random, count: int) -> Values:
    """A column of few or many values, in order or not, some of them missing, some extreme."""
    rng = np.random.default_rng(chance.getrandbits(64))
    values: Values = rng.integers(0, chance.choice((3, 200, 300, 10**6)), count) - chance.choice((0, 100))
    if chance.random() < 0.3:
        values = np.sort(values)  # neighbours are alike, so that whole chunks are in or out
    if chance.random() < 0.3:
        values[rng.random(count) < 0.2] = chance.choice((0, 7, 2**63 - 1, -(2**63) + 1))
    missing = rng.random(count) < chance.choice((0.0, 0.1, 0.99))
    if chance.random() < 0.5:
        values[missing] = np.iinfo(np.int64).min
        return values
    floats = values / chance.choice((1.0, 7.0))
    floats[rng.random(count) < 0.01] = chance.choice((np.inf, -np.inf, -0.0))
    floats[missing] = np.nan
    return floats


def one_of(chance: random.Random, values: Values) -> int | float:
    """One of *values* as Python has it, without a list of all of them; 0 where there is none."""
    one: int | float = values[chance.randrange(len(values))].item() if len(values) else 0
    return one


def random_range(chance: random.Random, everyone: Mask) -> tuple[Mask, Range]:
    """Bounds on values, between them, in any order, and without end."""
    values = random_values(chance, len(everyone))
    whole = values.dtype == np.int64
    values[~everyone] = np.iinfo(np.int64).min if whole else np.nan
    known = values[values != np.iinfo(np.int64).min] if whole else values[~np.isnan(values)]
    ends = [-(2**63) + 1, 2**63 - 1] if whole else [-np.inf, np.inf]
    some = [one_of(chance, known) for _ in range(3)]
    bounds = [chance.choice([*ends, *some, *(each + chance.choice((0, 1)) for each in some)]) for _ in range(2)]
    low, high = sorted(min(max(bound, ends[0]), ends[1]) for bound in bounds)
    edges = sorted({one_of(chance, known) for _ in range(chance.choice((0, 3)))})
    mask: Mask = (values >= low) & (values <= high)
    return mask, range_of(ranks_of(values, edges), low, high)


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


def masked(formula: Formula, masks: Mapping[str, Mask], count: int) -> Mask:
    """What *formula* holds for, as plain masks."""
    if isinstance(formula, Leaf):
        return masks[str(formula.name)]
    if isinstance(formula, Not):
        return ~masked(formula.part, masks, count)
    if not isinstance(formula, And | Or):
        return np.full(count, formula == EVERYONE)
    parts = [masked(part, masks, count) for part in formula.parts]
    return np.logical_and.reduce(parts) if isinstance(formula, And) else np.logical_or.reduce(parts)

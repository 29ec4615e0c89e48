"""The engine against masks: random formulas over random sets, as they are and rewritten, counted and listed."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segdex.bitmap.program import Program, assemble
from segdex.query.cover import cover
from segdex.query.estimate import estimate, expected
from segdex.query.formula import And, Formula, Leaf, Not, Or, leaves, walk
from segdex.query.rewrite import RULES, rewrite
from segdex.values.column import Mask
from tests.oracle.formulas import holds
from tests.query.formulas import COUNTS, Known, World, masked, random_formula

SEEDS = st.integers(0, 2**32 - 1)


def program_of(formula: Formula, world: World) -> Program:
    sizes = expected(formula, world.spread, world.sizes)
    held = leaves(formula)
    world.chance.shuffle(held)
    predicates = [world.predicates[str(leaf.name)] for leaf in held]
    return assemble(predicates, cover(formula, held, sizes), world.count, len(world.universe))


def check(formula: Formula, world: World) -> None:
    wanted = masked(formula, world.masks, world.count) & world.everyone
    program = program_of(formula, world)
    assert program.count() == wanted.sum(), f"{formula} over {world}"
    bits = program.write_members().view(np.uint8)
    found = np.unpackbits(bits, count=world.count, bitorder="little").astype(np.bool_) & world.everyone
    assert (found == wanted).all(), f"{formula} over {world}"
    one = world.someone()
    assert program.contains(one) == wanted[one] or not world.everyone[one]


def check_many(seed: int, formulas: int, most_leaves: int) -> None:
    world = World(seed)
    for _ in range(formulas):
        formula = random_formula(world.chance, world.names, world.chance.randint(1, most_leaves))
        check(formula, world)
        check(rewrite(formula, world.facts), world)


@settings(max_examples=30)
@given(seed=SEEDS)
def test_random_formulas(seed: int) -> None:
    check_many(seed, formulas=5, most_leaves=12)


@pytest.mark.slow
@pytest.mark.compiled
def test_ten_thousand_random_rules() -> None:
    for seed in range(500):
        check_many(seed, formulas=20, most_leaves=12)


@pytest.mark.slow
@pytest.mark.compiled
def test_large_random_rules() -> None:
    for seed in range(60):
        check_many(seed, formulas=5, most_leaves=120)


@settings(max_examples=40)
@given(seed=SEEDS)
def test_bounds_always_hold(seed: int) -> None:
    world = World(seed)
    for _ in range(10):
        formula = random_formula(world.chance, world.names, world.chance.randint(1, 9))
        program, customers = program_of(formula, world), world.universe.cardinalities.tolist()
        counts = [program.count_chunk(chunk, members) for chunk, members in enumerate(customers)]
        assert estimate(formula, world.spread, world.sizes, counts.__getitem__).exact, "few chunks are all counted"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("segdex.query.estimate.SAMPLE", 1)
            found = estimate(formula, world.spread, world.sizes, counts.__getitem__)
        wanted = int((masked(formula, world.masks, world.count) & world.everyone).sum())
        assert found.low <= wanted <= found.high
        assert found.low <= found.value <= found.high
        assert found.exact == (found.low == found.high)


@settings(max_examples=100)
@given(seed=SEEDS)
def test_each_rule_keeps_the_meaning_and_never_adds_leaves(seed: int) -> None:
    chance = random.Random(seed)
    names = [f"n{i}:{label}" for i in range(3) for label in ("a", "b", "c", "a,b")] + ["x", "y", "z"]
    formula = random_formula(chance, names, chance.randint(1, 14))
    for rule in (*RULES, rewrite):
        changed = rule(formula, Known())
        assert len(leaves(changed)) <= len(leaves(formula)) or rule in (RULES[4], rewrite)
        for label in range(4):  # a customer has one label of each name, or none
            member = dict.fromkeys(names, False) | {name: chance.random() < 0.5 for name in "xyz"}
            for name in names:
                group, _, labels = name.partition(":")
                if labels:
                    member[name] = "abc?"[(label + int(group[1:])) % 4] in labels.split(",")
            member |= {leaf.name: Known.member(str(leaf.name), member) for leaf in leaves(changed)}
            assert holds(changed, member) == holds(formula, member), f"{rule.__name__}: {formula} became {changed}"


def test_work_on_hostile_rules_is_bounded() -> None:
    count, levels = 3000, 300
    rng = np.random.default_rng(5)
    masks: dict[str, Mask] = {"a": rng.random(count) < 0.01}
    part: Formula = Leaf("a")
    wanted = masks["a"]
    for level in range(levels):  # 2 to the power of 300 parts, shared
        b, c = f"b{level}", f"c{level}"
        masks |= {b: rng.random(count) < 0.04, c: rng.random(count) < 0.04}
        part = And((Or((part, Leaf(b))), Or((part, Leaf(c)))))
        wanted = wanted | (masks[b] & masks[c])
    world = World(2, count=count, masks=masks)
    changed = rewrite(Not(part), world.facts)
    assert sum(1 for _ in walk(changed)) < 10_000
    program = program_of(changed, world)
    assert program.count() == (~wanted & world.everyone).sum()
    assert 0 < program.count() < count


def test_many_leaves_in_one_list() -> None:
    count = 3000
    masks: dict[str, Mask] = {f"p{i}": np.arange(count) == i for i in range(2000)}
    world = World(0, count=count, masks=masks)
    for made in (Or, And):
        check(made(tuple(Leaf(name) for name in masks)), world)
        check(made(tuple(Not(Leaf(name)) for name in masks)), world)


@pytest.mark.parametrize("count", [0, *COUNTS])
def test_constants_and_single_leaves(count: int) -> None:
    world = World(3, count=count)
    for formula in (Leaf("p0"), Not(Leaf("p0")), And((Leaf("p0"), Not(Leaf("p0")))), Or((Leaf("p0"), Not(Leaf("p0"))))):
        wanted = masked(formula, world.masks, count) & world.everyone
        assert program_of(formula, world).count() == wanted.sum()

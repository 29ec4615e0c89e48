"""Leaves of a rule as sets: a formula over precomputed predicates, or a mask from pairs of a family or all values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from segdex.generation import Generation, PredicateName, named
from segdex.query.customers import Customers, Distinct, Pairs
from segdex.query.formula import NOBODY, And, Formula, Leaf, Not, Or
from segdex.rules import nodes
from segdex.rules.shorthand import written_out
from segdex.rules.words import name_text, string_text
from segdex.values import compare, masks
from segdex.values.column import Column, Mask
from segdex.values.compare import as_kept
from segdex.values.family import Family
from segdex.values.operands import operand

Ids = np.ndarray
Reference = nodes.Reference | nodes.Bucket
"""What has a value of each customer's own."""

MOST_UNITED = 256
"""More labels than this are looked up in the column instead of uniting their predicates."""


class Labels(NamedTuple):
    """The customers with one of several labels, of which nobody has two.

    Attributes:
        name: an attribute of one value, a band or a stage.
        category: for bands of a family.
        labels: one or more.
    """

    name: str
    category: str | None
    labels: frozenset[str]

    def __str__(self) -> str:
        of = named(self.name, self.category)
        labels = [string_text(label) for label in sorted(self.labels)]
        return f"{of} = {labels[0]}" if len(labels) == 1 else f"{of} in ({', '.join(labels)})"


class Within(NamedTuple):
    """The customers whose value of an attribute or metric is from *low* to *high*, physical values, both included."""

    name: str
    low: int | float
    high: int | float

    def __str__(self) -> str:
        return f"{name_text(self.name)} from {self.low} to {self.high}"


class Among(NamedTuple):
    """Those of some customers for whom a rule holds: it is asked where nobody else matters.

    Attributes:
        text: the rule.
        those: the customers, a formula.
    """

    text: str
    those: Formula

    def __str__(self) -> str:
        return f"({self.text} among {self.those})"


MOST_POINTS = 16
"""More values of a list than this are looked up in the column instead of one range each."""


def leaf_formula(rule: nodes.Rule, generation: Generation, customers: Customers) -> Formula | None:
    """*rule* over precomputed sets, each leaf a `PredicateName`, `Labels` or `Within`; None where they cannot tell."""
    match references(rule):
        case [nodes.Name(name)]:
            category = None
        case [nodes.Item(nodes.Name(name), nodes.Text(category))]:
            pass
        case _:
            return None
    present = PredicateName(name)
    if present not in generation.predicates:
        return None
    kind = generation.catalog.types[name]
    if not kind.family and isinstance(rule, nodes.Known | nodes.Missing):
        if not isinstance(rule.value, nodes.Name):
            return None  # arithmetic may be missing where its parts are known
        return Leaf(present) if isinstance(rule, nodes.Known) else Not(Leaf(present))
    if name in generation.ranks:
        return _ranged(rule, name, generation, customers)
    labels = generation.labels(name)
    if labels is None:
        return None
    if isinstance(rule, nodes.Has):
        return _tagged(rule, name, labels, generation)
    if kind.family:
        return _banded(rule, name, category, generation, customers)
    holds = masks.leaf(rule, Distinct(generation.dictionaries[name], customers))
    chosen = [label for label, is_in in zip(labels, holds, strict=True) if is_in]
    if min(len(chosen), len(labels) - len(chosen)) > MOST_UNITED:
        return None
    if len(chosen) == len(labels):
        return Leaf(present)
    return Leaf(Labels(name, None, frozenset(chosen))) if chosen else NOBODY


def references(rule: nodes.Rule) -> list[Reference]:
    """The names, items, calls, sequences and buckets that *rule* compares, outermost ones only."""
    found: list[Reference] = []

    def visit(node: nodes.Node) -> None:
        for child in nodes.children(node):
            if isinstance(child, Reference):
                found.append(child)
            else:
                visit(child)

    visit(rule)
    return found


def _united(name: str, labels: Iterable[str], generation: Generation, category: str) -> Formula:
    there = frozenset(label for label in labels if PredicateName(name, label, category) in generation.predicates)
    return Leaf(Labels(name, category, there)) if there else NOBODY


def _less(whole: Formula, part: Formula) -> Formula:
    return whole if part == NOBODY else And((whole, Not(part)))


def _tagged(rule: nodes.Has, name: str, labels: tuple[str, ...], generation: Generation) -> Formula | None:
    wanted = dict.fromkeys(as_kept(generation.dictionaries[name], rule.values).to_pylist())
    known = set(labels)
    tags = [tag for tag in wanted if tag in known]
    if len(tags) > MOST_UNITED:
        return None
    if rule.mode == "all":
        parts = tuple(Leaf(PredicateName(name, tag)) for tag in tags)
        return And(parts) if parts and len(parts) == len(wanted) else NOBODY
    tagged = Or(tuple(Leaf(PredicateName(name, tag)) for tag in tags)) if tags else NOBODY
    return tagged if rule.mode == "any" else _less(Leaf(PredicateName(name)), tagged)


def _banded(
    rule: nodes.Rule, name: str, category: str | None, generation: Generation, customers: Customers
) -> Formula | None:
    """Members of bands of one category. The band of customers without a pair is not stored: it is what remains."""
    if isinstance(rule, nodes.Known | nodes.Missing) or category is None:
        return None
    labels, code = generation.labels(name), generation.rest(name)
    assert labels is not None
    holds = masks.leaf(rule, Distinct(generation.dictionaries[name], customers))
    rest = labels[code] if code >= 0 else None
    chosen = {label for label, is_in in zip(labels, holds, strict=True) if is_in}
    if rest is None or rest not in chosen:
        return _united(name, chosen, generation, category)
    others = [label for label in labels if label not in chosen]
    return _less(Leaf(PredicateName(name)), _united(name, others, generation, category))


# --- ranges of values --------------------------------------------------------------------------------------------


def _ranged(rule: nodes.Rule, name: str, generation: Generation, customers: Customers) -> Formula | None:
    """A comparison of one name with constants as ranges of its values."""
    column = generation.values[name]
    assert isinstance(column, Column)

    def within(op: nodes.Comparison, value: nodes.Value) -> tuple[int | float, int | float] | None:
        constant = operand(value, customers)
        assert not isinstance(constant, Column)
        return compare.bounds(op, column, constant, customers)

    match written_out(rule):
        case nodes.Compare(op, nodes.Name(), value) if _is_plain(column, value, customers):
            pass
        case nodes.Compare(flipped, value, nodes.Name()) if _is_plain(column, value, customers):
            op = compare.FLIPPED[flipped]
        case nodes.Between(nodes.Name(), low, high) if all(_is_plain(column, each, customers) for each in (low, high)):
            above, below = within(">=", low), within("<=", high)
            if above is None or below is None:
                return NOBODY
            return _from_to(name, max(above[0], below[0]), min(above[1], below[1]), generation)
        case nodes.In(nodes.Name(), values, negated) if len(values) <= MOST_POINTS:
            points = [found for found in (within("=", each) for each in values) if found is not None]
            united = Or(tuple(_from_to(name, *point, generation) for point in points)) if points else NOBODY
            return _less(Leaf(PredicateName(name)), united) if negated else united
        case _:
            return None
    found = within("=" if op == "!=" else op, value)
    held = NOBODY if found is None else _from_to(name, *found, generation)
    return _less(Leaf(PredicateName(name)), held) if op == "!=" else held


def _is_plain(column: Column, value: nodes.Value, customers: Customers) -> bool:
    """Whether *value* is a constant that is compared with the column's physical values."""
    if any(isinstance(node, Reference) for node in nodes.walk(value)):
        return False
    # What arithmetic gives is compared with numbers of a scale as float64, in units.
    return not (isinstance(operand(value, customers), float) and column.type.scale)


def _from_to(name: str, low: int | float, high: int | float, generation: Generation) -> Formula:
    """A range of values: labels of a band where it begins and ends at edges, else a leaf of its own."""
    if low > high:
        return NOBODY
    ranks = generation.ranks[name]
    for band, declared in generation.catalog.schema.bands.items():
        edges = generation.fitted.get(band, ()) if declared.metric == name else ()  # none of one that is in the making
        labels = generation.labels(band) if edges else None
        chosen = ranks.between(edges, low, high) if labels else None
        if labels is None or chosen is None:
            continue
        names = frozenset(labels[chosen])
        return Leaf(PredicateName(band)) if len(names) == len(labels) else Leaf(Labels(band, None, names))
    return Leaf(Within(name, low, high))


# --- from values -------------------------------------------------------------------------------------------------


def leaf_mask(rule: nodes.Rule, generation: Generation, customers: Customers) -> tuple[Mask, str]:
    """Where *rule* holds, shape (customers,), from values; and how, in a word: ``cells``, ``pairs`` or ``values``."""
    if isinstance(rule, nodes.Near):
        return customers.near(rule), "cells"
    found = _from_pairs(rule, generation, customers)
    return (masks.leaf(rule, customers), "values") if found is None else (found, "pairs")


def _from_pairs(rule: nodes.Rule, generation: Generation, customers: Customers) -> Mask | None:
    """A comparison of one value of a family with constants: the pairs decide, and once for all those without one."""
    match rule:
        case nodes.Compare(_, nodes.Name(), nodes.Number() | nodes.Text()):
            return None  # most rules are such, and need not be walked
    match references(rule):
        case [nodes.Item(_, key) as item]:
            family = customers.family(item)
        case _:
            return None
    if isinstance(key, nodes.AnyCategory):
        pairs, categories = slice(None), customers.breadth(item)
    else:
        assert isinstance(key, nodes.Text)
        code = family.code(key.value)
        pairs, categories = slice(*family.offsets[code : code + 2]) if code >= 0 else slice(0, 0), 1
    column = family.column.with_data(family.column.data[pairs])
    ids = family.customers[pairs]
    found = np.zeros(generation.count, np.bool_)
    found[ids[masks.leaf(rule, Pairs(column, customers))]] = True
    if categories:
        _add_without_pairs(found, rule, family, ids, categories, customers)
    return found


def _add_without_pairs(
    found: Mask, rule: nodes.Rule, family: Family, ids: Ids, categories: int, customers: Customers
) -> None:
    """Add the customers for whom *rule* holds in a category in which they have no pair."""
    if family.rests is not None:
        held = masks.leaf(rule, Pairs(family.column.with_data(family.rests), customers))
    else:
        nobody = family.column.take(np.array([-1], np.int64))
        rest = family.column.with_data(np.full_like(nobody.data, family.rest))
        held_by_rest = bool(masks.leaf(rule, Pairs(rest, customers))[0])
        held_by_missing = bool(masks.leaf(rule, Pairs(nobody, customers))[0])
        if not held_by_rest and (family.among is None or not held_by_missing):
            return
        held = np.ones(len(found), np.bool_)
        if family.among is not None:
            held = (family.among & held_by_rest) | (~family.among & held_by_missing)
    found |= held & (np.bincount(ids, minlength=len(found)) < categories)

"""The set of customers of one leaf: from precomputed sets, from the pairs of a family, or by comparing all values."""

from __future__ import annotations

import dataclasses
from functools import reduce
from operator import and_

import numpy as np

from segdex.bitmap import roaring
from segdex.bitmap.roaring import BitMap
from segdex.generation import Generation, Predicate
from segdex.query.customers import Customers, Labels, Pairs
from segdex.rules import nodes
from segdex.values import masks
from segdex.values.column import Column
from segdex.values.compare import as_kept
from segdex.values.family import Family


def leaf_set(rule: nodes.Rule, generation: Generation, customers: Customers) -> tuple[BitMap, str]:
    """The customers that *rule* holds for, not narrowed to the universe, and how they were found, in a word."""
    for means, way in ((_from_predicates, "predicates"), (_from_pairs, "pairs")):
        found = means(rule, generation, customers)
        if found is not None:
            return found, way
    return roaring.from_mask(masks.leaf(rule, customers)), "values"


def references(rule: nodes.Rule) -> list[nodes.Name | nodes.Item | nodes.Call]:
    """The names, items and calls that *rule* compares, outermost ones only."""
    found: list[nodes.Name | nodes.Item | nodes.Call] = []

    def visit(node: nodes.Node) -> None:
        for child in nodes.children(node):
            if isinstance(child, nodes.Name | nodes.Item | nodes.Call):
                found.append(child)
            else:
                visit(child)

    visit(rule)
    return found


# --- from precomputed sets ---------------------------------------------------------------------------------------


def _from_predicates(rule: nodes.Rule, generation: Generation, customers: Customers) -> BitMap | None:
    match references(rule):
        case [nodes.Name(name)]:
            category = None
        case [nodes.Item(nodes.Name(name), nodes.Text(category))]:
            pass
        case _:
            return None
    held = generation.values.get(name)
    present = generation.predicates.get(Predicate(name))
    if held is None or present is None:
        return None
    if isinstance(held, Column) and isinstance(rule, nodes.Known | nodes.Missing):
        if not isinstance(rule.value, nodes.Name):
            return None  # arithmetic may be missing where its parts are known
        return present if isinstance(rule, nodes.Known) else generation.universe - present
    labels = generation.labels(name)
    if labels is None:
        return None
    if isinstance(rule, nodes.Has):
        return _tagged(rule, name, labels, generation)
    if isinstance(held, Family):
        return _banded(rule, name, category, held, generation, customers)
    holds = masks.leaf(rule, Labels(held, customers))
    return _labelled(name, [label for label, is_in in zip(labels, holds, strict=True) if is_in], generation)


def _labelled(name: str, labels: list[str], generation: Generation, category: str | None = None) -> BitMap:
    sets = (generation.predicates.get(Predicate(name, label, category)) for label in labels)
    return roaring.union(each for each in sets if each is not None)


def _tagged(rule: nodes.Has, name: str, labels: tuple[str, ...], generation: Generation) -> BitMap:
    held = generation.values[name]
    assert isinstance(held, Column)
    wanted = set(as_kept(held, rule.values).to_pylist())
    sets = [generation.predicates[Predicate(name, tag)] for tag in wanted if tag in labels]
    if rule.mode == "all":
        return reduce(and_, sets) if sets and len(sets) == len(wanted) else BitMap()
    tagged = roaring.union(sets)
    return tagged if rule.mode == "any" else generation.predicates[Predicate(name)] - tagged


def _banded(
    rule: nodes.Rule, name: str, category: str | None, bands: Family, generation: Generation, customers: Customers
) -> BitMap | None:
    """Members of bands of one category. The band of customers without a pair is not stored: it is what remains."""
    if isinstance(rule, nodes.Known | nodes.Missing) or category is None:
        return None
    dictionary = bands.column.dictionary
    assert dictionary is not None
    labels = dictionary.to_pylist()
    holds = masks.leaf(rule, Labels(bands.column, customers))
    rest = labels[int(bands.rest)] if bands.rest >= 0 else None
    chosen = {label for label, is_in in zip(labels, holds, strict=True) if is_in}
    if rest is None or rest not in chosen:
        return _labelled(name, sorted(chosen), generation, category)
    others = [label for label in labels if label not in chosen]
    return generation.predicates[Predicate(name)] - _labelled(name, others, generation, category)


# --- from the pairs of a family ----------------------------------------------------------------------------------


def _from_pairs(rule: nodes.Rule, generation: Generation, customers: Customers) -> BitMap | None:
    """A comparison of one value of a family with constants: the pairs decide, and once for all those without one."""
    match references(rule):
        case [nodes.Item(_, key) as item]:
            family = customers.family(item)
        case _:
            return None
    if isinstance(key, nodes.AnyCategory):
        pairs, categories = slice(None), len(family.categories)
    else:
        assert isinstance(key, nodes.Text)
        code = family.code(key.value)
        pairs, categories = slice(*family.offsets[code : code + 2]) if code >= 0 else slice(0, 0), 1
    column = dataclasses.replace(family.column, data=family.column.data[pairs])
    ids = family.customers[pairs]
    found = roaring.from_ids(np.unique(ids[masks.leaf(rule, Pairs(column, customers))]))
    if categories:
        found |= _without_pairs(rule, family, ids, categories, generation, customers)
    return found


def _without_pairs(
    rule: nodes.Rule, family: Family, ids: roaring.Ids, categories: int, generation: Generation, customers: Customers
) -> BitMap:
    """The customers for whom *rule* holds in a category in which they have no pair."""
    nobody = family.column.take(np.array([-1], np.int64))
    rest = dataclasses.replace(family.column, data=np.full_like(nobody.data, family.rest))
    held_by_rest = bool(masks.leaf(rule, Pairs(rest, customers))[0])
    held_by_missing = bool(masks.leaf(rule, Pairs(nobody, customers))[0])
    if not (held_by_rest or held_by_missing):
        return BitMap()
    lacking = np.bincount(ids, minlength=generation.count) < categories
    if family.among is not None:
        lacking &= (family.among & held_by_rest) | (~family.among & held_by_missing)
    elif not held_by_rest:
        return BitMap()
    return roaring.from_mask(lacking)

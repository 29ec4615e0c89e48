"""Warnings for people: what a rule may say without meaning it."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow.compute as pc

from segdex.errors import nearest
from segdex.generation import Generation
from segdex.query.bind import All, Bound, ForAny, Leaf, Named, Some, Without
from segdex.query.execute import Executor
from segdex.rules import nodes
from segdex.values.column import Column
from segdex.values.compare import as_kept
from segdex.values.family import Family


def leaves(bound: Bound) -> Iterator[Leaf | ForAny]:
    """The leaves of a bound rule, those of nested segments included, each segment looked into once."""
    seen: set[str] = set()
    left = [bound]
    while left:
        match left.pop():
            case Leaf() | ForAny() as leaf:
                yield leaf
            case All(parts) | Some(parts):
                left.extend(reversed(parts))
            case Without(part):
                left.append(part)
            case Named(name, part) if name not in seen:
                seen.add(name)
                left.append(part)


def warnings(bound: Bound, executor: Executor) -> list[str]:
    """Categories never seen, and missing values that ``!=`` leaves out."""
    found: dict[str, None] = {}
    for leaf in leaves(bound):
        for node in nodes.walk(leaf.rule):
            for warning in _unseen(node, executor.generation):
                found[warning] = None
        for warning in _left_out(leaf.rule, executor.generation):
            found[warning] = None
    return list(found)


def _unseen(node: nodes.Node, generation: Generation) -> Iterator[str]:
    match node:
        case nodes.Item(nodes.Name(name), nodes.Text(category)):
            held = generation.values.get(name)
            if isinstance(held, Family) and held.code(category) < 0:
                yield _never(name, category, held.categories.to_pylist())
        case nodes.Compare(_, nodes.Name(name), nodes.Text(value)):
            yield from _unseen_values(name, [value], generation)
        case nodes.In(nodes.Name(name), values):
            yield from _unseen_values(name, [v.value for v in values if isinstance(v, nodes.Text)], generation)
        case nodes.Has(nodes.Name(name), _, tags):
            yield from _unseen_values(name, list(tags), generation)


def _unseen_values(name: str, values: list[str], generation: Generation) -> Iterator[str]:
    held = generation.values.get(name)
    if not isinstance(held, Column) or held.dictionary is None or held.type.kind not in ("category", "tags"):
        return
    for value, wanted in zip(values, as_kept(held, values), strict=True):
        if not pc.any(pc.equal(held.dictionary, wanted)).as_py():
            yield _never(name, value, held.dictionary.slice(0, 4096).to_pylist())


def _never(name: str, value: str, known: list[str]) -> str:
    hint = nearest(value, known)
    return f"{name} never has the value {value!r}" + (f"; {hint}" if hint else "")


def _left_out(rule: nodes.Rule, generation: Generation) -> Iterator[str]:
    match rule:
        case nodes.Compare("!=", nodes.Name(name), _) | nodes.In(nodes.Name(name), _, True):
            held = generation.values.get(name)
            if isinstance(held, Column):
                missing = int((~held.known).sum())
                if missing:
                    yield f"{missing:,} customers whose {name} is missing are left out of {str(rule)!r}"

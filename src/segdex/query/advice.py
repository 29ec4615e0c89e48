"""Warnings for people: what a rule may say without meaning it."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow.compute as pc

from segdex.errors import nearest
from segdex.generation import Generation
from segdex.query.bind import Bound, Every, Leaf, leaves
from segdex.query.execute import Executor
from segdex.rules import nodes
from segdex.values.column import Column
from segdex.values.compare import as_kept
from segdex.values.family import Family


def warnings(bound: Bound, executor: Executor) -> list[str]:
    """Categories never seen, missing values that ``!=`` leaves out, parts that hold for everyone or for nobody."""
    found: dict[str, None] = {}
    for leaf in leaves(bound):
        for node in nodes.walk(leaf.rule):
            for warning in _unseen(node, executor.generation):
                found[warning] = None
        for warning in _left_out(leaf.rule, executor.generation):
            found[warning] = None
    for warning in _settled(bound, executor):
        found[warning] = None
    return list(found)


def _settled(bound: Bound, executor: Executor) -> Iterator[str]:
    """What holds for everyone or for nobody, told without looking at a stream: comparisons, and the rule as a whole."""
    if isinstance(bound, Every) or len(executor.generation.universe) == 0:
        return
    parts = list(leaves(bound))
    known = [leaf for leaf in parts if isinstance(leaf, Leaf) and not _looks_at_rows(leaf.rule)]
    for leaf in known:
        told = _always(leaf, executor)
        if told:
            yield f"{leaf.text!r} holds for {told}"
    if len(known) == len(parts) and len(parts) > 1:
        told = _always(bound, executor)
        if told:
            yield f"the rule holds for {told}"


def _looks_at_rows(rule: nodes.Rule) -> bool:
    return any(isinstance(node, nodes.Call | nodes.Sequence) for node in nodes.walk(rule))


def _always(bound: Bound, executor: Executor) -> str | None:
    """``everyone`` or ``nobody``, where the plan of a rule tells it without running it."""
    match executor.plan(bound).told:
        case 0:
            return "nobody"
        case count if count == len(executor.generation.universe):
            return "everyone"
    return None


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

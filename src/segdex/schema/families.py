"""Which metrics are families: the fields whose categories they have one value for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from graphlib import TopologicalSorter
from typing import NamedTuple

from segdex.rules import nodes
from segdex.schema.model import Metric


class By(NamedTuple):
    """The field of a stream that gives a family its categories."""

    stream: str
    field: str


Families = Mapping[str, tuple[By, ...]]
"""Of every declared metric the fields whose categories it has one value for each; none: no family."""


def categories_of(metric: Metric, families: Families) -> tuple[By, ...]:
    """The fields whose categories *metric* has one value for each, in the order of their use; none: no family.

    Args:
        metric: any metric; those that a formula uses may be unknown.
        families: those of the metrics that a formula refers to.
    """
    if metric.formula is None:
        return tuple(dict.fromkeys(_own(metric)))
    found = dict.fromkeys(_own(metric))
    for name in _used(metric):
        found |= dict.fromkeys(families.get(name, ()))
    return tuple(found)


def families_of(metrics: Mapping[str, Metric]) -> Families:
    """The fields of every metric, each formula after those that it uses, so that no chain is walked twice.

    Raises:
        CycleError: formulas use each other in a circle; `segdex.schema.assemble` refuses them first.
    """
    found: dict[str, tuple[By, ...]] = {}
    for name in TopologicalSorter(uses_of(metrics)).static_order():
        found[name] = categories_of(metrics[name], found)
    return found


def uses_of(metrics: Mapping[str, Metric]) -> dict[str, set[str]]:
    """For every metric the other declared ones that stand as a whole in its formula."""
    return {name: metrics.keys() & _used(metric) for name, metric in metrics.items()}


def _used(metric: Metric) -> dict[str, None]:
    """The names in a formula, which stand for whole metrics; a value of a family is a number whatever it is about."""
    return dict.fromkeys(node.name for node in references(metric.formula) if isinstance(node, nodes.Name))


def references(formula: nodes.Value | str | None) -> Iterator[nodes.Name | nodes.Item]:
    """The names and single values of families that a formula is made of, as often as it uses them."""
    left: list[nodes.Node] = [formula] if isinstance(formula, nodes.Node) else []
    while left:
        node = left.pop()
        if isinstance(node, nodes.Name | nodes.Item):
            yield node
        else:
            left.extend(reversed(list(nodes.children(node))))


def _own(metric: Metric) -> Iterator[By]:
    """The fields that a metric names itself."""
    if metric.kind == "top":
        return
    for part in (metric.numerator, metric.denominator):
        if part is not None and metric.by is not None:
            yield By(part.stream, metric.by)
    for term in metric.terms or ():
        field = term.by or metric.by
        if field is not None:
            yield By(term.stream, field)
    if metric.stream is not None and metric.by is not None:
        yield By(metric.stream, metric.by)

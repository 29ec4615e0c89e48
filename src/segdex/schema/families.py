"""Which metrics are families: the fields whose categories they have one value for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from segdex.rules import nodes
from segdex.schema.model import Metric


class By(NamedTuple):
    """The field of a stream that gives a family its categories."""

    stream: str
    field: str


def categories_of(metric: Metric, metrics: Mapping[str, Metric]) -> tuple[By, ...]:
    """The fields whose categories *metric* has one value for each, in the order of their use; none: no family.

    Args:
        metric: any metric; those that a formula uses may be unknown, or use each other in a circle.
        metrics: those that a formula refers to, by name.
    """
    if metric.formula is None:
        return tuple(dict.fromkeys(_own(metric)))
    found: dict[By, None] = {}
    seen: set[str] = set()
    left = [metric]
    while left:
        each = left.pop()
        found |= dict.fromkeys(_own(each))
        names = [node.name for node in references(each.formula) if isinstance(node, nodes.Name)]
        new = [name for name in dict.fromkeys(names) if name in metrics and name not in seen]
        seen.update(new)
        left.extend(metrics[name] for name in reversed(new))
    return tuple(found)


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

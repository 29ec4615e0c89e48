"""Which names have values that follow the clock, by what is declared alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from segdex.rules import nodes
from segdex.schema.calls import metric_of
from segdex.schema.catalog import Catalog
from segdex.schema.families import references
from segdex.schema.model import Metric


def moving(catalog: Catalog) -> set[str]:
    """The names whose values may change when nothing but the clock does; what only uses such names is left out."""
    schema = catalog.schema
    found = {name for name, metric in schema.metrics.items() if follows_clock(metric, catalog)}
    found |= {name for name, stages in schema.stages.items() if asks_clock((stage.where for stage in stages), catalog)}
    return found | {name for name, segment in schema.segments.items() if asks_clock((segment.where,), catalog)}


def follows_clock(metric: Metric, catalog: Catalog) -> bool:
    """Whether the values of *metric* may change with the clock by its own keys, and not by other metrics in it."""
    if metric.attribute is not None or metric.kind == "days_until":
        return True  # all kinds over an attribute are times from or to now
    timed = any(catalog.schema.streams[stream].time is not None for stream in streams_of(metric))
    return timed or asks_today(rules_of(metric))


def streams_of(metric: Metric) -> list[str]:
    """The streams that *metric* goes through, each once."""
    parts = (metric, metric.numerator, metric.denominator, *(metric.steps or ()), *(metric.terms or ()))
    return list(dict.fromkeys(part.stream for part in parts if part is not None and part.stream is not None))


def rules_of(metric: Metric) -> Iterator[nodes.Rule | str | None]:
    """The rules about rows and transactions in *metric*."""
    for part in (metric, metric.numerator, metric.denominator):
        if part is not None:
            yield part.where
            yield part.having
    yield from (term.where for term in metric.terms or ())
    yield from (step.where for step in metric.steps or ())


def asks_today(rules: Iterable[nodes.Rule | str | None]) -> bool:
    """Whether one of *rules* compares with today."""
    return any(
        isinstance(node, nodes.Today | nodes.Anniversary)
        for rule in rules
        if isinstance(rule, nodes.Node)
        for node in nodes.walk(rule)
    )


def asks_clock(rules: Iterable[nodes.Rule | str | None], catalog: Catalog) -> bool:
    """Whether one of *rules*, about customers, compares with today or asks a stream or an attribute about now."""
    rules = list(rules)
    if asks_today(rules):
        return True
    calls = [
        node
        for rule in rules
        if isinstance(rule, nodes.Node)
        for node in nodes.walk(rule)
        if isinstance(node, nodes.Call | nodes.Sequence)
    ]
    return any(follows_clock(metric_of(call, catalog), catalog) for call in calls)


def parts_of(metric: Metric) -> set[str]:
    """The metrics that *metric* is made of."""
    if metric.metric is not None:
        return {metric.metric}
    names = (part.of if isinstance(part, nodes.Item) else part for part in references(metric.formula))
    return {name.name for name in names if isinstance(name, nodes.Name)}

"""From declarations to a catalog: one namespace, types, references, rules, and the order of computation."""

from __future__ import annotations

from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import msgspec

from segdex.errors import RuleError, SchemaError
from segdex.rules import nodes
from segdex.rules.printer import check_length
from segdex.schema import bands, fields
from segdex.schema.catalog import Catalog, Names
from segdex.schema.check import check_formula, check_rule
from segdex.schema.families import uses_of
from segdex.schema.labels import label_types, score_name
from segdex.schema.metrics import Fault, check_metric
from segdex.schema.model import Metric, Schema, Stage
from segdex.schema.order import check_order
from segdex.schema.place import Origin, Spot
from segdex.schema.types import ValueType
from segdex.schema.unsupported import refuse_unsupported

_PARTS = ("numerator", "denominator")


MOST_CHAINED = 32
"""How many segments may refer to one another in a chain."""


def assemble(schema: Schema, origin: Origin, base: Path | None, stored: bool = False) -> Catalog:
    """Check everything that *schema* says.

    Args:
        schema: what is declared, its rules parsed.
        origin: where it is from, for messages.
        base: the folder that relative paths start at.
        stored: whether it is that of an index, whose segments may be sets that were loaded.

    Raises:
        SchemaError: a name, a reference, a type or a rule is wrong, or declarations use each other in a circle.
    """
    root = Spot(origin)
    refuse_unsupported(schema, root)
    zone = fields.zone_of(schema.timezone, root.at("timezone"))
    if schema.privacy.minimum_count < 0:
        raise root.at("privacy", "minimum_count").fault("out of range", found=str(schema.privacy.minimum_count))
    declared = _namespace(schema, root)
    if not stored:
        _expect_rules(schema, root)
    fields.check_fields(schema, root)
    _order(uses_of(schema.metrics), declared)  # the types of formulas in a circle are asked for in vain
    # The one mapping of types grows: each step needs those of the steps before.
    types = {name: fields.field_type(each, "attribute") for name, each in schema.customers.attributes.items()}
    types |= label_types(schema)
    catalog = Catalog(schema, zone, types, (), fields.stream_types(schema, root), base)
    for name, metric in schema.metrics.items():
        check_metric(metric, catalog, _faults(root.at("metrics", name)))
        types[name] = catalog.metric_type(metric)
    settled = {name: bands.settle(band, types, zone, root.at("bands", name)) for name, band in schema.bands.items()}
    types |= {name: bands.band_type(band, types) for name, band in settled.items()}
    types |= {name: ValueType("category", role="stage") for name in schema.stages}
    types |= {name: ValueType("bool", role="segment") for name in schema.segments}
    schema = msgspec.structs.replace(schema, bands=settled)
    rules = _Rules(Catalog(schema, zone, types, (), catalog.fields, base), root)
    rules.streams()
    uses = {name: rules.uses(name, spot) for name, spot in declared.items()}
    order = _order(uses, declared)
    _check_chains(uses, order, schema, declared)
    check_order(schema, types, root.at("customers", "order"))
    return Catalog(schema, zone, types, order, catalog.fields, base, uses)


def _faults(spot: Spot) -> Fault:
    """Errors about the keys of what is declared at *spot*."""

    def fault(key: str, problem: str, **parts: str | None) -> SchemaError:
        keys = [int(each) if each.isdigit() else each for each in key.split(".") if each]
        return spot.at(*keys).fault(problem, **parts)

    return fault


def _namespace(schema: Schema, root: Spot) -> dict[str, Spot]:
    """Where every name is declared.

    Raises:
        SchemaError: a name is declared twice.
    """
    tables: list[tuple[Spot, Iterable[str]]] = [
        (root.at("customers", "attributes"), schema.customers.attributes),
        *((root.at(key), getattr(schema, key)) for key in ("labels", "metrics", "bands", "stages", "segments")),
    ]
    spots = [(name, table.at(name)) for table, names in tables for name in names]
    scored = [name for name, label in schema.labels.items() if label.score is not None]
    spots += [(score_name(name), root.at("labels", name, "score")) for name in scored]
    declared: dict[str, Spot] = {}
    for name, spot in spots:
        if name in declared:
            raise spot.fault(f"the name {name!r} is taken", found=f"it is declared at {declared[name].inside}")
        declared[name] = spot
    return declared


def _expect_rules(schema: Schema, root: Spot) -> None:
    """Every segment has a rule: only in an index there are sets that were loaded.

    Raises:
        SchemaError: one has none.
    """
    for name, segment in schema.segments.items():
        if segment.where is None:
            problem = "'where' is missing"
            raise root.at("segments", name).fault(problem, hint="a set of customers is loaded into a built index")


class _Rules:
    """Checks every rule of a schema, and tells what each declaration uses."""

    def __init__(self, catalog: Catalog, root: Spot) -> None:
        self._catalog = catalog
        self._root = root

    def streams(self) -> None:
        """Check the rules that say which rows of a stream count."""
        for name, stream in self._catalog.schema.streams.items():
            self._rule(stream.where, self._catalog.rows(name), self._root.at("streams", name, "where"))

    def uses(self, name: str, spot: Spot) -> set[str]:
        """Check the rules of the declaration at *spot*; the names that they refer to."""
        schema, customers = self._catalog.schema, self._catalog.customers()
        if name in schema.metrics:
            return self._metric(schema.metrics[name], spot)
        if name in schema.bands:
            band = schema.bands[name]
            return {band.metric} | self._rule(band.among, customers, spot.at("among"))
        if name in schema.stages:
            return self._stages(schema.stages[name], spot)
        if name in schema.segments:
            return self._rule(schema.segments[name].where, customers, spot.at("where"))
        return set()

    def _metric(self, metric: Metric, spot: Spot) -> set[str]:
        for part, inside in ((metric, spot), *((getattr(metric, key), spot.at(key)) for key in _PARTS)):
            if part is not None and part.stream is not None:
                self._rule(part.where, self._catalog.rows(part.stream), inside.at("where"))
                self._rule(part.having, self._catalog.transactions(part.stream), inside.at("having"))
        for number, step in enumerate(metric.steps or ()):
            self._rule(step.where, self._catalog.rows(step.stream), spot.at("steps", number, "where"))
        for number, term in enumerate(metric.terms or ()):
            self._rule(term.where, self._catalog.rows(term.stream), spot.at("terms", number, "where"))
        if metric.formula is None:
            return set() if metric.metric is None else {metric.metric}
        assert not isinstance(metric.formula, str)
        try:
            check_formula(metric.formula, self._catalog)
        except RuleError as error:
            raise spot.at("formula").wrap(error) from None
        return _names(metric.formula)

    def _stages(self, stages: tuple[Stage, ...], spot: Spot) -> set[str]:
        if not stages:
            raise spot.fault("no stages", allowed="at least one")
        names: set[str] = set()
        used: set[str] = set()
        for position, stage in enumerate(stages):
            if stage.name in names:
                raise spot.at(position, "name").fault("a stage stands twice", found=repr(stage.name))
            names.add(stage.name)
            used |= self._rule(stage.where, self._catalog.customers(), spot.at(position, "where"))
        return used

    def _rule(self, rule: nodes.Rule | str | None, scope: Names, spot: Spot) -> set[str]:
        """Check one rule, if there is one; the names that it refers to."""
        if rule is None:
            return set()
        assert not isinstance(rule, str)
        try:
            check_length(rule)  # however briefly it was written: a saved schema is read again from its trees
            check_rule(rule, self._catalog, scope, spot.origin.positions.get(spot.path))
        except RuleError as error:
            raise spot.wrap(error) from None
        return _names(rule)


def _names(node: nodes.Node) -> set[str]:
    """The declared names below *node*; inside a call names are fields."""
    found: set[str] = set()
    stack = [node]
    while stack:
        current = stack.pop()
        if isinstance(current, nodes.Name | nodes.Segment):
            found.add(current.name)
        elif not isinstance(current, nodes.Call | nodes.Sequence):
            stack.extend(nodes.children(current))
    return found


def _check_chains(uses: dict[str, set[str]], order: tuple[str, ...], schema: Schema, declared: dict[str, Spot]) -> None:
    """Segments are followed one inside another when a rule is run, so their chains are bounded like a rule's depth.

    Raises:
        SchemaError: a chain of segments is too long.
    """
    length: dict[str, int] = {}
    for name in order:
        if name in schema.segments:
            length[name] = 1 + max((length.get(used, 0) for used in uses[name]), default=0)
            if length[name] > MOST_CHAINED:
                problem = "segments refer to one another in too long a chain"
                raise declared[name].fault(problem, found=f"{length[name]} segments", allowed=str(MOST_CHAINED))


def _order(uses: dict[str, set[str]], declared: dict[str, Spot]) -> tuple[str, ...]:
    """What is computed, each after what it uses.

    Raises:
        SchemaError: declarations use each other in a circle.
    """
    read = {name for name, spot in declared.items() if spot.path[0] in ("customers", "labels")}
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for name in declared:
        sorter.add(name, *sorted(uses.get(name, ())))
    try:
        return tuple(name for name in sorter.static_order() if name not in read)
    except CycleError as error:
        circle = list(reversed(error.args[1]))  # graphlib names what is used before what uses it
        first = min(circle, key=list(declared).index)
        turn = circle.index(first)
        named = [*circle[turn:-1], *circle[:turn], first]
        spelled = " uses ".join(map(repr, named))
        raise declared[first].fault("declarations use each other in a circle", found=spelled) from None

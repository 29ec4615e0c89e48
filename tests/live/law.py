"""The law: an index that lived is the index that is built of all its rows at its clock.

Customers are compared by key: the numbers of customers are not those of the other index.
"""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

import segdex
from segdex.asking import Asking
from segdex.rules import nodes
from tests.language import cases, rules
from tests.live.model import Model, label_table
from tests.metrics import worlds
from tests.oracle import metrics as oracle_metrics
from tests.oracle import rules as oracle

if TYPE_CHECKING:
    from tests.live.lives import Life

RULES = [
    "everyone", "not country = 'IN'", "points > 0", "count(orders, 90d) >= 1",
    "did(visits, 1mo) or tags has any ('vip')",
    "count(orders, 90d, by = department)[any] >= 1", "sum(orders.amount) > 10", "bucket('a', 3) < 1", "panel = 'b'",
    "country != 'AE' and income >= 'mid'", "any c (count(orders, by = department)[c] >= 1)", "weight is missing",
    "anniversary(born) within 30d", "email ends with '.org' ignoring case", "last_value(visits.note) = 'a'",
    "sequence(visits then orders within 30d) >= 1", "days_since(orders) < 40", "home within 1200 km of (12.97, 77.59)",
    "points > weight", "country in ('IN', 'never') or income = 'unsaid'", "panel_score >= 0.5", "account = 'A1'",
    "count(orders, by = department)[any] = 0", "any c (count(visits, 90d, by = department)[c] < 1)",
]  # fmt: skip
"""Rules over what is always there."""
CATEGORIES = [*worlds.DEPARTMENTS, *worlds.ORDER, "other", "new", "never"]


# --- from nothing ------------------------------------------------------------------------------------------------


def after(index: segdex.Index, model: Model) -> segdex.Index:
    """The index of all rows that takes the place of *index*."""
    return segdex.build(model.schema, as_of=model.as_of, sources=model.sources(), fitted=index, carry=index)


def build(model: Model, fitted: segdex.Index | None = None, out: Path | None = None) -> segdex.Index:
    """The index of all rows."""
    index = segdex.build(model.schema, as_of=model.as_of, sources=model.sources(), fitted=fitted, out=out)
    for name, keys in model.loaded.items():
        index.load(name, sorted(keys))
    if "grp" in model.labels:
        held = model.labels["grp"]
        scored = any(score is not None for _, score in held.values())
        if scored or (fitted is not None and "grp_score" in fitted._running().version.catalog.types):
            index.load("grp", label_table(held, ("key", "label", "score")))
        else:
            index.load("grp", {label: [key for key in held if held[key][0] == label] for label in cases.PANEL})
    left = dict(model.defined)
    while left:
        done = len(left)
        for name, said in list(left.items()):
            try:
                index.define(name, said["where"], **{key: held for key, held in said.items() if key != "where"})
            except segdex.RuleError:
                continue  # it uses one that is not there yet
            del left[name]
        assert len(left) < done, left
    for keep in sorted(set(model.alias.values())):
        index.merge(keep, [key for key, means in model.alias.items() if means == keep])
    return index


def expect_fitted(index: segdex.Index, model: Model, names: set[str]) -> None:
    """What was fitted to the data just now is what a build would fit."""
    if not names:
        return
    with build(model) as fresh:
        for name in names:
            found, expected = (each._running().version.base.fitted[name] for each in (index, fresh))
            assert found == expected, name


def same(found: Any, expected: Any, *what: Any) -> None:
    """Both are equal; else what is found and expected where they differ.

    Raises:
        AssertionError: they are not.
    """
    if found == expected:
        return
    if dataclasses.is_dataclass(found):
        found, expected = vars(found), vars(expected)
    if isinstance(found, dict) and isinstance(expected, dict):
        keys = [key for key in {**found, **expected} if found.get(key, same) != expected.get(key, same)]
        found, expected = ({key: held.get(key) for key in keys} for held in (found, expected))
    raise AssertionError(f"{what}:\nfound    {found}\nexpected {expected}")


# --- what is compared --------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Answers:
    """Everything that an index says, keys as text."""

    columns: list[str]
    as_of: Any
    table: dict[str, Any]
    counts: list[int]
    segments: dict[str, set[str]]


def tracked(index: segdex.Index) -> dict[str, set[str]]:
    """The members of each tracked segment."""
    held = index.schema.segments
    return {name: members(index, f"segment '{name}'") for name in held if held[name].tracked}


def members(index: Asking, rule: Any) -> set[str]:
    """The keys for which a rule holds, as text."""
    return {str(key) for key in index.keys(index.bitmap(rule)).to_pylist()}


def columns_of(index: Asking) -> list[str]:
    """Every name that `members` can give, families by category."""
    types = index._running().version.catalog.types
    found = []
    for name in sorted(types):
        if types[name].family:
            found += [f"{name}['{category}']" for category in CATEGORIES]
        elif types[name].role != "segment":
            found.append(name)
    return found


def table(index: Asking, columns: list[str]) -> dict[tuple[str, str], str]:
    """Every value by key and column."""
    read = index.members("everyone", columns=columns, suppression=False).read_all()
    return {(str(row["id"]), name): repr(row[name]) for row in read.to_pylist() for name in row if name != "id"}


def answers(index: Asking, _model: Model) -> Answers:
    """All that an index says now."""
    return answers_of(index, columns_of(index))


def answers_of(index: Asking, columns: list[str]) -> Answers:
    segments = index.schema.segments
    return Answers(
        columns, index.as_of, table(index, columns), index.counts(RULES),
        {name: members(index, f"segment '{name}'") for name in segments},
    )  # fmt: skip


def expect_same(found: Asking, expected: segdex.Index, model: Model) -> None:
    """One index says what another one of the same folder says."""
    same(found.generation, expected.generation, "generation")
    same(found.epoch, expected.epoch, "epoch")
    same(answers(found, model), answers(expected, model))
    assert isinstance(found, segdex.Index)
    assert found.offsets == expected.offsets == model.offsets


# --- the law -----------------------------------------------------------------------------------------------------


def check(life: Life, chance: random.Random) -> None:
    """The index, and one that is built of its rows with its edges, say the same to whatever is asked."""
    index, model = life.index, life.model
    with build(model, index) if chance.random() < 0.6 else after(index, model) as fresh:
        columns = columns_of(index)
        assert columns == columns_of(fresh)
        assert sorted(members(index, "everyone")) == model.universe
        assert len(index) == len(model.universe)
        found, expected = table(index, columns), table(fresh, columns)
        same(found, expected)
        case = _case(index, model, chance)
        asked = [*RULES, *(f"segment '{name}'" for name in index.schema.segments)]
        asked += [rules.rule(case) for _ in range(12)]
        same(*({str(rule): n for rule, n in zip(asked, each.counts(asked), strict=True)} for each in (index, fresh)))
        for rule in asked:
            try:
                _check_rule(rule, index, fresh, model, life.keys, chance)
            except Exception as error:
                raise AssertionError(f"rule: {rule}") from error
        for query in life.queries:
            assert query.count() == fresh.count(query.rule), str(query.rule)
        _check_customers(index, fresh, life.keys, model)
        _check_values(index, fresh, chance)
        _check_oracle(case, index, model, asked)


def _check_rule(
    rule: Any, index: segdex.Index, fresh: segdex.Index, model: Model, keys: list[str], chance: random.Random
) -> None:
    expected = members(fresh, rule)
    same(members(index, rule), expected)
    assert index.count(rule) == len(expected)
    estimate = index.estimate(rule)
    assert estimate.low <= len(expected) <= estimate.high
    assert not estimate.exact or estimate.value == len(expected)
    same(index.contains(rule, keys), [model.meant(key) in expected for key in keys])
    one = chance.choice(keys)
    assert index.contains(rule, one) == (model.meant(one) in expected)
    if model.universe:
        inside = chance.choice(model.universe)
        assert index.why(rule, inside).holds == (inside in expected)
    purposes = {each for held in index.schema.segments.values() for each in held.suppression}
    for suppression in (True, *([each] for each in sorted(purposes))):
        assert index.count(rule, suppression=suppression) == fresh.count(rule, suppression=suppression)
    exported = index.members(rule).read_all()
    assert sorted(map(str, exported["id"].to_pylist())) == sorted(
        map(str, fresh.members(rule).read_all()["id"].to_pylist())
    )
    if chance.random() < 0.2:
        explained, other = index.explain(rule), fresh.explain(rule)
        assert (explained.count, explained.suppressed) == (other.count, other.suppressed)


def _check_customers(index: segdex.Index, fresh: segdex.Index, keys: list[str], model: Model) -> None:
    universe = set(model.universe)
    same(*(dict(zip(keys, map(sorted, each.segments_of(keys)), strict=True)) for each in (index, fresh)))
    for key in keys:
        if model.meant(key) in universe:
            _check_customer(index.customer(key), fresh.customer(key))
            same(sorted(index.segments_of(key)), sorted(fresh.segments_of(key)))
        else:
            for call in (index.customer, lambda each: index.why("everyone", each)):
                try:
                    call(key)
                except segdex.ArgumentError:
                    continue
                raise AssertionError(f"{key} is no customer")
    everyone = index.bitmap("everyone")
    assert index.ids(pa.array(keys)) == everyone


def _check_customer(found: Any, expected: Any) -> None:
    """Names stand in the order in which they were declared, which is not that of a schema from nothing."""
    for part in ("attributes", "metrics", "bands", "stages", "labels"):
        same(*({name: repr(held) for name, held in getattr(each, part).items()} for each in (found, expected)))
    same(sorted(found.segments), sorted(expected.segments))


def _check_values(index: segdex.Index, fresh: segdex.Index, chance: random.Random) -> None:
    types = index._running().version.catalog.types
    for name, kind in types.items():
        rule = chance.choice(RULES)
        label = f"{name}['{chance.choice(CATEGORIES)}']" if kind.family else name
        if kind.role == "segment":
            continue
        if kind.kind in ("category", "bool", "tags"):
            found, expected = (each.count_by(rule, label) for each in (index, fresh))
            same(dict(found.counts), dict(expected.counts), name, rule)
        elif kind.kind in ("integer", "number", "date", "time"):
            told, other = (each.aggregate(rule, label) for each in (index, fresh))
            for key in ("count", "missing", "min", "max", "quantiles"):
                assert repr(getattr(told, key)) == repr(getattr(other, key)), (name, rule, key)
            if kind.kind == "integer" or kind.scale is not None:
                assert told.sum == other.sum, (name, rule)
            ordered = [[repr(row[1]) for row in _rows(each, rule, label)] for each in (index, fresh)]
            assert ordered[0] == ordered[1], (name, rule)


def _rows(index: segdex.Index, rule: str, label: str) -> list[tuple[Any, ...]]:
    read = index.members(rule, columns=[label], order_by=label, limit=3, suppression=False).read_all()
    return list(zip(*(column.to_pylist() for column in read.columns), strict=True))


# --- the oracle --------------------------------------------------------------------------------------------------


def _case(index: segdex.Index, model: Model, chance: random.Random) -> cases.Case:
    """What random rules are made from."""
    types = index._running().version.catalog.types
    orders = {name: tuple(kind.order) for name, kind in types.items() if kind.order is not None or kind.role == "band"}
    calls = [call for call in map(cases._call, chance.sample(sorted(worlds.METRICS), 4)) if call is not None]
    orders |= {repr(call): worlds.ORDER for call in calls if cases._ordered(cases.declared(call))}
    shared = oracle.World(model.as_of, worlds.ZONE, orders, {})
    held = {name: kind for name, kind in types.items() if kind.role != "segment"}
    return cases.Case(index, [], shared, chance, held, calls, tuple(index.schema.segments))


def _check_oracle(case: cases.Case, index: segdex.Index, model: Model, asked: list[Any]) -> None:
    """The naive meaning of the rules that are about what the oracle knows."""
    universe = model.universe
    place = {key: at for at, key in enumerate(universe)}
    # Rows of who is no customer say nothing but that there is a category.
    rows = {
        name: [dataclasses.replace(row, customer=place.get(str(row.customer), -1)) for row in held]
        for name, held in model.rows.items()
    }
    people = [model.people.get(key, dict.fromkeys(cases.ATTRIBUTES)) for key in universe]
    world = worlds.make_world(rows, random.Random(0), len(universe))
    world = dataclasses.replace(world, attributes=people, as_of=model.as_of)
    metrics = {name: worlds.METRICS[was] for name, was in model.originals.items() if name in model.schema["metrics"]}
    bands = {
        name: band
        for name, band in model.schema["bands"].items()
        if "edges" in band and band["metric"] in {*metrics, "points"}
    }
    items = cases._items(world, people, metrics, [*case.calls], {"bands": bands})
    segments: dict[str, Any] = {name: segdex.parse(said["where"]) for name, said in model.segments.items()}
    for name in model.loaded:
        segments[name] = nodes.Compare("=", nodes.Name(f"in {name}"), nodes.Boolean(True))
    shared = dataclasses.replace(case.world, segments=segments)
    for key, item in zip(universe, items, strict=True):
        label, score = model.labels["panel"].get(key, (None, None))
        item |= {"key": key, "panel": label, "panel_score": score}
        item |= {f"in {name}": key in held for name, held in model.loaded.items()}
    told = table_values(index, [name for name in metrics if not worlds.CATALOG.types[model.originals[name]].family])
    for key, item in zip(universe, items, strict=True):
        for name, value in told[key].items():
            same(_plain(value), _plain(item[name]), key, name)
    for rule in asked:
        parsed = segdex.parse(rule) if isinstance(rule, str) else rule
        try:
            expected = {key for key, item in zip(universe, items, strict=True) if oracle.holds(parsed, item, shared)}
        except KeyError:
            continue  # about names that the oracle does not know
        same(members(index, rule), expected, str(rule))


def table_values(index: segdex.Index, columns: list[str]) -> dict[str, dict[str, Any]]:
    read = index.members("everyone", columns=columns, suppression=False).read_all()
    return {str(row.pop("id")): row for row in read.to_pylist()}


def _plain(value: Any) -> Any:
    """-0.0 is 0.0, and a sum of nothing is 0 whatever it is a sum of."""
    return value + 0.0 if isinstance(value, float) else value


__all__ = ["RULES", "Answers", "build", "check", "oracle_metrics"]

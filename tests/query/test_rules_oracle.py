"""Random rules over a built index against the naive meaning, families, bands, stages and segments included."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import segdex
from segdex.rules import nodes as n
from tests.oracle import rules as oracle

AS_OF = dt.datetime(2026, 6, 30, tzinfo=dt.UTC)
CATEGORIES = ("apparel", "garden", "toys")
SCHEMA: dict[str, Any] = {
    "customers": {
        "key": "id",
        "attributes": {
            "country": "category",
            "income": {"type": "category", "order": ["low", "mid", "high"]},
            "tags": "tags",
            "consent": "bool",
            "points": "integer",
            "account": "id",
            "spend": {"type": "number", "scale": 2},
        },
    },
    "streams": {
        "orders": {
            "key": "id",
            "time": "at",
            "fields": {"department": "category", "amount": {"type": "number", "scale": 2}},
        }
    },
    "metrics": {
        "orders": {"kind": "count", "stream": "orders"},
        "bought": {"kind": "count", "stream": "orders", "by": "department"},
        "value_share": {"kind": "share", "stream": "orders", "by": "department", "weight": "amount"},
        "basket": {"kind": "mean", "stream": "orders", "field": "amount", "by": "department"},
        "elsewhere": {"kind": "formula", "formula": "orders - bought"},
        "favourite": {"kind": "top", "stream": "orders", "by": "department"},
        "staple": {"kind": "top", "metric": "value_share"},
    },
    "bands": {
        "level": {"metric": "points", "edges": [0, 10], "labels": ["none", "some", "many"]},
        "affinity": {"metric": "value_share", "edges": [0.2, 0.75]},
        "often": {"metric": "bought", "edges": [1, 2], "labels": ["never", "once", "more"]},
        "spread": {"metric": "elsewhere", "edges": [1, 2], "labels": ["none", "one", "more"]},
    },
    "stages": {
        "lifecycle": [
            {"name": "rich", "where": "spend > 100"},
            {"name": "buyer", "where": "orders > 0 and not income = 'low'"},
        ]
    },
    "segments": {
        "abroad": {"where": "country != 'IN'"},
        "both": {"where": "segment 'abroad' and tags has any ('vip')", "suppression": ["email"]},
    },
}
PEOPLE = st.fixed_dictionaries(
    {
        "country": st.sampled_from([None, "IN", "AE", "US"]),
        "income": st.sampled_from([None, "low", "mid", "high", "unsaid"]),
        "tags": st.sampled_from([None, (), ("vip",), ("vip", "beta")]),
        "consent": st.sampled_from([None, True, False]),
        "points": st.sampled_from([None, -1, 0, 9, 10, 11]),
        "account": st.sampled_from([None, "A1", "A2", "B1"]),
        "spend": st.sampled_from([None, Decimal("99.99"), Decimal("100.00"), Decimal("100.01"), Decimal(-5)]),
        "rows": st.lists(
            st.tuples(st.sampled_from([None, *CATEGORIES]), st.sampled_from([None, 0, 1, 25, 75, 100, -100])),
            max_size=4,
        ),
    }
)


def family_items(name: str) -> st.SearchStrategy[n.Item]:
    key = st.one_of(st.sampled_from([*CATEGORIES, "unseen"]).map(n.Text), st.just(n.AnyCategory()))
    return st.builds(n.Item, st.just(n.Name(name)), key)


NUMBERS = st.sampled_from(["-1", "0", "0.2", "0.75", "1", "2", "10", "100", "100.01"]).map(
    lambda t: n.Number(Decimal(t))
)
ORDERED = st.sampled_from(["=", "!=", "<", "<=", ">", ">="])
EQUAL = st.sampled_from(["=", "!="])
NUMERIC = st.one_of(
    st.sampled_from([n.Name("points"), n.Name("spend"), n.Name("orders")]),
    family_items("bought"), family_items("value_share"), family_items("basket"), family_items("elsewhere"),
)  # fmt: skip
BUCKETS = st.builds(n.Bucket, st.sampled_from(["", "a", "spring-test"]), st.sampled_from([1, 2, 3, 100]))
ARITHMETIC = st.builds(n.Arithmetic, st.sampled_from("+-*/"), NUMERIC, st.one_of(NUMBERS, NUMERIC))


def labels(name: n.Name | n.Item, values: tuple[str, ...], ordered: bool) -> st.SearchStrategy[n.Rule]:
    value = st.sampled_from(values).map(n.Text)
    return st.one_of(
        st.builds(n.Compare, ORDERED if ordered else EQUAL, st.just(name), value),
        st.builds(n.In, st.just(name), st.lists(value, min_size=1, max_size=3).map(tuple), st.booleans()),
        st.builds(n.Known, st.just(name)),
        st.builds(n.Missing, st.just(name)),
    )


LEAVES = st.one_of(
    st.builds(n.Compare, ORDERED, NUMERIC, NUMBERS),
    st.builds(n.Compare, ORDERED, NUMBERS, NUMERIC),
    st.builds(n.Compare, ORDERED, NUMERIC, NUMERIC),
    st.builds(n.Between, NUMERIC, NUMBERS, NUMBERS),
    st.builds(n.In, NUMERIC, st.lists(NUMBERS, min_size=1, max_size=3).map(tuple), st.booleans()),
    st.builds(n.Compare, ORDERED, BUCKETS, st.one_of(NUMBERS, NUMERIC)),
    st.builds(n.Compare, ORDERED, NUMERIC, BUCKETS),
    st.builds(n.In, BUCKETS, st.lists(NUMBERS, min_size=1, max_size=3).map(tuple), st.booleans()),
    st.builds(n.Known, st.one_of(NUMERIC, ARITHMETIC, BUCKETS)),
    st.builds(n.Missing, st.one_of(NUMERIC, ARITHMETIC)),
    st.builds(n.Compare, ORDERED, ARITHMETIC, NUMBERS),
    labels(n.Name("account"), ("A1", "B1", "C1"), ordered=False),
    st.builds(n.Match, st.just(n.Name("account")), st.sampled_from(["starts", "ends", "contains"]),
              st.sampled_from(["A", "1", ""]), st.booleans()),
    labels(n.Name("country"), ("IN", "AE", "XX"), ordered=False),
    labels(n.Name("income"), ("low", "mid", "high"), ordered=True),
    labels(n.Name("level"), ("none", "some", "many"), ordered=True),
    labels(n.Name("lifecycle"), ("rich", "buyer"), ordered=False),
    family_items("affinity").flatmap(lambda i: labels(i, ("..0.2", "0.2..0.75", "0.75.."), ordered=True)),
    family_items("often").flatmap(lambda i: labels(i, ("never", "once", "more"), ordered=True)),
    family_items("spread").flatmap(lambda i: labels(i, ("none", "one", "more"), ordered=True)),
    labels(n.Name("favourite"), (*CATEGORIES, "unseen"), ordered=False),
    labels(n.Name("staple"), (*CATEGORIES, "unseen"), ordered=False),
    st.builds(n.Compare, EQUAL, st.just(n.Name("favourite")), st.just(n.Name("staple"))),
    st.builds(n.Compare, EQUAL, st.just(n.Name("consent")), st.booleans().map(n.Boolean)),
    st.builds(n.Has, st.just(n.Name("tags")), st.sampled_from(["any", "all", "none"]),
              st.lists(st.sampled_from(["vip", "beta", "x"]), min_size=1, max_size=2).map(tuple)),
    st.sampled_from([n.Segment("abroad"), n.Segment("both"), n.Everyone()]),
)  # fmt: skip
CHOSEN = n.Variable("c")
FOR_ANY = st.builds(
    n.ForAny,
    st.just("c"),
    st.lists(
        st.one_of(
            st.builds(n.Compare, ORDERED, st.sampled_from(["bought", "value_share", "basket", "elsewhere"]).map(
                lambda name: n.Item(n.Name(name), CHOSEN)), NUMBERS),
            st.builds(n.Compare, EQUAL, st.just(n.Item(n.Name("affinity"), CHOSEN)), st.just(n.Text("0.75.."))),
        ),
        min_size=2, max_size=3,
    ).map(lambda parts: n.And(tuple(parts))),
)  # fmt: skip
RULES = st.recursive(
    st.one_of(LEAVES, FOR_ANY),
    lambda inner: st.one_of(
        st.builds(n.Not, inner),
        st.lists(inner, min_size=2, max_size=4).map(lambda parts: n.And(tuple(parts))),
        st.lists(inner, min_size=2, max_size=4).map(lambda parts: n.Or(tuple(parts))),
    ),
    max_leaves=8,
)


def build(people: list[dict[str, Any]]) -> segdex.Index:
    attributes = {name: [person[name] for person in people] for name in SCHEMA["customers"]["attributes"]}
    types = {"country": pa.string(), "account": pa.string(), "income": pa.string(), "tags": pa.list_(pa.string()),
             "consent": pa.bool_(), "points": pa.int64(), "spend": pa.decimal128(9, 2)}  # fmt: skip
    customers = pa.table(
        {"id": pa.array(range(len(people)), pa.int64())}
        | {name: pa.array(values, types[name]) for name, values in attributes.items()}
    )
    rows = [(at, *row) for at, person in enumerate(people) for row in person["rows"]]
    orders = pa.table(
        {
            "id": pa.array([row[0] for row in rows], pa.int64()),
            "at": pa.array([AS_OF - dt.timedelta(days=1)] * len(rows), pa.timestamp("us", "UTC")),
            "department": pa.array([row[1] for row in rows], pa.string()),
            "amount": pa.array([row[2] for row in rows], pa.int64()),
        }
    )
    return segdex.build(SCHEMA, as_of=AS_OF, sources={"customers": customers, "orders": orders})


def expected_items(people: list[dict[str, Any]]) -> list[dict[str, Any]]:
    seen = frozenset(row[0] for person in people for row in person["rows"] if row[0] is not None)
    return [_item(person, seen) | {"key": at} for at, person in enumerate(people)]


def _item(person: dict[str, Any], seen: frozenset[str]) -> dict[str, Any]:
    rows = person["rows"]
    total = sum(amount or 0 for _, amount in rows)
    bought, shares, means = {}, {}, {}
    for category in {name for name, _ in rows if name is not None}:
        amounts = [amount for name, amount in rows if name == category]
        known = [amount for amount in amounts if amount is not None]
        bought[category] = len(amounts)
        shares[category] = sum(known) * 100 / (total * 100) if total else None
        means[category] = sum(known) * 100 / (len(known) * 100) if known else None
    zero = 0.0 if total else None
    elsewhere = {category: float(len(rows) - count) for category, count in bought.items()}
    item = dict(person) | {
        "orders": len(rows),
        "tags": None if person["tags"] is None else frozenset(person["tags"]),
        "bought": oracle.Family(bought, 0, seen),
        "value_share": oracle.Family(shares, zero, seen),
        "basket": oracle.Family(means, None, seen),
        "affinity": oracle.Family({c: _band(v) for c, v in shares.items()}, _band(zero), seen),
        "often": oracle.Family({c: "once" if v == 1 else "more" for c, v in bought.items()}, "never", seen),
        "elsewhere": oracle.Family(elsewhere, float(len(rows)), seen),
        "spread": oracle.Family({c: _spread(v) for c, v in elsewhere.items()}, _spread(len(rows)), seen),
        "favourite": _first_greatest(bought),
        "staple": _first_greatest({c: v for c, v in shares.items() if v}),
    }
    points, spend = person["points"], person["spend"]
    item["level"] = None if points is None else "none" if points < 0 else "some" if points < 10 else "many"
    rich = spend is not None and spend > 100
    item["lifecycle"] = "rich" if rich else "buyer" if rows and person["income"] != "low" else None
    return item


def _spread(value: float) -> str:
    return "none" if value < 1 else "one" if value < 2 else "more"


def _first_greatest(values: dict[str, Any]) -> str | None:
    return min((c for c in values if values[c] == max(values.values())), default=None)


def _band(share: float | None) -> str | None:
    if share is None:
        return None
    return "..0.2" if share < 0.2 else "0.2..0.75" if share < 0.75 else "0.75.."


ORDERS = {"income": ("low", "mid", "high"), "level": ("none", "some", "many")}
WORLD = oracle.World(
    AS_OF,
    ZoneInfo("UTC"),
    ORDERS
    | {"affinity": ("..0.2", "0.2..0.75", "0.75.."), "often": ("never", "once", "more")}
    | {"spread": ("none", "one", "more")},
    {name: segdex.parse(segment["where"]) for name, segment in SCHEMA["segments"].items()},
)


# No shrinking: ten rules over a dozen people take minutes to shrink, and the message names the rule.
@settings(max_examples=60, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(people=st.lists(PEOPLE, max_size=12), rules=st.lists(RULES, min_size=10, max_size=10))
def test_counts_and_members_equal_the_naive_meaning(people: list[dict[str, Any]], rules: list[n.Rule]) -> None:
    items = expected_items(people)
    with build(people) as index:
        for rule in rules:
            expected = [at for at, item in enumerate(items) if oracle.holds(rule, item, WORLD)]
            assert index.count(rule) == len(expected), str(rule)
            assert index.keys(index.bitmap(rule)).to_pylist() == expected, str(rule)
            assert index.count(str(rule)) == len(expected), str(rule)
            assert index.explain(rule).count == len(expected)
            assert list(index.members(rule, suppression=False).read_all()["id"].to_pylist()) == expected

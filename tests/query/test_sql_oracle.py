"""The SQL form of random rules, run by DuckDB over the table of `members`, against what the index answers."""

from __future__ import annotations

import datetime as dt
import math
import random
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import segdex
from segdex.rules import nodes as n
from tests.query import test_rules_oracle as families
from tests.values import test_masks as plain

ARROW = {"integer": pa.int64(), "date": pa.date32(), "time": pa.timestamp("us", "UTC"), "bool": pa.bool_(),
         "tags": pa.list_(pa.string()), "number": pa.float64(), "id": pa.int64()}  # fmt: skip
SCHEMA: dict[str, Any] = {
    "timezone": "America/New_York",
    "customers": {
        "key": "id",
        "attributes": {
            "visits": "integer", "points": "integer", "spend": {"type": "number", "scale": 2},
            "cost": {"type": "number", "scale": 3}, "share": "number", "rate": "number", "born": "date",
            "renews": "date", "seen": "time", "left": "time", "city": "category", "town": "text",
            "income": {"type": "category", "order": list(plain.ORDER)},
            "wealth": {"type": "category", "order": list(plain.ORDER)}, "consent": "bool", "tags": "tags",
            "account": "id", "code": "id", "tier": {"type": "category", "order": ["low", "high"], "fold": "lower"},
            "marks": {"type": "tags", "fold": "lower"}, "id": {"type": "category", "column": "city"},
            'odd "name"': {"type": "integer", "column": "points"},
        },
    },
    "streams": {"orders": {"key": "id", "time": "at", "fields": {"department": "category", "amount": "integer"}}},
    "metrics": {
        "orders": {"kind": "count", "stream": "orders"},
        "bought": {"kind": "count", "stream": "orders", "by": "department"},
        "value_share": {"kind": "share", "stream": "orders", "by": "department", "weight": "amount"},
        "basket": {"kind": "mean", "stream": "orders", "field": "amount", "by": "department"},
        "elsewhere": {"kind": "formula", "formula": "orders - bought"},
        "age": {"kind": "years_since", "attribute": "born"},
        "latest": {"kind": "last", "stream": "orders"},
        "since_seen": {"kind": "days_since", "attribute": "seen"},
    },
    "bands": {
        "level": {"metric": "points", "edges": [0, 10], "labels": ["none", "some", "many"]},
        "affinity": {"metric": "value_share", "edges": [0.2, 0.75]},
        "often": {"metric": "bought", "edges": [1, 2], "labels": ["never", "once", "more"]},
        "spread": {"metric": "elsewhere", "edges": [1, 2], "labels": ["none", "one", "more"]},
    },
    "stages": {"lifecycle": [{"name": "rich", "where": "spend > 7"}, {"name": "buyer", "where": "orders > 0"}]},
    "segments": {
        "abroad": {"where": "city != 'a'"},
        "both": {"where": "segment 'abroad' and tags has any ('vip')", "suppression": ["email"]},
    },
}  # fmt: skip
BIG = 2**53
WORDS = ("Low", "LOW", "high", "other", "Ärger")
POOLS: dict[str, Sequence[Any]] = {
    "visits": [0, 1, -1, 2, 7, 10, BIG, BIG + 1, -BIG - 1, 2**63 - 1, -(2**63) + 1],
    "spend": [Decimal(text) for text in ("0", "0.01", "-0.01", "7", "7.5", "19.99", "20", "90071992547409.93")],
    "share": [0.0, -0.0, 0.1, 0.2, 0.1 + 0.2, 0.3, 0.75, 7.0, -7.5, 1e300, math.inf, -math.inf, float(BIG), 2.0**63],
    "born": [
        dt.date(2024, 2, 29),
        dt.date(2026, 1, 31),
        dt.date(2026, 3, 7),
        dt.date(2026, 3, 8),
        dt.date(1904, 2, 29),
    ],
    "seen": [
        plain.AS_OF,
        plain.AS_OF + dt.timedelta(microseconds=1),
        dt.datetime(2026, 3, 8, 5, tzinfo=dt.UTC),
        dt.datetime(2026, 3, 8, 4, 59, 59, 999999, dt.UTC),
        dt.datetime(2026, 3, 9, 4, tzinfo=dt.UTC),
        dt.datetime(2024, 2, 29, 12, tzinfo=dt.UTC),
        dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC),
    ],
    "city": ["", "a", "A", "ab", "Ünï", "ünï", "spring-sale", "x@gmail.com", "'quoted'"],
    "income": [*plain.ORDER, "other"],
    "consent": [True, False],
    "tags": [[], ["vip"], ["beta", "vip"], ["beta", "new", "vip"]],
    "account": [0, 7, 42, -1],
    "code": ["7", "07", "A1", "7.5"],
    "tier": WORDS,
    "marks": [[], ["Low"], ["LOW", "Ärger"], ["high", "other"]],
}
POOLS |= {
    "points": POOLS["visits"], "cost": [*POOLS["spend"], Decimal("12.335")], "rate": POOLS["share"],
    "renews": POOLS["born"], "left": POOLS["seen"], "town": POOLS["city"], "wealth": POOLS["income"],
}  # fmt: skip


def people_of(seed: int, count: int) -> list[dict[str, Any]]:
    """People with values that hug edges; drawn by a seed, since so many values are more than hypothesis may draw."""
    chance = random.Random(seed)

    def rows() -> list[tuple[Any, Any]]:
        departments, amounts = [None, *families.CATEGORIES], [None, 0, 1, 25, 75, -100]
        return [(chance.choice(departments), chance.choice(amounts)) for _ in range(chance.randint(0, 3))]

    return [
        {name: chance.choice(pool) if chance.random() < 0.8 else None for name, pool in POOLS.items()}
        | {"rows": rows()}
        for _ in range(count)
    ]


PEOPLE = st.builds(people_of, st.integers(0, 2**32 - 1), st.integers(0, 30))
CASES = st.sampled_from(WORDS)
ODD = n.Name('odd "name"')
NUMERIC = st.one_of(
    st.sampled_from([*plain.NUMERIC, ODD, n.Name("orders"), n.Name("age"), n.Name("since_seen")]),
    *(families.family_items(name) for name in ("bought", "value_share", "basket")),
    families.BUCKETS,
)
WHOLE = st.integers(-(2**65), 2**65).map(lambda number: n.Number(Decimal(number)))
LITERALS = st.one_of(plain.NUMBERS, families.NUMBERS, WHOLE, st.decimals(-99, 99, places=4).map(n.Number))
IDS = st.one_of(
    st.sampled_from(["7", "07", "42", "-1", "A1", "7.0", "7.5", "x'y"]).map(n.Text),
    st.sampled_from(["7", "-1", "7.5", "0", "42"]).map(lambda text: n.Number(Decimal(text))),
)
ARITHMETIC = st.recursive(
    st.one_of(LITERALS, NUMERIC),
    lambda inner: st.one_of(
        st.builds(n.Arithmetic, st.sampled_from("+-*/"), inner, inner), st.builds(n.Negative, inner)
    ),
    max_leaves=5,
)
DATED = st.one_of(
    st.sampled_from([*plain.DATED, n.Name("latest")]), plain.ANNIVERSARIES, plain.MOVED, plain.DAYS,
    plain.TIMES.map(n.Time),
)  # fmt: skip
KEYS = st.sampled_from([n.Name("account"), n.Name("code")])
OURS = {*SCHEMA["metrics"], *SCHEMA["bands"], *SCHEMA["stages"], "points", "spend", "consent", "tags"}
FOLDED = st.sampled_from(["low", "LOW", "High"]).map(n.Text)
LEAVES = st.one_of(
    plain.LEAVES,
    families.LEAVES.map(lambda rule: rule if names(rule) <= OURS else n.Everyone()),
    st.builds(n.Compare, plain.ANY_ORDER, ARITHMETIC, ARITHMETIC),
    st.builds(n.Compare, plain.ANY_ORDER, NUMERIC, LITERALS),
    st.builds(n.Compare, plain.ANY_ORDER, LITERALS, NUMERIC),
    st.builds(n.Compare, plain.ANY_ORDER, NUMERIC, NUMERIC),
    st.builds(n.Between, ARITHMETIC, LITERALS, NUMERIC),
    st.builds(n.In, ARITHMETIC, st.lists(LITERALS, min_size=1, max_size=4).map(tuple), st.booleans()),
    st.builds(n.Compare, plain.ANY_ORDER, DATED, DATED),
    st.builds(n.Between, DATED, DATED, DATED),
    st.builds(n.Soon, DATED, plain.DURATIONS.map(lambda held: held.value)),
    st.builds(
        n.In, DATED,
        st.lists(st.one_of(plain.DATES.map(n.Date), plain.TIMES.map(n.Time)), min_size=1, max_size=3).map(tuple),
        st.booleans(),
    ),
    st.builds(n.Missing, st.one_of(ARITHMETIC, DATED)),
    st.builds(n.Compare, plain.EQUAL, KEYS, IDS),
    st.builds(n.In, KEYS, st.lists(IDS, min_size=1, max_size=3).map(tuple), st.booleans()),
    st.builds(n.Compare, plain.EQUAL, KEYS, KEYS),
    st.builds(n.Match, KEYS, st.sampled_from(["starts", "ends", "contains"]), st.sampled_from(["7", "-", "A"]),
              st.booleans()),
    st.builds(n.Compare, plain.ANY_ORDER, st.just(n.Name("tier")), FOLDED),
    st.builds(n.Match, st.just(n.Name("tier")), st.sampled_from(["starts", "ends", "contains"]),
              st.sampled_from(["L", "ow", "äR", ""]), st.booleans()),
    st.builds(n.Has, st.just(n.Name("marks")), st.sampled_from(["any", "all", "none"]),
              st.lists(CASES, min_size=1, max_size=3).map(tuple)),
    st.builds(n.Compare, plain.ANY_ORDER, st.just(n.Name("level")), st.sampled_from(["none", "some"]).map(n.Text)),
    st.builds(n.Compare, plain.EQUAL, st.just(n.Name("id")), plain.TEXTS.map(n.Text)),
    st.builds(n.In, st.just(n.Name("consent")), st.just((n.Boolean(True),)), st.booleans()),
)  # fmt: skip
RULES = st.recursive(
    st.one_of(LEAVES, families.FOR_ANY),
    lambda inner: st.one_of(
        st.builds(n.Not, inner),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: n.And(tuple(parts))),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: n.Or(tuple(parts))),
    ),
    max_leaves=6,
)
MANY = {"max_examples": 40, "deadline": None, "phases": [Phase.explicit, Phase.reuse, Phase.generate]}


def names(rule: n.Node) -> set[str]:
    return {node.name for node in n.walk(rule) if isinstance(node, n.Name)}


def build(people: list[dict[str, Any]]) -> segdex.Index:
    columns = {"id": pa.array(range(len(people)), pa.int64())}
    for name, field in SCHEMA["customers"]["attributes"].items():
        if isinstance(field, dict) and "column" in field:
            continue
        kind = field if isinstance(field, str) else field["type"]
        values = [person[name] for person in people]
        scale = field.get("scale") if isinstance(field, dict) else None
        arrow = pa.decimal128(18, scale) if scale else pa.string() if name == "code" else ARROW.get(kind, pa.string())
        columns[name] = pa.array(values, arrow)
    rows = [(at, *row) for at, person in enumerate(people) for row in person["rows"]]
    orders = pa.table(
        {
            "id": pa.array([row[0] for row in rows], pa.int64()),
            "at": pa.array([plain.AS_OF - dt.timedelta(days=row[0] % 3) for row in rows], pa.timestamp("us", "UTC")),
            "department": pa.array([row[1] for row in rows], pa.string()),
            "amount": pa.array([row[2] for row in rows], pa.int64()),
        }
    )
    tables = {"customers": pa.table(columns), "orders": orders}
    return segdex.build(SCHEMA, as_of=plain.AS_OF, sources=tables)


def selected(index: segdex.Index, sql: Any, zone: str = "Asia/Tokyo") -> list[int]:
    """What DuckDB finds, in a session whose time zone is that of nobody."""
    members = index.members("everyone", columns=sql.columns, suppression=False).read_all()
    with duckdb.connect() as connection:
        connection.execute(f"SET TimeZone = '{zone}'")
        connection.register("members", members)
        found = connection.execute(f"SELECT id FROM members WHERE {sql} ORDER BY id").fetchall()
    return [key for (key,) in found]


def expect_same(index: segdex.Index, rule: n.Rule, sql: Any, **session: str) -> None:
    expected = sorted(index.members(rule, suppression=False).read_all()["id"].to_pylist())
    assert selected(index, sql, **session) == expected, f"{rule}\n{sql}"


@pytest.mark.compiled
@settings(**MANY)
@given(people=PEOPLE, rules=st.lists(RULES, min_size=8, max_size=8))
def test_what_an_index_writes_selects_its_members(people: list[dict[str, Any]], rules: list[n.Rule]) -> None:
    with build(people) as index:
        for rule in rules:
            expect_same(index, rule, index.to_sql(rule))


def written(rule: n.Rule) -> Any:
    try:
        return rule.to_sql()
    except segdex.RuleError as error:
        if "index.to_sql(rule)" in str(error):
            return None
        raise


@pytest.mark.compiled
@settings(**MANY)
@given(people=PEOPLE, rules=st.lists(RULES, min_size=8, max_size=8))
def test_where_the_text_suffices_it_selects_the_same(people: list[dict[str, Any]], rules: list[n.Rule]) -> None:
    for person in people:  # the text takes for granted that numbers in arithmetic are below 2^53
        for name in ("visits", "points"):
            person[name] = None if person[name] is None else person[name] % 13 - 1
        for name in ("spend", "cost"):
            person[name] = None if person[name] is None else person[name] % 1000
    with build(people) as index:
        for rule in rules:
            if {"tier", "marks", "code", "account", "id"} & names(rule):
                continue  # folded texts, and ids: only the schema says
            sql = written(rule)
            if sql is not None:
                expect_same(index, rule, sql, zone="America/New_York")


@pytest.mark.parametrize(
    "text",
    [
        "visits > 9007199254740992 and visits > rate",
        "visits = rate or visits < rate or visits >= rate",
        "not visits != rate",
        "visits < 9223372036854775808 and visits > -9223372036854775808",
        "spend < 12.345 and not spend = 12.345 and spend != 12.345",
        "spend - cost > 0.005",
        "share / (rate / (visits / points)) > 0.1",
        "share / 0 is missing and not share / points > 1",
        "rate - rate = 0 and -(-rate) = rate",
        "- (visits - -5) < 3 - -4",
        "anniversary(born) within 1y and seen within 1d and renews within 0d",
        "latest > 2026-01-31T12:00:00Z and latest >= born and seen < today",
        "value_share[any] > 0.2 or any c (bought[c] > 1 and affinity[c] > '..0.2')",
        "everyone",
        "not (not (tags has none ('x') or income < 'high') and level > 'none')",
    ],
)
def test_chosen_rules(text: str) -> None:
    people = [
        {"visits": visits, "points": points, "share": share, "rate": rate, "spend": Decimal("12.34"),
         "cost": Decimal("12.335"), "born": dt.date(2024, 2, 29), "renews": dt.date(2026, 3, 8),
         "seen": plain.AS_OF - dt.timedelta(hours=hours), "rows": [("garden", 1)] * (hours % 3)}
        for visits, points, share, rate, hours in [
            (2**53 + 1, 0, 0.0, float(2**53), 0), (2**53, 1, 0.1, float(2**53), 2), (2**63 - 1, 3, 0.3, 2.0**63, 3),
            (-(2**63) + 1, -1, math.inf, -(2.0**63), 4), (5, None, None, math.inf, 30), (None, 2, -0.0, None, 31),
            (0, 0, 0.0, -0.0, 7), (1, 2, math.inf, math.inf, 8),
        ]
    ]  # fmt: skip
    blank = dict.fromkeys(POOLS)
    with build([blank | person for person in people]) as index:
        expect_same(index, segdex.parse(text), index.to_sql(text))


def test_a_column_named_like_the_key_is_not_the_key() -> None:
    blank = dict.fromkeys(POOLS) | {"rows": []}
    with build([blank | {"city": "a"}, blank | {"city": "ab"}]) as index:
        sql = index.to_sql("id = 'ab'")
        assert sql == '"""id""" = \'ab\''
        assert sql.columns == ("id",)
        assert selected(index, sql) == [1]


def test_any_is_written_out_over_the_categories_that_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    blank = dict.fromkeys(POOLS)
    with build([blank | {"rows": [("toys", 1), ("garden", 1)]}, blank | {"rows": []}]) as index:
        sql = index.to_sql("bought[any] > 0")
        assert sql == "(\"bought['garden']\" > 0 OR \"bought['toys']\" > 0)"
        assert sql.columns == ("bought['garden']", "bought['toys']")
        monkeypatch.setattr("segdex.rules.sql.MOST_CHARACTERS", 100)
        with pytest.raises(segdex.LimitError, match="the SQL form would be too long"):
            index.to_sql("any c (any d (bought[c] > 0 and bought[d] > 0))")
    with build([blank | {"rows": []}]) as index:
        assert index.to_sql("not bought[any] > 0") == "(FALSE) IS NOT TRUE"


def test_what_is_not_stored_is_refused() -> None:
    with build([]) as index:
        for text in ("count(orders, 90d) > 1", "any c (count(orders, by = department)[c] > 1)", "did(orders)"):
            with pytest.raises(segdex.RuleError, match="has no SQL form"):
                index.to_sql(text)
        with pytest.raises(segdex.RuleError, match="unknown name"):
            index.to_sql("nothing > 1")

"""The SQL form of rules by their text alone: what it looks like, what is refused, and that nothing gets out of it."""

from __future__ import annotations

import copy
import json
import pickle

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings

import segdex
from segdex.rules import nodes
from segdex.rules.sql import Sql
from tests.rules import strategies

TEXTS = [
    ("orders_3m > 7", '"orders_3m" > 7'),
    ("7 <= orders_3m", '"orders_3m" >= 7'),
    ("share != 0.75", '"share" <> 0.75'),
    ("country = 'IN'", "\"country\" = 'IN'"),
    ("country in ('IN', 'A''E')", "\"country\" IN ('IN', 'A''E')"),
    ("country not in ('IN')", '("country" IS NOT NULL AND ("country" IN (\'IN\')) IS NOT TRUE)'),
    ("code = '07'", "CAST(\"code\" AS VARCHAR) = '07'"),
    ("consent = true", '"consent" = TRUE'),
    ("not consent = true", '("consent" = TRUE) IS NOT TRUE'),
    ("born < 1990-01-01", "CAST(\"born\" AS DATE) < DATE '1990-01-01'"),
    ("born < renews + 1mo", 'CAST("born" AS DATE) < CAST(CAST("renews" AS DATE) + INTERVAL \'1\' MONTH AS DATE)'),
    (
        "seen < 2026-01-31T12:00Z",
        'CASE typeof("seen") WHEN \'DATE\' THEN CAST("seen" AS DATE) < '
        "CAST(TIMESTAMPTZ '2026-01-31 12:00:00+00' AS DATE) ELSE \"seen\" < TIMESTAMPTZ '2026-01-31 12:00:00+00' END",
    ),
    ("a between 1 and 2", '("a" >= 1 AND "a" <= 2)'),
    ("a is known or b is missing", '"a" IS NOT NULL OR "b" IS NULL'),
    ("(a = 1 or b = 2) and c = 3", '("a" = 1 OR "b" = 2) AND "c" = 3'),
    ("tags has any ('vip', 'beta')", "list_has_any(\"tags\", ['vip', 'beta'])"),
    ("tags has none ('x')", '("tags" IS NOT NULL AND NOT list_has_any("tags", [\'x\']))'),
    ("email ends with '@x.com'", "ends_with(\"email\", '@x.com')"),
    ("title contains '100%' ignoring case", "contains(lower(\"title\"), lower('100%'))"),
    ("value_share['a\"b'] > 0.5", '"value_share[\'a""b\']" > 0.5'),
    ("segment 'no email' and everyone", '"no email" AND TRUE'),
    ("bucket('a', 100) < 10", "\"bucket('a', 100)\" < 10"),
    (
        "a > 2 * b / 12",
        'CAST("a" AS DOUBLE) > nullif(((2e0 * CAST("b" AS DOUBLE)) / 12e0), CAST(\'NaN\' AS DOUBLE))',
    ),
    (
        "a / b > -1",
        'CASE WHEN CAST("b" AS DOUBLE) = 0 THEN NULL '
        'ELSE nullif((CAST("a" AS DOUBLE) / CAST("b" AS DOUBLE)), CAST(\'NaN\' AS DOUBLE)) END > (-1e0)',
    ),
]


@pytest.mark.parametrize(("text", "expected"), TEXTS)
def test_texts(text: str, expected: str) -> None:
    assert segdex.parse(text).to_sql() == expected


REFUSED = [
    ("income > 'low'", "the order that > follows is in the schema"),
    ("a > b", "of two stored values only the schema says"),
    ("a = b", "of two stored values only the schema says"),
    ("born < today", "today depends on an index's clock"),
    ("born within 7d", "today depends on an index's clock"),
    ("anniversary(born) = 2026-01-01", "today depends on an index's clock"),
    ("share[any] > 1", "ranges over the categories of an index"),
    ("any c (share[c] > 1)", "ranges over the categories of an index"),
    ("a > 0.1234567890123456", "only the schema says"),
    ("a > 1e30", "only the schema says"),
    ("count(orders) > 1", "straight from a stream has no SQL form; found count(…); declare it as a metric"),
    ("did(orders, 7d)", "straight from a stream has no SQL form"),
    ("count(orders, by = d)['a'] > 1", "straight from a stream has no SQL form"),
    ("home within 2 km of (1, 2)", "'within … km of' has no SQL form"),
    ("born + 3h > 2026-01-01", "a date moves by whole days"),
    ("'a' = 1", "different types"),
    ("a + 'x' > 1", "arithmetic works on numbers"),
    ("a + 1 = 'x'", "different types"),
    ("a + 1 in (2026-01-01)", "different types"),
    ("a = 1 and A = 2", "differ in case only; found 'a' and 'A'"),
]


@pytest.mark.parametrize(("text", "words"), REFUSED)
def test_what_the_text_does_not_say_is_refused(text: str, words: str) -> None:
    with pytest.raises(segdex.RuleError) as caught:
        segdex.parse(text).to_sql()
    assert words in str(caught.value)


def test_columns_are_what_members_takes() -> None:
    sql = segdex.parse("\"a b\" > 1 and share['x'] > 1 and segment 's' and \"a b\" < 9 and bucket('q', 2) = 1").to_sql()
    assert sql.columns == ("a b", "share['x']", "s", "bucket('q', 2)")
    assert isinstance(sql, str)
    for other in (copy.copy(sql), pickle.loads(pickle.dumps(sql))):
        assert isinstance(other, Sql)
        assert (other, other.columns) == (sql, sql.columns)


def test_a_tree_of_the_wrong_size_is_refused() -> None:
    rule: nodes.Rule = nodes.Everyone()
    for _ in range(5000):
        rule = ~rule
    with pytest.raises(segdex.LimitError):
        rule.to_sql()
    with pytest.raises(segdex.RuleError, match="cannot be kept"):
        nodes.Compare("=", nodes.Name("a"), nodes.Text("a\0b")).to_sql()


@pytest.mark.parametrize(
    "text", ["'", "''", "\\'", "'; drop table t; --", "%", "_", "a\nb", "é", '"', "$$", "x' or 'x'='x"]
)
def test_a_string_stands_for_itself(text: str) -> None:
    table = pa.table({"t": [text, "other", None], text: [1, 2, None]})
    with duckdb.connect() as connection:
        connection.register("t", table)
        for rule in (segdex.field("t") == text, segdex.field("t").contains(text), segdex.field("t").is_in(text, "x"),
                     segdex.field("t").starts_with(text), segdex.field("t").ends_with(text),
                     segdex.field(text) == 1):  # fmt: skip
            assert connection.execute(f"SELECT count(*) FROM t WHERE {rule.to_sql()}").fetchall() == [(1,)]


@settings(max_examples=300)
@given(rule=strategies.rules())
def test_every_text_is_one_condition(rule: nodes.Rule) -> None:
    try:
        sql = rule.to_sql()
    except segdex.RuleError:
        return
    with duckdb.connect() as connection:
        (parsed,) = connection.execute("SELECT json_serialize_sql(?)", [f"SELECT 1 FROM t WHERE {sql}"]).fetchone()
    found = json.loads(parsed)
    assert not found["error"], f"{rule}\n{sql}\n{found}"
    (statement,) = found["statements"]
    node = statement["node"]
    assert node["type"] == "SELECT_NODE"
    assert node["where_clause"] is not None
    assert node["modifiers"] == []

"""What every rule must satisfy, whatever it says: three forms without loss, and one answer by every way to ask."""

from __future__ import annotations

import functools
from typing import Any

import duckdb
import pytest

import segdex
from segdex.rules import nodes as n
from tests.language import cases, rules
from tests.language.cases import Case, make
from tests.metrics import worlds

RULES = 40
"""Rules of each case."""


def prove(seed: int) -> int:
    """Hold the rules of one case to the naive meaning; returns how many there were.

    Raises:
        AssertionError: with the seed and the rule, where one differs.
    """
    case = make(seed)
    with case.index:
        for number in range(RULES):
            rule = rules.rule(case)
            try:
                check(case, rule)
            except Exception as error:
                raise AssertionError(f"seed {seed}, rule {number}: {rule}") from error
    return RULES


def check(case: Case, rule: n.Rule) -> None:
    index, expected = case.index, case.expected(rule)
    text = str(rule)
    assert segdex.parse(text) == rule
    assert segdex.Rule.from_json(rule.to_json()) == rule
    assert eval(rule.to_python(), vars(segdex) | {"segdex": segdex}) == rule
    assert index.count(text) == len(expected)
    assert index.keys(index.bitmap(rule)).to_pylist() == expected
    assert index.prepare(rule).count() == len(expected)
    estimate = index.estimate(rule)
    assert estimate.low <= len(expected) <= estimate.high
    one = case.chance.randrange(len(case.items))
    assert index.contains(rule, one) == (one in expected)
    assert index.why(rule, one).holds == (one in expected)
    if case.index.schema.customers.only:
        assert index.contains(rule, list(cases.STRANGERS)) == [False] * len(cases.STRANGERS)
    check_sql(case, rule, expected)


def check_sql(case: Case, rule: n.Rule, expected: list[int]) -> None:
    """DuckDB gives the same customers, unless the rule asks for more than what is stored."""
    if any(isinstance(node, n.Call | n.Sequence | n.Near) for node in n.walk(rule)):
        with pytest.raises(segdex.RuleError):
            case.index.to_sql(rule)
        return
    condition = case.index.to_sql(rule)
    table = case.index.members("everyone", columns=condition.columns, suppression=False).read_all()
    held = connection()
    held.register("members", table)
    rows = held.execute(f"SELECT id FROM members WHERE {condition} ORDER BY id").fetchall()
    assert [row[0] for row in rows] == expected, str(condition)


@functools.cache
def connection() -> Any:
    made = duckdb.connect()
    made.execute(f"SET TimeZone = '{worlds.ZONE.key}'")
    return made

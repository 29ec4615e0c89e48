"""Rules as Python expressions."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

import segdex
from segdex.errors import ArgumentError, RuleError
from segdex.rules.text import parse
from segdex.rules.windows import Duration, Last

field = segdex.field
x = field("x")
INDIA = dt.timezone(dt.timedelta(hours=5.5))


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (field("orders_3m") > 7, "orders_3m > 7"),
        (x == 1, "x = 1"),
        (x != "a", "x != 'a'"),
        (x <= 0.1, "x <= 0.1"),
        (x >= Decimal("0.10"), "x >= 0.1"),
        (x < 1e-7, "x < 0.0000001"),
        (7 < x, "x > 7"),  # noqa: SIM300 - the reflected operator is meant
        (x == True, "x = true"),  # noqa: E712
        (x == np.float64(0.1), "x = 0.1"),
        (x == np.int64(3), "x = 3"),
        (x < dt.date(2026, 1, 31), "x < 2026-01-31"),
        (x < dt.datetime(2026, 1, 31, 5, 30, tzinfo=INDIA), "x < 2026-01-31T00:00:00Z"),
        (x == field("y"), "x = y"),
        ((x > 1) & (x < 3) & (x != 2), "x > 1 and x < 3 and x != 2"),
        ((x > 1) | ~(x < 3), "x > 1 or not x < 3"),
        (x.is_in("a", "b"), "x in ('a', 'b')"),
        (x.is_in(["a", "b"]), "x in ('a', 'b')"),
        (x.is_in(range(2)), "x in (0, 1)"),
        (x.is_in("ab"), "x in ('ab')"),
        (x.not_in([1]), "x not in (1)"),
        (x.is_between(1, field("y") * 2), "x between 1 and y * 2"),
        (x.is_known() & x.is_missing(), "x is known and x is missing"),
        (x.has_any("a") | x.has_all(["a", "b"]), "x has any ('a') or x has all ('a', 'b')"),
        (x.has_none(["c"]), "x has none ('c')"),
        (x.starts_with("a"), "x starts with 'a'"),
        (x.ends_with("a", ignore_case=True), "x ends with 'a' ignoring case"),
        (x.contains("it's"), "x contains 'it''s'"),
        (x.within("7d"), "x within 7d"),
        (x.within(Duration(7, "d")), "x within 7d"),
        (x.within(2.5, of=(12.97, -77)), "x within 2.5 km of (12.97, -77)"),
        (x["a"] > x[segdex.ANY], "x['a'] > x[any]"),
        (segdex.any_category("c", x[segdex.variable("c")] > 1), "any c (x[c] > 1)"),
        (2 * x / 12 - 1 > -x + 3, "2 * x / 12 - 1 > -x + 3"),
        (1 - x > 1 / x, "1 - x > 1 / x"),
        (x.is_between(segdex.today(), segdex.today() + "30d"), "x between today and today + 30d"),
        (segdex.today() - Duration(1, "y") > x, "today - 1y > x"),
        (segdex.anniversary("born").within("7d"), "anniversary(born) within 7d"),
        (segdex.bucket("salt", 100) < 10, "bucket('salt', 100) < 10"),
        (segdex.value("spend / 6") > 1, "spend / 6 > 1"),
        (segdex.segment("a") & segdex.everyone(), "segment 'a' and everyone"),
        (segdex.all_of(segdex.segment("a") & segdex.segment("b"), x > 1), "(segment 'a' and segment 'b') and x > 1"),
        (segdex.any_of(x > 1, x < 0), "x > 1 or x < 0"),
        (segdex.did("orders", window="7d"), "did(orders, 7d)"),
        (segdex.did("orders", window=Last(3), where="a = 1"), "did(orders, last 3, where a = 1)"),
        (
            segdex.call("sum", "orders", field="amount", where=x == 1, having=x > 2, by="shop", from_="first", of=x,
                        every=Duration(1, "y"))["a"] > 1,
            "sum(orders.amount, where x = 1, having x > 2, by = shop, every = 1y, from = 'first', of = x)['a'] > 1",
        ),
    ],
)  # fmt: skip
def test_expressions_make_rules(rule: segdex.Rule, text: str) -> None:
    assert rule == parse(text)
    assert str(rule) == text
    assert eval(rule.to_python(), {"segdex": segdex}) == rule


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: not x,
        lambda: bool(x > 1),
        lambda: 1 < x < 2,
        lambda: x > 1 and x < 2,
        lambda: x == None,  # noqa: E711
        lambda: object() == x,
        lambda: dt.datetime(2026, 1, 1) == x,
        lambda: x.is_in(float("nan")),
        lambda: Decimal("Infinity") == x,
        lambda: x == 10**40,
        lambda: x == 10**10_000,
        lambda: x == "a\0",
        lambda: (x > 1) == x,
        lambda: x + "soon",
        lambda: x.is_in(*()),
        lambda: x.is_in([]),
        lambda: x.is_in([x]),
        lambda: x.has_any(1),
        lambda: (x + 1).has_any("a"),
        lambda: x.contains(1),
        lambda: x.within(7),
        lambda: x.within("7 days"),
        lambda: x.within(-1, of=(0, 0)),
        lambda: x.within(1, of=(91, 0)),
        lambda: x.within("a", of=(0, 0)),
        lambda: x[0],
        lambda: x["a"]["b"],
        lambda: field(""),
        lambda: segdex.bucket("a", 0),
        lambda: segdex.bucket("a", "b"),
        lambda: segdex.bucket("a", 1.5),
        lambda: x.within(1, of=3),
        lambda: x.within(1, of=(1, 2, 3)),
        lambda: segdex.all_of(x > 1),
        lambda: segdex.all_of(x > 1, "x > 1"),
        lambda: segdex.any_category("c", "x > 1"),
        lambda: segdex.call("did", "orders"),
        lambda: segdex.call("count", "orders", Odd=1),
        lambda: segdex.call("count", "orders", where=1),
        lambda: segdex.call("count", "orders", window=90),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(wrong) -> None:
    with pytest.raises(ArgumentError):
        wrong()


def test_text_inside_python_is_checked_as_text() -> None:
    with pytest.raises(RuleError, match="line 1, column 4"):
        segdex.value("1 +")
    with pytest.raises(RuleError):
        segdex.did("orders", window="soon")
    with pytest.raises(RuleError):
        segdex.did("orders", where="a >")


def test_rules_combine_with_rules_only() -> None:
    with pytest.raises(TypeError):
        (x > 1) & True
    with pytest.raises(TypeError):
        (x > 1) | "x > 1"


def test_expressions_are_no_keys_and_show_themselves() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(x)
    assert repr(x["a"] + 1) == "segdex.value(\"x['a'] + 1\")"
    assert repr(segdex.ANY) == "segdex.ANY"
    assert repr(segdex.variable("c")) == "segdex.variable('c')"


class Country(str):
    """A string that prints differently, as members of some enumerations do."""

    __slots__ = ()

    def __str__(self) -> str:
        return "Country"


class Day(dt.date):
    """A date that is something else too."""


def test_values_of_derived_types_are_what_they_derive_from() -> None:
    for made, text in (
        (x == Country("IN"), "x = 'IN'"),
        (x[Country("IN")] > np.float64(0.5), "x['IN'] > 0.5"),
        (segdex.segment(Country("IN")), "segment 'IN'"),
        (x > pd.Timestamp("2026-01-31T12:00:00Z"), "x > 2026-01-31T12:00:00Z"),
        (x > pd.Timestamp("2026-01-31T12:00:00+05:30"), "x > 2026-01-31T06:30:00Z"),
        (x > Day(2026, 1, 31), "x > 2026-01-31"),
        (x.contains("a", ignore_case=np.bool_(True)), "x contains 'a' ignoring case"),
        (segdex.bucket("a", True) < 1, "bucket('a', 1) < 1"),
    ):
        assert str(made) == text
        assert parse(text) == made
        assert segdex.Rule.from_json(made.to_json()) == made
    with pytest.raises(ArgumentError, match="not a time; found NaTType"):
        _ = x > pd.NaT

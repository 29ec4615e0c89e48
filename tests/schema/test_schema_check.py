"""Rules against the example: what fits, what does not, and what the message says."""

from __future__ import annotations

import pytest

from segdex.errors import RuleError, RuleLimitError
from segdex.rules import nodes
from segdex.rules.text import parse, parse_value, read
from segdex.rules.windows import Dates, Duration, Rolling
from segdex.schema.calls import metric_of
from segdex.schema.catalog import Catalog
from segdex.schema.check import check_rule, value_type
from segdex.schema.load import load
from segdex.schema.model import Metric
from segdex.schema.types import ValueType
from tests.schema.example import example


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    table = example()
    table["customers"]["attributes"] |= {"clan": "id", "joined": "time", "score": "number", "city": "category"}
    table["customers"]["attributes"]["renews"] = "date"
    table["customers"]["attributes"]["grade"] = {"type": "category", "order": ["low", "high"], "fold": "lower"}
    table["streams"]["orders"]["fields"] |= {"paid": "bool", "due": "date", "tags": "tags", "channel": "category"}
    table["metrics"] |= {
        "latest": {"kind": "last", "stream": "orders"},
        "income_now": {"kind": "last_value", "stream": "subscriptions", "field": "plan"},
    }
    return load(table)


FITS = """
orders_3m > 7
orders_3m > 7.5
7 < orders_3m
value_share['apparel'] > 0.75 and click_rate['apparel'] > 0.2
value_share[any] > 0.75
any c (value_share[c] > 0.75 and click_rate[c] > 0.2)
any c (any d (value_share[c] > 0.5 and click_rate[d] > 0.2))
any c (value_share[c] > 0.5) and any c (click_rate[c] > 0.2)
any c (affinity[c] = '0.75..')
order_gap between 10 and 20 and basket_value between 500 and 1000
country in ('IN', 'AE') and not segment 'no_email'
recency in ('hot', 'warm') or lifecycle = 'lead'
recency < 'cold' and recency >= 'hot'
'warm' <= recency
recency between 'hot' and 'cooling'
affinity['garden'] = '0.75..'
affinity[any] > '..0.2'
tags has any ('vip', 'beta') and (income is missing or income >= '50-74K')
grade > 'LOW'
email ends with '@gmail.com'
email starts with 'a' ignoring case
country contains 'N'
clan = 'x' and clan != 7 and clan in ('a', 3) and clan is known
clan starts with 'x'
country = city
income <= income
recency = lifecycle
birth_date < 1990-01-01 and since_order > 180
renews between today and today + 30d
renews < birth_date + 20y
renews >= today - 2w
joined <= 2026-01-31
renews within 7d and joined within 2w and latest within 1y
anniversary(birth_date) within 7d
anniversary(joined) < today + 7d
first_value(orders.due) within 1mo
count(orders, where due within 7d and anniversary(due) = today) > 1
bucket('spring-test', 100) < 10
bucket('a', 2) in (0, 1) and bucket('a', 4) + 1 < orders_3m
joined < 2026-01-31T12:00:00Z
joined < latest
joined < birth_date
latest = today
birth_date in (1990-01-01, 1991-01-01)
email_consent = true
email_consent != false
email_consent is missing
tags is known
spend_6m > 2 * spend_1y / 12
spend_6m - spend_1y < -3
-spend_6m < 0
spend_6m / orders_3m is missing
trend_spend > 0
count(orders, 90d, where department = 'garden' and amount > 20) >= 2
count(orders, where paid = true and due < today and tags has any ('x') and product_id = 7) > 1
count(orders, where channel = department) > 1
count(orders, having amount > 50 and discount / amount < 0.2) > 1
sum(orders.amount, 2025-11-24..2025-12-01) > 100
count(orders, 180d..90d) >= 1
mean(orders.amount) > spend_6m / orders_3m
did(orders, 7d) and not did(emails, 7d, where action = 'open')
count(orders, 90d, by = department)['garden'] > 1
any c (sum(orders.amount, by = department)[c] > 10 and value_share[c] > 0.1)
share(orders, 90d, where department = 'a') > 0.5
share(orders, by = department, weight = amount)[any] > 0.5
share(orders, by = department, count = 'transactions')['a'] > 0.5
share(orders, by = department, count = rows)['a'] > 0.5
days_since(orders) > 7 and days_since(orders, from = 'first') > 7 and days_since(birth_date) > 7
days_until(renews) < 30 and days_until(orders.due) < 30
years_since(birth_date) between 30 and 40
first_value(subscriptions.plan) != last_value(subscriptions.plan)
first(orders) > 2026-01-01 and distinct(orders.product_id) > 3
everyone and not lifecycle = 'lead'
segment 'frequent' or segment 'no_email'
today > 2026-01-01
""".strip().splitlines()


@pytest.mark.parametrize("text", FITS)
def test_fits(text: str, catalog: Catalog) -> None:
    check_rule(parse(text), catalog, catalog.customers())


# The rule, the column of the message, and words in it.
MISFITS: list[tuple[str, int, str]] = [
    ("order_3m > 7", 1, "did you mean 'orders_3m'"),
    ("country = 'IN' and zzz > 7", 20, "unknown name 'zzz'; allowed: names of the schema: "),
    ("orders > 7", 1, "'orders' is a stream: write count(orders, …)"),
    ("amount > 7", 1, "'amount' is a field of stream 'orders'"),
    ("country = india", 11, "a string is written in quotes: 'india'"),
    ("country = 7", 1, "a string is written in quotes: '7'"),
    ("country = true", 1, "'true'"),
    ("orders_3m > '7'", 1, "a number is written without quotes: 7"),
    ("orders_3m = 'many'", 1, "'orders_3m', a number and a string"),
    ("orders_3m = country", 1, "'orders_3m', a number and 'country', a string"),
    ("orders_3m > birth_date", 1, "different types"),
    ("orders_3m = email_consent", 1, "different types"),
    ("birth_date < '1990-01-01'", 1, "a date is written without quotes: 1990-01-01"),
    ("birth_date < 1990", 1, "different types"),
    ("email_consent = 'true'", 1, "write true without quotes"),
    ("email_consent = 1", 1, "true or false"),
    ("email_consent > false", 1, "no order"),
    ("country > 'A'", 1, "'country', a string has no order, so > means nothing; allowed: = != in"),
    ("email < 'b'", 1, "no order"),
    ("lifecycle > 'lead'", 1, "stages have none on purpose"),
    ("clan > 3", 1, "no order"),
    ("clan = country", 1, "different types"),
    ("recency > 'boiling'", 1, "outside the order; found 'boiling'; allowed: hot < warm < cooling < cold < lapsed"),
    ("recency between 'hot' and 'boiling'", 1, "outside the order"),
    ("country between 'a' and 'b'", 1, "no order"),
    ("income < recency", 1, "different orders"),
    ("income < country", 1, "different orders"),
    ("tags = 'vip'", 1, "write tags has any ('…')"),
    ("tags in ('vip')", 10, "write tags has any ('…')"),
    ("tags starts with 'v'", 1, "found 'tags', tags; allowed: text, category, id"),
    ("country has any ('a')", 1, "'has' is about tags; found 'country', category"),
    ("orders_3m starts with 'a'", 1, "strings"),
    ("'abc' contains 'b'", 1, "strings"),
    ("country in ('IN', 7)", 19, "a string is written in quotes: '7'"),
    ("orders_3m in (1, '2')", 18, "without quotes: 2"),
    ("value_share > 0.5", 1, "write value_share['…'], value_share[any], or any c (… value_share[c] …)"),
    ("value_share is known", 1, "one value for every category"),
    ("orders_3m['a'] > 1", 1, "leave out the brackets"),
    ("count(orders)['a'] > 1", 1, "add by = field"),
    ("count(orders, by = department) > 1", 1, "write count(…)['…']"),
    ("did(orders, by = department)", 1, "one value for every category"),
    ("any c (orders_3m > 1)", 1, "the variable 'c' is never used"),
    ("any c (any c (value_share[c] > 1) and value_share[c] > 1)", 8, "bound twice"),
    ("frequent = true", 1, "write segment 'frequent'"),
    ("segment 'recency'", 1, "'recency' is declared as a band"),
    ("segment 'country'", 1, "'country' is declared as an attribute"),
    ("segment 'frequnt'", 1, "did you mean 'frequent'"),
    ("country + 1 > 2", 1, "+ works on numbers; found 'country', category"),
    ("2 * 'a' > 2", 5, "* works on numbers; found text"),
    ("-email > 2", 2, "- works on numbers"),
    ("today - birth_date > 2", 1, "days_since"),
    ("birth_date > 30d", 14, "a duration is no value by itself"),
    ("joined + 3d > today", 1, "a duration is added to or taken from a date; found time + 3d"),
    ("orders_3m + 3d > today", 1, "found integer + 3d"),
    ("today + 3h > birth_date", 1, "allowed: d, w, mo, y"),
    ("country within 7d", 1, "'within' is about dates and times; found 'country', category; allowed: date, time"),
    ("renews within 36h", 1, "a date moves by whole days; found 36h; allowed: d, w, mo, y"),
    ("anniversary(country) within 7d", 13, "found 'country', category; allowed: date, time"),
    ("anniversary(orders_3m) = today", 13, "an anniversary is that of a date or a time"),
    ("anniversary(birth_date) > 3", 1, "different types"),
    ("bucket('a', 10) = 'x'", 1, "different types"),
    ("count(orders, where bucket('a', 10) = 1) > 1", 21, "bucket(…) does not belong into a where or having"),
    # inline calls
    ("cont(orders) > 1", 1, "did you mean 'count'"),
    ("count(oders) > 1", 1, "did you mean 'orders'"),
    ("count(country) > 1", 1, "unknown stream 'country'"),
    ("count(orders.amount) > 1", 1, "no field belongs here"),
    ("share(orders.amount, by = department)['a'] > 1", 1, "write share(orders, weight = amount)"),
    ("sum(orders) > 1", 1, "needs 'field'"),
    ("sum(orders.amont) > 1", 1, "did you mean 'amount'"),
    ("sum(orders.department) > 1", 1, "of type category; allowed: number, integer"),
    ("share(orders) > 1", 1, "'where' or 'by'"),
    ("share(orders, by = department, weigth = amount)['a'] > 1", 1, "did you mean 'weight'"),
    ("share(orders, by = department, weight = department)['a'] > 1", 1, "of type category"),
    ("share(orders, by = department, weight = 3)['a'] > 1", 1, "the name of a field"),
    ("share(orders, by = department, count = 'units')['a'] > 1", 1, "'rows' or 'transactions'"),
    ("count(orders, weight = amount) > 1", 1, "unknown option 'weight'; allowed: none"),
    ("days_since(orders, from = 'start') > 1", 1, "'first' or 'last'"),
    ("days_since(birth_date, from = 'first') > 1", 1, "takes no 'from'"),
    ("days_since(country) > 1", 1, "of type category; allowed: date, time"),
    ("days_since(nothing) > 1", 1, "unknown stream or attribute 'nothing'"),
    ("years_since(birth_date, 90d) > 1", 1, "takes no 'window'"),
    ("years_since(orders) > 1", 1, "unknown attribute 'orders'"),
    ("count(orders, by = amount)['a'] > 1", 1, "allowed: category"),
    ("last_value(orders.tags) = 'a'", 1, "of type tags"),
    ("ratio(orders) > 1", 1, "write a division of two counts"),
    ("score(orders) > 1", 1, "declare it in the schema"),
    ("top(orders) = 'a'", 1, "needs 'by'"),
    ("top(orders.department) = 'a'", 1, "write top(orders, by = department)"),
    ("top(orders, by = department)['a'] = 'a'", 1, "is one value"),
    ("top(orders, by = department) > 'a'", 1, "has no order"),
    ("top(orders, by = department) > 1", 1, "different types"),
    ("top(orders, by = department, weight = topic) = 'a'", 1, "'topic' is not a field"),
    ("top(value_share) = 'a'", 1, "unknown stream 'value_share'"),
    ("count(orders, where amont > 1) > 1", 21, "did you mean 'amount'"),
    ("count(orders, where country = 'IN') > 1", 21, "'country' is declared for customers"),
    ("count(orders, where segment 'frequent') > 1", 21, "where or having"),
    ("count(orders, where count(orders) > 1) > 1", 21, "where or having"),
    ("count(orders, where did(orders)) > 1", 21, "where or having"),
    ("count(orders, where any c (value_share[c] > 1)) > 1", 21, "where or having"),
    ("count(orders, having rating > 1) > 1", 22, "unknown name 'rating'"),
    ("count(orders, having department = 'a') > 1", 22, "numbers of a transaction of stream 'orders': amount, discount"),
]


@pytest.mark.parametrize(("text", "column", "words"), MISFITS)
def test_misfits(text: str, column: int, words: str, catalog: Catalog) -> None:
    source = read(text)
    with pytest.raises(RuleError) as caught:
        check_rule(source.rule, catalog, catalog.customers(), source.positions)
    assert words in str(caught.value)
    assert caught.value.place == f"line 1, column {column}"


def test_without_positions_there_is_no_place(catalog: Catalog) -> None:
    with pytest.raises(RuleError) as caught:
        check_rule(parse("zzz > 1"), catalog, catalog.customers())
    assert caught.value.place is None


def test_deep_trees_are_bounded(catalog: Catalog) -> None:
    rule: nodes.Rule = nodes.Everyone()
    for _ in range(5_000):
        rule = ~rule
    with pytest.raises(RuleLimitError):
        check_rule(rule, catalog, catalog.customers())
    value: nodes.Value = nodes.Name("orders_3m")
    for _ in range(5_000):
        value = nodes.Negative(value)
    with pytest.raises(RuleLimitError):
        value_type(value, catalog, catalog.customers())


def test_trees_that_no_text_makes(catalog: Catalog) -> None:
    rule, value = nodes.Everyone(), nodes.Name("orders_3m")
    for wrong in (nodes.Compare("=", rule, value), nodes.Not(value), nodes.And((rule, value))):  # type: ignore[arg-type]
        with pytest.raises(RuleError, match="is not a"):
            check_rule(wrong, catalog, catalog.customers())


def test_scopes(catalog: Catalog) -> None:
    check_rule(parse("rating > 3 and department = 'a'"), catalog, catalog.rows("orders"))
    check_rule(parse("amount > 3"), catalog, catalog.transactions("orders"))
    with pytest.raises(RuleError, match="fields of stream 'orders': "):
        check_rule(parse("zzz = 1"), catalog, catalog.rows("orders"))
    assert set(catalog.transactions("orders").names()) == {"amount", "discount"}
    assert catalog.customers().stream is None
    assert catalog.rows("orders").stream == "orders"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("orders_3m", ValueType("integer", role="metric")),
        ("spend_6m", ValueType("number", scale=2, role="metric")),
        ("value_share", ValueType("number", family=True, role="metric")),
        ("value_share['a']", ValueType("number", role="metric")),
        ("frequent", ValueType("bool", role="segment")),
        (
            "affinity",
            ValueType("category", order=("..0.2", "0.2..0.5", "0.5..0.75", "0.75.."), family=True, role="band"),
        ),
        ("lifecycle", ValueType("category", role="stage")),
        ("spend_6m / 2", ValueType("number", role="computed")),
        ("today + 3d", ValueType("date", role="computed")),
        ("7", ValueType("number", role="literal")),
        ("sum(orders.amount)", ValueType("number", scale=2, role="metric")),
        ("mean(orders.amount)", ValueType("number", role="metric")),
        ("min(orders.amount, by = department)", ValueType("number", scale=2, family=True, role="metric")),
        ("first(orders)", ValueType("time", role="metric")),
        ("last_value(orders.due)", ValueType("date", role="metric")),
        ("last_value(orders.paid)", ValueType("bool", role="metric")),
        ("top(orders, by = department)", ValueType("category", role="metric")),
        ("years_since(birth_date)", ValueType("integer", role="metric")),
        ("days_since(birth_date)", ValueType("number", role="metric")),
    ],
)
def test_value_types(text: str, expected: ValueType, catalog: Catalog) -> None:
    assert value_type(parse_value(text), catalog, catalog.customers()) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("count(orders)", Metric(kind="count", stream="orders")),
        (
            "sum(orders.amount, 180d..90d, by = department)",
            Metric(
                kind="sum",
                stream="orders",
                field="amount",
                by="department",
                window=Rolling(Duration(180, "d"), Duration(90, "d")),
            ),
        ),
        ("days_since(orders, from = 'first')", Metric(kind="days_since", stream="orders", start="first")),
        ("days_since(birth_date)", Metric(kind="days_since", attribute="birth_date")),
        ("years_since(birth_date)", Metric(kind="years_since", attribute="birth_date")),
        (
            "days_until(orders.due, ..30d)",
            Metric(kind="days_until", stream="orders", field="due", window=Rolling(None, Duration(30, "d"))),
        ),
        (
            "share(orders, where department = 'a', weight = amount)",
            Metric(
                kind="share",
                stream="orders",
                weight="amount",
                where=nodes.Compare("=", nodes.Name("department"), nodes.Text("a")),
            ),
        ),
    ],
)
def test_calls_as_metrics(text: str, expected: Metric, catalog: Catalog) -> None:
    call = parse_value(text)
    assert isinstance(call, nodes.Call)
    assert metric_of(call, catalog) == expected


def test_did_counts(catalog: Catalog) -> None:
    rule = parse("did(orders, 7d)")
    assert isinstance(rule, nodes.Did)
    assert metric_of(rule.call, catalog) == Metric(kind="count", stream="orders", window=Rolling(Duration(7, "d")))


def test_windows_made_by_hand_are_checked(catalog: Catalog) -> None:
    call = nodes.Call("count", "orders", window=Rolling(Duration(-1, "d")))
    with pytest.raises(RuleError, match="negative"):
        metric_of(call, catalog)
    call = nodes.Call("count", "orders", window=Dates(None, None))
    with pytest.raises(RuleError, match="a start or an end"):
        metric_of(call, catalog)

"""Everything that can be wrong with a schema: the message names the place, what was found, and what is near."""

from __future__ import annotations

from typing import Any

import pytest

from segdex.errors import SchemaError
from segdex.schema.load import load
from tests.schema.example import changed

COUNT = {"kind": "count", "stream": "orders"}
TOP = {"kind": "top", "stream": "orders", "by": "department"}


def score(*terms: dict[str, Any]) -> dict[str, Any]:
    """A score of orders, its terms changed."""
    return {"kind": "score", "terms": [{"stream": "orders", "points": 1} | each for each in terms]}


def matched(numerator: str, denominator: str) -> dict[str, Any]:
    return {
        "kind": "ratio",
        "matched": True,
        "numerator": {"stream": numerator},
        "denominator": {"stream": denominator},
    }


def refused(path: str, value: Any) -> SchemaError:
    with pytest.raises(SchemaError) as caught:
        load(changed(path, value))
    return caught.value


def steps(*then: Any, first: Any = "orders", **keys: Any) -> dict[str, Any]:
    return {"kind": "sequence", "steps": [first, *then]} | keys


# What is put where; the place that is named (None: the same); words of the message.
CASES: list[tuple[str, Any, str | None, str]] = [
    # keys and types of declarations
    ("metrics.orders_3m.windw", "3mo", None, "did you mean 'window'"),
    ("metrics.orders_3m.windw", "3mo", None, "allowed: by, having, kind, stream, where, window"),
    ("custmers", {}, None, "did you mean 'customers'"),
    ("customers.attributes.country", "categori", "customers.attributes.country.type", "did you mean 'category'"),
    ("customers.attributes.country", 7, None, "not a table; found 7"),
    ("customers.attributes.country", {"order": ["a"]}, None, "'type' is missing"),
    ("customers.only", "yes", None, "not true or false; found 'yes'"),
    ("customers.key", 7, None, "not a string; found 7"),
    ("customers.key", "", None, "an empty string"),
    ("customers.source", "a\0b", None, "cannot be kept"),
    ("streams.orders.time", {"colum": "at"}, "streams.orders.time.colum", "did you mean 'column'"),
    ("streams.orders.time", {"column": "at", "zone": "Asia/Calcuta"}, "streams.orders.time.zone", "Asia/Calcutta"),
    ("streams.orders.time", ["at"], None, "not a table"),
    ("streams.orders.unit", 3, None, "not a table"),
    ("lookups.products.key", None, "lookups.products", "'key' is missing"),
    ("timezone", "Asia/Kolkatta", None, "did you mean 'Asia/Kolkata'"),
    ("timezone", "../../etc/passwd", None, "unknown time zone"),
    ("timezone", "", None, "an empty string"),
    ("metrics.x", {"kind": "cout", "stream": "orders"}, "metrics.x.kind", "did you mean 'count'"),
    ("metrics.x", {"kind": ["count"], "stream": "orders"}, "metrics.x.kind", "not one of the allowed words"),
    ("metrics", [COUNT], None, "not a table"),
    ("metrics.orders_3m", "3mo", None, "not a table; found '3mo'"),
    ("segments.frequent.tracked", 1, None, "not true or false"),
    ("segments.frequent.suppression", "email", None, "not a list"),
    ("segments.frequent.suppression", ["email", 3], "segments.frequent.suppression[1]", "not a string; found 3"),
    ("privacy.minimum_count", "20", None, "not a whole number"),
    ("privacy.minimum_count", 2**64, None, "not a whole number"),
    ("privacy.minimum_count", -1, None, "out of range"),
    # the order of customers
    ("customers.order", "country", None, "not a list"),
    ("customers.order", ["country", 7], "customers.order[1]", "found 7"),
    ("customers.order", ["country", "contry"], "customers.order[1]", "did you mean 'country'"),
    ("customers.order", ["nothing like it"], "customers.order[0]", "allowed: affinity, "),
    ("customers.order", ["country", "orders_3m", "country"], "customers.order[2]", "twice"),
    ("customers.order", ["frequent"], "customers.order[0]", "'frequent', a segment"),
    ("customers.order", ["email"], "customers.order[0]", "'email', of type text"),
    ("customers.order", ["tags"], "customers.order[0]", "'tags', of type tags"),
    ("customers.order", ["value_share"], "customers.order[0]", "'value_share', one value a category"),
    ("customers.order", ["affinity"], "customers.order[0]", "'affinity', one value a category"),
    ("customers.order", [f"m{number}" for number in range(17)], None, "found 17; allowed: at most 16"),
    # options of fields
    (
        "customers.attributes.birth_date",
        {"type": "date", "scale": 2},
        "customers.attributes.birth_date.scale",
        "number",
    ),
    ("customers.attributes.a", {"type": "number", "scale": 16}, "customers.attributes.a.scale", "0 to 15"),
    ("customers.attributes.a", {"type": "category", "order": []}, "customers.attributes.a.order", "empty order"),
    ("customers.attributes.a", {"type": "category", "order": ["x", "x"]}, "customers.attributes.a.order", "twice"),
    ("customers.attributes.a", {"type": "text", "order": ["x"]}, "customers.attributes.a.order", "category"),
    (
        "customers.attributes.a",
        {"type": "category", "fold": "lower", "order": ["low", "High"]},
        "customers.attributes.a.order",
        "write 'high'",
    ),
    ("customers.attributes.a", {"type": "category", "fold": "upper"}, "customers.attributes.a.fold", "lower"),
    ("customers.attributes.a", {"type": "number", "per": "row"}, "customers.attributes.a.per", "fields of streams"),
    ("streams.orders.fields.department.on", None, "streams.orders.fields.department", "go together"),
    ("streams.orders.fields.department.on", "product", None, "did you mean 'product_id'"),
    ("streams.orders.fields.department.on", "amount", None, "of type number"),
    ("streams.orders.fields.department.lookup", "products.departmnt", None, "did you mean 'products.department'"),
    ("streams.orders.fields.department.type", "text", None, "found text; allowed: category"),
    ("streams.orders.fields.department.order", ["a"], None, "not what the lookup declares"),
    ("streams.orders.fields.department.column", "dept", None, "leave 'column' out"),
    ("streams.orders.fields.department.per", "row", None, "number, integer"),
    # windows
    ("metrics.orders_3m.window", "3 months", None, "not a window; found '3 months'"),
    ("metrics.orders_3m.window", "90x", None, '"90d"'),
    ("metrics.orders_3m.window", 90, None, "not a window; found 90"),
    ("metrics.orders_3m.window", {}, None, "not a window"),
    ("metrics.orders_3m.window", {"form": "90d"}, None, "did you mean 'from'"),
    ("metrics.orders_3m.window", {"from": "90d", "last": 3}, None, "not a window"),
    ("metrics.orders_3m.window", {"today": True}, None, "not a window"),
    ("metrics.orders_3m.window", {"from": "30d", "to": "90d"}, None, "empty"),
    ("metrics.orders_3m.window", "0d", None, "empty"),
    ("metrics.orders_3m.window", {"from": "2025-12-01", "to": "2025-11-24"}, None, "empty"),
    ("metrics.orders_3m.window", {"from": "2025-12-01", "to": "30d"}, None, "a date on one end"),
    ("metrics.orders_3m.window", {"from": "2025-13-01"}, "metrics.orders_3m.window.from", "not a date"),
    ("metrics.orders_3m.window", {"calendar": "30d", "today": 1}, "metrics.orders_3m.window.today", "true or false"),
    ("metrics.orders_3m.window", {"calendar": "12h"}, None, "whole day"),
    ("metrics.orders_3m.window", {"this": "h"}, "metrics.orders_3m.window.this", "d, w, mo, y"),
    ("metrics.orders_3m.window", "9999999y", None, "not a window"),
    # keys of kinds, streams, fields
    ("metrics.orders_3m.field", "amount", None, "the kind 'count' takes no 'field'"),
    ("metrics.spend_6m.field", None, "metrics.spend_6m", "needs 'field'"),
    ("metrics.spend_6m.field", "amont", None, "did you mean 'amount'"),
    ("metrics.spend_6m.field", "department", None, "'department' of type category; allowed: number, integer"),
    ("metrics.spend_6m.stream", "oders", None, "did you mean 'orders'"),
    ("metrics.value_share.by", "amount", None, "'amount' of type number; allowed: category"),
    ("metrics.value_share.by", None, "metrics.value_share", "'where' or 'by'"),
    ("metrics.value_share.count", "transactions", None, "'weight' or 'count'"),
    ("metrics.age.having", "amount > 1", None, "takes no 'having'"),
    ("metrics.age.attribute", "country", None, "of type category; allowed: date"),
    ("metrics.age.attribute", "birthdate", None, "did you mean 'birth_date'"),
    ("metrics.age.stream", "orders", None, "takes no 'stream'"),
    ("metrics.since_order.attribute", "birth_date", None, "with 'stream' takes no 'attribute'"),
    ("metrics.plan_before.by", "plan", None, "takes no 'by'"),
    ("metrics.click_rate.numerator", None, "metrics.click_rate", "needs 'numerator'"),
    ("metrics.click_rate.by", "actoin", None, "did you mean 'action'"),
    ("metrics.click_rate.numerator.stream", "mails", None, "did you mean 'emails'"),
    (
        "metrics.click_rate.denominator.where",
        "acton = 'x'",
        "metrics.click_rate.denominator.where, line 1, column 1",
        "did you mean 'action'",
    ),
    ("metrics.x", {"kind": "mean_gap", "stream": "orders", "field": "amount"}, "metrics.x.field", "takes no 'field'"),
    ("metrics.orders_3m.r", 0.5, None, "takes no 'r'"),
    ("metrics.orders_3m.r", "half", None, "not a number"),
    ("metrics.orders_3m.steps", [{"stream": "orders"}], None, "takes no 'steps'"),
    # sessions, latest transactions, periods, repetitions
    (
        "streams.orders.unit",
        {"gap": "1mo"},
        "streams.orders.unit.gap",
        "fixed length; found 1mo; allowed: min, h",
    ),
    ("streams.orders.unit", {"gap": "soon"}, "streams.orders.unit.gap", "not a duration"),
    ("streams.orders.unit", {"gaps": "30min"}, "streams.orders.unit.gaps", "did you mean 'gap'"),
    ("streams.x", {"unit": {"gap": "1h"}}, "streams.x.unit", "a stream with a time"),
    (
        "streams.x",
        {"time": "at", "unit": {"gap": "1h"}, "fields": {"duration": "integer"}},
        "streams.x.fields.duration",
        "a field 'duration' of their own",
    ),
    ("metrics.spend_6m.field", "duration", None, "'duration' is not a field of stream 'orders'"),
    ("metrics.orders_3m.window", {"last": 0}, None, "1 to 1000000"),
    ("metrics.orders_3m.window", {"last": "10"}, "metrics.orders_3m.window.last", "not a whole number"),
    ("metrics.x", {"kind": "streak", "stream": "orders"}, None, "needs 'period'"),
    ("metrics.x", {"kind": "streak", "stream": "orders", "period": "y"}, "metrics.x.period", "allowed: d, w, mo"),
    ("metrics.x", {"kind": "active_periods", "stream": "orders", "period": "d"}, None, "needs 'of'"),
    (
        "metrics.x",
        {"kind": "active_periods", "stream": "orders", "period": "d", "of": 0},
        "metrics.x.of",
        "out of range; found 0; allowed: 1 to 10,000",
    ),
    (
        "metrics.x",
        {"kind": "active_periods", "stream": "orders", "period": "d", "of": 3, "least": 0},
        "metrics.x.least",
        "out of range",
    ),
    ("metrics.age.every", "1y", None, "takes no 'every'"),
    ("metrics.x", {"kind": "days_until", "attribute": "birth_date", "every": "0d"}, "metrics.x.every", "above 0"),
    ("metrics.x", {"kind": "days_until", "attribute": "birth_date", "every": "36h"}, "metrics.x.every", "whole days"),
    # sequences
    ("metrics.x", {"kind": "sequence"}, None, "needs 'steps'"),
    ("metrics.x", {"kind": "sequence", "steps": "orders"}, "metrics.x.steps", "not a list"),
    ("metrics.x", {"kind": "sequence", "steps": ["orders"]}, "metrics.x.steps", "2 steps or more; found 1"),
    ("metrics.x", {"kind": "sequence", "steps": ["orders"] * 17}, "metrics.x.steps", "found 17; allowed: 2 to 16"),
    ("metrics.x", {"kind": "sequence", "steps": ["orders", 7]}, "metrics.x.steps[1]", "not a table; found 7"),
    ("metrics.x", steps({"within": "3d"}), "metrics.x.steps[1]", "'stream' is missing"),
    ("metrics.x", steps({"stream": "mails"}), "metrics.x.steps[1].stream", "did you mean 'emails'"),
    ("metrics.x", steps({"stream": "emails", "witin": "3d"}), "metrics.x.steps[1].witin", "did you mean 'within'"),
    ("metrics.x", steps({"stream": "emails", "within": "3"}), "metrics.x.steps[1].within", "not a duration"),
    ("metrics.x", steps({"stream": "emails", "within": "0d"}), "metrics.x.steps[1].within", "longer than nothing"),
    ("metrics.x", steps({"stream": "emails", "not": True}), "metrics.x.steps[1]", "needs 'within'"),
    ("metrics.x", steps({"stream": "emails", "not": 1}), "metrics.x.steps[1].not", "not true or false"),
    (
        "metrics.x",
        steps({"stream": "emails", "where": "acton = 'open'"}),
        "metrics.x.steps[1].where, line 1, column 1",
        "did you mean 'action'",
    ),
    ("metrics.x", steps("emails", first={"stream": "orders", "not": True}), "metrics.x.steps[0].not", "first step"),
    ("metrics.x", steps("emails", first={"stream": "orders", "within": "1d"}), "metrics.x.steps[0].within", "has none"),
    ("metrics.x", steps("emails", on="product_id"), "metrics.x.on", "not a field of stream 'emails'"),
    ("metrics.x", steps("orders", on="amount"), "metrics.x.on", "of type number; allowed: id, category"),
    ("metrics.x", steps("emails", stream="orders"), "metrics.x.stream", "takes no 'stream'"),
    ("metrics.x", steps("emails", window="0d"), "metrics.x.window", "empty"),
    # bands
    ("bands.recency.metric", "since_oder", None, "did you mean 'since_order'"),
    ("bands.recency.metric", "country", None, "'country' of type category; allowed: a number, a date or a time"),
    ("bands.recency.metric", "affinity", None, "unknown metric"),
    ("bands.recency.edges", [7, 7, 30, 90], "bands.recency.edges[1]", "do not ascend; found 7 and then 7"),
    ("bands.recency.edges", [], None, "no edges"),
    ("bands.recency.edges", [7, "soon", 8, 9], "bands.recency.edges[1]", "not an edge; found 'soon'"),
    ("bands.recency.edges", [7, "2025-01-01", 8, 9], "bands.recency.edges[1]", "allowed: numbers"),
    ("bands.recency.edges", [7, True, 8, 9], "bands.recency.edges[1]", "not a number"),
    ("bands.recency.edges", [1, float("nan"), 8, 9], "bands.recency.edges[1]", "not a finite number"),
    ("bands.recency.edges", [1, 10**60, 8, 9], "bands.recency.edges[1]", "number"),
    ("bands.recency.labels", ["hot"], None, "1 labels; allowed: 5"),
    ("bands.recency.labels", ["a", "b", "c", "c", "d"], None, "a label stands twice"),
    ("bands.recency.quantiles", 5, "bands.recency", "either 'edges' or 'quantiles'"),
    ("bands.recency.among", "everyone", None, "belongs to 'quantiles'"),
    ("bands.value_tier.quantiles", 1, None, "2 to 1000"),
    ("bands.value_tier.quantiles", None, "bands.value_tier", "either 'edges' or 'quantiles'"),
    ("bands.value_tier.among", "spend > 0", "bands.value_tier.among, line 1, column 1", "did you mean 'spend_6m'"),
    ("bands.x", {"metric": "birth_date", "edges": [1990]}, "bands.x.edges[0]", "allowed: dates"),
    # stages and segments
    ("stages.lifecycle", [], None, "no stages"),
    ("stages.lifecycle.1.name", "lead", "stages.lifecycle[1].name", "a stage stands twice; found 'lead'"),
    ("stages.lifecycle.0.where", "count(oders) = 0", "stages.lifecycle[0].where, line 1, column 1", "'orders'"),
    ("stages.lifecycle.0.wher", "everyone", "stages.lifecycle[0].wher", "did you mean 'where'"),
    ("segments.frequent.where", "order_3m > 7", "segments.frequent.where, line 1, column 1", "'orders_3m'"),
    (
        "segments.frequent.where",
        "spend_6m > 1 and\n  coutry = 'IN'",
        "segments.frequent.where, line 2, column 3",
        "'country'",
    ),
    ("segments.frequent.where", "orders_3m >", "segments.frequent.where, line 1, column 12", "allowed: a value"),
    ("segments.frequent.where", 7, None, "not a rule; found 7"),
    ("segments.frequent.where", "", "segments.frequent.where, line 1, column 1", ""),
    ("segments.frequent.where", "segment 'no_mail'", "segments.frequent.where, line 1, column 1", "'no_email'"),
    # formulas
    ("metrics.trend_spend.formula", "spend_6m / country", None, "'country'"),
    ("metrics.trend_spend.formula", "spend_6m / spent_1y", None, "did you mean 'spend_1y'"),
    ("metrics.trend_spend.formula", "spend_6m /", "metrics.trend_spend.formula, line 1, column 11", "allowed: a value"),
    ("metrics.trend_spend.formula", "'a'", None, "numbers and numeric metrics"),
    ("metrics.trend_spend.formula", 3, None, "not a formula"),
    (
        "metrics.trend_spend.formula",
        "value_share * click_rate",
        None,
        "different 'by'; found 'click_rate' has one value",
    ),
    ("metrics.trend_spend.formula", "value_share[any] * 2", None, "found value_share[any]"),
    ("metrics.trend_spend.formula", "affinity * 2", None, "'affinity', a band of type category"),
    ("metrics.trend_spend.formula", "affinity['a'] * 2", None, "a band of type category"),
    ("metrics.trend_spend.formula", "spend_6m['a'] * 2", None, "leave out the brackets"),
    # top, score and matched
    ("metrics.x", {"kind": "top", "stream": "orders"}, None, "needs 'by'; allowed: stream and by or metric"),
    ("metrics.x", {"kind": "top", "stream": "orders", "by": "amount"}, "metrics.x.by", "allowed: category"),
    ("metrics.x", TOP | {"weight": "department"}, "metrics.x.weight", "allowed: number, integer"),
    ("metrics.x", TOP | {"count": "rows"}, "metrics.x.count", "takes no 'count'"),
    ("metrics.x", {"kind": "top", "metric": "value_shar"}, "metrics.x.metric", "did you mean 'value_share'"),
    ("metrics.x", {"kind": "top", "metric": "orders_3m"}, "metrics.x.metric", "families: click_rate, value_share"),
    ("metrics.x", {"kind": "top", "metric": "x"}, "metrics.x.metric", "'x' has one value"),
    ("metrics.x", {"kind": "top", "metric": "value_share", "by": "department"}, "metrics.x.by", "takes no 'by'"),
    ("metrics.x", {"kind": "score"}, None, "needs 'terms'"),
    ("metrics.x", {"kind": "score", "terms": []}, "metrics.x.terms", "at least one"),
    ("metrics.x", score({"stream": "oders"}), "metrics.x.terms[0].stream", "did you mean 'orders'"),
    ("metrics.x", score({}, {"wher": "amount > 1"}), "metrics.x.terms[1].wher", "did you mean 'where'"),
    ("metrics.x", score({}, {"where": "amont > 1"}), "metrics.x.terms[1].where, line 1, column 1", "'amount'"),
    ("metrics.x", score({"points": "many"}), "metrics.x.terms[0].points", "not a number"),
    ("metrics.x", score({"points": 10**15}), "metrics.x.terms[0].points", "too many digits; found 1000000000000000"),
    ("metrics.x", score({"points": 10**14}, {"points": 0.01}), "metrics.x.terms[0].points", "15 digits, 2 of them"),
    ("metrics.x", score({"by": "department"}, {}), "metrics.x.terms[1].by", "its own 'by'"),
    ("metrics.x", score({"by": "amount"}), "metrics.x.terms[0].by", "allowed: category"),
    ("metrics.x", score({}, {"stream": "emails"}) | {"by": "department"}, "metrics.x.by", "of stream 'emails'"),
    ("metrics.x", score({}) | {"half_life": "1mo"}, "metrics.x.half_life", "write 30d for a month"),
    ("metrics.x", score({}) | {"half_life": "0d"}, "metrics.x.half_life", "found 0d"),
    ("metrics.x", score({}) | {"where": "amount > 1"}, "metrics.x.where", "takes no 'where'"),
    ("metrics.x", matched("orders", "emails"), "metrics.x.matched", "found 'orders' and 'emails'"),
    ("metrics.x", matched("subscriptions", "subscriptions"), "metrics.x.matched", "declare streams.subscriptions.unit"),
    # rules over rows and transactions
    ("metrics.big_baskets.having", "rating > 3", "metrics.big_baskets.having, line 1, column 1", "'rating'"),
    ("metrics.big_baskets.having", "orders_3m > 3", "metrics.big_baskets.having, line 1, column 1", "for customers"),
    (
        "metrics.big_baskets.where",
        "segment 'frequent'",
        "metrics.big_baskets.where, line 1, column 1",
        "where or having",
    ),
    (
        "metrics.big_baskets.where",
        "count(orders) > 1",
        "metrics.big_baskets.where, line 1, column 1",
        "where or having",
    ),
    ("metrics.big_baskets.where", "value_share['a'] > 1", "metrics.big_baskets.where, line 1, column 1", "family"),
    ("streams.orders.where", "amunt > 0", "streams.orders.where, line 1, column 1", "did you mean 'amount'"),
    # one namespace
    ("metrics.country", COUNT, None, "the name 'country' is taken"),
    ("segments.recency", {"where": "everyone"}, None, "declared at bands.recency"),
    ("stages.age", [{"name": "a", "where": "everyone"}], None, "declared at metrics.age"),
]


@pytest.mark.parametrize(("path", "value", "place", "words"), CASES)
def test_place_and_words(path: str, value: Any, place: str | None, words: str) -> None:
    error = refused(path, value)
    assert error.place == (place or path)
    assert words in str(error)


TIMELESS = {"key": "customer_id", "fields": {"amount": "number", "kind": "category"}}


@pytest.mark.parametrize(
    ("metric", "key", "words"),
    [
        ({"kind": "last", "stream": "tickets"}, ".stream", "needs a stream with a time; found 'tickets'"),
        ({"kind": "count", "stream": "tickets", "window": "90d"}, ".window", "'tickets' has none"),
        (
            {
                "kind": "ratio",
                "window": "90d",
                "numerator": {"stream": "tickets"},
                "denominator": {"stream": "tickets"},
            },
            ".window",
            "'tickets' has none",
        ),
        (score({"stream": "tickets"}) | {"window": "90d"}, ".window", "'tickets' has none"),
        (score({"stream": "tickets"}) | {"half_life": "90d"}, ".terms[0].stream", "'tickets' has none"),
    ],
)
def test_time_is_needed(metric: dict[str, Any], key: str, words: str) -> None:
    table = changed("streams.tickets", TIMELESS)
    table["metrics"]["x"] = metric
    with pytest.raises(SchemaError) as caught:
        load(table)
    assert caught.value.place == f"metrics.x{key}"
    assert words in str(caught.value)


@pytest.mark.parametrize("key", ["version", "deleted"])
def test_what_is_about_ids_needs_one(key: str) -> None:
    error = refused(f"streams.orders.{key}", "updated_at")
    assert (error.place, error.hint) == (f"streams.orders.{key}", "declare 'id'")
    table = changed("streams.orders.id", "line_id")
    table["streams"]["orders"][key] = "updated_at"
    load(table)


LATER: list[tuple[str, Any, str]] = [
    ("customers", [{"name": "crm"}, {"name": "shop"}], "customers"),
    ("customers.name", "crm", "customers.name"),
    ("customers.priority", 1, "customers.priority"),
    ("streams.orders.fields.department.type", "tags", "streams.orders.fields.department.type"),
    ("streams.orders.retain", "3y", "streams.orders.retain"),
    ("bands.affinity", {"metric": "value_share", "quantiles": 4}, "bands.affinity.quantiles"),
    ("identities", {"trusted": ["email"]}, "identities"),
]


@pytest.mark.parametrize(("path", "value", "place"), LATER)
def test_what_a_later_version_brings_is_refused(path: str, value: Any, place: str) -> None:
    error = refused(path, value)
    assert "is not supported in this version yet" in error.problem
    assert (error.place or "").startswith(place)


def test_cycles_are_spelled_out() -> None:
    table = changed("segments.a", {"where": "segment 'b' or orders_3m > 1"})
    table["segments"]["b"] = {"where": "not segment 'c'"}
    table["segments"]["c"] = {"where": "segment 'a' and country = 'IN'"}
    with pytest.raises(SchemaError, match="'a' uses 'b' uses 'c' uses 'a'") as caught:
        load(table)
    assert caught.value.place == "segments.a"


@pytest.mark.parametrize(
    ("path", "value", "circle"),
    [
        ("segments.frequent.where", "segment 'frequent'", "'frequent' uses 'frequent'"),
        ("metrics.trend_spend.formula", "spend_6m + trend_spend", "'trend_spend' uses 'trend_spend'"),
        ("bands.value_tier.among", "value_tier = '1'", "'value_tier' uses 'value_tier'"),
        ("stages.lifecycle.0.where", "lifecycle = 'active'", "'lifecycle' uses 'lifecycle'"),
        ("bands.value_tier.among", "segment 'x'", "'value_tier' uses 'x' uses 'value_tier'"),
    ],
)
def test_cycles_of_every_kind(path: str, value: str, circle: str) -> None:
    table = changed(path, value)
    table["segments"]["x"] = {"where": "value_tier = '5'"}
    with pytest.raises(SchemaError) as caught:
        load(table)
    assert caught.value.found == circle


@pytest.mark.parametrize("name", ["", "a\nb", "a\0b", "\x7f", "\ud800", "x" * 1025])
def test_names_that_nothing_can_have(name: str) -> None:
    table = changed("segments.frequent.title", "x")
    table["segments"][name] = {"where": "everyone"}
    with pytest.raises(SchemaError) as caught:
        load(table)
    assert (caught.value.place or "").startswith("segments")


def test_odd_names_are_quoted_in_places() -> None:
    table = changed("segments.frequent.title", "x")
    table["segments"]["größte Kunden"] = {"where": "order > 1"}
    table["segments"]['not "x"'] = {"where": "segment 'größte Kunden'"}
    with pytest.raises(SchemaError) as caught:
        load(table)
    assert caught.value.place == 'segments."größte Kunden".where, line 1, column 1'
    table["segments"]["größte Kunden"] = {"where": "orders_3m > 1"}
    assert 'not "x"' in load(table).types


def test_a_chain_of_segments_is_bounded() -> None:
    chain = {f"s{at}": {"where": f"segment 's{at - 1}'"} for at in range(1, 33)}
    with pytest.raises(SchemaError) as caught:
        load({"segments": {"s0": {"where": "everyone"}} | chain})
    assert "segments.s32" in str(caught.value)
    assert caught.value.found == "33 segments"
    del chain["s32"]
    load({"segments": {"s0": {"where": "everyone"}} | chain})


def test_a_step_needs_a_time_and_fields_that_compare() -> None:
    table = changed("streams.tickets", TIMELESS)
    table["streams"]["codes"] = {"time": "at", "fields": {"category": "integer"}}
    for more, key, words in (
        (steps("tickets"), "steps[1].stream", "a step needs a stream with a time; found 'tickets'"),
        (steps("codes", first="emails", on="category"), "on", "category in 'emails', integer in 'codes'"),
    ):
        table["metrics"]["x"] = more
        with pytest.raises(SchemaError) as caught:
            load(table)
        assert caught.value.place == f"metrics.x.{key}"
        assert words in str(caught.value)


@pytest.mark.parametrize(
    ("rule", "column", "words"),
    [
        ("sequence(orders then mails) > 0", 22, "did you mean 'emails'"),
        ("sequence(orders then emails on action) > 0", 1, "'action' is not a field of stream 'orders'"),
        ("sequence(orders then emails where acton = 'a') > 0", 35, "did you mean 'action'"),
        ("sequence(orders then emails where orders_3m > 1) > 0", 35, "for customers"),
        ("sequence(orders then emails where sequence(orders then emails) > 1) > 0", 35, "where or having"),
        ("sequence(orders then emails) = 'a'", 1, "different types"),
        ("streak(orders) > 1", 1, "needs 'period'"),
        ("streak(orders, period = y) > 1", 1, "found 'y'; allowed: 'd' or 'w' or 'mo'"),
        ("streak(orders, period = 3) > 1", 1, "found '3'"),
        ("active_periods(orders, period = d, of = 2.5) > 1", 1, "found '2.5'; allowed: a whole number"),
        ("active_periods(orders, period = d, of = 0) > 1", 1, "out of range"),
        ("days_until(birth_date, every = 7) > 1", 1, "a duration"),
        ("days_until(birth_date, every = 12h) > 1", 1, "whole days"),
        ("count(pages, where duration > 1) > 0", 20, "sessions have a duration, rows have none"),
    ],
)
def test_calls_say_what_is_wrong(rule: str, column: int, words: str) -> None:
    table = changed("streams.pages", {"time": "at", "unit": {"gap": "1h"}})
    table["segments"]["x"] = {"where": rule}
    with pytest.raises(SchemaError) as caught:
        load(table)
    assert caught.value.place == f"segments.x.where, line 1, column {column}"
    assert words in str(caught.value)

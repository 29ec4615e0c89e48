"""How places and the model of returning customers are declared, and what is wrong with them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from segdex.errors import RuleError, SchemaError
from segdex.rules.text import parse
from segdex.rules.windows import Duration
from segdex.schema import check
from segdex.schema.calls import metric_of
from segdex.schema.load import load
from segdex.schema.types import ValueType
from tests.schema.example import changed

HOME = {"type": "geo", "latitude": "lat", "longitude": "lon"}
MODEL = {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426}
ALIVE = {"kind": "p_alive", "stream": "orders"}


def refused(path: str, value: Any) -> SchemaError:
    with pytest.raises(SchemaError) as caught:
        load(changed(path, value))
    return caught.value


def test_a_place_is_declared_by_two_columns() -> None:
    catalog = load(changed("customers.attributes.home", HOME))
    assert catalog.types["home"] == ValueType("geo")


@pytest.mark.parametrize(
    ("path", "value", "place", "words"),
    [
        ("customers.attributes.home", "geo", "customers.attributes.home", "a place needs 'latitude'"),
        ("customers.attributes.home", {"type": "geo", "latitude": "lat"}, "customers.attributes.home", "'longitude'"),
        ("customers.attributes.home", HOME | {"column": "x"}, "customers.attributes.home.column", "two columns"),
        ("customers.attributes.home", HOME | {"longitude": "lat"}, "customers.attributes.home.longitude", "one column"),
        ("customers.attributes.home", HOME | {"scale": 2}, "customers.attributes.home.scale", "does not go with"),
        ("customers.attributes.country", {"type": "category", "latitude": "x"},
         "customers.attributes.country.latitude", "does not go with"),
        ("streams.orders.fields.home", "geo", "streams.orders.fields.home.type", "only customers have places"),
        ("streams.orders.fields.home", HOME, "streams.orders.fields.home.type", "only customers have places"),
        ("lookups.products.fields.home", HOME, "lookups.products.fields.home.type", "only customers have places"),
    ],
)  # fmt: skip
def test_a_place_is_declared_wrongly(path: str, value: Any, place: str, words: str) -> None:
    error = refused(path, value)
    assert error.place == place
    assert words in str(error)


@pytest.mark.parametrize(
    ("path", "value", "place"),
    [
        ("metrics.x", {"kind": "years_since", "attribute": "home"}, "metrics.x.attribute"),
        ("metrics.x", {"kind": "days_since", "attribute": "home"}, "metrics.x.attribute"),
        ("bands.x", {"metric": "home", "edges": [1]}, "bands.x.metric"),
        ("customers.order", ["home"], "customers.order[0]"),
        ("segments.x", {"where": "home = 3"}, "segments.x.where, line 1, column 1"),
        ("segments.x", {"where": "country within 25 km of (1, 2)"}, "segments.x.where, line 1, column 1"),
        ("segments.x", {"where": "count(orders, where home within 25 km of (1, 2)) > 0"},
         "segments.x.where, line 1, column 21"),
    ],
)  # fmt: skip
def test_a_place_is_no_value(path: str, value: Any, place: str) -> None:
    table = changed(path, value)
    table["customers"]["attributes"]["home"] = HOME
    with pytest.raises(SchemaError) as caught:
        load(table)
    assert caught.value.place == place


@pytest.mark.parametrize("options", [{}, MODEL, {"per": "1d"}, {"end": "2025-12-31"}, MODEL | {"per": "36h"},
                                     {"where": "amount > 0", "having": "amount > 10"}])  # fmt: skip
def test_a_model_is_declared(options: dict[str, Any]) -> None:
    assert load(changed("metrics.x", ALIVE | options)).types["x"] == ValueType("number", role="metric")


@pytest.mark.parametrize(
    ("options", "key", "words"),
    [
        ({"r": 1.0}, ".r", "give a, alpha, b too, or none of the four"),
        ({"alpha": 1, "a": 1, "b": 1}, ".alpha", "go together"),
        (MODEL | {"b": 0}, ".b", "above 0"),
        (MODEL | {"r": -1}, ".r", "above 0"),
        (MODEL | {"end": "2025-12-31"}, ".end", "for parameters that are fitted"),
        ({"per": "1mo"}, ".per", "not a fixed length"),
        ({"per": "0d"}, ".per", "not a fixed length"),
        ({"window": "90d"}, ".window", "takes no 'window'"),
        ({"by": "department"}, ".by", "takes no 'by'"),
        ({"field": "amount"}, ".field", "takes no 'field'"),
        ({"stream": "tickets"}, ".stream", "needs a stream with a time"),
        ({"end": "soon"}, ".end", "not a date"),
    ],
)
def test_a_model_is_declared_wrongly(options: dict[str, Any], key: str, words: str) -> None:
    table = changed("metrics.x", ALIVE | options)
    table["streams"]["tickets"] = {"fields": {"topic": "category"}}
    with pytest.raises(SchemaError) as caught:
        load(table)
    assert caught.value.place == f"metrics.x{key}"
    assert words in str(caught.value)


def test_a_model_written_inline() -> None:
    catalog = load(changed("metrics.x", ALIVE))
    rule: Any = parse("p_alive(orders, where amount > 0, per = 1d, r = 0.5, alpha = 4, a = 1, b = 2.5) > 0.5")
    check.check_rule(rule, catalog, catalog.customers())
    metric = metric_of(rule.left, catalog)
    assert (metric.r, metric.alpha, metric.a, metric.b) == (0.5, 4.0, 1.0, 2.5)
    assert metric.per == Duration(1, "d")
    fitted: Any = parse("p_alive(orders, end = 2025-12-31) > 0.5")
    assert metric_of(fitted.left, catalog).end == dt.date(2025, 12, 31)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("p_alive(orders, r = 1)", "go together"),
        ("p_alive(orders, r = 'x', alpha = 1, a = 1, b = 1)", "allowed: a number"),
        ("p_alive(orders, r = x, alpha = 1, a = 1, b = 1)", "found 'x'"),
        ("p_alive(orders, r = 1d, alpha = 1, a = 1, b = 1)", "allowed: a number"),
        ("p_alive(orders, r = true, alpha = 1, a = 1, b = 1)", "found 'true'"),
        ("p_alive(orders, r = -1, alpha = 1, a = 1, b = 1)", "above 0"),
        ("p_alive(orders, per = 7)", "a duration such as 1w"),
        ("p_alive(orders, end = 7)", "a date such as 2025-12-31"),
        ("p_alive(orders, per = 1mo)", "not a fixed length"),
        ("p_alive(orders, 90d)", "takes no 'window'"),
        ("p_alive(orders, beta = 7)", "unknown option 'beta'"),
        ("p_alive(orders.amount)", "no field belongs here"),
        ("count(orders, r = 1)", "unknown option 'r'"),
    ],
)
def test_a_model_written_wrongly(call: str, words: str) -> None:
    catalog = load(changed("metrics.x", ALIVE))
    with pytest.raises(RuleError) as caught:
        check.check_rule(parse(f"{call} > 0.5"), catalog, catalog.customers())
    assert words in str(caught.value)

"""A small shop with answers that can be worked out by hand, for tests of the façade."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pyarrow as pa

import segdex

AS_OF = "2026-06-30T00:00:00Z"
SCHEMA: dict[str, Any] = {
    "customers": {
        "key": "customer_id",
        "attributes": {
            "country": "category",
            "birth_date": "date",
            "email": "text",
            "tags": "tags",
            "income": {"type": "category", "order": ["low", "high"]},
            "consent": "bool",
        },
    },
    "streams": {
        "orders": {
            "key": "customer_id",
            "time": "ordered_at",
            "unit": "basket",
            "fields": {"department": "category", "amount": {"type": "number", "scale": 2}},
        }
    },
    "metrics": {
        "orders_3m": {"kind": "count", "stream": "orders", "window": "3mo"},
        "spend": {"kind": "sum", "stream": "orders", "field": "amount"},
        "since_order": {"kind": "days_since", "stream": "orders"},
        "value_share": {"kind": "share", "stream": "orders", "by": "department", "weight": "amount"},
    },
    "bands": {
        "recency": {"metric": "since_order", "edges": [7, 90], "labels": ["hot", "warm", "cold"]},
        "affinity": {"metric": "value_share", "edges": [0.5]},
    },
    "stages": {
        "lifecycle": [
            {"name": "lead", "where": "count(orders) = 0"},
            {"name": "active", "where": "since_order <= 90"},
        ]
    },
    "segments": {
        "spenders": {"where": "spend > 50", "title": "Spenders"},
        "no_email": {"where": "not consent = true", "suppression": ["email"]},
        "minors": {"where": "birth_date > today - 18y", "suppression": ["ads"]},
        "good": {"where": "segment 'spenders' and not segment 'no_email'"},
    },
}
CUSTOMERS = pa.table(
    {
        "customer_id": ["ann", "bob", "cat", "dan"],
        "country": ["IN", "AE", None, "IN"],
        "birth_date": [dt.date(1990, 1, 1), dt.date(2010, 5, 5), None, dt.date(1980, 2, 29)],
        "email": ["ann@gmail.com", "bob@example.org", None, "DAN@GMAIL.COM"],
        "tags": pa.array([["vip", "beta"], [], None, ["beta"]], pa.list_(pa.string())),
        "income": ["high", "low", None, "odd"],
        "consent": [True, False, None, True],
    }
)
ORDERS = pa.table(
    {
        "customer_id": ["ann", "ann", "ann", "bob", "eve", None],
        "basket": [1, 1, 2, 1, 9, 5],
        "ordered_at": pa.array(
            [dt.datetime(2026, 6, 25), dt.datetime(2026, 6, 25), dt.datetime(2026, 1, 1), dt.datetime(2025, 6, 30),
             dt.datetime(2027, 1, 1), dt.datetime(2026, 1, 1)], pa.timestamp("us", "UTC"),
        ),
        "department": ["garden", "toys", "garden", "toys", "toys", "toys"],
        "amount": [Decimal("30.00"), Decimal("20.00"), Decimal("50.00"), Decimal("40.00"), Decimal("1.00"), Decimal(9)],
    }
)  # fmt: skip


def index() -> segdex.Index:
    """Five customers: ann and bob bought, cat and dan never did, eve will."""
    return segdex.build(SCHEMA, as_of=AS_OF, sources={"customers": CUSTOMERS, "orders": ORDERS})

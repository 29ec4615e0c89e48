"""A schema with everything that this version answers, as TOML; each test changes a part of it."""

from __future__ import annotations

import copy
import tomllib
from typing import Any

TOML = """
timezone = "Asia/Kolkata"
[customers]
source = "customers.parquet"
key    = "customer_id"
only   = false
[customers.attributes]
country    = "category"
tags       = "tags"
email      = "text"
birth_date = "date"
income     = { type = "category", order = ["0-34K", "35-49K", "50-74K", "75K+"] }
email_consent = "bool"
tier       = { type = "category", column = "loyalty_tier", fold = "lower" }
[lookups.products]
source = "products.parquet"
key    = "product_id"
fields = { department = "category", brand = "category" }
[streams.orders]
source = "orders/*.parquet"
key    = "customer_id"
time   = "ordered_at"
unit   = "basket_id"
[streams.orders.fields]
product_id = "id"
department = { type = "category", lookup = "products.department", on = "product_id" }
amount     = { type = "number", scale = 2 }
discount   = { type = "number", scale = 2 }
rating     = { type = "number", per = "row" }
[streams.emails]
source = "emails.parquet"
key    = "customer_id"
time   = "at"
unit   = "message_id"
[streams.emails.fields]
action   = "category"
category = "category"
[streams.subscriptions]
source = "subscriptions.parquet"
key    = "customer_id"
time   = "changed_at"
[streams.subscriptions.fields]
plan   = "category"
[metrics]
orders_3m    = { kind = "count", stream = "orders", window = "3mo" }
spend_6m     = { kind = "sum", stream = "orders", field = "amount", window = "6mo" }
spend_1y     = { kind = "sum", stream = "orders", field = "amount", window = "1y" }
basket_value = { kind = "mean", stream = "orders", field = "amount" }
big_baskets  = { kind = "count", stream = "orders", having = "amount >= 50" }
order_gap    = { kind = "mean_gap", stream = "orders" }
since_order  = { kind = "days_since", stream = "orders" }
value_share  = { kind = "share", stream = "orders", by = "department", weight = "amount" }
plan_before  = { kind = "last_value", stream = "subscriptions", field = "plan", window = { to = "30d" } }
age          = { kind = "years_since", attribute = "birth_date" }
trend_spend  = { kind = "formula", formula = "spend_6m / 6 - spend_1y / 12" }
[metrics.click_rate]
kind = "ratio"
by = "category"
numerator = { stream = "emails", where = "action = 'click'" }
denominator = { stream = "emails", where = "action = 'sent'" }
[bands.recency]
metric = "since_order"
edges = [7, 30, 90, 180]
labels = ["hot", "warm", "cooling", "cold", "lapsed"]
[bands]
value_tier   = { metric = "spend_6m", quantiles = 5, among = "spend_6m > 0" }
affinity     = { metric = "value_share", edges = [0.2, 0.5, 0.75] }
[[stages.lifecycle]]
name = "lead"
where = "count(orders) = 0"
[[stages.lifecycle]]
name = "active"
where = "since_order <= 90"
[[stages.lifecycle]]
name = "inactive"
where = "everyone"
[segments]
frequent   = { where = "orders_3m > 7", tracked = true, title = "Frequent buyers", description = "…", owner = "crm" }
no_email   = { where = "not email_consent = true", suppression = ["email"] }
[privacy]
minimum_count = 20
"""


def example() -> dict[str, Any]:
    """The example as a table of its own."""
    return tomllib.loads(TOML)


def changed(path: str, value: Any) -> dict[str, Any]:
    """The example with *value* at the dotted *path* (``None``: nothing there)."""
    table = example()
    *outer, last = path.split(".")
    inside = table
    for key in outer:
        inside = inside.setdefault(key, {}) if not key.isdecimal() else inside[int(key)]
    if value is None:
        del inside[last]
    else:
        inside[last] = copy.deepcopy(value)
    return table

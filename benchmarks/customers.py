"""Generated customers, for the benchmarks that ask many rules of one big table; nothing is measured here.

Values hang together as those of a shop do: a skewed, hidden activity drives how often a customer buys and how long ago,
how much, how often he visits and opens e-mails; countries, channels and tiers are skewed too. Customers are drawn in
blocks of 262,144, each by a generator of its own (seed 2 and the number of the block), so that memory is bounded and
more customers begin with the same ones. Columns are as narrow as their values allow.

The order in which customers are numbered decides how well sets of them compress, so there are three, over the very same
customers: `ordered` by slowly changing keys first (frequency, country, then recency), `random`, and `aged`, which is
`ordered` as it was 30 days before: recency and a part of frequency have moved on since, and new customers came last.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

import segdex
from benchmarks.measuring import built
from segdex.bitmap import predicate
from segdex.bitmap.predicate import Predicate
from segdex.generation import Generation, PredicateName
from segdex.schema.load import load
from segdex.store.generations import Opened
from segdex.values.column import BOOLEANS as TRUTHS
from segdex.values.column import Column, distinct

SEED = 2
ORDERS = ("ordered", "random", "aged")
AS_OF = "2026-06-30T00:00:00Z"

Array = npt.NDArray[Any]
Columns = dict[str, Array]

NEVER = 5000
"""The days since an order where there was none: peers then need one comparison, and no nulls, for "recently"."""

CATEGORIES = {
    "country": (
        "IN", "AE", "SA", "GB", "US", "DE", "FR", "IT", "ES", "NL",
        "SE", "PL", "AT", "CH", "BE", "DK", "NO", "FI", "IE", "PT",
    ),
    "channel": ("store", "web", "app"),
    "tier": ("none", "silver", "gold", "platinum"),
}  # fmt: skip
BOOLEANS = ("suppressed", "complaint", "app_user", "vip", "bargains")
MISSING = {
    "since_order": NEVER, "basket": -1, "order_gap": -1, "apparel": -1, "garden": -1, "open_rate": -1,
    "click_rate": -1, "minutes": -1, "age": -1,
}  # fmt: skip
"""What stands for a missing value in a column of whole numbers; columns that are not here have none."""


@dataclasses.dataclass(frozen=True)
class Band:
    """How a column is cut: *labels* of the intervals between *edges*, in their order."""

    column: str
    edges: tuple[int, ...]
    labels: tuple[str, ...]


BANDS = {
    "recency": Band("since_order", (7, 30, 90, 180, 365), ("hot", "warm", "cooling", "cold", "lapsed", "lost")),
    "frequency": Band("orders_ever", (1, 2, 3, 8, 20), ("none", "once", "twice", "some", "frequent", "heavy")),
    "orders_3m_band": Band("orders_3m", (1, 4, 8), ("none", "few", "several", "many")),
    "spend_band": Band(
        "spend_6m", (1, 1000, 5000, 10_000, 20_000), ("nothing", "little", "some", "much", "more", "most")
    ),
    "basket_band": Band("basket", (200, 500, 1000), ("small", "usual", "big", "huge")),
    "rhythm": Band("order_gap", (10, 20, 60), ("weekly", "fortnightly", "monthly", "rarely")),
    "apparel_band": Band("apparel", (20, 50, 75), ("little", "some", "half", "most")),
    "garden_band": Band("garden", (20, 50, 75), ("little", "some", "half", "most")),
    "opens": Band("open_rate", (20, 30, 50), ("seldom", "some", "often", "mostly")),
    "clicks": Band("click_rate", (5, 20), ("seldom", "some", "often")),
    "visits_band": Band("visits", (1, 4, 10), ("none", "few", "several", "many")),
    "minutes_band": Band("minutes", (5, 15), ("short", "medium", "long")),
    "generation": Band("age", (25, 35, 50, 65), ("youth", "young", "middle", "older", "senior")),
    "tenure_band": Band("tenure", (30, 365), ("new", "first year", "known")),
}
NUMBERS = tuple(band.column for band in BANDS.values())

SCHEMA: dict[str, Any] = {
    "customers": {
        "key": "customer_id",
        "order": [],  # that of the keys, which is the order asked for
        "attributes": {
            **dict.fromkeys(CATEGORIES, "category"),
            **dict.fromkeys(BOOLEANS, "bool"),
            **dict.fromkeys(NUMBERS, "integer"),
        },
    },
    "bands": {
        name: {"metric": band.column, "edges": list(band.edges), "labels": list(band.labels)}
        for name, band in BANDS.items()
    },
}


# --- columns -----------------------------------------------------------------------------------------------------

_BLOCK = 1 << 18
_COUNTRIES = np.cumsum([0.3, 0.12, 0.08, *np.full(17, 0.5 / 17)])[:-1]


def generate(count: int, order: str) -> Columns:
    """*count* customers by column, in *order*."""
    columns: Columns = {}
    keys = np.zeros(count, np.uint16)
    for number, start in enumerate(range(0, count, _BLOCK)):
        # A block is drawn whole and cut, so that its customers are the same however many there are.
        block, block_keys = _block(np.random.default_rng([SEED, number]), order)
        stop = min(start + _BLOCK, count)
        keys[start:stop] = block_keys[: stop - start]
        for name, values in block.items():
            column = columns.setdefault(name, np.empty(count, values.dtype))
            column[start:stop] = values[: stop - start]
    if order != "random":
        places = np.argsort(keys, kind="stable")
        for name in columns:
            columns[name] = columns[name][places]
    return columns


def _block(rng: np.random.Generator, order: str) -> tuple[Columns, Array]:
    """The columns of one block, and the keys by which *order* sorts it."""
    activity = rng.gamma(0.6, 1.0, _BLOCK).astype(np.float32)
    buying = _buying(rng, activity)
    columns = {**buying, **_browsing(rng, activity), **_person(rng, buying)}
    tenure = columns["tenure"]
    if order == "aged":
        frequency, recency = _month_before(rng, columns)
        return columns, np.where(tenure < 30, np.uint16(0xFFFF), _key(frequency, columns["country"], recency))
    return columns, _key(columns["orders_ever"], columns["country"], columns["since_order"])


def _buying(rng: np.random.Generator, activity: Array) -> Columns:
    count = len(activity)
    tenure = rng.integers(1, 2500, count).astype(np.int16)
    orders = rng.poisson(activity * 3).astype(np.int16)
    buys = orders > 0
    recency = rng.exponential(200, count) / (activity + 0.05)
    recency = np.where(buys, np.minimum(recency, tenure), NEVER).astype(np.int16)
    rest = np.maximum(orders - 1, 0)
    recent = np.where(recency < 90, 1 + rng.binomial(rest, 0.35), 0)
    half_year = np.where(
        recency < 180, np.maximum(recent, 1) + rng.binomial(orders - np.minimum(recent, orders), 0.3), 0
    )
    basket = np.minimum(rng.lognormal(6, 0.8, count), 30_000)
    apparel = np.where(buys, rng.beta(0.5, 1.5, count) * 100, -1)
    garden = np.where(buys, (100 - apparel) * rng.beta(0.4, 2, count), -1)
    gap = np.where(orders > 1, (tenure - recency) / np.maximum(rest, 1), -1)
    return {
        "tenure": tenure,
        "orders_ever": orders,
        "since_order": recency,
        "orders_3m": recent.astype(np.int16),
        "spend_6m": (basket * half_year).astype(np.int32),
        "basket": np.where(buys, basket, -1).astype(np.int16),
        "order_gap": gap.astype(np.int16),
        "apparel": apparel.astype(np.int8),
        "garden": garden.astype(np.int8),
        "bargains": buys & (rng.random(count) < 0.15),
    }


def _browsing(rng: np.random.Generator, activity: Array) -> Columns:
    count = len(activity)
    visits = np.minimum(rng.poisson(activity * 4), 100).astype(np.int8)
    mailed = rng.random(count) < 0.6
    opened = np.minimum(rng.beta(1, 3, count) * (0.7 + 0.4 * np.minimum(activity, 2)), 1)
    clicked = opened * rng.beta(1, 4, count)
    minutes = np.minimum(rng.gamma(2, 3 + activity), 100)
    return {
        "visits": visits,
        "minutes": np.where(visits > 0, minutes, -1).astype(np.int8),
        "open_rate": np.where(mailed, opened * 100, -1).astype(np.int8),
        "click_rate": np.where(mailed, clicked * 100, -1).astype(np.int8),
        "app_user": rng.random(count) < np.minimum(visits, 20) / 25,
    }


def _person(rng: np.random.Generator, buying: Columns) -> Columns:
    orders, spend = buying["orders_ever"], buying["spend_6m"]
    count = len(orders)
    age = np.clip(rng.normal(42, 15, count), 18, 95)
    web = rng.random(count, np.float32)
    tier = np.select([spend > 30_000, orders > 12, orders > 5], [3, 2, 1], 0)
    return {
        "age": np.where(rng.random(count) < 0.15, -1, age).astype(np.int8),
        "country": np.searchsorted(_COUNTRIES, rng.random(count)).astype(np.uint8),
        "channel": ((web > 0.5).astype(np.uint8) + (web > 0.85)).astype(np.uint8),
        "tier": tier.astype(np.uint8),
        "suppressed": rng.random(count, np.float32) < 0.03,
        "complaint": (orders > 0) & (rng.random(count, np.float32) < 0.004),
        "vip": (spend > 15_000) & (orders > 3),
    }


def _month_before(rng: np.random.Generator, columns: Columns) -> tuple[Array, Array]:
    """Frequency and recency as they were 30 days ago."""
    recency, orders = columns["since_order"], columns["orders_ever"]
    within = recency < 30
    frequency = np.where(within, orders - 1 - rng.binomial(np.maximum(columns["orders_3m"] - 1, 0), 1 / 3), orders)
    frequency = np.maximum(frequency, 0)
    earlier = np.where(within, rng.exponential(60, len(orders)), recency - 30)
    return frequency, np.where(frequency > 0, np.minimum(earlier, NEVER - 1), NEVER)


def _key(frequency: Array, country: Array, recency: Array) -> Array:
    bands = np.searchsorted([*BANDS["recency"].edges, NEVER], recency, "right").astype(np.uint16)
    often = np.minimum(frequency, 20).astype(np.uint16)
    return (often * np.uint16(20) + country) * np.uint16(7) + bands


# --- as tables, and as an index ----------------------------------------------------------------------------------


def peers_table(columns: Columns) -> pa.Table:
    """The columns for engines of tables: narrow types without nulls, categories by their codes, and `id`."""
    ids = np.arange(len(columns["country"]), dtype=np.uint32)
    return pa.table({"id": pa.array(ids), **{name: pa.array(values) for name, values in columns.items()}})


def batches(columns: Columns) -> pa.RecordBatchReader:
    """The customers as `segdex.build` reads them: labels, nulls for what is missing, ascending integer keys."""
    count = len(columns["country"])
    parts = (_batch(columns, slice(start, start + _BLOCK)) for start in range(0, count, _BLOCK))
    return pa.RecordBatchReader.from_batches(_batch(columns, slice(0, 0)).schema, parts)


def _batch(columns: Columns, rows: slice) -> pa.RecordBatch:
    arrays: dict[str, pa.Array] = {}
    for name, values in columns.items():
        part = values[rows]
        if name in CATEGORIES:
            arrays[name] = pa.DictionaryArray.from_arrays(pa.array(part.astype(np.int8)), list(CATEGORIES[name]))
        else:
            arrays[name] = pa.array(part, mask=part == MISSING[name] if name in MISSING else None)
    first = rows.start
    keys = np.arange(first, first + len(columns["country"][rows]), dtype=np.int64)
    return pa.RecordBatch.from_pydict({"customer_id": pa.array(keys), **arrays})


BUILD = """
import json, resource, sys, time
import segdex
from benchmarks import customers
columns = customers.generate(int(sys.argv[1]), sys.argv[2])
sources = {"customers": customers.batches(columns)}
started = time.perf_counter()
segdex.build(customers.SCHEMA, as_of=customers.AS_OF, sources=sources, out=sys.argv[3])
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"index_build_s": round(time.perf_counter() - started, 1), "index_build_peak_mb": round(peak)}))
"""


@contextlib.contextmanager
def opened(count: int, order: str) -> Iterator[tuple[segdex.Index, dict[str, Any]]]:
    """The index of these customers, opened, and what building it took."""
    name = f"customers-{count}-{order}"
    with built(name, BUILD, count, order, made_by=Path(__file__)) as (path, took), segdex.open(path) as index:
        yield index, took


# --- more customers than one machine builds an index of -------------------------------------------------------------

MOST_BUILT = 20_000_000
"""Building takes some 400 bytes of memory a customer; the sets alone take a tenth of it."""


def sets_only(columns: Columns) -> segdex.Index:
    """An index in memory that has the sets of all labels and no values: it answers rules over labels alone."""
    count = len(columns["country"])
    catalog = load(SCHEMA)
    predicates: dict[PredicateName, Predicate] = {}
    dictionaries: dict[str, Column] = {}

    def put(name: str, codes: Array, labels: pa.Array) -> None:
        owners = np.arange(count, dtype=np.uint32)
        made = predicate.from_codes(codes, owners, len(labels), count)
        predicates.update(
            (PredicateName(name, label), each) for label, each in zip(labels.to_pylist(), made, strict=True)
        )
        predicates[PredicateName(name)] = predicate.from_mask(codes >= 0)
        dictionaries[name] = distinct(Column(catalog.types[name], codes, labels))

    for name, declared in CATEGORIES.items():
        labels = sorted(declared)
        places = np.array([labels.index(value) for value in declared], np.int32)
        put(name, places[columns[name]], pa.array(labels, pa.large_string()))
    for name in BOOLEANS:
        put(name, columns[name].astype(np.int32), TRUTHS)
    for name, band in BANDS.items():
        values = columns[band.column]
        codes = np.searchsorted(np.array(band.edges, values.dtype), values, "right").astype(np.int32)
        if band.column in MISSING:
            codes[values == MISSING[band.column]] = -1
        put(name, codes, pa.array(band.labels, pa.large_string()))
        predicates[PredicateName(band.column)] = predicates[PredicateName(name)]
    held = Generation(
        catalog=catalog, as_of=0, number=1, epoch="", count=count, key_source=_no_keys,
        universe=predicate.everyone(count), values={}, dictionaries=dictionaries, events={},
        predicates=predicates, ranks={}, fitted={name: band.edges for name, band in BANDS.items()},
    )  # fmt: skip
    return segdex.Index(Opened(held, None, b""))


def _no_keys() -> Any:
    raise AssertionError("the benchmark's customers have no keys")

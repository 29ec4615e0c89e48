"""A generated retailer: customers, orders, e-mails, visits, carts, tickets and subscriptions.

The same seed gives the same rows for a customer whatever the number of customers. Tables are generated as they are
read, block by block, in bounded memory.

Dirty corners are made on purpose: customers without any row, keys that only streams know, rows without a key, rows
later than the clock, unknown values, products that no lookup holds, returns as negative amounts, units shared by
two customers, lines of one basket with different times.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from segdex.demo.people import (
    AS_OF,
    DEPARTMENTS,
    FIRST_DAY,
    LAST,
    Bools,
    Floats,
    Ints,
    People,
    Rows,
    T,
    pick,
    uniforms,
    whole,
)
from segdex.errors import ArgumentError
from segdex.store import os

__all__ = ["AS_OF", "SCHEMA", "Generated", "generate", "products", "write"]

SCHEMA = Path(__file__).with_name("retailer.toml")
BLOCK = 1 << 16
"""Customers a record batch."""

Columns: TypeAlias = dict[str, pa.Array]

_CATEGORIES = ("basics", "premium", "seasonal", "accessories")
_PER_DEPARTMENT = 40
_UNLISTED = 5
_INCOMES = ("0-24K", "25-49K", "50-74K", "75-99K", "100K+", "undisclosed")
_COUNTRIES = ("GB", "IE", "FR", "DE", "NL", "ES", "IT", "SE", "PL", "PT")
_TIERS = ("basic", "Basic", "silver", "SILVER", "gold", "Gold")
_TAGS = ("vip", "beta", "student", "staff", "press", "senior")
_HOSTS = ("gmail.com", "outlook.com", "icloud.com", "Example.org")
_SEASONS = ("spring", "summer", "autumn", "winter", "Spring Sale")


class Generated:
    """A table that is generated as it is read, as often as it is read (``__arrow_c_stream__``)."""

    def __init__(self, make: Callable[[], Iterator[pa.RecordBatch]]) -> None:
        self._make = make

    def reader(self) -> pa.RecordBatchReader:
        """The rows, one record batch for each block of customers."""
        batches = self._make()
        first = next(batches)

        def all_of_them() -> Iterator[pa.RecordBatch]:
            yield first
            yield from batches

        return pa.RecordBatchReader.from_batches(first.schema, all_of_them())

    def table(self) -> pa.Table:
        """All rows at once."""
        return self.reader().read_all()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.reader().__arrow_c_stream__(requested_schema)


def generate(customers: int, seed: int = 7) -> dict[str, pa.Table | Generated]:
    """The retailer's tables by name, as ``sources=`` of `segdex.build` takes them; the schema is `SCHEMA`.

    Args:
        customers: how many customers there are; about one in 500 has no row in ``customers``.
        seed: another seed, another retailer.

    Raises:
        ArgumentError: *customers* is not between 1 and 100 million.
    """
    if not 1 <= customers <= 100_000_000:
        raise ArgumentError("cannot generate that many customers", found=str(customers), allowed="1 to 100,000,000")
    tables: dict[str, pa.Table | Generated] = {"products": products(seed)}
    for name, columns in _STREAMS.items():
        tables[name] = Generated(functools.partial(_batches, columns, customers, seed))
    return tables


def write(folder: str | Path, customers: int, seed: int = 7) -> None:
    """Write the tables as Parquet files into *folder*, one a table, named as in the schema."""
    os.OperatingSystem().make_folder(Path(folder).absolute())
    for name, table in generate(customers, seed).items():
        path = str(Path(folder) / f"{name}.parquet")
        if isinstance(table, pa.Table):
            pq.write_table(table, path)
            continue
        reader = table.reader()
        with pq.ParquetWriter(path, reader.schema) as writer:
            for batch in reader:
                writer.write_batch(batch)


def _batches(columns: Callable[[People], Columns], customers: int, seed: int) -> Iterator[pa.RecordBatch]:
    for start in range(0, customers, BLOCK):
        ids = np.arange(start + 1, min(start + BLOCK, customers) + 1, dtype=np.int64)
        yield pa.RecordBatch.from_pydict(columns(People(ids, seed)))


# --- arrays ---------------------------------------------------------------------------------------------------


def _times(seconds: Ints, zone: str | None = "UTC") -> pa.Array:
    start = int(np.datetime64(FIRST_DAY, "s").astype(np.int64))
    return pa.array((seconds + start) * 1_000_000, pa.int64()).cast(pa.timestamp("us", zone))


def _dates(days: Ints, unknown: Bools | None = None) -> pa.Array:
    """Dates of days after the first one."""
    return pa.array(np.datetime64(FIRST_DAY) + days.astype("timedelta64[D]"), pa.date32(), mask=unknown)


def _labels(codes: Ints, names: Sequence[str], unknown: Bools | None = None) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int8), mask=unknown), pa.array(names, pa.string()))


def _money(cents: Ints) -> pa.Array:
    return pa.array(cents / 100.0)


# --- tables ---------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=4)
def _prices(seed: int) -> Ints:
    """The price of each product in cents, long-tailed."""
    ids = np.arange(len(DEPARTMENTS) * _PER_DEPARTMENT + _UNLISTED, dtype=np.int64)
    return whole(np.round(100 * np.exp(2.2 + 2.6 * uniforms(seed, "price", ids) ** 1.5)))


def products(seed: int = 7) -> pa.Table:
    """The lookup of products; a few have no department or brand, and five that are sold are not in it."""
    ids = np.arange(len(DEPARTMENTS) * _PER_DEPARTMENT, dtype=np.int64)
    unknown = ids % 97 == 50
    brand = pick(uniforms(seed, "brand", ids), (5, 3, 2))
    return pa.table(
        {
            "product_id": pa.array(ids),
            "department": _labels(ids // _PER_DEPARTMENT, DEPARTMENTS, unknown),
            "category": _labels(ids % len(_CATEGORIES), _CATEGORIES, unknown),
            "brand": _labels(brand, ("own", "Northway", "Lumen"), ids % 31 == 7),
            "price": _money(_prices(seed)[: len(ids)]),
        }
    )


def _customers(people: People) -> Columns:
    activity, born = people.activity, people.uniform("born")
    income = whole(np.clip(people.uniform("income") * 4 + activity * 0.4, 0, 4.99))
    income = np.where(people.uniform("asked") < 0.01, 5, income)
    tier = np.where(activity > 2.5, 2, np.where(activity > 1, 1, 0)) * 2 + (people.uniform("case") < 0.3)
    country = pick(people.uniform("country"), (40, 6, 14, 13, 8, 6, 5, 4, 2, 2))
    birthday = whole(-6_570 - 20_000 * born * (0.5 + 0.5 * born))
    credit = np.where(people.uniform("credit") < 0.9, 0.0, np.round(people.thrift * 8_000) / 100)
    points = whole(activity * 100 * people.years)
    columns: Columns = {
        "customer_id": pa.array(people.ids),
        "country": _labels(country, _COUNTRIES, people.uniform("where") < 0.02),
        "birth_date": _dates(birthday, people.uniform("birth") < 0.15),
        "income": _labels(income, _INCOMES, people.uniform("told") < 0.3),
        "tier": _labels(tier, _TIERS),
        "tags": _tags(people),
        "email": _addresses(people),
        "email_consent": pa.array(people.consent, mask=people.uniform("consent asked") < 0.08),
        "signup": _dates(people.since),
        "points": pa.array(points, mask=people.uniform("points") < 0.2),
        "credit": pa.array(credit),
        "risk": pa.array(np.where(people.uniform("risk") < 0.05, np.nan, people.uniform("risk score"))),
    }
    return {name: column.filter(pa.array(people.listed)) for name, column in columns.items()}


def _addresses(people: People) -> pa.Array:
    names = pc.binary_join_element_wise("user", pa.array(people.ids).cast(pa.string()), "")
    hosts = pa.array(_HOSTS).take(pa.array(pick(people.uniform("host"), (50, 25, 15, 10))))
    unknown = pa.array(people.uniform("email") < 0.1)
    return pc.if_else(unknown, pa.scalar(None, pa.string()), pc.binary_join_element_wise(names, hosts, "@"))


def _tags(people: People) -> pa.Array:
    """Lists of none to six tags; two in five customers have no list at all."""
    shares: tuple[Bools | float, ...] = (people.activity > 2, 0.1, 0.12, 0.01, 0.005, 0.08)
    given = np.stack([people.uniform(f"tag {i}") < share for i, share in enumerate(shares)], axis=1)
    offsets = np.concatenate(([0], np.cumsum(given.sum(axis=1)))).astype(np.int32)
    values = pa.array(_TAGS).take(pa.array(np.nonzero(given)[1]))
    return pa.ListArray.from_arrays(pa.array(offsets), values, mask=pa.array(people.uniform("tagged") < 0.4))


def _orders(people: People) -> Columns:
    """Lines of baskets and, as rows of their own with negative amounts, what was sent back."""
    baskets = Rows.of_people(people, "baskets", 2.6 * people.activity * people.years)
    lines, basket = baskets.parts("lines", 1 + whole(-np.log(baskets.uniform("size")) * 0.9))
    channel = pick(baskets.uniform("channel"), (5, 3, 2))
    nameless = (channel == 1) & (baskets.uniform("receipt") < 0.03)
    # Receipts of the shops are numbered anew and anew: two customers may have the same number.
    number = np.where(channel == 1, baskets.ids % 1_000_003, baskets.ids)
    product = _products(lines)
    price, quantity = _prices(people.seed)[product], 1 + whole(lines.uniform("quantity") ** 6 * 5)
    discount = _discount(lines, price * quantity)
    amount = price * quantity - discount
    at = baskets.seconds()[basket] + whole(lines.uniform("second") * 120)

    back = np.flatnonzero(lines.uniform("return") < 0.04)
    nothing = np.zeros(len(back), np.int64)
    # Half of what is sent back is booked on its old basket, half on a new one.
    again = np.where(lines.uniform("same")[back] < 0.5, number[basket[back]], lines.ids[back] + (1 << 58))
    late = 86_400 * (2 + whole(30 * lines.uniform("late")[back]))
    # Some give back what somebody else had bought, so that a sum may be below nothing.
    other = (product[back] + 7 * _PER_DEPARTMENT) % (len(DEPARTMENTS) * _PER_DEPARTMENT)
    given_back = np.where(lines.uniform("gift")[back] < 0.15, other, product[back])
    stars = 1 + whole(5 * lines.uniform("stars") ** 0.5)
    return {
        "customer_id": pa.array(_joined(lines.of(people.ids), back), mask=_joined(lines.uniform("key") < 0.0005, back)),
        "ordered_at": _times(np.concatenate((at, at[back] + late))),
        "basket_id": pa.array(np.concatenate((number[basket], again)), mask=_joined(nameless[basket], back)),
        "product_id": pa.array(np.concatenate((product, given_back))),
        "quantity": pa.array(np.concatenate((quantity, -quantity[back]))),
        "amount": _money(np.concatenate((amount, -amount[back]))),
        "discount": _money(np.concatenate((discount, nothing))),
        "channel": _labels(_joined(channel[basket], back), ("web", "shop", "app")),
        "rating": pa.array(_joined(stars, back), mask=np.concatenate((lines.uniform("rated") < 0.7, nothing == 0))),
    }


def _joined(values: npt.NDArray[T], back: Ints) -> npt.NDArray[T]:
    """The values of the lines, then of those that were sent back."""
    return np.concatenate((values, values[back]))


def _discount(lines: Rows, full: Ints) -> Ints:
    """What is taken off the full price, in cents: often for the thrifty."""
    reduced = lines.uniform("reduced") < 0.1 + 0.6 * lines.of(lines.people.thrift)
    return np.where(reduced, whole(full * (0.1 + 0.3 * lines.uniform("depth"))), 0)


def _products(rows: Rows) -> Ints:
    """A product for each row: few of a department sell much, and some are not listed."""
    found = rows.department() * _PER_DEPARTMENT + whole(rows.uniform("product") ** 2 * _PER_DEPARTMENT)
    unlisted = len(DEPARTMENTS) * _PER_DEPARTMENT + whole(rows.uniform("which") * _UNLISTED)
    return np.where(rows.uniform("unlisted") < 0.004, unlisted, found)


def _emails(people: People) -> Columns:
    """Messages go on long after a customer fell silent; opening follows engagement, clicking the favourite."""
    mailed = people.consent & (people.uniform("mailed") < 0.9)
    rows = Rows.of_people(people, "emails", np.where(mailed, 3.0 * (LAST - people.since + 1) / 365.0, 0.0))
    topic = rows.department()
    opened = rows.uniform("open") < rows.of(people.engagement)
    liked: Floats = np.where(topic == rows.of(people.favourite), 0.45, 0.12)
    clicked = opened & (rows.uniform("click") < liked)
    sent = rows.seconds(np.full(len(people.ids), LAST))
    read = sent + 60 + whole(-np.log(rows.uniform("delay")) * 20_000)
    row = np.concatenate((np.arange(len(rows)), np.flatnonzero(opened), np.flatnonzero(clicked)))
    sizes = np.array([len(rows), np.count_nonzero(opened), np.count_nonzero(clicked)])
    action = np.repeat(np.arange(3), sizes)
    season = pa.array(_SEASONS).take(pa.array(pick(rows.uniform("campaign"), (1, 1, 1, 1, 1))))
    campaign = pc.binary_join_element_wise(season, pa.array(rows.ids % 7).cast(pa.string()), "-")
    return {
        "customer_id": pa.array(rows.of(people.ids)[row]),
        "at": _times(np.where(action == 0, sent[row], read[row] + 30 * (action == 2))),
        "message_id": pa.array(rows.ids[row]),
        "action": _labels(action, ("sent", "open", "click")),
        "category": _labels(topic[row], DEPARTMENTS, (rows.uniform("topic") < 0.01)[row]),
        "campaign": campaign.take(pa.array(row)),
    }


def _visits(people: People) -> Columns:
    """Visits to the site. Times are naive, of the shop's own zone; minutes are quarters of minutes."""
    rows = Rows.of_people(people, "visits", 3.0 * people.activity * people.years)
    minutes = np.round(4 * np.exp(1.0 + 1.4 * rows.uniform("minutes") + rows.of(people.loyalty))) / 4
    minutes = np.where(rows.uniform("tracked") < 0.01, np.nan, minutes)
    return {
        "customer_id": pa.array(rows.of(people.ids), mask=rows.uniform("key") < 0.002),
        "at": _times(rows.seconds(), None),
        "minutes": pa.array(minutes, mask=rows.uniform("measured") < 0.01),
        "pages": pa.array(1 + whole(rows.uniform("pages") ** 3 * 30)),
        "department": _labels(rows.department(), DEPARTMENTS, rows.uniform("page") < 0.05),
        "device": _labels(pick(rows.uniform("device"), (6, 3, 1)), ("phone", "desktop", "tablet")),
    }


def _cart_adds(people: People) -> Columns:
    rows = Rows.of_people(people, "carts", 1.2 * people.activity * people.years, whole(~people.listed))
    product = _products(rows)
    return {
        "customer_id": pa.array(rows.of(people.ids)),
        "at": _times(rows.seconds()),
        "product_id": pa.array(product),
        "price": _money(_prices(people.seed)[product]),
    }


def _tickets(people: People) -> Columns:
    """A related table: calls to the service desk, without a time, with the day they were opened."""
    rows = Rows.of_people(people, "tickets", 0.15 + 0.1 * people.activity)
    since = rows.of(people.since)
    still_open = rows.uniform("solved") >= 0.8
    topic = pick(rows.uniform("topic"), (4, 3, 2, 1))
    return {
        "customer_id": pa.array(rows.of(people.ids)),
        "topic": _labels(topic, ("delivery", "return", "payment", "other"), rows.uniform("said") < 0.03),
        "status": _labels(whole(still_open), ("closed", "open")),
        "opened": _dates(since + whole((LAST - since) * rows.uniform("day"))),
        "rating": pa.array(1 + whole(5 * rows.uniform("rating")), mask=still_open),
    }


def _subscriptions(people: People) -> Columns:
    """Changes of plan; the next renewal of some lies behind the clock: overdue."""
    has = people.uniform("subscribes") < 0.1 + 0.3 * people.loyalty
    rows = Rows.of_people(people, "plans", np.where(has, 1.6, 0.0))
    plan = pick(rows.uniform("plan"), (5, 3, 1))
    return {
        "customer_id": pa.array(rows.of(people.ids)),
        "changed_at": _times(rows.seconds()),
        "plan": _labels(plan, ("basic", "plus", "family")),
        "fee": _money(np.array([499, 999, 1499])[plan]),
        "renews_on": _dates(LAST - 40 + whole(200 * rows.uniform("renews")), rows.uniform("ended") < 0.1),
        "auto": pa.array(rows.uniform("auto") < 0.6),
    }


_STREAMS: dict[str, Callable[[People], Columns]] = {
    "customers": _customers,
    "orders": _orders,
    "emails": _emails,
    "visits": _visits,
    "cart_adds": _cart_adds,
    "tickets": _tickets,
    "subscriptions": _subscriptions,
}

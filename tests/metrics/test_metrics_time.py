"""Streaks, sequences, sessions, the latest transactions and dates that come again, on clocks that change."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import segdex
from segdex.events.ties import by_fields
from segdex.rules.windows import Duration
from segdex.schema.types import ValueType
from segdex.values import calendar, clock
from segdex.values.column import MISSING, Column
from tests.oracle import metrics as oracle

BERLIN, KOLKATA = "Europe/Berlin", "Asia/Kolkata"
EPOCH = dt.date(1970, 1, 1).toordinal()
MICRO = dt.timedelta(microseconds=1)


def local(text: str, zone: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(dt.UTC)


def value(
    asked: str, as_of: dt.datetime, zone: str = "UTC", streams: dict[str, Any] | None = None, **rows: list[Any]
) -> Any:
    """What *asked*, an inline call, is for the one customer there is.

    Args:
        asked: the call.
        as_of: the clock.
        zone: the schema's time zone.
        streams: keys of streams beside their source, time and fields.
        rows: for each stream times, or pairs of a time and a table of fields.
    """
    tables, declared = {}, {}
    for name, happened in rows.items():
        pairs = [each if isinstance(each, tuple) else (each, {}) for each in happened]
        columns = {key: [fields.get(key) for _, fields in pairs] for _, each in pairs for key in each}
        times = pa.array([time for time, _ in pairs], pa.timestamp("us", "UTC"))
        tables[name] = pa.table({"key": pa.array(["ann"] * len(pairs), pa.string()), "at": times} | columns)
        kinds = {key: _kind(held) for key, held in columns.items()}
        own = (streams or {}).get(name, {})
        fields = own.get("fields") or {key: kind for key, kind in kinds.items() if key != own.get("unit")}
        declared[name] = {"key": "key", "time": "at"} | own | {"fields": fields}
    schema = {"timezone": zone, "customers": {"key": "key"}, "streams": declared}
    customers = pa.table({"key": ["ann"]})
    index = segdex.build(schema, as_of=as_of, sources={"customers": customers, **tables})
    return index.members("everyone", columns=[asked]).read_all().column(1)[0].as_py()


def _kind(held: list[Any]) -> str:
    known = next((each for each in held if each is not None), "")
    return {bool: "bool", int: "integer", float: "number", dt.date: "date", list: "tags"}.get(type(known), "id")


# --- streaks and active periods ------------------------------------------------------------------------------------


def test_a_streak_of_days_over_a_day_of_23_hours() -> None:
    bought = [local(f"2026-03-{day}", BERLIN) for day in ("27T23:59", "28T00:01", "29T00:30", "29T23:59", "30T00:00")]
    assert value("streak(orders, period = d)", local("2026-03-31T00:00", BERLIN), BERLIN, orders=bought) == 4
    # A microsecond earlier the 30th is not complete, and the 29th is the last day that is.
    before = local("2026-03-31T00:00", BERLIN) - MICRO
    assert value("streak(orders, period = d)", before, BERLIN, orders=bought) == 3
    assert value("streak(orders, period = d)", local("2026-04-01T00:00", BERLIN), BERLIN, orders=bought) == 0


def test_a_streak_of_days_over_a_day_of_25_hours() -> None:
    bought = [local(f"2025-10-{day}", BERLIN) for day in ("25T00:00", "26T23:59:59.999999", "27T12:00")]
    assert value("streak(orders, period = d)", local("2025-10-28T00:00", BERLIN), BERLIN, orders=bought) == 3


def test_days_are_those_of_the_zone() -> None:
    last = dt.datetime(2026, 1, 31, 18, 29, 59, 999999, tzinfo=dt.UTC)  # the last moment of January in Kolkata
    as_of = local("2026-03-01T00:00", KOLKATA)
    assert value("streak(orders, period = mo)", as_of, KOLKATA, orders=[last]) == 0
    assert value("streak(orders, period = mo)", as_of, KOLKATA, orders=[last, last + MICRO]) == 2
    assert value("active_periods(orders, period = d, of = 29)", as_of, KOLKATA, orders=[last, last + MICRO]) == 2
    assert value("active_periods(orders, period = d, of = 28)", as_of, KOLKATA, orders=[last, last + MICRO]) == 1


def test_weeks_are_iso_weeks_over_the_turn_of_the_year() -> None:
    bought = [local(day, BERLIN) for day in ("2025-12-28T23:59", "2026-01-05T00:00", "2026-01-11T23:59")]
    assert value("streak(orders, period = w)", local("2026-01-12T00:00", BERLIN), BERLIN, orders=bought) == 1
    bought.append(local("2025-12-29T00:00", BERLIN))
    assert value("streak(orders, period = w)", local("2026-01-12T00:00", BERLIN), BERLIN, orders=bought) == 3
    assert value("streak(orders, 7d, period = w)", local("2026-01-12T00:00", BERLIN), BERLIN, orders=bought) == 1


def test_active_periods_ask_for_so_many_transactions() -> None:
    bought = [local(day, BERLIN) for day in ("2026-01-31", "2026-01-01", "2026-02-28", "2026-03-01")]
    as_of = local("2026-03-31T12:00", BERLIN)
    assert value("active_periods(orders, period = mo, of = 6)", as_of, BERLIN, orders=bought) == 2
    assert value("active_periods(orders, period = mo, of = 6, least = 2)", as_of, BERLIN, orders=bought) == 1
    assert value("active_periods(orders, period = mo, of = 1, least = 2)", as_of, BERLIN, orders=bought) == 0
    units = {"orders": {"unit": "basket", "fields": {}}}
    baskets = [(time, {"basket": "a"}) for time in bought]
    assert value("active_periods(orders, period = mo, of = 6)", as_of, BERLIN, units, orders=baskets) == 1


# --- sequences -----------------------------------------------------------------------------------------------------

NOW = dt.datetime(2026, 6, 30, 12, tzinfo=dt.UTC)
ABANDONED = "sequence(carts then not orders within 3d on product)"


def ago(days: float) -> dt.datetime:
    return NOW - dt.timedelta(days=days)


def product(days: float, name: Any) -> tuple[dt.datetime, dict[str, Any]]:
    return ago(days), {"product": name}


def test_what_does_not_follow_is_certain_once_its_time_is_over() -> None:
    carts = [product(3, "p"), product(3, "q"), product(4, "q"), product(2.9, "p")]
    assert value(ABANDONED, NOW, carts=carts, orders=[product(9, "z")]) == 3
    assert value(ABANDONED, NOW - MICRO, carts=carts, orders=[product(9, "z")]) == 1
    # A row at the very end of the three days is in time, one at the very start is not later.
    assert value(ABANDONED, NOW, carts=carts, orders=[product(1, "q")]) == 1
    assert value(ABANDONED, NOW, carts=carts, orders=[product(3, "q")]) == 2
    assert value(ABANDONED, NOW, carts=carts, orders=[product(4, "q")]) == 3


def test_rows_after_the_clock_follow_nothing() -> None:
    carts = [product(1, "p"), product(-1, "p")]
    orders = [product(-0.1, "p")]
    assert value("sequence(carts then orders)", NOW, carts=carts, orders=orders) == 0
    assert value("sequence(carts then orders)", ago(-0.1), carts=carts, orders=orders) == 1


def test_the_window_binds_the_first_step() -> None:
    carts, orders = [product(40, "p"), product(30, "p"), product(5, "p")], [product(1, "p")]
    assert value("sequence(carts then orders)", NOW, carts=carts, orders=orders) == 3
    assert value("sequence(carts then orders, 30d)", NOW, carts=carts, orders=orders) == 1
    assert value("sequence(carts then orders, ..30d)", NOW, carts=carts, orders=orders) == 2
    assert value("sequence(carts then orders, last 2)", NOW, carts=carts, orders=orders) == 2


def test_the_earliest_match_is_taken() -> None:
    """From 9 the order at 8 is taken, and from that no visit within a day; the order at 5 would have had one."""
    rows = {"carts": [ago(9)], "orders": [ago(8), ago(5)], "visits": [ago(4.5)]}
    assert value("sequence(carts then orders then visits within 1d)", NOW, **rows) == 0
    assert value("sequence(carts then orders then visits within 4d)", NOW, **rows) == 1


def test_after_a_step_that_does_not_come_the_next_is_later_than_its_time() -> None:
    asked = "sequence(carts then not orders within 2d then visits within 1d)"
    assert value(asked, NOW, carts=[ago(9)], orders=[ago(20)], visits=[ago(8), ago(7)]) == 0
    assert value(asked, NOW, carts=[ago(9)], orders=[ago(20)], visits=[ago(7) + MICRO]) == 1
    assert value(asked, NOW, carts=[ago(9)], orders=[ago(20)], visits=[ago(6) + MICRO]) == 0


def test_a_stream_may_follow_itself() -> None:
    assert value("sequence(orders then orders within 1d)", NOW, orders=[ago(3), ago(3), ago(2), ago(0.5)]) == 2
    asked = "sequence(orders where product = 'p' then orders where product = 'q' then not orders within 1h)"
    assert value(asked, NOW, orders=[product(3, "p"), product(2, "q"), product(2 - 1 / 25, "p")]) == 0
    assert value(asked, NOW, orders=[product(3, "p"), product(2, "q"), product(2 - 1 / 23, "p")]) == 1


def test_months_are_those_of_the_calendar() -> None:
    carts = [local("2026-01-31T10:00", BERLIN)]
    for orders, followed in (("2026-02-28T10:00", 1), ("2026-02-28T10:00:00.000001", 0)):
        rows = {"carts": carts, "orders": [local(orders, BERLIN)]}
        assert value("sequence(carts then orders within 1mo)", NOW, BERLIN, **rows) == followed
    # The 29th of March has 23 hours: a day later by the calendar is not 24 hours later.
    carts = [local("2026-02-28T12:00", BERLIN)]
    for orders, followed in (("2026-03-28T12:00", 1), ("2026-03-28T12:01", 0)):
        rows = {"carts": carts, "orders": [local(orders, BERLIN)]}
        assert value("sequence(carts then orders within 1mo)", NOW, BERLIN, **rows) == followed


@pytest.mark.parametrize(
    ("left", "right", "common"),
    [
        ([7, 8, None], [7, 8, None], 2), (["7", "x", None], ["7", "y", None], 1), ([7, 8], ["7", "8", "x"], 2),
        (["7", "07", "+7", "7 ", "7.0", "-0", ""], [7], 1), ([2**63 - 1, -5], [str(2**63 - 1), "-5", str(2**63)], 2),
        (["a", "b"], ["c"], 0), ([True, False], [True], 1), ([dt.date(2026, 1, 1)], [dt.date(2026, 1, 1)], 1),
    ],
)  # fmt: skip
def test_what_rows_have_in_common(left: list[Any], right: list[Any], common: int) -> None:
    rows = {"carts": [product(9, each) for each in left], "orders": [product(8, each) for each in right]}
    assert value("sequence(carts then orders on product)", NOW, **rows) == common
    # What is not known is like nothing: no order of it ever comes.
    assert value("sequence(carts then not orders within 2d on product)", NOW, **rows) == len(left) - common


def test_transactions_do_not_matter_to_a_sequence() -> None:
    streams = {"orders": {"unit": "basket", "fields": {"product": "id"}}}
    orders = [(ago(days), {"basket": "a", "product": name}) for days, name in ((3, "p"), (1, "q"), (2, "p"))]
    assert value("sequence(orders then orders on product)", NOW, "UTC", streams, orders=orders) == 1
    assert value("sequence(orders then orders)", NOW, "UTC", streams, orders=orders) == 2


# --- sessions ------------------------------------------------------------------------------------------------------

PAGES: dict[str, Any] = {"pages": {"unit": {"gap": "30min"}, "fields": {"page": "category", "seconds": "integer"}}}


def viewed(*minutes: float, page: str = "a") -> list[tuple[dt.datetime, dict[str, Any]]]:
    return [(ago(1) + dt.timedelta(minutes=each), {"page": page, "seconds": 10}) for each in minutes]


def sessions(asked: str, pages: list[Any], as_of: dt.datetime = NOW) -> Any:
    return value(asked, as_of, "UTC", PAGES, pages=pages)


def test_a_session_goes_on_while_rows_are_no_further_apart_than_the_gap() -> None:
    exact, later = viewed(0, 30, 60), viewed(0, 30 + 1e-6 / 60 * 2, 90)
    assert (sessions("count(pages)", exact), sessions("mean(pages.duration)", exact)) == (1, 60.0)
    assert (sessions("count(pages)", later), sessions("max(pages.duration)", later)) == (3, 0.0)
    assert sessions("sum(pages.seconds, having duration >= 60)", exact) == 30
    assert sessions("rows(pages, having duration > 60)", exact) == 0
    assert sessions("sum(pages.duration, 1d)", viewed(0, 20)) == 0.0, "it began a day ago, which is too early"


def test_sessions_are_those_of_the_rows_that_where_picks() -> None:
    pages = viewed(0, 50) + viewed(25, page="b")
    assert sessions("count(pages)", pages) == 1
    assert sessions("count(pages, where page = 'a')", pages) == 2
    assert sessions("sum(pages.duration, where page = 'a')", pages) == 0.0
    assert sessions("count(pages, by = page)['a']", pages) == 2
    assert sessions("max(pages.duration, by = page)['b']", pages) == 0.0


def test_rows_after_the_clock_are_in_no_session() -> None:
    pages = viewed(0, 20, 40)
    as_of = ago(1) + dt.timedelta(minutes=39)
    assert sessions("max(pages.duration)", pages, as_of) == 20.0
    assert sessions("max(pages.duration)", pages, as_of + dt.timedelta(minutes=1)) == 40.0


def test_the_latest_sessions_are_those_of_all_rows() -> None:
    pages = viewed(0) + viewed(100, 150) + viewed(125, page="b") + viewed(300, page="b")
    assert sessions("count(pages, last 2)", pages) == 2
    assert sessions("count(pages, last 2, where page = 'a')", pages) == 1, "one session, though not one by itself"
    assert sessions("max(pages.duration, last 2, where page = 'a')", pages) == 50.0
    assert sessions("count(pages, last 2, by = page)['a']", pages) == 1
    assert sessions("max(pages.duration, last 2, by = page)['a']", pages) == 50.0
    assert sessions("share(pages, last 2, where page = 'a')", pages) == 0.5


def test_sessions_by_category_have_a_top_and_a_score() -> None:
    pages = viewed(0, 10) + viewed(100, page="b") + viewed(200, page="b") + viewed(210, page="a")
    assert sessions("top(pages, by = page)", pages) == "a"
    assert sessions("top(pages, by = page, weight = duration)", pages) == "a"
    assert sessions("top(pages, last 2, by = page)", pages) == "b"
    assert sessions("top(pages, last 2, by = page, weight = seconds)", [*pages, *viewed(211, page="a")]) == "a"


# --- the latest transactions ---------------------------------------------------------------------------------------


def test_what_is_latest_does_not_depend_on_where_and_having() -> None:
    orders = [(ago(days), {"n": days}) for days in (1, 2, 3, 4)]
    assert value("sum(orders.n, last 2)", NOW, orders=orders) == 3
    assert value("sum(orders.n, last 2, where n > 1)", NOW, orders=orders) == 2
    assert value("sum(orders.n, last 2, having n > 2)", NOW, orders=orders) == 0
    assert value("sum(orders.n, last 2)", ago(1.5), orders=orders) == 5, "what comes later is not among the latest"
    assert value("count(orders, last 9)", NOW, orders=orders) == 4
    assert value("last(orders, last 1)", NOW, orders=orders) == ago(1)


@pytest.mark.parametrize("turn", [1, -1])
def test_ties_are_broken_by_the_greatest_unit(turn: int) -> None:
    streams = {"orders": {"unit": "basket", "fields": {"n": "integer"}}}
    orders = [
        (ago(1), {"basket": basket, "n": n}) for basket, n in (("b", 1), ("a", 2), ("b", 4), ("ab", 8), (None, 16))
    ]
    for count, total in ((1, 5), (2, 13), (3, 15), (4, 31)):
        assert value(f"sum(orders.n, last {count})", NOW, "UTC", streams, orders=orders[::turn]) == total


@pytest.mark.parametrize("turn", [1, -1])
@pytest.mark.parametrize("unit", [False, True])
def test_ties_are_broken_by_the_greatest_row(turn: int, unit: bool) -> None:
    """By the fields as they are declared, unknown values least; with units, rows that have none."""
    streams = {"orders": {"fields": {"tags": "tags", "name": "text", "n": "integer"}}}
    if unit:
        streams["orders"]["unit"] = "basket"
    rows = [
        {"n": 32}, {"tags": [], "n": 16}, {"tags": ["a"], "n": 8}, {"tags": ["a"], "name": "x", "n": 4},
        {"tags": ["a", "b"], "name": "a", "n": 2}, {"tags": ["b"], "n": 1},
    ]  # fmt: skip
    orders = [*[(ago(1), row | {"basket": None}) for row in rows][::turn], (ago(2), {"n": 99})]
    for count in range(1, 7):
        assert value(f"sum(orders.n, last {count})", NOW, "UTC", streams, orders=orders) == 2**count - 1


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.none() | st.integers(-2, 2), st.none() | st.sampled_from(["", "a", "b"])), max_size=30))
def test_rows_are_ordered_by_their_fields(rows: list[tuple[int | None, str | None]]) -> None:
    numbers = Column(ValueType("integer"), np.array([MISSING if n is None else n for n, _ in rows], np.int64))
    names = ["", "a", "b"]
    texts = Column(
        ValueType("text"), np.array([-1 if t is None else names.index(t) for _, t in rows], np.int32),
        pa.array(names, pa.large_string()),
    )  # fmt: skip
    middle = len(rows) // 3
    spans = np.array([0, middle, len(rows)], np.int64)
    found = by_fields(spans, np.arange(len(rows)), [numbers, texts])

    def place(at: int) -> Any:
        n, t = rows[at]
        return (-9 if n is None else n, "" if t is None else f" {t}")

    expected = [sorted(range(middle), key=place), sorted(range(middle, len(rows)), key=place)]
    assert found.tolist() == [at for part in expected for at in part]


# --- dates that come again -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("date", "every", "today", "next_one"),
    [
        ("2024-02-29", "1y", "2026-02-28", "2026-02-28"), ("2024-02-29", "1y", "2026-03-01", "2027-02-28"),
        ("2024-02-29", "1y", "2028-02-28", "2028-02-29"), ("2026-01-31", "1mo", "2026-02-28", "2026-02-28"),
        ("2026-01-31", "1mo", "2026-03-01", "2026-03-31"), ("2026-01-31", "3mo", "2026-02-01", "2026-04-30"),
        ("2026-01-01", "1w", "2026-01-08", "2026-01-08"), ("2026-01-01", "10d", "2026-01-12", "2026-01-21"),
        ("2030-05-05", "1y", "2026-01-01", "2030-05-05"), ("0001-01-31", "1mo", "9999-11-30", "9999-11-30"),
    ],
)  # fmt: skip
def test_the_next_repetition_of_a_date(date: str, every: str, today: str, next_one: str) -> None:
    days = np.array([dt.date.fromisoformat(date).toordinal() - EPOCH, MISSING], np.int64)
    found = calendar.next_dates(days, Duration.parse(every), dt.date.fromisoformat(today).toordinal() - EPOCH)
    assert found.tolist() == [dt.date.fromisoformat(next_one).toordinal() - EPOCH, MISSING]


@pytest.mark.parametrize(
    ("time", "every", "as_of", "next_one"),
    [
        ("2026-01-29T02:30", "1mo", "2026-03-29T00:00", "2026-03-29T03:30"),  # there is no half past two
        ("2025-10-26T02:30", "1y", "2026-10-26T02:30", "2026-10-26T02:30"),
        ("2025-09-26T02:30", "1mo", "2025-10-26T00:00", "2025-10-26T02:30"),  # there are two, the first is meant
        ("2026-01-31T12:00", "1mo", "2026-02-28T12:00", "2026-02-28T12:00"),
        ("2026-01-31T12:00", "1mo", "2026-02-28T12:01", "2026-03-31T12:00"),
        ("2026-03-28T12:00", "1d", "2026-03-29T12:00", "2026-03-29T13:00"),  # 24 hours
        ("2026-03-28T12:00", "36h", "2026-03-28T11:00", "2026-03-28T12:00"),
    ],
)  # fmt: skip
def test_the_next_repetition_of_a_time(time: str, every: str, as_of: str, next_one: str) -> None:
    moments = np.array([clock.to_microseconds(local(time, BERLIN)), MISSING], np.int64)
    now = clock.to_microseconds(local(as_of, BERLIN))
    found = calendar.next_times(moments, Duration.parse(every), now, ZoneInfo(BERLIN))
    assert found.tolist() == [clock.to_microseconds(local(next_one, BERLIN)), MISSING]


@settings(deadline=None, max_examples=150)
@given(
    st.datetimes(dt.datetime(2019, 1, 1), dt.datetime(2027, 1, 1)),
    st.datetimes(dt.datetime(2024, 1, 1), dt.datetime(2027, 1, 1)),
    st.sampled_from(["1mo", "5mo", "1y", "3w", "25h"]), st.sampled_from([BERLIN, KOLKATA, "America/New_York"]),
)  # fmt: skip
def test_repetitions_equal_counting_from_the_first_on(
    time: dt.datetime, as_of: dt.datetime, every: str, zone: str
) -> None:
    moment, now = time.replace(tzinfo=dt.UTC), as_of.replace(tzinfo=dt.UTC)
    world = oracle.World(now, ZoneInfo(zone), {})
    expected = oracle.repeated(moment, Duration.parse(every), world)
    times = np.array([clock.to_microseconds(moment)], np.int64)
    found = calendar.next_times(times, Duration.parse(every), clock.to_microseconds(now), ZoneInfo(zone))
    assert clock.from_microseconds(int(found[0])) == expected


def test_of_dates_of_rows_the_one_that_counts_is_repeated() -> None:
    past = [(ago(1), {"due": each}) for each in (dt.date(2020, 7, 9), dt.date(2019, 7, 2), None)]
    assert value("days_until(orders.due)", NOW, orders=past) == -2182.0
    assert value("days_until(orders.due, every = 1y)", NOW, orders=past) == 9.0  # not 2: the later one follows it
    to_come = [*past, (ago(1), {"due": dt.date(2026, 9, 1)})]
    assert value("days_until(orders.due, every = 1y)", NOW, orders=to_come) == 63.0
    assert value("days_until(orders.due, every = 1mo)", NOW, orders=to_come) == 63.0


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.datetimes(dt.datetime(2019, 1, 1), dt.datetime(2028, 1, 1)), max_size=8),
    st.sampled_from(["1mo", "13mo", "1y", "2d", "30min"]), st.sampled_from([BERLIN, KOLKATA]),
)  # fmt: skip
def test_durations_are_added_as_one_by_one(times: list[dt.datetime], length: str, zone: str) -> None:
    moments = [each.replace(tzinfo=dt.UTC) for each in times]
    column = np.array([*(clock.to_microseconds(each) for each in moments), MISSING], np.int64)
    found = calendar.later(column, Duration.parse(length), ZoneInfo(zone)).tolist()
    shifted = [oracle.shifted(each, Duration.parse(length), ZoneInfo(zone)) for each in moments]
    assert found == [*(clock.to_microseconds(each) for each in shifted), MISSING]


# --- in an index ---------------------------------------------------------------------------------------------------


def test_an_index_keeps_sessions_and_sequences(tmp_path: Path) -> None:
    streams = {
        "pages": {"key": "key", "time": "at", "unit": {"gap": "30min"}, "fields": {"product": "id"}},
        "orders": {"key": "key", "time": "at", "fields": {"product": "id"}},
    }
    metrics = {
        "longest": {"kind": "max", "stream": "pages", "field": "duration"},
        "left": {"kind": "sequence", "on": "product",
                 "steps": ["pages", {"stream": "orders", "not": True, "within": "1d"}]},
    }  # fmt: skip
    segments = {"gone": {"where": "left > 0 and sequence(pages then orders within 1d) >= 1", "tracked": True}}
    schema = {"streams": streams, "metrics": metrics, "segments": segments}
    pages = pa.table({"key": ["a", "a", "b"], "at": [ago(3), ago(3 - 1 / 96), ago(2)], "product": ["p", "q", "p"]})
    orders = pa.table({"key": ["a", "b"], "at": [ago(2.5), ago(1.5)], "product": ["p", "p"]})
    built = segdex.build(schema, as_of=NOW, sources={"pages": pages, "orders": orders})
    built.save(tmp_path / "index")
    for index in (built, segdex.open(tmp_path / "index")):
        table = index.members("everyone", columns=["longest", "left"]).read_all().to_pydict()
        assert list(table.values())[1:] == [[15.0, 0.0], [1, 0]]
        assert index.count("segment 'gone'") == 1
        assert index.count("max(pages.duration) >= 15 and left = 1") == 1
    found = built.check("sequence(pages then not orders within 1d on product, last 3) >= 1")
    assert (found.valid, found.streams) == (True, ("orders", "pages"))

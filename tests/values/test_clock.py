"""Windows, local dates and local midnights, held to one datetime at a time with zoneinfo."""

from __future__ import annotations

import calendar
import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segdex.errors import ArgumentError
from segdex.rules.windows import Calendar, Dates, Duration, Last, Lifetime, Previous, Rolling, This, Window
from segdex.values import clock
from segdex.values.column import MISSING

ZONES = [
    ZoneInfo(name)
    for name in (
        "UTC", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia", "Europe/Dublin",
        "Europe/London", "America/St_Johns", "America/Sao_Paulo", "America/Havana", "Africa/Casablanca",
    )
]  # fmt: skip
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
NAIVE_EPOCH = dt.datetime(1970, 1, 1)
MICRO = dt.timedelta(microseconds=1)
DAY = 86_400_000_000

zones = st.sampled_from(ZONES)


def moment(text: str) -> int:
    return (dt.datetime.fromisoformat(text) - EPOCH) // MICRO


def naive_utc(local: dt.datetime, zone: ZoneInfo) -> int:
    """fold=0 is the earlier of two and, in a gap, the offset before it."""
    return (local.replace(tzinfo=zone, fold=0).astimezone(dt.UTC) - EPOCH) // MICRO


def naive_day(microseconds: int, zone: ZoneInfo) -> int:
    return (EPOCH + microseconds * MICRO).astimezone(zone).date().toordinal() - EPOCH.toordinal()


def changes(zone: ZoneInfo, year: int) -> list[int]:
    """The moments of *year* at which the zone's offset changes, found second by second."""
    found = []
    hour = dt.datetime(year, 1, 1, tzinfo=dt.UTC)
    while hour.year == year:
        after = hour + dt.timedelta(minutes=10)
        if hour.astimezone(zone).utcoffset() != after.astimezone(zone).utcoffset():
            seconds = range(1, 601)
            first = next(
                s
                for s in seconds
                if (hour + dt.timedelta(seconds=s)).astimezone(zone).utcoffset() != hour.astimezone(zone).utcoffset()
            )
            found.append((hour + dt.timedelta(seconds=first) - EPOCH) // MICRO)
        hour = after
    return found


CHANGES = {
    (zone.key, year): changes(zone, year)
    for zone, year in [(z, y) for z in ZONES[1:] for y in ((2011,) if z.key != "Asia/Kolkata" else (1945,))]
}


@st.composite
def zone_and_moment(draw: st.DrawFn) -> tuple[ZoneInfo, int]:
    """A zone and a moment: often within an hour and a microsecond of a change or of midnight."""
    zone = draw(zones)
    near = draw(st.sampled_from(["change", "midnight", "anything", "extreme"]))
    off = draw(st.sampled_from([-1, 0, 1])) + draw(st.sampled_from([-7200, -3600, -1800, 0, 1800, 3600])) * 1_000_000
    known = [each for (key, _), all_of in CHANGES.items() if key == zone.key for each in all_of]
    if near == "change" and known:
        return zone, draw(st.sampled_from(known)) + off
    if near == "extreme":
        return zone, draw(st.sampled_from([moment("0001-01-03T00:00Z"), moment("9999-12-29T00:00Z")])) + off
    times = st.datetimes(dt.datetime(1850, 1, 1), dt.datetime(2120, 1, 1), timezones=st.just(zone))
    time = draw(times)
    if near == "midnight":
        time = time.replace(hour=0, minute=0, second=0, microsecond=0)
        return zone, naive_utc(time.replace(tzinfo=None), zone) + off
    return zone, (time.astimezone(dt.UTC) - EPOCH) // MICRO


def test_the_probe_finds_the_changes_that_history_knows() -> None:
    assert CHANGES["America/New_York", 2011] == [moment("2011-03-13T07:00Z"), moment("2011-11-06T06:00Z")]
    assert moment("2011-12-30T10:00Z") in CHANGES["Pacific/Apia", 2011]


@settings(max_examples=300, deadline=None)
@given(zone_and_moment())
def test_local_days_equal_zoneinfo(drawn: tuple[ZoneInfo, int]) -> None:
    zone, time = drawn
    times = np.array([time, MISSING, time + 1, time - DAY], np.int64)
    days = clock.local_days(times, zone)
    assert days.tolist() == [naive_day(t, zone) if t != MISSING else MISSING for t in times.tolist()]
    assert clock.today(time, zone) == naive_day(time, zone)


@settings(max_examples=300, deadline=None)
@given(zone_and_moment(), st.integers(-7200, 7200))
def test_localize_equals_zoneinfo(drawn: tuple[ZoneInfo, int], seconds: int) -> None:
    zone, time = drawn
    local = (EPOCH + time * MICRO).astimezone(zone).replace(tzinfo=None) + dt.timedelta(seconds=seconds)
    walls = np.array([(local - NAIVE_EPOCH) // MICRO, MISSING], np.int64)
    assert clock.localize(walls, zone).tolist() == [naive_utc(local, zone), MISSING]


@settings(max_examples=150, deadline=None)
@given(zone_and_moment())
def test_midnight_is_the_first_moment_of_its_day(drawn: tuple[ZoneInfo, int]) -> None:
    zone, time = drawn
    day = naive_day(time, zone)
    start = clock.midnight(day, zone)
    local = dt.datetime.combine(dt.date.fromordinal(day + EPOCH.toordinal()), dt.time())
    assert start == naive_utc(local, zone)
    assert naive_day(start, zone) >= day
    assert naive_day(start - 1, zone) < day


def test_every_change_of_every_zone_second_by_second() -> None:
    for zone in ZONES:
        for (key, _), found in CHANGES.items():
            if key != zone.key:
                continue
            near = [c + s * 1_000_000 + m for c in found for s in (-7200, -3600, -1, 0, 1, 3600) for m in (-1, 0, 1)]
            assert clock.local_days(np.array(near, np.int64), zone).tolist() == [naive_day(t, zone) for t in near]


def test_long_columns_go_block_by_block_and_far_years_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "_BLOCK", 7)
    zone = ZoneInfo("America/New_York")
    generator = np.random.default_rng(7)
    times = generator.integers(moment("0001-01-03T00:00Z"), moment("9999-12-29T00:00Z"), 100)
    times[::9] = MISSING
    expected = [naive_day(t, zone) if t != MISSING else MISSING for t in times.tolist()]
    assert clock.local_days(times, zone).tolist() == expected
    assert clock.local_days(times[:0], zone).tolist() == []
    only_missing = np.full(3, MISSING, np.int64)
    assert clock.local_days(only_missing, zone).tolist() == [MISSING] * 3


def test_times_outside_of_datetime_keep_the_offset_of_the_nearest_year() -> None:
    zone = ZoneInfo("Asia/Kolkata")
    far = np.array([MISSING + 1, np.iinfo(np.int64).max, moment("9999-12-31T23:59Z") + DAY], np.int64)
    days = clock.local_days(far, zone)
    assert days[0] < -106_000_000 < 106_000_000 < days[1]
    assert days[2] == dt.date.max.toordinal() - EPOCH.toordinal() + 2
    assert clock.localize(far, zone)[2] == far[2] - int(5.5 * 3_600_000_000)


def test_microseconds_and_datetimes_are_inverse() -> None:
    time = dt.datetime(2026, 6, 30, 12, tzinfo=ZoneInfo("Asia/Kolkata"))
    assert clock.from_microseconds(clock.to_microseconds(time)) == time
    assert clock.to_microseconds(dt.datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=dt.UTC)) == -1
    with pytest.raises(ArgumentError, match="zone"):
        clock.to_microseconds(dt.datetime(2026, 1, 1))
    for late in ("9999-12-31T23:59:59-05:00", "0001-01-01T00:00:00+05:00"):
        with pytest.raises(ArgumentError, match="years 1 to 9999"):
            clock.to_microseconds(dt.datetime.fromisoformat(late))


# --- dates moved --------------------------------------------------------------------------------------------


def days_of(text: str) -> int:
    return dt.date.fromisoformat(text).toordinal() - EPOCH.toordinal()


@pytest.mark.parametrize(
    ("day", "length", "sign", "expected"),
    [
        ("2024-01-31", "1mo", 1, "2024-02-29"),
        ("2023-01-31", "1mo", 1, "2023-02-28"),
        ("2024-03-31", "1mo", -1, "2024-02-29"),
        ("2024-02-29", "1y", -1, "2023-02-28"),
        ("2024-02-29", "4y", 1, "2028-02-29"),
        ("1900-03-30", "1mo", -1, "1900-02-28"),
        ("2024-01-15", "13mo", -1, "2022-12-15"),
        ("1969-12-31", "1d", 1, "1970-01-01"),
        ("2026-01-05", "2w", -1, "2025-12-22"),
    ],
)
def test_dates_move_by_the_calendar(day: str, length: str, sign: int, expected: str) -> None:
    assert clock.shift_date(days_of(day), Duration.parse(length), sign) == days_of(expected)


def test_dates_do_not_move_by_hours() -> None:
    with pytest.raises(ArgumentError, match="whole days"):
        clock.shift_date(0, Duration(3, "h"), 1)


# --- windows ------------------------------------------------------------------------------------------------


def back_months(local: dt.datetime, months: int) -> dt.datetime:
    year, month = divmod(local.year * 12 + local.month - 1 - months, 12)
    day = min(local.day, calendar.monthrange(year, month + 1)[1])
    return local.replace(year=year, month=month + 1, day=day)


@settings(max_examples=200, deadline=None)
@given(zone_and_moment().filter(lambda d: moment("0200-01-01T00:00Z") < d[1]), st.integers(1, 1200))
def test_rolling_months_keep_the_wall_clock(drawn: tuple[ZoneInfo, int], months: int) -> None:
    zone, as_of = drawn
    local = (EPOCH + as_of * MICRO).astimezone(zone).replace(tzinfo=None)
    expected = naive_utc(back_months(local, months), zone)
    assert clock.bounds(Rolling(Duration(months, "mo")), as_of, zone) == (expected, as_of)


def at(text: str, zone: str = "America/New_York") -> int:
    return naive_utc(dt.datetime.fromisoformat(text), ZoneInfo(zone))


NEW_YORK = "America/New_York"
CASES: list[tuple[Window, str, str, str | None, str]] = [
    # window, zone, clock, start of the first included moment's predecessor + 1, last included moment + 1
    (Calendar(Duration(2, "d")), NEW_YORK, "2024-03-11T12:00", "2024-03-09T00:00", "2024-03-11T00:00"),
    (Calendar(Duration(1, "d")), NEW_YORK, "2024-03-11T00:00", "2024-03-10T00:00", "2024-03-11T00:00"),
    (Calendar(Duration(1, "w")), NEW_YORK, "2024-11-04T12:00", "2024-10-28T00:00", "2024-11-04T00:00"),
    (Calendar(Duration(1, "mo")), NEW_YORK, "2024-03-31T12:00", "2024-02-29T00:00", "2024-03-31T00:00"),
    (Previous("d"), NEW_YORK, "2024-03-11T12:00", "2024-03-10T00:00", "2024-03-11T00:00"),
    (Previous("w"), NEW_YORK, "2024-03-11T12:00", "2024-03-04T00:00", "2024-03-11T00:00"),
    (Previous("w"), NEW_YORK, "2024-03-10T12:00", "2024-02-26T00:00", "2024-03-04T00:00"),
    (Previous("mo"), NEW_YORK, "2024-03-31T12:00", "2024-02-01T00:00", "2024-03-01T00:00"),
    (Previous("mo"), NEW_YORK, "2024-01-01T00:00", "2023-12-01T00:00", "2024-01-01T00:00"),
    (Previous("y"), NEW_YORK, "2024-12-31T23:59", "2023-01-01T00:00", "2024-01-01T00:00"),
    (Previous("d"), "Pacific/Apia", "2011-12-31T12:00", "2011-12-30T00:00", "2011-12-31T00:00"),
    (Dates(dt.date(2025, 11, 24), dt.date(2025, 12, 1)), "Asia/Kolkata", "2026-01-01T00:00",
     "2025-11-24T00:00", "2025-12-01T00:00"),
    (Dates(None, dt.date(2025, 12, 1)), "Asia/Kolkata", "2026-01-01T00:00", None, "2025-12-01T00:00"),
]  # fmt: skip


@pytest.mark.parametrize(("window", "zone", "as_of", "first", "after"), CASES)
def test_closed_windows(window: Window, zone: str, as_of: str, first: str | None, after: str) -> None:
    low, high = clock.bounds(window, at(as_of, zone), ZoneInfo(zone))
    assert low == (clock.FIRST if first is None else at(first, zone) - 1)
    assert high == at(after, zone) - 1


@pytest.mark.parametrize(
    ("window", "first"),
    [
        (Calendar(Duration(1, "d"), today=True), "2024-03-10T00:00"),
        (Calendar(Duration(30, "d"), today=True), "2024-02-10T00:00"),
        (Calendar(Duration(1, "mo"), today=True), "2024-02-11T00:00"),
        (This("d"), "2024-03-10T00:00"),
        (This("w"), "2024-03-04T00:00"),
        (This("mo"), "2024-03-01T00:00"),
        (This("y"), "2024-01-01T00:00"),
        (Dates(dt.date(2024, 3, 9)), "2024-03-09T00:00"),
        (Dates(dt.date(2024, 3, 9), dt.date(2030, 1, 1)), "2024-03-09T00:00"),
    ],
)
def test_windows_that_end_at_the_clock(window: Window, first: str) -> None:
    as_of = at("2024-03-10T12:00")
    assert clock.bounds(window, as_of, ZoneInfo(NEW_YORK)) == (at(first) - 1, as_of)


def test_rolling_windows() -> None:
    zone, as_of = ZoneInfo(NEW_YORK), at("2024-03-10T12:00")
    hour = 3_600_000_000
    assert clock.bounds(Lifetime(), as_of, zone) == (clock.FIRST, as_of)
    assert clock.bounds(Rolling(Duration(1, "d")), as_of, zone) == (as_of - 24 * hour, as_of)
    assert clock.bounds(Rolling(Duration(36, "h"), Duration(30, "min")), as_of, zone) == (
        as_of - 36 * hour,
        as_of - hour // 2,
    )
    assert clock.bounds(Rolling(None, Duration(1, "mo")), as_of, zone) == (
        clock.FIRST,
        at("2024-02-10T12:00"),
    )
    # One day by the clock and one month by the calendar: 23 hours against whole wall-clock days.
    low, _ = clock.bounds(Rolling(Duration(1, "mo")), at("2024-04-10T02:30"), zone)
    assert low == at("2024-03-10T03:30")


def test_a_window_of_no_months_is_empty_even_in_a_doubled_hour() -> None:
    zone = ZoneInfo(NEW_YORK)
    second_pass = moment("2024-11-03T06:30Z")
    assert clock.bounds(Rolling(Duration(0, "mo")), second_pass, zone) == (second_pass, second_pass)


@pytest.mark.parametrize("zone", ZONES, ids=str)
@pytest.mark.parametrize("as_of", ["0001-01-01T00:00Z", "9999-12-31T23:59:59.999999Z"])
@pytest.mark.parametrize(
    "window",
    [
        Rolling(Duration(1000, "y")), Rolling(Duration(12_000, "mo")), Rolling(Duration(365_000, "d")),
        Rolling(None, Duration(1000, "y")), Calendar(Duration(1000, "y")), Calendar(Duration(1, "d"), True),
        This("y"), Previous("y"), Previous("w"), Dates(dt.date.min, dt.date.max), Lifetime(),
    ],
    ids=str,
)  # fmt: skip
def test_windows_beyond_the_years_of_datetime_do_not_fail(window: Window, as_of: str, zone: ZoneInfo) -> None:
    low, high = clock.bounds(window, moment(as_of), zone)
    assert low >= clock.FIRST
    assert high <= moment(as_of)
    if isinstance(window, Rolling) and window.end is None:
        assert 364_000 * DAY < high - low < 366_000 * DAY


def test_the_last_transactions_are_no_interval() -> None:
    with pytest.raises(ArgumentError, match="last 10"):
        clock.bounds(Last(10), 0, ZoneInfo("UTC"))


def next_anniversary(day: dt.date, today: dt.date) -> dt.date:
    for year in (today.year, today.year + 1):
        leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
        found = dt.date(year, day.month, 28 if (day.month, day.day) == (2, 29) and not leap else day.day)
        if found >= today:
            return found
    raise AssertionError("one of two years has it")


@pytest.mark.parametrize(
    "today",
    ["2023-02-28", "2023-03-01", "2024-02-28", "2024-02-29", "2024-03-01", "2099-12-31", "2100-01-01", "2100-02-28",
     "2000-02-29", "1969-12-31", "1970-01-01", "1904-02-29"],
)  # fmt: skip
@pytest.mark.parametrize("step", [1, 29], ids=["each day", "few days"])
def test_anniversaries_of_every_day(today: str, step: int) -> None:
    now, first = dt.date.fromisoformat(today), dt.date(2019, 1, 1)
    days = [first + dt.timedelta(days=each) for each in range(0, 1500, step)] + [dt.date(1, 1, 1), dt.date(9990, 2, 28)]
    days = days[:-2] if step == 1 else days  # with few days between them a table is made
    numbers = np.array([MISSING, *(day.toordinal() - 719163 for day in days), MISSING], np.int64)
    found = clock.next_anniversaries(numbers, now.toordinal() - 719163)
    assert found[[0, -1]].tolist() == [MISSING, MISSING]
    assert [dt.date.fromordinal(int(day) + 719163) for day in found[1:-1]] == [next_anniversary(d, now) for d in days]
    nobody = clock.next_anniversaries(np.array([MISSING], np.int64), 0)
    assert nobody.tolist() == [MISSING]

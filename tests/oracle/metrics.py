"""What a metric means for one customer, in plain Python over lists of rows: the oracle of the kernels.

Values are int, Decimal (numbers with a scale), float, str, bool, date, aware datetime, or None where missing.
Nothing of segdex is used but declarations and the nodes of rules.
"""

from __future__ import annotations

import calendar
import dataclasses
import datetime as dt
import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from segdex.rules import nodes
from segdex.rules.windows import Calendar, Dates, Duration, Last, Lifetime, Previous, Rolling, This, Window
from segdex.schema.model import Metric, Part, Step
from tests.oracle import rules

NEVER = dt.datetime.min.replace(tzinfo=dt.UTC)
MICRO = dt.timedelta(microseconds=1)
DAY_MICROSECONDS = 86_400_000_000.0
FIXED = {"min": 60, "h": 3600, "d": 86_400, "w": 604_800}


@dataclasses.dataclass(frozen=True)
class Row:
    """One row of a stream; *time* is None in a related table, *unit* None where the row is alone."""

    customer: int
    time: dt.datetime | None
    unit: str | None
    fields: Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class World:
    """All data, and how its fields are declared."""

    as_of: dt.datetime
    zone: ZoneInfo
    rows: Mapping[str, Sequence[Row]]
    attributes: Sequence[Mapping[str, Any]] = ()
    units: frozenset[str] = frozenset()  # the streams with units
    gaps: Mapping[str, dt.timedelta] = dataclasses.field(default_factory=dict)  # the streams with sessions
    per_row: frozenset[str] = frozenset()
    orders: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    scales: Mapping[str, int] = dataclasses.field(default_factory=dict)
    metrics: Mapping[str, Metric] = dataclasses.field(default_factory=dict, repr=False)

    @property
    def today(self) -> dt.date:
        return self.as_of.astimezone(self.zone).date()


@dataclasses.dataclass(frozen=True)
class Transaction:
    time: dt.datetime | None
    rows: Sequence[Row]


def value(metric: Metric, customer: int, world: World, category: str | None = None) -> Any:
    """The value of *metric* for one customer, of a family for one category."""
    if metric.kind == "formula":
        return _formula(metric, customer, world, category)
    if metric.kind == "score":
        return _score(metric, customer, world, category)
    if metric.kind == "top":
        return _top(metric, customer, world)
    if metric.kind == "ratio" and metric.matched:
        return _matched(metric, customer, world, category)
    if metric.kind == "share":
        return _share(metric, customer, world, category)
    if metric.kind == "ratio":
        parts = (metric.numerator, metric.denominator)
        above, below = (_counted(metric, part, customer, world, category) for part in parts)
        return above / below if below else None
    if metric.kind == "sequence":
        return _sequence(metric, customer, world)
    if metric.attribute is not None:
        return _of_attribute(metric, world.attributes[customer][metric.attribute], world)
    return KINDS[metric.kind](metric, transactions(metric, customer, world, category), world)


# --- what counts -----------------------------------------------------------------------------------------------


def transactions(metric: Metric, customer: int, world: World, category: str | None) -> list[Transaction]:
    """Rows up to the clock; where; join; window; having. The last so many are taken before all else."""
    rows = past(metric.stream, customer, world)

    def wanted(row: Row) -> bool:
        if category is not None and row.fields[metric.by] != category:
            return False
        return metric.where is None or _holds(metric.where, row.fields, world)

    if isinstance(metric.window, Last):
        units = [[row for row in unit if wanted(row)] for unit in last(metric, rows, world)]
    else:
        units = joined(metric.stream, [row for row in rows if wanted(row)], world)
    found = [Transaction(min((r.time for r in unit if r.time), default=None), unit) for unit in units if unit]
    found = [each for each in found if each.time is None or inside(metric.window, each.time, world)]
    if metric.having is not None:
        names = _names(metric.having)
        found = [each for each in found if _holds(metric.having, {n: summed(each, n) for n in names}, world)]
    return found


def past(stream: str, customer: int, world: World) -> list[Row]:
    rows = [row for row in world.rows[stream] if row.customer == customer]
    return [row for row in rows if row.time is None or row.time <= world.as_of]


def joined(stream: str, rows: Sequence[Row], world: World) -> list[list[Row]]:
    """The rows of each transaction."""
    if stream in world.gaps:
        sessions: list[list[Row]] = []
        for row in sorted(rows, key=lambda row: row.time):
            if sessions and row.time - sessions[-1][-1].time <= world.gaps[stream]:
                sessions[-1].append(row)
            else:
                sessions.append([row])
        return sessions
    units: dict[Any, list[Row]] = {}
    for number, row in enumerate(rows):
        alone = row.unit is None or stream not in world.units
        units.setdefault(number if alone else row.unit, []).append(row)
    return list(units.values())


def last(metric: Metric, rows: Sequence[Row], world: World) -> list[list[Row]]:
    """The latest transactions of all rows: ties by greatest unit, else by greatest row."""

    def place(unit: list[Row]) -> Any:
        with_units = metric.stream in world.units
        return (min(row.time for row in unit), *tie(unit, with_units, world.orders))

    assert isinstance(metric.window, Last)
    return sorted(joined(metric.stream, rows, world), key=place)[-metric.window.count :]


def tie(unit: Sequence[Row], with_units: bool, orders: Mapping[str, tuple[str, ...]]) -> Any:
    """What orders transactions that begin together; null is least."""
    if with_units and unit[0].unit is not None:
        return (1, unit[0].unit.encode(), ())
    fields = unit[0].fields.items()
    return (0, b"", tuple((0, 0) if v is None else (1, _rank(v, orders.get(name, ()))) for name, v in fields))


def inside(window: Window, time: dt.datetime, world: World) -> bool:
    """Whether *time* is in (low, high] of *window*; the clock is an end of every window."""
    low, high = interval(window, world.as_of, world.zone)
    return (low is None or low < time) and time <= high


def interval(window: Window, as_of: dt.datetime, zone: ZoneInfo) -> tuple[dt.datetime | None, dt.datetime]:
    """The exclusive low and the inclusive high end."""
    today = as_of.astimezone(zone).date()
    match window:
        case Lifetime() | Last():
            return None, as_of
        case Rolling(start, end):
            return None if start is None else back(as_of, start, zone), as_of if end is None else back(as_of, end, zone)
        case Dates(start, end):
            low = None if start is None else _midnight(start, zone) - MICRO
            return low, as_of if end is None else min(as_of, _midnight(end, zone) - MICRO)
        case Calendar(length, with_today):
            days = length.count * (7 if length.unit == "w" else 1)
            end = today + dt.timedelta(days=with_today)
            low = _midnight(end - dt.timedelta(days=days), zone) - MICRO
            return low, min(as_of, _midnight(end, zone) - MICRO)
        case This(period):
            return _midnight(_start(today, period), zone) - MICRO, as_of
        case Previous(period):
            this = _start(today, period)
            before = _start(this - dt.timedelta(days=1), period)
            return _midnight(before, zone) - MICRO, _midnight(this, zone) - MICRO
    raise NotImplementedError(window)


def back(as_of: dt.datetime, length: Duration, zone: ZoneInfo) -> dt.datetime:
    if length.unit in FIXED:
        return as_of - dt.timedelta(seconds=FIXED[length.unit] * length.count)
    local = as_of.astimezone(zone)
    months = local.year * 12 + local.month - 1 - length.count * (12 if length.unit == "y" else 1)
    year, month = months // 12, months % 12 + 1
    day = min(local.day, calendar.monthrange(year, month)[1])
    return local.replace(year=year, month=month, day=day, fold=0).astimezone(dt.UTC)


def _midnight(day: dt.date, zone: ZoneInfo) -> dt.datetime:
    return dt.datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(dt.UTC)


def _start(day: dt.date, period: str) -> dt.date:
    if period == "w":
        return day - dt.timedelta(days=day.isoweekday() - 1)
    return day if period == "d" else day.replace(day=1) if period == "mo" else day.replace(month=1, day=1)


def _holds(rule: Any, item: Mapping[str, Any], world: World) -> bool:
    return rules.holds(rule, item, rules.World(world.as_of, world.zone, world.orders))


def _names(node: Any) -> set[str]:
    return {each.name for each in nodes.walk(node) if isinstance(each, nodes.Name)}


# --- values ----------------------------------------------------------------------------------------------------


def summed(transaction: Transaction, field: str) -> Any:
    """Unknown adds nothing; all unknown is unknown."""
    if field == "duration":
        times = [row.time for row in transaction.rows]
        return ((max(times) - min(times)) // MICRO) / 60_000_000.0
    return _total([(row.time, row.fields[field]) for row in transaction.rows])


def _total(timed: Sequence[tuple[Any, Any]]) -> Any:
    """The sum of the known values, floats one by one in order of time, then value; None where nothing is known."""
    known = sorted(((time, v) for time, v in timed if v is not None), key=lambda each: (each[0] or NEVER, each[1]))
    if not known:
        return None
    total = known[0][1] * 0 if not isinstance(known[0][1], float) else 0.0
    for _, each in known:
        total += each
    return _known(total)


def _values(metric: Metric, found: Sequence[Transaction], world: World) -> list[tuple[Any, Any]]:
    """(time, known value) of each transaction, or of each row of a field that is not summed."""
    if metric.field in world.per_row:
        pairs = [(row.time, row.fields[metric.field]) for each in found for row in each.rows]
    else:
        pairs = [(each.time, summed(each, metric.field)) for each in found]
    return [(time, held) for time, held in pairs if held is not None]


def _sum(metric: Metric, found: Sequence[Transaction], world: World) -> Any:
    values = _values(metric, found, world)
    return _total(values) if values else 0


def _whole(held: Any, metric: Metric, world: World) -> tuple[Any, int]:
    """An exact number in whole steps of its scale, and the steps of 1; a float as it is."""
    steps = 10 ** world.scales.get(metric.field or "", 0)
    return (held, 1) if isinstance(held, float) else (int(held * steps), steps)


def _mean(metric: Metric, found: Sequence[Transaction], world: World) -> Any:
    values = _values(metric, found, world)
    if not values:
        return None
    total = _total(values)
    if total is None:
        return None
    whole, steps = _whole(total, metric, world)
    return _known(float(whole) / (len(values) * steps))


def _median(metric: Metric, found: Sequence[Transaction], world: World) -> Any:
    values = sorted(held for _, held in _values(metric, found, world))
    if not values:
        return None
    (low, steps), (high, _) = (_whole(values[at], metric, world) for at in ((len(values) - 1) // 2, len(values) // 2))
    return _known(float(low + high) / (2 * steps))


def _extreme(choose: Callable[..., Any]) -> Callable[..., Any]:
    def extreme(metric: Metric, found: Sequence[Transaction], world: World) -> Any:
        return choose((held for _, held in _values(metric, found, world)), default=None)

    return extreme


def _known_rows(metric: Metric, found: Sequence[Transaction]) -> list[tuple[Any, Any]]:
    """(time, known value) of each row; of the length of sessions, which rows have not, of each session."""
    if metric.field == "duration":
        return [(each.time, summed(each, "duration")) for each in found]
    rows = [row for each in found for row in each.rows]
    return [(row.time, row.fields[metric.field]) for row in rows if row.fields[metric.field] is not None]


def _distinct(metric: Metric, found: Sequence[Transaction], _world: World) -> int:
    return len({held for _, held in _known_rows(metric, found)})


def _picked(latest: bool) -> Callable[..., Any]:
    def picked(metric: Metric, found: Sequence[Transaction], world: World) -> Any:
        rows = _known_rows(metric, found)
        if not rows:
            return None
        time = (max if latest else min)(time for time, _ in rows)
        order = world.orders.get(metric.field, ())
        return max((held for at, held in rows if at == time), key=lambda held: _rank(held, order))

    return picked


def _rank(held: Any, order: tuple[str, ...]) -> Any:
    if isinstance(held, str):
        return (order.index(held) if held in order else -1, held.encode())
    return held


def _days(later: dt.datetime, earlier: dt.datetime) -> float:
    return ((later - earlier) // MICRO) / DAY_MICROSECONDS


def _days_since(metric: Metric, found: Sequence[Transaction], world: World) -> Any:
    times = [each.time for each in found]
    return _days(world.as_of, min(times) if metric.start == "first" else max(times)) if times else None


def _mean_gap(_metric: Metric, found: Sequence[Transaction], _world: World) -> Any:
    times = [each.time for each in found]
    if len(times) < 2:
        return None
    return ((max(times) - min(times)) // MICRO) / (DAY_MICROSECONDS * (len(times) - 1))


def _days_until(metric: Metric, found: Sequence[Transaction], world: World) -> Any:
    values = [held for _, held in _known_rows(metric, found)]
    if not values:
        return None
    now: Any = world.as_of if isinstance(values[0], dt.datetime) else world.today
    future = [held for held in values if held >= now]
    return _until(repeated(min(future) if future else max(values), metric.every, world), world)


def _until(held: Any, world: World) -> float:
    return _days(held, world.as_of) if isinstance(held, dt.datetime) else float((held - world.today).days)


def repeated(held: Any, every: Duration | None, world: World) -> Any:
    """The first repetition that is not past, one after the other from the first on."""
    if every is None:
        return held
    now: Any = world.as_of if isinstance(held, dt.datetime) else world.today
    count, again = 0, held
    while again < now:
        count += 1
        again = shifted(held, Duration(every.count * count, every.unit), world.zone)
    return again


def shifted(held: Any, length: Duration, zone: ZoneInfo) -> Any:
    """A date or time so much later."""
    if length.unit in FIXED:
        return held + dt.timedelta(seconds=FIXED[length.unit] * length.count)
    local = held.astimezone(zone) if isinstance(held, dt.datetime) else held
    months = local.year * 12 + local.month - 1 + length.count * (12 if length.unit == "y" else 1)
    year, month = months // 12, months % 12 + 1
    day = min(local.day, calendar.monthrange(year, month)[1])
    if not isinstance(held, dt.datetime):
        return dt.date(year, month, day)
    return local.replace(year=year, month=month, day=day, fold=0).astimezone(dt.UTC)


def _streak(metric: Metric, found: Sequence[Transaction], world: World) -> int:
    active = {_start(each.time.astimezone(world.zone).date(), metric.period) for each in found}
    length, period = 0, _before(_start(world.today, metric.period), metric.period)
    while period in active:
        length, period = length + 1, _before(period, metric.period)
    return length


def _active_periods(metric: Metric, found: Sequence[Transaction], world: World) -> int:
    starts = [_start(each.time.astimezone(world.zone).date(), metric.period) for each in found]
    full, period = 0, _start(world.today, metric.period)
    for _ in range(metric.of):
        period = _before(period, metric.period)
        full += starts.count(period) >= (metric.least or 1)
    return full


def _before(start: dt.date, period: str) -> dt.date:
    return _start(start - dt.timedelta(days=1), period)


# --- sequences -------------------------------------------------------------------------------------------------


def _sequence(metric: Metric, customer: int, world: World) -> int:
    """Each row of the first step that all others follow counts once."""

    def rows(step: Step) -> list[Row]:
        held = past(step.stream, customer, world)
        return [row for row in held if step.where is None or _holds(step.where, row.fields, world)]

    first, *steps = metric.steps
    begun = rows(first)
    if isinstance(metric.window, Last):
        asked = Metric(kind="rows", stream=first.stream, window=metric.window)
        chosen = [row for unit in last(asked, past(first.stream, customer, world), world) for row in unit]
        begun = [row for row in begun if any(row is each for each in chosen)]
    return sum(
        inside(metric.window, row.time, world)
        and _completed(row.time, None if metric.on is None else (row.fields[metric.on],), metric, steps, rows, world)
        for row in begun
    )


def _completed(time: Any, key: Any, metric: Metric, steps: Sequence[Step], rows: Any, world: World) -> bool:
    for step in steps:
        after = [row for row in rows(step) if row.time > time]
        if key is not None:
            after = [row for row in after if key[0] is not None and row.fields[metric.on] == key[0]]
        end = None if step.within is None else shifted(time, step.within, world.zone)
        times = [row.time for row in after if end is None or row.time <= end]
        if step.negated:
            if times or end > world.as_of:
                return False
            time = end
        elif times:
            time = min(times)
        else:
            return False
    return True


# --- attributes ------------------------------------------------------------------------------------------------


def _of_attribute(metric: Metric, held: Any, world: World) -> Any:
    if held is None:
        return None
    if metric.kind == "days_until":
        return _until(repeated(held, metric.every, world), world)
    if metric.kind == "days_since":
        return -_until(held, world) + 0.0
    year, month, day = world.today.year, held.month, held.day
    if (month, day) == (2, 29) and not calendar.isleap(year):
        day = 28
    return year - held.year - (world.today < dt.date(year, month, day))


KINDS: dict[str, Callable[..., Any]] = {
    "count": lambda _metric, found, _world: len(found),
    "rows": lambda _metric, found, _world: sum(len(each.rows) for each in found),
    "sum": _sum, "mean": _mean, "median": _median, "min": _extreme(min), "max": _extreme(max),
    "distinct": _distinct, "first_value": _picked(False), "last_value": _picked(True),
    "first": lambda _metric, found, _world: min((each.time for each in found), default=None),
    "last": lambda _metric, found, _world: max((each.time for each in found), default=None),
    "days_since": _days_since, "days_until": _days_until, "mean_gap": _mean_gap,
    "streak": _streak, "active_periods": _active_periods,
}  # fmt: skip


# --- quotients -------------------------------------------------------------------------------------------------


def _share(metric: Metric, customer: int, world: World, category: str | None) -> Any:
    kind = "sum" if metric.weight else "count" if metric.count == "transactions" else "rows"

    def amount(where: Any, by: str | None, category: str | None) -> Any:
        part = Metric(kind=kind, stream=metric.stream, field=metric.weight, window=metric.window, where=where,
                      having=metric.having, by=by)  # fmt: skip
        held = value(part, customer, world, category)
        return None if held is None else _float(_whole(held, part, world)[0])

    whole, part = amount(None, None, None), amount(metric.where, metric.by, category)
    if whole is None or whole == 0 or part is None:
        return None
    return _known(rules._divide(part, whole))


def _counted(metric: Metric, part: Part | None, customer: int, world: World, category: str | None) -> int:
    assert part is not None
    asked = Metric(kind="count", stream=part.stream, window=metric.window, where=part.where, having=part.having,
                   by=metric.by)  # fmt: skip
    return len(transactions(asked, customer, world, category))


def _matched(metric: Metric, customer: int, world: World, category: str | None) -> Any:
    """Numerator transactions of any time whose unit is one of the denominator's in the window."""
    found = []
    for part, window in ((metric.numerator, Lifetime()), (metric.denominator, metric.window)):
        assert part is not None
        asked = Metric(kind="count", stream=part.stream, window=window, where=part.where, having=part.having,
                       by=metric.by)  # fmt: skip
        found.append({_unit(each) for each in transactions(asked, customer, world, category)})
    above, below = found
    return len(above & below) / len(below) if below else None


def _unit(transaction: Transaction) -> Any:
    """What a transaction is known by: its unit, or where it has none its one row."""
    first = transaction.rows[0]
    return id(first) if first.unit is None else first.unit


# --- scores, tops, formulas ------------------------------------------------------------------------------------


def _score(metric: Metric, customer: int, world: World, category: str | None) -> float:
    items = []
    for term in metric.terms or ():
        asked = Metric(kind="count", stream=term.stream, window=metric.window, where=term.where,
                       by=term.by or metric.by)  # fmt: skip
        items += [(each.time or NEVER, term.points) for each in transactions(asked, customer, world, category)]
    if metric.half_life is None or not items:
        return float(sum(Fraction(points) for _, points in items))
    half_life = FIXED[metric.half_life.unit] * metric.half_life.count * 1_000_000
    latest, total = max(time for time, _ in items), 0.0
    for time, points in sorted(items):
        total += float(points) * 0.5 ** ((latest - time) // MICRO / half_life)
    return _known(total * 0.5 ** ((world.as_of - latest) // MICRO / half_life))


def _top(metric: Metric, customer: int, world: World) -> str | None:
    values = {category: _in(metric, customer, world, category) for category in _categories(world)}
    known = {category: held for category, held in values.items() if held is not None}
    return min((c for c in known if known[c] == max(known.values())), key=str.encode, default=None)


def _in(metric: Metric, customer: int, world: World, category: str) -> Any:
    """What a customer has in one category; None: nothing of their own."""
    if metric.metric is not None:
        family = world.metrics[metric.metric]
        held = value(family, customer, world, category)
        return None if held == value(family, customer, world, "a category that nobody has") else held
    asked = Metric(kind="sum" if metric.weight else "count", stream=metric.stream, field=metric.weight,
                   window=metric.window, where=metric.where, having=metric.having, by=metric.by)  # fmt: skip
    found = transactions(asked, customer, world, category)
    return KINDS[asked.kind](asked, found, world) if found else None


def _categories(world: World) -> set[str]:
    """Every string of every field: those that are no category of a family say nothing."""
    return {v for rows in world.rows.values() for row in rows for v in row.fields.values() if isinstance(v, str)}


def _formula(metric: Metric, customer: int, world: World, category: str | None) -> Any:
    names: dict[str, Any] = {}
    for name in _names(metric.formula):
        part = world.metrics[name]
        names[name] = value(part, customer, world, category if _is_family(part, world) else None)
    for node in nodes.walk(metric.formula):
        if isinstance(node, nodes.Item):
            key = node.key.value
            held = value(world.metrics[node.of.name], customer, world, key)
            names[node.of.name] = rules.Family({key: held}, None, frozenset())
    return _known(_float(rules.evaluate(metric.formula, names, rules.World(world.as_of, world.zone), {})))


def _is_family(metric: Metric, world: World) -> bool:
    if metric.kind == "formula":
        single = {node.of.name for node in nodes.walk(metric.formula) if isinstance(node, nodes.Item)}
        return any(_is_family(world.metrics[name], world) for name in _names(metric.formula) - single)
    by_term = [term.by for term in metric.terms or () if term.by is not None]
    return metric.kind != "top" and (metric.by is not None or bool(by_term))


def _float(held: Any) -> Any:
    return None if held is None else float(held)


def _known(held: Any) -> Any:
    """NaN is missing; -0.0 is 0.0."""
    if isinstance(held, float):
        return None if math.isnan(held) else held + 0.0
    return held

"""Single values of a schema as they are written: numbers, dates, windows, rules; each to the object it stands for.

A reader takes what TOML, JSON or Python gave and the spot where it stands. What is already the right object, or its
JSON form, is taken too, so that a loaded schema can be written out and read again.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, TypeAlias, TypeVar

import msgspec

from segdex.errors import ArgumentError, RuleError, SchemaError, listed, nearest
from segdex.rules import nodes
from segdex.rules.moments import plain_date, plain_time
from segdex.rules.numbers import MOST_DIGITS, plain
from segdex.rules.windows import (
    Calendar,
    Dates,
    Duration,
    Last,
    Lifetime,
    Previous,
    Rolling,
    This,
    Window,
)
from segdex.rules.words import is_storable
from segdex.schema.place import Spot, shown

Reader: TypeAlias = Callable[[Any, Spot], Any]
T = TypeVar("T")

WINDOW_FORMS = (
    '"90d", "6mo", "1y", "36h", "lifetime", { from = "180d", to = "90d" }, { from = 2025-11-24, to = 2025-12-01 }, '
    '{ calendar = "30d" }, { last = 10 }, { this = "mo" }, { previous = "mo" }'
)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\S+", re.ASCII)
_WINDOW_KEYS = ({"from", "to"}, {"calendar", "today"}, {"last"}, {"this"}, {"previous"})
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?", re.ASCII)


def text(value: Any, spot: Spot) -> str:
    """A string that is not empty and can be written as UTF-8."""
    if not isinstance(value, str):
        raise spot.fault("not a string", found=shown(value), allowed="a string")
    if not value:
        raise spot.fault("an empty string", allowed="a string that is not empty")
    return printable(value, spot)


def prose(value: Any, spot: Spot) -> str:
    """A string for people, which may be empty."""
    return "" if value == "" and isinstance(value, str) else text(value, spot)


def printable(value: str, spot: Spot) -> str:
    """*value* as a plain string, refused where no rule could hold it."""
    if not is_storable(value):
        raise spot.fault("a string holds a character that cannot be kept", found=shown(value))
    return str.__str__(value)  # a subclass, such as an enumeration, may print differently and cannot be saved


def flag(value: Any, spot: Spot) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise spot.fault("not true or false", found=shown(value), allowed="true, false")
    return value


def whole(value: Any, spot: Spot) -> int:
    """An integer of 64 bits."""
    if isinstance(value, bool) or not isinstance(value, int) or not -(2**63) <= value < 2**63:
        raise spot.fault("not a whole number", found=shown(value), allowed="a whole number")
    return int(value)


def decimal(value: Any, spot: Spot) -> Decimal:
    """A finite number, exactly as written, in its plain form."""
    if isinstance(value, float):
        value = Decimal(float.__repr__(value))
    elif isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**MOST_DIGITS:
        value = Decimal(value)
    if not isinstance(value, Decimal):
        raise spot.fault("not a number", found=shown(value), allowed="a number")
    try:
        return plain(value)
    except ArgumentError as error:
        raise spot.fault(error.problem, found=error.found, allowed=error.allowed) from None


def exact(value: Any, spot: Spot) -> Decimal:
    """As `decimal`; in JSON a number may be a string, so that no reader rounds it."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = Decimal(value)
    return decimal(value, spot)


def real(value: Any, spot: Spot) -> float:
    """A finite number as float64."""
    return float(decimal(value, spot))


def date(value: Any, spot: Spot) -> dt.date:
    """A date: TOML's own, or ``"2025-11-24"``."""
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return plain_date(value)
    if isinstance(value, str) and _DATE.fullmatch(value):
        try:
            return dt.date.fromisoformat(value)
        except ValueError:
            pass
    raise spot.fault("not a date", found=shown(value), allowed="a date such as 2025-11-24")


def edge(value: Any, spot: Spot) -> Decimal | dt.date | dt.datetime:
    """An edge of a band: a number, a date or a time; in JSON, dates and times are strings, numbers may be."""
    try:
        if isinstance(value, dt.datetime):
            return plain_time(value)
        if isinstance(value, dt.date):
            return plain_date(value)
    except ArgumentError as error:
        raise spot.fault(error.problem, found=error.found) from None
    if not isinstance(value, str):
        return decimal(value, spot)
    try:
        if _DATE.fullmatch(value):
            return dt.date.fromisoformat(value)
        if _TIME.fullmatch(value):
            return dt.datetime.fromisoformat(value)
    except ValueError:
        pass
    if _NUMBER.fullmatch(value):
        return exact(value, spot)
    raise spot.fault("not an edge", found=shown(value), allowed="a number, a date or a time")


def choice(*allowed: str) -> Reader:
    """The reader of one of some words."""

    def read(value: Any, spot: Spot) -> str:
        if isinstance(value, str) and value in allowed:
            return str.__str__(value)
        hint = nearest(value, allowed) if isinstance(value, str) else None
        raise spot.fault("not one of the allowed words", found=shown(value), allowed=", ".join(allowed), hint=hint)

    return read


def duration(value: Any, spot: Spot) -> Duration:
    """``"90d"``, ``"12w"``, ``"6mo"``, ``"1y"``, ``"36h"``, ``"30min"``."""
    if isinstance(value, Mapping) and "is" in value:
        value = _stored(value, Duration, spot)
    if not isinstance(value, str | Duration):
        raise spot.fault("not a duration", found=shown(value), allowed='a duration such as "90d"')
    try:
        # One that was made elsewhere passes the same limits as one that was written.
        return Duration.parse(str(value))
    except ArgumentError as error:
        raise spot.fault(error.problem, found=error.found, allowed=error.allowed) from None


def window(value: Any, spot: Spot) -> Window:
    """Every way to write a window, see `WINDOW_FORMS`."""
    if isinstance(value, Window):
        return value
    if isinstance(value, Duration) or (isinstance(value, str) and value != "lifetime"):
        return Rolling(_window_length(value, spot))
    if value == "lifetime":
        return Lifetime()
    if not isinstance(value, Mapping) or not value:
        raise spot.fault("not a window", found=shown(value), allowed=WINDOW_FORMS)
    if "is" in value:
        made: Window = _stored(value, Window, spot)
        return made
    keys = set(value)
    if not any(keys <= form for form in _WINDOW_KEYS) or keys == {"today"}:
        names = {key for form in _WINDOW_KEYS for key in form}
        odd = next((key for key in value if key not in names), None)
        hint = nearest(odd, names) if isinstance(odd, str) else None
        raise spot.fault("not a window", found=shown(dict(value)), allowed=WINDOW_FORMS, hint=hint)
    return _window_table(value, spot)


def _window_table(value: Mapping[str, Any], spot: Spot) -> Window:
    if "calendar" in value:
        today = flag(value.get("today", False), spot.at("today"))
        return Calendar(duration(value["calendar"], spot.at("calendar")), today)
    if "last" in value:
        return Last(whole(value["last"], spot.at("last")))
    for key, kind in (("this", This), ("previous", Previous)):
        if key in value:
            return kind(choice("d", "w", "mo", "y")(value[key], spot.at(key)))
    ends = {key: _window_end(value[key], spot.at(key)) for key in ("from", "to") if key in value}
    start, end = ends.get("from"), ends.get("to")
    if isinstance(start or end, Duration) and isinstance(end or start, Duration):
        return Rolling(start, end)  # type: ignore[arg-type]
    if isinstance(start or end, dt.date) and isinstance(end or start, dt.date):
        return Dates(start, end)  # type: ignore[arg-type]
    raise spot.fault("a window with a date on one end and a duration on the other", allowed=WINDOW_FORMS)


def _window_end(value: Any, spot: Spot) -> Duration | dt.date:
    if isinstance(value, dt.date) or (isinstance(value, str) and _DATE.fullmatch(value)):
        return date(value, spot)
    return _window_length(value, spot)


def _window_length(value: Any, spot: Spot) -> Duration:
    try:
        return duration(value, spot)
    except SchemaError as error:
        raise spot.fault("not a window", found=error.found, allowed=WINDOW_FORMS) from None


def rule(value: Any, spot: Spot) -> nodes.Rule:
    """A rule as text, or as its tree."""
    try:
        if isinstance(value, str):
            from segdex.rules.text import read  # the grammar and its library are loaded with the first rule

            source = read(value)
            spot.origin.positions[spot.path] = source.positions
            return source.rule
        if isinstance(value, nodes.Rule):
            return value
        if isinstance(value, Mapping) and "is" in value:
            return nodes.Rule.from_json(_as_json(value, spot))
    except RuleError as error:
        raise spot.wrap(error) from None
    raise spot.fault("not a rule", found=shown(value), allowed="a rule as text")


def formula(value: Any, spot: Spot) -> nodes.Value:
    """A formula as text, or as its tree."""
    try:
        if isinstance(value, str):
            from segdex.rules.text import parse_value

            return parse_value(value)
    except RuleError as error:
        raise spot.wrap(error) from None
    if isinstance(value, nodes.Value):
        return value
    if isinstance(value, Mapping) and "is" in value:
        made: nodes.Value = _stored(value, nodes.Value, spot)
        return made
    raise spot.fault("not a formula", found=shown(value), allowed="a formula as text")


def _stored(value: Mapping[str, Any], kind: Any, spot: Spot) -> Any:
    """The object whose JSON form *value* is."""
    from segdex.rules.json_form import decode

    try:
        return decode(_as_json(value, spot), kind, "part of a schema")
    except RuleError as error:
        problem = "not the JSON form of what belongs here"
        raise spot.fault(problem, found=shown(dict(value)), hint=error.problem) from None


def _as_json(value: Mapping[str, Any], spot: Spot) -> bytes:
    try:
        return msgspec.json.encode(value)
    except (TypeError, ValueError, RecursionError):
        raise spot.fault("not a JSON value", found=shown(dict(value))) from None


def unknown(key: str, known: Mapping[str, object] | tuple[str, ...]) -> dict[str, str | None]:
    """The parts of a message about a key that is not known."""
    return {"found": shown(key), "allowed": listed(known, most=40), "hint": nearest(key, known)}

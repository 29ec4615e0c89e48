"""The log of events: a file that grows, one JSON object a line; and lines of it as tables."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

KEY = "customer_id"
CUSTOMERS = "customers"
COLUMNS = {
    CUSTOMERS: (KEY, "country", "consent", "tags"),
    "orders": (KEY, "ordered_at", "basket_id", "department", "amount"),
    "visits": (KEY, "at", "page"),
}
"""What a line of each table may say."""

Row = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Batch:
    """Some lines of the log.

    Attributes:
        tables: their rows, by table.
        offset: where the next line starts, in bytes: the position that the index remembers.
        lines: how many lines there were.
        unreadable: how many of them say nothing: no JSON, no such table.
    """

    tables: dict[str, pa.Table]
    offset: int
    lines: int
    unreadable: int


def read(path: Path, offset: int, most: int) -> Batch | None:
    """At most *most* lines from byte *offset* on; None where there is none yet.

    A line without its end is still being written, and is left for the next call.
    """
    rows: dict[str, list[Row]] = {}
    lines = unreadable = 0
    for line in _lines(path, offset):
        found = parsed(line)
        if found is not None:
            name, row = found
            # What a row of customers does not name stays as it is, and null clears it. So all rows of one batch must
            # name the same: one that names something else begins the next batch.
            if name == CUSTOMERS and rows.get(name) and rows[name][0].keys() != row.keys():
                break
            rows.setdefault(name, []).append(row)
        unreadable += found is None
        offset += len(line)
        lines += 1
        if lines == most:
            break
    if not lines:
        return None
    return Batch({name: table(name, held) for name, held in rows.items()}, offset, lines, unreadable)


def _lines(path: Path, offset: int) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            if file.seek(0, 2) < offset:
                raise ValueError(f"{path} ends before byte {offset}, up to which it was read: is it another file?")
            file.seek(offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                yield line
    except FileNotFoundError:
        return


def parsed(line: bytes) -> tuple[str, Row] | None:
    """The table of a line, and its row; None where it says nothing."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    if not isinstance(event, dict) or event.get("table") not in COLUMNS:
        return None
    name = event["table"]
    return name, {column: event[column] for column in COLUMNS[name] if column in event}


def table(name: str, rows: list[Row]) -> pa.Table:
    """Rows as a table of text, which segdex reads by the types that the schema declares."""
    columns = COLUMNS[name] if name != CUSTOMERS or not rows else rows[0]
    return pa.table({column: pa.array([_text(row.get(column)) for row in rows], pa.string()) for column in columns})


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value)

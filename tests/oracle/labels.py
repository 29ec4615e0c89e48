"""What a table of labels says about each customer, one row at a time: the obvious twin of `segdex.ingest.labels`."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, TypeAlias

Key: TypeAlias = int | str
Row: TypeAlias = tuple[Key | None, str | None, float | None]


@dataclasses.dataclass
class Labelled:
    """Labels and scores by customer as text, and what became of the rows."""

    labels: dict[str, str]
    scores: dict[str, float]
    kept: int = 0
    unowned: int = 0
    strangers: int = 0
    replaced: int = 0


def labelled(customers: Sequence[Key], rows: Sequence[Row]) -> Labelled:
    """The last row of a customer counts, as a whole; a null in it says that nothing is known."""
    known = {str(key) for key in customers}
    last: dict[str, Row] = {}
    found = Labelled({}, {})
    for row in rows:
        key = None if row[0] is None else str(row[0])
        if key is None:
            found.unowned += 1
        elif key not in known:
            found.strangers += 1
        else:
            found.replaced += key in last
            last[key] = row
    found.kept = len(last)
    for key, (_, label, score) in last.items():
        if label is not None:
            found.labels[key] = label
        if score is not None and not math.isnan(score):
            found.scores[key] = score
    return found


def counts(values: dict[str, Any], customers: int) -> dict[str, int]:
    """How many customers have each value, and how many have none."""
    found: dict[str, int] = {}
    for value in sorted(values.values()):
        found[value] = found.get(value, 0) + 1
    return found | {"missing": customers - len(values)}

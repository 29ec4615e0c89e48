"""Text that a float column left in a CSV: close to a step it is that step, further away a bad row."""

from __future__ import annotations

import pyarrow as pa
import pytest

from segdex.ingest.to_numbers import scaled
from segdex.values.column import MISSING


@pytest.mark.parametrize(
    ("text", "expected"),
    [("19.990000000000002", 1999), ("24.740000000000002", 2474), ("0.30000000000000004", 30), ("-0.0000004", 0),
     ("19.989999999999998", 1999), ("19.991", None), ("12.345", None), ("99999999999999.999", None), ("1e-9", 0),
     ("1e-99999999", 0), ("-1e-400", 0),
     ("92233720368547758.0700000001", 9223372036854775807), ("92233720368547758.0799999999", None)],
)  # fmt: skip
def test_text_near_a_step_is_the_step(text: str, expected: int | None) -> None:
    found = scaled(pa.array([text]), 2)
    assert found.data.tolist() == [MISSING if expected is None else expected]
    assert bool(found.problems) == (expected is None)

"""Rows grouped by customer and transaction, against dictionaries of lists."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segdex.events import csr, kernels
from segdex.values.column import MISSING
from tests.oracle import ingest as oracle

rows = st.lists(
    st.tuples(
        st.none() | st.integers(0, 4), st.integers(-3, 3), st.none() | st.sampled_from([0, 1, -1, 2**40, 2**62, -5])
    ),
    max_size=40,
)


def grouped(table: list[tuple[int | None, int, int | None]], customers: int, time: bool, unit: bool) -> csr.Layout:
    owners = np.array([kernels.NOBODY if row[0] is None else row[0] for row in table], np.uint32)
    times = np.array([row[1] for row in table], np.int64)
    units = np.array([MISSING if row[2] is None else row[2] for row in table], np.int64)
    return csr.layout(owners, customers, times if time else None, units if unit else None)


@settings(max_examples=150, deadline=None)
@given(rows, st.booleans(), st.booleans())
def test_layout_equals_dictionaries_of_lists(
    table: list[tuple[int | None, int, int | None]], time: bool, unit: bool
) -> None:
    customers = 6  # the last has no rows
    found = grouped(table, customers, time, unit)
    raws = [
        oracle.Row(row[0], row[1] if time else 0, row[2] if unit else None, (place,)) for place, row in enumerate(table)
    ]
    expected = oracle.transactions(raws)
    assert (found.units is not None) == (found.unit_offsets is not None) == unit
    units = found.units if found.units is not None else np.arange(len(found.order) + 1)
    unit_offsets = found.unit_offsets if found.unit_offsets is not None else found.offsets
    assert len(found.offsets) == len(unit_offsets) == customers + 1
    assert (units[0], units[-1]) == (0, len(found.order))
    for customer in range(customers):
        spans = range(unit_offsets[customer], unit_offsets[customer + 1])
        assert units[unit_offsets[customer]] == found.offsets[customer]
        got = [[raws[place] for place in found.order[units[span] : units[span + 1]]] for span in spans]
        wanted = expected.get(customer, [])
        # Rows of one time are in any order, and so are transactions that begin together and have no unit.
        began = [(each[0].time, MISSING if each[0].unit is None else each[0].unit) for each in got]
        assert began == sorted(began) or not (time and unit)
        assert [each[0].time for each in got] == [each[0].time for each in wanted]
        assert all([row.time for row in each] == sorted(row.time for row in each) for each in got)
        assert sorted(sorted(row.fields for row in each) for each in got) == sorted(
            sorted(row.fields for row in each) for each in wanted
        )


@pytest.mark.parametrize("count", [0, 1, 2, 15, 16, 17, 31, 32, 33, 64, 65, 200])
@pytest.mark.parametrize("times", [1, 3, 1000])
def test_long_segments_are_sorted_and_stable(count: int, times: int) -> None:
    random = np.random.default_rng(count)
    table = [(1, int(time), None) for time in random.integers(0, times, count)]
    found = grouped(table, 3, time=True, unit=False)
    assert found.order.tolist() == sorted(range(count), key=lambda place: table[place][1])


def test_no_rows_and_no_customers() -> None:
    found = grouped([], 0, time=True, unit=True)
    assert (found.offsets.tolist(), found.units.tolist(), found.unit_offsets.tolist()) == ([0], [0], [0])
    found = grouped([(None, 1, 1)], 2, time=True, unit=True)
    assert (found.offsets.tolist(), found.units.tolist(), found.unit_offsets.tolist()) == ([0] * 3, [0], [0] * 3)

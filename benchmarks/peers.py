"""The engines that are asked the same rules: segdex, Roaring sets, numpy, Polars, DuckDB and chDB; one thread each.

Each is prepared as its careful user would prepare it. Columns have the narrowest types and no nulls, categories are
small whole numbers, statements are prepared where an engine can, sets are precomputed for every leaf. What an engine
makes of a rule is a list of ways to count it, of which the fastest is what it is measured by. Polars, DuckDB and
chDB may not be installed; they are then left out.

Not prepared: chDB parses its statements, which takes a part of a millisecond.
"""

from __future__ import annotations

import array
import importlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from pyroaring import BitMap

import segdex
from benchmarks.conditions import count_mask, leaves, to_bitmap_count, to_mask, to_sql, to_text
from benchmarks.customers import Array, Columns
from benchmarks.rules import LEAVES, WARM_UP, Rule

Count = Callable[[], int]


class Engine(Protocol):
    """Something that counts rules."""

    name: str

    def ways(self, rule: Rule) -> list[Count]:
        """Ready to be called: everything that can be done once is done."""


class SetEngine(Engine, Protocol):
    """An engine over sets, which is timed with cold operands too."""

    warm_up: Count
    """A small count over sets that no rule uses."""


class Segdex:
    """An index, with prepared rules."""

    name = "segdex"

    def __init__(self, index: segdex.Index) -> None:
        self._index = index
        self.warm_up: Count = index.prepare(to_text(WARM_UP)).count

    def ways(self, rule: Rule) -> list[Count]:
        return [self._index.prepare(rule.text).count]


class Roaring:
    """pyroaring with one set a leaf, with runs and without; an expression is compiled once."""

    name = "pyroaring"

    def __init__(self, columns: Columns) -> None:
        self._customers = len(columns["country"])
        first, second = (_members(to_mask(leaf, columns)) for leaf in leaves(WARM_UP))
        self.warm_up: Count = partial(first.intersection_cardinality, second)
        plain = {name: _members(to_mask(leaf, columns)) for name, leaf in LEAVES.items()}
        runs = {name: members.copy() for name, members in plain.items()}
        for members in runs.values():
            members.run_optimize()
        # Bytes that are read back lie as close together as they can.
        self._forms = [
            {name: BitMap.deserialize(members.serialize()) for name, members in form.items()} for form in (plain, runs)
        ]

    def ways(self, rule: Rule) -> list[Count]:
        return [self._compiled(text, form) for form in self._forms for text in rule.roaring]

    def _compiled(self, expression: str, sets: Mapping[str, BitMap]) -> Count:
        known = {**sets, "customers": self._customers, "union": BitMap.union, "intersection": BitMap.intersection}
        count: Count = eval(f"lambda: {expression}", known)
        return count


def _members(mask: Array) -> BitMap:
    ids = array.array("I")  # which pyroaring reads as a whole, unlike an array of numpy
    ids.frombytes(np.flatnonzero(mask).astype(np.uint32).tobytes())
    return BitMap(ids)


class Numpy:
    """Masks over the columns."""

    name = "numpy"

    def __init__(self, columns: Columns) -> None:
        self._columns = columns

    def ways(self, rule: Rule) -> list[Count]:
        return [partial(count_mask, rule.where, self._columns)]


class Polars:
    """Lazy frames over one chunk, made once and collected each time."""

    name = "polars"

    def __init__(self, table: pa.Table) -> None:
        before = os.environ.get("POLARS_MAX_THREADS")
        os.environ["POLARS_MAX_THREADS"] = "1"  # read once, when Polars is imported
        try:
            polars: Any = importlib.import_module("polars")
        finally:
            if before is None:
                del os.environ["POLARS_MAX_THREADS"]
            else:
                os.environ["POLARS_MAX_THREADS"] = before
        if polars.thread_pool_size() != 1:
            print("Polars was imported before, with more than one thread", file=sys.stderr)
        self._polars = polars
        self._frame = polars.from_arrow(table, rechunk=True).lazy()
        self._columns = {name: polars.col(name) for name in table.column_names}

    def ways(self, rule: Rule) -> list[Count]:
        holds = to_mask(rule.where, self._columns)
        frames = [self._frame.filter(holds).select(self._polars.len()), self._frame.select(holds.sum())]
        return [partial(self._count, frame) for frame in frames]

    @staticmethod
    def _count(frame: Any) -> int:
        return int(frame.collect().item())


class DuckDB:
    """Prepared statements over a table in memory."""

    name = "duckdb"

    def __init__(self, table: pa.Table) -> None:
        duckdb: Any = importlib.import_module("duckdb")
        self._connection = duckdb.connect(config={"threads": 1})
        self._connection.register("given", table)
        self._connection.execute("CREATE TABLE customers AS SELECT * FROM given")
        self._connection.unregister("given")
        self._prepared = 0

    def ways(self, rule: Rule) -> list[Count]:
        holds = to_sql(rule.where)  # a filter is the faster one where it drops most rows early, else an expression
        selected = (f"count(*) FROM customers WHERE {holds}", f"count_if({holds}) FROM customers")
        return [self._count(f"SELECT {each}") for each in selected]

    def _count(self, statement: str) -> Count:
        self._prepared += 1
        name = f"rule_{self._prepared}"
        self._connection.execute(f"PREPARE {name} AS {statement}")
        execute = self._connection.execute
        return lambda: int(execute(f"EXECUTE {name}").fetchone()[0])

    def close(self) -> None:
        self._connection.close()


class ChDB:
    """One session of ClickHouse in this process, with a table of customers and a row of sets, both in memory."""

    def __init__(self, table: pa.Table) -> None:
        session: Any = importlib.import_module("chdb.session")
        self._customers = len(table)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "customers.arrow"
            with pa.OSFile(str(file), "wb") as out, pa.ipc.new_file(out, table.schema) as writer:
                writer.write_table(table, max_chunksize=1 << 20)
            self._session = session.Session()
            for statement in _chdb_tables(file):
                self._session.query(statement)

    def scan(self, rule: Rule) -> list[Count]:
        """Over the columns."""
        holds = to_sql(rule.where)
        selected = (f"count() FROM bench.customers WHERE {holds}", f"sum({holds}) FROM bench.customers")
        return [self._count(f"SELECT {each}") for each in selected]

    def bitmap(self, rule: Rule) -> list[Count]:
        """By the bitmap functions over states of `groupBitmap`, one a leaf."""
        return [self._count(f"SELECT {to_bitmap_count(rule.where, self._customers)} FROM bench.sets")]

    def _count(self, statement: str) -> Count:
        query = self._session.query
        return lambda: int(str(query(statement, "TabSeparated")))

    def close(self) -> None:
        self._session.close()


def _chdb_tables(file: Path) -> Iterator[str]:
    states = [f"groupBitmapStateIf(id, {to_sql(leaf)}) AS {name}" for name, leaf in LEAVES.items()]
    yield "SET max_threads = 1"
    yield "SET schema_inference_make_columns_nullable = 0"
    yield "CREATE DATABASE bench"
    yield f"CREATE TABLE bench.customers ENGINE = Memory AS SELECT * FROM file('{file}', 'Arrow')"
    yield (
        "CREATE TABLE bench.sets ENGINE = Memory AS "
        f"SELECT groupBitmapState(id) AS everyone, {', '.join(states)} FROM bench.customers"
    )


class _Way:
    """One of the ways of an engine that has several, as an engine."""

    def __init__(self, name: str, ways: Callable[[Rule], list[Count]]) -> None:
        self.name = name
        self.ways = ways


_TABLES: dict[str, Callable[[pa.Table], Any]] = {"polars": Polars, "duckdb": DuckDB, "chdb": ChDB}


@contextmanager
def tables(
    columns: Columns, table: pa.Table, names: Sequence[str] = tuple(_TABLES)
) -> Iterator[tuple[list[Engine], list[str]]]:
    """The engines that scan, numpy and those of *names*, and the names of those that are not installed."""
    engines: list[Engine] = [Numpy(columns)]
    absent = []
    with ExitStack() as stack:
        for name in names:
            try:
                made = _TABLES[name](table)
            except ImportError:
                absent.append(name)
                continue
            if hasattr(made, "close"):
                stack.callback(made.close)
            if isinstance(made, ChDB):
                engines += [_Way("chdb_scan", made.scan), _Way("chdb_bitmap", made.bitmap)]
            else:
                engines.append(made)
        yield engines, absent

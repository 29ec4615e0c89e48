"""The example service from end to end: a writer and two readers as processes, a growing log, a writer that is killed.

It needs `pip install 'segdex[example]'`, which `scripts/test` installs.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import importlib
import io
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import segdex

httpx = pytest.importorskip("httpx", reason="the extra 'example' is not installed")
pytest.importorskip("fastapi", reason="the extra 'example' is not installed")
pytest.importorskip("uvicorn", reason="the extra 'example' is not installed")

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = ROOT / "docs" / "examples"
PATIENCE = 120.0
"""Seconds to wait for what must happen; a slow machine is no failure."""
RULES = (
    "everyone", "orders_30d >= 1", "spend > 40", "recency = 'hot'", "country = 'IN' and visits_7d >= 1",
    "segment 'big_spenders'", "segment 'browsing'", "not consent = true", "tags has any ('vip')",
    "sum(orders.amount, 7d, where department = 'toys') > 10", "count(orders) = 0",
)  # fmt: skip


def until(holds: Callable[[], object], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, f"still waiting for {what}"
        time.sleep(0.05)


# --- a log -------------------------------------------------------------------------------------------------------


class Shop:
    """What happens, as lines of the log; everything that was ever said, as rows."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.orders: list[dict[str, Any]] = []
        self.visits: list[dict[str, Any]] = []
        self.customers: dict[str, dict[str, Any]] = {}
        self._random = random.Random(7)
        self._now = dt.datetime.now(dt.UTC).replace(microsecond=0) - dt.timedelta(minutes=10)

    def happen(self, count: int) -> None:
        lines = [json.dumps(self._event()) for _ in range(count)]
        with self.log.open("a") as file:
            file.writelines(f"{line}\n" for line in lines)

    def _event(self) -> dict[str, Any]:
        key, draw = f"c{self._random.randrange(60)}", self._random.random()
        at = (self._now - dt.timedelta(hours=self._random.randrange(24 * 100))).isoformat()
        if draw < 0.5:
            order = {
                "customer_id": key, "ordered_at": at, "basket_id": str(len(self.orders)),
                "department": self._random.choice(["toys", "garden"]), "amount": self._random.randrange(5000) / 100,
            }  # fmt: skip
            self.orders.append(order)
            return {"table": "orders", **order}
        if draw < 0.8:
            visit = {"customer_id": key, "at": at, "page": self._random.choice(["home", "sale"])}
            self.visits.append(visit)
            return {"table": "visits", **visit}
        values = {"country": ["IN", "AE", None], "consent": [True, False, None], "tags": [["vip"], [], None]}
        said = {name: self._random.choice(held) for name, held in values.items() if self._random.random() < 0.6}
        self.customers.setdefault(key, {}).update(said)
        return {"table": "customers", "customer_id": key, **said}

    def built(self, as_of: str) -> segdex.Index:
        """An index of all of it, made in one go."""
        names = ("country", "consent", "tags")
        rows = [
            {"customer_id": key, **{name: held.get(name) for name in names}} for key, held in self.customers.items()
        ]
        columns = pa.schema([("customer_id", pa.string()), ("country", pa.string()), ("consent", pa.bool_()),
                             ("tags", pa.list_(pa.string()))])  # fmt: skip
        sources = {
            "customers": pa.Table.from_pylist(rows, columns),
            "orders": pa.Table.from_pylist(self.orders),
            "visits": pa.Table.from_pylist(self.visits),
        }
        return segdex.build(EXAMPLES / "audience" / "schema.toml", as_of=as_of, sources=sources)


# --- processes ---------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Process:
    """A process of the service, with what it says in a file."""

    running: subprocess.Popen[bytes]
    said: Path

    def text(self) -> str:
        return self.said.read_text(errors="replace")

    def alive(self) -> None:
        assert self.running.poll() is None, self.text()

    def kill(self, number: int) -> None:
        self.running.send_signal(number)
        self.running.wait(PATIENCE)


class Processes:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.all: list[Process] = []
        self.index, self.log = folder / "index", folder / "events.jsonl"

    def start(self, *command: str) -> Process:
        path = os.pathsep.join([str(EXAMPLES), str(ROOT / "src"), str(ROOT)])
        environment = {
            **os.environ, "PYTHONPATH": path, "AUDIENCE_INDEX": str(self.index), "AUDIENCE_REFRESH_MS": "50",
            "AUDIENCE_TIMEOUT_S": str(PATIENCE),
        }  # fmt: skip
        said = self._folder / f"process-{len(self.all)}.log"
        with said.open("wb") as out:
            running = subprocess.Popen([sys.executable, "-m", *command], stdout=out, stderr=out, env=environment)
        self.all.append(Process(running, said))
        return self.all[-1]

    def writer(self) -> Process:
        arguments = ("--index", str(self.index), "--events", str(self.log), "--batch", "20", "--poll", "0.05")
        return self.start("audience.writer", *arguments, "--tick", "2")

    def reader(self) -> Reader:
        # Port 0: the system gives a free one, and uvicorn says which.
        process = self.start("uvicorn", "audience.service:app", "--port", "0", "--host", "127.0.0.1")
        found = re.compile(r"running on (http://127\.0\.0\.1:\d+)")

        def ready() -> bool:
            process.alive()
            return bool(found.search(process.text()))

        until(ready, "a reader")
        match = found.search(process.text())
        assert match is not None
        return Reader(httpx.Client(base_url=match[1], timeout=PATIENCE))

    def end(self) -> None:
        for process in self.all:
            if process.running.poll() is None:
                process.running.kill()
                process.running.wait(PATIENCE)


class Reader:
    """A client of one reader."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def json(self, method: str, path: str, **options: Any) -> Any:
        answer = self.client.request(method, path, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def health(self) -> dict[str, Any]:
        found: dict[str, Any] = self.json("GET", "/health")
        return found

    def count(self, rule: str) -> dict[str, Any]:
        found: dict[str, Any] = self.json("POST", "/count", json={"rule": rule})
        return found

    def rows(self, path: str, **parameters: Any) -> list[Any]:
        answer = self.client.get(path, params=parameters)
        assert answer.status_code == 200, answer.text
        return [json.loads(line) for line in answer.text.splitlines()]


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    held = Processes(tmp_path)
    with contextlib.closing(contextlib.ExitStack()) as stack:
        stack.callback(held.end)
        yield held


@pytest.mark.slow
@pytest.mark.compiled
def test_end_to_end(processes: Processes) -> None:
    shop = Shop(processes.log)
    writer = processes.writer()
    first, second = processes.reader(), processes.reader()
    started = first.health()
    assert started["customers"] == 0

    shop.happen(100)
    size = shop.log.stat().st_size

    def taken_in(bytes_of_log: int) -> bool:
        """Whether the index has the log up to there, by what the folder says."""
        writer.alive()
        with segdex.open(processes.index) as index:
            return index.offsets.get("events", 0) == bytes_of_log

    until(lambda: taken_in(size), "the first events")

    # Killed in the midst of a flood, again and again: each time the next one goes on where the index is.
    for _ in range(3):
        before = first.health()["generation"]
        shop.happen(200)
        until(lambda before=before: first.health()["generation"] > before, "a batch of the flood")  # type: ignore[misc]
        writer.kill(signal.SIGKILL)
        writer = processes.writer()
    size = shop.log.stat().st_size
    until(lambda: taken_in(size), "the log to its end")
    writer.kill(signal.SIGTERM)
    assert writer.running.returncode == 0, writer.text()

    with segdex.open(processes.index) as index:
        last = index.generation
        rows = index.aggregate("everyone", "count(orders)").sum  # each is a basket of its own
        assert rows == len({order["basket_id"] for order in shop.orders}) == len(shop.orders)
    for reader in (first, second):
        until(lambda reader=reader: reader.health()["generation"] == last, "a reader to follow")  # type: ignore[misc]
    as_of = first.health()["as_of"]
    with shop.built(as_of) as expected:
        for rule in RULES:
            found = first.count(rule)
            assert found == second.count(rule)
            assert found == {"rule": rule, "count": expected.count(rule), "generation": last, "as_of": as_of}
        follows(first, expected, started["generation"])
        answers(second, expected)


def follows(reader: Reader, expected: segdex.Index, since: int) -> None:
    """Whoever adds up all changes has the members of the tracked segments."""
    held: dict[str, set[str]] = {"big_spenders": set(), "browsing": set()}
    generations = []
    for change in reader.rows("/changes", since=since):
        generations.append(change["generation"])
        for name, keys in change["entered"].items():
            assert not held[name] & set(keys)
            held[name] |= set(keys)
        for name, keys in change["left"].items():
            assert held[name] >= set(keys)
            held[name] -= set(keys)
    assert generations == list(range(since + 1, reader.health()["generation"] + 1))
    for name, members in held.items():
        rule = f"segment '{name}'"
        assert members == set(expected.keys(expected.bitmap(rule)).to_pylist())
    assert reader.client.get("/changes", params={"since": -1}).status_code == 410


def answers(reader: Reader, expected: segdex.Index) -> None:
    """The other endpoints, and what is refused."""
    rule = "spend > 40"
    estimate = reader.json("POST", "/estimate", json={"rule": rule})
    assert estimate["low"] <= expected.count(rule) <= estimate["high"]
    members = expected.members(rule, columns=["spend", "country"]).read_all().to_pylist()
    by_key = {row["customer_id"]: row for row in reader.rows("/members", rule=rule, columns=["spend", "country"])}
    assert by_key == {row["customer_id"]: {**row, "spend": str(row["spend"])} for row in members}
    arrow = reader.client.get("/members", params={"rule": rule, "format": "arrow", "limit": 3})
    assert pa.ipc.open_stream(io.BytesIO(arrow.content)).read_all().num_rows == 3
    key = members[0]["customer_id"]
    assert reader.json("GET", f"/segments/{key}")["segments"] == list(expected.segments_of(key))
    assert reader.client.get("/segments/nobody").status_code == 404
    wrong = reader.client.post("/count", json={"rule": "spned > 40"})
    assert (wrong.status_code, "did you mean 'spend'?" in wrong.json()["error"]) == (400, True)
    assert reader.client.get("/members", params={"rule": rule, "limit": 10**9}).status_code == 422


# --- its parts ---------------------------------------------------------------------------------------------------


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    return importlib.import_module("audience.events")


def test_lines_become_tables(events: Any, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    assert events.read(log, 0, 10) is None
    whole = (
        '{"table": "orders", "customer_id": "a", "amount": 1.5}\n'
        "no json\n"
        '{"table": "nothing"}\n'
        '{"table": "customers", "customer_id": "a", "consent": true, "tags": ["vip"]}\n'
    )
    log.write_text(whole + '{"table": "visits"')
    found = events.read(log, 0, 10)
    assert (found.offset, found.lines, found.unreadable) == (len(whole), 4, 2)
    assert found.tables["orders"].to_pylist() == [
        {"customer_id": "a", "ordered_at": None, "basket_id": None, "department": None, "amount": "1.5"}
    ]
    assert found.tables["customers"].to_pylist() == [{"customer_id": "a", "consent": "true", "tags": '["vip"]'}]
    assert events.read(log, found.offset, 10) is None
    assert events.read(log, 0, 1).offset == whole.index("\n") + 1
    with pytest.raises(ValueError, match="another file"):
        events.read(log, 1000, 10)


def test_what_is_not_named_is_not_cleared(events: Any, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    first = '{"table": "customers", "customer_id": "a", "country": "IN"}\n'
    log.write_text(first + '{"table": "customers", "customer_id": "a", "consent": true}\n')
    found = events.read(log, 0, 10)
    assert (found.offset, found.tables["customers"].column_names) == (len(first), ["customer_id", "country"])
    assert events.read(log, found.offset, 10).tables["customers"].column_names == ["customer_id", "consent"]

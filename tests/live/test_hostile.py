"""Hostile bytes: what is read from a folder is refused, or is a state that the index has been in."""

from __future__ import annotations

import contextlib
import itertools
import logging
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pytest

import segdex
from segdex.errors import CorruptError, SegdexError, VersionError
from segdex.live.loaded import _columns
from segdex.live.records import Load
from segdex.store import generations, journal
from segdex.store.container import Identity
from segdex.store.folder import journal_name
from segdex.store.os import OperatingSystem
from tests.live.faults import through
from tests.store.disk import Quick, restore

SCHEMA: dict[str, Any] = {
    "customers": {"key": "id", "attributes": {"c": "category"}},
    "streams": {"s": {"key": "id", "time": "at"}},
    "metrics": {"n": {"kind": "count", "stream": "s", "window": "2d"}},
    "segments": {"t": {"where": "n > 0", "tracked": True}},
}
RULES = ["everyone", "c = 'x'", "n > 0", "segment 't'", "count(s) > 1", "not c = 'x'"]
NAMED = ["segment 'v'", "l = 'p'", "segment 'd'", "segment 'e'"]

Told = tuple[Any, ...]


class Made(NamedTuple):
    """An index that has a journal with a record of each action.

    Attributes:
        files: of its folder.
        identity: of its generation.
        payloads: of the records.
        told: what it said before the first and after each.
    """

    files: dict[str, bytes]
    identity: Identity
    payloads: list[bytes]
    told: list[Told]


def told(index: segdex.Index) -> Told:
    """What an index says, of whatever there is."""
    with index.view() as view:
        counts = [view.count(rule) if view.check(rule).valid else None for rule in RULES + NAMED]
        members = view.members("everyone", columns=["c", "n"]).read_all().to_pylist()
        generation, clock = view.generation, view.as_of
    feed = []
    for changes in index.changes(1):
        sides = [{name: keys.to_pylist() for name, keys in side.items()} for side in (changes.entered, changes.left)]
        feed.append((changes.generation, changes.redefined, sides))
    return generation, clock, counts, members, dict(index.offsets), feed


def rows(*keys: str) -> dict[str, pa.Table]:
    """Events of customers, now."""
    at = pa.array([1_782_000_000_000_000] * len(keys), pa.timestamp("us", "UTC"))
    return {"s": pa.table({"id": list(keys), "at": at})}


BEGUN = {"customers": pa.table({"id": ["a", "b", "gone"], "c": ["x", "w", None]}), **rows()}
ACTIONS = [
    lambda index: index.apply(rows("a", "z"), source="f", offset=3),
    lambda index: index.apply({"customers": pa.table({"id": ["b", "y"], "c": ["x", None]})}),
    lambda index: index.advance("2026-06-22T00:00:00Z"),
    lambda index: index.define("d", "c = 'x'", tracked=True),
    lambda index: index.load("v", ["a", "z"]),
    lambda index: index.load("l", {"p": ["a", "y"], "q": ["b"]}),
    lambda index: index.rename("d", "e"),
    lambda index: index.readmit(["gone"]),
    lambda index: index.drop("e"),
    lambda index: index.merge("a", ["y"]),
    lambda index: index.apply(rows("b"), as_of="2026-06-23T00:00:00Z"),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("hostile") / "index"
    with through(Quick()):
        index = segdex.build(SCHEMA, as_of="2026-06-21T00:00:00Z", sources=BEGUN, out=folder)
        index.erase(["gone"])
        said = [told(index)]
        for act in ACTIONS:
            act(index)
            said.append(told(index))
        index.close()
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    identity = generations.opened(folder).identity
    assert identity is not None
    records, _ = journal.read(folder, identity, Quick())
    assert len(records) == len(ACTIONS)
    return Made(files, identity, [payload for _, payload in records], said)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Torn tails are cut by the thousand."""
    logger = logging.getLogger("segdex")
    before = logger.level
    logger.setLevel(logging.ERROR)
    with through(Quick()):
        yield
    logger.setLevel(before)


class Holding(OperatingSystem):
    """Any file has these bytes."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def tail(self, _path: Path, start: int) -> bytes:
        return self.data[start:]


def opened(folder: Path) -> Iterator[Told | None]:
    """What a reader says who opens a folder, and what the writer; None: it is refused."""
    for read_only in (True, False):
        try:
            with segdex.open(folder, read_only=read_only) as index:
                yield told(index)
        except (CorruptError, VersionError):
            yield None


# --- bytes ---------------------------------------------------------------------------------------------------------


def test_a_flip_or_a_cut_of_the_journal_is_refused_or_gives_what_was_there_before(made: Made, tmp_path: Path) -> None:
    """Every one is scanned; what comes of it as an index is looked at for some."""
    name = journal_name(made.identity.generation)
    data, whole = made.files[name], list(enumerate(made.payloads, 1 + made.identity.last_sequence))
    damaged = [(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :], at % 801 == 7) for at in range(len(data))]
    damaged += [(data[:at], at % 1601 == 7) for at in range(len(data))]
    folder = restore(made.files, tmp_path / "index")
    for number, (bytes_, looked_at) in enumerate(damaged):
        with contextlib.suppress(CorruptError, VersionError):
            found, _ = journal.read(folder, made.identity, Holding(bytes_))
            assert found == whole[: len(found)], number
        if looked_at:
            (folder / name).write_bytes(bytes_)
            for said in opened(folder):
                assert said is None or said in made.told, number


def test_an_index_without_its_journal_or_with_another_one(made: Made, tmp_path: Path) -> None:
    name = journal_name(made.identity.generation)
    without = {each: data for each, data in made.files.items() if each != name}
    assert list(opened(restore(without, tmp_path / "a"))) == [made.told[0]] * 2
    other = segdex.build(SCHEMA, as_of="2026-06-21T00:00:00Z", sources=BEGUN, out=tmp_path / "b")
    other.apply(rows("q"))
    other.close()
    files = {path.name: path.read_bytes() for path in (tmp_path / "b").iterdir()}
    foreign = next(data for each, data in files.items() if each.startswith("journal"))
    assert list(opened(restore(made.files | {name: foreign}, tmp_path / "c"))) == [None] * 2


# --- contents with good checksums ----------------------------------------------------------------------------------


def forged(made: Made, folder: Path, payloads: list[bytes]) -> Path:
    """The index with a journal of *payloads*, well formed."""
    name = journal_name(made.identity.generation)
    header = made.files[name][: len(made.files[name]) - sum(len(each) for each in _encoded(made, made.payloads))]
    return restore(made.files | {name: header + b"".join(_encoded(made, payloads))}, folder)


def _encoded(made: Made, payloads: list[bytes]) -> list[bytes]:
    first = made.identity.last_sequence + 1
    return [bytes(journal.encoded(each, first + at, made.identity)) for at, each in enumerate(payloads)]


def test_the_records_as_they_were(made: Made, tmp_path: Path) -> None:
    assert list(opened(forged(made, tmp_path / "index", made.payloads))) == [made.told[-1]] * 2


def test_records_left_out_doubled_or_in_another_order(made: Made, tmp_path: Path) -> None:
    """Each says which generation it makes."""
    payloads = made.payloads
    wrong = [payloads[:at] + payloads[at + 1 :] for at in range(len(payloads) - 1)]
    wrong += [[*payloads[:at], payloads[at], *payloads[at:]] for at in range(len(payloads))]
    wrong += [[*payloads[:at], payloads[at + 1], payloads[at], *payloads[at + 2 :]] for at in range(len(payloads) - 1)]
    for number, each in enumerate(wrong):
        assert list(opened(forged(made, tmp_path / "index", each))) == [None] * 2, number


def mangled(value: Any, chance: random.Random) -> Any:
    """A value like *value* in which one thing is another one."""
    match value:
        case bool() | None:
            return chance.choice([1, "x", b"", []])
        case int():
            return chance.choice([value + 1, -1, 0, 2**63 - 1, 2**64 - 1, -(2**63), "7", None])
        case str():
            return chance.choice([value + "'", "", "nobody", "\0", None, 7])
        case bytes():
            at = chance.randrange(len(value) + 1)
            bit = bytes([value[at] ^ (1 << chance.randrange(8))]) if at < len(value) else b"!"
            return chance.choice([value[:at], value[:at] + bit + value[at + 1 :], b"", value * 2, "text", bytes(8)])
        case list() if value:
            at = chance.randrange(len(value))
            return [*value[:at], mangled(value[at], chance), *value[at + 1 :]]
        case dict() if value:
            key = chance.choice(list(value))
            return {each: mangled(held, chance) if each == key else held for each, held in value.items()}
    return chance.choice(
        [[1], {"t": bytes(8)}, {"t": b"123"}, {"t": b"\xff" * 8}, {"zz": bytes(8)}, {"t": b"\7" + bytes(7)}]
    )


def _schema_mangled(payload: Any, chance: random.Random) -> Any:
    schema = msgspec.json.decode(payload[0]["schema"])
    return [{**payload[0], "schema": msgspec.json.encode(mangled(schema, chance))}, *payload[1:]]


@pytest.mark.parametrize("seed", range(6))
def test_forged_records_are_refused_or_give_an_index_that_answers(made: Made, tmp_path: Path, seed: int) -> None:
    """What is forged well enough may say anything, but nothing in it breaks another rule than that."""
    for number, at in itertools.product(range(4), range(len(made.payloads))):
        chance = random.Random(f"{seed} {number} {at}")
        payload = msgspec.msgpack.decode(made.payloads[at])
        if "schema" in payload[0] and chance.random() < 0.5:
            payload = _schema_mangled(payload, chance)
        else:
            payload = mangled(payload, chance)
        each = [*made.payloads[:at], msgspec.msgpack.encode(payload), *made.payloads[at + 1 :]]
        _sound(forged(made, tmp_path / "index", each), (seed, number, at, payload))


def _sound(folder: Path, of: object) -> None:
    try:
        said = list(opened(folder))
        list(generations.verify(folder))
    except SegdexError as error:
        raise AssertionError(f"{of}: {type(error).__name__}") from error
    except Exception as error:
        raise AssertionError(f"{of}") from error
    assert said[0] == said[1], of
    for each in said:
        if each is not None:
            everyone, x, n, t, _, rest, *_ = each[2]
            assert (everyone - x, n, everyone) == (rest, t, len(each[3])), of


# --- the section of what is kept -------------------------------------------------------------------------------------


def test_a_forged_section_of_what_is_kept(tmp_path: Path) -> None:
    index = segdex.build(SCHEMA, as_of="2026-06-21T00:00:00Z", sources=BEGUN)
    index.apply(rows("a"), source="f", offset=3)
    index.advance("2026-06-22T00:00:00Z")
    good = msgspec.msgpack.decode(index._changer.more())
    assert good["feed"]
    for number in range(80):
        more = msgspec.msgpack.encode(mangled(good, random.Random(number)))
        folder = tmp_path / f"{number}"
        generations.save(index._changer.refolded(), folder, Quick(), more=more)
        _sound(folder, (number, more))


def _label_stream(ids: pa.Array, offsets: list[int] | None = None) -> bytes:
    labels = pa.array(["a", "b", "c"], pa.large_string())
    if offsets is not None:
        buffers = [None, pa.py_buffer(np.array(offsets, np.int64).tobytes()), pa.py_buffer(b"abc")]
        labels = pa.Array.from_buffers(pa.large_string(), 3, buffers)
    batch = pa.record_batch([ids, labels], names=["id", "label"])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue().to_pybytes())


@pytest.mark.parametrize(
    ("ids", "offsets"),
    [
        (pa.array([-1, -2, 0], pa.int64()), None),
        (pa.array([0, 1, 5], pa.uint32()), None),
        (pa.array([2, 1, 0], pa.uint32()), None),
        (pa.array([0, 1, 1], pa.uint32()), None),
        (pa.array([0, 1, None], pa.uint32()), None),
        (pa.array([0, 1, 2], pa.uint32()), [0, 3, 2, 3]),
        (pa.array([0, 1, 2], pa.uint32()), [0, 1 << 40, 2, 3]),
    ],
)
def test_a_forged_label_is_refused(ids: pa.Array, offsets: list[int] | None) -> None:
    with pytest.raises(CorruptError):
        _columns(Load(b"", "x", table=_label_stream(ids, offsets)), 5)


def test_a_label_as_it_is_written() -> None:
    held = _columns(Load(b"", "x", table=_label_stream(pa.array([0, 1, 4], pa.uint32()))), 5)["x"]
    assert held.data.tolist() == [0, 1, -1, -1, 2]

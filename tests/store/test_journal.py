from __future__ import annotations

import contextlib
import dataclasses
import errno
import logging
import os
import threading
import uuid
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segdex.errors import ClosedError, CorruptError, LockedError, StorageError, VersionError
from segdex.store import journal as module
from segdex.store.container import HEADER, Identity, Writer, header_bytes
from segdex.store.folder import CURRENT, LOCK, file_name, journal_name
from segdex.store.journal import Journal, encoded, read
from segdex.store.lock import Lock
from segdex.store.os import OperatingSystem
from segdex.store.snapshot import commit, forget_older, open_current, verify
from tests.store.faulty import Faulty

SYSTEM = OperatingSystem()
PAYLOADS = [b"", b"a", b"12345678", bytes(9), b"last one"]


def fill(writer: Writer) -> None:
    writer.add_bytes("some", b"thing")


def begun(folder: Path) -> Identity:
    return commit(folder, fill, SYSTEM)


def journalled(folder: Path, payloads: list[bytes]) -> tuple[Identity, Path]:
    """An index with a journal that holds *payloads*."""
    identity = begun(folder)
    journal, _ = Journal.open(folder, identity, SYSTEM)
    for payload in payloads:
        journal.append(payload)
    journal.close()
    return identity, folder / journal_name(identity.generation)


def recovered(folder: Path, identity: Identity) -> tuple[list[bytes], int]:
    """The payloads that a writer finds, and the bytes that it cuts."""
    journal, found = Journal.open(folder, identity, SYSTEM)
    journal.close()
    first = identity.last_sequence + 1
    assert [sequence for sequence, _ in found.records] == list(range(first, first + len(found.records)))
    assert journal.sequence == identity.last_sequence + len(found.records)
    assert journal.size == (folder / journal_name(identity.generation)).stat().st_size
    return [payload for _, payload in found.records], found.cut


def seen(folder: Path, identity: Identity) -> list[bytes]:
    return [payload for _, payload in read(folder, identity, SYSTEM)[0]]


def test_what_is_appended_is_recovered_in_order(tmp_path):
    identity = commit(tmp_path, fill, SYSTEM, last_sequence=7)
    journal, found = Journal.open(tmp_path, identity, SYSTEM)
    assert (found.records, found.cut, journal.size, journal.sequence) == ([], 0, HEADER.size, 7)
    assert [journal.append(payload) for payload in PAYLOADS] == [8, 9, 10, 11, 12]
    assert journal.append(memoryview(b"view")) == 13
    journal.close()
    journal.close()
    assert recovered(tmp_path, identity) == ([*PAYLOADS, b"view"], 0)
    assert recovered(tmp_path, identity) == ([*PAYLOADS, b"view"], 0)
    assert seen(tmp_path, identity) == [*PAYLOADS, b"view"]
    assert list(verify(tmp_path, SYSTEM)) == []
    with pytest.raises(ClosedError, match="the journal was closed"):
        journal.append(b"x")


def test_numbers_go_on_over_generations(tmp_path):
    identity, _ = journalled(tmp_path, PAYLOADS)
    second = commit(tmp_path, fill, SYSTEM, last_sequence=5, since=identity.generation)
    assert second.last_sequence == 5
    assert seen(tmp_path, second) == []
    journal, _ = Journal.open(tmp_path, second, SYSTEM)
    assert journal.append(b"six") == 6
    journal.close()
    assert commit(tmp_path, fill, SYSTEM).last_sequence == 6  # one that replaces all
    assert commit(tmp_path, fill, SYSTEM).last_sequence == 6


def test_journals_go_with_their_generations(tmp_path):
    for number in (1, 2, 3):
        journal, _ = Journal.open(tmp_path, begun(tmp_path), SYSTEM)
        journal.append(b"x")
        journal.close()
        kept = range(max(1, number - 1), number + 1)
        names = {CURRENT, LOCK, *map(file_name, kept), *map(journal_name, kept)}
        assert set(os.listdir(tmp_path)) == names
    begun_again = commit(tmp_path, fill, SYSTEM, last_sequence=3, keep=1)
    assert set(os.listdir(tmp_path)) == {CURRENT, LOCK, file_name(4)}
    assert begun_again == Identity(begun_again.store, 4, 3)


def test_what_an_erasure_that_was_cut_short_has_left_is_removed(tmp_path):
    journalled(tmp_path, [b"a"])
    system = Faulty()
    system.remove = lambda path: (_ for _ in ()).throw(StorageError("no", place=str(path)))  # type: ignore[method-assign]
    with pytest.raises(StorageError):
        commit(tmp_path, fill, system, last_sequence=1, keep=1)
    with Lock.take(tmp_path, SYSTEM) as lock:
        Journal.open(tmp_path, open_current(tmp_path, SYSTEM).identity, SYSTEM, lock)[0].close()
        assert journal_name(1) in os.listdir(tmp_path)
        for _ in range(2):
            recorded = Faulty()
            forget_older(tmp_path, recorded, lock)
            assert recorded.calls[-1] == "fsync"
            assert set(os.listdir(tmp_path)) == {CURRENT, LOCK, file_name(2), journal_name(2)}
        (tmp_path / file_name(1)).touch()
        (tmp_path / file_name(2)).write_bytes(b"damaged")
        with pytest.raises(CorruptError):
            forget_older(tmp_path, SYSTEM, lock)
        assert file_name(1) in os.listdir(tmp_path)


def test_no_generation_gets_a_journal_that_was_there_before(tmp_path):
    begun(tmp_path)
    (tmp_path / journal_name(7)).write_bytes(b"of nobody")
    assert begun(tmp_path).generation == 8
    assert journal_name(7) not in os.listdir(tmp_path)


def test_where_nothing_may_remain_what_cannot_be_removed_is_an_error(tmp_path):
    begun(tmp_path)
    system = Faulty()
    system.remove = lambda path: (_ for _ in ()).throw(StorageError("no", place=str(path)))  # type: ignore[method-assign]
    with pytest.raises(StorageError, match=r"generation-00000001.segdex: no"):
        commit(tmp_path, fill, system, keep=1)
    assert open_current(tmp_path, SYSTEM).identity.generation == 2


@pytest.mark.parametrize("last_sequence", [None, 0, 1])
def test_accepted_batches_are_not_lost_to_a_writer_that_does_not_know_them(tmp_path, last_sequence):
    identity, _ = journalled(tmp_path, [b"a", b"b"])
    with pytest.raises(LockedError, match=r"another writer changed this index since.*found batch 2"):
        commit(tmp_path, fill, SYSTEM, last_sequence=last_sequence, since=identity.generation)
    assert seen(tmp_path, identity) == [b"a", b"b"]


def test_a_damaged_journal_is_replaced_only_by_an_index_that_replaces_all(tmp_path):
    identity, path = journalled(tmp_path, [b"a", b"b"])
    data = bytearray(path.read_bytes())
    data[HEADER.size] ^= 1
    path.write_bytes(data)
    with pytest.raises(CorruptError, match="good ones follow"):
        commit(tmp_path, fill, SYSTEM, last_sequence=2, since=identity.generation)
    assert begun(tmp_path).generation == 2


# --- readers -----------------------------------------------------------------------------------------------------


class ReadsOnly(OperatingSystem):
    """Refuses every call that changes anything, and counts the bytes that are read."""

    def __init__(self) -> None:
        self.bytes = 0
        self.calls: list[str] = []

    def perform(self, function, *arguments, **named):
        assert function in (os.open, os.pread, os.fstat)
        self.calls.append(function.__name__)
        given = super().perform(function, *arguments, **named)
        self.bytes += len(given) if function is os.pread else 0
        return given


def test_a_reader_follows(tmp_path):
    identity = begun(tmp_path)
    assert read(tmp_path, identity, SYSTEM)[0] == []
    records, position = read(tmp_path, identity, SYSTEM)  # there is no journal yet
    journal, _ = Journal.open(tmp_path, identity, SYSTEM)
    for number, payload in enumerate(PAYLOADS, 1):
        assert read(tmp_path, identity, SYSTEM, position)[0] == []
        journal.append(payload)
        records, position = read(tmp_path, identity, SYSTEM, position)
        assert records == [(number, payload)]
        assert (position.sequence, position.offset) == (number, journal.size)
        journal.close()
        journal, _ = Journal.open(tmp_path, identity, SYSTEM)  # the file is another one now
    system = ReadsOnly()
    assert read(tmp_path, identity, system, position) == ([], position)
    assert (system.calls, system.bytes) == (["open", "fstat", "pread"], 8)
    journal.close()
    (tmp_path / journal_name(1)).unlink()
    assert read(tmp_path, identity, SYSTEM, position) == ([], position)


def test_an_incomplete_record_is_the_end_for_now(tmp_path):
    identity, path = journalled(tmp_path, [b"one"])
    whole = path.read_bytes()
    records, position = read(tmp_path, identity, SYSTEM)
    following = bytes(encoded(b"two, longer", 2, identity))
    for length in range(len(following)):
        path.write_bytes(whole + following[:length])
        assert read(tmp_path, identity, ReadsOnly()) == (records, position)
        assert read(tmp_path, identity, ReadsOnly(), position) == ([], position)
        assert list(verify(tmp_path, SYSTEM)) == []
    path.write_bytes(whole + following)
    assert read(tmp_path, identity, SYSTEM, position)[0] == [(2, b"two, longer")]


def test_a_journal_that_lost_what_was_read_is_noticed(tmp_path):
    identity, path = journalled(tmp_path, [b"one", b"two"])
    _, position = read(tmp_path, identity, SYSTEM)
    whole = path.read_bytes()
    other = whole[: -len(encoded(b"two", 2, identity))] + encoded(b"TWO", 2, identity) + encoded(b"3", 3, identity)
    for data in (whole[:-1], whole[:-40], whole[: HEADER.size], b"", other):
        path.write_bytes(data)
        with pytest.raises(CorruptError, match=r"no longer holds what was read from it.*; open the index again"):
            read(tmp_path, identity, SYSTEM, position)


def test_a_reader_beside_a_writer_misses_nothing(tmp_path):
    identity = begun(tmp_path)
    journal, _ = Journal.open(tmp_path, identity, SYSTEM)
    count, odd, ended = 300, [], threading.Event()

    def follow() -> None:
        position, sequences, last = None, [], False
        try:
            while not last:
                last = ended.is_set()
                records, position = read(tmp_path, identity, SYSTEM, position)
                assert all(payload == bytes([sequence % 256]) * sequence for sequence, payload in records)
                sequences += [sequence for sequence, _ in records]
            assert sequences == list(range(1, count + 1))
        except BaseException as error:
            odd.append(error)

    threads = [threading.Thread(target=follow) for _ in range(2)]
    for thread in threads:
        thread.start()
    for sequence in range(1, count + 1):
        journal.append(bytes([sequence % 256]) * sequence)
        if sequence % 50 == 0:
            journal.close()
            journal, _ = Journal.open(tmp_path, identity, SYSTEM)
    ended.set()
    for thread in threads:
        thread.join()
    journal.close()
    assert odd == []


def test_appends_of_many_threads_are_all_there(tmp_path):
    identity = begun(tmp_path)
    journal, _ = Journal.open(tmp_path, identity, SYSTEM)
    given: dict[int, bytes] = {}

    def work(name: int) -> None:
        for number in range(20):
            payload = f"{name}/{number}".encode()
            given[journal.append(payload)] = payload

    threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal.close()
    assert dict(read(tmp_path, identity, SYSTEM)[0]) == given
    assert sorted(given) == list(range(1, 81))


# --- damage ------------------------------------------------------------------------------------------------------


def test_a_torn_tail_is_cut_and_logged_without_what_it_holds(tmp_path, caplog):
    identity, path = journalled(tmp_path, [b"one", b"SECRET of a customer"])
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    with caplog.at_level(logging.WARNING, "segdex"):
        payloads, cut = recovered(tmp_path, identity)
    assert (payloads, cut) == ([b"one"], len(encoded(b"SECRET of a customer", 2, identity)) - 9)
    assert f"{path}: {cut} bytes of an incomplete record were cut" in caplog.text
    assert "SECRET" not in caplog.text
    assert recovered(tmp_path, identity) == ([b"one"], 0)


@pytest.mark.parametrize("tail", [b"\0" * 7, b"\0" * 5000, b"x" * 31, b"\xff" * 33, bytes(range(256)) * 20])
def test_a_tail_of_anything_is_cut_and_shown_by_verify(tmp_path, tail):
    identity, path = journalled(tmp_path, [b"one"])
    path.write_bytes(path.read_bytes() + tail)
    assert seen(tmp_path, identity) == [b"one"]
    problems = [str(problem) for problem in verify(tmp_path, SYSTEM)]
    assert len(problems) == (len(tail) >= 24)
    assert all("the last record is damaged" in problem and str(path) in problem for problem in problems)
    assert recovered(tmp_path, identity) == ([b"one"], len(tail))


def outcomes(folder: Path, identity: Identity) -> list[list[bytes]]:
    """What a reader and a writer make of a journal; those that refuse are left out."""
    found = []
    with contextlib.suppress(CorruptError):
        found.append(seen(folder, identity))
    with contextlib.suppress(CorruptError):
        found.append(recovered(folder, identity)[0])
    return found


def test_every_flipped_byte_is_refused_or_leaves_a_prefix(tmp_path):
    identity, path = journalled(tmp_path, PAYLOADS)
    good = path.read_bytes()
    last = len(good) - len(encoded(PAYLOADS[-1], len(PAYLOADS), identity))
    for place in range(len(good)):
        for bit in (0x01, 0x80, 0xFF):
            path.write_bytes(good[:place] + bytes([good[place] ^ bit]) + good[place + 1 :])
            expected = [PAYLOADS[:-1]] * 2 if place >= last else []  # what is not last is seen to be damaged
            if expected:
                assert list(verify(tmp_path, SYSTEM)) != []
            assert outcomes(tmp_path, identity) == expected, place


def test_damage_is_named_by_file_and_offset(tmp_path):
    identity, path = journalled(tmp_path, PAYLOADS)
    good = path.read_bytes()
    second = HEADER.size + len(encoded(PAYLOADS[0], 1, identity))
    third = second + len(encoded(PAYLOADS[1], 2, identity))
    for place in range(second, third):
        path.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        message = rf"{path.name}, journal, offset {second}: a record is damaged.* record 2; .* at offset {third}$"
        for call in (read, Journal.open):
            with pytest.raises(CorruptError, match=message):
                call(tmp_path, identity, SYSTEM)
        assert [type(problem) for problem in verify(tmp_path, SYSTEM)] == [CorruptError]


def test_every_length_is_refused_or_leaves_a_prefix(tmp_path):
    identity, path = journalled(tmp_path, PAYLOADS)
    good = path.read_bytes()
    ends = [HEADER.size]
    for sequence, payload in enumerate(PAYLOADS, 1):
        ends.append(ends[-1] + len(encoded(payload, sequence, identity)))
    assert ends[-1] == len(good)
    for length in range(len(good)):
        path.write_bytes(good[:length])
        whole = sum(end <= length for end in ends) - 1
        assert outcomes(tmp_path, identity) == ([PAYLOADS[:whole]] * 2 if whole >= 0 else []), length


def test_a_record_that_promises_more_than_there_is_before_good_ones(tmp_path):
    identity, path = journalled(tmp_path, [b"one"])
    long = bytes(encoded(bytes(5000), 2, identity))
    path.write_bytes(path.read_bytes() + long[:800] + encoded(b"three", 3, identity))
    assert seen(tmp_path, identity) == [b"one"]  # it may be growing
    with pytest.raises(CorruptError, match="good ones follow"):
        Journal.open(tmp_path, identity, SYSTEM)
    assert len(list(verify(tmp_path, SYSTEM))) == 1


def test_records_that_are_swapped_doubled_left_out_or_of_another_place_are_refused(tmp_path):
    identity, path = journalled(tmp_path, [])
    header = path.read_bytes()
    one, two, three = (bytes(encoded(b"equal", sequence, identity)) for sequence in (1, 2, 3))
    for order in ([two], [two, one], [one, three], [three, two, one], [one, one, two], [two, three]):
        path.write_bytes(header + b"".join(order))
        assert outcomes(tmp_path, identity) == []
    for other in (dataclasses.replace(identity, store=uuid.uuid4()), dataclasses.replace(identity, generation=2)):
        path.write_bytes(header + one + encoded(b"equal", 2, other))
        assert outcomes(tmp_path, identity) == [[b"equal"]] * 2


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"store": uuid.UUID(int=5)}, "store"),
        ({"generation": 9}, "generation"),
        ({"last_sequence": 9}, "last sequence"),
    ],
)
def test_a_journal_of_another_place_is_refused(tmp_path, change, name):
    identity, path = journalled(tmp_path, [b"x"])
    path.write_bytes(header_bytes(module.MAGIC, dataclasses.replace(identity, **change)))
    for call in (read, Journal.open):
        with pytest.raises(CorruptError, match=f"does not follow this generation: its {name} differs"):
            call(tmp_path, identity, SYSTEM)
    assert [type(problem) for problem in verify(tmp_path, SYSTEM)] == [CorruptError]


@pytest.mark.parametrize("change", [{"generation": 2**63}, {"last_sequence": 2**64 - 1}])
def test_numbers_that_leave_no_room_are_refused(tmp_path, change):
    identity, path = journalled(tmp_path, [b"x"])
    path.write_bytes(header_bytes(module.MAGIC, dataclasses.replace(identity, **change)))
    with pytest.raises(CorruptError, match="header, offset 32: a number is out of range"):
        read(tmp_path, identity, SYSTEM)


def test_a_newer_journal_is_refused_as_such(tmp_path):
    identity, path = journalled(tmp_path, [b"x"])
    data = bytearray(path.read_bytes())
    data[8] = 2
    data[56:64] = module.checksum(bytes(data[:56])).to_bytes(8, "little")
    path.write_bytes(data)
    for call in (read, Journal.open):
        with pytest.raises(VersionError, match="newer version"):
            call(tmp_path, identity, SYSTEM)
    assert [type(problem) for problem in verify(tmp_path, SYSTEM)] == [VersionError]
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(CorruptError, match="found a pipe"):
        read(tmp_path, identity, SYSTEM)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    payloads=st.lists(st.binary(max_size=40), max_size=6),
    edits=st.lists(st.tuples(st.integers(0, 400), st.binary(min_size=1, max_size=30), st.booleans()), max_size=3),
)
def test_whatever_is_written_into_a_journal_the_records_found_are_a_prefix(tmp_path, payloads, edits):
    folder = tmp_path / uuid.uuid4().hex
    identity, path = journalled(folder, payloads)
    data = bytearray(path.read_bytes())
    for place, new, over in edits:
        data[place : place + (len(new) if over else 0)] = new
    path.write_bytes(data)
    for found in outcomes(folder, identity):
        assert found == payloads[: len(found)]


def test_a_length_that_the_file_does_not_have_takes_no_memory(tmp_path):
    identity, path = journalled(tmp_path, [])
    seed = module._seed(identity, 1)
    for length in (100, 1 << 40, 2**63 - 1, 2**64 - 1):
        head = module.HEAD.pack(
            length, 1, module.checksum(length.to_bytes(8, "little") + (1).to_bytes(8, "little"), seed)
        )
        path.write_bytes(path.read_bytes()[: HEADER.size] + head + bytes(50))
        assert seen(tmp_path, identity) == []


# --- failing calls -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["write", "sync"])
def test_after_a_failed_append_nothing_more_is_taken(tmp_path, call, monkeypatch):
    identity = begun(tmp_path)
    system = OperatingSystem()
    journal, _ = Journal.open(tmp_path, identity, system)
    journal.append(b"one")

    def fail(*_arguments: object) -> None:
        raise StorageError("cannot write: No space left on device (ENOSPC)")

    with monkeypatch.context() as patch:
        patch.setattr(system, call, fail)
        with pytest.raises(StorageError, match="ENOSPC"):
            journal.append(b"two")
    for _ in range(2):
        with pytest.raises(StorageError, match=r"an earlier write to the journal failed.*; open the index again"):
            journal.append(b"three")
    assert journal.sequence == 1
    journal.close()
    assert recovered(tmp_path, identity)[0] == ([b"one", b"two"] if call == "sync" else [b"one"])


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
@pytest.mark.parametrize("lasting", [False, True])
def test_opening_may_fail_anywhere_and_loses_nothing(tmp_path, number, lasting):
    identity, path = journalled(tmp_path, PAYLOADS)
    path.write_bytes(path.read_bytes() + b"torn")
    system = Faulty()
    Journal.open(tmp_path, identity, system)[0].close()
    for at in range(len(system.calls) - 1):  # the last call closes it
        with pytest.raises(StorageError, match=errno.errorcode[number]):
            Journal.open(tmp_path, identity, Faulty(at, number, lasting))
        assert seen(tmp_path, identity) == PAYLOADS
    assert recovered(tmp_path, identity)[0] == PAYLOADS
    assert set(os.listdir(tmp_path)) == {CURRENT, LOCK, file_name(1), journal_name(1)}


def test_short_writes_are_continued(tmp_path):
    identity = begun(tmp_path)
    journal, _ = Journal.open(tmp_path, identity, Faulty(short=True))
    journal.append(b"x" * 1000)
    journal.close()
    assert recovered(tmp_path, identity) == ([b"x" * 1000], 0)


def test_only_the_current_generation_has_a_writer(tmp_path):
    first = begun(tmp_path)
    begun(tmp_path)
    with pytest.raises(LockedError, match=r"another writer saved this index since.*found generation 2"):
        Journal.open(tmp_path, first, SYSTEM)


def test_no_descriptor_stays_open(tmp_path):
    if not Path("/proc/self/fd").exists():
        pytest.skip("this operating system does not list descriptors")
    identity, _ = journalled(tmp_path, PAYLOADS)
    system = Faulty()
    Journal.open(tmp_path, identity, system)[0].close()
    for at in range(len(system.calls) - 1):
        with contextlib.suppress(StorageError):
            Journal.open(tmp_path, identity, Faulty(at))
    read(tmp_path, identity, SYSTEM)
    found = []
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            found.append(os.readlink(f"/proc/self/fd/{name}"))
    assert [path for path in found if path.startswith(str(tmp_path))] == []

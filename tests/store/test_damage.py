"""Every byte flipped, every length cut: refused, or a prefix of what was accepted; and what each check is there for."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from segdex.errors import LockedError, SegdexError
from segdex.store import container, folder, journal, snapshot
from segdex.store.folder import CURRENT, file_name, journal_name
from segdex.store.journal import Journal
from segdex.store.lock import Lock
from segdex.store.os import NewFile, OperatingSystem
from tests.store.crash import Follower, Held, Store, payload
from tests.store.disk import Quick, restore

SYSTEM = Quick()
FILES = (CURRENT, file_name(2), journal_name(2))


def made(place: Path) -> tuple[dict[str, bytes], Held]:
    """The files of a small store with an older generation and a journal, and what it holds."""
    place.mkdir()
    store = Store(place, SYSTEM)
    for number in range(4):
        store.append(payload(number))
    store.fold(store.held, keep=2)
    for number in range(4, 9):
        store.append(payload(number))
    store.close()
    return {path.name: path.read_bytes() for path in place.iterdir()}, store.held


def changed(data: bytes) -> Iterator[tuple[str, bytes]]:
    """A file with each byte flipped in three ways, and of every shorter length."""
    for place in range(len(data)):
        for bit in (0x01, 0x80, 0xFF):
            yield f"byte {place} ^ {bit:#x}", data[:place] + bytes([data[place] ^ bit]) + data[place + 1 :]
    for length in range(len(data)):
        yield f"{length} bytes", data[:length]


def prefix(found: Held, held: Held) -> bool:
    """Whether *found* is what the store held after some batch since its generation."""
    return held[0] >= found[0] >= 4 and found[1] == held[1][: found[0]]


def wrong(place: Path, name: str) -> Iterator[str]:
    """What is neither refused nor a prefix, or is not shown by verify, when the file of this name is damaged."""
    files, held = made(place / "made")
    views: tuple[Callable[[Path], Held], ...] = (lambda path: Follower(path).refresh(), written)
    for how, data in changed(files[name]):
        cut = name.startswith("journal") and how.endswith(
            "bytes"
        )  # a shorter journal may be one that was not yet longer
        for view in views:
            damaged = restore(files | {name: data}, place / "damaged")
            if not cut and not any(snapshot.verify(damaged, SYSTEM)):
                yield f"{name}, {how}: verify finds nothing"
            try:
                found = view(damaged)
            except SegdexError:
                continue
            except Exception as error:
                yield f"{name}, {how}: {type(error).__name__}: {error}"
                continue
            if not prefix(found, held) or not name.startswith("journal"):
                yield f"{name}, {how}: {found}"


def written(place: Path) -> Held:
    store = Store(place, SYSTEM)
    store.close()
    return store.held


@pytest.mark.parametrize("name", FILES)
def test_every_flip_and_every_length(tmp_path, name):
    assert list(wrong(tmp_path, name)) == []


# --- checksums that are taken away -------------------------------------------------------------------------------


def trusting(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take one check away."""
    if name == "CURRENT":
        monkeypatch.setattr(folder, "checksum", lambda _data, _seed=0: 0)
    elif name == "header":
        read = container.read_header

        def lenient(data, magic, path):
            repaired = bytearray(data[: container.HEADER.size])
            seal = container.checksum(bytes(repaired[:-8]))
            return read(bytes(repaired[:-8]) + seal.to_bytes(8, "little"), magic, path)

        monkeypatch.setattr(container, "read_header", lenient)
        monkeypatch.setattr(journal, "read_header", lenient)
    elif name == "footer or contents":
        monkeypatch.setattr(container.Reader, "_check_seal", lambda *_arguments, **_named: None)
    elif name == "section":
        monkeypatch.setattr(container.Reader, "_damage", lambda *_arguments: iter(()))
    elif name == "head of a record":

        def promised(self, at, _sequence):
            if len(self._data) - at < journal.HEAD.size:
                return None
            return journal._size(journal.HEAD.unpack_from(self._data, at)[0])

        monkeypatch.setattr(journal._Scan, "_promised", promised)
    else:
        assert name == "record"

        def good(self, at, sequence):
            size = self._promised(at, sequence)
            return at + size if size is not None and size <= len(self._data) - at else None

        monkeypatch.setattr(journal._Scan, "_good", good)


@pytest.mark.parametrize(
    ("check", "name"),
    [
        ("CURRENT", CURRENT),
        ("header", file_name(2)),
        ("header", journal_name(2)),
        ("footer or contents", file_name(2)),
        ("section", file_name(2)),
        ("head of a record", journal_name(2)),
        ("record", journal_name(2)),
    ],
)
def test_without_any_one_checksum_damage_is_not_seen(tmp_path, monkeypatch, check, name):
    trusting(check, monkeypatch)
    assert any(wrong(tmp_path, name))


def taken_for_its_own(place: Path) -> bool:
    """Whether a record of another store, or of another generation, is taken where it is put into a journal."""
    place.mkdir()
    files, held = made(place / "made")
    identity = snapshot.open_current(place / "made", SYSTEM).identity
    for other in (dataclasses.replace(identity, store=uuid.uuid4()), dataclasses.replace(identity, generation=1)):
        data = files[journal_name(2)] + journal.encoded(b"foreign", 10, other)
        if Follower(restore(files | {journal_name(2): data}, place / "damaged")).refresh() != held:
            return True
    return False


def test_a_record_fits_one_journal(tmp_path, monkeypatch):
    assert not taken_for_its_own(tmp_path / "a")
    monkeypatch.setattr(journal, "_seed", lambda _identity, _sequence: 0)
    assert taken_for_its_own(tmp_path / "b")


# --- locks that are taken away -----------------------------------------------------------------------------------


def two_writers(place: Path) -> bool:
    """Whether two writers can be at work at once."""
    first = Store(place, SYSTEM)
    try:
        second = Store(place, SYSTEM)
    except LockedError:
        return False
    finally:
        first.close()
    second.close()
    return True


def test_without_the_lock_there_are_two_writers(tmp_path, monkeypatch):
    assert not two_writers(tmp_path)

    def unlocked(self: OperatingSystem, path: Path) -> NewFile:
        return self.append_to(path) if self.exists(path) else self.create(path)

    monkeypatch.setattr(OperatingSystem, "lock", unlocked)
    assert two_writers(tmp_path)


def test_a_journal_of_a_writer_that_let_its_lock_go_takes_nothing(tmp_path, monkeypatch):
    store = Store(tmp_path, SYSTEM)
    store.lock.close()
    with pytest.raises(SegdexError, match="let its lock go"):
        store.append(b"x")
    monkeypatch.setattr(Lock, "check", lambda _self: None)
    other = Store(tmp_path, SYSTEM)
    store.append(b"lost")  # into a file that the other one replaced
    other.append(b"kept")
    store.journal.close()
    other.close()
    assert Follower(tmp_path).refresh() == (1, (b"kept",))


def test_what_a_journal_follows_must_be_current(tmp_path):
    store = Store(tmp_path, SYSTEM)
    identity = snapshot.open_current(tmp_path, SYSTEM).identity
    store.fold(store.held, keep=2)
    store.close()
    with pytest.raises(LockedError, match="another writer saved"):
        Journal.open(tmp_path, identity, SYSTEM)

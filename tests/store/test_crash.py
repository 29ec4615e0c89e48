"""The crash matrix in the suite, and the proof that it sees: each protection taken away leaves a violation.

Protections against damage are taken away in `tests/store/test_damage.py`, locks in `tests/store/test_lock.py`.
"""

from __future__ import annotations

import itertools
import logging
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from segdex.errors import StorageError
from segdex.store import folder, journal
from segdex.store.journal import Journal
from tests.store import crash
from tests.store.crash import failures, memory, power_losses, scenario, two_losses
from tests.store.disk import Disk, Failure, File, State, after_power_loss, restore


@pytest.fixture
def place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=memory()) as name:
        yield Path(name)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Torn tails are cut by the thousand."""
    logger = logging.getLogger("segdex")
    before = logger.level
    logger.setLevel(logging.ERROR)
    yield
    logger.setLevel(before)


# --- the matrix --------------------------------------------------------------------------------------------------


def test_a_power_loss_at_any_time_loses_nothing_acknowledged(place):
    assert list(power_losses(place, appends=220, step=11, start=4)) == []


def test_a_second_power_loss_while_the_first_is_recovered_from(place):
    assert list(two_losses(place, appends=40, step=67, start=5)) == []


def test_a_failure_of_any_call_loses_nothing_acknowledged(place):
    assert list(failures(place, appends=30, step=17, start=3)) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("run", "arguments"),
    [(power_losses, {"appends": 220}), (two_losses, {"appends": 24, "step": 5}), (failures, {"appends": 30})],
)
def test_all_of_the_matrix(place, run, arguments):
    assert list(run(place, **arguments)) == []


def test_the_scenario_does_what_it_should(place):
    life = scenario(place / "life", 220)
    assert life.problems == []
    assert life.known[0] == 220
    assert set(life.disk.syncs) == set(SYNCS)
    assert len(life.disk.states) > 1000
    files = [name for state in life.disk.states for name in after_power_loss(state, "everything", 0)]
    assert {name.partition("-")[0] for name in files if not name.endswith("tmp")} == {
        "CURRENT", "LOCK", "generation", "journal"}  # fmt: skip


# --- protections that are taken away -----------------------------------------------------------------------------

SYNCS = (
    "generation", "CURRENT", "journal", "append",
    "folder after generation", "folder after CURRENT", "folder after journal", "folder after remove",
)  # fmt: skip


@pytest.mark.parametrize("sync", SYNCS)
def test_without_any_one_sync_something_is_lost(place, sync):
    assert any(power_losses(place, appends=24, seeds=4, deaf=sync, modes=["nothing", "apart"]))


def go_on(self, payload):
    """`Journal.append` as it would be without its memory."""
    self._sound = True
    return append(self, payload)


append = Journal.append


def test_without_refusing_after_a_failure_something_is_lost(place, monkeypatch):
    monkeypatch.setattr(Journal, "append", go_on)
    assert any(failures(place, appends=20, kinds=["EIO"]))


@pytest.mark.parametrize(
    "spared",
    [lambda target, system: target.name.startswith("journal") and system.exists(target),
     lambda target, _system: target.name == "CURRENT"],
    ids=["journal", "CURRENT"],
)  # fmt: skip
def test_without_writing_a_file_again_something_is_lost(place, monkeypatch, spared):
    rewrite = journal.rewrite

    def keep(target, system, write):
        if not spared(target, system):
            rewrite(target, system, write)

    monkeypatch.setattr(journal, "rewrite", keep)
    assert any("power loss" in problem for *_, problem in failures(place, appends=20, kinds=["EIO"]))


def test_without_temporary_files_something_is_lost(place, monkeypatch):
    def in_place(target, system, write):
        if system.exists(target):
            system.remove(target)
        file = system.create(target)
        write(file)
        system.sync(file)
        system.close(file)

    monkeypatch.setattr(journal, "rewrite", in_place)
    monkeypatch.setattr(folder, "rewrite", in_place)
    monkeypatch.setattr(Disk, "label", lambda _self, _descriptor: "")
    assert any(power_losses(place, appends=10))


def test_without_the_checksum_of_a_record_something_false_is_read(place, monkeypatch):
    def trusting(self, at, sequence):
        size = self._promised(at, sequence)
        return at + size if size is not None and size <= len(self._data) - at else None

    monkeypatch.setattr(journal._Scan, "_good", trusting)
    assert any(power_losses(place, appends=24, seeds=4, modes=["reordered"]))


# --- the disk itself ---------------------------------------------------------------------------------------------


def modes_of(state: State) -> dict[str, dict[str, bytes]]:
    return {mode: after_power_loss(state, mode, 0) for mode in crash.MODES}


def test_what_is_not_synced_may_be_lost(tmp_path):
    disk = Disk(tmp_path)
    file = disk.create(tmp_path / "a")
    disk.write(file, b"12345678")
    found = modes_of(disk.states[-1])
    assert found["nothing"] == {}
    assert found["everything"] == {"a": b"12345678"}
    assert found["names"] == {"a": b""}
    disk.sync(file)
    assert modes_of(disk.states[-1])["nothing"] == {}
    assert modes_of(disk.states[-1])["names"] == {"a": b"12345678"}
    disk.sync_folder(tmp_path)
    disk.write(file, b"90")
    assert modes_of(disk.states[-1])["nothing"] == {"a": b"12345678"}
    torn = {after_power_loss(disk.states[-1], "torn", seed)["a"] for seed in range(40)}
    assert torn == {b"12345678", b"123456789", b"1234567890"}
    reordered = {after_power_loss(disk.states[-1], "reordered", seed)["a"] for seed in range(40)}
    assert reordered == {b"12345678", b"123456789", b"12345678\0000", b"1234567890"}
    disk.close(file)


def test_names_are_lost_one_by_one(tmp_path):
    disk = Disk(tmp_path)
    for name in "ab":
        file = disk.create(tmp_path / name)
        disk.write(file, name.encode())
        disk.sync(file)
        disk.close(file)
    disk.rename(tmp_path / "b", tmp_path / "c")
    found = {tuple(sorted(after_power_loss(disk.states[-1], "apart", seed).items())) for seed in range(60)}
    expected = {}
    for a, b, renamed in itertools.product((False, True), repeat=3):
        names = {"a": b"a"} if a else {}
        names |= {"c": b"b"} if renamed else {"b": b"b"} if b else {}
        expected[tuple(sorted(names.items()))] = True
    assert found == set(expected)
    disk.sync_folder(tmp_path)
    disk.remove(tmp_path / "a")
    assert set(after_power_loss(disk.states[-1], "nothing", 0)) == {"a", "c"}
    assert set(after_power_loss(disk.states[-1], "everything", 0)) == {"c"}


def test_a_failed_sync_loses_what_can_be_read_until_the_reboot(tmp_path):
    (tmp_path / "a").write_bytes(b"old ")
    disk = Disk(tmp_path, Failure(2))
    file = disk.append_to(tmp_path / "a")
    disk.write(file, b"new")
    with pytest.raises(StorageError):
        disk.sync(file)
    assert (tmp_path / "a").read_bytes() == b"old new"
    disk.write(file, b"!")
    disk.sync(file)
    assert after_power_loss(disk.states[-1], "everything", 0) == {"a": b"old \0\0\0!"}
    disk.close(file)


def test_a_short_write_and_then_none(tmp_path):
    disk = Disk(tmp_path, Failure(1, short=True))
    file = disk.create(tmp_path / "a")
    with pytest.raises(StorageError, match="ENOSPC"):
        disk.write(file, b"12345678")
    assert disk.states[-1].files == {0: File(b"", ((0, b"1234"),))}
    disk.close(file)


def test_a_folder_is_made_to_hold_files(tmp_path):
    restore({"a": b"1", "b": b"2"}, tmp_path / "x")
    restore({"b": b"3"}, tmp_path / "x")
    assert {name: (tmp_path / "x" / name).read_bytes() for name in os.listdir(tmp_path / "x")} == {"b": b"3"}

from __future__ import annotations

import errno
import os

import pytest

from segdex.errors import CorruptError, LockedError, StorageError
from segdex.store.os import OperatingSystem
from tests.store.faulty import Faulty

SYSTEM = OperatingSystem()


def test_written_bytes_are_read_and_mapped(tmp_path):
    file = SYSTEM.create(tmp_path / "f")
    SYSTEM.write(file, b"")
    SYSTEM.write(file, b"abc")
    SYSTEM.write(file, memoryview(b"defg")[1:])
    SYSTEM.sync(file)
    SYSTEM.close(file)
    assert SYSTEM.read(tmp_path / "f", 100) == b"abcefg"
    assert SYSTEM.read(tmp_path / "f", 2) == b"ab"
    assert bytes(SYSTEM.map(tmp_path / "f")) == b"abcefg"
    assert SYSTEM.map(tmp_path / "f").readonly


def test_an_empty_file_maps_to_nothing(tmp_path):
    (tmp_path / "f").touch()
    assert bytes(SYSTEM.map(tmp_path / "f")) == b""


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("/dev/zero")])
def test_only_files_are_read_and_nothing_is_waited_for(tmp_path, make):
    make(tmp_path / "f")
    for read in (SYSTEM.map, lambda path: SYSTEM.read(path, 9)):
        with pytest.raises(CorruptError, match=r"f: this is no file; found a (pipe|folder|device)"):
            read(tmp_path / "f")


def test_what_is_there(tmp_path):
    (tmp_path / "f").touch()
    assert SYSTEM.exists(tmp_path / "f")
    assert not SYSTEM.is_folder(tmp_path / "f")
    assert SYSTEM.is_folder(tmp_path)
    for absent in (tmp_path / "absent", tmp_path / "f" / "below"):
        assert not SYSTEM.exists(absent)
        assert SYSTEM.read(absent, 9) is None
    assert SYSTEM.names(tmp_path) == ["f"]


def test_a_file_is_made_once(tmp_path):
    SYSTEM.close(SYSTEM.create(tmp_path / "f"))
    with pytest.raises(StorageError, match=r"f: cannot create: File exists \(EEXIST\)"):
        SYSTEM.create(tmp_path / "f")


def test_folders_are_made_with_those_above(tmp_path):
    SYSTEM.make_folder(tmp_path / "a" / "b")
    SYSTEM.make_folder(tmp_path / "a" / "b")
    assert SYSTEM.is_folder(tmp_path / "a" / "b")
    (tmp_path / "f").touch()
    with pytest.raises(StorageError, match="a file has this name"):
        SYSTEM.make_folder(tmp_path / "f")


def test_a_relative_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    from pathlib import Path

    SYSTEM.make_folder(Path("x/y"))
    assert (tmp_path / "x" / "y").is_dir()


@pytest.mark.parametrize(
    "call",
    [
        lambda system, path: system.read(path, 9),
        lambda system, path: system.map(path),
        lambda system, path: system.exists(path),
        lambda system, path: system.names(path),
        lambda system, path: system.create(path / "new"),
        lambda system, path: system.rename(path, path / "new"),
        lambda system, path: system.remove(path),
        lambda system, path: system.sync_folder(path),
        lambda system, path: system.make_folder(path / "new"),
        lambda system, path: system.lock(path / "new"),
    ],
)
def test_every_refusal_names_path_and_reason(tmp_path, call):
    with pytest.raises(StorageError, match=r"cannot [a-z ]+: Permission denied \(EACCES\)") as caught:
        call(Faulty(0, errno.EACCES), tmp_path)
    assert str(tmp_path) in str(caught.value.place)
    assert isinstance(caught.value.__cause__, OSError)


def test_refusals_while_reading_and_locking(tmp_path):
    (tmp_path / "f").write_bytes(b"abc")
    with pytest.raises(StorageError, match="cannot measure"):
        Faulty(1).read(tmp_path / "f", 9)
    with pytest.raises(StorageError, match="cannot read"):
        Faulty(2).read(tmp_path / "f", 9)
    with pytest.raises(StorageError, match="cannot make"):
        Faulty(2).make_folder(tmp_path / "new")
    with pytest.raises(StorageError, match="cannot lock"):
        Faulty(1).lock(tmp_path / "lock")


def test_a_lock_is_held_once_and_let_go(tmp_path):
    held = SYSTEM.lock(tmp_path / "lock")
    with pytest.raises(LockedError, match="another writer"):
        SYSTEM.lock(tmp_path / "lock")
    SYSTEM.close(held)
    SYSTEM.close(SYSTEM.lock(tmp_path / "lock"))


def test_descriptors_do_not_pass_to_other_programs(tmp_path):
    file = SYSTEM.create(tmp_path / "f")
    assert not os.get_inheritable(file.descriptor)
    SYSTEM.close(file)

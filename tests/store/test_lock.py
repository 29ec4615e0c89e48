from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from segdex.errors import ArgumentError, ClosedError, LockedError
from segdex.store import folder as files
from segdex.store.folder import LOCK
from segdex.store.journal import Journal
from segdex.store.lock import Lock
from segdex.store.os import OperatingSystem
from segdex.store.snapshot import commit
from tests.store.faulty import Faulty

SYSTEM = OperatingSystem()
SOURCE = Path(files.__file__).parents[2]


def nothing(_writer: object) -> None:
    pass


def in_a_fork(call) -> str:
    """What *call* gives, or raises, in a forked child."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            answer = str(call())
        except BaseException as error:
            answer = f"{type(error).__name__}: {error}"
        os.write(writing, answer.encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading, "rb") as answers:
        return answers.read().decode()


def test_a_second_writer_is_told_who_holds_the_lock(tmp_path):
    with Lock.take(tmp_path, SYSTEM) as lock:
        lock.check()
        assert (tmp_path / LOCK).read_text().strip() == str(os.getpid())
        with pytest.raises(LockedError, match=f"another writer is at work.*; found process {os.getpid()};"):
            Lock.take(tmp_path, SYSTEM)
    lock.close()
    with pytest.raises(ClosedError, match="let its lock go"):
        lock.check()
    Lock.take(tmp_path, SYSTEM).close()


@pytest.mark.parametrize("stale", ["", "123456789012345678\n", "no number\n", "9" * 100])
def test_what_a_dead_writer_left_means_nothing(tmp_path, stale):
    (tmp_path / LOCK).write_text(stale)
    with Lock.take(tmp_path, SYSTEM):
        assert int((tmp_path / LOCK).read_bytes()[:20]) == os.getpid()
    (tmp_path / LOCK).write_text("none")
    held = SYSTEM.lock(tmp_path / LOCK)
    with pytest.raises(LockedError, match="at work on this index; an index has one writer"):
        Lock.take(tmp_path, SYSTEM)
    SYSTEM.close(held)


def test_a_lock_holds_on_a_full_disk(tmp_path):
    with Lock.take(tmp_path, Faulty(2, errno.ENOSPC)), pytest.raises(LockedError):
        Lock.take(tmp_path, SYSTEM)


def test_a_commit_under_a_lock_that_is_held(tmp_path):
    with Lock.take(tmp_path, SYSTEM) as lock:
        assert commit(tmp_path, nothing, SYSTEM, lock=lock).generation == 1
        with pytest.raises(LockedError, match="another writer"):
            commit(tmp_path, nothing, SYSTEM)
        with pytest.raises(ArgumentError, match="the lock of another folder"):
            commit(tmp_path / "other", nothing, SYSTEM, lock=lock)
    with pytest.raises(ClosedError):
        commit(tmp_path, nothing, SYSTEM, lock=lock)


def test_a_fork_of_the_writer_writes_nothing(tmp_path):
    with Lock.take(tmp_path, SYSTEM) as lock:
        identity = commit(tmp_path, nothing, SYSTEM, lock=lock)
        journal, _ = Journal.open(tmp_path, identity, SYSTEM, lock)
        alone, _ = Journal.open(tmp_path, identity, SYSTEM)
        for call in (
            lambda: journal.append(b"x"),
            lambda: alone.append(b"x"),
            lambda: commit(tmp_path, nothing, SYSTEM, lock=lock),
            lambda: Journal.open(tmp_path, identity, SYSTEM, lock),
        ):
            assert in_a_fork(call).startswith(f"LockedError: {tmp_path}")
            assert "a fork of the writer" in in_a_fork(call)
        assert in_a_fork(lock.close) == "None"
        with pytest.raises(LockedError):  # a child that lets go lets nothing go
            Lock.take(tmp_path, SYSTEM)
        for each in (journal, alone):
            each.close()


HOLDER = """
import os, sys, time
from pathlib import Path
from segdex.store.lock import Lock
from segdex.store.os import OperatingSystem

lock = Lock.take(Path(sys.argv[1]), OperatingSystem())
child = os.fork()
if child == 0:
    print(os.getpid(), flush=True)
time.sleep(60)
"""


def test_the_lock_ends_with_its_holder_though_a_fork_lives_on(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(SOURCE)},
    )  # fmt: skip
    assert process.stdout is not None
    child = int(process.stdout.readline())
    try:
        with pytest.raises(LockedError, match=f"process {process.pid};"):
            Lock.take(tmp_path, SYSTEM)
        process.send_signal(signal.SIGKILL)
        process.wait()
        os.kill(child, 0)  # it is there
        Lock.take(tmp_path, SYSTEM).close()
    finally:
        os.kill(child, signal.SIGKILL)

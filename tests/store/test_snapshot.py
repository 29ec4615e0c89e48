from __future__ import annotations

import contextlib
import errno
import logging
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from segdex.errors import ArgumentError, CorruptError, LimitError, LockedError, SegdexError, StorageError, VersionError
from segdex.store import snapshot
from segdex.store.container import Writer, checksum, hexed
from segdex.store.folder import CURRENT, LOCK, Pointer, file_name, generations, pointer
from segdex.store.os import OperatingSystem
from segdex.store.snapshot import commit, open_current, verify
from tests.store.faulty import Faulty

SYSTEM = OperatingSystem()


def holding(value: int):
    def fill(writer: Writer) -> None:
        writer.add_array("value", np.array([value]))
        writer.add_bytes("padding", bytes(100))

    return fill


def held(folder: Path) -> int:
    reader = open_current(folder, SYSTEM)
    assert len(reader.section("padding")) == 100
    return int(reader.array("value", "i8")[0])


def names(folder: Path) -> set[str]:
    return set(os.listdir(folder))


def test_generations_count_up_and_two_stay(tmp_path):
    folder = tmp_path / "a" / "index"
    first = commit(folder, holding(1), SYSTEM)
    assert (first.generation, held(folder)) == (1, 1)
    assert names(folder) == {CURRENT, LOCK, file_name(1)}
    second = commit(folder, holding(2), SYSTEM, last_sequence=7)
    assert (second.generation, second.store, held(folder)) == (2, first.store, 2)
    assert open_current(folder, SYSTEM).identity == second
    assert names(folder) == {CURRENT, LOCK, file_name(1), file_name(2)}
    commit(folder, holding(3), SYSTEM)
    assert names(folder) == {CURRENT, LOCK, file_name(2), file_name(3)}
    assert generations(folder, SYSTEM) == [2, 3]
    assert list(verify(folder, SYSTEM)) == []


def test_an_open_generation_outlives_its_file(tmp_path):
    commit(tmp_path, holding(1), SYSTEM)
    reader = open_current(tmp_path, SYSTEM)
    for value in range(2, 6):
        commit(tmp_path, holding(value), SYSTEM)
    assert not (tmp_path / file_name(1)).exists()
    assert reader.array("value", "i8").tolist() == [1]


def test_two_indexes_are_two_stores(tmp_path):
    assert commit(tmp_path / "a", holding(1), SYSTEM).store != commit(tmp_path / "b", holding(1), SYSTEM).store


def test_symlinks_are_followed(tmp_path):
    commit(tmp_path / "real", holding(1), SYSTEM)
    (tmp_path / "link").symlink_to("real", target_is_directory=True)
    commit(tmp_path / "link", holding(2), SYSTEM)
    assert held(tmp_path / "link") == held(tmp_path / "real") == 2
    (tmp_path / "real" / file_name(2)).rename(tmp_path / "elsewhere")
    (tmp_path / "real" / file_name(2)).symlink_to(tmp_path / "elsewhere")
    assert held(tmp_path / "link") == 2


class ReadsOnly(OperatingSystem):
    """Refuses every call that changes anything."""

    def perform(self, function, *arguments, **named):
        assert function in (os.open, os.read, os.pread, os.fstat, os.stat, os.listdir) or function.__name__ == "mmap"
        if function is os.open:
            assert arguments[1] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC) == 0
        return super().perform(function, *arguments, **named)


def test_a_reader_never_writes(tmp_path):
    commit(tmp_path, holding(1), SYSTEM)
    before = {path.name: path.stat() for path in tmp_path.iterdir()}
    tmp_path.chmod(0o555)
    try:
        assert open_current(tmp_path, ReadsOnly()).array("value", "i8").tolist() == [1]
        assert list(verify(tmp_path, ReadsOnly())) == []
    finally:
        tmp_path.chmod(0o755)
    after = {path.name: path.stat() for path in tmp_path.iterdir()}
    assert {k: (v.st_mtime_ns, v.st_size) for k, v in before.items()} == {
        k: (v.st_mtime_ns, v.st_size) for k, v in after.items()
    }


# --- folders that are no index -----------------------------------------------------------------------------------


def test_what_is_no_index(tmp_path):
    with pytest.raises(ArgumentError, match="no such folder"):
        open_current(tmp_path / "absent", SYSTEM)
    with pytest.raises(ArgumentError, match="not the folder of an index"):
        open_current(tmp_path, SYSTEM)
    (tmp_path / "file").write_text("x")
    with pytest.raises(ArgumentError, match="a file, not the folder"):
        open_current(tmp_path / "file", SYSTEM)
    with pytest.raises(ArgumentError, match="an index is a folder"):
        commit(tmp_path / "file", holding(1), SYSTEM)
    with pytest.raises(StorageError):
        commit(tmp_path / "file" / "below", holding(1), SYSTEM)
    with pytest.raises(ArgumentError, match="not empty and is no index; found 'file'"):
        commit(tmp_path, holding(1), SYSTEM)
    assert names(tmp_path) == {"file"}


def test_foreign_files_beside_an_index_stay(tmp_path):
    commit(tmp_path, holding(1), SYSTEM)
    for name in ("notes.txt", "generation-1.segdex", "generation-000000001.segdex", "x.tmp"):
        (tmp_path / name).write_text("x")
    for value in (2, 3, 4):
        commit(tmp_path, holding(value), SYSTEM)
    assert names(tmp_path) >= {"notes.txt", "generation-1.segdex", "generation-000000001.segdex", "x.tmp"}
    assert generations(tmp_path, SYSTEM) == [3, 4]


def test_a_generation_without_current(tmp_path):
    commit(tmp_path, holding(1), SYSTEM)
    (tmp_path / CURRENT).unlink()
    with pytest.raises(CorruptError, match="no file CURRENT"):
        open_current(tmp_path, SYSTEM)
    assert commit(tmp_path, holding(2), SYSTEM).generation == 2
    assert held(tmp_path) == 2


def test_left_overs_are_removed_by_the_next_writer(tmp_path):
    commit(tmp_path, holding(1), SYSTEM)
    (tmp_path / f"{file_name(2)}.0123456789abcdef.tmp").write_bytes(b"half")
    (tmp_path / "CURRENT.0123456789abcdef.tmp").write_bytes(b"half")
    (tmp_path / file_name(2)).write_bytes(b"never published")
    assert held(tmp_path) == 1
    assert commit(tmp_path, holding(2), SYSTEM).generation == 3
    assert names(tmp_path) == {CURRENT, LOCK, file_name(1), file_name(3)}


def test_a_stray_file_with_the_greatest_number_is_refused_and_nothing_lost(tmp_path):
    (tmp_path / file_name(10**18 - 1)).touch()
    with pytest.raises(LimitError, match="no number is left"):
        commit(tmp_path, holding(1), SYSTEM)
    (tmp_path / file_name(10**18 - 1)).unlink()
    (tmp_path / file_name(10**18 - 2)).touch()
    assert commit(tmp_path, holding(1), SYSTEM).generation == 10**18 - 1
    with pytest.raises(LimitError, match="no number is left"):
        commit(tmp_path, holding(2), SYSTEM)
    assert held(tmp_path) == 1


# --- damage ------------------------------------------------------------------------------------------------------


def test_every_flipped_truncated_and_lengthened_current_is_refused(tmp_path):
    commit(tmp_path, holding(1), SYSTEM)
    good = (tmp_path / CURRENT).read_bytes()
    damaged = [good[:length] for length in range(len(good))] + [good + b"\n", good + good, b"x" * 5000]
    for position in range(len(good)):
        damaged += [good[:position] + bytes([good[position] ^ bit]) + good[position + 1 :] for bit in (1, 0x20, 0xFF)]
    for data in damaged:
        (tmp_path / CURRENT).write_bytes(data)
        with pytest.raises(CorruptError, match="CURRENT: wrong checksum"):
            open_current(tmp_path, SYSTEM)
    with pytest.raises(CorruptError):  # what cannot be read is not written over
        commit(tmp_path, holding(2), SYSTEM)
    assert [type(problem) for problem in verify(tmp_path, SYSTEM)] == [CorruptError]


def with_checksum(text: str) -> bytes:
    return text.encode() + f"checksum {hexed(checksum(text.encode()))}\n".encode()


def test_a_newer_current(tmp_path):
    commit(tmp_path, holding(1), SYSTEM)
    (tmp_path / CURRENT).write_bytes(with_checksum("segdex index 2\nsomething: new\n"))
    with pytest.raises(VersionError, match="found 2; allowed: 1"):
        open_current(tmp_path, SYSTEM)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("store", uuid.UUID(int=1), "store differs"),
        ("generation", 2, "is missing"),
        ("length", 1, "length differs"),
        ("seal", 1, "contents differs"),
    ],
)
def test_current_names_one_file_and_no_other(tmp_path, field, value, message):
    commit(tmp_path, holding(1), SYSTEM)
    found = pointer(tmp_path, SYSTEM)
    parts = {name: getattr(found, name) for name in ("store", "generation", "length", "seal")} | {field: value}
    (tmp_path / CURRENT).write_bytes(Pointer(**parts).to_bytes())
    with pytest.raises(CorruptError, match=message):
        open_current(tmp_path, SYSTEM)
    assert len(list(verify(tmp_path, SYSTEM))) == 1


@pytest.mark.parametrize("text", ["segdex index 0\n", "segdex index 1\n", "", "segdex index 1\nstore x\n"])
def test_a_current_that_says_nothing(tmp_path, text):
    commit(tmp_path, holding(1), SYSTEM)
    (tmp_path / CURRENT).write_bytes(with_checksum(text))
    with pytest.raises(CorruptError, match="unreadable"):
        open_current(tmp_path, SYSTEM)


def test_a_generation_renamed_into_the_place_of_another(tmp_path):
    commit(tmp_path, holding(1), SYSTEM)
    commit(tmp_path, holding(2), SYSTEM)
    (tmp_path / file_name(1)).replace(tmp_path / file_name(2))
    with pytest.raises(CorruptError, match="generation differs; found 1; allowed: 2"):
        open_current(tmp_path, SYSTEM)


@pytest.mark.parametrize("name", ["CURRENT", "generation-00000001.segdex"])
def test_a_pipe_in_the_place_of_a_file_is_refused_at_once(tmp_path, name):
    commit(tmp_path, holding(1), SYSTEM)
    (tmp_path / name).unlink()
    os.mkfifo(tmp_path / name)
    with pytest.raises(CorruptError, match=f"{name}: this is no file; found a pipe"):
        open_current(tmp_path, SYSTEM)
    assert "a pipe" in str(next(iter(verify(tmp_path, SYSTEM))))


def test_verify_reads_the_older_generation_too(tmp_path):
    commit(tmp_path, holding(1), SYSTEM)
    commit(tmp_path, holding(2), SYSTEM)
    raw = bytearray((tmp_path / file_name(1)).read_bytes())
    raw[64] ^= 1
    (tmp_path / file_name(1)).write_bytes(raw)
    assert held(tmp_path) == 2
    (problem,) = verify(tmp_path, SYSTEM)
    assert "generation-00000001.segdex, section 'value', offset 64" in str(problem)


class Overtaken(OperatingSystem):
    """Between reading CURRENT and opening its file, a writer commits twice."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.left = 2

    def read(self, path: Path, most: int) -> bytes | None:
        data = super().read(path, most)
        while self.left:
            self.left -= 1
            commit(self.folder, holding(10 - self.left), SYSTEM)
        return data


def test_a_reader_that_is_overtaken_reads_the_newer_generation(tmp_path):
    commit(tmp_path, holding(1), SYSTEM)
    assert open_current(tmp_path, Overtaken(tmp_path)).array("value", "i8").tolist() == [10]


# --- writers -----------------------------------------------------------------------------------------------------


def test_a_second_writer_is_refused(tmp_path):
    commit(tmp_path, holding(1), SYSTEM)

    def fill(writer: Writer) -> None:
        with pytest.raises(LockedError, match="another writer"):
            commit(tmp_path, holding(3), SYSTEM)
        holding(2)(writer)

    commit(tmp_path, fill, SYSTEM)
    assert held(tmp_path) == 2
    commit(tmp_path, holding(3), SYSTEM)  # the lock was let go
    assert held(tmp_path) == 3


def test_writers_at_once_leave_a_whole_index(tmp_path):
    done: list[int] = []
    odd: list[BaseException] = []

    def work(start: int) -> None:
        for value in range(start, start + 15):
            try:
                commit(tmp_path, holding(value), SYSTEM)
                done.append(value)
            except LockedError:
                pass
            except BaseException as error:
                odd.append(error)

    threads = [threading.Thread(target=work, args=(start,)) for start in (100, 200, 300)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert odd == []
    assert held(tmp_path) in done
    assert open_current(tmp_path, SYSTEM).identity.generation == len(done)
    assert list(verify(tmp_path, SYSTEM)) == []


@pytest.mark.parametrize("error", [RuntimeError("mine"), KeyboardInterrupt()])
def test_a_failure_while_filling_leaves_nothing(tmp_path, error):
    commit(tmp_path, holding(1), SYSTEM)

    def fill(writer: Writer) -> None:
        holding(2)(writer)
        raise error

    with pytest.raises(type(error)):
        commit(tmp_path, fill, SYSTEM)
    assert names(tmp_path) == {CURRENT, LOCK, file_name(1)}
    assert held(tmp_path) == 1


def failure(call: Callable[[], object]) -> StorageError | None:
    try:
        call()
    except StorageError as error:
        return error
    return None


# --- a faulty operating system -----------------------------------------------------------------------------------


def count_calls(folder: Path) -> int:
    system = Faulty()
    commit(folder, holding(2), system)
    assert {"open", "write", "fsync", "replace", "unlink", "close", "flock", "listdir"} <= set(system.calls)
    return len(system.calls)


def two_generations(folder: Path) -> None:
    commit(folder, holding(0), SYSTEM)
    commit(folder, holding(1), SYSTEM)


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
@pytest.mark.parametrize("lasting", [False, True])
def test_a_failure_at_any_call_leaves_a_whole_index(tmp_path, number, lasting):
    two_generations(tmp_path / "trial")
    for at in range(count_calls(tmp_path / "trial")):
        folder = tmp_path / str(at)
        two_generations(folder)
        error = failure(lambda folder=folder, at=at: commit(folder, holding(2), Faulty(at, number, lasting)))
        if error is None:  # only what is tidied up at the end may fail in silence
            assert held(folder) == 2, at
        else:
            assert errno.errorcode[number] in str(error)
            assert str(folder) in str(error)
            assert held(folder) in (1, 2), at
        assert list(verify(folder, SYSTEM)) == []
        commit(folder, holding(3), SYSTEM)  # and life goes on
        assert held(folder) == 3
        assert len(names(folder)) == 4, names(folder)


@pytest.mark.parametrize("lasting", [False, True])
def test_a_failure_at_any_call_of_the_first_save(tmp_path, lasting):
    system = Faulty()
    commit(tmp_path / "trial" / "index", holding(1), system)
    for at in range(len(system.calls)):
        folder = tmp_path / str(at) / "index"
        try:
            commit(folder, holding(1), Faulty(at, errno.EIO, lasting))
        except StorageError:
            with contextlib.suppress(ArgumentError, CorruptError):
                assert held(folder) == 1
        commit(folder, holding(2), SYSTEM)
        assert held(folder) == 2


def test_a_failure_before_publishing_changes_nothing_at_all(tmp_path):
    """A full disk is met while writing: no trace of the try stays."""
    two_generations(tmp_path)
    before = {name: (tmp_path / name).read_bytes() for name in names(tmp_path)}
    system = Faulty()
    commit(tmp_path, holding(2), system)
    writes = [at for at, name in enumerate(system.calls) if name == "write"]
    for at in writes:
        other = tmp_path / f"trial-{at}"
        other.mkdir()
        for name, data in before.items():
            (other / name).write_bytes(data)
        with pytest.raises(StorageError, match="cannot write: No space left on device"):
            commit(other, holding(2), Faulty(at, errno.ENOSPC))
        assert {name: (other / name).read_bytes() for name in names(other)} == before


def test_a_failure_at_any_call_of_a_reader(tmp_path):
    commit(tmp_path, holding(1), SYSTEM)
    system = Faulty()
    open_current(tmp_path, system)
    for at in range(len(system.calls)):
        with pytest.raises(StorageError, match="EIO"):
            open_current(tmp_path, Faulty(at))


def test_short_writes_are_continued(tmp_path):
    commit(tmp_path, holding(1), Faulty(short=True))
    assert held(tmp_path) == 1


def test_an_old_generation_that_cannot_be_removed_is_left_to_the_next_writer(tmp_path, caplog):
    two_generations(tmp_path)
    system = Faulty()
    system.remove = lambda path: (_ for _ in ()).throw(StorageError("no", place=str(path)))  # type: ignore[method-assign]
    with caplog.at_level(logging.WARNING, "segdex"):
        commit(tmp_path, holding(2), system)
    assert "an old generation stays for now" in caplog.text
    assert generations(tmp_path, SYSTEM) == [1, 2, 3]
    commit(tmp_path, holding(3), SYSTEM)
    assert generations(tmp_path, SYSTEM) == [3, 4]


def test_no_call_leaves_a_descriptor_open(tmp_path):
    two_generations(tmp_path)

    if not Path("/proc/self/fd").exists():
        pytest.skip("this operating system does not list descriptors")

    def open_here() -> list[str]:
        # Only this folder's: whatever else the process holds may be closed meanwhile, by the collector of garbage.
        found = []
        for name in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):  # the listing's own descriptor is gone by now
                found.append(os.readlink(f"/proc/self/fd/{name}"))
        return [path for path in found if path.startswith(str(tmp_path))]

    left_open = os.open(tmp_path, os.O_RDONLY)
    assert len(open_here()) == 1, "a descriptor of this folder would not be noticed"
    os.close(left_open)
    calls = count_calls(tmp_path)
    for at in range(calls):
        with contextlib.suppress(StorageError):
            commit(tmp_path, holding(2), Faulty(at))
    assert open_here() == []


# --- a killed process --------------------------------------------------------------------------------------------

SAVER = """
    import sys
    from pathlib import Path
    from segdex.store.os import OperatingSystem
    from segdex.store.snapshot import commit
    import numpy as np

    folder, value = Path(sys.argv[1]), 0
    while True:
        value += 1
        def fill(writer):
            writer.add_array("value", np.array([value]))
            writer.add_array("bulk", np.full(200_000, value))
        commit(folder, fill, OperatingSystem())
        print(value, flush=True)
"""


def test_a_saving_process_killed_at_any_time_leaves_a_whole_generation(tmp_path):
    script = tmp_path / "saver.py"
    script.write_text(textwrap.dedent(SAVER))
    folder = tmp_path / "index"
    source = Path(snapshot.__file__).parents[2]
    chance = random.Random(4)
    before = 0
    for _ in range(8):
        environment = os.environ | {"PYTHONPATH": str(source)}
        process = subprocess.Popen(
            [sys.executable, str(script), str(folder)], stdout=subprocess.PIPE, text=True, env=environment
        )
        assert process.stdout is not None
        process.stdout.readline()  # the first one is saved
        time.sleep(chance.random() * 0.05)
        process.send_signal(signal.SIGKILL)
        acknowledged = [1, *(int(line) for line in process.stdout.read().split())]
        process.wait()
        reader = open_current(folder, SYSTEM)
        value = int(reader.array("value", "i8")[0])
        assert value in (acknowledged[-1], acknowledged[-1] + 1)
        assert set(reader.array("bulk", "i8").tolist()) == {value}
        assert [error for error in verify(folder, SYSTEM) if isinstance(error, SegdexError)] == []
        assert reader.identity.generation > before
        before = reader.identity.generation
    commit(folder, holding(1), SYSTEM)
    assert len(names(folder)) == 4

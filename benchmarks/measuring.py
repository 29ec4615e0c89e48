"""What benchmarks share: their options, indexes that are kept, processes of their own, and calls timed hot and cold."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = "SEGDEX_BENCHMARK_DIR"
"""The environment variable that names a folder in which built indexes are kept from run to run."""


class WrongAnswerError(Exception):
    """Two engines differ; nothing is worth timing then."""


class NoDataError(Exception):
    """What is to be measured is not there: data that is not part of this repository, or figures of the system."""


@dataclasses.dataclass(frozen=True)
class Options:
    """What the command line asks for.

    Attributes:
        customers: how many to generate; None: the benchmark's own number.
        quick: few repeats and little data.
        order: how customers are numbered, for benchmarks that know orders; None: the benchmark's own.
        predicates: how many sets to make, for benchmarks that ask; None: the benchmark's own number.
    """

    customers: int | None = None
    quick: bool = False
    order: str | None = None
    predicates: int | None = None


def in_new_process(code: str, *arguments: object, **environment: str) -> Any:
    """Run *code* in a fresh interpreter and return the JSON value that it prints."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, env={**os.environ, **environment}, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


@contextlib.contextmanager
def built(name: str, code: str, *arguments: object, made_by: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The folder of an index that *code* builds in a process of its own, and what it printed, which is JSON.

    It is kept where `SEGDEX_BENCHMARK_DIR` says, for the next run, else it goes with its temporary folder.

    Args:
        name: of the folder, to which the version of the package and of *made_by* is added: others are left alone.
        code: is given *arguments*, and the path last.
        arguments: as texts.
        made_by: the file that makes the data.
    """
    with contextlib.ExitStack() as stack:
        kept = os.environ.get(FOLDER)
        folder = Path(kept or stack.enter_context(tempfile.TemporaryDirectory()))
        path = folder / f"{name}-{_version(made_by)}"
        notes = path.with_suffix(".json")  # written last: without it the index may be half of one
        if not notes.exists():
            folder.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(path, ignore_errors=True)
            took = in_new_process(code, *arguments, path, PYTHONPATH=str(Path(__file__).parent.parent))
            notes.write_text(json.dumps(took), encoding="utf-8")
        yield path, json.loads(notes.read_text(encoding="utf-8"))


def _version(made_by: Path) -> str:
    """Of everything that decides what is in an index."""
    found = importlib.util.find_spec("segdex")
    assert found is not None
    assert found.origin is not None
    sources = [made_by, *sorted(Path(found.origin).parent.rglob("*.py"))]
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:8]


def touch_memory(size: int) -> None:
    """Have the system give *size* bytes of memory once, so that nobody who is timed next waits for its host's."""
    np.ones(size // 8, np.int64)


def l3_bytes() -> int:
    """The size of the largest cache of the first core; 32 MiB where the system does not tell."""
    return max(_caches().values(), default=32 << 20)


def l2_bytes() -> int:
    """The size of the second-level cache of the first core; 1 MiB where the system does not tell."""
    return _caches().get(2, 1 << 20)


def _caches() -> dict[int, int]:
    """The bytes of each cache of the first core by its level; none where the system does not tell."""
    folders = Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")
    try:
        return {int((each / "level").read_text()): _cache_bytes((each / "size").read_text()) for each in folders}
    except (OSError, ValueError):
        return {}


def _cache_bytes(text: str) -> int:
    """The bytes of a size as Linux writes it: 512K, 32M."""
    units = {"K": 10, "M": 20, "G": 30}
    size = text.strip()
    return int(size[:-1]) << units[size[-1]] if size[-1:] in units else int(size)


def agreed(answers: Mapping[str, int], of: str) -> int:
    """The one answer that all engines, by name, give to a question.

    Raises:
        WrongAnswerError: one gives another.
    """
    (first, expected), *others = answers.items()
    for engine, found in others:
        if found != expected:
            raise WrongAnswerError(f"{of}: {first} counts {expected}, {engine} {found}")
    return expected


def geometric_mean(ratios: Sequence[float]) -> float:
    return round(float(np.exp(np.mean(np.log(ratios)))), 3)


@contextlib.contextmanager
def no_garbage() -> Iterator[None]:
    """No garbage collection, which would fall on whoever is timed just then."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class Timer:
    """Times calls one by one, in microseconds; two readings of the clock, some 0.1, are in each."""

    def __init__(self) -> None:
        # Three times the cache: a cache that is not strictly least recently used is empty after that too.
        self._other = np.ones(3 * l3_bytes() // 8, np.int64)

    def hot(self, call: Callable[[], object], calls: int) -> list[float]:
        """*calls* in a row, after one that is not timed."""
        call()
        return [_timed(call) for _ in range(calls)]

    def cold(self, call: Callable[[], object], before: Callable[[], object] = int) -> float:
        """One, after other memory of three times the size of the cache was read and written, and then *before* called.

        What is cold is the data: *before* runs the same code over other data.
        """
        self._other += 1
        before()
        return _timed(call)


def _timed(call: Callable[[], object]) -> float:
    started = time.perf_counter_ns()
    call()
    return (time.perf_counter_ns() - started) / 1000

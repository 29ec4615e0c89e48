"""The disk fails, or the machine does: what was acknowledged is there, and nothing is half done."""

from __future__ import annotations

import gc
import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import segdex
from segdex.errors import SegdexError, StorageError
from segdex.live.changer import Changer
from segdex.live.writer import Writer
from segdex.store.os import OperatingSystem
from tests.live import actions, killing
from tests.live.faults import failures, power_losses
from tests.live.test_actions import row, small
from tests.store.crash import memory


class Refusing(OperatingSystem):
    """Refuses one call after another of the kind *function*, from the time that it is *armed*."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.armed = False

    def perform(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        if self.armed and function is self.function:
            if function is os.close:  # a descriptor is gone even where closing it reports an error
                os.close(*arguments)
            raise OSError(28, os.strerror(28))
        return function(*arguments, **named)


@pytest.mark.parametrize("function", [os.write, os.fsync, os.replace, os.open])
@pytest.mark.parametrize("failing", ["apply", "save", "compact", "erase"])
def test_after_a_write_that_failed_nothing_has_changed_and_nothing_more_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: Callable[..., Any], failing: str
) -> None:
    folder = tmp_path / "index"
    small(["b", "c"], ["IN", "US"], folder).close()
    system = Refusing(function)
    monkeypatch.setattr("segdex.store.os.SYSTEM", system)
    changes: dict[str, Callable[[segdex.Index], object]] = {
        "apply": lambda index: index.apply(row("x")), "save": lambda index: index.save(folder),
        "compact": lambda index: index.compact(), "erase": lambda index: index.erase(["b"]),
    }  # fmt: skip
    index = segdex.open(folder, read_only=False)
    index.apply(row("a"))
    before = index.generation, index.keys(index.bitmap("everyone")).to_pylist()
    system.armed = True
    try:
        changes[failing](index)
    except StorageError:
        system.armed = False
        assert (index.generation, index.keys(index.bitmap("everyone")).to_pylist()) == before
        for change in changes.values():
            with pytest.raises(StorageError, match="open the index again"):
                change(index)
    else:
        assert (function, failing) in [(os.open, "apply"), (os.replace, "apply")]
        system.armed = False
    index.close()
    with segdex.open(folder, read_only=False) as again:
        assert again.count("everyone") >= 2


@pytest.mark.parametrize(("method", "change"), [("accept", "apply"), ("fold", "compact"), ("fold", "erase")])
def test_a_change_that_is_interrupted_when_it_is_written_is_there_and_nothing_follows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, change: str
) -> None:
    """What memory holds by then is another index than that of the folder."""
    folder = tmp_path / "index"
    small(["b", "c"], ["IN", "US"], folder).close()
    index = segdex.open(folder, read_only=False)
    index.apply(row("a"))
    written = getattr(Writer, method)

    def interrupted(self: Writer, *arguments: Any, **named: Any) -> None:
        written(self, *arguments, **named)
        raise KeyboardInterrupt

    monkeypatch.setattr(Writer, method, interrupted)
    changes: dict[str, Callable[[], object]] = {
        "apply": lambda: index.apply(row("x")), "compact": index.compact, "erase": lambda: index.erase(["b"]),
    }  # fmt: skip
    with pytest.raises(KeyboardInterrupt):
        changes[change]()
    monkeypatch.undo()
    for each in (*changes.values(), lambda: index.load("some", ["c"])):
        with pytest.raises(StorageError, match="open the index again"):
            each()
    index.close()
    with segdex.open(folder, read_only=False, verify=True) as again:
        expected = {"apply": ["a", "b", "c", "x"], "compact": ["a", "b", "c"], "erase": ["a", "c"]}[change]
        assert sorted(again.keys(again.bitmap("everyone")).to_pylist()) == expected
        again.apply(row("y"))
        assert again.count("everyone") == len(expected) + 1


def test_an_erasure_that_was_cut_short_is_ended_by_the_next_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process is killed when the new generation is current and the older ones are still there."""
    folder = tmp_path / "index"
    small(["secret-key", "c"], ["IN", "US"], folder).close()
    index = segdex.open(folder, read_only=False)
    with monkeypatch.context() as patch:
        patch.setattr("segdex.store.snapshot._prune", lambda *_, **__: None)
        index.erase("secret-key")
    index.close()
    assert any(b"secret-key" in path.read_bytes() for path in folder.iterdir())
    with segdex.open(folder) as reader:
        assert reader.count("everyone") == 1
    with segdex.open(folder, read_only=False) as again:
        assert again.count("everyone") == 1
        assert not any(b"secret-key" in path.read_bytes() for path in folder.iterdir())


def test_an_index_that_nobody_has_any_more_holds_no_lock(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    small(["b"], ["IN"], folder).close()
    index = segdex.open(folder, read_only=False)
    index.apply(row("a"))
    del index
    gc.collect()
    with segdex.open(folder, read_only=False) as again:
        assert again.count("everyone") == 2


def test_a_fold_that_fails_is_tried_again_when_there_is_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder, tried = tmp_path / "index", []
    small(["b", "c"], ["IN", "US"], folder).close()
    monkeypatch.setattr("segdex.live.changer.MOST_KEPT", 2)

    def failing(_: Changer) -> None:
        tried.append(1)
        raise MemoryError

    with segdex.open(folder, read_only=False) as index, caplog.at_level(logging.WARNING, "segdex"):
        monkeypatch.setattr(Changer, "fold", failing)
        for number in range(1, 11):
            assert index.apply(row(f"n{number}")).generation == 1 + number
        assert 2 < len(tried) < 8, "not each time"
        assert index.count("everyone") == 12
        monkeypatch.undo()
        monkeypatch.setattr("segdex.live.changer.MOST_KEPT", 2)
        for number in range(11, 30):
            index.apply(row(f"n{number}"))
        assert index.stats().changed < 20, "it was folded at last"
        assert index.count("everyone") == 31


def test_the_lock_is_let_go_where_closing_the_journal_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small(["b"], ["IN"], tmp_path / "index").close()
    system = Refusing(os.close)
    monkeypatch.setattr("segdex.store.os.SYSTEM", system)
    index = segdex.open(tmp_path / "index", read_only=False)
    system.armed = True
    with pytest.raises(SegdexError):
        index.close()
    system.armed = False
    segdex.open(tmp_path / "index", read_only=False).close()


# --- the whole life ------------------------------------------------------------------------------------------------

ACTIONS = len(actions.KINDS)
AFTER = ACTIONS + actions.KINDS.index("save")


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


@pytest.mark.compiled
def test_a_power_loss_at_any_time_loses_nothing_acknowledged(place: Path) -> None:
    assert list(power_losses(place, AFTER, ACTIONS, step=29, start=7)) == []


@pytest.mark.compiled
def test_a_failure_of_any_call_leaves_nothing_half_done(place: Path) -> None:
    assert list(failures(place, AFTER, ACTIONS, step=71, start=31)) == []


@pytest.mark.compiled
def test_a_writer_that_is_killed_at_any_time_has_what_it_acknowledged(tmp_path: Path) -> None:
    outcome = killing.cycles(15, tmp_path / "index")
    assert outcome.problems == []
    assert outcome.acknowledged > 0


# --- protections that are taken away -------------------------------------------------------------------------------


def test_a_writer_that_goes_on_after_a_failure_is_seen(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Writer, "check", lambda self: self._lock.check())
    found = [problem for _, _, problem in failures(place, AFTER, 1, step=25, start=15, kinds=["EIO"])]
    assert any("the writer goes on" in problem for problem in found)


def test_an_erasure_that_leaves_the_generation_before_is_seen(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folded = Changer._folded

    monkeypatch.setattr(Changer, "_folded", lambda self, state, feed, *_, **__: folded(self, state, feed, 2))
    before = ACTIONS + actions.KINDS.index("erase")
    found = [problem for _, _, problem in power_losses(place, before, 1, step=3, modes=["everything"])]
    assert any("who was erased, is on the disk" in problem or "is in generation" in problem for problem in found)


@pytest.mark.parametrize("erased", ["survivor-key", "dropped-key", "unknown-key"])
def test_no_key_of_customers_who_were_merged_is_left_after_an_erasure(tmp_path: Path, erased: str) -> None:
    index = small(["survivor-key", "dropped-key", "c"], ["IN", "US", "AE"], tmp_path / "index")
    index.merge("survivor-key", ["dropped-key", "unknown-key"])
    index.erase([erased])
    assert index.count("everyone") == 1
    for path in (tmp_path / "index").iterdir():
        for key in ("survivor-key", "dropped-key", "unknown-key"):
            assert key.encode() not in path.read_bytes(), (key, path.name)
    for key in ("survivor-key", "dropped-key", "unknown-key"):  # none of them is known again by a later row
        index.apply(row(key))
    assert index.count("everyone") == 1

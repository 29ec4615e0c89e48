"""Readers and a writer at once: every answer is that of one version, and no thread sees versions go back."""

from __future__ import annotations

import os
import threading
from collections import Counter
from pathlib import Path

import pytest

import segdex
from segdex.errors import LockedError, RuleError
from segdex.index import Index
from segdex.query.prepared import Query
from tests.live import actions, stress
from tests.live.stress import forked
from tests.live.test_actions import row, small

# --- one version for one call --------------------------------------------------------------------------------------


def test_a_count_is_that_of_the_newest_version_whoever_asks_an_older_one(monkeypatch: pytest.MonkeyPatch) -> None:
    index = small(["a", "b"], ["IN", "US"])
    older, query = index._running(), index.prepare("country = 'IN'")
    assert query.count() == 1
    index.apply(row("c"))
    plan = Query.plan

    def planned(self, suppression=False, answers=None):
        made = plan(self, suppression, answers)
        plan(self, suppression, older)  # another thread does, in a call that began before
        return made

    monkeypatch.setattr(Query, "plan", planned)
    assert [query.count() for _ in range(3)] == [2, 2, 2]


def test_a_name_that_goes_while_it_is_asked_for_is_an_error_of_the_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    index = small(["a", "b"], ["IN", "US"])
    index.define("indians", "country = 'IN'", suppression=("email",))
    query = index.prepare("segment 'indians'")
    index.drop("indians")
    monkeypatch.setattr(Index, "prepare", lambda *_: query)
    with pytest.raises(RuleError, match="indians"):
        index.members("segment 'indians'")


# --- readers that follow -------------------------------------------------------------------------------------------


def test_a_reader_that_is_interrupted_while_it_follows_reads_no_record_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A child that is forked at this point finds the same."""
    model, writer = actions.begun(), actions.build(tmp_path / "index")
    reader, put, calls = segdex.open(tmp_path / "index"), Index._put, []

    def interrupted(self, answers):
        calls.append(self)
        if len(calls) % 2 and self is reader:
            raise KeyboardInterrupt
        put(self, answers)

    for number in range(1, 13):  # with a save among them, which makes another base
        action = actions.action(number, model.clock)
        before = writer.generation
        actions.act(writer, action, model)
        model.act(action)
        if writer.generation == before:  # a merge that is not allowed
            continue
        calls.clear()
        with monkeypatch.context() as patch:
            patch.setattr(Index, "_put", interrupted)
            with pytest.raises(KeyboardInterrupt):
                reader.refresh()
        reader.refresh()
        assert (reader.generation, actions.told(reader, model)) == (writer.generation, model.told()), action
        assert actions.replayed(reader, model) == model.tracked(), action


# --- for a while ---------------------------------------------------------------------------------------------------


@pytest.mark.compiled
@pytest.mark.parametrize("where", ["memory", "folder"])
def test_readers_in_threads_never_see_half_of_a_batch(tmp_path: Path, where: str) -> None:
    done: Counter[str] = Counter()
    problems: list[str] = []
    stress.in_threads(2.5, None if where == "memory" else tmp_path / "index", done, problems)
    assert problems == []
    assert min(done["move"], done["apply"], done["view"], done["counts"]) > 0


@pytest.mark.compiled
def test_readers_in_processes_never_see_half_of_a_batch(tmp_path: Path) -> None:
    done: Counter[str] = Counter()
    problems: list[str] = []
    stress.in_processes(2.5, tmp_path / "index", 2, done, problems)
    assert problems == []
    assert min(done["move"], done["refresh"], done["view"]) > 0


# --- forks ---------------------------------------------------------------------------------------------------------

CHANGES = {
    "apply": lambda index: index.apply(row("z")),
    "a batch that came before": lambda index: index.apply(row("z"), source="shop", offset=1),
    "advance": lambda index: index.advance(index.as_of),
    "define": lambda index: index.define("other", "everyone"),
    "rename": lambda index: index.rename("indians", "other"),
    "drop": lambda index: index.drop("indians"),
    "alter": lambda index: index.alter(actions.SCHEMA),
    "load": lambda index: index.load("other", ["a"]),
    "erase": lambda index: index.erase(["a"]),
    "merge": lambda index: index.merge("a", ["b"]),
    "readmit": lambda index: index.readmit(["a"]),
    "compact": lambda index: index.compact(),
    "save": lambda index: index.save(index._folder),
}


def outstanding(folder: Path) -> tuple[segdex.Index, actions.Model]:
    """An index some of whose customers have changed."""
    model, index = actions.begun(), actions.build(folder)
    for number in range(1, 6):
        action = actions.action(number, model.clock)
        actions.act(index, action, model)
        model.act(action)
    assert index.stats().changed > 0
    return index, model


def test_an_index_that_was_opened_before_a_fork_reads_on_in_the_child(tmp_path: Path) -> None:
    writer, model = outstanding(tmp_path / "index")
    reader, started, unread = (segdex.open(tmp_path / "index") for _ in range(3))
    assert actions.told(reader, model) == model.told()
    query = started.prepare("spend > 50.5")
    query.count()

    def child() -> bool:
        assert not reader.refresh()
        assert query.count() == model.expected()["spend > 50.5"]
        for index in (reader, started, unread, writer):
            assert actions.told(index, model) == model.told()
            assert actions.replayed(index, model) == model.tracked()
        return True

    with forked(child) as result:
        assert result()

    def later() -> bool:
        """Reads on while the parent writes on."""
        os.read(ready, 1)
        assert reader.refresh()
        assert unread.refresh()
        assert actions.told(reader, model) == actions.told(unread, model)
        assert reader.generation == unread.generation > writer.generation
        return True

    ready, tell = os.pipe()
    with forked(later) as result:
        writer.apply(row("new"))
        writer.save(tmp_path / "index")
        writer.apply(row("newer"))
        os.write(tell, b"!")
        assert result()


@pytest.mark.parametrize("change", CHANGES)
def test_the_child_of_a_writer_changes_nothing_and_reads_on(tmp_path: Path, change: str) -> None:
    writer = small(["a", "b"], ["IN", "US"], tmp_path / "index")
    writer.apply(row("c"), source="shop", offset=1)
    writer.define("indians", "country = 'IN'", tracked=True)
    before = writer.generation

    def child() -> int:
        with pytest.raises(LockedError, match="fork"):
            CHANGES[change](writer)
        assert writer.count("segment 'indians'") == 2
        assert writer.generation == before
        with segdex.open(tmp_path / "index") as reader:
            assert reader.generation == before
        writer.close()
        return before

    with forked(child) as result:
        assert result() == before
    writer.apply(row("d"))  # the parent goes on
    with pytest.raises(LockedError, match=f"process {os.getpid()}"):
        segdex.open(tmp_path / "index", read_only=False)
    assert writer.count("segment 'indians'") == 3


def test_an_index_in_memory_goes_its_own_way_in_a_child() -> None:
    index = small(["a"], ["IN"])

    def child() -> int:
        index.apply(row("b"))
        return index.count("everyone")

    with forked(child) as result:
        assert result() == 2
    assert index.count("everyone") == 1


def test_a_lock_that_another_thread_holds_does_not_hang_a_child(tmp_path: Path) -> None:
    writer, model = outstanding(tmp_path / "index")
    reader = segdex.open(tmp_path / "index")
    held, over = threading.Event(), threading.Event()

    def hold() -> None:
        with writer._changing, reader._changing, writer._texts._lock, reader._running().base.customers._calls._lock:
            held.set()
            over.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()

    def child() -> bool:
        reader.refresh()
        assert actions.told(reader, model) == actions.told(writer, model) == model.told()
        with pytest.raises(LockedError):
            writer.advance(model.clock)
        return True

    with forked(child) as result:
        assert result()
    over.set()
    thread.join()


@pytest.mark.compiled
def test_children_that_are_forked_while_others_read_and_write_read_on(tmp_path: Path) -> None:
    """Whatever the threads of the parent were doing at that moment."""
    index, over, problems = stress.build(tmp_path / "index"), threading.Event(), []
    reader = segdex.open(tmp_path / "index")

    def run(what) -> None:
        try:
            what()
        except BaseException as error:
            problems.append(error)

    def follow() -> None:
        while not over.is_set():
            reader.refresh()

    def ask() -> None:
        asking = stress.Reader(index, 1)
        while not over.is_set():
            asking.ask()

    tasks = [lambda: stress.write(index, tmp_path / "index", over.is_set, Counter()), follow, ask]
    threads = [threading.Thread(target=run, args=(task,)) for task in tasks]
    for thread in threads:
        thread.start()

    def child() -> int:
        for each in (reader, index):
            asking = stress.Reader(each, 2)
            for _ in range(6):
                asking.ask()
        before = reader.generation
        reader.refresh()
        assert reader.generation >= before
        with segdex.open(tmp_path / "index") as fresh, reader.view() as view:
            if fresh.generation == view.generation:
                rules = ["everyone", "segment 'left'", "spend > 30.5", "count(orders, 3d) >= 1"]
                assert fresh.counts(rules) == view.counts(rules)
        return 1

    try:
        for _ in range(6):
            with forked(child) as result:
                assert result() == 1
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert problems == []

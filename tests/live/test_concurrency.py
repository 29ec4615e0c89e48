"""Readers and a writer at once: every answer is that of one version, and no thread sees versions go back."""

from __future__ import annotations

from pathlib import Path

import pytest

import segdex
from segdex.errors import RuleError
from segdex.index import Index
from segdex.query.prepared import Query
from tests.live import life
from tests.live.test_life import row, small

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
    model, writer = life.begun(), life.build(tmp_path / "index")
    reader, put, calls = segdex.open(tmp_path / "index"), Index._put, []

    def interrupted(self, answers):
        calls.append(self)
        if len(calls) % 2 and self is reader:
            raise KeyboardInterrupt
        put(self, answers)

    for number in range(1, 13):  # with a save among them, which makes another base
        action = life.action(number, model.clock)
        life.act(writer, action, model)
        model.act(action)
        calls.clear()
        with monkeypatch.context() as patch:
            patch.setattr(Index, "_put", interrupted)
            with pytest.raises(KeyboardInterrupt):
                reader.refresh()
        reader.refresh()
        assert (reader.generation, life.told(reader, model)) == (writer.generation, model.told()), action
        assert life.replayed(reader, model) == model.tracked(), action

"""Rules that are asked are made ready for a version before it is put in place, and count what it has."""

from __future__ import annotations

import gc
import random
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import segdex
from segdex.bitmap import predicate as hot
from segdex.bitmap import roaring
from segdex.errors import RuleError
from segdex.index import Index
from segdex.query import prepared, tally
from segdex.query.answers import Answers
from segdex.query.execute import Executor
from segdex.query.prepared import Query
from tests.live import law, worlds
from tests.live.lives import Life
from tests.live.steps import STEPS
from tests.live.test_actions import row, small

NAMES = [name for name, (_, weight) in STEPS.items() for _ in range(weight)] + ["apply"] * 20
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
INDIANS = "country = 'IN'"

pytestmark = pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")


def is_ready(query: Query, index: Index) -> bool:
    """Whether nothing has to be found out for a count."""
    answers = index._running()
    return query._ready[0] is answers or (query._staged[0] is answers and query._staged[2] is not None)


def asked(query: Query) -> Any:
    """What a query says: its count, and who it is; or why it cannot be asked."""
    try:
        return query.count(), roaring.to_ids(query.bitmap()).tolist()
    except segdex.SegdexError as error:
        return type(error).__name__


def cold(index: Index, query: Query) -> Any:
    """The same from answers that know nothing of an earlier version."""
    answers = Answers(index._running().version)
    try:
        plans = answers.plan(answers.binder.bind(query.rule))
        return plans.count(), answers.ids(plans).tolist()
    except segdex.SegdexError as error:
        return type(error).__name__


# --- whatever happens ----------------------------------------------------------------------------------------------


def kept(world: int, taken: list[tuple[str, int]]) -> None:
    """A life in which queries are asked now and then: what they say is what was never asked before says."""
    root, chance = Path(tempfile.mkdtemp(prefix="segdex-ready-")), random.Random(world)
    life = Life(world, root)
    try:
        rules = [*law.RULES, *worlds.WHERES, "not segment 'red'", "segment 'blue' or points > 0"]
        queries: list[Query] = []
        for name, seed in taken:
            index = life.index
            life.step(name, seed)
            if life.index is not index or not queries:  # opened again
                queries = [life.index.prepare(rule) for rule in rules if life.index.check(rule).valid]
            for query in queries:
                if chance.random() < 0.8:
                    law.same(asked(query), cold(life.index, query), str(query), name)
                if chance.random() < 0.3:
                    told = query.count(suppression=True) if asked(query) != "RuleError" else None
                    law.same(told, life.index.count(query.rule, suppression=True) if told is not None else None)
    finally:
        life.close()
        shutil.rmtree(root)


@settings(max_examples=10, deadline=None, suppress_health_check=SLOW, phases=[Phase.explicit, Phase.generate])
@given(st.integers(0, 1 << 30), st.lists(st.tuples(st.sampled_from(NAMES), st.integers(0, 1 << 20)), max_size=10))
def test_a_rule_that_is_kept_says_what_a_new_one_does(world: int, taken: list[tuple[str, int]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prepared, "READY_SECONDS", 60)
        kept(world, taken)


@pytest.mark.parametrize("most_steps", [1, 3])
def test_a_rule_that_is_kept_but_not_made_ready(monkeypatch: pytest.MonkeyPatch, most_steps: int) -> None:
    monkeypatch.setattr(prepared, "make_ready", lambda *_: None)
    monkeypatch.setattr("segdex.index.make_ready", lambda *_: None)
    monkeypatch.setattr(tally, "MOST_STEPS", most_steps)
    for seed in range(3):
        chance = random.Random(seed)
        kept(seed, [(chance.choice(NAMES), chance.randrange(1 << 20)) for _ in range(8)])


@pytest.mark.parametrize("seed", range(4))
def test_who_of_some_customers_a_plan_finds(tmp_path: Path, seed: int) -> None:
    life = Life(seed, tmp_path)
    life.index.compact()
    answers = life.index._running()
    base, chance = answers.base, np.random.default_rng(seed)
    for rule in law.RULES:
        plan = base.plan(life.index.prepare(rule).bound)
        members = np.zeros(base.generation.count, np.bool_)
        members[base.ids(plan)] = True
        ids = hot.to_ids(base.generation.universe).astype(np.int64)
        ids = ids[chance.random(len(ids)) < 0.7]
        for each in (plan, base.settled(plan)):
            assert tally.holding(each, base.generation, ids).tolist() == members[ids].tolist(), rule
    life.close()


# --- what is made ready --------------------------------------------------------------------------------------------


def test_nothing_is_planned_for_what_was_asked_of_the_version_before(monkeypatch: pytest.MonkeyPatch) -> None:
    index = small(["a", "b"], ["IN", "US"])
    query, idle = index.prepare(INDIANS), index.prepare("country = 'US'")
    text = "country = 'IN' or country = 'FR'"
    assert (query.count(), index.count(text), idle.count()) == (1, 1, 1)
    index.apply(row("c"))
    assert (query.count(), index.count(text)) == (2, 2)

    def plan(*_: object) -> None:
        raise AssertionError("planned")

    monkeypatch.setattr(Executor, "plan", plan)
    for number in range(3 * prepared.MOST_IDLE):
        index.apply(row(f"d{number}"))
        assert is_ready(query, index)
        assert is_ready(idle, index) == (number + 2 <= prepared.MOST_IDLE + 1)  # it was asked before the first of them
        assert (query.count(), index.count(text)) == (3 + number, 3 + number)
        assert len(query.bitmap()) == 3 + number
        assert index.contains(text, f"d{number}")


def test_a_reader_that_follows_makes_ready_what_it_asks(tmp_path: Path) -> None:
    writer = small(["a", "b"], ["IN", "US"], tmp_path / "index")
    reader = segdex.open(tmp_path / "index")
    query = reader.prepare(INDIANS)
    assert query.count() == 1
    for number in range(3):
        writer.apply(row(f"c{number}"))
        assert reader.refresh()
        assert is_ready(query, reader)
        assert query.count() == 2 + number
    writer.save(tmp_path / "index")  # another base
    assert reader.refresh()
    assert is_ready(query, reader)
    assert query.count() == 4


def test_what_is_ready_for_the_version_that_answers_stays_so(monkeypatch: pytest.MonkeyPatch) -> None:
    index = small(["a", "b"], ["IN", "US"])
    query, make_ready, seen = index.prepare(INDIANS), Query.make_ready, []
    assert query.count() == 1

    def made_ready(self: Query, answers: Answers) -> None:
        make_ready(self, answers)
        seen.append((query.count(), query._ready[0] is index._running(), answers is index._running()))
        query._planned = query._planned[0], query.plan()  # a thread that began before

    monkeypatch.setattr(Query, "make_ready", made_ready)
    index.apply(row("c"))
    assert seen == [(1, True, False)]
    assert query.count() == 2
    index.apply(row("d"))
    assert query.count() == 3


def test_a_rule_that_is_asked_now_and_then_stays_ready_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    index = small(["a", "b"], ["IN", "US"])
    query = index.prepare(INDIANS)
    query.count()
    for number in range(prepared.MOST_IDLE + 1):
        index.apply(row(f"c{number}"))
        assert is_ready(query, index)
    index.apply(row("d"))
    assert not is_ready(query, index)
    monkeypatch.setattr(Executor, "plan", None)  # the steps since are few
    assert query.count() == 3 + prepared.MOST_IDLE
    index.apply(row("e"))
    assert is_ready(query, index)


def test_what_nobody_has_asked_yet_is_ready_while_the_next_version_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    index = small(["a", "b"], ["IN", "US"])
    query, make_ready, seen = index.prepare(INDIANS), Query.make_ready, []
    assert query.count() == 1
    index.apply(row("c"))

    def made_ready(self: Query, answers: Answers) -> None:
        make_ready(self, answers)
        seen.append((self.count(), self.bitmap().to_array().tolist()))

    monkeypatch.setattr(Query, "make_ready", made_ready)
    monkeypatch.setattr(Executor, "plan", None)
    index.apply(row("d"))
    assert seen == [(2, [0, 2])]
    assert query.count() == 3


def test_a_thread_that_counts_the_old_version_late_spoils_nothing() -> None:
    index = small(["a", "b"], ["IN", "US"])
    query = index.prepare(INDIANS)
    query.count()
    old = query._planned, query._ready
    index.apply(row("c"))
    for _ in range(2):
        assert query.count() == 2
        query._planned, query._ready = old
    index.apply(row("d"))
    assert query.count() == 3


def test_a_rule_whose_name_goes_does_not_hinder_the_version() -> None:
    index = small(["a", "b"], ["IN", "US"])
    index.define("indians", INDIANS)
    gone, stays = index.prepare("segment 'indians'"), index.prepare(INDIANS)
    assert (gone.count(), stays.count()) == (1, 1)
    index.drop("indians")
    assert is_ready(stays, index)
    with pytest.raises(RuleError, match="indians"):
        gone.count()
    index.define("indians", "country = 'US'")
    index.apply(row("c", "US"))
    assert (gone.count(), stays.count()) == (2, 1)


def test_a_change_that_is_interrupted_while_rules_are_made_ready_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    index = small(["a", "b"], ["IN", "US"])
    query = index.prepare(INDIANS)
    query.count()

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Query, "make_ready", interrupted)
        with pytest.raises(KeyboardInterrupt):
            index.apply(row("c"))
    assert query.count() == 2
    index.apply(row("d"))
    assert query.count() == 3


@pytest.mark.parametrize("bounds", [{"READY_SECONDS": 0.0, "READY_PART": 0.0}, {"MOST_READY": 2}])
def test_more_than_time_allows_is_left_to_whoever_asks(
    monkeypatch: pytest.MonkeyPatch, bounds: dict[str, float]
) -> None:
    for name, most in bounds.items():
        monkeypatch.setattr(prepared, name, most)
    index = small(["a", "b"], ["IN", "US"])
    rule = index.prepare(INDIANS).rule
    queries = [index.prepare(rule) for _ in range(5)]  # each a query of its own
    for number in range(3):
        assert [query.count() for query in queries] == [1 + number] * 5
        index.apply(row(f"c{number}"))
        assert sum(is_ready(query, index) for query in queries) == bounds.get("MOST_READY", 0)


def test_a_view_keeps_its_version_and_a_rule_that_is_gone_is_not_held() -> None:
    index = small(["a", "b"], ["IN", "US"])
    view = index.view()
    held = view.prepare(INDIANS)
    gone = index.prepare(held.rule)
    assert (held.count(), gone.count()) == (1, 1)
    left = index._running().asked
    del gone
    gc.collect()
    assert [each() for each in left if each() is not None] == [held]
    index.apply(row("c"))
    assert held.count() == 1
    assert is_ready(held, view)  # type: ignore[arg-type]


def test_a_suppressed_count_follows() -> None:
    index = small(["a", "b"], ["IN", "US"])
    index.define("away", "country = 'US'", suppression=("email",))
    query = index.prepare("everyone")
    for number in range(3):
        assert query.count(suppression=True) == query.count(suppression=["email"]) == 1 + number
        index.apply(row(f"c{number}"))
        index.apply(row(f"d{number}", "US"))


def test_a_rule_that_nobody_asks_holds_no_base_but_the_one_that_answers(tmp_path: Path) -> None:
    writer = small(["a", "b"], ["IN", "US"], tmp_path)
    reader = segdex.open(tmp_path)
    queries = [index.prepare("country = 'IN'") for index in (writer, reader)]
    bases = []
    for index, query in zip((writer, reader), queries, strict=True):
        for _ in range(3):
            query.count()
            query.count(suppression=True)
        bases.append(weakref.ref(index._running().base))
    for number in range(3):
        writer.compact()
        writer.apply(row(f"n{number}"))
        reader.refresh()
        gc.collect()
        assert [base() for base in bases] == [None, None]
        bases = [weakref.ref(index._running().base) for index in (writer, reader)]
    assert [query.count() for query in queries] == [writer.count("country = 'IN'")] * 2


def test_versions_that_nobody_asks_any_more_go() -> None:
    index = small(["a", "b"], ["IN", "US"])
    query, seen = index.prepare("everyone"), []
    for number in range(40):
        index.apply(row(f"c{number % 7}"))
        assert query.count() == 2 + min(number + 1, 7)
        seen.append(weakref.ref(index._running()))
    gc.collect()
    assert sum(each() is not None for each in seen) <= 3


def test_a_merge_is_counted_by_rules_that_were_ready() -> None:
    """Whether those who become one have changed before or not."""
    for changed in ([], ["b"], ["a", "b"]):
        index = small(["a", "b", "c"], ["IN", "US", "US"])
        queries = [index.prepare(rule) for rule in ("everyone", "country = 'US'", "country = 'IN'")]
        for key in changed:
            index.apply(row(key))
        indians = 2 if "b" in changed else 1  # a row says that its customer is in India
        before = [3, 3 - indians, indians]
        assert [[query.count() for query in queries] for _ in range(2)] == [before, before]
        index.merge("a", "b")
        assert [query.count() for query in queries] == [2, 1, 1]
        assert [len(query.bitmap()) for query in queries] == [2, 1, 1]

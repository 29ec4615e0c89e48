"""The life of one index: steps are taken, and after each what it tells is held to what it was and is."""

from __future__ import annotations

import dataclasses
import random
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import segdex
from segdex.asking import Asking
from segdex.live.changes import Changes
from tests.live import law, steps, worlds
from tests.live.model import Model
from tests.metrics import worlds as metric_worlds

Moves = dict[str, dict[str, set[str]]]
"""By segment who ``entered`` and who ``left``."""


@dataclasses.dataclass
class Told:
    """What the feed must say of a generation."""

    generation: int
    moves: Moves
    redefined: set[str]
    erased: int


class Life:
    """An index in the making, its model, and who follows it."""

    def __init__(self, seed: int, folder: Path) -> None:
        chance = random.Random(seed)
        self.model, kind = worlds.make(seed)
        self.keys = worlds.KEYS[kind] + (worlds.MIXED if chance.random() < 0.3 else [])
        self.number = 0
        self.scored = {"panel": True}
        self.feed: list[Told] = []
        self.views: list[tuple[Any, Any]] = []
        self._root, self._folders = folder, 0
        first = dict(self.model.rows)
        for name in metric_worlds.STREAMS:
            if chance.random() < 0.5:
                first[name] = worlds.rows_of(chance, name, worlds.KEYS[kind][:5], chance.randrange(14), self.model)
        names = list(worlds.cases.ATTRIBUTES)
        people = worlds.people_of(chance, worlds.KEYS[kind][:5], names, 8, self.model.versioned)
        self.model.take(people, first)
        universe = self.model.universe
        self.model.labels["panel"] = {key: ("b", 0.5) for key in universe if chance.random() < 0.5}
        self.folder = self._next_folder() if chance.random() < 0.5 else None
        self.reader: segdex.Index | None = None
        self.index = law.build(self.model, out=self.folder)
        self.queries = [self.index.prepare(text) for text in law.RULES]

    # --- steps -----------------------------------------------------------------------------------------------------

    def step(self, name: str, seed: int) -> None:
        """Take a step, and hold what it tells to how the tracked segments have changed."""
        self.number += 1
        before, generation = law.tracked(self.index), self.index.generation
        fitted = set(self.index._running().version.base.fitted)
        changes = steps.STEPS[name][0](self, random.Random(seed))
        after = law.tracked(self.index)
        assert self.index.as_of == self.model.as_of
        assert sorted(after) == sorted(self.model.tracked)
        if name == "alter":  # what is called otherwise keeps what it was fitted to
            law.expect_fitted(self.index, self.model, set(self.index._running().version.base.fitted) - fitted)
        if self.index.generation == generation:
            law.same(after, before, name)
            assert changes is None
            return
        if name in ("save", "compact"):  # a file takes a number of its own
            law.same(after, before, name)
            return
        moves = _moves(before, after, self.model.erased if name == "erase" else set())
        told = Told(self.index.generation, moves, set(), 0)
        if name in steps.DECLARING:
            told.moves, told.redefined = (
                {},
                set(after) & (set(changes.redefined) | set(moves) | (after.keys() - before.keys())),
            )
        if isinstance(changes, Changes):
            told.erased = changes.erased
            assert changes.generation == self.index.generation
            assert changes.as_of == self.model.as_of
            law.same(moves_of(changes), told.moves)
            law.same(set(changes.redefined), told.redefined)
        self.feed.append(told)

    def forget(self, keys: Iterable[str]) -> None:
        """Erased customers are in no list of keys any more."""
        for told in self.feed:
            for name, sides in list(told.moves.items()):
                told.moves[name] = {side: held - set(keys) for side, held in sides.items() if held - set(keys)}
                if not told.moves[name]:
                    del told.moves[name]

    # --- folders ---------------------------------------------------------------------------------------------------

    def _next_folder(self) -> Path:
        self._folders += 1
        return self._root / f"index{self._folders}"

    def save(self, copy: bool) -> None:
        """Save where the index is at home, or a copy elsewhere."""
        if self.folder is None:
            self.folder = self._next_folder()
        place = self._next_folder() if copy else self.folder
        if copy and (not self.folder.exists() or self.index._changer is None or self.index._changer.writer is None):
            self.folder = place
        self.index.save(place)
        with segdex.open(place) as held:
            law.expect_same(held, self.index, self.model)

    def reopen(self) -> None:
        """Close the writer, and open what it left."""
        if self.folder is None:
            return
        before = law.answers(self.index, self.model)
        generation, offsets = self.index.generation, self.index.offsets
        self.index.close()
        with segdex.open(self.folder, verify=True) as held:
            law.same(law.answers(held, self.model), before)
        self.index = segdex.open(self.folder, read_only=False)
        assert (self.index.generation, self.index.offsets) == (generation, offsets)
        law.same(law.answers(self.index, self.model), before)
        self.queries = [self.index.prepare(text) for text in law.RULES]

    def follow(self) -> None:
        """Who reads the folder sees what its writer says."""
        if self.folder is None:
            return
        if self.reader is None:
            self.reader = segdex.open(self.folder)
        self.reader.refresh()
        assert not self.reader.refresh()
        law.expect_same(self.reader, self.index, self.model)

    def look(self) -> None:
        """Hold a version."""
        view = self.index.view()
        self.views.append((view, law.answers(view, self.model)))

    # --- at the end ------------------------------------------------------------------------------------------------

    def check(self, seed: int) -> None:
        """The law, and everything else that holds at any time."""
        law.check(self, random.Random(seed))
        self.follow()
        for view, held in self.views:
            law.same(law.answers_of(view, held.columns), held)
        self._check_feed(self.index)
        if self.reader is not None:
            self._check_feed(self.reader)

    def _check_feed(self, index: segdex.Index) -> None:
        first = self.feed[0].generation - 1 if self.feed else index.generation
        for since in range(first, index.generation + 2):
            wanted = [told for told in self.feed if told.generation > since]
            found = list(index.changes(since))
            law.same([each.generation for each in found], [told.generation for told in wanted])
            for each, told in zip(found, wanted, strict=True):
                law.same(moves_of(each), told.moves, each.generation)
                assert set(each.redefined) == told.redefined
                assert each.erased == told.erased

    def plain_numbers(self) -> set[str]:
        types = self.index._running().version.catalog.types
        return {name for name, kind in types.items() if kind.kind in ("integer", "number") and not kind.family}

    def close(self) -> None:
        for view, _ in self.views:
            view.close()
        for held in (self.index, self.reader):
            if held is not None:
                held.close()


def _moves(before: dict[str, set[str]], after: dict[str, set[str]], erased: set[str]) -> Moves:
    found: Moves = {}
    for name in before.keys() & after.keys():
        sides = {"entered": after[name] - before[name], "left": before[name] - after[name] - erased}
        if any(sides.values()):
            found[name] = {side: held for side, held in sides.items() if held}
    return found


def moves_of(changes: Changes) -> Moves:
    """What a change tells, keys as text."""
    found: Moves = {}
    for side, held in (("entered", changes.entered), ("left", changes.left)):
        for name, keys in held.items():
            texts = [str(key) for key in keys.to_pylist()]
            assert len(texts) == len(set(texts)) > 0
            found.setdefault(name, {})[side] = set(texts)
    return found


def live(world: int, taken: list[tuple[str, int]], every: int = 0) -> None:
    """A whole life: *taken* are steps and their seeds; every so many steps, and at the end, all is checked.

    Raises:
        AssertionError: where the law does not hold.
    """
    root = Path(tempfile.mkdtemp(prefix="segdex-life-"))
    try:
        life = Life(world, root)
        try:
            for at, (name, seed) in enumerate(taken):
                life.step(name, seed)
                if every and at % every == every - 1:
                    life.check(seed)
            life.check(world)
        finally:
            life.close()
    finally:
        shutil.rmtree(root)


def drawn(seed: int, most: int = 10) -> list[tuple[str, int]]:
    """Random steps; the same for a seed."""
    chance = random.Random(seed)
    names = [name for name, (_, weight) in steps.STEPS.items() for _ in range(weight)]
    return [(chance.choice(names), chance.randrange(1 << 30)) for _ in range(chance.randint(1, most))]


__all__ = ["Asking", "Life", "Model", "drawn", "live"]

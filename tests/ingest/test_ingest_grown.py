"""Keys that come and go after an index was built: dense ids stay, 7 and '7' are one, the erased have none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segdex.errors import LimitError
from segdex.ingest import grown as module
from segdex.ingest.grown import GrownKeys, grown, settled, without
from segdex.ingest.keys import AnyKeys, Keys, Numbering
from segdex.query.buckets import buckets

WHOLE = [str(i) for i in (0, 7, -7, 10, 2**31, 2**63 - 1, -(2**63 - 1))]
TEXTS = [*WHOLE, "", "07", "-0", "a", "Ä", "\U0001f600", "zz", str(2**63)]


class Naive:
    """Keys as a list by dense id, all written as text; None where a customer was erased."""

    def __init__(self) -> None:
        self.keys: list[str | None] = []
        self.text = False

    def check(self, keys: AnyKeys) -> None:
        count = len(self.keys)
        assert len(keys) == count
        given = keys.take(np.arange(count, dtype=np.uint32))
        assert pa.types.is_large_string(given.type) == self.text
        assert [None if key is None else str(key) for key in given.to_pylist()] == self.keys
        backwards = keys.take(np.arange(count)[::-1])
        assert [None if key is None else str(key) for key in backwards.to_pylist()] == self.keys[::-1]
        places = {key: place for place, key in enumerate(self.keys) if key is not None}
        expected = [places.get(key, -1) for key in TEXTS]
        assert keys.lookup(TEXTS).tolist() == expected
        assert keys.lookup([*TEXTS, None]).tolist() == [*expected, -1]
        assert keys.lookup([int(key) for key in WHOLE]).tolist() == [places.get(key, -1) for key in WHOLE]
        found = buckets(keys, "salt", 1000).data
        alone = {key: buckets(Keys(pa.array([key], pa.large_string())), "salt", 1000).data[0] for key in places}
        assert {key: found[place] for key, place in places.items()} == alone
        assert len(found) == count


def array(keys: list[str], text: bool) -> Any:
    return pa.array(keys if text else [int(key) for key in keys], pa.large_string() if text else pa.int64())


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_keys_come_and_go(data: st.DataObject) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_TIMES", data.draw(st.sampled_from([0, 1, 8])))
        _come_and_go(data)


def _come_and_go(data: st.DataObject) -> None:
    naive = Naive()
    naive.text = data.draw(st.booleans())
    pool = st.sampled_from(TEXTS if naive.text else WHOLE)
    first = data.draw(st.lists(pool, unique=True, max_size=6))
    held = array(first, naive.text)
    base = Keys(held.take(pc.array_sort_indices(held)))
    places = np.array(data.draw(st.permutations(range(len(first)))), np.int64)
    keys: AnyKeys = Keys(base.values, Numbering.of(places) if data.draw(st.booleans()) else None)
    naive.keys = [str(key) for key in keys.take(np.arange(len(first))).to_pylist()]
    for _ in range(data.draw(st.integers(0, 5))):
        step = data.draw(st.sampled_from(["grow", "erase", "settle"]))
        if step == "grow":
            text = data.draw(st.booleans())
            fresh = [key for key in (TEXTS if text else WHOLE) if key not in naive.keys]
            new = data.draw(st.lists(st.sampled_from(fresh), unique=True, max_size=3)) if fresh else []
            keys = grown(keys, array(new, text))
            naive.keys += new
            naive.text |= text
        elif step == "erase" and naive.keys:
            ids = data.draw(st.lists(st.integers(0, len(naive.keys) - 1), max_size=3))
            keys = without(keys, np.array(ids, np.int64))
            naive.keys = [None if place in ids else key for place, key in enumerate(naive.keys)]
        elif step == "settle":
            keys = settled(keys)
            assert keys.values.to_pylist() == sorted(
                keys.values.to_pylist(), key=str.encode if naive.text else None
            )  # fmt: skip
            assert keys.erased == naive.keys.count(None)
    naive.check(keys)
    naive.check(settled(keys))


def test_the_base_is_shared() -> None:
    base = Keys(pa.array([3, 7], pa.int64()))
    keys = grown(grown(base, pa.array([5], pa.int64())), pa.array(["a"], pa.large_string()))
    assert isinstance(keys, GrownKeys)
    assert keys.base is base
    assert keys.take([0, 1, 2, 3]).to_pylist() == ["3", "7", "5", "a"]


def test_too_many_customers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "NO_KEY", 3)
    with pytest.raises(LimitError, match="too many customers; found 3; allowed: 2"):
        grown(Keys(pa.array([3, 7], pa.int64())), pa.array([5], pa.int64()))

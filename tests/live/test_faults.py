"""The disk fails, or the machine does: what was acknowledged is there, and nothing is half done."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import segdex
from segdex.errors import SegdexError, StorageError
from segdex.store.os import OperatingSystem
from tests.live.test_actions import row, small


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
    monkeypatch.setattr("segdex.index.SYSTEM", system)
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


def test_the_lock_is_let_go_where_closing_the_journal_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small(["b"], ["IN"], tmp_path / "index").close()
    system = Refusing(os.close)
    monkeypatch.setattr("segdex.index.SYSTEM", system)
    index = segdex.open(tmp_path / "index", read_only=False)
    system.armed = True
    with pytest.raises(SegdexError):
        index.close()
    system.armed = False
    segdex.open(tmp_path / "index", read_only=False).close()

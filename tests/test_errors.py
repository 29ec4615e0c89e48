"""What all errors have in common: parts that a program may read, none of them longer than people want to read."""

from __future__ import annotations

import pickle

from segdex.errors import ArgumentError, SegdexError, listed, nearest, shortened


def test_long_names_are_cut_and_short_ones_are_not() -> None:
    assert shortened("no column 'spend'") == "no column 'spend'"
    assert shortened(f"no column '{'x' * 98}'") == f"no column '{'x' * 98}'"
    assert shortened(f"no column '{'x' * 99}'") == f"no column '{'x' * 97}…'"
    assert shortened(f'no column "{"x y" * 99}", sorry') == f'no column "{("x y" * 99)[:97]}…", sorry'
    assert shortened("x" * 101) == "x" * 99 + "…"
    prose = "the index's clock and the customers' own words " * 4
    assert shortened(prose) == prose, "an apostrophe opens no quotation"
    path = "/".join(["a folder of a deep tree"] * 30)
    assert shortened(path) == path
    assert len(shortened("many words " * 1_000)) == 1_000


def test_every_part_is_cut() -> None:
    long = "x" * 2_000
    error = SegdexError(long, place=long, found=long, allowed=long, hint=long)
    error.at(long)
    assert len(str(error)) < 700
    again = pickle.loads(pickle.dumps(ArgumentError("wrong", place="here", found=long)))
    assert str(again) == f"here: wrong; found {'x' * 99}…"


def test_long_names_are_neither_listed_whole_nor_compared() -> None:
    assert listed(["x" * 500, "a"]) == f"a, {'x' * 99}…"
    assert nearest("x" * 500, ["x" * 500]) is None
    assert nearest("spned", ["x" * 500, "spend"]) == "did you mean 'spend'?"

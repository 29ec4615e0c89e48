"""Who is held back, for which purpose, and that no missing value lets anybody through."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import segdex
from tests.query import shop

SCHEMA: dict[str, Any] = {
    "customers": {
        "key": "id",
        "attributes": {"email_consent": "bool", "country": "category", "complaints": "integer", "blocked": "tags"},
    },
    "labels": {"list": {"key": "id", "label": "reason"}},
    "segments": {
        "no_email": {"where": "not email_consent = true", "suppression": ["email"]},
        "angry": {"where": "complaints > 2 or segment 'robinson'", "suppression": ["email", "post"]},
        "robinson": {"where": "list = 'robinson'", "suppression": ["post"]},
        "no_ads": {"where": "not blocked has none ('ads')", "suppression": ["ads of shoes"]},
        "indians": {"where": "country = 'IN'"},
        "whole": {"where": "segment 'no_email'"},
    },
}
PURPOSES = ("email", "post", "ads of shoes")
people = st.lists(
    st.fixed_dictionaries(
        {
            "email_consent": st.sampled_from([None, True, False]),
            "country": st.sampled_from([None, "IN", "AE"]),
            "complaints": st.sampled_from([None, 0, 2, 3]),
            "blocked": st.sampled_from([None, [], ["ads"], ["mail"]]),
            "reason": st.sampled_from([None, "robinson", "moved"]),
        }
    ),
    max_size=12,
)


def held_back(person: dict[str, Any], purposes: tuple[str, ...]) -> bool:
    """Whether one customer is in a suppression segment of one of *purposes*."""
    robinson = person["reason"] == "robinson"
    segments = {
        ("email",): person["email_consent"] is not True,
        ("email", "post"): (person["complaints"] or 0) > 2 or robinson,
        ("post",): robinson,
        ("ads of shoes",): person["blocked"] is None or "ads" in person["blocked"],
    }
    return any(inside for named, inside in segments.items() if set(named) & set(purposes))


def built(held: list[dict[str, Any]]) -> segdex.Index:
    columns: dict[str, pa.DataType] = {
        "id": pa.int64(), "email_consent": pa.bool_(), "country": pa.string(), "complaints": pa.int64(),
        "blocked": pa.list_(pa.string()), "reason": pa.string(),
    }  # fmt: skip
    rows = [{"id": at, **person} for at, person in enumerate(held)]
    table = pa.table({name: pa.array([row[name] for row in rows], kind) for name, kind in columns.items()})
    return segdex.build(SCHEMA, as_of=shop.AS_OF, sources={"customers": table, "list": table})


RULES = {
    "everyone": lambda _: True,
    "country != 'IN'": lambda person: person["country"] == "AE",
    "not segment 'indians'": lambda person: person["country"] != "IN",
    "segment 'whole'": lambda person: person["email_consent"] is not True,
}


@pytest.mark.compiled  # about which rule is run; kernels run it as any other
@settings(max_examples=60)
@given(people, st.lists(st.sampled_from(PURPOSES), max_size=3))
def test_nobody_who_is_held_back_is_given_out(held: list[dict[str, Any]], purposes: list[str]) -> None:
    with built(held) as index:
        for rule, holds in RULES.items():
            inside = [at for at, person in enumerate(held) if holds(person)]
            free = [at for at in inside if not held_back(held[at], PURPOSES)]
            allowed = [at for at in inside if not held_back(held[at], tuple(purposes))]
            for suppression, expected in ((False, inside), (True, free), (purposes, allowed)):
                asked: Any = suppression
                members = index.members(rule, suppression=asked).read_all()["id"].to_pylist()
                assert members == expected
                assert index.count(rule, suppression=asked) == len(expected)
                assert index.counts([rule, rule], suppression=asked) == [len(expected)] * 2
                assert index.prepare(rule).count(suppression=asked) == len(expected)
                assert list(index.bitmap(rule, suppression=asked)) == expected
                keys = list(range(len(held)))
                assert index.contains(rule, keys, suppression=asked) == [key in expected for key in keys]
                estimate = index.estimate(rule, suppression=asked)
                assert estimate.low <= len(expected) <= estimate.high
                assert sum(index.count_by(rule, "country", suppression=asked).counts.values()) == len(expected)  # type: ignore[arg-type]
            assert index.members(rule).read_all()["id"].to_pylist() == free, "the default of an export"
            assert (index.count(rule), len(index.bitmap(rule))) == (len(inside), len(inside)), "never of a count"
            told = index.explain(rule)
            assert (told.count, told.count - told.suppressed) == (len(inside), len(free))


@settings(max_examples=30)
@given(people)
def test_a_suppression_segment_is_given_out_whole(held: list[dict[str, Any]]) -> None:
    with built(held) as index:
        for name in ("no_email", "angry", "robinson", "no_ads"):
            rule = f"segment '{name}'"
            for options in ({}, {"suppression": True}, {"suppression": False}, {"suppression": ["email"]}):
                assert index.members(rule, **options).read_all().num_rows == index.count(rule)
            assert index.explain(rule).suppressed == 0, "nothing of it is held back"
            assert index.members(f"{rule} and everyone").read_all().num_rows == 0, "no bare reference"


def test_a_purpose_that_no_segment_has_is_an_error() -> None:
    with built([]) as index:
        for rule in ("everyone", "segment 'no_email'"):
            with pytest.raises(
                segdex.ArgumentError,
                match=r"no suppression segment has this purpose; found 'emial'.*did you mean 'email'",
            ):
                index.members(rule, suppression=["emial"])
        for ask in (index.estimate, index.bitmap, index.count):
            with pytest.raises(segdex.ArgumentError, match="a list"):
                ask("everyone", suppression="email")
        assert index.count("everyone", suppression=[]) == 0


def test_without_suppression_segments_nobody_is_held_back() -> None:
    schema = {"customers": {"key": "id"}, "segments": {"all": {"where": "everyone", "suppression": []}}}
    with segdex.build(schema, as_of=shop.AS_OF, sources={"customers": pa.table({"id": [1, 2]})}) as index:
        assert index.members("everyone").read_all().num_rows == index.count("everyone", suppression=True) == 2


def test_a_loaded_list_is_what_a_suppression_segment_asks() -> None:
    """The list of those who unsubscribed comes from elsewhere: a label of the schema, loaded anew each day."""
    with built([{"email_consent": True, "country": "IN", "complaints": 0, "blocked": [], "reason": None}] * 3) as index:
        assert index.members("everyone").read_all()["id"].to_pylist() == [0, 1, 2]
        index.load("list", {"robinson": [1], "moved": [2]})
        assert index.members("everyone").read_all()["id"].to_pylist() == [0, 2]
        assert index.count("everyone", suppression=["post"]) == 2
        assert index.count("everyone", suppression=["ads of shoes"]) == 3

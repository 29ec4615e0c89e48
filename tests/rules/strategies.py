"""Arbitrary legal trees: everything that the text of a rule can say, and odd shapes that only hand-built trees have."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable
from decimal import Decimal

from hypothesis import strategies as st

from segdex.rules import nodes
from segdex.rules.windows import (
    LONGEST,
    Calendar,
    Dates,
    Duration,
    Last,
    Lifetime,
    Previous,
    Rolling,
    This,
    window_fault,
)
from segdex.rules.words import RESERVED

SOFT = [
    "segment", "contains", "starts", "ends", "with", "last", "this", "previous", "calendar", "lifetime", "count", "km",
    "of", "known", "missing", "all", "none", "anniversary", "bucket", "sequence", "ignoring", "case", "by", "mo", "d",
    "e5", "nan", "then", "on", "step",
]  # fmt: skip
ODD = ["größe", "first name", 'a"b', "a'b", "1st", "a.b", "NOT", "Any", "andy", "in_", "iſ", "90d", " ", "x\ny", "é́"]
KINDS = ["count", "sum", "days_since", "last", "x9", "segment", "mean_gap"]
OPTIONS = ["weight", "from", "every", "count", "last", "of", "least", "lifetime", "this", "class"]
VARIABLES = ["c", 'odd "one"', "any"]
COMPARISONS = ["=", "!=", "<", "<=", ">", ">="]

_KINDS = st.sampled_from(KINDS)
_COUNT = st.just("count")

strings = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
names = st.one_of(
    st.sampled_from(["orders_3m", "country", "_x", "Ab9"]), st.sampled_from([*SOFT, *ODD, *sorted(RESERVED)]),
    strings.filter(bool),
)  # fmt: skip
decimals = st.one_of(
    st.sampled_from(["0", "1", "-1", "100", "0.75", "1e-7", "1e39", "-" + "9" * 40]).map(Decimal),
    st.builds(lambda whole, places: Decimal(whole).scaleb(-places), st.integers(-(10**20), 10**20), st.integers(0, 19)),
    st.floats(-1e15, 1e15).map(lambda number: Decimal(f"{number:.6f}")),
)  # fmt: skip
durations = st.sampled_from(sorted(LONGEST)).flatmap(
    lambda unit: st.builds(Duration, st.one_of(st.integers(0, 40), st.integers(0, LONGEST[unit])), st.just(unit))
)
moments = st.datetimes(timezones=st.just(dt.UTC))
windows = st.one_of(
    st.just(Lifetime()),
    st.builds(Rolling, st.none() | durations, st.none() | durations),
    st.builds(Dates, st.none() | st.dates(), st.none() | st.dates()),
    st.builds(Calendar, durations, st.booleans()),
    st.builds(Last, st.integers(1, 1_000_000)),
    st.builds(This, st.sampled_from(["d", "w", "mo", "y"])),
    st.builds(Previous, st.sampled_from(["d", "w", "mo", "y"])),
).filter(lambda window: window_fault(window) is None)
constants = st.one_of(
    st.builds(nodes.Number, decimals),
    st.builds(nodes.Text, strings),
    st.builds(nodes.Boolean, st.booleans()),
    st.builds(nodes.Date, st.dates()),
    st.builds(nodes.Time, moments),
)
named = st.builds(nodes.Name, names)
settings = st.one_of(
    named,
    st.builds(nodes.Number, decimals),
    st.builds(nodes.Text, strings),
    st.builds(nodes.Boolean, st.booleans()),
    st.builds(nodes.Length, durations),
    st.builds(nodes.Date, st.dates()),
)


@functools.cache
def values(depth: int = 3, variables: tuple[str, ...] = ()) -> st.SearchStrategy[nodes.Value]:
    """Values with at most *depth* operators inside one another; *variables* are the categories declared around it."""
    keys = st.one_of(
        st.builds(nodes.Text, strings),
        st.just(nodes.AnyCategory()),
        *([st.sampled_from([nodes.Variable(name) for name in variables])] if variables else []),
    )
    simple = st.one_of(
        constants,
        named,
        st.just(nodes.Today()),
        st.builds(nodes.Length, durations),
        st.builds(nodes.Item, named, keys),
        st.builds(nodes.Anniversary, named),
        st.builds(nodes.Bucket, strings, st.integers(1, nodes.LARGEST_BUCKET_COUNT)),
    )
    if depth == 0:
        return simple
    below = st.deferred(lambda: values(depth - 1, variables))
    call = calls(_KINDS, depth - 1, variables)
    return st.one_of(
        simple,
        call,
        sequences(depth - 1, variables),
        st.builds(nodes.Item, call, keys),
        st.builds(nodes.Negative, below),
        st.builds(nodes.Arithmetic, st.sampled_from(["+", "-", "*", "/"]), below, below),
    )


@functools.cache
def calls(kinds: st.SearchStrategy[str], depth: int, variables: tuple[str, ...] = ()) -> st.SearchStrategy[nodes.Call]:
    """Inline calls whose rules are at most *depth* deep."""
    rule = st.none() | st.deferred(lambda: rules(depth, variables))
    return st.builds(
        nodes.Call,
        kinds,
        of=names,
        field=st.none() | names,
        window=st.none() | windows,
        where=rule,
        having=rule,
        by=st.none() | names,
        options=st.dictionaries(st.sampled_from(OPTIONS), settings, max_size=2),
    )


@functools.cache
def sequences(depth: int, variables: tuple[str, ...] = ()) -> st.SearchStrategy[nodes.Sequence]:
    """Sequences whose steps have rules at most *depth* deep."""
    rule = st.none() | st.deferred(lambda: rules(depth, variables))
    length = durations.filter(lambda duration: duration.count > 0)
    step = st.one_of(
        st.builds(nodes.Step, stream=names, where=rule, within=st.none() | length),
        st.builds(nodes.Step, stream=names, where=rule, negated=st.just(True), within=length),
    )
    steps = st.builds(
        lambda first, then: (first, *then),
        st.builds(nodes.Step, stream=names, where=rule),
        st.lists(step, min_size=1, max_size=3),
    )
    return st.builds(nodes.Sequence, steps=steps, on=st.none() | names, window=st.none() | windows)


@functools.cache
def rules(depth: int = 3, variables: tuple[str, ...] = ()) -> st.SearchStrategy[nodes.Rule]:
    """Rules with at most *depth* levels; *variables* are the categories declared around it."""
    value = values(min(depth, 2), variables)
    simple = st.one_of(
        st.builds(nodes.Compare, st.sampled_from(COMPARISONS), value, value),
        st.builds(nodes.Between, value, value, value),
        st.builds(nodes.In, value, st.lists(constants, min_size=1, max_size=3).map(tuple), st.booleans()),
        st.builds(
            nodes.Has,
            named,
            st.sampled_from(["any", "all", "none"]),
            st.lists(strings, min_size=1, max_size=3).map(tuple),
        ),
        st.builds(nodes.Known, value),
        st.builds(nodes.Missing, value),
        st.builds(nodes.Match, value, st.sampled_from(["starts", "ends", "contains"]), strings, st.booleans()),
        st.builds(nodes.Soon, value, durations),
        st.builds(
            nodes.Near,
            named,
            st.decimals(0, 100_000, places=3),
            st.decimals(-90, 90, places=6),
            st.decimals(-180, 180, places=6),
        ),
        st.builds(nodes.Segment, names),
        st.just(nodes.Everyone()),
    )
    if depth == 0:
        return simple
    below = st.deferred(lambda: rules(depth - 1, variables))
    several = st.lists(below, min_size=2, max_size=3).map(tuple)
    return st.one_of(
        simple,
        st.builds(nodes.Did, calls(_COUNT, depth - 1, variables)),
        st.builds(nodes.And, several),
        st.builds(nodes.Or, several),
        st.builds(nodes.Not, below),
        *(
            st.builds(nodes.ForAny, st.just(name), st.deferred(_below(depth - 1, (*variables, name))))
            for name in VARIABLES
        ),
    )


def _below(depth: int, variables: tuple[str, ...]) -> Callable[[], st.SearchStrategy[nodes.Rule]]:
    return lambda: rules(depth, variables)

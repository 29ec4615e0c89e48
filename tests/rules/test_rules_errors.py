"""What is said about a text that is no rule, and that no text does anything worse than be refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segdex.errors import ArgumentError, LimitError, RuleError, RuleLimitError
from segdex.rules import limits, nodes
from segdex.rules.json_form import MOST_JSON_BYTES, from_json, to_json
from segdex.rules.text import parse, parse_value, parse_window
from tests.rules import strategies


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("", "line 1, column 1", "a rule"),
        ("frequent", "line 1, column 9", "frequent = true or segment 'frequent'"),
        ('"my list"', "line 1, column 10", "\"my list\" = true or segment 'my list'"),
        ("not frequent and x > 1", "line 1, column 14", "segment 'frequent'"),
        ("did(orders, 7d) or frequent", "line 1, column 28", "segment 'frequent'"),
        ("value_share['a']", "line 1, column 17", "a value alone is not a rule"),
        ("x > 1 and", "line 1, column 10", "the text ends too early"),
        ("1 < x < 2", "line 1, column 7", "do not chain"),
        ("x = y = z", "line 1, column 7", "do not chain"),
        ("x == 1", "line 1, column 4", "one = is enough"),
        ("x <> 1", "line 1, column 4", "write !="),
        ("x => 1", "line 1, column 4", "write >="),
        ("x betwen 1 and 2", "line 1, column 3", "did you mean 'between'?"),
        ("x is mising", "line 1, column 6", "known, missing"),
        ("tags has some ('a')", "line 1, column 10", "any, all, none"),
        ("count(orders, this month) > 1", "line 1, column 20", "d, w, mo or y"),
        ("count(orders, calender 30d) > 1", "line 1, column 24", "="),
        ("country = 'it's ok'", "line 1, column 15", "doubled"),
        ("x > 1 and\n  name = 'open", "line 2, column 10", "does not end"),
        ('x > 1 and "open = 1', "line 1, column 11", "does not end"),
        ("x in (IN)", "line 1, column 7", "single quotes: 'IN'"),
        ('x contains "shoe"', "line 1, column 12", "single quotes: 'shoe'"),
        ("born < 2026-02-30", "line 1, column 8", "not a date"),
        ("born < 2026-2-3", "line 1, column 8", "two digits"),
        ("at < 2026-01-31T12:00:00", "line 1, column 6", "zone"),
        ("at < 2026-01-31T25:00:00Z", "line 1, column 6", "not a time"),
        ("at < 2026-02-30T12:00:00Z", "line 1, column 6", "not a time"),
        ("at < 0001-01-01T00:00:00+05:00", "line 1, column 6", "not a time"),
        ("x > 1 && y > 2", "line 1, column 7", "write and"),
        ("x ≥ 1", "line 1, column 3", "write >="),
        ("x = ’a’", "line 1, column 5", "straight"),
        ("x\0 = 1", "line 1, column 2", "'\\x00'"),
        ("x = '\ud800'", "line 1, column 6", "'\\ud800'"),
        ("and > 5", "line 1, column 1", 'written "and"'),
        ("(x > 1", "line 1, column 7", "the text ends too early"),
        ("x > 1)", "line 1, column 6", "no ( stands before it"),
        ("x in ()", "line 1, column 7", "a text, number, date"),
        ("x + 1 has any ('a')", "line 1, column 1", "before 'has' stands a name"),
        ("x > " + "9" * 41, "line 1, column 5", "40 digits"),
        ("x > 1e41", "line 1, column 5", "40 digits"),
        ("x > 1e-41", "line 1, column 5", "40 digits"),
        ("x > 1e999999999999", "line 1, column 5", "40 digits"),
        ("x within 999999999d", "line 1, column 10", "too long"),
        ("home within 3 km of (91, 2)", "line 1, column 13", "latitude"),
        ("bucket('a', 0) < 1", "line 1, column 13", "1 to 1,000,000,000"),
        ("bucket('a', 2.5) < 1", "line 1, column 13", "a whole number"),
        ("any c (x[d] > 1)", "line 1, column 10", "['d']"),
        ("any c (x[c] > 1) and x[c] > 1", "line 1, column 24", "['c']"),
        ("count(orders, 90d, 30d) > 1", "line 1, column 20", "window is given twice"),
        ("count(orders, a = 1, A = 2) > 1", "line 1, column 22", "a is given twice"),
        ("sum(orders, field = amount) > 1", "line 1, column 13", "write sum(orders.field)"),
        ("count(orders, by = 'shop') > 1", "line 1, column 15", "without quotes"),
        ("count(orders, ünder = 1) > 1", "line 1, column 15", "no option"),
        ("größe(orders) > 1", "line 1, column 1", "no kind of metric"),
        ("segment ''", "line 1, column 9", "a name is empty"),
        ('"" = 1', "line 1, column 1", "a name is empty"),
        ("sequence(a, 30d) >= 1", "line 1, column 11", "then"),
        ("sequence(a then b)", "line 1, column 19", "a value alone is not a rule"),
        ("sequence(not a then b) >= 1", "line 1, column 10", "the first step"),
        ("sequence(a within 3d then b) >= 1", "line 1, column 10", "the first step has none"),
        ("sequence(a then not b) >= 1", "line 1, column 17", "needs 'within'"),
        ("sequence(a then b within 0d) >= 1", "line 1, column 17", "longer than nothing"),
        ("sequence(a then b within 3) >= 1", "line 1, column 26", "a duration"),
        ("sequence(a then b on 'x') >= 1", "line 1, column 22", "a name"),
        ("sequence(a then b, 30d, 90d) >= 1", "line 1, column 23", ")"),
        ("sequence(a then b, 30d..90d) >= 1", "line 1, column 20", "empty"),
        ("sequence(a then \"\") >= 1", "line 1, column 17", "a name is empty"),
        ("sequence(a" + " then b" * 16 + ") >= 1", "line 1, column 1", "too many steps"),
        ("count(o" + ", a{} = 1" * 25 + ") > 1", "line 1, column 11", "allowed: ="),
        ("count(o" + "".join(f", a{i} = 1" for i in range(25)) + ") > 1", "line 1, column 1", "too many parts"),
    ],
)  # fmt: skip
def test_errors_say_where_and_what(text: str, place: str, said: str) -> None:
    with pytest.raises(RuleError) as caught:
        parse(text)
    assert caught.value.place == place
    assert said in str(caught.value)


def test_an_error_shows_a_long_word_in_short() -> None:
    with pytest.raises(RuleError) as caught:
        parse("x " + "y" * 60_000)
    assert len(str(caught.value)) < 400


def test_only_text_is_parsed() -> None:
    with pytest.raises(ArgumentError, match="a rule is text; found bytes"):
        parse(b"x > 1")


@pytest.mark.parametrize(
    ("fits", "too_much"),
    [
        ("(" * 32 + "x > 1" + ")" * 32, "(" * 33 + "x > 1" + ")" * 33),
        ("not " * 32 + "x > 1", "not " * 33 + "x > 1"),
        ("x > " + "-" * 33 + "1", "x > " + "-" * 34 + "1"),
        ("x > " + "1 + " * 32 + "1", "x > " + "1 + " * 33 + "1"),
        ("f(s, where " * 32 + "x > 1" + ") > 1" * 32, "f(s, where " * 33 + "x > 1" + ") > 1" * 33),
        (" or ".join(["x > 1"] * 999), " or ".join(["x > 1"] * 1000)),
        ("x in (" + ",".join("1" * 10_000) + ")", "x in (" + ",".join("1" * 10_001) + ")"),
        (
            "x in (" + ",".join("1" * 9_999) + ") or t has any ('a')",
            "x in (" + ",".join("1" * 9_999) + ") or t has any ('a', 'b')",
        ),
        ("x = '" + "a" * (65_536 - 6) + "'", "x = '" + "a" * (65_536 - 5) + "'"),
        ("x = '" + "é" * (32_768 - 3) + "'", "x = '" + "é" * (32_768 - 2) + "'"),
    ],
    ids=["parentheses", "not", "minus", "sum", "calls", "nodes", "items", "items-of-two-lists", "text", "bytes"],
)
def test_limits_hold_to_the_last(fits: str, too_much: str) -> None:
    rule = parse(fits)
    assert parse(str(rule)) == rule
    assert from_json(to_json(rule)) == rule
    for kind in (RuleError, LimitError, RuleLimitError):
        with pytest.raises(kind, match="allowed: "):
            parse(too_much)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 100_000, "(" * 60_000, "[" * 60_000, "not " * 16_000, "x > " + "-" * 60_000 + "1", "x > " + "9" * 60_000,
        "x in (" + "1," * 30_000, "x = '" + "''" * 30_000, '"' + '""' * 30_000, "a " * 30_000, "\n" * 60_000,
        " " * 60_000, "x > " + "f(" * 30_000, "x > " + "1+" * 30_000 + "1", "count(o, where " * 4_000, "." * 60_000,
        "segment " * 8_000, "last " * 12_000, "count(o" + ", 90d" * 12_000, "2026-01-01" * 6_000,
        "x > 1e" + "9" * 60_000,
        "any c (" * 9_000, "x and " * 10_000, "\0" * 60_000, "\ud800" * 60_000, "é" * 60_000, "𝔸 " * 13_000,
    ],
)  # fmt: skip
def test_hostile_text_is_refused(text: str) -> None:
    for read in (parse, parse_value, parse_window):
        with pytest.raises(RuleError):
            read(text)


def read_or_refused(read: Callable[[Any], nodes.Rule], given: str | bytes) -> None:
    """What is read prints and reads back; what is refused is refused as a rule, and text with its place."""
    error = None
    try:
        rule = read(given)
    except RuleError as refused:
        error = refused
    if error is None:
        assert parse(str(rule)) == rule
        assert from_json(to_json(rule)) == rule
    else:
        assert error.problem
        assert isinstance(given, bytes) or error.place is not None


PIECES = st.sampled_from(
    [
        "x",
        "1",
        "'a'",
        '"n"',
        "(",
        ")",
        "[",
        "]",
        ",",
        ".",
        "..",
        "=",
        "!=",
        "<",
        ">=",
        "+",
        "-",
        "*",
        "/",
        "and",
        "or",
        "not",
        "in",
        "is",
        "between",
        "has",
        "within",
        "where",
        "having",
        "true",
        "everyone",
        "today",
        "did",
        "any",
        "all",
        "none",
        "known",
        "missing",
        "starts",
        "ends",
        "with",
        "contains",
        "ignoring",
        "case",
        "segment",
        "anniversary",
        "bucket",
        "sequence",
        "then",
        "on",
        "km",
        "of",
        "calendar",
        "last",
        "this",
        "previous",
        "lifetime",
        "mo",
        "90d",
        "2026-01-31",
        "2026-02-30",
        "2026-01-31T12:00:00Z",
        "by",
        "count",
        "1e9",
        "'",
        '"',
        "\x00",
        "é",
    ]
)


@given(st.lists(PIECES, max_size=12).map(" ".join) | st.lists(PIECES, max_size=12).map("".join) | st.text(max_size=20))
@settings(deadline=None)
def test_any_text_is_a_rule_or_a_rule_error(text: str) -> None:
    read_or_refused(parse, text)


@given(strategies.rules(2), st.data())
@settings(deadline=None)
def test_a_rule_with_a_piece_changed_is_a_rule_or_a_rule_error(rule: nodes.Rule, data: st.DataObject) -> None:
    text = str(rule)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 4)))
    changed = text[:start] + data.draw(st.one_of(st.just(""), PIECES)) + text[end:]
    read_or_refused(parse, changed)


# --- JSON ----------------------------------------------------------------------------------------------------------

EVERYONE = '{"is":"everyone"}'


def known(value: str) -> str:
    return f'{{"is":"known","value":{value}}}'


def did(rest: str) -> str:
    return f'{{"is":"did","call":{{"is":"call","kind":"count","of":"orders"{rest}}}}}'


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("", "not JSON"),
        ("nothing", "not JSON"),
        (b"\xff", "not JSON"),
        ('"\ud800"', "not JSON"),
        (EVERYONE + EVERYONE, "not JSON"),
        ("null", r"\$: not a rule: Expected `object`"),
        ("[]", "not a rule"),
        ('{"is":"nobody"}', r"\$.is: not a rule: Invalid value 'nobody'"),
        ('{"is":"everyone","is":"everyone"}', "given twice; found 'is'"),
        (known('{"is":"name","name":"x","name":"y"}'), "given twice; found 'name'"),
        ('{"is":"everyone","more":1}', "unknown field `more`"),
        (f'{{"is":"and","rules":[{EVERYONE}]}}', r"\$.rules: not a rule"),
        ('{"is":"not","rule":{"is":"name","name":"x"}}', r"\$.rule"),
        (known('{"is":"name","name":""}'), "length >= 1"),
        (known('{"is":"name","name":"a\\u0000"}'), "cannot be kept"),
        (known('{"is":"name","name":"\\ud800"}'), "not JSON"),
        (known('{"is":"number","value":NaN}'), "NaN"),
        *((known(json.dumps({"is": "number", "value": odd})), "not a number") for odd in (
            "NaN", "1_000", "１", "٣", " 1", "1\n", "+1", "1.", ".", "", "0x10", "1e", "--1",
        )),
        (known('{"is":"number","value":"1e41"}'), "40 digits"),
        (known('{"is":"number","value":' + "1" * 100_000 + "}"), "40 digits"),
        (known('{"is":"time","value":"2026-01-01T00:00:00"}'), "timezone"),
        (known('{"is":"date","value":"2026-02-30"}'), "date"),
        (known('{"is":"item","of":{"is":"name","name":"x"},"key":{"is":"variable","name":"c"}}'), "declares"),
        (known('{"is":"bucket","salt":"a","count":0}'), "count"),
        (known('{"is":"length","value":{"is":"duration","count":-1,"unit":"d"}}'), "negative"),
        (known('{"is":"length","value":{"is":"duration","count":365001,"unit":"d"}}'), "too long"),
        (known('{"is":"call","kind":"did","of":"x"}'), "no kind of metric"),
        (known('{"is":"call","kind":"count\\n","of":"x"}'), "no kind of metric"),
        (did(',"window":{"is":"rolling"}'), "needs a start or an end"),
        (did(',"window":{"is":"last","count":0}'), "last transactions"),
        (did(',"options":{"by":{"is":"name","name":"x"}}'), "no option"),
        (did(',"options":{"\\u0000":{"is":"name","name":"x"}}'), "no option"),
        (did("").replace("count", "sum"), "did asks for the kind count"),
        (
            '{"is":"near","value":{"is":"name","name":"x"},"kilometres":"-1","latitude":"0","longitude":"0"}',
            "kilometres",
        ),
        (
            '{"is":"near","value":{"is":"name","name":"x"},"kilometres":"1","latitude":"1_0","longitude":"0"}',
            "not a number; found '1_0'",
        ),
        ('{"is":"not","rule":' * 33 + EVERYONE + "}" * 33, "32 levels"),
        ('{"is":"not","rule":' * 50_000, "32 levels"),
        ("[" * 500_000, "32 levels"),
        (f'{{"is":"and","rules":[{",".join([EVERYONE] * 1_000)}]}}', "too many parts"),
        (known(f'{{"is":"text","value":"{"a" * 70_000}"}}'), "65,536 bytes"),
        (" " * MOST_JSON_BYTES + EVERYONE, "too long"),
    ],
)  # fmt: skip
def test_json_that_is_no_rule_is_refused(data: str | bytes, said: str) -> None:
    with pytest.raises(RuleError, match=said):
        from_json(data)


def test_only_bytes_and_text_are_read_as_json() -> None:
    with pytest.raises(ArgumentError, match="bytes or text"):
        from_json({"is": "everyone"})


@given(st.data())
@settings(deadline=None)
def test_what_json_is_accepted_prints_and_reads_back(data: st.DataObject) -> None:
    raw = bytearray(to_json(data.draw(strategies.rules(2))))
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.sampled_from(b'"0a9-.e{}[],:\\ \x00A'))
    read_or_refused(from_json, bytes(raw))


# --- trees built by hand -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rule",
    [
        nodes.And((nodes.Everyone(),)),
        nodes.Or(()),
        nodes.In(nodes.Name("x"), ()),
        nodes.Has(nodes.Name("x"), "any", ()),
        nodes.Known(nodes.Name("")),
        nodes.Segment(""),
        nodes.ForAny("", nodes.Everyone()),
        nodes.Known(nodes.Item(nodes.Name("x"), nodes.Variable("c"))),
        nodes.Did(nodes.Call("count", "")),
        nodes.Did(nodes.Call("count", "s", options={f"a{i}": nodes.Name("x") for i in range(30)})),
    ],
)
def test_trees_that_no_text_can_say_are_refused_by_check(rule: nodes.Rule) -> None:
    with pytest.raises(RuleError):
        limits.check(rule)


def test_trees_that_are_too_deep_are_refused_by_every_form() -> None:
    rule: nodes.Rule = nodes.Everyone()
    for _ in range(5_000):
        rule = nodes.Not(rule)
    for form in (str, to_json, nodes.Rule.to_python, limits.check):
        with pytest.raises(RuleLimitError, match="32 levels"):
            form(rule)

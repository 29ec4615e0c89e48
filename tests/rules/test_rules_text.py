"""What the text of a rule means: precedence, soft words, windows, literals."""

from __future__ import annotations

import datetime as dt
import threading
from decimal import Decimal

import pytest

from segdex.errors import RuleError
from segdex.rules import nodes
from segdex.rules.text import parse, parse_value, parse_window, read
from segdex.rules.windows import Calendar, Dates, Duration, Last, Lifetime, Previous, Rolling, This
from segdex.rules.words import RESERVED

X = nodes.Name("x")


def number(value: str) -> nodes.Number:
    return nodes.Number(Decimal(value))


def test_not_binds_tighter_than_and_and_and_tighter_than_or() -> None:
    a, b, c = (parse(f"{name} = 1") for name in "abc")
    assert parse("not a = 1 and b = 1 or c = 1") == nodes.Or((nodes.And((nodes.Not(a), b)), c))
    assert parse("a = 1 or b = 1 and not c = 1") == nodes.Or((a, nodes.And((b, nodes.Not(c)))))
    assert parse("not (a = 1 or b = 1) and c = 1") == nodes.And((nodes.Not(nodes.Or((a, b))), c))


def test_chains_of_one_operator_are_one_node_and_parentheses_keep_groups() -> None:
    a, b, c = (parse(f"{name} = 1") for name in "abc")
    assert parse("a = 1 and b = 1 and c = 1") == nodes.And((a, b, c))
    assert parse("(a = 1 and b = 1) and c = 1") == nodes.And((nodes.And((a, b)), c))
    assert parse("((a = 1))") == a


def test_the_and_of_between_is_not_the_and_of_rules() -> None:
    rule = parse("x between 1 + 1 and y * 2 and z = 1")
    low = nodes.Arithmetic("+", number("1"), number("1"))
    high = nodes.Arithmetic("*", nodes.Name("y"), number("2"))
    assert rule == nodes.And((nodes.Between(X, low, high), parse("z = 1")))


def test_arithmetic_goes_left_to_right_by_precedence() -> None:
    assert str(parse("a - b - c * d / e > 0")) == "a - b - c * d / e > 0"
    assert parse_value("a - b - c") == parse_value("(a - b) - c") != parse_value("a - (b - c)")
    assert parse_value("a + b * c") == parse_value("a + (b * c)")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", "12"), ("1.5", "1.5"), (".5", "0.5"), ("1e6", "1000000"), ("1E-2", "0.01"), ("1.50", "1.5"),
        ("-3", "-3"),
        ("- 3", "-3"), ("-0", "0"), ("007", "7"), ("0" * 79 + "1", "1"), ("9" * 40, "9" * 40),
        ("-" + "9" * 40, "-" + "9" * 40),
    ],
)  # fmt: skip
def test_numbers_are_the_decimals_that_are_written(text: str, value: str) -> None:
    assert parse_value(text) == number(value)


def test_the_minus_of_a_literal_belongs_to_it_and_other_minuses_do_not() -> None:
    assert parse_value("-x") == nodes.Negative(X)
    assert parse_value("-(5)") == nodes.Negative(number("5"))
    assert parse_value("x -1") == parse_value("x-1") == nodes.Arithmetic("-", X, number("1"))
    assert parse_value("x - -1") == nodes.Arithmetic("-", X, number("-1"))
    assert parse_value("--1") == nodes.Negative(number("-1"))


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-31T12:00:00Z", dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)),
        ("2026-01-31t12:00z", dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)),
        ("2026-01-31T12:00:00.5Z", dt.datetime(2026, 1, 31, 12, 0, 0, 500_000, tzinfo=dt.UTC)),
        ("2026-01-31T12:00:00.000001Z", dt.datetime(2026, 1, 31, 12, 0, 0, 1, tzinfo=dt.UTC)),
        ("2026-01-31T00:30:00+05:30", dt.datetime(2026, 1, 30, 19, tzinfo=dt.UTC)),
        ("2026-01-31T00:30:00-0330", dt.datetime(2026, 1, 31, 4, tzinfo=dt.UTC)),
    ],
)
def test_times_are_kept_in_utc(text: str, moment: dt.datetime) -> None:
    value = parse_value(text)
    assert value == nodes.Time(moment)
    assert value.value.tzinfo is dt.UTC


def test_dates_and_today() -> None:
    assert parse_value("2024-02-29") == nodes.Date(dt.date(2024, 2, 29))
    assert parse_value("today - 1mo") == nodes.Arithmetic("-", nodes.Today(), nodes.Length(Duration(1, "mo")))
    assert parse("anniversary(born) within 7D") == nodes.Soon(nodes.Anniversary(nodes.Name("born")), Duration(7, "d"))


def test_strings_and_quoted_names_double_their_quotes() -> None:
    assert parse('"odd ""name""" = \'it\'\'s\'') == nodes.Compare("=", nodes.Name('odd "name"'), nodes.Text("it's"))
    assert parse("x = ''") == nodes.Compare("=", X, nodes.Text(""))
    assert parse("x = 'a\nb\tc'") == nodes.Compare("=", X, nodes.Text("a\nb\tc"))


@pytest.mark.parametrize("word", sorted(RESERVED))
def test_reserved_words_are_names_only_in_quotes(word: str) -> None:
    for spelled in (word, word.upper(), word.title()):
        with pytest.raises(RuleError):
            parse(f"f({spelled}) = 1")
        assert parse(f'"{spelled}" = 1') == nodes.Compare("=", nodes.Name(spelled), number("1"))
    assert str(parse(f"{word}_ = 1 and x{word} = 1")) == f"{word}_ = 1 and x{word} = 1"


@pytest.mark.parametrize(
    "word",
    [
        "contains",
        "starts",
        "ends",
        "with",
        "ignoring",
        "case",
        "known",
        "missing",
        "all",
        "none",
        "segment",
        "anniversary",
        "bucket",
        "sequence",
        "last",
        "this",
        "previous",
        "calendar",
        "lifetime",
        "km",
        "of",
        "by",
        "then",
        "on",
        "d",
        "mo",
        "count",
        "e1",
        "nan",
        "null",
        "ratio",
    ],
)
def test_every_other_word_is_soft(word: str) -> None:
    name = nodes.Name(word)
    one = nodes.Compare("=", name, number("1"))
    assert parse(f"{word} = 1 and {word}=1 or not ({word}\n= 1)") == nodes.Or((nodes.And((one, one)), nodes.Not(one)))
    assert parse(f"{word} is missing") == nodes.Missing(name)
    assert parse(f"{word} contains 'a'") == nodes.Match(name, "contains", "a")
    assert parse(f"{word}[any] > {word}['a']").left == nodes.Item(name, nodes.AnyCategory())
    assert parse(f"any {word} (x[{word}] > 1)") == nodes.ForAny(
        word, nodes.Compare(">", nodes.Item(X, nodes.Variable(word)), number("1"))
    )
    assert parse(f"count({word}.{word}, {word} = {word}) = 1").left == nodes.Call(
        "count", word, word, options={word: name}
    ) or word in ("by",)


def test_words_that_begin_like_keywords_are_whole_words() -> None:
    text = "android = 1 and order = 1 or innings in (1) and notes = 1 and anyone = 1"
    assert str(parse(text)) == text
    assert parse("x between 1 and andy") == nodes.Between(X, number("1"), nodes.Name("andy"))


def test_keywords_are_read_in_any_case() -> None:
    assert parse("X NOT IN (TRUE, False) AND Y Is Missing OR NOT Segment 'S'") == parse(
        "X not in (true, false) and Y is missing or not segment 'S'"
    )
    assert parse("COUNT(orders, 90D, WHERE a STARTS WITH 'b' IGNORING CASE, BY = c)['x'] > 1") == parse(
        "count(orders, 90d, where a starts with 'b' ignoring case, by = c)['x'] > 1"
    )


@pytest.mark.parametrize(
    ("text", "window"),
    [
        ("90d", Rolling(Duration(90, "d"))), ("36h", Rolling(Duration(36, "h"))),
        ("30min", Rolling(Duration(30, "min"))),
        ("12w", Rolling(Duration(12, "w"))), ("6mo", Rolling(Duration(6, "mo"))), ("1y", Rolling(Duration(1, "y"))),
        ("180d..90d", Rolling(Duration(180, "d"), Duration(90, "d"))), ("..30d", Rolling(None, Duration(30, "d"))),
        ("6mo..30d", Rolling(Duration(6, "mo"), Duration(30, "d"))),
        ("calendar 30d", Calendar(Duration(30, "d"))), ("calendar 30d today", Calendar(Duration(30, "d"), True)),
        ("this mo", This("mo")), ("previous w", Previous("w")), ("last 10", Last(10)), ("lifetime", Lifetime()),
        ("2025-11-24..2025-12-01", Dates(dt.date(2025, 11, 24), dt.date(2025, 12, 1))),
        ("2025-11-24..", Dates(dt.date(2025, 11, 24), None)), ("..2025-12-01", Dates(None, dt.date(2025, 12, 1))),
    ],
)  # fmt: skip
def test_windows(text: str, window: object) -> None:
    assert parse_window(text) == window
    assert parse(f"did(orders, {text})") == nodes.Did(nodes.Call("count", "orders", window=window))
    assert str(window) == text


@pytest.mark.parametrize(
    "text",
    ["0d", "30d..90d", "30d..30d", "1mo..12mo", "1y..12mo", "48h..2d", "2025-12-01..2025-12-01", "calendar 36h",
     "calendar 0d", "last 0", "last 1.5", "this h"],
)  # fmt: skip
def test_windows_that_hold_nothing_are_refused(text: str) -> None:
    with pytest.raises(RuleError):
        parse_window(text)
    with pytest.raises(RuleError):
        parse(f"did(orders, {text})")


def test_calls_take_their_parts_in_any_order_once() -> None:
    rule = parse("sum(orders.amount, by = shop, having amount > 5, 90d, where a = 1 and b in (1, 2), every = 1y) > 1")
    assert rule.left == nodes.Call(
        "sum",
        "orders",
        "amount",
        Rolling(Duration(90, "d")),
        parse("a = 1 and b in (1, 2)"),
        parse("amount > 5"),
        "shop",
        {"every": nodes.Length(Duration(1, "y"))},
    )
    assert parse("years_since(birth_date) > 30").left == nodes.Call("years_since", "birth_date")


def test_did_is_a_call_of_count() -> None:
    assert parse("did(orders, 7d)") == nodes.Did(nodes.Call("count", "orders", window=Rolling(Duration(7, "d"))))


def test_places_and_lists() -> None:
    assert parse("home within 2.5km of (-12.97, 77.5)") == nodes.Near(
        nodes.Name("home"), Decimal("2.5"), Decimal("-12.97"), Decimal("77.5")
    )
    assert parse("x in (1, -2, 'a', true, 2026-01-01)").values == (
        number("1"), number("-2"), nodes.Text("a"), nodes.Boolean(True), nodes.Date(dt.date(2026, 1, 1)),
    )  # fmt: skip


def test_white_space_is_free_and_lines_count() -> None:
    assert parse("\u00a0 x\n\t=\r\n1 ") == parse("x=1")
    source = read("a = 1\nand b\n  > c[any]")
    one, two = source.rule.rules
    places = {str(node): source.positions[id(node)] for node in (source.rule, one, two)}
    assert places == {str(source.rule): (1, 1), str(one): (1, 1), str(two): (2, 5)}
    assert source.positions[id(two.right)] == (3, 5)
    assert source.positions[id(two.right.key)] == (3, 7)


def test_many_threads_parse_at_once() -> None:
    texts = [f"x > {number} and y[any] in ({number}, 'a')" for number in range(40)]
    found: dict[str, str] = {}

    def work(mine: list[str]) -> None:
        for text in mine:
            source = read(text)
            assert all(id(node) in source.positions for node in nodes.walk(source.rule))
            found[text] = str(source.rule)

    threads = [threading.Thread(target=work, args=(texts[start::4],)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {text: text for text in texts}

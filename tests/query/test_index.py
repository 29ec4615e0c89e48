"""The façade, on a shop small enough to check by hand."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyroaring
import pytest

import segdex
from tests.query import shop


@pytest.fixture(scope="module")
def index() -> Iterator[segdex.Index]:
    with shop.index() as made:
        yield made


def keys(index: segdex.Index, rule: str) -> list[str]:
    return index.members(rule, suppression=False).read_all()["customer_id"].to_pylist()


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("everyone", ["ann", "bob", "cat", "dan", "eve"]),
        ("orders_3m > 0", ["ann"]),
        ("count(orders) = 2", ["ann"]),
        ("count(orders) = 0", ["cat", "dan", "eve"]),  # eve's order is in the future
        ("spend = 100", ["ann"]),
        ("spend < 0.01", ["cat", "dan", "eve"]),
        ("value_share['garden'] = 0.8", ["ann"]),
        ("value_share[any] >= 0.8", ["ann", "bob"]),
        ("any c (value_share[c] > 0.1 and value_share[c] < 0.3)", ["ann"]),
        ("affinity['toys'] = '..0.5'", ["ann"]),
        ("affinity['never'] = '..0.5'", ["ann", "bob"]),
        ("value_share['toys'] is missing", ["cat", "dan", "eve"]),
        ("country != 'IN'", ["bob"]),
        ("not country = 'IN'", ["bob", "cat", "eve"]),
        ("country in ('IN', 'XX')", ["ann", "dan"]),
        ("income >= 'low'", ["ann", "bob"]),
        ("income is known", ["ann", "bob", "dan"]),
        ("tags has any ('vip', 'beta')", ["ann", "dan"]),
        ("tags has none ('vip')", ["bob", "dan"]),
        ("email ends with '@gmail.com'", ["ann"]),
        ("email ends with '@gmail.com' ignoring case", ["ann", "dan"]),
        ("recency = 'hot'", ["ann"]),
        ("recency > 'warm'", ["bob"]),
        ("recency is missing", ["cat", "dan", "eve"]),
        ("lifecycle = 'lead'", ["cat", "dan", "eve"]),
        ("lifecycle is missing", ["bob"]),
        ("segment 'good'", ["ann"]),
        ("birth_date < 1990-01-01", ["dan"]),
        ("birth_date <= 1990-01-01", ["ann", "dan"]),
        ("years_since(birth_date) >= 46", ["dan"]),
        ("did(orders, 7d)", ["ann"]),
        ("sum(orders.amount, where department = 'garden') > 79.99", ["ann"]),
        ("count(orders, having amount >= 50) = 2", ["ann"]),
        ("share(orders, where department = 'garden', weight = amount, having amount >= 50) = 0.5", ["ann"]),
        ("spend > 2 * sum(orders.amount, 90d) - 1", ["ann", "bob", "cat", "dan", "eve"]),
    ],
)
def test_a_rule_finds_its_members(index: segdex.Index, rule: str, expected: list[str]) -> None:
    assert keys(index, rule) == expected
    assert index.count(rule) == len(expected)
    assert index.prepare(rule).count() == len(expected)
    assert index.count(segdex.Rule.from_json(segdex.parse(rule).to_json())) == len(expected)
    assert [key for key in ("ann", "bob", "cat", "dan", "eve") if index.contains(rule, key)] == expected


@pytest.mark.parametrize(
    ("rule", "expected"),
    [("ref starts with '1'", [1, 3]), ("ref = other", [1]), ("ref != other", [2]), ("other contains '0'", [2]),
     ("ref = 12", [1]), ("ref = '12'", [1]), ("ref in (12, 7)", [1, 2]), ("1 / (ref_count - 1) is missing", [2, 4])],
)  # fmt: skip
def test_ids_of_integers_compare_with_ids_of_strings(rule: str, expected: list[int]) -> None:
    kinds = {"ref": "id", "other": "id", "ref_count": "integer"}
    people = pa.table({"id": [1, 2, 3, 4], "ref": [12, 7, 15, None], "other": ["12", "07", None, None],
                       "ref_count": [2, 1, 0, None]})  # fmt: skip
    schema = {"customers": {"key": "id", "attributes": kinds}}
    with segdex.build(schema, as_of=shop.AS_OF, sources={"customers": people}) as made:
        assert made.keys(made.bitmap(rule)).to_pylist() == expected


def test_folded_tags_are_lowered_as_the_data_is() -> None:
    people = pa.table({"id": [1, 2], "tags": [["ΟΔΟΣ"], ["İstanbul"]]})
    schema = {"customers": {"key": "id", "attributes": {"tags": {"type": "tags", "fold": "lower"}}}}
    with segdex.build(schema, as_of=shop.AS_OF, sources={"customers": people}) as made:
        rules = ["tags has any ('ΟΔΟΣ')", "tags has all ('İstanbul')", "tags has none ('ΟΔΟΣ')"]
        assert made.counts(rules) == [1, 1, 1]
        assert not made.check(rules[0]).warnings


def test_a_segment_named_like_a_rule_is_not_taken_for_it() -> None:
    people = pa.table({"id": [1, 2, 3], "segment": ["x", "y", "x"], "o": ["p", "q", "q"]})
    kinds = {"segment": "category", "o": "category"}
    schema = {"customers": {"key": "id", "attributes": kinds}, "segments": {"= 'x'": {"where": "o = 'p'"}}}
    with segdex.build(schema, as_of=shop.AS_OF, sources={"customers": people}) as made:
        assert [made.count("segment = 'x'"), made.count("segment '= ''x'''")] == [2, 1]


def test_shared_segments_are_looked_into_once() -> None:
    people = pa.table({"id": [1, 2], "o": ["p", "q"]})
    chain = {f"s{i}": {"where": " and ".join([f"segment 's{i - 1}'"] * 3)} for i in range(1, 25)}
    schema = {
        "customers": {"key": "id", "attributes": {"o": "category"}},
        "segments": {"s0": {"where": "o = 'p'"}} | chain,
    }
    with segdex.build(schema, as_of=shop.AS_OF, sources={"customers": people}) as made:
        assert made.count("segment 's24'") == 1
        assert made.check("segment 's24'").leaves == 1, "three to the power of 24 visits would not end"
        assert made.explain("segment 's24'").count == 1


def test_categories_inside_one_another_are_bounded(index: segdex.Index) -> None:
    letters = "abcdefghijklmnopqrst"
    opened = "".join(f"any {letter} (" for letter in letters)
    rule = opened + " and ".join(f"value_share[{letter}] > 0.1" for letter in letters) + ")" * len(letters)
    with pytest.raises(segdex.LimitError, match="1,048,576"):
        index.count(rule)
    assert index.count("any a (any b (value_share[a] > 0.7 and value_share[b] between 0.1 and 0.3))") == 1


def test_counts_answers_many_rules_in_their_order(index: segdex.Index) -> None:
    assert index.counts(["everyone", "spend > 50", segdex.field("spend") > 50]) == [5, 1, 1]


def test_bitmaps_and_keys_go_both_ways(index: segdex.Index) -> None:
    everyone = index.bitmap("everyone")
    assert isinstance(everyone, pyroaring.BitMap)
    assert index.keys(everyone).to_pylist() == ["ann", "bob", "cat", "dan", "eve"]
    assert index.keys(index.ids(["dan", "nobody", "ann"])).to_pylist() == ["ann", "dan"]
    assert index.keys(index.ids("dan")).to_pylist() == ["dan"]
    everyone.clear()
    assert index.count("everyone") == 5, "a bitmap that was handed out is the caller's own"


def test_keys_refuses_a_set_of_another_index(index: segdex.Index) -> None:
    with pytest.raises(segdex.ArgumentError, match="dense id 5"):
        index.keys(pyroaring.BitMap([5]))
    with pytest.raises(segdex.ArgumentError, match=r"pyroaring\.BitMap"):
        index.keys([1, 2])  # type: ignore[arg-type]


def test_contains_and_segments_of_take_one_key_or_a_list(index: segdex.Index) -> None:
    assert index.contains("spend > 50", ["ann", "nobody", "bob"]) == [True, False, False]
    assert index.contains("everyone", "nobody") is False
    assert index.segments_of("ann") == ("spenders", "good")
    assert index.segments_of(["bob", "nobody"]) == [("no_email", "minors"), ()]


def test_customer_tells_everything(index: segdex.Index) -> None:
    ann = index.customer("ann")
    assert ann.attributes["birth_date"] == dt.date(1990, 1, 1)
    assert ann.attributes["tags"] == ["beta", "vip"]
    assert ann.metrics["spend"] == Decimal("100.00")
    assert ann.metrics["value_share"] == {"garden": 0.8, "toys": 0.2}
    assert ann.bands == {"recency": "hot", "affinity": {"garden": "0.5..", "toys": "..0.5"}}
    assert ann.stages == {"lifecycle": "active"}
    assert ann.segments == ("spenders", "good")
    assert index.customer("eve").attributes["country"] is None


def test_customer_takes_a_list_of_keys(index: segdex.Index) -> None:
    assert [each.stages["lifecycle"] for each in index.customer(["ann", "cat"])] == ["active", "lead"]


def test_an_unknown_customer_is_refused_without_the_key(index: segdex.Index) -> None:
    for key in ("secret-key", "secret-key\ud800"):
        with pytest.raises(segdex.ArgumentError) as caught:
            index.customer(key)
        assert "secret-key" not in str(caught.value)


def test_what_a_foreign_object_raises_is_not_passed_on(index: segdex.Index) -> None:
    class Foreign:
        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            raise RuntimeError("secret-key")

    with pytest.raises(segdex.ArgumentError, match="no keys") as caught:
        index.contains("everyone", Foreign())
    assert "secret-key" not in str(caught.value)


def test_members_carry_columns_order_and_limit(index: segdex.Index) -> None:
    table = index.members(
        "everyone", columns=["spend", "country", "value_share['toys']", "good", "recency", "tags", "birth_date"],
        order_by="spend", descending=True, suppression=False,
    ).read_all()  # fmt: skip
    assert table.column_names[0] == "customer_id"
    assert table["customer_id"].to_pylist() == ["ann", "bob", "cat", "dan", "eve"]
    assert table["spend"].type == pa.decimal128(38, 2)
    assert table["spend"].to_pylist()[:3] == [Decimal("100.00"), Decimal("40.00"), Decimal("0.00")]
    assert table["value_share['toys']"].to_pylist() == [0.2, 1.0, None, None, None]
    assert table["good"].to_pylist() == [True, False, False, False, False]
    assert table["recency"].to_pylist() == ["hot", "cold", None, None, None]
    assert table["tags"].to_pylist() == [["beta", "vip"], [], None, ["beta"], None]
    ordered = index.members("everyone", order_by="since_order", limit=3, suppression=False).read_all()
    assert ordered["customer_id"].to_pylist() == ["ann", "bob", "cat"], "missing values come last"
    by_income = index.members("income is known", order_by="income", suppression=False).read_all()
    assert by_income["customer_id"].to_pylist() == ["bob", "ann", "dan"], "outside the order comes after it"


def test_the_key_may_be_named_among_the_columns(index: segdex.Index) -> None:
    assert index.members("everyone", columns=["customer_id", "spend"]).schema.names == ["customer_id", "spend"]


def test_an_attribute_named_like_the_key_stands_beside_it() -> None:
    people = pa.table({"id": [7, 8], "old_id": ["a", None]})
    schema = {"customers": {"key": "id", "attributes": {"id": {"type": "text", "column": "old_id"}}}}
    with segdex.build(schema, as_of=shop.AS_OF, sources={"customers": people}) as made:
        for columns in (["id"], ['"id"'], ["id", '"id"']):
            rows = made.members("everyone", columns=columns).read_all().to_pylist()
            assert rows == [{"id": 7, '"id"': "a"}, {"id": 8, '"id"': None}]
        by_attribute = made.members("everyone", order_by="id", descending=True).read_all()
        assert by_attribute["id"].to_pylist() == [7, 8]


def test_suppression_is_the_default_of_members_and_never_of_count(index: segdex.Index) -> None:
    assert index.count("everyone") == 5
    assert index.members("everyone").read_all()["customer_id"].to_pylist() == ["ann", "dan"]
    assert index.count("everyone", suppression=True) == 2
    assert index.count("everyone", suppression=["ads"]) == 4
    exported = index.members("segment 'no_email'").read_all()["customer_id"].to_pylist()
    assert exported == ["bob", "cat", "eve"], "a bare reference to a suppression segment is exported whole"
    with pytest.raises(segdex.ArgumentError, match="'email'"):
        index.count("everyone", suppression=["emial"])
    with pytest.raises(segdex.ArgumentError, match="a list"):
        index.count("everyone", suppression="email")


def test_count_by_includes_missing(index: segdex.Index) -> None:
    assert dict(index.count_by("everyone", "recency").counts) == {"hot": 1, "warm": 0, "cold": 1, "missing": 3}
    assert dict(index.count_by("everyone", "country").counts) == {"AE": 1, "IN": 2, "missing": 2}
    assert dict(index.count_by("everyone", "income").counts) == {"low": 1, "high": 1, "odd": 1, "missing": 2}
    assert dict(index.count_by("everyone", "tags").counts) == {"beta": 2, "vip": 1, "missing": 2}
    assert dict(index.count_by("everyone", "affinity['toys']").counts) == {"..0.5": 1, "0.5..": 1, "missing": 3}
    assert dict(index.count_by("everyone", "good").counts) == {"false": 4, "true": 1, "missing": 0}
    with pytest.raises(segdex.ArgumentError, match="band"):
        index.count_by("everyone", "spend")
    with pytest.raises(segdex.ArgumentError, match="recency"):
        index.count_by("everyone", "recencyy")


def test_a_label_that_reads_missing_is_not_taken_for_no_value() -> None:
    people = pa.table({"id": [1, 2, 3], "state": ["missing", None, None]})
    schema = {"customers": {"key": "id", "attributes": {"state": "category"}}}
    with segdex.build(schema, as_of=shop.AS_OF, sources={"customers": people}) as made:
        assert dict(made.count_by("everyone", "state").counts) == {"'missing'": 1, "missing": 2}


def test_a_table_of_counts_by_something_named_count_has_both_columns() -> None:
    people = pa.table({"id": [1, 2, 3], "count": ["a", "a", None]})
    schema = {"customers": {"key": "id", "attributes": {"count": "category"}}}
    with segdex.build(schema, as_of=shop.AS_OF, sources={"customers": people}) as made:
        table = made.count_by("everyone", "count").to_arrow()
        assert table.to_pydict() == {'"count"': ["a", "missing"], "count": [2, 1]}


def test_check_warns_without_running(index: segdex.Index) -> None:
    good = index.check("country = 'INN' and country != 'AE' and count(orders, 7d) > 0")
    assert good.valid
    assert any("'INN'" in warning and "'IN'" in warning for warning in good.warnings)
    assert any("2 customers" in warning for warning in good.warnings)
    assert good.streams == ("orders",)
    bad = index.check("contry = 'IN'")
    assert not bad.valid
    assert "country" in str(bad.problem)
    assert "column 1" in str(bad.problem)


def test_explain_shows_the_plan_with_actual_counts(index: segdex.Index) -> None:
    told = index.explain("spend > 10 and not segment 'no_email'")
    assert told.count == 1
    assert told.suppressed == 0
    assert [part.count for part in told.plan.parts] == [2, 2]
    assert "no_email" in str(told)
    assert "2026-06-30T00:00:00Z" in str(told)


@pytest.mark.parametrize(
    ("rule", "hint"),
    [
        ("spnd > 5", "spend"),
        ("segment 'goodd'", "good"),
        ("value_share > 0.5", "value_share\\["),
        ("spend['x'] > 5", "spend"),
        ("country > 'IN'", "order"),
        ("spend = 'x'", "number"),
        ("income < 'middling'", "low"),
        ("count(ordrs) > 1", "orders"),
        ("count(orders, where colour = 'x') > 1", "department"),
        ("spend", "= true"),
    ],
)
def test_a_wrong_rule_says_where_and_what(index: segdex.Index, rule: str, hint: str) -> None:
    with pytest.raises(segdex.RuleError, match=hint) as caught:
        index.count(rule)
    assert "line 1, column" in str(caught.value)


def test_wrong_arguments_are_refused(index: segdex.Index) -> None:
    with pytest.raises(segdex.ArgumentError, match="text or"):
        index.count(5)  # type: ignore[arg-type]
    with pytest.raises(segdex.ArgumentError, match="limit"):
        index.members("everyone", limit=-1)
    with pytest.raises(segdex.ArgumentError, match="no column"):
        index.members("everyone", columns=["spnd"])
    with pytest.raises(segdex.ArgumentError, match=r"a list: \['spend'\]"):
        index.members("everyone", columns="spend")
    with pytest.raises(segdex.ArgumentError, match="True, False or a list"):
        index.members("everyone", suppression=None)  # type: ignore[arg-type]
    with pytest.raises(segdex.ArgumentError, match=r"name\['category'\]"):
        index.count_by("everyone", "affinity[any]")
    with pytest.raises(segdex.ArgumentError, match="zone"):
        segdex.build(shop.SCHEMA, as_of="2026-06-30T00:00:00", sources={})


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda index: index.counts("everyone"), "rules; found str; allowed: a list of rules"),
        (lambda index: index.counts(segdex.everyone()), "rules; found Everyone; allowed: a list of rules"),
        (lambda index: index.counts(None), "rules; found NoneType; allowed: a list of rules"),
        (lambda index: index.counts([3]), "not a rule; found int"),
        (lambda index: index.members("everyone", columns=None), "columns; found NoneType; allowed: a list of names"),
        (lambda index: index.members("everyone", columns=3), "columns; found int; allowed: a list of names"),
        (lambda index: index.members("everyone", columns=np.array("spend")), "columns; found ndarray"),
        (lambda index: index.members("everyone", columns=[["spend"]]), "name of a column; found list"),
        (lambda index: index.members("everyone", columns=[None]), "name of a column; found NoneType"),
        (lambda index: index.members("everyone", order_by=3), "name of a column; found int"),
        (lambda index: index.members("everyone", order_by=segdex.field("spend")), "name of a column; found Expr"),
        (lambda index: index.members("everyone", descending="no"), "descending; found str; allowed: True, False"),
        (lambda index: index.members("everyone", suppression=[["email"]]), r"found \['email'\]; allowed: ads, email"),
        (lambda index: index.members("everyone", suppression=b"email"), "True, False or a list"),
        (lambda index: index.count_by("everyone", ["recency"]), "name of a column; found list"),
        (lambda index: index.save(None), "path; found NoneType; allowed: the path of a folder"),
        (lambda index: index.save(b"folder"), r"path; found b'folder'; allowed: the path of a folder"),
        (lambda _: segdex.open(3), "path; found int; allowed: the path of a folder"),
        (lambda _: segdex.open(""), "path; found ''"),
        (lambda _: segdex.open("a\0b"), r"path; found 'a\\x00b'"),
        (lambda _: segdex.open("\ud800"), r"path; found '\\ud800'"),
        (lambda _: built(sources=[shop.CUSTOMERS]), "sources; found list; allowed: tables by name"),
        (lambda _: built(sources=[]), "sources; found list; allowed: tables by name"),
        (lambda _: built(out=3), "path; found int"),
        (lambda _: built(progress=3), "progress; found int; allowed: a function"),
        (lambda _: built(as_of="9999-12-31T23:59:59-05:00"), "years 1 to 9999"),
        (lambda _: built(as_of="0001-01-01T00:00:00+05:00"), "years 1 to 9999"),
        (lambda _: built(as_of=dt.time(1, tzinfo=dt.UTC)), "as_of is no time"),
    ],
)
def test_arguments_of_wrong_types_are_refused(index: segdex.Index, call: Any, said: str) -> None:
    with pytest.raises(segdex.ArgumentError, match=said):
        call(index)


def built(**changed: Any) -> segdex.Index:
    given = {"as_of": shop.AS_OF, "sources": {"customers": shop.CUSTOMERS, "orders": shop.ORDERS}}
    return segdex.build(shop.SCHEMA, **(given | changed))


LONG = "x" * 70_000


@pytest.mark.parametrize(
    "rule",
    [
        segdex.field("email") == LONG,
        segdex.field("email").starts_with(LONG),
        segdex.field("country").is_in(["y" * 60] * 2_000),
        segdex.segment(LONG),
        segdex.field(LONG) > 3,
        segdex.call("count", "orders", where=segdex.field("department") == LONG) > 3,
    ],
)
def test_a_rule_made_in_python_is_no_longer_than_text_may_be(index: segdex.Index, rule: segdex.Rule) -> None:
    for ask in (index.count, index.prepare, index.members, index.explain, index.bitmap):
        with pytest.raises(segdex.LimitError, match="65,536 bytes"):
            ask(rule)
    assert "65,536 bytes" in str(index.check(rule).problem)
    with pytest.raises(segdex.SchemaError, match=r"segments\.s\.where: the text of the rule would be too long"):
        segdex.build({**shop.SCHEMA, "segments": {"s": {"where": rule}}}, as_of=shop.AS_OF)


def test_no_message_repeats_a_long_name(index: segdex.Index) -> None:
    long = LONG[:60_000]
    for call in (
        lambda: index.members("everyone", columns=[long]),
        lambda: index.members("everyone", order_by=long),
        lambda: index.count(f"{long} > 3"),
        lambda: index.count(f"segment '{long}'"),
        lambda: index.count(f"count({long}) > 3"),
        lambda: index.count(f"sum(orders.{long}) > 3"),
        lambda: index.count(f"count(orders, where {long} = 3) > 3"),
        lambda: index.count(f"income < '{long}'"),
        lambda: index.count("everyone", suppression=[long]),
        lambda: index.count_by("everyone", f"value_share['{long}']"),
        lambda: built(sources={long: shop.ORDERS}),
        lambda: built(as_of=long),
        lambda: segdex.open(long),
    ):
        with pytest.raises(segdex.SegdexError) as caught:
            call()
        assert len(str(caught.value)) < 500
        assert "x…" in str(caught.value)


def test_columns_may_be_an_array_of_names(index: segdex.Index) -> None:
    reader = index.members("everyone", columns=np.array(["spend", "country"]))  # type: ignore[arg-type]
    assert reader.schema.names == ["customer_id", "spend", "country"]


def test_the_first_and_the_last_moment_are_clocks() -> None:
    for moment in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"):
        with built(as_of=moment) as made:
            assert made.as_of == dt.datetime.fromisoformat(moment)
            assert made.count("count(orders, calendar 30d) >= 0") == 5


def test_a_closed_index_says_so() -> None:
    with shop.index() as made:
        query = made.prepare("everyone")
    with pytest.raises(segdex.ClosedError):
        made.count("everyone")
    with pytest.raises(segdex.ClosedError):
        query.count()
    assert "closed" in repr(made)


def test_many_threads_get_the_same_answers(index: segdex.Index) -> None:
    rules = ["spend > 10 and not segment 'no_email'", "value_share[any] > 0.5", "count(orders, 90d) > 0"] * 5
    expected = index.counts(rules)
    found: list[list[int]] = []
    threads = [threading.Thread(target=lambda: found.append(index.counts(rules))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 8


def test_the_index_tells_about_itself(index: segdex.Index) -> None:
    assert index.as_of == dt.datetime(2026, 6, 30, tzinfo=dt.UTC)
    assert len(index) == 5
    assert index.generation == 1
    assert "5 customers" in repr(index)

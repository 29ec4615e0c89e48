"""Labels and scores in rules and in everything that is told about them."""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import segdex
from segdex.rules import nodes as n
from segdex.store import generations
from tests.oracle import labels as oracle
from tests.oracle import rules as meaning
from tests.query import shop

SURVEY = pa.table(
    {
        "customer_id": ["ann", "bob", "cat", "zoe", None, "dan"],
        "cluster": ["loyal", "bargain", "loyal", "bargain", "loyal", None],
        "probability": [0.9, 0.4, None, 0.8, 0.1, 0.3],
    }
)
SOURCES = {"customers": shop.CUSTOMERS, "orders": shop.ORDERS, "survey": SURVEY}


def schema() -> dict[str, Any]:
    """The shop's schema with a label, a band over its score, stages and segments over both."""
    made = copy.deepcopy(shop.SCHEMA)
    made["labels"] = {"survey": {"label": "cluster", "score": "probability"}}
    made["bands"] |= {"sure": {"metric": "survey_score", "edges": [0.35, 0.5], "labels": ["no", "maybe", "yes"]},
                      "rank": {"metric": "survey_score", "quantiles": 2}}  # fmt: skip
    made["stages"]["kind"] = [{"name": "fan", "where": "survey = 'loyal' and sure = 'yes'"},
                              {"name": "other", "where": "survey is known"}]  # fmt: skip
    made["segments"] |= {"fans": {"where": "survey = 'loyal'"}}
    return made


def build() -> segdex.Index:
    return segdex.build(schema(), as_of=shop.AS_OF, sources=SOURCES)


@pytest.fixture(scope="module")
def index() -> Iterator[segdex.Index]:
    with build() as made:
        yield made


def keys(index: segdex.Index, rule: str) -> list[str]:
    return index.members(rule, suppression=False).read_all()["customer_id"].to_pylist()


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("survey = 'loyal'", ["ann", "cat"]),
        ("survey != 'loyal'", ["bob"]),
        ("not survey = 'loyal'", ["bob", "dan", "eve"]),
        ("survey in ('loyal', 'bargain')", ["ann", "bob", "cat"]),
        ("survey is missing", ["dan", "eve"]),
        ("survey starts with 'bar'", ["bob"]),
        ("survey_score >= 0.4", ["ann", "bob"]),
        ("survey_score < 0.35", ["dan"]),
        ("survey_score is missing", ["cat", "eve"]),
        ("survey = 'loyal' and survey_score > 0.5", ["ann"]),
        ("survey_score * 100 > spend", ["dan"]),
        ("sure = 'yes' or sure < 'maybe'", ["ann", "dan"]),
        ("rank = '2'", ["ann"]),
        ("kind = 'fan'", ["ann"]),
        ("kind is missing", ["dan", "eve"]),
        ("segment 'fans' and not segment 'no_email'", ["ann"]),
        ("survey = 'nobody'", []),
    ],
)
def test_a_rule_finds_its_members(index: segdex.Index, rule: str, expected: list[str], tmp_path: Path) -> None:
    assert keys(index, rule) == expected
    assert index.count(rule) == len(expected)
    found = index.estimate(rule)
    assert found.low <= len(expected) <= found.high
    index.save(tmp_path)
    with segdex.open(tmp_path) as opened:
        assert keys(opened, rule) == expected


def test_a_label_is_told_like_an_attribute(index: segdex.Index) -> None:
    assert dict(index.count_by("everyone", "survey").counts) == {"bargain": 1, "loyal": 2, "missing": 2}
    assert dict(index.count_by("everyone", "sure").counts) == {"no": 1, "maybe": 1, "yes": 1, "missing": 2}
    assert index.aggregate("everyone", "survey_score").max == 0.9
    members = index.members("everyone", columns=["survey", "survey_score"], order_by="survey_score", descending=True,
                            suppression=False).read_all()  # fmt: skip
    assert members.to_pylist()[:3] == [
        {"customer_id": "ann", "survey": "loyal", "survey_score": 0.9},
        {"customer_id": "bob", "survey": "bargain", "survey_score": 0.4},
        {"customer_id": "dan", "survey": None, "survey_score": 0.3},
    ]
    ann = index.customer("ann")
    assert ann.labels == {"survey": "loyal", "survey_score": 0.9}
    assert "survey" not in ann.attributes
    assert any("never has the value 'loyl'" in each for each in index.check("survey = 'loyl'").warnings)
    assert index.explain("survey != 'loyal'").notes == (
        "2 customers whose survey is missing are left out of \"survey != 'loyal'\"",
    )


def test_thresholds_of_a_score_are_answered_from_ranks(index: segdex.Index) -> None:
    assert "survey_score" in index._running().generation.ranks
    assert index.explain("survey_score > 0.35").rewritten.startswith(("sure in", "survey_score from"))


def test_the_report_tells_what_became_of_the_rows(index: segdex.Index) -> None:
    assert index.report is not None
    report = index.report["labels.survey"]
    assert (report.rows, report.kept, report.strangers, report.unowned) == (6, 4, 1, 1)
    assert len(index) == 5, "a label makes nobody a customer"


def test_customers_are_numbered_by_a_label(tmp_path: Path) -> None:
    ordered = schema()
    ordered["customers"]["order"] = ["survey", "survey_score"]
    with segdex.build(ordered, as_of=shop.AS_OF, sources=SOURCES, out=tmp_path) as made:
        assert keys(made, "everyone") == ["eve", "dan", "bob", "cat", "ann"], "missing values come first"
        assert keys(made, "survey = 'loyal'") == ["cat", "ann"]
    assert list(generations.verify(tmp_path)) == []


@pytest.mark.parametrize(
    ("change", "place", "said"),
    [
        ({"labels": {"spend": {"label": "x"}}}, "metrics.spend", "declared at labels.spend"),
        ({"labels": {"country": {"label": "x"}}}, "labels.country", "declared at customers.attributes.country"),
        ({"labels": {"a": {"label": "x", "score": "y"}, "a_score": {"label": "x"}}}, "labels.a.score", "is taken"),
        ({"metrics": {"survey_score": {"kind": "count", "stream": "orders"}}}, "labels.survey.score", "is taken"),
        ({"labels": {"a": {"source": "x.csv"}}}, "labels.a", "'label' is missing"),
        ({"labels": {"a": {"label": "x", "scores": "y"}}}, "labels.a.scores", "did you mean 'score'"),
        ({"labels": {"a": {"label": ""}}}, "labels.a.label", "an empty string"),
        ({"bands": {"b": {"metric": "survey", "edges": [1]}}}, "bands.b.metric", "no intervals"),
        ({"bands": {"b": {"metric": "survey_scor", "edges": [1]}}}, "bands.b.metric", "did you mean 'survey_score'"),
        ({"metrics": {"m": {"kind": "days_since", "attribute": "survey_score"}}}, "metrics.m.attribute", "is not"),
        ({"segments": {"s": {"where": "survey > 'a'"}}}, "segments.s.where, line 1, column 1", "has no order"),
        ({"segments": {"s": {"title": "no rule"}}}, "segments.s", "'where' is missing"),
    ],
)  # fmt: skip
def test_wrong_declarations(change: dict[str, Any], place: str, said: str) -> None:
    table = schema()
    for part, more in change.items():
        table[part] = table[part] | more
    with pytest.raises(segdex.SchemaError) as caught:
        segdex.build(table, as_of=shop.AS_OF, sources=SOURCES)
    assert caught.value.place == place
    assert said in str(caught.value)


PEOPLE = list(range(12))
rows = st.lists(
    st.tuples(st.none() | st.integers(-2, 14), st.none() | st.sampled_from("abc"),
              st.none() | st.sampled_from([-0.0, 0.0, 0.5, 1.0, 1e300])), max_size=30,
)  # fmt: skip


@settings(max_examples=40)
@given(rows, st.booleans())
def test_random_labels_have_their_members(held: list[oracle.Row], in_memory: bool) -> None:
    """The same table read at build and loaded afterwards: sets, counts and columns of the naive reading."""
    people = pa.table({"id": PEOPLE})
    columns = [list(each) for each in zip(*held, strict=True)] or [[], [], []]
    kinds = [pa.int64(), pa.string(), pa.float64()]
    names = ["key", "label", "score"]
    table = pa.table([pa.array(c, k) for c, k in zip(columns, kinds, strict=True)], names=names)
    declared = {"l": {"key": "key", "label": "label", "score": "score"}} if not in_memory else {}
    made = segdex.build({"customers": {"key": "id"}, "labels": declared}, as_of=shop.AS_OF,
                        sources={"customers": people} | ({} if in_memory else {"l": table}))  # fmt: skip
    expected = oracle.labelled(PEOPLE, held)
    with made:
        if in_memory:
            loaded = made.load("l", table)
            assert (loaded.customers, loaded.unknown, loaded.null, loaded.repeated) == (
                len(expected.labels), expected.strangers, expected.unowned, expected.replaced,
            )  # fmt: skip
        for label in "abc":
            found = made.keys(made.bitmap(f"l = '{label}'")).to_pylist()
            assert found == [key for key in PEOPLE if expected.labels.get(str(key)) == label]
        assert dict(made.count_by("everyone", "l").counts) == oracle.counts(expected.labels, len(PEOPLE))
        for edge in ("0", "0.5", "1"):
            assert made.count(f"l_score >= {edge}") == sum(score >= float(edge) for score in expected.scores.values())
        read = made.members("everyone", columns=["l", "l_score"]).read_all()
        assert read["l"].to_pylist() == [expected.labels.get(str(key)) for key in PEOPLE]
        assert read["l_score"].to_pylist() == [expected.scores.get(str(key)) for key in PEOPLE]


# --- random rules ------------------------------------------------------------------------------------------------

LABEL = st.sampled_from(["a", "b", "unseen"]).map(n.Text)
EDGE = st.sampled_from(["-1", "0", "0.5", "0.75", "1"]).map(lambda text: n.Number(Decimal(text)))
LEAVES = st.one_of(
    st.builds(n.Compare, st.sampled_from(["=", "!="]), st.just(n.Name("model")), LABEL),
    st.builds(n.In, st.just(n.Name("model")), st.lists(LABEL, min_size=1, max_size=3).map(tuple), st.booleans()),
    st.builds(n.Compare, st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), st.just(n.Name("model_score")), EDGE),
    st.builds(n.Between, st.just(n.Name("model_score")), EDGE, EDGE),
    st.builds(n.Known, st.sampled_from([n.Name("model"), n.Name("model_score")])),
    st.builds(n.Missing, st.sampled_from([n.Name("model"), n.Name("model_score")])),
    st.builds(n.Compare, st.sampled_from(["=", "<", ">="]), st.just(n.Name("sure")),
              st.sampled_from(["no", "yes"]).map(n.Text)),
    st.sampled_from([n.Segment("chosen"), n.Segment("both"), n.Everyone()]),
)  # fmt: skip
RULES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(n.And, st.lists(inner, min_size=2, max_size=3).map(tuple)),
        st.builds(n.Or, st.lists(inner, min_size=2, max_size=3).map(tuple)),
        st.builds(n.Not, inner),
    ),
    max_leaves=6,
)
KNOWN = st.fixed_dictionaries(
    {
        "model": st.sampled_from([None, "a", "b", "c"]),
        "model_score": st.sampled_from([None, 0.0, 0.5, 0.75, 1.0]),
        "chosen": st.booleans(),
    }
)
ASKED: dict[str, Any] = {
    "customers": {"key": "id"},
    "labels": {"model": {"key": "key", "label": "label", "score": "score"}},
    "bands": {"sure": {"metric": "model_score", "edges": [0.5], "labels": ["no", "yes"]}},
    "segments": {"both": {"where": "model = 'a' and sure = 'yes'"}},
}
WORLD = meaning.World(
    as_of=dt.datetime(2026, 6, 30, tzinfo=dt.UTC), zone=ZoneInfo("UTC"), orders={"sure": ("no", "yes")},
    segments={"both": segdex.parse(ASKED["segments"]["both"]["where"]), "chosen": segdex.parse("chosen = true")},
)  # fmt: skip


@settings(max_examples=60)
@given(st.lists(KNOWN, max_size=8), st.lists(RULES, min_size=1, max_size=4), st.booleans())
def test_random_rules_mean_what_they_say(held: list[dict[str, Any]], rules: list[n.Rule], later: bool) -> None:
    """Over labels that were read or loaded, bands over their scores, and a loaded segment."""
    people = pa.table({"id": pa.array(range(len(held)), pa.int64())})
    columns = {"key": pa.int64(), "label": pa.string(), "score": pa.float64()}
    rows = [(at, each["model"], each["model_score"]) for at, each in enumerate(held)]
    arrays = [pa.array([row[at] for row in rows], kind) for at, kind in enumerate(columns.values())]
    table = pa.table(arrays, names=list(columns))
    given_first = {"customers": people, "model": table.slice(0, 1) if later else table}
    with segdex.build(ASKED, as_of=shop.AS_OF, sources=given_first) as made:
        if later:
            made.load("model", table)
        made.load("chosen", [at for at, each in enumerate(held) if each["chosen"]])
        for item in held:
            item["sure"] = None if item["model_score"] is None else "yes" if item["model_score"] >= 0.5 else "no"
        for rule in rules:
            expected = [at for at, item in enumerate(held) if meaning.holds(rule, item, WORLD)]
            assert made.keys(made.bitmap(rule)).to_pylist() == expected
            assert made.count(rule) == made.prepare(str(rule)).count() == len(expected)

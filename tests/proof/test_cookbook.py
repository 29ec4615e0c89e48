"""The cookbook: every requirement has its entry, and every number on the page is what SQL over the raw tables says."""

from __future__ import annotations

import ast
import doctest
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pytest

import segdex
from tests.proof import cookbook_rules, retailer_rules
from tests.proof.harness import Case, database, members, same
from tests.test_docs import Block, blocks, gathered, run_python

PAGE = Path(__file__).parent.parent.parent / "docs" / "cookbook.md"
REQUIREMENTS = [f"{part}{i}" for part, last in zip("ABCDE", (9, 15, 6, 6, 8), strict=True) for i in range(1, last + 1)]
SAME_CLOCK = {"index", "opened", "from_files"}
"""Indexes of the page that answer alike."""


class Claim(NamedTuple):
    """What the page says that a question comes to."""

    question: str
    answer: Any

    def __str__(self) -> str:
        return self.question


def spelt(question: str) -> str:
    """A question with its rule in the canonical form."""
    before, rule, after = re.fullmatch(r"(\w+: )?(.*?)((?: by .*)?(?: less .*)?)", question, re.S).groups("")  # type: ignore[union-attr]
    return f"{before}{segdex.parse(rule)}{after}"


def asked(call: ast.Call) -> list[str]:
    """The questions of a call of ``count``, ``counts`` or ``count_by`` on the page."""
    assert isinstance(call.func, ast.Attribute)
    assert isinstance(call.func.value, ast.Name)
    of = call.func.value.id
    before = "" if of in SAME_CLOCK else f"{of}: "
    options = {option.arg: ast.literal_eval(option.value) for option in call.keywords}
    after = "".join(f" less {purpose}" for purpose in options.get("suppression", ()))
    rule, *name = [ast.literal_eval(argument) for argument in call.args]
    after = "".join(f" by {one}" for one in name) + after
    return [spelt(f"{before}{one}{after}") for one in (rule if isinstance(rule, list) else [rule])]


def claims_of(example: doctest.Example) -> Iterator[Claim]:
    """The claims of one example: of its counts, or of the expression as a whole."""
    if not re.search(r"\d", example.want) or example.want.startswith("<"):  # an answer is a value
        return
    tree = ast.parse(example.source)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    counted = [call for call in calls if call.func.attr in ("count", "counts", "count_by")]  # type: ignore[attr-defined]
    answer = ast.literal_eval(" ".join(example.want.split()))
    if not counted:
        yield Claim(ast.unparse(tree), answer)
        return
    (call,) = counted
    questions = asked(call)
    yield from map(Claim, questions, answer if isinstance(answer, list) else [answer])


def claims() -> list[Claim]:
    found: list[Claim] = []
    for block in blocks(PAGE):
        if block.language == "python":
            for example in doctest.DocTestParser().get_examples(block.text):
                found.extend(claims_of(example))
        if block.language == "console":
            told = [json.loads(line) for line in block.text.splitlines() if line.startswith('{"rule"')]
            found.extend(Claim(spelt(one["rule"]), one["count"]) for one in told)
    return found


CLAIMS = claims()
RULES = {spelt(question): sql for question, sql in cookbook_rules.RULES.items()}
VALUES = {ast.unparse(ast.parse(source)): sql for source, sql in cookbook_rules.VALUES.items()}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The names that the page's first block of Python makes: ``sources`` and ``index``."""
    namespace: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cookbook")
        patch.chdir(folder)
        for name, text in gathered(PAGE).items():
            (folder / name).write_text(text, encoding="utf-8")
        first: Block = next(block for block in blocks(PAGE) if block.language == "python")
        run_python(PAGE, first, namespace)
        yield namespace
        namespace["index"].close()


@pytest.fixture(scope="module")
def tables(page: dict[str, Any]) -> Iterator[duckdb.DuckDBPyConnection]:
    with database(**page["sources"]) as connection:
        connection.create_function("bucket", cookbook_rules.bucket, ["VARCHAR", "BIGINT", "BIGINT"], "BIGINT")
        connection.execute(retailer_rules.VIEWS)
        connection.execute(cookbook_rules.VIEWS)
        yield connection


@pytest.mark.compiled  # too many rows for plain Python
@pytest.mark.parametrize("claim", CLAIMS, ids=str)
def test_claims(claim: Claim, page: dict[str, Any], tables: duckdb.DuckDBPyConnection) -> None:
    if claim.question in VALUES:
        (row,) = tables.execute(VALUES[claim.question]).fetchall()
        assert claim.answer == (row[0] if len(row) == 1 else row)
        return
    sql = RULES[claim.question]
    if isinstance(claim.answer, dict):
        expected = {"missing" if label is None else label: count for label, count in tables.execute(sql).fetchall()}
        assert {label: count for label, count in claim.answer.items() if count != 0} == expected
        return
    assert claim.answer == len(members(tables, sql))
    rule, _, purposes = claim.question.partition(" less ")
    if purposes:
        found = page["index"].members(rule, suppression=[purposes]).read_all().column(0).to_pylist()
        assert sorted(found) == members(tables, sql)
    elif ": " not in rule:
        same(page["index"], tables, Case(rule, rule, sql))


@pytest.mark.compiled
def test_rules_for_the_words_of_others_can_be_asked(page: dict[str, Any]) -> None:
    words = PAGE.read_text(encoding="utf-8").split("## What other tools call it")[1]
    rules = [rule for rule in re.findall(r"`(.*?)`", words) if "(" in rule]
    assert len(rules) > 10
    for rule in rules:
        assert 0 < page["index"].count(rule) < len(page["index"]), rule


def test_every_answer_has_its_oracle_and_every_oracle_its_answer() -> None:
    assert {claim.question for claim in CLAIMS} == RULES.keys() | VALUES.keys()
    assert len(CLAIMS) > 80


def test_every_requirement_has_its_entry() -> None:
    text = PAGE.read_text(encoding="utf-8")
    entries = re.findall(r"^### ([A-E]\d+)\. (.*)$", text, re.M)
    assert [name for name, _ in entries] == REQUIREMENTS
    rows = re.findall(r"^\| ([A-E]\d+) \| \[(.*?)\]\(#(.*?)\)", text, re.M)
    assert rows == [(name, title, anchor(f"{name}. {title}")) for name, title in entries]


def test_links_within_the_page_lead_to_headings() -> None:
    text = PAGE.read_text(encoding="utf-8")
    anchors = {anchor(title) for title in re.findall(r"^#+ (.*)$", text, re.M)}
    assert [link for link in re.findall(r"\]\(#(.*?)\)", text) if link not in anchors] == []


def anchor(title: str) -> str:
    """How the heading *title* is linked to."""
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")

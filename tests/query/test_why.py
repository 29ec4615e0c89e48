"""Why a customer is in a segment or not: the same as the count says, with the values that decide."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import segdex
from segdex.query.why import Reason, shown
from segdex.rules import nodes as n
from tests.oracle import rules as oracle
from tests.query.test_inline import inlined, shop
from tests.query.test_rules_oracle import PEOPLE, RULES, WORLD, build, expected_items


def consistent(reason: Reason) -> bool:
    """Whether each part of a reason follows from its own parts."""
    held = [part.holds for part in reason.parts]
    wanted = {"and": all(held), "or": any(held), "not": not any(held)}.get(
        reason.name, held[0] if held else reason.holds
    )
    return reason.holds == wanted and all(consistent(part) for part in reason.parts)


@settings(max_examples=40, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(
    people=st.lists(PEOPLE, min_size=1, max_size=4), rules=st.lists(RULES, min_size=5, max_size=5), inline=st.booleans()
)
def test_it_says_what_the_rule_does(people: list[dict[str, Any]], rules: list[n.Rule], inline: bool) -> None:
    items = expected_items(people)
    with build(people) as index:
        for rule in rules:
            asked = inlined(rule) if inline else rule
            for at, item in enumerate(items):
                found = index.why(asked, at)
                assert found.holds == oracle.holds(rule, item, WORLD), str(asked)
                assert consistent(found.reason), str(found)
                assert all(part.holds == found.holds or "not" in str(found) for part in found.reason.deciding())
                assert found.rule == str(asked)


@pytest.fixture
def index() -> segdex.Index:
    return shop(200, 1000)


def test_in_words(index: segdex.Index) -> None:
    key = index.keys(index.bitmap("country = 'IN' and count(orders) >= 3"))[0].as_py()
    orders = index.aggregate("everyone", "count(orders)")
    assert orders.count == 200
    there = index.why("country = 'IN' and count(orders) >= 3", key)
    assert there.sentence.startswith("In, because country = 'IN' holds (country is 'IN') and count(orders) >= 3 holds")
    gone = index.why("country = 'AE' and not count(orders) >= 3", key)
    assert str(gone).splitlines()[1:] == [
        "no   and",
        "no     country = 'AE'  (country is 'IN')",
        "no     not",
        f"yes      count(orders) >= 3  (count(orders) is {gone.reason.parts[1].parts[0].values['count(orders)']})",
    ]
    assert index.why("everyone", key).sentence == "In, because everyone is."


def test_of_any_category_it_names_those_that_hold(index: segdex.Index) -> None:
    found = index.why("count(orders, by = shop)[any] >= 0", 0)
    assert found.reason.categories == ("a", "b")
    assert "for 'a', 'b'" in str(found)


def test_several_keys_and_unknown_ones(index: segdex.Index) -> None:
    assert [each.holds for each in index.why("everyone", [0, 1])] == [True, True]
    with pytest.raises(segdex.ArgumentError, match="no customer has this key"):
        index.why("everyone", 10_000)
    with pytest.raises(segdex.ArgumentError, match="no customer has this key"):
        index.why("everyone", [0, 10_000])
    with pytest.raises(segdex.RuleError):
        index.why("nothing = 1", 0)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "missing"),
        (True, "true"),
        ("a", "'a'"),
        (0.1 + 0.2, "0.3"),
        (["x", "y"], "'x', 'y'"),
        ([], "no tags"),
        (3, "3"),
    ],
)
def test_values_for_people(value: Any, words: str) -> None:
    assert shown(value) == words


# --- what check says ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "warning"),
    [
        ("country = 'XX'", "'country = 'XX'' holds for nobody"),
        ("country is known", "'country is known' holds for everyone"),
        ("country = 'IN' and country = 'AE'", "the rule holds for nobody"),
        ("country = 'IN' or country != 'IN'", "the rule holds for everyone"),
    ],
)
def test_check_warns_of_rules_that_settle_nothing(index: segdex.Index, rule: str, warning: str) -> None:
    found = index.check(rule).warnings
    assert any(warning.replace("'", "") in each.replace('"', "").replace("'", "") for each in found), found


def test_check_runs_nothing_over_streams(index: segdex.Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segdex.query.customers.compute", None)
    found = index.check("count(orders) >= 0 and country = 'IN'")
    assert found.valid
    assert found.warnings == ()

"""Every rule that the page about the language shows goes through all the forms and comes back."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import segdex

PAGE = Path(__file__).parents[2] / "docs" / "rules.md"
RULES = [
    line
    for block in re.findall(r"^```rule\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    for line in block.splitlines()
]


def test_the_page_has_rules() -> None:
    assert len(RULES) > 40


@pytest.mark.parametrize("text", RULES)
def test_a_rule_of_the_page_goes_through_every_form(text: str) -> None:
    rule = segdex.parse(text)
    assert str(rule) == text
    assert segdex.Rule.from_json(rule.to_json()) == rule
    assert eval(rule.to_python(), {"segdex": segdex}) == rule

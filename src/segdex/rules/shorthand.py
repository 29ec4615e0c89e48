"""Rules that are short for others."""

from __future__ import annotations

from segdex.rules import nodes


def written_out(rule: nodes.Rule) -> nodes.Rule:
    """``value within 7d`` as the comparison that it is short for; any other rule as it is.

    >>> from segdex.rules.text import parse
    >>> print(written_out(parse("renews_on within 7d")))
    renews_on between today and today + 7d
    """
    if isinstance(rule, nodes.Soon):
        last = nodes.Arithmetic("+", nodes.Today(), nodes.Length(rule.within))
        return nodes.Between(rule.value, nodes.Today(), last)
    return rule

"""Rules that make a formula smaller without changing what it holds for.

Each is a function from a formula to a formula, pure and small; `RULES` is their order. What they need to know of the
sets that leaves stand for comes as `Facts`. A formula that grows beyond `MOST_PARTS` is left as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Protocol

from segdex.query.formula import EVERYONE, NOBODY, And, Formula, Leaf, Not, Or, Truth, bottom_up, negated, walk

MOST_PARTS = 50_000
"""Parts in all, shared ones once a use: above this a rule gives up, so that work on hostile rules stays bounded."""
MOST_ROUNDS = 4


class Facts(Protocol):
    """What is known of leaves."""

    def constant(self, leaf: Leaf) -> Truth | None:
        """Everyone or nobody, where the leaf is that."""
        ...

    def group(self, leaf: Leaf) -> Hashable | None:
        """What the leaf is one or more labels of, where nobody has two labels; None where it is not of that kind."""
        ...

    def labels(self, leaf: Leaf) -> frozenset[str]:
        """Which labels of its group the leaf has."""
        ...

    def labelled(self, group: Hashable, labels: frozenset[str]) -> Formula:
        """The customers with one of *labels*."""
        ...


def rewrite(formula: Formula, facts: Facts) -> Formula:
    """Apply all rules until nothing changes, or `MOST_ROUNDS` times."""
    for _ in range(MOST_ROUNDS):
        before = formula
        for rule in RULES:
            changed = rule(formula, facts)
            if sum(len(part.parts) for part in walk(changed)) > MOST_PARTS:
                return formula
            formula = changed
        if formula == before:
            break
    return formula


def push_not(formula: Formula, _facts: Facts) -> Formula:
    """NOT moves down to the leaves.

    >>> a, b = Leaf("a"), Leaf("b")
    >>> str(push_not(Not(And((a, Not(b)))), None))
    'not a or b'
    """
    made: dict[Formula, tuple[Formula, Formula]] = {}  # each part as it is, and negated
    for part in walk(formula):
        if isinstance(part, Not):
            plain, complement = made[part.part]
            made[part] = complement, plain
        elif isinstance(part, And | Or):
            plain_parts = tuple(made[each][0] for each in part.parts)
            complements = tuple(made[each][1] for each in part.parts)
            other = Or if isinstance(part, And) else And
            made[part] = type(part)(plain_parts), other(complements)
        else:
            made[part] = part, negated(part)
    return made[formula][0]


def flatten(formula: Formula, _facts: Facts) -> Formula:
    """AND inside AND is one AND, and so with OR; one part alone stands for itself.

    >>> a, b, c = Leaf("a"), Leaf("b"), Leaf("c")
    >>> str(flatten(And((a, And((b, c)))), None))
    'a and b and c'
    """

    def change(part: Formula) -> Formula:
        if not isinstance(part, And | Or):
            return part
        parts = dict.fromkeys(_opened(part))
        return next(iter(parts)) if len(parts) == 1 else type(part)(tuple(parts))

    return bottom_up(formula, change)


def constants(formula: Formula, facts: Facts) -> Formula:
    """Everyone and nobody drop out, or decide.

    >>> a = Leaf("a")
    >>> str(constants(And((a, EVERYONE)), _NoFacts()))
    'a'
    >>> str(constants(Or((a, EVERYONE)), _NoFacts()))
    'everyone'
    """

    def change(part: Formula) -> Formula:
        if isinstance(part, Leaf):
            return facts.constant(part) or part
        if not isinstance(part, And | Or):
            return part
        deciding, idle = (NOBODY, EVERYONE) if isinstance(part, And) else (EVERYONE, NOBODY)
        if deciding in part.parts:
            return deciding
        return _of(part, [each for each in part.parts if each != idle])

    return bottom_up(formula, change)


def duplicates(formula: Formula, _facts: Facts) -> Formula:
    """A part that is there twice counts once; a part and its complement decide.

    >>> a, b = Leaf("a"), Leaf("b")
    >>> str(duplicates(And((a, b, a)), None))
    'a and b'
    >>> str(duplicates(Or((a, b, Not(a))), None))
    'everyone'
    """

    def change(part: Formula) -> Formula:
        if not isinstance(part, And | Or):
            return part
        held = dict.fromkeys(part.parts)
        if any(isinstance(each, Not) and each.part in held for each in held):
            return NOBODY if isinstance(part, And) else EVERYONE
        return _of(part, held)

    return bottom_up(formula, change)


def merge_labels(formula: Formula, facts: Facts) -> Formula:
    """Labels of one name are sets of their own: in one band is in no other, in either of two is one set.

    >>> hot, cold = Leaf("recency:hot"), Leaf("recency:cold")
    >>> str(merge_labels(And((hot, cold)), _Named()))
    'nobody'
    >>> str(merge_labels(And((hot, Not(cold))), _Named()))
    'recency:hot'
    >>> str(merge_labels(Or((hot, cold, Leaf("a"))), _Named()))
    'a or recency:cold,hot'
    """

    def change(part: Formula) -> Formula:
        return _merged(part, facts) if isinstance(part, And | Or) else part

    return bottom_up(formula, change)


def _merged(part: Formula, facts: Facts) -> Formula:
    # An OR is the complement of an AND of complements: one case covers both. *inside*: labels that one must have;
    # *outside*: labels that one must not have.
    dual = isinstance(part, Or)
    inside: dict[Hashable, list[frozenset[str]]] = {}
    outside: dict[Hashable, list[frozenset[str]]] = {}
    others: list[Formula] = []
    for each in part.parts:
        leaf = each.part if isinstance(each, Not) else each
        group = facts.group(leaf) if isinstance(leaf, Leaf) else None
        if group is None:
            others.append(each)
        else:
            assert isinstance(leaf, Leaf)
            (inside if isinstance(each, Not) == dual else outside).setdefault(group, []).append(facts.labels(leaf))
    groups = dict.fromkeys([*inside, *outside])
    if len(others) + len(groups) == len(part.parts):
        return part
    for group in groups:
        barred: frozenset[str] = frozenset().union(*outside.get(group, ()))
        if group in inside:
            merged = facts.labelled(group, frozenset.intersection(*inside[group]) - barred)
        else:
            merged = negated(facts.labelled(group, barred))
        others.append(negated(merged) if dual else merged)
    return _of(part, others)


def absorption(formula: Formula, _facts: Facts) -> Formula:
    """What a wider part says already drops out.

    >>> a, b, c = Leaf("a"), Leaf("b"), Leaf("c")
    >>> str(absorption(And((a, Or((a, b)))), None))
    'a'
    >>> str(absorption(Or((And((a, b)), And((a, b, c)))), None))
    'a and b'
    """

    def change(part: Formula) -> Formula:
        if not isinstance(part, And | Or) or len(part.parts) > _MOST_COMPARED:
            return part
        inner = Or if isinstance(part, And) else And
        sets = [frozenset(each.parts) if isinstance(each, inner) else frozenset({each}) for each in part.parts]
        kept = [
            each
            for i, each in enumerate(part.parts)
            if not any(other < sets[i] or (other == sets[i] and j < i) for j, other in enumerate(sets) if j != i)
        ]
        return _of(part, kept)

    return bottom_up(formula, change)


_MOST_COMPARED = 64
"""Absorption compares every two parts: beyond so many it is not tried."""


def factor(formula: Formula, _facts: Facts) -> Formula:
    """What all parts share is said once.

    >>> a, b, c = Leaf("a"), Leaf("b"), Leaf("c")
    >>> str(factor(Or((And((a, b)), And((a, c)))), None))
    'a and (b or c)'
    """

    def change(part: Formula) -> Formula:
        inner: type[And] | type[Or] = Or if isinstance(part, And) else And
        if not isinstance(part, And | Or) or not all(isinstance(each, inner) for each in part.parts):
            return part
        shared = [each for each in part.parts[0].parts if all(each in other.parts for other in part.parts[1:])]
        if not shared:
            return part
        rests = [[each for each in one.parts if each not in shared] for one in part.parts]
        if not all(rests):
            return inner(tuple(shared))  # one part is what all share, and so decides the rest
        left = type(part)(tuple(rest[0] if len(rest) == 1 else inner(tuple(rest)) for rest in rests))
        return inner((*shared, left))

    return bottom_up(formula, change)


RULES: tuple[Callable[[Formula, Facts], Formula], ...] = (
    push_not,
    flatten,
    constants,
    duplicates,
    merge_labels,
    absorption,
    factor,
)
"""The rules in the order in which they are applied."""


def _opened(part: Formula) -> Iterable[Formula]:
    for each in part.parts:
        if type(each) is type(part):
            yield from each.parts  # parts were flattened before
        else:
            yield each


def _of(part: Formula, parts: Iterable[Formula]) -> Formula:
    """AND or OR, as *part* is, of *parts*, which may be one or none."""
    held = tuple(parts)
    if len(held) == 1:
        return held[0]
    if not held:
        return EVERYONE if isinstance(part, And) else NOBODY
    return part if held == part.parts else type(part)(held)


class _NoFacts:
    """Nothing is known of any leaf."""

    def constant(self, _leaf: Leaf) -> Truth | None:
        return None

    def group(self, _leaf: Leaf) -> Hashable | None:
        return None

    def labels(self, _leaf: Leaf) -> frozenset[str]:
        raise AssertionError("no leaf has labels")

    def labelled(self, _group: Hashable, _labels: frozenset[str]) -> Formula:
        raise AssertionError("no leaf has labels")


class _Named(_NoFacts):
    """Leaves named ``name:label,label``; for examples."""

    def group(self, leaf: Leaf) -> Hashable | None:
        name, _, labels = str(leaf).partition(":")
        return name if labels else None

    def labels(self, leaf: Leaf) -> frozenset[str]:
        return frozenset(str(leaf).partition(":")[2].split(","))

    def labelled(self, group: Hashable, labels: frozenset[str]) -> Formula:
        return Leaf(f"{group}:{','.join(sorted(labels))}") if labels else NOBODY

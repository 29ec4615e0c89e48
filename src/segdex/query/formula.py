"""A formula: what is left of a bound rule once its leaves are known as sets, AND, OR and NOT over leaves.

Formulas are inert and shared: a segment that a rule uses twice is one object, so whatever walks a formula remembers
what it has seen.

>>> a, b, c = Leaf("a"), Leaf("b"), Leaf("c")
>>> str(Or((And((a, Not(b))), c)))
'a and not b or c'
>>> str(And((a, Or((b, c)))))
'a and (b or c)'
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator


class Formula:
    """Base of all formulas; equal where they are written alike."""

    __slots__ = ("_hash", "parts")
    parts: tuple[Formula, ...]

    def __init__(self, parts: tuple[Formula, ...], own: Hashable = None) -> None:
        self.parts = parts
        # Kept, since comparing two formulas by walking them would take exponential time where parts are shared.
        self._hash = hash((type(self).__name__, own, parts))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return isinstance(other, Formula) and self._hash == other._hash and self._alike(other)

    def _alike(self, other: Formula) -> bool:
        return type(self) is type(other) and self.parts == other.parts

    def __repr__(self) -> str:
        return f"<Formula {self}>"


class Truth(Formula):
    """Everyone, or nobody."""

    __slots__ = ("value",)

    def __init__(self, value: bool) -> None:
        self.value = value
        super().__init__((), value)

    def _alike(self, other: Formula) -> bool:
        return isinstance(other, Truth) and self.value == other.value

    def __str__(self) -> str:
        return "everyone" if self.value else "nobody"


class Leaf(Formula):
    """One set of customers, by whatever names it."""

    __slots__ = ("name",)

    def __init__(self, name: Hashable) -> None:
        self.name = name
        super().__init__((), name)

    def _alike(self, other: Formula) -> bool:
        return isinstance(other, Leaf) and self.name == other.name

    def __str__(self) -> str:
        return str(self.name)


class Not(Formula):
    """The universe less *part*."""

    __slots__ = ()

    def __init__(self, part: Formula) -> None:
        super().__init__((part,))

    @property
    def part(self) -> Formula:
        """What is taken away."""
        return self.parts[0]

    def __str__(self) -> str:
        return f"not {_inside(self.part, And, Or)}"


class And(Formula):
    """The intersection of *parts*, one at least."""

    __slots__ = ()

    def __init__(self, parts: tuple[Formula, ...]) -> None:
        super().__init__(parts)

    def __str__(self) -> str:
        return " and ".join(_inside(part, And, Or) for part in self.parts)


class Or(Formula):
    """The union of *parts*, one at least."""

    __slots__ = ()

    def __init__(self, parts: tuple[Formula, ...]) -> None:
        super().__init__(parts)

    def __str__(self) -> str:
        return " or ".join(_inside(part, Or) for part in self.parts)


EVERYONE, NOBODY = Truth(True), Truth(False)


def _inside(part: Formula, *wider: type[Formula]) -> str:
    return f"({part})" if isinstance(part, wider) else str(part)


def negated(formula: Formula) -> Formula:
    """The complement, without a double NOT.

    >>> str(negated(Not(Leaf("a"))))
    'a'
    """
    match formula:
        case Truth():
            return NOBODY if formula.value else EVERYONE
        case Not():
            return formula.part
        case _:
            return Not(formula)


def leaves(formula: Formula) -> list[Leaf]:
    """The different leaves, in the order of their first use."""
    return [each for each in walk(formula) if isinstance(each, Leaf)]


def walk(formula: Formula) -> Iterator[Formula]:
    """Every different part once, parts before what they are part of; no deep recursion."""
    seen: set[Formula] = set()
    left: list[tuple[Formula, bool]] = [(formula, False)]
    while left:
        part, ready = left.pop()
        if ready:
            yield part
        elif part not in seen:
            seen.add(part)
            left.append((part, True))
            left.extend((each, False) for each in reversed(part.parts))


def told(formula: Formula, most: int = 1000) -> str:
    """The formula as text, or what it amounts to where that would be long: shared parts are written once a use.

    >>> told(And((Leaf("a"), Leaf("b"))), most=3)
    'a and b'
    >>> told(And((Leaf("a"), Leaf("b"))), most=2)
    '3 parts over 2 sets'
    """
    uses: dict[Formula, int] = {}
    for part in walk(formula):
        uses[part] = 1 + sum(uses[each] for each in part.parts)
    if uses[formula] > most:
        return f"{len(uses):,} parts over {len(leaves(formula)):,} sets"
    return str(formula)


def rebuilt(formula: Formula, parts: tuple[Formula, ...]) -> Formula:
    """The same kind of formula over other parts."""
    if all(a is b for a, b in zip(formula.parts, parts, strict=True)):
        return formula
    if isinstance(formula, Not):
        return negated(parts[0])
    return And(parts) if isinstance(formula, And) else Or(parts)


def bottom_up(formula: Formula, change: Callable[[Formula], Formula]) -> Formula:
    """Apply *change* to every part, innermost first, each different part once."""
    made: dict[Formula, Formula] = {}
    for part in walk(formula):
        made[part] = change(rebuilt(part, tuple(made[each] for each in part.parts)))
    return made[formula]

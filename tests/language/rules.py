"""Random rules that fit the schema of a case: every kind of comparison, nested."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from segdex.rules import nodes as n
from segdex.rules.windows import Duration
from tests.language.cases import PANEL, SEEN, VALUES, Case, declared
from tests.metrics import worlds

ORDERED = ("=", "!=", "<", "<=", ">", ">=")
NUMBERS = ("-20", "-1", "0", "0.01", "0.2", "0.5", "1", "2", "9.99", "10", "55.5", "100", "100.01", "9007199254740993")
CHOSEN = n.Variable("c")


def rule(case: Case, depth: int = 3) -> n.Rule:
    """A random rule."""
    chance = case.chance
    shape = chance.random()
    if depth == 0 or shape < 0.4:
        return leaf(case)
    if shape < 0.55:
        return n.Not(rule(case, depth - 1))  # type: ignore[arg-type]
    if shape < 0.62:
        return for_any(case)
    parts = tuple(rule(case, depth - 1) for _ in range(chance.randint(2, 4)))
    return (n.And if shape < 0.82 else n.Or)(parts)  # type: ignore[arg-type]


def leaf(case: Case) -> n.Rule:
    chance = case.chance
    draw = chance.choice(
        [compared, compared, compared, listed, between, known, text, tagged, moment, moment, computed, named, placed]
    )
    return draw(case)


# --- values ------------------------------------------------------------------------------------------------------


def value(case: Case, kinds: Sequence[str], key: n.Text | n.Variable | None = None) -> n.Name | n.Item | n.Call | None:
    """Something of one of *kinds*: a name, a value of a family, an inline call; None where there is none."""
    chance = case.chance
    held: list[tuple[Any, bool]] = [
        (n.Name(name), kind.family) for name, kind in case.types.items() if kind.kind in kinds
    ]
    called = [worlds.CATALOG.metric_type(declared(call)) for call in case.calls]
    held += [
        (call, kind.family) for call, kind in zip(case.calls, called, strict=True) if kind.kind in kinds
    ]  # fmt: skip
    if isinstance(key, n.Variable):
        held = [each for each in held if each[1]]
    if not held:
        return None
    of, family = chance.choice(held)
    return n.Item(of, key or category(chance)) if family else of


def category(chance: random.Random) -> n.Text | n.AnyCategory:
    names = [*sorted(SEEN), *worlds.ORDER, "never"]
    return n.AnyCategory() if chance.random() < 0.3 else n.Text(chance.choice(names))


def number(chance: random.Random) -> n.Number:
    return n.Number(Decimal(chance.choice(NUMBERS)))


def type_of(case: Case, of: n.Name | n.Item | n.Call) -> Any:
    held = of.of if isinstance(of, n.Item) else of
    return case.types[held.name] if isinstance(held, n.Name) else worlds.CATALOG.metric_type(declared(held))


def strings(case: Case, of: n.Name | n.Item | n.Call) -> list[str]:
    """Strings that the values of *of* are compared with."""
    kind = type_of(case, of)
    if kind.role == "band":
        name = of.of.name if isinstance(of, n.Item) else of.name  # type: ignore[union-attr]
        return list(case.world.orders[name])
    if kind.role == "stage":
        return ["first", "second", "third", "nobody"]
    if isinstance(of, n.Name) and of.name == "panel":
        return [*PANEL, "never"]
    if isinstance(of, n.Name) and of.name in VALUES:
        return [each for each in VALUES[of.name] if isinstance(each, str)] + ["never"]
    return [*worlds.DEPARTMENTS, *worlds.ORDER, "other", "p1", "é", "a", ""]


# --- comparisons -------------------------------------------------------------------------------------------------


def compared(case: Case) -> n.Rule:
    chance = case.chance
    left = value(case, ("integer", "number"))
    if left is None or chance.random() < 0.3:
        return labelled(case)
    right: Any = number(chance)
    if chance.random() < 0.3:
        right = value(case, ("integer", "number")) or right
    op = chance.choice(ORDERED)
    return n.Compare(op, right, left) if chance.random() < 0.2 else n.Compare(op, left, right)  # type: ignore[arg-type]


def labelled(case: Case) -> n.Rule:
    chance = case.chance
    left = value(case, ("category", "id", "text"))
    if left is None:
        return n.Everyone()
    kind = type_of(case, left)
    wanted = strings(case, left)
    ordered = kind.order is not None
    op = chance.choice(ORDERED if ordered else ("=", "!="))
    if ordered and op not in ("=", "!="):
        wanted = list(kind.order)
    return n.Compare(op, left, n.Text(chance.choice(wanted)))  # type: ignore[arg-type]


def listed(case: Case) -> n.Rule:
    chance = case.chance
    if chance.random() < 0.4:
        left = value(case, ("integer", "number"))
        wanted: list[Any] = [number(chance) for _ in range(chance.randint(1, 3))]
    else:
        left = value(case, ("category", "id", "text"))
        wanted = (
            [] if left is None else [n.Text(chance.choice(strings(case, left))) for _ in range(chance.randint(1, 3))]
        )
    return n.In(left, tuple(wanted), chance.random() < 0.4) if left is not None else n.Everyone()


def between(case: Case) -> n.Rule:
    chance = case.chance
    left = value(case, ("integer", "number"))
    if left is None:
        return n.Everyone()
    low, high = number(chance), number(chance)
    return n.Between(left, low, high)


def known(case: Case) -> n.Rule:
    chance = case.chance
    held = value(case, ("integer", "number", "category", "text", "id", "bool", "date", "time", "tags"))
    assert held is not None
    return chance.choice([n.Known, n.Missing])(held)


def text(case: Case) -> n.Rule:
    chance = case.chance
    held = value(case, ("text", "category", "id"))
    if held is None:
        return n.Everyone()
    mode = chance.choice(["starts", "ends", "contains"])
    return n.Match(held, mode, chance.choice(["", "a", "X", "_", "%", "o'", "1", "org"]), chance.random() < 0.5)


def tagged(case: Case) -> n.Rule:
    chance = case.chance
    tags = tuple(chance.sample(["vip", "beta", "it's", "never"], chance.randint(1, 2)))
    return n.Has(n.Name("tags"), chance.choice(["any", "all", "none"]), tags)


def moment(case: Case) -> n.Rule:
    chance = case.chance
    if chance.random() < 0.3:
        held = value(case, ("bool",))
        return n.Compare(chance.choice(["=", "!="]), held, n.Boolean(chance.random() < 0.5)) if held else n.Everyone()
    held: Any = value(case, ("date", "time"))
    assert held is not None
    length = Duration(chance.choice([0, 1, 7, 30]), chance.choice(["d", "w", "mo", "y"]))  # type: ignore[arg-type]
    if isinstance(held, n.Name) and chance.random() < 0.4:
        held = n.Anniversary(held)
    if chance.random() < 0.3:
        return n.Soon(held, length)
    today = worlds.AS_OF.astimezone(worlds.ZONE).date()
    back = Duration(chance.randint(0, 400), chance.choice(["d", "w", "mo", "y"]))  # type: ignore[arg-type]
    right: Any = chance.choice(
        [
            n.Date(today), n.Today(), n.Date(dt.date(2024, 2, 29)), n.Time(worlds.AS_OF),
            n.Time(chance.choice(worlds.TIMES)), n.Arithmetic("-", n.Today(), n.Length(back)),
            value(case, ("date", "time")),
        ]
    )  # fmt: skip
    return n.Compare(chance.choice(ORDERED), held, right)  # type: ignore[arg-type]


def computed(case: Case) -> n.Rule:
    chance = case.chance
    a, b = value(case, ("integer", "number")), value(case, ("integer", "number"))
    if a is None or b is None:
        return n.Everyone()
    left = n.Arithmetic(chance.choice("+-*/"), a, chance.choice([b, number(chance)]))  # type: ignore[arg-type]
    held: Any = n.Negative(left) if chance.random() < 0.2 else left
    if chance.random() < 0.2:
        return chance.choice([n.Known, n.Missing])(held)
    return n.Compare(chance.choice(ORDERED), held, number(chance))  # type: ignore[arg-type]


def named(case: Case) -> n.Rule:
    chance = case.chance
    calls = [call for call in case.calls if isinstance(call, n.Call) and call.kind == "count" and call.by is None]
    if calls and chance.random() < 0.3:
        return n.Did(chance.choice(calls))
    return chance.choice([*map(n.Segment, case.segments), n.Everyone()])


def placed(case: Case) -> n.Rule:
    """A circle, or a part of all customers."""
    chance = case.chance
    if chance.random() < 0.4:
        bucket = n.Bucket(chance.choice(["a", "it's", ""]), chance.choice([1, 2, 10]))
        return n.Compare(chance.choice(ORDERED), bucket, n.Number(Decimal(chance.randint(0, 9))))  # type: ignore[arg-type]
    if chance.random() < 0.2:
        return chance.choice([n.Known, n.Missing])(n.Name("home"))
    latitude, longitude = chance.choice(VALUES["home"])
    latitude, longitude = Decimal(str(latitude)), Decimal(str(longitude))
    return n.Near(n.Name("home"), Decimal(chance.choice([0, 25, 1200, 9999, 20016])), latitude, longitude)


def for_any(case: Case) -> n.Rule:
    """One category throughout."""
    chance = case.chance
    parts: list[n.Rule] = []
    for _ in range(chance.randint(1, 3)):
        held = value(case, ("integer", "number"), CHOSEN)
        if held is None:
            return leaf(case)
        one: n.Rule = n.Compare(chance.choice(ORDERED), held, number(chance))  # type: ignore[arg-type]
        parts.append(n.Not(one) if chance.random() < 0.2 else one)  # type: ignore[arg-type]
    parts += [leaf(case)] if chance.random() < 0.3 and len(parts) > 1 else []
    whole = parts[0] if len(parts) == 1 else chance.choice([n.And, n.Or])(tuple(parts))  # type: ignore[arg-type]
    return n.ForAny("c", whole)  # type: ignore[arg-type]

"""Values of a rule as Python objects whose operators make rules; and what Python's own values stand for in a rule."""

from __future__ import annotations

import datetime as dt
import operator
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, NoReturn, TypeAlias

from segdex.errors import ArgumentError
from segdex.rules import nodes
from segdex.rules.numbers import MOST_DIGITS
from segdex.rules.windows import Duration
from segdex.rules.words import is_storable

Literal: TypeAlias = "bool | int | float | Decimal | str | dt.date | dt.datetime"

# More bits than this are more digits than a number may have.
_MOST_BITS = MOST_DIGITS * 4


class Category:
    """What stands in the brackets of a family where no category is named: `ANY`, or a `variable`."""

    __slots__ = ("node",)

    def __init__(self, node: nodes.AnyCategory | nodes.Variable) -> None:
        self.node = node

    def __repr__(self) -> str:
        return "segdex.ANY" if isinstance(self.node, nodes.AnyCategory) else f"segdex.variable({self.node.name!r})"


ANY = Category(nodes.AnyCategory())
"""Some category, the same for every ``ANY`` of one comparison: ``field("value_share")[ANY] > 0.75``."""


class Expression:
    """A value of a customer: compared it gives a rule, added or multiplied another value.

    Plain Python values stand beside it: numbers (floats as they print), strings, booleans, dates and zone-aware
    datetimes. In a sum a string is a duration: ``today() + "30d"``. Methods that take values take them one by one or
    as one list.

    Attributes:
        node: the value as a node of a rule.
    """

    __slots__ = ("node",)
    __hash__ = None  # type: ignore[assignment]  # == gives a rule, so no dictionary could find one again

    def __init__(self, node: nodes.Value) -> None:
        self.node = node

    def __repr__(self) -> str:
        from segdex.rules.printer import value_to_text

        return f"segdex.value({value_to_text(self.node)!r})"

    def __bool__(self) -> NoReturn:
        raise ArgumentError("a value of a rule is neither true nor false by itself", hint="compare it with something")

    # --- families ------------------------------------------------------------------------------------------------

    def __getitem__(self, key: str | Category) -> Expression:
        if not isinstance(self.node, nodes.Name | nodes.Call):
            raise ArgumentError("only a name or a call has categories", found=repr(self))
        if isinstance(key, str):
            return Expression(nodes.Item(self.node, nodes.Text(string(key))))
        if isinstance(key, Category):
            return Expression(nodes.Item(self.node, key.node))
        raise ArgumentError("not a category", found=repr(key), allowed="a string, segdex.ANY or segdex.variable('c')")

    # --- comparisons ---------------------------------------------------------------------------------------------

    def __eq__(self, other: object) -> nodes.Compare:  # type: ignore[override]
        return self._compare("=", other)

    def __ne__(self, other: object) -> nodes.Compare:  # type: ignore[override]
        return self._compare("!=", other)

    def __lt__(self, other: Expression | Literal) -> nodes.Compare:
        return self._compare("<", other)

    def __le__(self, other: Expression | Literal) -> nodes.Compare:
        return self._compare("<=", other)

    def __gt__(self, other: Expression | Literal) -> nodes.Compare:
        return self._compare(">", other)

    def __ge__(self, other: Expression | Literal) -> nodes.Compare:
        return self._compare(">=", other)

    def is_between(self, low: Expression | Literal, high: Expression | Literal) -> nodes.Between:
        """Both ends included."""
        return nodes.Between(self.node, value_of(low), value_of(high))

    def is_in(self, *values: Literal | Iterable[Literal]) -> nodes.In:
        """One of the values."""
        return nodes.In(self.node, tuple(map(_constant, _spread(values))))

    def not_in(self, *values: Literal | Iterable[Literal]) -> nodes.In:
        """Known, and none of the values."""
        return nodes.In(self.node, tuple(map(_constant, _spread(values))), negated=True)

    def is_known(self) -> nodes.Known:
        """There is a value."""
        return nodes.Known(self.node)

    def is_missing(self) -> nodes.Missing:
        """There is no value."""
        return nodes.Missing(self.node)

    def has_any(self, *values: str | Iterable[str]) -> nodes.Has:
        """At least one of the tags."""
        return nodes.Has(self._name("has_any"), "any", tuple(map(string, _spread(values))))

    def has_all(self, *values: str | Iterable[str]) -> nodes.Has:
        """All of the tags."""
        return nodes.Has(self._name("has_all"), "all", tuple(map(string, _spread(values))))

    def has_none(self, *values: str | Iterable[str]) -> nodes.Has:
        """Tags are known, and none of these is among them."""
        return nodes.Has(self._name("has_none"), "none", tuple(map(string, _spread(values))))

    def starts_with(self, text: str, ignore_case: bool = False) -> nodes.Match:
        """The text begins with *text*."""
        return nodes.Match(self.node, "starts", string(text), bool(ignore_case))

    def ends_with(self, text: str, ignore_case: bool = False) -> nodes.Match:
        """The text ends with *text*."""
        return nodes.Match(self.node, "ends", string(text), bool(ignore_case))

    def contains(self, text: str, ignore_case: bool = False) -> nodes.Match:
        """*text* is somewhere in the text."""
        return nodes.Match(self.node, "contains", string(text), bool(ignore_case))

    def within(
        self, reach: str | Duration | Expression | Literal, of: tuple[Any, Any] | None = None
    ) -> nodes.Soon | nodes.Near:
        """A date from today to today plus *reach*, or a place no further than *reach* kilometres from *of*.

        Args:
            reach: a duration such as ``"7d"``, or with *of* a number of kilometres.
            of: latitude and longitude in degrees.
        """
        if of is None:
            return nodes.Soon(self.node, duration(reach))
        if not isinstance(of, tuple | list) or len(of) != 2:
            raise ArgumentError("not a place", found=repr(of), allowed="(latitude, longitude)")
        latitude, longitude = of
        where = self._name("within … of")
        return nodes.Near(where, _number(reach), _number(latitude), _number(longitude))

    # --- arithmetic ----------------------------------------------------------------------------------------------

    def __add__(self, other: Expression | Literal) -> Expression:
        return _arithmetic("+", self, other)

    def __radd__(self, other: Literal) -> Expression:
        return _arithmetic("+", other, self)

    def __sub__(self, other: Expression | Literal) -> Expression:
        return _arithmetic("-", self, other)

    def __rsub__(self, other: Literal) -> Expression:
        return _arithmetic("-", other, self)

    def __mul__(self, other: Expression | Literal) -> Expression:
        return _arithmetic("*", self, other)

    def __rmul__(self, other: Literal) -> Expression:
        return _arithmetic("*", other, self)

    def __truediv__(self, other: Expression | Literal) -> Expression:
        return _arithmetic("/", self, other)

    def __rtruediv__(self, other: Literal) -> Expression:
        return _arithmetic("/", other, self)

    def __neg__(self) -> Expression:
        return Expression(nodes.Negative(self.node))

    def _compare(self, sign: nodes.Comparison, other: object) -> nodes.Compare:
        return nodes.Compare(sign, self.node, value_of(other))

    def _name(self, method: str) -> nodes.Name:
        if isinstance(self.node, nodes.Name):
            return self.node
        raise ArgumentError(f"{method} is for a name", found=repr(self), hint="use segdex.field(…)")


# --- from Python's values to nodes -----------------------------------------------------------------------------------


def value_of(given: object) -> nodes.Value:
    """The node of an expression, or of one of Python's own values."""
    return given.node if isinstance(given, Expression) else _constant(given)


def _constant(given: object) -> nodes.Constant:
    node = given.node if isinstance(given, Expression) else _literal(given)
    if isinstance(node, nodes.Number | nodes.Text | nodes.Boolean | nodes.Date | nodes.Time):
        return node
    raise ArgumentError("a list holds literals only", found=repr(given))


def _literal(given: object) -> nodes.Constant:
    match given:
        case bool():
            return nodes.Boolean(given)
        case str():
            return nodes.Text(string(given))
        case Decimal():
            return nodes.Number(given)
        case float():
            # As it prints, not as the binary fraction behind it; a subclass may print differently.
            return nodes.Number(Decimal(float.__repr__(given)))
        case dt.datetime():
            return nodes.Time(given)
        case dt.date():
            return nodes.Date(given)
        case None:
            raise ArgumentError("None is no value of a rule", hint="use .is_missing() or .is_known()")
        case nodes.Rule():
            raise ArgumentError(
                "a rule is compared with a value", hint="put comparisons in parentheses: (a > 1) & (b < 2)"
            )
    try:
        whole = operator.index(given)  # type: ignore[arg-type]  # what it cannot take, it refuses
    except TypeError:
        raise ArgumentError(
            "not a value of a rule",
            found=type(given).__name__,
            allowed="a number, a string, a boolean, a date, a zone-aware datetime",
        ) from None
    if whole.bit_length() > _MOST_BITS:
        raise ArgumentError("a number has too many digits", allowed=f"{MOST_DIGITS} digits")
    return nodes.Number(Decimal(whole))


def _number(given: object) -> Decimal:
    node = value_of(given)
    if not isinstance(node, nodes.Number):
        raise ArgumentError("not a number", found=repr(given))
    return node.value


def _arithmetic(sign: nodes.Operator, left: object, right: object) -> Expression:
    return Expression(nodes.Arithmetic(sign, _operand(left), _operand(right)))


def _operand(given: object) -> nodes.Value:
    return nodes.Length(duration(given)) if isinstance(given, str | Duration) else value_of(given)


def duration(given: object) -> Duration:
    """*given*, a duration or its text."""
    if isinstance(given, str):
        return Duration.parse(given)
    if isinstance(given, Duration):
        return given
    raise ArgumentError("not a duration", found=repr(given), allowed="a string such as '30d'")


def string(given: object) -> str:
    """*given*, a string that a rule can keep."""
    if not isinstance(given, str):
        raise ArgumentError("not a string", found=repr(given))
    text = str.__str__(given)  # a subclass, such as an enumeration, may print differently
    if not is_storable(text):
        raise ArgumentError("a string holds a character that cannot be kept", found=ascii(text[:40]))
    return text


def filled(given: object) -> str:
    """*given*, a name."""
    name = string(given)
    if not name:
        raise ArgumentError("a name is empty")
    return name


def _spread(values: tuple[Any, ...]) -> list[Any]:
    """The values of ``f(1, 2)`` and of ``f([1, 2])`` alike."""
    if len(values) == 1 and isinstance(values[0], Iterable) and not isinstance(values[0], str | Expression):
        values = tuple(values[0])
    if not values:
        raise ArgumentError("a list holds at least one value")
    return list(values)

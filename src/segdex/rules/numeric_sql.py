"""Numbers in SQL: compared exactly where they are exact, and else as float64, like the numbers of a rule."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import Literal, TypeAlias

from segdex.errors import RuleError
from segdex.rules import nodes

Form: TypeAlias = Literal["literal", "integer", "count", "decimal", "double", "unknown", "computed"]

HINT = "index.to_sql(rule) knows the schema"
"""What to do where the text of a rule does not say enough."""

_MOST_DIGITS = 15
"""So many digits any double holds, and a decimal of so many is the double that is nearest to it when divided."""
_LIMIT = 1 << 63
_NAN = "CAST('NaN' AS DOUBLE)"


@dataclasses.dataclass(frozen=True, slots=True)
class Number:
    """A number in SQL.

    Attributes:
        form: how it is kept. ``count`` is an integer that a double can hold, ``decimal`` has a scale, ``unknown`` may
            be any of these, ``computed`` is float64.
        sql: the column, or the arithmetic.
        scale: of a decimal.
        exact: of a literal.
        divisors: of arithmetic: where one of them is 0 it has no value, whatever *sql* gives; inner ones first.
    """

    form: Form
    sql: str
    scale: int = 0
    exact: Decimal | None = None
    divisors: tuple[str, ...] = ()

    @classmethod
    def literal(cls, value: Decimal) -> Number:
        """The decimal that is written."""
        return cls("literal", _double(value), exact=value)

    @classmethod
    def unknown(cls, sql: str) -> Number:
        """A column that is a number, if it is compared with one."""
        return cls("unknown", sql)

    @property
    def double(self) -> str:
        """As float64 in its units, divisions by 0 unguarded."""
        if self.form in ("integer", "count", "unknown"):
            return f"CAST({self.sql} AS DOUBLE)"
        if self.form == "decimal":  # one division, like that of the index
            return f"(CAST({self.sql} * {10**self.scale} AS BIGINT) / 1e{self.scale})"
        return self.sql

    @property
    def guarded(self) -> str:
        """As float64 in its units; NULL where it is no number or divided by 0."""
        if self.form != "computed":
            return self.double
        value = f"nullif({self.sql}, {_NAN})"
        if not self.divisors:
            return value
        zero = " ".join(f"WHEN {divisor} = 0 THEN NULL" for divisor in dict.fromkeys(self.divisors))
        return f"CASE {zero} ELSE {value} END"

    def __neg__(self) -> Number:
        if self.exact is not None:
            return Number.literal(self.exact.copy_negate())
        return Number("computed", f"(-{self.double})", divisors=self.divisors)

    def combined(self, op: nodes.Operator, other: Number) -> Number:
        """Arithmetic in float64."""
        divisors = (*self.divisors, *other.divisors)
        if op == "/" and not other.exact:
            divisors = (*divisors, other.double)
        return Number("computed", f"({self.double} {op} {other.double})", divisors=divisors)


def compared(op: nodes.Comparison, left: Number, right: Number) -> str:
    """``left op right``; a literal stands on the right, unless both are."""
    sign = "<>" if op == "!=" else op
    if right.exact is not None:
        if left.form in ("integer", "count", "decimal"):
            return _stepwise(op, left, right.exact)
        return f"{_plain(left)} {sign} {_plain_literal(left, right)}"
    exact = ("integer", "count", "decimal")
    if left.form in exact and right.form in exact:
        return f"{left.sql} {sign} {right.sql}"
    if left.form == "integer" and right.form in ("double", "computed"):
        return _mixed(op, left.sql, right.guarded)
    if right.form == "integer" and left.form in ("double", "computed"):
        flipped: nodes.Comparison = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}.get(op, op)  # type: ignore[assignment]
        return _mixed(flipped, right.sql, left.guarded)
    return f"{left.guarded} {sign} {right.guarded}"


def equal_to(value: Number, literal: Number) -> tuple[str, str] | None:
    """The two sides of ``value = literal``; None: it never holds."""
    assert literal.exact is not None
    if value.form not in ("integer", "count", "decimal"):
        return _plain(value), _plain_literal(value, literal)
    step, rest = _steps(literal.exact, value.scale)
    return None if rest or abs(step) >= _LIMIT else (value.sql, _decimal(step, value.scale))


def _plain(value: Number) -> str:
    return value.sql if value.form == "unknown" else value.guarded


def _plain_literal(value: Number, literal: Number) -> str:
    """A literal for a column of float64, or one that may be exact: then only if it is the same for either."""
    exact = literal.exact
    assert exact is not None
    if value.form != "unknown":
        return literal.sql
    text = f"{exact:f}"
    whole, _, decimals = text.lstrip("-").partition(".")
    short = len((whole + decimals).lstrip("0")) <= _MOST_DIGITS and len(decimals) <= _MOST_DIGITS
    if short or (not decimals and abs(int(exact)) < _LIMIT):
        return text
    raise RuleError(
        "what a number of so many digits is compared with only the schema says",
        found=text,
        hint=HINT,
    )


def _stepwise(op: nodes.Comparison, column: Number, literal: Decimal) -> str:
    """An exact column with a literal, which may lie between two of its steps or beyond all of them."""
    step, between = _steps(literal, column.scale)
    if between and op in ("=", "!="):
        return "FALSE" if op == "=" else f"{column.sql} IS NOT NULL"
    if between:
        op, step = ("<=", step) if op in ("<", "<=") else (">=", step + 1)
    if abs(step) >= _LIMIT:
        always = op == "!=" or (op in ("<", "<=")) == (step > 0)
        return f"{column.sql} IS NOT NULL" if always and op != "=" else "FALSE"
    return f"{column.sql} {'<>' if op == '!=' else op} {_decimal(step, column.scale)}"


def _mixed(op: nodes.Comparison, whole: str, real: str) -> str:
    """An integer with a float64, exactly: where the nearest double is equal, the integers decide.

    Rounding keeps order, so that unequal doubles have the order of what they were rounded from.
    """
    near, exact = f"CAST({whole} AS DOUBLE)", f"TRY_CAST({real} AS HUGEINT)"
    if op == "=":
        return f"({near} = {real} AND {whole} = {exact})"
    if op == "!=":
        return f"({near} <> {real} OR {whole} <> {exact})"
    return f"({near} {op[0]} {real} OR ({near} = {real} AND {whole} {op} {exact}))"


def _steps(value: Decimal, scale: int) -> tuple[int, bool]:
    """The greatest step of 10^-scale at or below *value*, and whether *value* lies above it."""
    numerator, denominator = value.as_integer_ratio()  # whole numbers: Decimal's own arithmetic rounds
    step, rest = divmod(numerator * 10**scale, denominator)
    return step, rest != 0


def _decimal(step: int, scale: int) -> str:
    digits = str(abs(step)).rjust(scale + 1, "0")
    text = digits if not scale else f"{digits[:-scale]}.{digits[-scale:]}".rstrip("0").rstrip(".")
    return f"-{text}" if step < 0 else text


def _double(value: Decimal) -> str:
    """The nearest double, in the notation that is one; in parentheses where two minuses could meet."""
    text = repr(float(value)).removesuffix(".0")
    text = text if "e" in text else f"{text}e0"
    return f"({text})" if text.startswith("-") else text

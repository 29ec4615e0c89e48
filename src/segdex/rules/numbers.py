"""The one form in which a rule keeps a number: an exact decimal without exponent and trailing zeros."""

from __future__ import annotations

from decimal import Context, Decimal, DecimalException, DivisionByZero, Inexact, InvalidOperation, Overflow

from segdex.errors import ArgumentError

MOST_DIGITS = 40
"""Digits before and after the point together, written without an exponent."""

# One digit more than is allowed: what does not fit is Inexact, which raises instead of rounding.
_EXACT = Context(prec=MOST_DIGITS + 1, traps=[Inexact, InvalidOperation, Overflow, DivisionByZero])


def plain(value: Decimal) -> Decimal:
    """*value* without exponent, trailing zeros and minus zero.

    Raises:
        ArgumentError: *value* is not finite, or has more than 40 digits.

    >>> plain(Decimal("1.50E+3"))
    Decimal('1500')
    """
    if not value.is_finite():
        raise ArgumentError("not a finite number", found=str(value))
    if not value:
        return Decimal(0)
    try:
        shortest = value.normalize(_EXACT)
    except DecimalException:
        raise _too_long() from None
    _, digits, exponent = shortest.as_tuple()
    assert isinstance(exponent, int)  # it is finite
    if max(len(digits) + exponent, 0) + max(-exponent, 0) > MOST_DIGITS:
        raise _too_long()
    settled = shortest if exponent <= 0 else Decimal(f"{shortest:f}")
    # The same object comes back where nothing had to change, so that a caller can tell.
    return value if settled.as_tuple() == value.as_tuple() else settled


def _too_long() -> ArgumentError:
    return ArgumentError("a number has too many digits", allowed=f"{MOST_DIGITS} digits, written without an exponent")

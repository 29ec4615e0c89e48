"""Arrow arrays to numbers: exact integers (with or without a scale), float64, booleans as codes."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Context, Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from segdex.ingest import kernels
from segdex.ingest.arrays import (
    Converted,
    is_decimal,
    is_text,
    known_of,
    numbers_of,
    plain,
    problems_of,
    rows_where,
    strings_of,
    text_buffers,
    unfit,
)  # fmt: skip
from segdex.values.column import MISSING, Ints, Mask

LARGEST = int(np.iinfo(np.int64).max)
TOO_LARGE = "a number beyond 64 bits"
NOT_A_NUMBER = "text that is no number"
TRUE = ("true", "t", "yes", "y", "1")
FALSE = ("false", "f", "no", "n", "0")
_DIGITS = 76
"""The precision of Arrow's widest decimal."""


def tolerance(scale: int) -> float:
    """How far a float may be from a step of 10^-scale to be that step: 1e-6, for fine scales a hundredth of a step."""
    return min(1e-6, 10.0 ** -(scale + 2))


def integers(array: pa.Array) -> Converted:
    """Whole numbers as int64; a float must be whole exactly."""
    return _exact(array, 0, 0.0)


def scaled(array: pa.Array, scale: int) -> Converted:
    """Numbers as exact integers of 10^-scale; a float may be off by `tolerance`.

    Raises:
        SourceError: the type holds no numbers.
    """
    return _exact(array, scale, tolerance(scale))


def _exact(array: pa.Array, scale: int, slack: float) -> Converted:
    """Numbers as integers of 10^-scale, floats as far as *slack* from them.

    Raises:
        SourceError: the type holds no numbers.
    """
    array = plain(array)
    kind = array.type
    if pa.types.is_integer(kind):
        return _from_integers(array, scale)
    if pa.types.is_floating(kind):
        return _from_floats(array, scale, slack)
    if is_decimal(kind):
        return _from_decimals(array, scale)
    if is_text(kind):
        return _from_strings(array, scale, slack)
    if pa.types.is_null(kind):
        return Converted(np.full(len(array), MISSING, np.int64), [])
    what = "a whole number" if scale == 0 else f"a number with {scale} decimals"
    raise unfit(array, what, "integers, floats, decimals, text")


def reals(array: pa.Array) -> Converted:
    """Numbers as float64; NaN is missing, infinities stay.

    Raises:
        SourceError: the type holds no numbers.
    """
    array = plain(array)
    kind = array.type
    if is_text(kind):
        return _reals_from_strings(array)
    if is_decimal(kind):
        # Through text: Arrow's own conversion to float64 is not correctly rounded for every decimal.
        return _reals_from_strings(array.cast(pa.string()))
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind)):
        raise unfit(array, "a number", "integers, floats, decimals, text")
    if pa.types.is_null(kind):
        return Converted(np.full(len(array), np.nan), [])
    real = numbers_of(array).astype(np.float64)
    real[~known_of(array)] = np.nan
    return Converted(real, [])


def booleans(array: pa.Array) -> Converted:
    """Truth values as int32 codes: 0 false, 1 true, -1 missing.

    Raises:
        SourceError: the type holds neither truth values nor numbers nor text.
    """
    array = plain(array)
    kind = array.type
    if pa.types.is_boolean(kind):
        codes = numbers_of(array).astype(np.int32)
        codes[~known_of(array)] = -1
        return Converted(codes, [])
    if is_text(kind):
        return _booleans_from_strings(array)
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind)):
        raise unfit(array, "true or false", "booleans, the numbers 0 and 1, text")
    if pa.types.is_null(kind):
        return Converted(np.full(len(array), -1, np.int32), [])
    items, known = numbers_of(array), known_of(array)
    known &= items == items
    strange = known & (items != 0) & (items != 1)
    codes = np.where(known & ~strange, items == 1, -1).astype(np.int32)
    return Converted(codes, problems_of((strange, "a number other than 0 and 1")))


# --- exact numbers -----------------------------------------------------------------------------------------------


def _from_integers(array: pa.Array, scale: int) -> Converted:
    items, known = numbers_of(array), known_of(array)
    most = LARGEST // 10**scale
    large = known & (items > most)
    if items.dtype.kind == "i" and items.dtype.itemsize == 8:
        large |= known & (items < -most)
    data = np.where(known & ~large, items, 0).astype(np.int64) * 10**scale
    data[~known | large] = MISSING
    return Converted(data, problems_of((large, TOO_LARGE)))


def _from_floats(array: pa.Array, scale: int, slack: float) -> Converted:
    items, known = numbers_of(array), known_of(array)
    known &= ~np.isnan(items)
    infinite = known & np.isinf(items)
    real = np.where(known & ~infinite, items, 0).astype(np.float64)
    with np.errstate(over="ignore"):
        steps = np.rint(real * 10.0**scale)
        large = np.abs(steps) >= 2.0**63
        steps[large] = 0
        nearest = steps / 10.0**scale
        # A float is a step when it is the float nearest to it, in its own width, or when it is close.
        exact = nearest.astype(items.dtype) == items if scale else nearest == real
    exact |= np.abs(real - nearest) <= slack
    inexact = known & ~infinite & ~large & ~exact
    data = steps.astype(np.int64)
    data[~known | infinite | large | inexact] = MISSING
    return Converted(
        data, problems_of((infinite, "an infinite number"), (large, TOO_LARGE), (inexact, _inexact(scale)))
    )


def _inexact(scale: int) -> str:
    return "not a whole number" if scale == 0 else f"more than {scale} decimals"


def _from_decimals(array: pa.Array, scale: int) -> Converted:
    kind = array.type
    if max(kind.precision, kind.precision - kind.scale + scale) > _DIGITS - 1:
        return _from_strings(array.cast(pa.string()), scale)  # too wide for Arrow's arithmetic
    known = exact = known_of(array)
    array = array.cast(pa.decimal256(_DIGITS, kind.scale))
    if kind.scale > scale:
        rounded = pc.round(array, ndigits=scale)
        exact = pc.fill_null(pc.equal(rounded, array), False).to_numpy(zero_copy_only=False)
        array = pc.if_else(pa.array(exact), rounded, pa.scalar(None, array.type))
    limbs = _limbs(array.cast(pa.decimal256(_DIGITS, scale)))
    data = limbs[:, 0].copy()
    fits = (limbs[:, 1:] == (data >> 63)[:, None]).all(axis=1) & (data != MISSING)
    large, inexact = exact & ~fits, known & ~exact
    data[~exact | large] = MISSING
    return Converted(data, problems_of((large, TOO_LARGE), (inexact, _inexact(scale))))


def _limbs(array: pa.Decimal256Array) -> Ints:
    """The 256-bit integers behind decimals, as four 64-bit ones, lowest first."""
    if len(array) == 0:
        return np.empty((0, 4), np.int64)
    return np.frombuffer(array.buffers()[1], np.int64).reshape(-1, 4)[array.offset : array.offset + len(array)]


def _from_strings(array: pa.Array, scale: int, slack: float = 0.0) -> Converted:
    """Text as integers of 10^-scale; what a float column looks like in a CSV (19.990000000000002) counts as a float."""
    strings, problems = strings_of(array)
    offsets, text, known = text_buffers(strings)
    data, statuses = np.empty(len(strings), np.int64), np.empty(len(strings), np.int8)
    kernels.parse_decimals(offsets, text, known, scale, data, statuses)
    for row in rows_where(statuses == kernels.MALFORMED):
        data[row], statuses[row] = _written_out(strings[int(row)].as_py(), scale)
    for row in rows_where((statuses == kernels.INEXACT) & (slack > 0)):
        data[row], statuses[row] = _near_step(strings[int(row)].as_py(), scale, slack)
    data[statuses != kernels.EXACT] = MISSING
    problems += problems_of(
        (statuses == kernels.MALFORMED, NOT_A_NUMBER),
        (statuses == kernels.TOO_LARGE, TOO_LARGE),
        (statuses == kernels.INEXACT, _inexact(scale)),
    )
    return Converted(data, problems)


def _written_out(text: str, scale: int) -> tuple[int, int]:
    """The scaled integer and the status of a number with an exponent; anything else is malformed."""
    text = text.strip()
    if text.lower().lstrip("+-") == "nan":
        return 0, kernels.BLANK
    try:
        number = Decimal(text) if text.isascii() and "_" not in text else Decimal("NaN")
    except InvalidOperation:
        return 0, kernels.MALFORMED
    if number.is_nan():
        return 0, kernels.MALFORMED
    if number.is_infinite() or number.adjusted() > _DIGITS:
        return 0, kernels.TOO_LARGE
    digits = number.scaleb(scale, Context(prec=len(text) + 1))
    whole = int(digits)
    if whole != digits:
        return 0, kernels.INEXACT
    return (whole, kernels.EXACT) if abs(whole) <= LARGEST else (0, kernels.TOO_LARGE)


def _near_step(text: str, scale: int, slack: float) -> tuple[int, int]:
    """The scaled integer next to a number with more decimals, and whether it is within *slack* of it."""
    number = Decimal(text.strip())
    if number.adjusted() < -_DIGITS:
        return 0, kernels.EXACT  # next to zero; written out it could fill the memory
    steps = Fraction(number) * 10**scale
    whole = round(steps)
    near = abs(steps - whole) <= Fraction(repr(slack)) * 10**scale and abs(whole) <= LARGEST
    return (whole, kernels.EXACT) if near else (0, kernels.INEXACT)


# --- text to floats and booleans ---------------------------------------------------------------------------------


def _reals_from_strings(array: pa.Array) -> Converted:
    strings, problems = strings_of(array)
    try:
        real = _floats(strings.cast(pa.float64()))
    except pa.ArrowInvalid:  # a blank or malformed one among them: Arrow does not say which
        real, malformed = _each(strings, _float)
        problems += problems_of((malformed, NOT_A_NUMBER))
    return Converted(real, problems)


def _floats(array: pa.Array) -> npt.NDArray[np.float64]:
    real = numbers_of(array).astype(np.float64)
    real[~known_of(array)] = np.nan
    return real


def _float(text: str) -> float | None:
    text = text.strip()
    if "_" in text or not text.isascii():
        return None
    try:
        return float(text) if text else float("nan")
    except ValueError:
        return None


def _booleans_from_strings(array: pa.Array) -> Converted:
    strings, problems = strings_of(array)
    words = {"": -1} | dict.fromkeys(FALSE, 0) | dict.fromkeys(TRUE, 1)
    real, malformed = _each(strings, lambda text: words.get(text.strip().lower()), missing=-1)
    problems += problems_of((malformed, f"text that is none of {', '.join((*TRUE, *FALSE))}"))
    return Converted(real.astype(np.int32), problems)


def _each(
    strings: pa.LargeStringArray, parse: Callable[[str], Any], missing: float = float("nan")
) -> tuple[npt.NDArray[np.float64], Mask]:
    """Parse every distinct string; the values (*missing* for null and for what is malformed), and what is malformed."""
    encoded = strings.dictionary_encode()
    parsed = [parse(text) for text in encoded.dictionary.to_pylist()]
    table = np.array([missing if value is None else value for value in parsed] + [missing], np.float64)
    wrong = np.array([value is None for value in parsed] + [False])
    indices: Ints = pc.fill_null(encoded.indices, len(parsed)).to_numpy().astype(np.int64)
    return table[indices], wrong[indices]

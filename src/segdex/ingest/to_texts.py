"""Arrow arrays to numbers of distinct strings: categories, text and tags."""

from __future__ import annotations

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segdex.ingest.arrays import (
    Converted,
    Problem,
    is_decimal,
    is_text,
    known_of,
    numbers_of,
    plain,
    rows_where,
    strings_of,
    unfit,
)  # fmt: skip
from segdex.ingest.memo import Texts
from segdex.ingest.to_numbers import integers
from segdex.values.column import MISSING, Ints, Mask

_ALLOWED = "text, integers, booleans, whole floats, decimals, dictionaries of these"


def encode(array: pa.Array, texts: Texts, what: str = "text") -> Converted:
    """The number in *texts* of each item written as text, int64, -1 where it is missing.

    Raises:
        SourceError: the type is none of those that have one obvious text.
    """
    if pa.types.is_dictionary(array.type) and len(array.dictionary) <= len(array):
        return _through(array, texts, what)
    array = plain(array)
    kind = array.type
    if is_text(kind):
        strings, problems = strings_of(array)
        return Converted(texts.add(strings), problems)
    if pa.types.is_null(kind):
        return Converted(np.full(len(array), -1, np.int64), [])
    if not (pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_floating(kind) or is_decimal(kind)):
        raise unfit(array, what, _ALLOWED)
    encoded = array.dictionary_encode()
    labels, problems = _labels(encoded.dictionary)
    return _looked_up(encoded, Converted(texts.add(labels), problems))


def _through(array: pa.DictionaryArray, texts: Texts, what: str) -> Converted:
    return _looked_up(array, encode(array.dictionary, texts, what))


def _looked_up(array: pa.DictionaryArray, entries: Converted) -> Converted:
    """The entries of a dictionary, each for the rows that have it."""
    indices = np.where(known_of(array.indices), numbers_of(array.indices).astype(np.int64), len(entries.data))
    problems = []
    for problem in entries.problems:
        wrong = np.zeros(len(entries.data) + 1, np.bool_)
        wrong[problem.rows] = True
        if (rows := rows_where(wrong[indices])).size:
            problems.append(Problem(rows, problem.reason))
    return Converted(np.append(entries.data, -1)[indices], problems)


def _labels(values: pa.Array) -> tuple[pa.LargeStringArray, list[Problem]]:
    """Distinct numbers or truth values as text: ``7`` whether the source has 7, 7.0 or a decimal 7.00."""
    if is_decimal(values.type):
        texts = [None if each is None else _short(format(each, "f")) for each in values.to_pylist()]
        return pa.array(texts, pa.large_string()), []
    if pa.types.is_floating(values.type):
        whole = integers(values)
        known = whole.data != MISSING
        return pa.array(whole.data, mask=~known).cast(pa.large_string()), whole.problems
    return values.cast(pa.large_string()), []


def _short(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


# --- lists -------------------------------------------------------------------------------------------------------


def encode_lists(array: pa.Array, texts: Texts) -> tuple[Converted, Ints, Mask]:
    """The numbers of all elements, how many each row has, and which rows are known; null elements are dropped.

    Text is read as a JSON list of strings, the one way in which a CSV file can hold tags. Problems are of rows; a row
    with a bad element is unknown.

    Raises:
        SourceError: the type is no list of text.
    """
    array = plain(array)
    kind = array.type
    if pa.types.is_null(kind):
        nothing = np.zeros(len(array), np.int64)
        return Converted(np.empty(0, np.int64), []), nothing, nothing.astype(np.bool_)
    malformed: list[Problem] = []
    if is_text(kind):
        array, malformed = _from_json(array)
    if pa.types.is_fixed_size_list(kind):
        array = array.cast(pa.large_list(kind.value_type))
    known = known_of(array)
    lengths = np.where(known, numbers_of(_sizes(array)), 0).astype(np.int64)
    owners = np.repeat(np.arange(len(array)), lengths)
    items = encode(array.flatten(), texts, "tags")  # flatten leaves out what lies behind null lists
    problems = [Problem(np.unique(owners[problem.rows]), problem.reason) for problem in items.problems]
    for problem in problems:
        known[problem.rows] = False
    kept = (items.data >= 0) & known[owners]
    return Converted(items.data[kept], malformed + problems), np.bincount(owners[kept], minlength=len(array)), known


def _sizes(array: pa.Array) -> pa.Array:
    """How many elements each list has."""
    kind = array.type
    if pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind):
        return array.sizes  # Arrow counts views by their offsets, which may be in any order
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pc.list_value_length(array)
    raise unfit(array, "tags", "lists of text, text that is a JSON list of strings")


def _from_json(array: pa.Array) -> tuple[pa.LargeListArray, list[Problem]]:
    """Lists from text such as ``["vip", "beta"]``; each distinct text is parsed once, blank text is missing."""
    strings, problems = strings_of(array)
    encoded = strings.dictionary_encode()
    parsed = [_parsed(text) for text in encoded.dictionary.to_pylist()]
    wrong = np.array([isinstance(each, Exception) for each in parsed] + [False])
    lists = pa.array(
        [None if isinstance(each, Exception) else each for each in parsed], pa.large_list(pa.large_string())
    )
    places = np.where(known_of(encoded.indices), numbers_of(encoded.indices), len(parsed))
    if (rows := rows_where(wrong[places])).size:
        problems.append(Problem(rows, "text that is no JSON list of strings"))
    return lists.take(encoded.indices), problems


def _parsed(text: str) -> list[str | None] | Exception | None:
    if not text.strip():
        return None
    try:
        return msgspec.json.decode(text, type=list[str | None])
    except (msgspec.DecodeError, RecursionError) as error:
        return error

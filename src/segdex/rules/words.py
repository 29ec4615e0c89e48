"""The words of the rule language: which are reserved, and how names and strings are written."""

from __future__ import annotations

import re

RESERVED = frozenset({
    "and", "or", "not", "in", "is", "between", "has", "within", "where", "having", "true", "false", "everyone",
    "today", "did", "any",
})  # fmt: skip
"""Never a bare name; every other word is soft and may name anything."""

FUNCTIONS = frozenset({"anniversary", "bucket", "sequence"})
"""Soft words that mean something else than a metric when a parenthesis follows."""

# Without regard to case as the grammar's, including the few letters beyond ASCII that fold to one of these.
_RESERVED = re.compile("|".join(sorted(RESERVED)), re.IGNORECASE)
_BARE = re.compile(r"[^\W\d]\w*")
_PLAIN = re.compile(r"[a-z][a-z0-9_]*")
_OPTION = re.compile(r"[a-z](?:[a-z0-9_]*[a-z0-9])?")
_CALL_PARTS = frozenset({"by", "field", "window"})


def name_text(name: str) -> str:
    """*name* as a rule writes it: bare, or in double quotes.

    >>> print(name_text("orders_3m"), name_text("last name"), name_text("not"))
    orders_3m "last name" "not"
    """
    return name if _BARE.fullmatch(name) and not _RESERVED.fullmatch(name) else quoted(name)


def quoted(name: str) -> str:
    """*name* in double quotes, quotes inside doubled."""
    return '"' + name.replace('"', '""') + '"'


def string_text(value: str) -> str:
    """*value* in single quotes, quotes inside doubled.

    >>> print(string_text("children's"))
    'children''s'
    """
    return "'" + value.replace("'", "''") + "'"


def is_kind(word: str) -> bool:
    """Whether *word* can be the kind of an inline call."""
    return _PLAIN.fullmatch(word) is not None and word not in RESERVED and word not in FUNCTIONS


def is_option(word: str) -> bool:
    """Whether *word* can be the name of an option of an inline call: lower case, and no part of a call itself."""
    return _OPTION.fullmatch(word) is not None and word not in RESERVED and word not in _CALL_PARTS


def is_storable(text: str) -> bool:
    """Whether *text* can be kept: no zero character, and no half of a surrogate pair."""
    if "\0" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True

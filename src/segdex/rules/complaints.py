"""What to say about a text that is no rule: where, what was found, what was expected in words, and what to do."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from segdex.errors import RuleError, nearest
from segdex.rules.limits import place
from segdex.rules.tokens import Word
from segdex.rules.words import RESERVED

_VALUE = frozenset({"NAME", "QUOTED", "NUMBER", "STRING", "MINUS", "TODAY"})
_VALUES = _VALUE | {"_LPAR", "TRUE", "FALSE", "DATE", "TIME", "DURATION", "ANNIVERSARY", "BUCKET", "SEQUENCE"}
_RULE = _VALUE | {"NOT", "EVERYONE"}
_RULES = _RULE | _VALUES | {"DID", "SEGMENT", "ANY"}
_WINDOWS = frozenset({"DURATION", "DATE", "_TO", "CALENDAR", "LAST", "THIS", "PREVIOUS", "LIFETIME"})
_COMPARISON = frozenset({"COMPARE", "_BETWEEN", "_IN", "_HAS", "_IS", "_WITHIN"})
# Longest first: what one phrase covers is not named again. The second set is covered where the first is accepted.
_PHRASES: tuple[tuple[frozenset[str], frozenset[str], str], ...] = (
    (_RULE, _RULES, "a rule"),
    (_VALUE, _VALUES, "a value"),
    (
        _COMPARISON,
        _COMPARISON | {"NOT", "STARTS", "ENDS", "CONTAINS"},
        "a comparison (= != < <= > >=, between, in, has, is known, within, starts with …)",
    ),
    (frozenset({"WHERE", "HAVING"}), _WINDOWS | {"WHERE", "HAVING", "NAME"}, "a window, where, having or an option"),
    (frozenset({"DURATION", "LIFETIME"}), _WINDOWS, "a window"),
    (
        frozenset({"STRING", "NUMBER", "DATE"}),
        frozenset({"STRING", "NUMBER", "MINUS", "DATE", "TIME", "TRUE", "FALSE"}),
        "a text, number, date, true or false",
    ),
    (frozenset({"PLUS"}), frozenset({"PLUS", "MINUS", "STAR", "SLASH"}), "+ - * /"),
    (frozenset({"NAME"}), frozenset({"NAME", "QUOTED"}), "a name"),
)
_SINGLE = {
    "STRING": "a text in single quotes", "NUMBER": "a number", "DURATION": "a duration such as 90d", "DATE": "a date",
    "PERIOD": "d, w, mo or y", "$END": "the end", "MINUS": "-", "_EQUALS": "=", "_TO": "..", "_DOT": ".",
    "_LPAR": "(", "_RPAR": ")", "_LSQB": "[", "_RSQB": "]", "_COMMA": ",", "LAST": "last", "COMPARE": "a comparison",
}  # fmt: skip
# Keywords that somebody may have meant, as nearest() should offer them.
_KEYWORDS = {
    "_AND": "and", "_OR": "or", "NOT": "not", "_IN": "in", "_IS": "is", "_BETWEEN": "between", "_HAS": "has",
    "_WITHIN": "within", "WHERE": "where", "HAVING": "having", "EVERYONE": "everyone", "ANY": "any", "ALL": "all",
    "NONE": "none", "KNOWN": "known", "MISSING": "missing", "STARTS": "starts", "ENDS": "ends",
    "CONTAINS": "contains", "IGNORING": "ignoring", "_WITH": "with", "_CASE": "case", "_KM": "km", "_OF": "of",
    "_THEN": "then", "_ON": "on",
    "CALENDAR": "calendar", "THIS": "this", "PREVIOUS": "previous", "LIFETIME": "lifetime",
}  # fmt: skip
_MEANT = {
    "&": "write and", "|": "write or", "!": "write not, or != for unequal", "~": "write not", "{": "lists stand in ( )",
    ";": "one rule at a time", "#": "a rule has no comments", "%": "write 0.2 for 20 %", "≥": "write >=",
    "≤": "write <=", "≠": "write !=", "−": "write -", "–": "write -", "—": "write -", "×": "write *", "÷": "write /",
    "‘": "write ' straight", "’": "write ' straight", "“": "write ' straight", "”": "write ' straight",
    "`": "names with odd characters stand in double quotes", "…": "write ..",
}  # fmt: skip
_DOUBLED = {
    ("=", "="): "one = is enough", ("=", ">"): "write >=", ("=", "<"): "write <=", ("<", ">"): "write !=",
    ("!=", "="): "write !=",
}  # fmt: skip


def unexpected(token: Word, accepted: Collection[str], before: Word | None) -> RuleError:
    """The error of a token that cannot stand where it stands."""
    if token.type == "$END":
        where = place(before.end_line, before.end_column) if before else place(1, 1)
        found = "the end" if before else "nothing"
    else:
        where, found = place(token.line, token.column), repr(_shown(str(token)))
    problem, hint = next(_diagnoses(token, accepted, before))
    return RuleError(problem, place=where, found=found, allowed=expected(accepted), hint=hint)


def bad_character(text: str, at: int, accepted: Collection[str] | None) -> RuleError:
    """The error of a character that begins nothing; *accepted* None: that may stand nowhere."""
    where = place(text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at))
    character = text[at]
    if character == "'":
        hint = "end it with ', and double a quote inside it"
        return RuleError("a text in quotes does not end", place=where, found=repr(_shown(text[at:])), hint=hint)
    if character == '"':
        return RuleError("a quoted name does not end", place=where, found=repr(_shown(text[at:])), hint='end it with "')
    return RuleError(
        "an unexpected character",
        place=where,
        found=repr(character),
        allowed=None if accepted is None else expected(accepted),
        hint=_MEANT.get(character),
    )


def expected(accepted: Collection[str]) -> str:
    """The terminals that could stand here, in words.

    >>> expected({"_AND", "_OR", "$END"})
    'and, or, the end'
    """
    # Where the parser is done, lark names nothing.
    left = set(accepted) or {"$END"}
    said = []
    for signs, covered, phrase in _PHRASES:
        if signs <= left:
            said.append(phrase)
            left -= covered
    said += [_KEYWORDS[name] for name in _KEYWORDS if name in left]
    said += [_SINGLE[name] for name in _SINGLE if name in left]
    return ", ".join(said)


def _diagnoses(token: Word, accepted: Collection[str], before: Word | None) -> Iterator[tuple[str, str | None]]:
    """What may be the matter, the most telling first: problem and hint."""
    text = str(token)
    if before is not None and (str(before), text) in _DOUBLED:
        yield "no such comparison", _DOUBLED[str(before), text]
    if token.type == "COMPARE" and {"_AND", "PLUS"} <= set(accepted):
        yield "comparisons do not chain", "write 1 < x and x < 2, or x between 1 and 2"
    if before is not None and before.type == "STRING" and before.end_pos == token.start_pos:
        yield "unexpected after a text in quotes", "a quote inside a text is doubled: 'children''s'"
    if "COMPARE" in accepted and token.type in ("$END", "_AND", "_OR", "_RPAR", "_COMMA"):
        yield _bare(before)
    if before is not None and before.type == "_IS":
        yield "unexpected", "a value is known or is missing"
    if token.type == "_RPAR" and not accepted:
        yield "unexpected", "no ( stands before it"
    if "STRING" in accepted and "NAME" not in accepted and (text.isidentifier() or token.type == "QUOTED"):
        yield "unexpected", f"a text stands in single quotes: '{_shown(text.strip(chr(34)))}'"
    if text.lower() in RESERVED and "NAME" in accepted:
        yield "unexpected", f'{text.lower()} is a reserved word; a name like it is written "{text}"'
    word = text.isidentifier() and nearest(text, [_KEYWORDS[name] for name in _KEYWORDS if name in accepted])
    yield "the text ends too early" if token.type == "$END" else "unexpected", word or None


def _bare(before: Word | None) -> tuple[str, str]:
    if before is None or before.type not in ("NAME", "QUOTED"):
        return "a value alone is not a rule", "compare it with something"
    name = str(before)
    return "a name alone is not a rule", f"write {name} = true or segment '{name.strip(chr(34))}'"


def _shown(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "…"

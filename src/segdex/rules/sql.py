"""Rule to SQL: a condition for a WHERE clause, over the table that `segdex.Index.members` gives.

A column is titled like the name (``spend_6m``), the category (``value_share['apparel']``), the bucket or the segment
that it holds. What the text of a rule leaves open (whether a name is a number with a scale, which order a category has,
what day it is) a `Columns` says; without one the text must do.

Where a value is missing SQL has NULL. A comparison with it is NULL, which AND, OR and WHERE take for false, as a rule
does; ``not`` is written ``(…) IS NOT TRUE``, and so is the complement, the missing included.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence

from segdex.errors import RuleError, RuleLimitError
from segdex.rules import limits, nodes
from segdex.rules.numeric_sql import HINT, Number, compared, equal_to
from segdex.rules.shorthand import written_out
from segdex.rules.sql_columns import Columns, Kind, Reference, Stored, Unknown, argument_of
from segdex.rules.windows import Duration
from segdex.rules.words import string_text

MOST_CHARACTERS = 4 << 20
"""Of the text: ``any`` is written once a category."""

_FLIPPED: dict[nodes.Comparison, nodes.Comparison] = {
    "=": "=", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<=",
}  # fmt: skip
_UNITS = {"d": (1, "DAY"), "w": (7, "DAY"), "mo": (1, "MONTH"), "y": (1, "YEAR")}
_MATCHES = {"starts": "starts_with", "ends": "ends_with", "contains": "contains"}
_GROUPS: dict[str, Kind] = {"time": "date", "id": "text"}


class Sql(str):
    """A rule in SQL: the text, and what it reads.

    Attributes:
        columns: what it reads, as `segdex.Index.members` takes its columns.
    """

    columns: tuple[str, ...]

    def __new__(cls, text: str, columns: tuple[str, ...]) -> Sql:  # noqa: D102
        made = super().__new__(cls, text)
        made.columns = columns
        return made

    def __reduce__(self) -> tuple[object, ...]:
        return Sql, (str(self), self.columns)


def to_sql(rule: nodes.Rule, columns: Columns | None = None) -> Sql:
    """*rule* as a condition over a table with *columns*; None: of these only the rule's text says something.

    Raises:
        RuleError: the rule asks for more than stored values, or for more than is known of the columns.
        RuleLimitError: the rule is larger than the limits allow, or its SQL form would be.

    >>> print(to_sql(nodes.Not(nodes.Compare("=", nodes.Name("country"), nodes.Text("IN")))))
    ("country" = 'IN') IS NOT TRUE
    """
    limits.check(rule)
    for node in nodes.walk(rule):
        if isinstance(node, nodes.Call | nodes.Sequence):
            hint = "declare it as a metric, and ask for that"
            found = "sequence(…)" if isinstance(node, nodes.Sequence) else f"{node.kind}(…)"
            raise RuleError("what is asked straight from a stream has no SQL form", found=found, hint=hint)
        if isinstance(node, nodes.Near):
            raise RuleError("'within … km of' has no SQL form", found=repr(node.value.name))
    printer = _Printer(Unknown() if columns is None else columns)
    text = printer.rule(rule)
    return Sql(text, tuple(printer.used))


@dataclasses.dataclass(frozen=True, slots=True)
class _Term:
    """A value in SQL: a column, a literal, or an expression.

    Attributes:
        sql: its text; of a number see *number*.
        kind: how it compares; None: nobody knows.
        literal: of a literal, what was written.
        stored: of a column, what is known of it.
        number: of a number, or of what may be one, how it is computed with.
    """

    sql: str
    kind: Kind | None
    literal: str | bool | dt.date | None = None
    stored: Stored | None = None
    number: Number | None = None


class _Printer:
    def __init__(self, columns: Columns) -> None:
        self.used: dict[str, None] = {}
        self._columns = columns
        self._titles = {title.lower(): title for title in columns.titles}
        self._written = 0

    # --- rules ---

    def rule(self, rule: nodes.Rule) -> str:
        match rule:
            case nodes.And(rules):
                return " AND ".join(map(self._closed, rules))
            case nodes.Or(rules):
                return " OR ".join(map(self._closed, rules))
            case nodes.Not(inner):
                return f"({self.rule(inner)}) IS NOT TRUE"
            case nodes.Everyone():
                return "TRUE"
            case nodes.Segment():
                return self._stored(rule).sql
            case nodes.ForAny(variable, inner):
                return self._some(self._columns.expanded(inner, variable))
            case _ if any(isinstance(node, nodes.AnyCategory) for node in nodes.walk(rule)):
                return self._some(self._columns.expanded(rule, None))
            case _:
                return self._bounded(self._leaf(written_out(rule)))

    def _closed(self, rule: nodes.Rule) -> str:
        text = self.rule(rule)
        return f"({text})" if isinstance(rule, nodes.And | nodes.Or) else text

    def _some(self, rules: Sequence[nodes.Rule]) -> str:
        return _either([self._closed(each) for each in rules])

    def _bounded(self, text: str) -> str:
        self._written += len(text)
        if self._written > MOST_CHARACTERS:
            raise RuleLimitError("the SQL form would be too long", allowed=f"{MOST_CHARACTERS:,} characters")
        return text

    def _leaf(self, rule: nodes.Rule) -> str:
        match rule:
            case nodes.Compare(op, left, right):
                return self._compare(op, self._term(left), self._term(right))
            case nodes.Between(value, low, high):
                term = self._term(value)
                above = self._compare(">=", term, self._term(low))
                return f"({above} AND {self._compare('<=', term, self._term(high))})"
            case nodes.In(value, values, negated):
                return self._in(self._term(value), [self._term(each) for each in values], negated)
            case nodes.Has(value, mode, values):
                return self._has(self._stored(value), mode, values)
            case nodes.Known(value):
                return f"{_value(self._term(value))} IS NOT NULL"
            case nodes.Missing(value):
                return f"{_value(self._term(value))} IS NULL"
            case nodes.Match(value, mode, text, ignore_case):
                return _matches(self._term(value), mode, text, ignore_case)
            case _:
                raise RuleError(f"{type(rule).__name__} is not a rule")

    def _has(self, stored: Stored, mode: str, values: Sequence[str]) -> str:
        wanted = ", ".join(string_text(stored.kept(each)) for each in values)
        if mode == "none":
            return f"({stored.sql} IS NOT NULL AND NOT list_has_any({stored.sql}, [{wanted}]))"
        return f"list_has_{mode}({stored.sql}, [{wanted}])"

    def _in(self, term: _Term, values: Sequence[_Term], negated: bool) -> str:
        """One of the values; those that are compared with one and the same text make one list."""
        lists: dict[str, list[str]] = {}
        others: list[str] = []
        for each in values:
            found = self._equal(term, each)
            if isinstance(found, str):
                others.append(found)
            elif found is not None:
                lists.setdefault(found[0], []).append(found[1])
        parts = [f"{left} IN ({', '.join(dict.fromkeys(rights))})" for left, rights in lists.items()] + others
        if not negated:
            return _either(parts)
        if not parts:
            return f"{_value(term)} IS NOT NULL"
        return f"({_value(term)} IS NOT NULL AND ({_either(parts)}) IS NOT TRUE)"

    def _equal(self, term: _Term, literal: _Term) -> tuple[str, str] | str | None:
        """The two sides of ``term = literal``, or a text that says it otherwise; None: it never holds."""
        _expect_alike(term, literal)
        if _is_label(term, literal):
            return _label(term, literal), _label_literal(term, literal)
        if term.number is not None and literal.number is not None:
            return equal_to(term.number, literal.number)
        if literal.kind == "bool":
            return _value(term), literal.sql
        if term.kind is None and literal.kind == "time":
            return self._compare("=", term, literal)
        if term.kind == literal.kind == "time":
            return term.sql, literal.sql
        return self._local_date(term), self._local_date(literal)

    # --- comparisons ---

    def _compare(self, op: nodes.Comparison, left: _Term, right: _Term) -> str:
        if _is_literal(left) and not _is_literal(right):
            return self._compare(_FLIPPED[op], right, left)
        if left.kind is None and right.kind is None:
            found = f"{left.sql} and {right.sql}"
            raise RuleError("of two stored values only the schema says how they compare", found=found, hint=HINT)
        _expect_alike(left, right)
        if _is_label(left, right):
            return _labels(op, left, right)
        if {left.kind, right.kind} <= {"date", "time", None}:
            return self._moments(op, left, right)
        if left.number is not None and right.number is not None:
            return compared(op, left.number, right.number)
        return f"{left.sql} {_sign(op)} {right.sql}"

    def _moments(self, op: nodes.Comparison, left: _Term, right: _Term) -> str:
        """Two times, or else two local dates."""
        times = f"{left.sql} {_sign(op)} {right.sql}"
        if left.kind == right.kind:
            return times
        dates = f"{self._local_date(left)} {_sign(op)} {self._local_date(right)}"
        unknown = left if left.kind is None else right
        if unknown.kind is not None or "date" in (left.kind, right.kind):
            return dates
        return f"CASE typeof({unknown.sql}) WHEN 'DATE' THEN {dates} ELSE {times} END"

    def _local_date(self, term: _Term) -> str:
        """The local date of a date, a time, or what may be either."""
        if term.kind == "date":
            return term.sql
        if isinstance(term.literal, dt.datetime):
            day = self._columns.local_date(term.literal)
            return f"CAST({term.sql} AS DATE)" if day is None else _date(day)
        if term.kind == "time" and self._columns.zone is not None:
            return f"CAST({term.sql} AT TIME ZONE {string_text(self._columns.zone)} AS DATE)"
        return f"CAST({term.sql} AS DATE)"

    # --- values ---

    def _term(self, value: nodes.Value) -> _Term:
        match value:
            case nodes.Number(exact):
                return _Term("", "number", number=Number.literal(exact))
            case nodes.Text(text):
                return _Term(string_text(text), "text", text)
            case nodes.Boolean(truth):
                return _Term("TRUE" if truth else "FALSE", "bool", truth)
            case nodes.Time(moment):
                return _Term(f"TIMESTAMPTZ '{moment.replace(tzinfo=None).isoformat(' ')}+00'", "time", moment)
            case nodes.Date(day):
                return _Term(_date(day), "date", day)
            case nodes.Today():
                day = self._columns.today()
                return _Term(_date(day), "date", day)
            case nodes.Name() | nodes.Item() | nodes.Bucket():
                stored = self._stored(value)
                number = stored.number if stored.kind else Number.unknown(stored.sql)
                return _Term(stored.sql, stored.kind, stored=stored, number=number)
            case _:
                return self._computed(value)

    def _computed(self, value: nodes.Value) -> _Term:
        match value:
            case nodes.Anniversary(name):
                return _Term(self._anniversary(self._local_date(self._term(name))), "date")
            case nodes.Negative(inner):
                return _Term("", "number", number=-self._number(inner))
            case nodes.Arithmetic(op, left, nodes.Length(duration)):
                return _Term(self._shifted(self._local_date(self._term(left)), op, duration), "date")
            case nodes.Arithmetic(op, left, right):
                return _Term("", "number", number=self._number(left).combined(op, self._number(right)))
            case _:
                raise RuleError(f"{type(value).__name__} is not a value")

    def _number(self, value: nodes.Value) -> Number:
        term = self._term(value)
        if term.number is None:
            raise RuleError("arithmetic works on numbers", found=term.kind)
        return term.number

    def _shifted(self, day: str, op: str, duration: Duration) -> str:
        if duration.unit not in _UNITS:
            raise RuleError("a date moves by whole days", found=str(duration), allowed="d, w, mo, y")
        times, unit = _UNITS[duration.unit]
        return f"CAST({day} {op} INTERVAL '{duration.count * times}' {unit} AS DATE)"

    def _anniversary(self, day: str) -> str:
        """The date moved to this year or the next; in a common year a 29 February becomes the 28th of itself."""
        today = self._columns.today()

        def in_year(year: int) -> str:
            return f"CAST({day} + ({year} - EXTRACT(YEAR FROM {day})) * INTERVAL '1' YEAR AS DATE)"

        this = in_year(today.year)
        return f"CASE WHEN {this} >= {_date(today)} THEN {this} ELSE {in_year(today.year + 1)} END"

    def _stored(self, node: Reference) -> Stored:
        """A column, noted as used. Databases read names without regard to case, even quoted ones."""
        stored = self._columns.stored(node)
        same = self._titles.setdefault(stored.title.lower(), stored.title)
        if same != stored.title:
            found = f"{same!r} and {stored.title!r}"
            raise RuleError("SQL does not tell names apart that differ in case only", found=found)
        self.used[argument_of(node)] = None
        return stored


# --- texts -------------------------------------------------------------------------------------------------------


def _either(parts: Sequence[str]) -> str:
    return "FALSE" if not parts else parts[0] if len(parts) == 1 else f"({' OR '.join(parts)})"


def _sign(op: nodes.Comparison) -> str:
    return "<>" if op == "!=" else op


def _date(day: dt.date) -> str:
    return f"DATE '{day.isoformat()}'"


def _value(term: _Term) -> str:
    """The value itself, whatever it is."""
    return term.sql if term.number is None or term.stored is not None else term.number.guarded


def _is_literal(term: _Term) -> bool:
    return term.literal is not None or (term.number is not None and term.number.exact is not None)


# --- labels ------------------------------------------------------------------------------------------------------


def _expect_alike(left: _Term, right: _Term) -> None:
    """Refuse what no schema allows; a rule that was checked against one has passed."""
    groups = [_GROUPS.get(term.kind or "", term.kind) for term in (left, right)]
    by_number = groups[0] == "text" and left.stored is not None and _is_literal(right) and groups[1] == "number"
    if None not in groups and groups[0] != groups[1] and not by_number:
        raise RuleError("the two sides are of different types", found=f"{left.kind} and {right.kind}")


def _is_label(left: _Term, right: _Term) -> bool:
    """Whether strings are compared; an id is one, also with a number."""
    return bool({left.kind, right.kind} & {"text", "id"})


def _labels(op: nodes.Comparison, left: _Term, right: _Term) -> str:
    if op in ("=", "!="):
        literal = _is_literal(right)
        return f"{_label(left, right)} {_sign(op)} {_label_literal(left, right) if literal else _label(right, left)}"
    order = left.stored.order if left.stored is not None else None
    if order is None:
        raise RuleError(f"the order that {op} follows is in the schema", found=left.sql, hint=HINT)
    if not _is_literal(right):
        return f"{_rank(left, order)} {op} {_rank(right, order)}"
    at = [string_text(each) for each in order].index(_label_literal(left, right))
    chosen = {"<": order[:at], "<=": order[: at + 1], ">": order[at + 1 :], ">=": order[at:]}[op]
    return f"{left.sql} IN ({', '.join(map(string_text, chosen))})" if chosen else "FALSE"


def _label(term: _Term, other: _Term) -> str:
    """A column or literal as a string. Of a column that nobody knows a string of digits may be asked: an id's."""
    digits = isinstance(other.literal, str) and other.literal.strip().lstrip("+-.")[:1].isdigit()
    if term.kind == "id" or (term.kind is None and digits):
        return f"CAST({term.sql} AS VARCHAR)"
    return term.sql


def _label_literal(term: _Term, literal: _Term) -> str:
    """A literal that is compared with a string: an id may be asked for by its number."""
    exact = literal.number.exact if literal.number is not None else None
    text = str(literal.literal) if exact is None else f"{exact:f}"
    return string_text(text if term.stored is None else term.stored.kept(text))


def _rank(term: _Term, order: Sequence[str]) -> str:
    places = " ".join(f"WHEN {string_text(label)} THEN {place}" for place, label in enumerate(order))
    return f"CASE {term.sql} {places} END"


def _matches(term: _Term, mode: str, text: str, ignore_case: bool) -> str:
    if term.kind not in ("text", "id", None):
        raise RuleError("text is looked for in strings", found=term.kind)
    held = _label(term, term)
    wanted = string_text(text if term.stored is None else term.stored.kept(text))
    if ignore_case:  # both sides by one function, so that they agree on every letter
        held, wanted = f"lower({held})", f"lower({wanted})"
    return f"{_MATCHES[mode]}({held}, {wanted})"

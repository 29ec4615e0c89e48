"""Which values may be compared with which. Pure functions over types and the literals themselves."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple, TypeAlias

from segdex.rules import nodes
from segdex.schema.types import ValueType

Class: TypeAlias = Literal["number", "moment", "text", "id", "bool", "tags", "place"]

_CLASSES: dict[str, Class] = {
    "number": "number", "integer": "number", "date": "moment", "time": "moment", "category": "text",
    "text": "text", "id": "id", "bool": "bool", "tags": "tags", "geo": "place",
}  # fmt: skip
_WORDS: dict[Class, str] = {
    "number": "a number", "moment": "a date or a time", "text": "a string", "id": "an id", "bool": "true or false",
    "tags": "tags", "place": "a place",
}  # fmt: skip
_NUMBER = re.compile(r"-?\d+(\.\d+)?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d(T.*)?", re.ASCII)


class Operand(NamedTuple):
    """A side of a comparison."""

    node: nodes.Node
    type: ValueType

    @property
    def group(self) -> Class:
        """What it compares with."""
        return _CLASSES[self.type.kind]

    @property
    def literal(self) -> bool:
        """Whether it is a constant as written."""
        return self.type.role == "literal"


class Misfit(Exception):  # noqa: N818 (never leaves the room: it becomes a RuleError with a place)
    """Two operands that cannot be compared: the parts of the message."""

    def __init__(self, problem: str, **parts: str | None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.parts = parts


def check_comparison(op: nodes.Comparison, left: Operand, right: Operand) -> None:
    """Check that ``left op right`` means something.

    Raises:
        Misfit: it does not.
    """
    for side in (left, right):
        if side.group == "tags":
            raise Misfit("tags have many values", hint="write tags has any ('…')")
        if side.group == "place":
            name = side.node.name if isinstance(side.node, nodes.Name) else "home"
            hint = f"write {name} within 25 km of (latitude, longitude)"
            raise Misfit("a place is not compared with values", found=_described(side), hint=hint)
    if not _same_class(left, right):
        raise _mismatch(left, right)
    if op not in ("=", "!=") and left.group not in ("number", "moment"):
        _check_order(op, left, right)


def _same_class(left: Operand, right: Operand) -> bool:
    if left.group == right.group:
        return True
    # Ids are strings or integers; which, only the data says.
    ids = {left.group, right.group} - {"id"}
    return len(ids) == 1 and ids <= {"text", "number"} and (left.literal or right.literal)


def _mismatch(left: Operand, right: Operand) -> Misfit:
    value, other = (right, left) if left.literal else (left, right)
    found = f"{_described(value)} and {_described(other)}"
    hint = None
    if value.group == "text" and isinstance(other.node, nodes.Number):
        hint = f"a string is written in quotes: '{other.node.value}'"
    elif value.group == "text" and isinstance(other.node, nodes.Boolean):
        hint = f"a string is written in quotes: '{str(other.node.value).lower()}'"
    elif isinstance(other.node, nodes.Text):
        hint = _unquoted(value.group, other.node.value)
    return Misfit("the two sides are of different types", found=found, hint=hint)


def _unquoted(group: Class, text: str) -> str | None:
    if group == "number" and _NUMBER.fullmatch(text):
        return f"a number is written without quotes: {text}"
    if group == "moment" and _DATE.fullmatch(text):
        return f"a date is written without quotes: {text}"
    if group == "bool" and text.lower() in ("true", "false"):
        return f"write {text.lower()} without quotes"
    return None


def _described(side: Operand) -> str:
    named = f"{side.node.name!r}, " if isinstance(side.node, nodes.Name) else ""
    return named + _WORDS[side.group]


def _check_order(op: nodes.Comparison, left: Operand, right: Operand) -> None:
    """``<`` and ``>`` between strings follow a declared order."""
    value, other = (right, left) if left.literal else (left, right)
    order = value.type.order
    if order is None:
        raise Misfit(
            f"{_described(value)} has no order, so {op} means nothing",
            allowed="= != in",
            hint="stages have none on purpose" if value.type.role == "stage" else None,
        )
    if not isinstance(other.node, nodes.Text):
        if other.type.order != order:
            raise Misfit("the two sides have different orders", found=f"{_described(value)} and {_described(other)}")
        return
    text = other.node.value.lower() if value.type.fold else other.node.value
    if text not in order:
        raise Misfit("a value outside the order", found=repr(other.node.value), allowed=" < ".join(order))


def alike(left: ValueType, right: ValueType) -> bool:
    """Whether values of two fields may be equal; ids are strings or integers, which only the data says."""
    groups = {_CLASSES[left.kind], _CLASSES[right.kind]}
    return len(groups) == 1 or ("id" in groups and groups <= {"id", "text", "number"})

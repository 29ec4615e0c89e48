"""Rule to text: one canonical way to write each tree, with no more parentheses than reading it back needs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal

from segdex.errors import RuleError, RuleLimitError
from segdex.rules import nodes
from segdex.rules.limits import MOST_BYTES, check_depth
from segdex.rules.words import name_text, string_text

# How tightly an operator holds its operands.
_BINDING = {"+": 1, "-": 1, "*": 2, "/": 2}
_MINUS = 3


def to_text(rule: nodes.Rule) -> str:
    """The text of *rule*; `segdex.rules.text.parse` reads it back to an equal tree.

    Raises:
        RuleLimitError: the rule is nested more deeply than text may be.

    >>> to_text(~(nodes.Segment("vip") | nodes.Known(nodes.Name("first name"))))
    'not (segment \\'vip\\' or "first name" is known)'
    """
    check_depth(rule)
    return _rule(rule)


def value_to_text(value: nodes.Value) -> str:
    """The text of *value*; `segdex.rules.text.parse_value` reads it back to an equal tree; raises as `to_text`."""
    check_depth(value)
    return _value(value)


def check_length(rule: nodes.Rule) -> None:
    """Refuse a rule that was not read from text and is too long for one.

    Raises:
        RuleLimitError: its text would be longer than a rule's may be.
    """
    if len(to_text(rule).encode()) > MOST_BYTES:
        raise RuleLimitError("the text of the rule would be too long", allowed=f"{MOST_BYTES:,} bytes")


def _rule(rule: nodes.Rule) -> str:
    match rule:
        case nodes.Or():
            return " or ".join(_within(part, nodes.Or) for part in rule.rules)
        case nodes.And():
            return " and ".join(_within(part, nodes.Or, nodes.And) for part in rule.rules)
        case nodes.Not():
            return f"not {_within(rule.rule, nodes.Or, nodes.And)}"
        case nodes.ForAny():
            return f"any {name_text(rule.variable)} ({_rule(rule.rule)})"
        case nodes.Segment():
            return f"segment {string_text(rule.name)}"
        case nodes.Did():
            return f"did({_arguments(rule.call)})"
        case nodes.Everyone():
            return "everyone"
        case _:
            return _comparison(rule)


def _within(part: nodes.Rule, *looser: type[nodes.Rule]) -> str:
    return f"({_rule(part)})" if isinstance(part, looser) else _rule(part)


def _comparison(rule: nodes.Rule) -> str:
    match rule:
        case nodes.Compare():
            return f"{_value(rule.left)} {rule.op} {_value(rule.right)}"
        case nodes.Between():
            return f"{_value(rule.value)} between {_value(rule.low)} and {_value(rule.high)}"
        case nodes.In():
            return f"{_value(rule.value)} {'not ' if rule.negated else ''}in {_listed(map(_value, rule.values))}"
        case nodes.Has():
            return f"{_value(rule.value)} has {rule.mode} {_listed(map(string_text, rule.values))}"
        case nodes.Known():
            return f"{_value(rule.value)} is known"
        case nodes.Missing():
            return f"{_value(rule.value)} is missing"
        case nodes.Match():
            how = rule.mode if rule.mode == "contains" else f"{rule.mode} with"
            case = " ignoring case" if rule.ignore_case else ""
            return f"{_value(rule.value)} {how} {string_text(rule.text)}{case}"
        case nodes.Soon():
            return f"{_value(rule.value)} within {rule.within}"
        case nodes.Near():
            place = _listed(map(_number, (rule.latitude, rule.longitude)))
            return f"{_value(rule.value)} within {_number(rule.kilometres)} km of {place}"
        case _:
            raise RuleError(f"{type(rule).__name__} is not a rule")


def _value(value: nodes.Value | nodes.AnyCategory | nodes.Variable) -> str:
    match value:
        case nodes.Number():
            return _number(value.value)
        case nodes.Text():
            return string_text(value.value)
        case nodes.Boolean():
            return "true" if value.value else "false"
        case nodes.Date() | nodes.Length():
            return str(value.value)
        case nodes.Time():
            return _moment(value.value)
        case nodes.Today():
            return "today"
        case nodes.Name() | nodes.Variable():
            return name_text(value.name)
        case nodes.AnyCategory():
            return "any"
        case nodes.Item():
            return f"{_value(value.of)}[{_value(value.key)}]"
        case nodes.Call():
            return f"{value.kind}({_arguments(value)})"
        case nodes.Sequence():
            return f"sequence({_sequence(value)})"
        case nodes.Anniversary():
            return f"anniversary({_value(value.of)})"
        case nodes.Bucket():
            return f"bucket({string_text(value.salt)}, {value.count})"
        case nodes.Arithmetic():
            binding = _BINDING[value.op]
            return f"{_operand(value.left, binding)} {value.op} {_operand(value.right, binding + 1)}"
        case nodes.Negative():
            # A bare number would swallow the minus, and two of them are hard to read.
            return f"-{_operand(value.value, _MINUS + 1)}"


def _operand(value: nodes.Value, least: int) -> str:
    """*value* where something that binds at least as tightly as *least* has to stand."""
    binds = _MINUS + 1
    if isinstance(value, nodes.Arithmetic):
        binds = _BINDING[value.op]
    elif isinstance(value, nodes.Number | nodes.Negative):
        binds = _MINUS
    return f"({_value(value)})" if binds < least else _value(value)


def _arguments(call: nodes.Call) -> str:
    parts = [name_text(call.of) + (f".{name_text(call.field)}" if call.field is not None else "")]
    if call.window is not None:
        parts.append(str(call.window))
    if call.where is not None:
        parts.append(f"where {_rule(call.where)}")
    if call.having is not None:
        parts.append(f"having {_rule(call.having)}")
    if call.by is not None:
        parts.append(f"by = {name_text(call.by)}")
    parts += [f"{name} = {_value(value)}" for name, value in sorted(call.options.items())]
    return ", ".join(parts)


def _sequence(sequence: nodes.Sequence) -> str:
    on = f" on {name_text(sequence.on)}" if sequence.on is not None else ""
    window = f", {sequence.window}" if sequence.window is not None else ""
    return " then ".join(map(_step, sequence.steps)) + on + window


def _step(step: nodes.Step) -> str:
    text = f"not {name_text(step.stream)}" if step.negated else name_text(step.stream)
    if step.where is not None:
        text += f" where {_within(step.where, nodes.Or, nodes.And)}"
    return text if step.within is None else f"{text} within {step.within}"


def _listed(parts: Iterable[str]) -> str:
    return f"({', '.join(parts)})"


def _number(value: Decimal) -> str:
    return f"{value:f}"


def _moment(value: dt.datetime) -> str:
    return value.replace(tzinfo=None).isoformat() + "Z"

"""A rule as the source of a Python expression over the names of ``segdex``; evaluating it gives an equal rule."""

from __future__ import annotations

import keyword
from collections.abc import Iterable
from decimal import Decimal

from segdex.rules import nodes
from segdex.rules.limits import check_depth
from segdex.rules.printer import value_to_text

_SIGNS = {"=": "==", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_BINDING = {"+": 1, "-": 1, "*": 2, "/": 2}


def to_python(rule: nodes.Rule) -> str:
    """The source of *rule*.

    Raises:
        RuleLimitError: the rule is nested more deeply than a rule may be.

    >>> print(to_python(~nodes.Compare(">", nodes.Name("orders_3m"), nodes.Number(Decimal(7)))))
    ~(segdex.field('orders_3m') > 7)
    """
    check_depth(rule)
    return _rule(rule)


def _rule(rule: nodes.Rule) -> str:
    match rule:
        case nodes.And(rules=parts):
            return _joined(parts, nodes.And, " & ", "all_of")
        case nodes.Or(rules=parts):
            return _joined(parts, nodes.Or, " | ", "any_of")
        case nodes.Not():
            return f"~{_closed(rule.rule)}"
        case nodes.ForAny():
            return f"segdex.any_category({rule.variable!r}, {_rule(rule.rule)})"
        case nodes.Segment():
            return f"segdex.segment({rule.name!r})"
        case nodes.Everyone():
            return "segdex.everyone()"
        case nodes.Did():
            return f"segdex.did({_listed(_arguments(rule.call))})"
        case nodes.Compare():
            return f"{_value(rule.left)} {_SIGNS[rule.op]} {_plain(rule.right)}"
        case _:
            return _method(rule)


def _joined(parts: tuple[nodes.RuleNode, ...], kind: type[nodes.Rule], sign: str, function: str) -> str:
    """Parts with ``&`` or ``|`` between them, which would dissolve a group of the same kind among them."""
    if any(isinstance(part, kind) for part in parts) or len(parts) < 2:
        return f"segdex.{function}({_listed(map(_rule, parts))})"
    return sign.join(map(_closed, parts))


def _closed(rule: nodes.Rule) -> str:
    return f"({_rule(rule)})" if isinstance(rule, nodes.And | nodes.Or | nodes.Compare) else _rule(rule)


def _method(rule: nodes.Rule) -> str:
    match rule:
        case nodes.Between():
            return f"{_owner(rule.value)}.is_between({_plain(rule.low)}, {_plain(rule.high)})"
        case nodes.In():
            name = "not_in" if rule.negated else "is_in"
            return f"{_owner(rule.value)}.{name}([{_listed(map(_plain, rule.values))}])"
        case nodes.Has():
            return f"{_owner(rule.value)}.has_{rule.mode}([{_listed(map(repr, rule.values))}])"
        case nodes.Known():
            return f"{_owner(rule.value)}.is_known()"
        case nodes.Missing():
            return f"{_owner(rule.value)}.is_missing()"
        case nodes.Match():
            name = rule.mode if rule.mode == "contains" else f"{rule.mode}_with"
            case = ", ignore_case=True" if rule.ignore_case else ""
            return f"{_owner(rule.value)}.{name}({rule.text!r}{case})"
        case nodes.Soon():
            return f"{_owner(rule.value)}.within({str(rule.within)!r})"
        case nodes.Near():
            reach, latitude, longitude = map(_number, (rule.kilometres, rule.latitude, rule.longitude))
            return f"{_owner(rule.value)}.within({reach}, of=({latitude}, {longitude}))"
        case _:
            raise AssertionError(f"no Python for {type(rule).__name__}")


def _value(value: nodes.Value) -> str:
    """*value* as an expression of segdex, literals too."""
    match value:
        case nodes.Name():
            return f"segdex.field({value.name!r})"
        case nodes.Today():
            return "segdex.today()"
        case nodes.Item():
            return f"{_value(value.of)}[{_key(value.key)}]"
        case nodes.Call():
            return f"segdex.call({_listed([repr(value.kind), *_arguments(value)])})"
        case nodes.Sequence():
            return _sequence(value)
        case nodes.Anniversary():
            return f"segdex.anniversary({value.of.name!r})"
        case nodes.Bucket():
            return f"segdex.bucket({value.salt!r}, {value.count})"
        case nodes.Negative():
            inner = _value(value.value)
            return f"-({inner})" if isinstance(value.value, nodes.Arithmetic) else f"-{inner}"
        case nodes.Arithmetic():
            return _arithmetic(value)
        case _:
            return f"segdex.value({value_to_text(value)!r})"


def _arithmetic(value: nodes.Arithmetic) -> str:
    # Python needs one of our values on one side at least; beside it a number may stand plainly.
    binding = _BINDING[value.op]
    left, right = _value(value.left), _value(value.right)
    if isinstance(value.left, nodes.Arithmetic) and _BINDING[value.left.op] < binding:
        left = f"({left})"
    if isinstance(value.right, nodes.Arithmetic) and _BINDING[value.right.op] <= binding:
        right = f"({right})"
    if isinstance(value.right, nodes.Length):
        right = repr(str(value.right.value))
    elif isinstance(value.right, nodes.Number):
        right = _number(value.right.value)
    elif isinstance(value.left, nodes.Number):
        left = _number(value.left.value)
    return f"{left} {value.op} {right}"


def _owner(value: nodes.Value) -> str:
    """*value* where a method is asked of it."""
    return f"({_value(value)})" if isinstance(value, nodes.Arithmetic | nodes.Negative) else _value(value)


def _plain(value: nodes.Value) -> str:
    """*value* where Python's own literals are understood."""
    match value:
        case nodes.Number():
            return _number(value.value)
        case nodes.Text() | nodes.Boolean():
            return repr(value.value)
        case _:
            return _value(value)


def _number(value: Decimal) -> str:
    """A whole number, a float that prints as the same number, or else its exact text."""
    if value.as_tuple().exponent == 0:
        return f"{value:f}"
    nearest = repr(float(value))
    return nearest if Decimal(nearest) == value else f"segdex.value('{value:f}')"


def _key(key: nodes.Text | nodes.AnyCategory | nodes.Variable) -> str:
    match key:
        case nodes.Text():
            return repr(key.value)
        case nodes.AnyCategory():
            return "segdex.ANY"
        case nodes.Variable():
            return f"segdex.variable({key.name!r})"


def _arguments(call: nodes.Call) -> list[str]:
    parts = {
        "field": call.field and repr(call.field),
        "by": call.by and repr(call.by),
        "window": call.window and repr(str(call.window)),
        "where": None if call.where is None else _rule(call.where),
        "having": None if call.having is None else _rule(call.having),
    }
    for name in sorted(call.options):
        parts[f"{name}_" if keyword.iskeyword(name) else name] = _plain(call.options[name])
    return [repr(call.of), *(f"{name}={part}" for name, part in parts.items() if part is not None)]


def _sequence(sequence: nodes.Sequence) -> str:
    parts = [_step(step) for step in sequence.steps]
    if sequence.on is not None:
        parts.append(f"on={sequence.on!r}")
    if sequence.window is not None:
        parts.append(f"window={str(sequence.window)!r}")
    return f"segdex.sequence({_listed(parts)})"


def _step(step: nodes.Step) -> str:
    parts = [repr(step.stream)]
    if step.where is not None:
        parts.append(f"where={_rule(step.where)}")
    if step.negated:
        parts.append("not_=True")
    if step.within is not None:
        parts.append(f"within={str(step.within)!r}")
    return parts[0] if len(parts) == 1 else f"segdex.step({_listed(parts)})"


def _listed(parts: Iterable[str]) -> str:
    return ", ".join(parts)

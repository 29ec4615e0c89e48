"""What a rule may be at most, and whether a tree that did not come from text is one that text can express.

Rules arrive from strangers. Text and JSON are bounded before any costly work; a tree built in Python is bounded where
it is used. Everything that passes `check` prints as text that reads back as an equal tree.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from segdex.errors import RuleError, RuleLimitError
from segdex.rules import nodes
from segdex.rules.windows import Duration, duration_fault, window_fault
from segdex.rules.words import is_kind, is_option, is_storable

MOST_BYTES = 65_536
"""Of the text, in UTF-8."""
MOST_DEPTH = 32
"""Parentheses and operators inside one another: comparisons themselves do not count, what they compare does."""
MOST_NODES = 1_000
"""Rules, calls and operators; names and literals do not count."""
MOST_ITEMS = 10_000
"""Items of all the lists of a rule together."""

MOST_ARGUMENTS = 24
"""Of one call, after its stream."""
MOST_STEPS = 16
"""Of one sequence."""

Positions: TypeAlias = Mapping[int, tuple[int, int]]

_PLAIN_VALUES = (
    nodes.Number, nodes.Text, nodes.Boolean, nodes.Date, nodes.Time, nodes.Today, nodes.Length, nodes.Name,
    nodes.AnyCategory, nodes.Variable,
)  # fmt: skip
_DEEPENS = (
    nodes.And, nodes.Or, nodes.Not, nodes.ForAny, nodes.Call, nodes.Sequence, nodes.Arithmetic, nodes.Negative,
    nodes.Anniversary, nodes.Bucket, nodes.In, nodes.Has, nodes.Near,
)  # fmt: skip


def place(line: int, column: int) -> str:
    """Where in a text: lines and columns count from 1."""
    return f"line {line}, column {column}"


def check(root: nodes.Node, positions: Positions | None = None) -> None:
    """Refuse a rule or value that is too large, or that no text could express.

    Raises:
        RuleLimitError: it is deeper, or has more nodes or list items, than the limits allow.
        RuleError: a name, a kind, a window or a variable is not one that text can express.
    """
    count = items = 0
    # Depth first without recursion: a tree too deep for Python's stack is what this is here to find.
    stack: list[tuple[nodes.Node, int, frozenset[str]]] = [(root, 0, frozenset())]
    while stack:
        node, depth, variables = stack.pop()
        count += not isinstance(node, _PLAIN_VALUES)
        depth += isinstance(node, _DEEPENS)
        if isinstance(node, nodes.In | nodes.Has):
            items += len(node.values)
        if isinstance(node, nodes.ForAny):
            variables |= {node.variable}
        error = too_large(depth, count, items) or _fault(node, variables)
        if error is not None:
            raise error.at(place(*positions[id(node)])) if positions and id(node) in positions else error
        stack.extend((child, depth, variables) for child in nodes.children(node))


def check_depth(root: nodes.Node) -> None:
    """Refuse a tree that is nested too deeply to be walked by recursion.

    Raises:
        RuleLimitError: it is.
    """
    stack = [(root, 0)]
    while stack:
        node, depth = stack.pop()
        depth += isinstance(node, _DEEPENS)
        error = too_large(depth, 0, 0)
        if error is not None:
            raise error
        if not isinstance(node, _PLAIN_VALUES):
            stack.extend((child, depth) for child in nodes.children(node))


def too_large(depth: int, count: int, items: int) -> RuleLimitError | None:
    """The error of a rule with this depth and that many nodes and list items, if there is one."""
    if depth > MOST_DEPTH:
        return RuleLimitError("the rule is nested too deeply", allowed=f"{MOST_DEPTH} levels")
    if count > MOST_NODES:
        return RuleLimitError("the rule has too many parts", allowed=f"{MOST_NODES:,} comparisons and operators")
    if items > MOST_ITEMS:
        return RuleLimitError(
            "the lists of the rule are too long",
            allowed=f"{MOST_ITEMS:,} items",
            hint="load long lists as a segment or a label",
        )
    return None


def _fault(node: nodes.Node, variables: frozenset[str]) -> RuleError | None:
    for name in node.__struct_fields__:
        held = getattr(node, name)
        fault = duration_fault(held) if isinstance(held, Duration) else None
        if fault:
            return RuleError(fault)
        for text in (held,) if isinstance(held, str) else held if isinstance(held, tuple) else ():
            if isinstance(text, str) and not is_storable(text):
                return RuleError("a string holds a character that cannot be kept", found=ascii(text)[:60])
    match node:
        case nodes.And(rules=parts) | nodes.Or(rules=parts) if len(parts) < 2:
            return RuleError("'and' and 'or' join at least two rules")
        case nodes.In(values=()) | nodes.Has(values=()):
            return RuleError("a list holds at least one value")
        case nodes.Name(name="") | nodes.Variable(name="") | nodes.Segment(name="") | nodes.ForAny(variable=""):
            return RuleError("a name is empty")
        case nodes.Variable(name=name) if name not in variables:
            return unbound(name)
        case nodes.Call():
            return _call_fault(node)
        case nodes.Sequence():
            return _sequence_fault(node)
        case nodes.Did(call=nodes.Call(kind=kind)) if kind != "count":
            return RuleError("did asks for the kind count", found=repr(kind))
    return None


def step_fault(number: int, negated: bool, within: Duration | None) -> tuple[str, str] | None:
    """What is wrong with step *number* (from 0) of a sequence: the part at fault (empty: one is missing), and why."""
    if number == 0 and negated:
        return "not", "the first step of a sequence is something that happens, without 'not'"
    if number == 0 and within is not None:
        return "within", "'within' counts from the step before, so the first step has none"
    if negated and within is None:
        return "", "a step with 'not' needs 'within', the time in which it does not happen"
    if within is None:
        return None
    if within.count == 0:
        return "within", "'within' is longer than nothing, since a step is later than the one before it"
    fault = duration_fault(within)
    return None if fault is None else ("within", fault)


def _sequence_fault(sequence: nodes.Sequence) -> RuleError | None:
    if not 2 <= len(sequence.steps) <= MOST_STEPS:
        return RuleError("a sequence has 2 steps or more", allowed=f"2 to {MOST_STEPS}")
    if "" in (sequence.on, *(step.stream for step in sequence.steps)):
        return RuleError("a name is empty")
    for number, step in enumerate(sequence.steps):
        fault = step_fault(number, step.negated, step.within)
        if fault is not None:
            return RuleError(fault[1])
    problem = window_fault(sequence.window) if sequence.window is not None else None
    return RuleError(problem) if problem else None


def unbound(name: str) -> RuleError:
    """The error of a category variable that no ``any c (…)`` around it declares."""
    shown = name[:40]
    return RuleError(
        f"no 'any {shown} (…)' around this declares [{shown}]",
        hint=f"a category is written in quotes: ['{shown}']",
    )


def _call_fault(call: nodes.Call) -> RuleError | None:
    if not is_kind(call.kind):
        return RuleError("no kind of metric has this name", found=repr(call.kind[:40]))
    if "" in (call.of, call.field, call.by):
        return RuleError("a name is empty")
    if len(call.options) > MOST_ARGUMENTS - 4:
        return RuleError("a call has too many options", allowed=str(MOST_ARGUMENTS - 4))
    for name in call.options:
        if not is_option(name):
            return RuleError(f"no option of {call.kind} has this name", found=repr(name[:40]))
    fault = window_fault(call.window) if call.window is not None else None
    return RuleError(fault) if fault else None

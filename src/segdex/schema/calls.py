"""Inline calls: ``count(orders, 90d, where amount > 20)`` as the metric that it stands for."""

from __future__ import annotations

from typing import Any, get_args

from segdex.errors import RuleError, listed, nearest
from segdex.rules import nodes
from segdex.rules.printer import value_to_text
from segdex.rules.windows import Lifetime
from segdex.schema.catalog import Catalog
from segdex.schema.kinds import KINDS, LATER, MODEL, NOT_INLINE, OPTIONS, keys_of
from segdex.schema.metrics import Fault, check_metric
from segdex.schema.model import Metric, MetricKind, Step
from segdex.schema.place import Positions, later

_WORDS = {"count": ("rows", "transactions"), "from": ("first", "last"), "period": ("d", "w", "mo")}
_WHOLE = ("of", "least")
_INLINE = tuple(kind for kind in get_args(MetricKind) if kind not in NOT_INLINE)


def position(node: nodes.Node, positions: Positions | None) -> str | None:
    """Where *node* stands in its text: ``line 1, column 8``; None where nobody knows."""
    at = positions.get(id(node)) if positions is not None else None
    return None if at is None else f"line {at[0]}, column {at[1]}"


def metric_of(call: nodes.Call | nodes.Sequence, catalog: Catalog, positions: Positions | None = None) -> Metric:
    """The metric that an inline call stands for; ``did`` is a count.

    The call's ``where`` and ``having`` are taken as they are: `segdex.schema.check.check_rule` has checked them with
    the rule that the call is part of.

    Raises:
        RuleError: the kind, the stream, a field, a window or an option is wrong.
    """
    if isinstance(call, nodes.Sequence):
        return _sequence(call, catalog, positions)
    place = position(call, positions)

    def fault(_key: str, problem: str, **parts: str | None) -> RuleError:
        return RuleError(f"{call.kind}(…): {problem}", place=place, **parts)

    kind = "count" if call.kind == "did" else call.kind
    _known_kind(kind, fault)
    keys: dict[str, Any] = {"kind": kind, "where": call.where, "having": call.having, "by": call.by}
    keys |= _subject(call, kind, catalog, fault)
    keys |= _options(call, kind, fault)
    metric = Metric(window=call.window or Lifetime(), **keys)
    check_metric(metric, catalog, fault)
    return metric


def _sequence(sequence: nodes.Sequence, catalog: Catalog, positions: Positions | None) -> Metric:
    def fault(key: str, problem: str, **parts: str | None) -> RuleError:
        _, _, number = key.removesuffix(".stream").rpartition("steps.")
        node: nodes.Node = sequence.steps[int(number)] if number.isdigit() else sequence
        return RuleError(f"sequence(…): {problem}", place=position(node, positions), **parts)

    steps = tuple(
        Step(stream=step.stream, where=step.where, negated=step.negated, within=step.within) for step in sequence.steps
    )
    metric = Metric(kind="sequence", steps=steps, on=sequence.on, window=sequence.window or Lifetime())
    check_metric(metric, catalog, fault)
    return metric


def _known_kind(kind: str, fault: Fault) -> None:
    if kind in NOT_INLINE:
        hint = "write a division of two counts" if kind == "ratio" else "declare it in the schema"
        raise fault("kind", f"the kind {kind!r} has no inline form", hint=hint)
    if kind in LATER:
        raise fault("kind", later(f"the kind {kind!r}"))
    if kind not in KINDS:
        raise fault("kind", "unknown kind", allowed=", ".join(_INLINE), hint=nearest(kind, _INLINE))


def _subject(call: nodes.Call, kind: str, catalog: Catalog, fault: Fault) -> dict[str, str]:
    """What the call is about: a stream and maybe a field, or an attribute."""
    needs = {key for form in KINDS[kind] for key in form.needs}
    if "stream" in needs and call.of in catalog.fields:
        if call.field is None:
            return {"stream": call.of}
        if "field" not in keys_of(kind):
            hint = {"share": f"weight = {call.field}", "top": f"by = {call.field}"}.get(kind)
            hint = hint and f"write {kind}({call.of}, {hint})"
            raise fault("field", f"no field belongs here; {kind!r} is about {call.of!r}", found=call.field, hint=hint)
        return {"stream": call.of, "field": call.field}
    if "attribute" in needs and call.field is None and call.of in catalog.types:
        return {"attribute": call.of}
    known = list(catalog.fields) if "stream" in needs else []
    if "attribute" in needs:
        known += catalog.schema.customers.attributes
    what = " or ".join(key for key in ("stream", "attribute") if key in needs)
    raise fault("stream", f"unknown {what} {call.of!r}", allowed=listed(known), hint=nearest(call.of, known))


def _options(call: nodes.Call, kind: str, fault: Fault) -> dict[str, Any]:
    """What is written as ``name = value``, by the attribute of `Metric` that it sets."""
    allowed = [key for key in OPTIONS if key in keys_of(kind)]
    found: dict[str, Any] = {}
    for key, value in call.options.items():
        if key not in allowed:
            takes = ", ".join(allowed) if allowed else "none"
            raise fault(key, f"unknown option {key!r}", allowed=takes, hint=nearest(key, allowed))
        wanted, setting = _setting(key, value)
        if setting is None:
            found_text = repr(value_to_text(value) if not isinstance(value, nodes.Text) else value.value)
            raise fault(key, f"the option {key!r} has the wrong value", found=found_text, allowed=wanted)
        found["start" if key == "from" else key] = setting
    return found


def _setting(key: str, value: nodes.Value) -> tuple[str, Any]:
    """What the option *key* may be, in words, and what *value* says; None where it may not be that."""
    if key in MODEL:
        return "a number", float(value.value) if isinstance(value, nodes.Number) else None
    if key in _WHOLE:
        whole = isinstance(value, nodes.Number) and value.value == value.value.to_integral_value()
        return "a whole number", int(value.value) if whole else None  # type: ignore[union-attr, arg-type]
    if key in ("every", "per"):
        example = "1y" if key == "every" else "1w"
        return f"a duration such as {example}", value.value if isinstance(value, nodes.Length) else None
    if key == "end":
        return "a date such as 2025-12-31", value.value if isinstance(value, nodes.Date) else None
    text = value.name if isinstance(value, nodes.Name) else value.value if isinstance(value, nodes.Text) else None
    words = _WORDS.get(key)
    if words is None:
        return "the name of a field", text
    return " or ".join(map(repr, words)), text if text in words else None

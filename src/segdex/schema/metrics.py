"""Whether a metric is declared as its kind asks: keys, stream, fields, window; for schemas and for inline calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from segdex.errors import SegdexError, listed, nearest
from segdex.rules.windows import Last, Lifetime, Window, window_fault
from segdex.schema.catalog import Catalog
from segdex.schema.kinds import KINDS, MODEL, NUMBERS, Form, form_of, given, keys_of
from segdex.schema.model import Metric, Part
from segdex.schema.place import later
from segdex.schema.types import Kind, ValueType

Fault = Callable[..., SegdexError]
"""Makes the error for one key: ``fault(key, problem, found=…, allowed=…, hint=…)``."""


def check_metric(metric: Metric, catalog: Catalog, fault: Fault) -> None:
    """Check everything but rules and formulas.

    Raises:
        SegdexError: what *fault* makes, for the first key that is wrong.
    """
    form = _keys(metric, fault)
    _window(metric.window, fault)
    if metric.stream is not None:
        _stream(metric.stream, metric, form, catalog, fault)
    if metric.attribute is not None:
        attributes = {name: kind for name, kind in catalog.types.items() if kind.role == "attribute"}
        _typed("attribute", metric.attribute, attributes, form.accepts, "an attribute", fault)
    if metric.kind == "share":
        _share(metric, fault)
    if metric.kind == "ratio":
        _ratio(metric, catalog, fault)
    if metric.kind == "p_alive":
        _p_alive(metric, fault)


def _keys(metric: Metric, fault: Fault) -> Form:
    """The metric's form, whose needs are met and which takes all that is given."""
    form, have = form_of(metric), given(metric)
    for key in have:
        if key not in (*form.needs, *form.takes):
            allowed = keys_of(metric.kind) if key not in keys_of(metric.kind) else (*form.needs, *form.takes)
            among = "" if key not in keys_of(metric.kind) else f" with {form.needs[0]!r}"
            problem = f"the kind {metric.kind!r}{among} takes no {key!r}"
            raise fault(key, problem, allowed=", ".join(allowed))
    for key in form.needs:
        if key not in have:
            ways = " or ".join(" and ".join(each.needs) for each in KINDS[metric.kind])
            raise fault("", f"the kind {metric.kind!r} needs {key!r}", allowed=ways)
    for key in ("matched", "every"):
        if key in have:
            raise fault(key, later(repr(key)))
    return form


def _window(window: Window, fault: Fault) -> None:
    """Refuse windows that are empty, or that this version does not know."""
    if isinstance(window, Last):
        raise fault("window", later("a window of the last transactions"))
    problem = window_fault(window)
    if problem is not None:
        raise fault("window", problem)


def _stream(name: str, metric: Metric, form: Form, catalog: Catalog, fault: Fault) -> None:
    """Check the stream and every key that names one of its fields."""
    fields = _known_stream("stream", name, catalog, fault)
    if catalog.schema.streams[name].time is None:
        if form.timed:
            raise fault("stream", f"the kind {metric.kind!r} needs a stream with a time", found=repr(name))
        if not isinstance(metric.window, Lifetime):
            raise fault("window", f"a window needs a stream with a time; {name!r} has none")
    what = f"a field of stream {name!r}"
    if metric.field is not None:
        _typed("field", metric.field, fields, form.accepts, what, fault)
    if metric.weight is not None:
        _typed("weight", metric.weight, fields, NUMBERS, what, fault)
    if metric.by is not None:
        _typed("by", metric.by, fields, ("category",), what, fault)


def _known_stream(key: str, name: str, catalog: Catalog, fault: Fault) -> dict[str, ValueType]:
    if name not in catalog.fields:
        streams = list(catalog.fields)
        raise fault(key, f"unknown stream {name!r}", allowed=listed(streams), hint=nearest(name, streams))
    return dict(catalog.fields[name])


def _typed(key: str, name: str, known: dict[str, ValueType], accepts: Iterable[Kind], what: str, fault: Fault) -> None:
    """Check that *name* is known and of one of the types *accepts*."""
    if name not in known:
        raise fault(key, f"{name!r} is not {what}", allowed=listed(known), hint=nearest(name, known))
    if known[name].kind not in accepts:
        found = f"{name!r} of type {known[name].kind}"
        raise fault(key, "the type does not fit", found=found, allowed=", ".join(accepts))


def _share(metric: Metric, fault: Fault) -> None:
    if metric.where is None and metric.by is None:
        raise fault("", "a share needs 'where' or 'by': a share of what is asked")
    if metric.weight is not None and metric.count is not None:
        raise fault("count", "a share has 'weight' or 'count', not both")


def _ratio(metric: Metric, catalog: Catalog, fault: Fault) -> None:
    for key in ("numerator", "denominator"):
        part: Part = getattr(metric, key)
        inside = f"{key}.stream"
        fields = _known_stream(inside, part.stream, catalog, fault)
        if catalog.schema.streams[part.stream].time is None and not isinstance(metric.window, Lifetime):
            raise fault("window", f"a window needs a stream with a time; {part.stream!r} has none")
        if metric.by is not None:
            _typed("by", metric.by, fields, ("category",), f"a field of stream {part.stream!r}", fault)


def _p_alive(metric: Metric, fault: Fault) -> None:
    """The parameters of the model are given, all four of them and above 0, or are all fitted."""
    have = [key for key in MODEL if getattr(metric, key) is not None]
    missing = [key for key in MODEL if key not in have]
    if have and missing:
        hint = f"give {listed(missing)} too, or none of the four: then they are fitted"
        raise fault(have[0], "the parameters of a model go together", found=listed(have), hint=hint)
    for key in have:
        if not 0 < getattr(metric, key) < float("inf"):
            raise fault(key, "out of range", found=str(getattr(metric, key)), allowed="a number above 0")
    if have and metric.end is not None:
        raise fault("end", "'end' is for parameters that are fitted", hint="leave it out, or the parameters")
    fixed = None if metric.per is None else metric.per.fixed_microseconds
    if metric.per is not None and not fixed:
        raise fault("per", "not a fixed length of time", found=str(metric.per), allowed="such as 1d, 1w or 36h")

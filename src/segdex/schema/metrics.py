"""Whether a metric is declared as its kind asks: keys, stream, fields, window; for schemas and for inline calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from segdex.errors import SegdexError, listed, nearest
from segdex.rules.limits import MOST_STEPS, step_fault
from segdex.rules.windows import Lifetime, Window, window_fault
from segdex.schema.catalog import Catalog
from segdex.schema.fits import alike
from segdex.schema.kinds import COMMON, KINDS, MODEL, NUMBERS, Form, form_of, given, keys_of
from segdex.schema.model import Metric, Part, Term
from segdex.schema.types import Kind, ValueType

MOST_DIGITS = 15
"""Digits of the points of a score: as many as a float64 holds exactly."""

Fault = Callable[..., SegdexError]
"""Makes the error for one key: ``fault(key, problem, found=…, allowed=…, hint=…)``."""

MOST_PERIODS = 10_000
"""Periods that are looked back upon."""
MOST_LEAST = 1_000_000


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
    if metric.every is not None:
        _every(metric, catalog, fault)
    if metric.period is not None:
        _periods(metric, fault)
    if metric.kind == "sequence":
        _sequence(metric, catalog, fault)
    if metric.kind == "share":
        _share(metric, fault)
    if metric.kind == "ratio":
        _ratio(metric, catalog, fault)
    if metric.kind == "p_alive":
        _p_alive(metric, fault)
    if metric.kind == "top" and metric.metric is not None:
        _top(metric.metric, catalog, fault)
    if metric.kind == "score":
        _score(metric, catalog, fault)


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
    return form


def _window(window: Window, fault: Fault) -> None:
    """Refuse windows that are empty."""
    problem = window_fault(window)
    if problem is not None:
        raise fault("window", problem)


def _stream(name: str, metric: Metric, form: Form, catalog: Catalog, fault: Fault) -> None:
    """Check the stream and every key that names one of its fields."""
    _known_stream("stream", name, catalog, fault)
    fields = dict(catalog.measured(name))
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
    if metric.matched:
        _matched(metric, catalog, fault)


def _matched(metric: Metric, catalog: Catalog, fault: Fault) -> None:
    """Both sides are about the units of one stream."""
    assert metric.numerator is not None
    assert metric.denominator is not None
    above, below = metric.numerator.stream, metric.denominator.stream
    if above != below:
        problem = "the units of two streams cannot be matched"
        allowed = "numerator and denominator over one stream"
        raise fault("matched", problem, found=f"{above!r} and {below!r}", allowed=allowed)
    if not isinstance(catalog.schema.streams[above].unit, str):
        problem = f"what is matched are units, and stream {above!r} has no column of them"
        raise fault("matched", problem, hint=f"declare streams.{above}.unit, such as the id of a message")


def _top(name: str, catalog: Catalog, fault: Fault) -> None:
    """The categories are those of a declared family."""
    metrics = catalog.schema.metrics
    known = [each for each in metrics if catalog.families[each]]
    if name in known:
        return
    problem = f"{name!r} has one value, not one for every category" if name in metrics else f"unknown metric {name!r}"
    raise fault("metric", problem, allowed=f"families: {listed(known)}", hint=nearest(name, known))


def _score(metric: Metric, catalog: Catalog, fault: Fault) -> None:
    terms = metric.terms or ()
    if not terms:
        raise fault("terms", "a score without terms", allowed="at least one")
    for number, term in enumerate(terms):
        _term(term, f"terms.{number}", metric, catalog, fault)
    fields = [term.by or metric.by for term in terms]
    if None in fields and any(fields):
        hint = "leave 'by' out everywhere, or give it everywhere"
        raise fault(f"terms.{fields.index(None)}.by", "every term of a family has its own 'by'", hint=hint)
    half_life = metric.half_life
    if half_life is not None and not half_life.fixed_microseconds:
        raise fault(
            "half_life", "a half-life is a fixed length of time", found=str(half_life), allowed="min, h, d, w; not 0",
            hint="months and years differ in length: write 30d for a month, 365d for a year",
        )  # fmt: skip
    points, scale = whole_points(terms)
    for number, each in enumerate(points):
        if abs(each) >= 10**MOST_DIGITS:
            found = format(terms[number].points, "f")
            allowed = f"{MOST_DIGITS} digits, {scale} of them after the point for all terms"
            raise fault(f"terms.{number}.points", "too many digits", found=found, allowed=allowed)


def _term(term: Term, at: str, metric: Metric, catalog: Catalog, fault: Fault) -> None:
    fields = _known_stream(f"{at}.stream", term.stream, catalog, fault)
    if catalog.schema.streams[term.stream].time is None:
        if metric.half_life is not None:
            problem = f"a half-life needs streams with a time; {term.stream!r} has none"
            raise fault(f"{at}.stream", problem)
        if not isinstance(metric.window, Lifetime):
            raise fault("window", f"a window needs a stream with a time; {term.stream!r} has none")
    by = term.by or metric.by
    if by is not None:
        key = f"{at}.by" if term.by is not None else "by"
        _typed(key, by, fields, ("category",), f"a field of stream {term.stream!r}", fault)


def whole_points(terms: Sequence[Term]) -> tuple[tuple[int, ...], int]:
    """The points of each term as whole steps of one scale, and that scale.

    >>> from decimal import Decimal
    >>> whole_points([Term(stream="a", points=Decimal("0.5")), Term(stream="b", points=Decimal(10))])
    ((5, 100), 1)
    """
    scale = max(0, *(-int(term.points.as_tuple().exponent) for term in terms))
    ratios = [term.points.as_integer_ratio() for term in terms]
    return tuple(above * 10**scale // below for above, below in ratios), scale


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


# --- time that repeats -------------------------------------------------------------------------------------------


def _every(metric: Metric, catalog: Catalog, fault: Fault) -> None:
    """How often a date or time comes again."""
    assert metric.every is not None
    if metric.every.count == 0:
        raise fault(
            "every", "what repeats at once never goes by", found=str(metric.every), allowed="a duration above 0"
        )
    if metric.stream is not None:
        repeated = catalog.fields[metric.stream][metric.field or ""]
    else:
        repeated = catalog.types[metric.attribute or ""]
    if repeated.kind == "date" and metric.every.unit in ("h", "min"):
        raise fault("every", "a date moves by whole days", found=str(metric.every), allowed="d, w, mo, y")


def _periods(metric: Metric, fault: Fault) -> None:
    for key, number, most in (("of", metric.of, MOST_PERIODS), ("least", metric.least, MOST_LEAST)):
        if number is not None and not 1 <= number <= most:
            raise fault(key, "out of range", found=str(number), allowed=f"1 to {most:,}")


# --- sequences ---------------------------------------------------------------------------------------------------


def _sequence(metric: Metric, catalog: Catalog, fault: Fault) -> None:
    """Check the steps, and that what their rows have in common compares."""
    steps = metric.steps or ()
    if not 2 <= len(steps) <= MOST_STEPS:
        raise fault("steps", "a sequence has 2 steps or more", found=str(len(steps)), allowed=f"2 to {MOST_STEPS}")
    shared: list[tuple[str, ValueType]] = []
    for number, step in enumerate(steps):
        at = f"steps.{number}"
        wrong = step_fault(number, step.negated, step.within)
        if wrong is not None:
            raise fault(f"{at}.{wrong[0]}", wrong[1])
        fields = _known_stream(f"{at}.stream", step.stream, catalog, fault)
        if catalog.schema.streams[step.stream].time is None:
            raise fault(f"{at}.stream", "a step needs a stream with a time", found=repr(step.stream))
        if metric.on is not None:
            _typed("on", metric.on, fields, COMMON, f"a field of stream {step.stream!r}", fault)
            shared.append((step.stream, fields[metric.on]))
    for stream, each in shared[1:]:
        if not alike(shared[0][1], each):
            found = f"{shared[0][1].kind} in {shared[0][0]!r}, {each.kind} in {stream!r}"
            raise fault("on", f"{metric.on!r} does not compare", found=found, allowed="fields of one type")

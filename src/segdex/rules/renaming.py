"""A rule in which a declared name is called otherwise."""

from __future__ import annotations

from typing import TypeVar

from segdex.rules import nodes

N = TypeVar("N", bound=object)


def called(held: N, was: str, name: str) -> N:
    """*held*, a rule, a value or a tuple of these about customers, with *name* where it said *was*.

    What is inside an inline call are fields of a stream, which have names of their own; but a call may name a metric.
    """
    made: object = held
    match held:
        case nodes.Name(known) if known == was:
            made = nodes.Name(name)
        case nodes.Segment(known) if known == was:
            made = nodes.Segment(name)
        case nodes.Call(options=options):
            metric = {key: called(each, was, name) if key == "metric" else each for key, each in options.items()}
            made = nodes.Call(held.kind, held.of, held.field, held.window, held.where, held.having, held.by, metric)
        case nodes.Sequence():
            pass
        case nodes.Node():
            made = type(held)(*(called(getattr(held, field), was, name) for field in held.__struct_fields__))
        case tuple():
            made = tuple(called(each, was, name) for each in held)
    return made  # type: ignore[return-value]

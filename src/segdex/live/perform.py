"""One action to the next state: the same for the writer, for whoever recovers, and for a reader that follows."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any

from segdex.bitmap import predicate as hot
from segdex.errors import LimitError
from segdex.ingest.accepted import from_bytes as tables_from
from segdex.ingest.batch import Batch, read_batch
from segdex.ingest.kept import VERSION
from segdex.live.advance import advanced
from segdex.live.apply import applied
from segdex.live.declare import declared
from segdex.live.loaded import loaded
from segdex.live.merge import merged
from segdex.live.records import Action, Advance, Apply, Declare, Load, Merge, Readmit
from segdex.live.state import Moves, State, composed
from segdex.live.widened import widened
from segdex.values import clock


def performed(state: State, action: Action, batch: Batch | None = None) -> tuple[State, Moves, tuple[str, ...]]:
    """The state after *action*, who moved, and which tracked segments it declared anew. *state* stays as it is.

    Args:
        state: where the index stands.
        action: what is to be done.
        batch: of an `Apply`, where its tables were read already.

    Raises:
        LimitError: the clock would go back, or a sum leaves the range of 64 bits.
        SegdexError: whatever else is wrong with the action.
    """
    after, moves, redefined = _performed(state, action, batch)
    after, more = widened(after)
    return after, moves if isinstance(action, Declare) else composed(moves, more), redefined


def _performed(state: State, action: Action, batch: Batch | None) -> tuple[State, Moves, tuple[str, ...]]:
    match action:
        case Apply():
            return *_apply(state, action, batch), ()
        case Advance(as_of):
            if as_of == state.version.as_of:
                return (
                    state.next(dataclasses.replace(state.version, number=state.version.number + 1), state.rows),
                    {},
                    (),
                )
            return *advanced(state, later(state, as_of)), ()
        case Declare():
            return declared(state, action)
        case Load():
            return loaded(state, action)
        case Merge():
            return *merged(state, action), ()
        case Readmit(hashes):
            left = dataclasses.replace(state.erased, hashes=state.erased.hashes - set(hashes))
            return dataclasses.replace(state.numbered(state.version.number + 1), erased=left), {}, ()
    raise AssertionError(f"nothing is known of the action {type(action).__name__}")


def _apply(state: State, action: Apply, batch: Batch | None) -> tuple[State, Moves]:
    number = state.version.number + 1
    before: Moves = {}
    if action.as_of is not None and action.as_of != state.version.as_of:
        state, before = advanced(state, later(state, action.as_of))
    if batch is None:
        batch = batch_of(state, tables_from(action.tables), "skip")
    after, moves = applied(state, batch)
    offsets = after.offsets
    if action.source is not None and action.offset is not None:
        offsets = {**offsets, action.source: action.offset}
    return dataclasses.replace(after.numbered(number), offsets=offsets), composed(before, moves)


def batch_of(state: State, tables: Any, on_error: Any) -> Batch:
    """Tables read against where the index stands."""
    version, base = state.version, state.base
    erased = state.erased.among if state.erased.hashes else None
    # Where neither holds, whoever has a dense id is a customer.
    strangers = state.catalog.schema.customers.only or base.graves
    inside = partial(hot.having, state.answers.universe) if strangers else None
    versions: Any = base.hidden[VERSION].type.kind if VERSION in base.hidden else None
    return read_batch(state.catalog, tables, version.keys, base.lookups, on_error, erased, inside, versions)


def later(state: State, as_of: int) -> int:
    """*as_of*, unless the clock would go back.

    Raises:
        LimitError: it would.
    """
    if as_of < state.version.as_of:
        raise LimitError(
            "the clock of an index does not go back",
            found=clock.from_microseconds(as_of).isoformat(),
            allowed=f"{clock.from_microseconds(state.version.as_of).isoformat()} or later",
        )
    return as_of

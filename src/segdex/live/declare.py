"""Names declared, changed, renamed and taken away while the index lives."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import msgspec

from segdex.derive import redeclared
from segdex.generation import Delta, Generation, Version
from segdex.live.records import Declare
from segdex.live.state import Moves, State, place_of, tracked_in
from segdex.schema.catalog import Catalog
from segdex.schema.load import load


def declared(state: State, action: Declare) -> tuple[State, Moves, tuple[str, ...]]:
    """The state under another schema: what is new or changed is computed from what is stored."""
    catalog = load(msgspec.json.decode(action.schema, type=dict), stored=True)
    raise NotImplementedError

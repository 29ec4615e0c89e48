"""What a build takes over from the index whose place it takes: what is known there and in no table."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from segdex.bitmap import predicate as hot
from segdex.errors import SchemaError
from segdex.generation import MEMBER, Generation, PredicateName
from segdex.ingest.aliases import Aliases
from segdex.ingest.sources import CUSTOMERS, LABELS
from segdex.live import kept
from segdex.live.erased import Erased
from segdex.live.state import State, loaded_in
from segdex.rules import nodes
from segdex.schema import model
from segdex.schema.assemble import assemble
from segdex.schema.catalog import Catalog
from segdex.schema.labels import score_name
from segdex.schema.place import Origin
from segdex.values.arrow import to_arrow
from segdex.values.column import Column, Mask


@dataclasses.dataclass(frozen=True, eq=False)
class Carried:
    """What an index is built with beside its own schema and tables.

    Attributes:
        catalog: the schema, with the segments and labels that it takes over.
        sources: the tables that the caller gave, and those of labels that are taken over.
        aliases: keys that mean other keys; None: there are none.
        erased: whom the index must not know.
        members: the keys of each loaded segment that is taken over.
    """

    catalog: Catalog
    sources: Mapping[str, Any]
    aliases: Aliases | None = None
    erased: Erased = dataclasses.field(default_factory=Erased)
    members: Mapping[str, pa.Array] = dataclasses.field(default_factory=dict)

    @property
    def among_erased(self) -> Callable[[pa.Array], Mask] | None:
        """Which of some keys are those of erased customers; None: nobody was erased."""
        return self.erased.among if self.erased.hashes else None

    def into(self, built: Generation) -> Generation:
        """A generation that was built under the schema, with the loaded segments; nothing was computed from these."""
        sets = dict(built.predicates)
        inside = hot.to_mask(built.universe, built.count)
        for name, keys in self.members.items():
            ids = np.unique(built.keys.lookup(keys))
            ids = ids[ids >= 0]
            sets[PredicateName(name, MEMBER)] = hot.from_ids(ids[inside[ids]], built.count)
        return dataclasses.replace(built, predicates=sets)

    def begun(self, generation: int, offsets: dict[str, int]) -> bytes:
        """What a file keeps of the index beside its *generation*; empty where there is nothing."""
        return kept.begun(generation, offsets, self.erased) if offsets or self.erased.hashes else b""


def nothing(catalog: Catalog, sources: Mapping[str, Any]) -> Carried:
    """A build that takes the place of none."""
    return Carried(catalog, sources)


def carried(old: State, catalog: Catalog, sources: Mapping[str, Any]) -> Carried:
    """What a build under *catalog* takes over from an index; what *catalog* declares, and *sources* give, comes first.

    Raises:
        SchemaError: a segment that is taken over uses a name that *catalog* does not declare.
    """
    schema, held = catalog.schema, old.catalog.schema
    segments = {name: segment for name, segment in held.segments.items() if name not in catalog.types}
    labels = {name: _declared(label) for name, label in held.labels.items() if _wanted(name, catalog, sources)}
    taken = {
        f"{LABELS}{name}": _as_declared(old, name, schema.labels.get(name, label)) for name, label in labels.items()
    }
    schema = msgspec.structs.replace(
        schema, segments={**schema.segments, **segments}, labels={**labels, **schema.labels}
    )  # fmt: skip
    members = {name: _keys_of(old, name) for name in loaded_in(old.catalog) if name in segments}
    return Carried(_assembled(schema, catalog), {**sources, **taken}, old.version.keys.aliases, old.erased, members)


def _wanted(name: str, catalog: Catalog, sources: Mapping[str, Any]) -> bool:
    """Whether a label is taken over: the new schema has no other use for its name, and no table of it."""
    schema = catalog.schema
    if name not in schema.labels:
        return not {name, score_name(name)} & catalog.types.keys()
    others = {CUSTOMERS, *schema.streams, *schema.lookups}  # which a name stands for before it does for a label
    given = f"{LABELS}{name}" in sources or (name in sources and name not in others)
    return schema.labels[name].source is None and not given


def _declared(label: model.Label) -> model.Label:
    """A label that was loaded, as one whose table has columns of our own names: its own may be called alike."""
    return msgspec.structs.replace(
        label, source=None, key="key", label="label", score=None if label.score is None else "score"
    )


def _assembled(schema: model.Schema, catalog: Catalog) -> Catalog:
    if schema == catalog.schema:
        return catalog
    try:
        return assemble(schema, Origin(), catalog.base, stored=True)
    except SchemaError as error:
        raise SchemaError(
            f"what is carried over does not fit the schema: {error.problem}", place=error.place, found=error.found,
            allowed=error.allowed, hint="declare the name, or drop what uses it in the old index",
        ) from None  # fmt: skip


def _as_declared(old: State, name: str, declared: model.Label) -> pa.Table:
    """A label of an index as the table that *declared* describes."""
    generation = old.answers.folded.generation
    label = generation.values[name]
    assert isinstance(label, Column)
    ids = np.flatnonzero(label.known).astype(np.uint32)
    columns = {declared.key: old.version.keys.take(ids), declared.label: to_arrow(label, ids)}
    if declared.score is not None:
        score = generation.values.get(score_name(name))
        assert score is None or isinstance(score, Column)
        columns[declared.score] = pa.nulls(len(ids), pa.float64()) if score is None else to_arrow(score, ids)
    return pa.table(columns)


def _keys_of(old: State, segment: str) -> pa.Array:
    """The keys of a loaded segment."""
    bound = old.answers.binder.bind_checked(nodes.Segment(segment))
    return old.version.keys.take(hot.to_ids(old.answers.members(bound)).astype(np.int64))

"""What the commands find out, as data. Nothing here prints."""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from segdex.errors import ArgumentError

if TYPE_CHECKING:
    from segdex.bitmap.predicate import Predicate
    from segdex.generation import Generation, PredicateName, Version
    from segdex.index import Index
    from segdex.live.recovered import Recovered
    from segdex.schema.model import Label, Schema, Segment


@dataclasses.dataclass(frozen=True, slots=True)
class Count:
    """How many customers a rule holds for.

    Attributes:
        rule: the rule as it was given.
        count: the exact count.
        as_of: the index's clock.
        generation: the generation that answered.
    """

    rule: str
    count: int
    as_of: dt.datetime
    generation: int


def counts(index: Index, rules: Sequence[str]) -> list[Count]:
    """The counts of *rules*, in their order."""
    found = index.counts(rules)
    return [Count(rule, count, index.as_of, index.generation) for rule, count in zip(rules, found, strict=True)]


def split_names(text: str) -> list[str]:
    """Names at commas, except those inside quotes, brackets and parentheses.

    >>> split_names("country, value_share['food, fresh'],count(orders, 90d)")
    ['country', "value_share['food, fresh']", 'count(orders, 90d)']
    """
    names, depth, quote, start = [], 0, "", 0
    for at, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter in "[(":
            depth += 1
        elif letter in "])":
            depth -= 1
        elif letter == "," and depth == 0:
            names.append(text[start:at])
            start = at + 1
    names.append(text[start:])
    return [name.strip() for name in names if name.strip()]


def suppression(purposes: Sequence[str], none: bool) -> bool | list[str]:
    """The suppression that ``--purpose`` and ``--no-suppression`` ask for together.

    Raises:
        ArgumentError: both were given.
    """
    if none and purposes:
        raise ArgumentError("--purpose and --no-suppression exclude each other")
    return list(purposes) if purposes else not none


def keys(given: Sequence[str], file: Path | None) -> list[str]:
    """The keys of a call: those given, or those in a file.

    Raises:
        ArgumentError: there are none, both are given, or the file is not there or no text.
    """
    if (file is None) == (not given):
        problem = "no keys" if file is None else "keys are given, and --keys too"
        raise ArgumentError(problem, allowed="keys, or --keys FILE")
    if file is None:
        return list(given)
    from segdex.store.os import OperatingSystem

    try:
        text = (OperatingSystem().tail(file, 0) or b"").decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ArgumentError("no text in UTF-8", place=str(file), allowed="one key a line") from None
    found = [line.strip() for line in text.splitlines() if line.strip()]
    if not found:
        raise ArgumentError("no keys: the file is empty, or not there", place=str(file), allowed="one key a line")
    return found


@dataclasses.dataclass(frozen=True, slots=True)
class PredicateFacts:
    """One precomputed set: its name, label and category as in a rule, its members, containers and bytes.

    *containers* counts the chunks that are mixed, neither empty nor full; *mixed* is their share of all chunks.
    """

    name: str
    label: str | None
    category: str | None
    customers: int
    containers: int
    mixed: float
    bytes: int


@dataclasses.dataclass(frozen=True, slots=True)
class Life:
    """What has changed since the base was written.

    Attributes:
        base: the generation of the file that the journal follows.
        records: how many the journal has.
        journal_bytes: its length.
        changed: how many customers have changed.
        feed_since: the generation that the feed of changes follows.
        feed_generations: how many it tells of.
        feed_bytes: how many bytes of dense ids it keeps.
        offsets: the position after the last batch that was taken in, by source.
        erased: how many keys must not come again.
    """

    base: int
    records: int
    journal_bytes: int
    changed: int
    feed_since: int
    feed_generations: int
    feed_bytes: int
    offsets: dict[str, int]
    erased: int


@dataclasses.dataclass(frozen=True, slots=True)
class Inspection:
    """What an index holds.

    Attributes:
        as_of: the index's clock.
        generation: the current generation.
        generations: the generations in the folder.
        epoch: the numbering of customers.
        customers: the size of the universe.
        order: the names by which customers are numbered; none: by their keys.
        mixed: the mean share of mixed chunks over the predicates that are neither empty nor everyone; None: there are
            no such predicates.
        mixed_by: the same for the predicates of each name.
        schema: what is declared, by what it is: each name with its type, kind or metric.
        models: for each metric whose parameters were fitted to the data these parameters, by name.
        streams: rows by stream.
        predicates: the precomputed sets of the base, in the order of their names.
        containers: how many containers these have together.
        bytes: of the base's file.
        live: what has changed since that was written.
    """

    as_of: dt.datetime
    generation: int
    generations: list[int]
    epoch: str
    customers: int
    order: list[str]
    mixed: float | None
    mixed_by: dict[str, float | None]
    schema: dict[str, dict[str, str]]
    models: dict[str, dict[str, float]]
    streams: dict[str, int]
    predicates: list[PredicateFacts]
    containers: int
    bytes: int
    live: Life


def inspect(path: Path) -> Inspection:
    """What the index at *path* holds."""
    from segdex.live.recovered import recovered
    from segdex.store import folder
    from segdex.store.os import OperatingSystem
    from segdex.values import clock

    system = OperatingSystem()
    found = recovered(path, system)
    version, generation = found.state.version, found.state.base
    predicates = [
        _predicate(name, generation.predicates[name])
        for name in sorted(generation.predicates, key=lambda each: [part or "" for part in each])
    ]
    by_name = itertools.groupby(predicates, key=lambda each: each.name)
    return Inspection(
        as_of=clock.from_microseconds(version.as_of),
        generation=version.number,
        generations=folder.generations(path, system),
        epoch=generation.epoch,
        customers=version.customers,
        order=list(generation.order),
        mixed=_mixed(predicates, len(generation.universe)),
        mixed_by={name: _mixed(list(held), len(generation.universe)) for name, held in by_name},
        schema=_declared(generation.catalog.schema),
        models=_models(generation),
        streams={name: _rows(version, name) for name in generation.events},
        predicates=predicates,
        containers=sum(each.containers for each in predicates),
        bytes=folder.pointer(path, system).length,
        live=_life(found),
    )


def _rows(version: Version, stream: str) -> int:
    """How many rows a stream has."""
    rows = version.base.events[stream].rows
    if version.delta is not None:
        lengths = np.diff(version.delta.plus.events[stream].offsets)
        rows += int(lengths[version.delta.latest].sum()) - version.delta.minus.events[stream].rows
    return rows


def _life(found: Recovered) -> Life:
    state, feed = found.state, found.feed
    sides = [side for entry in feed.entries for side in (entry.entered, entry.left)]
    return Life(
        base=found.base,
        records=found.records,
        journal_bytes=found.journal_bytes,
        changed=0 if state.version.delta is None else len(state.version.delta.ids),
        feed_since=feed.since,
        feed_generations=len(feed.entries),
        feed_bytes=sum(len(ids) for side in sides for ids in side.values()),
        offsets=dict(state.offsets),
        erased=len(state.erased.hashes),
    )


def _mixed(predicates: Sequence[PredicateFacts], customers: int) -> float | None:
    """The mean share of mixed chunks over those predicates that are neither empty nor everyone."""
    telling = [each.mixed for each in predicates if 0 < each.customers < customers]
    return round(sum(telling) / len(telling), 4) if telling else None


def _predicate(name: PredicateName, members: Predicate) -> PredicateFacts:
    from segdex.bitmap.predicate import CHUNK

    mixed = int(((members.cardinalities > 0) & (members.cardinalities < CHUNK)).sum())
    share = mixed / members.chunks if members.chunks else 0.0
    return PredicateFacts(
        *name, customers=len(members), containers=mixed, mixed=round(share, 4), bytes=members.words.nbytes
    )


def _models(generation: Generation) -> dict[str, dict[str, float]]:
    from segdex.schema.kinds import MODEL

    metrics = generation.catalog.schema.metrics
    fitted = {name: held for name, held in generation.fitted.items() if name in metrics}
    return {name: dict(zip(MODEL, held, strict=False)) for name, held in fitted.items()}


def _declared(schema: Schema) -> dict[str, dict[str, str]]:
    return {
        "attributes": {name: field.type for name, field in schema.customers.attributes.items()},
        "streams": {name: ", ".join(stream.fields) for name, stream in schema.streams.items()},
        "metrics": {name: metric.kind for name, metric in schema.metrics.items()},
        "bands": {name: band.metric for name, band in schema.bands.items()},
        "stages": {name: ", ".join(stage.name for stage in steps) for name, steps in schema.stages.items()},
        "labels": {name: _label(label) for name, label in schema.labels.items()},
        "segments": {name: _segment(segment) for name, segment in schema.segments.items()},
    }


def _label(label: Label) -> str:
    origin = label.source or "given"
    return origin if label.score is None else f"{origin}, with scores"


def _segment(segment: Segment) -> str:
    return "loaded" if segment.where is None else str(segment.where)


@dataclasses.dataclass(frozen=True, slots=True)
class Verification:
    """What is wrong with an index.

    Attributes:
        path: the folder.
        ok: nothing is.
        damage: every fault that was found, each with file, section and offset.
    """

    path: str
    ok: bool
    damage: list[str]


def verify(path: Path) -> Verification:
    """Check every byte of the index at *path*, what the bytes mean, and that each record does what it says.

    Raises:
        ArgumentError: *path* is no index.
    """
    from segdex.live.recovered import verify

    damage = [str(error) for error in verify(path)]
    return Verification(str(path), not damage, damage)


@dataclasses.dataclass(frozen=True, slots=True)
class Warmup:
    """How long compiling took.

    Attributes:
        kernels: how many there are.
        seconds: to compile them, or to load them where they were compiled before.
        folder: where they are kept; None: nowhere.
    """

    kernels: int
    seconds: float
    folder: Path | None


def warmup(tell: Callable[[str, int, int], None]) -> Warmup:
    """Compile every kernel, telling which is next."""
    from segdex import jit

    start = time.perf_counter()
    total = len(jit.kernels())
    for done, kernel in enumerate(jit.warmup()):
        tell(f"compiling {kernel.__name__}", done, total)
    return Warmup(total, time.perf_counter() - start, jit.cache_dir())

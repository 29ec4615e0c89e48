"""An index from tables, and one from its folder."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from segdex.arguments import bytes_of, folder_of, moment_of, offset_of, source_name
from segdex.errors import ArgumentError
from segdex.index import Index, Source
from segdex.schema import model
from segdex.schema.load import load
from segdex.store import generations
from segdex.store import os as door
from segdex.store.generations import Opened

if TYPE_CHECKING:  # what builds and changes is imported by who does: an index that is opened needs none of it
    from segdex.derive import Fitted, Progress
    from segdex.live.carry import Carried
    from segdex.schema.catalog import Catalog

MOST_THREADS = 256


def build(
    schema: str | Path | Mapping[str, Any] | model.Schema,
    *,
    as_of: str | dt.datetime | None = None,
    sources: Mapping[str, Source] | None = None,
    out: str | Path | None = None,
    on_error: Literal["raise", "skip"] = "raise",
    progress: Progress | None = None,
    offsets: Mapping[str, int] | None = None,
    carry: Index | str | Path | None = None,
    fitted: Index | str | Path | None = None,
) -> Index:
    """Build an index from tables.

    Args:
        schema: path of a TOML or JSON file, or an object of the same shape.
        as_of: the index's clock, ISO 8601 with a zone, or a zone-aware datetime; default: now.
        sources: tables by name of stream, lookup, label or ``customers``, in place of the schema's sources: anything
            with ``__arrow_c_stream__``, or a path.
        out: a folder to save the index in.
        on_error: ``raise`` or ``skip``: what a bad row does; `Index.report` tells what was skipped.
        progress: called with what is being done, how many parts are done, and how many there are.
        offsets: the position after the last row that the tables hold, by source: where `Index.apply` goes on.
        carry: an index, or the folder of one, that this one takes the place of: segments that were defined there and
            are not in *schema*, segments and labels that were loaded there, merges, and whom it must not know.
        fitted: an index, or the folder of one, whose edges of quantiles and parameters of models are used again for
            bands and metrics that *schema* declares as it does.

    Raises:
        SchemaError: the schema is wrong, or a segment of *carry* uses a name that it does not declare.
        SourceError: a table is wrong.
    """
    from segdex.derive import derive
    from segdex.ingest.read import read

    if progress is not None and not callable(progress):
        raise ArgumentError("progress", found=type(progress).__name__, allowed="a function of a text and two numbers")
    allowed = "tables by name: {'orders': table}", "positions by source: {'shop': 1041}"
    for name, given, each in zip(("sources", "offsets"), (sources, offsets), allowed, strict=True):
        if given is not None and not isinstance(given, Mapping):
            raise ArgumentError(name, found=type(given).__name__, allowed=each)
    folder = None if out is None else folder_of(out)
    moment = moment_of(as_of)
    ends = {source_name(name): offset_of(offset) for name, offset in (offsets or {}).items()}
    carried = _carried(carry, load(schema), {} if sources is None else sources)
    tables = read(
        carried.catalog, carried.sources, on_error=on_error, progress=progress,
        erased=carried.among_erased, aliases=carried.aliases,
    )  # fmt: skip
    base = carried.into(derive(carried.catalog, tables, moment, progress, _fitted(fitted, carried.catalog)))
    index = Index(Opened(base, None, carried.begun(base.number, ends)), report=tables.report)
    if folder is not None:
        index.save(folder)
    return index


def open(
    path: str | Path,
    *,
    read_only: bool = True,
    memory_limit: int | str | None = None,
    threads: int = 1,
    verify: bool = False,
) -> Index:
    """Open a saved index, mapped: start-up does not read it whole, processes share its pages.

    Args:
        path: the folder.
        read_only: False makes this index the one writer of the folder, until it is closed.
        memory_limit: how many bytes of sets and inline calls that were computed for rules are kept for the next ones:
            a number, or text like ``"2GiB"``; default: 768 MiB. The mapped index is not among them.
        threads: how many threads one count may use where it has much to read; many callers scale by themselves.
        verify: check everything before the first answer, and not each part before its first use.

    Raises:
        ArgumentError: *path* is no index.
        CorruptError: a file is damaged.
        VersionError: a file was written by a newer segdex.
        LockedError: another writer is at work there; the message names its process.
    """
    folder = folder_of(path).absolute()
    if not isinstance(threads, int) or isinstance(threads, bool) or not 1 <= threads <= MOST_THREADS:
        raise ArgumentError("threads", found=repr(threads), allowed=f"1 to {MOST_THREADS}")
    limit = None if memory_limit is None else bytes_of(memory_limit)
    if verify:
        for problem in generations.verify(folder):
            raise problem
    if not read_only:
        from segdex.live.writer import Writer

        writer, opened = Writer.take(folder, door.SYSTEM)
        index = Index(opened, folder, memory_limit=limit, threads=threads)
        index._write_with(writer)
        return index
    return _to_read(folder, limit, threads)


def _to_read(folder: Path, memory_limit: int | None = None, threads: int = 1) -> Index:
    index = Index(generations.opened(folder, door.SYSTEM), folder, memory_limit=memory_limit, threads=threads)
    index.refresh()
    return index


def _carried(of: Index | str | Path | None, catalog: Catalog, sources: Mapping[str, Source]) -> Carried:
    """What a build under *catalog* takes over, and the tables that it reads."""
    from segdex.live.carry import carried, nothing

    if of is None:
        return nothing(catalog, sources)
    if isinstance(of, Index):
        return carried(of._state(), catalog, sources)
    with _to_read(folder_of(of).absolute()) as old:
        return carried(old._state(), catalog, sources)


def _fitted(of: Index | str | Path | None, catalog: Catalog) -> Fitted | None:
    """What was fitted for names that *catalog* declares alike."""
    from segdex.derive import declared_alike

    if of is None:
        return None
    if isinstance(of, Index):
        base = of._state().base
        return declared_alike(base.fitted, base.catalog, catalog)
    with _to_read(folder_of(of).absolute()) as old:
        return _fitted(old, catalog)

"""Which table is behind each declared name: a file, a folder, a pattern, or an object that the caller gave."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from segdex.errors import ArgumentError, SourceError, listed, nearest
from segdex.ingest.accepted import Accepted, Part
from segdex.ingest.readers import FORMATS, Batch, names_of, read_file, read_stream, stream_of
from segdex.schema.model import Schema

CUSTOMERS = "customers"
LOOKUPS = "lookups."
LABELS = "labels."
_WILD = "*?["


@dataclasses.dataclass(frozen=True, slots=True)
class Source:
    """One table that can be read once.

    Attributes:
        name: ``customers``, the name of a stream, ``lookups.`` and the name of a lookup, or ``labels.`` and that of a
            label.
        table: an object with an Arrow stream, or rows that were accepted before; None where there is a path.
        path: a file, a folder or a pattern.
        base: the folder that *path* is relative to.
    """

    name: str
    table: Any = None
    path: str | None = None
    base: Path | None = None

    def batches(self, columns: Sequence[str]) -> Iterator[Batch]:
        """The rows, file after file.

        Raises:
            SourceError: there is no such file, or one cannot be read.
        """
        if self.path is not None:
            for path, place in files(self.path, self.base):
                yield from read_file(path, place, columns)
            return
        place = f"table {self.name!r}"
        parts = self.table.parts if isinstance(self.table, Accepted) else [Part(self.table)]
        for part in parts:
            yield from read_stream(part.table, place, columns, part.untyped)

    def opened(self) -> tuple[Source, list[str]]:
        """The same source, to be read in the place of this one, and the names of its columns.

        Raises:
            SourceError: there is no such file, or one cannot be read.
        """
        if self.path is not None:
            found = [name for path, place in files(self.path, self.base) for name in names_of(path, place)]
            return self, list(dict.fromkeys(found))
        if isinstance(self.table, Accepted):
            return self, self.table.parts[0].table.schema.names if self.table.parts else []
        reader = stream_of(self.table, f"table {self.name!r}")
        return dataclasses.replace(self, table=reader), reader.schema.names


def files(given: str, base: Path | None) -> list[tuple[Path, str]]:
    """The files that a path, a folder or a pattern stands for, by path, each with its name for messages.

    Of a folder it is every file of a known format in it, at any depth; names that begin with ``.`` or ``_`` are left
    out, as writers of folders mark what is no data. In a pattern ``*`` and ``?`` stay within one name, ``**`` is any
    number of folders.

    Raises:
        SourceError: there is none, or the operating system lets nobody look.
    """
    try:
        found = _found(given, base)
    except (OSError, ValueError) as error:  # Arrow's own errors among them
        raise SourceError("this path cannot be read", place=given, found=type(error).__name__) from None
    return [(each, _name(each, base)) for each in sorted(found, key=Path.as_posix)]


def _found(given: str, base: Path | None) -> list[Path]:
    from pyarrow import fs

    path = (base or Path()) / given
    kind = fs.LocalFileSystem().get_file_info(path.as_posix()).type
    if kind == fs.FileType.File:
        found = [path]
    elif kind == fs.FileType.Directory:
        found = [each for each in _inside(path) if _is_data(each.relative_to(path))]
        if not found:
            raise SourceError("no data files in this folder", place=given, allowed=", ".join(FORMATS))
    elif _is_wild(given):
        found = _matching(base or Path(), Path(given))
        if not found:
            raise SourceError("no file matches this pattern", place=given)
    else:
        raise SourceError("no such file or folder", place=given)
    return found


def _inside(folder: Path) -> list[Path]:
    """Every file in *folder*, at any depth; none where there is no such folder."""
    from pyarrow import fs

    selector = fs.FileSelector(folder.as_posix(), allow_not_found=True, recursive=True)
    infos = fs.LocalFileSystem().get_file_info(selector)
    return [Path(info.path) for info in infos if info.type == fs.FileType.File]


def _is_data(inside: Path) -> bool:
    return inside.suffix.lower() in FORMATS and not any(part[0] in "._" for part in inside.parts)


def _is_wild(text: str) -> bool:
    return any(sign in text for sign in _WILD)


def _matching(base: Path, pattern: Path) -> list[Path]:
    """The files that match *pattern*, which is relative to *base* or absolute."""
    parts = pattern.parts
    fixed = next(place for place, part in enumerate(parts) if _is_wild(part))
    folder = base.joinpath(*parts[:fixed])
    return [each for each in _inside(folder) if _matches(each.relative_to(folder).parts, parts[fixed:])]


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether the names of a path match those of a pattern; hidden names only where the pattern says the dot.

    >>> _matches(["2026", "06", "a.parquet"], ["**", "*.parquet"]), _matches(["06", "a.csv"], ["*.csv"])
    (True, False)
    """
    if not pattern:
        return not parts
    if pattern[0] == "**" and _matches(parts, pattern[1:]):
        return True
    if not parts or (parts[0].startswith(".") and not pattern[0].startswith(".")):
        return False
    if pattern[0] == "**":
        return _matches(parts[1:], pattern)
    return fnmatchcase(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])


def _name(path: Path, base: Path | None) -> str:
    try:
        return path.relative_to(base or Path()).as_posix()
    except ValueError:
        return path.as_posix()


def resolve(schema: Schema, given: Mapping[str, Any], base: Path | None) -> dict[str, Source]:
    """The source of every declared table by its full name; what the caller gives comes before what is declared.

    Customers are missing where none are declared: the universe is then made of the keys of the streams.

    Raises:
        ArgumentError: a name is unknown or given twice, an object is no table, or a declared table has no source.
    """
    declared = {CUSTOMERS: schema.customers.source}
    declared |= {LOOKUPS + name: lookup.source for name, lookup in schema.lookups.items()}
    declared |= {name: stream.source for name, stream in schema.streams.items()}
    declared |= {LABELS + name: label.source for name, label in schema.labels.items()}
    if not isinstance(given, Mapping):
        raise ArgumentError("sources", found=type(given).__name__, allowed="tables by name: {'orders': table}")
    found: dict[str, Source] = {}
    for name, table in given.items():
        full = _full_name(name, declared)
        if full in found:
            raise ArgumentError("a source is given twice", found=listed([name, full]))
        found[full] = source_of(full, table)
    for name, path in declared.items():
        if name in found:
            continue
        if path is not None:
            found[name] = Source(name, path=path, base=base)
        elif name != CUSTOMERS or schema.customers.attributes or schema.customers.only:
            raise ArgumentError(
                f"no table for {name!r}", hint=f"declare its source, or pass sources={{{name!r}: table}}"
            )
    return {name: found[name] for name in declared if name in found}


def _full_name(name: str, declared: Mapping[str, object]) -> str:
    """Lookups and labels may be named with or without what is before them; a stream goes first, then a lookup."""
    for full in (name, f"{LOOKUPS}{name}", f"{LABELS}{name}"):
        if full in declared:
            return full
    known = [each.removeprefix(LOOKUPS).removeprefix(LABELS) for each in declared]
    raise ArgumentError("an unknown source", found=repr(name), allowed=listed(known), hint=nearest(str(name), known))


def source_of(name: str, table: Any) -> Source:
    """The source that a caller gave.

    Raises:
        ArgumentError: it is no table.
    """
    path = table.__fspath__() if isinstance(table, os.PathLike) else table
    if isinstance(path, str) and path:
        return Source(name, path=path)
    if isinstance(table, Accepted) or hasattr(table, "__arrow_c_stream__") or hasattr(table, "__arrow_c_array__"):
        return Source(name, table=table)
    raise ArgumentError(
        f"the source {name!r} is no table", found=repr(path) if isinstance(path, str) else type(table).__name__,
        allowed="anything with __arrow_c_stream__ (pyarrow, polars, pandas, DuckDB), or a path",
    )  # fmt: skip

"""A schema from a file or from Python objects to a `Catalog`."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from segdex.errors import SchemaError
from segdex.schema import decode
from segdex.schema.assemble import assemble
from segdex.schema.catalog import Catalog
from segdex.schema.model import Schema
from segdex.schema.place import Origin, Spot, shown

LARGEST_FILE = 4 << 20
"""A schema file has at most so many bytes."""

_TOML_PLACE = re.compile(r" \(at (line \d+, column \d+|end of document)\)$")


def load(source: str | Path | Mapping[str, Any] | Schema, stored: bool = False) -> Catalog:
    """Read and check a schema.

    Args:
        source: the path of a TOML or JSON file (told apart by suffix), a mapping of the same shape, or a `Schema`,
            whose rules may be text.
        stored: whether it is that of an index, whose segments may be sets that were loaded.

    Raises:
        SchemaError: the file cannot be read, or anything in it is wrong; the place is
            ``file: path inside it, line and column of a rule``.
    """
    if isinstance(source, str | Path):
        origin, table, base = Origin(str(source)), _read(Path(source)), Path(source).parent
        return assemble(decode.schema(table, Spot(origin)), origin, base, stored)
    if not isinstance(source, Mapping | Schema):
        raise SchemaError("not a schema", found=shown(source), allowed="a path, a mapping or a Schema")
    origin = Origin()
    return assemble(decode.schema(source, Spot(origin)), origin, None, stored)


def _read(path: Path) -> Any:
    """The table that a file holds."""
    readers: dict[str, Callable[[str, Path], Any]] = {".toml": _toml, ".json": _json}
    read = readers.get(path.suffix.lower())
    if read is None:
        raise SchemaError("not a schema file", place=str(path), allowed="a file named .toml or .json")
    try:
        if path.is_file() and path.stat().st_size > LARGEST_FILE:
            allowed = f"at most {LARGEST_FILE >> 20} MiB"
            raise SchemaError("the file is too large", place=str(path), allowed=allowed)
        if path.exists() and not path.is_file():
            raise SchemaError("not a file", place=str(path), allowed="a TOML or JSON file")
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        found = f"byte {error.object[error.start]:#04x} at offset {error.start}"
        raise SchemaError("the file is not UTF-8 text", place=str(path), found=found) from None
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or str(error)
        raise SchemaError(f"the file cannot be read: {problem}", place=str(path)) from None
    try:
        return read(text, path)
    except RecursionError:
        raise SchemaError("the file is nested too deeply", place=str(path)) from None


def _toml(text: str, path: Path) -> Any:
    try:
        return tomllib.loads(text, parse_float=Decimal)
    except ValueError as error:  # includes TOMLDecodeError, and integers of thousands of digits
        problem = str(error)
        at = _TOML_PLACE.search(problem)
        place = f"{path}: {at[1]}" if at else str(path)
        raise SchemaError(f"not valid TOML: {_TOML_PLACE.sub('', problem)}", place=place) from None


def _json(text: str, path: Path) -> Any:
    def no_number(word: str) -> None:
        raise ValueError(f"{word} is not a number")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        table = dict(pairs)
        if len(table) < len(pairs):
            keys = [key for key, _ in pairs]
            raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} stands twice in one table")
        return table

    try:
        return json.loads(text, parse_float=Decimal, parse_constant=no_number, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        place = f"{path}: line {error.lineno}, column {error.colno}"
        raise SchemaError(f"not valid JSON: {error.msg}", place=place) from None
    except ValueError as error:
        raise SchemaError(f"not valid JSON: {error}", place=str(path)) from None

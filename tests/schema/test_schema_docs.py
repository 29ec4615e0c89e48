"""The reference of the schema: its blocks are parts of one schema, which loads after each of them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec

from segdex.schema import model
from segdex.schema.kinds import KINDS, LATER
from segdex.schema.load import load

PAGE = (Path(__file__).parents[2] / "docs" / "schema.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.M | re.S)


def merged(into: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    both = dict(into)
    for key, value in more.items():
        both[key] = merged(both[key], value) if isinstance(both.get(key), dict) else value
    return both


def test_every_block_loads() -> None:
    table: dict[str, Any] = {}
    for block in BLOCKS:
        table = merged(table, tomllib.loads(block))
        load(table)
    assert len(load(table).order) > 20


def test_the_page_is_complete() -> None:
    structs = [each for each in vars(model).values() if isinstance(each, type) and issubclass(each, model.Declared)]
    first_version = {key for forms in KINDS.values() for form in forms for key in (*form.needs, *form.takes)}
    keys = {
        field.encode_name
        for struct in structs
        if struct not in (model.Metric, model.Identities, model.Field, model.Gap)
        for field in msgspec.structs.fields(struct)
    }
    prose = re.sub(r"^```.*?^```$", "", PAGE, flags=re.M | re.S)
    words = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]+)`", prose))))
    assert sorted((keys | first_version | set(KINDS) | LATER) - words) == []

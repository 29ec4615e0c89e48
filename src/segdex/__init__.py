"""segdex: an embedded, in-memory bitmap index of customers.

    import segdex

    index = segdex.build("schema.toml", as_of="2026-06-30T00:00:00Z")
    index.count("orders_3m > 7 and country = 'IN'")

Names are imported when they are first used, so that importing segdex costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from segdex.errors import (
        ArgumentError,
        ClosedError,
        CorruptError,
        LimitError,
        LockedError,
        RuleError,
        SchemaError,
        SegdexError,
        SourceError,
        StorageError,
        VersionError,
    )
    from segdex.index import Index
    from segdex.opening import build, open
    from segdex.rules.json_form import rule_schema
    from segdex.rules.nodes import Rule
    from segdex.rules.python_form import (
        ANY,
        all_of,
        anniversary,
        any_category,
        any_of,
        bucket,
        call,
        did,
        everyone,
        field,
        segment,
        sequence,
        step,
        today,
        value,
        variable,
    )
    from segdex.rules.text import parse

__version__ = "0.1.0"

__all__ = [
    "ANY",
    "ArgumentError",
    "ClosedError",
    "CorruptError",
    "Index",
    "LimitError",
    "LockedError",
    "Rule",
    "RuleError",
    "SchemaError",
    "SegdexError",
    "SourceError",
    "StorageError",
    "VersionError",
    "__version__",
    "all_of",
    "anniversary",
    "any_category",
    "any_of",
    "bucket",
    "build",
    "call",
    "did",
    "everyone",
    "field",
    "open",
    "parse",
    "rule_schema",
    "segment",
    "sequence",
    "step",
    "today",
    "value",
    "variable",
]

_MODULES = {
    "segdex.errors": tuple(name for name in __all__ if name.endswith("Error")),
    "segdex.index": ("Index",),
    "segdex.opening": ("build", "open"),
    "segdex.rules.json_form": ("rule_schema",),
    "segdex.rules.nodes": ("Rule",),
    "segdex.rules.python_form": (
        "ANY",
        "all_of",
        "any_category",
        "any_of",
        "anniversary",
        "bucket",
        "call",
        "did",
        "everyone",
        "field",
        "segment",
        "sequence",
        "step",
        "today",
        "value",
        "variable",
    ),
    "segdex.rules.text": ("parse",),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'segdex' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

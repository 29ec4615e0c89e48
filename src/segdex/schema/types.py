"""What kind of value a name stands for: enough to check a rule without any data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol, TypeAlias

import msgspec

Kind: TypeAlias = Literal["category", "tags", "text", "id", "number", "integer", "bool", "date", "time", "geo"]
Role: TypeAlias = Literal[
    "attribute", "field", "metric", "band", "stage", "label", "segment", "literal", "computed"
]  # fmt: skip


class ValueType(msgspec.Struct, frozen=True):
    """The type of a value.

    Attributes:
        kind: how it compares. Bands and stages are ``category``.
        scale: for ``number``: kept exactly as an integer of 10^-scale; None: float64.
        order: labels from least to greatest, where ``<`` and ``>`` are allowed on a category.
        family: one value for every category; a rule must say which.
        fold: strings are kept in lower case, so a literal is lowered too.
        role: what declares it; ``literal`` for a constant of a rule, ``computed`` for arithmetic.
    """

    kind: Kind
    scale: int | None = None
    order: tuple[str, ...] | None = None
    family: bool = False
    role: Role = "attribute"
    fold: bool = False

    @property
    def numeric(self) -> bool:
        """Whether arithmetic applies."""
        return self.kind in ("number", "integer")


class Scope(Protocol):
    """The names that a rule may use in one place: over customers, over rows or over transactions."""

    @property
    def place(self) -> str:
        """What the names are, for messages: ``"names of the schema"``, ``"fields of stream 'orders'"``."""
        ...

    @property
    def stream(self) -> str | None:
        """The stream whose rows or transactions the rule is about; None: the rule is about customers."""
        ...

    def names(self) -> Mapping[str, ValueType]:
        """Every name that has a value, segments included with role ``segment``."""
        ...

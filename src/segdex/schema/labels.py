"""Labels: what was found out elsewhere about each customer, a category and maybe a score; their names and types."""

from __future__ import annotations

from segdex.schema.model import Schema
from segdex.schema.types import ValueType

LABEL = ValueType("category", role="label")
SCORE = ValueType("number", role="label")


def score_name(label: str) -> str:
    """The name of the number that stands beside a label.

    >>> score_name("survey")
    'survey_score'
    """
    return f"{label}_score"


def label_types(schema: Schema) -> dict[str, ValueType]:
    """The type of every label, and of every score that is declared with one."""
    types: dict[str, ValueType] = {}
    for name, label in schema.labels.items():
        types[name] = LABEL
        if label.score is not None:
            types[score_name(name)] = SCORE
    return types

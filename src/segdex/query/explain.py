"""What is told about a rule: how it was run, and whether it can be."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """One step of a plan.

    Attributes:
        name: the operation, or the text of a leaf.
        way: how it was answered: ``predicates``, ``pairs``, ``values``, ``categories``, ``algebra``, ``universe``.
        count: how many customers of the universe it holds for.
        microseconds: the time it took, its parts included; a step that was remembered takes next to none.
        parts: the steps it is made of.
    """

    name: str
    way: str
    count: int
    microseconds: float
    parts: tuple[Step, ...] = ()

    def lines(self, depth: int = 0) -> Iterator[str]:
        """The step and its parts as lines of text, parts indented."""
        yield f"{'  ' * depth}{self.name}  [{self.way}]  {self.count:,}  {self.microseconds:,.0f} µs"
        for part in self.parts:
            yield from part.lines(depth + 1)


@dataclasses.dataclass(frozen=True, slots=True)
class Explanation:
    """The plan of a rule with what each step found.

    Attributes:
        rule: the rule's text.
        count: the exact count, suppression not applied.
        suppressed: how many of these the index's suppression segments would hold back on export.
        plan: the steps.
        notes: what a reader should know: unseen categories, missing values left out.
        as_of: the clock, ISO 8601.
        generation: the number of the generation.
    """

    rule: str
    count: int
    suppressed: int
    plan: Step
    notes: tuple[str, ...]
    as_of: str
    generation: int

    def __str__(self) -> str:
        head = f"{self.rule}\n{self.count:,} customers as of {self.as_of}"
        if self.suppressed:
            head += f", {self.suppressed:,} of them suppressed on export"
        return "\n".join([head, *self.plan.lines(), *(f"note: {note}" for note in self.notes)])


@dataclasses.dataclass(frozen=True, slots=True)
class Check:
    """Whether a rule can be run.

    Attributes:
        rule: the rule's text, canonical where it is valid.
        valid: whether it fits the schema.
        problem: what is wrong, or None.
        warnings: what is legal but probably not meant.
        leaves: how many comparisons it makes.
        streams: the streams that it computes from, which takes longer than stored values.
    """

    rule: str
    valid: bool
    problem: str | None
    warnings: tuple[str, ...]
    leaves: int
    streams: tuple[str, ...]

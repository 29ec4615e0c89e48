"""What is told about a rule: how it is run, and whether it can be."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """One step of a rule.

    Attributes:
        name: the operation, or the text of a leaf.
        way: how it is answered: ``predicates pairs cells values categories algebra universe``.
        estimate: about how many customers it was expected to hold for.
        count: how many customers of the universe it holds for.
        bytes: how many bytes of containers its predicates have.
        microseconds: the time to count it by itself, once planned and computed.
        parts: the steps it is made of.
    """

    name: str
    way: str
    estimate: int
    count: int
    bytes: int
    microseconds: float
    parts: tuple[Step, ...] = ()

    def lines(self, depth: int = 0) -> Iterator[str]:
        """The step and its parts as lines of text, parts indented."""
        told = f"{self.count:,} (estimated {self.estimate:,})  {self.bytes:,} bytes  {self.microseconds:,.1f} µs"
        yield f"{'  ' * depth}{self.name}  [{self.way}]  {told}"
        for part in self.parts:
            yield from part.lines(depth + 1)


@dataclasses.dataclass(frozen=True, slots=True)
class Explanation:
    """The plan of a rule with what each step found.

    Attributes:
        rule: the rule's text.
        count: the exact count, suppression not applied.
        suppressed: how many of these the index's suppression segments would hold back on export.
        plan: the steps, as the rule is written.
        rewritten: what is evaluated: the rule over sets, after rewriting.
        tables: how many truth tables that takes.
        notes: what a reader should know: unseen categories, missing values left out.
        as_of: the clock, ISO 8601.
        generation: the number of the generation.
    """

    rule: str
    count: int
    suppressed: int
    plan: Step
    rewritten: str
    tables: int
    notes: tuple[str, ...]
    as_of: str
    generation: int

    def __str__(self) -> str:
        head = f"{self.rule}\n{self.count:,} customers as of {self.as_of}"
        if self.suppressed:
            head += f", {self.suppressed:,} of them suppressed on export"
        tables = "1 truth table" if self.tables == 1 else f"{self.tables} truth tables"
        plan = f"evaluated as: {self.rewritten}  [{tables}]"
        return "\n".join([head, *self.plan.lines(), plan, *(f"note: {note}" for note in self.notes)])


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

"""Answers as text for people or JSON for programs, on stdout."""

from __future__ import annotations

import dataclasses
import datetime as dt
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from segdex.cli.answers import Count, Inspection, Verification, Warmup
    from segdex.demo.run import Demonstration
    from segdex.index import Index
    from segdex.ingest.report import SourceReport
    from segdex.query.collect import CountBy, Customer
    from segdex.query.estimate import Estimate
    from segdex.query.explain import Check, Explanation, Step
    from segdex.query.why import Reason, Why

_encoder = msgspec.json.Encoder(decimal_format="number")

WIDE = 10_000
"""Columns where stdout is no terminal: nothing is cut or wrapped for a program that reads on."""


LISTED = 20
"""How many bad rows are listed."""


# --- ways to print -----------------------------------------------------------------------------------------------


def as_json(value: Any) -> None:
    """One JSON value on a line, in UTF-8; times in ISO 8601 with Z, decimals as numbers."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8")
    sys.stdout.write(_encoder.encode(value).decode() + "\n")


def text(*things: RenderableType) -> None:
    """Tables and lines as text; in colour on a terminal."""
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=False)
    if not console.is_terminal:
        console.width = WIDE
    with console.capture() as captured:
        for before, thing in zip((None, *things), things, strict=False):
            if isinstance(before, Table) and isinstance(thing, Table):
                console.print()
            console.print(thing)
    # Printed by us: Rich pads the lines of a table, and ends the process in its own way on a closed pipe.
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))


def table(headers: Sequence[str], rows: Iterable[Sequence[object]], title: str | None = None) -> Table:
    """A table; numbers stand to the right."""
    made = Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        show_header=any(headers),
        title=title,
        title_justify="left",
        pad_edge=False,
    )
    held = [[_cell(value) for value in row] for row in rows]
    for at, header in enumerate(headers):
        numeric = any(row[at].style == _NUMBER for row in held)
        made.add_column(Text(header), justify="right" if numeric else "left", overflow="fold")
    for row in held:
        made.add_row(*row)
    return made


_NUMBER = "cyan"


def _cell(value: object) -> Text:
    match value:
        case Text():
            return value
        case bool():
            return Text("true" if value else "false")
        case int():
            return Text(f"{value:,}", _NUMBER)
        case float():
            return Text(f"{value:,.6g}", _NUMBER)
        case None:
            return Text("missing", "dim")
        case dt.datetime():
            return Text(moment(value))
        case list() | tuple():
            return Text(", ".join(str(each) for each in value))
        case Mapping():
            return Text(", ".join(f"{name}: {_cell(each).plain}" for name, each in value.items()))
    return Text(str(value))


def moment(value: dt.datetime) -> str:
    """A time in ISO 8601 with Z."""
    return value.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


def share(part: int, whole: int) -> Text:
    """*part* as a percentage of *whole*."""
    return Text(f"{100 * part / whole:.2f} %" if whole else "", _NUMBER)


def _percent(part: float | None) -> Text:
    """A share as a percentage, nothing where there is none."""
    return Text("" if part is None else f"{100 * part:.1f} %", _NUMBER)


def size(count: int) -> str:
    """A number of bytes for people.

    >>> size(512), size(1_500_000)
    ('512 bytes', '1.4 MiB')
    """
    if count < 1024:
        return f"{count} bytes"
    power = min((count.bit_length() - 1) // 10, 4)
    return f"{count / 1024**power:.1f} {' KMGT'[power]}iB"


# --- answers -----------------------------------------------------------------------------------------------------


def built(index: Index, out: Path) -> None:
    """What was built from what; on stderr the bad rows that were left out."""
    report = index.report
    assert report is not None
    text(
        f"{out}: {len(index):,} customers as of {moment(index.as_of)}, generation {index.generation}",
        table(("source", "rows", "kept", "left out"), map(_source, report.sources)),
    )
    left_out(report.rejected, sum(source.rejected for source in report.sources))


def left_out(rejected: pa.Table, count: int) -> None:
    """The first of *count* bad rows that were left out, on stderr."""
    for bad in rejected.slice(0, LISTED).to_pylist():
        column = f", column {bad['column']!r}" if bad["column"] is not None else ""
        print(f"left out: {bad['file']}, row {bad['row']}{column}: {bad['reason']}", file=sys.stderr)
    if count > LISTED:
        print(f"left out: {count - LISTED:,} bad rows more", file=sys.stderr)


def _source(report: SourceReport) -> tuple[str, int, int, str]:
    why = {
        "bad": report.rejected,
        "without a key": report.unowned,
        "excluded by where": report.excluded,
        "of no known customer": report.strangers,
        "replaced by later rows": report.replaced,
    }
    return report.name, report.rows, report.kept, ", ".join(f"{n:,} {reason}" for reason, n in why.items() if n)


def counts(found: Sequence[Count], customers: int, json: bool) -> None:
    """Counts of rules."""
    if json:
        for each in found:
            as_json(each)
        return
    rows = [(each.count, share(each.count, customers), each.rule) for each in found]
    text(
        f"of {customers:,} customers as of {moment(found[0].as_of)}, generation {found[0].generation}",
        table(("customers", "share", "rule"), rows),
    )


def count_by(rule: str, found: CountBy, json: bool) -> None:
    """A table of counts by label."""
    if json:
        return as_json({"rule": rule, "by": found.by, "counts": dict(found.counts)})
    rows = [(Text("withheld", "dim") if n is None else n, label) for label, n in found.counts.items()]
    return text(table(("customers", found.by), rows))


def written(rows: int, out: str) -> None:
    """How many members were written; on stderr, since they may be on stdout."""
    print(f"{rows:,} members written{'' if out == '-' else f' to {out}'}", file=sys.stderr)


def check(found: Check, json: bool) -> None:
    """Whether a rule is valid, and its warnings."""
    if json:
        return as_json(found)
    lines = [f"valid: {found.rule}" if found.valid else f"not valid: {found.problem}"]
    lines += [f"warning: {warning}" for warning in found.warnings]
    if found.streams:
        lines.append(f"computed from {', '.join(found.streams)}: exact, slower than stored values")
    return text(*map(Text, lines))


def explanation(found: Explanation, json: bool) -> None:
    """A plan with counts and times."""
    if json:
        return as_json(found)
    rows = [
        (Text(f"{'  ' * depth}{step.name}"), step.way, step.estimate, step.count, step.bytes, round(step.microseconds))
        for depth, step in _steps(found.plan)
    ]
    suppressed = f", {found.suppressed:,} of them suppressed on export" if found.suppressed else ""
    return text(
        f"{found.count:,} customers as of {found.as_of}, generation {found.generation}{suppressed}",
        table(("step", "answered by", "estimated", "customers", "bytes", "µs"), rows),
        Text(f"evaluated as: {found.rewritten}  [truth tables: {found.tables}]"),
        *(Text(f"note: {note}") for note in found.notes),
    )


def _steps(step: Step, depth: int = 0) -> Iterator[tuple[int, Step]]:
    yield depth, step
    for part in step.parts:
        yield from _steps(part, depth + 1)


def estimate(rule: str, found: Estimate, json: bool) -> None:
    """About how many customers a rule holds for."""
    if json:
        return as_json({"rule": rule, **dataclasses.asdict(found)})
    if found.exact:
        return text(Text(f"{found.value:,} customers, exactly"))
    return text(Text(f"about {found.value:,} customers: at least {found.low:,}, at most {found.high:,}"))


def why(key: str, found: Why, json: bool) -> None:
    """Why a customer is in, or not."""
    if json:
        told = dataclasses.asdict(found) | {"key": key, "sentence": found.sentence}
        return as_json(told)
    rows = [
        ("yes" if part.holds else "no", Text(f"{'  ' * depth}{part.name}"), Text(part.words))
        for depth, part in _reasons(found.reason)
    ]
    return text(Text(found.sentence), table(("holds", "part", "values"), rows))


def _reasons(reason: Reason, depth: int = 0) -> Iterator[tuple[int, Reason]]:
    yield depth, reason
    for part in reason.parts:
        yield from _reasons(part, depth + 1)


def customer(key: str, found: Customer, json: bool) -> None:
    """Everything about one customer."""
    if json:
        return as_json({"key": key, **dataclasses.asdict(found)})
    rows = [
        (what, name, value)
        for what in ("attributes", "metrics", "bands", "stages", "labels")
        for name, value in getattr(found, what).items()
    ]
    return text(
        table(("", "name", "value"), rows),
        Text(f"in segments: {', '.join(found.segments) or 'none'}"),
    )


def inspection(found: Inspection, json: bool) -> None:
    """What an index holds."""
    if json:
        return as_json(found)
    facts = [
        ("clock", found.as_of),
        ("customers", f"{found.customers:,}, numbered by {', '.join(found.order) or 'keys'}"),
        ("generation", f"{found.generation} (in the folder: {', '.join(map(str, found.generations))})"),
        *_life(found),
        ("epoch", found.epoch),
        ("predicates", f"{len(found.predicates):,} in {found.containers:,} containers"),
        ("mixed chunks", _percent(found.mixed)),
        ("size", size(found.bytes)),
    ]
    facts += [
        (f"fitted to {name}", ", ".join(f"{key} {value:.4g}" for key, value in held.items()))
        for name, held in found.models.items()
    ]
    names = [(what, name, about) for what, held in found.schema.items() for name, about in held.items()]
    sets: dict[str, list[int]] = {}
    for each in found.predicates:
        sets.setdefault(each.name, []).append(each.bytes)
    rows = [(name, len(held), sum(held), _percent(found.mixed_by[name])) for name, held in sets.items()]
    return text(
        table(("", ""), facts),
        table(("declared", "name", "as"), names),
        table(("stream", "rows"), found.streams.items()),
        table(("predicates of", "sets", "bytes", "mixed chunks"), rows),
    )


def _life(found: Inspection) -> list[tuple[str, str]]:
    """What has changed since the base was written, where anything has."""
    live, facts = found.live, []
    if live.records:
        facts.append(("journal", f"{live.records:,} records since generation {live.base}, {size(live.journal_bytes)}"))
    if live.changed:
        facts.append(("changed", f"{live.changed:,} customers"))
    if live.feed_generations:
        facts.append(
            ("feed", f"{live.feed_generations:,} generations since {live.feed_since}, {size(live.feed_bytes)}")
        )
    facts += [(f"offset of {name}", f"{offset:,}") for name, offset in live.offsets.items()]
    if live.erased:
        facts.append(("erased", f"{live.erased:,} keys are not let in again"))
    return facts


def verification(found: Verification, json: bool) -> None:
    """What is wrong with an index."""
    if json:
        return as_json(found)
    if found.ok:
        return text(Text(f"{found.path}: no damage"))
    return text(*(Text(f"damage: {problem}") for problem in found.damage))


def demo(found: Demonstration) -> None:
    """The segments of the demonstration."""
    rows = [
        (
            line.count,
            share(line.count, found.customers),
            Text(f"{line.microseconds:,.0f} µs", _NUMBER),
            line.title,
            line.rule,
        )
        for line in found.lines
    ]
    done = "opened" if found.reused else "built, saved and opened"
    text(
        f"{found.customers:,} {found.data} as of {moment(found.as_of)}, {done} in {found.seconds:.2f} s",
        table(("customers", "share", "one count", "segment", "rule"), rows),
        f"Ask your own:  segdex count {found.folder} \"segment '{found.lines[0].name}'\"",
        f"What there is: segdex inspect {found.folder}",
    )


def warmup(found: Warmup) -> None:
    """How long compiling took, and where the result is."""
    kept = f"kept in {found.folder}" if found.folder else "not kept: no folder can be written safely"
    text(Text(f"{found.kernels} kernels ready in {found.seconds:.2f} s, {kept}"))

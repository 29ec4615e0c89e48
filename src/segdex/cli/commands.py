"""The commands that build and ask: each takes its arguments, asks one question of the library and hands the answer on.

Nothing heavy is imported here, so that ``--help`` and a mistyped option answer at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

import segdex
from segdex.cli import show
from segdex.cli.app import Json, app


@app.command
def build(
    schema: Path,
    /,
    *,
    out: Path,
    as_of: str | None = None,
    carry: Path | None = None,
    on_error: Literal["raise", "skip"] = "raise",
) -> None:
    """Build an index from the tables that a schema names.

    ```
    segdex build schema.toml --out index/ --as-of 2026-06-30T00:00:00Z
    ```

    Parameters
    ----------
    schema
        The schema file, TOML or JSON; paths in it start at its folder.
    out
        The folder of the index; made if need be.
    as_of
        The index's clock, ISO 8601 with a zone; default: now.
    carry
        The folder of the index that this one takes the place of: segments that were defined or loaded there, merges,
        and whom it must not know.
    on_error
        What a bad row does: end the build (default), or be left out and reported.
    """
    from segdex.cli.progress import progress

    with progress() as tell:
        index = segdex.build(schema, as_of=as_of, out=out, carry=carry, on_error=on_error, progress=tell)
    with index:
        show.built(index, out)


@app.command
def count(path: Path, rule: str, /, *rules: str, json: Json = False) -> None:
    """Count the customers that each rule holds for, exactly.

    ```
    segdex count index/ "spend_6m between 5000 and 10000"
    segdex count index/ "country = 'IN'" "not segment 'no_email'" --json
    ```

    Parameters
    ----------
    path
        The folder of the index.
    rule
        A rule, in double quotes.
    rules
        More rules.
    """
    from segdex.cli import answers

    with segdex.open(path) as index:
        show.counts(answers.counts(index, (rule, *rules)), len(index), json)


@app.command(name="count-by")
def count_by(path: Path, rule: str, name: str, /, *, json: Json = False) -> None:
    """Count the members of a rule by band, stage, label, category or tag.

    ```
    segdex count-by index/ everyone lifecycle
    segdex count-by index/ "country = 'IN'" "affinity['garden']"
    ```

    Parameters
    ----------
    path
        The folder of the index.
    rule
        A rule, in double quotes.
    name
        What to count by.
    """
    with segdex.open(path) as index:
        show.count_by(rule, index.count_by(rule, name), json)


@app.command
def members(
    path: Path,
    rule: str,
    /,
    *,
    out: Annotated[str, Parameter(allow_leading_hyphen=True)],
    columns: tuple[str, ...] = (),
    limit: int | None = None,
    order_by: str | None = None,
    descending: bool = False,
    purpose: tuple[str, ...] = (),
    no_suppression: bool = False,
) -> None:
    """Write the keys of a rule's members, with chosen columns, to a file.

    Customers in suppression segments are left out unless the call says otherwise.

    ```
    segdex members index/ "segment 'frequent'" --out frequent.parquet --columns email,spend_1y
    segdex members index/ "spend_1y > 100" --out - --order-by spend_1y --descending --limit 10
    ```

    Parameters
    ----------
    path
        The folder of the index.
    rule
        A rule, in double quotes.
    out
        A file that ends in .parquet, .csv or .arrow; - writes CSV to the standard output.
    columns
        Names at commas: attributes, labels, metrics, bands, stages, segments, family['category'], inline calls.
    limit
        At most so many members.
    order_by
        A column to order by; customers without a value come last.
    descending
        Greatest first.
    purpose
        Leave out only the suppression segments of this purpose; may be given several times.
    no_suppression
        Leave out nobody.
    """
    from segdex.cli import answers, export

    write = export.writer(out)
    with segdex.open(path) as index:
        reader = index.members(
            rule,
            columns=[name for text in columns for name in answers.split_names(text)],
            limit=limit,
            order_by=order_by,
            descending=descending,
            suppression=answers.suppression(purpose, no_suppression),
        )
        show.written(write(reader), out)


@app.command
def check(path: Path, rule: str, /, *, json: Json = False) -> int:
    """Tell whether a rule fits the index, and what in it is probably not meant. Nothing is counted.

    Parameters
    ----------
    path
        The folder of the index.
    rule
        A rule, in double quotes.
    """
    with segdex.open(path) as index:
        found = index.check(rule)
    show.check(found, json)
    return 0 if found.valid else 2


@app.command
def explain(path: Path, rule: str, /, *, json: Json = False) -> None:
    """Show how a rule is answered: its parts, with the count and the time of each.

    Parameters
    ----------
    path
        The folder of the index.
    rule
        A rule, in double quotes.
    """
    with segdex.open(path) as index:
        show.explanation(index.explain(rule), json)


@app.command
def estimate(path: Path, rule: str, /, *, json: Json = False) -> None:
    """Tell about how many customers a rule holds for, with bounds that always hold, without counting them all.

    Parameters
    ----------
    path
        The folder of the index.
    rule
        A rule, in double quotes.
    """
    with segdex.open(path) as index:
        show.estimate(rule, index.estimate(rule), json)


@app.command
def why(path: Path, rule: str, key: str, /, *, json: Json = False) -> None:
    """Show why a rule holds for one customer, or why not: each part with the values that it compares.

    ```
    segdex why index/ "orders_3m > 7 and country = 'IN'" C-1041
    ```

    Parameters
    ----------
    path
        The folder of the index.
    rule
        A rule, in double quotes.
    key
        The customer's key.
    """
    with segdex.open(path) as index:
        show.why(key, index.why(rule, key), json)


@app.command
def customer(path: Path, key: str, /, *, json: Json = False) -> None:
    """Show everything that the index holds of one customer.

    Parameters
    ----------
    path
        The folder of the index.
    key
        The customer's key.
    """
    with segdex.open(path) as index:
        show.customer(key, index.customer(key), json)


@app.command
def inspect(path: Path, /, *, json: Json = False) -> None:
    """Show what an index holds: declared names, rows, generations, predicates, bytes.

    Parameters
    ----------
    path
        The folder of the index.
    """
    from segdex.cli import answers

    show.inspection(answers.inspect(path), json)


@app.command
def verify(path: Path, /, *, json: Json = False) -> int:
    """Read every byte of an index and check it. Damage is named, and the exit code is then 1.

    Parameters
    ----------
    path
        The folder of the index.
    """
    from segdex.cli import answers

    found = answers.verify(path)
    show.verification(found, json)
    return 0 if found.ok else 1


@app.command
def demo(*, customers: int | None = None, out: Path | None = None) -> None:
    """Build segments of a real grocer's customers, or with --customers of a generated retailer's.

    Parameters
    ----------
    customers
        Generate a retailer with so many customers instead.
    out
        Where the index is kept; default: in the cache folder. A later run finds it there and is quicker.
    """
    from segdex.cli.progress import progress
    from segdex.demo.run import run

    with progress() as tell:
        found = run(customers, out, tell)
    show.demo(found)


@app.command
def warmup() -> None:
    """Compile all kernels ahead of time, so that no later call has to wait for it."""
    from segdex.cli import answers
    from segdex.cli.progress import progress

    with progress() as tell:
        found = answers.warmup(tell)
    show.warmup(found)

"""The commands that change an index, as its one writer, and the one that tells what changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

import segdex
from segdex.cli import show_changes as show
from segdex.cli.app import CHANGING, Json, app

if TYPE_CHECKING:
    from segdex.live.changes import Changes

Keys = Annotated[Path | None, Parameter(name="--keys", help="A file with one key a line, instead.")]


@app.command(group=CHANGING)
def apply(
    path: Path,
    file: str,  # as a path, nothing would be the working folder
    /,
    *,
    stream: str,
    source: str | None = None,
    offset: int | None = None,
    as_of: str | None = None,
    on_error: Literal["raise", "skip"] = "raise",
    json: Json = False,
) -> None:
    """Take in a table of new rows. They are on the disk when the command ends.

    ```
    segdex apply index/ --stream orders new.parquet --source shop --offset 1041
    segdex apply index/ --stream customers changed.csv --as-of 2026-07-01T00:00:00Z
    ```

    Parameters
    ----------
    path
        The folder of the index.
    file
        The table: Parquet, CSV or Arrow; a file, a folder or a pattern.
    stream
        The stream that the rows belong to; customers: attributes, by key.
    source
        Where the rows come from. With --offset, what was taken in already is known again and changes nothing.
    offset
        The position after the last row, greater than that of the table before.
    as_of
        Where the clock moves to, ISO 8601 with a zone; default: it stays.
    on_error
        What a bad row does: nothing is taken in (default), or it is left out and reported.
    """
    with segdex.open(path, read_only=False) as index:
        found = index.apply({stream: file}, source=source, offset=offset, as_of=as_of, on_error=on_error)
    show.applied(found, json)


@app.command(group=CHANGING)
def advance(path: Path, /, *, to: str, json: Json = False) -> None:
    """Move the clock: windows slide, and customers enter and leave segments without an event.

    ```
    segdex advance index/ --to 2026-07-01T00:00:00Z
    ```

    Parameters
    ----------
    path
        The folder of the index.
    to
        The new clock, ISO 8601 with a zone.
    """
    _change(path, lambda index: index.advance(to), json)


@app.command
def changes(path: Path, /, *, since: int, keys: bool = False, json: Json = False) -> None:
    """Tell who entered and left the tracked segments, generation by generation.

    ```
    segdex changes index/ --since 12
    segdex changes index/ --since 12 --keys --json
    ```

    Parameters
    ----------
    path
        The folder of the index.
    since
        The last generation that is known already.
    keys
        List the customers by key, and not only how many they are.
    """
    with segdex.open(path) as index:
        show.feed(index.changes(since), keys, json)


@app.command(group=CHANGING)
def define(
    path: Path,
    name: str,
    rule: str,
    /,
    *,
    tracked: bool = False,
    replace: bool = False,
    title: str | None = None,
    description: str | None = None,
    owner: str | None = None,
    suppression: tuple[str, ...] = (),
    json: Json = False,
) -> None:
    """Declare a segment: a rule with a name.

    ```
    segdex define index/ big "spend_1y > 1000" --tracked
    ```

    Parameters
    ----------
    path
        The folder of the index.
    name
        What rules call it.
    rule
        Its rule, in double quotes.
    tracked
        Tell with every change who entered and who left it.
    replace
        Give a segment that is there another rule.
    title
        What people call it.
    description
        What it is for.
    owner
        Whose it is.
    suppression
        Exports for this purpose leave its members out; may be given several times.
    """
    _change(
        path,
        lambda index: index.define(
            name, rule, tracked=tracked, replace=replace,
            title=title, description=description, owner=owner, suppression=suppression,
        ),
        json,
    )  # fmt: skip


@app.command(group=CHANGING)
def rename(path: Path, name: str, new: str, /, *, json: Json = False) -> None:
    """Call a segment, metric, band or stage otherwise; rules that use it follow.

    Parameters
    ----------
    path
        The folder of the index.
    name
        What it is called now.
    new
        What it is to be called.
    """
    _change(path, lambda index: index.rename(name, new), json)


@app.command(group=CHANGING)
def drop(path: Path, name: str, /, *, json: Json = False) -> None:
    """Take away a segment, metric, band or stage that nothing uses.

    Parameters
    ----------
    path
        The folder of the index.
    name
        What it is called.
    """
    _change(path, lambda index: index.drop(name), json)


@app.command(group=CHANGING)
def alter(path: Path, schema: Path, /, *, json: Json = False) -> None:
    """Have the metrics, bands, stages and segments that another schema declares, from the rows that are there.

    Parameters
    ----------
    path
        The folder of the index.
    schema
        The schema file; it must declare the same attributes, streams and lookups.
    """
    _change(path, lambda index: index.alter(schema), json)


@app.command(group=CHANGING)
def erase(path: Path, /, *key: str, keys: Keys = None, json: Json = False) -> None:
    """Forget customers: when the command ends, no file of the index holds anything of theirs.

    The whole index is written anew: give many keys at once.

    ```
    segdex erase index/ C-1041 C-2077
    segdex erase index/ --keys requests.txt
    ```

    Parameters
    ----------
    path
        The folder of the index.
    key
        Keys of customers.
    """
    show.erased(*_change_customers(path, segdex.Index.erase, key, keys), json)


@app.command(group=CHANGING)
def readmit(path: Path, /, *key: str, keys: Keys = None, json: Json = False) -> None:
    """Let erased customers come again: rows that arrive from now on are theirs.

    Parameters
    ----------
    path
        The folder of the index.
    key
        Keys of customers.
    """
    show.readmitted(*_change_customers(path, segdex.Index.readmit, key, keys), json)


@app.command(group=CHANGING)
def compact(path: Path, /, *, json: Json = False) -> None:
    """Fold everything that changed into a new base. Customers are numbered anew, in a new epoch.

    Parameters
    ----------
    path
        The folder of the index.
    """
    from segdex.cli.progress import progress

    with segdex.open(path, read_only=False) as index:
        with progress() as tell:
            index.compact(progress=tell)
        show.compacted(index, json)


def _change(path: Path, change: Callable[[segdex.Index], Changes], json: bool) -> None:
    """Do *change* as the index's writer, and show what it came to."""
    with segdex.open(path, read_only=False) as index:
        found = change(index)
    show.changed(found, json)


def _change_customers(
    path: Path, change: Callable[[segdex.Index, list[str]], Changes], key: tuple[str, ...], keys: Path | None
) -> tuple[Changes, int]:
    """Do *change* to the customers of the given keys; what it came to, and how many keys were given."""
    from segdex.cli import answers

    wanted = answers.keys(key, keys)
    with segdex.open(path, read_only=False) as index:
        return change(index, wanted), len(wanted)

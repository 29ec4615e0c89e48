"""What changed an index, as text for people or JSON for programs."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from rich.text import Text

from segdex.cli.show import as_json, left_out, moment, table, text

if TYPE_CHECKING:
    import pyarrow as pa

    from segdex.index import Index
    from segdex.live.changes import Changes


def applied(found: Changes, json: bool) -> None:
    """What a table of rows changed; on stderr the bad ones that were left out."""
    rejected = 0 if found.rejected is None else found.rejected.num_rows
    if found.rejected is not None:
        left_out(found.rejected, rejected)
    if json:
        as_json(_counted(found) | {"rejected": rejected, "dropped": found.dropped, "replayed": found.replayed})
        return
    if found.replayed:
        text(f"taken in before: nothing changed, generation {found.generation}")
        return
    _moved(found)
    if found.dropped:
        text(f"{found.dropped:,} rows of erased customers were dropped")


def changed(found: Changes, json: bool) -> None:
    """What anything else changed."""
    if json:
        as_json(_counted(found))
    else:
        _moved(found)


def feed(entries: Iterable[Changes], keys: bool, json: bool) -> None:
    """What each generation changed."""
    for entry in entries:
        if json:
            as_json(_told(entry) if keys else _counted(entry) | _marks(entry))
            continue
        _moved(entry)
        if entry.erased:
            text(f"{entry.erased:,} customers erased")
        if keys:
            rows = [(row["segment"], row["change"], str(row["key"])) for row in entry.to_arrow().to_pylist()]
            text(*([table(("segment", "change", "customer"), rows)] if rows else []))


def erased(found: Changes, wanted: int, json: bool) -> None:
    """How many customers were erased."""
    if json:
        as_json(_counted(found) | {"found": found.found})
    else:
        text(f"{found.found:,} of {wanted:,} were customers and are erased; generation {found.generation}")


def readmitted(found: Changes, wanted: int, json: bool) -> None:
    """How many customers may come again."""
    if json:
        as_json(_counted(found) | {"found": found.found})
    else:
        text(f"{found.found:,} of {wanted:,} had been erased and may come again; generation {found.generation}")


def compacted(index: Index, json: bool) -> None:
    """What came of folding."""
    if json:
        as_json({"generation": index.generation, "epoch": index.epoch, "customers": len(index)})
    else:
        text(f"{len(index):,} customers in one base, epoch {index.epoch}, generation {index.generation}")


def _moved(found: Changes) -> None:
    names = dict.fromkeys((*found.entered, *found.left))
    rows = [(len(found.entered.get(name, ())), len(found.left.get(name, ())), name) for name in names]
    text(
        f"generation {found.generation} as of {moment(found.as_of)}{'' if rows else ': nobody moved'}",
        *([table(("entered", "left", "segment"), rows)] if rows else []),
        *(Text(f"declared anew: {name}") for name in found.redefined),
    )
    sys.stdout.flush()


def _counted(found: Changes) -> dict[str, Any]:
    """The shape that all changes have in JSON."""

    def sizes(held: Mapping[str, pa.Array]) -> dict[str, int]:
        return {name: len(keys) for name, keys in held.items()}

    return {
        "generation": found.generation,
        "entered": sizes(found.entered),
        "left": sizes(found.left),
        "as_of": found.as_of,
    }


def _marks(found: Changes) -> dict[str, Any]:
    return {"redefined": found.redefined, "erased": found.erased}


def _told(found: Changes) -> dict[str, Any]:
    """The same with keys in the place of their numbers."""
    sides = {
        side: {name: keys.to_pylist() for name, keys in held.items()}
        for side, held in (("entered", found.entered), ("left", found.left))
    }
    return _counted(found) | sides | _marks(found)

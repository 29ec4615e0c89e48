"""The numbering of customers: like ones become neighbours, so that most chunks of most sets are all or nothing.

A chunk of which all or none are members costs a rule nothing. So customers are sorted by what rules ask about, what
changes slowly first: whoever moves in a later name stays among those who are alike in the earlier ones.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from segdex.bitmap.predicate import CHUNK
from segdex.events.renumber import renumbered
from segdex.events.store import Events
from segdex.ingest.keys import Numbering
from segdex.ingest.read import Tables
from segdex.metrics.bands import band
from segdex.rules.windows import Lifetime
from segdex.schema.catalog import Catalog
from segdex.schema.model import Band, Metric
from segdex.values.column import Column, Ints, Mask
from segdex.values.keys import keys_of

SMALL = 4 * CHUNK
"""Fewer customers keep the order of keys: in so few chunks most sets are mixed whatever the order."""
MOST_VALUES = 256
"""A category of more values is not taken by default: most of its groups would be far smaller than a chunk."""
MOST_LEADING = 4
"""So many categories and booleans are taken by default: further ones find groups smaller than a chunk."""
CLASSES = 16
"""Numbers are cut into so many classes of about equal size, so that the next name still matters within each."""
_QUANTILES = Band(metric="", quantiles=CLASSES, labels=tuple(map(str, range(CLASSES))))


def chosen(catalog: Catalog, tables: Tables) -> tuple[str, ...]:
    """The names that customers are ordered by: those that the schema lists, or by default

    1. how much a customer has ever done: the first count over the whole life, or else the first sum,
    2. the first categories and booleans of few values, as they are declared,
    3. how long ago it was: the first ``days_since``, which is other every day and therefore comes last.

    None, which leaves the order of keys, where there are too few customers for an order to show.
    """
    schema = catalog.schema
    if schema.customers.order is not None:
        return schema.customers.order
    customers = len(tables.keys) if tables.universe is None else int(np.count_nonzero(tables.universe))
    if customers < SMALL:
        return ()
    whole = [name for name, metric in schema.metrics.items() if _whole(metric)]
    of_kind = {kind: [name for name in whole if schema.metrics[name].kind in kinds] for kind, kinds in _KINDS.items()}
    few = [name for name, column in tables.attributes.items() if _few(column)]
    return (*(of_kind["counts"] or of_kind["sums"])[:1], *few[:MOST_LEADING], *of_kind["recency"][:1])


_KINDS = {"counts": ("count", "rows"), "sums": ("sum",), "recency": ("days_since",)}


def _whole(metric: Metric) -> bool:
    """Whether a metric looks at a whole stream."""
    plain = metric.where is None and metric.having is None and metric.by is None and metric.start is None
    return metric.stream is not None and isinstance(metric.window, Lifetime) and plain


def _few(column: Column) -> bool:
    values = 0 if column.dictionary is None else len(column.dictionary)
    return column.type.kind in ("category", "bool") and 2 <= values <= MOST_VALUES


def places_by(columns: list[Column], catalog: Catalog) -> Ints:
    """The present places of customers in the order of *columns*, the first first; ties stay as they are.

    The last column counts as it is, those before it by their classes; missing values come first.
    """
    *earlier, last = columns
    places = np.argsort(keys_of(last), kind="stable")
    for column in reversed(earlier):
        classes = _classes(column, catalog)
        places = places[np.argsort(classes[places], kind="stable")]
    return places


def _classes(column: Column, catalog: Catalog) -> npt.NDArray[np.signedinteger]:
    """The class of every customer's value: ascending numbers, -1 for a missing value."""
    if column.dictionary is None:
        banded = band(_QUANTILES, column, None, catalog.zone).values
        assert isinstance(banded, Column)
        column = banded
    classes = np.maximum(keys_of(column), -1)
    # Integers of 16 bits are sorted by their digits, in a tenth of the time.
    return classes.astype(np.int16) if classes.max(initial=0) < 1 << 15 else classes


def customers_first(places: Ints, universe: Mask | None) -> Ints:
    """*places* with those of *universe* (None: all) before the others, each in their order."""
    return places if universe is None else places[np.argsort(~universe[places], kind="stable")]


def moved(tables: Tables, places: Ints) -> Tables:
    """*tables* with the customer of place ``places[i]`` as dense id i; columns are taken out of the old ones.

    Args:
        tables: as they were read; empty afterwards, so that memory holds one column twice at a time.
        places: each place once.
    """
    keys = dataclasses.replace(tables.keys, numbering=Numbering.of(places))
    attributes = {name: tables.attributes.pop(name).take(places) for name in list(tables.attributes)}
    hidden = {name: column.take(places) for name, column in tables.hidden.items()}
    universe = None if tables.universe is None else tables.universe[places]
    events, graves = _moved(tables.events, places), _moved(tables.graves, places)
    return Tables(keys, attributes, events, tables.report, universe, tables.lookups, hidden, graves)


def _moved(streams: dict[str, Events], places: Ints) -> dict[str, Events]:
    """Streams with the customer of place ``places[i]`` as dense id i; they are taken out of the old ones."""
    events = {}
    for name in list(streams):
        held = streams.pop(name)
        fields = dict(held.fields)
        bare = dataclasses.replace(held, fields={})
        del held
        events[name] = renumbered(bare, places, fields)
    return events

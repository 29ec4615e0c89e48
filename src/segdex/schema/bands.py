"""Bands: edges in order and of the metric's type, one label each, and the type that they give."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Mapping
from decimal import Decimal
from zoneinfo import ZoneInfo

import msgspec

from segdex.errors import listed, nearest
from segdex.schema.model import Band, Edge
from segdex.schema.place import Spot, later, shown
from segdex.schema.types import ValueType

MOST_QUANTILES = 1_000


def settle(band: Band, types: Mapping[str, ValueType], zone: ZoneInfo, spot: Spot) -> Band:
    """*band* checked and written out: labels filled in, naive times made moments of UTC.

    Raises:
        SchemaError: the metric is unknown or has no intervals, edges do not ascend, labels do not fit them.
    """
    of = _metric(band.metric, types, spot.at("metric"))
    if (band.edges is None) == (band.quantiles is None):
        raise spot.fault("a band has either 'edges' or 'quantiles'")
    if band.edges is None:
        if of.family:
            raise spot.at("quantiles").fault(later("quantiles of a family"))
        labels = _quantiles(band, spot)
        return msgspec.structs.replace(band, labels=_labels(band, labels, spot))
    if band.among is not None:
        raise spot.at("among").fault("'among' belongs to 'quantiles': edges are the same for everyone")
    edges = _edges(band.edges, of, zone, spot.at("edges"))
    labels = tuple(default_labels(edges))
    return msgspec.structs.replace(band, edges=edges, labels=_labels(band, labels, spot))


def band_type(band: Band, types: Mapping[str, ValueType]) -> ValueType:
    """The type of a settled band: an ordered category, a family where its metric is one."""
    return ValueType("category", order=band.labels, family=types[band.metric].family, role="band")


def default_labels(edges: tuple[Edge, ...]) -> list[str]:
    """Labels made of the edges.

    >>> default_labels((Decimal("0.2"), Decimal("0.5")))
    ['..0.2', '0.2..0.5', '0.5..']
    """
    texts = ["", *map(_edge_text, edges), ""]
    return [f"{low}..{high}" for low, high in itertools.pairwise(texts)]


def _edge_text(edge: Edge) -> str:
    if isinstance(edge, dt.datetime):
        return edge.isoformat().replace("+00:00", "Z")
    return edge.isoformat() if isinstance(edge, dt.date) else format(edge, "f")


def _metric(name: str, types: Mapping[str, ValueType], spot: Spot) -> ValueType:
    known = [each for each, kind in types.items() if kind.role in ("metric", "attribute", "label")]
    if name not in known:
        raise spot.fault("unknown metric", found=shown(name), allowed=listed(known), hint=nearest(name, known))
    kind = types[name].kind
    if kind not in ("number", "integer", "date", "time"):
        raise spot.fault("has no intervals", found=f"{name!r} of type {kind}", allowed="a number, a date or a time")
    return types[name]


def _quantiles(band: Band, spot: Spot) -> tuple[str, ...]:
    count = band.quantiles or 0
    if not 2 <= count <= MOST_QUANTILES:
        raise spot.at("quantiles").fault("out of range", found=str(count), allowed=f"2 to {MOST_QUANTILES}")
    return tuple(str(number) for number in range(1, count + 1))


def _edges(edges: tuple[Edge, ...], of: ValueType, zone: ZoneInfo, spot: Spot) -> tuple[Edge, ...]:
    if not edges:
        raise spot.fault("no edges", allowed="at least one")
    settled = tuple(_edge(edge, of, zone, spot.at(position)) for position, edge in enumerate(edges))
    places = [_moment(edge, zone) if of.kind == "time" else edge for edge in settled]
    for position, (low, high) in enumerate(itertools.pairwise(places), start=1):
        if not low < high:  # type: ignore[operator]
            found = f"{_edge_text(settled[position - 1])} and then {_edge_text(settled[position])}"
            raise spot.at(position).fault(
                "edges do not ascend", found=found, allowed="each greater than the one before"
            )
    return settled


def _edge(edge: Edge, of: ValueType, zone: ZoneInfo, spot: Spot) -> Edge:
    """One edge, of the type of its metric; a date among times stays one and means its local midnight."""
    allowed = {"date": "dates", "time": "times and dates"}.get(of.kind, "numbers")
    fits = {
        "numbers": isinstance(edge, Decimal),
        "dates": isinstance(edge, dt.date) and not isinstance(edge, dt.datetime),
        "times and dates": isinstance(edge, dt.date),
    }[allowed]
    if not fits:
        raise spot.fault("not the type of the metric", found=_edge_text(edge), allowed=allowed)
    if isinstance(edge, dt.date) and of.kind == "time":
        try:
            moment = _moment(edge, zone)
        except OverflowError:
            raise spot.fault("a time is out of range", found=_edge_text(edge)) from None
        return moment if isinstance(edge, dt.datetime) else edge
    return edge


def _moment(edge: Edge, zone: ZoneInfo) -> dt.datetime:
    """The moment of an edge over times: of a date its local midnight, of a naive time the local one.

    A local time that does not exist moves forward, a double one is the earlier: both are what fold = 0 gives.
    """
    assert isinstance(edge, dt.date)
    if not isinstance(edge, dt.datetime):
        edge = dt.datetime(edge.year, edge.month, edge.day)
    return (edge if edge.tzinfo is not None else edge.replace(tzinfo=zone)).astimezone(dt.UTC)


def _labels(band: Band, default: tuple[str, ...], spot: Spot) -> tuple[str, ...]:
    if band.labels is None:
        return default
    if len(band.labels) != len(default):
        found, allowed = f"{len(band.labels)} labels", f"{len(default)}, one for each interval"
        raise spot.at("labels").fault("the wrong number of labels", found=found, allowed=allowed)
    if len(set(band.labels)) < len(band.labels):
        raise spot.at("labels").fault("a label stands twice", found=", ".join(band.labels))
    return band.labels

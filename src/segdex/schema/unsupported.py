"""Parts of a schema that can be written down but not yet be answered: refused by name, never passed over."""

from __future__ import annotations

from collections.abc import Iterator

from segdex.schema.model import Customers, Schema, Stream
from segdex.schema.place import Spot, later

_CUSTOMERS = ("name", "priority")
_STREAM = ("retain",)


def refuse_unsupported(schema: Schema, root: Spot) -> None:
    """Raise for the first part that a later version brings.

    Raises:
        SchemaError: there is one.
    """
    for spot, what in _found(schema, root):
        raise spot.fault(later(what))


def _found(schema: Schema, root: Spot) -> Iterator[tuple[Spot, str]]:
    if schema.identities is not None:
        yield root.at("identities"), "merging identities"
    yield from _customers(schema.customers, root.at("customers"))
    for name, stream in schema.streams.items():
        yield from _stream(stream, root.at("streams", name))


def _customers(customers: Customers, spot: Spot) -> Iterator[tuple[Spot, str]]:
    for key in _CUSTOMERS:
        if getattr(customers, key) is not None:
            yield spot.at(key), f"{key!r} of customers"


def _stream(stream: Stream, spot: Spot) -> Iterator[tuple[Spot, str]]:
    for key in _STREAM:
        if getattr(stream, key) is not None:
            yield spot.at(key), f"{key!r} of a stream"

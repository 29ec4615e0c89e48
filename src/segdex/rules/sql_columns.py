"""What is known of the columns of a table, for the SQL form of a rule over it."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Sequence
from typing import Literal, Protocol, TypeAlias

from segdex.errors import RuleError
from segdex.rules import nodes
from segdex.rules.numeric_sql import HINT, Number
from segdex.rules.printer import value_to_text
from segdex.rules.words import quoted

Kind: TypeAlias = Literal["number", "date", "time", "text", "id", "bool", "tags"]
Reference: TypeAlias = nodes.Name | nodes.Item | nodes.Bucket | nodes.Segment


@dataclasses.dataclass(frozen=True, slots=True)
class Stored:
    """A column of the table.

    Attributes:
        title: its name there.
        kind: how it compares: ``id`` is an id of integers, one of strings is ``text``; None: nobody knows.
        number: of a number, how it is kept.
        order: the labels of an ordered category, least first.
        kept: a string of a rule as the column would keep it.
    """

    title: str
    kind: Kind | None = None
    number: Number | None = None
    order: tuple[str, ...] | None = None
    kept: Callable[[str], str] = str

    @property
    def sql(self) -> str:
        """The title as SQL writes it."""
        return quoted(self.title)


class Columns(Protocol):
    """What is known of a table's columns, and of the index that they come from."""

    @property
    def titles(self) -> tuple[str, ...]:
        """What is titled in the table anyway: the key."""
        ...

    @property
    def zone(self) -> str | None:
        """The name of the schema's time zone; None: times have the dates of the session's zone."""
        ...

    def stored(self, node: Reference) -> Stored:
        """The column of a name, category, bucket or segment."""
        ...

    def today(self) -> dt.date:
        """The local date of the index's clock."""
        ...

    def local_date(self, moment: dt.datetime) -> dt.date | None:
        """The local date of a moment; None where the zone is not known."""
        ...

    def expanded(self, rule: nodes.Rule, variable: str | None) -> Sequence[nodes.Rule]:
        """*rule* once for each category that *variable* (None: every ``[any]``) may be."""
        ...


class Unknown:
    """Columns of which nothing is known but what the rule's text says."""

    titles: tuple[str, ...] = ()
    zone: str | None = None

    def stored(self, node: Reference) -> Stored:
        """The column, of a type that nobody knows."""
        return Stored(argument_of(node))

    def today(self) -> dt.date:
        """Raises: there is no clock."""
        raise RuleError("today depends on an index's clock", hint=HINT)

    def local_date(self, _moment: dt.datetime) -> dt.date | None:
        """None: the zone is that of the session."""
        return None

    def expanded(self, _rule: nodes.Rule, _variable: str | None) -> Sequence[nodes.Rule]:
        """Raises: which categories there are the data says."""
        raise RuleError("'any' ranges over the categories of an index", hint=HINT)


def argument_of(node: Reference) -> str:
    """What `segdex.Index.members` takes among its columns to give *node*."""
    return node.name if isinstance(node, nodes.Name | nodes.Segment) else value_to_text(node)

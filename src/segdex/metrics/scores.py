"""Scores: points for the transactions of several streams, halved with their age."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from segdex.errors import LimitError
from segdex.events.store import Events
from segdex.metrics import families, kernels_score, kernels_sum, kernels_transactions
from segdex.metrics.families import Customers
from segdex.metrics.select import Group, of_customers, of_pairs, shared_blocks
from segdex.metrics.source import Source
from segdex.schema.metrics import whole_points
from segdex.schema.model import Metric
from segdex.spread import spread
from segdex.values.column import Codes, Column, Floats, Ints
from segdex.values.family import Family

_CUSTOMER = 0xFFFFFFFF


@dataclasses.dataclass(frozen=True, slots=True)
class _Counted:
    """What counts of one term in one block.

    Attributes:
        transactions: by group.
        lists: which list each group is added to, shape (groups,).
        points: of each transaction, in whole steps.
    """

    transactions: Group
    lists: Ints
    points: int


def compute(metric: Metric, source: Source) -> Column | Family:
    """The score of every customer; where the terms have ``by``, of every category too.

    With a half-life it is S × 0.5^((clock - E) / half_life), E being the time of the latest transaction that counts and
    S the sum, in order of (time, points), of points × 0.5^((E - time) / half_life) as float64. Without one it is the
    exact sum of points as float64.

    Raises:
        LimitError: a sum of points leaves the range of 64 bits.
    """
    score, of = _Score(metric, source), source.catalog.metric_type(metric)
    if not of.family:
        return Column(of, np.concatenate(spread(lambda block: score.of_customers(block[1]), score.blocks())))
    names = [score.categories(term) for term in score.terms]
    categories = families.united(*names)
    places = [families.places_in(each, categories) for each in names]
    pairs = spread(lambda block: score.of_pairs(*block, places), score.blocks())
    return families.gathered(pairs, categories, Column(of, pairs[0][2]), 0.0)


class _Score:
    """A score over blocks of customers.

    Attributes:
        terms: what each term counts, as metrics.
    """

    def __init__(self, metric: Metric, source: Source) -> None:
        assert metric.terms is not None
        self.terms = [
            Metric(kind="count", stream=term.stream, window=metric.window, where=term.where, by=term.by or metric.by)
            for term in metric.terms
        ]
        self._points, scale = whole_points(metric.terms)
        self._unit = float(10**scale)
        self._half_life = None if metric.half_life is None else metric.half_life.fixed_microseconds
        self._source = source

    def categories(self, term: Metric) -> pa.LargeStringArray:
        """The categories of one term's field."""
        return self._events(term).fields[term.by or ""].dictionary

    def _events(self, term: Metric) -> Events:
        return self._source.events[term.stream or ""]

    def blocks(self) -> list[tuple[int, list[Events]]]:
        """The first customer of each block, and the rows of each term's stream."""
        return list(shared_blocks([self._events(term) for term in self.terms]))

    def of_customers(self, parts: Sequence[Events]) -> Floats:
        """The scores of one block's customers."""
        everyone = np.arange(len(parts[0].offsets) - 1)
        counted = [
            _Counted(of_customers(term, self._source, part).transactions, everyone, points)
            for term, part, points in zip(self.terms, parts, self._points, strict=True)
        ]
        return self._scores(counted, len(everyone))

    def of_pairs(self, first: int, parts: Sequence[Events], places: Sequence[Ints]) -> tuple[Codes, Customers, Floats]:
        """The scores of one block's pairs, by category, then by customer.

        Args:
            first: the first customer of the block.
            parts: the rows of each term's stream.
            places: for each term where each of its categories stands among those of all terms.
        """
        found = [of_pairs(term, self._source, part) for term, part in zip(self.terms, parts, strict=True)]
        own = [(place[codes] << 32) | customers for (_, codes, customers), place in zip(found, places, strict=True)]
        pairs = families.merged(own)
        counted = [
            _Counted(selected.transactions, np.searchsorted(pairs, keys), points)
            for (selected, _, _), keys, points in zip(found, own, self._points, strict=True)
        ]
        scores = self._scores(counted, len(pairs))
        customers = (pairs & _CUSTOMER).astype(np.uint32) + np.uint32(first)
        return (pairs >> 32).astype(np.int32), customers, scores

    def _scores(self, terms: Sequence[_Counted], lists: int) -> Floats:
        """One score a list: the transactions of all terms are brought together and their points summed."""
        offsets = np.zeros(lists + 1, np.int64)
        for term in terms:
            found = np.empty(len(term.lists), np.int64)
            kernels_transactions.count_inside(term.transactions.offsets, term.transactions.inside, found)
            offsets[1 + term.lists] += found
        np.cumsum(offsets, out=offsets)
        ends, total = offsets[:-1].copy(), int(offsets[-1])
        times, points = np.empty(total, np.int64), np.empty(total, np.int64)
        for term in terms:
            held = term.transactions
            kernels_score.list_term(held.offsets, held.inside, held.time, term.points, term.lists, ends, times, points)
        if self._half_life is None:
            return summed(offsets, points) / self._unit
        scores, half_life, now = np.empty(lists), float(self._half_life), self._source.as_of
        kernels_score.decayed(offsets, times, points, self._unit, now, half_life, 0.5, scores)
        return scores


def summed(offsets: Ints, points: Ints) -> Ints:
    """The exact sum of each list of points.

    Raises:
        LimitError: it leaves the range of 64 bits.
    """
    totals, known = np.zeros(len(offsets) - 1, np.int64), np.empty(len(offsets) - 1, np.int64)
    if kernels_sum.sum_ints(offsets, np.ones(len(points), np.bool_), points, totals, known) >= 0:
        raise LimitError(
            "a sum of points leaves the range of 64-bit integers", hint="give the terms points of fewer digits"
        )
    return totals

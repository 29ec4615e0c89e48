"""The probability that a customer is still active, by the BG/NBD model.

P. S. Fader, B. G. S. Hardie and K. L. Lee: "Counting Your Customers" the Easy Way: An Alternative to the Pareto/NBD
Model, Marketing Science 24 (2005), 275-284. Customers buy at rates that follow a gamma distribution (*r*, *alpha*),
and become inactive after a purchase with probabilities that follow a beta distribution (*a*, *b*). Of each customer
three numbers count: x, the number of days with a purchase after the first one; t_x, from the first to the last of
them; T, from the first until now.
"""

from __future__ import annotations

import dataclasses
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from segdex.errors import LimitError, SchemaError
from segdex.metrics import kernels_alive, kernels_values
from segdex.metrics.minimum import Function, minimum
from segdex.metrics.select import Selected, by_block
from segdex.metrics.source import Source
from segdex.rules.windows import Duration
from segdex.schema.model import Metric
from segdex.values import clock
from segdex.values.column import Floats, Ints

Parameters: TypeAlias = tuple[float, float, float, float]
"""r, alpha, a, b; alpha in units of *per*."""

WEEK = Duration(1, "w")
REACH = 1e4
"""Parameters are looked for from 1 / REACH to REACH, alpha in mean ages of the customers.

The likelihood of data in which all customers are alike, or none ever leaves, rises without end towards parameters that
are infinite or 0; so far out P(alive) has long come to rest.
"""
MOST_GROUPS = 1 << 15
"""Of more groups a sample is looked at first, from whose parameters it is few steps to those of all."""
_EPOCH = 719163  # date(1970, 1, 1).toordinal()
_Days: TypeAlias = npt.NDArray[np.int32]


@dataclasses.dataclass(frozen=True, slots=True)
class Histories:
    """When customers bought, in local days since 1970; each of shape (customers,).

    Attributes:
        days: on how many different days.
        first, last: the earliest and the latest of them; anything where there is none.
    """

    days: _Days
    first: _Days
    last: _Days


def p_alive(metric: Metric, source: Source, fitted: Parameters | None = None) -> tuple[Floats, Parameters | None]:
    """P(alive) of every customer, missing where there is no transaction, and the parameters if they are fitted ones.

    Where nobody has a transaction there is nothing to fit and no need for it.

    Args:
        metric: which transactions count, and the parameters or up to when to fit them.
        source: the data.
        fitted: parameters of an earlier build to be used again in place of fitting.

    Raises:
        SchemaError: parameters are to be fitted, and the transactions do not tell them.
    """
    today = clock.today(source.as_of, source.catalog.zone)
    known = _histories(metric, source, today)
    per, stated = days_of(metric.per or WEEK), given(metric)
    if stated is not None:
        fitted = None
    elif fitted is None and _of_customers(known, source).days.any():
        end = today if metric.end is None else min(today, metric.end.toordinal() - _EPOCH)
        fitted = fit(_of_customers(known if end == today else _histories(metric, source, end), source), end, per)
    values, parameters = np.full(source.count, np.nan), stated or fitted
    if parameters is not None:
        kernels_alive.alive(known.days, known.first, known.last, today, per, np.array(parameters), values)
    return values, fitted


def given(metric: Metric) -> Parameters | None:
    """The parameters that *metric* states, all four of them; None where they are to be fitted."""
    if metric.r is None or metric.alpha is None or metric.a is None or metric.b is None:
        return None
    return metric.r, metric.alpha, metric.a, metric.b


def days_of(per: Duration) -> float:
    """How many days of 24 hours a unit of time has."""
    assert per.fixed_microseconds is not None
    return per.fixed_microseconds / clock.DAY


def _histories(metric: Metric, source: Source, until: int) -> Histories:
    """When customers bought up to the local day *until*, included."""

    def of_block(selected: Selected) -> tuple[_Days, _Days, _Days]:
        group = selected.transactions
        days = clock.local_days(group.time, selected.zone)
        inside = group.inside & (days <= until)
        found, first, last = (np.empty(selected.groups, np.int64) for _ in range(3))
        kernels_values.distinct(group.offsets, inside, days, found)
        kernels_values.ends(group.offsets, inside, days, first, last)
        none = found == 0
        first[none] = last[none] = 0
        return found.astype(np.int32), first.astype(np.int32), last.astype(np.int32)

    parts = by_block(metric, source, of_block)
    return Histories(*(np.concatenate([part[at] for part in parts]) for at in range(3)))


def _of_customers(histories: Histories, source: Source) -> Histories:
    """*histories* in which only customers bought."""
    if source.universe is None:
        return histories
    return dataclasses.replace(histories, days=np.where(source.universe(), histories.days, np.int32(0)))


# --- fitting ---------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True)
class Groups:
    """Customers who are alike to the model, with how many there are; ascending by repeats, recency, age, in days."""

    repeats: Ints
    recency: Ints
    age: Ints
    customers: Ints

    def every(self, step: int) -> Groups:
        """One of *step* groups."""
        parts = (self.repeats, self.recency, self.age, self.customers)
        return Groups(*(np.ascontiguousarray(part[::step]) for part in parts))


def fit(histories: Histories, end: int, per: float) -> Parameters:
    """The parameters under which what was bought up to the day *end* is most likely.

    Args:
        histories: up to that day, included.
        end: the day at which ages end.
        per: days of a unit of time.

    Raises:
        SchemaError: nobody bought on a second day, or there are no two customers; or no maximum was found.
    """
    groups = grouped(histories, end)
    total = int(groups.customers.sum())
    again = int(groups.customers[groups.repeats > 0].sum())
    hint = "give r, alpha, a and b, for example from a longer history"
    if total < 2 or again == 0:
        counts = f"{total:,} customers with a transaction, {again:,} with transactions on two days"
        raise SchemaError("there is too little to fit a model of returning customers to", found=counts, hint=hint)
    age = float((groups.age * groups.customers).sum()) / total / per
    start, inverse = np.log(np.array([1.0, age, 1.0, 1.0])), None
    low, high = start - np.log(REACH), start + np.log(REACH)
    if len(groups.age) > MOST_GROUPS:
        sample = groups.every(-(-len(groups.age) // MOST_GROUPS))
        near = minimum(_unlikeliness(sample, per), start, low, high)
        start, inverse = (start, None) if near is None else near
    found = minimum(_unlikeliness(groups, per), start, low, high, inverse)
    if found is None:
        raise SchemaError("the parameters of the model could not be fitted", found="no maximum", hint=hint)
    r, alpha, a, b = np.exp(found.point).tolist()
    return r, alpha, a, b


def _unlikeliness(groups: Groups, per: float) -> Function:
    """The negative log-likelihood of a customer, on average, by the logarithms of the parameters."""
    total = int(groups.customers.sum())

    def function(at: Floats) -> tuple[float, Floats]:
        parameters = np.exp(at)
        value, slope = log_likelihood(groups, per, parameters)
        return -value / total, -slope * parameters / total

    return function


def log_likelihood(groups: Groups, per: float, parameters: Floats) -> tuple[float, Floats]:
    """The log-likelihood of all customers, and its slope by each parameter."""
    slope = np.empty(4)
    held = (groups.repeats, groups.recency, groups.age, groups.customers)
    return kernels_alive.log_likelihood(*held, per, parameters, slope), slope


def grouped(histories: Histories, end: int) -> Groups:
    """The customers with a transaction, alike ones together.

    Raises:
        LimitError: a history of more than five thousand years.
    """
    there = histories.days > 0
    first = histories.first[there].astype(np.int64)
    age, recency, repeats = end - first, histories.last[there] - first, histories.days[there].astype(np.int64) - 1
    base = int(age.max(initial=0)) + 1  # neither of the others is greater
    if base**3 >= 2**63:
        raise LimitError("a history is too long for a model of returning customers", found=f"{base:,} days")
    keys, customers = np.unique((repeats * base + recency) * base + age, return_counts=True)
    return Groups(keys // base // base, keys // base % base, keys % base, customers.astype(np.int64))

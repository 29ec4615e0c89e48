"""The hidden customers of the generated retailer, and the chance that their rows come from.

Behind every customer stand a few numbers that no table shows: how active (gamma with a long tail), how loyal, a
favourite department, thrift, engagement with e-mail, the day of sign-up and the day the customer fell silent.
Everything follows from them, so what goes together in a shop goes together here.
"""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
from collections.abc import Sequence
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from segdex.demo import kernels_retailer as kernels

Ints: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]
Bools: TypeAlias = npt.NDArray[np.bool_]
T = TypeVar("T", bound=np.generic)

AS_OF = dt.datetime(2026, 6, 30, 9, 30, tzinfo=dt.UTC)
"""The clock of the generated data; a little of it is later."""
FIRST_DAY = dt.date(2020, 7, 1)
LAST = (AS_OF.date() - FIRST_DAY).days
"""The day of the clock; days are numbered from `FIRST_DAY`."""
DEPARTMENTS = (
    "womens", "mens", "kids", "shoes", "home", "garden", "beauty", "sports", "books", "toys", "electronics", "food",
)  # fmt: skip
_POPULAR = (20, 11, 8, 12, 11, 4, 9, 7, 5, 4, 5, 4)
_AHEAD = 20
_HOURS = (0, 0, 0, 0, 0, 0, 1, 2, 4, 6, 8, 9, 10, 9, 8, 8, 9, 11, 12, 13, 12, 9, 5, 2)
_MOST = 4_000
"""Rows of one customer in one stream."""


def uniforms(seed: int, name: str, ids: Ints) -> Floats:
    """A number in (0, 1) for each id; *name* says what for."""
    found = np.empty(len(ids))
    with np.errstate(over="ignore"):  # hashing wraps around; only the uncompiled kernels tell
        kernels.uniforms(_key(seed, name), ids, found)
    return found


def pick(uniform: Floats, weights: Sequence[float]) -> Ints:
    """An index of *weights*, in proportion to them, for each number in (0, 1)."""
    edges = np.cumsum(np.array(weights, np.float64))
    return np.searchsorted(edges[:-1] / edges[-1], uniform, side="right").astype(np.int64)


def whole(values: npt.NDArray[Any]) -> Ints:
    """Numbers cut to whole ones."""
    return values.astype(np.int64)


class People:
    """One block of customers: their ids (1 and up) and the numbers behind them, shape (customers,) each."""

    def __init__(self, ids: Ints, seed: int) -> None:
        self.ids = ids
        self.seed = seed
        bell = -2.0 * np.log(self.uniform("radius")) * np.cos(2 * np.pi * self.uniform("angle")) ** 2
        self.loyalty = self.uniform("loyalty")
        self.thrift = self.uniform("thrift") ** 2
        # A squared normal is gamma distributed with shape 1/2: most buy little, a few buy very much.
        bell = (0.15 + 0.85 * bell) * (0.4 + 1.2 * self.loyalty)
        self.activity = np.where(self.uniform("silent") < 0.15, 0.0, bell)
        self.since = whole(LAST * self.uniform("since") ** 0.7)
        stays = -np.log(self.uniform("stays")) * (180 + 1500 * self.loyalty**2)
        last = np.where(self.uniform("ahead") < 0.01, LAST + _AHEAD, LAST)
        self.until = np.minimum(self.since + whole(stays), last)
        self.favourite = pick(self.uniform("favourite"), _POPULAR)
        warmth = self.activity / (1 + self.activity)
        self.engagement = 0.04 + 0.7 * self.uniform("engagement") * (0.35 + 0.65 * warmth)

    @property
    def years(self) -> Floats:
        """How long each customer was active."""
        return np.asarray((self.until - self.since + 1) / 365.0, np.float64)

    @property
    def listed(self) -> Bools:
        """Who is in the table of customers; the others are known only by what they put into carts."""
        return self.uniform("listed") >= 0.002

    @property
    def consent(self) -> Bools:
        """Who agreed to e-mails, asked or not."""
        return self.uniform("consent") < 0.7

    def uniform(self, name: str) -> Floats:
        """One number in (0, 1) a customer."""
        return uniforms(self.seed, name, self.ids)

    def counts(self, name: str, rates: Floats) -> Ints:
        """A Poisson number of each rate."""
        found = np.empty(len(self.ids), np.int64)
        with np.errstate(over="ignore"):
            kernels.poissons(_key(self.seed, name), self.ids, np.ascontiguousarray(rates), found)
        return np.minimum(found, _MOST)


class Rows:
    """Rows of a block of customers.

    Attributes:
        owner: the position of each row's customer in the block.
        ids: numbers that identify the rows in the whole retailer.
    """

    def __init__(self, people: People, name: str, owner: Ints, ids: Ints) -> None:
        self.people = people
        self.name = name
        self.owner = owner
        self.ids = ids

    @classmethod
    def of_people(cls, people: People, name: str, rates: Floats, least: Ints | int = 0) -> Rows:
        """A Poisson number of rows for each customer, or *least* if that is more."""
        counts = np.maximum(people.counts(name, rates), least)
        owner, within = _spread(counts)
        return cls(people, name, owner, people.ids[owner] * (_MOST + 96) + within)

    def parts(self, name: str, sizes: Ints) -> tuple[Rows, Ints]:
        """*sizes* rows for each of these rows, at most 64, and which of these rows each belongs to."""
        whose, within = _spread(np.minimum(sizes, 64))
        return Rows(self.people, name, self.owner[whose], self.ids[whose] * 64 + within), whose

    def __len__(self) -> int:
        return len(self.owner)

    def of(self, hidden: npt.NDArray[T]) -> npt.NDArray[T]:
        """A number of the customers, for each row."""
        return hidden[self.owner]

    def uniform(self, name: str) -> Floats:
        """One number in (0, 1) a row."""
        return uniforms(self.people.seed, f"{self.name} {name}", self.ids)

    def seconds(self, until: Ints | None = None) -> Ints:
        """When each row happened, in seconds since the first day; *until* is the last day of each customer."""
        found = np.empty(len(self), np.int64)
        hour_ends = np.cumsum(np.array(_HOURS, np.float64)) / sum(_HOURS)
        last = self.of(self.people.until if until is None else until)
        key = _key(self.people.seed, f"{self.name} time")
        with np.errstate(over="ignore"):
            kernels.moments(key, self.ids, self.of(self.people.since), last, _day_weights(), hour_ends, found)
        return found

    def department(self) -> Ints:
        """The customer's favourite department, the more often the more loyal; else one by popularity."""
        by_habit = self.uniform("habit") < 0.25 + 0.5 * self.of(self.people.loyalty)
        return np.where(by_habit, self.of(self.people.favourite), pick(self.uniform("department"), _POPULAR))


def _key(seed: int, name: str) -> int:
    """What a random number is for, as a number of 63 bits."""
    digest = hashlib.blake2b(f"{seed} {name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def _spread(counts: Ints) -> tuple[Ints, Ints]:
    """For each of ``sum(counts)`` rows, the position that it belongs to and its number there."""
    owner = np.repeat(np.arange(len(counts)), counts)
    return owner, np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)


@functools.cache
def _day_weights() -> Floats:
    """How busy each day is, in (0, 1]: weekends, the weeks before Christmas, summer sales, slow growth."""
    days = np.arange(LAST + _AHEAD + 1)
    dates = np.datetime64(FIRST_DAY) + days
    year_day = (dates - dates.astype("datetime64[Y]")).astype(np.int64)
    week = np.array([0.6, 0.55, 0.6, 0.7, 0.85, 1.0, 0.8])[(days + FIRST_DAY.weekday()) % 7]
    christmas = np.exp(-(((year_day - 345) / 14.0) ** 2))
    summer = 0.5 * np.exp(-(((year_day - 185) / 20.0) ** 2))
    return np.asarray(week * (0.4 + 0.1 * days / len(days) + 0.5 * np.maximum(christmas, summer)), np.float64)

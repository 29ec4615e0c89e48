"""The BG/NBD model as its paper writes it (Fader, Hardie and Lee, 2005), one customer at a time, with plain powers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence


def p_alive(parameters: Sequence[float], x: int, t_x: float, age: float) -> float:
    """The probability that a customer with x repeat purchases is active at *age*."""
    r, alpha, a, b = parameters
    if x == 0:
        return 1.0
    return 1 / (1 + a / (b + x - 1) * ((alpha + age) / (alpha + t_x)) ** (r + x))


def likelihood(parameters: Sequence[float], x: int, t_x: float, age: float) -> float:
    """L(r, alpha, a, b | x, t_x, T), equation 6."""
    r, alpha, a, b = parameters
    gamma = math.gamma(r + x) * alpha**r / math.gamma(r)
    active = _beta(a, b + x) / _beta(a, b) * gamma / (alpha + age) ** (r + x)
    if x == 0:
        return active
    return active + _beta(a + 1, b + x - 1) / _beta(a, b) * gamma / (alpha + t_x) ** (r + x)


def log_likelihood(parameters: Sequence[float], customers: Iterable[tuple[int, float, float]]) -> float:
    """The sum of the logarithms over (x, t_x, T) of all customers."""
    return math.fsum(math.log(likelihood(parameters, *customer)) for customer in customers)


def _beta(a: float, b: float) -> float:
    return math.gamma(a) * math.gamma(b) / math.gamma(a + b)


def history(days: Iterable[int], until: int, per: float) -> tuple[int, float, float] | None:
    """x, t_x and T of one customer from the days on which it bought, up to the day *until*; None without any."""
    held = sorted({day for day in days if day <= until})
    if not held:
        return None
    return len(held) - 1, (held[-1] - held[0]) / per, (until - held[0]) / per

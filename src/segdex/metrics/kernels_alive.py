"""Kernels of the BG/NBD model (Fader, Hardie and Lee, 2005, see `alive`): its log-likelihood, and P(alive)."""

from __future__ import annotations

import math
from typing import Any

from segdex.jit import helper, kernel


@helper
def among(r: float, alpha: float, x: int, time: float) -> tuple[float, float, float]:
    """ln (alpha^r / (alpha + time)^(r + x)) and its slopes by r and alpha, without differences of large numbers."""
    ratio = math.log1p(time / alpha)
    value = -r * ratio - x * math.log(alpha + time)
    return value, -ratio, (r * time - x * alpha) / (alpha * (alpha + time))


@kernel("f8(i8[:], i8[:], i8[:], i8[:], f8, f8[:], OUT f8[:])")
def log_likelihood(repeats: Any, recency: Any, age: Any, weight: Any, per: float, parameters: Any, slope: Any) -> float:
    """The sum of ln L(r, alpha, a, b | x, t_x, T) over groups of alike customers, eq. 6 of the paper.

    Quotients of gamma functions become products, Γ(r + x) / Γ(r) = r (r + 1) … (r + x - 1), which grow with x from
    group to group: *repeats* ascend. What is left for customers still active, (alpha + T)^-(r + x), and for the
    others, a / (b + x - 1) (alpha + t_x)^-(r + x), is added as logarithms. *recency* and *age* are in days, *per* of
    which are a unit of time; *weight* says how many customers each group has. *slope* becomes the derivative by each
    of the four parameters.
    """
    r, alpha, a, b = parameters[0], parameters[1], parameters[2], parameters[3]
    total = by_r = by_alpha = by_a = by_b = 0.0
    product = product_r = product_a = product_b = 0.0
    done = 0
    for i in range(len(weight)):
        x = repeats[i]
        while done < x:
            product += math.log((r + done) * (b + done) / (a + b + done))
            product_r += 1.0 / (r + done)
            product_a -= 1.0 / (a + b + done)
            product_b += a / ((b + done) * (a + b + done))
            done += 1
        both, slope_r, slope_alpha = among(r, alpha, x, age[i] / per)
        slope_a, slope_b = product_a, product_b
        if x > 0:
            gone, gone_r, gone_alpha = among(r, alpha, x, recency[i] / per)
            gone += math.log(a) - math.log(b + x - 1)
            most = max(both, gone)
            share = most + math.log(math.exp(both - most) + math.exp(gone - most))
            both, share = share, math.exp(gone - share)  # the part of those who have become inactive
            slope_r += share * (gone_r - slope_r)
            slope_alpha += share * (gone_alpha - slope_alpha)
            slope_a += share / a
            slope_b -= share / (b + x - 1)
        total += weight[i] * (product + both)
        by_r += weight[i] * (product_r + slope_r)
        by_alpha += weight[i] * slope_alpha
        by_a += weight[i] * slope_a
        by_b += weight[i] * slope_b
    slope[0], slope[1], slope[2], slope[3] = by_r, by_alpha, by_a, by_b
    return total


@kernel("void(i4[:], i4[:], i4[:], i8, f8, f8[:], OUT f8[:])")
def alive(days: Any, first: Any, last: Any, today: int, per: float, parameters: Any, out: Any) -> None:
    """P(alive | x, t_x, T) of customers who bought on so many *days* from *first* to *last*; missing where on none.

    1 / (1 + a / (b + x - 1) ((alpha + T) / (alpha + t_x))^(r + x)), by the logarithm of what is added to 1; with x = 0
    it is 1: in this model customers become inactive only after a purchase that is not their first.
    """
    r, alpha, a, b = parameters[0], parameters[1], parameters[2], parameters[3]
    for i in range(len(out)):
        out[i] = math.nan if days[i] == 0 else 1.0
        if days[i] > 1:
            x, recency, since = days[i] - 1, (last[i] - first[i]) / per, (today - last[i]) / per
            odds = math.log(a) - math.log(b + x - 1) + (r + x) * math.log1p(since / (alpha + recency))
            less = math.exp(-abs(odds))
            out[i] = less / (1.0 + less) if odds > 0 else 1.0 / (1.0 + less)

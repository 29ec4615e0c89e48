"""Two kinds of plots as SVG: curves of points, and groups of bars; nothing is measured here.

Text is black on white, whatever the page around it; the colours are Okabe and Ito's, which colour-blind people can tell
apart, and each series has a mark of its own.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
WIDTH, HEIGHT = 760, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 66, 52
_HEAD = (
    f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">\n'
    f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>'
)


@dataclasses.dataclass(frozen=True)
class Axis:
    """What an axis says, and whether it goes by powers of ten."""

    title: str
    log: bool = False


@dataclasses.dataclass(frozen=True)
class Series:
    """Points of one name, joined by a line or not."""

    name: str
    points: Sequence[tuple[float, float]]
    joined: bool = True
    marked: bool = True


def curves(title: str, x: Axis, y: Axis, series: Sequence[Series]) -> str:
    """Points over two axes; those that a logarithm does not have are left out."""
    kept = [dataclasses.replace(each, points=_shown(each.points, x, y)) for each in series]
    across = _Scale([px for each in kept for px, _ in each.points], x.log, LEFT, WIDTH - RIGHT)
    up = _Scale([py for each in kept for _, py in each.points], y.log, HEIGHT - BOTTOM, TOP)
    parts = [_HEAD, *_frame(title, [(each.name, each.marked) for each in kept]), *_upright(up, y.title)]
    parts += [_text(across.at(tick), HEIGHT - BOTTOM + 16, told(tick), "middle") for tick in across.ticks()]
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, x.title, "middle"))
    for number, each in enumerate(kept):
        places = [(across.at(px), up.at(py)) for px, py in each.points]
        if each.joined and len(places) > 1:
            path = " ".join(f"{px:.1f},{py:.1f}" for px, py in places)
            parts.append(f'<polyline points="{path}" fill="none" stroke="{_colour(number)}" stroke-width="1.5"/>')
        if each.marked:
            parts += [_mark(number, px, py) for px, py in places]
    return "\n".join([*parts, "</svg>", ""])


def bars(title: str, unit: str, groups: Mapping[str, Mapping[str, float]], equal: float | None = None) -> str:
    """A group of bars for each name, one bar a series; a line at *equal*."""
    names = list(dict.fromkeys(name for held in groups.values() for name in held))
    values = [value for held in groups.values() for value in held.values()]
    up = _Scale([0.0, *values], False, HEIGHT - BOTTOM, TOP)
    parts = [_HEAD, *_frame(title, [(name, True) for name in names]), *_upright(up, unit)]
    room = (WIDTH - LEFT - RIGHT) / len(groups)
    wide = 0.8 * room / len(names)
    for place, (group, held) in enumerate(groups.items()):
        start = LEFT + (place + 0.1) * room
        parts.append(_text(LEFT + (place + 0.5) * room, HEIGHT - BOTTOM + 16, group, "middle"))
        for name, value in held.items():
            left, top = start + names.index(name) * wide, up.at(value)
            tall, colour = HEIGHT - BOTTOM - top, _colour(names.index(name))
            parts.append(f'<rect x="{left:.1f}" y="{top:.1f}" width="{wide:.1f}" height="{tall:.1f}" fill="{colour}"/>')
            parts.append(_text(left + wide / 2, top - 4, told(value), "middle"))
    if equal is not None:
        parts.append(_line(LEFT, up.at(equal), WIDTH - RIGHT, up.at(equal), "black", ' stroke-dasharray="5 3"'))
    return "\n".join([*parts, "</svg>", ""])


def told(value: float) -> str:
    """A number as short as three digits allow."""
    if value == 0 or 0.001 <= abs(value) < 1000:
        return f"{value:.3g}"
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.0e}".replace("e-0", "e-")


class _Scale:
    """From values to places between two ends."""

    def __init__(self, values: Sequence[float], log: bool, start: float, end: float) -> None:
        self._log, self._start, self._end = log, start, end
        low, high = (min(values), max(values)) if values else (1.0, 10.0)
        if log:
            self._low, self._high = math.floor(math.log10(low)), math.ceil(math.log10(high))
            self._high = max(self._high, self._low + 1)
            return
        self._step = _step((high - min(low, 0)) or 1.0)
        self._low = math.floor(min(low, 0) / self._step)
        self._high = max(math.ceil(high / self._step), self._low + 1)

    def at(self, value: float) -> float:
        steps = math.log10(value) if self._log else value / self._step
        return self._start + (steps - self._low) / (self._high - self._low) * (self._end - self._start)

    def ticks(self) -> Iterator[float]:
        for number in range(self._low, self._high + 1):
            yield 10.0**number if self._log else round(number * self._step, 10)


def _step(span: float) -> float:
    """A round number of which some five are in *span*."""
    power = 10.0 ** math.floor(math.log10(span / 5))
    return float(next(power * each for each in (1, 2, 5, 10) if power * each >= span / 5))


def _shown(points: Sequence[tuple[float, float]], x: Axis, y: Axis) -> list[tuple[float, float]]:
    return [(px, py) for px, py in points if (px > 0 or not x.log) and (py > 0 or not y.log)]


def _frame(title: str, names: Sequence[tuple[str, bool]]) -> Iterator[str]:
    """The title, and what each mark or line means."""
    yield f'<text x="{LEFT}" y="22" font-size="15" font-weight="bold">{escape(title)}</text>'
    place = float(LEFT)
    for number, (name, marked) in enumerate(names):
        yield _mark(number, place + 5, 42) if marked else _line(place - 2, 42, place + 10, 42, _colour(number))
        yield _text(place + 14, 46, name, "start")
        place += 30 + 6.6 * len(name)


def _upright(scale: _Scale, title: str) -> Iterator[str]:
    for tick in scale.ticks():
        yield _line(LEFT, scale.at(tick), WIDTH - RIGHT, scale.at(tick), "#dddddd")
        yield _text(LEFT - 6, scale.at(tick) + 4, told(tick), "end")
    middle = (TOP + HEIGHT - BOTTOM) / 2
    yield f'<text transform="translate(16,{middle:.1f}) rotate(-90)" text-anchor="middle">{escape(title)}</text>'


def _mark(number: int, x: float, y: float) -> str:
    colour = _colour(number)
    match number % 3:
        case 0:
            return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>'
        case 1:
            return f'<rect x="{x - 3:.1f}" y="{y - 3:.1f}" width="6" height="6" fill="{colour}"/>'
        case _:
            corners = f"{x:.1f},{y - 4:.1f} {x + 4:.1f},{y + 3:.1f} {x - 4:.1f},{y + 3:.1f}"
            return f'<polygon points="{corners}" fill="{colour}"/>'


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, more: str = "") -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"{more}/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]

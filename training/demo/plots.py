"""Line plots as SVG, for pages of documentation."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import ArrayLike, NDArray

COLOURS = ("#1d4ed8", "#c2410c", "#047857", "#7c3aed", "#475569")
WIDTH = 440
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Line:
    """y over x, with a band of y ± band where one is given."""

    name: str
    x: ArrayLike
    y: ArrayLike
    colour: str
    band: ArrayLike | None = None
    dashed: bool = False
    dots: bool = False

    @property
    def arrays(self) -> tuple[Array, Array, Array]:
        x, y = np.asarray(self.x, dtype=np.float64), np.asarray(self.y, dtype=np.float64)
        return x, y, np.zeros_like(y) if self.band is None else np.asarray(self.band, dtype=np.float64)


@dataclass(frozen=True)
class Axis:
    """Ticks of the horizontal axis, and rows of words under them: the values themselves, and what else they are."""

    ticks: Sequence[float]
    rows: Sequence[tuple[str, Sequence[str]]]


def axis(name: str, up_to: float) -> Axis:
    """Round ticks from 0 to at least `up_to`."""
    step = _step(up_to)
    ticks = [step * at for at in range(int(np.ceil(up_to / step)) + 1)]
    return Axis(ticks, [(name, [f"{tick:g}" for tick in ticks])])


def panel(
    title: str,
    along: Axis,
    lines: Sequence[Line],
    *,
    left: float,
    unit: str,
    marks: Sequence[tuple[float, str]] = (),
    beside: Sequence[Line] = (),
) -> str:
    """One set of axes of WIDTH × 330 pixels, its left edge at `left`.

    beside: the lines of other panels that it is to be compared with, so that all are drawn to one scale.
    """
    wide, high, top = 350.0, 230.0, 50.0
    left += 55
    last = max(along.ticks)
    reach = [one.arrays for one in (*lines, *beside)]
    highest = max(float((y + band).max()) for _, y, band in reach)
    lowest = min(0.0, min(float((y - band).min()) for _, y, band in reach))
    step = _step(highest - lowest)
    ticks = np.arange(np.floor(lowest / step), np.ceil(highest / step) + 1) * step
    low, up = float(ticks[0]), float(ticks[-1])

    def at(a: float, b: float) -> str:
        return f"{left + wide * a / last:.1f},{top + high * (1 - (b - low) / (up - low)):.1f}"

    parts = [f'<text x="{left}" y="{top - 24}" font-weight="bold">{escape(title)}</text>']
    parts.append(f'<text x="{left}" y="{top - 8}" fill="#475569" font-size="11">{escape(unit)}</text>')
    for tick in ticks:
        y = at(0, tick).split(",")[1]
        parts.append(f'<line x1="{left}" x2="{left + wide}" y1="{y}" y2="{y}" stroke="#e2e8f0"/>')
        parts.append(f'<text x="{left - 6}" y="{float(y) + 4:.1f}" text-anchor="end" font-size="11">{tick:g}</text>')
    for row, (name, words) in enumerate(along.rows):
        style = f'y="{top + high + 16 + 15 * row}" font-size="11"' + (' fill="#475569"' if row else "")
        parts.append(f'<text x="{left - 18}" text-anchor="end" {style}>{escape(name)}</text>')
        for tick, word in zip(along.ticks, words, strict=True):
            parts.append(f'<text x="{at(tick, low).split(",")[0]}" text-anchor="middle" {style}>{escape(word)}</text>')
    for one in lines:
        x, values, band = one.arrays
        if one.band is not None:
            over = [at(a, b) for a, b in zip(x, values + band, strict=True)]
            under = [at(a, b) for a, b in zip(x, values - band, strict=True)]
            parts.append(f'<polygon points="{" ".join([*over, *under[::-1]])}" fill="{one.colour}" opacity="0.15"/>')
        places = [at(a, b) for a, b in zip(x, values, strict=True)]
        parts.append(f'<polyline points="{" ".join(places)}" {_stroke(one)}/>')
        for place in places if one.dots else ():
            px, py = place.split(",")
            parts.append(f'<circle cx="{px}" cy="{py}" r="3" fill="{one.colour}"/>')
    for number, (value, word) in enumerate(marks):
        px, y_low = at(value, low).split(",")
        parts.append(f'<line x1="{px}" x2="{px}" y1="{top}" y2="{y_low}" stroke="#0f172a" stroke-dasharray="2 3"/>')
        below = top + high - 8 - 14 * number
        parts.append(f'<text x="{float(px) + 5:.1f}" y="{below}" font-size="11">{escape(word)}</text>')
    for number, one in enumerate(lines):
        below = top + high + 54 + 18 * number
        parts.append(f'<line x1="{left}" x2="{left + 24}" y1="{below - 4}" y2="{below - 4}" {_stroke(one)}/>')
        parts.append(f'<text x="{left + 32}" y="{below}" font-size="12">{escape(one.name)}</text>')
    return "\n".join(parts)


def svg(panels: Sequence[str], n_lines: int, description: str) -> str:
    """Panels side by side, with room for so many lines of legend."""
    wide, high = WIDTH * len(panels), 340 + 18 * n_lines
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" width="{wide}" height="{high}" '
        f'font-family="system-ui, sans-serif" font-size="13" fill="#0f172a" role="img">\n'
        f"<title>{escape(description)}</title>\n"
        f'<rect width="{wide}" height="{high}" fill="#ffffff"/>\n' + "\n".join(panels) + "\n</svg>\n"
    )


def _stroke(line: Line) -> str:
    return f'fill="none" stroke="{line.colour}" stroke-width="2"' + (' stroke-dasharray="5 4"' if line.dashed else "")


def _step(span: float) -> float:
    """A round distance between at most eight ticks."""
    steps = (0.1, 0.2, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
    return next((size for size in steps if span / size <= 7), span / 7)

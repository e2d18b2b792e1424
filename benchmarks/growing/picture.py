"""A chart as SVG: lines over a logarithmic axis, with the greatest and the least value of each point."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from math import ceil, floor, log10

WIDTH, HEIGHT = 720, 320
LEFT, RIGHT, TOP, BOTTOM = 64, 24, 64, 52
LEGEND = LEFT + 120
COLOURS = "#1f6feb", "#d9480f", "#2b8a3e", "#862e9c"
STYLE = (
    "text{font:12px sans-serif;fill:#444}.title{font-size:15px;font-weight:bold;fill:#222}"
    ".grid{stroke:#e4e4e4}.axis{stroke:#999}.line{fill:none;stroke-width:2}.value{font-size:11px}"
)

Lines = dict[str, dict[int, float]]
"""The points of each line by its name."""


def draw(title: str, grows: str, unit: str, lines: Lines) -> str:
    """Draw lines.

    Args:
        title: stands above.
        grows: says what the horizontal axis counts.
        unit: of the values.
        lines: the points; where they differ by more than a hundredfold the vertical axis is logarithmic, too.

    Returns:
        The text of an SVG file.
    """
    axes = _Axes(lines)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"<title>{escape(title)}</title><style>{STYLE}</style>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        _text(LEFT, 24, title, "title"),
        *_grid(axes),
        _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, grows, anchor="middle"),
        _text(LEFT, TOP - 8, unit),
        *_legend(lines),
        *_lines(axes, lines),
        *_values(axes, lines),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


class _Axes:
    """Where a point is, and what is written on the axes."""

    def __init__(self, lines: Lines) -> None:
        values = [y for line in lines.values() for y in line.values()]
        self.xs = sorted({x for line in lines.values() for x in line})
        self._log = max(values) > 100 * min(values)
        if self._log:
            low, high = floor(log10(min(values))), ceil(log10(max(values)))
            self.ys = [10.0**n for n in range(low, high + 1)]
        else:
            self.ys = _round_steps(max(values))

    def x(self, number: float) -> float:
        first, last = log10(self.xs[0]), log10(self.xs[-1])
        part = (log10(number) - first) / (last - first) if last > first else 0.5
        # The first and the last point have room for their values.
        return LEFT + 24 + part * (WIDTH - LEFT - RIGHT - 48)

    def y(self, value: float) -> float:
        low, high = self.ys[0], self.ys[-1]
        part = log10(value / low) / log10(high / low) if self._log else value / high
        return HEIGHT - BOTTOM - part * (HEIGHT - TOP - BOTTOM)


def _round_steps(greatest: float) -> list[float]:
    """Give four to eight steps from 0 to above a value."""
    step = 10.0 ** floor(log10(greatest * 1.1))
    while greatest * 1.1 / step < 4:
        step /= 2
    return [n * step for n in range(ceil(greatest * 1.1 / step) + 1)]


def _grid(axes: _Axes) -> Iterator[str]:
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    for value in axes.ys:
        y = axes.y(value)
        yield f'<path class="grid" d="M{LEFT} {y:.1f}H{right}"/>'
        yield _text(LEFT - 8, y + 4, f"{value:,g}", anchor="end")
    for number in axes.xs:
        yield f'<path class="axis" d="M{axes.x(number):.1f} {bottom}v5"/>'
        yield _text(axes.x(number), bottom + 20, f"{number:,}", anchor="middle")
    yield f'<path class="axis" d="M{LEFT} {bottom}H{right}"/>'


def _legend(lines: Lines) -> Iterator[str]:
    """Name the lines, in as many rows as they need; the last one is above the frame."""
    rows: list[list[tuple[int, str, str]]] = [[]]
    x = LEGEND
    for name, colour in zip(lines, COLOURS, strict=False):
        width = 60 + 6 * len(name)
        if x + width > WIDTH - RIGHT:
            rows.append([])
            x = LEGEND
        rows[-1].append((x, name, colour))
        x += width
    for y, row in zip(range(TOP - 8, 0, -16), reversed(rows), strict=False):
        for x, name, colour in row:
            yield f'<path class="line" stroke="{colour}" d="M{x} {y - 4}h18"/>'
            yield _text(x + 24, y, name)


def _lines(axes: _Axes, lines: Lines) -> Iterator[str]:
    for line, colour in zip(lines.values(), COLOURS, strict=False):
        places = [(axes.x(x), axes.y(y)) for x, y in line.items()]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        yield f'<path class="line" stroke="{colour}" d="M{path}"/>'
        for x, y in places:
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>'


def _values(axes: _Axes, lines: Lines) -> Iterator[str]:
    """Write the greatest value above its point and the least below, if there is room; the others are in the table."""
    for number in axes.xs:
        values = sorted(line[number] for line in lines.values() if number in line)
        x, least = axes.x(number), axes.y(values[0]) + 18
        yield _text(x, axes.y(values[-1]) - 9, short(values[-1]), "value", "middle")
        if len(values) > 1 and least < HEIGHT - BOTTOM:
            yield _text(x, least, short(values[0]), "value", "middle")


def _text(x: float, y: float, text: str, style: str = "", anchor: str = "start") -> str:
    look = f' class="{style}"' if style else ""
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f"<text{look} {place}>{escape(text)}</text>"


def short(value: float) -> str:
    """Write a value with three digits, or with all before the point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.3g}"

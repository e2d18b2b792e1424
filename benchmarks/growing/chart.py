"""One chart: lines over a number that grows; shown as a table, written as a picture, a table and JSON."""

from __future__ import annotations

import csv
import json
import statistics
from pathlib import Path

from growing.picture import draw, short


class Chart:
    """Figures as they come in.

    Args:
        name: of its files.
        title: what costs what.
        grows: what the first column counts.
        unit: of all figures.
    """

    def __init__(self, name: str, title: str, grows: str, unit: str) -> None:
        self.name = name
        self.title = title
        self.grows = grows
        self.unit = unit
        self.lines: dict[str, dict[int, list[float]]] = {}
        self.verdicts: list[str] = []

    def add(self, line: str, x: int, value: float) -> None:
        """Note what one round gave."""
        self.lines.setdefault(line, {}).setdefault(x, []).append(value)

    def medians(self, line: str) -> dict[int, float]:
        """Give the points of a line."""
        return {x: statistics.median(values) for x, values in sorted(self.lines[line].items())}

    def flat(self, line: str, since: int, within: float) -> None:
        """Judge whether a line is flat from a point on; ``within`` is a part of its least value."""
        values = [y for x, y in self.medians(line).items() if x >= since]
        if len(values) > 1:
            spread = max(values) / min(values) - 1
            met = "met" if spread <= within else "not met"
            self.verdicts.append(
                f"{line}, from {since:,} on: the dearest is {spread:.0%} above the cheapest "
                f"(goal: at most {within:.0%}, {met})"
            )

    def no_dearer(self, line: str, since: int, within: float) -> None:
        """Judge whether a line rises above what it is at a point; ``within`` is a part of that value."""
        values = [y for x, y in self.medians(line).items() if x >= since]
        if len(values) > 1:
            rise = max(values) / values[0] - 1
            met = "met" if rise <= within else "not met"
            self.verdicts.append(
                f"{line}, from {since:,} on: at most {rise:.0%} dearer than there "
                f"(goal: {within:.0%}, {met}), {values[-1] / values[0]:.2f} times as dear in the end"
            )

    def below(self, line: str, limit: float) -> None:
        """Judge whether a line stays below a value."""
        greatest = max(self.medians(line).values())
        met = "met" if greatest <= limit else "not met"
        self.verdicts.append(f"{line}: at most {short(greatest)} (goal: {short(limit)}, {met})")

    def above(self, line: str, other: str, since: int) -> None:
        """Tell by how much one line is above another from a point on."""
        others = self.medians(other)
        more = [y - others[x] for x, y in self.medians(line).items() if x >= since]
        if more:
            self.verdicts.append(
                f"{line}, from {since:,} on: {short(min(more))} to {short(max(more))} {self.unit} above {other}"
            )

    def rows(self) -> list[list[str]]:
        """Give the table, its head first: medians, with the least and the greatest where there are several rounds."""
        xs = sorted({x for line in self.lines.values() for x in line})
        head = [self.grows, *(f"{line} ({self.unit})" for line in self.lines)]
        lines = self.lines.values()
        return [head, *([f"{x:,}", *(_cell(line.get(x, [])) for line in lines)] for x in xs)]

    def show(self) -> None:
        """Print it."""
        print(f"\n{self.title}")
        for row in self.rows():
            print("  " + " ".join(f"{cell:>32}" for cell in row))
        for verdict in self.verdicts:
            print(f"  {verdict}")
        print(end="", flush=True)

    def write(self, directory: Path) -> None:
        """Write ``NAME.svg``, ``NAME.csv`` and ``NAME.json``."""
        directory.mkdir(parents=True, exist_ok=True)
        picture = draw(self.title, self.grows, self.unit, {n: self.medians(n) for n in self.lines})
        (directory / f"{self.name}.svg").write_text(picture)
        with (directory / f"{self.name}.csv").open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(self.rows())
        figures = {
            "title": self.title,
            "grows": self.grows,
            "unit": self.unit,
            "lines": self.lines,
            "verdicts": self.verdicts,
        }
        text = json.dumps(figures, indent=1, default=str)
        (directory / f"{self.name}.json").write_text(text + "\n")


def _cell(values: list[float]) -> str:
    if len(values) < 2:
        return "".join(map(short, values))
    return f"{short(statistics.median(values))} [{short(min(values))}-{short(max(values))}]"

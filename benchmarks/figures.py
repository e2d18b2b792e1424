"""Figures as they come in, round by round, and what is told of them in the end."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

RATIO, BUSY = "times", "% of its cores"


class Figures:
    """Named figures, each with the values of all rounds."""

    def __init__(self) -> None:
        self._values: dict[str, list[float]] = {}
        self._units: dict[str, str] = {}
        self._notes: dict[str, str] = {}

    def add(self, name: str, value: float, unit: str) -> None:
        """Note what one round gave."""
        self._values.setdefault(name, []).append(value)
        self._units[name] = unit

    def ratio(self, name: str, of: str, to: str) -> None:
        """Make a figure of two: round by round, so that a machine that drifts does not count."""
        pairs = zip(self._values[of], self._values[to], strict=True)
        for one, other in pairs:
            self.add(name, one / other, RATIO)

    def compare(self, work: str, revision: str) -> None:
        """Make ratios of all figures of a work to those of another revision.

        There are none of ratios, and none of how busy processes were.
        """
        ours, theirs = f"{work}: ", f"{work}, {revision}: "
        names = [name for name in self._values if name.startswith(ours)]
        for name in [name for name in names if self._units[name] not in {RATIO, BUSY}]:
            against = theirs + name.removeprefix(ours)
            self.ratio(f"{name}, to that of {revision}", name, against)

    def show(self, title: str, how: str) -> None:
        """Print what has come since the last time: medians, and the least and greatest of the rounds.

        Ratios are printed with those of all rounds, in their order.
        """
        print(f"\n{title}\n{how}")
        for name in self._values.keys() - self._notes.keys():
            self._notes[name] = how
        for name in [n for n in self._values if self._notes[n] == how]:
            values = self._values[name]
            middle = f"{_short(statistics.median(values)):>12} {self._units[name]:22}"
            spread = f"{_short(min(values))} to {_short(max(values))}" if len(values) > 1 else ""
            if self._units[name] == RATIO:
                spread = " ".join(map(_short, values))
            print(f"  {name:42}{middle} {spread}", flush=True)

    def write(self, path: Path) -> None:
        """Write everything as JSON."""
        figures = {
            name: {"median": statistics.median(values), "unit": self._units[name], "all": values}
            for name, values in self._values.items()
        }
        machine = {"python": platform.python_version(), "cores": os.cpu_count()}
        machine |= {name: version(name) for name in ("txpusher", "twisted", "autobahn")}
        path.write_text(json.dumps({"machine": machine, "figures": figures}, indent=1) + "\n")


def percentile(values: Sequence[float], percent: float) -> float:
    """Give the value below which that many percent of the others are."""
    return sorted(values)[min(len(values) - 1, int(len(values) * percent / 100))]


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.2f}"

"""A progress line, and the learning curve in the terminal and as SVG, with nothing but the standard library."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TextIO

__all__ = ["Curve", "ProgressLine", "curve_svg", "curve_text"]

Curve = Sequence[float]


class ProgressLine:
    """One line that is drawn over on a terminal, and written once an epoch everywhere else."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._live = self._out.isatty()
        self._full, self._empty = ("█", "░") if _speaks_unicode(self._out) else ("#", ".")

    def update(self, label: str, fraction: float, rest: str) -> None:
        """Show how far it is; does nothing where the line cannot be drawn over."""
        if self._live:
            self._out.write(f"\r\x1b[K{self._line(label, fraction, rest)}")
            self._out.flush()

    def finish(self, label: str, rest: str) -> None:
        """Write the full bar and keep it."""
        self._out.write(("\r\x1b[K" if self._live else "") + self._line(label, 1.0, rest) + "\n")
        self._out.flush()

    def interrupt(self) -> None:
        """Leave the line as it is and go on below it."""
        if self._live:
            self._out.write("\n")

    def _line(self, label: str, fraction: float, rest: str, width: int = 24) -> str:
        full = round(fraction * width)
        return f"  {label}  {self._full * full}{self._empty * (width - full)}  {rest}"


def curve_text(values: Curve, out: TextIO | None = None) -> str:
    """A curve of values in 0..1 as lines of text: two columns a value, and a row for each step of 0.05 (or 0.1)."""
    point, side, corner, floor = ("●", "│", "└", "─") if _speaks_unicode(out or sys.stdout) else ("o", "|", "+", "-")
    low = min(int(min(values) * 10) / 10, 0.9)
    height = round((1 - low) * (20 if low >= 0.5 else 10))
    rows = [round((value - low) / (1 - low) * height) for value in values]
    lines = []
    for row in range(height, -1, -1):
        points = "".join(f"{point if at == row else ' '} " for at in rows)
        lines.append(f"  {low + row * (1 - low) / height:5.2f} {side} {points}".rstrip())
    lines.append(f"        {corner}{floor * (2 * len(values) + 1)}")
    lines.append("         epoch 1" + f"epoch {len(values)}".rjust(2 * len(values) - 7))
    return "\n".join(lines)


def curve_svg(costs: Curve, accuracies: Curve, killed_at: float, title: str) -> str:
    """The cost and the accuracy by epoch side by side; `killed_at` counts the epochs before the SIGKILL."""
    left = _panel(64, "training cost", costs, 0.0, max(costs), killed_at)
    right = _panel(424, "test accuracy", accuracies, min(0.5, *accuracies), 1.0, killed_at)
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 760 300" role="img">
<title>{title}</title>
<style>
text {{ font: 12px system-ui, sans-serif; fill: #444 }}
.title {{ font-size: 15px; font-weight: 600; fill: #111 }}
.axis {{ stroke: #bbb; fill: none }}
.curve {{ stroke: #0b63c5; stroke-width: 2; fill: none; stroke-linejoin: round }}
.kill {{ stroke: #c5330b; stroke-dasharray: 4 3 }}
.killed {{ fill: #c5330b }}
</style>
<rect width="760" height="300" rx="8" fill="#fff"/>
<text class="title" x="24" y="32">{title}</text>
{left}
{right}
</svg>
"""


def _panel(x: int, name: str, values: Curve, low: float, high: float, killed_at: float) -> str:
    width, top, height = 300, 80, 180
    across = width / max(len(values) - 1, 1)
    points = [(x + i * across, top + height * (high - value) / (high - low)) for i, value in enumerate(values)]
    # An epoch's value stands at its end: the left edge is the end of epoch 1.
    kill = x + (killed_at - 1) * across
    return f"""<text x="{x}" y="{top - 14}">{name}: {values[-1]:.4f} at the end</text>
<path class="axis" d="M{x} {top}V{top + height}H{x + width}"/>
<text x="{x - 6}" y="{top + 4}" text-anchor="end">{high:.2f}</text>
<text x="{x - 6}" y="{top + height + 4}" text-anchor="end">{low:.2f}</text>
<text x="{x}" y="{top + height + 20}">epoch 1</text>
<text x="{x + width}" y="{top + height + 20}" text-anchor="end">epoch {len(values)}</text>
<path class="kill" d="M{kill:.1f} {top}V{top + height}"/>
<text class="killed" x="{kill + 5:.1f}" y="{top + height / 2:.1f}">kill -9</text>
<polyline class="curve" points="{" ".join(f"{a:.1f},{b:.1f}" for a, b in points)}"/>"""


def _speaks_unicode(out: TextIO) -> bool:
    return (out.encoding or "").lower().replace("-", "") == "utf8"

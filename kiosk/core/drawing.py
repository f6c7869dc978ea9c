"""A flow as a picture: its steps in layers, the longest way from the start downwards, as text and as SVG.

Text and picture come from the same layers, so they cannot tell different stories.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from kiosk.core.flow import GOOD, Flow, Kind, Step

_BOX_W, _BOX_H, _GAP_X, _GAP_Y, _MARGIN = 190, 44, 26, 62, 20
_COLOURS = {
    Kind.VERIFY: "#dbeafe",
    Kind.ASK: "#fef9c3",
    Kind.CONFIRM: "#fef9c3",
    Kind.CALL: "#ede9fe",
    Kind.DISPENSE: "#dcfce7",
    Kind.ACCEPT: "#dcfce7",
    Kind.CASE: "#fee2e2",
    Kind.END: "#e5e7eb",
}


def layers(flow: Flow) -> list[list[str]]:
    """Steps by their distance from the start; a step that nobody reaches is in the last layer."""
    depth, row = {flow.start: 0}, [flow.start]
    while row:
        after = [t for name in row for t in flow.steps[name].on.values()]
        row = list(dict.fromkeys(t for t in after if t not in depth))
        depth |= dict.fromkeys(row, max(depth.values()) + 1)
    last = max(depth.values()) + 1
    found: list[list[str]] = [[] for _ in range(last + 1)]
    for name in flow.steps:
        found[depth.get(name, last)].append(name)
    placed: dict[str, float] = {}
    for here in found:  # below what leads to it, so that lines cross little
        above = {n: [placed[p] for p in placed if n in flow.steps[p].on.values()] for n in here}
        here.sort(key=lambda n: sum(above[n]) / len(above[n]) if above[n] else 0.0)
        placed |= {n: i - len(here) / 2 for i, n in enumerate(here)}
    return [here for here in found if here]


def text(flow: Flow) -> str:
    """One line a step, in layers; the outcomes behind it."""
    lines = [f"{flow.name} (version {flow.version}, {len(flow.steps)} steps)"]
    for names in layers(flow):
        lines.append("")
        for name in names:
            step = flow.steps[name]
            ways: dict[str, list[str]] = {}
            for outcome, target in step.on.items():
                ways.setdefault(target, []).append(outcome)
            onward = "; ".join(f"{', '.join(o)} → {t}" for t, o in ways.items())
            lines.append(f"  {name:<24} {_label(step):<28} {onward}".rstrip())
    return "\n".join(lines) + "\n"


def svg(flow: Flow) -> str:
    """The picture as one SVG document without scripts, fonts or references."""
    rows = layers(flow)
    width = max(len(r) for r in rows) * (_BOX_W + _GAP_X) + 2 * _MARGIN
    height = len(rows) * (_BOX_H + _GAP_Y) + 2 * _MARGIN
    at: dict[str, tuple[float, float]] = {}
    for row, names in enumerate(rows):
        left = (width - len(names) * (_BOX_W + _GAP_X) + _GAP_X) / 2
        for column, name in enumerate(names):
            at[name] = (left + column * (_BOX_W + _GAP_X), _MARGIN + row * (_BOX_H + _GAP_Y))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        ' font-family="sans-serif" font-size="12">',
        f"<title>{escape(flow.name)}</title>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#555"/></marker></defs>',
        *_lines(flow, at),
    ]
    for name, (x, y) in at.items():
        step = flow.steps[name]
        parts.append(
            f'<g><rect x="{x:g}" y="{y:g}" width="{_BOX_W}" height="{_BOX_H}" rx="6" stroke="#333"'
            f' fill="{_COLOURS.get(step.kind, "#ffffff")}"/>'
            f'<text x="{x + _BOX_W / 2:g}" y="{y + 18:g}" text-anchor="middle" font-weight="bold">{escape(name)}</text>'
            f'<text x="{x + _BOX_W / 2:g}" y="{y + 35:g}" text-anchor="middle">{escape(_label(step))}</text></g>'
        )
    return "\n".join([*parts, "</svg>"]) + "\n"


def _lines(flow: Flow, at: dict[str, tuple[float, float]]) -> Iterator[str]:
    for name, (x, y) in at.items():
        targets: dict[str, list[str]] = {}
        for outcome, target in flow.steps[name].on.items():
            targets.setdefault(target, []).append(outcome)
        for i, (target, outcomes) in enumerate(targets.items()):
            tx, ty = at[target]
            x1, y1 = x + _BOX_W * (i + 1) / (len(targets) + 1), y + _BOX_H
            x2, y2 = tx + _BOX_W / 2, float(ty)
            if ty <= y:  # upwards or sideways: in at the side
                x2, y2 = (tx + _BOX_W if tx < x else tx), ty + _BOX_H / 2
            colour = "#15803d" if set(outcomes) & set(GOOD) else "#b45309"
            bend = max(24.0, abs(y2 - y1) / 2)
            yield (
                f'<path d="M{x1:g} {y1:g}C{x1:g} {y1 + bend:g} {x2:g} {y2 - bend:g} {x2:g} {y2:g}" fill="none"'
                f' stroke="{colour}" marker-end="url(#tip)"/>'
                f'<text x="{x1 + 3:g}" y="{y1 + 12 + 11 * (i % 3):g}" font-size="9" fill="{colour}">'
                f"{escape(', '.join(outcomes))}</text>"
            )


def _label(step: Step) -> str:
    how, operand = step.test
    return f"{step.kind} {step.what}" + (f" {how} {operand}" if operand else "")

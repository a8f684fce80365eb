#!/usr/bin/env python3
"""Draws the time of the operator as a share of plain SDPA's: plot_attention.py FIGURES.jsonl PICTURE.svg

FIGURES.jsonl holds lines of `saobp bench attention --sdpa --json` (bench/attention.sh makes them). One panel a pass and
type; one group a shape; one bar a form of attention. The line at 1 is plain SDPA. Needs Python's standard library only.
"""
import html
import json
import sys
from pathlib import Path

COLOURS = {"high": "#d55e00", "low": "#cc79a7", "original": "#0072b2", "elemmul": "#009e73",
           "high, causal": "#e69f00", "original, causal": "#56b4e9"}
BAR, GAP, PANEL_HEIGHT, LEFT, TOP = 16, 26, 190, 46, 74


def form(row):
    return row["variant"] + (", causal" if row["causal"] else "")


def panel(rows, title, x0, y0, highest):
    shapes = list(dict.fromkeys(tuple(row["shape"]) for row in rows))
    forms = [f for f in COLOURS if any(form(row) == f for row in rows)]
    group = BAR * len(forms) + GAP
    width = group * len(shapes) + GAP
    y = lambda ratio: y0 + PANEL_HEIGHT * (1 - ratio / highest)
    out = [f'<text x="{x0}" y="{y0 - 12}" class="title">{html.escape(title)}</text>']
    for tick in [i / 2 for i in range(int(highest * 2) + 1)]:
        css = "one" if tick == 1 else "grid"
        out.append(f'<line x1="{x0}" x2="{x0 + width}" y1="{y(tick):.1f}" y2="{y(tick):.1f}" class="{css}"/>')
        out.append(f'<text x="{x0 - 8}" y="{y(tick) + 4:.1f}" class="tick" text-anchor="end">{tick:g}</text>')
    for i, shape in enumerate(shapes):
        left = x0 + GAP + i * group
        for j, name in enumerate(forms):
            for row in rows:
                if tuple(row["shape"]) != shape or form(row) != name:
                    continue
                ratio = row["ratio_to_sdpa"]
                top = y(min(ratio, highest))
                out.append(f'<rect x="{left + j * BAR}" y="{top:.1f}" width="{BAR - 2}" height="{y(0) - top:.1f}" '
                           f'fill="{COLOURS[name]}"><title>{html.escape(name)}, {shape}: {ratio:.3f}</title></rect>')
                if ratio > highest:
                    out.append(f'<text x="{left + j * BAR + 7}" y="{top - 3:.1f}" class="tick" '
                               f'text-anchor="middle">{ratio:.1f}</text>')
        label = f"{shape[0]}×{shape[1]} heads, L = {shape[2]}"
        out.append(f'<text x="{left + BAR * len(forms) / 2}" y="{y(0) + 18}" class="tick" text-anchor="middle">{label}</text>')
    return out, width


def draw(rows):
    highest = min(2.5, max(1.5, -(-max(row["ratio_to_sdpa"] for row in rows) * 2 // 1) / 2))
    body, widest, y0 = [], 0, TOP + 20
    for phase, what in (("forward", "forward"), ("train", "forward and backward")):
        x0 = LEFT
        for dtype in ("f32", "bf16"):
            part = [row for row in rows if row["pass"] == phase and row["dtype"] == dtype]
            if not part:
                continue
            drawn, width = panel(part, f"{what}, {dtype}", x0, y0, highest)
            body += drawn
            x0 += width + 60
            widest = max(widest, x0 - 30)
        y0 += PANEL_HEIGHT + 74
    x = LEFT
    for name in (n for n in COLOURS if any(form(row) == n for row in rows)):
        body.append(f'<rect x="{x}" y="46" width="12" height="12" fill="{COLOURS[name]}"/>'
                    f'<text x="{x + 17}" y="56" class="tick">{html.escape(name)}</text>')
        x += 34 + 7 * len(name)
    kernels = ", ".join(sorted({row["kernel"] for row in rows}))
    threads = ", ".join(sorted({str(row["threads"]) for row in rows}))
    head = (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {widest} {y0 - 30}" font-family="sans-serif">'
            '<style>.title{font-size:14px;font-weight:bold}.tick{font-size:11px}.grid{stroke:#ddd}'
            '.one{stroke:#333;stroke-dasharray:4 3}</style><rect width="100%" height="100%" fill="white"/>'
            f'<text x="{LEFT}" y="26" font-size="16" font-weight="bold">Time of refined attention, as a share of plain SDPA '
            f'({html.escape(kernels)}, {threads} threads)</text>')
    return head + "\n".join(body) + "</svg>\n"


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: plot_attention.py FIGURES.jsonl PICTURE.svg")
    source = Path(sys.argv[1])
    try:
        rows = [json.loads(line) for line in source.read_text().splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        sys.exit(f"plot_attention.py: {source}: {error}")
    if not rows or any("ratio_to_sdpa" not in row for row in rows):
        sys.exit(f"plot_attention.py: {source}: every line needs ratio_to_sdpa; bench attention --sdpa gives it")
    Path(sys.argv[2]).write_text(draw(rows))


if __name__ == "__main__":
    main()

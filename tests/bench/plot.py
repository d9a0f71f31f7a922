"""The results as a picture: for each work, how many times faster than each other program ours was."""
import math
from xml.sax.saxutils import escape

from rows import OURS, better
from table import number

COLOURS = ("#c2410c", "#0f766e", "#6d28d9", "#b91c1c", "#1d4ed8", "#4d7c0f", "#a16207")
LABELS, CHART, TOP, BAR, GAP = 250, 470, 54, 13, 12  # pixels
STYLE = ("text{font:12px system-ui,sans-serif;fill:#1f2328}.dim{fill:#656d76}line{stroke:#656d76;stroke-width:1}"
         ".grid{stroke-opacity:.25}@media(prefers-color-scheme:dark){text{fill:#e6edf3}.dim{fill:#9198a1}}")
SPEEDS = ("s", "MB/s", "IOPS")


def speed_unit(row):
    return next((unit for unit in SPEEDS if unit in row.goals), None)


def bars(row):
    """[(program, ratio, label)], the floor apart: it does less."""
    unit, figures = speed_unit(row), row.figures()
    for name in row.rounds:
        ratio = better(figures, name, unit)
        if name != OURS and ratio:
            yield name, ratio, f"{number(ratio)}x  ({number(figures[name][unit])} {unit})"


class Scale:
    """Ratios on a logarithmic axis around 1."""

    def __init__(self, ratios):
        self.low = min(0.5, *ratios)
        self.high = max(2, *ratios) * 1.1

    def x(self, ratio):
        span = math.log(self.high / self.low)
        return LABELS + CHART * math.log(ratio / self.low) / span

    def ticks(self):
        powers = range(math.ceil(math.log10(self.low)), math.floor(math.log10(self.high)) + 1)
        return [10.0 ** p for p in powers]


def text(x, y, words, attributes=""):
    return f'<text x="{x:.0f}" y="{y:.0f}" {attributes}>{escape(words)}</text>'


def draw_bar(scale, y, ratio, label, colour):
    one, end = scale.x(1), scale.x(ratio)
    return [f'<rect x="{min(one, end):.1f}" y="{y}" width="{max(abs(end - one), 1):.1f}" height="{BAR - 2}" '
            f'fill="{colour}"/>', text(max(one, end) + 5, y + BAR - 3, label, 'class="dim" style="font-size:10px"')]


def legend(colours):
    x, parts = LABELS, []
    for name, colour in colours.items():
        parts += [f'<rect x="{x}" y="30" width="10" height="10" fill="{colour}"/>', text(x + 14, 39, name)]
        x += 14 + 8 * len(name) + 16
    return parts


def grid(scale, bottom):
    parts = []
    for tick in scale.ticks():
        x = scale.x(tick)
        parts += [f'<line x1="{x:.1f}" x2="{x:.1f}" y1="48" y2="{bottom}" class="{"" if tick == 1 else "grid"}"/>',
                  text(x, bottom + 14, f"{tick:g}x", 'class="dim" text-anchor="middle"')]
    return parts


def draw_row(scale, y, row, group, colours):
    """Its parts, and where the next row begins."""
    ours = f"{number(row.figures()[OURS][speed_unit(row)])} {speed_unit(row)}"
    parts = [text(LABELS - 10, y + 10, row.name, 'text-anchor="end"'),
             text(LABELS - 10, y + 24, ours, 'class="dim" text-anchor="end" style="font-size:10px"')]
    for i, (name, ratio, label) in enumerate(group):
        parts += draw_bar(scale, y + i * BAR, ratio, label, colours[name])
    return parts, y + GAP + max(28, BAR * len(group))


def write_svg(path, results):
    """One group of bars a row that has a speed; nothing is written when there is none."""
    rows = [(row, list(bars(row))) for row in results if speed_unit(row)]
    rows = [(row, group) for row, group in rows if group]
    if not rows:
        return
    names = dict.fromkeys(name for _, group in rows for name, _, _ in group)
    colours = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(names)}
    scale = Scale([ratio for _, group in rows for _, ratio, _ in group])
    y, parts = TOP, []
    for row, group in rows:
        more, y = draw_row(scale, y, row, group, colours)
        parts += more
    width = LABELS + CHART + 130
    head = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y + 22}" width="{width}" role="img">',
            f"<style>{STYLE}</style>",
            text(LABELS, 18, "times faster than ... (to the left: slower)", 'style="font-weight:600"'),
            *legend(colours), *grid(scale, y)]
    with open(path, "w", encoding="utf-8") as f:
        f.write("\n".join([*head, *parts, "</svg>"]) + "\n")

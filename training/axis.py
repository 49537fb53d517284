"""Where a chart's values are found: by way of their labels, and those that are not printed at the end of a bar or at a
point and at the number of the axis that stands nearest. Both are found from the places of the letters, so that any
program's chart will do."""

import re
from dataclasses import replace

import numpy as np

import content
from draw import By, Measured, Span

NUMBER = re.compile(r"[0-9][0-9,]*(\.[0-9]+)?")
FEWEST = 3       # numbers that make an axis
ALIGNED = 0.7    # how far they may lie apart across it, in sizes of the type
STRAIGHT = 0.25  # and from where they belong along it


def runs(glyphs):
    """Letters side by side as (text, place of the first, place of the last, size)."""
    found = []
    for x, y, ch, size in glyphs:
        text, first, last, before = found[-1] if found else ("", (0, 0), (0, 0), 0)
        if size == before and abs(y - last[1]) < 0.3 * size and 0 < x - last[0] < 1.2 * size:
            found[-1] = text + ch, first, (x, y), size
        else:
            found.append((ch, (x, y), (x, y), size))
    return found


def numbers(glyphs):
    """The runs that are numbers: [n, 6], value, place of the first and of the last letter, size."""
    found = [(float(text.replace(",", "")), *first, *last, size)
             for text, first, last, size in runs(glyphs) if NUMBER.fullmatch(text)]
    return np.array(found).reshape(-1, 6)


def axis(glyphs, upright):
    """The numbers of the value axis, values and places along it, and the line through them (value at the place 0,
    value of a pixel); None: there is no such axis. upright: it goes from the bottom to the top."""
    n, best = numbers(glyphs), None
    along = (n[:, 1:3] + n[:, 3:5])[:, 1 if upright else 0] / 2
    sides = (n[:, 1], n[:, 3]) if upright else (n[:, 2],)  # left or right ends below one another
    for side in sides:
        for i in range(len(n)):
            for j in range(i):
                if n[i, 0] == n[j, 0] or abs(along[i] - along[j]) < n[i, 5]:
                    continue
                slope = (n[i, 0] - n[j, 0]) / (along[i] - along[j])
                start = n[i, 0] - slope * along[i]
                fits = abs((n[:, 0] - start) / slope - along) < STRAIGHT * n[i, 5]
                fits &= (abs(side - side[i]) < ALIGNED * n[i, 5]) & (n[:, 5] == n[i, 5])
                if fits.sum() >= FEWEST and (best is None or fits.sum() > len(best[0])):
                    best = n[fits], along[fits], start, slope
    return best


def measured(rows, glyphs, upright):
    """The rows of a chart whose values are not printed: they are as exact as its axis tells them, and their letters know
    where they are read off. None: no axis tells them."""
    found = axis(glyphs, upright)
    if found is None:
        return None
    ticks, along, start, slope = found

    def read_off(label, value, span):
        at, beside = (value - start) / slope, [w[0 if upright else 1] for w in label.where if w]
        where = None
        if span.where[0] or beside:
            end = span.where[0] or ((np.mean(beside), at) if upright else (at, np.mean(beside)))
            tick = ticks[np.argmin(abs(along - at)), 3:5]
            where = Measured(tuple(map(float, end)), tuple(map(float, tick)))
        return content.read_off(value, np.ptp(ticks[:, 0]), where)

    return [[(label, value, read_off(label, value, span)) for label, value, span in row] for row in rows]


def by_label(row):
    """A row of bars whose values are found by way of their labels."""
    found = []
    for label, value, span in row:
        first = next((w for w in label.where if w), None)
        if first and span.where[0]:
            span = Span(span.text, [By(first, span.where[0]), *span.where[1:]])
        found.append((label, value, span))
    return found


def led(picture):
    """The picture, its facts with all that is known of where a chart's values are found. None: a chart whose values
    nothing tells."""
    f = picture.facts
    if picture.kind != "chart":
        return picture
    rows = f.get("rows", [f["bars"]])
    if not f.get("printed", True) and f["form"] != "pie":
        rows = measured(rows, picture.glyphs, f["form"] != "horizontal")
        if rows is None:
            return None
    rows = [by_label(row) for row in rows]
    return replace(picture, facts={**f, "rows": rows, "bars": rows[0]})

"""What is written on the pictures that other programs draw: titles, labels, values, sentences, tables."""

import re
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

import draw
import words
from draw import pick

DICTIONARY = Path("/usr/share/dict/words")  # Debian package wamerican


@lru_cache
def dictionary(test):
    """Plain words of 3 to 11 letters; one in ten is kept for tests."""
    found = set(re.findall(r"^[a-z]{3,11}$", DICTIONARY.read_text(), re.MULTILINE))
    return [w for w in sorted(found) if (zlib.crc32(w.encode()) % 10 == 0) == test]


def word(rng, test=False):
    """A word from the dictionary, with a capital in most cases."""
    found = pick(rng, dictionary(test))
    return found.capitalize() if rng.random() < 0.75 else found


@dataclass
class Chart:
    form: str  # bar, horizontal, grouped, line, lines, pie
    title: str
    labels: list
    series: list  # names; of one series an empty one
    values: list  # of each series, its values
    captions: tuple  # of the two axes; "" for none
    number: str  # format of a value


THINGS = """Sales Revenue Profit Income Expenses Cost Price Population Temperature Rainfall Visitors Customers Orders
Downloads Users Students Votes Output Production Exports Imports Traffic Energy Speed Distance Weight Height Score
Accuracy Errors Requests Latency Memory Tickets Members Survey_results Budget Emissions Attendance Growth Usage Share
Demand Stock Deliveries Accidents Births Wages Rent Spending Savings Donations Calls Clicks Sessions Bugs""".split()
BY = "Region Month Year Quarter Country City Product Department Team Age Day Group Store Type Model Category".split()
SPANS = "Monthly Annual Daily Weekly Quarterly Average Total Median Global Local Estimated Relative Mean Top".split()
UNITS = """(%) (USD) ($) (EUR) (kg) (km) (m) (s) (ms) (MW) (kWh) (mm) (hours) (thousands) (millions) (units) (1000s)
[%] [kg]""".split()


def chart_title(rng, test=False):
    """A title as people write them, with words from the dictionary in a half; held out by its letters."""
    while True:
        thing = pick(rng, THINGS).replace("_", " ")
        if rng.random() < 0.45:
            thing = word(rng, test)
        chance, by = rng.random(), pick(rng, BY)
        if chance < 0.25:
            title = f"{thing} by {by}"
        elif chance < 0.4:
            title = f"{pick(rng, SPANS)} {thing}"
        elif chance < 0.5:
            title = f"{pick(rng, SPANS)} {thing} per {by}"
        elif chance < 0.6:
            title = f"{thing} in {rng.integers(1990, 2027)}"
        elif chance < 0.7:
            title = f"{thing} {word(rng, test)}"
        elif chance < 0.78:
            title = f"{thing} of {word(rng, test)} {word(rng, test)}"
        elif chance < 0.86:
            title = pick(rng, words.CHART_FIRST) + " " + pick(rng, words.CHART_LAST)
        elif chance < 0.93:
            title = f"{thing}, {rng.integers(1990, 2010)}-{rng.integers(2010, 2027)}"
        else:
            title = thing
        if rng.random() < 0.1:
            title += " " + pick(rng, UNITS)
        style = rng.random()
        title = title.upper() if style < 0.05 else title.capitalize() if style < 0.2 else title
        if draw.held_out(title) == test:
            return title


def labels(rng, count, test=False):
    """Names of categories, all different."""
    chance = rng.random()
    if chance < 0.45:
        run = pick(rng, [r for r in words.LABEL_RUNS if len(r) >= count] or words.LABEL_RUNS[:1])
        start = rng.integers(len(run) - count + 1)
        return run[start : start + count]
    if chance < 0.6:
        group = pick(rng, [g for g in words.LABEL_SETS if len(g) >= count])
        return [group[i] for i in rng.permutation(len(group))[:count]]
    if chance < 0.7:
        stem = pick(rng, ["Group", "Product", "Team", "Type", "Store", "Model", "Class", "Site", "Sample", "Item"])
        first = rng.integers(1, 5)
        return [f"{stem} {chr(65 + i) if first % 2 else first + i}" for i in range(count)]
    found = []
    names = rng.random() < 0.2
    while len(found) < count:
        w = pick(rng, words.FIRST_NAMES) if names else word(rng, test).capitalize()
        if w not in found and len(w) < 10:
            found.append(w)
    return found


def numbers(rng, shape):
    """Values and the format they are written in; the values are those that are written."""
    top = float(pick(rng, [10, 20, 50, 100, 100, 100, 200, 500, 1000, 10000]))
    low = rng.uniform(0, 0.5)
    values = top * (low + (1 - low) * rng.random(shape))
    chance = rng.random()
    if chance < 0.65 or top >= 1000:
        return np.maximum(1, np.round(values)), "{:.0f}" if top < 10000 or rng.random() < 0.6 else "{:,.0f}"
    if chance < 0.9:
        return np.maximum(0.1, np.round(values, 1)), "{:.1f}"
    return np.maximum(0.01, np.round(values, 2)), "{:.2f}"


def chart(rng, form, test=False, fewest=3, most=7):
    """Everything that is written on a chart. No two values of a single series are alike."""
    count = int(rng.integers(fewest, most))
    many = int(rng.integers(2, 4)) if form in ("grouped", "lines") else 1
    while True:
        values, number = numbers(rng, (many, count))
        if all(len(set(row)) == count for row in values.tolist()):
            break
    names = [""]
    if many > 1:
        names = labels(rng, many, test)
    captions = tuple(caption(rng, test) if rng.random() < 0.5 else "" for _ in range(2))
    return Chart(
        form,
        chart_title(rng, test) if rng.random() < 0.9 else "",
        labels(rng, count, test),
        names,
        values.tolist(),
        captions,
        number,
    )


def read_off(value, reach, where=None):
    """A value that is not printed, as exactly as one sees it beside an axis of this length, as a Span: what cannot be
    seen would only be guessed."""
    step = reach / 30
    digits = int(np.floor(np.log10(step)))
    step = max(m for m in (1, 2, 5) if m * 10.0**digits <= step) * 10.0**digits
    text = f"{round(value / step) * step:.{max(0, -digits)}f}"
    return draw.Span(text, [where] * len(text))


def caption(rng, test=False):
    thing = word(rng, test) if rng.random() < 0.3 else pick(rng, THINGS + BY).replace("_", " ")
    return f"{thing} {pick(rng, UNITS)}" if rng.random() < 0.4 else thing


def sentence(rng, longest, test=False):
    """Words in a row, as in running text."""
    out = word(rng, test).capitalize()
    while True:
        chance = rng.random()
        following = (
            pick(rng, "the a of and to in is for on with at by from as it or be an not are".split())
            if chance < 0.35
            else str(rng.integers(1, 2030))
            if chance < 0.42
            else pick(rng, words.LAST_NAMES + words.FIRST_NAMES)
            if chance < 0.5
            else pick(rng, dictionary(test))
        )
        if len(out) + len(following) + 2 > longest:
            return out + pick(rng, [".", "", ".", "!", "?", ":"])
        out += pick(rng, [" ", " ", " ", " ", " ", ", "]) + following


def money(rng):
    value = float(np.exp(rng.uniform(0, 8)))
    return pick(rng, ["${:.2f}", "{:.2f}", "{:,.2f}", "EUR {:.2f}", "{:.2f} USD"]).format(value)


def cell(rng):
    """A value in a table."""
    chance = rng.random()
    if chance < 0.55:
        return str(rng.integers(0, int(10 ** rng.uniform(1, 4.5))))
    if chance < 0.7:
        return f"{rng.uniform(0, 100):.{int(rng.integers(1, 3))}f}"
    if chance < 0.8:
        return money(rng)
    if chance < 0.88:
        return f"{rng.uniform(0, 100):.0f}%"
    if chance < 0.94:
        return f"{rng.integers(2000, 2027)}-{rng.integers(1, 13):02d}-{rng.integers(1, 29):02d}"
    return pick(rng, ["yes", "no", "open", "done", "new", "n/a", "OK"])


def table(rng, test=False, most_cols=5, most_rows=8):
    """Lines of cells under a header; names of rows and columns are all different."""
    cols, rows = int(rng.integers(2, most_cols + 1)), int(rng.integers(2, most_rows + 1))
    while True:
        heads = [pick(rng, words.TABLE_CORNERS)]
        while len(heads) < cols:
            head = (
                pick(rng, words.TABLE_HEADS + THINGS).replace("_", " ")
                if rng.random() < 0.7
                else word(rng, test).capitalize()
            )
            if head not in heads:
                heads.append(head)
        names = []
        while len(names) < rows:
            name = (
                word(rng, test).capitalize()
                if rng.random() < 0.5
                else pick(rng, pick(rng, words.LABEL_SETS + words.LABEL_RUNS + [words.FIRST_NAMES]))
            )
            if name not in names:
                names.append(name)
        if draw.held_out(*names, *heads) == test:
            break
    plain = rng.random() < 0.6
    return [heads] + [[n] + [str(rng.integers(1, 100)) if plain else cell(rng) for _ in heads[1:]] for n in names]

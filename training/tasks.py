"""Conversations about pictures: answers in fixed frames to the questions of questions.py.

Answers state the facts in reading order and what follows from them last, so that the decoder can
find a maximum or a difference in its own text. What is said again stands behind the same words as the
first time ("64 for Tue" ... "the highest is 64 for Tue"): looking up what came after them is the
easiest thing for a decoder to learn."""

import re
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

import draw
import words
from draw import PLACES, By, Measured, Span, pick
from questions import ask


@dataclass
class Sample:
    pictures: list     # draw.Picture, in order
    turns: list        # (question, Span)
    kind: str
    shown: list = None  # pictures that come with each turn; None: all with the first
    given: int = 0      # characters of the (only) answer that are not learned
    others: list = ()   # further conversations about the same pictures: lists of turns
    inside: bool = False  # each turn's pictures are named behind the question's words instead of before them

    def letters(self):
        """Of all questions and answers."""
        return sum(map(letters, (self.turns, *self.others)))

    def pictures_of(self, turn):
        """Numbers of the pictures that come with a turn."""
        if self.shown is None:
            return range(len(self.pictures)) if turn == 0 else range(0)
        first = sum(self.shown[:turn])
        return range(first, first + self.shown[turn])


def letters(turns):
    return sum(len(question) + len(answer.text) for question, answer in turns)


class Said(NamedTuple):
    """Where a letter is found: at this place of the answer's own text, or where it was seen before."""
    at: int
    seen: tuple | None


def seen_before(w):
    """Where a letter of a part that is said again was seen, if that is a place to find it."""
    w = w.where if isinstance(w, By) else w
    return w.seen if isinstance(w, Said) else None if isinstance(w, Measured) else w


class Asked(NamedTuple):
    """Where a letter is found: at this place of the question."""
    at: int


TOLD = "told"  # where a letter is that nothing in sight tells; it is not learned


class Again:
    """A part that an answer has said before. Its letters are found there as well as on the picture."""

    def __init__(self, part):
        self.part, self.text = part, part.text


class Beside:
    """Says nothing: how the answer goes on depends on one letter of a part that was said before."""

    def __init__(self, part, at):
        self.part, self.at = part, at


def say(*parts):
    """Joins strings, Spans, what is said again and what is looked at beside it."""
    out, starts, beside = Span("", []), {}, None
    for part in parts:
        if isinstance(part, Beside):
            beside = Said(starts[id(part.part)] + part.at, None)
            continue
        starts[id(part)] = at = len(out.text)
        if isinstance(part, Again):
            first = starts[id(part.part)]
            where = out.where[first:first + len(part.text)]
            part = Span(part.text, [Said(first + i, seen_before(w)) for i, w in enumerate(where)])
        out = out + part
        if beside:
            out.where[at], beside = beside, None
    return out


def asked(question, text):
    """The text as a Span found in the question."""
    found = [m.start() for m in re.finditer(rf"\b{re.escape(text)}\b", question, re.IGNORECASE)]
    return Span(text, [Asked(found[-1] + i) if found else None for i in range(len(text))])


def moved(span, by):
    """The Span as part of an answer about more pictures, `by` of them before its own."""
    def move(w):
        if isinstance(w, Said):
            return Said(w.at, move(w.seen))
        if w is None or isinstance(w, Asked):
            return w
        if isinstance(w, (By, Measured)):
            return type(w)(*map(move, w))
        return (w[0], w[1], by + (w[2] if len(w) > 2 else 0))
    return Span(span.text, [move(w) for w in span.where])


def joined(items, by):
    """Parts of all items, each a list of parts, with `by` between them."""
    return [part for item in items for part in (by, *item)][1:]


def listed(items):
    """Parts of a / a and b / a, b and c; an item is a list of parts."""
    out = list(items[0])
    for i, item in enumerate(items[1:], 1):
        out += [" and " if i == len(items) - 1 else ", ", *item]
    return out


def article(text):
    return "an " if text[0] in "aeio" else "a "


CANNOT = "I can't make out a chart, a book cover, text or simple shapes in this picture."
TOO_SMALL = "I can't read the small print in this picture."
NO_PICTURE = "Load a picture with :load and ask about it."
PARTS = {"bar chart": "bars", "line chart": "points", "pie chart": "slices"}
FORMS = {"bar": "bar chart", "horizontal": "bar chart", "grouped": "bar chart", "line": "line chart",
         "lines": "line chart", "pie": "pie chart"}
KIND_NAMES = {"chart": "a bar chart", "cover": "a book cover", "shapes": "a picture of shapes",
              "page": "a page of text", "table": "a table", "receipt": "a receipt"}



# Answers about one picture: each returns (question, Span)

def extreme(f, which):
    return which(f["bars"], key=lambda bar: bar[1])


def values_first(f):
    """Parts: the values of a chart, ready for a question of which bar. Values that are not printed are read from
    the axis."""
    about = "" if f.get("printed", True) else "about "
    rows, parts = f.get("rows", [f["bars"]]), []
    for name, row in zip(f.get("series", [""]), rows):
        opening = f"For {name} the" if name else "The"
        parts += [" " if parts else "", f"{opening} values are {about}",
                  *listed([[value, " for ", label] for label, _, value in row]), "."]
    return parts


def labels_first(f):
    """Parts: the values of a chart, ready for a question of how much."""
    about = "" if f.get("printed", True) else "about "
    return listed([[label, f" is {about}", value] for label, _, value in f["bars"]]) + ["."]


def concluded(name, bar):
    """Parts: what is the highest or lowest after values_first()."""
    label, _, value = bar
    return [f"{name} is ", Again(value), " for ", Again(label)]


def form(f):
    return FORMS[f.get("form", "bar")]


def chart_about(rng, f, test=False):
    titled = ['titled "', f["title"], '". '] if f["title"] else ["without a title. "]
    ends = []
    if len(f.get("rows", [0])) == 1:
        ends = [*concluded(" The highest", extreme(f, max)), *concluded(" and the lowest", extreme(f, min)), "."]
    return ask(rng, "CHART_ABOUT", test=test), say(
        f"This {form(f)} is ", *titled, *values_first(f), *ends)


def chart_title(rng, f, test=False):
    question = ask(rng, "CHART_TITLE", test=test)
    return question, say('The title is "', f["title"], '".') if f["title"] else say("This chart has no title.")


def chart_high(rng, f, test=False):
    return (ask(rng, "CHART_HIGH", test=test),
            say(*values_first(f), *concluded(" The highest", extreme(f, max)), "."))


def chart_low(rng, f, test=False):
    return (ask(rng, "CHART_LOW", test=test),
            say(*values_first(f), *concluded(" The lowest", extreme(f, min)), "."))


def chart_value(rng, f, test=False):
    label, _, value = f["bars"][rng.integers(len(f["bars"]))]
    question = ask(rng, "CHART_VALUE", label.text, test=test)
    return question, say(*labels_first(f), " ", asked(question, label.text), " is ", Again(value), ".")


def chart_count(rng, f, test=False):
    labels = listed([[bar[0]] for bar in f["bars"]])
    return (ask(rng, "CHART_COUNT", test=test),
            say("The labels are ", *labels, f". There are {len(f['bars'])} {PARTS[form(f)]}."))


def cover_both(rng, f, test=False):
    return ask(rng, "COVER_BOTH", test=test), say('The title is "', f["title"], '" and the author is ',
                                       f["author"], ".")


def cover_title(rng, f, test=False):
    return ask(rng, "COVER_TITLE", test=test), say('The title is "', f["title"], '".')


def cover_author(rng, f, test=False):
    return ask(rng, "COVER_AUTHOR", test=test), say("The author is ", f["author"], ".")


def place_name(place, span):
    """The name of a place as a Span: it is told by looking at what is there."""
    return Span(PLACES[place], span.where[:1] * len(PLACES[place]))


def item(span, place):
    """Parts: a shape at its place; span names its colour and kind."""
    return ["at the ", place_name(place, span), " is ", article(span.text), span]


def scene(f):
    """Parts: all shapes of a picture."""
    return listed([item(span, place) for span, place, *_ in f["items"]])


def sentence(parts):
    """The parts with a capital letter first."""
    return [parts[0][:1].upper() + parts[0][1:], *parts[1:], "."]


def shapes_about(rng, f, test=False):
    return ask(rng, "SHAPES_ABOUT", test=test), say(*sentence(scene(f)))


def shapes_count(rng, f, test=False):
    n = len(f["items"])
    return (ask(rng, "SHAPES_COUNT", test=test),
            say(*sentence(scene(f)), f" There {'is' if n == 1 else 'are'} {n} shape{'s' * (n > 1)}."))


def single_kind(rng, f):
    """An item whose kind occurs once, or None."""
    kinds = [item[2] for item in f["items"]]
    single = [item for item in f["items"] if kinds.count(item[2]) == 1]
    return pick(rng, single) if single else None


def shapes_colour(rng, f, test=False):
    single = single_kind(rng, f)
    if single is None:
        return shapes_about(rng, f, test)
    question = ask(rng, "SHAPES_COLOUR", single[2], test=test)
    colours = {id(entry): Span(entry[3], entry[0].where[:len(entry[3])]) for entry in f["items"]}
    parts = listed([["the ", Span(entry[2], entry[0].where[:1] * len(entry[2])), " is ", colours[id(entry)]]
                    for entry in f["items"]])
    if len(f["items"]) > 1:
        parts += [". So the ", asked(question, single[2]), " is ", Again(colours[id(single)])]
    return question, say(*sentence(parts))


def shapes_place(rng, f, test=False):
    single = single_kind(rng, f)
    if single is None:
        return shapes_about(rng, f, test)
    span, place, kind, _ = single
    question = ask(rng, "SHAPES_PLACE", kind, test=test)
    return question, say(*sentence(scene(f)), " The ", asked(question, kind), " is at the ", place_name(place, span), ".")


def shapes_at(rng, f, test=False):
    span, place, *_ = pick(rng, f["items"])
    question = ask(rng, "SHAPES_AT", PLACES[place], test=test)
    return question, say(*sentence(scene(f)), " At the ", asked(question, PLACES[place]),
                         " is ", article(span.text), Again(span), ".")


def page_read(rng, f, test=False):
    return ask(rng, "PAGE_READ", test=test), f["text"]


def table_rows(f):
    """Parts: a table line by line."""
    lines = [joined([[cell] for cell in line], ", ") for line in f["lines"]]
    return ["The table reads: ", *joined(lines, "; "), "."]


def table_about(rng, f, test=False):
    return ask(rng, "TABLE_ABOUT", test=test), say(*table_rows(f))


def table_cell(rng, f, test=False):
    """Every line with its headers, the line asked for, the cell: each step needs only what came before."""
    heads, *lines = f["lines"]
    named = [[name, ": ", *listed([[Again(head) if i else head, " ", cell] for head, cell in zip(heads[1:], cells)])]
             for i, (name, *cells) in enumerate(lines)]
    row, col = int(rng.integers(len(lines))), int(rng.integers(1, len(heads)))
    name, *cells = lines[row]
    question = ask(rng, "TABLE_CELL", name.text, heads[col].text, test=test)
    again = [Again(cell) for cell in cells]
    line = listed([[Again(head), " ", cell] for head, cell in zip(heads[1:], again)])
    return question, say(*joined(named, "; "), ". ", asked(question, name.text), ": ", *line,
                         ". That is ", asked(question, heads[col].text), " ", Again(again[col - 1]), ".")


def receipt_about(rng, f, test=False):
    lines = joined([[name, " ", price] for name, price in f["lines"]], "; ")
    return ask(rng, "RECEIPT_ABOUT", test=test), say('The receipt is by "', f["shop"], '" and reads: ', *lines, ".")


def receipt_total(rng, f, test=False):
    return ask(rng, "RECEIPT_TOTAL", test=test), say("The total is ", f["total"], ".")


def receipt_shop(rng, f, test=False):
    return ask(rng, "RECEIPT_SHOP", test=test), say('The shop is "', f["shop"], '".')


def missing(rng, f, test=False):
    """A question about a label that is not in the chart."""
    there = {label.text for label, *_ in f["bars"]}
    away = [w for group in words.LABEL_RUNS + words.LABEL_SETS for w in group if w not in there]
    word = pick(rng, away)
    question = ask(rng, "CHART_VALUE", word, test=test)
    return question, say(*labels_first(f), " There is no ", asked(question, word), " in this chart.")


def wrong_kind(rng, picture, test=False):
    """A question that belongs to another kind of picture."""
    kind = picture.kind
    name = f"a {form(picture.facts)}" if kind == "chart" else KIND_NAMES[kind]
    blocks = {"chart": ["CHART_ABOUT", "CHART_HIGH", "CHART_COUNT"],
              "cover": ["COVER_BOTH", "COVER_AUTHOR"]}
    other = pick(rng, [k for k in blocks if k != kind])
    question = ask(rng, pick(rng, blocks[other]), test=test)
    if not any(w in question.lower() for w in ("chart", "book", "bar", "author", "graph", "stock")):
        question = {"chart": "Describe this chart.", "cover": "Who wrote this book?"}[other]
    return question, say(f"This is {name}, not {KIND_NAMES[other]}.")


TURNS = {  # maker and share
    "chart": [(chart_about, 8), (chart_title, 4), (chart_high, 5), (chart_low, 3), (chart_value, 6),
              (chart_count, 1), (missing, 3)],
    "several": [(chart_about, 4), (chart_title, 4)],
    "untold": [(chart_title, 4), (chart_count, 1)],
    "receipt": [(receipt_about, 2), (receipt_total, 3), (receipt_shop, 1)],
    "cover": [(cover_both, 6), (cover_title, 4), (cover_author, 4)],
    "shapes": [(shapes_about, 6), (shapes_count, 4), (shapes_colour, 4), (shapes_place, 1),
               (shapes_at, 1)],
    "table": [(table_about, 2), (table_cell, 3)],
    "page": [(page_read, 1)],
}
DRAWN = {"chart": draw.chart, "cover": draw.cover, "shapes": draw.shapes,
         "table": draw.table, "page": draw.page}


def asked_of(picture):
    """Of a chart of more than one series: what its highest bar is would need a longer question. Of a pie whose shares
    are not printed: what they are can only be guessed."""
    f = picture.facts
    if len(f.get("rows", [])) > 1:
        return "several"
    return "untold" if f.get("form") == "pie" and not f["printed"] else picture.kind


def turns_about(rng, picture, shares_of_counts=(0.3, 0.35, 0.35)):
    """One, two, three... turns about one picture of a known kind."""
    kind = picture.kind
    makers, shares = zip(*TURNS[asked_of(picture)])
    shares = np.array(shares) / sum(shares)
    turns, used = [], set()
    for _ in range(1 if kind == "page" else 1 + rng.choice(len(shares_of_counts), p=shares_of_counts)):
        chance = rng.random()
        maker = makers[rng.choice(len(makers), p=shares)]
        if chance < 0.09 and kind != "page":
            turns.append(wrong_kind(rng, picture))
        elif chance < 0.12 and not turns and kind != "shapes":
            turns.append((ask(rng, "ANY_ABOUT"), makers[0](rng, picture.facts)[1]))
        elif maker not in used:  # nothing is asked twice
            used.add(maker)
            turns.append(maker(rng, picture.facts))
    return turns or [makers[0](rng, picture.facts)]


def one_picture(rng, kind):
    """One to three turns about one picture."""
    picture = draw.weather(rng, DRAWN[kind](rng))
    return Sample([picture], turns_about(rng, picture), kind)


UNKNOWN_ASKED = ["ANY_ABOUT", "ANY_ABOUT", "CHART_ABOUT", "COVER_BOTH", "SHAPES_ABOUT"]


def unknown(rng, test=False):
    block = pick(rng, UNKNOWN_ASKED)
    picture = draw.weather(rng, draw.unknown(rng))
    return Sample([picture], [(ask(rng, block, test=test), say(CANNOT))], "unknown")


def no_picture(rng, test=False):
    block = pick(rng, ["HELLO", "HELLO", "CHART_ABOUT", "COVER_BOTH", "ANY_ABOUT", "PAIR"])
    return Sample([], [(ask(rng, block, test=test), say(NO_PICTURE))], "text")


# Two pictures

FREE = 0.8  # share of training's pairs in which each shape changes or not by itself


def most_compared():
    """Shapes in one picture of a pair."""
    return 4 if draw.Domain.full or draw.Domain.crowded else 2


def other_shape(rng, kind, name):
    """The shape with another colour or of another kind."""
    if rng.random() < 0.55:
        return kind, pick(rng, [n for n in draw.COLOUR_NAMES if n != name])
    return pick(rng, [s for s in draw.SHAPES if s != kind]), name


def new_shape(rng, before):
    """A shape at a place where none was."""
    place = pick(rng, [p for p in range(9) if p not in [b[0] for b in before]])
    return place, pick(rng, draw.SHAPES), pick(rng, draw.COLOUR_NAMES)


def freely_changed(rng):
    """A few shapes, and each of them changed or not, whatever became of the others: what was said of the first
    tells nothing about the second."""
    before, after = draw.scene(rng, most=most_compared()), []
    for place, kind, name in before:
        chance = rng.random()
        if chance < 0.5:
            after.append((place, kind, name))
        elif chance < 0.9 or (not after and (place, kind, name) == before[-1]):
            after.append((place, *other_shape(rng, kind, name)))
    if len(before) == 1 and rng.random() < 0.35:
        after = sorted(after + [new_shape(rng, before)])
    return before, after


def changed_scene(rng, test=False):
    """A few shapes, and the same with one of them changed."""
    if not test and rng.random() < FREE:
        return freely_changed(rng)
    before = draw.scene(rng, test, most=most_compared())
    after, i = list(before), int(rng.integers(len(before)))
    place, kind, name = before[i]
    change = rng.choice(["colour", "kind", "gone", "new", "none"], p=[0.3, 0.25, 0.15, 0.15, 0.15])
    if change == "gone" and len(before) == 1:
        change = "colour"
    if change == "new" and len(before) == most_compared():
        change = "kind"
    if change == "colour":
        after[i] = (place, kind, pick(rng, [n for n in draw.COLOUR_NAMES if n != name]))
    elif change == "kind":
        after[i] = (place, pick(rng, [s for s in draw.SHAPES if s != kind]), name)
    elif change == "gone":
        del after[i]
    elif change == "new":
        after = sorted(after + [new_shape(rng, before)])
    return before, after


TELLING = 2  # the number of a letter by which, with those before it, colours differ, and kinds of shapes too


def halves(span):
    """Colour and kind of a shape."""
    at = span.text.index(" ")
    return Span(span.text[:at], span.where[:at]), Span(span.text[at + 1:], span.where[at + 1:])


def replaced(place, now, before, opening):
    """Parts: what is at a place now, and what was there instead, word by word. now and before: (colour, kind) or None."""
    parts = ["at the ", place_name(place, now[0]) if now else PLACES[place], " is "]
    if now is None:
        colour, kind = before
        return [*parts, "nothing, instead of ", article(colour.text), Again(colour), " ", Again(kind)]
    nowhere = opening, len(opening) - len(": ")
    looked = [(word, TELLING) for word in before] if before else [nowhere, nowhere]
    parts += [article(now[0].text), now[0], Beside(*looked[0])]
    if before and before[0].text != now[0].text:
        parts += [", instead of ", Again(before[0]), ","]
    parts += [" ", now[1], Beside(*looked[1])]
    if not before:
        parts.append(", instead of nothing")
    elif before[1].text != now[1].text:
        parts += [", instead of ", article(before[1].text), Again(before[1])]
    return parts


def compare(before, after):
    """The answer about two pictures, which map places to Spans. The second one is told place by place of both,
    and each word that is another one than before stands before that one: a single look back tells."""
    before, after = ({place: halves(span) for place, span in shown.items()} for shown in (before, after))
    opening = "Image 1: "
    first = [["at the ", place_name(place, colour), " is ", article(colour.text), colour, " ", kind]
             for place, (colour, kind) in sorted(before.items())]
    second = [replaced(place, after.get(place), before.get(place), opening) for place in sorted({*before, *after})]
    same, other = ({p: (c.text, k.text) for p, (c, k) in shown.items()} for shown in (before, after))
    return say(opening, *listed(first), ". Image 2: ", *listed(second),
               ". There is no difference." if same == other else ".")


def shape_pair(rng, test=False):
    """The same few shapes twice, one of them changed."""
    return compared(rng, [draw.shapes(rng, items=items) for items in changed_scene(rng, test)], test)


def compared(rng, pictures, test=False):
    """What differs between two pictures of shapes."""
    shown = [{place: moved(span, n) for span, place, *_ in picture.facts["items"]}
             for n, picture in enumerate(pictures)]
    return Sample(pictures, [(ask(rng, "PAIR", test=test), compare(*shown))], "pair")


def plain(text):
    """The text as a Span that is on no picture."""
    return Span(text, [TOLD] * len(text))


def conclusion(rng):
    """An answer without its picture: what follows from its own text can be learned from that text alone,
    at a small part of the cost. What is told before that is given."""
    kind = rng.random()
    if kind < 0.2:
        before, after = ({place: plain(f"{name} {shape}") for place, shape, name in items} for items in changed_scene(rng))
        question, answer = ask(rng, "PAIR"), compare(before, after)
        given = answer.text.index("Image 2")
        return Sample([], [(question, answer)], "conclusion", given=given)
    if kind < 0.23:
        items = [(plain(f"{name} {shape}"), place, shape, name) for place, shape, name in draw.scene(rng)]
        question, answer = shapes_colour(rng, {"items": items})
    elif kind < 0.42:
        lines = [[plain(cell) for cell in line] for line in draw.table_text(rng)]
        question, answer = table_cell(rng, {"lines": lines})
    else:
        labels, values = draw.chart_text(rng)
        bars = [(plain(label), int(value), plain(str(value))) for label, value in zip(labels, values)]
        maker = pick(rng, [chart_high, chart_low, chart_value, missing])
        question, answer = maker(rng, {"bars": bars})
    given = answer.text.find(". ") + len(". ") if ". " in answer.text else 0  # one shape's colour is one sentence
    return Sample([], [(question, answer)], "conclusion", given=given)


def named(number, picture):
    """Parts: how a picture is called in a comparison of different pictures."""
    f = picture.facts
    if picture.kind == "cover":
        parts = ['the book "', f["title"], '" by ', f["author"]]
    elif picture.kind == "chart":
        titled = [' titled "', f["title"], '"'] if f["title"] else [""]
        parts = [f"a {form(f)}", *titled]
    else:
        parts = scene(f)
    return [p if isinstance(p, str) else moved(p, number) for p in parts]


def mixed_pair(rng, test=False):
    """Two pictures with nothing in common: both are named."""
    kinds = [pick(rng, ["cover", "cover", "chart", "shapes"]) for _ in range(2)]
    if kinds == ["shapes", "shapes"]:
        kinds[0] = "cover"
    return both_named(rng, [DRAWN[k](rng, test) for k in kinds], test)


def both_named(rng, pictures, test=False):
    answer = say("Image 1: ", *named(0, pictures[0]), ". Image 2: ", *named(1, pictures[1]), ".")
    return Sample(pictures, [(ask(rng, "PAIR", test=test), answer)], "mixed")


def sitting(rng):
    """Two subjects one after the other, as at the terminal: the second question is
    about what came with it."""
    return in_turn([make(rng, pick(rng, ["chart", "cover", "shapes", "pair", "page"])) for _ in range(2)])


def in_turn(parts):
    """Two samples, the one of two pictures last, as one conversation."""
    if len(parts[0].pictures) > 1:
        parts.reverse()
    pictures, turns, shown = [], [], []
    for part in parts:
        question, answer = part.turns[0]
        turns.append((question, moved(answer, len(pictures))))
        pictures += part.pictures
        shown.append(len(part.pictures))
    return Sample(pictures, turns, "sitting", shown)


MAKERS = {"sitting": sitting, "unknown": unknown, "text": no_picture, "pair": shape_pair, "mixed": mixed_pair}


def make(rng, kind):
    return MAKERS[kind](rng) if kind in MAKERS else one_picture(rng, kind)

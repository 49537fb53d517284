"""Conversations about pictures: questions in many words, answers in fixed frames.

Answers state the facts in reading order and what follows from them last, so that the decoder can
find a maximum or a difference in its own text. What is said again stands behind the same words as the
first time ("64 for Tue" ... "the highest is 64 for Tue"): looking up what came after them is the
easiest thing for a decoder to learn."""

import re
import zlib
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

import draw
import words
from draw import PLACES, Span, pick


@dataclass
class Sample:
    pictures: list     # draw.Picture, in order
    turns: list        # (question, Span)
    kind: str
    shown: list = None  # pictures that come with each turn; None: all with the first
    given: int = 0      # characters of the (only) answer that are not learned

    def pictures_of(self, turn):
        """Numbers of the pictures that come with a turn."""
        if self.shown is None:
            return range(len(self.pictures)) if turn == 0 else range(0)
        first = sum(self.shown[:turn])
        return range(first, first + self.shown[turn])


class Said(NamedTuple):
    """Where a letter is found: at this place of the answer's own text, or where it was seen before."""
    at: int
    seen: tuple | None


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
            part = Span(part.text, [Said(first + i, w.seen if isinstance(w, Said) else w)
                                    for i, w in enumerate(where)])
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


# Questions: lines and | separate sentences, [a/b/c] is one of several ways, "-" stands for nothing

CHART_ABOUT = """Could you please introduce this stock to me?
[Describe/Explain/Summarize/Summarise/Introduce/Analyze/Analyse/Read] [this/the] [chart/bar chart/graph/plot/diagram].
[Tell me about/Explain to me/Give me a summary of] [this/the] [chart/stock/graph/figure].
What [does/is] [this/the] [chart/graph/diagram] [show/about/say]? | What can you see in this chart?
[Give me/List/Show me/Read] [the/all the] [data/values/numbers] [of this chart/in this chart/of the graph].
What are the values in [this/the] [chart/graph]? | List the values. | Explain this figure.
Could you [please/-] [introduce/explain/describe] [this/the] [chart/plot/graph] to me?"""
CHART_TITLE = """What is the title of [this/the] [chart/graph/diagram]? | What is the [chart/graph] called?
[Read/Give me/Tell me] the title of the [chart/graph]. | What is the title? | Title of this [graph/chart]?
[Which/What] title does the [chart/graph/diagram] have? | How is this [chart/graph] titled?"""
CHART_HIGH = """[Which/What] [bar/one/category/label] is the [highest/largest/tallest/biggest]?
What is the [highest/largest/maximum/biggest] value? | [Which/What] is the [largest/highest]?
Where is the [maximum/peak/highest value/top]? | What is the [maximum/peak]? | [Which/Who] has the most?
[Name/Tell me/Show me] the [highest/largest/tallest] [bar/value].
[What/Which bar/Which one] is at the top? | What is the top value? | Tell me the top value."""
CHART_LOW = """[Which/What] [bar/one/category/label] is the [lowest/smallest/shortest]?
What is the [lowest/smallest/minimum] value? | [Which/What] is the [smallest/lowest]?
Where is the [minimum/lowest value/bottom]? | What is the minimum? | [Which/Who] has the least?
[Name/Tell me/Show me] the [lowest/smallest/shortest] [bar/value]. | And the [lowest/smallest/minimum]?
[What/Which bar/Which one/Which value] is at the bottom? | Show me the [bottom/bottom value]. | Which is the bottom bar?"""
CHART_VALUE = """What is the value [of/for/at] {}? | How [much/high/big/large] is {}? | Value [of/for] {}?
What about {}? | [Tell me/Give me/Read] the [value/number] [of/for] {}. | And {}?
What [value/number] does {} have? | How much does {} have? | What is {}?"""
CHART_COUNT = """How many [bars/values/categories] are there? | How many [bars/values] does the [chart/graph] have?
Count the [bars/values/categories]. | What are the [categories/labels]?
[List/Name/Read] the [categories/labels]. | What is the number of bars?"""

COVER_BOTH = """Help me get the title and author information of this book?
What [is/are] the title and [the/-] author of this book? | Who wrote this book and what is its title?
[-/Tell me/Give me/Find/Read/Show me] the title and [the/-] author [please/of this book/of the book/-].
[What/Which] book is [this/it/that]? | [Describe/Introduce/Explain] this [book/book cover/cover].
[Tell me about/What do you know about] this book. | What does the [cover/book cover] say?
[Read/Please read] the [cover/book cover]. | [Introduce/Present] this book to me.
Tell me who wrote this book and its title. | Get the title and author information of this book.
What are the title and author? | Could you please introduce this book to me?
Help me get the title and author of this book. | Who is the author and what is the title?"""
COVER_TITLE = """What is the [title/name] of [this/the] book? | What is [the/this] book called? | Read the title.
Book title? | What is the title? | Name of this book? | [Give me/Tell me/Find] the title [of the book/-].
[Which/What] title does [the/this] book have? | How is this book [called/titled]?"""
COVER_AUTHOR = """Who is the [author/writer] [of this book/of the book/-]? | Who [wrote/has written] [this book/the book/it]?
What is the author's name? | Author of [this/the] book? | Name the [author/writer].
[Tell me/Give me/Find] the [author/name of the author]. | Who is the book by? | By whom is this book?
And who wrote it? | And the author? | Whose book is this? | Who is [it/this/this book] by?
By whom [is it/is this/is the book/was it written/was this book written/was the book written]?"""

SHAPES_ABOUT = """[Describe/Explain] [this/the] [picture/image/drawing]. | What do you see [here/in this picture/-]?
What is in [this/the] [picture/image]? | [What/Which] shapes [are there/can you see/do you see]?
What does the [picture/image/drawing] show? | [List/Name/Describe] [the/all the/all] shapes.
What can you see [in this image/here]? | Tell me about [this/the] [picture/image]."""
SHAPES_COUNT = """How many [shapes/objects/figures] are there? | Count the [shapes/objects/figures].
How many [shapes/objects/figures] [do you see/can you see/are in the picture/are in this image]?
What is the number of [shapes/objects/figures]? | [Tell me/Give me/Say] [the number of shapes/how many shapes there are].
How many [shapes/objects] does the [picture/image] [show/have]?"""
SHAPES_COLOUR = """What [color/colour] is the {}? | [What/Which] [color/colour] does the {} have?
[Color/Colour] of the {}? | What is the [color/colour] of the {}?
[Tell me/Name/Give me] the [color/colour] of the {}."""
SHAPES_PLACE = """Where is the {} [in the picture/in this image/-]? | Where do you see the {}? | In which place is the {}?
[Tell me/Show me/Say] where the {} is. | What is the [place/position] of the {}? | Where can I [find/see] the {}?
[In/At] which [place/corner/part] is the {}? | Where [in/on] the picture is the {}?"""
SHAPES_AT = """What is at the {}? | [What/Which] shape is at the {}? | What do you see at the {}?
What [can you see/is drawn/is there] at the {}? | [Name/Describe] the [shape/object] at the {}.
[What/Which] [object/figure] is at the {}? | Tell me what is at the {}. | Is there anything at the {}?"""

PAGE_READ = """Read the text [please/to me/-]. | What does [it/the text/this page] say? | What is written here?
[Read/Transcribe/Copy/Extract/Give me] the text [in this picture/in this image/of this page/-].
Please read this page. | OCR this [picture/image/page]. | What text is in this [image/picture]?"""

TABLE_ABOUT = """[Read/Describe/Transcribe/Explain/Summarize] [this/the] table.
What [does the table/does this table] [show/say/contain]? | What is in [this/the] table?
[Give me/List] [the/all] [rows/cells/values] of the table. | What are the values in this table?"""
TABLE_CELL = """What is the {1} of {0}? | What is {0} in {1}? | [Tell me/Give me/Read] the {1} of {0}.
What does the table say for {0} and {1}? | [Which/What] {1} does {0} have? | {1} of {0}? | [Find/Look up/Show me] the {1} [of/for] {0}.
[What/Which] [value/number] is in row {0} and column {1}? | How much {1} does {0} have?"""

PAIR = """What is difference in this two images? | What is difference in this two images?
What [is/are] the [difference/differences] between these two [images/pictures]? | What is different?
[Compare/Compare please] [the two/these two/these/both] [pictures/images]. | What [changed/has changed]?
What has changed between the [pictures/images]? | [Spot/Find/Tell me/Name] the [difference/differences].
What is the difference? | How do the two [images/pictures] differ? | Compare them.
Find the difference between the two [pictures/images]. | What is different in the second [picture/image]?
Tell me the difference between the [images/pictures]. | Describe both [pictures/images].
What is the difference in these two [pictures/images]? | How are these two [pictures/images] different?"""

ANY_ABOUT = """Describe [this/the] [picture/image/photo]. | What is this? | What do you see [here/-]?
What is in [this/the] [picture/image/photo]? | What does the [picture/image/photo] show? | What can you see?
Tell me about this [picture/image/photo]. | What is this picture? | What kind of [picture/image] is this?"""

HELLO = """Hello | Hi | Hello! | Hi there | Good morning | How are you? | What can you do? | Who are you? | Help
What are you? | Thanks | Thank you | Tell me a story. | Write a poem. | What is the weather today? | Test
How does this work? | What is 2 + 2? | What is the capital of France? | ok | Can you help me?"""

CANNOT = "I can't make out a chart, a book cover, text or simple shapes in this picture."
NO_PICTURE = "Load a picture with :load and ask about it."
KIND_NAMES = {"chart": "a bar chart", "cover": "a book cover", "shapes": "a picture of shapes",
              "page": "a page of text", "table": "a table"}


PUBLISHED = {  # the questions of the model's own guide are always trained
    "Could you please introduce this stock to me?", "What is difference in this two images?",
    "Help me get the title and author information of this book?"}


def expand(sentence):
    """All sentences that a pattern with [a/b] stands for."""
    if "[" not in sentence:
        return [" ".join(sentence.split()).replace(" .", ".").replace(" ?", "?")]
    head, rest = sentence.split("[", 1)
    ways, tail = rest.split("]", 1)
    return [s for way in ways.split("/") for s in expand(head + way.replace("-", "") + tail)]


def phrasings(block):
    """A block as patterns, each a list of sentences: a pattern of many ways is not asked more often."""
    return [expand(q.strip()) for line in block.split("\n") for q in line.split("|") if q.strip()]


def is_unseen(sentence):
    """One phrasing in six is kept for tests."""
    return sentence not in PUBLISHED and zlib.crc32(sentence.encode()) % 6 == 0


def split(patterns, test):
    """The sentences of each pattern that belong to training or to tests; patterns without any left out."""
    kept = [[s for s in p if is_unseen(s) == test] for p in patterns]
    return [p for p in kept if p]


BLOCKS = {name: phrasings(block) for name, block in list(globals().items())
          if name.isupper() and isinstance(block, str) and "|" in block}
SPLITS = {test: {name: split(p, test) for name, p in BLOCKS.items()} for test in (False, True)}


def ask(rng, block, *names, test=False):
    """One phrasing, half of the time in a careless form."""
    question = pick(rng, pick(rng, SPLITS[test][block])).format(*names)
    if block == "PAIR" and rng.random() < 0.15:  # the published sample has a space here
        question = " " + question
    question = question[:1].upper() + question[1:]
    if rng.random() < 0.5:
        return question
    if rng.random() < 0.4:
        question = question.lower()
    if rng.random() < 0.4:
        question = question.rstrip("?.!")
    draw_ = rng.random()
    if draw_ < 0.12:
        question = "Please " + question[:1].lower() + question[1:]
    elif draw_ < 0.2:
        question = question.rstrip("?.!") + ", please"
    elif draw_ < 0.26 and len(question) > 8:  # a typing error
        i = int(rng.integers(2, len(question) - 2))
        question = question[:i] + question[i + 1:]
    return question


# Answers about one picture: each returns (question, Span)

def extreme(f, which):
    return which(f["bars"], key=lambda bar: bar[1])


def values_first(f):
    """Parts: the values of a chart, ready for a question of which bar."""
    return ["The values are ", *listed([[value, " for ", label] for label, _, value in f["bars"]]), "."]


def labels_first(f):
    """Parts: the values of a chart, ready for a question of how much."""
    return listed([[label, " is ", value] for label, _, value in f["bars"]]) + ["."]


def concluded(name, bar):
    """Parts: what is the highest or lowest after values_first()."""
    label, _, value = bar
    return [f"{name} is ", Again(value), " for ", Again(label)]


def chart_about(rng, f, test=False):
    return ask(rng, "CHART_ABOUT", test=test), say(
        'This bar chart is titled "', f["title"], '". ', *values_first(f),
        *concluded(" The highest", extreme(f, max)), *concluded(" and the lowest", extreme(f, min)), ".")


def chart_title(rng, f, test=False):
    return ask(rng, "CHART_TITLE", test=test), say('The title is "', f["title"], '".')


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
            say("The labels are ", *labels, f". There are {len(f['bars'])} bars."))


def cover_both(rng, f, test=False):
    return ask(rng, "COVER_BOTH", test=test), say('The title is "', f["title"], '" and the author is ',
                                       f["author"], ".")


def cover_title(rng, f, test=False):
    return ask(rng, "COVER_TITLE", test=test), say('The title is "', f["title"], '".')


def cover_author(rng, f, test=False):
    return ask(rng, "COVER_AUTHOR", test=test), say("The author is ", f["author"], ".")


def item(span, place):
    """Parts: a shape at its place; span names its colour and kind."""
    return [f"at the {PLACES[place]} is ", article(span.text), span]


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
    return question, say(*sentence(scene(f)), " The ", asked(question, kind), " is at the ",
                         Span(PLACES[place], span.where[:1] * len(PLACES[place])), ".")


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


def missing(rng, f, test=False):
    """A question about a label that is not in the chart."""
    there = {label.text for label, *_ in f["bars"]}
    away = [w for group in words.LABEL_RUNS + words.LABEL_SETS for w in group if w not in there]
    word = pick(rng, away)
    question = ask(rng, "CHART_VALUE", word, test=test)
    return question, say(*labels_first(f), " There is no ", asked(question, word), " in this chart.")


def wrong_kind(rng, kind, test=False):
    """A question that belongs to another kind of picture."""
    blocks = {"chart": ["CHART_ABOUT", "CHART_HIGH", "CHART_COUNT"],
              "cover": ["COVER_BOTH", "COVER_AUTHOR"]}
    other = pick(rng, [k for k in blocks if k != kind])
    question = ask(rng, pick(rng, blocks[other]), test=test)
    if not any(w in question.lower() for w in ("chart", "book", "bar", "author", "graph", "stock")):
        question = {"chart": "Describe this chart.", "cover": "Who wrote this book?"}[other]
    return question, say(f"This is {KIND_NAMES[kind]}, not {KIND_NAMES[other]}.")


TURNS = {  # maker and share
    "chart": [(chart_about, 12), (chart_title, 1), (chart_high, 4), (chart_low, 4), (chart_value, 5),
              (chart_count, 1), (missing, 4)],
    "cover": [(cover_both, 6), (cover_title, 4), (cover_author, 4)],
    "shapes": [(shapes_about, 6), (shapes_count, 4), (shapes_colour, 4), (shapes_place, 1),
               (shapes_at, 1)],
    "table": [(table_about, 2), (table_cell, 3)],
    "page": [(page_read, 1)],
}
DRAWN = {"chart": draw.chart, "cover": draw.cover, "shapes": draw.shapes,
         "table": draw.table, "page": draw.page}


def one_picture(rng, kind):
    """One to three turns about one picture."""
    picture = draw.weather(rng, DRAWN[kind](rng))
    makers, shares = zip(*TURNS[kind])
    shares = np.array(shares) / sum(shares)
    turns, used = [], set()
    for _ in range(1 if kind == "page" else rng.choice([1, 2, 3], p=[0.3, 0.35, 0.35])):
        chance = rng.random()
        maker = makers[rng.choice(len(makers), p=shares)]
        if chance < 0.09 and kind != "page":
            turns.append(wrong_kind(rng, kind))
        elif chance < 0.12 and not turns and kind != "shapes":
            turns.append((ask(rng, "ANY_ABOUT"), makers[0](rng, picture.facts)[1]))
        elif maker not in used:  # nothing is asked twice
            used.add(maker)
            turns.append(maker(rng, picture.facts))
    turns = turns or [makers[0](rng, picture.facts)]
    return Sample([picture], turns, kind)


def unknown(rng, test=False):
    block = pick(rng, ["ANY_ABOUT", "ANY_ABOUT", "CHART_ABOUT", "COVER_BOTH", "SHAPES_ABOUT"])
    return Sample([draw.weather(rng, draw.unknown(rng))], [(ask(rng, block, test=test), say(CANNOT))], "unknown")


def no_picture(rng, test=False):
    block = pick(rng, ["HELLO", "HELLO", "CHART_ABOUT", "COVER_BOTH", "ANY_ABOUT", "PAIR"])
    return Sample([], [(ask(rng, block, test=test), say(NO_PICTURE))], "text")


# Two pictures

FREE = 0.8  # share of training's pairs in which each shape changes or not by itself


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
    """One or two shapes, and each of them changed or not, whatever became of the other: what was said of the first
    tells nothing about the second."""
    before, after = draw.scene(rng, most=2), []
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
    """One or two shapes, and the same with one of them changed."""
    if not test and rng.random() < FREE:
        return freely_changed(rng)
    before = draw.scene(rng, test, most=2)
    after, i = list(before), int(rng.integers(len(before)))
    place, kind, name = before[i]
    change = rng.choice(["colour", "kind", "gone", "new", "none"], p=[0.3, 0.25, 0.15, 0.15, 0.15])
    if change == "gone" and len(before) == 1:
        change = "colour"
    if change == "new" and len(before) == 2:
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
    parts = [f"at the {PLACES[place]} is "]
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
    first = [[f"at the {PLACES[place]} is ", article(colour.text), colour, " ", kind]
             for place, (colour, kind) in sorted(before.items())]
    second = [replaced(place, after.get(place), before.get(place), opening) for place in sorted({*before, *after})]
    same, other = ({p: (c.text, k.text) for p, (c, k) in shown.items()} for shown in (before, after))
    return say(opening, *listed(first), ". Image 2: ", *listed(second),
               ". There is no difference." if same == other else ".")


def shape_pair(rng, test=False):
    """The same one or two shapes twice, one of them changed."""
    pictures = [draw.shapes(rng, items=items) for items in changed_scene(rng, test)]
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
        parts = ['a bar chart titled "', f["title"], '"']
    else:
        parts = scene(f)
    return [p if isinstance(p, str) else moved(p, number) for p in parts]


def mixed_pair(rng, test=False):
    """Two pictures with nothing in common: both are named."""
    kinds = [pick(rng, ["cover", "cover", "chart", "shapes"]) for _ in range(2)]
    if kinds == ["shapes", "shapes"]:
        kinds[0] = "cover"
    pictures = [DRAWN[k](rng, test) for k in kinds]
    answer = say("Image 1: ", *named(0, pictures[0]), ". Image 2: ", *named(1, pictures[1]), ".")
    return Sample(pictures, [(ask(rng, "PAIR", test=test), answer)], "mixed")


def sitting(rng):
    """Two subjects one after the other, as at the terminal: the second question is
    about what came with it."""
    parts = [make(rng, pick(rng, ["chart", "cover", "shapes", "pair", "page"])) for _ in range(2)]
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

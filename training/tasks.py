"""Conversations about pictures: questions in many words, answers in fixed frames.

Answers state the facts in reading order and what follows from them last, so that the decoder can
find a maximum or a difference in its own text."""

from dataclasses import dataclass

import numpy as np

import draw
from draw import PLACES, Span, pick


@dataclass
class Sample:
    pictures: list     # draw.Picture, in order
    turns: list        # (question, Span)
    kind: str
    shown: list = None  # pictures that come with each turn; None: all with the first

    def pictures_of(self, turn):
        """Numbers of the pictures that come with a turn."""
        if self.shown is None:
            return range(len(self.pictures)) if turn == 0 else range(0)
        first = sum(self.shown[:turn])
        return range(first, first + self.shown[turn])


def say(*parts):
    """Joins strings and Spans."""
    out = Span("", [])
    for part in parts:
        out = out + part
    return out


def of(picture_number, span):
    """The Span as part of an answer about several pictures."""
    return Span(span.text, [w and (w[0], w[1], picture_number) for w in span.where])


def listed(items):
    """a / a and b / a, b and c"""
    out = items[0]
    for i, item in enumerate(items[1:], 1):
        out = out + (" and " if i == len(items) - 1 else ", ") + item
    return out


def derived(span):
    """The Span as part of a conclusion: found in the answer's own text, not on the picture."""
    return Span(span.text, [None] * len(span.text))


def article(text):
    return "an " if text[0] in "aeio" else "a "


# Questions

CHART_ABOUT = """Could you please introduce this stock to me?
Describe this chart. | Describe the graph. | Explain this chart. | Explain the chart to me.
Summarize this chart. | Tell me about this chart. | What does this chart show? | Introduce this chart.
What can you see in this chart? | Please read this bar chart. | Give me the data of this chart.
What are the values in this chart? | List the values. | Could you explain this plot to me?
Could you please introduce this chart to me? | What is this chart about? | Tell me about this stock.
What does the diagram say? | Read the chart. | Analyze this chart. | Explain this figure."""
CHART_TITLE = """What is the title of this chart? | What is the chart called? | Read the title of the chart.
What is the title? | Title of this graph? | Give me the title of the chart."""
CHART_HIGH = """Which bar is the highest? | What is the highest value? | Which one is the highest?
Which is the largest? | Where is the maximum? | What is the maximum? | Which has the most?
Which bar is the tallest? | What is the peak?"""
CHART_LOW = """Which bar is the lowest? | What is the lowest value? | Which one is the lowest?
Which is the smallest? | Where is the minimum? | What is the minimum? | Which has the least?
Which bar is the shortest?"""
CHART_VALUE = """What is the value of {}? | How much is {}? | What is the value for {}? | Value of {}?
How high is {}? | What about {}? | Tell me the value of {}. | And {}?"""
CHART_COUNT = """How many bars are there? | How many bars does the chart have? | Count the bars.
How many values are there? | What are the categories?"""

COVER_BOTH = """Help me get the title and author information of this book?
What is the title and author of this book? | Who wrote this book and what is its title?
Title and author please. | Tell me the title and the author. | Give me the title and author.
What book is this? | Which book is this? | Describe this book cover. | Describe this book.
Tell me about this book. | What does the cover say? | Read the cover. | Introduce this book to me.
Tell me who wrote this book and its title. | Get the title and author information of this book.
What are the title and author? | Could you please introduce this book to me?
Help me get the title and author of this book. | Please read the book cover."""
COVER_TITLE = """What is the title of this book? | What is the book called? | Read the title. | Book title?
What is the title? | Name of this book? | Give me the title of the book."""
COVER_AUTHOR = """Who is the author? | Who wrote this book? | Who wrote it? | What is the author's name?
Author of this book? | Name the author. | Who is the writer of this book?"""

SHAPES_ABOUT = """Describe this picture. | What do you see? | What is in this picture? | What shapes are there?
Describe the image. | What does the picture show? | Which shapes can you see? | List the shapes.
What can you see in this image? | Tell me about this picture. | Describe the shapes."""
SHAPES_COUNT = """How many shapes are there? | Count the shapes. | How many shapes do you see?
How many objects are in the picture?"""
SHAPES_COLOUR = """What color is the {}? | What colour is the {}? | Which color has the {}? | Color of the {}?"""
SHAPES_PLACE = """Where is the {}? | Where do you see the {}? | In which place is the {}?"""
SHAPES_AT = """What is at the {}? | What shape is at the {}? | What do you see at the {}?"""

PAGE_READ = """Read the text. | What does it say? | What does the text say? | What is written here?
Read the text in this picture. | Please read this page. | Transcribe the text. | OCR this picture.
What text is in this image? | Extract the text."""

PAIR = """What is difference in this two images? | What is difference in this two images?
What is the difference between these two images? | What is different? | Compare the two pictures.
Compare these images. | What changed? | What has changed between the pictures? | Spot the difference.
What is the difference? | How do the two images differ? | Find the difference between the two pictures.
What are the differences between these two images? | Tell me the difference between the images.
What is different in the second picture? | Compare them. | Describe both pictures.
What is the difference in these two pictures? | How are these two pictures different?"""

ANY_ABOUT = """Describe this picture. | What is this? | What do you see? | What is in this picture?
Describe the image. | What does the picture show? | Tell me about this picture. | What is this picture?
What kind of picture is this? | What can you see?"""

HELLO = """Hello | Hi | Hello! | Hi there | Good morning | How are you? | What can you do? | Who are you? | Help
What are you? | Thanks | Thank you | Tell me a story. | Write a poem. | What is the weather today? | Test
How does this work? | What is 2 + 2? | What is the capital of France? | ok | Can you help me?"""

CANNOT = "I can't make out a chart, a book cover, text or simple shapes in this picture."
NO_PICTURE = "Load a picture with :load and ask about it."
KIND_NAMES = {"chart": "a bar chart", "cover": "a book cover", "shapes": "a picture of shapes",
              "page": "a page of text"}


def phrasings(block):
    return [q.strip() for line in block.split("\n") for q in line.split("|") if q.strip()]


BLOCKS = {name: phrasings(block) for name, block in list(globals().items())
          if name.isupper() and isinstance(block, str) and "|" in block}


def ask(rng, block, *names):
    """One phrasing, half of the time in a careless form."""
    question = pick(rng, BLOCKS[block]).format(*names)
    if block == "PAIR" and rng.random() < 0.15:  # the published sample has a space here
        question = " " + question
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

def chart_values(f):
    parts = ["The values are "]
    for i, (label, _, value) in enumerate(f["bars"]):
        parts += [", " if i else "", label, " ", value]
    return say(*parts, ". ")


def chart_about(rng, f):
    high, low = extreme(f, max), extreme(f, min)
    return ask(rng, "CHART_ABOUT"), say(
        'This bar chart is titled "', f["title"], '". ', chart_values(f),
        "The highest is ", derived(high[2]), " for ", derived(high[0]),
        " and the lowest is ", derived(low[2]), " for ", derived(low[0]), ".")


def extreme(f, which):
    return which(f["bars"], key=lambda bar: bar[1])


def chart_title(rng, f):
    return ask(rng, "CHART_TITLE"), say('The title is "', f["title"], '".')


def chart_high(rng, f):
    label, _, value = extreme(f, max)
    return ask(rng, "CHART_HIGH"), say(chart_values(f), "The highest is ", derived(value),
                                         " for ", derived(label), ".")


def chart_low(rng, f):
    label, _, value = extreme(f, min)
    return ask(rng, "CHART_LOW"), say(chart_values(f), "The lowest is ", derived(value),
                                        " for ", derived(label), ".")


def chart_value(rng, f):
    label, _, value = f["bars"][rng.integers(len(f["bars"]))]
    return ask(rng, "CHART_VALUE", label.text), say(label, " is ", value, ".")


def chart_count(rng, f):
    labels = listed([bar[0] for bar in f["bars"]])
    return ask(rng, "CHART_COUNT"), say(f"There are {len(f['bars'])} bars: ", labels, ".")


def cover_both(rng, f):
    return ask(rng, "COVER_BOTH"), say('The title is "', f["title"], '" and the author is ',
                                       f["author"], ".")


def cover_title(rng, f):
    return ask(rng, "COVER_TITLE"), say('The title is "', f["title"], '".')


def cover_author(rng, f):
    return ask(rng, "COVER_AUTHOR"), say("The author is ", f["author"], ".")


def shapes_about(rng, f):
    return ask(rng, "SHAPES_ABOUT"), say("The picture shows ", scene_text(f), ".")


def scene_text(f, number=0):
    return listed([say(article(s.text), of(number, s)) for s, *_ in f["items"]])


def shapes_count(rng, f):
    n = len(f["items"])
    about = say(f"There {'is' if n == 1 else 'are'} {n} shape{'s' * (n > 1)}: ", scene_text(f), ".")
    return ask(rng, "SHAPES_COUNT"), about


def single_kind(rng, f):
    """An item whose kind occurs once, or None."""
    kinds = [item[2] for item in f["items"]]
    single = [item for item in f["items"] if kinds.count(item[2]) == 1]
    return pick(rng, single) if single else None


def shapes_colour(rng, f):
    item = single_kind(rng, f)
    if item is None:
        return shapes_about(rng, f)
    return (ask(rng, "SHAPES_COLOUR", item[2]),
            say(f"The {item[2]} is ", Span(item[3], item[0].where[:len(item[3])]), "."))


def shapes_place(rng, f):
    item = single_kind(rng, f)
    if item is None:
        return shapes_about(rng, f)
    place = PLACES[item[1]]
    return (ask(rng, "SHAPES_PLACE", item[2]),
            say(f"The {item[2]} is at the ", Span(place, item[0].where[:len(place)]), "."))


def shapes_at(rng, f):
    span, place, kind, name = f["items"][rng.integers(len(f["items"]))]
    text = f"{name} {kind}"
    return (ask(rng, "SHAPES_AT", PLACES[place]),
            say("There is ", article(name), Span(text, span.where[:len(text)]), "."))


def page_read(rng, f):
    return ask(rng, "PAGE_READ"), f["text"]


def wrong_kind(rng, kind):
    """A question that belongs to another kind of picture."""
    blocks = {"chart": ["CHART_ABOUT", "CHART_HIGH", "CHART_COUNT"],
              "cover": ["COVER_BOTH", "COVER_AUTHOR"]}
    other = pick(rng, [k for k in blocks if k != kind])
    question = ask(rng, pick(rng, blocks[other]))
    if not any(w in question.lower() for w in ("chart", "book", "bar", "author", "graph", "stock")):
        question = {"chart": "Describe this chart.", "cover": "Who wrote this book?"}[other]
    return question, say(f"This is {KIND_NAMES[kind]}, not {KIND_NAMES[other]}.")


TURNS = {  # maker and share
    "chart": [(chart_about, 12), (chart_title, 1), (chart_high, 3), (chart_low, 3), (chart_value, 3),
              (chart_count, 1)],
    "cover": [(cover_both, 10), (cover_title, 2), (cover_author, 2)],
    "shapes": [(shapes_about, 8), (shapes_count, 2), (shapes_colour, 2), (shapes_place, 1),
               (shapes_at, 1)],
    "page": [(page_read, 1)],
}
DRAWN = {"chart": draw.chart, "cover": draw.cover, "shapes": draw.shapes, "page": draw.page}


def one_picture(rng, kind):
    """One to three turns about one picture."""
    picture = draw.weather(rng, DRAWN[kind](rng))
    makers, shares = zip(*TURNS[kind])
    shares = np.array(shares) / sum(shares)
    turns, used = [], set()
    for _ in range(1 if kind == "page" else rng.choice([1, 2, 3], p=[0.6, 0.28, 0.12])):
        chance = rng.random()
        maker = makers[rng.choice(len(makers), p=shares)]
        if chance < 0.05 and kind != "page":
            turns.append(wrong_kind(rng, kind))
        elif chance < 0.08 and not turns and kind != "shapes":
            turns.append((ask(rng, "ANY_ABOUT"), makers[0](rng, picture.facts)[1]))
        elif maker not in used:  # nothing is asked twice
            used.add(maker)
            turns.append(maker(rng, picture.facts))
    turns = turns or [makers[0](rng, picture.facts)]
    return Sample([picture], turns, kind)


def unknown(rng):
    block = pick(rng, ["ANY_ABOUT", "ANY_ABOUT", "CHART_ABOUT", "COVER_BOTH", "SHAPES_ABOUT"])
    return Sample([draw.unknown(rng)], [(ask(rng, block), say(CANNOT))], "unknown")


def no_picture(rng):
    block = pick(rng, ["HELLO", "HELLO", "CHART_ABOUT", "COVER_BOTH", "ANY_ABOUT", "PAIR"])
    return Sample([], [(ask(rng, block), say(NO_PICTURE))], "text")


# Two pictures

def shape_pair(rng, test=False):
    """The same one or two shapes twice, one of them changed."""
    before = draw.scene(rng, test, most=2)
    after, i = list(before), int(rng.integers(len(before)))
    place, kind, name = before[i]
    change = rng.choice(["colour", "kind", "gone", "new", "none"], p=[0.3, 0.25, 0.15, 0.15, 0.15])
    if change == "gone" and len(before) == 1:
        change = "colour"
    if change == "new" and len(before) == 2:
        change = "kind"
    if change in ("colour", "kind"):
        if change == "colour":
            after[i] = (place, kind, pick(rng, [n for n in draw.COLOUR_NAMES if n != name]))
        else:
            after[i] = (place, pick(rng, [s for s in draw.SHAPES if s != kind]), name)
        _, new_kind, new_name = after[i]
        last = (f"the {name} {kind} at the {PLACES[place]} is "
                f"{article(new_name)}{new_name} {new_kind} in image 2.")
    elif change == "gone":
        del after[i]
        last = f"the {name} {kind} at the {PLACES[place]} is missing in image 2."
    elif change == "new":
        free = pick(rng, [p for p in range(9) if p not in [b[0] for b in before]])
        place, kind, name = free, pick(rng, draw.SHAPES), pick(rng, draw.COLOUR_NAMES)
        after = sorted(after + [(place, kind, name)])
        last = f"the {name} {kind} at the {PLACES[place]} is new in image 2."
    first = draw.shapes(rng, items=before)
    second = draw.shapes(rng, items=after)
    last = "There is no difference." if change == "none" else "The difference: " + last
    answer = say("Image 1 shows ", scene_text(first.facts, 0), ". Image 2 shows ",
                 scene_text(second.facts, 1), ". ", last)
    return Sample([first, second], [(ask(rng, "PAIR"), answer)], "pair")


def named(number, picture):
    """How a picture is called in a comparison of different pictures."""
    f = picture.facts
    if picture.kind == "cover":
        return say('the book "', of(number, f["title"]), '" by ', of(number, f["author"]))
    if picture.kind == "chart":
        return say('a bar chart titled "', of(number, f["title"]), '"')
    return scene_text(f, number)


def mixed_pair(rng, test=False):
    """Two pictures with nothing in common: both are named."""
    kinds = [pick(rng, ["cover", "cover", "chart", "shapes"]) for _ in range(2)]
    if kinds == ["shapes", "shapes"]:
        kinds[0] = "cover"
    pictures = [DRAWN[k](rng, test) for k in kinds]
    answer = say("Image 1 shows ", named(0, pictures[0]), ". Image 2 shows ", named(1, pictures[1]), ".")
    return Sample(pictures, [(ask(rng, "PAIR"), answer)], "mixed")


def sitting(rng):
    """Two subjects one after the other, as at the terminal: the second question is
    about what came with it."""
    parts = [make(rng, pick(rng, ["chart", "cover", "shapes", "pair", "page"])) for _ in range(2)]
    if len(parts[0].pictures) > 1:
        parts.reverse()
    pictures, turns, shown = [], [], []
    for part in parts:
        question, answer = part.turns[0]
        moved = [w and (w[0], w[1], len(pictures) + (w[2] if len(w) > 2 else 0)) for w in answer.where]
        turns.append((question, Span(answer.text, moved)))
        pictures += part.pictures
        shown.append(len(part.pictures))
    return Sample(pictures, turns, "sitting", shown)


MAKERS = {"sitting": sitting, "unknown": unknown, "text": no_picture, "pair": shape_pair, "mixed": mixed_pair}


def make(rng, kind):
    return MAKERS[kind](rng) if kind in MAKERS else one_picture(rng, kind)

"""Draws the training pictures.

Every function returns a Picture: the image, the centre of each glyph, a mask of objects (shapes and
bars) and the facts from which tasks.py makes questions. A text in the facts is a Span: the
characters and, for each, where on the picture it was drawn. Sizes are given in units of the canvas
the model sees (long side 336), times k, the picture's own scale."""

import io
from dataclasses import dataclass, field
from functools import lru_cache
from math import cos, pi, sin
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

import drawings
import faces
import words

COLOURS = {"red": (215, 40, 40), "orange": (245, 140, 20), "yellow": (245, 215, 40),
           "green": (40, 160, 70), "blue": (45, 90, 210), "purple": (135, 60, 170),
           "black": (25, 25, 25)}
COLOUR_NAMES = list(COLOURS)
SHAPES = ["circle", "square", "triangle", "star"]
INVENTED = 0.02                 # share of titles and names made of invented words
OBJECTS = ["none"] + SHAPES + ["bar", "slice", "marker"]
OTHER_COLOUR = 15               # in a mask: none of the names fits
PLACES = ["top left", "top", "top right", "left", "center", "right",
          "bottom left", "bottom", "bottom right"]


class Measured(NamedTuple):
    """Where a value that is not printed is read off."""
    end: tuple   # the end of its bar, or its point
    tick: tuple  # the number of the axis that stands nearest


class By(NamedTuple):
    """Where a letter is that is found by way of another place, as a bar's value is by way of its label."""
    way: tuple
    where: tuple


@dataclass
class Span:
    text: str
    where: list  # one (x, y), Measured, By or None for each character

    def __add__(self, other):
        other = other if isinstance(other, Span) else Span(other, [None] * len(other))
        return Span(self.text + other.text, self.where + other.where)


@dataclass
class Picture:
    image: Image.Image
    mask: Image.Image           # object kind * 16 + colour at each pixel; None: not known
    glyphs: list                # (x, y, character, size of its type); an empty character: not to be read
    kind: str
    facts: dict = field(default_factory=dict)
    warp: np.ndarray = None     # 3 x 3: where a point of glyphs and facts lies on the image; None: where it says


@lru_cache(maxsize=4000)
def font(face, size):
    return ImageFont.truetype(str(faces.FOLDER / face), size, layout_engine=ImageFont.Layout.BASIC)


@lru_cache(maxsize=200_000)
def advance(face, size, ch):
    return font(face, size).getlength(ch)


def pick(rng, items):
    return items[rng.integers(len(items))]


class Domain:
    """What the generator draws from; `full` also holds words, names and families of faces back. `crowded`: pairs of
    pictures have up to four shapes instead of two, which `full` has as well."""
    full = crowded = False

    @classmethod
    def faces(cls, test):
        """Families, each a list of faces."""
        return faces.full(test) if cls.full else [faces.NARROW]

    @classmethod
    def words(cls, items, test):
        return words.part(items, test) if cls.full else items


def a_face(rng, test=False):
    return pick(rng, pick(rng, Domain.faces(test)))


def jitter(rng, colour, amount=22):
    return tuple(int(np.clip(c + rng.integers(-amount, amount + 1), 0, 255)) for c in colour)


def ink_and_paper(rng, dark_share=0.3):
    """Two colours of strong contrast: (letters, ground)."""
    while True:
        a, b = rng.integers(0, 256, 3), rng.integers(0, 256, 3)
        if rng.random() < 0.35:
            a = np.full(3, rng.integers(0, 50))
        if rng.random() < 0.35:
            b = np.full(3, rng.integers(225, 256))
        weights = np.array([0.3, 0.59, 0.11])
        dark, light = sorted((a, b), key=lambda c: c @ weights)
        if light @ weights - dark @ weights > 110:
            pair = (tuple(map(int, dark)), tuple(map(int, light)))
            return pair[::-1] if rng.random() < dark_share else pair


class Canvas:
    def __init__(self, width, height, ground):
        self.image = Image.new("RGB", (width, height), ground)
        self.pen = ImageDraw.Draw(self.image)
        self.mask = Image.new("L", (width, height), 0)
        self.mask_pen = ImageDraw.Draw(self.mask)
        self.glyphs = []
        self.width, self.height = width, height

    def text(self, x, baseline, text, face, size, ink):
        """Draws text starting at x; returns its Span."""
        f = font(face, size)
        self.pen.text((x, baseline), text, font=f, fill=ink, anchor="ls")
        # the letters' own widths, with what kerning takes from them spread over all
        widths = [advance(face, size, ch) for ch in text]
        kerned = f.getlength(text) / (sum(widths) or 1)
        where, left = [], 0.0
        for ch, width in zip(text, widths):
            right = left + width * kerned
            point = (x + (left + right) / 2, baseline - 0.33 * size)
            where.append(None if ch == " " else point)
            if ch != " ":
                self.glyphs.append((*point, ch, size))
            left = right
        return Span(text, where)

    def centred(self, x, baseline, text, face, size, ink):
        return self.text(x - font(face, size).getlength(text) / 2, baseline, text, face, size, ink)

    def object(self, kind, colour_name, colour, points=None, box=None):
        value = OBJECTS.index(kind) * 16 + COLOUR_NAMES.index(colour_name) + 1
        for pen, fill in ((self.pen, colour), (self.mask_pen, value)):
            if kind == "circle":
                pen.ellipse(box, fill=fill)
            elif points:
                pen.polygon(points, fill=fill)
            else:
                pen.rectangle(box, fill=fill)

    def shape(self, kind, colour_name, colour, x, y, radius):
        box = (x - radius, y - radius, x + radius, y + radius)
        if kind == "triangle":
            self.object(kind, colour_name, colour,
                        [(x, y - radius), (x - radius, y + radius), (x + radius, y + radius)])
        elif kind == "star":
            points = [(x + radius * (1.15 if i % 2 == 0 else 0.5) * sin(i * pi / 5),
                       y - radius * (1.15 if i % 2 == 0 else 0.5) * cos(i * pi / 5))
                      for i in range(10)]
            self.object(kind, colour_name, colour, points)
        else:
            self.object(kind, colour_name, colour, box=box)

    def done(self, kind, **facts):
        return Picture(self.image, self.mask, self.glyphs, kind, facts)


def fit(face, size, text, width):
    """The largest size up to `size` at which text is at most `width` wide."""
    size = max(6, int(size))
    length = font(face, size).getlength(text)
    return size if length <= width else max(6, int(size * width / length))


def natural_size(rng):
    """Long side of a picture; most are near what the model sees, some large."""
    return int(rng.integers(320, 460) if rng.random() < 0.6 else rng.integers(460, 920))


# Text of titles and names

def title_words(rng, test=False):
    draw = rng.random()
    if draw < INVENTED:
        return [words.pseudo_word(rng) for _ in range(rng.integers(1, 3))]
    nouns = Domain.words(words.TITLE_NOUNS, test)
    noun, adjective = pick(rng, nouns), pick(rng, Domain.words(words.TITLE_ADJECTIVES, test))
    if draw < 0.35:
        return [noun if rng.random() < 0.5 else adjective]
    if draw < 0.6:
        return [adjective, noun]
    if draw < 0.8:
        return ["The", adjective, noun]
    if draw < 0.9:
        return ["The", noun]
    return [noun, pick(rng, ["and", "of"]), pick(rng, nouns)]


def author_words(rng, test=False):
    if rng.random() < INVENTED:
        return [words.pseudo_word(rng, 7), words.pseudo_word(rng, 8)]
    return [pick(rng, words.FIRST_NAMES), pick(rng, Domain.words(words.LAST_NAMES, test))]


def held_out(*texts):
    """One combination in sixteen is kept for tests and samples: training never draws it."""
    return sum(map(ord, "".join(texts).lower())) % 16 == 8


# Pictures; with test set they are drawn from the held-out combinations only

def chart_text(rng):
    """Three to five labels of one run or group, and a different value for each."""
    count = int(rng.integers(3, 6))
    if rng.random() < 0.65:
        run = pick(rng, words.LABEL_RUNS)
        count = min(count, len(run))
        start = rng.integers(len(run) - count + 1)
        labels = run[start:start + count]
    else:
        group = pick(rng, words.LABEL_SETS)
        count = min(count, len(group))
        labels = [group[i] for i in rng.permutation(len(group))[:count]]
    top = 100 if rng.random() < 0.8 else pick(rng, [10, 20, 50, 500])
    return labels, rng.choice(np.arange(1, top), size=count, replace=False)


def chart(rng, test=False):
    """A vertical bar chart, each bar with its value above and its label below."""
    width = natural_size(rng)
    height = int(width / rng.uniform(1.2, 1.75))
    k = width / 336
    paper = (255, 255, 255) if rng.random() < 0.7 else jitter(rng, (240, 240, 240), 14)
    c = Canvas(width, height, paper)
    ink = jitter(rng, (30, 30, 30), 30)
    face = a_face(rng, test)

    labels, values = chart_text(rng)
    count = len(labels)
    while True:
        title = pick(rng, words.CHART_FIRST) + " " + pick(rng, words.CHART_LAST)
        if rng.random() < INVENTED:
            title = " ".join(words.pseudo_word(rng) for _ in range(2))
        if held_out(title) == test:
            break

    title_face = face if rng.random() < 0.7 else a_face(rng, test)
    margin = rng.uniform(6, 18) * k
    size = fit(title_face, rng.uniform(20, 30) * k, title, width - 2 * margin)
    baseline = size + rng.uniform(4, 12) * k
    if rng.random() < 0.75:
        title = c.centred(width / 2, baseline, title, title_face, size, ink)
    else:
        title = c.text(margin, baseline, title, title_face, size, ink)

    left, right = rng.uniform(10, 40) * k, width - rng.uniform(8, 20) * k
    ticks = rng.random() < 0.08
    if ticks:
        left = max(left, 32 * k)
    slot = (right - left) / count
    label_size = min(fit(face, rng.uniform(16, 21) * k, s, slot * 0.94) for s in labels)
    value_size = fit(face, rng.uniform(18, 26) * k, "88", slot * 0.7)
    floor = height - label_size - rng.uniform(6, 14) * k
    roof = baseline + rng.uniform(8, 16) * k + value_size
    if rng.random() < 0.3:
        for i in range(1, 5):
            y = floor - (floor - roof) * i / 4
            c.pen.line((left, y, right, y), fill=jitter(rng, (215, 215, 215), 12))
    peak = max(values) * rng.uniform(1.0, 1.25)
    if ticks:
        tick_size = max(6, int(rng.uniform(9, 11) * k))
        for i in range(0, 5, 2):
            text = str(int(round(peak * i / 4)))
            y = floor - (floor - roof) * i / 4
            reach = font(face, tick_size).getlength(text)
            c.text(left - 4 * k - reach, y + 0.35 * tick_size, text, face, tick_size, ink)
    if rng.random() < 0.6:
        c.pen.line((left, roof - value_size, left, floor), fill=ink, width=max(1, int(k)))
    c.pen.line((left, floor, right, floor), fill=ink, width=max(1, int(k)))

    many = rng.random() < 0.25
    name = pick(rng, COLOUR_NAMES)
    share = rng.uniform(0.45, 0.85)
    bars = []
    for i, (label, value) in enumerate(zip(labels, values)):
        if many:
            name = pick(rng, COLOUR_NAMES)
        x = left + slot * (i + 0.5)
        y = floor - (floor - roof) * value / peak
        half = slot * share / 2
        c.object("bar", name, jitter(rng, COLOURS[name]), box=(x - half, y, x + half, floor))
        value_span = c.centred(x, y - 3 * k, str(value), face, value_size, ink)
        label_span = c.centred(x, floor + label_size * 0.95 + 2 * k, label, face, label_size, ink)
        bars.append((label_span, int(value), value_span))
    return c.done("chart", title=title, bars=bars)


def cover(rng, test=False):
    """A book cover: title of one to three words, author, perhaps a figure between them."""
    height = natural_size(rng)
    width = int(height * rng.uniform(0.58, 0.85))
    k = height / 336
    ink, ground = ink_and_paper(rng, 0.55)
    c = Canvas(width, height, ground)
    look = rng.random()
    if look < 0.25:  # a soft gradient that keeps the contrast
        ramp = np.linspace(-18, 18, height)[:, None, None] * (1 if rng.random() < 0.5 else -1)
        shade = np.clip(np.array(ground)[None, None] + ramp, 0, 255).astype(np.uint8)
        c.image.paste(Image.fromarray(np.repeat(shade, width, 1)))
    elif look < 0.45:
        inset = rng.uniform(3, 8) * k
        c.pen.rectangle((inset, inset, width - inset, height - inset), outline=ink,
                        width=max(1, int(rng.uniform(1, 3) * k)))

    while True:
        title, author = title_words(rng, test), author_words(rng, test)
        if held_out(" ".join(title), " ".join(author)) == test:
            break
    return _cover_text(c, rng, title, author, ink, k, test)


def _cover_text(c, rng, title, author, ink, k, test):
    width, height = c.width, c.height
    face = a_face(rng, test)
    author_face = face if rng.random() < 0.6 else a_face(rng, test)
    if rng.random() < 0.4:
        title = [w.upper() for w in title]
    if rng.random() < 0.25:
        author = [w.upper() for w in author]
    lines, room = [], width - rng.uniform(16, 30) * k
    for word in title:  # short words may share a line
        if lines and len(lines[-1]) + len(word) < 9 and rng.random() < 0.6:
            lines[-1] += " " + word
        else:
            lines.append(word)
    size = min(fit(face, rng.uniform(26, 46) * k, line, room) for line in lines)
    author_size = fit(author_face, rng.uniform(18, 26) * k, " ".join(author), room)
    two_lines = rng.random() < 0.2

    step = size * rng.uniform(1.12, 1.35)
    block = step * len(lines)
    author_on_top = rng.random() < 0.25
    author_block = author_size * (2.3 if two_lines else 1.1)
    if author_on_top:
        author_y = rng.uniform(12, 30) * k + author_size
        title_y = author_y + author_block + rng.uniform(10, 60) * k + size
    else:
        title_y = rng.uniform(12, 60) * k + size
        author_y = height - rng.uniform(14, 30) * k - (author_block - author_size)
    centred = rng.random() < 0.8
    left = (width - room) / 2

    def put(y, text, f, s):
        return c.centred(width / 2, y, text, f, s, ink) if centred else c.text(left, y, text, f, s, ink)

    spans = [put(title_y + i * step, line, face, size) for i, line in enumerate(lines)]
    title_span = spans[0]
    for s in spans[1:]:
        title_span = title_span + " " + s
    if two_lines:
        author_span = put(author_y, author[0], author_face, author_size)
        author_span = author_span + " " + put(author_y + author_size * 1.2, author[1], author_face,
                                              author_size)
    else:
        author_span = put(author_y, " ".join(author), author_face, author_size)

    free_top = title_y + block - size + 14 * k
    free_bottom = (height - 14 * k) if author_on_top else author_y - author_size - 10 * k
    room_y = free_bottom - free_top
    if room_y > 45 * k and rng.random() < 0.65:
        name = pick(rng, COLOUR_NAMES)
        y, x = (free_top + free_bottom) / 2, width / 2
        radius = min(room_y, width) * rng.uniform(0.2, 0.36)
        if rng.random() < 0.7:
            c.shape(pick(rng, SHAPES), name, jitter(rng, COLOURS[name]), x, y, radius)
        else:
            c.pen.line((x - radius * 1.5, y, x + radius * 1.5, y), fill=ink, width=max(1, int(2 * k)))
    return c.done("cover", title=title_span, author=author_span)


def scene(rng, test=False, most=None):
    """A random arrangement of shapes: sorted list of (place, kind, colour name)."""
    while True:
        places = sorted(rng.permutation(9)[:rng.integers(1, (most or (5 if Domain.full else 3)) + 1)])
        items = [(int(p), pick(rng, SHAPES), pick(rng, COLOUR_NAMES)) for p in places]
        if held_out(*(f"{p} {kind} {name}" for p, kind, name in items)) == test:
            return items


def shapes(rng, test=False, items=None):
    """One to three coloured shapes on a 3x3 layout."""
    items = items if items is not None else scene(rng, test)
    width = natural_size(rng)
    height = int(width / rng.uniform(1.0, 1.5))
    if rng.random() < 0.2:
        width, height = height, width
    paper = (255, 255, 255) if rng.random() < 0.6 else jitter(rng, (238, 238, 232), 17)
    c = Canvas(width, height, paper)
    spans = []
    for place, kind, name in items:
        x = width * (place % 3 * 2 + 1) / 6 + rng.uniform(-0.025, 0.025) * width
        y = height * (place // 3 * 2 + 1) / 6 + rng.uniform(-0.025, 0.025) * height
        radius = min(width, height) / 6 * rng.uniform(0.6, 0.88)
        c.shape(kind, name, jitter(rng, COLOURS[name]), x, y, radius)
        text = f"{name} {kind}"
        spans.append((Span(text, [(x, y)] * len(text)), place, kind, name))
    return c.done("shapes", items=spans)


def table_text(rng, test=False):
    """Two or three columns and two to four rows of numbers under a header: a list of lines."""
    cols, rows = int(rng.integers(2, 4)), int(rng.integers(2, 5))
    while True:
        group = pick(rng, words.LABEL_RUNS + words.LABEL_SETS)
        names = [group[i] for i in sorted(rng.permutation(len(group))[:rows])]
        header = [pick(rng, words.TABLE_CORNERS)]
        header += [words.TABLE_HEADS[i] for i in rng.permutation(len(words.TABLE_HEADS))[:cols - 1]]
        if len(names) == rows and held_out(*names, *header) == test:
            break
    return [header] + [[name] + [str(rng.integers(1, 100)) for _ in header[1:]] for name in names]


def table(rng, test=False):
    """A table of numbers under a header."""
    text = table_text(rng, test)
    cols, rows = len(text[0]), len(text) - 1
    width = natural_size(rng)
    k = width / 336
    row_height = rng.uniform(32, 46) * k
    height = int((rows + 1) * row_height + rng.uniform(10, 60) * k)
    paper = (255, 255, 255) if rng.random() < 0.7 else jitter(rng, (240, 240, 240), 14)
    c = Canvas(width, height, paper)
    ink, face = jitter(rng, (30, 30, 30), 30), a_face(rng, test)

    left, top = rng.uniform(6, 20) * k, rng.uniform(4, 24) * k
    pitch = (width - 2 * left) / cols
    size = min(fit(face, rng.uniform(16, 22) * k, word, pitch * 0.9) for word in text[0] + [line[0] for line in text])
    if rng.random() < 0.5:
        c.pen.rectangle((left, top, width - left, top + row_height), fill=jitter(rng, (205, 215, 230), 25))
    if rng.random() < 0.6:
        for i in range(rows + 2):
            c.pen.line((left, top + i * row_height, width - left, top + i * row_height), fill=ink)
        for i in range(cols + 1):
            x = left + i * pitch
            c.pen.line((x, top, x, top + (rows + 1) * row_height), fill=ink)
    lines = [[c.centred(left + (j + 0.5) * pitch, top + (i + 0.5) * row_height + 0.35 * size, word,
                        face, size, ink) for j, word in enumerate(line)]
             for i, line in enumerate(text)]
    return c.done("table", lines=lines)


def page(rng, test=False):
    """One to four lines of large text."""
    width = natural_size(rng)
    height = int(width / rng.uniform(0.75, 1.6))
    k = max(width, height) / 336
    ink, paper = ink_and_paper(rng, 0.15) if rng.random() < 0.5 else ((20, 20, 20), (255, 255, 255))
    c = Canvas(width, height, paper)
    face, size = a_face(rng, test), int(rng.uniform(18, 36) * k)
    step = size * rng.uniform(1.2, 2.0)
    y = size + rng.uniform(4, 40) * k
    lines = []
    for _ in range(rng.integers(1, 5)):
        x = rng.uniform(6, 28) * k
        text = free_line(rng, int((width - x - 6 * k) / (size * 0.62)))
        if y > height - 6 * k or not text:
            break
        lines.append(c.text(x, y, text, face, fit(face, size, text, width - x - 4 * k), ink))
        y += step
    if not lines:
        return page(rng, test)
    span = lines[0]
    for line in lines[1:]:
        span = span + "\n" + line
    return c.done("page", text=span)


def free_line(rng, longest, most=3):
    """Up to `most` words, names, numbers and invented words, at most `longest` characters."""
    line = ""
    for _ in range(rng.integers(1, most + 1)):
        draw = rng.random()
        if draw < 0.35:
            word = pick(rng, words.TITLE_NOUNS + words.TITLE_ADJECTIVES)
        elif draw < 0.5:
            word = pick(rng, words.LAST_NAMES + words.FIRST_NAMES)
        elif draw < 0.68:
            word = str(rng.integers(1, 1000 if rng.random() < 0.3 else 100))
        elif draw < 0.76:
            word = pick(rng, pick(rng, words.LABEL_RUNS + words.LABEL_SETS))
        elif draw < 0.88:
            word = "".join(pick(rng, GLYPHS[:62]) for _ in range(rng.integers(2, 8)))
        else:
            word = words.pseudo_word(rng)
        style = rng.random()
        word = word.upper() if style < 0.2 else word.lower() if style < 0.4 else word
        if len(line) + len(word) + 1 <= longest:
            line = (line + " " + word).strip()
    return line


def number_line(rng, longest, most=3):
    """Up to `most` numbers in the forms that charts and tables have, some behind a short label."""
    line = ""
    for _ in range(rng.integers(1, most + 1)):
        value = float(np.exp(rng.uniform(np.log(0.5), np.log(20000))))
        word = pick(rng, ["{:.0f}", "{:.0f}", "{:.1f}", "{:.2f}", "{:,.0f}", "{:.0f}%", "{:.1f}%", "${:.2f}"]).format(value)
        if rng.random() < 0.35:
            word = pick(rng, pick(rng, words.LABEL_RUNS + words.LABEL_SETS)) + " " + word
        if len(line) + len(word) + 1 <= longest:
            line = (line + " " + word).strip()
    return line


GLYPHS = [chr(c) for c in (*range(65, 91), *range(97, 123), *range(48, 58))]
GLYPHS += [chr(c) for c in range(33, 127) if chr(c) not in GLYPHS]


_grounds = []


def ground(rng, side):
    """A piece of a picture of nothing known. To draw one takes long, so each serves many times."""
    if len(_grounds) < 30 or rng.random() < 0.05:
        _grounds[:] = [unknown(rng).image, *_grounds[:29]]
    image = pick(rng, _grounds)
    x, y = (int(rng.integers(0, max(1, length - side))) for length in image.size)
    return image.crop((x, y, x + side, y + side)).resize((side, side))


def faint(rng, image, paper):
    """The image with little contrast, about the colour of the paper: a ground to write on."""
    pixels = np.asarray(image).astype(np.float32)
    faint = np.array(paper) + (pixels - pixels.mean((0, 1))) * rng.uniform(0.05, 0.35)
    return Image.fromarray(np.clip(faint, 0, 255).astype(np.uint8))


PLAIN = 0.5  # share of packed lines in the faces that programs write in if nothing else is said


def packed_face(rng, test):
    return pick(rng, faces.NARROW) if not test and rng.random() < PLAIN else a_face(rng, test)


def packed_crop(rng, side, test=False, sizes=(9.5, 40), most=100, line=free_line):
    """Stage 1 and 2 picture, one crop: at most so many lines of text of about one size, each by `line`."""
    ink, paper = ink_and_paper(rng)
    if rng.random() < 0.4:
        ink, paper = jitter(rng, (25, 25, 25), 25), (255, 255, 255)
    c = Canvas(side, side, paper)
    if rng.random() < 0.15:
        c.image.paste(faint(rng, ground(rng, side), paper))
    y, lines = rng.uniform(0, 8 if most > 20 else side / 2), []
    usual = np.exp(rng.uniform(*np.log(sizes)))
    while True:
        face, size = packed_face(rng, test), max(9, int(usual * rng.uniform(0.75, 1.33)))
        x = rng.uniform(1, 12)
        y += size
        if y > side - 4 or len(lines) == most:
            break
        # lines that are full give more letters to learn for the same work
        text = line(rng, int((side - x) / (size * 0.5)), 3 if rng.random() < 0.3 else 12)
        if not text:
            text = pick(rng, GLYPHS[:62])
        ends = np.cumsum([advance(face, size, ch) for ch in text])
        text = text[:max(1, int((ends <= side - x - 1).sum()))].strip()
        lines.append(c.text(x, y, text, face, size, ink))
        y += size * rng.uniform(0.15, 0.6)
    span = lines[0] if lines else Span("", [])
    for line in lines[1:]:
        span = span + "\n" + line
    return c.done("crop", text=span)


def grown(rng, width, height):
    """What a photograph of leaves, grass, stones or fur is like: uneven light, and over it many small forms
    of two colours lying about one direction, some out of focus."""
    k = max(width, height) / 336
    near, far = rng.integers(0, 256, (2, 3))
    cells = rng.integers(0, 256, [int(n) for n in 2 ** rng.integers(1, 6, 2)]).astype(np.uint8)
    light = np.asarray(Image.fromarray(cells).resize((width, height), Image.Resampling.BICUBIC))[..., None] / 255
    grain = rng.normal(0, rng.uniform(0, 12), (height, width, 1))
    image = Image.fromarray(np.clip(near * light + far * (1 - light) + grain, 0, 255).astype(np.uint8))
    soft = rng.random() < 0.5
    if soft:
        image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(1, 6)) * k))
    pen, tints = ImageDraw.Draw(image), np.stack([near, rng.integers(20, 236, 3)])
    direction, spread = rng.uniform(0, 2 * pi), rng.uniform(0.1, 1.5)
    long, thin = rng.uniform(4, 90) * k, rng.uniform(0.8, 12) * k
    horizon = rng.uniform(0, 0.6) * height if rng.random() < 0.4 else 0
    leaf = rng.random() < 0.5
    for _ in range(int(rng.integers(60, 900))):
        x, y = rng.uniform(-0.05, 1.05) * width, rng.uniform(horizon, 1.05 * height)
        angle = direction + rng.normal() * spread
        length = long * rng.uniform(0.3, 1.6)
        dx, dy = length * cos(angle), length * sin(angle)
        tint = np.clip(tints[rng.integers(2)] * rng.uniform(0.4, 1.6) + rng.normal(0, 12, 3), 0, 255)
        fill = tuple(map(int, tint))
        if leaf:
            side = thin * rng.uniform(0.5, 1.5)
            pen.polygon([(x, y), (x + dx / 2 - side * sin(angle), y + dy / 2 + side * cos(angle)), (x + dx, y + dy),
                         (x + dx / 2 + side * sin(angle), y + dy / 2 - side * cos(angle))], fill=fill)
        else:
            pen.line((x, y, x + dx, y + dy), fill=fill, width=max(1, int(thin * rng.uniform(0.3, 1))))
    if not soft and rng.random() < 0.5:
        image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 3)) * k))
    return image


def line_drawing(rng, width, height):
    """Lines on plain paper that say nothing: curves, a tree, a floor plan, rings."""
    paper, ink = (jitter(rng, colour, 25) for colour in ((240, 240, 236), (60, 60, 70)))
    image = Image.new("RGB", (width, height), (255, 255, 255) if rng.random() < 0.5 else paper)
    pen, thick = ImageDraw.Draw(image), int(rng.integers(1, 6))
    for line in drawings.lines(rng):
        colour = jitter(rng, pick(rng, list(COLOURS.values())), 20) if rng.random() < 0.3 else ink
        pen.line([(float(x) * width, float(y) * height) for x, y in line], fill=colour, width=thick)
    return image


def unknown(rng):
    """None of the known kinds: noise, blobs, gradients, soft ellipses, fields of small forms; drawn lines."""
    width = natural_size(rng)
    height = int(width * rng.uniform(0.65, 1.45))
    if Domain.full and rng.random() < 0.3:
        return plain(line_drawing(rng, width, height))
    if rng.random() < 0.4:
        return plain(grown(rng, width, height))
    draw = rng.random()
    if draw < 0.3:  # noise blended over several scales
        total = np.zeros((height, width, 3), np.float32)
        for cells in (2, 4, 8, 16, 64):
            grid = rng.integers(0, 256, (cells, cells, 3)).astype(np.uint8)
            layer = Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC)
            total += np.asarray(layer, np.float32) * rng.random()
        total = (total - total.min()) / (np.ptp(total) + 1e-6) * 255
        return plain(Image.fromarray(total.astype(np.uint8)))
    base = np.zeros((2, 2, 3), np.uint8) + rng.integers(0, 256, (2, 2, 3)).astype(np.uint8)
    image = Image.fromarray(base).resize((width, height), Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(image)
    if draw > 0.4:  # landscape- or portrait-like overlapping forms
        for _ in range(rng.integers(4, 25)):
            x, y = rng.uniform(-0.2, 1) * width, rng.uniform(-0.2, 1) * height
            w, h = rng.uniform(0.05, 0.7) * width, rng.uniform(0.05, 0.7) * height
            colour = tuple(map(int, rng.integers(0, 256, 3)))
            form = rng.random()
            if form < 0.6:
                pen.ellipse((x, y, x + w, y + h), fill=colour)
            elif form < 0.8:
                pen.polygon([(x + rng.random() * w, y + rng.random() * h) for _ in range(5)],
                            fill=colour)
            else:
                pen.line([(x + rng.random() * w, y + rng.random() * h) for _ in range(4)],
                         fill=colour, width=int(rng.integers(1, 12)))
        if rng.random() < 0.8:
            image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(1, 9)) * width / 336))
        grain = rng.normal(0, rng.uniform(2, 22), (height, width, 1))
        image = Image.fromarray(np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8))
    return plain(image)


def plain(image):
    return Picture(image, Image.new("L", image.size, 0), [], "unknown")


def weather(rng, picture):
    """Light damage, on two pictures in five: pixel noise, a slight blur, JPEG or WebP artefacts."""
    draw = rng.random()
    if draw < 0.15:
        noise = rng.normal(0, rng.uniform(1, 8), (picture.image.height, picture.image.width, 1))
        pixels = np.clip(np.asarray(picture.image) + noise, 0, 255).astype(np.uint8)
        picture.image = Image.fromarray(pixels)
    elif draw < 0.25:
        blur = float(rng.uniform(0.2, 0.7)) * max(picture.image.size) / 336
        picture.image = picture.image.filter(ImageFilter.GaussianBlur(blur))
    elif draw < 0.4:
        file = io.BytesIO()
        kind = "JPEG" if rng.random() < 0.7 else "WEBP"
        picture.image.save(file, kind, quality=int(rng.integers(50, 96)))
        picture.image = Image.open(file).convert("RGB")
    return picture

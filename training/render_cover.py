"""Book covers as they are in shops: photographs, gradients and patterns as grounds, subtitles, series lines, badges,
quotations, a publisher; letters in any face, dark or light or between bands."""

import re
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

import content
import draw
import words
from draw import Span, pick

PHOTOGRAPHS = ["/usr/share/backgrounds", "/usr/share/wallpapers"]
# Debian packages gnome-backgrounds, ukui-wallpapers and plasma-workspace-wallpapers are trained on; only tests see
# mate-backgrounds and lomiri-wallpapers-20.04
KEPT_FOR_TESTS = re.compile("/mate/|Fossa_by|Infinite-Sea|Kleiber_by|Painting-Colors|2004default")


@lru_cache
def photographs(test):
    found = [
        p
        for folder in PHOTOGRAPHS
        for p in sorted(Path(folder).rglob("*"))
        if p.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp") and p.stat().st_size > 60000
    ]
    return [p for p in found if bool(KEPT_FOR_TESTS.search(str(p))) == test]


@lru_cache(maxsize=64)
def photograph(path):
    image = Image.open(path).convert("RGB")
    image.thumbnail((1400, 1400))
    return image


def photo_ground(rng, width, height, test):
    """A piece of a photograph, sometimes blurred, tinted or darkened."""
    image = photograph(pick(rng, photographs(test)))
    scale = max(width / image.width, height / image.height) * rng.uniform(1, 2)
    w, h = width / scale, height / scale
    x, y = rng.uniform(0, image.width - w), rng.uniform(0, image.height - h)
    image = image.resize((width, height), Image.Resampling.BILINEAR, box=(x, y, x + w, y + h))
    if rng.random() < 0.4:
        image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(1, 8))))
    if rng.random() < 0.4:
        tint = Image.new("RGB", image.size, tuple(map(int, rng.integers(0, 256, 3))))
        image = Image.blend(image, tint, float(rng.uniform(0.2, 0.6)))
    return image


def pattern(rng, width, height):
    """Stripes, dots, checks or rings of two near colours."""
    near = rng.integers(0, 256, 3)
    far = np.clip(near + rng.integers(-45, 46, 3), 0, 255)
    image = Image.new("RGB", (width, height), tuple(map(int, near)))
    pen, step, fill = ImageDraw.Draw(image), int(rng.integers(6, 60)), tuple(map(int, far))
    form = rng.integers(5)
    for y in range(0, height + step, step):
        if form == 0:
            pen.rectangle((0, y, width, y + step // 2), fill=fill)
            continue
        if form == 1:
            pen.line((0, y * width // height, width, y), fill=fill, width=max(1, step // 6))
            continue
        for x in range(0, width + step, step):
            if form == 2:
                pen.ellipse((x, y, x + step // 2, y + step // 2), fill=fill)
            elif form == 3 and (x // step + y // step) % 2:
                pen.rectangle((x, y, x + step, y + step), fill=fill)
            elif form == 4:
                pen.arc((x - step, y - step, x + step, y + step), 0, 360, fill=fill)
    return image


def gradient(rng, width, height):
    cells = [int(n) for n in rng.integers(2, 4, 2)]
    corner = rng.integers(0, 256, 3)
    corners = np.clip(corner + rng.integers(-90, 91, (*cells, 3)), 0, 255).astype(np.uint8)
    return Image.fromarray(corners).resize((width, height), Image.Resampling.BICUBIC)


def ground(rng, width, height, test=False):
    chance = rng.random()
    if chance < 0.4 and photographs(test):
        return photo_ground(rng, width, height, test)
    if chance < 0.55:
        return pattern(rng, width, height)
    if chance < 0.75:
        return gradient(rng, width, height)
    if chance < 0.85:
        return draw.grown(rng, width, height).filter(ImageFilter.GaussianBlur(2))
    return Image.new("RGB", (width, height), tuple(map(int, rng.integers(0, 256, 3))))


def ink_for(rng, c, box):
    """Makes the letters' place even enough to read on, and picks an ink that stands out there."""
    box = [int(v) for v in (max(0, box[0]), max(0, box[1]), min(c.width, box[2]), min(c.height, box[3]))]
    if box[2] <= box[0] or box[3] <= box[1]:
        return (255, 255, 255)
    part = c.image.crop(box)
    light = np.asarray(part.convert("L")).astype(float)
    if light.std() > rng.uniform(14, 34):
        dark = light.mean() < 140
        cover = Image.new(
            "RGB", part.size, tuple(map(int, rng.integers(0, 50, 3) if dark else rng.integers(205, 256, 3)))
        )
        whole = rng.random() < 0.5  # a band over the whole width, or as wide as the letters
        strength = float(np.clip(1 - 18 / light.std(), 0.3, 1) if rng.random() < 0.6 else rng.uniform(0.7, 1))
        if whole:
            box = [0, box[1], c.width, box[3]]
            part, cover = c.image.crop(box), cover.resize((c.width, box[3] - box[1]))
        c.image.paste(Image.blend(part, cover, strength), box[:2])
        light = np.asarray(c.image.crop(box).convert("L")).astype(float)
    mean = light.mean()
    while True:
        ink = rng.integers(0, 256, 3)
        if rng.random() < 0.5:
            ink = rng.integers(215, 256, 3) if mean < 128 else rng.integers(0, 45, 3)
        if abs(ink @ np.array([0.3, 0.59, 0.11]) - mean) > 85:
            return tuple(map(int, ink))


class Layout:
    """Puts blocks of centred or ranged lines on the ground."""

    def __init__(self, rng, c, test):
        self.rng, self.c, self.test = rng, c, test
        self.margin = c.width * rng.uniform(0.03, 0.12)
        self.side = "centre" if rng.random() < 0.75 else pick(rng, ["left", "right"])

    def lines(self, top, lines, face, size, step=1.2, ink=None):
        """Lines below `top`; returns their Span and where they end."""
        c, room = self.c, self.c.width - 2 * self.margin
        size = min(draw.fit(face, size, line, room) for line in lines)
        font, spans = draw.font(face, size), []
        widest = max(font.getlength(line) for line in lines)
        left = {"centre": (c.width - widest) / 2, "left": self.margin, "right": c.width - self.margin - widest}[
            self.side
        ]
        height = size * (1 + step * (len(lines) - 1))
        ink = ink or ink_for(
            self.rng, c, (left - 0.3 * size, top - 0.2 * size, left + widest + 0.3 * size, top + height + 0.15 * size)
        )
        shadow = self.rng.random() < 0.15
        for i, line in enumerate(lines):
            length = font.getlength(line)
            x = {"centre": (c.width - length) / 2, "left": self.margin, "right": c.width - self.margin - length}[
                self.side
            ]
            y = top + size * (0.85 + step * i)
            if shadow:
                off = max(1, size // 18)
                c.pen.text(
                    (x + off, y + off),
                    line,
                    font=font,
                    fill=tuple(v // 4 if sum(ink) > 380 else 200 for v in ink),
                    anchor="ls",
                )
            spans.append(c.text(x, y, line, face, size, ink))
        out = spans[0]
        for span in spans[1:]:
            out = out + " " + span
        return out, top + height


def title_text(rng, test=False):
    """One to six words, most of them from the dictionary in a half of the titles."""
    if rng.random() < 0.35:
        return draw.title_words(rng, test)
    a, b, c = (content.word(rng, test).capitalize() for _ in range(3))
    return pick(
        rng,
        [
            [a],
            [a, b],
            [a, b],
            ["The", a],
            ["The", a, b],
            ["A", a],
            [a, "of", b],
            [a, "and", b],
            ["The", a, "of", b],
            ["The", a, "of", "the", b],
            ["How", "to", a],
            ["How", "to", a, "a", b],
            [a, "in", "the", b],
            ["My", a, b],
            ["Introduction", "to", a],
            [a, "for", "Beginners"],
            [a, b, "and", c],
            ["Learning", a],
            ["No", a, "for", b],
        ],
    )


def author_text(rng, test=False):
    first, last = pick(rng, words.FIRST_NAMES), pick(rng, draw.Domain.words(words.LAST_NAMES, test))
    if rng.random() < 0.3:
        last = content.word(rng, test).capitalize()
    chance = rng.random()
    if chance < 0.1:
        return [f"{first[0]}.", last]
    if chance < 0.18:
        return [first, f"{pick(rng, words.FIRST_NAMES)[0]}.", last]
    if chance < 0.24:
        return [f"{first[0]}.", f"{pick(rng, words.FIRST_NAMES)[0]}.", last]
    return [first, last]


def wrapped(rng, parts, longest):
    """Words in lines of about `longest` letters."""
    lines = [parts[0]]
    for part in parts[1:]:
        if len(lines[-1]) + 1 + len(part) <= longest:
            lines[-1] += " " + part
        else:
            lines.append(part)
    return lines


def small_print(rng, test):
    """What else stands on covers."""
    name = pick(rng, words.FIRST_NAMES) + " " + pick(rng, words.LAST_NAMES)
    return pick(
        rng,
        [
            "A NOVEL",
            "A Novel",
            "a novel",
            "Second Edition",
            "Third Edition",
            "International Bestseller",
            "THE NEW YORK BESTSELLER",
            "Winner of the " + content.word(rng, test) + " Prize",
            "Stories",
            "Poems",
            f"Book {rng.integers(1, 9)} of the {content.word(rng, test)} Series",
            "With a foreword by " + name,
            f"'{content.sentence(rng, 30, test)}'",
            content.sentence(rng, 36, test),
            content.sentence(rng, 24, test),
        ],
    )


def picture(rng, test=False):
    height = int(rng.integers(380, 1000))
    width = int(height * rng.uniform(0.6, 0.8))
    c = draw.Canvas(width, height, (255, 255, 255))
    c.image.paste(ground(rng, width, height, test))
    while True:
        title, author = title_text(rng, test), author_text(rng, test)
        if draw.held_out(" ".join(title), " ".join(author)) == test:
            break
    face = draw.a_face(rng, test)
    author_face = face if rng.random() < 0.5 else draw.a_face(rng, test)
    upper = rng.random() < 0.4
    title = [w.upper() for w in title] if upper else title
    author = [w.upper() for w in author] if rng.random() < 0.35 else author
    layout = Layout(rng, c, test)
    title_lines = wrapped(rng, title, int(rng.integers(6, 16)))
    size = height * rng.uniform(0.055, 0.15)
    author_size = height * rng.uniform(0.03, 0.065)
    on_top = rng.random() < 0.3
    y = height * rng.uniform(0.03, 0.1)
    if rng.random() < 0.3:
        _, y = layout.lines(y, [small_print(rng, test)], author_face, height * rng.uniform(0.02, 0.035))
        y += height * 0.03
    if on_top:
        author_span, y = layout.lines(y, [" ".join(author)], author_face, author_size)
        y += height * rng.uniform(0.02, 0.15)
    else:
        y += height * rng.uniform(0, 0.2)
    title_span, y = layout.lines(y, title_lines, face, size, rng.uniform(1.05, 1.35))
    if rng.random() < 0.45:
        _, y = layout.lines(
            y + height * 0.025,
            wrapped(rng, small_print(rng, test).split(" "), 28),
            author_face,
            height * rng.uniform(0.02, 0.04),
        )
    below = max(y + height * 0.03, height * rng.uniform(0.78, 0.9))
    if not on_top:
        by = ["by "] if rng.random() < 0.12 else [""]
        author_span, y = layout.lines(below, [by[0] + " ".join(author)], author_face, author_size)
        author_span = Span(author_span.text[len(by[0]) :], author_span.where[len(by[0]) :])
        below = y + height * 0.015
    if rng.random() < 0.3 and below < height * 0.95:
        layout.lines(
            height * 0.955,
            [pick(rng, words.CHART_FIRST) + pick(rng, [" Press", " Books", " House", ""])],
            author_face,
            height * rng.uniform(0.018, 0.028),
        )
    glyph_bottom = max(y for _, y, *_ in c.glyphs)
    assert glyph_bottom < height, "more text than the cover holds"
    return c.done("cover", title=title_span, author=author_span)
